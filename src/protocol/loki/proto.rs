//! Loki's push format in protobuf, unpacked.
//!
//! In: `PushRequest{1: streams}` with `Stream{1: labels, 2: entries}` and `Entry{1: time, 2: line, 3: metadata}`. Out: one
//! record per line, borrowed from the body. Refused: one entry or one stream where only that is wrong, else the whole.
//! Source: repo `grafana/loki`, `pkg/push/push.proto`, read 2026-11-20.

use super::labels::{self, LevelOf};
use crate::model::{Hints, Payload, Record, Timestamp};
use crate::protocol::framing::Items;
use crate::protocol::protobuf::{Malformed, Value, fields, range_in};
use crate::protocol::{DecodeError, Decoded, Limits};
use std::borrow::Cow;

/// Decodes a body.
///
/// # Errors
/// No push request, too many lines, or none that can be read.
pub(super) fn decode<'b>(body: &'b [u8], limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
    let mut items = Items::new(limits, body.len());
    for field in fields(body) {
        match field {
            Ok((1, Value::Bytes(bytes))) => stream(body, bytes, &mut items)?,
            Ok(_) => {}
            Err(Malformed) => {
                return Err(DecodeError::new(0, "expected JSON, or a protobuf push request packed with snappy"));
            }
        }
    }
    items.readable()
}

fn stream<'b>(body: &'b [u8], bytes: &'b [u8], items: &mut Items<'b>) -> Result<(), DecodeError> {
    // Labels may come after the entries; damage anywhere makes the whole stream unreadable before any of it is taken.
    let mut label_text = &b""[..];
    for field in fields(bytes) {
        match field {
            Ok((1, Value::Bytes(text))) => label_text = text,
            Ok(_) => {}
            Err(malformed) => return items.unreadable(malformed.to_string(), range_in(body, bytes)),
        }
    }
    let labels = match std::str::from_utf8(label_text).map_err(|_| "the stream's labels are not UTF-8") {
        Ok(text) => labels::parse(text),
        Err(reason) => Err(reason),
    };
    let labels = match labels {
        Ok(labels) => labels,
        Err(reason) => return items.unreadable(reason, range_in(body, bytes)),
    };
    for field in fields(bytes).flatten() {
        if let (2, Value::Bytes(bytes)) = field {
            match entry(bytes, &labels) {
                Ok(record) => items.record(record)?,
                Err(reason) => items.unreadable(reason, range_in(body, bytes))?,
            }
        }
    }
    Ok(())
}

fn entry<'b>(bytes: &'b [u8], labels: &LevelOf<'b>) -> Result<Record<'b>, &'static str> {
    const MALFORMED: &str = "the entry is not a protobuf message";
    let mut line = &b""[..];
    let mut time = None;
    let mut metadata = LevelOf::default();
    for field in fields(bytes) {
        match field.map_err(|_| MALFORMED)? {
            (1, Value::Bytes(stamp)) => time = timestamp(stamp)?,
            (2, Value::Bytes(text)) => line = text,
            (3, Value::Bytes(pair)) => {
                let (name, value) = label_pair(pair).map_err(|_| MALFORMED)?;
                if let Ok(name) = std::str::from_utf8(name) {
                    metadata.see(name, || String::from_utf8_lossy(value));
                }
            }
            _ => {}
        }
    }
    let line = std::str::from_utf8(line).map_err(|_| "the line is not UTF-8")?;
    if line.is_empty() {
        return Err(super::EMPTY_LINE);
    }
    let hints = Hints { time, level: metadata.or(labels), ..Hints::default() };
    Ok(Record { payload: Payload::Text(Cow::Borrowed(line)), hints })
}

/// `Timestamp{1: seconds, 2: nanos}`; all zero means that there is none.
fn timestamp(bytes: &[u8]) -> Result<Option<Timestamp>, &'static str> {
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    for field in fields(bytes) {
        match field.map_err(|_| "the entry's time is not a protobuf message")? {
            // Protobuf keeps signed numbers as the unsigned ones with the same bits.
            (1, Value::Varint(value)) => seconds = value.cast_signed(),
            (2, Value::Varint(value)) => nanos = value.cast_signed(),
            _ => {}
        }
    }
    if (seconds, nanos) == (0, 0) {
        return Ok(None);
    }
    let nanos = u32::try_from(nanos).ok().filter(|_| seconds >= 0);
    let time = nanos.and_then(|nanos| Timestamp::new(seconds, nanos, 9).ok());
    time.map(|time| Some(time.trimmed())).ok_or("the entry's time is before 1970 or out of range")
}

fn label_pair(bytes: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let (mut name, mut value) = (&b""[..], &b""[..]);
    for field in fields(bytes) {
        match field? {
            (1, Value::Bytes(text)) => name = text,
            (2, Value::Bytes(text)) => value = text,
            _ => {}
        }
    }
    Ok((name, value))
}
