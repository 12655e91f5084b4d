//! One fact and what it does to a life.
//!
//! In: a fact. Out: the state after it, and rows. There is an arm for every signal and no catch-all, so that a new one
//! forces a decision.

use super::{
    Action, Edit, Fact, Output, Signal, Stage, StageKind,
    deeds::Deed,
    incidents::{Case, Resolution},
    setup::SetupTests,
    stage::Activity,
    state::{Settled, State},
    sync::{Outcome, Sync, SyncKind, Trigger, TriggerKind},
    time_text, words,
};
use crate::model::{EventId, EventKey, Micros};
use serde::Serialize;

/// How long before a start its cause may lie. Assumed: the documentation says that these start a sync, not how soon.
const CAUSE_US: Micros = 3_600_000_000;
/// The same for a re-sync, which may wait for a running sync to end.
const RESYNC_CAUSE_US: Micros = 86_400_000_000;

/// Stages that are made of nothing but a moment of a sync.
#[derive(Serialize)]
struct Turn<'t> {
    stage: &'static str,
    at: String,
    summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    incident_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sync_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<Micros>,
    event_ids: Vec<String>,
}

fn turn(key: EventKey, kind: StageKind, body: &Turn<'_>) -> Output {
    Output::Stage(Stage {
        anchor: key,
        kind,
        until_us: None,
        sync_id: None,
        status: None,
        schema_change: false,
        body: super::text(body),
    })
}

impl State {
    /// One fact.
    pub(super) fn step(&mut self, fact: &Fact, out: &mut Vec<Output>) {
        self.arrive(fact, out);
        if let Some(deed) = &fact.deed {
            out.push(Output::Activity(Activity {
                key: fact.key,
                event: deed.event.to_string(),
                actor: deed.actor.to_string(),
                channel: match deed.channel {
                    super::Channel::Dashboard => "dashboard",
                    super::Channel::Audit => "audit",
                    super::Channel::Connector => "connector",
                },
                level: fact.level.as_str(),
                data: deed.data.as_deref().map(str::to_owned),
            }));
        }
        let at = fact.key.created_us;
        let told = match &fact.signal {
            Signal::SyncStart => self.sync_started(fact, out),
            Signal::SyncEnd(_) | Signal::SyncStatus(_) => self.sync_ended(fact, out),
            Signal::ApiCall => {
                self.count_calls(1);
                self.part(fact, out)
            }
            Signal::Extracted(extract) => {
                self.count_calls(extract.queries);
                self.part(fact, out)
            }
            Signal::RecordsModified(modified) => {
                if let Some(day) = &mut self.day {
                    day.rows_modified = day.rows_modified.saturating_add(modified.count);
                }
                self.part(fact, out)
            }
            Signal::ReadStart
            | Signal::ReadEnd
            | Signal::WriteStart(_)
            | Signal::WriteEnd(_)
            | Signal::Processed(..)
            | Signal::SyncStats(_)
            | Signal::ImportProgress(_)
            | Signal::Work(_)
            | Signal::Info(_)
            | Signal::Warning(_)
            | Signal::Error(_) => self.part(fact, out),
            Signal::SchemaChanged(change) => {
                self.part(fact, out);
                if self.deed(fact, out) {
                    self.count_schema_change(at);
                    if change.action.channel != super::Channel::Connector {
                        self.cause(fact, TriggerKind::SchemaChange, &change.action);
                    }
                }
                true
            }
            Signal::Created(edit) => {
                self.created_us.get_or_insert(at);
                self.deleted_us = None;
                self.take_edit(edit);
                self.deed(fact, out);
                true
            }
            Signal::TestsStarted(action, tests) => {
                let run = SetupTests::announced(fact, action, *tests);
                out.push(Output::Stage(run.stage()));
                self.tests = Some(run);
                true
            }
            Signal::Tested(result) => {
                let run = SetupTests::take(self.tests.take(), fact, result);
                out.push(Output::Stage(run.stage()));
                self.tests = Some(run);
                if result.passed {
                    self.setup_status = Some("connected".into());
                    self.set_up(fact.key, "setup tests passed, connection created", out);
                } else {
                    let ran = self.counts.total > 0;
                    self.setup_status = Some(if ran { "broken" } else { "incomplete" }.into());
                }
                true
            }
            Signal::Resync(resync) => {
                self.deed(fact, out);
                self.cause(fact, TriggerKind::Resync, &resync.action);
                true
            }
            Signal::ManualSync(action) => {
                self.deed(fact, out);
                self.cause(fact, TriggerKind::Manual, action);
                true
            }
            Signal::Paused(_) => {
                self.pause(fact.key, true, out);
                self.deed(fact, out);
                true
            }
            Signal::Resumed(action) => {
                self.pause(fact.key, false, out);
                self.deed(fact, out);
                self.cause(fact, TriggerKind::Resume, action);
                true
            }
            Signal::Edited(edit) => {
                self.take_edit(edit);
                if let Some(paused) = edit.paused {
                    self.pause(fact.key, paused, out);
                }
                self.deed(fact, out);
                if edit.setup_status.as_deref() == Some("connected") {
                    self.set_up(fact.key, "setup complete, connection created", out);
                }
                true
            }
            Signal::Deleted(_) => {
                self.deleted_us.get_or_insert(at);
                self.resolve(fact.key, Resolution::Deleted, out);
                self.deed(fact, out);
                true
            }
            Signal::Support(_) => {
                self.deed(fact, out);
                true
            }
            Signal::Run(event) => {
                out.extend(self.runs.take(fact, event).into_iter().map(Output::Run));
                true
            }
            Signal::Unused(_) => false,
        };
        if !told {
            let name = match &fact.signal {
                Signal::Unused(name) => name,
                signal => signal.name(),
            };
            self.count_unused(name);
        }
    }

    /// Gives a deed's stage out. Whether it is a new one and not the twin of another.
    fn deed(&mut self, fact: &Fact, out: &mut Vec<Output>) -> bool {
        let Some(deed) = Deed::of(fact) else { return false };
        let (stage, is_new) = self.waiting.take(deed);
        out.push(Output::Stage(stage));
        is_new
    }

    fn count_calls(&mut self, n: u64) {
        if let Some(day) = &mut self.day {
            day.api_calls = day.api_calls.saturating_add(n);
        }
    }

    fn take_edit(&mut self, edit: &Edit) {
        if edit.sync_frequency_minutes.is_some() {
            self.sync_frequency_minutes = edit.sync_frequency_minutes;
        }
        for (mine, new) in [
            (&mut self.schedule_type, &edit.schedule_type),
            (&mut self.setup_status, &edit.setup_status),
            (&mut self.schema_status, &edit.schema_status),
        ] {
            if new.is_some() {
                mine.clone_from(new);
            }
        }
    }

    /// The stage "created", once, where the creation itself was seen.
    fn set_up(&mut self, key: EventKey, summary: &str, out: &mut Vec<Output>) {
        if self.set_up || self.created_us.is_none() {
            return;
        }
        self.set_up = true;
        out.push(turn(
            key,
            StageKind::Created,
            &Turn {
                stage: StageKind::Created.as_str(),
                at: time_text(key.created_us),
                summary: summary.to_owned(),
                incident_id: None,
                sync_id: None,
                reason: None,
                task_type: None,
                duration_ms: None,
                event_ids: vec![EventId(key).to_string()],
            },
        ));
    }

    fn pause(&mut self, key: EventKey, paused: bool, out: &mut Vec<Output>) {
        self.paused = paused;
        if paused {
            self.resolve(key, Resolution::Paused, out);
        } else if self.settled == Some(Settled::Failure)
            && let Some(case) = &mut self.case
            && case.reopen()
        {
            out.push(Output::Incident(case.row()));
        }
    }

    /// Remembers what may start the next sync.
    fn cause(&mut self, fact: &Fact, kind: TriggerKind, action: &Action) {
        let new = Trigger { kind, actor: action.actor.clone(), event: Some(fact.key), at: fact.key.created_us };
        match &mut self.cause {
            // The twin of the same action says nothing new; a stronger cause stays while it may still act.
            Some(known) if known.kind >= kind && is_recent(known, new.at) => {
                if known.kind == kind && known.at.saturating_add(super::deeds::TWIN_US) < new.at {
                    *known = new;
                }
            }
            other => *other = Some(new),
        }
    }

    /// What kind of sync one is that begins now.
    fn kind(&self, trigger: Option<&Trigger>) -> SyncKind {
        let no_success = self.last_success_us.is_none() && self.settled != Some(Settled::Priority);
        match trigger.map(|it| it.kind) {
            _ if self.created_us.is_some() && no_success => SyncKind::Initial,
            Some(TriggerKind::Resync) => SyncKind::Resync,
            Some(TriggerKind::Manual) => SyncKind::Manual,
            Some(TriggerKind::Schedule | TriggerKind::SchemaChange | TriggerKind::Resume) | None => {
                SyncKind::Incremental
            }
        }
    }

    fn sync_started(&mut self, fact: &Fact, out: &mut Vec<Output>) -> bool {
        let at = fact.key.created_us;
        let trigger = self.cause.take().filter(|cause| is_recent(cause, at));
        let kind = self.kind(trigger.as_ref());
        let Some((sync, is_new)) = self.syncs.join(fact, kind) else {
            self.cause = trigger;
            return false;
        };
        let is_first = sync.started.is_none();
        sync.absorb(fact);
        if is_first {
            sync.kind = kind;
            sync.trigger = trigger;
        } else {
            self.cause = trigger;
        }
        let ended = sync.ended.is_some();
        if ended {
            sync.given = true;
            out.push(Output::Stage(sync.stage()));
        }
        self.counts.total += u64::from(is_new);
        if is_first {
            self.last_started_us = self.last_started_us.max(Some(at));
            if !ended {
                self.syncs.overtake(fact);
                if let Some(case) = &mut self.case
                    && case.is_open()
                {
                    case.attempted();
                    out.push(Output::Incident(case.row()));
                }
            }
        }
        self.syncs.tidy(out);
        true
    }

    /// A fact that belongs to a sync, if to any.
    fn part(&mut self, fact: &Fact, out: &mut Vec<Output>) -> bool {
        let kind = self.kind(None);
        let Some((sync, is_new)) = self.syncs.join(fact, kind) else { return false };
        sync.absorb(fact);
        if sync.ended.is_some() {
            sync.given = true;
            out.push(Output::Stage(sync.stage()));
        }
        if is_new {
            self.counts.total += 1;
            self.syncs.tidy(out);
        }
        true
    }

    fn sync_ended(&mut self, fact: &Fact, out: &mut Vec<Output>) -> bool {
        let kind = self.kind(None);
        let Some((sync, is_new)) = self.syncs.join(fact, kind) else { return false };
        let before = sync.ended.as_ref().map(|end| Outcome::of(&end.ending));
        sync.absorb(fact);
        sync.given = true;
        out.push(Output::Stage(sync.stage()));
        let anchor = sync.anchor;
        let is_end = sync.ended.as_ref().is_some_and(|end| end.key == fact.key);
        self.counts.total += u64::from(is_new);
        if is_end && let Some(sync) = self.syncs.take(anchor) {
            self.take_end(fact.key, &sync, before, out);
            self.syncs.put(sync, out);
        }
        true
    }

    /// What the end of a sync means for the connection. `before` is what an earlier end of the same sync said.
    fn take_end(&mut self, key: EventKey, sync: &Sync, before: Option<Outcome>, out: &mut Vec<Output>) {
        let Some(end) = &sync.ended else { return };
        let outcome = Outcome::of(&end.ending);
        let duration = sync.duration_us();
        self.last_completed_us = Some(key.created_us);
        if duration.is_some() {
            self.last_duration_us = duration;
        }
        if let Some(before) = before {
            count(&mut self.counts, before, |n| *n = n.saturating_sub(1));
        }
        count(&mut self.counts, outcome, |n| *n += 1);
        if let Some(day) = &mut self.day
            && before.is_none()
        {
            day.syncs.total += 1;
            count(&mut day.syncs, outcome, |n| *n += 1);
            let ms = duration.unwrap_or(0) / 1_000;
            day.sync_ms = day.sync_ms.saturating_add(u64::try_from(ms).unwrap_or(0));
        }
        if let Some(settled) = Settled::of(outcome)
            && !(settled == Settled::Unknown && self.settled.is_some())
        {
            self.settled = Some(settled);
        }
        match outcome {
            Outcome::Success => {
                self.last_success_us = Some(key.created_us);
                self.errors = 0;
                self.warnings = 0;
                self.recover(key, sync, out);
            }
            Outcome::Priority => self.recover(key, sync, out),
            Outcome::Failure => {
                self.count_error();
                self.fail(key, sync, out);
            }
            Outcome::Rescheduled => {
                self.count_warning();
                self.rescheduled_us = end.ending.rescheduled_us;
            }
            Outcome::Canceled | Outcome::Unknown => {}
        }
    }

    fn fail(&mut self, key: EventKey, sync: &Sync, out: &mut Vec<Output>) {
        let known = self.case.as_mut().filter(|case| case.is_open() || self.paused && case.is_paused());
        if let Some(case) = known {
            case.failed(sync);
            out.push(Output::Incident(case.row()));
            return;
        }
        let Some(case) = Case::open(sync) else { return };
        out.push(Output::Incident(case.row()));
        let reason = sync.reason();
        let summary = match reason {
            Some(reason) => format!("connection broken: {}", words::cut(reason, 200)),
            None => "connection broken: its sync failed without a reason".to_owned(),
        };
        let task = sync.ended.as_ref().and_then(|end| end.ending.task_type.as_deref());
        out.push(turn(
            key,
            StageKind::Broken,
            &Turn {
                stage: StageKind::Broken.as_str(),
                at: time_text(key.created_us),
                summary,
                incident_id: Some(EventId(key).to_string()),
                sync_id: sync.id.as_ref().map(ToString::to_string),
                reason,
                task_type: task.filter(|task| !task.is_empty()),
                duration_ms: None,
                event_ids: vec![EventId(key).to_string()],
            },
        ));
        self.case = Some(case);
    }

    fn recover(&mut self, key: EventKey, sync: &Sync, out: &mut Vec<Output>) {
        let Some(case) = self.case.as_mut().filter(|case| case.is_open() || case.is_paused()) else { return };
        case.resolve(key, Resolution::Recovered);
        out.push(Output::Incident(case.row()));
        let broken_us = key.created_us.saturating_sub(case.opened_us());
        let failures = words::count(case.failures().into(), "failed sync");
        out.push(turn(
            key,
            StageKind::Recovered,
            &Turn {
                stage: StageKind::Recovered.as_str(),
                at: time_text(key.created_us),
                summary: format!("recovered after {} and {failures}", words::duration(broken_us)),
                incident_id: Some(case.id()),
                sync_id: sync.id.as_ref().map(ToString::to_string),
                reason: None,
                task_type: None,
                duration_ms: Some(broken_us / 1_000),
                event_ids: vec![EventId(key).to_string()],
            },
        ));
    }
}

/// Whether a cause may still start a sync.
fn is_recent(cause: &Trigger, at: Micros) -> bool {
    let within = if cause.kind == TriggerKind::Resync { RESYNC_CAUSE_US } else { CAUSE_US };
    at.saturating_sub(cause.at) <= within
}

/// The count that an outcome belongs to.
fn count(counts: &mut super::SyncCounts, outcome: Outcome, change: impl FnOnce(&mut u64)) {
    match outcome {
        Outcome::Success => change(&mut counts.successful),
        Outcome::Failure => change(&mut counts.failed),
        Outcome::Rescheduled | Outcome::Priority => change(&mut counts.rescheduled),
        Outcome::Canceled => change(&mut counts.canceled),
        Outcome::Unknown => {}
    }
}
