//! A disk that fails: once or from then on, in the middle of whatever SQLite asks of it.
//!
//! One history is worked off again and again, each time with another operation failing. An answer is a promise all the same: what was
//! acknowledged is there, what failed is there whole or not at all, and the store goes on when the disk does.

use super::{
    lives,
    power::{self, Task, made, submit},
    trail::sound,
    vfs::{self, Dice, Disk, Fault, Kind},
    *,
};
use crate::{
    model::EventId,
    store::{
        EventFilter, EventQuery, Lives as _, Order,
        sqlite::{
            DATABASE, OpenError,
            open::{Role, connect},
        },
    },
};
use rusqlite::Connection;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// Tasks and the events of all of them.
struct Script {
    tasks: Vec<Task>,
    ids: BTreeSet<EventId>,
}

impl Script {
    fn new() -> Self {
        let mut dice = Dice::new(3);
        let mut tasks = Vec::new();
        while tasks.len() < 8 {
            tasks = power::plan(&mut dice);
        }
        tasks.truncate(10);
        let ids = made(&tasks).arrived.into_iter().collect();
        Self { tasks, ids }
    }
}

fn events_of(task: &Task) -> &[NewEvent] {
    match task {
        Task::Append { events, .. } => events,
        Task::Record(_) => &[],
    }
}

fn there(store: &SqliteStore) -> Result<BTreeSet<EventId>, StoreError> {
    let query = EventQuery { filter: EventFilter::default(), order: Order::Asc, after: None, limit: 1000 };
    let page = store.events(&query)?;
    assert_eq!(page.next, None);
    Ok(page.events.into_iter().map(|event| event.id).collect())
}

/// What became of a task.
#[derive(Debug, Clone, PartialEq)]
enum End {
    Acknowledged,
    Failed(StoreError),
}

/// Everything acknowledged is there, and of what failed all or nothing.
fn promises_are_kept(ids: &BTreeSet<EventId>, tasks: &[Task], ends: &[End]) {
    let mut known = BTreeSet::new();
    for (task, _) in tasks.iter().zip(ends).filter(|(_, end)| **end == End::Acknowledged) {
        known.extend(events_of(task).iter().map(|new| EventId(new.key)));
    }
    let missing = known.difference(ids).count();
    assert_eq!(missing, 0, "acknowledged events are missing");
    for (task, end) in tasks.iter().zip(ends).filter(|(_, end)| **end != End::Acknowledged) {
        let own = events_of(task).iter().map(|new| EventId(new.key)).filter(|id| !known.contains(id));
        let own: Vec<bool> = own.map(|id| ids.contains(&id)).collect();
        assert!(own.windows(2).all(|pair| pair[0] == pair[1]), "half a batch: {end:?}");
    }
}

/// Opens a store; with a disk that fails for good, after it was mended.
fn start(dir: &Path, disk: &Disk, seed: u64) -> SqliteStore {
    for _ in 0..100 {
        match SqliteStore::open(dir, way(seed)) {
            Ok(store) => return store,
            // Another test begins a process, which holds the lock until it is that other program.
            Err(OpenError::LockedBy { .. }) => std::thread::sleep(Duration::from_millis(20)),
            Err(error) => {
                assert!(disk.failed() > 0, "{error}");
                disk.fail(None);
            }
        }
    }
    panic!("does not open on a sound disk");
}

/// Works the script off while something fails. Gives how often it did.
fn run(script: &Script, fault: Option<Fault>, seed: u64, thorough: bool) -> (u64, Vec<u64>) {
    let dir = tempfile::tempdir().unwrap();
    let mounted = vfs::mount(dir.path(), seed);
    let disk = &mounted.disk;
    disk.fail(fault);
    let mut store = start(dir.path(), disk, seed);
    let tasks = &script.tasks;
    let mut ends: Vec<End> = Vec::new();
    for (at, task) in tasks.iter().enumerate() {
        if at + 3 == tasks.len() {
            // Whatever lasted is over.
            disk.fail(None);
            let answer = wait(submit(&store, &Task::Append { events: Vec::new(), unreadable: 0 }));
            assert_eq!(answer, Ok(()), "the disk is sound again");
            assert_eq!(store.stats().write_error, None);
        }
        let answer = wait(submit(&store, task));
        ends.push(answer.map_or_else(End::Failed, |()| End::Acknowledged));
        // An answer to a question is right or an error, never less than was promised.
        if let Ok(ids) = there(&store) {
            promises_are_kept(&ids, &tasks[..=at], &ends);
        }
        match at % 4 {
            1 => {
                if let Ok(db) = connect(dir.path(), Role::Writer) {
                    let _ = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
                }
            }
            2 => {
                drop(wait(store.settle(None)));
                seal(&store);
            }
            3 => {
                let _ = wait(store.close());
                drop(store);
                store = start(dir.path(), disk, seed);
            }
            _ => {}
        }
    }
    let failed = disk.failed();
    assert!(failed > 0 || ends.iter().all(|end| *end == End::Acknowledged), "{ends:?}");
    promises_are_kept(&there(&store).unwrap(), tasks, &ends);
    // A sender repeats what failed.
    for (task, _) in tasks.iter().zip(&ends).filter(|(_, end)| **end != End::Acknowledged) {
        assert_eq!(wait(submit(&store, task)), Ok(()));
    }
    assert_eq!(there(&store).unwrap(), script.ids);
    let counts = Kind::ALL.map(|kind| disk.count(kind)).to_vec();
    // The system may have forgotten what a failed sync left behind; a power cut must not bring that to light.
    let left = tempfile::tempdir().unwrap();
    disk.image().restore(left.path());
    if !thorough {
        assert_eq!(there(&super::open(left.path())).unwrap(), script.ids);
    }
    let _ = wait(store.close());
    drop(store);
    drop(mounted);
    if thorough {
        for dir in [dir.path(), left.path()] {
            let store = Arc::new(super::open(dir));
            lives::check(&store, dir);
            assert_eq!(there(&store).unwrap(), script.ids);
            assert_eq!(store.stats().events, script.ids.len() as u64);
            let shared: SharedStore = store;
            sound(&shared);
            drop(shared);
            let db = Connection::open(dir.join(DATABASE)).unwrap();
            let verdict: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!(verdict, "ok");
        }
    }
    (failed, counts)
}

#[test]
fn whatever_fails_an_answer_is_a_promise() {
    let script = Script::new();
    let (_, counts) = run(&script, None, 0, true);
    let each = (power::rounds() / 25).max(1);
    let (mut runs, mut hits) = (0, 0);
    for (kind, count) in Kind::ALL.into_iter().zip(counts) {
        for code in kind.errors() {
            for lasts in [false, true] {
                let step = count.div_ceil(each).max(1);
                for at in (runs % step..count).step_by(step as usize) {
                    let fault = Fault { kind, at, code: *code, lasts };
                    eprintln!("{fault:?}, seed {runs}");
                    hits += u64::from(run(&script, Some(fault), runs, runs % 4 == 0).0 > 0);
                    runs += 1;
                }
            }
        }
    }
    println!("{runs} runs, in {hits} of them something failed: no promise broken");
    // Some of those operations come when whatever lasted is over.
    assert!(hits * 2 > runs, "only {hits} of {runs}");
}

/// `cargo test --release --lib a_disk_that_takes_its_time -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn a_disk_that_takes_its_time() {
    for sync_ms in [0, 5, 20] {
        for senders in [1, 64, 256] {
            let dir = tempfile::tempdir().unwrap();
            let mounted = vfs::mount(dir.path(), 0);
            let store = super::open(dir.path());
            append(&store, vec![contract::sample(0)]).unwrap();
            mounted.disk.slow(Duration::from_millis(sync_ms));
            let start = Instant::now();
            let done: u64 = std::thread::scope(|scope| {
                let one = |sender: i64| {
                    let store = &store;
                    move || {
                        let mut done = 0;
                        while start.elapsed() < Duration::from_secs(3) {
                            let mut new = contract::sample(sender);
                            new.key.hash ^= (done as i64 + 1) << 20;
                            append(store, vec![new]).unwrap();
                            done += 1;
                        }
                        done
                    }
                };
                let threads: Vec<_> = (0..senders).map(|sender| scope.spawn(one(sender))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).sum()
            });
            let took = start.elapsed().as_secs_f64();
            let commits = store.stats().commits as f64;
            println!(
                "sync {sync_ms} ms, {senders} senders: {:.0} appends/s, {:.0} commits/s",
                done as f64 / took,
                commits / took
            );
        }
    }
}
