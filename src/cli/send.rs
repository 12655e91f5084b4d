//! Sending simulated events to a server, as the real senders would.
//!
//! In: events and a target. Out: requests by several senders at a time, at a rate; a line every second; counts of answers by status.
//! A busy server is asked again as it wishes; other refusals are counted and end in exit code 1. An interrupt stops cleanly.

use super::{CliError, Outcome, configuration::pretty, error, print, simulate::Wire};
use crate::simulate::{NeighbourLine, SimEvent, write_json, write_time, write_webhook};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;
use std::{
    collections::BTreeMap,
    io::Write as _,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// How often one request is tried while the server is busy.
const TRIES: u32 = 10;
/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(30);
/// Where systems keep the certificate authorities that they trust, as one PEM file.
const SYSTEM_CAS: &[&str] =
    &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Where and how to send.
#[derive(Debug, Clone)]
pub struct Target {
    pub url: String,
    pub wire: Wire,
    pub token: Option<String>,
    pub secret: Option<String>,
    /// Events in a request.
    pub batch: usize,
    pub senders: usize,
    /// Events a second.
    pub rate: Option<u64>,
    pub ca: Option<PathBuf>,
    pub insecure: bool,
    pub json: bool,
}

/// A request that is ready to go.
struct Request {
    body: Vec<u8>,
    events: u64,
}

/// Counts of all senders.
#[derive(Default)]
struct Counts {
    taken: AtomicU64,
    refused: AtomicU64,
    retries: AtomicU64,
    bytes: AtomicU64,
    /// Final answers by status or reason.
    answers: Mutex<BTreeMap<String, u64>>,
}

impl Counts {
    fn answer(&self, what: String) {
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner).entry(what).or_default() += 1;
    }
}

pub(super) fn run(target: &Target, mut events: impl Iterator<Item = SimEvent>) -> Outcome {
    send(target, || encode(target.wire, &mut events, target.batch))
}

/// The same for lines of a neighbour.
pub(super) fn run_lines(target: &Target, mut lines: impl Iterator<Item = NeighbourLine>) -> Outcome {
    send(target, || encode_lines(target.wire, &mut lines, target.batch))
}

fn send(target: &Target, next: impl FnMut() -> Request) -> Outcome {
    let agent = agent(target)?;
    let counts = Arc::new(Counts::default());
    let stop = interrupted()?;
    let (queue, requests) = mpsc::sync_channel::<Request>(target.senders * 2);
    let requests = Arc::new(Mutex::new(requests));
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..target.senders {
            let (agent, counts, stop, requests) = (agent.clone(), &counts, &stop, &requests);
            scope.spawn(move || {
                loop {
                    let next = requests.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(request) = next else { break };
                    post(&agent, target, &request, counts, stop);
                }
            });
        }
        produce(target, next, &queue, &counts, &stop, started);
        drop(queue);
    });
    report(target, &counts, started.elapsed().as_secs_f64())
}

/// Makes requests at the wanted rate and says every second how it goes.
fn produce(
    target: &Target,
    mut next: impl FnMut() -> Request,
    queue: &mpsc::SyncSender<Request>,
    counts: &Counts,
    stop: &AtomicBool,
    started: Instant,
) {
    let (mut produced, mut said) = (0_u64, Instant::now());
    while !stop.load(Ordering::Relaxed) {
        let request = next();
        if request.events == 0 {
            return;
        }
        if let Some(rate) = target.rate {
            let due = started + Duration::from_secs_f64(produced as f64 / rate as f64);
            // Woken now and then, so that an interrupt is seen at low rates, too.
            while Instant::now() < due && !stop.load(Ordering::Relaxed) {
                thread::sleep(due.saturating_duration_since(Instant::now()).min(Duration::from_millis(200)));
            }
        }
        produced += request.events;
        if queue.send(request).is_err() {
            return;
        }
        if said.elapsed() >= Duration::from_secs(1) {
            said = Instant::now();
            let (taken, refused) = (counts.taken.load(Ordering::Relaxed), counts.refused.load(Ordering::Relaxed));
            let rate = (taken as f64 / started.elapsed().as_secs_f64()) as u64;
            // Progress is a courtesy; sending goes on without it.
            let _ = writeln!(std::io::stderr(), "{taken} events taken, {rate}/s, {refused} refused");
        }
    }
}

/// The next events as a body of the protocol.
fn encode(wire: Wire, events: &mut impl Iterator<Item = SimEvent>, batch: usize) -> Request {
    let mut body = Vec::with_capacity(batch.min(10_000) * 400);
    let mut count = 0;
    // Loki groups lines by their labels; the level is one.
    let mut streams: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for event in events.take(batch) {
        count += 1;
        match wire {
            Wire::Native | Wire::Logplex => {
                write_json(&event, &mut body);
                body.push(b'\n');
            }
            Wire::Webhook => write_webhook(&event, &mut body),
            Wire::Hec => {
                let (whole, millis) =
                    (event.created_us.div_euclid(1_000_000), event.created_us.rem_euclid(1_000_000) / 1000);
                body.extend_from_slice(
                    format!(r#"{{"time":"{whole}.{millis:03}","source":"Fivetran","event":"#).as_bytes(),
                );
                write_json(&event, &mut body);
                body.push(b'}');
            }
            Wire::Loki => {
                let mut line = Vec::with_capacity(400);
                write_json(&event, &mut line);
                let line = serde_json::Value::from(String::from_utf8_lossy(&line).into_owned());
                let nanos = i128::from(event.created_us) * 1000;
                streams.entry(event.level.as_str()).or_default().push(format!(r#"["{nanos}",{line}]"#));
            }
        }
    }
    if wire == Wire::Loki {
        let streams: Vec<String> = streams
            .iter()
            .map(|(level, lines)| {
                format!(r#"{{"stream":{{"logger":"Fivetran","level":"{level}"}},"values":[{}]}}"#, lines.join(","))
            })
            .collect();
        body = format!(r#"{{"streams":[{}]}}"#, streams.join(",")).into_bytes();
    }
    Request { body, events: count }
}

/// The next lines as frames of a log drain, or one in each line.
fn encode_lines(wire: Wire, lines: &mut impl Iterator<Item = NeighbourLine>, batch: usize) -> Request {
    let mut body = Vec::with_capacity(batch.min(10_000) * 300);
    let mut count = 0;
    for line in lines.take(batch) {
        count += 1;
        if wire == Wire::Logplex {
            let mut frame = b"<190>1 ".to_vec();
            write_time(line.at_us, 6, &mut frame);
            frame.pop();
            frame.extend_from_slice(b"+00:00 host app herokuconnect - ");
            frame.extend_from_slice(line.text.as_bytes());
            frame.push(b'\n');
            body.extend_from_slice(format!("{} ", frame.len()).as_bytes());
            body.extend_from_slice(&frame);
        } else {
            body.extend_from_slice(line.text.as_bytes());
            body.push(b'\n');
        }
    }
    Request { body, events: count }
}

/// Sends one request; again while the server is busy.
fn post(agent: &ureq::Agent, target: &Target, request: &Request, counts: &Counts, stop: &AtomicBool) {
    let (path, kind) = match target.wire {
        Wire::Hec => ("/services/collector/event", "application/json"),
        Wire::Webhook => ("/v1/webhooks/fivetran", "application/json"),
        Wire::Loki => ("/loki/api/v1/push", "application/json"),
        Wire::Native => ("/v1/events", "application/x-ndjson"),
        Wire::Logplex => ("/v1/drains/logplex", "application/logplex-1"),
    };
    let url = format!("{}{path}", target.url);
    let scheme = if target.wire == Wire::Hec { "Splunk" } else { "Bearer" };
    let signature = target.secret.as_ref().filter(|_| target.wire == Wire::Webhook).map(|secret| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(&request.body);
        hex::encode(mac.finalize().into_bytes())
    });
    let mut last = String::new();
    for _ in 0..TRIES {
        let mut post = agent.post(&url).header("Content-Type", kind);
        if let Some(token) = &target.token {
            post = post.header("Authorization", format!("{scheme} {token}"));
        }
        if let Some(signature) = &signature {
            post = post.header("X-Fivetran-Signature-256", signature);
        }
        if target.wire == Wire::Logplex {
            post = post.header("Logplex-Msg-Count", request.events.to_string());
        }
        let wait = match post.send(&request.body[..]) {
            Ok(mut answer) => {
                let status = answer.status().as_u16();
                let after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
                // Reading the answer to its end lets the connection be used again.
                let _ = answer.body_mut().with_config().limit(1 << 20).read_to_vec();
                last = status.to_string();
                if (200..300).contains(&status) {
                    counts.taken.fetch_add(request.events, Ordering::Relaxed);
                    counts.bytes.fetch_add(request.body.len() as u64, Ordering::Relaxed);
                    counts.answer(last);
                    return;
                }
                if !matches!(status, 429 | 503) {
                    break;
                }
                Duration::from_secs(after.unwrap_or(1).clamp(1, 30))
            }
            Err(error) => {
                last = reason(&error);
                Duration::from_secs(1)
            }
        };
        if stop.load(Ordering::Relaxed) {
            break;
        }
        counts.retries.fetch_add(1, Ordering::Relaxed);
        thread::sleep(wait);
    }
    counts.refused.fetch_add(request.events, Ordering::Relaxed);
    counts.answer(last);
}

/// Why no answer came, short enough to be counted by.
fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => format!("no answer within {} s", WITHIN.as_secs()),
        ureq::Error::Io(error) => error.kind().to_string(),
        other => other.to_string(),
    }
}

fn report(target: &Target, counts: &Counts, seconds: f64) -> Outcome {
    let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let (taken, refused, retries) = (load(&counts.taken), load(&counts.refused), load(&counts.retries));
    let rate = (taken as f64 / seconds.max(0.001)) as u64;
    let answers = counts.answers.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if target.json {
        print(&pretty(&json!({
            "events_taken": taken, "events_refused": refused, "retries": retries, "answers": answers,
            "body_bytes": load(&counts.bytes), "seconds": seconds, "events_per_second": rate,
        })))?;
    } else {
        let answers: Vec<String> = answers.iter().map(|(what, count)| format!("{count} × {what}")).collect();
        print(&format!(
            "{taken} events taken in {seconds:.1} s ({rate}/s), {refused} refused, {retries} retries; answers: {}",
            answers.join(", ")
        ))?;
    }
    Ok(if refused == 0 { error::DONE } else { error::FOUND })
}

/// A client that trusts what the system trusts, or the given authority alone.
fn agent(target: &Target) -> Result<ureq::Agent, CliError> {
    let mut tls = ureq::tls::TlsConfig::builder()
        .disable_verification(target.insecure)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()));
    if target.url.starts_with("https://") && !target.insecure {
        let given = target.ca.clone().or_else(|| std::env::var_os("SSL_CERT_FILE").map(PathBuf::from));
        let path = given.or_else(|| SYSTEM_CAS.iter().map(PathBuf::from).find(|path| path.is_file()));
        let path = path.ok_or_else(|| {
            CliError::Other("no certificate authorities found on this system; name a PEM file with --ca".into())
        })?;
        let pem = std::fs::read(&path).map_err(CliError::file("read", &path))?;
        let certificates: Vec<_> = ureq::tls::parse_pem(&pem)
            .filter_map(|item| match item {
                Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        tls = tls.root_certs(ureq::tls::RootCerts::new_with_certs(&certificates));
    }
    Ok(ureq::Agent::config_builder()
        .timeout_global(Some(WITHIN))
        .http_status_as_error(false)
        .max_idle_connections_per_host(target.senders)
        .max_idle_connections(target.senders)
        .tls_config(tls.build())
        .build()
        .new_agent())
}

/// Becomes true at the first Ctrl-C; the second one ends the program.
fn interrupted() -> Result<Arc<AtomicBool>, CliError> {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&flag);
    let runtime = super::runtime()?;
    thread::spawn(move || {
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                if seen.swap(true, Ordering::Relaxed) {
                    std::process::exit(130);
                }
            }
        });
    });
    Ok(flag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::{SimOptions, Simulator};
    use serde_json::Value;

    #[test]
    fn every_protocol_carries_the_same_events() {
        let events = || Simulator::new(&SimOptions { events_max: Some(50), ..SimOptions::default() });
        let native = encode(Wire::Native, &mut events(), 100);
        let lines: Vec<Value> =
            String::from_utf8(native.body).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((native.events, lines.len()), (50, 50));

        let hec = encode(Wire::Hec, &mut events(), 100).body;
        let wrapped = serde_json::Deserializer::from_slice(&hec).into_iter::<Value>();
        assert_eq!(wrapped.map(|value| value.unwrap()["event"].clone()).collect::<Vec<_>>(), lines);

        let loki: Value = serde_json::from_slice(&encode(Wire::Loki, &mut events(), 100).body).unwrap();
        let streams = loki["streams"].as_array().unwrap();
        let sent: usize = streams.iter().map(|stream| stream["values"].as_array().unwrap().len()).sum();
        assert_eq!(sent, 50);
        let line = streams[0]["values"][0][1].as_str().unwrap();
        assert!(lines.contains(&serde_json::from_str(line).unwrap()));

        let webhook: Value = serde_json::from_slice(&encode(Wire::Webhook, &mut events(), 1).body).unwrap();
        assert_eq!(webhook["event"], lines[0]["event"]);
    }
}
