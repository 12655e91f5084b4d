//! One simulated sync, written down event by event.
//!
//! In: a connection, when it starts, how it shall end. Out: its events in order of time. Shapes follow the documentation's examples:
//! extract, then for each table start, rows, end, then statistics and the end with its status.

use super::{
    Connection, MINUTE, MS, Rng, SimEvent,
    catalog::{Access, FAILURES, PRIORITY, QUOTA, TASKS},
    write::{uuid_text, write_time},
};
use crate::model::Level;
use std::{collections::VecDeque, sync::Arc};

/// How a sync ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Successful,
    /// With something for a person to do; which of [`TASKS`].
    Task(usize),
    Failure,
    Quota,
    Priority,
    Canceled,
    /// The process died: no end is ever written.
    Crashed,
}

/// Habits that differ between connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Habits {
    /// `totalQueries` instead of `total_queries`.
    pub camel_summary: bool,
    /// One `api_call` for each call instead of a summary.
    pub old_api_calls: bool,
    /// `records_modified` stands before the end of the write.
    pub rows_first: bool,
    /// The typical number of rows of a write.
    pub rows: f64,
    /// How many tables a sync touches, of all.
    pub touched: f64,
}

/// Writes events about one connection, moving a clock forward.
pub(super) struct Pen<'p> {
    pub at: i64,
    pub rng: &'p mut Rng,
    pub connection: &'p Arc<Connection>,
    pub sync_id: Option<u128>,
    pub out: &'p mut VecDeque<SimEvent>,
}

impl Pen<'_> {
    /// Some milliseconds pass.
    pub fn wait(&mut self, low_ms: i64, high_ms: i64) -> &mut Self {
        self.at += self.rng.range(low_ms * MS, high_ms * MS) / MS * MS;
        self
    }

    /// Writes an event down.
    pub fn put(&mut self, name: &'static str, data: String) -> &mut Self {
        self.put_at(name, data, level_of(name), 3)
    }

    fn put_at(&mut self, name: &'static str, data: String, level: Level, digits: u8) -> &mut Self {
        self.out.push_back(SimEvent {
            created_us: self.at,
            digits,
            name,
            connection: Some(Arc::clone(self.connection)),
            sync_id: self.sync_id,
            exception_id: None,
            data,
            level,
        });
        self
    }

    /// Writes an event of the audit trail, which is precise to the microsecond. `rest` follows the resource.
    pub fn audit(&mut self, name: &'static str, action: &str, user: &str, method: &str, rest: &str) -> &mut Self {
        self.at += self.rng.range(1, 999);
        let data = audit_data(user, method, ("CONNECTION", &self.connection.id), action, self.at, rest);
        self.put_at(name, data, Level::Info, 6);
        self.at += 1_000 - self.at.rem_euclid(1_000);
        self
    }
}

/// The `data` of an audit event. `rest` is further members, each with a comma in front.
pub(super) fn audit_data(
    user: &str,
    method: &str,
    (kind, id): (&str, &str),
    action: &str,
    at: i64,
    rest: &str,
) -> String {
    let mut time = Vec::with_capacity(27);
    write_time(at, 6, &mut time);
    let time = String::from_utf8_lossy(&time);
    format!(
        r#"{{"userId":"{user}","interactionMethod":"{method}","primaryResourceType":"{kind}","primaryResourceId":"{id}","action":"{action}","timestamp":"{time}"{rest}}}"#
    )
}

/// The level that Fivetran would log an event at, its status aside.
pub(super) fn level_of(name: &str) -> Level {
    match name {
        "error" | "connection_failure" => Level::Severe,
        "warning" | "forced_resync_table" => Level::Warning,
        _ => Level::Info,
    }
}

/// A JSON string with its quotes.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Writes a whole sync; gives the moment of its last event.
pub(super) fn write_sync(mut pen: Pen<'_>, habits: Habits, ending: Ending, initial: bool) -> i64 {
    let began = pen.at;
    pen.sync_id = Some(u128::from(pen.rng.bits()) << 64 | u128::from(pen.rng.bits()));
    pen.put("sync_start", String::new());
    extract(&mut pen, habits, initial);
    if pen.rng.chance(0.11) {
        warn(&mut pen);
    }
    match ending {
        Ending::Task(_) | Ending::Failure => {
            if pen.rng.chance(0.4) {
                load(&mut pen, habits, 0.3, false);
            }
            let reason = match ending {
                Ending::Task(which) => TASKS[which].1,
                _ => FAILURES[pen.rng.index(FAILURES.len())],
            };
            if pen.rng.chance(0.7) {
                let data = format!(r#"{{"type":"sync_error","message":{}}}"#, quoted(reason));
                pen.wait(100, 4_000).put("error", data);
            }
            finish(&mut pen, ending, reason);
        }
        Ending::Quota => {
            load(&mut pen, habits, 0.4, false);
            finish(&mut pen, ending, QUOTA);
        }
        Ending::Crashed => load(&mut pen, habits, 0.4, false),
        Ending::Successful | Ending::Priority | Ending::Canceled => {
            load(&mut pen, habits, habits.touched, initial);
            if ending == Ending::Successful && pen.rng.chance(0.5) {
                statistics(&mut pen, began);
            }
            let reason = if ending == Ending::Priority {
                PRIORITY
            } else {
                "Sync has been cancelled because of a user action in the dashboard."
            };
            finish(&mut pen, ending, reason);
        }
    }
    pen.at
}

/// The extract phase, by kind of source.
fn extract(pen: &mut Pen<'_>, habits: Habits, initial: bool) {
    let connection = Arc::clone(pen.connection);
    pen.wait(200, 3_000);
    match connection.kind.access {
        Access::Api if habits.old_api_calls => {
            for _ in 0..pen.rng.range(1, 4) {
                let table = pen.rng.pick(&connection.tables);
                let page = pen.rng.range(1, 90);
                let data = format!(
                    r#"{{"method":"GET","uri":"https://api.{}.example.com/v2/{table}?page={page}"}}"#,
                    connection.kind.name
                );
                pen.wait(20, 1_500).put("api_call", data);
            }
        }
        Access::Api => {
            let key = if habits.camel_summary { "totalQueries" } else { "total_queries" };
            let queries = pen.rng.range(3, 400);
            let (rows, bytes) = (queries * pen.rng.range(1, 90), queries * pen.rng.range(200, 9_000));
            let data = format!(
                r#"{{"status":"SUCCESS","{key}":{queries},"total_rows":{rows},"total_size":{bytes},"rounded_total_size":"{} MB","objects":[{{"name":"https://api.{}.example.com/v2/{}","queries":{queries}}}]}}"#,
                (bytes / 1_000_000).max(1),
                connection.kind.name,
                connection.tables[0],
            );
            pen.wait(500, 20_000).put("extract_summary", data);
        }
        Access::Database => {
            let table = pen.rng.pick(&connection.tables);
            let (number, ms) = (pen.rng.range(1, 40), pen.rng.range(2, 900));
            let data = format!(
                r#"{{"query":"SELECT id, updated_at, payload FROM {table} WHERE updated_at > ? ORDER BY updated_at","number":{number},"executionTime":{ms}}}"#
            );
            pen.wait(20, 1_500).put("sql_query", data);
        }
        Access::Files => {
            let file = pen.rng.bits() & 0xff_ffff;
            pen.put("read_start", format!(r#"{{"source":"{file:06x}.csv.gz"}}"#));
            pen.wait(200, 8_000).put("read_end", format!(r#"{{"source":"{file:06x}.csv.gz"}}"#));
        }
    }
    if initial {
        let progress: Vec<String> = connection
            .tables
            .iter()
            .map(|table| format!(r#""{}.{table}":"NOT_STARTED""#, connection.schemas[0]))
            .collect();
        let data = format!(r#"{{"tableProgress":{{{}}}}}"#, progress.join(","));
        pen.wait(20, 900).put("import_progress", data);
    }
    if pen.rng.chance(0.04) {
        remark(pen);
    }
}

/// One of the rarer events of the extract phase.
fn remark(pen: &mut Pen<'_>) {
    let table = *pen.rng.pick(&pen.connection.tables);
    let (name, data) = match pen.rng.index(5) {
        0 => ("processed_records", format!(r#"{{"table":"{table}","recordsCount":{}}}"#, pen.rng.range(1, 9_000))),
        1 => (
            "info",
            format!(
                r#"{{"type":"extraction_start","message":"{{currentTable: {table}, imported: {}, selected: {}}}"}}"#,
                pen.rng.range(0, 4),
                pen.rng.range(4, 9)
            ),
        ),
        2 => ("update_state", format!(r#"{{"state":{{"cursor":{{"{table}":{}}}}}}}"#, pen.rng.range(1, 1_000_000_000))),
        3 => ("json_value_too_long", format!(r#"{{"table":"{table}","column":"payload"}}"#)),
        _ => {
            pen.wait(10, 200).put("schema_migration_start", String::new());
            pen.wait(100, 5_000);
            ("schema_migration_end", r#"{"migrationStatus":"SUCCESS"}"#.to_owned())
        }
    };
    pen.wait(10, 900).put(name, data);
}

fn warn(pen: &mut Pen<'_>) {
    let table = *pen.rng.pick(&pen.connection.tables);
    let data = if pen.rng.chance(0.5) {
        format!(r#"{{"type":"skip_table","table":"{table}","reason":"No changed data in named range"}}"#)
    } else {
        let seconds = pen.rng.pick(&[5, 30, 60]);
        format!(
            r#"{{"type":"retry_api_call","message":"Retrying after {seconds} seconds. Error : RateLimitExceeded for endpoint: /v2/{table}"}}"#
        )
    };
    pen.wait(10, 2_000).put("warning", data);
}

/// The load phase: a share of the tables, all of them created first in an initial sync.
fn load(pen: &mut Pen<'_>, habits: Habits, share: f64, initial: bool) {
    let connection = Arc::clone(pen.connection);
    let certain = pen.rng.index(connection.tables.len());
    for (nth, schema) in connection.schemas.iter().enumerate() {
        if initial {
            pen.wait(5, 200).put("create_schema", format!(r#"{{"schema":"{schema}"}}"#));
        }
        for (index, table) in connection.tables.iter().enumerate() {
            if initial || (nth == 0 && index == certain) || pen.rng.chance(share) {
                write_table(pen, habits, schema, table, initial);
            }
        }
    }
    if !initial && pen.rng.chance(0.012) {
        schema_change(pen, &connection);
    }
}

fn write_table(pen: &mut Pen<'_>, habits: Habits, schema: &str, table: &str, initial: bool) {
    if initial {
        let data = format!(
            r#"{{"schema":"{schema}","name":"{table}","columns":{{"id":"STRING","updated_at":"TIMESTAMP","amount":"INTEGER","_fivetran_synced":"TIMESTAMP","primary_key_clause":"\"id\""}}}}"#
        );
        pen.wait(5, 300).put("create_table", data);
    }
    let name = format!(r#"{{"table":"{table}"}}"#);
    pen.wait(30, 2_500).put("write_to_table_start", name.clone());
    let scale = if initial { habits.rows * 400.0 } else { habits.rows };
    let mut rows = vec![("REPLACED_OR_INSERTED", pen.rng.skewed(scale))];
    if pen.rng.chance(0.3) {
        rows.push(("UPDATED", pen.rng.skewed(habits.rows)));
    }
    if pen.rng.chance(0.15) {
        rows.push(("DELETED", pen.rng.skewed(habits.rows / 8.0)));
    }
    let modified = |pen: &mut Pen<'_>| {
        for (operation, count) in &rows {
            let data =
                format!(r#"{{"schema":"{schema}","table":"{table}","operationType":"{operation}","count":{count}}}"#);
            pen.wait(3, 900).put("records_modified", data);
        }
    };
    if habits.rows_first {
        modified(pen);
    }
    if pen.rng.chance(0.05) {
        let kind = *pen.rng.pick(&["insert_rows", "update_rows"]);
        pen.wait(5, 400).put(kind, format!(r#"{{"schema":"{schema}","name":"{table}"}}"#));
    }
    pen.wait(200, 6_000).put("write_to_table_end", name.clone());
    if pen.rng.chance(0.2) {
        pen.wait(40, 900).put("write_to_table_end", name);
    }
    if !habits.rows_first {
        modified(pen);
    }
}

/// The source changed its schema.
fn schema_change(pen: &mut Pen<'_>, connection: &Connection) {
    let (schema, table) = (&connection.schemas[0], *pen.rng.pick(&connection.tables));
    let column = pen.rng.range(1, 99);
    match pen.rng.index(3) {
        0 => pen.wait(5, 200).put(
            "alter_table",
            format!(
                r#"{{"type":"ADD_COLUMN","table":"{table}","properties":{{"columnName":"field_{column}","dataType":"STRING","byteLength":null,"precision":null,"scale":null,"notNull":null}}}}"#
            ),
        ),
        1 => pen.wait(5, 200).put("drop_table", format!(r#"{{"schema":"{schema}","name":"{table}_old_{column}"}}"#)),
        _ => pen.wait(5, 200).put(
            "change_schema_config_via_sync",
            format!(
                r#"{{{},"properties":{{"ADDITION":[{{"schema":"{schema}","tables":["{table}_{column}"]}}]}}}}"#,
                connection.id_in_data
            ),
        ),
    };
}

fn statistics(pen: &mut Pen<'_>, began: i64) {
    let total = ((pen.at - began) / (1_000 * MS)).max(3);
    let (extract, load) = (total / 2, total / 3);
    let data = format!(
        r#"{{"extract_time_s":{extract},"extract_volume_mb":0,"process_time_s":{},"process_volume_mb":0,"load_time_s":{load},"load_volume_mb":0,"total_time_s":{total}}}"#,
        total - extract - load
    );
    pen.wait(5, 200).put("sync_stats", data);
}

/// `sync_end` with its status.
fn finish(pen: &mut Pen<'_>, ending: Ending, reason: &str) {
    pen.wait(5, 3_000);
    let (data, level) = match ending {
        Ending::Successful | Ending::Crashed => (r#"{"status":"SUCCESSFUL"}"#.to_owned(), Level::Info),
        Ending::Task(which) => (
            format!(r#"{{"status":"FAILURE_WITH_TASK","reason":{},"taskType":"{}"}}"#, quoted(reason), TASKS[which].0),
            Level::Severe,
        ),
        Ending::Failure => (format!(r#"{{"status":"FAILURE","reason":{}}}"#, quoted(reason)), Level::Severe),
        Ending::Canceled => (format!(r#"{{"status":"CANCELED","reason":{}}}"#, quoted(reason)), Level::Info),
        Ending::Quota | Ending::Priority => {
            let mut again = Vec::with_capacity(24);
            write_time(pen.at + 30 * MINUTE, 3, &mut again);
            let again = String::from_utf8_lossy(&again);
            let level = if ending == Ending::Quota { Level::Warning } else { Level::Info };
            let data = format!(
                r#"{{"status":"RESCHEDULED","reason":{},"taskType":"","rescheduledAt":"{again}"}}"#,
                quoted(reason)
            );
            (data, level)
        }
    };
    pen.put_at("sync_end", data, level, 3);
    if ending == Ending::Failure
        && pen.rng.chance(0.4)
        && let Some(end) = pen.out.back_mut()
    {
        end.exception_id = Some(uuid_text(u128::from(pen.rng.bits())).into_uuid().as_u128());
    }
}
