//! `POST /v1/rebuild`, `GET /v1/rebuild`: every life anew from its events, between deliveries.

use super::{Problem, json, no_parameters};
use crate::{
    audit::Deed,
    auth::Access,
    server::{
        audit::who,
        state::{Door, State},
    },
    store::StoreStats,
};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

/// How far the work is.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::server) struct Rebuild {
    /// `running` while lives wait to be reconstructed, else `done`.
    #[schema(example = "running")]
    status: &'static str,
    /// Lives that wait.
    waiting: u64,
    /// Connections known.
    connections: u64,
}

impl Rebuild {
    const fn new(stats: &StoreStats) -> Self {
        let status = if stats.unfolded > 0 { "running" } else { "done" };
        Self { status, waiting: stats.unfolded, connections: stats.connections }
    }
}

/// Throws away what was reconstructed and begins anew; events are only read. Needs an admin token.
#[utoipa::path(post, operation_id = "start_rebuild", path = "/v1/rebuild", tag = "operations", security(("token" = [])),
    responses((status = 202, description = "It goes on while deliveries are taken", body = Rebuild)))]
pub(super) async fn start(state: &State, door: Door, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    let by = state.authorize(door, req, None, Access::Admin)?;
    no_parameters(req)?;
    state.store().lives().rebuild().await?;
    let on = ("PROJECTIONS", "lives".to_owned());
    let deed = Deed { event: "start_rebuild", action: "REBUILD", on, details: Vec::new() };
    state.audit.note(deed, who(by.as_ref(), door)).await;
    tracing::info!(
        by = by.as_ref().map_or("control socket", |reader| &*reader.name),
        "every life is reconstructed anew"
    );
    json(202, &Rebuild::new(&state.store().stats()))
}

/// How far it is. Needs an admin token.
#[utoipa::path(get, operation_id = "rebuild_progress", path = "/v1/rebuild", tag = "operations", security(("token" = [])),
    responses((status = 200, description = "How many lives wait", body = Rebuild)))]
pub(super) fn progress(state: &State, door: Door, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    state.authorize(door, req, None, Access::Admin)?;
    no_parameters(req)?;
    json(200, &Rebuild::new(&state.store().stats()))
}
