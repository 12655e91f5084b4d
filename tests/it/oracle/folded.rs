//! Lives by pure fold: lines through the pipeline's understanding into facts, facts into rows.
//!
//! In: log lines. Out: for each connection everything that a fold says of it, and the same as one text in which a single
//! differing byte shows.

use lifeline::{
    lifecycle::{Activity, Day, Fact, Incident, Labels, Output, Run, Stage, StageKind, State, Summary, stage_order},
    model::{Event, EventKey, Hints, Micros, Payload, Record},
    pipeline::Understanding,
    redact::Redactor,
    validate::Schemas,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
    sync::{Arc, LazyLock},
};

/// Facts of each connection in order, repeats taken out; `None` holds those without a connection.
pub type Facts = BTreeMap<Option<String>, Vec<Fact>>;

static UNDERSTANDING: LazyLock<Understanding> =
    LazyLock::new(|| Understanding::new(Arc::new(Schemas::builtin()), Arc::new(Redactor::new([7; 32]))));

/// An event of a line.
#[track_caller]
pub fn understand(line: &str) -> (EventKey, Event) {
    let record = Record { payload: Payload::Json(line.into()), hints: Hints::default() };
    let new = UNDERSTANDING.understand(&record, None, 0).unwrap_or_else(|error| panic!("{error}: {line}"));
    (new.key, new.event)
}

/// Facts of lines, in any order and with any repeats.
pub fn facts<S: AsRef<str> + Sync>(lines: &[S]) -> Facts {
    let half = lines.len().div_ceil(2).max(1);
    let parts: Vec<Vec<(Option<String>, Fact)>> = std::thread::scope(|scope| {
        let workers: Vec<_> = lines.chunks(half).map(|part| scope.spawn(|| read(part))).collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker ends")).collect()
    });
    let mut facts = Facts::new();
    for (connection, fact) in parts.into_iter().flatten() {
        facts.entry(connection).or_default().push(fact);
    }
    for of_one in facts.values_mut() {
        of_one.sort_by_key(|fact| fact.key);
        of_one.dedup_by_key(|fact| fact.key);
    }
    facts
}

fn read<S: AsRef<str>>(lines: &[S]) -> Vec<(Option<String>, Fact)> {
    let mut labels: HashMap<Labels, Arc<Labels>> = HashMap::new();
    let mut found = Vec::with_capacity(lines.len());
    for line in lines {
        let (key, event) = understand(line.as_ref());
        let fact = Fact::of(key, &event, |event| {
            let own = Labels::of(event);
            Arc::clone(labels.entry(own.clone()).or_insert_with(|| Arc::new(own)))
        });
        found.extend(fact.map(|fact| (event.connection_id, fact)));
    }
    found
}

/// What is said of one connection.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Life {
    pub summary: Option<Summary>,
    pub stages: BTreeMap<(Micros, StageKind, i64), Stage>,
    pub incidents: BTreeMap<EventKey, Incident>,
    pub days: BTreeMap<i64, Day>,
    pub runs: BTreeMap<EventKey, Run>,
    pub activities: BTreeMap<EventKey, Activity>,
}

impl Life {
    /// Folds facts in one go.
    pub fn of(facts: &[Fact]) -> Self {
        let mut life = Growing::default();
        life.fold(facts);
        life.read()
    }

    fn put(&mut self, row: Output) {
        match row.public() {
            Output::Sync(row) => panic!("a sync that cannot be read: {row:?}"),
            Output::Stage(row) => drop(self.stages.insert(stage_order(row.anchor, row.kind), row)),
            Output::Gone(anchor, kind) => drop(self.stages.remove(&stage_order(anchor, kind))),
            Output::Incident(row) => drop(self.incidents.insert(row.anchor, row)),
            Output::Day(row) => drop(self.days.insert(row.day, row)),
            Output::Run(row) => drop(self.runs.insert(row.anchor, row)),
            Output::Activity(row) => drop(self.activities.insert(row.key, row)),
        }
    }

    /// The bodies of the stages of a kind.
    pub fn bodies(&self, kind: StageKind) -> impl Iterator<Item = (&Stage, Value)> {
        self.stages.values().filter(move |stage| stage.kind == kind).map(|stage| (stage, body(&stage.body)))
    }

    /// Everything, as one text.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let summary = self.summary.as_ref().map(|it| serde_json::to_string(it).expect("a summary is JSON"));
        let _ = writeln!(out, "{summary:?}");
        for stage in self.stages.values() {
            let _ = writeln!(
                out,
                "{:?} {} {:?} {:?} {:?} {} {}",
                stage.anchor,
                stage.kind.as_str(),
                stage.until_us,
                stage.sync_id,
                stage.status,
                stage.schema_change,
                stage.body
            );
        }
        for row in self.incidents.values() {
            let _ = writeln!(out, "{row:?}");
        }
        for row in self.days.values() {
            let _ = writeln!(out, "{row:?}");
        }
        for row in self.runs.values() {
            let _ = writeln!(out, "{row:?}");
        }
        for row in self.activities.values() {
            let _ = writeln!(out, "{row:?}");
        }
        out
    }
}

/// A body of a row.
#[track_caller]
pub fn body(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A life that is folded piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Growing {
    pub state: State,
    given: Life,
}

impl Growing {
    /// Steps on.
    pub fn fold(&mut self, facts: &[Fact]) {
        let mut out = Vec::new();
        self.state.fold(facts, &mut out);
        for row in out {
            self.given.put(row);
        }
    }

    /// Keeps the state as JSON and takes it up again, as a restart does. Gives the size.
    pub fn restart(&mut self) -> usize {
        let text = serde_json::to_vec(&self.state).expect("a state is JSON");
        self.state = serde_json::from_slice(&text).expect("a state can be taken up again");
        text.len()
    }

    /// How it stands: rows that were given out, and those that may still change.
    pub fn read(&self) -> Life {
        let mut life = self.given.clone();
        for live in self.state.live() {
            life.put(live.row);
        }
        if let Some(day) = self.state.day() {
            life.put(Output::Day(day));
        }
        life.summary = self.state.summary();
        life
    }
}

/// Splits facts at random places, but never between two of one microsecond.
pub fn cuts(facts: &[Fact], mut at: impl FnMut(usize) -> bool) -> Vec<&[Fact]> {
    let mut parts = Vec::new();
    let mut begin = 0;
    for end in 1..=facts.len() {
        let tied = end < facts.len() && facts[end].key.created_us == facts[end - 1].key.created_us;
        if !tied && (end == facts.len() || at(end)) {
            parts.push(&facts[begin..end]);
            begin = end;
        }
    }
    parts
}
