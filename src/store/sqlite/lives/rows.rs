//! Rows that a fold gives out, in their tables.
//!
//! In: an output with the microsecond at which it took its form. Out: one upsert; reading rows back. A row is known by its
//! [`Ident`]; what is written twice is there once.

use super::squeeze::{squeeze, stretch};
use crate::{
    lifecycle::{Day, Incident, Output, Run, Stage, StageKind, SyncCounts, SyncRow, stage_order},
    model::{EventKey, Micros},
    store::{StoreError, sqlite::reader::ReadError},
};
use rusqlite::{Connection, Row, params};

pub use crate::model::DAY_US;

/// What tells a row of one connection from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ident {
    Stage(EventKey, StageKind),
    Incident(EventKey),
    Day(i64),
    Run(EventKey),
    Activity(EventKey),
}

impl Ident {
    /// Of an output.
    pub fn of(output: &Output) -> Self {
        match output {
            Output::Stage(stage) => Self::Stage(stage.anchor, stage.kind),
            Output::Sync(sync) => Self::Stage(sync.anchor, StageKind::Sync),
            Output::Gone(anchor, kind) => Self::Stage(*anchor, *kind),
            Output::Incident(incident) => Self::Incident(incident.anchor),
            Output::Day(day) => Self::Day(day.day),
            Output::Run(run) => Self::Run(run.anchor),
            Output::Activity(activity) => Self::Activity(activity.key),
        }
    }
}

const STAGE: &str = "INSERT INTO stage (conn, at, hash, kind, settled, until, sync, status, changes, body, stats)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
    ON CONFLICT (conn, at, kind, hash) DO UPDATE SET settled = excluded.settled, until = excluded.until,
    sync = excluded.sync, status = excluded.status, changes = excluded.changes, body = excluded.body,
    stats = excluded.stats";
const INCIDENT: &str = "INSERT INTO incident (conn, at, hash, settled, resolved, failures, body, packed)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, '', ?7)
    ON CONFLICT (conn, at, hash) DO UPDATE SET settled = excluded.settled, resolved = excluded.resolved,
    failures = excluded.failures, body = excluded.body, packed = excluded.packed";
const DAY: &str =
    "INSERT OR REPLACE INTO day (conn, day, api_calls, rows_modified, schema_changes, events, errors, warnings,
    syncs, successful, failed, rescheduled, canceled, sync_ms)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
const RUN: &str = "INSERT INTO run (conn, at, hash, settled, job, status, body, packed)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, '', ?7)
    ON CONFLICT (conn, at, hash) DO UPDATE SET settled = excluded.settled, job = excluded.job,
    status = excluded.status, body = excluded.body, packed = excluded.packed";
const ACTIVITY: &str = "INSERT OR REPLACE INTO activity (conn, at, hash, event, actor, channel, level, data)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

/// Writes a row in the form that it took at `settled`.
pub fn put(db: &Connection, conn: i64, settled: Micros, output: &Output) -> rusqlite::Result<()> {
    match output {
        // Whatever could still become so was live at every checkpoint since it was given out, so that the past misses nothing.
        Output::Gone(..) => return remove(db, conn, Ident::of(output)),
        Output::Stage(it) => db.prepare_cached(STAGE)?.execute(params![
            conn,
            it.anchor.created_us,
            it.anchor.hash,
            it.kind as u8,
            settled,
            it.until_us,
            it.sync_id,
            it.status,
            it.schema_change,
            it.body,
            None::<&str>
        ])?,
        Output::Sync(it) => db.prepare_cached(STAGE)?.execute(params![
            conn,
            it.anchor.created_us,
            it.anchor.hash,
            StageKind::Sync as u8,
            settled,
            it.until_us,
            it.sync_id,
            it.status,
            false,
            it.body,
            it.stats
        ])?,
        Output::Incident(it) => db.prepare_cached(INCIDENT)?.execute(params![
            conn,
            it.anchor.created_us,
            it.anchor.hash,
            settled,
            it.resolved_us,
            it.failures,
            packed(&it.body)?
        ])?,
        Output::Day(it) => db.prepare_cached(DAY)?.execute(params![
            conn,
            it.day,
            it.api_calls as i64,
            it.rows_modified as i64,
            it.schema_changes as i64,
            it.events as i64,
            it.errors as i64,
            it.warnings as i64,
            it.syncs.total as i64,
            it.syncs.successful as i64,
            it.syncs.failed as i64,
            it.syncs.rescheduled as i64,
            it.syncs.canceled as i64,
            it.sync_ms as i64
        ])?,
        Output::Run(it) => db.prepare_cached(RUN)?.execute(params![
            conn,
            it.anchor.created_us,
            it.anchor.hash,
            settled,
            it.job,
            it.status,
            packed(&it.body)?
        ])?,
        Output::Activity(it) => db.prepare_cached(ACTIVITY)?.execute(params![
            conn,
            it.key.created_us,
            it.key.hash,
            it.event,
            it.actor,
            it.channel,
            it.level,
            it.data
        ])?,
    };
    Ok(())
}

/// Takes a row back.
pub fn remove(db: &Connection, conn: i64, ident: Ident) -> rusqlite::Result<()> {
    let by_key = |sql: &str, key: EventKey| db.prepare_cached(sql)?.execute([conn, key.created_us, key.hash]);
    match ident {
        Ident::Stage(key, kind) => db
            .prepare_cached("DELETE FROM stage WHERE conn = ?1 AND at = ?2 AND hash = ?3 AND kind = ?4")?
            .execute([conn, key.created_us, key.hash, i64::from(kind as u8)])?,
        Ident::Incident(key) => by_key("DELETE FROM incident WHERE conn = ?1 AND at = ?2 AND hash = ?3", key)?,
        Ident::Day(day) => db.prepare_cached("DELETE FROM day WHERE conn = ?1 AND day = ?2")?.execute([conn, day])?,
        Ident::Run(key) => by_key("DELETE FROM run WHERE conn = ?1 AND at = ?2 AND hash = ?3", key)?,
        Ident::Activity(key) => by_key("DELETE FROM activity WHERE conn = ?1 AND at = ?2 AND hash = ?3", key)?,
    };
    Ok(())
}

/// Takes back every row that speaks of something after a moment, and every day from `day` on.
pub fn remove_after(db: &Connection, conn: i64, at: Micros, day: i64) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM stage WHERE conn = ?1 AND at > ?2",
        "DELETE FROM incident WHERE conn = ?1 AND at > ?2",
        "DELETE FROM run WHERE conn = ?1 AND at > ?2",
        "DELETE FROM activity WHERE conn = ?1 AND at > ?2",
        "DELETE FROM checkpoint WHERE conn = ?1 AND at > ?2",
    ] {
        db.prepare_cached(sql)?.execute([conn, at])?;
    }
    db.prepare_cached("DELETE FROM day WHERE conn = ?1 AND day >= ?2")?.execute([conn, day])?;
    Ok(())
}

/// The key in the columns 0 and 1.
fn anchor(row: &Row<'_>) -> rusqlite::Result<EventKey> {
    Ok(EventKey { created_us: row.get(0)?, hash: row.get(1)? })
}

/// Reads `at, hash, kind, until, sync, status, changes, body, stats`.
pub fn stage(row: &Row<'_>) -> Result<Output, ReadError> {
    let kind: i64 = row.get(2)?;
    let kind = StageKind::ALL.into_iter().find(|known| i64::from(*known as u8) == kind);
    if kind == Some(StageKind::Sync) {
        return Ok(Output::Sync(SyncRow {
            anchor: anchor(row)?,
            until_us: row.get(3)?,
            sync_id: row.get(4)?,
            status: row.get(5)?,
            body: row.get(7)?,
            stats: row.get(8)?,
        }));
    }
    Ok(Output::Stage(Stage {
        anchor: anchor(row)?,
        kind: kind.ok_or_else(|| StoreError::Damaged("kind of a stage".into()))?,
        until_us: row.get(3)?,
        sync_id: row.get(4)?,
        status: row.get(5)?,
        schema_change: row.get(6)?,
        body: row.get(7)?,
    }))
}

/// What stages are ordered by; what is none comes first.
pub fn place(row: &Output) -> (Micros, StageKind, i64) {
    match Ident::of(row) {
        Ident::Stage(anchor, kind) => stage_order(anchor, kind),
        Ident::Incident(_) | Ident::Day(_) | Ident::Run(_) | Ident::Activity(_) => {
            (Micros::MIN, StageKind::Initialized, i64::MIN)
        }
    }
}

/// The stage in the public form; `None` where it is none.
pub fn public(row: Output) -> Result<Option<Stage>, ReadError> {
    match row {
        Output::Sync(sync) => sync_stage(&sync).map(Some),
        Output::Stage(stage) => Ok(Some(stage)),
        Output::Gone(..) | Output::Incident(_) | Output::Day(_) | Output::Run(_) | Output::Activity(_) => Ok(None),
    }
}

/// The public form of a sync.
pub fn sync_stage(sync: &SyncRow) -> Result<Stage, ReadError> {
    let EventKey { created_us, hash } = sync.anchor;
    Ok(sync.stage().ok_or_else(|| StoreError::Damaged(format!("stage of the sync at {created_us}, {hash}")))?)
}

/// A body that no view reads.
fn packed(body: &str) -> rusqlite::Result<Vec<u8>> {
    squeeze(body.as_bytes()).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// The body in two columns: JSON as older versions kept it, and what is compressed.
fn body(row: &Row<'_>, at: usize) -> Result<String, ReadError> {
    let Some(packed) = row.get_ref(at + 1)?.as_blob_or_null().map_err(rusqlite::Error::from)? else {
        return Ok(row.get(at)?);
    };
    let body = stretch(packed).and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(body.ok_or_else(|| StoreError::Damaged("body of an incident or a run".into()))?)
}

/// Reads `at, hash, resolved, failures, body, packed`.
pub fn incident(row: &Row<'_>) -> Result<Incident, ReadError> {
    Ok(Incident { anchor: anchor(row)?, resolved_us: row.get(2)?, failures: row.get(3)?, body: body(row, 4)? })
}

/// Reads `at, hash, job, status, body, packed`.
pub fn run(row: &Row<'_>) -> Result<Run, ReadError> {
    let status: String = row.get(3)?;
    let status = Run::STATUSES.into_iter().find(|known| *known == status);
    Ok(Run {
        anchor: anchor(row)?,
        job: row.get(2)?,
        status: status.ok_or_else(|| StoreError::Damaged("status of a run".into()))?,
        body: body(row, 4)?,
    })
}

/// Every column of a day; sums of them work as well.
pub const DAY_COLUMNS: &str = "day, api_calls, rows_modified, schema_changes, events, errors, warnings,
    syncs, successful, failed, rescheduled, canceled, sync_ms";

/// Reads [`DAY_COLUMNS`].
pub fn day(row: &Row<'_>) -> rusqlite::Result<Day> {
    let count = |at: usize| row.get::<_, i64>(at).map(|n| n as u64);
    Ok(Day {
        day: row.get(0)?,
        api_calls: count(1)?,
        rows_modified: count(2)?,
        schema_changes: count(3)?,
        events: count(4)?,
        errors: count(5)?,
        warnings: count(6)?,
        syncs: SyncCounts {
            total: count(7)?,
            successful: count(8)?,
            failed: count(9)?,
            rescheduled: count(10)?,
            canceled: count(11)?,
        },
        sync_ms: count(12)?,
    })
}
