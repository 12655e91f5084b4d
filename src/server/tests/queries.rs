//! `/v1/events`, `/v1/quarantine` and their parameters.

use super::*;

#[actix_web::test]
async fn pages_meet_without_gap_while_events_arrive() {
    let server = Server::start().await;
    server.deliver(&events(0..25)).await;
    for order in ["asc", "desc"] {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = server.get(&format!("/v1/events?limit=4&order={order}{cursor}"), "re").await.json();
            for event in page["data"].as_array().expect("a list") {
                seen.push(event["id"].as_str().expect("an id").to_owned());
            }
            // Arrives on the far side of every page.
            server.deliver(&event(if order == "asc" { 0 } else { 59 })).await;
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let mut sorted = seen.clone();
        sorted.sort();
        sorted.dedup();
        if order == "desc" {
            sorted.reverse();
        }
        assert_eq!(seen, sorted, "{order}");
        assert!((25..=26).contains(&seen.len()), "{order}: {}", seen.len());
    }
}

#[actix_web::test]
async fn an_event_is_found_by_its_id_with_its_original() {
    let server = Server::start().await;
    server.deliver(&event(3)).await;
    let page = server.get("/v1/events?connection_id=conn_1&event=sync_end&q=successful", "re").await.json();
    assert_eq!(page["data"].as_array().map(Vec::len), Some(1), "{page}");
    let listed = &page["data"][0];
    assert_eq!(listed.get("raw"), None);
    let id = listed["id"].as_str().expect("an id");
    let one = server.get(&format!("/v1/events/{id}"), "re").await.json();
    assert_eq!(one["raw"], event(3));
    assert_eq!(one["created"], "2026-07-07T16:00:03.000Z");
    for id in ["0", "zz", "00000000000000000000000000000000"] {
        assert_eq!(server.get(&format!("/v1/events/{id}"), "re").await.problem(), (404, "not-found".into()));
    }
}

#[actix_web::test]
async fn a_text_is_found_as_people_write_it() {
    let server = Server::start().await;
    let message = r#"role \"hxwraqld\" of C:\\dir\nGröße"#;
    server.deliver(&event(1).replace("SUCCESSFUL", message)).await;
    for q in ["role+%22hxwraqld%22", "C:%5Cdir", "dir%0Agr%C3%B6", "GR%C3%96"] {
        let page = server.get(&format!("/v1/events?q={q}"), "re").await.json();
        assert_eq!(page["data"].as_array().map(Vec::len), Some(1), "{q}");
    }
}

#[actix_web::test]
async fn large_answers_are_taken_in_turns() {
    let server = Server::start().await;
    for n in 0..10 {
        server.deliver(&event(n).replace("SUCCESSFUL", &"x".repeat(3 << 20))).await;
    }
    // 30 MB each: together more than all answers may hold.
    let asked = (0..5).map(|_| server.get("/v1/events?limit=1000", "re"));
    for answer in futures_util::future::join_all(asked).await {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["data"].as_array().map(Vec::len), Some(10));
    }
}

#[actix_web::test]
async fn bad_parameters_are_named() {
    let server = Server::start().await;
    for (query, parameter) in [
        ("limits=1", "limits"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=abc", "cursor"),
        ("order=up", "order"),
        ("level=info", "level"),
        ("family=x", "family"),
        ("source=x", "source"),
        ("validation=x", "validation"),
        ("from=2026-07-07", "from"),
        ("to=1786959683", "to"),
        ("q=", "q"),
        ("q=%ff", "q"),
        ("token=re", "token"),
    ] {
        let answer = server.get(&format!("/v1/events?{query}"), "re").await;
        assert_eq!(answer.problem(), (400, "bad-parameter".into()), "{query}");
        assert_eq!(answer.json()["parameter"], parameter, "{query}");
    }
    for path in
        ["/v1/quarantine?limit=0", "/v1/quarantine?cursor=x", "/v1/quarantine?all=1", "/v1/events/stream?limit=1"]
    {
        assert_eq!(server.get(path, "re").await.problem().0, 400, "{path}");
    }
    let level = server.get("/v1/events?level=info", "re").await.json();
    assert_eq!(level["allowed"], serde_json::json!(["FINE", "INFO", "WARNING", "SEVERE"]));
}

#[actix_web::test]
async fn quarantine_is_listed_shown_and_replayed() {
    let server = Server::start().await;
    for n in 0..7 {
        assert_eq!(server.deliver(&format!("broken {n}")).await.status, 400);
    }
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = server.get(&format!("/v1/quarantine?limit=3{cursor}"), "re").await.json();
        ids.extend(page["data"].as_array().expect("a list").iter().map(|item| item["id"].as_str().map(str::to_owned)));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let expected: Vec<_> = (1..=7).rev().map(|id: u8| Some(id.to_string())).collect();
    assert_eq!(ids, expected);
    let item = server.get("/v1/quarantine/1", "re").await.json();
    assert_eq!((item["bytes"].clone(), item["encoding"].clone()), ("broken 0".into(), "utf-8".into()));
    assert_eq!(item["protocol"], "native");
    for id in ["0", "99", "x", "-1"] {
        assert_eq!(server.get(&format!("/v1/quarantine/{id}"), "re").await.status, 404, "{id}");
    }
    let replay = server.send("POST", "/v1/quarantine/1/replay", &bearer("ad"), b"").await;
    assert_eq!(replay.problem(), (422, "still-unreadable".into()));
    assert_eq!(server.get("/v1/quarantine/1", "re").await.json()["replayed"], Value::Null);
}
