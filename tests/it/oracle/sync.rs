//! A sync as answers show it, read back from JSON, so that rows of a fold and answers of a server are checked by one code.

use super::account::time;
use lifeline::model::Micros;
use serde_json::Value;
use std::collections::BTreeMap;

/// A sync.
#[derive(Debug, Clone, PartialEq)]
pub struct Sync {
    pub id: Option<String>,
    /// Its first event.
    pub at: Micros,
    /// Whether that was its start.
    pub start_seen: bool,
    pub until: Option<Micros>,
    pub status: String,
    pub tables: BTreeMap<(String, String), Table>,
    /// The whole.
    pub body: Value,
}

/// A table of a sync.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    pub write_start: Option<Micros>,
    pub write_end: Option<Micros>,
    pub rows: BTreeMap<String, u64>,
}

impl Table {
    pub fn sum(&self, operation: &str) -> u64 {
        self.rows.get(operation).copied().unwrap_or_default()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn moment(value: &Value) -> Option<Micros> {
    value.as_str().and_then(time)
}

impl Sync {
    /// Of a stage of the timeline.
    #[track_caller]
    pub fn of(body: &Value) -> Self {
        assert_eq!(body["stage"], "sync", "{body}");
        let tables = body["tables"].as_array().unwrap_or_else(|| panic!("a sync lists its tables: {body}"));
        let tables = tables
            .iter()
            .map(|table| {
                let rows = table["rows"].as_object().unwrap_or_else(|| panic!("a table has rows: {body}"));
                let rows = rows.iter().map(|(name, n)| (name.clone(), n.as_u64().expect("a count"))).collect();
                let write_start = moment(&table["write_started_at"]);
                let write_end = moment(&table["write_ended_at"]);
                ((text(&table["schema"]), text(&table["table"])), Table { write_start, write_end, rows })
            })
            .collect();
        Self {
            id: body["sync_id"].as_str().map(str::to_owned),
            at: moment(&body["first_event_at"]).unwrap_or_else(|| panic!("a sync has a first event: {body}")),
            start_seen: !body["at"].is_null(),
            until: moment(&body["until"]),
            status: text(&body["status"]),
            tables,
            body: body.clone(),
        }
    }

    /// Rows of every table and operation.
    pub fn rows(&self) -> u64 {
        self.tables.values().flat_map(|table| table.rows.values()).sum()
    }
}
