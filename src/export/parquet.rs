//! Parquet files, column by column and without Arrow.
//!
//! In: a schema, rows whose cells fit it. Out: one file, Zstandard pages, row groups of at most [`GROUP_ROWS`] rows or [`GROUP_BYTES`] of
//! text, so that memory does not grow with the number of rows. Refused: a cell of another kind than its column.

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
    io::{self, Write as _},
    sync::{Arc, Mutex, PoisonError},
};

/// Most rows of a row group.
pub const GROUP_ROWS: usize = 10_000;

/// Most bytes of text in a row group, unless one row has more.
pub const GROUP_BYTES: usize = 4 << 20;

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'c> {
    /// For a column of `int32`.
    Int32(i32),
    /// For a column of `int64`, times included.
    Int64(i64),
    /// For a column of `binary`; `None` for optional columns only.
    Text(Option<&'c str>),
}

impl<'c> From<&'c str> for Cell<'c> {
    fn from(text: &'c str) -> Self {
        Self::Text(Some(text))
    }
}

impl<'c> From<Option<&'c str>> for Cell<'c> {
    fn from(text: Option<&'c str>) -> Self {
        Self::Text(text)
    }
}

/// Values of one column that wait for their row group.
#[derive(Debug)]
enum Column {
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    /// With a 0 for each that is missing, where any may be.
    Text {
        values: Vec<ByteArray>,
        present: Option<Vec<i16>>,
    },
}

impl Column {
    /// Adds a value, and says how many bytes of text it has.
    fn push(&mut self, cell: Cell<'_>) -> Result<usize, ParquetError> {
        match (self, cell) {
            (Self::Int32(values), Cell::Int32(value)) => values.push(value),
            (Self::Int64(values), Cell::Int64(value)) => values.push(value),
            (Self::Text { values, present }, Cell::Text(text)) if text.is_some() || present.is_some() => {
                if let Some(present) = present {
                    present.push(i16::from(text.is_some()));
                }
                values.extend(text.map(|text| ByteArray::from(text.as_bytes().to_vec())));
                return Ok(text.map_or(0, str::len));
            }
            _ => return Err(ParquetError::General("a value does not fit its column".into())),
        }
        Ok(0)
    }

    /// Writes what waits, and forgets it.
    fn write(&mut self, column: &mut ColumnWriter<'_>) -> Result<(), ParquetError> {
        match (self, column) {
            (Self::Int32(values), ColumnWriter::Int32ColumnWriter(column)) => {
                column.write_batch(&std::mem::take(values), None, None)?;
            }
            (Self::Int64(values), ColumnWriter::Int64ColumnWriter(column)) => {
                column.write_batch(&std::mem::take(values), None, None)?;
            }
            (Self::Text { values, present }, ColumnWriter::ByteArrayColumnWriter(column)) => {
                let levels = present.as_mut().map(std::mem::take);
                column.write_batch(&std::mem::take(values), levels.as_deref(), None)?;
            }
            _ => return Err(ParquetError::General("a column is of another kind".into())),
        }
        Ok(())
    }
}

/// Where the file's bytes wait to be taken.
#[derive(Debug, Clone, Default)]
pub struct Sink(Arc<Mutex<Vec<u8>>>);

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

/// Writes a file.
pub struct Table {
    file: SerializedFileWriter<Sink>,
    sink: Sink,
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
}

impl Table {
    /// A file of this schema, in the words of Parquet's message types, with what is told about it in its metadata.
    ///
    /// # Errors
    /// The schema cannot be read, or has columns of a kind that is not written here.
    pub fn new(schema: &str, about: &[(&str, String)]) -> Result<Self, ParquetError> {
        let sink = Sink::default();
        let about = about.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone())).collect();
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by(format!("lifeline {}", env!("CARGO_PKG_VERSION")))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_key_value_metadata(Some(about))
            .build();
        let schema = Arc::new(parse_message_type(schema)?);
        let file = SerializedFileWriter::new(sink.clone(), schema, Arc::new(properties))?;
        let columns = file.schema_descr().columns().iter().map(|column| {
            let is_optional = column.max_def_level() > 0;
            Ok(match column.physical_type() {
                parquet::basic::Type::INT32 if !is_optional => Column::Int32(Vec::new()),
                parquet::basic::Type::INT64 if !is_optional => Column::Int64(Vec::new()),
                parquet::basic::Type::BYTE_ARRAY => {
                    Column::Text { values: Vec::new(), present: is_optional.then(Vec::new) }
                }
                other => return Err(ParquetError::NYI(format!("column {} of {other}", column.name()))),
            })
        });
        let columns = columns.collect::<Result<_, _>>()?;
        Ok(Self { file, sink, columns, rows: 0, bytes: 0 })
    }

    /// Adds a row with a cell for each column, in their order. Bytes that are complete are moved behind `out`.
    ///
    /// # Errors
    /// A cell does not fit its column.
    pub fn row(&mut self, cells: &[Cell<'_>], out: &mut Vec<u8>) -> Result<(), ParquetError> {
        if cells.len() != self.columns.len() {
            return Err(ParquetError::General(format!("{} values for {} columns", cells.len(), self.columns.len())));
        }
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            self.bytes += column.push(*cell)?;
        }
        self.rows += 1;
        if self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES {
            self.write_group()?;
            self.sink.drain(out);
        }
        Ok(())
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        if self.rows == 0 {
            return Ok(());
        }
        (self.rows, self.bytes) = (0, 0);
        let mut columns = self.columns.iter_mut();
        let mut group = self.file.next_row_group()?;
        while let (Some(mut writer), Some(column)) = (group.next_column()?, columns.next()) {
            column.write(writer.untyped())?;
            writer.close()?;
        }
        group.close()?;
        Ok(())
    }

    /// Moves what is complete behind `out`.
    pub fn drain(&self, out: &mut Vec<u8>) {
        self.sink.drain(out);
    }

    /// Ends the file; its last bytes are moved behind `out`.
    ///
    /// # Errors
    /// Never but for a fault of the build.
    pub fn end(&mut self, out: &mut Vec<u8>) -> Result<(), ParquetError> {
        self.write_group()?;
        self.file.finish()?;
        self.file.inner_mut().flush()?;
        self.sink.drain(out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_of_another_kind_is_refused() {
        let schema = "message m { required int32 a; required binary b (STRING); optional binary c (STRING); }";
        let fits = [Cell::Int32(1), "x".into(), None.into()];
        let try_row = |cells: &[Cell<'_>]| Table::new(schema, &[]).expect("a file").row(cells, &mut Vec::new());
        assert!(try_row(&fits).is_ok());
        assert!(try_row(&fits[..2]).is_err());
        assert!(try_row(&[Cell::Int64(1), "x".into(), None.into()]).is_err());
        assert!(try_row(&[Cell::Int32(1), None.into(), None.into()]).is_err());
        assert!(Table::new("message m { required double a; }", &[]).is_err());
        assert!(Table::new("nonsense", &[]).is_err());
    }
}
