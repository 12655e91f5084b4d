//! What retention removes: bodies and columns of old records, a slice of the writer's time at a time. Leaves and nodes stay. A text that
//! does not fit its leaf is evidence, and stays with them. Every slice that removes something is a record of the access log, in the same
//! transaction; those records stay, so that a removal can always be told from an erasure.

use super::{Edges, append, edge, fill, number, prepare::Prepared};
use crate::{
    audit::{
        Actor, Deed, Draft, Entry, Log,
        tree::{NodeId, leaf_hash},
    },
    model::{Micros, Timestamp},
    store::{
        StoreError,
        sqlite::{fault::WriteError, tokens},
        trail::Pruned,
    },
};
use rusqlite::{Connection, OptionalExtension as _, params};

/// Under which name the legal hold is kept.
pub const HOLD: &str = "audit_hold";
/// Records looked at and removed in one slice.
const LOOK: i64 = 20_000;
const REMOVE: usize = 1_000;
/// Ranges of one slice: their text has to fit a record's value whole.
const RANGES_MAX: usize = 250;
/// The event name of the record of a slice.
const RUN: &str = "retention_run";

const LOOKED_AT: &str = "SELECT rowid, seq, at FROM audit INDEXED BY audit_seq
    WHERE log = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
const TEXT: &str = "SELECT body FROM audit
    WHERE rowid = ?1 AND body IS NOT NULL AND received < ?2 AND NOT (log = ?3 AND event = ?4)";
const RUNS: &str = "SELECT body FROM audit INDEXED BY audit_event
    WHERE log = ?1 AND seq >> 16 = ?2 AND event = ?3 ORDER BY seq";
const REMOVED: &str = "UPDATE audit SET event_created = NULL, event_hash = NULL, actor = NULL, method = NULL,
    action = NULL, use_case = NULL, event = NULL, ptype = NULL, pid = NULL, stype = NULL, sid = NULL, twin = NULL,
    channel = NULL, body = NULL WHERE rowid = ?1";

/// One slice, wanted.
#[derive(Debug, Clone)]
pub struct Cut {
    pub log: Log,
    /// Of actions older than this, and received before it: what was imported from an archive is kept as long as what is new.
    pub before: Micros,
    /// Behind this number.
    pub after: u64,
    /// When the whole removal began.
    pub at: Micros,
    pub reason: String,
}

/// One slice, done.
#[derive(Debug, Default)]
pub struct Done {
    /// Ranges that were removed.
    pub ranges: Vec<Pruned>,
    /// Where the next slice begins; `None` at the end.
    pub next: Option<u64>,
}

/// Why nothing may be removed.
pub fn hold(db: &Connection) -> rusqlite::Result<Option<String>> {
    let found = tokens::meta(db, HOLD)?.filter(|bytes| !bytes.is_empty());
    Ok(found.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// Removes a slice.
pub fn slice(db: &Connection, edges: &mut Edges, cut: &Cut) -> Result<Done, WriteError> {
    if hold(db)?.is_some() {
        return Ok(Done::default());
    }
    if cut.log == Log::Trail && fill::pending(db)? {
        // What is removed could be made again.
        let reason = "records of events that an older version stored are still being made; retention waits for them";
        return Err(WriteError::Store(StoreError::Engine(reason.to_owned())));
    }
    let Cut { log, before, at, .. } = *cut;
    let mut after = cut.after;
    // What was removed from the beginning on, one range behind the other, needs no second look.
    let known = pruned(db, log)?;
    for range in &known {
        if range.first <= after + 1 && range.last > after {
            after = range.last;
        }
    }
    let mut removed: Vec<u64> = Vec::new();
    let (mut looked, mut last, mut runs) = (0, after, 0);
    let mut statement = db.prepare_cached(LOOKED_AT)?;
    let mut text = db.prepare_cached(TEXT)?;
    let mut update = db.prepare_cached(REMOVED)?;
    let places = statement
        .query_map(params![number(log), after as i64, LOOK], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)? as u64, row.get::<_, Micros>(2)?))
        })?
        .collect::<Result<Vec<_>, _>>()?;
    for (rowid, seq, when) in places {
        looked += 1;
        last = seq;
        if when >= before {
            continue;
        }
        let old = params![rowid, before, number(Log::Access), RUN];
        let Some(body) = text.query_row(old, |row| row.get::<_, String>(0)).optional()? else { continue };
        if edge::stored(db, log, NodeId { level: 0, index: seq - 1 })? != Some(leaf_hash(body.as_bytes())) {
            tracing::error!(
                log = log.as_str(),
                record = seq,
                "AUDIT TRAIL: the text of record {seq} was altered; retention leaves it where it is"
            );
            continue;
        }
        if update.execute([rowid])? == 1 {
            runs += usize::from(removed.last().is_none_or(|before| before + 1 != seq));
            removed.push(seq);
            if removed.len() == REMOVE || runs == RANGES_MAX {
                break;
            }
        }
    }
    let more = looked == LOOK || removed.len() == REMOVE || runs == RANGES_MAX;
    let ranges = removed.chunk_by(|one, other| one + 1 == *other).map(|run| Pruned {
        log,
        first: run[0],
        last: run[run.len() - 1],
        at,
        reason: cut.reason.clone(),
    });
    let ranges: Vec<Pruned> = ranges.collect();
    for range in &ranges {
        keep(db, range)?;
    }
    if !ranges.is_empty() {
        let record = Prepared::own(run(cut, removed.len(), &ranges), at);
        append::append(db, edges, Log::Access, &record, None)?;
    }
    Ok(Done { ranges, next: more.then_some(last) })
}

/// The record of a slice.
fn run(cut: &Cut, records: usize, ranges: &[Pruned]) -> Draft {
    let told: Vec<String> = ranges.iter().map(|range| format!("{}-{}", range.first, range.last)).collect();
    let details = vec![("records", records.into()), ("ranges", told.into()), ("reason", cut.reason.as_str().into())];
    let on = ("AUDIT_LOG", cut.log.as_str().to_owned());
    let deed = Deed { event: RUN, action: "DELETE", on, details };
    deed.draft(Actor::ourselves(), "SYSTEM", Timestamp::from_micros(cut.at))
}

/// The numbers that records of the access log say were removed from a log, range by range.
pub fn recorded(db: &Connection, log: Log) -> rusqlite::Result<Vec<(u64, u64)>> {
    let mut statement = db.prepare_cached(RUNS)?;
    let mut ranges = Vec::new();
    for stretch in 0..=(edge::size(db, Log::Access)? >> 16) {
        let mut rows = statement.query(params![number(Log::Access), stretch as i64, RUN])?;
        while let Some(row) = rows.next()? {
            let body: Option<String> = row.get(0)?;
            let Some(entry) = body.as_deref().and_then(|body| Entry::parse(body).ok()) else { continue };
            if entry.primary_resource.and_then(|on| on.id).as_deref() != Some(log.as_str()) {
                continue;
            }
            let told = entry.changes.iter().filter(|change| change.field == "ranges");
            let told = told.filter_map(|change| change.new.as_array()).flatten().filter_map(|range| range.as_str());
            ranges.extend(told.filter_map(|range| {
                let (first, last) = range.split_once('-')?;
                Some((first.parse().ok()?, last.parse().ok()?))
            }));
        }
    }
    Ok(ranges)
}

/// Notes a range, as one with the range right before it where both are of one removal.
fn keep(db: &Connection, range: &Pruned) -> rusqlite::Result<()> {
    let grown = db
        .prepare_cached(
            "UPDATE audit_pruned SET last = ?3
             WHERE log = ?1 AND first = (SELECT max(first) FROM audit_pruned WHERE log = ?1 AND first < ?2)
             AND last = ?2 - 1 AND at = ?4 AND reason = ?5",
        )?
        .execute(params![number(range.log), range.first as i64, range.last as i64, range.at, range.reason])?;
    if grown == 0 {
        db.prepare_cached("INSERT INTO audit_pruned (log, first, last, at, reason) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![number(range.log), range.first as i64, range.last as i64, range.at, range.reason])?;
    }
    Ok(())
}

/// Every range of a log, in order.
pub fn pruned(db: &Connection, log: Log) -> rusqlite::Result<Vec<Pruned>> {
    db.prepare_cached("SELECT first, last, at, reason FROM audit_pruned WHERE log = ?1 ORDER BY first")?
        .query_map([number(log)], |row| {
            Ok(Pruned {
                log,
                first: row.get::<_, i64>(0)? as u64,
                last: row.get::<_, i64>(1)? as u64,
                at: row.get(2)?,
                reason: row.get(3)?,
            })
        })?
        .collect()
}

/// Puts the ranges of two slices together where they meet.
pub fn join(all: &mut Vec<Pruned>, more: Vec<Pruned>) {
    for range in more {
        match all.last_mut() {
            Some(last) if last.log == range.log && last.last + 1 == range.first => last.last = range.last,
            _ => all.push(range),
        }
    }
}
