//! Export requests in protobuf.
//!
//! In: `ExportLogsServiceRequest{1: resource_logs}`, walked in place. Out: a record per log record. Refused: one log record, or the
//! part around it that is damaged, alone; a request that is damaged as a whole.

use super::record::{self, Body, DEPTH_MAX, Fault, Json};
use crate::model::{Payload, Record};
use crate::protocol::framing::Items;
use crate::protocol::protobuf::{Value, fields, range_in};
use crate::protocol::{DecodeError, Decoded, Limits};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;

/// Field numbers on the way from a request to its log records: `resource_logs`, `scope_logs`, `log_records`.
const WAY: [u32; 3] = [1, 2, 2];

const MALFORMED: Fault = Fault::Unreadable("the log record is not a protobuf message");

/// Decodes a body.
///
/// # Errors
/// No export request, too many log records, or none that can be read.
pub(super) fn decode<'b>(body: &'b [u8], limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
    if fields(body).any(|field| field.is_err()) {
        return Err(DecodeError::new(0, "the body is not an export request in protobuf"));
    }
    let mut request = Request { body, items: Items::new(limits, body.len()), left: limits.body_bytes_max };
    request.part(body, &WAY)?;
    request.items.readable()
}

struct Request<'b> {
    body: &'b [u8],
    items: Items<'b>,
    /// Bytes that may still be written as JSON.
    left: usize,
}

impl<'b> Request<'b> {
    /// Takes what lies the rest of the way below a message that is whole.
    fn part(&mut self, message: &'b [u8], way: &[u32]) -> Result<(), DecodeError> {
        let Some((next, rest)) = way.split_first() else { return self.log(message) };
        for field in fields(message).flatten() {
            match field {
                (number, Value::Bytes(bytes)) if number == *next => {
                    if !rest.is_empty() && fields(bytes).any(|field| field.is_err()) {
                        let reason = "a part of the request is not a protobuf message";
                        self.items.unreadable(reason, range_in(self.body, bytes))?;
                    } else {
                        self.part(bytes, rest)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn log(&mut self, bytes: &'b [u8]) -> Result<(), DecodeError> {
        match log_record(bytes, self.left) {
            Ok(record) => {
                if let Payload::Json(text) = &record.payload {
                    self.left -= text.len().min(self.left);
                }
                self.items.record(record)
            }
            Err(Fault::Unreadable(reason)) => self.items.unreadable(reason, range_in(self.body, bytes)),
            Err(Fault::TooLarge) => Err(record::too_large()),
        }
    }
}

/// `LogRecord{1: time, 2: severity, 3: severity text, 5: body, 6: attributes, 11: observed time}`.
fn log_record(bytes: &[u8], bytes_max: usize) -> Result<Record<'_>, Fault> {
    let (mut time, mut observed, mut severity, mut severity_text, mut body) = (None, None, 0, None, &b""[..]);
    for field in fields(bytes) {
        match field.map_err(|_| MALFORMED)? {
            (1, Value::Fixed64(nanos)) => time = Some(nanos),
            (2, Value::Varint(number)) => severity = number,
            (3, Value::Bytes(text)) => severity_text = std::str::from_utf8(text).ok(),
            (5, Value::Bytes(value)) => body = value,
            (11, Value::Fixed64(nanos)) => observed = Some(nanos),
            _ => {}
        }
    }
    let body = match chosen(body)? {
        Some((1, Value::Bytes(text))) => Body::Text(Cow::Borrowed(utf8(text)?)),
        _ => {
            let mut out = Json::new(bytes_max);
            any(body, &mut out, DEPTH_MAX)?;
            Body::Json(out.text)
        }
    };
    let hints = record::hints(time, observed, severity_text, severity);
    record::record(body, bytes_max, |out| members(bytes, 6, out, DEPTH_MAX), hints)
}

/// The value that an `AnyValue` holds: the last one, as everywhere in protobuf.
fn chosen(bytes: &[u8]) -> Result<Option<(u32, Value<'_>)>, Fault> {
    fields(bytes).try_fold(None, |last, field| match field {
        Ok((1..=7, _)) => field.map(Some).map_err(|_| MALFORMED),
        Ok(_) => Ok(last),
        Err(_) => Err(MALFORMED),
    })
}

/// Writes an `AnyValue{1: string, 2: bool, 3: int, 4: double, 5: array, 6: kvlist, 7: bytes}`.
fn any(bytes: &[u8], out: &mut Json, depth: usize) -> Result<(), Fault> {
    let Some(below) = depth.checked_sub(1) else { return Err(record::TOO_DEEP) };
    match chosen(bytes)? {
        Some((1, Value::Bytes(text))) => out.string(utf8(text)?),
        Some((2, Value::Varint(number))) => out.push(if number == 0 { "false" } else { "true" }),
        // Protobuf keeps signed numbers as the unsigned ones with the same bits.
        Some((3, Value::Varint(number))) => out.push(&number.cast_signed().to_string()),
        Some((4, Value::Fixed64(bits))) => out.push(&double(f64::from_bits(bits))),
        Some((5, Value::Bytes(list))) => {
            out.push("[")?;
            let start = out.text.len();
            for field in fields(list) {
                if let (1, Value::Bytes(value)) = field.map_err(|_| MALFORMED)? {
                    out.comma(start)?;
                    any(value, out, below)?;
                }
            }
            out.push("]")
        }
        Some((6, Value::Bytes(list))) => {
            out.push("{")?;
            members(list, 1, out, below)?;
            out.push("}")
        }
        Some((7, Value::Bytes(bytes))) => out.string(&STANDARD.encode(bytes)),
        _ => out.push("null"),
    }
}

/// Writes every `KeyValue{1: key, 2: value}` in field `number` of a message as a member.
fn members(message: &[u8], number: u32, out: &mut Json, depth: usize) -> Result<(), Fault> {
    let start = out.text.len();
    for field in fields(message) {
        match field.map_err(|_| MALFORMED)? {
            (found, Value::Bytes(pair)) if found == number => {
                let (mut key, mut value) = (&b""[..], &b""[..]);
                for field in fields(pair) {
                    match field.map_err(|_| MALFORMED)? {
                        (1, Value::Bytes(text)) => key = text,
                        (2, Value::Bytes(any)) => value = any,
                        _ => {}
                    }
                }
                out.comma(start)?;
                out.string(utf8(key)?)?;
                out.push(":")?;
                any(value, out, depth)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn utf8(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| Fault::Unreadable("a text in the log record is not UTF-8"))
}

/// JSON has no word for what is no number.
fn double(value: f64) -> String {
    serde_json::Number::from_f64(value).map_or_else(|| format!("\"{value}\""), |number| number.to_string())
}
