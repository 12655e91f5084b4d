//! Azure Monitor's HTTP Data Collector API: `POST /api/logs?api-version=2016-04-01`.
//!
//! In: a JSON list of records, or one; columns may carry Azure's type suffixes. Out: one record each, with the time of
//! the column that `time-generated-field` names, and exactly 200 without a body, since clients take nothing else. Refused: a wrong
//! version, a log type that is none, bodies that are no JSON, in Azure's words. The content type is not looked at beyond the
//! signature: `SharedKey` covers the length, the type and the date, never the body.
//!
//! Source: <https://learn.microsoft.com/en-us/azure/azure-monitor/logs/data-collector-api>, read 2026-11-20.

mod shared_key;
#[cfg(test)]
mod tests;

use super::{
    AuthError, Credential, DecodeError, Decoded, Head, Health, IngestError, Limits, Protocol, Receipt, Reply, Route,
    Signed, common_credential, framing, native, problem,
};
use crate::json;
use crate::model::Timestamp;
use serde_json::json;
use shared_key::SharedKey;

/// See the module.
#[derive(Debug)]
pub struct AzureDataCollector;

/// Where records are delivered.
pub const PATH: &str = "/api/logs";

const ROUTES: &[Route] = &[Route::ingest(PATH)];

/// The one version there ever was.
const API_VERSION: &str = "2016-04-01";

/// Longest `Log-Type`, in characters.
const LOG_TYPE_MAX: usize = 100;

/// Column that holds the time where no header names one.
const TIME_GENERATED: &str = "TimeGenerated";

/// Which of Azure's error names a [`DecodeError`] stands for: its code is the position here.
const NAMES: &[&str] =
    &["InvalidDataFormat", "MissingApiVersion", "InvalidApiVersion", "MissingLogType", "InvalidLogType"];
const MISSING_API_VERSION: u16 = 1;
const INVALID_API_VERSION: u16 = 2;
const MISSING_LOG_TYPE: u16 = 3;
const INVALID_LOG_TYPE: u16 = 4;

impl Protocol for AzureDataCollector {
    fn name(&self) -> &'static str {
        "azure_data_collector"
    }

    fn routes(&self) -> &'static [Route] {
        ROUTES
    }

    fn credential<'h>(&self, head: &Head<'h>) -> Result<Credential<'h>, AuthError> {
        match head.header("authorization").and_then(shared_key::value) {
            Some(value) => SharedKey::read(value, head).map(|key| Credential::Signed(Signed::new(key))),
            None => common_credential(head),
        }
    }

    fn decode<'b>(&self, head: &Head<'_>, body: &'b [u8], limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
        if native::is_blank(body) {
            return Err(DecodeError::empty(0, "the body is empty"));
        }
        check_head(head).map_err(|(code, detail)| DecodeError::new(code, detail))?;
        let mut items = native::cut(body, limits)?;
        let column = head.header("time-generated-field").map(str::trim).filter(|name| !name.is_empty());
        for record in items.records_from(0) {
            record.hints.time = time(record.payload.text(), column.unwrap_or(TIME_GENERATED));
        }
        items.readable()
    }

    fn reply(&self, head: &Head<'_>, result: &Result<Receipt, IngestError>) -> Reply {
        let request_id = head.request_id.to_owned();
        match result {
            Ok(_) => Reply::empty(200).with_header("x-ms-request-id", request_id),
            Err(error) => failure(error).with_header("x-ms-request-id", request_id),
        }
    }

    fn health_reply(&self, _head: &Head<'_>, health: Health) -> Reply {
        native::health_reply(health)
    }
}

/// Version and log type, as Azure demands them. What is wrong costs no data: the body goes to quarantine.
fn check_head(head: &Head<'_>) -> Result<(), (u16, &'static str)> {
    match head.query_value("api-version").as_deref() {
        None | Some("") => {
            return Err((MISSING_API_VERSION, "the api-version is missing; send ?api-version=2016-04-01"));
        }
        Some(API_VERSION) => {}
        Some(_) => return Err((INVALID_API_VERSION, "the api-version is not supported; send 2016-04-01")),
    }
    let log_type = head.header("log-type").unwrap_or_default();
    if log_type.is_empty() {
        return Err((MISSING_LOG_TYPE, "the header Log-Type is missing"));
    }
    let plain = log_type.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !plain || log_type.len() > LOG_TYPE_MAX {
        return Err((INVALID_LOG_TYPE, "the header Log-Type may hold letters, digits and underscores, at most 100"));
    }
    Ok(())
}

/// The time in a column of a record.
fn time(record: &str, column: &str) -> Option<Timestamp> {
    // Most records have no such column, and looking for its name is cheaper than reading members.
    if !record.contains(column) {
        return None;
    }
    let members = json::members(record).ok()?;
    Timestamp::parse(&framing::plain(json::member(&members, column)?)).ok()
}

/// Azure's status and name for an error.
fn failure(error: &IngestError) -> Reply {
    let (status, name) = match error {
        IngestError::Auth(AuthError::Throttled { .. }) => (429, "TooManyRequests"),
        IngestError::Auth(_) => (403, "InvalidAuthorization"),
        IngestError::Malformed(DecodeError { code: DecodeError::TOO_LARGE, .. }) | IngestError::TooLarge { .. } => {
            (413, "RequestTooLarge")
        }
        IngestError::Malformed(cause) => (400, NAMES.get(usize::from(cause.code)).copied().unwrap_or(NAMES[0])),
        IngestError::BadEncoding(_) => (400, NAMES[0]),
        IngestError::UnknownEncoding => (400, "UnsupportedContentType"),
        IngestError::Timeout => (408, "RequestTimeout"),
        IngestError::Busy { .. } | IngestError::StoreUnavailable { .. } | IngestError::ShuttingDown => {
            (503, "ServiceUnavailable")
        }
        IngestError::Internal => (500, "UnspecifiedError"),
    };
    let body = json!({"Error": name, "Message": problem::detail(error)});
    problem::with_retry_after(Reply::json(status, &body), error)
}
