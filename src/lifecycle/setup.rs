//! Setup tests: one stage for each time that they were run.
//!
//! In: the start of a run of tests, and the outcome of each. Out: the stage so far. Bounded: [`TESTS_MAX`] tests are quoted.

use super::{Action, Fact, Stage, StageKind, TestResult, time_text, words};
use crate::model::{EventId, EventKey, Micros};
use serde::{Deserialize, Serialize};

/// Most tests that are quoted; the others are counted.
const TESTS_MAX: usize = 50;
/// Outcomes further apart than this belong to two runs. The documentation gives none; tests take seconds.
const RUN_US: Micros = 15 * 60 * 1_000_000;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Test {
    name: Option<Box<str>>,
    outcome: Box<str>,
    message: Option<Box<str>>,
    at: Micros,
    event: EventKey,
}

/// One run of the tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetupTests {
    anchor: EventKey,
    until: Micros,
    actor: Option<Box<str>>,
    announced: Option<u32>,
    passed: u32,
    failed: u32,
    tests: Vec<Test>,
    /// The event that announced them.
    start: Option<EventKey>,
}

#[derive(Serialize)]
struct TestView<'t> {
    name: Option<&'t str>,
    outcome: &'t str,
    message: Option<&'t str>,
    at: String,
    event_id: String,
}

#[derive(Serialize)]
struct Body<'t> {
    stage: &'static str,
    at: String,
    until: String,
    actor: Option<&'t str>,
    passed: u32,
    failed: u32,
    announced: Option<u32>,
    summary: String,
    tests: Vec<TestView<'t>>,
    event_ids: Vec<String>,
}

impl SetupTests {
    fn new(fact: &Fact, action: &Action) -> Self {
        Self {
            anchor: fact.key,
            until: fact.key.created_us,
            actor: action.actor.clone(),
            announced: None,
            passed: 0,
            failed: 0,
            tests: Vec::new(),
            start: None,
        }
    }

    /// A run that was announced.
    pub fn announced(fact: &Fact, action: &Action, tests: Option<u32>) -> Self {
        Self { announced: tests, start: Some(fact.key), ..Self::new(fact, action) }
    }

    /// Whether an outcome now would belong to another run.
    pub fn is_over(&self, now: Micros) -> bool {
        now.saturating_sub(self.until) > RUN_US
    }

    /// Takes an outcome into the current run, or into a new one.
    pub fn take(current: Option<Self>, fact: &Fact, result: &TestResult) -> Self {
        let at = fact.key.created_us;
        let mut run = current.filter(|run| !run.is_over(at)).unwrap_or_else(|| Self::new(fact, &result.action));
        run.until = at;
        let outcome = if result.passed { &mut run.passed } else { &mut run.failed };
        *outcome = outcome.saturating_add(1);
        if run.tests.len() < TESTS_MAX {
            run.tests.push(Test {
                name: result.name.clone(),
                outcome: if result.passed { "passed" } else { "failed" }.into(),
                message: result.message.clone().filter(|text| !text.is_empty()),
                at,
                event: fact.key,
            });
        }
        run
    }

    /// Whether every test passed when it ran last.
    pub fn all_pass(&self) -> bool {
        self.failing().is_none()
    }

    /// The first test whose last outcome is a failure.
    fn failing(&self) -> Option<&Test> {
        let last = |test: &&Test| self.tests.iter().rfind(|it| it.name == test.name) == Some(*test);
        self.tests.iter().filter(last).find(|test| &*test.outcome == "failed")
    }

    /// Its first event.
    pub fn anchor(&self) -> EventKey {
        self.anchor
    }

    /// Its stage.
    pub fn stage(&self) -> Stage {
        let ids = self.start.into_iter().chain(self.tests.iter().map(|test| test.event));
        let body = Body {
            stage: StageKind::SetupTests.as_str(),
            at: time_text(self.anchor.created_us),
            until: time_text(self.until),
            actor: self.actor.as_deref(),
            passed: self.passed,
            failed: self.failed,
            announced: self.announced,
            summary: self.summary(),
            tests: self
                .tests
                .iter()
                .map(|test| TestView {
                    name: test.name.as_deref(),
                    outcome: &test.outcome,
                    message: test.message.as_deref(),
                    at: time_text(test.at),
                    event_id: EventId(test.event).to_string(),
                })
                .collect(),
            event_ids: ids.map(|key| EventId(key).to_string()).collect(),
        };
        Stage {
            anchor: self.anchor,
            kind: StageKind::SetupTests,
            until_us: Some(self.until),
            sync_id: None,
            status: None,
            schema_change: false,
            body: super::text(&body),
        }
    }

    fn summary(&self) -> String {
        let ran = self.passed.saturating_add(self.failed);
        if ran == 0 {
            let tests = self.announced.map_or("setup tests".to_owned(), |n| words::count(n.into(), "setup test"));
            return format!("{tests} started, no outcome seen");
        }
        let of = |n: u32| words::count(n.into(), "setup test");
        let announced = match self.announced {
            Some(announced) if announced > ran => format!(", {announced} were announced"),
            _ => String::new(),
        };
        match self.failing() {
            None if self.failed > 0 => format!("{} passed in the end{announced}", of(self.passed)),
            None => format!("{} passed{announced}", of(self.passed)),
            Some(test) => {
                let why = test.message.as_deref().map(|text| format!(" ({text})")).unwrap_or_default();
                let name = test.name.as_deref().unwrap_or("a test without a name");
                let how_many =
                    if ran == 1 { "setup test".to_owned() } else { format!("{} of {ran} setup tests", self.failed) };
                words::cut(&format!("{how_many} failed: {name}{why}"), 300)
            }
        }
    }
}
