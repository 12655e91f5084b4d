//! Questions in SQL on the command line: beside a running server and without one, for people and for programs.

use crate::{
    app::{App, err, out},
    samples::numbered,
};
use serde_json::{Value, json};
use std::{
    io::Write as _,
    process::Stdio,
    time::{Duration, Instant},
};

const QUESTION: &str =
    "SELECT created, event, level, connection_id, connection_name AS name, json_extract(data, '$.count') AS n, data
    FROM events ORDER BY created_us, id";

#[track_caller]
fn good(app: &App, args: &[&str]) -> String {
    let done = app.command().args(args).env("COLUMNS", "100").output().expect("the binary runs");
    assert_eq!((done.status.code(), err(&done).as_str()), (Some(0), ""), "{args:?}");
    out(&done)
}

fn fill(app: &App) {
    let lines = [
        json!({"event": "sync_start", "created": "2026-07-06T09:10:00Z", "connection_id": "brave_otter", "connection_name": "=shop"}),
        json!({"event": "records_modified", "created": "2026-07-06T09:11:01.5Z", "connection_id": "brave_otter",
            "data": {"schema": "public", "table": "orders", "operationType": "UPDATED", "count": 1200}}),
        json!({"event": "sync_end", "created": "2026-07-06T09:12:03Z", "connection_id": "calm_heron",
            "data": {"status": "FAILURE", "reason": "say \"no\",\r\n\u{1b}[2Jand go"}}),
        json!({"event": "create_user", "created": "2026-07-06T10:00:00.123456789Z", "data": {"user": "日本語"}}),
    ];
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    app.post_native(lines.join("\n")).expect(200);
}

#[test]
fn a_question_has_the_same_answer_with_and_without_a_server() {
    let mut app = App::spawn();
    fill(&app);
    let forms =
        |app: &App| ["table", "csv", "json", "ndjson"].map(|form| good(app, &["sql", "--format", form, QUESTION]));
    let beside = forms(&app);
    let [table, csv, json, ndjson] = &beside;
    insta::assert_snapshot!("sql_table", table);
    insta::assert_snapshot!("sql_csv", csv.replace('\r', "␍"));
    insta::assert_snapshot!("sql_json", json);
    let list: Vec<Value> = serde_json::from_str(json).expect("a list");
    let lines: Vec<Value> = ndjson.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!(list, lines);
    app.stop();
    assert_eq!(forms(&app), beside);
    app.start();
    assert_eq!(forms(&app), beside, "the server starts over what the question left");
    fill(&app);
    assert_eq!(good(&app, &["sql", "--format", "csv", "SELECT sum(deliveries) AS n FROM events"]), "n\r\n8\r\n");
}

#[test]
fn rows_of_events_say_what_the_interface_says() {
    let app = App::spawn();
    fill(&app);
    app.post_native((0..300).map(|n| numbered("many", n)).collect::<Vec<_>>().join("\n")).expect(200);
    let rows: Vec<Value> =
        serde_json::from_str(&good(&app, &["sql", "--format", "json", "SELECT * FROM events ORDER BY created_us, id"]))
            .expect("a list");
    let served = app.all_events("order=asc");
    assert_eq!(rows.len(), served.len());
    for (row, event) in rows.iter().zip(&served) {
        for name in [
            "id",
            "source",
            "event",
            "family",
            "level",
            "created",
            "received",
            "connection_id",
            "connection_name",
            "connector_type",
            "sync_id",
            "exception_id",
            "destination",
            "deliveries",
        ] {
            assert_eq!(row[name], event[name], "{name}");
        }
        let data: Value = row["data"].as_str().map_or(Value::Null, |text| serde_json::from_str(text).expect("JSON"));
        assert_eq!(data, event["data"]);
        assert_eq!(row["validation"], event["validation"]["status"]);
        let one = app.get_json(&format!("/v1/events/{}", event["id"].as_str().expect("an id")));
        assert_eq!(row["raw"], one["raw"]);
    }
}

#[test]
fn a_statement_may_come_by_standard_input() {
    let app = App::spawn();
    fill(&app);
    let mut child = app
        .command()
        .args(["sql", "--format", "ndjson", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    child.stdin.take().expect("a pipe").write_all(b"SELECT count(*) AS n\nFROM events;\n").expect("it reads");
    let done = child.wait_with_output().expect("it ends");
    assert_eq!((done.status.code(), out(&done).as_str()), (Some(0), "{\"n\":4}\n"));
}

#[test]
fn what_is_no_question_is_refused() {
    let app = App::spawn();
    fill(&app);
    for (statement, told) in [
        ("DELETE FROM event", "error: only questions are answered, and this is none: it deletes from event\n"),
        ("ATTACH 'x.db' AS x", "error: only questions are answered, and this is none: it attaches a file\n"),
        (
            "PRAGMA journal_mode = DELETE",
            "error: only questions are answered, and this is none: it uses the pragma journal_mode\n",
        ),
        ("SELECT nme\u{1b}[2J FROM events", "error: unrecognized token: \"\u{fffd}\", at: \u{fffd}[2J FROM events\n"),
        ("SELECT nme FROM events", "error: no such column: nme, at: nme FROM events\n"),
    ] {
        let done = app.run(&["sql", statement]);
        assert_eq!((done.status.code(), err(&done).as_str(), out(&done).as_str()), (Some(2), told, ""), "{statement}");
    }
    assert_eq!(app.all_events("").len(), 4);
    let elsewhere = app.home().join("none");
    let done = app.command().env("LIFELINE_DATA_DIR", &elsewhere).args(["sql", "SELECT 1"]).output().expect("it runs");
    assert_eq!(done.status.code(), Some(1));
    assert!(err(&done).contains("there is no database in"), "{}", err(&done));
    assert!(!elsewhere.exists(), "a question makes nothing");
}

const ENDLESS: &str = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT sum(n) FROM n";

#[test]
fn a_question_ends_after_its_time_and_at_ctrl_c() {
    let app = App::spawn();
    fill(&app);
    let done = app.run(&["sql", "--timeout-s", "1", ENDLESS]);
    let told = "error: no whole answer within 1 s; ask for less at once, or allow more with --timeout-s\n";
    assert_eq!((done.status.code(), err(&done).as_str()), (Some(1), told));

    let child =
        app.command().args(["sql", "--timeout-s", "0", ENDLESS]).stderr(Stdio::piped()).spawn().expect("it runs");
    std::thread::sleep(Duration::from_millis(1_500));
    let asked = Instant::now();
    let sent = std::process::Command::new("sh").arg("-c").arg(format!("kill -INT {}", child.id())).status();
    assert!(sent.is_ok_and(|status| status.success()));
    let done = child.wait_with_output().expect("it ends");
    assert!(asked.elapsed() < Duration::from_secs(20));
    assert!(matches!(done.status.code(), Some(1 | 130)), "{:?}: {}", done.status, err(&done));
    assert_eq!(app.all_events("").len(), 4, "the server goes on");
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let app = App::spawn();
    app.post_native((0..2_000).map(|n| numbered("many", n)).collect::<Vec<_>>().join("\n")).expect(200);
    let many = "SELECT a.raw FROM events AS a, events AS b";
    let mut child = app
        .command()
        .args(["sql", "--format", "ndjson", many])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    drop(child.stdout.take());
    let done = child.wait_with_output().expect("it ends");
    assert_eq!((done.status.code(), err(&done).as_str()), (Some(0), ""));
}
