//! A record made ready for the writer, on the thread of whoever brings its event.

use crate::{
    audit::Draft,
    model::{Delivery, Event, EventId, EventKey, Micros},
};
use sha2::{Digest, Sha256};

/// The rules by which events are read as records. Raised whenever [`Draft::of`] gives another text for the same event, so that records
/// which older rules made are not taken for altered ones. 2: an `api_call` has the resources of its path, its `uri` and what was sent.
pub const RULES: i64 = 2;

/// A draft and its text.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// What the columns are taken from.
    pub draft: Draft,
    /// Canonical JSON behind the number.
    pub body: String,
    /// When it came to us, by our clock.
    pub received_us: Micros,
    /// Whether its event was imported: then it may tell of what the live log told more precisely.
    pub imported: bool,
}

impl Prepared {
    /// The record of an event; `None` for most events.
    pub fn of(event: &Event, key: EventKey, received_us: Micros) -> Option<Box<Self>> {
        Draft::of(event, EventId(key)).map(|draft| Self::new(draft, received_us))
    }

    /// Of a draft.
    pub fn new(draft: Draft, received_us: Micros) -> Box<Self> {
        let body = draft.body();
        Box::new(Self { draft, body, received_us, imported: false })
    }

    /// Of a doing of our own, under an id of its own.
    pub fn own(draft: Draft, received_us: Micros) -> Box<Self> {
        let own_id = draft.own_id.or_else(|| Some(uuid::Uuid::new_v4().as_u128()));
        Self::new(Draft { own_id, ..draft }, received_us)
    }

    /// The same, of an event that came by a protocol.
    pub fn by(mut self: Box<Self>, protocol: &str) -> Box<Self> {
        self.imported = protocol == Delivery::IMPORT;
        self
    }

    /// The same with the key under which its event is stored, where a secret tells it from another.
    pub fn under(&self, key: EventKey) -> Box<Self> {
        let draft = Draft { event_id: Some(EventId(key)), ..self.draft.clone() };
        Box::new(Self { imported: self.imported, ..*Self::new(draft, self.received_us) })
    }

    /// About how much memory it holds, in bytes.
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.body.len() * 3
    }

    /// What its column of twins holds.
    pub fn twin(&self) -> Option<i64> {
        self.draft.twin_key.as_deref().map(twin)
    }
}

/// A twin key as its column holds it. A collision would link two records of ten seconds: an accident of 64 bits.
pub fn twin(key: &str) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&Sha256::digest(key.as_bytes())[..8]);
    i64::from_be_bytes(first)
}
