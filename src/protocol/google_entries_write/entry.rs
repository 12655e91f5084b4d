//! A log entry of Google Cloud Logging, as it is written and as Pub/Sub pushes it.
//!
//! In: the members of an entry. Out: a record with time and level. Refused: nothing; an entry without a payload is
//! passed on whole, so that quarantine shows it.

use crate::json;
use crate::model::{Hints, Payload, Record, Timestamp};
use crate::protocol::framing::{self, Text};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Member of the entry in which Google's libraries introduce themselves.
/// Observed: `google-cloud-logging-py-http`, `google-cloud-logging-node`.
const DIAGNOSTIC: &str = "logging.googleapis.com/diagnostic";

/// What of an entry is looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry<'b> {
    #[serde(borrow, default)]
    timestamp: Option<&'b RawValue>,
    #[serde(borrow, default)]
    receive_timestamp: Option<&'b RawValue>,
    #[serde(borrow, default)]
    severity: Option<&'b RawValue>,
    #[serde(borrow, default)]
    labels: Option<&'b RawValue>,
    #[serde(borrow, default)]
    text_payload: Option<Text<'b>>,
    #[serde(borrow, default)]
    json_payload: Option<&'b RawValue>,
    #[serde(borrow, default)]
    proto_payload: Option<&'b RawValue>,
}

impl Entry<'_> {
    /// Whether it has a payload, without which it may be something else.
    pub fn has_payload(&self) -> bool {
        self.text_payload.is_some() || self.json_payload.is_some() || self.proto_payload.is_some()
    }
}

/// The record of an entry, whose own text is `whole`; `None` for one that only introduces a library. `defaults` are the
/// labels of the request.
pub fn record<'b>(entry: &Entry<'b>, defaults: Option<&'b RawValue>, whole: &'b str) -> Option<Record<'b>> {
    let payload = match (&entry.text_payload, entry.json_payload, entry.proto_payload) {
        (Some(Text(text)), _, _) => Payload::Text(text.clone()),
        (None, Some(json), _) if is_diagnostic(json) => return None,
        (None, Some(json), _) | (None, None, Some(json)) => Payload::Json(Cow::Borrowed(json.get())),
        (None, None, None) => Payload::Json(Cow::Borrowed(whole)),
    };
    let time = [entry.timestamp, entry.receive_timestamp].into_iter().flatten().find_map(time);
    let level = entry.severity.and_then(severity).or_else(|| labelled(entry.labels)).or_else(|| labelled(defaults));
    Some(Record { payload, hints: Hints { time, level, ..Hints::default() } })
}

fn is_diagnostic(payload: &RawValue) -> bool {
    payload.get().contains(DIAGNOSTIC)
        && json::members(payload.get()).is_ok_and(|members| {
            json::member(&members, DIAGNOSTIC).is_some() && json::member(&members, "event").is_none()
        })
}

/// RFC 3339, or the object that some libraries make of it.
fn time(raw: &RawValue) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Parts {
        #[serde(default)]
        seconds: i64,
        #[serde(default)]
        nanos: u32,
    }
    if raw.get().starts_with('{') {
        let Parts { seconds, nanos } = serde_json::from_str(raw.get()).ok()?;
        return Timestamp::new(seconds, nanos, 9).ok().map(Timestamp::trimmed);
    }
    Timestamp::parse(&framing::plain(raw.get())).ok()
}

/// A severity's name; `None` for `DEFAULT`, which says nothing.
/// Source: <https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry#logseverity>, read 2026-11-20.
fn severity(raw: &RawValue) -> Option<String> {
    let text = framing::plain(raw.get());
    let name = match text.as_ref() {
        "0" | "DEFAULT" | "LOG_SEVERITY_UNSPECIFIED" | "null" => return None,
        "100" => "DEBUG",
        "200" => "INFO",
        "300" => "NOTICE",
        "400" => "WARNING",
        "500" => "ERROR",
        "600" => "CRITICAL",
        "700" => "ALERT",
        "800" => "EMERGENCY",
        other => other,
    };
    Some(name.to_owned())
}

/// The level that Fivetran puts into a label.
fn labelled(labels: Option<&RawValue>) -> Option<String> {
    let members = json::members(labels?.get()).ok()?;
    json::member(&members, "levelName").and_then(json::string).map(Cow::into_owned)
}
