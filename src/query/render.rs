//! The public shapes: an event, a quarantined item, a token, a page.
//!
//! In: what the store gives back. Out: views that serialise with the members of the contract, in its order. Members
//! that only some events have (`original_event`, `created_from`, `conflicts`, `extra`) appear only there.

use crate::diagnose::Diagnosis;
use crate::model::{Conflict, CreatedFrom, Data, Micros, QuarantinedItem, StoredEvent, Timestamp, Violation};
use base64::Engine;
use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use utoipa::ToSchema;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub data: Vec<T>,
    /// Give this as `cursor` for the next page; null at the end.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

/// An event as every query returns it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventView<'a> {
    /// Identity by content: the same event has the same id on every server.
    #[schema(value_type = String, example = "80061b1c2d3e4f508000000000000001", pattern = "^[0-9a-f]{32}$")]
    id: String,
    /// The system that wrote it.
    #[schema(value_type = String, example = "fivetran")]
    source: &'static str,
    /// Its name in lower case.
    #[schema(value_type = String, example = "sync_end")]
    event: &'a str,
    /// The name as it came, when that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    original_event: Option<&'a str>,
    /// The part of Fivetran's documentation it belongs to.
    #[schema(value_type = String, example = "connector")]
    family: &'static str,
    /// FINE, INFO, WARNING or SEVERE.
    #[schema(value_type = String, example = "INFO")]
    level: &'static str,
    /// When it happened, by the sender's clock.
    #[schema(format = DateTime, example = "2026-07-07T16:35:14.456Z")]
    created: String,
    /// `transport` or `receipt`, when the event itself was silent about `created`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    created_from: Option<&'static str>,
    /// When it was first received, by our clock.
    #[schema(format = DateTime, example = "2026-07-07T16:35:15.012Z")]
    received: String,
    /// The connection it is about.
    #[schema(value_type = Option<String>, required = true)]
    connection_id: Option<&'a str>,
    /// That connection's name at the time.
    #[schema(value_type = Option<String>, required = true)]
    connection_name: Option<&'a str>,
    /// The connector type.
    #[schema(value_type = Option<String>, required = true)]
    connector_type: Option<&'a str>,
    /// The sync it belongs to.
    #[schema(value_type = Option<String>, required = true)]
    sync_id: Option<&'a str>,
    /// Fivetran's identifier of an unexpected problem.
    #[schema(value_type = Option<String>, required = true)]
    exception_id: Option<&'a str>,
    /// The destination it belongs to.
    #[schema(value_type = Option<String>, required = true)]
    destination: Option<&'a str>,
    /// The event's own data after normalising, secrets masked.
    #[schema(value_type = Value, required = true)]
    data: Option<&'a Data>,
    /// Envelope members that are not known, as they came.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    extra: Option<&'a Map<String, Value>>,
    /// Every rewrite that normalising made.
    #[schema(value_type = Vec<String>)]
    normalized: &'a [Cow<'static, str>],
    /// Old and new spellings of a member that disagreed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>, nullable = false)]
    conflicts: Option<&'a [Conflict]>,
    /// What the event's schema says.
    #[schema(inline)]
    validation: ValidationView<'a>,
    /// How it first arrived.
    #[schema(inline)]
    delivery: DeliveryView<'a>,
    /// How often it was delivered.
    deliveries: u64,
    /// What the problem means that it tells of, where it tells of one; only when one event is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<super::diagnosis::shape::Diagnosis>, nullable = false)]
    diagnosis: Option<Diagnosis<'a>>,
    /// The redacted original text; only when one event is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    raw: Option<&'a str>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ValidationView<'a> {
    /// valid, invalid or unknown_event.
    #[schema(value_type = String, example = "valid")]
    status: &'static str,
    /// The schema that was applied.
    #[schema(value_type = Option<String>, required = true)]
    schema: Option<&'a str>,
    /// At most ten breaches: `path` is a JSON Pointer, `message` what was expected.
    #[schema(value_type = Vec<Object>)]
    errors: &'a [Violation],
}

#[derive(Debug, Serialize, ToSchema)]
struct DeliveryView<'a> {
    /// Name of the protocol.
    #[schema(value_type = String, example = "splunk_hec")]
    protocol: &'a str,
    /// Name of the token, never the token.
    #[schema(value_type = String, example = "default")]
    token: &'a str,
}

impl<'a> EventView<'a> {
    /// The public shape of an event.
    #[must_use]
    pub fn new(stored: &'a StoredEvent, with_raw: bool) -> Self {
        let event = &stored.event;
        Self {
            id: stored.id.to_string(),
            source: event.source.as_str(),
            event: &event.name,
            original_event: event.original_name.as_deref(),
            family: event.family.as_str(),
            level: event.level.as_str(),
            created: event.created.text(),
            created_from: match event.created_from {
                CreatedFrom::Event => None,
                CreatedFrom::Transport => Some("transport"),
                CreatedFrom::Receipt => Some("receipt"),
            },
            received: millis(stored.received_us),
            connection_id: event.connection_id.as_deref(),
            connection_name: event.connection_name.as_deref(),
            connector_type: event.connector_type.as_deref(),
            sync_id: event.sync_id.as_deref(),
            exception_id: event.exception_id.as_deref(),
            destination: event.destination.as_deref(),
            data: event.data.as_ref(),
            extra: (!event.extra.is_empty()).then_some(&event.extra),
            normalized: &event.normalized,
            conflicts: (!event.conflicts.is_empty()).then_some(&*event.conflicts),
            validation: ValidationView {
                status: stored.verdict.status.as_str(),
                schema: stored.verdict.schema.as_deref(),
                errors: &stored.verdict.errors,
            },
            delivery: DeliveryView { protocol: &stored.protocol, token: &stored.token },
            deliveries: stored.deliveries,
            diagnosis: None,
            raw: with_raw.then_some(&*stored.raw),
        }
    }

    /// With what it means.
    #[must_use]
    pub fn explained(self, diagnosis: Option<Diagnosis<'a>>) -> Self {
        Self { diagnosis, ..self }
    }
}

/// The public shape of an event as a value, for tools that go on working with it.
#[must_use]
pub fn event_json(stored: &StoredEvent, with_raw: bool) -> Value {
    serde_json::to_value(EventView::new(stored, with_raw)).expect("the view has text keys only")
}

/// A moment of our clock in RFC 3339 with milliseconds.
#[must_use]
pub fn millis(at: Micros) -> String {
    Timestamp::of_clock(at).text()
}

/// An item in quarantine.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = QuarantinedItem)]
pub struct QuarantineView {
    #[serde(skip)]
    number: i64,
    /// Its number, ascending in order of arrival.
    #[schema(example = "17")]
    pub id: String,
    /// Why it could not be read.
    pub reason: String,
    /// The protocol that delivered it.
    #[schema(example = "splunk_hec")]
    pub protocol: String,
    /// The token's name.
    #[schema(example = "default")]
    pub token: String,
    /// When it was first received.
    #[schema(format = DateTime)]
    pub received: String,
    /// How often the same bytes came.
    pub deliveries: u64,
    /// When a replay turned it into events; null while it waits.
    #[schema(required = true, format = DateTime)]
    pub replayed: Option<String>,
    /// Its size in bytes.
    pub size_bytes: usize,
    /// `utf-8` or `base64`: how `bytes` is written.
    pub encoding: &'static str,
    /// The redacted bytes. A list shows the beginning only.
    pub bytes: String,
    /// Whether `bytes` is the beginning only.
    pub truncated: bool,
}

impl QuarantineView {
    /// The whole item.
    #[must_use]
    pub fn new(item: QuarantinedItem) -> Self {
        Self::preview(item, usize::MAX)
    }

    /// The item with at most so many of its bytes.
    #[must_use]
    pub fn preview(item: QuarantinedItem, bytes_max: usize) -> Self {
        let size_bytes = item.bytes.len();
        let truncated = size_bytes > bytes_max;
        let cut = size_bytes.min(bytes_max);
        let (encoding, bytes) = match std::str::from_utf8(&item.bytes) {
            Ok(text) => ("utf-8", text[..text.floor_char_boundary(cut)].to_owned()),
            Err(_) => ("base64", base64::engine::general_purpose::STANDARD.encode(&item.bytes[..cut])),
        };
        Self {
            number: item.id,
            id: item.id.to_string(),
            reason: item.reason,
            protocol: item.protocol,
            token: item.token,
            received: millis(item.received_us),
            deliveries: item.deliveries,
            replayed: item.replayed_us.map(millis),
            size_bytes,
            encoding,
            bytes,
            truncated,
        }
    }

    pub(super) const fn number(&self) -> i64 {
        self.number
    }
}

/// A token without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenView {
    /// Its name; destination of what it delivers, but for `default`.
    #[schema(example = "warehouse")]
    pub name: String,
    /// ingest, read or admin.
    #[schema(example = "ingest")]
    pub kind: String,
    /// `stored`, or `configured` for those of flags, environment and file, which are changed there.
    pub origin: &'static str,
    /// When it was made; null for configured ones.
    #[schema(required = true, format = DateTime)]
    pub created: Option<String>,
    /// When it was revoked; null while it is good.
    #[schema(required = true, format = DateTime)]
    pub revoked: Option<String>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::{Event, EventId, EventKey, Family, Level, Source, Status, Verdict};
    use serde_json::json;

    /// An event as the store gives it back.
    pub(crate) fn sample() -> StoredEvent {
        let created = Timestamp::parse("2026-07-07T16:35:14.456Z").expect("a time");
        StoredEvent {
            id: EventId(EventKey { created_us: created.micros(), hash: 1 }),
            event: Event {
                source: Source::Fivetran,
                name: "sync_end".into(),
                original_name: None,
                family: Family::Connector,
                level: Level::Info,
                level_given: false,
                created,
                created_from: CreatedFrom::Event,
                connection_id: Some("conn_1".into()),
                connection_name: Some("name".into()),
                connector_type: Some("postgres".into()),
                sync_id: None,
                exception_id: None,
                destination: Some("warehouse".into()),
                destination_given: true,
                data: Some(json!({"status": "SUCCESSFUL"}).into()),
                extra: Map::new(),
                normalized: vec!["connector_id".into()],
                conflicts: Vec::new(),
            },
            verdict: Verdict { status: Status::Valid, schema: Some("sync_end".into()), errors: Vec::new() },
            raw: r#"{"event":"sync_end","data":{"status":"SUCCESSFUL"}}"#.into(),
            received_us: created.micros() + 556_789,
            protocol: "splunk_hec".into(),
            token: "default".into(),
            deliveries: 1,
        }
    }

    #[test]
    fn an_event_has_the_shape_of_the_contract() {
        let text = serde_json::to_string(&EventView::new(&sample(), false)).expect("json");
        let id = sample().id;
        let rest = concat!(
            r#""source":"fivetran","event":"sync_end","family":"connector","level":"INFO","#,
            r#""created":"2026-07-07T16:35:14.456Z","received":"2026-07-07T16:35:15.012Z","connection_id":"conn_1","#,
            r#""connection_name":"name","connector_type":"postgres","sync_id":null,"exception_id":null,"#,
            r#""destination":"warehouse","data":{"status":"SUCCESSFUL"},"normalized":["connector_id"],"#,
            r#""validation":{"status":"valid","schema":"sync_end","errors":[]},"#,
            r#""delivery":{"protocol":"splunk_hec","token":"default"},"deliveries":1}"#
        );
        assert_eq!(text, format!(r#"{{"id":"{id}",{rest}"#));
        let value = event_json(&sample(), true);
        assert_eq!(value["id"], sample().id.to_string());
        assert_eq!(value["created"], "2026-07-07T16:35:14.456Z");
        assert_eq!(value["received"], "2026-07-07T16:35:15.012Z");
        assert_eq!(value["exception_id"], Value::Null);
        assert_eq!(value["validation"], json!({"status": "valid", "schema": "sync_end", "errors": []}));
        assert_eq!(value["delivery"], json!({"protocol": "splunk_hec", "token": "default"}));
        assert_eq!(value["raw"], sample().raw);
        for absent in ["original_event", "created_from", "conflicts", "extra"] {
            assert!(value.get(absent).is_none(), "{absent}");
        }
    }

    #[test]
    fn what_only_some_events_have_is_shown_there() {
        let mut stored = sample();
        stored.event.original_name = Some("SYNC_END".into());
        stored.event.created_from = CreatedFrom::Receipt;
        stored.event.extra.insert("more".into(), json!(1));
        stored.event.conflicts.push(Conflict {
            field: "connection_id".into(),
            kept: "conn_1".into(),
            dropped: "conn_2".into(),
        });
        let value = event_json(&stored, false);
        assert_eq!(value["original_event"], "SYNC_END");
        assert_eq!(value["created_from"], "receipt");
        assert_eq!(value["extra"], json!({"more": 1}));
        assert_eq!(value["conflicts"][0]["dropped"], "conn_2");
        assert!(value.get("raw").is_none());
    }

    #[test]
    fn quarantined_bytes_are_text_where_they_can_be() {
        let item = |bytes: &[u8]| QuarantinedItem {
            id: 7,
            reason: "r".into(),
            bytes: bytes.to_vec(),
            protocol: "native".into(),
            token: "default".into(),
            received_us: 0,
            deliveries: 1,
            replayed_us: None,
        };
        let view = QuarantineView::preview(item("aéb".as_bytes()), 2);
        assert_eq!((view.bytes.as_str(), view.encoding, view.truncated, view.size_bytes), ("a", "utf-8", true, 4));
        let view = QuarantineView::new(item(&[0xff, 0x00]));
        assert_eq!((view.bytes.as_str(), view.encoding, view.truncated), ("/wA=", "base64", false));
    }
}
