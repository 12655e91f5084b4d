//! Entries of every form, defaults, diagnostics, answers.

use super::*;
use crate::model::Payload;
use serde_json::Value;

fn decode(body: &str) -> Result<Vec<String>, DecodeError> {
    let headers = Vec::new();
    let head = Head::new("POST", PATH, "", &headers);
    let decoded = GoogleEntriesWrite.decode(&head, body.as_bytes(), &Limits::default())?;
    let item = |item: Result<crate::model::Record<'_>, crate::model::RecordError>| match item {
        Ok(record) => {
            let form = if matches!(record.payload, Payload::Json(_)) { "json" } else { "text" };
            let time = record.hints.time.map_or_else(|| "-".to_owned(), |time| time.to_string());
            let level = record.hints.level.as_deref().unwrap_or("-");
            format!("{time} {level} {form} {}", record.payload.text())
        }
        Err(error) => format!("!{} {}", &body[error.bytes.clone()], error.reason),
    };
    Ok(decoded.items.into_iter().map(item).collect())
}

#[track_caller]
fn check(entry: &str, expected: &str) {
    let body =
        format!(r#"{{"logName":"n","labels":{{"levelName":"FINE"}},"entries":[{entry}],"partialSuccess":true}}"#);
    assert_eq!(decode(&body).unwrap(), [expected], "{entry}");
}

#[test]
fn entries_are_records_with_time_and_level() {
    check(r#"{"textPayload":"a \"b\""}"#, "- FINE text a \"b\"");
    check(
        r#"{"jsonPayload":{"event":"info"},"severity":"WARNING","timestamp":"2026-11-20T13:14:29.921999931Z"}"#,
        r#"2026-11-20T13:14:29.921999931Z WARNING json {"event":"info"}"#,
    );
    check(
        r#"{"protoPayload":{"event":"info"},"receiveTimestamp":"2026-11-20T13:14:29Z"}"#,
        r#"2026-11-20T13:14:29Z FINE json {"event":"info"}"#,
    );
    check(
        r#"{"textPayload":"x","timestamp":{"seconds":"bad"},"receiveTimestamp":"2026-11-20T13:14:29Z"}"#,
        "2026-11-20T13:14:29Z FINE text x",
    );
    check(
        r#"{"textPayload":"x","timestamp":{"seconds":1786959683,"nanos":518000000}}"#,
        "2026-08-17T09:41:23.518Z FINE text x",
    );
    for (severity, level) in [
        ("200", "INFO"),
        ("\"200\"", "INFO"),
        ("300", "NOTICE"),
        ("400", "WARNING"),
        ("500", "ERROR"),
        ("800", "EMERGENCY"),
        ("0", "FINE"),
        ("\"DEFAULT\"", "FINE"),
        ("null", "FINE"),
        ("\"ERROR\"", "ERROR"),
    ] {
        check(&format!(r#"{{"textPayload":"x","severity":{severity}}}"#), &format!("- {level} text x"));
    }
    check(r#"{"textPayload":"x","labels":{"levelName":"SEVERE"}}"#, "- SEVERE text x");
    check(r#"{"insertId":"1"}"#, r#"- FINE json {"insertId":"1"}"#);
    let bad = r#"{"entries":[5,{"textPayload":5},{"textPayload":"x"}]}"#;
    let expected = ["!5 expected a log entry", r#"!{"textPayload":5} expected a log entry"#, "- - text x"];
    assert_eq!(decode(bad).unwrap(), expected);
}

#[test]
fn libraries_that_introduce_themselves_and_dry_runs_leave_nothing() {
    let diagnostic = r#"{"jsonPayload":{"logging.googleapis.com/diagnostic":{"instrumentation_source":[]}}}"#;
    assert_eq!(decode(&format!(r#"{{"entries":[{diagnostic}]}}"#)).unwrap(), Vec::<String>::new());
    let event = r#"{"jsonPayload":{"event":"info","logging.googleapis.com/diagnostic":1}}"#;
    assert_eq!(decode(&format!(r#"{{"entries":[{event},{diagnostic}]}}"#)).unwrap().len(), 1);
    for name in ["dry_run", "dryRun"] {
        assert_eq!(decode(&format!(r#"{{"entries":[{event}],"{name}":true}}"#)).unwrap(), Vec::<String>::new());
        assert_eq!(decode(&format!(r#"{{"entries":[{event}],"{name}":false}}"#)).unwrap().len(), 1);
    }
    assert_eq!(decode(r#"{"entries":[]}"#).unwrap(), Vec::<String>::new());
}

#[test]
fn refusals_are_googles() {
    for (body, kept) in [
        ("", false),
        ("hello", true),
        ("{\"entries\":[", true),
        ("{}", true),
        ("{\"entries\":5}", true),
        ("{\"entries\":[5]}", true),
        ("[]", true),
    ] {
        let error = decode(body).unwrap_err();
        assert_eq!(error.quarantine, kept, "{body}");
        answer(&IngestError::Malformed(error), 400, "INVALID_ARGUMENT");
    }
    answer(&AuthError::Missing.into(), 401, "UNAUTHENTICATED");
    answer(&AuthError::Forbidden.into(), 403, "PERMISSION_DENIED");
    answer(&AuthError::Throttled { retry_after_s: 1 }.into(), 429, "RESOURCE_EXHAUSTED");
    answer(&IngestError::TooLarge { limit_bytes: 1 }, 413, "INVALID_ARGUMENT");
    answer(&IngestError::UnknownEncoding, 400, "INVALID_ARGUMENT");
    answer(&IngestError::Busy { retry_after_s: 1 }, 503, "UNAVAILABLE");
    answer(&IngestError::Internal, 500, "INTERNAL");
    let headers = Vec::new();
    let ok = GoogleEntriesWrite.reply(&Head::new("POST", PATH, "", &headers), &Ok(Receipt::default()));
    assert_eq!(ok, Reply::json(200, &json!({})));
}

#[track_caller]
fn answer(error: &IngestError, code: u16, status: &str) {
    let headers = Vec::new();
    let reply = GoogleEntriesWrite.reply(&Head::new("POST", PATH, "", &headers), &Err(error.clone()));
    let document: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((reply.status, &document["error"]["status"]), (code, &status.into()), "{error}");
    assert_eq!(document["error"]["code"], code);
}
