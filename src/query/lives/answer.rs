//! Answers: the store's rows in the public form.
//!
//! In: requests, the moment of asking. Out: bodies of answers. A page ends early when what it holds is large
//! ([`PAGE_BYTES_MAX`], stages: [`STAGES_BYTES_MAX`]); its cursor then leads on.

use super::{
    super::diagnosis::{Diagnoser, Events},
    Answer, ConnectionRequest, ConnectionsRequest, IncidentsRequest, RunsRequest, StagesRequest, TimelineRequest,
    cursor::{List, anchor_cursor, life_cursor, stage_cursor},
    is_nobody,
    json::{Object, page},
};
use crate::{
    lifecycle::{Stage, StageKind, Summary, time_text},
    model::{EventId, EventKey, Micros, StoredEvent},
    store::{
        Lives, Order, PAGE_BYTES_MAX, StoreError,
        lives::{IncidentQuery, LifeFilter, LifeQuery, LifeSort, RunQuery, TimelinePage, TimelineQuery, Whose},
    },
};
use serde::Serialize;

/// Stages that are read before it is known how large they are. A sync of ten thousand tables has a megabyte and more.
const STAGES_FIRST: usize = 128;

/// Most bytes of stages in one answer, unless the first few have more. Ten thousand ordinary syncs have less.
const STAGES_BYTES_MAX: usize = 48 << 20;

/// What there is nothing of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// Nothing was ever heard of this connection.
    #[error("no connection has this id; GET /v1/connections?q=TEXT looks for a part of an id or a name")]
    Connection,
    /// The connection began later.
    #[error("nothing had been heard of this connection by then; its first event was at {0}")]
    NotYet(String),
    /// The connection has no such sync.
    #[error("this connection has no sync with this id; GET /v1/connections/ID/syncs lists those that it has")]
    Sync,
}

/// The connections that were heard of last, at most so many.
///
/// # Errors
/// What the store says.
pub fn newest(lives: &dyn Lives, limit: usize) -> Result<Vec<Summary>, StoreError> {
    // In one piece, so that none is missed that moves up meanwhile.
    let query =
        LifeQuery { filter: LifeFilter::default(), sort: LifeSort::LastEvent, order: Order::Desc, after: None, limit };
    Ok(lives.connections(&query)?.connections)
}

/// A page of connections.
///
/// # Errors
/// What the store says.
pub fn connections(lives: &dyn Lives, diagnoser: &Diagnoser, request: ConnectionsRequest, now: Micros) -> Answer {
    let ConnectionsRequest(query) = request;
    let mut found = lives.connections(&query)?;
    found.connections.iter_mut().for_each(|summary| explain(&events_of(lives), diagnoser, summary));
    let data: Vec<_> = found.connections.iter().map(|summary| summary.view(now)).collect();
    let next = found.next.map(|place| life_cursor(query.sort, query.order, &place));
    Ok(Ok(Object::new().member("data", &data).member("next_cursor", &next).end()))
}

/// The events that stages and incidents name.
fn events_of(lives: &dyn Lives) -> impl Fn(EventId) -> Option<StoredEvent> {
    |id| lives.evidence(id).ok().flatten()
}

/// What the open incident means.
pub fn explain(events: &Events<'_>, diagnoser: &Diagnoser, summary: &mut Summary) {
    if let Some(incident) = &mut summary.open_incident {
        diagnoser.incident_value(events, summary.source, incident);
    }
}

/// One connection.
///
/// # Errors
/// What the store says.
pub fn connection(lives: &dyn Lives, diagnoser: &Diagnoser, request: ConnectionRequest, now: Micros) -> Answer {
    let whose = request.whose();
    let as_of = request.as_of;
    if is_nobody(whose.id) {
        return Ok(Err(Missing::Connection));
    }
    let Some(mut summary) = lives.connection(whose, as_of)? else {
        return missing(lives, whose, as_of).map(Err);
    };
    explain(&events_of(lives), diagnoser, &mut summary);
    Ok(Ok(Object::written(&summary.view(as_of.unwrap_or(now)))))
}

/// Why nothing was found of a connection.
fn missing(lives: &dyn Lives, whose: Whose<'_>, as_of: Option<Micros>) -> Result<Missing, StoreError> {
    if as_of.is_none() {
        return Ok(Missing::Connection);
    }
    let now = lives.connection(whose, None)?;
    Ok(now.and_then(|now| now.first_event_us).map_or(Missing::Connection, |first| Missing::NotYet(time_text(first))))
}

/// An event name that no stage speaks of.
#[derive(Serialize)]
struct Unused<'a> {
    event: &'a str,
    events: u64,
}

/// Reads stages, a few at a time until it is seen how large they are.
fn read_stages(lives: &dyn Lives, query: &TimelineQuery) -> Result<Option<TimelinePage>, StoreError> {
    let mut step = STAGES_FIRST;
    let Some(mut page) = lives.timeline(&TimelineQuery { limit: step.min(query.limit), ..query.clone() })? else {
        return Ok(None);
    };
    let size = |stages: &[Stage]| stages.iter().map(|stage| stage.body.len()).sum::<usize>();
    let mut bytes = size(&page.stages);
    while page.next.is_some() && page.stages.len() < query.limit && bytes < STAGES_BYTES_MAX {
        // As many as fit, if the others are like those.
        let fitting = (STAGES_BYTES_MAX - bytes) / (bytes / page.stages.len().max(1)).max(1);
        step = (step * 4).min(fitting.max(1));
        let limit = step.min(query.limit - page.stages.len());
        let Some(older) = lives.timeline(&TimelineQuery { before: page.next, limit, ..query.clone() })? else {
            break;
        };
        bytes += size(&older.stages);
        page.next = older.next;
        page.stages.extend(older.stages);
    }
    Ok(Some(page))
}

/// A part of a timeline.
///
/// # Errors
/// What the store says.
pub fn timeline(lives: &dyn Lives, diagnoser: &Diagnoser, request: TimelineRequest, now: Micros) -> Answer {
    let TimelineRequest(query) = request;
    if is_nobody(&query.connection_id) {
        return Ok(Err(Missing::Connection));
    }
    let Some(mut found) = read_stages(lives, &query)? else {
        return missing(lives, query.whose(), query.as_of).map(Err);
    };
    explain(&events_of(lives), diagnoser, &mut found.summary);
    let (source, events) = (found.summary.source, events_of(lives));
    let stages: Vec<_> = found.stages.iter().rev().map(|stage| diagnoser.stage(&events, source, stage)).collect();
    let incidents: Vec<_> = found
        .incidents
        .iter()
        .rev()
        .map(|incident| diagnoser.incident(&events, Some(source), &incident.body))
        .collect();
    let at = query.as_of.unwrap_or(now);
    let unused = found.summary.unused.iter().map(|(event, events)| Unused { event, events: *events });
    let body = Object::new()
        .member("connection", &found.summary.view(at))
        .member("as_of", &time_text(at))
        .texts("stages", stages.iter().map(AsRef::as_ref))
        .texts("incidents", incidents.iter().map(AsRef::as_ref))
        .member("unused", &unused.collect::<Vec<_>>())
        .member("next_cursor", &found.next.map(|place| stage_cursor(List::Timeline, place)));
    Ok(Ok(body.end()))
}

fn stages(lives: &dyn Lives, diagnoser: &Diagnoser, query: &TimelineQuery, list: List) -> Answer {
    if is_nobody(&query.connection_id) {
        return Ok(Err(Missing::Connection));
    }
    let Some(found) = read_stages(lives, query)? else {
        return Ok(Err(Missing::Connection));
    };
    let next = found.next.map(|place| stage_cursor(list, place));
    let events = events_of(lives);
    let bodies: Vec<_> =
        found.stages.iter().map(|stage| diagnoser.stage(&events, found.summary.source, stage)).collect();
    Ok(Ok(page(bodies.iter().map(AsRef::as_ref), next.as_deref())))
}

/// A page of syncs.
///
/// # Errors
/// What the store says.
pub fn syncs(lives: &dyn Lives, diagnoser: &Diagnoser, request: StagesRequest) -> Answer {
    stages(lives, diagnoser, &request.0, List::Syncs)
}

/// A page of schema changes.
///
/// # Errors
/// What the store says.
pub fn schema_changes(lives: &dyn Lives, diagnoser: &Diagnoser, request: StagesRequest) -> Answer {
    stages(lives, diagnoser, &request.0, List::SchemaChanges)
}

/// One sync.
///
/// # Errors
/// What the store says.
pub fn sync(lives: &dyn Lives, diagnoser: &Diagnoser, request: &ConnectionRequest, sync_id: &str) -> Answer {
    let whose = request.whose();
    if is_nobody(whose.id) {
        return Ok(Err(Missing::Connection));
    }
    let Some((source, stage)) = lives.sync(whose, sync_id)? else {
        return Ok(Err(Missing::Connection));
    };
    let stage = stage.filter(|stage| stage.kind == StageKind::Sync).ok_or(Missing::Sync);
    Ok(stage.map(|stage| diagnoser.stage(&events_of(lives), source, &stage).into_owned().into_bytes()))
}

/// Takes rows, a few at a time, until a page is full by number or by bytes. Gives the rows and the anchor behind which more follow.
fn gather<T>(
    mut before: Option<EventKey>,
    limit: usize,
    mut fetch: impl FnMut(Option<EventKey>, usize) -> Result<Vec<T>, StoreError>,
    place: impl Fn(&T) -> (EventKey, usize),
) -> Result<(Vec<T>, Option<EventKey>), StoreError> {
    let mut rows: Vec<T> = Vec::new();
    let mut bytes = 0;
    // A row may be a megabyte: the first steps show what the rest will be like.
    let mut step = 16;
    loop {
        let wanted = step.min(limit + 1 - rows.len());
        let found = fetch(before, wanted)?;
        let more = found.len() >= wanted;
        bytes += found.iter().map(|row| place(row).1).sum::<usize>();
        rows.extend(found);
        before = rows.last().map(|row| place(row).0).or(before);
        if rows.len() > limit {
            rows.truncate(limit);
            let last = rows.last().map(|row| place(row).0);
            return Ok((rows, last));
        }
        if !more {
            return Ok((rows, None));
        }
        if bytes >= PAGE_BYTES_MAX {
            return Ok((rows, before));
        }
        step = if bytes < PAGE_BYTES_MAX / 8 { step * 4 } else { 16 };
    }
}

/// A page of incidents.
///
/// # Errors
/// What the store says.
pub fn incidents(lives: &dyn Lives, diagnoser: &Diagnoser, request: IncidentsRequest) -> Answer {
    let IncidentsRequest(query) = request;
    let fetch = |before, limit| lives.incidents(&IncidentQuery { before, limit, ..query.clone() });
    let (rows, next) = gather(query.before, query.limit, fetch, |row| (row.incident.anchor, row.incident.body.len()))?;
    let events = events_of(lives);
    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        let source = diagnoser.source(lives, &row.connection_id)?;
        let item = Object::new()
            .member("connection_id", &row.connection_id)
            .member("connection_name", &row.connection_name)
            .members_of(&diagnoser.incident(&events, source, &row.incident.body));
        items.push(item.text());
    }
    let next = next.map(|key| anchor_cursor(List::Incidents, key));
    Ok(Ok(page(items.iter().map(String::as_str), next.as_deref())))
}

/// A page of transformation runs.
///
/// # Errors
/// What the store says.
pub fn runs(lives: &dyn Lives, request: RunsRequest) -> Answer {
    let RunsRequest(query) = request;
    let fetch = |before, limit| lives.runs(&RunQuery { before, limit, ..query.clone() });
    let (rows, next) = gather(query.before, query.limit, fetch, |run| (run.anchor, run.body.len()))?;
    let next = next.map(|key| anchor_cursor(List::Runs, key));
    Ok(Ok(page(rows.iter().map(|run| run.body.as_str()), next.as_deref())))
}
