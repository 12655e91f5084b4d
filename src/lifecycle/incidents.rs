//! An incident: from the first failed sync to the success that ends it.
//!
//! In: failed ends, starts, and what ends it. Out: the incident as it stands. Bounded: [`LIST_MAX`] ids and reasons are named, all are
//! counted.

use super::{Incident, SyncId, sync::Sync, time_text, words};
use crate::model::{EventId, EventKey, Micros};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most ids and reasons that an incident names.
const LIST_MAX: usize = 50;

/// What ended an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// A sync succeeded.
    Recovered,
    /// The connection was paused; resumed without a success, it is open again.
    Paused,
    /// The connection was deleted.
    Deleted,
}

/// An incident so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    anchor: EventKey,
    resolved: Option<(EventKey, Resolution)>,
    failures: u32,
    /// Those of the failures that are no failed syncs.
    #[serde(default)]
    troubles: u32,
    /// Syncs that started since it was opened.
    attempts: u32,
    reason: Option<Box<str>>,
    reasons: Vec<Box<str>>,
    task_type: Option<Box<str>>,
    exceptions: Vec<Box<str>>,
    syncs: Vec<SyncId>,
    ids: Vec<EventKey>,
    /// From the start of the first failing sync to its failure.
    detect_us: Option<Micros>,
}

/// The incident as the contract has it.
#[derive(Serialize)]
struct Body<'c> {
    id: String,
    opened_at: String,
    resolved_at: Option<String>,
    resolution: Option<Resolution>,
    failures: u32,
    attempts: u32,
    reason: Option<&'c str>,
    task_type: Option<&'c str>,
    reasons: &'c [Box<str>],
    exception_ids: &'c [Box<str>],
    duration_ms: Option<Micros>,
    time_to_detect_ms: Option<Micros>,
    sync_ids: &'c [SyncId],
    event_ids: Vec<String>,
    diagnosis: Option<()>,
}

fn add<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if list.len() < LIST_MAX && !list.contains(&item) {
        list.push(item);
    }
}

impl Case {
    /// Opened by a sync that failed. `None` when the sync has not ended.
    pub fn open(sync: &Sync) -> Option<Self> {
        let mut case = Self::at(sync.ended.as_ref()?.key, sync.duration_us());
        case.failed(sync);
        Some(case)
    }

    /// Opened by something that is no sync.
    pub fn of_trouble(key: EventKey, text: Option<&str>) -> Self {
        let mut case = Self::at(key, None);
        case.troubled(key, text);
        case
    }

    fn at(anchor: EventKey, detect_us: Option<Micros>) -> Self {
        Self {
            anchor,
            resolved: None,
            failures: 0,
            troubles: 0,
            attempts: 0,
            reason: None,
            reasons: Vec::new(),
            task_type: None,
            exceptions: Vec::new(),
            syncs: Vec::new(),
            ids: Vec::new(),
            detect_us,
        }
    }

    /// Something else is wrong, or still.
    pub fn troubled(&mut self, key: EventKey, text: Option<&str>) {
        self.failures = self.failures.saturating_add(1);
        self.troubles = self.troubles.saturating_add(1);
        self.reason = text.map(Into::into).or(self.reason.take());
        if let Some(reason) = &self.reason {
            add(&mut self.reasons, reason.clone());
        }
        add(&mut self.ids, key);
    }

    /// Another sync failed. The reason and the task are those of the latest.
    pub fn failed(&mut self, sync: &Sync) {
        self.failures = self.failures.saturating_add(1);
        self.says(sync);
    }

    /// What the latest failed sync says.
    pub fn says(&mut self, sync: &Sync) {
        let Some(end) = &sync.ended else { return };
        self.task_type = end.ending.task_type.clone().filter(|task| !task.is_empty());
        self.reason = sync.reason().map(Into::into);
        if let Some(reason) = &self.reason {
            add(&mut self.reasons, reason.clone());
        }
        for exception in sync.exceptions() {
            add(&mut self.exceptions, exception.clone());
        }
        if let Some(id) = &sync.id {
            add(&mut self.syncs, id.clone());
        }
        add(&mut self.ids, end.key);
    }

    /// A sync started while it was open.
    pub fn attempted(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
    }

    /// It ended.
    pub fn resolve(&mut self, key: EventKey, how: Resolution) {
        self.resolved = Some((key, how));
    }

    /// It goes on after a pause. Whether it did.
    pub fn reopen(&mut self) -> bool {
        let paused = self.is_paused();
        if paused {
            self.resolved = None;
        }
        paused
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.resolved.is_none()
    }

    /// Whether a pause closed it, and nothing else.
    pub fn is_paused(&self) -> bool {
        matches!(self.resolved, Some((_, Resolution::Paused)))
    }

    /// Whether nothing can change it any more.
    pub fn is_over(&self) -> bool {
        matches!(self.resolved, Some((_, Resolution::Recovered | Resolution::Deleted)))
    }

    /// The event that opened it.
    pub fn anchor(&self) -> EventKey {
        self.anchor
    }

    /// Its public id.
    pub fn id(&self) -> String {
        EventId(self.anchor).to_string()
    }

    /// When it was opened.
    pub fn opened_us(&self) -> Micros {
        self.anchor.created_us
    }

    /// What failed in it, behind how long it lasted: ` and 2 failed syncs`, `, 1 failed sync and 3 errors`.
    pub fn failures_in_words(&self) -> String {
        let syncs = self.failures.saturating_sub(self.troubles);
        let counts = [(syncs, "failed sync"), (self.troubles, "error")];
        let said = counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| words::count(u64::from(*n), what));
        match &said.collect::<Vec<_>>()[..] {
            [one] => format!(" and {one}"),
            [syncs, errors] => format!(", {syncs} and {errors}"),
            _ => String::new(),
        }
    }

    /// As it stands.
    pub fn row(&self) -> Incident {
        let resolved_us = self.resolved.map(|(key, _)| key.created_us);
        let mut ids: Vec<String> = self.ids.iter().map(|key| EventId(*key).to_string()).collect();
        ids.extend(self.resolved.filter(|(key, _)| !self.ids.contains(key)).map(|(key, _)| EventId(key).to_string()));
        let body = Body {
            id: EventId(self.anchor).to_string(),
            opened_at: time_text(self.anchor.created_us),
            resolved_at: resolved_us.map(time_text),
            resolution: self.resolved.map(|(_, how)| how),
            failures: self.failures,
            attempts: self.attempts,
            reason: self.reason.as_deref(),
            task_type: self.task_type.as_deref(),
            reasons: &self.reasons,
            exception_ids: &self.exceptions,
            duration_ms: resolved_us.map(|us| us.saturating_sub(self.anchor.created_us) / 1_000),
            time_to_detect_ms: self.detect_us.map(|us| us / 1_000),
            sync_ids: &self.syncs,
            event_ids: ids,
            diagnosis: None,
        };
        Incident { anchor: self.anchor, resolved_us, failures: self.failures, body: super::text(&body) }
    }

    /// As JSON, for the connection's own object.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.row().body).unwrap_or(Value::Null)
    }
}
