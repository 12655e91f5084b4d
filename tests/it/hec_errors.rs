//! Splunk's reply codes, acknowledgements and probes, as its senders compare them.

use crate::{
    app::{App, HEC_TOKEN, INGEST, Setup},
    http::{Response, request},
};
use serde_json::{Value, json};

const EVENT: &str = "/services/collector/event";
const CHANNEL: &str = "0aeeac95-ac74-4aa9-b30d-6c4c0ac581ba";
const GOOD: &str = r#"{"event":{"event":"sync_start","created":"2026-08-17T09:41:23.518Z","connection_id":"c"}}"#;

fn auth() -> String {
    format!("Splunk {INGEST}")
}

fn post(app: &App, path: &str, body: &str) -> Response {
    app.send("POST", path, &[("Authorization", &auth())], body.as_bytes())
}

/// Status, code and the position in a batch.
#[track_caller]
fn check(answer: &Response, status: u16, code: u16, text: &str, number: Option<u64>) {
    let body = answer.json();
    assert_eq!(answer.status, status, "{body}");
    assert_eq!(body["code"], code, "{body}");
    assert_eq!(body["text"], text, "{body}");
    assert_eq!(body.get("invalid-event-number").and_then(Value::as_u64), number, "{body}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[test]
fn success_is_exactly_two_hundred_and_code_zero() {
    let app = App::spawn();
    for path in [
        EVENT,
        "/services/collector",
        "/services/collector/event/1.0",
        "/services/collector/",
        "/services/collector/event/",
    ] {
        let answer = post(&app, path, GOOD);
        assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"text":"Success","code":0}"#), "{path}");
    }
    for path in ["/services/collector/raw", "/services/collector/raw/1.0"] {
        let answer =
            post(&app, path, r#"{"event":"sync_start","created":"2026-08-17T09:41:23.518Z","connection_id":"c"}"#);
        assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"text":"Success","code":0}"#), "{path}");
    }
    let stored = app.all_events("");
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0]["deliveries"], 7);
}

#[test]
fn wrong_credentials_have_splunks_codes() {
    let app = App::spawn();
    let with = |header: Option<&str>| {
        let headers: Vec<_> = header.map(|value| ("Authorization", value)).into_iter().collect();
        app.send("POST", EVENT, &headers, GOOD.as_bytes())
    };
    check(&with(None), 401, 2, "Token is required", None);
    check(&with(Some("")), 401, 2, "Token is required", None);
    check(&with(Some("Digest abc")), 401, 3, "Invalid authorization", None);
    check(&with(Some("Basic %%%")), 401, 3, "Invalid authorization", None);
    check(&with(Some("Splunk 00000000-0000-0000-0000-000000000000")), 403, 4, "Invalid token", None);
    check(&with(Some(&format!("Splunk {}", crate::app::READ))), 403, 4, "Invalid token", None);
    for accepted in [format!("Splunk {INGEST}"), format!("splunk {INGEST}"), format!("Bearer {INGEST}")] {
        assert_eq!(with(Some(&accepted)).status, 200, "{accepted}");
    }
    use base64::{Engine, engine::general_purpose::STANDARD};
    for pair in [format!("x:{INGEST}"), format!("{INGEST}:"), format!("{INGEST}:x")] {
        assert_eq!(with(Some(&format!("Basic {}", STANDARD.encode(&pair)))).status, 200, "{pair}");
    }
    assert_eq!(app.send("POST", &format!("{EVENT}?token={INGEST}"), &[], GOOD.as_bytes()).status, 200);
}

#[test]
fn a_token_in_the_address_can_be_turned_off() {
    let app = Setup::default().env("LIFELINE_HEC_QUERY_TOKEN", "false").spawn();
    let answer = app.send("POST", &format!("{EVENT}?token={INGEST}"), &[], GOOD.as_bytes());
    check(&answer, 400, 16, "Query string authorization is not enabled", None);
    assert_eq!(post(&app, EVENT, GOOD).status, 200);
}

#[test]
fn a_revoked_token_is_disabled() {
    let app = App::spawn();
    let made = app.run(&["token", "create", "--name", "splunk", "--kind", "ingest", "--json"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout).expect("--json prints JSON");
    let token = made["token"].as_str().expect("the token is shown once").to_owned();
    let send = || app.send("POST", EVENT, &[("Authorization", &format!("Splunk {token}"))], GOOD.as_bytes());
    assert_eq!(send().status, 200);
    assert_eq!(app.all_events("")[0]["destination"], "splunk");
    assert!(app.run(&["token", "revoke", "splunk"]).status.success());
    check(&send(), 403, 1, "Token disabled", None);
}

#[test]
fn a_bad_body_has_its_code_and_the_number_of_the_envelope() {
    let app = App::spawn();
    let invalid = "Invalid data format";
    for (body, code, text, number) in [
        ("", 5, "No data", None),
        (" \r\n ", 5, "No data", None),
        ("{", 6, invalid, Some(0)),
        ("hello", 6, invalid, Some(0)),
        ("5", 6, invalid, Some(0)),
        (r#"{"event":"a","time":"tomorrow"}"#, 6, invalid, Some(0)),
        (r#"{"event":"a","time":-1}"#, 6, invalid, Some(0)),
        ("{}", 12, "Event field is required", Some(0)),
        (r#"{"event":null}"#, 12, "Event field is required", Some(0)),
        (r#"{"event":""}"#, 13, "Event field cannot be blank", Some(0)),
        (r#"{"event":"a","fields":{"a":{"b":1}}}"#, 15, "Error in handling indexed fields", Some(0)),
        (r#"{"event":"a","fields":5}"#, 15, "Error in handling indexed fields", Some(0)),
    ] {
        check(&post(&app, EVENT, body), 400, code, text, number);
    }
    for body in ["", "\n\n"] {
        check(&post(&app, "/services/collector/raw", body), 400, 5, "No data", None);
    }
    check(&post(&app, &format!("{EVENT}?channel=no-guid"), GOOD), 400, 11, "Invalid data channel", None);
    let bad_channel = [("Authorization", auth()), ("X-Splunk-Request-Channel", "x".to_owned())];
    let bad_channel: Vec<_> = bad_channel.iter().map(|(name, value)| (*name, value.as_str())).collect();
    check(&app.send("POST", EVENT, &bad_channel, GOOD.as_bytes()), 400, 11, "Invalid data channel", None);
    let encoded = |encoding: &str, body: &[u8]| {
        app.send("POST", EVENT, &[("Authorization", &auth()), ("Content-Encoding", encoding)], body)
    };
    assert_eq!(encoded("gzip", b"no gzip at all").json()["code"], 6);
    assert_eq!(encoded("gzip", b"no gzip at all").status, 400);
    assert_eq!(encoded("br", b"anything").status, 415);
    assert_eq!(app.all_events(""), Vec::<Value>::new());
    app.assert_well();
}

#[test]
fn what_stands_before_a_bad_envelope_is_kept_and_a_resend_is_harmless() {
    let app = App::spawn();
    let event = |n: u32| {
        format!(r#"{{"event":{{"event":"sync_start","created":"2026-08-17T09:41:{n:02}Z","connection_id":"c"}}}}"#)
    };
    let body: String = (0..20).map(|n| if n == 7 { r#"{"event":""}"#.to_owned() } else { event(n) }).collect();
    for _ in 0..2 {
        check(&post(&app, EVENT, &body), 400, 13, "Event field cannot be blank", Some(7));
        assert_eq!(app.all_events("").len(), 7);
    }
    let kept = app.all_of("/v1/quarantine", "");
    assert_eq!(kept.len(), 1, "the rest of the body, once");
    assert_eq!(kept[0]["deliveries"], 2);
    let id = kept[0]["id"].as_str().expect("an id");
    let whole = app.get_json(&format!("/v1/quarantine/{id}"));
    assert!(whole["bytes"].as_str().is_some_and(|bytes| bytes.contains("09:41:19Z")), "{whole}");
}

#[test]
fn envelopes_may_stand_in_any_framing() {
    let app = App::spawn();
    let event = |n: u32| {
        format!(r#"{{"time":"1786959683.518","event":{{"event":"sync_start","created":"2026-08-17T09:41:{n:02}Z"}}}}"#)
    };
    for (at, body) in [
        event(0) + &event(1),
        event(2) + "\n" + &event(3),
        event(4) + "\r\n\r\n" + &event(5),
        format!("[{},{}]", event(6), event(7)),
        format!(" {} \t{} ", event(8), event(9)),
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(post(&app, EVENT, body).status, 200, "{body}");
        assert_eq!(app.all_events("").len(), at * 2 + 2, "{body}");
    }
}

#[test]
fn acknowledgements_outlive_a_kill() {
    let mut app = Setup::default().env("LIFELINE_INGEST_TOKEN", &format!("{INGEST},other={HEC_TOKEN}")).spawn();
    let other_channel = "6b2f5c1e-8d34-4b0e-9a57-2f1d0c9be301";
    let send = |app: &App, n: u32, channel: &str, token: &str| {
        let body = format!(r#"{{"event":{{"event":"sync_start","created":"2026-08-17T09:41:{n:02}Z"}}}}"#);
        let token = format!("Splunk {token}");
        let headers = [("Authorization", token.as_str()), ("X-Splunk-Request-Channel", channel)];
        let answer = app.send("POST", EVENT, &headers, body.as_bytes()).expect(200).json();
        assert_eq!((&answer["text"], &answer["code"]), (&json!("Success"), &json!(0)));
        answer["ackId"].as_u64().expect("an ackId")
    };
    let ask = |app: &App, channel: &str, token: &str, body: &str| {
        let path = format!("/services/collector/ack?channel={channel}");
        app.send("POST", &path, &[("Authorization", &format!("Splunk {token}"))], body.as_bytes())
    };
    assert_eq!((0..3).map(|n| send(&app, n, CHANNEL, INGEST)).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(send(&app, 3, other_channel, INGEST), 0, "each channel counts for itself");
    assert_eq!(send(&app, 4, CHANNEL, HEC_TOKEN), 0, "and each token");
    app.kill();
    app.start();
    assert_eq!(send(&app, 5, &CHANNEL.to_uppercase(), INGEST), 3, "numbers go on after a restart");
    let answer = ask(&app, CHANNEL, INGEST, r#"{"acks":[0,1,2,3,4]}"#).expect(200);
    assert_eq!(answer.json(), json!({"acks": {"0": true, "1": true, "2": true, "3": true, "4": false}}));
    let again = ask(&app, CHANNEL, INGEST, r#"{"acks":[0,3]}"#).expect(200).json();
    assert_eq!(again, json!({"acks": {"0": false, "3": false}}), "an id is forgotten once it was answered");
    let other = ask(&app, other_channel, HEC_TOKEN, r#"{"acks":[0]}"#).expect(200).json();
    assert_eq!(other, json!({"acks": {"0": false}}), "another token's ids are nobody else's");
    assert_eq!(ask(&app, other_channel, INGEST, r#"{"acks":[0]}"#).json(), json!({"acks": {"0": true}}));

    let missing = app.send("POST", "/services/collector/ack", &[("Authorization", &auth())], br#"{"acks":[0]}"#);
    check(&missing, 400, 10, "Data channel is missing", None);
    check(&ask(&app, "x", INGEST, r#"{"acks":[0]}"#), 400, 11, "Invalid data channel", None);
    for body in [r#"{"acks":[]}"#, "{", r#"{"acks":[-1]}"#, r#"{"acks":"0"}"#] {
        assert_eq!(ask(&app, CHANNEL, INGEST, body).json()["code"], 6, "{body}");
    }
    check(&ask(&app, CHANNEL, "wrong", r#"{"acks":[0]}"#), 403, 4, "Invalid token", None);
}

#[test]
fn options_and_health_need_no_token() {
    let app = App::spawn();
    let allowed = |answer: &Response| {
        let mut methods: Vec<_> = answer.header("allow").unwrap_or_default().split(',').map(str::trim).collect();
        methods.sort_unstable();
        methods.join(",")
    };
    for path in ["", "/event", "/event/1.0", "/raw", "/raw/1.0", "/ack"] {
        let answer = app.send("OPTIONS", &format!("/services/collector{path}"), &[], b"");
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{path}");
        assert_eq!(allowed(&answer), "OPTIONS,POST", "{path}");
    }
    for path in ["/services/collector/health", "/services/collector/health/1.0"] {
        let answer = app.send("OPTIONS", path, &[], b"");
        assert_eq!((answer.status, allowed(&answer).as_str()), (200, "GET,HEAD,OPTIONS"), "{path}");
        check(&app.send("GET", path, &[], b""), 200, 17, "HEC is healthy", None);
        check(&app.send("GET", path, &[("Authorization", "Splunk wrong")], b""), 200, 17, "HEC is healthy", None);
        let head = app.send_bytes(&request("HEAD", path, &[], b""));
        assert_eq!((head.status, head.body.len()), (200, 0));
    }
    let unknown = post(&app, "/services/collector/unknown", GOOD);
    check(&unknown, 404, 404, "The requested URL was not found on this server.", None);
    let method = app.send("GET", EVENT, &[("Authorization", &auth())], b"");
    assert_eq!(method.status, 405);
    assert!(allowed(&method).contains("POST"));
}

#[test]
fn levels_and_times_come_from_the_transport_when_the_event_has_none() {
    let app = App::spawn();
    let body = r#"{"time":1786959683.518,"fields":{"level":"WARN"},"event":{"event":"info","connection_id":"t"}}"#;
    post(&app, EVENT, body).expect(200);
    let stored = &app.all_events("connection_id=t")[0];
    assert_eq!(stored["created"], "2026-08-17T09:41:23.518Z");
    assert_eq!(stored["created_from"], "transport");
    assert_eq!(stored["level"], "WARNING");
}
