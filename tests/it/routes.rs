//! One event, four ways in: native JSON, Splunk HEC, Fivetran's webhook, Grafana Loki; and `import` as the fifth.

use crate::{
    app::{App, INGEST},
    http::{Conn, Response, request},
    loki_bytes::{json_push, proto_push},
    samples::{self, Documented, documented, hec_body, line, shuffled, webhook_line},
};
use lifeline::{redact::is_secret_name, simulate::SimEvent};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, thread};

/// Packs a body.
type Encode<'e> = &'e dyn Fn(&str) -> Vec<u8>;

/// Sends lines by one of the routes, in one request or in one each.
type Deliver = fn(&App, &[&str]) -> Vec<Response>;

fn native(app: &App, lines: &[&str]) -> Vec<Response> {
    vec![app.post_native(lines.join("\n"))]
}

fn hec(app: &App, lines: &[&str]) -> Vec<Response> {
    vec![app.post_hec(hec_body(lines))]
}

fn webhook(app: &App, lines: &[&str]) -> Vec<Response> {
    lines.iter().map(|line| app.post_webhook(line)).collect()
}

fn loki_json(app: &App, lines: &[&str]) -> Vec<Response> {
    vec![app.post_loki(json_push(lines), "application/json")]
}

fn loki_proto(app: &App, lines: &[&str]) -> Vec<Response> {
    vec![app.post_loki(proto_push(lines), "application/x-protobuf")]
}

#[track_caller]
fn check(deliver: Deliver, protocol: &str, token: &str, status: u16) {
    let app = App::spawn();
    let sent = documented();
    let lines: Vec<&str> = sent.iter().map(|event| event.line.as_str()).collect();
    for answer in deliver(&app, &lines) {
        answer.expect(status);
    }
    let mut stored = app.all_events("order=asc");
    // Lines are not in order of time.
    let place = |event: &Value| {
        let same = |sent: &Documented| {
            sent.value["created"] == event["created"] && event["event"].as_str() == sent.value["event"].as_str()
        };
        sent.iter().position(same)
    };
    stored.sort_by_key(|event| place(event).unwrap_or(usize::MAX));
    assert_eq!(stored.len(), sent.len());
    assert_eq!(app.all_of("/v1/quarantine", ""), Vec::<Value>::new());
    for (sent, stored) in sent.iter().zip(&stored) {
        same(sent, stored);
        assert_eq!(stored["delivery"], json!({"protocol": protocol, "token": token}));
        assert_eq!(stored["deliveries"], 1);
        let id = stored["id"].as_str().expect("an id");
        let one = app.get_json(&format!("/v1/events/{id}"));
        let raw: Value = serde_json::from_str(one["raw"].as_str().expect("raw text")).expect("raw is JSON");
        assert_eq!(raw["event"], sent.value["event"]);
        assert_eq!(raw["created"], sent.value["created"]);
        assert_eq!(&one["data"], &stored["data"]);
    }
}

/// A stored event against what was sent.
#[track_caller]
fn same(sent: &Documented, stored: &Value) {
    let name = sent.value["event"].as_str().expect("a name").to_lowercase();
    assert_eq!(stored["event"], name.as_str());
    assert_eq!(
        stored["validation"],
        json!({"status": "valid", "schema": stored["validation"]["schema"], "errors": []}),
        "{name}"
    );
    assert_eq!(stored["family"], sent.family.as_str(), "{name}");
    assert_eq!(stored["source"], "fivetran");
    assert_eq!(stored["created"], sent.value["created"], "{name}");
    assert_eq!(stored["connector_type"], sent.value["connector_type"], "{name}");
    assert_eq!(stored["connection_name"], sent.value["connection_name"], "{name}");
    if !sent.value["connection_id"].is_null() {
        assert_eq!(stored["connection_id"], sent.value["connection_id"], "{name}");
    }
    assert_eq!(stored["sync_id"], sent.value["sync_id"], "{name}");
    assert_eq!(stored["exception_id"], Value::Null, "{name}");
    let rewritten = stored["normalized"].as_array().expect("a list");
    for (member, value) in sent.value["data"].as_object().into_iter().flatten() {
        let listed = rewritten.iter().any(|text| text == format!("data.{member}").as_str());
        if !listed && value.is_string() && !is_secret_name(member) {
            assert_eq!(&stored["data"][member], value, "{name}: data.{member}");
        }
    }
    assert!(stored["data"].get("connectorId").is_none(), "{name}");
}

#[test]
fn every_documented_event_is_taken_as_native_json() {
    check(native, "native", "default", 200);
}

#[test]
fn every_documented_event_is_taken_by_splunk_hec() {
    check(hec, "splunk_hec", "default", 200);
}

#[test]
fn every_documented_event_is_taken_as_a_webhook() {
    check(webhook, "fivetran_webhook", "webhook", 200);
}

#[test]
fn every_documented_event_is_taken_by_loki_as_json() {
    check(loki_json, "loki", "default", 204);
}

#[test]
fn every_documented_event_is_taken_by_loki_as_protobuf() {
    check(loki_proto, "loki", "default", 204);
}

#[test]
fn every_documented_event_with_a_field_of_a_wrong_type_is_stored_and_invalid() {
    let app = App::spawn();
    let mut untyped = Vec::new();
    for (at, event) in documented().iter().enumerate() {
        let members = event.value["data"].as_object().cloned().unwrap_or_default();
        let mut caught = 0;
        for (number, (member, value)) in members.iter().enumerate() {
            let mut wrong = event.value.clone();
            wrong["data"][member] =
                if value.is_object() { json!("no object") } else { json!({"no": {"such": "type"}}) };
            // A moment of its own, so that it is no duplicate of the next.
            wrong["created"] = json!(format!("2026-01-{:02}T{:02}:00:00Z", at % 28 + 1, number % 24));
            let answer = app.post_native(wrong.to_string()).expect(200).json();
            assert_eq!(answer["accepted"], 1, "{wrong}");
            match answer["items"].get(0) {
                Some(item) => {
                    assert_eq!(item["outcome"], "invalid");
                    let stored = app.get_json(&format!("/v1/events/{}", item["id"].as_str().expect("an id")));
                    assert_eq!(stored["validation"]["status"], "invalid");
                    let path = stored["validation"]["errors"][0]["path"].as_str().expect("a path");
                    assert!(path.starts_with("/data"), "{path}");
                    caught += 1;
                }
                None => untyped.push(format!("{}.{member}", event.value["event"].as_str().unwrap_or_default())),
            }
        }
        // An event without data, or whose data anybody may shape, still has an envelope.
        let mut wrong = event.value.clone();
        wrong["sync_id"] = json!(["no", "text"]);
        wrong["created"] = json!(format!("2026-02-{:02}T{:02}:00:00Z", at % 28 + 1, at % 24));
        let answer = app.post_native(wrong.to_string()).expect(200).json();
        assert_eq!(answer["items"][0]["outcome"], "invalid", "{wrong}");
        assert!(caught > 0 || members.is_empty(), "no member of {} has a type", event.line);
    }
    println!("members whose type is open: {untyped:?}");
}

#[test]
fn an_event_of_an_unknown_name_is_stored_and_marked() {
    let app = App::spawn();
    let answer = app.post_native(r#"{"event":"Brand_New","created":"2026-08-17T09:41:23.518Z","data":{"a":1}}"#);
    let answer = answer.expect(200).json();
    assert_eq!((&answer["accepted"], &answer["items"][0]["outcome"]), (&json!(1), &json!("unknown_event")));
    let stored = &app.all_events("validation=unknown_event")[0];
    assert_eq!(stored["event"], "brand_new");
    assert_eq!(stored["original_event"], "Brand_New");
    assert_eq!(stored["family"], "other");
}

#[test]
fn the_native_answer_lists_what_was_not_plainly_accepted() {
    let app = App::spawn();
    let good = r#"{"event":"sync_start","created":"2026-08-17T09:41:23.518Z","connection_id":"a"}"#;
    let torn = r#"{"event":"sync_end","created":"2026-08"#;
    let body = [good, good, "5", torn, r#"{"event":"info","created":"2026-08-17T09:41:24Z","connection_id":"a"}"#];
    let answer = app.post_native(body.join("\n")).expect(200).json();
    assert_eq!((&answer["accepted"], &answer["duplicates"], &answer["quarantined"]), (&json!(2), &json!(1), &json!(2)));
    let items = answer["items"].as_array().expect("a list");
    assert_eq!(items.len(), 2, "{answer}");
    assert_eq!((&items[0]["index"], &items[0]["outcome"]), (&json!(2), &json!("quarantined")));
    assert_eq!(items[0]["reason"], "expected an object, found a number");
    assert_eq!(items[1]["index"], 3);
    assert!(items[1]["id"].is_string());

    let refused = app.post_native("nothing that can be read").expect(400);
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    for member in ["type", "title", "status", "detail"] {
        assert!(!refused.json()[member].is_null(), "{member}");
    }
    assert_eq!(app.all_of("/v1/quarantine", "").len(), 3);
    app.post_native("").expect(400);
    assert_eq!(app.all_of("/v1/quarantine", "").len(), 3, "an empty body holds nothing worth keeping");
}

#[test]
fn every_encoding_is_undone_on_every_route() {
    let app = App::spawn();
    let event = |n: u64| samples::numbered("encoded", n);
    let zlib = |text: &str| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, text.as_bytes()).expect("memory takes it");
        encoder.finish().expect("memory takes it")
    };
    let raw = |text: &str| {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, text.as_bytes()).expect("memory takes it");
        encoder.finish().expect("memory takes it")
    };
    let zstd = |text: &str| zstd::encode_all(text.as_bytes(), 3).expect("memory takes it");
    let gzip = |text: &str| samples::gzip(text.as_bytes());
    let encodings: [(&str, Encode<'_>); 6] = [
        ("gzip", &gzip),
        ("deflate", &zlib),
        ("deflate", &raw),
        ("zstd", &zstd),
        ("zstd1", &zstd),
        ("identity", &|text| text.into()),
    ];
    let token = format!("Bearer {INGEST}");
    let mut sent = 0;
    for (name, encode) in encodings {
        for (path, framed) in [
            ("/v1/events", event(sent)),
            ("/services/collector", hec_body(&[event(sent + 1)])),
            ("/services/collector/raw", event(sent + 2)),
            ("/loki/api/v1/push", String::from_utf8(json_push(&[event(sent + 3)])).expect("JSON is UTF-8")),
            ("/v1/webhooks/fivetran", event(sent + 4)),
        ] {
            let body = encode(&framed);
            let signature = crate::app::sign(crate::app::SECRET, &body);
            let mut headers = vec![
                ("Authorization", token.as_str()),
                ("Content-Encoding", name),
                ("Content-Type", "application/json"),
            ];
            if path.contains("webhooks") {
                headers.push(("X-Fivetran-Signature-256", &signature));
            }
            let answer = app.send("POST", path, &headers, &body);
            assert!(matches!(answer.status, 200 | 204), "{name} {path}: {} {}", answer.status, answer.text());
        }
        sent += 5;
    }
    let mut numbers: Vec<u64> = app.all_events("connection_id=encoded").iter().map(samples::number_of).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..sent).collect::<Vec<_>>());
}

/// What of an event does not depend on how, when, how often, where and in which spelling it came. Masks are a server's own.
pub fn lasting(event: Value) -> (String, Value) {
    let mut text = event.to_string();
    for (at, _) in event.to_string().match_indices("[redacted:") {
        text.replace_range(at + 10..at + 22, "............");
    }
    let mut event: Value = serde_json::from_str(&text).expect("it was JSON");
    let members = event.as_object_mut().expect("an object");
    for own_to_delivery in ["received", "delivery", "normalized"] {
        members.remove(own_to_delivery);
    }
    (event["id"].as_str().expect("an id").to_owned(), event)
}

/// Everything by HEC, webhook, Loki and import, each twice and in an order of its own.
fn deliver_everywhere(app: &App, events: &[SimEvent], reversed: bool) {
    let mut rng = samples::rng();
    let mut rounds: Vec<u8> = vec![0, 1, 2, 3, 3, 0, 2, 1];
    if reversed {
        rounds.reverse();
    }
    for (round, route) in rounds.into_iter().enumerate() {
        let events = shuffled(events, &mut rng);
        let lines: Vec<String> = events.iter().map(line).collect();
        match route {
            0 => lines.chunks(500).for_each(|chunk| drop(app.post_hec(hec_body(chunk)).expect(200))),
            1 => post_webhooks(app, &events),
            2 => lines.chunks(700).for_each(|chunk| drop(app.post_loki(proto_push(chunk), "").expect(204))),
            _ => {
                let file = app.home().join(format!("account-{round}.ndjson.gz"));
                fs::write(&file, samples::gzip(lines.join("\n").as_bytes())).expect("a file in the test's directory");
                let done = app.run(&["import", file.to_str().expect("a path in UTF-8")]);
                assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            }
        }
    }
}

/// One request an event, as Fivetran sends them, over a few connections at once.
fn post_webhooks(app: &App, events: &[SimEvent]) {
    thread::scope(|scope| {
        for share in events.chunks(events.len().div_ceil(8)) {
            scope.spawn(move || {
                let mut conn = Conn::open(app.addr).expect("the server accepts connections");
                for event in share {
                    let body = webhook_line(event);
                    let signature = crate::app::sign(crate::app::SECRET, body.as_bytes());
                    let headers = [("X-Fivetran-Signature-256", signature.as_str())];
                    let bytes = request("POST", "/v1/webhooks/fivetran", &headers, body.as_bytes());
                    conn.send(&bytes).expect("an answer").expect(200);
                }
            });
        }
    });
}

#[test]
fn the_same_account_by_every_route_in_any_order_and_twice_is_stored_once() {
    let events = samples::simulated(7, 3_000);
    let stored: Vec<BTreeMap<String, Value>> = [false, true]
        .into_iter()
        .map(|reversed| {
            let app = App::spawn();
            deliver_everywhere(&app, &events, reversed);
            let found = app.all_events("");
            assert_eq!(found.len(), events.len());
            for event in &found {
                assert_eq!(event["deliveries"], 8, "{event}");
            }
            assert_eq!(app.all_of("/v1/quarantine", ""), Vec::<Value>::new());
            found.into_iter().map(lasting).collect()
        })
        .collect();
    for (one, other) in stored[0].iter().zip(&stored[1]) {
        assert_eq!(one, other, "the order of arrival shows");
    }
}
