//! The grammar of Heroku Connect's messages.
//!
//! In: a message, the level and the state beside it. Out: what it says. Never refused: a message of no known form is kept as it is.

use super::super::Made;
use regex::{Captures, Regex};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Longest message that is parsed, in bytes; a longer one is kept and called what its level says.
const MESSAGE_BYTES_MAX: usize = 16 << 10;

/// Objects that one message may name.
const OBJECTS_MAX: usize = 200;

/// What a message says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Message {
    /// A mapping is loaded anew.
    ReloadStarted { table: String },
    /// Its table was emptied first.
    TableCleared { table: String },
    /// Its rows are coming.
    LoadStarted { table: String, api: String },
    /// All of them came.
    ReloadCompleted,
    /// Rows were read or written.
    Rows(Rows),
    /// A part of a bulk job is done.
    BulkBatch { batch: u64, batches: u64, empty: u64, id: Option<String>, job: Option<String> },
    /// A poll between two polls.
    StreamingPoll { object: String, changes: u64 },
    /// It leaves off for a while.
    BackOff { kind: String, seconds: u64 },
    /// One of the errors that people are told of, or its end.
    Notification { kind: &'static str, resolved: bool },
    /// Somebody changed something.
    Configuration { actor: Option<String>, action: String, what: String },
    /// Something failed.
    Error,
    /// Worth a look.
    Warning,
    /// Anything else.
    Other,
}

/// Rows that were read or written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rows {
    /// Objects with their rows, where the message counts them apart.
    pub objects: Vec<(String, Option<u64>)>,
    /// `QUERY`, `QUERY MORE`, `INSERT`, `UPDATE`, `DELETE`.
    pub operation: String,
    /// As it came.
    pub arrow: String,
    /// `SALESFORCE` or `DATABASE`.
    pub target: String,
    /// In all.
    pub rows: u64,
    /// Text of a number, as it came.
    pub seconds: String,
    /// `SOAP`, `BULK`.
    pub api: Option<String>,
}

impl Rows {
    /// From where to where, where arrow and target agree on it.
    pub fn direction(&self) -> Option<&'static str> {
        match (self.arrow.as_str(), self.target.as_str()) {
            ("↷" | "↶" | "↻", "SALESFORCE") => Some("from_salesforce"),
            ("↑", "SALESFORCE") => Some("to_salesforce"),
            ("↓", "DATABASE") => Some("to_database"),
            ("↷" | "↶" | "↻", "DATABASE") => Some("from_database"),
            _ => None,
        }
    }
}

fn regex(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern")
}

static ROWS: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"^(?:(?P<objects>\S.*?) )?(?P<operation>QUERY MORE|QUERY|INSERT|UPDATE|UPSERT|DELETE) (?P<arrow>[^\sA-Za-z0-9]{1,4}) ?(?P<target>SALESFORCE|DATABASE) (?P<rows>\d{1,15}) rows?(?: total)? \((?P<seconds>\d{1,9}(?:\.\d{1,9})?) secs?\)(?: \[(?P<api>[^\]]{1,40})\])?$",
    )
});
static RELOAD: LazyLock<Regex> = LazyLock::new(|| regex(r"^RELOAD TABLE (\S+)$"));
static CLEARED: LazyLock<Regex> = LazyLock::new(|| regex(r"^Cleared table (\S+) for load$"));
static LOADING: LazyLock<Regex> = LazyLock::new(|| regex(r"^Loading table (\S+) via (\S+)$"));
static BATCH: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"^\[(?P<batch>\d{1,9})/(?P<batches>\d{1,9})\] Completed (?:(?P<empty>\d{1,9}) Empty Bulk Batch(?:es)?|Bulk Batch(?: (?P<id>\S+))?)(?: from Bulk Job(?: (?P<job>\S+))?)?",
    )
});
static STREAMING: LazyLock<Regex> =
    LazyLock::new(|| regex(r"^(?P<object>\S+), Streaming poll found (?P<changes>\d{1,15}) changes?"));
static BACK_OFF: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?i)\btoo many (?P<kind>polling|bulk|sync) errors\b.{0,80}?\bup to (?P<number>\d{1,6}) (?P<unit>second|minute|hour)",
    )
});
static BY_SOMEBODY: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?i)^(?:user )?(?P<actor>[^\s@]{1,200}@[^\s@]{1,200}) (?P<action>updated|added|modified|created|deleted|removed|imported|exported|reloaded|aborted|paused|resumed|enabled|disabled|changed|recovered|reauthorized) (?P<what>.{1,500})$",
    )
});
static WAS_DONE: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?i)^(?P<what>.{1,500}?) (?:was |were |has been )?(?P<action>updated|added|modified|created|deleted|removed|imported|exported|reloaded|aborted|paused|resumed|enabled|disabled|changed|recovered|reauthorized) by (?:user )?(?P<actor>[^\s@]{1,200}@[^\s@]{1,200}?)\.?$",
    )
});

/// What people are told of, and the texts that tell it.
const NOTIFICATIONS: &[(&str, &str)] = &[
    ("bad_configuration", "bad configuration"),
    ("change_user_permissions", "change user permissions"),
    ("connection_error", "connection error"),
    ("database_unavailable", "database unavailable"),
    ("reauthorization_required", "reauthorization required"),
    ("salesforce_bulk_load_error", "salesforce bulk load error"),
    ("delayed_synchronization", "delayed synchronization"),
];

/// Stems of what administrators do.
const ACTIONS: &[&str] = &[
    "updat",
    "add",
    "modif",
    "creat",
    "delet",
    "remov",
    "import",
    "export",
    "reload",
    "abort",
    "paus",
    "resum",
    "enabl",
    "disabl",
    "chang",
    "recover",
    "reauthoriz",
];

/// A stem as the past that logs are written in.
fn done(stem: &str) -> String {
    if stem == "modif" { "modified".to_owned() } else { format!("{stem}ed") }
}

impl Message {
    /// Reads a message.
    pub fn parse(text: &str, level: &str, state: &str) -> Self {
        let text = text.trim();
        if text.len() > MESSAGE_BYTES_MAX {
            return Self::by_level(level, state);
        }
        let get = |found: &Captures<'_>, name: &str| found.name(name).map(|it| it.as_str().to_owned());
        let number = |found: &Captures<'_>, name: &str| found.name(name).and_then(|it| it.as_str().parse().ok());
        if let Some(found) = ROWS.captures(text) {
            let text = |name| get(&found, name).unwrap_or_default();
            return Self::Rows(Rows {
                objects: objects(&text("objects")),
                operation: text("operation"),
                arrow: text("arrow"),
                target: text("target"),
                rows: number(&found, "rows").unwrap_or(0),
                seconds: text("seconds"),
                api: get(&found, "api"),
            });
        }
        if let Some(found) = BATCH.captures(text) {
            return Self::BulkBatch {
                batch: number(&found, "batch").unwrap_or(0),
                batches: number(&found, "batches").unwrap_or(0),
                empty: number(&found, "empty").unwrap_or(0),
                id: get(&found, "id").filter(|id| id != "…"),
                job: get(&found, "job").filter(|job| job != "…"),
            };
        }
        if let Some(found) = STREAMING.captures(text) {
            let object = get(&found, "object").unwrap_or_default();
            return Self::StreamingPoll { object, changes: number(&found, "changes").unwrap_or(0) };
        }
        if let Some(found) = BACK_OFF.captures(text) {
            let unit = match &found["unit"].to_ascii_lowercase()[..] {
                "hour" => 3_600,
                "minute" => 60,
                _ => 1,
            };
            let seconds = number(&found, "number").unwrap_or(0_u64).saturating_mul(unit);
            return Self::BackOff { kind: found["kind"].to_ascii_lowercase(), seconds };
        }
        if text == "RELOAD COMPLETE" {
            return Self::ReloadCompleted;
        }
        if let Some(found) = RELOAD.captures(text) {
            return Self::ReloadStarted { table: found[1].to_owned() };
        }
        if let Some(found) = CLEARED.captures(text) {
            return Self::TableCleared { table: found[1].to_owned() };
        }
        if let Some(found) = LOADING.captures(text) {
            return Self::LoadStarted { table: found[1].to_owned(), api: found[2].to_owned() };
        }
        if let Some(notification) = notification(text) {
            return notification;
        }
        if let Some(found) = BY_SOMEBODY.captures(text).or_else(|| WAS_DONE.captures(text)) {
            return Self::Configuration {
                actor: get(&found, "actor"),
                action: found["action"].to_ascii_lowercase(),
                what: get(&found, "what").unwrap_or_default(),
            };
        }
        Self::by_level(level, state)
    }

    /// What a message without a form is when somebody stands beside it who did it.
    pub fn done_by(self, text: &str, actor: Option<&str>) -> Self {
        match (self, actor) {
            (Self::Other, Some(actor)) => {
                let words = text.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
                let verb = words.filter_map(|word| ACTIONS.iter().find(|action| word.starts_with(**action))).next();
                // The stem of the verb, in the form that the log uses.
                let action = verb.map_or("changed".to_owned(), |stem| done(stem));
                Self::Configuration { actor: Some(actor.to_owned()), action, what: text.to_owned() }
            }
            (Self::Configuration { actor: None, action, what }, actor) => {
                Self::Configuration { actor: actor.map(str::to_owned), action, what }
            }
            (other, _) => other,
        }
    }

    fn by_level(level: &str, state: &str) -> Self {
        use crate::model::Level;
        match Level::parse(level) {
            Some(Level::Severe) => Self::Error,
            _ if state.eq_ignore_ascii_case("SYSTEM_ERROR") => Self::Error,
            Some(Level::Warning) => Self::Warning,
            _ => Self::Other,
        }
    }

    /// Name of its event.
    pub const fn event_name(&self) -> &'static str {
        match self {
            Self::ReloadStarted { .. } => "heroku_connect_reload_started",
            Self::TableCleared { .. } => "heroku_connect_table_cleared",
            Self::LoadStarted { .. } => "heroku_connect_load_started",
            Self::ReloadCompleted => "heroku_connect_reload_completed",
            Self::Rows(_) => "heroku_connect_rows",
            Self::BulkBatch { .. } => "heroku_connect_bulk_batch",
            Self::StreamingPoll { .. } => "heroku_connect_streaming_poll",
            Self::BackOff { .. } => "heroku_connect_back_off",
            Self::Notification { .. } => "heroku_connect_notification",
            Self::Configuration { .. } => "heroku_connect_configuration",
            Self::Error => "heroku_connect_error",
            Self::Warning => "heroku_connect_warning",
            Self::Other => "heroku_connect_message",
        }
    }

    /// The level that follows from what it says, whatever the line claims.
    pub const fn level(&self) -> Option<&'static str> {
        match self {
            Self::Error => Some("SEVERE"),
            Self::BackOff { .. } | Self::Warning | Self::Notification { resolved: false, .. } => Some("WARNING"),
            _ => None,
        }
    }

    /// Adds what it says to an event's data.
    pub fn put_into(self, made: &mut Made) {
        match self {
            Self::ReloadStarted { table } | Self::TableCleared { table } => made.put("table", table),
            Self::LoadStarted { table, api } => {
                made.put("table", table);
                made.put("api", api);
            }
            Self::Rows(rows) => {
                made.put_some("direction", rows.direction());
                let objects = rows.objects.into_iter();
                let objects = objects.map(|(object, count)| match count {
                    Some(rows) => json!({"object": object, "rows": rows}),
                    None => json!({"object": object}),
                });
                made.put("objects", objects.collect::<Vec<_>>());
                made.put("operation", rows.operation);
                made.put("arrow", rows.arrow);
                made.put("target", rows.target);
                made.put("rows", rows.rows);
                made.put("seconds", serde_json::from_str::<Value>(&rows.seconds).unwrap_or(Value::Null));
                made.put_some("api", rows.api);
            }
            Self::BulkBatch { batch, batches, empty, id, job } => {
                made.put("batch", batch);
                made.put("batches", batches);
                made.put("empty_batches", empty);
                made.put_some("batch_id", id);
                made.put_some("job_id", job);
            }
            Self::StreamingPoll { object, changes } => {
                made.put("object", object);
                made.put("changes", changes);
            }
            Self::BackOff { kind, seconds } => {
                made.put("operation", kind);
                made.put("back_off_seconds", seconds);
            }
            Self::Notification { kind, resolved } => {
                made.put("notification", kind);
                made.put("resolved", resolved);
            }
            Self::Configuration { actor, action, what } => {
                made.put_some("actor", actor);
                made.put("action", action);
                made.put("what", what);
            }
            Self::ReloadCompleted | Self::Error | Self::Warning | Self::Other => {}
        }
    }
}

/// `6 Account, 5 Contact` or `Account`.
fn objects(text: &str) -> Vec<(String, Option<u64>)> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .take(OBJECTS_MAX)
        .map(|part| match part.split_once(' ') {
            Some((count, object)) if count.bytes().all(|b| b.is_ascii_digit()) => {
                (object.trim().to_owned(), count.parse().ok())
            }
            _ => (part.to_owned(), None),
        })
        .collect()
}

/// A notification's text begins with its kind, with or without a word in front of it.
fn notification(text: &str) -> Option<Message> {
    let lower = text.to_lowercase();
    let mut rest = lower.as_str();
    let mut resolved = false;
    for word in ["notification", "resolved", "opened", "cleared", "new"] {
        if let Some(tail) = rest.strip_prefix(word) {
            resolved |= matches!(word, "resolved" | "cleared");
            rest = tail.trim_start_matches([':', '-', ' ']);
        }
    }
    // The second word may follow the first in either order.
    for word in ["resolved", "cleared", "opened"] {
        if let Some(tail) = rest.strip_prefix(word) {
            resolved |= word != "opened";
            rest = tail.trim_start_matches([':', '-', ' ']);
        }
    }
    let (kind, tail) = NOTIFICATIONS.iter().find_map(|(kind, said)| Some((*kind, rest.strip_prefix(said)?)))?;
    if !(tail.is_empty() || tail.starts_with([' ', ':', '.', '(', '-', ','])) {
        return None;
    }
    resolved |= ["resolved", "cleared", "recovered"].iter().any(|word| tail.contains(word));
    Some(Message::Notification { kind, resolved })
}
