//! Finds which of some short texts stand in a line, ASCII case aside.
//!
//! In: the texts, each with what it calls for. Out: what all of them in a line call for together. Exists because this is asked of every
//! line that comes in, and for most the answer is nothing: each text is stood for by four of its characters, those that ordinary lines
//! have least, and a table tells of every three characters whether they stand for any. Of four characters, three begin at an even place,
//! so that every other place is enough to look at. An automaton reads one byte after the other and waits for each; the table is asked for
//! many at once, in an eighth of the time.

use super::Rules;

/// Classes of bytes: letters of either case, digits, some marks each; everything else is one.
const CLASSES: usize = 32;

/// Bytes between two looks at what was found.
const STEP: usize = 16;

/// A window's length in bytes.
const WINDOW: usize = 3;

/// From one window to the next.
const STRIDE: usize = 2;

/// Lines as they come, by which windows are chosen: a window that is in none of them is rarer than one that is. A bad sample costs time, not
/// secrets.
const ORDINARY: &str = r#"{"event":"write_to_table_start","data":{"table":"orders","schema":"public","operationType":"REPLACED_OR_INSERTED",
"count":268,"status":"SUCCESSFUL","message":"Connecting to the host, this is a description of an error"},
"created":"2026-01-01T02:07:31.613Z","connector_type":"google_ads","connector_id":"speak_menial","connector_name":"app_db.public",
"connection_id":"speak_menial","connection_name":"app_db.public","sync_id":"6b2f5c1e-8d34-4b0e-9a57-2f1d0c9be301",
"destination_group_id":"warehouse_west"} records_modified extract_summary sql_query api_call create_table read_start read_end sync_stats
info warning update_rows insert_rows connection_successful copy_rows transformation postgres mysql salesforce snowflake bigquery
databricks shopify facebook private_link description signal passing wallet_id bearing pinned dapper sasha patient refreshed curly"#;

/// Texts to look for.
pub(super) struct Sieve {
    /// For two classes, a bit for each third one.
    pairs: Box<[u32; CLASSES * CLASSES]>,
    /// Sorted by window.
    texts: Vec<Sought>,
}

/// A text and the window of it that is looked for.
struct Sought {
    window: usize,
    /// Where in the text the window begins; -1: a byte before it.
    offset: isize,
    text: &'static str,
    calls_for: Rules,
}

impl Sieve {
    /// With these texts, each of at least two bytes.
    pub(super) fn new(texts: impl Iterator<Item = (&'static str, Rules)>) -> Self {
        let ordinary: Vec<usize> = windows(ORDINARY.as_bytes()).collect();
        let mut sieve = Self { pairs: Box::new([0; CLASSES * CLASSES]), texts: Vec::new() };
        for (text, calls_for) in texts {
            let often = |(_, windows): &(isize, Vec<usize>)| {
                windows.iter().map(|window| ordinary.iter().filter(|other| *other == window).count()).sum::<usize>()
            };
            let places: Vec<_> = places(text.as_bytes()).collect();
            // At each of two places one after the other, one of which is even.
            let pairs = places.windows(STRIDE);
            let Some(rarest) = pairs.min_by_key(|pair| pair.iter().map(often).sum::<usize>()) else { continue };
            for (offset, windows) in rarest {
                let sought = |window: &usize| Sought { window: *window, offset: *offset, text, calls_for };
                sieve.texts.extend(windows.iter().map(sought));
            }
        }
        sieve.texts.sort_by_key(|sought| sought.window);
        for sought in &sieve.texts {
            sieve.pairs[sought.window / CLASSES] |= 1 << (sought.window % CLASSES);
        }
        sieve
    }

    /// What the texts in a line call for.
    pub(super) fn rules(&self, line: &str) -> Rules {
        let bytes = line.as_bytes();
        let mut rules = Rules::NONE;
        for start in (0..bytes.len()).step_by(STEP) {
            // A zero behind the end is of no text: it only lets the last bytes have windows.
            let mut last = [0; STEP + WINDOW - 1];
            let block: &[u8; STEP + WINDOW - 1] = match bytes[start..].first_chunk() {
                Some(block) => block,
                None => {
                    last[..bytes.len() - start].copy_from_slice(&bytes[start..]);
                    &last
                }
            };
            let mut classes = [0; STEP + WINDOW - 1];
            classes.iter_mut().zip(block).for_each(|(class, byte)| *class = CLASS_OF[usize::from(*byte)]);
            let pair =
                |at: usize| (usize::from(classes[at]) * CLASSES + usize::from(classes[at + 1])) % (CLASSES * CLASSES);
            let hit = |at: usize| self.pairs[pair(at)] >> (classes[at + 2] % 32) & 1;
            let places = || (0..STEP).step_by(STRIDE);
            if places().fold(0, |hits, at| hits | hit(at)) != 0 {
                for at in places().filter(|at| hit(*at) != 0) {
                    let window = pair(at) * CLASSES + usize::from(classes[at + 2]);
                    rules = rules.and(self.at(bytes, start + at, window));
                }
            }
        }
        rules
    }

    /// What the texts with a window at this place of a line call for.
    fn at(&self, line: &[u8], place: usize, window: usize) -> Rules {
        let first = self.texts.partition_point(|sought| sought.window < window);
        let alike = self.texts[first..].iter().take_while(|sought| sought.window == window);
        alike.fold(Rules::NONE, |rules, sought| {
            let found = place
                .checked_add_signed(-sought.offset)
                .and_then(|start| line.get(start..start + sought.text.len()))
                .is_some_and(|found| found.eq_ignore_ascii_case(sought.text.as_bytes()));
            if found { rules.and(sought.calls_for) } else { rules }
        })
    }
}

/// The windows by which a text can be told, each with the place in it: those inside, and where it is short those that begin a byte before
/// it or end a byte behind it, whatever that byte is.
fn places(text: &[u8]) -> impl Iterator<Item = (isize, Vec<usize>)> {
    let two = |at: usize| text.get(at..at + 2).map(|two| class(two[0]) * CLASSES + class(two[1]));
    let before = two(0).filter(|_| text.len() <= WINDOW);
    let before = before.map(|two| (-1, (0..CLASSES).map(|any| any * CLASSES * CLASSES + two).collect()));
    let behind = two(text.len().saturating_sub(2)).filter(|_| text.len() <= WINDOW);
    let behind = behind.map(|two| (text.len() as isize - 2, (0..CLASSES).map(|any| two * CLASSES + any).collect()));
    let inside = windows(text).enumerate().map(|(at, window)| (at as isize, vec![window])).collect::<Vec<_>>();
    before.into_iter().chain(inside).chain(behind)
}

/// Every three bytes as one number.
fn windows(bytes: &[u8]) -> impl Iterator<Item = usize> {
    bytes.windows(WINDOW).map(|window| window.iter().fold(0, |number, byte| number * CLASSES + class(*byte)))
}

const CLASS_OF: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            letter @ b'a'..=b'z' => letter - b'a' + 1,
            letter @ b'A'..=b'Z' => letter - b'A' + 1,
            b'"' => 27,
            b'\\' => 28,
            b'/' => 29,
            b'0'..=b'9' => 30,
            b':' | b'=' | b'>' | b'\'' | b'-' | b'_' | b'.' | b'@' | b'(' | b' ' => 31,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

fn class(byte: u8) -> usize {
    usize::from(CLASS_OF[usize::from(byte)])
}

#[cfg(test)]
mod tests {
    use super::{super::SUSPICIOUS, *};
    use proptest::prelude::*;

    fn sought() -> impl Iterator<Item = (&'static str, Rules)> {
        SUSPICIOUS.iter().flat_map(|(rules, texts)| texts.iter().map(|text| (*text, *rules)))
    }

    /// One text after the other, without a table.
    fn plainly(line: &str) -> Rules {
        let lower = line.to_ascii_lowercase();
        sought().filter(|(text, _)| lower.contains(text)).fold(Rules::NONE, |rules, (_, more)| rules.and(more))
    }

    fn piece() -> impl Strategy<Value = String> {
        let texts: Vec<&'static str> = sought().map(|(text, _)| text).collect();
        prop_oneof![
            proptest::sample::select(texts).prop_flat_map(|text| {
                (0..text.len(), 1..=text.len(), any::<bool>()).prop_map(move |(start, end, upper)| {
                    let piece = text.get(start.min(end)..end.max(start)).unwrap_or(text);
                    if upper { piece.to_ascii_uppercase() } else { piece.to_owned() }
                })
            }),
            "[ -~]{0,6}",
            "\\PC{0,3}",
            Just("\0".to_owned()),
        ]
    }

    #[test]
    fn every_text_is_found_at_every_place_and_alone() {
        let sieve = Sieve::new(sought());
        for (text, _) in sought() {
            for before in 0..40 {
                for after in [0, 1, 17] {
                    let line = format!("{}{}{}", "~".repeat(before), text.to_uppercase(), "~".repeat(after));
                    assert_eq!(sieve.rules(&line), plainly(&line), "{line}");
                }
            }
        }
    }

    #[test]
    fn ordinary_lines_call_for_nothing() {
        let sieve = Sieve::new(sought());
        assert_eq!(sieve.rules(""), Rules::NONE);
        for line in ORDINARY.lines() {
            assert_eq!(sieve.rules(line), plainly(line), "{line}");
        }
    }

    proptest! {
        /// What the sieve finds is what stands there.
        #[test]
        fn a_sieve_lets_nothing_through(pieces in proptest::collection::vec(piece(), 0..12)) {
            let line = pieces.concat();
            prop_assert_eq!(Sieve::new(sought()).rules(&line), plainly(&line), "{}", line);
        }
    }
}
