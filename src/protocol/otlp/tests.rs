//! Requests in both encodings, their abuses, and the answers.

#[path = "../../../tests/it/otlp_values.rs"]
mod otlp_values;

use super::*;
use crate::model::{Record, RecordError, Timestamp};
use otlp_values::{field, fixed, packed, packed_pairs, spelled, spelled_pairs};
use proptest::prelude::*;
use serde_json::{Value, json};

const PATH: &str = "/v1/logs";
const EVENT: &str = r#"{"event":"sync_end","created":"2026-08-17T09:41:23Z"}"#;
const JSON: &str = "application/json";
const PROTOBUF: &str = "application/x-protobuf";

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Each item as `time level text`, or as `!length-of-range reason`.
fn items_with(media_type: &str, body: &[u8], limits: &Limits) -> Result<Vec<String>, DecodeError> {
    let headers = pairs(&[("Content-Type", media_type)]);
    let decoded = Otlp.decode(&Head::new("POST", PATH, "", &headers), body, limits)?;
    let show = |item| match item {
        Ok(Record { payload, hints }) => {
            let time = hints.time.map_or("-".to_owned(), |time: Timestamp| time.to_string());
            format!("{time} {} {}", hints.level.as_deref().unwrap_or("-"), payload.text())
        }
        Err(RecordError { reason, bytes, .. }) => format!("!{} {reason}", body[bytes].len()),
    };
    Ok(decoded.items.into_iter().map(show).collect())
}

fn items(media_type: &str, body: impl AsRef<[u8]>) -> Result<Vec<String>, DecodeError> {
    items_with(media_type, body.as_ref(), &Limits::default())
}

fn request(logs: &[Value]) -> String {
    json!({"resourceLogs": [{"resource": {}, "scopeLogs": [{"scope": {}, "logRecords": logs}]}]}).to_string()
}

fn request_of(logs: &[Vec<u8>]) -> Vec<u8> {
    let logs: Vec<u8> = logs.iter().flat_map(|log| field(2, log)).collect();
    field(1, &field(2, &logs))
}

#[test]
fn an_event_is_found_in_a_text_in_pairs_and_in_attributes() {
    let log = |body: Value| json!({"timeUnixNano": "1786959683518000000", "severityNumber": 13, "body": body});
    let at = "2026-08-17T09:41:23.518Z WARNING";
    assert_eq!(items(JSON, request(&[log(json!({"stringValue": EVENT}))])).unwrap(), [format!("{at} {EVENT}")]);
    let event: Value = serde_json::from_str(EVENT).unwrap();
    let expected = [format!("{at} {event}")];
    assert_eq!(items(JSON, request(&[log(spelled(&event))])).unwrap(), expected);
    let members = event.as_object().unwrap();
    let mut spread = log(json!({"stringValue": "sync \"x\" ended"}));
    spread["attributes"] = spelled_pairs(members);
    let expected = [format!("{at} {{\"body\":\"sync \\\"x\\\" ended\",\"attributes\":{event}}}")];
    assert_eq!(items(JSON, request(&[spread])).unwrap(), expected);

    let packed_log = |parts: &[Vec<u8>]| {
        request_of(&[[fixed(1, 1_786_959_683_518_000_000), vec![2 << 3, 13], parts.concat()].concat()])
    };
    let found = |parts: &[Vec<u8>]| items(PROTOBUF, packed_log(parts)).unwrap();
    assert_eq!(found(&[field(5, &field(1, EVENT.as_bytes()))]), [format!("{at} {EVENT}")]);
    assert_eq!(found(&[field(5, &packed(&event))]), [format!("{at} {event}")]);
    assert_eq!(found(&[field(5, &field(1, b"sync \"x\" ended")), packed_pairs(members, 6)]), expected);
}

#[test]
fn times_and_severities_of_every_kind_are_read() {
    let of = |mut log: Value| {
        log["body"] = json!({"stringValue": EVENT});
        let found = items(JSON, request(&[log])).unwrap();
        found[0].strip_suffix(EVENT).unwrap().trim().to_owned()
    };
    assert_eq!(of(json!({"timeUnixNano": 1_786_959_683_518_000_001_u64})), "2026-08-17T09:41:23.518000001Z -");
    assert_eq!(of(json!({"timeUnixNano": "0", "observedTimeUnixNano": "1000000000"})), "1970-01-01T00:00:01Z -");
    assert_eq!(of(json!({"time_unix_nano": "1000000000", "severity_text": "Error"})), "1970-01-01T00:00:01Z Error");
    assert_eq!(
        of(json!({"timeUnixNano": u64::MAX, "severityText": "INFO2", "severityNumber": 10})),
        "2554-07-21T23:34:33.709551615Z INFO"
    );
    assert_eq!(of(json!({"timeUnixNano": {}, "severityNumber": 5, "traceId": "", "unknown": [1]})), "- FINE");
    assert_eq!(of(json!({"severityNumber": "SEVERITY_NUMBER_WARN"})), "- WARN");
    for (number, level) in
        [(0, "-"), (1, "FINE"), (9, "INFO"), (16, "WARNING"), (17, "SEVERE"), (24, "SEVERE"), (25, "-")]
    {
        assert_eq!(of(json!({"severityNumber": number})), format!("- {level}"));
    }
}

#[test]
fn values_of_every_kind_are_written() {
    let value = |any: Value| {
        let body = json!({"kvlistValue": {"values": [{"key": "event", "value": any}]}});
        items(JSON, request(&[json!({"body": body})])).unwrap()[0].clone()
    };
    let of = |any: Value| value(any).strip_prefix("- - {\"event\":").map(|rest| rest[..rest.len() - 1].to_owned());
    assert_eq!(of(json!({"intValue": 8})).as_deref(), Some("8"));
    assert_eq!(of(json!({"intValue": "-9223372036854775808"})).as_deref(), Some("-9223372036854775808"));
    assert_eq!(of(json!({"doubleValue": 0.25})).as_deref(), Some("0.25"));
    assert_eq!(of(json!({"doubleValue": "1.5"})).as_deref(), Some("1.5"));
    assert_eq!(of(json!({"doubleValue": "NaN"})).as_deref(), Some("\"NaN\""));
    assert_eq!(of(json!({"boolValue": true})).as_deref(), Some("true"));
    assert_eq!(of(json!({"bytesValue": "AP8Q"})).as_deref(), Some("\"AP8Q\""));
    assert_eq!(of(json!({"stringValue": null, "intValue": 1})).as_deref(), Some("1"));
    assert_eq!(of(json!({"other": 1})).as_deref(), Some("null"));
    assert_eq!(
        of(json!({"arrayValue": {"values": [{"stringValue": "a"}, {"intValue": 1}]}})).as_deref(),
        Some("[\"a\",1]")
    );
    assert_eq!(of(json!({"arrayValue": {}})).as_deref(), Some("[]"));
    assert_eq!(of(Value::Null).as_deref(), Some("null"));
    for wrong in [
        json!(5),
        json!({"intValue": 1.5}),
        json!({"intValue": "x"}),
        json!({"boolValue": "maybe"}),
        json!({"stringValue": 5}),
        json!({"doubleValue": []}),
        json!({"arrayValue": 5}),
        json!({"arrayValue": {"values": {}}}),
        json!({"kvlistValue": {"values": [5]}}),
        json!({"kvlistValue": {"values": [{"key": 5}]}}),
    ] {
        // Alone it makes the request unreadable; beside a good one it costs itself.
        let body = json!({"kvlistValue": {"values": [{"key": "event", "value": wrong}]}});
        let logs = [json!({"body": body}), json!({"body": {"stringValue": EVENT}})];
        let found = items(JSON, request(&logs)).unwrap();
        assert!(found[0].ends_with("is not of OTLP's form") && found[1].ends_with(EVENT), "{found:?}");
    }
}

#[test]
fn empty_requests_are_successes_and_others_are_refused() {
    for empty in
        ["{}", r#"{"resourceLogs":[]}"#, r#"{"resourceLogs":null}"#, r#"{"resource_logs":[{"scopeLogs":[{}]},{}]}"#]
    {
        assert_eq!(items(JSON, empty).unwrap(), Vec::<String>::new(), "{empty}");
    }
    assert_eq!(items(PROTOBUF, "").unwrap(), Vec::<String>::new());
    assert_eq!(items(PROTOBUF, field(1, b"")).unwrap(), Vec::<String>::new());
    for other in
        ["hello", "[]", "5", EVENT, r#"{"resourceLogs":5}"#, r#"{"resourceLogs":[5]}"#, "{\"resourceLogs\":[", "{} x"]
    {
        assert!(items(JSON, other).unwrap_err().quarantine, "{other}");
    }
    for other in [&b"\x0a\x05x"[..], b"\xff", b"hello", EVENT.as_bytes()] {
        assert!(items(PROTOBUF, other).unwrap_err().quarantine, "{other:?}");
    }
    assert_eq!(items("text/plain", "{}").unwrap_err().code, UNKNOWN_TYPE);
    assert!(!items(JSON, " ").unwrap_err().quarantine);
    // Without a type the first byte tells.
    let log = request_of(&[field(5, &field(1, EVENT.as_bytes()))]);
    assert_eq!(items("", log).unwrap(), [format!("- - {EVENT}")]);
    assert_eq!(items("", request(&[json!({"body": {"stringValue": EVENT}})])).unwrap(), [format!("- - {EVENT}")]);
    assert_eq!(items("", "hello").unwrap_err().code, UNKNOWN_TYPE);
}

#[test]
fn damage_costs_a_log_record_or_the_part_around_it() {
    let good = field(5, &field(1, EVENT.as_bytes()));
    let found = |log: &[u8]| items(PROTOBUF, request_of(&[log.to_vec(), good.clone()])).unwrap();
    for log in [&b"\x2a\x09x"[..], &field(5, b"\x0a\x09"), &field(5, &field(1, b"\xff"))] {
        let found = found(log);
        assert!(found[0].starts_with('!') && found[1] == format!("- - {EVENT}"), "{found:?}");
    }
    let parts =
        [field(1, b"\x12\x09x"), request_of(std::slice::from_ref(&good)), field(1, &field(2, b"\x12\x09x"))].concat();
    let found = items(PROTOBUF, &parts).unwrap();
    assert!(found.len() == 3 && found[0].starts_with("!3 ") && found[2].starts_with("!3 "), "{found:?}");
    let logs =
        [json!(5), json!({"body": 5}), json!({"body": {"stringValue": EVENT}}), json!({"body": {}, "attributes": 5})];
    let found = items(JSON, request(&logs)).unwrap();
    assert_eq!(found.iter().filter(|item| item.starts_with('!')).count(), 3, "{found:?}");
}

#[test]
fn nesting_and_growth_are_bounded() {
    let good = field(5, &field(1, EVENT.as_bytes()));
    for deep in [33, 1_000] {
        let mut any = Vec::new();
        (0..deep).for_each(|_| any = field(5, &field(1, &any)));
        let found = items(PROTOBUF, request_of(&[field(5, &any), good.clone()])).unwrap();
        assert!(found[0].contains("nested"), "{found:?}");
    }
    let deep = format!("{}{}", "{\"arrayValue\":{\"values\":[".repeat(50_000), "]}}".repeat(50_000));
    let body = format!(
        r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{deep}}},{{"body":{{"stringValue":"x"}}}}]}}]}}]}}"#
    );
    let found = items(JSON, body).unwrap();
    assert!(found[0].contains("nested") && found.len() == 2, "{found:?}");

    let limits = Limits { body_bytes_max: 1 << 10, records_max: 10 };
    // Two bytes for `null,`, one for an escape of six.
    let nulls = request_of(&[field(5, &field(5, &field(1, b"").repeat(400)))]);
    assert_eq!(items_with(PROTOBUF, &nulls, &limits).unwrap_err().code, DecodeError::TOO_LARGE);
    let escapes =
        request_of(&[field(5, &field(6, &field(1, &[field(1, b"\x01"), field(2, &field(1, &[1; 400]))].concat())))]);
    assert_eq!(items_with(PROTOBUF, &escapes, &limits).unwrap_err().code, DecodeError::TOO_LARGE);
    let shared = vec![field(5, &field(1, &[b'x'; 200])); 6];
    assert_eq!(items_with(PROTOBUF, &request_of(&shared), &limits).unwrap_err().code, DecodeError::TOO_LARGE);
    let many = vec![Vec::new(); 11];
    assert_eq!(items_with(PROTOBUF, &request_of(&many), &limits).unwrap_err().code, DecodeError::TOO_LARGE);
    let many = request(&vec![json!({}); 11]);
    assert_eq!(items_with(JSON, many.as_bytes(), &limits).unwrap_err().code, DecodeError::TOO_LARGE);
}

#[test]
fn tokens_are_found_in_the_headers_that_operators_set() {
    let shown = |headers: &[(&str, &str)]| {
        let headers = pairs(headers);
        let credential = Otlp.credential(&Head::new("POST", PATH, "", &headers))?;
        Ok::<_, AuthError>(credential.candidates().next().map(str::to_owned))
    };
    assert_eq!(shown(&[("Authorization", "Bearer a"), ("x-api-key", "b")]), Ok(Some("a".to_owned())));
    assert_eq!(shown(&[("x-api-key", "b")]), Ok(Some("b".to_owned())));
    assert_eq!(shown(&[("Api-Key", "b")]), Ok(Some("b".to_owned())));
    assert_eq!(shown(&[("Authorization", "Api-Token c")]), Ok(Some("c".to_owned())));
    assert_eq!(shown(&[("x-api-key", "")]), Err(AuthError::Missing));
}

#[test]
fn answers_are_in_the_encoding_of_the_request() {
    let reply = |media_type: &str, result: &Result<Receipt, IngestError>| {
        let headers = pairs(&[("Content-Type", media_type)]);
        Otlp.reply(&Head::new("POST", PATH, "", &headers), result)
    };
    let fields = |bytes: &[u8]| -> Vec<(u32, String)> {
        crate::protocol::protobuf::fields(bytes)
            .map(|field| field.unwrap())
            .map(|(n, v)| (n, format!("{v:?}")))
            .collect()
    };
    let success = Ok(Receipt::default());
    let json = reply("application/json; charset=utf-8", &success);
    assert_eq!((json.status, &json.body[..], json.content_type), (200, &b"{}"[..], Some(JSON)));
    let packed = reply(PROTOBUF, &success);
    assert_eq!((packed.status, &packed.body[..], packed.content_type), (200, &b""[..], Some(PROTOBUF)));
    let partial = Ok(Receipt { quarantined: 2, ..Receipt::default() });
    let body: Value = serde_json::from_slice(&reply(JSON, &partial).body).unwrap();
    assert_eq!(body["partialSuccess"]["rejectedLogRecords"], "2");
    let packed = reply(PROTOBUF, &partial).body;
    let Some(Ok((1, crate::protocol::protobuf::Value::Bytes(inner)))) =
        crate::protocol::protobuf::fields(&packed).next()
    else {
        panic!("{packed:?}");
    };
    assert_eq!(fields(inner)[0], (1, "Varint(2)".to_owned()));
    for (error, status, code) in [
        (AuthError::Missing.into(), 401, 16),
        (AuthError::Unknown.into(), 401, 16),
        (AuthError::Forbidden.into(), 403, 7),
        (AuthError::Throttled { retry_after_s: 5 }.into(), 429, 8),
        (IngestError::Malformed(DecodeError::new(0, "x")), 400, 3),
        (IngestError::Malformed(DecodeError::new(UNKNOWN_TYPE, "x")), 415, 3),
        (IngestError::UnknownEncoding, 415, 3),
        (IngestError::TooLarge { limit_bytes: 5 }, 413, 8),
        (IngestError::Timeout, 503, 4),
        (IngestError::Internal, 503, 13),
        (IngestError::Busy { retry_after_s: 5 }, 503, 14),
        (IngestError::ShuttingDown, 503, 14),
    ] {
        let error = Err(error);
        let json = reply(JSON, &error);
        let body: Value = serde_json::from_slice(&json.body).unwrap();
        assert_eq!((json.status, &body["code"]), (status, &json!(code)));
        let packed = reply(PROTOBUF, &error);
        assert_eq!((packed.status, &fields(&packed.body)[0]), (status, &(1, format!("Varint({code})"))));
    }
}

/// JSON as Fivetran writes it, and deeper.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1_000_000..1_000_000).prop_map(|n: i32| Value::from(f64::from(n) + 0.5)),
        "\\PC{0,10}".prop_map(Value::from),
        "[\u{0}-\u{7f}]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-z\"\\\\]{1,5}", inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever an event holds, both encodings give it back as it was.
    #[test]
    fn both_encodings_give_the_same_event_back(data in values(), attribute in values()) {
        let event = json!({"event": "x", "data": data});
        let attributes = json!({"a": attribute});
        for body in [event.clone(), json!("words")] {
            let log = json!({"body": spelled(&body), "attributes": spelled_pairs(attributes.as_object().unwrap())});
            let by_json = items(JSON, request(&[log])).unwrap();
            let log = [field(5, &packed(&body)), packed_pairs(attributes.as_object().unwrap(), 6)].concat();
            prop_assert_eq!(&items(PROTOBUF, request_of(&[log])).unwrap(), &by_json);
            let found: Value = serde_json::from_str(by_json[0].strip_prefix("- - ").unwrap()).unwrap();
            let expected = if body == event { event.clone() } else { json!({"body": body, "attributes": attributes}) };
            prop_assert_eq!(found, expected);
        }
    }
}
