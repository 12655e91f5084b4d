//! The audit endpoints in front of a store in memory: what happens when things go wrong, and what is bounded.

use super::*;
use crate::{
    audit::{
        Actor, ActorKind, Change, Draft, Log, Resource,
        note::{self, Checkpoint, SigningKey},
    },
    model::Timestamp,
    server::audit::{AuditSettings, Notary, keys, sinks::Sinks},
    store::{
        Order, StoreError, Trail,
        trail::{Head, RecordFilter, RecordQuery},
    },
};

fn draft(n: u64, value: &str) -> Draft {
    let actor = Actor { id: Some(format!("user-{n}")), kind: ActorKind::User };
    let change = Change { field: "value".into(), old: Value::Null, new: value.into() };
    let on = Resource { kind: "CONNECTION".into(), id: Some("c".into()) };
    let at = Timestamp::from_micros(1_783_440_000_000_000 + n as i64);
    Draft::own("edit_connection", actor, "WEB_UI", "EDIT", Some(on), vec![change], at)
}

fn fill(server: &Server, records: u64, value: &str) {
    for n in 0..records {
        server.store.trail.push(Log::Trail, draft(n, value));
    }
}

fn own(server: &Server) -> usize {
    let (filter, order) = (RecordFilter::default(), Order::Asc);
    let query = RecordQuery { log: Log::Access, filter, order, after: None, size: None, limit: 100 };
    server.store.trail.records(&query).expect("records").records.len()
}

#[actix_web::test]
async fn every_question_needs_a_token_that_may_read() {
    let server = Server::start().await;
    for path in [
        "",
        "/1",
        "/export",
        "/checkpoint",
        "/checkpoints",
        "/key",
        "/proof/inclusion?seq=1",
        "/proof/consistency?from=0",
        "/access-rights",
        "/summary",
    ] {
        let path = format!("/v1/audit{path}");
        assert_eq!(server.get(&path, "").await.status, 401, "{path}");
        assert_eq!(server.get(&path, "in").await.status, 403, "{path}");
        let status = server.get(&path, "re").await.status;
        assert!(matches!(status, 200 | 404), "{path}: {status}");
    }
    assert_eq!(own(&server), 1, "the one export that was allowed");
}

#[actix_web::test]
async fn bad_parameters_are_named_everywhere() {
    let server = Server::start().await;
    for (path, parameter) in [
        ("?cursor=x", "cursor"),
        ("/export?format=exe", "format"),
        ("/export?limit=5", "limit"),
        ("/checkpoint?log=x", "log"),
        ("/checkpoints?limit=0", "limit"),
        ("/key?x=1", "x"),
        ("/proof/inclusion", "seq"),
        ("/proof/consistency?from=3&to=2", "from"),
        ("/proof/consistency?from=3", "from"),
        ("/access-rights?as_of=now", "as_of"),
        ("/summary?format=pdf", "format"),
    ] {
        let answer = server.get(&format!("/v1/audit{path}"), "re").await;
        assert_eq!(answer.problem(), (400, "bad-parameter".into()), "{path}");
        assert_eq!(answer.json()["parameter"], parameter, "{path}");
    }
    assert_eq!(own(&server), 0);
}

#[actix_web::test]
async fn exports_are_bounded_and_a_client_that_goes_away_frees_its_place() {
    let audit = AuditSettings { exports_max: 1, ..AuditSettings::default() };
    let settings = ServerSettings { workers: 1, audit, ..ServerSettings::default() };
    let server = Server::with(Setup { settings, ..Setup::default() }).await;
    // More than the buffers of both sides hold.
    fill(&server, 3000, &"x".repeat(8000));
    let mut slow = server.connect().await;
    slow.write_all(head("GET", "/v1/audit/export?format=ndjson", &bearer("re"), None).as_bytes()).await.expect("taken");
    let mut first = [0; 64];
    slow.read_exact(&mut first).await.expect("it begins");
    let refused = server.get("/v1/audit/export", "re").await;
    assert_eq!(refused.problem(), (503, "busy".into()));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(server.get("/v1/audit?limit=1", "re").await.status, 200, "other questions go on");
    drop(slow);
    let began = std::time::Instant::now();
    loop {
        let again = server.send("GET", "/v1/audit/export?actor=nobody", &bearer("re"), b"").await;
        if again.status == 200 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "its place is still taken");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[actix_web::test]
async fn warnings_do_not_make_a_server_unready() {
    let server = Server::start().await;
    let ready = server.get("/readyz", "").await;
    assert_eq!((ready.status, ready.json().get("warnings").cloned()), (200, None));
    let metrics = String::from_utf8(server.get("/metrics", "re").await.body).expect("text");
    assert!(metrics.contains("lifeline_audit_records{log=\"trail\"} 0\n"), "{metrics}");
    assert!(metrics.ends_with("# EOF\n") && metrics.matches("# EOF").count() == 1);
}

#[actix_web::test]
async fn a_removed_record_is_gone_but_still_proved() {
    let server = Server::start().await;
    fill(&server, 3, "x");
    let request = crate::store::trail::PruneRequest {
        trail_before: Some(i64::MAX),
        access_before: None,
        reason: "retention 1 days".into(),
    };
    server.store.trail.prune(request).await.expect("removed");
    fill(&server, 1, "y");
    let gone = server.get("/v1/audit/2", "re").await;
    assert_eq!(gone.problem(), (410, "removed".into()));
    assert!(gone.json()["detail"].as_str().is_some_and(|text| text.contains("retention 1 days")));
    assert_eq!(server.get("/v1/audit/proof/inclusion?seq=2", "re").await.status, 200);
    let list = server.get("/v1/audit", "re").await.json();
    assert_eq!(list["data"].as_array().map(Vec::len), Some(1), "{list}");
}

#[actix_web::test]
async fn a_log_that_may_not_be_signed_does_not_keep_the_other_from_it() {
    let store = Arc::new(FakeStore::default());
    let origin = keys::origin(&*store, Log::Trail).expect("an origin");
    let key = SigningKey::generate(&origin).expect("a key");
    let root = [9; 32];
    let checkpoint = Checkpoint { origin, size: 2, root, time: None, previous: None, others: Vec::new() };
    let note = note::sign(&checkpoint.text(), &[&key]).expect("signed");
    for n in 0..3 {
        store.trail.push(Log::Trail, draft(n, "other than what was signed"));
    }
    store.trail.keep_head(Head { log: Log::Trail, size: 2, at: 1, note }).await.expect("kept");
    let notary =
        Notary::new(Arc::clone(&store) as _, &key, Sinks::start(None, &[]).expect("no sinks")).expect("a notary");
    let sizes =
        |log| -> Vec<u64> { store.trail.heads(log, None, 10).expect("heads").iter().map(|head| head.size).collect() };
    for ticks in 1..=2 {
        let refused = notary.tick(Duration::ZERO, Duration::ZERO).await;
        assert!(matches!(refused, Err(StoreError::Damaged(_))), "{refused:?}");
        assert_eq!(sizes(Log::Access), vec![0; ticks]);
    }
    store.trail.push(Log::Access, draft(2, "the last of the day"));
    let refused = notary.finish().await;
    assert!(matches!(refused, Err(StoreError::Damaged(_))), "{refused:?}");
    assert_eq!(sizes(Log::Access), [1, 0, 0]);
    assert_eq!(sizes(Log::Trail), [2], "nothing is signed over it");
}
