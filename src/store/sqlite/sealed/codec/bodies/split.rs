//! A plain body taken apart into its skeleton and its values.
//!
//! In: any bytes. Out: a skeleton, in which markers stand where values were, and the values, raw. Filling the markers gives
//! the bytes back, whatever they are: what is not understood becomes one value, in the worst case all of it.
//!
//! A value is a string with its quotes, a number or a literal of JSON; keys, brackets, commas, colons and blanks are
//! skeleton. That a piece is well-formed is not checked, as nothing depends on it.

use crate::store::sqlite::bytes::{Reader, put_varint};

/// A value stands here.
pub const VALUE: u8 = 1;
/// A piece begins here, with its length in front.
pub const PIECE: u8 = 2;
/// The rest of the body stands here, a value as well.
pub const TAIL: u8 = 4;
/// The next byte is none of these.
pub const LITERAL: u8 = 5;

/// Most markers of a skeleton.
pub const MARKERS_MAX: usize = 256;
/// Longest skeleton in bytes.
pub const SKELETON_BYTES_MAX: usize = 8 << 10;

/// A body taken apart; buffers are reused from one to the next.
#[derive(Debug, Default)]
pub struct Parts<'b> {
    /// The body with markers.
    pub skeleton: Vec<u8>,
    /// The values in order.
    pub values: Vec<&'b [u8]>,
    /// For each value the member it belongs to: the last key before it.
    pub keys: Vec<&'b [u8]>,
    markers: usize,
}

impl<'b> Parts<'b> {
    /// Takes a body apart.
    pub fn split(&mut self, body: &'b [u8]) {
        self.skeleton.clear();
        self.values.clear();
        self.keys.clear();
        self.markers = 0;
        let Some((flags, rest)) = body.split_first() else { return };
        self.skeleton.extend_from_slice(&[LITERAL, *flags]);
        let mut input = Reader::new(rest);
        while !input.is_empty() {
            let before = (self.skeleton.len(), self.values.len(), self.markers);
            let left = input.left();
            if counted(&mut input).is_none_or(|piece| self.piece(piece).is_none()) {
                self.skeleton.truncate(before.0);
                self.values.truncate(before.1);
                self.keys.truncate(before.1);
                self.markers = before.2;
                self.skeleton.push(TAIL);
                self.values.push(&rest[rest.len() - left..]);
                self.keys.push(b"");
                return;
            }
        }
    }

    /// Takes a body as one value.
    pub fn whole(&mut self, body: &'b [u8]) {
        self.skeleton.clear();
        self.skeleton.push(TAIL);
        self.values.clear();
        self.values.push(body);
        self.keys.clear();
        self.keys.push(b"");
    }

    /// Takes a piece apart; `None` where it is not to be understood or too much.
    fn piece(&mut self, piece: &'b [u8]) -> Option<()> {
        self.marker(PIECE)?;
        let mut key: &[u8] = b"";
        let (mut at, mut copied) = (0, 0);
        if !matches!(piece.first()?, b'{' | b'[') {
            // A line of text must not fall into its words.
            return Some(scalar_end(piece, 0))
                .filter(|end| *end == piece.len())
                .and_then(|_| self.value(b"", key, piece));
        }
        while let Some(byte) = piece.get(at) {
            match byte {
                b'{' | b'}' | b'[' | b']' | b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' => at += 1,
                _ => {
                    let end = scalar_end(piece, at);
                    let blanks = piece[end..].iter().take_while(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t')).count();
                    if *byte == b'"' && piece.get(end + blanks) == Some(&b':') {
                        key = piece.get(at + 1..end - 1)?;
                        // Markers must not occur in what is copied.
                        if key.iter().any(|b| *b < b' ') {
                            return None;
                        }
                        at = end + blanks;
                    } else if end > at {
                        self.value(&piece[copied..at], key, &piece[at..end])?;
                        (at, copied) = (end, end);
                    } else {
                        return None;
                    }
                }
            }
        }
        self.copy(&piece[copied..])
    }

    fn value(&mut self, before: &[u8], key: &'b [u8], value: &'b [u8]) -> Option<()> {
        self.copy(before)?;
        self.marker(VALUE)?;
        self.values.push(value);
        self.keys.push(key);
        Some(())
    }

    fn copy(&mut self, literal: &[u8]) -> Option<()> {
        self.skeleton.extend_from_slice(literal);
        // Room for a tail.
        (self.skeleton.len() < SKELETON_BYTES_MAX).then_some(())
    }

    fn marker(&mut self, marker: u8) -> Option<()> {
        self.skeleton.push(marker);
        self.markers += 1;
        // Room for a tail.
        (self.markers < MARKERS_MAX).then_some(())
    }
}

/// The next counted bytes, if their length is written as we write it.
pub fn counted<'b>(input: &mut Reader<'b>) -> Option<&'b [u8]> {
    let left = input.left();
    let len = usize::try_from(input.varint().ok()?).ok()?;
    if left - input.left() != varint_len(len) {
        return None;
    }
    input.take(len).ok()
}

/// How many bytes `put_varint` takes for a length.
pub fn varint_len(len: usize) -> usize {
    if len < 0x80 {
        return 1;
    }
    let mut out = Vec::with_capacity(10);
    put_varint(&mut out, len as u64);
    out.len()
}

/// Behind the string, number or literal that begins at `at`; `at` where there is none.
pub fn scalar_end(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(b'"') => string_end(bytes, at).unwrap_or(at),
        Some(b'0'..=b'9' | b'-' | b't' | b'f' | b'n') => {
            let inside = |b: &&u8| matches!(b, b'0'..=b'9' | b'a'..=b'z' | b'E' | b'+' | b'-' | b'.');
            at + bytes[at..].iter().take_while(inside).count()
        }
        _ => at,
    }
}

/// Behind the closing quote of the string that opens at `at`.
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}
