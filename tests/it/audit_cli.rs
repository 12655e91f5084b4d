//! Commands of the audit trail, beside a running server and without one.

use crate::{
    app::{ADMIN, App, Setup},
    audit_mutations::python,
    samples::{documented, fixture},
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    process::{Command, Output},
};

#[track_caller]
fn good(done: Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{}\n{out}\n{err}", done.status);
    out.into_owned()
}

#[track_caller]
fn json(done: Output) -> Value {
    serde_json::from_str(&good(done)).expect("JSON")
}

#[test]
fn commands_say_the_same_beside_a_server_and_without_one() {
    let mut app = App::spawn();
    good(app.run(&["import", fixture("event/documented_events.ndjson").to_str().expect("a path")]));
    let show = ["audit", "show", "--action", "edit", "--resource-type", "connection", "--limit", "5", "--json"];
    let shown = json(app.run(&show));
    let records = shown["data"].as_array().expect("a list");
    assert_eq!((records.len(), &shown["more"]), (5, &Value::Bool(true)));
    let table = good(app.run(&["audit", "show", "--use-case", "pause_or_resume"]));
    assert!(table.contains("EDIT pause or resume") && table.contains("2025-07-07"), "{table}");
    let key = good(app.run(&["audit", "key"]));
    assert_eq!(key.lines().count(), 2, "{key}");
    good(app.run(&["export", "audit", "-o", "by_server.zip"]));
    good(app.run(&["export", "audit", "--format", "ndjson", "--actor", "actor_id", "-o", "by_server.ndjson"]));
    let verified = json(app.run(&["verify", "--json"]));
    assert_eq!(verified["ok"], true, "{verified}");
    assert!(verified["verified"]["events"].as_u64() >= Some(100), "{verified}");
    let checkpoint = good(app.run(&["audit", "checkpoint"]));
    fs::write(app.home().join("checkpoint.txt"), &checkpoint).expect("a file");
    app.stop();
    // The same question over the same checkpoint gives the same bytes.
    good(app.run(&["export", "audit", "-o", "by_store.zip"]));
    let read = |name: &str| fs::read(app.home().join(name)).expect("a file");
    assert!(read("by_store.zip") == read("by_server.zip"), "the bundles differ");
    assert_eq!(json(app.run(&show)), shown);
    assert_eq!(good(app.run(&["audit", "key"])), key);
    assert_eq!(good(app.run(&["audit", "checkpoint"])), checkpoint);
    fs::write(app.home().join("key.txt"), &key).expect("a file");
    for file in ["by_server.zip", "by_server.ndjson", "by_store.zip"] {
        let told = good(app.run(&["audit", "verify", file, "--key", "key.txt"]));
        assert!(told.starts_with("OK: "), "{told}");
    }
    let verified = json(app.run(&["verify", "--checkpoint", "checkpoint.txt", "--json"]));
    assert_eq!((&verified["ok"], &verified["verified"]["outside"]), (&Value::Bool(true), &1.into()), "{verified}");
}

#[test]
fn a_new_key_signs_new_exports_and_old_ones_stay_good() {
    let app = App::spawn();
    app.post_native(r#"{"event":"create_connector","created":"2026-07-08T09:00:00Z","connection_id":"x","data":{"actor":"ana@example.com","id":"x"}}"#)
        .expect(200);
    let old = good(app.run(&["audit", "key"]));
    good(app.run(&["export", "audit", "-o", "old.zip"]));
    let new = good(app.run(&["audit", "rotate"]));
    assert_ne!(old, new);
    good(app.run(&["export", "audit", "-o", "new.zip"]));
    for (name, keys) in [("old", &old), ("new", &new), ("both", &format!("{old}{new}"))] {
        fs::write(app.home().join(name), keys).expect("a file");
    }
    for (file, key, code) in [
        ("old.zip", "old", 0),
        ("old.zip", "new", 1),
        ("new.zip", "old", 1),
        ("new.zip", "new", 0),
        ("old.zip", "both", 0),
        ("new.zip", "both", 0),
    ] {
        let done = app.run(&["audit", "verify", file, "--key", key]);
        assert_eq!(done.status.code(), Some(code), "{file} with {key}: {}", String::from_utf8_lossy(&done.stderr));
        if python::is_there("a new key") {
            let script = python::folder().join("verify.py");
            let done = Command::new("python3").current_dir(app.home()).arg(script).args([file, "--key", key]).output();
            assert_eq!(done.expect("python3 runs").status.code(), Some(code), "{file} with {key}, in Python");
        }
    }
    let verified = json(app.run(&["verify", "--json"]));
    assert_eq!(verified["ok"], true, "{verified}");
    let log = json(app.run(&["audit", "show", "--log", "access", "--json"]));
    let events: Vec<&str> =
        log["data"].as_array().expect("a list").iter().filter_map(|record| record["event"].as_str()).collect();
    assert_eq!(events, ["export_audit", "rotate_audit_key", "export_audit"]);
}

/// The documented audit events as the table of a warehouse has them, with so many decimals.
fn as_rows(examples: &[String], decimals: usize) -> Vec<u8> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let columns = "id,captured_at,user_id,action,interaction_method,primary_resource_type,primary_resource_id,\
                   secondary_resource_type,secondary_resource_id,old_values,new_values,_fivetran_synced";
    table.write_record(columns.split(',')).expect("a header");
    for (n, line) in examples.iter().enumerate() {
        let event: Value = serde_json::from_str(line).expect("JSON");
        let data = &event["data"];
        let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
        let values = |name: &str| if data[name].is_null() { "{}".to_owned() } else { data[name].to_string() };
        let time = text("timestamp").replace('T', " ").replace('Z', "");
        let (second, fraction) = time.split_once('.').expect("decimals");
        let resource = |name: &str| text(name).replace("CONNECTION", "CONNECTOR");
        let cut = format!("{second}.{}", &fraction[..decimals.min(fraction.len())]);
        table
            .write_record([
                format!("aud_{n}"),
                cut,
                text("userId"),
                text("action"),
                text("interactionMethod"),
                resource("primaryResourceType"),
                text("primaryResourceId"),
                resource("secondaryResourceType"),
                text("secondaryResourceId"),
                values("oldValues"),
                values("newValues"),
                "2025-08-01 00:00:00".to_owned(),
            ])
            .expect("a row");
    }
    table.into_inner().expect("a table")
}

#[test]
fn a_row_of_the_audit_trail_and_its_live_event_are_one_record_however_precise_their_times() {
    let examples: Vec<String> = documented().into_iter().skip(47).take(40).map(|it| it.line.to_owned()).collect();
    let live = examples.join("\n");
    for (decimals, live_first) in [(9, true), (6, true), (6, false), (3, true), (3, false)] {
        let app = Setup::default().env("LIFELINE_RETENTION_AUDIT_DAYS", "off").spawn();
        fs::write(app.home().join("rows.csv"), as_rows(&examples, decimals)).expect("a file");
        let rows = || good(app.run(&["import", "rows.csv"]));
        if live_first {
            app.post_native(&live).expect(200);
            rows();
        } else {
            rows();
            app.post_native(&live).expect(200);
        }
        let records = app.all_of("/v1/audit", "");
        assert_eq!(records.len(), 40, "{decimals} decimals, live first: {live_first}");
        let cases: BTreeSet<_> = records.iter().filter_map(|record| record["use_case"].as_str()).collect();
        assert!(cases.len() > 30, "{cases:?}");
        let verified = json(app.run(&["verify", "--json"]));
        assert_eq!(verified["ok"], true, "{verified}");
    }
}

#[test]
fn two_live_events_are_two_records_however_near() {
    let app = App::spawn();
    let at = |created: &str| {
        format!(
            r#"{{"event":"sync_connection","created":"{created}","data":{{"userId":"u","interactionMethod":"API","action":"SYNC","primaryResourceType":"CONNECTION","primaryResourceId":"c"}}}}"#
        )
    };
    app.post_native([at("2026-07-08T09:00:00Z"), at("2026-07-08T09:00:00.000001Z")].join("\n")).expect(200);
    assert_eq!(app.all_of("/v1/audit", "").len(), 2);
    fs::write(app.home().join("again.ndjson"), at("2026-07-08T09:00:00.000Z")).expect("a file");
    good(app.run(&["import", "again.ndjson"]));
    assert_eq!(app.all_of("/v1/audit", "").len(), 2);
    fs::write(app.home().join("another.ndjson"), at("2026-07-08T09:00:00.001Z")).expect("a file");
    good(app.run(&["import", "another.ndjson"]));
    assert_eq!(app.all_of("/v1/audit", "").len(), 3);
}

#[test]
fn an_altered_record_is_named() {
    // The examples are older than any retention.
    let mut app = Setup::default().env("LIFELINE_RETENTION_AUDIT_DAYS", "off").spawn();
    good(app.run(&["import", fixture("event/documented_events.ndjson").to_str().expect("a path")]));
    app.stop();
    let db = rusqlite::Connection::open(app.data.join("lifeline.db")).expect("the database opens");
    let sql = "UPDATE audit SET body = replace(body, '2025-', '2024-') WHERE log = 1 AND seq = 17";
    assert_eq!(db.execute(sql, []).expect("altered"), 1);
    drop(db);
    for is_running in [false, true] {
        if is_running {
            app.start();
        }
        let done = app.run(&["verify"]);
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(1), "{told}");
        assert!(told.contains("record 17"), "{told}");
    }
}

#[test]
fn what_commands_do_to_a_store_by_themselves_is_recorded() {
    let mut app = App::spawn();
    app.with_token(ADMIN, "GET", "/v1/tokens", b"").expect(200);
    app.stop();
    good(app.run(&["token", "create", "--name", "lake", "--kind", "ingest"]));
    good(app.run(&["token", "revoke", "lake"]));
    good(app.run(&["rebuild"]));
    let log = json(app.run(&["audit", "show", "--log", "access", "--json"]));
    let events: Vec<&str> =
        log["data"].as_array().expect("a list").iter().filter_map(|record| record["event"].as_str()).collect();
    assert_eq!(events, ["start_rebuild", "revoke_token", "create_token"]);
}

#[test]
fn whatever_is_taken_out_of_the_store_is_recorded_beside_a_server_and_without_one() {
    let mut app = App::spawn();
    app.post_native(
        "{\"event\":\"sync_start\",\"created\":\"2026-07-08T09:00:00Z\",\"connection_id\":\"c\"}\nnot an event",
    )
    .expect(200);
    for place in ["server", "store"] {
        if place == "store" {
            app.stop();
        }
        good(app.run(&["export", "events", "--connection-id", "c", "-o", "events.ndjson"]));
        good(app.run(&[
            "export",
            "timeline",
            "c",
            "--format",
            "csv",
            "--to",
            "2027-01-01T00:00:00Z",
            "-o",
            "syncs.csv",
        ]));
        good(app.run(&["backup", &format!("{place}.db")]));
        let failed = app.run(&["quarantine", "replay", "1"]);
        assert!(!failed.status.success(), "it still cannot be read");
    }
    let log = json(app.run(&["audit", "show", "--log", "access", "--json"]));
    let shown = |record: &Value| {
        let changes = record["changes"].as_array().expect("a list").iter();
        let details: Vec<String> =
            changes.map(|it| format!("{}={}", it["field"], it["new"]).replace('"', "")).collect();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let id = text(&record["primary_resource"]["id"]);
        let who = text(&record["actor"]["id"]);
        format!("{who}: {} {} {id} {}", text(&record["event"]), text(&record["action"]), details.join(" "))
    };
    let mut told: Vec<String> = log["data"].as_array().expect("a list").iter().map(shown).collect();
    told.reverse();
    let expected = |who: &str, file: &str| {
        let file = app.home().canonicalize().expect("a folder").join(file);
        [
            format!("{who}: export_events EXPORT all format=ndjson filter=connection_id=c"),
            format!("{who}: export_timeline EXPORT all format=csv filter=connection_id=c&to=2027-01-01T00%3A00%3A00Z"),
            format!("{who}: backup_database EXPORT lifeline.db file={}", file.display()),
            format!("{who}: replay_quarantined REPLAY 1 outcome=still_unreadable"),
        ]
    };
    let all = [expected("control socket", "server.db"), expected("command line", "store.db")].concat();
    assert_eq!(told, all);
}

/// Source: RFC 8032 section 7.1, tests 1 to 3.
const VECTORS: &str = "
import sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
import verify
for public, message, signature in [
    ('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', '',
     'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b'),
    ('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c', '72',
     '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00'),
    ('fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025', 'af82',
     '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a'),
]:
    public, message, signature = (bytes.fromhex(text) for text in (public, message, signature))
    assert verify.is_signed(public, message, signature)
    assert not verify.is_signed(public, message + b'x', signature)
    for at in range(64):
        assert not verify.is_signed(public, message, signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1:])
    # The same point, written with a number that is too large.
    s = int.from_bytes(signature[32:], 'little') + verify.ORDER
    assert not verify.is_signed(public, message, signature[:32] + s.to_bytes(32, 'little'))
";

#[test]
fn the_script_for_auditors_checks_signatures_as_the_standard_says() {
    if python::is_there("its signature check") {
        good(Command::new("python3").args(["-c", VECTORS]).arg(python::folder()).output().expect("python3 runs"));
    }
}

#[test]
fn files_that_cannot_hold_their_proof_have_it_beside_them() {
    let mut app = Setup::default().env("LIFELINE_RETENTION_AUDIT_DAYS", "off").spawn();
    app.post_native(fs::read(fixture("event/documented_events.ndjson")).expect("a fixture")).expect(200);
    let key = good(app.run(&["audit", "key"]));
    fs::write(app.home().join("key.txt"), &key).expect("a file");
    let forms = ["csv", "json", "parquet", "ocsf"];
    let export = |app: &App, form: &str, file: &str| {
        good(app.run(&["export", "audit", "--format", form, "--action", "edit", "-o", file]));
    };
    for form in forms {
        export(&app, form, &format!("served.{form}"));
    }
    app.stop();
    let read = |name: &str| fs::read(app.home().join(name)).expect("a file");
    for form in forms {
        let (served, made) = (format!("served.{form}"), format!("made.{form}"));
        export(&app, form, &made);
        for name in [&served, &made] {
            let report = json(app.run(&["audit", "verify", name, "--key", "key.txt", "--json"]));
            assert_eq!(
                (&report["ok"], &report["filter"]["action"]),
                (&true.into(), &"EDIT".into()),
                "{name}: {report}"
            );
        }
        assert!(read(&served) == read(&made), "{form} differs");
        let beside = format!("{served}.manifest.json");
        assert_eq!(read(&beside), read(&format!("{made}.manifest.json")), "{form}");
        let mut bytes = read(&served);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(app.home().join(&served), &bytes).expect("a file");
        let wrong = app.run(&["audit", "verify", &served]);
        assert_eq!(wrong.status.code(), Some(1), "{form}");
        assert!(String::from_utf8_lossy(&wrong.stderr).contains("sha256"), "{form}");
        fs::remove_file(app.home().join(&beside)).expect("removed");
        let alone = app.run(&["audit", "verify", &served]);
        let told = String::from_utf8_lossy(&alone.stderr).into_owned();
        assert!(alone.status.code() == Some(1) && told.contains(&beside), "{form}: {told}");
        let other = format!("{made}.manifest.json");
        good(app.run(&["audit", "verify", &made, "--manifest", &other]));
        // Of other bytes.
        fs::write(app.home().join(&other), read(&other).split_last().map(|(_, rest)| rest).expect("text"))
            .expect("a file");
        good(app.run(&["audit", "verify", &made]));
        fs::write(app.home().join(&other), b"{}").expect("a file");
        assert_eq!(app.run(&["audit", "verify", &made]).status.code(), Some(1), "{form}");
    }
}
