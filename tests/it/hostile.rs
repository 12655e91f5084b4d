//! What attackers and broken proxies send. A clear answer or quarantine, bounded memory, and a server that is still well.

use crate::{
    app::{App, INGEST, Setup},
    http::{Conn, chunked, request},
    loki_bytes::snappy,
    samples::{gzip, hec_body, numbered},
};
use serde_json::Value;
use std::{
    io::{Read, Write},
    time::{Duration, Instant},
};

/// Resident memory that a server under attack must stay below (law L7; issue 2 "Resident memory under 150 MB").
const MEMORY_KIB_MAX: u64 = 150 << 10;

fn bearer() -> String {
    format!("Bearer {INGEST}")
}

fn zeros_deflated(mebibytes: usize, gzip_frame: bool) -> Vec<u8> {
    let block = vec![b'0'; 1 << 20];
    if gzip_frame {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        (0..mebibytes).for_each(|_| encoder.write_all(&block).expect("memory takes it"));
        return encoder.finish().expect("memory takes it");
    }
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    (0..mebibytes).for_each(|_| encoder.write_all(&block).expect("memory takes it"));
    encoder.finish().expect("memory takes it")
}

fn zeros_zstd(mebibytes: usize, window_log: u32) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("an encoder");
    encoder.window_log(window_log).expect("a known window");
    let block = vec![b'0'; 1 << 20];
    (0..mebibytes).for_each(|_| encoder.write_all(&block).expect("memory takes it"));
    encoder.finish().expect("memory takes it")
}

#[test]
fn decompression_bombs_are_cut_off() {
    let app = App::spawn();
    let inner = gzip(&zeros_deflated(64, true));
    let many_members = zeros_deflated(16, true).repeat(64);
    let bombs: Vec<(&str, &str, Vec<u8>)> = vec![
        ("/v1/events", "gzip", zeros_deflated(128, true)),
        ("/v1/events", "gzip", many_members),
        ("/services/collector", "deflate", zeros_deflated(128, false)),
        ("/services/collector/raw", "zstd", zeros_zstd(1024, 20)),
        ("/loki/api/v1/push", "gzip", zeros_deflated(64, true)),
        ("/v1/events", "gzip, gzip", inner),
        ("/v1/events", "zstd, zstd", zstd::encode_all(&zeros_zstd(256, 20)[..], 1).expect("memory takes it")),
    ];
    for (path, encoding, bomb) in &bombs {
        let sent = Instant::now();
        let headers = [("Authorization", bearer()), ("Content-Encoding", (*encoding).to_owned())];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = app.send("POST", path, &headers, bomb);
        assert_eq!(answer.status, 413, "{path} {encoding}: {}", answer.text());
        assert!(sent.elapsed() < Duration::from_secs(10), "{path} {encoding} took {:?}", sent.elapsed());
        let uncredentialed = app.send("POST", path, &[("Content-Encoding", encoding)], bomb);
        assert_eq!(uncredentialed.status, 401, "{path} {encoding}");
    }
    // A window that would need 128 MiB, a block that claims 4 GiB.
    let wide = app.send(
        "POST",
        "/v1/events",
        &[("Authorization", &bearer()), ("Content-Encoding", "zstd")],
        &zeros_zstd(160, 27),
    );
    assert!(matches!(wide.status, 400 | 413), "{}", wide.status);
    for declared in
        [&b"\xff\xff\xff\xff\x0f\x00"[..], b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x80\x80\x80\x80\x08abc"]
    {
        let answer = app.post_loki(declared, "application/x-protobuf");
        assert!(matches!(answer.status, 400 | 413), "{declared:?}: {}", answer.status);
    }
    let bomb = app.post_loki(snappy(&vec![0; 64 << 20]), "application/x-protobuf");
    assert_eq!(bomb.status, 413);
    let peak = app.memory_kib("VmHWM");
    assert!(peak < MEMORY_KIB_MAX, "peak memory is {peak} KiB");
    app.assert_well();
}

#[test]
fn an_unauthenticated_bomb_is_refused_before_its_body_is_read() {
    let app = App::spawn();
    for path in ["/v1/events", "/services/collector", "/loki/api/v1/push"] {
        let mut conn = Conn::open(app.addr).expect("the server accepts connections");
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 16000000\r\n\r\n");
        conn.write(head.as_bytes()).expect("a head is sent");
        let asked = Instant::now();
        assert_eq!(conn.read(false).expect("an answer without the body").status, 401, "{path}");
        assert!(asked.elapsed() < Duration::from_secs(2), "{path}: {:?}", asked.elapsed());
    }
    app.assert_well();
}

#[test]
fn nesting_is_bounded_and_costs_no_stack() {
    let app = App::spawn();
    for depth in [64, 127, 128, 129, 10_000, 1_000_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = format!("{}0{}", open.repeat(depth), close.repeat(depth));
            let event = format!(
                r#"{{"event":"info","created":"2026-08-17T09:41:23Z","connection_id":"deep{depth}","data":{{"x":{nested}}}}}"#
            );
            let answer = app.post_native(&event);
            match answer.status {
                200 => assert_eq!(
                    answer.json()["items"].as_array().map_or(0, Vec::len),
                    usize::from(depth > 64 && answer.json()["accepted"] == 0),
                    "{depth} {open}"
                ),
                400 | 413 => {}
                other => panic!("{depth} {open}: {other}"),
            }
            if depth <= 64 {
                assert_eq!(answer.json()["accepted"], 1, "{depth} {open}: {}", answer.text());
            }
            let bare = app.post_native(&nested);
            assert!(matches!(bare.status, 200 | 400), "{depth} {open}: {}", bare.status);
            assert!(matches!(app.post_hec(hec_body(&[&event])).status, 200 | 400), "{depth} {open}");
            let unclosed = open.repeat(depth);
            assert!(matches!(app.post_native(&unclosed).status, 200 | 400), "{depth} {open}");
            assert_eq!(app.post_hec(&unclosed).status, 400, "{depth} {open}");
        }
    }
    for event in app.all_events("") {
        let id = event["id"].as_str().expect("an id");
        app.get_json(&format!("/v1/events/{id}"));
    }
    app.assert_well();
}

#[test]
fn odd_values_come_back_exactly_or_go_to_quarantine() {
    let app = App::spawn();
    let odd = [
        ("9007199254740993", true),
        ("18446744073709551617", true),
        ("-0", true),
        ("0.1000000000000000000000000000000000000001", true),
        ("1e400", false),
        (r#""\ud800""#, false),
        (r#""\udc00\ud800""#, false),
        (r#""\u0000""#, true),
        (r#""a\u202eb\u2028c""#, true),
        (r#""😀""#, true),
        (r#""\ud83d\ude00""#, true),
        (r#""\u001b[31m""#, true),
        (r#"{"__proto__":{"a":1},"":2}"#, true),
        ("01", false),
        ("NaN", false),
        ("\"tab\tinside\"", false),
        ("\"nul\0inside\"", false),
    ];
    for (at, (value, valid)) in odd.iter().enumerate() {
        let connection = format!("odd{at}");
        let event = format!(
            r#"{{"event":"odd","created":"2026-08-17T09:41:23Z","connection_id":"{connection}","data":{{"v":{value}}}}}"#
        );
        // A neighbour, so that one bad line does not make the whole body unreadable.
        let answer = app.post_native(format!("{event}\n{}", numbered("neighbour", at as u64))).expect(200).json();
        let stored = app.all_events(&format!("connection_id={connection}"));
        match stored.as_slice() {
            [] => {
                assert_eq!(answer["quarantined"], 1, "{value}: {answer}");
                assert!(!valid, "{value} is valid JSON");
            }
            [stored] => {
                // A number that no double holds would make the whole page unreadable for most clients.
                assert!(valid, "{value} is stored and goes out to readers that cannot take it");
                let path = format!("/v1/events/{}", stored["id"].as_str().expect("an id"));
                let text = app.get(&path).expect(200).text();
                let one: Value = serde_json::from_str(&text).expect("the answer is JSON");
                let raw = one["raw"].as_str().expect("raw text");
                assert_eq!(raw, event, "the original is kept byte for byte");
                let sent: Value = serde_json::from_str(value).expect("a valid value");
                assert_eq!(one["data"]["v"], sent, "{value}");
                if value.as_bytes()[0].is_ascii_digit() {
                    assert!(text.contains(&format!("\"v\":{value}")), "{value}: {text}");
                }
            }
            more => panic!("{value}: {more:?}"),
        }
    }
    assert_eq!(app.all_events("connection_id=neighbour").len(), odd.len());
    let twice = r#"{"event":"odd","event":"other","created":"2026-08-17T09:41:23Z"}"#;
    let answer = app.post_native(format!("{twice}\n{}", numbered("twice", 1))).expect(200).json();
    assert_eq!(answer["quarantined"], 1, "{answer}");
    app.assert_well();
}

#[test]
fn bytes_that_are_no_text_cost_only_their_own_line() {
    let app = App::spawn();
    for (at, bad) in [&b"\xff\xfe{}"[..], b"{\"event\":\"\xc0\xaf\"}", b"{\"event\":\"\xed\xa0\x80\"}", b"\x00\x00\x00"]
        .iter()
        .enumerate()
    {
        let mut body = numbered("utf8", at as u64 * 2).into_bytes();
        body.push(b'\n');
        body.extend_from_slice(bad);
        body.push(b'\n');
        body.extend_from_slice(numbered("utf8", at as u64 * 2 + 1).as_bytes());
        let answer = app.post_native(&body).expect(200).json();
        assert_eq!((&answer["accepted"], &answer["quarantined"]), (&2.into(), &1.into()), "{bad:?}: {answer}");
        assert_eq!(app.post_native(bad).status, 400, "{bad:?}");
        assert_eq!(app.post_hec(bad).status, 400, "{bad:?}");
    }
    let mut bom = b"\xef\xbb\xbf".to_vec();
    bom.extend_from_slice(numbered("bom", 1).as_bytes());
    assert_eq!(app.post_native(&bom).expect(200).json()["accepted"], 1);
    for item in app.all_of("/v1/quarantine", "") {
        let id = item["id"].as_str().expect("an id");
        app.get_json(&format!("/v1/quarantine/{id}"));
    }
    app.assert_well();
}

#[test]
fn the_body_limit_is_exact_and_nothing_past_it_is_waited_for() {
    let limit = 64 << 10;
    let app = Setup::default().env("LIFELINE_BODY_BYTES_MAX", "64KiB").spawn();
    let padded = |n: u64, size: usize| {
        let mut body = numbered("limit", n).into_bytes();
        body.resize(size, b' ');
        body
    };
    for (n, size, status) in [(1, limit - 1, 200), (2, limit, 200), (3, limit + 1, 413), (4, limit * 8, 413)] {
        assert_eq!(app.post_native(padded(n, size)).status, status, "{size} bytes");
        let headers = format!(
            "POST /services/collector/raw HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
            bearer()
        );
        let mut bytes = headers.into_bytes();
        bytes.extend_from_slice(&chunked(&padded(n + 10, size), 1000));
        assert_eq!(app.send_bytes(&bytes).status, status, "{size} bytes in chunks");
        let packed = gzip(&padded(n + 20, size));
        let headers = [("Authorization", bearer()), ("Content-Encoding", "gzip".to_owned())];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(app.send("POST", "/v1/events", &headers, &packed).status, status, "{size} bytes packed");
    }
    for claimed in ["65537", "99999999999", "18446744073709551615"] {
        let mut conn = Conn::open(app.addr).expect("the server accepts connections");
        let head = format!(
            "POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Length: {claimed}\r\n\r\n",
            bearer()
        );
        conn.write(head.as_bytes()).expect("a head is sent");
        let asked = Instant::now();
        assert_eq!(conn.read(false).expect("an answer without the body").status, 413, "{claimed}");
        assert!(asked.elapsed() < Duration::from_secs(2), "{claimed}: {:?}", asked.elapsed());
    }
    assert_eq!(app.all_events("connection_id=limit").len(), 6);
    app.assert_well();
}

#[test]
fn lying_and_broken_framing_stores_nothing() {
    let app = App::spawn();
    let body = numbered("framing", 1);
    let auth = bearer();
    let head = |headers: &str| format!("POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: {auth}\r\n{headers}\r\n");
    let exact = body.len();
    for (what, headers, tail) in [
        (
            "a length and chunks",
            format!("Content-Length: {exact}\r\nTransfer-Encoding: chunked\r\n"),
            format!("0\r\n\r\n{body}"),
        ),
        ("two lengths", format!("Content-Length: {exact}\r\nContent-Length: 3\r\n"), body.clone()),
        ("a negative length", "Content-Length: -1\r\n".to_owned(), body.clone()),
        ("a signed length", format!("Content-Length: +{exact}\r\n"), body.clone()),
        ("no number", "Content-Length: many\r\n".to_owned(), body.clone()),
        ("an unknown coding", "Transfer-Encoding: gzip\r\n".to_owned(), body.clone()),
        ("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n".to_owned(), body.clone()),
        ("a chunk of no size", "Transfer-Encoding: chunked\r\n".to_owned(), format!("zz\r\n{body}\r\n0\r\n\r\n")),
        (
            "a huge chunk",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            format!("fffffffffffffffff\r\n{body}\r\n0\r\n\r\n"),
        ),
    ] {
        let mut conn = Conn::open(app.addr).expect("the server accepts connections");
        conn.set_patience(Duration::from_secs(15));
        conn.write((head(&headers) + &tail).as_bytes()).expect("a short request is sent");
        match conn.read(false) {
            Ok(answer) => assert!((400..=501).contains(&answer.status), "{what}: {}", answer.status),
            // Hanging up is an answer, too.
            Err(error) => assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "{what}: no answer"),
        }
    }
    // A body that breaks off.
    for headers in [format!("Content-Length: {}\r\n", exact + 100), "Transfer-Encoding: chunked\r\n".to_owned()] {
        let mut conn = Conn::open(app.addr).expect("the server accepts connections");
        let size = if headers.starts_with('T') { format!("{exact:x}\r\n") } else { String::new() };
        conn.write(format!("{}{size}{body}", head(&headers)).as_bytes()).expect("a short request is sent");
        conn.reader.get_ref().shutdown(std::net::Shutdown::Write).expect("the socket is open");
        let _ = conn.read(false);
    }
    assert_eq!(app.all_events("connection_id=framing"), Vec::<Value>::new());
    app.assert_well();
}

#[test]
fn a_smuggled_request_is_never_answered() {
    let app = App::spawn();
    let inner = request("POST", "/v1/events", &[("Authorization", &bearer())], numbered("smuggled", 1).as_bytes());
    let mut outer =
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            .to_vec();
    outer.extend_from_slice(&inner);
    let mut conn = Conn::open(app.addr).expect("the server accepts connections");
    conn.set_patience(Duration::from_secs(10));
    conn.write(&outer).expect("a short request is sent");
    let mut answered = Vec::new();
    let _ = conn.reader.read_to_end(&mut answered);
    assert!(!String::from_utf8_lossy(&answered).contains("accepted"), "{}", String::from_utf8_lossy(&answered));
    assert_eq!(app.all_events("connection_id=smuggled"), Vec::<Value>::new());

    // A refused request leaves no body behind that could be read as the next request.
    let wrong = request("POST", "/v1/events", &[("Authorization", "Bearer wrong")], &inner);
    let mut conn = Conn::open(app.addr).expect("the server accepts connections");
    conn.set_patience(Duration::from_secs(2));
    conn.write(&wrong).expect("a short request is sent");
    let mut answered = Vec::new();
    let _ = conn.reader.read_to_end(&mut answered);
    assert_eq!(String::from_utf8_lossy(&answered).matches("HTTP/1.1 ").count(), 1);
    assert_eq!(app.all_events("connection_id=smuggled"), Vec::<Value>::new());
    app.assert_well();
}

#[test]
fn floods_of_headers_are_refused() {
    let app = App::spawn();
    let many: String = (0..2_000).map(|n| format!("X-Header-{n}: value\r\n")).collect();
    let large = format!("X-Large: {}\r\n", "x".repeat(512 << 10));
    let long_path = format!("/v1/events?q={}", "x".repeat(200 << 10));
    for (what, path, headers) in
        [("many", "/healthz", many), ("large", "/healthz", large), ("long", &long_path, String::new())]
    {
        let mut conn = Conn::open(app.addr).expect("the server accepts connections");
        let _ = conn.write(format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n").as_bytes());
        if let Ok(answer) = conn.read(false) {
            assert!(matches!(answer.status, 400 | 413 | 414 | 431), "{what}: {}", answer.status);
        }
    }
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut conn = Conn::open(app.addr).expect("the server accepts connections");
        conn.set_patience(Duration::from_secs(8));
        let _ = conn.write(garbage);
        let _ = conn.reader.get_ref().shutdown(std::net::Shutdown::Write);
        if let Ok(answer) = conn.read(false) {
            assert!(answer.status >= 400, "{garbage:?}: {}", answer.status);
        }
    }
    assert!(app.memory_kib("VmHWM") < MEMORY_KIB_MAX);
    app.assert_well();
}
