//! What two records of one action share.
//!
//! Fivetran writes some actions twice: `pause_connector` with an e-mail address, `edit_connection` with a user id. Which member of
//! the values makes an edit a pause or a change of schema is told as the life cycle tells it, so that both link the same events.

use super::{
    super::{Resource, Values},
    Reading,
};
use serde_json::Value;

const PAUSED: &[&str] = &["is_paused", "paused", "isPaused"];
/// Members that make an edit one of the connection, whatever else it touches.
const STATE: &[&str] = &[
    "sync_frequency",
    "syncFrequency",
    "schedule_type",
    "scheduleType",
    "setup_status",
    "setupStatus",
    "setup_state",
    "setupState",
    "schema_status",
    "schemaStatus",
];
const SCHEMA: &[&str] = &["schemas", "tables", "columns", "schema_changes"];

/// `connection/pause/ID`; `None` where no twin can be, or nobody says of what.
pub(super) fn key(
    reading: Reading<'_>,
    action: &str,
    primary: Option<&Resource>,
    values: Values<'_>,
) -> Option<String> {
    let primary = primary?;
    let (about, deed) = match primary.kind.as_str() {
        "CONNECTION" => ("connection", of_connection(reading, values)?),
        "DESTINATION" => ("destination", of_destination(&reading.event.name, action)?),
        _ => return None,
    };
    Some(format!("{about}/{deed}/{}", primary.id.as_deref()?))
}

fn of_connection(reading: Reading<'_>, values: Values<'_>) -> Option<&'static str> {
    match reading.event.name.as_str() {
        "create_connector" | "create_connection" => Some("create"),
        "delete_connector" | "delete_connection" => Some("delete"),
        "edit_connector" | "edit_connection" => Some(edit(reading, values)),
        "pause_connector" | "forced_pause_connector" => Some("pause"),
        "resume_connector" => Some("resume"),
        "force_update_connector" => Some("sync"),
        "resync_connector" | "resync_table" => Some("resync"),
        "sync_connection" => {
            let asked = values.new.and_then(|new| new.get("trigger_resync").or_else(|| new.get("triggerResync")));
            Some(if asked.and_then(flag) == Some(true) { "resync" } else { "sync" })
        }
        "change_schema_config" | "change_schema_config_via_api" => Some("schema"),
        _ => None,
    }
}

fn edit(reading: Reading<'_>, values: Values<'_>) -> &'static str {
    let names = || [values.old, values.new].into_iter().flatten().flatten().map(|(name, _)| name.as_str());
    let touches = |list: &[&str]| names().any(|name| list.contains(&name));
    if touches(SCHEMA) && !touches(PAUSED) && !touches(STATE) {
        return "schema";
    }
    let said = PAUSED.iter().find_map(|name| values.new?.get(*name).and_then(flag));
    let by_type = || match reading.upper(&["editType", "edit_type"])?.as_str() {
        "PAUSE" | "PAUSED" | "PAUSE_CONNECTOR" | "PAUSE_CONNECTION" => Some(true),
        "RESUME" | "RESUMED" | "UNPAUSE" | "RESUME_CONNECTOR" | "RESUME_CONNECTION" => Some(false),
        _ => None,
    };
    let before = |name: &str| values.old.and_then(|old| old.get(name)).unwrap_or(&Value::Null);
    let after = |name: &str| values.new.and_then(|new| new.get(name)).unwrap_or(&Value::Null);
    let nothing_else = names().all(|name| PAUSED.contains(&name) || before(name) == after(name));
    match said.or_else(by_type).filter(|_| nothing_else) {
        Some(true) => "pause",
        Some(false) => "resume",
        None => "edit",
    }
}

fn of_destination(name: &str, action: &str) -> Option<&'static str> {
    match name {
        "create_warehouse" | "create_destination" => Some("create"),
        "delete_warehouse" | "delete_destination" => Some("delete"),
        // The documentation's own example of a deleted destination is an edit.
        "edit_destination" if action == "DELETE" => Some("delete"),
        "update_warehouse" | "edit_destination" => Some("edit"),
        _ => None,
    }
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}
