//! Keeping events: what callers may ask of a store, in their own words.
//!
//! In: batches of understood events. Out: a receipt after the commit is on disk; events by connection, by time
//! or by id; quarantine, acknowledgements and tokens. One implementation today ([`sqlite`]); another sits behind the
//! same trait later, so nothing here speaks of rows or SQL.

use crate::model::{
    Delivery, EventId, EventKey, Family, Fine, Level, Micros, NewEvent, NewQuarantine, QuarantinedItem, Source, Status,
    StoredEvent, Timestamp,
};
use std::{future::Future, path::Path, pin::Pin, sync::Arc};

#[cfg(test)]
pub mod contract;
#[cfg(test)]
pub mod faulty;
pub mod lives;
#[cfg(test)]
pub mod memory_trail;
pub mod sqlite;
mod text;
pub mod trail;
pub mod verify;

pub use lives::Lives;
pub use sqlite::{OpenError, SqliteOptions};
pub use text::TextSearch;
pub use trail::Trail;

/// Opens the store in a data directory.
///
/// # Errors
/// One line that says what is wrong with the directory and what to do about it.
pub fn open(dir: &Path, options: SqliteOptions) -> Result<SharedStore, OpenError> {
    Ok(Arc::new(sqlite::SqliteStore::open(dir, options)?))
}

/// One request's worth of work, committed whole or not at all.
#[derive(Debug)]
pub struct Batch {
    /// How it came.
    pub delivery: Delivery,
    /// The events in order.
    pub events: Vec<NewEvent>,
    /// The unreadable items.
    pub quarantine: Vec<NewQuarantine>,
    /// The acknowledgement channel (lower case) when the sender named one.
    pub ack_channel: Option<String>,
}

/// What became of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was new. Its key may differ from the asked one when only a secret tells it from another.
    Stored(EventKey),
    /// It was there before; the delivery was counted.
    Duplicate(EventKey),
}

/// A committed batch: everything in it survives a power cut from here on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// One for each event, in order.
    pub outcomes: Vec<Outcome>,
    /// One for each quarantined item, in order.
    pub quarantine_ids: Vec<i64>,
    /// Counts up from 0 per token and channel.
    pub ack_id: Option<u64>,
}

/// Why the store did not do what was asked. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The bounded queue is full.
    #[error("write queue full: {pending} of {limit} batches waiting")]
    Busy {
        /// Batches waiting.
        pending: usize,
        /// The bound.
        limit: usize,
    },
    /// No space left.
    #[error("disk full")]
    DiskFull,
    /// The file or its directory cannot be written.
    #[error("database is read-only")]
    ReadOnly,
    /// Another process holds the database.
    #[error("database is locked by another process")]
    Locked,
    /// The store was closed.
    #[error("store is closed")]
    Closed,
    /// A read took longer than its deadline.
    #[error("query took longer than {limit_ms} ms")]
    TooSlow {
        /// The deadline.
        limit_ms: u64,
    },
    /// How something stood before a moment is not known any more.
    #[error("what was before {} was removed by retention; ask for that moment or later", Timestamp::from_micros(*.from))]
    Removed {
        /// The first moment that is known.
        from: Micros,
    },
    /// Stored bytes cannot be read back.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// Anything else that the engine reports.
    #[error("storage engine: {0}")]
    Engine(String),
}

/// The future of [`Store::append`].
pub type StoreFuture<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// Direction of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Oldest first.
    Asc,
    /// Newest first.
    #[default]
    Desc,
}

/// Which events are wanted. Every field narrows; `None` does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventFilter {
    /// Exact connection id.
    pub connection_id: Option<String>,
    /// Exact event name, lower case.
    pub event: Option<String>,
    /// Family.
    pub family: Option<Family>,
    /// Source system.
    pub source: Option<Source>,
    /// Level.
    pub level: Option<Level>,
    /// Exact sync id.
    pub sync_id: Option<String>,
    /// Validation status.
    pub validation: Option<Status>,
    /// Exact destination.
    pub destination: Option<String>,
    /// Text that must occur in the event's raw text (as it is or as JSON escapes it), name or connection, in any case.
    pub q: Option<String>,
    /// Not before, microseconds.
    pub from: Option<Micros>,
    /// Before, microseconds.
    pub to: Option<Micros>,
    /// What both say below a microsecond.
    pub fine: Fine,
}

impl EventFilter {
    /// Whether it lets every event of one connection through that is in its period.
    #[must_use]
    pub fn is_of_connection(&self) -> bool {
        let Self { connection_id, event, family, source, level, sync_id, validation, destination, q, .. } = self;
        let others = [event, sync_id, destination, q].iter().any(|text| text.is_some());
        let words = family.is_some() || source.is_some() || level.is_some() || validation.is_some();
        connection_id.is_some() && !others && !words
    }
}

/// A page of events, wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventQuery {
    /// Which ones.
    pub filter: EventFilter,
    /// In which order.
    pub order: Order,
    /// Strictly behind this key in that order.
    pub after: Option<EventKey>,
    /// At most so many.
    pub limit: usize,
}

/// Most bytes of raw text on one page, unless a single event has more. Events may be as large as a body, so a page of
/// a thousand of them is bounded by this long before it is by its number.
pub const PAGE_BYTES_MAX: usize = 4 << 20;

/// A page of events, found.
#[derive(Debug, Clone, PartialEq)]
pub struct EventPage {
    /// The events.
    pub events: Vec<StoredEvent>,
    /// Where the next page begins; `None` at the end. A page can be shorter than its limit, even empty, and
    /// still have a next one: a sparse filter gives up its turn after a bounded time, and a page holds at most
    /// [`PAGE_BYTES_MAX`].
    pub next: Option<EventKey>,
}

/// Place in the order of arrival: a commit's number and a position in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct TailCursor {
    /// Number of the commit.
    pub commit: u64,
    /// Events of that commit that were seen, 0 = none.
    pub seen: u32,
}

/// Events in order of arrival.
#[derive(Debug, Clone, PartialEq)]
pub struct TailPage {
    /// Each event with the cursor behind it.
    pub events: Vec<(TailCursor, StoredEvent)>,
    /// Where to go on, also when `events` is empty.
    pub next: TailCursor,
    /// Whether more may follow already: the page was ended by its limit or by [`PAGE_BYTES_MAX`].
    pub more: bool,
    /// Whether something is missing: arrivals between the asked cursor and the first kept one are no longer known in order, or an event
    /// cannot be read.
    pub gap: bool,
}

/// A kept token: only its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Unique name; destination of what it delivers, but for `default`.
    pub name: String,
    /// `ingest`, `read` or `admin`.
    pub kind: String,
    /// SHA-256 of the token.
    pub sha256: [u8; 32],
    /// When it was made.
    pub created_us: Micros,
    /// When it was revoked.
    pub revoked_us: Option<Micros>,
}

/// How the store is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreStats {
    /// Events kept.
    pub events: u64,
    /// Those of them that wait in the journal.
    pub journal_events: u64,
    /// Blocks of events.
    pub blocks: u64,
    /// Events in blocks; what is neither there nor in the journal is a row.
    pub block_events: u64,
    /// Connections known.
    pub connections: u64,
    /// Items waiting in quarantine.
    pub quarantined: u64,
    /// Bytes of the database file.
    pub size_bytes: u64,
    /// Bytes of the write-ahead log.
    pub wal_bytes: u64,
    /// Batches waiting for the writer.
    pub queue_batches: usize,
    /// Bound of that queue.
    pub queue_batches_max: usize,
    /// Commits since the start of the process.
    pub commits: u64,
    /// When the last commit was, microseconds; 0 before the first.
    pub last_commit_us: Micros,
    /// Connections whose late events wait to be folded.
    pub unfolded: u64,
    /// Connections whose life stands still, since events that it follows from cannot be read.
    pub standing_still: u64,
    /// Connections whose rows are not yet in the lists; [`Lives::settle`] brings them there.
    pub unwritten: u64,
    /// How long the one that waits longest for its late events has waited, microseconds.
    pub fold_lag_us: Micros,
    /// Why writes fail at the moment; `None` when they do not.
    pub write_error: Option<StoreError>,
}

/// A batch that is being made ready.
pub trait Intake {
    /// Adds an event.
    fn event(&mut self, new: NewEvent);

    /// Adds an item that could not be read.
    fn quarantine(&mut self, item: NewQuarantine);

    /// Commits what was added, as [`Store::append`] does.
    fn commit(self: Box<Self>) -> StoreFuture<Appended>;
}

/// An intake for stores that take whole batches.
struct Gathering<'s> {
    batch: Batch,
    append: Box<dyn FnOnce(Batch) -> StoreFuture<Appended> + 's>,
}

impl Intake for Gathering<'_> {
    fn event(&mut self, new: NewEvent) {
        self.batch.events.push(new);
    }

    fn quarantine(&mut self, item: NewQuarantine) {
        self.batch.quarantine.push(item);
    }

    fn commit(self: Box<Self>) -> StoreFuture<Appended> {
        (self.append)(self.batch)
    }
}

/// A place that keeps events. Reading calls block for milliseconds: call them where blocking is allowed.
pub trait Store: Send + Sync + 'static {
    /// Commits a batch. The future resolves after the commit is on disk, or with an error and nothing written.
    fn append(&self, batch: Batch) -> StoreFuture<Appended>;

    /// Begins a batch of about `about` events that are made ready one by one, as soon as each is known.
    ///
    /// # Errors
    /// The store is overloaded or closed: nothing will be taken, and nothing need be made ready.
    fn intake(
        &self,
        delivery: Delivery,
        ack_channel: Option<String>,
        about: usize,
    ) -> Result<Box<dyn Intake + '_>, StoreError> {
        let batch = Batch { delivery, events: Vec::with_capacity(about), quarantine: Vec::new(), ack_channel };
        Ok(Box::new(Gathering { batch, append: Box::new(|batch| self.append(batch)) }))
    }

    /// A page of events in time order.
    ///
    /// # Errors
    /// When the engine fails; never for finding nothing.
    fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError>;

    /// One event by its id.
    ///
    /// # Errors
    /// When the engine fails.
    fn event(&self, id: EventId) -> Result<Option<StoredEvent>, StoreError>;

    /// Events in order of arrival behind a cursor.
    ///
    /// # Errors
    /// When the engine fails.
    fn tail(&self, after: TailCursor, limit: usize) -> Result<TailPage, StoreError>;

    /// The newest place in the order of arrival.
    ///
    /// # Errors
    /// When the engine fails.
    fn tail_end(&self) -> Result<TailCursor, StoreError>;

    /// Changes after every commit that stored an event.
    fn commits(&self) -> tokio::sync::watch::Receiver<u64>;

    /// Which acknowledgement ids are durable. As Splunk does, an id is forgotten once it was answered with true.
    fn acks(&self, token: &str, channel: &str, ids: Vec<u64>) -> StoreFuture<Vec<bool>>;

    /// Quarantined items, newest first, with number below `before`. `all` includes replayed ones.
    ///
    /// # Errors
    /// When the engine fails.
    fn quarantine(&self, before: Option<i64>, limit: usize, all: bool) -> Result<Vec<QuarantinedItem>, StoreError>;

    /// One quarantined item.
    ///
    /// # Errors
    /// When the engine fails.
    fn quarantined(&self, id: i64) -> Result<Option<QuarantinedItem>, StoreError>;

    /// Appends what a replay made of an item and marks the item, in one commit.
    fn replay(&self, id: i64, batch: Batch, now: Micros) -> StoreFuture<Appended>;

    /// All tokens, revoked ones included.
    ///
    /// # Errors
    /// When the engine fails.
    fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError>;

    /// Adds a token; false when the name is taken by a token of that kind that is not revoked.
    fn add_token(&self, token: TokenRecord) -> StoreFuture<bool>;

    /// Revokes the tokens of a name; gives how many.
    fn revoke_token(&self, name: &str, now: Micros) -> StoreFuture<usize>;

    /// A small value that belongs to the store (keys, marks of progress). Atomic.
    ///
    /// # Errors
    /// When the engine fails.
    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Sets such a value.
    fn set_meta(&self, key: &str, value: Vec<u8>) -> StoreFuture<()>;

    /// Writes a consistent copy to a file that must not exist, while writing goes on. `progress` gets pages done and
    /// pages in all.
    ///
    /// # Errors
    /// When the copy cannot be written or checked.
    fn backup(&self, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<(), StoreError>;

    /// Questions about connections' lives.
    fn lives(&self) -> &dyn lives::Lives;

    /// Questions about audit logs.
    fn trail(&self) -> &dyn Trail;

    /// How it is doing. Cheap.
    fn stats(&self) -> StoreStats;

    /// Tries whether a write would succeed now.
    fn probe(&self) -> StoreFuture<()>;

    /// Stops taking batches, commits what waits, shrinks the write-ahead log. Later calls give [`StoreError::Closed`].
    fn close(&self) -> StoreFuture<()>;
}

/// A store behind a shared pointer.
pub type SharedStore = Arc<dyn Store>;
