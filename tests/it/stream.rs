//! The live stream: every new event once, in order of arrival, across reconnects and restarts.

use crate::{
    app::{App, READ},
    samples::{number_of, numbered},
    sse::{Message, Stream},
};
use std::{thread, time::Duration};

fn numbers(messages: &[Message]) -> Vec<u64> {
    messages
        .iter()
        .map(|message| {
            assert_eq!(message.event, "event");
            assert!(!message.id.is_empty());
            number_of(&message.json())
        })
        .collect()
}

#[test]
fn new_events_arrive_once_and_in_order_of_arrival() {
    let app = App::spawn();
    app.post_native(numbered("before", 1)).expect(200);
    let mut live = Stream::open(app.addr, "", READ, None);
    for n in [5, 3, 4] {
        app.post_native(numbered("live", n)).expect(200);
    }
    app.post_native(numbered("live", 3)).expect(200);
    app.post_native([numbered("live", 9), numbered("live", 8)].join("\n")).expect(200);
    assert_eq!(numbers(&live.take(5)), [5, 3, 4, 9, 8], "duplicates and what was there before are not told");
    assert_eq!(live.next(Duration::from_millis(300)), None);
}

#[test]
fn a_stream_goes_on_where_it_was_left() {
    let mut app = App::spawn();
    let mut live = Stream::open(app.addr, "", READ, None);
    app.post_native((0..5).map(|n| numbered("resume", n)).collect::<Vec<_>>().join("\n")).expect(200);
    let seen = live.take(3);
    assert_eq!(numbers(&seen), [0, 1, 2]);
    drop(live);
    app.post_native(numbered("resume", 5)).expect(200);
    let mut live = Stream::open(app.addr, "", READ, Some(&seen[2].id));
    let seen = live.take(3);
    assert_eq!(numbers(&seen), [3, 4, 5], "also from the middle of a request");
    drop(live);
    app.post_native(numbered("resume", 6)).expect(200);
    app.kill();
    app.start();
    app.post_native(numbered("resume", 7)).expect(200);
    let mut live = Stream::open(app.addr, "", READ, Some(&seen[2].id));
    assert_eq!(numbers(&live.take(2)), [6, 7], "and across a kill");
    // Browsers cannot set the header on the first connection.
    let mut live = Stream::open(app.addr, &format!("?last_event_id={}", seen[0].id), READ, None);
    assert_eq!(numbers(&live.take(4)), [4, 5, 6, 7]);
}

#[test]
fn many_reconnects_lose_and_repeat_nothing() {
    let app = App::spawn();
    let mut last: Option<String> = None;
    let mut seen = Vec::new();
    let mut first = Stream::open(app.addr, "?connection_id=busy", READ, None);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..300 {
                app.post_native([numbered("busy", n), numbered("noise", n)].join("\n")).expect(200);
            }
        });
        let message = first.take(1);
        seen.extend(numbers(&message));
        last = message.last().map(|message| message.id.clone());
        drop(first);
        while seen.len() < 300 {
            let mut live = Stream::open(app.addr, "?connection_id=busy", READ, last.as_deref());
            let some = live.take((300 - seen.len()).min(17));
            seen.extend(numbers(&some));
            last = some.last().map(|message| message.id.clone());
        }
    });
    assert_eq!(seen, (0..300).collect::<Vec<_>>());
}

#[test]
fn filters_hold_on_the_stream_too() {
    let app = App::spawn();
    let mut live = Stream::open(app.addr, "?level=SEVERE&connection_id=c", READ, None);
    app.post_native(numbered("c", 1)).expect(200);
    app.post_native(r#"{"event":"error","created":"2026-08-17T09:41:23Z","connection_id":"d","data":{"n":2}}"#)
        .expect(200);
    app.post_native(r#"{"event":"error","created":"2026-08-17T09:41:24Z","connection_id":"c","data":{"n":3}}"#)
        .expect(200);
    assert_eq!(numbers(&live.take(1)), [3]);
    assert_eq!(live.next(Duration::from_millis(200)), None);
}

#[test]
fn a_place_that_was_never_given_out_is_refused_or_told_of() {
    let app = App::spawn();
    app.post_native(numbered("gap", 1)).expect(200);
    let bearer = format!("Bearer {READ}");
    let headers = [("Authorization", bearer.as_str()), ("Last-Event-ID", "no place")];
    assert_eq!(app.send("GET", "/v1/events/stream", &headers, b"").status, 400);
    assert_eq!(app.send("GET", "/v1/events/stream", &[], b"").status, 401);
    // From the very beginning: everything that is still known in order.
    let mut live = Stream::open(app.addr, "", READ, Some("0.0"));
    let first = live.take(1).remove(0);
    assert!(matches!(first.event.as_str(), "event" | "gap"), "{first:?}");
}
