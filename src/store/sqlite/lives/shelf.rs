//! Shelves: stages that cannot change any more, many of one connection packed into one row.
//!
//! In: rows that a checkpoint vouches for and that are not live in its state. Out: shelves, each a stretch of the connection's time
//! without the others'; and stages of them again. A life going on never touches a shelf, since whatever may change is live at
//! every checkpoint. Folding again from further back takes the stages out first. Schema changes are not put on shelves: a view reads
//! them as they are. Small shelves are not joined: packing each stage twice cost more than it saved.

use super::{
    cache::Pending,
    columns,
    rows::{self, Ident, place},
};
use crate::{
    lifecycle::{Output, Stage, StageKind, State, SyncRow, Written},
    model::{EventKey, Micros},
    store::{
        StoreError,
        sqlite::{fault::WriteError, reader::ReadError},
    },
};
use rusqlite::{CachedStatement, Connection, Rows, params};
use serde_json::value::RawValue;
use std::{borrow::Cow, collections::BTreeSet, fmt::Write as _};

/// Stages that make a shelf, at least. Few in tests, which have few events.
const NEW_MIN: usize = if cfg!(test) { 4 } else { 16 };
/// Stages on a full shelf, at least; at most twice as many.
const FULL: usize = if cfg!(test) { 12 } else { 128 };
/// The newest shelves, which stragglers may still belong to.
const JOINED_MAX: i64 = if cfg!(test) { 4 } else { 8 };
/// Stages that settled late and lie between others on a shelf: fewer than this are left where they are.
const STRAGGLERS_MIN: usize = if cfg!(test) { 2 } else { 8 };
/// Rows of `stage` that are looked at in one turn.
const LOOK: usize = 1_024;

/// A row with the moment at which it took its form.
type Settled = (Micros, Output);

const HEADS: &str = "SELECT at, last FROM shelf WHERE conn = ?1 ORDER BY at DESC LIMIT ?2";
const BODIES: &str = "SELECT body FROM shelf WHERE conn = ?1 AND at >= ?2 ORDER BY at";
/// Shelves from one that holds a moment on backwards.
const BACKWARDS: &str = "SELECT at, last, body FROM shelf WHERE conn = ?1 AND at <= ?2 ORDER BY at DESC";
const LOOSE: &str = "SELECT at, hash, kind, until, sync, status, changes, body, stats, settled FROM stage
    WHERE conn = ?1 AND at >= ?2 AND at <= ?3 AND settled <= ?3 AND changes = 0 ORDER BY at, kind, hash LIMIT ?4";

/// A shelf without its stages.
struct Head {
    at: Micros,
    last: Micros,
}

/// Whether a row may stand on a shelf once it is settled.
fn is_shelved(row: &Output) -> bool {
    match row {
        Output::Sync(_) => true,
        Output::Stage(stage) => !stage.schema_change,
        Output::Gone(..) | Output::Incident(_) | Output::Day(_) | Output::Run(_) | Output::Activity(_) => false,
    }
}

/// Puts on shelves what a state that is being kept has settled, and all other rows that wait into their tables.
pub fn store(db: &Connection, conn: i64, state: &State, pending: &mut Pending) -> Result<(), WriteError> {
    let Some(upto) = state.last_us() else { return Ok(pending.write(db, conn)?) };
    let live: BTreeSet<Ident> = state.live_stages().map(|(anchor, kind)| Ident::Stage(anchor, kind)).collect();
    let heads = heads(db, conn)?;
    // Older than all that may still be joined: it stays a row.
    let from = heads.last().filter(|_| heads.len() as i64 == JOINED_MAX).map_or(i64::MIN, |head| head.at);
    let is_settled = |(settled, row): &Settled| {
        *settled <= upto && is_shelved(row) && place(row).0 >= from && !live.contains(&Ident::of(row))
    };
    let mut loose = loose(db, conn, (from, upto))?;
    let mut rows = Vec::new();
    if loose.len() < LOOK {
        rows = pending.take(is_settled);
    } else {
        // Where they stand among older ones is not known before those are looked at.
        pending.write(db, conn)?;
        loose = self::loose(db, conn, (from, upto))?;
    }
    let newer: BTreeSet<Ident> = rows.iter().map(|(_, row)| Ident::of(row)).collect();
    let mut stale: Vec<Ident> = Vec::new();
    for row in loose.into_iter().filter(is_settled) {
        let ident = Ident::of(&row.1);
        if !newer.contains(&ident) {
            rows.push(row);
        }
        stale.push(ident);
    }
    let last = heads.first().map_or(i64::MIN, |head| head.last);
    let is_straggler = |row: &Settled| place(&row.1).0 <= last;
    if rows.iter().filter(|row| is_straggler(row)).count() < STRAGGLERS_MIN {
        let (late, on_time): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_straggler);
        leave(db, conn, late, &newer, &mut stale)?;
        rows = on_time;
    }
    if rows.len() < NEW_MIN {
        leave(db, conn, rows, &newer, &mut stale)?;
        return Ok(pending.write(db, conn)?);
    }
    for ident in stale {
        rows::remove(db, conn, ident)?;
    }
    join(db, conn, rows, &heads)?;
    Ok(pending.write(db, conn)?)
}

/// Rows that are not put on a shelf now.
fn leave(
    db: &Connection,
    conn: i64,
    rows: Vec<Settled>,
    newer: &BTreeSet<Ident>,
    stale: &mut Vec<Ident>,
) -> rusqlite::Result<()> {
    for (settled, row) in rows {
        let ident = Ident::of(&row);
        stale.retain(|known| *known != ident);
        if newer.contains(&ident) {
            rows::put(db, conn, settled, &row)?;
        }
    }
    Ok(())
}

/// Makes shelves of rows, joined with shelves that they overlap.
fn join(db: &Connection, conn: i64, mut rows: Vec<Settled>, heads: &[Head]) -> Result<(), WriteError> {
    let first = rows.iter().map(|(_, row)| place(row).0).min().unwrap_or(i64::MAX);
    if let Some(oldest) = heads.iter().take_while(|head| head.last >= first).last() {
        rows.append(&mut take_down(db, conn, oldest.at)?);
    }
    rows.sort_by_cached_key(|(_, row)| place(row));
    let count = (rows.len() / FULL).max(1);
    let each = rows.len().div_ceil(count);
    let mut rest = rows.as_slice();
    while !rest.is_empty() {
        let mut end = each.min(rest.len());
        // One moment is on one shelf.
        while end < rest.len() && place(&rest[end].1).0 == place(&rest[end - 1].1).0 {
            end += 1;
        }
        write(db, conn, &rest[..end])?;
        rest = &rest[end..];
    }
    Ok(())
}

fn heads(db: &Connection, conn: i64) -> rusqlite::Result<Vec<Head>> {
    let mut statement = db.prepare_cached(HEADS)?;
    let rows = statement.query_map([conn, JOINED_MAX], |row| Ok(Head { at: row.get(0)?, last: row.get(1)? }))?;
    rows.collect()
}

fn loose(db: &Connection, conn: i64, (from, upto): (Micros, Micros)) -> Result<Vec<Settled>, ReadError> {
    let mut statement = db.prepare_cached(LOOSE)?;
    let mut rows = statement.query(params![conn, from, upto, LOOK as i64])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((row.get(9)?, rows::stage(row)?));
    }
    Ok(found)
}

/// A stage on a shelf: moment, hash, kind, and then as columns of `stage`, moments told from its own.
type Line<'l> = (
    Micros,
    i64,
    u8,
    Micros,
    Option<Micros>,
    Option<Cow<'l, str>>,
    Option<Cow<'l, str>>,
    &'l RawValue,
    Option<&'l RawValue>,
);

fn write(db: &Connection, conn: i64, rows: &[Settled]) -> Result<(), WriteError> {
    let (Some((_, first)), Some((_, last))) = (rows.first(), rows.last()) else { return Ok(()) };
    let (at, last) = (place(first).0, place(last).0);
    let unusable = |what: &str| {
        WriteError::Store(StoreError::Engine(format!("cannot put stages of connection {conn} on a shelf: {what}")))
    };
    let mut lines = String::new();
    let mut ends = Vec::with_capacity(rows.len());
    for (settled, row) in rows {
        line(*settled, row, &mut lines);
        ends.push(lines.len());
    }
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let body = columns::pack(starts.zip(&ends).map(|(start, end)| &lines[start..*end]));
    let body = body.map_err(|error| unusable(&error.to_string()))?;
    let syncs = rows.iter().filter_map(|(_, row)| match row {
        Output::Sync(sync) => Some(sync),
        _ => None,
    });
    let written = Written::of(syncs, at).ok_or_else(|| unusable("a sync cannot be read"))?;
    db.prepare_cached(
        "INSERT INTO shelf (conn, at, last, stages, unit, names, written, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![conn, at, last, rows.len() as i64, written.unit, written.names, written.syncs, body])?;
    Ok(())
}

/// Writes a [`Line`].
fn line(settled: Micros, row: &Output, out: &mut String) {
    let (anchor, kind, until, sync, status, body, stats) = match row {
        Output::Sync(it) => {
            (it.anchor, StageKind::Sync, it.until_us, &it.sync_id, Some(&it.status), &it.body, it.stats.as_deref())
        }
        Output::Stage(it) => (it.anchor, it.kind, it.until_us, &it.sync_id, it.status.as_ref(), &it.body, None),
        Output::Gone(..) | Output::Incident(_) | Output::Day(_) | Output::Run(_) | Output::Activity(_) => return,
    };
    let EventKey { created_us: at, hash } = anchor;
    let text = |text: Option<&String>| match text {
        Some(text) => Cow::Owned(serde_json::Value::from(text.as_str()).to_string()),
        None => Cow::Borrowed("null"),
    };
    let _ = write!(out, "[{at},{hash},{},{},", kind as u8, settled.wrapping_sub(at));
    match until {
        Some(until) => _ = write!(out, "{}", until.wrapping_sub(at)),
        None => out.push_str("null"),
    }
    let stats = stats.unwrap_or("null");
    out.extend([",", &text(sync.as_ref()), ",", &text(status), ",", body, ",", stats, "]"]);
}

/// Reads a [`Line`].
fn row(line: &str) -> Option<Settled> {
    let (at, hash, kind, settled, until, sync_id, status, body, stats) = serde_json::from_str::<Line<'_>>(line).ok()?;
    let (anchor, until_us) = (EventKey { created_us: at, hash }, until.map(|until| until.wrapping_add(at)));
    let kind = StageKind::ALL.into_iter().find(|known| *known as u8 == kind)?;
    let (sync_id, status) = (sync_id.map(Cow::into_owned), status.map(Cow::into_owned));
    let body = body.get().to_owned();
    let row = match kind {
        StageKind::Sync => Output::Sync(SyncRow {
            anchor,
            until_us,
            sync_id,
            status: status?,
            body,
            stats: stats.map(|stats| stats.get().into()),
        }),
        kind => Output::Stage(Stage { anchor, kind, until_us, sync_id, status, schema_change: false, body }),
    };
    Some((settled.wrapping_add(at), row))
}

fn unpack(conn: i64, body: &[u8], into: &mut Vec<Settled>) -> Result<(), ReadError> {
    let all = columns::unpack(body, |line| {
        into.push(row(line)?);
        Some(())
    });
    Ok(all.ok_or_else(|| StoreError::Damaged(format!("a shelf of connection {conn}")))?)
}

/// Takes the shelves away that begin at a moment or after it; gives their stages.
fn take_down(db: &Connection, conn: i64, from: Micros) -> Result<Vec<Settled>, WriteError> {
    let mut found = Vec::new();
    let mut statement = db.prepare_cached(BODIES)?;
    let mut shelves = statement.query([conn, from])?;
    while let Some(shelf) = shelves.next()? {
        unpack(conn, shelf.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?, &mut found)?;
    }
    drop(shelves);
    db.prepare_cached("DELETE FROM shelf WHERE conn = ?1 AND at >= ?2")?.execute([conn, from])?;
    Ok(found)
}

/// Before rows are taken back that speak of something after a moment: no shelf holds such a row afterwards, nor one of `live`. What
/// stood on a shelf with them is a row of `stage` again. `after`: `None` for the beginning.
pub fn open(
    db: &Connection,
    conn: i64,
    after: Option<Micros>,
    live: impl Iterator<Item = (EventKey, StageKind)>,
) -> Result<(), WriteError> {
    let after = after.unwrap_or(Micros::MIN);
    db.prepare_cached("DELETE FROM shelf WHERE conn = ?1 AND at > ?2")?.execute([conn, after])?;
    lay_out(db, conn, after, after.saturating_add(1))?;
    live.into_iter().try_for_each(|(anchor, _)| lay_out(db, conn, anchor.created_us, anchor.created_us))
}

/// Makes rows of the shelf that begins at or before `from` and ends at or after `to`, if there is one.
fn lay_out(db: &Connection, conn: i64, from: Micros, to: Micros) -> Result<(), WriteError> {
    let mut statement = db.prepare_cached(BACKWARDS)?;
    let mut shelves = statement.query([conn, from])?;
    let mut stages = Vec::new();
    let Some(shelf) = shelves.next()? else { return Ok(()) };
    let (at, last): (Micros, Micros) = (shelf.get(0)?, shelf.get(1)?);
    if last < to {
        return Ok(());
    }
    unpack(conn, shelf.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?, &mut stages)?;
    drop(shelves);
    db.prepare_cached("DELETE FROM shelf WHERE conn = ?1 AND at = ?2")?.execute([conn, at])?;
    Ok(stages.into_iter().try_for_each(|(settled, row)| rows::put(db, conn, settled, &row))?)
}

/// The question behind a [`Walk`].
pub fn backwards(db: &Connection) -> rusqlite::Result<CachedStatement<'_>> {
    db.prepare_cached(BACKWARDS)
}

/// Stages on shelves, newest first, of those that began between two moments.
pub struct Walk<'s> {
    shelves: Rows<'s>,
    conn: i64,
    from: Micros,
    to: Micros,
    /// Of the present shelf, the newest last.
    stages: Vec<Settled>,
}

impl<'s> Walk<'s> {
    /// Both ends included.
    pub fn new(backwards: &'s mut CachedStatement<'_>, conn: i64, from: Micros, to: Micros) -> rusqlite::Result<Self> {
        Ok(Self { shelves: backwards.query([conn, to])?, conn, from, to, stages: Vec::new() })
    }

    /// The next one, with the moment at which it took its form.
    pub fn next(&mut self) -> Result<Option<Settled>, ReadError> {
        loop {
            while let Some(stage) = self.stages.pop() {
                if (self.from..=self.to).contains(&place(&stage.1).0) {
                    return Ok(Some(stage));
                }
            }
            let Some(shelf) = self.shelves.next()? else { return Ok(None) };
            if shelf.get::<_, Micros>(1)? < self.from {
                return Ok(None);
            }
            unpack(self.conn, shelf.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?, &mut self.stages)?;
        }
    }
}

#[cfg(test)]
pub const SQL_AND_PLAN: &[(&str, &str)] = &[
    (HEADS, "SEARCH shelf USING INDEX sqlite_autoindex_shelf_1 (conn=?)"),
    (BODIES, "SEARCH shelf USING INDEX sqlite_autoindex_shelf_1 (conn=? AND at>?)"),
    (BACKWARDS, "SEARCH shelf USING INDEX sqlite_autoindex_shelf_1 (conn=? AND at<?)"),
    (LOOSE, "SEARCH stage USING PRIMARY KEY (conn=? AND at>? AND at<?)"),
];

/// Puts a row for each stage on a shelf into a table with the columns of `stage`. Panics where one is there already.
#[cfg(test)]
pub fn lay_out_all(db: &Connection, table: &str) {
    let mut statement = db.prepare("SELECT conn, at, last, stages, body FROM shelf ORDER BY conn, at").unwrap();
    let mut shelves = statement.query([]).unwrap();
    let mut before = (0, Micros::MIN);
    while let Some(shelf) = shelves.next().unwrap() {
        let (conn, at, last): (i64, Micros, Micros) =
            (shelf.get(0).unwrap(), shelf.get(1).unwrap(), shelf.get(2).unwrap());
        assert!((conn, at) > before, "shelves of a connection do not overlap");
        before = (conn, last);
        let mut stages = Vec::new();
        unpack(conn, shelf.get_ref(4).unwrap().as_blob().unwrap(), &mut stages).unwrap();
        assert_eq!(stages.len() as i64, shelf.get::<_, i64>(3).unwrap());
        assert_eq!((at, last), (place(&stages[0].1).0, place(&stages[stages.len() - 1].1).0));
        assert!(stages.is_sorted_by_key(|(_, row)| place(row)));
        for (settled, row) in stages {
            let (at, kind, hash) = place(&row);
            let (until, sync, status, body, stats) = match row {
                Output::Sync(it) => (it.until_us, it.sync_id, Some(it.status), it.body, it.stats),
                Output::Stage(it) => (it.until_us, it.sync_id, it.status, it.body, None),
                row => panic!("{row:?} on a shelf"),
            };
            let sql = format!(
                "INSERT INTO {table} (conn, at, kind, hash, settled, until, sync, status, changes, body, stats)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?10)"
            );
            db.execute(&sql, params![conn, at, kind as u8, hash, settled, until, sync, status, body, stats]).unwrap();
        }
    }
}
