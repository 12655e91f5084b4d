//! Records in every content type, tokens and answers.

use super::*;
use crate::model::RecordError;
use serde_json::Value;

const PATH: &str = "/api/v2/logs/ingest";

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Each item as `time level destination text`, or as `!text-of-range reason`.
fn items_with(media_type: &str, body: &[u8], limits: &Limits) -> Result<Vec<String>, DecodeError> {
    let headers = pairs(&[("Content-Type", media_type)]);
    let decoded = Dynatrace.decode(&Head::new("POST", PATH, "", &headers), body, limits)?;
    let show = |item| match item {
        Ok(Record { payload, hints }) => {
            let time = hints.time.map_or("-".to_owned(), |time: Timestamp| time.to_string());
            let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            format!("{time} {} {} {}", or_none(hints.level), or_none(hints.destination), payload.text())
        }
        Err(RecordError { reason, bytes, .. }) => format!("!{} {reason}", String::from_utf8_lossy(&body[bytes])),
    };
    Ok(decoded.items.into_iter().map(show).collect())
}

#[track_caller]
fn check(media_type: &str, body: &str, expected: &[&str]) {
    assert_eq!(items_with(media_type, body.as_bytes(), &Limits::default()).unwrap(), expected, "{media_type} {body}");
}

#[test]
fn records_are_read_in_every_content_type() {
    let one = r#"{"content":"x","timestamp":1786959683518,"loglevel":"WARN","group.id":"lake","account.id":"a"}"#;
    let two = r#"{"content":"y","timestamp":"2026-08-17T09:41:23.518Z","severity":"error"}"#;
    let expected =
        [format!("2026-08-17T09:41:23.518Z WARN lake {one}"), format!("2026-08-17T09:41:23.518Z error - {two}")];
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    check("application/json; charset=utf-8", &format!("[{one},{two}]"), &expected);
    check("application/json", one, &expected[..1]);
    for lines in
        ["application/jsonl", "application/jsonlines", "application/jsonlines+json", "application/x-ndjson", ""]
    {
        check(lines, &format!("{one}\r\n{two}\n"), &expected);
    }
    check("text/plain", &format!("[{one},{two}]"), &expected);
    check("text/plain", " one log\nof two lines\n", &["- - - one log\nof two lines"]);
    let old = r#"{"content":"x","timestamp":"Aug 17 09:41:23","status":{},"group.id":""}"#;
    check("application/json", old, &[&format!("- - - {old}")]);
    check("application/json", "[5,{\"a\":1}]", &["!5 expected an object, found a number", "- - - {\"a\":1}"]);
}

#[test]
fn other_bodies_are_refused_and_kept() {
    for body in ["hello", "5", "[", "{\"content\":"] {
        assert!(items_with("application/json", body.as_bytes(), &Limits::default()).unwrap_err().quarantine, "{body}");
    }
    assert!(items_with("text/plain", b"\xff", &Limits::default()).unwrap_err().quarantine);
    assert!(!items_with("text/plain", b" ", &Limits::default()).unwrap_err().quarantine);
    let limits = Limits { records_max: 10, ..Limits::default() };
    let many = items_with("application/json", "{}".repeat(11).as_bytes(), &limits).unwrap_err();
    assert_eq!(many.code, DecodeError::TOO_LARGE);
    let deep = format!("{{\"content\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(items_with("application/json", deep.as_bytes(), &limits).unwrap().len(), 1);
}

#[test]
fn tokens_are_found_everywhere() {
    let shown = |query: &str, authorization: &str| {
        let headers = pairs(&[("Authorization", authorization)]);
        let credential = Dynatrace.credential(&Head::new("POST", PATH, query, &headers))?;
        Ok::<_, AuthError>(credential.candidates().next().map(str::to_owned))
    };
    assert_eq!(shown("", "Api-Token a"), Ok(Some("a".to_owned())));
    assert_eq!(shown("", "API-TOKEN  a "), Ok(Some("a".to_owned())));
    assert_eq!(shown("", "Bearer b"), Ok(Some("b".to_owned())));
    assert_eq!(shown("api-token=c", ""), Ok(Some("c".to_owned())));
    assert_eq!(shown("token=d", "Api-Token "), Ok(Some("d".to_owned())));
    assert_eq!(shown("", ""), Err(AuthError::Missing));
    assert_eq!(shown("", "What ever"), Err(AuthError::Malformed));
}

#[test]
fn answers_say_whether_all_is_taken() {
    let headers = Vec::new();
    let head = Head::new("POST", PATH, "", &headers);
    assert_eq!(Dynatrace.reply(&head, &Ok(Receipt::default())), Reply::empty(204));
    let part = Dynatrace.reply(&head, &Ok(Receipt { quarantined: 2, ..Receipt::default() }));
    assert_eq!(part.status, 200);
    assert!(String::from_utf8(part.body).unwrap().contains("2 log records"));
    for (error, status) in [
        (AuthError::Missing.into(), 401),
        (AuthError::Unknown.into(), 401),
        (AuthError::Forbidden.into(), 403),
        (AuthError::Throttled { retry_after_s: 5 }.into(), 429),
        (IngestError::Malformed(DecodeError::new(0, "x")), 400),
        (IngestError::TooLarge { limit_bytes: 5 }, 413),
        (IngestError::Busy { retry_after_s: 5 }, 503),
    ] {
        let reply = Dynatrace.reply(&head, &Err(error));
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!((reply.status, &body["error"]["code"]), (status, &json!(status)));
    }
}
