//! Made-up Fivetran accounts that behave like real ones.
//!
//! In: a seed and a size ([`SimOptions`]). Out: events in order of time, lazily and in constant memory ([`Simulator`]): connections
//! of many types are created, tested, synced, fail, recover, are edited, paused and deleted; people leave dashboard and
//! audit events; transformations run. Logs of its neighbours come from [`NeighbourLog`]. The same options give the same bytes on every machine. Used by `lifeline
//! simulate`, tests and benches.

mod catalog;
mod connection;
mod life;
mod neighbours;
mod order;
mod others;
mod rng;
mod sync;
mod write;

pub use connection::{Connection, Spelling};
pub use neighbours::{NeighbourLine, NeighbourLog};
pub use order::Deliveries;
pub use rng::Rng;
pub use write::{write_json, write_time, write_webhook};

use crate::model::Level;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    sync::Arc,
};

/// Microseconds in common units.
const MS: i64 = 1_000;
const SECOND: i64 = 1_000 * MS;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// 2026-01-01T00:00:00Z: where simulated time begins unless said otherwise.
pub const START_US: i64 = 1_767_225_600 * SECOND;

/// What to simulate.
#[derive(Debug, Clone, PartialEq)]
pub struct SimOptions {
    /// Another seed, another account.
    pub seed: u64,
    /// How many connections live at a time.
    pub connections: usize,
    /// When the log begins, in microseconds since 1970.
    pub start_us: i64,
    /// Nothing at or after this moment.
    pub end_us: Option<i64>,
    /// At most so many events.
    pub events_max: Option<u64>,
    /// Which names of the connection's members are written.
    pub spelling: Spelling,
}

impl Default for SimOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            connections: 50,
            start_us: START_US,
            end_us: None,
            events_max: None,
            spelling: Spelling::Current,
        }
    }
}

/// One simulated event.
#[derive(Debug, Clone, PartialEq)]
pub struct SimEvent {
    /// When it happened, microseconds since 1970.
    pub created_us: i64,
    /// Decimals of `created`: 3, or 6 for the audit trail.
    pub digits: u8,
    /// The event's name.
    pub name: &'static str,
    /// The connection it is about, if any.
    pub connection: Option<Arc<Connection>>,
    /// The sync it belongs to.
    pub sync_id: Option<u128>,
    /// Identifier of an unexpected problem.
    pub exception_id: Option<u128>,
    /// The text of its `data`, a JSON object; empty when it has none.
    pub data: String,
    /// The level that a transport would give it.
    pub level: Level,
}

/// Something that goes on for ever: hands out its next few events, later than all before.
trait Episodes: Send {
    /// Appends at least one event.
    fn next_episode(&mut self, out: &mut VecDeque<SimEvent>);
}

/// One such thing and what of it was not handed out yet.
struct Stream {
    waiting: VecDeque<SimEvent>,
    source: Box<dyn Episodes>,
}

impl Stream {
    /// When its next event is.
    fn peek(&mut self) -> i64 {
        loop {
            if let Some(event) = self.waiting.front() {
                return event.created_us;
            }
            self.source.next_episode(&mut self.waiting);
        }
    }
}

/// The events of an account in order of time.
pub struct Simulator {
    streams: Vec<Stream>,
    queue: BinaryHeap<Reverse<(i64, usize)>>,
    end_us: i64,
    left: u64,
}

impl Simulator {
    /// An account from its options. Makes the first episode of each connection, nothing more.
    #[must_use]
    pub fn new(options: &SimOptions) -> Self {
        let mut sources: Vec<Box<dyn Episodes>> = Vec::new();
        let account = Arc::new(others::Account::new(options));
        for slot in 0..options.connections.max(1) {
            sources.push(Box::new(life::Life::new(options, &account, slot as u64)));
            if slot % 12 == 5 {
                sources.push(Box::new(others::Job::new(options, slot as u64)));
            }
        }
        sources.push(Box::new(others::People::new(options, account)));
        let mut streams: Vec<Stream> =
            sources.into_iter().map(|source| Stream { waiting: VecDeque::new(), source }).collect();
        let queue = streams.iter_mut().enumerate().map(|(index, stream)| Reverse((stream.peek(), index))).collect();
        let end_us = options.end_us.unwrap_or(i64::MAX);
        Self { streams, queue, end_us, left: options.events_max.unwrap_or(u64::MAX) }
    }
}

impl Iterator for Simulator {
    type Item = SimEvent;

    fn next(&mut self) -> Option<SimEvent> {
        self.left = self.left.checked_sub(1)?;
        let mut first = self.queue.peek_mut()?;
        let Reverse((at, index)) = *first;
        if at >= self.end_us {
            return None;
        }
        let stream = &mut self.streams[index];
        let event = stream.waiting.pop_front();
        // Changing the key in place sinks it once; popping and pushing would move it twice.
        *first = Reverse((stream.peek(), index));
        event
    }
}

#[cfg(test)]
mod tests;
