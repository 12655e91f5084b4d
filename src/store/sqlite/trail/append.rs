//! Putting records into a log, inside the writer's transaction.
//!
//! In: prepared records in the order of their arrival. Out: their rows, leaves and nodes, and links between records of one action.
//! An event that has a record keeps that one, and an action that an import tells again gets no second one (`told.rs`).

use super::{
    Edges, number,
    prepare::{Prepared, RULES},
    told,
};
use crate::{
    audit::{Log, TWIN_US, canonical, tree::leaf_hash},
    model::{EventKey, Micros},
    store::{
        Outcome,
        sqlite::{encode::Encoded, fault::WriteError, insert::Ids, names::Names},
    },
};
use rusqlite::{Connection, params};

const INSERT: &str = "INSERT INTO audit
    (log, seq, at, event_created, event_hash, actor, method, action, use_case, event, ptype, pid, stype, sid, twin, channel,
    rules, body, received, conn)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20) ON CONFLICT DO NOTHING";
/// Most records near in time that are looked at for a twin.
pub const NEAR_MAX: i64 = 64;
pub const NEAR: &str = "SELECT seq, at, channel FROM audit
    INDEXED BY audit_twins
    WHERE at / 10000000 IN (?2 / 10000000, ?2 / 10000000 + 1, ?3 / 10000000) AND twin = ?1 AND at BETWEEN ?2 AND ?3
    AND channel <> ?4 LIMIT ?5";

/// The records of what a batch has stored. `outcomes`: of every row.
pub fn events(
    db: &Connection,
    names: &Names,
    edges: &mut Edges,
    batch: &Encoded,
    ids: &Ids,
    outcomes: &[Option<Outcome>],
) -> Result<(), WriteError> {
    for (row, outcome) in batch.rows.iter().zip(outcomes) {
        if let (Some(record), Some(Outcome::Stored(key))) = (&row.record, outcome) {
            event(db, names, edges, record, Of { key: *key, conn: ids.of_row(row) })?;
        }
    }
    Ok(())
}

/// The event that a record is of.
#[derive(Debug, Clone, Copy)]
pub struct Of {
    /// Under which it is stored.
    pub key: EventKey,
    /// Number of its connection.
    pub conn: i64,
}

/// The record of one event, unless it or its action has one.
pub fn event(db: &Connection, names: &Names, edges: &mut Edges, record: &Prepared, of: Of) -> Result<(), WriteError> {
    if told::is_told(db, names, record, of.key)? {
        return Ok(());
    }
    if record.draft.event_id.is_some_and(|id| id.0 == of.key) {
        append(db, edges, Log::Trail, record, Some(of.conn))?;
    } else {
        append(db, edges, Log::Trail, &record.under(of.key), Some(of.conn))?;
    }
    Ok(())
}

/// Appends one record; gives its number, or `None` when its event has one already. `conn`: number of the event's connection.
pub fn append(
    db: &Connection,
    edges: &mut Edges,
    log: Log,
    record: &Prepared,
    conn: Option<i64>,
) -> Result<Option<u64>, WriteError> {
    let seq = edges.size(log) + 1;
    let draft = &record.draft;
    let text = canonical(seq, &record.body);
    let (primary, secondary) = (draft.primary.as_ref(), draft.secondary.as_ref());
    let twin = record.twin();
    let put = db.prepare_cached(INSERT)?.execute(params![
        number(log),
        seq as i64,
        draft.at.micros(),
        draft.event_id.map(|id| id.0.created_us),
        draft.event_id.map(|id| id.0.hash),
        draft.actor.id,
        draft.method,
        draft.action,
        draft.use_case,
        draft.event,
        primary.map(|it| it.kind.as_str()),
        primary.and_then(|it| it.id.as_deref()),
        secondary.map(|it| it.kind.as_str()),
        secondary.and_then(|it| it.id.as_deref()),
        twin,
        twin.map(|_| draft.channel.as_str()),
        RULES,
        text,
        record.received_us,
        conn,
    ])?;
    if put == 0 {
        return Ok(None);
    }
    edges.push(db, log, leaf_hash(text.as_bytes()))?;
    if let Some(twin) = twin {
        link(db, seq, twin, draft.at.micros(), draft.channel.as_str())?;
    }
    Ok(Some(seq))
}

/// Links a record with the nearest one of the same action that came by another road and has no twin of this road.
fn link(db: &Connection, seq: u64, twin: i64, at: Micros, channel: &str) -> Result<(), WriteError> {
    let (from, to) = (at.saturating_sub(TWIN_US), at.saturating_add(TWIN_US));
    let mut near = db
        .prepare_cached(NEAR)?
        .query_map(params![twin, from, to, channel, NEAR_MAX], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<(i64, Micros)>, _>>()?;
    near.sort_by_key(|(other, when)| (when.abs_diff(at), *other));
    for (other, _) in near {
        let taken = db.prepare_cached("SELECT 1 FROM audit_twin WHERE seq = ?1")?.exists([other])?;
        if !taken {
            let mut insert = db.prepare_cached("INSERT INTO audit_twin (seq, twin) VALUES (?1, ?2)")?;
            insert.execute([seq as i64, other])?;
            insert.execute([other, seq as i64])?;
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
pub const SQL_AND_PLAN: &[(&str, &str)] =
    &[(NEAR, "SEARCH audit USING COVERING INDEX audit_twins (<expr>=? AND twin=? AND at>? AND at<?)")];
