//! States that are likely to be needed again, on the writer's side.
//!
//! In: a connection's number. Out: its life in memory: a state some facts ago, the facts since, and the state now, so that a fact
//! which comes a little late is folded into its place without reading anything. Bounded by an estimate of bytes: of what was used
//! longest ago only the state now stays, and then nothing.

use super::rows::Ident;
use crate::{
    lifecycle::{Fact, State},
    model::Micros,
};
use ahash::AHashMap;

/// What a state takes in memory before it was ever kept and measured, about.
const STATE_BYTES: usize = 4096;
/// What a copy of a state takes beside it, about: most of it is shared.
const COPY_BYTES: usize = 1024;
/// What a fact takes, about.
const BYTES_PER_FACT: usize = 300;

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
    clock: u64,
}

impl Lives {
    /// Empty.
    pub fn new(bytes_max: usize) -> Self {
        Self { lives: AHashMap::new(), bytes: 0, bytes_max, clock: 0 }
    }

    /// Takes a life out.
    pub fn take(&mut self, conn: i64) -> Option<Box<Life>> {
        let life = self.lives.remove(&conn)?;
        self.bytes = self.bytes.saturating_sub(life.weight());
        Some(life)
    }

    /// Looks at a life.
    pub fn get(&self, conn: i64) -> Option<&Life> {
        self.lives.get(&conn).map(|life| &**life)
    }

    /// Puts a life in.
    pub fn put(&mut self, conn: i64, mut life: Box<Life>) {
        self.take(conn);
        self.clock += 1;
        life.used = self.clock;
        self.bytes += life.weight();
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
        self.lives.drain().collect()
    }
}
