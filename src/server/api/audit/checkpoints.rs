//! `GET /v1/audit/checkpoint`, `/v1/audit/checkpoints`, `/v1/audit/key`.

use super::super::{Problem, json, private};
use crate::{
    audit::{Log, note::VerifyingKey},
    query::{
        self,
        audit::{HeadsRequest, LogRequest},
        render::{Page, millis},
    },
    server::{audit::Signed, state::State},
};
use actix_web::{HttpRequest, HttpResponse, http::header};
use serde::Serialize;
use utoipa::ToSchema;

/// A signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Checkpoint)]
pub(in crate::server) struct CheckpointView {
    /// `trail` or `access`.
    #[schema(example = "trail")]
    log: &'static str,
    /// What the log is called, in checkpoints and keys.
    #[schema(example = "lifeline/1f6e0b22aa01/trail")]
    origin: String,
    /// Records under it.
    tree_size: u64,
    /// Root of the RFC 9162 tree over them.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    root_hash: String,
    /// When it was signed.
    #[schema(format = DateTime)]
    at: String,
    /// The signed note (C2SP signed-note and tlog-checkpoint, Ed25519).
    note: String,
    /// The present public key: name, id and base64, separated by plus signs.
    public_key: String,
    /// Its id.
    #[schema(pattern = "^[0-9a-f]{8}$")]
    key_id: String,
}

impl CheckpointView {
    pub fn new(signed: Signed, key: &VerifyingKey) -> Self {
        Self {
            log: signed.log.as_str(),
            tree_size: signed.size,
            root_hash: hex::encode(signed.root),
            at: signed.made_at,
            note: signed.note,
            origin: signed.origin,
            public_key: key.to_string(),
            key_id: key.key_id().to_string(),
        }
    }
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AuditKey)]
pub(in crate::server) struct KeyView {
    /// `trail` or `access`.
    log: &'static str,
    /// The present key: name, id and base64, separated by plus signs.
    public_key: String,
    /// Its id.
    key_id: String,
    /// What people compare.
    fingerprint: String,
    /// Every key that ever signed, the first one first.
    keys: Vec<KnownKey>,
}

/// A key that signs or has signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = KnownAuditKey)]
pub(in crate::server) struct KnownKey {
    /// The key.
    public_key: String,
    /// Its id.
    key_id: String,
    /// Since when.
    #[schema(format = DateTime)]
    since: String,
    /// How long the log was then.
    from_size: u64,
}

fn wants_text(req: &HttpRequest) -> bool {
    let accept = req.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|part| part.trim().starts_with("text/plain"))
}

fn text(body: String) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    answer.content_type("text/plain; charset=utf-8");
    private(&mut answer);
    answer.body(body)
}

/// The newest signed checkpoint: how long the log is and the hash of all of it.
///
/// Covers everything that was acknowledged before the request. `Accept: text/plain` gives the signed note alone.
#[utoipa::path(get, operation_id = "audit_checkpoint", path = "/v1/audit/checkpoint", tag = "audit", security(("token" = [])), params(
    ("log" = Option<String>, Query, description = "`trail` (the default) or `access`"),
), responses((status = 200, description = "The checkpoint", body = CheckpointView)))]
pub(in crate::server) async fn newest(state: &State, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    let LogRequest(log) = LogRequest::parse(req.query_string())?;
    let signed = state.audit.notary.newest(log).await?;
    if wants_text(req) {
        return Ok(text(signed.note));
    }
    json(200, &CheckpointView::new(signed, &state.audit.notary.public(log)))
}

/// Checkpoints that were kept, the newest first.
#[utoipa::path(get, operation_id = "list_audit_checkpoints", path = "/v1/audit/checkpoints", tag = "audit", security(("token" = [])), params(
    ("log" = Option<String>, Query, description = "`trail` (the default) or `access`"),
    ("limit" = Option<usize>, Query, minimum = 1, maximum = 1000, description = "Items of a page, 100 when absent"),
    ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
), responses((status = 200, description = "A page", body = Page<CheckpointView>)))]
pub(in crate::server) async fn list(state: &State, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    let request = HeadsRequest::parse(req.query_string())?;
    let (heads, next_cursor) = state.read(move |store| query::audit::heads(store.trail(), request)).await?;
    let (origin, key) = (state.audit.notary.origin(request.log), state.audit.notary.public(request.log));
    let views = heads.iter().filter_map(|head| Some(CheckpointView::new(Signed::read(head, origin)?, &key)));
    json(200, &Page { data: views.collect::<Vec<_>>(), next_cursor })
}

/// The public key that checkpoints are signed with, and those of earlier times.
///
/// `Accept: text/plain` gives the present key alone.
#[utoipa::path(get, operation_id = "audit_key", path = "/v1/audit/key", tag = "audit", security(("token" = [])), params(
    ("log" = Option<String>, Query, description = "`trail` (the default) or `access`"),
), responses((status = 200, description = "The key", body = KeyView)))]
pub(in crate::server) async fn key(state: &State, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    let LogRequest(log) = LogRequest::parse(req.query_string())?;
    let present = state.audit.notary.public(log);
    if wants_text(req) {
        return Ok(text(format!("{present}\n")));
    }
    let known = state.read(|store| store.trail().keys()).await?;
    let keys = known.into_iter().filter_map(|known| {
        let key = VerifyingKey::new(present.name(), known.public).ok()?;
        let from_size = if log == Log::Trail { known.trail } else { known.access };
        Some(KnownKey {
            public_key: key.to_string(),
            key_id: key.key_id().to_string(),
            since: millis(known.at),
            from_size,
        })
    });
    json(
        200,
        &KeyView {
            log: log.as_str(),
            keys: keys.collect(),
            public_key: present.to_string(),
            key_id: present.key_id().to_string(),
            fingerprint: present.fingerprint(),
        },
    )
}
