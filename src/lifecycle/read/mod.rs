//! Reading an event as a fact.
//!
//! In: an understood event. Out: its fact, or nothing for Fivetran's own test deliveries. Never refused: data may be absent, null,
//! of the wrong kind or hold old and new spellings side by side, and what can be read is read. Everything kept is bounded.
//!
//! One file for each family: `connector` reads what a sync logs, `dashboard` what people do to a connection, `audit` their
//! edits of values (and the twins of dashboard events in the audit trail), `schema` changes of schema, `transformation` runs
//! of dbt and its relatives, `neighbours` what other systems log, `deed` who did it. `values` reads single members.

mod audit;
mod connector;
mod dashboard;
mod deed;
mod neighbours;
mod schema;
#[cfg(test)]
mod tests;
mod transformation;
mod values;

use super::{Channel, Deed, Fact, Labels, RunPhase, Signal, SyncId, Work};
use crate::model::{Event, EventKey, Source, TEST_CONNECTION_ID};
use std::sync::Arc;
use values::{Members, TEXT_CHARS_MAX, cut, own};

impl Fact {
    /// Reads an event. `labels` gives shared labels of the caller's, or new ones.
    pub fn of(key: EventKey, event: &Event, labels: impl FnOnce(&Event) -> Arc<Labels>) -> Option<Self> {
        if event.connection_id.as_deref() == Some(TEST_CONNECTION_ID) {
            return None;
        }
        let data = Members::of(event.data.as_deref());
        let signal = signal(event, data);
        let deed = deed::read(event, data);
        let sync = event.sync_id.as_deref().and_then(sync_id).filter(|_| belongs_to_sync(&signal, deed.as_deref()));
        Some(Self {
            key,
            sync,
            level: event.level,
            exception: event.exception_id.as_deref().and_then(own),
            labels: labels(event),
            deed,
            job: neighbours::job(event.source, data),
            signal,
        })
    }
}

impl Labels {
    /// Of an event.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        let text = |text: &Option<String>| text.as_deref().map(|text| cut(text, TEXT_CHARS_MAX).to_owned());
        Self {
            source: event.source,
            name: text(&event.connection_name),
            connector_type: text(&event.connector_type),
            destination: text(&event.destination),
        }
    }
}

fn sync_id(text: &str) -> Option<SyncId> {
    let text = text.trim();
    (!text.is_empty()).then(|| SyncId::of(cut(text, TEXT_CHARS_MAX)))
}

/// Whether the sync that an event names is the one that wrote it. An action of a person may carry the id of a sync that happened
/// to run; it is no part of that sync.
fn belongs_to_sync(signal: &Signal, deed: Option<&Deed>) -> bool {
    match signal {
        Signal::SyncStart
        | Signal::SyncEnd(_)
        | Signal::SyncStatus(_)
        | Signal::ReadStart
        | Signal::ReadEnd
        | Signal::WriteStart(_)
        | Signal::WriteEnd(_)
        | Signal::Processed(..)
        | Signal::RecordsModified(_)
        | Signal::Extracted(_)
        | Signal::ApiCall
        | Signal::SyncStats(_)
        | Signal::ImportProgress(_)
        | Signal::Work(_)
        | Signal::Info(_)
        | Signal::Warning(_)
        | Signal::Error(_) => true,
        Signal::SchemaChanged(change) => change.action.channel == Channel::Connector,
        Signal::Resync(resync) => resync.action.channel == Channel::Connector,
        Signal::Created(_)
        | Signal::TestsStarted(..)
        | Signal::Tested(_)
        | Signal::ManualSync(_)
        | Signal::Paused(_)
        | Signal::Resumed(_)
        | Signal::Edited(_)
        | Signal::Deleted(_)
        | Signal::Support(_)
        | Signal::Run(_)
        | Signal::News(_) => false,
        Signal::Unused(_) => deed.is_none(),
    }
}

/// What an event says. The names that come most often stand first: they are compared in this order.
fn signal(event: &Event, data: Members<'_>) -> Signal {
    match event.name.as_str() {
        "records_modified" => connector::records_modified(data),
        "write_to_table_end" => Signal::WriteEnd(Box::new(connector::table(data))),
        "write_to_table_start" => Signal::WriteStart(Box::new(connector::table(data))),
        "sync_start" => Signal::SyncStart,
        "sync_end" => Signal::SyncEnd(Box::new(connector::ending(data))),
        "read_start" => Signal::ReadStart,
        "read_end" => Signal::ReadEnd,
        "sync_stats" => connector::sync_stats(event.data.as_deref()),
        "extract_summary" => connector::extract_summary(data),
        "api_call" => Signal::ApiCall,
        "sql_query" => Signal::Work(Work::SqlQuery),
        "processed_records" => connector::processed_records(data),
        "copy_rows" | "insert_rows" | "update_rows" | "delete_rows" | "merge_rows" | "create_staging_table" => {
            Signal::Work(Work::LoadStep)
        }
        "update_state" => Signal::Work(Work::UpdateState),
        "json_value_too_long" => Signal::Work(Work::ValueCut),
        "schema_migration_start" => Signal::Work(Work::MigrationStart),
        "schema_migration_end" | "schema_migration_success" | "schema_migration_failure" => {
            Signal::Work(Work::MigrationEnd)
        }
        "import_progress" => connector::import_progress(data),
        "info" => Signal::Info(Box::new(connector::message(event, data))),
        "warning" => Signal::Warning(Box::new(connector::message(event, data))),
        "error" => Signal::Error(Box::new(connector::message(event, data))),
        "connector_sdk_log" => connector::sdk_log(event, data),
        "status" => Signal::SyncStatus(Box::new(connector::ending(data))),

        "create_schema" => schema::create_schema(event, data),
        "create_table" => schema::create_table(event, data),
        "alter_table" => schema::alter_table(event, data),
        "drop_table" => schema::drop_table(event, data),
        "change_schema_config"
        | "change_schema_config_via_api"
        | "change_schema_config_via_sync"
        | "migrate_schema_config" => schema::config(event, data),

        "create_connector" | "create_connection" => audit::created(event, data),
        "edit_connector" | "edit_connection" => audit::edited(event, data),
        "delete_connector" | "delete_connection" => Signal::Deleted(Box::new(deed::action(event, data))),
        "sync_connection" => audit::sync_connection(event, data),

        "test_connector_connection" => dashboard::tests_started(event, data),
        "connection_successful" => dashboard::tested(event, data, true),
        "connection_failure" => dashboard::tested(event, data, false),
        "pause_connector" => Signal::Paused(Box::new(deed::action(event, data))),
        "forced_pause_connector" => Signal::Paused(Box::new(deed::by_fivetran(event, data))),
        "resume_connector" => Signal::Resumed(Box::new(deed::action(event, data))),
        "force_update_connector" => Signal::ManualSync(Box::new(deed::action(event, data))),
        "resync_connector" | "resync_table" | "forced_resync_connector" | "forced_resync_table" => {
            dashboard::resync(event, data)
        }
        "diagnostic_access_approved" => dashboard::support("approved", data),
        "diagnostic_access_granted" => dashboard::support("granted", data),
        "diagnostic_access_ended" => dashboard::support("ended", data),
        "diagnostic_access_expired" => dashboard::support("expired", data),

        "transformation_start" | "transformation_run_start" | "dbt_run_start" => {
            transformation::run(RunPhase::Started, data)
        }
        "transformation_succeeded" | "transformation_run_succeeded" | "dbt_run_succeeded" => {
            transformation::run(RunPhase::Succeeded, data)
        }
        "transformation_failed" | "transformation_run_failed" | "dbt_run_failed" => {
            transformation::run(RunPhase::Failed, data)
        }

        name if event.source != Source::Fivetran
            && let Some(signal) = neighbours::signal(name, data) =>
        {
            signal
        }

        // Of the account, its destinations, teams and users; retired ones whose members nobody documents any more; and names
        // that are not known.
        name => Signal::Unused(cut(name, TEXT_CHARS_MAX).into()),
    }
}

/// What an event of some system says, for tests of what follows from it.
#[cfg(test)]
pub fn signal_of(name: &str, source: Source, data: &serde_json::Value) -> Signal {
    let data = Members::of(Some(data));
    match source {
        Source::Fivetran => Signal::Unused(name.into()),
        _ => neighbours::signal(name, data).expect("a known name"),
    }
}
