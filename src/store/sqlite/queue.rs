//! The bounded line in front of the writer thread.
//!
//! In: jobs with a weight. Out: everything that waits, in order, up to a bound. Refused: what would pass the bound on number
//! or weight, and everything once the store is closing.

use crate::store::StoreError;
use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Bounds.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Jobs waiting.
    pub jobs_max: usize,
    /// Their weight, in bytes.
    pub bytes_max: usize,
}

/// Many push, one drains.
#[derive(Debug)]
pub struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    limits: Limits,
}

#[derive(Debug)]
struct State<T> {
    jobs: VecDeque<(T, usize)>,
    bytes: usize,
    closed: Option<StoreError>,
}

impl<T> Queue<T> {
    /// Empty.
    pub fn new(limits: Limits) -> Self {
        let state = State { jobs: VecDeque::new(), bytes: 0, closed: None };
        Self { state: Mutex::new(state), filled: Condvar::new(), limits }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nothing can panic while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a job would be taken now: asked before the work of making it.
    pub fn check(&self) -> Result<(), StoreError> {
        let state = self.state();
        self.admit(&state)
    }

    fn admit(&self, state: &State<T>) -> Result<(), StoreError> {
        if let Some(error) = &state.closed {
            return Err(error.clone());
        }
        // One job of any size is taken while nothing waits, so that no batch can be too large for ever.
        if state.jobs.len() >= self.limits.jobs_max || state.bytes >= self.limits.bytes_max {
            return Err(StoreError::Busy { pending: state.jobs.len(), limit: self.limits.jobs_max });
        }
        Ok(())
    }

    /// Adds a job, or gives the reason why not.
    pub fn push(&self, job: T, weight: usize) -> Result<(), StoreError> {
        let mut state = self.state();
        self.admit(&state)?;
        state.bytes += weight;
        state.jobs.push_back((job, weight));
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Adds a job in front of everything that waits, whatever the bounds say.
    pub fn push_first(&self, job: T) -> Result<(), StoreError> {
        let mut state = self.state();
        if let Some(error) = &state.closed {
            return Err(error.clone());
        }
        state.jobs.push_front((job, 0));
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Adds a last job, whatever the bounds say, and refuses all later ones with `reason`. False if that happened before.
    pub fn close(&self, job: T, reason: StoreError) -> bool {
        let mut state = self.state();
        if state.closed.is_some() {
            return false;
        }
        state.closed = Some(reason);
        state.jobs.push_back((job, 0));
        drop(state);
        self.filled.notify_one();
        true
    }

    /// Refuses everything from now on and gives what was waiting.
    pub fn fail(&self, reason: StoreError) -> Vec<T> {
        let mut state = self.state();
        state.closed = Some(reason);
        state.bytes = 0;
        state.jobs.drain(..).map(|(job, _)| job).collect()
    }

    /// Moves what waits into `out`: at least one job, then as many as `fits` likes. False when nothing came within
    /// `patience`.
    pub fn drain(&self, out: &mut Vec<T>, patience: Duration, mut fits: impl FnMut(&T, usize) -> bool) -> bool {
        let state = self.state();
        let (mut state, _) = self
            .filled
            .wait_timeout_while(state, patience, |state| state.jobs.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        while let Some((job, weight)) = state.jobs.front() {
            if !fits(job, *weight) && !out.is_empty() {
                break;
            }
            if let Some((job, weight)) = state.jobs.pop_front() {
                state.bytes -= weight;
                out.push(job);
            }
        }
        !out.is_empty()
    }

    /// Takes the first job when it is one that `fits`, as soon as there is such a one, within `patience`.
    pub fn take_first(&self, patience: Duration, fits: impl Fn(&T) -> bool) -> Option<T> {
        let state = self.state();
        let fits = |state: &mut State<T>| state.jobs.front().is_some_and(|(job, _)| fits(job));
        let (mut state, _) = self
            .filled
            .wait_timeout_while(state, patience, |state| state.closed.is_none() && !fits(state))
            .unwrap_or_else(PoisonError::into_inner);
        if !fits(&mut state) {
            return None;
        }
        let (job, weight) = state.jobs.pop_front()?;
        state.bytes -= weight;
        Some(job)
    }

    /// Whether later jobs are refused for good.
    pub fn is_closed(&self) -> bool {
        self.state().closed.is_some()
    }

    /// Jobs waiting.
    pub fn len(&self) -> usize {
        self.state().jobs.len()
    }

    /// Bound of that.
    pub const fn jobs_max(&self) -> usize {
        self.limits.jobs_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_and_order_is_kept() {
        let queue = Queue::new(Limits { jobs_max: 3, bytes_max: 100 });
        assert_eq!(queue.push(1, 1000), Ok(()));
        assert_eq!(queue.push(2, 1), Err(StoreError::Busy { pending: 1, limit: 3 }));
        let mut out = Vec::new();
        assert!(queue.drain(&mut out, Duration::ZERO, |_, _| false));
        for job in 2..5 {
            assert_eq!(queue.push(job, 10), Ok(()));
        }
        assert!(queue.push(5, 10).is_err());
        assert!(queue.close(6, StoreError::Closed));
        assert_eq!(queue.push(7, 1), Err(StoreError::Closed));
        assert!(queue.drain(&mut out, Duration::ZERO, |job, _| *job < 4));
        assert_eq!(out, [1, 2, 3]);
        assert_eq!(queue.fail(StoreError::DiskFull), [4, 6]);
        assert!(!queue.drain(&mut Vec::new(), Duration::ZERO, |_, _| true));
        assert_eq!(queue.check(), Err(StoreError::DiskFull));
    }
}
