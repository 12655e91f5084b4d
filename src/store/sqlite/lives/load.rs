//! What a fold starts from: checkpoints, and the facts behind them read back from the stored events.
//!
//! In: a connection's number and a moment. Out: the newest state that has seen nothing later, and facts in order, one microsecond at
//! a time, because facts of one microsecond must be folded together.

use super::squeeze::{squeeze, stretch};
use crate::{
    lifecycle::{Fact, Labels, State},
    model::{EventKey, Micros},
    store::{
        Order, StoreError,
        sqlite::{
            all_events::{AllEvents, Span},
            flat::Flat,
            names::Names,
            reader::ReadError,
            row::Opened,
        },
    },
};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::sync::Arc;

const NEWEST: &str = "SELECT at, state FROM checkpoint WHERE conn = ?1 AND at <= ?2 ORDER BY at DESC LIMIT 1";
/// Those that have served their time: neither one of the newest, nor one that stays, nor a base. Older ones were looked at before.
const THIN: &str = "DELETE FROM checkpoint WHERE conn = ?1 AND stays = 0
    AND at IN (SELECT at FROM checkpoint WHERE conn = ?1 ORDER BY at DESC LIMIT 6 OFFSET ?2)
    AND NOT EXISTS (SELECT 1 FROM life_base WHERE life_base.conn = ?1 AND life_base.at = checkpoint.at)";
/// Checkpoints that are kept however near to each other they are: what comes late is mostly not much later.
const NEWEST_KEPT: i64 = 2;
/// Events between two checkpoints that stay, about: as many are folded, at most, to tell how things stood in the past. Few in tests.
const STAYS_EVERY: u64 = if cfg!(test) { 900 } else { 1_536 };

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

/// Keeps a state that has seen so many events since the last one was kept; gives its size as JSON. A state that has seen nothing is not
/// kept. Older states are thinned out.
pub fn save(db: &Connection, conn: i64, state: &State, since: usize) -> Result<usize, ReadError> {
    let Some(at) = state.last_us() else { return Ok(0) };
    let unusable = |error: &dyn std::fmt::Display| StoreError::Engine(format!("cannot keep a checkpoint: {error}"));
    let json = serde_json::to_vec(state).map_err(|error| unusable(&error))?;
    let packed = squeeze(&json).map_err(|error| unusable(&error))?;
    let before = state.events().saturating_sub(since as u64);
    let stays = state.events() / STAYS_EVERY != before / STAYS_EVERY;
    db.prepare_cached(
        "INSERT INTO checkpoint (conn, at, state, stays) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (conn, at) DO UPDATE SET state = excluded.state, stays = max(stays, excluded.stays)",
    )?
    .execute(params![conn, at, packed, stays])?;
    db.prepare_cached(THIN)?.execute([conn, NEWEST_KEPT])?;
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
    let Behind { conn, after, upto, without } = behind;
    let Some(from) = after.map_or(Some(i64::MIN), |after| after.checked_add(1)) else { return Ok(true) };
    let all = AllEvents::of(db, names)?;
    let mut scan = all.scan(Span::Of(conn), EventKey { created_us: from, hash: i64::MIN }, Order::Asc);
    let mut shared: Option<Arc<Labels>> = None;
    let mut group: Vec<Fact> = Vec::new();
    while let Some(key) = scan.head()?
        && key.created_us <= upto
    {
        let Some(held) = scan.take()? else { break };
        if without.binary_search_by_key(&key, |fact| fact.key).is_ok() {
            continue;
        }
        let Some(fact) = read(db, names, held.flat(), &mut shared)? else { continue };
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
    flat: Flat<'_>,
    shared: &mut Option<Arc<Labels>>,
) -> Result<Option<Fact>, ReadError> {
    let stored = Opened::of(db, names, flat)?.event(db, names)?;
    Ok(Fact::of(stored.id.0, &stored.event, |event| {
        let labels = Labels::of(event);
        match shared {
            Some(known) if **known == labels => Arc::clone(known),
            _ => Arc::clone(shared.insert(Arc::new(labels))),
        }
    }))
}

/// The fact of one stored event of a connection.
pub fn fact(db: &Connection, names: &Names, key: EventKey, conn: i64) -> Result<Option<Fact>, ReadError> {
    let Some(stored) = AllEvents::of(db, names)?.event(key, Some(conn))? else { return Ok(None) };
    Ok(Fact::of(key, &stored.event, |event| Arc::new(Labels::of(event))))
}

#[cfg(test)]
pub const SQL_AND_PLAN: &[(&str, &str)] =
    &[(NEWEST, "SEARCH checkpoint USING INDEX sqlite_autoindex_checkpoint_1 (conn=? AND at<?)")];
