//! Tokens by their hashes, and small values that belong to the store.

use crate::{model::Micros, store::TokenRecord};
use rusqlite::{Connection, OptionalExtension as _, params};

/// All of them, revoked ones included, in the order they were made.
pub fn list(db: &Connection) -> rusqlite::Result<Vec<TokenRecord>> {
    db.prepare_cached("SELECT name, kind, sha256, created, revoked FROM token ORDER BY id")?
        .query_map([], |row| {
            Ok(TokenRecord {
                name: row.get(0)?,
                kind: row.get(1)?,
                sha256: row.get(2)?,
                created_us: row.get(3)?,
                revoked_us: row.get(4)?,
            })
        })?
        .collect()
}

/// Adds one; false when its name and kind are taken.
pub fn add(db: &Connection, token: &TokenRecord) -> rusqlite::Result<bool> {
    let changed = db
        .prepare_cached(
            "INSERT INTO token (name, kind, sha256, created, revoked) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![token.name, token.kind, token.sha256, token.created_us, token.revoked_us])?;
    Ok(changed == 1)
}

/// Revokes all of a name; gives how many.
pub fn revoke(db: &Connection, name: &str, now: Micros) -> rusqlite::Result<usize> {
    db.prepare_cached("UPDATE token SET revoked = ?2 WHERE name = ?1 AND revoked IS NULL")?.execute(params![name, now])
}

/// A small value.
pub fn meta(db: &Connection, key: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    db.prepare_cached("SELECT value FROM meta WHERE key = ?1")?.query_row([key], |row| row.get(0)).optional()
}

/// Sets it.
pub fn set_meta(db: &Connection, key: &str, value: &[u8]) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value",
    )?
    .execute(params![key, value])?;
    Ok(())
}
