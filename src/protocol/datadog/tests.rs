//! Items of every kind, probes, keys and answers.

use super::*;
use crate::model::RecordError;
use serde_json::Value;

const PATH: &str = "/api/v2/logs";
const EVENT: &str = r#"{"event":"sync_end","created":"2026-08-17T09:41:23Z"}"#;

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Each item as `time level text`, or as `!text-of-range reason`.
fn items_with(headers: &[(&str, &str)], body: &[u8], limits: &Limits) -> Result<Vec<String>, DecodeError> {
    let headers = pairs(headers);
    let decoded = Datadog.decode(&Head::new("POST", PATH, "ddtags=env%3Aprod", &headers), body, limits)?;
    let show = |(at, item)| match item {
        Ok(Record { payload, hints }) => {
            let time = hints.time.map_or("-".to_owned(), |time: Timestamp| time.to_string());
            format!("{time} {} {}", hints.level.as_deref().unwrap_or("-"), payload.text())
        }
        Err(RecordError { reason, bytes, index }) => {
            assert_eq!(index, at);
            format!("!{} {reason}", String::from_utf8_lossy(&body[bytes]))
        }
    };
    Ok(decoded.items.into_iter().enumerate().map(show).collect())
}

#[track_caller]
fn check(headers: &[(&str, &str)], body: &str, expected: &[&str]) {
    assert_eq!(items_with(headers, body.as_bytes(), &Limits::default()).unwrap(), expected, "{body}");
}

#[test]
fn items_carry_time_and_status() {
    let agent = r#"{"message":"x","status":"warn","timestamp":1786959683518,"ddtags":"a:b"}"#;
    let dated = r#"{"message":"x","date":"2026-08-17T09:41:23.518Z","timestamp":null}"#;
    let expected = [format!("2026-08-17T09:41:23.518Z warn {agent}"), format!("2026-08-17T09:41:23.518Z - {dated}")];
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    check(&[("Content-Type", "application/json")], &format!("[{agent},{dated}]"), &expected);
    check(&[("Content-Type", "application/json;simple")], &format!("{agent}\n{dated}"), &expected);
    check(&[("Content-Type", "text/plain")], &format!("[{agent},{dated}]"), &expected);
    check(&[], agent, &expected[..1]);
    let wrong = r#"{"message":1,"status":{},"timestamp":"soon","date":[]}"#;
    check(&[("DD-MESSAGE-TIMESTAMP", "1786959683518")], wrong, &[&format!("2026-08-17T09:41:23.518Z {{}} {wrong}")]);
}

#[test]
fn text_is_a_log_per_line_and_frames_are_messages() {
    let text = [("Content-Type", "text/plain; charset=utf-8")];
    check(&text, "one\r\n\ntwo\n", &["- - one", "- - two"]);
    check(&text, &format!("{EVENT}\n{EVENT}"), &[&format!("- - {EVENT}"), &format!("- - {EVENT}")]);
    let line = format!("<190>1 2022-02-28T20:41:10Z host app web.1 - {EVENT}");
    let frames = format!("{} {line}{} {line}", line.len(), line.len());
    let logplex = [("Content-Type", "application/logplex-1")];
    check(&logplex, &frames, &[&format!("2022-02-28T20:41:10Z - {EVENT}"), &format!("2022-02-28T20:41:10Z - {EVENT}")]);
}

#[test]
fn probes_store_nothing() {
    for probe in ["", " \n", "{}", "[]", "[{}]", " { } ", "{}\n{}"] {
        check(&[], probe, &[]);
    }
    check(&[], r#"[{},5,{},{"a":1}]"#, &["!5 expected an object, found a number", r#"- - {"a":1}"#]);
}

#[test]
fn other_bodies_are_refused_and_kept() {
    let json = [("Content-Type", "application/json")];
    for body in ["hello", "5", "[5]", "[", "{\"message\":", "\u{1}"] {
        assert!(items_with(&json, body.as_bytes(), &Limits::default()).unwrap_err().quarantine, "{body}");
    }
    assert!(items_with(&[("Content-Type", "text/plain")], b"\xff\xfe", &Limits::default()).is_err());
    let limits = Limits { records_max: 10, ..Limits::default() };
    let many = format!("[{}{{}}]", "{},".repeat(10));
    assert_eq!(items_with(&json, many.as_bytes(), &limits).unwrap_err().code, DecodeError::TOO_LARGE);
    assert_eq!(
        items_with(&[("Content-Type", "text/plain")], "a\n".repeat(11).as_bytes(), &limits).unwrap_err().code,
        DecodeError::TOO_LARGE
    );
    let deep = format!("{{\"status\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(items_with(&json, deep.as_bytes(), &Limits::default()).is_ok());
}

#[test]
fn keys_are_found_everywhere() {
    let shown = |path: &str, query: &str, headers: &[(&str, &str)]| {
        let headers = pairs(headers);
        let credential = Datadog.credential(&Head::new("POST", path, query, &headers))?;
        Ok::<_, AuthError>(credential.candidates().next().map(str::to_owned))
    };
    assert_eq!(shown(PATH, "", &[("DD-API-KEY", "a")]), Ok(Some("a".to_owned())));
    assert_eq!(shown("/v1/input/b%20c", "dd-api-key=no", &[]), Ok(Some("b c".to_owned())));
    assert_eq!(shown("/v1/input", "dd-api-key=c", &[]), Ok(Some("c".to_owned())));
    assert_eq!(shown(PATH, "", &[("Authorization", "Bearer d")]), Ok(Some("d".to_owned())));
    assert_eq!(shown(PATH, "token=e", &[("DD-API-KEY", " ")]), Ok(Some("e".to_owned())));
    assert_eq!(shown(PATH, "", &[]), Err(AuthError::Missing));
}

#[test]
fn answers_are_datadogs() {
    let headers = Vec::new();
    let head = Head::new("POST", PATH, "", &headers);
    let success = Datadog.reply(&head, &Ok(Receipt::default()));
    assert_eq!((success.status, &success.body[..], success.content_type), (202, &b"{}"[..], Some("application/json")));
    for (error, status) in [
        (AuthError::Missing.into(), 401),
        (AuthError::Malformed.into(), 401),
        (AuthError::Unknown.into(), 403),
        (AuthError::Disabled.into(), 403),
        (AuthError::Forbidden.into(), 403),
        (AuthError::Throttled { retry_after_s: 5 }.into(), 429),
        (IngestError::Malformed(DecodeError::new(0, "x")), 400),
        (IngestError::BadEncoding("x".into()), 400),
        (IngestError::UnknownEncoding, 415),
        (IngestError::TooLarge { limit_bytes: 5 }, 413),
        (IngestError::Timeout, 408),
        (IngestError::Busy { retry_after_s: 5 }, 503),
        (IngestError::Internal, 500),
    ] {
        let reply = Datadog.reply(&head, &Err(error));
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!((reply.status, &body["errors"][0]["status"]), (status, &json!(status.to_string())));
        assert!(body["errors"][0]["title"].is_string() && body["errors"][0]["detail"].is_string());
    }
    let valid = Datadog.health_reply(&head, Health::Ready);
    assert_eq!((valid.status, &valid.body[..]), (200, &br#"{"valid":true}"#[..]));
    assert_eq!(Datadog.health_reply(&head, Health::Busy).status, 503);
}
