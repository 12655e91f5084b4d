//! Rule: some secrets give themselves away by their shape, wherever they stand in a text.
//!
//! URL userinfo, PEM blocks, bearer and basic credentials, AWS keys, JSON Web Tokens, tokens with a well-known prefix, passwords on
//! command lines, and `name=value` or `"name": "value"` pairs whose name speaks of a secret.

use super::{
    Masks, Rules,
    keys::{self, Secrecy},
    mask_len,
    patterns::{ACCESS_KEY_ID, Fits, WHOLE},
    torn,
};
use regex::{Captures, Regex};
use std::{borrow::Cow, ops::Range};

pub(super) struct Shapes {
    whole: Vec<Shape>,
    /// Group 1 the name, group 2 the separator, group 3 the opening quote; the value follows.
    pair: Regex,
    /// The same with a name that holds escaped letters.
    escaped_pair: Regex,
    /// Group 1 the name of an option on a command line, group 2 the opening quote; the value follows.
    option: Regex,
    /// Group 1 the name of an XML element, group 2 its text.
    element: Regex,
    access_key_id: Regex,
}

/// A rule, its pattern, and what its first group must be like to be masked.
struct Shape {
    rules: Rules,
    pattern: Regex,
    fits: Fits,
}

/// Length of an AWS secret key.
const AWS_SECRET_BYTES: usize = 40;

/// A value that is a secret only if it looks like one is no longer than this.
const RANDOM_BYTES_MAX: usize = 512;

/// A text is read so many times at most; nearly every one has nothing more after the first.
const PASSES_MAX: usize = 6;

/// A value in braces is no longer than this.
const BRACED_BYTES_MAX: usize = 256;

/// Words that stand behind the name of an option in messages about it.
const BEHIND_OPTIONS: &[&str] = &[
    "is", "was", "must", "needs", "cannot", "to", "or", "and", "for", "with", "if", "in", "not", "option", "flag",
    "argument",
];

impl Shapes {
    pub(super) fn new() -> Self {
        let compile = |pattern: &str| Regex::new(pattern).expect("constant patterns compile");
        Self {
            whole: WHOLE
                .iter()
                .map(|(rules, pattern, fits)| Shape { rules: *rules, pattern: compile(pattern), fits: *fits })
                .collect(),
            pair: compile(
                r#"([A-Za-z][A-Za-z0-9_.\-]{1,60})(\\{0,3}["']?\s{0,3}(?:=>|[:=])\s{0,40})(?:[bBuUrRN]{0,2}(\\{0,3}["']))?"#,
            ),
            escaped_pair: compile(
                r#"([A-Za-z0-9_.\-]{0,60}(?:\\{1,4}u00[0-9A-Fa-f]{2}[A-Za-z0-9_.\-]{0,60}){1,60})(\\{0,3}["']?\s{0,3}(?:=>|[:=])\s{0,40})(?:[bBuUrRN]{0,2}(\\{0,3}["']))?"#,
            ),
            option: compile(r#"--([A-Za-z][A-Za-z0-9_\-]{1,60})\s{1,3}(\\{0,3}["'])?"#),
            element: compile(r"<([A-Za-z][A-Za-z0-9_.:\-]{1,60})(?:\s[^<>]*)?>([^<>]+)<"),
            access_key_id: compile(ACCESS_KEY_ID),
        }
    }

    /// Whether the id of an AWS access key stands somewhere: its secret may be near.
    pub(super) fn holds_access_key_id(&self, text: &str) -> bool {
        self.access_key_id.is_match(text)
    }

    /// The text with every shaped secret masked.
    pub(super) fn apply<'t>(&self, text: &'t str, masks: &mut Masks<'_>) -> Cow<'t, str> {
        let Some(mut clean) = self.pass(text, masks) else { return Cow::Borrowed(text) };
        // One rule may mask a bracket that told another one where a secret ends. Then there is more to mask.
        for _ in 1..PASSES_MAX {
            match self.pass(&clean, masks) {
                Some(cleaner) => clean = cleaner,
                None => break,
            }
        }
        Cow::Owned(clean)
    }

    /// The text with what the rules find in it masked, if they find anything.
    fn pass(&self, text: &str, masks: &mut Masks<'_>) -> Option<String> {
        let mut spans = self.spans(text, masks.rules_in(text));
        spans.retain(|span| !span.is_empty() && !is_masked(text, span));
        if spans.is_empty() {
            return None;
        }
        spans.sort_by_key(|span| span.start);
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        let mut spans = spans.into_iter().peekable();
        while let Some(mut span) = spans.next() {
            // What begins within a secret belongs to it, also where it goes on behind its end.
            while let Some(next) = spans.next_if(|next| next.start < span.end) {
                span.end = span.end.max(next.end);
            }
            out.push_str(&text[at..span.start]);
            out.push_str(&masks.mask(&text[span.clone()]));
            at = span.end;
        }
        out.push_str(&text[at..]);
        Some(out)
    }

    /// Where the rules find what may be a secret.
    pub(super) fn spans(&self, text: &str, rules: Rules) -> Vec<Range<usize>> {
        let mut spans = Vec::new();
        for shape in self.whole.iter().filter(|shape| rules.calls_for(shape.rules)) {
            for found in shape.pattern.captures_iter(text) {
                spans.extend(found.get(1).filter(|group| (shape.fits)(group.as_str())).map(|group| group.range()));
            }
        }
        if rules.calls_for(Rules::AWS_SECRET) {
            aws_secrets(text, &mut spans);
        }
        if rules.calls_for(Rules::NAMES) {
            self.pairs(text, &mut spans);
        }
        spans.retain(|span| !is_scheme(&text[span.clone()]));
        if rules.calls_for(Rules::NAMES) {
            torn::spans(text, &mut spans);
        }
        spans
    }

    /// `password=hunter2`, `"password": "hunter2"`, `'token': 'x'`, `\"apiKey\":\"x\"`, `<password>x</password>`.
    fn pairs(&self, text: &str, spans: &mut Vec<Range<usize>>) {
        if text.contains("</") {
            for found in self.element.captures_iter(text) {
                if found.get(1).is_some_and(|name| keys::is_secret(name.as_str())) {
                    spans.extend(found.get(2).map(|value| value.range()));
                }
            }
        }
        if text.contains("--") {
            for found in self.option.captures_iter(text) {
                option(text, &found, spans);
            }
        }
        // What follows needs a sign between name and value, which most texts do not have.
        if memchr::memchr2(b':', b'=', text.as_bytes()).is_none() {
            return;
        }
        for found in self.pair.captures_iter(text) {
            pair(text, &found, found.get(1).map_or(Secrecy::Open, |name| keys::secrecy(name.as_str())), spans);
        }
        if text.contains("\\u") {
            for found in self.escaped_pair.captures_iter(text) {
                let secrecy = found.get(1).map_or(Secrecy::Open, |name| keys::secrecy(&unescaped(name.as_str())));
                pair(text, &found, secrecy, spans);
            }
        }
    }
}

/// The value of one pair, if its name says that it is a secret.
fn pair(text: &str, found: &Captures<'_>, secrecy: Secrecy, spans: &mut Vec<Range<usize>>) {
    if secrecy == Secrecy::Open {
        return;
    }
    let (Some(separator), Some(all)) = (found.get(2), found.get(0)) else { return };
    let separator = separator.as_str();
    let start = all.end();
    // Within a value that is masked already: `password=password=…` must not be read to its end again and again.
    if spans.last().is_some_and(|last| last.contains(&start) && !is_masked(text, &(last.start..last.start))) {
        return;
    }
    let rest = if secrecy == Secrecy::IfRandom { beginning(&text[start..]) } else { &text[start..] };
    if let Some(quote) = found.get(3) {
        let value = &rest[..closing_quote(rest, quote.as_str())];
        if secrecy != Secrecy::IfRandom || keys::looks_random(value) {
            spans.push(start..start + value.len());
        }
        return;
    }
    if secrecy != Secrecy::IfRandom && separator.contains('=') && rest.starts_with('{') {
        spans.extend(braced(rest).map(|len| start + 1..start + 1 + len));
        return;
    }
    let end = rest.find(|c: char| c.is_whitespace() || ",;&|\"'<>()[]{}\\".contains(c)).unwrap_or(rest.len());
    let value = &rest[..end];
    // After a colon and a space stands prose more often than a secret ("Invalid token: expired"), and on the next line the next name.
    let next_line = separator.contains('\n');
    let prose = (next_line || (!separator.contains('=') && separator.ends_with(' ')))
        && !(value.len() >= 6 && value.bytes().any(|b| !b.is_ascii_alphabetic() && b != b'.'));
    let is_name = next_line && value.ends_with([':', '=']);
    let count = secrecy != Secrecy::All && value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let open = secrecy == Secrecy::IfRandom && !keys::looks_random(value);
    if !prose && !is_name && !count && !open && !matches!(value, "null" | "true" | "false" | "None" | "") {
        spans.push(start..start + end);
    }
}

/// The length of what stands in braces as drivers quote it: `password={a;b}}c};`, a closing one doubled. Anything else in braces is
/// for `torn` to read.
fn braced(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while at < BRACED_BYTES_MAX {
        match bytes.get(at)? {
            b'{' => return None,
            b'}' if bytes.get(at + 1) == Some(&b'}') => at += 2,
            b'}' => {
                let ends =
                    bytes.get(at + 1).is_none_or(|next| matches!(next, b';' | b'"' | b'\'' | b'\\' | b' ' | b'\n'));
                return ends.then_some(at - 1);
            }
            _ => at += 1,
        }
    }
    None
}

/// The value behind an option, if the option speaks of a secret: `--password hunter2`.
fn option(text: &str, found: &Captures<'_>, spans: &mut Vec<Range<usize>>) {
    let (Some(name), Some(all)) = (found.get(1), found.get(0)) else { return };
    let name = name.as_str();
    let elsewhere =
        name.starts_with("no-") || ["file", "path", "stdin", "prompt"].iter().any(|end| name.ends_with(end));
    if elsewhere || !keys::is_secret(name) {
        return;
    }
    let start = all.end();
    let rest = &text[start..];
    let len = match found.get(2) {
        Some(quote) => closing_quote(rest, quote.as_str()),
        None => {
            let len = rest.find(|c: char| c.is_whitespace() || "\"'\\,;|<>".contains(c)).unwrap_or(rest.len());
            if rest.starts_with('-') || BEHIND_OPTIONS.contains(&&rest[..len]) { 0 } else { len }
        }
    };
    spans.push(start..start + len);
}

/// As much of a text as a generated secret can take.
fn beginning(text: &str) -> &str {
    let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= RANDOM_BYTES_MAX).last().unwrap_or(0);
    if text.len() <= RANDOM_BYTES_MAX { text } else { &text[..end] }
}

/// The letters of a name in which some are escaped (`pass\u0077ord`).
fn unescaped(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find("\\u") {
        out.push_str(rest[..at].trim_end_matches('\\'));
        let code = rest.get(at + 2..at + 6).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.extend(code.map(char::from));
        rest = rest.get(at + 6..).unwrap_or_default();
    }
    out + rest
}

/// Words of forty characters of base64 with small letters, capitals and digits, as AWS makes its secret keys.
fn aws_secrets(text: &str, spans: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let run = bytes[at..].iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).count();
        // The letter of an escape (`\n`) is none of the word.
        let escape = usize::from(run > 0 && at > 0 && bytes[at - 1] == b'\\');
        let word = at + escape..at + run;
        let has = |class: fn(&u8) -> bool| bytes[word.clone()].iter().any(class);
        if word.len() == AWS_SECRET_BYTES
            && has(u8::is_ascii_lowercase)
            && has(u8::is_ascii_uppercase)
            && has(u8::is_ascii_digit)
        {
            spans.push(word);
        }
        at += run + 1;
    }
}

/// Where a quoted value ends: at its own quote, not at an escaped one, or at the end of the text.
fn closing_quote(rest: &str, quote: &str) -> usize {
    let escapes = quote.len() - 1;
    let mark = quote.as_bytes()[escapes];
    let bytes = rest.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let slashes = bytes[at..].iter().take_while(|b| **b == b'\\').count();
        if bytes.get(at + slashes) == Some(&mark) {
            // In text that is itself inside a JSON string the closing quote carries as many slashes as the opening one.
            if slashes == escapes || (escapes == 0 && slashes % 2 == 0) {
                return at;
            }
            at += slashes + 1;
        } else {
            at += slashes.max(1);
        }
    }
    bytes.len()
}

/// Whether a word is the name of an authorization scheme and not a credential.
fn is_scheme(word: &str) -> bool {
    ["basic", "bearer", "splunk", "apikey", "digest", "api-token", "negotiate", "ntlm", "oauth", "token"]
        .iter()
        .any(|scheme| word.eq_ignore_ascii_case(scheme))
}

/// Whether a span is, or lies within, a mask that is already there.
fn is_masked(text: &str, span: &Range<usize>) -> bool {
    if mask_len(&text[span.start..]).is_some() {
        return true;
    }
    let window = span.start.saturating_sub(super::MASK_PREFIX.len() + 24);
    let window = (window..=span.start).find(|at| text.is_char_boundary(*at)).unwrap_or(span.start);
    text[window..span.end].match_indices(super::MASK_PREFIX).any(|(at, _)| {
        mask_len(&text[window + at..]).is_some_and(|len| window + at <= span.start && span.start < window + at + len)
    })
}
