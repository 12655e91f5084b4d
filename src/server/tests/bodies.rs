//! Bodies: caps, clocks, encodings, quarantine, and what each protocol says.

use super::*;
use crate::store::StoreError;
use std::io::Write;

fn small() -> Setup {
    let mut setup = Setup::default();
    setup.settings.limits.body_bytes_max = 10_000;
    setup.settings.body_timeout = Duration::from_millis(300);
    setup
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

fn padded(bytes: usize) -> String {
    let mut body = event(1);
    body.push_str(&" ".repeat(bytes - body.len()));
    body
}

#[actix_web::test]
async fn the_cap_is_exact() {
    let server = Server::with(small()).await;
    assert_eq!(server.deliver(&padded(10_000)).await.status, 200);
    let answer = server.deliver(&padded(10_001)).await;
    assert_eq!(answer.problem(), (413, "too-large".into()));
    let hec = server.send("POST", "/services/collector", "authorization: Splunk in\r\n", &vec![b' '; 20_000]).await;
    assert_eq!(hec.status, 413, "{hec:?}");

    // An announced length is refused before a byte of the body was sent.
    let mut stream = server.connect().await;
    let head = head("POST", "/v1/events", &bearer("in"), Some(99_999_999_999));
    stream.write_all(head.as_bytes()).await.expect("taken");
    assert_eq!(Answer::read(stream).await.status, 413);

    // Without a length the cap counts what comes.
    let mut stream = server.connect().await;
    let chunked = format!("{}transfer-encoding: chunked\r\n", bearer("in"));
    stream.write_all(super::head("POST", "/v1/events", &chunked, None).as_bytes()).await.expect("taken");
    for _ in 0..12 {
        let chunk = format!("3e8\r\n{}\r\n", " ".repeat(1000));
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    let _ = stream.write_all(b"0\r\n\r\n").await;
    assert_eq!(Answer::read(stream).await.status, 413);
}

#[actix_web::test]
async fn compressed_bodies_are_capped_after_inflating() {
    let server = Server::with(small()).await;
    let send = |body: Vec<u8>, encoding: &str| {
        let headers = format!("{}content-encoding: {encoding}\r\n", bearer("in"));
        let server = &server;
        async move { server.send("POST", "/v1/events", &headers, &body).await }
    };
    assert_eq!(send(gzip(padded(10_000).as_bytes()), "gzip").await.status, 200);
    assert_eq!(send(gzip(padded(10_001).as_bytes()), "gzip").await.status, 413);
    assert_eq!(send(gzip(&vec![b' '; 50 << 20]), "gzip").await.status, 413);
    assert_eq!(send(b"x".to_vec(), "br").await.status, 415);
    assert_eq!(server.store.quarantine_len(), 0);
    assert_eq!(send(b"not gzip".to_vec(), "gzip").await.status, 400);
    assert_eq!(server.store.quarantine_len(), 1, "what authenticates is kept");
    let metrics = server.get("/metrics", "re").await;
    assert!(String::from_utf8_lossy(&metrics.body).contains("lifeline_ingest_body_bytes 0\n"), "every share came back");
}

#[actix_web::test]
async fn large_bodies_are_worked_on_elsewhere() {
    let server = Server::start().await;
    let body = events(0..3500) + &" ".repeat(1 << 20);
    let answer = server.deliver(&body).await;
    assert_eq!(answer.json()["accepted"], 3500);
    let headers = format!("{}content-encoding: gzip\r\n", bearer("in"));
    let answer = server.send("POST", "/v1/events", &headers, &gzip(body.as_bytes())).await;
    assert_eq!(answer.json()["duplicates"], 3500);
}

#[actix_web::test]
async fn a_body_that_trickles_is_given_up() {
    let server = Server::with(small()).await;
    let mut stream = server.connect().await;
    stream.write_all(head("POST", "/v1/events", &bearer("in"), Some(100)).as_bytes()).await.expect("taken");
    stream.write_all(b"{").await.expect("taken");
    let started = std::time::Instant::now();
    assert_eq!(Answer::read(stream).await.problem(), (408, "timeout".into()));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[actix_web::test]
async fn nobody_without_a_token_makes_us_read() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    stream
        .write_all(head("POST", "/v1/events", "expect: 100-continue\r\n", Some(1 << 20)).as_bytes())
        .await
        .expect("taken");
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    while !String::from_utf8_lossy(&bytes).contains("401") {
        let read = stream.read(&mut chunk).await.expect("answered before the body");
        assert_ne!(read, 0, "{}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&chunk[..read]);
    }
}

#[actix_web::test]
async fn many_bodies_at_a_time_are_bounded() {
    let mut setup = Setup::default();
    setup.settings.body_bytes_in_flight_max = 8 << 10;
    let server = Server::with(setup).await;
    // Larger than the bound in all: never fits, so the sender is told to come again.
    let answer = server.deliver(&padded(20_000)).await;
    assert_eq!(answer.problem(), (503, "busy".into()));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(server.deliver(&event(1)).await.status, 200);
}

#[actix_web::test]
async fn what_cannot_be_read_goes_to_quarantine() {
    let server = Server::start().await;
    assert_eq!(server.deliver("not json at all").await.status, 400);
    let answer = server.deliver(&format!("{}\noops\n{}\n", event(1), event(2))).await;
    assert_eq!((answer.status, answer.json()["accepted"].clone()), (200, 2.into()), "{answer:?}");
    assert_eq!(server.deliver("").await.status, 400);
    assert_eq!(server.store.quarantine_len(), 2);
}

#[actix_web::test]
async fn a_store_that_cannot_write_is_said_in_each_dialect() {
    let server = Server::start().await;
    server.store.fail_with(Some(StoreError::DiskFull));
    let answer = server.deliver(&event(1)).await;
    assert_eq!(answer.problem(), (503, "store-unavailable".into()));
    assert!(answer.header("retry-after").is_some());
    let body = format!(r#"{{"event":{}}}"#, event(1));
    let hec = server.send("POST", "/services/collector", "authorization: Splunk in\r\n", body.as_bytes()).await;
    assert_eq!((hec.status, hec.json()["code"].clone()), (503, 9.into()));
    let health = server.send("GET", "/services/collector/health", "", b"").await;
    assert_eq!(health.status, 503);
    server.store.fail_with(None);
    assert_eq!(server.deliver(&event(1)).await.status, 200);
}

#[actix_web::test]
async fn hec_has_its_own_words_for_everything() {
    let server = Server::start().await;
    for path in
        ["/services/collector", "/services/collector/event/1.0/", "/services/collector/ack", "/services/collector/raw"]
    {
        let options = server.send("OPTIONS", path, "", b"").await;
        assert_eq!((options.status, options.body.len()), (200, 0), "{path}");
        assert_eq!(options.header("allow"), Some("post,options"), "{path}");
        let get = server.send("GET", path, "", b"").await;
        assert_eq!((get.status, get.header("allow")), (405, Some("post,options")), "{path}");
        assert_eq!(get.json()["code"], 405, "{path}");
    }
    let options = server.send("OPTIONS", "/services/collector/health", "", b"").await;
    assert_eq!(options.header("allow"), Some("get,head,options"));
    let unknown = server.send("POST", "/services/collector/foo", "", b"").await;
    assert_eq!(
        unknown.json(),
        serde_json::json!({"text": "The requested URL was not found on this server.", "code": 404})
    );

    let channel = "x-splunk-request-channel: 0AEEAC95-ac74-4aa9-b30d-6c4c0ac581ba\r\n";
    let headers = format!("authorization: Splunk in\r\n{channel}");
    let body = format!(r#"{{"event":{}}}"#, event(1));
    let taken = server.send("POST", "/services/collector/event", &headers, body.as_bytes()).await.json();
    assert_eq!(taken, serde_json::json!({"text": "Success", "code": 0, "ackId": 0}));
    for expected in [true, false] {
        let acks = server.send("POST", "/services/collector/ack", &headers, br#"{"acks":[0,7]}"#).await;
        assert_eq!(acks.json(), serde_json::json!({"acks": {"0": expected, "7": false}}));
    }
    let wrong = server.send("POST", "/services/collector/ack", channel, br#"{"acks":[0]}"#).await;
    assert_eq!((wrong.status, wrong.json()["code"].clone()), (401, 2.into()));
}

#[actix_web::test]
async fn a_signed_webhook_is_verified_over_the_wire_bytes() {
    use hmac::{Hmac, KeyInit, Mac};
    let gate = GateSettings { webhook_secrets: vec![Secret::new("webhook-secret")], ..Setup::default().gate };
    let server = Server::with(Setup { gate, ..Setup::default() }).await;
    let body = event(1);
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"webhook-secret").expect("any key");
    mac.update(body.as_bytes());
    let signature = hex::encode_upper(mac.finalize().into_bytes());
    let send = |headers: String, body: String| {
        let server = &server;
        async move { server.send("POST", "/v1/webhooks/fivetran", &headers, body.as_bytes()).await.status }
    };
    let signed = format!("x-fivetran-signature-256: {signature}\r\n");
    assert_eq!(send(signed.clone(), body.clone()).await, 200);
    assert_eq!(send(signed.clone(), format!("{body} ")).await, 401);
    assert_eq!(send(format!("{signed}{signed}"), body.clone()).await, 401);
    assert_eq!(send(bearer("in"), body.clone()).await, 401, "a token is no signature");
    let page = server.get("/v1/events", "re").await.json();
    assert_eq!(page["data"][0]["delivery"]["token"], "webhook");
}

#[actix_web::test]
async fn hec_takes_tokens_from_the_query_unless_told_not_to() {
    let mut setup = Setup::default();
    for (allowed, status, code) in [(true, 200, 0), (false, 400, 16)] {
        setup.settings.hec_query_token = allowed;
        let settings = setup.settings.clone();
        let server = Server::with(Setup { settings, ..Setup::default() }).await;
        let body = format!(r#"{{"event":{}}}"#, event(1));
        let answer = server.send("POST", "/services/collector?token=in", "", body.as_bytes()).await;
        assert_eq!((answer.status, answer.json()["code"].clone()), (status, code.into()), "{answer:?}");
    }
}

#[actix_web::test]
async fn large_bodies_are_worked_on_one_at_a_time() {
    let server = Server::start().await;
    server.store.slow_down(Duration::from_millis(200));
    let body = padded(2 << 20);
    let sent = (0..4).map(|_| server.deliver(&body));
    for answer in futures_util::future::join_all(sent).await {
        assert_eq!(answer.status, 200);
    }
    assert_eq!(server.store.appends_at_a_time(), 1);
}
