//! Lifeline's own route: `POST /v1/events`.
//!
//! In: one object, a list, NDJSON, objects one after another, log lines of neighbours; the content type is not looked at. Out: one
//! record per object or line, and an answer that counts what became of them. Refused: bodies in which nothing can be read, with a
//! problem document. Exists for senders that can be told what to say: scripts, back-fills, other tools' HTTP sinks.

mod lines;
#[cfg(test)]
mod tests;

pub use lines::cut;

use super::{
    AuthError, Credential, DecodeError, Decoded, Head, Health, IngestError, Limits, Protocol, Receipt, Reply, Route,
    common_credential, problem,
};
use serde_json::{Value, json};

/// See the module.
#[derive(Debug)]
pub struct Native;

impl Protocol for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn routes(&self) -> &'static [Route] {
        const { &[Route::ingest("/v1/events")] }
    }

    fn credential<'h>(&self, head: &Head<'h>) -> Result<Credential<'h>, AuthError> {
        common_credential(head)
    }

    fn decode<'b>(&self, _head: &Head<'_>, body: &'b [u8], limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
        let items = cut(body, limits)?;
        if items.is_empty() && is_blank(body) {
            return Err(DecodeError::empty(0, "the body is empty; send one object, a list of objects or NDJSON"));
        }
        items.readable()
    }

    fn reply(&self, _head: &Head<'_>, result: &Result<Receipt, IngestError>) -> Reply {
        reply(result)
    }

    fn health_reply(&self, _head: &Head<'_>, health: Health) -> Reply {
        health_reply(health)
    }
}

/// Whether a body holds nothing but white space. An empty list is no such body: it says that there is nothing to say.
#[must_use]
pub fn is_blank(body: &[u8]) -> bool {
    body[super::framing::bom_len(body)..].iter().all(u8::is_ascii_whitespace)
}

/// The native answer, also given to webhooks.
#[must_use]
pub fn reply(result: &Result<Receipt, IngestError>) -> Reply {
    match result {
        Ok(receipt) => Reply::json(200, &receipt_json(receipt)),
        Err(error) => problem::reply(error),
    }
}

fn receipt_json(receipt: &Receipt) -> Value {
    let items: Vec<Value> = receipt
        .items
        .iter()
        .map(|item| json!({"index": item.index, "outcome": item.outcome, "id": item.id, "reason": item.reason}))
        .collect();
    json!({
        "accepted": receipt.accepted,
        "duplicates": receipt.duplicates,
        "quarantined": receipt.quarantined,
        "items": items,
    })
}

/// A health answer for protocols that define none.
#[must_use]
pub fn health_reply(health: Health) -> Reply {
    let (status, word) = match health {
        Health::Ready => (200, "ready"),
        Health::Busy => (503, "busy"),
        Health::Unavailable => (503, "the store cannot write"),
        Health::ShuttingDown => (503, "shutting down"),
    };
    Reply::json(status, &json!({"status": word}))
}
