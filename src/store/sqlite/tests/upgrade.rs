//! Files of every older version open and keep what they hold.

use super::*;
use crate::{
    model::EventId,
    store::{
        Lives as _, Order,
        lives::{LifeFilter, LifeQuery, LifeSort},
        sqlite::{DATABASE, schema},
    },
};

/// One file for each version, each made by [`make_the_fixture`] of its time.
const FIXTURES: &[&[u8]] = &[include_bytes!("fixtures/v1.db.zst"), include_bytes!("fixtures/v2.db.zst")];

/// What every fixture holds.
fn held() -> Vec<NewEvent> {
    let mut events: Vec<NewEvent> = (0..20).map(contract::sample).collect();
    events[3].raw = "no object".into();
    events[4].event.data = Some(serde_json::json!({"float": 0.1, "deep": [[null, {"k": -1}]]}));
    events[5].event.exception_id = Some("abc".into());
    events
}

#[test]
fn every_older_version_opens_with_its_events() {
    assert_eq!(FIXTURES.len() as i64, schema::VERSION, "a new version needs a new fixture");
    for fixture in FIXTURES {
        let dir = tempfile::tempdir().unwrap();
        let file = zstd::bulk::decompress(fixture, 16 << 20).unwrap();
        std::fs::write(dir.path().join(DATABASE), file).unwrap();
        let store = open(dir.path());
        assert_eq!(store.stats().events, 20);
        for new in held() {
            let stored = store.event(EventId(new.key)).unwrap().unwrap();
            contract::assert_same(&stored, &new);
            assert_eq!(stored.deliveries, 2);
        }
        // Lives are there, made now where that version had none.
        while wait(store.settle(None)).unwrap() > 0 {}
        for n in 0..3 {
            let summary = store.connection(&format!("conn_{n}"), None).unwrap().unwrap();
            assert_eq!(summary.events, (0..20).filter(|it| it % 3 == n).count() as u64);
        }
        let query =
            LifeQuery { filter: LifeFilter::default(), sort: LifeSort::Id, order: Order::Asc, after: None, limit: 10 };
        assert_eq!(store.connections(&query).unwrap().connections.len(), 3);
        assert!(append(&store, vec![contract::sample(30)]).is_ok());
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
    append(&store, held()).unwrap();
    append(&store, held()).unwrap();
    wait(store.close()).unwrap();
    let file = std::fs::read(dir.path().join(DATABASE)).unwrap();
    let path = format!("{}/src/store/sqlite/tests/fixtures/v{}.db.zst", env!("CARGO_MANIFEST_DIR"), schema::VERSION);
    std::fs::write(path, zstd::bulk::compress(&file, 19).unwrap()).unwrap();
}
