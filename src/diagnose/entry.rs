//! One entry of the catalogue, as its file writes it and as answers show it.

use super::symptom::Symptom;
use crate::model::Source;
use serde::{Deserialize, Serialize};

/// Who has to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// Somebody who may change the connection or the account in Fivetran.
    YouInFivetran,
    /// Somebody who may change the connection in Heroku Connect.
    YouInHerokuConnect,
    /// Somebody who runs the backup or restore job.
    YouInSalesforceBackup,
    /// Somebody who may change the data connection in Code42.
    YouInCode42,
    /// Whoever looks after the source.
    Source,
    /// Whoever looks after the destination.
    Destination,
    /// The company behind the service that reported it.
    Vendor,
    /// Nobody: it passes by itself or is no problem.
    Nobody,
}

impl Who {
    /// Everybody.
    pub const ALL: [Self; 8] = [
        Self::YouInFivetran,
        Self::YouInHerokuConnect,
        Self::YouInSalesforceBackup,
        Self::YouInCode42,
        Self::Source,
        Self::Destination,
        Self::Vendor,
        Self::Nobody,
    ];

    /// The name that answers and files use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::YouInFivetran => "you_in_fivetran",
            Self::YouInHerokuConnect => "you_in_heroku_connect",
            Self::YouInSalesforceBackup => "you_in_salesforce_backup",
            Self::YouInCode42 => "you_in_code42",
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Vendor => "vendor",
            Self::Nobody => "nobody",
        }
    }

    /// For a person who reads on.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::YouInFivetran => "you, in Fivetran",
            Self::YouInHerokuConnect => "you, in Heroku Connect",
            Self::YouInSalesforceBackup => "you, in Salesforce Backup",
            Self::YouInCode42 => "you, in Code42",
            Self::Source => "whoever looks after the source",
            Self::Destination => "whoever looks after the destination",
            Self::Vendor => "the vendor",
            Self::Nobody => "nobody",
        }
    }
}

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Data may be late or incomplete.
    Warning,
    /// Data does not arrive.
    Error,
}

impl Severity {
    /// The name that answers and files use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// How long it usually lasts: from the moment that the steps are done or, for what passes by itself, from its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// In words.
    pub text: String,
    /// In minutes; null where nobody can say.
    #[serde(default)]
    pub minutes: Option<u32>,
}

/// One word or several, any of which fits.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Words {
    One(String),
    Many(Vec<String>),
}

impl Words {
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(word) => std::slice::from_ref(word),
            Self::Many(words) => words,
        }
    }
}

/// Conditions that must all hold.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawMatcher {
    pub event: Option<Words>,
    pub status: Option<Words>,
    pub task_type: Option<Words>,
    pub r#type: Option<Words>,
    pub code: Option<Words>,
    pub level: Option<Words>,
    pub text: Option<Words>,
    pub scope: Scope,
}

/// How much a matcher's text, or part of a task's name, tells.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Scope {
    /// One cause.
    #[default]
    Cause,
    /// A family that many systems know: a limit on calls, a refused connection.
    Family,
    /// No more than the field: something took too long.
    Broad,
}

/// What an entry must fit, or must not: a text, or the parts of a symptom.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum RawExample {
    Text(String),
    Parts {
        event: Option<String>,
        status: Option<String>,
        task_type: Option<String>,
        r#type: Option<String>,
        code: Option<String>,
        level: Option<String>,
        text: Option<String>,
    },
}

impl RawExample {
    /// As a symptom that this system reports.
    pub fn symptom(&self, source: Source) -> Symptom<'_> {
        let cow = |text: &'_ Option<String>| text.clone().map(Into::into);
        match self {
            Self::Text(text) => Symptom { source: Some(source), ..Symptom::of_text(text) },
            Self::Parts { event, status, task_type, r#type, code, level, text } => Symptom {
                source: Some(source),
                event: cow(event),
                status: cow(status),
                task_type: cow(task_type),
                kind: cow(r#type),
                code: cow(code),
                level: cow(level),
                text: cow(text),
            },
        }
    }
}

/// An entry as its file writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEntry {
    pub code: String,
    pub title: String,
    pub cause: String,
    pub fix: Vec<String>,
    pub who: Who,
    pub transient: bool,
    pub retriable: bool,
    pub severity: Severity,
    pub recovery: Recovery,
    pub reference: String,
    pub r#match: Vec<RawMatcher>,
    #[serde(default)]
    pub examples: Vec<RawExample>,
    #[serde(default)]
    pub near_misses: Vec<RawExample>,
}

/// A file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    pub system: Source,
    #[serde(default)]
    pub entry: Vec<RawEntry>,
}

/// One entry of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Stable name: `system.theme.problem`.
    pub code: String,
    /// The system that it is about.
    pub system: Source,
    /// What it is, in one line.
    pub title: String,
    /// Why it happens.
    pub cause: String,
    /// What to do, in this order.
    pub fix: Vec<String>,
    /// Who has to move.
    pub who: Who,
    /// Whether it passes by itself.
    pub transient: bool,
    /// Whether trying again without changing anything can help.
    pub retriable: bool,
    /// How much it matters.
    pub severity: Severity,
    /// How long it usually lasts.
    pub recovery: Recovery,
    /// A public page about it.
    pub reference: String,
}

impl Entry {
    /// Whether a person of ours has to do something. What the vendor must repair needs a person only when it does not pass by
    /// itself: somebody has to report it.
    #[must_use]
    pub const fn user_action_required(&self) -> bool {
        match self.who {
            Who::Nobody => false,
            Who::Vendor => !self.transient,
            _ => true,
        }
    }

    /// As answers show it.
    #[must_use]
    pub fn diagnosis(&self) -> Diagnosis<'_> {
        Diagnosis {
            code: &self.code,
            title: &self.title,
            cause: &self.cause,
            fix: &self.fix,
            user_action_required: self.user_action_required(),
            transient: self.transient,
            who: self.who,
            retriable: self.retriable,
            severity: self.severity,
            recovery: &self.recovery,
            reference: &self.reference,
        }
    }
}

/// An entry as answers show it.
#[derive(Debug, Clone, Serialize)]
pub struct Diagnosis<'e> {
    /// Stable name.
    pub code: &'e str,
    /// What it is, in one line.
    pub title: &'e str,
    /// Why it happens.
    pub cause: &'e str,
    /// What to do, in this order.
    pub fix: &'e [String],
    /// Whether a person of ours has to do something.
    pub user_action_required: bool,
    /// Whether it passes by itself.
    pub transient: bool,
    /// Who has to move.
    pub who: Who,
    /// Whether trying again without changing anything can help.
    pub retriable: bool,
    /// How much it matters.
    pub severity: Severity,
    /// How long it usually lasts.
    pub recovery: &'e Recovery,
    /// A public page about it.
    pub reference: &'e str,
}
