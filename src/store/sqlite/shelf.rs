//! Events in the order of their keys, wherever they are.
//!
//! In: a snapshot and a span. Out: every event of the span once, as its columns. An event that was changed after it was put elsewhere
//! stands as a row, and the row counts.

use super::{
    flat::Flat,
    loose::{self, LooseRow},
    names::Names,
    reader::ReadError,
    row::Opened,
};
use crate::{
    model::{EventKey, StoredEvent},
    store::Order,
};
use rusqlite::Connection;

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

/// One event, held beyond the reading of the next.
#[derive(Debug, Clone)]
pub enum Held {
    /// A row.
    Loose(Box<LooseRow>),
}

impl Held {
    /// Its columns.
    pub fn flat(&self) -> Flat<'_> {
        match self {
            Self::Loose(row) => row.flat(),
        }
    }
}

/// Everything events can be read from in one snapshot.
pub struct Shelf<'s> {
    db: &'s Connection,
    names: &'s Names,
}

impl<'s> Shelf<'s> {
    /// Of the snapshot that is open.
    pub fn of(db: &'s Connection, names: &'s Names) -> Result<Self, ReadError> {
        Ok(Self { db, names })
    }

    /// The event of a key. `conn`: the number of its connection, where that is known; otherwise the search takes longer.
    pub fn get(&self, key: EventKey, conn: Option<i64>) -> Result<Option<Held>, ReadError> {
        let _ = conn;
        Ok(loose::get(self.db, key)?.map(|row| Held::Loose(Box::new(row))))
    }

    /// The same as an event again.
    pub fn event(&self, key: EventKey, conn: Option<i64>) -> Result<Option<StoredEvent>, ReadError> {
        let Some(held) = self.get(key, conn)? else { return Ok(None) };
        Opened::of(self.db, self.names, held.flat())?.event(self.db, self.names).map(Some)
    }

    /// Events of a span in order, from a key on, itself included.
    pub fn scan(&self, span: Span, from: EventKey, order: Order) -> Scan<'s> {
        Scan { loose: loose::Stream::new(self.db, span, order, from) }
    }
}

/// Events in order.
pub struct Scan<'s> {
    loose: loose::Stream<'s>,
}

impl Scan<'_> {
    /// The key of the next event.
    pub fn head(&mut self) -> Result<Option<EventKey>, ReadError> {
        self.loose.head()
    }

    /// Takes the next event.
    pub fn take(&mut self) -> Result<Option<Held>, ReadError> {
        self.head()?;
        Ok(self.loose.take().map(|row| Held::Loose(Box::new(row))))
    }
}
