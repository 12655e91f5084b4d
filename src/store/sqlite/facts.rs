//! Looking at a store, and copying it, without holding it: beside the process that does.
//!
//! In: a data directory. Out: facts for `doctor`, a copy, or its events page by page. Only ever reads.

use super::{
    names::Names,
    open::{self, DATABASE, Role},
    reader::ReadError,
    scan, schema,
    writer::Counters,
};
use crate::store::{EventPage, EventQuery, StoreError};
use rusqlite::Connection;
use std::path::Path;

/// What can be learnt about a store from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreFacts {
    /// Version of the bundled SQLite.
    pub engine: String,
    /// Version of the tables; `None` when there is no database yet.
    pub schema_version: Option<i64>,
    /// What a quick check of the file found wrong; `None` when it is sound.
    pub damage: Option<String>,
    /// Events kept.
    pub events: u64,
    /// Where they are.
    pub places: Places,
    /// Stored tokens that may deliver events and are not revoked.
    pub tokens: usize,
}

/// Where events are, and what that takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Places {
    /// Rows; one that counts in the place of an event in a block or the journal is counted with that event once more.
    pub rows: u64,
    /// Blocks.
    pub blocks: u64,
    /// Events in them.
    pub block_events: u64,
    /// Events in the journal.
    pub journal_events: u64,
    /// Bytes of the file that hold something, whatever it is.
    pub used_bytes: u64,
    /// Bytes of the file that hold nothing.
    pub free_bytes: u64,
}

impl Places {
    /// In the snapshot that is open. Counts rows, which takes about a second for each ten millions.
    pub fn of(db: &Connection) -> rusqlite::Result<Self> {
        let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).map(|n| n.max(0) as u64);
        let has_blocks = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'block'")?.exists([])?;
        let sealed = |sql| if has_blocks { count(sql) } else { Ok(0) };
        let (used_bytes, free_bytes) = used_and_free(db)?;
        Ok(Self {
            rows: count("SELECT count(*) FROM event")?,
            blocks: sealed("SELECT count(*) FROM block")?,
            block_events: sealed("SELECT ifnull(sum(n), 0) FROM block")?,
            journal_events: sealed("SELECT ifnull(sum(n), 0) FROM journal")?,
            used_bytes,
            free_bytes,
        })
    }
}

/// Bytes of the file that hold something, and those that hold nothing.
pub fn used_and_free(db: &Connection) -> rusqlite::Result<(u64, u64)> {
    let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map(|n| n.max(0) as u64);
    let (page, free) = (number("page_size")?, number("freelist_count")?);
    Ok((number("page_count")?.saturating_sub(free) * page, free * page))
}

/// Looks at the store of a directory.
///
/// # Errors
/// There is a database, and it cannot be read.
pub fn facts(dir: &Path) -> Result<StoreFacts, StoreError> {
    let mut facts = StoreFacts { engine: rusqlite::version().to_owned(), ..StoreFacts::default() };
    if !dir.join(DATABASE).exists() {
        return Ok(facts);
    }
    let db = reader(dir)?;
    let sql = |error: rusqlite::Error| super::fault::explain(&error);
    let version = db.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).map_err(sql)?;
    facts.schema_version = Some(version);
    if version == 0 {
        return Ok(facts);
    }
    let check: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(sql)?;
    facts.damage = (check != "ok").then_some(check);
    facts.events = Counters::load(&db).map_err(sql)?.events;
    facts.places = Places::of(&db).map_err(sql)?;
    let tokens = super::tokens::list(&db).map_err(sql)?;
    facts.tokens = tokens.iter().filter(|token| token.kind == "ingest" && token.revoked_us.is_none()).count();
    Ok(facts)
}

/// Whether the store of a directory has the tables of this version, so that opening it changes none.
///
/// # Errors
/// The database cannot be read.
pub fn is_current(dir: &Path) -> Result<bool, StoreError> {
    let version = reader(dir)?.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    Ok(version.map_err(|error| super::fault::explain(&error))? == super::schema::VERSION)
}

/// Copies the store of a directory into a file that must not exist. `progress` gets pages done and pages in all.
///
/// # Errors
/// There is no database, or the copy cannot be made or checked.
pub fn backup(dir: &Path, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<(), StoreError> {
    if !dir.join(DATABASE).exists() {
        return Err(StoreError::Engine(format!("there is no database in {}", dir.display())));
    }
    super::backup::copy(&reader(dir)?, to, progress)
}

/// The events of a store that somebody else may hold.
pub struct EventReader {
    db: Connection,
    names: Names,
}

impl EventReader {
    /// Opens the store of a directory.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let wrong = |error: open::OpenError| StoreError::Engine(error.to_string());
        let missing = || StoreError::Engine(format!("there is no database in {}", dir.display()));
        if !dir.join(DATABASE).exists() {
            return Err(missing());
        }
        let db = open::connect(dir, Role::Guest).map_err(wrong)?;
        open::read_only(&db).map_err(wrong)?;
        if schema::version(&db).map_err(wrong)? == 0 {
            return Err(missing());
        }
        let names = Names::guest(&db).map_err(|error| super::fault::explain(&error))?;
        Ok(Self { db, names })
    }

    /// A page, from one snapshot, which is given back before the page is.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn page(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        let read = || {
            let snapshot = self.db.unchecked_transaction()?;
            let page = scan::page(&self.db, &self.names, query)?;
            snapshot.commit()?;
            Ok(page)
        };
        read().map_err(ReadError::explain)
    }
}

fn reader(dir: &Path) -> Result<Connection, StoreError> {
    open::connect(dir, Role::Reader).map_err(|error| StoreError::Engine(error.to_string()))
}
