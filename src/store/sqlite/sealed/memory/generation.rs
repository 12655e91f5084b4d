//! A generation: the chunks of consecutive commits, and where each event of them is.
//!
//! In: chunks, one commit after another. Out: their events by connection or over everything, in the order of time, those of
//! some of its commits only. It is sealed as a whole.

use super::{
    filter::Filter,
    sorted::{Place, Sorted},
    view::{Held, Span},
};
use crate::{
    model::EventKey,
    store::{Order, sqlite::sealed::chunk::Chunk},
};
use ahash::AHashMap;
use std::{
    ops::{Range, RangeInclusive},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

/// Memory that the indexes take for an event, a chunk and a connection, in bytes and roughly.
const EVENT_BYTES: usize = size_of::<Place>() + 10;
const CHUNK_BYTES: usize = size_of::<Row>() + 16;
const CONN_BYTES: usize = 2 * size_of::<(i64, Sorted)>() + 32;
/// Places that a reader looks at before it lets the writer in.
const LOOKS_MAX: usize = 4096;

/// Events of some commits in a row, found by connection and by time.
pub struct Generation {
    filter: Filter,
    index: RwLock<Index>,
}

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Events.
    pub events: usize,
    /// Memory in bytes.
    pub bytes: usize,
    /// How much of the memory came with the last chunk.
    pub grown_bytes: usize,
}

struct Row {
    seq: u64,
    /// The number of its first place.
    first: u32,
    chunk: Arc<Chunk>,
}

#[derive(Default)]
struct Index {
    rows: Vec<Row>,
    /// In order of arrival: a range of them is what some commits brought.
    places: Vec<Place>,
    by_time: Sorted,
    notable: Sorted,
    by_conn: AHashMap<i64, Sorted>,
    bytes: usize,
}

impl Generation {
    /// An empty one, for about so many events.
    pub(super) fn new(events: usize) -> Self {
        let filter = Filter::new(events);
        let index = Index { bytes: filter.bytes(), ..Index::default() };
        Self { filter, index: RwLock::new(index) }
    }

    fn index(&self) -> RwLockReadGuard<'_, Index> {
        // Whoever panics while adding is the writer, and the store ends with it.
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a commit.
    pub(super) fn add(&self, seq: u64, chunk: Arc<Chunk>) -> Size {
        let mut guard = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let index = &mut *guard;
        let before = index.bytes;
        let (row, first) = (index.rows.len() as u32, index.places.len() as u32);
        index.places.reserve(chunk.len());
        for (entry, number) in (0..chunk.len()).zip(first..) {
            let key = chunk.key(entry);
            index.places.push(Place { key, chunk: row, entry: entry as u32 });
            self.filter.add(key);
            index.by_time.insert(number, &index.places);
            if chunk.notable(entry) {
                index.notable.insert(number, &index.places);
            }
            let of_conn = index.by_conn.entry(chunk.conn(entry)).or_insert_with(|| {
                index.bytes += CONN_BYTES;
                Sorted::default()
            });
            of_conn.insert(number, &index.places);
        }
        index.bytes += chunk.bytes() + CHUNK_BYTES + chunk.len() * EVENT_BYTES;
        index.rows.push(Row { seq, first, chunk });
        Size { events: index.places.len(), bytes: index.bytes, grown_bytes: index.bytes - before }
    }

    /// How much is in it.
    pub(super) fn size(&self) -> Size {
        let index = self.index();
        Size { events: index.places.len(), bytes: index.bytes, grown_bytes: 0 }
    }

    /// Number of events.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.size().events
    }

    /// Whether no event is in it.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory in bytes.
    pub fn bytes(&self) -> usize {
        self.size().bytes
    }

    /// Numbers of its first and its last commit; an empty range before the first.
    pub fn seqs(&self) -> RangeInclusive<u64> {
        let index = self.index();
        match (index.rows.first(), index.rows.last()) {
            (Some(first), Some(last)) => first.seq..=last.seq,
            _ => RangeInclusive::new(1, 0),
        }
    }

    /// The chunks with the numbers of their commits, in order.
    pub fn chunks(&self) -> Vec<(u64, Arc<Chunk>)> {
        self.index().rows.iter().map(|row| (row.seq, Arc::clone(&row.chunk))).collect()
    }

    /// The chunks of some commits: of the range that [`Self::brought`] gave for them.
    pub(super) fn chunks_within(&self, within: &Range<u32>) -> Vec<Arc<Chunk>> {
        let index = self.index();
        index.rows.iter().filter(|row| within.contains(&row.first)).map(|row| Arc::clone(&row.chunk)).collect()
    }

    /// The connections that have events here, ascending, and how many each.
    pub fn connections(&self) -> Vec<(i64, usize)> {
        let index = self.index();
        let mut connections: Vec<_> = index.by_conn.iter().map(|(conn, events)| (*conn, events.len())).collect();
        connections.sort_unstable();
        connections
    }

    /// What the commits `lo` to `hi` brought.
    pub(super) fn brought(&self, lo: u64, hi: u64) -> Range<u32> {
        let index = self.index();
        let first_of = |row: usize| index.rows.get(row).map_or(index.places.len() as u32, |row| row.first);
        let start = index.rows.partition_point(|row| row.seq < lo);
        let end = index.rows.partition_point(|row| row.seq <= hi);
        first_of(start)..first_of(end.max(start))
    }

    /// The event with a key, of one connection or of any.
    pub(super) fn find(&self, within: &Range<u32>, conn: Option<i64>, key: EventKey) -> Option<Held> {
        if !self.filter.may_hold(key) {
            return None;
        }
        let index = self.index();
        let sorted = match conn {
            Some(conn) => index.by_conn.get(&conn)?,
            None => &index.by_time,
        };
        let number = sorted.find(key, &index.places)?;
        within.contains(&number).then(|| index.held(number))
    }

    /// Whether a connection has events.
    pub(super) fn has(&self, within: &Range<u32>, conn: i64) -> bool {
        self.index().by_conn.get(&conn).is_some_and(|events| events.iter().any(|number| within.contains(&number)))
    }

    /// Copies the next events of a walk into `batch`, at most so many, and moves the walk behind them.
    pub(super) fn fetch(&self, walk: &mut Walk, max: usize, batch: &mut Vec<(EventKey, Held)>) {
        while batch.is_empty() && walk.from.is_some() {
            walk.from = self.fetch_some(walk, max, batch);
        }
    }

    /// Where the walk goes on; `None` at its end.
    fn fetch_some(&self, walk: &Walk, max: usize, batch: &mut Vec<(EventKey, Held)>) -> Option<From> {
        let from = walk.from?;
        let index = self.index();
        let sorted = match walk.span {
            Span::All => &index.by_time,
            Span::Notable => &index.notable,
            Span::Of(conn) => index.by_conn.get(&conn)?,
        };
        match walk.order {
            Order::Asc => {
                let gap = sorted.gap(&index.places, |key| if from.past { key <= from.key } else { key < from.key });
                index.copy(&walk.within, sorted.after(gap), max, batch)
            }
            Order::Desc => {
                let gap = sorted.gap(&index.places, |key| if from.past { key < from.key } else { key <= from.key });
                index.copy(&walk.within, sorted.before(gap), max, batch)
            }
        }
    }
}

impl Index {
    fn held(&self, number: u32) -> Held {
        let place = &self.places[number as usize];
        Held::new(Arc::clone(&self.rows[place.chunk as usize].chunk), place.entry)
    }

    fn copy(
        &self,
        within: &Range<u32>,
        numbers: impl Iterator<Item = u32>,
        max: usize,
        batch: &mut Vec<(EventKey, Held)>,
    ) -> Option<From> {
        for (looks, number) in numbers.enumerate() {
            let key = self.places[number as usize].key;
            if within.contains(&number) {
                batch.push((key, self.held(number)));
            }
            if batch.len() >= max || looks >= LOOKS_MAX {
                return Some(From { key, past: true });
            }
        }
        None
    }
}

/// A way through the events of a generation.
pub(super) struct Walk {
    /// What is walked.
    pub span: Span,
    /// The direction.
    pub order: Order,
    /// Which events are seen at all.
    pub within: Range<u32>,
    /// Where it goes on; `None` at its end.
    pub from: Option<From>,
}

/// A place in the order of keys.
#[derive(Clone, Copy)]
pub(super) struct From {
    /// The key.
    pub key: EventKey,
    /// Whether the event with this key was given already.
    pub past: bool,
}
