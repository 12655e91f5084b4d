//! `GET /v1/audit`, `GET /v1/audit/{seq}`, `GET /v1/audit/proof/…`.

use super::super::{Problem, json, pieces::answer};
use crate::{
    query::{
        self,
        audit::{
            ConsistencyRequest, ConsistencyView, Found, InclusionRequest, InclusionView, RecordRequest, RecordsRequest,
        },
        render::Page,
    },
    server::state::State,
};
use actix_web::{HttpRequest, HttpResponse};
use utoipa::ToSchema;

/// A record as every answer has it. Written from the bytes that were hashed, never from this.
#[derive(Debug, ToSchema)]
#[schema(as = AuditRecord)]
#[allow(dead_code, reason = "the shape for the document")]
pub(in crate::server) struct RecordShape {
    /// Its number, from 1 without gaps.
    #[schema(example = 17)]
    seq: u64,
    /// Of an event's record the id of the event.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    id: String,
    /// When it was done, as precise as it came.
    #[schema(format = DateTime)]
    at: String,
    /// Who did it: `id` (null when nobody is named) and `kind` (user, email, fivetran, api, system, token, unknown).
    #[schema(value_type = Object)]
    actor: (),
    /// WEB_UI, API, SYSTEM; HTTP or CLI in the access log.
    #[schema(required = true)]
    method: Option<String>,
    /// CREATE, EDIT, DELETE, SYNC ...
    #[schema(example = "EDIT")]
    action: String,
    /// What the documentation calls it.
    #[schema(example = "pause_or_resume")]
    use_case: String,
    /// Name of the event.
    #[schema(example = "edit_connection")]
    event: String,
    /// The event; null for our own doings.
    #[schema(required = true)]
    event_id: Option<String>,
    /// What it was done to: `type` and `id`.
    #[schema(value_type = Option<Object>, required = true)]
    primary_resource: (),
    /// What else it concerns.
    #[schema(value_type = Option<Object>, required = true)]
    secondary_resource: (),
    /// What changed: `field`, `old`, `new`.
    #[schema(value_type = Vec<Object>)]
    changes: (),
    /// Changes that are not listed, when there are any.
    #[schema(nullable = false)]
    changes_omitted: Option<u64>,
    /// SHA-256 of a zero byte and the record's bytes.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    leaf_hash: String,
    /// Numbers of records of the same action that came by another road.
    twins: Vec<u64>,
}

/// Who did what, when, to what.
///
/// The newest record first. A page can be shorter than its limit, even empty, and still have a next one; go on until `next_cursor` is
/// null. Records whose texts retention removed are left out.
#[utoipa::path(get, operation_id = "list_audit", path = "/v1/audit", tag = "audit", security(("token" = [])), params(
    ("order" = Option<String>, Query, description = "By number: `desc` (newest first, the default) or `asc`"),
    ("limit" = Option<usize>, Query, minimum = 1, maximum = 1000, description = "Items of a page, 100 when absent"),
    ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before; keeps its log and order"),
), responses((status = 200, description = "A page", body = Page<RecordShape>)))]
pub(in crate::server) async fn list(state: &State, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    let request = RecordsRequest::parse(req.query_string())?;
    let page = state.read(move |store| query::audit::records(store.trail(), request)).await?;
    answer(state, page).await
}

/// One record.
#[utoipa::path(get, operation_id = "get_audit", path = "/v1/audit/{seq}", tag = "audit", security(("token" = [])), params(
    ("seq" = String, Path, description = "Its number"),
    ("log" = Option<String>, Query, description = "`trail` (the default) or `access`"),
), responses(
    (status = 200, description = "The record", body = RecordShape),
    (status = 404, description = "The log does not go so far"),
    (status = 410, description = "Retention removed its text; its hash is still in the tree"),
))]
pub(in crate::server) async fn one(state: &State, req: &HttpRequest, seq: &str) -> Result<HttpResponse, Problem> {
    let unknown = || Problem::not_found("no record of this log has this number");
    let request = RecordRequest::parse(seq, req.query_string())?.ok_or_else(unknown)?;
    match state.read(move |store| query::audit::record(store.trail(), request)).await? {
        Found::Record(text) => answer(state, text).await,
        Found::Nothing => Err(unknown()),
        Found::Pruned(range) => {
            let why = range.map_or_else(
                || "its text was removed".to_owned(),
                |range| format!("its text was removed on {} ({})", query::render::millis(range.at), range.reason),
            );
            let detail = format!("{why}; that it was in the log can still be proved");
            Err(Problem::new(410, "removed", "The record was removed", detail))
        }
    }
}

/// Proof that a record is in the log.
///
/// RFC 9162 section 2.1.3. Without `size`, in the tree of the newest checkpoint, which covers everything that was acknowledged.
#[utoipa::path(get, operation_id = "audit_inclusion", path = "/v1/audit/proof/inclusion", tag = "audit", security(("token" = [])), params(
    ("log" = Option<String>, Query, description = "`trail` (the default) or `access`"),
    ("seq" = u64, Query, minimum = 1, description = "The record's number"),
    ("size" = Option<u64>, Query, minimum = 1, description = "In the tree of the first so many records"),
), responses((status = 200, description = "The proof", body = InclusionView), (status = 404, description = "No such record")))]
pub(in crate::server) async fn inclusion(state: &State, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    let request = InclusionRequest::parse(req.query_string())?;
    let newest = state.audit.notary.newest(request.log).await?;
    let size = newest.size;
    let proof = state.read(move |store| Ok(query::audit::inclusion(store.trail(), request, size))).await?;
    let mut proof: InclusionView = proof?;
    if request.size.is_none_or(|asked| asked == size) {
        proof.checkpoint = Some(newest.note);
    }
    json(200, &proof)
}

/// Proof that the log only grew.
///
/// RFC 9162 section 2.1.4. Without `to`, up to the newest checkpoint.
#[utoipa::path(get, operation_id = "audit_consistency", path = "/v1/audit/proof/consistency", tag = "audit", security(("token" = [])), params(
    ("log" = Option<String>, Query, description = "`trail` (the default) or `access`"),
    ("from" = u64, Query, minimum = 0, description = "Records under the older tree"),
    ("to" = Option<u64>, Query, minimum = 0, description = "Records under the newer tree"),
), responses((status = 200, description = "The proof", body = ConsistencyView)))]
pub(in crate::server) async fn consistency(state: &State, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    let request = ConsistencyRequest::parse(req.query_string())?;
    let size = state.audit.notary.newest(request.log).await?.size;
    let proof = state.read(move |store| Ok(query::audit::consistency(store.trail(), request, size))).await?;
    json(200, &proof?)
}
