//! Every spelling ends in one form, and everything that was changed is listed.

use super::*;
use crate::{
    envelope::unwrap,
    identity,
    model::{CreatedFrom, Hints, Level, Payload, Record, Timestamp},
};
use proptest::prelude::*;

const NOW: Micros = 1_800_000_000_000_000;

fn read_with(text: &str, hints: Hints) -> Normalized {
    let record = Record { payload: Payload::Json(text.into()), hints };
    unwrap(&record, &mut |found| normalize(&found, None, NOW)).expect("an event").expect("readable")
}

fn read(text: &str) -> Event {
    read_with(text, Hints::default()).event
}

#[track_caller]
fn listed(text: &str, expected: &[&str]) -> Event {
    let event = read(text);
    assert_eq!(event.normalized, expected, "{text}");
    event
}

#[test]
fn old_names_give_way_to_new_ones() {
    let event = listed(
        r#"{"event":"x","created":"2026-01-01T00:00:00Z","connector_id":"a_b","connector_name":"n","group_id":"g"}"#,
        &["connector_id", "connector_name", "group_id"],
    );
    assert_eq!(event.connection_id.as_deref(), Some("a_b"));
    assert_eq!(event.connection_name.as_deref(), Some("n"));
    assert_eq!(event.destination.as_deref(), Some("g"));
    let event = listed(
        r#"{"event":"x","created":"2026-01-01T00:00:00Z","connector_id":"old","connection_id":"new"}"#,
        &["connector_id"],
    );
    assert_eq!(event.connection_id.as_deref(), Some("new"));
    assert_eq!((event.conflicts[0].kept.as_str(), event.conflicts[0].dropped.as_str()), ("new", "old"));
}

#[test]
fn data_drifts_are_folded() {
    let event = listed(
        r#"{"event":"extract_summary","created":"2026-01-01T00:00:00Z","data":"{\"totalQueries\":5,\"connectorId\":\"c\"}"}"#,
        &["data", "data.connectorId", "data.totalQueries", "data.connectionId"],
    );
    assert_eq!(event.data.as_deref(), Some(&serde_json::json!({"total_queries": 5, "connectionId": "c"})));
    assert_eq!(event.connection_id.as_deref(), Some("c"));
    let twice = serde_json::Value::from(serde_json::json!({"a": 1}).to_string()).to_string();
    let text = serde_json::json!({"event": "x", "created": "2026-01-01T00:00:00Z", "data": twice}).to_string();
    assert_eq!(read(&text).data.as_deref(), Some(&serde_json::json!({"a": 1})));
    for empty in ["null", "\"\"", "\" \"", "\"null\""] {
        let event = read(&format!(r#"{{"event":"x","created":"2026-01-01T00:00:00Z","data":{empty}}}"#));
        assert!(event.data.is_none() || empty == "\"null\"", "{empty}");
    }
    let text = r#"{"event":"x","created":"2026-01-01T00:00:00Z","data":"says actor but not a json"}"#;
    assert_eq!(read(text).data.as_deref(), Some(&Value::from("says actor but not a json")));
    assert!(read_with(text, Hints::default()).envelope.is_some());
}

#[test]
fn names_are_lowered_and_the_original_is_kept() {
    let event = listed(r#"{"event":" CREATE_CONNECTION ","created":"2026-01-01T00:00:00Z"}"#, &["event"]);
    assert_eq!(
        (event.name.as_str(), event.original_name.as_deref()),
        ("create_connection", Some(" CREATE_CONNECTION "))
    );
}

#[test]
fn no_name_is_longer_than_other_texts() {
    for (letter, is_kept) in [("E", true), ("e", false), ("É", true)] {
        let name = letter.repeat(1 << 20);
        let event = listed(
            &format!(r#"{{"event":"{name}","created":"2026-01-01T00:00:00Z","connection_id":"c"}}"#),
            &["event"],
        );
        assert!(event.name.len() <= 1024 && event.name.len() > 1000);
        let original = event.original_name.unwrap_or_default();
        assert_eq!(!original.is_empty(), is_kept, "{letter}");
        assert!(original.len() <= 1024 && name.starts_with(&original));
    }
}

#[test]
fn times_fall_back_and_say_so() {
    let at = |text: &str| Timestamp::parse(text).expect("a time");
    let hints = || Hints { time: Some(at("1786959683.518")), ..Hints::default() };
    for (created, expected, from) in [
        (r#","created":"2026-07-07T16:35:14.456Z""#, "2026-07-07T16:35:14.456Z", CreatedFrom::Event),
        (r#","created":1786959683518"#, "2026-08-17T09:41:23.518Z", CreatedFrom::Event),
        (r#","created":"2026-07-07 16:35:14.4""#, "2026-07-07T16:35:14.4Z", CreatedFrom::Event),
        ("", "2026-08-17T09:41:23.518Z", CreatedFrom::Transport),
        (r#","created":null"#, "2026-08-17T09:41:23.518Z", CreatedFrom::Transport),
        (r#","created":"yesterday""#, "2026-08-17T09:41:23.518Z", CreatedFrom::Transport),
        (r#","created":{"a":1}"#, "2026-08-17T09:41:23.518Z", CreatedFrom::Transport),
    ] {
        let read = read_with(&format!(r#"{{"event":"x","data":{{}}{created}}}"#), hints());
        assert_eq!((read.event.created.to_string().as_str(), read.event.created_from), (expected, from), "{created}");
        let rewritten = !created.contains("T16:35");
        assert_eq!(read.event.normalized.contains(&"created".into()), rewritten, "{created}");
        assert_eq!(
            read.findings.len() + usize::from(read.envelope.is_some()),
            usize::from(created.contains("yester") || created.contains('{'))
        );
    }
    let event = read(r#"{"event":"x"}"#);
    assert_eq!((event.created.micros(), event.created_from), (NOW, CreatedFrom::Receipt));
}

#[test]
fn levels_are_taken_where_said_and_derived_where_not() {
    let level = |text: &str, hint: Option<&str>| {
        read_with(text, Hints { level: hint.map(str::to_owned), ..Hints::default() }).event.level
    };
    let end = |status: &str, reason: &str| {
        format!(r#"{{"event":"sync_end","data":{{"status":"{status}","reason":"{reason}"}}}}"#)
    };
    assert_eq!(level(r#"{"event":"x","severity":"warn"}"#, Some("ERROR")), Level::Warning);
    assert_eq!(level(r#"{"event":"x","level":30}"#, None), Level::Info);
    assert_eq!(level(r#"{"event":"x"}"#, Some("error")), Level::Severe);
    assert_eq!(level(r#"{"event":"error"}"#, Some("nonsense")), Level::Severe);
    assert_eq!(level(&end("FAILURE_WITH_TASK", ""), None), Level::Severe);
    assert_eq!(level(&end("FAILED", ""), None), Level::Severe);
    assert_eq!(level(&end("RESCHEDULED", "API quota"), None), Level::Warning);
    assert_eq!(level(&end("RESCHEDULED", "This is intended behavior and"), None), Level::Info);
    assert_eq!(level(&end("SUCCESSFUL", ""), None), Level::Info);
    assert_eq!(level(r#"{"event":"forced_resync_table"}"#, None), Level::Warning);
    assert_eq!(level(r#"{"event":"connection_failure"}"#, None), Level::Severe);
}

#[test]
fn lifecycle_events_name_their_connection_in_data() {
    let id = |text: &str| read(text).connection_id;
    assert_eq!(id(r#"{"event":"pause_connector","data":{"id":"c1"}}"#).as_deref(), Some("c1"));
    assert_eq!(id(r#"{"event":"create_warehouse","data":{"id":"w"}}"#), None);
    assert_eq!(id(r#"{"event":"transformation_start","data":{"id":"t"}}"#), None);
    let audit = |kind: &str| {
        format!(r#"{{"event":"edit_connection","data":{{"primaryResourceType":"{kind}","primaryResourceId":"r"}}}}"#)
    };
    assert_eq!(id(&audit("CONNECTION")).as_deref(), Some("r"));
    assert_eq!(id(&audit("CONNECTOR")).as_deref(), Some("r"));
    assert_eq!(id(&audit("DESTINATION")), None);
}

#[test]
fn unreadable_envelopes_are_refused_with_a_reason() {
    let reason = |text: &str| {
        let record = Record { payload: Payload::Json(text.into()), hints: Hints::default() };
        unwrap(&record, &mut |found| normalize(&found, None, NOW)).expect("an event").expect_err("refused")
    };
    assert!(
        reason(r#"{"event":"x","created":"2026-01-01T00:00:00Z","created":"2026-01-02T00:00:00Z"}"#)
            .contains("`created` occurs twice")
    );
    assert!(reason(r#"{"event":"x","data":{"a":1,"a":2}}"#).contains("`a` occurs twice"));
    assert!(
        reason(&format!(r#"{{"event":"x","data":{}{}}}"#, "[".repeat(200), "]".repeat(200)))
            .contains("data is not JSON")
    );
    assert!(reason(r#"{"event":"x","data":{"a":"\ud800"}}"#).contains("data is not JSON"));
}

/// A value as senders write it.
fn json(depth: u32) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-zA-Z0-9 \"\\\\é]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(depth, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z]{1,6}|connectorId|connectionId|totalQueries", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    /// What comes out, written as an envelope again, comes out the same; and the two spellings of a connection are one event.
    #[test]
    fn normalising_twice_changes_nothing(data in json(3), id in "[a-z_]{1,12}", old in any::<bool>()) {
        let key = if old { "connector_id" } else { "connection_id" };
        let text = serde_json::json!({"event": "sync_end", "created": "2026-07-07T16:35:14.456Z", key: id, "data": data}).to_string();
        let once = read(&text);
        let again = serde_json::json!({"event": once.name, "created": once.created.to_string(),
            "connection_id": once.connection_id, "data": once.data}).to_string();
        let twice = read(&again);
        prop_assert_eq!(&once.data, &twice.data);
        prop_assert_eq!(&once.connection_id, &twice.connection_id);
        prop_assert!(twice.normalized.is_empty());
        prop_assert_eq!(identity::key(&once), identity::key(&twice));
    }
}
