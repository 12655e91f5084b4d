//! Questions about connections' lives: `/v1/connections`, `/v1/incidents`, `/v1/transformations`, `/v1/stats`.
//!
//! In: paths and query strings. Out: JSON that `query::lives` writes. Every answer sees all that was acknowledged before it was asked
//! for: connections with late events are folded first. What still waits after two seconds is said in `Lifeline-Behind`.

use super::{Problem, pieces::answer_with};
use crate::{
    auth::Access,
    protocol::percent_decode,
    query::lives::{
        self, Answer, ConnectionRequest, ConnectionsRequest, DailyRequest, IncidentsRequest, Missing, RunsRequest,
        StagesRequest, StatsRequest, TimelineRequest, shape,
    },
    query::{diagnosis::Diagnoser, render::Page},
    server::state::{Door, State, now_us},
    store::Lives,
};
use actix_web::{HttpRequest, HttpResponse};
use std::sync::Arc;

/// How many connections' late events an answer does not show yet.
const BEHIND: &str = "lifeline-behind";

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) enum Ask {
    Connections,
    Incidents,
    Transformations,
    Stats,
    Connection(String),
    Timeline(String),
    Syncs(String),
    Sync(String, String),
    SchemaChanges(String),
    Daily(String),
}

/// What stands in a path: everything may be percent-encoded, and a plus is a plus.
fn named(part: &str) -> String {
    percent_decode(&part.replace('+', "%2B")).into_owned()
}

impl Ask {
    /// What a path behind `/v1/` asks for.
    pub fn at(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.splitn(5, '/').collect();
        Some(match *parts {
            ["connections"] => Self::Connections,
            ["incidents"] => Self::Incidents,
            ["transformations"] => Self::Transformations,
            ["stats"] => Self::Stats,
            ["connections", id] => Self::Connection(named(id)),
            ["connections", id, "timeline"] => Self::Timeline(named(id)),
            ["connections", id, "syncs"] => Self::Syncs(named(id)),
            ["connections", id, "syncs", sync] => Self::Sync(named(id), named(sync)),
            ["connections", id, "schema-changes"] => Self::SchemaChanges(named(id)),
            ["connections", id, "daily"] => Self::Daily(named(id)),
            _ => return None,
        })
    }
}

impl From<Missing> for Problem {
    fn from(missing: Missing) -> Self {
        Self::not_found(missing.to_string())
    }
}

/// Answers a question.
pub(super) async fn answer(ask: &Ask, state: &State, door: Door, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    state.authorize(door, req, None, Access::Read)?;
    match ask {
        Ask::Connections => connections(state, req).await,
        Ask::Incidents => incidents(state, req).await,
        Ask::Transformations => transformations(state, req).await,
        Ask::Stats => stats(state, req).await,
        Ask::Connection(id) => connection(state, req, id).await,
        Ask::Timeline(id) => timeline(state, req, id).await,
        Ask::Syncs(id) => syncs(state, req, id).await,
        Ask::Sync(id, sync_id) => sync(state, req, id, sync_id).await,
        Ask::SchemaChanges(id) => schema_changes(state, req, id).await,
        Ask::Daily(id) => daily(state, req, id).await,
    }
}

/// Folds what waits, then reads.
async fn told<F>(state: &State, connection_id: Option<&str>, read: F) -> Result<HttpResponse, Problem>
where
    F: FnOnce(&dyn Lives, &Diagnoser) -> Answer + Send + 'static,
{
    let behind = settle(state, connection_id).await;
    let diagnoser = Arc::clone(&state.diagnoser);
    let body = state.read(move |store| read(store.lives(), &diagnoser)).await??;
    answer_with(state, body, |answer| {
        if behind > 0 {
            answer.insert_header((BEHIND, behind));
        }
    })
    .await
}

/// Folds one connection with late events, or all of them, and gives how many still wait.
async fn settle(state: &State, connection_id: Option<&str>) -> u64 {
    let stats = state.store().stats();
    // One connection is read from its states; lists need every row.
    let waiting = stats.unfolded + if connection_id.is_none() { stats.unwritten } else { 0 };
    if waiting == 0 {
        return 0;
    }
    let settled = state.store().lives().settle(connection_id.map(str::to_owned)).await;
    settled.unwrap_or_else(|error| {
        // A full disk is no reason to keep from people what can still be read.
        tracing::debug!("late events cannot be folded now: {error}");
        waiting
    })
}

/// Connections and how they stand.
#[utoipa::path(get, operation_id = "list_connections", path = "/v1/connections", tag = "lives", security(("token" = [])), params(
    ("status" = Option<String>, Query, description = "Where they stand"),
    ("health" = Option<String>, Query, description = "The same in the words of Fivetran's dbt package"),
    ("source" = Option<String>, Query, description = "The system that logs them"),
    ("connector_type" = Option<String>, Query, description = "Exact connector type"),
    ("destination" = Option<String>, Query, description = "Exact destination"),
    ("q" = Option<String>, Query, description = "Text in the id or the name; case does not matter"),
    ("sort" = Option<String>, Query, description = "What they are sorted by, `id` when absent; ties by id"),
    ("order" = Option<String>, Query, description = "`asc` (the default) or `desc`"),
    ("limit" = Option<usize>, Query, minimum = 1, maximum = 1000, description = "Items of a page, 100 when absent"),
    ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before; keeps its sort and order"),
), responses((status = 200, description = "A page", body = Page<shape::Connection>)))]
pub(super) async fn connections(state: &State, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    let request = ConnectionsRequest::parse(req.query_string())?;
    let now = now_us();
    told(state, None, move |store, diagnoser| lives::connections(store, diagnoser, request, now)).await
}

/// One connection, now or as it stood at any moment.
#[utoipa::path(get, operation_id = "get_connection", path = "/v1/connections/{id}", tag = "lives", security(("token" = [])), params(
    ("id" = String, Path, description = "Its id"),
    ("source" = Option<String>, Query, description = "The system that logs it, where two give one id; Fivetran when absent, else the one heard of last"),
    ("as_of" = Option<String>, Query, format = DateTime, description = "As if nothing after this moment had happened"),
), responses(
    (status = 200, description = "The connection", body = shape::Connection),
    (status = 404, description = "No such connection, or none yet at that moment"),
    (status = 410, description = "How it stood at that moment was removed by retention; `detail` names the first moment that is known"),
))]
pub(super) async fn connection(state: &State, req: &HttpRequest, id: &str) -> Result<HttpResponse, Problem> {
    let request = ConnectionRequest::parse(id, req.query_string())?;
    let now = now_us();
    told(state, Some(id), move |store, diagnoser| lives::connection(store, diagnoser, request, now)).await
}

/// A connection's life: its stages in order of time, its incidents, how it stands.
///
/// Without `from` and `to` the whole life. Where it has more stages than `limit`, or they are very large, the newest; `next_cursor`
/// then leads to older ones.
#[utoipa::path(get, operation_id = "get_timeline", path = "/v1/connections/{id}/timeline", tag = "lives", security(("token" = [])), params(
    ("id" = String, Path, description = "Its id"),
    ("source" = Option<String>, Query, description = "The system that logs it, where two give one id; Fivetran when absent, else the one heard of last"),
    ("from" = Option<String>, Query, format = DateTime, description = "Stages that began at or after this moment"),
    ("to" = Option<String>, Query, format = DateTime, description = "Stages that began before this moment"),
    ("as_of" = Option<String>, Query, format = DateTime, description = "As if nothing after this moment had happened"),
    ("limit" = Option<usize>, Query, minimum = 1, maximum = 10_000, description = "Most stages, 10,000 when absent"),
    ("cursor" = Option<String>, Query, description = "`next_cursor` of the part before: older stages"),
), responses(
    (status = 200, description = "The life, or a part of it", body = shape::Timeline),
    (status = 404, description = "No such connection, or none yet at that moment"),
    (status = 410, description = "How it stood at that moment was removed by retention; `detail` names the first moment that is known"),
))]
pub(super) async fn timeline(state: &State, req: &HttpRequest, id: &str) -> Result<HttpResponse, Problem> {
    let request = TimelineRequest::parse(id, req.query_string())?;
    let now = now_us();
    told(state, Some(id), move |store, diagnoser| lives::timeline(store, diagnoser, request, now)).await
}

/// A connection's syncs, newest first.
#[utoipa::path(get, operation_id = "list_syncs", path = "/v1/connections/{id}/syncs", tag = "lives", security(("token" = [])), params(
    ("id" = String, Path, description = "The connection's id"),
    ("source" = Option<String>, Query, description = "The system that logs it, where two give one id; Fivetran when absent, else the one heard of last"),
    ("status" = Option<String>, Query, description = "How it ended, or `RUNNING` or `INTERRUPTED`; case does not matter"),
    ("from" = Option<String>, Query, format = DateTime, description = "That began at or after this moment"),
    ("to" = Option<String>, Query, format = DateTime, description = "That began before this moment"),
    ("limit" = Option<usize>, Query, minimum = 1, maximum = 1000, description = "Items of a page, 100 when absent"),
    ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
), responses(
    (status = 200, description = "A page", body = Page<shape::Stage>),
    (status = 404, description = "No such connection"),
))]
pub(super) async fn syncs(state: &State, req: &HttpRequest, id: &str) -> Result<HttpResponse, Problem> {
    let request = StagesRequest::syncs(id, req.query_string())?;
    told(state, Some(id), move |store, diagnoser| lives::syncs(store, diagnoser, request)).await
}

/// One sync.
#[utoipa::path(get, operation_id = "get_sync", path = "/v1/connections/{id}/syncs/{sync_id}", tag = "lives", security(("token" = [])), params(
    ("id" = String, Path, description = "The connection's id"),
    ("sync_id" = String, Path, description = "The sync's id"),
    ("source" = Option<String>, Query, description = "The system that logs it, where two give one id; Fivetran when absent, else the one heard of last"),
), responses(
    (status = 200, description = "The sync", body = shape::Stage),
    (status = 404, description = "No such connection, or no such sync of it"),
))]
pub(super) async fn sync(state: &State, req: &HttpRequest, id: &str, sync_id: &str) -> Result<HttpResponse, Problem> {
    let request = ConnectionRequest::of_sync(id, req.query_string())?;
    let sync_id = sync_id.to_owned();
    told(state, Some(id), move |store, diagnoser| lives::sync(store, diagnoser, &request, &sync_id)).await
}

/// What changed in a connection's schema, when and by whom, newest first.
#[utoipa::path(get, operation_id = "list_schema_changes", path = "/v1/connections/{id}/schema-changes", tag = "lives", security(("token" = [])), params(
    ("id" = String, Path, description = "The connection's id"),
    ("source" = Option<String>, Query, description = "The system that logs it, where two give one id; Fivetran when absent, else the one heard of last"),
    ("from" = Option<String>, Query, format = DateTime, description = "At or after this moment"),
    ("to" = Option<String>, Query, format = DateTime, description = "Before this moment"),
    ("limit" = Option<usize>, Query, minimum = 1, maximum = 1000, description = "Items of a page, 100 when absent"),
    ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
), responses(
    (status = 200, description = "A page", body = Page<shape::Stage>),
    (status = 404, description = "No such connection"),
))]
pub(super) async fn schema_changes(state: &State, req: &HttpRequest, id: &str) -> Result<HttpResponse, Problem> {
    let request = StagesRequest::schema_changes(id, req.query_string())?;
    told(state, Some(id), move |store, diagnoser| lives::schema_changes(store, diagnoser, request)).await
}

/// A connection day by day, zeros where nothing happened.
///
/// The last 30 days when nobody says, today included. A window that begins or ends within a day takes that day whole.
#[utoipa::path(get, operation_id = "list_days", path = "/v1/connections/{id}/daily", tag = "lives", security(("token" = [])), params(
    ("id" = String, Path, description = "The connection's id"),
    ("source" = Option<String>, Query, description = "The system that logs it, where two give one id; Fivetran when absent, else the one heard of last"),
    ("from" = Option<String>, Query, description = "First day: a date, or a moment within it"),
    ("to" = Option<String>, Query, description = "Where it ends: a date, which is not included, or a moment; at most 400 days later"),
), responses(
    (status = 200, description = "Every day, ascending", body = Page<shape::Daily>),
    (status = 404, description = "No such connection"),
))]
pub(super) async fn daily(state: &State, req: &HttpRequest, id: &str) -> Result<HttpResponse, Problem> {
    let request = DailyRequest::parse(id, req.query_string(), now_us())?;
    told(state, Some(id), move |store, _| lives::daily(store, &request)).await
}

/// Incidents of all connections, newest first.
#[utoipa::path(get, operation_id = "list_incidents", path = "/v1/incidents", tag = "lives", security(("token" = [])), params(
    ("open" = Option<bool>, Query, description = "Only open ones, or only those that are over"),
    ("connection_id" = Option<String>, Query, description = "Only of this connection"),
    ("from" = Option<String>, Query, format = DateTime, description = "Not over before this moment"),
    ("to" = Option<String>, Query, format = DateTime, description = "Opened before this moment"),
    ("limit" = Option<usize>, Query, minimum = 1, maximum = 1000, description = "Items of a page, 100 when absent"),
    ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
), responses((status = 200, description = "A page", body = Page<shape::Incident>)))]
pub(super) async fn incidents(state: &State, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    let request = IncidentsRequest::parse(req.query_string())?;
    let id = request.0.connection_id.clone();
    told(state, id.as_deref(), move |store, diagnoser| lives::incidents(store, diagnoser, request)).await
}

/// Runs of transformations with their steps, newest first.
#[utoipa::path(get, operation_id = "list_transformations", path = "/v1/transformations", tag = "lives", security(("token" = [])), params(
    ("job" = Option<String>, Query, description = "Only of the job with this id"),
    ("status" = Option<String>, Query, description = "How it stands"),
    ("from" = Option<String>, Query, format = DateTime, description = "That began at or after this moment"),
    ("to" = Option<String>, Query, format = DateTime, description = "That began before this moment"),
    ("limit" = Option<usize>, Query, minimum = 1, maximum = 1000, description = "Items of a page, 100 when absent"),
    ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
), responses((status = 200, description = "A page", body = Page<shape::Run>)))]
pub(super) async fn transformations(state: &State, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    let request = RunsRequest::parse(req.query_string())?;
    told(state, None, move |store, _| lives::runs(store, request)).await
}

/// Figures of the account, and of each destination, connector type or connection.
///
/// The last 30 days when nobody says. Syncs, rows and calls are those of whole days of UTC; incidents and availability keep to the
/// window exactly.
#[utoipa::path(get, operation_id = "get_stats", path = "/v1/stats", tag = "lives", security(("token" = [])), params(
    ("from" = Option<String>, Query, description = "Where the window begins: a moment or a date"),
    ("to" = Option<String>, Query, description = "Where it ends: a moment or a date, which is not included; now when absent"),
    ("by" = Option<String>, Query, description = "What the groups are; none for `account`, the default"),
), responses((status = 200, description = "The figures", body = shape::Stats)))]
pub(super) async fn stats(state: &State, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    let now = now_us();
    let request = StatsRequest::parse(req.query_string(), now)?;
    told(state, None, move |store, _| lives::stats(store, request, now)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_exactly() {
        assert_eq!(Ask::at("connections"), Some(Ask::Connections));
        assert_eq!(Ask::at("connections/a%2Fb%20c+d"), Some(Ask::Connection("a/b c+d".into())));
        assert_eq!(Ask::at("connections/timeline"), Some(Ask::Connection("timeline".into())));
        assert_eq!(Ask::at("connections/a/timeline"), Some(Ask::Timeline("a".into())));
        assert_eq!(Ask::at("connections/a/syncs"), Some(Ask::Syncs("a".into())));
        assert_eq!(Ask::at("connections/a/syncs/%2F%00%C3%A9"), Some(Ask::Sync("a".into(), "/\0é".into())));
        for path in ["connections/a/b", "connections/a/syncs/b/c", "incidents/a", "stats/a", "", "connection"] {
            assert_eq!(Ask::at(path), None, "{path}");
        }
    }
}
