//! Signatures over the bytes of a request, made with a token that the sender does not show.
//!
//! In: what a protocol read from the head. Out: the name of the token that is to check it, how far its date is from
//! ours, and, once the body is there, whether it fits. Exists so that the room with the tokens needs to know no
//! scheme, and the protocols no tokens. Tokens in the store are hashes, with which nothing can be verified.

use std::{fmt, sync::Arc};

/// One scheme's signature, read from a head. Holds copies, so that the head may go.
pub trait Signature: fmt::Debug + Send + Sync {
    /// Name of the token that it claims to be made with; `default` for the unnamed one.
    fn token_name(&self) -> &str;

    /// How far the date that it signs is from our clock, in seconds, before or after.
    fn off_by_s(&self) -> u64;

    /// How far it may be, unless the operator says otherwise, in seconds.
    fn off_by_s_max(&self) -> u64;

    /// Whether this token signed these bytes, as they came over the wire. Compares in constant time.
    fn fits(&self, token: &str, wire_bytes: &[u8]) -> bool;
}

/// A signature that can be handed on and compared.
#[derive(Debug, Clone)]
pub struct Signed(Arc<dyn Signature>);

impl Signed {
    /// Of any scheme.
    #[must_use]
    pub fn new(signature: impl Signature + 'static) -> Self {
        Self(Arc::new(signature))
    }
}

impl std::ops::Deref for Signed {
    type Target = dyn Signature;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

/// The same reading, not merely an equal one.
impl PartialEq for Signed {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Signed {}
