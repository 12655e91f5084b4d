//! Fivetran's neighbours: their log lines and job reports, read as events of the one form that everything behind knows.
//!
//! In: a record in which no Fivetran envelope was found. Out: records that hold an envelope, with the system that wrote them and the
//! text as it came; one report of a job becomes several events, and a text of several lines first several records ([`lines`]). Refused, with a reason that never quotes the content: what is
//! clearly of such a system and damaged. Everything else is [`Reading::NotOurs`]. Pure; a system is a folder here and a line in
//! [`read`].

mod code42;
mod heroku_connect;
mod logfmt;
mod loose;
mod salesforce_backup;

use crate::model::{Hints, Payload, Record, Source, Timestamp};
use serde_json::{Map, Value, value::RawValue};

/// Longest text that is looked at, in bytes; longer ones are nobody's log line.
pub const TEXT_BYTES_MAX: usize = 4 << 20;

/// What a record turned out to be.
#[derive(Debug, PartialEq)]
pub enum Reading {
    /// No system here writes such a thing.
    NotOurs,
    /// Events, each a record with an envelope.
    Events(Vec<Record<'static>>),
    /// Of a system here, and not to be read.
    Damaged(String),
}

/// Reads a record of a neighbour.
#[must_use]
pub fn read(record: &Record<'_>) -> Reading {
    let text = record.payload.text().trim();
    if text.is_empty() || text.len() > TEXT_BYTES_MAX {
        return Reading::NotOurs;
    }
    if text.starts_with('"') {
        // A line that a file or a transport made a JSON string of.
        return match serde_json::from_str::<String>(text) {
            Ok(line) => read_inner(&line, &record.hints),
            Err(_) => Reading::NotOurs,
        };
    }
    if let Some(object) = object(text) {
        let found = salesforce_backup::report(&object, text, &record.hints)
            .or_else(|| code42::status(&object, text, &record.hints))
            .or_else(|| heroku_connect::structured(&object, text, &record.hints));
        return found.unwrap_or_else(|| wrapped(&object, &record.hints));
    }
    heroku_connect::line(text, &record.hints).or_else(|| code42::line(text, &record.hints)).unwrap_or(Reading::NotOurs)
}

/// Whether a text begins with a log line of a neighbour, readable or damaged.
#[must_use]
pub fn is_line(text: &str) -> bool {
    first_line(text.trim_start()).is_some()
}

/// How many bytes of a text are the log line of a neighbour that it begins with, readable or damaged. A line feed within
/// quotes does not end one.
#[must_use]
pub fn first_line(text: &str) -> Option<usize> {
    heroku_connect::first_line(text).or_else(|| code42::first_line(text))
}

/// The lines of a text that holds several and begins with one of a neighbour, each a record with the text's hints; those of
/// others as they are. Also looks into a string and into what transports wrap around a text.
#[must_use]
pub fn lines(record: &Record<'_>) -> Option<Vec<Record<'static>>> {
    let text = record.payload.text().trim();
    if text.starts_with('"') {
        return cut(&serde_json::from_str::<String>(text).ok()?, &record.hints);
    }
    match object(text) {
        Some(object) => WRAPPERS.iter().find_map(|name| cut(object.get(*name)?.as_str()?, &record.hints)),
        None => cut(text, &record.hints),
    }
}

fn cut(text: &str, hints: &Hints) -> Option<Vec<Record<'static>>> {
    let mut rest = text.trim();
    let mut len = first_line(rest).filter(|len| *len < rest.len())?;
    let mut records = Vec::new();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(len);
        let payload = Payload::Text(line.trim_end().to_owned().into());
        records.push(Record { payload, hints: hints.clone() });
        rest = tail.trim_start();
        len = first_line(rest).or_else(|| object_len(rest)).or_else(|| rest.find('\n')).unwrap_or(rest.len());
    }
    Some(records)
}

/// How many bytes of a text are the object that it begins with, on however many lines.
fn object_len(text: &str) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let found = text.starts_with('{') && matches!(values.next(), Some(Ok(_)));
    found.then(|| values.byte_offset())
}

/// The object that a text is, where it is one.
fn object(text: &str) -> Option<Map<String, Value>> {
    if !text.starts_with('{') {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// Members in which transports put a log line.
const WRAPPERS: &[&str] = &["message", "event", "line", "log", "msg", "body", "textPayload", "content"];

/// A log line in a member of a transport's object.
fn wrapped(object: &Map<String, Value>, hints: &Hints) -> Reading {
    for name in WRAPPERS {
        let inner = match object.get(*name) {
            Some(Value::String(text)) => read_inner(text, hints),
            Some(value @ Value::Object(_)) => read_inner(&value.to_string(), hints),
            _ => continue,
        };
        if inner != Reading::NotOurs {
            return inner;
        }
    }
    Reading::NotOurs
}

/// One level below a wrapper; deeper ones are not looked for.
fn read_inner(text: &str, hints: &Hints) -> Reading {
    let text = text.trim();
    match object(text) {
        Some(object) => salesforce_backup::report(&object, text, hints)
            .or_else(|| code42::status(&object, text, hints))
            .or_else(|| heroku_connect::structured(&object, text, hints)),
        None => heroku_connect::line(text, hints).or_else(|| code42::line(text, hints)),
    }
    .unwrap_or(Reading::NotOurs)
}

/// An event under construction.
struct Made {
    source: Source,
    envelope: Map<String, Value>,
    data: Map<String, Value>,
    level: Option<String>,
    time: Option<Timestamp>,
}

impl Made {
    fn new(source: Source, event: &str, connection_id: &str) -> Self {
        let mut made = Self { source, envelope: Map::new(), data: Map::new(), level: None, time: None };
        made.text("event", Some(event));
        made.text("connection_id", Some(connection_id));
        made.text("connector_type", Some(source.as_str()));
        made
    }

    /// A member of the envelope.
    fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.envelope.insert(name.to_owned(), Value::from(value));
        }
    }

    /// A member of the data.
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.data.insert(name.to_owned(), value.into());
    }

    /// A member of the data, where there is something to say.
    fn put_some(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    /// The record; `original` is the text that it was read from.
    fn record(mut self, original: &str, hints: &Hints) -> Record<'static> {
        if let Some(time) = self.time {
            self.envelope.insert("created".to_owned(), Value::from(time.to_string()));
        }
        self.envelope.insert("data".to_owned(), Value::Object(self.data));
        let hints = Hints {
            level: self.level.or_else(|| hints.level.clone()),
            source: Some(self.source),
            original: Some(original.into()),
            ..hints.clone()
        };
        Record { payload: Payload::Json(Value::Object(self.envelope).to_string().into()), hints }
    }
}

#[cfg(test)]
mod tests;
