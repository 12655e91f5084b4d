//! What an audit log costs as it grows: appending, proving, asking, exporting, looking for altered records.
//!
//! `cargo bench --bench audit [-- RECORDS]`, one million by default. Not a criterion: what matters is whether the last hundred
//! thousand cost what the first did, so the log is filled once and every figure printed on the way.

use lifeline::{
    audit::{Log, tree},
    model::{CreatedFrom, Delivery, Event, EventKey, Family, Level, NewEvent, Source, Status, Timestamp, Verdict},
    store::{
        Batch, Order, SharedStore,
        sqlite::{SqliteOptions, SqliteStore},
        trail::{Checks, RecordFilter, RecordQuery, Seen},
    },
};
use serde_json::json;
use std::{
    error::Error,
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

/// Events of one delivery.
const BATCH: u64 = 1_000;
/// Deliveries that wait at a time.
const WAITING: usize = 8;

type Done = Result<(), Box<dyn Error>>;

/// What people do in a large account: a few thousand of them, tens of thousands of connections. `recorded`: whether it makes a
/// record; the other kind of event has the same size.
fn deed(n: u64, recorded: bool) -> NewEvent {
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let connection = format!("connection_{}", (mixed >> 20) % 30_000);
    let created = Timestamp::from_micros(1_790_000_000_000_000 + n as i64 * 250_000);
    let (one, two, three) =
        if recorded { ("userId", "action", "primaryResourceType") } else { ("user_", "action_", "primary_") };
    let data = json!({one: format!("user_{}", (mixed >> 40) % 3_000), two: "EDIT", "interactionMethod": "WEB_UI",
        three: "CONNECTION", "primaryResourceId": connection,
        "oldValues": {"sync_frequency": n % 60, "paused": false, "schedule_type": "auto"},
        "newValues": {"sync_frequency": n % 60 + 5, "paused": false, "schedule_type": "auto"}});
    let raw =
        json!({"event": "edit_connection", "created": created.to_string(), "connection_id": connection, "data": data});
    NewEvent {
        key: EventKey { created_us: created.micros(), hash: mixed as i64 },
        event: Event {
            source: Source::Fivetran,
            name: "edit_connection".into(),
            original_name: None,
            family: if recorded { Family::AuditTrail } else { Family::Other },
            level: Level::Info,
            level_given: false,
            created,
            created_from: CreatedFrom::Event,
            connection_id: None,
            connection_name: None,
            connector_type: None,
            sync_id: None,
            exception_id: None,
            destination: None,
            destination_given: false,
            data: Some(data.into()),
            extra: serde_json::Map::new(),
            normalized: Vec::new(),
            conflicts: Vec::new(),
        },
        verdict: Verdict { status: Status::Valid, schema: Some("edit_connection".into()), errors: Vec::new() },
        raw: raw.to_string(),
        data_at: None,
        received_us: created.micros() + 1_000_000,
        secret_digest: None,
    }
}

fn batch(from: u64, to: u64, recorded: bool) -> Batch {
    let delivery = Delivery { protocol: "splunk_hec", token: Arc::from("default") };
    let events = (from..to).map(|n| deed(n, recorded)).collect();
    Batch { delivery, events, quarantine: Vec::new(), ack_channel: None }
}

/// Appends events; gives the time without that of making them.
fn fill(
    runtime: &tokio::runtime::Runtime,
    store: &SharedStore,
    from: u64,
    to: u64,
    recorded: bool,
) -> Result<Duration, Box<dyn Error>> {
    let mut spent = Duration::ZERO;
    let mut next = from;
    while next < to {
        let mut batches = Vec::new();
        while batches.len() < WAITING && next < to {
            let end = to.min(next + BATCH);
            batches.push(batch(next, end, recorded));
            next = end;
        }
        let began = Instant::now();
        let futures: Vec<_> = batches.into_iter().map(|batch| store.append(batch)).collect();
        for future in futures {
            runtime.block_on(future)?;
        }
        spent += began.elapsed();
    }
    Ok(spent)
}

fn open(dir: &std::path::Path) -> Result<SharedStore, Box<dyn Error>> {
    // Lives are another matter.
    let options = SqliteOptions { ballast_bytes: 0, fold: false, ..SqliteOptions::default() };
    Ok(Arc::new(SqliteStore::open(dir, options)?))
}

/// The middle and the worst of many runs, in milliseconds.
fn timed<T>(runs: u64, mut run: impl FnMut(u64) -> Result<T, Box<dyn Error>>) -> Result<(f64, f64), Box<dyn Error>> {
    let mut times = Vec::new();
    for n in 0..runs {
        let began = Instant::now();
        std::hint::black_box(run(n)?);
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok((times[times.len() / 2], times[times.len() - 1]))
}

fn main() -> Done {
    // cargo passes `--bench`.
    let records = std::env::args().skip(1).find_map(|it| it.parse().ok()).unwrap_or(1_000_000_u64);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let dir = tempfile::tempdir()?;
    let step = (records / 10).max(1);

    let plain = open(&dir.path().join("plain"))?;
    println!("events that make no record");
    for from in (0..step * 3).step_by(step as usize) {
        let spent = fill(&runtime, &plain, from, from + step, false)?;
        println!("  {:>9} events   {:6.2} us each", from + step, spent.as_secs_f64() * 1e6 / step as f64);
    }
    drop(plain);

    let store = open(&dir.path().join("audit"))?;
    println!("events that make a record each");
    for from in (0..records).step_by(step as usize) {
        let spent = fill(&runtime, &store, from, from + step, true)?;
        let mib = store.stats().size_bytes as f64 / f64::from(1 << 20);
        println!("  {:>9} records  {:6.2} us each, {mib:.0} MiB", from + step, spent.as_secs_f64() * 1e6 / step as f64);
    }
    let trail = store.trail();
    let size = trail.size(Log::Trail)?;
    let nodes = |ids: &[tree::NodeId]| trail.nodes(Log::Trail, ids);

    println!("questions at {size} records, milliseconds: middle, worst");
    let show = |what: &str, (middle, worst): (f64, f64)| println!("  {what:<44} {middle:8.3} {worst:8.3}");
    let pick = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % size;
    show("inclusion proof", timed(1000, |n| Ok(tree::inclusion(pick(n), size, nodes)?))?);
    show("consistency proof", timed(1000, |n| Ok(tree::consistency(pick(n) + 1, size, nodes)?))?);
    show("root", timed(1000, |n| Ok(tree::root(pick(n), nodes)?))?);
    let ask = |filter: RecordFilter, order| {
        let query = RecordQuery { log: Log::Trail, filter, order, after: None, size: None, limit: 100 };
        trail.records(&query).map(drop)
    };
    let none = RecordFilter::default;
    show("newest page of 100", timed(200, |_| Ok(ask(none(), Order::Desc)?))?);
    let actor = |n: u64| RecordFilter { actor: Some(format!("user_{}", n % 3_000)), ..none() };
    show("actor", timed(200, |n| Ok(ask(actor(n), Order::Desc)?))?);
    let resource = |n: u64| RecordFilter { resource_id: Some(format!("connection_{}", n * 7)), ..none() };
    show("resource", timed(200, |n| Ok(ask(resource(n), Order::Desc)?))?);
    let event = || RecordFilter { event: Some("edit_connection".into()), ..none() };
    show("event", timed(200, |_| Ok(ask(event(), Order::Desc)?))?);
    let middle = deed(size / 2, true).event.created.micros();
    let period = || RecordFilter { from: Some(middle), to: Some(middle + 3_600_000_000), ..none() };
    show("an hour in the middle, newest first", timed(20, |_| Ok(ask(period(), Order::Desc)?))?);
    let rare = || RecordFilter { use_case: Some("no_such".into()), ..none() };
    show("use case that nothing has: a turn", timed(3, |_| Ok(ask(rare(), Order::Desc)?))?);
    let text = || RecordFilter { q: Some("no such text".into()), ..none() };
    show("text that nothing has: a turn", timed(3, |_| Ok(ask(text(), Order::Desc)?))?);

    let (began, mut after, mut bytes) = (Instant::now(), None, 0);
    loop {
        let filter = none();
        let page = trail.records(&RecordQuery {
            log: Log::Trail,
            filter,
            order: Order::Asc,
            after,
            size: Some(size),
            limit: 1_000,
        })?;
        bytes += page.records.iter().filter_map(|it| it.body.as_ref()).map(String::len).sum::<usize>();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("read all in order: {seconds:.2} s, {:.0} records a second, {} MiB", size as f64 / seconds, bytes >> 20);
    for (what, events) in [("without", false), ("with", true)] {
        let began = Instant::now();
        let mut found = 0;
        let mut see = |seen| {
            found += u64::from(matches!(seen, Seen::Found(_)));
            ControlFlow::Continue(())
        };
        trail.verify(&Checks { events, ..Checks::default() }, &mut see)?;
        let seconds = began.elapsed().as_secs_f64();
        println!(
            "verify {what} events: {seconds:.2} s, {:.0} records a second, {found} findings",
            size as f64 / seconds
        );
    }
    Ok(())
}
