//! The manifest of an export: what was asked, what came, and of which tree.
//!
//! Its text is signed like a checkpoint. Made from the same filter, tree and checkpoint it is the same, byte for byte.

use super::NoteError;
use crate::audit::tree::Hash;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// First line of the text.
pub const MANIFEST_FORMAT: &str = "lifeline audit manifest v1";

/// What an export says about itself. Members stand in this order in the text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Origin of the log.
    pub origin: String,
    /// `trail` or `access`.
    pub log: String,
    /// `ndjson`, `csv` ...
    pub format: String,
    /// The filters, by their names in the API; empty: every record.
    pub filter: Map<String, Value>,
    /// Not before, RFC 3339; null: from the beginning.
    pub from: Option<String>,
    /// Before, RFC 3339; null: to the end of the tree.
    pub to: Option<String>,
    /// Records of the log when it was made.
    pub tree_size: u64,
    /// Root over them, 64 hexadecimal digits.
    pub root_hash: String,
    /// Records in the export.
    pub records: u64,
    /// Number of the first; null when there is none.
    pub first_seq: Option<u64>,
    /// Number of the last.
    pub last_seq: Option<u64>,
    /// SHA-256 of every byte of the record lines (ndjson), or of the whole file, in hexadecimal digits.
    pub sha256: String,
    /// SHA-256 of the list of removed ranges as JSON, as it stands in the last line of an ndjson export; null in other formats.
    pub pruned_sha256: Option<String>,
    /// Time of the checkpoint.
    pub made_at: String,
    /// `lifeline 0.1.0`.
    pub product: String,
    /// Id of the key that signed.
    pub key_id: String,
}

impl Manifest {
    /// What is signed.
    #[must_use]
    pub fn text(&self) -> String {
        // Texts and numbers: nothing that JSON could refuse.
        format!("{MANIFEST_FORMAT}\n{}\n", serde_json::to_string(self).unwrap_or_default())
    }

    /// Reads what [`Self::text`] writes, and nothing else.
    ///
    /// # Errors
    /// The text is not exactly a manifest.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let rest = text
            .strip_prefix(MANIFEST_FORMAT)
            .and_then(|rest| rest.strip_prefix('\n'))
            .ok_or(NoteError::Manifest("its first line is another"))?;
        let line = rest.strip_suffix('\n').ok_or(NoteError::Manifest("it does not end with a line feed"))?;
        let read: Self = serde_json::from_str(line)
            .map_err(|_| NoteError::Manifest("its second line is not the JSON of a manifest"))?;
        if read.text() == text { Ok(read) } else { Err(NoteError::Manifest("not as a manifest is written")) }
    }
}

/// A hash as 64 lower-case hexadecimal digits.
#[must_use]
pub fn hex_hash(hash: &Hash) -> String {
    hex::encode(hash)
}

/// Reads 64 lower-case hexadecimal digits.
#[must_use]
pub fn parse_hex_hash(text: &str) -> Option<Hash> {
    let lower = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut hash = [0; 32];
    (text.len() == 64 && lower && hex::decode_to_slice(text, &mut hash).is_ok()).then_some(hash)
}
