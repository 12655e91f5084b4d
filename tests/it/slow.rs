//! Senders that take their time: heads, bodies and answers at a trickle must not hold anything up.

use crate::{
    app::{App, INGEST},
    http::Conn,
    samples::numbered,
};
use std::{
    thread,
    time::{Duration, Instant},
};

/// Sends `bytes` one by one until an answer comes or the server hangs up; gives the status, if any, and how long it took.
fn trickle(app: &App, head: &str, bytes: &[u8], every: Duration) -> (Option<u16>, Duration) {
    let mut conn = Conn::open(app.addr).expect("the server accepts connections");
    conn.write(head.as_bytes()).expect("a head is sent");
    conn.set_patience(Duration::from_millis(1));
    let started = Instant::now();
    for byte in bytes {
        thread::sleep(every);
        let closed = conn.write(&[*byte]).is_err();
        match conn.read(false) {
            Ok(answer) => return (Some(answer.status), started.elapsed()),
            Err(error) if closed || error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return (None, started.elapsed());
            }
            Err(_) => {}
        }
    }
    panic!("the server was still waiting after {:?}", started.elapsed());
}

#[test]
fn slow_heads_and_slow_bodies_are_given_up_and_delay_nobody() {
    let app = App::spawn();
    thread::scope(|scope| {
        let body = format!(
            "POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {INGEST}\r\nContent-Length: 1000\r\n\r\n"
        );
        let hec = body.replace("/v1/events", "/services/collector");
        let chunked = body.replace("Content-Length: 1000", "Transfer-Encoding: chunked") + "3e8\r\n";
        let head = "POST /v1/events HTTP/1.1\r\nHost: x\r\nX-Slow: ".to_owned();
        let mut waiting = Vec::new();
        for (what, start, seconds) in
            [("body", body, 16), ("HEC body", hec, 16), ("chunked body", chunked, 16), ("head", head, 8)]
        {
            let app = &app;
            waiting.push(scope.spawn(move || {
                let (status, took) = trickle(app, &start, &[b' '; 400], Duration::from_millis(100));
                assert!(took < Duration::from_secs(seconds), "{what}: {took:?}");
                assert!(matches!(status, None | Some(408)), "{what}: {status:?}");
            }));
        }
        // Fifty more that never finish, while others are served at once.
        let idle: Vec<_> = (0..50)
            .map(|_| {
                let mut conn = Conn::open(app.addr).expect("the server accepts connections");
                conn.write(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-").expect("half a head is sent");
                conn
            })
            .collect();
        for n in 0..40 {
            let asked = Instant::now();
            app.post_native(numbered("meanwhile", n)).expect(200);
            assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
            thread::sleep(Duration::from_millis(50));
        }
        drop(idle);
        for thread in waiting {
            thread.join().expect("no slow sender was served for ever");
        }
    });
    assert_eq!(app.all_events("connection_id=meanwhile").len(), 40);
    app.assert_well();
}

#[test]
fn a_reader_that_stops_reading_costs_no_memory() {
    let app = App::spawn();
    let wide = "x".repeat(2_000);
    for batch in 0..4 {
        let lines: Vec<String> =
            (0..1_000).map(|n| numbered("wide", batch * 1_000 + n).replace("numbered", &wide)).collect();
        app.post_native(lines.join("\n")).expect(200);
    }
    let before = app.memory_kib("VmRSS");
    let stuck: Vec<_> = (0..20)
        .map(|_| {
            let mut conn = Conn::open(app.addr).expect("the server accepts connections");
            let head = format!(
                "GET /v1/events?limit=100 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
                crate::app::READ
            );
            for _ in 0..20 {
                conn.write(head.as_bytes()).expect("a short request is sent");
            }
            conn
        })
        .collect();
    thread::sleep(Duration::from_secs(1));
    let grown = app.memory_kib("VmRSS").saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB for 20 readers that never read");
    drop(stuck);
    app.assert_well();
}

#[test]
fn strange_pushes_cost_little_time_and_memory() {
    use crate::loki_bytes::{At, Entry, Push, StreamOf, snappy};
    use prost::Message;
    let app = App::spawn();
    let before = app.memory_kib("VmHWM");
    let push_at = |seconds: i64, nanos: i32, labels: &str, lines: &[&str]| {
        let entry = |line: &&str| Entry { at: Some(At { seconds, nanos }), line: (*line).to_owned() };
        let entries = lines.iter().map(entry).collect();
        Push { streams: vec![StreamOf { labels: labels.to_owned(), entries }] }.encode_to_vec()
    };
    let push = |labels: &str, lines: &[&str]| push_at(1_795_180_330, 0, labels, lines);
    let wide = format!("{{{}}}", vec![r#"label="value""#; 5_000].join(","));
    for (what, bytes, status) in [
        ("a million empty streams", [10, 0].repeat(1_000_000), 204),
        ("a length past the end", vec![10, 0xff, 0xff, 0xff, 0xff, 0x0f, 1], 400),
        ("a length of 2^63", vec![10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], 400),
        ("unknown fields only", [0x7a, 2, 1, 1].repeat(1_000), 204),
        ("64 KiB of labels", push(&wide, &[&numbered("loki", 1)]), 400),
        ("broken labels", push(r#"{a="b",,c=}"#, &[&numbered("loki", 2)]), 400),
        ("no labels", push("", &[&numbered("loki", 3)]), 204),
        ("empty lines", push("{}", &vec![""; 10_000]), 400),
        ("a time before the epoch", push_at(-1, 0, "{}", &[r#"{"event":"info"}"#]), 400),
        ("a time that is none", push_at(i64::MAX, -1, "{}", &[r#"{"event":"info"}"#]), 400),
    ] {
        let asked = Instant::now();
        let answer = app.post_loki(snappy(&bytes), "application/x-protobuf");
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        assert!(asked.elapsed() < Duration::from_secs(5), "{what}: {:?}", asked.elapsed());
    }
    assert_eq!(app.all_events("").len(), 1);
    assert!(app.all_of("/v1/quarantine", "").len() >= 7, "what was refused is kept");
    let grown = app.memory_kib("VmHWM").saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB");
    app.assert_well();
}
