//! Answers in AWS's JSON 1.1: a request id in a header, errors with `__type`.
//!
//! Statuses decide about retries: the SDKs repeat on 500 and 503 and on a `ThrottlingException`, and give up on all other 400s.

use super::super::{AuthError, DecodeError, Head, IngestError, Reply, problem};
use crate::model::Micros;
use serde_json::{Value, json};

/// Codes of a [`DecodeError`].
pub(super) const SERIALIZATION: u16 = 1;
pub(super) const INVALID_PARAMETER: u16 = 2;
pub(super) const UNKNOWN_OPERATION: u16 = 3;

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// The one group that exists: the one that is asked for.
pub(super) fn groups(asked: Option<&str>, now_us: Micros) -> Value {
    let group = |name: &str| json!({"logGroupName": name, "creationTime": now_us / 1000, "storedBytes": 0});
    json!({"logGroups": asked.map(group).into_iter().collect::<Vec<_>>()})
}

/// The one stream that exists: the one that is asked for. One client asks and creates without a pause until it is listed.
/// Observed: `winston-cloudwatch`, `winston-cloudwatch-2`.
pub(super) fn streams(asked: Option<&str>, now_us: Micros) -> Value {
    let stream = |name: &str| {
        json!({
            "logStreamName": name,
            "creationTime": now_us / 1000,
            "uploadSequenceToken": sequence_token(now_us),
            "storedBytes": 0,
        })
    };
    json!({"logStreams": asked.map(stream).into_iter().collect::<Vec<_>>()})
}

/// Digits, as clients expect, and as many as AWS writes. Means nothing.
fn sequence_token(now_us: Micros) -> String {
    format!("{:056}", now_us.unsigned_abs())
}

/// The answer to what was done.
pub(super) fn success(head: &Head<'_>, put: bool, note: Option<&str>) -> Reply {
    let body = match note {
        Some(answer) => answer.as_bytes().to_vec(),
        None if put => json!({"nextSequenceToken": sequence_token(head.now_us)}).to_string().into_bytes(),
        None => Vec::new(),
    };
    with_id(head, Reply { content_type: Some(CONTENT_TYPE), body, ..Reply::empty(200) })
}

/// The answer to what was not done.
pub(super) fn failure(head: &Head<'_>, error: &IngestError) -> Reply {
    let (status, name) = match error {
        IngestError::Auth(auth) => (400, auth_name(auth)),
        IngestError::TooLarge { .. } | IngestError::Malformed(DecodeError { code: DecodeError::TOO_LARGE, .. }) => {
            (413, "RequestEntityTooLargeException")
        }
        IngestError::Malformed(DecodeError { code: UNKNOWN_OPERATION, .. }) => (400, "UnknownOperationException"),
        IngestError::Malformed(DecodeError { code: INVALID_PARAMETER, .. }) => (400, "InvalidParameterException"),
        IngestError::Malformed(_) | IngestError::BadEncoding(_) | IngestError::UnknownEncoding => {
            (400, "SerializationException")
        }
        IngestError::Timeout => (400, "RequestTimeoutException"),
        IngestError::Busy { .. } | IngestError::StoreUnavailable { .. } | IngestError::ShuttingDown => {
            (503, "ServiceUnavailableException")
        }
        IngestError::Internal => (500, "InternalFailure"),
    };
    let body = json!({"__type": name, "message": problem::detail(error)});
    let reply = Reply { content_type: Some(CONTENT_TYPE), ..Reply::json(status, &body) };
    with_id(head, problem::with_retry_after(reply, error))
}

fn auth_name(error: &AuthError) -> &'static str {
    match error {
        AuthError::Missing | AuthError::Unsigned => "MissingAuthenticationTokenException",
        AuthError::Malformed => "IncompleteSignatureException",
        AuthError::BadSignature | AuthError::Skewed { .. } => "InvalidSignatureException",
        AuthError::Unknown | AuthError::UnknownKey | AuthError::Disabled | AuthError::BadIdentity { .. } => {
            "UnrecognizedClientException"
        }
        AuthError::Forbidden => "AccessDeniedException",
        AuthError::Throttled { .. } => "ThrottlingException",
    }
}

fn with_id(head: &Head<'_>, reply: Reply) -> Reply {
    reply.with_header("x-amzn-requestid", head.request_id)
}
