//! What errors mean: over HTTP, on the command line, with files of one's own; none of the documented errors missing; hostile texts.

use crate::app::{App, INGEST, Setup, err, out};
use serde_json::{Value, json};
use std::{
    fs,
    time::{Duration, Instant},
};

/// Percent-encodes everything.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn asked(app: &App, query: &str) -> Value {
    let answer = app.get_json(&format!("/v1/diagnose?{query}"));
    assert_eq!(answer["next_cursor"], Value::Null);
    answer
}

fn first(answer: &Value) -> &str {
    answer["data"][0]["code"].as_str().unwrap_or("nothing")
}

#[track_caller]
fn check(app: &App, source: &str, cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (text, code) in cases {
        for query in [format!("text={}", encoded(text)), format!("source={source}&text={}", encoded(text))] {
            let answer = asked(app, &query);
            if first(&answer) != *code {
                wrong.push(format!("{text:?}: {} in place of {code}", first(&answer)));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Headings of the errors on Heroku's page, and what they are here.
const HEROKU_ERRORS: [(&str, &str); 31] = [
    ("Attempted to Open More Than 10 Queries to SFDC", "heroku_connect.salesforce.query_cursors"),
    ("Operation delayed, no available query cursors", "heroku_connect.salesforce.query_cursors"),
    ("SYSTEM_ERROR (Unexpected error)", "heroku_connect.state.system_error"),
    (
        "(psycopg2.IntegrityError) duplicate key value violates unique constraint “lead_idx_rpm_account_id__c”",
        "heroku_connect.database.duplicate_key",
    ),
    ("duplicate key value violates unique constraint \"contact_idx_sfid\"", "heroku_connect.database.duplicate_sfid"),
    (
        "Error during sync: (psycopg2.IntegrityError) update or delete on table “mycustomobject__c” violates foreign key constraint…",
        "heroku_connect.database.foreign_key",
    ),
    ("Error during sync: This Connection is closed", "heroku_connect.database.connection_closed"),
    ("Unable to Reload Mapping with ID: abcdef12…", "heroku_connect.mapping.reload_refused"),
    (
        "QUERY_TIMEOUT: Your query request was running for too long. Trying again later.",
        "heroku_connect.salesforce.query_timeout",
    ),
    (
        "Batch 54321000007DvJXYZ0 of job 54321000005lfIZXYZ failed: InvalidBatch : Failed to process query: INVALID_FIELD",
        "heroku_connect.mapping.invalid_field",
    ),
    (
        "Salesforce Configuration Saved for This Object no Longer Maps to the Current Salesforce Data Model",
        "heroku_connect.mapping.model_changed",
    ),
    (
        "“Server Raised Fault: ‘REQUEST_LIMIT_EXCEEDED: ConcurrentPerOrgApex Limit exceeded”",
        "heroku_connect.salesforce.apex_limits",
    ),
    ("“System.LimitException: Apex CPU time limit exceeded”", "heroku_connect.salesforce.apex_limits"),
    ("DB is Missing Connect Metadata [DatabaseValidationFailed]", "heroku_connect.database.metadata_missing"),
    ("Expired Transition Aborted by Health_Check", "heroku_connect.worker.hung"),
    ("Expired transition aborted by sweep", "heroku_connect.worker.hung"),
    ("Query_Wait_Timeout: Server Closed the Connection Unexpectedly", "heroku_connect.database.query_wait_timeout"),
    (
        "Streaming Error: 403::Organization Total Events Daily Limit Exceeded",
        "heroku_connect.salesforce.streaming_limit",
    ),
    ("Function get_xmlbinary() Does Not Exist", "heroku_connect.database.get_xmlbinary"),
    ("Too Many Polling Errors. Polling will be Disabled for Up to 15 minute(s)", "heroku_connect.backoff.polling"),
    (
        "Too Many Bulk Errors, Bulk Usage will be Disabled for up to 12 hour(s) for this mapping",
        "heroku_connect.backoff.bulk",
    ),
    ("Too many sync errors. Sync operations may be disabled for up to 15 minute(s)", "heroku_connect.backoff.sync"),
    ("SERVER_UNAVAILABLE: Request Timed out waiting for Connection", "heroku_connect.salesforce.server_unavailable"),
    (
        "Server Raised Fault: 'OPERATION_TOO_LARGE: exceeded 100000 distinct who/what’s’",
        "heroku_connect.salesforce.operation_too_large",
    ),
    (
        "Parsing SOAP Response Failed: SAXParseException: <unknown>:1:0: syntax error",
        "heroku_connect.salesforce.soap_unreadable",
    ),
    ("SOAP Transport Error: BadStatusLine", "heroku_connect.salesforce.soap_bad_status"),
    (
        "(psycopg2.OperationalError) FATAL: Too Many Connections for Role",
        "heroku_connect.database.too_many_connections",
    ),
    ("urlopen error [Errno -3] Temporary failure in name resolution", "heroku_connect.network.name_resolution"),
    ("CREATE TEMPORARY TABLE _tmp_sf…", "heroku_connect.info.temporary_table"),
    ("Value does not exist or does not match filter criteria", "heroku_connect.salesforce.picklist_value"),
    ("Missed Updates Due to Salesforce Transactions", "heroku_connect.info.missed_updates"),
];

/// Those that other systems say in the same words; here the system has to be named.
const HEROKU_SHARED: [(&str, &str); 2] = [
    ("Connection Reset by Peer", "heroku_connect.network.connection_reset"),
    ("Read Operation Timed Out", "heroku_connect.network.read_timeout"),
];

const HEROKU_NOTIFICATIONS: [(&str, &str); 7] = [
    ("Bad Configuration", "heroku_connect.notification.bad_configuration"),
    ("Change User Permissions", "heroku_connect.notification.user_permissions"),
    ("Connection Error", "heroku_connect.notification.connection_error"),
    ("Database Unavailable", "heroku_connect.notification.database_unavailable"),
    ("Reauthorization Required", "heroku_connect.notification.reauthorization"),
    ("Salesforce Bulk Load Error", "heroku_connect.notification.bulk_load"),
    ("Delayed Synchronization", "heroku_connect.notification.delayed"),
];

#[test]
fn every_error_and_notification_of_heroku_connect_is_explained() {
    let app = App::spawn();
    check(&app, "heroku_connect", &HEROKU_ERRORS);
    check(&app, "heroku_connect", &HEROKU_NOTIFICATIONS);
    for (text, code) in HEROKU_SHARED {
        let answer = asked(&app, &format!("source=heroku_connect&text={}", encoded(text)));
        assert_eq!(first(&answer), code, "{text}");
    }
    let headings = HEROKU_ERRORS.len() + HEROKU_SHARED.len() + HEROKU_NOTIFICATIONS.len();
    assert_eq!(headings, 40, "28 errors, three of them in two forms, and nine notifications");
}

#[test]
fn every_status_code_of_salesforce_backup_is_explained() {
    let app = App::spawn();
    let codes = [
        "DUPLICATE_EXTERNAL_ID",
        "ENTITY_IS_DELETED",
        "ENTITY_IS_LOCKED",
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        "FIELD_FILTER_VALIDATION_EXCEPTION",
        "INACTIVE_OWNER_OR_USER",
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "INVALID_SESSION_ID",
        "INVALID_TYPE_ON_FIELD_IN_RECORD",
        "INVALID_USERID",
        "INVALID_USER_OBJECT",
        "REQUIRED_FIELD_MISSING",
        "SELF_REFERENCE_FROM_TRIGGER",
        "UNABLE_TO_LOCK_ROW",
        "UNAVAILABLE_RECORDTYPE_EXCEPTION",
        "UNKNOWN_EXCEPTION",
        "SUCCESS",
        "NOT_VISIBLE",
    ];
    for code in codes {
        let expected = format!("salesforce_backup.{}", code.to_lowercase());
        assert_eq!(first(&asked(&app, &format!("code={code}"))), expected);
        assert_eq!(first(&asked(&app, &format!("code={}&source=salesforce_backup", code.to_lowercase()))), expected);
    }
    for (said, cause) in [
        ("no read permission on the object", "object_permission"),
        ("license or permission set not assigned to the Integration User", "license"),
        ("special access rules are not met", "special_access"),
        ("managed package is not site-wide", "managed_package"),
    ] {
        let answer = asked(&app, &format!("code=NOT_VISIBLE&text={}", encoded(said)));
        assert_eq!(first(&answer), format!("salesforce_backup.not_visible.{cause}"));
    }
    let answer = asked(&app, "code=NOT_VISIBLE");
    let fix = answer["data"][0]["fix"].to_string();
    for part in ["read the object", "licences and permission sets", "special access", "managed package"] {
        assert!(fix.contains(part), "{part} is missing in {fix}");
    }
}

#[test]
fn the_messages_of_code42_are_explained() {
    let app = App::spawn();
    let said = "The Salesforce service account user that authorized this data connection has been";
    let cases = [
        (
            format!("{said} deactivated. Reactivate the user account to return this data connection to monitoring."),
            "deactivated",
            20,
        ),
        (format!("{said} frozen. Unfreeze the user account to return this data connection to monitoring."), "frozen", 60),
        (
            "The Salesforce profile for the service account user that authorized this data connection does not have the correct \
             permissions. Verify the profile's permissions to return this data connection to monitoring."
                .to_owned(),
            "profile_permissions",
            20,
        ),
    ];
    for (text, name, minutes) in cases {
        let answer = asked(&app, &format!("text={}", encoded(&text)));
        assert_eq!(first(&answer), format!("code42.service_account.{name}"));
        assert_eq!(answer["data"][0]["recovery"]["minutes"], minutes);
        assert_eq!(answer["data"][0]["user_action_required"], true);
    }
    let frozen = asked(&app, &format!("text={}", encoded(&format!("{said} frozen."))));
    let words = frozen["data"][0].to_string();
    assert!(words.contains("administrator") && words.contains("quota"), "both causes are named: {words}");
    let quota = asked(&app, "text=frozen+after+too+many+logins+within+an+hour");
    assert_eq!(first(&quota), "code42.service_account.frozen_by_login_quota");
    assert_eq!(quota["data"][0]["transient"], true);
}

#[test]
fn statuses_reasons_and_tasks_of_fivetran_are_explained() {
    let app = App::spawn();
    for (code, entry) in [
        ("SUCCESSFUL", "status.successful"),
        ("FAILURE", "status.failure"),
        ("FAILURE_WITH_TASK", "status.failure_with_task"),
        ("RESCHEDULED", "status.rescheduled"),
        ("CANCELED", "status.canceled"),
        ("INTERRUPTED", "status.interrupted"),
        ("reconnect", "task.reconnect"),
        ("reconnect_warehouse", "task.reconnect_warehouse"),
        ("update_service_account", "task.update_service_account"),
        ("update_config", "task.update_config"),
        ("resync_table_warning", "task.resync_table"),
        ("type_coercion_to_null_warning", "task.type_coercion"),
        ("skip_table", "warning.skip_table"),
        ("retry_api_call", "warning.retry_api_call"),
        ("table_excluded_by_system", "warning.table_excluded"),
        ("null_primary_key", "error.null_primary_key"),
        ("open_file", "error.open_file"),
        ("authentication_error", "error.authentication"),
        ("permission_denied", "error.permission"),
    ] {
        let answer = asked(&app, &format!("source=fivetran&code={code}"));
        assert_eq!(first(&answer), format!("fivetran.{entry}"), "{code}");
    }
    let quota = asked(&app, "event=sync_end&status=RESCHEDULED&text=API+quota+reached&source=fivetran");
    assert_eq!(first(&quota), "fivetran.api.quota");
    let codes: Vec<&str> =
        quota["data"].as_array().expect("a list").iter().filter_map(|m| m["code"].as_str()).collect();
    assert!(codes.contains(&"fivetran.status.rescheduled"), "the status is said too: {codes:?}");
}

#[test]
fn questions_are_checked_and_need_a_reader() {
    let app = App::spawn();
    for query in ["", "?source=fivetran", "?text=", "?q=a", "?source=x&text=a", "?text=a&text=b"] {
        let problem = app.get(&format!("/v1/diagnose{query}")).expect(400).json();
        assert_eq!(problem["status"], 400, "{query}");
    }
    for query in ["?days=0", "?days=91", "?limit=0", "?text=a"] {
        app.get(&format!("/v1/diagnose/unknown{query}")).expect(400);
    }
    app.get("/v1/diagnose/else").expect(404);
    assert_eq!(app.with_token(INGEST, "GET", "/v1/diagnose?text=a", b"").status, 403);
    let nothing = asked(&app, "text=Moon+phase+17+at+moon.example.com+is+not+supported");
    assert_eq!(nothing["data"], json!([]));
    assert_eq!(nothing["template"], "Moon phase <n> at <host> is not supported");
}

fn event(name: &str, created: &str, connection: &str, sync: Option<&str>, data: Value) -> String {
    json!({"event": name, "created": created, "connection_id": connection, "connection_name": connection,
        "connector_type": "postgres", "sync_id": sync, "data": data})
    .to_string()
}

/// A moment some minutes ago.
fn ago(minutes: i64) -> String {
    let now = jiff::Timestamp::now().as_second() - minutes * 60;
    jiff::Timestamp::from_second(now).expect("a time").to_string()
}

#[test]
fn incidents_syncs_and_events_carry_their_diagnosis() {
    let app = App::spawn();
    let sync = "2a1b3c4d-0000-4000-8000-000000000001";
    let failed =
        json!({"status": "FAILURE_WITH_TASK", "taskType": "reconnect", "reason": "The token is no longer good"});
    let lines = [
        event("sync_start", &ago(9), "otter", Some(sync), Value::Null),
        event("sync_end", &ago(8), "otter", Some(sync), failed),
        event("sync_start", &ago(7), "heron", Some("b"), Value::Null),
        event(
            "warning",
            &ago(6),
            "heron",
            Some("b"),
            json!({"type": "skip_table", "table": "a", "reason": "No change"}),
        ),
        event("sync_end", &ago(5), "heron", Some("b"), json!({"status": "SUCCESSFUL"})),
        event("sync_start", &ago(4), "heron", Some("c"), Value::Null),
        event("sync_end", &ago(3), "heron", Some("c"), json!({"status": "SUCCESSFUL"})),
    ];
    app.post_native(lines.join("\n")).expect(200);
    let expected = "fivetran.task.reconnect";
    let incident = &app.get_json("/v1/incidents")["data"][0];
    let diagnosis = &incident["diagnosis"];
    assert_eq!(diagnosis["code"], expected);
    for member in ["title", "cause", "fix", "who", "recovery", "reference"] {
        assert!(!diagnosis[member].is_null(), "{member} of {diagnosis}");
    }
    assert_eq!((&diagnosis["user_action_required"], &diagnosis["transient"]), (&json!(true), &json!(false)));
    let timeline = app.get_json("/v1/connections/otter/timeline");
    assert_eq!(timeline["incidents"][0]["diagnosis"], *diagnosis);
    assert_eq!(timeline["connection"]["open_incident"]["diagnosis"], *diagnosis);
    assert_eq!(app.get_json("/v1/connections/otter")["open_incident"]["diagnosis"], *diagnosis);
    assert_eq!(app.get_json("/v1/connections?status=broken")["data"][0]["open_incident"]["diagnosis"], *diagnosis);
    for stage in timeline["stages"].as_array().expect("stages") {
        let says = stage["diagnosis"]["code"].as_str();
        match stage["stage"].as_str() {
            Some("sync" | "broken") => assert_eq!(says, Some(expected), "{stage}"),
            _ => assert_eq!(says, None, "{stage}"),
        }
    }
    let one = app.get_json(&format!("/v1/connections/otter/syncs/{sync}"));
    assert_eq!(one["diagnosis"], *diagnosis);
    let syncs = app.get_json("/v1/connections/heron/syncs");
    assert!(syncs["data"][0].get("diagnosis").is_none(), "a good sync needs none");
    assert_eq!(syncs["data"][1]["diagnosis"]["code"], "fivetran.warning.skip_table");
    let event = &app.all_events("event=sync_end&connection_id=otter")[0];
    assert!(event.get("diagnosis").is_none(), "lists stay short");
    let id = event["id"].as_str().expect("an id");
    assert_eq!(app.get_json(&format!("/v1/events/{id}"))["diagnosis"], *diagnosis);
    let good = &app.all_events("event=sync_start")[0];
    let good = app.get_json(&format!("/v1/events/{}", good["id"].as_str().expect("an id")));
    assert!(good.get("diagnosis").is_none());
}

#[test]
fn a_cause_that_stands_at_the_end_of_a_long_text_is_found_everywhere() {
    let app = App::spawn();
    let frames: String =
        (0..40).map(|nth| format!("\n\tat com.example.connector.Reader.step{nth}(Reader.java:{nth})")).collect();
    let trace = |cause: &str| format!("java.lang.RuntimeException: sync failed{frames}\nCaused by: {cause}");
    let slot = trace("ERROR: replication slot \"fivetran_slot\" does not exist");
    let full = trace("ERROR: could not extend file: No space left on device");
    assert!(slot.len() > 1_500, "longer than what a stage keeps");
    let failed = |reason: &str| json!({"status": "FAILURE_WITH_TASK", "taskType": "reconnect", "reason": reason});
    let lines = [
        event("sync_start", &ago(9), "otter", Some("a"), Value::Null),
        event("sync_end", &ago(8), "otter", Some("a"), failed(&full)),
        event("sync_start", &ago(7), "otter", Some("b"), Value::Null),
        event("sync_end", &ago(6), "otter", Some("b"), failed(&slot)),
        event("sync_start", &ago(5), "heron", Some("c"), Value::Null),
        event("error", &ago(4), "heron", Some("c"), json!({"type": "moon", "message": slot})),
        event("sync_end", &ago(3), "heron", Some("c"), json!({"status": "FAILURE"})),
    ];
    app.post_native(lines.join("\n")).expect(200);
    let expected = "fivetran.postgres.slot_missing";
    let code = |value: &Value| value["diagnosis"]["code"].as_str().map(str::to_owned);
    for path in ["/v1/incidents?connection_id=otter", "/v1/connections/otter/syncs", "/v1/connections/heron/syncs"] {
        assert_eq!(code(&app.get_json(path)["data"][0]).as_deref(), Some(expected), "{path}");
    }
    let first = app.get_json("/v1/connections/otter/syncs/a");
    assert_eq!(code(&first).as_deref(), Some("fivetran.sql.disk_full"), "each sync by its own text");
    let timeline = app.get_json("/v1/connections/otter/timeline");
    assert_eq!(code(&timeline["connection"]["open_incident"]).as_deref(), Some(expected));
    let broken = timeline["stages"].as_array().expect("stages").iter().find(|stage| stage["stage"] == "broken");
    assert_eq!(code(broken.expect("a stage")).as_deref(), Some("fivetran.sql.disk_full"), "it broke with the first");
    let kept = timeline["incidents"][0]["reason"].as_str().expect("a reason");
    assert!(kept.len() <= 1_000, "the stage keeps no more than before: {}", kept.len());
}

#[test]
fn an_incident_has_a_diagnosis_when_its_event_has_one() {
    let app = App::spawn();
    let status = |status: &str, at: &str, message: &str| {
        json!({"source": "code42", "data_connection_id": "dcctl", "status": status, "timestamp": at, "message": message})
            .to_string()
    };
    app.post_native(status("Error", "2026-07-07T10:00:00Z", "x")).expect(200);
    let expected = "code42.status.error";
    let incident = &app.get_json("/v1/incidents")["data"][0];
    assert_eq!(incident["diagnosis"]["code"], expected);
    let event = &app.all_events("source=code42")[0];
    let event = app.get_json(&format!("/v1/events/{}", event["id"].as_str().expect("an id")));
    assert_eq!(event["diagnosis"], incident["diagnosis"]);
    let id = incident["connection_id"].as_str().expect("an id");
    let timeline = app.get_json(&format!("/v1/connections/{id}/timeline"));
    assert_eq!(timeline["connection"]["open_incident"]["diagnosis"]["code"], expected);
    let broken = timeline["stages"].as_array().expect("stages").iter().find(|stage| stage["stage"] == "broken");
    assert_eq!(broken.expect("a stage")["diagnosis"]["code"], expected);
    // The end of it does not take the meaning away.
    app.post_native(status("Monitoring", "2026-07-07T11:00:00Z", "fine")).expect(200);
    let incident = &app.get_json("/v1/incidents")["data"][0];
    assert_eq!(
        (&incident["resolved_at"], &incident["diagnosis"]["code"]),
        (&json!("2026-07-07T11:00:00.000Z"), &json!(expected))
    );
}

#[test]
fn the_same_unknown_error_is_seen_once_with_a_count() {
    let app = App::spawn();
    let odd =
        |nth: i64| json!({"type": "moon", "message": format!("Moon phase {nth} of 'c{nth}' at m{nth}.example.com")});
    let mut lines: Vec<String> =
        (0..40).map(|nth| event("error", &ago(nth + 1), &format!("c{}", nth % 3), None, odd(nth))).collect();
    lines.push(event("warning", &ago(1), "c9", None, json!({"type": "tide", "message": "High tide"})));
    lines.push(event("error", &ago(1), "c9", None, json!({"message": "Connection reset by peer"})));
    lines.push(event("error", "2020-01-01T00:00:00Z", "c9", None, json!({"message": "Long ago"})));
    app.post_native(lines.join("\n")).expect(200);
    let answer = app.get_json("/v1/diagnose/unknown");
    assert_eq!(answer["complete"], true);
    assert_eq!(answer["scanned"], 42);
    let data = answer["data"].as_array().expect("a list");
    let templates: Vec<&str> = data.iter().filter_map(|row| row["template"].as_str()).collect();
    assert_eq!(templates, ["Moon phase <n> of <name> at <host>", "High tide"]);
    let row = &data[0];
    assert_eq!((&row["count"], &row["connections_total"]), (&json!(40), &json!(3)));
    assert_eq!(row["connections"], json!(["c0", "c1", "c2"]));
    assert!(row["first_seen"].as_str() < row["last_seen"].as_str());
    let example = app.get_json(&format!("/v1/events/{}", row["example_event_id"].as_str().expect("an id")));
    assert_eq!(example["data"]["message"], "Moon phase 0 of 'c0' at m0.example.com", "the newest is the example");
    assert_eq!(app.get_json("/v1/diagnose/unknown?limit=1")["data"].as_array().map(Vec::len), Some(1));
}

#[test]
fn errors_are_explained_on_the_command_line() {
    let app = Setup::default().prepare();
    let explain = |args: &[&str]| app.run(&[&["explain"], args].concat());
    let done = explain(&["FATAL: too many connections for role \"x\""]);
    assert_eq!(done.status.code(), Some(0));
    let text = out(&done);
    for part in ["why", "whose move", "what to do", "1. ", "how long", "fivetran.postgres.too_many_connections"] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert!(out(&explain(&["FATAL:", "too", "many", "connections", "for", "role"])).contains("postgres"));
    for (code, title) in
        [("ENTITY_IS_LOCKED", "approval"), ("reconnect", "sign in"), ("fivetran.network.dns", "resolved")]
    {
        let text = out(&explain(&[code]));
        assert!(text.contains(title), "{code}: {text}");
    }
    let done = explain(&["--json", "--source", "heroku_connect", "Connection reset by peer"]);
    let value: Value = serde_json::from_slice(&done.stdout).expect("json");
    assert_eq!(value["data"][0]["code"], "heroku_connect.network.connection_reset");
    let done = explain(&["It is \u{1b}[2J full moon, 17th"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(out(&done).contains("Nothing is known") && !out(&done).contains('\u{1b}'));
    assert!(out(&done).contains("<n>th"), "{}", out(&done));
    let list = out(&explain(&["--list"]));
    assert!(list.lines().count() > 200, "{list}");
    assert_eq!(explain(&[]).status.code(), Some(2));
}

const OWN: &str = r#"
system = "fivetran"
[[entry]]
code = "fivetran.own.moon"
title = "The moon is full"
cause = "Our telescope is switched off at full moon."
fix = ["Wait for a night."]
who = "nobody"
transient = true
retriable = true
severity = "warning"
recovery = { text = "a night", minutes = 720 }
reference = "https://wiki.example.com/moon"
match = [{ text = 'moon phase \d+' }]
examples = ["Moon phase 17"]
near_misses = ["Moon is out"]
"#;

#[test]
fn files_of_ones_own_add_and_replace_entries() {
    let dir = tempfile::tempdir().expect("a directory");
    let dns = OWN.replace("own.moon", "network.dns").replace(r"'moon phase \d+'", "'no such host'");
    fs::write(dir.path().join("moon.toml"), OWN).expect("written");
    fs::write(dir.path().join("dns.toml"), dns.replace("Moon phase 17", "no such host")).expect("written");
    fs::write(dir.path().join("notes.txt"), "not read").expect("written");
    let app = Setup::default().env("LIFELINE_DIAGNOSIS_DIR", dir.path().to_str().expect("text")).spawn();
    assert_eq!(first(&asked(&app, "text=Moon+phase+4")), "fivetran.own.moon");
    let replaced = asked(&app, "text=no+such+host");
    assert_eq!(replaced["data"][0]["title"], "The moon is full");
    assert_eq!(replaced["data"].as_array().map(Vec::len), Some(1), "the built-in entry is gone");
}

#[test]
fn a_broken_file_is_refused_with_file_entry_and_field() {
    let dir = tempfile::tempdir().expect("a directory");
    let app = Setup::default().env("LIFELINE_DIAGNOSIS_DIR", dir.path().to_str().expect("text")).prepare();
    let file = dir.path().join("own.toml");
    let nested = "'((((a{50}){50}){50}){50}){50}'";
    let cases = [
        (OWN.replace("who = \"nobody\"", "who = \"me\""), vec!["entry 1 (fivetran.own.moon)", "who"]),
        (OWN.replace("severity", "severe"), vec!["entry 1 (fivetran.own.moon)", "severe"]),
        (OWN.replace("transient = true\n", ""), vec!["entry 1", "transient"]),
        (OWN.replace("fix = [\"Wait for a night.\"]", "fix = []"), vec!["entry 1", "fix"]),
        (OWN.replace("'moon phase \\d+'", "'moon ('"), vec!["entry 1", "match.text", "moon ("]),
        (OWN.replace("'moon phase \\d+'", "'a*'"), vec!["match.text", "every text"]),
        (OWN.replace("'moon phase \\d+'", nested), vec!["entry 1", "match.text"]),
        (OWN.replace("'moon phase \\d+'", r"'(?=a)b'"), vec!["entry 1", "match.text", "look-around"]),
        (OWN.replace("\"Moon phase 17\"", "\"Sun\""), vec!["fivetran.own.moon", "examples", "Sun"]),
        (OWN.replace("\"Moon is out\"", "\"Moon phase 1\""), vec!["fivetran.own.moon", "near_misses"]),
        (format!("{OWN}{}", OWN.trim_start().trim_start_matches("system = \"fivetran\"")), vec!["entry 2", "code"]),
        ("system = \"fivetran".to_owned(), vec!["not TOML", "line 1"]),
        (OWN.replace("system = \"fivetran\"", "system = \"x\""), vec!["system"]),
        (format!("{OWN}{}", "#".repeat(1 << 20)), vec!["bytes"]),
    ];
    for (text, parts) in cases {
        fs::write(&file, &text).expect("written");
        let started = Instant::now();
        let done = app.run(&["explain", "Moon phase 4"]);
        assert!(started.elapsed() < Duration::from_secs(20));
        let error = err(&done);
        assert_eq!(done.status.code(), Some(1), "{error}");
        for part in parts.iter().chain(&["own.toml"]) {
            assert!(error.contains(part), "{part:?} is missing in {error}");
        }
    }
    fs::write(&file, OWN).expect("written");
    assert_eq!(app.run(&["explain", "Moon phase 4"]).status.code(), Some(0));
    let app = Setup::default().env("LIFELINE_DIAGNOSIS_DIR", "/no/such/directory").prepare();
    let done = app.run(&["explain", "a"]);
    assert!(err(&done).contains("/no/such/directory"));
}

#[test]
fn hostile_texts_take_a_bounded_time() {
    let app = App::spawn();
    let mut texts: Vec<String> = vec![
        "permission ".repeat(100_000),
        "(((((".repeat(200_000),
        "a".repeat(1 << 20),
        "could not could not unable to ".repeat(30_000),
        "'\"`<>".repeat(200_000),
        "1.1.1.1:1 a@b.c 0x1 ".repeat(50_000),
        "\u{0}\u{1b}[2J\u{202e}\u{fffd}\n".repeat(100_000),
        "é…↑".repeat(150_000),
    ];
    texts.push(format!("{}replication slot \"x\" does not exist", "x ".repeat(500_000)));
    let lines: Vec<String> = texts
        .iter()
        .enumerate()
        .map(|(nth, text)| event("error", &ago(nth as i64 + 1), "c", None, json!({"message": text})))
        .collect();
    for line in lines {
        app.post_native(line).expect(200);
    }
    let started = Instant::now();
    let unknown = app.get_json("/v1/diagnose/unknown");
    assert_eq!(unknown["scanned"], texts.len());
    for event in app.all_events("event=error") {
        let id = event["id"].as_str().expect("an id");
        app.get(&format!("/v1/events/{id}")).expect(200);
    }
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    let longest = asked(&app, &format!("text={}", encoded(&"timed out ".repeat(1_000))));
    assert_eq!(first(&longest), "fivetran.network.timeout");
    app.get(&format!("/v1/diagnose?text={}", "a".repeat(20_000))).expect(400);
    app.assert_well();
}

#[test]
fn the_page_lists_every_entry() {
    let app = Setup::default().prepare();
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/diagnosis.md");
    let page = fs::read_to_string(page).expect("the page");
    let done = app.run(&["explain", "--list", "--json"]);
    let entries: Value = serde_json::from_slice(&done.stdout).expect("json");
    let rows: Vec<String> = entries.as_array().expect("a list").iter().map(row).collect();
    let missing: Vec<&String> = rows.iter().filter(|row| !page.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "docs/diagnosis.md lacks {missing:#?}");
    let listed =
        page.lines().filter(|line| line.starts_with("| `") && line.matches('.').count() > 0 && line.ends_with("` |"));
    assert_eq!(listed.count(), rows.len(), "docs/diagnosis.md lists an entry that is not there");
}

fn row(entry: &Value) -> String {
    let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    format!("| `{}` | {} | `{}` |", text("code"), text("title"), text("who"))
}
