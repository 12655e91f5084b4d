//! The same life asked for in pieces: pages, windows, single syncs and lists add up to the whole.

use super::{
    account::{accounts, time},
    arrivals::{given_in_order, ids, some_lines},
};
use crate::{app::App, samples::rng};
use rand::Rng;
use serde_json::Value;
use std::collections::BTreeMap;

fn stages(answer: &Value) -> Vec<Value> {
    answer["stages"].as_array().expect("stages").clone()
}

/// Stages page by page, brought into the order of one answer.
fn in_pages(app: &App, path: &str, limit: usize) -> Vec<Value> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = app.get_json(&format!("{path}limit={limit}{cursor}"));
        let found = stages(&page);
        assert!(found.len() <= limit, "{path}");
        pages.push(found);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return pages.into_iter().rev().flatten().collect(),
        }
    }
}

/// The place of a stage in time.
fn begins(stage: &Value) -> Option<i64> {
    let at = if stage["stage"] == "sync" { &stage["first_event_at"] } else { &stage["at"] };
    at.as_str().and_then(time)
}

#[test]
fn pages_windows_and_lists_add_up_to_the_whole() {
    let mut rng = rng();
    let lines = some_lines(&accounts()[0]);
    let (app, _) = given_in_order(&lines);
    for id in ids(&app) {
        let base = format!("/v1/connections/{id}");
        let timeline = app.get_json(&format!("{base}/timeline"));
        let whole = stages(&timeline);
        assert!(whole.is_sorted_by_key(begins), "{id}: stages stand in order of time");
        let limit = rng.random_range(1..20);
        assert_eq!(in_pages(&app, &format!("{base}/timeline?"), limit), whole, "{id} by {limit}");

        let Some(at) = whole.get(rng.random_range(0..whole.len().max(1))) else { continue };
        let cut = lifeline::lifecycle::time_text(begins(at).expect("a time"));
        let mut both = stages(&app.get_json(&format!("{base}/timeline?to={cut}")));
        both.extend(stages(&app.get_json(&format!("{base}/timeline?from={cut}"))));
        assert_eq!(both, whole, "{id} cut at {cut}");
        both = in_pages(&app, &format!("{base}/timeline?to={cut}&"), limit);
        both.extend(in_pages(&app, &format!("{base}/timeline?from={cut}&"), limit));
        assert_eq!(both, whole, "{id} cut at {cut}, by {limit}");

        let of_kind = |kind: &str| whole.iter().filter(|it| it["stage"] == kind).rev().cloned().collect::<Vec<Value>>();
        let syncs = of_kind("sync");
        assert_eq!(app.all_of(&format!("{base}/syncs"), &format!("limit={limit}")), syncs, "{id}");
        let mut by_status: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for sync in &syncs {
            by_status.entry(sync["status"].as_str().expect("a status")).or_default().push(sync);
            if let Some(sync_id) = sync["sync_id"].as_str() {
                assert_eq!(&app.get_json(&format!("{base}/syncs/{sync_id}")), sync, "{id} {sync_id}");
            }
        }
        for (status, expected) in by_status {
            let found = app.all_of(&format!("{base}/syncs"), &format!("limit=9&status={status}"));
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{id} {status}");
        }
        let changes = app.all_of(&format!("{base}/schema-changes"), &format!("limit={limit}"));
        assert!(changes.iter().all(|change| whole.contains(change)), "{id}");
        let named = of_kind("schema_changed");
        assert!(named.iter().all(|change| changes.contains(change)), "{id}");

        let incidents = app.all_of("/v1/incidents", &format!("limit=3&connection_id={id}"));
        assert_eq!(incidents.len(), timeline["incidents"].as_array().expect("incidents").len(), "{id}");
        let listed = app.get_json(&format!("/v1/connections?q={id}"));
        let mut connection = app.get_json(&base);
        assert_eq!(listed["data"][0], connection, "{id}");
        assert_eq!(timeline["connection"], connection, "{id}");
        let status = connection["status"].take();
        let health = connection["health"].take();
        for (name, value) in [("status", &status), ("health", &health)] {
            let value = value.as_str().expect("a word").replace(' ', "+");
            let found = app.all_of("/v1/connections", &format!("limit=100&{name}={value}"));
            assert!(found.iter().any(|it| it["connection_id"] == id.as_str()), "{id} {name} {value}");
        }
    }
}

#[test]
fn lists_of_connections_are_sorted_and_complete_in_every_order() {
    let lines = some_lines(&accounts()[0]);
    let (app, _) = given_in_order(&lines);
    let all = ids(&app);
    for (sort, member) in [
        ("id", "connection_id"),
        ("name", "connection_name"),
        ("last_success", "last_successful_sync_completed_at"),
        ("last_event", "last_event_at"),
        ("status", "status"),
    ] {
        for order in ["asc", "desc"] {
            let found = app.all_of("/v1/connections", &format!("limit=4&sort={sort}&order={order}"));
            let mut seen: Vec<&str> = found.iter().filter_map(|it| it["connection_id"].as_str()).collect();
            if sort != "status" {
                let value = |it: &Value| it[member].as_str().map(str::to_owned);
                let sorted = found.is_sorted_by(|one, other| {
                    if order == "asc" { value(one) <= value(other) } else { value(one) >= value(other) }
                });
                assert!(sorted, "{sort} {order}");
            }
            seen.sort_unstable();
            assert_eq!(seen, all.iter().map(String::as_str).collect::<Vec<_>>(), "{sort} {order}");
        }
    }
}
