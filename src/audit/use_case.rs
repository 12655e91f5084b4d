//! What Fivetran's documentation calls the use case of an audit event, told from the event's shape.
//!
//! Source: Fivetran log documentation, "Audit Trail log events"; forty examples. By shape, since neither the name nor the action
//! tells them apart, and by the presence of members, so that one of a wrong type keeps its use case and is found invalid.

use serde_json::{Map, Value};

/// Values before and after, of an event in whatever spelling.
#[derive(Debug, Clone, Copy)]
pub struct Values<'d> {
    /// Before.
    pub old: Option<&'d Map<String, Value>>,
    /// After.
    pub new: Option<&'d Map<String, Value>>,
}

/// Whether data are an audit record: who, what, to what.
#[must_use]
pub fn is_audit(data: Option<&Value>) -> bool {
    let Some(data) = data.and_then(Value::as_object) else { return false };
    let has = |name: &str| data.contains_key(name);
    has("primaryResourceType") && has("action") && (has("userId") || has("interactionMethod"))
}

/// Whether an event has several use cases.
#[must_use]
pub fn has_several(event: &str) -> bool {
    matches!(
        event,
        "edit_account" | "edit_connection" | "edit_destination" | "edit_team" | "edit_user" | "sync_connection"
    )
}

/// The use case of an event that has several, from its action, the type of what was acted upon and the values; both words in any
/// case. `None` for other events and for an edit that fits none.
#[must_use]
pub fn use_case(event: &str, action: &str, primary: &str, values: Values<'_>) -> Option<&'static str> {
    match event {
        "edit_account" => account(values),
        "edit_connection" => connection(values),
        "edit_destination" => destination(values, action),
        "edit_team" => team(values, primary),
        "edit_user" => role(values, primary),
        "sync_connection" => sync(values),
        _ => None,
    }
}

impl Values<'_> {
    /// Whether either side has a member.
    fn has(&self, name: &str) -> bool {
        [self.old, self.new].into_iter().flatten().any(|side| side.contains_key(name))
    }

    /// What a member says, the new side first, in upper case.
    fn says(&self, name: &str) -> String {
        [self.new, self.old]
            .into_iter()
            .flatten()
            .find_map(|side| side.get(name).and_then(Value::as_str))
            .unwrap_or_default()
            .to_ascii_uppercase()
    }
}

fn account(values: Values<'_>) -> Option<&'static str> {
    if values.has("enable_scim") {
        Some("enable_or_disable_scim")
    } else if values.has("change") && values.says("type") == "SCIM" {
        Some("generate_scim_token")
    } else if ["required_auth_type", "saml_user_provisioning", "browser_session_timeout", "enable_saml"]
        .iter()
        .any(|name| values.has(name))
    {
        Some("edit_authentication")
    } else if values.has("change") {
        Some("generate_scim_token")
    } else {
        None
    }
}

fn connection(values: Values<'_>) -> Option<&'static str> {
    let by_member = [
        ("delay_notification_enabled", "enable_or_disable_sync_delay_notification"),
        ("schema_status", "modify_schema_status"),
        ("setup_status", "modify_setup_status"),
        ("schema_changes", "migrate_schema"),
        ("sync_frequency", "modify_sync_frequency"),
        ("is_paused", "pause_or_resume"),
        ("paused", "pause_or_resume"),
        ("tables", "modify_schema"),
        ("schemas", "modify_schema"),
        ("columns", "modify_schema"),
    ];
    if values.has("delay_sensitivity") {
        // One member, two use cases: the sensitivity is LOW, NORMAL, HIGH; the threshold is sooner, later, custom (20m).
        let said = values.says("delay_sensitivity");
        let threshold = said.starts_with("SOONER") || said.starts_with("LATER") || said.starts_with("CUSTOM");
        return Some(if threshold { "modify_delay_threshold" } else { "modify_sync_delay_sensitivity" });
    }
    by_member.iter().find(|(name, _)| values.has(name)).map(|(_, case)| *case)
}

fn destination(values: Values<'_>, action: &str) -> Option<&'static str> {
    if action.eq_ignore_ascii_case("DELETE") {
        Some("delete_destination")
    } else if values.has("failover_region") {
        Some("modify_failover_region")
    } else if values.has("region") {
        Some("modify_region")
    } else if values.has("name") {
        Some("modify_name")
    } else if values.has("credentials") {
        let before = values.old.and_then(|old| old.get("credentials")).is_some_and(|old| !old.is_null());
        Some(if before { "update_logging_service" } else { "add_logging_service" })
    } else if values.has("change") {
        Some("remove_logging_service")
    } else {
        None
    }
}

fn team(values: Values<'_>, primary: &str) -> Option<&'static str> {
    if values.has("change") {
        return match values.says("change").as_str() {
            "ADD" => Some("add_user"),
            "REMOVE" => Some("remove_user"),
            "ASSIGN_TEAM_MANAGER" => Some("assign_manager"),
            "UNASSIGN_TEAM_MANAGER" => Some("unassign_manager"),
            _ => None,
        };
    }
    role(values, primary)
}

fn role(values: Values<'_>, primary: &str) -> Option<&'static str> {
    if values.has("account_role") || (values.has("role") && !values.has("permission")) {
        Some("modify_account_role")
    } else if values.has("permission") {
        match &*primary.to_ascii_uppercase() {
            "CONNECTION" | "CONNECTOR" => Some("modify_role_for_connection"),
            "DESTINATION" => Some("modify_role_for_destination"),
            _ => None,
        }
    } else {
        None
    }
}

fn sync(values: Values<'_>) -> Option<&'static str> {
    let asked = values.new.and_then(|new| new.get("trigger_resync"))?;
    Some(if asked == &Value::Bool(true) { "resync" } else { "sync" })
}
