//! Law L5: no secret reaches the disk, a log, quarantine or an answer.
//!
//! In: every documented event with canaries at every place where secrets were seen, and malformed bodies that hold them,
//! by every route. Out: nothing; the test looks for the canaries' mark in every byte that the server wrote or said.

use crate::{
    app::{ADMIN, App, HEC_TOKEN, INGEST, READ, SECRET, Setup, sign},
    loki_bytes::{json_push, proto_push},
    samples::{documented, gzip, hec_body},
    sse::Stream,
};
use serde_json::{Value, json};
use std::{fs, path::Path, time::Duration};

/// Part of every canary, so that one search finds them all.
const MARK: &str = "CANARYXQ7";

/// Makes canaries that are all different.
struct Canaries(u32);

impl Canaries {
    fn next(&mut self) -> String {
        self.0 += 1;
        format!("{MARK}z{:05}", self.0)
    }

    /// Sixteen letters and digits behind a known prefix.
    fn aws(&mut self) -> String {
        self.0 += 1;
        format!("AKIA{MARK}{:07}", self.0)
    }

    fn jwt(&mut self) -> String {
        format!("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0{}.{}", self.next(), self.next())
    }

    fn pem(&mut self) -> String {
        let line = format!("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC{}", self.next());
        format!("-----BEGIN RSA PRIVATE KEY-----\n{line}\n{line}\n-----END RSA PRIVATE KEY-----")
    }

    /// Texts in which a secret gives itself away by its shape.
    fn shapes(&mut self) -> Vec<String> {
        vec![
            format!("postgres://loader:{}@db.example.com:5432/app", self.next()),
            format!("cannot open https://x:{}@example.com/?a=b, giving up", self.next()),
            format!("sent Authorization: Bearer {}", self.next()),
            format!("curl -H 'Authorization: Basic {}=='", self.next()),
            format!("login with password={} failed", self.next()),
            format!("jdbc:sqlserver://db;user=sa;Password={};encrypt=true", self.next()),
            format!("https://api.example.com/v1?api_key={}&page=2", self.next()),
            format!("DefaultEndpointsProtocol=https;AccountName=x;AccountKey={}==;", self.next()),
            format!("key {} is not active", self.aws()),
            format!("token {} expired", self.jwt()),
            self.pem(),
            self.pem().replace('\n', "\\n"),
            format!("{{\"password\": \"{}\", \"host\": \"db\"}}", self.next()),
            json!({"outer": json!({"client_secret": self.next()}).to_string()}).to_string(),
            format!("config was {{'api_key': '{}'}}", self.next()),
        ]
    }

    /// Members whose name speaks of a secret, in many spellings and depths.
    fn members(&mut self) -> Value {
        let names = [
            "password",
            "databasePassword",
            "DB_PASSWORD",
            "agent-token",
            "apiKey",
            "api_key",
            "privateKey",
            "private_key",
            "clientSecret",
            "secret",
            "secretKey",
            "access_token",
            "refreshToken",
            "oauthToken",
            "passphrase",
            "pwd",
            "connectionString",
            "sasToken",
            "auth",
            "Authorization",
            "credentials",
            "signature",
            "aws_secret_access_key",
            "encryption-key",
            "cookie",
        ];
        let flat: serde_json::Map<_, _> = names.iter().map(|name| ((*name).to_owned(), json!(self.next()))).collect();
        json!({
            "flat": flat,
            "oldProperties": {"password": self.next(), "host": "db.example.com"},
            "newProperties": {"password": self.next()},
            "nested": {"a": {"b": [{"token": self.next()}, {"c": {"secret": self.next()}}]}},
            "credentials": {"type": "basic", "user": self.next(), "list": [self.next(), {"deep": self.next()}]},
            "tokens": [self.next(), self.next()],
            "hidden": {"p\u{61}ssword": self.next()},
            "text": self.shapes(),
        })
    }
}

/// An event with canaries in its data and its envelope. The text spells one name with an escape.
fn planted(event: &Value, canaries: &mut Canaries) -> String {
    let mut event = event.clone();
    let data = event["data"].as_object().cloned().unwrap_or_default();
    event["data"] = Value::Object(data);
    event["data"]["planted"] = canaries.members();
    if let Some(first) = event["data"].as_object_mut().and_then(|data| data.get_mut("message")) {
        *first = json!(format!("{} and then password={}", first.as_str().unwrap_or_default(), canaries.next()));
    }
    event["api_key"] = json!(canaries.next());
    event["more"] = json!({"authorization": format!("Bearer {}", canaries.next())});
    event["note"] = json!(format!("see ftp://u:{}@files.example.com/x", canaries.next()));
    event.to_string().replace("\"pwd\"", "\"p\\u0077d\"")
}

/// Bodies that are no events and hold canaries.
fn malformed(canaries: &mut Canaries) -> Vec<Vec<u8>> {
    let mut c = || canaries.next();
    let mut bodies: Vec<Vec<u8>> = vec![
        format!(r#"{{"event":"create_connector","data":{{"databasePassword":"{}"#, c()).into(),
        format!(r#"{{"event":"create_connector","data":{{"databasePassword":"{}","x":}}}}"#, c()).into(),
        format!(r#"{{"event" "create_connector" "password" : "{}" }}"#, c()).into(),
        format!("plain text with password={} and more", c()).into(),
        format!("password: {}", c()).into(),
        format!("{{'event': 'create_connector', 'data': {{'password': '{}'}}}}", c()).into(),
        format!("[{{\"token\":\"{}\"}}, 5", c()).into(),
        format!("Authorization: Bearer {}", c()).into(),
        format!(r#"{{"no_event":true,"credentials":{{"user":"{}","password":"{}"}}}}"#, c(), c()).into(),
        format!(r#""{{\"event\":\"x\",\"password\":\"{}\""#, c()).into(),
        format!("mongodb://root:{}@db/", c()).into(),
        format!("<xml><password>{}</password></xml>", c()).into(),
        format!("password={}", c()).into(),
    ];
    let mut bytes = b"\xff\xfe{\"password\":\"".to_vec();
    bytes.extend_from_slice(c().as_bytes());
    bytes.extend_from_slice(b"\"}\xff");
    bodies.push(bytes);
    bodies.push(canaries.pem().into());
    bodies.push(canaries.jwt().into());
    bodies.push(canaries.aws().into());
    bodies
}

/// Delivers a body as it is by every route, the answers' texts collected.
fn everywhere(app: &App, body: &[u8], said: &mut Vec<String>) {
    let bearer = format!("Bearer {INGEST}");
    let text = String::from_utf8_lossy(body).into_owned();
    let requests: Vec<(&str, Vec<u8>, &str)> = vec![
        ("/v1/events", body.to_vec(), ""),
        ("/v1/events", [b"5\n", body].concat(), ""),
        ("/services/collector", body.to_vec(), ""),
        ("/services/collector", [br#"{"event":"#, body, b"}"].concat(), ""),
        ("/services/collector", hec_body(&[json!(text).to_string()]).into_bytes(), ""),
        ("/services/collector/raw", body.to_vec(), ""),
        ("/loki/api/v1/push", json_push(&[&text]), "application/json"),
        ("/loki/api/v1/push", proto_push(&[&text]), "application/x-protobuf"),
        ("/loki/api/v1/push", body.to_vec(), "application/json"),
        ("/loki/api/v1/push", body.to_vec(), "application/x-protobuf"),
        ("/v1/webhooks/fivetran", body.to_vec(), ""),
    ];
    for (path, body, media_type) in requests {
        let signature = sign(SECRET, &body);
        let mut headers = vec![("Authorization", bearer.as_str()), ("X-Fivetran-Signature-256", &signature)];
        if !media_type.is_empty() {
            headers.push(("Content-Type", media_type));
        }
        said.push(app.send("POST", path, &headers, &body).text());
    }
    let packed = gzip(body);
    let headers = [("Authorization", bearer.as_str()), ("Content-Encoding", "gzip")];
    said.push(app.send("POST", "/v1/events", &headers, &packed).text());
}

/// Every file below a directory that holds one of the marks.
fn files_with(dir: &Path, marks: &[&str], found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        let kind = fs::symlink_metadata(&path).expect("it exists").file_type();
        if kind.is_dir() {
            files_with(&path, marks, found);
        } else if kind.is_file() {
            let bytes = fs::read(&path).expect("a file can be read");
            for mark in marks.iter().filter(|mark| contains(&bytes, mark)) {
                found.push(format!("{} holds {mark}", path.display()));
            }
        }
    }
}

fn contains(bytes: &[u8], mark: &str) -> bool {
    let lower = |byte: &u8| byte.to_ascii_lowercase();
    let mark: Vec<u8> = mark.bytes().map(|byte| byte.to_ascii_lowercase()).collect();
    let bytes: Vec<u8> = bytes.iter().map(lower).collect();
    memchr_find(&bytes, &mark)
}

fn memchr_find(bytes: &[u8], mark: &[u8]) -> bool {
    bytes.split(|byte| *byte == mark[0]).skip(1).any(|rest| rest.starts_with(&mark[1..]))
        || bytes.windows(mark.len()).any(|window| window == mark)
}

#[track_caller]
fn clean(what: &str, text: &str) {
    if let Some(at) = text.to_ascii_uppercase().find(MARK) {
        let start = (0..=at.saturating_sub(160)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let end = (at + 60..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        panic!("{what} holds a canary: …{}…", &text[start..end]);
    }
}

#[test]
fn no_planted_secret_is_found_anywhere() {
    let mut app = Setup::default().env("LIFELINE_LOG", "trace").spawn();
    let mut live = Stream::open(app.addr, "", READ, None);
    let mut canaries = Canaries(0);
    let mut said = Vec::new();
    let events = documented();
    for (at, event) in events.iter().enumerate() {
        let line = planted(&event.value, &mut canaries);
        match at % 5 {
            0 => said.push(app.post_native(&line).expect(200).text()),
            1 => said.push(app.post_hec(hec_body(&[&line])).expect(200).text()),
            2 => said.push(app.post_webhook(&line).expect(200).text()),
            3 => said.push(app.post_loki(json_push(&[&line]), "application/json").expect(204).text()),
            _ => said.push(app.post_loki(proto_push(&[&line]), "").expect(204).text()),
        }
    }
    // One event by every route, whole and as text in text.
    everywhere(&app, planted(&events[7].value, &mut canaries).as_bytes(), &mut said);
    for body in malformed(&mut canaries) {
        everywhere(&app, &body, &mut said);
    }
    // Wrong credentials are secrets, too: somebody's real ones for another place.
    for (path, header) in [
        ("/v1/events", format!("Bearer {}", canaries.next())),
        ("/services/collector", format!("Splunk {}", canaries.next())),
        ("/services/collector", canaries.next()),
    ] {
        said.push(app.send("POST", path, &[("Authorization", &header)], b"{}").text());
    }
    let address = format!("/services/collector?token={}&channel={}", canaries.next(), canaries.next());
    said.push(app.send("POST", &address, &[], b"{}").text());
    said.push(app.get(&format!("/v1/events?{}=1", canaries.next())).text());
    said.push(app.get(&format!("/v1/events?level={}", canaries.next())).status.to_string());

    let mut count = 0;
    for event in app.all_events("") {
        count += 1;
        clean("a list", &event.to_string());
        let one = app.get(&format!("/v1/events/{}", event["id"].as_str().expect("an id"))).expect(200).text();
        clean("an event", &one);
    }
    assert!(count >= events.len());
    let quarantined = app.all_of("/v1/quarantine", "all=true");
    assert!(quarantined.len() > 10, "{} items", quarantined.len());
    for item in &quarantined {
        let id = item["id"].as_str().expect("an id");
        let one = app.get_json(&format!("/v1/quarantine/{id}"));
        clean("quarantine", &one.to_string());
        if one["encoding"] == "base64" {
            use base64::{Engine, engine::general_purpose::STANDARD};
            let bytes = STANDARD.decode(one["bytes"].as_str().expect("bytes")).expect("base64");
            clean("quarantine", &String::from_utf8_lossy(&bytes));
        }
        said.push(app.with_token(ADMIN, "POST", &format!("/v1/quarantine/{id}/replay"), b"").text());
    }
    while let Some(message) = live.next(Duration::from_millis(300)) {
        clean("the live stream", &message.data);
    }
    said.push(app.get("/metrics").text());
    for text in &said {
        // A bad parameter's own name may be repeated; it is no payload.
        if !text.contains("/problems/bad-parameter") {
            clean("an answer", text);
        }
    }
    let backup = app.home().join("copy.db");
    assert!(app.run(&["backup", backup.to_str().expect("a path in UTF-8")]).status.success());
    for args in [&["quarantine", "list", "--limit", "1000"][..], &["config", "show"], &["doctor"], &["token", "list"]] {
        let done = app.run(args);
        clean(&format!("{args:?}"), &(String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr)));
    }
    let marks = [MARK, INGEST, READ, ADMIN, SECRET, HEC_TOKEN];
    let mut found = Vec::new();
    files_with(app.home(), &marks, &mut found);
    app.stop();
    files_with(app.home(), &marks, &mut found);
    assert_eq!(found, Vec::<String>::new());
    clean("the log", &app.log());
}

#[test]
fn two_changes_of_a_password_are_seen_to_differ() {
    let app = App::spawn();
    let event = |password: &str| {
        json!({"event": "edit_connector", "created": "2026-08-17T09:41:23.518Z", "connector_id": "c",
               "data": {"id": "c", "properties": {"databasePassword": password}}})
        .to_string()
    };
    for (password, accepted) in [("first", 1), ("second", 1), ("first", 0), ("second", 0), ("third", 1)] {
        let answer = app.post_native(event(password)).expect(200).json();
        assert_eq!(answer["accepted"], accepted, "{password}: {answer}");
    }
    let stored = app.all_events("");
    assert_eq!(stored.len(), 3);
    let mut masks: Vec<String> = stored
        .iter()
        .map(|event| event["data"]["properties"]["databasePassword"].as_str().expect("a mask").to_owned())
        .collect();
    assert!(masks.iter().all(|mask| mask.starts_with("[redacted:")), "{masks:?}");
    masks.sort();
    masks.dedup();
    assert_eq!(masks.len(), 3, "every password has a mask of its own");
    for event in &stored {
        let one = app.get_json(&format!("/v1/events/{}", event["id"].as_str().expect("an id")));
        let raw = one["raw"].as_str().expect("raw text");
        assert!(raw.contains(event["data"]["properties"]["databasePassword"].as_str().expect("a mask")), "{raw}");
    }

    // Another server makes other masks of the same passwords.
    let other = App::spawn();
    other.post_native(event("first")).expect(200);
    let mask = &other.all_events("")[0]["data"]["properties"]["databasePassword"];
    assert!(!masks.contains(&mask.as_str().expect("a mask").to_owned()));
}

#[test]
fn files_are_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let app = App::spawn();
    app.post_native(r#"{"event":"info"}"#).expect(200);
    for entry in fs::read_dir(&app.data).expect("the data directory") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("it exists").permissions().mode();
        let name = entry.file_name();
        if name != "listen.addr" {
            assert_eq!(mode & 0o077, 0, "{name:?} has mode {mode:o}");
        }
    }
}
