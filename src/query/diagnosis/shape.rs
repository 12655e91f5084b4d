//! The shapes of answers about errors, for the interface's document.
//!
//! In: nothing. Out: schemas. Entries are written once and passed on as they are, so the document takes their shape from here, and a
//! test compares the two.

use utoipa::ToSchema;

/// What a problem means and how it goes away.
#[derive(Debug, ToSchema)]
pub struct Diagnosis {
    /// Stable name of the explanation.
    #[schema(example = "fivetran.task.reconnect")]
    pub code: String,
    /// What it is, in one line.
    pub title: String,
    /// Why it happens.
    pub cause: String,
    /// What to do, in this order.
    pub fix: Vec<String>,
    /// Whether a person has to do something.
    pub user_action_required: bool,
    /// Whether it passes by itself.
    pub transient: bool,
    /// Who has to move: `you_in_fivetran`, `you_in_heroku_connect`, `you_in_salesforce_backup`, `you_in_code42`, `source`,
    /// `destination`, `vendor` or `nobody`.
    #[schema(example = "you_in_fivetran")]
    pub who: String,
    /// Whether trying again without changing anything can help.
    pub retriable: bool,
    /// `info`, `warning` or `error`.
    #[schema(example = "error")]
    pub severity: String,
    /// How long it usually lasts.
    pub recovery: Recovery,
    /// A public page about it.
    pub reference: String,
}

/// How long it usually lasts, from the moment that the steps are done.
#[derive(Debug, ToSchema)]
pub struct Recovery {
    /// In words.
    pub text: String,
    /// In minutes; null where nobody can say.
    #[schema(required = true)]
    pub minutes: Option<u32>,
}

/// An explanation that fits.
#[derive(Debug, ToSchema)]
pub struct DiagnosisMatch {
    /// The explanation.
    #[serde(flatten)]
    pub diagnosis: Diagnosis,
    /// The system that it is about.
    #[schema(example = "fivetran")]
    pub system: String,
    /// By what it was found: `code`, `text`, `task_type`, `type`, `status`, `event`, `level`.
    pub matched: Vec<String>,
}

/// What a text or a code means.
#[derive(Debug, ToSchema)]
pub struct Diagnoses {
    /// Explanations, the likeliest first; at most ten, none when nothing is known.
    pub data: Vec<DiagnosisMatch>,
    /// Always null: there is one page.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
    /// The text without numbers, ids, names, hosts and times; null without a text.
    #[schema(required = true)]
    pub template: Option<String>,
}

/// An error that nothing explains.
#[derive(Debug, ToSchema)]
pub struct UnknownError {
    /// The text without numbers, ids, names, hosts and times.
    #[schema(example = "Moon phase <n> is not supported by <host>")]
    pub template: String,
    /// How often it came.
    pub count: u64,
    /// First time within the window.
    #[schema(format = DateTime)]
    pub first_seen: String,
    /// Last time.
    #[schema(format = DateTime)]
    pub last_seen: String,
    /// The latest event with it.
    #[schema(required = true)]
    pub example_event_id: Option<String>,
    /// What that event said, cut to 500 characters.
    #[schema(required = true)]
    pub example: Option<String>,
    /// Names of the events.
    pub events: Vec<String>,
    /// The systems that reported it.
    pub sources: Vec<String>,
    /// Connections, at most 20.
    pub connections: Vec<String>,
    /// How many connections; at most 1,000 are counted.
    pub connections_total: usize,
}

/// Errors that nothing explains.
#[derive(Debug, ToSchema)]
pub struct UnknownErrors {
    /// The most frequent first.
    pub data: Vec<UnknownError>,
    /// Always null: there is one page.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
    /// Events from this moment on were looked at.
    #[schema(format = DateTime)]
    pub from: String,
    /// How many warnings and errors were looked at.
    pub scanned: usize,
    /// Whether that was all of them; otherwise the newest.
    pub complete: bool,
}
