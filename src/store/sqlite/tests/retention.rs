//! Old detail of syncs goes, lives stay.

use super::{
    lives::{account, dump, pretty, settle, timeline},
    *,
};
use crate::{
    audit::Log,
    model::{EventId, Micros},
    store::{Lives as _, Trail as _, contract::trail::deed, sqlite::DATABASE},
};
use proptest::prelude::*;
use rusqlite::Connection;
use std::collections::BTreeSet;

fn base(dir: &Path, id: &str) -> Option<Micros> {
    let db = Connection::open(dir.join(DATABASE)).unwrap();
    let sql = "SELECT max(at) FROM life_base JOIN connection ON id = conn WHERE connection_id = ?1";
    db.query_row(sql, [id], |row| row.get(0)).unwrap()
}

fn ids(events: &[NewEvent]) -> BTreeSet<&str> {
    events.iter().filter_map(|it| it.event.connection_id.as_deref()).collect()
}

/// Every answer about connections now, of both stores.
#[track_caller]
pub(super) fn same(one: &SqliteStore, other: &SqliteStore, dirs: [&Path; 2], events: &[NewEvent]) {
    for id in ids(events) {
        assert_eq!(timeline(one, id, None, 10_000), timeline(other, id, None, 10_000), "{id}");
    }
    settle(one);
    settle(other);
    pretty(&dump(dirs[0]), &dump(dirs[1]));
    for id in ids(events) {
        assert_eq!(timeline(one, id, None, 10_000), timeline(other, id, None, 10_000), "{id}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    /// A store from which detail was removed answers like one from which nothing was: at once, after more events, after a rebuild
    /// and after a restart.
    #[test]
    fn lives_do_not_change_when_detail_goes(seed in any::<u64>(), cut in 300_usize..1200, late in 0_usize..300) {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let paths = [dirs[0].path(), dirs[1].path()];
        let open = |dir: &Path| SqliteStore::open(dir, way(seed)).unwrap();
        let [mut control, mut swept] = paths.map(open);
        let events = account(seed % 1000, 4, 200, 1800, 1_000_000);
        let before = events[cut.min(events.len() - 1)].key.created_us;
        // Some that are later than the cut arrive long after it.
        let (mut first, mut rest) = (Vec::new(), Vec::new());
        for (at, event) in events.iter().enumerate() {
            if at < 1400 && !(event.key.created_us > before && at % 300 == late) { &mut first } else { &mut rest }.push(event.clone());
        }
        for store in [&control, &swept] {
            first.chunks(150).for_each(|part| drop(append(store, part.to_vec()).unwrap()));
        }
        // Where the states of all connections are kept.
        for (store, path) in [&mut control, &mut swept].into_iter().zip(paths) {
            wait(store.close()).unwrap();
            *store = open(path);
        }
        wait(swept.sweep(before)).unwrap();
        prop_assert_eq!(wait(swept.sweep(before)).unwrap(), 0, "once");
        same(&control, &swept, paths, &events);
        let removed = control.stats().events - swept.stats().events;
        for event in &first {
            let gone = swept.event(EventId(event.key)).unwrap().is_none();
            let level = event.event.level;
            prop_assert!(!gone || event.key.created_us <= before && level == Level::Info, "{:?}", event.event.name);
            prop_assert!(!gone || !["sync_start", "sync_end", "warning", "error"].contains(&&*event.event.name));
        }
        for store in [&control, &swept] {
            rest.chunks(100).for_each(|part| drop(append(store, part.to_vec()).unwrap()));
        }
        same(&control, &swept, paths, &events);
        wait(swept.rebuild()).unwrap();
        same(&control, &swept, paths, &events);
        // As if other rules had made what is there.
        for store in [&control, &swept] {
            wait(store.set_meta("fold_version", 1_i64.to_le_bytes().to_vec())).unwrap();
        }
        for (store, path) in [&mut control, &mut swept].into_iter().zip(paths) {
            wait(store.close()).unwrap();
            *store = open(path);
        }
        same(&control, &swept, paths, &events);
        prop_assert_eq!(control.stats().events - swept.stats().events, removed);
        for id in ids(&events) {
            let Some(base) = base(paths[1], id) else { continue };
            prop_assert!(base <= before);
            prop_assert_eq!(timeline(&control, id, Some(base), 10_000), timeline(&swept, id, Some(base), 10_000));
            prop_assert_eq!(swept.connection(id.into(), Some(base - 1)), Err(StoreError::Removed { from: base }));
            prop_assert!(control.connection(id.into(), Some(base - 1)).is_ok());
        }
    }
}

#[test]
fn detail_goes_and_what_matters_stays() {
    (0..WAYS).for_each(detail_goes);
}

fn detail_goes(number: u64) {
    let open = |dir: &Path| SqliteStore::open(dir, way(number)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let events = account(5, 3, 200, 1500, 1);
    append(&store, events.clone()).unwrap();
    append(&store, events.clone()).unwrap();
    append(&store, (0..20).map(deed).collect()).unwrap();
    wait(store.close()).unwrap();
    store = open(dir.path());
    let (all, records) = (store.stats().events, store.size(Log::Trail).unwrap());
    let end = events.last().unwrap().key.created_us + 1;
    wait(store.set_hold(Some("case".into()))).unwrap();
    assert_eq!(wait(store.sweep(end)), Ok(0), "a legal hold stops it");
    wait(store.set_hold(None)).unwrap();
    let removed = wait(store.sweep(end)).unwrap();
    assert!(removed > all / 3, "{removed} of {all}");
    assert_eq!(store.stats().events, all - removed);
    let stored = |new: &&NewEvent| store.event(EventId(new.key)).unwrap().is_some();
    assert_eq!(events.iter().filter(stored).count() as u64, all - removed - 20);
    let db = Connection::open(dir.path().join(DATABASE)).unwrap();
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let everywhere = "SELECT (SELECT count(*) FROM event) + (SELECT ifnull(sum(n), 0) FROM block) + (SELECT ifnull(sum(n), 0) FROM journal)";
    assert_eq!(count(everywhere), (all - removed) as i64);
    let mut again = db.prepare("SELECT created, hash FROM redelivery").unwrap();
    let again = again.query_map([], |row| Ok(EventKey { created_us: row.get(0)?, hash: row.get(1)? })).unwrap();
    assert!(again.map(Result::unwrap).all(|key| store.event(EventId(key)).unwrap().is_some()), "no orphans");
    assert_eq!(store.size(Log::Trail), Ok(records));

    // An old event that comes again, or late, is kept and changes no life.
    settle(&store);
    let before = dump(dir.path());
    let gone = events.iter().find(|new| !stored(new)).unwrap().clone();
    append(&store, vec![gone.clone()]).unwrap();
    assert!(stored(&&gone));
    settle(&store);
    let summary = |rows: Vec<String>| rows.into_iter().filter(|row| !row.starts_with("life|")).collect::<Vec<_>>();
    pretty(&summary(before), &summary(dump(dir.path())));
    assert_eq!(store.stats().unfolded, 0);
}

#[test]
fn what_loses_nothing_can_still_change() {
    (0..WAYS).for_each(nothing_goes);
}

/// Logs of long ago that are loaded today, the newer half first.
fn nothing_goes(number: u64) {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let paths = [dirs[0].path(), dirs[1].path()];
    let open = |dir: &Path| SqliteStore::open(dir, way(number)).unwrap();
    let [control, mut store] = paths.map(open);
    let mut events = account(5, 3, 200, 1500, 1);
    let (end, days) = (events.last().unwrap().key.created_us, 137 * 86_400_000_000);
    events.iter_mut().for_each(|event| event.received_us = end + days);
    let (older, newer) = events.split_at(700);
    append(&control, events.clone()).unwrap();
    append(&store, newer.to_vec()).unwrap();
    wait(store.close()).unwrap();
    store = open(paths[1]);
    assert_eq!(wait(store.sweep(end + days / 3)), Ok(0));
    append(&store, older.to_vec()).unwrap();
    same(&control, &store, paths, &events);
    for id in ids(&events) {
        assert_eq!(base(paths[1], id), None);
        let then = Some(newer[0].key.created_us + 1);
        assert_eq!(timeline(&control, id, then, 10_000), timeline(&store, id, then, 10_000), "{id}");
    }
}

#[test]
fn a_sweep_that_fails_leaves_no_trace() {
    (0..WAYS).for_each(a_sweep_fails);
}

fn a_sweep_fails(number: u64) {
    let open = |dir: &Path| SqliteStore::open(dir, way(number)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let events = account(5, 3, 200, 800, 1);
    append(&store, events.clone()).unwrap();
    wait(store.close()).unwrap();
    store = open(dir.path());
    let busy = store.append(batch((0..4000).map(|n| contract::sample(n * 61)).collect()));
    let sweep = store.sweep(events.last().unwrap().key.created_us);
    let (reply, failed) = tokio::sync::oneshot::channel();
    let removed = std::thread::scope(|scope| {
        let sweep = scope.spawn(|| wait(sweep));
        store.shared.queue.push(crate::store::sqlite::job::Job::Fail { panic: false, reply }, 0).unwrap();
        assert!(wait(busy).is_ok());
        assert!(wait(failed).unwrap().is_err());
        sweep.join().unwrap()
    });
    assert!(removed.unwrap() > 0);
    for id in ids(&events) {
        assert!(base(dir.path(), id).is_none() || timeline(&store, id, None, 100).is_some());
    }
    assert_eq!(wait(store.sweep(i64::MIN)), Ok(0));
}
