//! Sequences that mostly stay where they are: the sync of one event is that of the one before, and so is the receipt.
//!
//! In: for each event a number, where a number that was never seen is always the next one. Out: about one byte for each,
//! nearly all of them 0. Refused: bytes that end early, and numbers that were never introduced.

use super::super::super::bytes::{Reader, Short, put_varint};

const SAME: u8 = 0;
const NEXT: u8 = 1;
/// This and above: so many steps back among the known.
const BACK: u8 = 2;
const FAR: u8 = 255;

/// Writes such a sequence.
#[derive(Debug, Default)]
pub struct Writer {
    known: usize,
    before: Option<usize>,
}

impl Writer {
    /// How many numbers were introduced: what a new one must be.
    pub const fn known(&self) -> usize {
        self.known
    }

    /// Appends a number.
    pub fn put(&mut self, out: &mut Vec<u8>, id: usize) {
        if self.before == Some(id) {
            out.push(SAME);
            return;
        }
        self.before = Some(id);
        if id == self.known {
            self.known += 1;
            out.push(NEXT);
            return;
        }
        let back = self.known - 1 - id;
        match u8::try_from(back + usize::from(BACK)) {
            Ok(code) if code < FAR => out.push(code),
            _ => {
                out.push(FAR);
                put_varint(out, back as u64);
            }
        }
    }
}

/// Reads so many numbers; gives them and how many different there are.
pub fn read(input: &mut Reader<'_>, rows: usize) -> Result<(Vec<u16>, usize), Short> {
    let mut ids = Vec::with_capacity(rows);
    let (mut known, mut id) = (0_usize, 0_usize);
    for _ in 0..rows {
        let back = match input.byte()? {
            SAME => {
                ids.push(id as u16);
                continue;
            }
            NEXT => {
                known += 1;
                0
            }
            FAR => usize::try_from(input.varint()?).map_err(|_| Short)?,
            code => usize::from(code - BACK),
        };
        id = known.checked_sub(1).and_then(|last| last.checked_sub(back)).ok_or(Short)?;
        ids.push(u16::try_from(id).map_err(|_| Short)?);
    }
    // Only the very first could have stayed where nothing was.
    if known == 0 && rows > 0 { Err(Short) } else { Ok((ids, known)) }
}
