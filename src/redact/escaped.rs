//! Takes one level of escapes off a piece of a JSON string and knows the way back.
//!
//! In: what stands between two quotes, whole or cut off. Out: the text that it means, and for each place of that text the place it came
//! from, so that what is found in the text can be masked where it stands. An escape that is none stays as it is.

use std::borrow::Cow;

/// A text without its escapes.
pub(super) struct Unescaped<'t> {
    pub(super) text: Cow<'t, str>,
    /// From a place of the text on (first), places of its source go on from another (second). Sorted.
    anchors: Vec<(u32, u32)>,
}

impl<'t> Unescaped<'t> {
    /// A piece of a string. What is longer than 4 GiB keeps its escapes; no body is.
    pub(super) fn new(source: &'t str) -> Self {
        if !source.contains('\\') || u32::try_from(source.len()).is_err() {
            return Self::plain(source);
        }
        let mut text = String::with_capacity(source.len());
        let mut anchors: Vec<(u32, u32)> = Vec::new();
        let mut anchor = |text: &String, at: usize| {
            let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            let new = (place(text.len()), place(at));
            match anchors.last_mut() {
                Some(last) if last.0 == new.0 => *last = new,
                _ => anchors.push(new),
            }
        };
        let mut at = 0;
        while let Some(next) = source[at..].find('\\') {
            text.push_str(&source[at..at + next]);
            at += next;
            let len = match escape(&source[at..]) {
                Some((meant, len)) => {
                    anchor(&text, at);
                    text.push(meant);
                    anchor(&text, at + len);
                    len
                }
                None => {
                    text.push('\\');
                    1
                }
            };
            at += len;
        }
        text.push_str(&source[at..]);
        Self { text: Cow::Owned(text), anchors }
    }

    /// A text that has no escapes.
    pub(super) fn plain(source: &'t str) -> Self {
        Self { text: Cow::Borrowed(source), anchors: Vec::new() }
    }

    /// Where in the source a place of the text is.
    pub(super) fn source(&self, at: usize) -> usize {
        let after = self.anchors.partition_point(|(place, _)| *place as usize <= at);
        match after.checked_sub(1).and_then(|last| self.anchors.get(last)) {
            Some((place, source)) => *source as usize + (at - *place as usize),
            None => at,
        }
    }
}

/// The character that the escape at the beginning of a text means, and the escape's length in bytes.
fn escape(text: &str) -> Option<(char, usize)> {
    let meant = match text.as_bytes().get(1)? {
        b'u' => {
            let first = code(text.get(2..6)?)?;
            if let Some(meant) = char::from_u32(first) {
                return Some((meant, 6));
            }
            let second = code(text.get(6..12)?.strip_prefix("\\u")?)?;
            let meant = char::decode_utf16([u16::try_from(first).ok()?, u16::try_from(second).ok()?]).next()?.ok()?;
            return Some((meant, 12));
        }
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        mark @ (b'"' | b'\'' | b'\\' | b'/') => char::from(*mark),
        _ => return None,
    };
    Some((meant, 2))
}

fn code(hex: &str) -> Option<u32> {
    if hex.bytes().all(|b| b.is_ascii_hexdigit()) { u32::from_str_radix(hex, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn places_are_found_again() {
        let source = r#"a\"b\u0022\ud83d\ude00\\\n\q\u12"#;
        let unescaped = Unescaped::new(source);
        assert_eq!(unescaped.text, "a\"b\"\u{1f600}\\\n\\q\\u12");
        let places: Vec<usize> = unescaped.text.char_indices().map(|(at, _)| unescaped.source(at)).collect();
        assert_eq!(places, [0, 1, 3, 4, 10, 22, 24, 26, 27, 28, 29, 30, 31]);
        assert_eq!(unescaped.source(unescaped.text.len()), source.len());
    }

    proptest! {
        /// What JSON says a string means, and every piece of it where it came from.
        #[test]
        fn whole_strings_are_read_as_json_reads_them(content in "\\PC{0,20}[\\\\\"\n\t/]{0,6}\\PC{0,20}") {
            let source = serde_json::Value::from(content.clone()).to_string();
            let source = &source[1..source.len() - 1];
            let unescaped = Unescaped::new(source);
            prop_assert_eq!(&unescaped.text, &content);
            for (at, meant) in content.char_indices() {
                let piece = &source[unescaped.source(at)..unescaped.source(at + meant.len_utf8())];
                prop_assert_eq!(Unescaped::new(piece).text, meant.to_string());
            }
        }
    }
}
