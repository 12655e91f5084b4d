//! Detail of syncs, removed when it is old.
//!
//! In: a moment. Out: fewer events: what connections logged while they worked (pages read, tables written, queries run), received
//! before that moment, unless it is notable (WARNING or worse, or not valid), belongs to the life cycle, or has an audit record. Lives
//! do not change: only what a connection's newest checkpoint before the moment has seen is removed, the first checkpoint that has
//! seen all that went becomes its base, and its fold never starts from further back. What comes later and is older than the base
//! is kept and changes no life; how a connection stood before its base is no longer told. A connection that loses nothing has no base.

use super::{
    all_events::{AllEvents, Held, Scan, Span, behind},
    fault::WriteError,
    lives::Folder,
    sealed::{
        Whereabouts,
        cut::{Cut, Cuts},
    },
    trail,
    writer::Counters,
};
use crate::{
    model::{EventKey, Family, Micros, TEST_CONNECTION_ID},
    store::{Order, StoreError},
};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::sync::Arc;

/// Events looked at, and connections, in one slice of the writer's time.
const LOOK: usize = 4_000;
const CONNECTIONS: i64 = 256;

/// What connections log while they work and no life is told by alone.
const DETAIL: &[&str] = &[
    "api_call",
    "connector_sdk_log",
    "copy_rows",
    "create_staging_table",
    "delete_rows",
    "extract_summary",
    "import_progress",
    "info",
    "insert_rows",
    "merge_rows",
    "processed_records",
    "read_end",
    "read_start",
    "records_modified",
    "sql_query",
    "update_rows",
    "update_state",
    "upload_file",
    "write_to_table_end",
    "write_to_table_start",
];

const NEXT: &str = "SELECT id FROM connection WHERE id > ?1 AND connection_id <> ?2 ORDER BY id LIMIT ?3";
const NEWEST: &str = "SELECT max(at) FROM checkpoint WHERE conn = ?1 AND at <= ?2";
const FIRST: &str = "SELECT min(at) FROM checkpoint WHERE conn = ?1 AND at >= ?2";

/// One slice, wanted.
#[derive(Debug, Clone, Copy)]
pub struct Sweep {
    /// Received before this.
    pub before: Micros,
    /// Behind this connection.
    pub after: i64,
    /// And, where a connection was left in the middle, behind this event of the next one.
    pub key: Option<EventKey>,
}

/// One slice, done.
#[derive(Debug, Clone, Copy, Default)]
pub struct Swept {
    /// Events that were removed.
    pub events: u64,
    /// The next slice; `None` at the end.
    pub next: Option<Sweep>,
}

/// Removes a slice.
pub fn slice(
    db: &Connection,
    counters: &mut Counters,
    folder: &mut Folder,
    whereabouts: &mut Whereabouts,
    sweep: Sweep,
) -> Result<Swept, WriteError> {
    if !folder.is_on() || trail::is_held(db)? {
        return Ok(Swept::default());
    }
    if trail::is_filling(db)? {
        let reason = "records of events that an older version stored are still being made; retention waits for them";
        return Err(WriteError::Store(StoreError::Engine(reason.to_owned())));
    }
    let conns: Vec<i64> = db
        .prepare_cached(NEXT)?
        .query_map(params![sweep.after, TEST_CONNECTION_ID, CONNECTIONS], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let (mut done, mut looked) = (Swept::default(), 0);
    let mut at = sweep;
    for conn in &conns {
        let key = at.key.take();
        // One that waits to be folded again is swept when it is.
        let newest: Option<Micros> =
            db.prepare_cached(NEWEST)?.query_row(params![conn, sweep.before], |row| row.get(0))?;
        if let Some(seen) = newest.filter(|_| !folder.waits(*conn)) {
            let turn = Turn { conn: *conn, seen, before: sweep.before, left: LOOK.saturating_sub(looked) };
            let end = match remove(db, folder, whereabouts, turn, key) {
                Err(error) if error.is_damage() => {
                    // Nothing was removed of it, and the others do not wait for a repair.
                    tracing::warn!("retention leaves a connection as it is: {}", error.explain());
                    at.after = *conn;
                    continue;
                }
                end => end?,
            };
            looked += end.looked;
            done.events += end.removed;
            if let Some(last) = end.last {
                counters.events = counters.events.saturating_sub(done.events);
                done.next = Some(Sweep { key: Some(last), ..at });
                return Ok(done);
            }
        }
        at.after = *conn;
    }
    counters.events = counters.events.saturating_sub(done.events);
    done.next = (conns.len() as i64 == CONNECTIONS).then_some(at);
    Ok(done)
}

/// A connection's share of a slice.
struct Turn {
    conn: i64,
    /// Up to here a checkpoint has seen its events.
    seen: Micros,
    before: Micros,
    left: usize,
}

/// How far it came.
struct End {
    looked: usize,
    removed: u64,
    /// Where to go on; `None` when the connection is done.
    last: Option<EventKey>,
}

fn remove(
    db: &Connection,
    folder: &mut Folder,
    whereabouts: &mut Whereabouts,
    turn: Turn,
    after: Option<EventKey>,
) -> Result<End, WriteError> {
    let names = Arc::clone(whereabouts.names());
    let Turn { conn, seen, before, left } = turn;
    let swept: Option<Micros> = db
        .prepare_cached("SELECT swept FROM life_base WHERE conn = ?1")?
        .query_row([conn], |row| row.get(0))
        .optional()?;
    let swept = swept.unwrap_or(Micros::MIN);
    let start = after.unwrap_or(EventKey { created_us: swept, hash: i64::MAX });
    let (mut old, mut end) = (Vec::new(), End { looked: 0, removed: 0, last: None });
    let mut recorded = db.prepare_cached("SELECT 1 FROM audit WHERE event_created = ?1 AND event_hash = ?2")?;
    let (mut last, mut young): (_, Option<Micros>) = (start, None);
    let all = AllEvents::of(db, &names)?;
    let mut scan = behind(start, Order::Asc).map(|from| all.scan(Span::Of(conn), from, Order::Asc));
    while let Some(held) = scan.as_mut().map_or(Ok(None), Scan::take)? {
        let flat = held.flat();
        if flat.key.created_us > seen {
            break;
        }
        if end.looked == left {
            end.last = Some(last);
            break;
        }
        end.looked += 1;
        last = flat.key;
        let kind = flat.kind(db, &names)?;
        if kind.family != Family::Connector || kind.notable() || !DETAIL.contains(&&*kind.name) {
            continue;
        }
        if flat.received.wrapping_add(last.created_us) < before {
            if !recorded.exists([last.created_us, last.hash])? {
                old.push((last, matches!(held, Held::Loose(_))));
            }
        } else {
            young.get_or_insert(last.created_us);
        }
    }
    let mut base = folder.base(conn);
    if let Some((newest, _)) = old.last() {
        let first: Option<Micros> = db.prepare_cached(FIRST)?.query_row([conn, newest.created_us], |row| row.get(0))?;
        base = Some(folder.raise_base(db, conn, first.unwrap_or(seen))?);
    }
    let Some(base) = base else { return Ok(end) };
    let mut delete = db.prepare_cached("DELETE FROM event WHERE created = ?1 AND hash = ?2")?;
    let mut redelivery = db.prepare_cached("DELETE FROM redelivery WHERE created = ?1 AND hash = ?2")?;
    let mut cuts = Cuts::new(db, &names);
    let mut rows = Vec::new();
    for (key, is_row) in old {
        let cut = cuts.add(conn, key)?;
        if cut == Cut::InJournal {
            // It is cut when it is in a block, and until then its row stands for it.
            young = Some(young.map_or(key.created_us, |young| young.min(key.created_us)));
            continue;
        }
        if cut == Cut::InBlock || is_row {
            rows.push((key, is_row));
        }
    }
    // First, because it may find that a block cannot be read.
    cuts.apply(whereabouts)?;
    for (key, is_row) in rows {
        // What was changed after it went into a block stands in both.
        if is_row {
            delete.execute([key.created_us, key.hash])?;
        }
        end.removed += 1;
        redelivery.execute([key.created_us, key.hash])?;
    }
    // Up to where nothing is left that will ever be removed: the next time begins there.
    if start.created_us <= swept.saturating_add(1) {
        let upto = match (young, end.last) {
            (Some(young), _) => young.saturating_sub(1),
            (None, Some(last)) => last.created_us.saturating_sub(1),
            (None, None) => base,
        };
        // What comes late behind the base may be removed some day.
        let upto = upto.min(base);
        db.prepare_cached("UPDATE life_base SET swept = max(swept, ?2) WHERE conn = ?1")?.execute([conn, upto])?;
    }
    Ok(end)
}
