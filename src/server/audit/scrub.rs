//! The gentle search for altered records and for events that cannot be read, and retention.
//!
//! In: the store. Out: counts of what was looked at and of what does not fit, an error in the log for each new finding (bounded), and
//! removals by retention, each of which the store itself records in the access log. One pass over both logs and all events takes about
//! as long as the settings say: a slice, a pause, a slice.

use super::{Auditor, blocking};
use crate::{
    audit::{Actor, Deed, Log},
    model::{DAY_US, Micros},
    server::state::now_us,
    store::{
        SharedStore, StoreError,
        trail::{Checks, Finding, PruneRequest, Upto},
    },
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::sleep;

/// Records of one slice, and events.
const SLICE: u64 = 256;
const EVENTS: u64 = 2048;

/// The longest and the shortest pause between slices.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(60));

/// Findings of a pass that are logged one by one.
const SHOWN_MAX: u64 = 100;

/// What was found so far.
#[derive(Debug, Default)]
pub struct Scrub {
    records: AtomicU64,
    passes: AtomicU64,
    last_pass_us: AtomicI64,
    /// Of the last whole pass.
    before: AtomicU64,
    /// Of this pass.
    now: AtomicU64,
}

impl Scrub {
    /// Records looked at since the start.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Whole passes since the start.
    pub fn passes(&self) -> u64 {
        self.passes.load(Ordering::Relaxed)
    }

    /// When the last one ended, microseconds; 0 before.
    pub fn last_pass_us(&self) -> i64 {
        self.last_pass_us.load(Ordering::Relaxed)
    }

    /// Places that do not fit.
    pub fn damaged(&self) -> u64 {
        self.before.load(Ordering::Relaxed).max(self.now.load(Ordering::Relaxed))
    }

    /// Says what does not fit, then counts it: who sees the count finds the line.
    fn found(&self, finding: &Finding) {
        if self.now.load(Ordering::Relaxed) < SHOWN_MAX {
            match finding.seq {
                Some(record) => tracing::error!(log = finding.log.as_str(), record, "AUDIT TRAIL: {finding}"),
                None => tracing::error!("STORE: {finding}"),
            }
        }
        self.now.fetch_add(1, Ordering::Relaxed);
    }

    fn end_pass(&self) {
        // In this order: the greater of both never falls in between.
        self.before.store(self.now.load(Ordering::Relaxed), Ordering::Relaxed);
        self.now.store(0, Ordering::Relaxed);
        self.passes.fetch_add(1, Ordering::Relaxed);
        self.last_pass_us.store(now_us(), Ordering::Relaxed);
    }
}

/// How long to wait after a slice, so that all of them fill the time of a pass.
fn pause(auditor: &Auditor, store: &SharedStore) -> Result<Duration, StoreError> {
    let records = store.trail().size(Log::Trail)? + store.trail().size(Log::Access)?;
    let slices = records.div_ceil(SLICE) + store.stats().events.div_ceil(EVENTS);
    Ok(auditor.settings.scrub_every / u32::try_from(slices.max(1)).unwrap_or(u32::MAX))
}

/// Looks at all of something, slice by slice, with a pause behind each. `look` gives where the next slice begins; one that fails is
/// tried again.
async fn through<P: Copy + Send + 'static>(
    auditor: &Arc<Auditor>,
    store: &SharedStore,
    first: P,
    what: &str,
    look: impl Fn(&Auditor, &SharedStore, P) -> Result<Option<P>, StoreError> + Copy + Send + 'static,
) {
    let mut next = Some(first);
    while let Some(from) = next {
        let slice = {
            let (auditor, store) = (Arc::clone(auditor), Arc::clone(store));
            blocking(move || Ok((look(&auditor, &store, from)?, pause(&auditor, &store)?)))
        };
        let pause = match slice.await {
            Ok((after, pause)) => {
                next = after;
                pause
            }
            Err(error) => {
                tracing::warn!("{what} cannot be looked at now: {error}");
                PAUSES.1
            }
        };
        sleep(pause.clamp(PAUSES.0, PAUSES.1)).await;
    }
}

/// Looks at everything, again and again. A pass ends with the checkpoints outside the store: the start has just looked at those.
pub async fn run(auditor: Arc<Auditor>, store: SharedStore) {
    loop {
        let began = std::time::Instant::now();
        for log in Log::ALL {
            through(&auditor, &store, 1, "the audit logs", move |auditor, store, from| {
                let scrub = &auditor.scrub;
                let checks = Checks { events: true, key: Some(auditor.current()), ..Checks::default() };
                let slice = store.trail().verify_slice(log, from, SLICE, &checks, &mut |it| scrub.found(&it))?;
                scrub.records.fetch_add(slice.records, Ordering::Relaxed);
                Ok(slice.next)
            })
            .await;
        }
        through(&auditor, &store, Upto::Start, "events", |auditor, store, from| {
            let found = &mut |it| auditor.scrub.found(&it);
            Ok(store.trail().verify_events(from, EVENTS, &Checks::default(), found)?.next)
        })
        .await;
        let witness = Arc::clone(&auditor);
        if let Err(error) = blocking(move || witness.outside()).await {
            tracing::warn!("the audit logs cannot be compared with their checkpoints outside: {error}");
        }
        auditor.scrub.end_pass();
        let left = auditor.settings.scrub_every.saturating_sub(began.elapsed());
        sleep(left.max(Duration::from_secs(1))).await;
    }
}

/// Removes what is past its retention, and says so in the access log.
pub async fn retain(auditor: &Auditor, store: &SharedStore) {
    let settings = &auditor.settings;
    if settings.legal_hold {
        return;
    }
    sweep(auditor, store).await;
    for (log, days) in [(Log::Trail, settings.retention_audit_days), (Log::Access, settings.retention_access_days)] {
        if days == 0 {
            continue;
        }
        let before = days_ago(days);
        let of = |wanted: Log| (log == wanted).then_some(before);
        let reason = format!("retention {days} days");
        let request = PruneRequest { trail_before: of(Log::Trail), access_before: of(Log::Access), reason };
        match store.trail().prune(request).await {
            Ok(ranges) if ranges.is_empty() => {}
            Ok(ranges) => {
                let records: u64 = ranges.iter().map(|range| range.last - range.first + 1).sum();
                tracing::info!(log = log.as_str(), records, "retention removed the texts of {records} audit records");
            }
            // The server stops; the next one goes on.
            Err(StoreError::Closed) => return,
            Err(error) => tracing::warn!("retention of the {} log did not finish: {error}", log.as_str()),
        }
    }
}

fn days_ago(days: u64) -> Micros {
    now_us().saturating_sub(i64::try_from(days).unwrap_or(i64::MAX).saturating_mul(DAY_US))
}

/// Removes steps of syncs past their retention, and says so in the access log.
async fn sweep(auditor: &Auditor, store: &SharedStore) {
    let days = auditor.settings.retention_detail_days;
    if days == 0 {
        return;
    }
    match store.trail().sweep(days_ago(days)).await {
        Ok(0) => {}
        Ok(events) => {
            tracing::info!(events, "retention removed {events} events that are single steps of syncs");
            let details = vec![("events", events.into()), ("reason", format!("retention {days} days").into())];
            let on = ("EVENTS", "detail".to_owned());
            let deed = Deed { event: "retention_run", action: "DELETE", on, details };
            auditor.note(deed, (Actor::ourselves(), "SYSTEM")).await;
        }
        Err(StoreError::Closed) => {}
        Err(error) => tracing::warn!("retention of sync detail did not finish: {error}"),
    }
}
