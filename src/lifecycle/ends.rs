//! Starts and ends of syncs, and what they mean for the connection.
//!
//! In: a fact that belongs to a sync. Out: the sync's stage, incidents, and the turns from whole to broken and back.

use super::{
    Action, Fact, Output, StageKind,
    incidents::{Case, Resolution},
    state::{Settled, State},
    step::{Turn, turn},
    sync::{Outcome, Sync, SyncKind, Trigger, TriggerKind},
    time_text, words,
};
use crate::model::{DAY_US, EventId, EventKey, Micros};

/// How long before a start its cause may lie. Assumed: the documentation says that these start a sync, not how soon.
const CAUSE_US: Micros = 3_600_000_000;
/// The same for a re-sync, which may wait for a running sync to end.
const RESYNC_CAUSE_US: Micros = 86_400_000_000;

impl State {
    /// Remembers what may start the next sync.
    pub(super) fn cause(&mut self, fact: &Fact, kind: TriggerKind, action: &Action) {
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

    pub(super) fn sync_started(&mut self, fact: &Fact, out: &mut Vec<Output>) -> bool {
        let at = fact.key.created_us;
        let trigger = self.cause.take().filter(|cause| is_recent(cause, at));
        let kind = self.kind(trigger.as_ref());
        let Some((sync, is_new)) = self.syncs.join(fact, kind) else {
            self.cause = trigger;
            return false;
        };
        let is_first = sync.started.is_none();
        let anchor = sync.anchor;
        sync.absorb(fact);
        let moved = sync.given && sync.anchor != anchor;
        if moved {
            out.push(Output::Gone(anchor, StageKind::Sync));
        }
        if is_first {
            sync.kind = kind;
            sync.trigger = trigger;
        } else {
            self.cause = trigger;
        }
        let ended = sync.ended.is_some();
        if ended || moved {
            sync.given = true;
            out.push(Output::Sync(sync.row()));
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
    pub(super) fn part(&mut self, fact: &Fact, out: &mut Vec<Output>) -> bool {
        let kind = self.kind(None);
        let Some((sync, is_new)) = self.syncs.join(fact, kind) else { return false };
        sync.absorb(fact);
        if sync.ended.is_some() {
            sync.given = true;
            out.push(Output::Sync(sync.row()));
        }
        if is_new {
            self.counts.total += 1;
            self.syncs.tidy(out);
        }
        true
    }

    pub(super) fn sync_ended(&mut self, fact: &Fact, out: &mut Vec<Output>) -> bool {
        let kind = self.kind(None);
        let Some((sync, is_new)) = self.syncs.join(fact, kind) else { return false };
        let before = sync.ended.as_ref().map(|end| (Outcome::of(&end.ending), end.key.created_us));
        sync.absorb(fact);
        sync.given = true;
        out.push(Output::Sync(sync.row()));
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
    fn take_end(&mut self, key: EventKey, sync: &Sync, before: Option<(Outcome, Micros)>, out: &mut Vec<Output>) {
        let Some(end) = &sync.ended else { return };
        let outcome = Outcome::of(&end.ending);
        let duration = sync.duration_us();
        self.last_completed_us = Some(key.created_us);
        if duration.is_some() {
            self.last_duration_us = duration;
        }
        if let Some((before, _)) = before {
            count(&mut self.counts, before, |n| *n = n.saturating_sub(1));
        }
        count(&mut self.counts, outcome, |n| *n += 1);
        self.count_end(outcome, duration, before);
        let failed_before = before.is_some_and(|(before, _)| before == Outcome::Failure);
        if let Some(settled) = Settled::of(outcome)
            && !(settled == Settled::Unknown && self.settled.is_some())
            && !(settled == Settled::Success && self.objects.is_troubled())
        {
            self.settled = Some(settled);
        }
        match outcome {
            Outcome::Success => {
                self.last_success_us = Some(key.created_us);
                self.errors = 0;
                self.warnings = 0;
                // A load of one object ends no trouble of another.
                if !self.objects.is_troubled() {
                    self.recover(key, Some(sync), out);
                }
            }
            Outcome::Priority => self.recover(key, Some(sync), out),
            // A second word about the same failure.
            Outcome::Failure if failed_before && self.case.as_ref().is_some_and(Case::is_open) => {
                if let Some(case) = &mut self.case {
                    case.says(sync);
                    out.push(Output::Incident(case.row()));
                }
            }
            Outcome::Failure => {
                self.count_error();
                self.fail(sync, out);
            }
            Outcome::Rescheduled => {
                self.count_warning();
                self.rescheduled_us = end.ending.rescheduled_us;
            }
            Outcome::Canceled | Outcome::Unknown => {}
        }
    }

    /// Counts an end among those of the day. A second end of one sync takes the place of the first, while that day lasts.
    fn count_end(&mut self, outcome: Outcome, duration: Option<Micros>, before: Option<(Outcome, Micros)>) {
        let Some(day) = &mut self.day else { return };
        match before {
            None => {
                day.syncs.total += 1;
                count(&mut day.syncs, outcome, |n| *n += 1);
                let ms = duration.unwrap_or(0) / 1_000;
                day.sync_ms = day.sync_ms.saturating_add(u64::try_from(ms).unwrap_or(0));
            }
            Some((before, at)) if at.div_euclid(DAY_US) == day.day => {
                count(&mut day.syncs, before, |n| *n = n.saturating_sub(1));
                count(&mut day.syncs, outcome, |n| *n += 1);
            }
            Some(_) => {}
        }
    }

    fn fail(&mut self, sync: &Sync, out: &mut Vec<Output>) {
        let known = self.case.as_mut().filter(|case| case.is_open() || self.paused && case.is_paused());
        if let Some(case) = known {
            case.failed(sync);
            out.push(Output::Incident(case.row()));
            return;
        }
        let Some(case) = Case::open(sync) else { return };
        let task = sync.ended.as_ref().and_then(|end| end.ending.task_type.as_deref());
        self.broken(case, Some(sync), sync.reason(), task, out);
    }

    /// Opens an incident. None is opened on a deleted connection, and one on a paused connection waits for its resumption.
    pub(super) fn broken(
        &mut self,
        mut case: Case,
        sync: Option<&Sync>,
        reason: Option<&str>,
        task: Option<&str>,
        out: &mut Vec<Output>,
    ) {
        if self.deleted_us.is_some() {
            return;
        }
        let key = case.anchor();
        if self.paused {
            case.resolve(key, Resolution::Paused);
        }
        out.push(Output::Incident(case.row()));
        let summary = match reason {
            Some(reason) => format!("connection broken: {}", words::cut(reason, 200)),
            None if sync.is_none() => "connection broken".to_owned(),
            None => "connection broken: its sync failed without a reason".to_owned(),
        };
        out.push(turn(
            key,
            StageKind::Broken,
            &Turn {
                stage: StageKind::Broken.as_str(),
                at: time_text(key.created_us),
                summary,
                incident_id: Some(EventId(key).to_string()),
                sync_id: sync.and_then(|sync| sync.id.as_ref()).map(ToString::to_string),
                reason,
                task_type: task.filter(|task| !task.is_empty()),
                duration_ms: None,
                event_ids: vec![EventId(key).to_string()],
            },
        ));
        self.case = Some(case);
    }

    pub(super) fn recover(&mut self, key: EventKey, sync: Option<&Sync>, out: &mut Vec<Output>) {
        let Some(case) = self.case.as_mut().filter(|case| case.is_open() || case.is_paused()) else { return };
        case.resolve(key, Resolution::Recovered);
        out.push(Output::Incident(case.row()));
        let broken_us = key.created_us.saturating_sub(case.opened_us());
        let failures = case.failures_in_words();
        out.push(turn(
            key,
            StageKind::Recovered,
            &Turn {
                stage: StageKind::Recovered.as_str(),
                at: time_text(key.created_us),
                summary: format!("recovered after {}{failures}", words::duration(broken_us)),
                incident_id: Some(case.id()),
                sync_id: sync.and_then(|sync| sync.id.as_ref()).map(ToString::to_string),
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
