//! Files of every older version open and keep what they hold.

use super::*;
use crate::{
    audit::Log,
    model::EventId,
    store::{
        Lives as _, Order,
        lives::{LifeFilter, LifeQuery, LifeSort},
        sqlite::{DATABASE, schema},
    },
};

/// One file for each version, each made by [`make_the_fixture`] of its time.
pub(super) const FIXTURES: &[&[u8]] = &[
    include_bytes!("fixtures/v1.db.zst"),
    include_bytes!("fixtures/v2.db.zst"),
    include_bytes!("fixtures/v3.db.zst"),
    include_bytes!("fixtures/v4.db.zst"),
    include_bytes!("fixtures/v5.db.zst"),
];

/// What every fixture holds.
fn held() -> Vec<NewEvent> {
    let mut events: Vec<NewEvent> = (0..20).map(contract::sample).collect();
    events[3].raw = "no object".into();
    events[4].event.data = Some(serde_json::json!({"float": 0.1, "deep": [[null, {"k": -1}]]}).into());
    events[5].event.exception_id = Some("abc".into());
    events
}

/// What fixtures hold besides from version 3 on.
fn deeds() -> Vec<NewEvent> {
    (0..10).map(contract::trail::deed).collect()
}

#[test]
fn every_older_version_opens_with_its_events() {
    assert_eq!(FIXTURES.len() as i64, schema::VERSION, "a new version needs a new fixture");
    for (fixture, version) in FIXTURES.iter().zip(1..) {
        let dir = tempfile::tempdir().unwrap();
        let file = zstd::bulk::decompress(fixture, 16 << 20).unwrap();
        std::fs::write(dir.path().join(DATABASE), file).unwrap();
        let store = open(dir.path());
        let deeds = if version < 3 { Vec::new() } else { deeds() };
        assert_eq!(store.stats().events, 20 + deeds.len() as u64);
        for new in held().into_iter().chain(deeds.clone()) {
            let stored = store.event(EventId(new.key)).unwrap().unwrap();
            contract::assert_same(&stored, &new);
            assert_eq!(stored.deliveries, 2);
        }
        // Lives are there, made now where that version had none.
        while wait(store.settle(None)).unwrap() > 0 {}
        for n in 0..3 {
            let summary = store.connection(format!("conn_{n}").as_str().into(), None).unwrap().unwrap();
            let connection = Some(format!("conn_{n}"));
            let of_deeds = deeds.iter().filter(|new| new.event.connection_id == connection).count();
            assert_eq!(summary.events, ((0..20).filter(|it| it % 3 == n).count() + of_deeds) as u64);
        }
        let query =
            LifeQuery { filter: LifeFilter::default(), sort: LifeSort::Id, order: Order::Asc, after: None, limit: 10 };
        assert_eq!(store.connections(&query).unwrap().connections.len(), if version < 3 { 3 } else { 4 });
        assert!(append(&store, vec![contract::sample(30)]).is_ok());
        let store: SharedStore = Arc::new(store);
        assert_eq!(contract::trail::assert_tree(&store, Log::Trail).len(), deeds.len());
        assert!(append_again(&store, deeds.len()), "what is recorded is not recorded again, the next deed is");
    }
}

fn append_again(store: &SharedStore, known: usize) -> bool {
    let before = store.trail().size(Log::Trail).unwrap();
    let mut events = deeds();
    events.push(contract::trail::deed(77));
    wait(store.append(batch(events))).unwrap();
    let new = if known == 0 { 11 } else { 1 };
    contract::trail::assert_tree(store, Log::Trail).len() as u64 == before + new
}

/// The older fixtures hold nothing that makes a record; these hold some that have none yet.
#[test]
fn deeds_of_older_versions_get_their_records() {
    for fixture in &FIXTURES[..2] {
        let dir = tempfile::tempdir().unwrap();
        let file = zstd::bulk::decompress(fixture, 16 << 20).unwrap();
        std::fs::write(dir.path().join(DATABASE), file).unwrap();
        // As that version would have stored them.
        let newest = zstd::bulk::decompress(FIXTURES[2], 16 << 20).unwrap();
        std::fs::write(dir.path().join("newest.db"), newest).unwrap();
        let db = rusqlite::Connection::open(dir.path().join(DATABASE)).unwrap();
        db.execute("ATTACH ?1 AS newest", [dir.path().join("newest.db").to_str()]).unwrap();
        db.execute_batch(
            "INSERT INTO kind SELECT id + 1000, text FROM newest.kind WHERE text NOT IN (SELECT text FROM kind);
             INSERT INTO label SELECT id + 1000, text FROM newest.label WHERE text NOT IN (SELECT text FROM label);
             INSERT INTO shape SELECT id + 1000, text FROM newest.shape WHERE text NOT IN (SELECT text FROM shape);
             INSERT OR IGNORE INTO connection SELECT id + 1000, source, connection_id FROM newest.connection;
             INSERT OR IGNORE INTO event SELECT created, hash,
               (SELECT o.id FROM connection o JOIN newest.connection n USING (connection_id) WHERE n.id = e.conn),
               (SELECT o.id FROM label o JOIN newest.label n USING (text) WHERE n.id = e.label),
               (SELECT o.id FROM kind o JOIN newest.kind n USING (text) WHERE n.id = e.kind),
               ifnull((SELECT o.id FROM shape o JOIN newest.shape n USING (text) WHERE n.id = e.shape), 0),
               notable, received, sync, secret, spill, body FROM newest.event e;",
        )
        .unwrap();
        drop(db);
        std::fs::remove_file(dir.path().join("newest.db")).unwrap();
        let store: SharedStore = Arc::new(open(dir.path()));
        while store.trail().filling().unwrap() {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let records = contract::trail::assert_tree(&store, Log::Trail);
        assert_eq!(records.len(), deeds().len());
        assert!(records.is_sorted_by_key(|it| it.at), "in the order of their keys");
    }
}

#[test]
fn an_empty_file_becomes_the_newest_version() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(DATABASE), "").unwrap();
    assert_eq!(open(dir.path()).stats().events, 0);
    let db = rusqlite::Connection::open(dir.path().join(DATABASE)).unwrap();
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, schema::VERSION);
}

/// `cargo test make_the_fixture -- --ignored`, once for each new version, before it is released.
#[test]
#[ignore = "a tool: writes the fixture of the present version"]
fn make_the_fixture() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    // Some in blocks, some in the journal.
    append(&store, held()).unwrap();
    seal(&store);
    for events in [deeds(), held(), deeds()] {
        append(&store, events).unwrap();
    }
    wait(store.close()).unwrap();
    let file = std::fs::read(dir.path().join(DATABASE)).unwrap();
    let path = format!("{}/src/store/sqlite/tests/fixtures/v{}.db.zst", env!("CARGO_MANIFEST_DIR"), schema::VERSION);
    std::fs::write(path, zstd::bulk::compress(&file, 19).unwrap()).unwrap();
}
