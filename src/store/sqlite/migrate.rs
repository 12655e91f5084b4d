//! From one layout to the other, in place.
//!
//! In: an open store that nobody writes to. Out: its events as blocks, or as rows, a slice in each transaction, so that it can be stopped or
//! killed anywhere and goes on where it was. All events are read before and after, wherever they are, and compared by one
//! digest over everything that is kept of them.

use super::{
    Layout, SqliteStore,
    all_events::{AllEvents, Span},
    body,
    facts::Places,
    flat::{BodyRef, Flat, SyncRef},
    job::{Job, Reply},
    names::Names,
    open::{self, Role},
    reader::ReadError,
    sealed::{
        absorb::{self, Kept, Size},
        blocks::{Meta, blocks_in_order},
    },
};
use crate::{
    model::EventKey,
    store::{Order, StoreError},
};
use rusqlite::Connection;
use sha2::{Digest as _, Sha256};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::oneshot;

/// What goes at a time. More together makes larger blocks of connections that log little, and fewer pages are written twice.
const SIZE: Size = Size { rows: 131_072, bytes: 32 << 20 };
/// Events of blocks that become rows at a time.
const LOOSEN: usize = 32_768;
/// Events read between two reports.
const REPORT: u64 = 8_192;
/// Before a slice is read again whose rows or blocks were changed by something else.
const PAUSE: Duration = Duration::from_millis(50);

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Reading every event as it was.
    Read,
    /// Moving them.
    Move,
    /// Reading every event as it is now.
    Compare,
}

/// How far it is.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// With what.
    pub phase: Phase,
    /// Events done.
    pub done: u64,
    /// And in all.
    pub of: u64,
}

/// What was done.
#[derive(Debug, Clone)]
pub struct Migrated {
    /// Events that are elsewhere now.
    pub moved: u64,
    /// Rows that stay rows although blocks were wanted.
    pub kept: Kept,
    /// Where events were.
    pub before: Places,
    /// Where they are.
    pub after: Places,
    /// Of every event, the same before and after; `None` when that was not asked for, or not reached.
    pub digest: Option<String>,
    /// Whether it came to its end.
    pub finished: bool,
}

/// Wants to know how far it is, and may stop it.
pub struct Watch<'w> {
    /// Stops it at the next slice once it is true.
    pub stop: &'w AtomicBool,
    /// Is told.
    pub tell: &'w mut dyn FnMut(Step),
}

impl Watch<'_> {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl SqliteStore {
    /// Brings every event into a layout. Blocks for some time: not to be called where others wait. `verify`: compare all events before
    /// and after.
    ///
    /// # Errors
    /// When reading or writing fails: what was moved before stays moved. [`StoreError::Damaged`] when events are not what they were.
    pub fn migrate(&self, to: Layout, verify: bool, watch: Watch<'_>) -> Result<Migrated, StoreError> {
        self.migrate_by(SIZE, to, verify, watch)
    }

    /// The same in slices of a size.
    pub(super) fn migrate_by(
        &self,
        size: Size,
        to: Layout,
        verify: bool,
        mut watch: Watch<'_>,
    ) -> Result<Migrated, StoreError> {
        let db =
            open::connect(&self.shared.dir, Role::Reader).map_err(|error| StoreError::Engine(error.to_string()))?;
        let names = Names::new(Arc::clone(&self.shared.names.stock));
        let places = || Places::of(&db).map_err(|error| super::fault::explain(&error));
        let before = places()?;
        // From the journal there is one way only.
        let (done, sealed) = oneshot::channel();
        self.shared.bell.seal_all(done);
        sealed
            .blocking_recv()
            .map_err(|_| StoreError::Engine("the journal could not be sealed; see the log".into()))?;
        let there = places()?;
        let left = match to {
            Layout::Sealed => there.rows,
            Layout::Rows => there.block_events,
        };
        let mut done = Migrated { moved: 0, kept: Kept::default(), before, after: there, digest: None, finished: true };
        if left == 0 {
            return Ok(done);
        }
        let was = if verify { digest(&db, &names, Phase::Read, self.events_kept(), &mut watch)? } else { None };
        if !watch.stopped() {
            match to {
                Layout::Sealed => self.absorb(&db, size, left, &mut done, &mut watch)?,
                Layout::Rows => self.loosen(&db, left, &mut done, &mut watch)?,
            }
        }
        done.finished = !watch.stopped();
        let is = if was.is_some() && done.finished {
            digest(&db, &names, Phase::Compare, self.events_kept(), &mut watch)?
        } else {
            None
        };
        done.after = places()?;
        if let (Some(was), Some(is)) = (&was, &is)
            && was != is
        {
            return Err(StoreError::Damaged(format!(
                "{} events before and {} after, digests {} and {}; keep this directory and restore the backup elsewhere",
                was.events, is.events, was.digest, is.digest
            )));
        }
        done.digest = is.map(|it| it.digest);
        Ok(done)
    }

    fn events_kept(&self) -> u64 {
        self.shared.events.load(Ordering::Relaxed)
    }

    fn absorb(
        &self,
        db: &Connection,
        size: Size,
        of: u64,
        done: &mut Migrated,
        watch: &mut Watch<'_>,
    ) -> Result<(), StoreError> {
        let names = Names::new(Arc::clone(&self.shared.names.stock));
        let mut from = Some(EventKey::FIRST);
        while let Some(at) = from.filter(|_| !watch.stopped()) {
            let slice = again(|| absorb::slice(db, &names, at, size))?;
            if slice.moved > 0 {
                let seal = Box::new(slice.seal);
                if !self.write(|reply| Job::Seal { seal, generation: None, reply })? {
                    std::thread::sleep(PAUSE);
                    continue;
                }
            }
            done.moved += slice.moved;
            done.kept.add(slice.kept);
            from = slice.next;
            (watch.tell)(Step { phase: Phase::Move, done: done.moved + done.kept.all(), of });
        }
        Ok(())
    }

    fn loosen(&self, db: &Connection, of: u64, done: &mut Migrated, watch: &mut Watch<'_>) -> Result<(), StoreError> {
        let read = || blocks_in_order(db).map_err(|error| super::fault::explain(&error));
        let (mut metas, mut at) = (read()?, 0);
        while at < metas.len() && !watch.stopped() {
            let mut events = 0;
            let fits = |meta: &&Meta| {
                events += meta.n;
                events - meta.n < LOOSEN
            };
            let blocks: Vec<Meta> = metas[at..].iter().take_while(fits).copied().collect();
            let (count, moved) = (blocks.len(), blocks.iter().map(|meta| meta.n as u64).sum::<u64>());
            if !self.write(|reply| Job::Loosen { blocks, reply })? {
                std::thread::sleep(PAUSE);
                (metas, at) = (read()?, 0);
                continue;
            }
            at += count;
            done.moved += moved;
            (watch.tell)(Step { phase: Phase::Move, done: done.moved, of });
        }
        Ok(())
    }

    fn write(&self, job: impl FnOnce(Reply<bool>) -> Job) -> Result<bool, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.shared.queue.push_first(job(reply))?;
        answer.blocking_recv().unwrap_or_else(|_| Err(super::stopped()))
    }
}

/// Until the snapshot is one that the memory still shows.
fn again<T>(mut read: impl FnMut() -> Result<T, ReadError>) -> Result<T, StoreError> {
    loop {
        match read() {
            Err(ReadError::Again) => std::thread::sleep(PAUSE),
            other => return other.map_err(ReadError::explain),
        }
    }
}

/// Every event, in short.
#[derive(Debug, PartialEq, Eq)]
struct Whole {
    events: u64,
    digest: String,
}

/// Reads all events in the order of their keys; `None` when it was stopped.
fn digest(
    db: &Connection,
    names: &Names,
    phase: Phase,
    of: u64,
    watch: &mut Watch<'_>,
) -> Result<Option<Whole>, StoreError> {
    again(|| {
        let snapshot = db.unchecked_transaction()?;
        let mut scan = AllEvents::of(db, names)?.scan(Span::All, EventKey::FIRST, Order::Asc);
        let (mut hash, mut bytes, mut events) = (Sha256::new(), Vec::new(), 0);
        while let Some(held) = scan.take()? {
            bytes.clear();
            put(&mut bytes, &held.flat());
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(&bytes);
            events += 1;
            if events % REPORT == 0 {
                if watch.stopped() {
                    return Ok(None);
                }
                (watch.tell)(Step { phase, done: events, of });
            }
        }
        drop(scan);
        snapshot.commit()?;
        let digest = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Some(Whole { events, digest }))
    })
}

/// Everything that is kept of an event, wherever it is.
fn put(out: &mut Vec<u8>, flat: &Flat<'_>) {
    let Flat { key, conn, label, kind, shape, notable, received, sync, secret, spill, body } = *flat;
    for number in [key.created_us, key.hash, conn, label, kind, shape, i64::from(notable), received] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    let mut part = |tag: u8, bytes: &[u8]| {
        out.push(tag);
        out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        out.extend_from_slice(bytes);
    };
    match sync {
        Some(SyncRef::Uuid(uuid)) => part(1, &uuid),
        Some(SyncRef::Text(text)) => part(2, text.as_bytes()),
        None => part(0, &[]),
    }
    match secret {
        Some(secret) => part(1, &secret.to_le_bytes()),
        None => part(0, &[]),
    }
    part(u8::from(spill.is_some()), spill.unwrap_or_default());
    match body {
        BodyRef::Plain(body) => part(0, body),
        BodyRef::Packed(packed) => match body::decompress(packed) {
            Ok(body) => part(0, &body),
            // It stays as it is.
            Err(_) => part(1, packed),
        },
    }
}
