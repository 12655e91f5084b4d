//! What errors mean, for answers.
//!
//! In: a catalogue; stages and incidents as the fold wrote them, events, questions. Out: the same with `diagnosis`, and answers to
//! `GET /v1/diagnose`. Nothing of it is stored: the catalogue of today speaks about the events of last year. What was asked before is
//! remembered, so that a page of a hundred equal failures is looked up once. Bounded: remembered answers, scanned events, clusters.

mod asked;
mod attach;
pub mod shape;
mod unknown;

pub use asked::{DiagnoseRequest, diagnose};
pub use attach::Events;
pub use unknown::{CLUSTERS_MAX, DAYS_MAX, SCAN_EVENTS_MAX, UnknownRequest, unknown};

use crate::{
    diagnose::{Catalog, Match, Severity, Symptom},
    model::{Event, Source},
    store::{Lives, StoreError},
};
use ahash::AHashMap;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

/// Most answers that are remembered.
const KNOWN_MAX: usize = 4_096;
/// Longest symptom that is remembered, in bytes.
const KNOWN_BYTES_MAX: usize = 2_048;
/// Most connections whose system is remembered.
const SOURCES_MAX: usize = 20_000;

/// The catalogue, ready for answers.
#[derive(Debug)]
pub struct Diagnoser {
    catalog: Arc<Catalog>,
    /// Each entry as JSON.
    texts: Vec<Arc<str>>,
    /// What symptoms came to.
    known: Memory<Option<Found>>,
    /// What ends of syncs came to, as they are written, where they tell enough.
    ends: Memory<usize>,
    /// Which system a connection belongs to; that never changes.
    sources: Memory<Source>,
}

/// The likeliest entry for a symptom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    /// Its place in the catalogue.
    place: usize,
    /// Whether it says something about this problem, rather than about any with this status.
    telling: bool,
}

/// What was found out before. When it is full it begins anew.
#[derive(Debug)]
struct Memory<V> {
    found: Mutex<AHashMap<Box<str>, V>>,
    max: usize,
}

impl<V: Copy> Memory<V> {
    fn new(max: usize) -> Self {
        Self { found: Mutex::default(), max }
    }

    fn get(&self, key: &str) -> Option<V> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    fn put(&self, key: impl Into<Box<str>>, value: V) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() >= self.max {
            found.clear();
        }
        found.insert(key.into(), value);
    }
}

impl Diagnoser {
    /// Over a catalogue.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>) -> Self {
        let texts = catalog
            .entries()
            .iter()
            .map(|entry| serde_json::to_string(&entry.diagnosis()).expect("entries have text keys only").into())
            .collect();
        let (known, ends, sources) = (Memory::new(KNOWN_MAX), Memory::new(KNOWN_MAX), Memory::new(SOURCES_MAX));
        Self { catalog, texts, known, ends, sources }
    }

    /// Over the catalogue that is part of the program.
    #[must_use]
    pub fn builtin() -> Self {
        Self::new(Catalog::builtin())
    }

    /// The catalogue.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The likeliest entry as JSON, where there is something to say.
    fn text(&self, symptom: &Symptom<'_>) -> Option<&str> {
        self.find(symptom).map(|found| &*self.texts[found.place])
    }

    /// The same by its place.
    fn find(&self, symptom: &Symptom<'_>) -> Option<Found> {
        let key = key(symptom);
        if let Some(known) = key.as_deref().and_then(|key| self.known.get(key)) {
            return known;
        }
        let first = self.first(symptom);
        let found = first.map(|found| Found { place: self.catalog.place(found.entry), telling: found.telling });
        if let Some(key) = key {
            self.known.put(key, found);
        }
        found
    }

    /// The likeliest match, unless all that can be said is that nothing is wrong.
    fn first(&self, symptom: &Symptom<'_>) -> Option<Match<'_>> {
        let found = self.catalog.diagnose(symptom).into_iter().next()?;
        (found.telling || found.entry.severity > Severity::Info).then_some(found)
    }

    /// What an event means, where it is about a problem.
    #[must_use]
    pub fn of_event(&self, event: &Event) -> Option<crate::diagnose::Diagnosis<'_>> {
        self.first(&Symptom::of_event(event)).map(|found| found.diagnosis)
    }

    /// The same as a value.
    #[must_use]
    pub fn of_event_json(&self, event: &Event) -> Value {
        self.of_event(event).and_then(|found| serde_json::to_value(found).ok()).unwrap_or(Value::Null)
    }

    /// The system of a connection.
    pub(super) fn source(&self, lives: &dyn Lives, connection_id: &str) -> Result<Option<Source>, StoreError> {
        if let Some(source) = self.sources.get(connection_id) {
            return Ok(Some(source));
        }
        let source = lives.connection(connection_id.into(), None)?.map(|summary| summary.source);
        if let Some(source) = source {
            self.sources.put(connection_id, source);
        }
        Ok(source)
    }
}

/// What a symptom is remembered by; a very long one is not.
fn key(symptom: &Symptom<'_>) -> Option<String> {
    let source = symptom.source.map(Source::as_str);
    let parts = [
        source,
        symptom.event.as_deref(),
        symptom.status.as_deref(),
        symptom.task_type.as_deref(),
        symptom.kind.as_deref(),
        symptom.code.as_deref(),
        symptom.level.as_deref(),
        symptom.text.as_deref(),
    ];
    let size: usize = parts.iter().flatten().map(|part| part.len() + 1).sum();
    if size > KNOWN_BYTES_MAX {
        return None;
    }
    let mut key = String::with_capacity(size + parts.len() * 2);
    for part in parts {
        // Lengths keep apart what would read the same.
        if let Some(part) = part {
            key.push_str(&part.len().to_string());
            key.push(':');
            key.push_str(part);
        }
        key.push(';');
    }
    Some(key)
}
