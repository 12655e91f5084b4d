//! What a protocol hands on: one undecoded item with what its transport said about it.

use super::Timestamp;

/// One item of a request, before anyone has looked for Fivetran's envelope in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record<'b> {
    /// Where the envelope has to be looked for.
    pub payload: Payload<'b>,
    /// What the transport knows beside the payload.
    pub hints: Hints,
}

/// The text of a record. Borrowed from the (decompressed) body wherever that is possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload<'b> {
    /// The text of one complete JSON value, of any kind.
    Json(std::borrow::Cow<'b, str>),
    /// A text that may or may not be JSON: a log line.
    Text(std::borrow::Cow<'b, str>),
}

impl Payload<'_> {
    /// The text, whichever kind it is.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Json(text) | Self::Text(text) => text,
        }
    }
}

/// What the transport said about a record. Used only where the event itself is silent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hints {
    /// The transport's time of the record.
    pub time: Option<Timestamp>,
    /// The transport's level, as it was written (read with [`super::Level::parse`]).
    pub level: Option<String>,
    /// The destination, where the path or a label names it.
    pub destination: Option<String>,
    /// The system that wrote it, where that is not Fivetran.
    pub source: Option<super::Source>,
    /// The text as it came, where the payload was made of it.
    pub original: Option<std::sync::Arc<str>>,
}

/// Why one item of an otherwise readable body is not a record. Its bytes go to quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordError {
    /// Position of the item in the request, from 0.
    pub index: usize,
    /// What is wrong with it, in words for the sender; never quotes the content.
    pub reason: String,
    /// Byte range of the item in the decompressed body.
    pub bytes: std::ops::Range<usize>,
}
