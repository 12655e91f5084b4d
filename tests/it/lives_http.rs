//! Lives over HTTP: what a delivery means is in the next answer, in the shape of the document.

use crate::{
    app::App,
    samples::{self, documented, line, shuffled},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A connection that is created, tested, syncs, breaks and recovers. One second apart from `10:00:00` on.
fn life() -> Vec<String> {
    let events = [
        ("create_connector", "", json!({"actor": "ada@example.com", "id": "brave_otter"})),
        ("connection_successful", "", json!({"actor": "ada@example.com", "testName": "Connecting to host"})),
        ("sync_start", "one/1 %é", json!({})),
        ("write_to_table_start", "one/1 %é", json!({"table": "orders"})),
        (
            "records_modified",
            "one/1 %é",
            json!({"schema": "public", "table": "orders", "operationType": "REPLACED_OR_INSERTED", "count": 12}),
        ),
        ("write_to_table_end", "one/1 %é", json!({"table": "orders"})),
        ("sync_end", "one/1 %é", json!({"status": "SUCCESSFUL"})),
        ("sync_start", "two", json!({})),
        ("sync_end", "two", json!({"status": "FAILURE_WITH_TASK", "taskType": "reconnect", "reason": "no access"})),
        ("sync_start", "three", json!({})),
        ("sync_end", "three", json!({"status": "SUCCESSFUL"})),
        ("alter_table", "", json!({"type": "ADD_COLUMN", "table": "orders", "properties": {"columnName": "note"}})),
        ("create_user", "", json!({"actor": "ada@example.com", "id": "bob"})),
    ];
    let events = events.into_iter().enumerate().map(|(n, (event, sync_id, data))| {
        let mut line = json!({
            "event": event,
            "created": format!("2026-07-07T10:00:{n:02}Z"),
            "connection_id": "brave_otter",
            "connection_name": "shop",
            "connector_type": "postgres",
            "data": data,
        });
        if !sync_id.is_empty() {
            line["sync_id"] = sync_id.into();
        }
        line.to_string()
    });
    events.collect()
}

fn texts<'v>(items: &'v Value, member: &str) -> Vec<&'v str> {
    items.as_array().expect("a list").iter().map(|item| item[member].as_str().unwrap_or_default()).collect()
}

/// Stages without the masks of secrets, which are every installation's own.
fn unmasked(stages: &Value) -> Vec<String> {
    let text = |stage: &Value| {
        let text = stage.to_string();
        let mut parts = text.split("[redacted:");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| text + "[redacted" + part.get(12..).unwrap_or_default())
    };
    stages.as_array().expect("stages").iter().map(text).collect()
}

/// A timeline without the moment of asking.
fn timeline(app: &App, id: &str) -> Value {
    let mut timeline = app.get_json(&format!("/v1/connections/{id}/timeline"));
    timeline["as_of"] = Value::Null;
    timeline
}

#[test]
fn every_acknowledged_event_is_in_the_next_answer() {
    let app = App::spawn();
    let statuses = [
        "new",
        "new",
        "initial_sync",
        "initial_sync",
        "initial_sync",
        "initial_sync",
        "connected",
        "syncing",
        "broken",
        "broken",
        "connected",
        "connected",
        "connected",
    ];
    for (n, (line, status)) in life().iter().zip(statuses).enumerate() {
        app.post_native(line).expect(200);
        let connection = app.get_json("/v1/connections/brave_otter");
        assert_eq!((&connection["status"], &connection["events"]), (&json!(status), &json!(n + 1)), "{line}");
        let listed = app.get_json(&format!("/v1/connections?status={status}"));
        assert_eq!(listed["data"], json!([connection]));
    }
    // And the same of any past moment.
    for (n, status) in statuses.iter().enumerate() {
        let at = format!("as_of=2026-07-07T10:00:{n:02}Z");
        let then = app.get_json(&format!("/v1/connections/brave_otter?{at}"));
        assert_eq!((&then["status"], &then["events"]), (&json!(status), &json!(n + 1)), "{at}");
        let timeline = app.get_json(&format!("/v1/connections/brave_otter/timeline?{at}"));
        assert_eq!(timeline["connection"], then);
        assert_eq!(timeline["as_of"], format!("2026-07-07T10:00:{n:02}.000Z"));
    }
    app.get("/v1/connections/brave_otter?as_of=2026-07-07T09:59:59.999999Z").expect(404);
}

#[test]
fn a_life_is_told_as_stages_syncs_changes_days_and_incidents() {
    let app = App::spawn();
    app.post_native(life().join("\n")).expect(200);
    let whole = timeline(&app, "brave_otter");
    assert_eq!(
        texts(&whole["stages"], "stage"),
        ["initialized", "setup_tests", "created", "sync", "sync", "broken", "sync", "recovered", "schema_changed"]
    );
    assert_eq!(whole["next_cursor"], Value::Null);
    assert_eq!(whole["incidents"][0]["resolution"], "recovered");
    assert_eq!(whole["unused"], json!([{"event": "create_user", "events": 1}]));

    let mut stages = Vec::new();
    let mut cursor = String::new();
    loop {
        let part = app.get_json(&format!("/v1/connections/brave_otter/timeline?limit=2{cursor}"));
        let mut older = part["stages"].as_array().expect("stages").clone();
        older.append(&mut stages);
        stages = older;
        match part["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(Value::from(stages), whole["stages"], "in parts, the same");
    let window = "from=2026-07-07T10:00:07Z&to=2026-07-07T10:00:09Z";
    let part = app.get_json(&format!("/v1/connections/brave_otter/timeline?{window}"));
    assert_eq!(texts(&part["stages"], "stage"), ["sync", "broken"]);

    let syncs = app.all_of("/v1/connections/brave_otter/syncs", "limit=1");
    assert_eq!(texts(&syncs.clone().into(), "sync_id"), ["three", "two", "one/1 %é"]);
    let failed = app.all_of("/v1/connections/brave_otter/syncs", "status=failure_with_TASK");
    assert_eq!(failed, [syncs[1].clone()]);
    let first = app.get_json("/v1/connections/brave_otter/syncs/one%2F1%20%25%C3%A9");
    assert_eq!(first, syncs[2]);
    assert_eq!(first["tables"][0]["rows"], json!({"REPLACED_OR_INSERTED": 12}));
    app.get("/v1/connections/brave_otter/syncs/four").expect(404);
    app.get("/v1/connections/calm_heron/syncs/two").expect(404);

    let changes = app.all_of("/v1/connections/brave_otter/schema-changes", "");
    assert_eq!(changes, [whole["stages"][8].clone()]);
    let days = app.all_of("/v1/connections/brave_otter/daily", "from=2026-07-06&to=2026-07-09");
    assert_eq!(texts(&days.clone().into(), "date"), ["2026-07-06", "2026-07-07", "2026-07-08"]);
    assert_eq!(days[1]["syncs"], json!({"total": 3, "successful": 2, "failed": 1, "rescheduled": 0, "canceled": 0}));
    assert_eq!((&days[1]["rows_modified"], &days[1]["seconds_syncing"]), (&json!(12), &json!(6)));
    assert_eq!((&days[0]["events"], &days[1]["events"]), (&json!(0), &json!(13)));

    let incidents = app.all_of("/v1/incidents", "connection_id=brave_otter&open=false");
    let mut expected = json!({"connection_id": "brave_otter", "connection_name": "shop"});
    let members = whole["incidents"][0].as_object().expect("an incident").clone();
    expected.as_object_mut().expect("an object").extend(members);
    assert_eq!(incidents, [expected]);
    assert_eq!(app.all_of("/v1/incidents", "open=true"), Vec::<Value>::new());

    let stats = app.get_json("/v1/stats?from=2026-07-07T10:00:00Z&to=2026-07-07T10:00:20Z&by=connection");
    let account = &stats["account"];
    assert_eq!(account["connections"]["connected"], 1);
    assert_eq!(account["incidents"], json!({"opened": 1, "open": 0}));
    assert_eq!((&account["mean_time_to_recovery_ms"], &account["availability"]), (&json!(2_000), &json!(0.9)));
    assert_eq!(stats["groups"][0]["key"], "brave_otter");

    let series =
        r#"lifeline_connection_status{connection_id="brave_otter",connection_name="shop",status="connected"} 1"#;
    let metrics = app.get("/metrics").expect(200).text();
    assert!(metrics.lines().any(|line| line == series), "{metrics}");
    let success = app.metric("lifeline_connection_last_success_timestamp_seconds", "brave_otter");
    assert!((success - 1_783_418_410.0).abs() < 0.001, "{success}");
}

#[test]
fn the_order_of_arrival_leaves_no_trace() {
    let lines: Vec<String> = samples::simulated(11, 1_500).iter().map(line).collect();
    let sorted = App::spawn();
    sorted.post_native(lines.join("\n")).expect(200);
    let mut rng = samples::rng();
    let mixed = App::spawn();
    for part in shuffled(&lines, &mut rng).chunks(97) {
        mixed.post_native(part.join("\n")).expect(200);
        // Asked in between, so that lives are folded again and again.
        mixed.get("/v1/connections?limit=3").expect(200);
    }
    mixed.post_native(lines[..300].join("\n")).expect(200);
    let expected = sorted.all_of("/v1/connections", "limit=5&sort=last_event&order=desc");
    assert!(expected.len() > 5);
    assert_eq!(mixed.all_of("/v1/connections", "limit=5&sort=last_event&order=desc"), expected);
    for connection in &expected {
        let id = connection["connection_id"].as_str().expect("an id");
        let (mut mixed, mut sorted) = (timeline(&mixed, id), timeline(&sorted, id));
        let stages = (unmasked(&mixed["stages"].take()), unmasked(&sorted["stages"].take()));
        for (one, other) in stages.0.iter().zip(&stages.1) {
            assert_eq!(one, other, "{id}");
        }
        assert_eq!(stages.0.len(), stages.1.len(), "{id}");
        assert_eq!(mixed, sorted, "{id}");
    }
    for path in ["/v1/incidents", "/v1/transformations"] {
        assert_eq!(mixed.all_of(path, "limit=3"), sorted.all_of(path, "limit=1000"), "{path}");
    }
    let window = "/v1/stats?from=2020-01-01&to=2026-11-01&by=connector_type";
    assert_eq!(mixed.get_json(window), sorted.get_json(window));
}

/// Names of a schema's members, and those that have to be there.
fn members<'d>(document: &'d Value, schema: &str) -> (BTreeSet<&'d str>, BTreeSet<&'d str>) {
    let schema = &document["components"]["schemas"][schema];
    let told: BTreeSet<&str> = schema["properties"].as_object().expect("members").keys().map(String::as_str).collect();
    let required = schema["required"].as_array().expect("members").iter().filter_map(Value::as_str).collect();
    (told, required)
}

#[track_caller]
fn fits(document: &Value, schema: &str, found: &Map<String, Value>) {
    let (told, required) = members(document, schema);
    let found: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    let untold: Vec<_> = found.difference(&told).collect();
    let absent: Vec<_> = required.difference(&found).collect();
    assert!(untold.is_empty() && absent.is_empty(), "{schema}: not told {untold:?}, absent {absent:?}");
}

#[track_caller]
fn all_fit(document: &Value, schema: &str, found: &Value) {
    for item in found.as_array().expect("a list") {
        fits(document, schema, item.as_object().unwrap_or_else(|| panic!("{schema}: {item}")));
    }
}

#[test]
fn answers_have_the_shapes_of_the_document() {
    let app = App::spawn();
    let documented: Vec<String> = documented().into_iter().map(|event| event.line).collect();
    app.post_native(documented.join("\n")).expect(200);
    app.post_native(life().join("\n")).expect(200);
    let simulated: Vec<String> = samples::simulated(3, 1_000).iter().map(line).collect();
    app.post_native(simulated.join("\n")).expect(200);
    let document = app.get_json("/openapi.json");
    let connections = Value::from(app.all_of("/v1/connections", ""));
    all_fit(&document, "Connection", &connections);
    let mut kinds = BTreeSet::new();
    for id in texts(&connections, "connection_id") {
        assert_ne!(id, "_connector_1");
        let life = timeline(&app, id);
        fits(&document, "Timeline", life.as_object().expect("an object"));
        all_fit(&document, "Stage", &life["stages"]);
        all_fit(&document, "Incident", &life["incidents"]);
        for stage in life["stages"].as_array().expect("stages") {
            kinds.insert(stage["stage"].as_str().expect("a kind").to_owned());
            for (member, schema) in [
                ("tables", "Table"),
                ("messages", "SyncMessage"),
                ("tests", "SetupTest"),
                ("changes", "Change"),
                ("schema_changes", "SchemaChange"),
            ] {
                if let Some(list) = stage.get(member) {
                    all_fit(&document, schema, list);
                }
            }
            if let Some(trigger) = stage.get("trigger") {
                fits(&document, "Trigger", trigger.as_object().expect("an object"));
            }
            if let Some(import) = stage["import"].as_object() {
                fits(&document, "Import", import);
            }
        }
        all_fit(&document, "Daily", &app.get_json(&format!("/v1/connections/{id}/daily"))["data"]);
    }
    assert!(kinds.len() >= 12, "{kinds:?}");
    all_fit(&document, "Incident", &app.all_of("/v1/incidents", "").into());
    let runs = app.all_of("/v1/transformations", "");
    assert!(!runs.is_empty());
    all_fit(&document, "TransformationRun", &runs.into());
    let stats = app.get_json("/v1/stats?by=destination");
    fits(&document, "Stats", stats.as_object().expect("an object"));
    fits(&document, "Figures", stats["account"].as_object().expect("an object"));
}

#[test]
fn a_status_that_nobody_documented_is_found_in_any_case() {
    let app = App::spawn();
    let line = r#"{"event":"sync_end","created":"2026-07-07T10:00:00Z","connection_id":"a","sync_id":"s","data":{"status":"Halfway Dönè"}}"#;
    app.post_native(line).expect(200);
    for status in ["Halfway+D%C3%B6n%C3%A8", "hALFWAY+d%C3%B6N%C3%A8"] {
        let found = app.all_of("/v1/connections/a/syncs", &format!("status={status}"));
        assert_eq!(texts(&found.into(), "status"), ["Halfway Dönè"]);
    }
    assert_eq!(app.all_of("/v1/connections/a/syncs", "status=halfway"), Vec::<Value>::new());
}

#[test]
fn test_deliveries_are_no_connection() {
    let app = App::spawn();
    app.post_native(r#"{"event":"sync_end","created":"2026-07-07T10:00:00Z","connection_id":"_connector_1","data":{"status":"FAILURE"}}"#)
        .expect(200);
    assert_eq!(app.all_of("/v1/connections", ""), Vec::<Value>::new());
    assert_eq!(app.all_of("/v1/incidents", ""), Vec::<Value>::new());
    for rest in ["", "/timeline", "/syncs", "/schema-changes", "/daily"] {
        app.get(&format!("/v1/connections/_connector_1{rest}")).expect(404);
    }
    assert!(!app.get("/metrics").expect(200).text().contains("_connector_1"));
}

#[test]
fn odd_names_are_found_by_what_they_are() {
    let app = App::spawn();
    for id in ["a/b", "a+b c", "timeline", "\u{1}\"\\", "ünï 漢", "%2F"] {
        let line = json!({"event": "sync_start", "created": "2026-07-07T10:00:00Z", "connection_id": id, "connection_name": id, "sync_id": id});
        app.post_native(line.to_string()).expect(200);
        let path: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let sync = app.get_json(&format!("/v1/connections/{path}/syncs/{path}"));
        assert_eq!(sync["sync_id"], id);
        assert_eq!(app.get_json(&format!("/v1/connections/{path}"))["connection_name"], id);
        assert_eq!(app.get_json(&format!("/v1/connections?q={path}"))["data"][0]["connection_id"], id);
    }
    assert_eq!(app.all_of("/v1/connections", "limit=1&sort=name&order=desc").len(), 6);
    app.get("/metrics").expect(200);
}
