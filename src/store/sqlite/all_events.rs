//! Events in the order of their keys, wherever they are.
//!
//! In: a snapshot and a span. Out: every event of the span once, as its columns: of the journal's memory, of blocks, and of rows. An event
//! that was changed after it went elsewhere stands as a row as well, and the row counts.

use super::{
    flat::{Flat, SyncRef},
    loose::{self, LooseRow},
    names::Names,
    reader::ReadError,
    row::Opened,
    sealed::{
        Blocks, Chunk, Slice,
        grams::Wanted,
        lost::{self, Lost},
        memory::{self, View},
    },
};
use crate::{
    model::{EventKey, StoredEvent},
    store::Order,
};
use rusqlite::Connection;
use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock},
};

/// Which events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// All of them.
    All,
    /// Those that deserve a look: WARNING or worse, or not valid.
    Notable,
    /// Those of a connection, by its number.
    Of(i64),
}

/// The key that follows in some order; `None` at the end of all keys.
pub fn behind(key: EventKey, order: Order) -> Option<EventKey> {
    let EventKey { created_us, hash } = key;
    match order {
        Order::Asc => Some(match hash.checked_add(1) {
            Some(hash) => EventKey { created_us, hash },
            None => EventKey { created_us: created_us.checked_add(1)?, hash: i64::MIN },
        }),
        Order::Desc => Some(match hash.checked_sub(1) {
            Some(hash) => EventKey { created_us, hash },
            None => EventKey { created_us: created_us.checked_sub(1)?, hash: i64::MAX },
        }),
    }
}

/// Whether one key comes before another in some order.
fn is_before(one: EventKey, other: EventKey, order: Order) -> bool {
    match order {
        Order::Asc => one < other,
        Order::Desc => one > other,
    }
}

/// One event, held beyond the reading of the next.
#[derive(Debug, Clone)]
pub enum Held {
    /// A row.
    Loose(Box<LooseRow>),
    /// A place in a chunk: of the journal, or copied out of blocks.
    Chunk(Arc<Chunk>, u32),
}

impl Held {
    /// Its columns.
    pub fn flat(&self) -> Flat<'_> {
        match self {
            Self::Loose(row) => row.flat(),
            Self::Chunk(chunk, at) => chunk.get(*at as usize),
        }
    }
}

/// What the writer's transaction stores, before it is committed and everybody sees it.
#[derive(Debug)]
pub struct Pending {
    chunk: Arc<Chunk>,
    /// Places by number of the connection, then key; made when they are asked for.
    places: OnceLock<Vec<u32>>,
}

impl Pending {
    /// Of the events of a transaction.
    pub fn new(chunk: Arc<Chunk>) -> Self {
        Self { chunk, places: OnceLock::new() }
    }

    fn places(&self) -> &[u32] {
        self.places.get_or_init(|| {
            let mut places: Vec<u32> = (0..self.chunk.len() as u32).collect();
            places.sort_unstable_by_key(|at| (self.chunk.conn(*at as usize), self.chunk.key(*at as usize)));
            places
        })
    }

    fn find(&self, key: EventKey) -> Option<Held> {
        // Asked seldom: of an event that was stored and changed by one commit.
        let at = (0..self.chunk.len()).find(|at| self.chunk.key(*at) == key)?;
        Some(Held::Chunk(Arc::clone(&self.chunk), at as u32))
    }

    fn stream(&self, span: Span, from: EventKey, order: Order) -> Chunks {
        let key = |at: &u32| self.chunk.key(*at as usize);
        let mut places: Vec<u32> = match span {
            Span::Of(conn) => {
                let (places, of) = (self.places(), |at: &u32| self.chunk.conn(*at as usize));
                let (first, last) =
                    (places.partition_point(|at| of(at) < conn), places.partition_point(|at| of(at) <= conn));
                places[first..last].to_vec()
            }
            Span::All | Span::Notable => {
                let mut places = self.places().to_vec();
                places.sort_unstable_by_key(key);
                places
            }
        };
        places.retain(|at| !is_before(key(at), from, order));
        if order == Order::Desc {
            places.reverse();
        }
        Chunks { chunk: Arc::clone(&self.chunk), places: places.into() }
    }
}

/// Everything events can be read from in one snapshot.
#[derive(Clone)]
pub struct AllEvents<'s> {
    db: &'s Connection,
    names: &'s Names,
    view: Arc<View>,
    pending: Option<Arc<Pending>>,
    lost: Arc<[Lost]>,
}

impl<'s> AllEvents<'s> {
    /// Of the snapshot that is open.
    pub fn of(db: &'s Connection, names: &'s Names) -> Result<Self, ReadError> {
        let pending = names.pending();
        let view = Arc::new(names.view(db)?);
        // Behind the view, which may find some.
        Ok(Self { db, names, view, pending, lost: names.stock.lost() })
    }

    /// Whether a part of the journal cannot be read.
    pub fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// Shows the journal's events of a sync: the number of the connection, and when it was created.
    pub fn newest_of_sync(&self, sync: SyncRef<'_>, mut see: impl FnMut(i64, i64)) {
        let mut chunks = self.view.chunks();
        chunks.extend(self.pending.iter().map(|pending| Arc::clone(&pending.chunk)));
        for chunk in chunks {
            chunk.of_sync(sync).for_each(|at| see(chunk.conn(at), chunk.key(at).created_us));
        }
    }

    fn blocks(&self) -> Blocks<'s> {
        Blocks::of(self.db, self.names)
    }

    /// The event of a key. `conn`: the number of its connection, where that is known; otherwise the search takes longer.
    pub fn get(&self, key: EventKey, conn: Option<i64>) -> Result<Option<Held>, ReadError> {
        if let Some(row) = loose::get(self.db, key)? {
            return Ok(Some(Held::Loose(Box::new(row))));
        }
        self.get_elsewhere(key, conn)
    }

    /// The event of a key that has no row.
    pub fn get_elsewhere(&self, key: EventKey, conn: Option<i64>) -> Result<Option<Held>, ReadError> {
        if let Some(held) = self.pending.as_ref().and_then(|pending| pending.find(key)) {
            return Ok(Some(held));
        }
        let held = match conn {
            Some(conn) => self.view.find(conn, key),
            None => self.view.find_any(key),
        };
        if let Some(held) = held {
            return Ok(Some(held.into()));
        }
        if !self.names.stock.has_blocks() {
            return Ok(None);
        }
        let blocks = self.blocks();
        match blocks.find(key, conn)? {
            Some((meta, place)) => Ok(Some(Held::Chunk(blocks.event(&meta, place)?, 0))),
            None => lost::check(&self.lost, self.db, self.names, key, conn).map(|()| None),
        }
    }

    /// The same as an event again.
    pub fn event(&self, key: EventKey, conn: Option<i64>) -> Result<Option<StoredEvent>, ReadError> {
        let Some(held) = self.get(key, conn)? else { return Ok(None) };
        Opened::of(self.db, self.names, held.flat())?.event(self.db, self.names).map(Some)
    }

    /// Whether a connection, by its number, has any event.
    pub fn has(&self, conn: i64) -> Result<bool, ReadError> {
        if self.view.has(conn) {
            return Ok(true);
        }
        Ok(self.scan(Span::Of(conn), EventKey::FIRST, Order::Asc).head()?.is_some())
    }

    /// Events of a span in order, from a key on, itself included.
    pub fn scan(&self, span: Span, from: EventKey, order: Order) -> Scan<'s> {
        self.scan_for(span, from, order, None, SLICE_FIRST)
    }

    /// The same where a text is looked for: events that cannot have it may be left out. `about`: so many events will be taken.
    pub fn scan_for(
        &self,
        span: Span,
        from: EventKey,
        order: Order,
        text: Option<&Arc<Wanted>>,
        about: usize,
    ) -> Scan<'s> {
        let mut sources: Vec<Box<dyn Source + 's>> = vec![Box::new(loose::Stream::new(self.db, span, order, from))];
        match span {
            _ if !self.names.stock.has_blocks() => {}
            Span::Notable => {
                let scan = self.view.scan(memory::Span::Notable, from, order);
                sources.push(Box::new(Newest { scan, head: None, rows: Some(self.db) }));
                sources.push(Box::new(Marked::new(self, order, from)));
            }
            Span::All | Span::Of(_) => {
                let memory_span = match span {
                    Span::Of(conn) => memory::Span::Of(conn),
                    Span::All | Span::Notable => memory::Span::All,
                };
                let scan = self.view.scan(memory_span, from, order);
                sources.push(Box::new(Newest { scan, head: None, rows: None }));
                if let Some(pending) = &self.pending {
                    sources.push(Box::new(pending.stream(span, from, order)));
                }
                sources.push(Box::new(Sealed {
                    blocks: self.blocks(),
                    span,
                    order,
                    from: Some(from),
                    wanted: about,
                    text: text.map(Arc::clone),
                    slice: None,
                }));
            }
        }
        if !self.lost.is_empty() {
            let (conn, marked) = match span {
                Span::Of(conn) => (Some(conn), false),
                Span::All => (None, false),
                Span::Notable => (None, true),
            };
            let places = lost::Stream::new((&self.lost, self.db, self.names), conn, marked, from, order);
            sources.push(Box::new(places));
        }
        Scan { order, sources, next: None }
    }
}

/// A place from which events come in order.
trait Source {
    /// The key of the next one.
    fn head(&mut self) -> Result<Option<EventKey>, ReadError>;
    /// Takes the one of which [`Self::head`] told.
    fn take(&mut self) -> Result<Option<Held>, ReadError>;
}

impl Source for loose::Stream<'_> {
    fn head(&mut self) -> Result<Option<EventKey>, ReadError> {
        loose::Stream::head(self)
    }

    fn take(&mut self) -> Result<Option<Held>, ReadError> {
        Ok(loose::Stream::take(self).map(|row| Held::Loose(Box::new(row))))
    }
}

impl Source for lost::Stream {
    fn head(&mut self) -> Result<Option<EventKey>, ReadError> {
        Ok(lost::Stream::head(self))
    }

    fn take(&mut self) -> Result<Option<Held>, ReadError> {
        lost::Stream::take(self).map_or(Ok(None), |lost| Err(lost.into()))
    }
}

impl From<memory::Held> for Held {
    fn from(held: memory::Held) -> Self {
        let (chunk, at) = held.into_parts();
        Self::Chunk(chunk, at)
    }
}

/// The journal's events.
struct Newest<'s> {
    scan: memory::Scan,
    head: Option<memory::Held>,
    /// Where those are passed over that have a row: it may not belong into the span.
    rows: Option<&'s Connection>,
}

impl Source for Newest<'_> {
    fn head(&mut self) -> Result<Option<EventKey>, ReadError> {
        while self.head.is_none() {
            let Some(held) = self.scan.next() else { break };
            let row = self.rows.map(|db| loose::get(db, held.key())).transpose()?.flatten();
            self.head = Some(held).filter(|_| row.is_none());
        }
        Ok(self.head.as_ref().map(memory::Held::key))
    }

    fn take(&mut self) -> Result<Option<Held>, ReadError> {
        Ok(self.head.take().map(Held::from))
    }
}

/// Places of one chunk.
struct Chunks {
    chunk: Arc<Chunk>,
    places: VecDeque<u32>,
}

impl Source for Chunks {
    fn head(&mut self) -> Result<Option<EventKey>, ReadError> {
        Ok(self.places.front().map(|at| self.chunk.key(*at as usize)))
    }

    fn take(&mut self) -> Result<Option<Held>, ReadError> {
        Ok(self.places.pop_front().map(|at| Held::Chunk(Arc::clone(&self.chunk), at)))
    }
}

/// Events copied out of blocks at a time: the first time where nobody knows how many are asked for, and at most.
pub const SLICE_FIRST: usize = 128;
const SLICE_MOST: usize = 32_768;

/// Events of blocks.
struct Sealed<'s> {
    blocks: Blocks<'s>,
    span: Span,
    order: Order,
    /// Where to read on; `None` at the end.
    from: Option<EventKey>,
    wanted: usize,
    text: Option<Arc<Wanted>>,
    slice: Option<(Slice, usize)>,
}

impl Source for Sealed<'_> {
    fn head(&mut self) -> Result<Option<EventKey>, ReadError> {
        loop {
            if let Some((slice, at)) = &self.slice
                && let Some(place) = slice.order.get(*at)
            {
                return Ok(Some(slice.chunk.key(*place as usize)));
            }
            let Some(from) = self.from.take() else { return Ok(None) };
            let slice = self.blocks.slice(self.span, self.order, from, self.wanted, self.text.as_deref())?;
            self.wanted = (self.wanted * 8).min(SLICE_MOST);
            self.from = slice.next;
            self.slice = Some((slice, 0));
        }
    }

    fn take(&mut self) -> Result<Option<Held>, ReadError> {
        let Some((slice, at)) = &mut self.slice else { return Ok(None) };
        let Some(place) = slice.order.get(*at) else { return Ok(None) };
        *at += 1;
        Ok(Some(Held::Chunk(Arc::clone(&slice.chunk), *place)))
    }
}

/// Keys of notable events that are read at a time.
const MARKS: i64 = 64;
const MARKED_ASC: &str =
    "SELECT created, hash, conn FROM notable WHERE (created, hash) >= (?1, ?2) ORDER BY created, hash LIMIT ?3";
const MARKED_DESC: &str = "SELECT created, hash, conn FROM notable WHERE (created, hash) <= (?1, ?2)
    ORDER BY created DESC, hash DESC LIMIT ?3";

/// Notable events of blocks.
struct Marked<'s> {
    all: AllEvents<'s>,
    order: Order,
    from: Option<EventKey>,
    read: VecDeque<Held>,
}

impl<'s> Marked<'s> {
    fn new(all: &AllEvents<'s>, order: Order, from: EventKey) -> Self {
        Self { all: all.clone(), order, from: Some(from), read: VecDeque::new() }
    }

    fn fill(&mut self) -> Result<(), ReadError> {
        let Some(from) = self.from.take() else { return Ok(()) };
        let sql = match self.order {
            Order::Asc => MARKED_ASC,
            Order::Desc => MARKED_DESC,
        };
        let mut statement = self.all.db.prepare_cached(sql)?;
        let marks: Vec<(EventKey, i64)> = statement
            .query_map([from.created_us, from.hash, MARKS], |row| {
                Ok((EventKey { created_us: row.get(0)?, hash: row.get(1)? }, row.get(2)?))
            })?
            .collect::<Result<_, _>>()?;
        if let Some((last, _)) = marks.last().filter(|_| marks.len() as i64 == MARKS) {
            self.from = behind(*last, self.order);
        }
        for (key, conn) in marks {
            // One that has a row comes from there.
            if loose::get(self.all.db, key)?.is_none() {
                let held = self.all.get_elsewhere(key, Some(conn))?;
                self.read.extend(held.filter(|held| held.flat().notable));
            }
        }
        Ok(())
    }
}

impl Source for Marked<'_> {
    fn head(&mut self) -> Result<Option<EventKey>, ReadError> {
        while self.read.is_empty() && self.from.is_some() {
            self.fill()?;
        }
        Ok(self.read.front().map(|held| held.flat().key))
    }

    fn take(&mut self) -> Result<Option<Held>, ReadError> {
        Ok(self.read.pop_front())
    }
}

/// Events in order.
pub struct Scan<'s> {
    order: Order,
    /// Rows first: of two events with one key theirs counts.
    sources: Vec<Box<dyn Source + 's>>,
    /// The key of the next event and where it is, once that was found out.
    next: Option<(EventKey, usize)>,
}

impl Scan<'_> {
    /// The key of the next event.
    pub fn head(&mut self) -> Result<Option<EventKey>, ReadError> {
        if self.next.is_none() {
            for (at, source) in self.sources.iter_mut().enumerate() {
                let Some(key) = source.head()? else { continue };
                if self.next.is_none_or(|(first, _)| is_before(key, first, self.order)) {
                    self.next = Some((key, at));
                }
            }
        }
        Ok(self.next.map(|(key, _)| key))
    }

    /// Takes the next event.
    pub fn take(&mut self) -> Result<Option<Held>, ReadError> {
        self.head()?;
        let Some((key, at)) = self.next.take() else { return Ok(None) };
        let held = self.sources[at].take()?;
        for other in &mut self.sources[at + 1..] {
            if other.head()? == Some(key) {
                // What is lost there is here.
                drop(other.take());
            }
        }
        Ok(held)
    }
}

/// What SQLite must make of each question, for the tests.
#[cfg(test)]
pub const SQL_AND_PLAN: &[(&str, &str)] = &[
    (MARKED_ASC, "SEARCH notable USING PRIMARY KEY ((created,hash)>(?,?))"),
    (MARKED_DESC, "SEARCH notable USING PRIMARY KEY ((created,hash)<(?,?))"),
];
