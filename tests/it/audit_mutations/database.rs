//! What can be done to the database with the means of SQLite, and that looking for altered records finds it.

use super::{
    corpus::{Corpus, EPOCH_US},
    rng::Rng,
    rounds, seed,
};
use lifeline::{
    audit::Log,
    store::{
        self, SqliteOptions,
        trail::{Checks, Claim, Finding, Head, Seen, SigningKey, Verified},
    },
};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::{collections::BTreeMap, fs, ops::ControlFlow, path::Path};

/// Kinds of mutations.
const KINDS: &[&str] = &[
    "a character of a body",
    "bodies swapped",
    "a body of another record",
    "a body emptied",
    "numbers swapped",
    "a byte of a leaf",
    "a byte of a node",
    "a leaf deleted",
    "a node deleted",
    "nodes swapped",
    "a record deleted",
    "a record doubled",
    "a record of the other log",
    "a column",
    "another time",
    "a character of a checkpoint",
    "another size of a checkpoint",
    "a checkpoint of the other log",
    "a checkpoint deleted",
    "an event deleted behind its record",
    "a record removed as if by retention",
    "a record rewritten with its leaf",
    "a removed range forgotten",
    "a removed range invented",
    "a link between twins deleted",
    "a link between twins invented",
    "the end cut off",
    "an older copy restored",
];

fn number(log: Log) -> i64 {
    match log {
        Log::Trail => 1,
        Log::Access => 0,
    }
}

/// A store with both logs, checkpoints, a removed range; an older copy of it; and the checkpoint that left the machine.
struct Base {
    now: tempfile::TempDir,
    older: tempfile::TempDir,
    claims: Vec<Claim>,
}

fn base(rng: &mut Rng) -> Base {
    let (now, older) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let mut corpus = Corpus::open(now.path());
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let public = {
        use base64::Engine as _;
        let key = corpus.signer.vkey(&corpus.origin(Log::Trail));
        let bytes = base64::engine::general_purpose::STANDARD.decode(key.splitn(3, '+').nth(2).expect("a key"));
        bytes.expect("base64")[1..].try_into().expect("32 bytes")
    };
    let key = SigningKey { public, at: EPOCH_US, trail: 0, access: 0 };
    runtime.block_on(corpus.store.trail().keep_key(key)).expect("kept");
    let mut signed: [Option<u64>; 2] = [None; 2];
    for step in 0..16 {
        corpus.grow(rng, 5);
        corpus.act(rng);
        corpus.twins();
        if step == 8 {
            corpus.prune_to(EPOCH_US + 12 * 60_000_000);
            corpus.copy(older.path());
        }
        if step % 3 == 0 {
            for (log, before) in Log::ALL.into_iter().zip(&mut signed) {
                let size = corpus.size(log);
                let note = corpus.checkpoint_after(log, size, before.replace(size));
                let head = Head { log, size, at: EPOCH_US + step, note };
                runtime.block_on(corpus.store.trail().keep_head(head)).expect("kept");
            }
        }
    }
    let claims = Log::ALL.map(|log| {
        let size = corpus.size(log);
        Claim { log, size, root: corpus.root(log, size) }
    });
    corpus.close();
    Base { now, older, claims: claims.to_vec() }
}

fn copy(from: &Path, to: &Path) {
    fs::copy(from.join("lifeline.db"), to.join("lifeline.db")).expect("copied");
}

/// Everything that looking finds.
fn look(dir: &Path, claims: &[Claim]) -> (Verified, Vec<Finding>) {
    let options = SqliteOptions { ballast_bytes: 0, ..SqliteOptions::default() };
    let store = store::open(dir, options).expect("the store opens");
    let mut found = Vec::new();
    let checks = Checks { events: true, identify: None, claims, key: None };
    let verified = store.trail().verify(&checks, &mut |seen| {
        if let Seen::Found(finding) = seen {
            found.push(finding);
        }
        ControlFlow::Continue(())
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(store.close()).expect("closed");
    (verified.expect("it can be read"), found)
}

/// Another character at some place.
fn other_character(rng: &mut Rng, text: &str) -> String {
    let mut all: Vec<char> = text.chars().collect();
    let at = rng.below(all.len());
    let new = *rng.pick(&['x', '0', '9', '"', 'é']);
    all[at] = if all[at] == new { 'y' } else { new };
    all.into_iter().collect()
}

/// Rows that were changed; 0 where there is nothing of that kind.
fn mutate(rng: &mut Rng, kind: &str, db: &Connection) -> rusqlite::Result<usize> {
    let any = |sql: &str| -> rusqlite::Result<Option<i64>> {
        db.query_row(&format!("{sql} ORDER BY random() LIMIT 1"), [], |row| row.get(0)).optional()
    };
    let record = || any("SELECT rowid FROM audit WHERE body IS NOT NULL");
    let node = |leaf: bool| -> rusqlite::Result<Option<(i64, i64, Vec<u8>)>> {
        let odd = i64::from(!leaf);
        let sql = "SELECT log, pos, hash FROM audit_node WHERE pos & 1 = ?1 ORDER BY random() LIMIT 1";
        db.query_row(sql, [odd], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
    };
    let body =
        |rowid: i64| db.query_row("SELECT body FROM audit WHERE rowid = ?1", [rowid], |row| row.get::<_, String>(0));
    let set_body =
        |rowid: i64, body: &str| db.execute("UPDATE audit SET body = ?2 WHERE rowid = ?1", params![rowid, body]);
    match kind {
        "a character of a body" => {
            let Some(rowid) = record()? else { return Ok(0) };
            let text = other_character(rng, &body(rowid)?);
            set_body(rowid, &text)
        }
        "bodies swapped" | "a body of another record" => {
            let (Some(one), Some(two)) = (record()?, record()?) else { return Ok(0) };
            let (first, second) = (body(one)?, body(two)?);
            if first == second {
                return Ok(0);
            }
            if kind == "bodies swapped" {
                set_body(two, &first)?;
            }
            set_body(one, &second)
        }
        "a body emptied" => {
            let Some(rowid) = record()? else { return Ok(0) };
            db.execute("UPDATE audit SET body = NULL WHERE rowid = ?1", [rowid])
        }
        "numbers swapped" => {
            let log = rng.below(2) as i64;
            let two: Vec<(i64, i64)> = db
                .prepare("SELECT rowid, seq FROM audit WHERE log = ?1 AND body IS NOT NULL ORDER BY random() LIMIT 2")?
                .query_map([log], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?;
            let [(one, first), (two, second)] = two[..] else { return Ok(0) };
            db.execute("UPDATE audit SET seq = ?2 WHERE rowid = ?1", [one, second])?;
            db.execute("UPDATE audit SET seq = ?2 WHERE rowid = ?1", [two, first])
        }
        "a byte of a leaf" | "a byte of a node" => {
            let Some((log, pos, mut hash)) = node(kind.ends_with("leaf"))? else { return Ok(0) };
            hash[rng.below(32)] ^= 1 + rng.below(255) as u8;
            db.execute("UPDATE audit_node SET hash = ?3 WHERE log = ?1 AND pos = ?2", params![log, pos, hash])
        }
        "a leaf deleted" | "a node deleted" => {
            let Some((log, pos, _)) = node(kind.starts_with("a leaf"))? else { return Ok(0) };
            db.execute("DELETE FROM audit_node WHERE log = ?1 AND pos = ?2", [log, pos])
        }
        "nodes swapped" => {
            let leaf = rng.below(2) == 0;
            let (Some((log, pos, hash)), Some((log2, pos2, hash2))) = (node(leaf)?, node(leaf)?) else { return Ok(0) };
            if hash == hash2 {
                return Ok(0);
            }
            let sql = "UPDATE audit_node SET hash = ?3 WHERE log = ?1 AND pos = ?2";
            db.execute(sql, params![log, pos, hash2])?;
            db.execute(sql, params![log2, pos2, hash])
        }
        "a record deleted" => {
            let Some(rowid) = any("SELECT rowid FROM audit")? else { return Ok(0) };
            db.execute("DELETE FROM audit WHERE rowid = ?1", [rowid])
        }
        "a record doubled" => {
            let Some(rowid) = any("SELECT rowid FROM audit WHERE body IS NOT NULL")? else { return Ok(0) };
            let columns = "log, seq, at, actor, method, action, use_case, event, ptype, pid, stype, sid, twin, channel, body, rules, received";
            db.execute(&format!("INSERT INTO audit ({columns}) SELECT {columns} FROM audit WHERE rowid = ?1"), [rowid])
        }
        "a record of the other log" => {
            let Some(rowid) = record()? else { return Ok(0) };
            db.execute("UPDATE audit SET log = 1 - log WHERE rowid = ?1", [rowid])
        }
        "a column" => {
            let Some(rowid) = record()? else { return Ok(0) };
            let column = *rng.pick(&["actor", "method", "action", "use_case", "event", "ptype", "pid", "stype", "sid"]);
            let value = if rng.below(2) == 0 { None } else { Some(format!("other {}", rng.below(9))) };
            let sql = format!("UPDATE audit SET {column} = ?2 WHERE rowid = ?1 AND {column} IS NOT ?2");
            db.execute(&sql, params![rowid, value])
        }
        "another time" => {
            let Some(rowid) = record()? else { return Ok(0) };
            db.execute(
                "UPDATE audit SET at = at + ?2 WHERE rowid = ?1",
                params![rowid, 1 + rng.below(1_000_000) as i64],
            )
        }
        "a character of a checkpoint" => {
            let Some(id) = any("SELECT id FROM audit_head")? else { return Ok(0) };
            let note: String = db.query_row("SELECT note FROM audit_head WHERE id = ?1", [id], |row| row.get(0))?;
            db.execute("UPDATE audit_head SET note = ?2 WHERE id = ?1", params![id, other_character(rng, &note)])
        }
        "another size of a checkpoint" => {
            let Some(id) = any("SELECT id FROM audit_head")? else { return Ok(0) };
            db.execute("UPDATE audit_head SET size = size + ?2 WHERE id = ?1", params![id, 1 + rng.below(3) as i64])
        }
        "a checkpoint of the other log" => {
            let Some(id) = any("SELECT id FROM audit_head")? else { return Ok(0) };
            db.execute("UPDATE audit_head SET log = 1 - log WHERE id = ?1", [id])
        }
        "a checkpoint deleted" => {
            let sql = "SELECT id FROM audit_head h WHERE EXISTS (SELECT 1 FROM audit_head n WHERE n.log = h.log AND n.size > h.size)";
            let Some(id) = any(sql)? else { return Ok(0) };
            db.execute("DELETE FROM audit_head WHERE id = ?1", [id])
        }
        "an event deleted behind its record" => {
            let Some(rowid) = any("SELECT rowid FROM audit WHERE event_created IS NOT NULL")? else { return Ok(0) };
            let sql = "DELETE FROM event WHERE (created, hash) = (SELECT event_created, event_hash FROM audit WHERE rowid = ?1)";
            db.execute(sql, [rowid])
        }
        "a record removed as if by retention" => {
            let Some(rowid) = any("SELECT rowid FROM audit WHERE body IS NOT NULL")? else { return Ok(0) };
            let (log, seq): (i64, i64) =
                db.query_row("SELECT log, seq FROM audit WHERE rowid = ?1", [rowid], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?;
            db.execute(
                "UPDATE audit SET event_created = NULL, event_hash = NULL, actor = NULL, method = NULL, action = NULL,
                 use_case = NULL, event = NULL, ptype = NULL, pid = NULL, stype = NULL, sid = NULL, twin = NULL, channel = NULL,
                 body = NULL WHERE rowid = ?1",
                [rowid],
            )?;
            db.execute("DELETE FROM audit_twin WHERE ?1 = 1 AND (seq = ?2 OR twin = ?2)", [log, seq])?;
            let sql =
                "INSERT INTO audit_pruned (log, first, last, at, reason) VALUES (?1, ?2, ?2, 0, 'retention 400 days')";
            db.execute(sql, [log, seq])
        }
        "a record rewritten with its leaf" => {
            let Some(rowid) = record()? else { return Ok(0) };
            let text = other_character(rng, &body(rowid)?);
            let (log, seq): (i64, i64) =
                db.query_row("SELECT log, seq FROM audit WHERE rowid = ?1", [rowid], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?;
            set_body(rowid, &text)?;
            let leaf = lifeline::audit::tree::leaf_hash(text.as_bytes());
            db.execute("UPDATE audit_node SET hash = ?3 WHERE log = ?1 AND pos = ?2", params![log, (seq - 1) * 2, leaf])
        }
        "a removed range forgotten" => db.execute("DELETE FROM audit_pruned WHERE log = ?1", [number(Log::Trail)]),
        "a removed range invented" => {
            let seq = any("SELECT seq FROM audit WHERE body IS NOT NULL AND log = 1")?;
            let sql =
                "INSERT OR IGNORE INTO audit_pruned (log, first, last, at, reason) VALUES (1, ?1, ?1, 0, 'retention')";
            db.execute(sql, [seq])
        }
        "a link between twins deleted" => {
            let Some(seq) = any("SELECT seq FROM audit_twin WHERE NOT EXISTS (SELECT 1 FROM audit_pruned
                WHERE log = 1 AND (seq BETWEEN first AND last OR twin BETWEEN first AND last))")?
            else {
                return Ok(0);
            };
            db.execute("DELETE FROM audit_twin WHERE seq = ?1", [seq])
        }
        "a link between twins invented" => {
            let one = any("SELECT seq FROM audit WHERE log = 1 AND body IS NOT NULL")?;
            let two = any("SELECT seq FROM audit WHERE log = 1 AND body IS NOT NULL")?;
            db.execute("INSERT OR IGNORE INTO audit_twin (seq, twin) VALUES (?1, ?2)", [one, two])
        }
        "the end cut off" => {
            let log = rng.below(2) as i64;
            let size: i64 = db.query_row("SELECT max(seq) FROM audit WHERE log = ?1", [log], |row| row.get(0))?;
            let left = size - 1 - rng.below(size as usize - 1) as i64;
            db.execute("DELETE FROM audit WHERE log = ?1 AND seq > ?2", [log, left])?;
            db.execute("DELETE FROM audit_head WHERE log = ?1 AND size > ?2", [log, left])?;
            // All nodes that have a leaf behind the end.
            for (pos, last) in db
                .prepare("SELECT pos FROM audit_node WHERE log = ?1")?
                .query_map([log], |row| row.get::<_, i64>(0))?
                .map(|pos| pos.map(|pos| (pos, ((pos >> (pos.trailing_ones() + 1)) + 1) << pos.trailing_ones())))
                .collect::<Result<Vec<(i64, i64)>, _>>()?
            {
                if last > left {
                    db.execute("DELETE FROM audit_node WHERE log = ?1 AND pos = ?2", [log, pos])?;
                }
            }
            db.execute("DELETE FROM audit_twin WHERE ?1 = 1 AND (seq > ?2 OR twin > ?2)", [log, left])?;
            db.execute("DELETE FROM audit_pruned WHERE log = ?1 AND last > ?2", [log, left]).map(|_| 1)
        }
        other => panic!("{other} is no mutation of a database"),
    }
}

#[test]
fn what_is_done_to_the_database_is_found() {
    let (seed, rounds) = (seed(), rounds());
    eprintln!("LIFELINE_TEST_SEED={seed} LIFELINE_AUDIT_ROUNDS={rounds}");
    let mut rng = Rng::new(seed);
    let base = base(&mut rng);
    let (seen, found) = look(base.now.path(), &base.claims);
    assert_eq!(found, [], "nothing was altered yet");
    assert!(seen.whole && seen.trail >= 60 && seen.access >= 16 && seen.heads >= 10, "{seen:?}");
    // An older copy is whole in itself: only what left the machine tells.
    assert_eq!(look(base.older.path(), &[]).1, []);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut done = 0;
    while done < rounds {
        let kind = *rng.pick(KINDS);
        let dir = tempfile::tempdir().expect("a directory");
        if kind == "an older copy restored" {
            copy(base.older.path(), dir.path());
        } else {
            copy(base.now.path(), dir.path());
            let db = Connection::open(dir.path().join("lifeline.db")).expect("the database opens");
            let changed = mutate(&mut rng, kind, &db).unwrap_or_else(|error| panic!("{kind}: {error}"));
            db.close().expect("closed");
            if changed == 0 {
                continue;
            }
        }
        let found = look(dir.path(), &base.claims).1;
        if found.is_empty() {
            panic!("{kind} was not found; {}", dir.keep().display());
        }
        *counts.entry(kind).or_default() += 1;
        done += 1;
    }
    for (kind, count) in &counts {
        eprintln!("{count:5} found: {kind}");
    }
    eprintln!("{done} mutations of the database were found");
}
