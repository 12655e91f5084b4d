//! The shapes of answers about lives, for the interface's document.
//!
//! In: nothing. Out: schemas. Nothing is made of these types: stages, incidents and runs are written by the fold and passed on as they
//! are, so the document takes their shape from here, and tests compare the two.

use super::super::diagnosis::shape::Diagnosis;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// How a connection stands.
#[derive(Debug, ToSchema)]
pub struct Connection {
    /// Its id; names change, ids do not.
    #[schema(example = "brave_otter")]
    pub connection_id: String,
    /// Its name now.
    #[schema(required = true)]
    pub connection_name: Option<String>,
    /// Its type.
    #[schema(required = true, example = "postgres")]
    pub connector_type: Option<String>,
    /// The system that logs it.
    #[schema(example = "fivetran")]
    pub source: String,
    /// Its destination.
    #[schema(required = true)]
    pub destination: Option<String>,
    /// `new`, `setup_incomplete`, `paused`, `initial_sync`, `syncing`, `connected`, `rescheduled`, `broken` or `deleted`.
    #[schema(example = "broken")]
    pub status: String,
    /// The same in the words of Fivetran's dbt package: `deleted`, `paused`, `incomplete`, `priority first sync`, `initial sync in
    /// progress`, `broken` or `connected`.
    #[schema(example = "broken")]
    pub health: String,
    /// When it was created, where that was seen.
    #[schema(required = true, format = DateTime)]
    pub created_at: Option<String>,
    /// When it was deleted.
    #[schema(required = true, format = DateTime)]
    pub deleted_at: Option<String>,
    /// Whether it is paused.
    pub paused: bool,
    /// Minutes between scheduled syncs.
    #[schema(required = true)]
    pub sync_frequency_minutes: Option<i64>,
    /// `auto` or `manual`.
    #[schema(required = true)]
    pub schedule_type: Option<String>,
    /// `connected`, `incomplete` or `broken`.
    #[schema(required = true)]
    pub setup_status: Option<String>,
    /// `ready`, `blocked_on_capture` and so on.
    #[schema(required = true)]
    pub schema_status: Option<String>,
    /// Start of the latest sync.
    #[schema(required = true, format = DateTime)]
    pub last_sync_started_at: Option<String>,
    /// End of the latest sync that ended, however it ended.
    #[schema(required = true, format = DateTime)]
    pub last_sync_completed_at: Option<String>,
    /// End of the latest sync that succeeded.
    #[schema(required = true, format = DateTime)]
    pub last_successful_sync_completed_at: Option<String>,
    /// How long the latest sync took of which both ends were seen.
    #[schema(required = true)]
    pub last_sync_duration_ms: Option<i64>,
    /// When a rescheduled sync goes on, while it waits.
    #[schema(required = true, format = DateTime)]
    pub rescheduled_at: Option<String>,
    /// Errors since the last successful sync, failed ends included.
    pub errors_since_last_completed_sync: u64,
    /// Warnings since the last successful sync.
    pub warnings_since_last_completed_sync: u64,
    /// Schema changes of the last thirty days.
    pub schema_changes_last_30_days: u64,
    /// All syncs that were seen.
    pub syncs: Syncs,
    /// Ids of syncs that run; null for one without an id.
    pub running_syncs: Vec<Option<String>>,
    /// The incident that is open.
    #[schema(required = true)]
    pub open_incident: Option<Incident>,
    /// Time of the first event.
    #[schema(required = true, format = DateTime)]
    pub first_event_at: Option<String>,
    /// Time of the last event.
    #[schema(required = true, format = DateTime)]
    pub last_event_at: Option<String>,
    /// Events.
    pub events: u64,
}

/// Syncs by how they ended.
#[derive(Debug, ToSchema)]
pub struct Syncs {
    /// All; of a day or a window, those that ended in it.
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

/// A connection's life, or a part of it.
#[derive(Debug, ToSchema)]
pub struct Timeline {
    /// How the connection stands at that moment.
    pub connection: Connection,
    /// The moment that was asked for, or that of asking.
    #[schema(format = DateTime)]
    pub as_of: String,
    /// In order of time.
    pub stages: Vec<Stage>,
    /// Incidents that were open at some moment of the window, oldest first; the newest 1,000.
    pub incidents: Vec<Incident>,
    /// Events that no stage speaks of.
    pub unused: Vec<Unused>,
    /// Leads to older stages; null when there are none.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

/// Events that no stage speaks of.
#[derive(Debug, ToSchema)]
pub struct Unused {
    /// Their name.
    pub event: String,
    /// How many.
    pub events: u64,
}

/// One stage. What it is decides which members it has.
#[derive(Debug, ToSchema)]
pub struct Stage {
    /// `initialized`, `setup_tests`, `created`, `schema_changed`, `modified`, `paused`, `resumed`, `resync_triggered`,
    /// `manual_sync_triggered`, `sync`, `broken`, `recovered`, `support_access` or `deleted`.
    #[schema(example = "sync")]
    pub stage: String,
    /// When it was, or began; null for a sync whose start was not seen.
    #[schema(required = true, format = DateTime)]
    pub at: Option<String>,
    /// The events that prove it; a sync names its most telling ones.
    pub event_ids: Vec<String>,
    /// One sentence for a person.
    pub summary: String,
    /// When it ended, where it lasts.
    #[schema(format = DateTime)]
    pub until: Option<String>,
    /// Who did it: an e-mail address, a user's id or `Fivetran`.
    pub actor: Option<String>,
    /// The id in the audit trail of who did it.
    #[schema(nullable = false)]
    pub user_id: Option<String>,
    /// How it was done, of the audit trail: `WEB_UI`, `API`, `SYSTEM`.
    #[schema(nullable = false)]
    pub method: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// `schema_changed`, `resync_triggered`: the event's name.
    #[schema(nullable = false)]
    pub event: Option<String>,
    /// `modified`: what kind of edit.
    #[schema(nullable = false)]
    pub edit_type: Option<String>,
    /// `initialized`, `modified`: changed values.
    #[schema(nullable = false)]
    pub changes: Option<Vec<Change>>,
    /// `schema_changed`: what was changed.
    #[schema(nullable = false)]
    pub schema_changes: Option<Vec<SchemaChange>>,
    /// `resync_triggered`: the table's schema.
    #[schema(nullable = false)]
    pub schema: Option<String>,
    /// `resync_triggered`: the table, where it is about one.
    #[schema(nullable = false)]
    pub table: Option<String>,
    /// `resync_triggered`: why Fivetran forced it.
    #[schema(nullable = false)]
    pub cause: Option<String>,
    /// `support_access`: `approved`, `granted`, `ended` or `expired`.
    #[schema(nullable = false)]
    pub access: Option<String>,
    /// `support_access`: the ticket.
    #[schema(nullable = false)]
    pub ticket: Option<String>,
    /// `schema_changed`, `resync_triggered`: the event's own data.
    #[schema(nullable = false, value_type = Option<Value>)]
    pub data: Option<Value>,
    /// `broken`, `recovered`: the incident that it opened or ended.
    #[schema(nullable = false)]
    pub incident_id: Option<String>,
    /// `setup_tests`: how many passed.
    #[schema(nullable = false)]
    pub passed: Option<u32>,
    /// `setup_tests`: how many failed.
    #[schema(nullable = false)]
    pub failed: Option<u32>,
    /// `setup_tests`: how many were announced.
    pub announced: Option<u32>,
    /// `setup_tests`: each test.
    #[schema(nullable = false)]
    pub tests: Option<Vec<SetupTest>>,
    /// `sync`: its id, where it has one. `broken`, `recovered`: the sync that did it.
    pub sync_id: Option<String>,
    /// `sync`: `initial`, `incremental`, `resync` or `manual`.
    #[schema(nullable = false)]
    pub kind: Option<String>,
    /// `sync`: `BACKUP` or `RESTORE`; only of jobs of Salesforce Backup.
    #[schema(nullable = false)]
    pub job_type: Option<String>,
    /// `sync`: why it started.
    #[schema(nullable = false)]
    pub trigger: Option<Trigger>,
    /// `sync`: how long it took, where both ends were seen. `recovered`: how long the connection was broken.
    pub duration_ms: Option<i64>,
    /// `sync`: `RUNNING`, `SUCCESSFUL`, `FAILURE`, `FAILURE_WITH_TASK`, `RESCHEDULED`, `CANCELED`, `INTERRUPTED`, `UNKNOWN`, or any
    /// other text as it came.
    #[schema(nullable = false)]
    pub status: Option<String>,
    /// `sync`, `broken`: what has to be done after a failure.
    pub task_type: Option<String>,
    /// `sync`: when it goes on.
    #[schema(format = DateTime)]
    pub rescheduled_at: Option<String>,
    /// `sync`: what was not seen: `start`, `end`.
    #[schema(nullable = false)]
    pub missing: Option<Vec<String>>,
    /// `sync`: time of its first event.
    #[schema(nullable = false, format = DateTime)]
    pub first_event_at: Option<String>,
    /// `sync`: time of its last event.
    #[schema(nullable = false, format = DateTime)]
    pub last_event_at: Option<String>,
    /// `sync`: when it did what.
    #[schema(nullable = false)]
    pub phases: Option<Phases>,
    /// `sync`: each table.
    #[schema(nullable = false)]
    pub tables: Option<Vec<Table>>,
    /// `sync`: events about tables beyond the 20,000 that are told apart.
    #[schema(nullable = false)]
    pub tables_omitted: Option<u64>,
    /// `sync`: rows of all tables by operation.
    #[schema(nullable = false)]
    pub rows: Option<BTreeMap<String, u64>>,
    /// `sync`: records read for all tables.
    pub records_read: Option<u64>,
    /// `sync`: queries or API calls of the extraction, by its own account.
    pub queries: Option<u64>,
    /// `sync`: API calls that were logged one by one.
    #[schema(nullable = false)]
    pub api_calls: Option<u64>,
    /// `sync`: rows extracted.
    pub rows_extracted: Option<u64>,
    /// `sync`: bytes extracted.
    pub bytes_extracted: Option<u64>,
    /// `sync`: how far the import of history is.
    pub import: Option<Import>,
    /// `sync`: warnings.
    #[schema(nullable = false)]
    pub warnings: Option<u32>,
    /// `sync`: errors.
    #[schema(nullable = false)]
    pub errors: Option<u32>,
    /// `sync`: the first warnings and errors.
    #[schema(nullable = false)]
    pub messages: Option<Vec<SyncMessage>>,
    /// `sync`: Fivetran's identifiers of unexpected problems.
    #[schema(nullable = false)]
    pub exception_ids: Option<Vec<String>>,
    /// `sync`: the data of its `sync_stats`.
    #[schema(value_type = Option<Object>)]
    pub stats: Option<Value>,
    /// `sync`: how many events it is made of.
    #[schema(nullable = false)]
    pub events: Option<u64>,
    /// What the problem means that it tells of, where it tells of one.
    #[schema(nullable = false)]
    pub diagnosis: Option<Diagnosis>,
}

/// One changed value.
#[derive(Debug, ToSchema)]
pub struct Change {
    /// The member, dotted where nested.
    pub field: String,
    /// Before; null where unknown.
    pub old: Value,
    /// After.
    pub new: Value,
}

/// One change of a schema.
#[derive(Debug, ToSchema)]
pub struct SchemaChange {
    /// What was done.
    #[schema(example = "ADD_COLUMN")]
    pub operation: String,
    /// To which schema.
    #[schema(required = true)]
    pub schema: Option<String>,
    /// To which table.
    #[schema(required = true)]
    pub table: Option<String>,
    /// To which columns.
    pub columns: Vec<String>,
}

/// One setup test.
#[derive(Debug, ToSchema)]
pub struct SetupTest {
    /// Its name.
    #[schema(required = true)]
    pub name: Option<String>,
    /// `passed` or `failed`.
    pub outcome: String,
    /// What it said.
    #[schema(required = true)]
    pub message: Option<String>,
    /// When it was over.
    #[schema(format = DateTime)]
    pub at: String,
    /// The event that says so.
    pub event_id: String,
}

/// Why a sync started.
#[derive(Debug, ToSchema)]
pub struct Trigger {
    /// `schedule`, `schema_change`, `resume`, `manual` or `resync`; null where the start was not seen.
    #[schema(required = true)]
    pub r#type: Option<String>,
    /// Who.
    #[schema(required = true)]
    pub actor: Option<String>,
    /// The events that asked for it.
    pub event_ids: Vec<String>,
}

/// When a sync did what; null for what was not seen.
#[derive(Debug, ToSchema)]
pub struct Phases {
    /// Reading the source.
    #[schema(required = true)]
    pub extract: Option<Span>,
    /// Preparing the destination.
    #[schema(required = true)]
    pub process: Option<Span>,
    /// Writing to the destination.
    #[schema(required = true)]
    pub load: Option<Span>,
}

/// First and last moment at which something was seen.
#[derive(Debug, ToSchema)]
pub struct Span {
    /// The first.
    #[schema(format = DateTime)]
    pub at: String,
    /// The last.
    #[schema(format = DateTime)]
    pub until: String,
}

/// One table of a sync.
#[derive(Debug, ToSchema)]
pub struct Table {
    /// Its schema, where an event names it.
    #[schema(required = true)]
    pub schema: Option<String>,
    /// Its name.
    pub table: String,
    /// First start of a write.
    #[schema(required = true, format = DateTime)]
    pub write_started_at: Option<String>,
    /// Last end of a write.
    #[schema(required = true, format = DateTime)]
    pub write_ended_at: Option<String>,
    /// Records read for it.
    #[schema(required = true)]
    pub records_read: Option<u64>,
    /// Rows by operation.
    pub rows: BTreeMap<String, u64>,
    /// What became of it; only where the system says so, as Salesforce Backup does.
    pub status: Option<String>,
}

/// How far an import of history is.
#[derive(Debug, ToSchema)]
pub struct Import {
    /// Tables that are complete.
    pub tables_done: u32,
    /// Tables in all.
    pub tables: u32,
    /// The share, rounded down.
    pub percent: u32,
}

/// A warning or an error of a sync.
#[derive(Debug, ToSchema)]
pub struct SyncMessage {
    /// `warning` or `error`.
    pub level: String,
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// Its kind.
    #[schema(required = true)]
    pub r#type: Option<String>,
    /// What it says, cut to 1,000 characters.
    #[schema(required = true)]
    pub text: Option<String>,
    /// The table it is about.
    #[schema(required = true)]
    pub table: Option<String>,
    /// The event.
    pub event_id: String,
}

/// A time of trouble: from the first failed sync to the success, pause or deletion that ended it.
#[derive(Debug, ToSchema)]
pub struct Incident {
    /// Whose it is; in the list of incidents only.
    #[schema(nullable = false)]
    pub connection_id: Option<String>,
    /// That connection's name; in the list of incidents only.
    pub connection_name: Option<String>,
    /// The event that opened it.
    pub id: String,
    /// When.
    #[schema(format = DateTime)]
    pub opened_at: String,
    /// When it was over; null while it is open.
    #[schema(required = true, format = DateTime)]
    pub resolved_at: Option<String>,
    /// `recovered`, `paused` or `deleted`.
    #[schema(required = true)]
    pub resolution: Option<String>,
    /// Syncs that failed.
    pub failures: u32,
    /// Syncs that started since it was opened.
    pub attempts: u32,
    /// Why the latest one failed.
    #[schema(required = true)]
    pub reason: Option<String>,
    /// What has to be done.
    #[schema(required = true)]
    pub task_type: Option<String>,
    /// All reasons, at most 50.
    pub reasons: Vec<String>,
    /// Fivetran's identifiers of unexpected problems, at most 50.
    pub exception_ids: Vec<String>,
    /// How long it lasted.
    #[schema(required = true)]
    pub duration_ms: Option<i64>,
    /// From the start of the first failing sync to its failure.
    #[schema(required = true)]
    pub time_to_detect_ms: Option<i64>,
    /// Syncs that failed, at most 50.
    pub sync_ids: Vec<String>,
    /// Events that prove it.
    pub event_ids: Vec<String>,
    /// What it means and how it is mended, where that is known.
    #[schema(required = true)]
    pub diagnosis: Option<Diagnosis>,
}

/// One day of a connection.
#[derive(Debug, ToSchema)]
pub struct Daily {
    /// The day, in UTC.
    #[schema(format = Date, example = "2026-07-07")]
    pub date: String,
    /// API calls: those that were logged one by one and those that extractions sum up.
    pub api_calls: u64,
    /// Rows written.
    pub rows_modified: u64,
    /// Changes of the schema.
    pub schema_changes: u64,
    /// Syncs that ended on this day.
    pub syncs: Syncs,
    /// Seconds of this day during which syncs ran; overlapping ones are added up.
    pub seconds_syncing: f64,
    /// Events of every kind.
    pub events: u64,
    /// Errors.
    pub errors: u64,
    /// Warnings.
    pub warnings: u64,
}

/// One run of a transformation.
#[derive(Debug, ToSchema)]
#[schema(as = TransformationRun)]
pub struct Run {
    /// Its first event.
    pub id: String,
    /// The job.
    pub job_id: Option<String>,
    /// The job's name.
    #[schema(required = true)]
    pub name: Option<String>,
    /// `DBT_CORE`, `QUICKSTART` and so on.
    #[schema(required = true)]
    pub r#type: Option<String>,
    /// `RUNNING`, `SUCCEEDED`, `FAILED`, or `INTERRUPTED` when a later run of the job started first.
    pub status: String,
    /// When it started.
    #[schema(required = true, format = DateTime)]
    pub started_at: Option<String>,
    /// When it ended.
    #[schema(required = true, format = DateTime)]
    pub ended_at: Option<String>,
    /// How long it took.
    #[schema(required = true)]
    pub duration_ms: Option<i64>,
    /// One sentence for a person.
    pub summary: String,
    /// Its schedule as it came.
    #[schema(required = true, value_type = Option<Value>)]
    pub schedule: Option<Value>,
    /// What the result says.
    #[schema(required = true)]
    pub description: Option<String>,
    /// Why it failed.
    #[schema(required = true)]
    pub error: Option<String>,
    /// Steps with their models; the output of a command is cut to its end.
    #[schema(value_type = Vec<Object>)]
    pub steps: Vec<Value>,
    /// What was not seen: `start`, `end`.
    pub missing: Vec<String>,
    /// Events that prove it.
    pub event_ids: Vec<String>,
}

/// Figures over a window.
#[derive(Debug, ToSchema)]
pub struct Stats {
    /// Where the window begins.
    #[schema(format = DateTime)]
    pub from: String,
    /// Where it ends.
    #[schema(format = DateTime)]
    pub to: String,
    /// Of all connections.
    pub account: Figures,
    /// Of each group; none when `by` is `account`.
    pub groups: Vec<Group>,
}

/// Figures of a group.
#[derive(Debug, ToSchema)]
pub struct Group {
    /// The destination, connector type or connection id; null for connections without one.
    #[schema(required = true)]
    pub key: Option<String>,
    /// The connection's name.
    #[schema(required = true)]
    pub name: Option<String>,
    /// Its figures, beside the two.
    #[serde(flatten)]
    pub figures: Figures,
}

/// Figures of some connections over a window.
#[derive(Debug, ToSchema)]
pub struct Figures {
    /// How many there are, in all (`total`) and by status now.
    pub connections: BTreeMap<String, u64>,
    /// Syncs that ended.
    pub syncs: Syncs,
    /// The share of successes among successes and failures.
    #[schema(required = true)]
    pub success_rate: Option<f64>,
    /// Rows written.
    pub rows_modified: u64,
    /// API calls.
    pub api_calls: u64,
    /// Changes of schemas.
    pub schema_changes: u64,
    /// Events of every kind.
    pub events: u64,
    /// Errors.
    pub errors: u64,
    /// Warnings.
    pub warnings: u64,
    /// Mean duration of the syncs that ended; one whose start was not seen counts with 0.
    #[schema(required = true)]
    pub mean_sync_duration_ms: Option<u64>,
    /// About the median: half of the syncs belong to connections whose mean is not above it.
    #[schema(required = true)]
    pub median_sync_duration_ms: Option<u64>,
    /// Incidents.
    pub incidents: IncidentCounts,
    /// The share of the window during which no incident was open, from each connection's first event to its deletion.
    #[schema(required = true)]
    pub availability: Option<f64>,
    /// Mean length of the incidents that ended in the window.
    #[schema(required = true)]
    pub mean_time_to_recovery_ms: Option<u64>,
}

/// Incidents of a window.
#[derive(Debug, ToSchema)]
pub struct IncidentCounts {
    /// Opened in it.
    pub opened: u64,
    /// Open at its end.
    pub open: u64,
}
