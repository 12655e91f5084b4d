//! Where the writer looks for an event before it is stored.
//!
//! In: a key. Out: whether blocks or rows may hold it, without touching them for what is new: live traffic is later than everything that is
//! sealed. A hint that is too wide costs a look; it is never too narrow.

use super::blocks::{METAS, Meta};
use ahash::AHashMap;
use rusqlite::Connection;

/// The earliest and latest `created` of a connection's rows. Index `event_conn` answers with two descents.
pub const LOOSE: &str = "SELECT min(created), max(created) FROM event WHERE conn = ?1";

/// What is known of a connection's events.
#[derive(Debug, Default)]
struct Of {
    /// Its blocks.
    blocks: Vec<Meta>,
    /// The latest `created` among them.
    high: i64,
    /// The earliest and latest `created` of its rows.
    loose: Option<(i64, i64)>,
}

/// What is known of every connection.
#[derive(Debug, Default)]
pub struct Known {
    conns: AHashMap<i64, Of>,
    blocks: u64,
    events: u64,
}

impl Known {
    /// Of an open database.
    pub fn open(db: &Connection) -> rusqlite::Result<Self> {
        let mut known = Self::default();
        let mut statement = db.prepare(METAS)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            known.add_block(Meta::of(row)?);
        }
        if db.prepare("SELECT 1 FROM event LIMIT 1")?.exists([])? {
            let mut loose = db.prepare(LOOSE)?;
            let mut ids = db.prepare("SELECT 0 UNION ALL SELECT id FROM connection")?;
            let mut ids = ids.query([])?;
            while let Some(row) = ids.next()? {
                let conn: i64 = row.get(0)?;
                let (first, last): (Option<i64>, Option<i64>) =
                    loose.query_row([conn], |row| Ok((row.get(0)?, row.get(1)?)))?;
                if let (Some(first), Some(last)) = (first, last) {
                    known.conns.entry(conn).or_default().loose = Some((first, last));
                }
            }
        }
        Ok(known)
    }

    /// How many blocks there are, and how many events they hold.
    pub fn sealed(&self) -> (u64, u64) {
        (self.blocks, self.events)
    }

    /// The blocks that may hold an event.
    pub fn blocks_at(&self, conn: i64, created: i64) -> impl Iterator<Item = &Meta> {
        let of = self.conns.get(&conn).filter(|of| created <= of.high);
        of.map_or(&[][..], |of| &of.blocks).iter().filter(move |meta| meta.first <= created && created <= meta.last)
    }

    /// Whether a row may hold an event.
    pub fn may_be_loose(&self, conn: i64, created: i64) -> bool {
        let loose = self.conns.get(&conn).and_then(|of| of.loose);
        loose.is_some_and(|(first, last)| (first..=last).contains(&created))
    }

    /// A row was written, or will have been.
    pub fn add_loose(&mut self, conn: i64, created: i64) {
        let of = self.conns.entry(conn).or_default();
        let (first, last) = of.loose.unwrap_or((created, created));
        of.loose = Some((first.min(created), last.max(created)));
    }

    /// A block was written.
    pub fn add_block(&mut self, meta: Meta) {
        let of = self.conns.entry(meta.conn).or_default();
        of.high = if of.blocks.is_empty() { meta.last } else { of.high.max(meta.last) };
        of.blocks.push(meta);
        self.blocks += 1;
        self.events += meta.n as u64;
    }

    /// A block is gone.
    pub fn remove_block(&mut self, conn: i64, id: i64) {
        if let Some(of) = self.conns.get_mut(&conn) {
            for gone in of.blocks.extract_if(.., |meta| meta.id == id) {
                self.blocks -= 1;
                self.events -= gone.n as u64;
            }
            of.high = of.blocks.iter().map(|meta| meta.last).max().unwrap_or(i64::MIN);
        }
    }
}
