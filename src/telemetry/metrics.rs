//! Counters, gauges and histograms, typed, with labels from closed sets.
//!
//! In: receipts, statuses, store statistics. Out: OpenMetrics text. Bounded: `protocol` comes from the list of
//! protocols, `event` from the names that have a schema (all others are `other`), `status` from the server.

use crate::{
    protocol::{EventCount, Receipt},
    store::StoreStats,
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

/// The content type of the text.
pub const OPENMETRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The event label of names that have no schema.
const OTHER: &str = "other";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByProtocol {
    protocol: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByEvent {
    event: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByProtocolAndEvent {
    protocol: &'static str,
    event: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByProtocolAndStatus {
    protocol: &'static str,
    status: u16,
}

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    known: HashSet<Arc<str>>,
    other: Arc<str>,
    protocols: HashMap<&'static str, ProtocolMetrics>,
    stored: Family<ByProtocolAndEvent, Counter>,
    invalid: Family<ByEvent, Counter>,
    requests: Family<ByProtocolAndStatus, Counter>,
    batch_events: Histogram,
    auth_failures: Counter,
    panics: Counter,
    body_bytes: Gauge<u64, AtomicU64>,
    streams: Gauge<u64, AtomicU64>,
    store: StoreGauges,
}

/// The metrics of one protocol, found once and then counted without a look-up.
#[derive(Debug, Clone)]
pub struct ProtocolMetrics {
    name: &'static str,
    received: Counter,
    duplicate: Counter,
    quarantined: Counter,
    latency: Histogram,
    succeeded: Counter,
}

#[derive(Debug, Default)]
struct StoreGauges {
    events: Gauge<u64, AtomicU64>,
    journal_events: Gauge<u64, AtomicU64>,
    blocks: Gauge<u64, AtomicU64>,
    block_events: Gauge<u64, AtomicU64>,
    connections: Gauge<u64, AtomicU64>,
    size_bytes: Gauge<u64, AtomicU64>,
    wal_bytes: Gauge<u64, AtomicU64>,
    queue_batches: Gauge<u64, AtomicU64>,
    queue_batches_max: Gauge<u64, AtomicU64>,
    writable: Gauge<u64, AtomicU64>,
    last_commit: Gauge<f64, AtomicU64>,
    quarantine_items: Gauge<u64, AtomicU64>,
    fold_waiting: Gauge<u64, AtomicU64>,
    fold_lag: Gauge<f64, AtomicU64>,
    fold_still: Gauge<u64, AtomicU64>,
    commits: Counter,
}

fn latency_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.000_25, 2.0, 16))
}

impl Metrics {
    /// Metrics for these protocols and for events of these names.
    #[must_use]
    pub fn new(protocols: &[&'static str], event_names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut registry = Registry::with_prefix("lifeline");
        let received = Family::<ByProtocol, Counter>::default();
        let duplicate = Family::<ByProtocol, Counter>::default();
        let quarantined = Family::<ByProtocol, Counter>::default();
        let latency = Family::<ByProtocol, Histogram>::new_with_constructor(latency_histogram);
        let requests = Family::<ByProtocolAndStatus, Counter>::default();
        let metrics = |name: &'static str| {
            let labels = ByProtocol { protocol: name };
            ProtocolMetrics {
                name,
                received: received.get_or_create_owned(&labels),
                duplicate: duplicate.get_or_create_owned(&labels),
                quarantined: quarantined.get_or_create_owned(&labels),
                latency: latency.get_or_create_owned(&labels),
                succeeded: requests.get_or_create_owned(&ByProtocolAndStatus { protocol: name, status: 200 }),
            }
        };
        let protocols = protocols.iter().map(|name| (*name, metrics(name))).collect();
        let this = Self {
            known: event_names.into_iter().map(|name| Arc::from(name.as_ref())).collect(),
            other: OTHER.into(),
            protocols,
            stored: Family::default(),
            invalid: Family::default(),
            batch_events: Histogram::new([1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 2.5e3, 1e4]),
            auth_failures: Counter::default(),
            panics: Counter::default(),
            body_bytes: Gauge::default(),
            streams: Gauge::default(),
            store: StoreGauges::default(),
            requests: requests.clone(),
            registry: Registry::default(),
        };
        // A series that begins at 0, so that an alert sees the first event, too.
        for event in this.known.iter().chain([&this.other]) {
            let _ = this.invalid.get_or_create(&ByEvent { event: Arc::clone(event) });
        }
        registry.register("events_received", "Items that requests held, whatever became of them", received);
        registry.register("events_stored", "Events that were new", this.stored.clone());
        registry.register("events_duplicate", "Events that had been stored before", duplicate);
        registry.register("events_invalid", "New events that break their schema", this.invalid.clone());
        registry.register("events_quarantined", "Items that could not be read as an event", quarantined);
        registry.register("requests", "Deliveries, by the status of the answer", requests);
        registry.register_with_unit(
            "ingest_latency",
            "From the head of a delivery to its answer, the commit included",
            Unit::Seconds,
            latency,
        );
        registry.register("batch_events", "Events in one request", this.batch_events.clone());
        registry.register("auth_failures", "Requests that were not let in", this.auth_failures.clone());
        registry.register("panics", "Faults of ours that a request met", this.panics.clone());
        registry.register("ingest_body_bytes", "Bytes of bodies held in memory", this.body_bytes.clone());
        registry.register("streams", "Open live streams", this.streams.clone());
        this.store.register(&mut registry);
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "What is running", build);
        Self { registry, ..this }
    }

    /// The metrics of a protocol that was named when this was made.
    #[must_use]
    pub fn protocol(&self, name: &str) -> Option<&ProtocolMetrics> {
        self.protocols.get(name)
    }

    /// Counts what became of a request's items.
    pub fn observe_receipt(&self, protocol: &ProtocolMetrics, receipt: &Receipt) {
        let events = receipt.accepted + receipt.duplicates;
        protocol.received.inc_by((events + receipt.quarantined) as u64);
        if events > 0 {
            self.batch_events.observe(events as f64);
        }
        if receipt.duplicates > 0 {
            protocol.duplicate.inc_by(receipt.duplicates as u64);
        }
        if receipt.quarantined > 0 {
            protocol.quarantined.inc_by(receipt.quarantined as u64);
        }
        for EventCount { event, stored, invalid } in &receipt.by_event {
            let event = self.known.get(event).unwrap_or(&self.other);
            let labels = ByProtocolAndEvent { protocol: protocol.name, event: Arc::clone(event) };
            self.stored.get_or_create(&labels).inc_by(u64::from(*stored));
            if *invalid > 0 {
                self.invalid.get_or_create(&ByEvent { event: labels.event }).inc_by(u64::from(*invalid));
            }
        }
    }

    /// Counts a body that went to quarantine whole.
    pub fn observe_quarantined_body(&self, protocol: &ProtocolMetrics) {
        protocol.received.inc();
        protocol.quarantined.inc();
    }

    /// Counts a delivery by its answer.
    pub fn observe_request(&self, protocol: &ProtocolMetrics, status: u16, took: Duration) {
        if status == 200 {
            protocol.succeeded.inc();
        } else {
            self.requests.get_or_create(&ByProtocolAndStatus { protocol: protocol.name, status }).inc();
        }
        protocol.latency.observe(took.as_secs_f64());
    }

    /// Counts somebody who was not let in.
    pub fn observe_auth_failure(&self) {
        self.auth_failures.inc();
    }

    /// Counts a panic that was caught.
    pub fn observe_panic(&self) {
        self.panics.inc();
    }

    /// OpenMetrics text, with the store's statistics, the server's own gauges and the series of connections as they are now.
    #[must_use]
    pub fn render(&self, stats: &StoreStats, body_bytes: usize, streams: usize, connections: &str) -> String {
        self.body_bytes.set(body_bytes as u64);
        self.streams.set(streams as u64);
        self.store.set(stats);
        let mut out = String::with_capacity((16 << 10) + connections.len());
        text::encode_registry(&mut out, &self.registry).expect("writing to a String does not fail");
        out.push_str(connections);
        text::encode_eof(&mut out).expect("writing to a String does not fail");
        out
    }
}

impl StoreGauges {
    fn register(&self, registry: &mut Registry) {
        let mut gauge = |name: &str, help: &str, gauge: &Gauge<u64, AtomicU64>| {
            registry.register(name, help, gauge.clone());
        };
        gauge("store_events", "Events kept", &self.events);
        gauge("store_journal_events", "Events in the journal, which are not in blocks yet", &self.journal_events);
        gauge("store_blocks", "Blocks of events", &self.blocks);
        gauge("store_block_events", "Events in blocks", &self.block_events);
        gauge("store_connections", "Connections known", &self.connections);
        gauge("store_size_bytes", "Bytes of the database", &self.size_bytes);
        gauge("store_wal_bytes", "Bytes of the write-ahead log", &self.wal_bytes);
        gauge("store_writable", "1 while the store accepts writes", &self.writable);
        gauge("queue_batches", "Batches waiting for the writer", &self.queue_batches);
        gauge("queue_batches_max", "Most batches that may wait", &self.queue_batches_max);
        gauge("quarantine_items", "Items waiting in quarantine", &self.quarantine_items);
        let waiting = "Connections whose late events are not in their lives yet";
        gauge("fold_waiting_connections", waiting, &self.fold_waiting);
        let still = "Connections whose life stands still, since events that it follows from cannot be read";
        gauge("fold_still_connections", still, &self.fold_still);
        registry.register(
            "fold_lag_seconds",
            "How long the connection that waits longest has waited to be folded",
            self.fold_lag.clone(),
        );
        registry.register(
            "last_commit_timestamp_seconds",
            "When the last commit was; 0 before the first",
            self.last_commit.clone(),
        );
        registry.register("store_commits", "Commits since the start", self.commits.clone());
    }

    fn set(&self, stats: &StoreStats) {
        self.events.set(stats.events);
        self.journal_events.set(stats.journal_events);
        self.blocks.set(stats.blocks);
        self.block_events.set(stats.block_events);
        self.connections.set(stats.connections);
        self.size_bytes.set(stats.size_bytes);
        self.wal_bytes.set(stats.wal_bytes);
        self.writable.set(u64::from(stats.write_error.is_none()));
        self.queue_batches.set(stats.queue_batches as u64);
        self.queue_batches_max.set(stats.queue_batches_max as u64);
        self.quarantine_items.set(stats.quarantined);
        self.fold_waiting.set(stats.unfolded);
        self.fold_still.set(stats.standing_still);
        self.fold_lag.set(stats.fold_lag_us as f64 / 1e6);
        self.last_commit.set(stats.last_commit_us as f64 / 1e6);
        self.commits.inner().store(stats.commits, std::sync::atomic::Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_come_from_closed_sets_and_the_names_are_those_of_the_manual() {
        let metrics = Metrics::new(&["native"], ["sync_end"]);
        let native = metrics.protocol("native").expect("known").clone();
        let count = |event: &str, stored, invalid| EventCount { event: event.into(), stored, invalid };
        let receipt = Receipt {
            accepted: 3,
            duplicates: 1,
            quarantined: 1,
            by_event: vec![count("sync_end", 2, 1), count("made up", 1, 0)],
            ..Receipt::default()
        };
        metrics.observe_receipt(&native, &receipt);
        metrics.observe_request(&native, 200, Duration::from_millis(2));
        metrics.observe_request(&native, 401, Duration::from_millis(2));
        metrics.observe_auth_failure();
        let stats = StoreStats {
            events: 9,
            journal_events: 2,
            blocks: 1,
            block_events: 6,
            last_commit_us: 1_500_000,
            commits: 4,
            unfolded: 3,
            standing_still: 1,
            fold_lag_us: 2_500_000,
            ..StoreStats::default()
        };
        let text = metrics.render(&stats, 10, 2, "lifeline_x 1\n");
        for line in [
            r#"lifeline_events_received_total{protocol="native"} 5"#,
            r#"lifeline_events_stored_total{protocol="native",event="sync_end"} 2"#,
            r#"lifeline_events_stored_total{protocol="native",event="other"} 1"#,
            r#"lifeline_events_invalid_total{event="sync_end"} 1"#,
            r#"lifeline_events_invalid_total{event="other"} 0"#,
            r#"lifeline_events_duplicate_total{protocol="native"} 1"#,
            r#"lifeline_events_quarantined_total{protocol="native"} 1"#,
            r#"lifeline_requests_total{protocol="native",status="200"} 1"#,
            r#"lifeline_requests_total{protocol="native",status="401"} 1"#,
            r#"lifeline_ingest_latency_seconds_count{protocol="native"} 2"#,
            "lifeline_batch_events_count 1",
            "lifeline_store_events 9",
            "lifeline_store_journal_events 2",
            "lifeline_store_blocks 1",
            "lifeline_store_block_events 6",
            "lifeline_store_writable 1",
            "lifeline_store_commits_total 4",
            "lifeline_last_commit_timestamp_seconds 1.5",
            "lifeline_auth_failures_total 1",
            "lifeline_ingest_body_bytes 10",
            "lifeline_streams 2",
            "lifeline_fold_waiting_connections 3",
            "lifeline_fold_still_connections 1",
            "lifeline_fold_lag_seconds 2.5",
            "lifeline_x 1",
            &format!(r#"lifeline_build_info{{version="{}"}} 1"#, env!("CARGO_PKG_VERSION")),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("made up"));
        assert!(text.ends_with("# EOF\n"));
    }
}
