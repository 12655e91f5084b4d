//! What a fold starts from: checkpoints, and the facts behind them read back from the stored events.
//!
//! In: a connection's number and a moment. Out: the newest state that has seen nothing later, and facts in order, one microsecond at
//! a time, because facts of one microsecond must be folded together.

use crate::{
    lifecycle::{Fact, Labels, State},
    model::{EventKey, Micros},
    store::{
        StoreError,
        sqlite::{
            names::Names,
            reader::ReadError,
            row::{self, Opened, select_event},
        },
    },
};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::sync::Arc;

const FACTS: &str =
    select_event!("INDEXED BY event_conn WHERE conn = ?3 AND created > ?1 AND created <= ?2 ORDER BY created, hash");
const NEWEST: &str = "SELECT at, state FROM checkpoint WHERE conn = ?1 AND at <= ?2 ORDER BY at DESC LIMIT 1";
/// Of a checkpoint: fast, and twice as small as none.
const ZSTD_LEVEL: i32 = 1;

/// A state and the moment up to which it has seen everything.
#[derive(Debug, Default)]
pub struct Checkpoint {
    /// `None`: it has seen nothing.
    pub at: Option<Micros>,
    /// The state.
    pub state: State,
    /// Its size as JSON, in bytes.
    pub bytes: usize,
}

/// The newest checkpoint at or before a moment, or the beginning.
pub fn newest(db: &Connection, conn: i64, upto: Micros) -> Result<Checkpoint, ReadError> {
    let found: Option<(Micros, Vec<u8>)> =
        db.prepare_cached(NEWEST)?.query_row([conn, upto], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((at, packed)) = found else { return Ok(Checkpoint::default()) };
    let damaged = || StoreError::Damaged(format!("checkpoint {at} of connection {conn}"));
    let json = zstd::stream::decode_all(packed.as_slice()).map_err(|_| damaged())?;
    let state = serde_json::from_slice(&json).map_err(|_| damaged())?;
    Ok(Checkpoint { at: Some(at), state, bytes: json.len() })
}

/// Keeps a state; gives its size as JSON. A state that has seen nothing is not kept.
pub fn save(db: &Connection, conn: i64, state: &State) -> Result<usize, ReadError> {
    let Some(at) = state.last_us() else { return Ok(0) };
    let unusable = |error: &dyn std::fmt::Display| StoreError::Engine(format!("cannot keep a checkpoint: {error}"));
    let json = serde_json::to_vec(state).map_err(|error| unusable(&error))?;
    let packed = zstd::bulk::compress(&json, ZSTD_LEVEL).map_err(|error| unusable(&error))?;
    db.prepare_cached("INSERT OR REPLACE INTO checkpoint (conn, at, state) VALUES (?1, ?2, ?3)")?
        .execute(params![conn, at, packed])?;
    Ok(json.len())
}

/// Shows the facts of a connection after one moment and up to another, each microsecond's together, until `each` has enough.
/// Gives whether it saw all.
pub fn facts<E: From<ReadError>>(
    db: &Connection,
    names: &Names,
    conn: i64,
    after: Option<Micros>,
    upto: Micros,
    mut each: impl FnMut(Vec<Fact>) -> Result<bool, E>,
) -> Result<bool, E> {
    let sql = |error: rusqlite::Error| E::from(ReadError::from(error));
    let mut statement = db.prepare_cached(FACTS).map_err(sql)?;
    let mut rows = statement.query([after.unwrap_or(i64::MIN), upto, conn]).map_err(sql)?;
    let mut shared: Option<Arc<Labels>> = None;
    let mut group: Vec<Fact> = Vec::new();
    while let Some(row) = rows.next().map_err(sql)? {
        let Some(fact) = read(db, names, row, &mut shared)? else { continue };
        if group.last().is_some_and(|last| last.key.created_us != fact.key.created_us)
            && !each(std::mem::take(&mut group))?
        {
            return Ok(false);
        }
        group.push(fact);
    }
    if !group.is_empty() {
        each(group)?;
    }
    Ok(true)
}

fn read(
    db: &Connection,
    names: &Names,
    row: &rusqlite::Row<'_>,
    shared: &mut Option<Arc<Labels>>,
) -> Result<Option<Fact>, ReadError> {
    let stored = Opened::of(db, names, row)?.event(db, names)?;
    Ok(Fact::of(stored.id.0, &stored.event, |event| {
        let labels = Labels::of(event);
        match shared {
            Some(known) if **known == labels => Arc::clone(known),
            _ => Arc::clone(shared.insert(Arc::new(labels))),
        }
    }))
}

/// The fact of one stored event.
pub fn fact(db: &Connection, names: &Names, key: EventKey) -> Result<Option<Fact>, ReadError> {
    let Some(stored) = row::get(db, names, key)? else { return Ok(None) };
    Ok(Fact::of(key, &stored.event, |event| Arc::new(Labels::of(event))))
}

#[cfg(test)]
pub const SQL_AND_PLAN: &[(&str, &str)] = &[
    (FACTS, "SEARCH event USING INDEX event_conn (conn=? AND created>? AND created<?)"),
    (NEWEST, "SEARCH checkpoint USING INDEX sqlite_autoindex_checkpoint_1 (conn=? AND at<?)"),
];
