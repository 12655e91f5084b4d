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
    simulate::{START_US, SimEvent, SimOptions, Simulator, write_json},
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
    io::{self, Write},
    ops::Range,
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

/// Requests, heads included, one after another, in lanes: whoever sends a lane sends its requests in order.
pub struct Plan {
    pub form: &'static Form,
    pub batch: usize,
    pub events: usize,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// The first requests of the lanes, and one past the last.
    lanes: Vec<usize>,
}

impl Plan {
    /// Renders events, in the order in which they come, `batch` to a request, or fewer where the service takes no more. All events of a
    /// connection go into one of the lanes, which get about as many each. Signatures are made now, and are good for minutes.
    pub fn render(form: &'static Form, batch: usize, lanes: usize, events: impl Iterator<Item = SimEvent>) -> Self {
        let mut plan = Self { form, batch, events: 0, bytes: Vec::new(), ends: Vec::new(), lanes: vec![0] };
        for events in split(events, lanes) {
            plan.add_lane(events.into_iter());
        }
        plan
    }

    fn add_lane(&mut self, events: impl Iterator<Item = SimEvent>) {
        let Self { form, batch, .. } = *self;
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
                break;
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
            self.request_with(&body).expect("memory takes it");
            self.events += count;
        }
        self.lanes.push(self.ends.len());
    }

    fn request_with(&mut self, body: &[u8]) -> io::Result<()> {
        let out = &mut self.bytes;
        self.form.head(body, out)?;
        write!(out, "Host: {}\r\nContent-Length: {}\r\n\r\n", signed::HOST, body.len())?;
        out.extend_from_slice(body);
        self.ends.push(out.len());
        Ok(())
    }

    /// The numbers of each lane's requests.
    pub fn lanes(&self) -> impl ExactSizeIterator<Item = Range<usize>> {
        self.lanes.windows(2).map(|ends| ends[0]..ends[1])
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

/// Events in lanes, in the order in which they come: those of a connection in one, and about as many in each.
fn split(events: impl Iterator<Item = SimEvent>, lanes: usize) -> Vec<Vec<SimEvent>> {
    let id = |event: &SimEvent| event.connection.as_ref().map(|connection| connection.id.clone());
    let events: Vec<SimEvent> = events.collect();
    let mut counts: BTreeMap<Option<String>, usize> = BTreeMap::new();
    for event in &events {
        *counts.entry(id(event)).or_default() += 1;
    }
    let mut largest: Vec<_> = counts.into_iter().collect();
    largest.sort_by_key(|(_, count)| Reverse(*count));
    let mut filled = vec![0; lanes];
    let mut lane_of = BTreeMap::new();
    for (id, count) in largest {
        let emptiest = (0..lanes).min_by_key(|lane| filled[*lane]).expect("a lane");
        filled[emptiest] += count;
        lane_of.insert(id, emptiest);
    }
    let mut split = vec![Vec::new(); lanes];
    for event in events {
        split[lane_of[&id(&event)]].push(event);
    }
    split
}

/// An endless account. It begins long enough before now for what is asked of it to have happened.
pub fn account(options: &Options) -> Simulator {
    /// What an event takes of the time of one connection, about; observed: a million of 500 take six days.
    const US_EACH: i64 = 400_000_000;
    let (seed, connections) = (options.seed, options.connections);
    let took = options.preload as i64 * US_EACH / connections as i64;
    Simulator::new(&SimOptions { seed, connections, start_us: START_US - took, ..SimOptions::default() })
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
