//! What was acted upon.
//!
//! Audit events say it. Of others the name tells the kind of thing and `data.id` or the envelope its id; of calls of the API the path
//! tells both. Old kinds get their new name.

use super::{super::Resource, Reading, TEXT_CHARS_MAX, call};
use crate::json::cut;

const CONNECTION: &str = "CONNECTION";
const DESTINATION: &str = "DESTINATION";

pub(super) fn primary(reading: Reading<'_>) -> Option<Resource> {
    let given = reading.upper(&["primaryResourceType", "primary_resource_type"]).map(renamed);
    let id = reading.word(&["primaryResourceId", "primary_resource_id"]).map(String::from);
    let (kind, id) = match call::primary(reading).filter(|_| given.is_none() && id.is_none()) {
        Some(called) => (Some(called.kind), called.id),
        None => (given.or_else(|| by_name(&reading.event.name).map(str::to_owned)), id),
    };
    let connection = || reading.event.connection_id.as_deref().map(|id| cut(id, TEXT_CHARS_MAX).to_owned());
    match (kind, id) {
        (Some(kind), Some(id)) => Some(Resource { kind, id: Some(id) }),
        (Some(kind), None) if kind == CONNECTION => {
            let id = connection().or_else(|| reading.word(&["connectionId", "id"]).map(Into::into));
            Some(Resource { kind, id })
        }
        (Some(kind), None) => {
            let id = reading.word(&["id"]).map(Into::into);
            Some(Resource { kind, id })
        }
        (None, Some(id)) if reading.event.connection_id.as_deref() == Some(&*id) => {
            Some(Resource { kind: CONNECTION.to_owned(), id: Some(id) })
        }
        (None, Some(id)) => Some(Resource { kind: "UNKNOWN".to_owned(), id: Some(id) }),
        (None, None) => {
            let id = connection().or_else(|| reading.word(&["connectionId"]).map(Into::into))?;
            Some(Resource { kind: CONNECTION.to_owned(), id: Some(id) })
        }
    }
}

pub(super) fn secondary(reading: Reading<'_>) -> Option<Resource> {
    let kind = reading.upper(&["secondaryResourceType", "secondary_resource_type"]).map(renamed);
    let id = reading.word(&["secondaryResourceId", "secondary_resource_id"]).map(String::from);
    match (kind, id) {
        (None, None) if reading.event.name == "resync_table" => table(reading),
        (None, None) => call::secondary(reading),
        (kind, id) => Some(Resource { kind: kind.unwrap_or_else(|| "UNKNOWN".to_owned()), id }),
    }
}

/// The table that a re-sync is asked for.
fn table(reading: Reading<'_>) -> Option<Resource> {
    let table = reading.word(&["table"])?;
    let id = match reading.word(&["schema"]) {
        Some(schema) => format!("{schema}.{table}"),
        None => table.into_owned(),
    };
    Some(Resource { kind: "TABLE".to_owned(), id: Some(id) })
}

/// A type of resource, in capitals, by its name of today.
#[must_use]
pub fn renamed(kind: String) -> String {
    match kind.as_str() {
        "CONNECTOR" => CONNECTION.to_owned(),
        "WAREHOUSE" => DESTINATION.to_owned(),
        _ => kind,
    }
}

/// The kind of thing that a name ends with.
fn by_name(name: &str) -> Option<&'static str> {
    match name.rsplit('_').next()? {
        "connection" | "connector" => Some(CONNECTION),
        "warehouse" | "destination" => Some(DESTINATION),
        "team" => Some("TEAM"),
        "user" => Some("USER"),
        "account" => Some("ACCOUNT"),
        _ => None,
    }
}
