//! Azure Monitor's Logs Ingestion API: `POST /dataCollectionRules/RULE/streams/STREAM?api-version=…`.
//!
//! In: a JSON list of records, or one, usually in gzip. Out: one record each, and exactly 204: the SDKs take nothing else. Refused:
//! bodies that are no JSON, in Azure's error shape. Rule, stream and version may be anything; the token stands where the
//! SDKs put one of Entra, as `Authorization: Bearer`.
//!
//! Source: <https://learn.microsoft.com/en-us/azure/azure-monitor/logs/logs-ingestion-api-overview>, read 2026-11-20. Observed:
//! `azure-monitor-ingestion-py`.

use super::{
    AuthError, Credential, DecodeError, Decoded, Head, Health, IngestError, Limits, Protocol, Receipt, Reply, Route,
    common_credential, framing, native, problem,
};
use crate::json;
use crate::model::Timestamp;
use serde_json::json;

/// See the module.
#[derive(Debug)]
pub struct AzureLogsIngestion;

const ROUTES: &[Route] = &[Route::ingest("/dataCollectionRules/*/streams/*")];

/// The column that every table of the service has.
const TIME_GENERATED: &str = "TimeGenerated";

impl Protocol for AzureLogsIngestion {
    fn name(&self) -> &'static str {
        "azure_logs_ingestion"
    }

    fn routes(&self) -> &'static [Route] {
        ROUTES
    }

    fn credential<'h>(&self, head: &Head<'h>) -> Result<Credential<'h>, AuthError> {
        common_credential(head)
    }

    fn decode<'b>(&self, _head: &Head<'_>, body: &'b [u8], limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
        if native::is_blank(body) {
            return Err(DecodeError::empty(0, "the body is empty"));
        }
        let mut items = native::cut(body, limits)?;
        for record in items.records_from(0) {
            record.hints.time = time(record.payload.text());
        }
        items.readable()
    }

    fn reply(&self, head: &Head<'_>, result: &Result<Receipt, IngestError>) -> Reply {
        let reply = match result {
            Ok(_) => Reply::empty(204),
            Err(error) => failure(error),
        };
        reply.with_header("x-ms-request-id", head.request_id)
    }

    fn health_reply(&self, _head: &Head<'_>, health: Health) -> Reply {
        native::health_reply(health)
    }
}

/// The time that a record says it was generated at. Most say none, and looking for the name is cheaper than reading members.
fn time(record: &str) -> Option<Timestamp> {
    if !record.contains(TIME_GENERATED) {
        return None;
    }
    let members = json::members(record).ok()?;
    Timestamp::parse(&framing::plain(json::member(&members, TIME_GENERATED)?)).ok()
}

/// Azure's error shape.
fn failure(error: &IngestError) -> Reply {
    let kind = problem::Kind::of(error);
    let code = match kind.status {
        401 => "InvalidToken",
        403 => "OperationFailed",
        408 => "RequestTimeout",
        413 => "ContentLengthLimitExceeded",
        415 => "UnsupportedContentEncoding",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        500 => "InternalServerError",
        _ => "InvalidPayload",
    };
    let body = json!({"error": {"code": code, "message": problem::detail(error)}});
    let reply = problem::with_retry_after(Reply::json(kind.status, &body), error);
    if kind.status == 401 { reply.with_header("www-authenticate", "Bearer realm=\"lifeline\"") } else { reply }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/dataCollectionRules/dcr-1/streams/Custom-L_CL";

    fn decode(body: &str) -> Result<Vec<Result<Option<String>, String>>, DecodeError> {
        let headers = Vec::new();
        let head = Head::new("POST", PATH, "", &headers);
        let decoded = AzureLogsIngestion.decode(&head, body.as_bytes(), &Limits::default())?;
        let item = |item: Result<crate::model::Record<'_>, crate::model::RecordError>| {
            item.map(|record| record.hints.time.map(|time| time.to_string())).map_err(|error| error.reason)
        };
        Ok(decoded.items.into_iter().map(item).collect())
    }

    #[test]
    fn records_are_read_with_their_time() {
        let body = r#"[{"TimeGenerated":"2026-08-17T09:41:23Z"},{"event":"info"},{"TimeGenerated":5.5},{"x":"TimeGenerated"}]"#;
        let time = |text: &str| Ok(Some(text.to_owned()));
        let expected = [time("2026-08-17T09:41:23Z"), Ok(None), time("1970-01-01T00:00:05.5Z"), Ok(None)];
        assert_eq!(decode(body).unwrap(), expected);
        assert_eq!(decode("[]").unwrap(), []);
        assert_eq!(decode(r#"{"event":"info"}"#).unwrap(), [Ok(None)]);
    }

    #[test]
    fn other_bodies_are_refused() {
        assert!(!decode("").unwrap_err().quarantine);
        for body in ["[{\"event\":", "plain text", "5", "[5]"] {
            assert!(decode(body).unwrap_err().quarantine, "{body}");
        }
    }

    #[test]
    fn every_rule_and_stream_is_served() {
        assert!(ROUTES[0].fits_path(PATH));
        assert!(!ROUTES[0].fits_path("/dataCollectionRules//streams/x"));
    }

    #[test]
    fn answers_are_azures() {
        let headers = Vec::new();
        let head = Head { request_id: "id", ..Head::new("POST", PATH, "", &headers) };
        let ok = AzureLogsIngestion.reply(&head, &Ok(Receipt::default()));
        assert_eq!(ok, Reply::empty(204).with_header("x-ms-request-id", "id"));
        for (error, status, code) in [
            (AuthError::Missing.into(), 401, "InvalidToken"),
            (AuthError::Forbidden.into(), 403, "OperationFailed"),
            (AuthError::Throttled { retry_after_s: 1 }.into(), 429, "TooManyRequests"),
            (IngestError::TooLarge { limit_bytes: 1 }, 413, "ContentLengthLimitExceeded"),
            (IngestError::Malformed(DecodeError::new(0, "x")), 400, "InvalidPayload"),
            (IngestError::Busy { retry_after_s: 1 }, 503, "ServiceUnavailable"),
        ] {
            let reply = AzureLogsIngestion.reply(&head, &Err(error.clone()));
            let document: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
            assert_eq!((reply.status, &document["error"]["code"]), (status, &code.into()), "{error}");
        }
    }
}
