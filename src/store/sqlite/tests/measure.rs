//! Tools, not tests: they train the dictionary and measure. Run by hand, see each one's attribute.

use super::*;
use crate::store::{EventFilter, EventQuery, Order};
use std::{
    io::{BufRead as _, Read as _},
    time::Instant,
};

/// Lines of a file of events, gzipped or not.
fn lines(path: &str) -> Vec<String> {
    let file = std::fs::File::open(path).unwrap();
    let reader: Box<dyn std::io::Read> =
        if path.ends_with(".gz") { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) };
    std::io::BufReader::new(reader.take(1 << 30)).lines().map(Result::unwrap).collect()
}

fn files() -> Vec<String> {
    let names = std::env::var("LIFELINE_SAMPLES").expect("LIFELINE_SAMPLES: colon-separated files of event lines");
    names.split(':').map(str::to_owned).collect()
}

/// `LIFELINE_SAMPLES=a.ndjson:b.ndjson.gz cargo test --release train_the_dictionary -- --ignored --nocapture`
#[test]
#[ignore = "a tool: writes dictionary.bin from sample events"]
fn train_the_dictionary() {
    let mut samples: Vec<Vec<u8>> = Vec::new();
    let mut seen: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
    for path in files() {
        for line in lines(&path) {
            let new = from_line(&line);
            // Frequent events would otherwise be all that the dictionary knows.
            let often = seen.entry(new.event.name.clone()).or_default();
            *often += 1;
            if *often > 600 {
                continue;
            }
            samples.push(super::super::encode::plain_body(&new));
        }
    }
    let size = std::env::var("LIFELINE_DICTIONARY_BYTES").ok().and_then(|text| text.parse().ok()).unwrap_or(24 << 10);
    let dictionary = zstd::dict::from_samples(&samples, size).unwrap();
    println!("{} samples, {} bytes", samples.len(), dictionary.len());
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/sqlite/dictionary.bin"), dictionary).unwrap();
}

/// `LIFELINE_SAMPLES=a.ndjson.gz cargo test --release measure_appending -- --ignored --nocapture`
#[test]
#[ignore = "a tool: prints events per second and bytes per event"]
fn measure_appending() {
    let number = |name: &str, default: usize| std::env::var(name).ok().and_then(|t| t.parse().ok()).unwrap_or(default);
    let (size, total) = (number("LIFELINE_BATCH", 1000), number("LIFELINE_EVENTS", 500_000));
    let base: Vec<NewEvent> = files().iter().flat_map(|path| lines(path)).map(|line| from_line(&line)).collect();
    let span = 31 * 86_400 * 1_000_000_i64;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (mut made, mut encode, began, mut lap) = (0_usize, 0_u128, Instant::now(), Instant::now());
    let mut waiting = std::collections::VecDeque::new();
    while made < total {
        let events: Vec<NewEvent> = (made..made + size)
            .map(|n| {
                let round = (n / base.len()) as i64;
                let mut new = base[n % base.len()].clone();
                if round > 0 {
                    let created = Timestamp::from_micros(new.event.created.micros() + round * span);
                    let created = Timestamp::new(
                        created.micros().div_euclid(1_000_000),
                        created.micros().rem_euclid(1_000_000) as u32 * 1000,
                        new.event.created.digits(),
                    )
                    .unwrap();
                    new.raw = new.raw.replace(&new.event.created.to_string(), &created.to_string());
                    if let Some(sync) = &mut new.event.sync_id {
                        let other = format!("{:08x}{}", round * 0x1234_5677 % 0x1_0000_0000, &sync[8..]);
                        new.raw = new.raw.replace(sync.as_str(), &other);
                        *sync = other;
                    }
                    new.event.created = created;
                    new.key = EventKey { created_us: created.micros(), hash: new.key.hash.wrapping_mul(round * 2 + 1) };
                    new.received_us += round * span;
                }
                new
            })
            .collect();
        let at = Instant::now();
        waiting.push_back(store.append(batch(events)));
        encode += at.elapsed().as_nanos();
        made += size;
        while waiting.len() > 16_000 / size {
            runtime.block_on(waiting.pop_front().unwrap()).unwrap();
        }
        if made % 250_000 < size {
            println!(
                "{made}: last quarter million {:.2} s, {:?}",
                lap.elapsed().as_secs_f64(),
                store.stats().size_bytes
            );
            lap = Instant::now();
        }
    }
    for future in waiting {
        runtime.block_on(future).unwrap();
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "batch {size}: {:.0} events/s, encoding {} ns/event, writer thread {:.2} us/event",
        made as f64 / seconds,
        encode / made as u128,
        writer_cpu_us() / made as f64
    );
    let connection_id = base[0].event.connection_id.clone();
    let query = EventQuery {
        filter: EventFilter { connection_id, ..EventFilter::default() },
        order: Order::Desc,
        after: None,
        limit: 100,
    };
    for _ in 0..3 {
        let at = Instant::now();
        let page = store.events(&query).unwrap();
        println!("newest {} of a connection: {:.2} ms", page.events.len(), at.elapsed().as_secs_f64() * 1e3);
    }
    wait(store.close()).unwrap();
    let bytes = std::fs::metadata(dir.path().join(super::super::DATABASE)).unwrap().len();
    println!("{:.1} bytes/event, {} events", bytes as f64 / made as f64, store.stats().events);
    let db = rusqlite::Connection::open(dir.path().join(super::super::DATABASE)).unwrap();
    let mut sizes =
        db.prepare("SELECT name, sum(pgsize), sum(payload) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 6").unwrap();
    let mut rows = sizes.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let (name, pages, payload): (String, i64, i64) =
            (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap());
        println!(
            "  {name}: {:.1} B/event, {:.0} % full",
            pages as f64 / made as f64,
            payload as f64 * 100.0 / pages as f64
        );
    }
    let body: f64 = db
        .query_row("SELECT avg(length(body)) FROM (SELECT body FROM event LIMIT 200000)", [], |row| row.get(0))
        .unwrap();
    println!("  mean body {body:.1} bytes");
}

/// Processor time of the thread called `store-writer` so far, from the kernel's table (100 ticks a second).
fn writer_cpu_us() -> f64 {
    let mut ticks = 0.0;
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        if stat.contains("(store-writer)") {
            let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
            ticks += fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        }
    }
    ticks * 10_000.0
}
