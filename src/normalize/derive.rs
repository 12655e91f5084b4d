//! Pass 3: what the rest of the event tells.

use super::data::text;
use crate::model::{Event, Level};

/// Events about a connection whose `data.id` is that connection's id.
/// Source: Fivetran log documentation, "Connection life cycle" and the sections of the single events.
const NAMED_BY_DATA_ID: &[&str] = &[
    "connection_failure",
    "connection_successful",
    "create_connection",
    "create_connector",
    "delete_connection",
    "delete_connector",
    "edit_connection",
    "edit_connector",
    "force_update_connector",
    "forced_pause_connector",
    "pause_connector",
    "resume_connector",
    "resync_connector",
    "resync_table",
    "sync_connection",
    "test_connector_connection",
];

/// Fills the connection, the destination and the level where they are silent.
pub(super) fn fill(event: &mut Event, transport_level: Option<&str>, destination: Option<&str>) {
    if event.connection_id.is_none()
        && let Some((id, listed)) = connection(event)
    {
        event.connection_id = Some(id);
        event.normalized.push(listed.into());
    }
    if event.destination.is_none() {
        event.destination = destination.map(str::to_owned);
    }
    if !event.level_given {
        let said = transport_level.and_then(Level::parse);
        event.level_given = said.is_some();
        event.level = said.unwrap_or_else(|| level(event));
    }
}

/// The connection that the event's own data name, and where they do.
fn connection(event: &Event) -> Option<(String, &'static str)> {
    let data = event.data.as_deref();
    let own = |id: &str| (!id.trim().is_empty()).then(|| id.trim().to_owned());
    if let Some(kind) = text(data, "primaryResourceType") {
        let about_one = kind.eq_ignore_ascii_case("CONNECTION") || kind.eq_ignore_ascii_case("CONNECTOR");
        if about_one {
            return text(data, "primaryResourceId").and_then(own).map(|id| (id, "data.primaryResourceId"));
        }
        return None;
    }
    if let Some(id) = text(data, "connectionId").and_then(own) {
        return Some((id, "data.connectionId"));
    }
    if NAMED_BY_DATA_ID.contains(&event.name.as_str()) {
        return text(data, "id").and_then(own).map(|id| (id, "data.id"));
    }
    None
}

/// The level where nobody said one.
fn level(event: &Event) -> Level {
    match event.name.as_str() {
        "error" | "connection_failure" => Level::Severe,
        "warning" | "forced_resync_table" => Level::Warning,
        "sync_end" | "status" => match text(event.data.as_deref(), "status").map(str::to_ascii_uppercase).as_deref() {
            Some(status) if status.starts_with("FAIL") => Level::Severe,
            // Priority-first syncs hand over between two halves of one load; the reason says that this is meant.
            Some("RESCHEDULED") => {
                let reason = text(event.data.as_deref(), "reason").unwrap_or_default().to_ascii_lowercase();
                if reason.contains("intended behavior") || reason.contains("intended behaviour") {
                    Level::Info
                } else {
                    Level::Warning
                }
            }
            _ => Level::Info,
        },
        _ => Level::Info,
    }
}
