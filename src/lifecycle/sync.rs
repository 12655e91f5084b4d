//! One sync, from what was seen of it.
//!
//! In: facts that belong to it, in order. Out: its stage. What was not seen (start, end) is said to be missing and never
//! guessed. Bounded: tables by [`super::tables`], messages and ids by number.

mod kept;
mod view;
mod written;

pub use kept::SyncRow;
pub use written::Written;

use super::{Ending, Fact, Import, Message, Signal, SyncId, Work, tables::Tables};
use crate::model::{EventKey, Level, Micros};
use serde::{Deserialize, Serialize};

/// Most messages that a sync quotes; the others are counted.
const MESSAGES_MAX: usize = 20;
/// Most events that a sync names; the others are counted and found by its id.
const IDS_MAX: usize = 20;

/// The documented statuses.
const STATUSES: [&str; 5] = ["SUCCESSFUL", "FAILURE", "FAILURE_WITH_TASK", "RESCHEDULED", "CANCELED"];
/// No end was seen, and a later sync began.
const INTERRUPTED: &str = "INTERRUPTED";

/// What kind of sync it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncKind {
    /// The connection's first, until one succeeded.
    Initial,
    /// An ordinary one.
    Incremental,
    /// One that reads history again.
    Resync,
    /// One that somebody asked for.
    Manual,
}

impl SyncKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "initial sync",
            Self::Incremental => "incremental sync",
            Self::Resync => "re-sync",
            Self::Manual => "manual sync",
        }
    }
}

/// Why it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerKind {
    /// Nothing else was seen: its schedule.
    Schedule,
    /// A change of the schema.
    SchemaChange,
    /// The connection was resumed.
    Resume,
    /// Somebody asked for it.
    Manual,
    /// A re-sync was asked for or forced.
    Resync,
}

/// Why it started, and what proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// Why.
    #[serde(rename = "type")]
    pub kind: TriggerKind,
    /// Who.
    pub actor: Option<Box<str>>,
    /// The event that asked for it.
    pub event: Option<EventKey>,
    /// When that was.
    pub at: Micros,
}

/// What an end means for the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The data are there.
    Success,
    /// It failed, with or without a task for somebody.
    Failure,
    /// It was put off.
    Rescheduled,
    /// It was put off as intended, to bring newer data first.
    Priority,
    /// Somebody stopped it.
    Canceled,
    /// A status that is not documented, or none.
    Unknown,
}

impl Outcome {
    /// Statuses are compared without case. `FAILED` and `CANCELLED` were reported beside the documented spellings.
    /// Source: Fivetran log documentation, `sync_end`; `fivetran.md` section 3.4.
    pub fn of(ending: &Ending) -> Self {
        Self::told(ending.status.as_deref().unwrap_or_default(), ending.reason.as_deref())
    }

    fn told(status: &str, reason: Option<&str>) -> Self {
        match status.to_ascii_uppercase().as_str() {
            "SUCCESSFUL" | "SUCCESS" => Self::Success,
            "RESCHEDULED" if is_intended(reason) => Self::Priority,
            "RESCHEDULED" => Self::Rescheduled,
            "CANCELED" | "CANCELLED" => Self::Canceled,
            // A backup that misses objects is not one to rely on.
            "COMPLETED_WITH_ERRORS" => Self::Failure,
            status if status.starts_with("FAIL") => Self::Failure,
            _ => Self::Unknown,
        }
    }
}

/// A priority-first sync says that it was put off on purpose.
fn is_intended(reason: Option<&str>) -> bool {
    reason.is_some_and(|reason| reason.to_lowercase().contains("intended behavior"))
}

/// First and last moment of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Span(Micros, Micros);

/// How it ended, and by which event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The event.
    pub key: EventKey,
    /// What it says.
    pub ending: Ending,
    /// Whether a `status` event said it, which a `sync_end` overrules.
    pub by_status: bool,
}

/// One sync.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sync {
    /// Its start; until that is seen, its first event.
    pub anchor: EventKey,
    /// Its id.
    pub id: Option<SyncId>,
    /// Its start.
    pub started: Option<EventKey>,
    /// Its end.
    pub ended: Option<End>,
    /// What kind it is.
    pub kind: SyncKind,
    /// Why it started.
    pub trigger: Option<Trigger>,
    /// Its latest event.
    pub last_us: Micros,
    /// The start of a later sync, since which nothing was heard of this one.
    pub superseded: Option<Micros>,
    /// Whether its stage was given out.
    pub given: bool,
    events: u64,
    phases: [Option<Span>; 3],
    tables: Tables,
    queries: Option<u64>,
    api_calls: u64,
    rows_extracted: Option<u64>,
    bytes_extracted: Option<u64>,
    stats: Option<Box<str>>,
    import: Option<Import>,
    warnings: u32,
    errors: u32,
    messages: Vec<(EventKey, bool, Message)>,
    exceptions: Vec<Box<str>>,
    /// The first event, and those that say more than that it runs.
    ids: Vec<EventKey>,
    /// `BACKUP` or `RESTORE`, of jobs that say so.
    #[serde(default)]
    job: Option<Box<str>>,
}

/// Extract, process and load, as the documentation assigns events to them.
#[derive(Clone, Copy)]
enum Phase {
    Extract,
    Process,
    Load,
}

fn sum(known: Option<u64>, more: u64) -> Option<u64> {
    Some(known.unwrap_or(0).saturating_add(more))
}

impl Sync {
    /// Seen for the first time.
    pub fn new(fact: &Fact, kind: SyncKind) -> Self {
        Self {
            anchor: fact.key,
            id: fact.sync.clone(),
            started: None,
            ended: None,
            kind,
            trigger: None,
            last_us: fact.key.created_us,
            superseded: None,
            given: false,
            events: 0,
            phases: [None; 3],
            tables: Tables::default(),
            queries: None,
            api_calls: 0,
            rows_extracted: None,
            bytes_extracted: None,
            stats: None,
            import: None,
            warnings: 0,
            errors: 0,
            messages: Vec::new(),
            exceptions: Vec::new(),
            ids: Vec::new(),
            job: None,
        }
    }

    /// Takes a fact as evidence, whatever it says.
    pub fn absorb(&mut self, fact: &Fact) {
        let at = fact.key.created_us;
        self.events += 1;
        self.last_us = self.last_us.max(at);
        self.superseded = None;
        if self.ids.is_empty() {
            self.name(fact.key);
        }
        if let Some(exception) = &fact.exception
            && self.exceptions.len() < MESSAGES_MAX
            && !self.exceptions.contains(exception)
        {
            self.exceptions.push(exception.clone());
        }
        if let Some(job) = &fact.job {
            self.job = self.job.take().or_else(|| job.kind.clone());
            // Reports of one job repeat what became of its objects.
            if let Some((object, status)) = &job.object
                && !self.tables.told(object, status)
            {
                return;
            }
        }
        match &fact.signal {
            Signal::SyncStart => {
                if self.started.is_none() {
                    self.started = Some(fact.key);
                    // A stage stands where it began.
                    self.anchor = fact.key;
                }
                self.name(fact.key);
                return;
            }
            Signal::SyncEnd(ending) => {
                self.ended = Some(End { key: fact.key, ending: (**ending).clone(), by_status: false });
                self.name(fact.key);
                return;
            }
            Signal::SyncStatus(ending) => {
                if self.ended.is_none() {
                    self.ended = Some(End { key: fact.key, ending: (**ending).clone(), by_status: true });
                }
                self.name(fact.key);
                return;
            }
            Signal::ReadStart | Signal::ReadEnd | Signal::Work(Work::SqlQuery) => self.phase(Phase::Extract, at),
            Signal::WriteStart(table) => {
                self.phase(Phase::Load, at);
                self.tables.write_started(table, at);
            }
            Signal::WriteEnd(table) => {
                self.phase(Phase::Load, at);
                self.tables.write_ended(table, at);
            }
            Signal::Processed(table, count) => {
                self.phase(Phase::Extract, at);
                self.tables.read(table, *count);
            }
            Signal::RecordsModified(modified) => {
                self.phase(Phase::Load, at);
                self.tables.modified(modified);
            }
            Signal::Extracted(extract) => {
                self.phase(Phase::Extract, at);
                self.queries = sum(self.queries, extract.queries);
                self.rows_extracted = sum(self.rows_extracted, extract.rows);
                self.bytes_extracted = sum(self.bytes_extracted, extract.bytes);
            }
            Signal::ApiCall => {
                self.phase(Phase::Extract, at);
                self.api_calls += 1;
            }
            Signal::SyncStats(stats) => {
                self.stats = Some(stats.clone());
                self.name(fact.key);
            }
            Signal::ImportProgress(import) => {
                self.phase(Phase::Extract, at);
                self.import = Some(*import);
            }
            Signal::Work(Work::MigrationStart | Work::MigrationEnd | Work::ValueCut) => {
                self.phase(Phase::Process, at);
            }
            Signal::Work(Work::LoadStep) => self.phase(Phase::Load, at),
            Signal::SchemaChanged(change) => {
                let process = &*change.event == "change_schema_config_via_sync";
                self.phase(if process { Phase::Process } else { Phase::Load }, at);
            }
            Signal::Warning(message) => self.message(fact.key, false, message),
            Signal::Error(message) => self.message(fact.key, true, message),
            Signal::Work(Work::UpdateState)
            | Signal::Info(_)
            | Signal::Created(_)
            | Signal::TestsStarted(..)
            | Signal::Tested(_)
            | Signal::Resync(_)
            | Signal::ManualSync(_)
            | Signal::Paused(_)
            | Signal::Resumed(_)
            | Signal::Edited(_)
            | Signal::Deleted(_)
            | Signal::Support(_)
            | Signal::Run(_)
            | Signal::News(_)
            | Signal::Unused(_) => {}
        }
        match severity(fact) {
            Some(true) => self.errors = self.errors.saturating_add(1),
            Some(false) => self.warnings = self.warnings.saturating_add(1),
            None => {}
        }
    }

    fn name(&mut self, key: EventKey) {
        if self.ids.len() < IDS_MAX && self.ids.last() != Some(&key) {
            self.ids.push(key);
        }
    }

    fn message(&mut self, key: EventKey, error: bool, message: &Message) {
        if self.messages.len() < MESSAGES_MAX {
            self.messages.push((key, error, message.clone()));
        }
    }

    fn phase(&mut self, phase: Phase, at: Micros) {
        let span = self.phases[phase as usize].get_or_insert(Span(at, at));
        span.0 = span.0.min(at);
        span.1 = span.1.max(at);
    }

    /// How many table names are kept of it.
    pub fn table_names(&self) -> usize {
        self.tables.names()
    }

    /// Whether it runs, as far as was seen.
    pub fn is_running(&self) -> bool {
        self.ended.is_none() && self.superseded.is_none()
    }

    /// When it started, where that was seen.
    pub fn started_us(&self) -> Option<Micros> {
        self.started.map(|key| key.created_us)
    }

    /// How long it took, where both ends were seen in this order.
    pub fn duration_us(&self) -> Option<Micros> {
        let (started, ended) = (self.started?, self.ended.as_ref()?);
        ended.key.created_us.checked_sub(started.created_us).filter(|us| *us >= 0)
    }

    /// Why it ended so: what the end says, else its last error.
    pub fn reason(&self) -> Option<&str> {
        let end = self.ended.as_ref()?;
        if let Some(reason) = &end.ending.reason {
            return Some(reason);
        }
        let error = || self.messages.iter().rev().find(|(_, error, _)| *error).and_then(|(.., it)| it.text.as_deref());
        (Outcome::of(&end.ending) == Outcome::Failure).then(error).flatten()
    }

    /// Exception ids that its events carried.
    pub fn exceptions(&self) -> &[Box<str>] {
        &self.exceptions
    }

    /// Its status in the public form.
    pub fn status(&self) -> &str {
        match (&self.ended, self.superseded) {
            (Some(end), _) => match end.ending.status.as_deref() {
                Some(status) => {
                    // One spelling for the documented ones.
                    let known = STATUSES.into_iter().find(|known| known.eq_ignore_ascii_case(status));
                    known.unwrap_or(status)
                }
                None => "UNKNOWN",
            },
            (None, Some(_)) => INTERRUPTED,
            (None, None) => "RUNNING",
        }
    }
}

/// Whether a fact counts as an error (true) or a warning (false), by what it says or by its level. The end of a sync is
/// neither.
pub fn severity(fact: &Fact) -> Option<bool> {
    match (&fact.signal, fact.level) {
        (Signal::Error(_), _) => Some(true),
        (Signal::SyncEnd(_) | Signal::SyncStatus(_) | Signal::SyncStart, _) => None,
        (_, Level::Severe) => Some(true),
        (Signal::Warning(_), _) | (_, Level::Warning) => Some(false),
        (_, Level::Info | Level::Fine) => None,
    }
}
