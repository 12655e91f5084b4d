//! How long a reader waits for events.

use super::{Failure, bodies, options::Options, report, server::Server};
use std::{collections::HashMap, time::Instant};

/// How often the largest connection is read.
const READS: usize = 7;

fn newest_of(connection: &str) -> String {
    format!("/v1/events?connection_id={connection}&limit=100")
}

/// Each event says how often it came.
fn events_in(answer: &str) -> usize {
    answer.matches("\"deliveries\"").count()
}

/// The newest hundred events of every fifth connection: the median.
pub fn newest_p50_ms(server: &Server, options: &Options) -> Result<f64, Failure> {
    let mut took = Vec::new();
    for connection in bodies::connections(options).iter().step_by(5) {
        took.push(server.timed(&newest_of(connection))?.1);
    }
    took.sort_unstable();
    Ok(report::quantile_ms(&took, 0.5))
}

/// The newest hundred events of a connection, one client, connections in turn.
pub fn newest(server: &Server, options: &Options) -> Result<(), Failure> {
    let connections = bodies::connections(options);
    let mut took: Vec<u32> = Vec::new();
    let mut found = 0;
    for round in 0..3 {
        for connection in connections.iter().skip(round).step_by(3) {
            let (answer, us) = server.timed(&newest_of(connection))?;
            took.push(us);
            found += events_in(&answer);
        }
    }
    took.sort_unstable();
    println!(
        "Newest 100 events of a connection: p50 {:.2} ms, p99 {:.2} ms ({} connections, {:.0} events each)",
        report::quantile_ms(&took, 0.5),
        report::quantile_ms(&took, 0.99),
        took.len(),
        found as f64 / took.len().max(1) as f64,
    );
    Ok(())
}

/// All events of the connection that has most of the first `count`, page by page, one client.
pub fn largest(server: &Server, options: &Options, count: usize) -> Result<(), Failure> {
    let mut events: HashMap<String, usize> = HashMap::new();
    for connection in bodies::account(options).take(count).filter_map(|event| event.connection) {
        *events.entry(connection.id.clone()).or_default() += 1;
    }
    let Some((connection, expected)) = events.into_iter().max_by_key(|(_, events)| *events) else { return Ok(()) };
    let (mut took, mut bytes, mut pages) = (Vec::new(), 0, 0);
    for _ in 0..READS {
        let (mut found, mut cursor) = (0, String::new());
        (bytes, pages) = (0, 0);
        let asked = Instant::now();
        loop {
            let answer = server.get(&format!("/v1/events?connection_id={connection}&limit=1000{cursor}"))?;
            found += events_in(&answer);
            (bytes, pages) = (bytes + answer.len(), pages + 1);
            let next = answer.split_once("\"next_cursor\":\"").and_then(|(_, rest)| rest.split_once('"'));
            let Some((next, _)) = next else { break };
            cursor = format!("&cursor={next}");
        }
        took.push(asked.elapsed().as_micros() as u32);
        if found != expected {
            return Err(format!("{connection} has {expected} events, {found} were read").into());
        }
    }
    took.sort_unstable();
    println!(
        "All {expected} events of the largest connection: p50 {:.1} ms, worst {:.1} ms ({pages} pages, {:.1} MB of JSON)",
        report::quantile_ms(&took, 0.5),
        report::quantile_ms(&took, 1.0),
        bytes as f64 / 1e6
    );
    Ok(())
}
