//! How a connection stands: the `connection` object of the contract.
//!
//! In: a state. Out: a [`Summary`], kept with every commit and rendered when it is asked for, because one of its members (schema
//! changes of the last thirty days) depends on the moment of asking.

use super::stage::time_text;
use crate::model::{DAY_US, Micros, Source};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

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
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub connection_id: String,
    /// Its name now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_name: Option<String>,
    /// Its type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector_type: Option<String>,
    /// The system that logs it.
    pub source: Source,
    /// Its destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// The same in the words of the dbt package.
    pub health: Health,
    /// When it was created, where that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_us: Option<Micros>,
    /// When it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_us: Option<Micros>,
    /// Whether it is paused.
    pub paused: bool,
    /// Minutes between scheduled syncs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_frequency_minutes: Option<i64>,
    /// `auto` or `manual`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_type: Option<String>,
    /// `connected`, `incomplete`, `broken`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_status: Option<String>,
    /// `ready`, `blocked_on_capture` and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_status: Option<String>,
    /// Start of the latest sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_started_us: Option<Micros>,
    /// End of the latest sync that ended, however.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_completed_us: Option<Micros>,
    /// End of the latest successful sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success_us: Option<Micros>,
    /// How long the latest sync took that has both ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_duration_us: Option<Micros>,
    /// When a rescheduled sync goes on, while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescheduled_us: Option<Micros>,
    /// Errors since the last successful sync, failed ends included.
    pub errors: u64,
    /// Warnings since the last successful sync.
    pub warnings: u64,
    /// Schema changes by day (days since 1970), of the last thirty days that the connection has seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schema_change_days: Vec<(i64, u64)>,
    /// Syncs by how they ended.
    pub syncs: SyncCounts,
    /// The open incident, in the public form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_incident: Option<Value>,
    /// Ids of syncs that run; `None` for one without an id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub running: Vec<Option<String>>,
    /// First and last event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_event_us: Option<Micros>,
    /// Last event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_event_us: Option<Micros>,
    /// Events.
    pub events: u64,
    /// Events that no stage speaks of, by name. At most 64 names; `other` holds the rest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unused: BTreeMap<String, u64>,
    /// Today's counts: of the day of the last event.
    pub day: super::Day,
    /// Mappings of a Heroku Connect add-on, in the public form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mappings: Vec<Value>,
}

impl Summary {
    /// Schema changes of the thirty calendar days before `now`, today and later ones included.
    /// Source: the dbt package's rule, `oracle/README.md`: date(now) - date(created) <= 30.
    #[must_use]
    pub fn schema_changes_last_30_days(&self, now_us: Micros) -> u64 {
        let today = now_us.div_euclid(DAY_US);
        self.schema_change_days.iter().filter(|(day, _)| today - day <= 30).map(|(_, n)| n).sum()
    }

    /// The `connection` object of the contract at a moment, to be written.
    #[must_use]
    pub fn view(&self, now_us: Micros) -> SummaryView<'_> {
        let time = |at: Option<Micros>| at.map(time_text);
        SummaryView {
            connection_id: &self.connection_id,
            connection_name: self.connection_name.as_deref(),
            connector_type: self.connector_type.as_deref(),
            source: self.source,
            destination: self.destination.as_deref(),
            status: self.status,
            health: self.health,
            created_at: time(self.created_us),
            deleted_at: time(self.deleted_us),
            paused: self.paused,
            sync_frequency_minutes: self.sync_frequency_minutes,
            schedule_type: self.schedule_type.as_deref(),
            setup_status: self.setup_status.as_deref(),
            schema_status: self.schema_status.as_deref(),
            last_sync_started_at: time(self.last_started_us),
            last_sync_completed_at: time(self.last_completed_us),
            last_successful_sync_completed_at: time(self.last_success_us),
            last_sync_duration_ms: self.last_duration_us.map(|us| us / 1_000),
            rescheduled_at: time(self.rescheduled_us),
            errors_since_last_completed_sync: self.errors,
            warnings_since_last_completed_sync: self.warnings,
            schema_changes_last_30_days: self.schema_changes_last_30_days(now_us),
            syncs: self.syncs,
            running_syncs: &self.running,
            open_incident: self.open_incident.as_ref(),
            first_event_at: time(self.first_event_us),
            last_event_at: time(self.last_event_us),
            events: self.events,
            mappings: &self.mappings,
        }
    }

    /// The same as a value.
    #[must_use]
    pub fn json(&self, now_us: Micros) -> Value {
        serde_json::to_value(self.view(now_us)).unwrap_or_default()
    }
}

/// The `connection` object of the contract, in its order.
#[derive(Debug, Serialize)]
pub struct SummaryView<'s> {
    connection_id: &'s str,
    connection_name: Option<&'s str>,
    connector_type: Option<&'s str>,
    source: Source,
    destination: Option<&'s str>,
    status: Status,
    health: Health,
    created_at: Option<String>,
    deleted_at: Option<String>,
    paused: bool,
    sync_frequency_minutes: Option<i64>,
    schedule_type: Option<&'s str>,
    setup_status: Option<&'s str>,
    schema_status: Option<&'s str>,
    last_sync_started_at: Option<String>,
    last_sync_completed_at: Option<String>,
    last_successful_sync_completed_at: Option<String>,
    last_sync_duration_ms: Option<Micros>,
    rescheduled_at: Option<String>,
    errors_since_last_completed_sync: u64,
    warnings_since_last_completed_sync: u64,
    schema_changes_last_30_days: u64,
    syncs: SyncCounts,
    running_syncs: &'s [Option<String>],
    open_incident: Option<&'s Value>,
    first_event_at: Option<String>,
    last_event_at: Option<String>,
    events: u64,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    mappings: &'s [Value],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_written_as_filters_take_them() {
        for status in Status::ALL {
            assert_eq!(serde_json::to_value(status).ok(), Some(status.as_str().into()));
        }
        for health in Health::ALL {
            assert_eq!(serde_json::to_value(health).ok(), Some(health.as_str().into()));
        }
    }
}
