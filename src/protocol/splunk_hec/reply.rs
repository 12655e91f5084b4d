//! Splunk's reply codes: number, HTTP status and text belong together, since senders look at all three.
//!
//! In: what happened. Out: `{"text":…,"code":…}`. Source: reply code table of `gjanders/SplunkAdmins`, Splunk's own
//! page on HEC acknowledgements, read 2026-11-20. Words of ours go into a header, so that the body of an answer that
//! Splunk knows stays Splunk's to the byte.

use crate::protocol::{AuthError, DecodeError, Health, IngestError, Receipt, Reply, problem};
use serde_json::{Map, Value, json};

/// A reply code of Splunk's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// `code` in the body.
    pub number: u16,
    /// HTTP status.
    pub status: u16,
    /// `text` in the body.
    pub text: &'static str,
}

const fn code(number: u16, status: u16, text: &'static str) -> Code {
    Code { number, status, text }
}

const SUCCESS: Code = code(0, 200, "Success");
const TOKEN_DISABLED: Code = code(1, 403, "Token disabled");
const TOKEN_REQUIRED: Code = code(2, 401, "Token is required");
const INVALID_AUTHORIZATION: Code = code(3, 401, "Invalid authorization");
const INVALID_TOKEN: Code = code(4, 403, "Invalid token");
/// The body holds nothing. Firehose's Splunk destination probes with such a body and expects this answer.
pub const NO_DATA: Code = code(5, 400, "No data");
/// No JSON, no envelope, or a time that is none.
pub const INVALID_DATA: Code = code(6, 400, "Invalid data format");
const INTERNAL: Code = code(8, 500, "Internal server error");
const BUSY: Code = code(9, 503, "Server is busy");
/// A question about acknowledgements without a channel.
pub const CHANNEL_MISSING: Code = code(10, 400, "Data channel is missing");
/// A channel that is no GUID.
pub const CHANNEL_INVALID: Code = code(11, 400, "Invalid data channel");
/// An envelope without `event`.
pub const EVENT_REQUIRED: Code = code(12, 400, "Event field is required");
/// An `event` that is an empty text.
pub const EVENT_BLANK: Code = code(13, 400, "Event field cannot be blank");
/// `fields` that are not flat.
pub const FIELDS_INVALID: Code = code(15, 400, "Error in handling indexed fields");
/// A token in the query string where that is switched off.
const QUERY_TOKEN_OFF: Code = code(16, 400, "Query string authorization is not enabled");
const HEALTHY: Code = code(17, 200, "HEC is healthy");
const QUEUES_FULL: Code = code(18, 503, "HEC is unhealthy, queues are full");
const SHUTTING_DOWN: Code = code(23, 503, "Server is shutting down");

// HTTP knows these faults, Splunk has no number of its own for them.
const TOO_LARGE: Code = code(6, 413, "Content-Length of the request exceeded the limit");
const UNKNOWN_ENCODING: Code = code(6, 415, "Unsupported content encoding");
const TIMEOUT: Code = code(6, 408, "Request timed out");
const THROTTLED: Code = code(4, 429, "Too many failed authorization attempts");
const NOT_FOUND: Code = code(404, 404, "The requested URL was not found on this server.");
const METHOD_NOT_ALLOWED: Code = code(405, 405, "Method Not Allowed");

/// Codes that decoding can give.
const DECODE_CODES: [Code; 8] = [
    NO_DATA,
    INVALID_DATA,
    CHANNEL_MISSING,
    CHANNEL_INVALID,
    EVENT_REQUIRED,
    EVENT_BLANK,
    FIELDS_INVALID,
    QUERY_TOKEN_OFF,
];

/// Header that says in words what a code means here.
const DETAIL_HEADER: &str = "x-lifeline-detail";

impl Code {
    fn reply(self) -> Reply {
        self.reply_with(Map::new())
    }

    /// `text` and `code` come first, as Splunk writes them: some clients compare the bytes.
    fn reply_with(self, more: Map<String, Value>) -> Reply {
        let mut body = format!(r#"{{"text":{},"code":{}"#, Value::from(self.text), self.number);
        for (name, value) in more {
            body.push_str(&format!(",{}:{value}", Value::from(name)));
        }
        body.push('}');
        Reply { content_type: Some("application/json"), body: body.into_bytes(), ..Reply::empty(self.status) }
    }

    /// An error of decoding with this code.
    pub(super) fn error(self, detail: impl Into<String>) -> DecodeError {
        DecodeError::new(self.number, detail)
    }
}

/// The answer to delivered events.
pub(super) fn ingest(result: &Result<Receipt, IngestError>) -> Reply {
    match result {
        Ok(Receipt { refusal: Some(refusal), .. }) => decode_error(refusal),
        // Exactly 200 with code 0: some senders compare both.
        Ok(receipt) => {
            let ack = receipt.ack_id.map(|id| ("ackId".to_owned(), id.into()));
            SUCCESS.reply_with(ack.into_iter().collect())
        }
        Err(IngestError::Malformed(error)) => decode_error(error),
        Err(error) => problem::with_retry_after(fault(error), error),
    }
}

fn fault(error: &IngestError) -> Reply {
    let code = match error {
        IngestError::Auth(auth) => match auth {
            AuthError::Missing => TOKEN_REQUIRED,
            AuthError::Malformed
            | AuthError::Unsigned
            | AuthError::BadSignature
            | AuthError::UnknownKey
            | AuthError::BadIdentity { .. }
            | AuthError::Skewed { .. } => INVALID_AUTHORIZATION,
            AuthError::Unknown | AuthError::Forbidden => INVALID_TOKEN,
            AuthError::Disabled => TOKEN_DISABLED,
            AuthError::Throttled { .. } => THROTTLED,
        },
        IngestError::TooLarge { .. } => TOO_LARGE,
        IngestError::UnknownEncoding => UNKNOWN_ENCODING,
        IngestError::BadEncoding(_) | IngestError::Malformed(_) => INVALID_DATA,
        IngestError::Timeout => TIMEOUT,
        // A full disk is "busy" to a sender: it keeps its data and tries again.
        IngestError::Busy { .. } | IngestError::StoreUnavailable { .. } => BUSY,
        IngestError::ShuttingDown => SHUTTING_DOWN,
        IngestError::Internal => INTERNAL,
    };
    let detail = problem::detail(error);
    // Where Splunk has no code that says it, the body does: senders log bodies, not headers.
    let mut more = Map::new();
    if beyond_splunk(error) {
        more.insert("detail".to_owned(), detail.as_str().into());
    }
    let reply = code.reply_with(more).with_header(DETAIL_HEADER, header_text(&detail));
    if code.status == 401 { reply.with_header("www-authenticate", "Splunk realm=\"lifeline\"") } else { reply }
}

const fn beyond_splunk(error: &IngestError) -> bool {
    matches!(
        error,
        IngestError::Auth(AuthError::Throttled { .. })
            | IngestError::TooLarge { .. }
            | IngestError::UnknownEncoding
            | IngestError::Timeout
            | IngestError::StoreUnavailable { .. }
    )
}

fn decode_error(error: &DecodeError) -> Reply {
    let code = match error.code {
        DecodeError::TOO_LARGE => TOO_LARGE,
        number => DECODE_CODES.into_iter().find(|code| code.number == number).unwrap_or(INVALID_DATA),
    };
    let at = error.event_number.map(|number| ("invalid-event-number".to_owned(), number.into()));
    code.reply_with(at.into_iter().collect()).with_header(DETAIL_HEADER, header_text(&error.detail))
}

/// Header values hold visible ASCII only.
fn header_text(text: &str) -> String {
    text.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect()
}

/// The answer to a health probe. A token is not looked at, as at Splunk.
pub(super) fn health(health: Health) -> Reply {
    match health {
        Health::Ready => HEALTHY.reply(),
        Health::Busy => QUEUES_FULL.reply(),
        Health::Unavailable => QUEUES_FULL.reply().with_header(DETAIL_HEADER, "the store cannot write"),
        Health::ShuttingDown => SHUTTING_DOWN.reply(),
    }
}

/// The answer to a question about acknowledgements.
pub(super) fn acks(answers: &[(u64, bool)]) -> Reply {
    let acks: Map<String, Value> = answers.iter().map(|(id, durable)| (id.to_string(), (*durable).into())).collect();
    Reply::json(200, &json!({"acks": acks}))
}

/// The answer to any other path below `/services/collector`.
#[must_use]
pub fn not_found() -> Reply {
    NOT_FOUND.reply()
}

/// The answer to a known path with a wrong method; the caller adds `Allow`.
#[must_use]
pub fn method_not_allowed() -> Reply {
    METHOD_NOT_ALLOWED.reply()
}
