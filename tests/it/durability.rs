//! Promise 1: a success answer means that the events are on disk. Kills, stops and restarts under load.
//!
//! Senders keep a ledger: a number whose request was answered with success is a debt, whatever happens next.

use crate::{
    app::{App, INGEST},
    http::{Conn, request},
    samples::{self, hec_body, number_of, numbered},
};
use rand::Rng;
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

const BATCHES: [u64; 4] = [1, 7, 100, 1000];

/// What one sender did: the numbers below `sent` were sent; those in `acked` were answered with success.
struct Ledger {
    sent: u64,
    acked: Vec<u64>,
    /// The batch that was sent last and not answered.
    open: Option<(u64, u64)>,
}

/// Sends batches to `connection` until the server is gone. `slot` chooses protocol and first batch size.
fn send_until_gone(addr: std::net::SocketAddr, connection: &str, slot: usize, stop: &AtomicBool) -> Ledger {
    let mut ledger = Ledger { sent: 0, acked: Vec::new(), open: None };
    let bearer = format!("Bearer {INGEST}");
    let hec = slot.is_multiple_of(2);
    let path = if hec { "/services/collector/event" } else { "/v1/events" };
    let Ok(mut conn) = Conn::open(addr) else { return ledger };
    for turn in slot / 2.. {
        let size = BATCHES[turn % BATCHES.len()];
        let lines: Vec<String> = (ledger.sent..ledger.sent + size).map(|n| numbered(connection, n)).collect();
        let body = if hec { hec_body(&lines) } else { lines.join("\n") };
        ledger.open = Some((ledger.sent, size));
        ledger.sent += size;
        let Ok(answer) = conn.send(&request("POST", path, &[("Authorization", &bearer)], body.as_bytes())) else {
            break;
        };
        match answer.status {
            200 => ledger.acked.extend(ledger.sent - size..ledger.sent),
            // The answers of a server that is about to stop; nothing was taken.
            503 => {}
            other => panic!("{other}: {}", answer.text()),
        }
        ledger.open = None;
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    ledger
}

/// How often each number of a connection is stored.
fn stored(app: &App, connection: &str) -> BTreeMap<u64, u64> {
    let mut count = BTreeMap::new();
    for event in app.all_events(&format!("connection_id={connection}")) {
        *count.entry(number_of(&event)).or_default() += 1;
    }
    count
}

/// Compares a ledger with what is stored; gives how many were stored without an answer.
#[track_caller]
fn settle(app: &App, connection: &str, ledger: &Ledger) -> u64 {
    let stored = stored(app, connection);
    let lost: Vec<u64> = ledger.acked.iter().copied().filter(|n| !stored.contains_key(n)).collect();
    assert!(lost.is_empty(), "{connection}: {} acknowledged events are lost, first {:?}", lost.len(), lost.first());
    let twice: Vec<_> = stored.iter().filter(|(_, count)| **count != 1).collect();
    assert!(twice.is_empty(), "{connection}: stored twice: {:?}", twice.first());
    assert!(stored.keys().all(|n| *n < ledger.sent), "{connection}: an event that nobody sent");
    if let Some((first, size)) = ledger.open {
        let there = stored.range(first..first + size).count() as u64;
        assert!(there == 0 || there == size, "{connection}: {there} of a request of {size} events are stored");
    }
    (stored.len() - ledger.acked.len()) as u64
}

#[test]
fn nothing_acknowledged_is_lost_when_killed() {
    let rounds: u64 = std::env::var("LIFELINE_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let mut rng = samples::rng();
    let mut app = App::spawn();
    let (mut acked, mut unanswered) = (0, 0);
    for round in 0..rounds {
        let names: Vec<String> = (0..8).map(|slot| format!("kill_{round}_{slot}")).collect();
        let never = AtomicBool::new(false);
        let wait = Duration::from_millis(rng.random_range(20..400));
        let ledgers: Vec<Ledger> = thread::scope(|scope| {
            let senders: Vec<_> = names
                .iter()
                .enumerate()
                .map(|(slot, name)| {
                    let (addr, never) = (app.addr, &never);
                    scope.spawn(move || send_until_gone(addr, name, slot, never))
                })
                .collect();
            thread::sleep(wait);
            app.kill();
            senders.into_iter().map(|sender| sender.join().expect("a sender ends")).collect()
        });
        app.start();
        for (name, ledger) in names.iter().zip(&ledgers) {
            unanswered += settle(&app, name, ledger);
            acked += ledger.acked.len();
            // A resend of what was not answered, as every sender does, changes nothing that is there.
            if let Some((first, size)) = ledger.open {
                let lines: Vec<String> = (first..first + size).map(|n| numbered(name, n)).collect();
                let answer = app.post_native(lines.join("\n")).expect(200).json();
                let taken = answer["accepted"].as_u64().zip(answer["duplicates"].as_u64()).map(|(new, old)| new + old);
                assert_eq!(taken, Some(size), "{answer}");
            }
        }
    }
    println!("{rounds} kills: {acked} events acknowledged, 0 lost; {unanswered} stored without an answer");
    assert!(acked > 0, "the senders got through");
    let check = rusqlite::Connection::open(app.data.join("lifeline.db")).expect("the database opens");
    app.kill();
    let sound: String = check.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a check");
    assert_eq!(sound, "ok");
}

#[test]
fn a_stop_answers_what_is_in_flight_and_ends_well() {
    let mut app = App::spawn();
    for round in 0..3 {
        let names: Vec<String> = (0..6).map(|slot| format!("stop_{round}_{slot}")).collect();
        let never = AtomicBool::new(false);
        let ledgers: Vec<Ledger> = thread::scope(|scope| {
            let senders: Vec<_> = names
                .iter()
                .enumerate()
                .map(|(slot, name)| {
                    let (addr, never) = (app.addr, &never);
                    scope.spawn(move || send_until_gone(addr, name, slot, never))
                })
                .collect();
            thread::sleep(Duration::from_millis(150));
            app.stop();
            senders.into_iter().map(|sender| sender.join().expect("a sender ends")).collect()
        });
        let wal = std::fs::metadata(app.data.join("lifeline.db-wal")).map_or(0, |meta| meta.len());
        assert_eq!(wal, 0, "the write-ahead log is folded into the database");
        app.start();
        for (name, ledger) in names.iter().zip(&ledgers) {
            settle(&app, name, ledger);
        }
        assert!(ledgers.iter().any(|ledger| !ledger.acked.is_empty()), "the senders got through");
    }
}

#[test]
fn a_stop_does_not_wait_for_a_sender_that_never_finishes() {
    let mut app = App::spawn();
    let mut stuck = Conn::open(app.addr).expect("the server accepts connections");
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {INGEST}\r\nContent-Length: 100\r\n\r\n{{"
    );
    stuck.write(head.as_bytes()).expect("a head is sent");
    let _live = crate::sse::Stream::open(app.addr, "", crate::app::READ, None);
    let _idle = Conn::open(app.addr).expect("the server accepts connections");
    thread::sleep(Duration::from_millis(200));
    app.stop();
    app.start();
    app.assert_well();
}

#[test]
fn readers_see_whole_requests_while_writers_work() {
    let app = App::spawn();
    let stop = AtomicBool::new(false);
    let acked = AtomicU64::new(0);
    let seen = thread::scope(|scope| {
        scope.spawn(|| {
            for batch in 0..30 {
                let lines: Vec<String> = (batch * 50..batch * 50 + 50).map(|n| numbered("whole", n)).collect();
                app.post_native(lines.join("\n")).expect(200);
                acked.store(batch * 50 + 50, Ordering::SeqCst);
            }
            stop.store(true, Ordering::SeqCst);
        });
        let mut seen = 0;
        while !stop.load(Ordering::SeqCst) {
            let promised = acked.load(Ordering::SeqCst);
            // One page is one snapshot.
            let page = app.get_json("/v1/events?connection_id=whole&limit=1000");
            let found = page["data"].as_array().expect("a list").len() as u64;
            if page["next_cursor"].is_null() {
                assert_eq!(found % 50, 0, "half a request is visible");
            }
            assert!(found >= promised.min(1000), "{found} of {promised} acknowledged events are visible");
            seen += 1;
        }
        seen
    });
    assert!(seen > 0);
    assert_eq!(stored(&app, "whole").len(), 1500);
}
