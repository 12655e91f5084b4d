//! Requests rendered before the clock starts, so that the driver only copies bytes.

mod clouds;
mod form;
mod logs;
mod otlp;
mod signed;

pub use form::{Form, NDJSON};

use crate::{Failure, options::Options};
use form::FORMS;
use lifeline::{
    protocol::PROTOCOLS,
    simulate::{SimEvent, SimOptions, Simulator, write_json},
};
use std::{
    collections::{BTreeSet, VecDeque},
    io::{self, Write},
};

/// An event and its text, as natively delivered.
pub struct Line {
    pub event: SimEvent,
    pub text: String,
}

impl Line {
    fn new(event: SimEvent) -> Self {
        let mut text = Vec::new();
        write_json(&event, &mut text);
        Self { event, text: String::from_utf8(text).expect("JSON is text") }
    }
}

/// Requests, heads included, one after another.
pub struct Plan {
    pub form: &'static Form,
    pub batch: usize,
    pub events: usize,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Plan {
    /// Renders events, in order of time, `batch` to a request, or fewer where the service takes no more. Signatures are made now,
    /// and are good for minutes.
    pub fn render(form: &'static Form, batch: usize, events: impl Iterator<Item = SimEvent>) -> Self {
        let mut plan = Self { form, batch, events: 0, bytes: Vec::new(), ends: Vec::new() };
        let mut events = events.map(Line::new);
        let mut waiting: VecDeque<Line> = VecDeque::new();
        let mut body = Vec::new();
        let most = batch.min(form.events_max);
        loop {
            let missing = most - waiting.len().min(most);
            waiting.extend(events.by_ref().take(missing));
            let lines = waiting.make_contiguous();
            let mut count = lines.len().min(most);
            if count == 0 {
                return plan;
            }
            loop {
                body.clear();
                (form.body)(&lines[..count], &mut body).expect("memory takes it");
                if body.len() <= form.bytes_max || count == 1 {
                    break;
                }
                count = count * 9 / 10;
            }
            waiting.drain(..count);
            plan.request_with(&body).expect("memory takes it");
            plan.events += count;
        }
    }

    fn request_with(&mut self, body: &[u8]) -> io::Result<()> {
        let out = &mut self.bytes;
        self.form.head(body, out)?;
        write!(out, "Host: {}\r\nContent-Length: {}\r\n\r\n", signed::HOST, body.len())?;
        out.extend_from_slice(body);
        self.ends.push(out.len());
        Ok(())
    }

    /// A request by its number.
    pub fn request(&self, number: usize) -> Option<&[u8]> {
        let end = *self.ends.get(number)?;
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.bytes[start..end])
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }
}

/// An endless account.
pub fn account(options: &Options) -> Simulator {
    let (seed, connections) = (options.seed, options.connections);
    Simulator::new(&SimOptions { seed, connections, ..SimOptions::default() })
}

/// The connections that it begins with.
pub fn connections(options: &Options) -> Vec<String> {
    let early = account(options).take(options.connections * 100);
    let ids = early.filter_map(|event| event.connection.map(|connection| connection.id.clone()));
    ids.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Every form there is.
///
/// # Errors
/// A protocol is served that none of them speaks: a new one needs a line in [`FORMS`].
pub fn every_form() -> Result<Vec<&'static Form>, Failure> {
    for protocol in PROTOCOLS {
        if !FORMS.iter().any(|form| form.protocol == protocol.name()) {
            return Err(format!("{} is served and not measured", protocol.name()).into());
        }
    }
    Ok(FORMS.to_vec())
}
