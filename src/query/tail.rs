//! The newest arrivals, read and written out once for everybody who watches.
//!
//! In: a cursor. Out: the page behind it, shared, so those that watch side by side share one read and one text of each
//! event; a slow watcher falls out of the few kept pages and reads for itself. A page that reached the end is only
//! good until the next commit. No watcher has a queue, and all pages together are bounded, so those that do not read
//! cost the others time but no memory.

use super::render::EventView;
use crate::{
    model::StoredEvent,
    store::{SharedStore, StoreError, TailCursor},
};
use serde_json::Map;
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::watch;

/// Most events of a page.
const TAIL_PAGE_EVENTS: usize = 128;

/// Pages that are kept for others.
const PAGES_KEPT: usize = 8;

/// Bytes of those pages, unless a single one has more.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// Bytes of all pages, those that are being sent included; past it nothing more is read until one was sent or given up.
const HELD_BYTES_MAX: usize = 64 << 20;

/// An arrival.
#[derive(Debug)]
pub struct LiveEvent {
    /// The place behind it.
    pub cursor: TailCursor,
    /// What arrived, without its data, which only the text has.
    pub event: StoredEvent,
    /// The event's JSON.
    pub text: String,
}

impl LiveEvent {
    fn new((cursor, mut event): (TailCursor, StoredEvent)) -> Self {
        let text = serde_json::to_string(&EventView::new(&event, false)).expect("the view has text keys only");
        event.event.data = None;
        event.event.extra = Map::new();
        Self { cursor, event, text }
    }

    fn bytes(&self) -> usize {
        self.event.raw.len() + self.text.len()
    }
}

/// Arrivals in order.
#[derive(Debug)]
pub struct LivePage {
    /// The arrivals.
    pub events: Vec<LiveEvent>,
    /// Where to go on.
    pub next: TailCursor,
    /// Whether arrivals before the first one are no longer known in order.
    pub gap: bool,
    /// Whether more may follow already.
    pub more: bool,
    /// The number of the last commit when this was read.
    commit: u64,
    /// Its share of what all pages hold.
    bytes: usize,
    held: Arc<AtomicUsize>,
}

impl Drop for LivePage {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The shared reader.
pub struct Tails {
    store: SharedStore,
    commits: watch::Receiver<u64>,
    kept: Mutex<VecDeque<(TailCursor, Arc<LivePage>)>>,
    /// Bytes of the pages that are kept or being sent.
    held: Arc<AtomicUsize>,
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
        Self { commits: store.commits(), store, kept: Mutex::default(), held: Arc::default() }
    }

    /// The page behind a cursor, if somebody else has just read it. Never blocks: while somebody reads, it says no.
    #[must_use]
    pub fn kept(&self, after: TailCursor) -> Option<Arc<LivePage>> {
        let kept = self.kept.try_lock().ok()?;
        self.find(&kept, after)
    }

    fn find(&self, kept: &VecDeque<(TailCursor, Arc<LivePage>)>, after: TailCursor) -> Option<Arc<LivePage>> {
        let (_, page) = kept.iter().find(|(cursor, _)| *cursor == after)?;
        (page.more || page.commit == *self.commits.borrow()).then(|| Arc::clone(page))
    }

    /// The page behind a cursor. Blocks. `None` while watchers that do not read hold all the memory there is for pages.
    ///
    /// # Errors
    /// What the store says.
    pub fn read(&self, after: TailCursor) -> Result<Option<Arc<LivePage>>, StoreError> {
        // Holding the lock while reading makes those that wait for the same page share the read.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(page) = self.find(&kept, after) {
            return Ok(Some(page));
        }
        if self.held.load(Ordering::Relaxed) >= HELD_BYTES_MAX {
            kept.clear();
            if self.held.load(Ordering::Relaxed) >= HELD_BYTES_MAX {
                return Ok(None);
            }
        }
        kept.retain(|(cursor, _)| *cursor != after);
        // Asked before the read, which then sees this commit or a later one.
        let commit = *self.commits.borrow();
        let page = self.store.tail(after, TAIL_PAGE_EVENTS)?;
        let events: Vec<_> = page.events.into_iter().map(LiveEvent::new).collect();
        let bytes = events.iter().map(LiveEvent::bytes).sum();
        self.held.fetch_add(bytes, Ordering::Relaxed);
        let held = Arc::clone(&self.held);
        let page = Arc::new(LivePage { events, next: page.next, gap: page.gap, more: page.more, commit, bytes, held });
        if !page.events.is_empty() && !page.gap {
            kept.push_front((after, Arc::clone(&page)));
            let mut bytes = 0;
            let fits = |(_, page): &&(TailCursor, Arc<LivePage>)| {
                bytes += page.bytes;
                bytes <= KEPT_BYTES_MAX
            };
            let fitting = kept.iter().take(PAGES_KEPT).take_while(fits).count();
            kept.truncate(fitting.max(1));
        }
        Ok(Some(page))
    }
}
