//! A store in memory, whose writes can be made to fail.

use crate::{
    model::{EventId, EventKey, Micros, QuarantinedItem, StoredEvent},
    query::lives::fake::FakeLives,
    store::{
        Appended, Batch, EventPage, EventQuery, Order, Outcome, Store, StoreError, StoreFuture, StoreStats, TailCursor,
        TailPage, TokenRecord, memory_trail::MemoryTrail,
    },
};
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;

#[derive(Default)]
struct Inner {
    events: BTreeMap<EventKey, StoredEvent>,
    arrivals: Vec<(TailCursor, EventKey)>,
    commits: u64,
    quarantine: Vec<QuarantinedItem>,
    acks: HashMap<(String, String), Vec<bool>>,
    tokens: Vec<TokenRecord>,
    meta: HashMap<String, Vec<u8>>,
    fails: Option<StoreError>,
    closed: bool,
    probes: usize,
    /// Arrivals before this commit are forgotten.
    forgotten: u64,
}

/// How many appends run at a time.
#[derive(Default)]
struct Appends {
    running: AtomicUsize,
    most: AtomicUsize,
    /// Milliseconds that each takes.
    slow_ms: AtomicU64,
}

pub(super) struct FakeStore {
    inner: Mutex<Inner>,
    appends: Appends,
    commits: watch::Sender<u64>,
    pub lives: FakeLives,
    pub trail: MemoryTrail,
}

impl Default for FakeStore {
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            appends: Appends::default(),
            commits: watch::Sender::new(0),
            lives: FakeLives::default(),
            trail: MemoryTrail::default(),
        }
    }
}

impl FakeStore {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no test panics inside")
    }

    /// Makes every write fail, or work again.
    pub fn fail_with(&self, error: Option<StoreError>) {
        self.inner().fails = error;
    }

    /// Makes every append take its time.
    pub fn slow_down(&self, time: Duration) {
        self.appends.slow_ms.store(time.as_millis() as u64, Ordering::Relaxed);
    }

    /// Most appends that ran at a time.
    pub fn appends_at_a_time(&self) -> usize {
        self.appends.most.load(Ordering::Relaxed)
    }

    pub fn is_closed(&self) -> bool {
        self.inner().closed
    }

    pub fn probes(&self) -> usize {
        self.inner().probes
    }

    pub fn forget_arrivals_before(&self, commit: u64) {
        self.inner().forgotten = commit;
    }

    pub fn quarantine_len(&self) -> usize {
        self.inner().quarantine.len()
    }

    fn write<T>(&self, write: impl FnOnce(&mut Inner) -> T) -> StoreFuture<T>
    where
        T: Send + 'static,
    {
        let mut inner = self.inner();
        let result = match &inner.fails {
            _ if inner.closed => Err(StoreError::Closed),
            Some(error) => Err(error.clone()),
            None => Ok(write(&mut inner)),
        };
        let arrived = inner.commits;
        drop(inner);
        self.commits.send_replace(arrived);
        Box::pin(async { result })
    }
}

impl Inner {
    fn append(&mut self, batch: Batch) -> Appended {
        self.commits += 1;
        let mut seen = 0;
        let delivery = batch.delivery;
        let outcomes = batch.events.into_iter().map(|new| {
            if let Some(stored) = self.events.get_mut(&new.key) {
                stored.deliveries += 1;
                return Outcome::Duplicate(new.key);
            }
            seen += 1;
            self.arrivals.push((TailCursor { commit: self.commits, seen }, new.key));
            let stored = StoredEvent {
                id: EventId(new.key),
                event: new.event,
                verdict: new.verdict,
                raw: new.raw,
                received_us: new.received_us,
                protocol: delivery.protocol.into(),
                token: delivery.token.to_string(),
                deliveries: 1,
            };
            self.events.insert(new.key, stored);
            Outcome::Stored(new.key)
        });
        let outcomes = outcomes.collect();
        let mut quarantine_ids = Vec::new();
        for item in batch.quarantine {
            let id = self.quarantine.len() as i64 + 1;
            quarantine_ids.push(id);
            self.quarantine.push(QuarantinedItem {
                id,
                reason: item.reason,
                bytes: item.bytes,
                protocol: delivery.protocol.into(),
                token: delivery.token.to_string(),
                received_us: item.received_us,
                deliveries: 1,
                replayed_us: None,
            });
        }
        let ack_id = batch.ack_channel.map(|channel| {
            let acks = self.acks.entry((delivery.token.to_string(), channel)).or_default();
            acks.push(true);
            acks.len() as u64 - 1
        });
        Appended { outcomes, quarantine_ids, ack_id }
    }
}

impl Store for FakeStore {
    fn append(&self, batch: Batch) -> StoreFuture<Appended> {
        let running = self.appends.running.fetch_add(1, Ordering::Relaxed) + 1;
        self.appends.most.fetch_max(running, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(self.appends.slow_ms.load(Ordering::Relaxed)));
        self.appends.running.fetch_sub(1, Ordering::Relaxed);
        self.write(|inner| inner.append(batch))
    }

    fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        let inner = self.inner();
        let behind = |key: &EventKey| match (query.order, query.after) {
            (_, None) => true,
            (Order::Asc, Some(after)) => *key > after,
            (Order::Desc, Some(after)) => *key < after,
        };
        let matcher = crate::query::Matcher::new(query.filter.clone())?;
        let fits = |(key, event): &(&EventKey, &StoredEvent)| behind(key) && matcher.matches(event);
        let mut found: Vec<StoredEvent> = inner.events.iter().filter(fits).map(|(_, event)| event.clone()).collect();
        if query.order == Order::Desc {
            found.reverse();
        }
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        let next = if more { found.last().map(|event| event.id.0) } else { None };
        Ok(EventPage { events: found, next })
    }

    fn event(&self, id: EventId) -> Result<Option<StoredEvent>, StoreError> {
        Ok(self.inner().events.get(&id.0).cloned())
    }

    fn tail(&self, after: TailCursor, limit: usize) -> Result<TailPage, StoreError> {
        let inner = self.inner();
        let gap = after.commit + 1 < inner.forgotten;
        let after = if gap { TailCursor { commit: inner.forgotten - 1, seen: u32::MAX } } else { after };
        let mut events: Vec<_> = inner
            .arrivals
            .iter()
            .filter(|(cursor, _)| *cursor > after)
            .take(limit + 1)
            .map(|(cursor, key)| (*cursor, inner.events[key].clone()))
            .collect();
        let more = events.len() > limit;
        events.truncate(limit);
        let next = events.last().map_or(after, |(cursor, _)| *cursor);
        Ok(TailPage { events, next, more, gap })
    }

    fn tail_end(&self) -> Result<TailCursor, StoreError> {
        Ok(self.inner().arrivals.last().map_or_else(TailCursor::default, |(cursor, _)| *cursor))
    }

    fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }

    fn acks(&self, token: &str, channel: &str, ids: Vec<u64>) -> StoreFuture<Vec<bool>> {
        let key = (token.to_owned(), channel.to_owned());
        self.write(move |inner| {
            let acks = inner.acks.entry(key).or_default();
            ids.into_iter().map(|id| acks.get_mut(id as usize).is_some_and(std::mem::take)).collect()
        })
    }

    fn quarantine(&self, before: Option<i64>, limit: usize, all: bool) -> Result<Vec<QuarantinedItem>, StoreError> {
        let inner = self.inner();
        let wanted = |item: &&QuarantinedItem| {
            before.is_none_or(|before| item.id < before) && (all || item.replayed_us.is_none())
        };
        Ok(inner.quarantine.iter().rev().filter(wanted).take(limit).cloned().collect())
    }

    fn quarantined(&self, id: i64) -> Result<Option<QuarantinedItem>, StoreError> {
        Ok(self.inner().quarantine.iter().find(|item| item.id == id).cloned())
    }

    fn replay(&self, id: i64, batch: Batch, now: Micros) -> StoreFuture<Appended> {
        self.write(move |inner| {
            for item in inner.quarantine.iter_mut().filter(|item| item.id == id) {
                item.replayed_us = Some(now);
            }
            inner.append(batch)
        })
    }

    fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError> {
        Ok(self.inner().tokens.clone())
    }

    fn add_token(&self, token: TokenRecord) -> StoreFuture<bool> {
        self.write(|inner| {
            let same = |other: &TokenRecord| {
                other.name == token.name && other.kind == token.kind && other.revoked_us.is_none()
            };
            let free = !inner.tokens.iter().any(same);
            if free {
                inner.tokens.push(token);
            }
            free
        })
    }

    fn revoke_token(&self, name: &str, now: Micros) -> StoreFuture<usize> {
        let name = name.to_owned();
        self.write(move |inner| {
            let good = |token: &&mut TokenRecord| token.name == name && token.revoked_us.is_none();
            inner.tokens.iter_mut().filter(good).map(|token| token.revoked_us = Some(now)).count()
        })
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.inner().meta.get(key).cloned())
    }

    fn set_meta(&self, key: &str, value: Vec<u8>) -> StoreFuture<()> {
        let key = key.to_owned();
        self.write(|inner| {
            inner.meta.insert(key, value);
        })
    }

    fn backup(&self, _to: &Path, _progress: &mut dyn FnMut(u64, u64)) -> Result<(), StoreError> {
        Err(StoreError::Engine("a store in memory has no copy".into()))
    }

    fn trail(&self) -> &dyn crate::store::Trail {
        &self.trail
    }

    fn lives(&self) -> &dyn crate::store::Lives {
        &self.lives
    }

    fn stats(&self) -> StoreStats {
        let inner = self.inner();
        StoreStats {
            events: inner.events.len() as u64,
            quarantined: inner.quarantine.len() as u64,
            queue_batches_max: 8,
            commits: inner.commits,
            write_error: inner.fails.clone(),
            unfolded: self.lives.kept().unfolded,
            ..StoreStats::default()
        }
    }

    fn probe(&self) -> StoreFuture<()> {
        self.inner().probes += 1;
        self.write(|_| ())
    }

    fn close(&self) -> StoreFuture<()> {
        let closing = self.write(|_| ());
        self.inner().closed = true;
        closing
    }
}
