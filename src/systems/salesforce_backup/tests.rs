//! Reports of jobs, whole and in rows, and the events that they become.

use super::super::{Reading, read};
use crate::model::{Hints, Payload, Record};
use serde_json::{Value, json};

/// Event, time, level and data of everything that a report comes to.
fn events(report: &Value) -> Vec<(String, Option<String>, Option<String>, Value)> {
    let text = report.to_string();
    let record = Record { payload: Payload::Json(text.as_str().into()), hints: Hints::default() };
    let Reading::Events(records) = read(&record) else { return Vec::new() };
    records
        .into_iter()
        .map(|record| {
            let value: Value = serde_json::from_str(record.payload.text()).unwrap();
            let text = |name: &str| value[name].as_str().map(str::to_owned);
            assert_eq!((&value["sync_id"], &value["connection_id"]), (&json!("run-7"), &json!("00D000")));
            assert_eq!(record.hints.source, Some(crate::model::Source::SalesforceBackup));
            assert!(record.hints.original.is_some_and(|original| report.to_string().contains(&*original)));
            (text("event").unwrap(), text("created"), record.hints.level, value["data"].clone())
        })
        .collect()
}

fn report() -> Value {
    json!({"Run ID": "run-7", "Org Id": "00D000", "Policy Name": "Nightly", "Job Type": "Backup",
        "Job Status": "Completed with Errors", "Start Time": "2026-07-07T01:00:00Z", "Finish Time": "2026-07-07T01:20:00Z",
        "objects": [{"object": "Account", "status": "SUCCESS", "records": "1,204"},
            {"object": "Secret__c", "status": "NOT_VISIBLE"},
            {"object": "Contact", "status": "UNABLE_TO_LOCK_ROW", "message": "deadlock"}]})
}

#[test]
fn a_report_becomes_the_events_of_its_job() {
    let start = Some("2026-07-07T01:00:00Z".to_owned());
    let finish = Some("2026-07-07T01:20:00Z".to_owned());
    let level = |level: &str| Some(level.to_owned());
    let object = |name: &str, status: &str| json!({"job_type": "BACKUP", "object": name, "object_status": status});
    let mut account = object("Account", "SUCCESS");
    account["records"] = json!(1204);
    let mut contact = object("Contact", "UNABLE_TO_LOCK_ROW");
    contact["message"] = json!("deadlock");
    assert_eq!(
        events(&report()),
        [
            ("salesforce_backup_job_started".to_owned(), start.clone(), level("INFO"), json!({"job_type": "BACKUP"})),
            ("salesforce_backup_object".to_owned(), start.clone(), level("INFO"), account),
            (
                "salesforce_backup_object".to_owned(),
                start.clone(),
                level("WARNING"),
                object("Secret__c", "NOT_VISIBLE")
            ),
            ("salesforce_backup_object".to_owned(), start, level("SEVERE"), contact),
            (
                "salesforce_backup_job_finished".to_owned(),
                finish,
                level("WARNING"),
                json!({"job_type": "BACKUP", "status": "COMPLETED_WITH_ERRORS", "objects": 3, "objects_with_errors": 1,
                "objects_not_visible": 1, "object_statuses": ["NOT_VISIBLE", "UNABLE_TO_LOCK_ROW"]})
            ),
        ]
    );
}

#[test]
fn a_running_job_has_no_end_and_the_words_of_an_end_are_read() {
    let with = |status: &str| {
        let mut report = report();
        report["Job Status"] = json!(status);
        report["objects"] = json!([]);
        events(&report)
    };
    assert_eq!(with("In Progress").len(), 1);
    for (status, said, level) in [
        ("Completed", "COMPLETED", "INFO"),
        ("completed with errors", "COMPLETED_WITH_ERRORS", "WARNING"),
        ("Failed", "FAILED", "SEVERE"),
        ("Cancelled", "CANCELED", "WARNING"),
        ("Half Done", "HALF_DONE", "WARNING"),
    ] {
        let events = with(status);
        let (name, _, found, data) = &events[1];
        assert_eq!((name.as_str(), found.as_deref()), ("salesforce_backup_job_finished", Some(level)), "{status}");
        assert_eq!(data["status"], said);
    }
}

#[test]
fn an_object_told_again_is_the_same_event() {
    let mut running = report();
    running["Job Status"] = json!("In Progress");
    running.as_object_mut().unwrap().remove("Finish Time");
    let objects = |report: &Value| {
        let events = events(report).into_iter();
        events.filter(|(name, ..)| name == "salesforce_backup_object").collect::<Vec<_>>()
    };
    assert_eq!(objects(&running), objects(&report()));
    let mut timed = report();
    timed["objects"][0]["finish_time"] = json!("2026-07-07T01:05:00Z");
    assert_eq!(objects(&timed)[0].1.as_deref(), Some("2026-07-07T01:05:00Z"));
}

#[test]
fn a_row_of_one_object_is_read_and_strangers_are_left_alone() {
    let row = json!({"run_id": "run-7", "org_id": "00D000", "object": "Account", "object_status": "SUCCESS",
        "finish": "2026-07-07T01:20:00Z"});
    let names: Vec<String> = events(&row).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["salesforce_backup_object"]);
    let mut told = row.clone();
    told["job_status"] = json!("Completed with Errors");
    assert_eq!(
        events(&told)[1].3,
        json!({"status": "COMPLETED_WITH_ERRORS"}),
        "a row knows nothing of the others, so that the ends of all rows are one event"
    );
    for stranger in [json!({"run_id": "x"}), json!({"run_id": "x", "status": "ok"}), json!({"objects": []}), json!({})]
    {
        assert_eq!(events(&stranger), [], "{stranger}");
    }
}

#[test]
fn a_report_of_many_objects_is_bounded() {
    let mut report = report();
    report["objects"] = (0..12_000).map(|i| json!({"object": format!("O{i}"), "status": "SUCCESS"})).collect();
    let text = report.to_string();
    let record = Record { payload: Payload::Json(text.into()), hints: Hints::default() };
    let Reading::Events(records) = read(&record) else { panic!("not read") };
    assert_eq!(records.len(), super::OBJECTS_MAX + 2);
    let bytes: usize = records.iter().filter_map(|record| record.hints.original.as_deref()).map(str::len).sum();
    assert!(bytes < 1 << 20, "{bytes} bytes of originals");
    let last: Value = serde_json::from_str(records.last().unwrap().payload.text()).unwrap();
    assert_eq!(last["data"]["objects"], 12_000);
}
