//! Fivetran's neighbours come in by the same door: a drain of Heroku Connect, reports of backup jobs, data connections of Code42.

use crate::{
    app::{ADMIN, App, INGEST},
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

/// Without what `heroku logs` prints in front.
fn bare_lines(text: &str) -> String {
    text.lines().filter_map(|line| Some(format!("{}\n", line.split_once("]: ")?.1))).collect()
}

#[test]
fn several_lines_in_one_text_are_several_events_also_out_of_quarantine() {
    let text = std::fs::read_to_string(fixture("systems/heroku_connect/reload.log")).expect("the documented lines");
    for text in [text.clone(), bare_lines(&text)] {
        let app = App::spawn();
        // As it came to quarantine: behind a line that is nobody's.
        app.post_native(json!([{"message": format!("hello\n{text}")}]).to_string()).expect(200);
        app.post_hec(json!({"time": 1_795_180_330, "event": format!("{text}\nhello")}).to_string()).expect(200);
        let events = app.all_events("source=heroku_connect");
        assert_eq!(events.len(), 6, "{events:?}");
        let waiting = app.all_of("/v1/quarantine", "");
        assert_eq!(waiting.len(), 2, "{waiting:?}");
    }
    let app = App::spawn();
    // Not what HEC takes as an event: the body waits as it is.
    for (text, left) in [(text.clone(), 0), (bare_lines(&text), 0), (format!("{text}hello"), 1)] {
        let app = App::spawn();
        app.post_hec(&text).expect(400);
        let id = app.all_of("/v1/quarantine", "")[0]["id"].to_string().replace('"', "");
        let answer = app.with_token(ADMIN, "POST", &format!("/v1/quarantine/{id}/replay"), b"");
        let answer = answer.expect(200).json();
        assert_eq!((&answer["accepted"], &answer["quarantined"]), (&json!(6), &json!(left)), "{answer}");
        assert_eq!(app.all_events("source=heroku_connect").len(), 6);
        assert_eq!(app.all_of("/v1/quarantine", "").len(), left, "only the line that is nobody's");
    }
    app.post_native(format!("{{\"torn\":\n{text}")).expect(200);
    assert_eq!(app.all_events("source=heroku_connect").len(), 6);
}

#[test]
fn log_lines_are_taken_natively_between_objects_and_junk_is_refused() {
    let app = App::spawn();
    let text = std::fs::read_to_string(fixture("systems/heroku_connect/reload.log")).expect("the documented lines");
    let event = r#"{"event":"sync_end","created":"2026-07-07T16:35:14.456Z","connection_id":"a","data":{"status":"SUCCESSFUL"}}"#;
    let frozen =
        "The Salesforce service account user that authorized this data connection has been frozen. Unfreeze it.";
    let answer = app.post_native(format!("{event}\n{text}{frozen}\n{event}\nhello\n")).expect(200).json();
    assert_eq!((&answer["accepted"], &answer["duplicates"], &answer["quarantined"]), (&json!(8), &json!(1), &json!(1)));
    let quoted = Value::from_iter(text.lines()).to_string();
    assert_eq!(app.post_native(quoted).expect(200).json()["duplicates"], 6);
    for junk in ["hello", "a,b\n1,2\n", "event=start other=1", "\"hello\""] {
        app.post_native(junk).expect(400);
    }
}

#[test]
fn files_of_neighbours_are_imported_beside_a_running_server_and_checked_without_one() {
    let app = App::spawn();
    let log = fixture("systems/heroku_connect/reload.log");
    let log = log.to_str().expect("a path");
    let done = app.run(&["import", "--json", log]);
    let summary: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!((&summary["accepted"], &summary["quarantined"]), (&json!(6), &json!(0)), "{summary}");
    assert_eq!(app.all_events("source=heroku_connect").len(), 6);
    let status = json!({"source": "code42", "data_connection_id": "dc-1", "status": "Error", "timestamp": "2026-07-07T10:00:00Z"});
    let report = json!({"run_id": "r", "org_id": "o", "job_type": "Backup", "job_status": "Completed",
        "start": "2026-07-07T01:00:00Z", "finish": "2026-07-07T02:00:00Z", "objects": [{"object": "Account", "status": "SUCCESS"}]});
    let other = app.home().join("others.ndjson");
    std::fs::write(&other, format!("{status}\n{report}\n")).expect("written");
    let done = app.run(&["check", "--json", log, other.to_str().expect("a path")]);
    let found: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(
        (done.status.code(), &found["valid"], &found["unreadable"]),
        (Some(0), &json!(10), &json!(0)),
        "{found}"
    );
    assert_eq!(found["events"]["salesforce_backup_object"]["valid"], 1);
}

#[test]
fn a_report_sent_while_the_job_runs_and_after_it_tells_of_each_object_once() {
    let app = App::spawn();
    let mut report = json!({"runId": "a", "orgId": "00D000000000002", "jobType": "Restore", "status": "In Progress",
        "startTime": "2026-07-01T01:00:00Z",
        "objects": [{"object": "Account", "status": "UNABLE_TO_LOCK_ROW", "message": "unable"}]});
    app.post_native(report.to_string()).expect(200);
    report["status"] = json!("Failed");
    report["finishTime"] = json!("2026-07-01T02:00:00Z");
    app.post_native(report.to_string()).expect(200);
    assert_eq!(app.all_events("event=salesforce_backup_object").len(), 1);
    let sync = app.get_json("/v1/connections/00D000000000002/syncs/a");
    assert_eq!((&sync["errors"], &sync["job_type"]), (&json!(1), &json!("RESTORE")));
    assert_eq!(sync["tables"][0]["status"], "UNABLE_TO_LOCK_ROW");
    assert!(sync["summary"].as_str().is_some_and(|text| text.starts_with("restore failed after 1 h")), "{sync}");
}

#[test]
fn a_connection_of_each_system_is_reached_where_ids_are_equal() {
    let app = App::spawn();
    let status =
        |at: &str| json!({"source": "code42", "data_connection_id": ADD_ON, "status": "Monitoring", "timestamp": at});
    drain(&app, &reload());
    app.post_native(status("2021-01-01T00:00:00Z").to_string()).expect(200);
    let source = |path: &str| app.get_json(path)["source"].as_str().map(str::to_owned);
    let path = format!("/v1/connections/{ADD_ON}");
    assert_eq!(source(&path).as_deref(), Some("heroku_connect"), "heard of last");
    app.post_native(status("2026-07-07T00:00:00Z").to_string()).expect(200);
    assert_eq!(source(&path).as_deref(), Some("code42"));
    for system in ["heroku_connect", "code42"] {
        assert_eq!(source(&format!("{path}?source={system}")).as_deref(), Some(system));
        let timeline = app.get_json(&format!("{path}/timeline?source={system}"));
        assert_eq!(timeline["connection"]["source"], system);
        assert_eq!(
            app.all_of(&format!("{path}/syncs"), &format!("source={system}")).len(),
            usize::from(system != "code42")
        );
        for rest in ["schema-changes", "daily"] {
            app.get(&format!("{path}/{rest}?source={system}")).expect(200);
        }
    }
    let syncs = app.all_of(&format!("{path}/syncs"), "source=heroku_connect");
    let sync = syncs[0]["sync_id"].as_str().expect("an id").replace(' ', "%20");
    assert_eq!(app.get_json(&format!("{path}/syncs/{sync}?source=heroku_connect"))["kind"], "resync");
    app.get(&format!("{path}/syncs/{sync}?source=code42")).expect(404);
    app.get(&format!("{path}?source=fivetran")).expect(404);
    app.get(&format!("{path}?source=x")).expect(400);
    let ids = |source| {
        let made = app.run(&["simulate", "--source", source, "--events", "1", "--connections", "1", "--seed", "7"]);
        String::from_utf8(made.stdout).expect("text")
    };
    let id =
        |text: &str| text.split(['"', '=', ' ']).find(|word| word.len() == 36 && word.contains('-')).map(str::to_owned);
    let heroku = id(&ids("heroku_connect")).expect("an id");
    assert!(!ids("code42").contains(&heroku) && !ids("salesforce_backup").contains(&heroku));
}

#[test]
fn messages_of_a_drain_without_line_feeds_all_arrive() {
    let app = App::spawn();
    let message = |n: u32| {
        format!(
            r#"<190>1 2026-07-07T16:35:15+00:00 host app web.1 - {{"event":"sync_end","created":"2026-07-07T16:35:1{n}Z","data":{{"reason":"↷é"}}}}"#
        )
    };
    let body: String = (0..3).map(message).map(|text| format!("{} {text}", text.chars().count())).collect();
    app.with_token(INGEST, "POST", "/v1/drains/logplex", body.as_bytes()).expect(200);
    assert_eq!((app.all_events("").len(), app.all_of("/v1/quarantine", "").len()), (3, 0));
    app.with_token(INGEST, "POST", "/v1/drains/logplex", &body.as_bytes()[..90]).expect(200);
    let item = app.all_of("/v1/quarantine", "")[0].to_string();
    assert!(item.contains("<190>1 2026-07-07T16:35:15+00:00"), "{item}");
}

#[test]
fn an_unsigned_webhook_is_told_to_sign() {
    let app = App::spawn();
    let answer = app.send("POST", "/v1/webhooks/fivetran", &[], b"{}").expect(401).json();
    let detail = answer["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("not signed") && !detail.contains("Bearer"), "{detail}");
    let headers = [("Authorization", format!("Bearer {INGEST}"))];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let loki = [headers.as_slice(), &[("Content-Type", "application/json"), ("Content-Encoding", "br")]].concat();
    app.send("POST", "/loki/api/v1/push", &loki, b"{}").expect(400);
}

#[test]
fn a_damaged_line_waits_in_quarantine_with_its_reason() {
    let app = App::spawn();
    drain(&app, &[line("10:00:00.000001", "x", "IDLE", "info").replace("event=\"x\"", "event=\"x")]);
    let waiting = app.get_json("/v1/quarantine");
    assert_eq!(waiting["data"][0]["reason"], "a line of Heroku Connect with a quote that is not closed");
}
