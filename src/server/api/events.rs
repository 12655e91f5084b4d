//! `GET /v1/events` and `GET /v1/events/{id}`.

use super::{Problem, no_parameters, pieces::answer};
use crate::{
    auth::Access,
    model::{EventId, StoredEvent},
    query::{
        self, EventsRequest,
        render::{EventView, Page},
    },
    server::state::{Door, State},
};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use std::sync::Arc;

fn written(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("the views have text keys only")
}

/// The same bytes as of a [`Page`] of views. An event is let go of as soon as it is written.
fn written_page(events: Vec<StoredEvent>, next_cursor: Option<&str>) -> Vec<u8> {
    let size = events.iter().map(|event| event.raw.len() + 512).sum::<usize>() + 128;
    let mut page = Vec::with_capacity(size);
    page.extend_from_slice(b"{\"data\":[");
    for (at, event) in events.into_iter().enumerate() {
        if at > 0 {
            page.push(b',');
        }
        serde_json::to_writer(&mut page, &EventView::new(&event, false)).expect("the views have text keys only");
    }
    page.extend_from_slice(b"],\"next_cursor\":");
    serde_json::to_writer(&mut page, &next_cursor).expect("a text");
    page.push(b'}');
    page
}

/// Events in order of time, page by page.
///
/// A page can be shorter than its limit, even empty, and still have a next one; go on until `next_cursor` is null.
#[utoipa::path(get, operation_id = "list_events", path = "/v1/events", tag = "events", security(("token" = [])), params(
    ("order" = Option<String>, Query, description = "`desc` (newest first, the default) or `asc`"),
    ("limit" = Option<usize>, Query, minimum = 1, maximum = 1000, description = "Items of a page, 100 when absent"),
    ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before; keeps its order"),
), responses((status = 200, description = "A page", body = Page<EventView>)))]
pub(super) async fn list(state: &State, door: Door, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    state.authorize(door, req, None, Access::Read)?;
    let request = EventsRequest::parse(req.query_string())?;
    let page = state.read(move |store| {
        let (events, next_cursor) = query::events(store, request)?;
        Ok(written_page(events, next_cursor.as_deref()))
    });
    answer(state, page.await?).await
}

/// One event, with the redacted original text.
#[utoipa::path(get, operation_id = "get_event", path = "/v1/events/{id}", tag = "events", security(("token" = [])),
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The event", body = EventView), (status = 404, description = "No such event")))]
pub(super) async fn one(state: &State, door: Door, req: &HttpRequest, id: &str) -> Result<HttpResponse, Problem> {
    state.authorize(door, req, None, Access::Read)?;
    no_parameters(req)?;
    let unknown = || Problem::not_found("no event has this id");
    let id: EventId = id.parse().map_err(|_| unknown())?;
    let diagnoser = Arc::clone(&state.diagnoser);
    let found = state.read(move |store| {
        let explained =
            |event: &StoredEvent| written(&EventView::new(event, true).explained(diagnoser.of_event(&event.event)));
        Ok(store.event(id)?.as_ref().map(explained))
    });
    answer(state, found.await?.ok_or_else(unknown)?).await
}
