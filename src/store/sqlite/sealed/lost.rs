//! Rows of the journal that cannot be read.
//!
//! In: such rows, set aside when the store was opened. Out: to whoever comes to one of their events, an error that says what is lost; to
//! everybody else nothing. Which events those were is known from the order of arrival, for as long as that goes back.

use crate::{
    model::{EventKey, Timestamp},
    store::{
        Order, StoreError,
        sqlite::{names::Names, reader::ReadError, tail},
    },
};
use rusqlite::Connection;
use std::collections::{BTreeSet, VecDeque};

/// Sets a row aside. A number that is not above 0 is none of a commit.
const ASIDE: &str = "UPDATE journal SET seq = -seq WHERE seq = ?1";
const LOST: &str = "SELECT -seq, n, first, last FROM journal WHERE seq < 0 ORDER BY seq DESC";

/// What a row held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Number of the commit.
    pub seq: i64,
    /// Events.
    n: i64,
    /// The earliest and the latest `created`.
    first: i64,
    last: i64,
    /// Their keys and the numbers of their connections; empty where that is not known any more.
    events: Vec<(EventKey, i64)>,
}

impl Lost {
    /// Of the numbers beside a chunk.
    pub fn of(db: &Connection, [seq, n, first, last]: [i64; 4]) -> Self {
        // What is not known is not said; a second error would say less.
        let events = tail::of(db, seq).ok().flatten().unwrap_or_default();
        Self { seq, n, first, last, events }
    }

    /// What to tell of it.
    pub fn tell(&self, db: &Connection, names: Option<&Names>) -> String {
        let time = |at| Timestamp::from_micros(at).to_string();
        let Self { seq, n, first, last, events } = self;
        let conns: BTreeSet<i64> = events.iter().map(|(_, conn)| *conn).filter(|conn| *conn != 0).collect();
        let ids: Vec<String> = conns
            .into_iter()
            .filter_map(|conn| names.and_then(|names| names.connection(db, conn).ok()))
            .map(|id| id.to_string())
            .collect();
        let of = if ids.is_empty() { String::new() } else { format!(" of {}", ids.join(", ")) };
        format!("journal row {seq}: {n} events{of} from {} to {}", time(*first), time(*last))
    }

    fn holds(&self, key: EventKey, conn: Option<i64>) -> bool {
        if self.events.is_empty() {
            return conn.is_none() && (self.first..=self.last).contains(&key.created_us);
        }
        self.events.iter().any(|(of, at)| *of == key && conn.is_none_or(|conn| conn == *at))
    }
}

/// Sets rows aside.
pub fn set_aside(db: &Connection, seqs: &[i64]) -> rusqlite::Result<()> {
    for seq in seqs {
        db.execute(ASIDE, [seq])?;
    }
    Ok(())
}

/// What was set aside.
pub fn aside(db: &Connection) -> rusqlite::Result<Vec<Lost>> {
    let mut statement = db.prepare_cached(LOST)?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Lost::of(db, [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]));
    }
    Ok(found)
}

/// The error of an event that is lost.
pub fn check(lost: &[Lost], db: &Connection, names: &Names, key: EventKey, conn: Option<i64>) -> Result<(), ReadError> {
    match lost.iter().find(|lost| lost.holds(key, conn)) {
        Some(lost) => Err(StoreError::Damaged(lost.tell(db, Some(names))).into()),
        None => Ok(()),
    }
}

/// Lost events in order, each of which is an error.
pub struct Stream {
    places: VecDeque<(EventKey, String)>,
}

impl Stream {
    /// Those of a connection, or of all, from a key on. `marked`: only those that no list of keys tells of.
    pub fn new(
        (lost, db, names): (&[Lost], &Connection, &Names),
        conn: Option<i64>,
        marked: bool,
        from: EventKey,
        order: Order,
    ) -> Self {
        let mut places = Vec::new();
        for lost in lost {
            let before = places.len();
            if lost.events.is_empty() {
                if conn.is_some() {
                    // Nothing says that they were of this one.
                    continue;
                }
                // Somewhere between these: told where a reader comes into them.
                let (first, last) = match order {
                    Order::Asc => (lost.first.max(from.created_us), lost.last),
                    Order::Desc => (lost.last.min(from.created_us), lost.first),
                };
                if first == last || (first < last) == (order == Order::Asc) {
                    let hash = if first == from.created_us { from.hash } else { 0 };
                    places.push((EventKey { created_us: first, hash }, String::new()));
                }
            } else if !marked {
                let wanted = lost.events.iter().filter(|(_, of)| conn.is_none_or(|conn| conn == *of));
                places.extend(wanted.map(|(key, _)| (*key, String::new())));
            }
            if places.len() > before {
                let told = lost.tell(db, Some(names));
                places[before..].iter_mut().for_each(|place| place.1.clone_from(&told));
            }
        }
        match order {
            Order::Asc => places.retain(|(key, _)| *key >= from),
            Order::Desc => places.retain(|(key, _)| *key <= from),
        }
        places.sort_by_key(|(key, _)| *key);
        if order == Order::Desc {
            places.reverse();
        }
        Self { places: places.into() }
    }

    /// Where the next one was.
    pub fn head(&self) -> Option<EventKey> {
        self.places.front().map(|(key, _)| *key)
    }

    /// What is to be told of it.
    pub fn take(&mut self) -> Option<StoreError> {
        self.places.pop_front().map(|(_, told)| StoreError::Damaged(told))
    }
}
