//! What real clients were recorded sending, and what each needs to hear back.
//!
//! In: the captured requests of `tests/fixtures/protocol`, byte for byte. Out: nothing; each is replayed against the real server, and
//! status and body are compared with what its client accepts.

use crate::{
    app::{App, HEC_TOKEN, INGEST, Setup},
    http::{Response, request},
    samples::fixture,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// One recorded request.
struct Capture {
    name: String,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// Every capture below a directory, by name.
fn load(dir: &Path) -> BTreeMap<String, Capture> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let path: PathBuf = entry.expect("a directory entry").path();
        if path.is_dir() {
            found.extend(load(&path));
            continue;
        }
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name in UTF-8").to_owned();
        let bytes = fs::read(&path).expect("a capture can be read");
        let capture = match path.extension().and_then(|extension| extension.to_str()) {
            Some("http") => text_capture(&name, &bytes),
            Some("json") => binary_capture(&name, &bytes),
            _ => continue,
        };
        found.insert(name, capture);
    }
    found
}

fn text_capture(name: &str, bytes: &[u8]) -> Capture {
    let split = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("an empty line ends the head");
    let head = std::str::from_utf8(&bytes[..split]).expect("a head is text");
    let mut lines = head.split("\r\n");
    let request_line = lines.next().expect("a request line");
    let headers = lines.map(|line| line.split_once(':').expect("a header")).map(owned).collect();
    capture(name, request_line, headers, bytes[split + 4..].to_vec())
}

fn binary_capture(name: &str, bytes: &[u8]) -> Capture {
    let value: Value = serde_json::from_slice(bytes).expect("a capture is JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let headers = value["headers"].as_array().expect("headers").iter().map(|pair| (text(&pair[0]), text(&pair[1])));
    let body = STANDARD.decode(text(&value["body_base64"])).expect("base64");
    capture(name, &text(&value["request_line"]), headers.collect(), body)
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.trim().to_owned(), value.trim().to_owned())
}

fn capture(name: &str, request_line: &str, headers: Vec<(String, String)>, body: Vec<u8>) -> Capture {
    let mut words = request_line.split(' ');
    let mut word = || words.next().expect("a request line has three words").to_owned();
    Capture { name: name.to_owned(), method: word(), path: word(), headers, body }
}

impl Capture {
    /// The same with a header replaced.
    fn with(&self, name: &str, value: &str) -> Self {
        let mut headers: Vec<_> =
            self.headers.iter().filter(|(known, _)| !known.eq_ignore_ascii_case(name)).cloned().collect();
        headers.push((name.to_owned(), value.to_owned()));
        let (name, method, path) = (self.name.clone(), self.method.clone(), self.path.clone());
        Self { name, method, path, headers, body: self.body.clone() }
    }

    /// The same with another body.
    fn with_body(&self, body: &[u8]) -> Self {
        Self { body: body.to_vec(), ..self.with("x-unused", "") }
    }

    /// Sends it as it came. A client that was recorded without a credential gets one.
    fn replay(&self, app: &App) -> Response {
        let bearer = format!("Bearer {INGEST}");
        let mut headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            // The host is signed by some; the recorder undid chunks.
            .filter(|(name, _)| !["content-length", "transfer-encoding"].contains(&name.to_ascii_lowercase().as_str()))
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let shows = |name: &str| headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        if !shows("authorization") && !shows("x-fivetran-signature-256") {
            headers.push(("Authorization", &bearer));
        }
        // The recorder's path stands for whatever was typed into a form.
        let path = match self.path.as_str() {
            "/fivetran/webhook" => "/v1/webhooks/fivetran",
            "/heroku/logs" => "/v1/drains/logplex",
            "/aws/firehose" => "/v1/firehose",
            "/google/pubsub?token=shared-secret" => "/v1/pubsub?token=shared-secret",
            own => own,
        };
        app.send_bytes(&request(&self.method, path, &headers, &self.body))
    }
}

/// The credentials in the captures, as far as they are tokens.
const TOKENS: &[(&str, &str)] = &[
    ("hec", HEC_TOKEN),
    // `user:pass` is the Basic credential of the Loki captures.
    ("loki", "pass"),
    ("datadog", "0123456789abcdef0123456789abcdef"),
    ("newrelic", "eu01xx0000000000000000000000000000000000"),
    ("dynatrace", "dt0c01.EXAMPLE0000000000000000.0000000000000000000000000000000000000000000000000000000000000000"),
];

fn app() -> App {
    let tokens: String = TOKENS.iter().map(|(name, token)| format!(",{name}={token}")).collect();
    Setup::default().env("LIFELINE_INGEST_TOKEN", &format!("{INGEST}{tokens}")).spawn()
}

/// Everything that is stored, by name and time.
fn stored(app: &App) -> Vec<(String, String, u64)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    app.all_events("order=asc")
        .iter()
        .map(|event| (text(&event["event"]), text(&event["created"]), event["deliveries"].as_u64().unwrap_or_default()))
        .collect()
}

const SYNC_END: &str = "2026-08-17T09:41:23.518Z";
const WARNING: &str = "2026-08-17T09:41:20.001Z";

#[track_caller]
fn check(app: &App, captures: &BTreeMap<String, Capture>, name: &str, status: u16, body: &str) {
    let capture = captures.get(name).unwrap_or_else(|| panic!("no capture {name} among {:?}", captures.keys()));
    let answer = capture.replay(app);
    assert_eq!((answer.status, answer.text().as_str()), (status, body), "{name}");
    if !body.is_empty() {
        assert_eq!(answer.header("content-type"), Some("application/json"), "{name}");
    }
}

#[test]
fn every_splunk_client_hears_success() {
    let captures = load(&fixture("protocol"));
    let app = app();
    let success = r#"{"text":"Success","code":0}"#;
    for name in [
        "splunk-handler-py",
        "splunk-handler-py-2",
        "splunk-hec-handler-py",
        "splunk-hec-handler-py-2",
        "splunk-logging-node",
        "winston-splunk-httplogger",
        "winston-splunk-httplogger-2",
        "syslog-ng-http",
        "synthetic-hec-gzip",
    ] {
        check(&app, &captures, name, 200, success);
        assert_eq!(app.all_of("/v1/quarantine", ""), Vec::<Value>::new(), "{name}");
    }
    let expected = [("warning".to_owned(), WARNING.to_owned(), 3), ("sync_end".to_owned(), SYNC_END.to_owned(), 9)];
    assert_eq!(stored(&app), expected, "every client's record is the same two events");

    // What is no Fivetran event is kept in quarantine, and the client hears success all the same.
    check(&app, &captures, "splunk-handler-py-recordformat", 200, success);
    assert_eq!(app.all_of("/v1/quarantine", "").len(), 1);
    for (name, ack) in [("curl-splunk-raw", 0), ("splunk-logging-node-channel", 1), ("synthetic-hec-batch-nosep", 2)] {
        let with_ack = json!({"text": "Success", "code": 0, "ackId": ack});
        let answer = captures[name].replay(&app).expect(200);
        assert_eq!(answer.json(), with_ack, "{name}");
    }
    assert_eq!(app.all_of("/v1/quarantine", "").len(), 4);
    check(&app, &captures, "synthetic-hec-ack-poll", 200, r#"{"acks":{"0":true,"1":true,"2":true}}"#);
    assert_eq!(stored(&app).len(), 2);
    let stored = app.all_events("event=sync_end");
    assert_eq!(stored[0]["delivery"], json!({"protocol": "splunk_hec", "token": "hec"}));
    assert_eq!(stored[0]["destination"], "hec");
}

#[test]
fn every_loki_client_hears_no_content() {
    let captures = load(&fixture("protocol"));
    let app = app();
    for name in [
        "python-logging-loki",
        "python-logging-loki-v0",
        "loki-logger-handler-py",
        "winston-loki-protobuf",
        "winston-loki-json",
        "pino-loki",
        "pino-loki-structured-metadata",
        "tracing-loki-rust",
        "synthetic-loki-json",
    ] {
        check(&app, &captures, name, 204, "");
        assert_eq!(app.all_of("/v1/quarantine", ""), Vec::<Value>::new(), "{name}");
    }
    let stored = stored(&app);
    assert_eq!(
        stored.last().map(|(name, created, deliveries)| (name.as_str(), created.as_str(), *deliveries)),
        Some(("sync_end", SYNC_END, 9))
    );
    assert!(stored.iter().all(|(name, _, _)| name == "sync_end" || name == "warning"), "{stored:?}");
    assert_eq!(stored.len(), 2, "{stored:?}");
    for event in app.all_events("") {
        assert_eq!(event["delivery"]["protocol"], "loki");
    }
}

#[test]
fn a_drain_loses_nothing_and_its_frames_may_come_twice() {
    let captures = load(&fixture("protocol"));
    let app = app();
    let kept = || app.all_events("").len() + app.all_of("/v1/quarantine", "").len();
    check(&app, &captures, "synthetic-logplex", 200, "");
    assert_eq!(kept(), 4, "three lines and a notice of lost ones");
    let notice = &app.all_events("event=logplex_messages_dropped")[0];
    assert_eq!((&notice["level"], &notice["created"]), (&json!("WARNING"), &json!("2022-02-28T20:41:14Z")));
    assert_eq!((&notice["data"]["messages"], &notice["validation"]["status"]), (&json!(2), &json!("valid")));
    // What is in quarantine still says when it was and who spoke.
    for item in app.all_of("/v1/quarantine", "") {
        let text = item.to_string();
        assert!(text.contains("2022-02-28T20:41:1") && text.contains("herokuconnect"), "{text}");
    }

    // The same frame again, with another count: the notice is known.
    let capture = &captures["synthetic-logplex"];
    let event = r#"<190>1 2026-08-17T09:41:24+00:00 host app web.1 - {"event":"sync_end","created":"2026-08-17T09:41:23.518Z"}"#;
    let body = [&capture.body[..], format!("\n{} {event}", event.len()).as_bytes()].concat();
    let auth = ("Authorization", "Basic dXNlcjpwYXNz");
    let headers = [auth, ("Logplex-Msg-Count", "99"), ("Content-Type", "application/logplex-1")];
    let answer = app.send("POST", "/v1/drains/logplex", &headers, &body).expect(200);
    assert_eq!((answer.body.len(), answer.header("content-length")), (0, Some("0")));
    assert_eq!(app.all_events("event=logplex_messages_dropped")[0]["deliveries"], 2);
    assert_eq!(app.all_events("event=sync_end")[0]["created"], SYNC_END);
    assert!(app.log().contains("announced 99 messages"), "a wrong count is logged");
    app.send("POST", "/v1/drains/logplex", &[], &body).expect(401);
}

/// Their levels, in the same order.
fn levels(app: &App) -> Vec<String> {
    app.all_events("order=asc").iter().map(|event| event["level"].as_str().unwrap_or_default().to_owned()).collect()
}

/// A success with a body.
#[track_caller]
fn accepted(app: &App, captures: &BTreeMap<String, Capture>, name: &str, status: u16, body: &Value) {
    let answer = captures[name].replay(app).expect(status);
    assert_eq!((answer.header("content-type"), &answer.json()), (Some("application/json"), body), "{name}");
}

#[test]
fn every_datadog_client_hears_accepted() {
    let captures = load(&fixture("protocol"));
    let app = app();
    for name in [
        "datadog-api-client-py",
        "datadog-api-client-py-gzip",
        "datadog-api-client-py-deflate",
        "datadog-api-client-py-zstd1",
        "datadog-winston",
        "synthetic-datadog-agent",
        "synthetic-datadog-empty",
    ] {
        // The Python client fails on an empty body.
        accepted(&app, &captures, name, 202, &json!({}));
        assert_eq!(app.all_of("/v1/quarantine", ""), Vec::<Value>::new(), "{name}");
    }
    let expected = [("warning".to_owned(), WARNING.to_owned(), 4), ("sync_end".to_owned(), SYNC_END.to_owned(), 6)];
    assert_eq!(stored(&app), expected);
    assert_eq!(levels(&app), ["WARNING", "INFO"]);
    assert_eq!(app.all_events("event=sync_end")[0]["delivery"], json!({"protocol": "datadog", "token": "datadog"}));

    assert_eq!(app.send("GET", "/api/v1/validate", &[], b"").expect(200).json(), json!({"valid": true}));
    let of = |path: &str, headers: &[(&str, &str)], body: &[u8]| {
        let answer = app.send("POST", path, headers, body);
        let status = answer.status.to_string();
        assert_eq!(answer.json()["errors"][0]["status"], status.as_str(), "{}", answer.text());
        answer.status
    };
    let key = ("DD-API-KEY", INGEST);
    assert_eq!(of("/api/v2/logs", &[], b"{}"), 401);
    assert_eq!(of("/api/v2/logs", &[("DD-API-KEY", "wrong")], b"{}"), 403);
    assert_eq!(of("/v1/input/wrong", &[], b"{}"), 403);
    assert_eq!(of("/api/v2/logs", &[key], b"no JSON"), 400);
    assert_eq!(of("/api/v2/logs", &[key, ("Content-Encoding", "deflate")], b"\x78\x9c\x01"), 400);
    assert_eq!(of("/api/v2/logs", &[key, ("Content-Encoding", "br")], b"{}"), 415);
    assert!(!app.log().contains("/v1/input/wrong"), "keys in paths are not logged");
}

#[test]
fn every_new_relic_client_hears_accepted() {
    let captures = load(&fixture("protocol"));
    let app = app();
    for name in ["newrelic-telemetry-sdk-node", "newrelic-telemetry-sdk-py", "synthetic-newrelic-simple"] {
        let answer = captures[name].replay(&app).expect(202);
        assert_eq!(answer.header("content-type"), Some("application/json"), "{name}");
        let id = answer.json()["requestId"].as_str().expect("a request id").to_owned();
        assert_eq!(answer.header("x-request-id"), Some(id.as_str()), "{name}");
        assert_eq!(id.len(), 36, "{name}");
    }
    let expected = [("warning".to_owned(), WARNING.to_owned(), 1), ("sync_end".to_owned(), SYNC_END.to_owned(), 3)];
    assert_eq!(stored(&app), expected);
    assert_eq!(levels(&app), ["WARNING", "INFO"]);
    assert_eq!(app.all_of("/v1/quarantine", "").len(), 1, "a log that is no event");
    let of = |headers: &[(&str, &str)], body: &[u8]| {
        let answer = app.send("POST", "/log/v1", headers, body);
        assert!(answer.json()["requestId"].is_string(), "{}", answer.text());
        answer.status
    };
    assert_eq!(of(&[], b"{}"), 403);
    assert_eq!(of(&[("Api-Key", "wrong")], b"{}"), 403);
    assert_eq!(of(&[("Api-Key", INGEST)], b"no JSON"), 400);
    assert_eq!(of(&[("Api-Key", INGEST), ("Content-Type", "application/gzip")], b"\x1f\x8b\x08\x00"), 400);
    assert_eq!(app.all_of("/v1/quarantine", "").len(), 3, "what cannot be read is kept");
}

#[test]
fn dynatraces_senders_hear_no_content() {
    let captures = load(&fixture("protocol"));
    let app = app();
    for name in ["synthetic-dynatrace-content", "synthetic-dynatrace-spread", "synthetic-dynatrace-text"] {
        check(&app, &captures, name, 204, "");
        assert_eq!(app.all_of("/v1/quarantine", ""), Vec::<Value>::new(), "{name}");
    }
    let expected = [("warning".to_owned(), WARNING.to_owned(), 1), ("sync_end".to_owned(), SYNC_END.to_owned(), 3)];
    assert_eq!(stored(&app), expected);
    assert_eq!(levels(&app), ["WARNING", "INFO"]);
    let token = format!("Api-Token {INGEST}");
    let of = |token: &str, body: &[u8]| {
        let headers = [("Authorization", token), ("Content-Type", "application/json")];
        app.send("POST", "/api/v2/logs/ingest", &headers, body)
    };
    let partial =
        of(&token, br#"[{"content":"plain words"},{"event":"info","created":"2026-08-17T09:41:23Z"}]"#).expect(200);
    assert!(partial.json()["details"]["message"].as_str().is_some_and(|words| words.starts_with("1 log")));
    for (token, body, status) in [("Api-Token wrong", "{}", 401), ("", "{}", 401), (&token, "no JSON", 400)] {
        let answer = of(token, body.as_bytes()).expect(status);
        assert_eq!(answer.json()["error"]["code"], status);
    }
}

#[test]
fn every_otlp_exporter_hears_its_own_encoding() {
    let captures = load(&fixture("protocol"));
    let app = app();
    for (name, media_type, body) in [
        ("otel-js-http", "application/json", "{}"),
        ("otel-js-http-gzip", "application/json", "{}"),
        ("otel-js-proto", "application/x-protobuf", ""),
        ("otel-js-proto-gzip", "application/x-protobuf", ""),
        ("otel-python-proto", "application/x-protobuf", ""),
        ("otel-python-proto-gzip", "application/x-protobuf", ""),
        ("otel-python-proto-deflate", "application/x-protobuf", ""),
        ("otel-rust-json", "application/json", "{}"),
        ("otel-rust-proto", "application/x-protobuf", ""),
        ("otel-rust-proto-gzip", "application/x-protobuf", ""),
    ] {
        let answer = captures[name].replay(&app).expect(200);
        assert_eq!((answer.header("content-type"), answer.text().as_str()), (Some(media_type), body), "{name}");
        assert_eq!(app.all_of("/v1/quarantine", ""), Vec::<Value>::new(), "{name}");
    }
    assert_eq!(
        stored(&app),
        [("sync_end".to_owned(), SYNC_END.to_owned(), 10)],
        "every exporter's record is the same event"
    );
    let event = &app.all_events("")[0];
    assert_eq!(event["delivery"]["protocol"], "otlp");
    assert_eq!((&event["level"], &event["connection_id"]), (&json!("INFO"), &json!("mystified_presenting")));
    assert_eq!(event["data"], json!({"status": "SUCCESSFUL"}));

    // Every path that an exporter may come to.
    let json = captures["otel-js-http"].body.as_slice();
    let bearer = format!("Bearer {INGEST}");
    let of = |path: &str, media_type: &str, token: &str, body: &[u8]| {
        app.send("POST", path, &[("Authorization", token), ("Content-Type", media_type)], body)
    };
    for path in
        ["/v1/logs", "/otlp/v1/logs", "/opentelemetry/v1/logs", "/api/v2/otlp/v1/logs", "/e/abc/api/v2/otlp/v1/logs"]
    {
        of(path, "application/json", &bearer, json).expect(200);
    }
    assert_eq!(app.all_events("")[0]["deliveries"], 15);
    let words = br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"words"}}]}]}]}"#;
    let partial = of("/v1/logs", "application/json", &bearer, words).expect(200).json();
    assert_eq!(partial["partialSuccess"]["rejectedLogRecords"], "1");
    assert_eq!(app.all_of("/v1/quarantine", "").len(), 1);
    for (media_type, token, body, status, code) in [
        ("application/json", "Bearer wrong", json, 401, 16),
        ("application/json", &bearer, b"no JSON", 400, 3),
        ("text/plain", &bearer, json, 415, 3),
    ] {
        assert_eq!(of("/v1/logs", media_type, token, body).expect(status).json()["code"], code);
    }
    let packed = of("/v1/logs", "application/x-protobuf", &bearer, b"no protobuf").expect(400);
    assert_eq!(packed.header("content-type"), Some("application/x-protobuf"));
    assert_eq!(packed.body[..2], [0x08, 3]);
}

#[test]
fn fivetrans_webhooks_are_taken_in_either_case_of_the_signature() {
    let captures = load(&fixture("protocol"));
    let app = app();
    for (name, accepted, duplicates) in [
        ("synthetic-fivetran-webhook-lower", 1, 0),
        ("synthetic-fivetran-webhook-upper", 0, 1),
        ("synthetic-fivetran-webhook-test-event", 1, 0),
    ] {
        let answer = captures[name].replay(&app).expect(200).json();
        assert_eq!((&answer["accepted"], &answer["duplicates"]), (&json!(accepted), &json!(duplicates)), "{name}");
    }
    let events = app.all_events("order=asc");
    assert_eq!(events[0]["event"], "test_event");
    assert_eq!(events[0]["validation"]["status"], "valid");
    assert_eq!(events[1]["event"], "sync_end");
    assert_eq!(events[1]["destination"], "inappropriate_implode");
    assert_eq!(events[1]["connection_id"], "mystified_presenting");

    // The same body with another byte, with no signature, with a token instead of one.
    let capture = &captures["synthetic-fivetran-webhook-lower"];
    let mut forged = capture.body.clone();
    forged[10] ^= 1;
    let headers: Vec<_> = capture.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let signature = [*headers.iter().find(|(name, _)| name.contains("Signature")).expect("it is signed")];
    let send = |headers: &[(&str, &str)], body: &[u8]| app.send("POST", "/v1/webhooks/fivetran", headers, body).status;
    assert_eq!(send(&signature, &forged), 401);
    assert_eq!(send(&[], &capture.body), 401);
    assert_eq!(send(&[("Authorization", &format!("Bearer {INGEST}"))], &capture.body), 401);
    assert_eq!(send(&[("X-Fivetran-Signature-256", "no hex")], &capture.body), 401);
    assert_eq!(send(&[("X-Fivetran-Signature-256", &signature[0].1[..32])], &capture.body), 401);
    assert_eq!(send(&signature, &capture.body), 200);
    assert_eq!(app.all_events("").len(), 2);
}

#[test]
fn without_a_secret_webhooks_need_a_token() {
    let captures = load(&fixture("protocol"));
    let app = Setup::default().without("LIFELINE_WEBHOOK_SECRET").spawn();
    let body = &captures["synthetic-fivetran-webhook-test-event"].body;
    let path = "/v1/webhooks/fivetran";
    assert_eq!(app.send("POST", path, &[], body).status, 401);
    assert_eq!(app.send("POST", &format!("{path}?token={INGEST}"), &[], body).status, 200);
    assert_eq!(app.with_token(INGEST, "POST", path, body).status, 200);
    assert_eq!(app.with_token(crate::app::READ, "POST", path, body).status / 100, 4);
}

#[test]
fn loki_clients_find_their_probes() {
    let app = app();
    let ready = app.send("GET", "/ready", &[], b"").expect(200);
    assert_eq!(ready.text().trim(), "ready");
    let info = app.send("GET", "/loki/api/v1/status/buildinfo", &[], b"").expect(200).json();
    assert!(info["version"].is_string(), "{info}");
}

/// The two events that every capture holds, after so many deliveries of each.
fn twins(warnings: u64, sync_ends: u64) -> Vec<(String, String, u64)> {
    let event = |name: &str, created: &str, deliveries| (name.to_owned(), created.to_owned(), deliveries);
    vec![event("warning", WARNING, warnings), event("sync_end", SYNC_END, sync_ends)]
}

/// A server that knows these tokens by name and takes signatures as old as the captures.
fn lenient(tokens: &[(&str, &str)]) -> App {
    let tokens: String = tokens.iter().map(|(name, token)| format!(",{name}={token}")).collect();
    let setup = Setup::default().env("LIFELINE_INGEST_TOKEN", &format!("{INGEST}{tokens}"));
    setup.env("LIFELINE_SIGNATURE_SKEW_S", "3153600000").spawn()
}

const WORKSPACE: &str = "d9a8b7c6-1111-2222-3333-444455556666";
const WORKSPACE_TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[test]
fn azures_collector_takes_what_is_signed_rightly() {
    let captures = load(&fixture("protocol"));
    let app = lenient(&[(WORKSPACE, WORKSPACE_TOKEN)]);
    for name in ["azure-data-collector-py", "azure-log-analytics-data-collector-api-py"] {
        check(&app, &captures, name, 200, "");
    }
    assert_eq!(stored(&app), twins(2, 2));
    assert_eq!(app.all_of("/v1/quarantine", ""), Vec::<Value>::new());
    let event = &app.all_events("event=sync_end")[0];
    assert_eq!(event["delivery"], json!({"protocol": "azure_data_collector", "token": WORKSPACE}));
    assert_eq!(event["level"], "INFO");

    let good = &captures["azure-data-collector-py"];
    let refused = |capture: &Capture| {
        let answer = capture.replay(&app).expect(403);
        assert_eq!(answer.json()["Error"], "InvalidAuthorization", "{}", answer.text());
    };
    refused(&good.with_body(&good.body[1..]));
    refused(&good.with("x-ms-date", "Fri, 20 Nov 2026 13:16:00 GMT"));
    refused(&good.with("x-ms-date", "yesterday"));
    refused(&good.with("Authorization", &format!("SharedKey {WORKSPACE}:{}", STANDARD.encode([0; 32]))));
    refused(&good.with("Authorization", "SharedKey other:ZxwHc8viEZGZlRPPLcHhGZBmiTbqqamL3Qas/Y6kXgE="));
    refused(&good.with("Authorization", "Bearer nobody"));
    let strict = Setup::default().env("LIFELINE_INGEST_TOKEN", &format!("{WORKSPACE}={WORKSPACE_TOKEN}")).spawn();
    let answer = good.replay(&strict).expect(403).json();
    assert!(answer["Message"].as_str().is_some_and(|text| text.contains("900 s are allowed")), "{answer}");
    // A token of the store is a hash, and says so.
    let made = strict.run(&["token", "create", "--kind", "ingest", "--name", "stored"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let stored = good.with("Authorization", "SharedKey stored:ZxwHc8viEZGZlRPPLcHhGZBmiTbqqamL3Qas/Y6kXgE=");
    let answer = stored.replay(&strict).expect(403).json();
    assert!(answer["Message"].as_str().is_some_and(|text| text.contains("not with stored ones")), "{answer}");
    assert_eq!(app.all_events("").len(), 2);

    // Other ways in, and what else Azure refuses.
    let bearer = good.with("Authorization", &format!("Bearer {INGEST}"));
    bearer.replay(&app).expect(200);
    let error = |capture: &Capture| capture.replay(&app).expect(400).json()["Error"].clone();
    assert_eq!(error(&Capture { path: "/api/logs".into(), ..bearer.with("a", "b") }), "MissingApiVersion");
    assert_eq!(
        error(&Capture { path: "/api/logs?api-version=1".into(), ..bearer.with("a", "b") }),
        "InvalidApiVersion"
    );
    assert_eq!(error(&bearer.with("Log-Type", "")), "MissingLogType");
    assert_eq!(error(&bearer.with("Log-Type", "a b")), "InvalidLogType");
    assert_eq!(error(&bearer.with_body(b"[{\"event\":")), "InvalidDataFormat");
    app.assert_well();
}

#[test]
fn azures_columns_are_the_event_itself() {
    let app = app();
    let send = |body: &str, header: (&str, &str)| {
        let bearer = format!("Bearer {INGEST}");
        let headers = [("Authorization", bearer.as_str()), ("Log-Type", "Fivetran_CL"), header];
        app.send("POST", "/api/logs?api-version=2016-04-01", &headers, body.as_bytes()).expect(200)
    };
    let columns = r#"[{"event_s":"sync_end","created_t":"2026-08-17T09:41:23.518Z","connection_id_s":"a_b","sync_id_g":"3f6c1b52-0f6e-4a6c-9a7c-6c0a8f9d5e21","data_s":"{\"status\":\"SUCCESSFUL\"}"}]"#;
    send(columns, ("x", "y"));
    let plain = r#"{"event":"sync_end","created":"2026-08-17T09:41:23.518Z","connection_id":"a_b","sync_id":"3f6c1b52-0f6e-4a6c-9a7c-6c0a8f9d5e21","data":{"status":"SUCCESSFUL"}}"#;
    assert_eq!(app.post_native(plain).expect(200).json()["duplicates"], 1);
    let event = &app.all_events("")[0];
    assert_eq!((&event["connection_id"], &event["data"]["status"]), (&json!("a_b"), &json!("SUCCESSFUL")));
    send(r#"{"event":"info","connection_id":"timed","when":"2026-08-17T10:00:00Z"}"#, ("time-generated-field", "when"));
    assert_eq!(app.all_events("connection_id=timed")[0]["created"], "2026-08-17T10:00:00Z");
}

#[test]
fn azures_ingestion_clients_hear_no_content() {
    let captures = load(&fixture("protocol"));
    let app = lenient(&[("azure", "dummy-aad-token")]);
    check(&app, &captures, "azure-monitor-ingestion-py", 204, "");
    assert_eq!(stored(&app), twins(1, 1));
    let event = &app.all_events("event=warning")[0];
    assert_eq!(event["delivery"], json!({"protocol": "azure_logs_ingestion", "token": "azure"}));
    assert_eq!((&event["destination"], &event["level"]), (&json!("azure"), &json!("WARNING")));

    let good = &captures["azure-monitor-ingestion-py"];
    let refused = |capture: &Capture, status| capture.replay(&app).expect(status).json()["error"]["code"].clone();
    assert_eq!(refused(&good.with("Authorization", "Bearer other"), 401), "InvalidToken");
    assert_eq!(refused(&good.with_body(&good.body[..100]), 400), "InvalidPayload");
    assert_eq!(refused(&good.with("Content-Encoding", "br"), 415), "UnsupportedContentEncoding");
    assert_eq!(app.all_of("/v1/quarantine", "").len(), 1, "the torn body is kept");
    app.assert_well();
}

const AWS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const AWS_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

#[test]
fn cloudwatchs_clients_find_what_they_ask_for_and_hear_success() {
    let captures = load(&fixture("protocol"));
    let app = lenient(&[(AWS_KEY, AWS_SECRET)]);
    for name in ["boto3-createloggroup", "boto3-createlogstream", "watchtower-2"] {
        let answer = captures[name].replay(&app).expect(200);
        assert_eq!(answer.text(), "", "{name}");
    }
    let digits = |value: &Value| value.as_str().is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    for (name, list, member, value) in [
        ("boto3-describeloggroups", "logGroups", "logGroupName", "/fivetran"),
        ("watchtower", "logGroups", "logGroupName", "/fivetran/logs"),
        ("boto3-describelogstreams", "logStreams", "logStreamName", "salesforce"),
        ("winston-cloudwatch-2", "logStreams", "logStreamName", "salesforce_prod"),
    ] {
        let answer = captures[name].replay(&app).expect(200).json();
        assert_eq!(answer[list][0][member], value, "{name}: {answer}");
        assert_eq!(answer[list].as_array().map(Vec::len), Some(1));
        assert!(list == "logGroups" || digits(&answer[list][0]["uploadSequenceToken"]), "{answer}");
    }
    assert_eq!(captures["winston-cloudwatch"].replay(&app).expect(200).json(), json!({"logStreams": []}));
    for name in ["boto3-putlogevents", "watchtower-3", "winston-cloudwatch-3", "aws-sdk-js-v3-putlogevents"] {
        let answer = captures[name].replay(&app).expect(200);
        assert_eq!(answer.header("content-type"), Some("application/x-amz-json-1.1"), "{name}");
        assert!(answer.header("x-amzn-requestid").is_some_and(|id| id.len() == 36), "{name}");
        assert!(digits(&answer.json()["nextSequenceToken"]), "{name}: {}", answer.text());
    }
    assert_eq!(stored(&app), twins(2, 4));
    assert_eq!(app.all_of("/v1/quarantine", ""), Vec::<Value>::new());
    for event in app.all_events("") {
        assert_eq!(event["delivery"], json!({"protocol": "cloudwatch_logs", "token": AWS_KEY}));
        assert_eq!(event["level"], if event["event"] == "warning" { "WARNING" } else { "INFO" });
    }

    // A session token is one more signed header; its key has another name.
    let session = lenient(&[("ASIAIOSFODNN7EXAMPLE", AWS_SECRET)]);
    captures["boto3-putlogevents-sessiontoken"].replay(&session).expect(200);
    assert_eq!(session.all_events("")[0]["delivery"]["token"], "ASIAIOSFODNN7EXAMPLE");
}

#[test]
fn cloudwatch_refuses_in_awss_words() {
    let captures = load(&fixture("protocol"));
    let app = lenient(&[(AWS_KEY, AWS_SECRET)]);
    let good = &captures["boto3-putlogevents"];
    let refused = |capture: &Capture| {
        let answer = capture.replay(&app).expect(400);
        assert!(answer.header("x-amzn-requestid").is_some());
        answer.json()["__type"].clone()
    };
    let authorization = good.headers.iter().find(|(name, _)| name == "Authorization").expect("it is signed").1.clone();
    assert_eq!(refused(&good.with_body(&good.body[1..])), "InvalidSignatureException");
    assert_eq!(refused(&good.with("X-Amz-Date", "20261120T131212Z")), "InvalidSignatureException");
    assert_eq!(refused(&good.with("Host", "127.0.0.1:18081")), "InvalidSignatureException");
    assert_eq!(refused(&good.with("X-Amz-Target", "Logs_20140328.CreateLogGroup")), "InvalidSignatureException");
    assert_eq!(refused(&good.with("X-Amz-Date", "20261121T131211Z")), "IncompleteSignatureException");
    let other_key = authorization.replace(AWS_KEY, "AKIAOTHER");
    assert_eq!(refused(&good.with("Authorization", &other_key)), "UnrecognizedClientException");
    let unscoped = authorization.replace("/logs/", "/s3/");
    assert_eq!(refused(&good.with("Authorization", &unscoped)), "IncompleteSignatureException");
    assert_eq!(refused(&good.with("Authorization", "Bearer other")), "UnrecognizedClientException");
    let strict = Setup::default().env("LIFELINE_INGEST_TOKEN", &format!("{AWS_KEY}={AWS_SECRET}")).spawn();
    let old = good.replay(&strict).expect(400).json();
    assert_eq!(old["__type"], "InvalidSignatureException");
    assert!(old["message"].as_str().is_some_and(|text| text.contains("300 s are allowed")), "{old}");
    assert_eq!(app.all_events("").len() + app.all_of("/v1/quarantine", "").len(), 0);

    let bearer = good.with("Authorization", &format!("Bearer {INGEST}"));
    for (target, body, name) in [
        ("PutLogEvents", "{\"logEvents\":[", "SerializationException"),
        ("PutLogEvents", "", "SerializationException"),
        ("PutLogEvents", "{}", "InvalidParameterException"),
        ("DeleteLogGroup", "{}", "UnknownOperationException"),
    ] {
        let capture = bearer.with("X-Amz-Target", &format!("Logs_20140328.{target}"));
        assert_eq!(refused(&capture.with_body(body.as_bytes())), name, "{target} {body}");
    }
    let half = br#"{"logEvents":[{"timestamp":1,"message":5},{"timestamp":1,"message":"{\"event\":\"info\",\"created\":\"2026-08-17T09:41:23Z\"}"}]}"#;
    bearer.with_body(half).replay(&app).expect(200);
    assert_eq!(app.all_events("").len(), 1);
    // Without the header, or with another service's, nothing is served at the path.
    assert_eq!(bearer.with("X-Amz-Target", "Kinesis_20131202.PutRecord").replay(&app).status / 100, 4);
    app.assert_well();
}

#[test]
fn firehose_hears_its_own_request_id() {
    let captures = load(&fixture("protocol"));
    let app = lenient(&[("firehose", "secret123")]);
    for (name, id) in [
        ("synthetic-firehose-cloudwatch", "ed4acda5-034f-9f42-bba1-f29aea6d7d8f"),
        ("synthetic-firehose-plain", "ed4acda5-034f-9f42-bba1-f29aea6d7d90"),
        ("synthetic-firehose-cloudwatch", "ed4acda5-034f-9f42-bba1-f29aea6d7d8f"),
    ] {
        let answer = captures[name].replay(&app).expect(200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("content-encoding"), None);
        assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
        let body = answer.json();
        assert_eq!(body["requestId"], id, "{body}");
        assert!(body["timestamp"].as_u64().is_some_and(|ms| ms > 1_795_000_000_000), "{body}");
    }
    assert_eq!(stored(&app), twins(2, 3));
    assert_eq!(app.all_of("/v1/quarantine", ""), Vec::<Value>::new());
    assert_eq!(app.all_events("")[0]["delivery"], json!({"protocol": "firehose", "token": "firehose"}));

    let good = &captures["synthetic-firehose-plain"];
    let refused = |capture: &Capture, status| {
        let body = capture.replay(&app).expect(status).json();
        assert_eq!(body["requestId"], "ed4acda5-034f-9f42-bba1-f29aea6d7d90", "{body}");
        assert!(body["timestamp"].is_u64() && body["errorMessage"].is_string(), "{body}");
    };
    refused(&good.with("X-Amz-Firehose-Access-Key", "other"), 401);
    refused(&good.with_body(b"{\"records\":["), 400);
    refused(&good.with_body(b"{}"), 400);
    refused(&good.with("Content-Encoding", "br"), 400);
    refused(&good.with_body(b""), 400);
    let packed = |text: &[u8]| json!({"data": STANDARD.encode(crate::samples::gzip(text))});
    let records = |records: Vec<Value>| json!({"requestId": "x", "records": records}).to_string();
    let bomb = records(vec![packed(&vec![b' '; 40 << 20])]);
    refused(&good.with_body(bomb.as_bytes()), 413);
    let shared = records(vec![packed(&vec![b' '; 10 << 20]); 2]);
    refused(&good.with_body(shared.as_bytes()), 413);

    // One torn record costs itself.
    let event = br#"{"event":"info","created":"2026-08-17T09:41:23Z"}"#;
    let whole = crate::samples::gzip(event);
    let torn = json!({"data": STANDARD.encode(&whole[..whole.len() - 5])});
    let before = app.all_of("/v1/quarantine", "").len();
    let capture = good.with_body(records(vec![torn, json!({"data": "?"}), packed(event)]).as_bytes());
    capture.replay(&app).expect(200);
    assert_eq!(app.all_of("/v1/quarantine", "").len(), before + 2);
    assert_eq!(app.all_events("event=info").len(), 1);
    app.assert_well();
}

#[test]
fn googles_logging_clients_hear_an_empty_object() {
    let captures = load(&fixture("protocol"));
    let app = lenient(&[("google", "dummy")]);
    for name in ["google-cloud-logging-node", "google-cloud-logging-py-http", "google-cloud-logging-py-http-batch"] {
        check(&app, &captures, name, 200, "{}");
        assert_eq!(app.all_of("/v1/quarantine", ""), Vec::<Value>::new(), "{name}");
    }
    assert_eq!(stored(&app), twins(1, 3));
    let good = &captures["google-cloud-logging-py-http-batch"];
    for path in ["/v2/entries%3Awrite", "/v2/entries%3awrite?alt=json"] {
        let capture = Capture { path: path.into(), ..good.with("a", "b") };
        assert_eq!(capture.replay(&app).expect(200).text(), "{}", "{path}");
    }
    assert_eq!(stored(&app), twins(3, 5));
    assert_eq!(app.all_events("event=warning")[0]["delivery"]["protocol"], "google_entries_write");

    let refused = |capture: &Capture, code: u16, status: &str| {
        let body = capture.replay(&app).expect(code).json();
        assert_eq!((&body["error"]["code"], &body["error"]["status"]), (&json!(code), &json!(status)), "{body}");
    };
    refused(&good.with("Authorization", "Bearer other"), 401, "UNAUTHENTICATED");
    refused(&good.with("Authorization", &format!("Bearer {}", crate::app::READ)), 403, "PERMISSION_DENIED");
    refused(&good.with_body(b"{\"entries\":["), 400, "INVALID_ARGUMENT");
    refused(&good.with_body(b"{\"entries\":{}}"), 400, "INVALID_ARGUMENT");
    let leveled = br#"{"entries":[{"severity":500,"textPayload":"{\"event\":\"info\",\"created\":\"2026-08-17T09:41:23Z\"}"},7]}"#;
    good.with_body(leveled).replay(&app).expect(200);
    assert_eq!(app.all_events("event=info")[0]["level"], "SEVERE");
    app.assert_well();
}

#[test]
fn pubsub_is_let_in_by_a_token_in_its_address() {
    let captures = load(&fixture("protocol"));
    let app = lenient(&[("pubsub", "shared-secret")]);
    check(&app, &captures, "synthetic-pubsub-push", 204, "");
    check(&app, &captures, "synthetic-pubsub-push", 204, "");
    assert_eq!(stored(&app), [("sync_end".to_owned(), SYNC_END.to_owned(), 2)]);
    let event = &app.all_events("")[0];
    assert_eq!((&event["delivery"]["protocol"], &event["level"]), (&json!("pubsub_push"), &json!("INFO")));

    // What cannot be read would come back for a week.
    let good = &captures["synthetic-pubsub-push"];
    let torn: [&[u8]; 5] =
        [b"{\"message\":{\"data\":\"", br#"{"message":{"data":"?","messageId":"1"}}"#, b"hello", b"[7]", b"\xff"];
    for body in torn {
        assert_eq!(good.with_body(body).replay(&app).expect(204).text(), "");
    }
    good.with("Content-Encoding", "gzip").replay(&app).expect(204);
    assert_eq!(app.all_of("/v1/quarantine", "").len(), 6);
    good.with_body(b"").replay(&app).expect(204);
    assert_eq!(app.all_of("/v1/quarantine", "").len(), 6);
    let elsewhere = |query: &str| Capture { path: format!("/v1/pubsub{query}"), ..good.with("a", "b") };
    elsewhere("").replay(&app).expect(401);
    elsewhere("?token=other").replay(&app).expect(401);
    app.assert_well();
}

#[test]
fn pubsub_is_let_in_by_the_identity_of_its_account() {
    let captures = load(&fixture("protocol"));
    let keys = fixture("identity").join("jwks.json");
    let token = std::fs::read_to_string(fixture("identity").join("token.txt")).expect("a token");
    let setup = |email: &str| {
        Setup::default()
            .env("LIFELINE_PUBSUB_AUDIENCE", "https://logs.example.com/v1/pubsub")
            .env("LIFELINE_PUBSUB_EMAIL", email)
            .env("LIFELINE_PUBSUB_JWKS", keys.to_str().expect("a path in UTF-8"))
    };
    let app = setup("push@my-project.iam.gserviceaccount.com").spawn();
    let push = Capture { path: "/v1/pubsub".into(), ..captures["synthetic-pubsub-push"].with("a", "b") };
    let shown = push.with("Authorization", &format!("Bearer {}", token.trim()));
    shown.replay(&app).expect(204);
    assert_eq!(app.all_events("")[0]["delivery"], json!({"protocol": "pubsub_push", "token": "oidc"}));
    push.replay(&app).expect(401);
    let (start, _) = token.rsplit_once('.').expect("three parts");
    push.with("Authorization", &format!("Bearer {start}.AAAA")).replay(&app).expect(401);
    push.with("Authorization", &format!("Bearer {INGEST}")).replay(&app).expect(204);
    // The identity opens nothing else.
    assert_eq!(app.with_token(token.trim(), "POST", "/v1/events", b"{}").status, 401);
    assert_eq!(app.with_token(token.trim(), "GET", "/v1/events", b"").status, 401);
    assert!(!app.log().contains(token.trim()));
    let other = setup("other@my-project.iam.gserviceaccount.com").spawn();
    let refused = shown.replay(&other).expect(401).json();
    assert!(refused["detail"].as_str().is_some_and(|text| text.contains("another account")), "{refused}");
}

/// Keeps the list above complete when captures are added.
#[test]
fn no_capture_of_these_protocols_is_left_out() {
    let here = include_str!("captures.rs");
    for (name, capture) in load(&fixture("protocol")) {
        assert!(here.contains(&format!("\"{name}\"")), "{} ({name}) is replayed by no test", capture.name);
    }
}
