//! `/`, `/healthz`, `/readyz`, `/metrics`.

use super::{Problem, json, no_parameters};
use crate::{
    auth::Access,
    server::{
        error::private,
        state::{Door, State},
    },
    telemetry::OPENMETRICS_TYPE,
};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json as value;

/// What this is, and where to go from here.
#[utoipa::path(get, operation_id = "about", path = "/", tag = "operations", responses((status = 200, description = "Name, version, links", body = Object)))]
pub(super) fn root(req: &HttpRequest) -> Result<HttpResponse, Problem> {
    no_parameters(req)?;
    json(
        200,
        &value!({
            "name": "lifeline",
            "version": env!("CARGO_PKG_VERSION"),
            "links": {
                "docs": "/docs/",
                "openapi": "/openapi.json",
                "events": "/v1/events",
                "connections": "/v1/connections",
                "incidents": "/v1/incidents",
                "audit": "/v1/audit",
                "health": "/healthz",
                "readiness": "/readyz",
                "metrics": "/metrics",
            },
        }),
    )
}

/// Answers while the process lives.
///
/// Looks at nothing, so that nothing slow can make it fail.
#[utoipa::path(get, operation_id = "healthz", path = "/healthz", tag = "operations", responses((status = 200, description = "The process lives", body = Object)))]
pub(super) fn healthz(_req: &HttpRequest) -> Result<HttpResponse, Problem> {
    json(200, &value!({"status": "ok"}))
}

/// Whether the store accepts writes.
#[utoipa::path(get, operation_id = "readyz", path = "/readyz", tag = "operations", responses(
    (status = 200, description = "It does", body = Object, example = json!({"status": "ready", "checks": {"store": "ok"}})),
    (status = 503, description = "It does not; `reason` says why", body = Object),
))]
pub(super) async fn readyz(state: &State, _req: &HttpRequest) -> Result<HttpResponse, Problem> {
    if state.is_draining() {
        return json(503, &value!({"status": "unavailable", "reason": "shutting down", "checks": {"serving": "no"}}));
    }
    let stats = state.store().stats();
    let queue = format!("{} of {} batches", stats.queue_batches, stats.queue_batches_max);
    match state.readiness.check().await {
        Ok(()) => {
            let mut ready = value!({"status": "ready", "checks": {"store": "ok", "queue": queue}});
            let warnings = state.audit.warnings();
            if !warnings.is_empty() {
                ready["warnings"] = warnings.into();
            }
            json(200, &ready)
        }
        Err(error) => {
            let reason = error.public();
            json(503, &value!({"status": "unavailable", "reason": reason, "checks": {"store": reason, "queue": queue}}))
        }
    }
}

/// Metrics as OpenMetrics text. No token is needed where `metrics_public` is set.
#[utoipa::path(get, operation_id = "metrics", path = "/metrics", tag = "operations", security(("token" = []), ()), responses(
    (status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text"),
))]
pub(super) async fn metrics(state: &State, door: Door, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    if !state.settings.metrics_public {
        state.authorize(door, req, None, Access::Read)?;
    }
    state.audit.count().await;
    let series = state.series.text(state).await;
    let (stats, bodies, streams) = (state.store().stats(), state.body_bytes_in_flight(), state.streams_open());
    let series = format!("{series}{}", state.audit.metrics());
    let text = state.metrics.render(&stats, bodies, streams, &series);
    let mut answer = HttpResponse::Ok();
    answer.content_type(OPENMETRICS_TYPE);
    private(&mut answer);
    Ok(answer.body(text))
}
