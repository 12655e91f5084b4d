//! Folding inside the writer's transaction.
//!
//! In: the facts that a commit stored. Out: rows of their connections' lives, in the same transaction, so that events and rows
//! never disagree. Facts later than everything before step the life on. Facts a little late are folded into their place in
//! memory. Later ones mark the connection, and it is folded again from a checkpoint when there is time (`settle.rs`).

use super::{
    base::Bases,
    cache::{Life, Lives, Pending},
    load::{self, Behind},
    marks::{Dirty, Marks},
    moves::{follow, give, place},
    shelf,
    standing::Unwritten,
};
use crate::{
    lifecycle::{Fact, State},
    model::{EventKey, Micros},
    store::{
        Outcome,
        sqlite::{encode::Row, fault::WriteError, insert::Placed, names::Names, writer::now_us},
    },
};
use rusqlite::{Connection, params};
use std::{collections::HashSet, sync::Arc};

/// Folds what is stored.
pub struct Folder {
    pub(super) on: bool,
    pub(super) names: Arc<Names>,
    pub(super) lives: Lives,
    pub(super) bases: Bases,
    pub(super) marks: Marks,
    /// Rows of `life` that are to be written.
    pub(super) unwritten: Unwritten,
    /// What the running transaction has changed in memory.
    pub(super) touched: Vec<i64>,
}

/// What one event of a commit came to.
#[derive(Debug)]
pub struct News {
    /// Number of the connection.
    pub conn: i64,
    /// The stored key.
    pub key: EventKey,
    /// Its fact; `None`: has to be read from the stored event.
    pub fact: Option<Fact>,
    /// Whether it was stored now; otherwise another delivery has changed what is stored.
    pub new: bool,
}

impl News {
    /// Of a row; `None` when it is none to a life.
    pub fn of(placed: &Placed, row: &Row) -> Option<Self> {
        let (key, fact) = match placed.outcome {
            // Taken already by a transaction that failed: it is read back from the stored event.
            Outcome::Stored(key) => (key, row.fact.take().map(|fact| Fact { key, ..fact })),
            Outcome::Duplicate(key) if placed.changed => (key, None),
            Outcome::Duplicate(_) => return None,
        };
        Some(Self { conn: placed.conn, key, fact, new: matches!(placed.outcome, Outcome::Stored(_)) })
    }
}

impl Folder {
    /// For an open database whose lives are up to date but for what is marked in it.
    pub fn open(db: &Connection, on: bool, bytes_max: usize, names: Arc<Names>) -> Result<Self, WriteError> {
        let mut folder = Self {
            on,
            names,
            lives: Lives::new(bytes_max),
            bases: Bases::load(db)?,
            marks: Marks::default(),
            unwritten: Unwritten::default(),
            touched: Vec::new(),
        };
        folder.load_marks(db)?;
        if on {
            folder.find_behind(db)?;
        }
        Ok(folder)
    }

    fn load_marks(&mut self, db: &Connection) -> rusqlite::Result<()> {
        if self.on { self.marks.load(db) } else { Ok(()) }
    }

    /// Whether anything is folded at all.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Connections that wait, and since when the first.
    pub fn waiting(&self) -> (u64, Option<Micros>) {
        self.marks.waiting()
    }

    /// Connections that should be folded again and rest, since their events cannot be read.
    pub fn resting(&self) -> u64 {
        self.marks.resting()
    }

    /// Folds what a commit stored or changed. `commit`: its number.
    pub fn fold(&mut self, db: &Connection, mut news: Vec<News>, commit: u64) -> Result<(), WriteError> {
        if !self.on || news.is_empty() {
            return Ok(());
        }
        // Of an event that was stored and changed by one commit, what is stored now comes first and counts. Places are sorted, since
        // facts are large.
        let place = |(at, it): (usize, &News)| (it.conn, it.key, it.fact.is_some(), at);
        let mut order: Vec<(i64, EventKey, bool, usize)> = news.iter().enumerate().map(place).collect();
        order.sort_unstable();
        let stored: HashSet<EventKey> = if news.iter().any(|it| !it.new) {
            news.iter().filter(|it| it.new).map(|it| it.key).collect()
        } else {
            HashSet::new()
        };
        let mut facts = Vec::<Fact>::new();
        for places in order.chunk_by(|one, other| one.0 == other.0) {
            let (conn, mut replaced) = (places[0].0, false);
            facts.clear();
            for (.., at) in places {
                let it = &mut news[*at];
                if facts.last().is_some_and(|last| last.key == it.key) {
                    continue;
                }
                facts.extend(match it.fact.take() {
                    Some(fact) => Some(fact),
                    None => {
                        replaced |= !it.new && !stored.contains(&it.key);
                        load::fact(db, &self.names, it.key, conn)?
                    }
                });
            }
            if !facts.is_empty() {
                self.step(db, conn, &mut facts, replaced)?;
            }
        }
        self.write_old(db, commit)?;
        self.make_room(db)
    }

    /// Folds facts of one connection, in order. `replaced`: some of them were there before with another meaning.
    fn step(&mut self, db: &Connection, conn: i64, facts: &mut Vec<Fact>, replaced: bool) -> Result<(), WriteError> {
        if let Some(base) = self.bases.of(conn) {
            facts.retain(|fact| fact.key.created_us > base);
        }
        let Some(first) = facts.first().map(|fact| fact.key.created_us) else { return Ok(()) };
        if self.marks.contains(conn) {
            return self.mark(db, conn, first);
        }
        self.touched.push(conn);
        let mut life = match self.lives.take(conn) {
            Some(life) => life,
            None => match self.load(db, conn, facts, replaced) {
                Ok(Some(life)) => life,
                Ok(None) => return self.mark(db, conn, first),
                // A sender is not refused because something older cannot be read.
                Err(error) if error.is_damage() => return self.mark(db, conn, first),
                Err(error) => return Err(error),
            },
        };
        if life.base.last_us().is_some_and(|base| first <= base) {
            return self.mark(db, conn, first);
        }
        if let Some(known) = life.head.labels() {
            // One copy for all the facts in memory, and nothing to compare any more.
            facts.iter_mut().filter(|fact| fact.labels == *known).for_each(|fact| fact.labels = Arc::clone(known));
        }
        let late = replaced || life.head.last_us().is_some_and(|head| first <= head);
        if late {
            place(db, conn, &mut life, facts)?;
        } else {
            follow(db, conn, &mut life, facts)?;
        }
        if replaced {
            // The order of arrival does not tell of deliveries that change an event.
            life.pending.write(db, conn)?;
            put_life(db, conn, &life.head)?;
        } else {
            self.unwritten.add(conn);
        }
        self.lives.put(conn, life);
        Ok(())
    }

    /// A life that is not in memory, as it was before `new`; `None` when it has to be folded again from further back.
    pub(super) fn load(
        &self,
        db: &Connection,
        conn: i64,
        new: &[Fact],
        replaced: bool,
    ) -> Result<Option<Box<Life>>, WriteError> {
        let known =
            self.unwritten.holds(conn) || db.prepare_cached("SELECT 1 FROM life WHERE conn = ?1")?.exists([conn])?;
        if !known && !replaced {
            return Ok(Some(Box::default()));
        }
        let checkpoint = load::newest(db, conn, i64::MAX)?;
        // Without new facts nothing is late.
        let late = new.first().is_some_and(|first| checkpoint.at.is_some_and(|at| first.key.created_us <= at));
        if replaced || late {
            return Ok(None);
        }
        let mut recent = Vec::new();
        let behind = Behind { conn, after: checkpoint.at, upto: i64::MAX, without: new };
        load::facts(db, &self.names, behind, |group| {
            recent.extend(group);
            Ok::<_, WriteError>(true)
        })?;
        let mut head = checkpoint.state.clone();
        // These rows may be in their tables or not.
        let (mut given, mut pending) = (Vec::new(), Pending::default());
        give(&mut head, &recent, &mut given, &mut pending);
        let base = checkpoint.state;
        let state_bytes = checkpoint.bytes;
        Ok(Some(Box::new(Life { base, recent, head, given, pending, state_bytes, ..Life::default() })))
    }

    /// Marks a connection as one that has to be folded again from a moment on.
    pub(super) fn mark(&mut self, db: &Connection, conn: i64, from: Micros) -> Result<(), WriteError> {
        self.lives.take(conn);
        let from = self.bases.clamp(conn, from);
        let known = self.marks.of(conn);
        if known.is_some_and(|known| known.from <= from) {
            return Ok(());
        }
        let dirty = Dirty { from, since: known.map_or_else(now_us, |known| known.since) };
        self.marks.note(conn, Some(dirty));
        let changed = db
            .prepare_cached("UPDATE life SET dirty_from = ?2, dirty_since = ?3 WHERE conn = ?1")?
            .execute([conn, dirty.from, dirty.since])?;
        if changed == 0 {
            db.prepare_cached(
                "INSERT INTO life (conn, connection_id, source, dirty_from, dirty_since)
                 SELECT ?1, ifnull(max(connection_id), ''), ifnull(max(source), ''), ?2, ?3
                 FROM connection WHERE id = ?1 HAVING ?1 = 0 OR count(*) > 0",
            )?
            .execute([conn, dirty.from, dirty.since])?;
        }
        Ok(())
    }

    /// Puts a life into memory that this transaction has made.
    pub(super) fn remember(&mut self, conn: i64, life: Box<Life>) {
        self.touched.push(conn);
        self.lives.put(conn, life);
    }

    /// Forgets everything but what is in the tables.
    pub(super) fn forget(&mut self, db: &Connection) -> Result<(), WriteError> {
        drop(self.lives.drain());
        self.marks.touch();
        Ok(self.load_marks(db)?)
    }

    /// After a commit, or after a rollback: what was done since the last call stands or is forgotten.
    pub fn settle(&mut self, db: &Connection, committed: bool) {
        let marked = self.marks.settle();
        if !committed {
            for conn in &self.touched {
                self.lives.take(*conn);
            }
            self.names.forget();
            if marked && let Err(error) = self.load_marks(db) {
                tracing::warn!("reading which connections wait to be folded: {error}");
            }
        }
        self.bases.settle(db, committed);
        self.unwritten.settle(committed);
        self.touched.clear();
    }
}

/// Keeps the newest state of a life that leaves the memory, and its rows.
pub(super) fn save_head(db: &Connection, conn: i64, life: &mut Life) -> Result<(), WriteError> {
    if life.unsaved > 0 || !life.recent.is_empty() {
        shelf::store(db, conn, &life.head, &mut life.pending)?;
        load::save(db, conn, &life.head, life.unsaved + life.recent.len())?;
    }
    life.pending.write(db, conn)?;
    Ok(())
}

/// Says how a connection stands, and that nothing of it waits.
pub fn put_life(db: &Connection, conn: i64, state: &State) -> Result<(), WriteError> {
    let summary = state.summary();
    let json = summary.as_ref().map(serde_json::to_string).transpose();
    let json = json.map_err(|error| WriteError::Store(crate::store::StoreError::Engine(error.to_string())))?;
    let it = summary.as_ref();
    let values = params![
        conn,
        it.and_then(|it| it.connection_name.as_deref()),
        it.and_then(|it| it.connector_type.as_deref()),
        it.and_then(|it| it.destination.as_deref()),
        it.map(|it| it.status.as_str()),
        it.map(|it| it.status as i64),
        it.map(|it| it.health.as_str()),
        it.and_then(|it| it.last_success_us),
        it.and_then(|it| it.last_event_us),
        json,
    ];
    let changed = db
        .prepare_cached(
            "UPDATE life SET dirty_from = NULL, dirty_since = NULL, name = ?2, type = ?3, destination = ?4,
             status = ?5, rank = ?6, health = ?7, last_success = ?8, last_event = ?9, summary = ?10
             WHERE conn = ?1",
        )?
        .execute(values)?;
    if changed == 0 {
        db.prepare_cached(
            "INSERT INTO life (conn, connection_id, source, name, type, destination, status, rank, health,
             last_success, last_event, summary)
             SELECT ?1, ifnull(max(connection_id), ''), ifnull(max(source), ''), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10
             FROM connection WHERE id = ?1 HAVING ?1 = 0 OR count(*) > 0",
        )?
        .execute(values)?;
    }
    Ok(())
}
