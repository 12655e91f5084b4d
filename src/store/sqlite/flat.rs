//! An event's columns, wherever it is kept.
//!
//! Every tier of the store (loose rows, the journal in memory, sealed blocks) gives events in this form, so that reading
//! one back, filtering and folding do not care where it came from.

use crate::model::EventKey;
use std::fmt;

/// A sync id as columns hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SyncRef<'r> {
    /// A UUID in canonical lower case.
    Uuid([u8; 16]),
    /// Any other text.
    Text(&'r str),
}

impl SyncRef<'_> {
    /// Where the look-up of connections keeps it. Stable across versions: it is stored.
    pub fn lookup_hash(&self) -> i64 {
        let bytes: &[u8] = match self {
            Self::Uuid(bytes) => bytes,
            Self::Text(text) => text.as_bytes(),
        };
        // FNV-1a; a collision costs a second connection to look into, nothing else.
        bytes
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
            as i64
    }
}

impl fmt::Display for SyncRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(bytes) => uuid::Uuid::from_bytes(*bytes).hyphenated().fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// The part of an event that is its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyRef<'r> {
    /// As rows hold it: the first byte names the dictionary.
    Packed(&'r [u8]),
    /// As `body::put_plain` made it.
    Plain(&'r [u8]),
}

/// One event's columns. Numbers are those of the interned tables, 0 where the spill or the body says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flat<'r> {
    /// The key.
    pub key: EventKey,
    /// Number of the connection.
    pub conn: i64,
    /// Number of the label.
    pub label: i64,
    /// Number of the kind.
    pub kind: i64,
    /// Number of the shape.
    pub shape: i64,
    /// WARNING or worse, or not valid.
    pub notable: bool,
    /// Microseconds from `created` to the receipt; wraps.
    pub received: i64,
    /// The sync id.
    pub sync: Option<SyncRef<'r>>,
    /// Keyed digest of the masked secrets.
    pub secret: Option<i64>,
    /// JSON of what was not interned or was merged later.
    pub spill: Option<&'r [u8]>,
    /// The body.
    pub body: BodyRef<'r>,
}
