//! Pages of events in time order.
//!
//! In: a filter, an order, a key to go on behind. Out: the events that fit, read along the narrowest index, and where the next
//! page begins. A filter that fits few events gives up its turn after a bounded time with what it has found; a page of large
//! events ends early.

use super::{
    all_events::{AllEvents, SLICE_FIRST, Scan, Span, behind},
    deliveries,
    encode::SyncCell,
    flat::Flat,
    names::Names,
    reader::ReadError,
    row::Opened,
    sealed::grams::Wanted,
    syncs,
};
use crate::{
    model::{EventKey, Level, Status, StoredEvent},
    store::{EventFilter, EventPage, EventQuery, Order, PAGE_BYTES_MAX, TextSearch},
};
use rusqlite::{Connection, Rows};
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// Longest search for a page.
const TURN: Duration = Duration::from_millis(1500);
/// Longest search for whether anything follows a full page.
const LOOK_AHEAD: Duration = Duration::from_millis(50);
/// Room is made for so many events at once.
const EVENTS_AHEAD_MAX: usize = 1_024;
/// Most connections whose events are merged; past it everything is read.
const MERGED_MAX: usize = 16;

/// Which rows are read at all.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    /// None can fit.
    Nothing,
    /// Those of some connections.
    Connections(Vec<i64>),
    /// Those that deserve a look.
    Notable,
    /// All.
    All,
}

impl Plan {
    fn of(db: &Connection, all: &AllEvents<'_>, filter: &EventFilter) -> Result<Self, ReadError> {
        let ids = if let Some(connection_id) = &filter.connection_id {
            numbers(db.prepare_cached("SELECT id FROM connection WHERE connection_id = ?1")?.query([connection_id])?)?
        } else if let Some(sync_id) = &filter.sync_id {
            match syncs::connections(db, all, sync_id)? {
                Some(ids) => ids,
                None => return Ok(Self::All),
            }
        } else if matches!(filter.level, Some(Level::Warning | Level::Severe))
            || matches!(filter.validation, Some(Status::Invalid | Status::UnknownEvent))
        {
            return Ok(Self::Notable);
        } else {
            return Ok(Self::All);
        };
        Ok(match ids.len() {
            0 => Self::Nothing,
            1..=MERGED_MAX => Self::Connections(ids),
            _ => Self::All,
        })
    }
}

fn numbers(mut rows: Rows<'_>) -> Result<Vec<i64>, ReadError> {
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(row.get(0)?);
    }
    Ok(found)
}

/// The first key that may be in the page; `None` when no key can be.
fn start(query: &EventQuery) -> Option<EventKey> {
    let EventFilter { from, to, .. } = query.filter;
    let after = query.after.map(|after| behind(after, query.order).ok_or(()));
    match query.order {
        Order::Asc => {
            let from = EventKey { created_us: from.unwrap_or(i64::MIN), hash: i64::MIN };
            after.transpose().ok().map(|after| after.map_or(from, |after| after.max(from)))
        }
        Order::Desc => {
            let last = match to {
                Some(to) => to.checked_sub(1)?,
                None => i64::MAX,
            };
            let to = EventKey { created_us: last, hash: i64::MAX };
            after.transpose().ok().map(|after| after.map_or(to, |after| after.min(to)))
        }
    }
}

/// Reads a page.
pub fn page(db: &Connection, names: &Names, query: &EventQuery) -> Result<EventPage, ReadError> {
    let nothing = EventPage { events: Vec::new(), next: None };
    let Some(start) = start(query) else { return Ok(nothing) };
    let all = AllEvents::of(db, names)?;
    let spans = match Plan::of(db, &all, &query.filter)? {
        Plan::Nothing => return Ok(nothing),
        _ if query.limit == 0 => return Ok(nothing),
        Plan::Connections(ids) => ids.into_iter().map(Span::Of).collect(),
        Plan::Notable => vec![Span::Notable],
        Plan::All => vec![Span::All],
    };
    let matcher = Matcher::new(db, names, &query.filter)?;
    let text = matcher.text.as_ref().and_then(|text| text.forms().and_then(Wanted::of)).map(Arc::new);
    // One more tells whether another page follows. Where events are left out, more are needed.
    let about = if query.filter.is_of_connection() { query.limit + 1 } else { SLICE_FIRST.max(query.limit + 1) };
    let scan = |span| all.scan_for(span, start, query.order, text.as_ref(), about);
    let mut streams = spans.into_iter().map(scan).collect::<Vec<_>>();
    let mut page = collect(matcher, query, &mut streams)?;
    deliveries::count(db, &mut page.events)?;
    Ok(page)
}

/// Merges streams of events, each in the asked order, and keeps what fits.
fn collect(mut matcher: Matcher<'_>, query: &EventQuery, streams: &mut [Scan<'_>]) -> Result<EventPage, ReadError> {
    let (mut events, mut bytes) = (Vec::<StoredEvent>::with_capacity(query.limit.min(EVENTS_AHEAD_MAX)), 0);
    let began = Instant::now();
    let mut until = began + TURN;
    let mut last = None;
    for scanned in 0_u64.. {
        let mut first: Option<(EventKey, usize)> = None;
        for (at, stream) in streams.iter_mut().enumerate() {
            let Some(head) = stream.head()? else { continue };
            let closer = first.is_none_or(|(first, _)| match query.order {
                Order::Asc => head < first,
                Order::Desc => head > first,
            });
            if closer {
                first = Some((head, at));
            }
        }
        let Some((head, at)) = first else { break };
        let past = match query.order {
            Order::Asc => query.filter.to.is_some_and(|to| head.created_us >= to),
            Order::Desc => query.filter.from.is_some_and(|from| head.created_us < from),
        };
        if past {
            break;
        }
        if scanned % 16 == 15 && Instant::now() > until {
            return Ok(EventPage { events, next: last });
        }
        if let Some(held) = streams[at].take()?
            && let Some(event) = matcher.event(&held.flat())?
        {
            bytes += event.raw.len();
            if events.len() == query.limit || bytes > PAGE_BYTES_MAX && !events.is_empty() {
                return Ok(EventPage { events, next: last });
            }
            events.push(event);
            if events.len() == query.limit {
                until = until.min(Instant::now() + LOOK_AHEAD);
            }
        }
        last = Some(head);
    }
    Ok(EventPage { events, next: None })
}

/// Compares rows with a filter, the cheap parts first.
struct Matcher<'q> {
    db: &'q Connection,
    names: &'q Names,
    filter: &'q EventFilter,
    sync: Option<SyncCell>,
    text: Option<TextSearch>,
    kinds: HashMap<i64, bool>,
}

impl<'q> Matcher<'q> {
    fn new(db: &'q Connection, names: &'q Names, filter: &'q EventFilter) -> Result<Self, ReadError> {
        let text = filter.q.as_deref().filter(|text| !text.is_empty()).map(TextSearch::new).transpose()?;
        let sync = filter.sync_id.as_deref().map(SyncCell::of);
        Ok(Self { db, names, filter, sync, text, kinds: HashMap::new() })
    }

    /// The event, when it fits; how often it came is not looked up.
    fn event(&mut self, flat: &Flat<'_>) -> Result<Option<StoredEvent>, ReadError> {
        if !self.kind_fits(flat)? {
            return Ok(None);
        }
        if let Some(sync) = &self.sync
            && flat.sync != Some(sync.as_ref())
        {
            return Ok(None);
        }
        let opened = Opened::of(self.db, self.names, *flat)?;
        if self.filter.connection_id.as_deref().is_some_and(|id| opened.connection_id.as_deref() != Some(id)) {
            return Ok(None);
        }
        let event = opened.event_delivered(self.db, self.names, 1)?;
        let EventFilter { from, to, fine, .. } = self.filter;
        let fits =
            fine.holds(*from, *to, event.event.created) && self.text.as_ref().is_none_or(|text| text.matches(&event));
        Ok(fits.then_some(event))
    }

    fn kind_fits(&mut self, flat: &Flat<'_>) -> Result<bool, ReadError> {
        let id = flat.kind;
        if id != 0
            && let Some(fits) = self.kinds.get(&id)
        {
            return Ok(*fits);
        }
        let kind = flat.kind(self.db, self.names)?;
        let EventFilter { event, family, source, level, validation, destination, .. } = self.filter;
        let fits = event.as_deref().is_none_or(|name| name == kind.name)
            && family.is_none_or(|family| family == kind.family)
            && source.is_none_or(|source| source == kind.source)
            && level.is_none_or(|level| level == kind.level)
            && validation.is_none_or(|status| status == kind.status)
            && destination.as_deref().is_none_or(|wanted| kind.destination.as_deref() == Some(wanted));
        if id != 0 {
            self.kinds.insert(id, fits);
        }
        Ok(fits)
    }
}
