//! What could not be read as an event: kept with its reason, looked at, tried again.

use crate::{
    app::{ADMIN, App, READ},
    http::Response,
    samples::numbered,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

fn replay(app: &App, id: &str) -> Response {
    app.with_token(ADMIN, "POST", &format!("/v1/quarantine/{id}/replay"), b"")
}

#[test]
fn unreadable_items_are_kept_with_reason_bytes_and_sender() {
    let app = App::spawn();
    app.post_native(format!("{}\n5\n{{\"torn\":\n", numbered("q", 1))).expect(200);
    app.post_hec("not json at all").expect(400);
    app.post_webhook("[1]").expect(200);
    app.post_native(b"\xff\xfe\xfd").expect(400);
    for _ in 0..2 {
        app.post_hec("not json at all").expect(400);
    }
    let items = app.all_of("/v1/quarantine", "");
    let shown: Vec<_> = items
        .iter()
        .map(|item| {
            (item["protocol"].clone(), item["token"].clone(), item["deliveries"].clone(), item["size_bytes"].clone())
        })
        .collect();
    let expected = [
        (json!("native"), json!("default"), json!(1), json!(3)),
        (json!("fivetran_webhook"), json!("webhook"), json!(1), json!(3)),
        (json!("splunk_hec"), json!("default"), json!(3), json!(15)),
        (json!("native"), json!("default"), json!(1), json!(8)),
        (json!("native"), json!("default"), json!(1), json!(1)),
    ];
    assert_eq!(shown, expected, "newest first, the same bytes once");
    for item in &items {
        assert!(item["reason"].as_str().is_some_and(|reason| reason.len() > 5), "{item}");
        assert_eq!(item["replayed"], Value::Null);
        let one = app.get_json(&format!("/v1/quarantine/{}", item["id"].as_str().expect("an id")));
        assert_eq!(one["reason"], item["reason"]);
    }
    let binary = app.get_json(&format!("/v1/quarantine/{}", items[0]["id"].as_str().expect("an id")));
    assert_eq!(binary["encoding"], "base64");
    assert_eq!(STANDARD.decode(binary["bytes"].as_str().expect("bytes")).expect("base64"), b"\xff\xfe\xfd");
    let page = app.get_json("/v1/quarantine?limit=2");
    assert_eq!(page["data"].as_array().map(Vec::len), Some(2));
    assert_eq!(app.all_of("/v1/quarantine", "limit=2"), items);
    app.get("/v1/quarantine/999999").expect(404);
    let listed = app.run(&["quarantine", "list", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("--json prints JSON");
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(5));
}

#[test]
fn a_replay_needs_an_admin_and_a_readable_item() {
    let app = App::spawn();
    app.post_native("5").expect(400);
    let id = app.all_of("/v1/quarantine", "")[0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/quarantine/{id}/replay");
    assert_eq!(app.with_token(READ, "POST", &path, b"").status, 403);
    let refused = replay(&app, &id);
    assert!((400..500).contains(&refused.status), "{}", refused.status);
    assert!(refused.json()["detail"].as_str().is_some_and(|detail| detail.contains("number")), "{}", refused.text());
    assert_eq!(app.all_of("/v1/quarantine", "").len(), 1, "it stays where it is");
    replay(&app, "424242").expect(404);
    assert!(matches!(replay(&app, "no-number").status, 400 | 404));
}

#[test]
fn the_rest_of_a_broken_batch_can_be_replayed_over_http_and_by_command() {
    let app = App::spawn();
    let event = |n: u32| {
        format!(r#"{{"event":{{"event":"sync_start","created":"2026-08-17T09:41:{n:02}Z","connection_id":"c"}}}}"#)
    };
    // A nested field is refused by Splunk; the envelopes behind it are whole.
    let nested = r#"{"event":{"event":"info","created":"2026-08-17T09:41:30Z"},"fields":{"a":{"b":1}}}"#;
    for (number, run) in [(1, "http"), (2, "command")] {
        let body =
            event(number * 10) + nested.replace(":30Z", &format!(":3{number}Z")).as_str() + &event(number * 10 + 1);
        app.post_hec(body).expect(400);
        let waiting = app.all_of("/v1/quarantine", "");
        assert_eq!(waiting.len(), 1, "{run}");
        let id = waiting[0]["id"].as_str().expect("an id").to_owned();
        if run == "http" {
            let answer = replay(&app, &id).expect(200).json();
            assert_eq!(answer["accepted"], 2, "{answer}");
            let again = replay(&app, &id);
            assert_eq!(again.status, 409, "{}", again.text());
        } else {
            let done = app.run(&["quarantine", "replay", &id]);
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
        assert_eq!(app.all_of("/v1/quarantine", ""), Vec::<Value>::new());
        let all = app.all_of("/v1/quarantine", "all=true");
        assert_eq!(all.len(), number as usize);
        assert!(all[0]["replayed"].is_string());
        assert_eq!(app.all_events("").len(), number as usize * 3);
    }
    let protocols: Vec<_> =
        app.all_events("order=asc").iter().map(|event| event["delivery"]["protocol"].clone()).collect();
    assert!(protocols.iter().any(|name| name == "splunk_hec"), "{protocols:?}");
    assert_eq!(app.run(&["quarantine", "replay", "424242"]).status.code(), Some(1));
    let shown = app.run(&["quarantine", "show", "1"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("splunk_hec"));
}

/// Replays the one item that waits; gives the answer and what waits then: the bytes of each item with its reason.
#[track_caller]
fn replayed_once(app: &App) -> (Value, Vec<(String, String)>) {
    let waiting = app.all_of("/v1/quarantine", "");
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    let id = waiting[0]["id"].as_str().expect("an id");
    let answer = replay(app, id).expect(200).json();
    assert_eq!(replay(app, id).status, 409);
    let text = |item: &Value, member: &str| item[member].as_str().unwrap_or_default().to_owned();
    let left = app.all_of("/v1/quarantine", "");
    for item in answer["items"].as_array().expect("a list") {
        let known = item["outcome"] != "quarantined" || left.iter().any(|one| one["id"] == item["id"]);
        assert!(known, "{answer}");
    }
    (answer, left.iter().rev().map(|item| (text(item, "bytes"), text(item, "reason"))).collect())
}

#[test]
fn the_good_events_behind_a_bad_one_come_in_and_only_the_bad_one_stays() {
    let event =
        |n: u32| format!(r#"{{"event":"sync_start","created":"2026-11-20T16:30:{n:02}Z","connection_id":"good"}}"#);
    let envelope = |n: u32| format!(r#"{{"event":{}}}"#, event(n));
    let bad = r#"{"time":3}"#;
    let nameless = "an object without an event name";
    let line =
        |n: u32| format!(r#"["{}","{}"]"#, 1_795_192_200_000_000_000_u64 + u64::from(n), event(n).replace('"', "\\\""));
    let push = format!(r#"{{"streams":[{{"stream":{{"a":"b"}},"values":[{},{}]}}]}}"#, line(1), line(2));
    let half_push = format!(r#"{{"streams":[{{"stream":{{}},"values":[{},["soon","x"]]}}]}}"#, line(1));
    let torn = "{\"event\":{\n\"event\":\"sync_start\",\n";
    let on_lines = format!("[\n{bad},\n{},\n{},\n{bad}\n]\n", envelope(1), envelope(2));
    type Case<'c> = (&'c str, String, usize, Vec<(&'c str, &'c str)>);
    let cases: Vec<Case<'_>> = vec![
        ("", format!("{bad}{}", envelope(1)), 1, vec![(bad, nameless)]),
        ("", format!("[{bad},{},{}]", envelope(1), envelope(2)), 2, vec![(bad, nameless)]),
        ("", format!("[{bad},{bad},{}]{}", envelope(1), envelope(2)), 2, vec![(bad, nameless)]),
        ("", on_lines, 2, vec![(bad, nameless)]),
        ("", format!("{},,{}", envelope(1), envelope(2)), 1, vec![]),
        ("", format!("{bad}\n{torn}{}\nplain\n", envelope(1)), 1, vec![(bad, nameless), ("plain", "not JSON")]),
        ("/raw?time=-5", format!("{}\ntrue\n{}\n", event(1), event(2)), 2, vec![("true", "found a boolean")]),
        ("", push, 2, vec![]),
        ("", format!("{half_push}{bad}"), 1, vec![("[\"soon\",\"x\"]", "time"), (bad, nameless)]),
    ];
    for (path, body, accepted, left) in cases {
        let app = App::spawn();
        let path = format!("/services/collector{path}");
        app.with_token(crate::app::INGEST, "POST", &path, body.as_bytes()).expect(400);
        let before = app.all_events("").len();
        let (answer, found) = replayed_once(&app);
        assert_eq!(answer["accepted"], accepted, "{body}: {answer}");
        assert_eq!(app.all_events("").len(), before + accepted, "{body}");
        if body.contains(torn) {
            assert!(found[1].0.starts_with("{\"event\":{") && found[1].0.ends_with("sync_start\","), "{found:?}");
            continue;
        }
        assert!(answer["quarantined"].as_u64() >= Some(found.len() as u64), "{body}: {answer}");
        assert_eq!(found.len(), left.len(), "{body}: {found:?}");
        for ((bytes, reason), (expected, why)) in found.iter().zip(left) {
            assert_eq!(bytes, expected, "{body}");
            assert!(reason.contains(why), "{body}: {reason}");
        }
    }
}

#[test]
fn a_body_of_loki_that_was_kept_whole_is_read_in_its_own_form() {
    let app = App::spawn();
    let push = |n: u32| {
        let line = format!(r#"{{"event":"sync_start","created":"2026-11-20T16:30:{n:02}Z","connection_id":"good"}}"#);
        json!({"streams": [{"stream": {"level": "warn"}, "values": [["", line, {}]]}]}).to_string()
    };
    app.post_loki(push(1) + &push(2) + "}", "application/json").expect(400);
    let (answer, left) = replayed_once(&app);
    assert_eq!((&answer["accepted"], &answer["quarantined"]), (&json!(2), &json!(1)), "{answer}");
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].0, "}");
    assert!(app.all_events("").iter().all(|event| event["level"] == "WARNING"), "what its labels say counts");
}

#[test]
fn an_item_without_an_event_stays_whole() {
    let app = App::spawn();
    for body in [r#"{"time":3}{"time":4} 5"#, "[1,2", "{\"streams\":[{\"values\":[[\"1\",\"\"]]}]}"] {
        app.post_hec(body).expect(400);
        let waiting = app.all_of("/v1/quarantine", "");
        let refused = replay(&app, waiting[0]["id"].as_str().expect("an id"));
        assert_eq!(refused.status, 422, "{body}: {}", refused.text());
        assert_eq!(app.all_of("/v1/quarantine", ""), waiting, "{body}");
    }
}

#[test]
fn a_schema_of_ones_own_counts_after_a_restart() {
    let mut app = App::spawn();
    let event = |n: u32| {
        format!(r#"{{"event":"nightly_report","created":"2026-08-17T09:41:{n:02}Z","data":{{"rows":"many"}}}}"#)
    };
    app.post_native(event(1)).expect(200);
    assert_eq!(app.all_events("event=nightly_report")[0]["validation"]["status"], "unknown_event");
    let schemas = app.home().join("schemas");
    let folder = schemas.join("event/nightly_report");
    std::fs::create_dir_all(&folder).expect("a directory");
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://lifeline.invalid/schemas/event/nightly_report/v1.json",
        "title": "nightly_report: a report of ours",
        "x-lifeline": {"family": "connector", "source": "fivetran"},
        "type": "object",
        "properties": {"rows": {"type": "integer"}},
    });
    std::fs::write(folder.join("v1.json"), schema.to_string()).expect("a file");
    app.stop();
    app.set_env("LIFELINE_SCHEMAS_DIR", schemas.to_str().expect("a path in UTF-8"));
    app.start();
    app.post_native(event(2)).expect(200);
    let stored = app.all_events("event=nightly_report&order=desc");
    assert_eq!(stored[0]["validation"]["status"], "invalid");
    assert_eq!(stored[0]["validation"]["errors"][0]["path"], "/data/rows");
    assert_eq!(stored[0]["family"], "connector");
    assert_eq!(stored[1]["validation"]["status"], "unknown_event", "what was judged before keeps its judgement");

    std::fs::write(folder.join("v1.json"), "{ broken").expect("a file");
    app.stop();
    let refused = app.run(&["serve"]);
    assert_eq!(refused.status.code(), Some(1), "a broken schema is found at start");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("nightly_report"));
}
