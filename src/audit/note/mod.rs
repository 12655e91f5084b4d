//! Signed notes: texts that anybody with the public key can check, years later and without us.
//!
//! In: a text and keys, or the bytes of a note. Out: a note, or its text and whose signatures it bears. Refused: what is not exactly in
//! the form, so that no two notes differ and mean the same.
//! Source: C2SP signed-note and tlog-checkpoint, <https://c2sp.org/signed-note>, <https://c2sp.org/tlog-checkpoint>; Ed25519 only.

mod checkpoint;
mod key;
mod manifest;
#[cfg(test)]
mod tests;

pub use checkpoint::{Checkpoint, Previous};
pub use key::{KeyId, SigningKey, VerifyingKey};
pub use manifest::{MANIFEST_FORMAT, Manifest, hex_hash, parse_hex_hash};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

/// Longest note that is read, in bytes.
pub const NOTE_BYTES_MAX: usize = 256 << 10;

/// Most signatures that a note may bear.
pub const SIGNATURES_MAX: usize = 16;

/// What a signature line begins with: an em dash and a space.
const DASH: &str = "\u{2014} ";

/// Why something is no note, no key, or not signed as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Longer than any of ours.
    #[error("the note is longer than {NOTE_BYTES_MAX} bytes")]
    TooLong,
    /// Not a text, a blank line and signature lines.
    #[error("not a signed note: {0}")]
    Form(&'static str),
    /// No signature by the key.
    #[error("not signed by the key {name} ({key_id}); its signatures are by {found}")]
    NotSigned {
        /// Name of the key.
        name: String,
        /// Its id.
        key_id: KeyId,
        /// Whose signatures there are.
        found: String,
    },
    /// A signature that claims to be by the key is not.
    #[error("the signature by {name} ({key_id}) does not fit the text: one of them was changed")]
    BadSignature {
        /// Name of the key.
        name: String,
        /// Its id.
        key_id: KeyId,
    },
    /// Not a public or private key as text.
    #[error("not a key: {0}")]
    Key(&'static str),
    /// The text of a checkpoint is not in its form.
    #[error("not a checkpoint: {0}")]
    Checkpoint(&'static str),
    /// The text of a manifest is not in its form.
    #[error("not a manifest: {0}")]
    Manifest(&'static str),
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Name of the key, as the note says it.
    pub name: String,
    /// Id of the key, as the note says it.
    pub key_id: KeyId,
    /// The signature itself.
    pub bytes: Vec<u8>,
}

/// A note taken apart. Nothing is checked before [`Note::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What was signed, the last line feed included.
    pub text: String,
    /// By whom, as the note says.
    pub signatures: Vec<Signature>,
}

/// Signs a text with every key, in their order.
///
/// # Errors
/// The text does not end with a line feed, or holds control characters.
pub fn sign(text: &str, keys: &[&SigningKey]) -> Result<String, NoteError> {
    check_text(text)?;
    let mut out = format!("{text}\n");
    for key in keys {
        write_signature(key.public(), &key.sign(text.as_bytes()), &mut out);
    }
    Ok(out)
}

fn write_signature(key: &VerifyingKey, signature: &[u8], out: &mut String) {
    let mut bytes = key.key_id().0.to_vec();
    bytes.extend(signature);
    out.push_str(DASH);
    out.push_str(key.name());
    out.push(' ');
    BASE64.encode_string(bytes, out);
    out.push('\n');
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Form("the text does not end with a line feed"));
    }
    if text.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
        return Err(NoteError::Form("it holds control characters"));
    }
    Ok(())
}

impl Note {
    /// Takes a note apart.
    ///
    /// # Errors
    /// It is not in the form of a note, or is too long.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong);
        }
        let split = note.rfind("\n\n").ok_or(NoteError::Form("no blank line before the signatures"))?;
        let (text, lines) = (&note[..=split], &note[split + 2..]);
        check_text(text)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Form("the last line is not complete"))?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == SIGNATURES_MAX {
                return Err(NoteError::Form("too many signatures"));
            }
            signatures.push(signature(line).ok_or(NoteError::Form("a line below the blank one is no signature"))?);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Whether the key signed the text: it bears its signature, and every one that claims to be by this key fits.
    ///
    /// # Errors
    /// It did not.
    pub fn verify(&self, key: &VerifyingKey) -> Result<(), NoteError> {
        let by_key = |it: &&Signature| it.name == key.name() && it.key_id == key.key_id();
        let mut count = 0;
        for signature in self.signatures.iter().filter(by_key) {
            if !key.verify(self.text.as_bytes(), &signature.bytes) {
                return Err(NoteError::BadSignature { name: key.name().to_owned(), key_id: key.key_id() });
            }
            count += 1;
        }
        if count > 0 {
            return Ok(());
        }
        let found: Vec<String> = self.signatures.iter().map(|it| format!("{} ({})", it.name, it.key_id)).collect();
        Err(NoteError::NotSigned { name: key.name().to_owned(), key_id: key.key_id(), found: found.join(", ") })
    }

    /// The same note with the signature of one key only, as exports carry it: a signature that their reader cannot check could be
    /// changed unseen. `None` when it has none that fits.
    #[must_use]
    pub fn signed_only_by(&self, key: &VerifyingKey) -> Option<String> {
        self.verify(key).ok()?;
        let own = self.signatures.iter().find(|it| it.name == key.name() && it.key_id == key.key_id())?;
        let mut out = format!("{}\n", self.text);
        write_signature(key, &own.bytes, &mut out);
        Some(out)
    }
}

fn signature(line: &str) -> Option<Signature> {
    let (name, encoded) = line.strip_prefix(DASH)?.split_once(' ')?;
    let bytes = BASE64.decode(encoded).ok()?;
    let (key_id, bytes) = bytes.split_first_chunk::<4>()?;
    (key::is_name(name) && !bytes.is_empty()).then(|| Signature {
        name: name.to_owned(),
        key_id: KeyId(*key_id),
        bytes: bytes.to_vec(),
    })
}
