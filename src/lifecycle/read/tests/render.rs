//! A fact as one readable line. What is absent is left out.

use super::super::super::{Action, Edit, Ending, Fact, Message, Signal, TableName, time_text};
use std::fmt::Write;

pub(super) fn fact(fact: &Fact) -> String {
    let mut out = signal(&fact.signal);
    if fact.sync.is_some() {
        out.push_str(" (in sync)");
    }
    if let Some(deed) = &fact.deed {
        let data = deed.data.as_ref().map_or(0, |data| data.len());
        let _ = write!(out, " deed[{:?} {} {data} bytes]", deed.channel, deed.actor);
    }
    out
}

fn pairs(name: &str, pairs: &[(&str, Option<String>)]) -> String {
    let mut out = name.to_owned();
    for (name, value) in pairs {
        if let Some(value) = value {
            let _ = write!(out, " {name}={value}");
        }
    }
    out
}

fn text(text: &Option<Box<str>>) -> Option<String> {
    text.as_ref().map(|text| format!("{text:?}"))
}

fn table(table: &TableName) -> String {
    match &table.schema {
        Some(schema) => format!("{schema}/{}", table.table),
        None => table.table.to_string(),
    }
}

fn action(action: &Action) -> Option<String> {
    let mut out = format!("{:?}", action.channel);
    for part in [&action.actor, &action.method].into_iter().flatten() {
        let _ = write!(out, " {part}");
    }
    if let Some(reason) = &action.reason {
        let _ = write!(out, " because {reason:?}");
    }
    Some(format!("[{out}]"))
}

fn ending(name: &str, ending: &Ending) -> String {
    let at = ending.rescheduled_us.map(time_text);
    pairs(
        name,
        &[
            ("status", text(&ending.status)),
            ("reason", text(&ending.reason)),
            ("task", text(&ending.task_type)),
            ("at", at),
        ],
    )
}

fn message(name: &str, message: &Message) -> String {
    pairs(name, &[("type", text(&message.kind)), ("text", text(&message.text)), ("table", text(&message.table))])
}

fn edit(name: &str, edit: &Edit) -> String {
    let changes: Vec<String> = edit.changes.iter().map(|c| format!("{}: {} -> {}", c.field, c.old, c.new)).collect();
    pairs(
        name,
        &[
            ("by", action(&edit.action)),
            ("type", text(&edit.edit_type)),
            ("paused", edit.paused.map(|paused| paused.to_string())),
            ("frequency", edit.sync_frequency_minutes.map(|minutes| minutes.to_string())),
            ("schedule", text(&edit.schedule_type)),
            ("setup", text(&edit.setup_status)),
            ("schema", text(&edit.schema_status)),
            ("changes", Some(format!("[{}]", changes.join(", ")))),
        ],
    )
}

fn signal(signal: &Signal) -> String {
    let name = signal.name();
    match signal {
        Signal::SyncStart | Signal::ReadStart | Signal::ReadEnd | Signal::ApiCall => name.to_owned(),
        Signal::SyncEnd(of) | Signal::SyncStatus(of) => ending(name, of),
        Signal::WriteStart(of) | Signal::WriteEnd(of) => format!("{name} {}", table(of)),
        Signal::Processed(of, count) => format!("{name} {} {count}", table(of)),
        Signal::RecordsModified(of) => format!("{name} {} {} {}", table(&of.table), of.operation, of.count),
        Signal::Extracted(of) => format!("{name} queries={} rows={} bytes={}", of.queries, of.rows, of.bytes),
        Signal::SyncStats(stats) => format!("{name} {stats}"),
        Signal::ImportProgress(of) => format!("{name} {} of {}", of.done, of.total),
        Signal::Work(work) => format!("{name} {work:?}"),
        Signal::Info(of) | Signal::Warning(of) | Signal::Error(of) => message(name, of),
        Signal::Created(of) | Signal::Edited(of) => edit(name, of),
        Signal::TestsStarted(by, count) => {
            pairs(name, &[("by", action(by)), ("tests", count.map(|count| count.to_string()))])
        }
        Signal::Tested(of) => pairs(
            name,
            &[
                ("by", action(&of.action)),
                ("test", text(&of.name)),
                ("passed", Some(of.passed.to_string())),
                ("message", text(&of.message)),
            ],
        ),
        Signal::SchemaChanged(of) => {
            let changes: Vec<String> = of
                .changes
                .iter()
                .map(|(operation, of, columns)| match columns.as_slice() {
                    [] => format!("{operation} {}", table(of)),
                    columns => format!("{operation} {} ({})", table(of), columns.join(" ")),
                })
                .collect();
            let data = of.data.as_ref().map_or(0, |data| data.len());
            format!(
                "{name} {} by={} [{}] {data} bytes",
                of.event,
                action(&of.action).unwrap_or_default(),
                changes.join(", ")
            )
        }
        Signal::Resync(of) => pairs(
            name,
            &[("by", action(&of.action)), ("table", of.table.as_ref().map(table)), ("cause", text(&of.cause))],
        ),
        Signal::ManualSync(by) | Signal::Paused(by) | Signal::Resumed(by) | Signal::Deleted(by) => {
            pairs(name, &[("by", action(by))])
        }
        Signal::Support(of) => pairs(
            name,
            &[
                ("what", Some(of.what.to_owned())),
                ("actor", text(&of.actor)),
                ("ticket", text(&of.ticket)),
                ("message", text(&of.message)),
            ],
        ),
        Signal::Run(of) => pairs(
            name,
            &[
                ("job", Some(of.job.to_string())),
                ("name", text(&of.name)),
                ("kind", text(&of.kind)),
                ("phase", Some(format!("{:?}", of.phase))),
                ("start", of.start_us.map(time_text)),
                ("end", of.end_us.map(time_text)),
                ("schedule", of.schedule.as_ref().map(ToString::to_string)),
                ("description", text(&of.description)),
                ("error", text(&of.error)),
                ("steps", (!of.steps.is_empty()).then(|| serde_json::json!(of.steps).to_string())),
            ],
        ),
        Signal::News(of) => format!("{name} {of:?}"),
        Signal::Unused(of) => format!("{name} {of}"),
    }
}
