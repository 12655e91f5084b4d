//! `/services/collector/raw`: text, one event per line, with its metadata in the query.
//!
//! In: a body of lines. Out: one record per line that is not blank. Refused: a line that is not UTF-8, alone; a body
//! of blank lines (code 5); a time in the query that is none (code 6). Splunk cuts by source type; a line feed is what
//! all of its defaults agree on.

use super::event::epoch;
use super::reply::{INVALID_DATA, NO_DATA};
use crate::model::Hints;
use crate::protocol::framing::Items;
use crate::protocol::{DecodeError, Decoded, Head, Limits};

/// Cuts a body into lines.
///
/// # Errors
/// See the module.
pub(super) fn decode<'b>(head: &Head<'_>, body: &'b [u8], limits: &Limits) -> Result<Decoded<'b>, DecodeError> {
    let time = match head.query_value("time") {
        Some(text) if !text.is_empty() => Some(epoch(&text).map_err(|reason| INVALID_DATA.error(reason).at(0))?),
        _ => None,
    };
    let mut items = Items::new(limits, body.len());
    items.lines(body, &Hints { time, ..Hints::default() })?;
    if items.is_empty() {
        return Err(DecodeError::empty(NO_DATA.number, "the body holds no lines"));
    }
    Ok(items.decoded())
}
