//! Gives every spelling of an event one form.
//!
//! In: an envelope with what its transport said. Out: an [`Event`] and findings about members whose type is wrong. Refused,
//! with a reason that never quotes the content: data that is broken JSON, an envelope with one of its members twice. Every
//! rewrite is listed in the event; running it on its own output changes nothing. Pure: the time of receipt comes in.
//!
//! The passes: `envelope` reads the common members and their old names, `data` the event's own, `derive` fills what can be
//! known from the rest (connection, level).

mod data;
mod derive;
mod envelope;

use crate::{
    envelope::Found,
    model::{Event, Micros, Violation},
};
use serde_json::{Map, Value};

/// An event, and what is wrong with the types of its envelope.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalized {
    /// The event. Its family is [`crate::model::Family::Other`] until the schemas name it.
    pub event: Event,
    /// The envelope under its new names with its values as they came, when a member is not what it should be; `None`
    /// when every member is a string or absent, which needs no check.
    pub envelope: Option<Map<String, Value>>,
    /// What no schema can see: a `created` that is a text and no time.
    pub findings: Vec<Violation>,
}

impl Normalized {
    /// The envelope under its new names, whether or not anything is wrong with it.
    #[must_use]
    pub fn envelope_view(&self) -> Map<String, Value> {
        let mut view = self.envelope.clone().unwrap_or_else(|| envelope::view(&self.event, Map::new()));
        view.extend(self.event.extra.clone());
        view
    }
}

/// Normalises an envelope. `destination` is what the token or path says; `received_us` is now.
///
/// # Errors
/// Why the record goes to quarantine.
pub fn normalize(found: &Found<'_>, destination: Option<&str>, received_us: Micros) -> Result<Normalized, String> {
    let mut read = envelope::read(found, received_us)?;
    data::normalize(&mut read.event)?;
    if let Some(data) = read.event.data.as_deref().filter(|data| !data.is_object()) {
        let view = read.envelope.get_or_insert_with(|| envelope::view(&read.event, Map::new()));
        view.insert("data".to_owned(), data.clone());
    }
    derive::fill(&mut read.event, found.hints.level.as_deref(), destination.or(found.hints.destination.as_deref()));
    Ok(read)
}

#[cfg(test)]
mod tests;
