//! When the writer folds again what came late: when nothing else waits, when somebody waits for it, or when it has waited for
//! long. Each turn is a bounded piece of work in a transaction of its own, so that those who deliver events hardly notice.

use super::{
    job::{Job, Reply},
    writer::{Writer, now_us},
};
use std::time::{Duration, Instant};

/// How long nothing must come before the writer tidies up.
const IDLE: Duration = Duration::from_secs(1);
/// How long nothing must come before rows that are behind are written.
const PAUSE_OF_SENDERS: Duration = Duration::from_millis(20);
/// How long nothing must come before late events are folded: more may be on their way.
const LULL: Duration = Duration::from_millis(100);
/// What waits longer than this gets turns between commits.
const OVERDUE: Duration = Duration::from_secs(5);
/// At most one of those in this time.
const OVERDUE_EVERY: Duration = Duration::from_millis(100);
/// How long somebody waits for late events to be folded.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// After a turn that failed.
const PAUSE: Duration = Duration::from_secs(5);

/// Somebody who waits for late events to be folded.
#[derive(Debug)]
struct Waiter {
    /// Numbers of the connections; `None`: all.
    conns: Option<Vec<i64>>,
    /// The last commit when they asked; for all connections its rows are waited for, too.
    commit: u64,
    until: Instant,
    reply: Reply<u64>,
}

/// The turns that are due.
#[derive(Debug, Default)]
pub struct Turns {
    waiters: Vec<Waiter>,
    last: Option<Instant>,
    /// Whether the last turn was taken because nothing else waited: then the next one follows at once.
    idle: bool,
    not_before: Option<Instant>,
}

impl Writer {
    /// How long to wait for jobs before a turn.
    pub fn patience(&self) -> Duration {
        let blocked = self.turns.not_before.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()));
        if self.folder.waiting().0 == 0 && self.folder.unwritten() == 0 {
            IDLE
        } else if self.folder.waiting().0 == 0 && blocked.is_zero() && self.turns.waiters.is_empty() {
            PAUSE_OF_SENDERS
        } else if !blocked.is_zero() {
            blocked.min(IDLE)
        } else if self.turns.idle || !self.turns.waiters.is_empty() {
            Duration::ZERO
        } else {
            LULL
        }
    }

    /// Notes who waits for late events to be folded.
    pub fn take_requests(&mut self, jobs: Vec<Job>) {
        for job in jobs {
            let Job::Settle { connection_id, reply } = job else { continue };
            let conns = match (&connection_id, self.database()) {
                (Some(id), Some(db)) => match self.folder.waiting_of(db, id) {
                    Ok(conns) => Some(conns),
                    Err(error) => {
                        drop(reply.send(Err(error.explain())));
                        continue;
                    }
                },
                _ => None,
            };
            // A pause after a failure ends when somebody asks.
            self.turns.not_before = None;
            let until = Instant::now() + WAIT_MAX;
            self.turns.waiters.push(Waiter { conns, commit: self.last_commit(), until, reply });
        }
        self.answer_waiters();
    }

    /// Folds a piece of what came late, when it is time. `idle`: nothing else waits. False when there was nothing to do.
    pub fn fold_turn(&mut self, idle: bool) -> bool {
        self.turns.idle = false;
        self.folder.wake();
        let (waiting, since) = self.folder.waiting();
        let now = Instant::now();
        let unwritten = self.folder.unwritten();
        if waiting == 0 && unwritten == 0 || self.turns.not_before.is_some_and(|at| now < at) {
            self.answer_waiters();
            return false;
        }
        let waited = since.map_or(0, |since| now_us().saturating_sub(since));
        let overdue = waited > OVERDUE.as_micros() as i64
            && self.turns.last.is_none_or(|last| now.duration_since(last) >= OVERDUE_EVERY);
        if !idle && !overdue && self.turns.waiters.is_empty() {
            return false;
        }
        let wanted: Vec<i64> =
            self.turns.waiters.iter().filter_map(|it| it.conns.as_deref()).flatten().copied().collect();
        let outcome = self.attempt(0, |tx| tx.folder.turn(tx.db, &wanted, tx.counters.commit));
        self.turns.last = Some(Instant::now());
        match outcome {
            Ok(()) => {
                self.turns.idle = idle;
                self.turns.not_before = None;
                self.answer_waiters();
            }
            Err(error) => {
                let error = error.explain();
                tracing::warn!("folding late events: {error}");
                self.turns.not_before = Some(Instant::now() + PAUSE);
                for waiter in self.turns.waiters.drain(..) {
                    drop(waiter.reply.send(Err(error.clone())));
                }
            }
        }
        true
    }

    /// Answers those whose connections are folded, and those who have waited long enough.
    fn answer_waiters(&mut self) {
        let now = Instant::now();
        let folder = &self.folder;
        let left = |waiter: &Waiter| match &waiter.conns {
            Some(conns) => conns.iter().filter(|conn| folder.waits(**conn)).count() as u64,
            None => folder.waiting().0 + folder.unwritten_of(waiter.commit),
        };
        for waiter in self.turns.waiters.extract_if(.., |waiter| now >= waiter.until || left(waiter) == 0) {
            let left = left(&waiter);
            drop(waiter.reply.send(Ok(left)));
        }
    }

    /// Before the end: answers who still waits and keeps every state in memory, so that the next start is quick.
    pub fn fold_end(&mut self) {
        for waiter in std::mem::take(&mut self.turns.waiters) {
            drop(waiter.reply.send(Ok(self.folder.waiting().0)));
        }
        if self.folder.is_on()
            && self.database().is_some()
            && let Err(error) = self.attempt(0, |tx| tx.folder.save_all(tx.db, tx.counters.commit))
        {
            tracing::warn!("keeping states at the end: {}", error.explain());
        }
    }
}
