//! The text of a checkpoint: which log, how many records, which root.
//!
//! Source: C2SP tlog-checkpoint. Our extension lines: `time` and `previous`.

use super::{BASE64, NoteError};
use crate::{audit::tree::Hash, model::Timestamp};
use base64::Engine as _;
use std::fmt::Write as _;

const TIME: &str = "time ";
const PREVIOUS: &str = "previous ";

/// The checkpoint that was kept before this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Previous {
    /// Records under it.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// The head of a log at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: `lifeline/1f6e0b22aa01/trail`.
    pub origin: String,
    /// How many records.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// When it was signed. Ours always say.
    pub time: Option<Timestamp>,
    /// The one before; `None` for the first.
    pub previous: Option<Previous>,
    /// Extension lines of others.
    pub others: Vec<String>,
}

impl Checkpoint {
    /// What is signed.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(self.root));
        // Writing to a String cannot fail.
        if let Some(time) = self.time {
            let _ = writeln!(out, "{TIME}{time}");
        }
        if let Some(previous) = self.previous {
            let _ = writeln!(out, "{PREVIOUS}{} {}", previous.size, BASE64.encode(previous.root));
        }
        for other in &self.others {
            out.push_str(other);
            out.push('\n');
        }
        out
    }

    /// Reads what [`Self::text`] writes, and nothing else.
    ///
    /// # Errors
    /// The text is not exactly a checkpoint.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let error = NoteError::Checkpoint;
        let body = text.strip_suffix('\n').ok_or(error("it does not end with a line feed"))?;
        let mut lines = body.split('\n').peekable();
        let origin = lines.next().filter(|line| !line.is_empty()).ok_or(error("no origin"))?.to_owned();
        let size = lines.next().and_then(number).ok_or(error("no number of records"))?;
        let root = lines.next().and_then(hash).ok_or(error("no root"))?;
        let time = match lines.next_if(|line| line.starts_with(TIME)) {
            Some(line) => Some(time(&line[TIME.len()..]).ok_or(error("its time is none"))?),
            None => None,
        };
        let previous = match lines.next_if(|line| line.starts_with(PREVIOUS)) {
            Some(line) => Some(previous(&line[PREVIOUS.len()..]).ok_or(error("its previous checkpoint is none"))?),
            None => None,
        };
        let others: Vec<String> = lines.map(str::to_owned).collect();
        if others.iter().any(String::is_empty) {
            return Err(error("an empty line"));
        }
        let read = Self { origin, size, root, time, previous, others };
        if read.text() == text { Ok(read) } else { Err(error("not as a checkpoint is written")) }
    }
}

/// Decimal without sign or leading zeros.
fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

fn hash(text: &str) -> Option<Hash> {
    BASE64.decode(text).ok()?.try_into().ok()
}

fn time(text: &str) -> Option<Timestamp> {
    Timestamp::parse_calendar(text).ok().filter(|time| time.to_string() == text)
}

fn previous(text: &str) -> Option<Previous> {
    let (size, root) = text.split_once(' ')?;
    Some(Previous { size: number(size)?, root: hash(root)? })
}
