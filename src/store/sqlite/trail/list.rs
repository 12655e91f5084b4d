//! Pages of records in the order of their numbers.
//!
//! In: a filter, an order, a number to go on behind. Out: the records that fit, read along the narrowest index. Every index ends in
//! number and time, so that neither order nor period costs a look at records that are not wanted. A filter that fits few gives
//! up its turn after a bounded time with what it has found.

use super::{edge, number};
use crate::{
    audit::{Entry, Log, tree::NodeId},
    model::{EventKey, Fine, Micros, Timestamp},
    store::{
        Order, PAGE_BYTES_MAX, StoreError, TextSearch,
        sqlite::reader::ReadError,
        trail::{Record, RecordFilter, RecordPage, RecordQuery},
    },
};
use rusqlite::{Connection, Row, ToSql, params};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Longest search for a page.
const TURN: Duration = Duration::from_millis(1500);
/// Longest search for whether anything follows a full page.
const LOOK_AHEAD: Duration = Duration::from_millis(50);

/// Records of one stretch of the indexes that have them; as `seq >> 16` there.
const STRETCH_BITS: u32 = 16;
/// Places that are read at a time.
const CHUNK: usize = 256;

/// Places of records along an index, from number ?2 to number ?3; ?4: of which stretch, ?5: of what.
macro_rules! places {
    ($index:literal, $and:literal, $order:literal) => {
        concat!(
            "SELECT rowid, seq, at FROM audit INDEXED BY ",
            $index,
            " WHERE log = ?1 AND seq BETWEEN ?2 AND ?3",
            $and,
            " ORDER BY seq",
            $order,
            " LIMIT 256"
        )
    };
    ($index:literal, $and:literal) => {
        [places!($index, $and, ""), places!($index, $and, " DESC")]
    };
}

const ALL: [&str; 2] = places!("audit_seq", "");
const ACTOR: [&str; 2] = places!("audit_actor", " AND seq >> 16 = ?4 AND actor = ?5");
const EVENT: [&str; 2] = places!("audit_event", " AND seq >> 16 = ?4 AND event = ?5");
const PRIMARY: [&str; 2] = places!("audit_primary", " AND seq >> 16 = ?4 AND pid = ?5");
const SECONDARY: [&str; 2] = places!("audit_secondary", " AND seq >> 16 = ?4 AND sid = ?5");
const ONE: &str = "SELECT rowid, seq, at FROM audit
    WHERE event_created = ?4 AND event_hash = ?5 AND log = ?1 AND seq BETWEEN ?2 AND ?3";
const RECORD: &str = "SELECT actor, method, action, use_case, event, ptype, pid, stype, sid, body
    FROM audit WHERE rowid = ?1";

/// A place: row, number, time.
type Place = (i64, i64, Micros);

fn place(row: &Row<'_>) -> rusqlite::Result<Place> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn cell(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// Along which index.
enum Along<'q> {
    All,
    One(EventKey),
    /// By a text, stretch by stretch.
    Text([&'static str; 2], &'q str),
}

/// Which places are looked at.
fn plan(filter: &RecordFilter, log: Log) -> Vec<Along<'_>> {
    match filter {
        RecordFilter { event_id: Some(_), .. } if log == Log::Access => Vec::new(),
        RecordFilter { event_id: Some(id), .. } => vec![Along::One(id.0)],
        RecordFilter { resource_id: Some(id), .. } => vec![Along::Text(PRIMARY, id), Along::Text(SECONDARY, id)],
        RecordFilter { actor: Some(actor), .. } => vec![Along::Text(ACTOR, actor)],
        RecordFilter { event: Some(event), .. } => vec![Along::Text(EVENT, event)],
        _ => vec![Along::All],
    }
}

/// Places in the asked order, a few at a time.
struct Places<'q> {
    db: &'q Connection,
    log: i64,
    order: Order,
    along: Along<'q>,
    /// What is left: from this number to that one.
    low: i64,
    high: i64,
    read: VecDeque<Place>,
}

impl Places<'_> {
    /// The next one, which stays until it is taken.
    fn head(&mut self) -> rusqlite::Result<Option<Place>> {
        while self.read.is_empty() && self.low <= self.high {
            self.refill()?;
        }
        Ok(self.read.front().copied())
    }

    fn refill(&mut self) -> rusqlite::Result<()> {
        let at = usize::from(self.order == Order::Desc);
        let Self { db, log, low, high, .. } = *self;
        // To the end of the stretch that is next.
        let (stretch, low, high) = match (&self.along, self.order) {
            (Along::All | Along::One(_), _) => (0, low, high),
            (_, Order::Asc) => (low >> STRETCH_BITS, low, high.min(low | ((1 << STRETCH_BITS) - 1))),
            (_, Order::Desc) => (high >> STRETCH_BITS, low.max(high >> STRETCH_BITS << STRETCH_BITS), high),
        };
        let (sql, values): (_, Vec<&dyn ToSql>) = match &self.along {
            Along::All => (ALL[at], vec![&log, &low, &high]),
            Along::One(key) => (ONE, vec![&log, &low, &high, &key.created_us, &key.hash]),
            Along::Text(sql, text) => (sql[at], vec![&log, &low, &high, &stretch, text]),
        };
        let mut statement = db.prepare_cached(sql)?;
        let mut rows = statement.query(&*values)?;
        while let Some(row) = rows.next()? {
            self.read.push_back(place(row)?);
        }
        let whole = self.read.len() < CHUNK;
        let last = self.read.back().map(|place| place.1);
        match (self.order, last.filter(|_| !whole)) {
            (Order::Asc, last) => self.low = last.unwrap_or(high).saturating_add(1),
            (Order::Desc, last) => self.high = last.unwrap_or(low).saturating_sub(1),
        }
        Ok(())
    }
}

/// Reads a page.
pub fn page(db: &Connection, query: &RecordQuery) -> Result<RecordPage, ReadError> {
    let size = edge::size(db, query.log)?;
    let (mut low, mut high) = (1, cell(query.size.map_or(size, |wanted| wanted.min(size))));
    match (query.order, query.after) {
        (_, None) => {}
        (Order::Asc, Some(after)) => low = cell(after).saturating_add(1),
        (Order::Desc, Some(after)) => high = high.min(cell(after).saturating_sub(1)),
    }
    if query.limit == 0 {
        return Ok(RecordPage { records: Vec::new(), next: None });
    }
    let (log, order) = (number(query.log), query.order);
    let along = plan(&query.filter, query.log).into_iter();
    let streams = along.map(|along| Places { db, log, order, along, low, high, read: VecDeque::new() });
    collect(db, query, &mut streams.collect::<Vec<_>>())
}

/// Merges places of several indexes, each in the asked order, and keeps what fits.
fn collect(db: &Connection, query: &RecordQuery, streams: &mut [Places<'_>]) -> Result<RecordPage, ReadError> {
    let mut matcher = Matcher::new(db, query)?;
    let (mut records, mut bytes) = (Vec::<Record>::new(), 0);
    let mut until = Instant::now() + TURN;
    let mut last: Option<i64> = None;
    for scanned in 0_u64.. {
        let mut first: Option<(Place, usize)> = None;
        for (at, stream) in streams.iter_mut().enumerate() {
            let Some(place) = stream.head()? else { continue };
            let before = first.is_none_or(|(known, _)| match query.order {
                Order::Asc => place.1 < known.1,
                Order::Desc => place.1 > known.1,
            });
            if before {
                first = Some((place, at));
            }
        }
        let Some((place, at)) = first else { break };
        if scanned % 16 == 15 && last.is_some() && Instant::now() > until {
            return Ok(RecordPage { records, next: last.map(|last| last as u64) });
        }
        // A record that names one resource twice comes by both indexes.
        if last != Some(place.1)
            && let Some(record) = matcher.record(place)?
        {
            bytes += record.body.as_ref().map_or(0, String::len);
            if records.len() == query.limit || bytes > PAGE_BYTES_MAX && !records.is_empty() {
                return Ok(RecordPage { records, next: last.map(|last| last as u64) });
            }
            records.push(record);
            if records.len() == query.limit {
                until = until.min(Instant::now() + LOOK_AHEAD);
            }
        }
        last = Some(place.1);
        streams[at].read.pop_front();
    }
    Ok(RecordPage { records, next: None })
}

/// Compares records with a filter, the cheap parts first.
struct Matcher<'q> {
    db: &'q Connection,
    log: Log,
    filter: &'q RecordFilter,
    text: Option<TextSearch>,
    /// Whether a record without its columns, as retention leaves it, may fit.
    any: bool,
}

impl<'q> Matcher<'q> {
    fn new(db: &'q Connection, query: &'q RecordQuery) -> Result<Self, ReadError> {
        let filter = &query.filter;
        let text = filter.q.as_deref().filter(|text| !text.is_empty()).map(TextSearch::new).transpose()?;
        let any = text.is_none()
            && RecordFilter { q: None, from: None, to: None, fine: Fine::default(), ..filter.clone() }
                == RecordFilter::default();
        Ok(Self { db, log: query.log, filter, text, any })
    }

    /// The record of a place, when it fits.
    fn record(&mut self, (rowid, seq, at): Place) -> Result<Option<Record>, ReadError> {
        if self.filter.from.is_some_and(|from| at < from) || self.filter.to.is_some_and(|to| at >= to) {
            return Ok(None);
        }
        let mut statement = self.db.prepare_cached(RECORD)?;
        let mut rows = statement.query([rowid])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        if !self.any && !self.columns_fit(row)? {
            return Ok(None);
        }
        let body: Option<String> = row.get(9)?;
        if !body.as_deref().is_none_or(|body| self.is_in_time(at, body)) {
            return Ok(None);
        }
        if self.text.as_ref().is_some_and(|text| body.as_deref().is_none_or(|body| !text.is_in(body))) {
            return Ok(None);
        }
        let leaf = edge::stored(self.db, self.log, NodeId { level: 0, index: seq as u64 - 1 })?
            .ok_or_else(|| StoreError::Damaged(format!("leaf of record {seq} of the {} log", self.log.as_str())))?;
        Ok(Some(Record { seq: seq as u64, at, body, leaf, twins: self.twins(seq)? }))
    }

    /// Whether a record of a microsecond at the edge of the period is in it. What cannot be read is shown.
    fn is_in_time(&self, at: Micros, body: &str) -> bool {
        let RecordFilter { from, to, fine, .. } = self.filter;
        let (from, to, fine) = (*from, *to, *fine);
        if fine == Fine::default() || from != Some(at) && to != at.checked_add(1) {
            return true;
        }
        let exact = Entry::parse(body).ok().and_then(|entry| Timestamp::parse_calendar(&entry.at).ok());
        exact.is_none_or(|exact| fine.holds(from, to, exact))
    }

    fn columns_fit(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        let text = |at: usize| -> rusqlite::Result<Option<&str>> { Ok(row.get_ref(at)?.as_str_or_null()?) };
        let is = |at: usize, wanted: &Option<String>| -> rusqlite::Result<bool> {
            Ok(match wanted {
                Some(wanted) => text(at)? == Some(wanted),
                None => true,
            })
        };
        let RecordFilter { actor, action, event, use_case, method, resource_type, resource_id, .. } = self.filter;
        let resource =
            |kind: usize, id: usize| Ok::<_, rusqlite::Error>(is(kind, resource_type)? && is(id, resource_id)?);
        Ok(is(0, actor)?
            && is(1, method)?
            && is(2, action)?
            && is(3, use_case)?
            && is(4, event)?
            && (resource(5, 6)? || resource(7, 8)?))
    }

    fn twins(&self, seq: i64) -> rusqlite::Result<Vec<u64>> {
        if self.log == Log::Access {
            return Ok(Vec::new());
        }
        self.db
            .prepare_cached("SELECT twin FROM audit_twin WHERE seq = ?1 ORDER BY twin")?
            .query_map(params![seq], |row| row.get::<_, i64>(0).map(|twin| twin as u64))?
            .collect()
    }
}

/// What SQLite must make of each question, for the tests.
#[cfg(test)]
pub const SQL_AND_PLAN: &[(&str, &str)] = &[
    (ALL[0], "SEARCH audit USING COVERING INDEX audit_seq (log=? AND seq>? AND seq<?)"),
    (ALL[1], "SEARCH audit USING COVERING INDEX audit_seq (log=? AND seq>? AND seq<?)"),
    (ACTOR[0], "SEARCH audit USING COVERING INDEX audit_actor (log=? AND <expr>=? AND actor=? AND seq>? AND seq<?)"),
    (ACTOR[1], "SEARCH audit USING COVERING INDEX audit_actor (log=? AND <expr>=? AND actor=? AND seq>? AND seq<?)"),
    (EVENT[0], "SEARCH audit USING COVERING INDEX audit_event (log=? AND <expr>=? AND event=? AND seq>? AND seq<?)"),
    (EVENT[1], "SEARCH audit USING COVERING INDEX audit_event (log=? AND <expr>=? AND event=? AND seq>? AND seq<?)"),
    (PRIMARY[0], "SEARCH audit USING COVERING INDEX audit_primary (log=? AND <expr>=? AND pid=? AND seq>? AND seq<?)"),
    (PRIMARY[1], "SEARCH audit USING COVERING INDEX audit_primary (log=? AND <expr>=? AND pid=? AND seq>? AND seq<?)"),
    (
        SECONDARY[0],
        "SEARCH audit USING COVERING INDEX audit_secondary (log=? AND <expr>=? AND sid=? AND seq>? AND seq<?)",
    ),
    (
        SECONDARY[1],
        "SEARCH audit USING COVERING INDEX audit_secondary (log=? AND <expr>=? AND sid=? AND seq>? AND seq<?)",
    ),
    (ONE, "SEARCH audit USING INDEX audit_once (event_created=? AND event_hash=?)"),
];
