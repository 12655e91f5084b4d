//! The audit trail over HTTP: every filter, pages, exports of each form read back, resumed transfers, checkpoints and where they go.

use crate::{
    app::{ADMIN, App, INGEST, READ, Setup},
    http::{Conn, Response, request},
    samples::documented,
};
use lifeline::audit::{
    note::{Checkpoint, Note, VerifyingKey},
    verify::{self, ConsistencyProof, InclusionProof},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

/// The forty examples of the documentation.
fn examples() -> String {
    let all = documented();
    all.iter().skip(47).take(40).map(|example| example.line.clone() + "\n").collect()
}

/// Numbered edits of connections by many users.
fn edits(range: std::ops::Range<usize>) -> String {
    let line = |n: usize| {
        let event = json!({
            "event": "edit_connection", "created": format!("2026-07-07T10:{:02}:{:02}Z", n / 60 % 60, n % 60),
            "connection_id": format!("c{}", n % 7),
            "data": {"userId": format!("user-{}", n % 5), "interactionMethod": "WEB_UI", "action": "EDIT",
                "primaryResourceType": "CONNECTION", "primaryResourceId": format!("c{}", n % 7),
                "oldValues": {"sync_frequency": n}, "newValues": {"sync_frequency": n + 1}},
        });
        event.to_string() + "\n"
    };
    range.map(line).collect()
}

/// A server that keeps texts for ever: the examples are older than retention allows.
fn keeping() -> Setup {
    Setup::default().env("LIFELINE_RETENTION_AUDIT_DAYS", "off")
}

fn with_examples() -> App {
    let app = keeping().spawn();
    app.post_native(examples()).expect(200);
    app
}

fn records(app: &App, query: &str) -> Vec<Value> {
    app.all_of("/v1/audit", query)
}

fn key(app: &App) -> VerifyingKey {
    let text = app.get_json("/v1/audit/key")["public_key"].as_str().expect("a key").to_owned();
    VerifyingKey::parse(&text).expect("a key")
}

fn export(app: &App, query: &str) -> Response {
    app.get(&format!("/v1/audit/export?{query}")).expect(200)
}

#[track_caller]
fn verified(app: &App, file: &[u8]) -> verify::Report {
    verify::ndjson(file, Some(&key(app))).unwrap_or_else(|failure| panic!("{failure}"))
}

/// Waits for something that happens by itself.
#[track_caller]
fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not happen in time");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_period_is_exact_to_the_nanosecond() {
    let app = with_examples();
    let at = |nanos: u32| format!("2025-07-22T14:50:49.{nanos:09}Z");
    let this = 356_184_217;
    for (from, to, found) in [
        (this, this + 1, 1),
        (this, this, 0),
        (this - 1, this, 0),
        (this + 1, this + 1_000, 0),
        (356_184_000, 356_185_000, 1),
        (356_184_000, 356_184_000, 0),
        (356_185_000, 356_186_000, 0),
    ] {
        let period = format!("from={}&to={}", at(from), at(to));
        assert_eq!(records(&app, &period).len(), found, "records, {period}");
        assert_eq!(app.all_events(&period).len(), found, "events, {period}");
        let lines = export(&app, &format!("format=ocsf&{period}")).text().lines().count();
        assert_eq!(lines, found, "exported, {period}");
    }
    for path in ["/v1/audit", "/v1/events"] {
        app.get(&format!("{path}?from={}&to={}", at(this + 1), at(this))).expect(400);
    }
    let whole = export(&app, &format!("format=ndjson&from={}", at(this)));
    assert!(whole.text().contains(&at(this)), "the manifest says what was asked");
    verified(&app, &whole.body);
}

#[test]
fn every_filter_narrows_to_what_it_says() {
    let app = with_examples();
    let all = records(&app, "");
    assert_eq!(all.len(), 40);
    assert_eq!((&all[0]["seq"], &all[39]["seq"]), (&40.into(), &1.into()), "the newest first");
    let texts = |member: &str| -> BTreeSet<String> {
        all.iter().filter_map(|record| record[member].as_str()).map(str::to_owned).collect()
    };
    for (parameter, member) in
        [("action", "action"), ("event", "event"), ("use_case", "use_case"), ("method", "method")]
    {
        for value in texts(member) {
            let found = records(&app, &format!("{parameter}={}", value.to_lowercase()));
            let expected: Vec<_> = all.iter().filter(|record| record[member] == value.as_str()).cloned().collect();
            assert_eq!(found, expected, "{parameter}={value}");
            assert!(!found.is_empty());
        }
    }
    let is_of = |record: &Value, kind: &str, id: &str| {
        ["primary_resource", "secondary_resource"].iter().any(|place| {
            (kind.is_empty() || record[place]["type"] == kind) && (id.is_empty() || record[place]["id"] == id)
        })
    };
    for (query, kind, id) in [
        ("resource_type=team", "TEAM", ""),
        ("resource_id=connection_id", "", "connection_id"),
        ("resource_type=USER&resource_id=user_id", "USER", "user_id"),
    ] {
        let expected: Vec<_> = all.iter().filter(|record| is_of(record, kind, id)).cloned().collect();
        assert_eq!(records(&app, query), expected, "{query}");
        assert!(!expected.is_empty() && expected.len() < 40, "{query}");
    }
    let actor = all[0]["actor"]["id"].as_str().expect("an actor");
    let expected = all.iter().filter(|record| record["actor"]["id"] == actor).count();
    assert_eq!(records(&app, &format!("actor={actor}")).len(), expected);
    let (from, to) = ("2025-07-07T16:30:00Z", "2025-07-07T17:00:00Z");
    let within = all.iter().filter(|record| (from..to).contains(&record["at"].as_str().expect("a time"))).count();
    assert_eq!(records(&app, &format!("from={from}&to={to}")).len(), within);
    assert!(within > 0 && within < 40);
    let id = all[3]["event_id"].as_str().expect("an id");
    assert_eq!(records(&app, &format!("event_id={id}")), [all[3].clone()]);
    assert_eq!(app.get_json(&format!("/v1/events/{id}"))["id"], id, "the event is there, too");
    assert_eq!(records(&app, "q=PAUSE").len(), records(&app, "q=pause").len());
    assert_eq!(app.get_json("/v1/audit/37"), all[3]);
    app.get("/v1/audit/41").expect(404);
    app.get("/v1/audit?limits=1").expect(400);
    app.send("GET", "/v1/audit", &[], b"").expect(401);
    app.with_token(INGEST, "GET", "/v1/audit", b"").expect(403);
}

#[test]
fn pages_meet_without_gap_in_both_orders() {
    let app = App::spawn();
    app.post_native(edits(0..57)).expect(200);
    let seqs = |query: &str| -> Vec<u64> {
        records(&app, query).iter().map(|record| record["seq"].as_u64().expect("a number")).collect()
    };
    assert_eq!(seqs("limit=10&order=asc"), (1..=57).collect::<Vec<_>>());
    assert_eq!(seqs("limit=10"), (1..=57).rev().collect::<Vec<_>>());
    let of_one = seqs("limit=2&actor=user-3&order=asc");
    assert_eq!(of_one, (1..=57).filter(|seq| (seq - 1) % 5 == 3).collect::<Vec<_>>());
}

#[test]
fn every_form_of_export_can_be_read_back() {
    let app = with_examples();
    let all = records(&app, "order=asc");
    let lines = export(&app, "format=ndjson");
    let report = verified(&app, &lines.body);
    assert_eq!((report.manifest.records, report.left_out), (40, 0));
    for (line, record) in lines.text().lines().zip(&all) {
        let mut record = record.clone();
        record.as_object_mut().expect("an object").remove("twins");
        assert_eq!(serde_json::from_str::<Value>(line).expect("JSON"), record);
    }
    let filtered = export(&app, "format=ndjson&action=delete&from=2025-07-07");
    assert_eq!(verified(&app, &filtered.body).manifest.records, 4);
    let document = export(&app, "format=json").json();
    assert_eq!(document["data"].as_array().map(Vec::len), Some(40));
    let csv = export(&app, "format=csv");
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    let mut reader = csv::Reader::from_reader(&*csv.body);
    let rows: Vec<_> = reader.records().collect::<Result<_, _>>().expect("well formed");
    assert_eq!(rows.len(), 40);
    for (row, record) in rows.iter().zip(&all) {
        assert_eq!(row[0], record["seq"].to_string());
        assert_eq!(&row[14], record["leaf_hash"].as_str().expect("a hash"));
        assert_eq!(serde_json::from_str::<Value>(&row[12]).expect("JSON"), record["changes"]);
    }
    let security = export(&app, "format=ocsf").text();
    assert_eq!(security.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count(), 40);
    let parquet = export(&app, "format=parquet").body;
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    assert!(export(&app, "format=zip").body.starts_with(b"PK"));
    assert!(export(&app, "").header("content-disposition").is_some_and(|name| name.contains("trail-40.csv")));
    app.get("/v1/audit/export?format=xml").expect(400);
    let own: Vec<Value> = records(&app, "log=access&event=export_audit");
    assert_eq!(own.len(), 8, "every export left a record");
    assert_eq!(own[0]["actor"], json!({"id": "default", "kind": "token"}));
}

#[test]
fn an_interrupted_export_goes_on_where_it_was_although_the_log_grew() {
    let app = App::spawn();
    for part in 0..6 {
        app.post_native(edits(part * 1000..(part + 1) * 1000)).expect(200);
    }
    for format in ["ndjson", "csv", "parquet", "zip", "json", "ocsf"] {
        let path = format!("/v1/audit/export?format={format}&resource_type=CONNECTION");
        let token = format!("Bearer {READ}");
        // A client that goes away in the middle.
        let mut broken = Conn::open(app.addr).expect("a connection");
        broken.write(&request("GET", &path, &[("Authorization", &token)], b"")).expect("sent");
        let (status, headers) = broken.read_head().expect("a head");
        assert_eq!(status, 200);
        let tag = headers.iter().find(|(name, _)| name == "etag").expect("a tag").1.clone();
        let mut got = Vec::new();
        while got.len() < 40_000 {
            match broken.read_chunk().expect("a chunk") {
                Some(chunk) => got.extend(chunk),
                None => break,
            }
        }
        drop(broken);
        got.truncate(30_011.min(got.len() * 2 / 3));
        app.post_native(edits(6000..6010)).expect(200);
        let range = format!("bytes={}-", got.len());
        let again = [("Authorization", token.as_str()), ("Range", &range), ("If-Range", &tag)];
        let rest = app.send("GET", &path, &again, b"").expect(206);
        let length = got.len() + rest.body.len();
        let expected = format!("bytes {}-{}/{length}", got.len(), length - 1);
        assert_eq!(rest.header("content-range"), Some(expected.as_str()), "{format}");
        assert_eq!(rest.header("etag"), Some(tag.as_str()));
        let whole = [("Authorization", token.as_str()), ("Range", "bytes=1-"), ("If-Range", &tag)];
        let whole = app.send("GET", &path, &whole, b"").expect(206);
        assert_eq!(got[1..], whole.body[..got.len() - 1], "{format}");
        assert!(rest.body == whole.body[got.len() - 1..], "{format}: byte for byte");
        if format == "ndjson" {
            got.extend(&rest.body);
            verified(&app, &got);
        }
        let beyond = format!("bytes={length}-");
        let beyond = [("Authorization", token.as_str()), ("Range", &beyond), ("If-Range", &tag)];
        app.send("GET", &path, &beyond, b"").expect(416);
        let foreign = [("Authorization", token.as_str()), ("Range", "bytes=5-"), ("If-Range", "\"6000-00\"")];
        app.send("GET", &path, &foreign, b"").expect(200);
        // The next round begins from another log.
        app.post_native(edits(6010..6011)).expect(200);
    }
}

#[test]
fn an_export_of_nothing_new_is_not_sent_again() {
    let app = with_examples();
    let token = format!("Bearer {READ}");
    let first = export(&app, "format=csv");
    let tag = first.header("etag").expect("a tag").to_owned();
    let asked = [("Authorization", token.as_str()), ("If-None-Match", tag.as_str())];
    let path = "/v1/audit/export?format=csv";
    assert_eq!(app.send("GET", path, &asked, b"").expect(304).body, b"");
    let other = app.send("GET", "/v1/audit/export?format=ndjson", &asked, b"").expect(200);
    assert_ne!(other.header("etag"), Some(tag.as_str()));
    let head = app.send("HEAD", path, &[("Authorization", &token)], b"").expect(200);
    assert_eq!((head.header("etag"), head.body.len()), (Some(tag.as_str()), 0));
    let length = |head: &Response| head.header("content-length").map(str::to_owned);
    assert_eq!(length(&head), Some(first.body.len().to_string()), "of a file that was made");
    for form in ["json", "parquet", "ocsf", "zip"] {
        let path = format!("/v1/audit/export?format={form}");
        let head = app.send("HEAD", &path, &[("Authorization", &token)], b"").expect(200);
        assert_eq!(length(&head), None, "{form}: nobody knows yet");
    }
    assert_eq!(export(&app, "format=csv").body, first.body, "the same question gives the same bytes");
    app.post_native(edits(0..1)).expect(200);
    app.send("GET", path, &asked, b"").expect(200);
}

#[test]
fn proofs_hold_against_the_checkpoint_and_nothing_else() {
    let app = with_examples();
    let old = app.get_json("/v1/audit/checkpoint");
    app.post_native(edits(0..23)).expect(200);
    let key = key(&app);
    for seq in [1, 17, 40, 63] {
        let proof: InclusionProof =
            serde_json::from_value(app.get_json(&format!("/v1/audit/proof/inclusion?seq={seq}"))).expect("a proof");
        let line = app.get(&format!("/v1/audit/{seq}")).expect(200).text();
        let canonical = format!("{}}}", &line[..line.rfind(",\"leaf_hash\":\"").expect("a hash")]);
        assert_eq!(proof.tree_size, 63);
        proof.verify(Some(&canonical), &key).unwrap_or_else(|failure| panic!("{failure}"));
        assert!(proof.verify(Some(&canonical.replace("\"event\"", "\"evemt\"")), &key).is_err());
    }
    let proof: ConsistencyProof =
        serde_json::from_value(app.get_json("/v1/audit/proof/consistency?from=40")).expect("a proof");
    assert_eq!((proof.from_root_hash.as_str(), proof.to), (old["root_hash"].as_str().expect("a hash"), 63));
    let note = Note::parse(old["note"].as_str().expect("a note")).expect("a note");
    note.verify(&key).expect("signed");
    assert_eq!(Checkpoint::parse(&note.text).expect("a checkpoint").size, 40);
    let text = app.send(
        "GET",
        "/v1/audit/checkpoint",
        &[("Authorization", &format!("Bearer {READ}")), ("Accept", "text/plain")],
        b"",
    );
    assert!(text.expect(200).text().starts_with("lifeline/"));
    assert_eq!(app.get("/v1/audit/proof/inclusion?seq=64").status, 404);
    for bad in
        ["inclusion?seq=1&size=64", "inclusion?seq=40&size=39", "consistency?from=64", "consistency?from=5&to=64"]
    {
        assert_eq!(app.get(&format!("/v1/audit/proof/{bad}")).status, 400, "{bad}");
    }
}

#[test]
fn rights_and_summaries_say_what_the_records_say() {
    let app = with_examples();
    let rights = app.get_json("/v1/audit/access-rights");
    assert!(
        rights["users"].as_array().is_some_and(|users| users.iter().any(|user| user["id"] == "user_id")),
        "{rights}"
    );
    let before = app.get_json("/v1/audit/access-rights?as_of=2020-01-01T00:00:00Z");
    assert_eq!((&before["users"], &before["records"]), (&json!([]), &0.into()));
    let summary = app.get_json("/v1/audit/summary");
    assert_eq!((&summary["records"], &summary["tree_size"]), (&40.into(), &40.into()));
    let page = app.get("/v1/audit/summary?format=html&from=2025-07-07").expect(200);
    assert!(page.header("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'none'")));
    assert!(page.text().contains("<h1>Audit summary</h1>"));
    assert!(app.get("/v1/audit/summary?format=csv").expect(200).text().starts_with("by,type,name,records"));
}

#[test]
fn what_is_done_to_lifeline_is_recorded_too() {
    let app = App::spawn();
    let made = app.with_token(ADMIN, "POST", "/v1/tokens", br#"{"name":"auditor","kind":"read"}"#).expect(201).json();
    app.post_native("no json").expect(400);
    app.with_token(ADMIN, "POST", "/v1/quarantine/1/replay", b"");
    app.with_token(ADMIN, "POST", "/v1/rebuild", b"").expect(202);
    let token = made["token"].as_str().expect("a token");
    app.with_token(token, "GET", "/v1/audit/export?log=access&format=ndjson", b"").expect(200);
    app.with_token(ADMIN, "DELETE", "/v1/tokens/auditor", b"").expect(200);
    let own = records(&app, "log=access&order=asc");
    let told: Vec<_> = own.iter().map(|record| record["event"].as_str().expect("a name")).collect();
    assert_eq!(
        told,
        ["create_token", "replay_quarantined", "start_rebuild", "export_audit", "revoke_token"],
        "{own:?}"
    );
    assert_eq!(own[3]["actor"]["id"], "auditor");
    assert_eq!(own[0]["primary_resource"], json!({"type": "TOKEN", "id": "auditor"}));
    let text = json!(own).to_string();
    assert!(!text.contains(token), "a token stands in no record");
    let report = export(&app, "log=access&format=ndjson");
    let key = app.get_json("/v1/audit/key?log=access")["public_key"].as_str().expect("a key").to_owned();
    let report = verify::ndjson(&*report.body, Some(&VerifyingKey::parse(&key).expect("a key"))).expect("whole");
    assert_eq!(report.manifest.records, 6, "the record of this export is in it");
    assert_eq!(records(&app, "").len(), 0, "the trail is not numbered through our own doings");
}

#[test]
fn failed_logins_are_written_before_a_stop() {
    let mut app = App::spawn();
    for _ in 0..3 {
        app.with_token("wrong", "GET", "/v1/audit", b"").expect(401);
    }
    app.stop();
    app.start();
    let failed = records(&app, "log=access&use_case=failed_login");
    assert_eq!(failed.len(), 1);
    assert_eq!((&failed[0]["actor"]["id"], &failed[0]["changes"][0]["new"]), (&"127.0.0.1".into(), &3.into()));
}

#[test]
fn an_idle_log_is_signed_again_and_every_checkpoint_goes_everywhere() {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let (file, command) = (elsewhere.path().join("file.log"), elsewhere.path().join("command.log"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (sender, posted) = std::sync::mpsc::channel();
    thread::spawn(move || {
        // The first one is refused, so that it has to be sent again.
        for (n, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.set_read_timeout(Some(Duration::from_millis(300)));
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes);
            let status = if n == 0 { "503 Busy" } else { "204 Thanks" };
            let _ = stream
                .write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes());
            if sender.send((n, String::from_utf8_lossy(&bytes).into_owned())).is_err() {
                return;
            }
        }
    });
    let sinks = format!("file:{},http://{address}/hook,exec:cat >> '{}'", file.display(), command.display());
    let app = keeping().env("LIFELINE_AUDIT_CHECKPOINT_EVERY", "1").env("LIFELINE_AUDIT_CHECKPOINT_TO", &sinks).spawn();
    let kept = until("three checkpoints of an idle log", || {
        let kept = app.all_of("/v1/audit/checkpoints", "limit=2");
        (kept.len() >= 3).then_some(kept)
    });
    assert!(kept.iter().all(|head| head["tree_size"] == 0), "{kept:?}");
    let times: BTreeSet<&str> = kept.iter().map(|head| head["at"].as_str().expect("a time")).collect();
    assert_eq!(times.len(), kept.len(), "one moment each");
    app.post_native(examples()).expect(200);
    let newest = app.get_json("/v1/audit/checkpoint");
    let note = newest["note"].as_str().expect("a note").to_owned();
    for path in [app.data.join("audit-checkpoints.log"), file] {
        until("a line in a file", || {
            let text = fs::read_to_string(&path).ok()?;
            text.lines()
                .any(|line| serde_json::from_str::<Value>(line).is_ok_and(|line| line["note"] == note.as_str()))
                .then_some(())
        });
    }
    until("a note given to a command", || fs::read_to_string(&command).ok()?.contains(&note).then_some(()));
    let (n, refused) = posted.recv_timeout(Duration::from_secs(20)).expect("a POST");
    let (_, again) = posted.recv_timeout(Duration::from_secs(20)).expect("another POST");
    let body = |text: &str| text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).expect("a body");
    assert_eq!((n, body(&refused)), (0, body(&again)), "what was refused is sent again");
    assert!(app.metric("lifeline_audit_checkpoint_sink_failures_total", "") >= 1.0);
    assert_eq!(app.metric("lifeline_audit_records", "trail"), 40.0);
}

#[test]
fn an_older_copy_of_the_store_is_found_out() {
    let mut app = with_examples();
    app.get_json("/v1/audit/checkpoint");
    app.stop();
    let copy = app.home().join("copy.db");
    fs::copy(app.data.join("lifeline.db"), &copy).expect("copied");
    app.start();
    app.post_native(edits(0..5)).expect(200);
    app.get_json("/v1/audit/checkpoint");
    app.stop();
    for file in ["lifeline.db-wal", "lifeline.db-shm"] {
        let _ = fs::remove_file(app.data.join(file));
    }
    fs::copy(&copy, app.data.join("lifeline.db")).expect("restored");
    app.start();
    let ready = app.get_json("/readyz");
    let warning = ready["warnings"][0].as_str().unwrap_or_default().to_owned();
    assert!(warning.contains("has 40 records") && warning.contains("checkpoint of 45"), "{ready}");
    assert_eq!(app.metric("lifeline_audit_rollbacks", ""), 1.0, "{ready}");
    assert!(app.log().contains("AUDIT TRAIL"), "it is said loudly");
    // Deliveries go on; other records in place of the lost ones are found out as well.
    app.post_native(edits(100..110)).expect(200);
    app.stop();
    app.start();
    let ready = app.get_json("/readyz");
    let warning = ready["warnings"][0].as_str().unwrap_or_default().to_owned();
    assert!(warning.contains("the first 45 records of the trail log are not those of a checkpoint"), "{ready}");
}

#[test]
fn the_key_is_its_owners_alone_and_outlives_a_restart() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut app = App::spawn();
    let first = key(&app);
    let path = app.data.join("audit.key");
    assert_eq!(fs::metadata(&path).expect("a key").permissions().mode() & 0o777, 0o600);
    app.stop();
    app.start();
    assert_eq!(key(&app), first);
    let secret = fs::read_to_string(&path).expect("a key");
    let served = app.get("/v1/audit/key").text() + &app.get("/metrics").text() + &app.log();
    assert!(!served.contains(secret.trim()), "the secret half is nowhere");
}

#[test]
fn an_altered_record_is_found_by_the_search_and_said_by_readiness() {
    let mut app = keeping().env("LIFELINE_AUDIT_SCRUB_EVERY", "1").prepare();
    app.start();
    app.post_native(examples()).expect(200);
    until("a whole pass", || (app.metric("lifeline_audit_scrub_passes_total", "") >= 1.0).then_some(()));
    assert_eq!(app.metric("lifeline_audit_damaged_records", ""), 0.0);
    app.stop();
    let db = rusqlite::Connection::open(app.data.join("lifeline.db")).expect("a database");
    let changed =
        db.execute("UPDATE audit SET body = replace(body, 'actor_id', 'someone') WHERE seq = 17 AND log = 1", []);
    assert_eq!(changed, Ok(1));
    drop(db);
    app.start();
    until("a finding", || (app.metric("lifeline_audit_damaged_records", "") >= 1.0).then_some(()));
    let ready = app.get_json("/readyz");
    assert!(ready["warnings"][0].as_str().is_some_and(|text| text.contains("`lifeline verify`")), "{ready}");
    assert!(app.log().contains("record 17"), "it is named");
}

#[test]
fn damaged_events_are_found_by_the_search_and_named() {
    let mut app = keeping().env("LIFELINE_AUDIT_SCRUB_EVERY", "1").prepare();
    app.start();
    app.post_native(examples()).expect(200);
    app.stop();
    let db = rusqlite::Connection::open(app.data.join("lifeline.db")).expect("a database");
    let mut chunk: Vec<u8> =
        db.query_row("SELECT chunk FROM journal WHERE seq = 1", [], |row| row.get(0)).expect("a row");
    chunk[20] ^= 0x55;
    assert_eq!(db.execute("UPDATE journal SET chunk = ?1 WHERE seq = 1", [&chunk]), Ok(1));
    drop(db);
    app.start();
    // The records of the audit trail whose events are lost are found before the row that held them.
    until("a finding that names the row", || app.log().contains("journal row 1: ").then_some(()));
    assert!(app.metric("lifeline_audit_damaged_records", "") >= 1.0);
    app.post_native(examples()).expect(200);
}

#[test]
fn the_manifest_of_an_export_is_had_by_its_tag() {
    let app = with_examples();
    let token = format!("Bearer {READ}");
    for (at, form) in ["csv", "json", "parquet", "ocsf"].into_iter().enumerate() {
        let file = export(&app, &format!("format={form}&action=EDIT"));
        let tag = file.header("etag").expect("a tag").to_owned();
        // The log grows meanwhile.
        app.post_native(edits(at * 10..at * 10 + 3)).expect(200);
        let path = format!("/v1/audit/export/manifest?format={form}&action=EDIT");
        let matching = [("Authorization", token.as_str()), ("If-Match", tag.as_str())];
        let told = app.send("GET", &path, &matching, b"").expect(200);
        assert_eq!(told.header("etag"), Some(tag.as_str()));
        let told: Value = serde_json::from_slice(&told.body).expect("JSON");
        let text = |name: &str| told[name].as_str().expect("text");
        let notes = (text("manifest"), text("checkpoint"), text("public_key"));
        let report = verify::file(&*file.body, notes.0, notes.1, notes.2, Some(&key(&app)));
        let report = report.unwrap_or_else(|failure| panic!("{form}: {failure}"));
        assert_eq!((report.manifest.format.as_str(), report.manifest.filter["action"].as_str()), (form, Some("EDIT")));
        assert!(verify::file(&file.body[1..], notes.0, notes.1, notes.2, None).is_err(), "{form}");
        // Nothing was downloaded under the newest checkpoint yet.
        let newest = app.get(&path).expect(200);
        assert_ne!(newest.header("etag"), Some(tag.as_str()));
        let other = format!("/v1/audit/export/manifest?format={form}&action=READ");
        app.send("GET", &other, &matching, b"").expect(412);
    }
}

#[test]
fn nothing_is_signed_over_a_history_that_was_rewritten() {
    let app = keeping().env("LIFELINE_AUDIT_SCRUB_EVERY", "1").spawn();
    app.post_native(edits(0..9)).expect(200);
    app.get("/v1/audit/checkpoint").expect(200);
    // What somebody does who may write the file and knows the tree, but has no key: a record, its leaf, and no checkpoint.
    let db = rusqlite::Connection::open(app.data.join("lifeline.db")).expect("the file");
    db.busy_timeout(Duration::from_secs(10)).expect("patience");
    let text: String =
        db.query_row("SELECT body FROM audit WHERE log = 1 AND seq = 9", [], |row| row.get(0)).expect("a record");
    let forged = text.replace("user-3", "user-x");
    assert_ne!(text, forged);
    let leaf = lifeline::audit::tree::leaf_hash(forged.as_bytes());
    db.execute("UPDATE audit SET body = ?1, actor = 'user-x' WHERE log = 1 AND seq = 9", [&forged]).expect("changed");
    db.execute("UPDATE audit_node SET hash = ?1 WHERE log = 1 AND pos = 16", [leaf]).expect("changed");
    db.execute("DELETE FROM audit_head WHERE log = 1", []).expect("changed");
    drop(db);
    app.post_native(edits(9..10)).expect(200);
    let refused = app.get("/v1/audit/checkpoint");
    assert!(refused.status >= 500, "{}", refused.text());
    until("the warning", || {
        let ready = app.get_json("/readyz");
        let warnings = ready["warnings"].to_string();
        (warnings.contains("are not those that were signed at") && warnings.contains("audit-checkpoints.log"))
            .then_some(())
    });
    let looked = app.run(&["verify"]);
    let told = String::from_utf8_lossy(&looked.stderr).into_owned();
    assert_eq!(looked.status.code(), Some(1), "{told}");
    assert!(told.contains("the first 9 records of the trail log are not those of a checkpoint in"), "{told}");
}
