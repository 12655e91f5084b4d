//! Events to send: Fivetran's documented ones and simulated accounts.

use flate2::{Compression, write::GzEncoder};
use lifeline::simulate::{self, SimEvent, SimOptions, Simulator};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::{Value, json};
use std::{
    io::Write,
    path::{Path, PathBuf},
};

/// A directory or file below `tests/fixtures`.
pub fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path)
}

/// One documented event.
pub struct Documented {
    pub line: String,
    pub value: Value,
    pub family: String,
}

/// Every event of Fivetran's documentation.
pub fn documented() -> Vec<Documented> {
    let text = std::fs::read_to_string(fixture("event/documented_events.ndjson")).expect("the documented events");
    let mut index = csv::Reader::from_path(fixture("event/documented_events.index.csv")).expect("their index");
    let families = index.records().map(|row| row.expect("a row")[3].to_owned());
    let events: Vec<_> = text
        .lines()
        .zip(families)
        .map(|(line, family)| Documented {
            line: line.to_owned(),
            value: serde_json::from_str(line).expect("an event is JSON"),
            family,
        })
        .collect();
    assert_eq!(events.len(), 100);
    events
}

/// Events of a simulated account, in order of time.
pub fn simulated(seed: u64, count: u64) -> Vec<SimEvent> {
    let options = SimOptions { seed, connections: 12, events_max: Some(count), ..SimOptions::default() };
    Simulator::new(&options).collect()
}

/// The text of a simulated event, as external logs have it.
pub fn line(event: &SimEvent) -> String {
    let mut out = Vec::new();
    simulate::write_json(event, &mut out);
    String::from_utf8(out).expect("an event is UTF-8")
}

/// The same as a webhook's body.
pub fn webhook_line(event: &SimEvent) -> String {
    let mut out = Vec::new();
    simulate::write_webhook(event, &mut out);
    String::from_utf8(out).expect("an event is UTF-8")
}

/// HEC envelopes, one after another, each event as an object.
pub fn hec_body<S: AsRef<str>>(lines: &[S]) -> String {
    lines.iter().map(|line| format!("{{\"event\":{}}}", line.as_ref())).collect()
}

/// A number generator whose seed is printed, so that a failed run can be repeated.
pub fn rng() -> StdRng {
    let seed = std::env::var("LIFELINE_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| rand::rng().random());
    println!("LIFELINE_TEST_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

pub fn shuffled<T: Clone>(items: &[T], rng: &mut StdRng) -> Vec<T> {
    let mut items = items.to_vec();
    items.shuffle(rng);
    items
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// A small event of its own: `n` tells it from others.
pub fn numbered(connection: &str, n: u64) -> String {
    let (second, milli) = (n / 1000 % 86_400, n % 1000);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let created = format!("2026-08-17T{hour:02}:{minute:02}:{second:02}.{milli:03}Z");
    json!({"event": "info", "created": created, "connection_id": connection, "data": {"message": "numbered", "n": n}})
        .to_string()
}

/// The number in such an event as a query returns it.
pub fn number_of(event: &Value) -> u64 {
    event["data"]["n"].as_u64().expect("a numbered event has a number")
}
