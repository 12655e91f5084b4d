//! `GET /v1/events`: every filter, and a clear refusal of everything else.

use crate::{
    app::App,
    samples::{documented, numbered},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Ids of what a query finds.
fn ids(app: &App, query: &str) -> BTreeSet<String> {
    app.all_events(query).iter().map(|event| event["id"].as_str().expect("an id").to_owned()).collect()
}

/// A filter against the same condition applied to all events.
#[track_caller]
fn check(app: &App, all: &[Value], query: &str, fits: impl Fn(&Value) -> bool) {
    let expected: BTreeSet<String> =
        all.iter().filter(|event| fits(event)).map(|event| event["id"].as_str().expect("an id").to_owned()).collect();
    assert!(!expected.is_empty(), "{query} is tried on something");
    assert!(expected.len() < all.len(), "{query} narrows");
    assert_eq!(ids(app, query), expected, "{query}");
}

fn text<'v>(event: &'v Value, member: &str) -> &'v str {
    event[member].as_str().unwrap_or_default()
}

#[test]
fn every_filter_narrows_to_what_fits() {
    let app = App::spawn();
    let lines: Vec<String> = documented().into_iter().map(|event| event.line).collect();
    app.post_native(lines.join("\n")).expect(200);
    app.with_token(crate::app::INGEST, "POST", "/v1/events", br#"{"event":"unknown_one","created":"2025-07-07T16:00:30Z","destination_group_id":"lake","data":{"message":"Caf\u00e9 100% _x_ [a](b)"}}"#)
        .expect(200);
    app.post_native(r#"{"event":"sync_end","created":"2025-07-07T16:00:31Z","connection_id":"c","data":{"status":5}}"#)
        .expect(200);
    let all = app.all_events("");
    assert_eq!(all.len(), 102);
    check(&app, &all, "connection_id=speak_menial", |e| text(e, "connection_id") == "speak_menial");
    check(&app, &all, "event=sync_end", |e| text(e, "event") == "sync_end");
    check(&app, &all, "event=SYNC_END", |e| text(e, "event") == "sync_end");
    for family in ["connector", "dashboard", "rest_api", "audit_trail", "transformation", "other"] {
        check(&app, &all, &format!("family={family}"), |e| text(e, "family") == family);
    }
    for level in ["INFO", "WARNING", "SEVERE"] {
        check(&app, &all, &format!("level={level}"), |e| text(e, "level") == level);
    }
    for status in ["valid", "invalid", "unknown_event"] {
        check(&app, &all, &format!("validation={status}"), |e| e["validation"]["status"] == status);
    }
    let sync = all.iter().map(|e| text(e, "sync_id")).find(|id| !id.is_empty()).expect("a sync").to_owned();
    check(&app, &all, &format!("sync_id={sync}"), |e| text(e, "sync_id") == sync);
    check(&app, &all, "destination=lake", |e| text(e, "destination") == "lake");
    let from = "2025-07-07T16:00:30Z";
    check(&app, &all, &format!("from={from}"), |e| text(e, "created") >= from);
    check(&app, &all, &format!("to={from}"), |e| text(e, "created") < from);
    check(&app, &all, "from=2025-07-07T18:00:30%2B02:00&to=2025-07-07T16:00:40Z", |e| {
        (from.."2025-07-07T16:00:40Z").contains(&text(e, "created"))
    });
    check(&app, &all, "event=sync_end&level=SEVERE&family=connector", |e| {
        text(e, "event") == "sync_end" && text(e, "level") == "SEVERE" && text(e, "family") == "connector"
    });
    // Text search takes every character as it is.
    for (q, name) in
        [("CREDENTIALS WERE REVOKED", "sync_end"), ("100%25%20_x_", "unknown_one"), ("%5Ba%5D(b)", "unknown_one")]
    {
        let found = app.all_events(&format!("q={q}"));
        assert_eq!(found.len(), 1, "{q}");
        assert_eq!(found[0]["event"], name, "{q}");
    }
    for nothing in [
        "connection_id=nobody",
        "event=nothing",
        "q=xyzzyplugh",
        "from=2030-01-01T00:00:00Z",
        "q=%25%25",
        "destination=%27%20OR%201=1--",
    ] {
        assert_eq!(app.get_json(&format!("/v1/events?{nothing}"))["data"], json!([]), "{nothing}");
    }
    assert_eq!(ids(&app, "source=fivetran").len(), 102);
    assert_eq!(ids(&app, "source=heroku_connect").len(), 0);
}

#[test]
fn bad_parameters_are_refused_by_name() {
    let app = App::spawn();
    for (query, name) in [
        ("limits=5", "limits"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=ten", "limit"),
        ("limit=5&limit=6", "limit"),
        ("from=yesterday", "from"),
        ("from=1786959683", "from"),
        ("to=2026-07-07", "to"),
        ("from=2026-07-08T00:00:00Z&to=2026-07-07T00:00:00Z", "from"),
        ("level=LOUD", "level"),
        ("family=unknown", "family"),
        ("source=splunk", "source"),
        ("validation=maybe", "validation"),
        ("order=random", "order"),
        ("cursor=made-up", "cursor"),
        ("q=", "q"),
        ("q=%ff", "q"),
    ] {
        let answer = app.get(&format!("/v1/events?{query}"));
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{query}");
        let problem = answer.json();
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(name)), "{query}: {problem}");
        assert_eq!(problem["status"], 400);
    }
    for id in ["nothing", "0", "ffffffffffffffffffffffffffffffff0", "..%2f..%2fetc%2fpasswd"] {
        let answer = app.get(&format!("/v1/events/{id}"));
        assert!(matches!(answer.status, 400 | 404), "{id}: {}", answer.status);
        assert!(answer.json()["title"].is_string());
    }
    app.get("/v1/events/80000000000000008000000000000000").expect(404);
    for query in ["limit=-1", "cursor=x", "unknown=1"] {
        assert_eq!(app.get(&format!("/v1/quarantine?{query}")).status, 400, "{query}");
    }
    assert_eq!(app.get("/v1/events/stream?limit=1").status, 400);
    app.assert_well();
}

#[test]
fn one_event_has_its_original_text_and_its_answers_are_complete() {
    let app = App::spawn();
    let sent = r#"{ "event": "SYNC_END" , "created":"2026-07-07T16:35:14.456Z","connector_id":"c_1","connector_name":"n","connector_type":"s3","sync_id":"s-1","new_member":{"a":[1]},"data":{"status":"SUCCESSFUL","connectorId":"c_1"}}"#;
    app.post_native(sent).expect(200);
    let listed = app.all_events("").remove(0);
    let mut one = app.get_json(&format!("/v1/events/{}", listed["id"].as_str().expect("an id")));
    assert_eq!(one.as_object_mut().and_then(|members| members.remove("raw")), Some(json!(sent)));
    assert_eq!(one, listed, "a list shows the same but for raw");
    let mut shown = one;
    let members = shown.as_object_mut().expect("an object");
    assert!(members.remove("id").is_some_and(|id| id.as_str().is_some_and(|id| !id.is_empty())));
    let received = members.remove("received").expect("the time of receipt");
    assert!(received.as_str().is_some_and(|text| text.ends_with('Z') && text.len() >= 20), "{received}");
    let normalized = members.remove("normalized").expect("a list");
    for rewrite in ["event", "connector_id", "connector_name", "data.connectorId"] {
        assert!(
            normalized.as_array().is_some_and(|list| list.iter().any(|text| text == rewrite)),
            "{rewrite}: {normalized}"
        );
    }
    assert_eq!(
        shown,
        json!({
            "source": "fivetran", "event": "sync_end", "original_event": "SYNC_END", "family": "connector", "level": "INFO",
            "created": "2026-07-07T16:35:14.456Z", "connection_id": "c_1", "connection_name": "n", "connector_type": "s3",
            "sync_id": "s-1", "exception_id": null, "destination": null,
            "data": {"status": "SUCCESSFUL", "connectionId": "c_1"}, "extra": {"new_member": {"a": [1]}},
            "validation": {"status": "valid", "schema": "sync_end", "errors": []},
            "delivery": {"protocol": "native", "token": "default"}, "deliveries": 1,
        })
    );
}

#[test]
fn operations_answer_without_surprises() {
    let app = App::spawn();
    app.post_native(numbered("operations", 1)).expect(200);
    app.post_native(numbered("operations", 1)).expect(200);
    app.post_native("5").expect(400);
    assert_eq!(app.send("GET", "/healthz", &[], b"").status, 200);
    let document = app.send("GET", "/openapi.json", &[], b"").expect(200).json();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    for path in [
        "/v1/events",
        "/v1/events/{id}",
        "/v1/events/stream",
        "/v1/quarantine",
        "/healthz",
        "/services/collector/event",
    ] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    let docs = app.send("GET", "/docs/", &[], b"").expect(200);
    assert!(!docs.text().contains("//cdn"), "assets are ours");
    let metrics = app.send("GET", "/metrics", &[], b"").expect(200);
    assert!(metrics.header("content-type").is_some_and(|kind| kind.contains("openmetrics")));
    let text = metrics.text();
    assert!(text.ends_with("# EOF\n"));
    assert_eq!(app.metric("lifeline_events_stored_total", "protocol=\"native\""), 1.0);
    assert_eq!(app.metric("lifeline_events_duplicate_total", "native"), 1.0);
    assert_eq!(app.metric("lifeline_events_quarantined_total", "native"), 1.0);
    assert_eq!(app.metric("lifeline_store_events", ""), 1.0);
    assert_eq!(app.metric("lifeline_store_writable", ""), 1.0);
}
