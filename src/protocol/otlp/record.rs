//! From a log record to a record of ours, whichever encoding it came in.
//!
//! In: the parts of a log record. Out: a payload with time and level. Texts with JSON in them are borrowed; lists of keys and values are
//! written as JSON, within a bound for the whole request: an encoding that needs two bytes for an empty value must
//! not become a hundred in memory.

use crate::model::{Hints, Level, Payload, Record, Timestamp};
use crate::protocol::DecodeError;
use serde_json::Value;
use std::borrow::Cow;

/// Deepest nesting of lists and of keys and values. Fivetran's events have five levels.
pub(super) const DEPTH_MAX: usize = 32;

/// Why a log record cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// In words; its neighbours can be.
    Unreadable(&'static str),
    /// What is written as JSON would outgrow its bound.
    TooLarge,
}

/// Nesting past [`DEPTH_MAX`].
pub(super) const TOO_DEEP: Fault = Fault::Unreadable("the log record is nested more than 32 levels deep");

/// The answer to [`Fault::TooLarge`].
pub(super) fn too_large() -> DecodeError {
    DecodeError::too_large("the log records, written as JSON, are larger than a body may be")
}

/// JSON under construction.
#[derive(Debug, Default)]
pub(super) struct Json {
    pub text: String,
    bytes_max: usize,
}

impl Json {
    /// At most `bytes_max` bytes of it.
    pub fn new(bytes_max: usize) -> Self {
        Self { text: String::new(), bytes_max }
    }

    /// Appends JSON text.
    pub fn push(&mut self, text: &str) -> Result<(), Fault> {
        self.text.push_str(text);
        if self.text.len() <= self.bytes_max { Ok(()) } else { Err(Fault::TooLarge) }
    }

    /// Appends a string.
    pub fn string(&mut self, text: &str) -> Result<(), Fault> {
        if text.bytes().any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\')) {
            return self.push(&Value::from(text).to_string());
        }
        self.text.push('"');
        self.text.push_str(text);
        self.push("\"")
    }

    /// Appends the comma before all but the first of a list that begins at `start`.
    pub fn comma(&mut self, start: usize) -> Result<(), Fault> {
        if self.text.len() > start { self.push(",") } else { Ok(()) }
    }
}

/// The body of a log record.
#[derive(Debug)]
pub(super) enum Body<'b> {
    Text(Cow<'b, str>),
    /// As JSON, of any other kind.
    Json(String),
}

impl Body<'_> {
    /// Whether the event is in it, so that attributes need not be looked at.
    fn holds_event(&self) -> bool {
        let (text, name) = match self {
            Self::Text(text) => (text.trim_start(), "event"),
            Self::Json(text) => (text.as_str(), "\"event\":"),
        };
        text.starts_with('{') && memchr::memmem::find(text.as_bytes(), name.as_bytes()).is_some()
    }
}

/// Puts a record together. `attributes` writes them as the members of an object, and is asked only where they are needed.
pub(super) fn record<'b>(
    body: Body<'b>,
    bytes_max: usize,
    attributes: impl FnOnce(&mut Json) -> Result<(), Fault>,
    hints: Hints,
) -> Result<Record<'b>, Fault> {
    if body.holds_event() {
        let payload = match body {
            Body::Text(text) => Payload::Text(text),
            Body::Json(text) => Payload::Json(Cow::Owned(text)),
        };
        return Ok(Record { payload, hints });
    }
    let mut out = Json::new(bytes_max);
    out.push("{\"body\":")?;
    match &body {
        Body::Text(text) => out.string(text)?,
        Body::Json(text) => out.push(text)?,
    }
    out.push(",\"attributes\":{")?;
    attributes(&mut out)?;
    out.push("}}")?;
    Ok(Record { payload: Payload::Json(Cow::Owned(out.text)), hints })
}

/// What is known of a log record beside its body.
pub(super) fn hints(
    time_ns: Option<u64>,
    observed_ns: Option<u64>,
    severity_text: Option<&str>,
    severity: u64,
) -> Hints {
    let time = [time_ns, observed_ns].into_iter().flatten().filter(|ns| *ns > 0).find_map(time);
    // A text that names no level of anybody's leaves the number to decide.
    let named = severity_text.filter(|text| Level::parse(text).is_some()).map(str::to_owned);
    Hints { time, level: named.or_else(|| level(severity).map(str::to_owned)), ..Hints::default() }
}

fn time(nanos: u64) -> Option<Timestamp> {
    let seconds = i64::try_from(nanos / 1_000_000_000).ok()?;
    let below = u32::try_from(nanos % 1_000_000_000).ok()?;
    Timestamp::new(seconds, below, 9).ok().map(Timestamp::trimmed)
}

/// Source: `logs.proto`, `SeverityNumber`: four numbers each for TRACE, DEBUG, INFO, WARN, ERROR and FATAL.
fn level(severity: u64) -> Option<&'static str> {
    match severity {
        1..=8 => Some("FINE"),
        9..=12 => Some("INFO"),
        13..=16 => Some("WARNING"),
        17..=24 => Some("SEVERE"),
        _ => None,
    }
}
