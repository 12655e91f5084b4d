//! What readers of one store share: the newest events in memory, and what was unpacked of the others.

use super::{
    chunk::Chunk,
    lost::{self, Lost},
    memory::{Limits, Memory, View},
    unpacked::Unpacked,
};
use crate::store::sqlite::{Sealing, bytes::checksum, reader::ReadError};
use rusqlite::{Connection, Row};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The first and last row of the journal that can be read.
const RANGE: &str = "SELECT min(seq), max(seq) FROM journal WHERE seq > 0";
/// Rows of the journal, for whoever has not seen them.
pub const ROWS: &str = "SELECT seq, chunk, n, first, last, crc FROM journal WHERE seq > ?1 ORDER BY seq";
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
    /// The last row it has read; 0 before the first.
    last: i64,
}

/// What readers of one store share.
pub struct Stock {
    journal: Journal,
    /// Rows of the journal that cannot be read.
    lost: RwLock<Arc<[Lost]>>,
    /// What was unpacked of blocks.
    pub unpacked: Unpacked,
}

impl Stock {
    /// Of the process that writes.
    pub fn new(sealing: Sealing) -> Self {
        let limits = Limits { events_max: sealing.events_max, bytes_max: sealing.bytes_max };
        Self {
            journal: Journal::Published(Memory::new(limits)),
            lost: RwLock::default(),
            unpacked: Unpacked::default(),
        }
    }

    /// Of one that only reads beside it.
    pub fn guest(db: &Connection) -> rusqlite::Result<Self> {
        let has_blocks = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'block'")?.exists([])?;
        let journal = if has_blocks {
            Journal::Read(Mutex::new(Guest { memory: Memory::new(Limits::default()), last: 0 }))
        } else {
            Journal::Absent
        };
        let lost = if has_blocks { lost::aside(db)? } else { Vec::new() };
        Ok(Self { journal, lost: RwLock::new(lost.into()), unpacked: Unpacked::default() })
    }

    /// Rows of the journal that cannot be read.
    pub fn lost(&self) -> Arc<[Lost]> {
        // Nothing can panic while the lock is held.
        Arc::clone(&self.lost.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_lost(&self, lost: Vec<Lost>) {
        *self.lost.write().unwrap_or_else(PoisonError::into_inner) = lost.into();
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
                    let lost = guest.read(db)?;
                    if !lost.is_empty() {
                        let mut known = self.lost().to_vec();
                        known.retain(|known| lost.iter().all(|lost| lost.seq != known.seq));
                        known.extend(lost);
                        self.set_lost(known);
                    }
                }
                guest.memory.view(first as u64, last as u64).ok_or(ReadError::Again)
            }
        }
    }
}

impl Guest {
    /// Reads what is new; gives what of it cannot be read.
    fn read(&mut self, db: &Connection) -> Result<Vec<Lost>, ReadError> {
        if self.memory.events() > GUEST_EVENTS_MAX {
            *self = Self { memory: Memory::new(Limits::default()), last: 0 };
        }
        let mut lost = Vec::new();
        each(db, self.last, |seq, row| {
            match row {
                Ok(chunk) => self.memory.publish(seq as u64, Arc::new(chunk)),
                Err(what) => {
                    lost.push(what);
                    // What is looked for behind it shall not be waited for.
                    self.memory.publish(seq as u64, Arc::default());
                }
            }
            self.last = seq;
        })?;
        Ok(lost)
    }
}

/// Puts the journal into memory, as it must be before the first event is stored. What cannot be read is set aside.
pub fn replay(db: &Connection, stock: &Stock, memory: &Memory) -> Result<(), ReadError> {
    let mut damaged = Vec::new();
    each(db, 0, |seq, row| match row {
        Ok(chunk) => memory.publish(seq as u64, Arc::new(chunk)),
        Err(lost) => {
            tracing::error!("stored data is damaged: {}; everything else goes on", lost.tell(db, None));
            damaged.push(seq);
        }
    })?;
    lost::set_aside(db, &damaged)?;
    stock.set_lost(lost::aside(db)?);
    Ok(())
}

fn each(db: &Connection, after: i64, mut take: impl FnMut(i64, Result<Chunk, Lost>)) -> Result<(), ReadError> {
    let mut statement = db.prepare_cached(ROWS)?;
    let mut rows = statement.query([after])?;
    while let Some(row) = rows.next()? {
        take(row.get(0)?, read(db, row)?);
    }
    Ok(())
}

/// What a row of [`ROWS`] holds, or what is lost with it.
pub fn read(db: &Connection, row: &Row<'_>) -> rusqlite::Result<Result<Chunk, Lost>> {
    let numbers = [row.get(0)?, row.get(2)?, row.get(3)?, row.get(4)?];
    let chunk = Chunk::from_blob(row.get_ref(1)?.as_blob()?).ok();
    let fits = row.get::<_, i64>(5)? == checksum(&numbers);
    Ok(chunk.filter(|chunk| fits && chunk.len() as i64 == numbers[1]).ok_or_else(|| Lost::of(db, numbers)))
}
