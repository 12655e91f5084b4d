//! Replays every captured request through credential, inflation, unpacking and decoding.

use super::*;
use crate::body;
use crate::model::Payload;
use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use std::collections::BTreeMap;
use std::path::PathBuf;

const TOKEN: &str = "11111111-2222-3333-4444-555555555555";
const CHANNEL: &str = "0aeeac95-ac74-4aa9-b30d-6c4c0ac581ba";

/// The one request that delivers nothing.
const ACK_POLL: &str = "synthetic-hec-ack-poll";

/// A request as it was recorded.
struct Request {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn head(&self) -> Head<'_> {
        Head::new(&self.method, &self.path, &self.query, &self.headers)
    }

    fn from_http(bytes: &[u8]) -> Self {
        let split = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let mut lines = std::str::from_utf8(&bytes[..split]).unwrap().split("\r\n");
        let line = lines.next().unwrap();
        let headers =
            lines.map(|header| header.split_once(": ").map(|(n, v)| (n.to_owned(), v.to_owned())).unwrap()).collect();
        Self::new(line, headers, bytes[split + 4..].to_vec())
    }

    fn from_json(bytes: &[u8]) -> Self {
        #[derive(serde::Deserialize)]
        struct File {
            request_line: String,
            headers: Vec<(String, String)>,
            body_base64: String,
        }
        let file: File = serde_json::from_slice(bytes).unwrap();
        let body = base64::engine::general_purpose::STANDARD.decode(file.body_base64).unwrap();
        Self::new(&file.request_line, file.headers, body)
    }

    fn new(line: &str, headers: Vec<(String, String)>, body: Vec<u8>) -> Self {
        let mut parts = line.split(' ');
        let method = parts.next().unwrap().to_owned();
        let target = parts.next().unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self { method, path: path.to_owned(), query: query.to_owned(), headers, body }
    }
}

/// All requests of a protocol's folder, by file name.
fn requests(protocol: &str) -> BTreeMap<String, Request> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/protocol").join(protocol);
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let request = match path.extension().unwrap().to_str().unwrap() {
            "http" => Request::from_http(&bytes),
            _ => Request::from_json(&bytes),
        };
        found.insert(path.file_stem().unwrap().to_str().unwrap().to_owned(), request);
    }
    found
}

/// What was made of a request: the first candidate for the token, and per item time, level and text.
fn outcome(protocol: &dyn Protocol, request: &Request) -> (Option<String>, Vec<String>) {
    let head = request.head();
    let token = match protocol.credential(&head) {
        Ok(credential) => credential.candidates().next().map(str::to_owned),
        Err(AuthError::Missing) => None,
        Err(error) => panic!("{error}"),
    };
    let limits = Limits::default();
    let encoding = head.header("content-encoding");
    let inflated = body::inflate(&request.body, encoding, protocol.own_encodings(), limits.body_bytes_max).unwrap();
    let plain = protocol.unpack(&head, &inflated, &limits).unwrap();
    let decoded = protocol.decode(&head, &plain, &limits).unwrap();
    assert_eq!(decoded.refusal, None);
    let items = decoded.items.iter().map(|item| {
        let record = item.as_ref().unwrap();
        let time = record.hints.time.map_or_else(|| "-".to_owned(), |time| time.to_string());
        let level = record.hints.level.as_deref().unwrap_or("-");
        let form = match &record.payload {
            Payload::Json(text) => {
                serde_json::from_str::<serde_json::Value>(text).unwrap();
                "json"
            }
            Payload::Text(_) => "text",
        };
        let text = record.payload.text();
        let kind = ["sync_end", "warning", "plain text line", "plain second line", "no time", "test_event"]
            .into_iter()
            .find(|word| text.contains(word));
        format!("{time} {level} {form} {} {}", text.len(), kind.unwrap_or("?"))
    });
    (token, items.collect())
}

#[track_caller]
fn check(protocol: &dyn Protocol, expected: &[(&str, Option<&str>, &[&str])]) {
    let mut requests = requests(protocol.name());
    for (name, token, items) in expected {
        let request = requests.remove(*name).unwrap_or_else(|| panic!("no such file: {name}"));
        let (found_token, found) = outcome(protocol, &request);
        assert_eq!(
            (found_token.as_deref(), found.iter().map(String::as_str).collect()),
            (*token, items.to_vec()),
            "{name}"
        );
    }
    requests.remove(ACK_POLL);
    assert_eq!(requests.into_keys().collect::<Vec<_>>(), Vec::<String>::new(), "files without an expectation");
}

#[test]
fn splunk_senders_are_understood() {
    let token = Some(TOKEN);
    check(
        &splunk_hec::SplunkHec,
        &[
            ("curl-splunk-raw", token, &["- - text 333 sync_end", "- - text 17 plain second line"]),
            ("splunk-handler-py", token, &["2026-11-20T13:21:10.8271146Z - json 373 sync_end"]),
            ("splunk-handler-py-2", token, &["2026-11-20T13:21:10.8310356Z - json 417 warning"]),
            ("splunk-handler-py-recordformat", token, &["2026-11-20T13:21:11.8329105Z - json 335 sync_end"]),
            ("splunk-hec-handler-py", token, &["2026-11-20T13:21:04.7840655Z - json 354 sync_end"]),
            ("splunk-hec-handler-py-2", token, &["2026-11-20T13:21:04.786482Z - json 410 warning"]),
            (
                "splunk-logging-node",
                token,
                &["2026-08-17T09:41:23.518Z - json 345 sync_end", "2026-11-20T13:14:14.148Z - json 345 sync_end"],
            ),
            ("splunk-logging-node-channel", token, &["2026-11-20T13:14:14.449Z - json 47 plain text line"]),
            (
                "synthetic-hec-batch-nosep",
                token,
                &[
                    "2026-08-17T09:41:23.518Z - json 315 sync_end",
                    "2026-08-17T09:41:20.001Z - json 414 warning",
                    "- - json 21 no time",
                ],
            ),
            (
                "synthetic-hec-gzip",
                token,
                &["2026-08-17T09:41:23.518Z - json 315 sync_end", "2026-08-17T09:41:23.518Z - json 315 sync_end"],
            ),
            (
                "syslog-ng-http",
                token,
                &["2026-11-20T13:19:22Z - json 373 sync_end", "2026-11-20T13:19:22Z - json 414 warning"],
            ),
            ("winston-splunk-httplogger", token, &["2026-11-20T13:14:14.802Z - json 407 sync_end"]),
            ("winston-splunk-httplogger-2", token, &["2026-11-20T13:14:14.817Z - json 783 sync_end"]),
        ],
    );
}

#[test]
fn loki_senders_are_understood() {
    check(
        &loki::Loki,
        &[
            ("loki-logger-handler-py", Some("pass"), &["2026-11-20T13:21:06.790422784Z - text 539 sync_end"]),
            ("pino-loki", Some("pass"), &["2026-11-20T13:23:25.628Z info text 372 sync_end"]),
            ("pino-loki-structured-metadata", None, &["2026-11-20T13:23:27.135Z info text 430 sync_end"]),
            ("python-logging-loki", Some("pass"), &["2026-11-20T13:12:10.918538752Z info text 333 sync_end"]),
            ("python-logging-loki-v0", None, &["2026-11-20T13:12:10.920998Z info text 333 sync_end"]),
            (
                "synthetic-loki-json",
                None,
                &["2026-08-17T09:41:23.518000001Z - text 333 sync_end", "2026-08-17T09:41:20.001Z - text 370 warning"],
            ),
            ("tracing-loki-rust", None, &["2026-11-20T13:18:49.092264638Z info text 547 sync_end"]),
            ("winston-loki-json", Some("pass"), &["2026-11-20T13:14:18.560Z info text 332 sync_end"]),
            ("winston-loki-protobuf", Some("pass"), &["2026-11-20T13:14:16.056Z info text 332 sync_end"]),
        ],
    );
}

#[test]
fn drains_are_understood() {
    check(
        &logplex::Logplex,
        &[(
            "synthetic-logplex",
            Some("pass"),
            &[
                "2022-02-28T20:41:10Z info text 280 ?",
                "2022-02-28T20:41:11Z info text 295 ?",
                "2022-02-28T20:41:12Z debug text 295 ?",
                "2022-02-28T20:41:14Z WARNING json 240 ?",
            ],
        )],
    );
}

#[test]
fn datadog_senders_are_understood() {
    let key = Some("0123456789abcdef0123456789abcdef");
    check(
        &datadog::Datadog,
        &[
            ("datadog-api-client-py", key, &["- - json 491 sync_end", "- warn json 543 warning"]),
            ("datadog-api-client-py-deflate", key, &["- - json 491 sync_end", "- warn json 543 warning"]),
            ("datadog-api-client-py-gzip", key, &["- - json 491 sync_end", "- warn json 543 warning"]),
            ("datadog-api-client-py-zstd1", key, &["- - json 491 sync_end", "- warn json 543 warning"]),
            ("datadog-winston", key, &["- - json 351 sync_end"]),
            ("synthetic-datadog-agent", key, &["2026-08-17T09:41:23.518Z info json 524 sync_end"]),
            ("synthetic-datadog-empty", key, &[]),
        ],
    );
}

#[test]
fn new_relic_senders_are_understood() {
    let key = Some("eu01xx0000000000000000000000000000000000");
    check(
        &new_relic::NewRelic,
        &[
            ("newrelic-telemetry-sdk-node", key, &["2026-08-17T09:41:23.518Z INFO json 441 sync_end"]),
            (
                "newrelic-telemetry-sdk-py",
                key,
                &["2026-08-17T09:41:23.518Z INFO json 441 sync_end", "2026-08-17T09:41:20.001Z WARN json 485 warning"],
            ),
            (
                "synthetic-newrelic-simple",
                key,
                &["2026-08-17T09:41:23.518Z - json 432 sync_end", "2026-08-17T09:41:23Z - json 54 ?"],
            ),
        ],
    );
}

#[test]
fn dynatrace_senders_are_understood() {
    let token = Some("dt0c01.EXAMPLE0000000000000000.0000000000000000000000000000000000000000000000000000000000000000");
    check(
        &dynatrace::Dynatrace,
        &[
            (
                "synthetic-dynatrace-content",
                token,
                &["2026-08-17T09:41:23.518Z INFO json 571 sync_end", "2026-08-17T09:41:20.001Z warn json 623 warning"],
            ),
            ("synthetic-dynatrace-spread", token, &["2026-08-17T09:41:23.518Z INFO json 534 sync_end"]),
            ("synthetic-dynatrace-text", token, &["- - json 315 sync_end"]),
        ],
    );
}

#[test]
fn otlp_exporters_are_understood() {
    let token = Some(TOKEN);
    check(
        &otlp::Otlp,
        &[
            ("otel-js-http", token, &["2026-08-17T09:41:23.518Z INFO json 315 sync_end"]),
            ("otel-js-http-gzip", token, &["2026-08-17T09:41:23.518Z INFO json 315 sync_end"]),
            ("otel-js-proto", token, &["2026-08-17T09:41:23.518Z INFO json 315 sync_end"]),
            ("otel-js-proto-gzip", token, &["2026-08-17T09:41:23.518Z INFO json 315 sync_end"]),
            ("otel-python-proto", token, &["2026-08-17T09:41:23.517999872Z INFO json 315 sync_end"]),
            ("otel-python-proto-deflate", token, &["2026-08-17T09:41:23.517999872Z INFO json 315 sync_end"]),
            ("otel-python-proto-gzip", token, &["2026-08-17T09:41:23.517999872Z INFO json 315 sync_end"]),
            ("otel-rust-json", token, &["2026-08-17T09:41:23.518Z INFO text 333 sync_end"]),
            ("otel-rust-proto", token, &["2026-08-17T09:41:23.518Z INFO text 333 sync_end"]),
            ("otel-rust-proto-gzip", token, &["2026-08-17T09:41:23.518Z INFO text 333 sync_end"]),
        ],
    );
}

#[test]
fn webhooks_are_understood() {
    check(
        &fivetran_webhook::FivetranWebhook,
        &[
            ("synthetic-fivetran-webhook-lower", None, &["- - json 287 sync_end"]),
            ("synthetic-fivetran-webhook-test-event", None, &["- - json 152 test_event"]),
            ("synthetic-fivetran-webhook-upper", None, &["- - json 287 sync_end"]),
        ],
    );
}

#[test]
fn captured_channels_and_ack_questions_are_read() {
    let all = requests("splunk_hec");
    let channel = |name: &str| splunk_hec::SplunkHec.channel(&all[name].head()).unwrap();
    for name in ["splunk-logging-node-channel", "curl-splunk-raw", "synthetic-hec-batch-nosep", ACK_POLL] {
        assert_eq!(channel(name).as_deref(), Some(CHANNEL), "{name}");
    }
    assert_eq!(channel("splunk-handler-py"), None);
    let poll = &all[ACK_POLL];
    let question = splunk_hec::SplunkHec.ack_question(&poll.head(), &poll.body).unwrap();
    assert_eq!(question, AckQuestion { channel: CHANNEL.to_owned(), ids: vec![0, 1, 2] });
}

#[test]
fn captured_signatures_fit_the_bytes_that_decoding_gets() {
    for (name, request) in requests("fivetran_webhook") {
        let Ok(Credential::Webhook { signature: Some(signature), token: None }) =
            fivetran_webhook::FivetranWebhook.credential(&request.head())
        else {
            panic!("{name}");
        };
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"webhook-secret").unwrap();
        mac.update(&request.body);
        mac.verify_slice(&hex::decode(signature).unwrap()).unwrap();
    }
}

/// Whether a captured signature fits its request, and how far its date is from when it was recorded.
fn signed(protocol: &dyn Protocol, request: &Request, token: &str) -> (String, bool, u64) {
    // 2026-11-20T13:14:05Z: all were recorded within two minutes of it.
    let head = Head { now_us: 1_795_180_445_000_000, ..request.head() };
    let Ok(Credential::Signed(signed)) = protocol.credential(&head) else { panic!("no signature") };
    assert!(!signed.fits("another", &request.body));
    assert!(!signed.fits(token, &request.body[1..]));
    (signed.token_name().to_owned(), signed.fits(token, &request.body), signed.off_by_s())
}

#[test]
fn azure_collectors_senders_are_understood_and_their_signatures_fit() {
    let items: &[&str] = &["- - json 333 sync_end", "- - json 373 warning"];
    let timed: &[&str] =
        &["2026-08-17T09:41:23.518Z - json 333 sync_end", "2026-08-17T09:41:20.001Z - json 373 warning"];
    let protocol = &azure_data_collector::AzureDataCollector;
    check(
        protocol,
        &[("azure-data-collector-py", None, items), ("azure-log-analytics-data-collector-api-py", None, timed)],
    );
    for request in requests(protocol.name()).values() {
        let workspace = "d9a8b7c6-1111-2222-3333-444455556666".to_owned();
        assert_eq!(signed(protocol, request, &"0123456789abcdef".repeat(4)), (workspace, true, 114));
    }
}

#[test]
fn azure_ingestion_senders_are_understood() {
    check(
        &azure_logs_ingestion::AzureLogsIngestion,
        &[("azure-monitor-ingestion-py", Some("dummy-aad-token"), &["- - json 333 sync_end", "- - json 373 warning"])],
    );
}

#[test]
fn cloudwatch_senders_are_understood_and_their_signatures_fit() {
    let protocol = &cloudwatch_logs::CloudwatchLogs;
    let nothing: &[&str] = &[];
    check(
        protocol,
        &[
            ("aws-sdk-js-v3-putlogevents", None, &["2026-08-17T09:41:23.518Z - text 315 sync_end"]),
            ("boto3-createloggroup", None, nothing),
            ("boto3-createlogstream", None, nothing),
            ("boto3-describeloggroups", None, nothing),
            ("boto3-describelogstreams", None, nothing),
            (
                "boto3-putlogevents",
                None,
                &["2026-08-17T09:41:20.001Z - text 370 warning", "2026-08-17T09:41:23.518Z - text 333 sync_end"],
            ),
            ("boto3-putlogevents-sessiontoken", None, &["2026-08-17T09:41:23.518Z - text 333 sync_end"]),
            ("watchtower", None, nothing),
            ("watchtower-2", None, nothing),
            (
                "watchtower-3",
                None,
                &["2026-11-20T13:12:11.795Z - text 333 sync_end", "2026-11-20T13:12:11.795Z - text 370 warning"],
            ),
            ("winston-cloudwatch", None, nothing),
            ("winston-cloudwatch-2", None, nothing),
            ("winston-cloudwatch-3", None, &["2026-11-20T13:15:07.345Z - text 421 sync_end"]),
        ],
    );
    for (name, request) in requests(protocol.name()) {
        let (key_id, fits, off_by_s) = signed(protocol, &request, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        assert!(fits && key_id.ends_with("IAIOSFODNN7EXAMPLE") && off_by_s <= 120, "{name}");
    }
}

#[test]
fn firehose_deliveries_are_understood() {
    let token = Some("secret123");
    check(
        &firehose::Firehose,
        &[
            (
                "synthetic-firehose-cloudwatch",
                token,
                &["2026-08-17T09:41:20.001Z - text 370 warning", "2026-08-17T09:41:23.518Z - text 333 sync_end"],
            ),
            ("synthetic-firehose-plain", token, &["- - json 333 sync_end"]),
        ],
    );
}

#[test]
fn google_logging_senders_are_understood() {
    check(
        &google_entries_write::GoogleEntriesWrite,
        &[
            ("google-cloud-logging-node", Some("dummy"), &["2026-11-20T13:14:29.921999931Z INFO json 315 sync_end"]),
            ("google-cloud-logging-py-http", None, &["- INFO json 333 sync_end"]),
            ("google-cloud-logging-py-http-batch", None, &["- WARNING text 370 warning", "- INFO json 333 sync_end"]),
        ],
    );
}

#[test]
fn pubsub_pushes_are_understood() {
    let identity = Some("HEADER.PAYLOAD.SIGNATURE");
    let expected: &[&str] = &["2026-08-17T09:41:23.518Z INFO json 315 sync_end"];
    check(&pubsub_push::PubsubPush, &[("synthetic-pubsub-push", identity, expected)]);
}
