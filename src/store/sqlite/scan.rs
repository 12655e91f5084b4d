//! Pages of events in time order.
//!
//! In: a filter, an order, a key to go on behind. Out: the events that fit, read along the narrowest index, and where the next
//! page begins. A filter that fits few events gives up its turn after a bounded time with what it has found; a page of large
//! events ends early.

use super::{
    encode::SyncCell,
    names::Names,
    reader::ReadError,
    row::{Opened, key, kind, select_event},
};
use crate::{
    model::{EventKey, Level, Status, StoredEvent},
    store::{EventFilter, EventPage, EventQuery, Order, PAGE_BYTES_MAX, TextSearch},
};
use rusqlite::{Connection, Row, Rows, fallible_streaming_iterator::FallibleStreamingIterator as _};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Longest search for a page.
const TURN: Duration = Duration::from_millis(1500);
/// Longest search for whether anything follows a full page.
const LOOK_AHEAD: Duration = Duration::from_millis(50);
/// Most connections whose events are merged; past it everything is read.
const MERGED_MAX: usize = 16;

/// The look-up of syncs, day by day: one descent for each day that has syncs.
macro_rules! sync_lookup {
    ($what:literal, $where:literal) => {
        concat!(
            "WITH RECURSIVE days (day) AS (
                SELECT min(day) FROM sync_lookup
                UNION ALL
                SELECT (SELECT min(day) FROM sync_lookup WHERE day > days.day) FROM days WHERE days.day IS NOT NULL
            ) SELECT ",
            $what,
            " FROM days JOIN sync_lookup USING (day) WHERE ",
            $where
        )
    };
}
pub(super) use sync_lookup;

/// The connections of a sync.
const SYNC_CONNECTIONS: &str = sync_lookup!("DISTINCT conn", "hash = ?1 LIMIT 64");

const ALL_ASC: &str = select_event!("WHERE (created, hash) >= (?1, ?2) ORDER BY created, hash");
const ALL_DESC: &str = select_event!("WHERE (created, hash) <= (?1, ?2) ORDER BY created DESC, hash DESC");
const NOTABLE_ASC: &str =
    select_event!("INDEXED BY event_notable WHERE notable = 1 AND (created, hash) >= (?1, ?2) ORDER BY created, hash");
const NOTABLE_DESC: &str = select_event!(
    "INDEXED BY event_notable WHERE notable = 1 AND (created, hash) <= (?1, ?2) ORDER BY created DESC, hash DESC"
);
const CONN_ASC: &str =
    select_event!("INDEXED BY event_conn WHERE conn = ?3 AND (created, hash) >= (?1, ?2) ORDER BY created, hash");
const CONN_DESC: &str = select_event!(
    "INDEXED BY event_conn WHERE conn = ?3 AND (created, hash) <= (?1, ?2) ORDER BY created DESC, hash DESC"
);

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
    fn of(db: &Connection, filter: &EventFilter) -> Result<Self, ReadError> {
        let ids = if let Some(connection_id) = &filter.connection_id {
            numbers(db.prepare_cached("SELECT id FROM connection WHERE connection_id = ?1")?.query([connection_id])?)?
        } else if let Some(sync_id) = &filter.sync_id {
            let hash = SyncCell::of(sync_id).lookup_hash();
            numbers(db.prepare_cached(SYNC_CONNECTIONS)?.query([hash])?)?
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

    fn sql(&self, order: Order) -> &'static str {
        match (self, order) {
            (Self::Connections(_), Order::Asc) => CONN_ASC,
            (Self::Connections(_), Order::Desc) => CONN_DESC,
            (Self::Notable, Order::Asc) => NOTABLE_ASC,
            (Self::Notable, Order::Desc) => NOTABLE_DESC,
            (_, Order::Asc) => ALL_ASC,
            (_, Order::Desc) => ALL_DESC,
        }
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
    match query.order {
        Order::Asc => {
            let from = EventKey { created_us: from.unwrap_or(i64::MIN), hash: i64::MIN };
            let Some(after) = query.after else { return Some(from) };
            let next = match after.hash.checked_add(1) {
                Some(hash) => EventKey { hash, ..after },
                None => EventKey { created_us: after.created_us.checked_add(1)?, hash: i64::MIN },
            };
            Some(next.max(from))
        }
        Order::Desc => {
            let last = match to {
                Some(to) => to.checked_sub(1)?,
                None => i64::MAX,
            };
            let to = EventKey { created_us: last, hash: i64::MAX };
            let Some(after) = query.after else { return Some(to) };
            let next = match after.hash.checked_sub(1) {
                Some(hash) => EventKey { hash, ..after },
                None => EventKey { created_us: after.created_us.checked_sub(1)?, hash: i64::MAX },
            };
            Some(next.min(to))
        }
    }
}

/// Reads a page.
pub fn page(db: &Connection, names: &Names, query: &EventQuery) -> Result<EventPage, ReadError> {
    let nothing = EventPage { events: Vec::new(), next: None };
    let Some(start) = start(query) else { return Ok(nothing) };
    let plan = Plan::of(db, &query.filter)?;
    let sql = plan.sql(query.order);
    let of_connections = match &plan {
        Plan::Nothing => return Ok(nothing),
        _ if query.limit == 0 => return Ok(nothing),
        Plan::Connections(ids) => Some(ids.as_slice()),
        Plan::Notable | Plan::All => None,
    };
    let mut statements =
        (0..of_connections.map_or(1, <[i64]>::len)).map(|_| db.prepare_cached(sql)).collect::<Result<Vec<_>, _>>()?;
    let mut streams = Vec::new();
    for (at, statement) in statements.iter_mut().enumerate() {
        streams.push(match of_connections {
            Some(ids) => statement.query([start.created_us, start.hash, ids[at]])?,
            None => statement.query([start.created_us, start.hash])?,
        });
    }
    collect(db, names, query, &mut streams)
}

/// Merges streams of rows, each in the asked order, and keeps what fits.
fn collect(
    db: &Connection,
    names: &Names,
    query: &EventQuery,
    streams: &mut [Rows<'_>],
) -> Result<EventPage, ReadError> {
    let mut matcher = Matcher::new(db, names, &query.filter)?;
    let (mut events, mut bytes) = (Vec::<StoredEvent>::new(), 0);
    let began = Instant::now();
    let mut until = began + TURN;
    let mut heads = Vec::with_capacity(streams.len());
    for stream in streams.iter_mut() {
        stream.advance()?;
        heads.push(stream.get().map(key).transpose()?);
    }
    let mut last = None;
    for scanned in 0_u64.. {
        let known = heads.iter().enumerate().filter_map(|(at, head)| head.map(|head| (head, at)));
        let first = match query.order {
            Order::Asc => known.min(),
            Order::Desc => known.max(),
        };
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
        if let Some(row) = streams[at].get()
            && let Some(event) = matcher.event(row)?
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
        streams[at].advance()?;
        heads[at] = streams[at].get().map(key).transpose()?;
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
        Ok(Self { db, names, filter, sync: filter.sync_id.as_deref().map(SyncCell::of), text, kinds: HashMap::new() })
    }

    /// The event, when it fits.
    fn event(&mut self, row: &Row<'_>) -> Result<Option<StoredEvent>, ReadError> {
        if !self.kind_fits(row)? {
            return Ok(None);
        }
        if let Some(sync) = &self.sync
            && !sync.matches(row.get_ref(7)?)
        {
            return Ok(None);
        }
        let opened = Opened::of(self.db, self.names, row)?;
        if self.filter.connection_id.as_deref().is_some_and(|id| opened.connection_id.as_deref() != Some(id)) {
            return Ok(None);
        }
        let event = opened.event(self.db, self.names)?;
        let EventFilter { from, to, fine, .. } = self.filter;
        let fits =
            fine.holds(*from, *to, event.event.created) && self.text.as_ref().is_none_or(|text| text.matches(&event));
        Ok(fits.then_some(event))
    }

    fn kind_fits(&mut self, row: &Row<'_>) -> Result<bool, ReadError> {
        let id: i64 = row.get(4)?;
        if id != 0
            && let Some(fits) = self.kinds.get(&id)
        {
            return Ok(*fits);
        }
        let kind = kind(self.db, self.names, row)?;
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

/// What SQLite must make of each question, for the tests.
#[cfg(test)]
pub const SQL_AND_PLAN: &[(&str, &str)] = &[
    (ALL_ASC, "SEARCH event USING PRIMARY KEY ((created,hash)>(?,?))"),
    (ALL_DESC, "SEARCH event USING PRIMARY KEY ((created,hash)<(?,?))"),
    (NOTABLE_ASC, "SEARCH event USING INDEX event_notable ((created,hash)>(?,?))"),
    (NOTABLE_DESC, "SEARCH event USING INDEX event_notable ((created,hash)<(?,?))"),
    (CONN_ASC, "SEARCH event USING INDEX event_conn (conn=? AND (created,hash)>(?,?))"),
    (CONN_DESC, "SEARCH event USING INDEX event_conn (conn=? AND (created,hash)<(?,?))"),
];
