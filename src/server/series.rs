//! The series of connections for `/metrics`, read once for several scrapes.
//!
//! In: a store. Out: OpenMetrics text, at most [`FRESH`] old. A store that cannot be read leaves the text as it was: the other metrics
//! are wanted then more than ever.

use super::state::State;
use crate::{query, telemetry};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// How long a text is good.
const FRESH: Duration = Duration::from_secs(5);

/// The text and when it was made.
#[derive(Default)]
pub(super) struct Series(Mutex<Option<(Instant, Arc<str>)>>);

impl Series {
    /// The text, made anew when it is too old. Those that ask meanwhile wait for it.
    pub async fn text(&self, state: &State) -> Arc<str> {
        let mut kept = self.0.lock().await;
        if let Some((at, text)) = &*kept
            && at.elapsed() < FRESH
        {
            return Arc::clone(text);
        }
        let made = state.read(|store| {
            let newest = query::lives::newest(store.lives(), telemetry::CONNECTIONS_MAX)?;
            Ok(telemetry::connection_series(&newest))
        });
        let text = match (made.await, &*kept) {
            (Ok(text), _) => text.into(),
            (Err(_), Some((_, text))) => Arc::clone(text),
            (Err(_), None) => telemetry::connection_series(&[]).into(),
        };
        *kept = Some((Instant::now(), Arc::clone(&text)));
        text
    }
}
