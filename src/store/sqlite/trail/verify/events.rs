//! Stored events: whether they can be read, and whether each is named by its content.
//!
//! In: a place. Out: what does not fit behind it. Rows are looked at one by one; of the journal and of blocks a row each at a time, as it is in
//! the file, whatever memory holds of it. One that cannot be read is named with what it held, and the next one is looked at.

use crate::{
    audit::Log,
    model::{EventId, EventKey},
    store::{
        Order, StoreError,
        sqlite::{
            Shared,
            all_events::{Span, behind},
            flat::Flat,
            insert, loose,
            names::Names,
            reader::ReadError,
            row::Opened,
            sealed::{
                Blocks,
                blocks::{BEHIND, Meta},
                lost, stock,
            },
        },
        trail::{Checks, EventSlice, Finding, Flaw, Upto},
    },
};
use rusqlite::Connection;
use std::{collections::HashSet, time::Instant};

/// By which an event of a block is found that deserves a look.
const MARK: &str = "SELECT 1 FROM notable WHERE created = ?1 AND hash = ?2";
/// Rows that stand for events of a block.
const OVER: &str =
    "SELECT created, hash FROM event INDEXED BY event_conn WHERE conn = ?1 AND created BETWEEN ?2 AND ?3";

/// Looks at about `n` events behind a place.
pub fn slice(
    shared: &Shared,
    check: &Checks<'_>,
    after: Upto,
    n: u64,
    found: &mut dyn FnMut(Finding),
) -> Result<EventSlice, StoreError> {
    let (slice, flaws) = shared.readers.ask(|db| {
        let mut look = Look {
            db,
            names: &shared.names,
            check,
            until: Instant::now() + super::TURN,
            left: n,
            events: 0,
            flaws: Vec::new(),
        };
        let next = look.from(after)?;
        Ok((EventSlice { next, events: look.events }, look.flaws))
    })?;
    flaws.into_iter().for_each(|flaw| found(Finding { log: Log::Trail, seq: None, flaw }));
    Ok(slice)
}

struct Look<'l> {
    db: &'l Connection,
    names: &'l Names,
    check: &'l Checks<'l>,
    until: Instant,
    left: u64,
    events: u64,
    flaws: Vec<Flaw>,
}

impl Look<'_> {
    fn from(&mut self, after: Upto) -> Result<Option<Upto>, ReadError> {
        let mut at = after;
        loop {
            at = match at {
                Upto::Start | Upto::Row(_) => match self.rows(at)? {
                    Some(last) => return Ok(Some(Upto::Row(last))),
                    None if self.names.stock.has_blocks() => Upto::Journal(i64::MIN),
                    None => return Ok(None),
                },
                Upto::Journal(seq) => match self.journal(seq)? {
                    Some(last) => return Ok(Some(Upto::Journal(last))),
                    None => Upto::Block(i64::MIN),
                },
                Upto::Block(id) => return Ok(self.blocks(id)?.map(Upto::Block)),
            };
        }
    }

    /// Whether the next slice goes on.
    fn is_over(&mut self, events: u64) -> bool {
        self.events += events;
        self.left = self.left.saturating_sub(events.max(1));
        self.left == 0 || Instant::now() > self.until
    }

    /// Looks at rows; gives the last one where there may be more.
    fn rows(&mut self, after: Upto) -> Result<Option<EventKey>, ReadError> {
        let from = match after {
            Upto::Row(after) => behind(after, Order::Asc),
            _ => Some(EventKey::FIRST),
        };
        let Some(from) = from else { return Ok(None) };
        let mut rows = loose::Stream::new(self.db, Span::All, Order::Asc, from);
        let mut last = from;
        loop {
            let key = match rows.head() {
                Ok(Some(key)) => key,
                Ok(None) => break,
                Err(error) => {
                    let what = error.damage()?;
                    self.flaws.push(Flaw::Lost(format!("rows of events from {} on: {what}", EventId(last))));
                    break;
                }
            };
            last = key;
            let Some(row) = rows.take() else { break };
            self.event(&row.flat())?;
            if self.is_over(1) {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    fn journal(&mut self, after: i64) -> Result<Option<i64>, ReadError> {
        if after == i64::MIN {
            let lost = lost::aside(self.db)?;
            self.flaws.extend(lost.iter().map(|lost| Flaw::Lost(lost.tell(self.db, Some(self.names)))));
        }
        let mut statement = self.db.prepare_cached(stock::ROWS)?;
        let mut rows = statement.query([after.max(0)])?;
        while let Some(row) = rows.next()? {
            let mut events = 0;
            match stock::read(self.db, row)? {
                Ok(chunk) => {
                    for flat in chunk.iter() {
                        if loose::get(self.db, flat.key)?.is_none() {
                            events += 1;
                            self.event(&flat)?;
                        }
                    }
                }
                Err(lost) => self.flaws.push(Flaw::Lost(lost.tell(self.db, Some(self.names)))),
            }
            if self.is_over(events) {
                return Ok(Some(row.get(0)?));
            }
        }
        Ok(None)
    }

    fn blocks(&mut self, after: i64) -> Result<Option<i64>, ReadError> {
        let (db, names) = (self.db, self.names);
        let mut statement = db.prepare_cached(BEHIND)?;
        let mut rows = statement.query([after])?;
        let blocks = Blocks::of(db, names);
        while let Some(row) = rows.next()? {
            let meta = match Meta::of(row) {
                Ok(meta) => meta,
                Err(error) => {
                    let id: i64 = row.get(0)?;
                    let what = ReadError::from(error).damage()?;
                    self.flaws.push(Flaw::Lost(format!("block {id}: {what}")));
                    continue;
                }
            };
            let over: HashSet<(i64, i64)> = db
                .prepare_cached(OVER)?
                .query_map([meta.conn, meta.first, meta.last], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?;
            let mut events = 0;
            let read = blocks.read(&meta, |flat| {
                if over.contains(&(flat.key.created_us, flat.key.hash)) {
                    return Ok(());
                }
                events += 1;
                if flat.notable && !db.prepare_cached(MARK)?.exists([flat.key.created_us, flat.key.hash])? {
                    self.flaws.push(Flaw::Unmarked(flat.key));
                }
                self.event(flat)
            });
            if let Err(error) = read {
                let what = error.damage()?;
                let Meta { id, n, .. } = meta;
                // What we say ourselves names the block.
                let is_named = what.contains(&format!("block {id}"));
                self.flaws.push(Flaw::Lost(if is_named { what } else { format!("block {id}, {n} events: {what}") }));
            }
            if self.is_over(events) {
                return Ok(Some(meta.id));
            }
        }
        Ok(None)
    }

    fn event(&mut self, flat: &Flat<'_>) -> Result<(), ReadError> {
        let key = flat.key;
        match Opened::of(self.db, self.names, *flat).and_then(|it| it.event(self.db, self.names)) {
            Ok(stored) => {
                let by_content = self.check.identify.and_then(|identify| identify(&stored));
                if by_content.is_some_and(|by_content| !is(flat, by_content)) {
                    self.flaws.push(Flaw::Identity(key));
                }
            }
            Err(error) => {
                error.damage()?;
                self.flaws.push(Flaw::Unreadable(key));
            }
        }
        Ok(())
    }
}

/// Whether an event of this content may stand under a key: its own, or one beside it that a secret has given.
fn is(flat: &Flat<'_>, by_content: EventKey) -> bool {
    let key = flat.key;
    key == by_content
        || key.created_us == by_content.created_us
            && flat.secret.is_some_and(|secret| insert::stands_beside(by_content.hash, secret, key.hash))
}
