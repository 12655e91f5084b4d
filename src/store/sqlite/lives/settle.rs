//! Folding again what came late, a bounded piece at a time.
//!
//! In: a connection that is marked. Out: its rows made anew from the newest checkpoint before the mark, in slices, each in a
//! transaction of its own that moves the mark on; a crash between two slices loses nothing. Also the marking of everything, when
//! the rules of the fold have changed or somebody asks for it.

use super::{
    cache::Life,
    fold::{Folder, put_life},
    load::{self, Behind, Checkpoint},
    marks::Dirty,
    moves::{give, is_due},
    rows::{self, Ident},
    shelf,
};
use crate::{
    lifecycle::{FOLD_VERSION, Fact},
    model::{Micros, TEST_CONNECTION_ID},
    store::sqlite::{all_events::AllEvents, fault::WriteError, names::Names, tokens, writer::now_us},
};
use rusqlite::{Connection, OptionalExtension as _, params};

/// Facts in one turn of the writer.
const TURN_FACTS: usize = 2_000;
/// What a connection costs besides its facts, in facts.
const TURN_EACH: usize = 16;
/// Facts that are read at a time.
const CHUNK: usize = 256;
/// Under which name the number of the rules is kept.
const VERSION_KEY: &str = "fold_version";

impl Folder {
    /// Makes sure that what is in the tables was made by these rules, or marks everything.
    pub fn prepare(db: &Connection, on: bool, names: &Names) -> Result<(), WriteError> {
        // What is stored while nothing is folded is not marked either.
        let wanted = if on { FOLD_VERSION } else { 0 };
        let found = tokens::meta(db, VERSION_KEY)?;
        let found = found.and_then(|bytes| bytes.try_into().ok()).map(i64::from_le_bytes);
        if found == Some(wanted) {
            return Ok(());
        }
        db.execute_batch("BEGIN IMMEDIATE")?;
        let all = || -> Result<(), WriteError> {
            if on {
                mark_all(db, names)?;
                db.execute("UPDATE life SET summary = NULL, status = NULL", [])?;
            }
            tokens::set_meta(db, VERSION_KEY, &wanted.to_le_bytes())?;
            Ok(db.execute_batch("COMMIT")?)
        };
        let outcome = all();
        if outcome.is_err() && !db.is_autocommit() {
            let _ = db.execute_batch("ROLLBACK");
        }
        outcome
    }

    /// Marks every connection and throws its rows away.
    pub fn rebuild(&mut self, db: &Connection) -> Result<(), WriteError> {
        if !self.on {
            return Ok(());
        }
        mark_all(db, &self.names)?;
        self.marks.wake(true);
        self.forget(db)
    }

    /// Numbers of the connections of an id that wait.
    pub fn waiting_of(&self, db: &Connection, connection_id: &str) -> Result<Vec<i64>, WriteError> {
        let mut statement = db.prepare_cached("SELECT id FROM connection WHERE connection_id = ?1")?;
        let found = statement.query_map([connection_id], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
        Ok(found.into_iter().filter(|conn| self.waits(*conn)).collect())
    }

    /// Whether the turn of a connection is to come.
    pub fn waits(&self, conn: i64) -> bool {
        self.marks.waits(conn)
    }

    /// Has those tried again that have rested long enough.
    pub fn wake(&mut self) {
        self.marks.wake(false);
    }

    /// Writes the rows that are behind, and folds a bounded number of facts again, of the wanted connections first. Inside a
    /// transaction. `commit`: the number of the last commit.
    pub fn turn(&mut self, db: &Connection, wanted: &[i64], commit: u64) -> Result<(), WriteError> {
        self.write_behind(db, commit)?;
        let mut left = TURN_FACTS;
        while left > 0 {
            let next = wanted.iter().copied().find(|conn| self.waits(*conn));
            let Some(conn) = next.or_else(|| self.marks.first()) else { break };
            let Some(dirty) = self.marks.of(conn) else { break };
            let done = self.slice_or_rest(db, conn, dirty, left)?;
            left = left.saturating_sub(done + TURN_EACH);
        }
        self.make_room(db)
    }

    /// The same as [`Self::slice`], but nobody waits for a connection whose events cannot be read.
    fn slice_or_rest(&mut self, db: &Connection, conn: i64, dirty: Dirty, limit: usize) -> Result<usize, WriteError> {
        db.execute_batch("SAVEPOINT slice")?;
        let done = match self.slice(db, conn, dirty, limit) {
            Err(error) if error.is_damage() => {
                db.execute_batch("ROLLBACK TO slice")?;
                if self.marks.rest(conn) {
                    let id = name(db, conn)?;
                    tracing::error!(
                        "the life of connection {id:?} stands still: {}; the others go on; `lifeline verify` lists what is lost",
                        error.explain()
                    );
                }
                Ok(0)
            }
            done => done,
        }?;
        db.execute_batch("RELEASE slice")?;
        Ok(done)
    }

    /// Folds about `limit` facts of one connection again. Gives how many it were.
    fn slice(&mut self, db: &Connection, conn: i64, dirty: Dirty, limit: usize) -> Result<usize, WriteError> {
        let mut start = Slice::begin(db, conn, dirty.from)?;
        let names = &self.names;
        let after = start.life.base.last_us();
        let mut chunk: Vec<Fact> = Vec::new();
        let all = load::facts(db, names, Behind { conn, after, upto: i64::MAX, without: &[] }, |group| {
            chunk.extend(group);
            if chunk.len() >= CHUNK {
                start.fold(db, &mut chunk)?;
            }
            Ok::<_, WriteError>(start.done < limit)
        })?;
        if all {
            // The last ones stay in memory, so that what comes a little late finds its place.
            let Slice { mut life, done, .. } = start;
            life.head = life.base.clone();
            give(&mut life.head, &chunk, &mut life.given, &mut life.pending);
            life.pending.write(db, conn)?;
            life.recent = chunk;
            put_life(db, conn, &life.head)?;
            self.marks.note(conn, None);
            let done = done + life.recent.len();
            self.remember(conn, life);
            return Ok(done);
        }
        start.fold(db, &mut chunk)?;
        start.save(db)?;
        // What it has seen stands; a late one before that marks it again.
        let from = start.life.base.last_us().map_or(dirty.from, |last| last.saturating_add(1));
        db.prepare_cached("UPDATE life SET dirty_from = ?2 WHERE conn = ?1")?.execute([conn, from])?;
        self.marks.note(conn, Some(Dirty { from, ..dirty }));
        Ok(start.done)
    }
}

/// A connection that is being folded again.
struct Slice {
    conn: i64,
    life: Box<Life>,
    done: usize,
}

impl Slice {
    /// From the newest checkpoint before `from`; takes back what was given out after it.
    fn begin(db: &Connection, conn: i64, from: Micros) -> Result<Self, WriteError> {
        let upto = from.checked_sub(1);
        let Checkpoint { at, state, bytes } = match upto {
            Some(upto) => load::newest(db, conn, upto)?,
            None => Checkpoint::default(),
        };
        let day = state.day().map_or(i64::MIN, |day| day.day);
        shelf::open(db, conn, at, state.live_stages())?;
        rows::remove_after(db, conn, at.unwrap_or(i64::MIN), day)?;
        for live in state.live() {
            // It may have been given out in another form since.
            match at {
                Some(at) if live.given => rows::put(db, conn, at, &live.row)?,
                _ => rows::remove(db, conn, Ident::of(&live.row))?,
            }
        }
        let life = Box::new(Life { base: state, state_bytes: bytes, ..Life::default() });
        Ok(Self { conn, life, done: 0 })
    }

    fn fold(&mut self, db: &Connection, chunk: &mut Vec<Fact>) -> Result<(), WriteError> {
        let life = &mut *self.life;
        give(&mut life.base, chunk, &mut life.given, &mut life.pending);
        if life.pending.is_full() {
            life.pending.write(db, self.conn)?;
        }
        life.given.clear();
        self.life.unsaved += chunk.len();
        self.done += chunk.len();
        chunk.clear();
        if is_due(self.life.unsaved, self.life.state_bytes) {
            self.save(db)?;
        }
        Ok(())
    }

    fn save(&mut self, db: &Connection) -> Result<(), WriteError> {
        shelf::store(db, self.conn, &self.life.base, &mut self.life.pending)?;
        self.life.state_bytes = load::save(db, self.conn, &self.life.base, self.life.unsaved)?;
        self.life.unsaved = 0;
        Ok(())
    }
}

/// What people call a connection.
fn name(db: &Connection, conn: i64) -> rusqlite::Result<String> {
    let found =
        db.prepare_cached("SELECT connection_id FROM connection WHERE id = ?1")?.query_row([conn], |row| row.get(0));
    Ok(found.optional()?.unwrap_or_else(|| "the account".into()))
}

/// Empties every table of rows and marks every connection, and the account, from the beginning.
fn mark_all(db: &Connection, names: &Names) -> Result<(), WriteError> {
    // What was folded up to a base cannot be made anew; what follows it is taken back when it is folded again.
    for sql in [
        "DELETE FROM stage WHERE conn NOT IN (SELECT conn FROM life_base)",
        "DELETE FROM shelf WHERE conn NOT IN (SELECT conn FROM life_base)",
        "DELETE FROM incident WHERE conn NOT IN (SELECT conn FROM life_base)",
        "DELETE FROM day WHERE conn NOT IN (SELECT conn FROM life_base)",
        "DELETE FROM run WHERE conn NOT IN (SELECT conn FROM life_base)",
        "DELETE FROM activity WHERE conn NOT IN (SELECT conn FROM life_base)",
        "DELETE FROM checkpoint WHERE (conn, at) NOT IN (SELECT conn, at FROM life_base)",
    ] {
        db.execute(sql, [])?;
    }
    db.execute(
        "INSERT INTO life (conn, connection_id, source, dirty_from, dirty_since)
         SELECT id, connection_id, source, ?1, ?2 FROM connection WHERE connection_id <> ?3
         UNION ALL SELECT 0, '', '', ?1, ?2 WHERE ?4
         ON CONFLICT (conn) DO UPDATE SET dirty_from = ?1, dirty_since = ?2",
        params![i64::MIN, now_us(), TEST_CONNECTION_ID, AllEvents::of(db, names)?.has(0)?],
    )?;
    db.execute("UPDATE life SET dirty_from = base.at + 1 FROM life_base base WHERE base.conn = life.conn", [])?;
    Ok(())
}
