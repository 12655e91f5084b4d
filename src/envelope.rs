//! Finds Fivetran's envelope wherever a delivery path hides it.
//!
//! In: a record. Out: the envelope's own text and members, and what the wrappers around it said about level and time.
//! Refused, with a reason: records that hold no envelope. Never looks deeper than [`DEPTH_MAX`] wrappers.
//!
//! Source: paths seen in captured requests of twelve senders (`tests/fixtures/protocol/`): the object itself, a
//! string holding JSON, and `event`, `message`, `event.message.meta`, `line`, … around it.

use crate::{
    json::{self, Members},
    model::{Hints, Payload, Record, Timestamp},
};
use std::borrow::Cow;

/// How many wrappers are opened. Seen: three (`event.message.meta`), plus a string in each.
pub const DEPTH_MAX: usize = 6;

/// Longest event name, in bytes. Assumed: Fivetran's longest is 29.
pub const NAME_BYTES_MAX: usize = 200;

/// Members that may hold the envelope, in the order in which they are tried.
const WRAPPERS: &[&str] =
    &["event", "message", "meta", "line", "log", "body", "msg", "jsonPayload", "textPayload", "attributes", "content"];

/// Members that only an envelope has, to recognise one whose `event` is not a name.
const SIGNATURE: &[&str] = &[
    "created",
    "data",
    "connector_id",
    "connection_id",
    "connector_type",
    "connector_name",
    "connection_name",
    "sync_id",
    "exception_id",
];

/// Suffixes that Azure's collector adds to column names.
const AZURE_SUFFIXES: &[&str] = &["_s", "_d", "_b", "_t", "_g"];

/// An envelope, found.
#[derive(Debug)]
pub struct Found<'t> {
    /// The envelope's own text, byte for byte.
    pub text: &'t str,
    /// Its members.
    pub members: Members<'t>,
    /// What the transport and the wrappers said, the innermost winning.
    pub hints: Hints,
}

/// Looks for the envelope in a record and hands it to `use_it`.
///
/// # Errors
/// Why there is none, in words for a person that never quote the content.
pub fn unwrap<R>(record: &Record<'_>, use_it: &mut dyn for<'f> FnMut(Found<'f>) -> R) -> Result<R, String> {
    let text = record.payload.text();
    let (value, tail) = match &record.payload {
        Payload::Json(text) => (text.as_ref(), ""),
        Payload::Text(_) => match json::first_value(text) {
            Ok(split) => split,
            Err(_) => return Err(format!("expected an event, found {}", describe(text))),
        },
    };
    let mut hints = record.hints.clone();
    if hints.level.is_none()
        && tail.trim_start().starts_with('{')
        && let Ok(members) = json::members(tail)
    {
        hints.level = level_of(&members);
    }
    match search(value, hints, DEPTH_MAX + 1, use_it) {
        Search::Found(result) => Ok(result),
        Search::Nothing(reason) => Err(reason),
    }
}

enum Search<R> {
    Found(R),
    Nothing(String),
}

/// `depth`: how many texts may be looked into, this one included.
fn search<R>(text: &str, hints: Hints, depth: usize, use_it: &mut dyn for<'f> FnMut(Found<'f>) -> R) -> Search<R> {
    if depth == 0 {
        return Search::Nothing(format!("no event within {DEPTH_MAX} wrappers"));
    }
    let text = trim(text);
    match text.as_bytes().first() {
        Some(b'{') => {}
        Some(b'"') => return search_string(text, hints, depth, use_it),
        _ => return Search::Nothing(format!("expected an object, found {}", json::kind(text))),
    }
    let members = match json::members(text) {
        Ok(members) => members,
        Err(error) => return Search::Nothing(format!("not JSON: {}", json::reason(&error))),
    };
    let named = is_envelope(&members);
    if named && ["created", "data"].iter().any(|name| json::member(&members, name).is_some()) {
        return Search::Found(use_it(Found { text, members, hints }));
    }
    // Log libraries lift single members of the envelope up beside the text that holds all of it; so an object with a name and
    // little else is looked into first. An envelope whose `event` is no name at all is still an event: it is kept, and
    // validation says what is wrong.
    let fallback = named || json::member(&members, "event").is_some() && signature(&members) >= 2;
    let outer = hints.clone();
    let hints = wrapper_hints(&members, hints);
    let mut reason = None;
    for wrapper in WRAPPERS {
        let Some(inner) = json::member(&members, wrapper) else { continue };
        if !inner.starts_with(['{', '"']) {
            continue;
        }
        match search(inner, hints.clone(), depth - 1, use_it) {
            Search::Found(result) => return Search::Found(result),
            Search::Nothing(why) => reason = reason.or(Some(why)),
        }
    }
    if let Some(plain) = azure_columns(&members) {
        return search(&plain, hints, depth - 1, use_it);
    }
    if fallback {
        return Search::Found(use_it(Found { text, members, hints: outer }));
    }
    Search::Nothing(reason.unwrap_or_else(|| "an object without an event name".to_owned()))
}

/// A string may hold JSON, with or without a tail.
fn search_string<R>(
    text: &str,
    mut hints: Hints,
    depth: usize,
    use_it: &mut dyn for<'f> FnMut(Found<'f>) -> R,
) -> Search<R> {
    let Some(inner) = json::string(text) else {
        return Search::Nothing("a damaged string".to_owned());
    };
    if !inner.trim_start().starts_with(['{', '"']) {
        return Search::Nothing(format!("expected an event, found {}", describe(&inner)));
    }
    let Ok((value, tail)) = json::first_value(&inner) else {
        return Search::Nothing("expected an event, found text that begins like JSON and is not".to_owned());
    };
    if hints.level.is_none()
        && tail.trim_start().starts_with('{')
        && let Ok(members) = json::members(tail)
    {
        hints.level = level_of(&members);
    }
    search(value, hints, depth - 1, use_it)
}

/// Whether an object is the envelope itself: its `event` is a name.
fn is_envelope(members: &Members<'_>) -> bool {
    json::member(members, "event").and_then(json::string).is_some_and(|text| is_name(&text))
}

/// How many members it has that only an envelope has.
fn signature(members: &Members<'_>) -> usize {
    SIGNATURE.iter().filter(|name| json::member(members, name).is_some()).count()
}

/// Whether a text can be an event's name: one word.
fn is_name(text: &str) -> bool {
    let text = trim(text);
    !text.is_empty()
        && text.len() <= NAME_BYTES_MAX
        && !text.starts_with(['{', '[', '"'])
        && (text.bytes().all(|byte| byte.is_ascii_graphic())
            || !text.chars().any(|c| c.is_whitespace() || c.is_control()))
}

/// A text without white space around it. Most have none, which is seen without decoding a character.
#[must_use]
pub fn trim(text: &str) -> &str {
    match text.as_bytes() {
        [only] if only.is_ascii_graphic() => text,
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

/// What a wrapper says about level and time; what an inner wrapper says beats an outer one.
fn wrapper_hints(members: &Members<'_>, mut hints: Hints) -> Hints {
    if let Some(level) = level_of(members) {
        hints.level = Some(level);
    }
    for name in ["timestamp", "@timestamp", "time"] {
        if let Some(time) = json::member(members, name).and_then(parse_time) {
            hints.time = Some(time);
            break;
        }
    }
    hints
}

/// The level as an object's members say it: `severity`, `level`, `log_level`, `levelName`, or `labels.levelName`.
#[must_use]
pub fn level_of(members: &Members<'_>) -> Option<String> {
    for name in ["severity", "level", "log_level", "levelName"] {
        if let Some(text) = json::member(members, name).and_then(scalar) {
            return Some(text.into_owned());
        }
    }
    let labels = json::members(json::member(members, "labels")?).ok()?;
    json::member(&labels, "levelName").and_then(|value| scalar(value).map(Cow::into_owned))
}

/// A string's content or a number's text.
#[must_use]
pub fn scalar(text: &str) -> Option<Cow<'_, str>> {
    match text.as_bytes().first() {
        Some(b'"') => json::string(text),
        Some(b'-' | b'0'..=b'9') => Some(Cow::Borrowed(text)),
        _ => None,
    }
}

/// A time as a string or a number.
fn parse_time(text: &str) -> Option<Timestamp> {
    scalar(text).and_then(|text| Timestamp::parse(&text).ok())
}

/// `{"event_s": …, "data_s": …}` with the suffixes taken off; `None` when it has no `event_s`.
fn azure_columns(members: &Members<'_>) -> Option<String> {
    json::member(members, "event_s")?;
    let mut out = String::from("{");
    for (name, value) in members {
        let plain = AZURE_SUFFIXES.iter().find_map(|suffix| name.strip_suffix(*suffix)).unwrap_or(name.as_ref());
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(&serde_json::Value::from(plain).to_string());
        out.push(':');
        out.push_str(value);
    }
    out.push('}');
    Some(out)
}

/// What a text that is no JSON looks like.
fn describe(text: &str) -> &'static str {
    if text.trim().is_empty() {
        "an empty text"
    } else if text.trim_start().starts_with(['{', '[', '"']) {
        "text that begins like JSON and is not"
    } else {
        "plain text"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = r#"{"event":"sync_end","created":"2026-08-17T09:41:23.518Z","data":{"status":"SUCCESSFUL"}}"#;

    fn unwrapped(payload: Payload<'_>) -> Result<(String, Option<String>, Option<String>), String> {
        unwrap(&Record { payload, hints: Hints::default() }, &mut |found| {
            (found.text.to_owned(), found.hints.level, found.hints.time.map(|t| t.to_string()))
        })
    }

    #[track_caller]
    fn check(text: &str, level: Option<&str>, time: Option<&str>) {
        for payload in [Payload::Json(text.into()), Payload::Text(text.into())] {
            assert_eq!(unwrapped(payload), Ok((PLAIN.to_owned(), level.map(str::to_owned), time.map(str::to_owned))));
        }
    }

    fn quoted(text: &str) -> String {
        serde_json::Value::from(text).to_string()
    }

    #[test]
    fn the_envelope_is_found_wherever_senders_put_it() {
        check(PLAIN, None, None);
        check(&quoted(PLAIN), None, None);
        check(&quoted(&quoted(PLAIN)), None, None);
        for wrapper in ["event", "message", "line", "log", "body", "msg", "jsonPayload", "textPayload", "attributes"] {
            check(&format!(r#"{{"{wrapper}":{PLAIN}}}"#), None, None);
            check(&format!(r#"{{"{wrapper}":{}}}"#, quoted(PLAIN)), None, None);
        }
        check(&format!(r#"{{"event":{{"message":{PLAIN},"severity":"warn"}}}}"#), Some("warn"), None);
        check(&format!(r#"{{"message":{{"msg":"sync_end","meta":{PLAIN}}},"severity":"info"}}"#), Some("info"), None);
        check(
            &format!(r#"{{"jsonPayload":{PLAIN},"labels":{{"levelName":"INFO"}},"timestamp":"2026-08-17T09:41:24Z"}}"#),
            Some("INFO"),
            Some("2026-08-17T09:41:24Z"),
        );
    }

    #[test]
    fn a_text_may_have_a_tail() {
        let text = format!("{PLAIN} {{\"level\":\"error\"}}");
        assert_eq!(unwrapped(Payload::Text(text.into())), Ok((PLAIN.to_owned(), Some("error".into()), None)));
        assert!(unwrapped(Payload::Text(format!("{PLAIN} trailing words").into())).is_ok());
    }

    #[test]
    fn members_that_were_lifted_up_do_not_hide_the_envelope() {
        check(
            &format!(r#"{{"message":{},"event":"sync_end","sync_id":"x","_target":"t"}}"#, quoted(PLAIN)),
            None,
            None,
        );
        let bare = r#"{"event":"sync_start","sync_id":"x","message":"began"}"#;
        assert_eq!(unwrapped(Payload::Json(bare.into())).map(|found| found.0), Ok(bare.to_owned()));
    }

    #[test]
    fn azure_columns_lose_their_suffixes() {
        let text =
            r#"{"event_s":"sync_end","created_t":"2026-08-17T09:41:23.518Z","data_s":"{\"status\":\"SUCCESSFUL\"}"}"#;
        let found = unwrapped(Payload::Json(text.into())).expect("an envelope");
        assert!(found.0.contains(r#""event":"sync_end""#) && found.0.contains(r#""created":"#), "{}", found.0);
    }

    #[test]
    fn an_envelope_whose_event_is_no_name_is_still_an_envelope() {
        for event in ["7", "null", "[1]", r#"{"a":1}"#, r#""two words""#] {
            let text = format!(r#"{{"event":{event},"created":"2026-08-17T09:41:23.518Z","connection_id":"a_b"}}"#);
            assert!(unwrapped(Payload::Json(text.into())).is_ok(), "{event}");
        }
    }

    #[test]
    fn other_things_are_refused_with_a_reason() {
        for (text, reason) in [
            ("5", "expected an object, found a number"),
            ("[1]", "expected an object, found an array"),
            ("null", "expected an object, found null"),
            (r#""plain second line""#, "expected an event, found plain text"),
            (r#"{"message":"plain text line","severity":"info"}"#, "expected an event, found plain text"),
            (r#"{"a":1}"#, "an object without an event name"),
            (r#"{"event":"two words"}"#, "expected an event, found plain text"),
        ] {
            assert_eq!(unwrapped(Payload::Json(text.into())), Err(reason.to_owned()), "{text}");
        }
    }

    #[test]
    fn as_many_wrappers_are_opened_as_the_reason_says() {
        let wrapped = |times| (0..times).fold(PLAIN.to_owned(), |inner, _| format!(r#"{{"message":{inner}}}"#));
        check(&wrapped(DEPTH_MAX), None, None);
        let refused = unwrapped(Payload::Json(wrapped(DEPTH_MAX + 1).into()));
        assert_eq!(refused, Err("no event within 6 wrappers".to_owned()));
    }
}
