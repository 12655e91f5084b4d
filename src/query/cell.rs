//! One cell of CSV, as every table of ours writes it: RFC 4180, and inert.
//!
//! In: a text. Out: the cell's bytes. A spreadsheet runs a cell that begins with `=`, `+`, `-`, `@`, their full-width forms, tab, carriage
//! return or line feed: such a text gets an apostrophe in front. Source: OWASP, "CSV Injection", read 2026-11.
//!
//! A spreadsheet that separates by `;` or tabs, as in countries with a decimal comma, does not know our quotes: to it a quote is one only
//! at the beginning of *its* cells. What stands behind a separator or a line's end inside a text gets an apostrophe, too. Observed:
//! LibreOffice with `;` alone runs the second part of `"x;=1+1"`, quotes or not.

use std::borrow::Cow;

const APOSTROPHE: char = '\'';

const fn begins_formula(c: char) -> bool {
    matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠')
}

/// What begins a cell somewhere, though not in our own dialect.
const fn separates(c: char) -> bool {
    matches!(c, ';' | '\t' | '\r' | '\n')
}

/// Whether a spreadsheet would run what begins here. Blanks and quotes before a formula are passed over.
fn is_live(text: &str) -> bool {
    text.trim_start_matches([' ', '"', '\u{a0}']).starts_with(begins_formula)
}

/// The text with an apostrophe wherever a formula would begin.
#[must_use]
pub fn inert(text: &str) -> Cow<'_, str> {
    let first = text.starts_with(|c| begins_formula(c) || matches!(c, '\t' | '\r' | '\n'));
    let inside = |at: usize, c: char| separates(c) && is_live(&text[at + c.len_utf8()..]);
    if !first && !text.char_indices().any(|(at, c)| inside(at, c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    out.extend(first.then_some(APOSTROPHE));
    for (at, c) in text.char_indices() {
        out.push(c);
        out.extend(inside(at, c).then_some(APOSTROPHE));
    }
    Cow::Owned(out)
}

/// JSON with no formula behind a separator: the sign becomes its escape, so that the same value is read back.
#[must_use]
pub fn inert_json(json: &str) -> Cow<'_, str> {
    if !json.contains(';') {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 8);
    let mut behind = false;
    for c in json.chars() {
        // A separator stands in a string; so does what follows it up to the string's end.
        if behind && begins_formula(c) {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
        behind = c == ';' || behind && matches!(c, ' ' | '\u{a0}');
    }
    Cow::Owned(out)
}

/// Appends a cell that is inert already, in quotes where anybody might need them.
pub fn put(out: &mut Vec<u8>, text: &str) {
    if !text.contains(|c: char| matches!(c, ',' | '"' | '|') || separates(c) || c.is_control()) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    for &byte in text.as_bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// Appends a line of cells that are inert already.
pub fn put_line<'c>(out: &mut Vec<u8>, cells: impl IntoIterator<Item = &'c str>) {
    for (at, text) in cells.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        put(out, text);
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_cell_runs_as_a_formula_or_breaks_its_row() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-1", "'-1"),
            ("\tx", "\"'\tx\""),
            ("a,b", "\"a,b\""),
            ("a;b", "\"a;b\""),
            ("a\tb", "\"a\tb\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=\"a\"\r\n", "\"'=\"\"a\"\"\r\n\""),
            ("x;=1+1;y", "\"x;'=1+1;y\""),
            ("x;  =1", "\"x;'  =1\""),
            ("x;\"=1\"", "\"x;'\"\"=1\"\"\""),
            ("x\n@y", "\"x\n'@y\""),
            ("\t=1", "\"'\t'=1\""),
        ] {
            let mut out = Vec::new();
            put(&mut out, &inert(text));
            assert_eq!(String::from_utf8(out).expect("text"), expected);
        }
    }

    #[test]
    fn json_stays_the_same_value() {
        let json = r#"[{"field":"q","old":"a;=1+1","new":"b; -2;x=1"}]"#;
        let made = inert_json(json);
        assert_eq!(made, r#"[{"field":"q","old":"a;\u003d1+1","new":"b; \u002d2;x=1"}]"#);
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(read(&made), read(json));
    }

    proptest! {
        /// However a reader splits, no part begins a formula; and without the apostrophes it is the text.
        #[test]
        fn no_part_of_any_text_is_live(text in "[=+@;\t\r\n\"' a-]{0,12}") {
            let made = inert(&text).into_owned();
            for part in made.split(separates) {
                prop_assert!(!part.starts_with(begins_formula), "{:?}", made);
            }
            prop_assert_eq!(made.replace('\'', ""), text.replace('\'', ""));
        }
    }
}
