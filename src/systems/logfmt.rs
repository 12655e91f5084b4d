//! `key=value` pairs as Heroku's routers and add-ons write them.
//!
//! In: a line. Out: its pairs in order. Refused: a quote that is not closed, a line with more pairs than a bound. Values stand bare or in
//! double quotes, in which a backslash takes the next character as it is (`\n` and `\t` are a line break and a tab).

/// Most pairs of one line.
pub(super) const PAIRS_MAX: usize = 64;

/// Pairs of a line; a word without `=` is a key without a value.
pub(super) fn pairs(line: &str) -> Result<Vec<(&str, String)>, &'static str> {
    let mut pairs = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        if pairs.len() == PAIRS_MAX {
            return Err("more pairs than any such line has");
        }
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (key, tail) = rest.split_at(end);
        let Some(tail) = tail.strip_prefix('=') else {
            pairs.push((key, String::new()));
            rest = tail.trim_start();
            continue;
        };
        let (value, tail) = match tail.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = tail.find(char::is_whitespace).unwrap_or(tail.len());
                (tail[..end].to_owned(), &tail[end..])
            }
        };
        pairs.push((key, value));
        rest = tail.trim_start();
    }
    Ok(pairs)
}

/// Where the line that a text begins with ends: at the first line feed outside quotes; within a quote, at one behind which
/// another line `begins`, so that a quote that is never closed costs one line.
pub(super) fn line_end(text: &str, begins: impl Fn(&str) -> bool) -> usize {
    let mut place = Place::Key;
    for (at, byte) in text.bytes().enumerate() {
        if byte == b'\n' && (!matches!(place, Place::Quoted | Place::Escaped) || begins(&text[at + 1..])) {
            return at;
        }
        place = match (place, byte) {
            (Place::Quoted, b'\\') => Place::Escaped,
            (Place::Quoted, b'"') => Place::Key,
            (Place::Quoted | Place::Escaped, _) | (Place::Value, b'"') => Place::Quoted,
            (Place::Key, b'=') => Place::Value,
            (Place::Value | Place::Bare, b) if !b.is_ascii_whitespace() => Place::Bare,
            _ => Place::Key,
        };
    }
    text.len()
}

/// Where in a pair a byte stands.
#[derive(Clone, Copy)]
enum Place {
    Key,
    /// Right behind `=`.
    Value,
    Bare,
    Quoted,
    Escaped,
}

/// What stands before the closing quote, and what follows it.
fn unquote(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, other)) => value.push(other),
                None => break,
            },
            other => value.push(other),
        }
    }
    Err("a quote that is not closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &[(&str, &str)]) {
        let found = pairs(line).unwrap();
        assert_eq!(found.iter().map(|(key, value)| (*key, value.as_str())).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn values_stand_bare_or_in_quotes() {
        check(
            r#"event="RELOAD TABLE a" state=IDLE level=info"#,
            &[("event", "RELOAD TABLE a"), ("state", "IDLE"), ("level", "info")],
        );
        check(
            r#"a="say \"hi\"\n" b= c="" word d=x=y"#,
            &[("a", "say \"hi\"\n"), ("b", ""), ("c", ""), ("word", ""), ("d", "x=y")],
        );
        check("", &[]);
    }

    #[test]
    fn a_line_ends_outside_quotes_or_where_another_begins() {
        for (text, line) in [
            ("a=b c\nd=e", "a=b c"),
            ("a=\"b\nc\" d=e\nf", "a=\"b\nc\" d=e"),
            ("a=\"b \\\"\nc\"d\ne", "a=\"b \\\"\nc\"d"),
            ("a=b\"\nc", "a=b\""),
            ("a=\nb", "a="),
            ("a=\"open\nevent=\"b\"", "a=\"open"),
            ("a=\"open\nmore", "a=\"open\nmore"),
            ("", ""),
        ] {
            let end = line_end(text, |rest| rest.starts_with("event="));
            assert_eq!(&text[..end], line, "{text}");
        }
    }

    #[test]
    fn an_open_quote_and_an_endless_line_are_refused() {
        assert_eq!(pairs(r#"event="half of it"#), Err("a quote that is not closed"));
        assert_eq!(pairs(r#"event="ends in a backslash\"#), Err("a quote that is not closed"));
        assert!(pairs(&"a=b ".repeat(PAIRS_MAX + 1)).is_err());
    }
}
