//! The tables and how older files become newer ones.
//!
//! In: an open database of any older version, empty included. Out: the newest version, each step in a transaction of its own,
//! so that a crash leaves the old or the new and nothing between. Refused: a newer version, or a step that is not the
//! one this file was made with.

use super::open::OpenError;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use sha2::{Digest, Sha256};

/// Marks the file as ours: "Life" in ASCII.
const APPLICATION_ID: i64 = 0x4c69_6665;

/// Every step, in order. Never edited once released.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
    include_str!("migrations/0005.sql"),
];

/// The version this program writes.
pub const VERSION: i64 = MIGRATIONS.len() as i64;

/// Brings a database up to [`VERSION`].
pub fn migrate(db: &mut Connection, now_us: i64) -> Result<(), OpenError> {
    for version in version(db)? + 1..=VERSION {
        let step = MIGRATIONS[version as usize - 1];
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        apply(&tx, version, step, now_us)?;
        tx.commit()?;
        tracing::info!(version, "database schema is now at version {version}");
    }
    check(db)?;
    Ok(super::views::ensure(db)?)
}

/// The version of a database, 0 for an empty one. Refused: what is not ours, or newer.
pub fn version(db: &Connection) -> Result<i64, OpenError> {
    let found: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i64 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(OpenError::NotOurs);
    }
    if found > VERSION {
        return Err(OpenError::Newer { found, known: VERSION });
    }
    Ok(found)
}

fn apply(tx: &Transaction<'_>, version: i64, step: &str, now_us: i64) -> Result<(), OpenError> {
    tx.execute_batch(
        "CREATE TABLE IF NOT EXISTS migration
         (version INTEGER PRIMARY KEY, sha256 BLOB NOT NULL, applied_us INTEGER NOT NULL) STRICT",
    )?;
    tx.execute_batch(step)?;
    tx.execute("INSERT INTO migration VALUES (?1, ?2, ?3)", params![version, digest(step), now_us])?;
    tx.pragma_update(None, "user_version", version)?;
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    Ok(())
}

/// Whether the steps that made this file are the ones this program knows.
fn check(db: &Connection) -> Result<(), OpenError> {
    for (at, step) in MIGRATIONS.iter().enumerate() {
        let version = at as i64 + 1;
        let found: Option<Vec<u8>> = db
            .query_row("SELECT sha256 FROM migration WHERE version = ?1", [version], |row| row.get(0))
            .map(Some)
            .or_else(|error| if error == rusqlite::Error::QueryReturnedNoRows { Ok(None) } else { Err(error) })?;
        if found.as_deref() != Some(digest(step).as_slice()) {
            return Err(OpenError::Foreign { version });
        }
    }
    Ok(())
}

fn digest(step: &str) -> Vec<u8> {
    Sha256::digest(step.as_bytes()).to_vec()
}
