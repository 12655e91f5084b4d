//! Rows made into blocks, a slice at a time.
//!
//! In: rows in the order of their keys, of every connection: what lies together in the file leaves together, as it would page by page not if
//! each connection had its turn. Out: one [`Seal`] for each slice, which the writer applies like any other; a row that was
//! changed meanwhile makes it look again. What stays a row: large and damaged ones, and what stands for an event that is in the
//! journal still. Nothing is remembered between slices, so that it can be stopped anywhere.

use super::{
    blocks::{Blocks, Meta},
    chunk::{Chunk, ChunkBuilder},
    making::{Events, Making, Parts, Unfit, fits, push},
    seal::{Gone, Seal},
};
use crate::{
    model::EventKey,
    store::{
        Order,
        sqlite::{
            all_events::Span,
            loose::{self, LooseRow},
            names::Names,
            reader::ReadError,
        },
    },
};
use rusqlite::Connection;
use std::{collections::BTreeMap, sync::Arc};

/// Audit records of a span whose connection is not told.
const RECORDS: &str = "SELECT event_created, event_hash FROM audit INDEXED BY audit_once
    WHERE event_created >= ?1 AND event_created <= ?2 AND conn IS NULL ORDER BY event_created, event_hash";

/// Bounds of a slice.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Rows.
    pub rows: usize,
    /// Bytes of their bodies, unpacked, and of blocks that are written anew for their sake.
    pub bytes: usize,
}

/// Rows that stayed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Their bodies are larger than blocks take.
    pub large: u64,
    /// Their bodies cannot be unpacked.
    pub damaged: u64,
    /// They stand for events of the journal.
    pub newest: u64,
}

impl Kept {
    /// All of them.
    pub fn all(&self) -> u64 {
        self.large + self.damaged + self.newest
    }

    /// These and others.
    pub fn add(&mut self, other: Self) {
        self.large += other.large;
        self.damaged += other.damaged;
        self.newest += other.newest;
    }
}

/// A slice, ready to be applied.
#[derive(Debug)]
pub struct Slice {
    /// What comes and goes; nothing where `moved` is 0.
    pub seal: Seal,
    /// Rows that go.
    pub moved: u64,
    /// Rows that were looked at and stay.
    pub kept: Kept,
    /// Where to go on; `None` at the end.
    pub next: Option<EventKey>,
}

/// The rows from a key on, itself included.
pub fn slice(db: &Connection, names: &Names, from: EventKey, size: Size) -> Result<Slice, ReadError> {
    let snapshot = db.unchecked_transaction()?;
    let mut read = Read::of(db, names, from, size)?;
    let of_conn = read.of_conn();
    let mut making = Making::of(db, names, true, |conn| of_conn.contains_key(&conn))?;
    making.seal.records = records(db, &read.copied)?;
    // Blocks that are written anew, in bytes: the first in any case, so that it goes on.
    let mut room = size.bytes as i64;
    for (conn, events) in of_conn {
        let (mut again, mut taken) = (Vec::new(), Vec::with_capacity(events.len()));
        let blocks = near(making.blocks(conn), &events);
        for (chunk, at) in events {
            let key = chunk.key(at as usize);
            match find(db, names, &blocks, key)? {
                // Whatever rows count in its events comes with the block.
                Some(meta) if again.contains(&meta) => {}
                Some(meta) if room > 0 => {
                    room -= meta.bytes.max(1);
                    again.push(meta);
                }
                Some(_) => read.next = Some(read.next.map_or(key, |next| next.min(key))),
                None => {
                    let row = read.rows[at as usize].take();
                    making.seal.rows.extend(row.map(|row| Gone { row, instead: false }));
                    taken.push((chunk, at));
                }
            }
        }
        if !taken.is_empty() || !again.is_empty() {
            making.add(conn, Parts { rows: taken, again, ..Parts::default() })?;
        }
    }
    let seal = making.seal;
    snapshot.commit()?;
    Ok(Slice { moved: seal.rows.len() as u64, seal, kept: read.kept(), next: read.next })
}

/// Rows, read.
struct Read {
    /// Those that can go; taken out when they do.
    rows: Vec<Option<LooseRow>>,
    /// The same in the same order, unpacked.
    copied: Arc<Chunk>,
    stay: Vec<(EventKey, Stay)>,
    next: Option<EventKey>,
}

/// Why a row stays one.
enum Stay {
    Unfit(Unfit),
    Newest,
}

impl Read {
    fn of(db: &Connection, names: &Names, from: EventKey, size: Size) -> Result<Self, ReadError> {
        let view = names.view(db)?;
        let (mut rows, mut copied, mut bytes) = (Vec::new(), ChunkBuilder::new(), 0);
        let (mut stay, mut next) = (Vec::new(), None);
        let mut stream = loose::Stream::new(db, Span::All, Order::Asc, from);
        while let Some(key) = stream.head()? {
            if rows.len() == size.rows || bytes >= size.bytes || stay.len() == size.rows {
                next = Some(key);
                break;
            }
            let Some(row) = stream.take() else { break };
            match fits(&row) {
                Err(why) => stay.push((key, Stay::Unfit(why))),
                Ok(_) if view.find(row.conn(), key).is_some() => stay.push((key, Stay::Newest)),
                Ok(body) => {
                    bytes += body.len();
                    push(&mut copied, &row, &body)?;
                    rows.push(Some(row));
                }
            }
        }
        Ok(Self { rows, copied: Arc::new(copied.finish()), stay, next })
    }

    fn of_conn(&self) -> BTreeMap<i64, Events> {
        let mut of_conn: BTreeMap<i64, Events> = BTreeMap::new();
        for at in 0..self.copied.len() {
            of_conn.entry(self.copied.conn(at)).or_default().push((Arc::clone(&self.copied), at as u32));
        }
        of_conn
    }

    fn kept(&self) -> Kept {
        let mut kept = Kept::default();
        // The others are met again.
        for (_, why) in self.stay.iter().filter(|(key, _)| self.next.is_none_or(|next| *key < next)) {
            match why {
                Stay::Unfit(Unfit::Large) => kept.large += 1,
                Stay::Unfit(Unfit::Damaged) => kept.damaged += 1,
                Stay::Newest => kept.newest += 1,
            }
        }
        kept
    }
}

/// The blocks of a connection among whose events some may be. `events` are sorted.
fn near(blocks: &[Meta], events: &Events) -> Vec<Meta> {
    let time = |at: Option<&(Arc<Chunk>, u32)>| at.map(|(chunk, at)| chunk.key(*at as usize).created_us);
    let (Some(first), Some(last)) = (time(events.first()), time(events.last())) else { return Vec::new() };
    blocks.iter().filter(|meta| meta.first <= last && first <= meta.last).copied().collect()
}

/// The block that holds an event of a key.
fn find(db: &Connection, names: &Names, blocks: &[Meta], key: EventKey) -> Result<Option<Meta>, ReadError> {
    for meta in blocks.iter().filter(|meta| meta.first <= key.created_us && key.created_us <= meta.last) {
        if Blocks::of(db, names).keys(meta)?.find(key).is_some() {
            return Ok(Some(*meta));
        }
    }
    Ok(None)
}

/// Which of the events, sorted, have a record that does not tell the connection.
fn records(db: &Connection, events: &Chunk) -> Result<Vec<(EventKey, i64)>, ReadError> {
    let Some(last) = events.len().checked_sub(1) else { return Ok(Vec::new()) };
    let mut statement = db.prepare_cached(RECORDS)?;
    let mut rows = statement.query([events.key(0).created_us, events.key(last).created_us])?;
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let key = EventKey { created_us: row.get(0)?, hash: row.get(1)? };
        while at < last && events.key(at) < key {
            at += 1;
        }
        if events.key(at) == key {
            found.push((key, events.conn(at)));
        }
    }
    Ok(found)
}

/// What SQLite must make of the question, for the tests.
#[cfg(test)]
pub const SQL_AND_PLAN: &[(&str, &str)] =
    &[(RECORDS, "SEARCH audit USING INDEX audit_once (event_created>? AND event_created<?)")];
