//! Keeping the write-ahead log short.
//!
//! Checkpoints run on the writer's thread, between transactions: small ones often, waiting ones only when a reader has held
//! the log open for long. With an outside tool that copies the log, nothing is done here at all.

use rusqlite::Connection;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Copies what it can, waiting for nobody; in bytes of log.
const PASSIVE_AT: u64 = 32 << 20;
/// Waits a moment for readers, so that the log can begin anew.
const RESTART_AT: u64 = 64 << 20;
/// Also gives the space back.
const TRUNCATE_AT: u64 = 256 << 20;
/// After a checkpoint that could not finish: so much more before the next.
const STEP: u64 = 16 << 20;
/// How long the writer waits for readers in a checkpoint.
const PATIENCE: Duration = Duration::from_millis(250);
const BUSY: Duration = Duration::from_secs(5);

/// The state of the log.
#[derive(Debug)]
pub struct Wal {
    pages: Arc<AtomicU64>,
    page_bytes: u64,
    off: bool,
    next_at: u64,
    tidied: u64,
}

impl Wal {
    /// Listens to the commits of a connection. `off`: leave checkpoints to somebody else.
    pub fn watch(db: &mut Connection, off: bool) -> rusqlite::Result<Self> {
        let pages = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&pages);
        db.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
            counted.store(u64::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        let page_bytes: i64 = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
        Ok(Self { pages, page_bytes: page_bytes as u64, off, next_at: PASSIVE_AT, tidied: 0 })
    }

    fn bytes(&self) -> u64 {
        self.pages.load(Ordering::Relaxed) * self.page_bytes
    }

    /// Between two transactions.
    pub fn after_commit(&mut self, db: &Connection) {
        let bytes = self.bytes();
        if bytes < PASSIVE_AT {
            self.next_at = PASSIVE_AT;
        }
        if self.off || bytes < self.next_at {
            return;
        }
        let finished = if bytes >= TRUNCATE_AT {
            waiting(db, "PRAGMA wal_checkpoint(TRUNCATE)")
        } else if bytes >= RESTART_AT {
            waiting(db, "PRAGMA wal_checkpoint(RESTART)")
        } else {
            checkpoint(db, "PRAGMA wal_checkpoint(PASSIVE)")
        };
        self.next_at = if finished && bytes >= RESTART_AT { PASSIVE_AT } else { bytes + STEP };
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
