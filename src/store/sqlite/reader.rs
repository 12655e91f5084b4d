//! Connections that only read, lent for a bounded time.
//!
//! In: a question. Out: its answer from one snapshot. A question that takes longer than its deadline is interrupted, because an
//! open snapshot keeps the write-ahead log from being emptied.

use super::{
    fault,
    open::{self, OpenError, Role},
};
use crate::store::StoreError;
use rusqlite::{Connection, ErrorCode};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Connections.
const READERS: usize = 3;
/// Longest time for one question, waiting for a connection included.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// Virtual machine steps between two looks at the clock.
const STEPS: i32 = 2000;

/// Why a question has no answer.
#[derive(Debug)]
pub enum ReadError {
    /// SQLite said so.
    Sql(rusqlite::Error),
    /// We said so.
    Store(StoreError),
    /// What the snapshot shows has left the memory since: a new snapshot will do.
    Again,
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl ReadError {
    /// What is damaged, where stored bytes are not what they were; any other error as it is.
    pub fn damage(self) -> Result<String, Self> {
        use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error};
        match self {
            Self::Store(StoreError::Damaged(what)) => Ok(what),
            Self::Sql(
                error @ (FromSqlConversionFailure(..)
                | IntegralValueOutOfRange(..)
                | InvalidColumnType(..)
                | Utf8Error(..)),
            ) => Ok(error.to_string()),
            Self::Sql(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => Ok(error.to_string()),
            other => Err(other),
        }
    }

    /// For the caller of the store.
    pub fn explain(self) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Again => StoreError::Engine("a snapshot older than the memory of the newest events".into()),
            Self::Sql(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => too_slow(),
            Self::Sql(error) => fault::explain(&error),
        }
    }
}

fn too_slow() -> StoreError {
    StoreError::TooSlow { limit_ms: DEADLINE.as_millis() as u64 }
}

/// A connection and its clock.
struct Lent {
    db: Connection,
    deadline: Arc<Mutex<Instant>>,
}

impl Lent {
    fn open(dir: &Path) -> Result<Self, OpenError> {
        let mut db = open::connect(dir, Role::Reader)?;
        let deadline = Arc::new(Mutex::new(Instant::now() + DEADLINE));
        let clock = Arc::clone(&deadline);
        db.progress_handler(
            STEPS,
            Some(move || Instant::now() > *clock.lock().unwrap_or_else(PoisonError::into_inner)),
        )?;
        Ok(Self { db, deadline })
    }
}

/// The connections that are not lent at the moment.
pub struct Readers {
    dir: PathBuf,
    idle: Mutex<Option<Vec<Lent>>>,
    returned: Condvar,
}

impl Readers {
    /// Opens all of them.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let idle = (0..READERS).map(|_| Lent::open(dir)).collect::<Result<_, _>>()?;
        Ok(Self { dir: dir.to_owned(), idle: Mutex::new(Some(idle)), returned: Condvar::new() })
    }

    fn idle(&self) -> MutexGuard<'_, Option<Vec<Lent>>> {
        // Nothing can panic while the lock is held.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lend(&self, until: Instant) -> Result<Lent, StoreError> {
        let patience = until.saturating_duration_since(Instant::now());
        let (mut idle, _) = self
            .returned
            .wait_timeout_while(self.idle(), patience, |idle| idle.as_ref().is_some_and(Vec::is_empty))
            .unwrap_or_else(PoisonError::into_inner);
        match &mut *idle {
            None => Err(StoreError::Closed),
            Some(idle) => idle.pop().ok_or_else(too_slow),
        }
    }

    /// Asks a question within one snapshot.
    pub fn ask<T>(&self, mut question: impl FnMut(&Connection) -> Result<T, ReadError>) -> Result<T, StoreError> {
        let until = Instant::now() + DEADLINE;
        let lent = Giveback { readers: self, lent: Some(self.lend(until)?) };
        let Some(Lent { db, deadline }) = &lent.lent else { return Err(StoreError::Closed) };
        *deadline.lock().unwrap_or_else(PoisonError::into_inner) = until;
        let mut once = || {
            db.execute_batch("BEGIN")?;
            question(db)
        };
        let mut answer = once();
        while matches!(answer, Err(ReadError::Again)) && Instant::now() < until {
            db.execute_batch("COMMIT").map_err(|error| fault::explain(&error))?;
            answer = once();
        }
        if !db.is_autocommit() {
            // Ending a snapshot must not be interrupted.
            *deadline.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + DEADLINE;
            let _ = db.execute_batch("COMMIT");
        }
        answer.map_err(ReadError::explain)
    }

    /// Closes all connections; those that are lent when they come back.
    pub fn close(&self) {
        *self.idle() = None;
        self.returned.notify_all();
    }
}

/// Brings a connection back even when the question panics.
struct Giveback<'r> {
    readers: &'r Readers,
    lent: Option<Lent>,
}

impl Drop for Giveback<'_> {
    fn drop(&mut self) {
        let Some(lent) = self.lent.take() else { return };
        // One whose snapshot cannot be ended is replaced.
        let lent = if lent.db.is_autocommit() { lent } else { Lent::open(&self.readers.dir).unwrap_or(lent) };
        if let Some(idle) = self.readers.idle().as_mut() {
            idle.push(lent);
        }
        self.readers.returned.notify_one();
    }
}
