//! `GET /v1/events` and `GET /v1/events/{id}`.

use super::{Problem, json_bytes, no_parameters};
use crate::{
    auth::Access,
    model::EventId,
    query::{self, EventsRequest, render::EventView},
    server::state::{Door, State},
};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

/// A page, written while its events are borrowed.
#[derive(Serialize)]
struct EventsPage<'a> {
    data: Vec<EventView<'a>>,
    next_cursor: Option<String>,
}

fn written(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("the views have text keys only")
}

pub(super) async fn list(state: &State, door: Door, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    state.authorize(door, req, None, Access::Read)?;
    let request = EventsRequest::parse(req.query_string())?;
    let page = state.read(move |store| {
        let (events, next_cursor) = query::events(store, request)?;
        let data = events.iter().map(|event| EventView::new(event, false)).collect();
        Ok(written(&EventsPage { data, next_cursor }))
    });
    Ok(json_bytes(200, page.await?))
}

pub(super) async fn one(state: &State, door: Door, req: &HttpRequest, id: &str) -> Result<HttpResponse, Problem> {
    state.authorize(door, req, None, Access::Read)?;
    no_parameters(req)?;
    let unknown = || Problem::not_found("no event has this id");
    let id: EventId = id.parse().map_err(|_| unknown())?;
    let found = state.read(move |store| Ok(store.event(id)?.map(|event| written(&EventView::new(&event, true)))));
    Ok(json_bytes(200, found.await?.ok_or_else(unknown)?))
}
