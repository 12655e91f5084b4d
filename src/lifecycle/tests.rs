//! Laws of the fold over generated facts, and the cases that taught us something.

use super::*;
use crate::model::{EventKey, Level, Source};
use proptest::prelude::*;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

fn labels() -> Arc<Labels> {
    Arc::new(Labels { source: Source::Fivetran, name: Some("orders".into()), connector_type: None, destination: None })
}

/// A fact at a millisecond.
fn fact(ms: i64, hash: i64, sync: Option<&str>, signal: Signal) -> Fact {
    Fact {
        key: EventKey { created_us: ms * 1_000, hash },
        sync: sync.map(SyncId::of),
        level: Level::Info,
        exception: None,
        labels: labels(),
        deed: None,
        job: None,
        signal,
    }
}

fn end(status: &str) -> Signal {
    let reason = (status == "RESCHEDULED").then(|| "quota".into());
    Signal::SyncEnd(Box::new(Ending { status: Some(status.into()), reason, task_type: None, rescheduled_us: None }))
}

fn action(channel: Channel) -> Box<Action> {
    Box::new(Action { actor: Some("ann@example.com".into()), channel, method: None, reason: None })
}

fn table(schema: Option<&str>, table: &str) -> Box<TableName> {
    Box::new(TableName { schema: schema.map(Into::into), table: table.into() })
}

fn rows(schema: &str, name: &str, count: u64) -> Signal {
    Signal::RecordsModified(Box::new(Modified {
        table: *table(Some(schema), name),
        operation: "UPDATED".into(),
        count,
    }))
}

/// Sorts as a timeline does.
fn place(anchor: EventKey, kind: StageKind) -> String {
    format!("stage {:020} {:02} {:020}", anchor.created_us, kind as u8, anchor.hash)
}

/// Everything that readers would see: rows by identity, the last one winning, and what is live.
fn seen(state: &State, out: &[Output]) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    let live = state.live();
    for row in out.iter().chain(live.iter().map(|live| &live.row)) {
        let (key, text) = match row.clone().public() {
            Output::Gone(anchor, kind) => {
                seen.remove(&place(anchor, kind));
                continue;
            }
            Output::Sync(it) => panic!("a sync that cannot be read: {it:?}"),
            Output::Stage(it) => (place(it.anchor, it.kind), it.body.clone()),
            Output::Incident(it) => (format!("incident {:?}", it.anchor), it.body.clone()),
            Output::Day(it) => (format!("day {}", it.day), format!("{it:?}")),
            Output::Run(it) => (format!("run {:?}", it.anchor), it.body.clone()),
            Output::Activity(it) => (format!("activity {:?}", it.key), format!("{it:?}")),
        };
        seen.insert(key, text);
    }
    seen.insert("day".into(), format!("{:?}", state.day()));
    seen.insert("summary".into(), format!("{:?}", state.summary()));
    seen
}

fn fold(facts: &[Fact]) -> (State, Vec<Output>) {
    let mut facts = facts.to_vec();
    facts.sort_by_key(|fact| fact.key);
    let (mut state, mut out) = (State::default(), Vec::new());
    state.fold(&facts, &mut out);
    (state, out)
}

fn stages(facts: &[Fact]) -> Vec<Value> {
    let (state, out) = fold(facts);
    seen(&state, &out)
        .into_iter()
        .filter(|(key, _)| key.starts_with("stage"))
        .map(|(_, body)| serde_json::from_str(&body).expect("bodies are JSON"))
        .collect()
}

fn syncs(facts: &[Fact]) -> Vec<Value> {
    stages(facts).into_iter().filter(|stage| stage["stage"] == "sync").collect()
}

fn signal() -> impl Strategy<Value = Signal> {
    prop_oneof![
        3 => Just(Signal::SyncStart),
        3 => prop_oneof![Just("SUCCESSFUL"), Just("FAILURE"), Just("FAILURE_WITH_TASK"), Just("RESCHEDULED"), Just("CANCELED"), Just("odd")]
            .prop_map(end),
        1 => Just(Signal::SyncStatus(Box::new(Ending { status: Some("FAILURE".into()), reason: None, task_type: None, rescheduled_us: None }))),
        2 => Just(Signal::WriteStart(table(None, "t"))),
        2 => Just(Signal::WriteEnd(table(None, "T"))),
        4 => (0..2_u8, 0..9_u64).prop_map(|(schema, n)| rows(if schema == 0 { "a" } else { "b" }, "t", n)),
        1 => Just(Signal::Error(Box::new(Message { kind: None, text: Some("boom".into()), table: None }))),
        1 => Just(Signal::ApiCall),
        1 => Just(Signal::Paused(action(Channel::Dashboard))),
        1 => Just(Signal::Resumed(action(Channel::Audit))),
        1 => Just(Signal::Deleted(action(Channel::Audit))),
        1 => Just(Signal::ManualSync(action(Channel::Dashboard))),
        1 => Just(Signal::Unused("edit_user".into())),
    ]
}

fn facts() -> impl Strategy<Value = Vec<Fact>> {
    let sync = prop_oneof![Just(None), Just(Some("one")), Just(Some("two")), Just(Some("three"))];
    proptest::collection::vec((0..40_i64, sync, signal()), 0..60).prop_map(|list| {
        let numbered = list.into_iter().enumerate();
        numbered.map(|(at, (ms, sync, signal))| fact(ms * 1_700_000, at as i64, sync, signal)).collect()
    })
}

proptest! {
    /// A state that was kept as JSON between two facts goes on as if nothing had happened.
    #[test]
    fn a_kept_state_goes_on_where_it_was(facts in facts(), cut in any::<prop::sample::Index>()) {
        let (whole, all) = fold(&facts);
        let mut sorted = facts.clone();
        sorted.sort_by_key(|fact| fact.key);
        let cut_us = sorted.get(cut.index(sorted.len() + 1)).map_or(i64::MAX, |fact| fact.key.created_us);
        let (before, after) = sorted.split_at(sorted.partition_point(|fact| fact.key.created_us < cut_us));
        let (mut state, mut out) = (State::default(), Vec::new());
        state.fold(before, &mut out);
        let text = serde_json::to_string(&state).expect("a state is plain data");
        let mut state: State = serde_json::from_str(&text).expect("it reads itself back");
        state.fold(after, &mut out);
        prop_assert_eq!(seen(&state, &out), seen(&whole, &all));
        prop_assert_eq!(state, whole);
    }

    /// Rows of the tables add up to the rows of the sync, and all syncs to what was modified, but for lines long after an end.
    #[test]
    fn rows_of_tables_add_up(facts in facts()) {
        let sum = |value: &Value| value.as_object().map_or(0, |rows| rows.values().filter_map(Value::as_u64).sum::<u64>());
        let mut all = 0;
        for sync in syncs(&facts) {
            let tables: u64 = sync["tables"].as_array().map_or(0, |tables| tables.iter().map(|it| sum(&it["rows"])).sum());
            prop_assert_eq!(tables, sum(&sync["rows"]));
            all += tables;
        }
        let modified: u64 = facts.iter().map(|fact| match &fact.signal {
            Signal::RecordsModified(it) => it.count,
            _ => 0,
        }).sum();
        let (state, _) = fold(&facts);
        let unused = state.summary().is_some_and(|it| it.unused.contains_key("records_modified"));
        prop_assert!(all == modified || unused && all < modified, "{} of {}", all, modified);
    }
}

#[test]
fn records_at_the_very_moment_of_the_end_belong_to_the_sync() {
    for id in [None, Some("s")] {
        let facts = [
            fact(0, 1, id, Signal::SyncStart),
            fact(9, 1, id, end("SUCCESSFUL")),
            fact(9, 2, id, rows("a", "t", 5)),
            fact(9, 0, None, Signal::SyncStart),
        ];
        let syncs = syncs(&facts);
        assert_eq!(syncs.len(), 2);
        assert_eq!(syncs[0]["rows"]["UPDATED"], 5);
        assert_eq!((&syncs[0]["status"], &syncs[1]["status"]), (&"SUCCESSFUL".into(), &"RUNNING".into()));
    }
}

#[test]
fn a_whole_sync_within_one_second_is_one_sync() {
    let facts =
        [fact(5, 4, None, Signal::SyncStart), fact(5, 3, None, rows("a", "t", 5)), fact(5, 2, None, end("SUCCESSFUL"))];
    let syncs = syncs(&facts);
    assert_eq!(syncs.len(), 1, "{syncs:?}");
    assert_eq!(syncs[0]["missing"], serde_json::json!([]));
}

#[test]
fn overlapping_syncs_are_kept_apart_and_a_silent_one_is_interrupted() {
    let facts = [
        fact(0, 1, Some("a"), Signal::SyncStart),
        fact(3, 1, Some("b"), Signal::SyncStart),
        fact(4, 1, Some("a"), rows("s", "t", 1)),
        fact(5, 1, Some("b"), rows("s", "t", 2)),
        fact(6, 1, Some("b"), end("SUCCESSFUL")),
        fact(7, 1, Some("a"), end("SUCCESSFUL")),
        fact(8, 1, Some("c"), Signal::SyncStart),
        fact(9, 1, Some("d"), Signal::SyncStart),
    ];
    let found: Vec<_> = syncs(&facts).iter().map(|it| (it["status"].clone(), it["rows"]["UPDATED"].clone())).collect();
    let want: [(&str, Option<u64>); 4] =
        [("SUCCESSFUL", Some(1)), ("SUCCESSFUL", Some(2)), ("INTERRUPTED", None), ("RUNNING", None)];
    assert_eq!(found, want.map(|(status, rows)| (Value::from(status), Value::from(rows))));
}

#[test]
fn one_table_name_in_two_schemas_has_two_windows() {
    let id = Some("a");
    let facts = [
        fact(0, 1, id, Signal::SyncStart),
        fact(1, 1, id, Signal::WriteStart(table(None, "t"))),
        fact(2, 1, id, Signal::WriteEnd(table(None, "t"))),
        fact(3, 1, id, Signal::WriteEnd(table(None, "t"))),
        fact(4, 1, id, rows("one", "t", 1)),
        fact(5, 1, id, Signal::WriteStart(table(None, "t"))),
        fact(6, 1, id, rows("two", "t", 2)),
        fact(7, 1, id, Signal::WriteEnd(table(None, "t"))),
        fact(8, 1, id, Signal::Processed(table(None, "T"), 9)),
    ];
    let tables = syncs(&facts)[0]["tables"].clone();
    let window = |at: usize| (tables[at]["write_started_at"].clone(), tables[at]["write_ended_at"].clone());
    assert_eq!(window(0), ("1970-01-01T00:00:00.001Z".into(), "1970-01-01T00:00:00.003Z".into()));
    assert_eq!(window(1), ("1970-01-01T00:00:00.005Z".into(), "1970-01-01T00:00:00.007Z".into()));
    assert_eq!((&tables[2]["schema"], &tables[2]["records_read"]), (&Value::Null, &9.into()));
}

#[test]
fn broken_until_a_success_whatever_happens_between() {
    let life = |last: &[Fact]| {
        let mut facts = vec![fact(0, 1, Some("a"), Signal::SyncStart), fact(1, 1, Some("a"), end("FAILURE"))];
        facts.extend_from_slice(last);
        fold(&facts).0.status()
    };
    assert_eq!(life(&[]), Status::Broken);
    assert_eq!(life(&[fact(2, 1, Some("b"), Signal::SyncStart)]), Status::Broken);
    assert_eq!(life(&[fact(2, 1, Some("b"), end("CANCELED"))]), Status::Broken);
    assert_eq!(life(&[fact(2, 1, Some("b"), end("RESCHEDULED"))]), Status::Broken);
    assert_eq!(life(&[fact(2, 1, Some("b"), end("successful"))]), Status::Connected);
    assert_eq!(life(&[fact(2, 1, None, Signal::Paused(action(Channel::Dashboard)))]), Status::Paused);
    let pause = [
        fact(2, 1, None, Signal::Paused(action(Channel::Dashboard))),
        fact(3, 1, None, Signal::Resumed(action(Channel::Dashboard))),
    ];
    assert_eq!(life(&pause), Status::Broken);
}

#[test]
fn what_the_audit_trail_tells_again_is_one_stage() {
    let at = |us: i64, hash: i64, channel| Fact {
        key: EventKey { created_us: us, hash },
        ..fact(0, 0, None, Signal::Paused(action(channel)))
    };
    let other = |us: i64| Fact {
        key: EventKey { created_us: us, hash: 9 },
        ..fact(0, 0, None, Signal::Paused(Box::new(Action { actor: Some("bob".into()), ..*action(Channel::Audit) })))
    };
    let (live, dashboard) = (at(7_000_184, 1, Channel::Audit), at(6_980_000, 2, Channel::Dashboard));
    let again = [at(7_000_000, 3, Channel::Audit), at(7_000_184, 4, Channel::Audit)];
    for row in &again {
        for facts in [vec![live.clone()], vec![dashboard.clone(), live.clone()]] {
            let mut more = facts.clone();
            more.push(row.clone());
            more.sort_by_key(|fact| fact.key);
            let (one, two) = (stages(&facts), stages(&more));
            assert_eq!((one.len(), two.len()), (1, 1), "{row:?}");
            assert_eq!(one[0]["summary"], two[0]["summary"]);
            assert_eq!(two[0]["event_ids"].as_array().map(Vec::len), Some(facts.len() + 1));
        }
    }
    let schema = |us: i64, hash: i64| {
        let data = Some(format!(r#"{{"timestamp":{us}}}"#).into());
        let change = SchemaChange {
            event: "edit_connection".into(),
            action: *action(Channel::Audit),
            changes: Vec::new(),
            data,
        };
        Fact { key: EventKey { created_us: us, hash }, ..fact(0, 0, None, Signal::SchemaChanged(Box::new(change))) }
    };
    let facts = [schema(7_000_000, 3), schema(7_000_184, 1)];
    assert_eq!(stages(&facts).len(), 1);
    assert_eq!(fold(&facts).0.summary().expect("a summary").day.schema_changes, 1);
    // Another person, or another time: another action.
    for fact in [other(7_000_000), at(7_000_185, 5, Channel::Audit), at(6_999_000, 5, Channel::Audit)] {
        let mut more = vec![live.clone(), fact];
        more.sort_by_key(|fact| fact.key);
        assert_eq!(stages(&more).len(), 2, "{more:?}");
    }
}

#[test]
fn an_action_and_its_twin_are_one_stage() {
    let facts = [
        fact(0, 1, None, Signal::Paused(action(Channel::Dashboard))),
        fact(3, 1, None, Signal::Paused(action(Channel::Audit))),
        fact(4, 1, None, Signal::Paused(action(Channel::Audit))),
    ];
    let stages = stages(&facts);
    assert_eq!(stages.len(), 2);
    assert_eq!(stages[0]["event_ids"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_state_stays_small_whatever_comes() {
    let mut facts = Vec::new();
    for at in 0..5_000 {
        let id = format!("sync {at}");
        facts.push(fact(at, 1, Some(&id), Signal::WriteStart(table(None, "t"))));
        facts.push(fact(at, 2, Some(&id), Signal::Error(Box::new(Message { kind: None, text: None, table: None }))));
        facts.push(fact(at, 3, None, Signal::Unused(format!("event {at}").into())));
        facts.push(fact(
            at,
            4,
            Some("one"),
            Signal::Tested(Box::new(TestResult {
                action: *action(Channel::Dashboard),
                name: None,
                message: None,
                passed: false,
            })),
        ));
        facts.push(fact(at, 5, None, Signal::Paused(action(Channel::Dashboard))));
    }
    let (state, _) = fold(&facts);
    let size = serde_json::to_vec(&state).expect("plain data").len();
    assert!(size < 64 << 10, "{size} bytes");
}

/// A life of starts, one a minute, none of which ends.
fn unended(ids: impl Iterator<Item = String>) -> Vec<Fact> {
    ids.enumerate().map(|(at, id)| fact(at as i64 * 60_000, 1, Some(&id), Signal::SyncStart)).collect()
}

#[test]
fn an_end_finds_its_sync_among_many_that_never_ended() {
    for newer in [4, 8, 31] {
        let mut facts = unended((0..=newer).map(|n| format!("s{n}")));
        facts.push(fact(90_000_000, 1, Some("s0"), end("FAILURE")));
        let (state, _) = fold(&facts);
        let syncs = syncs(&facts);
        assert_eq!(syncs.len(), newer + 1);
        assert_eq!((&syncs[0]["sync_id"], &syncs[0]["status"]), (&"s0".into(), &"FAILURE".into()), "{newer} newer");
        assert_eq!(state.status(), Status::Broken, "{newer} newer");
        assert!(state.summary().is_some_and(|it| it.unused.is_empty() && it.syncs.failed == 1));
    }
    let mut facts = unended((0..20).map(|n| format!("s{n}")));
    for (at, status) in ["FAILURE", "FAILURE", "SUCCESSFUL"].into_iter().enumerate() {
        facts.push(fact(90_000_000 + at as i64, 1, Some(&format!("s{at}")), end(status)));
    }
    let (state, _) = fold(&facts);
    assert_eq!(state.status(), Status::Syncing, "the last one runs, and the last end was well");
    let known = state.summary().expect("a summary").syncs;
    assert_eq!((known.total, known.successful, known.failed), (20, 1, 2));
}

#[test]
fn an_end_past_the_bound_still_says_how_the_connection_stands() {
    let mut facts = unended((0..40).map(|n| format!("s{n}")));
    facts.push(fact(90_000_000, 1, Some("s0"), end("FAILURE")));
    facts.push(fact(91_000_000, 1, Some("s0"), rows("a", "t", 1)));
    let (state, _) = fold(&facts);
    assert_eq!(state.status(), Status::Broken);
    let summary = state.summary().expect("a summary");
    assert_eq!((summary.syncs.total, summary.syncs.failed), (40, 1), "one sync is counted once");
    facts.truncate(40);
    facts.push(fact(91_000_000, 1, Some("s0"), rows("a", "t", 1)));
    let summary = fold(&facts).0.summary().expect("a summary");
    assert_eq!(summary.unused["records_modified"], 1);
}

fn deleted() -> Signal {
    Signal::Deleted(action(Channel::Dashboard))
}

fn created() -> Signal {
    Signal::Created(Box::new(Edit::by(*action(Channel::Dashboard))))
}

fn kinds(facts: &[Fact]) -> Vec<Value> {
    stages(facts).into_iter().map(|stage| stage["stage"].clone()).collect()
}

#[test]
fn nothing_is_open_on_a_deleted_or_paused_connection() {
    let life = |between: Signal, last: &[Fact]| {
        let mut facts = vec![
            fact(0, 1, Some("a"), Signal::SyncStart),
            fact(60_000, 1, Some("a"), end("SUCCESSFUL")),
            fact(120_000, 1, Some("b"), Signal::SyncStart),
            fact(150_000, 1, None, between),
            fact(151_000, 1, Some("b"), end("FAILURE")),
        ];
        facts.extend_from_slice(last);
        facts
    };
    let facts = life(deleted(), &[]);
    let summary = fold(&facts).0.summary().expect("a summary");
    assert_eq!((summary.status, summary.open_incident, summary.syncs.failed), (Status::Deleted, None, 1));
    assert!(!kinds(&facts).contains(&"broken".into()), "{:?}", kinds(&facts));
    let again = [fact(160_000, 1, None, Signal::Resumed(action(Channel::Dashboard)))];
    assert_eq!(fold(&life(deleted(), &again)).0.summary().expect("a summary").open_incident, None);

    let pause = || Signal::Paused(action(Channel::Dashboard));
    let (state, out) = fold(&life(pause(), &[]));
    let summary = state.summary().expect("a summary");
    assert_eq!((summary.status, summary.open_incident), (Status::Paused, None));
    let incidents: Vec<_> = seen(&state, &out).into_iter().filter(|(key, _)| key.starts_with("incident")).collect();
    assert!(incidents.len() == 1 && incidents[0].1.contains(r#""resolution":"paused""#), "{incidents:?}");
    let summary = fold(&life(pause(), &again)).0.summary().expect("a summary");
    assert_eq!(summary.status, Status::Broken);
    assert_eq!(summary.open_incident.map(|it| it["failures"].clone()), Some(1.into()));
}

#[test]
fn a_sync_stands_where_it_started_whatever_was_seen_before() {
    let facts = [
        fact(0, 1, Some("a"), Signal::ReadStart),
        fact(300_000, 1, None, Signal::Paused(action(Channel::Dashboard))),
        fact(360_000, 1, None, Signal::Resumed(action(Channel::Dashboard))),
        fact(600_000, 1, Some("a"), Signal::SyncStart),
    ];
    assert_eq!(kinds(&facts), ["paused", "resumed", "sync"]);
    assert_eq!(fold(&facts).0.status(), Status::InitialSync);
    let running = &syncs(&facts)[0];
    assert_eq!((&running["status"], &running["at"]), (&"RUNNING".into(), &"1970-01-01T00:10:00.000Z".into()));
    assert_eq!(running["first_event_at"], "1970-01-01T00:00:00.000Z");
    assert_eq!(running["event_ids"].as_array().map(Vec::len), Some(2), "its first event and its start");
    // One that was given out before moves.
    let late = [
        fact(0, 1, Some("a"), end("SUCCESSFUL")),
        fact(1, 1, None, Signal::Paused(action(Channel::Dashboard))),
        fact(2, 1, Some("a"), Signal::SyncStart),
    ];
    assert_eq!(kinds(&late), ["paused", "sync"]);
    assert_eq!(syncs(&late)[0]["status"], "SUCCESSFUL");
}

#[test]
fn a_sync_that_only_worked_names_an_event() {
    let facts = [fact(0, 1, Some("a"), rows("s", "t", 1)), fact(1, 1, Some("a"), rows("s", "t", 1))];
    assert_eq!(syncs(&facts)[0]["event_ids"].as_array().map(Vec::len), Some(1));
}

#[test]
fn created_waits_until_no_test_of_its_run_fails() {
    let test = |ms, name: &str, passed| {
        let result = TestResult { action: *action(Channel::Dashboard), name: Some(name.into()), message: None, passed };
        fact(ms, 1, None, Signal::Tested(Box::new(result)))
    };
    let mut facts = vec![fact(0, 1, None, created()), test(60_000, "one", true), test(65_000, "two", false)];
    assert_eq!(kinds(&facts), ["initialized", "setup_tests"]);
    assert_eq!(kinds(&facts[..2]), ["initialized", "setup_tests", "created"], "as it stood then");
    facts.push(test(70_000, "two", true));
    let stages = stages(&facts);
    let created: Vec<_> = stages.iter().filter(|stage| stage["stage"] == "created").collect();
    assert_eq!(created.len(), 1);
    assert_eq!(created[0]["at"], "1970-01-01T00:01:10.000Z");
    // A later run takes nothing back.
    facts.push(test(7_000_000, "one", false));
    assert!(kinds(&facts).contains(&"created".into()));
}

#[test]
fn a_write_does_not_end_before_it_starts_and_is_one_table() {
    let id = Some("a");
    let facts = [
        fact(1, 1, id, Signal::WriteEnd(table(None, "t"))),
        fact(5, 1, id, Signal::WriteStart(table(None, "t"))),
        fact(6, 1, id, rows("s", "t", 5)),
    ];
    let sync = &syncs(&facts)[0];
    assert_eq!(sync["tables"].as_array().map(Vec::len), Some(1));
    assert_eq!(sync["tables"][0]["write_started_at"], "1970-01-01T00:00:00.005Z");
    assert_eq!(sync["tables"][0]["write_ended_at"], Value::Null);
    assert!(sync["summary"].as_str().is_some_and(|text| text.ends_with("5 rows in 1 table")), "{sync}");
}

#[test]
fn created_again_under_its_id_a_connection_is_new() {
    let mut facts = vec![
        fact(0, 1, None, created()),
        fact(1_000, 1, Some("a"), Signal::SyncStart),
        fact(2_000, 1, Some("a"), end("SUCCESSFUL")),
        fact(3_000, 1, None, Signal::Paused(action(Channel::Dashboard))),
        fact(7_200_000, 1, None, deleted()),
        fact(7_205_000, 1, None, Signal::Deleted(action(Channel::Audit))),
        fact(10_800_000, 1, None, created()),
    ];
    let summary = fold(&facts).0.summary().expect("a summary");
    assert_eq!((summary.status, summary.health, summary.paused), (Status::New, Health::Incomplete, false));
    assert_eq!((summary.created_us, summary.deleted_us), (Some(10_800_000_000), None));
    assert_eq!((summary.last_success_us, summary.syncs.total), (None, 1), "the counts go on");
    assert_eq!(kinds(&facts), ["initialized", "sync", "paused", "deleted", "initialized"]);
    facts.push(fact(10_900_000, 1, Some("b"), Signal::SyncStart));
    assert_eq!(fold(&facts).0.status(), Status::InitialSync);
    assert_eq!(syncs(&facts)[1]["kind"], "initial");
}

#[test]
fn a_transformation_without_a_name_is_told_as_one() {
    let event = RunEvent {
        job: "".into(),
        name: None,
        kind: None,
        phase: RunPhase::Started,
        start_us: None,
        end_us: None,
        schedule: None,
        steps: Vec::new(),
        description: None,
        error: None,
    };
    let (_, out) = fold(&[fact(0, 1, None, Signal::Run(Box::new(event)))]);
    let [Output::Run(run)] = out.as_slice() else { panic!("one run: {out:?}") };
    let body: Value = serde_json::from_str(&run.body).expect("bodies are JSON");
    assert_eq!(body["job_id"], Value::Null);
    assert_eq!(body["summary"], "a transformation without a name is running");
}

#[test]
fn a_forced_re_sync_is_a_schema_change_with_its_name_and_data() {
    let resync = Resync {
        event: "forced_resync_table".into(),
        action: *action(Channel::Connector),
        table: Some(*table(Some("s"), "t")),
        cause: Some("MIGRATION".into()),
        data: Some(r#"{"cause":"MIGRATION"}"#.into()),
    };
    let facts = [fact(0, 1, None, Signal::Resync(Box::new(resync)))];
    let stage = &stages(&facts)[0];
    assert_eq!((&stage["event"], &stage["data"]["cause"]), (&"forced_resync_table".into(), &"MIGRATION".into()));
    let summary = fold(&facts).0.summary().expect("a summary");
    assert_eq!((summary.schema_changes_last_30_days(0), summary.day.schema_changes), (1, 1));
}
