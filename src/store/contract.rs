//! What every implementation of [`Store`] must do, as a suite that any of them can be put through.

use super::*;
use crate::model::{CreatedFrom, Event, NewEvent, NewQuarantine, Timestamp, Verdict};
use serde_json::{Map, json};
use std::collections::BTreeSet;

pub mod trail;

/// Waits for a future of the store.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(future)
}

/// Runs everything; `open` gives an empty store each time.
pub fn run(open: impl Fn() -> SharedStore) {
    an_event_comes_back_as_it_was_given(&open());
    what_comes_twice_is_counted_and_merged(&open());
    a_destination_that_is_named_beats_that_of_a_token(&open());
    only_a_secret_may_tell_two_events_apart(&open());
    every_filter_narrows(&open());
    pages_give_everything_once(&open());
    arrivals_are_told_in_order(&open());
    acknowledgements_are_answered_once(&open());
    quarantine_keeps_counts_and_replays(&open());
    tokens_and_values_are_kept(&open());
    closing_refuses_what_comes_later(&open());
    lives_follow_their_events(&open());
    late_events_find_their_place(&open());
    trail::every_deed_is_recorded_once_with_its_event(&open());
    trail::our_own_doings_have_a_log_of_their_own(&open());
    trail::every_filter_of_records_narrows(&open());
    trail::retention_takes_texts_and_leaves_hashes(&open());
}

/// The `n`th of a family of plain events.
pub fn sample(n: i64) -> NewEvent {
    let created = Timestamp::parse(&format!("2026-07-07T16:{:02}:{:02}.456Z", n / 60 % 60, n % 60)).expect("a time");
    let raw = format!(
        r#"{{"event":"Sync_End","data":{{"status":"SUCCESSFUL","n":{n}}},"created":"{created}","connector_id":"conn_{}","sync_id":"sync {}"}}"#,
        n % 3,
        n / 5
    );
    NewEvent {
        key: EventKey { created_us: created.micros(), hash: n.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64) },
        event: Event {
            source: Source::Fivetran,
            name: "sync_end".into(),
            original_name: Some("Sync_End".into()),
            family: Family::Connector,
            level: if n % 7 == 0 { Level::Warning } else { Level::Info },
            level_given: false,
            created,
            created_from: CreatedFrom::Event,
            connection_id: Some(format!("conn_{}", n % 3)),
            connection_name: None,
            connector_type: None,
            sync_id: Some(format!("sync {}", n / 5)),
            exception_id: None,
            destination: (n % 2 == 0).then(|| "warehouse".to_owned()),
            destination_given: false,
            data: Some(json!({"status": "SUCCESSFUL", "n": n}).into()),
            extra: Map::new(),
            normalized: vec!["connector_id".into()],
            conflicts: Vec::new(),
        },
        verdict: Verdict {
            status: if n % 11 == 0 { Status::Invalid } else { Status::Valid },
            schema: Some("sync_end".into()),
            errors: Vec::new(),
        },
        raw,
        data_at: None,
        received_us: created.micros() + 1_000_000,
        secret_digest: None,
    }
}

/// A batch of events and nothing else.
pub fn batch(events: Vec<NewEvent>) -> Batch {
    let delivery = Delivery { protocol: "splunk_hec", token: Arc::from("default") };
    Batch { delivery, events, quarantine: Vec::new(), ack_channel: None }
}

fn append(store: &SharedStore, events: Vec<NewEvent>) -> Vec<Outcome> {
    wait(store.append(batch(events))).expect("appended").outcomes
}

fn query(filter: EventFilter, order: Order, limit: usize) -> EventQuery {
    EventQuery { filter, order, after: None, limit }
}

/// All pages of a query.
pub fn everything(store: &SharedStore, mut query: EventQuery) -> Vec<StoredEvent> {
    let mut found = Vec::new();
    loop {
        let page = store.events(&query).expect("a page");
        assert!(page.events.len() <= query.limit);
        found.extend(page.events);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return found,
        }
    }
}

/// Whether what came out is what went in.
#[track_caller]
pub fn assert_same(stored: &StoredEvent, new: &NewEvent) {
    assert_eq!(stored.raw, new.raw);
    assert_eq!(stored.event, new.event);
    assert_eq!(stored.verdict, new.verdict);
    assert_eq!(stored.received_us, new.received_us);
}

fn an_event_comes_back_as_it_was_given(store: &SharedStore) {
    let new = sample(1);
    assert_eq!(append(store, vec![new.clone()]), [Outcome::Stored(new.key)]);
    let stored = store.event(EventId(new.key)).expect("read").expect("there");
    assert_same(&stored, &new);
    assert_eq!((stored.protocol.as_str(), stored.token.as_str(), stored.deliveries), ("splunk_hec", "default", 1));
    assert_eq!(store.event(EventId(sample(2).key)), Ok(None));
    assert_eq!(append(store, Vec::new()), []);
    let stats = store.stats();
    assert_eq!((stats.events, stats.connections, stats.write_error), (1, 1, None));
    assert!(stats.last_commit_us > 0 && stats.size_bytes > 0);
}

fn what_comes_twice_is_counted_and_merged(store: &SharedStore) {
    let first = sample(7);
    let mut second = first.clone();
    second.event.connection_name = Some("b".into());
    second.event.level = Level::Severe;
    second.event.level_given = true;
    second.event.exception_id = Some("x1".into());
    second.received_us -= 10;
    second.raw = "another text".into();
    let mut third = second.clone();
    third.event.connection_name = Some("a".into());
    third.event.level = Level::Info;
    third.event.destination = Some("lake".into());
    let outcomes = append(store, vec![first.clone(), second, third, first.clone()]);
    let again = Outcome::Duplicate(first.key);
    assert_eq!(outcomes, [Outcome::Stored(first.key), again, again, again]);
    let stored = store.event(EventId(first.key)).expect("read").expect("there");
    let mut expected = first.clone();
    expected.event.connection_name = Some("a".into());
    expected.event.level = Level::Severe;
    expected.event.level_given = true;
    expected.event.exception_id = Some("x1".into());
    expected.event.destination = Some("lake".into());
    expected.received_us -= 10;
    assert_same(&stored, &expected);
    assert_eq!((stored.deliveries, store.stats().events), (4, 1));
    // The level that both know together is found by filters.
    let severe = EventFilter { level: Some(Level::Severe), ..EventFilter::default() };
    assert_eq!(everything(store, query(severe, Order::Desc, 10)).len(), 1);
}

fn a_destination_that_is_named_beats_that_of_a_token(store: &SharedStore) {
    let with = |n: i64, destination: &str, destination_given: bool| {
        let mut new = sample(n);
        new.event.destination = Some(destination.into());
        new.event.destination_given = destination_given;
        new
    };
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (n, order) in (1..).zip(orders) {
        let all = [with(n, "a token's", false), with(n, "zz", true), with(n, "zzz", true)];
        append(store, order.iter().map(|at| all[*at].clone()).collect());
        let stored = store.event(EventId(sample(n).key)).expect("read").expect("there");
        assert_eq!(
            (stored.event.destination.as_deref(), stored.event.destination_given),
            (Some("zz"), true),
            "{order:?}"
        );
    }
}

fn only_a_secret_may_tell_two_events_apart(store: &SharedStore) {
    let with = |digest: Option<u64>| NewEvent { secret_digest: digest, ..sample(3) };
    let first = sample(3).key;
    let again = Outcome::Duplicate;
    let Outcome::Stored(second) = append(store, vec![with(Some(1)), with(Some(2))])[1] else { panic!("stored apart") };
    let outcomes = append(store, vec![with(Some(1)), with(Some(2)), with(None)]);
    assert_eq!(outcomes, [again(first), again(second), again(first)]);
    assert_eq!((second.created_us, second != first), (first.created_us, true));
    assert_eq!(store.event(EventId(second)).expect("read").map(|event| event.deliveries), Some(2));
    // However many there are, each has its place.
    let many = || (10..200).map(|digest| with(Some(digest))).collect::<Vec<_>>();
    assert!(append(store, many()).iter().all(|outcome| matches!(outcome, Outcome::Stored(_))));
    assert!(append(store, many()).iter().all(|outcome| matches!(outcome, Outcome::Duplicate(_))));
}

fn every_filter_narrows(store: &SharedStore) {
    append(store, (0..200).map(sample).collect());
    #[track_caller]
    fn check(store: &SharedStore, filter: EventFilter, fits: impl Fn(i64) -> bool) {
        let mut expected: Vec<EventKey> = (0..200).filter(|n| fits(*n)).map(|n| sample(n).key).collect();
        expected.sort();
        for limit in [7, 1000] {
            let ids = |order| -> Vec<EventKey> {
                everything(store, query(filter.clone(), order, limit)).iter().map(|event| event.id.0).collect()
            };
            assert_eq!(ids(Order::Asc), expected, "{filter:?}");
            let mut back = ids(Order::Desc);
            back.reverse();
            assert_eq!(back, expected, "{filter:?}");
        }
    }
    let none = EventFilter::default;
    check(store, none(), |_| true);
    check(store, EventFilter { connection_id: Some("conn_1".into()), ..none() }, |n| n % 3 == 1);
    check(store, EventFilter { connection_id: Some("conn_9".into()), ..none() }, |_| false);
    check(store, EventFilter { event: Some("sync_end".into()), ..none() }, |_| true);
    check(store, EventFilter { event: Some("sync_start".into()), ..none() }, |_| false);
    check(store, EventFilter { family: Some(Family::Connector), ..none() }, |_| true);
    check(store, EventFilter { source: Some(Source::Code42), ..none() }, |_| false);
    check(store, EventFilter { level: Some(Level::Warning), ..none() }, |n| n % 7 == 0);
    check(store, EventFilter { level: Some(Level::Info), ..none() }, |n| n % 7 != 0);
    check(store, EventFilter { sync_id: Some("sync 4".into()), ..none() }, |n| n / 5 == 4);
    check(store, EventFilter { sync_id: Some("sync".into()), ..none() }, |_| false);
    let sync = Some("sync 4".into());
    check(store, EventFilter { sync_id: sync, connection_id: Some("conn_0".into()), ..none() }, |n| n == 21 || n == 24);
    check(store, EventFilter { validation: Some(Status::Invalid), ..none() }, |n| n % 11 == 0);
    check(store, EventFilter { validation: Some(Status::Valid), ..none() }, |n| n % 11 != 0);
    check(store, EventFilter { destination: Some("warehouse".into()), ..none() }, |n| n % 2 == 0);
    check(store, EventFilter { q: Some("\"N\":19}".into()), ..none() }, |n| n == 19);
    check(store, EventFilter { q: Some("CONN_2".into()), ..none() }, |n| n % 3 == 2);
    check(store, EventFilter { q: Some("".into()), ..none() }, |_| true);
    let (from, to) = (sample(50).key.created_us, sample(60).key.created_us);
    check(store, EventFilter { from: Some(from), to: Some(to), ..none() }, |n| (50..60).contains(&n));
    let conn = Some("conn_1".into());
    check(store, EventFilter { from: Some(from), to: Some(to), connection_id: conn, ..none() }, |n| {
        (50..60).contains(&n) && n % 3 == 1
    });
    check(store, EventFilter { from: Some(to), to: Some(from), ..none() }, |_| false);
    check(store, EventFilter { from: Some(i64::MIN), to: Some(i64::MAX), ..none() }, |_| true);
    check(store, EventFilter { to: Some(i64::MIN), ..none() }, |_| false);
}

fn pages_give_everything_once(store: &SharedStore) {
    append(store, (0..100).map(|n| sample(n * 2)).collect());
    let mut seen = BTreeSet::new();
    let mut wanted = query(EventFilter::default(), Order::Desc, 9);
    let mut late = 1;
    loop {
        let page = store.events(&wanted).expect("a page");
        for event in &page.events {
            assert!(seen.insert(event.id), "{} came twice", event.id);
        }
        // Newer and older ones arrive in between.
        append(store, vec![sample(late), sample(199 - late)]);
        late += 2;
        match page.next {
            Some(next) => wanted.after = Some(next),
            None => break,
        }
    }
    assert!((0..100).all(|n| seen.contains(&EventId(sample(n * 2).key))));
    // A page that ends with the last event says so.
    let page = store.events(&query(EventFilter::default(), Order::Asc, store.stats().events as usize)).expect("a page");
    assert_eq!(page.next, None);
    assert_eq!(store.events(&query(EventFilter::default(), Order::Asc, 0)).expect("a page").events, []);
}

fn arrivals_are_told_in_order(store: &SharedStore) {
    let start = store.tail_end().expect("an end");
    assert_eq!(start, TailCursor::default());
    let mut commits = store.commits();
    commits.borrow_and_update();
    append(store, vec![sample(9), sample(2), sample(5)]);
    assert!(commits.has_changed().expect("an open store"));
    commits.borrow_and_update();
    append(store, vec![sample(2)]);
    assert!(!commits.has_changed().expect("an open store"), "nothing new was stored");
    append(store, vec![sample(2), sample(1)]);
    let names = |page: &TailPage| -> Vec<EventKey> { page.events.iter().map(|(_, event)| event.id.0).collect() };
    let first = store.tail(start, 2).expect("a page");
    assert_eq!(names(&first), [sample(9).key, sample(2).key]);
    let second = store.tail(first.next, 10).expect("a page");
    assert_eq!(names(&second), [sample(5).key, sample(1).key]);
    assert_eq!(second.next, store.tail_end().expect("an end"));
    let rest = store.tail(second.next, 10).expect("a page");
    assert_eq!((rest.events.len(), rest.next, rest.gap || first.gap), (0, second.next, false));
    let beyond = store.tail(TailCursor { commit: 1000, seen: 3 }, 10).expect("a page");
    assert_eq!((beyond.events.len(), beyond.next, beyond.gap), (0, second.next, true));
}

fn acknowledgements_are_answered_once(store: &SharedStore) {
    let send = |n: i64, channel: &str| {
        let batch = Batch { ack_channel: Some(channel.into()), ..batch(vec![sample(n)]) };
        wait(store.append(batch)).expect("appended").ack_id
    };
    assert_eq!((send(1, "a"), send(2, "a"), send(3, "b"), send(1, "a")), (Some(0), Some(1), Some(0), Some(2)));
    let ask =
        |token: &str, channel: &str, ids: &[u64]| wait(store.acks(token, channel, ids.to_vec())).expect("answers");
    assert_eq!(ask("default", "a", &[0, 2, 3, u64::MAX]), [true, true, false, false]);
    assert_eq!(ask("default", "a", &[0, 1, 2, 1]), [false, true, false, false]);
    assert_eq!(ask("other", "a", &[0]), [false]);
    assert_eq!(ask("default", "c", &[0]), [false]);
    assert_eq!(wait(store.append(batch(vec![sample(4)]))).expect("appended").ack_id, None);
}

fn quarantine_keeps_counts_and_replays(store: &SharedStore) {
    let item = |text: &str| NewQuarantine {
        index: 0,
        reason: "no JSON".into(),
        bytes: text.as_bytes().to_vec(),
        received_us: 5,
    };
    let put = |items: &[&str]| {
        let quarantine = items.iter().map(|text| item(text)).collect();
        wait(store.append(Batch { quarantine, ..batch(Vec::new()) })).expect("appended").quarantine_ids
    };
    let big = "x".repeat(10_000);
    let ids = put(&["one", &big, "one"]);
    assert!(ids[0] < ids[1] && ids[0] == ids[2]);
    assert_eq!(put(&["one"]), [ids[0]]);
    assert_eq!(store.stats().quarantined, 2);
    let found = store.quarantined(ids[0]).expect("read").expect("there");
    assert_eq!((found.bytes.as_slice(), found.deliveries, found.replayed_us), (&b"one"[..], 3, None));
    assert_eq!((found.reason.as_str(), found.protocol.as_str(), found.received_us), ("no JSON", "splunk_hec", 5));
    let list = |before, limit, all| -> Vec<i64> {
        store.quarantine(before, limit, all).expect("read").iter().map(|item| item.id).collect()
    };
    assert_eq!(list(None, 10, false), [ids[1], ids[0]]);
    assert_eq!(list(Some(ids[1]), 10, false), [ids[0]]);
    assert_eq!(list(None, 1, false), [ids[1]]);
    let replayed = wait(store.replay(ids[0], batch(vec![sample(1)]), 77)).expect("replayed");
    assert_eq!(replayed.outcomes, [Outcome::Stored(sample(1).key)]);
    assert_eq!((list(None, 10, false), list(None, 10, true)), (vec![ids[1]], vec![ids[1], ids[0]]));
    assert_eq!(store.quarantined(ids[0]).expect("read").and_then(|item| item.replayed_us), Some(77));
    assert_eq!(store.stats().quarantined, 1);
    assert!(wait(store.replay(ids[0], batch(vec![sample(2)]), 78)).is_err(), "replayed already");
    assert!(wait(store.replay(999, batch(vec![sample(2)]), 78)).is_err(), "no such item");
    assert_eq!(store.event(EventId(sample(2).key)), Ok(None), "nothing of a refused replay is kept");
    let part = || Batch { quarantine: vec![item("part of one")], ..batch(vec![sample(3)]) };
    assert!(wait(store.replay(ids[0], part(), 79)).is_err(), "replayed already");
    assert_eq!(list(None, 10, true), [ids[1], ids[0]], "nor a part of it");
    let replayed = wait(store.replay(ids[1], part(), 80)).expect("replayed");
    assert_eq!((replayed.outcomes.len(), replayed.quarantine_ids.len()), (1, 1));
    assert_eq!(list(None, 10, false), replayed.quarantine_ids, "what is left of an item waits in its place");
    assert_eq!(store.stats().quarantined, 1);
    assert_eq!(store.quarantined(999), Ok(None));
}

fn tokens_and_values_are_kept(store: &SharedStore) {
    let token = |name: &str, kind: &str| TokenRecord {
        name: name.into(),
        kind: kind.into(),
        sha256: [7; 32],
        created_us: 1,
        revoked_us: None,
    };
    let add = |name: &str, kind: &str| wait(store.add_token(token(name, kind))).expect("added");
    assert!(add("a", "ingest") && add("a", "read") && add("b", "ingest"));
    assert!(!add("a", "ingest"), "the name is taken");
    assert_eq!(wait(store.revoke_token("a", 9)), Ok(2));
    assert_eq!(wait(store.revoke_token("a", 9)), Ok(0));
    assert!(add("a", "ingest"), "a revoked name is free again");
    let revoked: Vec<Option<Micros>> = store.tokens().expect("read").iter().map(|token| token.revoked_us).collect();
    assert_eq!(revoked, [Some(9), Some(9), None, None]);
    assert_eq!(store.meta("k"), Ok(None));
    wait(store.set_meta("k", vec![1])).expect("set");
    wait(store.set_meta("k", vec![2, 0])).expect("set");
    assert_eq!(store.meta("k"), Ok(Some(vec![2, 0])));
    assert_eq!(wait(store.probe()), Ok(()));
}

fn closing_refuses_what_comes_later(store: &SharedStore) {
    let before = store.append(batch(vec![sample(1)]));
    assert_eq!(wait(store.close()), Ok(()));
    assert!(wait(before).is_ok(), "what waited is committed");
    assert_eq!(wait(store.append(batch(vec![sample(2)]))), Err(StoreError::Closed));
    assert_eq!(wait(store.close()), Err(StoreError::Closed));
    assert_eq!(wait(store.probe()), Err(StoreError::Closed));
    assert_eq!(store.event(EventId(sample(1).key)), Err(StoreError::Closed));
}

/// A step of a sync, so many milliseconds after the beginning.
fn step(ms: i64, connection: &str, name: &str, data: serde_json::Value) -> NewEvent {
    let mut new = sample(0);
    let created = Timestamp::new(1_780_000_000 + ms / 1000, (ms % 1000) as u32 * 1_000_000, 3).expect("a time");
    let data = data.as_object().is_some_and(|data| !data.is_empty()).then_some(data);
    new.raw =
        json!({"event": name, "created": created.to_string(), "connection_id": connection, "data": data}).to_string();
    // Any number does that tells them apart.
    let hash = new.raw.bytes().fold(7_i64, |hash, byte| hash.wrapping_mul(1_099_511_628_211) ^ i64::from(byte));
    new.key = EventKey { created_us: created.micros(), hash };
    new.event.created = created;
    new.event.name = name.to_owned();
    new.event.original_name = None;
    new.event.connection_id = Some(connection.to_owned());
    new.event.sync_id = Some(format!("sync {}", ms / 10_000));
    new.event.data = data.map(Into::into);
    new.event.level = Level::Info;
    new.event.destination = Some("warehouse".into());
    new
}

/// One sync that begins at a time.
fn sync(ms: i64, connection: &str, status: &str) -> Vec<NewEvent> {
    let rows = json!({"schema": "s", "table": "t", "operationType": "REPLACED_OR_INSERTED", "count": 12});
    vec![
        step(ms, connection, "sync_start", json!({})),
        step(ms + 1_000, connection, "records_modified", rows),
        step(ms + 4_000, connection, "sync_end", json!({"status": status})),
    ]
}

/// Waits until nothing has to be folded again.
pub fn settled(store: &SharedStore) {
    while wait(store.lives().settle(None)).expect("settled") > 0 {}
    let stats = store.stats();
    assert_eq!((stats.unfolded, stats.unwritten, stats.fold_lag_us), (0, 0, 0));
}

fn whole(connection: &str) -> lives::TimelineQuery {
    lives::TimelineQuery { connection_id: connection.to_owned(), limit: 100, ..lives::TimelineQuery::default() }
}

fn all_lives() -> lives::LifeQuery {
    lives::LifeQuery {
        filter: lives::LifeFilter::default(),
        sort: lives::LifeSort::Id,
        order: Order::Asc,
        after: None,
        limit: 100,
    }
}

fn lives_follow_their_events(store: &SharedStore) {
    use crate::lifecycle::{Health, StageKind, Status, stage_order};
    let lives = store.lives();
    assert_eq!(lives.connections(&all_lives()).expect("a page").connections, []);
    assert_eq!(lives.connection("a".into(), None), Ok(None));
    assert_eq!(lives.timeline(&whole("a")), Ok(None));
    append(store, sync(0, "a", "SUCCESSFUL"));
    append(store, sync(10_000, "a", "FAILURE"));
    append(store, sync(20_000, "b", "SUCCESSFUL"));
    append(store, vec![step(0, crate::model::TEST_CONNECTION_ID, "sync_start", json!({}))]);
    // What was acknowledged is there: for one connection without waiting, in lists when they are asked to be complete.
    assert_eq!(lives.connection("a".into(), None).map(|it| it.map(|it| it.status)), Ok(Some(Status::Broken)));
    settled(store);
    let page = lives.connections(&all_lives()).expect("a page");
    let told: Vec<_> = page.connections.iter().map(|it| (it.connection_id.as_str(), it.status, it.health)).collect();
    assert_eq!(told, [("a", Status::Broken, Health::Broken), ("b", Status::Connected, Health::Connected)]);
    assert_eq!((page.next, page.connections[0].syncs.failed, page.connections[0].events), (None, 1, 6));
    assert_eq!(lives.connection(crate::model::TEST_CONNECTION_ID.into(), None), Ok(None));
    let at = |ms: i64| step(ms, "a", "sync_start", json!({})).key.created_us;
    let then = lives.connection("a".into(), Some(at(4_000))).expect("read").expect("there");
    assert_eq!((then.status, then.events, then.connection_id.as_str()), (Status::Connected, 3, "a"));
    assert_eq!(lives.connection("a".into(), Some(at(0) - 1)), Ok(None), "it did not exist then");

    let timeline = lives.timeline(&whole("a")).expect("read").expect("there");
    assert!(
        timeline
            .stages
            .windows(2)
            .all(|pair| stage_order(pair[0].anchor, pair[0].kind) > stage_order(pair[1].anchor, pair[1].kind))
    );
    let syncs = |query: lives::TimelineQuery| -> Vec<Option<String>> {
        let query = lives::TimelineQuery { kind: Some(StageKind::Sync), ..query };
        let page = lives.timeline(&query).expect("read").expect("there");
        page.stages.into_iter().map(|stage| stage.status).collect()
    };
    let text = |words: &[&str]| words.iter().map(|word| Some((*word).to_owned())).collect::<Vec<_>>();
    assert_eq!(syncs(whole("a")), text(&["FAILURE", "SUCCESSFUL"]));
    assert_eq!(syncs(lives::TimelineQuery { from: Some(at(10_000)), ..whole("a") }), text(&["FAILURE"]));
    assert_eq!(syncs(lives::TimelineQuery { to: Some(at(10_000)), ..whole("a") }), text(&["SUCCESSFUL"]));
    assert_eq!(syncs(lives::TimelineQuery { as_of: Some(at(12_000)), ..whole("a") }), text(&["RUNNING", "SUCCESSFUL"]));
    let failed = lives::TimelineQuery { status: Some("FAILURE".into()), ..whole("a") };
    assert_eq!(syncs(failed), text(&["FAILURE"]));
    let (mut query, mut paged) = (lives::TimelineQuery { limit: 1, ..whole("a") }, Vec::new());
    loop {
        let page = lives.timeline(&query).expect("read").expect("there");
        paged.extend(page.stages);
        query.before = page.next;
        if query.before.is_none() {
            break;
        }
    }
    assert_eq!(paged, timeline.stages);
    assert_eq!(timeline.incidents.len(), 1);
    let (source, sync) = lives.sync("a".into(), "sync 1").expect("read").expect("there");
    let sync = sync.expect("one of its syncs");
    assert_eq!(source, timeline.summary.source);
    assert_eq!((sync.status.as_deref(), sync.sync_id.as_deref()), (Some("FAILURE"), Some("sync 1")));
    assert_eq!(lives.sync("a".into(), "sync 9"), Ok(Some((source, None))));
    assert_eq!(lives.sync("b".into(), "sync 1"), Ok(Some((source, None))));
    assert_eq!(lives.sync("nobody".into(), "sync 1"), Ok(None));

    settled(store);
    let open = lives::IncidentQuery { open: Some(true), limit: 10, ..lives::IncidentQuery::default() };
    let found = lives.incidents(&open).expect("read");
    assert_eq!((found.len(), found[0].connection_id.as_str(), found[0].incident.failures), (1, "a", 1));
    assert_eq!(found[0].incident, timeline.incidents[0]);
    append(store, self::sync(30_000, "a", "SUCCESSFUL"));
    let own = lives::IncidentQuery { connection_id: Some("a".into()), ..open.clone() };
    assert_eq!(lives.incidents(&own), Ok(Vec::new()));
    settled(store);
    assert_eq!(lives.incidents(&open), Ok(Vec::new()));
    let closed = lives::IncidentQuery { open: Some(false), connection_id: Some("a".into()), ..open };
    assert_eq!(lives.incidents(&closed).expect("read").len(), 1);
    let day = at(0).div_euclid(86_400_000_000);
    let days = lives.days("a".into(), day, day + 1).expect("read").expect("known");
    assert_eq!(
        (days.len(), days[0].day.rows_modified, days[0].day.syncs.total, days[0].syncing_ms),
        (1, 36, 3, 12_000)
    );
    assert_eq!(lives.days("nobody".into(), day, day + 1), Ok(None));
    settled(store);
    let totals = lives.totals(day * 86_400_000_000, (day + 1) * 86_400_000_000).expect("read");
    let told: Vec<_> = totals.iter().map(|it| (it.days.syncs.total, it.incidents.len())).collect();
    assert_eq!(told, [(3, 1), (1, 0)]);
    assert_eq!(lives.runs(&lives::RunQuery { limit: 10, ..lives::RunQuery::default() }), Ok(Vec::new()));
}

fn late_events_find_their_place(store: &SharedStore) {
    let lives = store.lives();
    let mut events: Vec<NewEvent> = (0..60).flat_map(|n| sync(n * 10_000, "a", "SUCCESSFUL")).collect();
    events.extend(sync(700_000, "a", "FAILURE"));
    let late = events.remove(50);
    append(store, events.split_off(30));
    append(store, events);
    append(store, vec![late.clone(), late]);
    let before = lives.timeline(&whole("a")).expect("read").expect("there");
    assert_eq!((before.stages.len() >= 61, before.summary.events), (true, 183));
    settled(store);
    assert_eq!(
        lives.timeline(&whole("a")).expect("read").as_ref(),
        Some(&before),
        "an answer never depends on settling"
    );
    assert_eq!(lives.connections(&all_lives()).expect("a page").connections, vec![before.summary.clone()]);
    wait(lives.rebuild()).expect("begun");
    assert_eq!(lives.timeline(&whole("a")).expect("read").as_ref(), Some(&before));
    settled(store);
    assert_eq!(lives.timeline(&whole("a")).expect("read").as_ref(), Some(&before));
    assert_eq!(lives.connection("a".into(), None), Ok(Some(before.summary)));
}
