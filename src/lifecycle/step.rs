//! One fact and what it does to a life.
//!
//! In: a fact. Out: the state after it, and rows. There is an arm for every signal and no catch-all, so that a new one
//! forces a decision.

use super::{
    Edit, Fact, Output, Signal, Stage, StageKind,
    deeds::Deed,
    incidents::Resolution,
    setup::SetupTests,
    stage::Activity,
    state::{Settled, State},
    sync::TriggerKind,
    time_text,
};
use crate::model::{EventId, EventKey, Micros};
use serde::Serialize;

/// Stages that are made of nothing but a moment of a sync.
#[derive(Serialize)]
pub struct Turn<'t> {
    pub stage: &'static str,
    pub at: String,
    pub summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_type: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<Micros>,
    pub event_ids: Vec<String>,
}

/// Such a stage.
pub fn turn(key: EventKey, kind: StageKind, body: &Turn<'_>) -> Output {
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

/// What the stage "created" says where setup tests are the reason.
pub const TESTS_PASSED: &str = "setup tests passed, connection created";

/// The stage "created".
pub fn created(key: EventKey, summary: &str) -> Output {
    turn(
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
    )
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
                if self.deed(fact, out) && self.deleted_us.is_some() {
                    self.begin_anew();
                }
                self.created_us.get_or_insert(at);
                self.take_edit(edit);
                true
            }
            Signal::TestsStarted(action, tests) => {
                let run = SetupTests::announced(fact, action, *tests);
                self.passed = None;
                out.push(Output::Stage(run.stage()));
                self.tests = Some(run);
                true
            }
            Signal::Tested(result) => {
                let run = SetupTests::take(self.tests.take(), fact, result);
                out.push(Output::Stage(run.stage()));
                let all_pass = run.all_pass();
                self.tests = Some(run);
                if all_pass {
                    self.setup_status = Some("connected".into());
                    if self.set_up(fact.key, TESTS_PASSED, out) {
                        self.passed = Some(fact.key);
                    }
                } else {
                    if let Some(too_early) = self.passed.take() {
                        self.set_up = false;
                        out.push(Output::Gone(too_early, StageKind::Created));
                    }
                    let ran = self.counts.total > self.total_before;
                    self.setup_status = Some(if ran { "broken" } else { "incomplete" }.into());
                }
                true
            }
            Signal::Resync(resync) => {
                // Fivetran forces one when the schema has changed.
                if self.deed(fact, out) && resync.action.channel == super::Channel::Connector {
                    self.count_schema_change(at);
                }
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
                // The twin of a deletion says nothing of a connection that was created again since.
                if self.deed(fact, out) {
                    self.deleted_us.get_or_insert(at);
                    self.resolve(fact.key, Resolution::Deleted, out);
                    self.syncs.break_off(at, out);
                }
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
            Signal::News(news) => self.news(fact, news, out),
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

    /// The stage "created", once, where the creation itself was seen. Whether it is so now for the first time.
    fn set_up(&mut self, key: EventKey, summary: &str, out: &mut Vec<Output>) -> bool {
        if self.set_up || self.created_us.is_none() {
            return false;
        }
        self.set_up = true;
        out.push(created(key, summary));
        true
    }

    fn pause(&mut self, key: EventKey, paused: bool, out: &mut Vec<Output>) {
        self.paused = paused;
        if paused {
            self.resolve(key, Resolution::Paused, out);
        } else if self.settled == Some(Settled::Failure)
            && self.deleted_us.is_none()
            && let Some(case) = &mut self.case
            && case.reopen()
        {
            out.push(Output::Incident(case.row()));
        }
    }
}
