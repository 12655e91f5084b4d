//! What streams carry, damaged records, bombs, answers.

use super::*;
use crate::model::{Payload, Record, RecordError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::Value;
use std::io::Write as _;

type Pairs = Vec<(String, String)>;

const NONE: Pairs = Vec::new();

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn request(records: &[&[u8]]) -> String {
    let records: Vec<Value> = records.iter().map(|bytes| json!({"data": STANDARD.encode(bytes)})).collect();
    json!({"requestId": "r-1", "timestamp": 1, "records": records}).to_string()
}

fn decode_within<'b>(body: &'b str, limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
    let headers = NONE;
    Firehose.decode(&Head::new("POST", PATH, "", &headers), body.as_bytes(), limits)
}

fn shown(body: &str, item: &Result<Record<'_>, RecordError>) -> String {
    match item {
        Ok(record) => {
            let form = if matches!(record.payload, Payload::Json(_)) { "json" } else { "text" };
            let time = record.hints.time.map_or_else(|| "-".to_owned(), |time| time.to_string());
            format!("{time} {form} {}", record.payload.text())
        }
        Err(error) => format!("!{} {}", &body[error.bytes.clone()], error.reason),
    }
}

fn items(body: &str) -> Vec<String> {
    let decoded = decode_within(body, &Limits::default()).unwrap();
    decoded.items.iter().map(|item| shown(body, item)).collect()
}

#[track_caller]
fn check(records: &[&[u8]], expected: &[&str]) {
    assert_eq!(items(&request(records)), expected);
}

#[test]
fn subscriptions_are_taken_apart() {
    let data = r#"{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","subscriptionFilters":[],"logEvents":[
        {"id":"1","timestamp":1786959683518,"message":"{\"event\":\"info\"}"},{"id":"2","message":"no time"},{"id":"3","timestamp":1}]}"#;
    let control = r#"{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logEvents":[{"id":"","timestamp":1,"message":"CWL CONTROL MESSAGE: Checking health of destination Firehose."}]}"#;
    let expected =
        [r#"2026-08-17T09:41:23.518Z text {"event":"info"}"#, "- text no time", r#"- json {"id":"3","timestamp":1}"#];
    check(&[&gzip(data.as_bytes())], &expected);
    check(&[data.as_bytes(), &gzip(control.as_bytes())], &expected);
    let twice = format!("{control}{data}{control}");
    check(&[&gzip(twice.as_bytes())], &expected);
    let members = [gzip(control.as_bytes()), gzip(data.as_bytes())].concat();
    check(&[&members], &expected);
    check(&[br#"{"messageType":"DATA_MESSAGE"}"#], &[r#"- json {"messageType":"DATA_MESSAGE"}"#]);
    check(&[br#"{"messageType":"NEWS","logEvents":[]}"#], &[r#"- json {"messageType":"NEWS","logEvents":[]}"#]);
}

#[test]
fn documents_and_lines_are_records() {
    check(&[b""], &[]);
    check(&[b"", b" \n"], &[]);
    check(&[br#"{"event":"a"}"#], &[r#"- json {"event":"a"}"#]);
    check(&[b"{\"event\":\"a\"}{\"event\":\"b\"}\n"], &[r#"- json {"event":"a"}"#, r#"- json {"event":"b"}"#]);
    check(&[b"{\"event\":\"a\"} {\"event\":\"b\"}"], &[r#"- json {"event":"a"}"#, r#"- json {"event":"b"}"#]);
    check(&[b"[{\"event\":\"a\"},{\"event\":\"b\"}]"], &[r#"- json {"event":"a"}"#, r#"- json {"event":"b"}"#]);
    check(&[b"{\n \"event\":\n \"a\"\n}\nplain\n"], &["- json {\n \"event\":\n \"a\"\n}", "- text plain"]);
    // What a library writes behind the event on its line says something about it.
    check(
        &[b"{\"event\":\"a\"} {\"level\":\"warn\"}\n{\"event\":\"b\"} and words\r\n"],
        &[r#"- text {"event":"a"} {"level":"warn"}"#, r#"- text {"event":"b"} and words"#],
    );
    check(
        &[b"{\"event\":\"torn\n{\"event\":\"b\"}\n{\"event\":\"c\"}"],
        &["- text {\"event\":\"torn", r#"- json {"event":"b"}"#, r#"- json {"event":"c"}"#],
    );
    check(&[b"\xff{\"a\":1}"], &["- text \u{fffd}{\"a\":1}"]);
}

#[test]
fn a_damaged_record_costs_itself_only() {
    let whole = gzip(br#"{"event":"a"}"#);
    let torn = STANDARD.encode(&whole[..whole.len() - 6]);
    let body =
        json!({"records": [{"data": torn}, {"data": "not base64!"}, {"data": 5}, 7, {"data": "e30"}]}).to_string();
    let expected = [
        format!("!{{\"data\":\"{torn}\"}} the gzip data of the record is damaged"),
        "!{\"data\":\"not base64!\"} the data of the record is no base64".to_owned(),
        "!{\"data\":5} expected {\"data\":…} with the data as text".to_owned(),
        "!7 expected {\"data\":…} with the data as text".to_owned(),
        "- json {}".to_owned(),
    ];
    assert_eq!(items(&body), expected);
}

#[test]
fn bombs_are_cut_off() {
    let limits = Limits { body_bytes_max: 1 << 20, records_max: 10 };
    let bomb = gzip(&vec![b' '; 8 << 20]);
    let half = gzip(&vec![b' '; 600 << 10]);
    for records in [vec![bomb.as_slice()], vec![&half, &half]] {
        assert_eq!(decode_within(&request(&records), &limits).unwrap_err().code, DecodeError::TOO_LARGE);
    }
    assert!(decode_within(&request(&[&half]), &limits).is_ok());
    let many = b"{}".repeat(11);
    assert_eq!(decode_within(&request(&[&many]), &limits).unwrap_err().code, DecodeError::TOO_LARGE);
    // Lines that each look as if their value ended far away.
    let vain = "{\"a\":[\n".repeat(40_000);
    let found = decode_within(&request(&[vain.as_bytes()]), &Limits::default()).unwrap().items.len();
    assert_eq!(found, 40_000);
}

#[test]
fn other_bodies_are_refused() {
    for (body, kept) in
        [("", false), ("hello", true), ("{\"records\":[", true), ("{}", true), ("[]", true), ("{\"records\":5}", true)]
    {
        assert_eq!(decode_within(body, &Limits::default()).unwrap_err().quarantine, kept, "{body}");
    }
    assert_eq!(items(r#"{"records":[]}"#), Vec::<String>::new());
}

#[test]
fn the_key_is_a_token() {
    let shown = |pairs: &[(&str, &str)]| {
        let headers: Pairs = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let credential = Firehose.credential(&Head::new("POST", PATH, "", &headers))?;
        Ok(credential.candidates().map(str::to_owned).collect::<Vec<_>>())
    };
    assert_eq!(shown(&[("X-Amz-Firehose-Access-Key", "secret123")]), Ok(vec!["secret123".to_owned()]));
    let both = [("X-Amz-Firehose-Access-Key", "secret123"), ("Authorization", "Bearer other")];
    assert_eq!(shown(&both), Ok(vec!["secret123".to_owned()]));
    assert_eq!(shown(&[("X-Amz-Firehose-Access-Key", ""), ("Authorization", "Bearer t")]), Ok(vec!["t".to_owned()]));
    assert_eq!(shown(&[]), Err(AuthError::Missing));
}

#[test]
fn answers_repeat_the_id_and_only_what_cannot_fit_is_413() {
    let headers: Pairs = vec![("X-Amz-Firehose-Request-Id".to_owned(), "from-head".to_owned())];
    let head = Head { now_us: 1_786_959_690_123_456, request_id: "ours", ..Head::new("POST", PATH, "", &headers) };
    let of = |head: &Head<'_>, result: Result<Receipt, IngestError>| {
        let reply = Firehose.reply(head, &result);
        assert_eq!(reply.content_type, Some("application/json"));
        (reply.status, serde_json::from_slice::<Value>(&reply.body).unwrap())
    };
    let ok = json!({"requestId": "from-head", "timestamp": 1_786_959_690_123_i64});
    assert_eq!(of(&head, Ok(Receipt::default())), (200, ok));
    let none = NONE;
    let bare = Head { headers: &none, ..head };
    let noted = |id: &str| Ok(Receipt { note: Some(id.to_owned()), ..Receipt::default() });
    assert_eq!(of(&bare, noted("from-body")).1["requestId"], "from-body");
    assert_eq!(of(&bare, noted(&"x".repeat(300))).1["requestId"], "ours");
    for (error, status) in [
        (AuthError::Missing.into(), 401),
        (AuthError::Unknown.into(), 401),
        (AuthError::Forbidden.into(), 403),
        (AuthError::Throttled { retry_after_s: 1 }.into(), 429),
        (IngestError::TooLarge { limit_bytes: 1 }, 413),
        (IngestError::Malformed(DecodeError::too_large("x")), 413),
        (IngestError::Malformed(DecodeError::new(0, "x")), 400),
        (IngestError::UnknownEncoding, 400),
        (IngestError::BadEncoding("x".into()), 400),
        (IngestError::Timeout, 408),
        (IngestError::Busy { retry_after_s: 1 }, 503),
        (IngestError::StoreUnavailable { reason: "disk full".into(), retry_after_s: 1 }, 503),
        (IngestError::ShuttingDown, 503),
        (IngestError::Internal, 500),
    ] {
        let (found, body) = of(&head, Err(error.clone()));
        assert_eq!(found, status, "{error}");
        assert_eq!(body["requestId"], "from-head");
        assert!(body["errorMessage"].as_str().is_some_and(|text| !text.is_empty()));
    }
}

proptest! {
    /// Text that is no JSON is never lost: every line that is not blank is in some record.
    #[test]
    fn plain_lines_are_all_there(lines in prop::collection::vec("[a-z }\\]\",]{0,20}", 0..20)) {
        let text = lines.join("\n");
        let body = request(&[text.as_bytes()]);
        let found: Vec<String> = items(&body).iter().map(|item| item.trim_start_matches("- text ").to_owned()).collect();
        let expected: Vec<String> =
            lines.iter().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
        prop_assert_eq!(found, expected);
    }
}
