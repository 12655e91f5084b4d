//! A record read back from its canonical text, for formats that have columns.
//!
//! In: the canonical JSON of a record. Out: its members, borrowed where that is possible; `changes` stays the text that was hashed.
//! Refused: a text that is no record, as damage of the store.

use crate::store::{StoreError, trail::Record};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The members of a record.
#[derive(Debug, Deserialize)]
pub struct Row<'r> {
    /// Its number.
    pub seq: u64,
    /// Its id.
    #[serde(borrow)]
    pub id: Cow<'r, str>,
    /// When, as precise as it came.
    #[serde(borrow)]
    pub at: Cow<'r, str>,
    /// Who.
    #[serde(borrow)]
    pub actor: Who<'r>,
    /// By which road.
    #[serde(borrow)]
    pub method: Option<Cow<'r, str>>,
    /// What was done.
    #[serde(borrow)]
    pub action: Cow<'r, str>,
    /// In the words of the documentation.
    #[serde(borrow)]
    pub use_case: Cow<'r, str>,
    /// The event's name.
    #[serde(borrow)]
    pub event: Cow<'r, str>,
    /// The event's id.
    #[serde(borrow)]
    pub event_id: Option<Cow<'r, str>>,
    /// To what.
    #[serde(borrow)]
    pub primary_resource: Option<Thing<'r>>,
    /// What else it concerns.
    #[serde(borrow)]
    pub secondary_resource: Option<Thing<'r>>,
    /// What changed: a JSON array.
    #[serde(borrow)]
    pub changes: &'r RawValue,
    /// Changes that are not listed.
    #[serde(default)]
    pub changes_omitted: u64,
}

/// An actor.
#[derive(Debug, Deserialize)]
pub struct Who<'r> {
    /// As the event names them.
    #[serde(borrow)]
    pub id: Option<Cow<'r, str>>,
    /// What that is.
    #[serde(borrow)]
    pub kind: Cow<'r, str>,
}

/// A resource.
#[derive(Debug, Deserialize)]
pub struct Thing<'r> {
    /// Its type, in capitals.
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'r, str>,
    /// Its id.
    #[serde(borrow)]
    pub id: Option<Cow<'r, str>>,
}

impl<'r> Row<'r> {
    /// Reads a record's text.
    ///
    /// # Errors
    /// It is no record: somebody changed the store.
    pub fn read(record: &Record, body: &'r str) -> Result<Self, StoreError> {
        serde_json::from_str(body).map_err(|error| StoreError::Damaged(format!("audit record {}: {error}", record.seq)))
    }

    /// Type and id of the primary resource.
    #[must_use]
    pub fn primary(&self) -> (Option<&str>, Option<&str>) {
        parts(self.primary_resource.as_ref())
    }

    /// Type and id of the secondary resource.
    #[must_use]
    pub fn secondary(&self) -> (Option<&str>, Option<&str>) {
        parts(self.secondary_resource.as_ref())
    }
}

fn parts<'t>(thing: Option<&'t Thing<'_>>) -> (Option<&'t str>, Option<&'t str>) {
    thing.map_or((None, None), |thing| (Some(&*thing.kind), thing.id.as_deref()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A record as the store gives it back.
    pub(crate) fn record(seq: u64, body: &str) -> Record {
        Record { seq, at: 1_751_906_060_000_000, body: Some(body.to_owned()), leaf: [seq as u8; 32], twins: Vec::new() }
    }

    /// The canonical text of a pause.
    pub(crate) fn pause(seq: u64) -> String {
        format!(
            concat!(
                r#"{{"seq":{},"id":"000639589c8b2b000000000000000001","at":"2025-07-07T16:34:20.536752Z","#,
                r#""actor":{{"id":"=actor","kind":"user"}},"method":"WEB_UI","action":"EDIT","use_case":"pause_or_resume","#,
                r#""event":"edit_connection","event_id":"000639589c8b2b000000000000000001","#,
                r#""primary_resource":{{"type":"CONNECTION","id":"a \"b\""}},"secondary_resource":null,"#,
                r#""changes":[{{"field":"is_paused","old":true,"new":false}}]}}"#
            ),
            seq
        )
    }

    #[test]
    fn a_text_is_read_back() {
        let text = pause(7);
        let row = Row::read(&record(7, &text), &text).expect("a record");
        assert_eq!((row.seq, &*row.action, row.primary()), (7, "EDIT", (Some("CONNECTION"), Some("a \"b\""))));
        assert_eq!(row.secondary(), (None, None));
        assert_eq!(row.changes.get(), r#"[{"field":"is_paused","old":true,"new":false}]"#);
    }

    #[test]
    fn a_text_that_is_no_record_is_damage() {
        for text in ["", "{}", r#"{"seq":1}"#] {
            let error = Row::read(&record(9, text), text).expect_err("damage").to_string();
            assert!(error.contains("audit record 9"), "{error}");
        }
    }
}
