//! `GET /v1/diagnose/unknown`: errors that nobody has explained yet, each new one once.
//!
//! In: warnings and errors of the last days. Out: clusters by template with counts. Bounded: events, clusters and connections that are
//! told apart, and time; the answer says whether everything was seen.

use super::{
    super::{BadParameter, Params, page::limit, render::millis},
    Diagnoser,
};
use crate::{
    diagnose::{Symptom, template},
    model::{DAY_US, EventId, Level, Micros, StoredEvent},
    store::{EventFilter, EventQuery, Order, Store, StoreError},
};
use serde::Serialize;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// Most events that are looked at, of each level.
pub const SCAN_EVENTS_MAX: usize = 20_000;
/// Most clusters that are told apart.
pub const CLUSTERS_MAX: usize = 2_000;
/// Most days that are looked back.
pub const DAYS_MAX: u32 = 90;
/// Days that are looked back when nobody says.
const DAYS: u32 = 30;
/// Most connections of a cluster that are counted.
const CONNECTIONS_MAX: usize = 1_000;
/// Most connections of a cluster that are named.
const CONNECTIONS_SHOWN: usize = 20;
/// Characters of an example that are shown.
const EXAMPLE_CHARS: usize = 500;
/// Events of one read.
const STEP: usize = 500;
/// How long it is looked for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownRequest {
    days: u32,
    limit: usize,
}

impl UnknownRequest {
    /// Reads the query string of `GET /v1/diagnose/unknown`.
    ///
    /// # Errors
    /// The first bad parameter.
    pub fn parse(query: &str) -> Result<Self, BadParameter> {
        let params = Params::parse(query, &["days", "limit"])?;
        Ok(Self { days: params.number("days", 1..=DAYS_MAX)?.unwrap_or(DAYS), limit: limit(&params)? })
    }
}

#[derive(Default)]
struct Cluster {
    count: u64,
    first_us: Micros,
    last_us: Micros,
    example: Option<(EventId, String)>,
    events: BTreeSet<String>,
    sources: BTreeSet<&'static str>,
    connections: BTreeSet<String>,
}

#[derive(Serialize)]
struct Row<'a> {
    template: &'a str,
    count: u64,
    first_seen: String,
    last_seen: String,
    example_event_id: Option<String>,
    example: Option<&'a str>,
    events: &'a BTreeSet<String>,
    sources: &'a BTreeSet<&'static str>,
    connections: Vec<&'a str>,
    connections_total: usize,
}

#[derive(Serialize)]
struct Answer<'a> {
    data: Vec<Row<'a>>,
    next_cursor: Option<()>,
    from: String,
    scanned: usize,
    complete: bool,
}

/// Clusters of errors without an answer, the most frequent first. Blocks.
///
/// # Errors
/// What the store says.
pub fn unknown(
    store: &dyn Store,
    diagnoser: &Diagnoser,
    request: UnknownRequest,
    now: Micros,
) -> Result<Vec<u8>, StoreError> {
    let from = now.saturating_sub(Micros::from(request.days) * DAY_US);
    let mut clusters: BTreeMap<String, Cluster> = BTreeMap::new();
    let started = Instant::now();
    let (mut scanned, mut complete) = (0, true);
    for level in [Level::Severe, Level::Warning] {
        let filter = EventFilter { level: Some(level), from: Some(from), ..EventFilter::default() };
        let mut query = EventQuery { filter, order: Order::Desc, after: None, limit: STEP };
        let mut seen = 0;
        loop {
            let page = store.events(&query)?;
            seen += page.events.len();
            for event in &page.events {
                complete &= note(diagnoser, event, &mut clusters);
            }
            let Some(next) = page.next else { break };
            if seen >= SCAN_EVENTS_MAX || started.elapsed() > PATIENCE {
                complete = false;
                break;
            }
            query.after = Some(next);
        }
        scanned += seen;
    }
    let mut rows: Vec<(&String, &Cluster)> = clusters.iter().collect();
    rows.sort_by_key(|(template, cluster)| (Reverse(cluster.count), Reverse(cluster.last_us), *template));
    let answer = Answer {
        data: rows.into_iter().take(request.limit).map(|(template, cluster)| cluster.row(template)).collect(),
        next_cursor: None,
        from: millis(from),
        scanned,
        complete,
    };
    Ok(serde_json::to_vec(&answer).expect("answers have text keys only"))
}

/// Counts an event that nothing explains. False when there is no room for another cluster.
fn note(diagnoser: &Diagnoser, stored: &StoredEvent, clusters: &mut BTreeMap<String, Cluster>) -> bool {
    let symptom = Symptom::of_event(&stored.event);
    let Some(text) = symptom.text.as_deref() else { return true };
    if diagnoser.catalog.diagnose(&symptom).first().is_some_and(|found| found.telling) {
        return true;
    }
    let template = template(text);
    if template.is_empty() {
        return true;
    }
    if !clusters.contains_key(&template) && clusters.len() >= CLUSTERS_MAX {
        return false;
    }
    clusters.entry(template).or_default().add(stored, text);
    true
}

impl Cluster {
    fn add(&mut self, stored: &StoredEvent, text: &str) {
        let at = stored.id.0.created_us;
        self.first_us = if self.count == 0 { at } else { self.first_us.min(at) };
        if self.count == 0 || at >= self.last_us {
            self.last_us = at;
            self.example = Some((stored.id, text.chars().take(EXAMPLE_CHARS).collect()));
        }
        self.count += 1;
        self.events.insert(stored.event.name.clone());
        self.sources.insert(stored.event.source.as_str());
        if let Some(id) = &stored.event.connection_id
            && self.connections.len() < CONNECTIONS_MAX
        {
            self.connections.insert(id.clone());
        }
    }

    fn row<'a>(&'a self, template: &'a str) -> Row<'a> {
        Row {
            template,
            count: self.count,
            first_seen: millis(self.first_us),
            last_seen: millis(self.last_us),
            example_event_id: self.example.as_ref().map(|(id, _)| id.to_string()),
            example: self.example.as_ref().map(|(_, text)| text.as_str()),
            events: &self.events,
            sources: &self.sources,
            connections: self.connections.iter().take(CONNECTIONS_SHOWN).map(String::as_str).collect(),
            connections_total: self.connections.len(),
        }
    }
}
