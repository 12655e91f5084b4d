//! Splunk's reply table, and every way of putting envelopes one after another.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

const CHANNEL: &str = "0aeeac95-ac74-4aa9-b30d-6c4c0ac581ba";

fn head<'h>(path: &'h str, query: &'h str, headers: &'h Vec<(String, String)>) -> Head<'h> {
    Head::new("POST", path, query, headers)
}

fn decode_at<'b>(path: &str, query: &str, body: &'b [u8]) -> Result<Decoded<'b>, DecodeError> {
    SplunkHec.decode(&head(path, query, &Vec::new()), body, &Limits::default())
}

fn decode(body: &[u8]) -> Result<Decoded<'_>, DecodeError> {
    decode_at("/services/collector/event", "", body)
}

fn texts(decoded: &Decoded<'_>) -> Vec<String> {
    let text = |item: &Result<crate::model::Record<'_>, crate::model::RecordError>| match item {
        Ok(record) => record.payload.text().to_owned(),
        Err(error) => format!("!{:?} {}", error.bytes, error.reason),
    };
    decoded.items.iter().map(text).collect()
}

#[track_caller]
fn check(body: &str, expected: &[&str]) {
    let decoded = decode(body.as_bytes()).unwrap();
    assert_eq!(
        (texts(&decoded), &decoded.refusal),
        (expected.iter().map(|t| (*t).to_owned()).collect(), &None),
        "{body}"
    );
}

/// Readable records, code and `invalid-event-number` of a body that Splunk stops at.
#[track_caller]
fn stopped(body: impl AsRef<[u8]>, records: usize, code: u64, rest_at: usize) {
    let body = body.as_ref();
    let decoded = decode(body).unwrap();
    let error = decoded.items.last().unwrap().as_ref().unwrap_err();
    let shown = String::from_utf8_lossy(body);
    assert_eq!((error.index, error.bytes.clone()), (records, rest_at..body.len()), "{shown}");
    assert!(decoded.items[..records].iter().all(Result::is_ok), "{shown}");
    let receipt = Receipt { refusal: decoded.refusal, ..Receipt::default() };
    let reply = SplunkHec.reply(&head("", "", &Vec::new()), &Ok(receipt));
    let answer: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(
        (reply.status, &answer["code"], &answer["invalid-event-number"]),
        (400, &json!(code), &json!(records)),
        "{shown}"
    );
}

#[test]
fn envelopes_are_found_however_they_are_separated() {
    let both = [r#"{"a":1}"#, r#""two""#];
    for between in ["", " ", "\n", "\r\n", "\n\r\n", "\\n\\r\\n", "\t \n"] {
        check(&format!(r#"{{"event":{{"a":1}}}}{between}{{"event":"two"}}{between}"#), &both);
    }
    check(r#"[{"event":{"a":1}},{"event":"two"}]"#, &both);
    check(r#"[{"event":{"a":1}}][{"event":"two"}]"#, &both);
    check("\u{feff}{\"event\":{\"a\":1}} {\"event\":\"two\"}", &both);
}

#[test]
fn event_may_be_anything() {
    check(r#"{"event":5}{"event":false}{"event":[1]}{"event":{}}{"event":" "}"#, &["5", "false", "[1]", "{}", "\" \""]);
    check(r#"{"event":"x","fields":{},"index":5,"host":null,"source":{"odd":1},"x":1,"x":2}"#, &["\"x\""]);
    let metric = r#"{"fields":{"metric_name:cpu":1}}"#;
    check(metric, &[metric]);
    let bare = r#"{"event":"sync_end","created":"2026-08-17T09:41:23.518Z","data":{}}"#;
    check(&format!("{bare}{bare}"), &[bare, bare]);
    check(r#"{"event":{"x":1},"created":5}"#, &[r#"{"x":1}"#]);
}

#[test]
fn hints_come_from_the_envelope() {
    let hints = |body: &str| {
        let item = decode(body.as_bytes()).unwrap().items.remove(0).unwrap();
        (item.hints.time.map(|time| time.to_string()), item.hints.level)
    };
    let check = |envelope: &str, time: Option<&str>, level: Option<&str>| {
        let (found_time, found_level) = hints(envelope);
        assert_eq!((found_time.as_deref(), found_level.as_deref()), (time, level), "{envelope}");
    };
    check(r#"{"event":1}"#, None, None);
    check(r#"{"event":1,"time":null,"fields":null}"#, None, None);
    check(r#"{"event":1,"time":1786959683.518}"#, Some("2026-08-17T09:41:23.518Z"), None);
    check(r#"{"event":1,"time":"1786959683.518000001"}"#, Some("2026-08-17T09:41:23.518000001Z"), None);
    check(r#"{"event":1,"time":1786959683518}"#, Some("2026-08-17T09:41:23.518Z"), None);
    check(r#"{"event":1,"fields":{"level":"WARN"}}"#, None, Some("WARN"));
    check(r#"{"event":1,"fields":{"levelName":"SEVERE","severity":"info","x":["a"]}}"#, None, Some("info"));
    check(r#"{"event":1,"fields":{"level":30}}"#, None, Some("30"));
}

#[test]
fn splunk_stops_at_the_first_bad_envelope() {
    let good = r#"{"event":1}"#;
    stopped("hello", 0, 6, 0);
    stopped("5", 0, 6, 0);
    stopped(format!("{good} 5 {good}"), 1, 6, 12);
    stopped(format!("{good}{{\"event\":"), 1, 6, 11);
    stopped(format!("{good}{good},{good}"), 2, 6, 22);
    stopped(format!("[{good},[{good}]]"), 1, 6, 13);
    stopped(format!("[{good}"), 1, 6, 12);
    stopped(format!("{good}{{\"time\":1}}{good}"), 1, 12, 11);
    stopped(r#"{"event":null}"#, 0, 12, 0);
    stopped(r#"{"event":null,"fields":{"a":1}}"#, 0, 12, 0);
    stopped(format!("{good}{{\"event\":\"\"}}"), 1, 13, 11);
    stopped(r#"{"event":1,"fields":{"a":{"b":1}}}"#, 0, 15, 0);
    stopped(r#"{"event":1,"fields":{"a":[[1]]}}"#, 0, 15, 0);
    stopped(r#"{"event":1,"fields":"x"}"#, 0, 15, 0);
    for time in ["-1", "\"-1\"", "\"soon\"", "{}", "true", "1e400", "\"\""] {
        stopped(format!("{good}{{\"event\":1,\"time\":{time}}}"), 1, 6, 11);
    }
    stopped(r#"{"event":1,"channel":"x"}"#, 0, 11, 0);
    stopped([good.as_bytes(), b"{\"event\":\"\xff\"}"].concat(), 1, 6, 11);
    stopped([good.as_bytes(), b"\xff"].concat(), 1, 6, 11);
}

#[test]
fn a_body_of_nothing_has_its_own_code() {
    for (path, body) in
        [("event", ""), ("event", " \r\n"), ("event", "[]"), ("raw", ""), ("raw", "\n \r\n"), ("raw/1.0", "")]
    {
        let error = decode_at(&format!("/services/collector/{path}"), "", body.as_bytes()).unwrap_err();
        assert_eq!((error.code, error.quarantine), (5, false), "{path} {body:?}");
    }
}

#[test]
fn raw_bodies_are_cut_into_lines() {
    let decoded = decode_at("/services/collector/raw", "time=1786959683", b"{\"a\":1}\r\n\n  two\n\xff\nlast").unwrap();
    assert_eq!(texts(&decoded), ["{\"a\":1}", "  two", "!16..17 not UTF-8: byte 0 of the line", "last"]);
    let time = decoded.items[0].as_ref().unwrap().hints.time.unwrap();
    assert_eq!(time.to_string(), "2026-08-17T09:41:23Z");
    for time in ["-5", "soon"] {
        let error = decode_at("/services/collector/raw/1.0", &format!("time={time}"), b"x").unwrap_err();
        assert_eq!((error.code, error.event_number), (6, Some(0)));
    }
}

#[test]
fn channels_are_guids_without_case() {
    let channel = |header: Option<&str>, query: &str| {
        let headers = header.map(|text| ("X-Splunk-Request-Channel".to_owned(), text.to_owned())).into_iter().collect();
        SplunkHec.channel(&head("/services/collector", query, &headers)).map_err(|error| error.code)
    };
    assert_eq!(channel(None, ""), Ok(None));
    assert_eq!(channel(Some(""), "channel="), Ok(None));
    assert_eq!(channel(Some(&CHANNEL.to_uppercase()), "channel=x"), Ok(Some(CHANNEL.to_owned())));
    assert_eq!(channel(None, &format!("channel={CHANNEL}")), Ok(Some(CHANNEL.to_owned())));
    for bad in ["x", "0aeeac95ac744aa9b30d6c4c0ac581ba", "0aeeac95-ac74-4aa9-b30d-6c4c0ac581bz", "{0aeeac95}"] {
        assert_eq!(channel(Some(bad), ""), Err(11), "{bad}");
    }
    let body = format!(r#"{{"event":1}}{{"event":2,"channel":"{}"}}"#, CHANNEL.to_uppercase());
    assert_eq!(decode(body.as_bytes()).unwrap().channel.as_deref(), Some(CHANNEL));
}

#[test]
fn ack_questions_are_read() {
    let ask = |query: &str, body: &str| {
        let question = SplunkHec.ack_question(&head("/services/collector/ack", query, &Vec::new()), body.as_bytes());
        question.map_err(|error| (error.code, error.quarantine))
    };
    let query = format!("channel={CHANNEL}");
    assert_eq!(ask(&query, r#"{"acks":[0,1,2]}"#), Ok(AckQuestion { channel: CHANNEL.to_owned(), ids: vec![0, 1, 2] }));
    assert_eq!(ask("", r#"{"acks":[0]}"#), Err((10, false)));
    assert_eq!(ask("channel=x", r#"{"acks":[0]}"#), Err((11, false)));
    for body in [r#"{"acks":[]}"#, "{}", "hello", r#"{"acks":[-1]}"#, r#"{"acks":["0"]}"#] {
        assert_eq!(ask(&query, body), Err((6, false)), "{body}");
    }
    assert_eq!(ask(&query, " "), Err((5, false)));
    let many = format!("{{\"acks\":[{}0]}}", "0,".repeat(IDS_MAX));
    assert_eq!(ask(&query, &many), Err((6, false)));
    let reply = SplunkHec.ack_reply(&[(0, true), (2, false)]);
    assert_eq!(serde_json::from_slice::<Value>(&reply.body).unwrap(), json!({"acks": {"0": true, "2": false}}));
}

#[track_caller]
fn answers(result: Result<Receipt, IngestError>, status: u16, expected: Value) {
    let reply = SplunkHec.reply(&head("/services/collector", "", &Vec::new()), &result);
    let mut body: Value = serde_json::from_slice(&reply.body).unwrap();
    let detailed = body.as_object_mut().unwrap().remove("detail").is_some();
    let by_splunk = matches!(status, 200 | 400 | 401 | 403 | 500) || matches!(result, Err(IngestError::Busy { .. }));
    assert!(!(by_splunk && detailed), "{result:?}");
    assert_eq!((reply.status, &body), (status, &expected), "{result:?}");
    assert_eq!(reply.content_type, Some("application/json"));
    assert_eq!(
        reply.headers.iter().any(|(name, _)| *name == "retry-after"),
        status == 503 || status == 429,
        "{result:?}"
    );
    for (_, value) in reply.headers {
        assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{value}");
    }
}

#[test]
fn every_outcome_has_splunks_code() {
    answers(Ok(Receipt::default()), 200, json!({"text": "Success", "code": 0}));
    let acked = Receipt { ack_id: Some(7), ..Receipt::default() };
    answers(Ok(acked), 200, json!({"text": "Success", "code": 0, "ackId": 7}));
    let auth = |error: AuthError| Err(IngestError::Auth(error));
    answers(auth(AuthError::Missing), 401, json!({"text": "Token is required", "code": 2}));
    answers(auth(AuthError::Malformed), 401, json!({"text": "Invalid authorization", "code": 3}));
    answers(auth(AuthError::Unknown), 403, json!({"text": "Invalid token", "code": 4}));
    answers(auth(AuthError::Forbidden), 403, json!({"text": "Invalid token", "code": 4}));
    answers(auth(AuthError::Disabled), 403, json!({"text": "Token disabled", "code": 1}));
    let throttled = json!({"text": "Too many failed authorization attempts", "code": 4});
    answers(auth(AuthError::Throttled { retry_after_s: 3 }), 429, throttled);
    let too_large = json!({"text": "Content-Length of the request exceeded the limit", "code": 6});
    answers(Err(IngestError::TooLarge { limit_bytes: 1 }), 413, too_large.clone());
    answers(Err(IngestError::Malformed(DecodeError::too_large("too many"))), 413, too_large);
    answers(Err(IngestError::UnknownEncoding), 415, json!({"text": "Unsupported content encoding", "code": 6}));
    answers(Err(IngestError::BadEncoding("x".into())), 400, json!({"text": "Invalid data format", "code": 6}));
    answers(Err(IngestError::Timeout), 408, json!({"text": "Request timed out", "code": 6}));
    answers(Err(IngestError::Malformed(DecodeError::empty(5, "x"))), 400, json!({"text": "No data", "code": 5}));
    answers(Err(IngestError::Busy { retry_after_s: 1 }), 503, json!({"text": "Server is busy", "code": 9}));
    let full = IngestError::StoreUnavailable { reason: "Platte voll ✗".into(), retry_after_s: 9 };
    answers(Err(full), 503, json!({"text": "Server is busy", "code": 9}));
    answers(Err(IngestError::ShuttingDown), 503, json!({"text": "Server is shutting down", "code": 23}));
    answers(Err(IngestError::Internal), 500, json!({"text": "Internal server error", "code": 8}));
}

#[test]
fn health_is_told_in_codes() {
    for (health, status, code) in [
        (Health::Ready, 200, 17),
        (Health::Busy, 503, 18),
        (Health::Unavailable, 503, 18),
        (Health::ShuttingDown, 503, 23),
    ] {
        let reply = SplunkHec.health_reply(&head("/services/collector/health", "", &Vec::new()), health);
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!((reply.status, &body["code"]), (status, &json!(code)), "{health:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn separators_leave_no_trace(
        events in prop::collection::vec("\\PC{0,12}", 1..12),
        between in prop::collection::vec("[ \t\r\n]{0,3}", 12),
        listed in any::<bool>(),
    ) {
        let texts_of_events: Vec<String> = events.iter().map(|event| json!({"message": event}).to_string()).collect();
        let mut body = String::new();
        for (at, event) in texts_of_events.iter().enumerate() {
            let comma = if listed && at > 0 { "," } else { "" };
            body += &format!("{comma}{}{{\"event\":{event},\"time\":{at}}}", between[at]);
        }
        let body = if listed { format!("[{body}]") } else { body };
        let decoded = decode(body.as_bytes()).unwrap();
        prop_assert_eq!(texts(&decoded), texts_of_events);
    }
}
