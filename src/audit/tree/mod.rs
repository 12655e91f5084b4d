//! The Merkle tree over a log: hashing.
//!
//! In: canonical bytes. Out: hashes. Source: RFC 9162 section 2.1.1.

use sha2::{Digest, Sha256};

/// A node of the tree.
pub type Hash = [u8; 32];

/// A subtree that is full: `2^level` leaves from leaf `index << level` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, std::hash::Hash, PartialOrd, Ord)]
pub struct NodeId {
    /// 0 for a leaf.
    pub level: u8,
    /// Counted from the left among those of its level.
    pub index: u64,
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
