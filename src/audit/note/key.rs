//! Keys: as texts, their ids, and what a person compares.
//!
//! Source: C2SP signed-note, section "Verifier keys"; the form of private keys is that of golang.org/x/mod/sumdb/note.

use super::{BASE64, NoteError};
use base64::Engine as _;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest, Sha256};
use std::fmt;

/// Algorithm identifier of Ed25519 in keys.
const ED25519_TYPE: u8 = 1;

/// What a private key begins with as text.
const PRIVATE: &str = "PRIVATE+KEY+";

/// First four bytes of a hash of a key's name and value: a hint which key signed, not a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, std::hash::Hash, PartialOrd, Ord)]
pub struct KeyId(pub [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A public key and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    name: String,
    key: [u8; 32],
}

impl VerifyingKey {
    /// From its parts.
    ///
    /// # Errors
    /// The name is empty or holds spaces, control characters or a plus.
    pub fn new(name: &str, key: [u8; 32]) -> Result<Self, NoteError> {
        if !is_name(name) {
            return Err(NoteError::Key("its name is empty or holds a space, a control character or a plus"));
        }
        Ok(Self { name: name.to_owned(), key })
    }

    /// Reads `name+1a2b3c4d+AQ…`.
    ///
    /// # Errors
    /// The text is no such key, its id does not fit it, or it is for another algorithm than Ed25519.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let (name, key) = parts(text)?;
        Self::new(name, key).and_then(|found| found.with_id_of(text))
    }

    fn with_id_of(self, text: &str) -> Result<Self, NoteError> {
        let id = text.get(self.name.len() + 1..self.name.len() + 9);
        if id == Some(&*self.key_id().to_string()) {
            Ok(self)
        } else {
            Err(NoteError::Key("its id does not fit: it was not copied whole"))
        }
    }

    /// Its name: the origin of a log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The 32 bytes of Ed25519.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.key
    }

    /// Its id.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        let hash = Sha256::new()
            .chain_update(self.name.as_bytes())
            .chain_update([b'\n', ED25519_TYPE])
            .chain_update(self.key)
            .finalize();
        KeyId([hash[0], hash[1], hash[2], hash[3]])
    }

    /// What a person compares or reads out: the first 128 bits of the SHA-256 of the key as text, in eight groups. The same as
    /// `printf %s 'KEY' | sha256sum | cut -c1-32`.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digits = hex::encode(&Sha256::digest(self.to_string().as_bytes())[..16]);
        let mut out = String::with_capacity(39);
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && index % 4 == 0 {
                out.push('-');
            }
            out.push(digit);
        }
        out
    }

    /// Whether these bytes were signed by it.
    #[must_use]
    pub fn verify(&self, bytes: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.key).verify(bytes, signature).is_ok()
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.name, self.key_id(), encoded(&self.key))
    }
}

/// A private key and its name.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    seed: [u8; 32],
    public: VerifyingKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {})", self.public.name, self.public.key_id())
    }
}

impl SigningKey {
    /// From its 32 secret bytes.
    ///
    /// # Errors
    /// The name cannot be one.
    pub fn from_seed(name: &str, seed: [u8; 32]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| NoteError::Key("its seed is unusable"))?;
        let key = pair.public_key().as_ref().try_into().map_err(|_| NoteError::Key("its public half is unusable"))?;
        Ok(Self { pair, seed, public: VerifyingKey::new(name, key)? })
    }

    /// A new one, from the system's source of randomness.
    ///
    /// # Errors
    /// The name cannot be one, or the system has no randomness.
    pub fn generate(name: &str) -> Result<Self, NoteError> {
        let mut seed = [0; 32];
        let random = ring::rand::SystemRandom::new();
        ring::rand::SecureRandom::fill(&random, &mut seed)
            .map_err(|_| NoteError::Key("the system gives no randomness to make one"))?;
        Self::from_seed(name, seed)
    }

    /// The same secret under another name: one key file serves several logs.
    ///
    /// # Errors
    /// The name cannot be one.
    pub fn renamed(&self, name: &str) -> Result<Self, NoteError> {
        Self::from_seed(name, self.seed)
    }

    /// Reads what [`Self::to_secret_text`] wrote. Errors never quote it.
    ///
    /// # Errors
    /// The text is no such key, or was changed.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let text = text.strip_prefix(PRIVATE).ok_or(NoteError::Key("not a private key"))?;
        let (name, seed) = parts(text)?;
        let key = Self::from_seed(name, seed)?;
        key.public.clone().with_id_of(text)?;
        Ok(key)
    }

    /// The secret as text, `PRIVATE+KEY+name+1a2b3c4d+AQ…`: for the key file and nowhere else.
    #[must_use]
    pub fn to_secret_text(&self) -> String {
        format!("{PRIVATE}{}+{}+{}", self.public.name, self.public.key_id(), encoded(&self.seed))
    }

    /// Its public half.
    #[must_use]
    pub const fn public(&self) -> &VerifyingKey {
        &self.public
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.pair.sign(bytes).as_ref().to_vec()
    }
}

fn encoded(key: &[u8; 32]) -> String {
    let mut bytes = vec![ED25519_TYPE];
    bytes.extend(key);
    BASE64.encode(bytes)
}

/// Name and 32 bytes of `name+id+base64`. The base64 part may itself hold a plus.
fn parts(text: &str) -> Result<(&str, [u8; 32]), NoteError> {
    const FORM: NoteError = NoteError::Key("expected name+8 hexadecimal digits+base64");
    let (name, rest) = text.split_once('+').ok_or(FORM)?;
    let (id, key) = rest.split_once('+').ok_or(FORM)?;
    if id.len() != 8 {
        return Err(FORM);
    }
    let bytes = BASE64.decode(key).map_err(|_| FORM)?;
    let (kind, key) = bytes.split_first().ok_or(FORM)?;
    if *kind != ED25519_TYPE {
        return Err(NoteError::Key("it is not for Ed25519"));
    }
    Ok((name, key.try_into().map_err(|_| FORM)?))
}

/// Whether a text may be the name of a key.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}
