//! Where the command line meets the rooms that do the work: how a store is opened, a pipeline made, a server run.
//!
//! Nothing else in `cli/` knows a store's engine, how a pipeline is put together or how the server starts.

use super::{CliError, now_us};
use crate::{
    audit::{Actor, ActorKind, Deed, Log, note::VerifyingKey},
    auth::{ConfiguredToken, DEFAULT_NAME, Gate, GateSettings, IdentitySettings, Issuer, Kind},
    config::{Config, Layout, PubsubIdentity, Secret},
    diagnose::Catalog,
    export::audit::{Export, Format, Plan, filter_text},
    model::{Micros, Timestamp},
    protocol::{Limits, PROTOCOLS},
    query::{audit::ExportParams, diagnosis::Diagnoser},
    redact::Redactor,
    server::{
        self, Listen, ServerContext, ServerSettings, TlsFiles,
        audit::{AuditSettings, Auditor, keys},
    },
    store::{
        SharedStore,
        sqlite::{self, SqliteOptions, SqliteStore},
    },
    telemetry::{self, LogFormat, Metrics},
    validate::Schemas,
};
use std::{
    io,
    net::SocketAddr,
    ops::ControlFlow,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

pub use crate::{
    auth::digest,
    pipeline::{Pipeline, ReplayError, Understanding},
    server::audit::Taken,
    store::sqlite::{
        AskError, Asked, Cell, EventReader, Migrated, Phase, Places, Rows, Shrunk, Step, Stop, StoreFacts,
    },
};

/// Where the store keeps the key of the masks' fingerprints.
const REDACTION_KEY: &str = "redaction_key";

/// A store that is ours, and the pipeline into it.
pub struct Opened {
    /// The store.
    pub store: SharedStore,
    /// The way into it.
    pub pipeline: Arc<Pipeline>,
    /// What errors mean.
    pub diagnoser: Arc<Diagnoser>,
}

/// A token of that kind that nobody can guess.
#[must_use]
pub fn new_token(kind: &str) -> String {
    crate::auth::generate(kind.parse().unwrap_or(Kind::Admin))
}

/// The pure part of the pipeline, without a store. Masks made with it are good for looking at only: its key is thrown away.
///
/// # Errors
/// A schema of the user's own cannot be used.
pub fn understanding(schemas_dir: Option<&Path>) -> Result<Understanding, CliError> {
    let schemas = Schemas::load(schemas_dir).map_err(|error| CliError::Other(error.to_string()))?;
    Ok(Understanding::new(Arc::new(schemas), Arc::new(Redactor::new(rand::random()))))
}

/// Opens the store for this process alone.
///
/// # Errors
/// It cannot be opened, or a schema of the user's own cannot be used.
pub async fn open(config: &Config) -> Result<Opened, CliError> {
    let schemas =
        Schemas::load(config.storage.schemas_dir.as_deref()).map_err(|error| CliError::Other(error.to_string()))?;
    let diagnoser = Arc::new(Diagnoser::new(catalog(config)?));
    let store: SharedStore = Arc::new(engine(config)?);
    let redactor = Redactor::new(redaction_key(&store).await?);
    let pipeline = Pipeline::new(Arc::clone(&store), Arc::new(schemas), Arc::new(redactor));
    Ok(Opened { store, pipeline: Arc::new(pipeline), diagnoser })
}

fn engine(config: &Config) -> Result<SqliteStore, CliError> {
    let options = SqliteOptions {
        queue_batches_max: config.bounds.queue_batches_max,
        ballast_bytes: config.storage.ballast_bytes,
        wal_autocheckpoint_off: !config.storage.wal_autocheckpoint,
        fold: config.storage.fold,
        layout: engine_layout(config.storage.layout),
        ..SqliteOptions::default()
    };
    SqliteStore::open(&config.storage.data_dir, options).map_err(|error| CliError::Other(error.to_string()))
}

const fn engine_layout(layout: Layout) -> sqlite::Layout {
    match layout {
        Layout::Blocks => sqlite::Layout::Sealed,
        Layout::Rows => sqlite::Layout::Rows,
    }
}

/// Brings the events of a store that nobody uses into a layout. Blocks until it is done, or `stop` turns true.
///
/// # Errors
/// There is none, it is in use, or what the store says.
pub fn migrate(
    config: &Config,
    to: Layout,
    verify: bool,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(Step),
) -> Result<Migrated, CliError> {
    let data_dir = &config.storage.data_dir;
    if !data_dir.join(sqlite::DATABASE).exists() {
        return Err(CliError::Other(format!("there is no database in {}", data_dir.display())));
    }
    let store = Arc::new(engine(config)?);
    let migrated = store.migrate(engine_layout(to), verify, sqlite::Watch { stop, tell });
    super::runtime()?.block_on(async {
        let store: SharedStore = store;
        if let Ok(Migrated { moved: moved @ 1.., .. }) = &migrated {
            let on = ("STORE", sqlite::DATABASE.to_owned());
            let details = vec![("layout", format!("{to:?}").to_lowercase().into()), ("moved", (*moved).into())];
            record(&store, Deed { event: "migrate_store", action: "MIGRATE", on, details }).await?;
        }
        Ok::<_, CliError>(store.close().await?)
    })?;
    Ok(migrated?)
}

/// Gives free space in the database of a directory that nobody uses back to the disk.
///
/// # Errors
/// It is in use, there is no room for it, or `stop` turned true.
pub fn shrink(config: &Config, stop: &Arc<AtomicBool>) -> Result<Shrunk, CliError> {
    sqlite::shrink(&config.storage.data_dir, stop).map_err(|error| CliError::Other(error.to_string()))
}

/// The catalogue of errors, with the user's own entries.
///
/// # Errors
/// One of them cannot be used.
pub fn catalog(config: &Config) -> Result<Arc<Catalog>, CliError> {
    Catalog::load(config.storage.diagnosis_dir.as_deref()).map_err(|error| CliError::Other(error.to_string()))
}

/// The key of this store's masks, made when there is none.
async fn redaction_key(store: &SharedStore) -> Result<[u8; 32], CliError> {
    if let Some(key) = store.meta(REDACTION_KEY)? {
        return key.try_into().map_err(|_| CliError::Other("the store's redaction key is damaged".to_owned()));
    }
    let key: [u8; 32] = rand::random();
    store.set_meta(REDACTION_KEY, key.to_vec()).await?;
    Ok(key)
}

/// Runs something that may run the server: it needs more than a plain runtime around it.
///
/// # Errors
/// The runtime cannot be made.
pub fn block_on<T>(work: impl Future<Output = T>) -> Result<T, CliError> {
    Ok(server::block_on(work))
}

fn issuer(pubsub: PubsubIdentity) -> Result<Issuer, CliError> {
    let PubsubIdentity { issuer, audience, email, keys } = pubsub;
    Issuer::open(IdentitySettings { issuer, audience, email, keys })
        .map_err(|why| CliError::Other(format!("pubsub_jwks: {why}")))
}

/// Runs the server until it is told to stop. `ready` is called once it listens. Closes the store.
///
/// # Errors
/// It cannot listen, or stops with an error.
pub async fn serve(
    config: Arc<Config>,
    opened: Opened,
    webhook_secret: Option<Secret>,
    ready: impl FnOnce(SocketAddr) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let gate = Gate::new(&GateSettings {
        tokens: tokens(&config),
        webhook_secrets: webhook_secret.into_iter().collect(),
        auth_failures_per_minute: config.bounds.auth_failures_per_minute,
        signature_skew_s: config.credentials.signature_skew_s,
    })
    .with_issuer(config.credentials.pubsub.clone().map(issuer).transpose()?);
    gate.replace_stored(&opened.store.tokens()?);
    let names = opened.pipeline.understanding().schemas().names().into_iter().map(str::to_owned).collect::<Vec<_>>();
    let metrics = Metrics::new(&ServerContext::metric_labels(PROTOCOLS), names.iter().map(String::as_str));
    let bounds = config.bounds;
    let settings = ServerSettings {
        limits: Limits { body_bytes_max: bounds.body_bytes_max, records_max: bounds.records_max },
        body_bytes_in_flight_max: bounds.body_bytes_in_flight_max,
        connections_max: bounds.connections_max,
        shutdown_grace: Duration::from_secs(bounds.shutdown_grace_s),
        metrics_public: config.network.metrics_public,
        hec_query_token: config.network.hec_query_token,
        audit: audit(&config),
        ..ServerSettings::default()
    };
    let mut context = ServerContext::new(opened.pipeline, Arc::new(gate), Arc::new(metrics), settings);
    context.diagnoser = opened.diagnoser;
    let listen = Listen {
        address: config.network.listen,
        tls: config.network.tls.clone().map(|tls| TlsFiles { cert: tls.cert, key: tls.key }),
        control_socket: Some(config.storage.data_dir.join("control.sock")),
    };
    server::run(context, listen, |address| ready(address).map_err(io::Error::other)).await?;
    Ok(())
}

/// A store that is ours, with the key that signs for it.
pub struct Audited {
    /// The store.
    pub opened: Opened,
    /// Signs, and keeps records of what is done to Lifeline.
    pub auditor: Arc<Auditor>,
}

/// Adds the key to a store that is ours.
///
/// # Errors
/// The key cannot be used.
pub async fn audited(config: &Config, opened: Opened) -> Result<Audited, CliError> {
    let auditor = Auditor::open(&opened.store, audit(config)).await;
    let auditor = auditor.map_err(|error| CliError::Other(error.to_string()))?;
    Ok(Audited { opened, auditor: Arc::new(auditor) })
}

/// The public keys of the audit logs with their fingerprints; none before the first start. Changes nothing.
///
/// # Errors
/// The key file cannot be read.
pub fn public_keys(config: &Config) -> Result<Vec<(String, String)>, CliError> {
    let wrong = |error: &dyn std::fmt::Display| CliError::Other(error.to_string());
    let key = keys::read(&config.storage.data_dir.join(keys::KEY_FILE)).map_err(|error| wrong(&error))?;
    let Some(key) = key else { return Ok(Vec::new()) };
    let name = key.public().name().rsplit_once('/').map_or("", |(name, _)| name);
    let of = |log: Log| {
        let key = VerifyingKey::new(&format!("{name}/{}", log.as_str()), *key.public().bytes());
        key.map(|key| (key.to_string(), key.fingerprint())).map_err(|error| wrong(&error))
    };
    Ok(vec![of(Log::Trail)?, of(Log::Access)?])
}

/// Keeps a record of what a command did to a store that is its own.
///
/// # Errors
/// What the store says.
pub async fn note(
    opened: &Opened,
    event: &'static str,
    action: &'static str,
    on: (&'static str, String),
    details: Vec<(&'static str, serde_json::Value)>,
) -> Result<(), CliError> {
    did(opened, Deed { event, action, on, details }).await
}

/// The same of a deed that is known.
///
/// # Errors
/// What the store says.
pub async fn did(opened: &Opened, deed: Deed) -> Result<(), CliError> {
    record(&opened.store, deed).await
}

async fn record(store: &SharedStore, deed: Deed) -> Result<(), CliError> {
    let (by, method) = this_command();
    store.trail().record(deed.draft(by, method, Timestamp::from_micros(now_us()))).await?;
    Ok(())
}

/// Who acts when a command works on the store itself.
#[must_use]
pub fn this_command() -> (Actor, &'static str) {
    (Actor { id: Some("command line".into()), kind: ActorKind::System }, "CLI")
}

impl Audited {
    /// An export over everything that there is now, noted in the access log.
    ///
    /// # Errors
    /// What the store says.
    pub async fn export(&self, params: ExportParams, format: Format) -> Result<Export, CliError> {
        let log = params.log;
        let details = vec![("format", format.as_str().into()), ("filter", filter_text(&params.filter).into())];
        let on = ("AUDIT_LOG", log.as_str().to_owned());
        let deed = Deed { event: "export_audit", action: "EXPORT", on, details };
        self.auditor.did(deed, this_command()).await?;
        let notary = &self.auditor.notary;
        let signed = notary.first(log, None).await?;
        let signed = signed.ok_or_else(|| CliError::Other("no checkpoint can be signed".into()))?;
        let key = notary.public(log);
        Ok(Export::new(Plan {
            log,
            filter: params.filter,
            format,
            size: signed.size,
            root: signed.root,
            made_at: signed.made_at,
            origin: signed.origin,
            checkpoint: signed.note,
            public_key: key.to_string(),
            key_id: key.key_id().to_string(),
            sign: notary.signer(log),
        })?)
    }

    /// Signs what is not signed yet, and lets go of the store with everything committed.
    ///
    /// # Errors
    /// The store cannot be closed cleanly.
    pub async fn close(self) -> Result<(), CliError> {
        self.auditor.finish().await;
        Ok(self.opened.store.close().await?)
    }
}

/// Looks at the whole store for what was altered.
///
/// # Errors
/// What the store says.
pub fn look(
    config: &Config,
    opened: &Opened,
    checkpoints: &str,
    tell: &mut dyn FnMut(serde_json::Value) -> ControlFlow<()>,
) -> Result<(), CliError> {
    Ok(server::audit::look::look(&*opened.store, &audit(config), checkpoints, tell)?)
}

/// The choices about the audit logs.
fn audit(config: &Config) -> AuditSettings {
    let audit = &config.audit;
    AuditSettings {
        dir: Some(config.storage.data_dir.clone()),
        every: Duration::from_secs(audit.checkpoint_every_s),
        sinks: audit.checkpoint_to.clone(),
        scrub_every: Duration::from_secs(audit.scrub_every_s),
        retention_audit_days: audit.retention_audit_days,
        retention_access_days: audit.retention_access_days,
        retention_detail_days: audit.retention_detail_days,
        legal_hold: audit.legal_hold,
        ..AuditSettings::default()
    }
}

/// The configured tokens.
fn tokens(config: &Config) -> Vec<ConfiguredToken> {
    let credentials = &config.credentials;
    let ingest = credentials.ingest.iter().map(|named| (named.name.clone(), Kind::Ingest, named.token.clone()));
    let unnamed = [(&credentials.read, Kind::Read), (&credentials.admin, Kind::Admin)];
    let unnamed = unnamed
        .into_iter()
        .filter_map(|(token, kind)| token.clone().map(|token| (DEFAULT_NAME.to_owned(), kind, token)));
    ingest.chain(unnamed).map(|(name, kind, token)| ConfiguredToken { name, kind, token }).collect()
}

/// Starts our own log.
///
/// # Errors
/// The filter cannot be read.
pub fn start_log(config: &Config) -> Result<(), CliError> {
    let format = if config.log.json { LogFormat::Json } else { LogFormat::Text };
    telemetry::init(&config.log.filter, format).map_err(|error| CliError::Other(error.to_string()))
}

/// Looks at the store, beside a running server if need be.
///
/// # Errors
/// There is one, and it cannot be read.
pub fn store_facts(config: &Config) -> Result<StoreFacts, CliError> {
    Ok(sqlite::facts(&config.storage.data_dir)?)
}

/// Opens the store for one question that has so much time, beside a running server if need be.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn ask(config: &Config, limit: Option<Duration>) -> Result<Asked, AskError> {
    Asked::open(&config.storage.data_dir, limit)
}

/// Opens the store to read its events, beside a running server if need be.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn events(config: &Config) -> Result<EventReader, CliError> {
    Ok(EventReader::open(&config.storage.data_dir)?)
}

/// Copies the store into a new file, beside a running server if need be.
///
/// # Errors
/// There is none, or the copy cannot be made.
pub fn backup(config: &Config, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<(), CliError> {
    Ok(sqlite::backup(&config.storage.data_dir, to, progress)?)
}

/// Whether a command can open the store of a directory without bringing it to a newer version.
///
/// # Errors
/// The database cannot be read.
pub fn is_current(data_dir: &Path) -> Result<bool, CliError> {
    Ok(sqlite::is_current(data_dir)?)
}

/// The OpenAPI document.
#[must_use]
pub fn openapi() -> String {
    server::openapi_json()
}

/// Tries a quarantined item again.
///
/// # Errors
/// It stays where it is, and why.
pub async fn replay(opened: &Opened, id: i64, now: Micros) -> Result<crate::protocol::Receipt, CliError> {
    let replayed = opened.pipeline.replay(id, now).await;
    let deed = match &replayed {
        Ok(receipt) => {
            let details = vec![("accepted", receipt.accepted.into()), ("duplicates", receipt.duplicates.into())];
            server::audit::replay(id, details)
        }
        Err(ReplayError::StillUnreadable(_)) => server::audit::replayed_in_vain(id),
        Err(error) => return Err(CliError::Other(error.to_string())),
    };
    did(opened, deed).await?;
    replayed.map_err(|error| CliError::Other(error.to_string()))
}
