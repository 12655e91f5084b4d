//! The sealed layout against the row store, which is the model: the same history gives the same answers, at every moment.

mod damage;
mod histories;
mod kills;
mod together;

use super::*;
use crate::{
    model::{EventId, StoredEvent},
    store::{EventFilter, EventQuery, Order, Outcome, TailCursor, sqlite::DATABASE},
};
use rusqlite::Connection;
use std::collections::BTreeSet;

/// All pages of a question.
fn pages(
    store: &SqliteStore,
    filter: &EventFilter,
    order: Order,
    limit: usize,
) -> Result<Vec<StoredEvent>, StoreError> {
    let mut query = EventQuery { filter: filter.clone(), order, after: None, limit };
    let mut found = Vec::new();
    loop {
        let page = store.events(&query)?;
        found.extend(page.events);
        query.after = page.next;
        if query.after.is_none() {
            return Ok(found);
        }
    }
}

fn all(store: &SqliteStore) -> Vec<StoredEvent> {
    pages(store, &EventFilter::default(), Order::Asc, 1000).unwrap()
}

/// Everything that arrived, in order.
fn arrivals(store: &SqliteStore, limit: usize) -> Vec<StoredEvent> {
    let (mut cursor, mut found) = (TailCursor::default(), Vec::new());
    loop {
        let page = store.tail(cursor, limit).unwrap();
        assert!(!page.gap);
        if page.events.is_empty() {
            assert_eq!(page.next, store.tail_end().unwrap());
            return found;
        }
        found.extend(page.events.into_iter().map(|(_, event)| event));
        cursor = page.next;
    }
}

fn count(dir: &Path, sql: &str) -> i64 {
    Connection::open(dir.join(DATABASE)).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Rows of the journal, blocks, and blocks that there ever were.
fn tiers(dir: &Path) -> (i64, i64, i64) {
    let ever = "SELECT ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'block'), 0)";
    (count(dir, "SELECT count(*) FROM journal"), count(dir, "SELECT count(*) FROM block"), count(dir, ever))
}

/// What no file may lose sight of: every event is in one place, but for rows that stand for what is in another.
#[track_caller]
fn in_one_place(dir: &Path, events: u64) {
    let db = Connection::open(dir.join(DATABASE)).unwrap();
    let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let sealed = number("SELECT ifnull(sum(n), 0) FROM block") + number("SELECT ifnull(sum(n), 0) FROM journal");
    let rows = number("SELECT count(*) FROM event");
    assert!(sealed <= events as i64 && sealed + rows >= events as i64, "{sealed} sealed and {rows} rows of {events}");
    assert_eq!(number("SELECT count(*) FROM block WHERE first > last OR n < 1"), 0);
    assert_eq!(number("SELECT events FROM tally"), events as i64);
    assert_eq!(db.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap(), "ok");
}
