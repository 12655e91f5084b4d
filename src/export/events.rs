//! Events as Parquet, for warehouses and data frames.
//!
//! In: events as the store gives them. Out: one file in bounded row groups ([`Table`]). The columns are those of the relation `events` of
//! `lifeline sql`: `created` and `received` are microseconds in UTC, `created_text` is `created` as precise as it came, `data` is JSON.

use super::parquet::{Cell, Table};
use crate::model::StoredEvent;
use parquet::errors::ParquetError;

const SCHEMA: &str = "message event {
    required binary id (STRING);
    required binary source (STRING);
    required binary event (STRING);
    required binary family (STRING);
    required binary level (STRING);
    required int64 created (TIMESTAMP(MICROS,true));
    required binary created_text (STRING);
    required int64 received (TIMESTAMP(MICROS,true));
    optional binary connection_id (STRING);
    optional binary connection_name (STRING);
    optional binary connector_type (STRING);
    optional binary sync_id (STRING);
    optional binary exception_id (STRING);
    optional binary destination (STRING);
    optional binary data (STRING);
    required binary validation (STRING);
    required binary protocol (STRING);
    required binary token (STRING);
    required int32 deliveries;
    required binary raw (STRING);
}";

/// Writes the file.
pub struct Parquet(Table);

impl Parquet {
    /// An empty file.
    ///
    /// # Errors
    /// Never but for a fault of the build.
    pub fn new() -> Result<Self, ParquetError> {
        Table::new(SCHEMA, &[]).map(Self)
    }

    /// Adds an event. Bytes that are complete are moved behind `out`.
    ///
    /// # Errors
    /// Never but for a fault of the build.
    pub fn event(&mut self, stored: &StoredEvent, out: &mut Vec<u8>) -> Result<(), ParquetError> {
        let event = &stored.event;
        let (id, created) = (stored.id.to_string(), event.created.to_string());
        let data = event.data.as_ref().map(ToString::to_string);
        let cells = [
            (&*id).into(),
            event.source.as_str().into(),
            (&*event.name).into(),
            event.family.as_str().into(),
            event.level.as_str().into(),
            Cell::Int64(event.created.micros()),
            (&*created).into(),
            Cell::Int64(stored.received_us),
            event.connection_id.as_deref().into(),
            event.connection_name.as_deref().into(),
            event.connector_type.as_deref().into(),
            event.sync_id.as_deref().into(),
            event.exception_id.as_deref().into(),
            event.destination.as_deref().into(),
            data.as_deref().into(),
            stored.verdict.status.as_str().into(),
            (&*stored.protocol).into(),
            (&*stored.token).into(),
            Cell::Int32(i32::try_from(stored.deliveries).unwrap_or(i32::MAX)),
            (&*stored.raw).into(),
        ];
        self.0.row(&cells, out)
    }

    /// Ends the file.
    ///
    /// # Errors
    /// Never but for a fault of the build.
    pub fn end(&mut self, out: &mut Vec<u8>) -> Result<(), ParquetError> {
        self.0.end(out)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::parquet::{GROUP_BYTES, GROUP_ROWS},
        *,
    };
    use crate::query::render::tests::sample;
    use parquet::{
        file::reader::{FileReader, SerializedFileReader},
        record::Field,
    };
    use std::collections::HashMap;

    fn written(events: &[StoredEvent]) -> SerializedFileReader<bytes::Bytes> {
        let (mut parquet, mut out) = (Parquet::new().expect("a file"), Vec::new());
        for event in events {
            parquet.event(event, &mut out).expect("a row");
        }
        parquet.end(&mut out).expect("an end");
        SerializedFileReader::new(bytes::Bytes::from(out)).expect("a Parquet file")
    }

    #[test]
    fn a_file_is_read_back_as_it_was_written() {
        let mut odd = sample();
        odd.event.data = None;
        odd.event.connection_id = None;
        odd.deliveries = u64::MAX;
        odd.raw = "=1+1 日本語 \u{1b}[2J".into();
        let reader = written(&[sample(), odd]);
        let mut rows = reader.get_row_iter(None).expect("rows").map(|row| {
            let row = row.expect("well formed");
            row.into_columns().into_iter().collect::<HashMap<String, Field>>()
        });
        let (plain, odd) = (rows.next().expect("a row"), rows.next().expect("a row"));
        assert_eq!(plain["id"], Field::Str(sample().id.to_string()));
        assert_eq!(plain["created"], Field::TimestampMicros(1_783_442_114_456_000));
        assert_eq!(plain["created_text"], Field::Str("2026-07-07T16:35:14.456Z".into()));
        assert_eq!(plain["received"], Field::TimestampMicros(sample().received_us));
        assert_eq!(plain["data"], Field::Str(r#"{"status":"SUCCESSFUL"}"#.into()));
        assert_eq!((&plain["deliveries"], &plain["sync_id"]), (&Field::Int(1), &Field::Null));
        assert_eq!((&odd["data"], &odd["connection_id"]), (&Field::Null, &Field::Null));
        assert_eq!(odd["raw"], Field::Str("=1+1 日本語 \u{1b}[2J".into()));
        assert_eq!(odd["deliveries"], Field::Int(i32::MAX));
        assert!(rows.next().is_none());
    }

    #[test]
    fn row_groups_are_bounded_in_rows_and_bytes() {
        assert_eq!(written(&[]).num_row_groups(), 0);
        assert_eq!(written(&vec![sample(); GROUP_ROWS + 1]).num_row_groups(), 2);
        let mut large = sample();
        large.raw = "x".repeat(GROUP_BYTES / 4);
        let reader = written(&vec![large; 9]);
        let rows: Vec<i64> = reader.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
        assert_eq!(rows, [4, 4, 1]);
    }
}
