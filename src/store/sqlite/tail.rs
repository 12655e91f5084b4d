//! Order of arrival: which events each commit stored, for the newest million of them.

use super::{
    all_events::AllEvents,
    bytes::{Reader, Short, put_signed},
    names::Names,
    reader::ReadError,
    writer::Counters,
};
use crate::{
    model::EventKey,
    store::{PAGE_BYTES_MAX, StoreError, TailCursor, TailPage},
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

/// So many arrivals are remembered in order.
const WINDOW: u64 = 1_000_000;
/// Commits between two prunings.
const PRUNE_EVERY: u64 = 64;

/// Number of the last commit and how many events had arrived with it.
pub fn last(db: &Connection) -> rusqlite::Result<(u64, u64)> {
    db.query_row("SELECT seq, upto FROM arrival ORDER BY seq DESC LIMIT 1", [], |row| {
        Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64))
    })
    .optional()
    .map(|found| found.unwrap_or((0, 0)))
}

/// Remembers what the commit under way stores; `counters` count it already.
pub fn add(db: &Connection, counters: &Counters, stored: &[(EventKey, i64)]) -> rusqlite::Result<()> {
    let (mut keys, mut conns) = (Vec::with_capacity(stored.len() * 12), Vec::with_capacity(stored.len() * 2));
    let mut before = (0_i64, 0_i64);
    for (key, conn) in stored {
        put_signed(&mut keys, key.created_us.wrapping_sub(before.0));
        keys.extend_from_slice(&key.hash.to_le_bytes());
        put_signed(&mut conns, conn.wrapping_sub(before.1));
        before = (key.created_us, *conn);
    }
    db.prepare_cached("INSERT INTO arrival (seq, upto, keys, conns) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        counters.commit as i64,
        counters.arrived as i64,
        keys,
        conns
    ])?;
    if counters.commit.is_multiple_of(PRUNE_EVERY) && counters.arrived > WINDOW {
        db.prepare_cached(
            "DELETE FROM arrival WHERE seq < (SELECT seq FROM arrival WHERE upto > ?1 ORDER BY seq LIMIT 1)",
        )?
        .execute([(counters.arrived - WINDOW) as i64])?;
    }
    Ok(())
}

/// An event that arrived, and the number of its connection; `None`: an older version did not keep it.
pub type Arrival = (EventKey, Option<i64>);

/// The events of a commit, as a row has them in the columns from `at` on.
fn arrivals(row: &Row<'_>, at: usize, seq: i64) -> Result<Vec<Arrival>, ReadError> {
    let keys = row.get_ref(at)?.as_blob().map_err(rusqlite::Error::from)?;
    let conns = row.get_ref(at + 1)?.as_blob_or_null().map_err(rusqlite::Error::from)?;
    let read = || -> Result<Vec<Arrival>, Short> {
        let (mut keys, mut conns) = (Reader::new(keys), conns.map(Reader::new));
        let (mut created_us, mut conn) = (0_i64, 0_i64);
        let mut found = Vec::new();
        while !keys.is_empty() {
            created_us = created_us.wrapping_add(keys.signed()?);
            let key = EventKey { created_us, hash: i64::from_le_bytes(keys.array()?) };
            if let Some(conns) = &mut conns {
                conn = conn.wrapping_add(conns.signed()?);
            }
            found.push((key, conns.is_some().then_some(conn)));
        }
        Ok(found)
    };
    Ok(read().map_err(|Short| StoreError::Damaged(format!("arrivals of commit {seq}")))?)
}

/// Keys behind a cursor, each with the cursor behind it, and whether some before them are no longer known.
pub fn after(
    db: &Connection,
    cursor: TailCursor,
    limit: usize,
) -> Result<(Vec<(TailCursor, Arrival)>, bool), ReadError> {
    let first: Option<i64> = db
        .prepare_cached("SELECT seq FROM arrival ORDER BY seq LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let gap = first.is_some_and(|first| first > 1 && cursor.commit < first as u64);
    let mut found = Vec::new();
    let mut statement = db.prepare_cached("SELECT seq, keys, conns FROM arrival WHERE seq >= ?1 ORDER BY seq")?;
    let mut rows = statement.query([i64::try_from(cursor.commit).unwrap_or(i64::MAX)])?;
    while found.len() < limit {
        let Some(row) = rows.next()? else { break };
        let seq: i64 = row.get(0)?;
        let (commit, arrivals) = (seq as u64, arrivals(row, 1, seq)?);
        let skip = if commit == cursor.commit { cursor.seen as usize } else { 0 };
        for (at, arrival) in arrivals.into_iter().enumerate().skip(skip).take(limit - found.len()) {
            found.push((TailCursor { commit, seen: at as u32 + 1 }, arrival));
        }
    }
    Ok((found, gap))
}

/// Events in order of arrival behind a cursor, as many as a page holds.
pub fn page(db: &Connection, names: &Names, from: TailCursor, limit: usize) -> Result<TailPage, ReadError> {
    let (found, mut gap) = after(db, from, limit)?;
    let end = end(db)?;
    if from > end {
        // A cursor of another life of this store, before a restored backup.
        return Ok(TailPage { events: Vec::new(), next: end, more: false, gap: true });
    }
    let (mut next, mut more) = (from, found.len() == limit);
    let (mut events, mut bytes) = (Vec::with_capacity(found.len()), 0);
    let all = AllEvents::of(db, names)?;
    for (cursor, (key, conn)) in found {
        let event = match all.event(key, conn) {
            // Who follows goes on behind what is lost, and is told where to ask what it was.
            Err(ReadError::Store(StoreError::Damaged(what))) => {
                tracing::warn!("an event is left out of what arrives: {what}");
                gap = true;
                None
            }
            event => event?,
        };
        if let Some(event) = event {
            bytes += event.raw.len();
            if bytes > PAGE_BYTES_MAX && !events.is_empty() {
                more = true;
                break;
            }
            events.push((cursor, event));
        }
        next = cursor;
    }
    Ok(TailPage { events, next, more, gap })
}

/// The events of a commit with the numbers of their connections; `None` when that is not known any more.
pub fn of(db: &Connection, commit: i64) -> Result<Option<Vec<(EventKey, i64)>>, ReadError> {
    let mut statement = db.prepare_cached("SELECT keys, conns FROM arrival WHERE seq = ?1")?;
    let mut rows = statement.query([commit])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(arrivals(row, 0, commit)?.into_iter().map(|(key, conn)| Some((key, conn?))).collect())
}

/// Keys of every commit after one, and whether some of those commits are no longer known.
pub fn since(db: &Connection, commit: u64) -> Result<(Vec<Arrival>, bool), ReadError> {
    let mut statement = db.prepare_cached("SELECT seq, keys, conns FROM arrival WHERE seq > ?1 ORDER BY seq")?;
    let mut rows = statement.query([i64::try_from(commit).unwrap_or(i64::MAX)])?;
    let (mut found, mut next) = (Vec::new(), commit.saturating_add(1));
    while let Some(row) = rows.next()? {
        let seq = row.get::<_, i64>(0)? as u64;
        if seq != next {
            return Ok((Vec::new(), true));
        }
        next = seq.saturating_add(1);
        found.extend(arrivals(row, 1, seq as i64)?);
    }
    Ok((found, false))
}

/// The newest place.
pub fn end(db: &Connection) -> Result<TailCursor, ReadError> {
    let mut statement = db.prepare_cached("SELECT seq, keys, conns FROM arrival ORDER BY seq DESC LIMIT 1")?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(TailCursor::default()) };
    let seq: i64 = row.get(0)?;
    Ok(TailCursor { commit: seq as u64, seen: arrivals(row, 1, seq)?.len() as u32 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_arrivals_go_and_the_gap_is_told() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(
            "CREATE TABLE arrival (seq INTEGER PRIMARY KEY, upto INTEGER NOT NULL, keys BLOB NOT NULL, conns BLOB)",
        )
        .unwrap();
        let mut counters = Counters::default();
        let key = EventKey { created_us: -5, hash: i64::MIN };
        for _ in 0..PRUNE_EVERY * 2 {
            counters.commit += 1;
            counters.arrived += 20_000;
            add(&db, &counters, &[(key, 3), (EventKey { hash: 7, ..key }, -1)]).unwrap();
        }
        let kept: i64 = db.query_row("SELECT count(*) FROM arrival", [], |row| row.get(0)).unwrap();
        assert_eq!(kept as u64, WINDOW / 20_000);
        let first = PRUNE_EVERY * 2 - WINDOW / 20_000 + 1;
        let ask = |commit, seen| after(&db, TailCursor { commit, seen }, 3).map_err(|_| "failed").unwrap();
        assert_eq!(ask(1, 0), (ask(first, 0).0, true));
        let at = |commit, seen| TailCursor { commit, seen };
        assert_eq!(
            ask(first, 1),
            (
                vec![
                    (at(first, 2), (EventKey { hash: 7, ..key }, Some(-1))),
                    (at(first + 1, 1), (key, Some(3))),
                    (at(first + 1, 2), (EventKey { hash: 7, ..key }, Some(-1)))
                ],
                false
            )
        );
        assert_eq!(last(&db).unwrap(), (counters.commit, counters.arrived));
    }
}
