//! Large answers, sent in pieces.
//!
//! In: bytes of JSON. Out: an answer that counts against what all answers may hold until its client took it.

use super::{Problem, private};
use crate::server::state::State;
use actix_web::{
    HttpResponse, HttpResponseBuilder,
    body::{BodySize, MessageBody},
    http::StatusCode,
};
use bytes::Bytes;
use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::sync::OwnedSemaphorePermit;

/// A good private JSON answer.
pub(super) async fn answer(state: &State, bytes: Vec<u8>) -> Result<HttpResponse, Problem> {
    answer_with(state, bytes, |_| ()).await
}

/// The same with more headers.
pub(super) async fn answer_with(
    state: &State,
    bytes: Vec<u8>,
    headers: impl FnOnce(&mut HttpResponseBuilder),
) -> Result<HttpResponse, Problem> {
    let share = state.hold_answer(bytes.len()).await?;
    let mut answer = HttpResponseBuilder::new(StatusCode::OK);
    answer.content_type("application/json");
    private(&mut answer);
    headers(&mut answer);
    Ok(answer.body(Pieces { bytes: bytes.into(), _share: share }))
}

/// A body that is handed out in pieces, so that its share is given back when nearly all of it was taken.
struct Pieces {
    bytes: Bytes,
    _share: Option<OwnedSemaphorePermit>,
}

/// Size of a piece.
const PIECE_BYTES: usize = 64 << 10;

impl MessageBody for Pieces {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.bytes.len() as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let size = self.bytes.len().min(PIECE_BYTES);
        Poll::Ready((size > 0).then(|| Ok(self.bytes.split_to(size))))
    }
}
