//! Who acted, by which road, and what was done.
//!
//! Source: Fivetran log documentation: audit events name a `userId` and an `interactionMethod`; dashboard events an `actor` (an e-mail
//! address, since October 2025 a user id, or `Fivetran`); support's access a `requester`. `api_call` names nobody.

use super::{
    super::{Actor, ActorKind, Channel},
    Reading, TEXT_CHARS_MAX, call,
};
use crate::{json::cut, model::Family};

/// Who acts when Fivetran acts by itself.
const FIVETRAN: &str = "Fivetran";

fn id(reading: Reading<'_>) -> Option<String> {
    let names: &[&str] = match reading.channel {
        Channel::Audit => &["userId", "user_id", "actor"],
        Channel::Dashboard | Channel::Own => &["actor", "requester", "userId"],
    };
    reading.word(names).map(Into::into)
}

pub(super) fn actor(reading: Reading<'_>, method: Option<&str>) -> Actor {
    let id = id(reading);
    let kind = match (id.as_deref(), method) {
        (Some(id), _) if id.eq_ignore_ascii_case(FIVETRAN) => ActorKind::Fivetran,
        (Some(id), _) if id.contains('@') => ActorKind::Email,
        (Some(_), _) => ActorKind::User,
        (None, Some("API")) => ActorKind::Api,
        (None, Some("SYSTEM")) => ActorKind::System,
        (None, _) => ActorKind::Unknown,
    };
    Actor { id, kind }
}

pub(super) fn method(reading: Reading<'_>) -> Option<String> {
    if let Some(given) = reading.upper(&["interactionMethod", "interaction_method"]) {
        return Some(given);
    }
    let name = reading.event.name.as_str();
    let actor = id(reading);
    let method = if actor.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(FIVETRAN)) {
        "SYSTEM"
    } else if name == call::NAME || name.ends_with("_via_api") || reading.event.family == Family::RestApi {
        "API"
    } else if name == "diagnostic_access_expired" {
        // A period that ends by itself.
        "SYSTEM"
    } else if actor.is_some() && reading.channel == Channel::Dashboard && reading.event.family != Family::Connector {
        "WEB_UI"
    } else {
        return None;
    };
    Some(method.to_owned())
}

/// In capitals.
pub(super) fn action(reading: Reading<'_>) -> String {
    if let Some(given) = reading.upper(&["action"]) {
        return given;
    }
    let name = cut(&reading.event.name, TEXT_CHARS_MAX);
    if name == call::NAME {
        return reading.upper(&["method"]).unwrap_or_else(|| "CALL".to_owned());
    }
    let verb = name.split('_').next().unwrap_or(name);
    match verb {
        "create" => "CREATE",
        "delete" => "DELETE",
        "edit" | "update" | "change" | "pause" | "resume" | "migrate" => "EDIT",
        "sync" | "resync" => "SYNC",
        "test" | "connection" => "TEST",
        "diagnostic" if name.starts_with("diagnostic_access_") => "ACCESS",
        "force" if name.starts_with("force_update_") => "SYNC",
        "forced" if name.starts_with("forced_resync_") => "SYNC",
        "forced" if name.starts_with("forced_pause_") => "EDIT",
        "" => "UNKNOWN",
        // Of an undocumented name the verb itself.
        verb => return verb.to_ascii_uppercase(),
    }
    .to_owned()
}
