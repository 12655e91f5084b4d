//! Lives that a person can read: one for each scenario of the oracle, one for each stage of the documentation.
//!
//! In: log lines. Out: a table for each life, compared with the one that was read and found right.

use super::{
    folded::{Life, body, facts, understand},
    truth::folded,
};
use crate::samples::documented;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Write};

/// Where the tables are kept.
pub const SNAPSHOTS: &str = "../snapshots";

/// Stages shown of the beginning and of the end of a long life.
const SHOWN: usize = 5;
/// Remarkable ones in between.
const REMARKABLE: usize = 12;

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or("-")
}

/// A life as a table.
pub fn render(life: &Life, now: lifeline::model::Micros) -> String {
    let mut out = String::new();
    let summary = life.summary.as_ref().expect("a summary").json(now);
    let _ = writeln!(
        out,
        "{} ({}): {}, health {}",
        text(&summary, "connection_name"),
        text(&summary, "connector_type"),
        text(&summary, "status"),
        text(&summary, "health")
    );
    for name in [
        "created_at",
        "deleted_at",
        "paused",
        "setup_status",
        "schema_status",
        "sync_frequency_minutes",
        "schedule_type",
        "last_sync_started_at",
        "last_sync_completed_at",
        "last_successful_sync_completed_at",
        "last_sync_duration_ms",
        "rescheduled_at",
        "errors_since_last_completed_sync",
        "warnings_since_last_completed_sync",
        "schema_changes_last_30_days",
        "syncs",
        "running_syncs",
        "events",
    ] {
        if !summary[name].is_null() {
            let _ = writeln!(out, "  {name}: {}", summary[name]);
        }
    }
    let unused = &life.summary.as_ref().expect("a summary").unused;
    if !unused.is_empty() {
        let _ = writeln!(out, "  unused: {unused:?}");
    }
    let stages: Vec<Value> = life.stages.values().map(|stage| body(&stage.body)).collect();
    let _ = writeln!(out, "\n{} stages", stages.len());
    // Of a long life the beginning, the end, and what is worth telling in between.
    let (mut left_out, mut told) = (0, 0);
    for (at, stage) in stages.iter().enumerate() {
        let between = (SHOWN..stages.len().saturating_sub(SHOWN)).contains(&at);
        if between && (told == REMARKABLE || !is_remarkable(stage)) {
            left_out += 1;
            continue;
        }
        told += usize::from(between);
        skipped(&mut left_out, &mut out);
        line_of_stage(stage, &mut out);
    }
    let _ = writeln!(out, "\n{} incidents", life.incidents.len());
    for incident in life.incidents.values().map(|incident| body(&incident.body)) {
        let _ = writeln!(
            out,
            "  {} to {}: {} failures, {} attempts, {} ({})",
            text(&incident, "opened_at"),
            text(&incident, "resolved_at"),
            incident["failures"],
            incident["attempts"],
            text(&incident, "reason"),
            text(&incident, "resolution")
        );
    }
    for run in life.runs.values().map(|run| body(&run.body)) {
        let _ = writeln!(out, "\nrun {} {}: {}", text(&run, "started_at"), text(&run, "status"), text(&run, "summary"));
    }
    out
}

/// Says how many stages were left out.
fn skipped(left_out: &mut usize, out: &mut String) {
    if *left_out > 0 {
        let _ = writeln!(out, "  … {left_out} more …");
        *left_out = 0;
    }
}

/// Whether a stage is more than a sync that went well, or a table that one made.
fn is_remarkable(stage: &Value) -> bool {
    match stage["stage"].as_str() {
        Some("sync") => stage["status"] != "SUCCESSFUL" || stage["kind"] != "incremental" || stage["errors"] != 0,
        Some("schema_changed") => !stage["summary"].as_str().is_some_and(|text| text.ends_with("by a sync")),
        _ => true,
    }
}

/// The time of day of a moment.
fn clock(at: &Value) -> &str {
    at.as_str().and_then(|at| at.get(11..23)).unwrap_or("-")
}

fn line_of_stage(stage: &Value, out: &mut String) {
    let at = stage["at"].as_str().unwrap_or("(start not seen)");
    let _ = writeln!(out, "  {at:<24} {:<21} {}", text(stage, "stage"), text(stage, "summary"));
    if stage["stage"] != "sync" {
        for test in stage["tests"].as_array().into_iter().flatten() {
            let _ = writeln!(out, "      {}: {} {}", text(test, "name"), text(test, "outcome"), text(test, "message"));
        }
        return;
    }
    let trigger = &stage["trigger"];
    let missing: Vec<&str> = stage["missing"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut more = vec![format!("{}, {} events", text(stage, "kind"), stage["events"])];
    match trigger["type"].as_str() {
        Some("schedule") => {}
        Some(kind) => more.push(format!("trigger {kind} {}", trigger["actor"].as_str().unwrap_or("of nobody"))),
        None => more.push("trigger unknown".to_owned()),
    }
    for (name, value) in [("task", &stage["task_type"]), ("goes on", &stage["rescheduled_at"])] {
        more.extend(value.as_str().map(|value| format!("{name} {value}")));
    }
    for name in ["errors", "warnings", "queries", "api_calls"] {
        more.extend(stage[name].as_u64().filter(|n| *n > 0).map(|n| format!("{name} {n}")));
    }
    for name in ["extract", "process", "load"] {
        let phase = &stage["phases"][name];
        if !phase.is_null() {
            more.push(format!("{name} {} to {}", clock(&phase["at"]), clock(&phase["until"])));
        }
    }
    more.extend((!missing.is_empty()).then(|| format!("MISSING {}", missing.join(" and "))));
    let _ = writeln!(out, "      {} {}: {}", clock(&stage["until"]), text(stage, "status"), more.join(", "));
    for table in stage["tables"].as_array().into_iter().flatten().take(6) {
        let rows: Vec<String> = table["rows"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, n)| format!("{n} {}", name.to_lowercase()))
            .collect();
        let read = table["records_read"].as_u64().map(|n| format!(" {n} read")).unwrap_or_default();
        let name = format!("{}.{}", text(table, "schema"), text(table, "table"));
        let (from, to) = (clock(&table["write_started_at"]), clock(&table["write_ended_at"]));
        let _ = writeln!(out, "        {name:<40} {from} to {to}{read} {}", rows.join(", "));
    }
    for message in stage["messages"].as_array().into_iter().flatten().take(3) {
        let _ =
            writeln!(out, "        {}: {} {}", text(message, "level"), text(message, "type"), text(message, "text"));
    }
}

#[track_caller]
fn check(name: &str, table: &str) {
    insta::with_settings!({snapshot_path => SNAPSHOTS, prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!(name, table.trim_end());
    });
}

#[test]
fn a_life_of_each_scenario_reads_well() {
    if std::env::var_os("LIFELINE_ORACLE_ACCOUNT").is_some() {
        return;
    }
    let folded = &folded()[0];
    // The shortest life of each scenario says it with the fewest words.
    let mut shortest: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for connection in &folded.account.connections {
        let events = folded.facts[&Some(connection.connection_id.clone())].len();
        let found = shortest.entry(&connection.scenario).or_insert((usize::MAX, ""));
        *found = (*found).min((events, &connection.connection_id));
    }
    assert_eq!(shortest.len(), 30, "{shortest:?}");
    for (scenario, (_, id)) in shortest {
        let life = &folded.lives[&Some(id.to_owned())];
        check(&format!("life_{scenario}"), &render(life, folded.account.now));
    }
}

/// Lines of the documentation, by number, as one life of one connection: a minute apart, or a second where the number is negative.
/// Every start begins a sync with an id of its own.
fn documented_life(numbers: &[i32]) -> Life {
    let documented = documented();
    let (mut second, mut sync) = (0, 0);
    let mut lines = Vec::new();
    for number in numbers {
        let mut event = documented[number.unsigned_abs() as usize - 1].value.clone();
        let members = event.as_object_mut().expect("an object");
        for name in ["connector_id", "connector_name", "timestamp"] {
            members.remove(name);
        }
        second += if lines.is_empty() {
            0
        } else if *number < 0 {
            1
        } else {
            60
        };
        let created = format!("2026-03-31T12:{:02}:{:02}.000Z", second / 60, second % 60);
        members.insert("created".into(), json!(created));
        members.insert("connection_id".into(), json!("documented"));
        members.insert("connection_name".into(), json!("documented"));
        sync += u32::from(members["event"] == "sync_start");
        if members.contains_key("sync_id") {
            members.insert("sync_id".into(), json!(format!("43c4fba0-60f6-4b1c-8309-{sync:012}")));
        }
        lines.push(event.to_string());
    }
    let facts = facts(&lines);
    assert_eq!(facts.len(), 1, "{:?}", facts.keys());
    Life::of(&facts[&Some("documented".to_owned())])
}

/// Each stage of the documentation and the numbers of its events in the documentation's list.
const STAGES: [(&str, &[i32]); 13] = [
    ("initialized_and_created", &[8, -48, 41, -5, 41, -6]),
    ("setup_tests", &[41, -5, -6, 41, -6, 60]),
    ("schema_changed", &[2, 3, 89, 4, 1, 9, 90, 19, 39, 61, 67, 59]),
    ("sync", &[89, 32, 38, 30, 31, 21, 88, 25, 94, 37, 46, 7, 27, 42, 15, 33, 47, 91, 93, 26, 44, 45, 40, 39]),
    ("sync_outcomes", &[89, 97, 89, 98, 89, 99, 89, 100]),
    ("paused_and_resumed", &[28, 34, 29, 66]),
    ("resync", &[35, 23, 36, 24, 86, 89, 39]),
    ("manual_sync", &[22, -87, 89, 39]),
    ("broken_and_recovered", &[89, 92, 97, 89, 99, 89, 39]),
    ("modified", &[20, 58, 62, 63, 64, 65]),
    ("support_access", &[17, 18, 95, 96]),
    ("deleted", &[89, 14, -52]),
    ("roles", &[76, 83]),
];

#[test]
fn each_stage_of_the_documentation_reads_well() {
    let documented = documented();
    let mut told = vec![false; documented.len()];
    for (name, numbers) in STAGES {
        for number in numbers {
            told[number.unsigned_abs() as usize - 1] = true;
        }
        check(&format!("stage_{name}"), &render(&documented_life(numbers), 1_774_958_400_000_000));
    }
    // Whatever else a connection logs would be a stage that nobody has read.
    let left: Vec<String> = documented
        .iter()
        .zip(&told)
        .filter(|(event, told)| !**told && understand(&event.line).1.connection_id.is_some())
        .map(|(event, _)| text(&event.value, "event").to_owned())
        .collect();
    assert_eq!(left, Vec::<String>::new(), "documented events of connections that no life tells of");
}

#[test]
fn runs_of_transformations_read_well() {
    let documented = documented();
    let lines: Vec<&String> = [12, 13, 11].iter().map(|number: &usize| &documented[number - 1].line).collect();
    let facts = facts(&lines);
    let lives: Vec<String> = facts.values().map(|facts| render(&Life::of(facts), 1_774_958_400_000_000)).collect();
    check("transformations", &lives.join("\n"));
}
