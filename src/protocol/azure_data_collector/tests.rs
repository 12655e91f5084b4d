//! Signatures of real clients and forged ones, every refusal in Azure's words, times.

use super::*;
use crate::model::Payload;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;

/// What the captured clients were given is the base64 of this.
const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const DATE: &str = "Fri, 20 Nov 2026 13:15:59 GMT";
const DATE_US: i64 = 1_795_180_559_000_000;
const QUERY: &str = "api-version=2016-04-01";

type Pairs = Vec<(String, String)>;

fn headers(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn sign(token: &str, length: usize, content_type: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(token.as_bytes()).unwrap();
    mac.update(format!("POST\n{length}\n{content_type}\nx-ms-date:{DATE}\n/api/logs").as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The signature of a head that arrives `late_s` after its date.
fn signed(signature: &str, content_type: Option<&str>, late_s: i64) -> Result<Signed, AuthError> {
    let authorization = format!("SharedKey ws:{signature}");
    let mut pairs = vec![("authorization", authorization.as_str()), ("x-ms-date", DATE), ("log-type", "L")];
    pairs.extend(content_type.map(|name| ("content-type", name)));
    let headers = headers(&pairs);
    let head = Head { now_us: DATE_US + late_s * 1_000_000, ..Head::new("POST", PATH, QUERY, &headers) };
    match AzureDataCollector.credential(&head)? {
        Credential::Signed(signed) => Ok(signed),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_signature_fits_bytes_characters_and_either_spelling_of_the_type() {
    let body = "[{\"event\":\"info\",\"message\":\"↓ 😀\"}]";
    let (bytes, chars, units) = (body.len(), body.chars().count(), body.encode_utf16().count());
    assert!(bytes > units && units > chars);
    for (length, signed_type, header) in [
        (bytes, "application/json", Some("application/json")),
        (bytes, "application/json", Some("application/json; charset=utf-8")),
        (bytes, "application/json; charset=utf-8", Some("application/json; charset=utf-8")),
        (bytes, "application/json", Some("text/plain")),
        (bytes, "application/json", None),
        (chars, "application/json", Some("application/json")),
        (units, "application/json", Some("application/json")),
    ] {
        let signature = signed(&sign(TOKEN, length, signed_type), header, 0).unwrap();
        assert!(signature.fits(TOKEN, body.as_bytes()), "{length} {signed_type} {header:?}");
        assert!(!signature.fits("another", body.as_bytes()));
        assert!(!signature.fits(TOKEN, &body.as_bytes()[1..]) || length != bytes);
        assert_eq!(signature.token_name(), "ws");
    }
    let wrong = signed(&sign(TOKEN, bytes + 1, "application/json"), None, 0).unwrap();
    assert!(!wrong.fits(TOKEN, body.as_bytes()));
    // Not UTF-8: bytes only.
    let odd = signed(&sign(TOKEN, 2, "application/json"), None, 0).unwrap();
    assert!(odd.fits(TOKEN, b"\xff\xff"));
}

#[test]
fn the_date_is_measured_both_ways() {
    let good = sign(TOKEN, 2, JSON_TYPE);
    for (late_s, off) in [(0, 0), (900, 900), (-900, 900), (86_400, 86_400)] {
        let signature = signed(&good, None, late_s).unwrap();
        assert_eq!((signature.off_by_s(), signature.off_by_s_max()), (off, 900));
    }
}

const JSON_TYPE: &str = "application/json";

#[test]
fn heads_without_a_readable_signature_are_refused() {
    let read = |pairs: &[(&str, &str)]| {
        let headers = headers(pairs);
        AzureDataCollector.credential(&Head::new("POST", PATH, QUERY, &headers)).map(|_| ())
    };
    let good = format!("SharedKey ws:{}", sign(TOKEN, 2, JSON_TYPE));
    assert_eq!(read(&[("authorization", &good), ("x-ms-date", DATE)]), Ok(()));
    assert_eq!(read(&[("authorization", &good)]), Err(AuthError::Malformed));
    for date in ["", "yesterday", "2026-11-20T13:15:59Z", "Fri, 20 Nov 2026 13:15:59", "Mon, 20 Nov 2026 13:15:59 GMT"]
    {
        assert_eq!(read(&[("authorization", &good), ("x-ms-date", date)]), Err(AuthError::Malformed), "{date}");
    }
    for value in ["SharedKey ws", "SharedKey ws:", "SharedKey ws:!!", "SharedKey ws:QUJD", "SharedKey "] {
        assert_eq!(read(&[("authorization", value), ("x-ms-date", DATE)]), Err(AuthError::Malformed), "{value}");
    }
    assert_eq!(read(&[("authorization", "Bearer abc")]), Ok(()));
    assert_eq!(read(&[]), Err(AuthError::Missing));
}

fn decode(query: &str, pairs: &[(&str, &str)], body: &str) -> Result<Vec<(String, Option<String>)>, DecodeError> {
    let headers = headers(pairs);
    let head = Head::new("POST", PATH, query, &headers);
    let decoded = AzureDataCollector.decode(&head, body.as_bytes(), &Limits::default())?;
    let item = |item: &Result<crate::model::Record<'_>, crate::model::RecordError>| match item {
        Ok(record) => {
            assert!(matches!(record.payload, Payload::Json(_)));
            (record.payload.text().to_owned(), record.hints.time.map(|time| time.to_string()))
        }
        Err(error) => (format!("!{:?}", error.bytes), None),
    };
    Ok(decoded.items.iter().map(item).collect())
}

#[test]
fn records_take_the_time_of_the_named_column() {
    let named = [("log-type", "Fivetran_Logs"), ("time-generated-field", "at")];
    let body = r#"[{"a":1,"at":"2026-08-17T09:41:23.518Z"},{"at":"never"},{"b":"at"},{"TimeGenerated":"2026-01-01T00:00:00Z"}]"#;
    let times = |pairs: &[(&str, &str)]| -> Vec<Option<String>> {
        decode(QUERY, pairs, body).unwrap().into_iter().map(|(_, time)| time).collect()
    };
    assert_eq!(times(&named), [Some("2026-08-17T09:41:23.518Z".to_owned()), None, None, None]);
    let generated = [None, None, None, Some("2026-01-01T00:00:00Z".to_owned())];
    assert_eq!(times(&[("log-type", "L")]), generated);
    assert_eq!(times(&[("log-type", "L"), ("time-generated-field", "")]), generated);
    assert_eq!(decode(QUERY, &named, r#"{"one":1}"#).unwrap().len(), 1);
    assert_eq!(decode(QUERY, &named, "[]").unwrap().len(), 0);
    assert_eq!(decode(QUERY, &named, r#"[{"a":1},5,{"b":2}]"#).unwrap().len(), 3);
}

/// The name and status of what a request is answered with, and whether its body is kept.
fn refusal(query: &str, pairs: &[(&str, &str)], body: &str) -> (u16, String, bool) {
    let error = decode(query, pairs, body).unwrap_err();
    let kept = error.quarantine;
    let reply =
        AzureDataCollector.reply(&Head::new("POST", PATH, query, &Pairs::new()), &Err(IngestError::Malformed(error)));
    let document: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert!(document["Message"].as_str().is_some_and(|text| !text.is_empty()));
    (reply.status, document["Error"].as_str().unwrap().to_owned(), kept)
}

#[test]
fn refusals_have_azures_names() {
    let typed = [("log-type", "L")];
    let long = "L".repeat(101);
    for (query, pairs, body, name, kept) in [
        ("", &typed[..], "[]", "MissingApiVersion", true),
        ("api-version=", &typed, "[]", "MissingApiVersion", true),
        ("api-version=2020-01-01", &typed, "[]", "InvalidApiVersion", true),
        (QUERY, &[], "[]", "MissingLogType", true),
        (QUERY, &[("log-type", "a-b")], "[]", "InvalidLogType", true),
        (QUERY, &[("log-type", &long)], "[]", "InvalidLogType", true),
        (QUERY, &typed, "", "InvalidDataFormat", false),
        (QUERY, &typed, "[{\"event\":", "InvalidDataFormat", true),
        (QUERY, &typed, "event=info", "InvalidDataFormat", true),
    ] {
        assert_eq!(refusal(query, pairs, body), (400, name.to_owned(), kept), "{query} {body}");
    }
    let none = Pairs::new();
    let head = Head { request_id: "id", ..Head::new("POST", PATH, QUERY, &none) };
    let ok = AzureDataCollector.reply(&head, &Ok(Receipt::default()));
    assert_eq!(ok, Reply::empty(200).with_header("x-ms-request-id", "id"));
    for (error, status, name) in [
        (AuthError::BadSignature.into(), 403, "InvalidAuthorization"),
        (AuthError::UnknownKey.into(), 403, "InvalidAuthorization"),
        (AuthError::Skewed { off_by_s: 901, off_by_s_max: 900 }.into(), 403, "InvalidAuthorization"),
        (AuthError::Missing.into(), 403, "InvalidAuthorization"),
        (AuthError::Throttled { retry_after_s: 3 }.into(), 429, "TooManyRequests"),
        (IngestError::TooLarge { limit_bytes: 1 }, 413, "RequestTooLarge"),
        (IngestError::UnknownEncoding, 400, "UnsupportedContentType"),
        (IngestError::BadEncoding("x".into()), 400, "InvalidDataFormat"),
        (IngestError::Timeout, 408, "RequestTimeout"),
        (IngestError::Busy { retry_after_s: 1 }, 503, "ServiceUnavailable"),
        (IngestError::ShuttingDown, 503, "ServiceUnavailable"),
        (IngestError::Internal, 500, "UnspecifiedError"),
    ] {
        let reply = AzureDataCollector.reply(&head, &Err(error.clone()));
        let document: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!((reply.status, &document["Error"]), (status, &name.into()), "{error}");
    }
}

proptest! {
    #[test]
    fn any_header_is_read_or_refused(value in ".{0,80}", date in ".{0,40}", body in prop::collection::vec(any::<u8>(), 0..50)) {
        let headers = headers(&[("authorization", &format!("SharedKey {value}")), ("x-ms-date", &date)]);
        if let Ok(Credential::Signed(signed)) = AzureDataCollector.credential(&Head::new("POST", PATH, QUERY, &headers)) {
            prop_assert!(!signed.fits(TOKEN, &body));
        }
    }
}
