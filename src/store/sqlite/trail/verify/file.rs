//! Whether the file holds together: every page where it belongs, every index as its table.
//!
//! In: the directory of a store. Out: what SQLite says is wrong. One table after the other, each in a snapshot of its own, so that the
//! write-ahead log can be emptied between them. Exists because answers find events along indexes, and a bit of an index that has changed
//! hides what its table still has.

use crate::store::{
    StoreError,
    sqlite::{
        fault,
        open::{self, Role},
    },
    trail::Flaw,
};
use rusqlite::{Connection, ErrorCode};
use std::path::Path;

/// What is said of one table, at most.
const FLAWS_MAX: i64 = 20;
/// What SQLite says of a table that is well.
const WELL: &str = "ok";

/// Everything that SQLite finds wrong.
pub fn flaws(dir: &Path) -> Result<Vec<Flaw>, StoreError> {
    let db = open::connect(dir, Role::Guest).map_err(|error| StoreError::Engine(error.to_string()))?;
    let mut found = Vec::new();
    for table in tables(&db).map_err(|error| fault::explain(&error))? {
        match check(&db, &table) {
            Ok(said) => found.extend(said.into_iter().filter(|line| line != WELL).map(Flaw::File)),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
                found.push(Flaw::File(format!("table {table}: {error}")));
            }
            Err(error) => return Err(fault::explain(&error)),
        }
    }
    Ok(found)
}

fn tables(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

fn check(db: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = db.prepare("SELECT integrity_check FROM pragma_integrity_check(?1) LIMIT ?2")?;
    statement.query_map(rusqlite::params![table, FLAWS_MAX], |row| row.get(0))?.collect()
}
