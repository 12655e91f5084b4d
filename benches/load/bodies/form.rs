//! The ways in which events are framed: one line for each, by what its senders usually do and may do at most.

use super::{
    Line,
    clouds::{azure, azure_packed, cloudwatch, entries, push, subscription, webhook},
    logs::{datadog, dynatrace, hec, lines, logplex, loki, new_relic},
    otlp::{json_pairs, json_texts, packed_pairs, packed_texts},
    signed,
};
use crate::{Failure, server::TOKEN};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::io::{self, Write};

/// A way in which events are framed.
pub struct Form {
    /// What `--protocols` calls it.
    pub flag: &'static str,
    /// What the table calls it.
    pub name: &'static str,
    /// The protocol's own name.
    pub protocol: &'static str,
    pub path: &'static str,
    headers: &'static [&'static str],
    credential: Credential,
    /// Most events in a request.
    pub events_max: usize,
    /// Most bytes of a body.
    pub bytes_max: usize,
    pub body: fn(&[Line], &mut Vec<u8>) -> io::Result<()>,
}

/// How a sender is let in.
#[derive(Clone, Copy)]
enum Credential {
    /// A header that begins like this and ends with the token.
    Header(&'static str),
    Basic,
    Query,
    /// Headers that a signature of the body needs, the signature among them.
    Signed(fn(&[u8]) -> String),
}

const BEARER: Credential = Credential::Header("Authorization: Bearer ");
const JSON: &str = "Content-Type: application/json";
const PROTOBUF: &str = "Content-Type: application/x-protobuf";
const GZIP: &str = "Content-Encoding: gzip";

/// Nobody names a bound, so the server's own is kept.
const ANY: usize = 100_000;

/// What the server takes; several services name a bound of ten million bytes or more, which is hardly reached.
const BODY_MAX: usize = 10_000_000;

/// The native way, with which the others are compared.
pub const NDJSON: Form = Form {
    flag: "ndjson",
    name: "NDJSON",
    protocol: "native",
    path: "/v1/events",
    headers: &[JSON],
    credential: BEARER,
    events_max: ANY,
    bytes_max: BODY_MAX,
    body: lines,
};

/// All of them.
pub static FORMS: [&Form; 18] = [
    &NDJSON,
    &Form { flag: "hec", name: "HEC", protocol: "splunk_hec", path: "/services/collector/event", body: hec, ..NDJSON },
    &Form { flag: "loki", name: "Loki JSON", protocol: "loki", path: "/loki/api/v1/push", body: loki, ..NDJSON },
    &Form {
        flag: "datadog",
        name: "Datadog",
        protocol: "datadog",
        path: "/api/v2/logs",
        credential: Credential::Header("DD-API-KEY: "),
        events_max: 1_000,
        bytes_max: 5_000_000,
        body: datadog,
        ..NDJSON
    },
    &Form {
        flag: "new_relic",
        name: "New Relic",
        protocol: "new_relic",
        path: "/log/v1",
        credential: Credential::Header("Api-Key: "),
        bytes_max: 1_000_000,
        body: new_relic,
        ..NDJSON
    },
    &Form {
        flag: "dynatrace",
        name: "Dynatrace",
        protocol: "dynatrace",
        path: "/api/v2/logs/ingest",
        credential: Credential::Header("Authorization: Api-Token "),
        events_max: 50_000,
        body: dynatrace,
        ..NDJSON
    },
    &Form {
        flag: "otlp_json",
        name: "OTLP JSON, text bodies",
        protocol: "otlp",
        path: "/v1/logs",
        body: json_texts,
        ..NDJSON
    },
    &Form {
        flag: "otlp_json_pairs",
        name: "OTLP JSON, keys and values",
        protocol: "otlp",
        path: "/v1/logs",
        body: json_pairs,
        ..NDJSON
    },
    &Form {
        flag: "otlp_protobuf",
        name: "OTLP protobuf, text bodies",
        protocol: "otlp",
        path: "/v1/logs",
        headers: &[PROTOBUF],
        body: packed_texts,
        ..NDJSON
    },
    &Form {
        flag: "otlp_protobuf_pairs",
        name: "OTLP protobuf, keys and values",
        protocol: "otlp",
        path: "/v1/logs",
        headers: &[PROTOBUF],
        body: packed_pairs,
        ..NDJSON
    },
    &Form {
        flag: "logplex",
        name: "Logplex",
        protocol: "logplex",
        path: "/v1/drains/logplex",
        headers: &["Content-Type: application/logplex-1"],
        credential: Credential::Basic,
        body: logplex,
        ..NDJSON
    },
    &Form {
        flag: "azure_data_collector",
        name: "Azure Data Collector, signed",
        protocol: "azure_data_collector",
        path: "/api/logs?api-version=2016-04-01",
        headers: &[JSON, "Log-Type: Fivetran"],
        credential: Credential::Signed(signed::shared_key),
        body: azure,
        ..NDJSON
    },
    &Form {
        flag: "azure_logs_ingestion",
        name: "Azure Logs Ingestion, gzip",
        protocol: "azure_logs_ingestion",
        path: "/dataCollectionRules/dcr-1/streams/Custom-Fivetran_CL?api-version=2023-01-01",
        headers: &[JSON, GZIP],
        bytes_max: 1_000_000,
        body: azure_packed,
        ..NDJSON
    },
    &Form {
        flag: "cloudwatch_logs",
        name: "CloudWatch Logs, signed",
        protocol: "cloudwatch_logs",
        path: "/",
        headers: &[],
        credential: Credential::Signed(signed::sigv4),
        events_max: 10_000,
        bytes_max: 1 << 20,
        body: cloudwatch,
    },
    &Form {
        flag: "firehose",
        name: "Firehose, gzip in base64",
        protocol: "firehose",
        path: "/v1/firehose",
        headers: &[JSON, "X-Amz-Firehose-Request-Id: ed4acda5-034f-9f42-bba1-f29aea6d7d8f"],
        credential: Credential::Header("X-Amz-Firehose-Access-Key: "),
        bytes_max: 1 << 20,
        body: subscription,
        ..NDJSON
    },
    &Form {
        flag: "google_entries_write",
        name: "Google Cloud Logging",
        protocol: "google_entries_write",
        path: "/v2/entries:write",
        body: entries,
        ..NDJSON
    },
    &Form {
        flag: "pubsub_push",
        name: "Pub/Sub push",
        protocol: "pubsub_push",
        path: "/v1/pubsub",
        credential: Credential::Query,
        events_max: 1,
        body: push,
        ..NDJSON
    },
    &Form {
        flag: "fivetran_webhook",
        name: "Fivetran webhook, signed",
        protocol: "fivetran_webhook",
        path: "/v1/webhooks/fivetran",
        credential: Credential::Signed(signed::webhook),
        events_max: 1,
        body: webhook,
        ..NDJSON
    },
];

impl Form {
    pub fn parse(name: &str) -> Result<&'static Self, Failure> {
        let known = || FORMS.map(|form| form.flag).join(", ");
        let found = FORMS.into_iter().find(|form| form.flag == name);
        found.ok_or_else(|| format!("{name} is none of {}", known()).into())
    }

    /// Whether each request carries one event by its nature.
    pub const fn is_single(&self) -> bool {
        self.events_max == 1
    }

    /// Whether this is the one that others are compared with.
    pub fn is_native(&self) -> bool {
        self.flag == NDJSON.flag
    }

    /// The request line and all headers that the form itself decides.
    pub fn head(&self, body: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let query =
            if matches!(self.credential, Credential::Query) { format!("?token={TOKEN}") } else { String::new() };
        write!(out, "POST {}{query} HTTP/1.1\r\n", self.path)?;
        for header in self.headers {
            write!(out, "{header}\r\n")?;
        }
        match self.credential {
            Credential::Header(begin) => write!(out, "{begin}{TOKEN}\r\n"),
            Credential::Basic => write!(out, "Authorization: Basic {}\r\n", STANDARD.encode(format!("drain:{TOKEN}"))),
            Credential::Query => Ok(()),
            Credential::Signed(headers) => out.write_all(headers(body).as_bytes()),
        }
    }
}
