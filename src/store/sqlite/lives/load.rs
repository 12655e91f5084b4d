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
use std::{cell::RefCell, sync::Arc};
use zstd::bulk::{Compressor, Decompressor};

const FACTS: &str =
    select_event!("INDEXED BY event_conn WHERE conn = ?3 AND created > ?1 AND created <= ?2 ORDER BY created, hash");
const NEWEST: &str = "SELECT at, state FROM checkpoint WHERE conn = ?1 AND at <= ?2 ORDER BY at DESC LIMIT 1";
/// Of a checkpoint: fast, and twice as small as none.
const ZSTD_LEVEL: i32 = 1;

/// More than any state can have; what claims more is damaged.
const STATE_BYTES_MAX: usize = 256 << 20;

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
    let json = stretch(&packed).ok_or_else(damaged)?;
    let state = serde_json::from_slice(&json).map_err(|_| damaged())?;
    Ok(Checkpoint { at: Some(at), state, bytes: json.len() })
}

thread_local! {
    // A context costs more to make than a state to pack.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = RefCell::new(Compressor::new(ZSTD_LEVEL).ok());
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = RefCell::new(Decompressor::new().ok());
}

/// Compresses.
pub fn squeeze(json: &[u8]) -> std::io::Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|compressor| match compressor {
        Some(compressor) => compressor.compress(json),
        None => zstd::bulk::compress(json, ZSTD_LEVEL),
    })
}

/// What was compressed; `None` when it is damaged or too large to be true.
pub fn stretch(packed: &[u8]) -> Option<Vec<u8>> {
    let bytes = zstd::zstd_safe::get_frame_content_size(packed).ok()??;
    let bytes = usize::try_from(bytes).ok().filter(|bytes| *bytes <= STATE_BYTES_MAX)?;
    DECOMPRESSOR.with_borrow_mut(|decompressor| decompressor.as_mut()?.decompress(packed, bytes).ok())
}

/// Keeps a state; gives its size as JSON. A state that has seen nothing is not kept.
pub fn save(db: &Connection, conn: i64, state: &State) -> Result<usize, ReadError> {
    let Some(at) = state.last_us() else { return Ok(0) };
    let unusable = |error: &dyn std::fmt::Display| StoreError::Engine(format!("cannot keep a checkpoint: {error}"));
    let json = serde_json::to_vec(state).map_err(|error| unusable(&error))?;
    let packed = squeeze(&json).map_err(|error| unusable(&error))?;
    db.prepare_cached("INSERT OR REPLACE INTO checkpoint (conn, at, state) VALUES (?1, ?2, ?3)")?
        .execute(params![conn, at, packed])?;
    Ok(json.len())
}

/// Which facts.
#[derive(Debug, Clone, Copy)]
pub struct Behind<'f> {
    /// Number of the connection.
    pub conn: i64,
    /// Later than this.
    pub after: Option<Micros>,
    /// Not later than this.
    pub upto: Micros,
    /// Without these, in order.
    pub without: &'f [Fact],
}

/// Shows facts of a connection in order, each microsecond's together, until `each` has enough. Gives whether it saw all.
pub fn facts<E: From<ReadError>>(
    db: &Connection,
    names: &Names,
    behind: Behind<'_>,
    mut each: impl FnMut(Vec<Fact>) -> Result<bool, E>,
) -> Result<bool, E> {
    let sql = |error: rusqlite::Error| E::from(ReadError::from(error));
    let mut statement = db.prepare_cached(FACTS).map_err(sql)?;
    let Behind { conn, after, upto, without } = behind;
    let mut rows = statement.query([after.unwrap_or(i64::MIN), upto, conn]).map_err(sql)?;
    let mut shared: Option<Arc<Labels>> = None;
    let mut group: Vec<Fact> = Vec::new();
    while let Some(row) = rows.next().map_err(sql)? {
        if !without.is_empty() {
            let key = row::key(row).map_err(sql)?;
            if without.binary_search_by_key(&key, |fact| fact.key).is_ok() {
                continue;
            }
        }
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
