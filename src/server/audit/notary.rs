//! Signs checkpoints and keeps them.
//!
//! In: the store's trees, a key. Out: signed notes, each kept in the store before anybody sees it, then told to all sinks. For each log
//! two are at hand: the newest, and the first that covers as many records as there are now; exports stand under that one, so that the
//! same export made twice has the same bytes however often an idle log was signed meanwhile. Refused: to sign a log that does not begin
//! with what was signed last; whoever rewrote it shall not have our signature on it.

use super::{keys, sinks::Sinks};
use crate::{
    audit::{
        Log,
        note::{self, Checkpoint, KeyId, Note, Previous, SigningKey, VerifyingKey},
        tree::{self, Hash},
    },
    model::{Micros, Timestamp},
    query::render::millis,
    server::state::now_us,
    store::{SharedStore, StoreError, Trail, trail::Head},
};
use std::sync::Arc;
use tokio::{sync::Mutex, time::Instant};

/// A checkpoint that was signed and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Of this log.
    pub log: Log,
    /// What the log is called.
    pub origin: String,
    /// Records under it.
    pub size: u64,
    /// Their root.
    pub root: Hash,
    /// When it was signed, microseconds.
    pub at: Micros,
    /// The same as the note says it.
    pub made_at: String,
    /// The note.
    pub note: String,
}

impl Signed {
    /// Reads a kept checkpoint. `None` when it is none of this log.
    pub fn read(head: &Head, origin: &str) -> Option<Self> {
        let note = Note::parse(&head.note).ok()?;
        let Checkpoint { origin: found, size, root, time, .. } = Checkpoint::parse(&note.text).ok()?;
        (found == origin && size == head.size).then(|| Self {
            log: head.log,
            origin: found,
            size,
            root,
            at: head.at,
            made_at: time.map_or_else(|| millis(head.at), |time| time.to_string()),
            note: head.note.clone(),
        })
    }
}

/// A key under the names of both logs.
struct Pair {
    trail: SigningKey,
    access: SigningKey,
}

impl Pair {
    fn of(&self, log: Log) -> &SigningKey {
        match log {
            Log::Trail => &self.trail,
            Log::Access => &self.access,
        }
    }
}

/// What is known of a log's checkpoints.
#[derive(Debug, Clone, Default)]
struct Known {
    /// The first of the present size that the present key alone has signed.
    first: Option<Signed>,
    newest: Option<Signed>,
    /// Since when the log is seen to have grown past the newest.
    grown: Option<Instant>,
}

/// Signs for both logs.
pub struct Notary {
    store: SharedStore,
    keys: std::sync::RwLock<Arc<Pair>>,
    origins: [String; 2],
    known: [Mutex<Known>; 2],
    sinks: Sinks,
    /// Why the last checkpoint of a log was not signed.
    refused: std::sync::Mutex<[Option<String>; 2]>,
}

const fn place(log: Log) -> usize {
    match log {
        Log::Trail => 0,
        Log::Access => 1,
    }
}

impl Notary {
    /// Signs with this key.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn new(store: SharedStore, key: &SigningKey, sinks: Sinks) -> Result<Self, keys::KeyError> {
        let origins = [keys::origin(&*store, Log::Trail)?, keys::origin(&*store, Log::Access)?];
        let pair = Arc::new(Pair { trail: key.renamed(&origins[0])?, access: key.renamed(&origins[1])? });
        Ok(Self {
            store,
            keys: std::sync::RwLock::new(pair),
            origins,
            known: Default::default(),
            sinks,
            refused: Default::default(),
        })
    }

    fn keys(&self) -> Arc<Pair> {
        Arc::clone(&self.keys.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// What a log is called.
    pub fn origin(&self, log: Log) -> &str {
        &self.origins[place(log)]
    }

    /// The public key of a log.
    pub fn public(&self, log: Log) -> VerifyingKey {
        self.keys().of(log).public().clone()
    }

    /// The id of that key.
    pub fn key_id(&self, log: Log) -> KeyId {
        self.keys().of(log).public().key_id()
    }

    /// Signs other texts: manifests.
    pub fn signer(&self, log: Log) -> crate::export::audit::Sign {
        let keys = self.keys();
        // Manifests are texts without control characters, which is all that a note asks for.
        Arc::new(move |text| note::sign(text, &[keys.of(log)]).unwrap_or_default())
    }

    /// Where checkpoints go besides the store.
    pub const fn sinks(&self) -> &Sinks {
        &self.sinks
    }

    /// A checkpoint over everything that was acknowledged before this was called: the newest one.
    pub async fn newest(&self, log: Log) -> Result<Signed, StoreError> {
        let mut known = self.known[place(log)].lock().await;
        self.catch_up(log, &mut known).await?;
        known.newest.clone().ok_or_else(lost)
    }

    /// The first checkpoint over as many records as there are now, or over exactly `size` records; `None` when no checkpoint of
    /// that size was kept.
    pub async fn first(&self, log: Log, size: Option<u64>) -> Result<Option<Signed>, StoreError> {
        let mut known = self.known[place(log)].lock().await;
        self.catch_up(log, &mut known).await?;
        match size {
            Some(size) if known.first.as_ref().is_none_or(|first| first.size != size) => {
                let (store, origin, public) = self.reading(log);
                blocking(move || first_of(store.trail(), log, size, &origin, &public)).await
            }
            _ => known.first.clone().ok_or_else(lost).map(Some),
        }
    }

    fn reading(&self, log: Log) -> (SharedStore, String, VerifyingKey) {
        (Arc::clone(&self.store), self.origin(log).to_owned(), self.public(log))
    }

    /// Signs when the log grew past what is known.
    async fn catch_up(&self, log: Log, known: &mut Known) -> Result<(), StoreError> {
        if known.newest.is_none() {
            let (store, origin, public) = self.reading(log);
            let kept = blocking(move || {
                let newest = store.trail().heads(log, None, 1)?.pop().and_then(|head| Signed::read(&head, &origin));
                let size = newest.as_ref().map_or(0, |newest| newest.size);
                Ok((first_of(store.trail(), log, size, &origin, &public)?, newest))
            });
            (known.first, known.newest) = kept.await?;
        }
        let store = Arc::clone(&self.store);
        let size = blocking(move || store.trail().size(log)).await?;
        // A first one of another size, or by an older key, is no longer the one for exports.
        let first = known.first.as_ref().is_some_and(|first| first.size == size);
        let newest = known.newest.as_ref().is_some_and(|newest| newest.size == size);
        if first && newest {
            return Ok(());
        }
        self.sign(log, size, known).await
    }

    /// Signs a checkpoint of this size, keeps it and tells everybody.
    async fn sign(&self, log: Log, size: u64, known: &mut Known) -> Result<(), StoreError> {
        let keys = self.keys();
        self.sign_with(log, size, known, &[keys.of(log)]).await
    }

    async fn sign_with(&self, log: Log, size: u64, known: &mut Known, keys: &[&SigningKey]) -> Result<(), StoreError> {
        self.extends(log, size, known).await?;
        let store = Arc::clone(&self.store);
        let root = blocking(move || root(store.trail(), log, size)).await?;
        let at = now_us();
        let origin = self.origin(log).to_owned();
        let previous = known.newest.as_ref().map(|newest| Previous { size: newest.size, root: newest.root });
        let made_at = millis(at);
        let time = Timestamp::parse_calendar(&made_at).ok();
        let checkpoint = Checkpoint { origin: origin.clone(), size, root, time, previous, others: Vec::new() };
        let note = note::sign(&checkpoint.text(), keys).map_err(|error| StoreError::Engine(error.to_string()))?;
        self.store.trail().keep_head(Head { log, size, at, note: note.clone() }).await?;
        let signed = Signed { log, origin, size, root, at, made_at, note };
        tracing::info!(origin = signed.origin, size, root = hex::encode(root), "signed a checkpoint of {size} records");
        self.sinks.send(&signed);
        if keys.len() == 1 && known.first.as_ref().is_none_or(|first| first.size != size) {
            known.first = Some(signed.clone());
        }
        known.newest = Some(signed);
        known.grown = None;
        Ok(())
    }

    /// Whether a log still begins with what was signed last.
    async fn extends(&self, log: Log, size: u64, known: &Known) -> Result<(), StoreError> {
        let Some(last) = &known.newest else { return Ok(()) };
        let (store, signed, wanted) = (Arc::clone(&self.store), last.size, last.root);
        let same = blocking(move || match root(store.trail(), log, signed) {
            Ok(root) => Ok(root == wanted),
            Err(StoreError::Damaged(_)) => Ok(false),
            Err(error) => Err(error),
        });
        let why = (size < signed || !same.await?).then(|| {
            format!(
                "the first {signed} records of the {} log are not those that were signed at {}; no checkpoint is signed over them",
                log.as_str(),
                last.made_at
            )
        });
        let mut refused = self.refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let before = std::mem::replace(&mut refused[place(log)], why.clone());
        match why {
            None => Ok(()),
            Some(why) => {
                if before.is_none() {
                    tracing::error!("AUDIT TRAIL: {why}");
                }
                Err(StoreError::Damaged(why))
            }
        }
    }

    /// Why checkpoints are not signed at the moment.
    pub fn refusals(&self) -> Vec<String> {
        let refused = self.refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        refused.iter().flatten().cloned().collect()
    }

    /// Signs what is due: a log that has been longer than its newest checkpoint for `grown`, and any log whose newest checkpoint is
    /// older than `every`. A log that cannot be signed does not keep the other from it.
    ///
    /// # Errors
    /// Of the first log that cannot be signed.
    pub async fn tick(&self, grown: std::time::Duration, every: std::time::Duration) -> Result<(), StoreError> {
        let mut done = Ok(());
        for log in Log::ALL {
            done = done.and(self.sign_if_due(log, grown, every).await);
        }
        done
    }

    async fn sign_if_due(
        &self,
        log: Log,
        grown: std::time::Duration,
        every: std::time::Duration,
    ) -> Result<(), StoreError> {
        let mut known = self.known[place(log)].lock().await;
        let Some(newest) = &known.newest else {
            return self.catch_up(log, &mut known).await;
        };
        let age_us = u64::try_from(now_us().saturating_sub(newest.at)).unwrap_or(0);
        let newest_size = newest.size;
        let store = Arc::clone(&self.store);
        let size = blocking(move || store.trail().size(log)).await?;
        if size != newest_size && known.grown.is_none() {
            known.grown = Some(Instant::now());
        }
        let due = known.grown.is_some_and(|since| since.elapsed() >= grown);
        if due || u128::from(age_us) >= every.as_micros() {
            self.sign(log, size, &mut known).await?;
        }
        Ok(())
    }

    /// Signs what is not signed yet. A log that cannot be signed does not keep the other from it.
    ///
    /// # Errors
    /// Of the first log that cannot be signed.
    pub async fn finish(&self) -> Result<(), StoreError> {
        let mut done = Ok(());
        for log in Log::ALL {
            done = done.and(self.newest(log).await.map(drop));
        }
        done
    }

    /// Takes another key. Each log's next checkpoint is signed by both, so that the old key vouches for the new one; then `keep` makes
    /// the new one last, and signs alone.
    pub async fn rotate(
        &self,
        key: &SigningKey,
        keep: impl FnOnce() -> Result<(), keys::KeyError>,
    ) -> Result<(), keys::KeyError> {
        let new = Arc::new(Pair { trail: key.renamed(&self.origins[0])?, access: key.renamed(&self.origins[1])? });
        let old = self.keys();
        for log in Log::ALL {
            let mut known = self.known[place(log)].lock().await;
            self.catch_up(log, &mut known).await?;
            let size = known.newest.as_ref().map_or(0, |newest| newest.size);
            self.sign_with(log, size, &mut known, &[old.of(log), new.of(log)]).await?;
        }
        keep()?;
        *self.keys.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::clone(&new);
        for log in Log::ALL {
            let mut known = self.known[place(log)].lock().await;
            known.first = None;
            let store = Arc::clone(&self.store);
            let size = blocking(move || store.trail().size(log)).await?;
            self.sign(log, size, &mut known).await?;
        }
        Ok(())
    }

    /// Records under the newest checkpoint and when it was signed, of a log; `None` before the first, or while one is being signed.
    pub fn known(&self, log: Log) -> Option<(u64, Micros)> {
        let known = self.known[place(log)].try_lock().ok()?;
        known.newest.as_ref().map(|newest| (newest.size, newest.at))
    }
}

fn lost() -> StoreError {
    StoreError::Engine("a checkpoint is not there".into())
}

/// The root over the first records.
pub fn root(trail: &dyn Trail, log: Log, size: u64) -> Result<Hash, StoreError> {
    let root = tree::root(size, |ids| trail.nodes(log, ids));
    root.map_err(|error| match error {
        tree::ProofError::Nodes(error) => error,
        other => StoreError::Damaged(other.to_string()),
    })
}

/// The oldest kept checkpoint of a size that this key, and no other, has signed.
fn first_of(
    trail: &dyn Trail,
    log: Log,
    size: u64,
    origin: &str,
    key: &VerifyingKey,
) -> Result<Option<Signed>, StoreError> {
    let mut limit = 8;
    loop {
        let heads = trail.heads(log, Some(size), limit)?;
        let whole = heads.len() < limit || heads.last().is_some_and(|head| head.size < size);
        if whole {
            let by_key = |head: &&Head| {
                head.size == size
                    && Note::parse(&head.note).is_ok_and(|note| note.signatures.len() == 1 && note.verify(key).is_ok())
            };
            return Ok(heads.iter().rev().filter(by_key).find_map(|head| Signed::read(head, origin)));
        }
        limit *= 8;
    }
}

/// Reads the store where blocking is allowed.
pub async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let read = tokio::task::spawn_blocking(read).await;
    read.unwrap_or_else(|_| Err(StoreError::Engine("a read failed".into())))
}
