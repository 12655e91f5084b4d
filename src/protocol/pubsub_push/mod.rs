//! Google Cloud Pub/Sub, push: `POST /v1/pubsub`.
//!
//! In: one message per request, wrapped or not: a log entry of a Log Router sink, or an event itself. Out: its record, and 204. Refused:
//! nobody but strangers. Pub/Sub sends everything that is not acknowledged again for a week, so a message that cannot be read goes to
//! quarantine and is acknowledged. Let in is a token (in the address, as a rule), or an identity token of the service
//! account that was configured, which the room with the keys judges.
//!
//! Source: <https://cloud.google.com/pubsub/docs/push>, read 2026-11-20.

#[cfg(test)]
mod tests;

use super::{
    AuthError, Credential, DecodeError, Decoded, Head, Health, IngestError, Limits, Protocol, Receipt, Reply, Route,
    common_credential,
    framing::{self, Items},
    google_entries_write::{self, Entry},
    native, problem,
};
use crate::json;
use crate::model::{Hints, Payload, Record, Timestamp};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{borrow::Cow, ops::Range};

/// See the module.
#[derive(Debug)]
pub struct PubsubPush;

/// Where messages are pushed.
pub const PATH: &str = "/v1/pubsub";

const ROUTES: &[Route] = &[Route::ingest(PATH)];

/// Attribute with the time of the log entry.
const LOG_TIME: &str = "logging.googleapis.com/timestamp";

/// Members that a message has. Some of them are always there.
const MESSAGE_MEMBERS: &[&str] = &["data", "attributes", "messageId", "message_id", "publishTime", "publish_time"];

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// Both alphabets: Google writes bytes in the first, and its rule for JSON is that a reader takes either.
/// Source: Protocol Buffers, "ProtoJSON Format", row `bytes`, read 2026-11-20.
const BASE64: [GeneralPurpose; 2] =
    [GeneralPurpose::new(&alphabet::STANDARD, LENIENT), GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT)];

impl Protocol for PubsubPush {
    fn name(&self) -> &'static str {
        "pubsub_push"
    }

    fn routes(&self) -> &'static [Route] {
        ROUTES
    }

    fn credential<'h>(&self, head: &Head<'h>) -> Result<Credential<'h>, AuthError> {
        let Some(identity) = head.header("authorization").and_then(identity) else {
            return common_credential(head);
        };
        let token = head.query_value("token").filter(|token| !token.is_empty());
        let token = token.map(|token| Box::new(Credential::Token(token)));
        Ok(Credential::Identity { identity, now_us: head.now_us, token })
    }

    fn decode<'b>(&self, _head: &Head<'_>, body: &'b [u8], limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
        let mut items = Items::new(limits, body.len());
        if native::is_blank(body) {
            // A message with attributes only, unwrapped.
            return Ok(items.decoded());
        }
        match message(body) {
            Some(message) => take(&message, body, limits, &mut items)?,
            None => bare(&body[framing::bom_len(body)..], None, 0..body.len(), limits, &mut items)?,
        }
        Ok(items.decoded())
    }

    fn reply(&self, _head: &Head<'_>, result: &Result<Receipt, IngestError>) -> Reply {
        match result {
            // Damaged compression is in quarantine by now.
            Ok(_) | Err(IngestError::BadEncoding(_)) => Reply::empty(204),
            Err(error) => problem::reply(error),
        }
    }

    fn health_reply(&self, _head: &Head<'_>, health: Health) -> Reply {
        native::health_reply(health)
    }
}

/// A bearer's text that has the three parts of an identity token.
fn identity(header: &str) -> Option<&str> {
    let (scheme, text) = header.trim().split_once(' ')?;
    let text = text.trim();
    (scheme.eq_ignore_ascii_case("bearer") && text.split('.').count() == 3).then_some(text)
}

/// What of a wrapped push is looked at.
#[derive(Deserialize)]
struct Push<'b> {
    #[serde(borrow)]
    message: &'b RawValue,
    /// Only an event has a name, and a message beside it.
    #[serde(borrow, default)]
    event: Option<&'b RawValue>,
}

/// A wrapped message.
struct Message<'b> {
    data: Option<&'b str>,
    time: Option<Timestamp>,
    /// Its own text.
    whole: &'b str,
}

/// The message of a wrapped push. `None` when the body is the message's data itself.
fn message(body: &[u8]) -> Option<Message<'_>> {
    let push: Push<'_> = serde_json::from_slice(body).ok()?;
    let members = json::members(push.message.get()).ok()?;
    if push.event.is_some() || !MESSAGE_MEMBERS.iter().any(|name| json::member(&members, name).is_some()) {
        return None;
    }
    let logged = json::member(&members, "attributes").and_then(|raw| json::members(raw).ok());
    let logged = logged.and_then(|attributes| json::member(&attributes, LOG_TIME).and_then(time));
    let published = ["publishTime", "publish_time"].iter().find_map(|name| json::member(&members, name).and_then(time));
    let data = json::member(&members, "data").filter(|raw| *raw != "null");
    Some(Message { data, time: logged.or(published), whole: push.message.get() })
}

fn time(raw: &str) -> Option<Timestamp> {
    Timestamp::parse(&framing::plain(raw)).ok()
}

/// Takes a wrapped message.
fn take<'b>(message: &Message<'b>, body: &'b [u8], limits: &Limits, items: &mut Items<'b>) -> Result<(), DecodeError> {
    let range = framing::range_in(body, message.whole);
    let Some(data) = message.data else {
        // Attributes only. They hold no event as far as anybody knows, but that is for others to say.
        let hints = Hints { time: message.time, ..Hints::default() };
        return items.record(Record { payload: Payload::Json(Cow::Borrowed(message.whole)), hints });
    };
    let decoded = |text: &str| BASE64.iter().find_map(|alphabet| alphabet.decode(text).ok());
    match json::string(data).map(|text| decoded(text.trim())) {
        Some(Some(plain)) => bare(&plain, message.time, range, limits, items),
        Some(None) => items.unreadable("the data of the message is no base64", range),
        None => items.unreadable("the data of the message is no text", range),
    }
}

/// Takes a message's data: log entries or events, as a rule one.
fn bare(
    data: &[u8],
    time: Option<Timestamp>,
    range: Range<usize>,
    limits: &Limits,
    items: &mut Items<'_>,
) -> Result<(), DecodeError> {
    let Ok(found) = native::cut(data, limits) else {
        return items.unreadable(format!("more than {} records in one message", limits.records_max), range);
    };
    for item in found.decoded().items {
        let record = match item {
            Ok(record) => match log_entry(&record) {
                Some(Some(entry)) => owned(&entry, time),
                // An entry that says nothing.
                Some(None) => continue,
                None => owned(&record, time),
            },
            Err(error) => {
                let text = String::from_utf8_lossy(data.get(error.bytes).unwrap_or_default()).into_owned();
                Record { payload: Payload::Text(Cow::Owned(text)), hints: Hints { time, ..Hints::default() } }
            }
        };
        items.record(record)?;
    }
    Ok(())
}

/// The record of a log entry; `None` for what is none.
fn log_entry<'r>(record: &'r Record<'_>) -> Option<Option<Record<'r>>> {
    let text = record.payload.text();
    let entry: Entry<'r> = serde_json::from_str(text).ok().filter(Entry::has_payload)?;
    Some(google_entries_write::record(&entry, None, text))
}

/// A copy that does not need the decoded data; `time` is the message's.
fn owned(record: &Record<'_>, time: Option<Timestamp>) -> Record<'static> {
    let payload = match &record.payload {
        Payload::Json(text) => Payload::Json(Cow::Owned(text.clone().into_owned())),
        Payload::Text(text) => Payload::Text(Cow::Owned(text.clone().into_owned())),
    };
    let hints = Hints { time: record.hints.time.or(time), ..record.hints.clone() };
    Record { payload, hints }
}
