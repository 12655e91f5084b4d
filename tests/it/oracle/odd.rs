//! Odd lives: what no account should log and some do. Laws that hold for all of them.
//!
//! Ends without starts, starts without ends, equal times, clocks that jump, null and wrong data, names with control characters, syncs
//! inside one another, ids that several connections share, lines without any id, very many events and tables.

use super::{
    folded::{Facts, Growing, Life, body, cuts, facts, understand},
    truth::fits,
};
use crate::samples;
use lifeline::{
    lifecycle::{Fact, Output, StageKind, State, time_text},
    model::{EventKey, Micros, Timestamp},
};
use proptest::prelude::*;
use rand::{Rng, seq::SliceRandom};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A line of an odd life, before it is written.
#[derive(Debug, Clone)]
struct Odd {
    what: u8,
    connection: u8,
    sync: u8,
    table: u8,
    step: u8,
    number: u32,
}

fn odd() -> impl Strategy<Value = Odd> {
    let parts = (any::<u8>(), 0..3_u8, 0..6_u8, 0..5_u8, any::<u8>(), any::<u32>());
    parts.prop_map(|(what, connection, sync, table, step, number)| Odd { what, connection, sync, table, step, number })
}

pub fn odd_life() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(odd(), 1..120).prop_map(|life| lines(&life))
}

const STATUSES: [&str; 9] = [
    "SUCCESSFUL",
    "FAILURE",
    "FAILURE_WITH_TASK",
    "RESCHEDULED",
    "CANCELED",
    "successful",
    "FAILED",
    "NO_STATUS",
    "\u{7}odd\nstatus\u{0}",
];
const TABLES: [&str; 5] = ["orders", "Orders", "line\titems\u{1}", "", "customers"];
const SCHEMAS: [&str; 3] = ["shop", "crm", "sh\"op\\"];
const SYNCS: [Option<&str>; 6] = [
    None,
    None,
    Some("43c4fba0-60f6-4b1c-8309-ced0300ccc57"),
    Some("81425270-7832-4028-aa06-71f3f5840c4f"),
    Some("not a uuid \u{1b}[31m"),
    Some("81425270-7832-4028-AA06-71F3F5840C4F"),
];

/// How the clock goes on: mostly a little, often not at all, sometimes in jumps.
fn advance(clock: Micros, step: u8) -> Micros {
    const SECOND: Micros = 1_000_000;
    match step {
        0..60 => clock,
        60..120 => clock + Micros::from(step) * 7_001,
        120..200 => clock + SECOND,
        200..225 => clock + 90 * SECOND,
        225..235 => clock + 20 * 86_400 * SECOND,
        235..245 => clock - 45 * SECOND,
        245..249 => 0,
        249..252 => 4_102_444_800 * SECOND,
        252 => -62_135_596_800 * SECOND,
        _ => 1_774_958_400 * SECOND,
    }
}

fn lines(life: &[Odd]) -> Vec<String> {
    let mut clock: Micros = 1_774_958_400_000_000;
    life.iter()
        .map(|odd| {
            clock = advance(clock, odd.step);
            line(odd, clock)
        })
        .collect()
}

fn line(odd: &Odd, clock: Micros) -> String {
    let number = u64::from(odd.number);
    let pick = odd.number as usize;
    let table = TABLES[usize::from(odd.table)];
    let schema = SCHEMAS[pick % 3];
    let status = STATUSES[pick % 9];
    let actor = ["Ada@example.com", "Fivetran", "user_1"][pick % 3];
    let intended = "This is intended behavior and means that the connection is working as expected.";
    let (event, data) = match odd.what {
        0..30 => ("sync_start", Value::Null),
        30..60 => (
            "sync_end",
            json!({"status": status, "reason": if pick.is_multiple_of(2) { intended } else { "why\u{0}" }}),
        ),
        60..68 => ("status", json!({"status": status, "reason": intended})),
        68..90 => ("write_to_table_start", json!({"table": table})),
        90..110 => ("write_to_table_end", json!({"table": table})),
        110..140 => {
            let operation = ["REPLACED_OR_INSERTED", "UPDATED", "DELETED", "odd\u{1}"][pick % 4];
            match pick % 5 {
                0 => ("records_modified", json!({"table": table, "operationType": operation, "count": number})),
                1 => (
                    "records_modified",
                    json!({"schema": schema, "table": table, "operation_type": operation, "count": u64::MAX / 9}),
                ),
                _ => (
                    "records_modified",
                    json!({"schema": schema, "table": table, "operationType": operation, "count": number}),
                ),
            }
        }
        140..146 => ("extract_summary", json!({"total_queries": number, "total_rows": number, "total_size": u64::MAX})),
        146..150 => ("api_call", json!({"uri": "https://example.com"})),
        150..158 => ("error", json!({"type": "sync_error", "message": "no\u{8}t well"})),
        158..164 => ("warning", json!({"type": "skip_table", "table": table})),
        164..168 => ("read_start", json!({})),
        168..172 => ("processed_records", json!({"table": table, "recordsCount": number})),
        172..176 => ("import_progress", json!({"tableProgress": {"shop.orders": "COMPLETE", "shop.x": "NOT_STARTED"}})),
        176..180 => ("sync_stats", json!({"extract_time_s": 1.5, "total_time_s": number})),
        180..186 => ("create_connector", json!({"actor": actor, "id": "x"})),
        186..190 => (
            "create_connection",
            json!({"userId": "user_1", "interactionMethod": "WEB_UI", "primaryResourceType": "CONNECTION", "action": "CREATE"}),
        ),
        190..194 => ("test_connector_connection", json!({"actor": actor, "testCount": 2})),
        194..198 => ("connection_failure", json!({"actor": actor, "testName": "Reach", "message": "no"})),
        198..202 => ("connection_successful", json!({"actor": actor, "testName": "Reach"})),
        202..206 => ("pause_connector", json!({"actor": actor, "reason": "trial period has ended"})),
        206..210 => ("resume_connector", json!({"actor": actor})),
        210..214 => (
            "edit_connection",
            json!({"userId": "user_1", "primaryResourceType": "CONNECTION", "action": "EDIT",
                   "oldValues": {"is_paused": pick.is_multiple_of(2)}, "newValues": {"is_paused": !pick.is_multiple_of(2)}}),
        ),
        214..216 => ("edit_connector", json!({"actor": actor, "editType": "CREDENTIALS", "properties": {"a": 1}})),
        216..219 => ("delete_connector", json!({"actor": actor})),
        219..222 => ("force_update_connector", json!({"actor": actor})),
        222..225 => ("resync_table", json!({"actor": actor, "schema": schema, "table": table})),
        225..228 => ("forced_resync_connector", json!({"reason": "r", "cause": "MIGRATION"})),
        228..231 => ("alter_table", json!({"type": "ADD_COLUMN", "table": table, "properties": {"columnName": "c"}})),
        231..234 => ("create_table", json!({"schema": schema, "name": table, "columns": {"id": "STRING"}})),
        234..237 => (
            "change_schema_config",
            json!({"actor": actor, "properties": {"ENABLED_TABLES": [{"schema": schema, "tables": [table]}]}}),
        ),
        237..239 => ("diagnostic_access_granted", json!({"requester": "helper", "supportTicket": "77"})),
        239..241 => ("transformation_start", json!({"id": "job", "name": "nightly"})),
        241..243 => {
            ("transformation_succeeded", json!({"id": "job", "name": "nightly", "result": {"description": "ok"}}))
        }
        243..246 => ("an event of next year", json!({"x": number})),
        246..249 => ("update_state", json!([1, 2])),
        249..252 => ("json_value_too_long", json!("{\"cut\": ")),
        252 => ("info", json!(null)),
        253 => ("sync_end", Value::Null),
        254 => ("records_modified", json!({"count": -7, "table": 5, "schema": {"a": 1}})),
        _ => ("write_to_table_start", json!([])),
    };
    let mut event = json!({"event": event, "created": Timestamp::from_micros(clock).trimmed().to_string()});
    if !data.is_null() || pick.is_multiple_of(2) {
        event["data"] = data;
    }
    if odd.connection < 2 {
        event["connection_id"] = json!(["one", "tw\u{1}o"][usize::from(odd.connection)]);
        event["connection_name"] = json!("a name\nin two lines \u{202e}");
        event["connector_type"] = json!("postgres");
    }
    if let Some(sync) = SYNCS[usize::from(odd.sync)] {
        event["sync_id"] = json!(sync);
    }
    event.to_string()
}

/// Identity of a row.
fn identity(row: &Output) -> String {
    match row {
        Output::Stage(row) => format!("stage {:?} {}", row.anchor, row.kind.as_str()),
        Output::Gone(anchor, kind) => format!("stage {anchor:?} {}", kind.as_str()),
        Output::Sync(row) => panic!("not in the public form: {row:?}"),
        Output::Incident(row) => format!("incident {:?}", row.anchor),
        Output::Day(row) => format!("day {}", row.day),
        Output::Run(row) => format!("run {:?}", row.anchor),
        Output::Activity(row) => format!("activity {:?}", row.key),
    }
}

/// What a store keeps: each row with the moment at which it was last given out. As of a moment, later ones do not count, and
/// rows that may still change are the state's.
fn as_of_holds(facts: &[Fact]) -> Result<(), TestCaseError> {
    let mut kept: BTreeMap<String, (Micros, Output)> = BTreeMap::new();
    let mut states: Vec<(Micros, State)> = Vec::new();
    let mut state = State::default();
    for part in cuts(facts, |_| true) {
        let mut out = Vec::new();
        state.fold(part, &mut out);
        let at = part[0].key.created_us;
        for row in out.into_iter().map(Output::public) {
            kept.insert(identity(&row), (at, row));
        }
        for live in state.live() {
            let id = identity(&live.row.public());
            prop_assert_eq!(live.given, kept.contains_key(&id), "{}: given out before or not", id);
        }
        states.push((at, state.clone()));
    }
    for (at, state) in &states {
        let before = facts.partition_point(|fact| fact.key.created_us <= *at);
        let expected = Life::of(&facts[..before]);
        let mut rows: BTreeMap<String, Output> =
            kept.iter().filter(|(_, (last, _))| last <= at).map(|(id, (_, row))| (id.clone(), row.clone())).collect();
        rows.retain(|_, row| !matches!(row, Output::Gone(..)));
        rows.extend(state.live().into_iter().map(|live| live.row.public()).map(|row| (identity(&row), row)));
        rows.extend(state.day().map(|day| (identity(&Output::Day(day)), Output::Day(day))));
        let all = expected.stages.values().cloned().map(Output::Stage);
        let all = all.chain(expected.incidents.values().cloned().map(Output::Incident));
        let all = all.chain(expected.days.values().copied().map(Output::Day));
        let all = all.chain(expected.runs.values().cloned().map(Output::Run));
        let all = all.chain(expected.activities.values().cloned().map(Output::Activity));
        let all: BTreeMap<String, Output> = all.map(|row| (identity(&row), row)).collect();
        for (id, row) in &all {
            prop_assert_eq!(rows.get(id), Some(row), "as of {}: {}", at, id);
        }
        prop_assert_eq!(rows.len(), all.len(), "as of {}", at);
        prop_assert_eq!(state.summary(), expected.summary);
    }
    Ok(())
}

/// Laws of every life.
fn lawful(facts: &[Fact]) -> Result<Life, TestCaseError> {
    let life = Life::of(facts);
    let summary = life.summary.clone().expect("a life with facts has a summary");
    prop_assert_eq!(summary.events, facts.len() as u64);
    prop_assert!(fits(summary.status.as_str(), summary.health.as_str()), "{:?} {:?}", summary.status, summary.health);
    let evidence = evidence(&life)?;
    let written: u128 = facts
        .iter()
        .filter_map(|fact| match &fact.signal {
            lifeline::lifecycle::Signal::RecordsModified(modified) => Some(u128::from(modified.count)),
            _ => None,
        })
        .sum();
    if written < u128::from(u64::MAX) {
        // A line of a sync that ended long ago (two others have ended since) is told of as unused, with its rows.
        if summary.unused.contains_key("records_modified") {
            prop_assert!(evidence.rows <= written, "{} rows of tables, {written} of events", evidence.rows);
        } else {
            prop_assert_eq!(evidence.rows, written, "rows of tables and of events");
        }
        let by_day: u128 = life.days.values().map(|day| u128::from(day.rows_modified)).sum();
        prop_assert_eq!(by_day, written, "rows of days and of events");
    }
    let by_day: u64 = life.days.values().map(|day| day.events).sum();
    prop_assert_eq!(by_day, facts.len() as u64);
    let unused: u64 = summary.unused.values().sum();
    let covered = evidence.in_syncs + evidence.ids.len() as u64 + unused;
    prop_assert!(covered >= facts.len() as u64, "{} events, {covered} speak for something or are unused", facts.len());
    Ok(life)
}

/// Every event changes what some row claims, or is listed as unused.
fn every_event_counts(facts: &[Fact]) -> Result<(), TestCaseError> {
    let claims = |life: &Life| {
        let summary = life.summary.as_ref().map(|summary| summary.unused.clone());
        let stages: Vec<_> = life.stages.values().map(|stage| stage.body.clone()).collect();
        let runs: Vec<_> = life.runs.values().map(|run| run.body.clone()).collect();
        (stages, runs, summary)
    };
    let mut growing = Growing::default();
    let mut before = claims(&growing.read());
    for part in cuts(facts, |_| true) {
        growing.fold(part);
        let after = claims(&growing.read());
        prop_assert_ne!(&before, &after, "{:?} says nothing and is not unused", part);
        before = after;
    }
    Ok(())
}

/// What the rows of a life rest on.
#[derive(Default)]
struct Evidence {
    rows: u128,
    in_syncs: u64,
    ids: BTreeSet<String>,
}

fn evidence(life: &Life) -> Result<Evidence, TestCaseError> {
    let mut found = Evidence::default();
    let mut own = BTreeSet::new();
    for stage in life.stages.values() {
        let body = body(&stage.body);
        prop_assert!(!stage.body.chars().any(char::is_control), "{}", stage.body);
        prop_assert_eq!(&body["stage"], stage.kind.as_str());
        prop_assert!(body["summary"].as_str().is_some_and(|text| !text.is_empty()), "{}", body);
        prop_assert!(body["event_ids"].as_array().is_some_and(|ids| !ids.is_empty()), "{}", body);
        let at = if body["at"].is_null() { &body["first_event_at"] } else { &body["at"] };
        prop_assert_eq!(
            at,
            &Value::from(time_text(stage.anchor.created_us)),
            "a stage stands where it began: {}",
            body
        );
        prop_assert!(body["duration_ms"].is_null() || body["duration_ms"].as_i64() >= Some(0), "{}", body);
        if stage.kind == StageKind::Sync {
            found.in_syncs += body["events"].as_u64().expect("a sync counts its events");
            for table in body["tables"].as_array().into_iter().flatten() {
                let rows = table["rows"].as_object().into_iter().flatten();
                found.rows += rows.map(|(_, n)| u128::from(n.as_u64().unwrap_or_default())).sum::<u128>();
            }
        } else {
            for id in body["event_ids"].as_array().into_iter().flatten() {
                let id = id.as_str().unwrap_or_default().to_owned();
                // These are drawn from an event that speaks for another stage, too.
                let derived = matches!(stage.kind, StageKind::Broken | StageKind::Recovered | StageKind::Created);
                prop_assert!(derived || own.insert(id.clone()), "an event speaks for two stages: {}", body);
                found.ids.insert(id);
            }
        }
    }
    for run in life.runs.values() {
        let body = body(&run.body);
        let ids = body["event_ids"].as_array().into_iter().flatten();
        found.ids.extend(ids.map(|id| id.as_str().unwrap_or_default().to_owned()));
    }
    Ok(found)
}

/// Every way of folding the same facts gives the same.
fn batching_leaves_no_trace(facts: &[Fact], seed: u64) -> Result<(), TestCaseError> {
    let whole = Life::of(facts).text();
    let mut rng = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(seed);
    for odds in [1.0, 0.2] {
        let mut growing = Growing::default();
        for part in cuts(facts, |_| rng.random_bool(odds)) {
            growing.fold(part);
            let bytes = growing.restart();
            prop_assert!(bytes < 200_000, "a state of {bytes} bytes after {} events", facts.len());
        }
        prop_assert_eq!(growing.read().text(), whole.as_str());
    }
    Ok(())
}

fn cases() -> ProptestConfig {
    ProptestConfig { cases: 40 * super::account::rounds() as u32, max_shrink_iters: 4_000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn odd_lives_are_lawful(lines in odd_life(), seed in any::<u64>()) {
        let facts: Facts = facts(&lines);
        for of_one in facts.values() {
            lawful(of_one)?;
            every_event_counts(of_one)?;
            batching_leaves_no_trace(of_one, seed)?;
        }
    }

    #[test]
    fn as_of_is_the_fold_of_what_was_before(lines in odd_life()) {
        for of_one in facts(&lines).values() {
            as_of_holds(of_one)?;
        }
    }

    #[test]
    fn connections_do_not_touch_one_another(lines in odd_life()) {
        let together = facts(&lines);
        for (id, of_one) in &together {
            let alone: Vec<&String> = lines
                .iter()
                .filter(|line| understand(line).1.connection_id == *id)
                .collect();
            let alone = facts(&alone);
            prop_assert_eq!(alone.len(), 1);
            prop_assert_eq!(Life::of(&alone[id]).text(), Life::of(of_one).text());
        }
    }
}

/// A line of one connection; `us` after noon of 31 March 2026.
fn plain(event: &str, us: Micros, sync: Option<&str>, data: Value) -> String {
    let at = Timestamp::from_micros(1_774_958_400_000_000 + us).trimmed().to_string();
    json!({"event": event, "created": at, "connection_id": "one", "connector_type": "postgres", "sync_id": sync, "data": data})
        .to_string()
}

fn only(facts: &Facts) -> &[Fact] {
    let mut all = facts.values();
    let one = all.next().expect("a connection");
    assert!(all.next().is_none(), "one connection");
    one
}

#[test]
fn a_sync_of_very_many_events_stays_small() {
    let mut lines = vec![plain("sync_start", 0, Some("big"), Value::Null)];
    let count = 20_000;
    for n in 0..count {
        let data = json!({"schema": "shop", "table": format!("t{}", n % 7), "operationType": "UPDATED", "count": 3});
        lines.push(plain("records_modified", 1_000 * (n + 1), Some("big"), data));
    }
    lines.push(plain("sync_end", 1_000 * (count + 2), Some("big"), json!({"status": "SUCCESSFUL"})));
    let facts = facts(&lines);
    let mut growing = Growing::default();
    growing.fold(only(&facts));
    let bytes = growing.restart();
    assert!(bytes < 20_000, "{bytes} bytes");
    let life = lawful(only(&facts)).expect("a lawful life");
    let longest = life.stages.values().map(|stage| stage.body.len()).max();
    assert!(longest < Some(20_000), "{longest:?} bytes");
}

#[test]
fn ten_thousand_tables_are_kept_apart() {
    let mut lines = vec![plain("sync_start", 0, None, Value::Null)];
    for n in 0..10_000 {
        let data = json!({"schema": "shop", "table": format!("table_{n}"), "operationType": "UPDATED", "count": n});
        lines.push(plain("records_modified", 1_000 * (n + 1), None, data));
    }
    lines.push(plain("sync_end", 20_000_000, None, json!({"status": "SUCCESSFUL"})));
    let facts = facts(&lines);
    let life = lawful(only(&facts)).expect("a lawful life");
    let (_, sync) = life.bodies(StageKind::Sync).next().expect("a sync");
    assert_eq!(sync["tables"].as_array().map(Vec::len), Some(10_000));
}

#[test]
fn a_life_of_very_many_syncs_has_a_small_state() {
    let mut lines = Vec::new();
    for n in 0..3_000_i64 {
        let at = n * 60_000_000;
        let id = format!("sync-{n}");
        lines.push(plain("sync_start", at, Some(&id), Value::Null));
        lines.push(plain("warning", at + 5, Some(&id), json!({"message": format!("w{n}")})));
        lines.push(plain(&format!("odd_{n}"), at + 6, Some(&id), Value::Null));
        // A third never ends, a third fails, some start twice.
        if n % 3 > 0 {
            let status = if n % 3 == 1 { "FAILURE" } else { "SUCCESSFUL" };
            lines.push(plain("sync_end", at + 7, Some(&id), json!({"status": status, "reason": format!("r{n}")})));
        }
    }
    let facts = facts(&lines);
    let mut growing = Growing::default();
    growing.fold(only(&facts));
    let bytes = growing.restart();
    assert!(bytes < 40_000, "{bytes} bytes");
    lawful(only(&facts)).expect("a lawful life");
}

#[test]
fn order_and_repeats_leave_no_trace_in_facts() {
    let mut rng = samples::rng();
    let account = &super::account::accounts()[0];
    let part = &account.lines[..3_000];
    let expected = facts(part);
    let mut mixed: Vec<&String> = part.iter().chain(&part[500..900]).collect();
    mixed.shuffle(&mut rng);
    let keys = |facts: &Facts| -> Vec<(Option<String>, Vec<EventKey>)> {
        facts.iter().map(|(id, facts)| (id.clone(), facts.iter().map(|fact| fact.key).collect())).collect()
    };
    let found = facts(&mixed);
    assert_eq!(keys(&found), keys(&expected));
    for (id, of_one) in &expected {
        assert_eq!(Life::of(of_one).text(), Life::of(&found[id]).text());
    }
}
