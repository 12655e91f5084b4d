//! A store that fails when it is told to, for tests of whoever stands in front of one.
//!
//! In: everything another store takes. Out: what that store says, but for the chosen appends, which write nothing and
//! give the chosen error.

use super::{
    Appended, Batch, EventPage, EventQuery, SharedStore, Store, StoreError, StoreFuture, StoreStats, TailCursor,
    TailPage, TokenRecord,
};
use crate::model::{EventId, Micros, QuarantinedItem, StoredEvent};
use std::{
    ops::Range,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

/// Fails the appends whose number, counted from 0, lies in a range.
pub struct Faulty {
    inner: SharedStore,
    fails: Range<u64>,
    error: StoreError,
    appends: AtomicU64,
}

impl Faulty {
    /// In front of another store.
    pub fn new(inner: SharedStore, fails: Range<u64>, error: StoreError) -> Self {
        Self { inner, fails, error, appends: AtomicU64::new(0) }
    }

    /// How many appends were tried.
    pub fn appends(&self) -> u64 {
        self.appends.load(Ordering::SeqCst)
    }

    fn fault<T>(&self) -> Option<StoreFuture<T>> {
        let number = self.appends.fetch_add(1, Ordering::SeqCst);
        let error = self.error.clone();
        self.fails.contains(&number).then(|| Box::pin(async move { Err(error) }) as StoreFuture<T>)
    }
}

impl Store for Faulty {
    fn append(&self, batch: Batch) -> StoreFuture<Appended> {
        self.fault().unwrap_or_else(|| self.inner.append(batch))
    }
    fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        self.inner.events(query)
    }
    fn event(&self, id: EventId) -> Result<Option<StoredEvent>, StoreError> {
        self.inner.event(id)
    }
    fn tail(&self, after: TailCursor, limit: usize) -> Result<TailPage, StoreError> {
        self.inner.tail(after, limit)
    }
    fn tail_end(&self) -> Result<TailCursor, StoreError> {
        self.inner.tail_end()
    }
    fn commits(&self) -> tokio::sync::watch::Receiver<u64> {
        self.inner.commits()
    }
    fn acks(&self, token: &str, channel: &str, ids: Vec<u64>) -> StoreFuture<Vec<bool>> {
        self.inner.acks(token, channel, ids)
    }
    fn quarantine(&self, before: Option<i64>, limit: usize, all: bool) -> Result<Vec<QuarantinedItem>, StoreError> {
        self.inner.quarantine(before, limit, all)
    }
    fn quarantined(&self, id: i64) -> Result<Option<QuarantinedItem>, StoreError> {
        self.inner.quarantined(id)
    }
    fn replay(&self, id: i64, batch: Batch, now: Micros) -> StoreFuture<Appended> {
        self.fault().unwrap_or_else(|| self.inner.replay(id, batch, now))
    }
    fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError> {
        self.inner.tokens()
    }
    fn add_token(&self, token: TokenRecord) -> StoreFuture<bool> {
        self.inner.add_token(token)
    }
    fn revoke_token(&self, name: &str, now: Micros) -> StoreFuture<usize> {
        self.inner.revoke_token(name, now)
    }
    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.meta(key)
    }
    fn set_meta(&self, key: &str, value: Vec<u8>) -> StoreFuture<()> {
        self.inner.set_meta(key, value)
    }
    fn backup(&self, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<(), StoreError> {
        self.inner.backup(to, progress)
    }
    fn lives(&self) -> &dyn super::Lives {
        self.inner.lives()
    }
    fn trail(&self) -> &dyn super::Trail {
        self.inner.trail()
    }
    fn stats(&self) -> StoreStats {
        self.inner.stats()
    }
    fn probe(&self) -> StoreFuture<()> {
        self.inner.probe()
    }
    fn close(&self) -> StoreFuture<()> {
        self.inner.close()
    }
}
