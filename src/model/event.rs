//! An understood event.

use super::{Data, Level, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The connection that Fivetran's own test deliveries speak of. It does not exist.
/// Source: Fivetran REST API, webhooks, "test": a dummy connection with this id.
pub const TEST_CONNECTION_ID: &str = "_connector_1";

/// The system that wrote the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Fivetran.
    Fivetran,
    /// Heroku Connect, by its log drain.
    HerokuConnect,
    /// Salesforce Backup job logs.
    SalesforceBackup,
    /// Code42 / Incydr data connections.
    #[serde(rename = "code42")]
    Code42,
}

impl Source {
    /// Every source, in the order of their names in the contract.
    pub const ALL: [Self; 4] = [Self::Fivetran, Self::HerokuConnect, Self::SalesforceBackup, Self::Code42];

    /// The name that answers and filters use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fivetran => "fivetran",
            Self::HerokuConnect => "heroku_connect",
            Self::SalesforceBackup => "salesforce_backup",
            Self::Code42 => "code42",
        }
    }
}

/// The part of the documentation that an event belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Written by a connection while it works.
    Connector,
    /// A person's click in the dashboard.
    Dashboard,
    /// A call of the REST API.
    RestApi,
    /// The audit trail.
    AuditTrail,
    /// dbt and other transformations.
    Transformation,
    /// Anything else, unknown names included.
    Other,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 6] =
        [Self::Connector, Self::Dashboard, Self::RestApi, Self::AuditTrail, Self::Transformation, Self::Other];

    /// The name that answers and filters use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connector => "connector",
            Self::Dashboard => "dashboard",
            Self::RestApi => "rest_api",
            Self::AuditTrail => "audit_trail",
            Self::Transformation => "transformation",
            Self::Other => "other",
        }
    }
}

/// Where `created` was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreatedFrom {
    /// The event said it.
    Event,
    /// The event was silent; the transport's time of the record.
    Transport,
    /// Nobody said anything; the time of receipt.
    Receipt,
}

/// Two spellings of one member that disagree. The newer name won.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Conflict {
    /// The member as it is called now, `connection_id` or `data.connectionName`.
    pub field: String,
    /// The value that was kept.
    pub kept: String,
    /// The value under the old name.
    pub dropped: String,
}

/// One event after normalising.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The system that wrote it.
    pub source: Source,
    /// Its name, trimmed and in lower case.
    pub name: String,
    /// The name as it came, when that differs.
    pub original_name: Option<String>,
    /// The part of the documentation it belongs to.
    pub family: Family,
    /// How serious it is.
    pub level: Level,
    /// Whether somebody said the level (the event or its transport); otherwise it was derived.
    pub level_given: bool,
    /// When it happened, by the sender's clock.
    pub created: Timestamp,
    /// Who said `created`.
    pub created_from: CreatedFrom,
    /// The connection it is about.
    pub connection_id: Option<String>,
    /// That connection's name at the time.
    pub connection_name: Option<String>,
    /// The connector type, `postgres`.
    pub connector_type: Option<String>,
    /// The sync it belongs to.
    pub sync_id: Option<String>,
    /// Fivetran's identifier of an unexpected problem.
    pub exception_id: Option<String>,
    /// The destination (group) it belongs to.
    pub destination: Option<String>,
    /// Whether the event itself named it; otherwise its transport or the token did.
    pub destination_given: bool,
    /// The event's own data after normalising; `None` where absent or null.
    pub data: Option<Data>,
    /// Envelope members that we do not know, kept as they came.
    pub extra: Map<String, Value>,
    /// Every rewrite that normalising made, by the member it read: `connector_id`, `data.connectorId`.
    pub normalized: Vec<Cow<'static, str>>,
    /// Old and new spellings that disagreed.
    pub conflicts: Vec<Conflict>,
}

/// What validation says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It fits its schema.
    Valid,
    /// It breaks its schema; see the errors.
    Invalid,
    /// No schema has its name.
    UnknownEvent,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Valid, Self::Invalid, Self::UnknownEvent];

    /// The name that answers and filters use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::UnknownEvent => "unknown_event",
        }
    }
}

/// One breach of a schema: where, and what was expected. Never holds the offending value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Violation {
    /// JSON Pointer into the event, `/data/status`.
    pub path: String,
    /// What was expected and what kind of thing was found.
    pub message: String,
}

/// The outcome of validating one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The outcome.
    pub status: Status,
    /// The schema that was applied: the event's name, or `event/use_case` for audit events.
    pub schema: Option<String>,
    /// At most ten breaches.
    pub errors: Vec<Violation>,
}
