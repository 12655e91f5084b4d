//! Who did something, and on which road it was logged.
//!
//! In: any event. Out: the person's deed, and the action of the signals that people cause. Never refused.
//! Source: Fivetran log documentation: dashboard events name an `actor` (an e-mail address, since October 2025 a user id, or
//! `Fivetran`), audit events a `userId` and an `interactionMethod`.

use super::{
    super::{Action, Channel, Deed},
    values::{self, Members, TEXT_CHARS_MAX, cut},
};
use crate::model::Event;

/// Who acts when Fivetran acts by itself.
pub(super) const FIVETRAN: &str = "Fivetran";

/// The log line of whoever did it; of every event that names somebody.
pub(super) fn read(event: &Event, data: Members<'_>) -> Option<Box<Deed>> {
    // Whoever looks at data for diagnosis is a requester, not an actor.
    let actor = match data.text(&["actor", "requester"]) {
        Some(actor) => actor,
        None => data.text(&["userId"]).filter(|_| data.has("action") || data.has("primaryResourceType"))?,
    };
    Some(Box::new(Deed {
        event: cut(&event.name, TEXT_CHARS_MAX).into(),
        actor,
        channel: channel(event, data),
        data: event.data.as_deref().and_then(values::json),
    }))
}

/// The action of an event of a person.
pub(super) fn action(event: &Event, data: Members<'_>) -> Action {
    let channel = channel(event, data);
    let method = data.text(&["interactionMethod"]).or_else(|| {
        (event.name == "change_schema_config_via_api" && channel == Channel::Dashboard).then(|| "API".into())
    });
    Action { actor: data.text(&["actor", "userId"]), channel, method, reason: data.said(&["reason"], TEXT_CHARS_MAX) }
}

/// The action of an event that Fivetran causes, unless it names somebody else.
pub(super) fn by_fivetran(event: &Event, data: Members<'_>) -> Action {
    let mut action = action(event, data);
    action.actor.get_or_insert_with(|| FIVETRAN.into());
    action
}

/// The shape decides, since names of the audit trail also come with the shape of dashboard events; the name where the shape is silent.
fn channel(event: &Event, data: Members<'_>) -> Channel {
    if ["primaryResourceType", "interactionMethod", "userId"].iter().any(|name| data.has(name)) {
        return Channel::Audit;
    }
    match event.name.as_str() {
        "forced_resync_connector"
        | "forced_resync_table"
        | "change_schema_config_via_sync"
        | "create_schema"
        | "create_table"
        | "alter_table"
        | "drop_table"
        | "migrate_schema_config" => Channel::Connector,
        "create_connection" | "edit_connection" | "delete_connection" | "sync_connection" if !data.has("actor") => {
            Channel::Audit
        }
        _ => Channel::Dashboard,
    }
}
