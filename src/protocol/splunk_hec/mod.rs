//! Splunk's HTTP Event Collector, as Fivetran's Splunk form and every HEC library speaks it.
//!
//! In: JSON envelopes or raw lines, questions about acknowledgements, health probes. Out: records with the time and level of
//! their envelope, and answers in Splunk's own codes. Refused: what Splunk refuses, with its code and, inside a
//! batch, the number of the envelope; the ones before it are kept. The content type is never looked at: half of the
//! libraries send a wrong one.

mod ack;
mod channel;
mod event;
mod raw;
mod reply;
#[cfg(test)]
mod tests;

pub use ack::IDS_MAX;
pub use reply::{method_not_allowed, not_found};

use super::{
    AckQuestion, AuthError, Credential, DecodeError, Decoded, Head, Health, IngestError, Limits, Protocol, Receipt,
    Reply, Route, common_credential,
};

/// See the module.
#[derive(Debug)]
pub struct SplunkHec;

const ROUTES: &[Route] = &[
    Route::ingest("/services/collector"),
    Route::ingest("/services/collector/1.0"),
    Route::ingest("/services/collector/event"),
    Route::ingest("/services/collector/event/1.0"),
    Route::ingest("/services/collector/raw"),
    Route::ingest("/services/collector/raw/1.0"),
    Route::acks("/services/collector/ack"),
    Route::acks("/services/collector/ack/1.0"),
    Route::health("/services/collector/health"),
    Route::health("/services/collector/health/1.0"),
];

impl Protocol for SplunkHec {
    fn name(&self) -> &'static str {
        "splunk_hec"
    }

    fn routes(&self) -> &'static [Route] {
        ROUTES
    }

    fn credential<'h>(&self, head: &Head<'h>) -> Result<Credential<'h>, AuthError> {
        common_credential(head)
    }

    fn channel(&self, head: &Head<'_>) -> Result<Option<String>, DecodeError> {
        channel::of_head(head)
    }

    fn decode<'b>(&self, head: &Head<'_>, body: &'b [u8], limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
        if head.path.trim_end_matches("/1.0").ends_with("/raw") {
            raw::decode(head, body, limits)
        } else {
            event::decode(body, limits)
        }
    }

    fn reply(&self, _head: &Head<'_>, result: &Result<Receipt, IngestError>) -> Reply {
        reply::ingest(result)
    }

    fn ack_question(&self, head: &Head<'_>, body: &[u8]) -> Result<AckQuestion, DecodeError> {
        ack::question(head, body)
    }

    fn ack_reply(&self, answers: &[(u64, bool)]) -> Reply {
        reply::acks(answers)
    }

    fn health_reply(&self, _head: &Head<'_>, health: Health) -> Reply {
        reply::health(health)
    }
}
