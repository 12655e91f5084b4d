//! Every row of the sample tables, and the files that they may come in.

use super::{
    source::{Content, Form, Source},
    table::{Connections, Table},
};
use serde_json::{Value, json};
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/platform").join(name)
}

fn read(path: &Path, connections: &mut Connections) -> (Form, Vec<Content>) {
    let mut source = Source::open(path).unwrap();
    let items = std::iter::from_fn(|| source.next(connections, path).unwrap()).map(|item| item.content).collect();
    (source.form, items)
}

/// The envelopes of a file as JSON, with their levels.
fn events(path: &Path, connections: &mut Connections) -> Vec<(Value, Option<String>)> {
    let (_, items) = read(path, connections);
    items
        .into_iter()
        .filter_map(|content| match content {
            Content::Event { text, level } => Some((serde_json::from_str(&text).unwrap(), level)),
            Content::Nothing => None,
            Content::Unreadable { reason, .. } => panic!("{reason}"),
        })
        .collect()
}

fn csv_rows(path: &Path) -> Vec<Vec<(String, String)>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let headers = reader.headers().unwrap().clone();
    let row = |row: csv::StringRecord| {
        headers.iter().zip(row.iter()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

#[test]
fn every_row_of_log_becomes_the_live_event() {
    for (name, id_column, rows) in
        [("log_rows_2021_schema.csv", "connector_id", 24), ("log_rows_new_schema.csv", "connection_id", 35)]
    {
        let path = fixture(name);
        let made = events(&path, &mut Connections::default());
        let rows_read = csv_rows(&path);
        assert_eq!(made.len(), rows_read.len());
        assert!(made.len() >= rows, "{}", made.len());
        for ((event, level), row) in made.iter().zip(&rows_read) {
            let column = |name: &str| {
                row.iter().find(|(column, _)| column == name).map(|(_, value)| value.as_str()).filter(|v| !v.is_empty())
            };
            assert_eq!(event["event"].as_str(), column("message_event"));
            assert_eq!(event["connection_id"].as_str(), column(id_column));
            assert_eq!(event.get("sync_id").and_then(Value::as_str), column("sync_id"));
            assert_eq!(event.get("transformation_id").and_then(Value::as_str), column("transformation_id"));
            assert_eq!(level.as_deref(), column("event"));
            let created = event["created"].as_str().unwrap();
            let written = column("time_stamp").unwrap().replace(' ', "T");
            assert!(
                created.ends_with('Z') && written.starts_with(created.trim_end_matches('Z')),
                "{created} {written}"
            );
            match column("message_data") {
                None => assert!(event.get("data").is_none(), "no null for an absent member"),
                Some(text) => {
                    let data = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
                    assert_eq!(event["data"], data);
                }
            }
            assert!(event.as_object().unwrap().values().all(|value| !value.is_null()));
        }
    }
}

#[test]
fn padding_of_times_is_trimmed_and_large_counts_survive() {
    let made = events(&fixture("log_rows_new_schema.csv"), &mut Connections::default());
    let find =
        |created: &str| made.iter().find(|(event, _)| event["created"] == created).map(|(event, _)| event.clone());
    assert!(find("2023-11-09T11:31:31.579Z").is_some(), "written as .579000");
    assert_eq!(find("2021-12-09T14:26:39.446Z").unwrap()["data"]["count"], 11_624_686_068_u64);
    assert_eq!(find("2021-12-10T16:26:29.719Z").unwrap()["data"], "says actor but not a json");
}

#[test]
fn connections_lend_their_names_whatever_the_order_of_rows() {
    let mut connections = Connections::default();
    let (form, items) = read(&fixture("connection_rows.csv"), &mut connections);
    assert_eq!(form, Form::Csv(Table::Connection));
    assert!(items.iter().all(|content| *content == Content::Nothing));
    assert_eq!(connections.len(), 2);
    let made = events(&fixture("log_rows_new_schema.csv"), &mut connections);
    let of =
        |id: &str| made.iter().find(|(event, _)| event["connection_id"] == id).map(|(event, _)| event.clone()).unwrap();
    let live = of("this_connection");
    assert_eq!(live["connection_name"], "this_connection");
    assert_eq!(live["connector_type"], "s3");
    assert_eq!(live["destination_group_id"], "ups_trampoline", "the live row wins over the deleted one");
    assert_eq!(of("aft_gleeful")["destination_group_id"], "obtained_willow");
    let unknown = of("paint_wedges");
    assert!(unknown.get("connection_name").is_none() && unknown.get("connector_type").is_none());
}

#[test]
fn every_row_of_the_audit_trail_becomes_the_live_event() {
    let made: Vec<Value> = events(&fixture("audit_trail_rows.csv"), &mut Connections::default())
        .into_iter()
        .map(|(event, _)| event)
        .collect();
    let expected = [
        json!({"event": "create_connection", "data": {
            "userId": "barista_fibula", "interactionMethod": "WEB_UI", "primaryResourceType": "CONNECTION",
            "primaryResourceId": "this_connection", "secondaryResourceType": "DESTINATION",
            "secondaryResourceId": "ups_trampoline", "action": "CREATE", "timestamp": "2024-12-01T10:15:03.120Z",
            "newValues": {"connection_name": "this_connection"}},
            "created": "2024-12-01T10:15:03.120Z", "connection_id": "this_connection"}),
        json!({"event": "edit_connection", "data": {
            "userId": "backlog_jack", "interactionMethod": "API", "primaryResourceType": "CONNECTION",
            "primaryResourceId": "this_connection", "action": "EDIT", "timestamp": "2024-12-02T14:22:47.880Z",
            "oldValues": {"paused": true}, "newValues": {"paused": false}},
            "created": "2024-12-02T14:22:47.880Z", "connection_id": "this_connection"}),
        json!({"event": "edit_user", "data": {
            "userId": "barista_fibula", "interactionMethod": "WEB_UI", "primaryResourceType": "USER",
            "primaryResourceId": "backlog_jack", "action": "EDIT", "timestamp": "2024-12-03T09:05:11.450Z",
            "oldValues": {"role": "Account Reviewer"}, "newValues": {"role": "Account Administrator"}},
            "created": "2024-12-03T09:05:11.450Z"}),
        json!({"event": "edit_destination", "data": {
            "userId": "backlog_jack", "interactionMethod": "SYSTEM", "primaryResourceType": "DESTINATION",
            "primaryResourceId": "ups_trampoline", "action": "DELETE", "timestamp": "2024-12-04T18:40:59.000Z",
            "oldValues": {"name": "s_test"}},
            "created": "2024-12-04T18:40:59.000Z"}),
    ];
    assert_eq!(made, expected);
}

#[test]
fn lines_of_custom_connectors_become_documented_events() {
    let made = events(&fixture("connector_sdk_log_rows.csv"), &mut Connections::default());
    let shown: Vec<_> = made
        .iter()
        .map(|(event, level)| {
            (event["event"].as_str().unwrap(), event["data"]["type"].as_str().unwrap(), level.as_deref().unwrap())
        })
        .collect();
    let origin = "connector_sdk";
    assert_eq!(
        shown,
        [
            ("info", origin, "INFO"),
            ("warning", origin, "WARNING"),
            ("error", origin, "SEVERE"),
            ("error", origin, "ERROR")
        ]
    );
    assert_eq!(made[0].0["data"]["message"], "Sync started");
    assert_eq!(made[0].0["sync_id"], "sdk789");
}

#[test]
fn rows_as_json_lines_are_rows_too_and_doubly_encoded_data_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.jsonl");
    let rows = fs::read_to_string(fixture("log_double_encoded.jsonl")).unwrap();
    let rows: String = rows
        .lines()
        .map(|line| {
            let mut row: Value = serde_json::from_str(line).unwrap();
            row["MESSAGE_EVENT"] = json!("sync_end");
            row["connection_id"] = json!("c");
            format!("{row}\n")
        })
        .collect();
    fs::write(&path, rows).unwrap();
    let made = events(&path, &mut Connections::default());
    let statuses: Vec<&str> = made.iter().map(|(event, _)| event["data"]["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["SUCCESSFUL", "CANCELED", "FAILURE_WITH_TASK"]);
    assert_eq!(made[0].0["created"], "2023-09-20T06:38:05.056Z");
}

#[test]
fn the_kind_of_a_file_is_found_from_its_content() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("some.file");
    let event = r#"{"event":"sync_start","created":"2026-01-01T00:00:00Z"}"#;
    let pretty = "{\n \"event\": \"sync_start\"\n}\n{\n \"event\": \"sync_end\"\n}\n";
    let gz = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(format!("{event}\n{event}\n").as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let zst = zstd::encode_all(format!("{event}\n").as_bytes(), 1).unwrap();
    for (bytes, form, count) in [
        (format!("{event}\n\n{event}").into_bytes(), Form::Lines, 2),
        (format!("\u{feff}{event}").into_bytes(), Form::Lines, 1),
        (format!("[{event}, {event},\n{event}]").into_bytes(), Form::Values, 3),
        (pretty.as_bytes().to_vec(), Form::Values, 2),
        (gz, Form::Lines, 2),
        (zst, Form::Lines, 1),
        (Vec::new(), Form::Lines, 0),
    ] {
        fs::write(&path, &bytes).unwrap();
        let (found, items) = read(&path, &mut Connections::default());
        let good = items.iter().filter(|content| matches!(content, Content::Event { .. })).count();
        assert_eq!((found, good), (form, count), "{}", String::from_utf8_lossy(&bytes));
    }
    fs::write(&path, "colour,size\nred,3\n").unwrap();
    let error = Source::open(&path).err().unwrap().to_string();
    assert!(
        error.contains("LOG, AUDIT_TRAIL, CONNECTION or CONNECTOR_SDK_LOG") && error.contains("colour, size"),
        "{error}"
    );
}

#[test]
fn one_bad_record_does_not_spoil_its_neighbours() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let kinds = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let (_, items) = read(&path, &mut Connections::default());
        items
            .iter()
            .map(|content| match content {
                Content::Event { .. } => 'e',
                Content::Unreadable { .. } => 'u',
                Content::Nothing => '-',
            })
            .collect::<String>()
    };
    assert_eq!(kinds(b"{\"event\":\"a\"}\n{broken\n\xff\xfe\n\n{\"event\":\"b\"}\n"), "euu-e");
    let header = "time_stamp,message_event,connection_id\n";
    assert_eq!(
        kinds(format!("{header}2026-01-01 00:00:00,a,c\nonly one\n2026-01-01 00:00:01,b,c\n").as_bytes()),
        "eue"
    );
    assert_eq!(kinds([header.as_bytes(), b"2026-01-01 00:00:00,\xff,c\n"].concat().as_slice()), "u");
}

#[test]
fn marks_say_how_far_a_content_was_imported() {
    let dir = tempfile::tempdir().unwrap();
    let marks = super::marks::Marks::new(dir.path());
    assert_eq!(marks.read("abc").unwrap(), 0);
    marks.write("abc", 17, Path::new("/somewhere/log.csv")).unwrap();
    marks.write("abc", 18, Path::new("/somewhere/log.csv")).unwrap();
    assert_eq!(marks.read("abc").unwrap(), 18);
    let one = Source::open(&fixture("audit_trail_rows.csv")).unwrap().mark;
    assert_eq!(one, Source::open(&fixture("audit_trail_rows.csv")).unwrap().mark);
    assert_ne!(one, Source::open(&fixture("connection_rows.csv")).unwrap().mark);
}

/// Everything that a text comes to, once the pipeline has read it: events by name, or the reason.
fn read_by_pipeline(name: &str, text: &str, add_on: Option<&str>) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    let mut connections = Connections::of_add_on(add_on.map(str::to_owned));
    let understanding = crate::cli::wiring::understanding(None).unwrap();
    let mut source = Source::open(&path).unwrap();
    let mut found = Vec::new();
    while let Some(item) = source.next(&mut connections, &path).unwrap() {
        match item.content {
            Content::Event { text, level } => {
                let record = super::sink::record(text, level);
                assert!(understanding.understand(&record, None, 0).is_err(), "no envelope of Fivetran's");
                match understanding.neighbours(&record, None, 0) {
                    Some(Ok(events)) => found.extend(events.into_iter().map(|new| {
                        let actor =
                            new.event.data.as_ref().and_then(|data| data["actor"].as_str()).unwrap_or("-").to_owned();
                        format!("{} {} {actor}", new.event.name, new.event.created)
                    })),
                    other => found.push(format!("{other:?}")),
                }
            }
            Content::Unreadable { reason, .. } => found.push(reason),
            Content::Nothing => {}
        }
    }
    found
}

#[test]
fn logs_of_neighbours_are_read_from_files() {
    let printed = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/systems/heroku_connect/reload.log"
    ));
    let events = read_by_pipeline("heroku.log", &printed.unwrap(), None);
    assert_eq!(events.len(), 6);
    assert_eq!(events[0], "heroku_connect_reload_started 2022-02-28T20:41:10.000000Z -");

    let activity = "Timestamp,User,Message\n2022-03-01 10:00:00,jane@example.com,Paused connection\n\
        2022-03-01 10:05:00,jane@example.com,\"Mapping Lead, 4 fields added\"\n";
    assert_eq!(
        read_by_pipeline("activity.csv", activity, Some("a1")),
        [
            "heroku_connect_configuration 2022-03-01T10:00:00Z jane@example.com",
            "heroku_connect_configuration 2022-03-01T10:05:00Z jane@example.com",
        ]
    );
    assert_eq!(
        read_by_pipeline("activity.csv", activity, None)[0],
        "activity of Heroku Connect without its add-on; name it with --add-on ID"
    );

    let backup = "Run ID,Org ID,Job Status,Start Time,Finish Time,Object,Object Status,Records\n\
        r1,00D,Completed with Errors,2026-07-07T01:00:00Z,2026-07-07T01:20:00Z,Account,SUCCESS,12\n\
        r1,00D,Completed with Errors,2026-07-07T01:00:00Z,2026-07-07T01:20:00Z,Contact,NOT_VISIBLE,\n";
    let mut events = read_by_pipeline("backup.csv", backup, None);
    events.sort();
    events.dedup();
    assert_eq!(
        events,
        [
            "salesforce_backup_job_finished 2026-07-07T01:20:00Z -",
            "salesforce_backup_job_started 2026-07-07T01:00:00Z -",
            "salesforce_backup_object 2026-07-07T01:00:00Z -",
        ]
    );
}
