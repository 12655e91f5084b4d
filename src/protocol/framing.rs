//! Finds where one JSON value ends and the next begins, without building any.
//!
//! In: text that holds JSON values one after another, in lists or not, with any white space between them. Out: each value,
//! borrowed, with its place. Refused: text that is no JSON, with words that never quote it. Shared by
//! every protocol whose bodies are streams of values, so that they agree on what a stream is.

use super::{DecodeError, Decoded, Limits};
use crate::model::{Hints, Payload, Record, RecordError};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::ops::Range;

/// The byte order mark that some editors put before UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// A walk over values; lists on the outermost level are opened, deeper ones are values.
#[derive(Debug, Clone)]
pub struct Values<'b> {
    text: &'b str,
    at: usize,
    list: List,
}

/// Where the walk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Outside,
    /// Behind the opening bracket.
    Opened,
    /// Behind a value in a list.
    Between,
}

impl<'b> Values<'b> {
    /// A walk that begins at byte `at` of `text`.
    #[must_use]
    pub const fn new(text: &'b str, at: usize) -> Self {
        Self { text, at, list: List::Outside }
    }

    /// Where the walk stands: behind the last value.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// Whether the walk is inside a list.
    #[must_use]
    pub fn in_list(&self) -> bool {
        self.list != List::Outside
    }

    /// Moves to the next value and tells where it begins; `None` at the end of the text.
    ///
    /// # Errors
    /// A list that is not well formed; the walk stays behind the last value.
    pub fn seek(&mut self) -> Result<Option<usize>, &'static str> {
        self.seek_before(self.text.len())
    }

    /// The same, but outside lists only values that begin before `end` count; the walk stops where the next one begins.
    ///
    /// # Errors
    /// See [`Values::seek`].
    pub fn seek_before(&mut self, end: usize) -> Result<Option<usize>, &'static str> {
        loop {
            let next = skip_gap(self.text, self.at);
            match (self.list, self.text.as_bytes().get(next)) {
                (List::Outside, _) if next >= end => {
                    self.at = next;
                    return Ok(None);
                }
                (List::Outside, Some(b'[')) => {
                    self.list = List::Opened;
                    self.at = next + 1;
                }
                (List::Opened | List::Between, Some(b']')) => {
                    self.list = List::Outside;
                    self.at = next + 1;
                }
                (List::Between, Some(b',')) => {
                    let value = skip_gap(self.text, next + 1);
                    return match self.text.as_bytes().get(value) {
                        None => Err("not JSON: the list is not closed"),
                        Some(b']' | b',') => Err("not JSON: expected a value after the comma"),
                        Some(_) => {
                            self.at = value;
                            Ok(Some(value))
                        }
                    };
                }
                (List::Between, Some(_)) => return Err("not JSON: expected a comma or the end of the list"),
                (List::Opened | List::Between, None) => return Err("not JSON: the list is not closed"),
                (List::Outside | List::Opened, _) => {
                    self.at = next;
                    return Ok(Some(next));
                }
            }
        }
    }

    /// Reads the value that [`Values::seek`] found.
    ///
    /// # Errors
    /// It is no JSON, or none that `T` takes; the walk stays before it.
    pub fn read<T: Deserialize<'b>>(&mut self) -> Result<T, serde_json::Error> {
        let mut stream = serde_json::Deserializer::from_str(&self.text[self.at..]).into_iter::<T>();
        let value = match stream.next() {
            Some(value) => value?,
            None => return Err(serde::de::Error::custom("nothing there")),
        };
        self.at += stream.byte_offset();
        if self.in_list() {
            self.list = List::Between;
        }
        Ok(value)
    }
}

/// Skips white space, and the two-character escapes of it that some senders put between values unescaped.
fn skip_gap(text: &str, mut at: usize) -> usize {
    let bytes = text.as_bytes();
    loop {
        match bytes.get(at..) {
            Some([b' ' | b'\t' | b'\r' | b'\n', ..]) => at += 1,
            Some([b'\\', b'n' | b'r' | b't', ..]) => at += 2,
            _ => return at,
        }
    }
}

/// Reads a list (whose text is known to be well formed) element by element and hands each to `use_it` with its own text. An element
/// that is no `T` becomes an unreadable item that says it was `expected`.
///
/// # Errors
/// There are too many.
pub fn each<'b, T: Deserialize<'b>>(
    list: &'b RawValue,
    body: &'b [u8],
    items: &mut Items<'b>,
    expected: &str,
    mut use_it: impl FnMut(T, &'b str, &mut Items<'b>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let text = list.get();
    let mut values = Values::new(text, 0);
    // Neither walking nor skipping can fail.
    while let Ok(Some(start)) = values.seek() {
        match values.read::<T>() {
            Ok(element) => use_it(element, &text[start..values.position()], items)?,
            Err(error) => {
                if values.read::<&RawValue>().is_err() {
                    break;
                }
                let reason = match error.classify() {
                    serde_json::error::Category::Data => format!("expected {expected}"),
                    _ => not_json(&error),
                };
                items.unreadable(reason, range_in(body, &text[start..values.position()]))?;
            }
        }
    }
    Ok(())
}

/// Lines with where they begin, their line feeds included.
pub fn lines(body: &[u8], mut at: usize) -> impl Iterator<Item = (usize, &[u8])> {
    std::iter::from_fn(move || {
        let start = at;
        let rest = body.get(start..).filter(|rest| !rest.is_empty())?;
        let len = memchr::memchr(b'\n', rest).map_or(rest.len(), |feed| feed + 1);
        at += len;
        Some((start, &rest[..len]))
    })
}

/// The length of a byte order mark at the beginning of a body: 0 or 3.
#[must_use]
pub fn bom_len(body: &[u8]) -> usize {
    if body.starts_with(BOM) { BOM.len() } else { 0 }
}

/// The longest beginning of a body that is UTF-8.
#[must_use]
pub fn utf8_prefix(body: &[u8]) -> &str {
    match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&body[..error.valid_up_to()]).unwrap_or_default(),
    }
}

/// Where `part` lies in `body`, of which it must be a slice.
#[must_use]
pub fn range_in(body: &[u8], part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(body.as_ptr() as usize).min(body.len());
    start..(start + part.len()).min(body.len())
}

/// A JSON string, borrowed unless it has escapes.
#[derive(Debug, Deserialize)]
pub struct Text<'b>(#[serde(borrow)] pub Cow<'b, str>);

/// The text of a JSON string, or the JSON text of anything else.
#[must_use]
pub fn plain(raw: &str) -> Cow<'_, str> {
    match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) if !inner.contains('\\') => Cow::Borrowed(inner),
        Some(_) => serde_json::from_str(raw).map_or(Cow::Borrowed(raw), Cow::Owned),
        None => Cow::Borrowed(raw),
    }
}

/// Why a text is no JSON. The parser's words for broken syntax name a place and never quote content; its words
/// for unfitting types may, and are left out.
#[must_use]
pub fn not_json(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Data => "not JSON of the expected form".to_owned(),
        _ => format!("not JSON: {error}"),
    }
}

/// Items in order, bounded in number.
#[derive(Debug, Default)]
pub struct Items<'b> {
    items: Vec<Result<Record<'b>, RecordError>>,
    records_max: usize,
}

impl<'b> Items<'b> {
    /// An empty list for a body of `body_bytes`.
    #[must_use]
    pub fn new(limits: &Limits, body_bytes: usize) -> Self {
        // Events are seldom shorter than this; a wrong guess only costs a copy.
        Self { items: Vec::with_capacity((body_bytes / 256).min(1024)), records_max: limits.records_max }
    }

    /// Position of the next item.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing was found yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Adds a readable item.
    ///
    /// # Errors
    /// There are too many.
    pub fn record(&mut self, record: Record<'b>) -> Result<(), DecodeError> {
        self.room()?;
        self.items.push(Ok(record));
        Ok(())
    }

    /// Adds an unreadable item: `bytes` of the body.
    ///
    /// # Errors
    /// There are too many.
    pub fn unreadable(&mut self, reason: impl Into<String>, bytes: Range<usize>) -> Result<(), DecodeError> {
        self.room()?;
        self.items.push(Err(RecordError { index: self.items.len(), reason: reason.into(), bytes }));
        Ok(())
    }

    fn room(&self) -> Result<(), DecodeError> {
        if self.items.len() < self.records_max {
            return Ok(());
        }
        Err(DecodeError::too_large(format!("more than {} records in one request; send smaller ones", self.records_max)))
    }

    /// Adds each line that is not blank as a record of its own; `hints` are what is known about all of them.
    ///
    /// # Errors
    /// There are too many.
    pub fn lines(&mut self, body: &'b [u8], hints: &Hints) -> Result<(), DecodeError> {
        for (at, line) in lines(body, bom_len(body)) {
            let kept = line.trim_ascii_end();
            if !kept.is_empty() {
                match std::str::from_utf8(kept) {
                    Ok(text) => {
                        self.record(Record { payload: Payload::Text(Cow::Borrowed(text)), hints: hints.clone() })?;
                    }
                    Err(error) => {
                        let reason = format!("not UTF-8: byte {} of the line", error.valid_up_to());
                        self.unreadable(reason, at..at + kept.len())?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The items added since `from`, for what is learned about them later.
    pub fn records_from(&mut self, from: usize) -> impl Iterator<Item = &mut Record<'b>> {
        self.items.iter_mut().skip(from).filter_map(|item| item.as_mut().ok())
    }

    /// All of them.
    #[must_use]
    pub fn decoded(self) -> Decoded<'b> {
        Decoded { items: self.items, ..Decoded::default() }
    }

    /// All of them.
    ///
    /// # Errors
    /// There are some and none is readable; the words are those about the first.
    pub fn readable(self) -> Result<Decoded<'b>, DecodeError> {
        match self.items.first() {
            Some(Err(first)) if self.items.iter().all(Result::is_err) => {
                Err(DecodeError::new(0, format!("nothing in the body can be read: {}", first.reason)))
            }
            _ => Ok(self.decoded()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values and, at the end, the first fault.
    fn walk(text: &str) -> (Vec<&str>, Option<String>) {
        let mut values = Values::new(text, 0);
        let mut found = Vec::new();
        loop {
            match values.seek() {
                Ok(None) => return (found, None),
                Err(reason) => return (found, Some(reason.to_owned())),
                Ok(Some(_)) => match values.read::<&RawValue>() {
                    Ok(raw) => found.push(raw.get()),
                    Err(error) => return (found, Some(not_json(&error))),
                },
            }
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str], fault: Option<&str>) {
        let (found, reason) = walk(text);
        assert_eq!(found, expected, "{text}");
        assert_eq!(reason.as_deref(), fault, "{text}");
    }

    #[test]
    fn values_are_found_however_they_are_separated() {
        check("", &[], None);
        check("  \r\n", &[], None);
        check("{}{}", &["{}", "{}"], None);
        check(" {} \n\r\n{\"a\" :\n 1}\t", &["{}", "{\"a\" :\n 1}"], None);
        check("{}\\n\\r\\n{}", &["{}", "{}"], None);
        check("[{},{} , 5]", &["{}", "{}", "5"], None);
        check("[]", &[], None);
        check("[{}]{}[[1]]", &["{}", "{}", "[1]"], None);
        check("1 2", &["1", "2"], None);
    }

    #[test]
    fn faults_leave_what_came_before() {
        check("{}{", &["{}"], Some("not JSON: EOF while parsing an object at line 1 column 1"));
        check("[{},", &["{}"], Some("not JSON: the list is not closed"));
        check("[{},]", &["{}"], Some("not JSON: expected a value after the comma"));
        check("[{} {}]", &["{}"], Some("not JSON: expected a comma or the end of the list"));
        check("[", &[], Some("not JSON: the list is not closed"));
        check("{},{}", &["{}"], Some("not JSON: expected value at line 1 column 1"));
        check("]", &[], Some("not JSON: expected value at line 1 column 1"));
        check("hello", &[], Some("not JSON: expected value at line 1 column 1"));
    }

    #[test]
    fn deep_nesting_costs_no_stack() {
        let deep = "[".repeat(1_000_000);
        assert_eq!(walk(&deep).0.len(), 0);
        let closed = format!("{{\"a\":{}{}}}", "[".repeat(500_000), "]".repeat(500_000));
        assert_eq!(walk(&closed).0.len(), 1);
    }
}
