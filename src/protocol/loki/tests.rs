//! Push requests of both kinds, their abuses, and the answers.

use super::*;
use crate::protocol::DecodeError;
use proptest::prelude::*;
use serde_json::Value;

const PUSH: &str = "/loki/api/v1/push";
const EVENT: &str = r#"{"event":"sync_end"}"#;

fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Unpacks and decodes: each item as `time level text`, or as `!text-of-range reason`.
fn items_with(pairs: &[(&str, &str)], body: &[u8], limits: &Limits) -> Result<Vec<String>, DecodeError> {
    let headers = headers(pairs);
    let head = Head::new("POST", PUSH, "", &headers);
    let plain = Loki.unpack(&head, body, limits)?;
    let decoded = Loki.decode(&head, &plain, limits)?;
    let show = |item| match item {
        Ok(crate::model::Record { payload, hints }) => {
            let time = hints.time.map_or("-".to_owned(), |time: crate::model::Timestamp| time.to_string());
            format!("{time} {} {}", hints.level.as_deref().unwrap_or("-"), payload.text())
        }
        Err(crate::model::RecordError { reason, bytes, .. }) => {
            format!("!{} {reason}", String::from_utf8_lossy(&plain[bytes]))
        }
    };
    Ok(decoded.items.into_iter().map(show).collect())
}

fn items(body: impl AsRef<[u8]>) -> Result<Vec<String>, DecodeError> {
    items_with(&[("Content-Type", "application/json; charset=utf-8")], body.as_ref(), &Limits::default())
}

fn proto_items(message: &[u8]) -> Result<Vec<String>, DecodeError> {
    let packed = snap::raw::Encoder::new().compress_vec(message).unwrap();
    items_with(&[("Content-Type", "application/x-protobuf")], &packed, &Limits::default())
}

#[track_caller]
fn check(body: &str, expected: &[&str]) {
    assert_eq!(items(body).unwrap(), expected, "{body}");
}

/// A length-delimited protobuf field.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    prost::encoding::encode_varint(bytes.len() as u64, &mut out);
    out.extend_from_slice(bytes);
    out
}

fn stamp(seconds: i64, nanos: i64) -> Vec<u8> {
    let mut out = vec![0x08];
    prost::encoding::encode_varint(seconds.cast_unsigned(), &mut out);
    out.push(0x10);
    prost::encoding::encode_varint(nanos.cast_unsigned(), &mut out);
    field(1, &out)
}

#[test]
fn both_json_forms_are_read() {
    check(
        r#"{"streams":[{"stream":{"level":"info"},"values":[["1786959683518000001","a"],["1786959683518000000","b",{"x":1}]],"extra":[]},
            {"values":[["","c",{"detected_level":"warn"}, 5]],"stream":{"severity":"error"}}],"format":{}}"#,
        &["2026-08-17T09:41:23.518000001Z info a", "2026-08-17T09:41:23.518Z info b", "- warn c"],
    );
    check(
        r#"{"streams":[{"labels":"{a=\"b\",severity=\"info\"}","entries":[{"ts":"2026-11-20T13:12:10.920998+00:00","line":"x\ny"}]}]}"#,
        &["2026-11-20T13:12:10.920998Z info x\ny"],
    );
    check(
        r#"{"streams":[{"values":[[1786959683,"s"],["1786959683518","ms"],["1786959683.5","f"]]}]}"#,
        &["2026-08-17T09:41:23Z - s", "2026-08-17T09:41:23.518Z - ms", "2026-08-17T09:41:23.500Z - f"],
    );
    check(r#"{"streams":[]}"#, &[]);
    check(r#"{"streams":[{},{"stream":null,"values":null}]}"#, &[]);
}

#[test]
fn the_format_is_recognised_without_a_content_type() {
    let body = format!(r#"{{"streams":[{{"values":[["","{}"]]}}]}}"#, EVENT.replace('"', "\\\""));
    let expected = vec![format!("- - {EVENT}")];
    for pairs in [&[][..], &[("Content-Type", "text/plain")], &[("Content-Type", "application/x-protobuf")]] {
        assert_eq!(items_with(pairs, body.as_bytes(), &Limits::default()).unwrap(), expected, "{pairs:?}");
    }
    let packed = snap::raw::Encoder::new().compress_vec(body.as_bytes()).unwrap();
    let pairs = [("Content-Type", "application/json"), ("Content-Encoding", "snappy")];
    assert_eq!(items_with(&pairs, &packed, &Limits::default()).unwrap(), expected);
}

#[test]
fn a_bad_entry_is_alone() {
    check(
        r#"{"streams":[{"values":[["1","a"],["1"],5,["1",{}],["soon","b"],["-1","c"],["1",""],["1","d",7],["2","e"]]}]}"#,
        &[
            "1970-01-01T00:00:01Z - a",
            r#"!["1"] expected [time, line] with both as text"#,
            "!5 expected [time, line] with both as text",
            r#"!["1",{}] expected [time, line] with both as text"#,
            r#"!["soon","b"] the entry's time is not a number of nanoseconds since 1970"#,
            r#"!["-1","c"] the entry's time is not a number of nanoseconds since 1970"#,
            r#"!["1",""] the line is empty"#,
            r#"!["1","d",7] the entry's metadata is not an object"#,
            "1970-01-01T00:00:02Z - e",
        ],
    );
    check(
        r#"{"streams":[{"stream":5,"values":[["1","a"]]},{"values":{}},{"labels":"x","entries":[]},{"values":[["1","\ud800"],["1","a"]]}]}"#,
        &[
            r#"![["1","a"]] the stream's labels are not an object"#,
            "!{} the stream's lines are not a list",
            "![] the stream's labels are not of the form {name=\"value\", …}",
            r#"!["1","\ud800"] not JSON: unexpected end of hex escape at line 1 column 13"#,
            "1970-01-01T00:00:01Z - a",
        ],
    );
}

#[test]
fn other_bodies_are_refused() {
    for body in [
        "hello",
        "{}",
        EVENT,
        r#"{"streams":5}"#,
        r#"{"streams":[5]}"#,
        r#"{"streams":[{}]"#,
        r#"{"streams":[]} x"#,
        r#"{"streams":[{"values":[5]}]}"#,
    ] {
        assert!(items(body).unwrap_err().quarantine, "{body}");
    }
    assert!(items(b"{\"streams\":[],\"\xff\":1}").unwrap_err().quarantine);
    assert!(!items("").unwrap_err().quarantine);
    assert!(!items_with(&[], b"", &Limits::default()).unwrap_err().quarantine);
    for body in [&b"\x05"[..], b"\x00", b"\x02\x04\x0a\x05", b"\xff\xff\xff\xff\x0f", b"\x80"] {
        assert!(items_with(&[], body, &Limits::default()).is_err(), "{body:?}");
    }
}

#[test]
fn protobuf_is_read_in_place() {
    let meta = |name: &str, value: &str| field(3, &[field(1, name.as_bytes()), field(2, value.as_bytes())].concat());
    let first = [stamp(1_786_959_683, 518_000_000), field(2, b"a")].concat();
    let second = [field(2, b"b"), meta("sync_id", "x"), meta("level", "warn")].concat();
    let stream = [field(2, &first), field(1, b"{level=\"info\"}"), field(2, &second)].concat();
    let push = [field(1, &stream), field(2, b"loki"), field(1, &field(2, &field(2, b"c")))].concat();
    assert_eq!(proto_items(&push).unwrap(), ["2026-08-17T09:41:23.518Z info a", "- warn b", "- - c"]);
}

#[test]
fn bad_protobuf_costs_an_entry_or_a_stream() {
    let good = field(1, &field(2, &field(2, b"good")));
    let with = |stream: &[u8]| proto_items(&[field(1, stream), good.clone()].concat()).unwrap();
    let entry = |parts: &[Vec<u8>]| with(&field(2, &parts.concat()))[0].clone();
    assert!(entry(&[stamp(-5, 0), field(2, b"x")]).ends_with("before 1970 or out of range"));
    assert!(entry(&[stamp(1, -5), field(2, b"x")]).ends_with("before 1970 or out of range"));
    assert!(entry(&[stamp(i64::MAX, 0), field(2, b"x")]).ends_with("before 1970 or out of range"));
    assert!(entry(&[field(2, b"\xff")]).ends_with("the line is not UTF-8"));
    assert!(entry(&[]).ends_with("the line is empty"));
    assert!(entry(&[b"\x12\x09x".to_vec()]).ends_with("the entry is not a protobuf message"));
    for stream in [&b"\x0a\x09x"[..], b"\x0a\x01x", b"\x0a\x01\xff"] {
        let found = with(stream);
        assert!(found.len() == 2 && found[0].starts_with('!') && found[1] == "- - good", "{found:?}");
    }
    assert!(proto_items(b"\x0a\x09x").is_err());
}

#[test]
fn lengths_are_not_believed() {
    let declared = |len: u64, rest: &[u8]| {
        let mut body = Vec::new();
        prost::encoding::encode_varint(len, &mut body);
        body.extend_from_slice(rest);
        body
    };
    let limits = Limits { body_bytes_max: 1 << 20, records_max: 100 };
    for len in [1 << 20, 1 << 31, 1 << 40, u64::MAX] {
        assert!(items_with(&[], &declared(len, b"\x00x"), &limits).is_err(), "{len}");
    }
    let zeros = snap::raw::Encoder::new().compress_vec(&vec![0; 2 << 20]).unwrap();
    let error = items_with(&[], &zeros, &limits).unwrap_err();
    assert_eq!((error.code, error.quarantine), (DecodeError::TOO_LARGE, false));
    // Empty streams cost nothing; lines past the limit are refused.
    assert_eq!(proto_items(&field(1, b"").repeat(1_000_000)).unwrap(), Vec::<String>::new());
    let error = proto_items(&field(1, &field(2, b"").repeat(300_000))).unwrap_err();
    assert_eq!(error.code, DecodeError::TOO_LARGE);
    let lines = format!(r#"{{"streams":[{{"values":[{}5]}}]}}"#, "5,".repeat(300_000));
    assert_eq!(items(lines).unwrap_err().code, DecodeError::TOO_LARGE);
}

#[test]
fn answers_are_lokis() {
    let headers = headers(&[]);
    let head = Head::new("POST", PUSH, "", &headers);
    assert_eq!(Loki.reply(&head, &Ok(Receipt::default())), Reply::empty(204));
    for (error, status, header) in [
        (AuthError::Missing.into(), 401, Some("www-authenticate")),
        (AuthError::Forbidden.into(), 403, None),
        (AuthError::Throttled { retry_after_s: 5 }.into(), 429, Some("retry-after")),
        (IngestError::TooLarge { limit_bytes: 5 }, 413, None),
        (IngestError::Malformed(DecodeError::too_large("x")), 413, None),
        (IngestError::Malformed(DecodeError::new(0, "x")), 400, None),
        (IngestError::UnknownEncoding, 400, None),
        (IngestError::Busy { retry_after_s: 5 }, 503, Some("retry-after")),
    ] {
        let reply = Loki.reply(&head, &Err(error.clone()));
        let names: Vec<&str> = reply.headers.iter().map(|(name, _)| *name).collect();
        assert_eq!((reply.status, names), (status, header.into_iter().collect()), "{error}");
        let text = String::from_utf8(reply.body).unwrap();
        assert_eq!(text.starts_with("request body too large"), status == 413, "{text}");
    }
}

#[test]
fn probes_are_answered() {
    let probe = |path: &'static str, health| Loki.health_reply(&Head::new("GET", path, "", &headers(&[])), health);
    assert_eq!(probe(READY, Health::Ready), Reply::text(200, "ready"));
    for health in [Health::Busy, Health::Unavailable, Health::ShuttingDown] {
        assert_eq!(probe(READY, health).status, 503);
    }
    let info = probe(BUILD_INFO, Health::Ready);
    let body: Value = serde_json::from_slice(&info.body).unwrap();
    assert_eq!((info.status, body["version"].as_str()), (200, Some(env!("CARGO_PKG_VERSION"))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn both_formats_give_the_same_lines(lines in prop::collection::vec("\\PC{1,20}", 1..10), at in 100_000_000_u32..2_000_000_000) {
        let values: Vec<Value> = lines.iter().map(|line| json!([format!("{at}000000000"), line])).collect();
        let as_json = json!({"streams": [{"stream": {"level": "info"}, "values": values}]}).to_string();
        let entries: Vec<u8> =
            lines.iter().flat_map(|line| field(2, &[stamp(at.into(), 0), field(2, line.as_bytes())].concat())).collect();
        let as_proto = field(1, &[field(1, b"{level=\"info\"}"), entries].concat());
        prop_assert_eq!(items(as_json).unwrap(), proto_items(&as_proto).unwrap());
    }
}
