//! Records as CSV by RFC 4180, in the columns of the contract.
//!
//! In: records in order of their numbers. Out: a header, then one line a record, with CRLF; `changes` is JSON in one cell. Cells that a
//! spreadsheet would run as a formula are made inert, as in every CSV of ours.

use super::{Ends, Writer, row::Row};
use crate::{
    query::cell::{inert, inert_json, put_line},
    store::{StoreError, trail::Record},
};

/// The names of the columns, in order.
pub const COLUMNS: [&str; 15] = [
    "seq",
    "at",
    "actor",
    "actor_kind",
    "method",
    "action",
    "use_case",
    "event",
    "primary_type",
    "primary_id",
    "secondary_type",
    "secondary_id",
    "changes",
    "event_id",
    "leaf_hash",
];

/// The place of `changes`.
const CHANGES: usize = 12;

/// Writes them.
#[derive(Debug, Default)]
pub struct Csv;

impl Writer for Csv {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), StoreError> {
        put_line(out, COLUMNS);
        Ok(())
    }

    fn record(
        &mut self,
        record: &Record,
        body: &str,
        _before: &[[u8; 32]],
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        let row = Row::read(record, body)?;
        let (seq, leaf) = (row.seq.to_string(), hex::encode(record.leaf));
        let ((primary_type, primary_id), (secondary_type, secondary_id)) = (row.primary(), row.secondary());
        let cells = [
            Some(&*seq),
            Some(&*row.at),
            row.actor.id.as_deref(),
            Some(&*row.actor.kind),
            row.method.as_deref(),
            Some(&*row.action),
            Some(&*row.use_case),
            Some(&*row.event),
            primary_type,
            primary_id,
            secondary_type,
            secondary_id,
            None,
            row.event_id.as_deref(),
            Some(&*leaf),
        ];
        let mut cells = cells.map(|cell| inert(cell.unwrap_or_default()));
        cells[CHANGES] = inert_json(row.changes.get());
        put_line(out, cells.iter().map(|cell| &**cell));
        Ok(())
    }

    fn end(&mut self, _ends: &Ends<'_>, _out: &mut Vec<u8>) -> Result<(), StoreError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::row::tests::*, *};

    #[test]
    fn a_record_is_one_row_with_every_column() {
        let mut out = Vec::new();
        let mut csv = Csv;
        csv.begin(&mut out).expect("a header");
        csv.record(&record(7, ""), &pause(7), &[], &mut out).expect("a row");
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 2);
        let mut reader = csv::Reader::from_reader(&*out);
        assert_eq!(reader.headers().expect("a header"), COLUMNS.as_slice());
        let row = reader.records().next().expect("a row").expect("well formed");
        let leaf = "07".repeat(32);
        let expected = [
            "7",
            "2025-07-07T16:34:20.536752Z",
            "'=actor",
            "user",
            "WEB_UI",
            "EDIT",
            "pause_or_resume",
            "edit_connection",
            "CONNECTION",
            "a \"b\"",
            "",
            "",
            r#"[{"field":"is_paused","old":true,"new":false}]"#,
            "000639589c8b2b000000000000000001",
            &leaf,
        ];
        assert_eq!(row.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn changes_stay_json_and_inert() {
        let mut out = Vec::new();
        let text = pause(7).replace("\"old\":true", "\"old\":\"a;=1+1\"");
        Csv.record(&record(7, ""), &text, &[], &mut out).expect("a row");
        assert!(!String::from_utf8_lossy(&out).contains(";="));
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&*out);
        let row = reader.records().next().expect("a row").expect("well formed");
        let changes: serde_json::Value = serde_json::from_str(&row[12]).expect("JSON");
        assert_eq!(changes[0]["old"], "a;=1+1");
    }
}
