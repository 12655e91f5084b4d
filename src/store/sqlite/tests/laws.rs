//! What holds for any events, in any order.

use super::*;
use crate::{
    model::{Conflict, EventId, StoredEvent, Violation},
    store::{EventFilter, EventQuery, Order, Outcome, contract::assert_same},
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Number, json};
use std::collections::{BTreeMap, BTreeSet};

/// Texts that break naive framing: quotes, escapes, control characters, hole marks, long ones.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z_]{1,12}",
        1 => ".{0,20}",
        1 => select(vec!["", "\u{0}", "\"", "\\", "a\"b\\", "\u{1}\u{7}\u{e}", "é\u{202e}\u{1F980}", "null", "{", "]}"]).prop_map(str::to_owned),
        1 => Just("x".repeat(1500)),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |float| Number::from_f64(float).map(Value::Number)),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((text(), inner), 0..6).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    (
        prop_oneof![1_700_000_000_i64..1_700_000_100, -62_167_219_200_i64..253_402_207_200],
        0_u32..1_000_000_000,
        0_u8..10,
    )
        .prop_map(|(seconds, nanos, digits)| Timestamp::new(seconds, nanos, digits).unwrap())
}

prop_compose! {
    fn event()(
        name in text(), original in option::of(text()), created in timestamp(), data in option::of(value()),
        ids in (option::of(text()), option::of(text()), option::of(text()), option::of(text()), option::of(text())),
        destination in option::of(text()), named in any::<bool>(), extra in vec((text(), value()), 0..3),
        level in select(vec![Level::Fine, Level::Info, Level::Warning, Level::Severe]), level_given in any::<bool>(),
        normalized in vec(text(), 0..3), conflicts in vec((text(), text(), text()), 0..2),
    ) -> Event {
        Event {
            source: Source::HerokuConnect, name, original_name: original, family: Family::Other, level, level_given, created,
            created_from: CreatedFrom::Transport, connection_id: ids.0, connection_name: ids.1, connector_type: ids.2,
            sync_id: ids.3, exception_id: ids.4, destination_given: named && destination.is_some(), destination, data: data.map(Into::into), extra: extra.into_iter().collect(),
            normalized: normalized.into_iter().map(Into::into).collect(),
            conflicts: conflicts.into_iter().map(|(field, kept, dropped)| Conflict { field, kept, dropped }).collect(),
        }
    }
}

/// An envelope's text: as a sender would write the event, or anything at all.
fn raw_of(event: &Event, style: u8, noise: &str) -> String {
    let mut envelope = json!({
        "event": event.original_name.as_ref().unwrap_or(&event.name),
        "created": event.created.to_string(),
        "connection_id": event.connection_id, "connector_name": event.connection_name,
        "connector_type": event.connector_type, "sync_id": event.sync_id, "x": noise,
    });
    if let Some(data) = event.data.as_deref() {
        envelope["data"] = data.clone();
    }
    match style {
        0 | 1 => envelope.to_string(),
        2 => serde_json::to_string_pretty(&envelope).unwrap(),
        3 => format!("{envelope} trailing {noise}"),
        4 => format!(r#"{{"data":{{}},"data":{},"event":"{noise}"}}"#, json!(event.data)),
        _ => noise.to_owned(),
    }
}

prop_compose! {
    fn new_event()(
        event in event(), style in 0_u8..6, noise in text(), hash in any::<i64>(), odd_key in 0_u8..8,
        received in any::<i64>(), secret in option::of(any::<u64>()), errors in vec((text(), text()), 0..2),
        schema in option::of(text()), status in select(Status::ALL.to_vec()),
    ) -> NewEvent {
        let created_us = if odd_key == 0 { hash } else { event.created.micros() };
        let errors = errors.into_iter().map(|(path, message)| Violation { path, message }).collect();
        let raw = raw_of(&event, style, &noise);
        NewEvent {
            key: EventKey { created_us, hash }, event, raw, data_at: None, received_us: received, secret_digest: secret,
            verdict: Verdict { status, schema, errors },
        }
    }
}

/// Deliveries of a few events, which differ only in what may differ between deliveries.
fn deliveries() -> impl Strategy<Value = Vec<NewEvent>> {
    let small = || option::of(select(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]));
    let one = (
        0_i64..6,
        small(),
        small(),
        small(),
        small(),
        (0_i64..3, any::<bool>(), select(vec![Level::Info, Level::Warning, Level::Severe])),
    );
    vec(one, 1..25).prop_map(|them| {
        them.into_iter()
            .map(|(n, name, kind, destination, exception_id, (later, level_given, level))| {
                let mut new = contract::sample(n);
                new.event.connection_name = name;
                new.event.connector_type = kind;
                new.event.destination = destination;
                new.event.exception_id = exception_id;
                new.event.level_given = level_given;
                new.event.level = level;
                new.received_us += later;
                new.raw = raw_of(&new.event, 0, "noise");
                new
            })
            .collect()
    })
}

type Known = (Option<String>, Option<String>, Option<String>, Option<String>, Level, bool, i64, u64);

fn all(store: &SqliteStore, order: Order, limit: usize) -> Vec<StoredEvent> {
    let mut query = EventQuery { filter: EventFilter::default(), order, after: None, limit };
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

/// What must not depend on the order of deliveries.
fn known(store: &SqliteStore) -> BTreeMap<EventId, Known> {
    let of = |it: StoredEvent| {
        let (id, event) = (it.id, it.event);
        let names = (event.connection_name, event.connector_type, event.destination, event.exception_id);
        (id, (names.0, names.1, names.2, names.3, event.level, event.level_given, it.received_us, it.deliveries))
    };
    all(store, Order::Asc, 1000).into_iter().map(of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn any_event_comes_back_exactly_also_after_reopening(events in vec(new_event(), 1..8), number in 0..WAYS) {
        let dir = tempfile::tempdir().unwrap();
        let open = |dir: &Path| SqliteStore::open(dir, way(number)).unwrap();
        let store = open(dir.path());
        let outcomes = append(&store, events.clone()).unwrap().outcomes;
        let check = |store: &SqliteStore| {
            for (new, outcome) in events.iter().zip(&outcomes) {
                if let Outcome::Stored(key) = outcome {
                    let stored = store.event(EventId(*key)).unwrap().unwrap();
                    assert_same(&stored, new);
                }
            }
        };
        check(&store);
        seal(&store);
        check(&store);
        let before = all(&store, Order::Desc, 3);
        prop_assert_eq!(before.len() as u64, store.stats().events);
        drop(store);
        let store = open(dir.path());
        check(&store);
        prop_assert_eq!(before, all(&store, Order::Desc, 1000));
    }

    #[test]
    fn order_batches_and_repeats_leave_no_trace(
        them in deliveries(), cuts in vec(1_usize..6, 1..30), seed in any::<u64>(), number in 0..WAYS,
    ) {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        // The second store interns nothing: everything is kept with its event.
        let plain = SqliteOptions { interned_max: 0, ..way(number) };
        let (one, other) = (open(one.path()), SqliteStore::open(other.path(), plain).unwrap());
        append(&one, them.clone()).unwrap();
        let mut shuffled = them;
        let mut state = seed | 1;
        for at in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            shuffled.swap(at, (state >> 33) as usize % (at + 1));
        }
        let mut cuts = cuts.into_iter().cycle();
        let (mut rest, mut raws) = (shuffled.as_slice(), BTreeMap::new());
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(cuts.next().unwrap().min(rest.len()));
            for new in head {
                raws.entry(EventId(new.key)).or_insert_with(|| new.raw.clone());
            }
            append(&other, head.to_vec()).unwrap();
            rest = tail;
        }
        prop_assert_eq!(known(&one), known(&other));
        // Merging must not reach into the text of the envelope that was stored first.
        for event in all(&other, Order::Asc, 100) {
            prop_assert_eq!(&event.raw, &raws[&event.id]);
        }
    }
}

#[test]
fn readers_see_every_event_once_while_writers_write() {
    for number in 0..WAYS {
        let dir = tempfile::tempdir().unwrap();
        readers_see_every_event_once(&SqliteStore::open(dir.path(), way(number)).unwrap());
    }
}

fn readers_see_every_event_once(store: &SqliteStore) {
    let total = 480;
    std::thread::scope(|scope| {
        for writer in 0..3 {
            scope.spawn(move || {
                for start in (0..total / 3).step_by(20) {
                    let events = (start..start + 20).map(|n| {
                        let mut new = contract::sample(n * 3 + writer);
                        new.key.created_us += (n * 7919) % 1000;
                        new
                    });
                    append(store, events.collect()).unwrap();
                }
            });
        }
        let mut cursor = store.tail_end().unwrap();
        let mut seen = BTreeSet::new();
        while seen.len() < total as usize {
            let page = store.tail(cursor, 17).unwrap();
            assert!(!page.gap);
            for (_, event) in &page.events {
                assert!(seen.insert(event.id), "{} came twice", event.id);
            }
            cursor = page.next;
            for limit in [3, 50] {
                let found = all(store, Order::Desc, limit);
                assert!(found.windows(2).all(|pair| pair[0].id > pair[1].id));
                if limit == 3 && found.len() > 100 {
                    break;
                }
            }
        }
    });
    assert_eq!(all(store, Order::Asc, 1000).len() as i64, total);
    assert_eq!(store.stats().events as i64, total);
}
