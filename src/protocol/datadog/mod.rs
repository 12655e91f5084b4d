//! Datadog's log intake, as its agents, its API clients and its log libraries speak it.
//!
//! In: items in JSON (a list, one object, or several), text with a log per line, Logplex frames. Out: one record per item with
//! the time and status that it carries; 202 and `{}`, which the Python client insists on. Refused: bodies that are none of these, in the shape
//! of Datadog's own errors. An empty body, `{}` and `[]` are an agent's probes: success, and nothing is stored.
//!
//! Tags, host, service and source, in items or as defaults in the query, are taken and not kept: the event in the message says
//! it all.
//!
//! Source: Datadog API reference, "Send logs"; repo `VictoriaMetrics/VictoriaLogs`, `app/vlinsert/datadog/`, read 2026-11-20.
//! Observed: `tests/fixtures/protocol/datadog/`.

#[cfg(test)]
mod tests;

use super::framing::{self, Items, plain};
use super::{
    AuthError, Credential, DecodeError, Decoded, Head, Health, IngestError, Limits, Protocol, Receipt, Reply, Route,
    common_credential, logplex, native, problem,
};
use crate::model::{Hints, Record, Timestamp};
use serde_json::{json, value::RawValue};

/// See the module.
#[derive(Debug)]
pub struct Datadog;

const ROUTES: &[Route] = &[
    Route::ingest("/api/v2/logs"),
    Route::ingest("/v1/input"),
    Route::ingest("/v1/input/*"),
    Route::health("/api/v1/validate"),
];

/// Where the key stands in `/v1/input/KEY`.
const KEY_SEGMENT: usize = 2;

impl Protocol for Datadog {
    fn name(&self) -> &'static str {
        "datadog"
    }

    fn routes(&self) -> &'static [Route] {
        ROUTES
    }

    fn credential<'h>(&self, head: &Head<'h>) -> Result<Credential<'h>, AuthError> {
        let in_header = head.header("dd-api-key").map(str::trim).map(Into::into);
        let in_path = || head.path.starts_with("/v1/input/").then(|| head.segment(KEY_SEGMENT)).flatten();
        let shown = in_header.or_else(in_path).or_else(|| head.query_value("dd-api-key"));
        match shown.filter(|key| !key.is_empty()) {
            Some(key) => Ok(Credential::Token(key)),
            None => common_credential(head),
        }
    }

    fn decode<'b>(&self, head: &Head<'_>, body: &'b [u8], limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
        let says = |name: &str| head.media_type().is_some_and(|said| said.eq_ignore_ascii_case(name));
        let default_time = head.header("dd-message-timestamp").and_then(time);
        let mut items = if says("application/logplex-1") {
            logplex::messages(body, limits)?
        } else if says("text/plain") && !looks_like_json(body) {
            let mut items = Items::new(limits, body.len());
            items.lines(body, &Hints::default())?;
            items
        } else {
            native::cut(body, limits)?
        };
        for record in items.records_from(0) {
            add_hints(record, default_time);
        }
        let mut decoded = items.readable()?;
        without_probes(&mut decoded);
        Ok(decoded)
    }

    fn reply(&self, _head: &Head<'_>, result: &Result<Receipt, IngestError>) -> Reply {
        match result {
            Ok(_) => Reply::json(202, &json!({})),
            Err(error) => failure(error),
        }
    }

    fn health_reply(&self, _head: &Head<'_>, health: Health) -> Reply {
        match health {
            Health::Ready => Reply::json(200, &json!({"valid": true})),
            _ => Reply::json(503, &errors(503, "Service Unavailable", "logs are not taken at the moment")),
        }
    }
}

fn looks_like_json(body: &[u8]) -> bool {
    let body = &body[framing::bom_len(body)..];
    matches!(body.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// What of an item is used beside its message.
#[derive(Default, serde::Deserialize)]
struct Item<'b> {
    #[serde(borrow, default)]
    status: Option<&'b RawValue>,
    #[serde(borrow, default)]
    timestamp: Option<&'b RawValue>,
    #[serde(borrow, default)]
    date: Option<&'b RawValue>,
}

fn add_hints(record: &mut Record<'_>, default_time: Option<Timestamp>) {
    let text = record.payload.text();
    let item = if text.starts_with('{') { serde_json::from_str(text).unwrap_or_default() } else { Item::default() };
    let own = [item.timestamp, item.date].into_iter().flatten().find_map(|raw| time(&plain(raw.get())));
    let level = item.status.map(|raw| plain(raw.get()).into_owned());
    record.hints.time = own.or(record.hints.time).or(default_time);
    record.hints.level = level.or_else(|| record.hints.level.take());
}

/// Milliseconds since 1970 by the documentation, ISO 8601 from some libraries.
fn time(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text).ok()
}

/// Leaves out the empty objects with which agents probe.
fn without_probes(decoded: &mut Decoded<'_>) {
    let is_probe = |record: &Record<'_>| {
        let inside = record.payload.text().trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        inside.is_some_and(|inside| inside.trim().is_empty())
    };
    decoded.items.retain(|item| !item.as_ref().is_ok_and(is_probe));
    for (index, item) in decoded.items.iter_mut().enumerate() {
        if let Err(error) = item {
            error.index = index;
        }
    }
}

/// Datadog knows 401 for no key and 403 for a wrong one; agents retry 408, 429 and all from 500 on, and drop the rest.
fn failure(error: &IngestError) -> Reply {
    let status = match error {
        IngestError::Auth(AuthError::Missing | AuthError::Malformed) => 401,
        IngestError::Auth(AuthError::Throttled { .. }) => 429,
        IngestError::Auth(_) => 403,
        other => problem::Kind::of(other).status,
    };
    let title = match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        408 => "Request Timeout",
        413 => "Payload Too Large",
        415 => "Unsupported Media Type",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    };
    let detail = match error {
        IngestError::Auth(AuthError::Missing) => "no key was sent; send a token as DD-API-KEY".to_owned(),
        other => problem::detail(other),
    };
    problem::with_retry_after(Reply::json(status, &errors(status, title, &detail)), error)
}

fn errors(status: u16, title: &str, detail: &str) -> serde_json::Value {
    json!({"errors": [{"status": status.to_string(), "title": title, "detail": detail}]})
}
