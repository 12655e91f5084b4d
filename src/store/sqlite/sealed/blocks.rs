//! Sealed blocks within a snapshot.
//!
//! In: a connection and a key, or a span of keys. Out: the events there, copied out of their blocks, so that no more than one block is
//! unpacked at a time, however many overlap. Blocks never change and their numbers are never given twice, so keys that were
//! unpacked may be remembered. A block that does not match its checksums is named with what it held.

use super::{
    chunk::{Chunk, ChunkBuilder},
    codec::{self, Bodies, Head, Heads},
    grams::Wanted,
    unpacked::{Keys, Unpacked},
};
use crate::{
    model::{EventKey, Timestamp},
    store::{
        Order, StoreError,
        sqlite::{
            all_events::{Span, behind},
            bytes::checksum,
            flat::{BodyRef, Flat},
            names::Names,
            reader::ReadError,
        },
    },
};
use rusqlite::{Connection, Row};
use std::{
    collections::BinaryHeap,
    ops::Range,
    sync::{Arc, PoisonError},
};

macro_rules! select_meta {
    ($tail:literal) => {
        concat!("SELECT id, conn, first, last, n, bytes FROM block ", $tail)
    };
}

const ALL_ASC: &str = select_meta!("INDEXED BY block_first WHERE last >= ?1 ORDER BY first");
const ALL_DESC: &str = select_meta!("INDEXED BY block_last WHERE first <= ?1 ORDER BY last DESC");
const CONN_ASC: &str = select_meta!("INDEXED BY block_conn WHERE conn = ?2 AND last >= ?1 ORDER BY first");
const CONN_DESC: &str = select_meta!("INDEXED BY block_conn WHERE conn = ?2 AND first <= ?1 ORDER BY last DESC");
const AT: &str = select_meta!("INDEXED BY block_first WHERE first <= ?1 AND last >= ?1");
const CONN_AT: &str = select_meta!("INDEXED BY block_conn WHERE conn = ?2 AND first <= ?1 AND last >= ?1");
/// In the order in which they were made.
pub const BEHIND: &str = select_meta!("NOT INDEXED WHERE id > ?1 ORDER BY id");
/// In no order, for whoever keeps a list of them.
pub const METAS: &str = select_meta!("INDEXED BY block_conn ORDER BY conn");

const KEYS: &str = "SELECT times, hashes, crc FROM block WHERE id = ?1";
const HEADS: &str = "SELECT heads FROM block WHERE id = ?1";
const GRAMS: &str = "SELECT grams FROM block WHERE id = ?1";
const BODIES: &str = "SELECT bodies FROM block WHERE id = ?1";

/// Bodies that are copied out at a time, in bytes as estimated.
const SLICE_BYTES: i64 = 8 << 20;

/// What is known of a block without unpacking it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// Its number.
    pub id: i64,
    /// Number of its connection.
    pub conn: i64,
    /// `created` of its first event.
    pub first: i64,
    /// `created` of its last event.
    pub last: i64,
    /// Events.
    pub n: usize,
    /// Bytes of bodies, unpacked.
    pub bytes: i64,
}

impl Meta {
    /// Of a row of [`METAS`].
    pub fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            conn: row.get(1)?,
            first: row.get(2)?,
            last: row.get(3)?,
            n: row.get::<_, i64>(4)?.max(0) as usize,
            bytes: row.get(5)?,
        })
    }

    /// A checksum over all of it but the number.
    pub fn crc(&self) -> i64 {
        checksum(&[self.conn, self.first, self.last, self.n as i64, self.bytes])
    }

    fn damaged(&self, db: &Connection, names: &Names, column: &str) -> ReadError {
        let whose = match self.conn {
            0 => "no connection".to_owned(),
            conn => {
                names.connection(db, conn).map_or_else(|_| format!("connection number {conn}"), |id| id.to_string())
            }
        };
        let time = |at| Timestamp::from_micros(at).to_string();
        StoreError::Damaged(format!(
            "{column} of block {}: {} events of {whose} from {} to {}",
            self.id,
            self.n,
            time(self.first),
            time(self.last)
        ))
        .into()
    }
}

fn push(into: &mut ChunkBuilder, flat: &Flat<'_>) -> Result<(), ReadError> {
    let pushed = into.push(flat);
    Ok(pushed.map_err(|error| StoreError::Engine(format!("copying events of a block: {error}")))?)
}

/// Whether none of these is gone.
pub fn are_there(db: &Connection, metas: &[Meta]) -> rusqlite::Result<bool> {
    let mut is_there = db.prepare_cached("SELECT 1 FROM block WHERE id = ?1")?;
    for meta in metas {
        if !is_there.exists([meta.id])? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// All blocks, in the order of their first events.
pub fn blocks_in_order(db: &Connection) -> rusqlite::Result<Vec<Meta>> {
    db.prepare_cached(ALL_ASC)?.query_map([i64::MIN], Meta::of)?.collect()
}

/// The blocks of a snapshot.
#[derive(Clone, Copy)]
pub struct Blocks<'s> {
    pub(super) db: &'s Connection,
    pub(super) names: &'s Names,
}

/// Events copied out of blocks, in the asked order.
pub struct Slice {
    /// Their columns.
    pub chunk: Arc<Chunk>,
    /// Their places in it.
    pub order: Vec<u32>,
    /// Where to read on; `None` at the end.
    pub next: Option<EventKey>,
}

impl<'s> Blocks<'s> {
    /// Of the snapshot that is open.
    pub fn of(db: &'s Connection, names: &'s Names) -> Self {
        Self { db, names }
    }

    fn unpacked(&self) -> &'s Unpacked {
        &self.names.stock.unpacked
    }

    /// The keys of a block.
    pub fn keys(&self, meta: &Meta) -> Result<Arc<Keys>, ReadError> {
        // Nothing can panic while the lock is held.
        let known = || self.unpacked().keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = known().get(&meta.id) {
            return Ok(keys);
        }
        let keys = Arc::new(self.read_keys(meta)?);
        known().put(meta.id, Arc::clone(&keys), meta.n * 16 + 64);
        Ok(keys)
    }

    fn read_keys(&self, meta: &Meta) -> Result<Keys, ReadError> {
        let mut statement = self.db.prepare_cached(KEYS)?;
        let mut rows = statement.query([meta.id])?;
        let row = rows.next()?.ok_or_else(|| meta.damaged(self.db, self.names, "row"))?;
        let blob = |at| row.get_ref(at)?.as_blob().map_err(rusqlite::Error::from);
        let times = codec::times(blob(0)?, meta.n).map_err(|_| meta.damaged(self.db, self.names, "times"))?;
        let hashes = codec::hashes(blob(1)?, meta.n).map_err(|_| meta.damaged(self.db, self.names, "hashes"))?;
        let fits = row.get::<_, i64>(2)? == meta.crc()
            && times.first() == Some(&meta.first)
            && times.last() == Some(&meta.last);
        if fits { Ok(Keys { times, hashes }) } else { Err(meta.damaged(self.db, self.names, "row")) }
    }

    /// The heads of a block.
    pub fn heads(&self, meta: &Meta) -> Result<Arc<Heads>, ReadError> {
        let known = || self.unpacked().heads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(heads) = known().get(&meta.id) {
            return Ok(heads);
        }
        let heads = Arc::new(self.read_heads(meta, &self.keys(meta)?.times)?);
        known().put(meta.id, Arc::clone(&heads), heads.weight());
        Ok(heads)
    }

    fn read_heads(&self, meta: &Meta, times: &[i64]) -> Result<Heads, ReadError> {
        let mut statement = self.db.prepare_cached(HEADS)?;
        let mut rows = statement.query([meta.id])?;
        let row = rows.next()?.ok_or_else(|| meta.damaged(self.db, self.names, "row"))?;
        let blob = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        Heads::open(blob, times).map_err(|_| meta.damaged(self.db, self.names, "heads"))
    }

    /// The bodies of a block.
    fn bodies(&self, meta: &Meta, times: &[i64]) -> Result<Arc<Bodies>, ReadError> {
        let known = || self.unpacked().bodies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bodies) = known().get(&meta.id) {
            return Ok(bodies);
        }
        let bodies = Arc::new(self.read_bodies(meta, times)?);
        known().put(meta.id, Arc::clone(&bodies), bodies.weight());
        Ok(bodies)
    }

    fn read_bodies(&self, meta: &Meta, times: &[i64]) -> Result<Bodies, ReadError> {
        let mut statement = self.db.prepare_cached(BODIES)?;
        let mut rows = statement.query([meta.id])?;
        let row = rows.next()?.ok_or_else(|| meta.damaged(self.db, self.names, "row"))?;
        let blob = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        Bodies::open(blob, times).map_err(|_| meta.damaged(self.db, self.names, "bodies"))
    }

    /// The columns of the event at a place.
    pub fn flat<'h>(
        &self,
        meta: &Meta,
        heads: &'h Heads,
        keys: &Keys,
        place: usize,
        body: BodyRef<'h>,
    ) -> Result<Flat<'h>, ReadError> {
        let head = heads.get(place).ok_or_else(|| meta.damaged(self.db, self.names, "heads"))?;
        Ok(flat_of(head, keys.at(place), meta.conn, body))
    }

    /// Copies events of a block.
    pub fn copy(&self, meta: &Meta, places: Range<usize>, into: &mut ChunkBuilder) -> Result<(), ReadError> {
        let (keys, heads) = (self.keys(meta)?, self.heads(meta)?);
        let bodies = self.bodies(meta, &keys.times)?;
        for place in places {
            let body = bodies.get(place).ok_or_else(|| meta.damaged(self.db, self.names, "bodies"))?;
            let flat = self.flat(meta, &heads, &keys, place, BodyRef::Plain(body))?;
            push(into, &flat)?;
        }
        Ok(())
    }

    /// All events of a block that goes. Read past what is remembered of blocks: nobody asks for this one any more.
    pub fn all(&self, meta: &Meta) -> Result<Chunk, ReadError> {
        let mut copied = ChunkBuilder::new();
        self.read(meta, |flat| push(&mut copied, flat))?;
        Ok(copied.finish())
    }

    /// Shows every event of a block as it is in the file, whatever was remembered of it.
    pub fn read(&self, meta: &Meta, mut see: impl FnMut(&Flat<'_>) -> Result<(), ReadError>) -> Result<(), ReadError> {
        let keys = self.read_keys(meta)?;
        let (heads, bodies) = (self.read_heads(meta, &keys.times)?, self.read_bodies(meta, &keys.times)?);
        for place in 0..meta.n {
            let body = bodies.get(place).ok_or_else(|| meta.damaged(self.db, self.names, "bodies"))?;
            see(&self.flat(meta, &heads, &keys, place, BodyRef::Plain(body))?)?;
        }
        Ok(())
    }

    /// Whether a block may hold what is looked for.
    fn may_hold(&self, meta: &Meta, wanted: &Wanted) -> Result<bool, ReadError> {
        let mut statement = self.db.prepare_cached(GRAMS)?;
        let mut rows = statement.query([meta.id])?;
        let Some(row) = rows.next()? else { return Ok(true) };
        let grams = row.get_ref(0)?.as_blob_or_null().map_err(rusqlite::Error::from)?;
        Ok(grams.is_none_or(|grams| wanted.may_be_in(grams)))
    }

    /// Where the event of a key is. `conn`: the number of its connection, where that is known.
    pub fn find(&self, key: EventKey, conn: Option<i64>) -> Result<Option<(Meta, usize)>, ReadError> {
        let mut statement = self.db.prepare_cached(if conn.is_some() { CONN_AT } else { AT })?;
        let mut rows = match conn {
            Some(conn) => statement.query([key.created_us, conn])?,
            None => statement.query([key.created_us])?,
        };
        while let Some(row) = rows.next()? {
            let meta = Meta::of(row)?;
            if let Some(place) = self.keys(&meta)?.find(key) {
                return Ok(Some((meta, place)));
            }
        }
        Ok(None)
    }

    /// The event at a place.
    pub fn event(&self, meta: &Meta, place: usize) -> Result<Arc<Chunk>, ReadError> {
        let mut one = ChunkBuilder::new();
        self.copy(meta, place..place + 1, &mut one)?;
        Ok(Arc::new(one.finish()))
    }

    /// The first `wanted` events of a span from a key on, itself included; fewer where they are large.
    /// `text`: blocks that cannot hold it are passed over.
    pub fn slice(
        &self,
        span: Span,
        order: Order,
        from: EventKey,
        wanted: usize,
        text: Option<&Wanted>,
    ) -> Result<Slice, ReadError> {
        let mut wanted = wanted.max(1);
        loop {
            let picked = self.pick(span, order, from, wanted, text)?;
            if wanted == 1 || picked.bytes(self)? <= SLICE_BYTES {
                return self.gather(&picked, order);
            }
            wanted = (wanted / 4).max(1);
        }
    }

    fn pick(
        &self,
        span: Span,
        order: Order,
        from: EventKey,
        wanted: usize,
        text: Option<&Wanted>,
    ) -> Result<Picked, ReadError> {
        let mut statement = self.db.prepare_cached(match (span, order) {
            (Span::Of(_), Order::Asc) => CONN_ASC,
            (Span::Of(_), Order::Desc) => CONN_DESC,
            (_, Order::Asc) => ALL_ASC,
            (_, Order::Desc) => ALL_DESC,
        })?;
        let mut rows = match span {
            Span::Of(conn) => statement.query([from.created_us, conn])?,
            Span::All | Span::Notable => statement.query([from.created_us])?,
        };
        let mut nearest = BinaryHeap::<i128>::with_capacity(wanted + 1);
        let mut parts = Vec::new();
        while let Some(row) = rows.next()? {
            let meta = Meta::of(row)?;
            let closest = match order {
                Order::Asc => rank(EventKey { created_us: meta.first, hash: i64::MIN }, order),
                Order::Desc => rank(EventKey { created_us: meta.last, hash: i64::MAX }, order),
            };
            let is_full = nearest.len() == wanted;
            if is_full && nearest.peek().is_some_and(|farthest| closest > *farthest) {
                break;
            }
            if let Some(text) = text
                && !self.may_hold(&meta, text)?
            {
                continue;
            }
            let keys = self.keys(&meta)?;
            let part = match order {
                Order::Asc => keys.lower(from)..keys.len(),
                Order::Desc => 0..behind(from, Order::Asc).map_or(keys.len(), |next| keys.lower(next)),
            };
            let mut ranks = Vec::new();
            for step in 0..part.len() {
                let place = match order {
                    Order::Asc => part.start + step,
                    Order::Desc => part.end - 1 - step,
                };
                let rank = rank(keys.at(place), order);
                if nearest.len() == wanted {
                    if nearest.peek().is_some_and(|farthest| rank > *farthest) {
                        break;
                    }
                    nearest.pop();
                }
                nearest.push(rank);
                ranks.push(rank);
            }
            if !ranks.is_empty() {
                parts.push(Part { meta, places: part, ranks });
            }
        }
        let last = if nearest.len() == wanted { nearest.peek().copied() } else { None };
        if let Some(last) = last {
            // What was near when its block was looked at may not be any more.
            parts.iter_mut().for_each(|part| part.ranks.truncate(part.ranks.partition_point(|rank| *rank <= last)));
        }
        Ok(Picked { parts, last })
    }

    fn gather(&self, picked: &Picked, order: Order) -> Result<Slice, ReadError> {
        let mut builder = ChunkBuilder::new();
        for Part { meta, places, ranks } in picked.parts.iter().filter(|part| !part.ranks.is_empty()) {
            let places = match order {
                Order::Asc => places.start..places.start + ranks.len(),
                Order::Desc => places.end - ranks.len()..places.end,
            };
            self.copy(meta, places, &mut builder)?;
        }
        let chunk = builder.finish();
        let mut places: Vec<u32> = (0..chunk.len() as u32).collect();
        places.sort_unstable_by_key(|place| rank(chunk.get(*place as usize).key, order));
        let next = picked.last.and_then(|_| {
            let last = places.last().map(|place| chunk.get(*place as usize).key);
            last.and_then(|last| behind(last, order))
        });
        Ok(Slice { chunk: Arc::new(chunk), order: places, next })
    }
}

/// An event's columns out of those of its block.
pub fn flat_of<'h>(head: Head<'h>, key: EventKey, conn: i64, body: BodyRef<'h>) -> Flat<'h> {
    let Head { label, kind, shape, notable, received, sync, secret, spill } = head;
    Flat { key, conn, label, kind, shape, notable, received, sync, secret, spill, body }
}

/// Which events a slice has.
struct Picked {
    parts: Vec<Part>,
    /// The farthest; `None` when nothing follows.
    last: Option<i128>,
}

/// What a block has for it.
struct Part {
    meta: Meta,
    /// The places whose keys follow.
    places: Range<usize>,
    /// The ranks of those that are near enough, nearest first.
    ranks: Vec<i128>,
}

impl Picked {
    /// Bytes of its events, about.
    fn bytes(&self, blocks: &Blocks<'_>) -> Result<i64, ReadError> {
        let mut sum = 0;
        for Part { meta, ranks, .. } in self.parts.iter().filter(|part| !part.ranks.is_empty()) {
            let all = meta.bytes + blocks.heads(meta)?.weight() as i64;
            sum += all / (meta.n.max(1) as i64) * ranks.len() as i64;
        }
        Ok(sum)
    }
}

/// A number for each key, smaller for what comes first.
fn rank(key: EventKey, order: Order) -> i128 {
    let up = (i128::from(key.created_us) << 64) + (i128::from(key.hash) - i128::from(i64::MIN));
    match order {
        Order::Asc => up,
        Order::Desc => !up,
    }
}

/// What SQLite must make of each question, for the tests.
#[cfg(test)]
pub const SQL_AND_PLAN: &[(&str, &str)] = &[
    (ALL_ASC, "SCAN block USING COVERING INDEX block_first"),
    (ALL_DESC, "SCAN block USING COVERING INDEX block_last"),
    (CONN_ASC, "SEARCH block USING COVERING INDEX block_conn (conn=?)"),
    (CONN_DESC, "SEARCH block USING COVERING INDEX block_conn (conn=? AND first<?); USE TEMP B-TREE FOR ORDER BY"),
    (CONN_AT, "SEARCH block USING COVERING INDEX block_conn (conn=? AND first<?)"),
    (METAS, "SCAN block USING COVERING INDEX block_conn"),
];
