//! Our own doings as records of the access log.
//!
//! In: what was done to Lifeline, by whom, by which road and when. Out: its draft; whoever appends it gives it an id.

use super::{Actor, ActorKind, Change, Draft, Resource};
use crate::model::Timestamp;
use serde_json::Value;

/// Something that was done to Lifeline.
#[derive(Debug, Clone)]
pub struct Deed {
    /// Its name: `export_audit`.
    pub event: &'static str,
    /// `EXPORT`, `CREATE`, `DELETE` ...
    pub action: &'static str,
    /// Type and id of what it was done to.
    pub on: (&'static str, String),
    /// What is to be known of it.
    pub details: Vec<(&'static str, Value)>,
}

impl Deed {
    /// The record of it.
    #[must_use]
    pub fn draft(self, by: Actor, method: &str, at: Timestamp) -> Draft {
        let resource = Resource { kind: self.on.0.to_owned(), id: Some(self.on.1) };
        let change = |(field, new): (&str, Value)| Change { field: field.to_owned(), old: Value::Null, new };
        let changes = self.details.into_iter().map(change).collect();
        Draft::own(self.event, by, method, self.action, Some(resource), changes, at)
    }
}

impl Actor {
    /// The server itself.
    #[must_use]
    pub fn ourselves() -> Self {
        Self { id: Some("lifeline".into()), kind: ActorKind::System }
    }
}
