//! Delivery as it really is: some events come late, some come twice.
//!
//! In: events in order of time. Out: the same in order of arrival. A late event comes seconds, sometimes hours after its turn; what
//! waits is bounded, so memory stays constant however long the stream is.

use super::{HOUR, MINUTE, MS, Rng, SECOND, SimEvent};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

/// Most events that wait for their late arrival.
const WAITING_MAX: usize = 50_000;

/// Events in order of arrival.
pub struct Deliveries<I> {
    events: I,
    rng: Rng,
    late: f64,
    duplicates: f64,
    next: Option<SimEvent>,
    order: BinaryHeap<Reverse<(i64, u64)>>,
    waiting: BTreeMap<u64, SimEvent>,
    count: u64,
}

impl<I: Iterator<Item = SimEvent>> Deliveries<I> {
    /// `late` and `duplicates` are shares, 0 to 1.
    pub fn new(events: I, seed: u64, late: f64, duplicates: f64) -> Self {
        let rng = Rng::new(seed, u64::MAX - 2);
        let (order, waiting) = (BinaryHeap::new(), BTreeMap::new());
        Self { events, rng, late, duplicates, next: None, order, waiting, count: 0 }
    }

    fn park(&mut self, event: SimEvent, delay_us: i64) {
        self.count += 1;
        self.order.push(Reverse((event.created_us.saturating_add(delay_us), self.count)));
        self.waiting.insert(self.count, event);
    }

    fn unpark(&mut self) -> Option<SimEvent> {
        let Reverse((_, number)) = self.order.pop()?;
        self.waiting.remove(&number)
    }

    /// Most are behind by less than two seconds, some by minutes, a few by hours.
    fn delay(&mut self) -> i64 {
        let longest = match self.rng.unit() {
            d if d < 0.9 => 2 * SECOND,
            d if d < 0.99 => 5 * MINUTE,
            _ => 6 * HOUR,
        };
        self.rng.range(MS, longest)
    }
}

impl<I: Iterator<Item = SimEvent>> Iterator for Deliveries<I> {
    type Item = SimEvent;

    fn next(&mut self) -> Option<SimEvent> {
        loop {
            if self.next.is_none() {
                self.next = self.events.next();
            }
            let now = self.next.as_ref().map_or(i64::MAX, |event| event.created_us);
            let due = self.order.peek().is_some_and(|Reverse((at, _))| *at <= now);
            if due || self.waiting.len() >= WAITING_MAX {
                return self.unpark();
            }
            let event = self.next.take()?;
            if self.duplicates > 0.0 && self.rng.chance(self.duplicates) {
                let delay = self.delay();
                self.park(event.clone(), delay);
            }
            if self.late > 0.0 && self.rng.chance(self.late) {
                let delay = self.delay();
                self.park(event, delay);
                continue;
            }
            return Some(event);
        }
    }
}
