//! Cursors: pages that neither repeat nor skip, while events arrive before, between and behind them.

use crate::{
    app::App,
    samples::{number_of, numbered},
};
use serde_json::Value;

/// Pages through a list; after each page `between` may change what is stored.
fn walk(app: &App, query: &str, mut between: impl FnMut(usize)) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut cursor = String::new();
    for page in 0.. {
        let answer = app.get_json(&format!("/v1/events?{query}{cursor}"));
        numbers.extend(answer["data"].as_array().expect("a list").iter().map(number_of));
        between(page);
        match &answer["next_cursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => return numbers,
        }
    }
    numbers
}

fn post(app: &App, connection: &str, numbers: impl Iterator<Item = u64>) {
    let lines: Vec<String> = numbers.map(|n| numbered(connection, n)).collect();
    app.post_native(lines.join("\n")).expect(200);
}

#[test]
fn pages_stay_right_while_events_arrive() {
    let app = App::spawn();
    // Even numbers are there from the beginning; odd ones arrive while the pages are read.
    post(&app, "pages", (0..400).map(|n| n * 2));
    for order in ["asc", "desc"] {
        let connection = format!("pages_{order}");
        post(&app, &connection, (0..400).map(|n| n * 2));
        let found = walk(&app, &format!("connection_id={connection}&order={order}&limit=7"), |page| {
            let n = (page as u64 * 37 % 400) * 2 + 1;
            post(&app, &connection, [n, 10_000 + page as u64].into_iter());
        });
        let mut sorted = found.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), found.len(), "no event comes twice");
        let in_order = found.windows(2).all(|pair| if order == "asc" { pair[0] < pair[1] } else { pair[0] > pair[1] });
        assert!(in_order, "pages are in order of time");
        let even = found.iter().filter(|n| *n % 2 == 0 && **n < 10_000).count();
        assert_eq!(even, 400, "nothing that was there from the beginning is skipped");
    }
    assert_eq!(walk(&app, "connection_id=pages&limit=1000", |_| {}).len(), 400);
    assert_eq!(
        walk(&app, "connection_id=pages&limit=400&order=asc", |_| {}),
        (0..400).map(|n| n * 2).collect::<Vec<_>>()
    );
    assert_eq!(walk(&app, "connection_id=pages&limit=1&q=%22n%22:7", |_| {}).len(), 49, "70, 72 … 78, 700 … 798");
}

#[test]
fn a_filter_that_fits_little_still_comes_to_an_end() {
    let app = App::spawn();
    for batch in 0..4 {
        post(&app, &format!("many_{batch}"), batch * 1_000..batch * 1_000 + 1_000);
    }
    app.post_native(
        r#"{"event":"warning","created":"2026-08-17T00:00:02Z","data":{"type":"example","message":"rare"}}"#,
    )
    .expect(200);
    for order in ["asc", "desc"] {
        let found = app.all_events(&format!("event=warning&order={order}"));
        assert_eq!(found.len(), 1, "{order}");
        assert_eq!(app.all_events(&format!("q=rare&order={order}&family=connector")).len(), 1, "{order}");
    }
}

#[test]
fn events_of_one_moment_are_all_paged() {
    let app = App::spawn();
    let lines: Vec<String> = (0..250)
        .map(|n| {
            format!(
                r#"{{"event":"info","created":"2026-08-17T09:41:23.518Z","connection_id":"moment","data":{{"n":{n}}}}}"#
            )
        })
        .collect();
    app.post_native(lines.join("\n")).expect(200);
    for query in ["connection_id=moment&limit=9", "limit=9&order=asc"] {
        let mut found = walk(&app, query, |_| {});
        found.sort_unstable();
        assert_eq!(found, (0..250).collect::<Vec<_>>(), "{query}");
    }
}

#[test]
fn a_cursor_belongs_to_its_order() {
    let app = App::spawn();
    post(&app, "cursor", 0..10);
    let page = app.get_json("/v1/events?connection_id=cursor&limit=3&order=asc");
    let cursor = page["next_cursor"].as_str().expect("there is more").to_owned();
    // The cursor carries the order; saying another one is a mistake.
    let next = app.get_json(&format!("/v1/events?connection_id=cursor&limit=3&cursor={cursor}"));
    let numbers: Vec<u64> = next["data"].as_array().expect("a list").iter().map(number_of).collect();
    assert_eq!(numbers, [3, 4, 5]);
    assert_eq!(app.get(&format!("/v1/events?connection_id=cursor&order=desc&cursor={cursor}")).status, 400);
    assert_eq!(app.get(&format!("/v1/events?cursor={cursor}x")).status, 400);
}
