//! Messages of every form, credentials, and that nothing comes back for ever.

use super::*;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};

type Pairs = Vec<(String, String)>;

const EVENT: &str = r#"{"event":"info","created":"2026-08-17T09:41:23.518Z"}"#;

fn decode_bytes(body: &[u8]) -> Vec<String> {
    let headers = Pairs::new();
    let head = Head::new("POST", PATH, "", &headers);
    let decoded = PubsubPush.decode(&head, body, &Limits::default()).unwrap();
    let item = |item: Result<Record<'_>, crate::model::RecordError>| match item {
        Ok(record) => {
            let form = if matches!(record.payload, Payload::Json(_)) { "json" } else { "text" };
            let time = record.hints.time.map_or_else(|| "-".to_owned(), |time| time.to_string());
            let level = record.hints.level.as_deref().unwrap_or("-");
            format!("{time} {level} {form} {}", record.payload.text())
        }
        Err(error) => format!("!{} {}", String::from_utf8_lossy(&body[error.bytes.clone()]), error.reason),
    };
    decoded.items.into_iter().map(item).collect()
}

fn decode(body: &str) -> Vec<String> {
    decode_bytes(body.as_bytes())
}

fn wrapped(data: &str, more: Value) -> String {
    let mut message = json!({"data": STANDARD.encode(data), "messageId": "1", "message_id": "1"});
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"message": message, "subscription": "projects/p/subscriptions/s", "deliveryAttempt": 1}).to_string()
}

#[test]
fn both_alphabets_of_base64_are_read() {
    use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
    let event = r#"{"event":"info","created":"2026-08-17T09:41:23.518Z","data":{"a":"??>>~~ü"}}"#;
    for encoded in [STANDARD.encode(event), URL_SAFE.encode(event), URL_SAFE_NO_PAD.encode(event)] {
        let body = json!({"message": {"data": encoded, "messageId": "1"}}).to_string();
        assert_eq!(decode(&body), [format!("- - json {event}")], "{encoded}");
    }
    assert_ne!(STANDARD.encode(event), URL_SAFE.encode(event));
}

#[test]
fn wrapped_messages_hold_log_entries_or_events() {
    let entry = json!({"logName": "n", "severity": "ERROR", "jsonPayload": {"event": "info"}, "timestamp": "2026-08-17T09:41:24Z"});
    assert_eq!(
        decode(&wrapped(&entry.to_string(), json!({}))),
        [r#"2026-08-17T09:41:24Z ERROR json {"event":"info"}"#]
    );
    let timed = json!({"attributes": {"logging.googleapis.com/timestamp": "2026-08-17T09:41:25Z"}, "publishTime": "2026-08-17T09:41:26Z"});
    assert_eq!(decode(&wrapped(EVENT, timed.clone())), [format!("2026-08-17T09:41:25Z - json {EVENT}")]);
    let published = json!({"publish_time": "2026-08-17T09:41:26Z"});
    assert_eq!(decode(&wrapped(EVENT, published)), [format!("2026-08-17T09:41:26Z - json {EVENT}")]);
    let untimed = json!({"textPayload": EVENT});
    assert_eq!(decode(&wrapped(&untimed.to_string(), timed)), [format!("2026-08-17T09:41:25Z - text {EVENT}")]);
    assert_eq!(decode(&wrapped(&format!("{EVENT}\n{EVENT}"), json!({}))).len(), 2);
    let diagnostic = json!({"jsonPayload": {"logging.googleapis.com/diagnostic": {}}});
    assert_eq!(decode(&wrapped(&diagnostic.to_string(), json!({}))), Vec::<String>::new());
}

#[test]
fn unwrapped_messages_are_the_data() {
    assert_eq!(decode(EVENT), [format!("- - json {EVENT}")]);
    let entry = json!({"textPayload": EVENT, "severity": "INFO"}).to_string();
    assert_eq!(decode(&entry), [format!("- INFO text {EVENT}")]);
    // An event that has a message is no wrapped one.
    let event = r#"{"event":"info","message":{"data":"x"}}"#;
    assert_eq!(decode(event), [format!("- - json {event}")]);
    assert_eq!(decode(""), Vec::<String>::new());
    assert_eq!(decode("hello"), ["- - text hello"]);
}

#[test]
fn what_cannot_be_read_is_one_item_and_acknowledged() {
    let attributes = r#"{"attributes":{"a":"b"},"messageId":"1"}"#;
    assert_eq!(decode(&format!(r#"{{"message":{attributes}}}"#)), [format!("- - json {attributes}")]);
    for (message, reason) in [
        (r#"{"data":"no base64!","messageId":"1"}"#, "the data of the message is no base64"),
        (r#"{"data":5,"messageId":"1"}"#, "the data of the message is no text"),
    ] {
        assert_eq!(decode(&format!(r#"{{"message":{message}}}"#)), [format!("!{message} {reason}")]);
    }
    assert_eq!(decode(&wrapped("plain text", json!({}))), ["- - text plain text"]);
    assert_eq!(decode_bytes(b"\xff\xfe"), ["- - text \u{fffd}\u{fffd}"]);
    assert_eq!(decode("{\"message\":{\"data\":\""), ["- - text {\"message\":{\"data\":\""]);
    let headers = Pairs::new();
    let head = Head::new("POST", PATH, "", &headers);
    for done in [Ok(Receipt { quarantined: 1, ..Receipt::default() }), Err(IngestError::BadEncoding("x".into()))] {
        assert_eq!(PubsubPush.reply(&head, &done), Reply::empty(204));
    }
    for (error, status) in [
        (AuthError::Missing.into(), 401),
        (AuthError::BadIdentity { why: "it has expired" }.into(), 401),
        (AuthError::Forbidden.into(), 403),
        (IngestError::Busy { retry_after_s: 1 }, 503),
        (IngestError::TooLarge { limit_bytes: 1 }, 413),
    ] {
        assert_eq!(PubsubPush.reply(&head, &Err(error.clone())).status, status, "{error}");
    }
}

#[test]
fn an_identity_and_a_token_are_shown_side_by_side() {
    let shown = |authorization: Option<&str>, query: &str| {
        let headers: Pairs =
            authorization.map(|value| ("Authorization".to_owned(), value.to_owned())).into_iter().collect();
        let head = Head { now_us: 5, ..Head::new("POST", PATH, query, &headers) };
        PubsubPush.credential(&head).map(|credential| {
            let identity = matches!(credential, Credential::Identity { now_us: 5, .. });
            (identity, credential.candidates().map(str::to_owned).collect::<Vec<_>>())
        })
    };
    let found = |identity, texts: &[&str]| Ok((identity, texts.iter().map(|text| (*text).to_owned()).collect()));
    assert_eq!(shown(Some("Bearer a.b.c"), "token=t"), found(true, &["a.b.c", "t"]));
    assert_eq!(shown(Some("bearer  a.b.c "), ""), found(true, &["a.b.c"]));
    assert_eq!(shown(Some("Bearer plain"), "token=t"), found(false, &["plain"]));
    assert_eq!(shown(None, "token=t"), found(false, &["t"]));
    assert_eq!(shown(None, ""), Err(AuthError::Missing));
}

proptest! {
    #[test]
    fn any_data_is_acknowledged(data in prop::collection::vec(any::<u8>(), 0..200)) {
        let message = json!({"message": {"data": STANDARD.encode(&data), "messageId": "1"}}).to_string();
        let headers = Pairs::new();
        let head = Head::new("POST", PATH, "", &headers);
        prop_assert!(PubsubPush.decode(&head, message.as_bytes(), &Limits::default()).is_ok());
        prop_assert!(PubsubPush.decode(&head, &data, &Limits::default()).is_ok());
    }
}
