//! What the fold says, against what the generator knows.

use super::{
    account::{Account, TruthConnection, TruthSync, TruthTable, accounts, is_true, time},
    folded::{Facts, Life, facts},
    sync::Sync,
};
use lifeline::{lifecycle::StageKind, model::Micros};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::LazyLock,
};

/// An account and what the fold says of it.
pub struct Folded {
    pub account: &'static Account,
    pub facts: Facts,
    pub lives: BTreeMap<Option<String>, Life>,
}

static FOLDED: LazyLock<Vec<Folded>> = LazyLock::new(|| {
    accounts()
        .iter()
        .map(|account| {
            let facts = facts(&account.lines);
            let lives = facts.iter().map(|(id, facts)| (id.clone(), Life::of(facts))).collect();
            Folded { account, facts, lives }
        })
        .collect()
});

/// Every account, folded once for all tests.
pub fn folded() -> &'static [Folded] {
    &FOLDED
}

/// What an account's answers say of one connection, wherever they come from.
pub struct Answer {
    /// The `connection` object.
    pub connection: Value,
    /// Its syncs in order of time.
    pub syncs: Vec<Sync>,
}

impl Answer {
    pub fn of(id: &str, life: &Life, now: Micros) -> Self {
        let mut summary = life.summary.clone().expect("a life with facts has a summary");
        id.clone_into(&mut summary.connection_id);
        let syncs = life.bodies(StageKind::Sync).map(|(_, body)| Sync::of(&body)).collect();
        Self { connection: summary.json(now), syncs }
    }
}

/// Every way in which answers differ from the truth.
pub fn differences(account: &Account, answers: &BTreeMap<String, Answer>) -> Vec<String> {
    let mut found = Vec::new();
    let truth: BTreeSet<&str> = account.connections.iter().map(|it| it.connection_id.as_str()).collect();
    for id in answers.keys().filter(|id| !truth.contains(id.as_str())) {
        found.push(format!("{id}: a connection that does not exist"));
    }
    let mut syncs: HashMap<&str, Vec<&TruthSync>> = HashMap::new();
    for sync in &account.syncs {
        syncs.entry(&sync.connection_id).or_default().push(sync);
    }
    let mut tables: HashMap<(&str, &str, &str), Vec<&TruthTable>> = HashMap::new();
    for table in &account.tables {
        tables.entry((&table.connection_id, &table.sync_id, &table.sync_started)).or_default().push(table);
    }
    for connection in &account.connections {
        let id = connection.connection_id.as_str();
        let mut say = |what: String| found.push(format!("{} {id} ({}): {what}", account.name, connection.scenario));
        let Some(answer) = answers.get(id) else {
            say("not known".to_owned());
            continue;
        };
        standing(connection, &answer.connection, &mut say);
        let mine = syncs.get(id).map(Vec::as_slice).unwrap_or_default();
        let matched = match_syncs(mine, &answer.syncs, &mut say);
        for (truth, ours) in matched {
            sync(account, truth, ours, mine, &answer.connection, &mut say);
            let key = (id, truth.sync_id.as_str(), truth.started.as_str());
            sums(account, tables.get(&key).map(Vec::as_slice).unwrap_or_default(), ours, &mut say);
        }
    }
    found
}

fn standing(truth: &TruthConnection, ours: &Value, say: &mut impl FnMut(String)) {
    let (health, status) = (&ours["health"], &ours["status"]);
    if truth.truth_health == "rescheduled" {
        if (status.as_str(), health.as_str()) != (Some("rescheduled"), Some("connected")) {
            say(format!("rescheduled, and we say {status} {health}"));
        }
        if ours["rescheduled_at"].is_null() {
            say("rescheduled until when?".to_owned());
        }
    } else if *health != truth.truth_health.as_str() {
        say(format!("health is {}, and we say {health} ({status})", truth.truth_health));
    }
    if let (Some(status), Some(health)) = (status.as_str(), health.as_str())
        && !fits(status, health)
    {
        say(format!("status {status} with health {health}"));
    }
    for (what, truth, ours) in [
        ("last_sync_started_at", &truth.last_started_at, &ours["last_sync_started_at"]),
        ("last_sync_completed_at", &truth.last_finished_at, &ours["last_sync_completed_at"]),
        ("last_successful_sync_completed_at", &truth.last_successful_at, &ours["last_successful_sync_completed_at"]),
    ] {
        if time(truth) != ours.as_str().and_then(time) {
            say(format!("{what} is {truth:?}, and we say {ours}"));
        }
    }
    let counts = &ours["syncs"];
    for (what, truth) in [("total", truth.syncs), ("failed", truth.failed)] {
        if counts[what] != truth {
            say(format!("{truth} syncs {what}, and we say {}", counts[what]));
        }
    }
    if is_true(&truth.running_now) != ours["running_syncs"].as_array().is_some_and(|it| !it.is_empty())
        && health != "deleted"
    {
        say(format!("running is {}, and we say {}", truth.running_now, ours["running_syncs"]));
    }
    if ours["connection_name"] != truth.connection_name.as_str() {
        say(format!("its name is {}, and we say {}", truth.connection_name, ours["connection_name"]));
    }
}

/// Whether a status can go with a health.
pub fn fits(status: &str, health: &str) -> bool {
    let of_status: &[&str] = match status {
        "new" | "setup_incomplete" => &["incomplete"],
        "paused" => &["paused"],
        "initial_sync" => &["initial sync in progress", "priority first sync"],
        "syncing" => &["connected", "priority first sync", "initial sync in progress"],
        // The newest data are there: connected, while history follows.
        "connected" => &["connected", "priority first sync"],
        "rescheduled" => &["connected"],
        "broken" => &["broken"],
        "deleted" => &["deleted"],
        _ => &[],
    };
    of_status.contains(&health)
}

/// Pairs syncs by id, those without one by their start; tells of those that only one side has.
fn match_syncs<'t, 'o>(
    truth: &[&'t TruthSync],
    ours: &'o [Sync],
    say: &mut impl FnMut(String),
) -> Vec<(&'t TruthSync, &'o Sync)> {
    let mut open: HashMap<(Option<&str>, Option<Micros>), Vec<&Sync>> = HashMap::new();
    for sync in ours {
        let key = sync.id.as_deref().map_or((None, Some(sync.at)), |id| (Some(id), None));
        open.entry(key).or_default().push(sync);
    }
    let mut matched = Vec::new();
    for sync in truth {
        let key =
            if sync.sync_id.is_empty() { (None, time(&sync.started)) } else { (Some(sync.sync_id.as_str()), None) };
        match open.get_mut(&key).and_then(Vec::pop) {
            Some(ours) => matched.push((*sync, ours)),
            // Of a sync that the opening of the log cut, only the end may be left: then nothing tells when it began.
            None if sync.sync_id.is_empty() && !is_true(&sync.start_logged) => {}
            None => say(format!("sync {} of {} is missing", sync.sync_id, sync.started)),
        }
    }
    for sync in open.into_values().flatten() {
        let cut = |truth: &&TruthSync| truth.sync_id.is_empty() && !is_true(&truth.start_logged);
        if !(sync.id.is_none() && !sync.start_seen && truth.iter().any(cut)) {
            say(format!("sync {:?} of {} does not exist", sync.id, sync.body["at"]));
        }
    }
    matched
}

fn sync(
    account: &Account,
    truth: &TruthSync,
    ours: &Sync,
    all: &[&TruthSync],
    connection: &Value,
    say: &mut impl FnMut(String),
) {
    let name = format!("sync {} of {}", truth.sync_id, truth.started);
    let started = time(&truth.started).expect("a sync starts");
    if is_true(&truth.start_logged) != ours.start_seen {
        say(format!("{name}: start logged is {}, and we say {}", truth.start_logged, ours.start_seen));
    } else if ours.start_seen && started != ours.at {
        say(format!("{name}: we say {}", ours.body["at"]));
    }
    let ended = time(&truth.ended);
    if truth.status.is_empty() {
        // Nothing more is known of it once a later one has begun.
        let last = ours.body["last_event_at"].as_str().and_then(time).unwrap_or(started);
        let later = all.iter().filter(|other| time(&other.started).is_some_and(|at| at > last && at > started));
        let over = later.count() > 0;
        let deleted = connection["status"] == "deleted";
        let fits = match ours.status.as_str() {
            "RUNNING" => !over,
            "INTERRUPTED" => over || deleted,
            _ => false,
        };
        if !fits {
            say(format!("{name}: no end was seen (later ones: {over}), and we say {}", ours.status));
        }
        if ours.status == "RUNNING" && ours.until.is_some() {
            say(format!("{name}: runs, and ended at {}", ours.body["until"]));
        }
    } else {
        if truth.status != ours.status {
            say(format!("{name}: ended {}, and we say {}", truth.status, ours.status));
        }
        if ended != ours.until {
            say(format!("{name}: ended {}, and we say {}", truth.ended, ours.body["until"]));
        }
    }
    if truth.rows != ours.rows() {
        say(format!("{name}: {} rows, and we say {}", truth.rows, ours.rows()));
    }
    let _ = account;
}

fn sums(account: &Account, truth: &[&TruthTable], ours: &Sync, say: &mut impl FnMut(String)) {
    for table in truth {
        let name = format!("sync {} of {} {}.{}", table.sync_id, table.sync_started, table.schema, table.table);
        let Some(found) = ours.tables.get(&(table.schema.clone(), table.table.clone())) else {
            say(format!("{name} is missing"));
            continue;
        };
        for (operation, truth) in [
            ("REPLACED_OR_INSERTED", table.replaced_or_inserted),
            ("UPDATED", table.updated),
            ("DELETED", table.deleted),
        ] {
            if truth != found.sum(operation) {
                say(format!("{name}: {operation} {truth}, and we say {}", found.sum(operation)));
            }
        }
        // The log begins thirty days before `now`; what was before is not in it.
        let begin = account.now - 30 * 86_400_000_000;
        let logged = |text: &str| time(text).filter(|at| (begin..=account.now).contains(at));
        if let Some(start) = logged(&table.write_start)
            && Some(start) != found.write_start
        {
            say(format!("{name}: writing began {}, and we say {:?}", table.write_start, found.write_start));
        }
        if let Some(end) = logged(&table.write_end)
            && Some(end) != found.write_end
        {
            say(format!("{name}: writing ended {}, and we say {:?}", table.write_end, found.write_end));
        }
    }
    for key in ours.tables.keys() {
        let known = truth.iter().any(|table| (&table.schema, &table.table) == (&key.0, &key.1));
        if !known && ours.tables[key].rows.values().any(|n| *n > 0) {
            say(format!("sync {:?} of {}: no rows went to {key:?}", ours.id, ours.body["at"]));
        }
    }
}

/// Fails with the first of many differences.
#[track_caller]
pub fn assert_none(differences: &[String]) {
    let shown: Vec<&str> = differences.iter().take(40).map(String::as_str).collect();
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), shown.join("\n"));
}

/// Answers of a pure fold, for every connection that it knows.
pub fn answers_of(folded: &Folded) -> BTreeMap<String, Answer> {
    let known = folded.lives.iter().filter_map(|(id, life)| Some((id.clone()?, life)));
    known.map(|(id, life)| (id.clone(), Answer::of(&id, life, folded.account.now))).collect()
}

#[test]
fn every_connection_sync_and_sum_is_as_the_generator_knows_it() {
    for folded in folded() {
        assert_none(&differences(folded.account, &answers_of(folded)));
        println!(
            "{}: {} connections, {} syncs, {} sums are as they should be",
            folded.account.name,
            folded.account.connections.len(),
            folded.account.syncs.len(),
            folded.account.tables.len()
        );
    }
}
