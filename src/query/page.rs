//! Requests for lists, and the pages that answer them.
//!
//! In: a query string, a store. Out: events or quarantined items with the cursor of the next page. Refused: bad
//! parameters. Bounded: 1,000 items a page; a sparse filter gives up its turn after [`PATIENCE`] with the cursor to go
//! on from; quarantined bytes are cut before more than a few items are held.

use super::{
    BadParameter, Params,
    cursor::{event_cursor, parse_event_cursor, parse_quarantine_cursor, parse_tail_cursor, quarantine_cursor},
    render::{Page, QuarantineView},
};
use crate::{
    model::{Family, Level, Source, Status, StoredEvent},
    store::{EventFilter, EventQuery, Order, Store, StoreError, TailCursor},
};
use std::time::{Duration, Instant};

/// Items of a page when nobody says.
pub const LIMIT_DEFAULT: usize = 100;
/// Most items of a page.
pub const LIMIT_MAX: usize = 1000;

/// How long a page goes on looking while it is still empty.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes of a quarantined item that a list shows.
pub(super) const PREVIEW_BYTES: usize = 1024;

const FILTERS: [&str; 11] =
    ["connection_id", "event", "family", "source", "level", "sync_id", "validation", "destination", "q", "from", "to"];

/// Names of the parameters: the filters, then others.
fn with_filters<'a>(others: &[&'a str]) -> Vec<&'a str> {
    FILTERS.iter().chain(others).copied().collect()
}

fn filter(params: &Params) -> Result<EventFilter, BadParameter> {
    let text = |name: &str| params.text(name).map(str::to_owned);
    let (from, to, fine) = params.period(false)?;
    Ok(EventFilter {
        connection_id: text("connection_id"),
        event: params.text("event").map(|name| name.trim().to_lowercase()),
        family: params.word("family", &Family::ALL, Family::as_str)?,
        source: params.word("source", &Source::ALL, Source::as_str)?,
        level: params.word("level", &[Level::Fine, Level::Info, Level::Warning, Level::Severe], Level::as_str)?,
        sync_id: text("sync_id"),
        validation: params.word("validation", &Status::ALL, Status::as_str)?,
        destination: text("destination"),
        q: text("q"),
        from,
        to,
        fine,
    })
}

pub(super) fn limit(params: &Params) -> Result<usize, BadParameter> {
    Ok(params.number("limit", 1..=LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT))
}

pub(super) fn not_ours(name: &str) -> BadParameter {
    BadParameter::new(name, "was not given out by this list; take next_cursor of the page before")
}

/// A request for a page of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsRequest(pub EventQuery);

impl EventsRequest {
    /// Reads the query string of `GET /v1/events`.
    ///
    /// # Errors
    /// The first bad parameter.
    pub fn parse(query: &str) -> Result<Self, BadParameter> {
        let params = Params::parse(query, &with_filters(&["order", "limit", "cursor"]))?;
        let asked = params.word("order", &[Order::Asc, Order::Desc], |order| match order {
            Order::Asc => "asc",
            Order::Desc => "desc",
        })?;
        let (order, after) = match params.text("cursor") {
            None => (asked.unwrap_or_default(), None),
            Some(cursor) => {
                let (order, after) = parse_event_cursor(cursor).ok_or_else(|| not_ours("cursor"))?;
                if asked.is_some_and(|asked| asked != order) {
                    return Err(BadParameter::new("order", "is not the order in which the cursor was given out"));
                }
                (order, Some(after))
            }
        };
        Ok(Self(EventQuery { filter: filter(&params)?, order, after, limit: limit(&params)? }))
    }
}

/// A page of events and the cursor of the next one. Blocks.
///
/// # Errors
/// What the store says.
pub fn events(store: &dyn Store, request: EventsRequest) -> Result<(Vec<StoredEvent>, Option<String>), StoreError> {
    let EventsRequest(mut query) = request;
    let started = Instant::now();
    let page = loop {
        let page = store.events(&query)?;
        match page.next {
            Some(next) if page.events.is_empty() && started.elapsed() < PATIENCE => query.after = Some(next),
            _ => break page,
        }
    };
    let next = page.next.map(|key| event_cursor(query.order, key));
    Ok((page.events, next))
}

/// A request for the live stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRequest {
    /// Which events.
    pub filter: EventFilter,
    /// Where the client was when it last heard from us.
    pub resume: Option<TailCursor>,
    /// A token in the query, since browsers cannot send headers there.
    pub token: Option<String>,
}

impl StreamRequest {
    /// Reads the query string of `GET /v1/events/stream` and the `Last-Event-ID` header, which wins over the parameter.
    ///
    /// # Errors
    /// The first bad parameter.
    pub fn parse(query: &str, last_event_id: Option<&str>) -> Result<Self, BadParameter> {
        let params = Params::parse(query, &with_filters(&["last_event_id", "token"]))?;
        let resume = match (last_event_id.filter(|id| !id.is_empty()), params.text("last_event_id")) {
            (Some(id), _) => Some(parse_tail_cursor(id).ok_or_else(|| not_ours("Last-Event-ID"))?),
            (None, Some(id)) => Some(parse_tail_cursor(id).ok_or_else(|| not_ours("last_event_id"))?),
            (None, None) => None,
        };
        Ok(Self { filter: filter(&params)?, resume, token: params.text("token").map(str::to_owned) })
    }
}

/// A request for a page of quarantined items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuarantineRequest {
    before: Option<i64>,
    limit: usize,
    all: bool,
}

impl QuarantineRequest {
    /// Reads the query string of `GET /v1/quarantine`.
    ///
    /// # Errors
    /// The first bad parameter.
    pub fn parse(query: &str) -> Result<Self, BadParameter> {
        let params = Params::parse(query, &["limit", "cursor", "all"])?;
        let before = match params.text("cursor") {
            Some(cursor) => Some(parse_quarantine_cursor(cursor).ok_or_else(|| not_ours("cursor"))?),
            None => None,
        };
        Ok(Self { before, limit: limit(&params)?, all: params.flag("all")? })
    }
}

/// A page of quarantined items, newest first, their bytes cut to a preview. Blocks.
///
/// # Errors
/// What the store says.
pub fn quarantine(store: &dyn Store, request: QuarantineRequest) -> Result<Page<QuarantineView>, StoreError> {
    let QuarantineRequest { mut before, limit, all } = request;
    let mut data: Vec<QuarantineView> = Vec::new();
    // An item may be as large as a body, so whole items are held a few at a time.
    let mut step = 4;
    let mut more = true;
    while more && data.len() <= limit {
        let wanted = step.min(limit + 1 - data.len());
        let items = store.quarantine(before, wanted, all)?;
        more = items.len() == wanted;
        before = items.last().map(|item| item.id).or(before);
        let bytes: usize = items.iter().map(|item| item.bytes.len()).sum();
        step = if bytes < 1 << 20 { (step * 2).min(256) } else { 4 };
        data.extend(items.into_iter().map(|item| QuarantineView::preview(item, PREVIEW_BYTES)));
    }
    let next_cursor = (data.len() > limit).then(|| {
        data.truncate(limit);
        data.last().map(|item| quarantine_cursor(item.number()))
    });
    Ok(Page { data, next_cursor: next_cursor.flatten() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EventKey;

    #[test]
    fn a_request_is_read_with_its_defaults() {
        let EventsRequest(query) = EventsRequest::parse("").expect("an empty query");
        assert_eq!((query.limit, query.order, query.after), (LIMIT_DEFAULT, Order::Desc, None));
        let EventsRequest(query) = EventsRequest::parse(
            "event=SYNC_END&level=SEVERE&family=rest_api&validation=unknown_event&source=code42&limit=7&order=asc",
        )
        .expect("good");
        assert_eq!(query.filter.event.as_deref(), Some("sync_end"));
        assert_eq!(query.filter.validation, Some(Status::UnknownEvent));
        assert_eq!((query.limit, query.order), (7, Order::Asc));
    }

    #[test]
    fn a_cursor_keeps_its_order() {
        let key = EventKey { created_us: 5, hash: 6 };
        let cursor = event_cursor(Order::Asc, key);
        let EventsRequest(query) = EventsRequest::parse(&format!("cursor={cursor}")).expect("good");
        assert_eq!((query.order, query.after), (Order::Asc, Some(key)));
        let error = EventsRequest::parse(&format!("cursor={cursor}&order=desc")).expect_err("another order");
        assert_eq!(error.name, "order");
        for query in ["cursor=x", "level=severe", "family=FOO", "order=up", "validation=ok", "source=x"] {
            let error = EventsRequest::parse(query).expect_err(query);
            assert_eq!(Some(error.name.as_str()), query.split('=').next(), "{query}");
        }
        let error = EventsRequest::parse("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z").expect_err("backwards");
        assert_eq!(error.name, "from");
    }

    #[test]
    fn the_stream_takes_filters_but_no_pages() {
        assert_eq!(StreamRequest::parse("limit=1", None).map_err(|e| e.name), Err("limit".into()));
        assert_eq!(StreamRequest::parse("", Some("x")).map_err(|e| e.name), Err("Last-Event-ID".into()));
        let request = StreamRequest::parse("last_event_id=1.2&event=a", Some("3.4")).expect("good");
        assert_eq!(request.resume, Some(TailCursor { commit: 3, seen: 4 }));
    }
}
