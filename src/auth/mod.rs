//! Who is asking: compares what a request shows with the tokens and the webhook secret.
//!
//! In: a [`Credential`] read from the head, or an `Authorization` header of a reader; the address it came from; for
//! signed requests the wire bytes. Out: the name of the token, never the token. Refused: everything else, in
//! constant time over all entries, and past a rate of wrong attempts per address with [`AuthError::Throttled`].
//! A right credential is never throttled, so one bad neighbour behind the same address harms nobody.
//! This is the only room that opens a configured secret.

mod identity;
mod throttle;
mod token;

pub use identity::{IdentitySettings, Issuer};
pub use token::{ConfiguredToken, DEFAULT_NAME, Kind, ParseKindError, digest, generate};

use crate::{
    config::Secret,
    protocol::{AuthError, Credential, Signed},
    store::TokenRecord,
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::{
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
};
use throttle::Throttle;
use token::{Book, Found};

/// The name of senders that sign instead of showing a token.
pub const WEBHOOK_NAME: &str = "webhook";

/// The name of senders that show an identity token.
pub const IDENTITY_NAME: &str = "oidc";

/// What a gate is made of.
#[derive(Debug, Clone)]
pub struct GateSettings {
    /// Tokens of flags, environment and file. They live in memory only.
    pub tokens: Vec<ConfiguredToken>,
    /// Secrets of Fivetran webhooks; while any is set, webhooks must be signed with one of them.
    pub webhook_secrets: Vec<Secret>,
    /// Wrong credentials that one address may show in a minute; five times as many at once.
    pub auth_failures_per_minute: u32,
    /// How far the date of a signed request may be from our clock, in seconds; each scheme's own bound when not set.
    pub signature_skew_s: Option<u64>,
}

impl Default for GateSettings {
    fn default() -> Self {
        Self { tokens: Vec::new(), webhook_secrets: Vec::new(), auth_failures_per_minute: 60, signature_skew_s: None }
    }
}

fn signing_keys(tokens: &[ConfiguredToken]) -> Vec<(Arc<str>, Secret)> {
    let signs = |token: &&ConfiguredToken| token.kind == Kind::Ingest && !token.token.expose().is_empty();
    tokens.iter().filter(signs).map(|token| (token.name.as_str().into(), token.token.clone())).collect()
}

/// Decides who is let in. Shared by all workers.
pub struct Gate {
    configured: Book,
    stored: RwLock<Arc<Book>>,
    webhook: Vec<Hmac<Sha256>>,
    /// Configured ingest tokens in clear: only with them can a signature be checked.
    keys: Vec<(Arc<str>, Secret)>,
    signature_skew_s: Option<u64>,
    issuer: Option<Issuer>,
    throttle: Throttle,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

/// Somebody who may deliver events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// The token's name.
    pub name: Arc<str>,
    /// The destination that the token belongs to, when it has a name of its own.
    pub destination: Option<Arc<str>>,
}

impl Sender {
    /// Whom a token of this name belongs to.
    fn named(name: Arc<str>) -> Self {
        let destination = (&*name != DEFAULT_NAME).then(|| Arc::clone(&name));
        Self { name, destination }
    }
}

/// Somebody who may read, or administer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// The token's name.
    pub name: Arc<str>,
    sha256: [u8; 32],
    access: Access,
}

/// What a reader wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Query and export.
    Read,
    /// Replay quarantine, manage tokens.
    Admin,
}

impl Access {
    const fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Read => &[Kind::Read, Kind::Admin],
            Self::Admin => &[Kind::Admin],
        }
    }
}

/// What the head of a delivery leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Let in.
    Granted(Sender),
    /// The signature has to be compared with the body first: [`Gate::verify`].
    NeedsBody(Pending),
}

/// A well-formed signature whose body was not seen yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    proof: Proof,
    peer: Option<IpAddr>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Proof {
    /// By one of the webhook secrets.
    Webhook([u8; 32]),
    /// By the configured token of that name.
    Signed(Signed),
}

impl Gate {
    /// A gate with its configured tokens; add the stored ones with [`Gate::replace_stored`].
    #[must_use]
    pub fn new(settings: &GateSettings) -> Self {
        let webhook = settings
            .webhook_secrets
            .iter()
            .map(|secret| {
                Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes a key of any length")
            })
            .collect();
        Self {
            configured: Book::configured(&settings.tokens),
            stored: RwLock::new(Arc::new(Book::default())),
            webhook,
            keys: signing_keys(&settings.tokens),
            signature_skew_s: settings.signature_skew_s,
            issuer: None,
            throttle: Throttle::new(settings.auth_failures_per_minute),
        }
    }

    /// The same gate, but identity tokens of this issuer open it, too.
    #[must_use]
    pub fn with_issuer(self, issuer: Option<Issuer>) -> Self {
        Self { issuer, ..self }
    }

    /// Takes the tokens of the store in place of those it had. The next request sees the new ones.
    pub fn replace_stored(&self, tokens: &[TokenRecord]) {
        *self.stored.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Book::stored(tokens));
    }

    /// Whether any usable token of this kind is known.
    #[must_use]
    pub fn has_kind(&self, kind: Kind) -> bool {
        self.configured.has_kind(kind) || self.stored().has_kind(kind)
    }

    /// Names and kinds of the configured tokens, for lists.
    pub fn configured_tokens(&self) -> impl Iterator<Item = (&str, Kind)> {
        self.configured.names()
    }

    /// Judges a delivery by its head.
    ///
    /// # Errors
    /// Why the sender is not let in.
    pub fn admit(&self, credential: &Credential<'_>, peer: Option<IpAddr>) -> Result<Admission, AuthError> {
        match credential {
            Credential::Webhook { signature, .. } if !self.webhook.is_empty() => {
                let text = signature.ok_or(AuthError::Unsigned)?;
                let mut mac = [0; 32];
                match hex::decode_to_slice(text.trim(), &mut mac) {
                    Ok(()) => Ok(Admission::NeedsBody(Pending { proof: Proof::Webhook(mac), peer })),
                    Err(_) => Err(self.refuse(AuthError::BadSignature, peer)),
                }
            }
            Credential::Signed(signed) => {
                if !self.keys.iter().any(|(name, _)| **name == *signed.token_name()) {
                    return Err(self.refuse(AuthError::UnknownKey, peer));
                }
                let (off_by_s, off_by_s_max) =
                    (signed.off_by_s(), self.signature_skew_s.unwrap_or_else(|| signed.off_by_s_max()));
                if off_by_s > off_by_s_max {
                    return Err(self.refuse(AuthError::Skewed { off_by_s, off_by_s_max }, peer));
                }
                Ok(Admission::NeedsBody(Pending { proof: Proof::Signed(signed.clone()), peer }))
            }
            Credential::Identity { identity, now_us, .. } => {
                let verdict = self.issuer.as_ref().map(|issuer| issuer.verify(identity, *now_us));
                if verdict == Some(Ok(())) {
                    return Ok(Admission::Granted(Sender { name: IDENTITY_NAME.into(), destination: None }));
                }
                match (self.search(credential.candidates(), &[Kind::Ingest]), verdict) {
                    (Ok((name, _)), _) => Ok(Admission::Granted(Sender::named(name))),
                    (Err(AuthError::Unknown | AuthError::Missing), Some(Err(why))) => {
                        Err(self.refuse(AuthError::BadIdentity { why }, peer))
                    }
                    (Err(error), _) => Err(self.refuse(error, peer)),
                }
            }
            shown => {
                let (name, _) = self.find(shown.candidates(), &[Kind::Ingest], peer)?;
                Ok(Admission::Granted(Sender::named(name)))
            }
        }
    }

    /// Compares a signature with the bytes as they came over the wire.
    ///
    /// # Errors
    /// When no configured secret or token made it.
    pub fn verify(&self, pending: &Pending, wire_bytes: &[u8]) -> Result<Sender, AuthError> {
        let sender = match &pending.proof {
            Proof::Webhook(mac) => self.made_by_webhook(mac, wire_bytes),
            Proof::Signed(signed) => self.made_by_token(signed, wire_bytes),
        };
        sender.ok_or_else(|| self.refuse(AuthError::BadSignature, pending.peer))
    }

    fn made_by_webhook(&self, shown: &[u8; 32], wire_bytes: &[u8]) -> Option<Sender> {
        let mut fits = false;
        for keyed in &self.webhook {
            let mut mac = keyed.clone();
            mac.update(wire_bytes);
            fits |= mac.verify_slice(shown).is_ok();
        }
        fits.then(|| Sender { name: WEBHOOK_NAME.into(), destination: None })
    }

    /// Several tokens may share a name, while one takes over from another.
    fn made_by_token(&self, signed: &Signed, wire_bytes: &[u8]) -> Option<Sender> {
        let mut made_by = None;
        for (name, token) in self.keys.iter().filter(|(name, _)| **name == *signed.token_name()) {
            if signed.fits(token.expose(), wire_bytes) {
                made_by = Some(name);
            }
        }
        made_by.map(|name| Sender::named(Arc::clone(name)))
    }

    /// Judges a reader by the `Authorization` header, or by a token of the query where a route takes one.
    ///
    /// # Errors
    /// Why the reader is not let in.
    pub fn reader(
        &self,
        authorization: Option<&str>,
        query_token: Option<&str>,
        access: Access,
        peer: Option<IpAddr>,
    ) -> Result<Reader, AuthError> {
        let shown = match authorization {
            Some(header) => token::from_authorization(header)?,
            None => vec![query_token.filter(|token| !token.is_empty()).ok_or(AuthError::Missing)?.to_owned()],
        };
        let (name, sha256) = self.find(shown.iter().map(String::as_str), access.kinds(), peer)?;
        Ok(Reader { name, sha256, access })
    }

    /// Whether a reader who was let in earlier still would be. For connections that live long.
    #[must_use]
    pub fn still_admits(&self, reader: &Reader) -> bool {
        let kinds = reader.access.kinds();
        [self.configured.look_up(&reader.sha256, kinds), self.stored().look_up(&reader.sha256, kinds)]
            .iter()
            .any(|found| matches!(found, Found::Yes(_)))
    }

    fn stored(&self) -> Arc<Book> {
        Arc::clone(&self.stored.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// [`Gate::search`], and counts what it refuses.
    fn find<'t>(
        &self,
        shown: impl Iterator<Item = &'t str>,
        kinds: &[Kind],
        peer: Option<IpAddr>,
    ) -> Result<(Arc<str>, [u8; 32]), AuthError> {
        self.search(shown, kinds).map_err(|error| match error {
            AuthError::Missing => error,
            error => self.refuse(error, peer),
        })
    }

    /// Compares each shown text with every known token, whatever the first comparisons said.
    fn search<'t>(
        &self,
        shown: impl Iterator<Item = &'t str>,
        kinds: &[Kind],
    ) -> Result<(Arc<str>, [u8; 32]), AuthError> {
        let stored = self.stored();
        let mut best = None;
        for text in shown.filter(|text| !text.is_empty()) {
            let sha256 = digest(text);
            for book in [&self.configured, &*stored] {
                let found = book.look_up(&sha256, kinds);
                if best.as_ref().is_none_or(|(earlier, _): &(Found, _)| found.rank() > earlier.rank()) {
                    best = Some((found, sha256));
                }
            }
        }
        let (best, best_sha256) = best.ok_or(AuthError::Missing)?;
        match best {
            Found::Yes(name) => Ok((name, best_sha256)),
            Found::OtherKind => Err(AuthError::Forbidden),
            Found::Revoked => Err(AuthError::Disabled),
            Found::No => Err(AuthError::Unknown),
        }
    }

    /// Counts a refusal; guesses past the rate become [`AuthError::Throttled`].
    fn refuse(&self, error: AuthError, peer: Option<IpAddr>) -> AuthError {
        let guess = matches!(
            error,
            AuthError::Unknown | AuthError::UnknownKey | AuthError::BadSignature | AuthError::BadIdentity { .. }
        );
        self.throttle.refused(error, guess, peer)
    }
}

#[cfg(test)]
mod tests;
