//! Tolerant, bounded reading of JSON members.
//!
//! In: an event's data, of whatever kind. Out: texts, counts, times and booleans, each within a bound. Never refused: what is
//! absent, null or of another kind is `None`, and a member is looked for under each of its spellings.

use crate::model::{Micros, Timestamp};
use serde_json::{Map, Number, Value};
use std::{borrow::Cow, io};

/// Longest text that a fact keeps, in characters.
pub(super) const TEXT_CHARS_MAX: usize = 1_000;

/// Longest description and output of a transformation, in characters.
pub(super) const LONG_TEXT_CHARS_MAX: usize = 2_000;

/// Largest JSON text that a fact keeps whole.
pub(super) const JSON_BYTES_MAX: usize = 16 << 10;

/// Longest number that is kept as it came; JSON allows any length.
const NUMBER_BYTES_MAX: usize = 64;

/// The members of an object, or of anything else, which then has none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Members<'v>(Option<&'v Map<String, Value>>);

impl<'v> Members<'v> {
    pub(super) fn of(value: Option<&'v Value>) -> Self {
        Self(value.and_then(Value::as_object))
    }

    /// The object itself.
    pub(super) const fn map(self) -> Option<&'v Map<String, Value>> {
        self.0
    }

    /// A member that is there and not null.
    pub(super) fn get(self, name: &str) -> Option<&'v Value> {
        self.0?.get(name).filter(|value| !value.is_null())
    }

    /// The first of several spellings that is there.
    pub(super) fn any(self, names: &[&str]) -> Option<&'v Value> {
        names.iter().find_map(|name| self.get(name))
    }

    /// Whether there is a member of that name, null included.
    pub(super) fn has(self, name: &str) -> bool {
        self.0.is_some_and(|members| members.contains_key(name))
    }

    /// The members of a member.
    pub(super) fn inner(self, names: &[&str]) -> Self {
        Self::of(self.any(names))
    }

    /// The elements of a member that is an array; none otherwise.
    pub(super) fn list(self, names: &[&str]) -> &'v [Value] {
        self.any(names).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Names and values, nulls included, in the order of names.
    pub(super) fn iter(self) -> impl Iterator<Item = (&'v str, &'v Value)> {
        self.0.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
    }

    /// A string that is not blank, trimmed.
    pub(super) fn str(self, names: &[&str]) -> Option<&'v str> {
        names.iter().find_map(|name| self.get(name).and_then(Value::as_str).map(str::trim).filter(|t| !t.is_empty()))
    }

    /// A text to keep: a string, or a number or boolean as it is written. Nothing else.
    pub(super) fn text(self, names: &[&str]) -> Option<Box<str>> {
        names.iter().find_map(|name| word(self.get(name)?))
    }

    /// What a message says: a text, or an object or array as JSON.
    pub(super) fn said(self, names: &[&str], chars: usize) -> Option<Box<str>> {
        names.iter().find_map(|name| said(self.get(name)?, chars))
    }

    /// A count; 0 where it is absent, negative or no number.
    pub(super) fn count(self, names: &[&str]) -> u64 {
        names.iter().find_map(|name| count(self.get(name)?)).unwrap_or_default()
    }

    /// A boolean, also as a text.
    pub(super) fn flag(self, names: &[&str]) -> Option<bool> {
        names.iter().find_map(|name| flag(self.get(name)?))
    }

    /// A moment: a text in any form that is known, or an epoch.
    pub(super) fn time(self, names: &[&str]) -> Option<Micros> {
        names.iter().find_map(|name| match self.get(name)? {
            Value::String(text) => Timestamp::parse(text).ok().map(Timestamp::micros),
            Value::Number(number) => Timestamp::parse_epoch(number.as_str()).ok().map(Timestamp::micros),
            _ => None,
        })
    }
}

/// A string that is not blank, a number or a boolean, trimmed and cut.
pub(super) fn word(value: &Value) -> Option<Box<str>> {
    match value {
        Value::String(text) => own(text),
        Value::Number(number) => own(number.as_str()),
        Value::Bool(true) => Some("true".into()),
        Value::Bool(false) => Some("false".into()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Like [`word`], and objects and arrays as JSON.
pub(super) fn said(value: &Value, chars: usize) -> Option<Box<str>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(cut(text.trim(), chars)).filter(|text| !text.is_empty()).map(Into::into),
        Value::Array(_) | Value::Object(_) => Some(cut(&json_start(value, chars * 4), chars).into()),
        Value::Bool(_) | Value::Number(_) => word(value),
    }
}

/// A text to keep: trimmed, cut, `None` when blank.
pub(super) fn own(text: &str) -> Option<Box<str>> {
    Some(cut(text.trim(), TEXT_CHARS_MAX)).filter(|text| !text.is_empty()).map(Into::into)
}

/// The first characters of a text.
pub(super) fn cut(text: &str, chars: usize) -> &str {
    if text.len() <= chars {
        return text;
    }
    text.char_indices().nth(chars).and_then(|(at, _)| text.get(..at)).unwrap_or(text)
}

/// The last characters of a text.
pub(super) fn cut_front(text: &str, chars: usize) -> &str {
    if text.len() <= chars || chars == 0 {
        return text;
    }
    text.char_indices().rev().nth(chars - 1).and_then(|(at, _)| text.get(at..)).unwrap_or(text)
}

/// A whole number not below zero, also as a text. A fraction is dropped. More than 2⁶³ - 1 is no count of anything.
pub(super) fn count(value: &Value) -> Option<u64> {
    let text = match value {
        Value::Number(number) => number.as_str(),
        Value::String(text) => text.trim(),
        _ => return None,
    };
    whole(text).and_then(|count| u64::try_from(count).ok())
}

/// A whole number, also as a text.
pub(super) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => whole(number.as_str()),
        Value::String(text) => whole(text.trim()),
        _ => None,
    }
}

fn whole(text: &str) -> Option<i64> {
    // Below 2⁶³, so that the cast is exact.
    const LIMIT: f64 = 9_223_372_036_854_774_784.0;
    match text.parse::<i64>() {
        Ok(number) => Some(number),
        Err(_) if text.len() > NUMBER_BYTES_MAX => None,
        Err(_) => text.parse::<f64>().ok().filter(|number| number.abs() <= LIMIT).map(|number| number as i64),
    }
}

/// A boolean, also as a text.
pub(super) fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// A value as JSON text, unless that is longer than [`JSON_BYTES_MAX`].
pub(super) fn json(value: &Value) -> Option<Box<str>> {
    let mut text = Start { bytes: Vec::with_capacity(256), max: JSON_BYTES_MAX };
    serde_json::to_writer(&mut text, value).ok()?;
    String::from_utf8(text.bytes).ok().map(Into::into)
}

/// The first bytes of a value as JSON text.
fn json_start(value: &Value, bytes: usize) -> String {
    let mut text = Start { bytes: Vec::new(), max: bytes };
    // An error says only that the rest was left off.
    let _ = serde_json::to_writer(&mut text, value);
    match String::from_utf8_lossy(&text.bytes) {
        Cow::Borrowed(text) => text.to_owned(),
        // The cut went through a character.
        Cow::Owned(text) => text.trim_end_matches(char::REPLACEMENT_CHARACTER).to_owned(),
    }
}

/// Takes the first bytes of what is written and refuses the rest, so that a huge value costs no more than the bound.
struct Start {
    bytes: Vec<u8>,
    max: usize,
}

impl io::Write for Start {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.max - self.bytes.len();
        self.bytes.extend(bytes.iter().take(room));
        if room < bytes.len() { Err(io::Error::from(io::ErrorKind::FileTooLarge)) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A copy of a value that is no larger than a budget of bytes: texts are cut, what does not fit is left off.
pub(super) fn copy(value: &Value, budget: &mut usize) -> Value {
    match value {
        Value::Null | Value::Bool(_) => {
            *budget = budget.saturating_sub(5);
            value.clone()
        }
        Value::Number(number) => copy_number(number, budget),
        Value::String(text) => {
            let text = cut(cut(text, TEXT_CHARS_MAX), *budget);
            *budget = budget.saturating_sub(text.len() + 2);
            Value::String(text.to_owned())
        }
        Value::Array(elements) => {
            let mut copied = Vec::new();
            for element in elements {
                if *budget == 0 {
                    break;
                }
                copied.push(copy(element, budget));
            }
            *budget = budget.saturating_sub(2);
            Value::Array(copied)
        }
        Value::Object(members) => {
            let mut copied = Map::new();
            for (name, member) in members {
                if *budget == 0 {
                    break;
                }
                let name = cut(name, TEXT_CHARS_MAX);
                *budget = budget.saturating_sub(name.len() + 3);
                copied.insert(name.to_owned(), copy(member, budget));
            }
            *budget = budget.saturating_sub(2);
            Value::Object(copied)
        }
    }
}

fn copy_number(number: &Number, budget: &mut usize) -> Value {
    let text = number.as_str();
    *budget = budget.saturating_sub(text.len());
    if text.len() <= NUMBER_BYTES_MAX {
        Value::Number(number.clone())
    } else {
        Value::String(cut(text, NUMBER_BYTES_MAX).to_owned())
    }
}
