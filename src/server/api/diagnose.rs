//! `GET /v1/diagnose` and `GET /v1/diagnose/unknown`.

use super::{Problem, json_bytes, pieces::answer};
use crate::{
    auth::Access,
    query::diagnosis::{self, DiagnoseRequest, UnknownRequest, shape},
    server::state::{Door, State, now_us},
};
use actix_web::{HttpRequest, HttpResponse};
use std::sync::Arc;

/// What an error text or a code means and how to fix it.
///
/// The likeliest explanation first. `code` is that of an explanation, a status code of the sender, a status, a task or a kind of warning.
/// Nothing known: an empty list, and the text's template, by which `/v1/diagnose/unknown` counts it.
#[utoipa::path(get, operation_id = "diagnose", path = "/v1/diagnose", tag = "lives", security(("token" = [])), params(
    ("text" = Option<String>, Query, description = "What an error says; at most 16 KiB"),
    ("code" = Option<String>, Query, description = "A code: `ENTITY_IS_LOCKED`, `RESCHEDULED`, `fivetran.task.reconnect`"),
    ("source" = Option<String>, Query, description = "The system that reports it"),
    ("event" = Option<String>, Query, description = "The event's name"),
    ("status" = Option<String>, Query, description = "How the sync or job ended"),
    ("task_type" = Option<String>, Query, description = "What Fivetran asks for"),
    ("type" = Option<String>, Query, description = "The kind of a warning, or the cause of a re-sync"),
), responses((status = 200, description = "What it means", body = shape::Diagnoses)))]
pub(super) async fn ask(state: &State, door: Door, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    state.authorize(door, req, None, Access::Read)?;
    let request = DiagnoseRequest::parse(req.query_string())?;
    Ok(json_bytes(200, diagnosis::diagnose(&state.diagnoser, &request)))
}

/// Errors of the last days that nothing explains, each new one once, with a count.
#[utoipa::path(get, operation_id = "list_unknown_errors", path = "/v1/diagnose/unknown", tag = "lives", security(("token" = [])), params(
    ("days" = Option<u32>, Query, minimum = 1, maximum = 90, description = "How many days are looked back, 30 when absent"),
    ("limit" = Option<usize>, Query, minimum = 1, maximum = 1000, description = "Most rows, 100 when absent"),
), responses((status = 200, description = "The most frequent first", body = shape::UnknownErrors)))]
pub(super) async fn unknown(state: &State, door: Door, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    state.authorize(door, req, None, Access::Read)?;
    let request = UnknownRequest::parse(req.query_string())?;
    let (diagnoser, now) = (Arc::clone(&state.diagnoser), now_us());
    let found = state.read(move |store| diagnosis::unknown(store, &diagnoser, request, now));
    answer(state, found.await?).await
}
