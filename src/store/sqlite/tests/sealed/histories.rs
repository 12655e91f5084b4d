//! Histories of every kind, told to a row store and to sealed stores.

use super::{super::vfs::Dice, *};
use crate::{
    model::{Micros, TEST_CONNECTION_ID},
    store::{Lives as _, contract::trail::deed, lives::TimelineQuery},
};
use serde_json::json;
use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering as Atomic},
};

/// How events come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// In the order of their times, a few together.
    Ordered,
    /// Most in order, some long after their time.
    Late,
    /// In any order.
    Shuffled,
    /// Everything again and again, and each time something else is known of it.
    Repeated,
    /// One by one.
    Trickling,
    /// Many requests at once.
    Bursting,
}

const PACES: [Pace; 6] = [Pace::Ordered, Pace::Late, Pace::Shuffled, Pace::Repeated, Pace::Trickling, Pace::Bursting];

/// The `n`th event: now and then one of no connection, with a secret, very large, of a moment that others share, not valid.
fn event(n: i64) -> NewEvent {
    let mut new = match n % 23 {
        5 => deed(n),
        _ => contract::sample(n),
    };
    new.event.sync_id = match n % 4 {
        0 => Some(format!("5d5a9d2b-3f52-4ea6-8715-{:012x}", n / 40)),
        1 => None,
        _ => Some(format!("sync {}", n / 5)),
    };
    match n % 19 {
        3 => new.event.connection_id = None,
        5 => new.secret_digest = Some(n as u64 % 3),
        7 => {
            let text = "long ".repeat(9_000 + n as usize % 7);
            new.raw = json!({"event": "sync_end", "data": {"text": text}}).to_string();
            new.event.data = Some(json!({ "text": text }).into());
        }
        9 => new.raw = format!("no object {n}"),
        11 => new.key.created_us -= new.key.created_us % 60_000_000,
        13 => new.event.exception_id = Some(format!("x{n}")),
        15 => new.event.connection_id = Some(TEST_CONNECTION_ID.to_owned()),
        _ => {}
    }
    new
}

/// The same as another delivery has it.
fn again(mut new: NewEvent, dice: &mut Dice) -> NewEvent {
    match dice.below(6) {
        0 => new.event.connection_name = Some(["a", "b"][dice.below(2)].to_owned()),
        1 => new.event.destination = Some(["lake", "pond"][dice.below(2)].to_owned()),
        2 => (new.event.level, new.event.level_given) = (Level::Severe, true),
        3 => new.received_us -= dice.below(1000) as i64,
        4 => new.event.exception_id = Some(format!("y{}", dice.below(3))),
        _ => {}
    }
    new
}

/// Requests, one after another.
fn history(pace: Pace, dice: &mut Dice) -> Vec<Vec<NewEvent>> {
    let most = if pace == Pace::Trickling { 90 } else { 330 };
    let mut events: Vec<NewEvent> = (0..most).map(event).collect();
    events.sort_by_key(|new| new.key);
    events.dedup_by_key(|new| new.key);
    let shuffle = |events: &mut Vec<NewEvent>, dice: &mut Dice, reach: usize| {
        for at in (1..events.len()).rev() {
            let low = at.saturating_sub(reach);
            events.swap(at, low + dice.below(at - low + 1));
        }
    };
    match pace {
        Pace::Ordered | Pace::Trickling => {}
        Pace::Late => {
            let late: Vec<NewEvent> = events.extract_if(.., |new| new.key.hash % 6 == 0).collect();
            events.extend(late);
        }
        Pace::Shuffled | Pace::Bursting => shuffle(&mut events, dice, 1000),
        Pace::Repeated => {
            let first = events.clone();
            for _ in 0..2 {
                events.extend(first.iter().map(|new| again(new.clone(), dice)));
            }
            shuffle(&mut events, dice, 200);
        }
    }
    let (mut requests, mut rest) = (Vec::new(), events.as_slice());
    while !rest.is_empty() {
        let many = match pace {
            Pace::Trickling => 1,
            Pace::Bursting => 1 + dice.below(40),
            _ => 1 + dice.below(dice.clone().pick(&[3, 12, 60])),
        };
        let (head, tail) = rest.split_at(many.min(rest.len()));
        let mut request = head.to_vec();
        if dice.percent(20) {
            request.push(again(event(dice.below(most as usize) as i64), dice));
        }
        requests.push(request);
        rest = tail;
    }
    requests
}

fn filters() -> Vec<EventFilter> {
    let none = EventFilter::default;
    let at = |n| Some(contract::sample(n).key.created_us);
    let conn = |id: &str| EventFilter { connection_id: Some(id.into()), ..none() };
    vec![
        none(),
        conn("conn_0"),
        conn("conn_1"),
        conn(TEST_CONNECTION_ID),
        conn("nobody"),
        EventFilter { event: Some("sync_end".into()), ..none() },
        EventFilter { family: Some(Family::AuditTrail), ..none() },
        EventFilter { level: Some(Level::Severe), ..none() },
        EventFilter { level: Some(Level::Warning), ..none() },
        EventFilter { level: Some(Level::Info), ..conn("conn_2") },
        EventFilter { validation: Some(Status::Invalid), ..none() },
        EventFilter { destination: Some("lake".into()), ..none() },
        EventFilter { sync_id: Some("sync 30".into()), ..none() },
        EventFilter { sync_id: Some("5d5a9d2b-3f52-4ea6-8715-000000000002".into()), ..none() },
        EventFilter { q: Some("no object".into()), ..none() },
        EventFilter { q: Some("long long".into()), ..none() },
        EventFilter { from: at(40), to: at(120), ..none() },
        EventFilter { from: at(40), to: at(120), ..conn("conn_1") },
        EventFilter { from: at(200), level: Some(Level::Warning), ..none() },
        EventFilter { to: at(60), ..none() },
        EventFilter { from: at(120), to: at(40), ..none() },
    ]
}

/// Both answer alike, whatever is asked.
#[track_caller]
fn same_answers(model: &SqliteStore, store: &SqliteStore, dice: &mut Dice) {
    let (one, other) = (model.stats(), store.stats());
    assert_eq!((one.events, one.connections), (other.events, other.connections));
    for filter in filters() {
        for order in [Order::Asc, Order::Desc] {
            let expected = pages(model, &filter, order, 1000).unwrap();
            let limit = dice.pick(&[1, 3, 17, 1000]);
            let limit = if expected.len() > 100 { limit.max(17) } else { limit };
            assert_eq!(pages(store, &filter, order, limit).unwrap(), expected, "{filter:?} {order:?} {limit}");
        }
    }
    let events = all(model);
    assert_eq!(events.len() as u64, one.events);
    for event in &events {
        assert_eq!(store.event(event.id).unwrap().as_ref(), Some(event));
        let EventKey { created_us, hash } = event.id.0;
        assert_eq!(store.event(EventId(EventKey { created_us, hash: hash ^ 1 })), Ok(None));
    }
    assert_eq!(arrivals(store, 13), arrivals(model, 1000));
}

/// Both tell the same of every connection.
#[track_caller]
fn same_lives(model: &SqliteStore, store: &SqliteStore) {
    for id in ["conn_0", "conn_1", "conn_2", "conn_3"] {
        let query = TimelineQuery { connection_id: id.to_owned(), limit: 10_000, ..TimelineQuery::default() };
        assert_eq!(store.timeline(&query), model.timeline(&query), "{id}");
    }
}

/// Sends a history to both; what each request comes to is the same. While it runs, others ask.
fn tell(model: &SqliteStore, store: &SqliteStore, requests: &[Vec<NewEvent>], together: usize) {
    let (acknowledged, over, asked) = (Mutex::new(BTreeSet::new()), AtomicBool::new(false), AtomicUsize::new(0));
    for new in all(store) {
        acknowledged.lock().unwrap().insert(new.id);
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let orders = [Order::Asc, Order::Desc];
            let spans = [
                EventFilter::default(),
                EventFilter { connection_id: Some("conn_1".into()), ..EventFilter::default() },
            ];
            for turn in 0.. {
                let (order, filter) = (orders[turn % 2], &spans[turn / 2 % 2]);
                let known: BTreeSet<EventId> = acknowledged.lock().unwrap().clone();
                let last = over.load(Atomic::Relaxed);
                let found = pages(store, filter, order, [7, 100][turn / 4 % 2]).unwrap();
                let ascends = |one: &StoredEvent, other: &StoredEvent| match order {
                    Order::Asc => one.id < other.id,
                    Order::Desc => one.id > other.id,
                };
                assert!(found.windows(2).all(|pair| ascends(&pair[0], &pair[1])), "one came twice");
                let found: BTreeSet<EventId> = found.into_iter().map(|event| event.id).collect();
                if turn / 2 % 2 == 0 {
                    let missing: Vec<_> = known.difference(&found).collect();
                    assert!(missing.is_empty(), "{} of {} are missing: {missing:?}", missing.len(), known.len());
                }
                for id in known.iter().step_by(known.len() / 5 + 1) {
                    assert!(store.event(*id).unwrap().is_some());
                }
                asked.fetch_add(1, Atomic::Relaxed);
                if last {
                    return;
                }
            }
        });
        for requests in requests.chunks(together) {
            let answers: Vec<_> = requests.iter().map(|events| store.append(batch(events.clone()))).collect();
            let found: Vec<Vec<Outcome>> = answers.into_iter().map(|it| wait(it).unwrap().outcomes).collect();
            for (events, found) in requests.iter().zip(found) {
                assert_eq!(found, append(model, events.clone()).unwrap().outcomes);
                let keys = found.iter().map(|(Outcome::Stored(key) | Outcome::Duplicate(key))| EventId(*key));
                acknowledged.lock().unwrap().extend(keys);
            }
        }
        over.store(true, Atomic::Relaxed);
    });
    assert!(asked.load(Atomic::Relaxed) > 0);
}

/// One history, kept one way.
fn check(seed: u64, pace: Pace, events_max: usize) {
    let told = format!("seed {seed}, {pace:?}, blocks of {events_max}");
    let mut dice = Dice::new(seed);
    let requests = history(pace, &mut dice);
    let [one, other] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let model = SqliteStore::open(one.path(), rows()).unwrap();
    let mut store = SqliteStore::open(other.path(), sealing(events_max)).unwrap();
    let together = if pace == Pace::Bursting { 25 } else { 1 };
    tell(&model, &store, &requests, together);
    same_answers(&model, &store, &mut dice);
    same_lives(&model, &store);
    assert!(seal(&store));
    let (journal, blocks, ever) = tiers(other.path());
    assert!(journal == 0 && blocks > 0, "{told}: {journal} {blocks}");
    assert!(events_max > 13 || ever > blocks, "{told}: none of {blocks} blocks was joined");
    same_answers(&model, &store, &mut dice);
    // Whatever way they are kept from now on.
    for (number, options) in [sealing(events_max), rows(), sealing(3)].into_iter().enumerate() {
        wait(store.close()).unwrap();
        drop(store);
        store = SqliteStore::open(other.path(), options).unwrap();
        same_answers(&model, &store, &mut dice);
        // All of it comes again, some of it with news, and something that is new.
        let mut repeated: Vec<Vec<NewEvent>> = Vec::new();
        for request in requests.iter().step_by(3) {
            repeated.push(request.iter().map(|new| again(new.clone(), &mut dice)).collect());
        }
        repeated.push((0..9).map(|n| event(1000 + n * 7 + number as i64 * 100)).collect());
        tell(&model, &store, &repeated, together);
        same_answers(&model, &store, &mut dice);
    }
    seal(&store);
    same_answers(&model, &store, &mut dice);
    same_lives(&model, &store);
    while wait(store.settle(None)).unwrap() + wait(model.settle(None)).unwrap() > 0 {}
    same_lives(&model, &store);
    in_one_place(other.path(), model.stats().events);
    wait(store.rebuild()).unwrap();
    same_lives(&model, &store);
}

#[test]
fn any_history_has_the_answers_of_the_row_store() {
    let most: u64 = std::env::var("LIFELINE_HISTORIES").ok().and_then(|it| it.parse().ok()).unwrap_or(6);
    for seed in 0..most {
        let pace = PACES[seed as usize % PACES.len()];
        let events_max = [7, 1, 40, 13, 5, 1000][(seed / 6 + seed) as usize % 6];
        eprintln!("seed {seed}: {pace:?}, blocks of {events_max}");
        check(seed, pace, events_max);
    }
}

/// Full blocks, several of a connection, which overlap after events in any order.
#[test]
fn many_events_in_any_order_twice_are_each_there_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), SqliteOptions { fold: false, ..sealing(3000) }).unwrap();
    let mut dice = Dice::new(1);
    let mut numbers: Vec<i64> = (0..20_000).collect();
    for at in (1..numbers.len()).rev() {
        numbers.swap(at, dice.below(at + 1));
    }
    let event = |n: i64| {
        let mut new = contract::sample(n);
        new.event.connection_id = Some("one".into());
        new.key.created_us += n / 3600 * 3_600_000_000;
        new.event.created = Timestamp::from_micros(new.key.created_us);
        new
    };
    for round in 0..2 {
        for part in numbers.chunks(700) {
            let found = append(&store, part.iter().map(|n| event(*n)).collect()).unwrap().outcomes;
            assert!(found.iter().all(|it| matches!(it, Outcome::Stored(_)) == (round == 0)));
        }
    }
    assert!(seal(&store));
    let full = count(dir.path(), "SELECT count(*) FROM block WHERE n >= 4096");
    assert!(full >= 3, "{full} full blocks");
    let found: Vec<(Micros, u64)> = all(&store).iter().map(|it| (it.id.0.created_us, it.deliveries)).collect();
    assert_eq!(found.len(), 20_000);
    assert!(found.is_sorted() && found.iter().all(|it| it.1 == 2));
    let newest = EventQuery { filter: EventFilter::default(), order: Order::Desc, after: None, limit: 5 };
    assert_eq!(store.events(&newest).unwrap().events[0].id.0, event(19_999).key);
    in_one_place(dir.path(), 20_000);
}
