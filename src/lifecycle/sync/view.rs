//! A sync as the contract shows it.
//!
//! In: a sync. Out: its stage's body, and one sentence for a person.

use super::{Outcome, Phase, Sync, SyncKind, TriggerKind};
use crate::{
    lifecycle::{
        Message, StageKind,
        tables::{Rows, TableView},
        time_text, words,
    },
    model::{EventId, Micros},
};
use serde::Serialize;
use serde_json::value::RawValue;

#[derive(Serialize)]
struct SpanView {
    at: String,
    until: String,
}

#[derive(Serialize)]
struct PhasesView {
    extract: Option<SpanView>,
    process: Option<SpanView>,
    load: Option<SpanView>,
}

#[derive(Serialize)]
struct TriggerView<'s> {
    #[serde(rename = "type")]
    kind: Option<TriggerKind>,
    actor: Option<&'s str>,
    event_ids: Vec<String>,
}

#[derive(Serialize)]
struct ImportView {
    tables_done: u32,
    tables: u32,
    percent: u32,
}

#[derive(Serialize)]
struct MessageView<'s> {
    level: &'static str,
    at: String,
    #[serde(flatten)]
    message: &'s Message,
    event_id: String,
}

/// The stage as the contract has it.
#[derive(Serialize)]
pub struct Body<'s> {
    stage: &'static str,
    sync_id: Option<String>,
    kind: SyncKind,
    trigger: TriggerView<'s>,
    at: Option<String>,
    until: Option<String>,
    duration_ms: Option<Micros>,
    status: &'s str,
    summary: String,
    reason: Option<&'s str>,
    task_type: Option<&'s str>,
    rescheduled_at: Option<String>,
    missing: Vec<&'static str>,
    first_event_at: String,
    last_event_at: String,
    phases: PhasesView,
    tables: Vec<TableView<'s>>,
    #[serde(skip_serializing_if = "is_zero")]
    tables_omitted: u64,
    rows: &'s Rows,
    records_read: Option<u64>,
    queries: Option<u64>,
    api_calls: u64,
    rows_extracted: Option<u64>,
    bytes_extracted: Option<u64>,
    import: Option<ImportView>,
    warnings: u32,
    errors: u32,
    messages: Vec<MessageView<'s>>,
    exception_ids: &'s [Box<str>],
    stats: Option<&'s RawValue>,
    events: u64,
    event_ids: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl<'s> Body<'s> {
    /// Of a sync.
    pub fn of(sync: &'s Sync, status: &'s str, ended: Option<Micros>) -> Self {
        let span = |phase: Phase| {
            let span = sync.phases[phase as usize]?;
            Some(SpanView { at: time_text(span.0), until: time_text(span.1) })
        };
        let ending = sync.ended.as_ref().map(|end| &end.ending);
        let started = sync.started_us();
        let mut missing = Vec::new();
        if started.is_none() {
            missing.push("start");
        }
        if sync.ended.is_none() && sync.superseded.is_some() {
            missing.push("end");
        }
        let trigger = sync.trigger.as_ref();
        Self {
            stage: StageKind::Sync.as_str(),
            sync_id: sync.id.as_ref().map(ToString::to_string),
            kind: sync.kind,
            trigger: TriggerView {
                // Without its start nobody knows why it started.
                kind: started.map(|_| trigger.map_or(TriggerKind::Schedule, |it| it.kind)),
                actor: trigger.and_then(|it| it.actor.as_deref()),
                event_ids: trigger.and_then(|it| it.event).map(|key| EventId(key).to_string()).into_iter().collect(),
            },
            at: started.map(time_text),
            until: ended.map(time_text),
            duration_ms: sync.duration_us().map(|us| us / 1_000),
            status,
            summary: summary(sync, status),
            reason: sync.reason(),
            task_type: ending.and_then(|it| it.task_type.as_deref()).filter(|text| !text.is_empty()),
            rescheduled_at: ending.and_then(|it| it.rescheduled_us).map(time_text),
            missing,
            first_event_at: time_text(sync.anchor.created_us),
            last_event_at: time_text(sync.last_us),
            phases: PhasesView {
                extract: span(Phase::Extract),
                process: span(Phase::Process),
                load: span(Phase::Load),
            },
            tables: sync.tables.views(),
            tables_omitted: sync.tables.omitted(),
            rows: sync.tables.rows(),
            records_read: sync.tables.records_read(),
            queries: sync.queries,
            api_calls: sync.api_calls,
            rows_extracted: sync.rows_extracted,
            bytes_extracted: sync.bytes_extracted,
            import: sync.import.map(|it| ImportView {
                tables_done: it.done,
                tables: it.total,
                percent: (u64::from(it.done) * 100).checked_div(u64::from(it.total)).unwrap_or(0) as u32,
            }),
            warnings: sync.warnings,
            errors: sync.errors,
            messages: sync
                .messages
                .iter()
                .map(|(key, error, message)| MessageView {
                    level: if *error { "error" } else { "warning" },
                    at: time_text(key.created_us),
                    message,
                    event_id: EventId(*key).to_string(),
                })
                .collect(),
            exception_ids: &sync.exceptions,
            stats: sync.stats.as_deref().and_then(|text| serde_json::from_str(text).ok()),
            events: sync.events,
            event_ids: sync.ids.iter().map(|key| EventId(*key).to_string()).collect(),
        }
    }
}

/// One sentence for a person.
fn summary(sync: &Sync, status: &str) -> String {
    let mut text = sync.kind.as_str().to_owned();
    let took = sync.duration_us().map(|us| format!(" after {}", words::duration(us)));
    let took = took.as_deref().unwrap_or_default();
    match sync.ended.as_ref().map(|end| Outcome::of(&end.ending)) {
        Some(Outcome::Success) => text.push_str(&format!(" succeeded{took}")),
        Some(Outcome::Failure) => text.push_str(&format!(" failed{took}")),
        Some(Outcome::Rescheduled) => {
            text.push_str(&format!(" put off{took}"));
            if let Some(at) = sync.ended.as_ref().and_then(|end| end.ending.rescheduled_us) {
                text.push_str(&format!(" until {}", time_text(at)));
            }
        }
        Some(Outcome::Priority) => text.push_str(&format!(" brought the newest data first{took}, history follows")),
        Some(Outcome::Canceled) => text.push_str(&format!(" canceled{took}")),
        Some(Outcome::Unknown) => text.push_str(&format!(" ended as {status}{took}")),
        None if sync.superseded.is_some() => text.push_str(" broke off, no end was seen"),
        None => text.push_str(" is running"),
    }
    let rows = sync.tables.rows().sum();
    let tables = sync.tables.written();
    if tables > 0 {
        text.push_str(&format!("; {} in {}", words::count(rows, "row"), words::count(tables as u64, "table")));
    }
    if let Some(reason) = sync.reason() {
        text.push_str(": ");
        text.push_str(&words::cut(reason, 200));
    }
    text
}
