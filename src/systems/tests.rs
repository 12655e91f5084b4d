//! Simulated logs of every neighbour are read without a rest.

use super::{Reading, read};
use crate::{
    model::{Hints, Payload, Record, Source, Timestamp},
    simulate::{NeighbourLog, SimOptions},
    validate::Schemas,
};
use std::collections::BTreeMap;

/// Names of the events of a simulated log, counted; every one is valid.
fn names(source: Source) -> BTreeMap<String, usize> {
    let schemas = Schemas::builtin();
    let options = SimOptions { connections: 5, events_max: Some(1_500), ..SimOptions::default() };
    let mut names = BTreeMap::new();
    for line in NeighbourLog::new(source, &options) {
        let hints = Hints { time: Some(Timestamp::from_micros(line.at_us)), ..Hints::default() };
        let record = Record { payload: Payload::Text(line.text.as_str().into()), hints };
        let Reading::Events(records) = read(&record) else { panic!("not read: {}", line.text) };
        for record in records {
            assert_eq!(record.hints.source, Some(source));
            let mut use_it = |found: crate::envelope::Found<'_>| crate::normalize::normalize(&found, None, 0);
            let normalized = crate::envelope::unwrap(&record, &mut use_it).expect("an envelope").expect("readable");
            let verdict = schemas.verdict(&normalized);
            assert_eq!(verdict.status, crate::model::Status::Valid, "{:?} of {}", verdict.errors, line.text);
            *names.entry(normalized.event.name).or_default() += 1;
        }
    }
    names
}

#[test]
fn simulated_logs_are_read_to_the_last_line() {
    let heroku = names(Source::HerokuConnect);
    for name in ["reload_started", "table_cleared", "load_started", "rows", "reload_completed", "back_off", "error"] {
        assert!(heroku.contains_key(&format!("heroku_connect_{name}")), "{name} is missing from {heroku:?}");
    }
    assert!(names(Source::SalesforceBackup)["salesforce_backup_object"] > 1_000);
    assert_eq!(names(Source::Code42), [("code42_connection_status".to_owned(), 1_500)].into());
}
