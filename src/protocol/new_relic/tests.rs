//! Logs one by one and in blocks, keys and answers.

use super::*;
use crate::model::RecordError;
use serde_json::Value;

const PATH: &str = "/log/v1";
const AT: &str = "2026-08-17T09:41:23.518Z";

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Each item as `time level text`, or as `!text-of-range reason`.
fn items_with(body: &str, limits: &Limits) -> Result<Vec<String>, DecodeError> {
    let headers = Vec::new();
    let decoded = NewRelic.decode(&Head::new("POST", PATH, "", &headers), body.as_bytes(), limits)?;
    let show = |item| match item {
        Ok(Record { payload, hints }) => {
            let time = hints.time.map_or("-".to_owned(), |time: Timestamp| time.to_string());
            format!("{time} {} {}", hints.level.as_deref().unwrap_or("-"), payload.text())
        }
        Err(RecordError { reason, bytes, .. }) => format!("!{} {reason}", &body[bytes]),
    };
    Ok(decoded.items.into_iter().map(show).collect())
}

#[track_caller]
fn check(body: &str, expected: &[&str]) {
    assert_eq!(items_with(body, &Limits::default()).unwrap(), expected, "{body}");
}

#[test]
fn simple_logs_are_read() {
    let millis = r#"{"timestamp":1786959683518,"message":"x","level":"warn"}"#;
    let seconds = r#"{"timestamp":1786959683,"message":"x","attributes":{"severity":"error"}}"#;
    check(millis, &[&format!("{AT} warn {millis}")]);
    let expected = [format!("{AT} warn {millis}"), format!("2026-08-17T09:41:23Z error {seconds}")];
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    check(&format!("[{millis},{seconds}]"), &expected);
    check(&format!("{millis}\n{seconds}"), &expected);
    let odd = r#"{"timestamp":{},"message":5,"level":[],"attributes":7}"#;
    check(odd, &[&format!("- - {odd}")]);
}

#[test]
fn blocks_lend_what_their_logs_lack() {
    let block = r#"{"common":{"timestamp":1786959683518,"attributes":{"level":"INFO"}},"logs":[{"message":"a"},{"message":"b","timestamp":1,"attributes":{"log.level":"error"}},5]}"#;
    let logs = [
        format!("{AT} INFO {{\"message\":\"a\"}}"),
        "1970-01-01T00:00:01Z error {\"message\":\"b\",\"timestamp\":1,\"attributes\":{\"log.level\":\"error\"}}"
            .to_owned(),
        format!("{AT} INFO 5"),
    ];
    let logs: Vec<&str> = logs.iter().map(String::as_str).collect();
    check(block, &logs);
    check(&format!("[{block},{block}]"), &[&logs[..], &logs[..]].concat());
    check(r#"[{"common":{"level":"warn"},"logs":[{"a":1}]}]"#, &[r#"- warn {"a":1}"#]);
    check(r#"[{"logs":[],"common":5}]"#, &[]);
    check(r#"[{"logs":{}},{"a":1}]"#, &[r#"!{"logs":{}} logs is not a list"#, r#"- - {"a":1}"#]);
}

#[test]
fn other_bodies_are_refused_and_kept() {
    for body in ["hello", "5", "[", "{\"logs\":[", "{\"logs\":[1}]", "[{\"logs\":1}]"] {
        assert!(items_with(body, &Limits::default()).unwrap_err().quarantine, "{body}");
    }
    assert!(!items_with(" ", &Limits::default()).unwrap_err().quarantine);
    let limits = Limits { records_max: 10, ..Limits::default() };
    let many = format!("{{\"logs\":[{}1]}}", "1,".repeat(10));
    assert_eq!(items_with(&many, &limits).unwrap_err().code, DecodeError::TOO_LARGE);
    let deep = format!("{{\"logs\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(items_with(&deep, &limits).unwrap().len(), 1);
}

#[test]
fn keys_are_found_everywhere() {
    let shown = |query: &str, headers: &[(&str, &str)]| {
        let headers = pairs(headers);
        let credential = NewRelic.credential(&Head::new("POST", PATH, query, &headers))?;
        Ok::<_, AuthError>(credential.candidates().next().map(str::to_owned))
    };
    for header in ["Api-Key", "X-License-Key", "X-Insert-Key"] {
        assert_eq!(shown("", &[(header, "a")]), Ok(Some("a".to_owned())));
        assert_eq!(shown(&format!("{header}=b"), &[]), Ok(Some("b".to_owned())));
    }
    assert_eq!(shown("", &[("Authorization", "Bearer d")]), Ok(Some("d".to_owned())));
    assert_eq!(shown("", &[]), Err(AuthError::Missing));
}

#[test]
fn answers_carry_the_requests_id() {
    let headers = Vec::new();
    let head = Head { request_id: "e3d5c75c-9854-4a0a-8f82-a9b3e82fdfe2", ..Head::new("POST", PATH, "", &headers) };
    let id = |reply: &Reply| serde_json::from_slice::<Value>(&reply.body).unwrap()["requestId"].clone();
    let success = NewRelic.reply(&head, &Ok(Receipt::default()));
    assert_eq!((success.status, id(&success)), (202, json!(head.request_id)));
    for (error, status) in [
        (AuthError::Missing.into(), 403),
        (AuthError::Unknown.into(), 403),
        (AuthError::Throttled { retry_after_s: 5 }.into(), 429),
        (IngestError::Malformed(DecodeError::new(0, "x")), 400),
        (IngestError::UnknownEncoding, 415),
        (IngestError::TooLarge { limit_bytes: 5 }, 413),
        (IngestError::Timeout, 408),
        (IngestError::Busy { retry_after_s: 5 }, 503),
    ] {
        let reply = NewRelic.reply(&head, &Err(error));
        assert_eq!((reply.status, id(&reply)), (status, json!(head.request_id)));
    }
}
