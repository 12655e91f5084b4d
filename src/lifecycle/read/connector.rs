//! What a sync logs about its work.
//!
//! In: data of connector events. Out: signals of a sync's course and its lines for people. Never refused.
//! Source: Fivetran log documentation, connector events; old spellings from rows of the LOG table.

use super::{
    super::{Ending, Extract, Import, Message, Modified, Signal, TableName},
    values::{self, Members, TEXT_CHARS_MAX, own, said},
};
use crate::model::{Event, Level};
use serde_json::Value;

/// The table that an event names.
pub(super) fn table(data: Members<'_>) -> TableName {
    TableName { schema: data.text(&["schema"]), table: data.text(&["table", "name"]).unwrap_or_default() }
}

pub(super) fn records_modified(data: Members<'_>) -> Signal {
    let operation = data.str(&["operationType", "operation_type"]).unwrap_or("UNKNOWN");
    let operation = values::cut(operation, TEXT_CHARS_MAX).to_ascii_uppercase().into_boxed_str();
    Signal::RecordsModified(Box::new(Modified { table: table(data), operation, count: data.count(&["count"]) }))
}

pub(super) fn processed_records(data: Members<'_>) -> Signal {
    Signal::Processed(Box::new(table(data)), data.count(&["recordsCount", "records_count"]))
}

pub(super) fn extract_summary(data: Members<'_>) -> Signal {
    Signal::Extracted(Box::new(Extract {
        queries: data.count(&["total_queries", "totalQueries"]),
        rows: data.count(&["total_rows", "totalRows"]),
        bytes: data.count(&["total_size", "totalSize"]),
    }))
}

/// How a sync ended, or that it goes on later.
pub(super) fn ending(data: Members<'_>) -> Ending {
    Ending {
        status: data.text(&["status"]),
        reason: data.said(&["reason", "message"], TEXT_CHARS_MAX),
        task_type: data.text(&["taskType", "task_type"]),
        rescheduled_us: data.time(&["rescheduledAt", "rescheduled_at"]),
    }
}

pub(super) fn sync_stats(data: Option<&Value>) -> Signal {
    let text = data.filter(|data| data.is_object()).and_then(values::json);
    Signal::SyncStats(text.unwrap_or_else(|| "{}".into()))
}

/// `{"tableProgress": {"dbo.orders": "NOT_STARTED"}}`.
pub(super) fn import_progress(data: Members<'_>) -> Signal {
    let mut import = Import::default();
    for (_, state) in data.inner(&["tableProgress", "table_progress"]).iter() {
        import.total = import.total.saturating_add(1);
        let state = state.as_str().unwrap_or_default().trim();
        if ["COMPLETE", "COMPLETED", "DONE"].iter().any(|done| state.eq_ignore_ascii_case(done)) {
            import.done = import.done.saturating_add(1);
        }
    }
    Signal::ImportProgress(import)
}

/// A line for a person. Data that are no object are the line.
pub(super) fn message(event: &Event, data: Members<'_>) -> Message {
    match event.data.as_deref() {
        Some(text @ Value::String(_)) => Message { kind: None, text: said(text, TEXT_CHARS_MAX), table: None },
        _ => Message {
            kind: data.text(&["type"]),
            text: data.said(&["message", "reason"], TEXT_CHARS_MAX),
            table: data.text(&["table"]),
        },
    }
}

/// A line of Connector SDK code, which is as serious as its level.
pub(super) fn sdk_log(event: &Event, data: Members<'_>) -> Signal {
    let mut line = message(event, data);
    line.kind = line.kind.or_else(|| data.str(&["message_origin"]).and_then(own));
    let line = Box::new(line);
    match event.level {
        Level::Severe => Signal::Error(line),
        Level::Warning => Signal::Warning(line),
        Level::Info | Level::Fine => Signal::Info(line),
    }
}
