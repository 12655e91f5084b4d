//! What the command line asks of the running server, over the control socket only.

use super::{Problem, json};
use crate::server::{
    audit::{Taken, look::look, who},
    state::{Door, State},
};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::json as value;
use std::{ops::ControlFlow, sync::Arc};
use tokio::sync::mpsc;

/// Largest text of checkpoints that is taken, in bytes.
const CHECKPOINTS_BYTES_MAX: usize = 4 << 20;
/// Largest text that tells what is taken, in bytes.
const TAKEN_BYTES_MAX: usize = 64 << 10;
/// Lines that wait for the reader.
const LINES: usize = 64;

/// Why an answer ends before its last line.
#[derive(Debug, thiserror::Error)]
#[error("the answer ended early")]
struct Broken;

/// Collects a body; `what`: in it.
async fn body(payload: &mut web::Payload, bytes_max: usize, what: &str) -> Result<Vec<u8>, Problem> {
    let mut text = Vec::new();
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|error| Problem::bad_body(error.to_string()))?;
        if text.len() + piece.len() > bytes_max {
            return Err(Problem::bad_body(format!("more than {bytes_max} bytes of {what}")));
        }
        text.extend_from_slice(&piece);
    }
    Ok(text)
}

/// Keeps a record of what a command takes out of the store, before it does.
pub(in crate::server) async fn taken(state: &Arc<State>, mut payload: web::Payload) -> Result<HttpResponse, Problem> {
    let told = body(&mut payload, TAKEN_BYTES_MAX, "what is taken").await?;
    let taken: Taken = serde_json::from_slice(&told).map_err(|error| Problem::bad_body(error.to_string()))?;
    let seq = state.audit.did(taken.deed(), who(None, Door::Control)).await?;
    json(200, &value!({"seq": seq}))
}

/// Looks at the whole store for what was altered; answers with lines of JSON as it goes.
pub(in crate::server) async fn verify(state: &Arc<State>, mut payload: web::Payload) -> Result<HttpResponse, Problem> {
    let text = body(&mut payload, CHECKPOINTS_BYTES_MAX, "checkpoints").await?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let (to, from) = mpsc::channel::<Bytes>(LINES);
    let store = Arc::clone(state.store());
    let state = Arc::clone(state);
    let work = web::block(move || {
        let mut tell = |line: serde_json::Value| {
            let gone = state.is_draining() || to.blocking_send(format!("{line}\n").into()).is_err();
            if gone { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        if let Err(error) = look(&*store, &state.audit.settings, &text, &mut tell) {
            tracing::warn!("the store cannot be looked at: {error}");
            let _ = tell(value!({"error": error.to_string()}));
        }
    });
    // Its end is seen by the channel's.
    actix_web::rt::spawn(work);
    let lines =
        stream::unfold(from, |mut from| async move { from.recv().await.map(|line| (Ok::<_, Broken>(line), from)) });
    Ok(HttpResponse::Ok().content_type("application/x-ndjson").streaming(lines))
}

/// Takes a new key in place of the present one.
pub(in crate::server) async fn rotate(state: &Arc<State>, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    super::no_parameters(req)?;
    let key = state.audit.rotate(who(None, Door::Control)).await.map_err(|error| {
        tracing::error!("the audit key cannot be changed: {error}");
        Problem::internal()
    })?;
    json(200, &value!({"key_id": key.key_id().to_string(), "fingerprint": key.fingerprint()}))
}
