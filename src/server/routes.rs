//! The paths of the protocols.

use crate::{
    protocol::{Headers, Protocol, Route, Serves},
    telemetry::{Metrics, ProtocolMetrics},
};
use std::{collections::HashMap, io};

/// One path of one protocol.
pub(super) struct ProtocolRoute {
    pub protocol: &'static dyn Protocol,
    pub serves: Serves,
    pub metrics: ProtocolMetrics,
    route: Route,
}

impl ProtocolRoute {
    /// Whether a request with these headers means this route.
    pub fn is_meant_by(&self, headers: &dyn Headers) -> bool {
        self.route.fits_headers(headers)
    }

    /// The header that a request needs to mean this route, and how its value begins.
    pub const fn header(&self) -> Option<(&'static str, &'static str)> {
        self.route.only_with
    }

    /// The methods that the route takes.
    pub const fn methods(&self) -> &'static [&'static str] {
        match self.serves {
            Serves::Ingest | Serves::Acks => &["POST"],
            Serves::Health => &["GET", "HEAD"],
        }
    }
}

/// Every path, with what it serves. A path may serve a delivery and a probe.
pub(super) struct Routes {
    by_path: HashMap<&'static str, Vec<ProtocolRoute>>,
    /// Paths that stand for many.
    by_pattern: Vec<(Route, Vec<ProtocolRoute>)>,
    protocols: &'static [&'static dyn Protocol],
    import: ProtocolMetrics,
}

impl Routes {
    /// # Errors
    /// Two protocols that claim the same, or one without metrics: faults of the build, found at start.
    pub fn new(protocols: &'static [&'static dyn Protocol], metrics: &Metrics) -> io::Result<Self> {
        let mut by_path: HashMap<&'static str, Vec<ProtocolRoute>> = HashMap::new();
        let labelled = |name: &str| {
            let found = metrics.protocol(name).cloned();
            found.ok_or_else(|| io::Error::other(format!("protocol {name} has no metrics")))
        };
        for protocol in protocols {
            let counted = labelled(protocol.name())?;
            for route in protocol.routes() {
                let claimed = by_path.entry(route.path).or_default();
                let (protocol, metrics) = (*protocol, counted.clone());
                let new = ProtocolRoute { protocol, serves: route.serves, metrics, route: *route };
                let same = |earlier: &ProtocolRoute| {
                    earlier.methods() == new.methods() && earlier.route.only_with == new.route.only_with
                };
                if claimed.iter().any(same) {
                    return Err(io::Error::other(format!("two protocols claim {}", route.path)));
                }
                claimed.push(new);
            }
        }
        let import = labelled(super::ingest::IMPORT)?;
        let is_pattern = |claimed: &[ProtocolRoute]| claimed.first().is_some_and(|claim| claim.route.is_pattern());
        let (patterns, by_path): (HashMap<_, _>, _) = by_path.into_iter().partition(|(_, claimed)| is_pattern(claimed));
        let mut by_pattern: Vec<_> =
            patterns.into_values().filter_map(|claimed| Some((claimed.first()?.route, claimed))).collect();
        by_pattern.sort_unstable_by_key(|(route, _)| route.path);
        Ok(Self { by_path, by_pattern, protocols, import })
    }

    /// What a path (without trailing slash) serves.
    pub fn at(&self, path: &str) -> &[ProtocolRoute] {
        match self.by_path.get(path) {
            Some(exact) => exact,
            None => self.pattern(path).map_or(&[], |(_, claimed)| claimed.as_slice()),
        }
    }

    /// A path as it may be logged: segments that stand for any may be somebody's key.
    pub fn shown<'p>(&self, path: &'p str) -> &'p str {
        if self.by_path.contains_key(path) {
            return path;
        }
        self.pattern(path).map_or(path, |(route, _)| route.path)
    }

    fn pattern(&self, path: &str) -> Option<&(Route, Vec<ProtocolRoute>)> {
        self.by_pattern.iter().find(|(route, _)| route.fits_path(path))
    }

    /// The protocol of that name.
    pub fn protocol(&self, name: &str) -> Option<&'static dyn Protocol> {
        self.protocols.iter().copied().find(|protocol| protocol.name() == name)
    }

    /// What imports are counted with.
    pub const fn import_metrics(&self) -> &ProtocolMetrics {
        &self.import
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{
        AuthError, Credential, DecodeError, Decoded, Head, Health, IngestError, Limits, Receipt, Reply,
    };

    struct Claims(&'static str, &'static [Route]);

    impl Protocol for Claims {
        fn name(&self) -> &'static str {
            self.0
        }

        fn routes(&self) -> &'static [Route] {
            self.1
        }

        fn credential<'h>(&self, _head: &Head<'h>) -> Result<Credential<'h>, AuthError> {
            Err(AuthError::Missing)
        }

        fn decode<'b>(&self, _head: &Head<'_>, _body: &'b [u8], _limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
            Ok(Decoded::default())
        }

        fn reply(&self, _head: &Head<'_>, _result: &Result<Receipt, IngestError>) -> Reply {
            Reply::empty(200)
        }

        fn health_reply(&self, _head: &Head<'_>, _health: Health) -> Reply {
            Reply::empty(200)
        }
    }

    static ONE: Claims =
        const { Claims("one", &[Route::ingest("/v1/*"), Route::ingest("/").only_with("x-t", "One.")]) };
    static TWO: Claims =
        const { Claims("two", &[Route::ingest("/v1/two"), Route::ingest("/").only_with("x-t", "Two.")]) };

    fn routes(protocols: &'static [&'static dyn Protocol]) -> io::Result<Routes> {
        Routes::new(protocols, &Metrics::new(&["one", "two", "import"], std::iter::empty::<&str>()))
    }

    static BOTH: &[&dyn Protocol] = &[&ONE, &TWO];
    static TWICE: &[&dyn Protocol] = &[&ONE, &ONE];

    #[test]
    fn exact_paths_go_before_patterns_and_headers_decide_between_neighbours() {
        let routes = routes(BOTH).expect("no two claim the same");
        let headers = |value: &str| vec![("x-t".to_owned(), value.to_owned())];
        let name = |path: &str, value: &str| {
            let headers = headers(value);
            let found = routes.at(path).iter().find(|route| route.is_meant_by(&headers));
            found.map_or("nobody", |route| route.protocol.name())
        };
        assert_eq!(name("/v1/two", ""), "two");
        assert_eq!(name("/v1/key", ""), "one");
        assert_eq!(name("/", "One.Put"), "one");
        assert_eq!(name("/", "Two.Put"), "two");
        assert_eq!(name("/", "Three.Put"), "nobody");
        assert_eq!(routes.shown("/v1/key"), "/v1/*", "a key never reaches the log");
        assert_eq!(routes.shown("/v1/two"), "/v1/two");
    }

    #[test]
    fn two_claims_to_the_same_are_found_at_start() {
        assert!(routes(TWICE).is_err());
    }
}
