//! Where imported events go: into the running server, into the store, or nowhere.
//!
//! In: batches of items. Out: what became of them, after the commit. A batch that was sent and not answered is sent again
//! on the next run; identity makes that harmless.

use super::{
    json::quoted,
    source::{Content, Item},
};
use crate::{
    cli::{CliError, access::Access, control::Control, now_us, wiring},
    model::{Delivery, Hints, Payload, Record, RecordError, Status},
    protocol::{Decoded, Receipt},
};
use bytes::Bytes;
use hyper::Method;
use serde_json::Value;
use std::{collections::VecDeque, path::Path, sync::Arc, time::Duration};
use tokio::task::JoinHandle;

/// Batches that may wait for their commit while the next one is read.
const IN_FLIGHT_MAX: usize = 3;

/// How often a busy server is asked again, one second apart.
const BUSY_TRIES: u32 = 120;

/// What became of records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// New events.
    pub accepted: u64,
    /// Events that were known.
    pub duplicates: u64,
    /// Records that cannot be read.
    pub quarantined: u64,
    /// New events that break their schema.
    pub invalid: u64,
    /// New events of an unknown name.
    pub unknown: u64,
}

impl Tally {
    /// Adds another one.
    pub fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.duplicates += other.duplicates;
        self.quarantined += other.quarantined;
        self.invalid += other.invalid;
        self.unknown += other.unknown;
    }
}

/// Where batches go.
pub enum Sink {
    /// Into whichever way to the store is open.
    Store(Access),
    /// Only through the pure part of the pipeline.
    Dry(wiring::Understanding),
}

/// Batches on their way, in order.
pub struct Sender {
    sink: Sink,
    flying: VecDeque<(u64, JoinHandle<Result<Tally, CliError>>)>,
    /// What is durable so far.
    pub done: Tally,
    /// Place of the last record that is durable with all before it.
    pub durable_place: u64,
}

impl Sender {
    /// A sender into a sink.
    pub fn new(sink: Sink) -> Self {
        Self { sink, flying: VecDeque::new(), done: Tally::default(), durable_place: 0 }
    }

    /// Whether a server does the work, which may go and come back.
    pub const fn is_remote(&self) -> bool {
        matches!(self.sink, Sink::Store(Access::Server(_)))
    }

    /// Sends a batch; waits when too many are on their way.
    ///
    /// # Errors
    /// An earlier batch, or this one, could not be stored.
    pub async fn send(&mut self, items: Vec<Item>) -> Result<(), CliError> {
        let Some(last) = items.last().map(|item| item.place) else { return Ok(()) };
        match &self.sink {
            Sink::Dry(understanding) => {
                self.done.add(dry(understanding, &items));
                self.durable_place = last;
                return Ok(());
            }
            Sink::Store(Access::Store(opened)) => {
                let pipeline = Arc::clone(&opened.pipeline);
                self.flying.push_back((last, tokio::spawn(async move { direct(&pipeline, items).await })));
            }
            Sink::Store(Access::Server(control)) => {
                let control = control.clone();
                self.flying.push_back((last, tokio::spawn(async move { through_server(&control, items).await })));
            }
        }
        // Lets the batch get to its wait for the disk before the next one is read.
        tokio::task::yield_now().await;
        while self.flying.len() >= IN_FLIGHT_MAX {
            self.land().await?;
        }
        Ok(())
    }

    /// Waits for everything that is on its way.
    ///
    /// # Errors
    /// A batch could not be stored.
    pub async fn flush(&mut self) -> Result<(), CliError> {
        while !self.flying.is_empty() {
            self.land().await?;
        }
        Ok(())
    }

    /// Ends with everything committed.
    ///
    /// # Errors
    /// The store cannot be closed cleanly.
    pub async fn close(self) -> Result<(), CliError> {
        match self.sink {
            Sink::Store(access) => access.close().await,
            Sink::Dry(_) => Ok(()),
        }
    }

    async fn land(&mut self) -> Result<(), CliError> {
        if let Some((last, handle)) = self.flying.pop_front() {
            let tally = handle.await.map_err(|error| CliError::Other(format!("a batch was not stored: {error}")))??;
            self.done.add(tally);
            self.durable_place = last;
        }
        Ok(())
    }
}

/// A record as the pipeline takes it.
pub fn record(text: String, level: Option<String>) -> Record<'static> {
    Record { payload: Payload::Json(text.into()), hints: Hints { level, ..Hints::default() } }
}

async fn direct(pipeline: &wiring::Pipeline, items: Vec<Item>) -> Result<Tally, CliError> {
    let mut body = Vec::new();
    let mut decoded = Decoded::default();
    for item in items {
        match item.content {
            Content::Event { text, level } => decoded.items.push(Ok(record(text, level))),
            Content::Unreadable { bytes, reason } => {
                let start = body.len();
                body.extend_from_slice(&bytes);
                let index = decoded.items.len();
                decoded.items.push(Err(RecordError { index, reason, bytes: start..body.len() }));
            }
            Content::Nothing => {}
        }
    }
    let delivery = Delivery::import();
    let receipt: Receipt = pipeline.prepare(delivery, None, decoded, &body, None, now_us()).commit().await?;
    let outcomes = |outcome: &str| receipt.items.iter().filter(|item| item.outcome == outcome).count() as u64;
    Ok(Tally {
        accepted: receipt.accepted as u64,
        duplicates: receipt.duplicates as u64,
        quarantined: receipt.quarantined as u64,
        invalid: outcomes("invalid"),
        unknown: outcomes("unknown_event"),
    })
}

/// The batch as NDJSON for the control socket. The level stands around the envelope, as a transport has it.
fn ndjson(items: &[Item]) -> Bytes {
    let mut body = Vec::new();
    for item in items {
        match &item.content {
            Content::Event { text, level: Some(level) } => {
                body.extend_from_slice(
                    format!(r#"{{"level":{},"event":{}}}"#, quoted(level), one_line(text)).as_bytes(),
                );
            }
            Content::Event { text, level: None } => body.extend_from_slice(one_line(text).as_bytes()),
            Content::Unreadable { bytes, .. } => match std::str::from_utf8(bytes) {
                Ok(line) if !line.contains(['\n', '\r']) && !line.trim().is_empty() => {
                    body.extend_from_slice(line.as_bytes());
                }
                // As a JSON string: its own newlines cannot break the framing, and it is no event either.
                _ => body.extend_from_slice(quoted(&String::from_utf8_lossy(bytes)).as_bytes()),
            },
            Content::Nothing => continue,
        }
        body.push(b'\n');
    }
    body.into()
}

/// JSON text without newlines; they can only stand between tokens.
fn one_line(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], " ").into() } else { text.into() }
}

async fn through_server(control: &Control, items: Vec<Item>) -> Result<Tally, CliError> {
    let body = ndjson(&items);
    if body.is_empty() {
        return Ok(Tally::default());
    }
    for _ in 0..BUSY_TRIES {
        let answer = control.call(Method::POST, "/control/import", "application/x-ndjson", body.clone()).await?;
        if matches!(answer.status, 429 | 503) {
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        }
        if answer.status == 400 {
            // Not one line of it can be read; it is in quarantine as a whole.
            let records = items.iter().filter(|item| item.content != Content::Nothing).count();
            return Ok(Tally { quarantined: records as u64, ..Tally::default() });
        }
        let answer = answer.json()?;
        let count = |key: &str| answer[key].as_u64().unwrap_or(0);
        let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let outcomes = |outcome: &str| items.iter().filter(|item: &&Value| item["outcome"] == outcome).count() as u64;
        return Ok(Tally {
            accepted: count("accepted"),
            duplicates: count("duplicates"),
            quarantined: count("quarantined"),
            invalid: outcomes("invalid"),
            unknown: outcomes("unknown_event"),
        });
    }
    Err(CliError::Control(format!(
        "it was busy for {BUSY_TRIES} s; start the import again later, it goes on from here"
    )))
}

/// Counts without storing; repeats within the files are not noticed.
fn dry(understanding: &wiring::Understanding, items: &[Item]) -> Tally {
    let mut tally = Tally::default();
    for item in items {
        match &item.content {
            Content::Event { text, level } => {
                let record = record(text.clone(), level.clone());
                understanding.events(&record, None, now_us(), &mut |found| {
                    tally.quarantined += u64::from(found.is_err());
                    if let Ok(event) = found {
                        tally.accepted += 1;
                        tally.invalid += u64::from(event.verdict.status == Status::Invalid);
                        tally.unknown += u64::from(event.verdict.status == Status::UnknownEvent);
                    }
                });
            }
            Content::Unreadable { .. } => tally.quarantined += 1,
            Content::Nothing => {}
        }
    }
    tally
}

/// Opens where an import goes.
///
/// # Errors
/// Neither server nor store can be reached, or the schemas cannot be read.
pub async fn open(config: &crate::config::Config, dry_run: bool) -> Result<Sink, CliError> {
    if dry_run {
        let schemas: Option<&Path> = config.storage.schemas_dir.as_deref();
        return wiring::understanding(schemas).map(Sink::Dry);
    }
    Access::open(config).await.map(Sink::Store)
}
