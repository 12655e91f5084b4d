//! Texts taken apart: a form with holes, and what fills them.
//!
//! In: a line of JSON, or any text. Out: its form, in which marks stand for integers, texts and ids, and those. A hole has a column,
//! told by its path: the names of the members around it. Put together again, a line is byte for byte what it was.

use ahash::AHashMap;
use std::{
    hash::{BuildHasher as _, Hash as _, Hasher as _},
    ops::Range,
};
use uuid::Uuid;

/// Marks of holes in a form; control characters stand in no JSON.
pub const NUMBER: u8 = 1;
pub const TEXT: u8 = 2;
pub const UUID: u8 = 3;
pub const EVENT_ID: u8 = 4;
/// A line that is taken as it is.
pub const WHOLE: u8 = 5;

/// Places in a list that are told apart; what stands further back shares the last one's column.
const PLACES: usize = 2;
/// What stands between two holes, and the column of the second.
pub struct Part {
    /// Where the text before the hole stands in the form.
    pub before: Range<usize>,
    /// What fills it.
    pub mark: u8,
    /// The place of its column.
    pub column: usize,
}

/// Columns by mark and path.
#[derive(Default)]
pub struct Paths {
    known: AHashMap<(u8, u64), usize>,
    /// What fills the holes of each column.
    pub marks: Vec<u8>,
}

/// Where in a JSON text we are: for an object the present member's name, hashed, for a list the place.
enum Frame {
    Object(u64),
    List(usize),
}

impl Paths {
    /// The column of a hole.
    fn column(&mut self, mark: u8, frames: &[Frame]) -> usize {
        // Fixed keys: the same paths have the same columns in whatever process.
        let mut hasher = ahash::RandomState::with_seeds(1, 2, 3, 4).build_hasher();
        for (at, frame) in frames.iter().enumerate() {
            match frame {
                Frame::Object(name) => name.hash(&mut hasher),
                // Only the place of the innermost: lists of lists are rows.
                Frame::List(place) if at + 1 == frames.len() => (place + 1).hash(&mut hasher),
                Frame::List(place) => (*place.min(&PLACES)).hash(&mut hasher),
            }
        }
        let next = self.marks.len();
        let column = *self.known.entry((mark, hasher.finish())).or_insert(next);
        if column == next {
            self.marks.push(mark);
        }
        column
    }

    /// Adds the parts of a form, each of which ends with a hole; gives their places.
    pub fn parts(&mut self, text: &str, parts: &mut Vec<Part>) -> Range<usize> {
        let first = parts.len();
        let (mut frames, mut start) = (Vec::new(), 0);
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            match bytes[at] {
                b'{' => frames.push(Frame::Object(0)),
                b'[' => frames.push(Frame::List(0)),
                b'}' | b']' => drop(frames.pop()),
                b',' => {
                    if let Some(Frame::List(place)) = frames.last_mut() {
                        *place += 1;
                    }
                }
                b'"' => {
                    let end = end_of_text(bytes, at);
                    if let Some(Frame::Object(name)) = frames.last_mut() {
                        *name = ahash::RandomState::with_seeds(5, 6, 7, 8).hash_one(&bytes[at..end]);
                    }
                    at = end;
                    continue;
                }
                mark @ NUMBER..=WHOLE => {
                    let column = self.column(mark, &frames);
                    parts.push(Part { before: start..at, mark, column });
                    start = at + 1;
                }
                _ => {}
            }
            at += 1;
        }
        first..parts.len()
    }
}

/// What follows the last hole of a form.
pub fn end<'t>(text: &'t str, parts: &[Part]) -> &'t str {
    &text[parts.last().map_or(0, |last| last.before.end + 1)..]
}

/// The place behind the quote that ends a text.
fn end_of_text(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// What fills a hole.
pub enum Filling<'l> {
    Number(i64),
    Text(&'l str),
    Id([u8; 16]),
}

/// A line's form and what fills its holes.
pub fn take_apart<'l>(line: &'l str, form: &mut String, fillings: &mut Vec<Filling<'l>>) {
    form.clear();
    fillings.clear();
    let bytes = line.as_bytes();
    if bytes.iter().any(|byte| (NUMBER..=WHOLE).contains(byte)) {
        form.push(char::from(WHOLE));
        fillings.push(Filling::Text(line));
        return;
    }
    let (mut at, mut start) = (0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = end_of_text(bytes, at);
                if bytes.get(end) != Some(&b':') && end >= at + 2 && bytes[end - 1] == b'"' {
                    form.push_str(&line[start..at]);
                    let inside = &line[at + 1..end - 1];
                    let (mark, filling) = text_filling(inside);
                    form.push(char::from(mark));
                    fillings.push(filling);
                    start = end;
                }
                at = end;
            }
            b'-' | b'0'..=b'9' => {
                let mut end = at + 1;
                while end < bytes.len() && matches!(bytes[end], b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-') {
                    end += 1;
                }
                if let Some(number) = integer(&line[at..end]) {
                    form.push_str(&line[start..at]);
                    form.push(char::from(NUMBER));
                    fillings.push(Filling::Number(number));
                    start = end;
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    form.push_str(&line[start..]);
}

/// An integer, where it is written as we write it.
fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    if digits.len() > 19 || digits.first() == Some(&b'0') && text.len() > 1 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    text.parse().ok()
}

fn text_filling(inside: &str) -> (u8, Filling<'_>) {
    let id = match inside.len() {
        36 => id(inside).map(|id| (UUID, Filling::Id(id))),
        32 => id(inside).map(|id| (EVENT_ID, Filling::Id(id))),
        _ => None,
    };
    id.unwrap_or((TEXT, Filling::Text(inside)))
}

/// An id in lower-case hexadecimal digits, with a UUID's hyphens or without: its length tells which.
fn id(text: &str) -> Option<[u8; 16]> {
    let id = Uuid::try_parse(text).ok()?;
    (!text.bytes().any(|byte| byte.is_ascii_uppercase())).then(|| id.into_bytes())
}

/// Appends what a hole of this mark was filled with.
pub fn write_id(id: [u8; 16], mark: u8, out: &mut String) {
    let (id, mut buffer) = (Uuid::from_bytes(id), Uuid::encode_buffer());
    out.push_str(match mark {
        UUID => id.hyphenated().encode_lower(&mut buffer),
        _ => id.simple().encode_lower(&mut buffer),
    });
}
