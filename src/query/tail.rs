//! The newest arrivals, read once for everybody who watches.
//!
//! In: a cursor. Out: the page behind it, shared. A page behind a cursor never changes once it holds an event, so
//! those that watch side by side share one read; a slow watcher falls out of the few kept pages and reads for itself. No
//! watcher has a queue, so none can grow one.

use crate::store::{SharedStore, StoreError, TailCursor, TailPage};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

/// Most events of a page.
pub const TAIL_PAGE_EVENTS: usize = 128;

/// Pages that are kept for others.
const PAGES_KEPT: usize = 8;

type Kept = VecDeque<(TailCursor, Arc<TailPage>)>;

/// The shared reader.
pub struct Tails {
    store: SharedStore,
    kept: Mutex<Kept>,
}

impl std::fmt::Debug for Tails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tails").finish_non_exhaustive()
    }
}

impl Tails {
    /// Reads from this store.
    #[must_use]
    pub fn new(store: SharedStore) -> Self {
        Self { store, kept: Mutex::default() }
    }

    /// The page behind a cursor, if somebody else has just read it. Never blocks: while somebody reads, it says no.
    #[must_use]
    pub fn kept(&self, after: TailCursor) -> Option<Arc<TailPage>> {
        let kept = self.kept.try_lock().ok()?;
        kept.iter().find(|(cursor, _)| *cursor == after).map(|(_, page)| Arc::clone(page))
    }

    /// The page behind a cursor. Blocks.
    ///
    /// # Errors
    /// What the store says.
    pub fn read(&self, after: TailCursor) -> Result<Arc<TailPage>, StoreError> {
        // Holding the lock while reading makes those that wait for the same page share the read.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, page)) = kept.iter().find(|(cursor, _)| *cursor == after) {
            return Ok(Arc::clone(page));
        }
        let page = Arc::new(self.store.tail(after, TAIL_PAGE_EVENTS)?);
        if !page.events.is_empty() && !page.gap {
            kept.truncate(PAGES_KEPT - 1);
            kept.push_front((after, Arc::clone(&page)));
        }
        Ok(page)
    }
}
