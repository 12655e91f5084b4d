//! Questions in SQL beside the process that holds the store.

use super::*;
use crate::{
    query::render::event_json,
    store::{
        EventFilter, EventQuery, Order,
        sqlite::{AskError, Asked, Cell, DATABASE, Rows},
    },
};
use rusqlite::Connection;
use serde_json::json;
use std::{io, path::PathBuf, time::Duration};

/// Rows as JSON, for comparing.
#[derive(Default)]
struct Found {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

impl Rows for Found {
    fn columns(&mut self, names: &[String]) -> io::Result<()> {
        self.columns = names.to_vec();
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        let value = |cell: &Cell<'_>| match cell {
            Cell::Null => Value::Null,
            Cell::Integer(number) => json!(number),
            Cell::Real(number) => json!(number),
            Cell::Text(text) => json!(text),
            Cell::Blob(bytes) => json!(hex::encode(bytes)),
        };
        self.rows.push(cells.iter().map(value).collect());
        Ok(())
    }
}

fn try_ask(dir: &Path, sql: &str) -> Result<Found, AskError> {
    let mut found = Found::default();
    Asked::open(dir, Some(Duration::from_secs(60)))?.ask(sql, &mut found)?;
    Ok(found)
}

#[track_caller]
fn ask(dir: &Path, sql: &str) -> Vec<Vec<Value>> {
    try_ask(dir, sql).unwrap_or_else(|error| panic!("{sql}: {error}")).rows
}

/// Events of every odd kind: no connection, no object, nanoseconds, before 1970, interned nowhere, delivered twice.
fn odd_events() -> Vec<NewEvent> {
    let mut events: Vec<NewEvent> = (0..30).map(contract::sample).collect();
    events[1].event.connection_id = None;
    events[2].raw = "no object".into();
    events[3].event.data = None;
    events[4].event.exception_id = Some("abc".into());
    events[5].event.connection_name = Some("shop \"a\"\u{1b}[2J".into());
    events[6].event.sync_id = Some("5d5a9d2b-3f52-4ea6-8715-7ea666eb274a".into());
    for (at, created) in [
        (7, "2026-07-07T16:35:14.123456789Z"),
        (8, "1969-12-31T23:59:59.5Z"),
        (9, "2026-07-07T16:35:14Z"),
        (10, "2026-07-07T16:35:14.100000000Z"),
        (11, "9999-12-31T23:59:59.999999Z"),
    ] {
        let created = Timestamp::parse(created).unwrap();
        events[at].event.created = created;
        events[at].key.created_us = created.micros();
    }
    events[12].event.connector_type = Some("t".repeat(3000));
    events[13].event.destination = Some("d".repeat(3000));
    events
}

/// What the relation says of an event, as the answers have it.
fn expected(stored: &crate::model::StoredEvent) -> Value {
    let view = event_json(stored, true);
    json!({
        "id": view["id"], "source": view["source"], "event": view["event"], "family": view["family"], "level": view["level"],
        "created": view["created"], "created_us": stored.event.created.micros(), "received": view["received"],
        "received_us": stored.received_us, "connection_id": view["connection_id"], "connection_name": view["connection_name"],
        "connector_type": view["connector_type"], "sync_id": view["sync_id"], "exception_id": view["exception_id"],
        "destination": view["destination"], "data": stored.event.data.as_ref().map(ToString::to_string),
        "validation": view["validation"]["status"], "protocol": view["delivery"]["protocol"],
        "token": view["delivery"]["token"], "deliveries": view["deliveries"], "raw": view["raw"],
    })
}

#[test]
fn the_relation_says_what_answers_say() {
    let dir = tempfile::tempdir().unwrap();
    // Few numbers, so that most kinds and shapes stay with their events.
    for interned_max in [SqliteOptions::default().interned_max, 2] {
        let dir = dir.path().join(interned_max.to_string());
        let store = SqliteStore::open(&dir, SqliteOptions { interned_max, ..options() }).unwrap();
        append(&store, odd_events()).unwrap();
        let mut again = odd_events().swap_remove(14);
        again.event.connection_name = Some("told later".into());
        again.event.destination = Some("also later".into());
        append(&store, vec![again]).unwrap();
        let query = EventQuery { filter: EventFilter::default(), order: Order::Asc, after: None, limit: 1000 };
        let stored = store.events(&query).unwrap().events;
        assert_eq!(stored.len(), 30);
        let found = try_ask(&dir, "SELECT * FROM events ORDER BY created_us, id").unwrap();
        for (row, stored) in found.rows.into_iter().zip(&stored) {
            let row: Map<String, Value> = found.columns.iter().cloned().zip(row).collect();
            assert_eq!(Value::Object(row), expected(stored));
        }
        assert!(
            stored.iter().any(|it| it.deliveries == 2 && it.event.connection_name.as_deref() == Some("told later"))
        );
    }
}

#[test]
fn every_part_of_an_or_has_its_events() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, (0..200).map(contract::sample).collect()).unwrap();
    let times = ask(dir.path(), "SELECT created_us FROM events ORDER BY created_us");
    let at = |place: usize| times[place][0].as_i64().unwrap();
    let count = |condition: String| {
        let found = ask(dir.path(), &format!("SELECT count(*) FROM events WHERE {condition}"));
        found[0][0].as_u64().unwrap()
    };
    let (one, two, three) = (at(50), at(120), at(150));
    let before = times.iter().filter(|row| row[0].as_i64().unwrap() < one).count() as u64;
    let after = times.iter().filter(|row| row[0].as_i64().unwrap() >= three).count() as u64;
    assert!(before > 20 && after > 20);
    assert_eq!(count(format!("created_us < {one} OR created_us >= {three}")), before + after);
    assert_eq!(count(format!("created_us < {one} OR created_us < {two} OR created_us >= {three}")), {
        times.iter().filter(|row| row[0].as_i64().unwrap() < two).count() as u64 + after
    });
    let of = |condition: &str| count(format!("({condition})"));
    let (here, there) = (
        of(&format!("connection_id = 'conn_1' AND created_us < {one}")),
        of(&format!("connection_id = 'conn_2' AND created_us >= {three}")),
    );
    assert!(here > 0 && there > 0);
    assert_eq!(
        count(format!(
            "(connection_id = 'conn_1' AND created_us < {one}) OR (connection_id = 'conn_2' AND created_us >= {three})"
        )),
        here + there
    );
}

#[test]
fn a_question_sees_what_was_acknowledged_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 0..5 {
        append(&store, vec![contract::sample(n)]).unwrap();
        assert_eq!(ask(dir.path(), "SELECT count(*) FROM events"), [[json!(n + 1)]]);
    }
    drop(store);
    assert_eq!(ask(dir.path(), "SELECT count(*) FROM events WHERE connection_id = 'conn_1'"), [[json!(2)]]);
    let store = open(dir.path());
    assert_eq!(store.stats().events, 5, "who asks leaves nothing behind that is in the way");
}

#[test]
fn the_indexes_answer_for_connections_and_times() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, odd_events()).unwrap();
    let connection = "SEARCH c USING COVERING INDEX sqlite_autoindex_connection_1 (connection_id=?)";
    // 1: of one connection; 2: from a time; 4: up to a time; 8: in order; 16: backwards.
    let in_time = "SCAN e VIRTUAL TABLE INDEX 7:";
    for (question, plan) in [
        ("id, data FROM events WHERE connection_id = 'x' AND created_us BETWEEN 1 AND 2", vec![connection, in_time]),
        (
            "raw FROM events WHERE connection_id = 'x' AND created_us >= unixepoch('2026-07-01') * 1000000",
            vec![connection, "SCAN e VIRTUAL TABLE INDEX 3:"],
        ),
        (
            "event, count(*) FROM events WHERE connection_id = 'x' AND created_us BETWEEN 1 AND 2 AND level = 'SEVERE' GROUP BY 1",
            vec![connection, in_time, "USE TEMP B-TREE FOR GROUP BY"],
        ),
        ("event FROM events WHERE created_us > 1 AND created_us < 9", vec!["SCAN e VIRTUAL TABLE INDEX 6:"]),
        ("id FROM events ORDER BY created_us DESC LIMIT 5", vec!["SCAN e VIRTUAL TABLE INDEX 24:"]),
    ] {
        let rows = ask(dir.path(), &format!("EXPLAIN QUERY PLAN SELECT {question}"));
        let found: Vec<&str> = rows.iter().filter_map(|row| row[3].as_str()).collect();
        assert_eq!(found, plan, "{question}");
    }
}

#[test]
fn what_is_no_question_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, odd_events()).unwrap();
    let before = store.stats();
    let elsewhere = dir.path().join("elsewhere.db");
    let attach = format!("ATTACH '{}' AS other", elsewhere.display());
    let vacuum = format!("VACUUM INTO '{}'", elsewhere.display());
    for sql in [
        "DELETE FROM event",
        "DELETE FROM journal",
        "UPDATE block SET n = 0",
        "UPDATE meta SET value = x'00'",
        "INSERT INTO meta VALUES ('a', x'00')",
        "DROP TABLE event",
        "DROP VIEW events",
        "CREATE TABLE t (a)",
        "CREATE TEMP TABLE t (a)",
        "CREATE TEMP VIEW v AS SELECT 1",
        "ALTER TABLE event ADD COLUMN x",
        "PRAGMA query_only = 0",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA user_version = 9",
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "PRAGMA optimize",
        "SELECT load_extension('x')",
        "BEGIN IMMEDIATE",
        "SAVEPOINT a",
        "REINDEX",
        "ANALYZE",
        "VACUUM",
        "EXPLAIN DELETE FROM event",
        "WITH a AS (SELECT 1) DELETE FROM event",
        "SELECT 1; DELETE FROM event",
        attach.as_str(),
        vacuum.as_str(),
        "DETACH main",
    ] {
        let error = try_ask(dir.path(), sql).err().unwrap_or_else(|| panic!("{sql} was done"));
        assert!(matches!(error, AskError::Refused(_)), "{sql}: {error:?}");
    }
    assert!(!elsewhere.exists());
    assert_eq!(store.stats().events, before.events);
    assert_eq!(ask(dir.path(), "SELECT count(*) FROM events"), [[json!(30)]]);
    let db = Connection::open(dir.path().join(DATABASE)).unwrap();
    assert_eq!(db.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0)).unwrap(), "wal");
}

#[test]
fn tables_can_be_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let _store = open(dir.path());
    for sql in [
        "PRAGMA table_info(event)",
        "SELECT name FROM pragma_table_xinfo('events')",
        "SELECT name, sql FROM sqlite_schema",
        "PRAGMA index_list(event)",
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 9) SELECT sum(n) FROM n",
        "VALUES (1), (2)",
        "SELECT value FROM json_each('[1,2]')",
        "SELECT 1; -- and no more",
    ] {
        assert!(!ask(dir.path(), sql).is_empty(), "{sql}");
    }
    for view in super::super::views::NAMES {
        try_ask(dir.path(), &format!("SELECT * FROM {view} LIMIT 1")).unwrap_or_else(|error| panic!("{view}: {error}"));
    }
}

#[test]
fn what_only_our_own_rooms_may_see_is_null() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(dir.path(), rows()).unwrap();
    wait(store.set_meta("redaction_key", vec![7; 32])).unwrap();
    let secret = |n| NewEvent { secret_digest: Some(77), ..contract::sample(n) };
    append(&store, vec![secret(1)]).unwrap();
    drop(store);
    store = open(dir.path());
    append(&store, vec![secret(2)]).unwrap();
    seal(&store);
    append(&store, vec![secret(3)]).unwrap();
    assert_eq!(ask(dir.path(), "SELECT value FROM meta WHERE key = 'redaction_key'"), [[Value::Null]]);
    assert_eq!(
        ask(dir.path(), "SELECT hash IS NULL, max(secret), hex(secret) FROM event"),
        [[json!(0), Value::Null, json!("")]]
    );
    // The digest is among what these hold.
    assert_eq!(ask(dir.path(), "SELECT seq, chunk FROM journal"), [[json!(3), Value::Null]]);
    assert_eq!(ask(dir.path(), "SELECT id, heads FROM block"), [[json!(1), Value::Null]]);
    assert_eq!(ask(dir.path(), "SELECT count(*) FROM token WHERE sha256 IS NOT NULL"), [[json!(0)]]);
}

#[test]
fn mistakes_are_told_in_their_place() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, odd_events()).unwrap();
    for (sql, told) in [
        ("SELEC 1", "near \"SELEC\": syntax error, at: SELEC 1"),
        ("SELECT nme FROM events", "no such column: nme, at: nme FROM events"),
        ("SELECT 1 FROM evnts", "no such table: evnts"),
        ("DELETE FROM events", "cannot modify events because it is a view"),
        ("SELECT 1; SELECT 2", "more than one statement; ask one at a time"),
        ("SELECT ?1", "a parameter has no value here; write the value itself"),
        ("", "there is no statement"),
        ("-- nothing", "there is no statement"),
        ("SELECT 1\0", "the statement holds a zero byte"),
        ("SELECT 'ä' + 日本", "no such column: 日本, at: 日本"),
        ("SELECT (1", "incomplete input"),
    ] {
        match try_ask(dir.path(), sql) {
            Err(AskError::Statement(found)) => assert_eq!(found, told, "{sql}"),
            Err(other) => panic!("{sql}: {other:?}"),
            Ok(_) => panic!("{sql} has an answer"),
        }
    }
    let failed = try_ask(dir.path(), "SELECT json(raw) FROM events").err();
    assert!(matches!(failed, Some(AskError::Failed(told)) if told == "malformed JSON"));
}

const ENDLESS: &str = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT sum(n) FROM n";

#[test]
fn a_question_ends_in_time_or_when_it_is_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let _store = open(dir.path());
    let short = Asked::open(dir.path(), Some(Duration::from_millis(50))).unwrap();
    assert!(matches!(short.ask(ENDLESS, &mut Found::default()), Err(AskError::TooSlow(0))));
    let stopped = Asked::open(dir.path(), None).unwrap();
    let stop = stopped.stop();
    let other = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        stop.stop();
    });
    assert!(matches!(stopped.ask(ENDLESS, &mut Found::default()), Err(AskError::Stopped)));
    other.join().unwrap();
}

#[test]
fn a_damaged_event_ends_the_answer_with_its_id() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), rows()).unwrap();
    let new = contract::sample(1);
    append(&store, vec![new.clone()]).unwrap();
    drop(store);
    let db = Connection::open(dir.path().join(DATABASE)).unwrap();
    db.execute("UPDATE event SET body = x'ff'", []).unwrap();
    drop(db);
    let id = crate::model::EventId(new.key);
    let failed = try_ask(dir.path(), "SELECT data FROM events").err().unwrap().to_string();
    assert_eq!(failed, format!("stored data is damaged: event {id}"));
    assert_eq!(ask(dir.path(), "SELECT id FROM events"), [[json!(id.to_string())]]);
}

#[test]
fn a_damaged_block_or_row_of_the_journal_ends_the_answer_with_what_it_held() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, vec![contract::sample(1), contract::sample(2)]).unwrap();
    seal(&store);
    append(&store, vec![contract::sample(3), contract::sample(6)]).unwrap();
    drop(store);
    let db = Connection::open(dir.path().join(DATABASE)).unwrap();
    let [one, three, six] = [1, 3, 6].map(|n| contract::sample(n).event.created.to_string().replace(".456", ".456000"));
    let told = |sql: &str| try_ask(dir.path(), sql).err().unwrap().to_string();
    db.execute("UPDATE journal SET chunk = CAST(x'ff' || substr(chunk, 2) AS BLOB)", []).unwrap();
    let lost = format!("stored data is damaged: journal row 2: 2 events of conn_0 from {three} to {six}");
    assert_eq!(told("SELECT data FROM events ORDER BY created_us DESC"), lost);
    let first = contract::sample(1).key.created_us;
    db.execute("UPDATE block SET bodies = CAST(x'ff' || substr(bodies, 2) AS BLOB) WHERE first = ?1", [first]).unwrap();
    let lost = format!("stored data is damaged: bodies of block 1: 1 events of conn_1 from {one} to {one}");
    assert_eq!(told("SELECT data FROM events WHERE connection_id = 'conn_1'"), lost);
    assert_eq!(ask(dir.path(), "SELECT count(*) FROM events WHERE connection_id = 'conn_2'"), [[json!(1)]]);
}

#[test]
fn a_directory_without_a_store_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let missing = |dir: PathBuf| matches!(try_ask(&dir, "SELECT 1"), Err(AskError::Missing(_)));
    assert!(missing(dir.path().to_owned()) && missing(dir.path().join("none")));
    std::fs::write(dir.path().join(DATABASE), "").unwrap();
    assert!(missing(dir.path().to_owned()));
    std::fs::write(dir.path().join(DATABASE), "no database at all, but some text of its own").unwrap();
    assert!(matches!(try_ask(dir.path(), "SELECT 1"), Err(AskError::Open(_))));
    std::fs::remove_file(dir.path().join(DATABASE)).unwrap();
    Connection::open(dir.path().join(DATABASE))
        .unwrap()
        .execute_batch("CREATE TABLE t (a); PRAGMA user_version = 1")
        .unwrap();
    assert!(matches!(try_ask(dir.path(), "SELECT 1"), Err(AskError::Open(_))));
}

#[test]
fn files_of_older_versions_are_read_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    for fixture in upgrade::FIXTURES {
        let file = zstd::bulk::decompress(fixture, 16 << 20).unwrap();
        std::fs::write(dir.path().join(DATABASE), file).unwrap();
        let rows =
            ask(dir.path(), "SELECT count(*), count(raw), min(deliveries) FROM events WHERE connection_id IS NOT NULL");
        assert!(rows[0][0].as_i64() >= Some(20) && rows[0][0] == rows[0][1] && rows[0][2] == 2, "{rows:?}");
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(dir.path().join(format!("{DATABASE}{end}")));
        }
    }
}
