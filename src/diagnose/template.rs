//! A text without what differs from one occurrence to the next, so that the same error is the same text.
//!
//! In: a text. Out: the same with numbers, times, ids, addresses, hosts, paths and quoted names replaced. Bounded by
//! [`TEMPLATE_BYTES_MAX`], of the input and of the result.

use super::symptom::one_line;
use regex::{Captures, Regex};
use std::sync::LazyLock;

/// Most bytes of a text that a template is made of, and of the template itself.
pub const TEMPLATE_BYTES_MAX: usize = 1024;

/// What is replaced, in this order at each place. Names of groups are the placeholders.
static PARTS: LazyLock<Regex> = LazyLock::new(|| {
    let parts = [
        r#"(?P<url>\b[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>\x60]+)"#,
        r"(?P<email>\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]*[A-Za-z0-9])",
        r"(?P<uuid>\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b)",
        r"(?P<time>\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?(?:Z|UTC|[+-]\d{2}:?\d{2}))?)?|\b\d{1,2}:\d{2}:\d{2}(?:[.,]\d+)?)",
        r#"(?P<name>"[^"]{0,200}"|\x60[^\x60]{0,200}\x60)"#,
        r"(?P<lead>^|[^A-Za-z0-9])'(?:[^']{0,200})'",
        r"(?P<host>\b(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.){2,}[A-Za-z]{2,}(?::\d{1,5})?\b|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b)",
        r"(?P<path>(?:/[A-Za-z0-9._~%+-]+){2,}/?)",
        r"(?P<hex>\b0[xX][0-9a-fA-F]+\b|\b[0-9a-fA-F]{16,}\b)",
        r"(?P<id>\b(?:[A-Za-z]+[0-9]|[0-9]+[A-Za-z])[A-Za-z0-9]{10,}\b)",
        r"(?P<n>\d+(?:[.,]\d+)*)",
    ];
    Regex::new(&parts.join("|")).expect("a fixed pattern, compiled by a test")
});

const NAMES: [&str; 10] = ["url", "email", "uuid", "time", "name", "host", "path", "hex", "id", "n"];

/// The template of a text.
#[must_use]
pub fn template(text: &str) -> String {
    let line = one_line(text);
    let line = line.trim();
    let cut = &line[..line.floor_char_boundary(TEMPLATE_BYTES_MAX)];
    let mut template = PARTS
        .replace_all(cut, |found: &Captures<'_>| {
            if let Some(lead) = found.name("lead") {
                return format!("{}<name>", lead.as_str());
            }
            NAMES.iter().find(|name| found.name(name).is_some()).map_or_else(String::new, |name| format!("<{name}>"))
        })
        .into_owned();
    template.truncate(template.floor_char_boundary(TEMPLATE_BYTES_MAX));
    template
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(template(text), expected, "{text}");
        assert_eq!(template(&template(text)), template(text), "twice changes nothing: {text}");
    }

    #[test]
    fn what_differs_is_replaced() {
        check("Row 17 of 1,204 failed after 3.5 s", "Row <n> of <n> failed after <n> s");
        check("sync 0d2f3a41-9c1e-4b57-8a2d-0a1b2c3d4e5f died", "sync <uuid> died");
        check("at 2026-07-07T16:35:14.456Z and 2026-07-07 16:35:14 UTC, 16:35:14", "at <time> and <time>, <time>");
        check("no such column \"a b\" in 'orders' or `x`", "no such column <name> in <name> or <name>");
        check("Ticket's cursor isn't there", "Ticket's cursor isn't there");
        check("cannot reach db-7.eu.example.com:5432 (10.0.0.7)", "cannot reach <host> (<host>)");
        check("POST https://api.example.com/v1/x?y=1 failed for jo@example.com", "POST <url> failed for <email>");
        check("object 0x7ffe12 at deadbeefdeadbeef0123", "object <hex> at <hex>");
        check("Batch 751m0000001AoAtAAK of job 750m0000001BfWOAA0", "Batch <id> of job <id>");
        check("/var/lib/a/b.csv missing", "<path> missing");
        check("java.lang.IllegalStateException: no", "<host>: no");
    }

    #[test]
    fn a_template_is_bounded() {
        assert!(template(&"9 ".repeat(1 << 20)).len() <= TEMPLATE_BYTES_MAX);
        assert!(template(&"'".repeat(1 << 20)).len() <= TEMPLATE_BYTES_MAX);
        assert_eq!(template("\u{0}\u{1b}"), "");
    }
}
