//! Takes secrets out of what came from outside, before anything is kept.
//!
//! In: the text of an envelope, or the bytes of a payload that could not be read. Out: the same with every secret
//! replaced by a mask, and nothing else changed, byte for byte. A secret is found by the name of its member (`keys`) and by its
//! shape (`shapes`), at any depth, in JSON inside strings too. Law L5: nothing behind this room sees a secret.
//!
//! The mask `[redacted:1f6e0b…]` holds a keyed fingerprint of 48 bits, so that two changes of a password are seen to differ while
//! nobody without the key can test a guess. Masks are left alone, so redacting twice changes nothing.

mod escaped;
mod fragments;
mod keys;
mod patterns;
mod rules;
mod shapes;
mod sieve;
mod torn;
mod walk;
mod words;

use hmac::{Hmac, KeyInit, Mac};
use rules::{Rules, SUSPICIOUS};
use sha2::Sha256;
use sieve::Sieve;
use std::borrow::Cow;

pub use keys::is_secret as is_secret_name;

/// How every mask begins.
pub const MASK_PREFIX: &str = "[redacted:";

/// Finds and masks secrets. Cheap to share.
pub struct Redactor {
    key: [u8; 32],
    suspicious: Sieve,
    shapes: shapes::Shapes,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor")
    }
}

/// An envelope's text after redaction.
#[derive(Debug, PartialEq, Eq)]
pub struct Redacted {
    /// The text with masks.
    pub text: String,
    /// A keyed digest over everything that was masked, and where. The order of members does not matter: JSON has none, and
    /// some roads change it.
    pub digest: u64,
}

impl Redactor {
    /// A redactor whose fingerprints are made with `key`.
    ///
    /// # Panics
    /// Never: the patterns are constants.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        let suspicious =
            Sieve::new(SUSPICIOUS.iter().flat_map(|(rules, texts)| texts.iter().map(|text| (*text, *rules))));
        Self { key, suspicious, shapes: shapes::Shapes::new() }
    }

    /// The rules that a text calls for; none for most.
    fn rules(&self, text: &str) -> Rules {
        let rules = self.suspicious.rules(text);
        if rules == Rules::NONE {
            return rules;
        }
        let rules = if rules.calls_for(Rules::AWS) && self.shapes.holds_access_key_id(text) {
            rules.and(Rules::AWS_SECRET)
        } else {
            rules
        };
        // An address without an @ holds nobody's name.
        if text.contains('@') { rules } else { rules.without(Rules::URLS) }
    }

    /// The text of a JSON value with its secrets masked; `None` when there are none, which is the common case.
    #[must_use]
    pub fn json(&self, text: &str) -> Option<Redacted> {
        let rules = self.rules(text);
        if rules == Rules::NONE {
            return None;
        }
        let mut masks = Masks::new(self, rules);
        let text = match walk::json(text, &mut masks) {
            Cow::Owned(text) => text,
            Cow::Borrowed(_) => return None,
        };
        Some(Redacted { text, digest: masks.digest() })
    }

    /// A plain text with its secrets masked.
    #[must_use]
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.rules(text) {
            Rules::NONE => Cow::Borrowed(text),
            rules => walk::text(text, &mut Masks::new(self, rules)),
        }
    }

    /// Any bytes with their secrets masked: JSON values and plain text in any mixture, not necessarily UTF-8.
    #[must_use]
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        if let Ok(text) = std::str::from_utf8(bytes) {
            return self.fragments(&self.text(text)).into_bytes();
        }
        // One character for each byte, so that the rules can run and every other byte comes back as it was.
        let wide: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        self.fragments(&self.text(&wide)).chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
    }
}

/// Makes masks and remembers what was masked.
struct Masks<'r> {
    redactor: &'r Redactor,
    rules: Rules,
    /// Names and numbers of the members and elements on the way to the value at hand, as one number.
    place: u64,
    /// How many secrets were masked at that place.
    masked_here: u64,
    digest: u64,
}

/// The prime of FNV-1a.
const PLACE_PRIME: u64 = 0x0000_0100_0000_01b3;

impl<'r> Masks<'r> {
    fn new(redactor: &'r Redactor, rules: Rules) -> Self {
        Self { redactor, rules, place: 0, masked_here: 0, digest: 0 }
    }

    /// Does something one step further down: at a member or an element.
    fn below<T>(&mut self, step: &[u8], act: impl FnOnce(&mut Self) -> T) -> T {
        let above = (self.place, self.masked_here);
        // The byte before a step is in no UTF-8, so that steps cannot run together.
        let stepped = [0xff]
            .iter()
            .chain(step)
            .fold(self.place, |place, byte| (place ^ u64::from(*byte)).wrapping_mul(PLACE_PRIME));
        (self.place, self.masked_here) = (stepped, 0);
        let done = act(self);
        (self.place, self.masked_here) = above;
        done
    }

    /// The mask of a secret.
    fn mask(&mut self, secret: &str) -> String {
        let mut mac = keyed(&self.redactor.key, b"mask");
        mac.update(secret.as_bytes());
        let fingerprint = mac.finalize().into_bytes();
        let mut placed = keyed(&self.redactor.key, b"digest");
        placed.update(&self.place.to_le_bytes());
        placed.update(&self.masked_here.to_le_bytes());
        placed.update(&fingerprint);
        let placed = placed.finalize().into_bytes();
        // A sum, since it is the same in any order.
        self.digest = self.digest.wrapping_add(placed[..8].iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)));
        self.masked_here += 1;
        format!("{MASK_PREFIX}{}]", hex::encode(&fingerprint[..6]))
    }

    /// The mask of a secret that was no string, `[redacted:…:number]`, so that validation still sees the wrong type.
    fn mask_number(&mut self, secret: &str) -> String {
        let mask = self.mask(secret);
        format!("{}:number]", mask.trim_end_matches(']'))
    }

    /// The rules that can find something in a piece of the text. Every match of a shape's pattern holds one of the texts that call for it.
    fn rules_in(&self, piece: &str) -> Rules {
        // Patterns that ignore case take some letters outside ASCII for others inside it.
        if !piece.is_ascii() {
            return self.rules;
        }
        self.rules.within(self.redactor.suspicious.rules(piece).and(Rules::NAMES).and(Rules::AWS_SECRET))
    }

    fn shapes(&self) -> &'r shapes::Shapes {
        &self.redactor.shapes
    }

    const fn digest(&self) -> u64 {
        self.digest
    }
}

fn keyed(key: &[u8; 32], purpose: &[u8]) -> Hmac<Sha256> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(purpose);
    mac.update(&[0]);
    mac
}

/// Whether a text is nothing but one mask.
#[must_use]
pub fn is_mask(text: &str) -> bool {
    mask_len(text) == Some(text.len())
}

/// Length of the mask that a text begins with.
#[must_use]
pub fn mask_len(text: &str) -> Option<usize> {
    let rest = text.strip_prefix(MASK_PREFIX)?;
    let hex = rest.get(..12)?;
    if !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let tail = &rest[12..];
    let end = if tail.starts_with(']') {
        1
    } else if tail.starts_with(":number]") {
        8
    } else {
        return None;
    };
    Some(MASK_PREFIX.len() + 12 + end)
}

/// Whether a text is the mask of a number.
#[must_use]
pub fn is_number_mask(text: &str) -> bool {
    is_mask(text) && text.ends_with(":number]")
}

#[cfg(test)]
mod tests;
