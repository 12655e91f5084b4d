//! Reading an event as a fact.
//!
//! In: an understood event. Out: its fact, or nothing for Fivetran's own test deliveries. Never refused.

use super::{Fact, Labels, Signal, SyncId};
use crate::model::{Event, EventKey, TEST_CONNECTION_ID};
use std::sync::Arc;

impl Fact {
    /// Reads an event. `labels` gives shared labels of the caller's, or new ones.
    pub fn of(key: EventKey, event: &Event, labels: impl FnOnce(&Event) -> Arc<Labels>) -> Option<Self> {
        if event.connection_id.as_deref() == Some(TEST_CONNECTION_ID) {
            return None;
        }
        Some(Self {
            key,
            sync: event.sync_id.as_deref().map(SyncId::of),
            level: event.level,
            exception: event.exception_id.as_deref().map(Into::into),
            labels: labels(event),
            deed: None,
            signal: Signal::Unused(event.name.as_str().into()),
        })
    }
}

impl Labels {
    /// Of an event.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        Self {
            source: event.source,
            name: event.connection_name.clone(),
            connector_type: event.connector_type.clone(),
            destination: event.destination.clone(),
        }
    }
}
