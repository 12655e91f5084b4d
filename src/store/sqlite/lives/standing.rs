//! Rows of lives, written behind the commits.
//!
//! In: connections whose life has moved on. Out: what their lives gave out, in its tables, and their rows in `life`, in rounds over
//! all of them: every ten seconds, when nothing else waits, or when somebody asks for a list. A connection has pages of its own in most
//! tables, so that rows written with each commit would cost a page each; so several share one. Where too many rows wait, those go
//! first that have most neighbours.
//! What one connection is asked about is read from its states and events and never needs these rows.
//! A crash loses nothing: which commits are behind is told by the order of arrival, and the rows are made from states and events.

use super::{
    fold::{Folder, put_life, save_head},
    load,
};
use crate::{
    model::Micros,
    store::sqlite::{all_events::AllEvents, fault::WriteError, tail, tokens, writer::now_us},
};
use ahash::AHashSet;
use rusqlite::Connection;

/// How old such a row may become while events keep coming.
const AGE_MAX: Micros = 10_000_000;
/// Bytes of rows that may wait, about. Few in tests, which have few events.
const PENDING_BYTES_MAX: usize = if cfg!(test) { 8 << 10 } else { 16 << 20 };
/// Rows in one transaction, at most, but for those of one connection. Few in tests, which have few connections.
const ROWS_MAX: usize = if cfg!(test) { 8 } else { 4_096 };
/// Of them, rows of lives that are not in memory and must be read first.
const READ_MAX: usize = 64;
/// Under which name the last commit is kept whose rows are all written.
const WRITTEN_KEY: &str = "lives_written";

/// Connections whose rows are behind.
#[derive(Debug, Default)]
pub struct Unwritten {
    waiting: AHashSet<i64>,
    /// When the first began to wait that is not in the round.
    since: Option<Micros>,
    /// Those of this round that are still to be written, the last one first.
    round: Vec<i64>,
    /// The commit before which the round began.
    round_commit: u64,
    /// The same of the last round that is through.
    through: u64,
    /// Written by the running transaction, and whether they wait since then.
    written: Vec<(i64, bool)>,
    /// Those that wait since the running transaction: taken back, nothing is known of them, maybe not even their number.
    fresh: AHashSet<i64>,
    /// The running transaction ends the round.
    ends: bool,
}

impl Unwritten {
    /// A life has moved on.
    pub fn add(&mut self, conn: i64) {
        if self.waits(conn) {
            self.fresh.insert(conn);
        }
    }

    /// A life has moved on in a transaction that is over. False when it waits already.
    fn waits(&mut self, conn: i64) -> bool {
        self.since.get_or_insert_with(now_us);
        self.waiting.insert(conn)
    }

    /// How many connections wait.
    pub fn len(&self) -> u64 {
        self.waiting.len() as u64
    }

    /// Whether a connection waits, or is being written.
    pub fn holds(&self, conn: i64) -> bool {
        self.waiting.contains(&conn) || self.written.iter().any(|(written, _)| *written == conn)
    }

    /// Takes a connection out whose rows are about to be written. False when it does not wait.
    pub fn take(&mut self, conn: i64) -> bool {
        let waits = self.waiting.remove(&conn);
        if waits {
            self.written.push((conn, self.fresh.remove(&conn)));
        }
        waits
    }

    /// After a commit, or after a rollback, which has written nothing.
    pub fn settle(&mut self, committed: bool) {
        let written = std::mem::take(&mut self.written);
        let (ends, fresh) = (std::mem::take(&mut self.ends), std::mem::take(&mut self.fresh));
        if !committed {
            // The next round has those that waited before.
            for conn in fresh {
                self.waiting.remove(&conn);
            }
            for (conn, _) in written.into_iter().filter(|(_, fresh)| !fresh) {
                self.waits(conn);
            }
            self.round.clear();
        } else if ends {
            self.through = self.round_commit;
        }
        if self.waiting.is_empty() {
            self.since = None;
        }
    }

    fn is_old(&self) -> bool {
        self.since.is_some_and(|since| now_us().saturating_sub(since) >= AGE_MAX)
    }

    /// How many connections wait whose rows a commit, or one before it, has made.
    pub fn of_commit(&self, commit: u64) -> u64 {
        if self.through >= commit { 0 } else { self.len() }
    }

    /// Begins a round unless one is under way.
    fn begin(&mut self, commit: u64) {
        if self.round.is_empty() {
            self.round.extend(&self.waiting);
            // Neighbours share pages.
            self.round.sort_unstable_by(|one, other| other.cmp(one));
            self.round_commit = commit;
            self.since = None;
        }
    }
}

impl Folder {
    /// Which rows a crash has left behind: those of connections that commits after the last complete writing touched.
    pub(super) fn find_behind(&mut self, db: &Connection) -> Result<(), WriteError> {
        let written = tokens::meta(db, WRITTEN_KEY)?.and_then(|bytes| bytes.try_into().ok());
        let written = written.map_or(0, u64::from_le_bytes);
        if tail::last(db)?.0 <= written {
            return Ok(());
        }
        let test = crate::model::TEST_CONNECTION_ID;
        let (arrivals, gap) = tail::since(db, written)?;
        if gap {
            // Also those that have no row in `life` yet. Of one that waits to be folded again nothing is written here.
            let mut statement = db.prepare_cached("SELECT id FROM connection WHERE connection_id <> ?1")?;
            for conn in statement.query_map([test], |row| row.get(0))? {
                self.unwritten.waits(conn?);
            }
            if AllEvents::of(db, &self.names)?.has(0)? {
                self.unwritten.waits(0);
            }
            return Ok(());
        }
        let tests: Vec<i64> = db
            .prepare_cached("SELECT id FROM connection WHERE connection_id = ?1")?
            .query_map([test], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let all = AllEvents::of(db, &self.names)?;
        for (key, conn) in arrivals {
            let conn = match conn {
                Some(conn) => Some(conn),
                None => match all.get(key, None).map_err(WriteError::from) {
                    Ok(held) => held.map(|held| held.flat().conn),
                    // Whose it was nobody knows: its life is not behind for long, since it is folded again when more comes.
                    Err(error) if error.is_damage() => None,
                    Err(error) => return Err(error),
                },
            };
            if let Some(conn) = conn.filter(|conn| !tests.contains(conn)) {
                self.unwritten.waits(conn);
            }
        }
        Ok(())
    }

    /// Writes rows when they have waited long enough, or too many wait.
    pub(super) fn write_old(&mut self, db: &Connection, commit: u64) -> Result<(), WriteError> {
        if !self.unwritten.round.is_empty() || self.unwritten.is_old() {
            self.write_behind(db, commit)?;
        }
        if self.lives.pending_bytes() > PENDING_BYTES_MAX { self.write_fullest(db) } else { Ok(()) }
    }

    /// Makes room for rows that wait: writes those of the connections that have most, so that a page takes many. The others have theirs
    /// written in the next round.
    fn write_fullest(&mut self, db: &Connection) -> Result<(), WriteError> {
        for conn in self.lives.fullest(PENDING_BYTES_MAX / 4) {
            let Some(mut life) = self.lives.take(conn) else { continue };
            life.pending.write(db, conn)?;
            self.remember(conn, life);
        }
        Ok(())
    }

    /// Writes rows, a bounded number of them. `commit`: the number of the last commit, whose facts are folded.
    pub(super) fn write_behind(&mut self, db: &Connection, commit: u64) -> Result<(), WriteError> {
        if self.unwritten.waiting.is_empty() {
            return Ok(());
        }
        self.unwritten.begin(commit);
        let (mut rows, mut read) = (0, 0);
        while rows < ROWS_MAX && read < READ_MAX {
            let Some(conn) = self.unwritten.round.pop() else { break };
            // Of one that waits to be folded again, rows are written then.
            if !self.unwritten.take(conn) || self.waits(conn) {
                continue;
            }
            let life = match self.lives.take(conn) {
                Some(life) => Some(life),
                None => {
                    read += 1;
                    match self.load(db, conn, &[], false) {
                        // Nobody else waits for what cannot be read.
                        Err(error) if error.is_damage() => {
                            let kept = load::newest(db, conn, i64::MAX)?.at;
                            self.mark(db, conn, kept.map_or(i64::MIN, |at| at.saturating_add(1)))?;
                            None
                        }
                        life => life?,
                    }
                }
            };
            let Some(mut life) = life else { continue };
            rows += 1 + life.pending.len();
            life.pending.write(db, conn)?;
            put_life(db, conn, &life.head)?;
            self.remember(conn, life);
        }
        if self.unwritten.round.is_empty() {
            self.unwritten.ends = true;
            tokens::set_meta(db, WRITTEN_KEY, &self.unwritten.round_commit.to_le_bytes())?;
        }
        Ok(())
    }

    /// Keeps and forgets the states that do not fit into memory.
    pub(super) fn make_room(&mut self, db: &Connection) -> Result<(), WriteError> {
        for (conn, mut life) in self.lives.evict() {
            save_head(db, conn, &mut life)?;
            if self.unwritten.take(conn) && !self.waits(conn) {
                put_life(db, conn, &life.head)?;
            }
        }
        Ok(())
    }

    /// Keeps every state that is in memory and writes every row, so that a restart is quick.
    pub fn save_all(&mut self, db: &Connection, commit: u64) -> Result<(), WriteError> {
        while self.unwritten.len() > 0 {
            self.write_behind(db, commit)?;
        }
        for (conn, mut life) in self.lives.drain() {
            save_head(db, conn, &mut life)?;
        }
        Ok(())
    }

    /// How many connections wait for their rows to be written.
    pub fn unwritten(&self) -> u64 {
        self.unwritten.len()
    }

    /// How many of them wait since a commit or longer.
    pub fn unwritten_of(&self, commit: u64) -> u64 {
        self.unwritten.of_commit(commit)
    }
}
