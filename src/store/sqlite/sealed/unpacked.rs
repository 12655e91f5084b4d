//! Parts of blocks that were unpacked lately.
//!
//! In: the number of a block, which is never given twice. Out: its keys, heads and bodies, unless they were thrown away for newer ones.

use super::codec::{Bodies, Heads};
use crate::{model::EventKey, store::sqlite::cache::Cache};
use std::sync::{Arc, Mutex, PoisonError};

/// Memory for keys that were unpacked, in bytes.
const KEYS_BYTES: usize = 12 << 20;
/// And for heads.
const HEADS_BYTES: usize = 4 << 20;
/// And for bodies: those of a few blocks, since whoever reads a connection page by page unpacks each block for every page otherwise.
const BODIES_BYTES: usize = 4 << 20;

/// The keys of a block, in order.
#[derive(Debug)]
pub struct Keys {
    /// `created` of each.
    pub times: Vec<i64>,
    /// And the hash.
    pub hashes: Vec<i64>,
}

impl Keys {
    /// How many.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// The key at a place.
    pub fn at(&self, place: usize) -> EventKey {
        EventKey { created_us: self.times[place], hash: self.hashes[place] }
    }

    /// The first place whose key is not before `key`.
    pub fn lower(&self, key: EventKey) -> usize {
        let mut place = self.times.partition_point(|at| *at < key.created_us);
        while place < self.times.len() && self.times[place] == key.created_us && self.hashes[place] < key.hash {
            place += 1;
        }
        place
    }

    /// The place of a key.
    pub fn find(&self, key: EventKey) -> Option<usize> {
        let place = self.lower(key);
        (place < self.len() && self.at(place) == key).then_some(place)
    }
}

/// What was unpacked lately.
pub struct Unpacked {
    /// Keys, by block.
    pub keys: Mutex<Cache<i64, Arc<Keys>>>,
    /// Heads, by block.
    pub heads: Mutex<Cache<i64, Arc<Heads>>>,
    /// Bodies, by block.
    pub bodies: Mutex<Cache<i64, Arc<Bodies>>>,
}

impl Default for Unpacked {
    fn default() -> Self {
        Self {
            keys: Mutex::new(Cache::new(KEYS_BYTES)),
            heads: Mutex::new(Cache::new(HEADS_BYTES)),
            bodies: Mutex::new(Cache::new(BODIES_BYTES)),
        }
    }
}

impl Unpacked {
    /// Forgets a block that never came to be.
    pub fn forget(&self, id: i64) {
        // Nothing can panic while a lock is held.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}
