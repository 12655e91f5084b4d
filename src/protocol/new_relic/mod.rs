//! New Relic's Log API: `POST /log/v1`.
//!
//! In: one object, a list of objects, or blocks `{"common":…,"logs":[…]}`. Out: one record per log, with its own time and level or those that
//! are common to its block; 202 with the request's id, which is the one in our log. Refused: bodies in which nothing
//! can be read.
//!
//! New Relic itself answers 202 to broken JSON, too, since it looks at a body only later. Here such a body is kept in quarantine and the answer
//! is 400: it is known at once, none of New Relic's senders tries again after either answer, and 400 is what shows in the log of the
//! one who has to mend it. A body that can be read in part is 202; its unreadable logs are in quarantine.
//!
//! Packed bodies are known by their first bytes, whatever the headers say. Source: New Relic documentation, "Introduction to the
//! Log API", read 2026-11-20. Observed: `tests/fixtures/protocol/new_relic/`.

#[cfg(test)]
mod tests;

use super::framing::{self, Items, Values, plain};
use super::{
    AuthError, Credential, DecodeError, Decoded, Head, Health, IngestError, Limits, Protocol, Receipt, Reply, Route,
    common_credential, native, problem,
};
use crate::json::{self, Members};
use crate::model::{Hints, Payload, Record, Timestamp};
use serde_json::{json, value::RawValue};
use std::borrow::Cow;

/// See the module.
#[derive(Debug)]
pub struct NewRelic;

const ROUTES: &[Route] = &[Route::ingest("/log/v1")];

/// Headers and query parameters that hold the key, in lower case.
const KEYS: [&str; 4] = ["api-key", "x-license-key", "x-insert-key", "license-key"];
const QUERY_KEYS: [&str; 4] = ["Api-Key", "api-key", "X-License-Key", "X-Insert-Key"];

impl Protocol for NewRelic {
    fn name(&self) -> &'static str {
        "new_relic"
    }

    fn routes(&self) -> &'static [Route] {
        ROUTES
    }

    fn credential<'h>(&self, head: &Head<'h>) -> Result<Credential<'h>, AuthError> {
        let in_header = KEYS.iter().find_map(|name| head.header(name)).map(str::trim).map(Cow::Borrowed);
        let shown = in_header.or_else(|| QUERY_KEYS.iter().find_map(|name| head.query_value(name)));
        match shown.filter(|key| !key.is_empty()) {
            Some(key) => Ok(Credential::Token(key)),
            None => common_credential(head),
        }
    }

    fn decode<'b>(&self, _head: &Head<'_>, body: &'b [u8], limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
        if native::is_blank(body) {
            return Err(DecodeError::empty(0, "the body is empty"));
        }
        let mut items = Items::new(limits, body.len());
        for found in native::cut(body, limits)?.decoded().items {
            match found {
                Err(error) => items.unreadable(error.reason, error.bytes)?,
                Ok(record) => match &record.payload {
                    Payload::Json(Cow::Borrowed(text)) => object(body, text, &mut items)?,
                    _ => items.record(record)?,
                },
            }
        }
        items.readable()
    }

    fn reply(&self, head: &Head<'_>, result: &Result<Receipt, IngestError>) -> Reply {
        match result {
            Ok(_) => Reply::json(202, &json!({"requestId": head.request_id})),
            Err(error) => failure(head, error),
        }
    }

    fn health_reply(&self, _head: &Head<'_>, health: Health) -> Reply {
        native::health_reply(health)
    }
}

/// Members that hold a level, most telling first.
const LEVELS: [&str; 6] = ["level", "log.level", "severity", "loglevel", "log_level", "levelName"];

/// Takes a log, or every log of a block.
fn object<'b>(body: &'b [u8], text: &'b str, items: &mut Items<'b>) -> Result<(), DecodeError> {
    // What is no object is for the envelope room to say.
    let members = json::members(text).unwrap_or_default();
    let Some(logs) = json::member(&members, "logs") else {
        return items.record(log(text, hints(&members, &Hints::default())));
    };
    if !logs.starts_with('[') {
        return items.unreadable("logs is not a list", framing::range_in(body, text));
    }
    let common = json::member(&members, "common").and_then(|common| json::members(common).ok());
    let common = common.map(|members| hints(&members, &Hints::default())).unwrap_or_default();
    let mut values = Values::new(logs, 0);
    // The list is known to be well-formed, so neither walking nor reading can fail.
    while let Ok(Some(_)) = values.seek() {
        let Ok(raw) = values.read::<&RawValue>() else { break };
        let own = json::members(raw.get()).map_or_else(|_| common.clone(), |members| hints(&members, &common));
        items.record(log(raw.get(), own))?;
    }
    Ok(())
}

fn log(text: &str, hints: Hints) -> Record<'_> {
    Record { payload: Payload::Json(Cow::Borrowed(text)), hints }
}

/// Time and level of a log, of its attributes, or those that are common to its block. Seconds and milliseconds are told apart by size.
fn hints(members: &Members<'_>, common: &Hints) -> Hints {
    let time = json::member(members, "timestamp").and_then(|raw| Timestamp::parse(&plain(raw)).ok());
    let in_attributes = || {
        let attributes = json::member(members, "attributes")?;
        level(&json::members(attributes).ok()?)
    };
    let level = level(members).or_else(in_attributes).or_else(|| common.level.clone());
    Hints { time: time.or(common.time), level, ..Hints::default() }
}

fn level(members: &Members<'_>) -> Option<String> {
    let found = LEVELS.iter().find_map(|name| json::member(members, name))?;
    (!found.starts_with(['{', '['])).then(|| plain(found).into_owned())
}

/// New Relic knows 403 for any wrong key; its senders wait and try again after 408, 429 and from 500 on.
fn failure(head: &Head<'_>, error: &IngestError) -> Reply {
    let status = match error {
        IngestError::Auth(AuthError::Throttled { .. }) => 429,
        IngestError::Auth(_) => 403,
        other => problem::Kind::of(other).status,
    };
    let detail = match error {
        IngestError::Auth(AuthError::Missing) => "no key was sent; send a token as Api-Key".to_owned(),
        other => problem::detail(other),
    };
    problem::with_retry_after(Reply::json(status, &json!({"requestId": head.request_id, "error": detail})), error)
}
