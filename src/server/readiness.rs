//! Whether the store accepts writes, asked at most once a second however many ask us.

use crate::{
    protocol::Health,
    store::{SharedStore, StoreError},
};
use std::time::Duration;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

/// How long an answer is good for.
const FRESH: Duration = Duration::from_secs(1);

/// How long a trial may take. A writer that is slower than this does not accept writes.
const TRIAL_MAX: Duration = Duration::from_secs(2);

pub(super) struct Readiness {
    store: SharedStore,
    last: Mutex<Option<(Instant, Result<(), NotReady>)>>,
}

/// Why nothing can be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotReady {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a trial write took longer than {} s", TRIAL_MAX.as_secs())]
    Slow,
}

impl NotReady {
    /// The reason without the engine's own words, which may hold paths.
    pub fn public(&self) -> String {
        match self {
            Self::Store(StoreError::Engine(_)) => "the storage engine failed; see the log".to_owned(),
            Self::Store(StoreError::Damaged(_)) => "stored data is damaged; see the log".to_owned(),
            other => other.to_string(),
        }
    }
}

impl Readiness {
    pub fn new(store: SharedStore) -> Self {
        Self { store, last: Mutex::new(None) }
    }

    /// Tries, or gives the answer of less than a second ago.
    pub async fn check(&self) -> Result<(), NotReady> {
        let mut last = self.last.lock().await;
        if let Some((at, answer)) = &*last
            && at.elapsed() < FRESH
        {
            return answer.clone();
        }
        let answer = match timeout(TRIAL_MAX, self.store.probe()).await {
            Ok(answer) => answer.map_err(NotReady::from),
            Err(_) => Err(NotReady::Slow),
        };
        *last = Some((Instant::now(), answer.clone()));
        answer
    }

    /// The same in the words of the protocols.
    pub async fn health(&self, draining: bool) -> Health {
        if draining {
            return Health::ShuttingDown;
        }
        match self.check().await {
            Ok(()) => Health::Ready,
            Err(NotReady::Store(StoreError::Busy { .. })) => Health::Busy,
            Err(NotReady::Store(StoreError::Closed)) => Health::ShuttingDown,
            Err(_) => Health::Unavailable,
        }
    }
}
