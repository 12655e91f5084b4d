//! The views over the database file, which carry the names and columns of the dbt package's models: against the same truth, and
//! against the package's own rows.

use super::{account::time, dbt::same_but_masks, folded::body, sync::Sync, truth::Folded};
use lifeline::{lifecycle::StageKind, model::Micros};
use rusqlite::{Connection, types::Value as Cell};
use serde::Deserialize;
use std::{collections::BTreeMap, path::Path};

/// Rows of a query, each cell as text; empty for null.
fn rows(db: &Connection, sql: &str) -> Vec<Vec<String>> {
    let mut statement = db.prepare(sql).expect("a view that is there");
    let columns = statement.column_count();
    let text = |cell: Cell| match cell {
        Cell::Null => String::new(),
        Cell::Integer(n) => n.to_string(),
        Cell::Real(n) => n.to_string(),
        Cell::Text(text) => text,
        Cell::Blob(_) => panic!("a view gives no blobs"),
    };
    let row = |row: &rusqlite::Row<'_>| (0..columns).map(|at| row.get(at).map(text)).collect();
    statement.query_map([], row).expect("a query").map(|row| row.expect("a row")).collect()
}

/// Connection, schema, table, and when their sync began.
type Written = (String, String, String, Option<Micros>);

fn audit_table(folded: &Folded, db: &Connection) {
    let sql = "SELECT connection_id, schema_name, table_name, sync_start, sync_end, write_to_table_start,
        write_to_table_end, sum_rows_replaced_or_inserted, sum_rows_updated, sum_rows_deleted FROM audit_table";
    let mut found: BTreeMap<Written, Vec<Vec<String>>> = BTreeMap::new();
    for row in rows(db, sql) {
        let key = (row[0].clone(), row[1].clone(), row[2].clone(), time(&row[3]));
        found.entry(key).or_default().push(row[4..].to_vec());
    }
    let mut missing = Vec::new();
    for (id, life) in folded.lives.iter().filter_map(|(id, life)| Some((id.as_ref()?, life))) {
        for sync in life.bodies(StageKind::Sync).map(|(_, body)| Sync::of(&body)) {
            for ((schema, table), written) in sync.tables.iter().filter(|(_, table)| !table.rows.is_empty()) {
                let start = sync.start_seen.then_some(sync.at);
                let key = (id.clone(), schema.clone(), table.clone(), start);
                let same = |row: &Vec<String>| {
                    time(&row[0]) == sync.until
                        && time(&row[1]) == written.write_start
                        && time(&row[2]) == written.write_end
                        && row[3..]
                            == ["REPLACED_OR_INSERTED", "UPDATED", "DELETED"].map(|it| written.sum(it).to_string())
                };
                let Some(place) = found.get(&key).and_then(|rows| rows.iter().position(same)) else {
                    // What runs is kept with the state of its connection until it is over; tables hold what was.
                    if sync.status == "RUNNING" && !found.contains_key(&key) {
                        continue;
                    }
                    missing.push(format!("{key:?} {} {written:?}, there is {:?}", sync.status, found.get(&key)));
                    continue;
                };
                found.get_mut(&key).map(|rows| rows.remove(place));
            }
        }
    }
    super::truth::assert_none(&missing);
    let left: Vec<_> = found.into_iter().filter(|(_, rows)| !rows.is_empty()).collect();
    assert_eq!(left, Vec::new());
}

fn standing(folded: &Folded, db: &Connection) {
    let sql = "SELECT connection_id, connection_health, last_successful_sync_completed_at, last_sync_started_at,
        last_sync_completed_at FROM connection_status ORDER BY connection_id";
    let found = rows(db, sql);
    let ours = folded.lives.iter().filter_map(|(id, life)| Some((id.as_ref()?, life.summary.as_ref()?)));
    for (row, (id, summary)) in found.iter().zip(ours) {
        assert_eq!((&row[0], row[1].as_str()), (id, summary.health.as_str()));
        let times = [summary.last_success_us, summary.last_started_us, summary.last_completed_us];
        assert_eq!([time(&row[2]), time(&row[3]), time(&row[4])], times, "{id}");
    }
    assert_eq!(found.len(), folded.lives.keys().flatten().count());
}

#[derive(Deserialize)]
struct ChangeRow {
    connection_id: String,
    created_at: String,
    event_subtype: String,
    message_data: String,
    table_name: String,
    schema_name: String,
}

fn schema_changelog(folded: &Folded, db: &Connection) {
    let sql =
        "SELECT connection_id, created_at, event_subtype, message_data, table_name, schema_name FROM schema_changelog";
    let mut found: BTreeMap<(String, Option<Micros>, String), Vec<Vec<String>>> = BTreeMap::new();
    for row in rows(db, sql) {
        let key = (row[0].clone(), time(&row[1]), row[2].clone());
        found.entry(key).or_default().push(row[3..].to_vec());
    }
    for row in folded.account.dbt::<ChangeRow>("schema_changelog").unwrap_or_default() {
        let key = (row.connection_id, time(&row.created_at), row.event_subtype);
        let same = |found: &Vec<String>| {
            // A change that names its tables in its data names them here too; the package leaves those empty.
            same_but_masks(&body(&found[0]), &body(&row.message_data))
                && (row.table_name.is_empty() || row.table_name == found[1])
                && (row.schema_name.is_empty() || row.schema_name == found[2])
        };
        assert!(found.get(&key).is_some_and(|rows| rows.iter().any(same)), "{key:?}: {:?}", found.get(&key));
    }
}

fn daily(folded: &Folded, db: &Connection) {
    let sql = "SELECT connection_id, date_day, count_api_calls, count_record_modifications, count_schema_changes
        FROM connection_daily_events";
    let mut found: BTreeMap<(String, String), [u64; 3]> = BTreeMap::new();
    for row in rows(db, sql) {
        let number = |text: &str| text.parse::<u64>().expect("a count");
        let earlier =
            found.insert((row[0].clone(), row[1].clone()), [number(&row[2]), number(&row[3]), number(&row[4])]);
        assert_eq!(earlier, None, "one row a day: {row:?}");
    }
    for (id, life) in folded.lives.iter().filter_map(|(id, life)| Some((id.as_ref()?, life))) {
        for day in life.days.values() {
            let name = lifeline::lifecycle::time_text(day.day * 86_400_000_000);
            let key = (id.clone(), name[..10].to_owned());
            assert_eq!(found.get(&key), Some(&[day.api_calls, day.rows_modified, day.schema_changes]), "{key:?}");
        }
    }
}

#[derive(Deserialize)]
struct ActivityRow {
    date_day: String,
    day_name: String,
    day_of_month: u64,
    occurred_at: String,
    email: String,
    event_subtype: String,
    message_data: String,
}

fn activity(folded: &Folded, db: &Connection) {
    let sql = "SELECT occurred_at, event_subtype, email, message_data, date_day, day_name, day_of_month FROM audit_user_activity";
    let mut found: BTreeMap<(Option<Micros>, String, String), Vec<Vec<String>>> = BTreeMap::new();
    for row in rows(db, sql) {
        let key = (time(&row[0]), row[1].clone(), row[2].clone());
        found.entry(key).or_default().push(row[3..].to_vec());
    }
    for row in folded.account.dbt::<ActivityRow>("audit_user_activity").unwrap_or_default() {
        let key = (time(&row.occurred_at), row.event_subtype, row.email);
        let same = |found: &Vec<String>| {
            same_but_masks(&body(&found[0]), &body(&row.message_data))
                && found[1][..10] == row.date_day[..10]
                && found[2] == row.day_name
                && found[3] == row.day_of_month.to_string()
        };
        assert!(found.get(&key).is_some_and(|rows| rows.iter().any(same)), "{key:?}: {:?}", found.get(&key));
    }
}

/// Compares every view of a database with what a fold says of the same lines.
pub fn compare(folded: &Folded, data: &Path) {
    let db = Connection::open(data.join("lifeline.db")).expect("the database opens");
    audit_table(folded, &db);
    standing(folded, &db);
    schema_changelog(folded, &db);
    daily(folded, &db);
    activity(folded, &db);
}
