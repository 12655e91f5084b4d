//! Tokens: their kinds, their hashes, and the book that a request's token is looked up in.
//!
//! In: texts from configuration, hashes from the store. Out: a name and a kind. A book holds SHA-256 only; tokens
//! are long random texts, so a fast hash gives nothing away.

use crate::{config::Secret, protocol::AuthError, store::TokenRecord};
use base64::Engine;
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr, sync::Arc};
use subtle::ConstantTimeEq;

/// The name of a token that was given none. It names no destination.
pub const DEFAULT_NAME: &str = "default";

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Deliver events, nothing else.
    Ingest,
    /// Query and export.
    Read,
    /// What `Read` may, replay quarantine, manage tokens.
    Admin,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Ingest, Self::Read, Self::Admin];

    /// The word that the command line, the API and the store use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no kind of token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token is of kind ingest, read or admin")]
pub struct ParseKindError;

impl FromStr for Kind {
    type Err = ParseKindError;

    fn from_str(text: &str) -> Result<Self, ParseKindError> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(ParseKindError)
    }
}

/// A token from flags, environment or file.
#[derive(Debug, Clone)]
pub struct ConfiguredToken {
    /// Its name, [`DEFAULT_NAME`] when none was given.
    pub name: String,
    /// What it allows.
    pub kind: Kind,
    /// The token itself.
    pub token: Secret,
}

/// SHA-256 of a token, as the store keeps it.
#[must_use]
pub fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Makes a new token. Ingest tokens look like Splunk's own (a GUID), since forms of senders expect that; the others are
/// 64 hexadecimal digits. Both come from the operating system's random source.
#[must_use]
pub fn generate(kind: Kind) -> String {
    match kind {
        Kind::Ingest => uuid::Uuid::new_v4().to_string(),
        Kind::Read | Kind::Admin => {
            format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
        }
    }
}

/// What an `Authorization` header of a reader shows: one text for `Bearer`, password and user for `Basic`.
///
/// # Errors
/// Another scheme, or a Basic value that cannot be decoded.
pub(super) fn from_authorization(header: &str) -> Result<Vec<String>, AuthError> {
    let (scheme, value) = header.trim().split_once(' ').ok_or(AuthError::Malformed)?;
    let value = value.trim();
    if value.is_empty() {
        return Err(AuthError::Missing);
    }
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(vec![value.to_owned()]);
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(AuthError::Malformed);
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(value).map_err(|_| AuthError::Malformed)?;
    let text = String::from_utf8(bytes).map_err(|_| AuthError::Malformed)?;
    let (user, password) = text.split_once(':').ok_or(AuthError::Malformed)?;
    Ok(vec![password.to_owned(), user.to_owned()])
}

struct Entry {
    name: Arc<str>,
    kind: Kind,
    sha256: [u8; 32],
    revoked: bool,
}

/// Hashes of tokens, with what they allow.
#[derive(Default)]
pub(super) struct Book(Vec<Entry>);

/// What a look-up says, from worst to best.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    No,
    Revoked,
    OtherKind,
    Yes(Arc<str>),
}

impl Found {
    pub(super) const fn rank(&self) -> u8 {
        match self {
            Self::No => 0,
            Self::Revoked => 1,
            Self::OtherKind => 2,
            Self::Yes(_) => 3,
        }
    }
}

impl Book {
    pub(super) fn configured(tokens: &[ConfiguredToken]) -> Self {
        let entry = |token: &ConfiguredToken| Entry {
            name: token.name.as_str().into(),
            kind: token.kind,
            sha256: digest(token.token.expose()),
            revoked: false,
        };
        Self(tokens.iter().filter(|token| !token.token.expose().is_empty()).map(entry).collect())
    }

    /// Kinds that a later version may have written are left out: what is not understood allows nothing.
    pub(super) fn stored(tokens: &[TokenRecord]) -> Self {
        let entry = |token: &TokenRecord| {
            let kind = token.kind.parse().ok()?;
            let revoked = token.revoked_us.is_some();
            Some(Entry { name: token.name.as_str().into(), kind, sha256: token.sha256, revoked })
        };
        Self(tokens.iter().filter_map(entry).collect())
    }

    /// Looks at every entry, whether or not an earlier one fitted.
    pub(super) fn look_up(&self, sha256: &[u8; 32], kinds: &[Kind]) -> Found {
        let mut best = Found::No;
        for entry in &self.0 {
            if bool::from(entry.sha256.ct_eq(sha256)) {
                let found = if entry.revoked {
                    Found::Revoked
                } else if kinds.contains(&entry.kind) {
                    Found::Yes(Arc::clone(&entry.name))
                } else {
                    Found::OtherKind
                };
                if found.rank() > best.rank() {
                    best = found;
                }
            }
        }
        best
    }

    pub(super) fn has_kind(&self, kind: Kind) -> bool {
        self.0.iter().any(|entry| entry.kind == kind && !entry.revoked)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = (&str, Kind)> {
        self.0.iter().map(|entry| (&*entry.name, entry.kind))
    }
}
