//! Cuts a native body into records: one object, a list, NDJSON, objects one after another over any number of lines, and between them log
//! lines of neighbours, as they are or as JSON strings.
//!
//! In: the bytes of a body. Out: one item per object or log line. Refused: one line at a time, so that a torn line
//! never costs its neighbours. The common case, a line that begins and ends like an object, is passed on unparsed once a
//! first line has shown that this is NDJSON: the envelope room parses it anyway and says what is wrong with it.

use crate::json;
use crate::model::{Hints, Payload, Record};
use crate::protocol::framing::{self, Items, Values};
use crate::protocol::{DecodeError, Limits};
use crate::systems;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// How often a value that does not end on its line is looked for on the next ones in vain, before lines are taken to end values.
/// Keeps the work linear: each vain search may read the whole body.
const VAIN_SEARCHES_MAX: usize = 8;

/// Cuts a body into items.
///
/// # Errors
/// Too many records.
pub fn cut<'b>(body: &'b [u8], limits: &Limits) -> Result<Items<'b>, DecodeError> {
    let start = framing::bom_len(body);
    let mut cutter = Cutter { items: Items::new(limits, body.len()), proven: false, tight: true, vain_searches: 0 };
    if let Ok(text) = std::str::from_utf8(body) {
        cutter.tight = objects_share_lines(body);
        cutter.text(text, start, 0)?;
    } else {
        for (at, line) in framing::lines(body, start) {
            match std::str::from_utf8(line) {
                Ok(text) => cutter.text(text, 0, at)?,
                Err(error) => {
                    let reason = format!("not UTF-8: byte {} of the line", error.valid_up_to());
                    cutter.items.unreadable(reason, at..at + line.len())?;
                }
            }
        }
    }
    Ok(cutter.items)
}

struct Cutter<'b> {
    items: Items<'b>,
    /// Whether an object was read in full, so that its like can be trusted.
    proven: bool,
    /// Whether objects may share a line.
    tight: bool,
    vain_searches: usize,
}

impl<'b> Cutter<'b> {
    /// Cuts `text` from byte `at` on; `base` is where the text begins in the body.
    fn text(&mut self, text: &'b str, mut at: usize, base: usize) -> Result<(), DecodeError> {
        while at < text.len() {
            let end = line_end(text, at);
            let line = text[at..end].trim_ascii();
            let start = framing::range_in(text.as_bytes(), line).start;
            at = match line.as_bytes() {
                [] => end,
                [b'{', .., b'}'] if self.proven && !self.tight => {
                    self.items.record(json(line))?;
                    end
                }
                [b'{' | b'[', ..] => self.values(text, start, end, base)?,
                _ => match (serde_json::from_str::<&RawValue>(line), systems::first_line(&text[start..])) {
                    (Ok(_), _) => {
                        self.value(line, base + start)?;
                        end
                    }
                    (Err(_), Some(len)) => {
                        let line = text[start..start + len].trim_ascii_end();
                        self.items.record(Record { payload: Payload::Text(line.into()), hints: Hints::default() })?;
                        start + len
                    }
                    (Err(error), None) => {
                        let range = base + start..base + start + line.len();
                        self.items.unreadable(framing::not_json(&error), range)?;
                        end
                    }
                },
            };
        }
        Ok(())
    }

    /// Reads the values that begin on the line from `start` to `end`, and tells where to go on.
    fn values(&mut self, text: &'b str, start: usize, mut end: usize, base: usize) -> Result<usize, DecodeError> {
        let spanning = self.vain_searches < VAIN_SEARCHES_MAX;
        let first_end = end;
        let reach = if spanning { text } else { &text[..end] };
        let mut values = Values::new(reach, start);
        let reason = loop {
            match values.seek_before(end) {
                Ok(None) => return Ok(values.position()),
                Ok(Some(next)) => match values.read::<&RawValue>() {
                    Ok(raw) => {
                        self.value(raw.get(), base + next)?;
                        if values.position() > end {
                            end = line_end(text, values.position());
                        }
                    }
                    Err(error) => break framing::not_json(&error),
                },
                Err(reason) => break reason.to_owned(),
            }
        };
        self.vain_searches += 1;
        // A fault on the line where the value began costs that line. Past it, inside a list, there is no telling where
        // the next value begins.
        let failed = values.position();
        let resume = if failed < first_end || !values.in_list() { line_end(text, failed) } else { reach.len() };
        let failed_text = text[failed..resume].trim_ascii_end();
        // The search may have ended far away; the words should name a place in the bytes that are kept.
        let reason = match serde_json::from_str::<&RawValue>(failed_text) {
            Err(error) if !values.in_list() => framing::not_json(&error),
            _ => reason,
        };
        self.items.unreadable(reason, base + failed..base + failed + failed_text.len())?;
        Ok(resume)
    }

    /// Takes a well-formed value that begins at byte `start` of the body.
    fn value(&mut self, value: &'b str, start: usize) -> Result<(), DecodeError> {
        match value.as_bytes().first() {
            Some(b'{') => self.proven = true,
            Some(b'"') if holds_record(value) => {}
            _ => {
                let reason = format!("expected an object, found {}", json::kind(value));
                return self.items.unreadable(reason, start..start + value.len());
            }
        }
        self.items.record(json(value))
    }
}

/// Where the line with byte `at` ends, its line feed included.
fn line_end(text: &str, at: usize) -> usize {
    memchr::memchr(b'\n', &text.as_bytes()[at..]).map_or(text.len(), |feed| at + feed + 1)
}

/// Whether a brace that opens follows one that closes anywhere on a line. Inside a text it may; then lines are read in
/// full for nothing.
fn objects_share_lines(body: &[u8]) -> bool {
    memchr::memchr_iter(b'}', body).any(|at| {
        let next = body[at + 1..].iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r'));
        next == Some(&b'{')
    })
}

/// Whether a JSON string may hold an object, a string that does, or a log line of a neighbour.
fn holds_record(value: &str) -> bool {
    serde_json::from_str::<Cow<'_, str>>(value)
        .is_ok_and(|text| text.trim_start().starts_with(['{', '"']) || systems::is_line(&text))
}

fn json(text: &str) -> Record<'_> {
    Record { payload: Payload::Json(Cow::Borrowed(text)), hints: Hints::default() }
}
