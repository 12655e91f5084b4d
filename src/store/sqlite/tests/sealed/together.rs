//! What shares a transaction with sealing, and what fails beside it.

use super::{
    super::vfs::{self, Fault, Kind, Mounted},
    *,
};
use crate::store::{
    Trail as _,
    sqlite::{retention::Sweep, trail::Work, writer::Job},
};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// A store whose next commits wait until the disk is let go, with events in blocks and others in the journal.
struct Held {
    store: SqliteStore,
    mounted: Mounted,
    dir: tempfile::TempDir,
}

impl Held {
    fn new(sealed: std::ops::Range<i64>, newest: std::ops::Range<i64>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mounted = vfs::mount(dir.path(), 1);
        let store = super::super::open(dir.path());
        for n in sealed {
            append(&store, vec![contract::sample(n)]).unwrap();
            assert!(seal(&store));
        }
        append(&store, newest.map(contract::sample).collect()).unwrap();
        Self { store, mounted, dir }
    }

    /// Does something while the writer waits for the disk, so that all of it shares a transaction. So many jobs come of it.
    fn share(&self, jobs: usize, what: impl FnOnce(&SqliteStore)) {
        self.mounted.disk.hold();
        let first = self.store.set_meta("a", vec![1]);
        self.mounted.disk.await_held();
        what(&self.store);
        let until = Instant::now() + Duration::from_secs(20);
        while self.store.shared.queue.len() < jobs && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(self.store.shared.queue.len(), jobs);
        self.mounted.disk.release();
        wait(first).unwrap();
    }

    #[track_caller]
    fn holds(&self, numbers: impl Iterator<Item = i64>) {
        let mut expected: Vec<EventKey> = numbers.map(|n| contract::sample(n).key).collect();
        expected.sort();
        expected.dedup();
        let found: Vec<EventKey> = all(&self.store).iter().map(|it| it.id.0).collect();
        assert_eq!(found, expected);
        in_one_place(self.dir.path(), expected.len() as u64);
    }
}

/// Blocks come although what shared their transaction fails, and nothing stands twice or in the way of the next.
#[test]
fn sealing_beside_a_job_that_fails_is_done_alone() {
    let held = Held::new(0..7, 7..40);
    let (reply, failed) = oneshot::channel();
    let (done, sealed) = oneshot::channel();
    let (mut beside, mut changed) = (None, None);
    held.share(4, |store| {
        store.shared.bell.seal_all(done);
        let until = Instant::now() + Duration::from_secs(20);
        while store.shared.queue.len() < 1 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        store.shared.queue.push(Job::Fail { panic: false, reply }, 0).unwrap();
        beside = Some(store.append(batch(vec![contract::sample(50), contract::sample(8)])));
        // Changes one of a block that goes for the sake of another.
        let mut new = contract::sample(2);
        new.event.connection_name = Some("changed".into());
        changed = Some(store.append(batch(vec![new])));
    });
    assert!(wait(failed).unwrap().is_err());
    let outcomes = wait(beside.unwrap()).unwrap().outcomes;
    assert_eq!(outcomes, [Outcome::Stored(contract::sample(50).key), Outcome::Duplicate(contract::sample(8).key)]);
    assert_eq!(wait(changed.unwrap()).unwrap().outcomes, [Outcome::Duplicate(contract::sample(2).key)]);
    assert_eq!(sealed.blocking_recv(), Ok(()), "what was asked for is done");
    held.holds((0..40).chain([50]));
    assert!(seal(&held.store));
    assert_eq!(tiers(held.dir.path()).0, 0, "and goes on");
    held.holds((0..40).chain([50]));
    let changed = held.store.event(EventId(contract::sample(2).key)).unwrap().unwrap();
    assert_eq!((changed.deliveries, changed.event.connection_name.as_deref()), (2, Some("changed")));
}

/// What retention takes out of a block and what comes again in the same commit: it is stored, not called a duplicate of what goes.
#[test]
fn what_comes_again_in_the_commit_that_removes_it_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let mounted = vfs::mount(dir.path(), 1);
    let mut store = super::super::open(dir.path());
    let events = super::super::lives::account(5, 2, 200, 500, 1);
    append(&store, events.clone()).unwrap();
    assert!(seal(&store));
    // Without states of lives nothing can be swept.
    wait(store.close()).unwrap();
    drop(store);
    store = super::super::open(dir.path());
    let before = events.last().unwrap().key.created_us + 1;
    mounted.disk.hold();
    let first = store.set_meta("a", vec![1]);
    mounted.disk.await_held();
    let (reply, swept) = oneshot::channel();
    let sweep = Sweep { before, after: 0, key: None };
    store.shared.queue.push(Job::Trail { work: Box::new(Work::Sweep(sweep)), reply }, 0).unwrap();
    let again = store.append(batch(events.clone()));
    mounted.disk.release();
    wait(first).unwrap();
    assert!(wait(swept).unwrap().is_ok());
    for (outcome, new) in wait(again).unwrap().outcomes.into_iter().zip(&events) {
        let (Outcome::Stored(key) | Outcome::Duplicate(key)) = outcome;
        assert_eq!(key, new.key);
        assert!(store.event(EventId(key)).unwrap().is_some(), "it was acknowledged");
    }
    assert_eq!(store.stats().events, events.len() as u64);
    in_one_place(dir.path(), events.len() as u64);
}

/// Memory holds what is committed and nothing else.
#[test]
fn a_commit_that_fails_leaves_nothing_in_memory() {
    let held = Held::new(0..3, 3..5);
    for kind in [Kind::Write, Kind::Sync] {
        held.mounted.disk.fail(Some(Fault { kind, at: 0, code: kind.errors()[0], lasts: true }));
        for n in 5..8 {
            assert!(append(&held.store, vec![contract::sample(n)]).is_err());
        }
        held.mounted.disk.fail(None);
        let _ = wait(held.store.set_meta("a", vec![2]));
        held.holds(0..5);
    }
    let outcomes = append(&held.store, (3..8).map(contract::sample).collect()).unwrap().outcomes;
    let stored = outcomes.iter().map(|it| matches!(it, Outcome::Stored(_))).collect::<Vec<_>>();
    assert_eq!(stored, [false, false, true, true, true]);
    held.holds(0..8);
    assert!(seal(&held.store));
    held.holds(0..8);
}

/// What fails while blocks are written leaves the journal as it was, and the next attempt makes them.
#[test]
fn sealing_that_fails_is_done_later() {
    for kind in [Kind::Write, Kind::Sync] {
        let held = Held::new(0..9, 9..30);
        held.mounted.disk.fail(Some(Fault { kind, at: 0, code: kind.errors()[0], lasts: true }));
        assert!(!seal(&held.store), "it cannot be done now");
        held.mounted.disk.fail(None);
        let until = Instant::now() + Duration::from_secs(20);
        while !seal(&held.store) {
            assert!(Instant::now() < until, "sealing goes on");
        }
        assert_eq!(tiers(held.dir.path()).0, 0);
        held.holds(0..30);
    }
}

/// Two senders of one event: a duplicate is answered when the first is on disk, not before.
#[test]
fn a_duplicate_is_answered_after_the_original_is_on_disk() {
    let held = Held::new(0..0, 0..1);
    held.mounted.disk.hold();
    let original = held.store.append(batch(vec![contract::sample(7)]));
    held.mounted.disk.await_held();
    let duplicate = held.store.append(batch(vec![contract::sample(7)]));
    let (told, answer) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || told.send(wait(duplicate).unwrap().outcomes));
        assert!(answer.recv_timeout(Duration::from_millis(200)).is_err(), "nothing is promised yet");
        assert_eq!(held.store.event(EventId(contract::sample(7).key)), Ok(None), "nor shown");
        held.mounted.disk.release();
        assert_eq!(wait(original).unwrap().outcomes, [Outcome::Stored(contract::sample(7).key)]);
        assert_eq!(answer.recv().unwrap(), [Outcome::Duplicate(contract::sample(7).key)]);
    });
}

/// An event that was changed while it was in the journal keeps the change when retention passes by.
#[test]
fn retention_leaves_changes_of_what_it_cannot_remove_yet() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = super::super::open(dir.path());
    let events = super::super::lives::account(5, 2, 200, 500, 1);
    append(&store, events.clone()).unwrap();
    let named = |new: &NewEvent| {
        let mut new = new.clone();
        new.event.connection_name = Some("changed".into());
        new
    };
    append(&store, events.iter().map(named).collect()).unwrap();
    wait(store.close()).unwrap();
    drop(store);
    store = super::super::open(dir.path());
    let before = events.last().unwrap().key.created_us + 1;
    let (reply, swept) = oneshot::channel();
    let sweep = Sweep { before, after: 0, key: None };
    store.shared.queue.push(Job::Trail { work: Box::new(Work::Sweep(sweep)), reply }, 0).unwrap();
    assert!(wait(swept).unwrap().is_ok());
    let left = all(&store);
    assert_eq!(left.len(), events.len(), "nothing is cut out of the journal");
    assert!(left.iter().all(|it| it.event.connection_name.as_deref() == Some("changed")));
    assert!(wait(store.sweep(before)).unwrap() > 0, "in blocks it can be");
    in_one_place(dir.path(), store.stats().events);
    assert_eq!(all(&store).len() as u64, store.stats().events);
}

/// Whoever stops the service does not wait for blocks to be made.
#[test]
fn closing_does_not_wait_for_what_is_to_be_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let store = super::super::open(dir.path());
    for n in 0..40 {
        append(&store, vec![contract::sample(n)]).unwrap();
    }
    drop(store);
    let store = SqliteStore::open(dir.path(), sealing(1)).unwrap();
    append(&store, vec![contract::sample(40)]).unwrap();
    let began = Instant::now();
    drop(store);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let store = super::super::open(dir.path());
    assert_eq!(all(&store).len(), 41);
    in_one_place(dir.path(), 41);
}
