//! What a power cut leaves: every acknowledged batch, whole and once, and a store that goes on.
//!
//! A history of jobs is worked off on a disk of ours; at some operation of SQLite's the power goes, and the store is opened on
//! what the disk has then. The writer works off its queue in order, so what is there must be what the first so many jobs make.

use super::{
    lives::{self, account, settle, stored},
    retention::same,
    trail::sound,
    vfs::{self, Dice, Image},
    *,
};
use crate::{
    audit::Log,
    model::{EventId, Micros},
    store::{
        TailCursor, Trail as _,
        contract::trail::{assert_tree, deed, own},
        sqlite::{
            DATABASE,
            open::{self as opening, Role},
            writer::Counters,
        },
    },
};
use rusqlite::Connection;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// How many rounds: few for every day, many before a release.
pub(super) fn rounds() -> u64 {
    std::env::var("LIFELINE_POWER_ROUNDS").ok().and_then(|it| it.parse().ok()).unwrap_or(12)
}

/// One thing for the writer.
#[derive(Debug, Clone)]
pub(super) enum Task {
    Append { events: Vec<NewEvent>, unreadable: usize },
    Record(i64),
}

/// What a number of tasks make.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// Deliveries of each event.
    events: BTreeMap<EventId, u64>,
    /// In the order of arrival, but for those that share a commit.
    pub(super) arrived: Vec<EventId>,
    /// As each came first.
    news: BTreeMap<EventId, NewEvent>,
    deeds: usize,
    acks: u64,
    unreadable: u64,
    records: u64,
}

pub(super) fn made(tasks: &[Task]) -> Made {
    let mut made = Made::default();
    for task in tasks {
        match task {
            Task::Append { events, unreadable } => {
                made.acks += 1;
                made.unreadable += *unreadable as u64;
                for new in events {
                    let id = EventId(new.key);
                    let count = made.events.entry(id).or_default();
                    *count += 1;
                    if *count == 1 {
                        made.arrived.push(id);
                        made.news.insert(id, new.clone());
                        made.deeds += usize::from(crate::audit::Draft::of(&new.event, id).is_some());
                    }
                }
            }
            Task::Record(_) => made.records += 1,
        }
    }
    made
}

fn to_batch(events: &[NewEvent], unreadable: usize) -> Batch {
    let text = |index| format!("{{{index} {:?}", events.first().map(|new| new.key));
    let item =
        |index| NewQuarantine { index, reason: "no JSON".into(), bytes: text(index).into_bytes(), received_us: 5 };
    Batch {
        quarantine: (0..unreadable).map(item).collect(),
        ack_channel: Some("channel".into()),
        ..batch(events.to_vec())
    }
}

type Answer = std::pin::Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

pub(super) fn submit(store: &SqliteStore, task: &Task) -> Answer {
    match task {
        Task::Append { events, unreadable } => {
            let answer = store.append(to_batch(events, *unreadable));
            Box::pin(async { answer.await.map(drop) })
        }
        Task::Record(n) => {
            let answer = store.record(own(*n));
            Box::pin(async { answer.await.map(drop) })
        }
    }
}

/// Events of an account, made once for each seed.
fn pool(seed: u64) -> Vec<NewEvent> {
    static POOLS: Mutex<BTreeMap<u64, Vec<NewEvent>>> = Mutex::new(BTreeMap::new());
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    pools
        .entry(seed)
        .or_insert_with(|| account(seed, 3, 200 * seed as usize, 260, [1, 1_000_000][seed as usize % 2]))
        .clone()
}

/// Ordered, late and repeated events in batches of all sizes; each batch has one at least that no earlier one has.
pub(super) fn plan(dice: &mut Dice) -> Vec<Task> {
    let mut events = pool(dice.below(6) as u64);
    let start = dice.below(100);
    events = events.split_off(start);
    events.truncate(20 + dice.below(140));
    events.extend((0..dice.below(30) as i64).map(|n| deed(n * 3)));
    let reach = dice.pick(&[1, 5, 1000]);
    lives::shuffle(&mut events, dice.next(), reach);
    let (mut tasks, mut at, most) = (Vec::new(), 0, dice.pick(&[2, 10, 60]));
    while at < events.len() {
        if dice.percent(10) {
            tasks.push(Task::Record(tasks.len() as i64));
        }
        let end = (at + 1 + dice.below(most)).min(events.len());
        let mut part = events[at..end].to_vec();
        // A batch that comes again, in part, with news.
        if dice.percent(25) {
            let from = dice.below(at + 1);
            part.extend_from_slice(&events[from..(from + 5).min(at)]);
        }
        tasks.push(Task::Append { events: part, unreadable: if dice.percent(10) { 2 } else { 0 } });
        at = end;
    }
    tasks
}

/// What was promised before the power went.
#[derive(Debug, Default, Clone, Copy)]
struct Ledger {
    /// So many tasks were acknowledged.
    acknowledged: usize,
    /// So many were given to the store.
    submitted: usize,
    /// Retention had begun with everything before this.
    swept: Option<Micros>,
}

/// Works tasks off until the power goes, or to the end.
fn live(dir: &Path, tasks: &[Task], from: usize, dice: &mut Dice, lie: bool) -> (Image, Ledger) {
    let mounted = vfs::mount(dir, dice.next());
    let disk = &mounted.disk;
    if lie {
        disk.lie();
    }
    let mut ledger = Ledger { acknowledged: from, submitted: from, swept: None };
    // In the first start or recovery, somewhere in the middle, or never before the end.
    let fuse = |dice: &mut Dice| {
        let most = dice.pick(&[4, 15, 60, 200]);
        disk.cut_after(dice.below(most) as u64);
    };
    let moment = if dice.percent(20) { None } else { Some(from + dice.below(tasks.len() - from + 2)) };
    let mut lit = moment.is_none();
    if lit {
        fuse(dice);
    }
    // Whichever way events were kept before.
    let open = |dice: &mut Dice| SqliteStore::open(dir, way(dice.next())).unwrap();
    let mut store = open(dice);
    while ledger.submitted < tasks.len() && !disk.is_off() {
        if !lit && moment.is_some_and(|moment| ledger.submitted >= moment) {
            lit = true;
            fuse(dice);
        }
        let many = if dice.percent(30) { 2 + dice.below(4) } else { 1 };
        let end = (ledger.submitted + many).min(tasks.len());
        if many > 1 {
            // The first one's sync waits until the others wait for the writer: they share the next commit.
            disk.hold();
        }
        let mut answers = Vec::new();
        for task in &tasks[ledger.submitted..end] {
            answers.push(submit(&store, task));
            if many > 1 && answers.len() == 1 {
                disk.await_held();
            }
        }
        ledger.submitted = end;
        disk.release();
        for answer in answers {
            wait(answer).unwrap();
            disk.while_on(|| ledger.acknowledged += 1);
        }
        match dice.below(12) {
            0 => {
                wait(store.close()).unwrap();
                drop(store);
                store = open(dice);
            }
            how @ 1..=3 => checkpoint(dir, ["PASSIVE", "RESTART", "TRUNCATE"][how - 1]),
            4 => settle(&store),
            // The writer folds what is late when nothing comes.
            5 => std::thread::sleep(std::time::Duration::from_millis(120)),
            6 | 7 => drop(seal(&store)),
            _ => {}
        }
    }
    if !disk.is_off() && dice.percent(50) {
        // States of lives are kept at the end; without them nothing can be swept.
        wait(store.close()).unwrap();
        drop(store);
        store = super::open(dir);
        let before = tasks.iter().filter_map(|task| match task {
            Task::Append { events, .. } => events.iter().map(|new| new.received_us).max(),
            Task::Record(_) => None,
        });
        let before = before.max().map_or(0, |it| it + 1);
        disk.while_on(|| ledger.swept = Some(before));
        if !lit {
            lit = true;
            disk.cut_after(dice.below(40) as u64);
        }
        wait(store.sweep(before)).unwrap();
    }
    if !disk.is_off() && dice.percent(50) {
        if !lit {
            disk.cut_after(dice.below(60) as u64);
        }
        wait(store.close()).unwrap();
    }
    let image = disk.image();
    drop(store);
    (image, ledger)
}

/// As the writer does it, by a second connection beside it.
fn checkpoint(dir: &Path, how: &str) {
    let db = opening::connect(dir, Role::Writer).unwrap();
    db.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |_| Ok(())).unwrap();
}

fn arrived(dir: &Path) -> rusqlite::Result<(u64, u64)> {
    let counters = Counters::load(&Connection::open(dir.join(DATABASE))?)?;
    Ok((counters.arrived, counters.trail.size(Log::Access)))
}

/// What is on the disk is what the first so many tasks made: at least those that were acknowledged. Gives how many.
fn check(image: &Image, tasks: &[Task], ledger: Ledger, dice: &mut Dice) -> usize {
    let dir = tempfile::tempdir().unwrap();
    image.restore(dir.path());
    let store = Arc::new(SqliteStore::open(dir.path(), way(dice.next())).unwrap());
    let shared: SharedStore = store.clone();
    let found = arrived(dir.path()).unwrap();
    let fits = |upto: &usize| {
        let made = made(&tasks[..*upto]);
        (made.arrived.len() as u64, made.records) == found
    };
    let upto = (ledger.acknowledged..=ledger.submitted).find(fits);
    let upto = upto.unwrap_or_else(|| panic!("{found:?} events and records, {ledger:?}: lost, or half a batch"));
    let made = made(&tasks[..upto]);

    let events = stored(&store);
    let ids: BTreeMap<EventId, u64> = events.iter().map(|it| (it.id, it.deliveries)).collect();
    assert_eq!(ids.len(), events.len(), "each once");
    for event in &events {
        contract::assert_same(event, &made.news[&event.id]);
    }
    assert_eq!(store.stats().events, events.len() as u64);
    assert_eq!(store.stats().quarantined, made.unreadable);
    match ledger.swept {
        None => assert_eq!(ids, made.events),
        Some(_) => assert!(ids.iter().all(|(id, deliveries)| made.events[id] == *deliveries)),
    }
    tail(&store, &made, &ids);
    sound(&shared);
    assert_eq!(assert_tree(&shared, Log::Trail).len(), made.deeds);
    lives_are_right(&store, dir.path(), &tasks[..upto], ledger, dice);

    // And it goes on: what was not acknowledged comes again, and more.
    let ack = |store: &SqliteStore| wait(store.append(to_batch(&[], 0))).unwrap().ack_id;
    assert_eq!(ack(&store), Some(made.acks), "acknowledgements count on");
    for task in &tasks[ledger.acknowledged..] {
        wait(submit(&store, task)).unwrap();
    }
    let all = self::made(tasks);
    for id in all.arrived.iter().filter(|id| ledger.swept.is_none() || !made.events.contains_key(id)) {
        assert!(store.event(*id).unwrap().is_some());
    }
    sound(&shared);
    drop(shared);
    wait(store.close()).unwrap();
    drop(store);
    let db = Connection::open(dir.path().join(DATABASE)).unwrap();
    let verdict: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    upto
}

fn tail(store: &SqliteStore, made: &Made, ids: &BTreeMap<EventId, u64>) {
    let page = store.tail(TailCursor::default(), 10_000).unwrap();
    assert!(!page.gap && !page.more);
    assert_eq!(page.next, store.tail_end().unwrap());
    let told: Vec<EventId> = page.events.iter().map(|(_, event)| event.id).collect();
    assert_eq!(told.len(), ids.len());
    let sorted: BTreeSet<EventId> = told.iter().copied().collect();
    assert!(sorted.iter().eq(ids.keys()));
    // Between commits the order is that of arrival.
    let place: BTreeMap<EventId, usize> = made.arrived.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    let mut commits: BTreeMap<u64, (usize, usize)> = BTreeMap::new();
    for (cursor, event) in &page.events {
        let place = place[&event.id];
        let (first, last) = commits.entry(cursor.commit).or_insert((place, place));
        (*first, *last) = ((*first).min(place), (*last).max(place));
    }
    let spans: Vec<_> = commits.into_values().collect();
    assert!(spans.windows(2).all(|pair| pair[0].1 < pair[1].0), "{spans:?}");
}

/// They equal a fold over what is stored, and the lives of a store that had the same events in peace.
fn lives_are_right(store: &SqliteStore, dir: &Path, tasks: &[Task], ledger: Ledger, dice: &mut Dice) {
    let peace = tempfile::tempdir().unwrap();
    let other = super::open(peace.path());
    let mut events = Vec::new();
    for task in tasks {
        wait(submit(&other, task)).unwrap();
        if let Task::Append { events: part, .. } = task {
            events.extend_from_slice(part);
        }
    }
    same(&other, store, [peace.path(), dir], &events);
    if ledger.swept.is_none() && dice.percent(30) {
        lives::check(store, dir);
    }
}

/// Names the seed of a round that fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the round with seed {} failed", self.0);
        }
    }
}

fn round(seed: u64) -> usize {
    let _named = Seed(seed);
    let mut dice = Dice::new(seed);
    let tasks = plan(&mut dice);
    let (mut image, mut from, mut cuts) = (None::<Image>, 0, 0);
    loop {
        let dir = tempfile::tempdir().unwrap();
        if let Some(image) = &image {
            image.restore(dir.path());
        }
        let (left, ledger) = live(dir.path(), &tasks, from, &mut dice, false);
        from = check(&left, &tasks, ledger, &mut dice);
        cuts += 1;
        // What is left is taken up, and the power goes again: perhaps while the log is read.
        if ledger.swept.is_some() || cuts == 3 || dice.percent(50) {
            return cuts;
        }
        image = Some(left);
    }
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let next = AtomicU64::new(0);
    let some = || {
        std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < rounds()))
            .map(round)
            .sum::<usize>()
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    let cuts: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(some)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
    });
    println!("{} rounds, {cuts} power cuts: nothing lost, nothing twice, nothing in halves", rounds());
}

#[test]
fn a_disk_that_lies_about_syncs_is_found_out() {
    let lost = (0..20).filter(|seed| {
        let mut dice = Dice::new(*seed);
        let tasks = plan(&mut dice);
        let dir = tempfile::tempdir().unwrap();
        let (image, ledger) = live(dir.path(), &tasks, 0, &mut dice, true);
        let left = tempfile::tempdir().unwrap();
        image.restore(left.path());
        let acknowledged = made(&tasks[..ledger.acknowledged]);
        let opened = SqliteStore::open(left.path(), options()).map(drop);
        opened.is_err() || arrived(left.path()).is_ok_and(|it| it.0 < acknowledged.arrived.len() as u64)
    });
    let lost = lost.count();
    assert!(lost >= 5, "only {lost} of 20 rounds without syncs lost something: the test would not see it");
}
