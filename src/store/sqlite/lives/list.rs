//! Lists over all connections: how they stand, their incidents, transformation runs, totals.
//!
//! In: a snapshot and a query. Out: pages. What connections are filtered and sorted by stands in columns; only the page's own
//! summaries are parsed. A connection with late events is told as it stood before them.

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
        LifeSort::Id => ("(connection_id, source)".to_owned(), "(?7, ?8)", String::new()),
        _ => (format!("({value}, connection_id, source)"), "(?6, ?7, ?8)", format!("{value} {direction}, ")),
    };
    let after = if after { format!(" AND {place} {sign} {bound}") } else { String::new() };
    format!(
        "SELECT conn, connection_id, source, {value}, name FROM life WHERE conn <> 0 AND status IS NOT NULL
         AND (?1 IS NULL OR status = ?1) AND (?2 IS NULL OR health = ?2) AND (?3 IS NULL OR source = ?3)
         AND (?4 IS NULL OR type = ?4) AND (?5 IS NULL OR destination = ?5){after}
         ORDER BY {sorted}connection_id {direction}, source {direction}"
    )
}

/// A page of connections.
pub fn connections(db: &Connection, query: &LifeQuery) -> Result<LifePage, ReadError> {
    let filter = &query.filter;
    let sql = connections_sql(query.sort, query.order, query.after.is_some());
    let mut statement = db.prepare_cached(&sql)?;
    let mut values: Vec<Box<dyn ToSql + '_>> = vec![
        Box::new(filter.status.map(|it| it.as_str())),
        Box::new(filter.health.map(|it| it.as_str())),
        Box::new(filter.source.map(Source::as_str)),
        Box::new(&filter.connector_type),
        Box::new(&filter.destination),
    ];
    if let Some(after) = &query.after {
        values.push(Box::new(&after.value));
        values.push(Box::new(&after.connection_id));
        values.push(Box::new(after.source.as_str()));
    }
    let wanted = filter.q.as_deref().filter(|q| !q.is_empty()).map(str::to_lowercase);
    let mut rows = statement.query(rusqlite::params_from_iter(values))?;
    let mut found: Vec<(i64, LifeCursor)> = Vec::new();
    let mut more = false;
    while let Some(row) = rows.next()? {
        if let Some(wanted) = &wanted
            && !is_in(row, 1, wanted)?
            && !is_in(row, 4, wanted)?
        {
            continue;
        }
        if found.len() == query.limit {
            more = true;
            break;
        }
        found.push((row.get(0)?, cursor(row, query.sort)?));
    }
    let mut connections = Vec::with_capacity(found.len());
    for (conn, place) in &found {
        let json: Option<String> =
            db.prepare_cached("SELECT summary FROM life WHERE conn = ?1")?.query_row([conn], |row| row.get(0))?;
        connections.push(parse(&json.unwrap_or_default(), &place.connection_id)?);
    }
    let next = found.pop().filter(|_| more).map(|(_, place)| place);
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

const OPEN: &str = "SELECT at, hash, resolved, failures, body, connection_id, name
    FROM incident INDEXED BY incident_open JOIN life USING (conn)
    WHERE resolved IS NULL AND (at, hash) < (?1, ?2) ORDER BY at DESC, hash DESC LIMIT ?3";
const ANY: &str = "SELECT at, hash, resolved, failures, body, connection_id, name
    FROM incident INDEXED BY incident_time JOIN life USING (conn)
    WHERE (at, hash) < (?1, ?2) AND (resolved IS NULL OR resolved >= ?4) AND (?5 = 0 OR resolved IS NOT NULL)
    ORDER BY at DESC, hash DESC LIMIT ?3";

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
    let mut statement = db.prepare_cached(if query.open == Some(true) { OPEN } else { ANY })?;
    let mut rows = if query.open == Some(true) {
        statement.query(params![before.created_us, before.hash, limit])?
    } else {
        statement.query(params![before.created_us, before.hash, limit, from, query.open.is_some()])?
    };
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let incident = rows::incident(row)?;
        found.push(IncidentRow { connection_id: row.get(5)?, connection_name: row.get(6)?, incident });
    }
    Ok(found)
}

const RUNS: &str = "SELECT at, hash, job, status, body, conn, settled FROM run INDEXED BY run_time
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
        let (conn, settled): (i64, Micros) = (row.get(5)?, row.get(6)?);
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
const OPEN_WITHIN: &str = "SELECT at, resolved FROM incident
    WHERE conn = ?1 AND at < ?3 AND (resolved IS NULL OR resolved >= ?2) ORDER BY at, hash";

/// Every connection over a window.
pub fn totals(db: &Connection, from: Micros, to: Micros) -> Result<Vec<Totals>, ReadError> {
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
        let summary = parse(row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?, &connection_id)?;
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
        let incidents = db
            .prepare_cached(OPEN_WITHIN)?
            .query_map([conn, from, to], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
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
