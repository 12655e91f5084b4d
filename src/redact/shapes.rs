//! Rule: some secrets give themselves away by their shape, wherever they stand in a text.
//!
//! URL userinfo, PEM blocks, bearer and basic credentials, AWS keys, JSON Web Tokens, tokens with a well-known prefix, and
//! `name=value` or `"name": "value"` pairs whose name speaks of a secret.

use super::{Masks, Rules, keys, mask_len};
use regex::Regex;
use std::{borrow::Cow, ops::Range};

pub(super) struct Shapes {
    /// Group 1 is the secret.
    whole: Vec<(Rules, Regex)>,
    /// Group 1 the name, group 2 the separator, group 3 the opening quote; the value follows.
    pair: Regex,
    /// Group 1 the name of an XML element, group 2 its text.
    element: Regex,
}

/// Each pattern's first group is the part to mask.
const WHOLE: &[(Rules, &str)] = &[
    (Rules::PEM, r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----(.*?)(?:-----END|\z)"),
    (Rules::URLS, r"(?i)\b[a-z][a-z0-9+.\-]{1,20}://([^\s/?#@\x22'\\<>]*:[^\s/?#\x22'\\<>]*)@"),
    (Rules::URLS, r"(?i)\b[a-z][a-z0-9+.\-]{1,20}://([^\s/?#@:\x22'\\<>]{16,})@"),
    (Rules::SCHEMES, r"(?i)\b(?:bearer|basic|splunk|api-token|token)\s+([a-z0-9+/._~\-]{16,}=*)"),
    (Rules::SCHEMES, r"(?i)\b(?:bearer)\s+([a-z0-9+/._~\-]{8,}=*)"),
    (Rules::SCHEMES, r"(?i)authorization\W{1,8}(?:basic|bearer|splunk|apikey|digest)?\s*([a-z0-9+/._~\-]{6,}=*)"),
    (Rules::AWS, r"\b((?:AKIA|ASIA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA)[A-Z0-9]{16})\b"),
    (Rules::PREFIXED, r"\b(eyJ[A-Za-z0-9_\-]{5,}\.[A-Za-z0-9_\-]{5,}(?:\.[A-Za-z0-9_\-]*)?)"),
    (
        Rules::PREFIXED,
        r"\b((?:ghp|gho|ghs|ghu|ghr)_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|xox[abprs]-[A-Za-z0-9\-]{10,}|AIza[A-Za-z0-9_\-]{30,}|[sr]k_live_[A-Za-z0-9]{10,}|glpat-[A-Za-z0-9_\-]{15,})",
    ),
];

impl Shapes {
    pub(super) fn new() -> Self {
        let compile =
            |(rule, pattern): &(Rules, &str)| (*rule, Regex::new(pattern).expect("constant patterns compile"));
        Self {
            whole: WHOLE.iter().map(compile).collect(),
            pair: Regex::new(r#"([A-Za-z][A-Za-z0-9_.\-]{1,60})(\\{0,3}["']?\s{0,3}(?:=>|[:=])\s{0,3})(\\{0,3}["'])?"#)
                .expect("constant pattern compiles"),
            element: Regex::new(r"<([A-Za-z][A-Za-z0-9_.:\-]{1,60})(?:\s[^<>]*)?>([^<>]+)<")
                .expect("constant pattern compiles"),
        }
    }

    /// The text with every shaped secret masked.
    pub(super) fn apply<'t>(&self, text: &'t str, masks: &mut Masks<'_>) -> Cow<'t, str> {
        let mut spans: Vec<Range<usize>> = Vec::new();
        for (_, pattern) in self.whole.iter().filter(|(rule, _)| masks.rules.calls_for(*rule)) {
            for found in pattern.captures_iter(text) {
                spans.extend(found.get(1).map(|group| group.range()));
            }
        }
        if masks.rules.calls_for(Rules::NAMES) {
            self.pairs(text, &mut spans);
        }
        spans.retain(|span| !span.is_empty() && !is_masked(text, span) && !is_scheme(&text[span.clone()]));
        if spans.is_empty() {
            return Cow::Borrowed(text);
        }
        spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for span in spans {
            if span.start < at {
                continue;
            }
            out.push_str(&text[at..span.start]);
            out.push_str(&masks.mask(&text[span.clone()]));
            at = span.end;
        }
        out.push_str(&text[at..]);
        Cow::Owned(out)
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
        for found in self.pair.captures_iter(text) {
            let (Some(name), Some(separator), Some(all)) = (found.get(1), found.get(2), found.get(0)) else { continue };
            if !keys::is_secret(name.as_str()) {
                continue;
            }
            let start = all.end();
            let rest = &text[start..];
            match found.get(3) {
                Some(quote) => {
                    let end = closing_quote(rest, quote.as_str());
                    spans.push(start..start + end);
                }
                None => {
                    let end =
                        rest.find(|c: char| c.is_whitespace() || ",;&|\"'<>()[]{}\\".contains(c)).unwrap_or(rest.len());
                    let value = &rest[..end];
                    // After a colon and a space stands prose more often than a secret ("Invalid token: expired").
                    let prose = !separator.as_str().contains('=')
                        && separator.as_str().ends_with(' ')
                        && !(value.len() >= 6 && value.bytes().any(|b| !b.is_ascii_alphabetic() && b != b'.'));
                    if !prose && !matches!(value, "null" | "true" | "false" | "None" | "") {
                        spans.push(start..start + end);
                    }
                }
            }
        }
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
    ["basic", "bearer", "splunk", "apikey", "digest", "api-token"]
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
