//! Connections' lives for commands: from the running server, or from the store.
//!
//! In: questions. Out: the JSON of the contract, the same on both ways. Long lists come page by page, newest first.

use super::{
    CliError,
    access::Access,
    control::{Control, segment},
    now_us, wiring,
};
use crate::{
    config::Config,
    model::{Micros, Timestamp},
    query::{
        BadParameter,
        lives::{self as query, StagesRequest, TimelineRequest, explain},
    },
    store::{
        Order,
        lives::{LifeFilter, LifeQuery, LifeSort},
    },
};
use hyper::Method;
use serde_json::Value;

/// Connections of a page.
const CONNECTIONS: usize = 1000;
/// Stages of a page at most; a sync of ten thousand tables is a megabyte, so pages shrink when they are too large.
const STAGES: usize = 200;

/// A part of a timeline, wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Whose.
    pub connection_id: String,
    /// Stages that began at or after this.
    pub from: Option<Micros>,
    /// Stages that began before this.
    pub to: Option<Micros>,
    /// As if nothing later had happened.
    pub as_of: Option<Micros>,
    /// Only syncs.
    pub syncs: bool,
}

/// A page of a timeline.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// How the connection stands; null when only syncs were wanted.
    pub connection: Value,
    /// The moment at which it stands so; null when only syncs were wanted.
    pub as_of: Value,
    /// Stages, newest first.
    pub stages: Vec<Value>,
    /// Incidents of the window, newest first.
    pub incidents: Vec<Value>,
    /// Events that belong to no stage; null when only syncs were wanted.
    pub unused: Value,
}

/// A timeline, page by page.
pub struct Pages<'a> {
    access: &'a Access,
    wanted: Wanted,
    limit: usize,
    cursor: Option<String>,
    done: bool,
}

/// A way to lives that are kept.
///
/// # Errors
/// There is none, or the settings say that lives are not kept.
pub async fn open(config: &Config) -> Result<Access, CliError> {
    let access = Access::open(config).await?;
    if matches!(access, Access::Store(_)) && !config.storage.fold {
        access.close().await?;
        return Err(CliError::Other("no lives are kept, because fold is off; switch it on (LIFELINE_FOLD=on)".into()));
    }
    Ok(access)
}

/// Every connection that fits, in order of id.
///
/// # Errors
/// Neither way answers.
pub async fn connections(access: &Access, filter: &LifeFilter) -> Result<Vec<Value>, CliError> {
    let mut found = Vec::new();
    match access {
        Access::Server(control) => {
            let mut query = vec![("limit", CONNECTIONS.to_string())];
            let mut add = |name, value: Option<&str>| query.extend(value.map(|value| (name, value.to_owned())));
            add("status", filter.status.map(|word| word.as_str()));
            add("health", filter.health.map(|word| word.as_str()));
            add("source", filter.source.map(|word| word.as_str()));
            add("connector_type", filter.connector_type.as_deref());
            add("destination", filter.destination.as_deref());
            add("q", filter.q.as_deref());
            let mut cursor: Option<String> = None;
            loop {
                let mut query = query.clone();
                query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
                let mut page = ask(control, "/v1/connections", &query).await?;
                found.extend(list(&mut page, "data"));
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = Some(next.to_owned()),
                    None => break,
                }
            }
        }
        Access::Store(opened) => {
            settle(opened, None).await?;
            let mut query = LifeQuery {
                filter: filter.clone(),
                sort: LifeSort::Id,
                order: Order::Asc,
                after: None,
                limit: CONNECTIONS,
            };
            let events = |id| opened.store.event(id).ok().flatten();
            loop {
                let mut page = opened.store.lives().connections(&query)?;
                page.connections.iter_mut().for_each(|summary| explain(&events, &opened.diagnoser, summary));
                found.extend(page.connections.iter().map(|summary| summary.json(now_us())));
                match page.next {
                    Some(next) => query.after = Some(next),
                    None => break,
                }
            }
        }
    }
    Ok(found)
}

/// Waits until late events are folded.
///
/// # Errors
/// The store fails.
pub async fn settle(opened: &wiring::Opened, connection_id: Option<&str>) -> Result<(), CliError> {
    let waiting = || opened.store.stats();
    while waiting().unfolded > 0 || connection_id.is_none() && waiting().unwritten > 0 {
        if opened.store.lives().settle(connection_id.map(str::to_owned)).await? == 0 || connection_id.is_some() {
            break;
        }
    }
    Ok(())
}

impl<'a> Pages<'a> {
    /// From the newest stage on.
    #[must_use]
    pub fn new(access: &'a Access, wanted: Wanted) -> Self {
        Self { access, wanted, limit: STAGES, cursor: None, done: false }
    }

    /// Where older stages begin.
    #[must_use]
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// Whether older stages are left.
    #[must_use]
    pub const fn has_more(&self) -> bool {
        !self.done
    }

    /// The next page of at most so many stages; `None` for a connection that is not there, or was not then.
    ///
    /// # Errors
    /// Neither way answers.
    pub async fn next(&mut self, at_most: usize) -> Result<Option<Page>, CliError> {
        let limit = self.limit.min(at_most.max(1));
        let answer = match self.access {
            Access::Server(control) => loop {
                match self.of_server(control, limit.min(self.limit)).await {
                    Err(CliError::AnswerTooLarge { .. }) if self.limit > 1 => self.limit = (self.limit / 10).max(1),
                    Err(CliError::Refused { status: 404, .. }) => return Ok(None),
                    Err(error) => return Err(error),
                    Ok(found) => break found,
                }
            },
            Access::Store(opened) => match self.of_store(opened, limit).await? {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        let (page, next) = self.page(answer);
        self.done = next.is_none();
        self.cursor = next;
        Ok(Some(page))
    }

    /// The question for a page, as the interface takes it.
    fn question(&self, limit: usize) -> Vec<(&'static str, String)> {
        let wanted = &self.wanted;
        let mut query = vec![("limit", limit.to_string())];
        let mut time = |name, at: Option<Micros>| {
            query.extend(at.map(|at| (name, Timestamp::from_micros(at).to_string())));
        };
        time("from", wanted.from);
        time("to", wanted.to);
        if !wanted.syncs {
            time("as_of", wanted.as_of);
        }
        query.extend(self.cursor.clone().map(|cursor| ("cursor", cursor)));
        query
    }

    fn page(&self, mut answer: Value) -> (Page, Option<String>) {
        let next = answer["next_cursor"].as_str().map(str::to_owned);
        if self.wanted.syncs {
            return (Page { stages: list(&mut answer, "data"), ..Page::default() }, next);
        }
        // They stand in order of time there.
        let (mut stages, mut incidents) = (list(&mut answer, "stages"), list(&mut answer, "incidents"));
        stages.reverse();
        incidents.reverse();
        let [connection, as_of, unused] = ["connection", "as_of", "unused"].map(|member| answer[member].take());
        (Page { connection, as_of, stages, incidents, unused }, next)
    }

    async fn of_server(&self, control: &Control, limit: usize) -> Result<Value, CliError> {
        let what = if self.wanted.syncs { "syncs" } else { "timeline" };
        let path = format!("/v1/connections/{}/{what}", segment(&self.wanted.connection_id));
        ask(control, &path, &self.question(limit)).await
    }

    async fn of_store(&self, opened: &wiring::Opened, limit: usize) -> Result<Option<Value>, CliError> {
        let id = &self.wanted.connection_id;
        settle(opened, Some(id)).await?;
        let query = query_string(&self.question(limit));
        let refused = |error: BadParameter| CliError::Other(error.to_string());
        let (lives, diagnoser) = (opened.store.lives(), &opened.diagnoser);
        let answer = if self.wanted.syncs {
            query::syncs(lives, diagnoser, StagesRequest::syncs(id, &query).map_err(refused)?)?
        } else {
            query::timeline(lives, diagnoser, TimelineRequest::parse(id, &query).map_err(refused)?, now_us())?
        };
        let read = |body: Vec<u8>| {
            serde_json::from_slice(&body)
                .map_err(|error| CliError::Other(format!("a stage of the store cannot be read: {error}")))
        };
        answer.ok().map(read).transpose()
    }
}

fn query_string(query: &[(&str, String)]) -> String {
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={}", segment(value))).collect();
    query.join("&")
}

/// The server's answer to a question.
///
/// # Errors
/// It does not answer, or says no.
pub async fn ask(control: &Control, path: &str, query: &[(&str, String)]) -> Result<Value, CliError> {
    control.json(Method::GET, &format!("{path}?{}", query_string(query)), &Value::Null).await
}

/// Takes a list out of an answer.
fn list(answer: &mut Value, member: &str) -> Vec<Value> {
    match answer[member].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}
