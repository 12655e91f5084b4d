//! The right edge of a tree: all that appending and the root need, at most 64 hashes.

use super::{Hash, NodeId, fold, node_hash};

/// The full subtrees of a tree from left to right, the largest first: one for every bit that is set in its size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// Of an empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: 0, peaks: Vec::new() }
    }

    /// Of a tree of `size` leaves whose full subtrees, as `subtrees(0, size)` lists them, have these hashes. `None` when there are not
    /// as many as there have to be.
    #[must_use]
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    /// How many leaves it covers.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Hashes of the full subtrees.
    #[must_use]
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        fold(&self.peaks)
    }

    /// Appends a leaf, and to `full` every subtree that it completes, the leaf itself first.
    pub fn append(&mut self, leaf: Hash, full: &mut Vec<(NodeId, Hash)>) {
        self.merge(0, leaf, |id, hash| full.push((id, hash)));
    }

    /// Appends a full subtree of `2^level` leaves.
    ///
    /// # Errors
    /// The next leaf is not the first of such a subtree, or the tree would have more than 2^64 - 1 leaves. Nothing was appended.
    pub fn append_subtree(&mut self, level: u8, hash: Hash) -> Result<(), Misaligned> {
        let width = 1_u64.checked_shl(u32::from(level)).ok_or(Misaligned)?;
        if !self.size.is_multiple_of(width) || self.size.checked_add(width).is_none() {
            return Err(Misaligned);
        }
        self.merge(level, hash, |_, _| {});
        Ok(())
    }

    fn merge(&mut self, level: u8, hash: Hash, mut completed: impl FnMut(NodeId, Hash)) {
        let (mut level, mut hash) = (level, hash);
        let mut index = self.size >> level;
        self.size = self.size.saturating_add(1 << level);
        completed(NodeId { level, index }, hash);
        // An odd one has its left neighbour on the stack.
        while index & 1 == 1
            && let Some(left) = self.peaks.pop()
        {
            hash = node_hash(&left, &hash);
            level += 1;
            index >>= 1;
            completed(NodeId { level, index }, hash);
        }
        self.peaks.push(hash);
    }
}

/// A subtree that does not fit where it was to be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("subtree does not fit at this place of the tree")]
pub struct Misaligned;
