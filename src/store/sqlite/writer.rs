//! The one thread that writes.
//!
//! In: jobs from the queue. Out: one transaction over everything that waited, then the answers, after the commit is on disk.
//! Nobody waits for company: the next transaction forms by itself while the disk works on this one. An error takes the
//! whole transaction back; unless the disk is to blame, each job is then tried alone, so that one cannot spoil another.

use super::{
    Layout, Shared, SqliteOptions,
    ballast::Ballast,
    fault::WriteError,
    intern::Interner,
    job::{Done, Job, Reply},
    lives::Folder,
    names::Names,
    open::{self, Role},
    sealed::{Whereabouts, stock, whereabouts::Backlog},
    tail, trail,
    transaction::{Tx, work},
    turns::Turns,
    wal::Wal,
};
use crate::{model::Micros, store::StoreError};
use rusqlite::Connection;
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// Events and bytes in one transaction, unless a single batch is larger.
const EVENTS_MAX: usize = 8192;
const BYTES_MAX: usize = 4 << 20;
/// How long senders wait for what is to be sealed before more comes, at most; and between two looks.
const SEAL_PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(100);

/// Counts that every commit keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events kept.
    pub events: u64,
    /// Items waiting in quarantine.
    pub quarantined: u64,
    /// Acknowledgement channels.
    pub channels: u64,
    /// Number of the last commit that stored an event.
    pub commit: u64,
    /// Events that ever arrived.
    pub arrived: u64,
    /// The right edges of the trees over audit logs.
    pub trail: trail::Edges,
}

impl Counters {
    /// The counts as they were committed.
    pub fn load(db: &Connection) -> rusqlite::Result<Self> {
        let (events, quarantined, channels) =
            db.query_row("SELECT events, quarantined, channels FROM tally WHERE id = 1", [], |row| {
                Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64, row.get::<_, i64>(2)? as u64))
            })?;
        let (commit, arrived) = tail::last(db)?;
        Ok(Self { events, quarantined, channels, commit, arrived, trail: trail::Edges::load(db)? })
    }

    fn save(&self, db: &Connection, before: &Self) -> rusqlite::Result<()> {
        if self != before {
            db.prepare_cached("UPDATE tally SET events = ?1, quarantined = ?2, channels = ?3 WHERE id = 1")?
                .execute([self.events as i64, self.quarantined as i64, self.channels as i64])?;
        }
        Ok(())
    }
}

/// The writing end.
pub struct Writer {
    dir: PathBuf,
    options: SqliteOptions,
    shared: Arc<Shared>,
    /// `None` after an error that makes it untrustworthy, until it could be opened anew.
    db: Option<Connection>,
    intern: Interner,
    pub(super) folder: Folder,
    pub(super) turns: Turns,
    whereabouts: Whereabouts,
    counters: Counters,
    ballast: Ballast,
    wal: Wal,
}

impl Writer {
    /// With a migrated database.
    pub fn new(
        dir: PathBuf,
        options: SqliteOptions,
        shared: Arc<Shared>,
        mut db: Connection,
    ) -> Result<Self, open::OpenError> {
        let intern = Interner::open(&db, options.interned_max)?;
        let whereabouts = shelve(&db, &options, &shared)?;
        let folder = prepare(&db, &options, &whereabouts)?;
        let counters = Counters::load(&db)?;
        let mut ballast = Ballast::new(&dir, options.ballast_bytes);
        ballast.ensure();
        let wal = Wal::watch(&mut db, &options)?;
        let turns = Turns::default();
        let writer =
            Self { dir, options, shared, db: Some(db), intern, folder, turns, whereabouts, counters, ballast, wal };
        writer.shared.publish(&writer.counters, writer.intern.connection_count());
        writer.shared.publish_blocks(writer.whereabouts.sealed());
        writer.shared.publish_unfolded(&writer.folder);
        Ok(writer)
    }

    /// The database, unless it has to be opened anew.
    pub fn database(&self) -> Option<&Connection> {
        self.db.as_ref()
    }

    /// The number of the last commit that stored an event.
    pub fn last_commit(&self) -> u64 {
        self.counters.commit
    }

    /// Works until the store is closed.
    pub fn run(mut self) {
        let mut jobs = Vec::new();
        loop {
            let (mut events, mut bytes) = (0, 0);
            let shared = Arc::clone(&self.shared);
            let some = shared.queue.drain(&mut jobs, self.patience(), |job, weight| {
                events += job.events();
                bytes += weight;
                events <= EVENTS_MAX && bytes <= BYTES_MAX
            });
            if !some {
                let folded = self.fold_turn(true);
                match &self.db {
                    Some(db) if folded => self.wal.after_commit(db),
                    Some(db) => self.wal.tidy(db),
                    None => {}
                }
                continue;
            }
            let close = match jobs.pop() {
                Some(Job::Close { reply }) => Some(reply),
                Some(job) => {
                    jobs.push(job);
                    None
                }
                None => None,
            };
            let settle = jobs.extract_if(.., |job| matches!(job, Job::Settle { .. })).collect::<Vec<_>>();
            if !jobs.is_empty() {
                self.process(std::mem::take(&mut jobs));
                self.after_events();
            }
            self.take_requests(settle);
            if let Some(reply) = close {
                self.finish(reply);
                return;
            }
            self.fold_turn(false);
            if let Some(db) = &self.db {
                self.wal.after_commit(db);
            }
        }
    }

    fn finish(mut self, reply: Reply<()>) {
        self.fold_end();
        if let Some(db) = self.db.take() {
            self.wal.empty(&db);
            if let Err((_, error)) = db.close() {
                tracing::warn!("closing the database: {error}");
            }
        }
        self.shared.release();
        drop(reply.send(Ok(())));
    }

    /// After events were stored: what is complete is sealed, and what waits for that does not grow without bound.
    fn after_events(&mut self) {
        if self.whereabouts.backlog() == Backlog::None {
            return;
        }
        self.shared.bell.ring();
        let until = Instant::now() + SEAL_PATIENCE;
        while self.whereabouts.backlog() == Backlog::TooMuch && Instant::now() < until {
            let Some(seal) = self.shared.queue.take_first(LOOK, |job| matches!(job, Job::Seal { .. })) else {
                if self.shared.queue.is_closed() {
                    // Nothing is sealed any more; the next start goes on with it.
                    return;
                }
                continue;
            };
            self.process(vec![seal]);
        }
    }

    /// Commits jobs together, or each alone where that fails, and answers them.
    pub fn process(&mut self, jobs: Vec<Job>) {
        match self.commit(&jobs) {
            Ok(done) => {
                jobs.into_iter().zip(done).for_each(|(job, done)| self.answer(job, done));
            }
            Err(error) if jobs.len() == 1 || error.is_environment() => {
                let error = error.explain();
                jobs.into_iter().for_each(|job| job.answer_error(error.clone()));
            }
            Err(_) => {
                for job in jobs {
                    match self.commit(std::slice::from_ref(&job)) {
                        // One job, one answer.
                        Ok(mut done) => match done.pop() {
                            Some(done) => self.answer(job, done),
                            None => job.answer_error(StoreError::Engine("a job came to nothing".into())),
                        },
                        Err(error) => job.answer_error(error.explain()),
                    }
                }
            }
        }
    }

    /// After the commit. What is in blocks now leaves the memory first.
    fn answer(&mut self, job: Job, done: Done) {
        if let (Job::Seal { generation: Some(generation), .. }, Done::Sealed(true)) = (&job, &done) {
            self.whereabouts.drop_oldest(generation);
        }
        job.answer(done);
    }

    fn commit(&mut self, jobs: &[Job]) -> Result<Vec<Done>, WriteError> {
        self.attempt(weight(jobs), |tx| work(tx, jobs))
    }

    /// Does something in a transaction of its own.
    pub(super) fn attempt<T>(
        &mut self,
        bytes: usize,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        let outcome = self.transaction(work);
        match &outcome {
            Ok(_) => {
                self.shared.write_succeeded(bytes);
                self.ballast.ensure();
            }
            Err(error) => self.recover(error, bytes),
        }
        outcome
    }

    fn transaction<T>(&mut self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, WriteError>) -> Result<T, WriteError> {
        if self.ballast.is_short() {
            return Err(WriteError::Store(StoreError::DiskFull));
        }
        let db = match self.db.take() {
            Some(db) => db,
            None => self.reopen()?,
        };
        let db = self.db.insert(db);
        let before = self.counters;
        let mut counters = before;
        let all = || {
            db.execute_batch("BEGIN IMMEDIATE")?;
            let done = work(&mut Tx {
                db,
                intern: &mut self.intern,
                counters: &mut counters,
                folder: &mut self.folder,
                whereabouts: &mut self.whereabouts,
            })?;
            counters.save(db, &before)?;
            db.execute_batch("COMMIT")?;
            Ok(done)
        };
        let outcome = all();
        self.intern.settle(outcome.is_ok());
        // Before anybody hears of the commit.
        self.whereabouts.settle(outcome.is_ok());
        if outcome.is_ok() {
            self.counters = counters;
            self.shared.publish(&counters, self.intern.connection_count());
            self.shared.publish_blocks(self.whereabouts.sealed());
        } else if !db.is_autocommit()
            && let Err(error) = db.execute_batch("ROLLBACK")
        {
            tracing::warn!("rolling back: {error}");
        }
        self.folder.settle(db, outcome.is_ok());
        self.shared.publish_unfolded(&self.folder);
        outcome
    }

    fn reopen(&mut self) -> Result<Connection, WriteError> {
        let again = || -> Result<_, open::OpenError> {
            let mut db = open::connect(&self.dir, Role::Writer)?;
            let intern = Interner::open(&db, self.options.interned_max)?;
            let counters = Counters::load(&db)?;
            let wal = Wal::watch(&mut db, &self.options)?;
            let whereabouts = shelve(&db, &self.options, &self.shared)?;
            let folder = prepare(&db, &self.options, &whereabouts)?;
            Ok((db, intern, counters, wal, folder, whereabouts))
        };
        let (db, intern, counters, wal, folder, whereabouts) = again().map_err(|error| {
            WriteError::Store(match error {
                open::OpenError::DiskFull => StoreError::DiskFull,
                open::OpenError::NotWritable { .. } => StoreError::ReadOnly,
                other => StoreError::Engine(other.to_string()),
            })
        })?;
        (self.intern, self.counters, self.wal, self.folder) = (intern, counters, wal, folder);
        self.whereabouts = whereabouts;
        tracing::info!("database opened anew after an input or output error");
        Ok(db)
    }

    /// After a failed transaction: what helps the next one.
    fn recover(&mut self, error: &WriteError, bytes: usize) {
        let explained = error.explain();
        if error.is_environment() {
            self.shared.write_failed(explained.clone(), bytes);
        }
        if explained == StoreError::DiskFull && self.ballast.release() {
            tracing::error!(
                "disk full; the ballast file was given back to checkpoints; events are refused while less than {} MiB are free",
                self.options.ballast_bytes >> 22
            );
            if let Some(db) = &self.db {
                self.wal.empty(db);
            }
        }
        if error.must_reopen() {
            tracing::error!("{explained}; the database is opened anew before the next write");
            self.db = None;
        }
    }
}

/// Makes lives ready to be folded on.
fn prepare(db: &Connection, options: &SqliteOptions, whereabouts: &Whereabouts) -> Result<Folder, open::OpenError> {
    let names = Arc::clone(whereabouts.names());
    let folder = Folder::prepare(db, options.fold, &names)
        .and_then(|()| Folder::open(db, options.fold, options.fold_bytes_max, names));
    folder.map_err(cannot_open)
}

/// Puts the journal into memory, whatever was there before, and learns what is where.
fn shelve(db: &Connection, options: &SqliteOptions, shared: &Shared) -> Result<Whereabouts, open::OpenError> {
    let stock = &shared.names.stock;
    if let Some(memory) = stock.memory() {
        memory.reset();
        stock::replay(db, stock, memory).map_err(|error| cannot_open(error.into()))?;
    }
    let names = Arc::new(Names::of_writer(Arc::clone(stock)));
    Ok(Whereabouts::open(db, options.layout == Layout::Sealed, Arc::clone(stock), names)?)
}

fn cannot_open(error: WriteError) -> open::OpenError {
    match error {
        WriteError::Sql(error) => error.into(),
        WriteError::Store(error) => open::OpenError::Engine(error.to_string()),
    }
}

fn weight(jobs: &[Job]) -> usize {
    jobs.iter().map(Job::bytes).sum()
}

/// Our clock.
pub fn now_us() -> Micros {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_micros() as Micros)
}
