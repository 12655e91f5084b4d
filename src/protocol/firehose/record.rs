//! What is in a record of a stream.
//!
//! In: the base64 of a record. Out: its plain bytes, then its records: the log events of a subscription's documents, other JSON
//! documents as they are, lines that are no JSON as text. Refused: data that cannot be unpacked; and more than fits into the
//! request's room, however small it came.

use crate::json;
use crate::model::{Hints, Payload, Record, Timestamp};
use crate::protocol::framing::{Items, Text};
use crate::protocol::{DecodeError, framing};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::io::Read as _;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const GZIP: &[u8] = &[0x1f, 0x8b];

/// A document of a subscription that holds events; of the others, `CONTROL_MESSAGE` says that the way is open.
const DATA_MESSAGE: &str = "DATA_MESSAGE";
const CONTROL_MESSAGE: &str = "CONTROL_MESSAGE";

/// Undoes base64, and gzip where the data begins like it. At most `room` bytes.
///
/// # Errors
/// Outer: the request is too large. Inner: this record is damaged, and how.
pub(super) fn unpack(data: &str, room: usize) -> Result<Result<Vec<u8>, &'static str>, DecodeError> {
    let too_large = || DecodeError::too_large(format!("the records hold more than {room} bytes when unpacked"));
    let Ok(bytes) = BASE64.decode(data.trim()) else {
        return Ok(Err("the data of the record is no base64"));
    };
    if !bytes.starts_with(GZIP) {
        return if bytes.len() > room { Err(too_large()) } else { Ok(Ok(bytes)) };
    }
    let mut plain = Vec::new();
    let mut reader = MultiGzDecoder::new(bytes.as_slice()).take(room as u64 + 1);
    match reader.read_to_end(&mut plain) {
        Ok(_) if plain.len() > room => Err(too_large()),
        Ok(_) => Ok(Ok(plain)),
        Err(_) => Ok(Err("the gzip data of the record is damaged")),
    }
}

/// Takes unpacked data apart.
///
/// # Errors
/// There are too many records.
pub(super) fn read(plain: &[u8], items: &mut Items<'_>) -> Result<(), DecodeError> {
    let text = String::from_utf8_lossy(plain);
    let mut rest = text.trim_start();
    // A value may span lines until one turned out not to be one: each vain search may read all that is left.
    let mut spanning = true;
    while !rest.is_empty() {
        let line_end = memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
        let begins_like_json = rest.starts_with(['{', '[']);
        let reach = if spanning { rest } else { &rest[..line_end] };
        let value = if begins_like_json { json::first_value(reach).ok() } else { None };
        let next = match value {
            Some((value, tail)) => {
                let end = reach.len() - tail.len();
                let line = &rest[..line_end.max(end)];
                if is_remark(&line[end..]) {
                    items.record(record(Payload::Text(Cow::Owned(line.trim_end().to_owned())), None))?;
                    line.len()
                } else {
                    document(value, items)?;
                    end
                }
            }
            None => {
                spanning &= !begins_like_json;
                items.record(record(Payload::Text(Cow::Owned(rest[..line_end].trim_end().to_owned())), None))?;
                line_end
            }
        };
        rest = rest[next..].trim_start();
    }
    Ok(())
}

/// Whether what follows a value on its line, behind a space, belongs to it: words, or an object that is no document of its own.
fn is_remark(tail: &str) -> bool {
    if !tail.starts_with([' ', '\t']) || tail.trim().is_empty() {
        return false;
    }
    let tail = tail.trim_start();
    if !tail.starts_with('{') {
        return !tail.starts_with('[');
    }
    let members = json::first_value(tail).and_then(|(value, _)| json::members(value));
    members.is_ok_and(|members| ["event", "messageType"].iter().all(|name| json::member(&members, name).is_none()))
}

/// One JSON document.
fn document(value: &str, items: &mut Items<'_>) -> Result<(), DecodeError> {
    match serde_json::from_str::<Document<'_>>(value) {
        Ok(Document { message_type: Text(kind), .. }) if kind == CONTROL_MESSAGE => Ok(()),
        Ok(Document { message_type: Text(kind), log_events: Some(events) })
            if kind == DATA_MESSAGE && events.get().starts_with('[') =>
        {
            log_events(events, items)
        }
        _ => match json::elements(value) {
            Ok(elements) => elements.iter().try_for_each(|element| items.record(json_record(element.get()))),
            Err(_) => items.record(json_record(value)),
        },
    }
}

/// The events of a subscription's document. One of another form is passed on as it is, for quarantine.
fn log_events(list: &RawValue, items: &mut Items<'_>) -> Result<(), DecodeError> {
    let events: Vec<&RawValue> = serde_json::from_str(list.get()).unwrap_or_default();
    for event in events {
        items.record(match serde_json::from_str::<LogEvent<'_>>(event.get()) {
            Ok(LogEvent { timestamp, message: Text(message) }) => {
                let time = timestamp.and_then(|raw| Timestamp::parse_epoch(&framing::plain(raw.get())).ok());
                record(Payload::Text(Cow::Owned(message.into_owned())), time)
            }
            Err(_) => json_record(event.get()),
        })?;
    }
    Ok(())
}

fn json_record(value: &str) -> Record<'static> {
    record(Payload::Json(Cow::Owned(value.to_owned())), None)
}

fn record(payload: Payload<'static>, time: Option<Timestamp>) -> Record<'static> {
    Record { payload, hints: Hints { time, ..Hints::default() } }
}

/// A document of a subscription.
#[derive(Deserialize)]
struct Document<'t> {
    #[serde(borrow, rename = "messageType")]
    message_type: Text<'t>,
    #[serde(borrow, default, rename = "logEvents")]
    log_events: Option<&'t RawValue>,
}

#[derive(Deserialize)]
struct LogEvent<'t> {
    #[serde(borrow, default)]
    timestamp: Option<&'t RawValue>,
    #[serde(borrow)]
    message: Text<'t>,
}
