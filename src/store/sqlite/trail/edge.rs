//! The right edge of a log's tree, as the writer keeps it.
//!
//! In: leaves. Out: the nodes that each of them completes, put into their table. The edge is small and copied with the counters of a
//! transaction, so that a rollback brings the old one back by itself; after an error of the disk it is read anew.

use super::number;
use crate::{
    audit::{
        Log,
        tree::{Hash, NodeId, leaf_hash, node_hash},
    },
    store::{StoreError, sqlite::fault::WriteError},
};
use rusqlite::{Connection, OptionalExtension as _, params};

/// Levels of a tree: far more leaves than can be stored.
const LEVELS: usize = 48;

/// A node as it was committed; `None` when it is not there.
pub fn stored(db: &Connection, log: Log, node: NodeId) -> rusqlite::Result<Option<Hash>> {
    db.prepare_cached("SELECT hash FROM audit_node WHERE log = ?1 AND pos = ?2")?
        .query_row([number(log), node.position() as i64], |row| row.get(0))
        .optional()
}

const LAST: &str = "SELECT pos FROM audit_node WHERE log = ?1 AND pos % 2 = 0 ORDER BY pos DESC LIMIT 1";

/// Records under the last commit.
pub fn size(db: &Connection, log: Log) -> rusqlite::Result<u64> {
    let last: Option<i64> = db.prepare_cached(LAST)?.query_row([number(log)], |row| row.get(0)).optional()?;
    Ok(last.map_or(0, |last| last as u64 / 2 + 1))
}

/// The full subtrees of one log that have no right neighbour yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    /// By level; those whose bit of `size` is set.
    full: [Hash; LEVELS],
    /// Whether every node of the edge could be read.
    whole: bool,
}

impl Default for Edge {
    fn default() -> Self {
        Self { size: 0, full: [[0; 32]; LEVELS], whole: true }
    }
}

impl Edge {
    fn load(db: &Connection, log: Log) -> rusqlite::Result<Self> {
        let mut edge = Self { size: size(db, log)?, ..Self::default() };
        if edge.size >> LEVELS != 0 {
            edge.whole = false;
        }
        for level in (0..LEVELS).filter(|level| edge.size >> level & 1 == 1) {
            let node = NodeId { level: level as u8, index: (edge.size >> level) - 1 };
            match recover(db, log, node)? {
                Some(hash) => edge.full[level] = hash,
                None => edge.whole = false,
            }
        }
        if !edge.whole {
            tracing::error!(
                "the {} log is damaged: nodes of its tree are missing; nothing can be added to it, restore a backup",
                log.as_str()
            );
        }
        Ok(edge)
    }

    /// Records in the log.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf and the nodes that it completes.
    fn push(&mut self, db: &Connection, log: Log, leaf: Hash) -> Result<(), WriteError> {
        if !self.whole {
            return Err(WriteError::Store(StoreError::Damaged(format!("tree of the {} log", log.as_str()))));
        }
        let mut insert = db.prepare_cached("INSERT INTO audit_node (log, pos, hash) VALUES (?1, ?2, ?3)")?;
        let (mut hash, index) = (leaf, self.size);
        let mut put = |level: usize, hash: &Hash| {
            let node = NodeId { level: level as u8, index: index >> level };
            insert.execute(params![number(log), node.position() as i64, hash])
        };
        put(0, &hash)?;
        let mut level = 0;
        while index >> level & 1 == 1 {
            hash = node_hash(&self.full[level], &hash);
            level += 1;
            put(level, &hash)?;
        }
        self.full[level] = hash;
        self.size += 1;
        Ok(())
    }
}

/// A node, from its children or its record where it is gone.
fn recover(db: &Connection, log: Log, node: NodeId) -> rusqlite::Result<Option<Hash>> {
    if let Some(hash) = stored(db, log, node)? {
        return Ok(Some(hash));
    }
    if node.level == 0 {
        let body: Option<Option<String>> = db
            .prepare_cached("SELECT body FROM audit WHERE log = ?1 AND seq = ?2")?
            .query_row([number(log), node.index as i64 + 1], |row| row.get(0))
            .optional()?;
        return Ok(body.flatten().map(|body| leaf_hash(body.as_bytes())));
    }
    let child = |right: u64| NodeId { level: node.level - 1, index: node.index * 2 + right };
    let Some(left) = recover(db, log, child(0))? else { return Ok(None) };
    Ok(recover(db, log, child(1))?.map(|right| node_hash(&left, &right)))
}

/// The edges of both logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Edges {
    trail: Edge,
    access: Edge,
}

impl Edges {
    /// As they were committed.
    pub fn load(db: &Connection) -> rusqlite::Result<Self> {
        Ok(Self { trail: Edge::load(db, Log::Trail)?, access: Edge::load(db, Log::Access)? })
    }

    /// Records in a log.
    pub const fn size(&self, log: Log) -> u64 {
        match log {
            Log::Trail => self.trail.size(),
            Log::Access => self.access.size(),
        }
    }

    /// Adds a leaf to a log.
    pub fn push(&mut self, db: &Connection, log: Log, leaf: Hash) -> Result<(), WriteError> {
        match log {
            Log::Trail => self.trail.push(db, log, leaf),
            Log::Access => self.access.push(db, log, leaf),
        }
    }
}

#[cfg(test)]
pub const SQL_AND_PLAN: &[(&str, &str)] = &[(LAST, "SEARCH audit_node USING PRIMARY KEY (log=?)")];
