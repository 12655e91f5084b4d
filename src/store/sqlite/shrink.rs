//! Giving the space of the file that holds nothing back to the disk.
//!
//! In: a data directory that nobody uses. Out: a database file without free pages. SQLite writes what is used into a file of its own first,
//! then into the log, then into place, so that a crash leaves the old file or the new one; both copies need space, which is
//! looked for before. Refused: a directory that is in use.

use super::{
    DATABASE,
    ballast::free,
    facts::used_and_free,
    open::{self, OpenError, Role},
};
use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Free space beyond the two copies, in bytes.
const SPARE_BYTES: u64 = 16 << 20;
/// Virtual machine steps between two looks at whether to stop.
const STEPS: i32 = 20_000;

/// Page cache while the file is written, in KiB.
const CACHE_KIB: i64 = 8_192;

/// What it came to, in bytes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shrunk {
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
}

/// Why it did not.
#[derive(Debug, thiserror::Error)]
pub enum ShrinkError {
    /// The directory cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The copies have no place.
    #[error(
        "{needed} bytes must be free in the data directory to write the file anew, {free} are; nothing was changed, and what is free in the file is used for new events"
    )]
    NoRoom {
        /// Bytes that must be free.
        needed: u64,
        /// Bytes that are.
        free: u64,
    },
    /// It was told to stop.
    #[error("stopped; the file is as it was")]
    Stopped,
    /// Anything else.
    #[error("the file cannot be written anew: {0}")]
    Engine(String),
}

/// Writes the database of a directory anew, unless `stop` turns true.
///
/// # Errors
/// See [`ShrinkError`]; the file is as it was then.
pub fn shrink(dir: &Path, stop: &Arc<AtomicBool>) -> Result<Shrunk, ShrinkError> {
    let lock = open::take_directory(dir)?;
    let mut db = open::connect(dir, Role::Writer)?;
    let failed = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::OperationInterrupted) => ShrinkError::Stopped,
        Some(rusqlite::ErrorCode::DiskFull) => OpenError::DiskFull.into(),
        _ => ShrinkError::Engine(error.to_string()),
    };
    let (used_bytes, free_bytes) = used_and_free(&db).map_err(failed)?;
    let needed = used_bytes * 2 + SPARE_BYTES;
    let free = free(dir).map_err(|error| ShrinkError::Engine(error.to_string()))?;
    if free < needed {
        return Err(ShrinkError::NoRoom { needed, free });
    }
    let stop = Arc::clone(stop);
    if stop.load(Ordering::Relaxed) {
        return Err(ShrinkError::Stopped);
    }
    db.progress_handler(STEPS, Some(move || stop.load(Ordering::Relaxed))).map_err(failed)?;
    // The copy goes to a file, and where there is space for it; what the cache holds of it stays in memory.
    db.pragma_update(None, "cache_size", -CACHE_KIB).map_err(failed)?;
    db.pragma_update(None, "temp_store", 1).map_err(failed)?;
    db.pragma_update(None, "temp_store_directory", dir.to_string_lossy()).map_err(failed)?;
    let written = db.execute_batch("VACUUM");
    db.pragma_update(None, "temp_store_directory", "").map_err(failed)?;
    written.map_err(failed)?;
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(failed)?;
    db.close().map_err(|(_, error)| failed(error))?;
    drop(lock);
    let after = fs::metadata(dir.join(DATABASE)).map_err(|error| ShrinkError::Engine(error.to_string()))?.len();
    Ok(Shrunk { before: used_bytes + free_bytes, after })
}
