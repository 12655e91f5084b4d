//! What an event says about a life: a fact and its signal.
//!
//! In: an understood event. Out: a [`Fact`], small enough that thousands are kept in memory. Never refused: an event that
//! means nothing to a life is [`Signal::Unused`], and one whose data are missing or of the wrong kind keeps what can be read.

use crate::model::{EventKey, Level, Source};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// A sync's id in its shortest form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncId {
    /// A UUID in canonical lower case.
    Uuid(uuid::Uuid),
    /// Any other text.
    Text(Box<str>),
}

impl SyncId {
    /// Of a text; gives the same text back.
    #[must_use]
    pub fn of(text: &str) -> Self {
        match uuid::Uuid::try_parse(text) {
            Ok(uuid) if uuid.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()) == text => Self::Uuid(uuid),
            _ => Self::Text(text.into()),
        }
    }
}

impl fmt::Display for SyncId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(uuid) => write!(f, "{}", uuid.hyphenated()),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Serialize for SyncId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SyncId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(&String::deserialize(deserializer)?))
    }
}

/// What the envelope says of the connection; shared by many facts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Labels {
    /// The system that wrote the event.
    pub source: Source,
    /// The connection's name.
    pub name: Option<String>,
    /// The connector type.
    pub connector_type: Option<String>,
    /// The destination.
    pub destination: Option<String>,
}

/// One event, as far as a life is concerned.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// Identity and place in time.
    pub key: EventKey,
    /// The sync it says it belongs to.
    pub sync: Option<SyncId>,
    /// How serious it is.
    pub level: Level,
    /// Fivetran's identifier of an unexpected problem.
    pub exception: Option<Box<str>>,
    /// What the envelope says of the connection.
    pub labels: Arc<Labels>,
    /// A person's deed, where the event names one.
    pub deed: Option<Box<Deed>>,
    /// What it says of a backup job.
    pub job: Option<Box<Job>>,
    /// What it says.
    pub signal: Signal,
}

/// What an event of a backup job says beside its signal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Job {
    /// `BACKUP`, `RESTORE`, or what was written.
    pub kind: Option<Box<str>>,
    /// An object and its status, where it tells of one.
    pub object: Option<(Box<str>, Box<str>)>,
}

/// What a person did, as a log line: of every event with an actor or a user id, whatever else it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// The event's name.
    pub event: Box<str>,
    /// E-mail, user id or `Fivetran`.
    pub actor: Box<str>,
    /// Where it was logged.
    pub channel: Channel,
    /// The event's data as JSON text when not larger than 16 KiB.
    pub data: Option<Box<str>>,
}

/// The road on which a person's action was logged. One action may come on two: a dashboard event and its twin in the audit
/// trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Dashboard events (`create_connector`), which the REST API also causes.
    Dashboard,
    /// The audit trail (`create_connection`).
    Audit,
    /// The connector's own log (`forced_resync_table`, `change_schema_config_via_sync`).
    Connector,
}

/// Who did it and where it was logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// E-mail, user id or `Fivetran`.
    pub actor: Option<Box<str>>,
    /// Where it was logged.
    pub channel: Channel,
    /// How it was done, of audit events: `WEB_UI`, `API`, `SYSTEM`.
    pub method: Option<Box<str>>,
    /// Why, when that was given.
    pub reason: Option<Box<str>>,
}

/// One changed value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The member, dotted where nested: `is_paused`, `credentials.user`.
    pub field: String,
    /// Before; JSON text, `null` where unknown.
    pub old: serde_json::Value,
    /// After; JSON text.
    pub new: serde_json::Value,
}

/// How a sync ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// The status as it came (`SUCCESSFUL`, or any other text), trimmed; `None` when the event does not say.
    pub status: Option<Box<str>>,
    /// Why.
    pub reason: Option<Box<str>>,
    /// What has to be done: `reconnect`.
    pub task_type: Option<Box<str>>,
    /// When it goes on, microseconds since 1970.
    pub rescheduled_us: Option<i64>,
}

/// A table, as far as the event names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableName {
    /// The schema, where the event says it.
    pub schema: Option<Box<str>>,
    /// The table; empty when the event does not say it.
    pub table: Box<str>,
}

/// Rows written to a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modified {
    /// Where.
    pub table: TableName,
    /// `REPLACED_OR_INSERTED`, `UPDATED`, `DELETED` or any other text; upper case.
    pub operation: Box<str>,
    /// How many; a negative or unreadable count is 0.
    pub count: u64,
}

/// What an extraction came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extract {
    /// Queries or API calls (`total_queries`).
    pub queries: u64,
    /// Rows (`total_rows`).
    pub rows: u64,
    /// Bytes (`total_size`).
    pub bytes: u64,
}

/// How far an import of history is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Import {
    /// Tables that are complete.
    pub done: u32,
    /// Tables in all.
    pub total: u32,
}

/// A line for a person: an error or a warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `authentication_error`, `skip_table` and so on.
    #[serde(rename = "type")]
    pub kind: Option<Box<str>>,
    /// What it says, at most 1,000 characters.
    pub text: Option<Box<str>>,
    /// The table it is about.
    pub table: Option<Box<str>>,
}

/// The outcome of one setup test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// Who ran it.
    pub action: Action,
    /// Which test.
    pub name: Option<Box<str>>,
    /// What it says.
    pub message: Option<Box<str>>,
    /// Whether it passed.
    pub passed: bool,
}

/// A re-sync, asked for or forced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resync {
    /// The event's name, `forced_resync_table`.
    pub event: Box<str>,
    /// Who asked.
    pub action: Action,
    /// Which table; `None` for the whole connection.
    pub table: Option<TableName>,
    /// `STRATEGY`, `MIGRATION` and so on, of forced ones.
    pub cause: Option<Box<str>>,
    /// The event's data as JSON text when not larger than 16 KiB, for the views over the database.
    pub data: Option<Box<str>>,
}

/// A changed schema.
#[derive(Debug, Clone, PartialEq)]
pub struct SchemaChange {
    /// The event's name, `alter_table`.
    pub event: Box<str>,
    /// Who; the connector's own channel for what a sync did.
    pub action: Action,
    /// What was changed: operation (`ENABLED_TABLES`, `ADD_COLUMN`, `CREATE_TABLE`) and what it was done to. At most 1,000.
    pub changes: Vec<(Box<str>, TableName, Vec<Box<str>>)>,
    /// The event's data as JSON text when not larger than 16 KiB, for the views over the database.
    pub data: Option<Box<str>>,
}

/// A changed connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// Who.
    pub action: Action,
    /// `CREDENTIALS`, `UPDATE_SCHEDULE_TYPE`, of dashboard events.
    pub edit_type: Option<Box<str>>,
    /// What; at most 100.
    pub changes: Vec<Change>,
    /// `is_paused`, where that was changed.
    pub paused: Option<bool>,
    /// The new sync frequency, minutes.
    pub sync_frequency_minutes: Option<i64>,
    /// `auto` or `manual`.
    pub schedule_type: Option<Box<str>>,
    /// `connected`, `incomplete`, `broken`.
    pub setup_status: Option<Box<str>>,
    /// `ready`, `blocked_on_capture` and so on.
    pub schema_status: Option<Box<str>>,
}

impl Edit {
    /// By somebody, with nothing known of what was changed.
    #[must_use]
    pub const fn by(action: Action) -> Self {
        Self {
            action,
            edit_type: None,
            changes: Vec::new(),
            paused: None,
            sync_frequency_minutes: None,
            schedule_type: None,
            setup_status: None,
            schema_status: None,
        }
    }
}

/// Access of Fivetran's support to data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Support {
    /// `approved`, `granted`, `ended` or `expired`.
    pub what: &'static str,
    /// Who approved or asked.
    pub actor: Option<Box<str>>,
    /// The ticket.
    pub ticket: Option<Box<str>>,
    /// What the event says.
    pub message: Option<Box<str>>,
}

/// Where a transformation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunPhase {
    /// It began.
    Started,
    /// It ended well.
    Succeeded,
    /// It ended badly.
    Failed,
}

/// A transformation's event.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEvent {
    /// The job's id (`id`, `dbtJobId`), or its name where it has none.
    pub job: Box<str>,
    /// The job's name.
    pub name: Option<Box<str>>,
    /// `DBT_CORE`, `QUICKSTART` and so on.
    pub kind: Option<Box<str>>,
    /// What it says.
    pub phase: RunPhase,
    /// `startTime`, microseconds since 1970.
    pub start_us: Option<i64>,
    /// `endTime`.
    pub end_us: Option<i64>,
    /// `schedule` as it came.
    pub schedule: Option<serde_json::Value>,
    /// Steps with their models, in the public form; each command output cut to its last 2,000 characters, 100 steps and 1,000 models
    /// at most.
    pub steps: Vec<serde_json::Value>,
    /// `result.description`, at most 2,000 characters.
    pub description: Option<Box<str>>,
    /// `result.error`, at most 2,000 characters.
    pub error: Option<Box<str>>,
}

/// Work inside a sync that has no more to say than that it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Work {
    /// `sql_query`.
    SqlQuery,
    /// `schema_migration_start` and its retired relatives.
    MigrationStart,
    /// `schema_migration_end` and its retired relatives.
    MigrationEnd,
    /// `copy_rows`, `insert_rows`, `update_rows`, `delete_rows`, `merge_rows`, `create_staging_table`.
    LoadStep,
    /// `update_state`.
    UpdateState,
    /// `json_value_too_long`.
    ValueCut,
}

/// What a line says of one object of a connection, in systems that log their objects rather than syncs.
#[derive(Debug, Clone, PartialEq)]
pub struct News {
    /// The object's id.
    pub id: Option<Box<str>>,
    /// The object's name; `None` for the connection as a whole.
    pub name: Option<Box<str>>,
    /// Where it stands, as it was written.
    pub state: Option<Box<str>>,
    /// Whether that is where the connection as a whole stands.
    pub whole: bool,
    /// What happened.
    pub what: Happening,
}

/// What happened to an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// It is loaded anew.
    LoadStarted,
    /// It was loaded anew.
    LoadEnded,
    /// Rows were moved.
    Moved(Moved),
    /// Something is left off for so many microseconds.
    BackOff(i64),
    /// Something is wrong, or is so no more.
    Trouble {
        /// What; the same text when it is over.
        topic: Box<str>,
        /// Whether it is over.
        over: bool,
        /// In words.
        text: Option<Box<str>>,
    },
    /// Something failed.
    Failed(Option<Box<str>>),
    /// Nothing that changes anything.
    Noted,
}

/// Rows on their way.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    /// `from_salesforce`, `to_salesforce`, `to_database`.
    pub direction: Box<str>,
    /// `QUERY`, `INSERT`, `UPDATE`, `DELETE`.
    pub operation: Box<str>,
    /// `SOAP`, `BULK`, where it is said.
    pub api: Option<Box<str>>,
    /// How long it took, microseconds.
    pub took_us: u64,
    /// Objects and rows; at most 200.
    pub objects: Vec<(Box<str>, u64)>,
}

/// What an event says. One variant for each thing that a life does differently about.
#[derive(Debug, Clone, PartialEq)]
pub enum Signal {
    /// `sync_start`.
    SyncStart,
    /// `sync_end`.
    SyncEnd(Box<Ending>),
    /// `status`, the retired event that told a sync's outcome, or that a sync goes on later.
    SyncStatus(Box<Ending>),
    /// `read_start`.
    ReadStart,
    /// `read_end`.
    ReadEnd,
    /// `write_to_table_start`.
    WriteStart(Box<TableName>),
    /// `write_to_table_end`.
    WriteEnd(Box<TableName>),
    /// `processed_records`: records read for a table.
    Processed(Box<TableName>, u64),
    /// `records_modified`.
    RecordsModified(Box<Modified>),
    /// `extract_summary`.
    Extracted(Box<Extract>),
    /// `api_call`.
    ApiCall,
    /// `sync_stats`: its data as JSON text.
    SyncStats(Box<str>),
    /// `import_progress`.
    ImportProgress(Import),
    /// Other work of a sync.
    Work(Work),
    /// `info` and lines of connector code below WARNING.
    Info(Box<Message>),
    /// `warning` and lines of connector code at WARNING.
    Warning(Box<Message>),
    /// `error` and lines of connector code at SEVERE.
    Error(Box<Message>),
    /// `create_connector`, `create_connection`.
    Created(Box<Edit>),
    /// `test_connector_connection`, with the number of tests where it is given.
    TestsStarted(Box<Action>, Option<u32>),
    /// `connection_successful`, `connection_failure`.
    Tested(Box<TestResult>),
    /// Schema changes of every kind.
    SchemaChanged(Box<SchemaChange>),
    /// `resync_*`, `forced_resync_*`, `sync_connection` that triggers a re-sync.
    Resync(Box<Resync>),
    /// `force_update_connector`, `sync_connection`.
    ManualSync(Box<Action>),
    /// `pause_connector`, `forced_pause_connector`, `edit_connection` that pauses and does nothing else.
    Paused(Box<Action>),
    /// `resume_connector`, `edit_connection` that resumes and does nothing else.
    Resumed(Box<Action>),
    /// `edit_connector`, any other `edit_connection`.
    Edited(Box<Edit>),
    /// `delete_connector`, `delete_connection`.
    Deleted(Box<Action>),
    /// `diagnostic_access_*`.
    Support(Box<Support>),
    /// `transformation_*`, `transformation_run_*`, `dbt_run_*`.
    Run(Box<RunEvent>),
    /// What a neighbour of Fivetran says of one of its objects.
    News(Box<News>),
    /// Something of the account that is no stage of a connection's life: destinations, users, teams, unknown names.
    Unused(Box<str>),
}

impl Signal {
    /// Name of the variant, for tables of transitions and for what stays unused.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SyncStart => "sync_start",
            Self::SyncEnd(_) => "sync_end",
            Self::SyncStatus(_) => "status",
            Self::ReadStart => "read_start",
            Self::ReadEnd => "read_end",
            Self::WriteStart(_) => "write_start",
            Self::WriteEnd(_) => "write_end",
            Self::Processed(..) => "processed_records",
            Self::RecordsModified(_) => "records_modified",
            Self::Extracted(_) => "extract_summary",
            Self::ApiCall => "api_call",
            Self::SyncStats(_) => "sync_stats",
            Self::ImportProgress(_) => "import_progress",
            Self::Work(_) => "work",
            Self::Info(_) => "info",
            Self::Warning(_) => "warning",
            Self::Error(_) => "error",
            Self::Created(_) => "created",
            Self::TestsStarted(..) => "tests_started",
            Self::Tested(_) => "tested",
            Self::SchemaChanged(_) => "schema_changed",
            Self::Resync(_) => "resync",
            Self::ManualSync(_) => "manual_sync",
            Self::Paused(_) => "paused",
            Self::Resumed(_) => "resumed",
            Self::Edited(_) => "edited",
            Self::Deleted(_) => "deleted",
            Self::Support(_) => "support",
            Self::Run(_) => "run",
            Self::News(_) => "news",
            Self::Unused(_) => "unused",
        }
    }
}
