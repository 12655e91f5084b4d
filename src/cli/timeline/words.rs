//! What a stage is called, and what is told of it.
//!
//! In: a stage's JSON. Out: a sign, a colour, a name and sentences, inert. Stages of a kind that is not known here are shown by their own
//! name and summary.

use crate::{
    cli::terminal::{Tone, count, counted, inert, micros, moment},
    export::tables_written,
    model::Micros,
};
use serde_json::Value;

/// A text member.
pub fn text<'v>(value: &'v Value, member: &str) -> Option<&'v str> {
    value[member].as_str().filter(|text| !text.is_empty())
}

/// A moment.
pub fn time(value: &Value, member: &str) -> Option<Micros> {
    text(value, member).and_then(micros)
}

/// A number.
pub fn number(value: &Value, member: &str) -> u64 {
    value[member].as_u64().unwrap_or(0)
}

/// When a stage began; where that was not seen, when it was first heard of.
pub fn began(stage: &Value) -> Option<Micros> {
    time(stage, "at").or_else(|| time(stage, "first_event_at"))
}

/// When a stage ended; one that is a moment ends at once, one that goes on has no end.
pub fn ended(stage: &Value) -> Option<Micros> {
    match time(stage, "until") {
        Some(until) => Some(until),
        None if is_running(stage) => None,
        None => time(stage, "last_event_at").or_else(|| began(stage)),
    }
}

pub fn is_sync(stage: &Value) -> bool {
    text(stage, "stage") == Some("sync")
}

pub fn is_running(stage: &Value) -> bool {
    is_sync(stage) && text(stage, "status") == Some("RUNNING")
}

pub fn has_failed(stage: &Value) -> bool {
    is_sync(stage) && text(stage, "status").is_some_and(|status| status.to_ascii_uppercase().starts_with("FAIL"))
}

pub fn has_succeeded(stage: &Value) -> bool {
    is_sync(stage) && text(stage, "status") == Some("SUCCESSFUL")
}

/// Whether nothing about a sync is worth a line of its own.
pub fn is_ordinary(stage: &Value) -> bool {
    has_succeeded(stage)
        && matches!(text(stage, "kind"), None | Some("incremental"))
        && matches!(text(&stage["trigger"], "type"), None | Some("schedule"))
        && number(stage, "errors") == 0
        && number(stage, "warnings") == 0
        && stage["missing"].as_array().is_none_or(Vec::is_empty)
}

/// Rows that a sync wrote.
pub fn rows(sync: &Value) -> u64 {
    let counts = sync["rows"].as_object().into_iter().flatten();
    counts.filter_map(|(_, count)| count.as_u64()).fold(0, u64::saturating_add)
}

/// Sign, colour and name.
pub fn name(stage: &Value) -> (&'static str, Tone, String) {
    if is_sync(stage) {
        let (sign, tone) = match text(stage, "status").map(str::to_ascii_uppercase).as_deref() {
            Some("SUCCESSFUL") => ("✓", Tone::Good),
            Some("RUNNING") => ("▸", Tone::Busy),
            Some("RESCHEDULED") => ("~", Tone::Warn),
            Some("CANCELED") => ("-", Tone::Quiet),
            Some(failed) if failed.starts_with("FAIL") => ("✗", Tone::Bad),
            _ => ("?", Tone::Warn),
        };
        let kind = match text(stage, "kind") {
            Some("initial") => "initial sync",
            Some("resync") => "re-sync",
            Some("manual") => "manual sync",
            _ => "sync",
        };
        return (sign, tone, kind.to_owned());
    }
    let kind = text(stage, "stage").unwrap_or("?");
    let (sign, tone, name) = match kind {
        "initialized" => ("+", Tone::Plain, "initialized"),
        "setup_tests" if number(stage, "failed") > 0 => ("✗", Tone::Bad, "setup tests"),
        "setup_tests" => ("✓", Tone::Good, "setup tests"),
        "created" => ("✓", Tone::Good, "created"),
        "schema_changed" => ("~", Tone::Plain, "schema"),
        "modified" => ("~", Tone::Plain, "modified"),
        "paused" => ("‖", Tone::Warn, "paused"),
        "resumed" => ("▸", Tone::Plain, "resumed"),
        "resync_triggered" => ("↻", Tone::Plain, "re-sync"),
        "manual_sync_triggered" => ("↻", Tone::Plain, "sync now"),
        "broken" => ("✗", Tone::Bad, "BROKEN"),
        "recovered" => ("✓", Tone::Good, "RECOVERED"),
        "support_access" => ("!", Tone::Warn, "support"),
        "deleted" => ("-", Tone::Bad, "deleted"),
        other => return ("·", Tone::Plain, inert(&other.replace('_', " "))),
    };
    (sign, tone, name.to_owned())
}

/// What is told of a stage, the most important first. `told` is the reason of the sync before, which is not told again.
pub fn telling(stage: &Value, told: Option<&str>) -> String {
    if is_sync(stage) {
        return of_sync(stage, told);
    }
    let summary = text(stage, "summary").map(inert);
    let composed = || {
        let by = text(stage, "actor").map(|actor| format!("by {}", inert(actor)));
        let why = text(stage, "reason").map(inert);
        [by, why].into_iter().flatten().collect::<Vec<_>>().join(": ")
    };
    summary.unwrap_or_else(composed)
}

/// Failed tests, each on a line of its own.
pub fn failed_tests(stage: &Value) -> Vec<String> {
    let tests = stage["tests"].as_array().map_or(&[][..], Vec::as_slice);
    let failed = tests.iter().filter(|test| text(test, "outcome") == Some("failed"));
    failed
        .map(|test| {
            let name = inert(text(test, "name").unwrap_or("a test"));
            text(test, "message").map_or_else(|| name.clone(), |why| format!("{name}: {}", inert(why)))
        })
        .collect()
}

fn of_sync(sync: &Value, told: Option<&str>) -> String {
    let mut parts = Vec::new();
    let status = text(sync, "status").unwrap_or("UNKNOWN");
    if !matches!(status, "SUCCESSFUL" | "RUNNING") {
        let status = inert(status);
        parts.push(match text(sync, "reason") {
            Some(reason) if told == Some(reason) => format!("{status}, for the same reason"),
            Some(reason) => format!("{status}: {}", inert(reason.trim_end_matches('.'))),
            None => status,
        });
    }
    if let Some(task) = text(sync, "task_type") {
        parts.push(format!("to do: {}", inert(task)));
    }
    if let Some(at) = time(sync, "rescheduled_at") {
        parts.push(format!("goes on {}", moment(at)));
    }
    if status == "RUNNING" {
        let percent = sync["import"]["percent"].as_u64().map(|percent| format!(", {percent} % of the tables"));
        parts.push(format!("running{}", percent.unwrap_or_default()));
    }
    let tables = tables_written(sync);
    if tables > 0 {
        parts.push(format!("{} in {}", counted(rows(sync), "row", "rows"), counted(tables, "table", "tables")));
    }
    if let Some(trigger) = trigger(sync) {
        parts.push(trigger);
    }
    for (member, one, many) in [("errors", "error", "errors"), ("warnings", "warning", "warnings")] {
        let n = number(sync, member);
        if n > 0 {
            parts.push(counted(n, one, many));
        }
    }
    let missing = sync["missing"].as_array().map_or(&[][..], Vec::as_slice).iter().filter_map(Value::as_str);
    parts.extend(missing.filter(|_| status != "RUNNING").map(|what| format!("no {} seen", inert(what))));
    parts.join(", ")
}

/// Why a sync started, when its schedule is not why.
fn trigger(sync: &Value) -> Option<String> {
    let by = text(&sync["trigger"], "actor").map(|actor| format!(" by {}", inert(actor))).unwrap_or_default();
    let why = match text(&sync["trigger"], "type")? {
        "schedule" => return None,
        "manual" => "asked for",
        "resync" => "after a re-sync request",
        "resume" => "after resuming",
        "schema_change" => "after a schema change",
        other => return Some(format!("{}{by}", inert(other))),
    };
    Some(format!("{why}{by}"))
}

/// How many rows a run of syncs wrote, in words.
pub fn rows_words(rows: u64) -> String {
    format!("{} {}", count(rows), if rows == 1 { "row" } else { "rows" })
}
