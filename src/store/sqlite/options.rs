//! How the store is run.
//!
//! In: nothing. Out: [`SqliteOptions`] with bounds that hold on a small machine. What they mean is the business of whoever reads them.

use std::time::Duration;

/// How the store is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteOptions {
    /// Batches that may wait for the writer; more are refused as busy.
    pub queue_batches_max: usize,
    /// Bytes of encoded batches that may wait.
    pub queue_bytes_max: usize,
    /// Size of the file that is given back when the disk is full; 0 for none.
    pub ballast_bytes: u64,
    /// Leave checkpoints to an outside tool that copies the log (Litestream).
    pub wal_autocheckpoint_off: bool,
    /// Length of the log, in bytes, from which it is copied into the file. At twice that readers are waited for, so that it can begin
    /// anew; at eight times that its space is given back.
    pub wal_bytes: u64,
    /// Kinds and shapes that get a number; later ones are kept with their events.
    pub interned_max: i64,
    /// Whether lives are kept current with every commit.
    pub fold: bool,
    /// Memory for states of lives, in bytes as estimated.
    pub fold_bytes_max: usize,
    /// Where new events go. What is stored stays readable whichever it is.
    pub layout: Layout,
    /// When newer events are made into blocks.
    pub sealing: Sealing,
}

/// Where new events go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// A row each.
    Rows,
    /// The journal, and from there blocks.
    Sealed,
}

/// When the journal's events are made into blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealing {
    /// So many together, unless they are large.
    pub events_max: usize,
    /// So many bytes of memory together.
    pub bytes_max: usize,
    /// Fewer when they are as old as this.
    pub age: Duration,
}

impl Default for Sealing {
    fn default() -> Self {
        Self { events_max: 65_536, bytes_max: 12 << 20, age: Duration::from_secs(600) }
    }
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            queue_batches_max: 1024,
            queue_bytes_max: 64 << 20,
            ballast_bytes: 32 << 20,
            wal_autocheckpoint_off: false,
            wal_bytes: 32 << 20,
            interned_max: 65_536,
            fold: true,
            fold_bytes_max: 96 << 20,
            layout: Layout::Sealed,
            sealing: Sealing::default(),
        }
    }
}
