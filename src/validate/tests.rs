//! Every documented event is valid, and with one member of a wrong type it is not.

use super::*;
use crate::{
    envelope::unwrap,
    model::{Hints, Payload, Record},
    normalize::normalize,
};

const DOCUMENTED: &str = include_str!("../../tests/fixtures/event/documented_events.ndjson");
const INDEX: &str = include_str!("../../tests/fixtures/event/documented_events.index.csv");

fn verdict(schemas: &Schemas, text: &str) -> (Event, Verdict) {
    let record = Record { payload: Payload::Json(text.into()), hints: Hints::default() };
    let mut normalized = unwrap(&record, &mut |found| normalize(&found, None, 0)).expect("an event").expect("readable");
    normalized.event.family = schemas.family(&normalized.event);
    let verdict = schemas.verdict(&normalized);
    (normalized.event, verdict)
}

#[test]
fn every_documented_event_is_valid_and_has_its_family() {
    let schemas = Schemas::builtin();
    for (line, row) in DOCUMENTED.lines().zip(INDEX.lines().skip(1)) {
        let (event, verdict) = verdict(&schemas, line);
        assert_eq!(verdict.status, Status::Valid, "{row}: {:?}", verdict.errors);
        let columns: Vec<&str> = row.split(',').collect();
        assert_eq!(event.name, columns[1]);
        assert_eq!(event.family.as_str(), columns[columns.len() - 1], "{row}");
    }
    assert_eq!(DOCUMENTED.lines().count(), 100);
}

#[test]
fn audit_examples_have_their_use_case() {
    let schemas = Schemas::builtin();
    let cases: Vec<String> =
        DOCUMENTED.lines().skip(54).take(33).filter_map(|line| verdict(&schemas, line).1.schema).collect();
    let expected = "edit_account/edit_authentication edit_account/generate_scim_token edit_account/enable_or_disable_scim \
        edit_connection/enable_or_disable_sync_delay_notification edit_connection/modify_schema_status \
        edit_connection/modify_setup_status edit_connection/modify_schema edit_connection/modify_sync_frequency \
        edit_connection/modify_sync_delay_sensitivity edit_connection/modify_delay_threshold \
        edit_connection/modify_delay_threshold edit_connection/pause_or_resume edit_connection/migrate_schema \
        edit_destination/modify_region edit_destination/modify_failover_region edit_destination/modify_name \
        edit_destination/delete_destination edit_destination/add_logging_service edit_destination/update_logging_service \
        edit_destination/remove_logging_service edit_team/modify_account_role edit_team/modify_role_for_connection \
        edit_team/modify_role_for_destination edit_team/add_user edit_team/remove_user edit_team/assign_manager \
        edit_team/unassign_manager edit_user/modify_account_role edit_user/modify_role_for_connection \
        edit_user/modify_role_for_destination generate_api_secret sync_connection/resync sync_connection/sync";
    assert_eq!(cases.join(" "), expected);
}

/// Every place in a value that holds something, as a JSON Pointer.
fn places(value: &Value, at: String, out: &mut Vec<String>) {
    if !value.is_null() {
        out.push(at.clone());
    }
    match value {
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                places(element, format!("{at}/{index}"), out);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                places(member, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), out);
            }
        }
        _ => {}
    }
}

#[test]
fn one_member_of_a_wrong_type_is_found_and_its_value_is_not_quoted() {
    let schemas = Schemas::builtin();
    let mut tried = 0;
    for line in DOCUMENTED.lines() {
        let original: Value = serde_json::from_str(line).expect("JSON");
        let mut found = Vec::new();
        for (name, member) in original.as_object().expect("an object") {
            // An epoch is a good `created`; numbers there are tried in the normaliser's tests.
            places(member, format!("/{name}"), &mut found);
        }
        for place in found {
            // The customer's own state is free (its schema says so).
            if place.starts_with("/data/state/") {
                continue;
            }
            for wrong in [Value::from(987_654_321), Value::from("zz-planted"), serde_json::json!([["zz-planted"]])] {
                let mut broken = original.clone();
                let target = broken.pointer_mut(&place).expect("a place");
                let fits = target.is_string() && wrong.is_string()
                    || target.is_number() && wrong.is_number()
                    || target.is_array() && wrong.is_array()
                    || place == "/created" && !wrong.is_array()
                    || place == "/data" && wrong.is_string() && original["event"] == "never";
                if fits {
                    continue;
                }
                *target = wrong;
                let (event, verdict) = verdict(&schemas, &broken.to_string());
                assert_eq!(verdict.status, Status::Invalid, "{} {place} {broken}", event.name);
                assert!(
                    !verdict.errors.iter().any(|e| e.message.contains("planted") || e.message.contains("987654321"))
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 2_000, "{tried}");
}

#[test]
fn an_unknown_name_is_marked_and_a_user_can_teach_it() {
    let line = r#"{"event":"brand_new","created":"2026-01-01T00:00:00Z","data":{"n":"x"}}"#;
    assert_eq!(verdict(&Schemas::builtin(), line).1.status, Status::UnknownEvent);
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("event/brand_new");
    std::fs::create_dir_all(&file).expect("made");
    let schema = r#"{"type":"object","x-lifeline":{"family":"connector"},"properties":{"n":{"type":"integer"}}}"#;
    std::fs::write(file.join("v1.json"), schema).expect("written");
    let schemas = Schemas::load(Some(dir.path())).expect("usable");
    let (event, found) = verdict(&schemas, line);
    assert_eq!((found.status, event.family), (Status::Invalid, Family::Connector));
    assert_eq!(found.errors[0].path, "/data/n");
    assert_eq!(found.errors[0].message, "expected integer, found string");
}

#[test]
fn schemas_that_reach_outside_are_refused() {
    for reference in ["https://example.com/x.json", "file:///etc/passwd"] {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("event/x");
        std::fs::create_dir_all(&file).expect("made");
        std::fs::write(file.join("v1.json"), format!(r#"{{"$ref":"{reference}"}}"#)).expect("written");
        let error = Schemas::load(Some(dir.path())).expect_err("refused").to_string();
        assert!(error.contains("event/x/v1.json"), "{error}");
    }
}

#[test]
fn counts_that_no_sum_can_take_are_invalid() {
    let schemas = Schemas::builtin();
    for (count, status) in [
        ("0", Status::Valid),
        ("9007199254740991", Status::Valid),
        ("-4", Status::Invalid),
        ("9007199254740992", Status::Invalid),
        ("18446744073709551615", Status::Invalid),
    ] {
        for (event, data) in [
            ("records_modified", format!(r#"{{"schema":"s","table":"t","operationType":"UPDATED","count":{count}}}"#)),
            ("processed_records", format!(r#"{{"table":"t","recordsCount":{count}}}"#)),
        ] {
            let created = r#""created":"2026-11-20T01:00:00Z","connection_id":"c""#;
            let text = format!(r#"{{"event":"{event}",{created},"data":{data}}}"#);
            assert_eq!(verdict(&schemas, &text).1.status, status, "{event} {count}");
        }
    }
}
