//! From where on lives may be folded again, where retention has removed detail.
//!
//! In: a checkpoint that is to be the beginning. Out: a mark that later folds and questions respect. What comes later and is older
//! changes no life.

use super::{fold::Folder, load};
use crate::{
    model::Micros,
    store::{
        StoreError,
        sqlite::{fault::WriteError, reader::ReadError},
    },
};
use ahash::AHashMap;
use rusqlite::{Connection, OptionalExtension as _, params};

/// Bases by connection, as the writer knows them.
#[derive(Debug, Default)]
pub struct Bases {
    known: AHashMap<i64, Micros>,
    touched: bool,
}

impl Bases {
    /// As they were committed.
    pub fn load(db: &Connection) -> rusqlite::Result<Self> {
        let mut statement = db.prepare_cached("SELECT conn, at FROM life_base")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Self { known: rows.collect::<Result<_, _>>()?, touched: false })
    }

    /// Of a connection; `None`: nothing was removed.
    pub fn of(&self, conn: i64) -> Option<Micros> {
        self.known.get(&conn).copied()
    }

    /// The first moment from which a connection may be folded again, not before `from`.
    pub fn clamp(&self, conn: i64, from: Micros) -> Micros {
        self.of(conn).map_or(from, |base| from.max(base.saturating_add(1)))
    }

    /// After a commit, or after a rollback.
    pub fn settle(&mut self, db: &Connection, committed: bool) {
        if std::mem::take(&mut self.touched) && !committed {
            match Self::load(db) {
                Ok(bases) => *self = bases,
                Err(error) => tracing::warn!("reading where folds may begin: {error}"),
            }
        }
    }
}

impl Folder {
    /// The base of a connection; `None`: nothing was removed.
    pub fn base(&self, conn: i64) -> Option<Micros> {
        self.bases.of(conn)
    }

    /// Makes a checkpoint the base of a connection, unless it has a later one; gives the base.
    pub fn raise_base(&mut self, db: &Connection, conn: i64, at: Micros) -> Result<Micros, WriteError> {
        if let Some(known) = self.bases.of(conn).filter(|known| *known >= at) {
            return Ok(known);
        }
        // Nothing is removed that a state which cannot be read has seen.
        load::newest(db, conn, at)?;
        db.prepare_cached(
            "INSERT INTO life_base (conn, at, swept) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET at = excluded.at",
        )?
        .execute(params![conn, at, i64::MIN])?;
        self.bases.touched = true;
        self.bases.known.insert(conn, at);
        Ok(at)
    }
}

/// Refuses a moment about which nothing is known any more.
pub fn check(db: &Connection, conn: i64, as_of: Micros) -> Result<(), ReadError> {
    let base: Option<Micros> = db
        .prepare_cached("SELECT at FROM life_base WHERE conn = ?1 AND at > ?2")?
        .query_row([conn, as_of], |row| row.get(0))
        .optional()?;
    match base {
        Some(from) => Err(StoreError::Removed { from }.into()),
        None => Ok(()),
    }
}
