//! Rows become blocks and blocks rows, and nobody can tell from any answer.

use super::{
    lives::{account, dump, pretty, settle, stored},
    *,
};
use crate::{
    audit::Log,
    model::{EventId, StoredEvent},
    store::{
        EventFilter, EventQuery, Order, TailCursor,
        contract::trail::deed,
        sqlite::{
            DATABASE, Kept, Layout, Migrated, Places, Watch,
            job::Job,
            names::Names,
            open::{self, Role},
            sealed::absorb::{self, Size},
            shrink,
        },
    },
};
use rusqlite::Connection;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::oneshot;

/// Small enough for many slices.
const SIZE: Size = Size { rows: 150, bytes: 64 << 10 };

fn open_as(dir: &Path, layout: Layout) -> SqliteStore {
    SqliteStore::open(dir, SqliteOptions { layout, ..options() }).unwrap()
}

fn migrate(store: &SqliteStore, to: Layout) -> Migrated {
    let stop = AtomicBool::new(false);
    store.migrate_by(SIZE, to, true, Watch { stop: &stop, tell: &mut |_| {} }).unwrap()
}

fn places(dir: &Path) -> Places {
    Places::of(&Connection::open(dir.join(DATABASE)).unwrap()).unwrap()
}

/// A body that is too large for a block.
fn large(n: i64) -> NewEvent {
    let mut event = contract::sample(n);
    event.raw = format!("no object {}", "x".repeat(40_000 + n as usize));
    event
}

/// Everything that makes events differ from each other.
fn all_sorts() -> Vec<NewEvent> {
    let mut events = account(11, 4, 200, 900, 1_000);
    events.extend((0..120).map(contract::sample));
    events.extend((200..204).map(large));
    events.extend((0..20).map(deed));
    for (at, event) in events.iter_mut().enumerate() {
        if at % 50 == 7 {
            event.event.exception_id = Some(format!("exception {at}"));
        }
        if at % 60 == 9 {
            event.secret_digest = Some(at as u64);
        }
    }
    events
}

/// As another road would bring them: with the name of the connection, by another token, louder.
fn again(events: &[NewEvent], every: usize) -> Vec<NewEvent> {
    let some = events.iter().step_by(every).filter(|event| event.event.connection_id.is_some());
    some.cloned()
        .map(|mut event| {
            event.event.connection_name = Some("told later".into());
            event.event.destination = Some("another".into());
            event
        })
        .collect()
}

/// Every answer about events.
fn answers(store: &SqliteStore, events: &[NewEvent]) -> Vec<StoredEvent> {
    let all = stored(store);
    let ask = |filter: EventFilter, order| {
        let query = EventQuery { filter, order, after: None, limit: 1000 };
        store.events(&query).unwrap().events
    };
    let by_key: Vec<_> = all.iter().map(|it| it.id).collect();
    assert!(by_key.is_sorted());
    for event in events {
        let found = store.event(EventId(event.key)).unwrap().unwrap();
        assert!(all.contains(&found));
    }
    let level = EventFilter { level: Some(Level::Warning), ..EventFilter::default() };
    let one = EventFilter { connection_id: Some("conn_1".into()), ..EventFilter::default() };
    let invalid = EventFilter { validation: Some(Status::Invalid), ..EventFilter::default() };
    let tail = store.tail(TailCursor::default(), 100_000).unwrap().events.into_iter().map(|(_, event)| event);
    let parts = [level, one, invalid].into_iter().flat_map(|filter| ask(filter, Order::Desc));
    all.iter().cloned().chain(parts).chain(tail).collect()
}

fn rows_and_a_copy() -> (tempfile::TempDir, Vec<NewEvent>, Vec<StoredEvent>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open_as(dir.path(), Layout::Rows);
    let events = all_sorts();
    events.chunks(300).for_each(|part| drop(append(&store, part.to_vec()).unwrap()));
    append(&store, again(&events, 13)).unwrap();
    settle(&store);
    let answered = answers(&store, &events);
    wait(store.close()).unwrap();
    (dir, events, answered)
}

#[test]
fn rows_become_blocks_and_every_answer_stays() {
    let (dir, events, before) = rows_and_a_copy();
    let (lives, was) = (dump(dir.path()), places(dir.path()));
    let store = open_as(dir.path(), Layout::Sealed);
    let count = store.stats().events;
    let done = migrate(&store, Layout::Sealed);
    assert_eq!((done.moved, done.kept), (count - 4, Kept { large: 4, ..Kept::default() }));
    assert!(done.finished && done.digest.is_some());
    assert_eq!((done.before.rows, done.after.rows, done.after.block_events), (count, 4, count - 4));
    assert!(done.after.blocks < 60, "{} blocks", done.after.blocks);
    assert_eq!((store.stats().blocks, store.stats().block_events), (done.after.blocks, count - 4));
    assert_eq!(answers(&store, &events), before);
    settle(&store);
    pretty(&lives, &dump(dir.path()));
    assert_eq!(migrate(&store, Layout::Sealed).moved, 0, "once");
    // Known events are known, a new one is stored.
    append(&store, events.clone()).unwrap();
    assert_eq!(store.stats().events, count);
    append(&store, vec![contract::sample(3_000)]).unwrap();
    assert_eq!(store.stats().events, count + 1);
    let shared: SharedStore = Arc::new(store);
    contract::trail::assert_tree(&shared, Log::Trail);
    drop(shared);
    assert!(places(dir.path()).used_bytes < was.used_bytes);
    // After a restart, and back.
    let store = open_as(dir.path(), Layout::Rows);
    let now = answers(&store, &events);
    let done = migrate(&store, Layout::Rows);
    assert_eq!((done.after.rows, done.after.blocks, done.after.journal_events), (count + 1, 0, 0));
    assert_eq!(answers(&store, &events), now);
    let marks = Connection::open(dir.path().join(DATABASE)).unwrap();
    let marks: i64 = marks.query_row("SELECT count(*) FROM notable", [], |row| row.get(0)).unwrap();
    assert_eq!(marks, 0, "rows have an index of their own");
}

#[test]
fn it_goes_on_where_it_was_stopped() {
    let (dir, events, before) = rows_and_a_copy();
    let (mut runs, mut moved) = (0, 0);
    loop {
        let store = open_as(dir.path(), Layout::Sealed);
        let stop = AtomicBool::new(false);
        // One slice in each life of the store.
        let mut tell = |_| stop.store(true, Ordering::Relaxed);
        let done = store.migrate_by(SIZE, Layout::Sealed, false, Watch { stop: &stop, tell: &mut tell }).unwrap();
        (runs, moved) = (runs + 1, moved + done.moved);
        assert_eq!(answers(&store, &events), before, "after {runs} slices");
        if done.moved == 0 {
            break;
        }
        assert!(!done.finished);
    }
    assert!(runs > 5, "{runs}");
    assert_eq!((moved, places(dir.path()).rows), (places(dir.path()).block_events, 4));
}

/// A slice, read and not applied yet.
fn slice(store: &SqliteStore, dir: &Path, size: Size) -> absorb::Slice {
    let db = open::connect(dir, Role::Reader).unwrap();
    let names = Names::new(Arc::clone(&store.shared.names.stock));
    absorb::slice(&db, &names, EventKey::FIRST, size).unwrap()
}

fn apply(store: &SqliteStore, slice: absorb::Slice) -> bool {
    let (reply, answer) = oneshot::channel();
    let job = Job::Seal { seal: Box::new(slice.seal), generation: None, reply };
    store.shared.queue.push_first(job).unwrap();
    answer.blocking_recv().unwrap().unwrap()
}

#[test]
fn a_row_that_changes_between_reading_and_writing_stays() {
    let (dir, events, _) = rows_and_a_copy();
    let store = open_as(dir.path(), Layout::Sealed);
    let count = store.stats().events;
    let all = Size { rows: 10_000, bytes: 1 << 30 };
    let read = slice(&store, dir.path(), all);
    assert_eq!(read.moved, count - 4);
    let mut changed = events[5].clone();
    changed.event.connection_name = Some("a name that nobody knew".into());
    append(&store, vec![changed]).unwrap();
    let before = answers(&store, &events);
    assert!(!apply(&store, read));
    assert_eq!((places(dir.path()).rows, places(dir.path()).blocks), (count, 0), "nothing of it was done");
    assert_eq!(answers(&store, &events), before);
    assert!(apply(&store, slice(&store, dir.path(), all)));
    assert_eq!(places(dir.path()).rows, 4);
    assert_eq!(answers(&store, &events), before);
    let seen = store.event(EventId(events[5].key)).unwrap().unwrap();
    assert_eq!(seen.event.connection_name.as_deref(), Some("a name that nobody knew"));
}

#[test]
fn a_slice_whose_commit_fails_leaves_everything_as_it_was() {
    let (dir, events, before) = rows_and_a_copy();
    let store = open_as(dir.path(), Layout::Sealed);
    let count = places(dir.path()).rows;
    // Both wait while the writer is busy, and share a transaction; alone, each has its own.
    let busy = store.append(batch((5_000..9_000).map(|n| contract::sample(n * 61)).collect()));
    let (reply, failed) = oneshot::channel();
    store.shared.queue.push(Job::Fail { panic: false, reply }, 0).unwrap();
    assert!(apply(&store, slice(&store, dir.path(), SIZE)));
    assert!(wait(busy).is_ok() && wait(failed).unwrap().is_err());
    assert_eq!(places(dir.path()).rows, count - 150);
    let new: Vec<_> = answers(&store, &events);
    assert!(before.iter().take(1000).all(|event| new.contains(event)));
    // What was read before a block left is not written.
    let (first, second) = (slice(&store, dir.path(), SIZE), slice(&store, dir.path(), SIZE));
    assert!(apply(&store, first) && !apply(&store, second));
    assert_eq!(places(dir.path()).rows, count - 300);
}

/// What was changed after it was sealed stands as a row for its event; one of them looks worse than before, one better.
#[test]
fn changed_events_go_back_into_their_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_as(dir.path(), Layout::Sealed);
    let mut events = all_sorts();
    let [quiet, loud] = [1, 7].map(|n| events.iter().position(|it| it.key == contract::sample(n).key).unwrap());
    assert_eq!((events[quiet].event.level, events[loud].event.level), (Level::Info, Level::Warning));
    events[quiet].verdict.status = Status::Valid;
    append(&store, events.clone()).unwrap();
    migrate(&store, Layout::Sealed);
    let mut changed = again(&events, 5);
    for (at, level) in [(quiet, Level::Severe), (loud, Level::Info)] {
        let mut event = events[at].clone();
        (event.event.level, event.event.level_given) = (level, true);
        changed.push(event);
    }
    append(&store, changed).unwrap();
    let (was, before) = (places(dir.path()), answers(&store, &events));
    assert!(was.rows > 200 && was.block_events == store.stats().events - 4, "{was:?}");
    let notable = |store: &SqliteStore| {
        let ask = |level| EventFilter { level: Some(level), ..EventFilter::default() };
        let query = |level| EventQuery { filter: ask(level), order: Order::Asc, after: None, limit: 1000 };
        [Level::Warning, Level::Severe].map(|level| store.events(&query(level)).unwrap().events)
    };
    let seen = notable(&store);
    assert!(seen[1].iter().any(|it| it.id.0 == events[quiet].key));
    assert!(!seen[0].iter().any(|it| it.id.0 == events[loud].key));
    let done = migrate(&store, Layout::Sealed);
    assert_eq!((done.after.rows, done.after.block_events), (4, was.block_events), "only large ones are left");
    assert_eq!((answers(&store, &events), notable(&store)), (before, seen));
    let marks = Connection::open(dir.path().join(DATABASE)).unwrap();
    let marked = |at: usize| {
        let key = events[at].key;
        let sql = "SELECT count(*) FROM notable WHERE created = ?1 AND hash = ?2";
        marks.query_row(sql, [key.created_us, key.hash], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!((marked(quiet), marked(loud)), (1, 0));
}

/// Two roads bring the same events within minutes: what the second adds does not stay beside the block.
#[test]
fn sealing_takes_the_rows_that_count_in_the_place_of_its_events() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_as(dir.path(), Layout::Sealed);
    let events = all_sorts();
    append(&store, events.clone()).unwrap();
    append(&store, again(&events, 3)).unwrap();
    let before = answers(&store, &events);
    assert!(places(dir.path()).rows > 300);
    let (done, sealed) = oneshot::channel();
    store.shared.bell.seal_all(done);
    sealed.blocking_recv().unwrap();
    assert_eq!((places(dir.path()).rows, places(dir.path()).journal_events), (4, 0));
    assert_eq!(answers(&store, &events), before);
}

#[test]
fn a_damaged_row_stays_and_is_counted() {
    let (dir, events, _) = rows_and_a_copy();
    let db = Connection::open(dir.path().join(DATABASE)).unwrap();
    let key = events[3].key;
    db.execute("UPDATE event SET body = x'07' WHERE created = ?1 AND hash = ?2", [key.created_us, key.hash]).unwrap();
    drop(db);
    let store = open_as(dir.path(), Layout::Sealed);
    let done = migrate(&store, Layout::Sealed);
    assert_eq!(done.kept, Kept { large: 4, damaged: 1, newest: 0 });
    assert_eq!(done.after.rows, 5);
}

/// Records of an older version do not tell the connection of their event.
#[test]
fn audit_records_learn_the_connection_of_their_event() {
    let (dir, _, _) = rows_and_a_copy();
    let db = Connection::open(dir.path().join(DATABASE)).unwrap();
    db.execute("UPDATE audit SET conn = NULL", []).unwrap();
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let of_events = count("SELECT count(*) FROM audit WHERE event_created IS NOT NULL");
    assert!(of_events >= 20);
    let store = open_as(dir.path(), Layout::Sealed);
    migrate(&store, Layout::Sealed);
    assert_eq!(count("SELECT count(*) FROM audit WHERE conn IS NOT NULL"), of_events);
    let shared: SharedStore = Arc::new(store);
    assert_eq!(shared.trail().size(Log::Trail).unwrap() as i64, of_events);
    contract::trail::assert_tree(&shared, Log::Trail);
}

#[test]
fn a_file_shrinks_to_what_it_holds() {
    let (dir, events, before) = rows_and_a_copy();
    let store = open_as(dir.path(), Layout::Sealed);
    migrate(&store, Layout::Sealed);
    let stop = Arc::new(AtomicBool::new(false));
    let in_use = shrink(dir.path(), &stop).unwrap_err().to_string();
    assert!(in_use.contains("is in use"), "{in_use}");
    wait(store.close()).unwrap();
    drop(store);
    let was = places(dir.path());
    assert!(was.free_bytes > 0);
    stop.store(true, Ordering::Relaxed);
    assert_eq!(shrink(dir.path(), &stop).unwrap_err().to_string(), "stopped; the file is as it was");
    assert_eq!(places(dir.path()), was);
    stop.store(false, Ordering::Relaxed);
    let shrunk = shrink(dir.path(), &stop).unwrap();
    assert_eq!(shrunk.before, was.used_bytes + was.free_bytes);
    let is = places(dir.path());
    assert!(is.free_bytes == 0 && is.used_bytes == shrunk.after && shrunk.after < shrunk.before);
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("etilqs")), "{left:?}");
    let store = open_as(dir.path(), Layout::Sealed);
    assert_eq!(answers(&store, &events), before);
}
