//! What readers of one store share: the newest events in memory, and what was unpacked of the others.

use super::{
    chunk::Chunk,
    memory::{Limits, Memory, View},
    unpacked::Unpacked,
};
use crate::store::{
    StoreError,
    sqlite::{Sealing, reader::ReadError},
};
use rusqlite::{Connection, Row};
use std::sync::{Arc, Mutex, PoisonError};

/// The first and last row of the journal.
const RANGE: &str = "SELECT min(seq), max(seq) FROM journal";
/// Rows of the journal, for whoever has not seen them.
const ROWS: &str = "SELECT seq, chunk, n, first, last FROM journal WHERE seq > ?1 ORDER BY seq";
/// Events that a guest keeps of a journal before it begins anew.
const GUEST_EVENTS_MAX: usize = 500_000;

/// How the events of the journal come into memory.
enum Journal {
    /// The writer publishes them.
    Published(Memory),
    /// Beside the process that writes: read from the file when they are asked for.
    Read(Mutex<Guest>),
    /// There is none.
    Absent,
}

/// What a guest has read.
struct Guest {
    memory: Memory,
    /// The last row it has read.
    last: i64,
}

/// What readers of one store share.
pub struct Stock {
    journal: Journal,
    /// What was unpacked of blocks.
    pub unpacked: Unpacked,
}

impl Stock {
    /// Of the process that writes.
    pub fn new(sealing: Sealing) -> Self {
        let limits = Limits { events_max: sealing.events_max, bytes_max: sealing.bytes_max };
        Self { journal: Journal::Published(Memory::new(limits)), unpacked: Unpacked::default() }
    }

    /// Of one that only reads beside it.
    pub fn guest(db: &Connection) -> rusqlite::Result<Self> {
        let has_blocks = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'block'")?.exists([])?;
        let journal = if has_blocks {
            Journal::Read(Mutex::new(Guest { memory: Memory::new(Limits::default()), last: i64::MIN }))
        } else {
            Journal::Absent
        };
        Ok(Self { journal, unpacked: Unpacked::default() })
    }

    /// Whether there is anything but rows: a file of an older version that is only read has no place for it.
    pub fn has_blocks(&self) -> bool {
        !matches!(self.journal, Journal::Absent)
    }

    /// The events in memory, where the writer publishes them.
    pub fn memory(&self) -> Option<&Memory> {
        match &self.journal {
            Journal::Published(memory) => Some(memory),
            Journal::Read(_) | Journal::Absent => None,
        }
    }

    /// The journal's events as the open snapshot has them.
    pub fn view(&self, db: &Connection) -> Result<View, ReadError> {
        if !self.has_blocks() {
            return Ok(View::default());
        }
        let (first, last): (Option<i64>, Option<i64>) =
            db.prepare_cached(RANGE)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (Some(first), Some(last)) = (first, last) else { return Ok(View::default()) };
        match &self.journal {
            Journal::Published(memory) => memory.view(first as u64, last as u64).ok_or(ReadError::Again),
            Journal::Absent => Ok(View::default()),
            Journal::Read(guest) => {
                // What a panic leaves behind is a shorter memory.
                let mut guest = guest.lock().unwrap_or_else(PoisonError::into_inner);
                if guest.last < last {
                    guest.read(db)?;
                }
                guest.memory.view(first as u64, last as u64).ok_or(ReadError::Again)
            }
        }
    }
}

impl Guest {
    fn read(&mut self, db: &Connection) -> Result<(), ReadError> {
        if self.memory.events() > GUEST_EVENTS_MAX {
            *self = Self { memory: Memory::new(Limits::default()), last: i64::MIN };
        }
        let last = self.last;
        each(db, last, |seq, chunk| {
            self.memory.publish(seq as u64, chunk);
            self.last = seq;
        })
    }
}

/// Puts the journal into memory, as it must be before the first event is stored.
pub fn replay(db: &Connection, memory: &Memory) -> Result<(), ReadError> {
    each(db, i64::MIN, |seq, chunk| memory.publish(seq as u64, chunk))
}

fn each(db: &Connection, after: i64, mut take: impl FnMut(i64, Arc<Chunk>)) -> Result<(), ReadError> {
    let mut statement = db.prepare_cached(ROWS)?;
    let mut rows = statement.query([after])?;
    while let Some(row) = rows.next()? {
        let seq = row.get(0)?;
        let blob = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        let chunk = Chunk::from_blob(blob).map_err(|_| damaged(row, seq))?;
        take(seq, Arc::new(chunk));
    }
    Ok(())
}

/// Says what a row of the journal held.
fn damaged(row: &Row<'_>, seq: i64) -> ReadError {
    let time =
        |at| row.get(at).map_or_else(|_| "?".to_owned(), |at| crate::model::Timestamp::from_micros(at).to_string());
    let n: i64 = row.get(2).unwrap_or(0);
    let what = format!("journal row {seq}: {n} events from {} to {}", time(3), time(4));
    StoreError::Damaged(what).into()
}
