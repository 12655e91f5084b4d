//! The same bytes for the same seed, and the shape of a real account.

use super::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

fn lines(options: &SimOptions) -> Vec<String> {
    let mut out = Vec::new();
    Simulator::new(options)
        .map(|event| {
            out.clear();
            write_json(&event, &mut out);
            String::from_utf8(out.clone()).unwrap()
        })
        .collect()
}

fn options(events: u64) -> SimOptions {
    SimOptions { events_max: Some(events), ..SimOptions::default() }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_does_not() {
    let first = lines(&options(5_000));
    assert_eq!(first, lines(&options(5_000)));
    assert_ne!(first, lines(&SimOptions { seed: 2, ..options(5_000) }));
    assert_eq!(first[..100], lines(&options(100)));
}

#[test]
fn events_come_in_order_of_time_and_end_where_asked() {
    let end_us = START_US + 2 * DAY;
    let events: Vec<SimEvent> = Simulator::new(&SimOptions { end_us: Some(end_us), ..SimOptions::default() }).collect();
    assert!(events.windows(2).all(|pair| pair[0].created_us <= pair[1].created_us));
    assert!(events.iter().all(|event| (START_US..end_us).contains(&event.created_us)));
    assert!(events.len() > 5_000, "{}", events.len());
}

#[test]
fn every_line_is_json_of_the_documented_form() {
    for line in lines(&options(30_000)) {
        let event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(event["event"].is_string() && event["created"].is_string(), "{line}");
        assert!(event.get("data").is_none_or(Value::is_object), "{line}");
        assert!(crate::model::Timestamp::parse_calendar(event["created"].as_str().unwrap()).is_ok(), "{line}");
        if event.get("connection_id").is_some() {
            assert_eq!(event["connection_id"], event["connector_id"]);
            assert_eq!(event["connection_name"], event["connector_name"]);
        }
    }
}

#[test]
fn the_shape_is_that_of_a_real_account() {
    let count = 200_000;
    let (mut bytes, mut names, mut statuses) = (0, BTreeMap::new(), BTreeMap::new());
    let mut volumes: BTreeMap<String, u64> = BTreeMap::new();
    let (mut line, mut ids) = (Vec::new(), BTreeSet::new());
    for event in Simulator::new(&options(count)) {
        line.clear();
        write_json(&event, &mut line);
        bytes += line.len();
        ids.insert(line.clone());
        *names.entry(event.name).or_insert(0_u64) += 1;
        if event.name == "sync_end" {
            let data: Value = serde_json::from_str(&event.data).unwrap();
            *statuses.entry(data["status"].as_str().unwrap().to_owned()).or_insert(0_u64) += 1;
        }
        if let Some(connection) = event.connection {
            *volumes.entry(connection.id.clone()).or_default() += 1;
        }
    }
    assert_eq!(ids.len() as u64, count, "no two events are the same");
    let mean = bytes as u64 / count;
    assert!((310..380).contains(&mean), "mean size {mean}");
    let ends: u64 = statuses.values().sum();
    let share = |status: &str| statuses[status] as f64 / ends as f64;
    assert!((0.91..0.95).contains(&share("SUCCESSFUL")), "{statuses:?}");
    assert!((0.025..0.055).contains(&share("FAILURE_WITH_TASK")), "{statuses:?}");
    assert!((0.018..0.035).contains(&share("RESCHEDULED")), "{statuses:?}");
    assert!(share("CANCELED") > 0.0 && share("FAILURE") > 0.0);
    for name in [
        "create_connector",
        "create_connection",
        "test_connector_connection",
        "connection_successful",
        "sync_start",
        "extract_summary",
        "sql_query",
        "read_start",
        "create_table",
        "write_to_table_end",
        "records_modified",
        "sync_stats",
        "warning",
        "error",
        "edit_connector",
        "edit_connection",
        "pause_connector",
        "resume_connector",
        "transformation_succeeded",
        "transformation_failed",
        "api_call",
        "change_schema_config",
    ] {
        assert!(names.contains_key(name), "{name} never happens");
    }
    let (largest, smallest) = (volumes.values().max().unwrap(), volumes.values().min().unwrap());
    assert!(largest / smallest > 20, "volumes are skewed: {largest} {smallest}");
}

#[test]
fn spellings_differ_in_names_only() {
    let spelt = |spelling| lines(&SimOptions { spelling, ..options(20_000) });
    let (current, old, new) = (spelt(Spelling::Current), spelt(Spelling::Old), spelt(Spelling::New));
    assert!(old.iter().all(|line| !line.contains("connection_id") && !line.contains("connectionId")));
    assert!(new.iter().all(|line| !line.contains("connector_id") && !line.contains("connectorId")));
    let created = |lines: &[String]| {
        lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["created"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(created(&current), created(&old));
    assert_eq!(created(&current), created(&new));
}

#[test]
fn a_webhook_body_has_the_old_names_and_the_group() {
    let event = Simulator::new(&options(200)).find(|event| event.name == "sync_end").unwrap();
    let mut out = Vec::new();
    write_webhook(&event, &mut out);
    let text = String::from_utf8(out).unwrap();
    let body: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    let expected = [
        "event",
        "created",
        "connector_type",
        "connector_id",
        "connector_name",
        "sync_id",
        "destination_group_id",
        "data",
    ];
    assert!(expected.iter().all(|name| body.contains_key(*name)) && body.len() == expected.len(), "{text}");
}

#[test]
fn late_and_repeated_deliveries_are_the_same_events() {
    let plain: Vec<SimEvent> = Simulator::new(&options(20_000)).collect();
    let arrived: Vec<SimEvent> = Deliveries::new(Simulator::new(&options(20_000)), 1, 0.25, 0.01).collect();
    assert!(arrived.len() > plain.len() + 100, "{}", arrived.len());
    assert!(arrived.windows(2).any(|pair| pair[0].created_us > pair[1].created_us));
    let text = |event: &SimEvent| {
        let mut out = Vec::new();
        write_json(event, &mut out);
        out
    };
    let set = |events: &[SimEvent]| events.iter().map(text).collect::<BTreeSet<_>>();
    assert_eq!(set(&plain), set(&arrived));
    let untouched: Vec<SimEvent> = Deliveries::new(Simulator::new(&options(2_000)), 1, 0.0, 0.0).collect();
    assert_eq!(untouched, plain[..2_000]);
}

#[test]
fn times_are_written_as_the_calendar_has_them() {
    for (micros, digits, expected) in [
        (START_US, 3, "2026-01-01T00:00:00.000Z"),
        (1_786_959_683_518_001, 6, "2026-08-17T09:41:23.518001Z"),
        (1_786_959_683_518_001, 3, "2026-08-17T09:41:23.518Z"),
        (-1, 6, "1969-12-31T23:59:59.999999Z"),
    ] {
        let mut out = Vec::new();
        write_time(micros, digits, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}
