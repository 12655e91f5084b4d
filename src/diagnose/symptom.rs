//! What is known of a problem.
//!
//! In: an event, or parts that somebody names. Out: a [`Symptom`], its text in one line and of bounded length.

use crate::model::{Event, Level, Source};
use serde_json::Value;
use std::borrow::Cow;

/// Most bytes of a text that are looked at: of a longer one its beginning and, as the root cause of a stack trace stands last, its end.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Bytes of a longer text that are taken from its end.
const TAIL_BYTES: usize = 4 * 1024;

/// Members of an event's data that hold what was said, the most telling first.
const TEXT_MEMBERS: [&str; 9] =
    ["reason", "message", "error", "errorMessage", "error_message", "detail", "details", "text", "description"];

/// Members that hold a status code of the sender.
const CODE_MEMBERS: [&str; 5] = ["status_code", "statusCode", "object_status", "error_code", "errorCode"];

/// Most parts of a nested result that are read.
const PARTS_MAX: usize = 64;

/// What is known of a problem; every part may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Symptom<'a> {
    /// The system that reports it; unknown lets entries of every system fit.
    pub source: Option<Source>,
    /// The event's name.
    pub event: Option<Cow<'a, str>>,
    /// How a sync or a job ended.
    pub status: Option<Cow<'a, str>>,
    /// What Fivetran asks for.
    pub task_type: Option<Cow<'a, str>>,
    /// The kind of a warning, or the cause of a re-sync.
    pub kind: Option<Cow<'a, str>>,
    /// A status code of the sender, or the code of an entry.
    pub code: Option<Cow<'a, str>>,
    /// FINE, INFO, WARNING or SEVERE.
    pub level: Option<Cow<'a, str>>,
    /// What was said.
    pub text: Option<Cow<'a, str>>,
}

fn member<'v>(data: &'v Value, names: &[&str]) -> Option<&'v str> {
    names.iter().find_map(|name| data.get(name)?.as_str()).filter(|text| !text.trim().is_empty())
}

impl<'a> Symptom<'a> {
    /// Of a text alone.
    #[must_use]
    pub fn of_text(text: &'a str) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }

    /// Of a code alone.
    #[must_use]
    pub fn of_code(code: &'a str) -> Self {
        Self { code: Some(code.into()), ..Self::default() }
    }

    /// Of an event.
    #[must_use]
    pub fn of_event(event: &'a Event) -> Self {
        let cow = |text: Option<&'a str>| text.map(Cow::Borrowed);
        let data: &'a Value = event.data.as_deref().unwrap_or(&Value::Null);
        Self {
            source: Some(event.source),
            event: Some(event.name.as_str().into()),
            status: cow(member(data, &["status", "state"])),
            task_type: cow(member(data, &["taskType", "task_type"])),
            kind: cow(member(data, &["type", "cause", "notification"])),
            code: cow(member(data, &CODE_MEMBERS)),
            level: Some(event.level.as_str().into()),
            text: event_text(data),
        }
    }

    /// Whether the event is about a problem by its level, rather than by what it says.
    #[must_use]
    pub fn is_loud(&self) -> bool {
        self.level.as_deref().is_none_or(|level| {
            level.eq_ignore_ascii_case(Level::Warning.as_str()) || level.eq_ignore_ascii_case(Level::Severe.as_str())
        })
    }
}

/// What an event's data says, parts joined.
fn event_text(data: &Value) -> Option<Cow<'_, str>> {
    if let Some(result) = data.get("result").filter(|result| result.is_object()) {
        let mut parts = Vec::new();
        result_texts(result, &mut parts);
        return (!parts.is_empty()).then(|| Cow::Owned(parts.join("; ")));
    }
    if let Some(text) = data.as_str() {
        return Some(Cow::Borrowed(text));
    }
    let said = member(data, &TEXT_MEMBERS);
    match (member(data, &["testName"]), said) {
        (Some(test), Some(said)) => Some(Cow::Owned(format!("{test}: {said}"))),
        (Some(test), None) => Some(Cow::Borrowed(test)),
        (None, said) => said.map(Cow::Borrowed),
    }
}

/// What a transformation's result says: errors of the run, of its steps and of its models, then what the commands printed.
fn result_texts<'v>(result: &'v Value, parts: &mut Vec<&'v str>) {
    let items = |value: &'v Value, name: &str| value.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut add = |value: &'v Value, names: &[&str]| {
        for name in names {
            if let Some(text) = value.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
                && parts.len() < PARTS_MAX
            {
                parts.push(text);
            }
        }
    };
    add(result, &["error"]);
    for step in items(result, "stepResults") {
        if step.get("success").and_then(Value::as_bool) == Some(true) {
            continue;
        }
        add(step, &["error"]);
        for model in items(step, "modelResults") {
            add(model, &["errorCategory", "errorData"]);
        }
        if let Some(command) = step.get("commandResult") {
            add(command, &["error", "output"]);
        }
    }
    add(result, &["description"]);
}

/// A text in one line: runs of blanks and control characters are one blank, curly quotes are straight, length is bounded.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    let (head, tail) = bounds(text);
    if tail.is_empty()
        && !head.contains(|c: char| c.is_control() || matches!(c, '“' | '”' | '‘' | '’'))
        && !head.contains("  ")
    {
        return Cow::Borrowed(head);
    }
    let mut line = String::with_capacity(head.len() + tail.len() + 5);
    push_line(&mut line, head);
    if !tail.is_empty() {
        line.push_str(" … ");
        push_line(&mut line, tail);
    }
    Cow::Owned(line)
}

/// Beginning and end of what is looked at.
fn bounds(text: &str) -> (&str, &str) {
    if text.len() <= TEXT_BYTES_MAX {
        return (text, "");
    }
    let head = text.floor_char_boundary(TEXT_BYTES_MAX - TAIL_BYTES);
    let tail = text.ceil_char_boundary(text.len() - TAIL_BYTES);
    (&text[..head], &text[tail..])
}

fn push_line(line: &mut String, text: &str) {
    let mut blank = true;
    for c in text.chars() {
        let c = match c {
            '“' | '”' => '"',
            '‘' | '’' => '\'',
            c if c.is_whitespace() || c.is_control() => ' ',
            c => c,
        };
        if c != ' ' || !blank {
            line.push(c);
        }
        blank = c == ' ';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_one_bounded_line() {
        assert_eq!(one_line("a b"), "a b");
        assert_eq!(one_line("“a”\r\n\t ‘b’\u{0}\u{1b}[31m"), "\"a\" 'b' [31m");
        let long = format!("begin {} end", "é".repeat(1 << 20));
        let line = one_line(&long);
        assert!(line.len() <= TEXT_BYTES_MAX + 8, "{}", line.len());
        assert!(line.starts_with("begin ") && line.ends_with(" end"));
    }
}
