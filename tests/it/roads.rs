//! The roads of log services: every documented event by each, one event by all, and what broken senders make of them.
//!
//! In: Fivetran's documented events in the bodies of Datadog, New Relic, Dynatrace, OTLP and Logplex, and of the clouds' services. Out: nothing;
//! each event has to be stored once, exactly as it would be natively, whichever way it came.

use crate::{
    app::{App, INGEST},
    http::Response,
    otlp_values::{field, packed, spelled},
    routes,
    samples::{documented, fixture, gzip, numbered},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Lines as one body of a service.
type Wrap = fn(&[&str]) -> Vec<u8>;

/// A road: its path, headers, success and body.
struct Road {
    protocol: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    status: u16,
    wrap: Wrap,
}

const JSON: (&str, &str) = ("Content-Type", "application/json");
const PROTOBUF: (&str, &str) = ("Content-Type", "application/x-protobuf");

const ROADS: &[Road] = &[
    Road { protocol: "datadog", path: "/api/v2/logs?ddsource=fivetran", headers: &[JSON], status: 202, wrap: datadog },
    Road {
        protocol: "datadog",
        path: "/v1/input",
        headers: &[("Content-Type", "text/plain")],
        status: 202,
        wrap: plain,
    },
    Road { protocol: "datadog", path: "/v1/input", headers: &[JSON], status: 202, wrap: plain },
    Road { protocol: "new_relic", path: "/log/v1", headers: &[JSON], status: 202, wrap: new_relic },
    Road { protocol: "new_relic", path: "/log/v1", headers: &[JSON], status: 202, wrap: list },
    Road { protocol: "dynatrace", path: "/api/v2/logs/ingest", headers: &[JSON], status: 204, wrap: dynatrace },
    Road {
        protocol: "dynatrace",
        path: "/api/v2/logs/ingest",
        headers: &[("Content-Type", "application/jsonl")],
        status: 204,
        wrap: plain,
    },
    Road { protocol: "otlp", path: "/v1/logs", headers: &[JSON], status: 200, wrap: otlp_texts },
    Road { protocol: "otlp", path: "/v1/logs", headers: &[JSON], status: 200, wrap: otlp_pairs },
    Road { protocol: "otlp", path: "/v1/logs", headers: &[JSON], status: 200, wrap: otlp_attributes },
    Road { protocol: "otlp", path: "/v1/logs", headers: &[PROTOBUF], status: 200, wrap: otlp_packed },
    Road {
        protocol: "logplex",
        path: "/v1/drains/logplex",
        headers: &[("Content-Type", "application/logplex-1")],
        status: 200,
        wrap: logplex,
    },
];

/// The roads of the clouds, some of which say in other ways what the others say with a status.
const CLOUDS: &[Road] = &[
    Road {
        protocol: "azure_data_collector",
        path: "/api/logs?api-version=2016-04-01",
        headers: &[("Log-Type", "Fivetran")],
        status: 200,
        wrap: list,
    },
    Road {
        protocol: "azure_logs_ingestion",
        path: "/dataCollectionRules/dcr-1/streams/Custom-L_CL?api-version=2023-01-01",
        headers: &[JSON],
        status: 204,
        wrap: list,
    },
    Road {
        protocol: "cloudwatch_logs",
        path: "/",
        headers: &[("X-Amz-Target", "Logs_20140328.PutLogEvents")],
        status: 200,
        wrap: cloudwatch,
    },
    Road { protocol: "firehose", path: "/v1/firehose", headers: &[JSON], status: 200, wrap: subscription },
    Road { protocol: "firehose", path: "/v1/firehose", headers: &[JSON], status: 200, wrap: extracted },
    Road { protocol: "google_entries_write", path: "/v2/entries:write", headers: &[JSON], status: 200, wrap: entries },
    Road { protocol: "pubsub_push", path: "/v1/pubsub", headers: &[JSON], status: 204, wrap: message },
];

fn log_events(lines: &[&str]) -> Value {
    Value::from_iter(lines.iter().map(|line| json!({"id": "1", "timestamp": 1_795_180_330_000_u64, "message": line})))
}

fn cloudwatch(lines: &[&str]) -> Vec<u8> {
    json!({"logGroupName": "g", "logStreamName": "s", "logEvents": log_events(lines)}).to_string().into_bytes()
}

/// One document of a subscription for every ten events, all in one record.
fn subscription(lines: &[&str]) -> Vec<u8> {
    let document = |lines: &[&str]| json!({"messageType": "DATA_MESSAGE", "logEvents": log_events(lines)}).to_string();
    let documents: String = lines.chunks(10).map(document).collect();
    json!({"requestId": "r", "records": [{"data": STANDARD.encode(gzip(documents.as_bytes()))}]})
        .to_string()
        .into_bytes()
}

/// Messages that Firehose took out of such documents.
fn extracted(lines: &[&str]) -> Vec<u8> {
    let records = lines.chunks(7).map(|lines| json!({"data": STANDARD.encode(lines.join("\n"))}));
    json!({"requestId": "r", "records": Value::from_iter(records)}).to_string().into_bytes()
}

fn entries(lines: &[&str]) -> Vec<u8> {
    let entry = |line: &&str| json!({"logName": "projects/p/logs/f", "jsonPayload": parsed(line)});
    json!({"entries": Value::from_iter(lines.iter().map(entry)), "partialSuccess": true}).to_string().into_bytes()
}

fn message(lines: &[&str]) -> Vec<u8> {
    let message = json!({"data": STANDARD.encode(lines.join("\n")), "messageId": "1"});
    json!({"message": message, "subscription": "projects/p/subscriptions/s"}).to_string().into_bytes()
}

fn plain(lines: &[&str]) -> Vec<u8> {
    lines.join("\n").into_bytes()
}

fn list(lines: &[&str]) -> Vec<u8> {
    format!("[{}]", lines.join(",")).into_bytes()
}

fn datadog(lines: &[&str]) -> Vec<u8> {
    let items = lines.iter().map(|line| json!({"ddsource": "fivetran", "ddtags": "env:prod", "message": line}));
    Value::from_iter(items).to_string().into_bytes()
}

fn new_relic(lines: &[&str]) -> Vec<u8> {
    let logs = Value::from_iter(lines.iter().map(|line| json!({"timestamp": 1_795_180_330_000_u64, "message": line})));
    json!([{"common": {"attributes": {"service": "fivetran"}}, "logs": logs}]).to_string().into_bytes()
}

fn dynatrace(lines: &[&str]) -> Vec<u8> {
    Value::from_iter(lines.iter().map(|line| json!({"logger": "Fivetran", "content": line}))).to_string().into_bytes()
}

fn otlp(logs: Value) -> Vec<u8> {
    json!({"resourceLogs": [{"scopeLogs": [{"logRecords": logs}]}]}).to_string().into_bytes()
}

fn otlp_texts(lines: &[&str]) -> Vec<u8> {
    otlp(Value::from_iter(lines.iter().map(|line| json!({"body": {"stringValue": line}}))))
}

fn otlp_pairs(lines: &[&str]) -> Vec<u8> {
    otlp(Value::from_iter(lines.iter().map(|line| json!({"body": spelled(&parsed(line))}))))
}

fn otlp_attributes(lines: &[&str]) -> Vec<u8> {
    let log = |line: &&str| {
        let attributes = spelled(&parsed(line))["kvlistValue"]["values"].clone();
        json!({"body": {"stringValue": "an event of Fivetran"}, "attributes": attributes})
    };
    otlp(Value::from_iter(lines.iter().map(log)))
}

fn otlp_packed(lines: &[&str]) -> Vec<u8> {
    let logs: Vec<u8> = lines.iter().flat_map(|line| field(2, &field(5, &packed(&parsed(line))))).collect();
    field(1, &field(2, &logs))
}

fn logplex(lines: &[&str]) -> Vec<u8> {
    let frame = |line: &&str| {
        let message = format!("<190>1 2026-11-20T13:12:10.000000+00:00 host app web.1 - {line}\n");
        format!("{} {message}", message.len())
    };
    lines.iter().map(frame).collect::<String>().into_bytes()
}

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).expect("an event is JSON")
}

fn send(app: &App, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    let bearer = format!("Bearer {INGEST}");
    let mut all = vec![("Authorization", bearer.as_str())];
    all.extend_from_slice(headers);
    app.send("POST", path, &all, body)
}

/// What of each event does not depend on how and how often it came, by id.
fn lasting(app: &App) -> BTreeMap<String, Value> {
    let once = |mut event: Value| {
        event["deliveries"] = json!(1);
        routes::lasting(event)
    };
    app.all_events("").into_iter().map(once).collect()
}

#[test]
fn every_documented_event_is_the_same_by_every_road() {
    let sent = documented();
    let lines: Vec<&str> = sent.iter().map(|event| event.line.as_str()).collect();
    let natively = App::spawn();
    natively.post_native(lines.join("\n")).expect(200);
    let expected = lasting(&natively);
    assert_eq!(expected.len(), sent.len());
    let all = App::spawn();
    for road in ROADS.iter().chain(CLOUDS) {
        let app = App::spawn();
        let body = (road.wrap)(&lines);
        send(&app, road.path, road.headers, &body).expect(road.status);
        assert_eq!(app.all_of("/v1/quarantine", ""), Vec::<Value>::new(), "{} {}", road.protocol, road.path);
        for (id, event) in lasting(&app) {
            assert_eq!(Some(&event), expected.get(&id), "{} {}", road.protocol, road.path);
        }
        let stored = app.all_events("");
        assert_eq!(stored.len(), sent.len(), "{} {}", road.protocol, road.path);
        assert_eq!(stored[0]["delivery"]["protocol"], road.protocol);
        // And all of them into one.
        let packed = [road.headers, &[("Content-Encoding", "gzip")]].concat();
        send(&all, road.path, &packed, &gzip(&body)).expect(road.status);
    }
    assert_eq!(lasting(&all), expected);
    assert!(all.all_events("").iter().all(|event| event["deliveries"] == ROADS.len() + CLOUDS.len()));
}

fn loki(lines: &[&str]) -> Vec<u8> {
    let values = Value::from_iter(lines.iter().map(|line| json!(["1795180330000000000", line])));
    json!({"streams": [{"stream": {"app": "x"}, "values": values}]}).to_string().into_bytes()
}

fn hec(lines: &[&str]) -> Vec<u8> {
    lines.iter().map(|line| json!({"time": 1_795_180_330, "event": line}).to_string()).collect::<String>().into_bytes()
}

fn hec_at_once(lines: &[&str]) -> Vec<u8> {
    json!({"time": 1_795_180_330, "event": lines.join("\n")}).to_string().into_bytes()
}

fn quoted(lines: &[&str]) -> Vec<u8> {
    Value::from_iter(lines.iter().copied()).to_string().into_bytes()
}

fn text_entries(lines: &[&str]) -> Vec<u8> {
    let entry =
        |line: &&str| json!({"logName": "projects/p/logs/f", "timestamp": "2026-11-20T13:12:10Z", "textPayload": line});
    json!({"entries": Value::from_iter(lines.iter().map(entry)), "partialSuccess": true}).to_string().into_bytes()
}

/// Lines as Logplex has them, with their own time in the header.
fn drained(lines: &[&str]) -> Vec<u8> {
    let frame = |line: &&str| {
        let (time, text) = line.split_once(" app[herokuconnect]: ").expect("a printed line");
        let message = format!("<190>1 {time} host app herokuconnect - {text}\n");
        format!("{} {message}", message.len())
    };
    lines.iter().map(frame).collect::<String>().into_bytes()
}

/// Whatever carries a line of a neighbour, and whatever time it adds, the line is one event.
#[test]
fn a_line_of_a_neighbour_is_the_same_event_by_every_road() {
    const RAW: &[(&str, &str)] = &[("Content-Type", "text/plain")];
    let road = |protocol, path, headers, status, wrap| Road { protocol, path, headers, status, wrap };
    let roads = [
        road("native", "/v1/events", RAW, 200, plain as Wrap),
        road("native", "/v1/events", &[JSON], 200, quoted),
        road("logplex", "/v1/drains/logplex", &[("Content-Type", "application/logplex-1")], 200, drained),
        road("splunk_hec", "/services/collector", &[JSON], 200, hec),
        road("splunk_hec", "/services/collector", &[JSON], 200, hec_at_once),
        road("splunk_hec", "/services/collector/raw?time=1795180330", RAW, 200, plain),
        road("loki", "/loki/api/v1/push", &[JSON], 204, loki),
        road("datadog", "/api/v2/logs", &[JSON], 202, datadog),
        road("new_relic", "/log/v1", &[JSON], 202, new_relic),
        road("dynatrace", "/api/v2/logs/ingest", &[JSON], 204, dynatrace),
        road("otlp", "/v1/logs", &[JSON], 200, otlp_texts),
        road("cloudwatch_logs", "/", &[("X-Amz-Target", "Logs_20140328.PutLogEvents")], 200, cloudwatch),
        road("firehose", "/v1/firehose", &[JSON], 200, subscription),
        road("firehose", "/v1/firehose", &[JSON], 200, extracted),
        road("google_entries_write", "/v2/entries:write", &[JSON], 200, text_entries),
        road("pubsub_push", "/v1/pubsub", &[JSON], 204, message),
    ];
    let text = std::fs::read_to_string(fixture("systems/heroku_connect/reload.log")).expect("the documented lines");
    let lines: Vec<&str> = text.lines().collect();
    let app = App::spawn();
    for (sent, road) in roads.iter().enumerate() {
        let what = format!("{} {}", road.protocol, road.path);
        let bearer = format!("Bearer {INGEST}");
        let splunk = format!("Splunk {INGEST}");
        let token = if road.protocol == "splunk_hec" { &splunk } else { &bearer };
        let headers = [&[("Authorization", token.as_str())], road.headers].concat();
        let answer = app.send("POST", road.path, &headers, &(road.wrap)(&lines));
        assert_eq!(answer.status, road.status, "{what}: {}", answer.text());
        assert_eq!(app.all_of("/v1/quarantine", ""), Vec::<Value>::new(), "{what}");
        let stored = app.all_events("");
        assert_eq!(stored.len(), lines.len(), "{what}: {stored:?}");
        assert!(stored.iter().all(|event| event["deliveries"] == sent + 1), "{what}: {stored:?}");
    }
}

/// Everything that broken and hostile senders do, by every road; each has to be answered in the road's own way, and the server stays well.
#[test]
fn broken_bodies_are_answered_and_never_harm() {
    let app = App::spawn();
    let event = numbered("broken", 1);
    for road in ROADS {
        let whole = (road.wrap)(&[&event]);
        let what = format!("{} {}", road.protocol, road.path);
        let of = |more: &[(&str, &str)], body: &[u8]| {
            let started = Instant::now();
            let answer = send(&app, road.path, &[road.headers, more].concat(), body);
            assert!(started.elapsed() < Duration::from_secs(40), "{what}: {:?}", started.elapsed());
            answer.status
        };
        let gzipped = gzip(&whole);
        let packed = [("Content-Encoding", "gzip")];
        assert_eq!(of(&packed, &gzipped[..gzipped.len() - 9]), 400, "{what}: half of a gzip stream");
        assert_eq!(of(&packed, &whole), 400, "{what}: no gzip at all");
        assert_eq!(of(&packed, &gzip(&vec![b' '; 64 << 20])), 413, "{what}: a bomb");
        assert_eq!(of(&[("Content-Encoding", "br")], &whole), 415, "{what}: an unknown encoding");
        assert_eq!(app.send("POST", road.path, road.headers, &whole).status / 100, 4, "{what}: no credential");
        // Half of the body: an error, or the half goes to quarantine.
        let half = of(&[], &whole[..whole.len() / 2]);
        assert!(half == road.status || matches!(half, 200 | 400), "{what}: {half}");
        for open in [
            "[",
            "{\"a\":",
            "{\"logs\":[",
            "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":",
            "9 <1>",
            "\n\u{1}",
        ] {
            let status = of(&[], open.repeat(20_000).as_bytes());
            assert!(matches!(status, 200 | 202 | 204 | 400 | 413), "{what}: {status} for {open} many times");
        }
        let many = (road.wrap)(&vec![r#"{"a":1}"#; 100_001]);
        assert_eq!(of(&[], &many), 413, "{what}: too many records");
        for wrong in
            ["null", "5", "\"text\"", "[[[]]]", "[null,5,\"x\",{}]", "{\"message\":{\"message\":[]}}", "\u{0}\u{0}"]
        {
            let status = of(&[], wrong.as_bytes());
            assert!(matches!(status, 200 | 202 | 204 | 400), "{what}: {status} for {wrong}");
        }
        assert_eq!(of(&[], &whole), road.status, "{what}: well again");
    }
    assert_eq!(app.all_events("connection_id=broken").len(), 1);
    assert_eq!(app.all_events("connection_id=broken")[0]["deliveries"], ROADS.len());
    app.assert_well();
}

#[test]
fn broken_bodies_by_the_clouds_roads_are_answered_or_kept() {
    let app = App::spawn();
    let event = numbered("broken", 1);
    for road in CLOUDS {
        let whole = (road.wrap)(&[&event]);
        let what = format!("{} {}", road.protocol, road.path);
        let of = |more: &[(&str, &str)], body: &[u8]| {
            let started = Instant::now();
            let answer = send(&app, road.path, &[road.headers, more].concat(), body);
            assert!(started.elapsed() < Duration::from_secs(40), "{what}: {:?}", started.elapsed());
            answer.status
        };
        let kept = || app.all_of("/v1/quarantine", "").len();
        // Whoever sends for ever what is not acknowledged is told that it was taken.
        let unreadable = if road.protocol == "pubsub_push" { 204 } else { 400 };
        let (gzipped, packed) = (gzip(&whole), [("Content-Encoding", "gzip")]);
        let before = kept();
        assert_eq!(of(&packed, &gzipped[..gzipped.len() - 9]), unreadable, "{what}: half of a gzip stream");
        assert_eq!(of(&packed, &whole), unreadable, "{what}: no gzip at all");
        assert_eq!(of(&[], &whole[..whole.len() / 2]), unreadable, "{what}: half of the body");
        assert_eq!(kept(), before + 3, "{what}");
        assert_eq!(of(&packed, &gzip(&vec![b' '; 64 << 20])), 413, "{what}: a bomb");
        assert!(matches!(of(&[("Content-Encoding", "br")], &whole), 400 | 415), "{what}: an unknown encoding");
        assert_eq!(app.send("POST", road.path, road.headers, &whole).status / 100, 4, "{what}: no credential");
        for open in ["[", "{\"a\":", "{\"logEvents\":[", "{\"records\":[", "{\"entries\":[", "{\"message\":"] {
            let status = of(&[], open.repeat(20_000).as_bytes());
            assert!(matches!(status, 204 | 400), "{what}: {status} for {open} many times");
        }
        for wrong in ["null", "5", "\"text\"", "[null,5,\"x\",{}]", "{\"message\":{\"message\":[]}}", "\u{0}\u{0}"] {
            let status = of(&[], wrong.as_bytes());
            assert!(matches!(status, 200 | 204 | 400), "{what}: {status} for {wrong}");
        }
        let many = of(&[], &(road.wrap)(&vec![r#"{"a":1}"#; 100_001]));
        assert_eq!(many, if road.protocol == "pubsub_push" { 204 } else { 413 }, "{what}: too many records");
        assert_eq!(of(&[], &whole), road.status, "{what}: well again");
    }
    let stored = app.all_events("connection_id=broken");
    assert_eq!((stored.len(), &stored[0]["deliveries"]), (1, &json!(CLOUDS.len())));
    app.assert_well();
}

#[test]
fn health_needs_no_token_and_unknown_methods_are_told_what_is_taken() {
    let app = App::spawn();
    app.send("GET", "/api/v1/validate", &[], b"").expect(200);
    for road in ROADS {
        let path = road.path.split('?').next().unwrap_or(road.path);
        let answer = app.send("PUT", path, &[], b"").expect(405);
        assert!(answer.header("allow").is_some_and(|allow| allow.contains("POST")), "{path}");
        assert!(app.send("OPTIONS", path, &[], b"").expect(200).header("allow").is_some(), "{path}");
    }
}
