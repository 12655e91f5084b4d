//! `/services/collector/event`: JSON envelopes one after another, with or without anything between them, or in lists.
//!
//! In: a body. Out: one record per envelope, holding the text of its `event`, its time and its level. Refused: from the
//! first envelope that Splunk would refuse to the end of the body, as one unreadable item, with Splunk's code
//! and the envelope's number. Keys that we have no use for (`host`, `source`, `sourcetype`, `index`) may hold anything.

use super::channel;
use super::reply::{CHANNEL_INVALID, Code, EVENT_BLANK, EVENT_REQUIRED, FIELDS_INVALID, INVALID_DATA, NO_DATA};
use crate::json;
use crate::model::{Hints, Payload, Record, Timestamp};
use crate::protocol::framing::{self, Items, Text, Values, plain};
use crate::protocol::{DecodeError, Decoded, Limits};
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// What of an envelope is used. Everything is borrowed and nothing is built.
#[derive(serde::Deserialize)]
struct Envelope<'b> {
    #[serde(borrow, default)]
    event: Option<&'b RawValue>,
    #[serde(borrow, default)]
    time: Option<&'b RawValue>,
    #[serde(borrow, default)]
    fields: Option<&'b RawValue>,
    #[serde(borrow, default)]
    channel: Option<&'b RawValue>,
    /// Never part of an envelope: when it is there, this is a Fivetran event that was posted without one.
    #[serde(default)]
    created: Option<IgnoredAny>,
}

/// What makes Splunk stop at an envelope.
struct Fault(Code, Cow<'static, str>);

/// Decodes a body.
///
/// # Errors
/// Nothing in it, or too much.
pub(super) fn decode<'b>(body: &'b [u8], limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
    let text = framing::utf8_prefix(body);
    let mut items = Items::new(limits, body.len());
    let mut values = Values::new(text, framing::bom_len(body));
    let mut named_channel = None;
    let (fault, failed_at) = loop {
        match values.seek() {
            Ok(Some(start)) => match envelope(&mut values, text, start, &mut named_channel) {
                Ok(record) => items.record(record)?,
                Err(fault) => break (fault, start),
            },
            Ok(None) if text.len() < body.len() => {
                break (Fault(INVALID_DATA, "not UTF-8".into()), values.position());
            }
            Ok(None) if items.is_empty() => {
                return Err(DecodeError::empty(NO_DATA.number, "the body holds no events"));
            }
            Ok(None) => {
                return Ok(Decoded { channel: named_channel, ..items.decoded() });
            }
            Err(reason) => break (Fault(INVALID_DATA, reason.into()), values.position()),
        }
    };
    let Fault(code, reason) = fault;
    let refusal = code.error(reason.clone()).at(items.len());
    items.unreadable(reason, failed_at..body.len())?;
    Ok(Decoded { refusal: Some(refusal), channel: named_channel, ..items.decoded() })
}

fn envelope<'b>(
    values: &mut Values<'b>,
    text: &'b str,
    start: usize,
    named_channel: &mut Option<String>,
) -> Result<Record<'b>, Fault> {
    if text.as_bytes()[start] != b'{' {
        let found = values.read::<&RawValue>().map_err(|error| syntax(&error))?;
        let reason = format!("expected an object, found {}", json::kind(found.get()));
        return Err(Fault(INVALID_DATA, reason.into()));
    }
    let envelope: Envelope<'b> = values.read().map_err(|error| syntax(&error))?;
    let whole = &text[start..values.position()];
    let fields = match envelope.fields {
        Some(raw) => serde_json::from_str::<Fields<'b>>(raw.get())
            .map_err(|_| Fault(FIELDS_INVALID, "fields must be an object of plain values".into()))?,
        None => Fields::default(),
    };
    if let (None, Some(raw)) = (&named_channel, envelope.channel) {
        *named_channel = read_channel(raw)?;
    }
    let event = match envelope.event {
        // Fivetran's own event, posted without an envelope around it.
        Some(event) if envelope.created.is_some() && event.get().starts_with('"') => whole,
        Some(event) if event.get() == "\"\"" => return Err(Fault(EVENT_BLANK, "event is an empty text".into())),
        Some(event) => event.get(),
        // A metric: well-formed, but no event of ours, which the envelope room will say.
        None if fields.metric => whole,
        None => return Err(Fault(EVENT_REQUIRED, "the envelope has no event".into())),
    };
    let time = envelope.time.map(read_time).transpose()?;
    let hints = Hints { time, level: fields.level.map(Cow::into_owned), ..Hints::default() };
    Ok(Record { payload: Payload::Json(Cow::Borrowed(event)), hints })
}

fn syntax(error: &serde_json::Error) -> Fault {
    Fault(INVALID_DATA, framing::not_json(error).into())
}

fn read_time(raw: &RawValue) -> Result<Timestamp, Fault> {
    epoch(&plain(raw.get())).map_err(|reason| Fault(INVALID_DATA, reason.into()))
}

/// Reads seconds since 1970, in any of the units that senders mistake for seconds.
pub(super) fn epoch(text: &str) -> Result<Timestamp, &'static str> {
    if text.trim_start().starts_with('-') {
        return Err("time is negative");
    }
    Timestamp::parse_epoch(text).map_err(|_| "time is not a number of seconds since 1970")
}

fn read_channel(raw: &RawValue) -> Result<Option<String>, Fault> {
    match plain(raw.get()) {
        text if text.is_empty() => Ok(None),
        text => match channel::parse(&text) {
            Some(channel) => Ok(Some(channel)),
            None => Err(Fault(CHANNEL_INVALID, "the envelope's channel is not a GUID".into())),
        },
    }
}

/// What of `fields` is used.
#[derive(Default)]
struct Fields<'b> {
    level: Option<Cow<'b, str>>,
    metric: bool,
}

/// Keys that hold a level, most telling first.
const LEVEL_KEYS: [&str; 4] = ["level", "severity", "levelName", "log_level"];

impl<'de: 'b, 'b> Deserialize<'de> for Fields<'b> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a flat object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Fields::default();
                let mut best = LEVEL_KEYS.len();
                while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
                    let value: &'de RawValue = map.next_value()?;
                    if is_nested(value) {
                        return Err(A::Error::custom("nested"));
                    }
                    fields.metric |= key.starts_with("metric_name");
                    let rank = LEVEL_KEYS.iter().position(|known| *known == key);
                    if let Some(rank) = rank.filter(|rank| *rank < best) {
                        best = rank;
                        fields.level = Some(plain(value.get()));
                    }
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// Whether a value of `fields` is more than a plain value or a list of them, which Splunk takes as several values.
/// Source: Splunk, "Automate indexed field extractions with HTTP Event Collector", example with a list.
fn is_nested(value: &RawValue) -> bool {
    match value.get().as_bytes().first() {
        Some(b'{') => true,
        Some(b'[') => serde_json::from_str::<PlainList>(value.get()).is_err(),
        _ => false,
    }
}

/// A list without lists or objects in it.
struct PlainList;

impl<'de> Deserialize<'de> for PlainList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor;
        impl<'de> Visitor<'de> for ListVisitor {
            type Value = PlainList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of plain values")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<PlainList, A::Error> {
                while let Some(value) = list.next_element::<&'de RawValue>()? {
                    if value.get().starts_with(['[', '{']) {
                        return Err(A::Error::custom("nested"));
                    }
                }
                Ok(PlainList)
            }
        }
        deserializer.deserialize_seq(ListVisitor)
    }
}
