//! States that are likely to be needed again, on the writer's side.
//!
//! In: a connection's number. Out: its life in memory: a state some facts ago, the facts since, and the state now, so that a fact
//! which comes a little late is folded into its place without reading anything. Bounded by an estimate of bytes: of what was used
//! longest ago only the state now stays, and then nothing.

use super::rows::{self, Ident};
use crate::{
    lifecycle::{Fact, Output, State},
    model::Micros,
};
use ahash::AHashMap;
use rusqlite::Connection;

/// What a state takes in memory before it was ever kept and measured, about.
const STATE_BYTES: usize = 4096;
/// What a copy of a state takes beside it, about: most of it is shared.
const COPY_BYTES: usize = 1024;
/// What a fact takes, about.
const BYTES_PER_FACT: usize = 300;

/// Rows of one connection that wait at most: each new one is looked for among them. Few in tests, which have few events.
const PENDING_MAX: usize = if cfg!(test) { 20 } else { 256 };
/// What a waiting row takes beside its texts, about.
const ROW_BYTES: usize = 300;

/// Rows that were given out and are not in their tables yet, with the moment. They can be made anew from the newest checkpoint and
/// the events after it, so that they may be lost with the memory; a checkpoint says that those before it are in their tables.
#[derive(Debug, Default)]
pub struct Pending {
    rows: Vec<(Micros, Output)>,
    bytes: usize,
}

impl Pending {
    /// A row in its newest form.
    pub fn add(&mut self, at: Micros, row: Output) {
        self.bytes += row_bytes(&row);
        let ident = Ident::of(&row);
        match self.rows.iter_mut().rev().find(|(_, known)| Ident::of(known) == ident) {
            Some(known) => {
                self.bytes -= row_bytes(&known.1);
                *known = (at, row);
            }
            None => self.rows.push((at, row)),
        }
    }

    /// A row that is not to be written, after all.
    pub fn remove(&mut self, ident: Ident) {
        let bytes = &mut self.bytes;
        self.rows.retain(|(_, row)| {
            let stays = Ident::of(row) != ident;
            *bytes -= if stays { 0 } else { row_bytes(row) };
            stays
        });
    }

    /// Takes those out that fit.
    pub fn take(&mut self, fits: impl Fn(&(Micros, Output)) -> bool) -> Vec<(Micros, Output)> {
        let (taken, left): (Vec<_>, Vec<_>) = self.rows.drain(..).partition(fits);
        self.rows = left;
        self.bytes -= taken.iter().map(|(_, row)| row_bytes(row)).sum::<usize>();
        taken
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it is time to write them, whatever else.
    pub fn is_full(&self) -> bool {
        self.rows.len() >= PENDING_MAX
    }

    /// Puts them into their tables.
    pub fn write(&mut self, db: &Connection, conn: i64) -> rusqlite::Result<()> {
        self.bytes = 0;
        self.rows.drain(..).try_for_each(|(at, row)| rows::put(db, conn, at, &row))
    }
}

fn row_bytes(row: &Output) -> usize {
    let texts = match row {
        Output::Sync(it) => it.body.len() + it.stats.as_ref().map_or(0, |stats| stats.len()),
        Output::Stage(it) => it.body.len(),
        Output::Incident(it) => it.body.len(),
        Output::Run(it) => it.body.len(),
        Output::Activity(it) => it.data.as_ref().map_or(0, String::len),
        Output::Day(_) | Output::Gone(..) => 0,
    };
    ROW_BYTES + texts
}

/// A connection's life in memory.
#[derive(Debug, Default)]
pub struct Life {
    /// Some facts ago.
    pub base: State,
    /// Between `base` and `head`: after so many of `recent`. The next base.
    pub middle: Option<(usize, State)>,
    /// Facts since then, in order.
    pub recent: Vec<Fact>,
    /// Now: `base` and then `recent`.
    pub head: State,
    /// Rows that were given out since `base`, with the moment.
    pub given: Vec<(Micros, Ident)>,
    /// Rows that are to be written.
    pub pending: Pending,
    /// Facts in `base` that the newest checkpoint has not seen.
    pub unsaved: usize,
    /// Size of the last checkpoint as JSON, in bytes.
    pub state_bytes: usize,
    /// When it was used last.
    pub used: u64,
}

impl Life {
    /// About how much memory it holds, in bytes.
    fn weight(&self) -> usize {
        let state = if self.state_bytes == 0 { STATE_BYTES } else { self.state_bytes };
        state + 2 * COPY_BYTES + self.recent.len() * BYTES_PER_FACT + self.given.len() * 48
    }

    /// Keeps nothing but the state now. A late fact then means going back to a checkpoint.
    fn shrink(&mut self) {
        self.unsaved += self.recent.len();
        self.base = self.head.clone();
        self.middle = None;
        self.recent = Vec::new();
        self.given = Vec::new();
    }
}

/// Lives by connection.
#[derive(Debug)]
pub struct Lives {
    /// Boxed: a life is a kilobyte of its own, and is taken out and put back with every commit.
    lives: AHashMap<i64, Box<Life>>,
    bytes: usize,
    bytes_max: usize,
    /// Of rows that wait, in all.
    pending_bytes: usize,
    clock: u64,
}

impl Lives {
    /// Empty.
    pub fn new(bytes_max: usize) -> Self {
        Self { lives: AHashMap::new(), bytes: 0, bytes_max, pending_bytes: 0, clock: 0 }
    }

    /// Takes a life out.
    pub fn take(&mut self, conn: i64) -> Option<Box<Life>> {
        let life = self.lives.remove(&conn)?;
        self.bytes = self.bytes.saturating_sub(life.weight());
        self.pending_bytes = self.pending_bytes.saturating_sub(life.pending.bytes);
        Some(life)
    }

    /// Bytes of rows that wait to be written, about.
    pub fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// Connections whose rows wait that make up so many bytes, those with most of them first.
    pub fn fullest(&self, bytes: usize) -> Vec<i64> {
        let waiting = self.lives.iter().filter(|(_, life)| life.pending.len() > 0);
        let mut by_bytes: Vec<(usize, i64)> = waiting.map(|(conn, life)| (life.pending.bytes, *conn)).collect();
        by_bytes.sort_unstable_by(|one, other| other.cmp(one));
        let mut sum = 0;
        let enough = |(of, _): &(usize, i64)| {
            let goes = sum < bytes;
            sum += of;
            goes
        };
        by_bytes.into_iter().take_while(enough).map(|(_, conn)| conn).collect()
    }

    /// Puts a life in.
    pub fn put(&mut self, conn: i64, mut life: Box<Life>) {
        self.take(conn);
        self.clock += 1;
        life.used = self.clock;
        self.bytes += life.weight();
        self.pending_bytes += life.pending.bytes;
        self.lives.insert(conn, life);
    }

    /// Makes room when the bound is passed, down to seven eighths of it: shrinks what was used longest ago, all but the newest
    /// eighth, and where that is not enough takes lives out.
    pub fn evict(&mut self) -> Vec<(i64, Box<Life>)> {
        if self.bytes <= self.bytes_max {
            return Vec::new();
        }
        let mut by_use: Vec<(u64, i64)> = self.lives.iter().map(|(conn, life)| (life.used, *conn)).collect();
        by_use.sort_unstable();
        let goal = self.bytes_max / 8 * 7;
        for (_, conn) in &by_use[..by_use.len() / 8 * 7] {
            if self.bytes <= goal {
                return Vec::new();
            }
            if let Some(life) = self.lives.get_mut(conn).filter(|life| !life.recent.is_empty()) {
                let before = life.weight();
                life.shrink();
                self.bytes = self.bytes.saturating_sub(before) + life.weight();
            }
        }
        let mut gone = Vec::new();
        for (_, conn) in by_use {
            if self.bytes <= goal {
                break;
            }
            if let Some(life) = self.take(conn) {
                gone.push((conn, life));
            }
        }
        gone
    }

    /// Takes everything out.
    pub fn drain(&mut self) -> Vec<(i64, Box<Life>)> {
        self.bytes = 0;
        self.pending_bytes = 0;
        self.lives.drain().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{lifecycle::StageKind, model::EventKey};

    #[test]
    fn those_with_most_rows_come_first_until_it_is_enough() {
        let mut lives = Lives::new(1 << 20);
        for (conn, rows) in [(1, 2), (2, 9), (3, 0), (4, 5), (5, 1)] {
            let mut life = Life::default();
            for n in 0..rows {
                life.pending.add(n, Output::Gone(EventKey { created_us: n, hash: 0 }, StageKind::Sync));
            }
            lives.put(conn, Box::new(life));
        }
        assert_eq!(lives.pending_bytes(), 17 * ROW_BYTES);
        for (bytes, expected) in [(0, 0), (1, 1), (9 * ROW_BYTES, 1), (9 * ROW_BYTES + 1, 2), (16 * ROW_BYTES, 3)] {
            assert_eq!(lives.fullest(bytes), [2, 4, 1][..expected], "{bytes}");
        }
        assert_eq!(lives.fullest(usize::MAX), [2, 4, 1, 5]);
    }
}
