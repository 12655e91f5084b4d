//! Whatever the data are, reading them neither fails nor passes its bounds.

use super::super::super::{Action, Change, Fact, Labels, Message, Signal, TableName};
use super::{known_names, understood};
use crate::model::Event;
use proptest::prelude::*;
use serde_json::{Map, Number, Value};
use std::sync::{Arc, LazyLock};

static NAMES: LazyLock<Vec<String>> = LazyLock::new(known_names);

/// Every member that reading looks for, and one that it does not.
const MEMBERS: &[&str] = &[
    "status",
    "reason",
    "message",
    "taskType",
    "rescheduledAt",
    "schema",
    "table",
    "name",
    "count",
    "operationType",
    "operation_type",
    "recordsCount",
    "total_queries",
    "totalQueries",
    "total_rows",
    "total_size",
    "tableProgress",
    "type",
    "actor",
    "userId",
    "action",
    "interactionMethod",
    "primaryResourceType",
    "properties",
    "oldProperties",
    "newValues",
    "oldValues",
    "is_paused",
    "paused",
    "sync_frequency",
    "schemas",
    "tables",
    "columns",
    "schema_changes",
    "trigger_resync",
    "editType",
    "testCount",
    "testName",
    "cause",
    "ticketId",
    "id",
    "dbtJobId",
    "startTime",
    "endTime",
    "schedule",
    "result",
    "stepResults",
    "step",
    "command",
    "processBuilderCommand",
    "commandResult",
    "exitCode",
    "output",
    "error",
    "description",
    "modelResults",
    "errorData",
    "ENABLED",
    "ENABLED_TABLES",
    "ENABLED_COLUMNS",
    "tablesSyncModes",
    "syncMode",
    "blocked",
    "hashed",
    "a.b.c",
    "unknown",
];

fn member() -> impl Strategy<Value = String> {
    prop_oneof![8 => proptest::sample::select(MEMBERS).prop_map(str::to_owned), 1 => ".{0,6}"]
}

fn value() -> impl Strategy<Value = Value> {
    let number =
        prop_oneof!["-?(0|[1-9][0-9]{0,30})", "[1-9]\\.[0-9]{1,20}", "[1-9]e[+-]?[0-9]{1,3}", "[1-9][0-9]{2000}"];
    let long = (".", 1_usize..40_000).prop_map(|(text, times)| text.repeat(times));
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number.prop_map(|text| Value::Number(text.parse::<Number>().expect("a JSON number"))),
        ".{0,20}".prop_map(Value::String),
        Just(Value::String("2026-03-02T12:29:11Z".to_owned())),
        proptest::sample::select(vec!["COMPLETE", "true", "-5", " 12 ", "schema.table.column", ""])
            .prop_map(Value::from),
        long.prop_map(Value::String),
    ];
    leaf.prop_recursive(5, 200, 12, |inner| {
        prop_oneof![
            2 => proptest::collection::vec(inner.clone(), 0..12).prop_map(Value::Array),
            5 => proptest::collection::btree_map(member(), inner.clone(), 0..12)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
            1 => (inner, 0_usize..3_000).prop_map(|(value, times)| many(&value, times)),
        ]
    })
}

/// A long list, or a large object, of one value unless that is large itself.
fn many(value: &Value, times: usize) -> Value {
    let times = if value.to_string().len() > 500 { 3 } else { times };
    if times % 2 == 0 {
        Value::Array(vec![value.clone(); times])
    } else {
        Value::Object((0..times).map(|i| (format!("schema.t{i}"), value.clone())).collect::<Map<_, _>>())
    }
}

fn short(text: &str, chars: usize) {
    assert!(text.chars().count() <= chars, "{} characters of at most {chars}", text.chars().count());
}

fn short_each<'t>(texts: impl IntoIterator<Item = &'t Option<Box<str>>>) {
    texts.into_iter().flatten().for_each(|text| short(text, 1_000));
}

fn action(action: &Action) {
    short_each([&action.actor, &action.method, &action.reason]);
}

fn table(table: &TableName) {
    short_each([&table.schema]);
    short(&table.table, 1_000);
}

fn changes(changes: &[Change]) {
    assert!(changes.len() <= 100);
    let bytes: usize = changes.iter().map(|change| change.old.to_string().len() + change.new.to_string().len()).sum();
    // Escapes and brackets of what is cut are not counted in the budget.
    assert!(bytes <= 256 << 10, "{bytes} bytes of changed values");
    changes.iter().for_each(|change| short(&change.field, 1_000));
}

fn message(message: &Message) {
    short_each([&message.kind, &message.text, &message.table]);
}

fn in_bounds(fact: &Fact) {
    if let Some(deed) = &fact.deed {
        short(&deed.actor, 1_000);
        assert!(deed.data.as_ref().is_none_or(|data| data.len() <= 16 << 10));
    }
    match &fact.signal {
        Signal::SyncEnd(of) | Signal::SyncStatus(of) => short_each([&of.status, &of.reason, &of.task_type]),
        Signal::WriteStart(of) | Signal::WriteEnd(of) => table(of),
        Signal::Processed(of, count) => {
            table(of);
            assert!(i64::try_from(*count).is_ok());
        }
        Signal::RecordsModified(of) => {
            table(&of.table);
            short(&of.operation, 1_000);
            assert_eq!(*of.operation, of.operation.to_ascii_uppercase());
            assert!(i64::try_from(of.count).is_ok());
        }
        Signal::SyncStats(stats) => {
            assert!(stats.len() <= 16 << 10);
            assert!(serde_json::from_str::<Value>(stats).is_ok_and(|stats| stats.is_object()));
        }
        Signal::ImportProgress(of) => assert!(of.done <= of.total),
        Signal::Info(of) | Signal::Warning(of) | Signal::Error(of) => message(of),
        Signal::Created(of) | Signal::Edited(of) => {
            action(&of.action);
            changes(&of.changes);
            short_each([&of.edit_type, &of.schedule_type, &of.setup_status, &of.schema_status]);
        }
        Signal::Tested(of) => {
            action(&of.action);
            short_each([&of.name, &of.message]);
        }
        Signal::SchemaChanged(of) => {
            action(&of.action);
            assert!(of.changes.len() <= 1_000);
            assert!(of.changes.iter().map(|(_, _, columns)| columns.len()).sum::<usize>() <= 10_000);
            assert!(of.data.as_ref().is_none_or(|data| data.len() <= 16 << 10));
            for (operation, of, columns) in &of.changes {
                short(operation, 1_000);
                table(of);
                columns.iter().for_each(|column| short(column, 1_000));
            }
        }
        Signal::Resync(of) => {
            action(&of.action);
            of.table.iter().for_each(table);
            short_each([&of.cause]);
        }
        Signal::TestsStarted(by, _)
        | Signal::ManualSync(by)
        | Signal::Paused(by)
        | Signal::Resumed(by)
        | Signal::Deleted(by) => action(by),
        Signal::Support(of) => short_each([&of.actor, &of.ticket, &of.message]),
        Signal::Run(of) => {
            short(&of.job, 1_000);
            short_each([&of.name, &of.kind]);
            for text in [&of.description, &of.error].into_iter().flatten() {
                short(text, 2_000);
            }
            assert!(of.steps.len() <= 100);
            let models = |step: &Value| step["models"].as_array().map_or(0, Vec::len);
            assert!(of.steps.iter().map(models).sum::<usize>() <= 1_000);
            for step in &of.steps {
                short(step["output"].as_str().unwrap_or_default(), 2_000);
                short(step["error"].as_str().unwrap_or_default(), 2_000);
                short(step["command"].as_str().unwrap_or_default(), 1_000);
            }
            assert!(of.schedule.as_ref().is_none_or(|schedule| schedule.to_string().len() <= 64 << 10));
        }
        Signal::News(of) => {
            short_each([&of.id, &of.name, &of.state]);
            assert!(!matches!(&of.what, crate::lifecycle::Happening::Moved(moved) if moved.objects.len() > 200));
        }
        Signal::Unused(name) => short(name, 1_000),
        Signal::SyncStart | Signal::ReadStart | Signal::ReadEnd | Signal::Extracted(_) | Signal::ApiCall => {}
        Signal::Work(_) => {}
    }
}

fn event(data: Option<Value>) -> (crate::model::EventKey, Event) {
    let new = understood(r#"{"event":"x","created":"2026-03-01T12:00:00Z","connection_id":"c","sync_id":"s"}"#);
    (new.key, Event { data: data.map(Into::into), ..new.event })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Not normalised on purpose: what the normaliser leaves alone must not hurt either.
    #[test]
    fn any_data_under_any_known_name_is_read_within_bounds(data in proptest::option::of(value())) {
        let (key, mut event) = event(data);
        for name in NAMES.iter() {
            event.name.clone_from(name);
            let fact = Fact::of(key, &event, |event| Arc::new(Labels::of(event))).expect("a fact");
            in_bounds(&fact);
        }
    }
}

#[test]
fn texts_of_unbounded_envelopes_are_cut_between_characters() {
    let (key, mut event) = event(None);
    let long = "é".repeat(5_000);
    event.name.clone_from(&long);
    event.sync_id = Some(long.clone());
    event.exception_id = Some(long.clone());
    event.connection_name = Some(long);
    let fact = Fact::of(key, &event, |event| Arc::new(Labels::of(event))).expect("a fact");
    in_bounds(&fact);
    short_each([&fact.exception]);
    short(fact.labels.name.as_deref().unwrap_or_default(), 1_000);
    short(&fact.sync.expect("a sync").to_string(), 1_000);
}
