//! Bodies: read against a cap, a clock and a bound over all requests, then inflated against the same.
//!
//! In: the chunks of a request. Out: its bytes, with the share of the bound that they hold until dropped. Refused:
//! more bytes than the cap (before they are read, when the length is announced), bodies that come too slowly, and more
//! bytes at a time than the server holds for all (after waiting for a moment).

use super::state::{BUDGET_UNIT_BYTES, PATIENCE, State};
use crate::protocol::{DecodeError, IngestError};
use actix_web::{HttpRequest, error::PayloadError, http::header, web};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt};
use std::{borrow::Cow, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout, timeout_at},
};

/// A second more for each of these that arrived.
const BYTES_PER_SECOND_MIN: usize = 64 << 10;

/// By how much senders' data usually grows when decompressed, generously.
const USUAL_GROWTH: usize = 16;

/// Seconds after which a sender may try again when the bound was reached.
const RETRY_AFTER_S: u32 = 5;

/// A share of the bound over all bodies.
pub(super) struct Share {
    budget: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Share {
    pub fn new(state: &State) -> Self {
        Self { budget: Arc::clone(&state.body_budget), permit: None }
    }

    /// Grows the share to so many bytes, waiting for others to finish if need be.
    pub async fn grow_to(&mut self, bytes: usize) -> Result<(), IngestError> {
        let held = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let wanted = bytes.div_ceil(BUDGET_UNIT_BYTES).max(1);
        if wanted <= held {
            return Ok(());
        }
        let busy = || IngestError::Busy { retry_after_s: RETRY_AFTER_S };
        let more = u32::try_from(wanted - held).map_err(|_| busy())?;
        let budget = Arc::clone(&self.budget);
        let permit = match Arc::clone(&budget).try_acquire_many_owned(more) {
            Ok(permit) => permit,
            Err(_) => match timeout(PATIENCE, budget.acquire_many_owned(more)).await {
                Ok(Ok(permit)) => permit,
                _ => return Err(busy()),
            },
        };
        match &mut self.permit {
            Some(held) => held.merge(permit),
            None => self.permit = Some(permit),
        }
        Ok(())
    }
}

/// The bytes of a body as they came.
pub(super) struct Wire {
    pub bytes: Bytes,
    pub share: Share,
}

/// Refuses what announces itself as too large, before anything is read.
pub(super) fn check_length(req: &HttpRequest, limit_bytes: usize) -> Result<(), IngestError> {
    let announced = req.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    match announced.map(str::parse::<u64>) {
        Some(Ok(length)) if length > limit_bytes as u64 => Err(IngestError::TooLarge { limit_bytes }),
        _ => Ok(()),
    }
}

/// Reads a body.
pub(super) async fn read(state: &State, mut payload: web::Payload, limit_bytes: usize) -> Result<Wire, IngestError> {
    let started = Instant::now();
    let mut share = Share::new(state);
    let mut whole = Bytes::new();
    let mut joined = BytesMut::new();
    let mut received = 0;
    loop {
        // Small bodies are there already: no timer is set for them.
        let chunk = match payload.next().now_or_never() {
            Some(chunk) => chunk,
            None => {
                let earned = Duration::from_secs((received / BYTES_PER_SECOND_MIN) as u64);
                let deadline = started + state.settings.body_timeout + earned;
                timeout_at(deadline, payload.next()).await.map_err(|_| IngestError::Timeout)?
            }
        };
        let Some(chunk) = chunk else {
            break;
        };
        let chunk = chunk.map_err(|error| broken(&error, limit_bytes))?;
        received += chunk.len();
        if received > limit_bytes {
            return Err(IngestError::TooLarge { limit_bytes });
        }
        share.grow_to(received).await?;
        if whole.is_empty() && joined.is_empty() {
            whole = chunk;
        } else {
            if joined.is_empty() {
                joined.extend_from_slice(&whole);
            }
            joined.extend_from_slice(&chunk);
        }
    }
    Ok(Wire { bytes: if joined.is_empty() { whole } else { joined.freeze() }, share })
}

fn broken(error: &PayloadError, limit_bytes: usize) -> IngestError {
    match error {
        PayloadError::Overflow => IngestError::TooLarge { limit_bytes },
        _ => IngestError::Malformed(DecodeError::empty(0, "the body ended early")),
    }
}

/// Whether a body has to be inflated before it is decoded.
pub(super) fn is_compressed(bytes: &[u8], content_encoding: Option<&str>) -> bool {
    content_encoding.is_some_and(|encoding| !encoding.trim().eq_ignore_ascii_case("identity"))
        || bytes.starts_with(&[0x1f, 0x8b])
}

/// Inflates a body. Memory for the usual growth is taken from the bound first; data that grows more is
/// inflated again once the rest of the cap was taken too.
pub(super) async fn inflate<'b>(
    state: &State,
    bytes: &'b [u8],
    share: &mut Share,
    content_encoding: Option<&str>,
    own: &[&str],
) -> Result<Cow<'b, [u8]>, IngestError> {
    let cap = state.settings.limits.body_bytes_max;
    if !is_compressed(bytes, content_encoding) {
        return crate::body::inflate(bytes, content_encoding, own, cap);
    }
    let usual =
        bytes.len().saturating_mul(USUAL_GROWTH).clamp(BYTES_PER_SECOND_MIN, cap.max(BYTES_PER_SECOND_MIN)).min(cap);
    share.grow_to(bytes.len() + usual).await?;
    match crate::body::inflate(bytes, content_encoding, own, usual) {
        Err(IngestError::TooLarge { .. }) if usual < cap => {
            share.grow_to(bytes.len() + cap).await?;
            crate::body::inflate(bytes, content_encoding, own, cap)
        }
        other => other,
    }
}
