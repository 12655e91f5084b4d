//! Records as CSV by RFC 4180, in the columns of the contract.
//!
//! In: records in order of their numbers. Out: a header, then one line a record, with CRLF; `changes` is JSON in one cell. Cells that a
//! spreadsheet would run as a formula are made inert, as in every CSV of ours.

use super::{Ends, Writer, row::Row};
use crate::{
    export::csv::inert,
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

/// Writes them.
#[derive(Debug, Default)]
pub struct Csv;

impl Writer for Csv {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), StoreError> {
        line(out, COLUMNS.map(Some));
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
        line(
            out,
            [
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
                Some(row.changes.get()),
                row.event_id.as_deref(),
                Some(&*leaf),
            ],
        );
        Ok(())
    }

    fn end(&mut self, _ends: &Ends<'_>, _out: &mut Vec<u8>) -> Result<(), StoreError> {
        Ok(())
    }
}

fn line(out: &mut Vec<u8>, cells: [Option<&str>; COLUMNS.len()]) {
    for (at, text) in cells.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        cell(out, text.unwrap_or_default());
    }
    out.extend_from_slice(b"\r\n");
}

/// One cell, inert, in quotes where they are needed.
pub(crate) fn cell(out: &mut Vec<u8>, text: &str) {
    let text = inert(text);
    if !text.iter().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n')) {
        out.extend_from_slice(&text);
        return;
    }
    out.push(b'"');
    for &byte in &*text {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
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
    fn no_cell_runs_as_a_formula_or_breaks_its_row() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-1", "'-1"),
            ("\tx", "'\tx"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=\"a\"\r\n", "\"'=\"\"a\"\"\r\n\""),
        ] {
            let mut out = Vec::new();
            cell(&mut out, text);
            assert_eq!(String::from_utf8(out).expect("text"), expected);
        }
    }
}
