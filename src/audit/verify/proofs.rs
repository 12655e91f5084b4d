//! Proofs as the API gives them and bundles carry them.

use super::{
    super::{
        note::{Checkpoint, Note, VerifyingKey, hex_hash, parse_hex_hash},
        tree::{Hash, leaf_hash, verify_consistency, verify_inclusion},
    },
    Failure, Fault, Place, hashes,
};
use serde::{Deserialize, Serialize};

/// That a record is in the tree of a checkpoint. Hashes are in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InclusionProof {
    /// Number of the record.
    pub seq: u64,
    /// `seq - 1`.
    pub leaf_index: u64,
    /// Records under the checkpoint.
    pub tree_size: u64,
    /// Hash of the record.
    pub leaf_hash: String,
    /// Root of the checkpoint.
    pub root_hash: String,
    /// From the leaf to the root.
    pub inclusion_path: Vec<String>,
    /// The checkpoint as a signed note.
    pub checkpoint: String,
}

/// That the tree of an older checkpoint is the beginning of that of a newer one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsistencyProof {
    /// Records of the older one.
    pub from: u64,
    /// Records of the newer one.
    pub to: u64,
    /// Root of the older one.
    pub from_root_hash: String,
    /// Root of the newer one.
    pub to_root_hash: String,
    /// As RFC 9162 orders it.
    pub consistency_path: Vec<String>,
}

impl InclusionProof {
    /// Checks the proof, its checkpoint's signature and, where they are given, the canonical bytes of the record.
    ///
    /// # Errors
    /// Why it does not hold.
    pub fn verify(&self, canonical: Option<&str>, key: &VerifyingKey) -> Result<Checkpoint, Failure> {
        let place = Place::Record { seq: self.seq, line: 0 };
        let checkpoint = open(&self.checkpoint, key)?;
        if self.seq.checked_sub(1) != Some(self.leaf_index) {
            return Err(place.fault(Fault::OtherProof("leaf_index")));
        }
        if self.tree_size != checkpoint.size || self.root_hash != hex_hash(&checkpoint.root) {
            return Err(place.fault(Fault::OtherProof("checkpoint")));
        }
        let leaf = hash(&self.leaf_hash)?;
        if let Some(canonical) = canonical {
            let computed = leaf_hash(canonical.as_bytes());
            if computed != leaf {
                let fault = Fault::Changed { computed: hex_hash(&computed), stated: self.leaf_hash.clone() };
                return Err(place.fault(fault));
            }
            if super::line::seq(canonical.as_bytes()) != Some(self.seq) {
                return Err(place.fault(Fault::OtherProof("record")));
            }
        }
        let path = hashes(&self.inclusion_path).ok_or(Place::Proof.fault(Fault::Hash))?;
        verify_inclusion(self.leaf_index, self.tree_size, &leaf, &path, &checkpoint.root)
            .map_err(|fault| place.fault(Fault::Proof(fault)))?;
        Ok(checkpoint)
    }
}

impl ConsistencyProof {
    /// Checks the proof between two checkpoints whose signatures were checked before.
    ///
    /// # Errors
    /// Why it does not hold.
    pub fn verify(&self, older: &Checkpoint, newer: &Checkpoint) -> Result<(), Failure> {
        let is_about = self.from == older.size
            && self.to == newer.size
            && self.from_root_hash == hex_hash(&older.root)
            && self.to_root_hash == hex_hash(&newer.root);
        if older.origin != newer.origin {
            return Err(Place::Proof.fault(Fault::OtherProof("log")));
        }
        if !is_about {
            return Err(Place::Proof.fault(Fault::OtherProof("pair of checkpoints")));
        }
        let path = hashes(&self.consistency_path).ok_or(Place::Proof.fault(Fault::Hash))?;
        verify_consistency(self.from, self.to, &path, &older.root, &newer.root)
            .map_err(|fault| Place::Proof.fault(Fault::Proof(fault)))
    }
}

fn open(note: &str, key: &VerifyingKey) -> Result<Checkpoint, Failure> {
    let fault = |error| Place::Checkpoint.fault(Fault::Note(error));
    let note = Note::parse(note).map_err(fault)?;
    note.verify(key).map_err(fault)?;
    let checkpoint = Checkpoint::parse(&note.text).map_err(fault)?;
    if checkpoint.origin == key.name() {
        Ok(checkpoint)
    } else {
        Err(Place::Checkpoint.fault(Fault::OtherProof("log")))
    }
}

fn hash(text: &str) -> Result<Hash, Failure> {
    parse_hex_hash(text).ok_or(Place::Proof.fault(Fault::Hash))
}
