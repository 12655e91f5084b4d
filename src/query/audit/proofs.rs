//! Proofs in answers, in hexadecimal.

use super::request::{ConsistencyRequest, InclusionRequest};
use crate::{
    audit::{
        Log,
        tree::{self, Hash, NodeId, ProofError},
    },
    store::{StoreError, Trail},
};
use serde::Serialize;
use utoipa::ToSchema;

/// Why there is no proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofProblem {
    /// The log has no such record.
    #[error("the log has {size} records, none of them is number {seq}")]
    NoRecord {
        /// Asked for.
        seq: u64,
        /// What there is.
        size: u64,
    },
    /// A parameter asks for more than there is.
    #[error("{name} is {asked}; the log has {size} records")]
    OutOfRange {
        /// The parameter.
        name: &'static str,
        /// Asked for.
        asked: u64,
        /// What there is.
        size: u64,
    },
    /// The record is not in so small a tree.
    #[error("record {seq} is not among the first {size}")]
    Behind {
        /// Asked for.
        seq: u64,
        /// The tree.
        size: u64,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A proof that a record is in a tree: RFC 9162 section 2.1.3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = InclusionProof)]
pub struct InclusionView {
    /// The record.
    seq: u64,
    /// Its leaf.
    leaf_index: u64,
    /// Records under the tree.
    tree_size: u64,
    /// The record's hash.
    leaf_hash: String,
    /// The tree's root.
    root_hash: String,
    /// From the leaf to the root.
    inclusion_path: Vec<String>,
    /// A signed checkpoint of this size; null when none was kept.
    #[schema(required = true)]
    pub checkpoint: Option<String>,
}

/// A proof that a tree is the beginning of another: RFC 9162 section 2.1.4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ConsistencyProof)]
pub struct ConsistencyView {
    /// Records under the older tree.
    from: u64,
    /// Records under the newer tree.
    to: u64,
    /// Root of the older tree.
    from_root_hash: String,
    /// Root of the newer tree.
    to_root_hash: String,
    /// The proof.
    consistency_path: Vec<String>,
}

fn hex_all(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(hex::encode).collect()
}

fn nodes(trail: &dyn Trail, log: Log) -> impl Fn(&[NodeId]) -> Result<Vec<Hash>, StoreError> {
    move |ids| trail.nodes(log, ids)
}

fn of(error: ProofError<StoreError>) -> ProofProblem {
    match error {
        ProofError::Nodes(error) => error.into(),
        // Ranges were checked before, so that the store gave other nodes than it was asked for.
        other => StoreError::Damaged(other.to_string()).into(),
    }
}

/// Whether a record is in the tree of the first `size` records, or of `newest` ones. Blocks.
///
/// # Errors
/// There is no such record or tree.
pub fn inclusion(trail: &dyn Trail, request: InclusionRequest, newest: u64) -> Result<InclusionView, ProofProblem> {
    let InclusionRequest { log, seq, size } = request;
    let tree_size = size.unwrap_or(newest);
    if seq > newest {
        return Err(ProofProblem::NoRecord { seq, size: newest });
    }
    if tree_size > newest {
        return Err(ProofProblem::OutOfRange { name: "size", asked: tree_size, size: newest });
    }
    if seq > tree_size {
        return Err(ProofProblem::Behind { seq, size: tree_size });
    }
    let leaf_index = seq - 1;
    let path = tree::inclusion(leaf_index, tree_size, nodes(trail, log)).map_err(of)?;
    let root = tree::root(tree_size, nodes(trail, log)).map_err(of)?;
    let leaf = trail.nodes(log, &[NodeId { level: 0, index: leaf_index }])?;
    let checkpoint = trail.heads(log, Some(tree_size), 1)?.pop().filter(|head| head.size == tree_size);
    Ok(InclusionView {
        seq,
        leaf_index,
        tree_size,
        leaf_hash: leaf.first().map(hex::encode).unwrap_or_default(),
        root_hash: hex::encode(root),
        inclusion_path: hex_all(&path),
        checkpoint: checkpoint.map(|head| head.note),
    })
}

/// Whether a tree is the beginning of another. Blocks.
///
/// # Errors
/// There is no such tree.
pub fn consistency(
    trail: &dyn Trail,
    request: ConsistencyRequest,
    newest: u64,
) -> Result<ConsistencyView, ProofProblem> {
    let ConsistencyRequest { log, from, to } = request;
    let to = to.unwrap_or(newest);
    for (name, asked) in [("from", from), ("to", to)] {
        if asked > newest {
            return Err(ProofProblem::OutOfRange { name, asked, size: newest });
        }
    }
    let path = tree::consistency(from, to, nodes(trail, log)).map_err(of)?;
    let root = |size| tree::root(size, nodes(trail, log)).map_err(of).map(hex::encode);
    Ok(ConsistencyView {
        from,
        to,
        from_root_hash: root(from)?,
        to_root_hash: root(to)?,
        consistency_path: hex_all(&path),
    })
}
