//! Batches on their way to the writer.
//!
//! In: events, one by one or a batch of them. Out: a job of the writer, unless it has too many already: then no work is done for what is
//! refused.

use super::{
    Layout, SqliteStore,
    encode::{Encoded, Encoder, encode},
    job::Job,
};
use crate::{
    model::{Delivery, Micros, NewEvent, NewQuarantine},
    store::{Appended, Batch, Intake, StoreError, StoreFuture},
};

/// A batch on its way to the writer.
struct Making<'s> {
    store: &'s SqliteStore,
    encoder: Encoder,
}

impl Intake for Making<'_> {
    fn event(&mut self, new: NewEvent) {
        self.encoder.event(&new);
    }

    fn quarantine(&mut self, item: NewQuarantine) {
        self.encoder.quarantine(item);
    }

    fn commit(self: Box<Self>) -> StoreFuture<Appended> {
        self.store.submit_encoded(self.encoder.finish(), None)
    }
}

impl SqliteStore {
    /// Begins a batch.
    pub(super) fn begin(
        &self,
        delivery: Delivery,
        ack_channel: Option<String>,
        about: usize,
    ) -> Result<Box<dyn Intake + '_>, StoreError> {
        self.shared.queue.check()?;
        let encoder = Encoder::new(delivery, ack_channel, about, self.shared.fold, self.is_sealed());
        Ok(Box::new(Making { store: self, encoder }))
    }

    /// Commits a batch, and marks an item of the quarantine as replayed with it.
    pub(super) fn submit_batch(&self, batch: Batch, replay: Option<(i64, Micros)>) -> StoreFuture<Appended> {
        // Asked first, so that an overloaded store does no work for what it refuses.
        if let Err(error) = self.shared.queue.check() {
            return Box::pin(async { Err(error) });
        }
        self.submit_encoded(encode(batch, self.shared.fold, self.is_sealed()), replay)
    }

    fn submit_encoded(&self, batch: Encoded, replay: Option<(i64, Micros)>) -> StoreFuture<Appended> {
        let batch = Box::new(batch);
        self.submit(batch.weight(), |reply| Job::Append { batch, replay, reply })
    }

    fn is_sealed(&self) -> bool {
        self.shared.layout == Layout::Sealed
    }
}
