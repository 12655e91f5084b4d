//! From a request to the handler of its path and method.
//!
//! In: every request. Out: its answer with an `x-request-id`, and a log line. One look-up in a table of exact paths
//! (and, past it, a short list of patterns), then a match; no middleware, since this is the hot path.

use super::{
    api::{self, Api},
    error::{Problem, not_served},
    head::{HeaderView, trimmed},
    ingest,
    state::{Door, State},
};
use crate::protocol::Serves;
use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{self, HeaderName, HeaderValue},
    },
    web,
};
use futures_util::FutureExt;
use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};
use tracing::Instrument;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest request id that is taken over from the sender.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// Answers a request, whatever happens.
pub(super) async fn dispatch(state: Arc<State>, door: Door, req: HttpRequest, payload: web::Payload) -> HttpResponse {
    let started = Instant::now();
    let id = request_id(&req);
    // The value was checked, or made here: it is visible ASCII.
    let text = id.to_str().unwrap_or_default();
    let span = tracing::debug_span!("request", request.id = text);
    let handled = AssertUnwindSafe(route(&state, door, &req, payload, text)).catch_unwind().instrument(span);
    let mut answer = handled.await.unwrap_or_else(|_| {
        state.metrics.observe_panic();
        let path = state.routes.shown(trimmed(req.path()));
        tracing::error!(request.id = text, path, "a handler failed; its request was answered with 500");
        Problem::internal().respond(text)
    });
    let (status, took) = (answer.status().as_u16(), started.elapsed());
    let duration_ms = took.as_secs_f64() * 1e3;
    // A path that nothing is served at may be somebody's key: some services put theirs there.
    let path = || if status == 404 { "unknown" } else { state.routes.shown(trimmed(req.path())) };
    let method = req.method().as_str();
    if status >= 500 && status != 503 {
        tracing::info!(request.id = text, method, path = path(), status, duration_ms, "answered {status}");
    } else {
        tracing::debug!(request.id = text, method, path = path(), status, duration_ms, "answered {status}");
    }
    if state.is_draining() {
        answer.head_mut().set_connection_type(actix_web::http::ConnectionType::Close);
    }
    answer.headers_mut().insert(REQUEST_ID.clone(), id);
    answer
}

async fn route(
    state: &Arc<State>,
    door: Door,
    req: &HttpRequest,
    payload: web::Payload,
    request_id: &str,
) -> HttpResponse {
    let path = trimmed(req.path());
    let method = req.method();
    let headers = HeaderView::new(req.headers());
    let served = || state.routes.at(path).iter().filter(|route| route.is_meant_by(&headers));
    for route in served() {
        match (route.serves, method) {
            (Serves::Ingest, &Method::POST) => return ingest::deliver(state, route, req, payload, request_id).await,
            (Serves::Acks, &Method::POST) => return ingest::acks(state, route, req, payload, request_id).await,
            (Serves::Health, &Method::GET | &Method::HEAD) => {
                return ingest::health(state, route, req, request_id).await;
            }
            _ => {}
        }
    }
    let api = Api::at(path, door);
    if let Some(api) = &api
        && api.methods().contains(&method.as_str())
    {
        return match api.answer(state, door, req, payload).await {
            Ok(mut answer) => {
                if state.tls {
                    let hsts = HeaderValue::from_static("max-age=31536000");
                    answer.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, hsts);
                }
                answer
            }
            Err(problem) => problem.respond(request_id),
        };
    }
    if served().next().is_none() && api.is_none() {
        return not_served(path, None, request_id);
    }
    // A path that is served only with some header takes its methods all the same.
    let mut methods: Vec<&str> = Vec::new();
    for of_route in state.routes.at(path).iter().flat_map(|route| route.methods()) {
        if !methods.contains(of_route) {
            methods.push(of_route);
        }
    }
    methods.extend(api.iter().flat_map(api::Api::methods));
    methods.push("OPTIONS");
    let allow = methods.join(",");
    if method == Method::OPTIONS {
        return HttpResponse::Ok().insert_header((header::ALLOW, allow)).finish();
    }
    match state.routes.at(path).iter().find(|route| route.methods().contains(&method.as_str())) {
        Some(route) => ingest::not_meant(route, req, request_id),
        None => not_served(path, Some(allow), request_id),
    }
}

/// The sender's own id when it is a short visible text, else a new one whose order is that of time.
fn request_id(req: &HttpRequest) -> HeaderValue {
    let sane = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=REQUEST_ID_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    };
    if let Some(given) = req.headers().get(&REQUEST_ID).filter(sane) {
        return given.clone();
    }
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let id = uuid::Builder::from_unix_timestamp_millis(u64::try_from(millis).unwrap_or(u64::MAX), &rand::random());
    let mut text = uuid::Uuid::encode_buffer();
    let text = id.into_uuid().hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn a_sane_request_id_is_taken_over() {
        let of = |given: &str| {
            let req = TestRequest::default().insert_header(("x-request-id", given)).to_http_request();
            request_id(&req).to_str().map(str::to_owned).unwrap_or_default()
        };
        assert_eq!(of("abc-123"), "abc-123");
        for odd in ["", "a b", "é", &"x".repeat(65)] {
            let made = of(odd);
            assert!(uuid::Uuid::parse_str(&made).is_ok_and(|id| id.get_version_num() == 7), "{odd:?} → {made}");
        }
    }
}
