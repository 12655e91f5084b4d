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

/// The look-up of syncs is written when their events leave the journal; until then memory knows them, after a crash as well.
#[test]
fn syncs_are_found_before_and_after_they_are_entered() {
    let dir = tempfile::tempdir().unwrap();
    let entered = || count(dir.path(), "SELECT count(*) FROM sync_lookup");
    let asked = |store: &SqliteStore, sync: &str| {
        let filter = EventFilter { sync_id: Some(sync.into()), ..EventFilter::default() };
        pages(store, &filter, Order::Asc, 2).unwrap().len()
    };
    let mut uuids = (0..6).map(contract::sample).collect::<Vec<_>>();
    uuids.iter_mut().for_each(|new| {
        new.event.sync_id = Some("5d5a9d2b-3f52-4ea6-8715-7ea666eb274a".into());
        new.key.hash ^= 1;
    });
    let store = open(dir.path());
    append(&store, (0..20).map(contract::sample).collect()).unwrap();
    append(&store, uuids).unwrap();
    for _ in 0..2 {
        assert_eq!(entered(), 0);
        let store = open(copied(dir.path()).path());
        assert_eq!(asked(&store, "sync 2"), 5);
        assert_eq!(asked(&store, "5d5a9d2b-3f52-4ea6-8715-7ea666eb274a"), 6);
        assert_eq!(asked(&store, "5d5a9d2b-3f52-4ea6-8715-7ea666eb274b"), 0);
    }
    assert!(seal(&store));
    // Each with every connection that it was seen with.
    let expected =
        store.events(&EventQuery { filter: EventFilter::default(), order: Order::Asc, after: None, limit: 100 });
    let seen = expected.unwrap().events.into_iter().map(|it| (it.event.sync_id, it.event.connection_id));
    assert_eq!(entered() as usize, seen.collect::<BTreeSet<_>>().len());
    assert_eq!((asked(&store, "sync 2"), asked(&store, "5d5a9d2b-3f52-4ea6-8715-7ea666eb274a")), (5, 6));
    // What comes later is found beside it.
    append(&store, vec![contract::sample(14), contract::sample(10_014)]).unwrap();
    append(&store, vec![NewEvent { key: EventKey { created_us: 7, hash: 7 }, ..contract::sample(13) }]).unwrap();
    assert_eq!(asked(&store, "sync 2"), 6);
}

#[test]
fn what_has_much_beside_its_body_stays_a_row() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let sample = |n: i64, bytes: usize| {
        let mut new = contract::sample(n);
        new.event.connector_type = Some("t".repeat(bytes));
        new
    };
    let events: Vec<NewEvent> = (0..40).map(|n| sample(n, if n % 4 == 0 { 3_000 } else { 1_500 })).collect();
    append(&store, events.clone()).unwrap();
    assert!(seal(&store));
    assert_eq!(count(dir.path(), "SELECT count(*) FROM event"), 10);
    assert_eq!(count(dir.path(), "SELECT sum(n) FROM block"), 30);
    for new in &events {
        contract::assert_same(&store.event(EventId(new.key)).unwrap().unwrap(), new);
    }
}
