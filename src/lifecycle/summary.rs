//! How a connection stands: the `connection` object of the contract.
//!
//! In: a state. Out: a [`Summary`], kept with every commit and rendered when it is asked for, because one of its members (schema
//! changes of the last thirty days) depends on the moment of asking.

use super::stage::{time_json, time_text};
use crate::model::{Micros, Source};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Seen, and nothing has run yet.
    New,
    /// Its last setup test failed, and nothing has run yet.
    SetupIncomplete,
    /// Paused.
    Paused,
    /// Its first sync is not through.
    InitialSync,
    /// A sync runs.
    Syncing,
    /// Its last sync succeeded.
    Connected,
    /// Its last sync was put off, for a quota or the like.
    Rescheduled,
    /// Its last sync failed; so until one succeeds.
    Broken,
    /// Deleted.
    Deleted,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 9] = [
        Self::New,
        Self::SetupIncomplete,
        Self::Paused,
        Self::InitialSync,
        Self::Syncing,
        Self::Connected,
        Self::Rescheduled,
        Self::Broken,
        Self::Deleted,
    ];

    /// The name that answers and filters use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::SetupIncomplete => "setup_incomplete",
            Self::Paused => "paused",
            Self::InitialSync => "initial_sync",
            Self::Syncing => "syncing",
            Self::Connected => "connected",
            Self::Rescheduled => "rescheduled",
            Self::Broken => "broken",
            Self::Deleted => "deleted",
        }
    }
}

/// The same in the words of Fivetran's own dbt package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Health {
    /// Deleted.
    #[serde(rename = "deleted")]
    Deleted,
    /// Paused.
    #[serde(rename = "paused")]
    Paused,
    /// No sync ever started.
    #[serde(rename = "incomplete")]
    Incomplete,
    /// The newest data are there, history is still on its way.
    #[serde(rename = "priority first sync")]
    PriorityFirstSync,
    /// No sync has ended yet.
    #[serde(rename = "initial sync in progress")]
    InitialSyncInProgress,
    /// The last sync failed.
    #[serde(rename = "broken")]
    Broken,
    /// All is well.
    #[serde(rename = "connected")]
    Connected,
}

impl Health {
    /// Every word.
    pub const ALL: [Self; 7] = [
        Self::Deleted,
        Self::Paused,
        Self::Incomplete,
        Self::PriorityFirstSync,
        Self::InitialSyncInProgress,
        Self::Broken,
        Self::Connected,
    ];

    /// The word that answers and filters use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Paused => "paused",
            Self::Incomplete => "incomplete",
            Self::PriorityFirstSync => "priority first sync",
            Self::InitialSyncInProgress => "initial sync in progress",
            Self::Broken => "broken",
            Self::Connected => "connected",
        }
    }
}

/// Syncs by how they ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SyncCounts {
    /// All that were seen, running ones included.
    pub total: u64,
    /// `SUCCESSFUL`.
    pub successful: u64,
    /// `FAILURE`, `FAILURE_WITH_TASK` and other failures.
    pub failed: u64,
    /// `RESCHEDULED`.
    pub rescheduled: u64,
    /// `CANCELED`.
    pub canceled: u64,
}

impl std::ops::AddAssign for SyncCounts {
    fn add_assign(&mut self, other: Self) {
        self.total += other.total;
        self.successful += other.successful;
        self.failed += other.failed;
        self.rescheduled += other.rescheduled;
        self.canceled += other.canceled;
    }
}

/// How a connection stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Its id. The caller sets it; facts do not carry it.
    #[serde(default)]
    pub connection_id: String,
    /// Its name now.
    pub connection_name: Option<String>,
    /// Its type.
    pub connector_type: Option<String>,
    /// The system that logs it.
    pub source: Source,
    /// Its destination.
    pub destination: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// The same in the words of the dbt package.
    pub health: Health,
    /// When it was created, where that was seen.
    pub created_us: Option<Micros>,
    /// When it was deleted.
    pub deleted_us: Option<Micros>,
    /// Whether it is paused.
    pub paused: bool,
    /// Minutes between scheduled syncs.
    pub sync_frequency_minutes: Option<i64>,
    /// `auto` or `manual`.
    pub schedule_type: Option<String>,
    /// `connected`, `incomplete`, `broken`.
    pub setup_status: Option<String>,
    /// `ready`, `blocked_on_capture` and so on.
    pub schema_status: Option<String>,
    /// Start of the latest sync.
    pub last_started_us: Option<Micros>,
    /// End of the latest sync that ended, however.
    pub last_completed_us: Option<Micros>,
    /// End of the latest successful sync.
    pub last_success_us: Option<Micros>,
    /// How long the latest sync took that has both ends.
    pub last_duration_us: Option<Micros>,
    /// When a rescheduled sync goes on, while it waits.
    pub rescheduled_us: Option<Micros>,
    /// Errors since the last successful sync, failed ends included.
    pub errors: u64,
    /// Warnings since the last successful sync.
    pub warnings: u64,
    /// Schema changes by day (days since 1970), of the last thirty days that the connection has seen.
    pub schema_change_days: Vec<(i64, u64)>,
    /// Syncs by how they ended.
    pub syncs: SyncCounts,
    /// The open incident, in the public form.
    pub open_incident: Option<Value>,
    /// Ids of syncs that run; `None` for one without an id.
    pub running: Vec<Option<String>>,
    /// First and last event.
    pub first_event_us: Option<Micros>,
    /// Last event.
    pub last_event_us: Option<Micros>,
    /// Events.
    pub events: u64,
    /// Events that no stage speaks of, by name. At most 64 names; `other` holds the rest.
    pub unused: BTreeMap<String, u64>,
    /// Today's counts: of the day of the last event.
    pub day: super::Day,
}

impl Summary {
    /// Schema changes of the thirty calendar days before `now`, today and later ones included.
    /// Source: the dbt package's rule, `oracle/README.md`: date(now) - date(created) <= 30.
    #[must_use]
    pub fn schema_changes_last_30_days(&self, now_us: Micros) -> u64 {
        let today = now_us.div_euclid(DAY_US);
        self.schema_change_days.iter().filter(|(day, _)| today - day <= 30).map(|(_, n)| n).sum()
    }

    /// The `connection` object of the contract at a moment.
    #[must_use]
    pub fn json(&self, now_us: Micros) -> Value {
        let time = |at: Option<Micros>| at.map_or(Value::Null, time_json);
        let mut out = Map::new();
        let mut put = |key: &str, value: Value| {
            out.insert(key.to_owned(), value);
        };
        put("connection_id", json!(self.connection_id));
        put("connection_name", json!(self.connection_name));
        put("connector_type", json!(self.connector_type));
        put("source", json!(self.source));
        put("destination", json!(self.destination));
        put("status", json!(self.status.as_str()));
        put("health", json!(self.health.as_str()));
        put("created_at", time(self.created_us));
        put("deleted_at", time(self.deleted_us));
        put("paused", json!(self.paused));
        put("sync_frequency_minutes", json!(self.sync_frequency_minutes));
        put("schedule_type", json!(self.schedule_type));
        put("setup_status", json!(self.setup_status));
        put("schema_status", json!(self.schema_status));
        put("last_sync_started_at", time(self.last_started_us));
        put("last_sync_completed_at", time(self.last_completed_us));
        put("last_successful_sync_completed_at", time(self.last_success_us));
        put("last_sync_duration_ms", json!(self.last_duration_us.map(|us| us / 1_000)));
        put("rescheduled_at", time(self.rescheduled_us));
        put("errors_since_last_completed_sync", json!(self.errors));
        put("warnings_since_last_completed_sync", json!(self.warnings));
        put("schema_changes_last_30_days", json!(self.schema_changes_last_30_days(now_us)));
        put("syncs", json!(self.syncs));
        put("running_syncs", json!(self.running));
        put("open_incident", self.open_incident.clone().unwrap_or(Value::Null));
        put("first_event_at", self.first_event_us.map_or(Value::Null, |us| Value::String(time_text(us))));
        put("last_event_at", time(self.last_event_us));
        put("events", json!(self.events));
        Value::Object(out)
    }
}
