//! Heroku's HTTPS log drain, Logplex: `POST /v1/drains/logplex`.
//!
//! In: frames of syslog messages, each preceded by its length in bytes. Out: one record per message with its time, and any 2xx with
//! an empty body, which is all that Logplex looks at. Refused: nothing that authenticates; where the lengths do not add up, lines
//! take their place, and an announced number of messages that is wrong is only logged: Logplex never sends a frame
//! again that was answered with 400.
//!
//! **A message that holds JSON** is handed on as that JSON. **Any other message** is handed on whole, with its syslog header, so that
//! wherever it ends (a room that reads its text, or quarantine) its time and its process are still there; [`message::parse`]
//! takes it apart. Heroku Connect's lines come this way: process `herokuconnect`, text in logfmt.
//!
//! **Repeats.** Logplex sends a frame a second time when it heard no answer, with the same `Logplex-Frame-Id`, but may add notices
//! of lost messages to it. The id is therefore not remembered: what an event is, is its content, so events of a repeated frame
//! are known ones, and an added notice is new. Two equal messages within one frame are one event, delivered twice;
//! Logplex stamps microseconds, so they would have to be equal in those, too. Messages that cannot be
//! read stand in quarantine once for each delivery.

mod frames;
pub mod message;
#[cfg(test)]
mod tests;

use super::framing::Items;
use super::{
    AuthError, Credential, DecodeError, Decoded, Head, Health, IngestError, Limits, Protocol, Receipt, Reply, Route,
    common_credential, native, problem,
};
use crate::{
    json,
    model::{Hints, Payload, Record},
};
use std::borrow::Cow;

/// See the module.
#[derive(Debug)]
pub struct Logplex;

const ROUTES: &[Route] = &[Route::ingest("/v1/drains/logplex")];

impl Protocol for Logplex {
    fn name(&self) -> &'static str {
        "logplex"
    }

    fn routes(&self) -> &'static [Route] {
        ROUTES
    }

    fn credential<'h>(&self, head: &Head<'h>) -> Result<Credential<'h>, AuthError> {
        common_credential(head)
    }

    fn decode<'b>(&self, head: &Head<'_>, body: &'b [u8], limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
        let items = messages(body, limits)?;
        let announced = head.header("logplex-msg-count").or_else(|| head.header("x-logplex-msg-count"));
        if let Some(announced) = announced.and_then(|text| text.trim().parse::<usize>().ok())
            && announced != items.len()
        {
            tracing::warn!(
                announced,
                found = items.len(),
                "a drain announced {announced} messages, found {}",
                items.len()
            );
        }
        Ok(items.decoded())
    }

    fn reply(&self, _head: &Head<'_>, result: &Result<Receipt, IngestError>) -> Reply {
        match result {
            Ok(_) => Reply::empty(200),
            // Nothing was taken, and 408 would make Logplex drop the frame.
            Err(error @ IngestError::Timeout) => Reply { status: 503, ..problem::reply(error) },
            Err(error) => problem::reply(error),
        }
    }

    fn health_reply(&self, _head: &Head<'_>, health: Health) -> Reply {
        native::health_reply(health)
    }
}

/// Reads frames; also for other protocols that carry them.
///
/// # Errors
/// Too many messages.
pub fn messages<'b>(body: &'b [u8], limits: &Limits) -> Result<Items<'b>, DecodeError> {
    let mut items = Items::new(limits, body.len());
    for (at, bytes) in frames::cut(body) {
        match std::str::from_utf8(bytes) {
            Ok(line) => items.record(record(line))?,
            Err(error) => {
                let reason = format!("not UTF-8: byte {} of the message", error.valid_up_to());
                items.unreadable(reason, at..at + bytes.len())?;
            }
        }
    }
    Ok(items)
}

fn record(line: &str) -> Record<'_> {
    let Some(message) = message::parse(line) else {
        return Record { payload: Payload::Text(Cow::Borrowed(line)), hints: Hints::default() };
    };
    let hints = Hints { time: message.time, ..Hints::default() };
    if let Some(loss) = message::loss(&message) {
        let hints = Hints { level: Some("WARNING".to_owned()), ..hints };
        return Record { payload: Payload::Json(Cow::Owned(loss)), hints };
    }
    // Half a message says nothing by itself; quarantine should know when it was written.
    if message.text.starts_with(['{', '"']) && json::first_value(message.text).is_ok() {
        return Record { payload: Payload::Text(Cow::Borrowed(message.text)), hints };
    }
    let level = message::word(message.text, "level").map(str::to_owned);
    Record { payload: Payload::Text(Cow::Borrowed(line)), hints: Hints { level, ..hints } }
}
