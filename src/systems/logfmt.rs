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
    fn an_open_quote_and_an_endless_line_are_refused() {
        assert_eq!(pairs(r#"event="half of it"#), Err("a quote that is not closed"));
        assert_eq!(pairs(r#"event="ends in a backslash\"#), Err("a quote that is not closed"));
        assert!(pairs(&"a=b ".repeat(PAIRS_MAX + 1)).is_err());
    }
}
