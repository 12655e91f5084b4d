//! Pages of records in the order of their numbers.
//!
//! In: a filter, an order, a number to go on behind. Out: the records that fit, read along the narrowest index. Every index ends in
//! number and time, so that neither order nor period costs a look at records that are not wanted. A filter that fits few gives
//! up its turn after a bounded time with what it has found.

use super::{edge, number};
use crate::{
    audit::{Log, tree::NodeId},
    model::Micros,
    store::{
        Order, PAGE_BYTES_MAX, StoreError, TextSearch,
        sqlite::reader::ReadError,
        trail::{Record, RecordFilter, RecordPage, RecordQuery},
    },
};
use rusqlite::{Connection, Row, Rows, ToSql, fallible_streaming_iterator::FallibleStreamingIterator as _, params};
use std::time::{Duration, Instant};

/// Longest search for a page.
const TURN: Duration = Duration::from_millis(1500);
/// Longest search for whether anything follows a full page.
const LOOK_AHEAD: Duration = Duration::from_millis(50);

/// Places of records along an index, from number ?2 to number ?3.
macro_rules! places {
    ($index:literal, $and:literal, $order:literal) => {
        concat!(
            "SELECT rowid, seq, at FROM audit INDEXED BY ",
            $index,
            " WHERE log = ?1 AND seq BETWEEN ?2 AND ?3",
            $and,
            " ORDER BY seq",
            $order
        )
    };
}

const ALL: [&str; 2] = [places!("audit_seq", "", ""), places!("audit_seq", "", " DESC")];
const ACTOR: [&str; 2] =
    [places!("audit_actor", " AND actor = ?4", ""), places!("audit_actor", " AND actor = ?4", " DESC")];
const EVENT: [&str; 2] =
    [places!("audit_event", " AND event = ?4", ""), places!("audit_event", " AND event = ?4", " DESC")];
const PRIMARY: [&str; 2] =
    [places!("audit_primary", " AND pid = ?4", ""), places!("audit_primary", " AND pid = ?4", " DESC")];
const SECONDARY: [&str; 2] =
    [places!("audit_secondary", " AND sid = ?4", ""), places!("audit_secondary", " AND sid = ?4", " DESC")];
const ONE: &str = "SELECT rowid, seq, at FROM audit
    WHERE event_created = ?4 AND event_hash = ?5 AND log = ?1 AND seq BETWEEN ?2 AND ?3";
const RECORD: &str = "SELECT actor, method, action, use_case, event, ptype, pid, stype, sid, body
    FROM audit WHERE rowid = ?1";

/// Which places are looked at.
fn plan<'q>(filter: &'q RecordFilter, log: Log, order: Order) -> Vec<(&'static str, Vec<Box<dyn ToSql + 'q>>)> {
    let at = usize::from(order == Order::Desc);
    let text = |text: &'q String| -> Vec<Box<dyn ToSql + 'q>> { vec![Box::new(text)] };
    match filter {
        RecordFilter { event_id: Some(_), .. } if log == Log::Access => Vec::new(),
        RecordFilter { event_id: Some(id), .. } => vec![(ONE, vec![Box::new(id.0.created_us), Box::new(id.0.hash)])],
        RecordFilter { resource_id: Some(id), .. } => vec![(PRIMARY[at], text(id)), (SECONDARY[at], text(id))],
        RecordFilter { actor: Some(actor), .. } => vec![(ACTOR[at], text(actor))],
        RecordFilter { event: Some(event), .. } => vec![(EVENT[at], text(event))],
        _ => vec![(ALL[at], Vec::new())],
    }
}

/// A place: row, number, time.
type Place = (i64, i64, Micros);

fn place(row: &Row<'_>) -> rusqlite::Result<Place> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn cell(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// Reads a page.
pub fn page(db: &Connection, query: &RecordQuery) -> Result<RecordPage, ReadError> {
    let (mut low, mut high) = (1, query.size.map_or(i64::MAX, cell));
    match (query.order, query.after) {
        (_, None) => {}
        (Order::Asc, Some(after)) => low = cell(after).saturating_add(1),
        (Order::Desc, Some(after)) => high = high.min(cell(after).saturating_sub(1)),
    }
    if query.limit == 0 || low > high {
        return Ok(RecordPage { records: Vec::new(), next: None });
    }
    let log = number(query.log);
    let plan = plan(&query.filter, query.log, query.order);
    let mut statements = plan.iter().map(|(sql, _)| db.prepare_cached(sql)).collect::<Result<Vec<_>, _>>()?;
    let mut streams = Vec::new();
    for (statement, (_, values)) in statements.iter_mut().zip(&plan) {
        let mut all: Vec<&dyn ToSql> = vec![&log, &low, &high];
        all.extend(values.iter().map(|value| &**value));
        streams.push(statement.query(&*all)?);
    }
    collect(db, query, &mut streams)
}

/// Merges streams of places, each in the asked order, and keeps what fits.
fn collect(db: &Connection, query: &RecordQuery, streams: &mut [Rows<'_>]) -> Result<RecordPage, ReadError> {
    let mut matcher = Matcher::new(db, query)?;
    let (mut records, mut bytes) = (Vec::<Record>::new(), 0);
    let mut until = Instant::now() + TURN;
    let mut heads = Vec::with_capacity(streams.len());
    for stream in streams.iter_mut() {
        stream.advance()?;
        heads.push(stream.get().map(place).transpose()?);
    }
    let mut last: Option<i64> = None;
    for scanned in 0_u64.. {
        let known = heads.iter().enumerate().filter_map(|(at, head)| head.map(|head| (head.1, at)));
        let first = match query.order {
            Order::Asc => known.min(),
            Order::Desc => known.max(),
        };
        let Some((seq, at)) = first else { break };
        if scanned % 16 == 15 && last.is_some() && Instant::now() > until {
            return Ok(RecordPage { records, next: last.map(|last| last as u64) });
        }
        // A record that names one resource twice comes by both streams.
        if last != Some(seq)
            && let Some(place) = heads[at]
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
        last = Some(seq);
        streams[at].advance()?;
        heads[at] = streams[at].get().map(place).transpose()?;
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
            && RecordFilter { q: None, from: None, to: None, ..filter.clone() } == RecordFilter::default();
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
        if self.text.as_ref().is_some_and(|text| body.as_deref().is_none_or(|body| !text.is_in(body))) {
            return Ok(None);
        }
        let leaf = edge::stored(self.db, self.log, NodeId { level: 0, index: seq as u64 - 1 })?
            .ok_or_else(|| StoreError::Damaged(format!("leaf of record {seq} of the {} log", self.log.as_str())))?;
        Ok(Some(Record { seq: seq as u64, at, body, leaf, twins: self.twins(seq)? }))
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
    (ACTOR[0], "SEARCH audit USING COVERING INDEX audit_actor (log=? AND actor=? AND seq>? AND seq<?)"),
    (ACTOR[1], "SEARCH audit USING COVERING INDEX audit_actor (log=? AND actor=? AND seq>? AND seq<?)"),
    (EVENT[0], "SEARCH audit USING COVERING INDEX audit_event (log=? AND event=? AND seq>? AND seq<?)"),
    (EVENT[1], "SEARCH audit USING COVERING INDEX audit_event (log=? AND event=? AND seq>? AND seq<?)"),
    (PRIMARY[0], "SEARCH audit USING COVERING INDEX audit_primary (log=? AND pid=? AND seq>? AND seq<?)"),
    (PRIMARY[1], "SEARCH audit USING COVERING INDEX audit_primary (log=? AND pid=? AND seq>? AND seq<?)"),
    (SECONDARY[0], "SEARCH audit USING COVERING INDEX audit_secondary (log=? AND sid=? AND seq>? AND seq<?)"),
    (SECONDARY[1], "SEARCH audit USING COVERING INDEX audit_secondary (log=? AND sid=? AND seq>? AND seq<?)"),
    (ONE, "SEARCH audit USING INDEX audit_once (event_created=? AND event_hash=?)"),
];
