//! What each room costs for one event, on simulated events of the size and mixture of real ones.
//!
//! Figures are for batches of a thousand; criterion divides by the number of events, so `thrpt` is events per second of one core.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use lifeline::{
    audit::{
        Draft, Tail, canonical,
        tree::{Frontier, leaf_hash},
        verify::ndjson,
        write_line,
    },
    diagnose::{Symptom, template},
    envelope, identity, json,
    lifecycle::{Fact, Labels, Stage, StageKind},
    model::{Delivery, Event, EventId, EventKey, Hints, Payload, Record, Source},
    normalize::{Normalized, normalize},
    pipeline::{Pipeline, Understanding},
    protocol::{Decoded, Head, Limits, Protocol, native::Native, splunk_hec::SplunkHec},
    query::diagnosis::Diagnoser,
    redact::Redactor,
    simulate::{SimOptions, Simulator, write_json},
    store::{
        Batch, SharedStore,
        sqlite::{Sample, SqliteOptions, SqliteStore},
    },
    validate::Schemas,
};
use std::{hint::black_box, sync::Arc};

const EVENTS: usize = 1_000;
const RECEIVED_US: i64 = 1_795_180_330_000_000;

fn lines(seed: u64) -> Vec<String> {
    let options = SimOptions { seed, connections: 500, ..SimOptions::default() };
    let line = |event| {
        let mut out = Vec::new();
        write_json(&event, &mut out);
        String::from_utf8(out).expect("an event is UTF-8")
    };
    Simulator::new(&options).skip(20_000).take(EVENTS).map(line).collect()
}

fn hec(lines: &[String]) -> String {
    let envelope = |line| format!(r#"{{"time":"1786959683.518","host":"h","source":"s","event":{line}}}"#);
    lines.iter().map(envelope).collect()
}

fn record(text: &str) -> Record<'_> {
    Record { payload: Payload::Json(text.into()), hints: Hints::default() }
}

fn normalized(text: &str) -> Normalized {
    let found = |found: envelope::Found<'_>| normalize(&found, None, RECEIVED_US);
    let read = envelope::unwrap(&record(text), &mut { found });
    read.expect("an envelope").expect("an event")
}

fn framing(c: &mut Criterion) {
    let lines = lines(1);
    let ndjson = lines.join("\n");
    let hec = hec(&lines);
    let headers: Vec<(String, String)> = Vec::new();
    let limits = Limits::default();
    let mut group = c.benchmark_group("framing");
    group.throughput(Throughput::Elements(EVENTS as u64));
    let head = Head::new("POST", "/v1/events", "", &headers);
    group.bench_function("native", |b| b.iter(|| Native.decode(&head, black_box(ndjson.as_bytes()), &limits)));
    let head = Head { path: "/services/collector/event", ..head };
    group.bench_function("splunk_hec", |b| b.iter(|| SplunkHec.decode(&head, black_box(hec.as_bytes()), &limits)));
    group.finish();
}

fn understanding(c: &mut Criterion) {
    let lines = lines(1);
    let schemas = Schemas::builtin();
    let redactor = Redactor::new([7; 32]);
    let events: Vec<Normalized> = lines
        .iter()
        .map(|line| {
            let mut read = normalized(line);
            read.event.family = schemas.family(&read.event);
            read
        })
        .collect();
    let with_secret: Vec<String> = lines
        .iter()
        .map(|line| line.replacen('{', r#"{"password":"hunter2","note":"postgres://u:p@h/d","#, 1))
        .collect();
    let mut group = c.benchmark_group("understanding");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("parse members", |b| {
        b.iter(|| lines.iter().filter(|line| json::members(black_box(line)).is_ok()).count())
    });
    group.bench_function("unwrap and normalise", |b| {
        b.iter(|| lines.iter().for_each(|line| drop(black_box(normalized(line)))))
    });
    group.bench_function("redact, clean", |b| {
        b.iter(|| lines.iter().filter(|line| redactor.json(black_box(line)).is_some()).count())
    });
    group.bench_function("redact, hit", |b| {
        b.iter(|| with_secret.iter().filter(|line| redactor.json(black_box(line)).is_some()).count())
    });
    group.bench_function("validate", |b| {
        b.iter(|| events.iter().for_each(|event| drop(black_box(schemas.verdict(event)))))
    });
    group.bench_function("identity", |b| {
        b.iter(|| {
            events.iter().map(|event| identity::key(black_box(&event.event))).fold(0, |sum: i64, key| sum ^ key.hash)
        })
    });
    group.finish();
}

/// Reading events as facts of a life, with labels that are shared as the store shares them.
fn lifecycle(c: &mut Criterion) {
    let events: Vec<_> = lines(1)
        .iter()
        .map(|line| {
            let event = normalized(line).event;
            (identity::key(&event), event)
        })
        .collect();
    let labels = Arc::new(Labels::of(&events[0].1));
    let mut group = c.benchmark_group("lifecycle");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("read facts", |b| {
        b.iter(|| {
            events
                .iter()
                .for_each(|(key, event)| drop(black_box(Fact::of(*key, black_box(event), |_| labels.clone()))));
        });
    });
    group.finish();
}

fn pipeline(schemas: Schemas) -> (Pipeline, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store: SharedStore = Arc::new(SqliteStore::open(dir.path(), options()).expect("an empty directory is opened"));
    (Pipeline::new(store, Arc::new(schemas), Arc::new(Redactor::new([7; 32]))), dir)
}

fn options() -> SqliteOptions {
    SqliteOptions { ballast_bytes: 0, ..SqliteOptions::default() }
}

fn audit(c: &mut Criterion) {
    let read = |line: &String| {
        let event = normalized(line).event;
        (EventId(identity::key(&event)), event)
    };
    let schemas = Schemas::builtin();
    let with_family = |(id, mut event): (EventId, Event)| {
        event.family = schemas.family(&event);
        (id, event)
    };
    let mixed: Vec<_> = lines(1).iter().map(read).map(with_family).collect();
    let examples = include_str!("../tests/fixtures/event/documented_events.ndjson");
    let examples: Vec<String> = examples.lines().skip(47).take(40).map(str::to_owned).collect();
    let audited: Vec<_> = examples.iter().cycle().take(EVENTS).map(read).map(with_family).collect();
    let silent: Vec<_> = mixed.into_iter().filter(|(id, event)| Draft::of(event, *id).is_none()).collect();
    let mut group = c.benchmark_group("audit");
    group.throughput(Throughput::Elements(silent.len() as u64));
    group.bench_function("events without a record", |b| {
        b.iter(|| silent.iter().for_each(|(id, event)| drop(black_box(Draft::of(black_box(event), *id)))));
    });
    group.throughput(Throughput::Elements(audited.len() as u64));
    group.bench_function("read records", |b| {
        b.iter(|| audited.iter().for_each(|(id, event)| drop(black_box(Draft::of(black_box(event), *id)))));
    });
    let drafts: Vec<Draft> = audited.iter().filter_map(|(id, event)| Draft::of(event, *id)).collect();
    group.bench_function("write records", |b| {
        b.iter(|| drafts.iter().for_each(|draft| drop(black_box(black_box(draft).body()))));
    });
    let records: Vec<String> = (1..).zip(&drafts).map(|(seq, draft)| canonical(seq, &draft.body())).collect();
    group.bench_function("hash and append records", |b| {
        b.iter(|| {
            let (mut edge, mut full) = (Frontier::new(), Vec::new());
            for record in &records {
                full.clear();
                edge.append(leaf_hash(black_box(record.as_bytes())), &mut full);
            }
            edge.root()
        });
    });
    let mut export = String::new();
    for record in &records {
        line_of(record, &mut export);
    }
    // Without its signed last line: everything is checked but the seal.
    group.bench_function("verify lines of an export", |b| {
        b.iter(|| ndjson(black_box(export.as_bytes()), None).expect_err("cut off"));
    });
    group.finish();
}

fn line_of(record: &str, out: &mut String) {
    write_line(out, record, &leaf_hash(record.as_bytes()), Tail::Plain);
    out.push('\n');
}

fn whole(c: &mut Criterion) {
    let lines = lines(1);
    let (pipeline, _dir) = pipeline(Schemas::builtin());
    let mut group = c.benchmark_group("pipeline");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("understand", |b| {
        b.iter(|| {
            lines
                .iter()
                .filter(|line| pipeline.understanding().understand(&record(black_box(line)), None, RECEIVED_US).is_ok())
                .count()
        });
    });
    group.finish();
}

/// From the bytes of a request to what a batch holds: everything in front of the store.
fn road(c: &mut Criterion) {
    let lines = lines(1);
    let ndjson = lines.join("\n");
    let hec = hec(&lines);
    let understanding = Understanding::new(Arc::new(Schemas::builtin()), Arc::new(Redactor::new([7; 32])));
    let headers: Vec<(String, String)> = Vec::new();
    let limits = Limits::default();
    let taken = |decoded: Decoded<'_>| {
        let mut events = Vec::with_capacity(decoded.items.len());
        for record in decoded.items.into_iter().flatten() {
            understanding.events(&record, None, RECEIVED_US, &mut |found| events.extend(found));
        }
        assert_eq!(events.len(), EVENTS, "every line is an event");
        events
    };
    let mut group = c.benchmark_group("road");
    group.throughput(Throughput::Elements(EVENTS as u64));
    let head = Head::new("POST", "/v1/events", "", &headers);
    let native = || Native.decode(&head, black_box(ndjson.as_bytes()), &limits).expect("a body");
    group.bench_function("native", |b| b.iter(|| taken(native())));
    let head = Head { path: "/services/collector/event", ..head };
    let splunk_hec = || SplunkHec.decode(&head, black_box(hec.as_bytes()), &limits).expect("a body");
    group.bench_function("splunk_hec", |b| b.iter(|| taken(splunk_hec())));
    group.finish();
}

/// A thousand events of an account that came together.
fn batch(account: &mut Simulator, understanding: &Understanding, received_us: i64) -> Batch {
    let mut line = Vec::new();
    let events = account.take(EVENTS).map(|event| {
        line.clear();
        write_json(&event, &mut line);
        let text = std::str::from_utf8(&line).expect("an event is UTF-8");
        understanding.understand(&record(text), None, received_us).expect("an event")
    });
    let delivery = Delivery { protocol: "native", token: "default".into() };
    Batch { delivery, events: events.collect(), quarantine: Vec::new(), ack_channel: None }
}

fn storing(c: &mut Criterion) {
    let (pipeline, _dir) = pipeline(Schemas::builtin());
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut account = Simulator::new(&SimOptions { connections: 500, ..SimOptions::default() });
    let mut next = || batch(&mut account, pipeline.understanding(), RECEIVED_US);
    let mut group = c.benchmark_group("store");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.sample_size(40);
    group.bench_function("append 1000 and fsync", |b| {
        b.iter_batched(
            &mut next,
            |batch| runtime.block_on(pipeline.store().append(batch)).expect("appended"),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Blocks of one connection each, sealed and read again.
fn sealing(c: &mut Criterion) {
    let understanding = Understanding::new(Arc::new(Schemas::builtin()), Arc::new(Redactor::new([7; 32])));
    for rows in [16, 128, 1_024, 4_096] {
        let mut account = Simulator::new(&SimOptions { connections: 4, ..SimOptions::default() });
        let received = (RECEIVED_US..).step_by(1_000_000).take(rows.max(EVENTS) * 8 / EVENTS);
        let batches = received.map(|received_us| batch(&mut account, &understanding, received_us));
        let blocks = Sample::blocks(batches, rows);
        let mut group = c.benchmark_group(format!("blocks of {rows}"));
        group.throughput(Throughput::Elements(blocks.iter().map(Sample::len).sum::<usize>() as u64));
        group.bench_function("encode", |b| b.iter(|| blocks.iter().for_each(Sample::seal)));
        group.bench_function("decode times", |b| b.iter(|| blocks.iter().for_each(Sample::times)));
        group.bench_function("decode all", |b| b.iter(|| blocks.iter().for_each(Sample::read)));
        group.finish();
    }
}

fn diagnosing(c: &mut Criterion) {
    let diagnoser = Diagnoser::builtin();
    let catalog = diagnoser.catalog();
    let known = "java.lang.RuntimeException: FATAL: too many connections for role \"hxwraqld\"";
    let unknown = "Moon phase 17 of 'orders' at moon.example.com is not supported";
    let long = "could not unable to failed the connection 17 ".repeat(400);
    let mut group = c.benchmark_group("diagnose");
    for (name, text) in [("known", known), ("unknown", unknown), ("16 KiB", long.as_str())] {
        group.bench_function(name, |b| b.iter(|| catalog.diagnose(&Symptom::of_text(black_box(text)))));
    }
    group.bench_function("template", |b| b.iter(|| template(black_box(unknown))));
    let failed: Vec<Stage> = (0..10_000).map(failed_sync).collect();
    group.bench_function("10,000 failed syncs", |b| {
        b.iter(|| failed.iter().map(|stage| diagnoser.stage(&|_| None, Source::Fivetran, stage).len()).sum::<usize>());
    });
    group.finish();
}

/// A sync that failed for one of a hundred reasons.
fn failed_sync(nth: i64) -> Stage {
    let reason = format!("Connection to db-{}.example.com:5432 refused", nth % 100);
    let tables = vec![serde_json::json!({"schema": "public", "table": "orders", "records_read": 24, "rows": {}}); 10];
    let tables = serde_json::to_string(&tables).expect("json");
    let body = format!(
        r#"{{"stage":"sync","status":"FAILURE","reason":"{reason}","task_type":null,"rescheduled_at":null,"tables":{tables},"warnings":0,"errors":0,"messages":[]}}"#
    );
    Stage {
        anchor: EventKey { created_us: nth, hash: nth },
        kind: StageKind::Sync,
        until_us: None,
        sync_id: None,
        status: Some("FAILURE".to_owned()),
        schema_change: false,
        body,
    }
}

criterion_group!(rooms, framing, understanding, lifecycle, audit, whole, road, storing, sealing, diagnosing);
criterion_main!(rooms);
