//! Audit logs in memory, for tests of whoever asks for them.
//!
//! In: drafts. Out: what [`Trail`] promises of records, nodes and checkpoints; twins are not linked and nothing is ever altered.

use super::{
    Order, StoreError, StoreFuture, TextSearch, Trail,
    trail::{
        Checks, EventSlice, Finding, Hash, Head, NodeId, PruneRequest, Pruned, Record, RecordFilter, RecordPage,
        RecordQuery, Seen, SigningKey, Slice, Upto, Verified,
    },
};
use crate::{
    audit::{
        Draft, Log, canonical,
        tree::{leaf_hash, node_hash},
    },
    model::Micros,
};
use std::{
    ops::ControlFlow,
    sync::{Mutex, MutexGuard, PoisonError},
};

#[derive(Default)]
struct Inner {
    logs: [Vec<(Draft, Record)>; 2],
    heads: Vec<Head>,
    keys: Vec<SigningKey>,
    pruned: Vec<Pruned>,
    hold: Option<String>,
}

/// Both logs.
#[derive(Default)]
pub struct MemoryTrail {
    inner: Mutex<Inner>,
}

impl MemoryTrail {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends to any log; gives the number.
    pub fn push(&self, log: Log, draft: Draft) -> u64 {
        let records = &mut self.inner().logs[log as usize];
        let seq = records.len() as u64 + 1;
        let body = canonical(seq, &draft.body());
        let leaf = leaf_hash(body.as_bytes());
        let record = Record { seq, at: draft.at.micros(), body: Some(body), leaf, twins: Vec::new() };
        records.push((draft, record));
        seq
    }
}

fn node(records: &[(Draft, Record)], NodeId { level, index }: NodeId) -> Option<Hash> {
    if level == 0 {
        return records.get(index as usize).map(|(_, record)| record.leaf);
    }
    let child = |right| node(records, NodeId { level: level - 1, index: index * 2 + right });
    Some(node_hash(&child(0)?, &child(1)?))
}

fn fits(filter: &RecordFilter, text: Option<&TextSearch>, draft: &Draft, record: &Record) -> bool {
    let is =
        |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| found == Some(wanted));
    let resource = [&draft.primary, &draft.secondary].into_iter().any(|it| {
        is(&filter.resource_type, it.as_ref().map(|it| it.kind.as_str()))
            && is(&filter.resource_id, it.as_ref().and_then(|it| it.id.as_deref()))
    });
    resource
        && is(&filter.actor, draft.actor.id.as_deref())
        && is(&filter.action, Some(&draft.action))
        && is(&filter.event, Some(&draft.event))
        && is(&filter.use_case, Some(&draft.use_case))
        && is(&filter.method, draft.method.as_deref())
        && filter.event_id.is_none_or(|id| draft.event_id == Some(id))
        && filter.from.is_none_or(|from| record.at >= from)
        && filter.to.is_none_or(|to| record.at < to)
        && filter.fine.holds(filter.from, filter.to, draft.at)
        && text.is_none_or(|text| record.body.as_deref().is_some_and(|body| text.is_in(body)))
}

fn ready<T: Send + 'static>(value: T) -> StoreFuture<T> {
    Box::pin(async { Ok(value) })
}

impl Trail for MemoryTrail {
    fn size(&self, log: Log) -> Result<u64, StoreError> {
        Ok(self.inner().logs[log as usize].len() as u64)
    }

    fn records(&self, query: &RecordQuery) -> Result<RecordPage, StoreError> {
        let text = query.filter.q.as_deref().map(TextSearch::new).transpose()?;
        let inner = self.inner();
        let wanted = |(draft, record): &&(Draft, Record)| {
            let behind = query.after.is_none_or(|after| match query.order {
                Order::Asc => record.seq > after,
                Order::Desc => record.seq < after,
            });
            behind
                && query.size.is_none_or(|size| record.seq <= size)
                && fits(&query.filter, text.as_ref(), draft, record)
        };
        let found = inner.logs[query.log as usize].iter().filter(wanted).map(|(_, record)| record.clone());
        let mut records: Vec<Record> = found.collect();
        if query.order == Order::Desc {
            records.reverse();
        }
        let more = records.len() > query.limit;
        records.truncate(query.limit);
        let next = records.last().map(|record| record.seq).filter(|_| more);
        Ok(RecordPage { records, next })
    }

    fn nodes(&self, log: Log, ids: &[NodeId]) -> Result<Vec<Hash>, StoreError> {
        let inner = self.inner();
        let found = ids.iter().map(|id| node(&inner.logs[log as usize], *id));
        found.collect::<Option<_>>().ok_or_else(|| StoreError::Damaged("node".to_owned()))
    }

    fn heads(&self, log: Log, size_max: Option<u64>, limit: usize) -> Result<Vec<Head>, StoreError> {
        let inner = self.inner();
        let wanted = |head: &&Head| head.log == log && size_max.is_none_or(|size| head.size <= size);
        let mut heads: Vec<Head> = inner.heads.iter().rev().filter(wanted).cloned().collect();
        heads.sort_by_key(|head| std::cmp::Reverse(head.size));
        heads.truncate(limit);
        Ok(heads)
    }

    fn keep_head(&self, head: Head) -> StoreFuture<()> {
        self.inner().heads.push(head);
        ready(())
    }

    fn record(&self, draft: Draft) -> StoreFuture<u64> {
        let own_id = draft.own_id.or(Some(uuid::Uuid::new_v4().as_u128()));
        ready(self.push(Log::Access, Draft { own_id, ..draft }))
    }

    fn prune(&self, request: PruneRequest) -> StoreFuture<Vec<Pruned>> {
        let mut inner = self.inner();
        let mut removed: Vec<Pruned> = Vec::new();
        if inner.hold.is_some() {
            return ready(removed);
        }
        for (log, before) in [(Log::Trail, request.trail_before), (Log::Access, request.access_before)] {
            for (_, record) in &mut inner.logs[log as usize] {
                if before.is_some_and(|before| record.at < before) && record.body.take().is_some() {
                    match removed.last_mut() {
                        Some(last) if last.log == log && last.last + 1 == record.seq => last.last = record.seq,
                        _ => {
                            let (first, reason) = (record.seq, request.reason.clone());
                            removed.push(Pruned { log, first, last: first, at: record.at, reason });
                        }
                    }
                }
            }
        }
        inner.pruned.extend(removed.iter().cloned());
        ready(removed)
    }

    fn sweep(&self, _: Micros) -> StoreFuture<u64> {
        ready(0)
    }

    fn pruned(&self, log: Log) -> Result<Vec<Pruned>, StoreError> {
        Ok(self.inner().pruned.iter().filter(|range| range.log == log).cloned().collect())
    }

    fn hold(&self) -> Result<Option<String>, StoreError> {
        Ok(self.inner().hold.clone())
    }

    fn set_hold(&self, reason: Option<String>) -> StoreFuture<()> {
        self.inner().hold = reason;
        ready(())
    }

    fn store_id(&self) -> Result<[u8; 16], StoreError> {
        Ok([7; 16])
    }

    fn keys(&self) -> Result<Vec<SigningKey>, StoreError> {
        Ok(self.inner().keys.clone())
    }

    fn keep_key(&self, key: SigningKey) -> StoreFuture<()> {
        let keys = &mut self.inner().keys;
        if keys.iter().all(|known| known.public != key.public) {
            keys.push(key);
        }
        ready(())
    }

    fn filling(&self) -> Result<bool, StoreError> {
        Ok(false)
    }

    fn verify_slice(
        &self,
        log: Log,
        from: u64,
        n: u64,
        _: &Checks<'_>,
        _: &mut dyn FnMut(Finding),
    ) -> Result<Slice, StoreError> {
        let size = self.size(log)?;
        let next = from.saturating_add(n);
        Ok(Slice { next: (next <= size).then_some(next), records: n.min((size + 1).saturating_sub(from)) })
    }

    fn verify_events(
        &self,
        _: Upto,
        _: u64,
        _: &Checks<'_>,
        _: &mut dyn FnMut(Finding),
    ) -> Result<EventSlice, StoreError> {
        Ok(EventSlice { next: None, events: 0 })
    }

    fn verify(&self, _: &Checks<'_>, see: &mut dyn FnMut(Seen) -> ControlFlow<()>) -> Result<Verified, StoreError> {
        let (trail, access) = (self.size(Log::Trail)?, self.size(Log::Access)?);
        let whole = see(Seen::Progress { done: trail + access, of: trail + access }).is_continue();
        Ok(Verified { trail, access, whole, ..Verified::default() })
    }
}
