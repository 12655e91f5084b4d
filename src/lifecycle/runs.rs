//! Runs of transformations.
//!
//! In: starts and ends, which share the job's id and, mostly, the time of the start. Out: each run as it stands. Bounded:
//! [`OPEN_MAX`] jobs at a time.

use super::{Fact, Run, RunEvent, RunPhase, time_text, words};
use crate::model::{EventId, EventKey, Micros};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most runs that may be open at a time; the oldest gives way.
const OPEN_MAX: usize = 256;

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Open {
    anchor: EventKey,
    job: Box<str>,
    name: Option<Box<str>>,
    kind: Option<Box<str>>,
    start_us: Option<Micros>,
    started: Option<EventKey>,
    schedule: Option<Value>,
}

/// Runs that have not ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Runs(Vec<Open>);

/// The run in the public form.
#[derive(Serialize)]
struct Body<'r> {
    id: String,
    job_id: Option<&'r str>,
    name: Option<&'r str>,
    #[serde(rename = "type")]
    kind: Option<&'r str>,
    status: &'static str,
    started_at: Option<String>,
    ended_at: Option<String>,
    duration_ms: Option<Micros>,
    summary: String,
    schedule: Option<&'r Value>,
    description: Option<&'r str>,
    error: Option<&'r str>,
    steps: &'r [Value],
    missing: Vec<&'static str>,
    event_ids: Vec<String>,
}

impl Open {
    fn of(fact: &Fact, event: &RunEvent) -> Self {
        Self {
            anchor: fact.key,
            job: event.job.clone(),
            name: event.name.clone(),
            kind: event.kind.clone(),
            start_us: event.start_us,
            started: (event.phase == RunPhase::Started).then_some(fact.key),
            schedule: event.schedule.clone(),
        }
    }

    /// The run, open or ended by an event.
    fn row(&self, status: &'static str, end: Option<(&Fact, &RunEvent)>) -> Run {
        let event = end.map(|(_, event)| event);
        let started = self.start_us.or(event.and_then(|it| it.start_us)).or(self.started.map(|key| key.created_us));
        let ended = end.map(|(fact, event)| event.end_us.unwrap_or(fact.key.created_us));
        let duration = started.zip(ended).and_then(|(from, to)| to.checked_sub(from)).filter(|us| *us >= 0);
        let name = self.name.as_deref().or(event.and_then(|it| it.name.as_deref()));
        let ids = self.started.into_iter().chain(end.map(|(fact, _)| fact.key));
        let mut missing = Vec::new();
        if self.started.is_none() {
            missing.push("start");
        }
        if status == "INTERRUPTED" {
            missing.push("end");
        }
        let took = duration.map(|us| format!(" after {}", words::duration(us))).unwrap_or_default();
        let job_id = Some(&*self.job).filter(|job| !job.is_empty());
        let title = words::cut(name.or(job_id).unwrap_or("a transformation without a name"), 100);
        let body = Body {
            id: EventId(self.anchor).to_string(),
            job_id,
            name,
            kind: self.kind.as_deref().or(event.and_then(|it| it.kind.as_deref())),
            status,
            started_at: started.map(time_text),
            ended_at: ended.map(time_text),
            duration_ms: duration.map(|us| us / 1_000),
            summary: match status {
                "SUCCEEDED" => format!("{title} succeeded{took}"),
                "FAILED" => format!("{title} failed{took}"),
                "INTERRUPTED" => format!("{title} broke off: a later run started and no end was seen"),
                _ => format!("{title} is running"),
            },
            schedule: self.schedule.as_ref().or(event.and_then(|it| it.schedule.as_ref())),
            description: event.and_then(|it| it.description.as_deref()),
            error: event.and_then(|it| it.error.as_deref()),
            steps: event.map_or(&[], |it| &it.steps),
            missing,
            event_ids: ids.map(|key| EventId(key).to_string()).collect(),
        };
        Run { anchor: self.anchor, job: self.job.to_string(), status, body: super::text(&body) }
    }
}

impl Runs {
    /// Takes an event: gives every run that it changes.
    pub fn take(&mut self, fact: &Fact, event: &RunEvent) -> Vec<Run> {
        let same = |open: &Open| {
            open.job == event.job
                && (open.start_us.is_none() || event.start_us.is_none() || open.start_us == event.start_us)
        };
        match event.phase {
            RunPhase::Started => {
                let mut rows = Vec::new();
                // A job runs once at a time.
                if let Some(at) = self.0.iter().position(|open| open.job == event.job) {
                    rows.push(self.0.remove(at).row("INTERRUPTED", None));
                }
                if self.0.len() >= OPEN_MAX {
                    rows.push(self.0.remove(0).row("INTERRUPTED", None));
                }
                let open = Open::of(fact, event);
                rows.push(open.row("RUNNING", None));
                self.0.push(open);
                rows
            }
            RunPhase::Succeeded | RunPhase::Failed => {
                let status = if event.phase == RunPhase::Succeeded { "SUCCEEDED" } else { "FAILED" };
                let open = match self.0.iter().rposition(same) {
                    Some(at) => self.0.remove(at),
                    None => Open::of(fact, event),
                };
                vec![open.row(status, Some((fact, event)))]
            }
        }
    }

    /// Runs that have not ended.
    pub fn rows(&self) -> impl Iterator<Item = Run> + '_ {
        self.0.iter().map(|open| open.row("RUNNING", None))
    }
}
