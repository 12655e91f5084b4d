//! Nodes against those below them, and checkpoints against nodes.

use super::{super::edge, Look};
use crate::{
    audit::{
        Log,
        tree::{self, Hash, NodeId, ProofError, leaf_hash, node_hash},
    },
    store::{
        sqlite::{reader::ReadError, trail::number},
        trail::Flaw,
    },
};
use ahash::AHashMap;
use rusqlite::{Connection, OptionalExtension as _};

/// The nodes over a slice, and others when they are asked for.
pub struct Nodes {
    log: Log,
    known: AHashMap<i64, Hash>,
}

impl Nodes {
    /// Those that stand between the records of a slice.
    pub fn load(db: &Connection, log: Log, from: u64, end: u64) -> Result<Self, ReadError> {
        let mut known = AHashMap::new();
        if from <= end {
            let mut statement =
                db.prepare_cached("SELECT pos, hash FROM audit_node WHERE log = ?1 AND pos BETWEEN ?2 AND ?3")?;
            let mut rows = statement.query([number(log), (from as i64 - 1) * 2, end as i64 * 2 - 1])?;
            while let Some(row) = rows.next()? {
                // One of another length is as good as gone.
                if let Ok(hash) = row.get(1) {
                    known.insert(row.get(0)?, hash);
                }
            }
        }
        Ok(Self { log, known })
    }

    /// Tells of nodes that no tree of this size has.
    pub fn strays(&self, look: &mut Look<'_>) {
        for pos in self.known.keys() {
            let node = NodeId::at(*pos as u64);
            if node.leaves().1 > look.size || node.position() != *pos as u64 {
                look.tell(look.size, Flaw::Node(node));
            }
        }
    }

    /// A node as it is stored.
    pub fn get(&mut self, db: &Connection, node: NodeId) -> Result<Option<Hash>, ReadError> {
        if let Some(hash) = self.known.get(&(node.position() as i64)) {
            return Ok(Some(*hash));
        }
        Ok(edge::stored(db, self.log, node).or_else(odd)?)
    }

    /// What a node should be by what is below it.
    fn computed(&mut self, db: &Connection, node: NodeId) -> Result<Option<Hash>, ReadError> {
        if node.level == 0 {
            let body: Option<Option<String>> = db
                .prepare_cached("SELECT body FROM audit WHERE log = ?1 AND seq = ?2")?
                .query_row([number(self.log), node.index as i64 + 1], |row| row.get(0))
                .optional()?;
            return Ok(body.flatten().map(|body| leaf_hash(body.as_bytes())));
        }
        let [left, right] = children(node);
        Ok(match (self.get(db, left)?, self.get(db, right)?) {
            (Some(left), Some(right)) => Some(node_hash(&left, &right)),
            _ => None,
        })
    }

    /// Whether a node is the hash of those below it, or would be if one of them had not been altered, which is told where that one
    /// is looked at.
    pub fn fits(&mut self, db: &Connection, node: NodeId) -> Result<bool, ReadError> {
        let Some(hash) = self.get(db, node)? else { return Ok(false) };
        let mut sides = [Vec::new(), Vec::new()];
        for (side, child) in sides.iter_mut().zip(children(node)) {
            side.extend(self.get(db, child)?);
        }
        if let [[left], [right]] = [&sides[0][..], &sides[1][..]]
            && node_hash(left, right) == hash
        {
            return Ok(true);
        }
        for (side, child) in sides.iter_mut().zip(children(node)) {
            side.extend(self.computed(db, child)?);
        }
        Ok(sides[0].iter().any(|left| sides[1].iter().any(|right| node_hash(left, right) == hash)))
    }

    /// Which of a record's text and its leaf was altered, by the node above.
    pub fn whose(&mut self, db: &Connection, index: u64, leaf: Hash, computed: Hash) -> Result<Flaw, ReadError> {
        let parent = self.get(db, NodeId { level: 1, index: index / 2 })?;
        let other = NodeId { level: 0, index: index ^ 1 };
        let others = [self.get(db, other)?, self.computed(db, other)?];
        let Some(parent) = parent else { return Ok(Flaw::TextOrLeaf) };
        let gives = |hash: &Hash| {
            others.iter().flatten().any(|other| {
                parent == if index.is_multiple_of(2) { node_hash(hash, other) } else { node_hash(other, hash) }
            })
        };
        Ok(match (gives(&leaf), gives(&computed)) {
            (true, false) => Flaw::Text,
            (false, true) => Flaw::Leaf,
            _ => Flaw::TextOrLeaf,
        })
    }
}

fn odd(error: rusqlite::Error) -> rusqlite::Result<Option<Hash>> {
    match error {
        rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..) => Ok(None),
        error => Err(error),
    }
}

const fn children(node: NodeId) -> [NodeId; 2] {
    let level = node.level - 1;
    [NodeId { level, index: node.index * 2 }, NodeId { level, index: node.index * 2 + 1 }]
}

/// The root of the first records of a log, from the nodes that are stored; `None` when one is missing.
pub fn root(db: &Connection, log: Log, size: u64) -> Result<Option<Hash>, ReadError> {
    let root = tree::root(size, |ids| -> Result<Vec<Hash>, Option<rusqlite::Error>> {
        let found = ids.iter().map(|node| edge::stored(db, log, *node).or_else(odd));
        found.collect::<Result<Option<Vec<_>>, _>>().map_err(Some)?.ok_or(None)
    });
    match root {
        Ok(root) => Ok(Some(root)),
        Err(ProofError::Nodes(Some(error))) => Err(error.into()),
        Err(_) => Ok(None),
    }
}
