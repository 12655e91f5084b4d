//! Roots and proofs from full subtrees, and whether a proof holds.
//!
//! Source: RFC 9162 sections 2.1.3 (inclusion) and 2.1.4 (consistency). What the RFC leaves open is settled so: a tree is consistent with
//! itself and with the empty one, by an empty proof.

use super::{Hash, NodeId, empty_root, fold, node_hash, subtrees};
use std::ops::Range;

/// Why a proof cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError<E> {
    /// The tree has no such record or size.
    #[error("the tree of {size} records has nothing at {at}")]
    OutOfRange {
        /// What was asked for.
        at: u64,
        /// What there is.
        size: u64,
    },
    /// The nodes could not be read.
    #[error(transparent)]
    Nodes(#[from] E),
    /// Fewer or more nodes came than were asked for.
    #[error("{got} nodes of the tree were read, not {wanted}")]
    Count {
        /// Asked for.
        wanted: usize,
        /// Came.
        got: usize,
    },
}

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofFault {
    /// The tree has no such record, or the older tree is larger than the newer one.
    #[error("record or size lies outside the tree")]
    OutOfRange,
    /// Too few or too many hashes.
    #[error("the proof has the wrong length")]
    Length,
    /// It leads to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// The root of the first `size` records. `nodes` gives the hashes of full subtrees in the order asked.
///
/// # Errors
/// When the nodes cannot be read.
pub fn root<E>(size: u64, nodes: impl FnOnce(&[NodeId]) -> Result<Vec<Hash>, E>) -> Result<Hash, ProofError<E>> {
    let ids = subtrees(0, size);
    Ok(fold(&read(&ids, nodes)?))
}

/// The path that proves the record of leaf `index` in the tree of the first `size` records.
///
/// # Errors
/// The tree has no such leaf, or the nodes cannot be read.
pub fn inclusion<E>(
    index: u64,
    size: u64,
    nodes: impl FnOnce(&[NodeId]) -> Result<Vec<Hash>, E>,
) -> Result<Vec<Hash>, ProofError<E>> {
    if index >= size {
        return Err(ProofError::OutOfRange { at: index, size });
    }
    let mut parts = Vec::new();
    let mut range = 0..size;
    while range.end - range.start > 1 {
        let middle = range.start + split(range.end - range.start);
        let (inside, beside) = if index < middle {
            (range.start..middle, middle..range.end)
        } else {
            (middle..range.end, range.start..middle)
        };
        parts.push(beside);
        range = inside;
    }
    parts.reverse();
    hashes(&parts, nodes)
}

/// The path that proves that the tree of the first `from` records is the beginning of that of the first `to`.
///
/// # Errors
/// `from` is more than `to`, or the nodes cannot be read.
pub fn consistency<E>(
    from: u64,
    to: u64,
    nodes: impl FnOnce(&[NodeId]) -> Result<Vec<Hash>, E>,
) -> Result<Vec<Hash>, ProofError<E>> {
    if from > to {
        return Err(ProofError::OutOfRange { at: from, size: to });
    }
    if from == 0 || from == to {
        return Ok(Vec::new());
    }
    let mut parts = Vec::new();
    let mut range = 0..to;
    let mut whole = true;
    while range.end != from {
        let middle = range.start + split(range.end - range.start);
        if from <= middle {
            parts.push(middle..range.end);
            range = range.start..middle;
        } else {
            parts.push(range.start..middle);
            range = middle..range.end;
            whole = false;
        }
    }
    // The older tree itself is known to whoever asks.
    if !whole {
        parts.push(range);
    }
    parts.reverse();
    hashes(&parts, nodes)
}

/// The largest power of two below a number of at least 2.
const fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// The hashes of ranges of leaves, each of which begins where a subtree may.
fn hashes<E>(
    parts: &[Range<u64>],
    nodes: impl FnOnce(&[NodeId]) -> Result<Vec<Hash>, E>,
) -> Result<Vec<Hash>, ProofError<E>> {
    let ids: Vec<Vec<NodeId>> = parts.iter().map(|part| subtrees(part.start, part.end)).collect();
    let found = read(&ids.concat(), nodes)?;
    let mut rest = found.as_slice();
    let take = |ids: &Vec<NodeId>| {
        let (own, others) = rest.split_at(ids.len().min(rest.len()));
        rest = others;
        fold(own)
    };
    Ok(ids.iter().map(take).collect())
}

fn read<E>(ids: &[NodeId], nodes: impl FnOnce(&[NodeId]) -> Result<Vec<Hash>, E>) -> Result<Vec<Hash>, ProofError<E>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let found = nodes(ids)?;
    if found.len() == ids.len() { Ok(found) } else { Err(ProofError::Count { wanted: ids.len(), got: found.len() }) }
}

/// Whether a path leads from the leaf to the root.
///
/// # Errors
/// Why it does not.
pub fn verify_inclusion(index: u64, size: u64, leaf: &Hash, path: &[Hash], root: &Hash) -> Result<(), ProofFault> {
    if index >= size {
        return Err(ProofFault::OutOfRange);
    }
    let mut place = Place { node: index, last: size - 1 };
    let mut hash = *leaf;
    for sibling in path {
        hash = if place.step()? { node_hash(sibling, &hash) } else { node_hash(&hash, sibling) };
    }
    place.end()?;
    if hash == *root { Ok(()) } else { Err(ProofFault::Root) }
}

/// Whether the tree of `from` records is the beginning of that of `to`.
///
/// # Errors
/// Why it is not, as far as this proof tells.
pub fn verify_consistency(
    from: u64,
    to: u64,
    path: &[Hash],
    from_root: &Hash,
    to_root: &Hash,
) -> Result<(), ProofFault> {
    if from > to {
        return Err(ProofFault::OutOfRange);
    }
    if from == 0 || from == to {
        let known = if from == 0 { empty_root() } else { *to_root };
        return match path {
            [] if *from_root == known && (from < to || from_root == to_root) => Ok(()),
            [] => Err(ProofFault::Root),
            _ => Err(ProofFault::Length),
        };
    }
    // A full older tree is itself the first node of the path.
    let (first, rest) =
        if from.is_power_of_two() { (from_root, path) } else { path.split_first().ok_or(ProofFault::Length)? };
    let odd = (from - 1).trailing_ones();
    let mut place = Place { node: (from - 1) >> odd, last: (to - 1) >> odd };
    let (mut old, mut new) = (*first, *first);
    for sibling in rest {
        if place.step()? {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
        } else {
            new = node_hash(&new, sibling);
        }
    }
    place.end()?;
    if old == *from_root && new == *to_root { Ok(()) } else { Err(ProofFault::Root) }
}

/// A node on its way up, and the last one of its level.
struct Place {
    node: u64,
    last: u64,
}

impl Place {
    /// Goes to the parent. Whether the sibling stands on the left.
    fn step(&mut self) -> Result<bool, ProofFault> {
        if self.last == 0 {
            return Err(ProofFault::Length);
        }
        let left = self.node & 1 == 1 || self.node == self.last;
        if left {
            // A node without a sibling is its own parent. It is never the node 0, which is last only where the path ends.
            let alone = self.node.trailing_zeros();
            self.node = self.node.checked_shr(alone).unwrap_or(0);
            self.last = self.last.checked_shr(alone).unwrap_or(0);
        }
        self.node >>= 1;
        self.last >>= 1;
        Ok(left)
    }

    fn end(&self) -> Result<(), ProofFault> {
        if self.last == 0 { Ok(()) } else { Err(ProofFault::Length) }
    }
}
