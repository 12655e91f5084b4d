//! `GET /v1/quarantine`, `GET /v1/quarantine/{id}`, `POST /v1/quarantine/{id}/replay`.

use super::{Problem, json, no_parameters};
use crate::{
    auth::Access,
    pipeline::ReplayError,
    protocol::Receipt,
    query::{
        self, QuarantineRequest,
        render::{Page, QuarantineView},
    },
    server::{
        audit::{replay as replay_deed, replayed_in_vain, who},
        state::{Door, State, now_us},
    },
};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

/// What became of a delivery's items, or of a replayed item's parts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Receipt)]
pub(in crate::server) struct Replayed {
    /// Events that were new.
    accepted: usize,
    /// Events that were stored before.
    duplicates: usize,
    /// Parts that cannot be read; each is an item in quarantine.
    quarantined: usize,
    /// What was neither plainly accepted nor a duplicate; at most 1,000.
    items: Vec<ReplayedItem>,
}

/// One item of a delivery, or one part of a replayed item.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReceiptItem)]
pub(in crate::server) struct ReplayedItem {
    /// Its position, from 0.
    index: usize,
    /// `quarantined`, `invalid` or `unknown_event`.
    outcome: &'static str,
    /// The event's id, or the number of the new quarantined item.
    id: String,
    /// Why, where there is something to say.
    #[schema(required = true)]
    reason: Option<String>,
}

impl From<Receipt> for Replayed {
    fn from(receipt: Receipt) -> Self {
        let Receipt { accepted, duplicates, quarantined, items, .. } = receipt;
        let item = |item: crate::protocol::ItemOutcome| {
            let crate::protocol::ItemOutcome { index, outcome, id, reason } = item;
            ReplayedItem { index, outcome, id, reason }
        };
        Self { accepted, duplicates, quarantined, items: items.into_iter().map(item).collect() }
    }
}

fn unknown() -> Problem {
    Problem::not_found("no quarantined item has this id")
}

fn number(id: &str) -> Result<i64, Problem> {
    let plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| id.parse().ok()).flatten().ok_or_else(unknown)
}

/// Payloads that could not be read, newest first, with the beginning of their bytes.
#[utoipa::path(get, operation_id = "list_quarantine", path = "/v1/quarantine", tag = "quarantine", security(("token" = [])), params(
    ("limit" = Option<usize>, Query, minimum = 1, maximum = 1000, description = "Items of a page, 100 when absent"),
    ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ("all" = Option<bool>, Query, description = "Also those that were replayed"),
), responses((status = 200, description = "A page", body = Page<QuarantineView>)))]
pub(super) async fn list(state: &State, door: Door, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    state.authorize(door, req, None, Access::Read)?;
    let request = QuarantineRequest::parse(req.query_string())?;
    let page = state.read(move |store| query::quarantine(store, request)).await?;
    json(200, &page)
}

/// One quarantined payload with all its bytes, redacted.
#[utoipa::path(get, operation_id = "get_quarantined", path = "/v1/quarantine/{id}", tag = "quarantine", security(("token" = [])),
    params(("id" = String, Path, description = "Its number")),
    responses((status = 200, description = "The item", body = QuarantineView), (status = 404, description = "No such item")))]
pub(super) async fn one(state: &State, door: Door, req: &HttpRequest, id: &str) -> Result<HttpResponse, Problem> {
    state.authorize(door, req, None, Access::Read)?;
    no_parameters(req)?;
    let id = number(id)?;
    let item = state.read(move |store| store.quarantined(id)).await?.ok_or_else(unknown)?;
    json(200, &QuarantineView::new(item))
}

/// Reads a quarantined payload again, after a change of schemas or program, or for what stands in it behind the part that failed. Needs an
/// admin token.
///
/// What can be read is stored; each part that cannot waits as an item of its own, with its own reason.
#[utoipa::path(post, operation_id = "replay_quarantined", path = "/v1/quarantine/{id}/replay", tag = "quarantine", security(("token" = [])),
    params(("id" = String, Path, description = "Its number")),
    responses(
        (status = 200, description = "What became of it", body = Replayed),
        (status = 404, description = "No such item"),
        (status = 409, description = "It was replayed before"),
        (status = 422, description = "Nothing of it can be read, and it stays"),
    ))]
pub(super) async fn replay(state: &State, door: Door, req: &HttpRequest, id: &str) -> Result<HttpResponse, Problem> {
    let by = state.authorize(door, req, None, Access::Admin)?;
    no_parameters(req)?;
    let id = number(id)?;
    let receipt = match state.pipeline.replay(id, now_us()).await {
        Ok(receipt) => receipt,
        Err(error) => {
            if matches!(error, ReplayError::StillUnreadable(_)) {
                state.audit.note(replayed_in_vain(id), who(by.as_ref(), door)).await;
            }
            return Err(problem(error));
        }
    };
    let details = vec![("accepted", receipt.accepted.into()), ("duplicates", receipt.duplicates.into())];
    state.audit.note(replay_deed(id, details), who(by.as_ref(), door)).await;
    let by = by.as_ref().map_or("control socket", |reader| &reader.name);
    tracing::info!(quarantine.id = id, by, accepted = receipt.accepted, "replayed quarantined item {id}");
    json(200, &Replayed::from(receipt))
}

fn problem(error: ReplayError) -> Problem {
    match error {
        ReplayError::NotFound(_) => unknown(),
        ReplayError::Done(_) => Problem::conflict("this item was replayed before"),
        ReplayError::StillUnreadable(reason) => {
            let detail = format!("{reason}; the item stays in quarantine");
            Problem::new(422, "still-unreadable", "The item still cannot be read", detail)
        }
        ReplayError::Store(error) => error.into(),
    }
}
