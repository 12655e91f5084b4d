//! Where strings and comments begin and end when nothing can be taken for granted.

use super::{Scan, Token};
use std::ops::Range;

impl Scan<'_> {
    pub(super) fn double_quote(&mut self, at: usize) -> usize {
        if self.opens_a_string(at) {
            return self.string(at, b'"');
        }
        // The end of a string whose beginning is cut off.
        if let Some(start) = self.words.take() {
            self.token(Token { at: start..at, quoted: true });
        }
        at + 1
    }

    /// Whether a quote outside of strings opens one. The alternative is that it closes one whose beginning was not seen.
    fn opens_a_string(&self, at: usize) -> bool {
        let before = self.text.as_bytes()[..at].iter().rfind(|byte| !byte.is_ascii_whitespace());
        match before {
            Some(b'{' | b'[' | b',' | b':') => true,
            Some(b'=') if !self.context().is_secret() => true,
            _ => !self.ends_a_value(at + 1),
        }
    }

    /// Whether what comes next comes behind a value or a name.
    fn ends_a_value(&self, at: usize) -> bool {
        let next = self.text.as_bytes()[at..].iter().find(|byte| !byte.is_ascii_whitespace());
        matches!(next, None | Some(b':' | b',' | b'}' | b']'))
    }

    pub(super) fn single_quote(&mut self, at: usize) -> usize {
        let bytes = self.text.as_bytes();
        // `u'password'`, as Python writes it.
        let prefix = self.words.is_some_and(|start| {
            at - start <= 2 && bytes[start..at].iter().all(|byte| matches!(byte | 32, b'u' | b'b' | b'r' | b'n'))
        });
        let begins = self.words.is_none() || prefix || bytes[at - 1].is_ascii_whitespace();
        if !begins || !self.opens_a_string(at) {
            return self.word(at, 1);
        }
        match self.single_quote_behind(at + 1) {
            Some(_) => {
                if prefix {
                    self.words = None;
                }
                self.string(at, b'\'')
            }
            None => self.word(at, 1),
        }
    }

    /// The next single quote that can end a string; an apostrophe cannot.
    fn single_quote_behind(&mut self, start: usize) -> Option<usize> {
        let mut at = start;
        while at < self.unclosed_from {
            match memchr::memchr2(b'\'', b'\\', &self.text.as_bytes()[at..]) {
                Some(next) if self.text.as_bytes()[at + next] == b'\\' => at += next + 2,
                Some(next) if self.ends_a_value(at + next + 1) => return Some(at + next),
                Some(next) => at += next + 1,
                None => break,
            }
        }
        self.unclosed_from = self.unclosed_from.min(start);
        None
    }

    /// A string, up to its closing quote or the end of the text.
    fn string(&mut self, at: usize, quote: u8) -> usize {
        self.end_of_words(at);
        let end = if quote == b'"' { self.double_quote_behind(at + 1) } else { self.single_quote_behind(at + 1) };
        let end = end.unwrap_or(self.text.len());
        self.token(Token { at: at + 1..end, quoted: true });
        end + 1
    }

    /// The next double quote that is not escaped.
    fn double_quote_behind(&self, start: usize) -> Option<usize> {
        let mut at = start;
        loop {
            let rest = self.text.as_bytes().get(at..)?;
            let next = memchr::memchr2(b'"', b'\\', rest)?;
            if rest[next] == b'"' {
                return Some(at + next);
            }
            at += next + 2;
        }
    }

    /// Slashes outside of strings. Before a quote they tell that this is a string, whose beginning is cut off.
    pub(super) fn slashes(&mut self, at: usize) -> usize {
        let rest = &self.text[at..];
        let count = rest.len() - rest.trim_start_matches('\\').len();
        let behind = &rest[count..];
        if count.is_multiple_of(2) || !(behind.starts_with('"') || behind.starts_with("u0022")) {
            return self.word(at, count);
        }
        let start = self.words.take().unwrap_or(at);
        let end = self.double_quote_behind(at).unwrap_or(self.text.len());
        self.end_of_value(start);
        let name = self.top().name.take();
        let context = self.below(name.as_ref(), true, || false);
        self.read_again(start..end, true, context);
        // The quote at the end closes what was cut off.
        end + 1
    }

    /// Comments: brackets in them are none, secrets in them are.
    pub(super) fn slash(&mut self, at: usize) -> usize {
        let rest = &self.text[at..];
        let after_colon = at > 0 && self.text.as_bytes()[at - 1] == b':';
        let len = if self.words.is_some() || after_colon {
            None
        } else if rest.starts_with("/*") {
            Some(rest.find("*/").map_or(rest.len(), |end| end + 2))
        } else if rest.starts_with("//") {
            Some(rest.find('\n').unwrap_or(rest.len()))
        } else {
            None
        };
        let Some(len) = len else { return self.word(at, 1) };
        let bare = rest[..len].trim_matches(['/', '*']);
        let start = at + (bare.as_ptr() as usize - rest.as_ptr() as usize);
        self.read_again(start..start + bare.len(), false, self.context());
        at + len
    }

    /// Whether what stands in these quotes has escapes that are theirs. Between single quotes a shell knows none, Python does.
    pub(super) fn has_escapes(&self, at: &Range<usize>) -> bool {
        let bytes = self.text.as_bytes();
        if at.start == 0 || bytes[at.start - 1] != b'\'' {
            return true;
        }
        let mut rest = &bytes[at.clone()];
        let mut unescaped = false;
        while let Some(next) = memchr::memchr2(b'"', b'\\', rest) {
            let slashes = rest[next..].iter().take_while(|byte| **byte == b'\\').count();
            let quote = rest.get(next + slashes) == Some(&b'"');
            if quote && slashes > 0 && slashes.is_multiple_of(2) {
                return true;
            }
            unescaped |= quote && slashes == 0;
            rest = &rest[(next + slashes + 1).min(rest.len())..];
        }
        !unescaped
    }
}
