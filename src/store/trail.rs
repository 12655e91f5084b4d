//! What callers may ask about audit logs.
//!
//! In: filters, places in a log, nodes of its tree. Out: records as they were written, the hashes that prove them, signed
//! checkpoints. Records of events are appended by [`super::Store::append`] in the event's own commit; records of our own doings
//! by [`Trail::record`]. Nothing here changes a record; only [`Trail::prune`] removes bodies, and leaves their hashes.

use super::{Order, StoreError, StoreFuture};
use crate::{
    audit::{Draft, Log},
    model::{EventId, Fine, Micros},
};

pub use super::verify::{Checks, Claim, EventSlice, Finding, Flaw, Identify, Seen, Slice, Upto, Verified};
pub use crate::audit::tree::{Hash, NodeId};

/// Which records are wanted. Every field narrows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordFilter {
    /// Exact actor.
    pub actor: Option<String>,
    /// Exact action, upper case.
    pub action: Option<String>,
    /// Exact event name.
    pub event: Option<String>,
    /// Exact use case.
    pub use_case: Option<String>,
    /// Exact method, upper case.
    pub method: Option<String>,
    /// Exact type of the primary or secondary resource, upper case.
    pub resource_type: Option<String>,
    /// Exact id of the primary or secondary resource. With a type, both are of the same resource.
    pub resource_id: Option<String>,
    /// The record of this event.
    pub event_id: Option<EventId>,
    /// Text that must occur in the record, in any case.
    pub q: Option<String>,
    /// Not before, microseconds.
    pub from: Option<Micros>,
    /// Before, microseconds.
    pub to: Option<Micros>,
    /// What both say below a microsecond.
    pub fine: Fine,
}

/// A page of records, wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordQuery {
    /// Of this log.
    pub log: Log,
    /// Which ones.
    pub filter: RecordFilter,
    /// By number.
    pub order: Order,
    /// Strictly behind this number in that order.
    pub after: Option<u64>,
    /// Only the first so many of the log, so that an export does not see what came later.
    pub size: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// A record as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number, from 1 without gaps; its leaf is `seq - 1`.
    pub seq: u64,
    /// When it was done, microseconds.
    pub at: Micros,
    /// Canonical JSON, from `{"seq":` on; `None` after retention.
    pub body: Option<String>,
    /// Its hash in the tree, as it was committed.
    pub leaf: Hash,
    /// Numbers of records of the same action that came by another road.
    pub twins: Vec<u64>,
}

/// A page of records, found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPage {
    /// The records.
    pub records: Vec<Record>,
    /// The number behind which the next page begins; `None` at the end. A page may be short and still have a next one.
    pub next: Option<u64>,
}

/// A signed checkpoint as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Of this log.
    pub log: Log,
    /// Records under it.
    pub size: u64,
    /// When it was signed, microseconds.
    pub at: Micros,
    /// The signed note.
    pub note: String,
}

/// A range of records whose bodies were removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// Of this log.
    pub log: Log,
    /// First number.
    pub first: u64,
    /// Last number.
    pub last: u64,
    /// When, microseconds.
    pub at: Micros,
    /// Why: `retention 400 days`.
    pub reason: String,
}

/// What retention may remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneRequest {
    /// Bodies of trail records of actions older than this that were also received before it, if any.
    pub trail_before: Option<Micros>,
    /// Bodies of access records older than this, if any.
    pub access_before: Option<Micros>,
    /// Why, for the record.
    pub reason: String,
}

/// A key that signed checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// The Ed25519 public key.
    pub public: [u8; 32],
    /// Since when, microseconds.
    pub at: Micros,
    /// How long the trail was then.
    pub trail: u64,
    /// How long the access log was then.
    pub access: u64,
}

/// Questions about audit logs. Reading calls block for milliseconds.
pub trait Trail {
    /// Records under the last commit.
    ///
    /// # Errors
    /// When the engine fails.
    fn size(&self, log: Log) -> Result<u64, StoreError>;

    /// A page of records.
    ///
    /// # Errors
    /// When the engine fails.
    fn records(&self, query: &RecordQuery) -> Result<RecordPage, StoreError>;

    /// Full subtrees, in the order asked. Every asked node must lie under the last commit.
    ///
    /// # Errors
    /// When the engine fails, or a node is missing: then the store is damaged.
    fn nodes(&self, log: Log, ids: &[NodeId]) -> Result<Vec<Hash>, StoreError>;

    /// Checkpoints of at most this size, the newest first.
    ///
    /// # Errors
    /// When the engine fails.
    fn heads(&self, log: Log, size_max: Option<u64>, limit: usize) -> Result<Vec<Head>, StoreError>;

    /// Keeps a signed checkpoint.
    fn keep_head(&self, head: Head) -> StoreFuture<()>;

    /// Appends a record of our own to [`Log::Access`]; gives its number.
    fn record(&self, draft: Draft) -> StoreFuture<u64>;

    /// Removes bodies past their retention in slices; their hashes stay. Gives the ranges that were removed.
    fn prune(&self, request: PruneRequest) -> StoreFuture<Vec<Pruned>>;

    /// Removes detail of syncs that was received before a moment, in slices; gives how many events. What is notable, belongs to the
    /// life cycle or has a record stays. No life changes, but how a connection stood before what was removed is no longer told:
    /// such questions get [`StoreError::Removed`].
    fn sweep(&self, before: Micros) -> StoreFuture<u64>;

    /// Every range that was removed, oldest first.
    ///
    /// # Errors
    /// When the engine fails.
    fn pruned(&self, log: Log) -> Result<Vec<Pruned>, StoreError>;

    /// Why nothing may be removed at the moment; `None` when retention may go on.
    ///
    /// # Errors
    /// When the engine fails.
    fn hold(&self) -> Result<Option<String>, StoreError>;

    /// Sets or lifts the legal hold. While it stands, [`Trail::prune`] removes nothing and gives no ranges.
    fn set_hold(&self, reason: Option<String>) -> StoreFuture<()>;

    /// Names this store in its checkpoints. Random, made once, the same in every copy of the store.
    ///
    /// # Errors
    /// When the engine fails.
    fn store_id(&self) -> Result<[u8; 16], StoreError>;

    /// Every key that ever signed, the first one first.
    ///
    /// # Errors
    /// When the engine fails.
    fn keys(&self) -> Result<Vec<SigningKey>, StoreError>;

    /// Remembers a key that signs from now on. One that is known already is left as it is.
    fn keep_key(&self, key: SigningKey) -> StoreFuture<()>;

    /// Whether records of events that an older version stored are still being made, behind those that arrive.
    ///
    /// # Errors
    /// When the engine fails.
    fn filling(&self) -> Result<bool, StoreError>;

    /// Looks at `n` records from number `from` on and at every node and checkpoint that they complete. Constant memory, one
    /// snapshot. Every slice of a log once is all of it but for what [`Trail::verify`] does besides.
    ///
    /// # Errors
    /// When the engine fails; what is found wrong is no error.
    fn verify_slice(
        &self,
        log: Log,
        from: u64,
        n: u64,
        check: &Checks<'_>,
        found: &mut dyn FnMut(Finding),
    ) -> Result<Slice, StoreError>;

    /// Looks at about `n` stored events behind a place: whether they can be read, and, with [`Checks::identify`], whether each has the
    /// key of its content.
    ///
    /// # Errors
    /// When the engine fails; what is found wrong is no error.
    fn verify_events(
        &self,
        after: Upto,
        n: u64,
        check: &Checks<'_>,
        found: &mut dyn FnMut(Finding),
    ) -> Result<EventSlice, StoreError>;

    /// Looks at everything: both logs slice by slice, then what belongs to no slice. `see` gets what is found and how far it
    /// is, and may end it.
    ///
    /// # Errors
    /// When the engine fails; what is found wrong is no error.
    fn verify(
        &self,
        check: &Checks<'_>,
        see: &mut dyn FnMut(Seen) -> std::ops::ControlFlow<()>,
    ) -> Result<Verified, StoreError>;
}
