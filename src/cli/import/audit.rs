//! Rows of `AUDIT_TRAIL` as the events of the audit trail that the external log has.
//!
//! In: a row. Out: an envelope whose `data` has the documented camelCase members. The table has no event name; it follows from action and
//! resources as in the documentation's examples: deleting a destination is an `edit_destination`, giving a team a role on a
//! connection an `edit_team`, a new API key `generate_api_secret`.

use super::{
    json::{Envelope, embed},
    table::{Connections, Made, Row},
};
use crate::model::{MICROS_PER_SECOND, Timestamp};

/// A row of `AUDIT_TRAIL`.
#[must_use]
pub fn audit_event(row: &dyn Row, connections: &Connections) -> Made {
    let action = row.get("action").unwrap_or_default().to_ascii_uppercase();
    let primary = row.get("primary_resource_type").map(|kind| resource(&kind));
    let secondary = row.get("secondary_resource_type").map(|kind| resource(&kind));
    let new_values = values(row, "new_values");
    let key = new_values.as_deref().is_some_and(|text| text.contains("\"new_api_key\""));
    let name = event_name(&action, primary.as_deref().unwrap_or_default(), secondary.as_deref(), key);
    let created = row.get("captured_at").map(|text| time(&text));

    let mut data = Envelope::empty();
    data.text("userId", row.get("user_id").as_deref());
    data.text("interactionMethod", row.get("interaction_method").as_deref());
    data.text("primaryResourceType", primary.as_deref());
    data.text("primaryResourceId", row.get("primary_resource_id").as_deref());
    data.text("secondaryResourceType", secondary.as_deref());
    data.text("secondaryResourceId", row.get("secondary_resource_id").as_deref());
    data.text("action", Some(&action));
    data.text("timestamp", created.as_deref());
    if let Some(old) = values(row, "old_values") {
        data.json("oldValues", &old);
    }
    if let Some(new) = new_values {
        data.json("newValues", &new);
    }

    let mut out = Envelope::new(Some(&name));
    out.json("data", &data.close());
    out.text("created", created.as_deref());
    if primary.as_deref() == Some("CONNECTION")
        && let Some(id) = row.get("primary_resource_id")
    {
        connections.describe(&id, &mut out);
    }
    Made { text: out.close(), level: None }
}

/// The resource's name of today, in capitals.
fn resource(kind: &str) -> String {
    match kind.trim().to_ascii_uppercase().as_str() {
        "CONNECTOR" => "CONNECTION".to_owned(),
        "WAREHOUSE" => "DESTINATION".to_owned(),
        other => other.to_owned(),
    }
}

/// The event that the external log has for such a row.
fn event_name(action: &str, primary: &str, secondary: Option<&str>, new_api_key: bool) -> String {
    match (action, primary, secondary) {
        ("SYNC", ..) => "sync_connection".into(),
        ("EDIT", "ACCOUNT", None) if new_api_key => "generate_api_secret".into(),
        ("DELETE", "DESTINATION", _) => "edit_destination".into(),
        ("CREATE", "ACCOUNT", Some("USER")) => "create_user".into(),
        ("DELETE", "ACCOUNT", Some("USER")) => "delete_user".into(),
        (_, "TEAM", Some("USER")) | ("EDIT", "CONNECTION" | "DESTINATION", Some("TEAM")) => "edit_team".into(),
        ("EDIT", "CONNECTION" | "DESTINATION", Some("USER")) => "edit_user".into(),
        _ => format!("{}_{}", action.to_ascii_lowercase(), primary.to_ascii_lowercase()),
    }
}

/// Old or new values; the live event has no member where the table has an empty object.
fn values(row: &dyn Row, column: &str) -> Option<String> {
    let text = embed(&row.get(column)?);
    (!matches!(text.as_str(), "{}" | "null" | "\"\"")).then_some(text)
}

/// A time as the audit trail writes it: to the microsecond where the table has that, since the text is part of the data.
fn time(text: &str) -> String {
    let Ok(at) = Timestamp::parse(text) else { return text.to_owned() };
    let padded = at.digits() > 6 && at.sub_micro_nanos() == 0;
    let micros = at.micros();
    let nanos = micros.rem_euclid(MICROS_PER_SECOND) as u32 * 1_000;
    match Timestamp::new(micros.div_euclid(MICROS_PER_SECOND), nanos, 6) {
        Ok(short) if padded => short.to_string(),
        _ => at.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_documented_examples() {
        for (action, primary, secondary, key, expected) in [
            ("CREATE", "CONNECTION", Some("DESTINATION"), false, "create_connection"),
            ("CREATE", "CONNECTION", None, false, "create_connection"),
            ("EDIT", "CONNECTION", None, false, "edit_connection"),
            ("DELETE", "CONNECTION", None, false, "delete_connection"),
            ("SYNC", "CONNECTION", None, false, "sync_connection"),
            ("CREATE", "DESTINATION", None, false, "create_destination"),
            ("DELETE", "DESTINATION", None, false, "edit_destination"),
            ("CREATE", "ACCOUNT", Some("USER"), false, "create_user"),
            ("EDIT", "USER", None, false, "edit_user"),
            ("DELETE", "USER", None, false, "delete_user"),
            ("EDIT", "CONNECTION", Some("USER"), false, "edit_user"),
            ("EDIT", "DESTINATION", Some("TEAM"), false, "edit_team"),
            ("EDIT", "TEAM", Some("USER"), false, "edit_team"),
            ("CREATE", "TEAM", None, false, "create_team"),
            ("EDIT", "ACCOUNT", None, false, "edit_account"),
            ("EDIT", "ACCOUNT", None, true, "generate_api_secret"),
        ] {
            assert_eq!(event_name(action, primary, secondary, key), expected, "{action} {primary} {secondary:?}");
        }
        assert_eq!(resource("connector"), "CONNECTION");
    }

    #[test]
    fn times_keep_the_microseconds_of_the_trail() {
        assert_eq!(time("2025-07-07 16:09:44.580450"), "2025-07-07T16:09:44.580450Z");
        assert_eq!(time("2025-07-07 16:09:44.580000"), "2025-07-07T16:09:44.580000Z");
        assert_eq!(time("2025-07-07 16:09:44.580450000"), "2025-07-07T16:09:44.580450Z");
        assert_eq!(time("2025-07-22 14:50:49.356184217"), "2025-07-22T14:50:49.356184217Z");
        assert_eq!(time("soon"), "soon");
    }
}
