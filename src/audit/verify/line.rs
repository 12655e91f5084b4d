//! The lines of an ndjson export, taken apart byte for byte.

use super::{
    super::{note::parse_hex_hash, record::LEAF_HASH, tree::Hash},
    Fault, hashes,
};
use memchr::memmem;
use serde::{Deserialize, Serialize};

/// What the last line begins with.
pub(super) const CLOSING: &[u8] = b"{\"manifest\":";
const SEQ: &[u8] = b"{\"seq\":";
const BEFORE: &[u8] = b",\"before\":[";

/// A range of records whose content was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrunedRange {
    /// First number.
    pub first: u64,
    /// Last number.
    pub last: u64,
    /// When, RFC 3339.
    pub at: String,
    /// Why.
    pub reason: String,
}

/// The last line of an ndjson export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closing {
    /// The manifest as a signed note.
    pub manifest: String,
    /// The checkpoint as a signed note, with the signature of [`Self::public_key`] only.
    pub checkpoint: String,
    /// The key that signed both.
    pub public_key: String,
    /// Hashes of the subtrees behind the last record, in hexadecimal digits.
    pub after: Vec<String>,
    /// Ranges of removed records.
    pub pruned: Vec<PrunedRange>,
}

impl Closing {
    /// As it stands in the file, without line feed.
    #[must_use]
    pub fn line(&self) -> String {
        // Texts and numbers: nothing that JSON could refuse.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What [`super::Manifest::pruned_sha256`] is the hash of.
    #[must_use]
    pub fn pruned_sha256(pruned: &[PrunedRange]) -> String {
        use sha2::{Digest as _, Sha256};
        hex::encode(Sha256::digest(serde_json::to_vec(pruned).unwrap_or_default()))
    }

    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let read: Self = serde_json::from_slice(line).ok()?;
        (read.line().as_bytes() == line).then_some(read)
    }
}

/// A line of a record.
pub(super) struct RecordLine<'l> {
    pub(super) seq: u64,
    /// Its canonical bytes but for the closing brace.
    pub(super) record: &'l [u8],
    pub(super) leaf: Hash,
    pub(super) before: Vec<Hash>,
}

/// The number of a record line, as far as it can be read.
pub(super) fn seq(line: &[u8]) -> Option<u64> {
    let rest = line.strip_prefix(SEQ)?;
    let end = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    let digits = std::str::from_utf8(&rest[..end]).ok()?;
    (rest[end] == b',' && !digits.starts_with('0')).then(|| digits.parse().ok())?
}

/// Takes a record line apart.
pub(super) fn record(line: &[u8]) -> Result<RecordLine<'_>, Fault> {
    let seq = seq(line).ok_or(Fault::Form("it does not begin with its number"))?;
    // From the end, since a record may tell of a text that looks like this; behind the hash only hashes follow.
    let at = memmem::rfind(line, LEAF_HASH.as_bytes()).ok_or(Fault::Form("it has no leaf_hash"))?;
    let (record, rest) = (&line[..at], &line[at + LEAF_HASH.len()..]);
    let leaf = rest.get(..64).and_then(hash).ok_or(Fault::Hash)?;
    let rest = rest.get(64..).and_then(|rest| rest.strip_prefix(b"\"")).ok_or(Fault::Hash)?;
    let before = match rest {
        b"}" => Vec::new(),
        rest => {
            let list = rest.strip_prefix(BEFORE).and_then(|rest| rest.strip_suffix(b"]}"));
            let list = list.ok_or(Fault::Form("behind its hash stands something else than the hashes before it"))?;
            list_of_hashes(list).ok_or(Fault::Hash)?
        }
    };
    Ok(RecordLine { seq, record, leaf, before })
}

/// `"…","…"`, at least one.
fn list_of_hashes(list: &[u8]) -> Option<Vec<Hash>> {
    let texts: Vec<&str> = std::str::from_utf8(list).ok()?.split(',').take(129).collect();
    let bare: Option<Vec<&str>> =
        texts.iter().map(|text| text.strip_prefix('"').and_then(|text| text.strip_suffix('"'))).collect();
    hashes(&bare?)
}

fn hash(text: &[u8]) -> Option<Hash> {
    parse_hex_hash(std::str::from_utf8(text).ok()?)
}
