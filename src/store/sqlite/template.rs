//! Envelope texts without what the columns hold anyway.
//!
//! In: the text of an envelope and the values that are stored beside it. Out: its shape, the text with holes, and the
//! pieces that no column knows. Envelopes of one sender share a handful of shapes. Filling the holes gives the text back
//! byte for byte.

use crate::json::plain_len;
use std::ops::Range;

/// Longest shape worth interning, in bytes.
pub const SHAPE_BYTES_MAX: usize = 2048;

/// What fills a hole; the number is the control character that marks it in a shape.
const NAME: u8 = 1;
const CREATED: u8 = 2;
const CONNECTION_ID: u8 = 3;
const CONNECTION_NAME: u8 = 4;
const CONNECTOR_TYPE: u8 = 5;
const SYNC_ID: u8 = 6;
/// The next piece; the one of the member `data`.
const DATA: u8 = 7;
/// The next piece.
const PIECE: u8 = 0x0e;

/// The values that fill holes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'v> {
    /// The event's name as it came.
    pub name: &'v str,
    /// `created` as we would write it.
    pub created: &'v str,
    /// Connection id.
    pub connection_id: Option<&'v str>,
    /// Connection name as this envelope has it.
    pub connection_name: Option<&'v str>,
    /// Connector type as this envelope has it.
    pub connector_type: Option<&'v str>,
    /// Sync id.
    pub sync_id: Option<&'v str>,
}

impl<'v> Known<'v> {
    /// Which hole a string's inner text fits.
    fn hole_of(&self, inner: &str) -> Option<u8> {
        let is = |value: Option<&str>| value == Some(inner);
        if inner == self.created {
            Some(CREATED)
        } else if is(self.sync_id) {
            Some(SYNC_ID)
        } else if is(self.connection_id) {
            Some(CONNECTION_ID)
        } else if is(self.connection_name) {
            Some(CONNECTION_NAME)
        } else if is(self.connector_type) {
            Some(CONNECTOR_TYPE)
        } else if inner == self.name {
            Some(NAME)
        } else {
            None
        }
    }

    /// What fills a hole that is no piece.
    fn filling(&self, hole: u8) -> Option<&'v str> {
        match hole {
            NAME => Some(self.name),
            CREATED => Some(self.created),
            CONNECTION_ID => self.connection_id,
            CONNECTION_NAME => self.connection_name,
            CONNECTOR_TYPE => self.connector_type,
            SYNC_ID => self.sync_id,
            _ => None,
        }
    }
}

/// A text taken apart. Buffers are reused from one text to the next.
#[derive(Debug, Default)]
pub struct Parts {
    /// The text with holes.
    pub shape: String,
    /// Where the pieces lie in the text, in order.
    pub pieces: Vec<Range<usize>>,
    /// Which of them is the member `data`.
    pub data: Option<usize>,
}

impl Parts {
    /// Takes an envelope apart; `data_at`: where the value of `data` is known to stand. False when it is no object or nothing would be gained. Trusts no syntax: whoever
    /// calls compares the outcome of [`Form::render`].
    pub fn split(&mut self, raw: &str, known: &Known<'_>, data_at: Option<&Range<usize>>) -> bool {
        self.shape.clear();
        self.pieces.clear();
        self.data = None;
        self.scan(raw, known, data_at).is_some() && self.shape.len() <= SHAPE_BYTES_MAX
    }

    /// Whether filling the holes gives the text back. It does by construction: a hole stands only where its filling stood, and no
    /// marker is copied.
    pub fn comes_back(&self, raw: &str, known: &Known<'_>) -> bool {
        let (mut pieces, mut out) = (self.pieces.iter(), String::new());
        let piece = || pieces.next().map(|range| &raw[range.clone()]);
        Form::of(&self.shape).render(known, piece, &mut out).is_some() && out == raw
    }

    fn scan(&mut self, raw: &str, known: &Known<'_>, data_at: Option<&Range<usize>>) -> Option<()> {
        let bytes = raw.as_bytes();
        let mut copied = 0;
        let mut at = skip_space(bytes, 0);
        if bytes.get(at) != Some(&b'{') {
            return None;
        }
        at = skip_space(bytes, at + 1);
        while bytes.get(at) == Some(&b'"') {
            let key_end = string_end(bytes, at)?;
            let key = raw.get(at + 1..key_end - 1)?;
            at = skip_space(bytes, key_end);
            if bytes.get(at) != Some(&b':') {
                return None;
            }
            let start = skip_space(bytes, at + 1);
            let end = match data_at {
                Some(data) if data.start == start => data.end,
                _ => value_end(bytes, start)?,
            };
            // Markers must not occur in what is copied.
            self.shape.push_str(raw.get(copied..start).filter(|text| plain(text))?);
            let quoted = bytes[start] == b'"' && end - start >= 2;
            let hole = if quoted { known.hole_of(raw.get(start + 1..end - 1)?) } else { None };
            match hole {
                Some(hole) => {
                    self.shape.push('"');
                    self.shape.push(char::from(hole));
                    self.shape.push('"');
                }
                None => {
                    if key == "data" && self.data.is_none() {
                        self.data = Some(self.pieces.len());
                        self.shape.push(char::from(DATA));
                    } else {
                        self.shape.push(char::from(PIECE));
                    }
                    self.pieces.push(start..end);
                }
            }
            copied = end;
            at = skip_space(bytes, end);
            if bytes.get(at) == Some(&b',') {
                at = skip_space(bytes, at + 1);
            }
        }
        self.shape.push_str(raw.get(copied..).filter(|text| plain(text))?);
        Some(())
    }
}

/// A shape, read once: its texts and the holes between them.
#[derive(Debug)]
pub struct Form {
    shape: Box<str>,
    /// Where each hole stands, and what fills it.
    holes: Box<[(usize, u8)]>,
}

impl Form {
    /// Reads a shape.
    pub fn of(shape: &str) -> Self {
        let is_hole = |byte: u8| matches!(byte, NAME..=DATA | PIECE);
        let holes = shape.bytes().enumerate().filter(|(_, byte)| is_hole(*byte)).collect();
        Self { shape: shape.into(), holes }
    }

    /// The shape.
    pub fn text(&self) -> &str {
        &self.shape
    }

    /// How many pieces it needs.
    pub fn pieces(&self) -> usize {
        self.holes.iter().filter(|(_, hole)| matches!(*hole, DATA | PIECE)).count()
    }

    /// Fills the holes into `out`; gives which piece was `data`. `None` when a value is missing.
    pub fn render<'p>(
        &self,
        known: &Known<'_>,
        mut piece: impl FnMut() -> Option<&'p str>,
        out: &mut String,
    ) -> Option<Option<&'p str>> {
        let (mut data, mut copied) = (None, 0);
        for (at, hole) in &self.holes {
            out.push_str(&self.shape[copied..*at]);
            copied = at + 1;
            match *hole {
                PIECE => out.push_str(piece()?),
                DATA => {
                    let text = piece()?;
                    out.push_str(text);
                    data = Some(text);
                }
                hole => out.push_str(known.filling(hole)?),
            }
        }
        out.push_str(&self.shape[copied..]);
        Some(data)
    }
}

/// Whether a text holds nothing that could be taken for a hole.
fn plain(text: &str) -> bool {
    text.bytes().all(|b| b >= b' ' || matches!(b, b'\n' | b'\r' | b'\t'))
}

fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// Behind the closing quote of the string that opens at `at`.
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at += plain_len(bytes.get(at..)?);
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Behind the value that begins at `at`.
fn value_end(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => string_end(bytes, at),
        b'{' | b'[' => {
            let mut depth = 0_usize;
            let mut at = at;
            loop {
                match bytes.get(at)? {
                    b'"' => {
                        at = string_end(bytes, at)?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth -= 1;
                        if depth == 0 {
                            return Some(at + 1);
                        }
                    }
                    _ => {}
                }
                at += 1;
            }
        }
        _ => {
            let len =
                bytes[at..].iter().take_while(|b| !matches!(b, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'));
            Some(at + len.count()).filter(|end| *end > at)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn known() -> Known<'static> {
        Known {
            name: "sync_end",
            created: "2026-07-07T16:35:14.456Z",
            connection_id: Some("speak_menial"),
            connection_name: Some("app_db.public"),
            connector_type: Some("postgres"),
            sync_id: Some("6b2f5c1e"),
        }
    }

    /// `None`: kept whole.
    #[track_caller]
    fn check(raw: &str, shape: Option<&str>) {
        let mut parts = Parts::default();
        let split = parts.split(raw, &known(), None);
        assert_eq!(split.then_some(parts.shape.as_str()), shape, "{raw}");
        if split {
            let mut pieces = parts.pieces.iter();
            let mut out = String::new();
            let piece = || pieces.next().map(|range| &raw[range.clone()]);
            Form::of(&parts.shape).render(&known(), piece, &mut out).unwrap();
            assert_eq!(out, raw);
        }
    }

    #[test]
    fn columns_become_holes_and_the_rest_pieces() {
        check(
            r#"{"event":"sync_end","data":{"a":"}\"]"},"created":"2026-07-07T16:35:14.456Z"}"#,
            Some("{\"event\":\"\u{1}\",\"data\":\u{7},\"created\":\"\u{2}\"}"),
        );
        check(
            "{ \"connector_id\" : \"speak_menial\",\n\"connection_name\":\"app_db.public\",\"sync_id\":\"6b2f5c1e\", \"x\": 1.5e3 } ",
            Some(
                "{ \"connector_id\" : \"\u{3}\",\n\"connection_name\":\"\u{4}\",\"sync_id\":\"\u{6}\", \"x\": \u{e} } ",
            ),
        );
        check(r#"{"data":1,"data":{"b":[1,"x"]}}"#, Some("{\"data\":\u{7},\"data\":\u{e}}"));
        check("{}", Some("{}"));
        check("{\"a\u{1}\":1}", None);
        check("plain text", None);
        check(r#"{"a":"#, None);
        check(r#"{"a":"unfinished"#, None);
        check(&format!("{{\"{}\":1}}", "k".repeat(3000)), None);
    }

    fn piece() -> impl Strategy<Value = String> {
        let known = known();
        let texts = [known.name, known.created, "speak_menial", "app_db.public", "postgres", "6b2f5c1e", "data", "x"];
        let marks =
            ["{", "}", "[", "]", "\"", ":", ",", "\\", " ", "\n", "\u{1}", "\u{7}", "\u{e}", "\u{1f}", "é", "1.5"];
        let member = proptest::sample::select(texts.to_vec()).prop_flat_map(move |name| {
            proptest::sample::select(texts.to_vec()).prop_map(move |value| format!("\"{name}\":\"{value}\","))
        });
        prop_oneof![4 => member, 1 => proptest::sample::select(marks.to_vec()).prop_map(str::to_owned)]
    }

    proptest! {
        /// Whatever is taken apart comes back, wherever data are said to stand.
        #[test]
        fn what_is_taken_apart_comes_back(pieces in proptest::collection::vec(piece(), 0..9), at in 0..80_usize, len in 0..30_usize) {
            let raw = format!("{{{}}}", pieces.concat());
            let cut = |at: usize| (0..=at.min(raw.len())).rev().find(|at| raw.is_char_boundary(*at)).unwrap_or(0);
            let data_at = cut(at)..cut(at + len);
            for data_at in [None, Some(&data_at)] {
                let mut parts = Parts::default();
                if parts.split(&raw, &known(), data_at) {
                    prop_assert!(parts.comes_back(&raw, &known()), "{}", raw);
                }
            }
        }
    }
}
