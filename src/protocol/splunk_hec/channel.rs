//! Acknowledgement channels: GUIDs that a sender makes up.
//!
//! In: a header, a query parameter or an envelope's member. Out: the GUID in lower case, since Splunk compares without
//! case. Refused: any other text.

use super::reply::CHANNEL_INVALID;
use crate::protocol::{DecodeError, Head};
use std::borrow::Cow;

/// The channel that the head names; the header goes before the query.
pub(super) fn of_head(head: &Head<'_>) -> Result<Option<String>, DecodeError> {
    let header = head.header("x-splunk-request-channel").map(|value| Cow::Borrowed(value.trim()));
    // A form field left blank is sent as an empty channel.
    let named = |value: &Cow<'_, str>| !value.is_empty();
    match header.filter(named).or_else(|| head.query_value("channel").filter(named)) {
        None => Ok(None),
        Some(text) => match parse(&text) {
            Some(channel) => Ok(Some(channel)),
            None => Err(CHANNEL_INVALID.error("the channel is not a GUID like 0aeeac95-ac74-4aa9-b30d-6c4c0ac581ba")),
        },
    }
}

/// A GUID in lower case.
pub(super) fn parse(text: &str) -> Option<String> {
    let groups = text.split('-').map(|group| (group.len(), group.bytes().all(|byte| byte.is_ascii_hexdigit())));
    let fits = groups.eq([(8, true), (4, true), (4, true), (4, true), (12, true)]);
    fits.then(|| text.to_ascii_lowercase())
}
