//! Amazon CloudWatch Logs, JSON 1.1: `POST /` with `X-Amz-Target: Logs_20140328.…`.
//!
//! In: `PutLogEvents`, and the calls that clients make around it (create and describe groups and streams, retention, tags). Out:
//! one record per log event with its time; for the others nothing, and the answer that keeps their clients going: groups and
//! streams are not kept, so whatever is asked for exists. Refused: other operations and unreadable bodies, with `__type` and
//! status 400 as AWS does. Sequence tokens are taken and mean nothing, as at AWS since 2023.
//!
//! Source: <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/>, read 2026-11-20. Observed: `boto3-*`,
//! `watchtower*`, `winston-cloudwatch*`, `aws-sdk-js-v3-putlogevents`.

mod reply;
mod sigv4;
#[cfg(test)]
mod tests;

use super::{
    AuthError, Credential, DecodeError, Decoded, Head, Health, IngestError, Limits, Protocol, Receipt, Reply, Route,
    Signed, common_credential,
    framing::{self, Items, Text},
    native,
};
use crate::model::{Hints, Payload, Record, Timestamp};
use reply::{SERIALIZATION, UNKNOWN_OPERATION};
use serde::Deserialize;
use serde_json::value::RawValue;
use sigv4::SigV4;

/// See the module.
#[derive(Debug)]
pub struct CloudwatchLogs;

/// Header that names the operation.
const TARGET: &str = "x-amz-target";

/// What stands before the operation in it.
const TARGET_PREFIX: &str = "Logs_20140328.";

const ROUTES: &[Route] = &[Route::ingest("/").only_with(TARGET, TARGET_PREFIX)];

/// Longest name of a group or stream, in bytes.
/// Source: API reference, `CreateLogStream`.
const NAME_BYTES_MAX: usize = 512;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    /// Takes log events.
    Put,
    /// Lists groups.
    DescribeGroups,
    /// Lists streams.
    DescribeStreams,
    /// Changes something that is not kept here.
    Nothing,
}

impl Operation {
    /// The operation that the head names.
    fn of(head: &Head<'_>) -> Option<Self> {
        Some(match head.header(TARGET)?.strip_prefix(TARGET_PREFIX)? {
            "PutLogEvents" => Self::Put,
            "DescribeLogGroups" => Self::DescribeGroups,
            "DescribeLogStreams" => Self::DescribeStreams,
            "CreateLogGroup"
            | "CreateLogStream"
            | "PutRetentionPolicy"
            | "DeleteRetentionPolicy"
            | "TagResource"
            | "TagLogGroup" => Self::Nothing,
            _ => return None,
        })
    }
}

impl Protocol for CloudwatchLogs {
    fn name(&self) -> &'static str {
        "cloudwatch_logs"
    }

    fn routes(&self) -> &'static [Route] {
        ROUTES
    }

    fn credential<'h>(&self, head: &Head<'h>) -> Result<Credential<'h>, AuthError> {
        match head.header("authorization").and_then(sigv4::value) {
            Some(value) => SigV4::read(value, head).map(|signature| Credential::Signed(Signed::new(signature))),
            None => common_credential(head),
        }
    }

    fn decode<'b>(&self, head: &Head<'_>, body: &'b [u8], limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
        let unknown = || DecodeError::empty(UNKNOWN_OPERATION, "this operation is not served; send PutLogEvents");
        let operation = Operation::of(head).ok_or_else(unknown)?;
        if operation == Operation::Put {
            return put(body, limits);
        }
        // Nothing of these is worth keeping.
        let asked: Asked<'_> = serde_json::from_slice(body)
            .map_err(|error| DecodeError::empty(SERIALIZATION, framing::not_json(&error)))?;
        let note = match operation {
            Operation::DescribeGroups => Some(reply::groups(asked.group_prefix(), head.now_us)),
            Operation::DescribeStreams => Some(reply::streams(asked.stream_prefix(), head.now_us)),
            Operation::Put | Operation::Nothing => None,
        };
        Ok(Decoded { note: note.map(|answer| answer.to_string()), ..Decoded::default() })
    }

    fn reply(&self, head: &Head<'_>, result: &Result<Receipt, IngestError>) -> Reply {
        match result {
            Ok(receipt) => reply::success(head, Operation::of(head) == Some(Operation::Put), receipt.note.as_deref()),
            Err(error) => reply::failure(head, error),
        }
    }

    fn health_reply(&self, _head: &Head<'_>, health: Health) -> Reply {
        native::health_reply(health)
    }
}

/// What of a question is looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked<'b> {
    #[serde(borrow, default)]
    log_group_name_prefix: Option<Text<'b>>,
    #[serde(borrow, default)]
    log_group_name_pattern: Option<Text<'b>>,
    #[serde(borrow, default)]
    log_stream_name_prefix: Option<Text<'b>>,
}

impl Asked<'_> {
    fn group_prefix(&self) -> Option<&str> {
        name(self.log_group_name_prefix.as_ref().or(self.log_group_name_pattern.as_ref()))
    }

    fn stream_prefix(&self) -> Option<&str> {
        name(self.log_stream_name_prefix.as_ref())
    }
}

/// A name that can be one.
fn name<'t>(text: Option<&'t Text<'_>>) -> Option<&'t str> {
    text.map(|Text(text)| text.as_ref()).filter(|text| (1..=NAME_BYTES_MAX).contains(&text.len()))
}

/// The body of `PutLogEvents`.
#[derive(Deserialize)]
struct Put<'b> {
    #[serde(borrow, rename = "logEvents")]
    log_events: &'b RawValue,
}

/// One log event.
#[derive(Deserialize)]
struct LogEvent<'b> {
    #[serde(borrow, default)]
    timestamp: Option<&'b RawValue>,
    #[serde(borrow)]
    message: Text<'b>,
}

fn put<'b>(body: &'b [u8], limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
    let failed = |error: &serde_json::Error| match error.classify() {
        serde_json::error::Category::Data => {
            DecodeError::new(reply::INVALID_PARAMETER, "expected {\"logEvents\":[{\"timestamp\":…,\"message\":…}]}")
        }
        _ => DecodeError::new(SERIALIZATION, framing::not_json(error)),
    };
    if native::is_blank(body) {
        return Err(DecodeError::empty(SERIALIZATION, "the body is empty"));
    }
    let put: Put<'b> = serde_json::from_slice(body).map_err(|error| failed(&error))?;
    if !put.log_events.get().starts_with('[') {
        return Err(DecodeError::new(reply::INVALID_PARAMETER, "logEvents is not a list"));
    }
    let mut items = Items::new(limits, body.len());
    let expected = "{\"timestamp\":…,\"message\":…} with the message as text";
    framing::each(put.log_events, body, &mut items, expected, |event: LogEvent<'b>, _, items| {
        let time = event.timestamp.and_then(|raw| Timestamp::parse_epoch(raw.get()).ok());
        let Text(message) = event.message;
        items.record(Record { payload: Payload::Text(message), hints: Hints { time, ..Hints::default() } })
    })?;
    items.readable().map_err(|error| DecodeError { code: reply::INVALID_PARAMETER, ..error })
}
