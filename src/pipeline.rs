//! The one way through the house: decode → authenticate → unwrap → normalise → redact → validate → store.
//!
//! In: what a protocol decoded for an authenticated sender. Out: a receipt, after the commit. This is the only file that knows
//! the order. Nothing that authenticated is dropped: an item that cannot be read goes to quarantine with its reason, in the
//! same commit as its neighbours.

mod notes;
mod replay;

use crate::{
    envelope::{self, Found},
    identity, json,
    model::{Delivery, Event, Micros, NewEvent, NewQuarantine, Payload, Record},
    normalize::{self, Normalized},
    protocol::{DecodeError, Decoded, IngestError, Receipt},
    redact::Redactor,
    store::{Appended, Batch, SharedStore, StoreError, StoreFuture},
    systems::{self, Reading},
    validate::Schemas,
};
use notes::{Notes, receipt};
use replay::{Attempt, Tried};
use std::{borrow::Cow, ops::Range, sync::Arc};

/// Most values of one text that are looked at one by one.
const VALUES_MAX: usize = 1_000;

/// Room is made for so many events at once; a request may claim to hold more than it does.
const EVENTS_AHEAD_MAX: usize = 4_096;

/// The part of the way that needs no store: unwrap, normalise, redact, validate, name. Pure, and cheap to share.
#[derive(Debug, Clone)]
pub struct Understanding {
    schemas: Arc<Schemas>,
    redactor: Arc<Redactor>,
}

/// A part of a record that is no event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread<'r> {
    /// Why, in words that never quote the content.
    pub reason: String,
    /// The part as it came.
    pub text: &'r str,
}

/// Everything that a record passes on its way into the store.
#[derive(Clone)]
pub struct Pipeline {
    store: SharedStore,
    understanding: Understanding,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pipeline")
    }
}

/// Why a quarantined item was not replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// No item has that number.
    #[error("no quarantined item has the number {0}")]
    NotFound(i64),
    /// It was replayed before.
    #[error("item {0} was replayed before")]
    Done(i64),
    /// It still cannot be read; it stays where it is.
    #[error("still not readable: {0}")]
    StillUnreadable(String),
    /// The store cannot read or write.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Understanding {
    /// With these schemas and this redactor.
    #[must_use]
    pub fn new(schemas: Arc<Schemas>, redactor: Arc<Redactor>) -> Self {
        Self { schemas, redactor }
    }

    /// The schemas it validates with.
    #[must_use]
    pub fn schemas(&self) -> &Arc<Schemas> {
        &self.schemas
    }

    /// Makes an event of a record: unwrap, normalise, redact, validate, name. Pure.
    ///
    /// # Errors
    /// Why it cannot be read as an event, in words that never quote the content.
    pub fn understand(
        &self,
        record: &Record<'_>,
        destination: Option<&str>,
        received_us: Micros,
    ) -> Result<NewEvent, String> {
        envelope::unwrap(record, &mut |found| self.understand_envelope(&found, destination, received_us))?
    }

    /// Makes every event of a record and hands it on, or the text in which there is none with the reason: an envelope, a line or a report
    /// of a neighbour, several lines or values in one text. Nothing of the record is left out. Pure.
    pub fn events(
        &self,
        record: &Record<'_>,
        destination: Option<&str>,
        received_us: Micros,
        use_it: &mut dyn FnMut(Result<NewEvent, Unread<'_>>),
    ) {
        let mut reason = match self.understand(record, destination, received_us) {
            Ok(event) => return use_it(Ok(event)),
            Err(reason) => reason,
        };
        if let Some(lines) = systems::lines(record) {
            for line in &lines {
                self.events(line, destination, received_us, use_it);
            }
            return;
        }
        match self.neighbours(record, destination, received_us) {
            Some(Ok(events)) => return events.into_iter().for_each(|event| use_it(Ok(event))),
            Some(Err(damage)) => reason = damage,
            None => {}
        }
        let text = record.payload.text();
        let mut part = |text: &str| {
            let part = Record { payload: Payload::Json(text.to_owned().into()), hints: record.hints.clone() };
            self.events(&part, destination, received_us, use_it);
        };
        let mut rest = text;
        let mut values = 0;
        while matches!(record.payload, Payload::Json(_))
            && values < VALUES_MAX
            && !systems::is_line(rest)
            && let Ok((first, tail)) = json::first_value(rest)
            && !tail.trim().is_empty()
        {
            part(first);
            values += 1;
            rest = tail.trim();
        }
        match values {
            0 => use_it(Err(Unread { reason, text })),
            VALUES_MAX => {
                let reason = format!("more than {VALUES_MAX} values in one text");
                use_it(Err(Unread { reason, text: rest }));
            }
            _ => part(rest),
        }
    }

    /// Makes events of a record in which there is no envelope, but a line or a report of a neighbour; `None` when there is none.
    ///
    /// # Errors
    /// It is one, and why it cannot be read.
    pub fn neighbours(
        &self,
        record: &Record<'_>,
        destination: Option<&str>,
        received_us: Micros,
    ) -> Option<Result<Vec<NewEvent>, String>> {
        match systems::read(record) {
            Reading::NotOurs => None,
            Reading::Damaged(reason) => Some(Err(reason)),
            Reading::Events(records) => {
                Some(records.iter().map(|made| self.understand(made, destination, received_us)).collect())
            }
        }
    }

    fn understand_envelope(
        &self,
        found: &Found<'_>,
        destination: Option<&str>,
        received_us: Micros,
    ) -> Result<NewEvent, String> {
        let mut normalized = normalize::normalize(found, destination, received_us)?;
        let mut raw = Cow::Borrowed(found.text);
        let mut secret_digest = None;
        let mut data_at = data_place(found, &normalized.event);
        if let Some(redacted) = self.redactor.json(found.text) {
            // Read again from the clean text, so that the event and its raw text cannot differ.
            normalized = self.read_again(&redacted.text, found, destination, received_us)?;
            raw = Cow::Owned(redacted.text);
            data_at = None;
            secret_digest = Some(redacted.digest);
        }
        if let Some(original) = &found.hints.original {
            raw = Cow::Owned(self.redactor.text(original).into_owned());
            data_at = None;
        }
        normalized.event.family = self.schemas.family(&normalized.event);
        let verdict = self.schemas.verdict(&normalized);
        let key = identity::key(&normalized.event);
        let raw = raw.into_owned();
        Ok(NewEvent { key, event: normalized.event, verdict, raw, data_at, received_us, secret_digest })
    }

    fn read_again(
        &self,
        text: &str,
        found: &Found<'_>,
        destination: Option<&str>,
        received_us: Micros,
    ) -> Result<Normalized, String> {
        let members = json::members(text).map_err(|error| format!("not JSON: {}", json::reason(&error)))?;
        normalize::normalize(&Found { text, members, hints: found.hints.clone() }, destination, received_us)
    }
}

/// Where the text of the event's data stands in its envelope, where they are that text's value and nothing else.
fn data_place(found: &Found<'_>, event: &Event) -> Option<Range<usize>> {
    let text = json::member(&found.members, "data")?;
    let rewritten = event.normalized.iter().any(|listed| listed.starts_with("data"));
    // Some names mean something to the parser that reads it again.
    if event.data.is_none() || rewritten || text.contains('$') {
        return None;
    }
    let start = (text.as_ptr() as usize).checked_sub(found.text.as_ptr() as usize)?;
    let range = start..start + text.len();
    (found.text.get(range.clone()) == Some(text)).then_some(range)
}

impl Pipeline {
    /// Joins the rooms.
    #[must_use]
    pub fn new(store: SharedStore, schemas: Arc<Schemas>, redactor: Arc<Redactor>) -> Self {
        Self { store, understanding: Understanding::new(schemas, redactor) }
    }

    /// Where it ends.
    #[must_use]
    pub fn store(&self) -> &SharedStore {
        &self.store
    }

    /// The part that needs no store.
    #[must_use]
    pub fn understanding(&self) -> &Understanding {
        &self.understanding
    }

    /// Takes a decoded request: does everything but wait for the disk, so that the caller can let go of the body before
    /// [`Prepared::commit`].
    pub fn prepare(
        &self,
        delivery: Delivery,
        destination: Option<Arc<str>>,
        decoded: Decoded<'_>,
        body: &[u8],
        ack_channel: Option<String>,
        received_us: Micros,
    ) -> Prepared {
        let Decoded { items, refusal, note, .. } = decoded;
        // Room is made at once, since moving what is there already costs as much as some of it.
        let about = items.len().min(EVENTS_AHEAD_MAX);
        let mut intake = match self.store.intake(delivery, ack_channel, about) {
            Ok(intake) => intake,
            Err(error) => {
                let appended: StoreFuture<Appended> = Box::pin(async { Err(error) });
                return Prepared { appended, notes: Notes::default(), reasons: Vec::new(), refusal, note };
            }
        };
        let mut notes = Notes::of_about(about);
        let mut reasons = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            // Each event is made ready while it is still warm.
            let mut use_it = |found: Result<NewEvent, NewQuarantine>| match found {
                Ok(event) => {
                    notes.add(index, &event);
                    intake.event(event);
                }
                Err(item) => {
                    reasons.push((item.index, item.reason.clone()));
                    intake.quarantine(item);
                }
            };
            match item {
                Ok(record) => self.take(&record, index, destination.as_deref(), received_us, &mut use_it),
                Err(error) => {
                    let bytes = body.get(error.bytes.clone()).unwrap_or_default();
                    use_it(Err(self.quarantined(error.index, error.reason, bytes, received_us)));
                }
            }
        }
        Prepared { appended: intake.commit(), notes, reasons, refusal, note }
    }

    /// Keeps a body of which nothing can be read. Gives its number in quarantine.
    ///
    /// # Errors
    /// It could not be kept, and why.
    pub async fn quarantine_body(
        &self,
        delivery: Delivery,
        reason: String,
        body: &[u8],
        received_us: Micros,
    ) -> Result<i64, IngestError> {
        let quarantine = vec![self.quarantined(0, reason, body, received_us)];
        let batch = Batch { delivery, events: Vec::new(), quarantine, ack_channel: None };
        let appended = self.store.append(batch).await.map_err(ingest_error)?;
        appended.quarantine_ids.first().copied().ok_or(IngestError::Internal)
    }

    /// Understands one record; what cannot be read of it is for quarantine.
    fn take(
        &self,
        record: &Record<'_>,
        index: usize,
        destination: Option<&str>,
        received_us: Micros,
        use_it: &mut dyn FnMut(Result<NewEvent, NewQuarantine>),
    ) {
        self.understanding.events(record, destination, received_us, &mut |found| {
            use_it(
                found.map_err(|Unread { reason, text }| self.quarantined(index, reason, text.as_bytes(), received_us)),
            );
        });
    }

    fn quarantined(&self, index: usize, reason: String, bytes: &[u8], received_us: Micros) -> NewQuarantine {
        NewQuarantine { index, reason, bytes: self.understanding.redactor.bytes(bytes), received_us }
    }

    /// Tries a quarantined item again, after a schema or the program has changed, or since it holds more than the part that failed. What can
    /// be read is stored, each part that cannot is an item of its own from then on, and the item is marked, all in one commit.
    ///
    /// # Errors
    /// Nothing of it can be read: it stays where it is, and why.
    pub async fn replay(&self, id: i64, now_us: Micros) -> Result<Receipt, ReplayError> {
        let item = self.store.quarantined(id)?.ok_or(ReplayError::NotFound(id))?;
        if item.replayed_us.is_some() {
            return Err(ReplayError::Done(id));
        }
        let destination =
            (!matches!(item.token.as_str(), "default" | "webhook" | "import" | "oidc")).then_some(item.token.as_str());
        let attempt = Attempt { pipeline: self, destination, received_us: item.received_us };
        let Tried { events, notes, left, .. } = attempt.read(&item.bytes).map_err(ReplayError::StillUnreadable)?;
        if events.is_empty() {
            let reason =
                left.into_iter().next().map_or_else(|| "there is nothing in it".to_owned(), |part| part.reason);
            return Err(ReplayError::StillUnreadable(reason));
        }
        let reasons = left.iter().map(|part| (part.index, part.reason.clone())).collect();
        let delivery = Delivery { protocol: "replay", token: item.token.as_str().into() };
        let batch = Batch { delivery, events, quarantine: left, ack_channel: None };
        let appended = self.store.replay(id, batch, now_us).await?;
        Ok(receipt(&appended, notes, reasons, None))
    }
}

/// A request on its way to the disk; nothing of its body is needed any more. Dropped, it is committed all the same, and nobody hears
/// of it.
pub struct Prepared {
    appended: StoreFuture<Appended>,
    notes: Notes,
    reasons: Vec<(usize, String)>,
    refusal: Option<DecodeError>,
    note: Option<String>,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prepared")
    }
}

impl Prepared {
    /// Waits until it is on disk.
    ///
    /// # Errors
    /// Nothing was taken, and why.
    pub async fn commit(self) -> Result<Receipt, IngestError> {
        let appended = self.appended.await.map_err(ingest_error)?;
        Ok(Receipt { note: self.note, ..receipt(&appended, self.notes, self.reasons, self.refusal) })
    }
}

/// The store's refusal in the words of a sender.
#[must_use]
pub fn ingest_error(error: StoreError) -> IngestError {
    match error {
        StoreError::Busy { .. } => IngestError::Busy { retry_after_s: 5 },
        StoreError::DiskFull => IngestError::StoreUnavailable { reason: "disk full".to_owned(), retry_after_s: 30 },
        StoreError::ReadOnly => {
            IngestError::StoreUnavailable { reason: "database is read-only".to_owned(), retry_after_s: 30 }
        }
        StoreError::Locked => {
            IngestError::StoreUnavailable { reason: "database is locked".to_owned(), retry_after_s: 10 }
        }
        StoreError::Closed => IngestError::ShuttingDown,
        StoreError::TooSlow { .. } | StoreError::Removed { .. } | StoreError::Damaged(_) | StoreError::Engine(_) => {
            tracing::error!(%error, "batch was not stored");
            IngestError::StoreUnavailable { reason: "storage engine failed".to_owned(), retry_after_s: 10 }
        }
    }
}
