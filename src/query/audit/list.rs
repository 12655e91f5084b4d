//! Records in answers: the bytes that were hashed, their hash, their twins.

use super::request::{RecordRequest, RecordsRequest, record_cursor};
use crate::{
    audit::{self, Tail},
    store::{
        Order, StoreError, Trail,
        trail::{Pruned, RecordFilter, RecordQuery},
    },
};
use std::time::{Duration, Instant};

/// How long a page goes on looking while it is still empty.
const PATIENCE: Duration = Duration::from_secs(2);

/// A page of records as JSON. Blocks.
///
/// # Errors
/// What the store says.
pub fn records(trail: &dyn Trail, request: RecordsRequest) -> Result<Vec<u8>, StoreError> {
    let RecordsRequest(mut query) = request;
    let started = Instant::now();
    let page = loop {
        let page = trail.records(&query)?;
        match page.next {
            Some(next) if page.records.iter().all(|record| record.body.is_none()) && started.elapsed() < PATIENCE => {
                query.after = Some(next);
            }
            _ => break page,
        }
    };
    let mut out = String::with_capacity(page.records.len() * 1024 + 64);
    out.push_str("{\"data\":[");
    // What retention removed is named by GET /v1/audit/{seq}; a list shows what there is.
    let shown = page.records.iter().filter_map(|record| Some((record, record.body.as_deref()?)));
    for (at, (record, body)) in shown.enumerate() {
        if at > 0 {
            out.push(',');
        }
        audit::write_line(&mut out, body, &record.leaf, Tail::Twins(&record.twins));
    }
    out.push_str("],\"next_cursor\":");
    match page.next {
        // A cursor is base64url text.
        Some(next) => out.push_str(&format!("\"{}\"", record_cursor(query.log, query.order, next))),
        None => out.push_str("null"),
    }
    out.push('}');
    Ok(out.into_bytes())
}

/// What there is of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Its JSON.
    Record(Vec<u8>),
    /// Its text was removed; when and why, where that is known.
    Pruned(Option<Pruned>),
    /// The log does not go so far.
    Nothing,
}

/// One record. Blocks.
///
/// # Errors
/// What the store says.
pub fn record(trail: &dyn Trail, request: RecordRequest) -> Result<Found, StoreError> {
    let RecordRequest { log, seq } = request;
    if seq == 0 || seq > trail.size(log)? {
        return Ok(Found::Nothing);
    }
    let after = (seq > 1).then_some(seq - 1);
    let query =
        RecordQuery { log, filter: RecordFilter::default(), order: Order::Asc, after, size: Some(seq), limit: 1 };
    let page = trail.records(&query)?;
    match page.records.into_iter().find(|record| record.seq == seq) {
        Some(record) if record.body.is_some() => {
            let body = record.body.unwrap_or_default();
            Ok(Found::Record(audit::line(&body, &record.leaf, Tail::Twins(&record.twins)).into_bytes()))
        }
        _ => {
            let mut pruned = trail.pruned(log)?.into_iter();
            Ok(Found::Pruned(pruned.find(|range| (range.first..=range.last).contains(&seq))))
        }
    }
}
