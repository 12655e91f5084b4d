//! What goes wrong with disks, directories and neighbours.

use super::*;
use crate::{
    model::EventId,
    store::{
        Outcome,
        sqlite::{DATABASE, OpenError, job::Job, open, schema},
    },
};
use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Command};
use tokio::sync::oneshot;

#[track_caller]
fn refused(dir: &Path, fragment: &str) {
    let Err(error) = SqliteStore::open(dir, options()) else { panic!("opened") };
    let text = error.to_string();
    assert!(text.contains(fragment) && !text.contains('\n'), "{text}");
}

#[test]
fn a_second_process_is_told_who_holds_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let store = super::open(dir.path());
    refused(dir.path(), &format!("in use by process {}", std::process::id()));
    assert!(append(&store, vec![contract::sample(1)]).is_ok(), "the first one goes on");
    wait(store.close()).unwrap();
    drop(super::open(dir.path()));
}

#[test]
fn directories_that_cannot_be_used_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    refused(&file, "is not a directory");
    refused(&file.join("below"), "is not a directory");

    let text = dir.path().join("text");
    fs::create_dir(&text).unwrap();
    fs::write(text.join(DATABASE), "this is no database at all, but long enough to be looked at").unwrap();
    refused(&text, "damaged or no database");

    let foreign = dir.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    rusqlite::Connection::open(foreign.join(DATABASE)).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    refused(&foreign, "another program");

    let log = dir.path().join("log");
    fs::create_dir(&log).unwrap();
    fs::write(log.join(format!("{DATABASE}-wal")), "x").unwrap();
    refused(&log, "without");
    assert!(!log.join(DATABASE).exists(), "nothing is written");
}

#[test]
fn a_read_only_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let closed = dir.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    if fs::write(closed.join("probe"), "x").is_ok() {
        let Some(mount) = Mount::tmpfs("ro,size=1m") else { return };
        refused(&mount.0, "cannot write to data directory");
        return;
    }
    refused(&closed, "cannot write to data directory");
}

#[test]
fn newer_and_foreign_schemas_are_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    wait(super::open(dir.path()).close()).unwrap();
    let alter = |sql: &str| rusqlite::Connection::open(dir.path().join(DATABASE)).unwrap().execute_batch(sql).unwrap();
    alter("PRAGMA user_version = 99");
    refused(dir.path(), "schema version 99");
    alter(&format!("PRAGMA user_version = {}; UPDATE migration SET sha256 = x'00'", schema::VERSION));
    refused(dir.path(), "different build");
}

#[test]
fn files_are_for_their_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("deep/data");
    let store = SqliteStore::open(&data, SqliteOptions { ballast_bytes: 1 << 20, ..options() }).unwrap();
    append(&store, vec![contract::sample(1)]).unwrap();
    store.backup(&dir.path().join("copy.db"), &mut |_, _| {}).unwrap();
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(data.clone()), 0o700);
    assert_eq!(mode(dir.path().join("copy.db")), 0o600);
    let mut names = Vec::new();
    for file in fs::read_dir(&data).unwrap() {
        let file = file.unwrap();
        assert_eq!(mode(file.path()), 0o600, "{:?}", file.path());
        names.push(file.file_name().into_string().unwrap());
    }
    names.sort();
    let expected = ["ballast", "lifeline.db", "lifeline.db-shm", "lifeline.db-wal", "lifeline.lock"];
    assert_eq!(names, expected);
    assert_eq!(fs::metadata(data.join("ballast")).unwrap().len(), 1 << 20);
}

#[test]
fn one_poisoned_job_spoils_no_other_and_takes_its_numbers_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = super::open(dir.path());
    // Stop the clock of the thread: the first job keeps it busy with a long batch while the others queue up.
    let busy = store.append(batch((0..5000).map(|n| contract::sample(n * 61)).collect()));
    let (reply, failed) = oneshot::channel();
    let mut fresh = contract::sample(1);
    fresh.event.connection_id = Some("fresh".into());
    fresh.event.destination = Some("fresh".into());
    let good = store.append(batch(vec![fresh.clone()]));
    store.shared.queue.push(Job::Fail { panic: false, reply }, 0).unwrap();
    let mut late = contract::sample(2);
    late.event.connection_id = Some("late".into());
    let other = store.append(batch(vec![late.clone()]));
    assert!(wait(busy).is_ok());
    assert_eq!(wait(good).unwrap().outcomes, [Outcome::Stored(fresh.key)]);
    assert!(matches!(wait(failed).unwrap(), Err(StoreError::Engine(_))));
    assert_eq!(wait(other).unwrap().outcomes, [Outcome::Stored(late.key)]);
    for new in [fresh, late] {
        contract::assert_same(&store.event(EventId(new.key)).unwrap().unwrap(), &new);
    }
    assert_eq!(store.stats().connections, 5);
    drop(store);
    let db = rusqlite::Connection::open(dir.path().join(DATABASE)).unwrap();
    let verdict: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}

#[test]
fn a_panic_of_the_writer_answers_everybody() {
    let dir = tempfile::tempdir().unwrap();
    let store = super::open(dir.path());
    append(&store, vec![contract::sample(1)]).unwrap();
    let (reply, failed) = oneshot::channel();
    store.shared.queue.push(Job::Fail { panic: true, reply }, 0).unwrap();
    let pending = store.append(batch(vec![contract::sample(2)]));
    assert!(wait(failed).is_err(), "its sender was dropped");
    assert!(matches!(wait(pending), Err(StoreError::Engine(_))));
    assert!(matches!(wait(store.append(batch(vec![contract::sample(3)]))), Err(StoreError::Engine(_))));
    assert!(matches!(store.stats().write_error, Some(StoreError::Engine(_))));
    assert!(store.event(EventId(contract::sample(1).key)).unwrap().is_some(), "reading goes on");
    drop(store);
    let again = super::open(dir.path());
    assert_eq!(again.stats().events, 1);
}

#[test]
fn a_full_queue_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), SqliteOptions { queue_batches_max: 2, ..options() }).unwrap();
    let many = || batch((0..3000).map(contract::sample).collect());
    let futures: Vec<_> = (0..12).map(|_| store.append(many())).collect();
    let outcomes: Vec<_> = futures.into_iter().map(wait).collect();
    assert!(outcomes.iter().any(Result::is_ok));
    for outcome in outcomes {
        assert!(matches!(outcome, Ok(_) | Err(StoreError::Busy { limit: 2, .. })));
    }
    assert_eq!(store.stats().events, 3000);
}

#[test]
fn backups_are_whole_and_replace_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = super::open(&dir.path().join("data"));
    append(&store, (0..2000).map(contract::sample).collect()).unwrap();
    let to = dir.path().join("copy/lifeline.db");
    fs::create_dir(dir.path().join("copy")).unwrap();
    let mut reports = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| (2000..2400).for_each(|n| drop(append(&store, vec![contract::sample(n * 17)]).unwrap())));
        store.backup(&to, &mut |done, all| {
            assert!(done <= all);
            reports += 1;
        })
    })
    .unwrap();
    assert!(reports > 0);
    assert!(store.backup(&to, &mut |_, _| {}).unwrap_err().to_string().contains("exists already"));
    assert_eq!(fs::read_dir(dir.path().join("copy")).unwrap().count(), 1, "no left-overs");
    let copy = super::open(&dir.path().join("copy"));
    assert!(copy.stats().events >= 2000);
    assert!(copy.event(EventId(contract::sample(1999).key)).unwrap().is_some());
}

#[test]
fn every_query_runs_along_its_index() {
    let dir = tempfile::tempdir().unwrap();
    let store = super::open(dir.path());
    append(&store, (0..500).map(contract::sample).collect()).unwrap();
    let db = open::connect(dir.path(), open::Role::Reader).unwrap();
    let plan = |sql: &str| -> String {
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let count = statement.parameter_count();
        let rows =
            statement.query_map(rusqlite::params_from_iter(vec![1; count]), |row| row.get::<_, String>(3)).unwrap();
        rows.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    };
    let scans = super::super::loose::SQL_AND_PLAN.iter().chain(super::super::lives::sql_and_plan());
    let scans = scans.chain(super::super::deliveries::SQL_AND_PLAN);
    let scans = scans.chain(super::super::all_events::SQL_AND_PLAN).chain(super::super::sealed::blocks::SQL_AND_PLAN);
    let trail = super::super::trail::sql_and_plan();
    let absorb = super::super::sealed::absorb::SQL_AND_PLAN;
    for (sql, expected) in scans.chain(trail).chain(absorb) {
        assert_eq!(&plan(sql), expected);
    }
}

/// A small file system of its own, unmounted at the end.
struct Mount(PathBuf, #[expect(dead_code, reason = "removed when dropped")] tempfile::TempDir);

impl Mount {
    /// `None`, said loudly, where mounting is not allowed.
    fn tmpfs(options: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mount");
        fs::create_dir(&path).unwrap();
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", options, "lifeline-test"]).arg(&path).status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: mounting a tmpfs needs more rights than this test has");
            return None;
        }
        Some(Self(path, dir))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_at_the_start_takes_the_ballast_or_is_named() {
    let Some(mount) = Mount::tmpfs("size=8m") else { return };
    let options = SqliteOptions { ballast_bytes: 2 << 20, ..options() };
    let store = SqliteStore::open(&mount.0, options.clone()).unwrap();
    append(&store, vec![contract::sample(1)]).unwrap();
    drop(store);
    // As far as it goes, to the last page.
    let fill = |name: &str| {
        let _ = std::io::copy(
            &mut std::io::Read::take(std::io::repeat(1), 16 << 20),
            &mut fs::File::create(mount.0.join(name)).unwrap(),
        );
    };
    fill("filler");
    let store = SqliteStore::open(&mount.0, options.clone()).unwrap();
    assert!(store.event(EventId(contract::sample(1).key)).unwrap().is_some());
    assert!(!mount.0.join("ballast").exists());
    drop(store);
    fill("more");
    let Err(error) = SqliteStore::open(&mount.0, options) else { panic!("opened") };
    let text = error.to_string();
    assert!(text.contains("full") && text.contains("free some space") && text.contains("start again"), "{text}");
}

#[test]
fn a_disk_too_full_for_batches_is_not_called_writable_for_taking_a_few_bytes() {
    let Some(mount) = Mount::tmpfs("size=8m") else { return };
    let store = super::open(&mount.0);
    append(&store, vec![contract::sample(1)]).unwrap();
    let filler = mount.0.join("filler");
    fs::write(&filler, vec![1; 6 << 20]).unwrap();
    let large = |from: i64| -> Vec<NewEvent> {
        let noise = |n: i64| (0..6000_u64).map(move |k| ((n as u64 + 1) * (k + 7)).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        (from..from + 60)
            .map(|n| {
                let mut new = contract::sample(n);
                new.raw = format!("\"{}\"", noise(n).map(|it| format!("{it:x}")).collect::<String>());
                new
            })
            .collect()
    };
    for round in 0..3 {
        assert_eq!(append(&store, large(1000)), Err(StoreError::DiskFull), "round {round}");
        assert_eq!(store.stats().write_error, Some(StoreError::DiskFull));
        assert_eq!(wait(store.probe()), Err(StoreError::DiskFull));
        assert_eq!(store.stats().write_error, Some(StoreError::DiskFull));
    }
    fs::remove_file(&filler).unwrap();
    assert_eq!(wait(store.probe()), Ok(()));
    assert_eq!(store.stats().write_error, None);
    assert!(append(&store, large(1000)).is_ok());
}

#[test]
fn a_full_disk_refuses_keeps_reading_and_recovers() {
    let Some(mount) = Mount::tmpfs("size=12m") else { return };
    let options = SqliteOptions { ballast_bytes: 2 << 20, ..options() };
    let store = SqliteStore::open(&mount.0, options.clone()).unwrap();
    assert!(mount.0.join("ballast").exists());
    let filler = mount.0.join("filler");
    let mut stored = Vec::new();
    let mut number = 0;
    for round in 0..3 {
        // As far as it goes: what was stored meanwhile may leave less.
        let _ = fs::write(&filler, vec![1; 3 << 20]);
        let mut failures = 0;
        while failures < 5 {
            assert!(number < 3_000_000, "the disk never filled");
            let events: Vec<NewEvent> = (number..number + 200)
                .map(|n| {
                    let mut new = contract::sample(n);
                    new.raw = format!("{{\"n\":\"{:x}{:x}\"}}", n.wrapping_mul(0x1e37_79b9_7f4a_7c15), n ^ 0x5555);
                    new.key.created_us += n;
                    new
                })
                .collect();
            number += 200;
            let last = events[199].key;
            match append(&store, events) {
                Ok(_) => stored.push(last),
                Err(StoreError::DiskFull) => {
                    failures += 1;
                    assert_eq!(store.event(EventId(last)), Ok(None), "nothing is half done");
                    assert_eq!(store.stats().write_error, Some(StoreError::DiskFull));
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert!(!mount.0.join("ballast").exists());
        for key in &stored {
            assert!(store.event(EventId(*key)).unwrap().is_some(), "reading goes on");
        }
        fs::remove_file(&filler).unwrap();
        assert_eq!(wait(store.probe()), Ok(()), "round {round}: space came back");
        assert_eq!(store.stats().write_error, None);
    }
    drop(store);
    let store = SqliteStore::open(&mount.0, SqliteOptions { ballast_bytes: 0, ..options }).unwrap();
    for key in stored {
        assert!(store.event(EventId(key)).unwrap().is_some());
    }
    assert!(matches!(SqliteStore::open(&mount.0, self::options()), Err(OpenError::LockedBy { .. })));
}
