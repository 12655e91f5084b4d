//! Cutting files into records: lines of NDJSON, values of a JSON array or of JSON texts that follow each other.
//!
//! In: decompressed bytes. Out: one record after the other, each no longer than a bound. What is too long or damaged comes out as
//! an error with its first bytes; reading goes on behind it where that is possible.

use std::io::{self, BufRead, Read as _};

/// Longest record, in bytes. The same as the largest request body by default.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// How much of a record that is too long is kept for quarantine.
pub const KEPT_BYTES: usize = 64 << 10;

/// A record, or why there is none at this place.
pub type Framed = Result<Vec<u8>, (Vec<u8>, String)>;

/// The next line without its end; empty lines are returned, too. `None` at the end of the file.
pub fn next_line(mut input: &mut dyn BufRead) -> io::Result<Option<Framed>> {
    let mut line = Vec::new();
    let read = (&mut input).take(RECORD_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line)?;
    if read == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    } else if line.len() > RECORD_BYTES_MAX {
        line.truncate(KEPT_BYTES);
        input.skip_until(b'\n')?;
        return Ok(Some(Err((line, format!("a line longer than {RECORD_BYTES_MAX} bytes")))));
    }
    Ok(Some(Ok(line)))
}

/// The next value of an array or of a sequence of values. Commas, whitespace and the outer brackets are skipped. `None` at the
/// end of the file.
pub fn next_value(input: &mut dyn BufRead, inside_array: &mut bool) -> io::Result<Option<Framed>> {
    let mut value = Vec::new();
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    loop {
        let available = input.fill_buf()?;
        if available.is_empty() {
            if value.is_empty() {
                return Ok(None);
            }
            value.truncate(KEPT_BYTES);
            return Ok(Some(Err((value, "the file ends within a value".to_owned()))));
        }
        let mut used = 0;
        let mut complete = false;
        for &byte in available {
            used += 1;
            if value.is_empty() {
                match byte {
                    b'[' if !*inside_array => {
                        *inside_array = true;
                        continue;
                    }
                    b']' => {
                        *inside_array = false;
                        continue;
                    }
                    b',' | b' ' | b'\t' | b'\r' | b'\n' => continue,
                    _ => {}
                }
            }
            if in_string {
                value.push(byte);
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => in_string = false,
                    _ => {}
                }
                complete = !in_string && depth == 0;
            } else {
                match byte {
                    b'"' => in_string = true,
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' if depth > 0 => {
                        depth -= 1;
                        complete = depth == 0;
                    }
                    // A bare number or word ends at what separates values.
                    b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t' if depth == 0 => {
                        input.consume(used);
                        return Ok(Some(Ok(value)));
                    }
                    _ => {}
                }
                value.push(byte);
            }
            if complete || value.len() > RECORD_BYTES_MAX {
                break;
            }
        }
        input.consume(used);
        if complete {
            return Ok(Some(Ok(value)));
        }
        if value.len() > RECORD_BYTES_MAX {
            // Where the next value begins cannot be known any more.
            io::copy(&mut *input, &mut io::sink())?;
            value.truncate(KEPT_BYTES);
            return Ok(Some(Err((
                value,
                format!("a value longer than {RECORD_BYTES_MAX} bytes; the rest of the file is skipped"),
            ))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<Result<String, String>> {
        let mut input = io::BufReader::with_capacity(3, text.as_bytes());
        let mut inside = false;
        std::iter::from_fn(|| next_value(&mut input, &mut inside).unwrap())
            .map(|value| value.map(|v| String::from_utf8(v).unwrap()).map_err(|(_, why)| why))
            .collect()
    }

    #[test]
    fn arrays_and_sequences_are_cut_into_their_values() {
        let plain = |items: &[&str]| items.iter().map(|item| Ok((*item).to_owned())).collect::<Vec<_>>();
        assert_eq!(values(r#"[{"a":[1,"]"]}, {"b":"\"}"}]"#), plain(&[r#"{"a":[1,"]"]}"#, r#"{"b":"\"}"}"#]));
        assert_eq!(values("{\n\"a\":1\n}\n{}{}"), plain(&["{\n\"a\":1\n}", "{}", "{}"]));
        assert_eq!(values(r#"[1, "x,y", null]"#), plain(&["1", "\"x,y\"", "null"]));
        assert_eq!(values("[]"), plain(&[]));
        assert_eq!(values(r#"[{"a":1"#), [Err("the file ends within a value".to_owned())]);
    }

    #[test]
    fn lines_lose_their_ends_only() {
        let mut input = io::BufReader::new(&b"a\r\n\nb"[..]);
        let lines: Vec<_> = std::iter::from_fn(|| next_line(&mut input).unwrap()).collect();
        assert_eq!(lines, [Ok(b"a".to_vec()), Ok(Vec::new()), Ok(b"b".to_vec())]);
    }

    #[test]
    fn an_endless_line_is_cut_and_the_next_one_is_read() {
        let mut text = vec![b'x'; RECORD_BYTES_MAX + 10];
        text.extend_from_slice(b"\nnext\n");
        let mut input = io::BufReader::new(&text[..]);
        assert!(matches!(next_line(&mut input), Ok(Some(Err((kept, _)))) if kept.len() == KEPT_BYTES));
        assert_eq!(next_line(&mut input).unwrap(), Some(Ok(b"next".to_vec())));
    }
}
