//! Canonical bytes read back, for exports and folds.

use super::{Actor, Change, Resource};
use crate::model::{Micros, Timestamp};
use serde::Deserialize;

/// A record as its canonical bytes tell it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Entry {
    /// Its number.
    pub seq: u64,
    /// 32 hexadecimal digits.
    pub id: String,
    /// When, RFC 3339.
    pub at: String,
    /// Who.
    pub actor: Actor,
    /// By which road.
    pub method: Option<String>,
    /// What was done.
    pub action: String,
    /// What the documentation calls it.
    pub use_case: String,
    /// Name of the event.
    pub event: String,
    /// The stored event; `None` for our own doings.
    pub event_id: Option<String>,
    /// To what.
    pub primary_resource: Option<Resource>,
    /// What else it concerns.
    pub secondary_resource: Option<Resource>,
    /// What changed.
    pub changes: Vec<Change>,
    /// Changes that are not listed.
    #[serde(default)]
    pub changes_omitted: usize,
}

impl Entry {
    /// Reads canonical bytes; members behind them, as lines have, are passed over.
    ///
    /// # Errors
    /// The text is no record.
    pub fn parse(canonical: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(canonical)
    }

    /// [`Self::at`] in microseconds; `None` where it is no time.
    #[must_use]
    pub fn at_us(&self) -> Option<Micros> {
        Timestamp::parse_calendar(&self.at).ok().map(Timestamp::micros)
    }
}
