//! Grafana Loki's push route, as Fivetran's Loki form and every Loki client speaks it.
//!
//! In: push requests in JSON (both forms) or protobuf packed with snappy; probes. Out: one record per line with its time and the level
//! that metadata or labels name. Exactly 204 on success: one client takes nothing else. Refused: what is no push
//! request, in plain text, as Loki does. Labels and tenants are not kept: the event in the line says it all.

mod json;
mod labels;
mod proto;
#[cfg(test)]
mod tests;

use super::{
    AuthError, Credential, DecodeError, Decoded, Head, Health, IngestError, Limits, Protocol, Receipt, Reply, Route,
    common_credential, native, problem,
};
use serde_json::json;
use std::borrow::Cow;

/// See the module.
#[derive(Debug)]
pub struct Loki;

const READY: &str = "/ready";
const BUILD_INFO: &str = "/loki/api/v1/status/buildinfo";

const ROUTES: &[Route] = &[
    Route::ingest("/loki/api/v1/push"),
    Route::ingest("/api/prom/push"),
    Route::health(READY),
    Route::health(BUILD_INFO),
];

/// Snappy's densest form: 64 bytes of output from a copy of three bytes.
const SNAPPY_RATIO_MAX: usize = 22;

/// Why an entry without text is no record.
const EMPTY_LINE: &str = "the line is empty";

impl Protocol for Loki {
    fn name(&self) -> &'static str {
        "loki"
    }

    fn routes(&self) -> &'static [Route] {
        ROUTES
    }

    fn credential<'h>(&self, head: &Head<'h>) -> Result<Credential<'h>, AuthError> {
        common_credential(head)
    }

    fn own_encodings(&self) -> &'static [&'static str] {
        &["snappy"]
    }

    fn unpack<'b>(&self, head: &Head<'_>, body: &'b [u8], limits: &Limits) -> Result<Cow<'b, [u8]>, DecodeError> {
        if body.is_empty() || (is_json(head, body) && !says_snappy(head)) {
            return Ok(Cow::Borrowed(body));
        }
        unsnap(body, limits).map(Cow::Owned)
    }

    fn decode<'b>(&self, head: &Head<'_>, body: &'b [u8], limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
        if native::is_blank(body) {
            return Err(DecodeError::empty(0, "the body is empty"));
        }
        if is_json(head, body) { json::decode(body, limits) } else { proto::decode(body, limits) }
    }

    fn reply(&self, _head: &Head<'_>, result: &Result<Receipt, IngestError>) -> Reply {
        match result {
            Ok(_) => Reply::empty(204),
            Err(error) => failure(error),
        }
    }

    fn health_reply(&self, head: &Head<'_>, health: Health) -> Reply {
        match (head.path, health) {
            (BUILD_INFO, _) => build_info(),
            (_, Health::Ready) => Reply::text(200, "ready"),
            (_, Health::Busy) => Reply::text(503, "not ready: the write queue is full"),
            (_, Health::Unavailable) => Reply::text(503, "not ready: the store cannot write"),
            (_, Health::ShuttingDown) => Reply::text(503, "not ready: shutting down"),
        }
    }
}

/// By media type, or by the first bytes: no packed protobuf begins with a brace and a quote. (As snappy, the brace
/// is a length and the next byte would have to copy from an empty output.)
fn is_json(head: &Head<'_>, body: &[u8]) -> bool {
    let named = head.media_type().is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    let body = &body[super::framing::bom_len(body)..];
    let inside = body.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    named || inside.is_some_and(|rest| matches!(rest.first(), Some(b'"' | b'}')))
}

fn says_snappy(head: &Head<'_>) -> bool {
    let encodings = head.header("content-encoding").unwrap_or_default();
    encodings.split(',').any(|name| name.trim().eq_ignore_ascii_case("snappy"))
}

/// Undoes snappy's block form. The declared length is believed only where the limit and the bytes at hand allow it.
fn unsnap(body: &[u8], limits: &Limits) -> Result<Vec<u8>, DecodeError> {
    let damaged = || DecodeError::new(0, "expected JSON, or a protobuf push request packed with snappy (block form)");
    let declared = snap::raw::decompress_len(body).map_err(|_| damaged())?;
    if declared > body.len().saturating_mul(SNAPPY_RATIO_MAX) {
        return Err(damaged());
    }
    if declared > limits.body_bytes_max {
        return Err(DecodeError::too_large(format!("the body is larger than {} bytes", limits.body_bytes_max)));
    }
    snap::raw::Decoder::new().decompress_vec(body).map_err(|_| damaged())
}

fn failure(error: &IngestError) -> Reply {
    let status = match problem::Kind::of(error).status {
        // Loki's own word for an encoding that it does not know.
        415 => 400,
        status => status,
    };
    let words = match status {
        413 => format!("request body too large: {error}\n"),
        _ => format!("{}\n", problem::detail(error)),
    };
    let reply = problem::with_retry_after(Reply::text(status, words), error);
    if status == 401 { reply.with_header("www-authenticate", "Basic realm=\"lifeline\"") } else { reply }
}

/// What Grafana asks before it uses a data source. The members are Loki's, the version is ours.
fn build_info() -> Reply {
    let body = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "revision": "",
        "branch": "",
        "buildDate": "",
        "buildUser": "",
        "goVersion": "",
    });
    Reply::json(200, &body)
}
