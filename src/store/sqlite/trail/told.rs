//! Whether an action has a record already, made from another event.
//!
//! In: a record about to be made, of an event that is stored. Out: whether a record says the same with a time that agrees. The live log
//! writes microseconds or nanoseconds, the `AUDIT_TRAIL` table of a warehouse often holds milliseconds or microseconds: one action
//! comes as two events, whose identities differ with their times, and is one record, made of whichever came first. Only an
//! import brings rows of a table: two events of a live log are two actions, however near. Source: Platform Connector sample rows,
//! times with three decimals; documented audit events, with six or nine.
//!
//! Looked at: records whose events have the same millisecond, along the index of events, at most [`SAME_MAX`] of them. When an importer
//! brings more in one millisecond, some actions may keep two records; none is lost.

use super::prepare::Prepared;
use crate::{
    audit::{Channel, Entry},
    model::{Delivery, EventKey, Timestamp},
    store::sqlite::{all_events::AllEvents, fault::WriteError, names::Names},
};
use rusqlite::{Connection, Row, params};

/// Most records of one millisecond that are looked at.
const SAME_MAX: i64 = 64;
const MILLISECOND_US: i64 = 1_000;
const SAME: &str =
    "SELECT event_created, event_hash, actor, method, action, use_case, event, ptype, pid, stype, sid, body, conn
    FROM audit INDEXED BY audit_once
    WHERE event_created BETWEEN ?1 AND ?2 ORDER BY event_created, event_hash LIMIT ?3";

/// Whether a record of another event than `key` says what this one would.
pub fn is_told(db: &Connection, names: &Names, record: &Prepared, key: EventKey) -> Result<bool, WriteError> {
    // Rows of the table have the shape of the audit trail.
    if record.draft.channel != Channel::Audit {
        return Ok(false);
    }
    let from = key.created_us.div_euclid(MILLISECOND_US) * MILLISECOND_US;
    let mut statement = db.prepare_cached(SAME)?;
    let mut rows = statement.query(params![from, from + MILLISECOND_US - 1, SAME_MAX])?;
    while let Some(row) = rows.next()? {
        let other = EventKey { created_us: row.get(0)?, hash: row.get(1)? };
        if other != key
            && says_the_same(row, record)?
            && (record.imported || is_imported(db, names, other, row.get(12)?)?)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn says_the_same(row: &Row<'_>, record: &Prepared) -> rusqlite::Result<bool> {
    let draft = &record.draft;
    let (primary, secondary) = (draft.primary.as_ref(), draft.secondary.as_ref());
    let columns = [
        draft.actor.id.as_deref(),
        draft.method.as_deref(),
        Some(&*draft.action),
        Some(&*draft.use_case),
        Some(&*draft.event),
        primary.map(|it| it.kind.as_str()),
        primary.and_then(|it| it.id.as_deref()),
        secondary.map(|it| it.kind.as_str()),
        secondary.and_then(|it| it.id.as_deref()),
    ];
    for (at, said) in columns.into_iter().enumerate() {
        if row.get_ref(at + 2)?.as_str_or_null()? != said {
            return Ok(false);
        }
    }
    // A text that is no record is for `lifeline verify` to name.
    let entry = row.get_ref(11)?.as_str_or_null()?.and_then(|body| Entry::parse(body).ok());
    Ok(entry.is_some_and(|entry| {
        entry.changes == draft.changes
            && entry.changes_omitted == draft.changes_omitted
            && Timestamp::parse_calendar(&entry.at).is_ok_and(|at| agree(at, draft.at))
    }))
}

/// Whether two times are one, cut to the precision of the coarser.
fn agree(one: Timestamp, other: Timestamp) -> bool {
    let nanos = |at: Timestamp| i128::from(at.micros()) * 1_000 + i128::from(at.sub_micro_nanos());
    let unit = |at: Timestamp| match at.trimmed().digits() {
        0..=3 => 1_000_000,
        4..=6 => 1_000,
        _ => 1,
    };
    let unit = unit(one).max(unit(other));
    nanos(one).div_euclid(unit) == nanos(other).div_euclid(unit)
}

/// Whether an event came by an import first. `conn`: number of its connection, where the record tells it.
fn is_imported(db: &Connection, names: &Names, key: EventKey, conn: Option<i64>) -> Result<bool, WriteError> {
    match AllEvents::of(db, names)?.get(key, conn)? {
        Some(held) => Ok(held.flat().kind(db, names)?.protocol == Delivery::IMPORT),
        None => Ok(false),
    }
}

#[cfg(test)]
pub const SQL_AND_PLAN: &[(&str, &str)] =
    &[(SAME, "SEARCH audit USING INDEX audit_once (event_created>? AND event_created<?)")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_agree_when_the_finer_is_cut() {
        let agree = |one: &str, other: &str| {
            let time = |text: &str| Timestamp::parse(&format!("2025-07-22T14:50:49{text}Z")).expect("a time");
            let said = super::agree(time(one), time(other));
            assert_eq!(said, super::agree(time(other), time(one)));
            said
        };
        for (one, other) in [
            (".356184217", ".356184217"),
            (".356184217", ".356184"),
            (".356184217", ".356"),
            (".356184217", ".356000"),
            (".356184", ".356"),
            (".000184", ""),
        ] {
            assert!(agree(one, other), "{one} {other}");
        }
        for (one, other) in [
            (".356184217", ".356184218"),
            (".356184", ".356185"),
            (".356184", ".357"),
            (".356", ".357"),
            (".356184217", ".356185"),
        ] {
            assert!(!agree(one, other), "{one} {other}");
        }
    }
}
