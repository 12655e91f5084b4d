//! What one snapshot sees of the memory.
//!
//! In: the generations and the first and last commit of the snapshot. Out: single events by key, and events in the order of
//! their keys, fetched as they are asked for. Events of other commits do not show, whatever is published or sealed while
//! the view lives.

use super::generation::{From, Generation, Walk};
use crate::{
    model::EventKey,
    store::{
        Order,
        sqlite::{flat::Flat, sealed::chunk::Chunk},
    },
};
use std::{cmp::Ordering, fmt, ops::Range, sync::Arc};

/// Events fetched first, for a page, and each time after that.
const FIRST_BATCH: usize = 64;
const NEXT_BATCH: usize = 512;

/// An event, and the chunk it lives in.
#[derive(Clone)]
pub struct Held {
    chunk: Arc<Chunk>,
    entry: u32,
}

impl Held {
    pub(super) const fn new(chunk: Arc<Chunk>, entry: u32) -> Self {
        Self { chunk, entry }
    }

    /// Its columns.
    pub fn flat(&self) -> Flat<'_> {
        self.chunk.get(self.entry as usize)
    }

    /// Its key.
    pub fn key(&self) -> EventKey {
        self.chunk.key(self.entry as usize)
    }

    /// The chunk and its place in it.
    pub fn into_parts(self) -> (Arc<Chunk>, u32) {
        (self.chunk, self.entry)
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Bodies never go to a log.
        to.debug_tuple("Held").field(&self.key()).finish()
    }
}

/// Which events are scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// All.
    All,
    /// Those that are WARNING or worse, or not valid.
    Notable,
    /// Those of one connection.
    Of(i64),
}

/// The events of some commits.
#[derive(Default, Clone)]
pub struct View {
    /// Oldest first; no range is empty.
    parts: Vec<(Arc<Generation>, Range<u32>)>,
}

impl View {
    /// What the commits `lo` to `hi` brought to generations.
    pub(super) fn new<'g>(generations: impl Iterator<Item = &'g Arc<Generation>>, lo: u64, hi: u64) -> Self {
        let part = |generation: &Arc<Generation>| (Arc::clone(generation), generation.brought(lo, hi));
        Self { parts: generations.map(part).filter(|(_, within)| !within.is_empty()).collect() }
    }

    /// Everything that is in a generation now: what its seal holds.
    pub fn of(generation: &Arc<Generation>) -> Self {
        Self::new([generation].into_iter(), 0, u64::MAX)
    }

    /// Number of events.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.parts.iter().map(|(_, within)| within.len()).sum()
    }

    /// Whether there are none.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The event of a connection with a key.
    pub fn find(&self, conn: i64, key: EventKey) -> Option<Held> {
        self.parts.iter().rev().find_map(|(generation, within)| generation.find(within, Some(conn), key))
    }

    /// The event with a key, whatever its connection.
    pub fn find_any(&self, key: EventKey) -> Option<Held> {
        self.parts.iter().rev().find_map(|(generation, within)| generation.find(within, None, key))
    }

    /// Whether a connection has events.
    pub fn has(&self, conn: i64) -> bool {
        self.parts.iter().any(|(generation, within)| generation.has(within, conn))
    }

    /// Everything, commit by commit.
    pub fn chunks(&self) -> Vec<Arc<Chunk>> {
        self.parts.iter().flat_map(|(generation, within)| generation.chunks_within(within)).collect()
    }

    /// Events in the order of their keys, beginning with `from` itself if it is there.
    pub fn scan(&self, span: Span, from: EventKey, order: Order) -> Scan {
        let from = Some(From { key: from, past: false });
        let stream = |(generation, within): &(Arc<Generation>, Range<u32>)| Stream {
            generation: Arc::clone(generation),
            walk: Walk { span, order, within: within.clone(), from },
            max: FIRST_BATCH,
            batch: Vec::new(),
        };
        Scan { order, streams: self.parts.iter().map(stream).collect() }
    }
}

/// Events in the order of their keys, merged from the generations.
pub struct Scan {
    order: Order,
    streams: Vec<Stream>,
}

struct Stream {
    generation: Arc<Generation>,
    walk: Walk,
    max: usize,
    /// Fetched and not yet given; the next one is the last.
    batch: Vec<(EventKey, Held)>,
}

impl Stream {
    fn head(&mut self) -> Option<EventKey> {
        if self.batch.is_empty() && self.walk.from.is_some() {
            self.generation.fetch(&mut self.walk, self.max, &mut self.batch);
            self.batch.reverse();
            self.max = NEXT_BATCH;
        }
        self.batch.last().map(|(key, _)| *key)
    }
}

impl Iterator for Scan {
    type Item = Held;

    fn next(&mut self) -> Option<Held> {
        let mut first: Option<(EventKey, usize)> = None;
        for (at, stream) in self.streams.iter_mut().enumerate() {
            let Some(key) = stream.head() else { continue };
            let sooner = match self.order {
                Order::Asc => Ordering::Less,
                Order::Desc => Ordering::Greater,
            };
            if first.is_none_or(|(other, _)| key.cmp(&other) == sooner) {
                first = Some((key, at));
            }
        }
        let (_, at) = first?;
        self.streams[at].batch.pop().map(|(_, held)| held)
    }
}
