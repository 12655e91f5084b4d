//! The thread that makes blocks of what the journal holds.
//!
//! In: generations of events in memory, oldest first. Out: for each one transaction, done by the writer, in which its rows of the journal
//! go and blocks come, together with smaller blocks of the same connections where there are enough of them. Where it fails,
//! everything stays as it was, and it tries again later.

use super::{
    blocks::{Blocks, METAS, Meta},
    chunk::{Chunk, ChunkBuilder},
    memory::Generation,
    seal::{Seal, blocks_of, plain},
    tiers,
};
use crate::store::{
    StoreError,
    sqlite::{
        Shared,
        names::Names,
        open::{self, Role},
        reader::ReadError,
        writer::Job,
    },
};
use ahash::AHashMap;
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
const PAUSE: Duration = Duration::from_secs(2);

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
    while !bell.ended.load(Ordering::Relaxed) {
        let Some(generation) = memory.sealable() else {
            waiters.drain(..).for_each(|waiter: oneshot::Sender<()>| drop(waiter.send(())));
            waiters = bell.take_waiters();
            if !waiters.is_empty() || Instant::now() >= old_at {
                memory.close_open();
                old_at = Instant::now() + age;
            } else {
                bell.wait(LOOK.min(age));
            }
            continue;
        };
        match seal(shared, &mut db, &names, &generation) {
            Ok(true) => old_at = Instant::now() + age,
            Ok(false) => {}
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::warn!(
                    "sealing events of the journal: {error}; they stay where they are, and it is tried again"
                );
                waiters.clear();
                bell.wait(PAUSE);
            }
        }
    }
}

/// Seals a generation; false when blocks have changed meanwhile.
fn seal(
    shared: &Shared,
    db: &mut Option<Connection>,
    names: &Names,
    generation: &Arc<Generation>,
) -> Result<bool, StoreError> {
    let db = match db {
        Some(db) => db,
        None => {
            let opened = open::connect(&shared.dir, Role::Reader);
            db.insert(opened.map_err(|error| StoreError::Engine(error.to_string()))?)
        }
    };
    let made = make(db, names, generation);
    let (reply, answer) = oneshot::channel();
    let job = Job::Seal {
        seal: Box::new(made.map_err(ReadError::explain)?),
        generation: Some(Arc::clone(generation)),
        reply,
    };
    shared.queue.push_first(job)?;
    answer.blocking_recv().unwrap_or_else(|_| Err(StoreError::Closed))
}

/// What takes the place of a generation.
fn make(db: &Connection, names: &Names, generation: &Generation) -> Result<Seal, ReadError> {
    let chunks = generation.chunks();
    let mut of_conn: AHashMap<i64, Vec<_>> = AHashMap::new();
    for (_, chunk) in &chunks {
        for at in 0..chunk.len() {
            of_conn.entry(chunk.conn(at)).or_default().push((Arc::clone(chunk), at as u32));
        }
    }
    let mut seal = Seal { journal: Some(generation.seqs()), journal_rows: chunks.len(), ..Seal::default() };
    let snapshot = db.unchecked_transaction()?;
    let mut metas: AHashMap<i64, Vec<Meta>> = AHashMap::new();
    let mut statement = db.prepare_cached(METAS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let meta = Meta::of(row)?;
        if of_conn.contains_key(&meta.conn) {
            metas.entry(meta.conn).or_default().push(meta);
        }
    }
    drop(rows);
    let blocks = Blocks::of(db, names);
    let mut conns: Vec<(i64, Vec<(Arc<Chunk>, u32)>)> = of_conn.into_iter().collect();
    conns.sort_unstable_by_key(|(conn, _)| *conn);
    for (conn, mut events) in conns {
        let bytes: usize = events.iter().map(|(chunk, at)| plain(&chunk.get(*at as usize)).len()).sum();
        let known = metas.get(&conn).map_or(&[][..], Vec::as_slice);
        for at in tiers::join(known, events.len(), bytes as i64) {
            let mut copied = ChunkBuilder::new();
            match blocks.copy(&known[at], 0..known[at].n, &mut copied) {
                Err(ReadError::Store(StoreError::Damaged(what))) => {
                    // It stays as it is, and keeps nothing else from becoming blocks.
                    tracing::debug!("not joined with others, for it is damaged: {what}");
                    continue;
                }
                other => other?,
            }
            let copied = Arc::new(copied.finish());
            events.extend((0..copied.len()).map(|at| (Arc::clone(&copied), at as u32)));
            seal.gone.push(known[at]);
        }
        seal.new.extend(blocks_of(&mut events)?);
    }
    snapshot.commit()?;
    Ok(seal)
}
