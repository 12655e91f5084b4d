//! What every known event says, read through the project's own normaliser.

mod families;
mod laws;
mod render;

use super::super::{Fact, Labels, Signal};
use crate::{
    model::{Hints, NewEvent, Payload, Record, Source},
    pipeline::Understanding,
    redact::Redactor,
    validate::Schemas,
};
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    sync::{Arc, LazyLock},
};

static UNDERSTANDING: LazyLock<Understanding> =
    LazyLock::new(|| Understanding::new(Arc::new(Schemas::builtin()), Arc::new(Redactor::new([7; 32]))));

/// Names that mean nothing to a connection's life: those of the account, its destinations, teams and users, and retired ones
/// whose members are documented nowhere.
const OF_THE_ACCOUNT: &[&str] = &[
    "apply_tier_limitation",
    "connect_bi_tool",
    "create_destination",
    "create_file_upload_table",
    "create_team",
    "create_user",
    "create_warehouse",
    "delete_destination",
    "delete_team",
    "delete_user",
    "delete_warehouse",
    "disconnect_bi_tool",
    "dismiss_warning",
    "edit_account",
    "edit_destination",
    "edit_team",
    "edit_user",
    "generate_api_secret",
    "logplex_messages_dropped",
    "remove_file_upload_table",
    "signin_warehouse",
    "signout_warehouse",
    "test_event",
    "update_bi_tool",
    "update_warehouse",
    "upload_file",
];

fn root(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Names of all events that have a schema.
fn known_names() -> Vec<String> {
    let folders = std::fs::read_dir(root("schemas/event")).expect("the schemas");
    let mut names: Vec<String> =
        folders.map(|folder| folder.expect("a folder").file_name().into_string().expect("a name")).collect();
    names.sort();
    assert!(names.len() > 80, "the schemas are where they are looked for");
    names
}

fn understood(line: &str) -> NewEvent {
    // A neighbour's name begins with the neighbour's.
    let of = |source: &Source| line.contains(&format!(r#""event":"{}"#, source.as_str()));
    let source = Source::ALL.into_iter().find(of);
    let record = Record { payload: Payload::Json(line.into()), hints: Hints { source, ..Hints::default() } };
    UNDERSTANDING.understand(&record, None, 1_795_180_330_000_000).expect("an event")
}

fn fact_of(line: &str) -> Option<Fact> {
    let new = understood(line);
    Fact::of(new.key, &new.event, |event| Arc::new(Labels::of(event)))
}

/// The fact of an event of a connection within a sync.
fn fact(name: &str, data: &Value) -> Fact {
    let envelope = json!({
        "event": name,
        "created": "2026-03-01T12:00:00Z",
        "connection_id": "speak_menial",
        "connection_name": "app_db.public",
        "connector_type": "postgres",
        "sync_id": "6b2f5c1e-8d34-4b0e-9a57-2f1d0c9be301",
        "data": data,
    });
    fact_of(&envelope.to_string()).expect("a fact")
}

#[test]
fn every_known_name_has_a_meaning_or_is_listed_as_having_none() {
    let mut wrong = Vec::new();
    for name in known_names() {
        let unused = matches!(fact(&name, &Value::Null).signal, Signal::Unused(_));
        if unused != OF_THE_ACCOUNT.contains(&name.as_str()) {
            wrong.push(name);
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_documented_event_is_read() {
    let text = std::fs::read_to_string(root("tests/fixtures/event/documented_events.ndjson")).expect("the events");
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            let name = understood(line).event.name;
            format!("{name}: {}", render::fact(&fact_of(line).expect("a fact")))
        })
        .collect();
    assert_eq!(lines.len(), 100);
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn fivetrans_own_test_deliveries_are_no_facts() {
    assert_eq!(fact_of(r#"{"event":"sync_end","connector_id":"_connector_1","data":{"status":"SUCCESSFUL"}}"#), None);
}

#[test]
fn labels_are_what_the_envelope_says() {
    let line = r#"{"event":"sync_start","connector_id":"a","connector_name":"n","connector_type":"t","destination_group_id":"g"}"#;
    let labels = fact_of(line).expect("a fact").labels;
    assert_eq!(
        (labels.name.as_deref(), labels.connector_type.as_deref(), labels.destination.as_deref()),
        (Some("n"), Some("t"), Some("g"))
    );
}
