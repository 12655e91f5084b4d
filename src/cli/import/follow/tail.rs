//! One file that grows.
//!
//! In: an open file. Out: the records of its complete lines, in batches. A last line without its end waits, until the file is
//! no longer written to. Noticed: a file that was cut short, and one whose beginning has changed.

use super::{
    super::{
        BATCH_BYTES, BATCH_RECORDS,
        frame::{KEPT_BYTES, RECORD_BYTES_MAX},
        source::{Content, Item, json_content},
        table::Connections,
    },
    places::Place,
    say,
};
use sha2::{Digest, Sha256};
use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

/// How much of a file's beginning tells that it is still the same.
const HEAD_BYTES: usize = 256;

/// How much is read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// How long a file that was renamed may still be written to.
const GRACE: Duration = Duration::from_secs(5);

/// A file, whatever its name: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId {
    pub device: u64,
    pub inode: u64,
}

impl FileId {
    pub fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// A file that is being followed.
pub(super) struct Tail {
    /// Its name now.
    pub path: PathBuf,
    /// What was asked for that led to it.
    pub of: String,
    /// Records read of it by this run, and those of them that are stored.
    pub records: u64,
    durable_records: u64,
    file: File,
    /// Its beginning, as far as it is known.
    head: Vec<u8>,
    /// How far it was read, and what of that is no complete line yet.
    read_to: u64,
    rest: Vec<u8>,
    /// Whether the line at hand is too long and was reported.
    skipping: bool,
    /// How far everything is stored.
    durable_to: u64,
    changed: Option<SystemTime>,
    /// Since when it is at none of the paths.
    gone_since: Option<Instant>,
}

impl Tail {
    /// Opens a file, at the place where an earlier run ended if it is still the same file. `None` for one that is packed, which
    /// nobody adds to.
    pub fn open(path: &Path, of: &str, place: Option<&Place>) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let mut tail = Self {
            path: path.to_owned(),
            of: of.to_owned(),
            records: 0,
            durable_records: 0,
            file,
            head: Vec::new(),
            read_to: 0,
            rest: Vec::new(),
            skipping: false,
            durable_to: 0,
            changed: None,
            gone_since: None,
        };
        tail.grow_head()?;
        if tail.head.starts_with(&[0x1f, 0x8b]) || tail.head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            return Ok(None);
        }
        if let Some(place) = place {
            let head = tail.head.get(..place.head_bytes).map(digest);
            if head.as_deref() == Some(place.head_digest.as_str()) && tail.file.metadata()?.len() >= place.offset {
                tail.durable_to = place.offset;
                tail.rewind();
            }
        }
        Ok(Some(tail))
    }

    /// How far everything is stored, and by what its beginning is known again.
    pub fn place(&self) -> (u64, usize, String) {
        (self.durable_to, self.head.len(), digest(&self.head))
    }

    /// Everything that was read is stored.
    pub fn is_durable(&mut self) {
        self.durable_to = self.line_start();
        self.durable_records = self.records;
    }

    /// Goes back to what is stored.
    pub fn rewind(&mut self) {
        self.read_to = self.durable_to;
        self.records = self.durable_records;
        self.rest.clear();
        self.skipping = false;
        self.changed = None;
    }

    /// Whether the file is still at a path that is watched.
    pub fn is_watched(&mut self, watched: bool) {
        if watched {
            self.gone_since = None;
        } else if self.gone_since.is_none() {
            self.gone_since = Some(Instant::now());
            // What came since the last look is still to be read.
            self.changed = None;
        }
    }

    /// Whether nothing more will come.
    pub fn is_over(&self) -> bool {
        self.gone_since.is_some_and(|since| since.elapsed() >= GRACE)
    }

    /// The records of the complete lines that follow, as many as go into one batch; none when there is nothing new.
    pub fn next_batch(&mut self, connections: &mut Connections) -> io::Result<Vec<Item>> {
        let metadata = self.file.metadata()?;
        let (len, changed) = (metadata.len(), metadata.modified().ok());
        if len < self.read_to || (changed != self.changed && self.has_other_head()?) {
            say(&format!("{}: cut short or written anew; read from its beginning", self.path.display()));
            self.durable_to = 0;
            self.durable_records = self.records;
            self.head.clear();
            self.rewind();
        }
        self.changed = changed;
        self.grow_head()?;
        let mut batch = Vec::new();
        let mut batch_bytes = 0;
        let mut chunk = vec![0; CHUNK_BYTES];
        while batch.len() < BATCH_RECORDS && batch_bytes < BATCH_BYTES {
            let Some(line_end) = memchr::memchr(b'\n', &self.rest) else {
                self.bound_rest(&mut batch);
                let read = self.file.read_at(&mut chunk, self.read_to)?;
                if read == 0 {
                    break;
                }
                self.read_to += read as u64;
                self.rest.extend_from_slice(&chunk[..read]);
                continue;
            };
            batch_bytes += line_end;
            let line: Vec<u8> = self.rest.drain(..=line_end).collect();
            if !std::mem::take(&mut self.skipping) {
                self.take(line, connections, &mut batch);
            }
        }
        if batch.is_empty() && self.is_over() && !self.rest.is_empty() {
            // The last line of a file that nobody writes to any more.
            let line = std::mem::take(&mut self.rest);
            self.take(line, connections, &mut batch);
        }
        Ok(batch)
    }

    fn take(&mut self, mut line: Vec<u8>, connections: &mut Connections, batch: &mut Vec<Item>) {
        while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            line.pop();
        }
        let content = json_content(Ok(line), connections);
        if content != Content::Nothing {
            self.records += 1;
            batch.push(Item { place: self.line_start(), content });
        }
    }

    /// Gives up a line that is longer than a record may be; what follows up to its end is skipped.
    fn bound_rest(&mut self, batch: &mut Vec<Item>) {
        if self.rest.len() <= RECORD_BYTES_MAX && !self.skipping {
            return;
        }
        if !self.skipping {
            self.skipping = true;
            self.records += 1;
            let bytes = self.rest.get(..KEPT_BYTES).unwrap_or_default().to_vec();
            let reason = format!("a line longer than {RECORD_BYTES_MAX} bytes");
            batch.push(Item { place: self.line_start(), content: Content::Unreadable { bytes, reason } });
        }
        self.rest.clear();
    }

    /// Where the first line begins that is not complete.
    fn line_start(&self) -> u64 {
        self.read_to - self.rest.len() as u64
    }

    fn has_other_head(&self) -> io::Result<bool> {
        let mut now = vec![0; self.head.len()];
        match self.file.read_exact_at(&mut now, 0) {
            Ok(()) => Ok(now != self.head),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn grow_head(&mut self) -> io::Result<()> {
        while self.head.len() < HEAD_BYTES {
            let mut more = [0; HEAD_BYTES];
            let room = HEAD_BYTES - self.head.len();
            let read = self.file.read_at(&mut more[..room], self.head.len() as u64)?;
            if read == 0 {
                break;
            }
            self.head.extend_from_slice(&more[..read]);
        }
        Ok(())
    }
}

fn digest(head: &[u8]) -> String {
    hex::encode(&Sha256::digest(head)[..16])
}
