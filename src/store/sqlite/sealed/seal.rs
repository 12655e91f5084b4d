//! Making blocks, and putting them in place.
//!
//! In: events of one connection, sorted. Out: blocks that were read back and compared before anything leaves for their sake; and one
//! transaction in which blocks come and rows of the journal, other blocks or rows go.

use super::{
    blocks::{self, Blocks, Meta, flat_of},
    chunk::Chunk,
    codec::{self, Columns},
    grams::{self, Grams},
    tiers,
    whereabouts::{self, HEAD_LARGE, Whereabouts},
};
use crate::{
    model::EventKey,
    store::{
        StoreError,
        sqlite::{
            fault::WriteError,
            flat::{BodyRef, Flat},
            loose::{self, LooseRow},
            reader::ReadError,
            syncs::Sighting,
        },
    },
};
use rusqlite::{Connection, params};
use std::{ops::RangeInclusive, sync::Arc};

const RECORD: &str = "UPDATE audit SET conn = ?3 WHERE event_created = ?1 AND event_hash = ?2 AND conn IS NULL";

/// A block that is not in the database yet.
#[derive(Debug)]
pub struct NewBlock {
    conn: i64,
    first: i64,
    last: i64,
    n: usize,
    bytes: i64,
    grams: Option<Grams>,
    columns: Columns,
}

impl NewBlock {
    /// Of events of one connection, sorted by key, and read back.
    fn of(blocks: Blocks<'_>, rows: &[Flat<'_>]) -> Result<Self, ReadError> {
        let unfit = |what: String| ReadError::Store(StoreError::Engine(format!("events do not make a block: {what}")));
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Err(unfit("none".into())) };
        let columns = codec::encode(rows).map_err(|error| unfit(error.to_string()))?;
        if !gives_back(&columns, rows) {
            return Err(unfit("what is read back is not what was written".into()));
        }
        Ok(Self {
            conn: first.conn,
            first: first.key.created_us,
            last: last.key.created_us,
            n: rows.len(),
            bytes: rows.iter().map(|row| plain(row).len() as i64).sum(),
            grams: if rows.len() < grams::EVENTS_MIN { None } else { blocks.grams(rows)? },
            columns,
        })
    }

    /// Puts it into the database.
    fn insert(&self, db: &Connection) -> rusqlite::Result<Meta> {
        let Self { conn, first, last, n, bytes, grams, columns } = self;
        let meta = Meta { id: 0, conn: *conn, first: *first, last: *last, n: *n, bytes: *bytes };
        db.prepare_cached(
            "INSERT INTO block (conn, first, last, n, bytes, grams, crc, times, hashes, heads, bodies)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            conn,
            first,
            last,
            *n as i64,
            bytes,
            grams.as_ref().map(Grams::to_bytes),
            meta.crc(),
            columns.times,
            columns.hashes,
            columns.heads,
            columns.bodies
        ])?;
        Ok(Meta { id: db.last_insert_rowid(), ..meta })
    }

    /// Bytes of its columns.
    pub fn size(&self) -> usize {
        let Columns { times, hashes, heads, bodies } = &self.columns;
        times.len() + hashes.len() + heads.len() + bodies.len()
    }
}

/// A body that is not packed.
pub fn plain<'r>(row: &Flat<'r>) -> &'r [u8] {
    match row.body {
        BodyRef::Plain(body) | BodyRef::Packed(body) => body,
    }
}

/// Whether a block holds what it was made of.
fn gives_back(columns: &Columns, rows: &[Flat<'_>]) -> bool {
    let read = || {
        let times = codec::times(&columns.times, rows.len()).ok()?;
        let hashes = codec::hashes(&columns.hashes, rows.len()).ok()?;
        let heads = codec::Heads::open(&columns.heads, &times).ok()?;
        let bodies = codec::Bodies::open(&columns.bodies, &times).ok()?;
        for (at, row) in rows.iter().enumerate() {
            let key = EventKey { created_us: times[at], hash: hashes[at] };
            if flat_of(heads.get(at)?, key, row.conn, BodyRef::Plain(bodies.get(at)?)) != *row {
                return None;
            }
        }
        Some(())
    };
    read().is_some()
}

/// Bytes of spills and sync ids of a block; only events that older versions stored can have so many.
const HEADS_BYTES_MAX: usize = 2 * tiers::FULL * HEAD_LARGE;

/// Makes blocks of events of one connection, which need not be sorted: full ones, unless they are fewer.
pub fn blocks_of(blocks: Blocks<'_>, rows: &mut [(Arc<Chunk>, u32)]) -> Result<Vec<NewBlock>, ReadError> {
    rows.sort_by_key(|(chunk, at)| chunk.key(*at as usize));
    let flats: Vec<Flat<'_>> = rows.iter().map(|(chunk, at)| chunk.get(*at as usize)).collect();
    let (each, mut made, mut from, mut bytes, mut heads) = (tiers::cut(flats.len()), Vec::new(), 0, 0, 0);
    for at in 0..flats.len() {
        bytes += plain(&flats[at]).len() as i64;
        heads += codec::head_weight(&flats[at]);
        let is_full = bytes >= tiers::FULL_BYTES || heads >= HEADS_BYTES_MAX;
        if at + 1 - from == each || is_full || at + 1 == flats.len() {
            made.push(NewBlock::of(blocks, &flats[from..=at])?);
            (from, bytes, heads) = (at + 1, 0, 0);
        }
    }
    Ok(made)
}

/// What comes and what goes, in one transaction.
#[derive(Debug, Default)]
pub struct Seal {
    /// Rows of the journal that go.
    pub journal: Option<RangeInclusive<u64>>,
    /// How many.
    pub journal_rows: usize,
    /// Blocks that go.
    pub gone: Vec<Meta>,
    /// Rows that go.
    pub rows: Vec<Gone>,
    /// Events whose audit records do not tell the connection yet, and its number: without it nobody finds the block quickly.
    pub records: Vec<(EventKey, i64)>,
    /// Events of the journal that deserve a look, with the numbers of their connections.
    pub notable: Vec<(EventKey, i64)>,
    /// With which connections the journal's syncs were seen, in order.
    pub syncs: Vec<Sighting>,
    /// Blocks that come.
    pub new: Vec<NewBlock>,
}

/// A row that goes unless it was changed since.
#[derive(Debug)]
pub struct Gone {
    /// As it was read.
    pub row: LooseRow,
    /// Whether it counted in the place of an event in a block or in the journal.
    pub instead: bool,
}

impl Seal {
    /// About how many bytes are written.
    pub fn weight(&self) -> usize {
        self.new.iter().map(NewBlock::size).sum::<usize>() + size_of_val(&*self.syncs) + 1
    }

    /// Does it. False, and nothing done, when a block that should go is gone already or a row is not what it was: whoever made this looks
    /// again.
    pub fn apply(&self, db: &Connection, whereabouts: &mut Whereabouts) -> Result<bool, WriteError> {
        if !blocks::are_there(db, &self.gone)? {
            return Ok(false);
        }
        for Gone { row, .. } in &self.rows {
            if loose::get(db, row.key())?.as_ref() != Some(row) {
                return Ok(false);
            }
        }
        if let Some(journal) = &self.journal {
            let gone = db
                .prepare_cached("DELETE FROM journal WHERE seq BETWEEN ?1 AND ?2")?
                .execute([*journal.start() as i64, *journal.end() as i64])?;
            if gone != self.journal_rows {
                let what = format!("{gone} rows of the journal between {journal:?} instead of {}", self.journal_rows);
                return Err(WriteError::Store(StoreError::Damaged(what)));
            }
        }
        for (key, conn) in &self.notable {
            whereabouts::mark(db, *key, *conn)?;
        }
        for seen in &self.syncs {
            seen.enter(db)?;
        }
        for meta in &self.gone {
            whereabouts.remove_block(db, *meta)?;
        }
        let mut delete = db.prepare_cached("DELETE FROM event WHERE created = ?1 AND hash = ?2")?;
        for Gone { row, instead } in &self.rows {
            let key = row.key();
            delete.execute([key.created_us, key.hash])?;
            if row.flat().notable {
                whereabouts::mark(db, key, row.conn())?;
            } else if *instead {
                whereabouts::unmark(db, key)?;
            }
        }
        let mut record = db.prepare_cached(RECORD)?;
        for (key, conn) in &self.records {
            record.execute([key.created_us, key.hash, *conn])?;
        }
        for block in &self.new {
            whereabouts.new_block(block.insert(db)?);
        }
        Ok(true)
    }
}
