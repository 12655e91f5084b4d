//! `diagnosis` for stages and incidents that are written already.
//!
//! In: texts of the fold. Out: the same texts, those that are about a problem with one member more. What succeeded without a warning
//! is passed on without being read. The fold keeps the beginning of a long text only; the whole of it, and what the beginning does not
//! explain, is taken from the events that the stage or incident names. Bounded: [`EVIDENCE_MAX`] events of each.

use super::{Diagnoser, Found};
use crate::{
    diagnose::Symptom,
    lifecycle::{Stage, StageKind},
    model::{EventId, Source, StoredEvent},
};
use memchr::memmem;
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;

/// How the fold writes that an incident has none yet, at its end.
const NO_DIAGNOSIS: &str = "\"diagnosis\":null}";

/// Bytes of a text from which on the fold may have cut it.
const LONG_BYTES: usize = 1_000;

/// Most events of a stage or an incident that are looked at, the newest first.
const EVIDENCE_MAX: usize = 8;

/// Gives an event that a stage or an incident names; none for one that is gone.
pub type Events<'e> = dyn Fn(EventId) -> Option<StoredEvent> + 'e;

/// How a sync is written that had neither a warning nor an error.
const QUIET: &[u8] = b"\"warnings\":0,\"errors\":0,";

#[derive(Deserialize)]
struct Message<'t> {
    #[serde(borrow)]
    level: Cow<'t, str>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'t, str>>,
    #[serde(borrow)]
    text: Option<Cow<'t, str>>,
    #[serde(borrow)]
    event_id: Option<Cow<'t, str>>,
}

#[derive(Deserialize)]
struct Test<'t> {
    #[serde(borrow)]
    name: Option<Cow<'t, str>>,
    #[serde(borrow)]
    outcome: Cow<'t, str>,
    #[serde(borrow)]
    message: Option<Cow<'t, str>>,
}

/// What stages and incidents say of a problem.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'t> {
    #[serde(borrow)]
    status: Option<Cow<'t, str>>,
    #[serde(borrow)]
    reason: Option<Cow<'t, str>>,
    #[serde(borrow)]
    task_type: Option<Cow<'t, str>>,
    #[serde(borrow)]
    cause: Option<Cow<'t, str>>,
    #[serde(borrow)]
    table: Option<Cow<'t, str>>,
    #[serde(borrow)]
    messages: Vec<Message<'t>>,
    #[serde(borrow)]
    tests: Vec<Test<'t>>,
    #[serde(borrow)]
    event_ids: Vec<Cow<'t, str>>,
}

/// The events that are named, the newest first. One that is gone is passed over: what is written still speaks.
fn evidence<'a>(
    events: &'a Events<'_>,
    ids: impl DoubleEndedIterator<Item = &'a str> + 'a,
) -> impl Iterator<Item = StoredEvent> + 'a {
    ids.rev().take(EVIDENCE_MAX).filter_map(|id| id.parse().ok()).filter_map(events)
}

/// The whole of a text of which the fold may have kept the beginning, from the event that said it.
fn whole<'t, 'a>(
    events: &'a Events<'_>,
    ids: impl DoubleEndedIterator<Item = &'a str> + 'a,
    kept: Cow<'t, str>,
) -> Cow<'t, str> {
    if kept.len() < LONG_BYTES {
        return kept;
    }
    let said = evidence(events, ids).find_map(|stored| {
        let text = Symptom::of_event(&stored.event).text?;
        text.trim_start().starts_with(&*kept).then(|| text.into_owned())
    });
    said.map_or(kept, Cow::Owned)
}

impl<'t> Body<'t> {
    /// Of a stage or an incident, its reason in full.
    fn read(events: &Events<'_>, text: &'t str) -> Option<Self> {
        let mut body: Self = serde_json::from_str(text).ok()?;
        if let Some(reason) = body.reason.take() {
            // Errors of a sync stand before its end.
            let errors = body.messages.iter().filter_map(|message| message.event_id.as_deref());
            let reason = whole(events, errors.chain(body.event_ids.iter().map(AsRef::as_ref)), reason);
            body.reason = Some(reason);
        }
        Some(body)
    }
}

/// A failed end: with a task where there is one.
fn failed<'t>(source: Option<Source>, task_type: Option<Cow<'t, str>>, reason: Option<Cow<'t, str>>) -> Symptom<'t> {
    let status = if task_type.is_some() { "FAILURE_WITH_TASK" } else { "FAILURE" };
    Symptom {
        source,
        event: Some("sync_end".into()),
        status: Some(status.into()),
        task_type,
        text: reason,
        ..Symptom::default()
    }
}

impl Message<'_> {
    fn symptom<'m>(&'m self, events: &'m Events<'_>, source: Source) -> Symptom<'m> {
        Symptom {
            source: Some(source),
            event: Some(self.level.as_ref().into()),
            kind: self.kind.as_deref().map(Into::into),
            level: Some(if self.level == "error" { "SEVERE" } else { "WARNING" }.into()),
            text: self.text.as_deref().map(|text| whole(events, self.event_id.as_deref().into_iter(), text.into())),
            ..Symptom::default()
        }
    }
}

/// An object with `diagnosis` behind its other members.
fn with<'t>(body: &'t str, diagnosis: Option<&str>) -> Cow<'t, str> {
    match (body.strip_suffix('}'), diagnosis) {
        (Some(open), Some(diagnosis)) => Cow::Owned([open, ",\"diagnosis\":", diagnosis, "}"].concat()),
        _ => Cow::Borrowed(body),
    }
}

/// What a sync says of its end, as it is written: `"reason":…,"task_type":…`. Quotes within texts are escaped, so that the names of
/// members stand nowhere else. `None` where the fold wrote it otherwise or may have cut the reason.
fn written_end(body: &str) -> Option<&str> {
    let from = memmem::find(body.as_bytes(), b",\"reason\":")?;
    let length = memmem::find(&body.as_bytes()[from..], b",\"rescheduled_at\":")?;
    (length < LONG_BYTES).then(|| &body[from..from + length])
}

/// Whether a sync that ended, or goes on, like this has no trouble of its own.
fn is_fine(status: &str) -> bool {
    ["SUCCESSFUL", "RUNNING"].iter().any(|fine| status.eq_ignore_ascii_case(fine))
}

/// Whether a stage may be about a problem, by what is known without reading it.
fn may_trouble(stage: &Stage) -> bool {
    match stage.kind {
        StageKind::Sync => {
            !stage.status.as_deref().is_some_and(is_fine) || memmem::rfind(stage.body.as_bytes(), QUIET).is_none()
        }
        StageKind::Broken | StageKind::SetupTests | StageKind::Paused | StageKind::ResyncTriggered => true,
        _ => false,
    }
}

impl Diagnoser {
    /// A stage as answers show it.
    #[must_use]
    pub fn stage<'t>(&self, events: &Events<'_>, source: Source, stage: &'t Stage) -> Cow<'t, str> {
        if !may_trouble(stage) {
            return Cow::Borrowed(&stage.body);
        }
        let end = (stage.kind == StageKind::Sync).then(|| written_end(&stage.body)).flatten();
        let end = end.zip(stage.status.as_deref()).map(|(end, status)| format!("{} {status}{end}", source.as_str()));
        // Ends that read the same mean the same, when they say enough; the body need not be read then.
        if let Some(place) = end.as_deref().and_then(|end| self.ends.get(end)) {
            return with(&stage.body, Some(&self.texts[place]));
        }
        let Some(body) = Body::read(events, &stage.body) else {
            return Cow::Borrowed(&stage.body);
        };
        let found = match stage.kind {
            StageKind::Sync if end.is_some() => match self.end(source, &body) {
                Some(found) if found.telling => {
                    end.into_iter().for_each(|end| self.ends.put(end, found.place));
                    Some(&*self.texts[found.place])
                }
                _ => self.sync(events, source, &body),
            },
            StageKind::Sync => self.sync(events, source, &body),
            StageKind::Broken => self.broken(events, Some(source), body),
            StageKind::SetupTests => body.tests.iter().filter(|test| test.outcome == "failed").find_map(|test| {
                let text = [test.name.as_deref(), test.message.as_deref()];
                self.text(&Symptom {
                    source: Some(source),
                    event: Some("connection_failure".into()),
                    text: Some(text.into_iter().flatten().collect::<Vec<_>>().join(": ").into()),
                    ..Symptom::default()
                })
            }),
            StageKind::Paused => body.reason.and_then(|reason| {
                self.text(&Symptom { source: Some(source), text: Some(reason), ..Symptom::default() })
            }),
            // Those that a person asked for have no cause.
            StageKind::ResyncTriggered => body.cause.and_then(|cause| {
                let event = if body.table.is_some() { "forced_resync_table" } else { "forced_resync_connector" };
                self.text(&Symptom {
                    source: Some(source),
                    event: Some(event.into()),
                    kind: Some(cause),
                    text: body.reason,
                    ..Symptom::default()
                })
            }),
            _ => None,
        };
        with(&stage.body, found)
    }

    /// An entry for how a sync ended; none for one that ended well.
    fn end(&self, source: Source, body: &Body<'_>) -> Option<Found> {
        let status = body.status.as_deref().filter(|status| !is_fine(status))?;
        let symptom = Symptom {
            source: Some(source),
            event: Some("sync_end".into()),
            status: Some(status.into()),
            task_type: body.task_type.as_deref().map(Into::into),
            text: body.reason.as_deref().map(Into::into),
            ..Symptom::default()
        };
        self.find(&symptom)
    }

    /// A sync by how it ended; where that says little, by its errors, and at last by its warnings.
    fn sync(&self, events: &Events<'_>, source: Source, body: &Body<'_>) -> Option<&str> {
        let of = |level: &'static str| body.messages.iter().filter(move |message| message.level == level);
        if body.status.as_deref().is_none_or(is_fine) {
            return of("error").chain(of("warning")).find_map(|message| self.text(&message.symptom(events, source)));
        }
        let by_end = self.end(source, body);
        let errors = || {
            of("error").find_map(|message| self.find(&message.symptom(events, source)).filter(|found| found.telling))
        };
        let found = by_end.filter(|found| found.telling).or_else(errors).or(by_end);
        found.map(|found| &*self.texts[found.place])
    }

    /// What broke: by its reason, and where that says nothing by the events that it was taken from.
    fn broken(&self, events: &Events<'_>, source: Option<Source>, body: Body<'_>) -> Option<&str> {
        let found = self.find(&failed(source, body.task_type, body.reason)).or_else(|| {
            let ids = body.event_ids.iter().map(AsRef::as_ref);
            evidence(events, ids).find_map(|stored| self.find(&Symptom::of_event(&stored.event)))
        });
        found.map(|found| &*self.texts[found.place])
    }

    /// An incident as answers show it.
    #[must_use]
    pub fn incident<'t>(&self, events: &Events<'_>, source: Option<Source>, body: &'t str) -> Cow<'t, str> {
        let Some(read) = Body::read(events, body) else { return Cow::Borrowed(body) };
        match (body.strip_suffix(NO_DIAGNOSIS), self.broken(events, source, read)) {
            (Some(open), Some(found)) => Cow::Owned([open, "\"diagnosis\":", found, "}"].concat()),
            _ => Cow::Borrowed(body),
        }
    }

    /// An incident that is a value already.
    pub fn incident_value(&self, events: &Events<'_>, source: Source, incident: &mut Value) {
        let text = incident.to_string();
        let found = Body::read(events, &text).and_then(|read| self.broken(events, Some(source), read));
        if let Some(object) = incident.as_object_mut()
            && let Some(diagnosis) = found.and_then(|found| serde_json::from_str(found).ok())
        {
            object.insert("diagnosis".to_owned(), diagnosis);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{lifecycle::Incident, model::EventKey, query::lives::fake};
    use serde_json::json;

    fn code(text: &str) -> Option<String> {
        let value: Value = serde_json::from_str(text).expect("an object");
        value["diagnosis"]["code"].as_str().map(str::to_owned)
    }

    #[track_caller]
    fn check(kind: StageKind, status: Option<&str>, body: Value, expected: Option<&str>) {
        let mut stage = fake::stage(kind, 5, None, status);
        stage.body = body.to_string();
        let text = Diagnoser::builtin().stage(&|_| None, Source::Fivetran, &stage).into_owned();
        assert_eq!(code(&text).as_deref(), expected, "{text}");
    }

    #[test]
    fn syncs_are_diagnosed_by_their_end_then_their_errors_then_their_warnings() {
        let quiet = json!({"status": "SUCCESSFUL", "warnings": 0, "errors": 0, "messages": []});
        check(StageKind::Sync, Some("SUCCESSFUL"), quiet, None);
        let failed =
            json!({"status": "FAILURE", "reason": "connect timed out", "warnings": 0, "errors": 0, "messages": []});
        check(StageKind::Sync, Some("FAILURE"), failed, Some("fivetran.network.connect_timeout"));
        let messages = json!([{"level": "error", "type": null, "text": "Connection reset by peer", "table": null}]);
        let vague =
            json!({"status": "FAILURE", "reason": "it broke", "warnings": 0, "errors": 1, "messages": messages});
        check(StageKind::Sync, Some("FAILURE"), vague, Some("fivetran.network.reset"));
        let nothing = json!({"status": "FAILURE", "reason": null, "warnings": 0, "errors": 0, "messages": []});
        check(StageKind::Sync, Some("FAILURE"), nothing, Some("fivetran.status.failure"));
        let messages = json!([{"level": "warning", "type": "skip_table", "text": "No changed data", "table": "a"}]);
        let warned = json!({"status": "SUCCESSFUL", "warnings": 1, "errors": 0, "messages": messages});
        check(StageKind::Sync, Some("SUCCESSFUL"), warned, Some("fivetran.warning.skip_table"));
        let task = json!({"status": "FAILURE_WITH_TASK", "task_type": "reconnect", "reason": "x", "messages": []});
        check(StageKind::Sync, Some("FAILURE_WITH_TASK"), task, Some("fivetran.task.reconnect"));
    }

    #[test]
    fn an_end_that_was_seen_before_means_the_same() {
        let diagnoser = Diagnoser::builtin();
        let sync = |reason: &str, task: &str, messages: &str| {
            let mut stage = fake::stage(StageKind::Sync, 5, None, Some("FAILURE"));
            stage.body = format!(
                r#"{{"stage":"sync","status":"FAILURE","summary":"x,\"reason\":1","reason":"{reason}","task_type":{task},"rescheduled_at":null,"warnings":0,"errors":1,"messages":{messages}}}"#
            );
            code(&diagnoser.stage(&|_| None, Source::Fivetran, &stage))
        };
        let broken = r#"[{"level":"error","type":null,"text":"Broken pipe"}]"#;
        for _ in 0..3 {
            assert_eq!(sync("Connection refused", "null", broken).as_deref(), Some("fivetran.network.refused"));
            assert_eq!(sync("timed out", r#""reconnect""#, "[]").as_deref(), Some("fivetran.task.reconnect"));
            assert_eq!(sync("it broke", "null", broken).as_deref(), Some("fivetran.network.reset"));
            assert_eq!(sync("it broke", "null", "[]").as_deref(), Some("fivetran.status.failure"));
        }
        assert!(diagnoser.ends.get("fivetran FAILURE,\"reason\":\"Connection refused\",\"task_type\":null").is_some());
        assert!(diagnoser.ends.get("fivetran FAILURE,\"reason\":\"it broke\",\"task_type\":null").is_none());
    }

    #[test]
    fn other_stages_are_diagnosed_where_they_tell_of_a_problem() {
        let tests = json!([{"name": "Validating credentials", "outcome": "failed", "message": "wrong password"}]);
        let setup = json!({"stage": "setup_tests", "tests": tests});
        check(StageKind::SetupTests, None, setup, Some("fivetran.setup.credentials"));
        let paused = json!({"reason": "Connector is paused because trial period has ended"});
        check(StageKind::Paused, None, paused, Some("fivetran.reason.paused_trial_ended"));
        check(StageKind::Paused, None, json!({"reason": null}), None);
        check(
            StageKind::ResyncTriggered,
            None,
            json!({"cause": "STRATEGY", "table": "a"}),
            Some("fivetran.resync.strategy"),
        );
        check(StageKind::ResyncTriggered, None, json!({"table": "a"}), None);
        let broken = json!({"reason": "x", "task_type": "update_service_account"});
        check(StageKind::Broken, None, broken, Some("fivetran.task.update_service_account"));
        check(StageKind::Modified, None, json!({"reason": "connect timed out"}), None);
    }

    #[test]
    fn an_incident_gets_its_diagnosis_in_place() {
        let diagnoser = Diagnoser::builtin();
        let incident = Incident {
            anchor: EventKey { created_us: 1, hash: 1 },
            resolved_us: None,
            failures: 1,
            body: r#"{"id":"a","reason":"Your credentials have expired.","task_type":"reconnect","diagnosis":null}"#
                .into(),
        };
        let text = diagnoser.incident(&|_| None, Some(Source::Fivetran), &incident.body);
        assert_eq!(code(&text).as_deref(), Some("fivetran.task.reconnect"));
        assert_eq!(text.matches("\"diagnosis\"").count(), 1);
        let mut value: Value = serde_json::from_str(&incident.body).expect("an object");
        diagnoser.incident_value(&|_| None, Source::Fivetran, &mut value);
        let parsed: Value = serde_json::from_str(&text).expect("an object");
        assert_eq!(value, parsed);
        let other = diagnoser.incident(&|_| None, Some(Source::Code42), &incident.body);
        assert_eq!(code(&other), None, "what Fivetran asks for is nothing that Code42 knows");
    }
}
