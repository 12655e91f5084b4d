//! The thread that makes blocks of what the journal holds.
//!
//! In: generations of events in memory, oldest first. Out: for each one transaction, done by the writer, in which its rows of the journal
//! go and blocks come, together with smaller blocks of the same connections where there are enough of them. Where it fails,
//! everything stays as it was, and it tries again later.

use super::{
    chunk::Chunk,
    making::{Events, Making, Parts},
    memory::{Generation, Held, Span, View},
    seal::Seal,
};
use crate::{
    model::EventKey,
    store::{
        Order, StoreError,
        sqlite::{
            Shared,
            job::Job,
            names::Names,
            open::{self, Role},
            reader::ReadError,
            syncs::Sighting,
        },
    },
};
use rusqlite::Connection;
use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// Between two looks at the memory where nobody wakes it.
const LOOK: Duration = Duration::from_secs(1);
/// After a failure.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 2_000 });

/// Wakes and ends the thread.
pub struct Sealer {
    bell: Arc<Bell>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread listens to.
#[derive(Default)]
pub struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
    ended: AtomicBool,
    /// Who waits until everything is in blocks that was in the journal.
    waiters: Mutex<Vec<oneshot::Sender<()>>>,
}

impl Bell {
    /// Something may be ready to be sealed.
    pub fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.heard.notify_one();
    }

    /// Seals what the journal holds, however little; tells when it is done, or is dropped when it cannot be.
    pub fn seal_all(&self, done: oneshot::Sender<()>) {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner).push(done);
        self.ring();
    }

    fn take_waiters(&self) -> Vec<oneshot::Sender<()>> {
        std::mem::take(&mut *self.waiters.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Nothing more is sealed.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        self.ring();
    }

    /// Waits whoever rings: what failed will fail again at once.
    fn pause(&self, pause: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = |_: &mut bool| !self.ended.load(Ordering::Relaxed);
        drop(self.heard.wait_timeout_while(rung, pause, ended).unwrap_or_else(PoisonError::into_inner));
    }

    fn wait(&self, patience: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut rung, _) = self
            .heard
            .wait_timeout_while(rung, patience, |rung| !*rung && !self.ended.load(Ordering::Relaxed))
            .unwrap_or_else(PoisonError::into_inner);
        *rung = false;
    }
}

impl Sealer {
    /// Starts it. `age`: after which a generation is sealed although there is room in it.
    pub fn start(shared: &Arc<Shared>, age: Duration) -> std::io::Result<Self> {
        let bell = Arc::clone(&shared.bell);
        let (shared, heard) = (Arc::clone(shared), Arc::clone(&bell));
        let thread =
            std::thread::Builder::new().name("store-sealer".into()).spawn(move || run(&shared, &heard, age))?;
        Ok(Self { bell, thread: Mutex::new(Some(thread)) })
    }

    /// Ends it, and waits for that.
    pub fn end(&self) {
        self.bell.end();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("sealing ended with an internal error; what it left is sealed after the next start");
        }
    }
}

fn run(shared: &Shared, bell: &Bell, age: Duration) {
    let names = Names::new(Arc::clone(&shared.names.stock));
    let mut db = None;
    let Some(memory) = names.stock.memory() else { return };
    let mut old_at = Instant::now() + age;
    // Those who asked before the generation was closed that is sealed now.
    let mut waiters = Vec::new();
    // Rows that keep changing must not keep what they stand for from being sealed.
    let mut rows = true;
    while !bell.ended.load(Ordering::Relaxed) {
        let Some(generation) = memory.sealable() else {
            // Whoever gave up waiting has dropped the other end.
            waiters.drain(..).for_each(|waiter: oneshot::Sender<()>| _ = waiter.send(()));
            waiters = bell.take_waiters();
            if !waiters.is_empty() || Instant::now() >= old_at {
                memory.close_open();
                old_at = Instant::now() + age;
            } else {
                bell.wait(LOOK.min(age));
            }
            continue;
        };
        match seal(shared, &mut db, &names, &generation, rows) {
            Ok(true) => (old_at, rows) = (Instant::now() + age, true),
            Ok(false) => rows = false,
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::warn!(
                    "sealing events of the journal: {error}; they stay where they are, and it is tried again"
                );
                // Nobody is left waiting, nor who has asked meanwhile.
                waiters.clear();
                drop(bell.take_waiters());
                bell.pause(PAUSE);
            }
        }
    }
}

/// Seals a generation; false when blocks or rows have changed meanwhile.
fn seal(
    shared: &Shared,
    db: &mut Option<Connection>,
    names: &Names,
    generation: &Arc<Generation>,
    rows: bool,
) -> Result<bool, StoreError> {
    let db = match db {
        Some(db) => db,
        None => {
            let opened = open::connect(&shared.dir, Role::Reader);
            db.insert(opened.map_err(|error| StoreError::Engine(error.to_string()))?)
        }
    };
    let made = make(db, names, generation, rows);
    let (reply, answer) = oneshot::channel();
    let job = Job::Seal {
        seal: Box::new(made.map_err(ReadError::explain)?),
        generation: Some(Arc::clone(generation)),
        reply,
    };
    shared.queue.push_first(job)?;
    answer.blocking_recv().unwrap_or(Err(StoreError::Closed))
}

/// Adds which syncs a connection's events are of, each at least once for a day.
fn add_sightings(conn: i64, events: &Events, found: &mut Vec<Sighting>) {
    let mut before = None;
    for (chunk, at) in events {
        let flat = chunk.get(*at as usize);
        let seen = flat.sync.map(|sync| Sighting::of(sync, conn, flat.key.created_us));
        // Most are of the same sync as the one before.
        if seen != before {
            found.extend(seen);
            before = seen;
        }
    }
}

/// What takes the place of a generation. `rows`: also of the rows that count in the place of its events.
fn make(db: &Connection, names: &Names, generation: &Arc<Generation>, rows: bool) -> Result<Seal, ReadError> {
    let chunks = generation.chunks();
    let (view, conns) = (View::of(generation), generation.connections());
    let of = |chunk: &Chunk, at: usize| (chunk.key(at), chunk.conn(at));
    let notable = |(_, chunk): &(u64, Arc<Chunk>)| {
        (0..chunk.len()).filter(|at| chunk.notable(*at)).map(|at| of(chunk, at)).collect::<Vec<_>>()
    };
    let snapshot = db.unchecked_transaction()?;
    let mut making = Making::of(db, names, rows, |conn| conns.binary_search_by_key(&conn, |(conn, _)| *conn).is_ok())?;
    making.seal.journal = Some(generation.seqs());
    making.seal.journal_rows = chunks.len();
    making.seal.notable = chunks.iter().flat_map(notable).collect();
    for (conn, _) in &conns {
        let events: Events = view.scan(Span::Of(*conn), EventKey::FIRST, Order::Asc).map(Held::into_parts).collect();
        add_sightings(*conn, &events, &mut making.seal.syncs);
        making.add(*conn, Parts { events, ..Parts::default() })?;
    }
    making.seal.syncs.sort_unstable();
    making.seal.syncs.dedup();
    let seal = making.seal;
    snapshot.commit()?;
    Ok(seal)
}
