//! Probes, metrics, documents, the stop.

use super::*;
use crate::{
    protocol::{
        AuthError, Credential, DecodeError, Decoded, Head, Health, IngestError, Limits, Protocol, Receipt, Reply, Route,
    },
    store::StoreError,
};

/// A protocol with a fault.
struct Faulty;

impl Protocol for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn routes(&self) -> &'static [Route] {
        const { &[Route::ingest("/faulty")] }
    }

    fn credential<'h>(&self, _head: &Head<'h>) -> Result<Credential<'h>, AuthError> {
        Ok(Credential::Token("in".into()))
    }

    fn decode<'b>(&self, _head: &Head<'_>, _body: &'b [u8], _limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
        panic!("a fault that a test asked for")
    }

    fn reply(&self, _head: &Head<'_>, result: &Result<Receipt, IngestError>) -> Reply {
        Reply::empty(if *result == Err(IngestError::Internal) { 500 } else { 200 })
    }

    fn health_reply(&self, _head: &Head<'_>, _health: Health) -> Reply {
        Reply::empty(200)
    }
}

#[actix_web::test]
async fn a_fault_in_a_handler_costs_its_own_request_only() {
    let server = Server::with(Setup { protocols: &[&Faulty], ..Setup::default() }).await;
    let answer = server.send("POST", "/faulty", "x-request-id: it\r\n", b"{}").await;
    assert_eq!(answer.problem(), (500, "internal".into()));
    assert_eq!(answer.json()["request_id"], "it");
    let large = server.send("POST", "/faulty", "", &vec![b' '; 2 << 20]).await;
    assert_eq!(large.status, 500, "also where blocking is allowed");
    let metrics = String::from_utf8(server.get("/metrics", "re").await.body).expect("text");
    assert!(metrics.contains("lifeline_panics_total 2\n"), "{metrics}");
}

#[actix_web::test]
async fn readiness_follows_the_store_and_asks_it_seldom() {
    let server = Server::start().await;
    let ready = server.get("/readyz", "").await;
    assert_eq!((ready.status, ready.json()["status"].clone()), (200, "ready".into()));
    server.get("/readyz", "").await;
    assert_eq!(server.store.probes(), 1);
    server.store.fail_with(Some(StoreError::DiskFull));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let ready = server.get("/readyz", "").await;
    assert_eq!((ready.status, ready.json()["reason"].clone()), (503, "disk full".into()));
    assert_eq!(server.get("/healthz", "").await.status, 200);
    assert_eq!(server.get("/v1/events", "re").await.status, 200, "reads go on");
    server.store.fail_with(None);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(server.get("/readyz", "").await.status, 200);
}

#[actix_web::test]
async fn metrics_are_openmetrics_and_may_be_public() {
    let setup = || Setup {
        settings: ServerSettings { workers: 1, metrics_public: true, ..ServerSettings::default() },
        ..Setup::default()
    };
    let server = Server::with(setup()).await;
    server.deliver(&events(0..3)).await;
    server.deliver(&events(0..3)).await;
    server.send("POST", "/v1/events", &bearer("wrong"), b"{}").await;
    let answer = server.get("/metrics", "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let text = String::from_utf8(answer.body).expect("text");
    for line in [
        r#"lifeline_events_received_total{protocol="native"} 6"#,
        r#"lifeline_events_duplicate_total{protocol="native"} 3"#,
        r#"lifeline_events_stored_total{protocol="native",event="sync_end"} 3"#,
        r#"lifeline_requests_total{protocol="native",status="200"} 2"#,
        r#"lifeline_requests_total{protocol="native",status="401"} 1"#,
        "lifeline_auth_failures_total 1",
        "lifeline_store_events 3",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[actix_web::test]
async fn answers_carry_the_request_id_and_say_how_to_treat_them() {
    let server = Server::start().await;
    let headers = format!("{}x-request-id: my-id\r\n", bearer("re"));
    let answer = server.send("GET", "/v1/events?x=1", &headers, b"").await;
    assert_eq!(answer.header("x-request-id"), Some("my-id"));
    assert_eq!(answer.json()["request_id"], "my-id");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let head = server.send("HEAD", "/v1/events", &bearer("re"), b"").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[actix_web::test]
async fn the_documentation_needs_nobody_else() {
    let server = Server::start().await;
    assert_eq!(server.get("/docs", "").await.header("location"), Some("/docs/"));
    let page = server.get("/docs/", "").await;
    let policy = page.header("content-security-policy").expect("a policy").to_owned();
    assert!(policy.contains("script-src 'self';"), "{policy}");
    let html = String::from_utf8(page.body).expect("text");
    assert!(!html.contains("//cdn") && !html.contains("https://") && !html.contains("<script>"), "{html}");
    let mut files = 0;
    for link in html.split(['"', '\'']).filter(|part| part.ends_with(".js") || part.ends_with(".css")) {
        let file = server.get(&format!("/docs/{}", link.trim_start_matches("./")), "").await;
        assert_eq!(file.status, 200, "{link}");
        files += 1;
    }
    assert!(files >= 4, "{html}");
    assert_eq!(server.get("/docs/nothing.js", "").await.status, 404);
    assert_eq!(server.get("/docs/..%2f..%2fetc%2fpasswd", "").await.status, 404);
}

#[actix_web::test]
async fn the_openapi_document_lists_what_is_served() {
    let server = Server::start().await;
    let document = server.get("/openapi.json", "").await.json();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let paths = document["paths"].as_object().expect("paths").values();
    let operations = paths.flat_map(|path| path.as_object().expect("methods").values());
    let mut ids: Vec<_> = operations.map(|operation| operation["operationId"].as_str().expect("an id")).collect();
    ids.sort_unstable();
    let twice: Vec<_> = ids.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let paths = document["paths"].as_object().expect("paths");
    for protocol in PROTOCOLS {
        for route in protocol.routes() {
            let named =
                paths.keys().any(|path| path.replace("{segment}", "*").replace("{segment2}", "*") == route.path);
            assert!(named, "{}", route.path);
        }
    }
    for (path, item) in paths {
        for (method, operation) in item.as_object().expect("operations") {
            let real = path.replace("{id}", "1").replace("{name}", "x").replace("{sync_id}", "1");
            let real = real.replace("{segment}", "x").replace("{segment2}", "x");
            let routes = PROTOCOLS.iter().flat_map(|protocol| protocol.routes());
            let asked = routes.filter(|route| route.path == path).find_map(|route| route.only_with);
            let headers = asked.map(|(name, value)| format!("{name}: {value}\r\n")).unwrap_or_default();
            let answer = server.send(&method.to_uppercase(), &real, &headers, b"").await;
            assert_ne!(answer.status, 405, "{method} {path}");
            told(operation, &answer, &format!("{method} {path}"));
            let token = if path.starts_with("/v1/tokens") { "ad" } else { "re" };
            let token = if method == "post" && !path.ends_with("/replay") { "in" } else { token };
            for body in ["{}", &event(1)] {
                let headers = headers.clone() + &bearer(token);
                let answer = server.send(&method.to_uppercase(), &real, &headers, body.as_bytes()).await;
                told(operation, &answer, &format!("{method} {path} with a token"));
            }
        }
    }
}

/// Status and media type of an answer stand in the document.
#[track_caller]
fn told(operation: &Value, answer: &Answer, asked: &str) {
    let status = answer.status;
    let documented = &operation["responses"][status.to_string()];
    assert!(documented.is_object(), "{asked} answers {status} which is not documented");
    let media_type = answer.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
    let content = documented["content"].as_object();
    if answer.body.is_empty() {
        assert!(content.is_none() || media_type.is_empty() || content.is_some_and(|all| all.contains_key(media_type)));
    } else {
        assert!(
            content.is_some_and(|all| all.contains_key(media_type)),
            "{asked}: {status} {media_type}, {documented}"
        );
    }
}

#[actix_web::test]
async fn the_openapi_document_says_what_deliveries_and_exports_answer() {
    let server = Server::start().await;
    let document = server.get("/openapi.json", "").await.json();
    let native = &document["paths"]["/v1/events"]["post"]["responses"]["200"]["content"]["application/json"];
    assert_eq!(native["schema"]["$ref"], "#/components/schemas/Receipt");
    let members = |name: &str| document["components"]["schemas"][name]["properties"].as_object().expect(name).clone();
    let answer = server.deliver(&format!("{}\n5\n", event(1))).await.json();
    assert!(answer.as_object().expect("an object").keys().eq(members("Receipt").keys()), "{answer}");
    assert!(answer["items"][0].as_object().expect("an item").keys().eq(members("ReceiptItem").keys()), "{answer}");
    let of = |path: &str, method: &str, status: &str| document["paths"][path][method]["responses"][status].clone();
    assert!(of("/api/v2/logs/ingest", "post", "200")["content"]["application/json"].is_object());
    assert_eq!(of("/api/v2/logs/ingest", "post", "204")["content"], Value::Null);
    assert_eq!(of("/loki/api/v1/push", "post", "415"), Value::Null, "Loki's word for it is 400");
    for path in ["/v1/connections/{id}", "/v1/connections/{id}/timeline"] {
        assert!(of(path, "get", "410")["content"]["application/problem+json"].is_object(), "{path}");
    }
    for format in crate::export::audit::Format::ALL {
        let answer = server.get(&format!("/v1/audit/export?format={}", format.as_str()), "re").await;
        assert_eq!(answer.status, 200, "{format:?}");
        told(&document["paths"]["/v1/audit/export"]["get"], &answer, format.as_str());
    }
}

#[actix_web::test]
async fn a_path_that_needs_a_header_says_so() {
    let server = Server::start().await;
    for headers in [bearer("in"), format!("{}x-amz-target: Kinesis_20131202.PutRecord\r\n", bearer("in"))] {
        let answer = server.send("POST", "/", &headers, b"{}").await;
        assert_eq!((answer.status, answer.header("content-type")), (400, Some("application/x-amz-json-1.1")));
        let said = answer.json();
        assert!(said["message"].as_str().is_some_and(|text| text.contains("x-amz-target: Logs_20140328.")), "{said}");
    }
    let answer = server.send("PUT", "/", "", b"").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("post,get,head,options")));
}

#[actix_web::test]
async fn a_stop_finishes_what_runs_and_closes_the_store() {
    let server = Server::start().await;
    let store = Arc::clone(&server.store);
    let mut running = server.connect().await;
    let body = event(1);
    running.write_all(head("POST", "/v1/events", &bearer("in"), Some(body.len())).as_bytes()).await.expect("taken");
    running.write_all(&body.as_bytes()[..10]).await.expect("taken");
    let mut idle = server.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("taken");
    let mut chunk = [0; 1024];
    assert_ne!(idle.read(&mut chunk).await.expect("answered"), 0);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let started = std::time::Instant::now();
    let stopping = actix_rt::spawn(server.stop());
    tokio::time::sleep(Duration::from_millis(300)).await;
    running.write_all(&body.as_bytes()[10..]).await.expect("taken while stopping");
    assert_eq!(Answer::read(running).await.status, 200);
    stopping.await.expect("no panic").expect("stops");
    assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());
    assert!(store.is_closed());
}
