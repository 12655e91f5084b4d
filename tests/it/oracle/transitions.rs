//! From every status, what every signal leads to: a table that a person can read, and proof that it is complete.

use super::{
    folded::{Life, facts},
    golden::SNAPSHOTS,
};
use lifeline::lifecycle::{Fact, Signal, Status};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// The id of a sync that runs, where one does.
const SYNC: &str = "81425270-7832-4028-aa06-71f3f5840c4f";
const EARLIER: &str = "43c4fba0-60f6-4b1c-8309-ced0300ccc57";

/// A line of the life, at a second of its day.
fn line(second: u32, event: &str, sync: Option<&str>, data: Value) -> String {
    let created = format!("2026-03-31T12:{:02}:{:02}Z", second / 60, second % 60);
    let mut line = json!({"event": event, "created": created, "connection_id": "shop", "connection_name": "shop",
                          "connector_type": "postgres"});
    if let Some(sync) = sync {
        line["sync_id"] = json!(sync);
    }
    if !data.is_null() {
        line["data"] = data;
    }
    line.to_string()
}

fn who() -> Value {
    json!({"actor": "ada@example.com", "id": "shop"})
}

fn ended(status: &str) -> Value {
    json!({"status": status, "reason": "that is why", "rescheduledAt": "2026-03-31T18:00:00Z"})
}

/// The shortest ways into each status.
fn histories() -> Vec<(Status, Vec<String>)> {
    let whole = |from: u32, status: &str| {
        vec![
            line(from, "sync_start", Some(EARLIER), Value::Null),
            line(from + 5, "sync_end", Some(EARLIER), ended(status)),
        ]
    };
    let created = || vec![line(0, "create_connector", None, who())];
    let and = |mut life: Vec<String>, more: Vec<String>| {
        life.extend(more);
        life
    };
    vec![
        (Status::New, created()),
        (Status::SetupIncomplete, and(created(), vec![line(5, "connection_failure", None, who())])),
        (Status::Paused, and(whole(10, "SUCCESSFUL"), vec![line(20, "pause_connector", None, who())])),
        (Status::InitialSync, and(created(), vec![line(10, "sync_start", Some(SYNC), Value::Null)])),
        (Status::Syncing, and(whole(10, "SUCCESSFUL"), vec![line(20, "sync_start", Some(SYNC), Value::Null)])),
        (Status::Connected, whole(10, "SUCCESSFUL")),
        (Status::Rescheduled, whole(10, "RESCHEDULED")),
        (Status::Broken, whole(10, "FAILURE")),
        (Status::Deleted, and(whole(10, "SUCCESSFUL"), vec![line(20, "delete_connector", None, who())])),
    ]
}

/// One line or more for every signal.
fn signals() -> Vec<(&'static str, String)> {
    let of_sync = |event: &str, data: Value| line(60, event, Some(SYNC), data);
    let of_person = |event: &str, more: Value| {
        let mut data = who();
        for (name, value) in more.as_object().into_iter().flatten() {
            data[name] = value.clone();
        }
        line(60, event, None, data)
    };
    let table = json!({"schema": "shop", "table": "orders"});
    let priority = "This is intended behavior and means that the connection is working as expected.";
    vec![
        ("sync starts", of_sync("sync_start", Value::Null)),
        ("sync ends: SUCCESSFUL", of_sync("sync_end", ended("SUCCESSFUL"))),
        ("sync ends: FAILURE", of_sync("sync_end", ended("FAILURE"))),
        ("sync ends: FAILURE_WITH_TASK", of_sync("sync_end", ended("FAILURE_WITH_TASK"))),
        ("sync ends: RESCHEDULED", of_sync("sync_end", ended("RESCHEDULED"))),
        ("sync ends: priority first", of_sync("sync_end", json!({"status": "RESCHEDULED", "reason": priority}))),
        ("sync ends: CANCELED", of_sync("sync_end", ended("CANCELED"))),
        ("sync ends: another word", of_sync("sync_end", ended("NO_STATUS"))),
        ("sync ends: no word", of_sync("sync_end", Value::Null)),
        ("status: SUCCESSFUL", of_sync("status", ended("SUCCESSFUL"))),
        ("status: FAILURE", of_sync("status", ended("FAILURE"))),
        ("status: priority first", of_sync("status", json!({"status": "RESCHEDULED", "reason": priority}))),
        ("reading begins", of_sync("read_start", json!({}))),
        ("reading ends", of_sync("read_end", json!({}))),
        ("writing begins", of_sync("write_to_table_start", table.clone())),
        ("writing ends", of_sync("write_to_table_end", table.clone())),
        ("records read", of_sync("processed_records", json!({"table": "orders", "recordsCount": 3}))),
        (
            "rows modified",
            of_sync(
                "records_modified",
                json!({"schema": "shop", "table": "orders", "operationType": "UPDATED", "count": 3}),
            ),
        ),
        ("extract summary", of_sync("extract_summary", json!({"total_queries": 3}))),
        ("API call", of_sync("api_call", json!({"uri": "https://example.com"}))),
        ("sync stats", of_sync("sync_stats", json!({"total_time_s": 3}))),
        ("import progress", of_sync("import_progress", json!({"tableProgress": {"shop.orders": "NOT_STARTED"}}))),
        ("SQL query", of_sync("sql_query", json!({"query": "SELECT 1"}))),
        ("state kept", line(60, "update_state", None, json!({}))),
        ("info", line(60, "info", None, json!({"message": "note"}))),
        ("warning", of_sync("warning", json!({"type": "skip_table", "table": "orders"}))),
        ("error in a sync", of_sync("error", json!({"type": "sync_error", "message": "no"}))),
        ("error outside", line(60, "error", None, json!({"type": "sync_error", "message": "no"}))),
        ("created", of_person("create_connector", json!({}))),
        ("tests started", of_person("test_connector_connection", json!({"testCount": 1}))),
        ("test passed", of_person("connection_successful", json!({"testName": "Reach"}))),
        ("test failed", of_person("connection_failure", json!({"testName": "Reach"}))),
        ("schema changed", of_person("change_schema_config", json!({"properties": {"ENABLED": ["shop"]}}))),
        ("table made by a sync", of_sync("create_table", json!({"schema": "shop", "name": "orders"}))),
        ("re-sync", of_person("resync_connector", json!({}))),
        ("manual sync", of_person("force_update_connector", json!({}))),
        ("paused", of_person("pause_connector", json!({}))),
        ("resumed", of_person("resume_connector", json!({}))),
        ("edited", of_person("edit_connector", json!({"editType": "CREDENTIALS"}))),
        (
            "edited: setup incomplete",
            line(
                60,
                "edit_connection",
                None,
                json!({"userId": "u", "primaryResourceType": "CONNECTION", "action": "EDIT",
                 "oldValues": {"setup_status": "connected"}, "newValues": {"setup_status": "incomplete"}}),
            ),
        ),
        ("deleted", of_person("delete_connector", json!({}))),
        ("support access", line(60, "diagnostic_access_granted", None, json!({"requester": "helper"}))),
        ("transformation runs", line(60, "transformation_start", None, json!({"id": "job", "name": "nightly"}))),
        ("unknown event", line(60, "event_of_next_year", None, json!({}))),
    ]
}

/// Every name that a signal can have. No catch-all: a new signal has to be added here, and then to the table.
fn known_name(signal: &Signal) -> &'static str {
    match signal {
        Signal::SyncStart
        | Signal::SyncEnd(_)
        | Signal::SyncStatus(_)
        | Signal::ReadStart
        | Signal::ReadEnd
        | Signal::WriteStart(_)
        | Signal::WriteEnd(_)
        | Signal::Processed(..)
        | Signal::RecordsModified(_)
        | Signal::Extracted(_)
        | Signal::ApiCall
        | Signal::SyncStats(_)
        | Signal::ImportProgress(_)
        | Signal::Work(_)
        | Signal::Info(_)
        | Signal::Warning(_)
        | Signal::Error(_)
        | Signal::Created(_)
        | Signal::TestsStarted(..)
        | Signal::Tested(_)
        | Signal::SchemaChanged(_)
        | Signal::Resync(_)
        | Signal::ManualSync(_)
        | Signal::Paused(_)
        | Signal::Resumed(_)
        | Signal::Edited(_)
        | Signal::Deleted(_)
        | Signal::Support(_)
        | Signal::Run(_)
        | Signal::News(_)
        | Signal::Unused(_) => signal.name(),
    }
}

/// How many variants [`known_name`] lists.
const SIGNALS: usize = 30;

fn life(lines: &[String]) -> (Life, Vec<Fact>) {
    let facts = facts(lines).remove(&Some("shop".to_owned())).expect("facts of the connection");
    (Life::of(&facts), facts)
}

#[test]
fn every_signal_is_met_in_every_status() {
    let mut table = String::new();
    let _ = write!(table, "{:<30}", "from");
    for status in Status::ALL {
        let _ = write!(table, " {:<16}", status.as_str());
    }
    let mut reached: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (what, line) in signals() {
        let _ = write!(table, "\n{what:<30}");
        for (from, history) in histories() {
            let (before, facts) = life(&history);
            let before = before.summary.expect("a summary");
            assert_eq!(before.status, from, "the history of {}", from.as_str());
            let all: Vec<String> = history.iter().cloned().chain([line.clone()]).collect();
            let (after, with) = life(&all);
            assert_eq!(with.len(), facts.len() + 1, "{what}");
            let signal = &with.last().expect("facts").signal;
            reached.entry(known_name(signal)).or_default().insert(from.as_str());
            let after = after.summary.expect("a summary").status;
            let cell = if after == from { "." } else { after.as_str() };
            let _ = write!(table, " {cell:<16}");
        }
    }
    assert_eq!(reached.len(), SIGNALS, "signals that were met: {:?}", reached.keys());
    assert!(reached.values().all(|from| from.len() == Status::ALL.len()), "{reached:?}");
    let lines: Vec<&str> = table.lines().map(str::trim_end).collect();
    insta::with_settings!({snapshot_path => SNAPSHOTS, prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!("transitions", lines.join("\n"));
    });
}
