//! The head of a timeline: what is wrong, since when, and what was done about it.

use super::{
    Timeline,
    words::{began, number, telling, text, time},
};
use crate::{
    cli::{
        connections::sign,
        terminal::{Screen, Tone, age, count, counted, cut, inert, moment, span, width, wrap},
    },
    model::Micros,
};
use serde_json::Value;

/// Columns before the words.
const LABEL: usize = 9;
/// Most lines about what was done.
const DONE_MAX: usize = 5;

/// The lines of the head.
pub fn lines(timeline: &Timeline, screen: &Screen) -> Vec<String> {
    let connection = &timeline.connection;
    let mut lines = title(connection, screen);
    lines.extend(standing(timeline, screen));
    let mut add = |label: &str, tone: Tone, words: &str| {
        for (at, line) in wrap(words, screen.width.saturating_sub(LABEL + 2), 4).into_iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            let label = screen.paint(Tone::Quiet, &format!("  {label:LABEL$}"));
            lines.push(format!("{label}{}", screen.paint(tone, &line)));
        }
    };
    let incident = &connection["open_incident"];
    if !incident.is_null() {
        add("why", Tone::Bad, &inert(text(incident, "reason").unwrap_or("no reason given")));
        if let Some(task) = text(incident, "task_type") {
            add("to do", Tone::Warn, &inert(task));
        }
        let diagnosis = &incident["diagnosis"];
        if let (Some(title), Some(code)) = (text(diagnosis, "title"), text(diagnosis, "code")) {
            add("means", Tone::Plain, &inert(title));
            for (at, step) in
                diagnosis["fix"].as_array().into_iter().flatten().filter_map(Value::as_str).take(3).enumerate()
            {
                add(if at == 0 { "steps" } else { "" }, Tone::Plain, &inert(&format!("{}. {step}", at + 1)));
            }
            add("more", Tone::Quiet, &format!("lifeline explain {}", inert(code)));
        }
        let opened = time(incident, "opened_at").unwrap_or(Micros::MAX);
        let done = done_since(timeline, opened);
        let left_out = done.len().saturating_sub(DONE_MAX);
        for (at, words) in done.iter().skip(left_out).enumerate() {
            add(if at == 0 { "done" } else { "" }, Tone::Plain, words);
        }
        if done.is_empty() {
            let when = if is_shown_since(timeline, opened) { "since then" } else { "in what is shown below" };
            add("done", Tone::Plain, &format!("nothing by anyone {when}"));
        }
    }
    add("last", Tone::Plain, &last(timeline));
    if let Some(next) = next(timeline) {
        add("next", Tone::Plain, &next);
    }
    add("syncs", Tone::Plain, &counts(connection));
    if timeline.past {
        add("as of", Tone::Warn, &format!("{} UTC", moment(timeline.now)));
    }
    lines
}

fn title(connection: &Value, screen: &Screen) -> Vec<String> {
    let id = inert(text(connection, "connection_id").unwrap_or("?"));
    let name = text(connection, "connection_name").map(inert).filter(|name| *name != id);
    let road = [text(connection, "connector_type"), text(connection, "destination")];
    let road: Vec<String> = road.into_iter().flatten().map(inert).collect();
    let (head, id) = match name {
        Some(name) => (name, id),
        None => (id, String::new()),
    };
    pieces(vec![(Tone::Strong, head), (Tone::Quiet, id), (Tone::Plain, road.join(" → "))], "  ", screen)
}

/// Status, and since when.
fn standing(timeline: &Timeline, screen: &Screen) -> Vec<String> {
    let connection = &timeline.connection;
    let status = text(connection, "status").unwrap_or("?");
    let (sign, tone) = sign(status);
    let mut word = format!("{sign} {}", inert(&status.replace('_', " ")).to_uppercase());
    let health = text(connection, "health").unwrap_or(status);
    if health != status && health.replace(' ', "_") != status {
        word.push_str(&format!(" ({})", inert(health)));
    }
    let since = |at: Micros| format!("for {}, since {} UTC", span(timeline.now.saturating_sub(at)), moment(at));
    let incident = &connection["open_incident"];
    let mut parts = vec![(tone, word)];
    if incident.is_null() {
        parts.extend(since_when(timeline, status).map(|at| (Tone::Plain, since(at))));
        return pieces(parts, " ", screen);
    }
    let broken = if status == "broken" { "" } else { "broken " };
    let failures = counted(number(incident, "failures"), "failure", "failures");
    let attempts = number(incident, "attempts");
    let attempts = if attempts > 0 { format!(", {}", counted(attempts, "attempt", "attempts")) } else { String::new() };
    parts.extend(time(incident, "opened_at").map(|at| (Tone::Bad, format!("{broken}{};", since(at)))));
    parts.push((Tone::Plain, format!("{failures}{attempts}")));
    pieces(parts, " ", screen)
}

/// Coloured pieces beside each other, on as many lines as they need.
fn pieces(parts: Vec<(Tone, String)>, gap: &str, screen: &Screen) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for (tone, words) in parts.into_iter().filter(|(_, words)| !words.is_empty()) {
        let words = cut(&words, screen.width - 2);
        let columns = width(&words);
        if used > 0 && used + gap.len() + columns > screen.width {
            lines.push("  ".to_owned());
            used = 2;
        } else if used > 0 {
            used += gap.len();
            lines.last_mut().into_iter().for_each(|line| line.push_str(gap));
        }
        used += columns;
        lines.last_mut().into_iter().for_each(|line| line.push_str(&screen.paint(tone, &words)));
    }
    lines
}

fn since_when(timeline: &Timeline, status: &str) -> Option<Micros> {
    let connection = &timeline.connection;
    let newest = |kind: &str| {
        let stage = timeline.stages.iter().rev().find(|stage| text(stage, "stage") == Some(kind))?;
        began(stage)
    };
    match status {
        "deleted" => time(connection, "deleted_at"),
        "paused" => newest("paused"),
        "syncing" | "initial_sync" => time(connection, "last_sync_started_at"),
        "rescheduled" => time(connection, "last_sync_completed_at"),
        "setup_incomplete" => newest("setup_tests"),
        "new" => time(connection, "created_at").or_else(|| time(connection, "first_event_at")),
        // Since the latest recovery, where one is in sight.
        "connected" => newest("recovered"),
        _ => None,
    }
}

/// Whether every stage since a moment is at hand.
fn is_shown_since(timeline: &Timeline, since: Micros) -> bool {
    let (from, to) = timeline.window;
    let begin = if timeline.next.is_some() { timeline.stages.first().and_then(began) } else { from };
    begin.is_none_or(|begin| begin <= since) && to.is_none_or(|to| to > timeline.now)
}

/// What people did since a moment.
fn done_since(timeline: &Timeline, since: Micros) -> Vec<String> {
    const DEEDS: [&str; 9] = [
        "modified",
        "setup_tests",
        "paused",
        "resumed",
        "resync_triggered",
        "manual_sync_triggered",
        "support_access",
        "deleted",
        "initialized",
    ];
    let is_deed = |stage: &&Value| {
        let kind = text(stage, "stage").unwrap_or_default();
        // A sync changes schemas too; a person who does is named.
        DEEDS.contains(&kind) || (kind == "schema_changed" && text(stage, "actor").is_some())
    };
    let later = timeline.stages.iter().filter(|stage| began(stage).is_some_and(|at| at >= since));
    later
        .filter(is_deed)
        .map(|stage| format!("{}  {}", began(stage).map(moment).unwrap_or_default(), telling(stage, None)))
        .collect()
}

fn last(timeline: &Timeline) -> String {
    let connection = &timeline.connection;
    let when = |member: &str| {
        time(connection, member).map(|at| {
            let age = age(at, timeline.now);
            let ago = if age == "now" || age.starts_with("in ") { age } else { format!("{age} ago") };
            format!("{} ({ago})", moment(at))
        })
    };
    let success = when("last_successful_sync_completed_at");
    let success = success.map_or("no success seen".to_owned(), |at| format!("success {at}"));
    let started = when("last_sync_started_at").map(|at| format!("; sync started {at}")).unwrap_or_default();
    format!("{success}{started}")
}

/// What is expected next.
fn next(timeline: &Timeline) -> Option<String> {
    let connection = &timeline.connection;
    let status = text(connection, "status").unwrap_or_default();
    if matches!(status, "deleted" | "paused") {
        return Some(format!("nothing while it is {status}"));
    }
    let running = connection["running_syncs"].as_array().map_or(0, Vec::len) as u64;
    if running > 0 {
        return Some(format!("{} under way", counted(running, "sync is", "syncs are")));
    }
    if let Some(at) = time(connection, "rescheduled_at") {
        return Some(format!("goes on {} UTC", moment(at)));
    }
    let minutes = connection["sync_frequency_minutes"].as_i64().filter(|minutes| *minutes > 0)?;
    let every = format!("every {}", span(minutes.saturating_mul(60_000_000)));
    if text(connection, "schedule_type") == Some("manual") {
        return Some("when somebody asks for it".to_owned());
    }
    let Some(at) = time(connection, "last_sync_started_at") else { return Some(every) };
    let at = at.saturating_add(minutes.saturating_mul(60_000_000));
    Some(if at < timeline.now {
        format!("was expected about {} UTC ({every})", moment(at))
    } else {
        format!("about {} UTC ({every})", moment(at))
    })
}

fn counts(connection: &Value) -> String {
    let syncs = &connection["syncs"];
    let words =
        [("successful", "successful"), ("failed", "failed"), ("rescheduled", "put off"), ("canceled", "canceled")];
    let parts: Vec<String> = words
        .iter()
        .filter(|(member, _)| number(syncs, member) > 0)
        .map(|(member, word)| format!("{} {word}", count(number(syncs, member))))
        .collect();
    let mut words = format!("{} seen", count(number(syncs, "total")));
    if !parts.is_empty() {
        words.push_str(&format!(": {}", parts.join(", ")));
    }
    for (member, one, many) in [
        ("errors_since_last_completed_sync", "error", "errors"),
        ("warnings_since_last_completed_sync", "warning", "warnings"),
    ] {
        if number(connection, member) > 0 {
            words.push_str(&format!("; {} since the last success", counted(number(connection, member), one, many)));
        }
    }
    words
}
