//! Fivetran's neighbours come in by the same door: a drain of Heroku Connect, reports of backup jobs, data connections of Code42.

use crate::{
    app::{App, INGEST},
    samples::fixture,
};
use serde_json::{Value, json};

const ADD_ON: &str = "683f0847-bd8e-4011-b77a-89a83a6925cf";

/// A line of the add-on's mapping at a time of 28 February 2022.
fn line(time: &str, event: &str, state: &str, level: &str) -> String {
    let event = event.replace('"', "\\\"");
    format!(
        "<190>1 2022-02-28T{time}+00:00 host app herokuconnect - event=\"{event}\" addon_id={ADD_ON} \
         app_name=dhdev-1101 object_type=mapping object_id=2a2a5511 object_name=Broker__c state={state} level={level}\n"
    )
}

/// Delivers lines as one drain's request.
fn drain(app: &App, lines: &[String]) {
    let body: String = lines.iter().map(|line| format!("{} {line}", line.len())).collect();
    let authorization = format!("Bearer {INGEST}");
    let count = lines.len().to_string();
    let headers = [
        ("Authorization", authorization.as_str()),
        ("Content-Type", "application/logplex-1"),
        ("Logplex-Msg-Count", &count),
        ("Logplex-Frame-Id", "09C557EAFCFB6CF2740EE62F62971098"),
    ];
    let answer = app.send("POST", "/v1/drains/logplex", &headers, body.as_bytes());
    assert!(matches!(answer.status, 200 | 204) && answer.body.is_empty(), "{} {}", answer.status, answer.text());
}

/// The documented reload as a drain carries it.
fn reload() -> Vec<String> {
    let text = std::fs::read_to_string(fixture("systems/heroku_connect/reload.log")).expect("the documented lines");
    let framed = |line: &str| {
        let (time, rest) = line.split_once(" app[herokuconnect]: ").expect("a printed line");
        format!("<190>1 {time} host app herokuconnect - {rest}\n")
    };
    text.lines().map(framed).collect()
}

fn stages(app: &App, id: &str) -> (Value, Vec<String>) {
    let timeline = app.get_json(&format!("/v1/connections/{id}/timeline"));
    let names = timeline["stages"].as_array().expect("stages").iter();
    let names = names.map(|stage| stage["stage"].as_str().unwrap_or_default().to_owned()).collect();
    (timeline, names)
}

#[test]
fn a_drain_makes_an_add_on_a_connection_with_mappings() {
    let app = App::spawn();
    drain(&app, &reload());
    drain(&app, &reload());
    let events = app.all_events("source=heroku_connect&order=asc");
    assert_eq!(events.len(), 6);
    assert!(events.iter().all(|event| event["deliveries"] == 2 && event["validation"]["status"] == "valid"));
    assert_eq!((&events[0]["connection_id"], &events[0]["delivery"]["protocol"]), (&json!(ADD_ON), &json!("logplex")));
    assert_eq!(events.iter().filter(|event| event["level"] == "FINE").count(), 1, "one of them is debug");
    let one = app.get_json(&format!("/v1/events/{}", events[0]["id"].as_str().expect("an id")));
    assert!(one["raw"].as_str().is_some_and(|raw| raw.contains("event=\"RELOAD TABLE broker__c\" addon_id=")), "{one}");

    let (timeline, names) = stages(&app, ADD_ON);
    assert_eq!(names, ["sync"]);
    let sync = &timeline["stages"][0];
    assert_eq!((&sync["kind"], &sync["status"]), (&json!("resync"), &json!("SUCCESSFUL")));
    assert_eq!(sync["tables"][0]["rows"], json!({"INSERT": 8}));
    let connection = &timeline["connection"];
    assert_eq!((&connection["status"], &connection["source"]), (&json!("connected"), &json!("heroku_connect")));
    assert_eq!(connection["mappings"][0]["name"], "Broker__c");
    assert_eq!(connection["mappings"][0]["rows"][1]["rows"], 8);
}

#[test]
fn an_error_of_a_mapping_is_an_incident_until_its_rows_move_again() {
    let app = App::spawn();
    let error = "(psycopg2.IntegrityError) duplicate key value violates unique constraint \"lead_idx\"";
    drain(
        &app,
        &[
            line("10:00:00.000001", "Broker__c QUERY ↷SALESFORCE 8 rows (0.15 secs)", "IDLE", "info"),
            line("10:05:00.000001", error, "IDLE", "error"),
            line(
                "10:05:01.000001",
                "Too many sync errors. Sync operations may be disabled for up to 15 minute(s).",
                "IDLE",
                "error",
            ),
        ],
    );
    let open = app.get_json(&format!("/v1/incidents?connection_id={ADD_ON}&open=true"));
    assert_eq!(open["data"][0]["reason"], error);
    assert!(
        open["data"][0]["diagnosis"]["code"].as_str().is_some_and(|code| code.starts_with("heroku_connect.")),
        "{open}"
    );
    let connection = app.get_json(&format!("/v1/connections/{ADD_ON}"));
    assert_eq!(connection["status"], "broken");
    assert_eq!(connection["mappings"][0]["back_off_until"], "2022-02-28T10:20:01.000001Z");
    drain(&app, &[line("10:25:00.000001", "Broker__c UPDATE ↓DATABASE 8 rows (0.15 secs)", "IDLE", "info")]);
    let (timeline, names) = stages(&app, ADD_ON);
    assert_eq!(names, ["broken", "recovered"]);
    assert_eq!(timeline["incidents"][0]["duration_ms"], 1_200_000);
}

#[test]
fn a_report_of_a_backup_is_a_sync_with_its_objects() {
    let app = App::spawn();
    let report = json!({"Run ID": "run-7", "Org Id": "00D000", "Policy Name": "Nightly", "Job Type": "Backup",
        "Job Status": "Completed with Errors", "Start Time": "2026-07-07T01:00:00Z", "Finish Time": "2026-07-07T01:20:00Z",
        "objects": [{"object": "Account", "status": "SUCCESS", "records": 1204}, {"object": "Secret__c", "status": "NOT_VISIBLE"}]});
    app.post_native(report.to_string()).expect(200);
    let (timeline, names) = stages(&app, "00D000");
    assert_eq!(names, ["sync", "broken"]);
    assert_eq!(timeline["stages"][0]["reason"], "of 2 objects 1 not visible: NOT_VISIBLE");
    assert_eq!(timeline["incidents"][0]["reason"], "of 2 objects 1 not visible: NOT_VISIBLE");
    let code = timeline["incidents"][0]["diagnosis"]["code"].as_str().unwrap_or_default();
    assert!(code.starts_with("salesforce_backup.not_visible"), "{code}");
    let events = app.all_events("source=salesforce_backup");
    assert_eq!(events.len(), 4);
    let hidden =
        events.iter().find(|event| event["data"]["object_status"] == "NOT_VISIBLE").expect("the hidden object");
    let one = app.get_json(&format!("/v1/events/{}", hidden["id"].as_str().expect("an id")));
    assert_eq!(one["diagnosis"]["code"], timeline["incidents"][0]["diagnosis"]["code"]);
}

#[test]
fn a_data_connection_breaks_and_is_monitored_again() {
    let app = App::spawn();
    let message = "The Salesforce service account user that authorized this data connection has been frozen. \
        Unfreeze the user account to return this data connection to monitoring.";
    let status = |at: &str, status: &str, message: Option<&str>| {
        json!({"source": "code42", "data_connection_id": "dc-1", "data_connection_name": "Salesforce", "status": status,
            "message": message, "timestamp": at})
        .to_string()
    };
    app.post_native(status("2026-07-07T10:00:00Z", "Error", Some(message))).expect(200);
    assert_eq!(app.get_json("/v1/connections/dc-1")["status"], "broken");
    let incident = app.get_json("/v1/incidents?connection_id=dc-1");
    assert!(
        incident["data"][0]["diagnosis"]["code"].as_str().is_some_and(|code| code.starts_with("code42.")),
        "{incident}"
    );
    app.post_native(status("2026-07-07T10:20:00Z", "Monitoring", None)).expect(200);
    let (timeline, names) = stages(&app, "dc-1");
    assert_eq!(names, ["broken", "recovered"]);
    assert_eq!(
        (&timeline["connection"]["status"], &timeline["incidents"][0]["reason"]),
        (&json!("connected"), &json!(message))
    );
}

#[test]
fn a_damaged_line_waits_in_quarantine_with_its_reason() {
    let app = App::spawn();
    drain(&app, &[line("10:00:00.000001", "x", "IDLE", "info").replace("event=\"x\"", "event=\"x")]);
    let waiting = app.get_json("/v1/quarantine");
    assert_eq!(waiting["data"][0]["reason"], "a line of Heroku Connect with a quote that is not closed");
}
