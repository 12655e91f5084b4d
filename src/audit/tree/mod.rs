//! The Merkle tree over a log.
//!
//! In: canonical bytes, hashes of full subtrees by [`NodeId`]. Out: leaf and node hashes, roots, proofs, and whether a proof holds.
//! A tree of `n` records is the one that RFC 9162 section 2.1 defines; only its full subtrees are ever stored, since they never change.
//! Refused: proofs about records or sizes that the tree does not have.

mod frontier;
mod proof;
#[cfg(test)]
mod tests;

pub use frontier::{Frontier, Misaligned};
pub use proof::{ProofError, ProofFault, consistency, inclusion, root, verify_consistency, verify_inclusion};

use sha2::{Digest, Sha256};

/// A node of the tree.
pub type Hash = [u8; 32];

/// A subtree that is full: `2^level` leaves from leaf `index << level` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, std::hash::Hash, PartialOrd, Ord)]
pub struct NodeId {
    /// 0 for a leaf, at most 63.
    pub level: u8,
    /// Counted from the left among those of its level.
    pub index: u64,
}

impl NodeId {
    /// Its number in order: leaf `i` is `2i`, a parent stands between its children. Exact for trees below 2^62 leaves.
    #[must_use]
    pub fn position(self) -> u64 {
        let level = u32::from(self.level);
        let below = 1_u64.checked_shl(level).map_or(u64::MAX, |width| width - 1);
        self.index.checked_shl(level + 1).unwrap_or(0) | below
    }

    /// The node of a number in order.
    #[must_use]
    pub const fn at(position: u64) -> Self {
        let level = position.trailing_ones();
        let index = match position.checked_shr(level + 1) {
            Some(index) => index,
            None => 0,
        };
        Self { level: level as u8, index }
    }

    /// The first leaf that it covers, and the first one behind it.
    #[must_use]
    pub const fn leaves(self) -> (u64, u64) {
        let first = self.index << self.level;
        (first, first.saturating_add(1 << self.level))
    }
}

/// The hash of a leaf.
#[must_use]
pub fn leaf_hash(bytes: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(bytes).finalize().into()
}

/// The hash of an inner node.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of a log without records.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The largest aligned full subtrees that cover leaves `from` to `to`, the latter left out, from left to right. There is one such
/// list; nothing when the range is empty.
#[must_use]
pub fn subtrees(from: u64, to: u64) -> Vec<NodeId> {
    let mut found = Vec::new();
    let mut next = from;
    while next < to {
        // Of a size that divides the place and fits into the rest.
        let level = next.trailing_zeros().min((to - next).ilog2());
        found.push(NodeId { level: level as u8, index: next >> level });
        next += 1 << level;
    }
    found
}

/// The root over full subtrees that stand side by side from the left edge on, as [`subtrees`] lists them.
#[must_use]
pub fn fold(peaks: &[Hash]) -> Hash {
    match peaks.split_last() {
        Some((last, rest)) => rest.iter().rev().fold(*last, |right, left| node_hash(left, &right)),
        None => empty_root(),
    }
}
