//! A sync as the contract shows it.
//!
//! In: a sync as it is kept. Out: its stage's body, and one sentence for a person.

use super::{
    Outcome, Phase, Span, SyncKind, TriggerKind,
    kept::{Kept, SyncRow},
};
use crate::{
    lifecycle::{Message, StageKind, tables::Rows, time_text, words},
    model::{EventId, EventKey, Micros},
};
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

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
struct TableView<'s> {
    schema: Option<&'s str>,
    table: &'s str,
    write_started_at: Option<String>,
    write_ended_at: Option<String>,
    records_read: Option<u64>,
    rows: &'s Rows,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'s str>,
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
    sync_id: Option<&'s str>,
    kind: SyncKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_type: Option<&'s str>,
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
    rows: Cow<'s, Rows>,
    records_read: Option<u64>,
    queries: Option<u64>,
    api_calls: u64,
    rows_extracted: Option<u64>,
    bytes_extracted: Option<u64>,
    import: Option<ImportView>,
    warnings: u64,
    errors: u64,
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
    pub fn of(row: &'s SyncRow, sync: &'s Kept<'s>) -> Self {
        let anchor = row.anchor.created_us;
        // Moments are kept as told from the anchor on.
        let us = |since: Micros| anchor.wrapping_add(since);
        let time = |since: Micros| time_text(us(since));
        let id = |since: Micros, hash: i64| EventId(EventKey { created_us: us(since), hash }).to_string();
        let span = |phase: Phase| {
            let Span(from, to) = sync.phases[phase as usize]?;
            Some(SpanView { at: time(from), until: time(to) })
        };
        let mut missing = Vec::new();
        if sync.started.is_none() {
            missing.push("start");
        }
        if Kept::is_broken_off(row) {
            missing.push("end");
        }
        let duration_us = sync.duration_us(row.until_us.map(|until| until.wrapping_sub(anchor)));
        let trigger = sync.trigger.as_ref();
        Self {
            stage: StageKind::Sync.as_str(),
            sync_id: row.sync_id.as_deref(),
            kind: sync.kind(),
            job_type: sync.job.as_deref(),
            trigger: TriggerView {
                // Without its start nobody knows why it started.
                kind: sync.started.map(|_| trigger.map_or(TriggerKind::Schedule, |(kind, ..)| *kind)),
                actor: trigger.and_then(|(_, actor, _)| actor.as_deref()),
                event_ids: trigger
                    .and_then(|(.., event)| *event)
                    .map(|key| EventId(key).to_string())
                    .into_iter()
                    .collect(),
            },
            at: sync.started.map(time),
            until: row.until_us.map(time_text),
            duration_ms: duration_us.map(|us| us / 1_000),
            status: &row.status,
            summary: summary(row, sync, duration_us),
            reason: sync.reason(row),
            task_type: sync.task_type.as_deref().filter(|text| !text.is_empty()),
            rescheduled_at: sync.rescheduled_us.map(time_text),
            missing,
            first_event_at: time(sync.ids.first().map_or(0, |(since, _)| *since)),
            last_event_at: time(sync.last),
            phases: PhasesView {
                extract: span(Phase::Extract),
                process: span(Phase::Process),
                load: span(Phase::Load),
            },
            tables: sync
                .tables
                .iter()
                .enumerate()
                .map(|(at, (schema, table, started, ended, read, rows))| TableView {
                    schema: schema.as_deref(),
                    table,
                    write_started_at: started.map(time),
                    write_ended_at: ended.map(time),
                    records_read: *read,
                    rows,
                    status: sync.statuses.get(&at).map(AsRef::as_ref),
                })
                .collect(),
            tables_omitted: sync.tables_omitted,
            rows: sync.rows(),
            records_read: sync.records_read(),
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
                .map(|(since, hash, error, message)| MessageView {
                    level: if *error { "error" } else { "warning" },
                    at: time(*since),
                    message,
                    event_id: id(*since, *hash),
                })
                .collect(),
            exception_ids: &sync.exceptions,
            stats: row.stats.as_deref().and_then(|text| serde_json::from_str(text).ok()),
            events: sync.events,
            event_ids: sync.ids.iter().map(|(since, hash)| id(*since, *hash)).collect(),
        }
    }
}

/// One sentence for a person.
fn summary(row: &SyncRow, sync: &Kept<'_>, duration_us: Option<Micros>) -> String {
    let mut text = sync.job.as_deref().map_or_else(|| sync.kind().as_str().to_owned(), str::to_lowercase);
    let took = duration_us.map(|us| format!(" after {}", words::duration(us)));
    let took = took.as_deref().unwrap_or_default();
    match row.until_us.map(|_| sync.outcome(&row.status)) {
        Some(Outcome::Success) => text.push_str(&format!(" succeeded{took}")),
        Some(Outcome::Failure) => text.push_str(&format!(" failed{took}")),
        Some(Outcome::Rescheduled) => {
            text.push_str(&format!(" put off{took}"));
            if let Some(at) = sync.rescheduled_us {
                text.push_str(&format!(" until {}", time_text(at)));
            }
        }
        Some(Outcome::Priority) => text.push_str(&format!(" brought the newest data first{took}, history follows")),
        Some(Outcome::Canceled) => text.push_str(&format!(" canceled{took}")),
        Some(Outcome::Unknown) => text.push_str(&format!(" ended as {}{took}", row.status)),
        None if Kept::is_broken_off(row) => text.push_str(" broke off, no end was seen"),
        None => text.push_str(" is running"),
    }
    let (rows, tables) = (sync.rows().sum(), sync.written());
    if tables > 0 {
        text.push_str(&format!("; {} in {}", words::count(rows, "row"), words::count(tables as u64, "table")));
    }
    if let Some(reason) = sync.reason(row) {
        text.push_str(": ");
        text.push_str(&words::cut(reason, 200));
    }
    text
}
