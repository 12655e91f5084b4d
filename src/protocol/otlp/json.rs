//! Export requests in OTLP's JSON: camel case, 64-bit numbers as text or number, unknown members ignored.
//!
//! In: `{"resourceLogs":[{"scopeLogs":[{"logRecords":[…]}]}]}`, read without building it. Out: a record per log record. Refused: one
//! log record, where only that is wrong; else the whole.

use super::record::{self, Body, DEPTH_MAX, Fault, Json};
use crate::json;
use crate::model::{Payload, Record};
use crate::protocol::framing::{self, Items, Text, Values, plain};
use crate::protocol::{DecodeError, Decoded, Limits};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Names on the way from a request to its log records, each with those that older exporters and plain protobuf use.
const WAY: [&[&str]; 3] = [
    &["resourceLogs", "resource_logs"],
    &["scopeLogs", "scope_logs", "instrumentationLibraryLogs"],
    &["logRecords", "log_records", "logs"],
];

/// Decodes a body.
///
/// # Errors
/// No export request, too many log records, or none that can be read.
pub(super) fn decode<'b>(body: &'b [u8], limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
    let text = std::str::from_utf8(&body[framing::bom_len(body)..])
        .map_err(|error| DecodeError::new(0, format!("not UTF-8: byte {} of the body", error.valid_up_to())))?;
    if text.trim_ascii().is_empty() {
        return Err(DecodeError::empty(0, "the body is empty; an empty request is {}"));
    }
    let mut request = Request {
        body,
        items: Items::new(limits, body.len()),
        left: limits.body_bytes_max,
        overflow: None,
        members: 0,
        logs_seen: false,
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let result = Part { request: &mut request, way: &WAY }.deserialize(&mut deserializer);
    let result = result.and_then(|()| deserializer.end());
    if let Some(overflow) = request.overflow {
        return Err(overflow);
    }
    match result {
        Ok(()) if request.logs_seen || request.members == 0 => request.items.readable(),
        Ok(()) => Err(DecodeError::new(0, "the object has no resourceLogs")),
        Err(error) => Err(DecodeError::new(0, framing::not_json(&error))),
    }
}

struct Request<'b> {
    body: &'b [u8],
    items: Items<'b>,
    /// Bytes that may still be written as JSON.
    left: usize,
    /// Why reading stopped early.
    overflow: Option<DecodeError>,
    /// Members of the outermost object.
    members: usize,
    logs_seen: bool,
}

impl<'b> Request<'b> {
    fn log(&mut self, raw: &'b RawValue) -> Result<(), DecodeError> {
        let fault = match serde_json::from_str::<LogRecord<'b>>(raw.get()) {
            Ok(log) => match log.record(self.left) {
                Ok(record) => {
                    if let Payload::Json(text) = &record.payload {
                        self.left -= text.len().min(self.left);
                    }
                    return self.items.record(record);
                }
                Err(fault) => fault,
            },
            Err(_) => Fault::Unreadable("the log record is not of OTLP's form"),
        };
        match fault {
            Fault::Unreadable(reason) => self.items.unreadable(reason, framing::range_in(self.body, raw.get())),
            Fault::TooLarge => Err(record::too_large()),
        }
    }
}

/// An object on the way, or the list in it.
struct Part<'r, 'b> {
    request: &'r mut Request<'b>,
    way: &'r [&'static [&'static str]],
}

impl<'b> DeserializeSeed<'b> for Part<'_, 'b> {
    type Value = ();

    fn deserialize<D: Deserializer<'b>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'b> Visitor<'b> for Part<'_, 'b> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of an export request")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'b>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((names, rest)) = self.way.split_first() else { return Err(A::Error::custom("too deep")) };
        let outermost = rest.len() + 1 == WAY.len();
        while let Some(Text(key)) = map.next_key()? {
            self.request.members += usize::from(outermost);
            if names.contains(&key.as_ref()) {
                self.request.logs_seen = true;
                map.next_value_seed(List(Part { request: &mut *self.request, way: rest }))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// The list on the way.
struct List<'r, 'b>(Part<'r, 'b>);

impl<'b> DeserializeSeed<'b> for List<'_, 'b> {
    type Value = ();

    fn deserialize<D: Deserializer<'b>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'b> Visitor<'b> for List<'_, 'b> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of an export request")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'b>>(self, mut list: A) -> Result<(), A::Error> {
        let Part { request, way } = self.0;
        if !way.is_empty() {
            while list.next_element_seed(Part { request: &mut *request, way })?.is_some() {}
            return Ok(());
        }
        while let Some(raw) = list.next_element::<&'b RawValue>()? {
            if let Err(overflow) = request.log(raw) {
                request.overflow = Some(overflow);
                return Err(A::Error::custom("too many log records"));
            }
        }
        Ok(())
    }
}

/// A log record, its parts unread.
#[derive(serde::Deserialize)]
struct LogRecord<'b> {
    #[serde(borrow, default, rename = "timeUnixNano", alias = "time_unix_nano")]
    time: Option<&'b RawValue>,
    #[serde(borrow, default, rename = "observedTimeUnixNano", alias = "observed_time_unix_nano")]
    observed: Option<&'b RawValue>,
    #[serde(borrow, default, rename = "severityNumber", alias = "severity_number")]
    severity: Option<&'b RawValue>,
    #[serde(borrow, default, rename = "severityText", alias = "severity_text")]
    severity_text: Option<&'b RawValue>,
    #[serde(borrow, default)]
    body: Option<&'b RawValue>,
    #[serde(borrow, default)]
    attributes: Option<&'b RawValue>,
}

impl<'b> LogRecord<'b> {
    fn record(self, bytes_max: usize) -> Result<Record<'b>, Fault> {
        let number = |raw: Option<&RawValue>| raw.and_then(|raw| plain(raw.get()).trim().parse::<u64>().ok());
        let severity_text = self.severity_text.map(|raw| plain(raw.get()));
        // Some exporters write the name of the number.
        let severity_name = self.severity.map(|raw| plain(raw.get()));
        let named = severity_name.as_deref().and_then(|name| name.strip_prefix("SEVERITY_NUMBER_"));
        let hints = record::hints(
            number(self.time),
            number(self.observed),
            severity_text.as_deref().or(named),
            number(self.severity).unwrap_or(0),
        );
        let body = match self.body.map(text).transpose()?.flatten() {
            Some(text) => Body::Text(text),
            None => {
                let mut out = Json::new(bytes_max);
                any(self.body.map_or("null", RawValue::get), &mut out, DEPTH_MAX)?;
                Body::Json(out.text)
            }
        };
        let attributes = self.attributes.map_or("null", RawValue::get);
        record::record(body, bytes_max, |out| members(attributes, out, DEPTH_MAX), hints)
    }
}

const NOT_A_VALUE: Fault = Fault::Unreadable("a value in the log record is not of OTLP's form");

/// The text of an `AnyValue` that is nothing else.
fn text(raw: &RawValue) -> Result<Option<Cow<'_, str>>, Fault> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct OnlyText<'b> {
        #[serde(borrow, rename = "stringValue", alias = "string_value")]
        text: &'b RawValue,
    }
    match serde_json::from_str::<OnlyText<'_>>(raw.get()) {
        Ok(OnlyText { text }) if text.get().starts_with('"') => {
            json::string(text.get()).map(Some).ok_or(Fault::Unreadable("a text in the log record is damaged"))
        }
        _ => Ok(None),
    }
}

/// Writes an `AnyValue`: `{"stringValue":…}` and its like.
fn any(raw: &str, out: &mut Json, depth: usize) -> Result<(), Fault> {
    let Some(below) = depth.checked_sub(1) else { return Err(record::TOO_DEEP) };
    if raw == "null" {
        return out.push("null");
    }
    let found = json::members(raw).map_err(|_| NOT_A_VALUE)?;
    let chosen = found.iter().rev().find_map(|(name, value)| {
        let kind = Kind::of(name)?;
        (*value != "null").then_some((kind, *value))
    });
    let Some((kind, value)) = chosen else { return out.push("null") };
    match kind {
        Kind::Text if value.starts_with('"') => out.push(value),
        Kind::Bool if matches!(value, "true" | "false") => out.push(value),
        Kind::Int => {
            let digits = value.trim_matches('"');
            let number: i64 = digits.parse().map_err(|_| NOT_A_VALUE)?;
            out.push(&number.to_string())
        }
        Kind::Double if value.starts_with('"') => match value.trim_matches('"').parse::<f64>() {
            Ok(number) if number.is_finite() => out.push(&serde_json::json!(number).to_string()),
            _ => out.push(value),
        },
        Kind::Double if value.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => out.push(value),
        Kind::Array => {
            out.push("[")?;
            let start = out.text.len();
            each(inner(value)?, |element| {
                out.comma(start)?;
                any(element, out, below)
            })?;
            out.push("]")
        }
        Kind::Pairs => {
            out.push("{")?;
            members(inner(value)?, out, below)?;
            out.push("}")
        }
        Kind::Text | Kind::Bool | Kind::Double => Err(NOT_A_VALUE),
    }
}

/// What an `AnyValue` can hold.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Bool,
    Int,
    Double,
    Array,
    Pairs,
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            // Bytes are written in base64, which is a text for us.
            "stringValue" | "string_value" | "bytesValue" | "bytes_value" => Self::Text,
            "boolValue" | "bool_value" => Self::Bool,
            "intValue" | "int_value" => Self::Int,
            "doubleValue" | "double_value" => Self::Double,
            "arrayValue" | "array_value" => Self::Array,
            "kvlistValue" | "kvlist_value" => Self::Pairs,
            _ => return None,
        })
    }
}

/// The `values` of a list.
fn inner(raw: &str) -> Result<&str, Fault> {
    let found = json::members(raw).map_err(|_| NOT_A_VALUE)?;
    Ok(json::member(&found, "values").unwrap_or("null"))
}

/// Writes a list of `{"key":…,"value":…}` as members.
fn members(list: &str, out: &mut Json, depth: usize) -> Result<(), Fault> {
    let start = out.text.len();
    each(list, |pair| {
        let found = json::members(pair).map_err(|_| NOT_A_VALUE)?;
        let key = json::member(&found, "key").unwrap_or("\"\"");
        if !key.starts_with('"') {
            return Err(NOT_A_VALUE);
        }
        out.comma(start)?;
        out.push(key)?;
        out.push(":")?;
        any(json::member(&found, "value").unwrap_or("null"), out, depth)
    })
}

/// Does something with each element of a list; `null` is an empty one.
fn each<'l>(list: &'l str, mut act: impl FnMut(&'l str) -> Result<(), Fault>) -> Result<(), Fault> {
    if list == "null" {
        return Ok(());
    }
    if !list.starts_with('[') {
        return Err(NOT_A_VALUE);
    }
    let mut values = Values::new(list, 0);
    while values.seek().map_err(|_| NOT_A_VALUE)?.is_some() {
        act(values.read::<&RawValue>().map_err(|_| NOT_A_VALUE)?.get())?;
    }
    Ok(())
}
