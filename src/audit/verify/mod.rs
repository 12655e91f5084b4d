//! Checking an export without us: no store, no server, only the file and a public key.
//!
//! In: the bytes of an export. Out: a report of what it proves, or the first thing that is wrong with it, in a sentence. Every byte of
//! an export is covered: records by their hashes and the signed root, all record lines and the list of removed ranges by hashes in the
//! signed manifest, notes by their only signature, the key by being the one that was trusted before. Memory is one line and a stack of
//! hashes, however long the file.

mod failure;
mod file;
mod line;
mod ndjson;
mod proofs;
#[cfg(test)]
mod tests;

pub use failure::{Failure, Fault, Place};
pub use file::file;
pub use line::{Closing, PrunedRange};
pub use ndjson::ndjson;
pub use proofs::{ConsistencyProof, InclusionProof};

use super::{
    note::{Checkpoint, Manifest, Note, VerifyingKey, hex_hash},
    tree::Hash,
};

/// Longest line that is read, in bytes. A record of ours has less than one million.
pub const LINE_BYTES_MAX: usize = 64 << 20;

/// What a file proves.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What its maker says about it; all of it was checked that can be.
    pub manifest: Manifest,
    /// The signed head of the log that it belongs to.
    pub checkpoint: Checkpoint,
    /// Who signed.
    pub key: VerifyingKey,
    /// Whether that key was given by whoever asked. Otherwise the file vouches for itself: compare the fingerprint.
    pub pinned: bool,
    /// Ranges of records whose content was removed before the export was made.
    pub pruned: Vec<PrunedRange>,
    /// Records of the log that are not in the file: filtered out, or removed.
    pub left_out: u64,
}

impl Report {
    /// What a person reads when all is well.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Manifest { records, tree_size, .. } = &self.manifest;
        let key = if self.pinned {
            format!("signed by the given key, fingerprint {}", self.key.fingerprint())
        } else {
            format!(
                "key not pinned, fingerprint {}: compare it with one that you got by another road",
                self.key.fingerprint()
            )
        };
        format!("{records} of {tree_size} records of {}, none altered; {key}", self.checkpoint.origin)
    }
}

/// The two notes of an export and the key that they are signed with, checked against each other.
struct Seal {
    manifest: Manifest,
    checkpoint: Checkpoint,
    key: VerifyingKey,
    pinned: bool,
}

impl Seal {
    fn open(
        manifest: &str,
        checkpoint: &str,
        public_key: &str,
        pinned: Option<&VerifyingKey>,
    ) -> Result<Self, Failure> {
        let embedded = VerifyingKey::parse(public_key).map_err(|error| Place::Key.fault(Fault::Note(error)))?;
        if let Some(pinned) = pinned.filter(|pinned| **pinned != embedded) {
            let fault = Fault::OtherKey { trusted: pinned.fingerprint(), found: embedded.fingerprint() };
            return Err(Place::Key.fault(fault));
        }
        let text = |place: Place, note: &str| -> Result<String, Failure> {
            let note = Note::parse(note).map_err(|error| place.fault(Fault::Note(error)))?;
            note.verify(&embedded).map_err(|error| place.fault(Fault::Note(error)))?;
            if note.signatures.len() != 1 {
                return Err(place.fault(Fault::MoreSignatures { count: note.signatures.len() }));
            }
            Ok(note.text)
        };
        let checkpoint = Checkpoint::parse(&text(Place::Checkpoint, checkpoint)?)
            .map_err(|error| Place::Checkpoint.fault(Fault::Note(error)))?;
        let manifest = Manifest::parse(&text(Place::Manifest, manifest)?)
            .map_err(|error| Place::Manifest.fault(Fault::Note(error)))?;
        let seal = Self { manifest, checkpoint, pinned: pinned.is_some(), key: embedded };
        seal.agree().map(|()| seal)
    }

    /// Whether manifest, checkpoint and key are of one log, one size, one root.
    fn agree(&self) -> Result<(), Failure> {
        let Self { manifest, checkpoint, key, .. } = self;
        let of_log = checkpoint.origin.ends_with(&format!("/{}", manifest.log));
        let pairs = [
            ("origin", &manifest.origin, &checkpoint.origin),
            ("origin", &key.name().to_owned(), &checkpoint.origin),
            ("tree_size", &manifest.tree_size.to_string(), &checkpoint.size.to_string()),
            ("root_hash", &manifest.root_hash, &hex_hash(&checkpoint.root)),
            ("made_at", &manifest.made_at, &checkpoint.time.map_or(String::new(), |time| time.to_string())),
            ("key_id", &manifest.key_id, &key.key_id().to_string()),
            ("log", &manifest.log, if of_log { &manifest.log } else { &checkpoint.origin }),
        ];
        for (what, said, is) in pairs {
            expect(what, said, is)?;
        }
        Ok(())
    }
}

/// A member of the manifest that must be what was found.
fn expect(what: &'static str, said: &str, found: &str) -> Result<(), Failure> {
    if said == found {
        return Ok(());
    }
    Err(Place::Manifest.fault(Fault::Manifest { what, said: said.to_owned(), found: found.to_owned() }))
}

/// Hashes in hexadecimal digits; at most as many as two edges of a tree have.
fn hashes(texts: &[impl AsRef<str>]) -> Option<Vec<Hash>> {
    if texts.len() > 128 {
        return None;
    }
    texts.iter().map(|text| super::note::parse_hex_hash(text.as_ref())).collect()
}
