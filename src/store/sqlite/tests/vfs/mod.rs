//! A file system under SQLite that can lose its power, fail and be slow.
//!
//! In: a directory. Out: a [`Disk`] that sees everything SQLite does to the files in it: it knows what a power cut would
//! leave, lets chosen operations fail, and can take its time. Directories without one, and every product, have
//! SQLite's own file system: ours is the default of the test binary only, so that the code under test has no seam at all.

mod disk;
mod shim;

pub use disk::{Disk, Fault, Image, Kind};

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

static DISKS: Mutex<BTreeMap<PathBuf, Arc<Disk>>> = Mutex::new(BTreeMap::new());

fn disks() -> MutexGuard<'static, BTreeMap<PathBuf, Arc<Disk>>> {
    DISKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The disk under a directory, if it has one of ours.
fn disk_of(dir: &Path) -> Option<Arc<Disk>> {
    disks().get(dir).cloned()
}

/// A directory with a disk of its own, until it is dropped. What is in the directory before is on the disk.
#[derive(Debug)]
pub struct Mounted {
    dir: PathBuf,
    pub disk: Arc<Disk>,
}

impl Drop for Mounted {
    fn drop(&mut self) {
        disks().remove(&self.dir);
    }
}

/// Puts a disk under a directory. `seed` decides what a power cut leaves.
pub fn mount(dir: &Path, seed: u64) -> Mounted {
    shim::register();
    let dir = dir.canonicalize().unwrap();
    let disk = Arc::new(Disk::new(&dir, seed));
    assert!(disks().insert(dir.clone(), Arc::clone(&disk)).is_none(), "one disk for each directory");
    Mounted { dir, disk }
}

/// Numbers that follow from a seed.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ (it >> 31)
    }

    /// Below `end`, which is above 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, of: usize) -> bool {
        self.below(100) < of
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}
