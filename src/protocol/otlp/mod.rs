//! OpenTelemetry logs over HTTP, as every OTLP exporter and collector speaks them.
//!
//! In: export requests in JSON or protobuf. Out: one record per log record, with its time and severity; the answer in the encoding of
//! the request, empty when all is well, a partial success when records are in quarantine. Refused: what is no export
//! request, as a `google.rpc.Status`. Resources, scopes, traces and spans are not kept: the event says it all.
//!
//! **Where the event is.** A body that is a text with JSON in it, or a list of keys and values with an `event` among them, is the
//! event. Otherwise body and attributes are handed on together, as `{"body":…,"attributes":{…}}`, and the event is looked for in both.
//!
//! **500 is never said**: exporters drop what was answered so, and send again after 429, 502, 503 and 504 only. The same goes
//! for 408.
//!
//! Source: repo `open-telemetry/opentelemetry-proto`, `docs/specification.md` and `opentelemetry/proto/logs/v1/logs.proto`, read
//! 2026-11-20. Observed: `tests/fixtures/protocol/otlp/`.

mod json;
mod proto;
mod record;
mod reply;
#[cfg(test)]
mod tests;

use super::{
    AuthError, Credential, DecodeError, Decoded, Head, Health, IngestError, Limits, Protocol, Receipt, Reply, Route,
    dynatrace, framing, native,
};
use std::borrow::Cow;

/// See the module.
#[derive(Debug)]
pub struct Otlp;

/// Exporters add `/v1/logs` to whatever address they were given.
const ROUTES: &[Route] = &[
    Route::ingest("/v1/logs"),
    Route::ingest("/otlp/v1/logs"),
    Route::ingest("/opentelemetry/v1/logs"),
    // Dynatrace's paths for the same.
    Route::ingest("/api/v2/otlp/v1/logs"),
    Route::ingest("/e/*/api/v2/otlp/v1/logs"),
];

/// The code of a content type that is not OTLP's.
const UNKNOWN_TYPE: u16 = 415;

/// How a request is written, and so its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Protobuf,
}

impl Protocol for Otlp {
    fn name(&self) -> &'static str {
        "otlp"
    }

    fn routes(&self) -> &'static [Route] {
        ROUTES
    }

    fn credential<'h>(&self, head: &Head<'h>) -> Result<Credential<'h>, AuthError> {
        dynatrace::credential(head).or_else(|error| {
            let key = ["x-api-key", "api-key"].iter().find_map(|name| head.header(name)).map(str::trim);
            key.filter(|key| !key.is_empty()).map(|key| Credential::Token(Cow::Borrowed(key))).ok_or(error)
        })
    }

    fn decode<'b>(&self, head: &Head<'_>, body: &'b [u8], limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
        match form(head).or_else(|| sniffed(head, body)) {
            Some(Form::Json) => json::decode(body, limits),
            Some(Form::Protobuf) => proto::decode(body, limits),
            None => Err(DecodeError::new(UNKNOWN_TYPE, "send application/json or application/x-protobuf")),
        }
    }

    fn reply(&self, head: &Head<'_>, result: &Result<Receipt, IngestError>) -> Reply {
        let form = form(head).unwrap_or(Form::Json);
        match result {
            Ok(receipt) => reply::success(form, receipt),
            Err(error) => reply::failure(form, error),
        }
    }

    fn health_reply(&self, _head: &Head<'_>, health: Health) -> Reply {
        native::health_reply(health)
    }
}

fn form(head: &Head<'_>) -> Option<Form> {
    let says =
        |names: &[&str]| head.media_type().is_some_and(|said| names.iter().any(|name| said.eq_ignore_ascii_case(name)));
    if says(&["application/json"]) {
        Some(Form::Json)
    } else if says(&["application/x-protobuf", "application/protobuf"]) {
        Some(Form::Protobuf)
    } else {
        None
    }
}

/// Without a content type the first byte tells: a brace, or the only field of a request.
fn sniffed(head: &Head<'_>, body: &[u8]) -> Option<Form> {
    if head.media_type().is_some_and(|said| !said.is_empty()) {
        return None;
    }
    match body[framing::bom_len(body)..].trim_ascii_start().first() {
        Some(b'{') => Some(Form::Json),
        // A line feed is white space, and the tag of field 1.
        _ if body.first() == Some(&b'\n') => Some(Form::Protobuf),
        None => Some(Form::Json),
        Some(_) => None,
    }
}
