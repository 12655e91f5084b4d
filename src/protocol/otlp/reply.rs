//! Answers in the encoding of the request: `ExportLogsServiceResponse` and `google.rpc.Status`.

use super::{Form, UNKNOWN_TYPE};
use crate::protocol::{AuthError, DecodeError, IngestError, Receipt, Reply, problem};
use prost::encoding::encode_varint;
use serde_json::json;

/// Everything that can be read is durable.
pub(super) fn success(form: Form, receipt: &Receipt) -> Reply {
    if receipt.quarantined == 0 {
        return match form {
            Form::Json => Reply::json(200, &json!({})),
            Form::Protobuf => protobuf(200, Vec::new()),
        };
    }
    let rejected = receipt.quarantined as u64;
    let words = format!("{rejected} log records hold no event and are kept in quarantine");
    match form {
        Form::Json => {
            let partial = json!({"rejectedLogRecords": rejected.to_string(), "errorMessage": words});
            Reply::json(200, &json!({"partialSuccess": partial}))
        }
        Form::Protobuf => {
            let mut partial = vec![0x08];
            encode_varint(rejected, &mut partial);
            bytes(2, words.as_bytes(), &mut partial);
            let mut response = Vec::new();
            bytes(1, &partial, &mut response);
            protobuf(200, response)
        }
    }
}

/// Nothing was taken.
pub(super) fn failure(form: Form, error: &IngestError) -> Reply {
    let (status, code) = status(error);
    let words = problem::detail(error);
    let reply = match form {
        Form::Json => Reply::json(status, &json!({"code": code, "message": words})),
        Form::Protobuf => {
            let mut message = vec![0x08];
            encode_varint(u64::from(code), &mut message);
            bytes(2, words.as_bytes(), &mut message);
            protobuf(status, message)
        }
    };
    problem::with_retry_after(reply, error)
}

/// HTTP status and gRPC code. Source: `google/rpc/code.proto`.
fn status(error: &IngestError) -> (u16, u8) {
    const INVALID_ARGUMENT: u8 = 3;
    const DEADLINE_EXCEEDED: u8 = 4;
    const PERMISSION_DENIED: u8 = 7;
    const RESOURCE_EXHAUSTED: u8 = 8;
    const INTERNAL: u8 = 13;
    const UNAVAILABLE: u8 = 14;
    const UNAUTHENTICATED: u8 = 16;
    match error {
        IngestError::Auth(AuthError::Throttled { .. }) => (429, RESOURCE_EXHAUSTED),
        IngestError::Auth(AuthError::Forbidden) => (403, PERMISSION_DENIED),
        IngestError::Auth(_) => (401, UNAUTHENTICATED),
        IngestError::TooLarge { .. } | IngestError::Malformed(DecodeError { code: DecodeError::TOO_LARGE, .. }) => {
            (413, RESOURCE_EXHAUSTED)
        }
        IngestError::UnknownEncoding | IngestError::Malformed(DecodeError { code: UNKNOWN_TYPE, .. }) => {
            (415, INVALID_ARGUMENT)
        }
        IngestError::BadEncoding(_) | IngestError::Malformed(_) => (400, INVALID_ARGUMENT),
        IngestError::Timeout => (503, DEADLINE_EXCEEDED),
        IngestError::Internal => (503, INTERNAL),
        IngestError::Busy { .. } | IngestError::StoreUnavailable { .. } | IngestError::ShuttingDown => {
            (503, UNAVAILABLE)
        }
    }
}

fn protobuf(status: u16, body: Vec<u8>) -> Reply {
    Reply { content_type: Some("application/x-protobuf"), body, ..Reply::empty(status) }
}

/// Appends a length-delimited field.
fn bytes(number: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(number << 3 | 2);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}
