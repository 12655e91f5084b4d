//! Labels: `{application="fivetran",level="info"}`.
//!
//! In: the text of a label set, or its pairs. Out: the level they name; nothing else of them is used, since the event
//! itself says everything that a label can. Refused: text that is no label set, and one that is too long.

use std::borrow::Cow;

/// Labels and structured metadata that name a level, most telling first.
const LEVEL_NAMES: [&str; 3] = ["level", "severity", "detected_level"];

/// Longest label set, in bytes. Assumed: Loki's own limits end far below.
const BYTES_MAX: usize = 64 << 10;

/// The most telling level among pairs seen so far.
#[derive(Debug, Default, Clone)]
pub(super) struct LevelOf<'b> {
    found: Option<(usize, Cow<'b, str>)>,
}

impl<'b> LevelOf<'b> {
    /// Looks at one pair.
    pub fn see(&mut self, name: &str, value: impl FnOnce() -> Cow<'b, str>) {
        let rank = LEVEL_NAMES.iter().position(|known| *known == name);
        let best = self.found.as_ref().map_or(LEVEL_NAMES.len(), |(rank, _)| *rank);
        if let Some(rank) = rank.filter(|rank| *rank < best) {
            self.found = Some((rank, value()));
        }
    }

    /// The level, or that of `other` when there is none.
    pub fn or(&self, other: &Self) -> Option<String> {
        self.found.as_ref().or(other.found.as_ref()).map(|(_, text)| text.clone().into_owned())
    }
}

/// Reads a label set as Go writes it. An empty text is an empty set.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(text: &str) -> Result<LevelOf<'_>, &'static str> {
    const WRONG: &str = "the stream's labels are not of the form {name=\"value\", …}";
    let mut level = LevelOf::default();
    if text.len() > BYTES_MAX {
        return Err("the stream's labels are longer than 64 KiB");
    }
    if text.trim().is_empty() {
        return Ok(level);
    }
    let mut rest = text.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).ok_or(WRONG)?.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or(WRONG)?;
        let name = name.trim();
        let mut letters = name.bytes();
        let named = letters.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
            && letters.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !named {
            return Err(WRONG);
        }
        let (value, after) = quoted(after.trim_start()).ok_or(WRONG)?;
        level.see(name, || value);
        rest = match after.trim_start() {
            "" => "",
            more => more.strip_prefix(',').ok_or(WRONG)?.trim_start(),
        };
    }
    Ok(level)
}

/// A quoted text at the beginning, unquoted, and what follows it.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    if let Some(raw) = text.strip_prefix('`') {
        return raw.split_once('`').map(|(value, rest)| (Cow::Borrowed(value), rest));
    }
    let inner = text.strip_prefix('"')?;
    let mut escaped = false;
    let end = inner.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })?;
    let (value, rest) = (&inner[..end], &inner[end + 1..]);
    let value = if value.contains('\\') { Cow::Owned(unescape(value)?) } else { Cow::Borrowed(value) };
    Some((value, rest))
}

/// Undoes Go's escapes; bytes that are not UTF-8 afterwards become the replacement character.
fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let kind = *rest.as_bytes().get(at + 1)?;
        let tail = rest.get(at + 2..)?;
        let number = |digits: &str, radix: u32| u32::from_str_radix(digits, radix).ok();
        let used = match kind {
            b'a' => simple(&mut out, 7),
            b'b' => simple(&mut out, 8),
            b'f' => simple(&mut out, 12),
            b'n' => simple(&mut out, b'\n'),
            b'r' => simple(&mut out, b'\r'),
            b't' => simple(&mut out, b'\t'),
            b'v' => simple(&mut out, 11),
            b'\\' | b'"' | b'\'' => simple(&mut out, kind),
            b'x' => {
                out.push(u8::try_from(number(tail.get(..2)?, 16)?).ok()?);
                2
            }
            b'0'..=b'7' => {
                out.push(u8::try_from(number(rest.get(at + 1..at + 4)?, 8)?).ok()?);
                2
            }
            b'u' | b'U' => {
                let len = if kind == b'u' { 4 } else { 8 };
                let c = char::from_u32(number(tail.get(..len)?, 16)?)?;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                len
            }
            _ => return None,
        };
        rest = tail.get(used..)?;
    }
    out.extend_from_slice(rest.as_bytes());
    Some(String::from_utf8_lossy(&out).into_owned())
}

fn simple(out: &mut Vec<u8>, byte: u8) -> usize {
    out.push(byte);
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<Option<&str>>) {
        let found = parse(text).ok().map(|level| level.or(&LevelOf::default()));
        assert_eq!(found.as_ref().map(Option::as_deref), expected, "{text}");
    }

    #[test]
    fn label_sets_are_read() {
        check("", Some(None));
        check("{}", Some(None));
        check(r#"{level="info",job="fivetran",connector="salesforce"}"#, Some(Some("info")));
        check(r#"{application="fivetran", severity = "warn" , logger="b"}"#, Some(Some("warn")));
        check(r#"{detected_level="a",severity="b",level="c"}"#, Some(Some("c")));
        check(r#"{x="}\",{=",level="in\u0066o\x21\041",}"#, Some(Some("info!!")));
        check("{level=`a\\b`}", Some(Some("a\\b")));
        check(r#"{x="\\",level="\a\b\f\n\r\t\v\"\'\\\U0001F600"}"#, Some(Some("\u{7}\u{8}\u{c}\n\r\t\u{b}\"'\\😀")));
        check(r#"{level="\xff"}"#, Some(Some("\u{fffd}")));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "level",
            "{level}",
            "{level=info}",
            "{level=\"info}",
            "{level=\"info\"",
            "{level=\"a\" b=\"c\"}",
            "{1a=\"b\"}",
            "{=\"b\"}",
            r#"{a="\q"}"#,
            r#"{a="\x4"}"#,
            r#"{a="\ud800"}"#,
            r#"{a="\777"}"#,
            r#"{a="\u00é"}"#,
            "{a=`b}",
        ] {
            check(text, None);
        }
        check(&format!("{{a=\"{}\"}}", "x".repeat(BYTES_MAX)), None);
    }
}
