//! Tells that a key is not in a generation, without its lock.
//!
//! In: keys. Out: "no", or "perhaps", wrong about one time in a hundred. Nearly every event that comes is new, and the
//! writer asks for each of them whether a generation holds it.

use crate::model::EventKey;
use std::sync::atomic::{AtomicU64, Ordering};

/// Events whose bits share a word of 64.
const EVENTS_PER_WORD: usize = 4;
/// Bits that a key sets in its word.
const BITS_PER_KEY: u32 = 4;

/// A Bloom filter whose bits for a key lie in one word.
pub struct Filter(Box<[AtomicU64]>);

impl Filter {
    /// For so many events; with more it says "perhaps" more often.
    pub fn new(events: usize) -> Self {
        let words = (events / EVENTS_PER_WORD).clamp(1, 1 << 24).next_power_of_two();
        Self((0..words).map(|_| AtomicU64::new(0)).collect())
    }

    fn place(&self, key: EventKey) -> (&AtomicU64, u64) {
        // Hashes of contents are spread evenly already; this costs a nanosecond and does not rely on it.
        let mixed = (key.hash as u64 ^ (key.created_us as u64).rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let bits = (0..BITS_PER_KEY).fold(0, |bits, at| bits | 1 << (mixed >> (at * 6) & 63));
        // The length is a power of two.
        (&self.0[(mixed >> 32) as usize & (self.0.len() - 1)], bits)
    }

    /// Adds a key. One thread at a time.
    pub fn add(&self, key: EventKey) {
        let (word, bits) = self.place(key);
        word.store(word.load(Ordering::Relaxed) | bits, Ordering::Relaxed);
    }

    /// False when the key was not added.
    pub fn may_hold(&self, key: EventKey) -> bool {
        let (word, bits) = self.place(key);
        word.load(Ordering::Relaxed) & bits == bits
    }

    /// Memory in bytes.
    pub const fn bytes(&self) -> usize {
        size_of_val(&*self.0)
    }
}
