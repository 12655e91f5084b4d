//! Lines as the documentation prints them, and what is read from each.

use super::super::{Reading, read};
use crate::model::{Hints, Payload, Record, Source, Timestamp};
use serde_json::{Value, json};

/// The lines of the documentation's reload, as `heroku logs` prints them.
const RELOAD: &str = include_str!("../../../tests/fixtures/systems/heroku_connect/reload.log");

fn text(line: &str) -> Record<'_> {
    Record { payload: Payload::Text(line.into()), hints: Hints::default() }
}

/// The one event of a line.
#[track_caller]
fn event(line: &str) -> (Value, Hints) {
    match read(&text(line)) {
        Reading::Events(mut records) => {
            assert_eq!(records.len(), 1, "{line}");
            let record = records.remove(0);
            (serde_json::from_str(record.payload.text()).unwrap(), record.hints)
        }
        other => panic!("{line}: {other:?}"),
    }
}

/// Name and data of a message, without what every line has.
#[track_caller]
fn check(message: &str, level: &str, name: &str, expected: Value) {
    let quoted = message.replace('\\', "\\\\").replace('"', "\\\"");
    let (event, _) = event(&format!(r#"event="{quoted}" addon_id=a1 state=IDLE level={level}"#));
    let mut data = event["data"].as_object().unwrap().clone();
    data.remove("message");
    data.remove("state");
    assert_eq!((event["event"].as_str(), Value::Object(data)), (Some(name), expected), "{message}");
}

#[test]
fn the_documented_reload_is_read_line_by_line() {
    let events: Vec<(Value, Hints)> = RELOAD.lines().map(event).collect();
    let names: Vec<&str> = events.iter().filter_map(|(event, _)| event["event"].as_str()).collect();
    assert_eq!(
        names,
        [
            "heroku_connect_reload_started",
            "heroku_connect_table_cleared",
            "heroku_connect_load_started",
            "heroku_connect_rows",
            "heroku_connect_rows",
            "heroku_connect_reload_completed",
        ]
    );
    let (first, hints) = &events[0];
    assert_eq!(first["connection_id"], "683f0847-bd8e-4011-b77a-89a83a6925cf");
    assert_eq!(first["connection_name"], "dhdev-1101");
    assert_eq!(first["connector_type"], "heroku_connect");
    assert_eq!(first["created"], "2022-02-28T20:41:10.000000Z");
    assert_eq!(
        first["data"],
        json!({"message": "RELOAD TABLE broker__c", "table": "broker__c", "object_type": "mapping",
            "object_id": "2a2a5511-e1c1-47c5-aa6c-afdc6b135743", "object_name": "Broker__c", "state": "RELOAD_TABLE"})
    );
    assert_eq!((hints.source, hints.level.as_deref()), (Some(Source::HerokuConnect), Some("info")));
    assert_eq!(hints.original.as_deref(), RELOAD.lines().next());
    assert_eq!(events[4].1.level.as_deref(), Some("debug"));
}

#[test]
fn members_may_stand_before_the_message() {
    let header = "<190>1 2026-11-20T16:00:02+00:00 host app herokuconnect - ";
    let usual = r#"event="RELOAD TABLE Account" addon_id=a1 app_name=x object_name="an event= of ours" level=info"#;
    let other = r#"addon_id=a1 object_name="an event= of ours" app_name=x event="RELOAD TABLE Account" level=info"#;
    for header in [header, "2026-11-20T16:00:02+00:00 app[herokuconnect]: ", "", "- "] {
        let (mut expected, _) = event(&format!("{header}{usual}"));
        let (mut found, _) = event(&format!("{header}{other}"));
        assert_eq!(found["connection_id"], "a1", "{header}");
        assert_eq!(found["created"], expected["created"], "{header}");
        for both in [&mut expected, &mut found] {
            both.as_object_mut().unwrap().remove("created");
        }
        assert_eq!(found, expected, "{header}");
    }
    for ours_not in
        ["a=b event=\"x\" level=info", "app_name=x event=\"x\"", "addon_id=a1 level=info", "addon_id = event="]
    {
        assert_eq!(read(&text(ours_not)), Reading::NotOurs, "{ours_not}");
    }
    for damaged in [r#"herokuconnect - app_name="x event="x" level=info"#, "herokuconnect - app_name=x event=\"x\""] {
        assert!(matches!(read(&text(damaged)), Reading::Damaged(_)), "{damaged}");
    }
}

#[test]
fn documented_messages_about_rows_are_taken_apart() {
    let rows =
        |objects: Value, operation: &str, arrow: &str, target: &str, direction: &str, rows: u64, seconds: &str| {
            let mut data = json!({"objects": objects, "operation": operation, "arrow": arrow, "target": target,
            "direction": direction, "rows": rows});
            data["seconds"] = serde_json::from_str(seconds).unwrap();
            data
        };
    let soap = |mut data: Value| {
        data["api"] = json!("SOAP");
        data
    };
    let name = "heroku_connect_rows";
    check(
        "1 Custom_Contact__c UPDATE ↑SALESFORCE 1 rows total (0.26 secs) [SOAP]",
        "info",
        name,
        soap(rows(
            json!([{"object": "Custom_Contact__c", "rows": 1}]),
            "UPDATE",
            "↑",
            "SALESFORCE",
            "to_salesforce",
            1,
            "0.26",
        )),
    );
    check(
        "1 Custom_Account__c DELETE ↑SALESFORCE 1 rows total (0.44 secs) [SOAP]",
        "info",
        name,
        soap(rows(
            json!([{"object": "Custom_Account__c", "rows": 1}]),
            "DELETE",
            "↑",
            "SALESFORCE",
            "to_salesforce",
            1,
            "0.44",
        )),
    );
    check(
        "Lead QUERY ↷SALESFORCE 1 rows (0.16 secs)",
        "info",
        name,
        rows(json!([{"object": "Lead"}]), "QUERY", "↷", "SALESFORCE", "from_salesforce", 1, "0.16"),
    );
    check(
        "Update_Table_Bulk__c UPDATE ↓DATABASE 5000 rows (4.15 secs)",
        "info",
        name,
        rows(json!([{"object": "Update_Table_Bulk__c"}]), "UPDATE", "↓", "DATABASE", "to_database", 5000, "4.15"),
    );
    check(
        "6 Custom_Account_c, 5 Custom_Contact_c INSERT ↑SALESFORCE 11 rows total (0.64 secs) [SOAP]",
        "info",
        name,
        soap(rows(
            json!([{"object": "Custom_Account_c", "rows": 6}, {"object": "Custom_Contact_c", "rows": 5}]),
            "INSERT",
            "↑",
            "SALESFORCE",
            "to_salesforce",
            11,
            "0.64",
        )),
    );
    check(
        "Account QUERY MORE ↷SALESFORCE 300 rows (0.70 secs)",
        "info",
        name,
        rows(json!([{"object": "Account"}]), "QUERY MORE", "↷", "SALESFORCE", "from_salesforce", 300, "0.70"),
    );
    check(
        "Custom_Account__c DELETE ↓DATABASE 1 rows (0.01 secs)",
        "info",
        name,
        rows(json!([{"object": "Custom_Account__c"}]), "DELETE", "↓", "DATABASE", "to_database", 1, "0.01"),
    );
}

#[test]
fn an_unknown_arrow_is_kept_and_gives_no_direction() {
    check(
        "Lead QUERY ⇝SALESFORCE 1 rows (0.16 secs)",
        "info",
        "heroku_connect_rows",
        json!({"objects": [{"object": "Lead"}], "operation": "QUERY", "arrow": "⇝", "target": "SALESFORCE", "rows": 1,
            "seconds": 0.16}),
    );
}

#[test]
fn bulk_jobs_polls_and_back_offs_are_taken_apart() {
    check(
        "[2/34] Completed Bulk Batch 751m0000001AoAtAAK from Bulk Job 750m0000001BfWOAA0",
        "info",
        "heroku_connect_bulk_batch",
        json!({"batch": 2, "batches": 34, "empty_batches": 0, "batch_id": "751m0000001AoAtAAK", "job_id": "750m0000001BfWOAA0"}),
    );
    check(
        "[31/267] Completed 31 Empty Bulk Batches from Bulk Job …",
        "info",
        "heroku_connect_bulk_batch",
        json!({"batch": 31, "batches": 267, "empty_batches": 31}),
    );
    check(
        "Custom_Account__c, Streaming poll found 1 changes",
        "debug",
        "heroku_connect_streaming_poll",
        json!({"object": "Custom_Account__c", "changes": 1}),
    );
    for (message, operation, seconds) in [
        ("Too many sync errors. Sync operations may be disabled for up to 15 minute(s).", "sync", 900),
        ("Too Many Polling Errors. Polling will be Disabled for Up to 15 minute(s)", "polling", 900),
        ("Too many bulk errors, bulk usage will be disabled for up to 12 hour(s) for this mapping", "bulk", 43_200),
    ] {
        let expected = json!({"operation": operation, "back_off_seconds": seconds});
        check(message, "error", "heroku_connect_back_off", expected);
    }
}

#[test]
fn notifications_open_and_are_resolved() {
    for (message, kind, resolved) in [
        ("Bad Configuration: mapping Account", "bad_configuration", false),
        ("Notification: Change User Permissions", "change_user_permissions", false),
        ("Connection Error", "connection_error", false),
        ("Database Unavailable", "database_unavailable", false),
        ("Reauthorization Required", "reauthorization_required", false),
        ("Salesforce Bulk Load Error", "salesforce_bulk_load_error", false),
        ("Resolved: Database Unavailable", "database_unavailable", true),
        ("Notification resolved: Reauthorization Required", "reauthorization_required", true),
        ("Connection Error has been resolved", "connection_error", true),
    ] {
        let expected = json!({"notification": kind, "resolved": resolved});
        check(message, "info", "heroku_connect_notification", expected);
    }
    check("Connection Errors are many", "info", "heroku_connect_message", json!({}));
}

#[test]
fn changes_of_configuration_name_who_made_them() {
    for (message, actor, action, what) in [
        ("jane@example.com paused sync operations", "jane@example.com", "paused", "sync operations"),
        ("Mapping Account modified by jane@example.com", "jane@example.com", "modified", "Mapping Account"),
        (
            "User jane@example.com imported configuration v2.json",
            "jane@example.com",
            "imported",
            "configuration v2.json",
        ),
        (
            "External Objects support was enabled by jane@example.com.",
            "jane@example.com",
            "enabled",
            "External Objects support",
        ),
    ] {
        let expected = json!({"actor": actor, "action": action, "what": what});
        check(message, "info", "heroku_connect_configuration", expected);
    }
}

#[test]
fn what_has_no_form_is_called_what_its_level_says() {
    check(
        "(psycopg2.IntegrityError) duplicate key value violates unique constraint \"x\"",
        "error",
        "heroku_connect_error",
        json!({}),
    );
    check("Operation delayed, no available query cursors", "warning", "heroku_connect_warning", json!({}));
    check("CREATE TEMPORARY TABLE _tmp_sf_contact AS (...)", "debug", "heroku_connect_message", json!({}));
    let (event, hints) =
        event(r#"event="Unexpected error" addon_id=a object_type=connection state=SYSTEM_ERROR level=info"#);
    assert_eq!((event["event"].as_str(), hints.level.as_deref()), (Some("heroku_connect_error"), Some("SEVERE")));
}

#[test]
fn a_line_is_found_behind_what_transports_put_in_front() {
    let line = RELOAD.lines().next().unwrap().split_once("]: ").unwrap().1;
    let framed = format!("<190>1 2022-02-28T20:41:10.000000+00:00 host app herokuconnect - {line}");
    for wrapped in [line.to_owned(), format!("- {line}"), framed, json!({"message": line, "host": "x"}).to_string()] {
        let (event, _) = event(&wrapped);
        assert_eq!(event["event"], "heroku_connect_reload_started", "{wrapped}");
    }
    let time = Timestamp::parse("2022-02-28T20:41:10Z").unwrap();
    let record = Record { payload: Payload::Text(line.into()), hints: Hints { time: Some(time), ..Hints::default() } };
    let Reading::Events(records) = read(&record) else { panic!("not read") };
    assert_eq!(records[0].hints.time, Some(time));
}

#[test]
fn the_time_of_a_line_is_its_own_whatever_carried_it() {
    let time = Timestamp::parse("2026-11-20T13:12:10Z").unwrap();
    let hints = Hints { time: Some(time), ..Hints::default() };
    let line = RELOAD.lines().next().unwrap();
    for line in [line.to_owned(), format!("2026-11-20T13:12:11Z host {line}")] {
        let Reading::Events(records) = read(&Record { payload: Payload::Text(line.into()), hints: hints.clone() })
        else {
            panic!("not read")
        };
        let event: Value = serde_json::from_str(records[0].payload.text()).unwrap();
        assert_eq!(event["created"], "2022-02-28T20:41:10.000000Z");
    }
}

#[test]
fn a_text_of_several_lines_is_several_records() {
    let texts = |text: &str, payload: fn(String) -> Payload<'static>| {
        let record = Record { payload: payload(text.to_owned()), hints: Hints::default() };
        super::super::lines(&record)
            .map(|lines| lines.iter().map(|line| line.payload.text().to_owned()).collect::<Vec<_>>())
    };
    let all: Vec<String> = RELOAD.lines().map(str::to_owned).collect();
    let quoted = |text: &str| Value::from(text).to_string();
    let forms =
        [RELOAD.to_owned(), quoted(RELOAD), json!({"message": RELOAD}).to_string(), RELOAD.replace('\n', "\r\n\n")];
    for text in forms {
        assert_eq!(texts(&text, |text| Payload::Text(text.into())), Some(all.clone()), "{text}");
        assert_eq!(texts(&text, |text| Payload::Json(text.into())), Some(all.clone()), "{text}");
    }
    let text = |text: &str| texts(text, |text| Payload::Text(text.into()));
    assert_eq!(text(&all[0]), None);
    assert_eq!(text(&format!("hello\n{}", all[0])), None);
    assert_eq!(text("event=\"a\nb\" addon_id=x"), None, "a message of two lines");
    let mixed = format!("{}\n{{\"a\":\n1}}\nhello\nevent=\"half\n{}", all[0], all[1]);
    let expected = [&all[0], "{\"a\":\n1}", "hello", "event=\"half", &all[1]].map(str::to_owned);
    assert_eq!(text(&mixed), Some(expected.to_vec()));
}

#[test]
fn a_text_that_says_more_than_one_thing_is_never_one_event() {
    for text in [RELOAD.to_owned(), RELOAD.replace('\n', " "), Value::from(RELOAD).to_string()] {
        assert!(matches!(read(&super::tests::text(&text)), Reading::Damaged(_)), "{text}");
    }
}

#[test]
fn a_damaged_line_says_what_is_wrong_and_strangers_are_left_alone() {
    assert_eq!(
        read(&text(r#"event="half addon_id=a state=IDLE"#)),
        Reading::Damaged("a line of Heroku Connect with a quote that is not closed".to_owned())
    );
    assert_eq!(
        read(&text("<190>1 2022-02-28T20:41:10+00:00 host app herokuconnect - hello")),
        Reading::Damaged("a line of Heroku Connect without event=".to_owned())
    );
    for stranger in ["", "hello", "event=x", r#"{"event":"sync_end"}"#, "event=start other=1", "{", "\u{0}\u{1}"] {
        assert_eq!(read(&text(stranger)), Reading::NotOurs, "{stranger}");
    }
}

proptest::proptest! {
    /// However lines are mixed, taking them apart loses none of them and adds nothing.
    #[test]
    fn lines_taken_apart_are_the_text(parts in proptest::collection::vec(proptest::sample::select(vec![
        "event=\"a\" addon_id=x", "event=\"two\nlines\" addon_id=x", "event=\"half addon_id=x", "hello", "{\"a\":\n1}", "{",
        "<190>1 2022-02-28T20:41:10+00:00 host app herokuconnect - event=\"b\" addon_id=x", "\"", "", "a=b\"",
        "user that authorized this data connection has been frozen",
    ]), 0..12)) {
        let text = parts.join("\n");
        let dense = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        if let Some(lines) = super::super::lines(&self::text(&text)) {
            let joined: Vec<String> = lines.iter().map(|line| line.payload.text().to_owned()).collect();
            proptest::prop_assert_eq!(dense(&joined.join(" ")), dense(&text));
            for line in &lines {
                // One line is one event at most.
                if let Reading::Events(events) = read(line) {
                    proptest::prop_assert_eq!(events.len(), 1);
                }
            }
        }
    }

    #[test]
    fn no_text_is_too_strange(line in "(event=\"?)?[ -~↷↓↑\\n\"\\\\]{0,200}( addon_id=[a-z\"]{0,5})?") {
        let _ = read(&text(&line));
    }
}
