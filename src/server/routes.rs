//! The paths of the protocols.

use crate::{
    protocol::{Protocol, Serves},
    telemetry::{Metrics, ProtocolMetrics},
};
use std::{collections::HashMap, io};

/// One path of one protocol.
pub(super) struct ProtocolRoute {
    pub protocol: &'static dyn Protocol,
    pub serves: Serves,
    pub metrics: ProtocolMetrics,
}

impl ProtocolRoute {
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
                let new = ProtocolRoute { protocol: *protocol, serves: route.serves, metrics: counted.clone() };
                if claimed.iter().any(|earlier| earlier.methods() == new.methods()) {
                    return Err(io::Error::other(format!("two protocols claim {}", route.path)));
                }
                claimed.push(new);
            }
        }
        Ok(Self { by_path, protocols, import: labelled(super::ingest::IMPORT)? })
    }

    /// What a path (without trailing slash) serves.
    pub fn at(&self, path: &str) -> &[ProtocolRoute] {
        self.by_path.get(path).map_or(&[], Vec::as_slice)
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
