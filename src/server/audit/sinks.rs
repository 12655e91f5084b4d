//! Where signed checkpoints go besides the store, so that whoever can change the store cannot change what was said about it.
//!
//! In: checkpoints. Out: a line in `DATA_DIR/audit-checkpoints.log`, always and at once; a line in a file, a POST, or the standard input
//! of a command, each by a thread of its own that tries again for as long as it takes. Nothing here keeps a request waiting. Bounded:
//! a sink that does not answer keeps its newest `WAITING_MAX`; a newer checkpoint says everything that an older one said.

use super::notary::Signed;
use crate::config::Sink;
use serde_json::json;
use std::{
    collections::VecDeque,
    fs, io,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The log of checkpoints in the data directory.
pub const CHECKPOINT_LOG: &str = "audit-checkpoints.log";

/// Checkpoints that wait for one sink.
const WAITING_MAX: usize = 256;

/// The first pause before a checkpoint is sent again, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// What one attempt may take.
const ATTEMPT_MAX: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Waiting {
    notes: VecDeque<Signed>,
    busy: bool,
    closed: bool,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

/// All sinks.
pub struct Sinks {
    log: Option<PathBuf>,
    queues: Vec<Arc<Queue>>,
    failures: Arc<AtomicU64>,
}

impl Sinks {
    /// Sinks that work from now on, and the log in a data directory.
    pub fn start(dir: Option<&Path>, sinks: &[Sink]) -> io::Result<Self> {
        let failures = Arc::new(AtomicU64::new(0));
        let mut queues = Vec::new();
        for sink in sinks {
            let queue = Arc::new(Queue::default());
            let (theirs, sink, failures) = (Arc::clone(&queue), sink.clone(), Arc::clone(&failures));
            std::thread::Builder::new().name("checkpoints".into()).spawn(move || work(&theirs, &sink, &failures))?;
            queues.push(queue);
        }
        Ok(Self { log: dir.map(|dir| dir.join(CHECKPOINT_LOG)), queues, failures })
    }

    /// The log in the data directory.
    pub fn log(&self) -> Option<&Path> {
        self.log.as_deref()
    }

    /// Attempts that failed since the start.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Sends a checkpoint everywhere. Does not wait but for the log.
    pub fn send(&self, signed: &Signed) {
        if let Some(path) = &self.log
            && let Err(error) = append(path, signed, 0o600)
        {
            self.failures.fetch_add(1, Ordering::Relaxed);
            tracing::error!("a checkpoint cannot be appended to {}: {error}", path.display());
        }
        for queue in &self.queues {
            let mut waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.notes.len() == WAITING_MAX {
                waiting.notes.pop_front();
            }
            waiting.notes.push_back(signed.clone());
            queue.changed.notify_all();
        }
    }

    /// Waits until everything was sent, for so long at most, and ends the threads. Blocks.
    pub fn finish(&self, longest: Duration) {
        let deadline = Instant::now() + longest;
        for queue in &self.queues {
            let mut waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            while (waiting.busy || !waiting.notes.is_empty()) && Instant::now() < deadline {
                let left = deadline.saturating_duration_since(Instant::now());
                waiting = queue.changed.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
            }
            if !waiting.notes.is_empty() {
                tracing::warn!("{} checkpoints were not sent before the stop", waiting.notes.len());
            }
            waiting.closed = true;
            queue.changed.notify_all();
        }
    }
}

impl Drop for Sinks {
    fn drop(&mut self) {
        for queue in &self.queues {
            queue.waiting.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
            queue.changed.notify_all();
        }
    }
}

/// The life of a sink's thread.
fn work(queue: &Queue, sink: &Sink, failures: &AtomicU64) {
    let mut pause = PAUSE.0;
    loop {
        let next = {
            let mut waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            loop {
                if waiting.closed {
                    return;
                }
                if let Some(next) = waiting.notes.front() {
                    let next = next.clone();
                    waiting.busy = true;
                    break next;
                }
                waiting = queue.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
        };
        let sent = deliver(sink, &next);
        let mut waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.busy = false;
        match sent {
            Ok(()) => {
                pause = PAUSE.0;
                // It may have been dropped for a newer one meanwhile.
                if waiting.notes.front() == Some(&next) {
                    waiting.notes.pop_front();
                }
                queue.changed.notify_all();
            }
            Err(why) => {
                failures.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(
                    sink = sink.name(),
                    retry_s = pause.as_secs(),
                    "a checkpoint of {} records cannot be sent: {why}",
                    next.size
                );
                let until = Instant::now() + pause;
                pause = (pause * 2).min(PAUSE.1);
                while !waiting.closed && Instant::now() < until {
                    let left = until.saturating_duration_since(Instant::now());
                    waiting = queue.changed.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }
}

fn deliver(sink: &Sink, signed: &Signed) -> Result<(), String> {
    match sink {
        Sink::File(path) => append(path, signed, 0o640).map_err(|error| error.to_string()),
        Sink::Post(address) => post(address, signed),
        Sink::Exec(command) => exec(command, signed),
    }
}

/// A checkpoint as a line of JSON.
pub fn line(signed: &Signed) -> String {
    let mut line = json!({
        "log": signed.log.as_str(),
        "origin": signed.origin,
        "tree_size": signed.size,
        "root_hash": hex::encode(signed.root),
        "at": signed.made_at,
        "note": signed.note,
    })
    .to_string();
    line.push('\n');
    line
}

fn append(path: &Path, signed: &Signed, mode: u32) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().append(true).create(true).mode(mode).open(path)?;
    // One write, so that lines of several processes do not mix.
    file.write_all(line(signed).as_bytes())?;
    file.sync_data()
}

/// Where systems keep the certificates that they trust, in one PEM file.
const SYSTEM_AUTHORITIES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
];

/// The file of certificates that this system trusts: `SSL_CERT_FILE`, or the first of the usual ones.
fn system_authorities() -> Option<PathBuf> {
    let given = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    given.or_else(|| SYSTEM_AUTHORITIES.iter().map(PathBuf::from).find(|path| path.is_file()))
}

fn post(address: &str, signed: &Signed) -> Result<(), String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = ureq::tls::TlsConfig::builder().unversioned_rustls_crypto_provider(provider);
    if address.starts_with("https://") {
        let path = system_authorities().ok_or("no certificate authorities found on this system")?;
        let pem = fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let certificates: Vec<_> = ureq::tls::parse_pem(&pem)
            .filter_map(|item| match item {
                Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        tls = tls.root_certs(ureq::tls::RootCerts::new_with_certs(&certificates));
    }
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(ATTEMPT_MAX))
        .max_redirects(0)
        .tls_config(tls.build())
        .build()
        .into();
    let sent = agent
        .post(address)
        .header("content-type", "text/plain; charset=utf-8")
        .header("user-agent", concat!("lifeline/", env!("CARGO_PKG_VERSION")))
        .header("lifeline-origin", &signed.origin)
        .header("lifeline-tree-size", &signed.size.to_string())
        .send(signed.note.as_bytes());
    match sent {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("answered {}", answer.status())),
        // The words of the library may hold the address, and that a secret.
        Err(ureq::Error::StatusCode(status)) => Err(format!("answered {status}")),
        Err(ureq::Error::Timeout(_)) => Err("no answer in time".into()),
        Err(ureq::Error::Io(error)) => Err(error.kind().to_string()),
        Err(_) => Err("cannot be reached".into()),
    }
}

fn exec(command: &str, signed: &Signed) -> Result<(), String> {
    let run = || -> io::Result<Result<(), String>> {
        let mut child = Command::new("sh")
            .args(["-c", command])
            .env("LIFELINE_CHECKPOINT_LOG", signed.log.as_str())
            .env("LIFELINE_CHECKPOINT_ORIGIN", &signed.origin)
            .env("LIFELINE_CHECKPOINT_SIZE", signed.size.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that does not read its input says with its status whether that was well. A note fits into a pipe.
            let _ = stdin.write_all(signed.note.as_bytes());
        }
        let deadline = Instant::now() + ATTEMPT_MAX;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(if status.success() { Ok(()) } else { Err(format!("the command ended with {status}")) });
            }
            if Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                return Ok(Err("the command did not end in time".into()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    run().unwrap_or_else(|error| Err(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Log;

    fn signed(size: u64) -> Signed {
        Signed {
            log: Log::Trail,
            origin: "lifeline/00/trail".into(),
            size,
            root: [1; 32],
            at: 0,
            made_at: "1970-01-01T00:00:00.000Z".into(),
            note: format!("note {size}\n"),
        }
    }

    #[test]
    fn every_sink_gets_every_checkpoint_in_order() {
        let dir = tempfile::tempdir().expect("a directory");
        let (file, command) = (dir.path().join("elsewhere.log"), dir.path().join("command.log"));
        let script = format!("cat >> '{}'", command.display());
        let sinks = Sinks::start(Some(dir.path()), &[Sink::File(file.clone()), Sink::Exec(script)]).expect("threads");
        sinks.send(&signed(1));
        sinks.send(&signed(2));
        sinks.finish(Duration::from_secs(20));
        let both = line(&signed(1)) + &line(&signed(2));
        for path in [file, dir.path().join(CHECKPOINT_LOG)] {
            assert_eq!(fs::read_to_string(path).expect("written"), both);
        }
        assert_eq!(fs::read_to_string(command).expect("written"), "note 1\nnote 2\n");
        assert_eq!(sinks.failures(), 0);
    }

    #[test]
    fn a_sink_that_fails_is_tried_again_and_holds_nobody_up() {
        let dir = tempfile::tempdir().expect("a directory");
        let gate = dir.path().join("gate");
        let out = dir.path().join("out");
        let script = format!("test -e '{}' && cat >> '{}'", gate.display(), out.display());
        let sinks = Sinks::start(None, &[Sink::Exec(script)]).expect("threads");
        let started = Instant::now();
        sinks.send(&signed(7));
        assert!(started.elapsed() < Duration::from_millis(500));
        while sinks.failures() == 0 && started.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(sinks.failures(), 1);
        fs::write(&gate, "").expect("opened");
        sinks.finish(Duration::from_secs(20));
        assert_eq!(fs::read_to_string(out).expect("written"), "note 7\n");
    }
}
