//! What holds for audit logs whatever happens to the process and the file.

use super::*;
use crate::{
    audit::{
        Draft, Log,
        note::{self, Checkpoint, Note, Previous, SigningKey},
        tree,
    },
    identity,
    model::EventId,
    store::{
        Outcome,
        contract::trail::{all, assert_tree, deed, every, naive_root, named, own},
        sqlite::{DATABASE, job::Job},
        trail::{self, Checks, Claim, Hash, Head, NodeId, PruneRequest, RecordQuery, Seen},
    },
};
use proptest::{collection::vec, prelude::*};
use rusqlite::Connection;
use serde_json::json;
use std::{collections::BTreeSet, fs, ops::ControlFlow};
use tokio::sync::oneshot;

fn shared(dir: &Path) -> SharedStore {
    Arc::new(open(dir))
}

fn root(store: &SharedStore, log: Log) -> Hash {
    naive_root(&assert_tree(store, log).iter().map(|it| it.leaf).collect::<Vec<_>>())
}

fn filled(store: &SharedStore) {
    while store.trail().filling().unwrap() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// Everything that does not fit, as people read it.
fn findings(store: &SharedStore, check: &Checks<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let mut see = |seen| {
        if let Seen::Found(finding) = seen {
            found.push(finding.to_string());
        }
        ControlFlow::Continue(())
    };
    let verified = store.trail().verify(check, &mut see).unwrap();
    assert!(verified.whole);
    assert_eq!(verified.findings, found.len() as u64);
    assert_eq!(verified.trail, store.trail().size(Log::Trail).unwrap());
    found
}

fn everything() -> Checks<'static> {
    Checks { events: true, ..Checks::default() }
}

#[track_caller]
pub(super) fn sound(store: &SharedStore) {
    assert_eq!(findings(store, &everything()), Vec::<String>::new());
}

fn wipe(db: &Connection) {
    db.execute_batch(
        "DELETE FROM audit; DELETE FROM audit_node; DELETE FROM audit_twin;
         INSERT OR REPLACE INTO meta (key, value) VALUES ('audit_fill', x'')",
    )
    .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// However deliveries are cut, repeated and interrupted, a deed is recorded once, in the order in which it first came.
    #[test]
    fn records_are_the_deeds_in_the_order_of_their_arrival(
        batches in vec((vec(0_i64..60, 0..12), 0..5_u8), 1..12)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        let mut expected = Vec::new();
        let mut seen = BTreeSet::new();
        for (numbers, accident) in batches {
            let events = || numbers.iter().map(|n| deed(*n)).collect();
            match accident {
                // A restart, and the same again: the sender has not heard the answer.
                0 => {
                    append(&store, events()).unwrap();
                    drop(store);
                    store = open(dir.path());
                    append(&store, events()).unwrap();
                }
                // A neighbour in the queue fails in the middle of its transaction.
                1 => {
                    let first = store.append(batch(events()));
                    let (reply, failed) = oneshot::channel();
                    store.shared.queue.push(Job::Fail { panic: false, reply }, 0).unwrap();
                    let second = store.append(batch(events()));
                    wait(first).unwrap();
                    prop_assert!(wait(failed).unwrap().is_err());
                    wait(second).unwrap();
                }
                _ => drop(append(&store, events()).unwrap()),
            }
            expected.extend(numbers.iter().filter(|n| seen.insert(**n)).map(|n| EventId(deed(*n).key)));
        }
        let store: SharedStore = Arc::new(store);
        let records = assert_tree(&store, Log::Trail);
        let ids: Vec<String> = records.iter().map(|it| it.body.clone().unwrap()).collect();
        prop_assert_eq!(ids.len(), expected.len());
        for (body, id) in ids.iter().zip(expected) {
            let wanted = format!("\"event_id\":\"{id}\"");
            prop_assert!(body.contains(&wanted));
        }
        sound(&store);
    }
}

#[test]
fn two_stores_with_the_same_arrivals_have_the_same_roots_however_commits_fall() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let batches = || (0..30).map(|n| batch(vec![deed(100 - n), deed(n), deed(50 - n)]));
    let slow = shared(dirs[0].path());
    batches().for_each(|batch| drop(wait(slow.append(batch)).unwrap()));
    let quick = shared(dirs[1].path());
    let futures: Vec<_> = batches().map(|batch| quick.append(batch)).collect();
    futures.into_iter().for_each(|future| drop(wait(future).unwrap()));
    assert!(quick.stats().commits < slow.stats().commits);
    assert_eq!(root(&slow, Log::Trail), root(&quick, Log::Trail));
}

#[test]
fn an_event_beside_another_by_its_secret_is_recorded_under_its_own_id() {
    let dir = tempfile::tempdir().unwrap();
    let store = shared(dir.path());
    let mut events = [deed(1), deed(1)];
    events[0].secret_digest = Some(5);
    events[1].secret_digest = Some(6);
    let outcomes = wait(store.append(batch(events.to_vec()))).unwrap().outcomes;
    let records = assert_tree(&store, Log::Trail);
    assert_eq!(records.len(), 2);
    for (outcome, record) in outcomes.into_iter().zip(records) {
        let Outcome::Stored(key) = outcome else { panic!("stored") };
        let draft = Draft::of(&deed(1).event, EventId(key)).unwrap();
        assert!(record.body.unwrap().ends_with(&draft.body()));
    }
    sound(&store);
    let events = |new: EventKey| Checks { events: new.hash == 0, ..Checks::default() };
    assert_eq!(findings(&store, &events(EventKey { created_us: 0, hash: 0 })), Vec::<String>::new());
}

#[test]
fn twins_are_linked_whichever_comes_first_and_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = shared(dir.path());
    let pause = |n: i64, connection: &str| {
        named(n, "pause_connector", Family::Dashboard, connection, json!({"actor": "a@b.c", "id": connection}))
    };
    let audit = |n: i64, connection: &str| {
        let data = json!({"userId": "u", "action": "EDIT", "primaryResourceType": "CONNECTION",
            "primaryResourceId": connection, "oldValues": {"paused": false}, "newValues": {"paused": true}});
        named(n, "edit_connection", Family::AuditTrail, connection, data)
    };
    // 1 and 2 are one deed; 3 stands alone until 6, which comes first by its clock; 4 is of another connection; 5 is too late.
    for new in [pause(100, "a"), audit(101, "a"), audit(205, "b"), pause(102, "c"), audit(113, "c"), pause(200, "b")] {
        append_one(&store, new);
    }
    let twins: Vec<_> = assert_tree(&store, Log::Trail).into_iter().map(|it| it.twins).collect();
    assert_eq!(twins, [vec![2], vec![1], vec![6], vec![], vec![], vec![3]]);
    sound(&store);
}

fn append_one(store: &SharedStore, new: NewEvent) {
    wait(store.append(batch(vec![new]))).unwrap();
}

#[test]
fn records_of_events_stored_before_are_made_behind_what_arrives() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = shared(dir.path());
        let events = (0..3000).map(|n| if n % 3 == 0 { deed(n) } else { contract::sample(n) }).collect();
        wait(store.append(batch(events))).unwrap();
    }
    let db = Connection::open(dir.path().join(DATABASE)).unwrap();
    wipe(&db);
    drop(db);
    let store = shared(dir.path());
    let mut late = Vec::new();
    for n in 0..20 {
        let new = deed(10_000 + n);
        late.push(EventId(new.key).to_string());
        wait(store.append(batch(vec![new, deed(n * 3)]))).unwrap();
    }
    filled(&store);
    let records = assert_tree(&store, Log::Trail);
    assert_eq!(records.len(), 1020);
    let before = root(&store, Log::Trail);
    let ids: BTreeSet<_> =
        records.iter().map(|it| it.body.clone().unwrap().split('"').nth(5).map(str::to_owned)).collect();
    assert_eq!(ids.len(), 1020, "none twice");
    assert!(late.iter().all(|id| ids.contains(&Some(id.clone()))));
    sound(&store);
    drop(store);
    let store = shared(dir.path());
    filled(&store);
    assert_eq!(root(&store, Log::Trail), before, "never made again, never in another order");
}

#[test]
fn back_fill_goes_on_where_it_was_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let store = shared(dir.path());
    wait(store.append(batch((0..2000).map(deed).collect()))).unwrap();
    let whole = root(&store, Log::Trail);
    drop(store);
    wipe(&Connection::open(dir.path().join(DATABASE)).unwrap());
    // Stopped again and again.
    for _ in 0..8 {
        drop(shared(dir.path()));
    }
    let store = shared(dir.path());
    filled(&store);
    assert_eq!(root(&store, Log::Trail), whole);
    sound(&store);
}

#[test]
fn what_is_pruned_still_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let store = shared(dir.path());
    wait(store.append(batch((0..2500).map(deed).collect()))).unwrap();
    keep_head(&store, Log::Trail);
    let before = every(&store, all(Log::Trail));
    let request = PruneRequest { trail_before: Some(before[2100].at), access_before: None, reason: "r".into() };
    let removed = wait(store.trail().prune(request)).unwrap();
    assert_eq!(
        removed.iter().map(|it| (it.first, it.last)).collect::<Vec<_>>(),
        [(1, 2100)],
        "one range of all slices"
    );
    assert_eq!(store.trail().pruned(Log::Trail).unwrap(), removed);
    sound(&store);
    drop(store);
    let store = shared(dir.path());
    wait(store.append(batch((2500..2600).map(deed).collect()))).unwrap();
    keep_head(&store, Log::Trail);
    sound(&store);
}

#[test]
fn retention_does_not_remove_what_was_altered() {
    let dir = tempfile::tempdir().unwrap();
    let store = shared(dir.path());
    wait(store.append(batch((0..20).map(deed).collect()))).unwrap();
    drop(store);
    let db = Connection::open(dir.path().join(DATABASE)).unwrap();
    db.execute("UPDATE audit SET body = replace(body, 'EDIT', 'READ') WHERE seq = 7", []).unwrap();
    drop(db);
    let store = shared(dir.path());
    let request = PruneRequest { trail_before: Some(i64::MAX), access_before: None, reason: "r".into() };
    let removed = wait(store.trail().prune(request)).unwrap();
    assert_eq!(removed.iter().map(|it| (it.first, it.last)).collect::<Vec<_>>(), [(1, 6), (8, 20)]);
    let found = findings(&store, &Checks::default());
    assert!(found.iter().any(|it| it == "trail: record 7: its text was altered"), "{found:?}");
    assert!(found.iter().all(|it| it.starts_with("trail: record 7: ")), "{found:?}");
}

/// A checkpoint of the log as it stands, signed.
fn keep_head(store: &SharedStore, log: Log) {
    let leaves: Vec<Hash> = every(store, all(log)).iter().map(|it| it.leaf).collect();
    let origin = format!("lifeline/{}/{}", hex::encode(&store.trail().store_id().unwrap()[..6]), log.as_str());
    let key = SigningKey::from_seed(&origin, [9; 32]).unwrap();
    let public = trail::SigningKey { public: *key.public().bytes(), at: 0, trail: 0, access: 0 };
    wait(store.trail().keep_key(public)).unwrap();
    let size = leaves.len() as u64;
    let newest = store.trail().heads(log, None, 1).unwrap().pop();
    let previous = newest.map(|head| Checkpoint::parse(&Note::parse(&head.note).unwrap().text).unwrap());
    let previous = previous.map(|it| Previous { size: it.size, root: it.root });
    let checkpoint = Checkpoint { origin, size, root: naive_root(&leaves), time: None, previous, others: Vec::new() };
    let note = note::sign(&checkpoint.text(), &[&key]).unwrap();
    wait(store.trail().keep_head(Head { log, size, at: 1, note })).unwrap();
}

/// A store with both logs, twins, checkpoints and a pruned range.
fn original(dir: &Path, options: SqliteOptions) -> Vec<Claim> {
    let kept = Arc::new(SqliteStore::open(dir, options).unwrap());
    let store: SharedStore = kept.clone();
    wait(store.append(batch((0..40).map(deed).collect()))).unwrap();
    let twin = |n: i64| named(n, "resume_connector", Family::Dashboard, "t", json!({"actor": "a@b.c", "id": "t"}));
    let data = json!({"userId": "u", "action": "EDIT", "primaryResourceType": "CONNECTION", "primaryResourceId": "t",
        "oldValues": {"paused": true}, "newValues": {"paused": false}});
    wait(store.append(batch(vec![twin(500), named(501, "edit_connection", Family::AuditTrail, "t", data)]))).unwrap();
    (0..5).for_each(|n| assert_eq!(wait(store.trail().record(own(n))), Ok(n as u64 + 1)));
    keep_head(&store, Log::Trail);
    keep_head(&store, Log::Access);
    let before = Some(deed(4).key.created_us);
    wait(store.trail().prune(PruneRequest { trail_before: before, access_before: None, reason: "r".into() })).unwrap();
    wait(store.append(batch((40..61).map(deed).collect()))).unwrap();
    sound(&store);
    let claim = Claim { log: Log::Trail, size: 63, root: root_of(&store) };
    assert_eq!(
        findings(&store, &Checks { claims: std::slice::from_ref(&claim), ..everything() }),
        Vec::<String>::new()
    );
    assert!(seal(&kept));
    wait(store.close()).unwrap();
    vec![claim]
}

fn root_of(store: &SharedStore) -> Hash {
    naive_root(
        &every(store, RecordQuery { limit: 1000, ..all(Log::Trail) }).iter().map(|it| it.leaf).collect::<Vec<_>>(),
    )
}

#[test]
fn whatever_is_altered_is_found_and_named() {
    let [dir, sealed] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let claims = original(dir.path(), rows());
    let sealed_claims = original(sealed.path(), options());
    let file = fs::read(dir.path().join(DATABASE)).unwrap();
    let sealed = fs::read(sealed.path().join(DATABASE)).unwrap();
    // `log = 1` is the trail. Leaf of record 17 is at 32, the node over 17 and 18 at 33.
    let cases: &[(&str, &[&str])] = &[
        (
            "UPDATE audit SET body = replace(body, 'user_', 'User_') WHERE log = 1 AND seq = 17",
            &[
                "trail: record 17: its text was altered",
                "trail: record 17: columns differ from its text: actor",
                "trail: record 17: differs from the event it was read from, or that is gone",
            ],
        ),
        (
            "UPDATE audit SET body = 'x' WHERE log = 0 AND seq = 2",
            &["access: record 2: its text was altered", "access: record 2: columns differ from its text: body"],
        ),
        (
            "UPDATE audit_node SET hash = zeroblob(32) WHERE log = 1 AND pos = 32",
            &["trail: record 17: its leaf hash was altered or is missing"],
        ),
        (
            "UPDATE audit_node SET hash = x'00' WHERE log = 1 AND pos = 32",
            &["trail: record 17: its leaf hash was altered or is missing"],
        ),
        (
            "DELETE FROM audit_node WHERE log = 1 AND pos = 32",
            &["trail: record 17: its leaf hash was altered or is missing"],
        ),
        (
            "UPDATE audit_node SET hash = zeroblob(32) WHERE log = 1 AND pos = 33",
            &["trail: tree node 8 of level 1 (up to record 18) was altered or is missing"],
        ),
        (
            "DELETE FROM audit_node WHERE log = 1 AND pos = 31",
            &[
                "trail: tree node 0 of level 5 (up to record 32) was altered or is missing",
                "trail: the checkpoint of 42 records has another root",
                "trail: the checkpoint from elsewhere of 63 records has another root",
            ],
        ),
        (
            "INSERT INTO audit_node VALUES (1, 127, zeroblob(32))",
            &["trail: tree node 0 of level 7 (up to record 63) was altered or is missing"],
        ),
        (
            "UPDATE audit SET actor = 'mallory' WHERE log = 1 AND seq = 20",
            &["trail: record 20: columns differ from its text: actor"],
        ),
        (
            "UPDATE audit SET at = at + 1 WHERE log = 1 AND seq = 20",
            &["trail: record 20: columns differ from its text: at"],
        ),
        (
            "UPDATE audit SET event_hash = event_hash + 1 WHERE log = 1 AND seq = 20",
            &[
                "trail: record 20: columns differ from its text: event_created, event_hash",
                "trail: record 20: differs from the event it was read from, or that is gone",
            ],
        ),
        (
            "UPDATE audit SET twin = 7 WHERE log = 1 AND seq = 42",
            &[
                "trail: record 41: its links to records of the same action were altered",
                "trail: record 42: differs from the event it was read from, or that is gone",
                "trail: record 42: its links to records of the same action were altered",
            ],
        ),
        (
            "DELETE FROM audit_twin",
            &[
                "trail: record 41: its links to records of the same action were altered",
                "trail: record 42: its links to records of the same action were altered",
            ],
        ),
        (
            "INSERT INTO audit_twin VALUES (20, 21)",
            &["trail: record 20: its links to records of the same action were altered"],
        ),
        ("DELETE FROM audit WHERE log = 1 AND seq = 30", &["trail: record 30: missing"]),
        ("DELETE FROM audit WHERE log = 1 AND seq = 63", &["trail: record 63: missing"]),
        (
            "UPDATE audit SET seq = 99 WHERE log = 1 AND seq = 30; UPDATE audit SET seq = 30 WHERE log = 1 AND seq = 31; UPDATE audit SET seq = 31 WHERE log = 1 AND seq = 99",
            &[
                "trail: record 30: its text was altered",
                "trail: record 30: columns differ from its text: seq",
                "trail: record 31: its text was altered",
                "trail: record 31: columns differ from its text: seq",
            ],
        ),
        (
            "INSERT INTO audit (log, seq, at, received, rules, body) SELECT log, seq, at, received, rules, body FROM audit WHERE log = 1 AND seq = 30",
            &[
                "trail: record 30: more than one has this number, or none can have it",
                "trail: record 30: columns differ from its text: actor, action, use_case, event, ptype, pid, event_created, event_hash",
            ],
        ),
        (
            "INSERT INTO audit (log, seq, at, received, rules, body) VALUES (1, 64, 0, 0, 1, '{}')",
            &["trail: record 64: more than one has this number, or none can have it"],
        ),
        (
            "INSERT INTO audit (log, seq, at, received, rules, body) VALUES (1, -1, 0, 0, 1, '{}')",
            &["trail: record 0: more than one has this number, or none can have it"],
        ),
        (
            "UPDATE audit SET body = NULL WHERE log = 1 AND seq = 30",
            &["trail: record 30: its text was removed, but not by retention"],
        ),
        ("UPDATE audit_pruned SET last = 5", &["trail: record 5: a removal by retention is noted that is not so"]),
        ("UPDATE audit_pruned SET last = 3", &["trail: record 4: its text was removed, but not by retention"]),
        (
            "DELETE FROM audit_pruned",
            &[
                "trail: record 1: its text was removed, but not by retention",
                "trail: record 2: its text was removed, but not by retention",
                "trail: record 3: its text was removed, but not by retention",
                "trail: record 4: its text was removed, but not by retention",
            ],
        ),
        (
            "UPDATE audit SET event_created = NULL, event_hash = NULL, actor = NULL, method = NULL, action = NULL, use_case = NULL,
             event = NULL, ptype = NULL, pid = NULL, stype = NULL, sid = NULL, twin = NULL, channel = NULL, body = NULL
             WHERE log = 1 AND seq = 30; INSERT INTO audit_pruned VALUES (1, 30, 30, 0, 'r')",
            &["trail: record 30: a removal by retention is noted that is not so"],
        ),
        (
            "DELETE FROM event WHERE (created, hash) = (SELECT event_created, event_hash FROM audit WHERE log = 1 AND seq = 30)",
            &["trail: record 30: differs from the event it was read from, or that is gone"],
        ),
        (
            "UPDATE audit SET event_hash = 5 WHERE log = 0 AND seq = 3",
            &["access: record 3: columns differ from its text: event_created, event_hash"],
        ),
        (
            "INSERT INTO audit_pruned VALUES (1, 70, 80, 0, 'r')",
            &["trail: record 80: a removal by retention is noted that is not so"],
        ),
        (
            "UPDATE audit SET actor = 'x' WHERE log = 1 AND seq = 1",
            &["trail: record 1: a removal by retention is noted that is not so"],
        ),
        (
            "UPDATE audit_head SET size = 41 WHERE log = 1",
            &["trail: the checkpoint of 41 records is not signed by a known key"],
        ),
        (
            "UPDATE audit_head SET size = 99 WHERE log = 1",
            &["trail: a checkpoint knows of 99 records, the log has 63: it was cut, or an older copy restored"],
        ),
        (
            "UPDATE audit SET body = (SELECT b.body FROM audit b WHERE b.log = 1 AND b.seq = 30) WHERE log = 1 AND seq = 33",
            &[
                "trail: record 33: its text was altered",
                "trail: record 33: columns differ from its text: actor, method, action, use_case, event, ptype, pid, stype, sid, seq, at, event_created, event_hash",
                "trail: record 33: differs from the event it was read from, or that is gone",
            ],
        ),
        (
            "DELETE FROM audit WHERE log = 1; DELETE FROM audit_node WHERE log = 1; DELETE FROM audit_head; DELETE FROM audit_pruned; DELETE FROM audit_twin",
            &["trail: a checkpoint knows of 63 records, the log has 0: it was cut, or an older copy restored"],
        ),
    ];
    let of_blocks: &[(&str, &[&str])] = &[(
        "DELETE FROM block WHERE conn = (SELECT id FROM connection WHERE connection_id = 't')",
        &[
            "trail: record 41: differs from the event it was read from, or that is gone",
            "trail: record 42: differs from the event it was read from, or that is gone",
        ],
    )];
    let of_rows = cases.iter().map(|case| (case, &file, &claims));
    let of_blocks = cases.iter().filter(|(sql, _)| !sql.contains("FROM event")).chain(of_blocks);
    for ((sql, expected), file, claims) in of_rows.chain(of_blocks.map(|case| (case, &sealed, &sealed_claims))) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(DATABASE), file).unwrap();
        Connection::open(dir.path().join(DATABASE)).unwrap().execute_batch(sql).unwrap();
        let store = shared(dir.path());
        let found = findings(&store, &Checks { claims, ..everything() });
        assert_eq!(found, *expected, "{sql}");
    }
}

/// Somebody who knows the tree and makes everything fit again is caught by what left the machine, and by the event.
#[test]
fn a_forged_tail_is_caught_by_a_checkpoint_from_elsewhere_and_by_its_event() {
    let dir = tempfile::tempdir().unwrap();
    let store = shared(dir.path());
    wait(store.append(batch((0..9).map(deed).collect()))).unwrap();
    let claims = [Claim { log: Log::Trail, size: 9, root: root_of(&store) }];
    wait(store.close()).unwrap();
    let db = Connection::open(dir.path().join(DATABASE)).unwrap();
    let body: String = db.query_row("SELECT body FROM audit WHERE seq = 9", [], |row| row.get(0)).unwrap();
    let forged = body.replace("PATCH", "GET");
    assert_ne!(body, forged);
    let leaf = tree::leaf_hash(forged.as_bytes());
    db.execute("UPDATE audit SET body = ?1, action = 'GET' WHERE seq = 9", [&forged]).unwrap();
    db.execute("UPDATE audit_node SET hash = ?1 WHERE log = 1 AND pos = 16", [leaf]).unwrap();
    let store = shared(dir.path());
    assert_eq!(findings(&store, &Checks::default()), Vec::<String>::new(), "nothing inside tells");
    let event = "trail: record 9: differs from the event it was read from, or that is gone";
    let claim = "trail: the checkpoint from elsewhere of 9 records has another root";
    assert_eq!(findings(&store, &Checks { claims: &claims, ..everything() }), [event, claim]);
}

/// A key that nobody vouches for signs nothing that counts, and a key that was changed goes on counting.
#[test]
fn only_the_key_that_signs_now_and_those_it_follows_count() {
    let dir = tempfile::tempdir().unwrap();
    let store = shared(dir.path());
    wait(store.append(batch((0..9).map(deed).collect()))).unwrap();
    let origin = format!("lifeline/{}/trail", hex::encode(&store.trail().store_id().unwrap()[..6]));
    let [old, new, foreign] = [1, 2, 3].map(|seed| SigningKey::from_seed(&origin, [seed; 32]).unwrap());
    let key = |key: &SigningKey| *key.public().bytes();
    let keep = |keys: &[&SigningKey]| {
        for signer in keys {
            let public = trail::SigningKey { public: key(signer), at: 0, trail: 0, access: 0 };
            wait(store.trail().keep_key(public)).unwrap();
        }
        let newest = store.trail().heads(Log::Trail, None, 1).unwrap().pop();
        let previous = newest.map(|head| Checkpoint::parse(&Note::parse(&head.note).unwrap().text).unwrap());
        let previous = previous.map(|it| Previous { size: it.size, root: it.root });
        let root = root_of(&store);
        let checkpoint = Checkpoint { origin: origin.clone(), size: 9, root, time: None, previous, others: Vec::new() };
        let note = note::sign(&checkpoint.text(), keys).unwrap();
        wait(store.trail().keep_head(Head { log: Log::Trail, size: 9, at: 1, note })).unwrap();
    };
    let found = |current: &SigningKey| findings(&store, &Checks { key: Some(key(current)), ..Checks::default() });
    let unknown = "trail: the checkpoint of 9 records is not signed by a known key";
    keep(&[&old]);
    assert_eq!(found(&old), Vec::<String>::new());
    assert_eq!(found(&new), [unknown], "nothing by the key that is said to sign");
    keep(&[&old, &new]);
    keep(&[&new]);
    assert_eq!(found(&new), Vec::<String>::new(), "the old key vouches for the new one");
    keep(&[&foreign]);
    assert_eq!(found(&new), [unknown]);
    assert_eq!(found(&foreign), Vec::<String>::new(), "as after the loss of a key file: what is below counts");
    let db = Connection::open(dir.path().join(DATABASE)).unwrap();
    db.execute("DELETE FROM audit_head WHERE id = (SELECT id FROM audit_head ORDER BY id LIMIT 1 OFFSET 1)", [])
        .unwrap();
    assert_eq!(found(&foreign), [] as [String; 0], "its neighbours say the same");
    db.execute("DELETE FROM audit_head WHERE id = (SELECT min(id) FROM audit_head)", []).unwrap();
    assert_eq!(found(&foreign), ["trail: the checkpoint before that of 9 records is missing, or another"]);
}

#[test]
fn an_older_copy_is_caught_by_a_newer_checkpoint_from_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let store = shared(dir.path());
    wait(store.append(batch((0..10).map(deed).collect()))).unwrap();
    let copy = dir.path().join("older.db");
    store.backup(&copy, &mut |_, _| {}).unwrap();
    wait(store.append(batch((10..12).map(deed).collect()))).unwrap();
    let claims = [Claim { log: Log::Trail, size: 12, root: root_of(&store) }];
    sound(&store);
    drop(store);
    let older = tempfile::tempdir().unwrap();
    fs::copy(copy, older.path().join(DATABASE)).unwrap();
    let store = shared(older.path());
    let check = Checks { claims: &claims, ..everything() };
    let cut = "trail: a checkpoint knows of 12 records, the log has 10: it was cut, or an older copy restored";
    assert_eq!(findings(&store, &check), [cut]);
    // Grown on another way, it has another root.
    wait(store.append(batch((20..25).map(deed).collect()))).unwrap();
    let fork = "trail: the checkpoint from elsewhere of 12 records has another root";
    assert_eq!(findings(&store, &check), [fork]);
}

#[test]
fn slices_together_find_what_the_whole_finds() {
    let dir = tempfile::tempdir().unwrap();
    drop(original(dir.path(), options()));
    let db = Connection::open(dir.path().join(DATABASE)).unwrap();
    db.execute_batch(
        "UPDATE audit_node SET hash = zeroblob(32) WHERE log = 1 AND pos IN (31, 32, 47);
        UPDATE audit SET action = 'X' WHERE log = 1 AND seq > 50",
    )
    .unwrap();
    let store = shared(dir.path());
    let mut whole = findings(&store, &Checks::default());
    whole.sort();
    assert!(whole.len() > 10);
    for n in [1, 7, 32] {
        let mut found = Vec::new();
        let mut from = Some(1);
        while let Some(first) = from {
            let slice = store
                .trail()
                .verify_slice(Log::Trail, first, n, &Checks::default(), &mut |it| found.push(it.to_string()));
            from = slice.unwrap().next;
        }
        found.sort();
        assert_eq!(found, whole);
    }
    let mut calls = 0;
    let stopped = store.trail().verify(&Checks::default(), &mut |_| {
        calls += 1;
        ControlFlow::Break(())
    });
    assert_eq!((calls, stopped.unwrap().whole), (1, false));
}

#[test]
fn events_are_named_anew_by_their_content() {
    let dir = tempfile::tempdir().unwrap();
    let store: SharedStore = Arc::new(SqliteStore::open(dir.path(), rows()).unwrap());
    let mut events: Vec<NewEvent> = (0..6).map(deed).collect();
    events.iter_mut().for_each(|new| new.key = identity::key(&new.event));
    (events[4].secret_digest, events[5].secret_digest) = (Some(1), Some(2));
    let mut beside = events[4].clone();
    beside.secret_digest = Some(9);
    events.push(beside);
    wait(store.append(batch(events.clone()))).unwrap();
    let identify = |stored: &crate::model::StoredEvent| Some(identity::key(&stored.event));
    let check = Checks { identify: Some(&identify), ..everything() };
    assert_eq!(findings(&store, &check), Vec::<String>::new());
    wait(store.close()).unwrap();
    let db = Connection::open(dir.path().join(DATABASE)).unwrap();
    let key = events[2].key;
    db.execute(
        "UPDATE event SET body = (SELECT body FROM event ORDER BY created LIMIT 1), shape = 1 WHERE hash = ?1",
        [key.hash],
    )
    .unwrap();
    let store = shared(dir.path());
    let found = findings(&store, &check);
    let id = EventId(key);
    assert!(found.iter().any(|it| it.starts_with(&format!("event {id}: "))), "{found:?}");
    assert!(
        found.iter().any(|it| it == "trail: record 3: differs from the event it was read from, or that is gone")
            || found.len() == 1,
        "{found:?}"
    );
}

#[test]
fn events_are_named_anew_wherever_they_are() {
    for number in 0..WAYS {
        let dir = tempfile::tempdir().unwrap();
        let store: SharedStore = Arc::new(SqliteStore::open(dir.path(), way(number)).unwrap());
        let mut events: Vec<NewEvent> = (0..30).map(deed).collect();
        events.iter_mut().for_each(|new| new.key = identity::key(&new.event));
        // As if somebody had forged one with everything that guards it.
        events[7].event.data = events[8].event.data.clone();
        events[7].raw = events[8].raw.clone();
        let id = EventId(events[7].key);
        events.into_iter().for_each(|new| append_one(&store, new));
        let identify = |stored: &crate::model::StoredEvent| Some(identity::key(&stored.event));
        let check = Checks { identify: Some(&identify), ..Checks::default() };
        assert_eq!(findings(&store, &check), [format!("event {id}: its content gives another id")]);
    }
}

#[test]
fn a_tree_without_its_edge_takes_no_records_but_everything_else() {
    let dir = tempfile::tempdir().unwrap();
    let store = shared(dir.path());
    wait(store.append(batch((0..3).map(deed).collect()))).unwrap();
    wait(store.close()).unwrap();
    let alter = |sql: &str| Connection::open(dir.path().join(DATABASE)).unwrap().execute_batch(sql).unwrap();
    // From its record an edge is made anew.
    alter("DELETE FROM audit_node WHERE pos IN (1, 0)");
    let store = shared(dir.path());
    wait(store.append(batch(vec![deed(3)]))).unwrap();
    assert_eq!(store.trail().size(Log::Trail), Ok(4));
    wait(store.close()).unwrap();
    alter("DELETE FROM audit_node WHERE pos IN (3, 1, 0); DELETE FROM audit WHERE seq = 1");
    let store = shared(dir.path());
    assert!(matches!(wait(store.append(batch(vec![deed(7)]))), Err(StoreError::Damaged(_))));
    assert!(wait(store.append(batch(vec![contract::sample(1)]))).is_ok());
    assert_eq!(wait(store.trail().record(own(1))), Ok(1));
    let id = NodeId { level: 2, index: 0 };
    assert!(matches!(store.trail().nodes(Log::Trail, &[id]), Err(StoreError::Damaged(_))));
    assert!(!findings(&store, &Checks::default()).is_empty());
}

#[test]
fn heads_keys_and_the_store_s_name_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = shared(dir.path());
    let head = |size, at| Head { log: Log::Trail, size, at, note: format!("o\n{size}\nx\n") };
    for head in [head(0, 1), head(3, 2), head(3, 3), head(9, 4)] {
        wait(store.trail().keep_head(head)).unwrap();
    }
    assert_eq!(store.trail().heads(Log::Trail, None, 2).unwrap(), [head(9, 4), head(3, 3)]);
    assert_eq!(store.trail().heads(Log::Trail, Some(8), 9).unwrap(), [head(3, 3), head(3, 2), head(0, 1)]);
    assert_eq!(store.trail().heads(Log::Access, None, 9).unwrap(), []);
    let key = |n: u8| trail::SigningKey { public: [n; 32], at: 5, trail: 7, access: 9 };
    for key in [key(2), key(1), key(2)] {
        wait(store.trail().keep_key(key)).unwrap();
    }
    assert_eq!(store.trail().keys().unwrap(), [key(2), key(1)]);
    let id = store.trail().store_id().unwrap();
    assert_ne!(id, [0; 16]);
    drop(store);
    assert_eq!(shared(dir.path()).trail().store_id().unwrap(), id);
    let other = tempfile::tempdir().unwrap();
    assert_ne!(shared(other.path()).trail().store_id().unwrap(), id);
}
