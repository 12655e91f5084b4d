//! CSV of syncs and of the tables they wrote, by RFC 4180: commas, CRLF, quotes where they are needed. No cell runs as a formula
//! ([`crate::query::cell`]).

use super::{rows, tables, tables_written, text};
use crate::query::cell::{inert, inert_json, put_line};
use serde_json::Value;
use std::borrow::Cow;

/// Which rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    /// One a sync.
    Syncs,
    /// One a table that a sync wrote.
    Tables,
}

/// What both kinds of rows begin with.
const CONNECTION: [&str; 4] = ["connection_id", "connection_name", "connector_type", "destination"];

const SYNC: [&str; 32] = [
    "sync_id",
    "kind",
    "trigger",
    "triggered_by",
    "status",
    "reason",
    "task_type",
    "started_at",
    "ended_at",
    "duration_ms",
    "first_event_at",
    "last_event_at",
    "missing",
    "rescheduled_at",
    "extract_started_at",
    "extract_ended_at",
    "process_started_at",
    "process_ended_at",
    "load_started_at",
    "load_ended_at",
    "tables",
    "records_read",
    "rows_replaced_or_inserted",
    "rows_updated",
    "rows_deleted",
    "rows_other",
    "queries",
    "rows_extracted",
    "bytes_extracted",
    "warnings",
    "errors",
    "first_event_id",
];

const TABLE: [&str; 12] = [
    "sync_id",
    "sync_started_at",
    "sync_status",
    "schema",
    "table",
    "write_started_at",
    "write_ended_at",
    "records_read",
    "rows_replaced_or_inserted",
    "rows_updated",
    "rows_deleted",
    "rows_other",
];

/// The names of the columns, in order.
#[must_use]
pub fn columns(what: What) -> Vec<&'static str> {
    let own: &[&str] = match what {
        What::Syncs => &SYNC,
        What::Tables => &TABLE,
    };
    CONNECTION.iter().chain(own).copied().collect()
}

/// The first line.
#[must_use]
pub fn header(what: What) -> Vec<u8> {
    lines([columns(what).into_iter().map(Cow::Borrowed).collect()])
}

/// The lines of one sync of a connection.
#[must_use]
pub fn sync(what: What, connection: &Value, sync: &Value) -> Vec<u8> {
    match what {
        What::Syncs => lines([sync_row(connection, sync)]),
        What::Tables => lines(tables(sync).iter().map(|table| table_row(connection, sync, table))),
    }
}

type Row<'v> = Vec<Cow<'v, str>>;

fn sync_row<'v>(connection: &'v Value, sync: &'v Value) -> Row<'v> {
    let mut row = begin(connection);
    let mut add = |value: &'v Value| row.push(cell(value));
    add(&sync["sync_id"]);
    add(&sync["kind"]);
    add(&sync["trigger"]["type"]);
    add(&sync["trigger"]["actor"]);
    for member in ["status", "reason", "task_type", "at", "until", "duration_ms", "first_event_at", "last_event_at"] {
        add(&sync[member]);
    }
    let missing = sync["missing"].as_array().map_or(&[][..], Vec::as_slice).iter().filter_map(Value::as_str);
    row.push(Cow::Owned(missing.collect::<Vec<_>>().join(" ")));
    row.push(cell(&sync["rescheduled_at"]));
    let mut add = |value: &'v Value| row.push(cell(value));
    for phase in ["extract", "process", "load"] {
        add(&sync["phases"][phase]["at"]);
        add(&sync["phases"][phase]["until"]);
    }
    row.push(number(tables_written(sync)));
    row.push(cell(&sync["records_read"]));
    // Of all tables, also of those past the number that a sync names.
    row.extend(rows(sync).map(number));
    for member in ["queries", "rows_extracted", "bytes_extracted", "warnings", "errors"] {
        row.push(cell(&sync[member]));
    }
    row.push(cell(&sync["event_ids"][0]));
    row
}

fn table_row<'v>(connection: &'v Value, sync: &'v Value, table: &'v Value) -> Row<'v> {
    let mut row = begin(connection);
    row.extend(["sync_id", "at", "status"].map(|member| cell(&sync[member])));
    row.extend(
        ["schema", "table", "write_started_at", "write_ended_at", "records_read"].map(|member| cell(&table[member])),
    );
    row.extend(rows(table).map(number));
    row
}

fn begin(connection: &Value) -> Row<'_> {
    CONNECTION.iter().map(|member| text(connection, member).map_or(Cow::Borrowed(""), inert)).collect()
}

/// One value as a cell: texts and numbers as they are, nothing as nothing, anything else as JSON.
fn cell(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => inert(text),
        other => Cow::Owned(inert_json(&other.to_string()).into_owned()),
    }
}

fn number(value: u64) -> Cow<'static, str> {
    Cow::Owned(value.to_string())
}

fn lines<'v>(rows: impl IntoIterator<Item = Row<'v>>) -> Vec<u8> {
    let mut out = Vec::new();
    for row in rows {
        put_line(&mut out, row.iter().map(|cell| &**cell));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn connection() -> Value {
        json!({"connection_id": "brave_otter", "connection_name": "=shop", "connector_type": "postgres", "destination": null})
    }

    fn a_sync() -> Value {
        json!({"stage": "sync", "sync_id": "0f3a", "kind": "incremental", "trigger": {"type": "manual", "actor": "a@example.com"},
            "at": "2026-07-07T16:30:00.000Z", "until": "2026-07-07T16:35:14.456Z", "duration_ms": 314_456, "status": "FAILURE_WITH_TASK",
            "reason": "connection \"refused\",\r\nagain", "task_type": "reconnect", "rescheduled_at": null,
            "phases": {"extract": {"at": "2026-07-07T16:30:01.000Z", "until": null}, "process": null, "load": null},
            "tables": [
                {"schema": "public", "table": "orders", "write_started_at": "2026-07-07T16:31:00.000Z", "write_ended_at": null,
                 "records_read": 24, "rows": {"REPLACED_OR_INSERTED": 12, "UPDATED": 3, "MERGED": 1}},
                {"schema": "other", "table": "orders", "write_started_at": null, "write_ended_at": null, "records_read": 1, "rows": {"DELETED": 5}}],
            "rows": {"REPLACED_OR_INSERTED": 12, "UPDATED": 3, "MERGED": 1, "DELETED": 5}, "records_read": 25,
            "first_event_at": "2026-07-07T16:30:00.000Z", "last_event_at": "2026-07-07T16:35:14.456Z", "missing": [],
            "queries": 984, "rows_extracted": 3746, "bytes_extracted": 8_098_757, "warnings": 0, "errors": 1, "event_ids": ["80", "81"]})
    }

    fn read(bytes: &[u8]) -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(false).from_reader(bytes);
        reader.records().map(|row| row.expect("a row").iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn a_sync_is_one_row_with_every_column() {
        let bytes = [header(What::Syncs), sync(What::Syncs, &connection(), &a_sync())].concat();
        let rows = read(&bytes);
        let cells: Vec<String> = rows[0].iter().zip(&rows[1]).map(|(name, cell)| format!("{name}={cell}")).collect();
        insta::assert_snapshot!(cells.join("\n"));
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 3, "two lines, and one inside a cell");
    }

    #[test]
    fn a_table_is_one_row_and_tables_of_one_name_stay_apart() {
        let rows = read(&sync(What::Tables, &connection(), &a_sync()));
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].len(), columns(What::Tables).len());
        assert_eq!(rows[0][7..], ["public", "orders", "2026-07-07T16:31:00.000Z", "", "24", "12", "3", "0", "1"]);
        assert_eq!(rows[1][7..], ["other", "orders", "", "", "1", "0", "0", "5", "0"]);
        assert!(sync(What::Tables, &connection(), &json!({})).is_empty());
    }

    #[test]
    fn what_is_missing_or_odd_is_still_a_row() {
        for odd in
            [json!(null), json!([]), json!({"tables": 3, "trigger": "x", "phases": [1], "rows": 7, "at": {"a": 1}})]
        {
            let rows = read(&sync(What::Syncs, &odd, &odd));
            assert_eq!(rows.len(), 1);
            assert_eq!(rows[0].len(), columns(What::Syncs).len());
        }
    }

    /// Reads one record as Python's `csv` does in strict mode: quotes double inside quotes, CR and LF end a record outside.
    fn python_like(text: &str) -> Vec<String> {
        let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
        let mut chars = text.chars().peekable();
        let mut at_start = true;
        while let Some(c) = chars.next() {
            match c {
                '"' if quoted && chars.peek() == Some(&'"') => {
                    chars.next();
                    cell.push('"');
                }
                '"' if quoted => quoted = false,
                '"' if at_start => quoted = true,
                ',' | '\r' if !quoted => {
                    cells.push(std::mem::take(&mut cell));
                    at_start = true;
                    if c == '\r' {
                        assert_eq!(chars.next(), Some('\n'), "a record ends with CRLF");
                        assert_eq!(chars.next(), None, "one record");
                    }
                    continue;
                }
                '\n' if !quoted => panic!("a bare line feed"),
                c => cell.push(c),
            }
            at_start = false;
        }
        assert!(!quoted && cell.is_empty(), "the record ends");
        cells
    }

    proptest! {
        /// Names and reasons come from anywhere; a reader must get them back, and a spreadsheet must not run them.
        #[test]
        fn any_text_survives_and_never_begins_a_formula(
            name in any::<String>(),
            reason in "[=+@\t\r\n\"',;-]{0,4}\\PC{0,8}[\"\r\n,]{0,3}",
        ) {
            let connection = json!({"connection_id": name, "connection_name": reason});
            let sync = json!({"sync_id": reason, "status": name, "tables": [{"schema": name, "table": reason}]});
            for (what, expected) in [
                (What::Syncs, vec![(0, &name), (1, &reason), (4, &reason), (8, &name)]),
                (What::Tables, vec![(0, &name), (1, &reason), (4, &reason), (6, &name), (7, &name), (8, &reason)]),
            ] {
                let bytes = super::sync(what, &connection, &sync);
                let text = String::from_utf8(bytes).expect("UTF-8");
                let cells = python_like(&text);
                prop_assert_eq!(cells.len(), columns(what).len());
                for (at, sent) in expected {
                    let read = &cells[at];
                    prop_assert_eq!(read.replace('\'', ""), sent.replace('\'', ""));
                }
                for cell in &cells {
                    prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "{:?}", cell);
                }
            }
        }
    }

    #[test]
    fn tables_that_were_only_read_are_not_counted_as_written() {
        let tables = json!([{"table": "a", "rows": {"UPDATED": 1}}, {"table": "b", "rows": {}, "write_ended_at": "x"},
            {"table": "A", "rows": {}, "records_read": 9, "write_started_at": null}]);
        assert_eq!(tables_written(&json!({"tables": tables, "tables_omitted": 7})), 2);
    }
}
