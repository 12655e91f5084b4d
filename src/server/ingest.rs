//! Deliveries: the generic handler over every protocol.
//!
//! In: a head, then a body. Out: the protocol's own reply, after the commit. The credential is judged before
//! the body is read, a signature over the wire bytes before they are inflated. A body that cannot be read goes to
//! quarantine before its sender is told so. Large bodies are worked on where blocking is allowed, one at a time.

use super::{
    body::{self, Share, Wire},
    error::Problem,
    head::{HeaderView, OwnedHead, view},
    routes::ProtocolRoute,
    state::{PATIENCE, State, now_us, peer},
};
use crate::{
    auth::{Admission, Sender},
    model::Delivery,
    pipeline::Prepared,
    protocol::{AuthError, DecodeError, Head, IngestError, Protocol, Receipt, Reply},
    store::StoreError,
    telemetry::ProtocolMetrics,
};
use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header},
    web,
};
use std::{borrow::Cow, sync::Arc, time::Instant};

/// The protocol label of what `lifeline import` sends over the control socket.
pub(super) const IMPORT: &str = Delivery::IMPORT;

/// Bodies past this are decoded where blocking is allowed, in bytes.
const BLOCKING_BYTES: usize = 1 << 20;

/// Compressed bodies past this are, in bytes: they grow.
const BLOCKING_COMPRESSED_BYTES: usize = 64 << 10;

/// Splunk's code for a token in the query string where that is switched off.
/// Source: protocols.md section 1, table of replies.
const QUERY_TOKEN_OFF: u16 = 16;

/// Everything about a delivery but its head and its bytes.
struct Job {
    protocol: &'static dyn Protocol,
    metrics: ProtocolMetrics,
    delivery: Delivery,
    destination: Option<Arc<str>>,
}

/// Takes a delivery.
pub(super) async fn deliver(
    state: &Arc<State>,
    route: &ProtocolRoute,
    req: &HttpRequest,
    payload: web::Payload,
    request_id: &str,
) -> HttpResponse {
    let started = Instant::now();
    let headers = HeaderView::new(req.headers());
    let head = view(req, &headers, request_id);
    let result = take(state, route, req, &head, payload).await;
    let reply = route.protocol.reply(&head, &result);
    state.metrics.observe_request(&route.metrics, reply.status, started.elapsed());
    respond(reply, &result)
}

async fn take(
    state: &Arc<State>,
    route: &ProtocolRoute,
    req: &HttpRequest,
    head: &Head<'_>,
    payload: web::Payload,
) -> Result<Receipt, IngestError> {
    let (wire, sender) = admit(state, route.protocol, req, head, payload).await?;
    let delivery = Delivery { protocol: route.protocol.name(), token: sender.name };
    let destination = sender.destination;
    let job = Job { protocol: route.protocol, metrics: route.metrics.clone(), delivery, destination };
    work(state, job, req, head, wire).await
}

/// Judges the head, reads the body, and judges the signature if there is one.
async fn admit(
    state: &State,
    protocol: &dyn Protocol,
    req: &HttpRequest,
    head: &Head<'_>,
    payload: web::Payload,
) -> Result<(Wire, Sender), IngestError> {
    let refused = |error: AuthError| {
        state.metrics.observe_auth_failure();
        state.audit.failures.count(peer(req));
        IngestError::Auth(error)
    };
    if !state.settings.hec_query_token
        && protocol.name() == "splunk_hec"
        && head.header("authorization").is_none()
        && head.query_value("token").is_some()
    {
        state.metrics.observe_auth_failure();
        state.audit.failures.count(peer(req));
        let text = "Query string authorization is not enabled";
        return Err(IngestError::Malformed(DecodeError::empty(QUERY_TOKEN_OFF, text)));
    }
    let admission = {
        let credential = protocol.credential(head).map_err(refused)?;
        state.gate.admit(&credential, peer(req)).map_err(refused)?
    };
    let wire = read(state, req, payload).await?;
    let sender = match admission {
        Admission::Granted(sender) => sender,
        Admission::NeedsBody(pending) => state.gate.verify(&pending, &wire.bytes).map_err(refused)?,
    };
    Ok((wire, sender))
}

/// Works on a body here, or where blocking is allowed when it is large.
async fn work(
    state: &Arc<State>,
    job: Job,
    req: &HttpRequest,
    head: &Head<'_>,
    mut wire: Wire,
) -> Result<Receipt, IngestError> {
    let encoding = head.header("content-encoding");
    let size = wire.bytes.len();
    let here =
        size <= BLOCKING_COMPRESSED_BYTES || size <= BLOCKING_BYTES && !body::is_compressed(&wire.bytes, encoding);
    let metrics = job.metrics.clone();
    if here {
        let prepared = process(state, &job, head, &wire.bytes, &mut wire.share).await?;
        drop(wire);
        return commit(state, &metrics, prepared).await;
    }
    let turn = tokio::time::timeout(PATIENCE, Arc::clone(&state.large_body).acquire_owned());
    let Ok(Ok(turn)) = turn.await else { return Err(IngestError::Busy { retry_after_s: 1 }) };
    let head = OwnedHead::new(head, req.headers());
    let state_there = Arc::clone(state);
    let done = web::block(move || {
        // Kept until the work is over, also when nobody waits for it any more.
        let _turn = turn;
        let head = head.view();
        let work = process(&state_there, &job, &head, &wire.bytes, &mut wire.share);
        tokio::runtime::Handle::current().block_on(work)
    });
    let prepared = done.await.unwrap_or_else(|_| {
        state.metrics.observe_panic();
        Err(IngestError::Internal)
    })?;
    commit(state, &metrics, prepared).await
}

/// Waits for the disk. The body is gone by now: however many requests wait here, they hold little memory.
async fn commit(state: &State, metrics: &ProtocolMetrics, prepared: Prepared) -> Result<Receipt, IngestError> {
    let receipt = prepared.commit().await?;
    state.metrics.observe_receipt(metrics, &receipt);
    Ok(receipt)
}

async fn process(
    state: &State,
    job: &Job,
    head: &Head<'_>,
    wire_bytes: &[u8],
    share: &mut Share,
) -> Result<Prepared, IngestError> {
    let received_us = now_us();
    let protocol = job.protocol;
    let keep = async |reason: &str, bytes: &[u8]| {
        state.pipeline.quarantine_body(job.delivery.clone(), reason.to_owned(), bytes, received_us).await?;
        state.metrics.observe_quarantined_body(&job.metrics);
        Ok::<_, IngestError>(())
    };
    let encoding = head.header("content-encoding");
    let body = match body::inflate(state, wire_bytes, share, encoding, protocol.own_encodings()).await {
        Ok(body) => body,
        Err(error) => {
            if let IngestError::BadEncoding(_) = &error {
                keep(&error.to_string(), wire_bytes).await?;
            }
            return Err(error);
        }
    };
    let unpacked = protocol.unpack(head, &body, &state.settings.limits).map(|plain| match plain {
        Cow::Owned(plain) => Some(plain),
        Cow::Borrowed(_) => None,
    });
    let body = match unpacked {
        Ok(None) => body,
        Ok(Some(plain)) => {
            share.grow_to(wire_bytes.len() + plain.len()).await?;
            Cow::Owned(plain)
        }
        Err(error) => {
            if error.quarantine {
                keep(&error.detail, &body).await?;
            }
            return Err(IngestError::Malformed(error));
        }
    };
    let decoded = match protocol.channel(head) {
        Ok(channel) => protocol.decode(head, &body, &state.settings.limits).map(|decoded| (decoded, channel)),
        Err(error) => Err(error),
    };
    match decoded {
        Ok((mut decoded, channel)) => {
            let channel = channel.or_else(|| decoded.channel.take());
            let destination = job.destination.clone();
            let delivery = job.delivery.clone();
            Ok(state.pipeline.prepare(delivery, destination, decoded, &body, channel, received_us))
        }
        Err(error) => {
            if error.quarantine {
                keep(&error.detail, &body).await?;
            }
            Err(IngestError::Malformed(error))
        }
    }
}

/// Answers a request to a path that is served, but only with a header that this one does not have.
pub(super) fn not_meant(route: &ProtocolRoute, req: &HttpRequest, request_id: &str) -> HttpResponse {
    let headers = HeaderView::new(req.headers());
    let wanted = route.header().map_or_else(String::new, |(name, value)| format!("{name}: {value}…"));
    let error = DecodeError::empty(0, format!("this path takes requests with the header {wanted}"));
    let failed = Err(IngestError::Malformed(error));
    respond(route.protocol.reply(&view(req, &headers, request_id), &failed), &failed)
}

/// Answers a question about acknowledgements.
pub(super) async fn acks(
    state: &Arc<State>,
    route: &ProtocolRoute,
    req: &HttpRequest,
    payload: web::Payload,
    request_id: &str,
) -> HttpResponse {
    let started = Instant::now();
    let headers = HeaderView::new(req.headers());
    let head = view(req, &headers, request_id);
    let (reply, failed) = match ask(state, route.protocol, req, &head, payload).await {
        Ok(answers) => (route.protocol.ack_reply(&answers), Ok(Receipt::default())),
        Err(error) => {
            let failed = Err(error);
            (route.protocol.reply(&head, &failed), failed)
        }
    };
    state.metrics.observe_request(&route.metrics, reply.status, started.elapsed());
    respond(reply, &failed)
}

async fn ask(
    state: &State,
    protocol: &dyn Protocol,
    req: &HttpRequest,
    head: &Head<'_>,
    payload: web::Payload,
) -> Result<Vec<(u64, bool)>, IngestError> {
    let (mut wire, sender) = admit(state, protocol, req, head, payload).await?;
    let encoding = head.header("content-encoding");
    let body = body::inflate(state, &wire.bytes, &mut wire.share, encoding, protocol.own_encodings()).await?;
    let question = protocol.ack_question(head, &body).map_err(IngestError::Malformed)?;
    let ids = question.ids.clone();
    let answers = state.store().acks(&sender.name, &question.channel, question.ids).await.map_err(unavailable)?;
    Ok(ids.into_iter().zip(answers).collect())
}

fn unavailable(error: StoreError) -> IngestError {
    match error {
        StoreError::Busy { .. } => IngestError::Busy { retry_after_s: 1 },
        StoreError::Closed => IngestError::ShuttingDown,
        StoreError::Damaged(_) | StoreError::Engine(_) => {
            tracing::error!("the store failed: {error}");
            IngestError::Internal
        }
        error => IngestError::StoreUnavailable { reason: error.to_string(), retry_after_s: 5 },
    }
}

/// Answers a health or set-up probe.
pub(super) async fn health(state: &State, route: &ProtocolRoute, req: &HttpRequest, request_id: &str) -> HttpResponse {
    let headers = HeaderView::new(req.headers());
    let health = state.readiness.health(state.is_draining()).await;
    respond(route.protocol.health_reply(&view(req, &headers, request_id), health), &Ok(Receipt::default()))
}

/// Takes what `lifeline import` read from files: NDJSON in the native form, over the control socket only. The query may
/// name the `destination` that the files belong to.
pub(super) async fn import(
    state: &Arc<State>,
    req: &HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let native = state.routes.protocol("native").ok_or_else(|| Problem::not_found("nothing reads imports here"))?;
    let started = Instant::now();
    let headers = HeaderView::new(req.headers());
    let head = view(req, &headers, IMPORT);
    let metrics = state.routes.import_metrics();
    let result = match read(state, req, payload).await {
        Ok(wire) => {
            let delivery = Delivery::import();
            let destination = head.query_value("destination").filter(|name| !name.is_empty()).map(Arc::from);
            let job = Job { protocol: native, metrics: metrics.clone(), delivery, destination };
            work(state, job, req, &head, wire).await
        }
        Err(error) => Err(error),
    };
    let reply = native.reply(&head, &result);
    state.metrics.observe_request(metrics, reply.status, started.elapsed());
    Ok(respond(reply, &result))
}

async fn read(state: &State, req: &HttpRequest, payload: web::Payload) -> Result<Wire, IngestError> {
    let limit_bytes = state.settings.limits.body_bytes_max;
    body::check_length(req, limit_bytes)?;
    body::read(state, payload, limit_bytes).await
}

/// Turns a reply into an answer. A connection whose body was not read to its end is not used again.
fn respond(reply: Reply, result: &Result<Receipt, IngestError>) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = HttpResponseBuilder::new(status);
    if let Some(content_type) = reply.content_type {
        answer.insert_header((header::CONTENT_TYPE, content_type));
        answer.insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    }
    for (name, value) in reply.headers {
        answer.insert_header((name, value));
    }
    if let Err(IngestError::TooLarge { .. } | IngestError::Timeout) = result {
        answer.force_close();
    }
    answer.body(reply.body)
}
