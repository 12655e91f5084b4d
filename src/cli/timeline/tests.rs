//! Timelines as a person sees them.

use super::{Timeline, render};
use crate::{
    cli::terminal::{self, Screen, micros, width},
    lifecycle::time_text,
    model::Micros,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn at(text: &str) -> Micros {
    micros(text).expect("a time")
}

fn sync(start: &str, seconds: i64, status: &str, rows: u64) -> Value {
    let begin = at(start);
    let end = time_text(begin + seconds * 1_000_000);
    let running = status == "RUNNING";
    json!({"stage": "sync", "sync_id": "0f3a", "kind": "incremental", "trigger": {"type": "schedule", "actor": null, "event_ids": []},
        "at": time_text(begin), "until": if running { Value::Null } else { json!(end) }, "duration_ms": if running { Value::Null } else { json!(seconds * 1000) },
        "status": status, "reason": null, "task_type": null, "rescheduled_at": null, "missing": [], "first_event_at": time_text(begin), "last_event_at": end,
        "tables": if rows > 0 { json!([{"table": "orders", "rows": {"UPDATED": 1}}, {"table": "items", "write_started_at": time_text(begin)}]) } else { json!([]) }, "rows": {"REPLACED_OR_INSERTED": rows},
        "warnings": 0, "errors": 0})
}

fn with(mut value: Value, members: Value) -> Value {
    for (name, member) in members.as_object().expect("members") {
        value[name] = member.clone();
    }
    value
}

fn deed(stage: &str, when: &str, summary: &str) -> Value {
    json!({"stage": stage, "at": when, "actor": "ana@example.com", "summary": summary, "event_ids": ["80"]})
}

fn connection(status: &str, incident: Value) -> Value {
    json!({"connection_id": "brave_otter", "connection_name": "shop_orders", "connector_type": "postgres", "source": "fivetran", "destination": "warehouse",
        "status": status, "health": status, "created_at": "2026-07-06T09:00:00.000Z", "deleted_at": null, "paused": false,
        "sync_frequency_minutes": 60, "schedule_type": "auto", "last_sync_started_at": "2026-07-07T18:30:00.000Z",
        "last_sync_completed_at": "2026-07-07T18:31:00.000Z", "last_successful_sync_completed_at": "2026-07-07T15:30:40.000Z",
        "rescheduled_at": null, "errors_since_last_completed_sync": 3, "warnings_since_last_completed_sync": 0,
        "syncs": {"total": 12, "successful": 9, "failed": 3, "rescheduled": 0, "canceled": 0}, "running_syncs": [], "open_incident": incident})
}

const REASON: &str = "FATAL: password authentication failed for user \"fivetran\" on host db.example.com (10.0.0.7), port 5432, while the \
    connector tried to read the replication slot; the credentials may have been changed by somebody";

fn broken() -> Timeline {
    let earlier = json!({"id": "1", "opened_at": "2026-07-06T13:02:00.000Z", "resolved_at": "2026-07-06T14:00:30.000Z", "failures": 1, "attempts": 1, "reason": "timeout"});
    let open = json!({"id": "2", "opened_at": "2026-07-07T16:35:14.000Z", "resolved_at": null, "failures": 3, "attempts": 2, "reason": REASON, "task_type": "reconnect"});
    let failure = json!({"reason": REASON, "task_type": "reconnect", "errors": 1});
    let tests = json!({"stage": "setup_tests", "at": "2026-07-06T09:01:10.000Z", "until": "2026-07-06T09:01:40.000Z", "passed": 4, "failed": 2,
        "summary": "2 of 6 setup tests failed, first Host: no route", "tests": [{"name": "Host", "outcome": "failed", "message": "no route"},
        {"name": "Certificate", "outcome": "failed", "message": "self-signed"}, {"name": "Port", "outcome": "passed", "message": null}]});
    let mut stages = vec![
        deed("initialized", "2026-07-06T09:00:00.000Z", "connection created by ana@example.com"),
        tests,
        deed("created", "2026-07-06T09:05:00.000Z", "6 setup tests passed"),
        with(
            sync("2026-07-06T09:10:00Z", 723, "SUCCESSFUL", 1_204_000),
            json!({"kind": "initial", "trigger": {"type": "manual", "actor": "ana@example.com"}}),
        ),
        sync("2026-07-06T13:01:00Z", 60, "FAILURE", 0),
        deed("broken", "2026-07-06T13:02:00.000Z", "broken: timeout"),
        sync("2026-07-06T14:00:00Z", 30, "SUCCESSFUL", 12),
        deed("recovered", "2026-07-06T14:00:30.000Z", "recovered after 58 min 30 s"),
    ];
    let clocks = ["2026-07-06T23:30:00Z", "2026-07-07T00:30:00Z", "2026-07-07T01:30:00Z", "2026-07-07T15:30:00Z"];
    stages
        .extend(clocks.iter().zip([40, 12, 55, 40]).map(|(clock, seconds)| sync(clock, seconds, "SUCCESSFUL", 4_115)));
    stages.extend([
        deed(
            "schema_changed",
            "2026-07-07T15:30:20.000Z",
            "schema changed (add column public.orders (discount)) by a sync",
        ),
        with(sync("2026-07-07T16:30:00Z", 314, "FAILURE_WITH_TASK", 0), failure.clone()),
        deed("broken", "2026-07-07T16:35:14.000Z", "broken: password authentication failed"),
        deed(
            "modified",
            "2026-07-07T17:02:00.000Z",
            "connection edited by ana@example.com (CREDENTIALS: credentials.password)",
        ),
        with(
            sync("2026-07-07T17:30:00Z", 61, "FAILURE_WITH_TASK", 0),
            with(failure.clone(), json!({"trigger": {"type": "manual", "actor": "ana@example.com"}})),
        ),
        with(sync("2026-07-07T18:30:00Z", 60, "FAILURE_WITH_TASK", 0), failure),
    ]);
    Timeline {
        connection: connection("broken", open.clone()),
        stages,
        incidents: vec![earlier, open],
        as_of: Value::Null,
        unused: Value::Null,
        next: Some("older".to_owned()),
        window: (None, None),
        now: at("2026-07-07T18:45:14Z"),
        past: false,
    }
}

fn running() -> Timeline {
    let mut connection = connection("syncing", Value::Null);
    connection["running_syncs"] = json!(["0f3a"]);
    connection["connection_name"] = Value::Null;
    let mut lost = sync("2026-07-07T17:30:00Z", 60, "INTERRUPTED", 0);
    lost["missing"] = json!(["start", "end"]);
    (lost["at"], lost["until"], lost["duration_ms"]) = (Value::Null, Value::Null, Value::Null);
    let put_off = json!({"reason": "quota", "rescheduled_at": "2026-07-07T18:00:00.000Z"});
    Timeline {
        connection,
        stages: vec![
            with(sync("2026-07-07T16:30:00Z", 5, "RESCHEDULED", 0), put_off),
            lost,
            sync("2026-07-07T18:00:00Z", 5, "CANCELED", 3),
            json!({"stage": "something_new", "at": "2026-07-07T18:10:00.000Z", "actor": "x", "reason": "y"}),
            with(sync("2026-07-07T18:30:00Z", 0, "RUNNING", 7), json!({"import": {"percent": 40}})),
        ],
        incidents: Vec::new(),
        as_of: Value::Null,
        unused: Value::Null,
        next: None,
        window: (None, None),
        now: at("2026-07-07T18:45:14Z"),
        past: true,
    }
}

fn shown(timeline: &Timeline, width: usize, all: bool) -> String {
    render::timeline(timeline, &Screen { width, colour: false }, all)
}

#[test]
fn a_broken_connection_says_at_once_what_is_wrong_and_since_when() {
    let text = shown(&broken(), 100, false);
    insta::assert_snapshot!("broken", text);
    let first: Vec<&str> = text.lines().take(3).collect();
    assert!(first[1].contains("BROKEN for 2 h 10 min, since 2026-07-07 16:35:14 UTC"), "{first:?}");
    assert!(first[2].contains("password authentication failed"), "{first:?}");
    let last = text.trim_end().lines().last().unwrap_or_default();
    assert!(last.contains("still broken after 2 h 10 min"), "{last}");
}

#[test]
fn on_eighty_columns_nothing_is_wider() {
    let text = shown(&broken(), 80, true);
    insta::assert_snapshot!("narrow_all", text);
    for line in text.lines() {
        assert!(width(line) <= 80, "{line}");
    }
}

#[test]
fn colours_add_nothing_but_colour() {
    let coloured = render::timeline(&broken(), &Screen { width: 100, colour: true }, false);
    insta::assert_snapshot!("coloured", coloured.replace('\u{1b}', "␛"));
    let mut plain = String::new();
    let mut in_code = false;
    for c in coloured.chars() {
        match c {
            '\u{1b}' => in_code = true,
            'm' if in_code => in_code = false,
            c if !in_code => plain.push(c),
            _ => {}
        }
    }
    let trimmed = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(trimmed(&plain), trimmed(&shown(&broken(), 100, false)));
}

#[test]
fn what_is_missing_or_unknown_is_said() {
    insta::assert_snapshot!("running", shown(&running(), 100, false));
}

#[test]
fn nothing_is_claimed_about_what_is_not_shown() {
    let mut timeline = broken();
    timeline.stages.retain(|stage| stage["stage"] != "modified");
    assert!(shown(&timeline, 100, false).contains("done     nothing by anyone since then"));
    timeline.window.0 = Some(at("2026-07-07T17:00:00Z"));
    timeline.next = None;
    assert!(shown(&timeline, 100, false).contains("done     nothing by anyone in what is shown below"));
    timeline.window = (None, Some(at("2026-07-07T18:00:00Z")));
    assert!(shown(&timeline, 100, false).contains("done     nothing by anyone in what is shown below"));
}

#[test]
fn lines_break_between_words_and_cuts_are_seen() {
    let wrap = |text, columns, lines| terminal::wrap(text, columns, lines);
    assert_eq!(wrap("one two three four", 9, 9), ["one two", "three", "four"]);
    assert_eq!(wrap("one two three four", 9, 2), ["one two", "three…"]);
    assert_eq!(wrap("abcdefghijklmnop qr", 8, 9), ["abcdefgh", "ijklmnop", "qr"]);
    assert_eq!(wrap("日本語日本語日本語", 8, 1), ["日本語…"]);
    assert_eq!(wrap("", 8, 3), [""]);
}

fn any_text() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<String>().prop_map(Value::from),
        "[a-z\u{1b}\u{202e}\r\n 日]{0,40}".prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(json!([1, {"a": null}])),
        (-60_000_000_000_000_000_i64..250_000_000_000_000_000).prop_map(|us| Value::from(time_text(us))),
    ]
}

fn any_object(members: &'static [&'static str]) -> impl Strategy<Value = Value> {
    proptest::collection::vec(any_text(), members.len())
        .prop_map(move |values| Value::Object(members.iter().map(|name| (*name).to_owned()).zip(values).collect()))
}

const STAGE: &[&str] = &[
    "at",
    "until",
    "first_event_at",
    "last_event_at",
    "status",
    "reason",
    "summary",
    "actor",
    "tables",
    "rows",
    "missing",
    "trigger",
    "duration_ms",
    "task_type",
    "rescheduled_at",
    "tests",
    "failed",
];
const LIFE: &[&str] = &[
    "connection_id",
    "connection_name",
    "connector_type",
    "destination",
    "status",
    "health",
    "open_incident",
    "last_sync_started_at",
    "last_successful_sync_completed_at",
    "sync_frequency_minutes",
    "running_syncs",
    "syncs",
];

proptest! {
    /// Names and reasons come from anywhere, and members may be missing or of another kind.
    #[test]
    fn whatever_a_timeline_holds_it_is_shown_without_steering_the_terminal(
        connection in any_object(LIFE),
        stages in proptest::collection::vec((any_object(STAGE), any::<bool>()), 0..6),
        incidents in proptest::collection::vec(any_object(&["opened_at", "resolved_at", "reason"]), 0..3),
        now in any::<i64>(),
        columns in 60_usize..140,
    ) {
        let stages = stages.into_iter().map(|(mut stage, sync)| {
            stage["stage"] = Value::from(if sync { "sync" } else { "odd\u{1b}stage" });
            stage
        });
        let timeline = Timeline { connection, stages: stages.collect(), incidents, as_of: Value::Null, unused: Value::Null, next: None, window: (None, None), now, past: true };
        let text = shown(&timeline, columns, false);
        for line in text.lines() {
            prop_assert!(!line.chars().any(char::is_control), "{:?}", line);
            prop_assert!(width(line) <= columns, "{} {:?}", columns, line);
        }
    }
}
