//! A file that only takes up space, to be given back when the disk is full: a checkpoint needs room to make room.

use super::open::private_file;
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Bytes that we may still take on the file system of a directory.
pub fn free(dir: &Path) -> io::Result<u64> {
    let space = rustix::fs::statvfs(dir)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// Its name in the data directory.
const NAME: &str = "ballast";

/// Removes it before a store is open; false when there was none.
pub fn remove(dir: &Path) -> bool {
    fs::remove_file(dir.join(NAME)).is_ok()
}

/// How long after it was given back the file may be made again.
const REST: Duration = Duration::from_secs(30);

/// The file, there or not.
#[derive(Debug)]
pub struct Ballast {
    path: PathBuf,
    bytes: u64,
    there: bool,
    /// Given back and not made again: what is left of its space is for checkpoints, not for events.
    spent: bool,
    not_before: Option<Instant>,
}

impl Ballast {
    /// In a data directory; 0 bytes means none is wanted.
    pub fn new(dir: &Path, bytes: u64) -> Self {
        let path = dir.join(NAME);
        let there = fs::metadata(&path).is_ok_and(|found| found.len() == bytes);
        Self { path, bytes, there: there || bytes == 0, spent: false, not_before: None }
    }

    /// Makes it, if it is not there and twice its size is free. Cheap when it is there.
    pub fn ensure(&mut self) {
        if self.there || self.not_before.is_some_and(|at| Instant::now() < at) {
            return;
        }
        self.not_before = Some(Instant::now() + REST);
        match self.make() {
            Ok(true) => {
                self.there = true;
                self.spent = false;
            }
            Ok(false) => tracing::warn!(
                "no ballast file: less than {} MiB free in the data directory; writing goes on",
                self.bytes >> 19
            ),
            Err(error) => {
                let _ = fs::remove_file(&self.path);
                tracing::warn!("cannot make the ballast file {}: {error}; writing goes on", self.path.display());
            }
        }
    }

    fn make(&self) -> io::Result<bool> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        if free(dir)? < self.bytes * 2 {
            return Ok(false);
        }
        let mut file = private_file(&self.path)?;
        if rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, self.bytes).is_err() {
            // File systems without preallocation get real bytes.
            io::copy(&mut io::Read::take(io::repeat(0x4c), self.bytes), &mut file)?;
        }
        Ok(true)
    }

    /// Whether the disk was full and a quarter of the ballast's size is still not free: events would take what checkpoints need.
    pub fn is_short(&self) -> bool {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        self.spent && free(dir).is_ok_and(|free| free < self.bytes / 4)
    }

    /// Gives the space back; false when there was none to give.
    pub fn release(&mut self) -> bool {
        self.not_before = Some(Instant::now() + REST);
        if !self.there || self.bytes == 0 {
            return false;
        }
        self.there = false;
        self.spent = true;
        fs::remove_file(&self.path).is_ok()
    }
}
