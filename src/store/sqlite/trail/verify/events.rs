//! Events named anew by their content.

use crate::{
    audit::Log,
    model::EventKey,
    store::{
        Order, StoreError,
        sqlite::{
            Shared,
            flat::Flat,
            insert,
            reader::ReadError,
            row::Opened,
            shelf::{Shelf, Span, behind},
        },
        trail::{Finding, Flaw},
        verify::Identify,
    },
};
use std::time::Instant;

/// Events in one slice.
const SLICE: u64 = 4_096;

/// A slice of events that were looked at.
pub struct Slice {
    pub events: u64,
    pub last: EventKey,
}

/// Looks at the events behind a key; `None` when there are none.
pub fn slice(
    shared: &Shared,
    identify: Identify<'_>,
    after: Option<EventKey>,
    found: &mut Vec<Finding>,
) -> Result<Option<Slice>, StoreError> {
    shared.readers.ask(|db| {
        let until = Instant::now() + super::TURN;
        let first = EventKey { created_us: i64::MIN, hash: i64::MIN };
        let Some(from) = after.map_or(Some(first), |after| behind(after, Order::Asc)) else { return Ok(None) };
        let mut scan = Shelf::of(db, &shared.names)?.scan(Span::All, from, Order::Asc);
        let mut slice = None;
        for read in 1..=SLICE {
            let Some(held) = scan.take()? else { break };
            let flat = held.flat();
            let key = flat.key;
            let flaw = match Opened::of(db, &shared.names, flat).and_then(|it| it.event(db, &shared.names)) {
                Ok(stored) => match identify(&stored) {
                    Some(by_content) if !is(&flat, by_content) => Some(Flaw::Identity(key)),
                    _ => None,
                },
                Err(ReadError::Store(StoreError::Damaged(_))) => Some(Flaw::Unreadable(key)),
                Err(error) => return Err(error),
            };
            found.extend(flaw.map(|flaw| Finding { log: Log::Trail, seq: None, flaw }));
            slice = Some(Slice { events: read, last: key });
            if Instant::now() > until {
                break;
            }
        }
        Ok(slice)
    })
}

/// Whether an event of this content may stand under a key: its own, or one beside it that a secret has given.
fn is(flat: &Flat<'_>, by_content: EventKey) -> bool {
    let key = flat.key;
    key == by_content
        || key.created_us == by_content.created_us
            && flat.secret.is_some_and(|secret| insert::stands_beside(by_content.hash, secret, key.hash))
}
