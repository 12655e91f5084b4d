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
    /// What symptoms came to: the place of an entry.
    known: Mutex<AHashMap<Box<str>, Option<usize>>>,
    /// Which system a connection belongs to; that never changes.
    sources: Mutex<AHashMap<Box<str>, Source>>,
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
        Self { catalog, texts, known: Mutex::default(), sources: Mutex::default() }
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
        self.place(symptom).map(|place| &*self.texts[place])
    }

    fn place(&self, symptom: &Symptom<'_>) -> Option<usize> {
        let key = key(symptom);
        if let Some(key) = &key
            && let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(key.as_str())
        {
            return *known;
        }
        let found = self.first(symptom).map(|found| self.catalog.place(found.entry));
        if let Some(key) = key {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= KNOWN_MAX {
                known.clear();
            }
            known.insert(key.into_boxed_str(), found);
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
        let lock = || self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = lock().get(connection_id) {
            return Ok(Some(*source));
        }
        let source = lives.connection(connection_id, None)?.map(|summary| summary.source);
        if let Some(source) = source {
            let mut sources = lock();
            if sources.len() >= SOURCES_MAX {
                sources.clear();
            }
            sources.insert(connection_id.into(), source);
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
