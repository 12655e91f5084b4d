//! What the sender is told of its request.
//!
//! In: what is known of each event before the commit, and what became of it. Out: a receipt, bounded however much was sent.

use crate::{
    model::{EventId, NewEvent, Status},
    protocol::{DecodeError, EventCount, ItemOutcome, Receipt},
    store::{Appended, Outcome},
};
use ahash::AHashMap;
use std::sync::Arc;

/// Most items that a receipt lists.
pub const RECEIPT_ITEMS_MAX: usize = 1_000;

/// Most event names that a receipt counts apart.
const NAMES_MAX: usize = 256;

/// What the receipt says of events, should they turn out to be new.
#[derive(Default)]
pub struct Notes {
    /// One for each event.
    each: Vec<Note>,
    /// The numbers of their names, of which most requests have a handful.
    numbers: AHashMap<Arc<str>, usize>,
    names: Vec<Arc<str>>,
}

struct Note {
    index: usize,
    /// Place in [`Notes::names`].
    name: usize,
    status: Status,
    reason: Option<String>,
}

impl Notes {
    /// For about so many.
    pub fn of_about(events: usize) -> Self {
        Self { each: Vec::with_capacity(events), ..Self::default() }
    }

    /// Notes an event of the item with this index.
    pub fn add(&mut self, index: usize, new: &NewEvent) {
        let reason = new.verdict.errors.first().map(|error| format!("{}: {}", error.path, error.message));
        let name = self.number(&new.event.name);
        self.each.push(Note { index, name, status: new.verdict.status, reason });
    }

    fn number(&mut self, name: &str) -> usize {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let shared: Arc<str> = name.into();
        self.names.push(Arc::clone(&shared));
        self.numbers.insert(shared, self.names.len() - 1);
        self.names.len() - 1
    }
}

/// What the sender is told. `reasons`: of each item in quarantine, with its index.
pub fn receipt(
    appended: &Appended,
    notes: Notes,
    reasons: Vec<(usize, String)>,
    refusal: Option<DecodeError>,
) -> Receipt {
    let mut receipt =
        Receipt { quarantined: appended.quarantine_ids.len(), ack_id: appended.ack_id, refusal, ..Receipt::default() };
    let mut counts = Counts { places: vec![None; notes.names.len()], by_event: Vec::new() };
    for (outcome, note) in appended.outcomes.iter().zip(notes.each) {
        let Outcome::Stored(key) = outcome else {
            receipt.duplicates += 1;
            continue;
        };
        receipt.accepted += 1;
        counts.count(&note, &notes.names);
        if note.status != Status::Valid && receipt.items.len() < RECEIPT_ITEMS_MAX {
            let id = EventId(*key).to_string();
            receipt.items.push(ItemOutcome {
                index: note.index,
                outcome: note.status.as_str(),
                id,
                reason: note.reason,
            });
        }
    }
    receipt.by_event = counts.by_event;
    for (id, (index, reason)) in appended.quarantine_ids.iter().zip(reasons) {
        if receipt.items.len() < RECEIPT_ITEMS_MAX {
            let id = id.to_string();
            receipt.items.push(ItemOutcome { index, outcome: "quarantined", id, reason: Some(reason) });
        }
    }
    receipt.items.sort_by_key(|item| item.index);
    receipt
}

/// New events by their names, in the order of each name's first.
struct Counts {
    /// For each name its place below, once it has one.
    places: Vec<Option<usize>>,
    by_event: Vec<EventCount>,
}

impl Counts {
    fn count(&mut self, note: &Note, names: &[Arc<str>]) {
        let by_event = &mut self.by_event;
        let place = *self.places[note.name].get_or_insert_with(|| {
            // Names from outside are unbounded; past the bound they count as one.
            if by_event.len() <= NAMES_MAX {
                let event = if by_event.len() == NAMES_MAX { "other".into() } else { Arc::clone(&names[note.name]) };
                by_event.push(EventCount { event, stored: 0, invalid: 0 });
            }
            by_event.len() - 1
        });
        by_event[place].stored += 1;
        by_event[place].invalid += u32::from(note.status == Status::Invalid);
    }
}
