//! Records of events that an older version stored.
//!
//! In: the events that are there, in the order of their keys. Out: their records, behind whatever arrives meanwhile. A thread of its own
//! reads and prepares slices, so that the writer only inserts; how far it came is kept in the transaction of the records, so
//! that it goes on after a restart. An event that has a record already keeps it.

use super::{
    Answer, Work,
    append::{self, Of},
    edge::Edges,
    prepare::Prepared,
};
use crate::{
    model::EventKey,
    store::{
        Order, StoreError,
        sqlite::{
            Shared,
            all_events::{AllEvents, Span, behind},
            fault::WriteError,
            job::Job,
            names::Names,
            reader::ReadError,
            row::Opened,
            tokens,
        },
    },
};
use rusqlite::Connection;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// Under which name is kept how far it came; absent when it is done.
pub const MARK: &str = "audit_fill";
/// Events and time of one slice.
const SLICE_EVENTS: usize = 4_096;
const SLICE_RECORDS: usize = 512;
const SLICE_TIME: Duration = Duration::from_millis(300);
/// Where senders fill the queue.
const PAUSE: Duration = Duration::from_millis(200);

/// A slice, made ready.
#[derive(Debug)]
pub struct Fill {
    /// Behind this key, as the mark must say still.
    after: Option<EventKey>,
    /// Up to this one.
    upto: Option<EventKey>,
    /// Whether nothing follows.
    last: bool,
    found: Vec<(Of, Box<Prepared>)>,
}

impl Fill {
    /// About how much memory it holds, in bytes.
    pub fn weight(&self) -> usize {
        self.found.iter().map(|(_, record)| record.weight()).sum()
    }
}

/// Whether any is left.
pub fn pending(db: &Connection) -> rusqlite::Result<bool> {
    Ok(tokens::meta(db, MARK)?.is_some())
}

/// How far it came: `None` when it is done.
fn mark(db: &Connection) -> Result<Option<Option<EventKey>>, ReadError> {
    let Some(bytes) = tokens::meta(db, MARK)? else { return Ok(None) };
    if bytes.is_empty() {
        return Ok(Some(None));
    }
    let damaged = || StoreError::Damaged(format!("value {MARK}"));
    let (created, hash) = bytes.split_at_checked(8).ok_or_else(damaged)?;
    let number = |bytes: &[u8]| bytes.try_into().map(i64::from_le_bytes).map_err(|_| damaged());
    Ok(Some(Some(EventKey { created_us: number(created)?, hash: number(hash)? })))
}

/// Puts a slice in place. Nothing happens when another one came first.
pub fn put(db: &Connection, names: &Names, edges: &mut Edges, fill: &Fill) -> Result<(), WriteError> {
    if mark(db)? != Some(fill.after) {
        return Ok(());
    }
    for (of, record) in &fill.found {
        append::event(db, names, edges, record, *of)?;
    }
    match fill.upto.filter(|_| !fill.last) {
        Some(key) => {
            let bytes = [key.created_us.to_le_bytes(), key.hash.to_le_bytes()].concat();
            tokens::set_meta(db, MARK, &bytes)?;
        }
        None => drop(db.prepare_cached("DELETE FROM meta WHERE key = ?1")?.execute([MARK])?),
    }
    Ok(())
}

/// Reads the next slice; `None` when all is done.
fn slice(shared: &Shared, db: &Connection) -> Result<Option<Fill>, ReadError> {
    let Some(after) = mark(db)? else { return Ok(None) };
    let until = Instant::now() + SLICE_TIME;
    let mut fill = Fill { after, upto: after, last: true, found: Vec::new() };
    let Some(from) = after.map_or(Some(EventKey::FIRST), |after| behind(after, Order::Asc)) else {
        return Ok(Some(fill));
    };
    let mut scan = AllEvents::of(db, &shared.names)?.scan(Span::All, from, Order::Asc);
    for read in 0.. {
        let Some(held) = scan.take()? else { break };
        if read == SLICE_EVENTS || fill.found.len() == SLICE_RECORDS || read > 0 && Instant::now() > until {
            fill.last = false;
            break;
        }
        let (key, conn) = (held.flat().key, held.flat().conn);
        match Opened::of(db, &shared.names, held.flat()).and_then(|opened| opened.event(db, &shared.names)) {
            Ok(stored) => {
                let record = Prepared::of(&stored.event, key, stored.received_us);
                fill.found.extend(record.map(|record| (Of { key, conn }, record.by(&stored.protocol))))
            }
            // One damaged event must not keep the others from their records.
            Err(ReadError::Store(StoreError::Damaged(what))) => {
                tracing::warn!("no audit record of damaged {what}");
            }
            Err(error) => return Err(error),
        }
        fill.upto = Some(key);
    }
    Ok(Some(fill))
}

/// Works until all is done or the store is closed.
fn run(shared: &Shared) {
    let mut records = 0;
    loop {
        if matches!(shared.queue.check(), Err(StoreError::Busy { .. })) {
            std::thread::sleep(PAUSE);
            continue;
        }
        let fill = match shared.readers.ask(|db| slice(shared, db)) {
            Ok(Some(fill)) => fill,
            Ok(None) => {
                tracing::info!(records, "audit records of {records} events stored before are made");
                return;
            }
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::warn!("making audit records of events stored before: {error}; the next start goes on");
                return;
            }
        };
        let found = fill.found.len();
        let (reply, answer) = oneshot::channel();
        let weight = fill.weight();
        match shared.queue.push(Job::Trail { work: Box::new(Work::Fill(fill)), reply }, weight) {
            Ok(()) => {}
            // Read again when senders leave room.
            Err(StoreError::Busy { .. }) => {
                std::thread::sleep(PAUSE);
                continue;
            }
            Err(_) => return,
        }
        match answer.blocking_recv() {
            Ok(Ok(Answer::Nothing)) => records += found,
            Ok(Err(error @ (StoreError::DiskFull | StoreError::ReadOnly | StoreError::Locked))) => {
                tracing::debug!("making audit records of events stored before: {error}");
                std::thread::sleep(PAUSE * 10);
            }
            _ => return,
        }
    }
}

/// Goes on with it when any is left.
pub fn start(shared: &Arc<Shared>) {
    if !shared.readers.ask(|db| Ok(pending(db)?)).unwrap_or(false) {
        return;
    }
    let shared = Arc::clone(shared);
    let started = std::thread::Builder::new().name("store-trail".into()).spawn(move || run(&shared));
    if let Err(error) = started {
        tracing::warn!("making audit records of events stored before: {error}; the next start goes on");
    }
}
