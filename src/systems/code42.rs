//! Code42 (Incydr): the status of its data connections.
//!
//! In: an object that tells a data connection's status, or a line that holds the text of its error. Out: one event. Nothing is refused here.
//! Source: Code42 Support, "Resolve Salesforce service account user or profile errors": the statuses Monitoring and Error, and the
//! texts of three causes. The members of the object are not documented; the obvious names are read in any case.

use super::{Made, Reading, loose::Loose};
use crate::model::{Hints, Source};
use serde_json::{Map, Value};

/// What all three texts say, and nothing else does.
const SIGNATURE: &str = "that authorized this data connection";

/// What the error text blames.
fn cause(message: &str) -> Option<&'static str> {
    let message = message.to_lowercase();
    let says = |text: &str| message.contains(text);
    if says("deactivated") {
        Some("user_deactivated")
    } else if says("frozen") {
        Some("user_frozen")
    } else if says("permission") {
        Some("profile_permissions")
    } else {
        None
    }
}

/// A status report.
pub(super) fn status(object: &Map<String, Value>, text: &str, hints: &Hints) -> Option<Reading> {
    let loose = Loose::of(object);
    let message = loose.text(&["error", "errormessage", "message", "details", "detail", "description", "reason"]);
    let status = loose.text(&["status", "connectionstatus", "dataconnectionstatus", "state", "newstatus"]);
    let product = loose.text(&["source", "product", "vendor", "system", "app"]).unwrap_or_default().to_lowercase();
    let named = product.contains("code42") || product.contains("incydr") || loose.any_begins("dataconnection");
    let known = status.as_deref().is_some_and(|status| standing(status).is_some());
    let told = message.as_deref().is_some_and(|message| message.contains(SIGNATURE));
    if !(told || named && known) {
        return None;
    }
    let id = loose.text(&["dataconnectionid", "connectionid", "datasourceid", "id", "dataconnection", "connection"]);
    let name = loose.text(&["dataconnectionname", "connectionname", "displayname", "dataconnection", "name"]);
    let id = id.or_else(|| name.clone()).unwrap_or_else(|| "code42".to_owned());
    let mut made = event(&id, status.as_deref(), message.as_deref());
    made.text("connection_name", name.as_deref());
    made.put_some("previous_status", loose.text(&["previousstatus", "oldstatus"]));
    made.put_some("data_source", loose.text(&["datasource", "datasourcetype", "type", "connectiontype"]));
    made.put_some("user", loose.text(&["user", "username", "serviceaccount"]));
    made.time =
        loose.time(&["timestamp", "time", "date", "occurred", "occurredat", "updated", "updatedat", "statuschangedat"]);
    Some(Reading::Events(vec![made.record(text, hints)]))
}

/// How many bytes of a text are the message that it begins with: all of it up to an object or another such message. `None` when
/// its first line is no such message.
pub(super) fn first_line(text: &str) -> Option<usize> {
    let mut len = 0;
    for line in text.split_inclusive('\n') {
        let ours = line.contains(SIGNATURE);
        if len == 0 && !ours {
            return None;
        }
        if len > 0 && (ours || line.trim_start().starts_with('{')) {
            break;
        }
        len += line.len();
    }
    (len > 0).then_some(len)
}

/// A line with the text of an error.
pub(super) fn line(text: &str, hints: &Hints) -> Option<Reading> {
    if !text.contains(SIGNATURE) {
        return None;
    }
    if first_line(text).is_some_and(|len| len < text.len()) {
        return Some(Reading::Damaged("several lines in one text".to_owned()));
    }
    let made = event("code42", None, Some(text));
    Some(Reading::Events(vec![made.record(text, hints)]))
}

/// The two statuses, as they are called; any other text is none.
fn standing(status: &str) -> Option<&'static str> {
    let status = status.trim();
    let is = |name: &str| status.eq_ignore_ascii_case(name);
    if is("monitoring") || is("ok") || is("connected") || is("active") {
        Some("MONITORING")
    } else if is("error") || is("failed") {
        Some("ERROR")
    } else {
        None
    }
}

fn event(id: &str, status: Option<&str>, message: Option<&str>) -> Made {
    let mut made = Made::new(Source::Code42, "code42_connection_status", id);
    // A text of an error without a status is an error.
    let said = status.map_or(Some("ERROR"), standing);
    let status = said.map_or_else(|| status.unwrap_or_default().to_uppercase(), str::to_owned);
    made.level = Some(if status == "ERROR" { "SEVERE" } else { "INFO" }.to_owned());
    if status == "ERROR" {
        made.put_some("cause", message.and_then(cause));
    }
    made.put("status", status);
    made.put_some("message", message);
    made
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use crate::model::{Payload, Record};
    use serde_json::json;

    const DEACTIVATED: &str = "The Salesforce service account user that authorized this data connection has been \
        deactivated. Reactivate the user account to return this data connection to monitoring.";
    const FROZEN: &str = "The Salesforce service account user that authorized this data connection has been frozen. \
        Unfreeze the user account to return this data connection to monitoring.";
    const PERMISSIONS: &str = "The Salesforce profile for the service account user that authorized this data \
        connection does not have the correct permissions. Verify the profile's permissions to return this data connection to \
        monitoring.";

    fn found(text: &str) -> Option<(Value, Option<String>)> {
        let record = Record { payload: Payload::Text(text.into()), hints: Hints::default() };
        match read(&record) {
            Reading::Events(records) => {
                let value: Value = serde_json::from_str(records[0].payload.text()).unwrap();
                Some((value, records[0].hints.level.clone()))
            }
            _ => None,
        }
    }

    #[test]
    fn the_three_causes_are_told_apart() {
        for (message, cause) in
            [(DEACTIVATED, "user_deactivated"), (FROZEN, "user_frozen"), (PERMISSIONS, "profile_permissions")]
        {
            let object = json!({"dataConnectionId": "dc-1", "dataConnectionName": "Salesforce prod", "status": "Error",
                "errorMessage": message, "timestamp": "2026-07-07T10:00:00Z"});
            let (event, level) = found(&object.to_string()).unwrap();
            assert_eq!(event["event"], "code42_connection_status");
            assert_eq!(
                (&event["connection_id"], &event["connection_name"]),
                (&json!("dc-1"), &json!("Salesforce prod"))
            );
            assert_eq!(event["created"], "2026-07-07T10:00:00Z");
            assert_eq!(event["data"], json!({"status": "ERROR", "cause": cause, "message": message}));
            assert_eq!(level.as_deref(), Some("SEVERE"));
            let (event, _) = found(message).unwrap();
            assert_eq!((&event["connection_id"], &event["data"]["cause"]), (&json!("code42"), &json!(cause)));
        }
    }

    #[test]
    fn a_message_goes_on_until_another_begins() {
        for (text, messages) in [
            (format!("{FROZEN}\nSee the console.\n"), 1),
            (format!("{FROZEN}\n{DEACTIVATED}\nAgain.\n{FROZEN}"), 3),
            (format!("{FROZEN}\n{{\"event\":\n\"x\"}}\nhello"), 3),
        ] {
            let record = Record { payload: Payload::Text(text.as_str().into()), hints: Hints::default() };
            let found = super::super::lines(&record).map_or(1, |lines| lines.len());
            assert_eq!(found, messages, "{text}");
        }
    }

    #[test]
    fn monitoring_is_a_status_and_strangers_are_left_alone() {
        let object = json!({"source": "Incydr", "connectionId": "dc-1", "status": "monitoring"});
        let (event, level) = found(&object.to_string()).unwrap();
        assert_eq!((&event["data"], level.as_deref()), (&json!({"status": "MONITORING"}), Some("INFO")));
        for stranger in [
            json!({"connectionId": "x", "status": "Error"}),
            json!({"source": "code42"}),
            json!({"dataConnectionId": 1}),
        ] {
            assert_eq!(found(&stranger.to_string()), None, "{stranger}");
        }
    }
}
