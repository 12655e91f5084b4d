//! Who may do what: every route with every kind of token.

use super::*;

const TOKENS: [(&str, &str); 5] = [("none", ""), ("wrong", "wrong"), ("ingest", "in"), ("read", "re"), ("admin", "ad")];

/// Statuses without a token, with a wrong one, an ingest, a read and an admin token.
#[actix_web::test]
async fn every_route_takes_exactly_its_tokens() {
    let server = Server::start().await;
    let open = [200; 5];
    let read = [401, 401, 403, 200, 200];
    let cases: Vec<(&str, &str, &str, [u16; 5])> = vec![
        ("GET", "/", "", open),
        ("GET", "/healthz", "", open),
        ("GET", "/readyz", "", open),
        ("GET", "/openapi.json", "", open),
        ("GET", "/docs/", "", open),
        ("GET", "/services/collector/health", "", open),
        ("GET", "/services/collector/health/1.0", "", open),
        ("GET", "/metrics", "", read),
        ("GET", "/v1/events", "", read),
        ("GET", "/v1/events/00000000000000000000000000000000", "", [401, 401, 403, 404, 404]),
        ("GET", "/v1/quarantine", "", read),
        ("GET", "/v1/quarantine/1", "", [401, 401, 403, 404, 404]),
        ("POST", "/v1/quarantine/1/replay", "", [401, 401, 403, 403, 404]),
        ("GET", "/v1/tokens", "", [401, 401, 403, 403, 200]),
        ("POST", "/v1/tokens", "{}", [401, 401, 403, 403, 400]),
        ("DELETE", "/v1/tokens/nobody", "", [401, 401, 403, 403, 404]),
        ("POST", "/v1/events", "{}", [401, 401, 200, 403, 403]),
        ("GET", "/control/import", "", [404; 5]),
        ("POST", "/control/import", "", [404; 5]),
        ("GET", "/nothing", "", [404; 5]),
        ("GET", "/v1/connections/../../etc/passwd", "", [404; 5]),
    ];
    for (method, path, body, expected) in cases {
        for ((name, token), expected) in TOKENS.iter().zip(expected) {
            let answer = server.send(method, path, &bearer(token), body.as_bytes()).await;
            assert_eq!(answer.status, expected, "{method} {path} with {name}: {answer:?}");
            if answer.status == 401 {
                assert!(answer.header("www-authenticate").is_some(), "{method} {path}: {answer:?}");
            }
            assert!(answer.header("x-request-id").is_some());
        }
    }
}

#[actix_web::test]
async fn a_named_token_gives_its_destination() {
    let server = Server::start().await;
    let answer = server.send("POST", "/v1/events", &bearer("in-named"), event(1).as_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let page = server.get("/v1/events?destination=warehouse", "re").await.json();
    assert_eq!(page["data"][0]["delivery"], serde_json::json!({"protocol": "native", "token": "warehouse"}));
}

#[actix_web::test]
async fn tokens_are_made_once_and_revoked_at_once() {
    let server = Server::start().await;
    let make = |body: &'static str| server.send("POST", "/v1/tokens", "authorization: Bearer ad\r\n", body.as_bytes());
    let made = make(r#"{"name":"eu","kind":"ingest"}"#).await;
    assert_eq!(made.status, 201, "{made:?}");
    let token = made.json()["token"].as_str().expect("a token").to_owned();
    assert_eq!(server.send("POST", "/v1/events", &bearer(&token), event(1).as_bytes()).await.status, 200);
    assert_eq!(make(r#"{"name":"eu","kind":"ingest"}"#).await.problem(), (409, "conflict".into()));
    for bad in [r#"{"name":"","kind":"read"}"#, r#"{"name":"a b","kind":"read"}"#, r#"{"name":"x","kind":"all"}"#, "x"]
    {
        assert_eq!(make(bad).await.problem(), (400, "bad-body".into()), "{bad}");
    }
    let list = server.get("/v1/tokens", "ad").await;
    assert!(!String::from_utf8_lossy(&list.body).contains(&token));
    let list = list.json();
    let eu = list["data"].as_array().expect("a list").iter().find(|token| token["name"] == "eu");
    assert_eq!(eu.expect("listed")["revoked"], Value::Null);

    let server = &server;
    let revoke = |name: &'static str| async move {
        server.send("DELETE", &format!("/v1/tokens/{name}"), &bearer("ad"), b"").await
    };
    assert_eq!(revoke("eu").await.json()["revoked"], 1);
    let answer = server.send("POST", "/v1/events", &bearer(&token), event(1).as_bytes()).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(revoke("eu").await.status, 404);
    assert_eq!(revoke("warehouse").await.problem(), (409, "conflict".into()));
}

#[actix_web::test]
async fn guessing_is_throttled_but_the_right_token_is_not() {
    let gate = GateSettings { auth_failures_per_minute: 1, ..Setup::default().gate };
    let server = Server::with(Setup { gate, ..Setup::default() }).await;
    for _ in 0..5 {
        assert_eq!(server.get("/v1/events", "wrong").await.status, 401);
    }
    let answer = server.get("/v1/events", "wrong").await;
    assert_eq!(answer.problem(), (429, "too-many-failed-attempts".into()));
    assert!(answer.header("retry-after").is_some());
    let hec = server.send("POST", "/services/collector", "authorization: Splunk wrong\r\n", b"{}").await;
    assert_eq!(hec.status, 429, "{hec:?}");
    assert_eq!(server.get("/v1/events", "re").await.status, 200);
    assert_eq!(server.deliver(&event(1)).await.status, 200);
}

#[actix_web::test]
async fn two_credentials_in_one_request_are_none() {
    let server = Server::start().await;
    let both = format!("{}{}", bearer("re"), bearer("wrong"));
    assert_eq!(server.send("GET", "/v1/events", &both, b"").await.status, 401);
    let both = format!("{}{}", bearer("in"), bearer("wrong"));
    assert_eq!(server.send("POST", "/v1/events", &both, b"{}").await.status, 401);
}

#[actix_web::test]
async fn the_control_socket_needs_no_token_and_takes_imports() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("control.sock");
    std::fs::write(&path, "stale").expect("a stale file");
    let server = Server::with(Setup { control_socket: Some(path.clone()), ..Setup::default() }).await;
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).expect("made").permissions());
    assert_eq!(mode & 0o777, 0o600);
    let send = |method: &'static str, target: &'static str, body: String| {
        let path = path.clone();
        async move {
            let mut stream = tokio::net::UnixStream::connect(path).await.expect("listens");
            let head = head(method, target, "", Some(body.len()));
            stream.write_all(head.as_bytes()).await.expect("taken");
            stream.write_all(body.as_bytes()).await.expect("taken");
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.expect("answered");
            Answer::parse(&bytes)
        }
    };
    let answer = send("POST", "/control/import?file=log.csv&destination=old", events(0..3)).await;
    assert_eq!(answer.json()["accepted"], 3, "{answer:?}");
    let page = send("GET", "/v1/events", String::new()).await.json();
    assert_eq!(page["data"][0]["delivery"], serde_json::json!({"protocol": "import", "token": "import"}));
    assert_eq!(page["data"][0]["destination"], "old");
    assert_eq!(send("GET", "/v1/tokens", String::new()).await.status, 200);
    assert_eq!(send("POST", "/v1/events", event(9)).await.status, 401, "deliveries show who they are everywhere");
    server.stop().await.expect("stops");
    assert!(!path.exists());
}
