//! Questions about what was kept, and the routes that operate the service.
//!
//! In: a path and a method. Out: JSON, a stream of events, metrics, a page. Refused: readers without a token that allows
//! it, and parameters that are not exactly right.

pub(super) mod audit;
mod control;
mod diagnose;
mod docs;
mod events;
mod lives;
pub(super) mod openapi;
mod operations;
mod pieces;
mod quarantine;
mod rebuild;
mod stream;
mod tokens;

use self::{audit::AuditAsk, lives::Ask};
use super::{
    error::{Problem, private},
    ingest,
    state::{Door, State},
};
use crate::protocol::percent_decode;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, http::Method, http::StatusCode, web};
use serde::Serialize;
use std::sync::Arc;

/// A path that is no protocol's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Api {
    Root,
    Healthz,
    Readyz,
    Metrics,
    Document,
    Docs(String),
    Diagnose,
    Unknown,
    Events,
    Event(String),
    Stream,
    Quarantine,
    QuarantinedItem(String),
    Replay(String),
    Tokens,
    Token(String),
    Rebuild,
    Import,
    Verify,
    Rotate,
    Taken,
    Life(Ask),
    Audit(AuditAsk),
}

impl Api {
    /// What a path (without trailing slash) is.
    pub fn at(path: &str, door: Door) -> Option<Self> {
        if let Some(ask) = path.strip_prefix("/v1/").and_then(Ask::at) {
            return Some(Self::Life(ask));
        }
        if let Some(ask) = path.strip_prefix("/v1/audit") {
            return AuditAsk::at(ask).map(Self::Audit);
        }
        let mut parts = path.strip_prefix('/')?.splitn(4, '/');
        let named = |part: &str| percent_decode(part).into_owned();
        let (first, second, third, fourth) = (parts.next()?, parts.next(), parts.next(), parts.next());
        Some(match (first, second, third, fourth) {
            ("", None, ..) => Self::Root,
            ("healthz", None, ..) => Self::Healthz,
            ("readyz", None, ..) => Self::Readyz,
            ("metrics", None, ..) => Self::Metrics,
            ("openapi.json", None, ..) => Self::Document,
            ("docs", file, None, None) => Self::Docs(file.unwrap_or_default().to_owned()),
            ("v1", Some("diagnose"), None, _) => Self::Diagnose,
            ("v1", Some("diagnose"), Some("unknown"), None) => Self::Unknown,
            ("v1", Some("events"), None, _) => Self::Events,
            ("v1", Some("events"), Some("stream"), None) => Self::Stream,
            ("v1", Some("events"), Some(id), None) => Self::Event(named(id)),
            ("v1", Some("quarantine"), None, _) => Self::Quarantine,
            ("v1", Some("quarantine"), Some(id), None) => Self::QuarantinedItem(named(id)),
            ("v1", Some("quarantine"), Some(id), Some("replay")) => Self::Replay(named(id)),
            ("v1", Some("tokens"), None, _) => Self::Tokens,
            ("v1", Some("tokens"), Some(name), None) => Self::Token(named(name)),
            ("v1", Some("rebuild"), None, _) => Self::Rebuild,
            ("control", Some("import"), None, _) if door == Door::Control => Self::Import,
            ("control", Some("verify"), None, _) if door == Door::Control => Self::Verify,
            ("control", Some("rotate"), None, _) if door == Door::Control => Self::Rotate,
            ("control", Some("taken"), None, _) if door == Door::Control => Self::Taken,
            _ => return None,
        })
    }

    /// The methods that it takes.
    pub const fn methods(&self) -> &'static [&'static str] {
        match self {
            Self::Replay(_) | Self::Import | Self::Verify | Self::Rotate | Self::Taken => &["POST"],
            Self::Tokens | Self::Rebuild => &["GET", "HEAD", "POST"],
            Self::Token(_) => &["DELETE"],
            Self::Stream => &["GET"],
            _ => &["GET", "HEAD"],
        }
    }

    /// Answers a request with one of those methods.
    pub async fn answer(
        &self,
        state: &Arc<State>,
        door: Door,
        req: &HttpRequest,
        payload: web::Payload,
    ) -> Result<HttpResponse, Problem> {
        match self {
            Self::Root => operations::root(req),
            Self::Healthz => operations::healthz(req),
            Self::Readyz => operations::readyz(state, req).await,
            Self::Metrics => operations::metrics(state, door, req).await,
            Self::Document => docs::openapi(req),
            Self::Docs(file) => docs::page(file, req),
            Self::Diagnose => diagnose::ask(state, door, req).await,
            Self::Unknown => diagnose::unknown(state, door, req).await,
            Self::Events => events::list(state, door, req).await,
            Self::Event(id) => events::one(state, door, req, id).await,
            Self::Stream => stream::open(state, door, req).await,
            Self::Quarantine => quarantine::list(state, door, req).await,
            Self::QuarantinedItem(id) => quarantine::one(state, door, req, id).await,
            Self::Replay(id) => quarantine::replay(state, door, req, id).await,
            Self::Tokens if req.method() == Method::POST => tokens::create(state, door, req, payload).await,
            Self::Tokens => tokens::list(state, door, req).await,
            Self::Token(name) => tokens::revoke(state, door, req, name).await,
            Self::Rebuild if req.method() == Method::POST => rebuild::start(state, door, req).await,
            Self::Rebuild => rebuild::progress(state, door, req),
            Self::Import => ingest::import(state, req, payload).await,
            Self::Verify => control::verify(state, payload).await,
            Self::Rotate => control::rotate(state, req).await,
            Self::Taken => control::taken(state, payload).await,
            Self::Life(ask) => lives::answer(ask, state, door, req).await,
            Self::Audit(ask) => audit::answer(ask, state, door, req).await,
        }
    }
}

/// A private JSON answer.
fn json(status: u16, body: &impl Serialize) -> Result<HttpResponse, Problem> {
    let bytes = serde_json::to_vec(body).map_err(|error| {
        tracing::error!("an answer cannot be written: {error}");
        Problem::internal()
    })?;
    Ok(json_bytes(status, bytes))
}

/// A private JSON answer that was written before.
fn json_bytes(status: u16, body: Vec<u8>) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = HttpResponseBuilder::new(status);
    answer.content_type("application/json");
    private(&mut answer);
    answer.body(body)
}

/// Refuses any parameter.
fn no_parameters(req: &HttpRequest) -> Result<(), Problem> {
    crate::query::Params::parse(req.query_string(), &[])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_exactly() {
        let at = |path: &str| Api::at(path, Door::Public);
        assert_eq!(at("/"), Some(Api::Root));
        assert_eq!(at("/v1/events"), Some(Api::Events));
        assert_eq!(at("/v1/events/stream"), Some(Api::Stream));
        assert_eq!(at("/v1/events/a%20b"), Some(Api::Event("a b".into())));
        assert_eq!(at("/v1/quarantine/7/replay"), Some(Api::Replay("7".into())));
        assert_eq!(at("/v1/quarantine/7/replay/x"), None);
        assert_eq!(at("/v1/tokens/x"), Some(Api::Token("x".into())));
        assert_eq!(at("/docs"), Some(Api::Docs(String::new())));
        assert_eq!(at("/docs/a.js"), Some(Api::Docs("a.js".into())));
        for path in ["/docs/a/b", "/v1", "/v1/", "/healthz/x", "/control/import", "", "//", "/v1/events/a/b"] {
            assert_eq!(at(path), None, "{path}");
        }
        assert_eq!(Api::at("/control/import", Door::Control), Some(Api::Import));
    }
}
