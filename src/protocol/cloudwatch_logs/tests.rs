//! Signatures of real clients with every part changed, operations, answers.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

type Pairs = Vec<(String, String)>;

/// AWS's own example, as recorded.
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261120/us-east-1/logs/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=246519056c44c040cb19f3ab71bb1736325690a33e1a386c042aafba65ee480a";
const BODY: &[u8] = br#"{"logGroupName": "/fivetran/logs"}"#;
const NOW_US: i64 = 1_795_180_331_000_000;

fn headers(operation: &str, changes: &[(&str, &str)]) -> Pairs {
    let mut pairs = vec![
        ("host".to_owned(), "127.0.0.1:18080".to_owned()),
        ("x-amz-target".to_owned(), format!("Logs_20140328.{operation}")),
        ("content-type".to_owned(), "application/x-amz-json-1.1".to_owned()),
        ("x-amz-date".to_owned(), "20261120T131211Z".to_owned()),
        ("authorization".to_owned(), AUTHORIZATION.to_owned()),
    ];
    for (name, value) in changes {
        pairs.retain(|(known, _)| known != name);
        pairs.push(((*name).to_owned(), (*value).to_owned()));
    }
    pairs
}

fn signature(headers: &Pairs, late_s: i64) -> Result<Signed, AuthError> {
    let head = Head { now_us: NOW_US + late_s * 1_000_000, ..Head::new("POST", "/", "", headers) };
    match CloudwatchLogs.credential(&head)? {
        Credential::Signed(signed) => Ok(signed),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_recorded_signature_fits_its_request_only() {
    let plain = headers("CreateLogGroup", &[]);
    let signed = signature(&plain, 0).unwrap();
    assert_eq!((signed.token_name(), signed.off_by_s(), signed.off_by_s_max()), ("AKIAIOSFODNN7EXAMPLE", 0, 300));
    assert!(signed.fits(SECRET, BODY));
    assert!(!signed.fits(SECRET, b"{}"));
    assert!(!signed.fits("another", BODY));
    assert_eq!(signature(&plain, 301).unwrap().off_by_s(), 301);
    assert_eq!(signature(&plain, -301).unwrap().off_by_s(), 301);
    for (name, value, fits) in [
        ("host", "127.0.0.1:18081", false),
        ("x-amz-target", "Logs_20140328.PutLogEvents", false),
        ("content-type", "application/json", false),
        ("content-type", "  application/x-amz-json-1.1 ", true),
        ("x-amz-date", "20261120T131212Z", false),
        ("amz-sdk-request", "attempt=2; max=3", true),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD", false),
        ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", false),
    ] {
        let signed = signature(&headers("CreateLogGroup", &[(name, value)]), 0).unwrap();
        assert_eq!(signed.fits(SECRET, BODY), fits, "{name}: {value}");
    }
    let moved = Head::new("POST", "/other", "", &plain);
    let Ok(Credential::Signed(signed)) = CloudwatchLogs.credential(&moved) else { panic!() };
    assert!(!signed.fits(SECRET, BODY));
}

#[test]
fn incomplete_signatures_are_refused_before_the_body() {
    for (from, to) in [
        ("Credential=", "Credentials="),
        ("SignedHeaders=", "Signed="),
        (", Signature=", ", Sig="),
        ("/logs/", "/s3/"),
        ("/aws4_request", "/aws3_request"),
        ("/20261120/", "/20261121/"),
        ("/20261120/", "/2/"),
        ("content-type;host;x-amz-date;x-amz-target", "content-type;host;x-amz-date"),
        ("content-type;host;x-amz-date;x-amz-target", "host;x-amz-target"),
        ("content-type;host;x-amz-date;x-amz-target", "x-amz-date;x-amz-target"),
        ("content-type;host", "absent;host"),
        ("480a", "480"),
        ("480a", "480g"),
    ] {
        let changed = AUTHORIZATION.replacen(from, to, 1);
        assert_ne!(changed, AUTHORIZATION);
        let headers = headers("CreateLogGroup", &[("authorization", &changed)]);
        assert_eq!(signature(&headers, 0).map(|_| ()), Err(AuthError::Malformed), "{from} {to}");
    }
    for date in ["", "20261120", "Fri, 20 Nov 2026 13:12:11 GMT", "20261320T131211Z", "20261120T131211+"] {
        let headers = headers("CreateLogGroup", &[("x-amz-date", date)]);
        assert_eq!(signature(&headers, 0).map(|_| ()), Err(AuthError::Malformed), "{date}");
    }
    let none = headers("CreateLogGroup", &[("authorization", "")]);
    assert!(matches!(CloudwatchLogs.credential(&Head::new("POST", "/", "", &none)), Err(AuthError::Missing)));
    let bearer = headers("CreateLogGroup", &[("authorization", "Bearer abc")]);
    assert!(matches!(CloudwatchLogs.credential(&Head::new("POST", "/", "", &bearer)), Ok(Credential::Token(_))));
}

fn decode(operation: &str, body: &[u8]) -> Result<(Vec<String>, Option<Value>), DecodeError> {
    let headers = headers(operation, &[]);
    let head = Head { now_us: NOW_US, ..Head::new("POST", "/", "", &headers) };
    let decoded = CloudwatchLogs.decode(&head, body, &Limits::default())?;
    let item = |item: &Result<Record<'_>, crate::model::RecordError>| match item {
        Ok(record) => format!(
            "{} {}",
            record.hints.time.map_or_else(|| "-".to_owned(), |time| time.to_string()),
            record.payload.text()
        ),
        Err(error) => format!("!{} {}", String::from_utf8_lossy(&body[error.bytes.clone()]), error.reason),
    };
    let note = decoded.note.map(|note| serde_json::from_str(&note).unwrap());
    Ok((decoded.items.iter().map(item).collect(), note))
}

#[test]
fn log_events_are_records_with_their_times() {
    let body = r#"{"logGroupName":"g","logStreamName":"s","sequenceToken":"49","entity":{},"logEvents":[
        {"timestamp":1786959683518,"message":"{\"event\":\"info\"}"},{"message":"no time"},{"timestamp":"soon","message":"x"},
        {"timestamp":1,"message":{"a":1}},7,{"timestamp":1}]}"#;
    let (items, note) = decode("PutLogEvents", body.as_bytes()).unwrap();
    let reason = "expected {\"timestamp\":…,\"message\":…} with the message as text";
    let expected = [
        "2026-08-17T09:41:23.518Z {\"event\":\"info\"}".to_owned(),
        "- no time".to_owned(),
        "- x".to_owned(),
        format!("!{{\"timestamp\":1,\"message\":{{\"a\":1}}}} {reason}"),
        format!("!7 {reason}"),
        format!("!{{\"timestamp\":1}} {reason}"),
    ];
    assert_eq!(items, expected);
    assert_eq!(note, None);
    assert_eq!(decode("PutLogEvents", br#"{"logEvents":[]}"#).unwrap().0.len(), 0);
}

#[test]
fn whatever_is_asked_for_exists() {
    let streams = |body: &str| decode("DescribeLogStreams", body.as_bytes()).unwrap().1.unwrap()["logStreams"].clone();
    let found = streams(r#"{"logGroupName":"g","logStreamNamePrefix":"sales"}"#);
    assert_eq!(found[0]["logStreamName"], "sales");
    assert!(found[0]["uploadSequenceToken"].as_str().unwrap().bytes().all(|byte| byte.is_ascii_digit()));
    assert_eq!(found[0]["creationTime"], 1_795_180_331_000_i64);
    assert_eq!(streams(r#"{"logGroupName":"g"}"#), json!([]));
    assert_eq!(streams(&json!({"logStreamNamePrefix": "x".repeat(513)}).to_string()), json!([]));
    let groups = |body: &str| decode("DescribeLogGroups", body.as_bytes()).unwrap().1.unwrap()["logGroups"].clone();
    assert_eq!(groups(r#"{"logGroupNamePrefix":"/fivetran"}"#)[0]["logGroupName"], "/fivetran");
    assert_eq!(groups(r#"{"logGroupNamePattern":"five"}"#)[0]["logGroupName"], "five");
    assert_eq!(groups("{}"), json!([]));
    for operation in ["CreateLogGroup", "CreateLogStream", "PutRetentionPolicy", "TagResource"] {
        assert_eq!(decode(operation, b"{\"logGroupName\":\"g\"}").unwrap(), (vec![], None), "{operation}");
    }
}

#[test]
fn refusals_have_awss_names() {
    for (operation, body, name, kept) in [
        ("PutLogEvents", "", "SerializationException", false),
        ("PutLogEvents", "{\"logEvents\":[", "SerializationException", true),
        ("PutLogEvents", "hello", "SerializationException", true),
        ("PutLogEvents", "{}", "InvalidParameterException", true),
        ("PutLogEvents", "[]", "InvalidParameterException", true),
        ("PutLogEvents", "{\"logEvents\":5}", "InvalidParameterException", true),
        ("PutLogEvents", "{\"logEvents\":[5]}", "InvalidParameterException", true),
        ("CreateLogGroup", "hello", "SerializationException", false),
        ("DescribeLogStreams", "{\"logStreamNamePrefix\":5}", "SerializationException", false),
        ("GetLogEvents", "{}", "UnknownOperationException", false),
    ] {
        let error = decode(operation, body.as_bytes()).unwrap_err();
        assert_eq!(error.quarantine, kept, "{operation} {body}");
        check(&IngestError::Malformed(error), 400, name);
    }
    check(&AuthError::Missing.into(), 400, "MissingAuthenticationTokenException");
    check(&AuthError::Malformed.into(), 400, "IncompleteSignatureException");
    check(&AuthError::BadSignature.into(), 400, "InvalidSignatureException");
    check(&AuthError::Skewed { off_by_s: 301, off_by_s_max: 300 }.into(), 400, "InvalidSignatureException");
    check(&AuthError::UnknownKey.into(), 400, "UnrecognizedClientException");
    check(&AuthError::Disabled.into(), 400, "UnrecognizedClientException");
    check(&AuthError::Forbidden.into(), 400, "AccessDeniedException");
    check(&AuthError::Throttled { retry_after_s: 4 }.into(), 400, "ThrottlingException");
    check(&IngestError::TooLarge { limit_bytes: 5 }, 413, "RequestEntityTooLargeException");
    check(&IngestError::Malformed(DecodeError::too_large("x")), 413, "RequestEntityTooLargeException");
    check(&IngestError::Timeout, 400, "RequestTimeoutException");
    check(&IngestError::Busy { retry_after_s: 4 }, 503, "ServiceUnavailableException");
    check(&IngestError::ShuttingDown, 503, "ServiceUnavailableException");
    check(&IngestError::Internal, 500, "InternalFailure");
}

#[track_caller]
fn check(error: &IngestError, status: u16, name: &str) {
    let headers = headers("PutLogEvents", &[]);
    let head = Head { request_id: "id", ..Head::new("POST", "/", "", &headers) };
    let reply = CloudwatchLogs.reply(&head, &Err(error.clone()));
    let document: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((reply.status, &document["__type"]), (status, &json!(name)), "{error}");
    assert!(document["message"].as_str().is_some_and(|text| !text.is_empty()));
    assert!(reply.headers.contains(&("x-amzn-requestid", "id".to_owned())));
}

#[test]
fn successes_are_what_clients_wait_for() {
    let of = |operation: &str, note: Option<&str>| {
        let headers = headers(operation, &[]);
        let head = Head { request_id: "id", now_us: NOW_US, ..Head::new("POST", "/", "", &headers) };
        let receipt = Receipt { note: note.map(str::to_owned), ..Receipt::default() };
        let reply = CloudwatchLogs.reply(&head, &Ok(receipt));
        assert_eq!((reply.status, reply.content_type), (200, Some("application/x-amz-json-1.1")));
        assert_eq!(reply.headers, [("x-amzn-requestid", "id".to_owned())]);
        String::from_utf8(reply.body).unwrap()
    };
    let put: Value = serde_json::from_str(&of("PutLogEvents", None)).unwrap();
    assert_eq!(put["nextSequenceToken"].as_str().map(str::len), Some(56));
    assert_eq!(of("CreateLogGroup", None), "");
    assert_eq!(of("DescribeLogGroups", Some("{}")), "{}");
}

proptest! {
    #[test]
    fn any_header_is_read_or_refused(value in "[ -~]{0,120}", signed in "[a-z;-]{0,40}", body in prop::collection::vec(any::<u8>(), 0..50)) {
        let changed = AUTHORIZATION.replacen("content-type;host", &format!("{signed};host"), 1);
        for authorization in [format!("AWS4-HMAC-SHA256 {value}"), changed] {
            if let Ok(signed) = signature_of(&headers("CreateLogGroup", &[("authorization", &authorization)])) {
                prop_assert!(!signed.fits("another", &body));
            }
        }
    }
}

fn signature_of(headers: &Pairs) -> Result<Signed, AuthError> {
    signature(headers, 0)
}
