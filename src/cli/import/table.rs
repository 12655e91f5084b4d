//! Rows of the Fivetran Platform Connector's tables, turned into the events that would have been delivered live.
//!
//! In: a row with its column names. Out: the text of an envelope as an external log line has it, so that the same event gets the same
//! identity whichever way it came: no member where the live event has none, times without padding, data as JSON. Refused:
//! headers of other tables. Column names are read in any case, before and after the renaming of connectors.
//!
//! Source: documentation of the Platform Connector and rows of its dbt package, as summarised in the project's notes.

use super::json::{Envelope, embed};
use crate::model::Timestamp;
use std::{borrow::Cow, collections::HashMap};

/// A table that is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// `LOG`: one row an event.
    Log,
    /// `AUDIT_TRAIL`: one row an event of the audit trail.
    AuditTrail,
    /// `CONNECTION`: names and types for the rows of `LOG`.
    Connection,
    /// `CONNECTOR_SDK_LOG`: lines that a custom connector wrote.
    SdkLog,
    /// A Salesforce Backup log: one row an object of a job.
    BackupObjects,
    /// The activity of a Heroku Connect connection, as its dashboard downloads it.
    HerokuActivity,
}

impl Table {
    /// The table that has these columns (lower case).
    #[must_use]
    pub fn of(columns: &[String]) -> Option<Self> {
        let has = |name: &str| columns.iter().any(|column| column == name);
        let any = |names: &[&str]| names.iter().any(|name| has(name));
        if has("message_event") && has("time_stamp") {
            Some(Self::Log)
        } else if has("captured_at") && has("primary_resource_type") {
            Some(Self::AuditTrail)
        } else if has("event_time") && has("message") && has("level") {
            Some(Self::SdkLog)
        } else if any(&["connection_id", "connector_id"])
            && any(&["connection_name", "connector_name"])
            && any(&["connector_type_id", "connector_type"])
        {
            Some(Self::Connection)
        } else {
            super::neighbours::table_of(columns)
        }
    }
}

/// One row, by column name (lower case).
pub trait Row {
    /// A column's text; `None` where it is absent, empty or null.
    fn get(&self, column: &str) -> Option<Cow<'_, str>>;

    /// The names of all columns.
    fn columns(&self) -> Vec<&str>;

    /// The first of several names that has a value.
    fn first(&self, columns: &[&str]) -> Option<Cow<'_, str>> {
        columns.iter().find_map(|column| self.get(column))
    }
}

/// What `CONNECTION` knows of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    name: Option<String>,
    kind: Option<String>,
    destination: Option<String>,
    /// Rows of deleted connections give way, then older ones.
    rank: (bool, String),
}

/// All connections of an import run.
#[derive(Debug, Default)]
pub struct Connections {
    known: HashMap<String, Known>,
    /// Whose rows they are where a table does not say so.
    pub(super) add_on: Option<String>,
}

/// Most connections that are remembered. Assumed: no account has more.
const CONNECTIONS_MAX: usize = 1_000_000;

impl Connections {
    /// None known; rows that name no add-on are of this one.
    #[must_use]
    pub fn of_add_on(add_on: Option<String>) -> Self {
        Self { add_on, ..Self::default() }
    }

    /// Reads a row of `CONNECTION`. One id can have several rows, after a rename or a move.
    pub fn learn(&mut self, row: &dyn Row) {
        let Some(id) = row.first(&["connection_id", "connector_id"]) else { return };
        if self.known.len() >= CONNECTIONS_MAX {
            return;
        }
        let owned = |columns: &[&str]| row.first(columns).map(Cow::into_owned);
        let deleted = row.get("_fivetran_deleted").is_some_and(|text| text.eq_ignore_ascii_case("true") || text == "1");
        let known = Known {
            name: owned(&["connection_name", "connector_name"]),
            kind: owned(&["connector_type_id", "connector_type"]),
            destination: owned(&["destination_id"]),
            rank: (!deleted, owned(&["_fivetran_synced"]).unwrap_or_default()),
        };
        let kept = self.known.entry(id.into_owned()).or_insert_with(|| known.clone());
        if known.rank > kept.rank {
            *kept = known;
        }
    }

    /// How many are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Adds the members about a connection to an envelope.
    pub(super) fn describe(&self, id: &str, out: &mut Envelope) {
        let known = self.known.get(id);
        let get = |member: fn(&Known) -> &Option<String>| known.and_then(|known| member(known).as_deref());
        out.text("connector_type", get(|known| &known.kind));
        out.text("connection_id", Some(id));
        out.text("connection_name", get(|known| &known.name));
        out.text("destination_group_id", get(|known| &known.destination));
    }
}

/// An event made of a row, and the level that stood beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The envelope.
    pub text: String,
    /// As it was written.
    pub level: Option<String>,
}

/// A row of `LOG`.
#[must_use]
pub fn log_event(row: &dyn Row, connections: &Connections) -> Made {
    let mut out = Envelope::new(row.get("message_event").as_deref());
    if let Some(data) = row.get("message_data") {
        out.json("data", &embed(&data));
    }
    out.text("created", row.get("time_stamp").map(|text| time(&text)).as_deref());
    if let Some(id) = row.first(&["connection_id", "connector_id"]) {
        connections.describe(&id, &mut out);
    }
    out.text("sync_id", row.get("sync_id").as_deref());
    out.text("transformation_id", row.get("transformation_id").as_deref());
    Made { text: out.close(), level: row.get("event").map(Cow::into_owned) }
}

/// A row of `CONNECTOR_SDK_LOG`, as the documented event for a line of that level: `info`, `warning` or `error`.
#[must_use]
pub fn sdk_event(row: &dyn Row, connections: &Connections) -> Made {
    let level = row.get("level").map(Cow::into_owned);
    let name = match level.as_deref().map(str::to_ascii_uppercase).as_deref() {
        Some("SEVERE" | "ERROR") => "error",
        Some("WARNING" | "WARN") => "warning",
        _ => "info",
    };
    let mut data = Envelope::empty();
    data.text("type", Some(row.get("message_origin").as_deref().unwrap_or("connector_sdk")));
    data.text("message", row.get("message").as_deref());
    let mut out = Envelope::new(Some(name));
    out.json("data", &data.close());
    out.text("created", row.get("event_time").map(|text| time(&text)).as_deref());
    if let Some(id) = row.first(&["connection_id", "connector_id"]) {
        connections.describe(&id, &mut out);
    }
    out.text("sync_id", row.get("sync_id").as_deref());
    Made { text: out.close(), level }
}

/// A time as a live event writes it: RFC 3339 in UTC without padding. What is no time stays as it is and is
/// judged later.
pub(super) fn time(text: &str) -> String {
    Timestamp::parse(text).map_or_else(|_| text.to_owned(), |at| at.trimmed().to_string())
}
