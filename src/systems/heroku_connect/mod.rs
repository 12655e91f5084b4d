//! Heroku Connect: lines of its log drain, and rows of its activity download.
//!
//! In: a line in logfmt (`event="…" addon_id=… object_type=… state=… level=…`), alone, behind what `heroku logs` prints in front of
//! it, or as an object with the same members; a row of the CSV of a connection's activity. Out: one event, its connection being
//! the add-on. Refused: a line that names an add-on and whose quotes do not close.
//! Source: Heroku Dev Center, "Heroku Connect Log Messages and Common Errors" (May 2022).

mod message;

use super::{Made, Reading, logfmt, loose::Loose};
use crate::model::{Hints, Source, Timestamp};
use message::Message;
use serde_json::{Map, Value};

/// The process that writes them, as it stands in front of a line: `app[herokuconnect]:` where the router prints it, a field of the
/// syslog header in a drain.
const PROCESS: &str = "herokuconnect";

/// Longest header in front of a line.
const FRONT_BYTES_MAX: usize = 400;

/// Members that only its lines have beside `event`.
const SIGNATURE: &[&str] = &["addon_id", "object_type", "object_id", "object_name", "state", "app_name"];

/// What stands in front of a line's `event=`, and that with all that follows.
fn split(text: &str) -> (&str, &str) {
    let bound = (0..=text.len().min(FRONT_BYTES_MAX + 6)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let first = text[..bound].lines().next().unwrap_or_default();
    // Not within another member's name or quotes.
    let stands_alone = |at: &usize| {
        let before = &first[..*at];
        !before.ends_with(|c: char| !c.is_whitespace()) && before.matches('"').count().is_multiple_of(2)
    };
    let event = first.match_indices("event=").map(|(at, _)| at).find(stands_alone);
    text.split_at(event.unwrap_or(first.len()))
}

/// The pairs that stand in front of `event=`: members may come in any order. Behind the process where it is named.
fn pairs_of(front: &str) -> &str {
    let behind = front.find(PROCESS).map_or(0, |at| at + PROCESS.len());
    let Some(equals) = front[behind..].find('=') else { return "" };
    let name = front[behind..behind + equals].rfind(char::is_whitespace).map_or(0, |at| at + 1);
    &front[behind + name..]
}

/// Whether a text begins with a member that only such lines have.
fn begins_with_member(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| SIGNATURE.contains(&name.trim_start_matches("- ").trim_start()))
}

/// Whether pairs name an add-on.
fn names_add_on(pairs: &str) -> bool {
    pairs.starts_with("addon_id=") || pairs.contains(" addon_id=")
}

/// Whether what stands in front of the pairs names the process.
fn names_process(front: &str) -> bool {
    front.len() < FRONT_BYTES_MAX && front.contains(PROCESS)
}

/// How many bytes of a text are the line that it begins with; a line feed within quotes does not end one. `None` when it begins with
/// something else.
pub(super) fn first_line(text: &str) -> Option<usize> {
    let (front, rest) = split(text);
    let named = names_process(front);
    let begun = begins_with_member(front) && rest.starts_with("event=");
    if !named && !begun && !matches!(front.trim(), "" | "-") {
        return None;
    }
    let end = logfmt::line_end(rest, |next| {
        let (front, rest) = split(next);
        names_process(front) || front.is_empty() && rest.starts_with("event=\"")
    });
    (named || names_add_on(&rest[..end]) || begun && names_add_on(pairs_of(front))).then_some(front.len() + end)
}

/// A line.
pub(super) fn line(text: &str, hints: &Hints) -> Option<Reading> {
    let len = first_line(text)?;
    let (front, rest) = split(text);
    if len < text.trim_end().len() {
        return Some(Reading::Damaged("several lines in one text".to_owned()));
    }
    if !rest.starts_with("event=") {
        return Some(Reading::Damaged("a line of Heroku Connect without event=".to_owned()));
    }
    let in_front = pairs_of(front);
    let pairs = match (logfmt::pairs(in_front), logfmt::pairs(rest)) {
        (Ok(mut pairs), Ok(others)) => {
            pairs.extend(others);
            pairs
        }
        (Err(why), _) | (_, Err(why)) => {
            return Some(Reading::Damaged(format!("a line of Heroku Connect with {why}")));
        }
    };
    if pairs.iter().filter(|(key, _)| *key == "event").count() > 1 {
        return Some(Reading::Damaged("a line of Heroku Connect with two messages".to_owned()));
    }
    let get = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
    let message = get("event").unwrap_or_default();
    let Some(mut made) = event(message, &get) else {
        return Some(Reading::Damaged("a line of Heroku Connect without addon_id=".to_owned()));
    };
    for (key, value) in &pairs {
        let known = matches!(*key, "event" | "addon_id" | "app_name" | "level");
        if !known && !made.data.contains_key(*key) {
            made.put(key, value.as_str());
        }
    }
    // Its own time, whatever carried it: the same line by two roads is one event.
    let header = &front[..front.len() - in_front.len()];
    made.time = header.split_whitespace().rev().find_map(|word| Timestamp::parse_calendar(word).ok());
    Some(Reading::Events(vec![made.record(text, hints)]))
}

/// The same as an object: a drain that was parsed on its way, or a row of the activity download.
pub(super) fn structured(object: &Map<String, Value>, text: &str, hints: &Hints) -> Option<Reading> {
    let loose = Loose::of(object);
    let has = SIGNATURE.iter().filter(|name| object.contains_key(**name)).count();
    let message = loose.text(&["event", "message", "logmessage", "description", "activity"])?;
    if has < 3 || !object.contains_key("addon_id") {
        return None;
    }
    let values: Vec<(&str, String)> =
        object.iter().filter_map(|(name, value)| Some((name.as_str(), scalar(value)?))).collect();
    let get = |name: &str| values.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
    let mut made = event(&message, &get)?;
    for (key, value) in &values {
        let known = matches!(*key, "event" | "message" | "addon_id" | "app_name" | "level" | "timestamp" | "time");
        if !known && !made.data.contains_key(*key) {
            made.put(key, value.as_str());
        }
    }
    made.time = loose.time(&["timestamp", "time", "created", "createdat", "date"]);
    Some(Reading::Events(vec![made.record(text, hints)]))
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// The event of a message; `get` gives the line's other values. `None` without an add-on.
fn event<'v>(message: &str, get: &impl Fn(&str) -> Option<&'v str>) -> Option<Made> {
    let level = get("level").unwrap_or_default();
    let state = get("state").unwrap_or_default();
    let actor = get("user").or_else(|| get("actor")).or_else(|| get("email"));
    let parsed = Message::parse(message, level, state).done_by(message, actor);
    let mut made = Made::new(Source::HerokuConnect, parsed.event_name(), get("addon_id")?);
    made.text("connection_name", get("app_name"));
    made.level = parsed.level().map(str::to_owned).or_else(|| (!level.is_empty()).then(|| level.to_owned()));
    made.put("message", message);
    for name in ["object_type", "object_id", "object_name", "state"] {
        made.put_some(name, get(name));
    }
    parsed.put_into(&mut made);
    Some(made)
}

#[cfg(test)]
mod tests;
