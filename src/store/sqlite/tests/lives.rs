//! Lives are a pure function of the set of stored events: however those came, answers equal one fold over all of them.

use super::*;
use crate::{
    envelope, identity,
    lifecycle::{Day, Fact, Incident, Labels, Output, Run, Stage, StageKind, State, Summary, stage_order},
    model::{DAY_US, Micros, StoredEvent},
    normalize::normalize,
    simulate::{SimEvent, SimOptions, Simulator, write_json},
    store::{
        EventFilter, EventQuery, Lives as _, Order,
        lives::{
            DayRow, IncidentQuery, LifeFilter, LifeQuery, LifeSort, RunQuery, SortValue, TimelinePage, TimelineQuery,
            Whose,
        },
        sqlite::DATABASE,
    },
    validate::Schemas,
};
use proptest::{collection::vec, prelude::*};
use std::collections::{BTreeMap, BTreeSet};

/// As the rooms before the store give it.
fn understood(text: &str, schemas: &Schemas) -> NewEvent {
    use crate::model::{Hints, Payload, Record};
    let record = Record { payload: Payload::Json(text.into()), hints: Hints::default() };
    let read = envelope::unwrap(&record, &mut |found: envelope::Found<'_>| normalize(&found, None, 1));
    let mut event = read.unwrap().unwrap().event;
    event.family = schemas.family(&event);
    NewEvent {
        key: identity::key(&event),
        event,
        verdict: Verdict { status: Status::Valid, schema: None, errors: Vec::new() },
        raw: text.to_owned(),
        data_at: None,
        received_us: 1,
        secret_digest: None,
    }
}

/// Events of a made-up account, in order; times rounded down to `grain` microseconds.
pub(super) fn account(seed: u64, connections: usize, skip: usize, take: usize, grain: i64) -> Vec<NewEvent> {
    let schemas = Schemas::builtin();
    let options = SimOptions { seed, connections, ..SimOptions::default() };
    let mut keys = BTreeSet::new();
    let one = |mut event: SimEvent| {
        event.created_us = event.created_us.div_euclid(grain) * grain;
        let mut out = Vec::new();
        write_json(&event, &mut out);
        understood(&String::from_utf8(out).unwrap(), &schemas)
    };
    let mut events: Vec<NewEvent> = Simulator::new(&options).skip(skip).take(take).map(one).collect();
    events.retain(|event| keys.insert(event.key));
    events.sort_by_key(|event| event.key);
    events
}

pub(super) fn stored(store: &SqliteStore) -> Vec<StoredEvent> {
    let mut query = EventQuery { filter: EventFilter::default(), order: Order::Asc, after: None, limit: 1000 };
    let mut found = Vec::new();
    loop {
        let page = store.events(&query).unwrap();
        found.extend(page.events);
        query.after = page.next;
        if query.after.is_none() {
            return found;
        }
    }
}

/// What one fold over everything says.
#[derive(Debug, PartialEq)]
struct Pure {
    summary: Option<Summary>,
    stages: Vec<Stage>,
    incidents: Vec<Incident>,
    runs: Vec<Run>,
    days: BTreeMap<i64, Day>,
}

impl Pure {
    fn of(events: &[StoredEvent], connection_id: Option<&str>, upto: Micros) -> Self {
        let facts: Vec<Fact> = events
            .iter()
            .filter(|it| it.event.connection_id.as_deref() == connection_id && it.id.0.created_us <= upto)
            .filter_map(|it| Fact::of(it.id.0, &it.event, |event| Arc::new(Labels::of(event))))
            .collect();
        let (mut state, mut out) = (State::default(), Vec::new());
        state.fold(&facts, &mut out);
        let mut pure = Self {
            summary: state.summary(),
            stages: Vec::new(),
            incidents: Vec::new(),
            runs: Vec::new(),
            days: BTreeMap::new(),
        };
        if let (Some(summary), Some(id)) = (&mut pure.summary, connection_id) {
            id.clone_into(&mut summary.connection_id);
        }
        let (mut stages, mut incidents, mut runs) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for row in out.into_iter().chain(state.live().into_iter().map(|live| live.row)) {
            match row.public() {
                Output::Sync(it) => panic!("a sync that cannot be read: {it:?}"),
                Output::Stage(it) => drop(stages.insert(stage_order(it.anchor, it.kind), it)),
                Output::Gone(anchor, kind) => drop(stages.remove(&stage_order(anchor, kind))),
                Output::Incident(it) => drop(incidents.insert(it.anchor, it)),
                Output::Run(it) => drop(runs.insert(it.anchor, it)),
                Output::Day(it) => drop(pure.days.insert(it.day, it)),
                Output::Activity(_) => {}
            }
        }
        pure.days.extend(state.day().map(|day| (day.day, day)));
        pure.stages = stages.into_values().rev().collect();
        pure.incidents = incidents.into_values().rev().collect();
        // What counts incidents of a window relies on it.
        let one_by_one = |pair: &[Incident]| pair[1].resolved_us.is_some_and(|end| end <= pair[0].anchor.created_us);
        assert!(pure.incidents.windows(2).all(one_by_one), "{:?}", pure.incidents);
        pure.runs = runs.into_values().rev().collect();
        pure
    }

    fn days(&self, from: i64, to: i64) -> Vec<DayRow> {
        let mut rows: BTreeMap<i64, DayRow> =
            self.days.range(from..to).map(|(day, it)| (*day, DayRow { day: *it, syncing_ms: 0 })).collect();
        let mut us: BTreeMap<i64, i64> = BTreeMap::new();
        for stage in self.stages.iter().filter(|stage| stage.kind == StageKind::Sync) {
            let Some(until) = stage.until_us else { continue };
            for day in stage.anchor.created_us.div_euclid(DAY_US)..=until.div_euclid(DAY_US) {
                let within = until.min((day + 1) * DAY_US) - stage.anchor.created_us.max(day * DAY_US);
                if (from..to).contains(&day) && within > 0 {
                    *us.entry(day).or_default() += within;
                }
            }
        }
        for (day, us) in us {
            let row = rows.entry(day).or_default();
            row.day.day = day;
            row.syncing_ms = us as u64 / 1000;
        }
        rows.into_values().collect()
    }
}

pub(super) fn timeline(store: &SqliteStore, id: &str, as_of: Option<Micros>, limit: usize) -> Option<TimelinePage> {
    let mut query = TimelineQuery { connection_id: id.to_owned(), as_of, limit, ..TimelineQuery::default() };
    let mut whole = store.timeline(&query).unwrap()?;
    while let Some(next) = whole.next.take() {
        query.before = Some(next);
        let page = store.timeline(&query).unwrap().unwrap();
        assert!(page.stages.len() <= limit);
        whole.stages.extend(page.stages);
        whole.next = page.next;
    }
    Some(whole)
}

/// Everything about single connections, which must be right at any time.
#[track_caller]
fn check_each(store: &SqliteStore) {
    let events = stored(store);
    let ids: BTreeSet<&str> = events.iter().filter_map(|it| it.event.connection_id.as_deref()).collect();
    for id in ids {
        let pure = Pure::of(&events, Some(id), i64::MAX);
        for limit in [3, 10_000] {
            let page = timeline(store, id, None, limit).unwrap();
            assert_eq!(Some(&page.summary), pure.summary.as_ref());
            assert_eq!(page.stages, pure.stages, "stages of {id}");
            assert_eq!(page.incidents, pure.incidents, "incidents of {id}");
        }
        assert_eq!(store.connection(id.into(), None).unwrap(), pure.summary);
        let query = IncidentQuery { connection_id: Some(id.into()), limit: 1000, ..IncidentQuery::default() };
        let found: Vec<Incident> = store.incidents(&query).unwrap().into_iter().map(|row| row.incident).collect();
        assert_eq!(found, pure.incidents);
        let (first, last) = (pure.days.keys().next().unwrap(), pure.days.keys().last().unwrap());
        for (from, to) in [(*first, last + 1), (first + 1, last + 2), (*last, last + 1), (-100_000, 100_000)] {
            assert_eq!(store.days(id.into(), from, to).unwrap().unwrap(), pure.days(from, to), "days of {id}");
        }
        for stage in pure.stages.iter().rev().take(20) {
            if let Some(sync) = stage.sync_id.as_deref().filter(|_| stage.kind == StageKind::Sync) {
                let first = pure
                    .stages
                    .iter()
                    .rev()
                    .find(|it| it.kind == StageKind::Sync && it.sync_id.as_deref() == Some(sync));
                assert_eq!(store.sync(id.into(), sync).unwrap().unwrap().1.as_ref(), first);
            }
        }
        let mut own = events.iter().filter(|it| it.event.connection_id.as_deref() == Some(id));
        let moments: Vec<Micros> = own.by_ref().map(|it| it.id.0.created_us).collect();
        for at in moments.iter().step_by(moments.len() / 6 + 1).flat_map(|at| [at - 1, *at]) {
            let then = Pure::of(&events, Some(id), at);
            assert_eq!(store.connection(id.into(), Some(at)).unwrap(), then.summary);
            match timeline(store, id, Some(at), 7) {
                None => assert_eq!(then.summary, None),
                Some(page) => {
                    assert_eq!(page.stages, then.stages, "stages of {id} as of {at}");
                    assert_eq!(page.incidents, then.incidents, "incidents of {id} as of {at}");
                }
            }
            let (from, to) = (at - DAY_US, at);
            let query = TimelineQuery {
                connection_id: id.into(),
                from: Some(from),
                to: Some(to),
                limit: 10_000,
                ..TimelineQuery::default()
            };
            let page = store.timeline(&query).unwrap().unwrap();
            let within = |us: Micros| (from..to).contains(&us);
            let stages: Vec<&Stage> = pure.stages.iter().filter(|it| within(it.anchor.created_us)).collect();
            assert_eq!(page.stages.iter().collect::<Vec<_>>(), stages);
            let open = |it: &&Incident| it.anchor.created_us < to && it.resolved_us.is_none_or(|end| end >= from);
            assert_eq!(
                page.incidents.iter().collect::<Vec<_>>(),
                pure.incidents.iter().filter(open).collect::<Vec<_>>()
            );
        }
    }
    assert_eq!(store.connection("unknown".into(), None).unwrap(), None);
    assert_eq!(timeline(store, "unknown", None, 1), None);
}

fn list(store: &SqliteStore, sort: LifeSort, order: Order, filter: LifeFilter, limit: usize) -> Vec<Summary> {
    let mut query = LifeQuery { filter, sort, order, after: None, limit };
    let mut found = Vec::new();
    loop {
        let page = store.connections(&query).unwrap();
        assert!(page.connections.len() <= limit);
        found.extend(page.connections);
        query.after = page.next;
        if query.after.is_none() {
            return found;
        }
    }
}

/// Everything about all connections, which is right when nothing waits.
#[track_caller]
fn check_all(store: &SqliteStore) {
    assert_eq!((store.stats().unfolded, store.stats().fold_lag_us), (0, 0));
    let events = stored(store);
    let ids: BTreeSet<&str> = events.iter().filter_map(|it| it.event.connection_id.as_deref()).collect();
    let pure: BTreeMap<&str, Pure> = ids.iter().map(|id| (*id, Pure::of(&events, Some(id), i64::MAX))).collect();
    let summaries: Vec<Summary> = pure.values().filter_map(|it| it.summary.clone()).collect();
    for sort in [LifeSort::Id, LifeSort::Name, LifeSort::Status, LifeSort::LastSuccess, LifeSort::LastEvent] {
        let value = |it: &Summary| {
            let value = match sort {
                LifeSort::Id => SortValue::Text(it.connection_id.clone()),
                LifeSort::Name => SortValue::Text(it.connection_name.clone().unwrap_or_default()),
                LifeSort::Status => SortValue::Number(it.status as i64),
                LifeSort::LastSuccess => SortValue::Number(it.last_success_us.unwrap_or(i64::MIN)),
                LifeSort::LastEvent => SortValue::Number(it.last_event_us.unwrap_or(i64::MIN)),
            };
            (value, it.connection_id.clone())
        };
        let mut expected = summaries.clone();
        expected.sort_by_key(value);
        for limit in [2, 1000] {
            assert_eq!(list(store, sort, Order::Asc, LifeFilter::default(), limit), expected);
            let mut back = list(store, sort, Order::Desc, LifeFilter::default(), limit);
            back.reverse();
            assert_eq!(back, expected);
        }
    }
    for it in &summaries {
        let some = |filter: LifeFilter, fits: &dyn Fn(&Summary) -> bool| {
            let expected: Vec<Summary> = summaries.iter().filter(|it| fits(it)).cloned().collect();
            assert_eq!(list(store, LifeSort::Id, Order::Asc, filter, 3), expected);
        };
        let none = LifeFilter::default;
        some(LifeFilter { status: Some(it.status), ..none() }, &|other| other.status == it.status);
        some(LifeFilter { health: Some(it.health), ..none() }, &|other| other.health == it.health);
        some(LifeFilter { source: Some(it.source), ..none() }, &|other| other.source == it.source);
        some(LifeFilter { q: Some(it.connection_id.to_uppercase()), ..none() }, &|other| {
            other.connection_id == it.connection_id
        });
        if it.connector_type.is_some() {
            some(LifeFilter { connector_type: it.connector_type.clone(), ..none() }, &|other| {
                other.connector_type == it.connector_type
            });
        }
    }
    let mut incidents: Vec<(&str, &Incident)> =
        pure.iter().flat_map(|(id, it)| it.incidents.iter().map(|incident| (*id, incident))).collect();
    incidents.sort_by_key(|(_, incident)| std::cmp::Reverse(incident.anchor));
    for open in [None, Some(true), Some(false)] {
        let mut query = IncidentQuery { open, limit: 2, ..IncidentQuery::default() };
        let mut found = Vec::new();
        loop {
            let page = store.incidents(&query).unwrap();
            let Some(last) = page.last() else { break };
            query.before = Some(last.incident.anchor);
            found.extend(page);
        }
        let found: Vec<(&str, &Incident)> =
            found.iter().map(|row| (row.connection_id.as_str(), &row.incident)).collect();
        let fits = |(_, it): &&(&str, &Incident)| open.is_none_or(|open| it.resolved_us.is_none() == open);
        assert_eq!(found, incidents.iter().filter(fits).copied().collect::<Vec<_>>(), "open: {open:?}");
    }
    let account = Pure::of(&events, None, i64::MAX);
    let mut runs: Vec<&Run> = account.runs.iter().chain(pure.values().flat_map(|it| &it.runs)).collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.anchor));
    let (mut found, mut query) = (Vec::new(), RunQuery { limit: 3, ..RunQuery::default() });
    loop {
        let page = store.runs(&query).unwrap();
        let Some(last) = page.last() else { break };
        query.before = Some(last.anchor);
        found.extend(page);
    }
    assert_eq!(found.iter().collect::<Vec<_>>(), runs);

    let last = events.last().map_or(0, |it| it.id.0.created_us.div_euclid(DAY_US));
    let (from, to) = (last - 1, last + 1);
    let totals = store.totals(from * DAY_US, to * DAY_US).unwrap();
    assert_eq!(totals.iter().map(|it| &it.summary).collect::<Vec<_>>(), summaries.iter().collect::<Vec<_>>());
    for it in &totals {
        let pure = &pure[it.summary.connection_id.as_str()];
        let sum = |of: &dyn Fn(&Day) -> u64| pure.days.range(from..to).map(|(_, day)| of(day)).sum::<u64>();
        assert_eq!(it.days.events, sum(&|day| day.events));
        assert_eq!(it.days.rows_modified, sum(&|day| day.rows_modified));
        assert_eq!(it.days.syncs.total, sum(&|day| day.syncs.total));
        assert_eq!((it.days.day, it.days.sync_ms), (from, sum(&|day| day.sync_ms)));
        let open = |it: &&Incident| {
            it.anchor.created_us < to * DAY_US && it.resolved_us.is_none_or(|end| end >= from * DAY_US)
        };
        assert_eq!(it.incidents.len(), pure.incidents.iter().filter(open).count());
    }
}

pub(super) fn settle(store: &SqliteStore) {
    while wait(store.settle(None)).unwrap() > 0 {}
}

/// Every row of every table of lives, but for what tells when it was made. Which stages stand on shelves leaves no trace, neither
/// in stages nor in the view that reads shelves.
pub(super) fn dump(dir: &Path) -> Vec<String> {
    let db = rusqlite::Connection::open(dir.join(DATABASE)).unwrap();
    let mut found = Vec::new();
    db.execute_batch("CREATE TEMP TABLE stages AS SELECT * FROM stage").unwrap();
    db.execute_batch("CREATE UNIQUE INDEX temp.of_stages ON stages (conn, at, kind, hash)").unwrap();
    crate::store::sqlite::lives::lay_out_all(&db, "stages");
    for (table, left_out) in [
        ("stages", "settled"),
        ("audit_table", ""),
        ("incident", "settled"),
        ("day", ""),
        ("run", "settled"),
        ("activity", ""),
        ("life", ""),
    ] {
        let columns: Vec<String> = db
            .prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .filter(|name: &String| name != left_out)
            .collect();
        let parts: Vec<String> = columns.iter().map(|name| format!("quote({name})")).collect();
        let sql = format!("SELECT concat_ws('|', {}) FROM {table} ORDER BY 1", parts.join(", "));
        let mut statement = db.prepare(&sql).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        found.extend(rows.map(|row| format!("{table}|{}", row.unwrap())));
    }
    found
}

#[track_caller]
pub(super) fn check(store: &SqliteStore, dir: &Path) {
    check_each(store);
    settle(store);
    check_each(store);
    check_all(store);
    let rows = dump(dir);
    wait(store.rebuild()).unwrap();
    settle(store);
    pretty(&rows, &dump(dir));
    check_each(store);
    check_all(store);
}

#[track_caller]
pub(super) fn pretty(one: &[String], other: &[String]) {
    let (left, right): (BTreeSet<_>, BTreeSet<_>) = (one.iter().collect(), other.iter().collect());
    let only = |a: &BTreeSet<&String>, b: &BTreeSet<&String>| {
        a.difference(b).take(3).map(|it| (*it).clone()).collect::<Vec<_>>()
    };
    assert!(left == right, "only before: {:#?}\nonly after: {:#?}", only(&left, &right), only(&right, &left));
}

/// Folding again writes much, while nothing else may come for long.
#[test]
fn the_log_stays_short_while_lives_are_folded_again() {
    let dir = tempfile::tempdir().unwrap();
    let wal_bytes = 256 << 10;
    let store = SqliteStore::open(dir.path(), SqliteOptions { wal_bytes, ..options() }).unwrap();
    let log = dir.path().join(format!("{DATABASE}-wal"));
    for part in account(3, 40, 0, 20_000, 1).chunks(500) {
        append(&store, part.to_vec()).unwrap();
    }
    settle(&store);
    let before = std::fs::metadata(&log).unwrap().len();
    wait(store.rebuild()).unwrap();
    settle(&store);
    let after = std::fs::metadata(&log).unwrap().len();
    assert!(before.max(after) < 6 * wal_bytes, "{before}, then {after}");
}

#[test]
fn events_in_order_are_folded_as_they_come() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let events = account(3, 4, 200, 1500, 1);
    for (at, part) in events.chunks(100).enumerate() {
        append(&store, part.to_vec()).unwrap();
        assert_eq!(store.stats().unfolded, 0);
        if at % 4 == 3 {
            wait(store.close()).unwrap();
            drop(store);
            store = open(dir.path());
        }
    }
    check_each(&store);
    check(&store, dir.path());
}

pub(super) fn shuffle<T>(items: &mut [T], seed: u64, reach: usize) {
    let mut state = seed | 1;
    for at in (1..items.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let low = at.saturating_sub(reach);
        items.swap(at, low + (state >> 33) as usize % (at - low + 1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn order_batches_repeats_and_restarts_leave_no_trace(
        seed in 0_u64..1000, skip in 0_usize..2000, take in 50_usize..700, grain in prop::sample::select(vec![1, 1_000_000, 60_000_000]),
        reach in prop::sample::select(vec![3_usize, 30, 100_000]), cuts in vec(1_usize..80, 1..20), acts in vec(0_u8..12, 1..20),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let open = |dir: &Path| SqliteStore::open(dir, way(seed)).unwrap();
        let mut store = open(dir.path());
        let mut events = account(seed, 3, skip, take, grain);
        let again: Vec<NewEvent> = events.iter().step_by(7).cloned().map(|mut new| {
            // What another road knows of it.
            if new.key.hash % 3 == 0 { new.event.destination = Some("lake".into()); }
            if new.key.hash % 5 == 0 { new.event.level = Level::Severe; new.event.level_given = true; }
            if new.key.hash % 7 == 0 { new.event.exception_id = Some("x".into()); }
            new
        }).collect();
        events.extend(again);
        events.sort_by_key(|event| event.key);
        shuffle(&mut events, seed, reach);
        let (mut cuts, mut acts) = (cuts.into_iter().cycle(), acts.into_iter().cycle());
        let mut rest = events.as_slice();
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(cuts.next().unwrap().min(rest.len()));
            append(&store, head.to_vec()).unwrap();
            rest = tail;
            match acts.next().unwrap() {
                0 => { wait(store.close()).unwrap(); drop(store); store = open(dir.path()); }
                1 => settle(&store),
                2 => { wait(store.settle(head[0].event.connection_id.clone())).unwrap(); }
                _ => {}
            }
        }
        check(&store, dir.path());
    }
}

#[test]
fn states_that_do_not_fit_into_memory_are_kept_and_taken_up_again() {
    let dir = tempfile::tempdir().unwrap();
    let small = || SqliteOptions { fold_bytes_max: 40_000, ..options() };
    let store = SqliteStore::open(dir.path(), small()).unwrap();
    let mut events = account(5, 12, 2_000, 1_500, 1);
    shuffle(&mut events, 9, 5);
    for part in events.chunks(20) {
        append(&store, part.to_vec()).unwrap();
    }
    check(&store, dir.path());
}

#[test]
fn events_of_one_moment_come_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut events = account(8, 2, 500, 250, 30_000_000);
    shuffle(&mut events, 3, 2);
    for event in events {
        append(&store, vec![event]).unwrap();
    }
    check(&store, dir.path());
}

#[test]
fn a_transaction_that_fails_leaves_no_trace_in_lives() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let events = account(11, 3, 300, 900, 1);
    append(&store, events[..300].to_vec()).unwrap();
    // The first job keeps the thread busy while the others queue up behind it, to be committed together.
    for part in events[300..].chunks(200) {
        let busy = store.append(batch(part[..100].to_vec()));
        let good = store.append(batch(part[100..150].to_vec()));
        let (reply, failed) = tokio::sync::oneshot::channel();
        store.shared.queue.push(crate::store::sqlite::job::Job::Fail { panic: false, reply }, 0).unwrap();
        let other = store.append(batch(part[150..].to_vec()));
        assert!(wait(busy).is_ok() && wait(good).is_ok() && wait(other).is_ok());
        assert!(matches!(wait(failed).unwrap(), Err(StoreError::Engine(_))));
    }
    assert_eq!(store.stats().events, 900);
    check(&store, dir.path());
}

#[test]
fn a_copy_of_the_files_at_any_moment_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let open = |dir: &Path| SqliteStore::open(dir, sealing(60)).unwrap();
    let store = open(dir.path());
    let mut events = account(13, 3, 0, 600, 1);
    shuffle(&mut events, 4, 60);
    for (at, part) in events.chunks(50).enumerate() {
        append(&store, part.to_vec()).unwrap();
        if at % 4 == 1 {
            // As a power cut would leave them: nothing was said goodbye to.
            let cut = copied(dir.path());
            let copy = open(cut.path());
            assert!(copy.stats().events >= (at as u64 + 1) * 50);
            check_each(&copy);
            // Rows that were behind are found by the order of arrival.
            settle(&copy);
            check(&copy, cut.path());
            append(&copy, events[..300].to_vec()).unwrap();
            settle(&copy);
            check(&copy, cut.path());
        }
    }
}

#[test]
fn rows_that_a_crash_left_behind_a_kept_state_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let events = account(13, 3, 0, 600, 1);
    append(&open(dir.path()), events[..300].to_vec()).unwrap();
    let store = open(dir.path());
    append(&store, events[300..].to_vec()).unwrap();
    let cut = copied(dir.path());
    let copy = open(cut.path());
    settle(&copy);
    check_all(&copy);
}

#[test]
fn what_is_stored_without_the_fold_is_folded_when_it_is_on_again() {
    let dir = tempfile::tempdir().unwrap();
    let events = account(17, 3, 100, 400, 1);
    append(&open(dir.path()), events[..150].to_vec()).unwrap();
    let off = SqliteStore::open(dir.path(), SqliteOptions { fold: false, ..options() }).unwrap();
    append(&off, events[150..300].to_vec()).unwrap();
    assert_eq!(wait(off.settle(None)), Ok(0));
    drop(off);
    let store = open(dir.path());
    append(&store, events[300..].to_vec()).unwrap();
    check(&store, dir.path());
}

#[test]
fn a_sync_of_ten_thousand_tables_stays_quick() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let schemas = Schemas::builtin();
    let line = |ms: i64, name: &str, data: &str| {
        let created = Timestamp::new(1_780_000_000 + ms / 1000, (ms % 1000) as u32 * 1_000_000, 3).unwrap();
        let text =
            format!(r#"{{"event":"{name}","created":"{created}","connection_id":"c","sync_id":"s","data":{data}}}"#);
        understood(&text, &schemas)
    };
    let mut events = vec![line(0, "sync_start", "{}")];
    for n in 0..10_000 {
        let table = format!(r#"{{"table":"t{n}","schema":"s"}}"#);
        let rows = format!(r#"{{"table":"t{n}","schema":"s","operationType":"UPDATED","count":{n}}}"#);
        events.push(line(n * 3 + 1, "write_to_table_start", &table));
        events.push(line(n * 3 + 2, "records_modified", &rows));
        events.push(line(n * 3 + 3, "write_to_table_end", &table));
    }
    events.push(line(60_000, "sync_end", r#"{"status":"SUCCESSFUL"}"#));
    events.push(line(70_000, "sync_start", "{}"));
    for part in events.chunks(500) {
        append(&store, part.to_vec()).unwrap();
    }
    check_each(&store);
    settle(&store);
    check_each(&store);
}

#[test]
fn of_systems_with_one_id_fivetran_is_meant_else_the_one_heard_of_last() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut other = contract::sample(0);
    other.event.source = Source::HerokuConnect;
    append(&store, vec![other.clone()]).unwrap();
    assert_eq!(store.connection("conn_0".into(), None).unwrap().unwrap().source, Source::HerokuConnect);
    let mut later = contract::sample(6);
    later.event.source = Source::Code42;
    append(&store, vec![later]).unwrap();
    assert_eq!(store.connection("conn_0".into(), None).unwrap().unwrap().source, Source::Code42);
    append(&store, vec![contract::sample(3)]).unwrap();
    assert_eq!(store.connection("conn_0".into(), None).unwrap().unwrap().source, Source::Fivetran);
    for source in [Source::Fivetran, Source::HerokuConnect, Source::Code42] {
        let whose = Whose { id: "conn_0", source: Some(source) };
        assert_eq!(store.connection(whose, None).unwrap().unwrap().source, source);
        let query = TimelineQuery {
            source: Some(source),
            connection_id: "conn_0".into(),
            limit: 1,
            ..TimelineQuery::default()
        };
        assert_eq!(store.timeline(&query).unwrap().unwrap().summary.source, source);
    }
    let nobody = Whose { id: "conn_0", source: Some(Source::SalesforceBackup) };
    assert_eq!(store.connection(nobody, None).unwrap(), None);
    let before = Some(other.key.created_us);
    assert_eq!(store.connection("conn_0".into(), before).unwrap().unwrap().source, Source::HerokuConnect);
    settle(&store);
    let listed = list(&store, LifeSort::LastEvent, Order::Asc, LifeFilter::default(), 1);
    let sources: Vec<Source> = listed.iter().map(|it| it.source).collect();
    assert_eq!(sources, [Source::HerokuConnect, Source::Fivetran, Source::Code42]);
}

/// Processor time of this process, seconds.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}

/// `cargo test --config profile.dev.opt-level=2 what_the_fold_costs -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn what_the_fold_costs() {
    let number =
        |name: &str, default: usize| std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(default);
    let (connections, total, size) = (number("CONNS", 5000), number("EVENTS", 200_000), number("BATCH", 1000));
    let events = account(1, connections, number("SKIP", 100_000), total, 1);
    let per_batch: usize = events
        .chunks(size)
        .map(|part| part.iter().map(|it| &it.event.connection_id).collect::<BTreeSet<_>>().len())
        .sum::<usize>()
        / (events.len() / size);
    println!("{} events, {per_batch} connections in a batch of {size}", events.len());
    for round in 0..2 {
        for fold in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let store = SqliteStore::open(dir.path(), SqliteOptions { fold, ..options() }).unwrap();
            let batches: Vec<_> = events.chunks(size).map(|part| batch(part.to_vec())).collect();
            let mut last = cpu();
            let start = last;
            let quarter = batches.len() / 4;
            let mut parts = Vec::new();
            for (at, batch) in batches.into_iter().enumerate() {
                wait(store.append(batch)).unwrap();
                if at % quarter == quarter - 1 {
                    parts.push((cpu() - last) * 1e6 / (quarter * size) as f64);
                    last = cpu();
                }
            }
            let all = (cpu() - start) * 1e6 / events.len() as f64;
            let size = store.stats().size_bytes + store.stats().wal_bytes;
            println!(
                "round {round}, fold {fold}: {all:.2} us/event {parts:.1?}, {} MiB, {:?}",
                size >> 20,
                store.stats().unfolded
            );
            if fold && round == 1 {
                let ids: Vec<String> = list(&store, LifeSort::Id, Order::Asc, LifeFilter::default(), 1000)
                    .into_iter()
                    .map(|it| it.connection_id)
                    .collect();
                println!("{} connections", ids.len());
                let time = |name: &str, each: &dyn Fn(&str)| {
                    let mut took: Vec<_> = ids
                        .iter()
                        .step_by(ids.len() / 300 + 1)
                        .map(|id| {
                            let start = std::time::Instant::now();
                            each(id);
                            start.elapsed().as_secs_f64() * 1e3
                        })
                        .collect();
                    took.sort_by(f64::total_cmp);
                    println!("{name}: p50 {:.2} ms, p99 {:.2} ms", took[took.len() / 2], took[took.len() * 99 / 100]);
                };
                let middle = events[events.len() / 2].key.created_us;
                time("timeline", &|id| {
                    drop(
                        store
                            .timeline(&TimelineQuery {
                                connection_id: id.into(),
                                limit: 100,
                                ..TimelineQuery::default()
                            })
                            .unwrap(),
                    )
                });
                time("as_of", &|id| drop(store.connection(id.into(), Some(middle)).unwrap()));
                time("connection", &|id| drop(store.connection(id.into(), None).unwrap()));
                for sort in [LifeSort::Id, LifeSort::LastEvent, LifeSort::Status] {
                    time(&format!("list of 100 by {sort:?}"), &|_| {
                        drop(
                            store
                                .connections(&LifeQuery {
                                    filter: LifeFilter::default(),
                                    sort,
                                    order: Order::Desc,
                                    after: None,
                                    limit: 100,
                                })
                                .unwrap(),
                        )
                    });
                }
                time("list of 1000", &|_| {
                    drop(
                        store
                            .connections(&LifeQuery {
                                filter: LifeFilter::default(),
                                sort: LifeSort::Id,
                                order: Order::Desc,
                                after: None,
                                limit: 1000,
                            })
                            .unwrap(),
                    )
                });
                let start = std::time::Instant::now();
                store.totals(middle, i64::MAX).unwrap();
                println!("totals {:?}", start.elapsed());
                let start = std::time::Instant::now();
                wait(store.close()).unwrap();
                println!("close {:?}", start.elapsed());
            }
        }
    }
}

#[test]
fn an_event_far_ahead_waits_for_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let schemas = Schemas::builtin();
    let send = |id: &str, lines: &[(&str, &str, &str, &str)]| {
        let event = |(event, sync, at, data): &(&str, &str, &str, &str)| {
            let data = if data.is_empty() { String::new() } else { format!(r#","data":{{"status":"{data}"}}"#) };
            let ids = format!(r#""connection_id":"{id}","sync_id":"{sync}""#);
            understood(&format!(r#"{{"event":"{event}","created":"{at}",{ids}{data}}}"#), &schemas)
        };
        append(&store, lines.iter().map(event).collect()).unwrap();
    };
    let life = [
        ("sync_start", "b", "2026-01-20T02:00:00Z", ""),
        ("sync_start", "c", "2026-01-20T03:00:00Z", ""),
        ("sync_end", "c", "2026-01-20T03:05:00Z", "FAILURE"),
    ];
    send("one", &life);
    send("one", &[("sync_end", "b", "2100-01-01T00:00:00Z", "SUCCESSFUL")]);
    send("whole", &[("sync_start", "d", "2100-01-01T00:00:00Z", "")]);
    settle(&store);
    let status = |as_of| store.connection("one".into(), as_of).unwrap().map(|it| it.status.as_str());
    assert_eq!(status(None), Some("broken"));
    assert_eq!(status(Some(i64::MAX)), Some("connected"), "what is asked for is told");
    let page = timeline(&store, "one", None, 100).unwrap();
    assert!(page.incidents.iter().all(|incident| incident.resolved_us.is_none()));
    assert!(page.stages.iter().all(|stage| stage.kind != StageKind::Recovered));
    assert_eq!(store.sync("one".into(), "b").unwrap().unwrap().1.and_then(|it| it.until_us), None);
    let listed = |filter| list(&store, LifeSort::LastEvent, Order::Desc, filter, 10);
    let ids = |found: Vec<Summary>| found.into_iter().map(|it| it.connection_id).collect::<Vec<_>>();
    let broken = crate::lifecycle::Status::Broken;
    assert_eq!(ids(listed(LifeFilter { status: Some(broken), ..LifeFilter::default() })), ["one"]);
    let connected = crate::lifecycle::Status::Connected;
    assert_eq!(ids(listed(LifeFilter { status: Some(connected), ..LifeFilter::default() })), [""; 0]);
    assert_eq!(listed(LifeFilter::default()).len(), 2, "a life that lies ahead altogether is told");
    for (connection_id, open, count) in
        [(None, true, 1), (Some("one"), true, 1), (None, false, 0), (Some("one"), false, 0)]
    {
        let connection_id = connection_id.map(str::to_owned);
        let query = IncidentQuery { open: Some(open), connection_id, limit: 10, ..IncidentQuery::default() };
        assert_eq!(store.incidents(&query).unwrap().len(), count);
    }
    let totals = store.totals(0, i64::MAX).unwrap();
    let one = totals.iter().find(|it| it.summary.connection_id == "one").unwrap();
    assert_eq!((one.summary.status.as_str(), one.incidents.len(), one.incidents[0].1), ("broken", 1, None));
    assert_eq!(one.days.syncs.failed, 1);
}
