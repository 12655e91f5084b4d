//! The built-in catalogue against its schema, its own examples and the lists of what it must cover.

use super::{
    Catalog, Symptom, Who,
    entry::RawFile,
    load::{built_in_texts, check},
};
use crate::model::Source;

fn files() -> Vec<(String, RawFile)> {
    built_in_texts()
        .into_iter()
        .map(|(name, text)| {
            let file = check(&name, text).unwrap_or_else(|error| panic!("{error}"));
            (name, file)
        })
        .collect()
}

#[test]
fn every_example_is_found_first_and_no_near_miss_at_all() {
    let catalog = Catalog::builtin();
    let mut wrong = Vec::new();
    for (name, file) in files() {
        for entry in &file.entry {
            for example in &entry.examples {
                let found = catalog.diagnose(&example.symptom(file.system));
                let first = found.first().map_or("nothing", |found| &found.entry.code);
                if first != entry.code {
                    wrong.push(format!("{name}: {} finds {first} for {example:?}", entry.code));
                }
            }
            for near in &entry.near_misses {
                let found = catalog.diagnose(&near.symptom(file.system));
                if found.iter().any(|found| found.entry.code == entry.code) {
                    wrong.push(format!("{name}: {} is found for its near miss {near:?}", entry.code));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_entry_has_examples_and_a_near_miss_and_says_one_thing() {
    let mut wrong = Vec::new();
    for (name, file) in files() {
        for entry in &file.entry {
            let mut say = |what: &str| wrong.push(format!("{name}: {}: {what}", entry.code));
            if entry.examples.len() < 2 || entry.near_misses.is_empty() {
                say("needs two examples and a near miss");
            }
            if !entry.code.starts_with(&format!("{}.", file.system.as_str())) {
                say("the code begins with another system");
            }
            if entry.transient && !matches!(entry.who, Who::Nobody | Who::Vendor) {
                say("passes by itself, yet somebody has to act");
            }
            let theirs = match file.system {
                Source::Fivetran => Who::YouInFivetran,
                Source::HerokuConnect => Who::YouInHerokuConnect,
                Source::SalesforceBackup => Who::YouInSalesforceBackup,
                Source::Code42 => Who::YouInCode42,
            };
            if entry.who.as_str().starts_with("you_in_") && entry.who != theirs {
                say("the person works in another system");
            }
            for text in entry.fix.iter().chain([&entry.cause]) {
                if !text.ends_with('.') {
                    say("a sentence without its end");
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Lines of a file, without headings.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[test]
fn what_systems_say_is_found() {
    let catalog = Catalog::builtin();
    let mut wrong = Vec::new();
    for line in lines(include_str!("tests/said.tsv")) {
        let (code, text) = line.split_once('\t').expect("a code, a tab, a text");
        let source = Source::ALL.into_iter().find(|source| code.starts_with(&format!("{}.", source.as_str())));
        assert!(source.is_some() && catalog.entries().iter().any(|entry| entry.code == code), "no entry {code}");
        let found = catalog.diagnose(&Symptom { source, ..Symptom::of_text(text) });
        let first = found.first().map_or("nothing", |found| &found.entry.code);
        if first != code {
            wrong.push(format!("{first} in place of {code}: {text}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn what_is_said_when_all_is_well_finds_nothing() {
    let catalog = Catalog::builtin();
    let of = |text| Some(catalog.diagnose(&Symptom::of_text(text)).first()?.entry.code.clone());
    let wrong: Vec<_> = lines(include_str!("tests/innocent.txt")).filter_map(|text| Some((text, of(text)?))).collect();
    assert_eq!(wrong, Vec::new());
}

#[test]
fn a_task_that_is_described_is_not_called_unknown() {
    let catalog = Catalog::builtin();
    let of = |task: &'static str| {
        let found = catalog.diagnose(&Symptom { task_type: Some(task.into()), ..Symptom::default() });
        found.iter().map(|found| found.entry.code.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of("reconnect"), ["fivetran.task.reconnect"]);
    assert_eq!(of("moon_phase_warning"), ["fivetran.task.warning_other"]);
    assert_eq!(of("choose_moon_phase"), ["fivetran.task.other"]);
}

#[test]
fn systems_are_not_mixed_up() {
    let catalog = Catalog::builtin();
    let text = "Too many sync errors. Sync operations may be disabled for up to 15 minute(s)";
    let of = |source| catalog.diagnose(&Symptom { source, ..Symptom::of_text(text) });
    assert_eq!(of(None)[0].entry.code, "heroku_connect.backoff.sync");
    assert!(of(Some(Source::Fivetran)).is_empty());
    assert!(catalog.diagnose(&Symptom::of_text("")).is_empty());
    assert!(catalog.diagnose(&Symptom::default()).is_empty());
}

#[test]
fn a_text_that_names_the_cause_comes_before_the_task_and_the_task_before_the_status() {
    let symptom = Symptom {
        source: Some(Source::Fivetran),
        event: Some("sync_end".into()),
        status: Some("FAILURE_WITH_TASK".into()),
        task_type: Some("reconnect".into()),
        text: Some("java.lang.RuntimeException: FATAL: too many connections for role \"x\"".into()),
        ..Symptom::default()
    };
    let catalog = Catalog::builtin();
    let found = catalog.diagnose(&symptom);
    let codes: Vec<&str> = found.iter().map(|found| found.entry.code.as_str()).collect();
    assert_eq!(
        codes,
        ["fivetran.postgres.too_many_connections", "fivetran.task.reconnect", "fivetran.status.failure_with_task"]
    );
    assert_eq!(found[0].matched, ["text"]);
    let vague = Symptom { text: Some("Timed out".into()), ..symptom };
    assert_eq!(
        catalog.diagnose(&vague)[0].entry.code,
        "fivetran.task.reconnect",
        "a broad text stands behind the task"
    );
}
