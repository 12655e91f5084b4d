//! The live stream over real sockets.

use super::*;

/// A stream that is being read.
struct Tail {
    stream: TcpStream,
    text: String,
}

impl Tail {
    async fn open(server: &Server, path: &str, headers: &str) -> Self {
        let mut stream = server.connect().await;
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).await.expect("taken");
        let mut tail = Self { stream, text: String::new() };
        tail.until(|text| text.contains("\n\n")).await;
        tail
    }

    async fn until(&mut self, enough: impl Fn(&str) -> bool) -> &str {
        let mut chunk = [0; 16 << 10];
        let wait = Duration::from_secs(5);
        while !enough(&self.text) {
            let read = tokio::time::timeout(wait, self.stream.read(&mut chunk)).await;
            let read = read.unwrap_or_else(|_| panic!("silent: {}", self.text)).expect("open");
            assert_ne!(read, 0, "ended: {}", self.text);
            self.text.push_str(&String::from_utf8_lossy(&chunk[..read]));
        }
        &self.text
    }

    async fn events(&mut self, count: usize) -> Vec<String> {
        self.until(|text| text.matches("event: event\n").count() >= count && text.ends_with("\r\n")).await;
        self.syncs()
    }

    /// The sync ids that came, in order.
    fn syncs(&self) -> Vec<String> {
        let data = self.text.lines().filter_map(|line| line.strip_prefix("data: "));
        let parsed = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
        parsed.filter_map(|event| event["sync_id"].as_str().map(str::to_owned)).collect()
    }

    fn last_id(&self) -> String {
        self.text.lines().rev().find_map(|line| line.strip_prefix("id: ")).expect("an id").to_owned()
    }
}

fn sync(n: usize) -> String {
    format!("b1a6c1f0-0000-4000-8000-{n:012}")
}

#[actix_web::test]
async fn a_stream_resumes_without_gap_or_repeat() {
    let server = Server::start().await;
    server.deliver(&events(0..2)).await;
    let mut tail = Tail::open(&server, "/v1/events/stream", &bearer("re")).await;
    assert!(tail.text.contains("content-type: text/event-stream"), "{}", tail.text);
    let mut id = tail.last_id();
    let mut seen = Vec::new();
    for round in 0..10 {
        server.deliver(&events(10 + round * 7..10 + round * 7 + 7)).await;
        seen.extend(tail.events(7).await);
        id = tail.last_id();
        drop(tail);
        // Arrives while nobody listens.
        server.deliver(&event(1000 + round)).await;
        tail = Tail::open(&server, "/v1/events/stream", &format!("{}last-event-id: {id}\r\n", bearer("re"))).await;
        seen.extend(tail.events(1).await);
        id = tail.last_id();
        drop(tail);
        tail = Tail::open(&server, &format!("/v1/events/stream?token=re&last_event_id={id}"), "").await;
    }
    let expected: Vec<String> =
        (0..10).flat_map(|round| (10 + round * 7..10 + round * 7 + 7).chain([1000 + round])).map(sync).collect();
    assert_eq!(seen, expected);
    assert!(!id.is_empty());
}

#[actix_web::test]
async fn a_place_that_was_asked_for_before_shows_what_came_since() {
    let server = Server::start().await;
    server.deliver(&event(0)).await;
    server.deliver(&event(1)).await;
    let headers = format!("{}last-event-id: 1.1\r\n", bearer("re"));
    for last in 1..5 {
        let mut tail = Tail::open(&server, "/v1/events/stream", &headers).await;
        assert_eq!(tail.events(last).await, (1..=last).map(sync).collect::<Vec<_>>());
        drop(tail);
        server.deliver(&event(last + 1)).await;
    }
}

#[actix_web::test]
async fn a_large_batch_arrives_whole_and_a_filter_narrows_it() {
    let server = Server::start().await;
    let mut all = Tail::open(&server, "/v1/events/stream", &bearer("re")).await;
    let mut half = Tail::open(&server, "/v1/events/stream?connection_id=conn_1", &bearer("re")).await;
    server.deliver(&events(0..1000)).await;
    assert_eq!(all.events(1000).await, (0..1000).map(sync).collect::<Vec<_>>());
    assert_eq!(half.events(500).await.len(), 500);
}

/// An event with so much data.
fn large(n: usize, bytes: usize) -> String {
    event(n).replace("SUCCESSFUL", &"x".repeat(bytes))
}

#[actix_web::test]
async fn a_large_event_comes_whole_and_those_who_do_not_read_hold_up_nobody() {
    let server = Server::start().await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(Tail::open(&server, "/v1/events/stream", &bearer("re")).await);
    }
    let mut tail = Tail::open(&server, "/v1/events/stream", &bearer("re")).await;
    for n in 0..8 {
        server.deliver(&large(n, 512 << 10)).await;
    }
    tail.until(|text| text.len() > 8 * (512 << 10) && text.ends_with("\n\n\r\n")).await;
    // Without the marks of the pieces.
    let mut whole = String::new();
    let mut rest = &tail.text[tail.text.find("\r\n\r\n").expect("a head") + 4..];
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a size");
        whole.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
    tail.text = whole;
    assert_eq!(tail.syncs(), (0..8).map(sync).collect::<Vec<_>>());
    drop(idle);
}

#[actix_web::test]
async fn silence_is_filled_and_a_sparse_filter_keeps_its_place() {
    let mut setup = Setup::default();
    setup.settings.heartbeat = Duration::from_millis(200);
    let server = Server::with(setup).await;
    let mut tail = Tail::open(&server, "/v1/events/stream?event=nothing", &bearer("re")).await;
    let first = tail.last_id();
    server.deliver(&events(0..3)).await;
    tail.until(|text| text.matches(": heartbeat\n\n").count() >= 2).await;
    assert_ne!(tail.last_id(), first);
}

#[actix_web::test]
async fn a_place_that_is_no_longer_known_is_said() {
    let server = Server::start().await;
    for n in 0..5 {
        server.deliver(&event(n)).await;
    }
    server.store.forget_arrivals_before(4);
    let headers = format!("{}last-event-id: 1.1\r\n", bearer("re"));
    let mut tail = Tail::open(&server, "/v1/events/stream", &headers).await;
    assert_eq!(tail.events(2).await, [sync(3), sync(4)]);
    assert_eq!(tail.text.matches("event: gap\n").count(), 1, "{}", tail.text);
    let headers = format!("{}last-event-id: 999.1\r\n", bearer("re"));
    let mut tail = Tail::open(&server, "/v1/events/stream", &headers).await;
    tail.until(|text| text.contains("event: gap\n")).await;
}

#[actix_web::test]
async fn streams_are_bounded_and_end_with_the_server() {
    let mut setup = Setup::default();
    setup.settings.streams_max = 2;
    let server = Server::with(setup).await;
    let mut first = Tail::open(&server, "/v1/events/stream", &bearer("re")).await;
    let _second = Tail::open(&server, "/v1/events/stream", &bearer("re")).await;
    assert_eq!(server.get("/v1/events/stream", "re").await.problem(), (503, "busy".into()));
    for (token, status) in [("", 401), ("wrong", 401), ("in", 403)] {
        assert_eq!(server.get("/v1/events/stream", token).await.status, status);
        assert_eq!(server.send("GET", &format!("/v1/events/stream?token={token}x"), "", b"").await.status, 401);
    }
    let started = std::time::Instant::now();
    server.stop().await.expect("stops");
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    let mut rest = Vec::new();
    let _ = first.stream.read_to_end(&mut rest).await;
}

#[actix_web::test]
async fn a_revoked_reader_hears_no_more() {
    let mut setup = Setup::default();
    setup.settings.heartbeat = Duration::from_millis(100);
    let server = Server::with(setup).await;
    let body = br#"{"name":"ops","kind":"read"}"#;
    let made = server.send("POST", "/v1/tokens", &bearer("ad"), body).await.json();
    let token = made["token"].as_str().expect("a token");
    let mut tail = Tail::open(&server, "/v1/events/stream", &bearer(token)).await;
    server.send("DELETE", "/v1/tokens/ops", &bearer("ad"), b"").await;
    // The last piece of a chunked answer.
    tail.until(|text| text.ends_with("\r\n0\r\n\r\n")).await;
}
