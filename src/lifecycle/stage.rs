//! What a fold gives out: rows of the timeline, in the public form.
//!
//! In: nothing. Out: types whose `body` is the JSON that answers carry, so that a timeline is read without being rendered again.
//! A row is known by its anchor, the first event that it speaks of (of a sync its start, where that was seen); giving it out again
//! replaces it.

use super::SyncRow;
use crate::model::{EventKey, Micros, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cell::RefCell;

/// What a stage is. The order is that of stages at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum StageKind {
    /// The connection was created.
    Initialized = 1,
    /// Setup tests ran.
    SetupTests = 2,
    /// They passed for the first time.
    Created = 3,
    /// Schemas, tables or columns were changed, by a person or by a sync.
    SchemaChanged = 4,
    /// Anything else about the connection was changed.
    Modified = 5,
    /// It was paused.
    Paused = 6,
    /// It was resumed.
    Resumed = 7,
    /// A re-sync of the connection or of a table was asked for or forced.
    ResyncTriggered = 8,
    /// A sync was asked for.
    ManualSyncTriggered = 9,
    /// A sync, from its start to its end.
    Sync = 10,
    /// A sync failed, and none had failed since the last success.
    Broken = 11,
    /// A sync succeeded, and the last had failed.
    Recovered = 12,
    /// Access of Fivetran's support to data was approved, granted, ended or expired.
    SupportAccess = 13,
    /// It was deleted.
    Deleted = 14,
}

impl StageKind {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::Initialized,
        Self::SetupTests,
        Self::Created,
        Self::SchemaChanged,
        Self::Modified,
        Self::Paused,
        Self::Resumed,
        Self::ResyncTriggered,
        Self::ManualSyncTriggered,
        Self::Sync,
        Self::Broken,
        Self::Recovered,
        Self::SupportAccess,
        Self::Deleted,
    ];

    /// The name that answers use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initialized => "initialized",
            Self::SetupTests => "setup_tests",
            Self::Created => "created",
            Self::SchemaChanged => "schema_changed",
            Self::Modified => "modified",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::ResyncTriggered => "resync_triggered",
            Self::ManualSyncTriggered => "manual_sync_triggered",
            Self::Sync => "sync",
            Self::Broken => "broken",
            Self::Recovered => "recovered",
            Self::SupportAccess => "support_access",
            Self::Deleted => "deleted",
        }
    }
}

/// What stages are ordered by: their moment, what they are, and then anything that tells them apart.
#[must_use]
pub fn stage_order(anchor: EventKey, kind: StageKind) -> (Micros, StageKind, i64) {
    (anchor.created_us, kind, anchor.hash)
}

/// One stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Its first event, or the start of a sync; with `kind` its identity and its place in time.
    pub anchor: EventKey,
    /// What it is.
    pub kind: StageKind,
    /// When it ended, where it lasted, microseconds.
    pub until_us: Option<Micros>,
    /// Of a sync: its id.
    pub sync_id: Option<String>,
    /// Of a sync: its status.
    pub status: Option<String>,
    /// Whether it belongs into the list of schema changes.
    pub schema_change: bool,
    /// The stage as the contract has it, one JSON object.
    pub body: String,
}

impl Stage {
    /// Whether it is a sync of this status, compared without the case of ASCII letters.
    #[must_use]
    pub fn has_status(&self, status: &str) -> bool {
        self.status.as_ref().is_some_and(|mine| mine.eq_ignore_ascii_case(status))
    }
}

/// One incident, as it stands. Known by its opening event.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// The event that opened it.
    pub anchor: EventKey,
    /// When it was resolved.
    pub resolved_us: Option<Micros>,
    /// Failures so far.
    pub failures: u32,
    /// The incident as the contract has it, one JSON object, without its connection.
    pub body: String,
}

/// What happened to a connection on one UTC day, by the day of each event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Day {
    /// Days since 1970.
    pub day: i64,
    /// `api_call` events and the queries of `extract_summary`.
    pub api_calls: u64,
    /// Rows of every `records_modified`.
    pub rows_modified: u64,
    /// Changes of the schema, twins counted once.
    pub schema_changes: u64,
    /// Events of every kind.
    pub events: u64,
    /// Errors.
    pub errors: u64,
    /// Warnings.
    pub warnings: u64,
    /// Syncs that ended on this day; `total` counts the ended ones.
    pub syncs: super::SyncCounts,
    /// Milliseconds that those took which have both ends.
    pub sync_ms: u64,
}

/// One run of a transformation, as it stands. Known by its first event.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its first event.
    pub anchor: EventKey,
    /// The job.
    pub job: String,
    /// `RUNNING`, `SUCCEEDED`, `FAILED`, or `INTERRUPTED`: a later run of the job started and no end was seen.
    pub status: &'static str,
    /// The run in the public form, one JSON object.
    pub body: String,
}

impl Run {
    /// Every status of a run.
    pub const STATUSES: [&'static str; 4] = ["RUNNING", "SUCCEEDED", "FAILED", "INTERRUPTED"];
}

/// A deed of a person, for the view over user activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// The event.
    pub key: EventKey,
    /// Its name.
    pub event: String,
    /// E-mail, user id or `Fivetran`.
    pub actor: String,
    /// `dashboard`, `audit` or `connector`.
    pub channel: &'static str,
    /// The event's level, upper case.
    pub level: &'static str,
    /// The event's data as JSON text.
    pub data: Option<String>,
}

/// A row that a fold gives out. A later one with the same identity replaces an earlier one.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// A stage that is settled, or changed after it was; but for syncs.
    Stage(Stage),
    /// The same of a sync.
    Sync(SyncRow),
    /// A stage that was given out and is no more, or stands at another place.
    Gone(EventKey, StageKind),
    /// An incident that was opened, grew or was resolved.
    Incident(Incident),
    /// A day that is over: a later one has begun.
    Day(Day),
    /// A transformation run that began or ended.
    Run(Run),
    /// A deed.
    Activity(Activity),
}

impl Output {
    /// The row with the stage of a sync in the public form.
    #[must_use]
    pub fn public(self) -> Self {
        match self {
            Self::Sync(row) => row.stage().map_or(Self::Sync(row), Self::Stage),
            row => row,
        }
    }
}

/// A moment as JSON: RFC 3339 in UTC with three decimals, or six where it has them. The same for every delivery of an event,
/// however precisely it was written.
#[must_use]
pub fn time_json(us: Micros) -> Value {
    Value::String(time_text(us))
}

/// See [`time_json`].
#[must_use]
pub fn time_text(us: Micros) -> String {
    let digits = if us % 1_000 == 0 { 3 } else { 6 };
    let seconds = us.div_euclid(1_000_000);
    let nanos = (us.rem_euclid(1_000_000) * 1_000) as u32;
    let mut text = String::with_capacity(28);
    match Timestamp::new(seconds, nanos, digits) {
        Ok(time) => time.write_to(&mut text),
        Err(_) => text.push_str(&us.to_string()),
    }
    text
}

/// Above this the buffer is not kept.
const SCRATCH_BYTES_MAX: usize = 1 << 20;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A public form as JSON text. They are plain data: strings, numbers and lists.
pub(super) fn text(body: &impl Serialize) -> String {
    SCRATCH.with_borrow_mut(|json| {
        json.clear();
        if serde_json::to_writer(&mut *json, body).is_err() {
            return String::new();
        }
        // As large as it is: rows wait in memory by the thousand.
        let text = std::str::from_utf8(json).unwrap_or_default().to_owned();
        if json.capacity() > SCRATCH_BYTES_MAX {
            *json = Vec::new();
        }
        text
    })
}
