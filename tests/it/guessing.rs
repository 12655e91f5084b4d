//! Credentials: who may do what, and what happens to those who guess.

use crate::{
    app::{ADMIN, App, INGEST, READ, Setup},
    samples::numbered,
};

#[test]
fn every_token_may_do_its_own_work_only() {
    let app = App::spawn();
    let event = numbered("roles", 1);
    app.post_native(&event).expect(200);
    let id = app.all_events("")[0]["id"].as_str().expect("an id").to_owned();
    let one = format!("/v1/events/{id}");
    let reads = ["/v1/events", &one, "/v1/quarantine"];
    for (token, ingest, read) in
        [(INGEST, true, false), (READ, false, true), (ADMIN, false, true), ("wrong", false, false), ("", false, false)]
    {
        for path in reads {
            let status = app.with_token(token, "GET", path, b"").status;
            if read {
                assert_eq!(status, 200, "{token} {path}");
            } else {
                assert!(matches!(status, 401 | 403), "{token} {path}: {status}");
            }
        }
        for path in ["/v1/events", "/services/collector/raw"] {
            let status = app.with_token(token, "POST", path, event.as_bytes()).status;
            if ingest {
                assert_eq!(status, 200, "{token} {path}");
            } else {
                assert!(matches!(status, 401 | 403), "{token} {path}: {status}");
            }
        }
        let replay = app.with_token(token, "POST", "/v1/quarantine/1/replay", b"").status;
        if token == ADMIN {
            assert_eq!(replay, 404, "there is no such item");
        } else {
            assert!(matches!(replay, 401 | 403), "{token}: {replay}");
        }
    }
    for path in ["/healthz", "/readyz", "/openapi.json", "/services/collector/health"] {
        assert_eq!(app.send("GET", path, &[], b"").status, 200, "{path}");
    }
    assert_eq!(app.send("GET", "/no/such/path", &[], b"").status, 404);
    assert!(app.send("GET", "/no/such/path", &[], b"").json().is_object());
    assert_eq!(app.send("DELETE", "/v1/events", &[("Authorization", &format!("Bearer {ADMIN}"))], b"").status, 405);
}

#[test]
fn a_named_token_says_where_its_events_belong() {
    let app = Setup::default()
        .env("LIFELINE_INGEST_TOKEN", &format!("warehouse=w-token-0001,{INGEST},lake=l-token-0002"))
        .spawn();
    for (token, n) in [("w-token-0001", 1), (INGEST, 2), ("l-token-0002", 3)] {
        app.with_token(token, "POST", "/v1/events", numbered("named", n).as_bytes()).expect(200);
    }
    let named: Vec<_> = app.all_events("order=asc");
    let of = |member: &str| named.iter().map(|event| event[member].clone()).collect::<Vec<_>>();
    assert_eq!(of("destination"), ["warehouse".into(), serde_json::Value::Null, "lake".into()]);
    let names: Vec<_> = named.iter().map(|event| event["delivery"]["token"].clone()).collect();
    assert_eq!(names, ["warehouse", "default", "lake"]);
    assert_eq!(app.all_events("destination=lake").len(), 1);
}

#[test]
fn guessing_is_slowed_down_and_nobody_else_is() {
    let app = Setup::default().env("LIFELINE_AUTH_FAILURES_PER_MINUTE", "60").spawn();
    let guess = |n: u32| {
        app.send("POST", "/services/collector", &[("Authorization", &format!("Splunk guess-{n}"))], b"{\"event\":1}")
    };
    let answers: Vec<_> = (0..420).map(guess).collect();
    assert!(answers.iter().take(250).all(|answer| answer.status == 403), "a burst is answered like any wrong token");
    let throttled: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!(throttled.len() > 50, "{} of {} were slowed down", throttled.len(), answers.len());
    for answer in throttled {
        let seconds: u32 = answer.header("retry-after").expect("how long to wait").parse().expect("seconds");
        assert!((1..=60).contains(&seconds), "{seconds}");
        assert!(answer.json()["code"].is_number(), "the answer is in the sender's dialect");
    }
    for _ in 0..50 {
        app.post_hec(r#"{"event":{"event":"info"}}"#).expect(200);
        app.get("/v1/events?limit=1").expect(200);
    }
    let log = app.log();
    let warned =
        log.lines().filter(|line| line.contains("127.0.0.1") && line.to_lowercase().contains("attempt")).count();
    assert!(warned <= 2, "{warned} lines about one address within a minute");
    assert!(!log.contains("guess-"), "wrong tokens are not logged");
    app.assert_well();
}
