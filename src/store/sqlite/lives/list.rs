//! Lists over all connections: how they stand, their incidents, transformation runs, totals.
//!
//! In: a snapshot and a query. Out: pages. What connections are filtered and sorted by stands in columns; only the page's own
//! summaries are parsed. A connection with late events is told as it stood before them, one with events that lie ahead of now as its
//! own answers tell it.

use super::{
    read::{self, Reading},
    rows::{self, DAY_US},
};
use crate::{
    lifecycle::{Day, Run, Summary},
    model::{EventKey, Micros, Source},
    store::{
        Order, StoreError,
        lives::{IncidentQuery, IncidentRow, LifeCursor, LifePage, LifeQuery, LifeSort, RunQuery, SortValue, Totals},
        sqlite::{names::Names, reader::ReadError},
    },
};
use rusqlite::{Connection, Row, ToSql, params, types::ToSqlOutput};

/// A kept summary.
pub fn parse(json: &str, connection_id: &str) -> Result<Summary, ReadError> {
    let mut summary: Summary = serde_json::from_str(json)
        .map_err(|_| StoreError::Damaged(format!("summary of connection {connection_id:?}")))?;
    connection_id.clone_into(&mut summary.connection_id);
    Ok(summary)
}

impl ToSql for SortValue {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Number(number) => number.to_sql(),
            Self::Text(text) => text.to_sql(),
        }
    }
}

const fn column(sort: LifeSort) -> &'static str {
    match sort {
        LifeSort::Id => "connection_id",
        LifeSort::Name => "ifnull(name, '')",
        LifeSort::Status => "rank",
        LifeSort::LastSuccess => "ifnull(last_success, -9223372036854775808)",
        LifeSort::LastEvent => "ifnull(last_event, -9223372036854775808)",
    }
}

/// The question for a list; few different ones.
fn connections_sql(sort: LifeSort, order: Order, after: bool) -> String {
    let (direction, sign) = match order {
        Order::Asc => ("ASC", ">"),
        Order::Desc => ("DESC", "<"),
    };
    let value = column(sort);
    // The first column twice would keep the index from being used.
    let (place, bound, sorted) = match sort {
        LifeSort::Id => ("(connection_id, source)".to_owned(), "(?8, ?9)", String::new()),
        _ => (format!("({value}, connection_id, source)"), "(?7, ?8, ?9)", format!("{value} {direction}, ")),
    };
    let after = if after { format!(" AND {place} {sign} {bound}") } else { String::new() };
    format!(
        "SELECT conn, connection_id, source, {value}, name, last_event > ?6
         FROM life WHERE conn <> 0 AND status IS NOT NULL AND (?1 IS NULL OR status = ?1 OR last_event > ?6)
         AND (?2 IS NULL OR health = ?2 OR last_event > ?6) AND (?3 IS NULL OR source = ?3)
         AND (?4 IS NULL OR type = ?4) AND (?5 IS NULL OR destination = ?5){after}
         ORDER BY {sorted}connection_id {direction}, source {direction}"
    )
}

/// A page of connections.
pub fn connections(db: &Connection, names: &Names, query: &LifeQuery) -> Result<LifePage, ReadError> {
    let horizon = read::horizon();
    let filter = &query.filter;
    let sql = connections_sql(query.sort, query.order, query.after.is_some());
    let mut statement = db.prepare_cached(&sql)?;
    let mut values: Vec<Box<dyn ToSql + '_>> = vec![
        Box::new(filter.status.map(|it| it.as_str())),
        Box::new(filter.health.map(|it| it.as_str())),
        Box::new(filter.source.map(Source::as_str)),
        Box::new(&filter.connector_type),
        Box::new(&filter.destination),
        Box::new(horizon),
    ];
    if let Some(after) = &query.after {
        values.push(Box::new(&after.value));
        values.push(Box::new(&after.connection_id));
        values.push(Box::new(after.source.as_str()));
    }
    let wanted = filter.q.as_deref().filter(|q| !q.is_empty()).map(str::to_lowercase);
    let mut rows = statement.query(rusqlite::params_from_iter(values))?;
    let mut found: Vec<(i64, LifeCursor, Option<Summary>)> = Vec::new();
    let mut more = false;
    while let Some(row) = rows.next()? {
        if let Some(wanted) = &wanted
            && !is_in(row, 1, wanted)?
            && !is_in(row, 4, wanted)?
        {
            continue;
        }
        let (conn, place) = (row.get(0)?, cursor(row, query.sort)?);
        let mut present = None;
        if row.get(5)? {
            let summary = Reading::now(db, names, conn, horizon)?.and_then(|it| it.summary(&place.connection_id));
            let fits = |it: &Summary| {
                filter.status.is_none_or(|wanted| it.status == wanted)
                    && filter.health.is_none_or(|wanted| it.health == wanted)
            };
            if !summary.as_ref().is_some_and(fits) {
                continue;
            }
            present = summary;
        }
        if found.len() == query.limit {
            more = true;
            break;
        }
        found.push((conn, place, present));
    }
    let mut connections = Vec::with_capacity(found.len());
    for (conn, place, present) in &mut found {
        if let Some(summary) = present.take() {
            connections.push(summary);
            continue;
        }
        let json: Option<String> =
            db.prepare_cached("SELECT summary FROM life WHERE conn = ?1")?.query_row([&*conn], |row| row.get(0))?;
        connections.push(parse(&json.unwrap_or_default(), &place.connection_id)?);
    }
    let next = found.pop().filter(|_| more).map(|(_, place, _)| place);
    Ok(LifePage { connections, next })
}

fn is_in(row: &Row<'_>, column: usize, wanted: &str) -> rusqlite::Result<bool> {
    let text = row.get_ref(column)?.as_str_or_null().map_err(rusqlite::Error::from)?;
    Ok(text.is_some_and(|text| text.to_lowercase().contains(wanted)))
}

fn source(row: &Row<'_>, column: usize) -> Result<Source, ReadError> {
    let text = row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?;
    let known = Source::ALL.into_iter().find(|known| known.as_str() == text);
    Ok(known.ok_or_else(|| StoreError::Damaged("source of a connection".into()))?)
}

fn cursor(row: &Row<'_>, sort: LifeSort) -> Result<LifeCursor, ReadError> {
    let value = match sort {
        LifeSort::Id | LifeSort::Name => SortValue::Text(row.get(3)?),
        LifeSort::Status | LifeSort::LastSuccess | LifeSort::LastEvent => SortValue::Number(row.get(3)?),
    };
    Ok(LifeCursor { value, connection_id: row.get(1)?, source: source(row, 2)? })
}

const OPEN: &str = "SELECT at, hash, resolved, failures, body, packed, connection_id, name
    FROM incident INDEXED BY incident_open JOIN life USING (conn)
    WHERE resolved IS NULL AND (at, hash) < (?1, ?2) AND ifnull(last_event, 0) <= ?4
    ORDER BY at DESC, hash DESC LIMIT ?3";
const ANY: &str = "SELECT at, hash, resolved, failures, body, packed, connection_id, name
    FROM incident INDEXED BY incident_time JOIN life USING (conn)
    WHERE (at, hash) < (?1, ?2) AND ifnull(last_event, 0) <= ?4
    AND (resolved IS NULL OR resolved >= ?5) AND (?6 = 0 OR resolved IS NOT NULL)
    ORDER BY at DESC, hash DESC LIMIT ?3";
/// Connections with events that lie ahead; few or none.
const AHEAD: &str = "SELECT conn, connection_id FROM life WHERE conn <> 0 AND last_event > ?1";

/// Incidents of one connection or of all, newest first.
pub fn incidents(db: &Connection, names: &Names, query: &IncidentQuery) -> Result<Vec<IncidentRow>, ReadError> {
    let end = EventKey { created_us: query.to.unwrap_or(i64::MAX), hash: i64::MIN };
    let before = query.before.map_or(end, |before| before.min(end));
    let from = query.from.unwrap_or(i64::MIN);
    if let Some(connection_id) = &query.connection_id {
        let Some((reading, summary)) = read::of_id(db, names, connection_id.as_str().into(), None)? else {
            return Ok(Vec::new());
        };
        let found = reading.incidents(db, from, before, query.open, query.limit)?;
        let row = |incident| IncidentRow {
            connection_id: connection_id.clone(),
            connection_name: summary.connection_name.clone(),
            incident,
        };
        return Ok(found.into_iter().map(row).collect());
    }
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
    let horizon = read::horizon();
    let mut statement = db.prepare_cached(if query.open == Some(true) { OPEN } else { ANY })?;
    let mut rows = if query.open == Some(true) {
        statement.query(params![before.created_us, before.hash, limit, horizon])?
    } else {
        statement.query(params![before.created_us, before.hash, limit, horizon, from, query.open.is_some()])?
    };
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let incident = rows::incident(row)?;
        found.push(IncidentRow { connection_id: row.get(6)?, connection_name: row.get(7)?, incident });
    }
    let mut statement = db.prepare_cached(AHEAD)?;
    let mut rows = statement.query([horizon])?;
    while let Some(row) = rows.next()? {
        let connection_id: String = row.get(1)?;
        let Some(reading) = Reading::now(db, names, row.get(0)?, horizon)? else { continue };
        let connection_name = reading.summary(&connection_id).and_then(|it| it.connection_name);
        for incident in reading.incidents(db, from, before, query.open, query.limit)? {
            let (connection_id, connection_name) = (connection_id.clone(), connection_name.clone());
            found.push(IncidentRow { connection_id, connection_name, incident });
        }
    }
    found.sort_by_key(|row| std::cmp::Reverse(row.incident.anchor));
    found.truncate(query.limit);
    Ok(found)
}

const RUNS: &str = "SELECT at, hash, job, status, body, packed, conn, settled FROM run INDEXED BY run_time
    WHERE (at, hash) < (?1, ?2) AND at >= ?3 AND (?4 IS NULL OR job = ?4) AND (?5 IS NULL OR status = ?5)
    ORDER BY at DESC, hash DESC";

/// Transformation runs, newest first.
pub fn runs(db: &Connection, names: &Names, query: &RunQuery) -> Result<Vec<Run>, ReadError> {
    let end = EventKey { created_us: query.to.unwrap_or(i64::MAX), hash: i64::MIN };
    let before = query.before.map_or(end, |before| before.min(end));
    let from = query.from.unwrap_or(i64::MIN);
    // Runs belong to the account; those that name a connection are few and told as they were given out.
    let account = Reading::of(db, names, 0, None)?;
    let mut found: Vec<Run> = Vec::new();
    let (mut known, mut believed) = (std::collections::HashSet::new(), None);
    if let Some(account) = &account {
        let (fresh, at) = account.runs();
        believed = at;
        for run in fresh {
            known.insert(run.anchor);
            let fits = run.anchor < before
                && run.anchor.created_us >= from
                && query.job.as_ref().is_none_or(|job| run.job == *job)
                && query.status.as_ref().is_none_or(|status| run.status == status);
            if fits {
                found.push(run.clone());
            }
        }
    }
    let mut statement = db.prepare_cached(RUNS)?;
    let mut rows = statement.query(params![before.created_us, before.hash, from, query.job, query.status])?;
    let mut taken = 0;
    while taken < query.limit
        && let Some(row) = rows.next()?
    {
        let (conn, settled): (i64, Micros) = (row.get(6)?, row.get(7)?);
        let run = rows::run(row)?;
        if conn == 0 && (known.contains(&run.anchor) || believed.is_none_or(|at| settled > at)) {
            continue;
        }
        found.push(run);
        taken += 1;
    }
    found.sort_unstable_by_key(|run| std::cmp::Reverse(run.anchor));
    found.truncate(query.limit);
    Ok(found)
}

const DAYS: &str = "SELECT min(day), sum(api_calls), sum(rows_modified), sum(schema_changes), sum(events), sum(errors),
    sum(warnings), sum(syncs), sum(successful), sum(failed), sum(rescheduled), sum(canceled), sum(sync_ms)
    FROM day WHERE conn = ?1 AND day >= ?2 AND day < ?3 HAVING count(*) > 0";
const BACKWARDS: &str = "SELECT at, resolved FROM incident WHERE conn = ?1 AND at < ?2 ORDER BY at DESC, hash DESC";

/// When incidents of a connection began and ended that were open within a window. One follows the other, so that nothing is open
/// before one that ended before the window.
fn open_within(
    db: &Connection,
    conn: i64,
    from: Micros,
    to: Micros,
) -> rusqlite::Result<Vec<(Micros, Option<Micros>)>> {
    let mut statement = db.prepare_cached(BACKWARDS)?;
    let rows = statement.query_map([conn, to], |row| Ok((row.get(0)?, row.get::<_, Option<Micros>>(1)?)))?;
    let is_within =
        |row: &rusqlite::Result<(Micros, Option<Micros>)>| !matches!(row, Ok((_, Some(resolved))) if *resolved < from);
    let mut found = rows.take_while(is_within).collect::<Result<Vec<_>, _>>()?;
    found.reverse();
    Ok(found)
}

/// Every connection over a window.
pub fn totals(db: &Connection, names: &Names, from: Micros, to: Micros) -> Result<Vec<Totals>, ReadError> {
    let horizon = read::horizon();
    // Days that the window touches.
    let (first, end) = (from.div_euclid(DAY_US), to.saturating_sub(1).div_euclid(DAY_US).saturating_add(1));
    let mut statement = db.prepare_cached(
        "SELECT conn, connection_id, summary FROM life WHERE conn <> 0 AND summary IS NOT NULL
         ORDER BY connection_id, source",
    )?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (conn, connection_id): (i64, String) = (row.get(0)?, row.get(1)?);
        let mut summary = parse(row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?, &connection_id)?;
        let mut present = None;
        if summary.last_event_us > Some(horizon) {
            present = Reading::now(db, names, conn, horizon)?;
            summary = present.as_ref().and_then(|it| it.summary(&connection_id)).unwrap_or(summary);
        }
        let newest = summary.day;
        let mut days = Day { day: first, ..Day::default() };
        let mut statement = db.prepare_cached(DAYS)?;
        let mut sums = statement.query([conn, first, end.min(newest.day)])?;
        if let Some(row) = sums.next()? {
            add(&mut days, &rows::day(row)?);
        }
        if (first..end).contains(&newest.day) {
            add(&mut days, &newest);
        }
        let incidents = match present {
            Some(reading) => {
                let before = EventKey { created_us: to, hash: i64::MIN };
                let found = reading.incidents(db, from, before, None, usize::MAX)?;
                found.into_iter().rev().map(|it| (it.anchor.created_us, it.resolved_us)).collect()
            }
            None => open_within(db, conn, from, to)?,
        };
        found.push(Totals { summary, days, incidents });
    }
    Ok(found)
}

fn add(sum: &mut Day, day: &Day) {
    let Day { day: _, api_calls, rows_modified, schema_changes, events, errors, warnings, syncs, sync_ms } = *day;
    sum.api_calls += api_calls;
    sum.rows_modified += rows_modified;
    sum.schema_changes += schema_changes;
    sum.events += events;
    sum.errors += errors;
    sum.warnings += warnings;
    sum.syncs += syncs;
    sum.sync_ms += sync_ms;
}
