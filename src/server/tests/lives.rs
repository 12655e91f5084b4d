//! `/v1/connections` and what hangs below it, `/v1/incidents`, `/v1/transformations`, `/v1/stats`, and the series of connections.

use super::*;
use crate::{
    lifecycle::{Day, Incident, Run, Stage, StageKind, Status, SyncCounts},
    model::EventKey,
    query::lives::fake::{stage, summary},
    store::lives::{DayRow, IncidentRow},
};
use serde_json::json;

/// A server with ten connections, and on each a few stages, incidents and runs.
async fn server() -> Server {
    let server = Server::start().await;
    let mut kept = server.store.lives.kept();
    kept.connections = (0..10).map(|n| summary(&format!("conn_{n}"))).collect();
    kept.connections[3].status = Status::Broken;
    kept.connections[4].destination = None;
    kept.stages = vec![
        stage(StageKind::Initialized, 1_000_000, None, None),
        stage(StageKind::Sync, 2_000_000, Some("a/b %é"), Some("SUCCESSFUL")),
        stage(StageKind::SchemaChanged, 3_000_000, None, None),
        stage(StageKind::Sync, 4_000_000, Some("second"), Some("FAILURE")),
        stage(StageKind::Broken, 4_000_000, None, None),
    ];
    let key = |at| EventKey { created_us: at, hash: 1 };
    kept.incidents = (0..40)
        .map(|n| IncidentRow {
            connection_id: format!("conn_{}", n % 2),
            connection_name: (n % 2 == 0).then(|| "shop \"1\"".to_owned()),
            incident: Incident {
                anchor: key(n),
                resolved_us: (n < 39).then_some(n + 1),
                failures: 1,
                body: json!({"id": n.to_string(), "failures": 1}).to_string(),
            },
        })
        .collect();
    let run = |n| Run { anchor: key(n), job: "j".into(), status: "FAILED", body: json!({"id": n}).to_string() };
    kept.runs = (0..3).map(run).collect();
    let day = Day {
        day: 20_500,
        rows_modified: 7,
        syncs: SyncCounts { total: 2, successful: 1, failed: 1, ..SyncCounts::default() },
        ..Day::default()
    };
    kept.days = vec![DayRow { day, syncing_ms: 54_500 }];
    drop(kept);
    server
}

/// Every item of a list.
async fn all(server: &Server, path: &str, query: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = server.get(&format!("{path}?{query}{cursor}"), "re").await.json();
        found.extend(page["data"].as_array().expect("a list").iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

fn members<'v>(items: &'v [Value], name: &str) -> Vec<&'v str> {
    items.iter().map(|item| item[name].as_str().unwrap_or_default()).collect()
}

#[actix_web::test]
async fn connections_are_listed_filtered_and_sorted() {
    let server = server().await;
    for (sort, order) in
        [("id", "asc"), ("name", "desc"), ("status", "asc"), ("last_success", "desc"), ("last_event", "asc")]
    {
        let found = all(&server, "/v1/connections", &format!("limit=3&sort={sort}&order={order}")).await;
        let mut ids = members(&found, "connection_id");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((found.len(), ids.len()), (10, 10), "{sort} {order}");
    }
    let found = all(&server, "/v1/connections", "limit=3&sort=status&order=desc").await;
    assert_eq!((&found[0]["connection_id"], &found[0]["status"]), (&json!("conn_3"), &json!("broken")));
    for (query, expected) in [
        ("status=broken", 1),
        ("health=connected", 10),
        ("source=code42", 0),
        ("connector_type=postgres", 10),
        ("destination=warehouse", 9),
        ("q=CONN_7+BY", 1),
    ] {
        assert_eq!(all(&server, "/v1/connections", query).await.len(), expected, "{query}");
    }
}

#[actix_web::test]
async fn a_connection_is_shown_as_it_is_or_was() {
    let server = server().await;
    let now = server.get("/v1/connections/conn_3", "re").await.json();
    assert_eq!((&now["connection_id"], &now["status"]), (&json!("conn_3"), &json!("broken")));
    let then = server.get("/v1/connections/conn_3?as_of=1970-01-01T00:00:01Z", "re").await;
    assert_eq!(then.status, 200, "{then:?}");
    let early = server.get("/v1/connections/conn_3?as_of=1970-01-01T00:00:00.9Z", "re").await;
    assert_eq!(early.problem(), (404, "not-found".into()));
    let detail = early.json()["detail"].to_string();
    assert!(detail.contains("1970-01-01T00:00:01.000Z"), "{detail}");
    for id in ["nobody", "_connector_1", "conn_3%2F", "%ff", "a%00b"] {
        for rest in ["", "/timeline", "/syncs", "/syncs/x", "/schema-changes", "/daily"] {
            let answer = server.get(&format!("/v1/connections/{id}{rest}"), "re").await;
            assert_eq!(answer.problem(), (404, "not-found".into()), "{id}{rest}");
            assert!(answer.json()["detail"].as_str().is_some_and(|detail| detail.contains("q=TEXT")), "{answer:?}");
        }
    }
    assert_eq!(server.send("POST", "/v1/connections", &bearer("re"), b"").await.problem().0, 405);
    assert_eq!(server.get("/v1/connections/a/b", "re").await.problem().0, 404);
}

#[actix_web::test]
async fn a_timeline_stands_in_order_of_time_and_its_bodies_are_passed_on() {
    let server = server().await;
    let whole = server.get("/v1/connections/conn_0/timeline", "re").await.json();
    assert_eq!(
        members(whole["stages"].as_array().expect("stages"), "stage"),
        ["initialized", "sync", "schema_changed", "sync", "broken"]
    );
    assert_eq!(whole["connection"]["connection_id"], "conn_0");
    let incidents = members(whole["incidents"].as_array().expect("incidents"), "id").join(" ");
    assert!(incidents.starts_with("0 2 4 ") && incidents.ends_with(" 38"), "{incidents}");
    assert_eq!(whole["unused"], json!([{"event": "create_user", "events": 2}]));
    assert_eq!(whole["next_cursor"], Value::Null);
    assert!(whole["as_of"].as_str().is_some_and(|at| at > "2026-01-01"), "{whole}");

    let path = "/v1/connections/conn_0/timeline?as_of=1970-01-01T00:00:03Z";
    let then = server.get(path, "re").await.json();
    assert_eq!(then["stages"].as_array().map(Vec::len), Some(3));
    assert_eq!(then["as_of"], "1970-01-01T00:00:03.000Z");

    let path = "/v1/connections/conn_0/timeline?limit=2";
    let newest = server.get(path, "re").await.json();
    assert_eq!(members(newest["stages"].as_array().expect("stages"), "stage"), ["sync", "broken"]);
    let cursor = newest["next_cursor"].as_str().expect("there is more").to_owned();
    let older = server.get(&format!("{path}&cursor={cursor}"), "re").await.json();
    assert_eq!(members(older["stages"].as_array().expect("stages"), "stage"), ["sync", "schema_changed"]);
    let answer = server.get(&format!("/v1/connections/conn_0/syncs?cursor={cursor}"), "re").await;
    assert_eq!(answer.problem(), (400, "bad-parameter".into()), "a cursor of another list");
    let window = "from=1970-01-01T00:00:02Z&to=1970-01-01T00:00:04Z";
    let part = server.get(&format!("/v1/connections/conn_0/timeline?{window}"), "re").await.json();
    assert_eq!(part["stages"].as_array().map(Vec::len), Some(2));
}

#[actix_web::test]
async fn a_timeline_of_ten_thousand_stages_is_one_answer() {
    let server = server().await;
    let many = (0..10_001).map(|n| stage(StageKind::Sync, n, Some(&n.to_string()), None));
    server.store.lives.kept().stages = many.collect::<Vec<Stage>>();
    let whole = server.get("/v1/connections/conn_0/timeline", "re").await.json();
    let stages = whole["stages"].as_array().expect("stages");
    assert_eq!((stages.len(), &stages[0]["at"]), (10_000, &json!(1)));
    assert_ne!(whole["next_cursor"], Value::Null);
}

#[actix_web::test]
async fn a_timeline_of_huge_stages_ends_early() {
    let server = server().await;
    let many = (0..400).map(|n| {
        let mut stage = stage(StageKind::Sync, n, Some(&n.to_string()), None);
        stage.body = json!({"stage": "sync", "sync_id": n.to_string(), "tables": "x".repeat(200 << 10)}).to_string();
        stage
    });
    server.store.lives.kept().stages = many.collect();
    let page = server.get("/v1/connections/conn_0/timeline", "re").await.json();
    let stages = page["stages"].as_array().expect("stages");
    assert!((200..260).contains(&stages.len()), "{}", stages.len());
    let cursor = page["next_cursor"].as_str().expect("there is more");
    let rest = server.get(&format!("/v1/connections/conn_0/timeline?cursor={cursor}"), "re").await.json();
    assert_eq!(rest["stages"].as_array().map(|rest| rest.len() + stages.len()), Some(400));
    assert_eq!(rest["next_cursor"], Value::Null);
}

#[actix_web::test]
async fn syncs_and_schema_changes_are_lists_of_stages() {
    let server = server().await;
    let path = "/v1/connections/conn_0/syncs";
    assert_eq!(members(&all(&server, path, "limit=1").await, "sync_id"), ["second", "a/b %é"]);
    assert_eq!(members(&all(&server, path, "status=failure").await, "sync_id"), ["second"]);
    let one = server.get("/v1/connections/conn_0/syncs/a%2Fb%20%25%C3%A9", "re").await.json();
    assert_eq!(one["sync_id"], "a/b %é");
    let none = server.get("/v1/connections/conn_0/syncs/third", "re").await;
    assert_eq!(none.problem(), (404, "not-found".into()));
    assert!(none.json()["detail"].as_str().is_some_and(|detail| detail.contains("no sync")), "{none:?}");
    let changes = all(&server, "/v1/connections/conn_0/schema-changes", "limit=1").await;
    assert_eq!(members(&changes, "stage"), ["schema_changed"]);
}

#[actix_web::test]
async fn every_day_of_a_window_has_a_row() {
    let server = server().await;
    let page = server.get("/v1/connections/conn_0/daily?from=2026-02-14&to=2026-02-19", "re").await.json();
    let days = page["data"].as_array().expect("days");
    assert_eq!(members(days, "date"), ["2026-02-14", "2026-02-15", "2026-02-16", "2026-02-17", "2026-02-18"]);
    assert_eq!(page["next_cursor"], Value::Null);
    let zeros = json!({"total": 0, "successful": 0, "failed": 0, "rescheduled": 0, "canceled": 0});
    assert_eq!(days[0]["syncs"], zeros);
    assert_eq!((&days[2]["rows_modified"], &days[2]["seconds_syncing"]), (&json!(7), &json!(54.5)));
    assert_eq!(all(&server, "/v1/connections/conn_0/daily", "").await.len(), 30);
    assert_eq!(server.get("/v1/connections/conn_0/daily?from=2020-01-01", "re").await.problem().0, 400);
}

#[actix_web::test]
async fn incidents_and_runs_are_paged_newest_first() {
    let server = server().await;
    let found = all(&server, "/v1/incidents", "limit=7").await;
    assert_eq!(members(&found, "id"), (0..40).rev().map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(
        found[1],
        json!({"connection_id": "conn_0", "connection_name": "shop \"1\"", "id": "38", "failures": 1})
    );
    assert_eq!(members(&all(&server, "/v1/incidents", "open=true").await, "id"), ["39"]);
    assert_eq!(all(&server, "/v1/incidents", "open=false&connection_id=conn_1").await.len(), 19);
    assert_eq!(all(&server, "/v1/incidents", "connection_id=_connector_1").await.len(), 0);
    let runs = all(&server, "/v1/transformations", "limit=2&status=FAILED").await;
    assert_eq!(runs, [json!({"id": 2}), json!({"id": 1}), json!({"id": 0})]);
}

#[actix_web::test]
async fn a_page_of_large_runs_ends_early() {
    let server = server().await;
    for run in &mut server.store.lives.kept().runs {
        run.body = json!({"id": run.anchor.created_us, "output": "x".repeat(3 << 20)}).to_string();
    }
    let large = server.store.lives.kept().runs[0].clone();
    let many = (0..40).map(|n| Run { anchor: EventKey { created_us: n, hash: 1 }, ..large.clone() });
    server.store.lives.kept().runs = many.collect();
    let page = server.get("/v1/transformations?limit=40", "re").await.json();
    assert_eq!(page["data"].as_array().map(Vec::len), Some(16));
    assert_ne!(page["next_cursor"], Value::Null);
}

#[actix_web::test]
async fn figures_are_those_of_the_account_and_its_groups() {
    let server = server().await;
    let path = "/v1/stats?from=1970-01-01&to=1970-01-02";
    let stats = server.get(path, "re").await.json();
    assert_eq!((&stats["from"], &stats["groups"]), (&json!("1970-01-01T00:00:00.000Z"), &json!([])));
    assert_eq!(stats["account"]["connections"]["total"], 10);
    assert_eq!(stats["account"]["connections"]["broken"], 1);
    assert_eq!(stats["account"]["success_rate"], json!(0.5));
    assert_eq!(stats["account"]["incidents"], json!({"opened": 40, "open": 1}));
    let stats = server.get(&format!("{path}&by=destination"), "re").await.json();
    let keys: Vec<_> = stats["groups"].as_array().expect("groups").iter().map(|group| group["key"].clone()).collect();
    assert_eq!(keys, [Value::Null, json!("warehouse")]);
    assert_eq!(stats["groups"][1]["connections"]["total"], 9);
    let stats = server.get(&format!("{path}&by=connection"), "re").await.json();
    assert_eq!(stats["groups"].as_array().map(Vec::len), Some(10));
    assert_eq!(stats["groups"][3]["name"], "conn_3 by name");
}

#[actix_web::test]
async fn late_events_are_folded_before_the_answer() {
    let server = server().await;
    let answer = server.get("/v1/connections", "re").await;
    assert_eq!(answer.header("lifeline-behind"), None);
    assert!(server.store.lives.kept().settled.is_empty(), "nothing waits");
    server.store.lives.kept().unfolded = 5;
    let answer = server.get("/v1/connections/conn_0/timeline", "re").await;
    assert_eq!((answer.status, answer.header("lifeline-behind")), (200, None));
    server.store.lives.kept().unfolded = 5;
    server.store.lives.kept().behind = 2;
    let answer = server.get("/v1/stats", "re").await;
    assert_eq!((answer.status, answer.header("lifeline-behind")), (200, Some("2")));
    assert_eq!(server.store.lives.kept().settled, [Some("conn_0".to_owned()), None]);
    let answer = server.get("/v1/stats?by=x", "re").await;
    assert_eq!(answer.status, 400);
    assert_eq!(server.store.lives.kept().settled.len(), 2, "a bad question costs no fold");
    server.store.lives.kept().full = true;
    let answer = server.get("/v1/incidents", "re").await;
    assert_eq!((answer.status, answer.header("lifeline-behind")), (200, Some("2")), "a full disk can still be read");
}

#[actix_web::test]
async fn questions_about_lives_need_a_reader_and_are_read_strictly() {
    let server = server().await;
    for path in [
        "/v1/connections",
        "/v1/connections/conn_0",
        "/v1/connections/conn_0/timeline",
        "/v1/connections/conn_0/syncs",
        "/v1/connections/conn_0/syncs/second",
        "/v1/connections/conn_0/schema-changes",
        "/v1/connections/conn_0/daily",
        "/v1/incidents",
        "/v1/transformations",
        "/v1/stats",
    ] {
        assert_eq!(server.get(path, "").await.problem().0, 401, "{path}");
        assert_eq!(server.get(path, "in").await.problem().0, 403, "{path}");
        for token in ["re", "ad"] {
            let answer = server.get(path, token).await;
            assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{path}");
        }
        let head = server.send("HEAD", path, &bearer("re"), b"").await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        for query in ["unknown=1", "token=re", "from=x&from=y"] {
            let answer = server.get(&format!("{path}?{query}"), "re").await;
            assert_eq!(answer.problem(), (400, "bad-parameter".into()), "{path}?{query}");
        }
    }
}

#[actix_web::test]
async fn connections_have_series_which_are_read_once_for_several_scrapes() {
    let server = server().await;
    let text = String::from_utf8(server.get("/metrics", "re").await.body).expect("text");
    for line in [
        r#"lifeline_connection_status{connection_id="conn_3",connection_name="conn_3 by name",status="broken"} 1"#,
        r#"lifeline_connection_last_success_timestamp_seconds{connection_id="conn_0"} 3.5"#,
        r#"lifeline_connection_sync_duration_seconds{connection_id="conn_0"} 2.5"#,
        "lifeline_fold_waiting_connections 0",
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    server.get("/metrics", "re").await;
    assert_eq!(server.store.lives.kept().lists, 1);
}

#[actix_web::test]
async fn the_document_has_every_member_of_a_connection() {
    let server = server().await;
    let document = server.get("/openapi.json", "").await.json();
    let shown = server.get("/v1/connections/conn_0", "re").await.json();
    let told = document["components"]["schemas"]["Connection"]["properties"].as_object().expect("properties");
    let mut names: Vec<_> = shown.as_object().expect("members").keys().collect();
    names.sort();
    let mut told: Vec<_> = told.keys().collect();
    told.sort();
    assert_eq!(names, told);
    let stats = server.get(&format!("/v1/stats?from=1970-01-01&to={}", "1970-02-01"), "re").await.json();
    let told = document["components"]["schemas"]["Figures"]["properties"].as_object().expect("properties");
    let figures = stats["account"].as_object().expect("members");
    assert_eq!(figures.keys().collect::<Vec<_>>().len(), told.len());
    assert!(figures.keys().all(|name| told.contains_key(name)), "{figures:?}");
    let operation = &document["paths"]["/v1/connections"]["get"];
    assert_eq!(operation["responses"]["200"]["headers"]["Lifeline-Behind"]["schema"]["type"], "integer");
    let parameters = operation["parameters"].as_array().expect("parameters");
    let status = parameters.iter().find(|parameter| parameter["name"] == "status").expect("a filter");
    assert_eq!(status["schema"]["enum"][0], "new");
    assert_eq!(parameters.len(), 10);
}
