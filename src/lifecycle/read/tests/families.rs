//! Tables of events and what they say, one for each family. Documented shapes stand in the snapshot; here are the odd ones.

use super::super::super::Signal;
use super::{fact, fact_of, render};
use serde_json::{Value, json};

/// Checks one event of a connection, delivered within a sync.
#[track_caller]
fn check(name: &str, data: Value, expected: &str) {
    assert_eq!(render::fact(&fact(name, &data)), expected, "{name} {data}");
}

#[test]
fn a_sync_and_its_end_are_read_in_both_spellings() {
    check("sync_start", Value::Null, "sync_start (in sync)");
    check("sync_start", json!([1]), "sync_start (in sync)");
    check("sync_end", Value::Null, "sync_end (in sync)");
    check("sync_end", json!({"status": " SUCCESSFUL "}), r#"sync_end status="SUCCESSFUL" (in sync)"#);
    check("sync_end", json!({"status": null, "reason": 7, "taskType": ""}), r#"sync_end reason="7" (in sync)"#);
    let later = r#"sync_end status="RESCHEDULED" task="api_quota" at=2026-03-02T12:29:11.000Z (in sync)"#;
    check(
        "sync_end",
        json!({"status": "RESCHEDULED", "taskType": "api_quota", "rescheduledAt": "2026-03-02T12:29:11Z"}),
        later,
    );
    check(
        "sync_end",
        json!({"status": "RESCHEDULED", "task_type": "api_quota", "rescheduled_at": 1_772_454_551}),
        later,
    );
    check(
        "sync_end",
        json!({"status": "RESCHEDULED", "rescheduledAt": "soon"}),
        r#"sync_end status="RESCHEDULED" (in sync)"#,
    );
    check("sync_end", json!("{\"status\":\"SUCCESSFUL\"}"), r#"sync_end status="SUCCESSFUL" (in sync)"#);
    check("SYNC_END", json!({"status": "no_status"}), r#"sync_end status="no_status" (in sync)"#);
    check(
        "sync_end",
        json!({"status": "FAILURE", "reason": {"code": 5}}),
        r#"sync_end status="FAILURE" reason="{\"code\":5}" (in sync)"#,
    );
    check("status", json!("says actor but not a json"), "status (in sync)");
    check(
        "status",
        json!({"status": "RESCHEDULED", "reason": "intended behavior"}),
        r#"status status="RESCHEDULED" reason="intended behavior" (in sync)"#,
    );
}

#[test]
fn rows_of_tables_are_counted_whatever_the_form_of_the_number() {
    let rows = |count: Value| json!({"schema": "s", "table": "t", "operationType": "UPDATED", "count": count});
    let says = |count: &str| format!("records_modified s/t UPDATED {count} (in sync)");
    let huge: Value = serde_json::from_str("98765432109876543210987654321").expect("a number");
    for (count, expected) in [
        (json!(11_624_686_068_u64), "11624686068"),
        (json!("12"), "12"),
        (json!(" 7 "), "7"),
        (json!(3.9), "3"),
        (json!(1e3), "1000"),
        (json!(-4), "0"),
        (json!("many"), "0"),
        (json!(i64::MAX), "9223372036854775807"),
        (json!(u64::MAX), "0"),
        (huge, "0"),
        (json!("NaN"), "0"),
        (json!([5]), "0"),
        (Value::Null, "0"),
    ] {
        check("records_modified", rows(count), &says(expected));
    }
    check("records_modified", Value::Null, "records_modified  UNKNOWN 0 (in sync)");
    check(
        "records_modified",
        json!({"table": "t", "operation_type": "deleted", "count": 2}),
        "records_modified t DELETED 2 (in sync)",
    );
    check("processed_records", json!({"table": "t", "records_count": 2}), "processed_records t 2 (in sync)");
    check("write_to_table_start", json!({"schema": "s", "table": "t"}), "write_start s/t (in sync)");
    check("write_to_table_end", json!({"table": 5}), "write_end 5 (in sync)");
    check("write_to_table_end", json!({"table": {}}), "write_end  (in sync)");
}

#[test]
fn what_a_sync_did_is_summed_up() {
    check(
        "extract_summary",
        json!({"totalQueries": 5, "total_rows": 4810}),
        "extract_summary queries=5 rows=4810 bytes=0 (in sync)",
    );
    check(
        "extract_summary",
        json!({"totalQueries": "5", "total_size": "8.5"}),
        "extract_summary queries=5 rows=0 bytes=8 (in sync)",
    );
    check("sync_stats", json!({"total_time_s": 1.25}), r#"sync_stats {"total_time_s":1.25} (in sync)"#);
    check("sync_stats", json!("text"), "sync_stats {} (in sync)");
    check("sync_stats", json!({"note": "x".repeat(20_000)}), "sync_stats {} (in sync)");
    check(
        "import_progress",
        json!({"tableProgress": {"a": "complete", "b": "Done", "c": "COMPLETED", "d": "IN_PROGRESS", "e": 1}}),
        "import_progress 3 of 5 (in sync)",
    );
    check("import_progress", json!({"table_progress": ["a"]}), "import_progress 0 of 0 (in sync)");
    check("schema_migration_failure", Value::Null, "work MigrationEnd (in sync)");
    check("merge_rows", json!({"name": "t"}), "work LoadStep (in sync)");
}

#[test]
fn lines_for_people_are_as_serious_as_they_say() {
    check("error", json!({"message": "a", "reason": "b"}), r#"error text="a" (in sync)"#);
    check("error", json!("cut { off"), r#"error text="cut { off" (in sync)"#);
    check("warning", json!({"type": "t", "message": ["x"]}), r#"warning type="t" text="[\"x\"]" (in sync)"#);
    check("info", Value::Null, "info (in sync)");
    let line = |level: &str| {
        let event = json!({"event": "connector_sdk_log", "connection_id": "c", "sync_id": "s", "level": level,
            "data": {"message": "hello", "message_origin": "connector_sdk"}});
        render::fact(&fact_of(&event.to_string()).expect("a fact"))
    };
    assert_eq!(line("SEVERE"), r#"error type="connector_sdk" text="hello" (in sync)"#);
    assert_eq!(line("WARNING"), r#"warning type="connector_sdk" text="hello" (in sync)"#);
    assert_eq!(line("FINE"), r#"info type="connector_sdk" text="hello" (in sync)"#);
    let Signal::Error(message) = fact("error", &json!({"message": "é".repeat(3_000)})).signal else {
        panic!("an error")
    };
    assert_eq!(message.text.map(|text| text.chars().count()), Some(1_000));
}

#[test]
fn actions_of_people_belong_to_no_sync() {
    check("delete_connector", Value::Null, "deleted by=[Dashboard]");
    check("delete_connection", Value::Null, "deleted by=[Audit]");
    check("forced_pause_connector", json!({"reason": "trial"}), r#"paused by=[Dashboard Fivetran because "trial"]"#);
    check(
        "resync_table",
        json!({"actor": "a@x", "schema": "s"}),
        "resync by=[Dashboard a@x] deed[Dashboard a@x 28 bytes]",
    );
    check("forced_resync_table", json!({"table": "t"}), "resync by=[Connector Fivetran] table=t (in sync)");
    check(
        "connection_failure",
        json!({"test_name": "n", "message": ""}),
        r#"tested by=[Dashboard] test="n" passed=false"#,
    );
    check("test_connector_connection", json!({"testCount": "3"}), "tests_started by=[Dashboard] tests=3");
    check(
        "diagnostic_access_granted",
        json!({"requester": "r", "supportTicket": 77}),
        r#"support what=granted actor="r" ticket="77" deed[Dashboard r 36 bytes]"#,
    );
    check("edit_team", json!({"userId": "u"}), "unused edit_team (in sync)");
    check("edit_team", json!({"userId": "u", "action": "EDIT"}), "unused edit_team deed[Audit u 30 bytes]");
    check("edit_team", json!({"userId": null, "action": "EDIT"}), "unused edit_team (in sync)");
    check("brand_new_event", json!({"actor": 12}), "unused brand_new_event deed[Dashboard 12 12 bytes]");
    check("brand_new_event", json!({"actor": " "}), "unused brand_new_event (in sync)");
}

#[test]
fn edits_say_what_differs_and_what_it_means() {
    let audit = |old: Value, new: Value| json!({"userId": "u", "interactionMethod": "API", "action": "EDIT", "oldValues": old, "newValues": new});
    let check = |data: Value, expected: &str| {
        let line = render::fact(&fact("edit_connection", &data));
        assert_eq!(line.split(" deed[").next(), Some(expected), "{data}");
    };
    check(audit(json!({"is_paused": false}), json!({"is_paused": true})), "paused by=[Audit u API]");
    check(audit(json!({}), json!({"paused": "false"})), "resumed by=[Audit u API]");
    check(audit(json!({"is_paused": true}), json!({"is_paused": true})), "paused by=[Audit u API]");
    check(
        audit(json!({"is_paused": true}), json!({"is_paused": 5})),
        "edited by=[Audit u API] changes=[is_paused: true -> 5]",
    );
    check(
        audit(json!({"is_paused": false, "sync_frequency": 5}), json!({"is_paused": true, "sync_frequency": "60"})),
        r#"edited by=[Audit u API] paused=true frequency=60 changes=[is_paused: false -> true, sync_frequency: 5 -> "60"]"#,
    );
    check(
        audit(json!({"a": {"b": 1, "c": 2}, "gone": 1}), json!({"a": {"b": 1, "c": 3, "d": null}, "new": {"x": [1]}})),
        "edited by=[Audit u API] changes=[a.c: 2 -> 3, new.x: null -> [1], gone: 1 -> null]",
    );
    check(audit(Value::Null, json!("text")), "edited by=[Audit u API] changes=[]");
    check(
        audit(json!({"schedule_type": "auto"}), json!({"schedule_type": "manual", "schema_status": "ready"})),
        r#"edited by=[Audit u API] schedule="manual" schema="ready" changes=[schedule_type: "auto" -> "manual", schema_status: null -> "ready"]"#,
    );
    check(
        audit(json!({}), json!({"tables": {"s.t": {"blocked": true}}, "is_paused": true})),
        "edited by=[Audit u API] paused=true changes=[is_paused: null -> true, tables.s.t.blocked: null -> true]",
    );
}

#[test]
fn long_values_of_an_edit_are_cut_and_the_last_changes_left_off() {
    let members: serde_json::Map<String, Value> =
        (0..90).map(|i| (format!("m{i:02}"), json!(["x".repeat(900), "y".repeat(5_000)]))).collect();
    let Signal::Edited(edit) = fact("edit_connection", &json!({ "newValues": members })).signal else {
        panic!("an edit")
    };
    assert_eq!(edit.changes.len(), 18);
    for change in &edit.changes {
        assert_eq!((&change.old, &change.new), (&Value::Null, &json!(["x".repeat(900), "y".repeat(1_000)])));
    }
}

#[test]
fn an_edit_in_the_dashboard_that_only_pauses_is_a_pause() {
    let check = |data: Value, expected: &str| {
        let line = render::fact(&fact("edit_connector", &data));
        assert_eq!(line.split(" deed[").next(), Some(expected), "{data}");
    };
    let edit = |old: Value, new: Value| json!({"actor": "a", "editType": "X", "oldProperties": old, "properties": new});
    check(edit(json!({"host": "h", "paused": false}), json!({"host": "h", "paused": true})), "paused by=[Dashboard a]");
    check(
        edit(json!({"host": "h", "paused": false}), json!({"host": "i", "paused": false})),
        r#"edited by=[Dashboard a] type="X" paused=false changes=[host: "h" -> "i"]"#,
    );
    check(json!({"actor": "a", "editType": "resume"}), "resumed by=[Dashboard a]");
    check(Value::Null, "edited by=[Dashboard] changes=[]");
}

#[test]
fn a_creation_lists_what_it_was_created_with() {
    check(
        "create_connection",
        json!({"actor": "a", "properties": {"syncMode": "All", "events": [], "isE2ETest": null}}),
        r#"created by=[Dashboard a] changes=[events: null -> [], syncMode: null -> "All"] deed[Dashboard a 74 bytes]"#,
    );
    check(
        "create_connector",
        json!({"userId": "u", "primaryResourceType": "CONNECTOR", "newValues": {"service": "s3", "sync_frequency": 15}}),
        r#"created by=[Audit u] frequency=15 changes=[service: null -> "s3", sync_frequency: null -> 15] deed[Audit u 97 bytes]"#,
    );
    check(
        "sync_connection",
        json!({"userId": "u", "newValues": {"trigger_resync": "true", "schema": "s", "table": "t"}}),
        "resync by=[Audit u] table=s/t",
    );
    check("sync_connection", Value::Null, "manual_sync by=[Audit]");
}

#[test]
fn schema_changes_name_tables_and_columns() {
    let check = |name: &str, data: Value, expected: &str| {
        let Signal::SchemaChanged(change) = fact(name, &data).signal else { panic!("{name} changes no schema") };
        let said: Vec<String> = change
            .changes
            .iter()
            .map(|(operation, table, columns)| {
                format!(
                    "{operation} {}.{}({})",
                    table.schema.as_deref().unwrap_or_default(),
                    table.table,
                    columns.join(" ")
                )
            })
            .collect();
        assert_eq!(said.join(", "), expected, "{name} {data}");
    };
    let config = |properties: Value| json!({"properties": properties});
    check("create_schema", Value::Null, "CREATE_SCHEMA .()");
    check("create_table", json!({"name": "t", "columns": ["a", {"name": "b"}, 3]}), "CREATE_TABLE .t(a b 3)");
    check("alter_table", json!({"table": "t"}), "ALTER_TABLE .t()");
    check(
        "alter_table",
        json!({"type": "DROP_COLUMN", "schema": "s", "table": "t", "properties": {"column_name": "c"}}),
        "DROP_COLUMN s.t(c)",
    );
    check("change_schema_config", Value::Null, "");
    check("migrate_schema_config", json!({"anything": 1}), "");
    check(
        "change_schema_config",
        config(json!({"HASHED_COLUMNS": [{"schema": "s", "table": "t", "columns": ["a", "b"]}]})),
        "HASHED_COLUMNS s.t(a b)",
    );
    check(
        "change_schema_config",
        config(json!({"SYNC_MODE_CHANGE_FOR_TABLES": [{"schema": "s", "tablesSyncModes": [
            {"table": "t", "syncMode": "History", "columns": ["a"]}, {"table": "u", "syncMode": "Legacy"}]}]})),
        "SYNC_MODE_CHANGE_FOR_TABLES=History s.t(a), SYNC_MODE_CHANGE_FOR_TABLES=Legacy s.u()",
    );
    check(
        "change_schema_config",
        config(
            json!({"ENABLED": ["a", 5], "DISABLED_TABLES": ["s.t", {"schema": "s", "tables": ["u", null, "v"]}, 7, []],
            "ADDITION": {"schema": "s"}, "x": null, "mode": "ALLOW_ALL"}),
        ),
        "ADDITION s.(), DISABLED_TABLES s.t(), DISABLED_TABLES s.u(), DISABLED_TABLES s.v(), DISABLED_TABLES .7(), \
         ENABLED a.(), ENABLED 5.(), mode=ALLOW_ALL .()",
    );
    let edit = json!({"userId": "u", "action": "EDIT",
        "oldValues": {"columns": {"s.t.a": {"hashed": true}, "s.t.b": {"hashed": false}, "s.t.c": {"hashed": true}}},
        "newValues": {"schemas": {"s": {"blocked": true}},
            "columns": {"s.t.a": {"hashed": false}, "s.t.b": {"hashed": false}, "s.t.c": {"hashed": false}},
            "tables": {"t": {"mode": "x"}}}});
    check("edit_connection", edit, "BLOCKED_SCHEMAS s.(), tables.mode=x .t(), UNHASHED_COLUMNS s.t(a c)");
}

#[test]
fn schema_changes_of_a_sync_stay_in_it_and_those_of_people_do_not() {
    let change = json!({"actor": "a", "properties": {"ENABLED": ["s"]}});
    check(
        "change_schema_config_via_api",
        change.clone(),
        "schema_changed change_schema_config_via_api by=[Dashboard a API] [ENABLED s/] 44 bytes deed[Dashboard a 44 bytes]",
    );
    check(
        "change_schema_config_via_sync",
        change,
        "schema_changed change_schema_config_via_sync by=[Connector a] [ENABLED s/] 44 bytes (in sync) deed[Connector a 44 bytes]",
    );
}

#[test]
fn runs_of_dbt_are_read_in_their_old_form() {
    let observed = json!({
        "startTime": "2022-09-10T07:14:17.900Z", "endTime": "2022-09-10T07:14:41.614Z",
        "dbtJobId": "lyre_stolen", "dbtJobName": "TEST_MODELS:temperature",
        "startupDetails": {"jobId": 24_518_629, "type": "integrated_scheduler"},
        "result": {"description": "Steps: successful 1, failed 0", "stepResults": [{
            "step": {"processBuilderCommand": ["dbt", "test", "--models", "+temperature"], "name": "Scheduled: Test"},
            "failedModelRuns": 0, "successfulModelRuns": 2, "success": true,
            "commandResult": {"error": "", "exitCode": 0, "output": "done"},
            "startTime": "2022-09-10T07:14:34.035Z", "endTime": "2022-09-10T07:14:41.385Z"}]},
    });
    check(
        "dbt_run_succeeded",
        observed,
        concat!(
            r#"run job=lyre_stolen name="TEST_MODELS:temperature" phase=Succeeded start=2022-09-10T07:14:17.900Z "#,
            r#"end=2022-09-10T07:14:41.614Z description="Steps: successful 1, failed 0" steps=[{"#,
            r#""command":"dbt test --models +temperature","duration_ms":7350,"ended_at":"2022-09-10T07:14:41.385Z","#,
            r#""error":null,"exit_code":0,"models":[],"models_failed":0,"models_succeeded":2,"name":"Scheduled: Test","#,
            r#""output":"done","started_at":"2022-09-10T07:14:34.035Z","success":true}]"#,
        ),
    );
    check("transformation_run_failed", Value::Null, "run job= phase=Failed");
    check(
        "transformation_failed",
        json!({"name": "n", "result": {"error": {"code": 1}, "stepResults": {}}}),
        r#"run job=n name="n" phase=Failed error="{\"code\":1}""#,
    );
}

#[test]
fn of_long_outputs_the_end_is_kept() {
    let output = format!("{}{}", "a".repeat(5_000), "é".repeat(1_500));
    let data = json!({"result": {"stepResults": [{"commandResult": {"output": output}}]}});
    let Signal::Run(run) = fact("transformation_failed", &data).signal else { panic!("a run") };
    let kept = run.steps[0]["output"].as_str().expect("an output");
    assert_eq!(kept, format!("{}{}", "a".repeat(500), "é".repeat(1_500)));
}
