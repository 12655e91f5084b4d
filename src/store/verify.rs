//! What looking for altered records takes and gives.
//!
//! In: what somebody outside knows of a log, and how far to look. Out: everything that does not fit, each named by its record, node
//! or checkpoint. Nothing is repaired.

use crate::{
    audit::Log,
    model::{EventKey, StoredEvent},
};
use std::fmt;

use super::trail::{Hash, NodeId};

/// What somebody outside says about a log: a checkpoint that left the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Of this log.
    pub log: Log,
    /// Records under it.
    pub size: u64,
    /// Their root.
    pub root: Hash,
}

/// Gives the key of an event by its content, and `None` where that cannot be told.
pub type Identify<'c> = &'c (dyn Fn(&StoredEvent) -> Option<EventKey> + Sync);

/// What is compared besides records, nodes and roots.
#[derive(Clone, Copy, Default)]
pub struct Checks<'c> {
    /// Whether each record is compared with what its event gives today, and every event is read. Takes most of the time.
    pub events: bool,
    /// Names every stored event anew by its content, when given.
    pub identify: Option<Identify<'c>>,
    /// Checkpoints kept elsewhere.
    pub claims: &'c [Claim],
    /// The public key that signs now, from where it is kept. Without it every key in the store is believed.
    pub key: Option<[u8; 32]>,
}

impl fmt::Debug for Checks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, identify, claims, key } = self;
        f.debug_struct("Checks")
            .field("events", events)
            .field("identify", &identify.is_some())
            .field("claims", claims)
            .field("key", &key.map(hex::encode))
            .finish()
    }
}

/// What does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// The record is not there.
    Missing,
    /// There are two of this number, or one where none can be.
    Stray,
    /// The record's text is not the one that was committed.
    Text,
    /// The record's own leaf is not the one that was committed.
    Leaf,
    /// Text and leaf differ; which of them was changed nothing can tell.
    TextOrLeaf,
    /// Columns differ from the text.
    Columns(Vec<&'static str>),
    /// The record is not what its event gives.
    Event,
    /// Its text was removed, but no retention says so.
    Emptied,
    /// What retention says about it is not true.
    Pruned,
    /// A link between two records of one action is wrong or missing.
    Twin,
    /// A node is not the hash of those below it, or is not there.
    Node(NodeId),
    /// A kept checkpoint does not have the root of that many records.
    Head {
        /// Records under it.
        size: u64,
    },
    /// The checkpoint before a kept one, which that one names, is not there.
    Gap {
        /// Records under the one that names it.
        size: u64,
    },
    /// A kept checkpoint cannot be read, or no known key has signed it.
    Note {
        /// Records under it.
        size: u64,
    },
    /// A checkpoint from elsewhere does not have the root of that many records.
    Claim {
        /// Records under it.
        size: u64,
    },
    /// A checkpoint knows of more records than there are: the log was cut, or an older copy restored.
    Cut {
        /// Records under the checkpoint.
        size: u64,
        /// Records in the log.
        found: u64,
    },
    /// An event has not the key that its content gives.
    Identity(EventKey),
    /// An event cannot be read.
    Unreadable(EventKey),
    /// An event that deserves a look is not on the list of those.
    Unmarked(EventKey),
    /// What SQLite finds: an index that does not fit its table, or worse. In its words.
    File(String),
    /// Events that are kept together cannot be read: what of where, how many, whose, and of which time.
    Lost(String),
}

/// One thing that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// In this log.
    pub log: Log,
    /// At this record; for nodes the last one below it, for checkpoints the last one under it. `None` for events.
    pub seq: Option<u64>,
    /// What.
    pub flaw: Flaw,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = self.log.as_str();
        let record = self.seq.map_or_else(|| "record".to_owned(), |seq| format!("record {seq}"));
        match &self.flaw {
            Flaw::Missing => write!(f, "{log}: {record}: missing"),
            Flaw::Stray => write!(f, "{log}: {record}: more than one has this number, or none can have it"),
            Flaw::Text => write!(f, "{log}: {record}: its text was altered"),
            Flaw::Leaf => write!(f, "{log}: {record}: its leaf hash was altered or is missing"),
            Flaw::TextOrLeaf => write!(f, "{log}: {record}: its text or its leaf hash was altered"),
            Flaw::Columns(names) => write!(f, "{log}: {record}: columns differ from its text: {}", names.join(", ")),
            Flaw::Event => write!(f, "{log}: {record}: differs from the event it was read from, or that is gone"),
            Flaw::Emptied => write!(f, "{log}: {record}: its text was removed, but not by retention"),
            Flaw::Pruned => write!(f, "{log}: {record}: a removal by retention is noted that is not so"),
            Flaw::Twin => write!(f, "{log}: {record}: its links to records of the same action were altered"),
            Flaw::Node(NodeId { level, index }) => {
                write!(f, "{log}: tree node {index} of level {level} (up to {record}) was altered or is missing")
            }
            Flaw::Head { size } => write!(f, "{log}: the checkpoint of {size} records has another root"),
            Flaw::Gap { size } => {
                write!(f, "{log}: the checkpoint before that of {size} records is missing, or another")
            }
            Flaw::Note { size } => write!(f, "{log}: the checkpoint of {size} records is not signed by a known key"),
            Flaw::Claim { size } => {
                write!(f, "{log}: the checkpoint from elsewhere of {size} records has another root")
            }
            Flaw::Cut { size, found } => {
                write!(
                    f,
                    "{log}: a checkpoint knows of {size} records, the log has {found}: it was cut, or an older copy restored"
                )
            }
            Flaw::Identity(key) => write!(f, "event {}: its content gives another id", crate::model::EventId(*key)),
            Flaw::Lost(what) => write!(f, "{what}: cannot be read"),
            Flaw::Unmarked(key) => {
                write!(f, "event {}: deserves a look and is not listed for it", crate::model::EventId(*key))
            }
            Flaw::File(what) => write!(f, "database: {what}"),
            Flaw::Unreadable(key) => write!(f, "event {}: cannot be read", crate::model::EventId(*key)),
        }
    }
}

/// How far a pass over stored events came: rows first, then the journal, then blocks, so that what moves meanwhile is not missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Upto {
    /// Nowhere.
    #[default]
    Start,
    /// Up to this row.
    Row(EventKey),
    /// Up to this row of the journal.
    Journal(i64),
    /// Up to this block.
    Block(i64),
}

/// A slice of stored events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventSlice {
    /// Where the next one goes on; `None`: this was the last one.
    pub next: Option<Upto>,
    /// Events that were looked at.
    pub events: u64,
}

/// How far a slice came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// Where the next one begins; `None`: this was the last one.
    pub next: Option<u64>,
    /// Records that were looked at.
    pub records: u64,
}

/// What [`super::Trail::verify`] tells while it works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Something does not fit.
    Found(Finding),
    /// Records and events looked at, and how many there are in all.
    Progress {
        /// So many.
        done: u64,
        /// Of so many.
        of: u64,
    },
}

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verified {
    /// Records of the trail.
    pub trail: u64,
    /// Records of our own doings.
    pub access: u64,
    /// Checkpoints.
    pub heads: u64,
    /// Events, when they were looked at.
    pub events: u64,
    /// What does not fit.
    pub findings: u64,
    /// Whether it came to its end.
    pub whole: bool,
}
