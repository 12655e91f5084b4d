//! A sync as it is kept: a third of what answers say, and the same once it is written out.
//!
//! In: a sync. Out: a row whose body is JSON without names of tables' members, without what is empty or usual, and with moments told
//! from its anchor on; and from such a row the stage in the public form. Syncs are most of what a life gives out, so their size
//! is what folding costs the disk; plain JSON, so that the views over the database can read it.

use super::{INTERRUPTED, Message, Outcome, Span, Sync, SyncKind, Trigger, TriggerKind, view};
use crate::{
    lifecycle::{
        Import, Stage, StageKind,
        tables::{Rows, TableView},
        text,
    },
    model::{EventKey, Micros},
};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeMap};

/// A stage of kind [`StageKind::Sync`], as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncRow {
    /// Its start, or its first event where no start was seen.
    pub anchor: EventKey,
    /// When it ended, microseconds.
    pub until_us: Option<Micros>,
    /// Its id.
    pub sync_id: Option<String>,
    /// Its status.
    pub status: String,
    /// What else is known of it, one JSON object.
    pub body: String,
    /// The data of its `sync_stats`, as they came.
    pub stats: Option<Box<str>>,
}

impl SyncRow {
    /// The stage in the public form; `None` when the body is damaged.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        let kept: Kept<'_> = serde_json::from_str(&self.body).ok()?;
        Some(Stage {
            anchor: self.anchor,
            kind: StageKind::Sync,
            until_us: self.until_us,
            sync_id: self.sync_id.clone(),
            status: Some(self.status.clone()),
            schema_change: false,
            body: text(&view::Body::of(self, &kept)),
        })
    }
}

/// A moment, in microseconds since the anchor.
type Since = Micros;
/// Schema, name, start and end of its write, records read, rows. The view `audit_table` reads it.
type Table<'s> = (Option<Cow<'s, str>>, Cow<'s, str>, Option<Since>, Option<Since>, Option<u64>, Cow<'s, Rows>);

/// What a sync's columns do not say. What is missing is at its usual value.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept<'s> {
    #[serde(rename = "k", skip_serializing_if = "Option::is_none")]
    kind: Option<SyncKind>,
    /// The view `audit_table` reads it.
    #[serde(rename = "b", skip_serializing_if = "Option::is_none")]
    pub started: Option<Since>,
    #[serde(rename = "c", skip_serializing_if = "Option::is_none")]
    pub trigger: Option<(TriggerKind, Option<Cow<'s, str>>, Option<EventKey>)>,
    #[serde(rename = "r", skip_serializing_if = "Option::is_none")]
    reason: Option<Cow<'s, str>>,
    #[serde(rename = "a", skip_serializing_if = "Option::is_none")]
    pub task_type: Option<Cow<'s, str>>,
    #[serde(rename = "d", skip_serializing_if = "Option::is_none")]
    pub rescheduled_us: Option<Micros>,
    #[serde(rename = "z", skip_serializing_if = "is_zero")]
    pub last: Since,
    #[serde(rename = "p", skip_serializing_if = "is_none_of")]
    pub phases: [Option<Span>; 3],
    #[serde(rename = "t", skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<Table<'s>>,
    #[serde(rename = "o", skip_serializing_if = "is_none")]
    pub tables_omitted: u64,
    /// Tables that were written, where those are not all of them.
    #[serde(rename = "w", skip_serializing_if = "Option::is_none")]
    written: Option<usize>,
    /// Rows of all tables, where those are not the rows of the only one.
    #[serde(rename = "s", skip_serializing_if = "Option::is_none")]
    rows: Option<Cow<'s, Rows>>,
    #[serde(rename = "q", skip_serializing_if = "Option::is_none")]
    pub queries: Option<u64>,
    #[serde(rename = "l", skip_serializing_if = "is_none")]
    pub api_calls: u64,
    #[serde(rename = "x", skip_serializing_if = "Option::is_none")]
    pub rows_extracted: Option<u64>,
    #[serde(rename = "y", skip_serializing_if = "Option::is_none")]
    pub bytes_extracted: Option<u64>,
    #[serde(rename = "h", skip_serializing_if = "Option::is_none")]
    pub import: Option<Import>,
    #[serde(rename = "u", skip_serializing_if = "is_none")]
    pub warnings: u64,
    #[serde(rename = "v", skip_serializing_if = "is_none")]
    pub errors: u64,
    #[serde(rename = "m", skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<(Since, i64, bool, Cow<'s, Message>)>,
    #[serde(rename = "f", skip_serializing_if = "is_empty")]
    pub exceptions: Cow<'s, [Box<str>]>,
    #[serde(rename = "n")]
    pub events: u64,
    #[serde(rename = "i", skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<(Since, i64)>,
    /// What became of tables, by their place among them.
    #[serde(rename = "e", skip_serializing_if = "BTreeMap::is_empty")]
    pub statuses: BTreeMap<usize, Cow<'s, str>>,
    #[serde(rename = "j", skip_serializing_if = "Option::is_none")]
    pub job: Option<Cow<'s, str>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(n: &i64) -> bool {
    *n == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_none(n: &u64) -> bool {
    *n == 0
}

fn is_none_of(phases: &[Option<Span>; 3]) -> bool {
    phases.iter().all(Option::is_none)
}

fn is_empty(list: &[Box<str>]) -> bool {
    list.is_empty()
}

impl Sync {
    /// As it stands.
    pub fn row(&self) -> SyncRow {
        SyncRow {
            anchor: self.anchor,
            until_us: self.ended.as_ref().map(|end| end.key.created_us),
            sync_id: self.id.as_ref().map(ToString::to_string),
            status: self.status().to_owned(),
            body: text(&self.kept()),
            stats: self.stats.clone(),
        }
    }

    fn kept(&self) -> Kept<'_> {
        let since = |us: Micros| us.wrapping_sub(self.anchor.created_us);
        let ending = self.ended.as_ref().map(|end| &end.ending);
        let (views, rows) = (self.tables.views(), self.tables.rows());
        let implied = match views.as_slice() {
            [only] => *only.rows == *rows,
            _ => rows.is_empty(),
        };
        Kept {
            kind: Some(self.kind).filter(|kind| *kind != SyncKind::Incremental),
            started: self.started_us().map(since),
            trigger: self
                .trigger
                .as_ref()
                .map(|Trigger { kind, actor, event, at: _ }| (*kind, actor.as_deref().map(Cow::Borrowed), *event)),
            reason: ending.and_then(|it| it.reason.as_deref()).map(Cow::Borrowed),
            task_type: ending.and_then(|it| it.task_type.as_deref()).map(Cow::Borrowed),
            rescheduled_us: ending.and_then(|it| it.rescheduled_us),
            last: since(self.last_us),
            phases: self.phases.map(|span| span.map(|Span(from, to)| Span(since(from), since(to)))),
            statuses: (views.iter().enumerate())
                .filter_map(|(at, view)| Some((at, Cow::Borrowed(view.status?))))
                .collect(),
            job: self.job.as_deref().map(Cow::Borrowed),
            written: Some(self.tables.written()).filter(|written| *written != views.len()),
            tables: views
                .into_iter()
                .map(|TableView { schema, table, started, ended, read, rows, status: _ }| {
                    (schema, table, started.map(since), ended.map(since), read, rows)
                })
                .collect(),
            tables_omitted: self.tables.omitted(),
            rows: Some(Cow::Borrowed(rows)).filter(|_| !implied),
            queries: self.queries,
            api_calls: self.api_calls,
            rows_extracted: self.rows_extracted,
            bytes_extracted: self.bytes_extracted,
            import: self.import,
            warnings: self.warnings.into(),
            errors: self.errors.into(),
            messages: self
                .messages
                .iter()
                .map(|(key, error, message)| (since(key.created_us), key.hash, *error, Cow::Borrowed(message)))
                .collect(),
            exceptions: Cow::Borrowed(&self.exceptions),
            events: self.events,
            ids: self.ids.iter().map(|key| (since(key.created_us), key.hash)).collect(),
        }
    }
}

impl Kept<'_> {
    /// What kind of sync it is.
    pub fn kind(&self) -> SyncKind {
        self.kind.unwrap_or(SyncKind::Incremental)
    }

    /// How long it took, where both ends were seen in this order. `ended`: since the anchor.
    pub fn duration_us(&self, ended: Option<Since>) -> Option<Micros> {
        ended?.checked_sub(self.started?).filter(|us| *us >= 0)
    }

    /// What its end came to.
    pub fn outcome(&self, status: &str) -> Outcome {
        Outcome::told(status, self.reason.as_deref())
    }

    /// Why it ended so: what the end says, else its last error.
    pub fn reason(&self, row: &SyncRow) -> Option<&str> {
        row.until_us?;
        if let Some(reason) = &self.reason {
            return Some(reason);
        }
        let error = || self.messages.iter().rev().find(|(_, _, error, _)| *error);
        let text = || error().and_then(|(.., message)| message.text.as_deref());
        (self.outcome(&row.status) == Outcome::Failure).then(text).flatten()
    }

    /// Whether a later sync began and no end was seen.
    pub fn is_broken_off(row: &SyncRow) -> bool {
        row.until_us.is_none() && row.status == INTERRUPTED
    }

    /// Rows of all tables by operation.
    pub fn rows(&self) -> Cow<'_, Rows> {
        match (&self.rows, self.tables.as_slice()) {
            (Some(rows), _) => Cow::Borrowed(rows),
            (None, [(.., rows)]) => Cow::Borrowed(rows),
            (None, _) => Cow::Owned(Rows::default()),
        }
    }

    /// Records read for all tables; `None` where nobody said.
    pub fn records_read(&self) -> Option<u64> {
        self.tables.iter().filter_map(|(.., read, _)| *read).reduce(u64::saturating_add)
    }

    /// How many tables were written.
    pub fn written(&self) -> usize {
        self.written.unwrap_or(self.tables.len())
    }
}
