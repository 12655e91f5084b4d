//! A life so far: what the next fact meets.
//!
//! In: facts in order. Out: rows, and how things stand. A state is bounded, can be kept as JSON and taken up again at any later
//! fact; two states that met the same facts are equal.

use super::{
    Day, Fact, Health, Labels, Output, StageKind, Status, Summary, SyncCounts, SyncRow,
    deeds::Waiting,
    incidents::Case,
    objects::Objects,
    runs::Runs,
    setup::SetupTests,
    step::{TESTS_PASSED, created},
    sync::{Outcome, Trigger},
    syncs::Syncs,
};
use crate::model::{DAY_US, EventKey, Micros};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// Number of the rules. Rows made under other rules are made anew when a store is opened.
pub const FOLD_VERSION: i64 = 4;

/// Most names of unused events that are counted apart.
const UNUSED_MAX: usize = 64;
/// Days of schema changes that are remembered: the thirty before today, and today.
const SCHEMA_DAYS: i64 = 31;

/// A row that may still change.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// As it stands.
    pub row: Output,
    /// Whether it was given out already.
    pub given: bool,
}

/// A life so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    pub(super) last_us: Option<Micros>,
    pub(super) first_us: Option<Micros>,
    pub(super) labels: Option<Arc<Labels>>,
    pub(super) events: u64,
    pub(super) created_us: Option<Micros>,
    pub(super) deleted_us: Option<Micros>,
    pub(super) paused: bool,
    pub(super) sync_frequency_minutes: Option<i64>,
    pub(super) schedule_type: Option<Box<str>>,
    pub(super) setup_status: Option<Box<str>>,
    pub(super) schema_status: Option<Box<str>>,
    /// Whether setup was seen to be through.
    pub(super) set_up: bool,
    pub(super) syncs: Syncs,
    pub(super) counts: SyncCounts,
    /// Syncs that were seen before it was deleted and created again.
    pub(super) total_before: u64,
    /// What the last end came to that settles anything.
    pub(super) settled: Option<Settled>,
    pub(super) rescheduled_us: Option<Micros>,
    /// The latest incident, open or not.
    pub(super) case: Option<Case>,
    pub(super) waiting: Waiting,
    /// What may start the next sync.
    pub(super) cause: Option<Trigger>,
    pub(super) tests: Option<SetupTests>,
    /// The stage "created", while a failure of the same run of tests would take it back.
    pub(super) passed: Option<EventKey>,
    pub(super) runs: Runs,
    pub(super) last_started_us: Option<Micros>,
    pub(super) last_completed_us: Option<Micros>,
    pub(super) last_success_us: Option<Micros>,
    pub(super) last_duration_us: Option<Micros>,
    pub(super) errors: u64,
    pub(super) warnings: u64,
    pub(super) schema_change_days: Vec<(i64, u64)>,
    /// The longest time from a sync's anchor to its end, of those that were given out.
    pub(super) longest_us: Micros,
    pub(super) day: Option<Day>,
    pub(super) unused: BTreeMap<String, u64>,
    /// Objects and troubles of systems that log those; empty for Fivetran.
    #[serde(skip_serializing_if = "Objects::is_empty")]
    pub(super) objects: Objects,
}

/// The last end that says anything about the connection. A canceled sync does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settled {
    /// The data are there.
    Success,
    /// It failed.
    Failure,
    /// It was put off.
    Rescheduled,
    /// It was put off as intended.
    Priority,
    /// It ended in a way that is not documented.
    Unknown,
}

impl Settled {
    /// What an outcome settles.
    pub const fn of(outcome: Outcome) -> Option<Self> {
        match outcome {
            Outcome::Success => Some(Self::Success),
            Outcome::Failure => Some(Self::Failure),
            Outcome::Rescheduled => Some(Self::Rescheduled),
            Outcome::Priority => Some(Self::Priority),
            Outcome::Unknown => Some(Self::Unknown),
            Outcome::Canceled => None,
        }
    }
}

impl State {
    /// Steps over facts that are sorted by their keys and all later, in microseconds, than [`State::last_us`]. Facts of one
    /// microsecond must come together.
    pub fn fold(&mut self, facts: &[Fact], out: &mut Vec<Output>) {
        let before = out.len();
        for moment in facts.chunk_by(|one, other| one.key.created_us == other.key.created_us) {
            match moment {
                [fact] => self.step(fact, out),
                several => {
                    let mut order: Vec<&Fact> = several.iter().collect();
                    self.syncs.sort_moment(&mut order);
                    for fact in order {
                        self.step(fact, out);
                    }
                }
            }
        }
        for row in &out[before..] {
            if let Output::Sync(SyncRow { anchor, until_us: Some(until), .. }) = row {
                self.longest_us = self.longest_us.max(until.saturating_sub(anchor.created_us));
            }
        }
    }

    /// No sync that was given out took longer, from its anchor to its end, microseconds.
    #[must_use]
    pub fn longest_us(&self) -> Micros {
        self.longest_us
    }

    /// When the last fact was; `None` before the first.
    #[must_use]
    pub fn last_us(&self) -> Option<Micros> {
        self.last_us
    }

    /// How many facts it has seen.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// What the envelopes of the connection say so far, to be shared with facts that say the same.
    #[must_use]
    pub fn labels(&self) -> Option<&Arc<Labels>> {
        self.labels.as_ref()
    }

    /// It was deleted and is created again: the timeline and its counts go on, how it stands is that of a new connection.
    pub(super) fn begin_anew(&mut self) {
        let old = std::mem::take(self);
        *self = Self {
            last_us: old.last_us,
            first_us: old.first_us,
            labels: old.labels,
            events: old.events,
            syncs: old.syncs,
            counts: old.counts,
            total_before: old.counts.total,
            waiting: old.waiting,
            runs: old.runs,
            schema_change_days: old.schema_change_days,
            longest_us: old.longest_us,
            day: old.day,
            unused: old.unused,
            ..Self::default()
        };
    }

    /// What holds for every fact, before its own meaning.
    pub(super) fn arrive(&mut self, fact: &Fact, out: &mut Vec<Output>) {
        let at = fact.key.created_us;
        self.last_us = Some(at);
        self.first_us.get_or_insert(at);
        self.events += 1;
        self.waiting.expire(at);
        if self.tests.take_if(|run| run.is_over(at)).is_some() {
            self.passed = None;
        }
        // What is over for good stands in its row.
        self.case.take_if(|case| case.is_over());
        match &mut self.labels {
            None => self.labels = Some(Arc::clone(&fact.labels)),
            Some(known) => take_labels(known, &fact.labels),
        }
        let today = at.div_euclid(DAY_US);
        let day = match &mut self.day {
            Some(day) if day.day == today => day,
            past => {
                if let Some(over) = past.replace(Day { day: today, ..Day::default() }) {
                    out.push(Output::Day(over));
                }
                past.get_or_insert_default()
            }
        };
        day.events += 1;
        match super::sync::severity(fact) {
            Some(true) => self.count_error(),
            Some(false) => self.count_warning(),
            None => {}
        }
    }

    pub(super) fn count_error(&mut self) {
        self.errors += 1;
        if let Some(day) = &mut self.day {
            day.errors += 1;
        }
    }

    pub(super) fn count_warning(&mut self) {
        self.warnings += 1;
        if let Some(day) = &mut self.day {
            day.warnings += 1;
        }
    }

    pub(super) fn count_schema_change(&mut self, at: Micros) {
        let today = at.div_euclid(DAY_US);
        if let Some(day) = &mut self.day {
            day.schema_changes += 1;
        }
        match self.schema_change_days.last_mut() {
            Some((day, n)) if *day == today => *n += 1,
            _ => self.schema_change_days.push((today, 1)),
        }
        self.schema_change_days.retain(|(day, _)| today - day < SCHEMA_DAYS);
    }

    pub(super) fn count_unused(&mut self, name: &str) {
        if let Some(n) = self.unused.get_mut(name) {
            *n += 1;
        } else if self.unused.len() < UNUSED_MAX {
            self.unused.insert(name.to_owned(), 1);
        } else {
            *self.unused.entry("other".to_owned()).or_default() += 1;
        }
    }

    /// Whether its last sync failed, and none has succeeded since.
    pub(super) fn is_failing(&self) -> bool {
        self.settled == Some(Settled::Failure) || self.case.as_ref().is_some_and(Case::is_open)
    }

    /// Resolves the open incident. Whether there was one.
    pub(super) fn resolve(&mut self, key: EventKey, how: super::incidents::Resolution, out: &mut Vec<Output>) -> bool {
        match &mut self.case {
            Some(case) if case.is_open() => {
                case.resolve(key, how);
                out.push(Output::Incident(case.row()));
                true
            }
            _ => false,
        }
    }

    /// Whether nothing is known of how it works.
    fn has_not_run(&self) -> bool {
        self.counts.total == self.total_before && self.settled.is_none()
    }

    /// Where the connection stands.
    #[must_use]
    pub fn status(&self) -> Status {
        if self.deleted_us.is_some() {
            Status::Deleted
        } else if self.paused {
            Status::Paused
        } else if self.has_not_run() {
            match self.setup_status.as_deref() {
                Some("incomplete" | "broken") => Status::SetupIncomplete,
                _ => Status::New,
            }
        } else if self.is_failing() {
            Status::Broken
        } else if self.settled.is_none() {
            Status::InitialSync
        } else if self.syncs.is_running() {
            Status::Syncing
        } else if self.settled == Some(Settled::Rescheduled) {
            Status::Rescheduled
        } else {
            Status::Connected
        }
    }

    /// The same in the words of the dbt package.
    #[must_use]
    pub fn health(&self) -> Health {
        if self.deleted_us.is_some() {
            Health::Deleted
        } else if self.paused {
            Health::Paused
        } else if self.has_not_run() {
            Health::Incomplete
        } else if self.is_failing() {
            Health::Broken
        } else {
            match self.settled {
                None => Health::InitialSyncInProgress,
                Some(Settled::Priority) => Health::PriorityFirstSync,
                Some(Settled::Failure) => Health::Broken,
                Some(Settled::Success | Settled::Rescheduled | Settled::Unknown) => Health::Connected,
            }
        }
    }

    /// How the connection stands; `None` before the first fact.
    #[must_use]
    pub fn summary(&self) -> Option<Summary> {
        let labels = self.labels.as_ref()?;
        let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        let status = self.status();
        Some(Summary {
            connection_id: String::new(),
            connection_name: labels.name.clone(),
            connector_type: labels.connector_type.clone(),
            source: labels.source,
            destination: labels.destination.clone(),
            status,
            health: self.health(),
            created_us: self.created_us,
            deleted_us: self.deleted_us,
            paused: self.paused,
            sync_frequency_minutes: self.sync_frequency_minutes,
            schedule_type: text(&self.schedule_type),
            setup_status: text(&self.setup_status),
            schema_status: text(&self.schema_status),
            last_started_us: self.last_started_us,
            last_completed_us: self.last_completed_us,
            last_success_us: self.last_success_us,
            last_duration_us: self.last_duration_us,
            rescheduled_us: self.rescheduled_us.filter(|_| status == Status::Rescheduled),
            errors: self.errors,
            warnings: self.warnings,
            schema_change_days: self.schema_change_days.clone(),
            syncs: self.counts,
            open_incident: self.case.as_ref().filter(|case| case.is_open()).map(Case::json),
            running: self.syncs.running().map(|sync| sync.id.as_ref().map(ToString::to_string)).collect(),
            first_event_us: self.first_us,
            last_event_us: self.last_us,
            events: self.events,
            unused: self.unused.clone(),
            mappings: self.objects.view(),
            day: self.day.unwrap_or_default(),
        })
    }

    /// Rows that may still change: running and just ended syncs, actions whose twin may come, the last incident, runs. They are
    /// right where a row that was given out is not.
    #[must_use]
    pub fn live(&self) -> Vec<Live> {
        let given = |row| Live { row, given: true };
        self.syncs
            .all()
            .map(|sync| Live { row: Output::Sync(sync.row()), given: sync.given })
            .chain(self.waiting.stages().map(|stage| given(Output::Stage(stage))))
            .chain(self.tests.iter().map(|tests| given(Output::Stage(tests.stage()))))
            .chain(self.passed.map(|key| given(created(key, TESTS_PASSED))))
            .chain(self.case.iter().map(|case| given(Output::Incident(case.row()))))
            .chain(self.runs.rows().map(|run| given(Output::Run(run))))
            .collect()
    }

    /// What the stages among [`State::live`] are known by.
    pub fn live_stages(&self) -> impl Iterator<Item = (EventKey, StageKind)> {
        (self.syncs.all().map(|sync| (sync.anchor, StageKind::Sync)))
            .chain(self.waiting.anchors())
            .chain(self.tests.iter().map(|tests| (tests.anchor(), StageKind::SetupTests)))
            .chain(self.passed.map(|key| (key, StageKind::Created)))
    }

    /// The day of the last fact so far; it is given out when it is over.
    #[must_use]
    pub fn day(&self) -> Option<Day> {
        self.day
    }
}

/// Later facts know better; what they do not say stays.
fn take_labels(known: &mut Arc<Labels>, new: &Arc<Labels>) {
    if Arc::ptr_eq(known, new) || known == new {
        return;
    }
    let mut merged = (**new).clone();
    merged.source = known.source;
    for (mine, theirs) in [
        (&known.name, &mut merged.name),
        (&known.connector_type, &mut merged.connector_type),
        (&known.destination, &mut merged.destination),
    ] {
        if theirs.is_none() {
            theirs.clone_from(mine);
        }
    }
    if merged != **known {
        *known = Arc::new(merged);
    }
}
