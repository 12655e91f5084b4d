//! What callers may ask about lives: connections, their timelines, incidents, days and transformation runs.
//!
//! In: a question. Out: rows of `lifecycle`, from one snapshot of everything that was acknowledged before. A connection with late
//! events waits for its turn to be folded again; [`Lives::settle`] asks for that turn.

use super::{Order, StoreError, StoreFuture};
use crate::{
    lifecycle::{Day, Health, Incident, Run, Stage, StageKind, Status, Summary},
    model::{EventId, EventKey, Micros, Source, StoredEvent},
};

/// Which connection is meant. Two systems may give one id; without a source it is Fivetran's, else the one heard of last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whose<'a> {
    /// Its id.
    pub id: &'a str,
    /// The system that logs it.
    pub source: Option<Source>,
}

impl<'a> From<&'a str> for Whose<'a> {
    fn from(id: &'a str) -> Self {
        Self { id, source: None }
    }
}

/// Which connections are wanted. Every field narrows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LifeFilter {
    /// Where they stand.
    pub status: Option<Status>,
    /// The same in the words of the dbt package.
    pub health: Option<Health>,
    /// The system that logs them.
    pub source: Option<Source>,
    /// Exact connector type.
    pub connector_type: Option<String>,
    /// Exact destination.
    pub destination: Option<String>,
    /// Text in the id or the name, in any case.
    pub q: Option<String>,
}

/// What a list of connections is sorted by; ties by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LifeSort {
    /// Connection id.
    #[default]
    Id,
    /// Connection name; without one it counts as empty.
    Name,
    /// Status, in the order of [`Status::ALL`].
    Status,
    /// Last successful sync; never counts as longest ago.
    LastSuccess,
    /// Last event.
    LastEvent,
}

/// What a row is sorted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SortValue {
    /// A time or a rank.
    Number(i64),
    /// A name or an id.
    Text(String),
}

/// Place in a list of connections: behind the row with this value and this id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifeCursor {
    /// What the row was sorted by.
    pub value: SortValue,
    /// Its connection id.
    pub connection_id: String,
    /// Its source; ids are unique within one.
    pub source: Source,
}

/// A page of connections, wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifeQuery {
    /// Which ones.
    pub filter: LifeFilter,
    /// Sorted by.
    pub sort: LifeSort,
    /// In which direction.
    pub order: Order,
    /// Behind this place.
    pub after: Option<LifeCursor>,
    /// At most so many.
    pub limit: usize,
}

/// A page of connections, found.
#[derive(Debug, Clone, PartialEq)]
pub struct LifePage {
    /// How each stands.
    pub connections: Vec<Summary>,
    /// Where the next page begins.
    pub next: Option<LifeCursor>,
}

/// Place in a timeline: before this stage.
pub type StageCursor = (EventKey, StageKind);

/// A part of a timeline, wanted. Newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TimelineQuery {
    /// Whose.
    pub connection_id: String,
    /// The system that logs it; see [`Whose`].
    pub source: Option<Source>,
    /// Stages that began at or after this.
    pub from: Option<Micros>,
    /// Stages that began before this.
    pub to: Option<Micros>,
    /// As if nothing after this moment had happened.
    pub as_of: Option<Micros>,
    /// Only of this kind.
    pub kind: Option<StageKind>,
    /// Only syncs of this status, as rendered; the case of ASCII letters does not matter.
    pub status: Option<String>,
    /// Only what belongs into the list of schema changes.
    pub schema_changes: bool,
    /// Strictly older than this one.
    pub before: Option<StageCursor>,
    /// At most so many.
    pub limit: usize,
}

impl TimelineQuery {
    /// Whose timeline it is.
    #[must_use]
    pub fn whose(&self) -> Whose<'_> {
        Whose { id: &self.connection_id, source: self.source }
    }
}

/// A part of a timeline, found.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelinePage {
    /// How the connection stands (or stood).
    pub summary: Summary,
    /// Stages, newest first.
    pub stages: Vec<Stage>,
    /// Incidents that were open at some moment of the window, newest first; at most 1,000.
    pub incidents: Vec<Incident>,
    /// Where older stages begin.
    pub next: Option<StageCursor>,
}

/// One day of a connection with what its syncs add.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DayRow {
    /// Counts by the day of each event.
    pub day: Day,
    /// Milliseconds of this day during which syncs with both ends ran, overlapping ones added up.
    pub syncing_ms: u64,
}

/// Which incidents are wanted, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IncidentQuery {
    /// Only open ones, or only resolved ones.
    pub open: Option<bool>,
    /// Only of this connection.
    pub connection_id: Option<String>,
    /// Not resolved before this.
    pub from: Option<Micros>,
    /// Opened before this.
    pub to: Option<Micros>,
    /// Strictly older than the one with this anchor.
    pub before: Option<EventKey>,
    /// At most so many.
    pub limit: usize,
}

/// An incident and whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentRow {
    /// Connection id.
    pub connection_id: String,
    /// Connection name.
    pub connection_name: Option<String>,
    /// The incident.
    pub incident: Incident,
}

/// Which transformation runs are wanted, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunQuery {
    /// Only of this job.
    pub job: Option<String>,
    /// Only with this status: `RUNNING`, `SUCCEEDED`, `FAILED`.
    pub status: Option<String>,
    /// That began at or after this.
    pub from: Option<Micros>,
    /// That began before this.
    pub to: Option<Micros>,
    /// Strictly older than the one with this anchor.
    pub before: Option<EventKey>,
    /// At most so many.
    pub limit: usize,
}

/// A connection over a window of days.
#[derive(Debug, Clone, PartialEq)]
pub struct Totals {
    /// How it stands now.
    pub summary: Summary,
    /// Its days added up; `day` is the first of them.
    pub days: Day,
    /// Incidents open at some moment of the window: opened, resolved.
    pub incidents: Vec<(Micros, Option<Micros>)>,
}

/// Questions about lives. Reading calls block for milliseconds.
pub trait Lives {
    /// A list of connections. Whatever is asked of all connections may lag some seconds behind while events keep coming;
    /// [`Lives::settle`] without an id brings it up to date.
    ///
    /// # Errors
    /// When the engine fails.
    fn connections(&self, query: &LifeQuery) -> Result<LifePage, StoreError>;

    /// One connection, now or as it stood at the end of a microsecond.
    ///
    /// # Errors
    /// When the engine fails.
    fn connection(&self, whose: Whose<'_>, as_of: Option<Micros>) -> Result<Option<Summary>, StoreError>;

    /// Part of a timeline; `None` for an unknown connection, or one that did not exist then.
    ///
    /// # Errors
    /// When the engine fails.
    fn timeline(&self, query: &TimelineQuery) -> Result<Option<TimelinePage>, StoreError>;

    /// One sync, of several stages with its id the first, and the source of its connection. `None` for an unknown connection.
    ///
    /// # Errors
    /// When the engine fails.
    fn sync(&self, whose: Whose<'_>, sync_id: &str) -> Result<Option<(Source, Option<Stage>)>, StoreError>;

    /// A connection's days, from day to day (since 1970, the last one excluded), ascending, days without anything left out.
    /// `None` for an unknown connection.
    ///
    /// # Errors
    /// When the engine fails.
    fn days(&self, whose: Whose<'_>, from: i64, to: i64) -> Result<Option<Vec<DayRow>>, StoreError>;

    /// Incidents. Those of one connection are up to date, those of all as [`Lives::connections`] is.
    ///
    /// # Errors
    /// When the engine fails.
    fn incidents(&self, query: &IncidentQuery) -> Result<Vec<IncidentRow>, StoreError>;

    /// Transformation runs. Up to date as [`Lives::connections`] is.
    ///
    /// # Errors
    /// When the engine fails.
    fn runs(&self, query: &RunQuery) -> Result<Vec<Run>, StoreError>;

    /// Every connection over a window, in order of id. Up to date as [`Lives::connections`] is.
    ///
    /// # Errors
    /// When the engine fails.
    fn totals(&self, from: Micros, to: Micros) -> Result<Vec<Totals>, StoreError>;

    /// An event that a stage or an incident names.
    ///
    /// # Errors
    /// When the engine fails; never for one that is gone.
    fn evidence(&self, id: EventId) -> Result<Option<StoredEvent>, StoreError>;

    /// Folds a connection with late events, or all of them for at most two seconds, and brings lists up to date. Gives how many
    /// still wait.
    fn settle(&self, connection_id: Option<String>) -> StoreFuture<u64>;

    /// Throws every row away and begins anew, in the background of other work. [`Lives::settle`] waits for it.
    fn rebuild(&self) -> StoreFuture<()>;
}
