//! Tests of the SQLite store, and the tools that made its dictionary and its fixtures.

mod absorb;
mod ask;
mod dictionary;
mod disk_errors;
mod faults;
mod laws;
mod lives;
mod pages;
mod power;
mod retention;
mod sealed;
mod trail;
mod upgrade;
mod vfs;

use super::{DATABASE, Layout, Sealing, SqliteOptions, SqliteStore};
use crate::{
    model::{
        CreatedFrom, Delivery, Event, EventKey, Family, Level, NewEvent, NewQuarantine, Source, Status, Timestamp,
        Verdict,
    },
    store::{Appended, Batch, SharedStore, Store as _, StoreError, contract},
};
use serde_json::{Map, Value};
use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::Path,
    sync::Arc,
};

/// Without the ballast, which most tests do not need.
fn options() -> SqliteOptions {
    SqliteOptions { ballast_bytes: 0, ..SqliteOptions::default() }
}

/// Each event a row.
fn rows() -> SqliteOptions {
    SqliteOptions { layout: Layout::Rows, ..options() }
}

/// Blocks are made all the time, of so many events, and joined again and again.
fn sealing(events_max: usize) -> SqliteOptions {
    SqliteOptions { sealing: Sealing { events_max, ..Sealing::default() }, ..options() }
}

/// Every way to keep events that makes a difference, by a number.
fn way(number: u64) -> SqliteOptions {
    match number % 5 {
        0 => sealing(7),
        1 => rows(),
        2 => sealing(1),
        3 => options(),
        _ => sealing(50),
    }
}

/// How many there are.
const WAYS: u64 = 5;

fn open(dir: &Path) -> SqliteStore {
    SqliteStore::open(dir, options()).unwrap()
}

/// As it stands, after a crash if it is open.
fn copied(from: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in [DATABASE.to_owned(), format!("{DATABASE}-wal")] {
        if from.join(&name).exists() {
            std::fs::copy(from.join(&name), dir.path().join(&name)).unwrap();
        }
    }
    dir
}

/// Makes blocks of everything in the journal; false when that cannot be done now.
fn seal(store: &SqliteStore) -> bool {
    let (done, sealed) = tokio::sync::oneshot::channel();
    store.shared.bell.seal_all(done);
    sealed.blocking_recv().is_ok()
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    contract::wait(future)
}

fn batch(events: Vec<NewEvent>) -> Batch {
    Batch {
        delivery: Delivery { protocol: "splunk_hec", token: Arc::from("default") },
        events,
        quarantine: Vec::<NewQuarantine>::new(),
        ack_channel: None,
    }
}

fn append(store: &SqliteStore, events: Vec<NewEvent>) -> Result<Appended, StoreError> {
    wait(store.append(batch(events)))
}

/// A plain reading of a line of Fivetran's log, as the rooms before the store would give it.
fn from_line(line: &str) -> NewEvent {
    let value: Value = serde_json::from_str(line).unwrap();
    let text = |names: &[&str]| names.iter().find_map(|name| value[*name].as_str()).map(str::to_owned);
    let name = text(&["event"]).unwrap_or_default();
    let created = Timestamp::parse(value["created"].as_str().unwrap_or("2026-01-01T00:00:00Z")).unwrap();
    let mut data = value["data"].clone();
    let mut normalized = Vec::new();
    for (old, new) in [("connector_id", "connection_id"), ("connector_name", "connection_name")] {
        if value.get(old).is_some() && value.get(new).is_none() {
            normalized.push(old.into());
        }
    }
    if let Some(total) = data.as_object_mut().and_then(|data| data.remove("totalQueries")) {
        data["total_queries"] = total;
        normalized.push("data.totalQueries".into());
    }
    let level = match name.as_str() {
        "error" => Level::Severe,
        "warning" => Level::Warning,
        _ => Level::Info,
    };
    let mut hasher = DefaultHasher::new();
    line.hash(&mut hasher);
    NewEvent {
        key: EventKey { created_us: created.micros(), hash: hasher.finish() as i64 },
        event: Event {
            source: Source::Fivetran,
            name: name.clone(),
            original_name: None,
            family: Family::Connector,
            level,
            level_given: false,
            created,
            created_from: CreatedFrom::Event,
            connection_id: text(&["connection_id", "connector_id"]),
            connection_name: text(&["connection_name", "connector_name"]),
            connector_type: text(&["connector_type"]),
            sync_id: text(&["sync_id"]),
            exception_id: None,
            destination: None,
            destination_given: false,
            data: Some(data).filter(|data| !data.is_null()).map(Into::into),
            extra: Map::new(),
            normalized,
            conflicts: Vec::new(),
        },
        verdict: Verdict { status: Status::Valid, schema: Some(name), errors: Vec::new() },
        raw: line.to_owned(),
        data_at: None,
        received_us: created.micros() + 1_234_567,
        secret_digest: None,
    }
}

#[test]
fn the_contract_of_every_store_holds() {
    for number in 0..WAYS {
        let dirs = std::sync::Mutex::new(Vec::new());
        contract::run(|| {
            let dir = tempfile::tempdir().unwrap();
            let store: SharedStore = Arc::new(SqliteStore::open(dir.path(), way(number)).unwrap());
            dirs.lock().unwrap().push(dir);
            store
        });
    }
}
