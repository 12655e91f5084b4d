//! What the fold says, against what Fivetran's dbt package answers on the same log.
//!
//! Every row must agree, or differ in one of the 24 documented ways (the numbers of [`Known`]); which one is decided by conditions
//! on the log, never by names or ids. A difference that no condition explains fails.

use super::{
    account::{Account, time},
    folded::Life,
    log::{self, Log, Row},
    sync::Sync,
    truth::{Answer, assert_none, folded},
};
use lifeline::{lifecycle::Activity, model::Micros};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

const DAY_US: i64 = 86_400_000_000;

/// What the numbers stand for, as far as they occur here.
const KNOWN: &[(u8, &str)] = &[
    (1, "FAILURE_WITH_TASK is no error without a SEVERE row"),
    (2, "failed, and the next sync runs with an error: connected"),
    (3, "an error in a sync that succeeded: broken"),
    (4, "priority-first by sync_end is not seen"),
    (5, "rescheduled for a quota: connected, nothing else said"),
    (6, "first sync runs, one error: broken"),
    (7, "sums by time mix overlapping syncs"),
    (8, "no sums until a sync_end; a status is none"),
    (9, "the end of the write before is taken"),
    (10, "a sync without end takes the end of another"),
    (11, "no start, no sums where the log begins within a sync"),
    (12, "equal times"),
    (17, "the greatest of the kinds of a day, not their sum"),
    (18, "errors since the last end, however it ended; distinct ones"),
    (19, "connections missing by name, destination or table"),
    (22, "kinds of schema change left out"),
    (24, "CANCELED last: connected after a failure"),
];

/// Rows that agree, differences by number, and those that nothing explains.
#[derive(Default)]
struct Tally {
    same: BTreeMap<&'static str, usize>,
    known: BTreeMap<(u8, &'static str), usize>,
    unknown: Vec<String>,
}

impl Tally {
    fn same(&mut self, model: &'static str) {
        *self.same.entry(model).or_default() += 1;
    }

    fn different(&mut self, model: &'static str, number: Option<u8>, what: impl FnOnce() -> String) {
        match number {
            Some(number) => *self.known.entry((number, model)).or_default() += 1,
            None => self.unknown.push(format!("{model}: {}", what())),
        }
    }

    fn print(&self, account: &str) {
        println!("{account}");
        for (model, count) in &self.same {
            println!("  {count:>6} rows of {model} agree in full");
        }
        for ((number, model), count) in &self.known {
            let what = KNOWN.iter().find(|(known, _)| known == number).map_or("?", |(_, what)| what);
            println!("  {count:>6} differences of {model}: {number:>2} ({what})");
        }
    }
}

/// One connection: its log, and what we say.
struct Case<'a> {
    rows: &'a [Row],
    syncs: Vec<Sync>,
    /// First and last moment of each sync, by the log where it has an id.
    spans: Vec<(Micros, Micros)>,
    connection: Value,
    life: &'a Life,
}

impl<'a> Case<'a> {
    fn of(rows: &'a [Row], life: &'a Life, answer: Answer) -> Self {
        let mut heard: HashMap<&str, Micros> = HashMap::new();
        for row in rows {
            if let Some(id) = &row.sync_id {
                heard.insert(id, row.at);
            }
        }
        let last = |sync: &Sync| sync.id.as_deref().and_then(|id| heard.get(id).copied()).or(sync.until);
        let spans = answer.syncs.iter().map(|sync| (sync.at, last(sync).unwrap_or(sync.at))).collect();
        Self { rows, syncs: answer.syncs, spans, connection: answer.connection, life }
    }

    fn last_ended(&self) -> Option<&Sync> {
        self.syncs.iter().filter(|sync| is_end(&sync.status)).max_by_key(|sync| sync.until)
    }

    fn last_settled(&self) -> Option<&Sync> {
        self.syncs.iter().filter(|sync| is_end(&sync.status) && sync.status != "CANCELED").max_by_key(|sync| sync.until)
    }

    /// Rows from a moment on, up to another, which is not included.
    fn between(&self, from: Micros, to: Micros) -> &'a [Row] {
        let from = self.rows.partition_point(|row| row.at < from);
        let to = self.rows.partition_point(|row| row.at < to);
        self.rows.get(from..to).unwrap_or_default()
    }

    fn at(&self, moment: Micros) -> &'a [Row] {
        self.between(moment, moment + 1)
    }

    fn next_start(&self, after: Micros) -> Micros {
        let later = self.between(after + 1, Micros::MAX);
        later.iter().find(|row| row.event == "sync_start").map_or(Micros::MAX, |row| row.at)
    }

    fn is_ended_by_status(&self, sync: &Sync) -> bool {
        sync.until.is_some_and(|until| self.at(until).iter().any(|row| row.event == "status"))
    }

    fn overlaps(&self, of: usize) -> bool {
        let (from, to) = self.spans[of];
        self.spans.iter().enumerate().any(|(at, (begin, end))| at != of && *begin < to && *end > from)
    }
}

fn is_end(status: &str) -> bool {
    !matches!(status, "RUNNING" | "INTERRUPTED")
}

fn is_failure(status: &str) -> bool {
    status.starts_with("FAILURE")
}

#[derive(Deserialize)]
struct StatusRow {
    connection_id: String,
    connection_health: String,
    last_successful_sync_completed_at: String,
    last_sync_started_at: String,
    last_sync_completed_at: String,
    set_up_at: String,
    number_of_schema_changes_last_month: u64,
    number_errors_since_last_completed_sync: u64,
    number_warnings_since_last_completed_sync: u64,
}

fn why_health(case: &Case<'_>, dbt: &str) -> Option<u8> {
    let ours = case.connection["health"].as_str()?;
    let severe = |from, to| case.between(from, to).iter().any(|row| row.level == "SEVERE");
    let settled = case.last_settled();
    match (dbt, ours) {
        ("broken", "initial sync in progress") => {
            (!case.rows.iter().any(|row| row.event == "sync_end") && severe(Micros::MIN, Micros::MAX)).then_some(6)
        }
        ("connected" | "initial sync in progress", "priority first sync") => {
            let last = case.rows.iter().rfind(|row| row.event == "sync_end")?;
            last.is_priority().then_some(4)
        }
        ("connected", "broken") => {
            let settled = settled?;
            let until = settled.until?;
            let running = case.next_start(until - 1);
            if !is_failure(&settled.status) {
                None
            } else if case.last_ended()?.until > Some(until) {
                (case.last_ended()?.status == "CANCELED").then_some(24)
            } else if running != Micros::MAX && severe(running, Micros::MAX) {
                Some(2)
            } else if running == until {
                Some(12)
            } else {
                (settled.status == "FAILURE_WITH_TASK" && !severe(settled.at, running)).then_some(1)
            }
        }
        ("broken", "connected") => {
            let settled = settled?;
            (!is_failure(&settled.status) && severe(settled.at, Micros::MAX)).then_some(3)
        }
        _ => None,
    }
}

/// Schema changes that the package counts.
const FOUR: [&str; 4] = ["create_table", "alter_table", "create_schema", "change_schema_config"];

fn connection_status(account: &Account, cases: &HashMap<&str, Case<'_>>, tally: &mut Tally) {
    const MODEL: &str = "connection_status";
    let rows: Vec<StatusRow> = account.dbt(MODEL).unwrap_or_default();
    for row in &rows {
        let id = row.connection_id.as_str();
        let Some(case) = cases.get(id) else {
            tally.different(MODEL, None, || format!("{id} is not known"));
            continue;
        };
        let mut agrees = true;
        let mut differ = |number: Option<u8>, what: String| {
            agrees = false;
            tally.different(MODEL, number, || format!("{id}: {what}"));
        };
        let ours = &case.connection;
        if ours["health"] != row.connection_health.as_str() {
            let what = format!("dbt says {}, we say {}", row.connection_health, ours["health"]);
            differ(why_health(case, &row.connection_health), what);
        } else if ours["status"] == "rescheduled" {
            differ(Some(5), String::new());
        }
        for (what, dbt) in [
            ("last_successful_sync_completed_at", &row.last_successful_sync_completed_at),
            ("last_sync_started_at", &row.last_sync_started_at),
            ("last_sync_completed_at", &row.last_sync_completed_at),
            ("created_at", &row.set_up_at),
        ] {
            let found = ours[what].as_str().and_then(time);
            if time(dbt) == found || (what == "created_at" && found.is_none() && !case.rows.iter().any(is_creation)) {
                continue;
            }
            let by_status = what == "last_sync_completed_at"
                && case.rows.iter().any(|row| row.event == "status" && Some(row.at) == found);
            differ(by_status.then_some(8), format!("{what}: dbt says {dbt}, we say {}", ours[what]));
        }
        let counts = [
            ("schema_changes_last_30_days", row.number_of_schema_changes_last_month, 22),
            ("errors_since_last_completed_sync", row.number_errors_since_last_completed_sync, 18),
            ("warnings_since_last_completed_sync", row.number_warnings_since_last_completed_sync, 18),
        ];
        for (what, dbt, number) in counts {
            let found = ours[what].as_u64().unwrap_or(u64::MAX);
            if found != dbt {
                let expected = recount(case, what, account.now);
                differ(
                    (expected == found).then_some(number),
                    format!("{what}: dbt says {dbt}, we say {found}, the log {expected}"),
                );
            }
        }
        if agrees {
            tally.same(MODEL);
        }
    }
    for id in cases.keys().filter(|id| !rows.iter().any(|row| row.connection_id == **id)) {
        tally.different(MODEL, is_lost(account, id).then_some(19), || format!("{id} is ours alone"));
    }
}

#[derive(Deserialize)]
struct ConnectionRow {
    connection_id: String,
    connection_name: String,
    destination_id: String,
    _fivetran_synced: String,
}

#[derive(Deserialize)]
struct DestinationRow {
    id: String,
}

/// Whether the package loses a connection: it is not in CONNECTION, its destination is not in DESTINATION, or a younger one has its name.
fn is_lost(account: &Account, id: &str) -> bool {
    let connections: Vec<ConnectionRow> = account.platform_rows("connection");
    let Some(row) = connections.iter().find(|row| row.connection_id == id) else { return true };
    let destinations: Vec<DestinationRow> = account.platform_rows("destination");
    let younger = |other: &ConnectionRow| {
        (&other.connection_name, &other.destination_id) == (&row.connection_name, &row.destination_id)
            && other._fivetran_synced > row._fivetran_synced
    };
    !destinations.iter().any(|it| it.id == row.destination_id) || connections.iter().any(younger)
}

fn is_creation(row: &Row) -> bool {
    matches!(row.event.as_str(), "create_connector" | "create_connection")
}

/// A count of ours, made anew from the log by our own rule.
fn recount(case: &Case<'_>, what: &str, now: Micros) -> u64 {
    let success = case.connection["last_successful_sync_completed_at"].as_str().and_then(time).unwrap_or(Micros::MIN);
    let since = case.rows.iter().filter(|row| row.at > success);
    let count = match what {
        "errors_since_last_completed_sync" => since.filter(|row| is_error(row)).count(),
        "warnings_since_last_completed_sync" => since.filter(|row| is_warning(row)).count(),
        _ => {
            let today = now.div_euclid(DAY_US);
            case.rows.iter().filter(|row| today - row.at.div_euclid(DAY_US) <= 30 && is_schema_change(row)).count()
        }
    };
    count as u64
}

fn is_error(row: &Row) -> bool {
    row.event == "error"
        || row.event == "connection_failure"
        || (row.event == "sync_end" && is_failure(row.text("status")))
}

fn is_warning(row: &Row) -> bool {
    match row.event.as_str() {
        "warning" | "forced_resync_table" => true,
        "sync_end" | "status" => row.text("status") == "RESCHEDULED" && !row.is_priority(),
        _ => false,
    }
}

/// Every kind of schema change.
fn is_schema_change(row: &Row) -> bool {
    FOUR.contains(&row.event.as_str())
        || matches!(row.event.as_str(), "drop_table" | "change_schema_config_via_api" | "change_schema_config_via_sync")
        || row.event.starts_with("forced_resync_")
}

#[derive(Deserialize)]
struct AuditRow {
    connection_id: String,
    schema_name: String,
    table_name: String,
    write_to_table_start: String,
    write_to_table_end: String,
    sync_start: String,
    sync_end: String,
    sum_rows_replaced_or_inserted: u64,
    sum_rows_updated: u64,
    sum_rows_deleted: u64,
}

/// Rows of one table of one sync of ours, of which the package makes one row for each start of writing.
#[derive(Default)]
struct Written {
    sums: [u64; 3],
    /// The row itself agrees; what its sums are to be is known when all rows are there.
    agree: usize,
    ends: Vec<Option<Micros>>,
}

fn audit_table(account: &Account, cases: &HashMap<&str, Case<'_>>, tally: &mut Tally) {
    const MODEL: &str = "audit_table";
    let mut written: BTreeMap<(String, usize, (String, String)), Written> = BTreeMap::new();
    for row in account.dbt::<AuditRow>(MODEL).unwrap_or_default() {
        let id = &row.connection_id;
        let name = || format!("{id} {}.{} {}", row.schema_name, row.table_name, row.write_to_table_start);
        let Some(case) = cases.get(id.as_str()) else {
            tally.different(MODEL, None, || format!("{}: the connection is not known", name()));
            continue;
        };
        let Some(start) = time(&row.write_to_table_start) else {
            // The log begins between the start of writing and its rows.
            let key = (row.schema_name.clone(), row.table_name.clone());
            let cut = case.syncs.iter().any(|sync| !sync.start_seen && sync.tables.contains_key(&key));
            tally.different(MODEL, cut.then_some(11), || format!("{}: no write start", name()));
            continue;
        };
        let Some(place) = sync_of_write(case, &row, start) else {
            tally.different(MODEL, None, || format!("{}: we know no such write", name()));
            continue;
        };
        let found = differences_of_audit(case, place, &row, start);
        let key = (id.clone(), place, (row.schema_name.clone(), row.table_name.clone()));
        let entry = written.entry(key).or_default();
        entry.agree += usize::from(found.is_empty());
        entry.ends.push(time(&row.sync_end));
        let sums = [row.sum_rows_replaced_or_inserted, row.sum_rows_updated, row.sum_rows_deleted];
        for (sum, more) in entry.sums.iter_mut().zip(sums) {
            *sum += more;
        }
        for (number, what) in found {
            tally.different(MODEL, number, || format!("{}: {what}", name()));
        }
    }
    for ((id, place, key), written) in written {
        let case = &cases[id.as_str()];
        let ours = &case.syncs[place];
        let sums = ["REPLACED_OR_INSERTED", "UPDATED", "DELETED"].map(|operation| ours.tables[&key].sum(operation));
        if sums == written.sums {
            for _ in 0..written.agree {
                tally.same(MODEL);
            }
            continue;
        }
        let number = why_sums(case, place, &written, &key.1);
        tally.different(MODEL, number, || {
            format!("{id} {key:?} of {}: dbt sums {:?}, we {sums:?}", ours.body["first_event_at"], written.sums)
        });
    }
}

fn why_sums(case: &Case<'_>, place: usize, written: &Written, table: &str) -> Option<u8> {
    let ours = &case.syncs[place];
    let last_rows = ours.until.map(|until| case.at(until)).unwrap_or_default();
    if !ours.start_seen {
        Some(11)
    } else if written.sums == [0; 3] && written.ends.iter().all(Option::is_none) {
        Some(8)
    } else if case.overlaps(place) {
        Some(7)
    } else if !has_end_event(case, ours) {
        Some(10)
    } else {
        last_rows.iter().any(|row| row.event == "records_modified" && row.text("table") == table).then_some(12)
    }
}

/// Whether the package can see the end of a sync.
fn has_end_event(case: &Case<'_>, sync: &Sync) -> bool {
    sync.until.is_some() && is_end(&sync.status) && !case.is_ended_by_status(sync)
}

/// Place of the sync that a write belongs to: by the id that its first event carries, else by time.
fn sync_of_write(case: &Case<'_>, row: &AuditRow, start: Micros) -> Option<usize> {
    let key = (row.schema_name.clone(), row.table_name.clone());
    let writes =
        case.at(start).iter().filter(|it| it.event == "write_to_table_start" && it.text("table") == row.table_name);
    let mut syncs = writes.map(|it| match &it.sync_id {
        Some(_) => case.syncs.iter().position(|sync| sync.id == it.sync_id),
        None => case.syncs.iter().rposition(|sync| sync.id.is_none() && sync.at <= start),
    });
    syncs.find_map(|place| place.filter(|place| case.syncs[*place].tables.contains_key(&key)))
}

fn differences_of_audit(case: &Case<'_>, place: usize, row: &AuditRow, start: Micros) -> Vec<(Option<u8>, String)> {
    let mut found = Vec::new();
    let ours = &case.syncs[place];
    let table = &ours.tables[&(row.schema_name.clone(), row.table_name.clone())];
    let overlaps = case.overlaps(place);
    let has_end = has_end_event(case, ours);
    let our_start = ours.start_seen.then_some(ours.at);
    if time(&row.sync_start) != our_start {
        let number = if ours.start_seen { overlaps.then_some(7) } else { Some(11) };
        found.push((number, format!("dbt says the sync began {}, we say {}", row.sync_start, ours.body["at"])));
    }
    let (dbt_end, our_end) = (time(&row.sync_end), ours.until.filter(|_| is_end(&ours.status)));
    if dbt_end != our_end {
        let number = match dbt_end {
            Some(_) if overlaps => Some(7),
            Some(_) if !has_end => Some(10),
            None if !has_end => Some(8),
            _ => None,
        };
        found.push((number, format!("dbt says the sync ended {}, we say {}", row.sync_end, ours.body["until"])));
    }
    let inside = |at: Micros| table.write_start <= Some(at) && Some(at) <= table.write_end;
    if !inside(start) {
        let open = table.write_end.is_none();
        let what = format!("we say it was written {:?} to {:?}", table.write_start, table.write_end);
        found.push(((open && !has_end).then_some(10), what));
    }
    match time(&row.write_to_table_end) {
        Some(end) if end < start => found.push((Some(9), String::new())),
        Some(end) if inside(end) => {}
        Some(_) => {
            // The end of a write to the same name in another sync.
            let number = if overlaps { Some(7) } else { (!has_end || !ours.start_seen).then_some(10) };
            let window = format!("we say {:?} to {:?}", table.write_start, table.write_end);
            found.push((number, format!("dbt says writing ended {}, {window}", row.write_to_table_end)));
        }
        None if table.write_end.is_none() => {}
        None => found.push(((!has_end).then_some(10), "dbt knows no end of writing".to_owned())),
    }
    found
}

#[derive(Deserialize)]
struct DailyRow {
    date_day: String,
    connection_id: String,
    count_api_calls: String,
    count_record_modifications: String,
    count_schema_changes: String,
}

fn connection_daily_events(account: &Account, cases: &HashMap<&str, Case<'_>>, tally: &mut Tally) {
    const MODEL: &str = "connection_daily_events";
    for row in account.dbt::<DailyRow>(MODEL).unwrap_or_default() {
        let Some(case) = cases.get(row.connection_id.as_str()) else {
            tally.different(MODEL, row.connection_id.is_empty().then_some(19), || "not known".to_owned());
            continue;
        };
        let day = time(&format!("{} 00:00:00", &row.date_day[..10])).expect("a day").div_euclid(DAY_US);
        let ours = case.life.days.get(&day).copied().unwrap_or_default();
        let of_day: Vec<&Row> = case.rows.iter().filter(|it| it.at.div_euclid(DAY_US) == day).collect();
        let count = |event: &str| of_day.iter().filter(|it| it.event == event).count() as u64;
        let queries: u64 = of_day
            .iter()
            .filter(|it| it.event == "extract_summary")
            .map(|it| it.number("total_queries") + it.number("totalQueries"))
            .sum();
        let number = |text: &str| text.parse::<f64>().map_or(0, |it| it as u64);
        let kinds = FOUR.map(count);
        let all = of_day.iter().filter(|it| is_schema_change(it)).count() as u64;
        let mut agrees = true;
        for (what, dbt, found, right, known) in [
            ("records", number(&row.count_record_modifications), ours.rows_modified, u64::MAX, 0),
            ("API calls", number(&row.count_api_calls), ours.api_calls, count("api_call") + queries, 17),
            (
                "schema changes",
                number(&row.count_schema_changes),
                ours.schema_changes,
                all,
                if all == kinds.iter().sum::<u64>() { 17 } else { 22 },
            ),
        ] {
            if dbt != found {
                agrees = false;
                tally.different(MODEL, (found == right).then_some(known), || {
                    format!(
                        "{} {}: {what}: dbt says {dbt}, we say {found}, the log {right}",
                        row.connection_id, row.date_day
                    )
                });
            }
        }
        if agrees {
            tally.same(MODEL);
        }
    }
}

#[derive(Deserialize)]
struct ChangeRow {
    connection_id: String,
    created_at: String,
    event_subtype: String,
    table_name: String,
    schema_name: String,
}

fn schema_changelog(account: &Account, cases: &HashMap<&str, Case<'_>>, tally: &mut Tally) {
    const MODEL: &str = "schema_changelog";
    let mut lists: HashMap<&str, Vec<(Micros, String)>> = HashMap::new();
    for (id, case) in cases {
        let changes = case.life.stages.values().filter(|stage| stage.schema_change);
        lists.insert(id, changes.map(|stage| (stage.anchor.created_us, stage.body.clone())).collect());
    }
    for row in account.dbt::<ChangeRow>(MODEL).unwrap_or_default() {
        let at = time(&row.created_at);
        let found = lists.get(row.connection_id.as_str()).is_some_and(|list| {
            list.iter().any(|(since, body)| {
                Some(*since) == at
                    && body.contains(&format!("\"{}\"", row.event_subtype))
                    && [&row.table_name, &row.schema_name]
                        .iter()
                        .all(|name| name.is_empty() || body.contains(&format!("\"{name}\"")))
            })
        });
        if found {
            tally.same(MODEL);
        } else {
            tally.different(MODEL, None, || {
                format!("{} {} {} is missing", row.connection_id, row.created_at, row.event_subtype)
            });
        }
    }
}

#[derive(Deserialize)]
struct ActivityRow {
    occurred_at: String,
    connection_id: String,
    email: String,
    event_subtype: String,
    message_data: String,
}

fn audit_user_activity(account: &Account, lives: &BTreeMap<Option<String>, Life>, tally: &mut Tally) {
    const MODEL: &str = "audit_user_activity";
    for row in account.dbt::<ActivityRow>(MODEL).unwrap_or_default() {
        let data: Value = serde_json::from_str(&row.message_data).expect("JSON");
        let at = time(&row.occurred_at);
        let of = |id: &Option<String>| id.as_deref().unwrap_or_default() == row.connection_id;
        let is_same = |deed: &Activity| {
            Some(deed.key.created_us) == at
                && deed.event == row.event_subtype
                && deed.actor == row.email
                && deed.data.as_deref().is_some_and(|text| same_but_masks(&super::folded::body(text), &data))
        };
        let mut found = lives.iter().filter(|(_, life)| life.activities.values().any(is_same)).map(|(id, _)| id);
        let owner = found.next();
        match owner {
            Some(id) if of(id) => tally.same(MODEL),
            // It is there, under the connection that the package has lost.
            owner => tally.different(MODEL, owner.filter(|_| row.connection_id.is_empty()).map(|_| 19), || {
                format!("{} {} {} is missing", row.occurred_at, row.event_subtype, row.email)
            }),
        }
    }
}

/// Whether two data are equal but for masked secrets, and the old name of an id.
pub fn same_but_masks(ours: &Value, dbt: &Value) -> bool {
    match (ours, dbt) {
        (Value::Object(ours), Value::Object(dbt)) => {
            let renamed = |name: &String| if name == "connectorId" { "connectionId".to_owned() } else { name.clone() };
            dbt.iter().all(|(name, value)| {
                ours.get(name).or_else(|| ours.get(&renamed(name))).is_some_and(|own| same_but_masks(own, value))
            })
        }
        (Value::Array(ours), Value::Array(dbt)) => {
            ours.len() == dbt.len() && ours.iter().zip(dbt).all(|(ours, dbt)| same_but_masks(ours, dbt))
        }
        (Value::String(_), Value::String(masked)) if masked.chars().all(|c| c == '*') => true,
        _ => ours == dbt,
    }
}

#[test]
fn every_row_of_the_package_agrees_or_differs_in_a_known_way() {
    for folded in folded().iter().filter(|it| it.account.dbt::<Value>("connection_status").is_some()) {
        let account = folded.account;
        let log: Log = log::of(account);
        let cases: HashMap<&str, Case<'_>> = folded
            .lives
            .iter()
            .filter_map(|(id, life)| {
                let id = id.as_deref()?;
                Some((id, Case::of(log.get(id)?, life, Answer::of(id, life, account.now))))
            })
            .collect();
        let mut tally = Tally::default();
        connection_status(account, &cases, &mut tally);
        audit_table(account, &cases, &mut tally);
        connection_daily_events(account, &cases, &mut tally);
        schema_changelog(account, &cases, &mut tally);
        audit_user_activity(account, &folded.lives, &mut tally);
        tally.print(&account.name);
        assert_none(&tally.unknown);
    }
}
