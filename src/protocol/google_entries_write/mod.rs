//! Google Cloud Logging, REST: `POST /v2/entries:write`.
//!
//! In: a list of log entries, with defaults for all of them. Out: one record per entry, with its time and the level of its severity
//! or labels, and 200 with `{}`. Refused: entries that are none, one at a time; bodies in which nothing can be read, in Google's
//! error shape. Dropped: the entry in which Google's libraries introduce themselves, and everything of a dry run.
//!
//! Source: <https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/write>, read 2026-11-20. Observed:
//! `google-cloud-logging-*`.

mod entry;
#[cfg(test)]
mod tests;

pub(super) use entry::{Entry, record};

use super::{
    AuthError, Credential, DecodeError, Decoded, Head, Health, IngestError, Limits, Protocol, Receipt, Reply, Route,
    common_credential,
    framing::{self, Items},
    native, problem,
};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

/// See the module.
#[derive(Debug)]
pub struct GoogleEntriesWrite;

/// Where entries are delivered. Some clients encode the colon.
pub const PATH: &str = "/v2/entries:write";

const ROUTES: &[Route] =
    &[Route::ingest(PATH), Route::ingest("/v2/entries%3Awrite"), Route::ingest("/v2/entries%3awrite")];

impl Protocol for GoogleEntriesWrite {
    fn name(&self) -> &'static str {
        "google_entries_write"
    }

    fn routes(&self) -> &'static [Route] {
        ROUTES
    }

    fn credential<'h>(&self, head: &Head<'h>) -> Result<Credential<'h>, AuthError> {
        common_credential(head)
    }

    fn decode<'b>(&self, _head: &Head<'_>, body: &'b [u8], limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
        if native::is_blank(body) {
            return Err(DecodeError::empty(0, "the body is empty"));
        }
        let write: Write<'b> = serde_json::from_slice(body).map_err(|error| {
            let reason = match error.classify() {
                serde_json::error::Category::Data => "expected {\"entries\":[…]}".to_owned(),
                _ => framing::not_json(&error),
            };
            DecodeError::new(0, reason)
        })?;
        if !write.entries.get().starts_with('[') {
            return Err(DecodeError::new(0, "entries is not a list"));
        }
        let mut items = Items::new(limits, body.len());
        framing::each(write.entries, body, &mut items, "a log entry", |entry: Entry<'b>, text, items| {
            match record(&entry, write.labels, text) {
                Some(record) => items.record(record),
                None => Ok(()),
            }
        })?;
        let decoded = items.readable()?;
        Ok(if write.dry_run { Decoded::default() } else { decoded })
    }

    fn reply(&self, _head: &Head<'_>, result: &Result<Receipt, IngestError>) -> Reply {
        match result {
            Ok(_) => Reply::json(200, &json!({})),
            Err(error) => failure(error),
        }
    }

    fn health_reply(&self, _head: &Head<'_>, health: Health) -> Reply {
        native::health_reply(health)
    }
}

/// The body. `logName` and `resource` say nothing about an event and are not looked at.
#[derive(Deserialize)]
struct Write<'b> {
    #[serde(borrow)]
    entries: &'b RawValue,
    #[serde(borrow, default)]
    labels: Option<&'b RawValue>,
    #[serde(default, alias = "dryRun")]
    dry_run: bool,
}

/// Google's error shape.
fn failure(error: &IngestError) -> Reply {
    let code = match problem::Kind::of(error).status {
        415 => 400,
        status => status,
    };
    let status = match code {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        408 => "DEADLINE_EXCEEDED",
        429 => "RESOURCE_EXHAUSTED",
        500 => "INTERNAL",
        503 => "UNAVAILABLE",
        _ => "INVALID_ARGUMENT",
    };
    let body = json!({"error": {"code": code, "message": problem::detail(error), "status": status, "details": []}});
    let reply = problem::with_retry_after(Reply::json(code, &body), error);
    if code == 401 { reply.with_header("www-authenticate", "Bearer realm=\"lifeline\"") } else { reply }
}
