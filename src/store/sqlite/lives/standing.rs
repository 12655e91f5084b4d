//! How connections stand, written behind the commits.
//!
//! In: connections whose life has moved on. Out: their rows in `life`, all at once every five seconds, when nothing else waits,
//! or when somebody asks for a list. Such a row is a page of its own for every connection that a commit touches, more than everything
//! else that a fold writes; what one connection is asked about is read from its states and never from this row.
//! A crash loses nothing: which commits are behind is told by the order of arrival, and the rows are made from the states.

use super::fold::{Folder, put_life, save_head};
use crate::{
    model::Micros,
    store::sqlite::{fault::WriteError, tail, tokens, writer::now_us},
};
use ahash::AHashMap;
use rusqlite::{Connection, OptionalExtension as _};

/// How old such a row may become while events keep coming.
const AGE_MAX: Micros = 5_000_000;
/// Rows in one transaction, at most.
const ROWS_MAX: usize = 4_096;
/// Of them, rows of lives that are not in memory and must be read first.
const READ_MAX: usize = 64;
/// Under which name the last commit is kept whose rows are all written.
const WRITTEN_KEY: &str = "lives_written";

/// Rows that are behind.
#[derive(Debug, Default)]
pub struct Unwritten {
    /// By connection, with the longest sync that was given out.
    waiting: AHashMap<i64, Micros>,
    since: Option<Micros>,
    /// Written by the running transaction.
    written: Vec<(i64, Micros)>,
}

impl Unwritten {
    /// A life has moved on.
    pub fn add(&mut self, conn: i64, longest: Micros) {
        self.since.get_or_insert_with(now_us);
        let known = self.waiting.entry(conn).or_insert(longest);
        *known = longest.max(*known);
    }

    /// How many rows wait.
    pub fn len(&self) -> u64 {
        self.waiting.len() as u64
    }

    /// Whether a row waits, or is being written.
    pub fn holds(&self, conn: i64) -> bool {
        self.waiting.contains_key(&conn) || self.written.iter().any(|(known, _)| *known == conn)
    }

    /// Takes a row out that is about to be written.
    pub fn take(&mut self, conn: i64) -> Option<Micros> {
        let longest = self.waiting.remove(&conn)?;
        self.written.push((conn, longest));
        Some(longest)
    }

    /// After a commit, or after a rollback, which has written nothing.
    pub fn settle(&mut self, committed: bool) {
        for (conn, longest) in std::mem::take(&mut self.written) {
            if !committed {
                self.add(conn, longest);
            }
        }
        if self.waiting.is_empty() {
            self.since = None;
        }
    }

    fn is_old(&self) -> bool {
        self.since.is_some_and(|since| now_us().saturating_sub(since) >= AGE_MAX)
    }
}

impl Folder {
    /// Which rows a crash has left behind: those of connections that commits after the last complete writing touched.
    pub(super) fn find_behind(&mut self, db: &Connection) -> Result<(), WriteError> {
        let written = tokens::meta(db, WRITTEN_KEY)?.and_then(|bytes| bytes.try_into().ok());
        let written = written.map_or(0, u64::from_le_bytes);
        if tail::last(db)?.0 <= written {
            return Ok(());
        }
        let (keys, gap) = tail::since(db, written)?;
        if gap {
            let mut statement = db.prepare_cached("SELECT conn FROM life WHERE dirty_from IS NULL")?;
            for conn in statement.query_map([], |row| row.get(0))? {
                self.unwritten.add(conn?, 0);
            }
            return Ok(());
        }
        let mut statement = db.prepare_cached(
            "SELECT event.conn FROM event LEFT JOIN connection ON connection.id = event.conn
             WHERE created = ?1 AND hash = ?2 AND connection.connection_id IS NOT ?3",
        )?;
        for key in keys {
            let test = crate::model::TEST_CONNECTION_ID;
            let conn = statement.query_row(rusqlite::params![key.created_us, key.hash, test], |row| row.get(0));
            if let Some(conn) = conn.optional()? {
                self.unwritten.add(conn, 0);
            }
        }
        Ok(())
    }

    /// Writes rows when they have waited long enough.
    pub(super) fn write_old(&mut self, db: &Connection, commit: u64) -> Result<(), WriteError> {
        if self.unwritten.is_old() { self.write_behind(db, commit) } else { Ok(()) }
    }

    /// Writes rows, a bounded number of them. `commit`: the number of the last commit, whose facts are folded.
    pub(super) fn write_behind(&mut self, db: &Connection, commit: u64) -> Result<(), WriteError> {
        if self.unwritten.waiting.is_empty() {
            return Ok(());
        }
        let mut conns: Vec<i64> = self.unwritten.waiting.keys().copied().collect();
        // Neighbours share pages.
        conns.sort_unstable();
        let (mut rows, mut read) = (0, 0);
        for conn in conns {
            if rows >= ROWS_MAX || read >= READ_MAX {
                break;
            }
            let Some(longest) = self.unwritten.take(conn) else { continue };
            if self.waits(conn) {
                // Its row is written when it is folded again.
                continue;
            }
            rows += 1;
            match self.lives.get(conn) {
                Some(life) => put_life(db, conn, &life.head, longest)?,
                None => {
                    read += 1;
                    if let Some(life) = self.load(db, conn, &[], false)? {
                        put_life(db, conn, &life.head, longest)?;
                    }
                }
            }
        }
        if self.unwritten.waiting.is_empty() {
            tokens::set_meta(db, WRITTEN_KEY, &commit.to_le_bytes())?;
        }
        Ok(())
    }

    /// Keeps and forgets the states that do not fit into memory.
    pub(super) fn make_room(&mut self, db: &Connection) -> Result<(), WriteError> {
        for (conn, life) in self.lives.evict() {
            save_head(db, conn, &life)?;
            if let Some(longest) = self.unwritten.take(conn)
                && !self.waits(conn)
            {
                put_life(db, conn, &life.head, longest)?;
            }
        }
        Ok(())
    }

    /// Keeps every state that is in memory and writes every row, so that a restart is quick.
    pub fn save_all(&mut self, db: &Connection, commit: u64) -> Result<(), WriteError> {
        while self.unwritten.len() > 0 {
            self.write_behind(db, commit)?;
        }
        for (conn, life) in self.lives.drain() {
            save_head(db, conn, &life)?;
        }
        Ok(())
    }

    /// How many rows wait to be written.
    pub fn unwritten(&self) -> u64 {
        self.unwritten.len()
    }
}
