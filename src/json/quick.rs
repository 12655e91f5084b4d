//! A quick reader for the JSON that senders write, beside the parser that has the last word.
//!
//! In: text. Out: the very values and slices that the parser gives, or nothing. Nothing stands for damage and for whatever comes so
//! seldom that reading it twice costs little: escaped names, two members of one name, deep nesting, exponents. Whoever asks then asks the
//! parser, which alone words refusals. A law below holds the two together.
//!
//! Exists because every event is read here twice, as an envelope and as data, and the parser's way over a visitor costs a copy of
//! each number's text, of a made-up name before it, and a look-up of each name more than is needed.

use super::Members;
use serde_json::{Map, Number, Value};
use std::borrow::Cow;

/// Nesting that is followed. Observed: five levels in the documented events.
const DEPTH_MAX: usize = 32;

/// Digits that fit 64 bits for certain.
const INTEGER_DIGITS_MAX: usize = 18;

/// A number without an exponent and no longer than this, in bytes, is within every reader's reach.
const DECIMAL_BYTES_MAX: usize = 64;

/// A whole value, as [`super::value`] reads it.
pub(super) fn value(text: &str) -> Option<Value> {
    let mut scan = Scan { text, at: 0 };
    let value = scan.value(DEPTH_MAX)?;
    scan.at_end().then_some(value)
}

/// Adds the members of the object that a text is.
pub(super) fn members<'t>(text: &'t str, members: &mut Members<'t>) -> Option<()> {
    let mut scan = Scan { text, at: 0 };
    scan.members(members)?;
    scan.at_end().then_some(())
}

/// A walk over a text.
struct Scan<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scan<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'t [u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn at_end(&mut self) -> bool {
        self.space();
        self.at == self.text.len()
    }

    /// Steps over a byte behind white space, if it is the next one.
    fn takes(&mut self, byte: u8) -> bool {
        self.space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.takes(byte).then_some(())
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let found = self.rest().starts_with(word.as_bytes());
        self.at += word.len();
        found.then_some(())
    }

    /// Whether another element or member follows, behind one or behind the opening bracket.
    fn more(&mut self, first: bool, close: u8) -> Option<bool> {
        if self.takes(close) {
            return Some(false);
        }
        if !first {
            self.take(b',')?;
        }
        Some(true)
    }

    /// A member's name without escapes, and the colon.
    fn name(&mut self) -> Option<&'t str> {
        self.take(b'"')?;
        let start = self.at;
        self.at += plain_len(self.rest());
        let name = &self.text[start..self.at];
        (self.peek() == Some(b'"')).then_some(())?;
        self.at += 1;
        self.take(b':')?;
        Some(name)
    }

    fn members(&mut self, members: &mut Members<'t>) -> Option<()> {
        self.take(b'{')?;
        let mut first = true;
        while self.more(first, b'}')? {
            first = false;
            let name = self.name()?;
            self.space();
            let start = self.at;
            self.skip(DEPTH_MAX)?;
            members.push((Cow::Borrowed(name), &self.text[start..self.at]));
        }
        Some(())
    }

    /// Steps over a well-formed value.
    fn skip(&mut self, depth: usize) -> Option<()> {
        self.space();
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'{' => {
                let depth = depth.checked_sub(1)?;
                self.at += 1;
                let mut first = true;
                while self.more(first, b'}')? {
                    first = false;
                    self.name()?;
                    self.skip(depth)?;
                }
                Some(())
            }
            b'[' => {
                let depth = depth.checked_sub(1)?;
                self.at += 1;
                let mut first = true;
                while self.more(first, b']')? {
                    first = false;
                    self.skip(depth)?;
                }
                Some(())
            }
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.number().map(drop),
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        self.space();
        Some(match self.peek()? {
            b'"' => Value::String(match self.string()? {
                (inner, true) => inner.to_owned(),
                // Escapes are the parser's business, lone surrogates among them.
                (inner, false) => serde_json::from_str(&self.text[self.at - inner.len() - 2..self.at]).ok()?,
            }),
            b'{' => {
                let depth = depth.checked_sub(1)?;
                self.at += 1;
                let mut members = Map::new();
                while self.more(members.is_empty(), b'}')? {
                    let name = self.name()?;
                    let value = self.value(depth)?;
                    // The second of a name. The parser refuses it, and a name of its own that stands for a number.
                    if members.insert(name.to_owned(), value).is_some() || name.starts_with("$serde_json") {
                        return None;
                    }
                }
                Value::Object(members)
            }
            b'[' => {
                let depth = depth.checked_sub(1)?;
                self.at += 1;
                let mut elements = Vec::new();
                while self.more(elements.is_empty(), b']')? {
                    elements.push(self.value(depth)?);
                }
                Value::Array(elements)
            }
            b't' => self.word("true").map(|()| Value::Bool(true))?,
            b'f' => self.word("false").map(|()| Value::Bool(false))?,
            b'n' => self.word("null").map(|()| Value::Null)?,
            _ => Value::Number(number(self.number()?)?),
        })
    }

    /// What stands between the quotes of a well-formed string, and whether it holds no escapes.
    fn string(&mut self) -> Option<(&'t str, bool)> {
        let start = self.at + 1;
        let mut plain = true;
        self.at = start;
        loop {
            self.at += plain_len(self.rest());
            match self.rest() {
                [b'"', ..] => break,
                [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => self.at += 2,
                [b'\\', b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|hex| hex.is_ascii_hexdigit()) => self.at += 6,
                _ => return None,
            }
            plain = false;
        }
        self.at += 1;
        Some((&self.text[start..self.at - 1], plain))
    }

    /// The text of a well-formed number.
    fn number(&mut self) -> Option<&'t str> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        match self.digits() {
            0 => return None,
            len if len > 1 && self.text.as_bytes()[self.at - len] == b'0' => return None,
            _ => {}
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            (self.digits() > 0).then_some(())?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            (self.digits() > 0).then_some(())?;
        }
        Some(&self.text[start..self.at])
    }

    fn digits(&mut self) -> usize {
        let len = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += len;
        len
    }
}

/// A number of a well-formed text, with that text.
fn number(text: &str) -> Option<Number> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    if digits.len() <= INTEGER_DIGITS_MAX && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let number = digits.bytes().fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0'));
        return match (negative, number) {
            // Nothing else keeps its sign.
            (true, 0) => text.parse().ok(),
            (true, number) => Some(Number::from(-number)),
            (false, number) => Some(Number::from(number)),
        };
    }
    (text.len() <= DECIMAL_BYTES_MAX && !text.contains(['e', 'E'])).then(|| text.parse().ok()).flatten()
}

/// How many bytes at the beginning of a string need no attention: what comes before a quote, a backslash or a control character. Eight at
/// a time.
pub fn plain_len(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    // The lowest bit that is set is right; higher ones may not be.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
    let mut len = 0;
    for eight in bytes.chunks_exact(8) {
        let word = u64::from_le_bytes(eight.try_into().expect("a chunk of eight"));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (control | zeros(word ^ (ONES * 0x22)) | zeros(word ^ (ONES * 0x5c))) & HIGH;
        if found != 0 {
            return len + found.trailing_zeros() as usize / 8;
        }
        len += 8;
    }
    len + bytes[len..].iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{members::members_by_parser, strict::value_by_parser};
    use proptest::prelude::*;

    /// The reader gives what the parser gives, or nothing.
    #[track_caller]
    fn agree(text: &str) {
        let exact = value_by_parser(text);
        if let Some(quick) = value(text) {
            let exact = exact.unwrap_or_else(|error| panic!("{text} is refused by the parser: {error}"));
            assert_eq!(quick, exact, "{text}");
            // Equal numbers are spelled alike.
            assert_eq!(quick.to_string(), exact.to_string(), "{text}");
        }
        // What is kept is read again by the plain parser.
        if let Ok(exact) = value_by_parser(text)
            && !text.contains('$')
        {
            let plain: Value = serde_json::from_str(text).unwrap();
            assert_eq!(plain, exact, "{text}");
            assert_eq!(plain.to_string(), exact.to_string(), "{text}");
        }
        let mut quick = Members::new();
        if members(text, &mut quick).is_some() {
            let exact = members_by_parser(text);
            let exact = exact.unwrap_or_else(|error| panic!("{text} is refused by the parser: {error}"));
            assert_eq!(quick, exact, "{text}");
        }
    }

    #[test]
    fn documented_events_need_no_parser() {
        let events = include_str!("../../tests/fixtures/event/documented_events.ndjson");
        for line in events.lines() {
            agree(line);
            assert!(value(line).is_some() && members(line, &mut Members::new()).is_some(), "{line}");
        }
    }

    #[test]
    fn odd_texts_are_read_alike_or_left_to_the_parser() {
        for number in [
            "0",
            "-0",
            "-0.0",
            "00",
            "01",
            "-",
            "-1",
            "1.",
            ".5",
            "1.50",
            "1e5",
            "1E+5",
            "1e",
            "1e400",
            "-1e-400",
            "+1",
            "999999999999999999",
            "9999999999999999999",
            "18446744073709551616",
            "0.1000000000000000055511151231257827",
            "1a",
            "1 ",
            "NaN",
            "Infinity",
            "0x1",
            "1_0",
        ] {
            agree(number);
            agree(&format!("[{number},-{number}]"));
            agree(&format!(r#"{{"a":{number}}}"#));
        }
        for text in [
            r#""\u0041\ud83d\ude00""#,
            r#""\ud800""#,
            r#""\ud800\u0041""#,
            r#""\x""#,
            r#""\u12g4""#,
            r#""\"#,
            r#""\u00"#,
            "\"a\tb\"",
            "\"a\u{0}b\"",
            "\"\u{7f}\u{80}é\u{1f600}\"",
            "\"1234567\\\"\"",
            "\"12345678\u{1f}\"",
            "\"!#[]\"",
        ] {
            agree(text);
            agree(&format!(r#"{{"name":{text},"b":[{text}]}}"#));
            agree(&format!(r#"{{{text}:1}}"#));
        }
        for text in [
            "",
            " ",
            "{",
            "}",
            "[",
            "[]",
            "{}",
            "[ ]",
            "{ }",
            "[,]",
            "[1,]",
            "{,}",
            r#"{"a":1,}"#,
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a" : 1 , "b":{} }"#,
            r#"{"a":1}{"#,
            r#"{"a":1} x"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a":1 "b":2}"#,
            "[1 2]",
            "truex",
            "true",
            "tru",
            "[true,false,null]",
            "\u{feff}{}",
            "{a:1}",
            "{'a':1}",
            r#"{"$serde_json::private::Number":"1"}"#,
            r#"{"$serde_json::private::Number":"1","b":2}"#,
            r#"{"b":2,"$serde_json::private::Number":"1"}"#,
            r#"{"$serde_json::private::RawValue":"1"}"#,
            "\u{b}{}",
            "{}\u{c}",
            r#"{"":""}"#,
        ] {
            agree(text);
            agree(&format!("[{text}]"));
            agree(&format!(" {{\"x\": {text}\r\n}}\t"));
        }
        for depth in [30, 31, 32, 33, 126, 127, 128, 129] {
            agree(&format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
            agree(&format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth)));
            agree(&format!("{}1{}", r#"[{"a":"#.repeat(depth), "}]".repeat(depth)));
        }
    }

    fn json() -> impl Strategy<Value = String> {
        let text = r#""([a-z "é]|\\["\\/bfnrtu]|\\u[0-9a-fD]{4}|[\x00-\x1f]){0,12}""#;
        let leaf = prop_oneof![
            4 => "\"[ -!#-\\[\\]-~é]{0,20}\"",
            1 => text,
            2 => "-?(0|[1-9][0-9]{0,22})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
            1 => prop_oneof![Just("true".to_owned()), Just("false".to_owned()), Just("null".to_owned())],
        ];
        let space = || "[ \n\r\t]{0,2}";
        leaf.prop_recursive(4, 24, 4, move |inner| {
            let member = ("[a-c]{0,2}", space(), space(), inner.clone(), space());
            let member = member.prop_map(|(name, a, b, value, c)| format!("{a}\"{name}\"{b}:{a}{value}{c}"));
            let element = (space(), inner, space()).prop_map(|(a, value, b)| format!("{a}{value}{b}"));
            prop_oneof![
                proptest::collection::vec(member, 0..4).prop_map(|members| format!("{{{}}}", members.join(","))),
                proptest::collection::vec(element, 0..4).prop_map(|elements| format!("[{}]", elements.join(","))),
            ]
        })
    }

    proptest! {
        /// Two readers of one text are one: what the quick one says is what the parser would have said.
        #[test]
        fn the_parser_has_the_last_word(text in json(), at in any::<prop::sample::Index>(), byte in "[\\\\\"{}\\[\\],:0-9a-z .\n-]") {
            agree(&text);
            let cuts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            let at = cuts[at.index(cuts.len())];
            let next = text[at..].chars().next().map_or(0, char::len_utf8);
            agree(&text[..at]);
            agree(&format!("{}{byte}{}", &text[..at], &text[at..]));
            agree(&format!("{}{byte}{}", &text[..at], &text[at + next..]));
            agree(&format!("{}{}", &text[..at], &text[at + next..]));
        }
    }
}
