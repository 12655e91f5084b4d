//! What every documented event records, read through the project's own way in, so that secrets are masked as they are in life.

use super::*;
use crate::{
    audit::{Actor, ActorKind, CHANGES_MAX, Change, Entry, VALUE_BYTES_MAX, VALUES_BYTES_MAX, canonical},
    model::{EventKey, Hints, NewEvent, Payload, Record, Timestamp},
    pipeline::Understanding,
    redact::Redactor,
    validate::Schemas,
};
use proptest::prelude::*;
use serde_json::json;
use std::{
    fmt::Write as _,
    sync::{Arc, LazyLock},
};

static UNDERSTANDING: LazyLock<Understanding> =
    LazyLock::new(|| Understanding::new(Arc::new(Schemas::builtin()), Arc::new(Redactor::new([7; 32]))));

const DOCUMENTED: &str = include_str!("../../../tests/fixtures/event/documented_events.ndjson");
const INDEX: &str = include_str!("../../../tests/fixtures/event/documented_events.index.csv");

fn understood(text: &str) -> NewEvent {
    let record = Record { payload: Payload::Json(text.into()), hints: Hints::default() };
    UNDERSTANDING.understand(&record, None, 0).expect("an event")
}

fn draft_of_text(text: &str) -> Option<Draft> {
    let event = understood(text);
    Draft::of(&event.event, EventId(event.key))
}

fn draft_of(event: Value) -> Option<Draft> {
    draft_of_text(&event.to_string())
}

fn draft(event: Value) -> Draft {
    draft_of(event).expect("a record")
}

fn edit(old: Value, new: Value) -> Draft {
    draft(json!({"event": "edit_connection", "created": "2026-01-01T00:00:00Z", "connection_id": "c", "data": {
        "userId": "u", "action": "EDIT", "primaryResourceType": "CONNECTION", "primaryResourceId": "c",
        "oldValues": old, "newValues": new}}))
}

fn resource(resource: Option<&super::super::Resource>) -> String {
    resource.map_or("-".to_owned(), |it| format!("{}:{}", it.kind, it.id.as_deref().unwrap_or("?")))
}

/// A record as a few lines for people.
fn shown(draft: &Draft) -> String {
    let mut out = format!(
        "{} ({})  {} {}  by {} ({})  {} {}  on {} {}  twin {}\n",
        draft.use_case,
        draft.event,
        draft.at,
        draft.channel.as_str(),
        draft.actor.id.as_deref().unwrap_or("nobody"),
        draft.actor.kind.as_str(),
        draft.method.as_deref().unwrap_or("-"),
        draft.action,
        resource(draft.primary.as_ref()),
        resource(draft.secondary.as_ref()),
        draft.twin_key.as_deref().unwrap_or("-"),
    );
    for change in &draft.changes {
        writeln!(out, "    {}: {} -> {}", change.field, change.old, change.new).expect("text");
    }
    out
}

#[test]
fn every_documented_event_gives_its_record_or_none() {
    let mut out = String::new();
    let mut without = Vec::new();
    for (line, row) in DOCUMENTED.lines().zip(INDEX.lines().skip(1)) {
        match draft_of_text(line) {
            Some(draft) => out.push_str(&shown(&draft)),
            None => without.push(row.split(',').nth(1).expect("a name")),
        }
    }
    without.dedup();
    writeln!(out, "\nNo record: {}", without.join(", ")).expect("text");
    insta::assert_snapshot!(out);
}

/// The contract's table, by the titles that the documentation gives its forty examples.
#[test]
fn the_forty_audit_examples_have_the_use_case_of_the_contract() {
    let expected = [
        ("Edit authentication", "edit_authentication"),
        ("Generate SCIM token", "generate_scim_token"),
        ("Enable or disable SCIM", "enable_or_disable_scim"),
        ("Enable or disable a sync delay notification for a connection", "enable_or_disable_sync_delay_notification"),
        ("Modify schema status of a connection", "modify_schema_status"),
        ("Modify setup status of a connection", "modify_setup_status"),
        ("Modify a schema of a connection", "modify_schema"),
        ("Modify sync frequency of a connection", "modify_sync_frequency"),
        ("Modify sync delay sensitivity of a connection", "modify_sync_delay_sensitivity"),
        ("Modify connection delay threshold", "modify_delay_threshold"),
        ("Modify connection delay threshold (custom)", "modify_delay_threshold"),
        ("Pause or resume a connection", "pause_or_resume"),
        ("Migrate schema of a connection", "migrate_schema"),
        ("Modify region of a destination", "modify_region"),
        ("Modify failover region of a destination", "modify_failover_region"),
        ("Modify destination name", "modify_name"),
        ("Delete a destination", "delete_destination"),
        ("Add new external logging service to a destination", "add_logging_service"),
        ("Update external logging service for a destination", "update_logging_service"),
        ("Remove external logging service from a destination", "remove_logging_service"),
        ("Modify an account role assigned to a team", "modify_account_role"),
        ("Modify a team role for a connection", "modify_role_for_connection"),
        ("Modify a team role for a destination", "modify_role_for_destination"),
        ("Add a user to a team", "add_user"),
        ("Remove a user from a team", "remove_user"),
        ("Assign a team manager", "assign_manager"),
        ("Unassign a team manager", "unassign_manager"),
        ("Modify an account role assigned to a user", "modify_account_role"),
        ("Modify a user role for a connection", "modify_role_for_connection"),
        ("Modify a user role for a destination", "modify_role_for_destination"),
        ("Trigger a connection re-sync", "resync"),
        ("Trigger a connection sync", "sync"),
    ];
    let mut count = 0;
    for (line, row) in DOCUMENTED.lines().zip(INDEX.lines().skip(1)) {
        let columns: Vec<&str> = row.split(',').collect();
        if columns[3] != "audit_trail" {
            continue;
        }
        count += 1;
        let case = expected.iter().find(|(title, _)| *title == columns[2]).map_or(columns[1], |(_, case)| case);
        let draft = draft_of_text(line).expect("a record");
        assert_eq!(draft.use_case, case, "{row}");
        assert_eq!(draft.channel, Channel::Audit, "{row}");
    }
    assert_eq!(count, 40);
}

#[test]
fn what_syncs_log_makes_no_record() {
    for (name, data) in [
        ("sync_start", json!({})),
        ("sync_end", json!({"status": "SUCCESSFUL", "userId": "u", "action": "EDIT"})),
        ("records_modified", json!({"actor": null, "schema": "s", "table": "t"})),
        ("records_modified", json!({"actor": "  "})),
        ("info", json!({"action": "EDIT"})),
        ("never_heard_of", json!({"id": 5, "userId": "u"})),
        ("never_heard_of", json!("actor")),
    ] {
        assert_eq!(draft_of(json!({"event": name, "created": "2026-01-01T00:00:00Z", "data": data})), None, "{name}");
    }
    assert_eq!(draft_of(json!({"event": "pause_connector", "created": "2026-01-01T00:00:00Z"})), None);
}

#[test]
fn lame_audit_events_still_make_a_record() {
    let of = |name: &str, data: Value| draft(json!({"event": name, "created": "2026-01-01T00:00:00Z", "data": data}));
    let silent = of("edit_team", json!({"action": "EDIT", "primaryResourceType": "TEAM"}));
    assert_eq!(silent.actor, Actor { id: None, kind: ActorKind::Unknown });
    assert_eq!(resource(silent.primary.as_ref()), "TEAM:?");
    assert_eq!((silent.use_case.as_str(), silent.method), ("other", None));
    let by = |method: &str| {
        let data =
            json!({"action": "EDIT", "primaryResourceType": "TEAM", "interactionMethod": method, "userId": null});
        of("edit_team", data).actor.kind
    };
    assert_eq!([by("api"), by("SYSTEM"), by("WEB_UI")], [ActorKind::Api, ActorKind::System, ActorKind::Unknown]);
    let bare = of("edit_connection", json!({"userId": "u", "action": "", "newValues": {"is_paused": true}}));
    assert_eq!((bare.action.as_str(), bare.use_case.as_str()), ("EDIT", "pause_or_resume"));
    assert_eq!(resource(bare.primary.as_ref()), "CONNECTION:?");
    assert_eq!(bare.twin_key, None);
    let old = of(
        "edit_connector",
        json!({"userId": 7, "action": "edit", "primaryResourceType": "connector", "primaryResourceId": "c"}),
    );
    assert_eq!(resource(old.primary.as_ref()), "CONNECTION:c");
    assert_eq!((old.actor.id.as_deref(), old.action.as_str()), (Some("7"), "EDIT"));
    let odd = of("x", json!({"userId": "u", "action": "EDIT", "oldValues": [1], "newValues": "two"}));
    assert_eq!(odd.changes, [Change { field: "$".to_owned(), old: json!([1]), new: json!("two") }]);
}

#[test]
fn fivetran_itself_acts_as_a_system() {
    let made = draft(json!({"event": "pause_connector", "created": "2026-01-01T00:00:00Z",
        "data": {"actor": "Fivetran", "id": "c", "reason": "trial"}}));
    assert_eq!((made.actor.kind, made.method.as_deref()), (ActorKind::Fivetran, Some("SYSTEM")));
}

#[test]
fn different_secrets_are_a_change_with_different_masks_and_equal_ones_are_none() {
    let changed =
        edit(json!({"credentials": {"password": "Tr0ub4dor&3"}}), json!({"credentials": {"password": "hunter22!"}}));
    let [change] = changed.changes.as_slice() else { panic!("{:?}", changed.changes) };
    assert_eq!(change.field, "credentials.password");
    for (side, secret) in [(&change.old, "Tr0ub4dor&3"), (&change.new, "hunter22!")] {
        let text = side.as_str().expect("a mask");
        assert!(text.starts_with("[redacted:") && !text.contains(secret), "{text}");
    }
    assert_ne!(change.old, change.new);
    let same = edit(
        json!({"credentials": {"password": "Tr0ub4dor&3", "user": "a"}}),
        json!({"credentials": {"password": "Tr0ub4dor&3", "user": "b"}}),
    );
    let fields: Vec<&str> = same.changes.iter().map(|change| change.field.as_str()).collect();
    assert_eq!(fields, ["credentials.user"]);
    assert!(!changed.body().contains("hunter22"));
}

#[test]
fn two_records_of_one_action_share_a_key() {
    let dashboard = |name: &str, data: Value| {
        let mut data = data;
        data["actor"] = json!("a@example.com");
        data["id"] = json!("c");
        draft(json!({"event": name, "created": "2026-01-01T00:00:00Z", "data": data})).twin_key
    };
    let audit = |name: &str, kind: &str, action: &str, old: Value, new: Value| {
        draft(json!({"event": name, "created": "2026-01-01T00:00:00Z", "data": {"userId": "u", "action": action,
            "primaryResourceType": kind, "primaryResourceId": "c", "oldValues": old, "newValues": new}}))
        .twin_key
    };
    let connection = |name, action, old, new| audit(name, "CONNECTION", action, old, new);
    let destination = |name, action, new| audit(name, "DESTINATION", action, Value::Null, new);
    for (one, other) in [
        (
            dashboard("create_connector", json!({})),
            connection("create_connection", "CREATE", json!({}), json!({"schema": "s"})),
        ),
        (dashboard("delete_connector", json!({})), connection("delete_connection", "DELETE", json!({}), json!({}))),
        (
            dashboard("pause_connector", json!({})),
            connection("edit_connection", "EDIT", json!({"is_paused": false}), json!({"is_paused": true})),
        ),
        (
            dashboard("resume_connector", json!({})),
            connection("edit_connection", "EDIT", json!({"paused": true}), json!({"paused": false})),
        ),
        (
            dashboard("edit_connector", json!({"properties": {"host": "h"}})),
            connection("edit_connection", "EDIT", json!({}), json!({"sync_frequency": 5, "is_paused": false})),
        ),
        (
            dashboard("force_update_connector", json!({})),
            connection("sync_connection", "SYNC", json!({}), json!({"trigger_resync": false})),
        ),
        (
            dashboard("resync_connector", json!({})),
            connection("sync_connection", "SYNC", json!({}), json!({"trigger_resync": true})),
        ),
        (
            dashboard("change_schema_config", json!({"connectionId": "c"})),
            connection("edit_connection", "EDIT", json!({}), json!({"tables": {"a.b": {"blocked": true}}})),
        ),
        (dashboard("update_warehouse", json!({})), destination("edit_destination", "EDIT", json!({"region": "eu"}))),
        (dashboard("delete_warehouse", json!({})), destination("edit_destination", "DELETE", json!({}))),
        (dashboard("create_warehouse", json!({})), destination("create_destination", "CREATE", json!({}))),
    ] {
        assert!(one.is_some());
        assert_eq!(one, other);
    }
    let keys = [
        dashboard("pause_connector", json!({})),
        dashboard("resume_connector", json!({})),
        dashboard("edit_connector", json!({})),
        dashboard("delete_warehouse", json!({})),
        dashboard("resync_connector", json!({})),
        dashboard("force_update_connector", json!({})),
        dashboard("create_connector", json!({})),
        dashboard("delete_connector", json!({})),
    ];
    let different: std::collections::BTreeSet<_> = keys.iter().flatten().collect();
    assert_eq!(different.len(), keys.len());
    assert_eq!(dashboard("test_connector_connection", json!({})), None);
}

fn call(method: &str, uri: &str, body: Value) -> Draft {
    draft(
        json!({"event": "api_call", "created": "2026-06-01T00:00:00Z", "data": {"method": method, "uri": uri, "body": body}}),
    )
}

#[test]
fn a_call_of_the_api_says_what_it_was_made_on() {
    for (uri, primary, secondary) in [
        ("https://api.fivetran.com/v1/connections/prod_db", "CONNECTION:prod_db", "-"),
        ("https://api.fivetran.com/v1/connectors/prod_db/schemas?x=/y#z", "CONNECTION:prod_db", "-"),
        ("https://u:p@API.Fivetran.com:443/v1/destinations/dec_port/test", "DESTINATION:dec_port", "-"),
        ("/v1/groups/g_one/users/u_two", "GROUP:g_one", "USER:u_two"),
        ("/v1/teams/t_one/connections/c_two/", "TEAM:t_one", "CONNECTION:c_two"),
        ("/v1/users", "USER:?", "-"),
        ("/v1/users/u_one", "USER:u_one", "-"),
        ("/v1/webhooks/account", "WEBHOOK:?", "-"),
        ("/v1/webhooks/w_one/test", "WEBHOOK:w_one", "-"),
        ("/v1/transformations/x_one/run", "TRANSFORMATION:x_one", "-"),
        ("/v1/dbt/transformations/x_one", "TRANSFORMATION:x_one", "-"),
        ("/v1/transformation-projects/p_one", "TRANSFORMATION_PROJECT:p_one", "-"),
        ("/v1/external-logging/l_one", "EXTERNAL_LOGGING:l_one", "-"),
        ("/v1/account/info", "ACCOUNT:?", "-"),
        ("https://api.fivetran.com/v1", "-", "-"),
        ("https://api.fivetran.com", "-", "-"),
        ("https://api.fivetran.com/users/u_one", "-", "-"),
        ("https://api.notfivetran.com/v1/users/u_one", "-", "-"),
        ("https://google.com", "-", "-"),
        ("", "-", "-"),
    ] {
        let made = call("DELETE", uri, json!(""));
        let said = (resource(made.primary.as_ref()), resource(made.secondary.as_ref()));
        assert_eq!(said, (primary.to_owned(), secondary.to_owned()), "{uri}");
        assert_eq!(made.action, "DELETE");
        assert!(made.changes.iter().map(|change| &*change.field).eq(["uri"]), "{uri}");
    }
    // What a connector asks its source for concerns the connection, whatever its path looks like.
    for (uri, sync_id) in [("https://api.example.com/v1/users/7", None), ("/v1/users/7", Some("s"))] {
        let made = draft(
            json!({"event": "api_call", "created": "2026-06-01T00:00:00Z", "connection_id": "c", "sync_id": sync_id,
            "data": {"method": "GET", "uri": uri}}),
        );
        assert_eq!(resource(made.primary.as_ref()), "CONNECTION:c", "{uri}");
    }
}

#[test]
fn a_call_of_the_api_says_what_was_sent_without_its_secrets() {
    let body = r#"{"paused":true,"config":{"host":"db","password":"Tr0ub4dor&3"}}"#;
    let made = call("PATCH", "https://api.fivetran.com/v1/connections/prod_db", json!(body));
    let listed: Vec<_> = made.changes.iter().map(|change| (&*change.field, &change.old, &change.new)).collect();
    let (host, paused, uri) = (json!("db"), json!(true), json!("https://api.fivetran.com/v1/connections/prod_db"));
    assert_eq!(listed[0], ("body.config.host", &Value::Null, &host));
    assert_eq!(listed[1].0, "body.config.password");
    assert!(listed[1].2.as_str().is_some_and(|mask| mask.starts_with("[redacted:")), "{:?}", listed[1].2);
    assert_eq!(listed[2..], [("body.paused", &Value::Null, &paused), ("uri", &Value::Null, &uri)]);
    assert!(!made.body().contains("Tr0ub4dor"));
    for (body, expected) in [
        (json!({"a": 1}), vec![("body.a", json!(1))]),
        (json!("not JSON"), vec![("body", json!("not JSON"))]),
        (json!("17"), vec![("body", json!("17"))]),
        (json!("[1]"), vec![("body", json!([1]))]),
        (json!(" "), vec![]),
        (Value::Null, vec![]),
    ] {
        let made = call("POST", "/v1/users", body);
        let sent = made.changes.iter().filter(|change| change.field != "uri");
        assert_eq!(sent.map(|change| (&*change.field, change.new.clone())).collect::<Vec<_>>(), expected);
    }
    // Deeper than a reader of records can go: it stays as it came.
    let deep = format!("{}{}", "[".repeat(120), "]".repeat(120));
    let made = call("POST", "/v1/users", json!(deep));
    assert_eq!(made.changes[0].new, json!(deep));
    let wide = format!("{{{}}}", (0..5_000).map(|n| format!("\"m{n}\":{n}")).collect::<Vec<_>>().join(","));
    let made = call("POST", "/v1/users", json!(wide));
    assert_eq!((made.changes.len(), made.changes_omitted), (CHANGES_MAX, 4_001));
    assert!(Entry::parse(&canonical(1, &made.body())).is_ok());
}

#[test]
fn huge_values_are_cut_and_counted() {
    let long = "x".repeat(1 << 20);
    let made = edit(json!({"a": "y"}), json!({"a": long}));
    let cut = &made.changes[0].new["cut"];
    assert_eq!(cut["bytes"], json!((1 << 20) + 2));
    assert_eq!(cut["head"].as_str().map(str::len), Some(256));
    assert_eq!(cut["sha256"].as_str().map(str::len), Some(64));
    let many: Map<String, Value> = (0..5_000).map(|i| (format!("m{i}"), json!(i))).collect();
    let made = edit(Value::Null, many.into());
    assert_eq!((made.changes.len(), made.changes_omitted), (CHANGES_MAX, 4_000));
    assert!(canonical(1, &made.body()).ends_with("\"changes_omitted\":4000}"));
    let large: Map<String, Value> = (0..20).map(|i| (format!("m{i}"), json!("z".repeat(8_000)))).collect();
    let made = edit(Value::Null, large.into());
    assert_eq!(made.changes.len() + made.changes_omitted, 20);
    assert_eq!(made.changes.len(), VALUES_BYTES_MAX / 8_010);
}

/// Two ways to make each of many changes cost as much as the whole event.
#[test]
fn hostile_values_cost_no_more_than_their_length() {
    let members: Map<String, Value> = (0..2_000).map(|i| (format!("m{i}"), json!(i))).collect();
    let named = Map::from_iter([("é".repeat(200_000), members.into())]);
    let nested = |leaf: u8| {
        (0..110).fold(json!(vec![leaf; 50_000]), |value, _| Map::from_iter([("n".to_owned(), value)]).into())
    };
    let mut event = understood(r#"{"event":"edit_connection","created":"2026-01-01T00:00:00Z"}"#).event;
    for (old, new, expected) in [(Value::Null, named.into(), 2_000), (nested(0), nested(1), 1)] {
        let members = [("userId", json!("u")), ("action", json!("EDIT")), ("oldValues", old), ("newValues", new)];
        let members = members.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
        event.data = Some(Value::Object(members).into());
        let begun = std::time::Instant::now();
        let made = Draft::of(&event, EventId(EventKey { created_us: 0, hash: 0 })).expect("a record");
        assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
        assert_eq!(made.changes.len() + made.changes_omitted, expected);
    }
}

#[test]
fn a_value_at_its_bound_is_whole() {
    let of = |chars: usize| edit(json!({}), json!({"a": "x".repeat(chars)})).changes[0].new.is_string();
    assert!(of(VALUE_BYTES_MAX - 2));
    assert!(!of(VALUE_BYTES_MAX - 1));
}

#[test]
fn deep_nesting_is_taken_apart() {
    let mut value = json!({"end": 1});
    for _ in 0..110 {
        value = json!({"n": value});
    }
    let made = edit(json!({}), value);
    assert_eq!(made.changes.len(), 1);
    assert_eq!(made.changes[0].field, format!("{}end", "n.".repeat(110)));
}

#[test]
fn the_bytes_are_those_of_the_contract() {
    let made = edit(json!({"is_paused": true}), json!({"is_paused": false}));
    let id = made.event_id.expect("of an event").to_string();
    assert_eq!(
        canonical(17, &made.body()),
        format!(
            r#"{{"seq":17,"id":"{id}","at":"2026-01-01T00:00:00Z","actor":{{"id":"u","kind":"user"}},"method":null,"action":"EDIT","use_case":"pause_or_resume","event":"edit_connection","event_id":"{id}","primary_resource":{{"type":"CONNECTION","id":"c"}},"secondary_resource":null,"changes":[{{"field":"is_paused","old":true,"new":false}}]}}"#
        )
    );
    let actor = Actor { id: Some("ci".to_owned()), kind: ActorKind::Token };
    let at = Timestamp::parse("2026-01-02T03:04:05.678901Z").expect("a time");
    let mut own = Draft::own("export_audit", actor, "HTTP", "EXPORT", None, Vec::new(), at);
    let by_content = own.body();
    assert_eq!(by_content, own.body());
    own.own_id = Some(0xab);
    assert!(own.body().starts_with(r#""id":"000000000000000000000000000000ab","at":"2026-01-02T03:04:05.678901Z","#));
    assert!(own.body().contains(r#""event":"export_audit","event_id":null,"#));
    assert_ne!(by_content, own.body());
    let read = Entry::parse(&canonical(3, &own.body())).expect("a record");
    assert_eq!((read.seq, read.at_us(), read.actor), (3, Some(at.micros()), own.actor));
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        (0_usize..20_000).prop_map(|n| Value::from("é".repeat(n))),
    ];
    leaf.prop_recursive(6, 60, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(member(), inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn member() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "userId",
            "action",
            "primaryResourceType",
            "primaryResourceId",
            "interactionMethod",
            "actor",
            "oldValues",
            "newValues",
            "properties",
            "oldProperties",
            "is_paused",
            "tables",
            "trigger_resync",
            "change",
            "id",
        ])
        .prop_map(str::to_owned),
        ".{0,12}",
        (0_usize..3_000).prop_map(|n| "k'".repeat(n)),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(DOCUMENTED.lines().map(|line| understood(line).event.name).collect::<Vec<_>>()),
        "\\PC{1,30}",
    ]
}

/// Longest record that any event can make: the bounds of its parts, at six bytes for a character that must be escaped.
const BODY_BYTES_MAX: usize = VALUES_BYTES_MAX * 6 + 10 * TEXT_CHARS_MAX * 6 + CHANGES_MAX * 40 + 1_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever an event holds, its record is bounded, reads back, and is the same the second time.
    #[test]
    fn any_event_is_taken(name in name(), data in json_value(), family in 0..6_usize) {
        let mut event = understood(r#"{"event":"x","created":"2026-01-01T00:00:00Z"}"#).event;
        event.name = name;
        event.family = Family::ALL[family];
        event.data = Some(data.into());
        let id: EventId = "0".repeat(32).parse().expect("an id");
        if let Some(draft) = Draft::of(&event, id) {
            let body = draft.body();
            prop_assert!(body.len() <= BODY_BYTES_MAX, "{}", body.len());
            prop_assert!(draft.changes.len() <= CHANGES_MAX);
            prop_assert!(draft.changes.is_sorted_by(|a, b| a.field <= b.field));
            let line = canonical(u64::MAX, &body);
            prop_assert!(!line.contains('\n'));
            let read = Entry::parse(&line).expect("a record");
            prop_assert_eq!(&read.changes, &draft.changes);
            prop_assert_eq!(&read.actor, &draft.actor);
            prop_assert_eq!(Draft::of(&event, id).map(|draft| draft.body()), Some(body));
        }
    }

    /// What is listed is all that differs, and nothing that does not.
    #[test]
    fn changes_are_exactly_the_differences(
        old in proptest::collection::btree_map("[a-d]", 0..4_i64, 0..4),
        new in proptest::collection::btree_map("[a-d]", 0..4_i64, 0..4),
    ) {
        let side = |map: &std::collections::BTreeMap<String, i64>| -> Map<String, Value> {
            map.iter().map(|(k, v)| (k.clone(), json!(v))).collect()
        };
        let (a, b) = (side(&old), side(&new));
        let (listed, omitted) = changes::between(Values { old: Some(&a), new: Some(&b) });
        prop_assert_eq!(omitted, 0);
        for name in ["a", "b", "c", "d"] {
            let found = listed.iter().find(|change| change.field == name).map(|change| (change.old.as_i64(), change.new.as_i64()));
            let pair = (old.get(name).copied(), new.get(name).copied());
            prop_assert_eq!(found, (pair.0 != pair.1).then_some(pair));
        }
    }
}
