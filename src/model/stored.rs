//! What goes into the store and what comes out of it.

use super::{Event, EventId, EventKey, Micros, Verdict};
use std::{ops::Range, sync::Arc};

/// How an event reached us.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Delivery {
    /// Name of the protocol, `splunk_hec`; `import` for a back-fill.
    pub protocol: &'static str,
    /// Name of the token that authenticated it, never the token.
    pub token: Arc<str>,
}

impl Delivery {
    /// The protocol, and the token, of a back-fill.
    pub const IMPORT: &'static str = "import";

    /// Of a back-fill.
    #[must_use]
    pub fn import() -> Self {
        Self { protocol: Self::IMPORT, token: Self::IMPORT.into() }
    }
}

/// An event on its way into the store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// Its identity.
    pub key: EventKey,
    /// What was understood, redacted.
    pub event: Event,
    /// What validation says.
    pub verdict: Verdict,
    /// The text of the envelope as it came, byte for byte, but for redacted values.
    pub raw: String,
    /// Where in `raw` the JSON stands that `event.data` is the value of, for certain; `None` where that is not known.
    pub data_at: Option<Range<usize>>,
    /// When it was received, by our clock.
    pub received_us: Micros,
    /// A keyed digest over the secrets that were masked. Two events that differ in nothing but a
    /// secret share their [`EventKey`] and are told apart by this.
    pub secret_digest: Option<u64>,
}

/// An event as the store gives it back.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Its public identity.
    pub id: EventId,
    /// What was understood, redacted.
    pub event: Event,
    /// What validation said when it was stored.
    pub verdict: Verdict,
    /// The redacted text of the envelope.
    pub raw: String,
    /// When it was first received.
    pub received_us: Micros,
    /// How it first arrived.
    pub protocol: String,
    /// The token's name of the first delivery.
    pub token: String,
    /// How often it was delivered.
    pub deliveries: u64,
}

/// A payload that could not be read as an event, on its way into quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewQuarantine {
    /// Position of the item in its request.
    pub index: usize,
    /// Why it could not be read, in words for a person; never quotes the content.
    pub reason: String,
    /// The redacted bytes.
    pub bytes: Vec<u8>,
    /// When it was received.
    pub received_us: Micros,
}

/// A payload in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedItem {
    /// Its number, ascending in order of arrival.
    pub id: i64,
    /// Why it could not be read.
    pub reason: String,
    /// The redacted bytes.
    pub bytes: Vec<u8>,
    /// The protocol that delivered it.
    pub protocol: String,
    /// The token's name.
    pub token: String,
    /// When it was first received.
    pub received_us: Micros,
    /// How often the same bytes came.
    pub deliveries: u64,
    /// When a replay turned it into events; `None` while it waits.
    pub replayed_us: Option<Micros>,
}
