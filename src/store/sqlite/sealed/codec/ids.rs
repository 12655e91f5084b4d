//! Sequences that mostly stay where they are: the sync of one event is that of the one before, and so is the receipt.
//!
//! In: for each event a number, where a number that was never seen is always the next one. Out: about one byte for each,
//! nearly all of them 0. Refused: bytes that end early, and numbers that were never introduced.

use crate::store::sqlite::bytes::{Reader, Short, put_varint};
use ahash::AHashMap;
use std::hash::Hash;

const SAME: u64 = 0;
const NEXT: u64 = 1;
/// This and above: so many steps back among the known.
const BACK: u64 = 2;

/// Numbers distinct values in the order of their appearance.
#[derive(Debug)]
pub struct Numbered<T> {
    /// The values.
    pub list: Vec<T>,
    numbers: AHashMap<T, usize>,
    last: usize,
}

impl<T: Copy + Eq + Hash> Numbered<T> {
    /// None yet.
    pub fn new() -> Self {
        Self { list: Vec::new(), numbers: AHashMap::new(), last: 0 }
    }

    /// The number of a value.
    pub fn number(&mut self, value: T) -> usize {
        if self.list.get(self.last) != Some(&value) {
            let next = self.list.len();
            self.last = *self.numbers.entry(value).or_insert(next);
            if self.last == next {
                self.list.push(value);
            }
        }
        self.last
    }
}

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
            out.push(SAME as u8);
            return;
        }
        self.before = Some(id);
        if id == self.known {
            self.known += 1;
            out.push(NEXT as u8);
            return;
        }
        put_varint(out, (self.known - 1 - id) as u64 + BACK);
    }
}

/// Reads such a sequence.
#[derive(Debug, Default)]
pub struct Ids {
    known: usize,
    id: usize,
}

impl Ids {
    /// How many different numbers there were.
    pub const fn known(&self) -> usize {
        self.known
    }

    /// The next number, below [`known`](Self::known).
    pub fn next(&mut self, input: &mut Reader<'_>) -> Result<usize, Short> {
        match input.varint()? {
            SAME if self.known > 0 => {}
            SAME => return Err(Short),
            NEXT => {
                self.id = self.known;
                self.known += 1;
            }
            code => {
                let back = usize::try_from(code - BACK).map_err(|_| Short)?;
                self.id = self.known.checked_sub(1).and_then(|last| last.checked_sub(back)).ok_or(Short)?;
            }
        }
        Ok(self.id)
    }
}

/// Reads so many numbers; gives them and how many different there are.
pub fn read(input: &mut Reader<'_>, rows: usize) -> Result<(Vec<u16>, usize), Short> {
    let mut ids = Ids::default();
    let mut list = Vec::with_capacity(rows);
    for _ in 0..rows {
        list.push(u16::try_from(ids.next(input)?).map_err(|_| Short)?);
    }
    Ok((list, ids.known()))
}
