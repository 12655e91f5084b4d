//! `lifeline connections`: how every connection stands.

use super::{
    DataFlags, Outcome,
    access::Access,
    configuration::pretty,
    error, lives, now_us, print, runtime,
    terminal::{Screen, Tone, When, age, count, counted, cut, fit, fit_right, inert, micros, width, wrap},
};
use crate::{
    lifecycle::{Health, Status},
    model::{Micros, Source},
    store::lives::LifeFilter,
};
use clap::{Args, ValueEnum, builder::PossibleValuesParser};
use serde_json::{Value, json};
use std::cmp::Reverse;

/// What a list is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, ValueEnum)]
pub enum Sort {
    /// Broken ones first, healthy ones last.
    #[default]
    Worst,
    /// By name.
    Name,
    /// By id.
    Id,
    /// Longest without a success first.
    LastSuccess,
    /// Latest event first.
    LastEvent,
    /// Most errors first.
    Errors,
}

#[derive(Debug, Args)]
pub struct ConnectionsArgs {
    /// Only these.
    #[arg(long, value_parser = PossibleValuesParser::new(Status::ALL.map(Status::as_str)))]
    status: Option<String>,
    /// Only these, in the words of Fivetran's dbt package.
    #[arg(long, value_parser = PossibleValuesParser::new(Health::ALL.map(Health::as_str)))]
    health: Option<String>,
    /// Only of this connector type.
    #[arg(long = "type", value_name = "TYPE")]
    connector_type: Option<String>,
    /// Only of this destination.
    #[arg(long)]
    destination: Option<String>,
    /// Only of this system.
    #[arg(long, value_parser = PossibleValuesParser::new(Source::ALL.map(Source::as_str)))]
    source: Option<String>,
    /// Only with this text in the id or the name, in any case.
    #[arg(short, value_name = "TEXT")]
    q: Option<String>,
    /// What comes first.
    #[arg(long, value_enum, default_value_t)]
    sort: Sort,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Colours.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: When,
    #[command(flatten)]
    flags: Box<DataFlags>,
}

fn word<T: Copy>(text: Option<&String>, all: &[T], name: fn(T) -> &'static str) -> Option<T> {
    text.and_then(|text| all.iter().copied().find(|value| name(*value) == text))
}

pub(super) fn run(args: &ConnectionsArgs) -> Outcome {
    let (config, _) = args.flags.0.load()?;
    let filter = LifeFilter {
        status: word(args.status.as_ref(), &Status::ALL, Status::as_str),
        health: word(args.health.as_ref(), &Health::ALL, Health::as_str),
        source: word(args.source.as_ref(), &Source::ALL, Source::as_str),
        connector_type: args.connector_type.clone(),
        destination: args.destination.clone(),
        q: args.q.clone().filter(|text| !text.is_empty()),
    };
    let mut found = runtime()?.block_on(async {
        let access = Access::open(&config).await?;
        let found = lives::connections(&access, &filter).await;
        access.close().await?;
        found
    })?;
    sort(&mut found, args.sort);
    print(&if args.json {
        pretty(&json!({"data": found}))
    } else if found.is_empty() {
        "No connections.".to_owned()
    } else {
        table(&found, &Screen::of_stdout(args.color), now_us())
    })?;
    Ok(error::DONE)
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().unwrap_or_default()
}

/// The name, or the id where there is none.
fn name(connection: &Value) -> &str {
    connection["connection_name"].as_str().unwrap_or_else(|| text(connection, "connection_id"))
}

fn is_in_trouble(connection: &Value) -> bool {
    !connection["open_incident"].is_null()
}

/// Place in the order of what needs somebody most.
fn rank(connection: &Value) -> usize {
    const ORDER: [&str; 9] = [
        "broken",
        "setup_incomplete",
        "rescheduled",
        "initial_sync",
        "syncing",
        "new",
        "connected",
        "paused",
        "deleted",
    ];
    // A failed connection that tries again is still in trouble.
    if is_in_trouble(connection) {
        return 0;
    }
    let status = text(connection, "status");
    ORDER.iter().position(|word| *word == status).unwrap_or(ORDER.len())
}

fn sort(connections: &mut [Value], by: Sort) {
    let time = |connection: &Value, member: &str| connection[member].as_str().and_then(micros).unwrap_or(i64::MIN);
    let success = "last_successful_sync_completed_at";
    let errors = |connection: &Value| connection["errors_since_last_completed_sync"].as_u64().unwrap_or(0);
    let tie = |connection: &Value| (name(connection).to_lowercase(), text(connection, "connection_id").to_owned());
    match by {
        Sort::Worst => connections.sort_by_cached_key(|it| (rank(it), tie(it))),
        Sort::Name => connections.sort_by_cached_key(tie),
        Sort::Id => connections.sort_by_cached_key(|it| text(it, "connection_id").to_owned()),
        Sort::LastSuccess => connections.sort_by_cached_key(|it| (time(it, success), tie(it))),
        Sort::LastEvent => connections.sort_by_cached_key(|it| (Reverse(time(it, "last_event_at")), tie(it))),
        Sort::Errors => connections.sort_by_cached_key(|it| (Reverse(errors(it)), rank(it), tie(it))),
    }
}

/// A status as a sign and a colour.
#[must_use]
pub fn sign(status: &str) -> (&'static str, Tone) {
    match status {
        "broken" => ("✗", Tone::Bad),
        "setup_incomplete" => ("!", Tone::Warn),
        "rescheduled" => ("~", Tone::Warn),
        "initial_sync" | "syncing" => ("▸", Tone::Busy),
        "connected" => ("✓", Tone::Good),
        "paused" => ("‖", Tone::Quiet),
        "deleted" => ("-", Tone::Quiet),
        _ => ("·", Tone::Plain),
    }
}

/// One row, inert.
struct Row {
    sign: &'static str,
    tone: Tone,
    status: String,
    name: String,
    id: String,
    kind: String,
    success: String,
    errors: String,
    incident: String,
}

fn row(connection: &Value, now: Micros) -> Row {
    let status = text(connection, "status");
    let (sign, tone) = sign(status);
    let success = connection["last_successful_sync_completed_at"].as_str().and_then(micros);
    let errors = connection["errors_since_last_completed_sync"].as_u64().unwrap_or(0);
    let incident = &connection["open_incident"];
    let incident = match (incident["opened_at"].as_str().and_then(micros), incident["reason"].as_str()) {
        (Some(opened), reason) => format!("{}: {}", age(opened, now), reason.unwrap_or("no reason given")),
        (None, reason) => reason.unwrap_or_default().to_owned(),
    };
    Row {
        sign,
        tone: if is_in_trouble(connection) { Tone::Bad } else { tone },
        status: inert(&status.replace('_', " ")),
        name: inert(name(connection)),
        id: inert(text(connection, "connection_id")),
        kind: inert(text(connection, "connector_type")),
        success: success.map_or("never".to_owned(), |at| age(at, now)),
        errors: if errors == 0 { String::new() } else { count(errors) },
        incident: inert(&incident),
    }
}

/// Fewer columns than this tell nothing of an incident.
const INCIDENT_MIN: usize = 24;

/// The whole list.
fn table(connections: &[Value], screen: &Screen, now: Micros) -> String {
    let rows: Vec<Row> = connections.iter().map(|connection| row(connection, now)).collect();
    let widest = |heading: &str, of: fn(&Row) -> &str, most: usize| {
        rows.iter().map(|row| width(of(row))).chain([width(heading)]).max().unwrap_or(0).min(most)
    };
    let (status, errors) = (widest("STATUS", |row| &row.status, 16), widest("ERRORS", |row| &row.errors, 12));
    let success = widest("LAST OK", |row| &row.success, 10);
    let mut names = widest("NAME", |row| &row.name, 40);
    let mut ids = widest("ID", |row| &row.id, 40);
    let mut kinds = widest("TYPE", |row| &row.kind, 20);
    // What names, ids, types and incidents share, without the gaps.
    let room = screen.width.saturating_sub(2 + status + 2 + 2 + 2 + 2 + success + 2 + errors);
    let left = room.saturating_sub(names + ids + kinds + 2);
    // Too little room beside the others: incidents go below, and types, ids and names give way.
    let below = left < INCIDENT_MIN;
    if below {
        kinds = kinds.min(room / 4);
        ids = ids.min((room - kinds) / 2);
        names = names.min(room - kinds - ids);
    }
    let cells = |row: [&str; 7]| {
        [
            fit(row[1], names),
            fit(row[2], ids),
            fit(row[3], kinds),
            fit_right(row[4], success),
            fit_right(row[5], errors),
            if below { String::new() } else { fit(row[6], left) },
        ]
        .join("  ")
        .trim_end()
        .to_owned()
    };
    let incident = if below { "" } else { "OPEN INCIDENT" };
    let heading = cells(["", "NAME", "ID", "TYPE", "LAST OK", "ERRORS", incident]);
    let mut out = format!("{}\n", screen.paint(Tone::Quiet, &format!("  {}  {heading}", fit("STATUS", status))));
    for row in &rows {
        let state = screen.paint(row.tone, &format!("{} {}", row.sign, fit(&row.status, status)));
        let rest = cells(["", &row.name, &row.id, &row.kind, &row.success, &row.errors, &row.incident]);
        out.push_str(&format!("{state}  {rest}\n"));
        if below && !row.incident.is_empty() {
            let words = cut(&row.incident, screen.width.saturating_sub(4));
            out.push_str(&format!("  {}\n", screen.paint(Tone::Bad, &format!("└ {words}"))));
        }
    }
    for line in wrap(&totals(connections), screen.width, 4) {
        out.push_str(&format!("{line}\n"));
    }
    out
}

/// `113 connections: 4 broken, 109 connected; 4 open incidents`.
fn totals(connections: &[Value]) -> String {
    let mut counts: Vec<(usize, &str, u64)> = Vec::new();
    for connection in connections {
        let status = text(connection, "status");
        match counts.iter_mut().find(|(_, word, _)| *word == status) {
            Some((_, _, n)) => *n += 1,
            None => counts.push((rank(&json!({"status": status})), status, 1)),
        }
    }
    counts.sort_unstable();
    let parts: Vec<String> =
        counts.iter().map(|(_, word, n)| format!("{} {}", count(*n), inert(&word.replace('_', " ")))).collect();
    let open = connections.iter().filter(|connection| is_in_trouble(connection)).count() as u64;
    let open =
        if open == 0 { String::new() } else { format!("; {}", counted(open, "open incident", "open incidents")) };
    format!("{}: {}{open}", counted(connections.len() as u64, "connection", "connections"), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<Value> {
        let life = |id: &str, name: Option<&str>, kind: &str, status: &str, success: Option<&str>, errors: u64| {
            json!({"connection_id": id, "connection_name": name, "connector_type": kind, "status": status, "health": status,
                "last_successful_sync_completed_at": success, "last_event_at": success, "errors_since_last_completed_sync": errors, "open_incident": null})
        };
        let mut broken =
            life("brave_otter", Some("shop_orders"), "postgres", "broken", Some("2026-07-07T16:20:03Z"), 3);
        broken["open_incident"] = json!({"opened_at": "2026-07-07T16:35:14Z", "reason": "FATAL: password authentication failed for user \"fivetran\""});
        let mut again = life("calm_heron", Some("ads\u{1b}[2J"), "google_ads", "syncing", None, 1204);
        again["open_incident"] = json!({"opened_at": "2026-07-05T16:35:14Z", "reason": null});
        vec![
            life("zephyr_lagoon", Some("mailbox"), "gmail", "connected", Some("2026-07-07T18:40:00Z"), 0),
            life("dapper_jovial", None, "s3", "paused", Some("2026-06-01T00:00:00Z"), 0),
            again,
            life("iris_candid", Some("日本語の名前"), "mysql", "setup_incomplete", None, 0),
            broken,
        ]
    }

    fn now() -> Micros {
        micros("2026-07-07T18:45:14Z").expect("a time")
    }

    #[test]
    fn broken_ones_come_first_and_nothing_is_lost_without_colour() {
        let mut found = sample();
        sort(&mut found, Sort::Worst);
        let plain = table(&found, &Screen { width: 110, colour: false }, now());
        insta::assert_snapshot!("plain", plain);
        let narrow = table(&found, &Screen { width: 80, colour: false }, now());
        insta::assert_snapshot!("narrow", narrow);
        assert!(narrow.lines().all(|line| width(line) <= 80), "{narrow}");
        let coloured = table(&found, &Screen { width: 110, colour: true }, now());
        assert!(!coloured.contains("\u{1b}[2J"), "a name does not steer the terminal");
        insta::assert_snapshot!("coloured", coloured.replace('\u{1b}', "␛"));
    }

    proptest::proptest! {
        /// Names and reasons come from anywhere.
        #[test]
        fn no_name_steers_the_terminal_or_breaks_the_table(
            name in proptest::prelude::any::<String>(),
            reason in "[a-z\u{1b}\u{202e}\r\n 日]{0,60}",
            columns in 60_usize..160,
        ) {
            let mut found = sample();
            found[0]["connection_name"] = json!(name);
            found[1]["connector_type"] = json!(reason);
            found[4]["open_incident"]["reason"] = json!(reason);
            found[3]["status"] = json!(name);
            sort(&mut found, Sort::Worst);
            for line in table(&found, &Screen { width: columns, colour: false }, now()).lines() {
                proptest::prop_assert!(!line.chars().any(char::is_control), "{:?}", line);
                proptest::prop_assert!(width(line) <= columns, "{} {:?}", columns, line);
            }
        }
    }

    #[test]
    fn lists_are_sorted_as_asked() {
        let ids = |by| {
            let mut found = sample();
            sort(&mut found, by);
            found.iter().map(|it| text(it, "connection_id")[..1].to_owned()).collect::<String>()
        };
        assert_eq!(ids(Sort::Worst), "cbizd");
        assert_eq!(ids(Sort::Name), "cdzbi");
        assert_eq!(ids(Sort::Id), "bcdiz");
        assert_eq!(ids(Sort::LastSuccess), "cidbz");
        assert_eq!(ids(Sort::LastEvent), "zbdci");
        assert_eq!(ids(Sort::Errors), "cbizd");
    }
}
