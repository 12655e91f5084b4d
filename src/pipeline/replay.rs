//! Another try for what is in quarantine.
//!
//! In: the bytes of an item. Out: the events that can be read by now, and each part that still cannot, with a reason of its own. An item may
//! be one line, the rest of a request behind what its protocol stopped at, or a whole body; which one, its bytes say. Nothing of
//! them is left out. Refused: nothing here; an item without an event stays where it is, which the caller decides.

use super::{Pipeline, notes::Notes};
use crate::{
    json,
    model::{Hints, Micros, NewEvent, NewQuarantine, Payload, Record, RecordError},
    protocol::{Head, Limits, Protocol as _, loki::Loki, native},
};

/// Most parts of one item. Far more than the events that a body within its limit can hold, and a bound on the memory for junk.
const PARTS_MAX: usize = 1_000_000;

/// What an item turned out to hold.
#[derive(Default)]
pub struct Tried {
    /// What can be read.
    pub events: Vec<NewEvent>,
    /// What the receipt says of it.
    pub notes: Notes,
    /// What cannot.
    pub left: Vec<NewQuarantine>,
    /// How many parts were looked at.
    parts: usize,
}

impl Tried {
    /// The position of the next part.
    fn next(&mut self) -> usize {
        self.parts += 1;
        self.parts - 1
    }
}

/// A try at the bytes of one item.
pub struct Attempt<'p> {
    pub pipeline: &'p Pipeline,
    pub destination: Option<&'p str>,
    /// When the item came.
    pub received_us: Micros,
}

impl Attempt<'_> {
    /// Reads the item as a stream of values; where something of it is no event, part by part.
    ///
    /// # Errors
    /// There are too many parts, in words for a person.
    pub fn read(&self, bytes: &[u8]) -> Result<Tried, String> {
        let mut tried = Tried::default();
        let Ok(text) = std::str::from_utf8(bytes) else {
            self.lines(bytes, &mut tried)?;
            return Ok(tried);
        };
        for part in parts(text) {
            self.record(&plain(part), tried.next(), &mut tried);
        }
        if !tried.left.is_empty() {
            tried = Tried::default();
            let (values, rest) = walk(text);
            for value in values {
                self.value(value, &mut tried);
            }
            self.lines(rest.as_bytes(), &mut tried)?;
        }
        Ok(tried)
    }

    /// Reads what is no stream of values to its end as a native body is read. Damaged lines that stand together stay together: they may be
    /// one value.
    fn lines(&self, body: &[u8], tried: &mut Tried) -> Result<(), String> {
        let limits = Limits { records_max: PARTS_MAX, ..Limits::default() };
        let items = native::cut(body, &limits).map_err(|error| error.detail)?.decoded().items;
        let mut damaged: Option<RecordError> = None;
        for item in items {
            let error = match item {
                Ok(record) => {
                    self.keep(damaged.take(), body, tried);
                    self.push_or_record(&record, tried);
                    continue;
                }
                Err(error) => error,
            };
            let part = body.get(error.bytes.clone()).unwrap_or_default();
            let (values, rest) = std::str::from_utf8(part).map_or((Vec::new(), part.len()), |text| {
                let (values, rest) = walk(text);
                (values, rest.len())
            });
            if !values.is_empty() {
                self.keep(damaged.take(), body, tried);
            }
            for value in values {
                self.value(value, tried);
            }
            let rest = error.bytes.end - rest..error.bytes.end;
            match &mut damaged {
                _ if rest.is_empty() => {}
                Some(before) => before.bytes.end = rest.end,
                None => damaged = Some(RecordError { bytes: rest, ..error }),
            }
        }
        self.keep(damaged, body, tried);
        Ok(())
    }

    /// A value that is an object, or a list of some.
    fn value(&self, value: &str, tried: &mut Tried) {
        match json::elements(value) {
            Ok(elements) => elements.into_iter().for_each(|element| self.push_or_record(&plain(element.get()), tried)),
            Err(_) => self.push_or_record(&plain(value), tried),
        }
    }

    /// A push request of Loki lists its lines below `streams`; anything else is a record.
    fn push_or_record(&self, record: &Record<'_>, tried: &mut Tried) {
        let index = tried.next();
        let text = record.payload.text();
        let is_push = json::members(text)
            .is_ok_and(|members| json::member(&members, "streams").is_some_and(|list| list.starts_with('[')));
        if !is_push {
            return self.record(record, index, tried);
        }
        let body = text.as_bytes();
        let limits = Limits { records_max: PARTS_MAX, ..Limits::default() };
        match Loki.decode(&Head::new("POST", "", "", &Vec::new()), body, &limits) {
            Ok(decoded) => {
                for item in decoded.items {
                    match item {
                        Ok(line) => self.record(&line, index, tried),
                        Err(error) => self.keep(Some(error), body, tried),
                    }
                }
            }
            Err(error) => tried.left.push(self.pipeline.quarantined(index, error.detail, body, self.received_us)),
        }
    }

    fn record(&self, record: &Record<'_>, index: usize, tried: &mut Tried) {
        self.pipeline.take(record, index, self.destination, self.received_us, &mut |found| match found {
            Ok(event) => {
                tried.notes.add(index, &event);
                tried.events.push(event);
            }
            Err(item) => tried.left.push(item),
        });
    }

    fn keep(&self, damaged: Option<RecordError>, body: &[u8], tried: &mut Tried) {
        if let Some(RecordError { reason, bytes, .. }) = damaged {
            let (index, bytes) = (tried.next(), body.get(bytes).unwrap_or_default());
            tried.left.push(self.pipeline.quarantined(index, reason, bytes, self.received_us));
        }
    }
}

fn plain(text: &str) -> Record<'_> {
    Record { payload: Payload::Json(text.into()), hints: Hints::default() }
}

/// The JSON values of a text, or the whole text where it is something else.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        match json::first_value(rest) {
            Ok((first, tail)) => {
                match json::elements(first) {
                    Ok(elements) => parts.extend(elements.into_iter().map(|element| element.get())),
                    Err(_) => parts.push(first),
                }
                rest = tail.trim();
            }
            Err(_) => return vec![text],
        }
    }
    if parts.is_empty() { vec![text] } else { parts }
}

/// The objects and lists that a text begins with, and what is left of it. Between them may stand what is left of a list whose beginning was
/// taken: commas and its end.
fn walk(text: &str) -> (Vec<&str>, &str) {
    let mut values = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || matches!(c, ',' | ']'));
        match json::first_value(rest) {
            Ok((value, tail)) if value.starts_with(['{', '[']) => {
                values.push(value);
                rest = tail;
            }
            _ => return (values, rest),
        }
    }
}
