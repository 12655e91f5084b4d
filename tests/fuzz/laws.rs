//! What holds for every decoder and any bytes: it ends without a panic, keeps its limits, and blames only bytes that it was given.

#![allow(dead_code, missing_docs, reason = "each fuzz target uses one law; the constants are named after the targets")]

use std::sync::{Arc, LazyLock};

use lifeline::protocol::{
    DecodeError, Head, IngestError, Limits, Protocol, Receipt, azure_data_collector, azure_logs_ingestion,
    cloudwatch_logs, datadog, dynatrace, firehose, fivetran_webhook, google_entries_write, logplex, loki, native,
    new_relic, otlp, pubsub_push, splunk_hec,
};
use lifeline::{
    body,
    diagnose::{Catalog, Symptom, TEMPLATE_BYTES_MAX, template},
    model::{Hints, Payload, Record},
    pipeline::Understanding,
    redact::Redactor,
    validate::Schemas,
};

/// Small, so that they are reached.
pub const LIMITS: Limits = Limits { body_bytes_max: 64 << 10, records_max: 500 };

/// A way into a decoder.
pub struct Way {
    pub protocol: &'static dyn Protocol,
    pub path: &'static str,
    pub content_type: &'static str,
}

const fn way(protocol: &'static dyn Protocol, path: &'static str, content_type: &'static str) -> Way {
    Way { protocol, path, content_type }
}

pub const NATIVE: Way = way(&native::Native, "/v1/events", "application/x-ndjson");
pub const WEBHOOK: Way = way(&fivetran_webhook::FivetranWebhook, fivetran_webhook::PATH, "application/json");
pub const HEC_EVENT: Way = way(&splunk_hec::SplunkHec, "/services/collector/event", "application/json");
pub const HEC_RAW: Way = way(&splunk_hec::SplunkHec, "/services/collector/raw", "text/plain");
pub const HEC_ACK: Way = way(&splunk_hec::SplunkHec, "/services/collector/ack", "application/json");
pub const LOKI_JSON: Way = way(&loki::Loki, "/loki/api/v1/push", "application/json");
/// Protobuf after unpacking: fuzzing gets nowhere through a checksum-free packer that rejects most of it.
pub const LOKI_PROTO: Way = way(&loki::Loki, "/loki/api/v1/push", "application/x-protobuf");
pub const LOKI_PACKED: Way = way(&loki::Loki, "/api/prom/push", "application/x-protobuf");
pub const LOGPLEX: Way = way(&logplex::Logplex, "/v1/drains/logplex", "application/logplex-1");
pub const DATADOG: Way = way(&datadog::Datadog, "/api/v2/logs", "application/json");
pub const DATADOG_TEXT: Way = way(&datadog::Datadog, "/v1/input", "text/plain");
pub const NEW_RELIC: Way = way(&new_relic::NewRelic, "/log/v1", "application/json");
pub const DYNATRACE: Way = way(&dynatrace::Dynatrace, "/api/v2/logs/ingest", "application/json");
pub const OTLP_JSON: Way = way(&otlp::Otlp, "/v1/logs", "application/json");
pub const OTLP_PROTO: Way = way(&otlp::Otlp, "/v1/logs", "application/x-protobuf");
pub const AZURE_DATA_COLLECTOR: Way =
    way(&azure_data_collector::AzureDataCollector, azure_data_collector::PATH, "application/json");
pub const AZURE_LOGS_INGESTION: Way = way(
    &azure_logs_ingestion::AzureLogsIngestion,
    "/dataCollectionRules/dcr-1/streams/Custom-L_CL",
    "application/json",
);
pub const CLOUDWATCH_LOGS: Way = way(&cloudwatch_logs::CloudwatchLogs, "/", "application/x-amz-json-1.1");
pub const FIREHOSE: Way = way(&firehose::Firehose, firehose::PATH, "application/json");
pub const GOOGLE_ENTRIES_WRITE: Way =
    way(&google_entries_write::GoogleEntriesWrite, google_entries_write::PATH, "application/json");
pub const PUBSUB_PUSH: Way = way(&pubsub_push::PubsubPush, pubsub_push::PATH, "application/json");

pub const WAYS: &[&Way] = &[
    &NATIVE,
    &WEBHOOK,
    &HEC_EVENT,
    &HEC_RAW,
    &HEC_ACK,
    &LOKI_JSON,
    &LOKI_PROTO,
    &LOKI_PACKED,
    &LOGPLEX,
    &DATADOG,
    &DATADOG_TEXT,
    &NEW_RELIC,
    &DYNATRACE,
    &OTLP_JSON,
    &OTLP_PROTO,
    &AZURE_DATA_COLLECTOR,
    &AZURE_LOGS_INGESTION,
    &CLOUDWATCH_LOGS,
    &FIREHOSE,
    &GOOGLE_ENTRIES_WRITE,
    &PUBSUB_PUSH,
];

/// See the module.
pub fn decoding_is_total(way: &Way, data: &[u8]) {
    let headers = [
        ("Content-Type", way.content_type),
        ("Log-Type", "L"),
        ("time-generated-field", "time"),
        ("X-Amz-Target", "Logs_20140328.PutLogEvents"),
    ];
    let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let query = "channel=0aeeac95-ac74-4aa9-b30d-6c4c0ac581ba&api-version=2016-04-01";
    let head = Head::new("POST", way.path, query, &headers);
    let data = &data[..data.len().min(LIMITS.body_bytes_max)];
    let result = if way.path == HEC_ACK.path {
        way.protocol.ack_question(&head, data).map(|question| {
            assert!((1..=splunk_hec::IDS_MAX).contains(&question.ids.len()));
            None
        })
    } else if way.path == LOKI_PROTO.path && way.content_type == LOKI_PROTO.content_type {
        decode(way, &head, data)
    } else {
        way.protocol.unpack(&head, data, &LIMITS).and_then(|plain| {
            assert!(plain.len() <= LIMITS.body_bytes_max);
            decode(way, &head, &plain)
        })
    };
    let answer = match result {
        Ok(refusal) => Ok(Receipt { refusal, ..Receipt::default() }),
        Err(error) => Err(IngestError::Malformed(error)),
    };
    let reply = way.protocol.reply(&head, &answer);
    assert!((200..500).contains(&reply.status), "{answer:?}");
    for (_, value) in &reply.headers {
        assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{value}");
    }
}

fn decode(way: &Way, head: &Head<'_>, plain: &[u8]) -> Result<Option<DecodeError>, DecodeError> {
    let decoded = way.protocol.decode(head, plain, &LIMITS)?;
    assert!(decoded.items.len() <= LIMITS.records_max);
    let mut end_of_last = 0;
    for (at, item) in decoded.items.iter().enumerate() {
        if let Err(error) = item {
            assert_eq!(error.index, at);
            assert!(error.bytes.start >= end_of_last && error.bytes.start <= error.bytes.end, "{error:?}");
            assert!(error.bytes.end <= plain.len(), "{error:?}");
            // Disjoint, so that quarantine never holds more than the body.
            end_of_last = error.bytes.end;
            assert!(error.reason.len() < 200, "{error:?}");
        }
    }
    if let Some(refusal) = &decoded.refusal {
        assert!(decoded.items.last().is_some_and(Result::is_err));
        assert_eq!(refusal.event_number, Some(decoded.items.len() - 1));
    }
    Ok(decoded.refusal)
}

/// The first byte chooses the encoding, the second the limit.
pub fn inflating_stays_below_its_cap(data: &[u8]) {
    let [choice, size, bytes @ ..] = data else { return };
    let encodings =
        [None, Some("gzip"), Some("deflate"), Some("zstd"), Some("gzip, zstd"), Some("deflate, gzip"), Some("br")];
    let limit = usize::from(*size) << 6;
    if let Ok(plain) = body::inflate(bytes, encodings[usize::from(*choice) % encodings.len()], &["snappy"], limit) {
        assert!(plain.len() <= limit);
    }
}

/// Any text, as a record of JSON and as one of text, of Fivetran or of a neighbour: it becomes events, which read back as themselves,
/// or a reason that does not quote it.
pub fn understanding_is_total(data: &[u8]) {
    static UNDERSTANDING: LazyLock<Understanding> =
        LazyLock::new(|| Understanding::new(Arc::new(Schemas::builtin()), Arc::new(Redactor::new([7; 32]))));
    let Ok(text) = std::str::from_utf8(data) else { return };
    for payload in [Payload::Json(text.into()), Payload::Text(text.into())] {
        let record = Record { payload, hints: Hints::default() };
        let fivetran = UNDERSTANDING.understand(&record, None, 1).map(|event| vec![event]);
        for read in [Some(fivetran), UNDERSTANDING.neighbours(&record, None, 1)].into_iter().flatten() {
            match read {
                Ok(events) => {
                    for new in events {
                        assert!(!new.event.name.is_empty());
                        let stored =
                            Record { payload: Payload::Text(new.raw.as_str().into()), hints: Hints::default() };
                        // What is stored is clean already: nothing is masked a second time.
                        let _ = UNDERSTANDING.understand(&stored, None, 1);
                    }
                }
                Err(reason) => assert!(!reason.is_empty() && reason.len() < 1000, "{reason}"),
            }
        }
    }
}

/// Any text always has the same diagnoses, and a template of bounded length.
pub fn diagnosing_is_total(data: &[u8]) {
    static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(Catalog::builtin);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let found: Vec<_> =
        CATALOG.diagnose(&Symptom::of_text(text)).iter().map(|found| found.entry.code.clone()).collect();
    let again: Vec<_> =
        CATALOG.diagnose(&Symptom::of_text(text)).iter().map(|found| found.entry.code.clone()).collect();
    assert_eq!(found, again);
    assert!(template(text).len() <= TEMPLATE_BYTES_MAX);
}
