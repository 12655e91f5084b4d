//! Back-fill from the tables of Fivetran's Platform Connector, and imports that are stopped half-way.

use crate::{
    app::{App, Setup, command},
    samples::{fixture, gzip, numbered},
};
use serde_json::{Value, json};
use std::{
    fs,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

fn path(name: &str) -> String {
    fixture(&format!("platform/{name}")).to_str().expect("a path in UTF-8").to_owned()
}

fn import(app: &App, args: &[&str]) -> Value {
    let mut all = vec!["import", "--json"];
    all.extend_from_slice(args);
    let done = app.run(&all);
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).expect("--json prints JSON")
}

#[test]
fn rows_of_the_platform_connector_become_events() {
    let app = App::spawn();
    let done = import(
        &app,
        &[
            &path("log_rows_new_schema.csv"),
            &path("connection_rows.csv"),
            &path("audit_trail_rows.csv"),
            &path("connector_sdk_log_rows.csv"),
        ],
    );
    assert_eq!(done["quarantined"], 0, "{done}");
    let of = |query: &str| app.all_events(query);

    // The live row of a connection names it, not the deleted one; CONNECTION is read first wherever it stands.
    let syncs = of("connection_id=this_connection&event=sync_end");
    assert_eq!(syncs.len(), 2);
    for sync in &syncs {
        assert_eq!(sync["connection_name"], "this_connection");
        assert_eq!(sync["connector_type"], "s3");
        assert_eq!(sync["destination"], "ups_trampoline");
        assert_eq!(sync["sync_id"], "456abc");
        assert_eq!(sync["validation"]["status"], "valid");
        assert_eq!(sync["delivery"]["protocol"], "import");
    }
    assert_eq!(syncs[0]["created"], "2021-12-10T14:27:00.504Z");
    let warning = &of("connection_id=legislative_lazy&event=warning")[0];
    assert_eq!((&warning["level"], &warning["data"]["type"]), (&json!("WARNING"), &json!("table_excluded_by_system")));
    let large = of("q=11624686068");
    assert_eq!(large[0]["data"]["count"], json!(11_624_686_068_u64));
    let drifted: Vec<Value> =
        of("event=extract_summary&order=asc").iter().map(|event| event["data"]["total_queries"].clone()).collect();
    assert_eq!(drifted, [json!(15), json!(5)], "totalQueries is total_queries");
    let odd = &of("event=status")[0];
    assert_eq!(odd["connection_id"], "intrinsic_departed");
    assert_eq!(odd["validation"]["status"], "invalid", "its data is no JSON: {odd}");
    let whole = app.get_json(&format!("/v1/events/{}", odd["id"].as_str().expect("an id")));
    assert!(whole["raw"].as_str().is_some_and(|raw| raw.contains("says actor but not a json")));
    let made = &of("event=create_connection&family=dashboard")[0];
    assert_eq!(made["created"], "2023-11-09T11:31:31.579Z", "padding of the export is no precision");

    let audit = of("family=audit_trail&order=asc");
    let fields: Vec<(&str, &str)> = audit
        .iter()
        .map(|event| {
            (event["event"].as_str().unwrap_or_default(), event["data"]["userId"].as_str().unwrap_or_default())
        })
        .collect();
    let expected = [
        ("create_connection", "barista_fibula"),
        ("edit_connection", "backlog_jack"),
        ("edit_user", "barista_fibula"),
        ("edit_destination", "backlog_jack"),
    ];
    assert_eq!(&fields[..4], expected);
    assert_eq!(audit[0]["connection_id"], "this_connection");
    assert_eq!(audit[1]["data"]["newValues"], json!({"paused": false}));

    let levels: Vec<Value> = of("q=connector_sdk&order=asc").iter().map(|event| event["level"].clone()).collect();
    assert_eq!(&levels[..4], [json!("INFO"), json!("WARNING"), json!("SEVERE"), json!("SEVERE")]);

    let stored = of("").len();
    let again = import(&app, &["--restart", &path("log_rows_new_schema.csv"), &path("connection_rows.csv")]);
    assert_eq!(again["accepted"], 0, "{again}");
    assert_eq!(of("").len(), stored);
}

#[test]
fn rows_before_the_renaming_of_connectors_are_read_too() {
    let app = App::spawn();
    let done = import(&app, &[&path("log_rows_2021_schema.csv")]);
    let rows = fs::read_to_string(path("log_rows_2021_schema.csv")).expect("the fixture").lines().count() - 1;
    assert_eq!(done["records"], rows);
    assert_eq!(
        done["accepted"].as_u64().zip(done["duplicates"].as_u64()).map(|(new, old)| new + old),
        Some(rows as u64)
    );
    let sync = &app.all_events("event=sync_end&connection_id=intrinsic_departed")[0];
    assert_eq!(sync["created"], "2021-12-09T14:27:00.504Z");
    assert_eq!(sync["sync_id"], Value::Null);
}

#[test]
fn a_live_event_and_its_imported_row_are_one() {
    let app = App::spawn();
    app.post_hec(r#"{"event":{"event":"records_modified","data":{"schema":"instagram_business","count":4,"operationType":"REPLACED_OR_INSERTED","table":"fivetran_audit"},"created":"2021-12-09T14:26:52.433Z","connector_type":"instagram_business","connector_id":"this_connection","connector_name":"this_connection","connection_id":"this_connection","connection_name":"this_connection","sync_id":"456abc"}}"#)
        .expect(200);
    import(&app, &[&path("log_rows_new_schema.csv")]);
    let stored = app.all_events("event=records_modified&from=2021-12-09T14:26:52.433Z&to=2021-12-09T14:26:52.434Z");
    assert_eq!(stored.len(), 1, "{stored:?}");
    assert_eq!(stored[0]["deliveries"], 2);
}

#[test]
fn an_import_that_was_killed_goes_on_where_it_was() {
    const EVENTS: u64 = 20_000;
    let mut app = App::spawn();
    app.stop();
    let file = app.home().join("large.ndjson.gz");
    let lines: Vec<String> = (0..EVENTS).map(|n| numbered("large", n)).collect();
    fs::write(&file, gzip(lines.join("\n").as_bytes())).expect("a file");
    let file = file.to_str().expect("a path in UTF-8");
    let data = [("LIFELINE_DATA_DIR".to_owned(), app.data.to_str().expect("a path in UTF-8").to_owned())];
    let mut first = command(app.home(), &data)
        .args(["import", file])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let deadline = Instant::now() + Duration::from_secs(60);
    let marked = |app: &App| fs::read_dir(app.data.join("import")).is_ok_and(|mut entries| entries.next().is_some());
    while !marked(&app) && first.try_wait().is_ok_and(|status| status.is_none()) {
        assert!(Instant::now() < deadline, "no mark of progress");
        thread::sleep(Duration::from_millis(5));
    }
    let _ = first.kill();
    first.wait().expect("a killed process ends");
    let done = import(&app, &[file]);
    let before = done["files"][0]["imported_before"].as_u64().expect("what was imported before");
    assert!(before > 0, "{done}");
    assert_eq!(done["records"].as_u64(), Some(EVENTS - before), "{done}");
    app.start();
    assert_eq!(app.metric("lifeline_store_events", ""), EVENTS as f64);
    let third = import(&app, &[file]);
    assert_eq!(
        (&third["records"], &third["accepted"]),
        (&json!(0), &json!(0)),
        "beside a running server, too: {third}"
    );
}

#[test]
fn an_import_without_a_server_leaves_nothing_running_or_locked() {
    let mut app = Setup::default().prepare();
    let file = app.home().join("one.ndjson");
    fs::write(&file, format!("{}\nbroken\n", numbered("offline", 1))).expect("a file");
    let file = file.to_str().expect("a path in UTF-8").to_owned();
    let dry = import(&app, &["--dry-run", &file]);
    assert_eq!((&dry["accepted"], &dry["quarantined"]), (&json!(1), &json!(1)), "{dry}");
    assert!(!app.data.join("lifeline.db").exists(), "a dry run writes nothing");
    let done = import(&app, &[&file]);
    assert_eq!((&done["accepted"], &done["quarantined"]), (&json!(1), &json!(1)), "{done}");
    app.start();
    assert_eq!(app.all_events("connection_id=offline").len(), 1);
    let item = &app.all_of("/v1/quarantine", "")[0];
    assert_eq!((&item["protocol"], &item["size_bytes"]), (&json!("import"), &json!(6)));
}
