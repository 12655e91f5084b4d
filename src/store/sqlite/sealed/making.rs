//! What takes the place of events that leave where they are: the journal, smaller blocks, rows.
//!
//! In: events of connections, and a snapshot. Out: a [`Seal`]: blocks of them together with smaller ones of the same connections, which go.
//! Where a row counts in the place of an event that is written anew, it is the row that is written, and it goes as well: so
//! rows stay few. What cannot be unpacked stays a row.

use super::{
    blocks::{Blocks, METAS, Meta},
    chunk::{Chunk, ChunkBuilder},
    known::LOOSE,
    seal::{Gone, Seal, blocks_of, plain},
    tiers,
    whereabouts::{LARGE, Whereabouts},
};
use crate::store::{
    StoreError,
    sqlite::{
        flat::{BodyRef, Flat},
        loose::{self, LooseRow},
        names::Names,
        reader::ReadError,
    },
};
use ahash::AHashMap;
use rusqlite::Connection;
use std::{ops::RangeInclusive, sync::Arc};

/// Events, by their places.
pub type Events = Vec<(Arc<Chunk>, u32)>;

/// What is written of a connection.
#[derive(Default)]
pub struct Parts {
    /// Events that may have rows in their place.
    pub events: Events,
    /// Blocks that are written anew in any case.
    pub again: Vec<Meta>,
    /// Events that come out of rows themselves.
    pub rows: Events,
}

/// Makes a [`Seal`], one connection after the other.
pub struct Making<'m> {
    db: &'m Connection,
    names: &'m Names,
    metas: AHashMap<i64, Vec<Meta>>,
    /// Whether rows are looked for.
    thaw: bool,
    /// As far as it is made.
    pub seal: Seal,
}

impl<'m> Making<'m> {
    /// Within the snapshot that is open. `thaw`: with rows that count in the place of events; `wanted`: of which connections.
    pub fn of(
        db: &'m Connection,
        names: &'m Names,
        thaw: bool,
        wanted: impl Fn(i64) -> bool,
    ) -> Result<Self, ReadError> {
        let mut metas: AHashMap<i64, Vec<Meta>> = AHashMap::new();
        let mut statement = db.prepare_cached(METAS)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let meta = Meta::of(row)?;
            if wanted(meta.conn) {
                metas.entry(meta.conn).or_default().push(meta);
            }
        }
        Ok(Self { db, names, metas, thaw, seal: Seal::default() })
    }

    /// The blocks of a connection.
    pub fn blocks(&self, conn: i64) -> &[Meta] {
        self.metas.get(&conn).map_or(&[], Vec::as_slice)
    }

    /// Adds what is written of a connection. Once for each.
    pub fn add(&mut self, conn: i64, parts: Parts) -> Result<(), ReadError> {
        let Parts { mut events, again, mut rows } = parts;
        let known: Vec<Meta> = self.blocks(conn).iter().filter(|meta| !again.contains(meta)).copied().collect();
        let count = |events: &Events| {
            let bytes = events.iter().map(|(chunk, at)| plain(&chunk.get(*at as usize)).len()).sum::<usize>();
            (events.len(), bytes as i64)
        };
        let all = [count(&events), count(&rows)].into_iter().chain(again.iter().map(|meta| (meta.n, meta.bytes)));
        let (n, bytes) = all.fold((0, 0), |(n, bytes), it| (n + it.0, bytes + it.1));
        let joined = tiers::join(&known, n, bytes).into_iter().map(|at| known[at]);
        let blocks = Blocks::of(self.db, self.names);
        for meta in again.into_iter().chain(joined) {
            let copied = match blocks.all(&meta) {
                Err(ReadError::Store(StoreError::Damaged(what))) => {
                    // It stays as it is, and keeps nothing else from becoming blocks.
                    tracing::debug!("not written anew, for it is damaged: {what}");
                    continue;
                }
                copied => Arc::new(copied?),
            };
            events.extend((0..copied.len()).map(|at| (Arc::clone(&copied), at as u32)));
            self.seal.gone.push(meta);
        }
        if self.thaw {
            self.take_rows(conn, &mut events)?;
        }
        events.append(&mut rows);
        self.seal.new.extend(blocks_of(blocks, &mut events)?);
        Ok(())
    }

    /// Puts rows where they count.
    fn take_rows(&mut self, conn: i64, events: &mut Events) -> Result<(), ReadError> {
        let Some(loose) = loose_times(self.db, conn)? else { return Ok(()) };
        let mut thawed = ChunkBuilder::new();
        let mut places = Vec::new();
        for (place, (chunk, at)) in events.iter().enumerate() {
            let key = chunk.key(*at as usize);
            if loose.contains(&key.created_us)
                && let Some(row) = loose::get(self.db, key)?
                && let Ok(body) = fits(&row)
            {
                push(&mut thawed, &row, &body)?;
                self.seal.rows.push(Gone { row, instead: true });
                places.push(place);
            }
        }
        let thawed = Arc::new(thawed.finish());
        for (at, place) in (0..).zip(places) {
            events[place] = (Arc::clone(&thawed), at);
        }
        Ok(())
    }
}

/// The earliest and latest `created` of a connection's rows.
fn loose_times(db: &Connection, conn: i64) -> rusqlite::Result<Option<RangeInclusive<i64>>> {
    let times: (Option<i64>, Option<i64>) =
        db.prepare_cached(LOOSE)?.query_row([conn], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(match times {
        (Some(first), Some(last)) => Some(first..=last),
        _ => None,
    })
}

/// Why a row stays one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// Its body, or what it has beside it, is larger than blocks take.
    Large,
    /// Its body cannot be unpacked.
    Damaged,
}

/// The body of a row that can go into a block.
pub fn fits(row: &LooseRow) -> Result<Vec<u8>, Unfit> {
    let plain = row.plain().ok_or(Unfit::Damaged)?;
    if plain.len() > LARGE || !Whereabouts::takes_head(&row.flat()) { Err(Unfit::Large) } else { Ok(plain) }
}

/// Copies a row with its body, unpacked.
pub fn push(builder: &mut ChunkBuilder, row: &LooseRow, body: &[u8]) -> Result<(), StoreError> {
    let flat = Flat { body: BodyRef::Plain(body), ..row.flat() };
    builder.push(&flat).map_err(|error| StoreError::Engine(format!("copying rows: {error}")))
}
