//! Somebody with an Ed25519 key: signs notes as C2SP says, made without the code that is tested.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use sha2::{Digest, Sha256};

/// A key.
pub struct Signer(Ed25519KeyPair);

impl Signer {
    /// The key of a seed.
    pub fn new(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("32 bytes"))
    }

    fn typed(&self) -> Vec<u8> {
        [&[1], self.0.public_key().as_ref()].concat()
    }

    fn id(&self, name: &str) -> [u8; 4] {
        let hash = Sha256::new().chain_update(name).chain_update("\n").chain_update(self.typed()).finalize();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    pub fn key_id(&self, name: &str) -> String {
        hex::encode(self.id(name))
    }

    /// The public key as text.
    pub fn vkey(&self, name: &str) -> String {
        format!("{name}+{}+{}", self.key_id(name), STANDARD.encode(self.typed()))
    }

    /// A signed note; `text` ends with a new line.
    pub fn note(&self, name: &str, text: &str) -> String {
        let signed = [&self.id(name)[..], self.0.sign(text.as_bytes()).as_ref()].concat();
        format!("{text}\n— {name} {}\n", STANDARD.encode(signed))
    }
}
