//! `Authorization: SharedKey WORKSPACE:SIGNATURE`.
//!
//! In: the head. Out: a signature whose key is the token named like the workspace: senders are given the base64 of the
//! token as the workspace's key. It covers the method, the body's length, its type and the date, so within the allowed time somebody who
//! sees a request can send another body of the same length: use TLS.
//!
//! Observed: `azure-data-collector-py`, `azure-log-analytics-data-collector-api-py`, both of which count characters.

use crate::model::{MICROS_PER_SECOND, Micros};
use crate::protocol::{AuthError, Head, Signature};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Microsoft names no bound. Azure Storage, whose scheme this is, allows 15 minutes.
const OFF_BY_S_MAX: u64 = 15 * 60;

/// The type that every documented client signs, whatever its header says.
const JSON: &str = "application/json";

/// The value of an `Authorization` header of this scheme.
pub(super) fn value(header: &str) -> Option<&str> {
    let (scheme, value) = header.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("sharedkey").then(|| value.trim())
}

/// A signature, read.
#[derive(Debug)]
pub(super) struct SharedKey {
    workspace: String,
    mac: [u8; 32],
    method: String,
    path: String,
    date: String,
    /// What may have been signed as the type, most likely first.
    types: Vec<String>,
    off_by_s: u64,
}

impl SharedKey {
    /// Reads `WORKSPACE:SIGNATURE` and the headers that it covers.
    ///
    /// # Errors
    /// A part is missing or cannot be read.
    pub(super) fn read(value: &str, head: &Head<'_>) -> Result<Self, AuthError> {
        let (workspace, signature) = value.split_once(':').ok_or(AuthError::Malformed)?;
        let mac = STANDARD.decode(signature).ok().and_then(|mac| mac.try_into().ok()).ok_or(AuthError::Malformed)?;
        let date = head.header("x-ms-date").map(str::trim).ok_or(AuthError::Malformed)?;
        let signed_us = date_us(date).ok_or(AuthError::Malformed)?;
        let full = head.header("content-type").map(str::trim).unwrap_or(JSON);
        let bare = full.split(';').next().unwrap_or(full).trim();
        let mut types = vec![full.to_owned()];
        for other in [bare, JSON] {
            if !types.iter().any(|known| known == other) {
                types.push(other.to_owned());
            }
        }
        Ok(Self {
            workspace: workspace.to_owned(),
            mac,
            method: head.method.to_owned(),
            path: head.path.to_owned(),
            date: date.to_owned(),
            types,
            off_by_s: head.now_us.abs_diff(signed_us) / MICROS_PER_SECOND.unsigned_abs(),
        })
    }
}

impl Signature for SharedKey {
    fn token_name(&self) -> &str {
        &self.workspace
    }

    fn off_by_s(&self) -> u64 {
        self.off_by_s
    }

    fn off_by_s_max(&self) -> u64 {
        OFF_BY_S_MAX
    }

    fn fits(&self, token: &str, wire_bytes: &[u8]) -> bool {
        let Ok(keyed) = Hmac::<Sha256>::new_from_slice(token.as_bytes()) else { return false };
        let mut fits = false;
        for length in lengths(wire_bytes) {
            for content_type in &self.types {
                let mut mac = keyed.clone();
                let text = format!("{}\n{length}\n{content_type}\nx-ms-date:{}\n{}", self.method, self.date, self.path);
                mac.update(text.as_bytes());
                fits |= mac.verify_slice(&self.mac).is_ok();
            }
        }
        fits
    }
}

/// What senders take for the length: bytes, as is right, characters, or UTF-16 units.
fn lengths(wire_bytes: &[u8]) -> Vec<usize> {
    let mut lengths = vec![wire_bytes.len()];
    if let Ok(text) = std::str::from_utf8(wire_bytes)
        && !text.is_ascii()
    {
        lengths.extend([text.chars().count(), text.encode_utf16().count()]);
        lengths.dedup();
    }
    lengths
}

/// An RFC 1123 date: `Fri, 20 Nov 2026 13:15:59 GMT`.
fn date_us(text: &str) -> Option<Micros> {
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(at.as_microsecond())
}
