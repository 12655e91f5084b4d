//! Keeping the write-ahead log short.
//!
//! Checkpoints run on the writer's thread, between transactions: small ones often, waiting ones only when a reader has held
//! the log open for long. With an outside tool that copies the log, nothing is done here at all.

use super::options::SqliteOptions;
use rusqlite::Connection;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// How long the writer waits for readers in a checkpoint.
const PATIENCE: Duration = Duration::from_millis(250);
const BUSY: Duration = Duration::from_secs(5);

/// The state of the log.
#[derive(Debug)]
pub struct Wal {
    pages: Arc<AtomicU64>,
    page_bytes: u64,
    off: bool,
    /// Copies what it can from here on, waiting for nobody; in bytes of log.
    passive_at: u64,
    next_at: u64,
    tidied: u64,
}

impl Wal {
    /// Listens to the commits of a connection.
    pub fn watch(db: &mut Connection, options: &SqliteOptions) -> rusqlite::Result<Self> {
        let pages = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&pages);
        db.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
            counted.store(u64::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        let page_bytes: i64 = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let (off, passive_at) = (options.wal_autocheckpoint_off, options.wal_bytes);
        Ok(Self { pages, page_bytes: page_bytes as u64, off, passive_at, next_at: passive_at, tidied: 0 })
    }

    /// Waits a moment for readers, so that the log can begin anew.
    const fn restart_at(&self) -> u64 {
        2 * self.passive_at
    }

    /// Also gives the space back.
    const fn truncate_at(&self) -> u64 {
        8 * self.passive_at
    }

    fn bytes(&self) -> u64 {
        self.pages.load(Ordering::Relaxed) * self.page_bytes
    }

    /// Between two transactions.
    pub fn after_commit(&mut self, db: &Connection) {
        let bytes = self.bytes();
        if bytes < self.passive_at {
            self.next_at = self.passive_at;
        }
        if self.off || bytes < self.next_at {
            return;
        }
        let finished = if bytes >= self.truncate_at() {
            waiting(db, "PRAGMA wal_checkpoint(TRUNCATE)")
        } else if bytes >= self.restart_at() {
            waiting(db, "PRAGMA wal_checkpoint(RESTART)")
        } else {
            checkpoint(db, "PRAGMA wal_checkpoint(PASSIVE)")
        };
        // One that could not finish is tried again a little later.
        let done = finished && bytes >= self.restart_at();
        self.next_at = if done { self.passive_at } else { bytes + self.passive_at / 2 };
    }

    /// When nothing was written for a while.
    pub fn tidy(&mut self, db: &Connection) {
        let bytes = self.bytes();
        if !self.off && bytes != self.tidied {
            checkpoint(db, "PRAGMA wal_checkpoint(PASSIVE)");
            self.tidied = bytes;
        }
    }

    /// At the end, or when the disk is full.
    pub fn empty(&mut self, db: &Connection) {
        if !self.off && waiting(db, "PRAGMA wal_checkpoint(TRUNCATE)") {
            self.pages.store(0, Ordering::Relaxed);
        }
    }
}

/// A checkpoint that waits for readers, but not for long.
fn waiting(db: &Connection, sql: &'static str) -> bool {
    let _ = db.busy_timeout(PATIENCE);
    let finished = checkpoint(db, sql);
    let _ = db.busy_timeout(BUSY);
    finished
}

/// Whether everything went over.
fn checkpoint(db: &Connection, sql: &'static str) -> bool {
    match db.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))) {
        Ok((busy, in_log, copied)) => busy == 0 && in_log == copied,
        Err(error) => {
            tracing::warn!("checkpoint: {error}");
            false
        }
    }
}
