//! `GET /v1/events/stream`: events as they are committed, as server-sent events.
//!
//! In: the filters of `/v1/events`; `Last-Event-ID` resumes. Out: `event: event` messages whose `id:` is a place in the
//! order of arrival, so that a client that comes back misses nothing and sees nothing twice; `event: gap` when that place
//! is no longer known; a comment while nothing happens. A stream has no queue: each reads the store from its own place,
//! sharing what its neighbours have just read, so a slow client costs nothing and harms nobody.

use super::Problem;
use crate::{
    auth::{Access, Reader},
    query::{LivePage, Matcher, StreamRequest, tail_id},
    server::state::{Door, State},
    store::{StoreError, TailCursor},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderName},
    web,
};
use bytes::Bytes;
use futures_util::stream;
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, sleep, sleep_until},
};

/// Least time between two reads of a stream that has caught up; grows with the number of streams.
const PACE: Duration = Duration::from_millis(10);

/// What is said when arrivals after the client's place cannot be told in order.
const GAP: &str = "event: gap\ndata: {\"detail\":\"events between the last seen one and the next are no longer known \
                   in order of arrival; read them with GET /v1/events\"}\n\n";

/// A comment, so that the client and everybody between us see that the stream lives.
const HEARTBEAT: &[u8] = b": heartbeat\n\n";

/// How much is written at a time.
const PIECE_BYTES: usize = 64 << 10;

/// How long a stream waits when there is no memory for its next page.
const MEMORY_PAUSE: Duration = Duration::from_millis(100);

/// A page of which a part was written.
struct Sending {
    page: Arc<LivePage>,
    /// The next event.
    at: usize,
    /// Bytes of its text that were written.
    written: usize,
}

struct Watch {
    state: Arc<State>,
    filter: Matcher,
    reader: Option<Reader>,
    cursor: TailCursor,
    sending: Option<Sending>,
    /// The place that the client knows.
    told: Option<TailCursor>,
    gap: bool,
    caught_up: bool,
    next_read: Instant,
    commits: watch::Receiver<u64>,
    draining: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
}

/// Events as they are committed, as server-sent events.
///
/// Messages are `event: event` with the event as data and its place as id. A client that sends the last id back gets
/// what came since; `event: gap` says that some of it is no longer known in order.
#[utoipa::path(get, operation_id = "stream_events", path = "/v1/events/stream", tag = "events", security(("token" = []), ("query_token" = [])), params(
    ("Last-Event-ID" = Option<String>, Header, description = "The last id that was seen"),
    ("last_event_id" = Option<String>, Query, description = "The same, for clients that cannot send headers"),
), responses((status = 200, description = "Server-sent events", body = String, content_type = "text/event-stream")))]
pub(super) async fn open(state: &Arc<State>, door: Door, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    let last_event_id = req.headers().get("last-event-id").map(|value| value.to_str().unwrap_or("?"));
    let request = StreamRequest::parse(req.query_string(), last_event_id);
    // Who may not ask is not told what is wrong with the question.
    let token = request.as_ref().ok().and_then(|request| request.token.as_deref());
    let reader = state.authorize(door, req, token, Access::Read)?;
    let StreamRequest { filter, resume, .. } = request?;
    let permit = Arc::clone(&state.streams)
        .try_acquire_owned()
        .map_err(|_| Problem::busy("all live streams are taken", Duration::from_secs(30)))?;
    let commits = state.store().commits();
    let end = state.read(|store| store.tail_end()).await?;
    // A place that was never reached comes from another store: nothing in between can be told.
    let (cursor, gap) = match resume {
        Some(resume) if resume <= end => (resume, false),
        Some(_) => (end, true),
        None => (end, false),
    };
    let watch = Watch {
        draining: state.draining.subscribe(),
        state: Arc::clone(state),
        filter: Matcher::new(filter)?,
        reader,
        cursor,
        sending: None,
        told: None,
        gap,
        caught_up: false,
        next_read: Instant::now(),
        commits,
        _permit: permit,
    };
    let messages = stream::unfold(watch, |mut watch| async move {
        let text = watch.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(text)), watch))
    });
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((HeaderName::from_static("x-accel-buffering"), "no"))
        .streaming(messages))
}

impl Watch {
    /// The next piece of the answer; `None` ends it.
    async fn next(&mut self) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        if self.told.is_none() {
            // The first message says where the client is, so that it can come back even if nothing fits its filter.
            text.extend_from_slice(b"retry: 2000\n");
            self.tell_place(&mut text);
            if self.gap {
                text.extend_from_slice(GAP.as_bytes());
            }
            return Some(text);
        }
        let heartbeat = Instant::now() + self.state.settings.heartbeat;
        loop {
            if *self.draining.borrow()
                || self.reader.as_ref().is_some_and(|reader| !self.state.gate.still_admits(reader))
            {
                return None;
            }
            if self.write_piece(&mut text) {
                if !text.is_empty() {
                    return Some(text);
                }
                // A filter that fits little must not keep the thread from its other work.
                tokio::task::yield_now().await;
                continue;
            }
            if self.caught_up && !self.wait(heartbeat).await? {
                if self.told != Some(self.cursor) {
                    self.tell_place(&mut text);
                }
                text.extend_from_slice(HEARTBEAT);
                return Some(text);
            }
            self.commits.borrow_and_update();
            let page = match self.page().await {
                Ok(Some(page)) => page,
                Ok(None) if Instant::now() < heartbeat => {
                    sleep(MEMORY_PAUSE).await;
                    continue;
                }
                Ok(None) => {
                    text.extend_from_slice(HEARTBEAT);
                    return Some(text);
                }
                Err(error) => {
                    tracing::warn!("a live stream ends: {error}");
                    return None;
                }
            };
            if page.gap {
                text.extend_from_slice(GAP.as_bytes());
            }
            self.sending = Some(Sending { page, at: 0, written: 0 });
        }
    }

    /// Writes the next piece of the page at hand; false when there was none. A page is let go of with its last piece, and
    /// what was not taken by the client yet is no more than a piece.
    fn write_piece(&mut self, text: &mut Vec<u8>) -> bool {
        let Some(Sending { page, at, written }) = &mut self.sending else { return false };
        while text.len() < PIECE_BYTES
            && let Some(live) = page.events.get(*at)
        {
            if *written == 0 {
                if !self.filter.matches(&live.event) {
                    *at += 1;
                    continue;
                }
                text.extend_from_slice(format!("id: {}\nevent: event\ndata: ", tail_id(live.cursor)).as_bytes());
            }
            let rest = &live.text.as_bytes()[*written..];
            if rest.len() > 2 * PIECE_BYTES {
                text.extend_from_slice(&rest[..PIECE_BYTES]);
                *written += PIECE_BYTES;
            } else {
                text.extend_from_slice(rest);
                text.extend_from_slice(b"\n\n");
                self.told = Some(live.cursor);
                (*at, *written) = (*at + 1, 0);
            }
        }
        if *at == page.events.len() {
            self.cursor = page.next;
            self.caught_up = !page.more;
            self.sending = None;
        }
        true
    }

    /// Waits for a commit, keeping the pace. False: the heartbeat is due. `None`: the stream ends.
    async fn wait(&mut self, heartbeat: Instant) -> Option<bool> {
        tokio::select! {
            changed = self.commits.changed() => changed.ok()?,
            stopped = self.draining.changed() => {
                stopped.ok()?;
                return None;
            }
            () = sleep_until(heartbeat) => return Some(false),
        }
        sleep_until(self.next_read).await;
        Some(true)
    }

    async fn page(&mut self) -> Result<Option<Arc<LivePage>>, StoreError> {
        let crowd = Duration::from_micros(250 * self.state.streams_open() as u64);
        self.next_read = Instant::now() + PACE + crowd;
        if let Some(page) = self.state.tails.kept(self.cursor) {
            return Ok(Some(page));
        }
        let (state, cursor) = (Arc::clone(&self.state), self.cursor);
        let read = web::block(move || state.tails.read(cursor)).await;
        read.unwrap_or_else(|_| Err(StoreError::Engine("a read failed".into())))
    }

    fn tell_place(&mut self, text: &mut Vec<u8>) {
        text.extend_from_slice(format!("id: {}\n\n", tail_id(self.cursor)).as_bytes());
        self.told = Some(self.cursor);
    }
}
