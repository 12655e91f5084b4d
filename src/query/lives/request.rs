//! What is asked about lives, read from query strings.
//!
//! In: a connection's id and a query string. Out: the store's questions. Refused: bad parameters, each with what would be right.

use super::{
    super::{
        BadParameter, Params,
        page::{LIMIT_MAX, limit, not_ours},
    },
    cursor::{List, SORTS, parse_anchor_cursor, parse_life_cursor, parse_stage_cursor, sort_word},
};
use crate::{
    lifecycle::{Health, Run, StageKind, Status},
    model::{Micros, Source},
    store::{
        Order,
        lives::{IncidentQuery, LifeFilter, LifeQuery, RunQuery, TimelineQuery, Whose},
    },
};

/// Most stages of one part of a timeline, and as many as there are when nobody says.
pub const STAGES_MAX: usize = 10_000;

/// How a run of a transformation may stand.
pub const RUN_STATUSES: [&str; 4] = Run::STATUSES;

/// A window of time whose ends are in order.
pub(super) fn window(
    from: Option<Micros>,
    to: Option<Micros>,
) -> Result<(Option<Micros>, Option<Micros>), BadParameter> {
    match (from, to) {
        (Some(from), Some(to)) if from > to => Err(BadParameter::new("from", "is later than to")),
        _ => Ok((from, to)),
    }
}

fn times(params: &Params) -> Result<(Option<Micros>, Option<Micros>), BadParameter> {
    window(params.time("from")?, params.time("to")?)
}

fn owned(params: &Params, name: &str) -> Option<String> {
    params.text(name).map(str::to_owned)
}

/// The system that logs what is asked about.
pub(super) fn source(params: &Params) -> Result<Option<Source>, BadParameter> {
    params.word("source", &Source::ALL, Source::as_str)
}

fn order(params: &Params) -> Result<Option<Order>, BadParameter> {
    params.word("order", &[Order::Asc, Order::Desc], |order| match order {
        Order::Asc => "asc",
        Order::Desc => "desc",
    })
}

/// A request for a page of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionsRequest(pub LifeQuery);

impl ConnectionsRequest {
    /// Names of the parameters.
    pub const PARAMETERS: [&str; 10] =
        ["status", "health", "source", "connector_type", "destination", "q", "sort", "order", "limit", "cursor"];

    /// Reads the query string of `GET /v1/connections`.
    ///
    /// # Errors
    /// The first bad parameter.
    pub fn parse(query: &str) -> Result<Self, BadParameter> {
        let params = Params::parse(query, &Self::PARAMETERS)?;
        let filter = LifeFilter {
            status: params.word("status", &Status::ALL, Status::as_str)?,
            health: params.word("health", &Health::ALL, Health::as_str)?,
            source: source(&params)?,
            connector_type: owned(&params, "connector_type"),
            destination: owned(&params, "destination"),
            q: owned(&params, "q"),
        };
        let asked_sort = params.word("sort", &SORTS, sort_word)?;
        let asked_order = order(&params)?;
        let (sort, order, after) = match params.text("cursor") {
            None => (asked_sort.unwrap_or_default(), asked_order.unwrap_or(Order::Asc), None),
            Some(cursor) => {
                let (sort, order, after) = parse_life_cursor(cursor).ok_or_else(|| not_ours("cursor"))?;
                if asked_sort.is_some_and(|asked| asked != sort) {
                    return Err(BadParameter::new("sort", "is not the one with which the cursor was given out"));
                }
                if asked_order.is_some_and(|asked| asked != order) {
                    return Err(BadParameter::new("order", "is not the order in which the cursor was given out"));
                }
                (sort, order, Some(after))
            }
        };
        Ok(Self(LifeQuery { filter, sort, order, after, limit: limit(&params)? }))
    }
}

/// A request for one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionRequest {
    /// Which one.
    pub connection_id: String,
    /// The system that logs it.
    pub source: Option<Source>,
    /// As it stood at this moment.
    pub as_of: Option<Micros>,
}

impl ConnectionRequest {
    /// Reads the query string of `GET /v1/connections/{id}`.
    ///
    /// # Errors
    /// The first bad parameter.
    pub fn parse(connection_id: &str, query: &str) -> Result<Self, BadParameter> {
        let params = Params::parse(query, &["source", "as_of"])?;
        let (source, as_of) = (source(&params)?, params.moment("as_of")?);
        Ok(Self { connection_id: connection_id.to_owned(), source, as_of })
    }

    /// Reads the query string of `GET /v1/connections/{id}/syncs/{sync_id}`.
    ///
    /// # Errors
    /// The first bad parameter.
    pub fn of_sync(connection_id: &str, query: &str) -> Result<Self, BadParameter> {
        let params = Params::parse(query, &["source"])?;
        Ok(Self { connection_id: connection_id.to_owned(), source: source(&params)?, as_of: None })
    }

    /// Which connection is meant.
    #[must_use]
    pub fn whose(&self) -> Whose<'_> {
        Whose { id: &self.connection_id, source: self.source }
    }
}

/// A request for a part of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineRequest(pub TimelineQuery);

impl TimelineRequest {
    /// Reads the query string of `GET /v1/connections/{id}/timeline`.
    ///
    /// # Errors
    /// The first bad parameter.
    pub fn parse(connection_id: &str, query: &str) -> Result<Self, BadParameter> {
        let params = Params::parse(query, &["source", "from", "to", "as_of", "limit", "cursor"])?;
        let (from, to) = times(&params)?;
        Ok(Self(TimelineQuery {
            connection_id: connection_id.to_owned(),
            source: source(&params)?,
            from,
            to,
            as_of: params.moment("as_of")?,
            before: before(&params, |cursor| parse_stage_cursor(List::Timeline, cursor))?,
            limit: params.number("limit", 1..=STAGES_MAX)?.unwrap_or(STAGES_MAX),
            ..TimelineQuery::default()
        }))
    }
}

/// The place that a cursor names.
fn before<T>(params: &Params, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, BadParameter> {
    params.text("cursor").map(|cursor| parse(cursor).ok_or_else(|| not_ours("cursor"))).transpose()
}

/// A request for a page of syncs or of schema changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagesRequest(pub TimelineQuery);

impl StagesRequest {
    /// Reads the query string of `GET /v1/connections/{id}/syncs`.
    ///
    /// # Errors
    /// The first bad parameter.
    pub fn syncs(connection_id: &str, query: &str) -> Result<Self, BadParameter> {
        let params = Params::parse(query, &["source", "status", "from", "to", "limit", "cursor"])?;
        let (from, to) = times(&params)?;
        Ok(Self(TimelineQuery {
            connection_id: connection_id.to_owned(),
            source: source(&params)?,
            from,
            to,
            kind: Some(StageKind::Sync),
            status: params.text("status").map(|status| status.trim().to_owned()),
            before: before(&params, |cursor| parse_stage_cursor(List::Syncs, cursor))?,
            limit: limit(&params)?,
            ..TimelineQuery::default()
        }))
    }

    /// Reads the query string of `GET /v1/connections/{id}/schema-changes`.
    ///
    /// # Errors
    /// The first bad parameter.
    pub fn schema_changes(connection_id: &str, query: &str) -> Result<Self, BadParameter> {
        let params = Params::parse(query, &["source", "from", "to", "limit", "cursor"])?;
        let (from, to) = times(&params)?;
        Ok(Self(TimelineQuery {
            connection_id: connection_id.to_owned(),
            source: source(&params)?,
            from,
            to,
            schema_changes: true,
            before: before(&params, |cursor| parse_stage_cursor(List::SchemaChanges, cursor))?,
            limit: limit(&params)?,
            ..TimelineQuery::default()
        }))
    }
}

/// A request for a page of incidents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentsRequest(pub IncidentQuery);

impl IncidentsRequest {
    /// Reads the query string of `GET /v1/incidents`.
    ///
    /// # Errors
    /// The first bad parameter.
    pub fn parse(query: &str) -> Result<Self, BadParameter> {
        let params = Params::parse(query, &["open", "connection_id", "from", "to", "limit", "cursor"])?;
        let (from, to) = times(&params)?;
        Ok(Self(IncidentQuery {
            open: params.word("open", &[true, false], |open| if open { "true" } else { "false" })?,
            connection_id: owned(&params, "connection_id"),
            from,
            to,
            before: before(&params, |cursor| parse_anchor_cursor(List::Incidents, cursor))?,
            limit: limit(&params)?,
        }))
    }
}

/// A request for a page of transformation runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunsRequest(pub RunQuery);

impl RunsRequest {
    /// Reads the query string of `GET /v1/transformations`.
    ///
    /// # Errors
    /// The first bad parameter.
    pub fn parse(query: &str) -> Result<Self, BadParameter> {
        let params = Params::parse(query, &["job", "status", "from", "to", "limit", "cursor"])?;
        let (from, to) = times(&params)?;
        Ok(Self(RunQuery {
            job: owned(&params, "job"),
            status: params.word("status", &RUN_STATUSES, |status| status)?.map(str::to_owned),
            from,
            to,
            before: before(&params, |cursor| parse_anchor_cursor(List::Runs, cursor))?,
            limit: limit(&params)?,
        }))
    }
}

const _: () = assert!(STAGES_MAX >= LIMIT_MAX, "a timeline is never cut earlier than a list");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        query::lives::cursor::{life_cursor, stage_cursor},
        store::lives::{LifeCursor, LifeSort, SortValue},
    };

    #[track_caller]
    fn names<T: std::fmt::Debug>(parse: impl Fn(&str) -> Result<T, BadParameter>, queries: &[&str]) {
        for query in queries {
            let error = parse(query).expect_err(query);
            assert_eq!(Some(error.name.as_str()), query.split('=').next(), "{query}: {error}");
        }
    }

    #[test]
    fn bad_parameters_are_named() {
        let cursor = format!(
            "cursor={}",
            stage_cursor(List::Syncs, (crate::model::EventKey { created_us: 0, hash: 0 }, StageKind::Sync))
        );
        names(
            ConnectionsRequest::parse,
            &[
                "status=BROKEN",
                "health=fine",
                "source=x",
                "sort=age",
                "order=up",
                "limit=0",
                "limit=1001",
                "cursor=x",
                "from=2026-07-07T00:00:00Z",
                "connection_id=x",
                &cursor,
            ],
        );
        names(
            |query| ConnectionRequest::parse("a", query),
            &["source=x", "as_of=2026-07-07", "at=2026-07-07T00:00:00Z"],
        );
        names(|query| ConnectionRequest::of_sync("a", query), &["source=x", "as_of=2026-07-07T00:00:00Z"]);
        names(|query| TimelineRequest::parse("a", query), &["limit=10001", "as_of=now", "status=x", &cursor]);
        names(|query| StagesRequest::syncs("a", query), &["limit=1001", "as_of=2026-07-07T00:00:00Z", "cursor=x"]);
        names(|query| StagesRequest::schema_changes("a", query), &["status=x", "from=x", &cursor]);
        names(IncidentsRequest::parse, &["open=yes", "limit=x", &cursor]);
        names(RunsRequest::parse, &["status=failed", "connection_id=x", &cursor]);
        let backwards = "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z";
        names(|query| TimelineRequest::parse("a", query), &[backwards]);
        names(IncidentsRequest::parse, &[backwards]);
    }

    #[test]
    fn requests_are_read_with_their_defaults() {
        let ConnectionsRequest(query) = ConnectionsRequest::parse("").expect("an empty query");
        assert_eq!((query.sort, query.order, query.limit), (LifeSort::Id, Order::Asc, 100));
        let query = "status=initial_sync&health=priority+first+sync&q=a%26b&sort=last_success&order=desc&limit=7";
        let ConnectionsRequest(query) = ConnectionsRequest::parse(query).expect("good");
        assert_eq!(query.filter.status, Some(Status::InitialSync));
        assert_eq!(query.filter.health, Some(Health::PriorityFirstSync));
        assert_eq!((query.filter.q.as_deref(), query.sort, query.limit), (Some("a&b"), LifeSort::LastSuccess, 7));
        let TimelineRequest(query) = TimelineRequest::parse("a b", "as_of=2026-07-07T00:00:00.0000019Z").expect("good");
        assert_eq!((query.connection_id.as_str(), query.limit), ("a b", STAGES_MAX));
        assert_eq!(query.as_of, Some(1_783_382_400_000_001), "what happened in that microsecond counts");
        let StagesRequest(query) = StagesRequest::syncs("a", "status=failure_With_task").expect("good");
        assert_eq!(query.status.as_deref(), Some("failure_With_task"));
        let IncidentsRequest(query) = IncidentsRequest::parse("open=false").expect("good");
        assert_eq!(query.open, Some(false));
        assert_eq!(IncidentsRequest::parse("").map(|IncidentsRequest(query)| query.open), Ok(None));
    }

    #[test]
    fn a_cursor_keeps_sort_and_order() {
        let place =
            LifeCursor { value: SortValue::Text("shop".into()), connection_id: "a".into(), source: Source::Fivetran };
        let cursor = life_cursor(LifeSort::Name, Order::Desc, &place);
        let ConnectionsRequest(query) = ConnectionsRequest::parse(&format!("cursor={cursor}")).expect("good");
        assert_eq!((query.sort, query.order, query.after), (LifeSort::Name, Order::Desc, Some(place)));
        for (other, name) in [("sort=id", "sort"), ("order=asc", "order")] {
            let error = ConnectionsRequest::parse(&format!("cursor={cursor}&{other}")).expect_err(other);
            assert_eq!(error.name, name);
        }
    }
}
