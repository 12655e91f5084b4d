//! Lives of add-ons, backup jobs and data connections, folded from their events.

use super::super::{Fact, Job, Labels, Output, State, Summary, SyncId, read_signal};
use crate::model::{EventKey, Level, Source};
use serde_json::{Value, json};
use std::sync::Arc;

/// An event of a neighbour at a second.
fn fact(at: i64, name: &str, data: Value) -> Fact {
    let source = if name.starts_with("heroku") { Source::HerokuConnect } else { Source::Code42 };
    let level = match name {
        "heroku_connect_error" => Level::Severe,
        "heroku_connect_back_off" => Level::Warning,
        _ => Level::Info,
    };
    let labels = Arc::new(Labels { source, name: None, connector_type: None, destination: None });
    let sync = data["run"].as_str().map(SyncId::of);
    Fact {
        key: EventKey { created_us: at * 1_000_000, hash: at },
        sync,
        level,
        exception: None,
        labels,
        deed: None,
        job: name.starts_with("salesforce").then(|| {
            let text = |name: &str| data[name].as_str().map(Into::into);
            Box::new(Job { kind: text("job_type"), object: text("object").zip(text("object_status")) })
        }),
        signal: read_signal(name, source, &data),
    }
}

fn fold(facts: &[Fact]) -> (Summary, Vec<Output>) {
    let (mut state, mut out) = (State::default(), Vec::new());
    state.fold(facts, &mut out);
    out.extend(state.live().into_iter().map(|live| live.row));
    (state.summary().expect("something happened"), out)
}

/// Stages and incidents, the last word of each.
fn rows(out: &[Output]) -> (Vec<Value>, Vec<Value>) {
    let (mut stages, mut incidents) = (std::collections::BTreeMap::new(), std::collections::BTreeMap::new());
    for row in out {
        match row.clone().public() {
            Output::Stage(stage) => {
                stages.insert((stage.anchor, stage.kind), serde_json::from_str(&stage.body).expect("JSON"));
            }
            Output::Incident(incident) => {
                incidents.insert(incident.anchor, serde_json::from_str(&incident.body).expect("JSON"));
            }
            _ => {}
        }
    }
    (stages.into_values().collect(), incidents.into_values().collect())
}

fn mapping(message: &str, name: &str, state: &str) -> Value {
    json!({"message": message, "object_type": "mapping", "object_id": format!("id of {name}"), "object_name": name,
        "state": state})
}

fn moved(name: &str, direction: &str, operation: &str, rows: u64) -> Value {
    json!({"message": "", "object_type": "sync", "object_id": "a1", "object_name": name, "state": "IDLE",
        "objects": [{"object": name}], "direction": direction, "operation": operation, "rows": rows, "seconds": 0.25})
}

#[test]
fn a_reload_is_a_sync_of_its_mapping_whatever_the_order_within_a_second() {
    let facts = [
        fact(11, "heroku_connect_reload_completed", mapping("RELOAD COMPLETE", "Broker__c", "RELOAD_TABLE")),
        fact(11, "heroku_connect_rows", moved("Broker__c", "to_database", "INSERT", 8)),
        fact(11, "heroku_connect_rows", moved("Broker__c", "from_salesforce", "QUERY", 8)),
        fact(11, "heroku_connect_reload_started", mapping("RELOAD TABLE broker__c", "Broker__c", "RELOAD_TABLE")),
    ];
    let (summary, out) = fold(&facts);
    let (stages, incidents) = rows(&out);
    assert_eq!((summary.status.as_str(), summary.syncs.successful, incidents.len()), ("connected", 1, 0));
    let sync = &stages[0];
    assert_eq!(
        (&sync["stage"], &sync["kind"], &sync["status"]),
        (&json!("sync"), &json!("resync"), &json!("SUCCESSFUL"))
    );
    assert_eq!(sync["tables"][0]["table"], "Broker__c");
    assert_eq!(sync["tables"][0]["rows"], json!({"INSERT": 8}));
    assert_eq!(sync["tables"][0]["records_read"], 8);
    assert_eq!(
        summary.mappings,
        [
            json!({"name": "Broker__c", "id": "id of Broker__c", "state": "RELOAD_TABLE", "last_event_at": "1970-01-01T00:00:11.000Z",
            "loads": 1, "loading": false, "rows": [
                {"direction": "from_salesforce", "operation": "QUERY", "api": null, "rows": 8, "took_ms": 250},
                {"direction": "to_database", "operation": "INSERT", "api": null, "rows": 8, "took_ms": 250}],
            "errors": 0, "last_error": null, "back_off_until": null})
        ]
    );
}

#[test]
fn two_mappings_may_load_at_the_same_time() {
    let start = |at, name| fact(at, "heroku_connect_reload_started", mapping("RELOAD TABLE x", name, "RELOAD_TABLE"));
    let end = |at, name| fact(at, "heroku_connect_reload_completed", mapping("RELOAD COMPLETE", name, "IDLE"));
    let (summary, out) = fold(&[start(1, "A"), start(2, "B"), end(3, "A"), end(4, "B")]);
    let statuses: Vec<Value> = rows(&out).0.iter().map(|stage| stage["status"].clone()).collect();
    assert_eq!(statuses, ["SUCCESSFUL", "SUCCESSFUL"]);
    assert_eq!((summary.syncs.total, summary.syncs.successful), (2, 2));
}

#[test]
fn an_error_is_an_incident_until_rows_of_its_mapping_move_again() {
    let error = "(psycopg2.IntegrityError) duplicate key value violates unique constraint";
    let facts = [
        fact(1, "heroku_connect_rows", moved("Lead", "to_database", "UPDATE", 3)),
        fact(2, "heroku_connect_error", mapping(error, "Lead", "IDLE")),
        fact(3, "heroku_connect_rows", moved("Account", "to_database", "UPDATE", 1)),
        fact(4, "heroku_connect_rows", moved("Lead", "to_database", "UPDATE", 3)),
    ];
    let (broken, _) = fold(&facts[..3]);
    assert_eq!(broken.status.as_str(), "broken");
    assert_eq!(broken.open_incident.expect("an incident")["reason"], error);
    let (summary, out) = fold(&facts);
    let (stages, incidents) = rows(&out);
    assert_eq!(summary.status.as_str(), "connected");
    assert_eq!(stages.iter().map(|it| it["stage"].clone()).collect::<Vec<_>>(), ["broken", "recovered"]);
    assert_eq!(incidents[0]["resolution"], "recovered");
    assert_eq!((&incidents[0]["duration_ms"], &incidents[0]["failures"]), (&json!(2_000), &json!(1)));
    assert_eq!(summary.mappings[1]["errors"], 1);
}

#[test]
fn a_system_error_lasts_until_the_state_is_another() {
    let facts = [
        fact(
            1,
            "heroku_connect_error",
            json!({"message": "Unexpected error", "object_type": "connection", "state": "SYSTEM_ERROR"}),
        ),
        fact(2, "heroku_connect_rows", moved("Lead", "to_database", "UPDATE", 3)),
        fact(
            3,
            "heroku_connect_message",
            json!({"message": "recovered", "object_type": "connection", "state": "IDLE"}),
        ),
    ];
    assert_eq!(
        fold(&facts[..2]).0.status.as_str(),
        "connected",
        "the line of a sync tells where the connection stands"
    );
    let stateless = |mut fact: Fact| {
        if let super::super::Signal::News(news) = &mut fact.signal {
            news.state = None;
        }
        fact
    };
    let [error, rows, recovered] = facts;
    let facts = [error, stateless(rows), recovered];
    assert_eq!(fold(&facts[..2]).0.status.as_str(), "broken");
    let (summary, out) = fold(&facts);
    assert_eq!(summary.status.as_str(), "connected");
    assert_eq!(rows_of_recovery(&out), "recovered after 2 s and 1 error");
}

fn rows_of_recovery(out: &[Output]) -> String {
    let (stages, _) = rows(out);
    let recovered = stages.iter().find(|stage| stage["stage"] == "recovered").expect("a recovery");
    recovered["summary"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_system_error_of_the_connection_ends_with_its_next_state() {
    let told = |at, name: Option<&str>, what: &str, state: &str| {
        let mut data = json!({"message": what, "object_type": "connection", "state": state});
        if let Some(name) = name {
            data["object_name"] = json!(name);
        }
        let event = if state == "IDLE" { "message" } else { "error" };
        fact(at, &format!("heroku_connect_{event}"), data)
    };
    for name in [None, Some("dhdev")] {
        let facts =
            [told(1, name, "SYSTEM_ERROR (Unexpected error)", "SYSTEM_ERROR"), told(9, name, "Recovered", "IDLE")];
        assert_eq!(fold(&facts[..1]).0.open_incident.expect("one")["reason"], "SYSTEM_ERROR (Unexpected error)");
        let (summary, out) = fold(&facts);
        assert_eq!((summary.status.as_str(), summary.mappings.len()), ("connected", 0), "{name:?}");
        assert_eq!(rows_of_recovery(&out), "recovered after 8 s and 1 error");
    }
    let of_mapping = [
        fact(1, "heroku_connect_error", mapping("Unexpected error", "Lead", "SYSTEM_ERROR")),
        fact(2, "heroku_connect_rows", moved("Account", "to_database", "UPDATE", 1)),
        fact(3, "heroku_connect_message", mapping("on", "Lead", "IDLE")),
    ];
    assert_eq!(fold(&of_mapping[..2]).0.status.as_str(), "broken", "another mapping says nothing of this one");
    assert_eq!(fold(&of_mapping).0.status.as_str(), "connected");
}

#[test]
fn a_load_that_is_through_ends_no_trouble_of_another() {
    let note = |at, resolved| {
        let data = json!({"message": "Bad Configuration", "notification": "bad_configuration", "resolved": resolved,
            "object_type": "mapping", "object_name": "Contact"});
        fact(at, "heroku_connect_notification", data)
    };
    let facts = [
        note(1, false),
        fact(2, "heroku_connect_error", mapping("Error during sync: This Connection is closed", "Contact", "IDLE")),
        fact(3, "heroku_connect_reload_started", mapping("RELOAD TABLE lead", "Lead", "RELOAD_TABLE")),
        fact(4, "heroku_connect_reload_completed", mapping("RELOAD COMPLETE", "Lead", "RELOAD_TABLE")),
        fact(5, "heroku_connect_rows", moved("Contact", "to_database", "UPDATE", 3)),
        note(6, true),
    ];
    for n in [4, 5] {
        let (summary, out) = fold(&facts[..n]);
        assert_eq!((summary.status.as_str(), summary.syncs.successful), ("broken", 1), "{n}");
        assert!(rows(&out).1[0]["resolved_at"].is_null());
    }
    let (summary, out) = fold(&facts);
    assert_eq!(summary.status.as_str(), "connected");
    assert_eq!(rows_of_recovery(&out), "recovered after 5 s and 2 errors");
    let own = [
        facts[1].clone(),
        fact(3, "heroku_connect_reload_started", mapping("RELOAD TABLE contact", "Contact", "RELOAD_TABLE")),
        fact(4, "heroku_connect_reload_completed", mapping("", "Contact", "IDLE")),
    ];
    assert_eq!(fold(&own).0.status.as_str(), "connected", "its own load shows that it works again");
}

#[test]
fn a_load_fails_with_its_notification() {
    let note = |at, name: Option<&str>, resolved| {
        let data = json!({"message": "Salesforce Bulk Load Error", "notification": "salesforce_bulk_load_error",
            "resolved": resolved, "object_name": name});
        fact(at, "heroku_connect_notification", data)
    };
    let start = |at, name| fact(at, "heroku_connect_reload_started", mapping("RELOAD TABLE x", name, "RELOAD_TABLE"));
    let end = |at, name| fact(at, "heroku_connect_reload_completed", mapping("RELOAD COMPLETE", name, "IDLE"));
    for name in [Some("Lead"), None] {
        let facts = [start(1, "Lead"), note(5, name, false), start(7, "Lead"), end(9, "Lead"), note(10, name, true)];
        let (summary, out) = fold(&facts[..2]);
        let (stages, incidents) = rows(&out);
        assert_eq!((summary.status.as_str(), summary.syncs.failed), ("broken", 1));
        assert_eq!(summary.mappings[0]["loading"], false);
        assert_eq!(
            (&stages[0]["status"], &stages[0]["reason"]),
            (&json!("FAILURE"), &json!("Salesforce Bulk Load Error"))
        );
        assert_eq!(incidents[0]["failures"], 1, "the failed load and its notification are one thing");
        let (summary, out) = fold(&facts);
        assert_eq!((summary.status.as_str(), summary.syncs.failed, summary.syncs.successful), ("connected", 1, 1));
        assert_eq!(rows_of_recovery(&out), "recovered after 5 s and 1 failed sync");
    }
    let (summary, out) = fold(&[start(1, "Lead"), start(2, "Account"), note(5, None, false)]);
    assert_eq!((summary.status.as_str(), summary.syncs.failed), ("broken", 0), "nobody knows which of the two");
    assert!(rows(&out).0.iter().all(|stage| stage["status"] != "FAILURE"));
}

#[test]
fn notifications_open_and_close_an_incident_and_the_last_one_counts() {
    let note = |at, kind: &str, resolved| {
        let data = json!({"message": kind, "notification": kind, "resolved": resolved});
        fact(at, "heroku_connect_notification", data)
    };
    let facts = [
        note(1, "database_unavailable", false),
        note(2, "reauthorization_required", false),
        note(3, "database_unavailable", true),
        note(4, "reauthorization_required", true),
    ];
    assert_eq!(fold(&facts[..3]).0.status.as_str(), "broken");
    let (summary, out) = fold(&facts);
    let (_, incidents) = rows(&out);
    assert_eq!((summary.status.as_str(), incidents.len()), ("connected", 1));
    assert_eq!(incidents[0]["reasons"], json!(["database_unavailable", "reauthorization_required"]));
}

#[test]
fn a_back_off_is_a_delay_that_ends_with_the_next_rows() {
    let mut data = mapping("Too many sync errors", "Lead", "IDLE");
    data["back_off_seconds"] = json!(900);
    let facts = [
        fact(1, "heroku_connect_back_off", data),
        fact(950, "heroku_connect_rows", moved("Lead", "to_database", "UPDATE", 3)),
    ];
    let (waiting, _) = fold(&facts[..1]);
    assert_eq!((waiting.status.as_str(), waiting.rescheduled_us), ("rescheduled", Some(901_000_000)));
    assert_eq!(waiting.mappings[0]["back_off_until"], "1970-01-01T00:15:01.000Z");
    let (summary, _) = fold(&facts);
    assert_eq!((summary.status.as_str(), &summary.mappings[0]["back_off_until"]), ("connected", &Value::Null));
}

#[test]
fn a_data_connection_breaks_and_is_monitored_again() {
    let facts = [
        fact(1, "code42_connection_status", json!({"status": "MONITORING"})),
        fact(60, "code42_connection_status", json!({"status": "ERROR", "message": "user has been frozen"})),
        fact(1_260, "code42_connection_status", json!({"status": "MONITORING"})),
    ];
    let status = |n: usize| fold(&facts[..n]).0.status.as_str();
    assert_eq!([status(1), status(2), status(3)], ["connected", "broken", "connected"]);
    let (_, incidents) = rows(&fold(&facts).1);
    assert_eq!(
        (&incidents[0]["reason"], &incidents[0]["duration_ms"]),
        (&json!("user has been frozen"), &json!(1_200_000))
    );
}

#[test]
fn a_backup_job_is_a_sync_and_its_objects_are_tables() {
    let job = |at, what: &str, mut data: Value| {
        data["run"] = json!("run-7");
        fact(at, &format!("salesforce_backup_{what}"), data)
    };
    let facts = [
        job(0, "job_started", json!({"job_type": "BACKUP"})),
        job(9, "object", json!({"object": "Account", "object_status": "SUCCESS", "records": 1_204})),
        job(5, "object", json!({"object": "Contact", "object_status": "UNABLE_TO_LOCK_ROW"})),
        job(9, "object", json!({"object": "Contact", "object_status": "UNABLE_TO_LOCK_ROW"})),
        job(
            9,
            "job_finished",
            json!({"status": "COMPLETED_WITH_ERRORS", "objects": 2, "objects_with_errors": 1,
            "object_statuses": ["UNABLE_TO_LOCK_ROW"]}),
        ),
    ];
    let (summary, out) = fold(&facts);
    let (stages, incidents) = rows(&out);
    assert_eq!((summary.status.as_str(), incidents.len()), ("broken", 1));
    let sync = &stages[0];
    assert_eq!((&sync["sync_id"], &sync["status"]), (&json!("run-7"), &json!("COMPLETED_WITH_ERRORS")));
    assert_eq!(sync["reason"], "of 2 objects 1 with errors: UNABLE_TO_LOCK_ROW");
    let tables = sync["tables"].as_array().expect("tables").iter();
    let tables: Vec<_> =
        tables.map(|it| (it["table"].clone(), it["records_read"].clone(), it["status"].clone())).collect();
    assert_eq!(
        tables,
        [
            (json!("Account"), json!(1_204), json!("SUCCESS")),
            (json!("Contact"), Value::Null, json!("UNABLE_TO_LOCK_ROW"))
        ]
    );
    assert_eq!((&sync["errors"], &sync["job_type"]), (&json!(1), &json!("BACKUP")));
    assert_eq!(sync["duration_ms"], 9_000);
    assert!(sync["summary"].as_str().is_some_and(|text| text.starts_with("backup failed after 9 s")), "{sync}");
}

#[test]
fn administrators_leave_stages() {
    let did = |at, action: &str, what: &str| {
        let data = json!({"message": format!("jane@example.com {action} {what}"), "actor": "jane@example.com",
            "action": action, "what": what});
        fact(at, "heroku_connect_configuration", data)
    };
    let (summary, out) = fold(&[did(1, "paused", "sync operations"), did(20, "added", "mapping Lead")]);
    let (stages, _) = rows(&out);
    let told: Vec<_> = stages.iter().map(|it| (it["stage"].clone(), it["actor"].clone())).collect();
    assert_eq!(told, [(json!("paused"), json!("jane@example.com")), (json!("modified"), json!("jane@example.com"))]);
    assert_eq!(summary.status.as_str(), "paused");
}
