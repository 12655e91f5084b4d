//! Files as a stream of records, whatever they hold: NDJSON, JSON, tables as CSV or JSON rows, gzip or zstd around any of them.
//!
//! In: a path, or `-` for standard input. Out: [`Item`]s with their line or row number. Refused: a CSV header that is
//! no table we know. The kind is found from the first bytes, never from the name.

use super::{
    audit::audit_event,
    frame::{self, Framed, RECORD_BYTES_MAX},
    json::{is_json, quoted},
    neighbours::{activity_row, backup_row},
    table::{Connections, Row, Table, log_event, sdk_event},
};
use crate::{cli::CliError, systems};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::{
    borrow::Cow,
    collections::HashMap,
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// How much of a file decides what it is and names it.
const HEAD_BYTES: usize = 64 << 10;

/// One record of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Line of the file for NDJSON, else the number of the record; from 1.
    pub place: u64,
    /// The record, or why there is none.
    pub content: Content,
}

/// What stands at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// JSON text in which an envelope may be found, and the level that stood beside it.
    Event {
        /// One JSON value.
        text: String,
        /// As it was written.
        level: Option<String>,
    },
    /// Not to be read as JSON.
    Unreadable {
        /// The bytes, as many as are kept.
        bytes: Vec<u8>,
        /// Why.
        reason: String,
    },
    /// A row that makes no event of its own, or an empty line.
    Nothing,
}

/// What a file is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A JSON value on each line.
    Lines,
    /// An array, or values that follow each other.
    Values,
    /// A table with a header.
    Csv(Table),
}

/// A file that is being read.
pub struct Source {
    /// What it is made of.
    pub form: Form,
    /// Names its content: the digest of its beginning and its size.
    pub mark: String,
    /// Its size as it lies there; 0 for standard input.
    pub size_bytes: u64,
    reader: Reader,
    read_bytes: Arc<AtomicU64>,
    place: u64,
}

enum Reader {
    Lines(Box<dyn BufRead>),
    Values(Box<dyn BufRead>, bool),
    Csv { reader: csv::Reader<Guard>, columns: HashMap<String, usize>, table: Table, row: csv::ByteRecord },
}

impl Source {
    /// Opens a file and finds out what it is.
    ///
    /// # Errors
    /// It cannot be read, or is a table that we do not know.
    pub fn open(path: &Path) -> Result<Self, CliError> {
        let failed = |error| CliError::file("read", path)(error);
        let read_bytes = Arc::new(AtomicU64::new(0));
        let (raw, size_bytes): (Box<dyn Read>, u64) = if path == Path::new("-") {
            (Box::new(io::stdin()), 0)
        } else {
            let file = File::open(path).map_err(failed)?;
            let size = file.metadata().map_err(failed)?.len();
            (Box::new(file), size)
        };
        let mut counted = BufReader::with_capacity(256 << 10, Counted { inner: raw, count: Arc::clone(&read_bytes) });
        let magic = counted.fill_buf().map_err(failed)?;
        let plain: Box<dyn Read> = match magic {
            [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(counted)),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                Box::new(zstd::stream::read::Decoder::with_buffer(counted).map_err(failed)?)
            }
            _ => Box::new(counted),
        };
        Self::from_plain(plain, size_bytes, read_bytes, path)
    }

    fn from_plain(
        mut plain: Box<dyn Read>,
        size_bytes: u64,
        read_bytes: Arc<AtomicU64>,
        path: &Path,
    ) -> Result<Self, CliError> {
        let mut head = Vec::new();
        plain.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(CliError::file("read", path))?;
        let mut digest = Sha256::new();
        digest.update(&head);
        digest.update(size_bytes.to_le_bytes());
        let mark = hex::encode(&digest.finalize()[..16]);
        // A byte order mark is no part of the text.
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head).to_vec();
        let form = form_of(&text).map_err(|why| CliError::Other(format!("{}: {why}", path.display())))?;
        let whole = Cursor::new(text).chain(plain);
        let buffered = |whole| Box::new(BufReader::with_capacity(256 << 10, whole)) as Box<dyn BufRead>;
        let reader = match form {
            Form::Lines => Reader::Lines(buffered(whole)),
            Form::Values => Reader::Values(buffered(whole), false),
            Form::Csv(table) => {
                let guard = Guard { inner: Box::new(whole), left: Arc::new(AtomicU64::new(GUARD_BYTES)) };
                let mut reader = csv::ReaderBuilder::new().flexible(true).buffer_capacity(256 << 10).from_reader(guard);
                let names = reader.headers().map_err(|error| csv_failed(path, &error))?.clone();
                let columns = names.iter().enumerate().map(|(at, name)| (column_name(name), at)).collect();
                Reader::Csv { reader, columns, table, row: csv::ByteRecord::new() }
            }
        };
        Ok(Self { form, mark, size_bytes, reader, read_bytes, place: 0 })
    }

    /// Bytes read of the file as it lies there.
    #[must_use]
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes.load(Ordering::Relaxed)
    }

    /// The next record; `None` at the end. Rows of `CONNECTION` are learnt.
    ///
    /// # Errors
    /// The file cannot be read any further.
    pub fn next(&mut self, connections: &mut Connections, path: &Path) -> Result<Option<Item>, CliError> {
        let content = match &mut self.reader {
            Reader::Lines(input) => frame::next_line(input)
                .map_err(CliError::file("read", path))?
                .map(|line| json_content(line, connections)),
            Reader::Values(input, inside) => frame::next_value(input, inside)
                .map_err(CliError::file("read", path))?
                .map(|value| json_content(value, connections)),
            Reader::Csv { reader, columns, table, row } => {
                reader.get_ref().left.store(GUARD_BYTES, Ordering::Relaxed);
                let more = reader.read_byte_record(row).map_err(|error| csv_failed(path, &error))?;
                more.then(|| csv_content(row, columns, *table, connections))
            }
        };
        self.place += 1;
        Ok(content.map(|content| Item { place: self.place, content }))
    }
}

/// Finds out what a text is from its beginning.
fn form_of(head: &[u8]) -> Result<Form, String> {
    let start = head.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(head.len());
    let line_end = head[start..].iter().position(|byte| *byte == b'\n').map(|at| start + at);
    let first_line = &head[start..line_end.unwrap_or(head.len())];
    match head.get(start) {
        None => Ok(Form::Lines),
        Some(b'[') => Ok(Form::Values),
        Some(b'{') => {
            let whole = std::str::from_utf8(first_line).is_ok_and(is_json);
            Ok(if whole || line_end.is_none_or(|_| !opens_only(first_line)) { Form::Lines } else { Form::Values })
        }
        Some(_) => {
            let header = csv::ReaderBuilder::new().has_headers(false).from_reader(first_line).records().next();
            let columns: Vec<String> = match header {
                Some(Ok(record)) => record.iter().map(column_name).collect(),
                _ => return Err("the first line is neither JSON nor the header of a table".into()),
            };
            if columns.len() < 2 || systems::is_line(&String::from_utf8_lossy(first_line)) {
                // A log line that is no JSON, perhaps; each such line is looked at alone.
                return Ok(Form::Lines);
            }
            Table::of(&columns).map(Form::Csv).ok_or_else(|| {
                format!(
                    "not a table that can be imported; expected the columns of LOG, AUDIT_TRAIL, CONNECTION or CONNECTOR_SDK_LOG, of a Salesforce Backup log or of Heroku Connect's activity, found {}",
                    columns.iter().take(20).cloned().collect::<Vec<_>>().join(", ")
                )
            })
        }
    }
}

/// Whether a line opens more brackets than it closes: the first line of a value that is spread over several.
fn opens_only(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    matches!(line.last(), Some(b'{' | b'[' | b',')) || line == b"{"
}

fn column_name(name: &str) -> String {
    name.trim().trim_matches('"').trim_start_matches('\u{feff}').to_ascii_lowercase()
}

fn csv_failed(path: &Path, error: &csv::Error) -> CliError {
    CliError::Other(format!("cannot read {} as CSV: {error}", path.display()))
}

/// A record of a JSON file: an event, or a row of a table as an object.
pub(super) fn json_content(framed: Framed, connections: &mut Connections) -> Content {
    let bytes = match framed {
        Ok(bytes) => bytes,
        Err((bytes, reason)) => return Content::Unreadable { bytes, reason },
    };
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let reason = format!("not UTF-8 at byte {}", error.utf8_error().valid_up_to());
            return Content::Unreadable { bytes: error.into_bytes(), reason };
        }
    };
    if text.trim().is_empty() {
        return Content::Nothing;
    }
    if !is_json(&text) {
        // A log line of a neighbour goes on as a JSON string, whose text is the line.
        if systems::is_line(&text) {
            return Content::Event { text: quoted(&text), level: None };
        }
        let reason = serde_json::from_str::<serde::de::IgnoredAny>(&text).err().map(|error| error.to_string());
        let reason = format!("not JSON: {}", reason.unwrap_or_default());
        return Content::Unreadable { bytes: text.into_bytes(), reason };
    }
    // A row is told from an event by the columns that only tables have.
    let lower = |needle: &str| text.contains(needle) || text.contains(&needle.to_ascii_uppercase());
    if (lower("message_event") || lower("captured_at") || lower("event_time") || lower("connector_type_id"))
        && let Ok(object) = serde_json::from_str::<Map<String, Value>>(&text)
    {
        let row = JsonRow(object.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect());
        let columns: Vec<String> = row.0.keys().cloned().collect();
        if !row.0.contains_key("created")
            && let Some(table) = Table::of(&columns)
        {
            return row_content(table, &row, connections);
        }
    }
    Content::Event { text, level: None }
}

fn csv_content(
    record: &csv::ByteRecord,
    columns: &HashMap<String, usize>,
    table: Table,
    connections: &mut Connections,
) -> Content {
    let joined = || record.iter().collect::<Vec<_>>().join(&b',');
    if record.iter().any(|field| std::str::from_utf8(field).is_err()) {
        return Content::Unreadable { bytes: joined(), reason: "a row that is not UTF-8".into() };
    }
    if record.len() != columns.len() {
        let reason = format!("a row of {} fields under a header of {}", record.len(), columns.len());
        return Content::Unreadable { bytes: joined(), reason };
    }
    row_content(table, &CsvRow { record, columns }, connections)
}

fn row_content(table: Table, row: &dyn Row, connections: &mut Connections) -> Content {
    let made = match table {
        Table::BackupObjects => backup_row(row),
        Table::HerokuActivity => match activity_row(row, connections) {
            Ok(made) => made,
            Err((row, reason)) => return Content::Unreadable { bytes: row.into_bytes(), reason },
        },
        Table::Connection => {
            connections.learn(row);
            return Content::Nothing;
        }
        Table::Log => log_event(row, connections),
        Table::AuditTrail => audit_event(row, connections),
        Table::SdkLog => sdk_event(row, connections),
    };
    Content::Event { text: made.text, level: made.level }
}

struct CsvRow<'r> {
    record: &'r csv::ByteRecord,
    columns: &'r HashMap<String, usize>,
}

impl Row for CsvRow<'_> {
    fn columns(&self) -> Vec<&str> {
        self.columns.keys().map(String::as_str).collect()
    }

    fn get(&self, column: &str) -> Option<Cow<'_, str>> {
        let text = std::str::from_utf8(self.record.get(*self.columns.get(column)?)?).ok()?;
        // What warehouses write for null when they unload a table.
        (!text.is_empty() && text != "\\N").then_some(Cow::Borrowed(text))
    }
}

struct JsonRow(Map<String, Value>);

impl Row for JsonRow {
    fn columns(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    fn get(&self, column: &str) -> Option<Cow<'_, str>> {
        match self.0.get(column)? {
            Value::Null => None,
            Value::String(text) if text.is_empty() => None,
            Value::String(text) => Some(Cow::Borrowed(text)),
            other => Some(Cow::Owned(other.to_string())),
        }
    }
}

/// Counts what is read of the file itself.
struct Counted {
    inner: Box<dyn Read>,
    count: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Most bytes of one row: an unclosed quote must not pull the whole file into memory.
const GUARD_BYTES: u64 = 2 * RECORD_BYTES_MAX as u64;

struct Guard {
    inner: Box<dyn Read>,
    left: Arc<AtomicU64>,
}

impl Read for Guard {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a row longer than {GUARD_BYTES} bytes; is a quote not closed?"),
            ));
        }
        let read = self.inner.read(buffer)?;
        self.left.store(left.saturating_sub(read as u64), Ordering::Relaxed);
        Ok(read)
    }
}
