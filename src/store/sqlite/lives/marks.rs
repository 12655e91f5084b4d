//! Which connections wait to be folded again.
//!
//! In: marks, as they are in the table of lives. Out: the one whose turn is next. A connection whose events cannot be read rests, so
//! that the others do not wait for it, and is tried again after a while: a disk may have been exchanged, a backup taken back.

use crate::model::Micros;
use ahash::AHashMap;
use rusqlite::Connection;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// Until a connection that could not be read is tried again.
const REST: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 600 });

/// A connection that has to be folded again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dirty {
    /// Nothing at or after this is to be trusted.
    pub from: Micros,
    /// By our clock.
    pub since: Micros,
}

/// The connections that have to be folded again.
#[derive(Debug, Default)]
pub struct Marks {
    all: AHashMap<i64, Dirty>,
    /// Those whose turn comes, the one first that waits longest.
    order: BTreeSet<(Micros, i64)>,
    /// Until when those rest whose events could not be read.
    resting: AHashMap<i64, Instant>,
    /// Whether the running transaction has changed anything.
    touched: bool,
}

impl Marks {
    /// Takes up the marks of the table. What rests goes on resting.
    pub fn load(&mut self, db: &Connection) -> rusqlite::Result<()> {
        self.all.clear();
        self.order.clear();
        let mut statement =
            db.prepare_cached("SELECT conn, dirty_from, dirty_since FROM life WHERE dirty_from IS NOT NULL")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let dirty = Dirty { from: row.get(1)?, since: row.get::<_, Option<i64>>(2)?.unwrap_or(0) };
            self.put(row.get(0)?, dirty);
        }
        Ok(())
    }

    /// Whether a connection is marked, resting or not.
    pub fn contains(&self, conn: i64) -> bool {
        self.all.contains_key(&conn)
    }

    /// The mark of a connection.
    pub fn of(&self, conn: i64) -> Option<Dirty> {
        self.all.get(&conn).copied()
    }

    /// Whether the turn of a connection will come.
    pub fn waits(&self, conn: i64) -> bool {
        self.contains(conn) && !self.resting.contains_key(&conn)
    }

    /// How many wait for their turn, and since when the first.
    pub fn waiting(&self) -> (u64, Option<Micros>) {
        (self.order.len() as u64, self.order.first().map(|(since, _)| *since))
    }

    /// How many rest.
    pub fn resting(&self) -> u64 {
        self.resting.len() as u64
    }

    /// The one whose turn it is.
    pub fn first(&self) -> Option<i64> {
        self.order.first().map(|(_, conn)| *conn)
    }

    /// Marks a connection, or takes its mark away.
    pub fn note(&mut self, conn: i64, dirty: Option<Dirty>) {
        self.touched = true;
        if let Some(before) = self.all.remove(&conn) {
            self.order.remove(&(before.since, conn));
        }
        match dirty {
            Some(dirty) => self.put(conn, dirty),
            None => drop(self.resting.remove(&conn)),
        }
    }

    fn put(&mut self, conn: i64, dirty: Dirty) {
        self.all.insert(conn, dirty);
        if !self.resting.contains_key(&conn) {
            self.order.insert((dirty.since, conn));
        }
    }

    /// Lets a connection rest. True when it did not before.
    pub fn rest(&mut self, conn: i64) -> bool {
        if let Some(dirty) = self.of(conn) {
            self.order.remove(&(dirty.since, conn));
        }
        self.resting.insert(conn, Instant::now() + REST).is_none()
    }

    /// Ends the rest of those who have rested long enough, or of all.
    pub fn wake(&mut self, all: bool) {
        if self.resting.is_empty() {
            return;
        }
        let now = Instant::now();
        for (conn, _) in self.resting.extract_if(|_, until| all || *until <= now) {
            if let Some(dirty) = self.all.get(&conn) {
                self.order.insert((dirty.since, conn));
            }
        }
    }

    /// After a commit or a rollback, whether anything was changed before it.
    pub fn settle(&mut self) -> bool {
        std::mem::take(&mut self.touched)
    }

    /// Notes that the table was changed by other means.
    pub fn touch(&mut self) {
        self.touched = true;
    }
}
