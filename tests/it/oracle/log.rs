//! An account's log as the dbt package reads it: the LOG table, made of the lines.
//!
//! In: lines. Out: rows by connection, in order of time, exact repeats taken out, with the level that LOG gives them. Nothing of the
//! product is used, so that a mistake of the fold cannot hide here.

use super::account::{Account, is_true, time};
use lifeline::model::Micros;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};

/// A row of LOG.
pub struct Row {
    pub at: Micros,
    pub event: String,
    /// `INFO`, `WARNING` or `SEVERE`.
    pub level: &'static str,
    pub sync_id: Option<String>,
    /// Null where absent.
    pub data: Value,
}

impl Row {
    /// Text of a member of the data; empty where absent.
    pub fn text(&self, name: &str) -> &str {
        self.data[name].as_str().unwrap_or_default()
    }

    /// Number of a member of the data.
    pub fn number(&self, name: &str) -> u64 {
        self.data[name].as_u64().unwrap_or_default()
    }

    /// Rescheduled on purpose: history of a priority-first sync goes on later.
    pub fn is_priority(&self) -> bool {
        self.text("status") == "RESCHEDULED" && self.text("reason").contains("intended behavior")
    }
}

/// Rows by connection; the empty id holds those without one.
pub type Log = BTreeMap<String, Vec<Row>>;

/// The level that LOG gives an event.
pub fn level(account: &Account, event: &Value) -> &'static str {
    let status = event["data"]["status"].as_str().unwrap_or_default();
    let severe_ends = || {
        let mine = account.connections.iter().find(|it| event["connection_id"] == it.connection_id.as_str());
        mine.is_some_and(|it| is_true(&it.severe_ends))
    };
    match event["event"].as_str().expect("a name") {
        "error" => "SEVERE",
        "warning" | "json_value_too_long" => "WARNING",
        "sync_end" | "status" if status == "RESCHEDULED" => "WARNING",
        "sync_end" if status.starts_with("FAILURE") && severe_ends() => "SEVERE",
        _ => "INFO",
    }
}

/// The account's LOG.
pub fn of(account: &Account) -> Log {
    let mut seen = HashSet::new();
    let mut log = Log::new();
    for line in &account.lines {
        if !seen.insert(line) {
            continue;
        }
        let mut event: Value = serde_json::from_str(line).expect("a line is JSON");
        let level = level(account, &event);
        let connection = event["connection_id"].as_str().unwrap_or_default().to_owned();
        let name = event["event"].as_str().expect("a name").to_owned();
        let at = event["created"].as_str().and_then(time).expect("a time");
        let data = event["data"].take();
        let sync_id = event["sync_id"].as_str().map(str::to_owned);
        log.entry(connection).or_default().push(Row { at, event: name, level, sync_id, data });
    }
    for rows in log.values_mut() {
        rows.sort_by_key(|row| row.at);
    }
    log
}
