//! Connections' lives on the command line: beside a running server and without one, for people, for scripts, and as files for other
//! programs; and the same answers from the views over the database.

use crate::{
    app::{App, err, out},
    samples::{self, simulated},
};
use lifeline::model::Timestamp;
use parquet::{
    file::reader::{FileReader as _, SerializedFileReader},
    record::Field,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

#[track_caller]
fn good(app: &App, args: &[&str]) -> String {
    let done = app.run(args);
    assert_eq!(done.status.code(), Some(0), "{args:?}: {}{}", out(&done), err(&done));
    out(&done)
}

#[track_caller]
fn json_of(app: &App, args: &[&str]) -> Value {
    let text = good(app, args);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}: {text}"))
}

/// Without the moment of asking.
fn undated(text: &str) -> String {
    let mut parts = text.split("\"as_of\":\"");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        kept.push_str("\"as_of\":\"");
        kept.push_str(part.find('"').map_or(part, |at| &part[at..]));
    }
    kept
}

/// A small life: created, synced, broken, looked after, still broken. And a healthy neighbour.
fn two_lives() -> String {
    let event = |event: &str, created: &str, sync: Option<&str>, data: Value| {
        json!({"event": event, "created": created, "connection_id": "brave_otter", "connection_name": "shop",
            "connector_type": "postgres", "sync_id": sync, "data": data})
        .to_string()
    };
    let actor = json!({"actor": "ana@example.com", "id": "brave_otter"});
    let table = json!({"table": "=orders"});
    let rows = |operation: &str, count: u64| json!({"schema": "public", "table": "=orders", "operationType": operation, "count": count});
    let failed =
        json!({"status": "FAILURE_WITH_TASK", "reason": "password \u{1b}[2J refused", "taskType": "reconnect"});
    let first = "2a1b3c4d-0000-4000-8000-000000000001";
    let mut lines = vec![
        event("create_connector", "2026-07-06T09:00:00Z", None, actor.clone()),
        event("sync_start", "2026-07-06T09:10:00Z", Some(first), Value::Null),
        event("write_to_table_start", "2026-07-06T09:11:00.5Z", Some(first), table.clone()),
        event("records_modified", "2026-07-06T09:11:01Z", Some(first), rows("REPLACED_OR_INSERTED", 1200)),
        event("records_modified", "2026-07-06T09:11:02Z", Some(first), rows("DELETED", 4)),
        event("write_to_table_end", "2026-07-06T09:11:03Z", Some(first), table),
        event("sync_end", "2026-07-06T09:12:03Z", Some(first), json!({"status": "SUCCESSFUL"})),
        event(
            "create_table",
            "2026-07-06T09:10:30Z",
            Some(first),
            json!({"schema": "public", "name": "orders", "columns": {"id": "STRING"}}),
        ),
        event("sync_start", "2026-07-07T16:30:00Z", Some("0f3a"), Value::Null),
        event("sync_end", "2026-07-07T16:35:14Z", Some("0f3a"), failed),
        event("edit_connector", "2026-07-07T17:02:00Z", None, actor),
    ];
    lines.extend((0..5).map(|n| {
        json!({"event": "sync_end", "created": format!("2026-07-07T0{n}:00:00Z"), "connection_id": "calm_heron",
            "connection_name": "mail", "connector_type": "gmail", "sync_id": format!("s{n}"), "data": {"status": "SUCCESSFUL"}})
        .to_string()
    }));
    lines.join("\n")
}

#[test]
fn the_list_and_a_timeline_say_what_is_wrong_with_and_without_a_server() {
    let mut app = App::spawn();
    app.post_native(two_lives()).expect(200);
    let commands: [&[&str]; 6] = [
        &["connections", "--color", "never"],
        &["connections", "--status", "broken", "--json"],
        &["timeline", "brave_otter", "--as-of", "2026-07-07T18:00:00Z"],
        &["timeline", "shop", "--all", "--as-of", "2026-07-07T18:00:00Z"],
        &["timeline", "brave_otter", "--as-of", "2026-07-07T00:00:00Z", "--json"],
        &[
            "timeline",
            "brave_otter",
            "--from",
            "2026-07-07",
            "--to",
            "2026-07-08",
            "--limit",
            "2",
            "--as-of",
            "2026-07-08",
        ],
    ];
    let beside: Vec<String> = commands.iter().map(|args| good(&app, args)).collect();
    app.stop();
    let alone: Vec<String> = commands.iter().map(|args| good(&app, args)).collect();
    assert_eq!(beside, alone);

    let list = &beside[0];
    let rows: Vec<&str> = list.lines().collect();
    assert!(rows[1].starts_with("✗ broken") && rows[1].contains("shop") && rows[1].contains("brave_otter"), "{list}");
    assert!(rows[2].contains("password \u{fffd}[2J refused"), "{list}");
    assert!(list.contains("2 connections: 1 broken, 1 connected; 1 open incident"), "{list}");
    let broken: Value = serde_json::from_str(&beside[1]).expect("JSON");
    assert_eq!(broken["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(broken["data"][0]["connection_id"], "brave_otter");
    for text in &beside[2..4] {
        assert!(text.contains("✗ BROKEN for 1 h 24 min, since 2026-07-07 16:35:14 UTC; 1 failure"), "{text}");
        assert!(text.contains("to do    reconnect"), "{text}");
        assert!(text.contains("done     2026-07-07 17:02:00"), "{text}");
        assert!(text.lines().all(|line| !line.chars().any(char::is_control)), "{text}");
    }
    let before: Value = serde_json::from_str(&beside[4]).expect("JSON");
    assert_eq!(before["connection"]["status"], "connected");
    assert_eq!(before["incidents"], json!([]));
    assert!(beside[5].contains("older stages are left out"), "{}", beside[5]);

    let coloured = good(&app, &["connections", "--color", "always"]);
    assert!(coloured.contains("\u{1b}[1;31m"), "{coloured}");
    for (args, code) in [
        (&["timeline", "nobody"][..], 1),
        (&["timeline"], 2),
        (&["timeline", "x", "--from", "soon"], 2),
        (&["timeline", "x", "--from", "1h", "--to", "2h"], 2),
        (&["connections", "--status", "well"], 2),
        (&["connections", "--color", "blue"], 2),
    ] {
        let done = app.run(args);
        assert_eq!(done.status.code(), Some(code), "{args:?}: {}", err(&done));
    }
}

#[test]
fn json_on_the_command_line_is_the_answer_of_the_interface() {
    let mut app = App::spawn();
    app.post_native(two_lives()).expect(200);
    app.post_native(r#"{"event":"an_odd_one","created":"2026-07-06T09:00:01Z","connection_id":"brave_otter"}"#)
        .expect(200);
    let at = "2026-07-07T18:00:00Z";
    let part = app.get(&format!("/v1/connections/brave_otter/timeline?as_of={at}&limit=2")).expect(200).json();
    assert!(part["next_cursor"].is_string() && part["unused"][0]["event"] == "an_odd_one", "{part}");
    let mut whole = app.get("/v1/connections/brave_otter/timeline").expect(200).json();
    whole["as_of"].take();
    let asked = |app: &App| {
        let shown = json_of(app, &["timeline", "brave_otter", "--as-of", at, "--limit", "2", "--json"]);
        let mut exported = json_of(app, &["export", "timeline", "brave_otter", "--format", "json"]);
        assert!(exported[0]["as_of"].take().is_string());
        assert_eq!((&shown, &exported[0]), (&part, &whole));
    };
    asked(&app);
    app.stop();
    asked(&app);
}

/// Records of a CSV file by the names of its columns.
fn records(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(|row| row.expect("a row")).collect()
}

#[test]
fn timelines_are_exported_in_every_form() {
    let mut app = App::spawn();
    app.post_native(two_lives()).expect(200);
    let forms: [&[&str]; 6] = [
        &["--all", "--format", "csv"],
        &["brave_otter", "--format", "csv", "--what", "tables"],
        &["--all", "--format", "json"],
        &["--all", "--format", "ndjson"],
        &["--all", "--format", "openlineage"],
        &["--all", "--format", "csv", "--from", "2026-07-07T04:00:00Z", "--to", "2026-07-07T16:30:00.000001Z"],
    ];
    let export = |app: &App| -> Vec<String> {
        forms.iter().map(|form| undated(&good(app, &[&["export", "timeline"], *form].concat()))).collect()
    };
    let beside = export(&app);
    let file = app.home().join("syncs.csv");
    let path = file.to_str().expect("a path in UTF-8");
    let done = app.run(&["export", "timeline", "--all", "--format", "csv", "-o", path]);
    assert!(done.status.success() && err(&done).contains("7 syncs of 2 connections"), "{}", err(&done));
    assert_eq!(fs::read_to_string(&file).expect("the file"), beside[0]);
    app.stop();
    assert_eq!(export(&app), beside);

    let syncs = records(&beside[0]);
    assert_eq!(syncs.len(), 7);
    assert_eq!(syncs[0]["status"], "FAILURE_WITH_TASK");
    assert_eq!((&*syncs[1]["rows_replaced_or_inserted"], &*syncs[1]["rows_deleted"]), ("1200", "4"));
    let tables = records(&beside[1]);
    assert_eq!((tables.len(), &*tables[0]["table"]), (1, "'=orders"), "{tables:?}");
    assert_eq!(tables[0]["write_started_at"], "2026-07-06T09:11:00.500Z");
    assert_eq!(records(&beside[5]).len(), 2, "{}", beside[5]);
    let timelines: Value = serde_json::from_str(&beside[2]).expect("JSON");
    assert_eq!(timelines[0]["connection"]["connection_id"], "brave_otter");
    let stages: usize = (0..2).map(|at| timelines[at]["stages"].as_array().expect("stages").len()).sum();
    assert_eq!(beside[3].lines().count(), stages);
    let runs: Vec<Value> = beside[4].lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(runs.len(), 14);
    let of_first: Vec<&Value> =
        runs.iter().filter(|run| run["run"]["runId"] == "2a1b3c4d-0000-4000-8000-000000000001").collect();
    assert_eq!((&of_first[0]["eventType"], &of_first[1]["eventType"]), (&json!("START"), &json!("COMPLETE")));
    assert_eq!(of_first[1]["outputs"][0]["name"], "public.=orders");
    assert_eq!(of_first[1]["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"], 1204);

    let unknown = app.run(&["export", "timeline", "nobody", "--format", "csv"]);
    assert_eq!(unknown.status.code(), Some(1));
    for wrong in [
        &["export", "timeline", "--format", "csv"][..],
        &["export", "timeline", "--all", "x", "--format", "csv"],
        &["export", "timeline", "--all", "--format", "json", "--what", "tables"],
        &["export", "timeline", "--all"],
        &["export", "events", "--level", "LOUD"],
    ] {
        assert_eq!(app.run(wrong).status.code(), Some(2), "{wrong:?}");
    }
    let nowhere = app.run(&["export", "timeline", "--all", "--format", "csv", "-o", "no/such/folder/x.csv"]);
    assert_eq!(nowhere.status.code(), Some(1));
}

#[test]
fn events_are_exported_line_by_line_as_queries_return_them() {
    let mut app = App::spawn();
    let lines: Vec<String> = simulated(11, 2_500).iter().map(samples::line).collect();
    app.post_native(lines.join("\n")).expect(200);
    let all = good(&app, &["export", "events"]);
    let exported: Vec<Value> = all.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(exported, app.all_events("order=asc"));
    assert_eq!(exported.len(), 2_500);
    let ends = good(&app, &["export", "events", "--event", "SYNC_END", "--order", "desc"]);
    assert_eq!(ends.lines().count(), app.all_events("event=sync_end").len());
    app.stop();
    let file = app.home().join("events.ndjson");
    good(&app, &["export", "events", "-o", file.to_str().expect("a path in UTF-8")]);
    assert_eq!(fs::read_to_string(&file).expect("the file"), all);
    // What was exported can be brought back.
    let judged = json_of(&app, &["check", "--json", file.to_str().expect("a path in UTF-8")]);
    assert_eq!(judged["unreadable"], 0, "{judged}");
}

#[test]
fn events_are_exported_as_typed_rows() {
    let mut app = App::spawn();
    let lines: Vec<String> = simulated(13, 2_500).iter().map(samples::line).collect();
    app.post_native(lines.join("\n")).expect(200);
    app.post_native(&lines[0]).expect(200);
    let path = |name: &str| app.home().join(name).to_str().expect("a path in UTF-8").to_owned();
    let (file, again, some) = (path("events.parquet"), path("again.parquet"), path("some.parquet"));
    good(&app, &["export", "events", "--format", "parquet", "-o", &file]);
    let expected = app.all_events("order=asc");
    let rows = typed_rows(&file);
    assert_eq!(rows.len(), expected.len());
    for (row, event) in rows.iter().zip(&expected) {
        for (name, field) in row {
            let same = match (name.as_str(), field) {
                ("created_text", Field::Str(text)) => event["created"] == **text,
                ("created", Field::TimestampMicros(at)) => Some(*at) == micros_of(&event["created"]),
                ("received", Field::TimestampMicros(at)) => Some(*at / 1_000 * 1_000) == micros_of(&event["received"]),
                ("deliveries", Field::Int(count)) => event["deliveries"] == *count,
                ("validation", Field::Str(text)) => event["validation"]["status"] == **text,
                ("protocol" | "token", Field::Str(text)) => event["delivery"][name] == **text,
                ("data", Field::Str(text)) => serde_json::from_str::<Value>(text).expect("JSON") == event["data"],
                ("raw", Field::Str(text)) => {
                    serde_json::from_str::<Value>(text).expect("JSON")["event"] == event["event"]
                }
                (_, Field::Str(text)) => event[name] == **text,
                (_, Field::Null) => event[name].is_null(),
                _ => false,
            };
            assert!(same, "{name}: {field} in {event}");
        }
    }
    assert!(rows.iter().any(|row| row["deliveries"] == Field::Int(2)));
    let filters = ["--event", "sync_end", "--order", "desc", "--to", "2999-01-01"];
    good(&app, &[&["export", "events", "--format", "parquet", "-o", &some], &filters[..]].concat());
    let lines = good(&app, &[&["export", "events"], &filters[..]].concat());
    let ids = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["id"].clone());
    let found = typed_rows(&some).into_iter().map(|row| match &row["id"] {
        Field::Str(id) => json!(id),
        other => panic!("an id is {other}"),
    });
    assert_eq!(found.collect::<Vec<_>>(), ids.collect::<Vec<_>>());
    app.stop();
    good(&app, &["export", "events", "--format", "parquet", "-o", &again]);
    assert_eq!(fs::read(&again).expect("the file"), fs::read(&file).expect("the file"), "the same without a server");
    let wrong = app.run(&["export", "events", "--format", "parquet", "--level", "LOUD"]);
    assert_eq!(wrong.status.code(), Some(2));
}

/// The rows of a Parquet file, by name.
fn typed_rows(path: &str) -> Vec<BTreeMap<String, Field>> {
    let reader = SerializedFileReader::new(fs::File::open(path).expect("the file")).expect("a Parquet file");
    let rows = reader.get_row_iter(None).expect("rows");
    rows.map(|row| row.expect("a row").into_columns().into_iter().collect()).collect()
}

fn micros_of(time: &Value) -> Option<i64> {
    Some(Timestamp::parse(time.as_str()?).ok()?.micros())
}

#[test]
fn a_rebuild_changes_no_answer() {
    let mut app = App::spawn();
    let lines: Vec<String> = simulated(12, 3_000).iter().map(samples::line).collect();
    app.post_native(lines.join("\n")).expect(200);
    let export = |app: &App| undated(&good(app, &["export", "timeline", "--all", "--format", "json"]));
    let before = export(&app);
    let refused = app.send("POST", "/v1/rebuild", &[], b"");
    assert_eq!(refused.status, 401);
    assert_eq!(app.with_token(crate::app::READ, "POST", "/v1/rebuild", b"").status, 403);
    let started = app.with_token(crate::app::ADMIN, "POST", "/v1/rebuild", b"").expect(202).json();
    assert!(started["connections"].as_u64().is_some_and(|n| n > 0), "{started}");
    let beside = json_of(&app, &["rebuild", "--json"]);
    assert_eq!(beside["connections"], started["connections"]);
    assert_eq!(app.with_token(crate::app::ADMIN, "GET", "/v1/rebuild", b"").expect(200).json()["status"], "done");
    assert!(export(&app) == before, "beside the server");
    app.stop();
    let words = good(&app, &["rebuild"]);
    assert!(words.starts_with("rebuilt ") && words.contains(" connections in "), "{words}");
    assert!(export(&app) == before, "without a server");
}

#[test]
fn where_no_lives_are_kept_commands_say_so() {
    let mut app = App::spawn();
    app.post_native(two_lives()).expect(200);
    app.stop();
    app.set_env("LIFELINE_FOLD", "off");
    for args in [
        &["connections"][..],
        &["timeline", "brave_otter"],
        &["export", "timeline", "--all", "--format", "csv"],
        &["rebuild"],
    ] {
        let done = app.run(args);
        assert_eq!(done.status.code(), Some(1), "{args:?}");
        assert!(err(&done).contains("fold is off"), "{args:?}: {}", err(&done));
    }
    assert_eq!(good(&app, &["export", "events"]).lines().count(), 16);
}

/// Rows of a query as texts; NULL is empty.
fn select(file: &Path, sql: &str) -> Vec<Vec<String>> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = rusqlite::Connection::open_with_flags(file, flags).expect("the file opens");
    let mut query = db.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let columns = query.column_count();
    let mut rows = query.query([]).expect("it runs");
    let mut found = Vec::new();
    while let Some(row) = rows.next().expect("a row") {
        let text = |at| match row.get_ref(at).expect("a value") {
            rusqlite::types::ValueRef::Null => String::new(),
            rusqlite::types::ValueRef::Integer(n) => n.to_string(),
            rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
            other => panic!("{sql}: {other:?}"),
        };
        found.push((0..columns).map(text).collect());
    }
    found
}

/// `2026-07-06T09:11:00.500Z` as the views write it.
fn sql_time(value: &Value) -> String {
    let Some(text) = value.as_str() else { return String::new() };
    let decimals = text.get(20..).unwrap_or_default().trim_end_matches('Z');
    format!("{} {}.{decimals:0<6}", &text[..10], &text[11..19])
}

/// The columns of the dbt package's models, in its order. Source: the headers of its tables, version 2.5.2.
const MODELS: [(&str, &str); 5] = [
    (
        "connection_status",
        "connection_id,connection_name,connector_type,destination_id,destination_name,connection_health,last_successful_sync_completed_at,last_sync_started_at,last_sync_completed_at,set_up_at,number_of_schema_changes_last_month,number_errors_since_last_completed_sync,number_warnings_since_last_completed_sync",
    ),
    (
        "audit_table",
        "connection_id,connection_name,schema_name,table_name,destination_id,destination_name,write_to_table_start,write_to_table_end,sync_start,sync_end,sum_rows_replaced_or_inserted,sum_rows_updated,sum_rows_deleted,unique_table_sync_key,write_to_table_start_day",
    ),
    (
        "schema_changelog",
        "connection_id,connection_name,destination_id,destination_name,created_at,event_subtype,message_data,table_name,schema_name",
    ),
    (
        "connection_daily_events",
        "date_day,connection_name,connection_id,connector_type,destination_name,destination_id,count_api_calls,count_record_modifications,count_schema_changes",
    ),
    (
        "audit_user_activity",
        "date_day,day_name,day_of_month,occurred_at,destination_name,destination_id,connection_name,connection_id,email,first_name,last_name,user_id,destination_role,event_type,event_subtype,message_data,log_id",
    ),
];

#[test]
fn the_views_answer_as_the_interface_does() {
    let app = App::spawn();
    let mut lines: Vec<String> = simulated(13, 6_000).iter().map(samples::line).collect();
    lines.push(two_lives());
    app.post_native(lines.join("\n")).expect(200);
    let file = app.data.join("lifeline.db");
    for (view, columns) in MODELS {
        for name in [view.to_owned(), format!("fivetran_platform__{view}")] {
            let found = select(&file, &format!("SELECT name FROM pragma_table_info('{name}') ORDER BY cid"));
            assert_eq!(found.concat().join(","), columns, "{name}");
        }
    }
    let connections = app.all_of("/v1/connections", "limit=1000");
    assert!(connections.len() > 10);
    let mut status: Vec<Vec<String>> = connections
        .iter()
        .map(|it| {
            let text = |name: &str| it[name].as_str().unwrap_or_default().to_owned();
            let number = |name: &str| it[name].to_string();
            vec![
                text("connection_id"),
                text("connection_name"),
                text("connector_type"),
                text("destination"),
                String::new(),
                text("health"),
                sql_time(&it["last_successful_sync_completed_at"]),
                sql_time(&it["last_sync_started_at"]),
                sql_time(&it["last_sync_completed_at"]),
                sql_time(&it["created_at"]),
                number("schema_changes_last_30_days"),
                number("errors_since_last_completed_sync"),
                number("warnings_since_last_completed_sync"),
            ]
        })
        .collect();
    status.sort();
    assert_eq!(select(&file, "SELECT * FROM connection_status ORDER BY connection_id"), status);

    let (mut tables, mut changes, mut days) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
    for connection in &connections {
        let id = connection["connection_id"].as_str().expect("an id");
        let name = connection["connection_name"].as_str().unwrap_or_default();
        for sync in app.all_of(&format!("/v1/connections/{id}/syncs"), "limit=1000") {
            for table in sync["tables"].as_array().expect("tables") {
                let rows = |operation: &str| table["rows"][operation].as_u64().unwrap_or(0).to_string();
                if table["rows"] == json!({}) || sync["status"] == "RUNNING" {
                    continue;
                }
                tables.insert(vec![
                    id.to_owned(),
                    table["schema"].as_str().unwrap_or(name).to_owned(),
                    table["table"].as_str().unwrap_or_default().to_owned(),
                    sql_time(&table["write_started_at"]),
                    sql_time(&table["write_ended_at"]),
                    sql_time(&sync["at"]),
                    sql_time(&sync["until"]),
                    rows("REPLACED_OR_INSERTED"),
                    rows("UPDATED"),
                    rows("DELETED"),
                ]);
            }
        }
        for change in app.all_of(&format!("/v1/connections/{id}/schema-changes"), "limit=1000") {
            changes.push(vec![id.to_owned(), sql_time(&change["at"])]);
        }
        for day in app.get_json(&format!("/v1/connections/{id}/daily?from=2026-01-01&to=2027-01-01"))["data"]
            .as_array()
            .expect("days")
        {
            let number = |name: &str| day[name].as_u64().unwrap_or(0).to_string();
            let counts = [number("api_calls"), number("rows_modified"), number("schema_changes")];
            if counts != ["0", "0", "0"] {
                let date = day["date"].as_str().or_else(|| day["day"].as_str()).expect("a date").to_owned();
                days.insert([vec![id.to_owned(), date], counts.to_vec()].concat());
            }
        }
    }
    let audit = select(
        &file,
        "SELECT connection_id, schema_name, table_name, write_to_table_start, write_to_table_end, sync_start, sync_end, \
         sum_rows_replaced_or_inserted, sum_rows_updated, sum_rows_deleted FROM audit_table",
    );
    assert!(audit.len() > 100, "{}", audit.len());
    assert_eq!(audit.into_iter().collect::<BTreeSet<_>>(), tables);
    let keys = select(&file, "SELECT count(*) - count(DISTINCT unique_table_sync_key) FROM audit_table");
    assert_eq!(keys, [["0"]]);
    changes.sort();
    assert!(!changes.is_empty());
    let changelog = select(&file, "SELECT connection_id, created_at FROM schema_changelog ORDER BY 1, 2");
    assert_eq!(changelog, changes);
    let created = select(
        &file,
        "SELECT event_subtype, message_data, table_name, schema_name FROM schema_changelog WHERE connection_id = 'brave_otter'",
    );
    assert_eq!(created[0][0], "create_table");
    assert_eq!(created[0][2..], ["orders", "public"]);
    assert_eq!(serde_json::from_str::<Value>(&created[0][1]).expect("JSON")["columns"], json!({"id": "STRING"}));
    let daily = select(
        &file,
        "SELECT connection_id, date_day, count_api_calls, count_record_modifications, count_schema_changes \
         FROM connection_daily_events WHERE count_api_calls + count_record_modifications + count_schema_changes > 0",
    );
    assert_eq!(daily.into_iter().collect::<BTreeSet<_>>(), days);
    let twice = "SELECT count(*) FROM (SELECT 1 FROM connection_daily_events GROUP BY connection_id, date_day HAVING count(*) > 1)";
    assert_eq!(select(&file, twice), [["0"]]);

    let deeds = select(
        &file,
        "SELECT occurred_at, email, event_subtype, event_type, day_name, log_id, connection_name FROM audit_user_activity WHERE connection_id = 'brave_otter' ORDER BY 1",
    );
    assert_eq!(deeds.len(), 2, "{deeds:?}");
    assert_eq!(deeds[0][..5], ["2026-07-06 09:00:00.000000", "ana@example.com", "create_connector", "INFO", "Mon"]);
    let event = app.get_json(&format!("/v1/events/{}", deeds[0][5]));
    assert_eq!(event["event"], "create_connector");
    assert!(select(&file, "SELECT 1 FROM audit_user_activity WHERE lower(email) = 'fivetran'").is_empty());
}

#[test]
fn the_views_are_made_anew_when_they_differ() {
    let mut app = App::spawn();
    app.post_native(two_lives()).expect(200);
    app.stop();
    let file = app.data.join("lifeline.db");
    let db = rusqlite::Connection::open(&file).expect("the file opens");
    db.execute_batch("DROP VIEW audit_table; CREATE VIEW audit_table AS SELECT 1 AS old; DELETE FROM meta WHERE key = 'views_sha256'")
        .expect("it can be changed");
    drop(db);
    app.start();
    assert_eq!(select(&file, "SELECT count(*) FROM audit_table"), [["1"]]);
    assert_eq!(select(&file, "SELECT count(*) FROM pragma_table_info('audit_table')"), [["15"]]);
}
