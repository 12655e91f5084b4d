//! Which connections a sync was seen with, and on which day.
//!
//! In: a sync id. Out: connections that may have events of it. The look-up is written when events leave the journal, thousands at a
//! time and sorted; until then they are found in memory. Written with each commit, its hashes touched a page of their own for nearly
//! every new sync: a third of all pages that commits of 1,600 events wrote. Rows are entered at once.

use super::{all_events::AllEvents, encode::SyncCell, flat::SyncRef, names::Names, reader::ReadError};
use crate::model::DAY_US;
use rusqlite::{Connection, OptionalExtension as _};

/// The last day that is told apart, in 2079. Times far outside share a day, so that nobody can make more days than a look-up can
/// bear.
const DAY_MAX: i64 = 40_000;
/// Most connections that one sync id is looked for with.
const CONNECTIONS_MAX: usize = 64;

/// The look-up, day by day: one descent for each day that has syncs.
macro_rules! sync_lookup {
    ($what:literal, $where:literal) => {
        concat!(
            "WITH RECURSIVE days (day) AS (
                SELECT min(day) FROM sync_lookup
                UNION ALL
                SELECT (SELECT min(day) FROM sync_lookup WHERE day > days.day) FROM days WHERE days.day IS NOT NULL
            ) SELECT ",
            $what,
            " FROM days JOIN sync_lookup USING (day) WHERE ",
            $where
        )
    };
}

const CONNECTIONS: &str = sync_lookup!("DISTINCT conn", "hash = ?1 LIMIT ?2");
/// The first day on which a sync was seen.
const DAY: &str = sync_lookup!("day", "hash = ?1 AND conn = ?2 ORDER BY day LIMIT 1");

/// That a sync was seen with a connection: a row of the look-up, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sighting {
    /// Days since 1970.
    pub day: i64,
    /// Of the sync's id.
    pub hash: i64,
    /// Number of the connection.
    pub conn: i64,
}

impl Sighting {
    /// By an event that was created at a time.
    pub fn of(sync: SyncRef<'_>, conn: i64, created_us: i64) -> Self {
        Self { day: day_of(created_us), hash: sync.lookup_hash(), conn }
    }

    /// Enters it, unless it is there.
    pub fn enter(&self, db: &Connection) -> rusqlite::Result<()> {
        db.prepare_cached("INSERT OR IGNORE INTO sync_lookup (day, hash, conn) VALUES (?1, ?2, ?3)")?
            .execute([self.day, self.hash, self.conn])?;
        Ok(())
    }
}

fn day_of(created_us: i64) -> i64 {
    created_us.div_euclid(DAY_US).clamp(0, DAY_MAX)
}

/// Numbers of the connections that may have events of a sync, ascending. `None`: nobody knows, since a part of the journal is lost.
pub fn connections(db: &Connection, all: &AllEvents<'_>, sync_id: &str) -> Result<Option<Vec<i64>>, ReadError> {
    let cell = SyncCell::of(sync_id);
    let mut found = db
        .prepare_cached(CONNECTIONS)?
        .query_map([cell.as_ref().lookup_hash(), CONNECTIONS_MAX as i64], |row| row.get(0))?
        .collect::<Result<Vec<i64>, _>>()?;
    all.newest_of_sync(cell.as_ref(), |conn, _| found.push(conn));
    found.sort_unstable();
    found.dedup();
    found.truncate(CONNECTIONS_MAX);
    Ok((!found.is_empty() || !all.has_lost()).then_some(found))
}

/// A day on which a sync was seen with a connection: the first as a rule.
pub fn day(db: &Connection, names: &Names, sync_id: &str, conn: i64) -> Result<Option<i64>, ReadError> {
    let cell = SyncCell::of(sync_id);
    let sync = cell.as_ref();
    let entered = db.prepare_cached(DAY)?.query_row([sync.lookup_hash(), conn], |row| row.get(0)).optional()?;
    if entered.is_some() {
        return Ok(entered);
    }
    let mut days = Vec::new();
    AllEvents::of(db, names)?
        .newest_of_sync(sync, |of, created_us| days.extend((of == conn).then(|| day_of(created_us))));
    Ok(days.into_iter().min())
}
