//! AWS Signature Version 4.
//!
//! In: the head. Out: a signature whose access key id is a token's name and whose secret key is the token. It covers the
//! method, the path, the query, the signed headers and the body. Refused before the body is read: headers that do not say what was signed,
//! signatures that leave out the host, the date or the operation. A session token (`X-Amz-Security-Token`) is signed like any
//! header and otherwise not looked at: there is nobody to ask about it.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>, read 2026-11-20. Observed:
//! thirteen captured requests of four clients fit.

use crate::model::{MICROS_PER_SECOND, Micros};
use crate::protocol::{AuthError, Head, Signature};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// AWS: "a request must reach AWS within five minutes of its time stamp". The SDKs set their clock by our `Date` header when
/// they are told that theirs is off.
const OFF_BY_S_MAX: u64 = 5 * 60;

/// Most headers that a signature may cover. SDKs sign at most a dozen.
const HEADERS_MAX: usize = 64;

/// Headers without which a signature would let somebody else's request, time or operation pass.
const MUST_SIGN: [&str; 3] = ["host", "x-amz-date", super::TARGET];

/// The body's digest where the sender does not say it.
const CONTENT_SHA256: &str = "x-amz-content-sha256";

/// What stands in [`CONTENT_SHA256`] when the body is not covered.
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// The value of an `Authorization` header of this scheme.
pub(super) fn value(header: &str) -> Option<&str> {
    header.trim().strip_prefix(ALGORITHM)?.strip_prefix([' ', '\t'])
}

/// A signature, read.
#[derive(Debug)]
pub(super) struct SigV4 {
    key_id: String,
    /// Day, region, service and the closing word, with slashes.
    scope: String,
    date: String,
    /// Everything of the canonical request but the body's digest.
    canonical: String,
    content_sha256: Option<String>,
    mac: [u8; 32],
    off_by_s: u64,
}

impl SigV4 {
    /// Reads the parts of the header, and the headers that they name.
    ///
    /// # Errors
    /// A part is missing or cannot be read.
    pub(super) fn read(value: &str, head: &Head<'_>) -> Result<Self, AuthError> {
        let malformed = AuthError::Malformed;
        let part = |name: &str| {
            let found = value.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
            found.ok_or(malformed)
        };
        let (credential, names) = (part("Credential")?, part("SignedHeaders")?);
        let mut mac = [0; 32];
        hex::decode_to_slice(part("Signature")?, &mut mac).map_err(|_| malformed)?;
        let (key_id, scope) = credential.split_once('/').ok_or(malformed)?;
        let [day, _region, "logs", "aws4_request"] = scope.split('/').collect::<Vec<_>>()[..] else {
            return Err(malformed);
        };
        let date = head.header("x-amz-date").map(str::trim).ok_or(malformed)?;
        let signed_us = date_us(date).ok_or(malformed)?;
        if !date.starts_with(day) || day.len() != 8 {
            return Err(malformed);
        }
        let signs = |name: &str| names.split(';').any(|signed| signed == name);
        if !MUST_SIGN.iter().all(|name| signs(name)) || names.split(';').count() > HEADERS_MAX {
            return Err(malformed);
        }
        let mut canonical = format!("{}\n{}\n{}\n", head.method, head.path, canonical_query(head.query));
        for name in names.split(';') {
            let value = head.header(name).ok_or(malformed)?;
            canonical.push_str(name);
            canonical.push(':');
            let mut words = value.split([' ', '\t']).filter(|word| !word.is_empty());
            canonical.extend(words.next());
            words.for_each(|word| canonical.extend([" ", word]));
            canonical.push('\n');
        }
        canonical.extend(["\n", names, "\n"]);
        Ok(Self {
            key_id: key_id.to_owned(),
            scope: scope.to_owned(),
            date: date.to_owned(),
            canonical,
            content_sha256: head.header(CONTENT_SHA256).map(|value| value.trim().to_owned()),
            mac,
            off_by_s: head.now_us.abs_diff(signed_us) / MICROS_PER_SECOND.unsigned_abs(),
        })
    }

    /// The digest that was signed, when it is the body's own.
    fn body_digest(&self, wire_bytes: &[u8]) -> Option<String> {
        let own = hex::encode(Sha256::digest(wire_bytes));
        match self.content_sha256.as_deref() {
            Some(UNSIGNED_PAYLOAD) => None,
            Some(said) if !said.eq_ignore_ascii_case(&own) => None,
            Some(said) => Some(said.to_owned()),
            None => Some(own),
        }
    }
}

impl Signature for SigV4 {
    fn token_name(&self) -> &str {
        &self.key_id
    }

    fn off_by_s(&self) -> u64 {
        self.off_by_s
    }

    fn off_by_s_max(&self) -> u64 {
        OFF_BY_S_MAX
    }

    fn fits(&self, token: &str, wire_bytes: &[u8]) -> bool {
        let Some(digest) = self.body_digest(wire_bytes) else { return false };
        let canonical = Sha256::new().chain_update(&self.canonical).chain_update(digest).finalize();
        let text = format!("{ALGORITHM}\n{}\n{}\n{}", self.date, self.scope, hex::encode(canonical));
        let secret = format!("AWS4{token}");
        let key = self.scope.split('/').fold(secret.into_bytes(), |key, word| hmac(&key, word).to_vec());
        hmac(&key, &text).ct_eq(&self.mac).into()
    }
}

fn hmac(key: &[u8], text: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

/// Parameters in order; they are encoded already.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(&str, &str)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// `20261120T131211Z`.
fn date_us(text: &str) -> Option<Micros> {
    if text.len() != 16 || !text.ends_with('Z') {
        return None;
    }
    let at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    Some(at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_microsecond())
}
