//! How often events came.
//!
//! In: keys. Out: a count for each. Only what came more than once has a row, so that most are found by a look at what came again in the
//! period of them all.

use crate::model::{EventKey, StoredEvent};
use rusqlite::{Connection, OptionalExtension as _, params};

const AGAIN: &str = "SELECT n FROM redelivery WHERE created = ?1 AND hash = ?2";
const BETWEEN: &str = "SELECT created, hash, n FROM redelivery
    WHERE (created, hash) >= (?1, ?2) AND (created, hash) <= (?3, ?4) ORDER BY created, hash LIMIT ?5";

/// A look at a row of a period costs a fraction of one at a key.
const KEYS_PER_ROW: usize = 4;

const fn once_and(again: i64) -> u64 {
    (again as u64).saturating_add(1)
}

/// How often an event came.
pub fn of(db: &Connection, key: EventKey) -> rusqlite::Result<u64> {
    let again = db.prepare_cached(AGAIN)?.query_row([key.created_us, key.hash], |row| row.get(0)).optional()?;
    Ok(again.map_or(1, once_and))
}

/// Says of each event how often it came.
pub fn count(db: &Connection, events: &mut [StoredEvent]) -> rusqlite::Result<()> {
    let keys = || events.iter().map(|event| event.id.0);
    let (Some(first), Some(last)) = (keys().min(), keys().max()) else { return Ok(()) };
    let few = events.len() / KEYS_PER_ROW;
    let period = params![first.created_us, first.hash, last.created_us, last.hash, few as i64 + 1];
    let read = |row: &rusqlite::Row<'_>| Ok((EventKey { created_us: row.get(0)?, hash: row.get(1)? }, row.get(2)?));
    let again: Vec<(EventKey, i64)> = db.prepare_cached(BETWEEN)?.query_map(period, read)?.collect::<Result<_, _>>()?;
    if again.len() <= few {
        for event in events {
            let place = again.binary_search_by_key(&event.id.0, |(key, _)| *key);
            event.deliveries = place.map_or(1, |at| once_and(again[at].1));
        }
        return Ok(());
    }
    let mut statement = db.prepare_cached(AGAIN)?;
    for event in events {
        let EventKey { created_us, hash } = event.id.0;
        let again = statement.query_row([created_us, hash], |row| row.get(0)).optional()?;
        event.deliveries = again.map_or(1, once_and);
    }
    Ok(())
}

/// What SQLite must make of each question, for the tests.
#[cfg(test)]
pub const SQL_AND_PLAN: &[(&str, &str)] = &[
    (AGAIN, "SEARCH redelivery USING PRIMARY KEY (created=? AND hash=?)"),
    (BETWEEN, "SEARCH redelivery USING PRIMARY KEY ((created,hash)>(?,?) AND (created,hash)<(?,?))"),
];
