//! Records as Parquet, for warehouses and data frames.
//!
//! In: records in order of their numbers. Out: one file in bounded row groups ([`Table`]). The columns are those of the CSV and the
//! record's own `id`; `at` is microseconds in UTC. The checkpoint, the public key and the filter stand in the file's metadata.

use super::{Ends, Plan, Writer, row::Row};
use crate::{
    export::parquet::{Cell, Table},
    store::{
        StoreError,
        trail::{Hash, Record},
    },
};
use parquet::errors::ParquetError;

const SCHEMA: &str = "message audit_record {
    required int64 seq;
    required int64 at (TIMESTAMP(MICROS,true));
    required binary at_text (STRING);
    optional binary actor (STRING);
    required binary actor_kind (STRING);
    optional binary method (STRING);
    required binary action (STRING);
    required binary use_case (STRING);
    required binary event (STRING);
    optional binary primary_type (STRING);
    optional binary primary_id (STRING);
    optional binary secondary_type (STRING);
    optional binary secondary_id (STRING);
    required binary changes (JSON);
    required int64 changes_omitted;
    optional binary event_id (STRING);
    required binary id (STRING);
    required binary leaf_hash (STRING);
}";

/// Writes the file.
pub struct Parquet(Table);

impl Parquet {
    /// A file about this export.
    ///
    /// # Errors
    /// Never but for a fault of the build.
    pub fn new(plan: &Plan) -> Result<Self, StoreError> {
        let about = [
            ("lifeline.origin", plan.origin.clone()),
            ("lifeline.checkpoint", plan.checkpoint.clone()),
            ("lifeline.public_key", plan.public_key.clone()),
            ("lifeline.filter", super::manifest::filter_text(&plan.filter)),
        ];
        Table::new(SCHEMA, &about).map(Self).map_err(failed)
    }
}

impl Writer for Parquet {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), StoreError> {
        self.0.drain(out);
        Ok(())
    }

    fn record(&mut self, record: &Record, body: &str, _before: &[Hash], out: &mut Vec<u8>) -> Result<(), StoreError> {
        let row = Row::read(record, body)?;
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let leaf = hex::encode(record.leaf);
        let ((primary_type, primary_id), (secondary_type, secondary_id)) = (row.primary(), row.secondary());
        let cells = [
            Cell::Int64(number(row.seq)),
            Cell::Int64(record.at),
            (&*row.at).into(),
            row.actor.id.as_deref().into(),
            (&*row.actor.kind).into(),
            row.method.as_deref().into(),
            (&*row.action).into(),
            (&*row.use_case).into(),
            (&*row.event).into(),
            primary_type.into(),
            primary_id.into(),
            secondary_type.into(),
            secondary_id.into(),
            row.changes.get().into(),
            Cell::Int64(number(row.changes_omitted)),
            row.event_id.as_deref().into(),
            (&*row.id).into(),
            (&*leaf).into(),
        ];
        self.0.row(&cells, out).map_err(failed)
    }

    fn end(&mut self, _ends: &Ends<'_>, out: &mut Vec<u8>) -> Result<(), StoreError> {
        self.0.end(out).map_err(failed)
    }
}

fn failed(error: ParquetError) -> StoreError {
    StoreError::Engine(format!("the Parquet file cannot be written: {error}"))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{row::tests::*, tests::plan},
        *,
    };
    use crate::export::parquet::GROUP_ROWS;
    use parquet::{
        file::reader::{FileReader, SerializedFileReader},
        record::Field,
    };

    #[test]
    fn a_file_is_read_back_as_it_was_written() {
        let plan = plan();
        let mut parquet = Parquet::new(&plan).expect("a file");
        let mut out = Vec::new();
        parquet.begin(&mut out).expect("begun");
        let rows = 2 * GROUP_ROWS as u64 + 3;
        for seq in 1..=rows {
            parquet.record(&record(seq, ""), &pause(seq), &[], &mut out).expect("a row");
        }
        assert!(!out.is_empty(), "row groups are given out on the way");
        parquet.end(&Ends::of(&plan), &mut out).expect("an end");
        let reader = SerializedFileReader::new(bytes::Bytes::from(out)).expect("a Parquet file");
        assert_eq!((reader.num_row_groups(), reader.metadata().file_metadata().num_rows()), (3, rows as i64));
        let about = reader.metadata().file_metadata().key_value_metadata().expect("metadata").clone();
        assert!(
            about.iter().any(|pair| pair.key == "lifeline.checkpoint" && pair.value.as_ref() == Some(&plan.checkpoint))
        );
        let last = reader.get_row_iter(None).expect("rows").last().expect("a row").expect("well formed");
        let fields: std::collections::HashMap<String, Field> = last.into_columns().into_iter().collect();
        assert_eq!(fields["seq"], Field::Long(rows as i64));
        assert_eq!(fields["at"], Field::TimestampMicros(1_751_906_060_000_000));
        assert_eq!(fields["actor"], Field::Str("=actor".into()), "no apostrophe: nobody runs this as a formula");
        assert_eq!(fields["secondary_type"], Field::Null);
        assert_eq!(fields["changes_omitted"], Field::Long(0));
        assert_eq!(fields["leaf_hash"], Field::Str(hex::encode([rows as u8; 32])));
    }
}
