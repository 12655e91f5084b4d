//! Configuration: flag over environment over TOML file over default.
//!
//! In: what the command line, the environment and a file say ([`Inputs`]). Out: a [`Config`] with one struct for
//! each concern, and for people the value and origin of every setting. Refused: unknown keys, values of the wrong kind,
//! settings that do not go together. Everything is made from one table ([`setting::SETTINGS`]); secrets are
//! [`Secret`]s from here on and are never shown.

pub mod resolve;
mod secret;
pub mod setting;
pub mod show;
#[cfg(test)]
mod tests;
pub mod value;

pub use resolve::{ConfigError, Inputs, Origin, Problem, Resolved};
pub use secret::Secret;
pub use value::{DEFAULT_NAME, NamedToken, Sink};

use std::{net::SocketAddr, path::PathBuf};

/// Longest time that a stop may wait for running requests, so that all of it stays below 10 s.
const SHUTDOWN_GRACE_S_MAX: u64 = 8;

/// Where to listen and how to be reached.
#[derive(Debug, Clone)]
pub struct Network {
    /// Where to listen; port 0 picks one.
    pub listen: SocketAddr,
    /// The address that the outside uses, without a slash at the end.
    pub public_url: Option<String>,
    /// Certificate and key, when TLS is on.
    pub tls: Option<Tls>,
    /// Whether HEC takes tokens from the query string.
    pub hec_query_token: bool,
    /// Whether `/metrics` needs no token.
    pub metrics_public: bool,
}

/// PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate chain.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Where things are kept.
#[derive(Debug, Clone)]
pub struct Storage {
    /// Directory of the database and everything else.
    pub data_dir: PathBuf,
    /// How new events are kept.
    pub layout: Layout,
    /// The user's own schemas.
    pub schemas_dir: Option<PathBuf>,
    /// The user's own explanations of errors.
    pub diagnosis_dir: Option<PathBuf>,
    /// Whether checkpoints are the server's business; another program's otherwise.
    pub wal_autocheckpoint: bool,
    /// Bytes of the file that is given up on a full disk; 0 for none.
    pub ballast_bytes: u64,
    /// Whether lives are kept current with every commit.
    pub fold: bool,
}

/// How events are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// In a journal, then in compressed blocks.
    Blocks,
    /// A row each.
    Rows,
}

/// Who may do what. Held in memory only.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// May deliver events.
    pub ingest: Vec<NamedToken>,
    /// May query and export.
    pub read: Option<Secret>,
    /// May also replay and manage tokens.
    pub admin: Option<Secret>,
    /// Signs Fivetran's webhooks.
    pub webhook_secret: Option<Secret>,
    /// How far the date of a signed request may be from our clock; each scheme's own bound when not set.
    pub signature_skew_s: Option<u64>,
    /// Whose identity tokens Pub/Sub may show.
    pub pubsub: Option<PubsubIdentity>,
}

/// The account in whose name Pub/Sub pushes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PubsubIdentity {
    /// Who issues the tokens.
    pub issuer: String,
    /// For whom they are meant.
    pub audience: String,
    /// Whose they are.
    pub email: String,
    /// The issuer's public keys, a JWKS file.
    pub keys: PathBuf,
}

impl Credentials {
    /// Whether nobody configured any credential at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ingest.is_empty() && self.read.is_none() && self.admin.is_none() && self.webhook_secret.is_none()
    }
}

/// Bounds of memory, queues and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Largest body, as sent and decompressed, in bytes.
    pub body_bytes_max: usize,
    /// Most records in one request.
    pub records_max: usize,
    /// Most bytes of bodies in memory at a time.
    pub body_bytes_in_flight_max: usize,
    /// Most open connections.
    pub connections_max: usize,
    /// Most batches waiting for the writer.
    pub queue_batches_max: usize,
    /// Wrong credentials a minute from one address.
    pub auth_failures_per_minute: u32,
    /// Seconds that a stop waits for running requests.
    pub shutdown_grace_s: u64,
}

/// The audit logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// Seconds after which a checkpoint is signed although nothing happened.
    pub checkpoint_every_s: u64,
    /// Where checkpoints go besides the store.
    pub checkpoint_to: Vec<Sink>,
    /// Seconds that one pass over all records takes.
    pub scrub_every_s: u64,
    /// Days that texts of the trail are kept; 0 for ever.
    pub retention_audit_days: u64,
    /// The same for the access log.
    pub retention_access_days: u64,
    /// Days that single steps of syncs are kept; 0 for ever.
    pub retention_detail_days: u64,
    /// Whether nothing is removed.
    pub legal_hold: bool,
}

/// Our own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A tracing filter.
    pub filter: String,
    /// JSON lines instead of text.
    pub json: bool,
}

/// Everything that can be configured.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub network: Network,
    /// Where things are kept.
    pub storage: Storage,
    /// Who may do what.
    pub credentials: Credentials,
    /// Bounds.
    pub bounds: Bounds,
    /// The audit logs.
    pub audit: Audit,
    /// Our own log.
    pub log: Log,
}

impl Config {
    /// Reads the layers and checks what they say together.
    ///
    /// # Errors
    /// Every mistake that was found.
    pub fn load(inputs: &Inputs) -> Result<(Self, Resolved), ConfigError> {
        let resolved = resolve::resolve(inputs)?;
        let config = Self::from_resolved(&resolved)?;
        Ok((config, resolved))
    }

    /// From texts that were checked one by one to values that fit together.
    ///
    /// # Errors
    /// Settings that do not go together.
    pub fn from_resolved(resolved: &Resolved) -> Result<Self, ConfigError> {
        let mut reader = Reader { resolved, problems: Vec::new() };
        let config = reader.config();
        match config {
            Some(config) if reader.problems.is_empty() => Ok(config),
            _ => Err(ConfigError(reader.problems)),
        }
    }
}

/// Takes typed values out of the resolved texts and collects what goes wrong.
struct Reader<'r> {
    resolved: &'r Resolved,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// A value, or `None` when it is not set or (with a problem noted) is wrong.
    fn get<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let entry = self.resolved.entries.iter().find(|entry| entry.setting.key == key)?;
        match parse(entry.text.as_deref()?) {
            Ok(value) => Some(value),
            Err(why) => {
                let text = entry.text.as_deref().unwrap_or_default();
                self.problems.push(resolve::bad_value(entry.setting, &entry.origin, text, &why));
                None
            }
        }
    }

    fn number<T: TryFrom<u64>>(&mut self, key: &str, parse: impl Fn(&str) -> Result<u64, String>) -> Option<T> {
        self.get(key, |text| T::try_from(parse(text)?).map_err(|_| "it is too large".to_owned()))
    }

    fn config(&mut self) -> Option<Config> {
        let path = |text: &str| Ok(PathBuf::from(text));
        let count = |text: &str| value::whole(text, 1);
        let size = |text: &str| value::bytes(text, 1);
        let listen = self.get("listen", value::address);
        let (cert, key) = (self.get("tls_cert", path), self.get("tls_key", path));
        let tls = match (cert, key) {
            (Some(cert), Some(key)) => Some(Tls { cert, key }),
            (None, None) => None,
            (cert, _) => {
                let (given, missing) = if cert.is_some() { ("tls_cert", "tls_key") } else { ("tls_key", "tls_cert") };
                self.problems.push(Problem::Combination(format!(
                    "{given} is set but {missing} is not; TLS needs both, a certificate chain and its private key, as PEM files"
                )));
                None
            }
        };
        let metrics_public = self.get("metrics_public", value::boolean);
        let network = Network {
            listen: listen?,
            public_url: self.get("public_url", value::url),
            tls,
            hec_query_token: self.get("hec_query_token", value::boolean)?,
            metrics_public: metrics_public.unwrap_or_else(|| listen.is_some_and(|at| at.ip().is_loopback())),
        };
        self.get("store", value::store)?;
        let storage = Storage {
            data_dir: self.get("data_dir", path)?,
            layout: self.get("layout", |text| Ok(if text == "rows" { Layout::Rows } else { Layout::Blocks }))?,
            schemas_dir: self.get("schemas_dir", path),
            diagnosis_dir: self.get("diagnosis_dir", path),
            wal_autocheckpoint: self.get("wal_autocheckpoint", value::boolean)?,
            ballast_bytes: self.number("ballast_bytes", value::bytes_or_off)?,
            fold: self.get("fold", value::boolean)?,
        };
        let credentials = Credentials {
            ingest: self.get("ingest_token", value::tokens).unwrap_or_default(),
            read: self.get("read_token", value::secret),
            admin: self.get("admin_token", value::secret),
            webhook_secret: self.get("webhook_secret", value::secret),
            signature_skew_s: self.get("signature_skew_s", |text| value::whole(text, 1)),
            pubsub: self.pubsub()?,
        };
        let bounds = Bounds {
            body_bytes_max: self.number("body_bytes_max", size)?,
            records_max: self.number("records_max", count)?,
            body_bytes_in_flight_max: self.number("body_bytes_in_flight_max", size)?,
            connections_max: self.number("connections_max", count)?,
            queue_batches_max: self.number("queue_batches_max", count)?,
            auth_failures_per_minute: self.number("auth_failures_per_minute", count)?,
            shutdown_grace_s: self.number("shutdown_grace_s", |text| match value::whole(text, 1)? {
                seconds if seconds > SHUTDOWN_GRACE_S_MAX => Err(format!("it is above {SHUTDOWN_GRACE_S_MAX}")),
                seconds => Ok(seconds),
            })?,
        };
        let audit = Audit {
            checkpoint_every_s: self.number("audit_checkpoint_every", count)?,
            checkpoint_to: self.get("audit_checkpoint_to", value::sinks).unwrap_or_default(),
            scrub_every_s: self.number("audit_scrub_every", count)?,
            retention_audit_days: self.number("retention_audit_days", value::days_or_off)?,
            retention_access_days: self.number("retention_access_days", value::days_or_off)?,
            retention_detail_days: self.number("retention_detail_days", value::days_or_off)?,
            legal_hold: self.get("legal_hold", value::boolean)?,
        };
        let log = Log {
            filter: self.get("log", |text| {
                text.parse::<tracing_subscriber::EnvFilter>()
                    .map(|_| text.to_owned())
                    .map_err(|error| error.to_string())
            })?,
            json: self.get("log_format", |text| Ok(text == "json"))?,
        };
        self.together(&bounds, &credentials);
        Some(Config { network, storage, credentials, bounds, audit, log })
    }

    /// Audience, address and keys go together: each alone would let in anybody whom the issuer knows.
    fn pubsub(&mut self) -> Option<Option<PubsubIdentity>> {
        let text = |text: &str| Ok(text.trim().to_owned());
        let issuer = self.get("pubsub_issuer", text)?;
        let (audience, email) = (self.get("pubsub_audience", text), self.get("pubsub_email", text));
        match (audience, email, self.get("pubsub_jwks", |text| Ok(PathBuf::from(text)))) {
            (Some(audience), Some(email), Some(keys)) => Some(Some(PubsubIdentity { issuer, audience, email, keys })),
            (None, None, None) => Some(None),
            _ => {
                self.problems.push(Problem::Combination(
                    "pubsub_audience, pubsub_email and pubsub_jwks are needed together; each alone would let in anybody who has an account with the issuer".into(),
                ));
                Some(None)
            }
        }
    }

    /// What is right alone but wrong together.
    fn together(&mut self, bounds: &Bounds, credentials: &Credentials) {
        if bounds.body_bytes_max > bounds.body_bytes_in_flight_max {
            self.problems.push(Problem::Combination(format!(
                "body_bytes_max ({} bytes) is larger than body_bytes_in_flight_max ({} bytes); a body of that size could never be read",
                bounds.body_bytes_max, bounds.body_bytes_in_flight_max
            )));
        }
        let delivers = |secret: &Option<Secret>| {
            secret.as_ref().is_some_and(|secret| credentials.ingest.iter().any(|token| token.token == *secret))
        };
        if delivers(&credentials.read) || delivers(&credentials.admin) {
            self.problems.push(Problem::Combination(
                "a token stands both under ingest_token and under read_token or admin_token; whoever delivers events must not be able to read them".into(),
            ));
        }
    }
}
