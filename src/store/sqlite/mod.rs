//! The store in one SQLite file.
//!
//! In: batches. Out: what the [`Store`] trait promises. A batch is encoded on the thread of whoever brings it, waits in a
//! bounded queue, and is committed by the one writer thread together with everything else that waits; its future
//! resolves after the fsync. Readers have their own connections and never wait for the writer.
//!
//! Rows are keyed by time and content, so that live traffic lands at the end of the B-tree; what repeats is interned, what
//! does not is compressed against a dictionary. Refused: a directory that is in use, cannot be written, or holds
//! something newer; settings that would lose acknowledged events.

mod acks;
mod all_events;
mod ask;
mod backup;
mod ballast;
mod body;
mod bytes;
mod cache;
mod deliveries;
mod encode;
mod facts;
mod fault;
mod flat;
mod insert;
mod intake;
mod intern;
mod job;
mod kind;
mod lives;
mod loose;
mod migrate;
mod names;
mod open;
mod options;
mod quarantine;
mod queue;
mod reader;
mod relation;
mod retention;
mod row;
mod scan;
mod schema;
mod sealed;
mod shrink;
mod syncs;
mod tail;
mod template;
#[cfg(test)]
mod tests;
mod tokens;
mod trail;
mod transaction;
mod turns;
mod value;
mod views;
mod wal;
mod writer;

pub use ask::{AskError, Asked, Cell, Rows, Stop};
pub use facts::{EventReader, Places, StoreFacts, backup, facts, is_current};
pub use migrate::{Migrated, Phase, Step, Watch};
pub use open::{DATABASE, OpenError};
pub use options::{Layout, Sealing, SqliteOptions};
#[doc(hidden)]
pub use sealed::Sample;
pub use sealed::absorb::Kept;
pub use shrink::{ShrinkError, Shrunk, shrink};

use super::{
    Appended, Batch, EventPage, EventQuery, Intake, Store, StoreError, StoreFuture, StoreStats, TailCursor, TailPage,
    TokenRecord,
};
use crate::model::{Delivery, EventId, Micros, QuarantinedItem, StoredEvent};
use all_events::AllEvents;
use job::{Job, Reply};
use names::Names;
use open::{DirLock, Role};
use queue::{Limits, Queue};
use reader::Readers;
use sealed::{Sealer, Stock, sealer::Bell};
use std::{
    fs,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};
use tokio::sync::{oneshot, watch};
use writer::{Counters, Writer, now_us};

/// Free bytes that show that a disk is not full any more, after small transactions were refused and after large ones.
const HEADROOM_MIN: u64 = 1 << 20;
const HEADROOM_MAX: u64 = 8 << 20;

/// A [`Store`] in a data directory.
pub struct SqliteStore {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    sealer: Sealer,
}

/// What the writer thread and its callers both see.
struct Shared {
    dir: PathBuf,
    queue: Queue<Job>,
    readers: Readers,
    names: Names,
    bell: Arc<Bell>,
    layout: Layout,
    commits: watch::Sender<u64>,
    lock: Mutex<Option<DirLock>>,
    write_error: Mutex<Option<StoreError>>,
    /// Size of the largest transaction that did not fit on the disk since writing last worked.
    refused_bytes: AtomicUsize,
    events: AtomicU64,
    blocks: AtomicU64,
    block_events: AtomicU64,
    connections: AtomicU64,
    quarantined: AtomicU64,
    transactions: AtomicU64,
    last_commit_us: AtomicI64,
    fold: bool,
    unfolded: AtomicU64,
    /// Connections whose life stands still.
    standing_still: AtomicU64,
    unwritten: AtomicU64,
    /// Since when the first of them waits.
    unfolded_since_us: AtomicI64,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing can panic while one of these locks is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// After a commit, and once at the start.
    fn publish(&self, counters: &Counters, connections: u64) {
        self.events.store(counters.events, Ordering::Relaxed);
        self.quarantined.store(counters.quarantined, Ordering::Relaxed);
        self.connections.store(connections, Ordering::Relaxed);
        self.commits.send_if_modified(|commit| std::mem::replace(commit, counters.commit) != counters.commit);
    }

    /// How many blocks there are, and how many events they hold.
    fn publish_blocks(&self, (blocks, events): (u64, u64)) {
        self.blocks.store(blocks, Ordering::Relaxed);
        self.block_events.store(events, Ordering::Relaxed);
    }

    /// How many connections wait to be folded, and since when the first.
    fn publish_unfolded(&self, folder: &lives::Folder) {
        let (count, since) = folder.waiting();
        self.unwritten.store(folder.unwritten(), Ordering::Relaxed);
        self.unfolded_since_us.store(since.unwrap_or(0), Ordering::Relaxed);
        self.unfolded.store(count, Ordering::Relaxed);
        self.standing_still.store(folder.resting(), Ordering::Relaxed);
    }

    fn write_succeeded(&self, bytes: usize) {
        self.transactions.fetch_add(1, Ordering::Relaxed);
        self.last_commit_us.store(now_us(), Ordering::Relaxed);
        let mut known = held(&self.write_error);
        if *known == Some(StoreError::DiskFull) && !self.has_room_again(bytes) {
            return;
        }
        if let Some(error) = known.take() {
            self.refused_bytes.store(0, Ordering::Relaxed);
            tracing::info!("writing works again after: {error}");
        }
    }

    /// Whether the disk is not full any more, now that so many bytes were written. A few bytes always find a place in
    /// the log; what was refused shall fit as well.
    fn has_room_again(&self, bytes: usize) -> bool {
        let refused = self.refused_bytes.load(Ordering::Relaxed);
        let wanted = (refused as u64).saturating_mul(2).clamp(HEADROOM_MIN, HEADROOM_MAX);
        refused > 0 && bytes >= refused || ballast::free(&self.dir).map_or(true, |free| free >= wanted)
    }

    fn write_failed(&self, error: StoreError, bytes: usize) {
        if error == StoreError::DiskFull {
            self.refused_bytes.fetch_max(bytes, Ordering::Relaxed);
        }
        let mut known = held(&self.write_error);
        if known.as_ref() != Some(&error) {
            tracing::error!("cannot write: {error}");
        }
        *known = Some(error);
    }

    /// The writer thread has died; nobody shall wait for it.
    fn died(&self) {
        self.write_failed(stopped(), 0);
        // Dropping a job tells its waiter.
        drop(self.queue.fail(stopped()));
    }

    /// At the very end.
    fn release(&self) {
        self.bell.end();
        self.readers.close();
        *held(&self.lock) = None;
    }
}

/// What a waiter hears whose answer never came: every other end of the writer answers.
fn stopped() -> StoreError {
    StoreError::Engine("the writer stopped after an internal error; restart the service".into())
}

impl SqliteStore {
    /// Opens the store in a directory, which is made if need be.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing is written when the directory cannot be used.
    pub fn open(dir: &Path, options: SqliteOptions) -> Result<Self, OpenError> {
        let lock = open::take_directory(dir)?;
        let connect = || {
            let mut db = open::connect(dir, Role::Writer)?;
            schema::migrate(&mut db, now_us())?;
            Ok((db, Readers::open(dir)?))
        };
        let (db, readers) = connect().or_else(|error| match error {
            OpenError::DiskFull | OpenError::Io(_) if ballast::remove(dir) => {
                tracing::warn!("{error}; the ballast file was given back, trying once more");
                connect()
            }
            error => Err(error),
        })?;
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            queue: Queue::new(Limits { jobs_max: options.queue_batches_max, bytes_max: options.queue_bytes_max }),
            readers,
            names: Names::new(Arc::new(Stock::new(options.sealing))),
            bell: Arc::default(),
            layout: options.layout,
            commits: watch::Sender::new(0),
            lock: Mutex::new(Some(lock)),
            write_error: Mutex::new(None),
            refused_bytes: AtomicUsize::new(0),
            events: AtomicU64::new(0),
            blocks: AtomicU64::new(0),
            block_events: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            quarantined: AtomicU64::new(0),
            transactions: AtomicU64::new(0),
            last_commit_us: AtomicI64::new(0),
            fold: options.fold,
            unfolded: AtomicU64::new(0),
            standing_still: AtomicU64::new(0),
            unwritten: AtomicU64::new(0),
            unfolded_since_us: AtomicI64::new(0),
        });
        let age = options.sealing.age;
        let writer = Writer::new(dir.to_owned(), options, Arc::clone(&shared), db)?;
        let watched = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || {
                if std::panic::catch_unwind(AssertUnwindSafe(|| writer.run())).is_err() {
                    watched.died();
                }
            })
            .map_err(|error| OpenError::Engine(error.to_string()))?;
        let sealer = Sealer::start(&shared, age).map_err(|error| OpenError::Engine(error.to_string()))?;
        trail::start(&shared);
        Ok(Self { shared, writer: Mutex::new(Some(thread)), sealer })
    }

    fn submit<T: Send + 'static>(&self, weight: usize, job: impl FnOnce(Reply<T>) -> Job) -> StoreFuture<T> {
        let (reply, answer) = oneshot::channel();
        let pushed = self.shared.queue.push(job(reply), weight);
        Box::pin(async move {
            pushed?;
            answer.await.unwrap_or_else(|_| Err(stopped()))
        })
    }
}

impl Store for SqliteStore {
    fn append(&self, batch: Batch) -> StoreFuture<Appended> {
        self.submit_batch(batch, None)
    }

    fn intake(
        &self,
        delivery: Delivery,
        ack_channel: Option<String>,
        about: usize,
    ) -> Result<Box<dyn Intake + '_>, StoreError> {
        self.begin(delivery, ack_channel, about)
    }

    fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        self.shared.readers.ask(|db| scan::page(db, &self.shared.names, query))
    }

    fn event(&self, id: EventId) -> Result<Option<StoredEvent>, StoreError> {
        self.shared.readers.ask(|db| AllEvents::of(db, &self.shared.names)?.event(id.0, None))
    }

    fn tail(&self, after: TailCursor, limit: usize) -> Result<TailPage, StoreError> {
        self.shared.readers.ask(|db| tail::page(db, &self.shared.names, after, limit))
    }

    fn tail_end(&self) -> Result<TailCursor, StoreError> {
        self.shared.readers.ask(tail::end)
    }

    fn commits(&self) -> watch::Receiver<u64> {
        self.shared.commits.subscribe()
    }

    fn acks(&self, token: &str, channel: &str, ids: Vec<u64>) -> StoreFuture<Vec<bool>> {
        let (token, channel) = (token.to_owned(), channel.to_owned());
        self.submit(ids.len() * 8, |reply| Job::Acks { token, channel, ids, reply })
    }

    fn quarantine(&self, before: Option<i64>, limit: usize, all: bool) -> Result<Vec<QuarantinedItem>, StoreError> {
        self.shared.readers.ask(|db| Ok(quarantine::list(db, before, limit, all)?))
    }

    fn quarantined(&self, id: i64) -> Result<Option<QuarantinedItem>, StoreError> {
        self.shared.readers.ask(|db| Ok(quarantine::get(db, id)?))
    }

    fn replay(&self, id: i64, batch: Batch, now: Micros) -> StoreFuture<Appended> {
        self.submit_batch(batch, Some((id, now)))
    }

    fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError> {
        self.shared.readers.ask(|db| Ok(tokens::list(db)?))
    }

    fn add_token(&self, token: TokenRecord) -> StoreFuture<bool> {
        self.submit(0, |reply| Job::AddToken { token, reply })
    }

    fn revoke_token(&self, name: &str, now: Micros) -> StoreFuture<usize> {
        let name = name.to_owned();
        self.submit(0, |reply| Job::RevokeToken { name, now, reply })
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.shared.readers.ask(|db| Ok(tokens::meta(db, key)?))
    }

    fn set_meta(&self, key: &str, value: Vec<u8>) -> StoreFuture<()> {
        let key = key.to_owned();
        self.submit(value.len(), |reply| Job::SetMeta { key, value, reply })
    }

    fn backup(&self, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<(), StoreError> {
        self.shared.queue.check().or_else(|error| match error {
            StoreError::Busy { .. } => Ok(()),
            other => Err(other),
        })?;
        let db =
            open::connect(&self.shared.dir, Role::Reader).map_err(|error| StoreError::Engine(error.to_string()))?;
        backup::copy(&db, to, progress)
    }

    fn lives(&self) -> &dyn super::Lives {
        self
    }

    fn trail(&self) -> &dyn super::Trail {
        self
    }

    fn stats(&self) -> StoreStats {
        let shared = &self.shared;
        let unfolded = shared.unfolded.load(Ordering::Relaxed);
        let size = |end: &str| fs::metadata(shared.dir.join(format!("{DATABASE}{end}"))).map_or(0, |file| file.len());
        StoreStats {
            events: shared.events.load(Ordering::Relaxed),
            journal_events: shared.names.stock.memory().map_or(0, |memory| memory.events() as u64),
            blocks: shared.blocks.load(Ordering::Relaxed),
            block_events: shared.block_events.load(Ordering::Relaxed),
            connections: shared.connections.load(Ordering::Relaxed),
            quarantined: shared.quarantined.load(Ordering::Relaxed),
            size_bytes: size(""),
            wal_bytes: size("-wal"),
            queue_batches: shared.queue.len(),
            queue_batches_max: shared.queue.jobs_max(),
            commits: shared.transactions.load(Ordering::Relaxed),
            last_commit_us: shared.last_commit_us.load(Ordering::Relaxed),
            unfolded,
            standing_still: shared.standing_still.load(Ordering::Relaxed),
            unwritten: shared.unwritten.load(Ordering::Relaxed),
            fold_lag_us: if unfolded == 0 {
                0
            } else {
                now_us().saturating_sub(shared.unfolded_since_us.load(Ordering::Relaxed)).max(0)
            },
            write_error: held(&shared.write_error).clone(),
        }
    }

    fn probe(&self) -> StoreFuture<()> {
        let value = now_us().to_le_bytes().to_vec();
        let written = self.submit(0, |reply| Job::SetMeta { key: "probe".into(), value, reply });
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            written.await?;
            match &*held(&shared.write_error) {
                // The probe went through, but what senders deliver would not.
                Some(StoreError::DiskFull) => Err(StoreError::DiskFull),
                _ => Ok(()),
            }
        })
    }

    fn close(&self) -> StoreFuture<()> {
        let (reply, answer) = oneshot::channel();
        let first = self.shared.queue.close(Job::Close { reply }, StoreError::Closed);
        Box::pin(async move {
            if !first {
                return Err(StoreError::Closed);
            }
            answer.await.unwrap_or_else(|_| Err(stopped()))
        })
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        let (reply, _) = oneshot::channel();
        self.shared.queue.close(Job::Close { reply }, StoreError::Closed);
        if let Some(thread) = held(&self.writer).take() {
            // A panic of the writer was reported when it happened.
            let _ = thread.join();
        }
        self.sealer.end();
        self.shared.release();
    }
}
