//! Records as Parquet, for warehouses and data frames.
//!
//! In: records in order of their numbers. Out: one file, Zstandard pages, row groups of at most [`GROUP_ROWS`] records or
//! [`GROUP_BYTES`] of text, so that memory does not grow with the number of records. The columns are those of the CSV and the record's
//! own `id`; `at` is microseconds in UTC. The checkpoint, the public key and the filter stand in the file's metadata.

use super::{Ends, Plan, Writer, row::Row};
use crate::store::{
    StoreError,
    trail::{Hash, Record},
};
use parquet::{
    basic::{Compression, ZstdLevel},
    column::writer::ColumnWriter,
    data_type::ByteArray,
    errors::ParquetError,
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties},
        writer::SerializedFileWriter,
    },
    schema::parser::parse_message_type,
};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

/// Most records of a row group.
const GROUP_ROWS: usize = 20_000;

/// Most bytes of text in a row group, unless one record has more.
const GROUP_BYTES: usize = 8 << 20;

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

/// Texts of one column, with a 0 for each that is missing.
#[derive(Debug, Default)]
struct Texts {
    values: Vec<ByteArray>,
    present: Vec<i16>,
}

impl Texts {
    fn push(&mut self, text: Option<&str>) -> usize {
        self.present.push(i16::from(text.is_some()));
        if let Some(text) = text {
            self.values.push(text.as_bytes().to_vec().into());
        }
        text.map_or(0, str::len)
    }
}

/// Where the file's bytes wait to be taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    /// Moves what waits behind `out`.
    pub fn drain(&self, out: &mut Vec<u8>) {
        out.append(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Number of columns of text.
const TEXTS: usize = 15;

/// Writes the file.
pub struct Parquet {
    file: SerializedFileWriter<Sink>,
    sink: Sink,
    seq: Vec<i64>,
    at: Vec<i64>,
    omitted: Vec<i64>,
    texts: [Texts; TEXTS],
    bytes: usize,
}

impl Parquet {
    /// A file about this export.
    ///
    /// # Errors
    /// Never but for a fault of the build.
    pub fn new(plan: &Plan) -> Result<Self, StoreError> {
        let sink = Sink::default();
        let about = [
            ("lifeline.origin", plan.origin.clone()),
            ("lifeline.checkpoint", plan.checkpoint.clone()),
            ("lifeline.public_key", plan.public_key.clone()),
            ("lifeline.filter", super::manifest::filter_text(&plan.filter)),
        ];
        let about = about.map(|(key, value)| KeyValue::new(key.to_owned(), value)).to_vec();
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by(format!("lifeline {}", env!("CARGO_PKG_VERSION")))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_key_value_metadata(Some(about))
            .build();
        let schema = Arc::new(parse_message_type(SCHEMA).map_err(failed)?);
        let file = SerializedFileWriter::new(sink.clone(), schema, Arc::new(properties)).map_err(failed)?;
        let empty = Vec::new;
        Ok(Self { file, sink, seq: empty(), at: empty(), omitted: empty(), texts: Default::default(), bytes: 0 })
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        if self.seq.is_empty() {
            return Ok(());
        }
        let (seq, at, omitted) =
            (std::mem::take(&mut self.seq), std::mem::take(&mut self.at), std::mem::take(&mut self.omitted));
        let texts = std::mem::take(&mut self.texts);
        self.bytes = 0;
        let mut numbers = [&seq, &at, &omitted].into_iter();
        let mut texts = texts.iter();
        let mut group = self.file.next_row_group()?;
        while let Some(mut column) = group.next_column()? {
            match column.untyped() {
                ColumnWriter::Int64ColumnWriter(column) => {
                    column.write_batch(numbers.next().map_or(&[][..], Vec::as_slice), None, None)?;
                }
                ColumnWriter::ByteArrayColumnWriter(column) => {
                    let Some(Texts { values, present }) = texts.next() else { continue };
                    let optional = column.get_descriptor().max_def_level() > 0;
                    column.write_batch(values, optional.then_some(present.as_slice()), None)?;
                }
                _ => {}
            }
            column.close()?;
        }
        group.close()?;
        Ok(())
    }
}

impl Writer for Parquet {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), StoreError> {
        self.sink.drain(out);
        Ok(())
    }

    fn record(&mut self, record: &Record, body: &str, _before: &[Hash], out: &mut Vec<u8>) -> Result<(), StoreError> {
        let row = Row::read(record, body)?;
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.seq.push(number(row.seq));
        self.at.push(record.at);
        self.omitted.push(number(row.changes_omitted));
        let leaf = hex::encode(record.leaf);
        let ((primary_type, primary_id), (secondary_type, secondary_id)) = (row.primary(), row.secondary());
        let texts = [
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
            Some(&*row.id),
            Some(&*leaf),
        ];
        for (column, text) in self.texts.iter_mut().zip(texts) {
            self.bytes += column.push(text);
        }
        if self.seq.len() >= GROUP_ROWS || self.bytes >= GROUP_BYTES {
            self.write_group().map_err(failed)?;
            self.sink.drain(out);
        }
        Ok(())
    }

    fn end(&mut self, _ends: &Ends<'_>, out: &mut Vec<u8>) -> Result<(), StoreError> {
        self.write_group().and_then(|()| self.file.finish().map(|_| ())).map_err(failed)?;
        io::Write::flush(self.file.inner_mut()).map_err(|error| StoreError::Engine(error.to_string()))?;
        self.sink.drain(out);
        Ok(())
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
