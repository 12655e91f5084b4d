//! Events named anew by their content.

use crate::{
    audit::Log,
    model::EventKey,
    store::{
        StoreError,
        sqlite::{
            Shared, insert,
            reader::ReadError,
            row::{self, Opened, select_event},
        },
        trail::{Finding, Flaw},
        verify::Identify,
    },
};
use rusqlite::Connection;
use std::time::Instant;

const EVENTS: &str = select_event!("WHERE (created, hash) > (?1, ?2) ORDER BY created, hash");
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
        let from = after.unwrap_or(EventKey { created_us: i64::MIN, hash: i64::MIN });
        let mut statement = db.prepare_cached(EVENTS)?;
        let mut rows = statement.query([from.created_us, from.hash])?;
        let mut slice = None;
        for read in 1..=SLICE {
            let Some(row) = rows.next()? else { break };
            let key = row::key(row)?;
            let flaw = match Opened::of(db, &shared.names, row).and_then(|it| it.event(db, &shared.names)) {
                Ok(stored) => match identify(&stored) {
                    Some(by_content) if !is(db, key, by_content)? => Some(Flaw::Identity(key)),
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
fn is(db: &Connection, key: EventKey, by_content: EventKey) -> Result<bool, ReadError> {
    if key == by_content {
        return Ok(true);
    }
    if key.created_us != by_content.created_us {
        return Ok(false);
    }
    let secret: Option<i64> = db
        .prepare_cached("SELECT secret FROM event WHERE created = ?1 AND hash = ?2")?
        .query_row([key.created_us, key.hash], |row| row.get(0))?;
    Ok(secret.is_some_and(|secret| insert::stands_beside(by_content.hash, secret, key.hash)))
}
