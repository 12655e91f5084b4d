//! Every framing, and lines that are torn in every way.

use super::*;
use crate::protocol::ItemOutcome;
use proptest::prelude::*;

const HEADERS: Vec<(String, String)> = Vec::new();

fn decode<'b>(body: &'b [u8], limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
    let headers = HEADERS;
    let head = Head::new("POST", "/v1/events", "", &headers);
    Native.decode(&head, body, limits)
}

/// Each item as its text, or as `!range reason`.
fn items(body: &[u8]) -> Result<Vec<String>, DecodeError> {
    let decoded = decode(body, &Limits::default())?;
    assert_eq!(decoded.refusal, None);
    Ok(decoded
        .items
        .into_iter()
        .map(|item| match item {
            Ok(record) => record.payload.text().to_owned(),
            Err(error) => format!("!{:?} {}", error.bytes, error.reason),
        })
        .collect())
}

#[track_caller]
fn check(body: impl AsRef<[u8]>, expected: &[&str]) {
    let body = body.as_ref();
    assert_eq!(items(body).unwrap(), expected, "{}", String::from_utf8_lossy(body));
}

#[track_caller]
fn refused(body: impl AsRef<[u8]>, quarantine: bool, words: &str) {
    let body = body.as_ref();
    let error = items(body).unwrap_err();
    assert_eq!((error.quarantine, error.detail.as_str()), (quarantine, words), "{}", String::from_utf8_lossy(body));
}

#[test]
fn every_framing_is_read() {
    check(r#"{"a":1}"#, &[r#"{"a":1}"#]);
    check("  {\"a\":1}\r\n", &[r#"{"a":1}"#]);
    check("\u{feff}{\"a\":1}\n{\"b\":2}", &[r#"{"a":1}"#, r#"{"b":2}"#]);
    check("{\"a\":1}\r\n\r\n \n{\"b\":2}\r\n", &[r#"{"a":1}"#, r#"{"b":2}"#]);
    check(r#"[{"a":1}, {"b":2}]"#, &[r#"{"a":1}"#, r#"{"b":2}"#]);
    check("[\n  {\"a\":1},\n  {\"b\":2}\n]\n", &[r#"{"a":1}"#, r#"{"b":2}"#]);
    check("[]", &[]);
    check(
        "{\n  \"a\": {\n    \"b\": 1\n  }\n}\n{\"c\":\n2}\n{\"d\":3}",
        &["{\n  \"a\": {\n    \"b\": 1\n  }\n}", "{\"c\":\n2}", "{\"d\":3}"],
    );
    check("{\"a\": {}\n}\n{\"b\":1}", &["{\"a\": {}\n}", "{\"b\":1}"]);
    check(r#"{"a":1}{"b":2} {"c":3}"#, &[r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":3}"#]);
    check(
        "{\"a\":1}\n{\"b\":2}{\"c\":3}\n{\"d\":\"}{\"}",
        &[r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":3}"#, r#"{"d":"}{"}"#],
    );
    check("{\"a\":1}\n[{\"b\":2}]\n", &[r#"{"a":1}"#, r#"{"b":2}"#]);
    check(r#"["{\"a\":1}"]"#, &[r#""{\"a\":1}""#]);
}

#[test]
fn a_malformed_line_is_alone() {
    check("{\"a\":1}\n5\n{\"b\":2}", &[r#"{"a":1}"#, "!8..9 expected an object, found a number", r#"{"b":2}"#]);
    check(
        "{\"a\":1}\nnull\n\"x\"\ntrue\n{}",
        &[
            r#"{"a":1}"#,
            "!8..12 expected an object, found null",
            "!13..16 expected an object, found a string",
            "!17..21 expected an object, found a boolean",
            "{}",
        ],
    );
    check("hello\n{\"b\":2}", &["!0..5 not JSON: expected value at line 1 column 1", r#"{"b":2}"#]);
    check(
        "{\"a\":1}\n{\"torn\":\r\n{\"b\":2}\n",
        &[r#"{"a":1}"#, "!8..16 not JSON: EOF while parsing a value at line 1 column 8", r#"{"b":2}"#],
    );
    check(
        "{\"torn\":\"x\n{\"b\":2}\n{\"c\":3",
        &[
            "!0..10 not JSON: EOF while parsing a string at line 1 column 10",
            r#"{"b":2}"#,
            "!19..25 not JSON: EOF while parsing an object at line 1 column 6",
        ],
    );
    check(
        "{\"a\":1}{\"b\":}{\"c\":3}\n{\"d\":4}",
        &[r#"{"a":1}"#, "!7..20 not JSON: expected value at line 1 column 6", r#"{"d":4}"#],
    );
    check(
        b"{\"a\":1}\n{\"b\":\"\xff\"}\n{\"c\":3}",
        &[r#"{"a":1}"#, "!8..18 not UTF-8: byte 6 of the line", r#"{"c":3}"#],
    );
    check(
        "[{\"a\":1},5,\n{\"b\":2},\n{\"c\":]\n{\"d\":4}",
        &[
            r#"{"a":1}"#,
            "!9..10 expected an object, found a number",
            r#"{"b":2}"#,
            "!21..35 not JSON: expected value at line 1 column 6",
        ],
    );
    check(
        "[{\"a\":1}\n{\"b\":2}\n",
        &[r#"{"a":1}"#, "!8..8 not JSON: expected a comma or the end of the list", r#"{"b":2}"#],
    );
    check(
        "[\n{\"a\":1}\n]\n{\"b\":2}\n[{\"c\":3}]{\"d\":4}",
        &[r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":3}"#, r#"{"d":4}"#],
    );
    check(
        "[{\"a\":1}]\n[{\"b\":2},]\n[{\"c\":3}]\n{}\\n\n{\"d\":4}",
        &[
            r#"{"a":1}"#,
            r#"{"b":2}"#,
            "!18..20 not JSON: expected a value after the comma",
            r#"{"c":3}"#,
            "{}",
            r#"{"d":4}"#,
        ],
    );
    // Trusted once an object was read; the envelope room says what is wrong with it.
    check("{\"a\":1}\n{oops}", &[r#"{"a":1}"#, "{oops}"]);
}

#[test]
fn log_lines_of_neighbours_are_records_between_objects() {
    let line = r#"2022-02-28T20:41:10+00:00 app[herokuconnect]: event="RELOAD TABLE a" addon_id=x"#;
    let broken = "event=\"Error:\nline 2\" addon_id=x";
    let bare = r#"event="half addon_id=x"#;
    check(line, &[line]);
    check(
        format!("{{\"a\":1}}\n{line}\r\n\n{broken}\n{{\"b\":2}}{{\"c\":3}}\n{bare}\n{line}"),
        &[r#"{"a":1}"#, line, broken, r#"{"b":2}"#, r#"{"c":3}"#, bare, line],
    );
    let quoted = serde_json::Value::from(line).to_string();
    check(&quoted, &[&quoted]);
    check(format!("[{quoted},{{\"a\":1}}]\n{quoted}"), &[&quoted, r#"{"a":1}"#, &quoted]);
    check(
        format!("{line}\nhello"),
        &[line, &format!("!{}..{} not JSON: expected value at line 1 column 1", line.len() + 1, line.len() + 6)],
    );
    for junk in ["a,b\n1,2", "event=start other=1", "\"event=start\"", "level=info addon_id=x"] {
        assert!(items(junk.as_bytes()).is_err(), "{junk}");
    }
}

#[test]
fn searching_for_ends_stays_linear() {
    let body = "{\"a\":[\n".repeat(100_000);
    let error = items(body.as_bytes()).unwrap_err();
    assert!(error.detail.contains("EOF while parsing a list"), "{error}");
}

#[test]
fn too_many_records_are_refused_and_not_kept() {
    let limits = Limits { records_max: 2, ..Limits::default() };
    assert!(decode(b"{}\n{}", &limits).is_ok());
    for body in ["{}\n{}\n{}", "[{},{},{}]", "{}\n5\n5"] {
        let error = decode(body.as_bytes(), &limits).unwrap_err();
        assert_eq!((error.code, error.quarantine), (DecodeError::TOO_LARGE, false), "{body}");
    }
}

#[test]
fn the_answer_has_the_form_of_the_contract() {
    let quarantined = ItemOutcome {
        index: 4,
        outcome: "quarantined",
        id: "17".into(),
        reason: Some("expected an object, found a number".into()),
    };
    let receipt =
        Receipt { accepted: 3, duplicates: 1, quarantined: 1, items: vec![quarantined], ..Receipt::default() };
    let reply = reply(&Ok(receipt));
    assert_eq!((reply.status, reply.content_type), (200, Some("application/json")));
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    let expected = json!({"accepted": 3, "duplicates": 1, "quarantined": 1, "items": [
        {"index": 4, "outcome": "quarantined", "id": "17", "reason": "expected an object, found a number"}]});
    assert_eq!(body, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn good_lines_are_found_between_any_others(
        lines in prop::collection::vec(prop::sample::select(vec!["{\"a\":1}", "{\"b\":\"}{\"}", "5", "hello", "", "  "]), 0..20),
        feed in prop::sample::select(vec!["\n", "\r\n", "\n\n"]),
    ) {
        let good: Vec<&str> = lines.iter().copied().filter(|line| line.starts_with('{')).collect();
        match items(lines.join(feed).as_bytes()) {
            Ok(found) => {
                let found: Vec<&String> = found.iter().filter(|text| text.starts_with('{')).collect();
                prop_assert_eq!(found, good);
            }
            Err(_) => prop_assert!(good.is_empty()),
        }
    }
}

#[test]
fn an_unreadable_body_is_refused() {
    refused("", false, "the body is empty; send one object, a list of objects or NDJSON");
    refused("\u{feff} \r\n\n", false, "the body is empty; send one object, a list of objects or NDJSON");
    refused("5", true, "nothing in the body can be read: expected an object, found a number");
    refused("[[1]]", true, "nothing in the body can be read: expected an object, found an array");
    refused("hello", true, "nothing in the body can be read: not JSON: expected value at line 1 column 1");
    refused("{bad}\n{bad}", true, "nothing in the body can be read: not JSON: key must be a string at line 1 column 2");
    refused(b"\xff\xfe{\x00", true, "nothing in the body can be read: not UTF-8: byte 0 of the line");
}
