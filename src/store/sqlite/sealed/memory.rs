//! The newest events, in memory.
//!
//! In: the chunk of every commit, once it is on disk. Out: [`View`]s, which show exactly the commits that a snapshot of the
//! journal shows, and [`Generation`]s, the pieces in which events leave for blocks. Refused: a view of commits that have
//! left already; whoever asks takes a newer snapshot.
//!
//! Chunks gather in the newest generation until it is full. Then it is closed, a new one begins, and the sealer takes
//! closed ones, oldest first. One thread publishes; readers hold a lock only while they copy a few places out. Locks are
//! taken in one order: the turn, the list, the index of a generation.

mod filter;
mod generation;
mod sorted;
#[cfg(test)]
mod tests;
mod view;

pub use generation::Generation;
pub use view::{Held, Scan, Span, View};

use super::chunk::Chunk;
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// How long a view waits for a commit that its snapshot shows already: it is published at once after it.
const PUBLISHED_WITHIN: Duration = Duration::from_millis(200);
/// How often it looks without a pause, and how long it sleeps between two looks after that.
const YIELDS: u32 = 16;
const LOOK_EVERY: Duration = Duration::from_micros(50);

/// When a generation is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Events in a generation.
    pub events_max: usize,
    /// Memory of a generation, in bytes.
    pub bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { events_max: 65_536, bytes_max: 12 << 20 }
    }
}

/// Generations, oldest first. Shared between the writer, the sealer and every reader.
pub struct Memory {
    limits: Limits,
    /// Held by whoever adds to the newest generation or closes it.
    turn: Mutex<()>,
    list: RwLock<List>,
    /// One more than the last commit published.
    end: AtomicU64,
    events: AtomicUsize,
    bytes: AtomicUsize,
    closed: AtomicUsize,
}

struct List {
    /// Never empty; the last one is open.
    generations: VecDeque<Arc<Generation>>,
    /// One more than the last commit that has left.
    gone: u64,
}

impl Memory {
    /// An empty one.
    pub fn new(limits: Limits) -> Self {
        let open = Arc::new(Generation::new(limits.events_max));
        Self {
            limits,
            turn: Mutex::new(()),
            end: AtomicU64::new(0),
            events: AtomicUsize::new(0),
            bytes: AtomicUsize::new(open.bytes()),
            closed: AtomicUsize::new(0),
            list: RwLock::new(List { generations: VecDeque::from([open]), gone: 0 }),
        }
    }

    /// Shows the events of a commit, which is on disk. Numbers of commits ascend; some may be left out.
    pub fn publish(&self, seq: u64, chunk: Arc<Chunk>) {
        let _turn = self.turn();
        debug_assert!(seq >= self.end(), "commits come in their order");
        let open = self.newest();
        let events = chunk.len();
        let size = open.add(seq, chunk);
        self.events.fetch_add(events, Ordering::Relaxed);
        self.bytes.fetch_add(size.grown_bytes, Ordering::Relaxed);
        // Whoever sees this sees the events.
        self.end.store(seq.saturating_add(1), Ordering::Release);
        if size.events >= self.limits.events_max || size.bytes >= self.limits.bytes_max {
            self.begin_another();
        }
    }

    /// Closes the newest generation, however small it is; false when nothing is in it.
    pub fn close_open(&self) -> bool {
        let _turn = self.turn();
        let holds = !self.newest().seqs().is_empty();
        if holds {
            self.begin_another();
        }
        holds
    }

    /// The oldest generation, once it is closed: what to seal next.
    pub fn sealable(&self) -> Option<Arc<Generation>> {
        let list = self.list();
        list.generations.front().filter(|_| list.generations.len() > 1).map(Arc::clone)
    }

    /// Forgets a generation whose seal is committed; false when it is not the oldest closed one. Views that hold it
    /// keep it alive.
    pub fn drop_oldest(&self, sealed: &Arc<Generation>) -> bool {
        let mut list = self.list_mut();
        if list.generations.len() < 2 || !list.generations.front().is_some_and(|oldest| Arc::ptr_eq(oldest, sealed)) {
            return false;
        }
        list.generations.pop_front();
        list.gone = sealed.seqs().end().saturating_add(1);
        drop(list);
        let size = sealed.size();
        self.events.fetch_sub(size.events, Ordering::Relaxed);
        self.bytes.fetch_sub(size.bytes, Ordering::Relaxed);
        self.closed.fetch_sub(1, Ordering::Relaxed);
        true
    }

    /// Every generation, oldest first; the last one is open.
    #[cfg(test)]
    pub fn generations(&self) -> Vec<Arc<Generation>> {
        self.list().generations.iter().map(Arc::clone).collect()
    }

    /// What a snapshot sees whose journal holds the commits `lo` to `hi`; nothing when `lo` is larger. `None` when some of
    /// them have left, or one does not come for an unusually long time: then a newer snapshot helps.
    pub fn view(&self, lo: u64, hi: u64) -> Option<View> {
        if lo > hi {
            return Some(View::default());
        }
        self.wait_for(hi)?;
        let list = self.list();
        (lo >= list.gone).then(|| View::new(list.generations.iter(), lo, hi))
    }

    /// What is published now, as the one who publishes sees it.
    pub fn latest(&self) -> View {
        View::new(self.list().generations.iter(), 0, u64::MAX)
    }

    /// Whether a generation is the one to be sealed next.
    pub fn is_oldest(&self, generation: &Arc<Generation>) -> bool {
        let list = self.list();
        list.generations.len() > 1 && list.generations.front().is_some_and(|oldest| Arc::ptr_eq(oldest, generation))
    }

    /// Forgets everything: the journal is read anew. Views that were made before keep what they see.
    pub fn reset(&self) {
        let _turn = self.turn();
        let open = Arc::new(Generation::new(self.limits.events_max));
        let mut list = self.list_mut();
        self.end.store(0, Ordering::Release);
        self.events.store(0, Ordering::Relaxed);
        self.bytes.store(open.bytes(), Ordering::Relaxed);
        self.closed.store(0, Ordering::Relaxed);
        *list = List { generations: VecDeque::from([open]), gone: 0 };
    }

    /// A commit is in the journal a moment before it is published.
    fn wait_for(&self, seq: u64) -> Option<()> {
        let shown = || self.end() > seq;
        if (0..YIELDS).any(|_| {
            shown() || {
                std::thread::yield_now();
                false
            }
        }) {
            return Some(());
        }
        let until = Instant::now() + PUBLISHED_WITHIN;
        while !shown() {
            if Instant::now() > until {
                return None;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Some(())
    }

    /// One more than the number of the last commit published; 0 before the first.
    pub fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Number of events.
    pub fn events(&self) -> usize {
        self.events.load(Ordering::Relaxed)
    }

    /// Memory in bytes.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many generations wait to be sealed.
    pub fn closed(&self) -> usize {
        self.closed.load(Ordering::Relaxed)
    }

    fn newest(&self) -> Arc<Generation> {
        Arc::clone(self.list().generations.back().expect("one is always open"))
    }

    fn begin_another(&self) {
        let next = Arc::new(Generation::new(self.limits.events_max));
        self.bytes.fetch_add(next.bytes(), Ordering::Relaxed);
        self.list_mut().generations.push_back(next);
        self.closed.fetch_add(1, Ordering::Relaxed);
    }

    // A panic while one of these is held ends the writer and with it the store.

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn list(&self) -> RwLockReadGuard<'_, List> {
        self.list.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn list_mut(&self) -> RwLockWriteGuard<'_, List> {
        self.list.write().unwrap_or_else(PoisonError::into_inner)
    }
}
