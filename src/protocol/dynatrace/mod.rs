//! Dynatrace's log ingest: `POST /api/v2/logs/ingest`, and the same behind an `ActiveGate`.
//!
//! In: one record or many in JSON, JSON lines under any of their names, or text, which is one record. Out: records with their time,
//! level and, from `group.id`, Fivetran's destination; 204 when all are taken, 200 with words when some are in quarantine.
//! Refused: bodies that are none of these, as `{"error":{"code":…,"message":…}}`.
//!
//! Where Fivetran puts its event, in `content` or spread over the record, is not published; both are read. OTLP to
//! Dynatrace's path for it is served by the `otlp` room.
//!
//! Source: Dynatrace API reference, "Log Monitoring API v2, POST ingest logs"; Fivetran documentation, "Dynatrace" (`logger`, `account.id`,
//! `group.id`), read 2026-11-20. Assumed: no sender was recorded.

#[cfg(test)]
mod tests;

use super::framing::{self, Items, plain};
use super::{
    AuthError, Credential, DecodeError, Decoded, Head, Health, IngestError, Limits, Protocol, Receipt, Reply, Route,
    common_credential, native, problem,
};
use crate::json::{self, Members};
use crate::model::{Hints, Payload, Record, Timestamp};
use serde_json::json;
use std::borrow::Cow;

/// See the module.
#[derive(Debug)]
pub struct Dynatrace;

const ROUTES: &[Route] = &[Route::ingest("/api/v2/logs/ingest"), Route::ingest("/e/*/api/v2/logs/ingest")];

/// Members that hold a level, most telling first, and a time.
const LEVELS: [&str; 4] = ["loglevel", "severity", "status", "level"];
const TIMES: [&str; 2] = ["timestamp", "@timestamp"];

/// Fivetran's id of a destination.
const GROUP: &str = "group.id";

impl Protocol for Dynatrace {
    fn name(&self) -> &'static str {
        "dynatrace"
    }

    fn routes(&self) -> &'static [Route] {
        ROUTES
    }

    fn credential<'h>(&self, head: &Head<'h>) -> Result<Credential<'h>, AuthError> {
        credential(head)
    }

    fn decode<'b>(&self, head: &Head<'_>, body: &'b [u8], limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
        if native::is_blank(body) {
            return Err(DecodeError::empty(0, "the body is empty"));
        }
        let inside = body[framing::bom_len(body)..].trim_ascii();
        let is_text = head.media_type().is_some_and(|said| said.eq_ignore_ascii_case("text/plain"));
        if is_text && !matches!(inside.first(), Some(b'{' | b'[')) {
            let text = std::str::from_utf8(inside)
                .map_err(|error| DecodeError::new(0, format!("not UTF-8: byte {} of the text", error.valid_up_to())))?;
            let mut items = Items::new(limits, 0);
            items.record(Record { payload: Payload::Text(Cow::Borrowed(text)), hints: Hints::default() })?;
            return Ok(items.decoded());
        }
        let mut items = native::cut(body, limits)?;
        for record in items.records_from(0) {
            if let Ok(members) = json::members(record.payload.text()) {
                record.hints = hints(&members);
            }
        }
        items.readable()
    }

    fn reply(&self, _head: &Head<'_>, result: &Result<Receipt, IngestError>) -> Reply {
        match result {
            Ok(receipt) if receipt.quarantined > 0 => {
                let words = format!("{} log records cannot be read and are kept in quarantine", receipt.quarantined);
                Reply::json(200, &json!({"details": {"code": 200, "message": words}}))
            }
            Ok(_) => Reply::empty(204),
            Err(error) => failure(error),
        }
    }

    fn health_reply(&self, _head: &Head<'_>, health: Health) -> Reply {
        native::health_reply(health)
    }
}

/// `Authorization: Api-Token`, `?api-token=`, or any of the common ones.
pub(super) fn credential<'h>(head: &Head<'h>) -> Result<Credential<'h>, AuthError> {
    let in_header = head.header("authorization").and_then(|value| {
        let (scheme, token) = value.trim().split_once([' ', '\t'])?;
        scheme.eq_ignore_ascii_case("api-token").then(|| Cow::Borrowed(token.trim()))
    });
    match in_header.or_else(|| head.query_value("api-token")).filter(|token| !token.is_empty()) {
        Some(token) => Ok(Credential::Token(token)),
        None => common_credential(head),
    }
}

fn hints(members: &Members<'_>) -> Hints {
    let text = |names: &[&str]| {
        let found = names.iter().find_map(|name| json::member(members, name))?;
        (!found.starts_with(['{', '['])).then(|| plain(found))
    };
    Hints {
        time: text(&TIMES).and_then(|text| time(&text)),
        level: text(&LEVELS).map(Cow::into_owned),
        destination: text(&[GROUP]).filter(|id| !id.is_empty()).map(Cow::into_owned),
        ..Hints::default()
    }
}

/// Milliseconds since 1970 or RFC 3339. RFC 3164 is allowed there, too, but has no year: no time is better than a guessed one.
fn time(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text).ok()
}

fn failure(error: &IngestError) -> Reply {
    let status = problem::Kind::of(error).status;
    let body = json!({"error": {"code": status, "message": problem::detail(error)}});
    problem::with_retry_after(Reply::json(status, &body), error)
}
