//! Lives in forms that other programs read: CSV for spreadsheets and warehouses, OpenLineage for catalogues. Events as Parquet
//! ([`events`]). The audit trail as files that prove themselves ([`audit`]).
//!
//! In: the JSON of a connection and of its stages, as answers carry them. Out: bytes of a file, one piece a stage, so that
//! an export of any length needs the memory of one sync. Never refused: a member that is missing or of another kind is an
//! empty cell or a missing facet. Pure: no clock, no store.

pub mod audit;
pub mod csv;
pub mod events;
pub mod openlineage;
pub mod parquet;

use serde_json::Value;

/// A text member; `None` when it is missing, null or no text.
fn text<'v>(value: &'v Value, member: &str) -> Option<&'v str> {
    value.get(member)?.as_str()
}

/// The tables of a sync, in their order.
fn tables(sync: &Value) -> &[Value] {
    sync.get("tables").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// How many tables of a sync were written to; of others it has only read.
#[must_use]
pub fn tables_written(sync: &Value) -> u64 {
    let is_written = |table: &&Value| {
        ["write_started_at", "write_ended_at"].iter().any(|member| text(table, member).is_some())
            || table.get("rows").and_then(Value::as_object).is_some_and(|rows| !rows.is_empty())
    };
    tables(sync).iter().filter(is_written).count() as u64
}

/// Rows of a table or a sync by what was done with them: replaced or inserted, updated, deleted, anything else.
fn rows(of: &Value) -> [u64; 4] {
    let mut sums = [0_u64; 4];
    for (operation, count) in of.get("rows").and_then(Value::as_object).into_iter().flatten() {
        let place = match operation.as_str() {
            "REPLACED_OR_INSERTED" => 0,
            "UPDATED" => 1,
            "DELETED" => 2,
            _ => 3,
        };
        sums[place] = sums[place].saturating_add(count.as_u64().unwrap_or(0));
    }
    sums
}

/// Whether a stage is a sync.
#[must_use]
pub fn is_sync(stage: &Value) -> bool {
    text(stage, "stage") == Some("sync")
}
