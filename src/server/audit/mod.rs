//! What the server does for the audit logs by itself: signs checkpoints and sends them out, looks for altered records, removes what is
//! past its retention, and keeps records of what is done to Lifeline.
//!
//! In: the store, a directory for the key, settings. Out: checkpoints, warnings, metrics. Nothing here stops deliveries: what is wrong is
//! logged as an error, counted, and said by `/readyz`.

pub mod access;
pub mod keys;
pub mod look;
pub mod notary;
mod rollback;
mod scrub;
pub mod sinks;

pub use access::{Taken, replay, replayed_in_vain, who};
pub use notary::{Notary, Signed, blocking};

use crate::{
    audit::{
        Actor, Deed, Log,
        note::{SigningKey, VerifyingKey},
    },
    config::Sink,
    model::Timestamp,
    server::state::now_us,
    store::{SharedStore, StoreError},
};
use access::Failures;
use scrub::Scrub;
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Semaphore, time::interval};

/// Choices about the audit logs.
#[derive(Debug, Clone)]
pub struct AuditSettings {
    /// Where key and checkpoints are kept; without it the key lives as long as the process.
    pub dir: Option<PathBuf>,
    /// How often an idle log is signed.
    pub every: Duration,
    /// How long a log may be longer than its newest checkpoint.
    pub grown: Duration,
    /// Where checkpoints go.
    pub sinks: Vec<Sink>,
    /// How long one pass over all records takes.
    pub scrub_every: Duration,
    /// Days that texts of the trail are kept; 0 for ever.
    pub retention_audit_days: u64,
    /// The same for the access log.
    pub retention_access_days: u64,
    /// Days that single steps of syncs are kept; 0 for ever.
    pub retention_detail_days: u64,
    /// Whether nothing is removed.
    pub legal_hold: bool,
    /// Most exports at a time.
    pub exports_max: usize,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            dir: None,
            every: Duration::from_secs(3600),
            grown: Duration::from_secs(60),
            sinks: Vec::new(),
            scrub_every: Duration::from_secs(24 * 3600),
            retention_audit_days: 400,
            retention_access_days: 400,
            retention_detail_days: 90,
            legal_hold: false,
            exports_max: 4,
        }
    }
}

/// How often it is looked whether anything is due.
const LOOK: Duration = Duration::from_secs(1);

/// How often failed logins are written.
const MINUTE: Duration = Duration::from_secs(60);

/// How often retention is carried out.
const RETENTION_EVERY: Duration = Duration::from_secs(6 * 3600);

/// How long a stop waits for sinks.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// An export that was made whole.
#[derive(Debug, Clone)]
pub struct MadeExport {
    /// What tells it from others.
    pub tag: String,
    /// In bytes.
    pub length: u64,
    /// Its manifest, checkpoint and key.
    pub sidecar: String,
}

/// The server's part in the audit logs.
pub struct Auditor {
    /// Choices.
    pub settings: AuditSettings,
    /// Signs.
    pub notary: Notary,
    /// Who was not let in.
    pub failures: Failures,
    /// The search for altered records.
    pub scrub: Scrub,
    /// Exports that may still begin.
    pub exports: Arc<Semaphore>,
    /// What is known of exports that were made whole.
    pub made: Mutex<Vec<MadeExport>>,
    store: SharedStore,
    rollback: Mutex<Vec<String>>,
    rotating: tokio::sync::Mutex<()>,
    records: [AtomicU64; 2],
}

impl Auditor {
    /// Loads or makes the key, and compares the store with what was said about it before.
    ///
    /// # Errors
    /// The key cannot be used, or the store cannot be read.
    pub async fn open(store: &SharedStore, settings: AuditSettings) -> Result<Self, keys::KeyError> {
        let key = match &settings.dir {
            Some(dir) => keys::load_or_make(dir, store)?,
            None => SigningKey::generate(&keys::origin(&**store, Log::Trail)?)?,
        };
        if let Err(error) = keys::remember(store, key.public(), now_us()).await {
            // A full disk is no reason not to serve; the key is remembered at the next start.
            tracing::error!("the key that signs checkpoints cannot be noted in the store: {error}");
        }
        let wrong = |source| keys::KeyError::File { path: "checkpoint sinks".into(), source };
        let sinks = sinks::Sinks::start(settings.dir.as_deref(), &settings.sinks).map_err(wrong)?;
        let auditor = Self {
            notary: Notary::new(Arc::clone(store), &key, sinks)?,
            failures: Failures::default(),
            scrub: Scrub::default(),
            exports: Arc::new(Semaphore::new(settings.exports_max)),
            made: Mutex::default(),
            store: Arc::clone(store),
            rollback: Mutex::default(),
            rotating: tokio::sync::Mutex::default(),
            records: Default::default(),
            settings,
        };
        auditor.outside()?;
        Ok(auditor)
    }

    /// Appends a record of something that was done to Lifeline.
    ///
    /// # Errors
    /// What the store says.
    pub async fn did(&self, deed: Deed, (by, method): (Actor, &str)) -> Result<u64, StoreError> {
        self.store.trail().record(deed.draft(by, method, Timestamp::from_micros(now_us()))).await
    }

    /// The same for what is done already: a record that cannot be written is an error in our log.
    pub async fn note(&self, deed: Deed, by: (Actor, &str)) {
        let event = deed.event;
        if let Err(error) = self.did(deed, by).await {
            tracing::error!("the access log cannot take a record of {event}: {error}");
        }
    }

    /// Compares the store with the checkpoints that were written outside of it; what does not fit becomes a warning, and what is new
    /// of it an error in the log. Blocks.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn outside(&self) -> Result<(), StoreError> {
        let wrong = rollback::check(&*self.store, &self.settings, Some(self.current()))?;
        let mut before = self.rollback.lock().unwrap_or_else(PoisonError::into_inner);
        for new in wrong.iter().filter(|new| !before.contains(new)) {
            tracing::error!("AUDIT TRAIL: {new}");
        }
        *before = wrong;
        Ok(())
    }

    /// The public key that signs now.
    pub fn current(&self) -> [u8; 32] {
        *self.notary.public(Log::Trail).bytes()
    }

    /// What people should know, in words; nothing when all is well.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.rollback.lock().unwrap_or_else(PoisonError::into_inner).clone();
        warnings.extend(self.notary.refusals());
        let damaged = self.scrub.damaged();
        if damaged > 0 {
            warnings.push(format!(
                "{damaged} places of the audit logs do not fit their hashes; `lifeline verify` names each of them"
            ));
        }
        warnings
    }

    /// Works until the process ends.
    pub async fn run(self: Arc<Self>) {
        let pass = actix_rt::spawn(scrub::run(Arc::clone(&self), Arc::clone(&self.store)));
        let (mut look, mut minute, mut retention) = (interval(LOOK), interval(MINUTE), interval(RETENTION_EVERY));
        minute.tick().await;
        loop {
            tokio::select! {
                _ = look.tick() => {
                    if let Err(error) = self.notary.tick(self.settings.grown, self.settings.every).await {
                        tracing::warn!("no checkpoint can be signed now: {error}");
                        tokio::time::sleep(LOOK * 10).await;
                    }
                }
                _ = minute.tick() => self.write_failures().await,
                _ = retention.tick() => scrub::retain(&self, &self.store).await,
            }
            if pass.is_finished() {
                tracing::error!("the search for altered records has ended by itself");
                break;
            }
        }
        std::future::pending::<()>().await;
    }

    /// Counts the records of both logs, for the metrics.
    pub async fn count(&self) {
        for (place, log) in Log::ALL.into_iter().enumerate() {
            let store = Arc::clone(&self.store);
            if let Ok(size) = blocking(move || store.trail().size(log)).await {
                self.records[place].store(size, Ordering::Relaxed);
            }
        }
    }

    async fn write_failures(&self) {
        for draft in self.failures.take() {
            if let Err(error) = self.store.trail().record(draft).await {
                tracing::error!("the access log cannot take a record of failed logins: {error}");
            }
        }
    }

    /// Before the store closes: what was not written, signed or sent yet.
    pub async fn finish(self: &Arc<Self>) {
        self.write_failures().await;
        if let Err(error) = self.notary.finish().await {
            tracing::warn!("the last checkpoint cannot be signed: {error}");
        }
        let this = Arc::clone(self);
        let _ = tokio::task::spawn_blocking(move || this.notary.sinks().finish(LAST_WORDS)).await;
    }

    /// Takes a new key in place of the present one.
    ///
    /// # Errors
    /// It cannot be made, written or remembered. Then the old one goes on.
    pub async fn rotate(&self, by: (Actor, &str)) -> Result<VerifyingKey, keys::KeyError> {
        let _one = self.rotating.lock().await;
        let key = SigningKey::generate(self.notary.origin(Log::Trail))?;
        let (old, new) = (self.notary.key_id(Log::Trail).to_string(), key.public().key_id().to_string());
        keys::remember(&self.store, key.public(), now_us()).await?;
        let details = vec![("old_key_id", old.into()), ("new_key_id", new.clone().into())];
        self.did(Deed { event: "rotate_audit_key", action: "EDIT", on: ("AUDIT_KEY", new), details }, by).await?;
        let keep = || match &self.settings.dir {
            Some(dir) => keys::write(&dir.join(keys::KEY_FILE), &key),
            None => Ok(()),
        };
        self.notary.rotate(&key, keep).await?;
        Ok(key.public().clone())
    }

    /// Metrics, as OpenMetrics text.
    pub fn metrics(&self) -> String {
        let rollback = self.rollback.lock().unwrap_or_else(PoisonError::into_inner).len();
        let of = |log: Log| (log.as_str(), self.notary.known(log));
        let logs = Log::ALL.map(of);
        crate::telemetry::AuditSeries {
            records: std::array::from_fn(|place| {
                (Log::ALL[place].as_str(), self.records[place].load(Ordering::Relaxed))
            }),
            tree_size: logs.map(|(log, known)| (log, known.map_or(0, |(size, _)| size))),
            last_checkpoint_us: logs.map(|(log, known)| (log, known.map_or(0, |(_, at)| at))),
            scrubbed: self.scrub.records(),
            passes: self.scrub.passes(),
            last_pass_us: self.scrub.last_pass_us(),
            damaged: self.scrub.damaged(),
            rollbacks: rollback as u64,
            sink_failures: self.notary.sinks().failures(),
        }
        .text()
    }
}
