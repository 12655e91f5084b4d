//! One message: `<PRI>1 TIME HOST APP PROCESS ID TEXT`, that is RFC 5424 without structured data.
//!
//! In: a message. Out: its parts; what a notice of lost messages says; a word of a text in logfmt. Refused: text without such a
//! header. The priority is not used: Logplex gives the same one to all lines of an app.

use crate::model::Timestamp;
use serde_json::json;

/// The name of the event that says that Logplex lost messages.
pub const LOSS_EVENT: &str = "logplex_messages_dropped";

/// A message, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'m> {
    /// When it was written, where that can be read.
    pub time: Option<Timestamp>,
    /// `host`, or the drain's token.
    pub host: &'m str,
    /// `app`, or `heroku` for the platform's own messages.
    pub app: &'m str,
    /// `herokuconnect`, `web.1`, `logplex`.
    pub process: &'m str,
    /// What was said.
    pub text: &'m str,
}

/// Takes a message apart; `None` for anything else.
#[must_use]
pub fn parse(line: &str) -> Option<Message<'_>> {
    let rest = line.strip_prefix('<')?;
    let (priority, rest) = rest.split_once('>')?;
    if !(1..=3).contains(&priority.len()) || !priority.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut parts = rest.splitn(7, ' ');
    let mut part = || parts.next();
    let (version, time, host, app, process, _id, text) =
        (part()?, part()?, part()?, part()?, part()?, part()?, part()?);
    if version != "1" {
        return None;
    }
    let time = Timestamp::parse_calendar(time).ok().map(Timestamp::trimmed);
    Some(Message { time, host, app, process, text: without_absent_data(text.trim_start()) })
}

/// Some senders write the `-` of absent structured data. It goes when what follows makes sense by itself.
fn without_absent_data(text: &str) -> &str {
    let Some(rest) = text.strip_prefix("- ") else { return text };
    let names_a_word = rest.split_once('=').is_some_and(|(name, _)| is_name(name));
    if rest.starts_with(['{', '"']) || names_a_word { rest } else { text }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

/// The value of a word of a text in logfmt: `level=info` or `level="info"`. Words inside quotes are text. Values with escapes
/// are not looked at.
#[must_use]
pub fn word<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut rest = text;
    loop {
        rest = rest.trim_ascii_start();
        let value = rest.strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
        if let Some(value) = value {
            return match value.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').map(|(value, _)| value),
                None => value.split_ascii_whitespace().next().filter(|_| !value.starts_with(' ')),
            };
        }
        rest = behind_word(rest)?;
    }
}

/// What follows the first word of a text; a quoted part belongs to its word.
fn behind_word(text: &str) -> Option<&str> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b' ' | b'\t' | b'\n' | b'\r' if !quoted => return text.get(at..),
            _ => {}
        }
    }
    None
}

/// The event of a notice that messages were lost; `None` for any other message.
/// Source: Heroku, "Heroku error codes", L10 to L15; repo `heroku/logplex`, `src/logplex_http_drain.erl`, read 2026-11-20.
pub(super) fn loss(message: &Message<'_>) -> Option<String> {
    if (message.app, message.process) != ("heroku", "logplex") {
        return None;
    }
    let (code, rest) = message.text.strip_prefix("Error ")?.split_once(' ')?;
    let (before, since) = rest.split_once(" messages dropped")?;
    let count: u64 = before.rsplit_once(' ')?.1.parse().ok()?;
    let since = since.trim_start().strip_prefix("since ").map(|since| since.trim_end_matches('.'));
    let mut event = json!({
        "event": LOSS_EVENT,
        "data": {"code": code, "messages": count, "since": since, "message": message.text},
    });
    if let Some(time) = message.time {
        event["created"] = json!(time.to_string());
    }
    Some(event.to_string())
}
