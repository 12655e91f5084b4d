//! Amazon Data Firehose, HTTP endpoint delivery: `POST /v1/firehose`.
//!
//! In: a request with records in base64: what a CloudWatch Logs subscription sends (gzip inside, several JSON documents in a row),
//! its extracted messages, or events put into the stream directly. Out: one record per log event, and an answer with the
//! request's own id and exactly 200. Refused: one record where only that is damaged (it goes to quarantine, and Firehose hears
//! success: it would send all of them again), else the request. 413 is said only to what can never fit, since Firehose does
//! not repeat it.
//!
//! Source: <https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html>, read 2026-11-20.

mod record;
#[cfg(test)]
mod tests;

use super::{
    AuthError, Credential, DecodeError, Decoded, Head, Health, IngestError, Limits, Protocol, Receipt, Reply, Route,
    common_credential,
    framing::{self, Items, Text},
    native, problem,
};
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use std::borrow::Cow;

/// See the module.
#[derive(Debug)]
pub struct Firehose;

/// Where streams are delivered.
pub const PATH: &str = "/v1/firehose";

const ROUTES: &[Route] = &[Route::ingest(PATH)];

/// The key that was entered in the stream's configuration.
const ACCESS_KEY: &str = "x-amz-firehose-access-key";

/// What the answer has to repeat.
const REQUEST_ID: &str = "x-amz-firehose-request-id";

/// Longest id that is repeated, in bytes. Firehose's are UUIDs.
const REQUEST_ID_BYTES_MAX: usize = 256;

/// Longest `errorMessage`, in bytes.
const MESSAGE_BYTES_MAX: usize = 8192;

impl Protocol for Firehose {
    fn name(&self) -> &'static str {
        "firehose"
    }

    fn routes(&self) -> &'static [Route] {
        ROUTES
    }

    fn credential<'h>(&self, head: &Head<'h>) -> Result<Credential<'h>, AuthError> {
        match head.header(ACCESS_KEY).map(str::trim) {
            Some(key) if !key.is_empty() => Ok(Credential::Token(Cow::Borrowed(key))),
            _ => common_credential(head),
        }
    }

    fn decode<'b>(&self, _head: &Head<'_>, body: &'b [u8], limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
        if native::is_blank(body) {
            return Err(DecodeError::empty(0, "the body is empty"));
        }
        let request: Request<'b> = serde_json::from_slice(body).map_err(|error| {
            let reason = match error.classify() {
                serde_json::error::Category::Data => "expected {\"requestId\":…,\"records\":[{\"data\":…}]}".to_owned(),
                _ => framing::not_json(&error),
            };
            DecodeError::new(0, reason)
        })?;
        if !request.records.get().starts_with('[') {
            return Err(DecodeError::new(0, "records is not a list"));
        }
        let mut items = Items::new(limits, body.len());
        // All that the records hold when unpacked, together.
        let mut room = limits.body_bytes_max;
        let expected = "{\"data\":…} with the data as text";
        framing::each(request.records, body, &mut items, expected, |packed: Packed<'b>, text, items| {
            match record::unpack(&packed.data.0, room)? {
                Ok(plain) => {
                    room -= plain.len();
                    record::read(&plain, items)
                }
                Err(reason) => items.unreadable(reason, framing::range_in(body, text)),
            }
        })?;
        let note = request.request_id.map(|Text(id)| id.into_owned());
        Ok(Decoded { note, ..items.decoded() })
    }

    fn reply(&self, head: &Head<'_>, result: &Result<Receipt, IngestError>) -> Reply {
        let said = head.header(REQUEST_ID);
        match result {
            Ok(receipt) => answer(200, head, said.or(receipt.note.as_deref()), None),
            Err(error) => problem::with_retry_after(answer(status(error), head, said, Some(error)), error),
        }
    }

    fn health_reply(&self, _head: &Head<'_>, health: Health) -> Reply {
        native::health_reply(health)
    }
}

#[derive(Deserialize)]
struct Request<'b> {
    #[serde(borrow, default, rename = "requestId")]
    request_id: Option<Text<'b>>,
    #[serde(borrow)]
    records: &'b RawValue,
}

#[derive(Deserialize)]
struct Packed<'b> {
    #[serde(borrow)]
    data: Text<'b>,
}

/// Firehose repeats on every status but 200 and 413.
fn status(error: &IngestError) -> u16 {
    match problem::Kind::of(error).status {
        415 => 400,
        status => status,
    }
}

/// The one shape of all answers.
fn answer(status: u16, head: &Head<'_>, request_id: Option<&str>, error: Option<&IngestError>) -> Reply {
    let fits = |id: &&str| (1..=REQUEST_ID_BYTES_MAX).contains(&id.len());
    let request_id = request_id.filter(fits).unwrap_or(head.request_id);
    let mut body = json!({"requestId": request_id, "timestamp": head.now_us / 1000});
    if let Some(error) = error {
        let mut message = problem::detail(error);
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
        body["errorMessage"] = message.into();
    }
    Reply::json(status, &body)
}
