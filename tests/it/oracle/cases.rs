//! Small lives that the generator does not make, each with what is true of it.

use super::{
    folded::{Life, body, facts},
    sync::Sync,
};
use lifeline::{lifecycle::StageKind, model::Micros};
use serde_json::{Value, json};

/// A line of one connection, `MM:SS[.mmm]` after noon.
fn line(at: &str, event: &str, sync: Option<&str>, data: Value) -> String {
    let mut line = json!({"event": event, "created": format!("2026-03-31T12:{at}Z"), "connection_id": "shop"});
    if let Some(sync) = sync {
        line["sync_id"] = json!(sync);
    }
    if !data.is_null() {
        line["data"] = data;
    }
    line.to_string()
}

fn life(lines: &[String]) -> Life {
    Life::of(&facts(lines)[&Some("shop".to_owned())])
}

fn syncs(life: &Life) -> Vec<Sync> {
    life.bodies(StageKind::Sync).map(|(_, body)| Sync::of(&body)).collect()
}

fn stages(life: &Life, kind: StageKind) -> Vec<Value> {
    life.bodies(kind).map(|(_, body)| body).collect()
}

fn connection(life: &Life) -> Value {
    let now: Micros = 1_774_958_400_000_000;
    life.summary.as_ref().expect("a summary").json(now)
}

fn ended(status: &str) -> Value {
    json!({"status": status, "reason": "that is why"})
}

fn by(actor: &str, more: &Value) -> Value {
    let mut data = json!({"actor": actor, "id": "shop"});
    for (name, value) in more.as_object().into_iter().flatten() {
        data[name] = value.clone();
    }
    data
}

/// What a person clicks while a sync runs is no work of that sync, and certainly not after it ended.
#[test]
fn a_persons_change_of_schema_is_no_part_of_a_sync() {
    let change = || {
        by("ada@example.com", &json!({"properties": {"ENABLED_TABLES": [{"schema": "shop", "tables": ["orders"]}]}}))
    };
    let life = life(&[
        line("00:00", "sync_start", Some("a"), Value::Null),
        line("00:05", "write_to_table_start", Some("a"), json!({"table": "orders"})),
        line("00:06", "write_to_table_end", Some("a"), json!({"table": "orders"})),
        line("00:30", "change_schema_config", None, change()),
        line("01:00", "sync_end", Some("a"), ended("SUCCESSFUL")),
        line("01:40", "change_schema_config", None, change()),
    ]);
    let sync = &syncs(&life)[0].body;
    assert_eq!(sync["phases"]["load"]["until"], "2026-03-31T12:00:06.000Z");
    assert_eq!(sync["events"], 4);
    assert_eq!(sync["last_event_at"], "2026-03-31T12:01:00.000Z");
    assert_eq!(stages(&life, StageKind::SchemaChanged).len(), 2);
}

/// Two ends of one sync are one failure: a `status` and a `sync_end`, or an end that was logged again.
#[test]
fn a_sync_fails_once_however_often_it_says_so() {
    for (first, second) in [("status", "sync_end"), ("sync_end", "sync_end")] {
        let life = life(&[
            line("00:00", "sync_start", Some("a"), Value::Null),
            line("00:30", first, Some("a"), ended("FAILURE")),
            line("00:31", second, Some("a"), ended("FAILURE")),
        ]);
        let incident = body(&life.incidents.values().next().expect("an incident").body);
        assert_eq!(incident["failures"], 1, "{first}, {second}");
        assert_eq!(connection(&life)["errors_since_last_completed_sync"], 1, "{first}, {second}");
        assert_eq!(life.days.values().map(|day| day.syncs.failed).sum::<u64>(), 1, "{first}, {second}");
    }
}

/// The last word of a test counts, test by test.
#[test]
fn a_connection_is_not_set_up_while_one_of_its_tests_fails() {
    let test = |name: &str| by("ada@example.com", &json!({"testName": name, "message": "no"}));
    let begun = [
        line("00:00", "create_connector", None, by("ada@example.com", &Value::Null)),
        line("00:01", "test_connector_connection", None, by("ada@example.com", &json!({"testCount": 2}))),
        line("00:02", "connection_failure", None, test("Reach the host")),
        line("00:03", "connection_successful", None, test("Log in")),
    ];
    let failing = life(&begun);
    assert_eq!(stages(&failing, StageKind::Created), Vec::<Value>::new());
    assert_eq!(connection(&failing)["status"], "setup_incomplete");
    let mut all = begun.to_vec();
    all.push(line("00:04", "connection_successful", None, test("Reach the host")));
    let passing = life(&all);
    assert_eq!(stages(&passing, StageKind::Created).len(), 1);
    assert_eq!(connection(&passing)["status"], "new");
    let tests = &stages(&passing, StageKind::SetupTests)[0];
    assert!(!tests["summary"].as_str().is_some_and(|text| text.contains("failed, first")), "{}", tests["summary"]);
}

/// Nothing runs in what is not there any more.
#[test]
fn a_deleted_connection_runs_no_sync() {
    let life = life(&[
        line("00:00", "sync_start", Some("a"), Value::Null),
        line("00:30", "delete_connector", None, by("ada@example.com", &Value::Null)),
    ]);
    assert_eq!(connection(&life)["running_syncs"], json!([]));
    assert_eq!(syncs(&life)[0].status, "INTERRUPTED");
}

/// At second precision the last sign of a sync that broke off and the next start may fall together.
#[test]
fn a_start_in_the_second_of_the_last_sign_of_a_sync_breaks_it_off() {
    let life = life(&[
        line("00:00", "sync_start", Some("a"), Value::Null),
        line("00:05", "read_start", Some("a"), json!({})),
        line("00:05", "sync_start", Some("b"), Value::Null),
        line("00:09", "sync_end", Some("b"), ended("SUCCESSFUL")),
    ]);
    assert_eq!(syncs(&life)[0].status, "INTERRUPTED");
    assert_eq!(connection(&life)["status"], "connected");
}

/// Rows that are logged a second after the end count, although two other syncs have ended since.
#[test]
fn rows_that_come_late_in_a_crowd_of_syncs_are_not_lost() {
    let mut lines: Vec<String> = ["a", "b", "c"]
        .iter()
        .enumerate()
        .flat_map(|(n, id)| {
            let start = line(&format!("00:0{n}"), "sync_start", Some(id), Value::Null);
            [start, line(&format!("00:1{n}"), "sync_end", Some(id), ended("SUCCESSFUL"))]
        })
        .collect();
    let rows = json!({"schema": "shop", "table": "orders", "operationType": "UPDATED", "count": 7});
    lines.push(line("00:13", "records_modified", Some("a"), rows));
    let life = life(&lines);
    assert_eq!(syncs(&life).iter().map(Sync::rows).sum::<u64>(), 7);
}

/// Two people who do two things within seconds stay two: whose deed it was is what an audit is about.
#[test]
fn edits_of_different_things_are_no_twins() {
    let life = life(&[
        line(
            "00:00",
            "edit_connector",
            None,
            by(
                "ada@example.com",
                &json!({"editType": "CREDENTIALS", "properties": {"host": "b"}, "oldProperties": {"host": "a"}}),
            ),
        ),
        line(
            "00:08",
            "edit_connection",
            None,
            json!({"userId": "grace", "interactionMethod": "API", "primaryResourceType": "CONNECTION", "primaryResourceId": "shop",
                   "action": "EDIT", "oldValues": {"sync_frequency": 60}, "newValues": {"sync_frequency": 360}}),
        ),
    ]);
    let edits = stages(&life, StageKind::Modified);
    assert_eq!(edits.len(), 2, "{edits:?}");
    assert_eq!((&edits[0]["actor"], &edits[1]["actor"]), (&json!("ada@example.com"), &json!("grace")));
}

#[test]
fn a_re_sync_is_called_by_its_name() {
    let life = life(&[
        line("00:00", "resync_connector", None, by("ada@example.com", &Value::Null)),
        line("00:10", "sync_start", Some("a"), Value::Null),
        line("00:20", "sync_end", Some("a"), ended("SUCCESSFUL")),
    ]);
    let summary = syncs(&life)[0].body["summary"].clone();
    assert!(summary.as_str().is_some_and(|text| text.starts_with("re-sync succeeded")), "{summary}");
}

/// Names of settings are not operations whose words may be put apart.
#[test]
fn settings_keep_their_names() {
    let data = json!({"userId": "grace", "interactionMethod": "API", "primaryResourceType": "CONNECTION", "primaryResourceId": "shop",
        "action": "EDIT", "newValues": {"schema_changes": {"phase": 2, "state": "approved"}}});
    let life = life(&[line("00:00", "edit_connection", None, data)]);
    let summary = stages(&life, StageKind::SchemaChanged)[0]["summary"].clone();
    assert!(!summary.as_str().is_some_and(|text| text.contains("schema changes.phase")), "{summary}");
}

/// At second precision much happens in one moment; what comes first is a matter of meaning and not of hashes.
#[test]
fn stages_of_one_moment_stand_in_the_order_of_their_meaning() {
    for name in ["Reach the host", "Log in", "Read a table", "See the schema"] {
        let test = by("ada@example.com", &json!({"testName": name}));
        let life = life(&[
            line("00:00", "connection_successful", None, test.clone()),
            line("00:00", "create_connector", None, by("ada@example.com", &json!({"name": name}))),
            line("00:00", "pause_connector", None, by("ada@example.com", &json!({"name": name}))),
        ]);
        let kinds: Vec<StageKind> = life.stages.values().map(|stage| stage.kind).collect();
        assert!(kinds.is_sorted(), "{name}: {kinds:?}");
    }
}
