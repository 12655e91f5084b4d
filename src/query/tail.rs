//! The newest arrivals, read and written out once for everybody who watches.
//!
//! In: a cursor. Out: the page behind it, shared, so those that watch side by side share one read and one text of each
//! event; a slow watcher falls out of the few kept pages and reads for itself. A page that reached the end is only
//! good until the next commit. No watcher has a queue, so none can grow one.

use super::render::EventView;
use crate::{
    model::StoredEvent,
    store::{SharedStore, StoreError, TailCursor},
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};
use tokio::sync::watch;

/// Most events of a page.
const TAIL_PAGE_EVENTS: usize = 128;

/// Pages that are kept for others.
const PAGES_KEPT: usize = 8;

/// An arrival.
#[derive(Debug)]
pub struct LiveEvent {
    /// The place behind it.
    pub cursor: TailCursor,
    /// What arrived.
    pub event: StoredEvent,
    text: OnceLock<String>,
}

impl LiveEvent {
    /// The event's JSON, written when it is first asked for.
    pub fn text(&self) -> &str {
        self.text.get_or_init(|| {
            serde_json::to_string(&EventView::new(&self.event, false)).expect("the view has text keys only")
        })
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
}

/// The shared reader.
pub struct Tails {
    store: SharedStore,
    commits: watch::Receiver<u64>,
    kept: Mutex<VecDeque<(TailCursor, Arc<LivePage>)>>,
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
        Self { commits: store.commits(), store, kept: Mutex::default() }
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

    /// The page behind a cursor. Blocks.
    ///
    /// # Errors
    /// What the store says.
    pub fn read(&self, after: TailCursor) -> Result<Arc<LivePage>, StoreError> {
        // Holding the lock while reading makes those that wait for the same page share the read.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(page) = self.find(&kept, after) {
            return Ok(page);
        }
        kept.retain(|(cursor, _)| *cursor != after);
        // Asked before the read, which then sees this commit or a later one.
        let commit = *self.commits.borrow();
        let page = self.store.tail(after, TAIL_PAGE_EVENTS)?;
        let more = page.events.len() == TAIL_PAGE_EVENTS;
        let live = |(cursor, event)| LiveEvent { cursor, event, text: OnceLock::new() };
        let events = page.events.into_iter().map(live).collect();
        let page = Arc::new(LivePage { events, next: page.next, gap: page.gap, more, commit });
        if !page.events.is_empty() && !page.gap {
            kept.truncate(PAGES_KEPT - 1);
            kept.push_front((after, Arc::clone(&page)));
        }
        Ok(page)
    }
}
