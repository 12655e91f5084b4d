//! The memory against a model of it, and against itself while others publish and seal.

use super::*;
use crate::{
    model::EventKey,
    store::{
        Order,
        sqlite::{
            flat::{BodyRef, Flat},
            sealed::chunk::ChunkBuilder,
        },
    },
};
use proptest::{collection::vec, prelude::*, sample::Index};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicU64},
};

const LAST: EventKey = EventKey { created_us: i64::MAX, hash: i64::MAX };

/// What a model knows of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    seq: u64,
    conn: i64,
    notable: bool,
}

fn chunk(events: &[(EventKey, Known)]) -> Arc<Chunk> {
    let mut builder = ChunkBuilder::new();
    for (key, known) in events {
        let body = known.seq.to_le_bytes();
        let flat = Flat {
            key: *key,
            conn: known.conn,
            label: 1,
            kind: 2,
            shape: 3,
            notable: known.notable,
            received: 4,
            sync: None,
            secret: None,
            spill: None,
            body: BodyRef::Plain(&body),
        };
        builder.push(&flat).unwrap();
    }
    Arc::new(builder.finish())
}

fn known(held: &Held) -> (EventKey, Known) {
    let flat = held.flat();
    let BodyRef::Plain(body) = flat.body else { panic!("plain") };
    assert_eq!(held.key(), flat.key);
    (flat.key, Known { seq: u64::from_le_bytes(body.try_into().unwrap()), conn: flat.conn, notable: flat.notable })
}

fn all(view: &View, span: Span, order: Order) -> Vec<(EventKey, Known)> {
    let from = if order == Order::Asc { EventKey::FIRST } else { LAST };
    let scan: Scan = view.scan(span, from, order);
    scan.map(|held| known(&held)).collect()
}

/// Compares everything a view can be asked with a model.
fn check(view: &View, model: &BTreeMap<EventKey, Known>, lo: u64, hi: u64, froms: &[EventKey], conns: i64) {
    let shown = |known: &Known| (lo..=hi).contains(&known.seq);
    assert_eq!(view.len(), model.values().filter(|known| shown(known)).count());
    for from in froms.iter().chain([&EventKey::FIRST, &LAST]) {
        for span in [Span::All, Span::Notable].into_iter().chain((0..conns + 1).map(Span::Of)) {
            let fits = |(_, known): &(&EventKey, &Known)| {
                shown(known)
                    && match span {
                        Span::All => true,
                        Span::Notable => known.notable,
                        Span::Of(conn) => known.conn == conn,
                    }
            };
            let upward: Vec<_> = model.range(from..).filter(fits).map(|(key, known)| (*key, *known)).collect();
            let downward: Vec<_> = model.range(..=from).rev().filter(fits).map(|(key, known)| (*key, *known)).collect();
            let scan = |order| view.scan(span, *from, order).map(|held| super::tests::known(&held)).collect::<Vec<_>>();
            assert_eq!(scan(Order::Asc), upward);
            assert_eq!(scan(Order::Desc), downward);
        }
    }
    for (key, event) in model {
        for conn in 0..=conns {
            let expected = (event.conn == conn && shown(event)).then_some((*key, *event));
            assert_eq!(view.find(conn, *key).as_ref().map(known), expected);
        }
        assert_eq!(view.find_any(*key).as_ref().map(known), shown(event).then_some((*key, *event)));
        let absent = EventKey { hash: key.hash + 1000, ..*key };
        assert!(view.find_any(absent).is_none() && view.find(event.conn, absent).is_none());
    }
    for conn in 0..=conns {
        assert_eq!(view.has(conn), model.values().any(|known| known.conn == conn && shown(known)));
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// Events: time, hash, connection, notable; how many commits are left out before.
    Publish(Vec<(i64, i64, i64, bool)>, u64),
    Close,
    Drop,
}

fn step() -> impl Strategy<Value = Step> {
    let event = (0..60_i64, 0..8_i64, 0..4_i64, any::<bool>());
    prop_oneof![
        8 => (vec(event, 0..12), 0..3_u64).prop_map(|(events, skipped)| Step::Publish(events, skipped)),
        1 => Just(Step::Close),
        1 => Just(Step::Drop),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Whatever is published, closed and dropped, a view shows the commits of its snapshot and nothing else.
    #[test]
    fn a_view_shows_what_its_snapshot_shows(
        steps in vec(step(), 1..14),
        shift in 0..30_i64,
        sorted in any::<bool>(),
        picks in vec((any::<Index>(), any::<Index>()), 3),
        froms in vec((0..90_i64, 0..9_i64), 2),
    ) {
        let memory = Memory::new(Limits { events_max: 20, bytes_max: 1 << 20 });
        let mut model = BTreeMap::<EventKey, Known>::new();
        let froms: Vec<_> = froms.into_iter().map(|(created_us, hash)| EventKey { created_us, hash }).collect();
        let (mut seq, mut gone, mut blobs) = (0_u64, 0_u64, BTreeMap::new());
        let mut older = Vec::new();
        for (at, step) in steps.into_iter().enumerate() {
            match step {
                Step::Publish(events, skipped) => {
                    seq += 1 + skipped;
                    let mut new = BTreeMap::new();
                    for (created_us, hash, conn, notable) in events {
                        // Later commits tend to be later in time.
                        let key = EventKey { created_us: created_us + at as i64 * shift, hash };
                        if !model.contains_key(&key) {
                            new.insert(key, Known { seq, conn, notable });
                        }
                    }
                    let mut new: Vec<_> = new.into_iter().collect();
                    if !sorted {
                        new.reverse();
                    }
                    model.extend(new.iter().copied());
                    let chunk = chunk(&new);
                    let mut blob = Vec::new();
                    chunk.to_blob(&mut blob);
                    blobs.insert(seq, blob);
                    memory.publish(seq, chunk);
                }
                Step::Close => drop(memory.close_open()),
                Step::Drop => {
                    if let Some(oldest) = memory.sealable() {
                        gone = oldest.seqs().end() + 1;
                        prop_assert!(memory.drop_oldest(&oldest));
                        prop_assert!(!memory.drop_oldest(&oldest));
                    }
                }
            }
            if let Some(view) = memory.view(gone.max(1), seq).filter(|_| at % 3 == 0) {
                older.push((view, gone.max(1), seq));
            }
        }
        prop_assert_eq!(memory.end(), if seq == 0 { 0 } else { seq + 1 });
        let left: BTreeMap<_, _> = model.iter().filter(|(_, known)| known.seq >= gone).collect();
        prop_assert_eq!(memory.events(), left.len());
        let generations = memory.generations();
        prop_assert_eq!(memory.closed() + 1, generations.len());
        prop_assert_eq!(memory.events(), generations.iter().map(|one| one.len()).sum::<usize>());
        prop_assert_eq!(memory.bytes(), generations.iter().map(|one| one.bytes()).sum::<usize>());
        // Views taken before keep what they saw.
        for (view, lo, hi) in older {
            check(&view, &model, lo, hi, &froms, 4);
        }
        let mut bounds: Vec<_> = picks.iter().map(|(a, b)| (a.index(seq as usize + 1) as u64, b.index(seq as usize + 1) as u64)).collect();
        bounds.push((gone, seq));
        for (lo, hi) in bounds {
            let hi = hi.min(seq);
            if lo > hi {
                prop_assert!(memory.view(lo, hi).unwrap().is_empty());
            } else if lo < gone {
                prop_assert!(memory.view(lo, hi).is_none());
            } else if seq > 0 {
                check(&memory.view(lo, hi).unwrap(), &model, lo, hi, &froms, 4);
            }
        }
        for (lo, hi) in (gone..=seq).flat_map(|lo| (lo..=seq).map(move |hi| (lo, hi))).filter(|_| seq > 0) {
            let seen = all(&memory.view(lo, hi).unwrap(), Span::All, Order::Asc);
            let shown = model.iter().filter(|(_, known)| (lo..=hi).contains(&known.seq));
            prop_assert!(seen.into_iter().eq(shown.map(|(key, known)| (*key, *known))));
        }
        // Another process reads the same from the journal.
        let rows = blobs.range(gone..).map(|(seq, blob)| (*seq, blob));
        let other = Memory::new(Limits { events_max: 7, bytes_max: 1 << 20 });
        rows.for_each(|(seq, blob)| other.publish(seq, Arc::new(Chunk::from_blob(blob).unwrap())));
        if other.end() > 0 {
            check(&other.view(0, other.end() - 1).unwrap(), &left.into_iter().map(|(k, v)| (*k, *v)).collect(), 0, seq, &froms, 4);
        }
    }

    /// A generation much larger than a block, filled in any order.
    #[test]
    fn late_events_find_their_place_among_many(size in 1..70_usize, seed in any::<u64>(), late in 0..3_u8) {
        let memory = Memory::new(Limits::default());
        let mut model = BTreeMap::new();
        let mut random = seed | 1;
        for seq in 1..60_u64 {
            let mut new = BTreeMap::new();
            for _ in 0..size {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let ahead = if late == 0 || late == 1 && random >> 60 > 0 { seq as i64 * 1000 } else { 0 };
                let key = EventKey { created_us: (random >> 33) as i64 % 10_000 + ahead, hash: random as i64 };
                new.insert(key, Known { seq, conn: (random >> 40) as i64 % 3, notable: random >> 50 & 7 == 0 });
            }
            let new: Vec<_> = new.into_iter().collect();
            memory.publish(seq, chunk(&new));
            model.extend(new);
        }
        let view = memory.view(3, 50).unwrap();
        let shown: Vec<_> = model.iter().filter(|(_, known)| (3..=50).contains(&known.seq)).map(|(k, v)| (*k, *v)).collect();
        prop_assert_eq!(all(&view, Span::All, Order::Asc), shown.clone());
        let mut back = all(&view, Span::All, Order::Desc);
        back.reverse();
        prop_assert_eq!(back, shown.clone());
        let of_one: Vec<_> = shown.iter().filter(|(_, known)| known.conn == 1).copied().collect();
        prop_assert_eq!(all(&view, Span::Of(1), Order::Asc), of_one);
        let notable: Vec<_> = shown.iter().filter(|(_, known)| known.notable).copied().collect();
        prop_assert_eq!(all(&view, Span::Notable, Order::Asc), notable);
        for (key, known) in model.iter().step_by(17) {
            prop_assert_eq!(view.find_any(*key).is_some(), (3..=50).contains(&known.seq));
            prop_assert_eq!(view.find(known.conn, *key).is_some(), (3..=50).contains(&known.seq));
        }
    }
}

fn one(seq: u64) -> Arc<Chunk> {
    chunk(&[(EventKey { created_us: seq as i64, hash: 0 }, Known { seq, conn: 1, notable: false })])
}

#[test]
fn a_full_generation_is_closed_and_the_next_begins() {
    let memory = Memory::new(Limits { events_max: 3, bytes_max: 1 << 20 });
    assert!(memory.sealable().is_none() && !memory.close_open());
    for seq in 1..=4 {
        memory.publish(seq, one(seq));
    }
    let oldest = memory.sealable().unwrap();
    assert_eq!((oldest.seqs(), oldest.len(), memory.closed()), (1..=3, 3, 1));
    assert_eq!(oldest.connections(), [(1, 3)]);
    let chunks = oldest.chunks();
    assert!(chunks.iter().map(|(seq, _)| *seq).eq(1..=3) && chunks.iter().all(|(_, chunk)| !chunk.is_empty()));
    assert_eq!(View::of(&oldest).len(), 3);
    assert!(memory.close_open() && !memory.close_open() && memory.generations()[2].is_empty());
    assert_eq!((memory.closed(), memory.events()), (2, 4));
    assert!(!memory.drop_oldest(&memory.generations()[1]), "not the oldest");
    assert!(memory.drop_oldest(&oldest) && !memory.drop_oldest(&oldest));
    assert!(memory.view(3, 4).is_none());
    assert_eq!(memory.view(4, 4).unwrap().len(), 1);
    let small = Memory::new(Limits { events_max: 1000, bytes_max: 1 });
    small.publish(1, one(1));
    assert_eq!(small.sealable().unwrap().seqs(), 1..=1);
}

#[test]
fn an_open_generation_is_never_dropped() {
    let memory = Memory::new(Limits::default());
    memory.publish(1, one(1));
    assert!(!memory.drop_oldest(&memory.generations()[0]));
    assert_eq!(memory.events(), 1);
}

#[test]
fn a_view_waits_for_a_commit_that_is_about_to_be_published_but_not_for_ever() {
    let memory = Memory::new(Limits::default());
    memory.publish(1, one(1));
    std::thread::scope(|scope| {
        let view = scope.spawn(|| memory.view(1, 2));
        std::thread::sleep(Duration::from_millis(5));
        memory.publish(2, one(2));
        assert_eq!(view.join().unwrap().unwrap().len(), 2);
    });
    assert!(memory.view(1, 3).is_none());
    assert!(memory.view(1, 0).unwrap().is_empty());
}

#[test]
fn a_commit_of_one_event_costs_little_memory() {
    let memory = Memory::new(Limits { events_max: 20_000, bytes_max: usize::MAX });
    (1..=10_000).for_each(|seq| memory.publish(seq, one(seq)));
    assert!(memory.bytes() / 10_000 < 250, "{}", memory.bytes() / 10_000);
}

/// Number of events in a commit of the test below, and their keys; every third commit is late.
fn commit(seq: u64) -> Vec<(EventKey, Known)> {
    let count = if seq.is_multiple_of(50) { 300 } else { 1 + seq % 5 };
    let created_us = if seq.is_multiple_of(3) { seq.saturating_sub(400) } else { seq } as i64;
    (0..count)
        .map(|at| {
            let key = EventKey { created_us, hash: (seq * 1000 + at) as i64 };
            (key, Known { seq, conn: (at % 7) as i64, notable: at % 4 == 0 })
        })
        .collect()
}

#[test]
fn views_are_exact_while_commits_are_published_and_sealed() {
    const COMMITS: u64 = 6000;
    let memory = Memory::new(Limits { events_max: 2000, bytes_max: 1 << 20 });
    // What the journal would say: its first row not yet sealed, and its last.
    let (first, last, done) = (AtomicU64::new(1), AtomicU64::new(0), AtomicBool::new(false));
    let journal = std::sync::RwLock::new(());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for seq in 1..=COMMITS {
                let chunk = chunk(&commit(seq));
                last.store(seq, Ordering::SeqCst);
                // Here a reader may see a commit that is not yet published.
                memory.publish(seq, chunk);
            }
            done.store(true, Ordering::SeqCst);
        });
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let Some(oldest) = memory.sealable() else {
                    std::thread::yield_now();
                    continue;
                };
                assert_eq!(View::of(&oldest).len(), oldest.len());
                {
                    let _commit = journal.write().unwrap();
                    first.store(oldest.seqs().end() + 1, Ordering::SeqCst);
                }
                assert!(memory.drop_oldest(&oldest));
            }
        });
        for reader in 0..2_u64 {
            let (memory, first, last, done, journal) = (&memory, &first, &last, &done, &journal);
            scope.spawn(move || {
                let (mut views, mut gone, mut round) = (0_u64, 0_u64, reader);
                while !done.load(Ordering::SeqCst) || views == 0 {
                    let (lo, hi) = {
                        let _snapshot = journal.read().unwrap();
                        (first.load(Ordering::SeqCst), last.load(Ordering::SeqCst))
                    };
                    let Some(view) = memory.view(lo, hi) else {
                        gone += 1;
                        continue;
                    };
                    views += 1;
                    round += 1;
                    let seqs = lo..=hi;
                    let expected: BTreeMap<_, _> = seqs.clone().flat_map(commit).collect();
                    assert_eq!(view.len(), expected.len());
                    let order = if round % 2 == 0 { Order::Asc } else { Order::Desc };
                    let mut seen = all(&view, Span::All, order);
                    if order == Order::Desc {
                        seen.reverse();
                    }
                    assert!(seen.iter().copied().eq(expected.iter().map(|(k, v)| (*k, *v))), "{lo}..={hi}");
                    let of = (round % 7) as i64;
                    let seen = all(&view, Span::Of(of), Order::Asc);
                    assert!(seen.into_iter().eq(expected.iter().filter(|(_, v)| v.conn == of).map(|(k, v)| (*k, *v))));
                    for (key, known) in expected.iter().step_by(97) {
                        assert!(view.find(known.conn, *key).is_some());
                    }
                    assert!(view.find_any(commit(hi + 1)[0].0).is_none(), "not in the snapshot");
                }
                assert!(views > 0, "{gone} were gone");
            });
        }
    });
    assert_eq!(memory.end(), COMMITS + 1);
}

#[test]
fn a_full_filter_seldom_says_perhaps() {
    let key = |at: i64| EventKey { created_us: at / 3 * 1000, hash: at.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64) };
    for events in [1, 100, 65_536] {
        let filter = filter::Filter::new(events as usize);
        (0..events).for_each(|at| filter.add(key(at)));
        assert!((0..events).all(|at| filter.may_hold(key(at))));
        let wrong = (events..events + 100_000).filter(|at| filter.may_hold(key(*at))).count();
        assert!(wrong < 3000, "{wrong} of 100,000 with {events} events");
    }
}
