//! From rows to blocks and back with the command: what is exported does not change by a byte.

use crate::{
    app::{App, Setup, err, out},
    samples::{documented, hec_body, numbered},
};
use serde_json::Value;
use std::{fs, path::Path, time::Duration};

/// A server that keeps rows, with events of every kind, some of them told differently by a second road.
fn with_rows() -> App {
    let app = Setup::default().env("LIFELINE_LAYOUT", "rows").spawn();
    let made = app.run(&["simulate", "--events", "3000", "--seed", "5", "--connections", "6"]);
    assert!(made.status.success(), "{}", err(&made));
    let lines = out(&made);
    app.post_native(&lines).expect(200);
    let documented: Vec<String> = documented().into_iter().map(|event| event.line).collect();
    app.post_native(documented.join("\n")).expect(200);
    let second: Vec<String> = lines.lines().step_by(7).map(str::to_owned).collect();
    second.chunks(100).for_each(|part| drop(app.post_hec(hec_body(part)).expect(200)));
    let large = numbered("large", 1).replace("\"large\"", &format!("\"large\",\"text\":\"{}\"", "x".repeat(50_000)));
    app.post_native(large).expect(200);
    app
}

#[track_caller]
fn good(app: &App, args: &[&str]) -> String {
    let done = app.run(args);
    assert!(done.status.success(), "{args:?}: {}{}", out(&done), err(&done));
    out(&done)
}

/// Everything that leaves the store, as bytes.
fn exported(app: &App) -> Vec<String> {
    [
        &["export", "events"][..],
        &["export", "events", "--order", "desc", "--level", "SEVERE"],
        &["export", "events", "--connection-id", "large"],
        &["export", "timeline", "--all", "--format", "csv"],
        &["connections", "--json"],
        &["sql", "--format", "csv", "SELECT * FROM events ORDER BY created_us, id"],
        &["sql", "--format", "csv", "SELECT * FROM fivetran_platform__audit_table"],
        &["audit", "show", "--json", "--limit", "1000"],
    ]
    .iter()
    .map(|args| good(app, args))
    .map(|text| {
        // Ages go on while the test runs.
        text.lines().filter(|line| !line.contains("as_of")).collect::<Vec<_>>().join("\n")
    })
    .collect()
}

fn json(app: &App, args: &[&str]) -> Value {
    serde_json::from_str(&good(app, args)).expect("JSON")
}

fn size(data: &Path) -> u64 {
    fs::metadata(data.join("lifeline.db")).expect("the database").len()
}

#[test]
fn nothing_that_leaves_the_store_changes_when_it_is_migrated() {
    let mut app = with_rows();
    let refused = app.run(&["migrate", "--to", "blocks"]);
    assert_eq!((refused.status.code(), out(&refused).as_str()), (Some(1), ""));
    assert!(err(&refused).contains("is in use by process"), "{}", err(&refused));
    app.stop();
    let before = exported(&app);
    let rows = json(&app, &["migrate", "--json"]);
    assert_eq!((rows["to"].as_str(), rows["moved"].as_u64()), (Some("rows"), Some(0)), "as the settings say: {rows}");
    let (events, was) = (rows["after"]["rows"].as_u64().expect("a count"), size(&app.data));
    assert!(events > 3000);

    app.set_env("LIFELINE_LAYOUT", "blocks");
    let told = good(&app, &["migrate"]);
    assert!(told.contains("rows became blocks in") && told.contains("every event was compared"), "{told}");
    assert!(told.contains("1 row stayed: larger than 32 KiB"), "{told}");
    assert_eq!(exported(&app), before);
    let again = json(&app, &["migrate", "--json", "--shrink"]);
    assert_eq!((again["moved"].as_u64(), again["after"]["rows"].as_u64()), (Some(0), Some(1)), "{again}");
    assert_eq!(again["after"]["block_events"].as_u64(), Some(events - 1));
    assert_eq!(again["shrunk"]["after_bytes"].as_u64(), Some(size(&app.data)));
    assert!(size(&app.data) < was, "{} {was}", size(&app.data));
    assert_eq!(exported(&app), before);
    good(&app, &["verify"]);
    let noted = good(&app, &["audit", "show", "--log", "access", "--json"]);
    assert!(noted.contains("migrate_store"), "{noted}");

    // The server goes on with it: what is known is known, and it says where events are.
    app.start();
    assert_eq!(exported(&app), before, "beside a server");
    app.post_native(numbered("later", 1)).expect(200);
    assert_eq!(app.metric("lifeline_store_events", ""), (events + 1) as f64);
    assert_eq!(app.metric("lifeline_store_block_events", ""), (events - 1) as f64);
    assert_eq!(app.metric("lifeline_store_journal_events", ""), 1.0);
    assert!(app.metric("lifeline_store_blocks", "") >= 1.0);
    let sound = good(&app, &["doctor"]);
    assert!(sound.contains("in the journal, 1 rows"), "{sound}");
    app.stop();

    let back = json(&app, &["migrate", "--to", "rows", "--json"]);
    assert_eq!(back["after"]["rows"].as_u64(), Some(events + 1));
    assert_eq!((back["after"]["blocks"].as_u64(), back["after"]["journal_events"].as_u64()), (Some(0), Some(0)));
    let files = fs::read_dir(&app.data).expect("the directory").map(|entry| entry.expect("an entry").file_name());
    assert!(files.into_iter().all(|name| !name.to_string_lossy().contains("etilqs")));
}

#[test]
fn a_migration_that_is_killed_goes_on() {
    let mut app = with_rows();
    app.stop();
    let before = exported(&app);
    app.set_env("LIFELINE_LAYOUT", "blocks");
    for ms in [0, 5, 10, 20, 40, 80, 160] {
        let mut child =
            app.command().args(["migrate", "--json"]).stdout(std::process::Stdio::null()).spawn().expect("it starts");
        std::thread::sleep(Duration::from_millis(ms));
        let _ = child.kill();
        child.wait().expect("it ends");
    }
    assert_eq!(exported(&app), before);
    good(&app, &["migrate"]);
    assert_eq!(json(&app, &["migrate", "--json"])["after"]["rows"].as_u64(), Some(1));
    assert_eq!(exported(&app), before);
}

#[test]
fn a_directory_without_a_store_gets_none() {
    let mut app = App::spawn();
    app.stop();
    let nowhere = app.home().join("nowhere");
    let done = app.run(&["migrate", "--data-dir", nowhere.to_str().expect("a path")]);
    assert_eq!(done.status.code(), Some(1));
    assert!(err(&done).contains("there is no database in"), "{}", err(&done));
    assert!(!nowhere.exists());
}
