//! The bodies of a block: texts of a few patterns, kept as the patterns and what differs.
//!
//! In: plain bodies. Out: a column, and from it the same bodies, byte for byte. A body is a skeleton and values; the values of
//! one member, in whichever skeleton, are a column of their own, as neighbouring events speak of the same things. Refused:
//! columns that hold more or less than so many events, or that claim to be larger than a block may be.

mod column;
mod scalar;
mod skeleton;
mod split;

use super::{BLOCK_BYTES_MAX, BLOCK_ROWS_MAX, frame};
use crate::store::sqlite::{
    bytes::{Reader, Short, put_bytes, put_varint},
    flat::{BodyRef, Flat},
};
use ahash::AHashMap;
use column::{Cursor, Sources, Streams, Values};
use skeleton::{Skeleton, Then};
use split::Parts;

const BODIES: u8 = 1;

/// Most skeletons of a block; what fits in none of them is kept whole.
const SKELETONS_MAX: usize = 1_024;
/// Most bytes of them together.
const SKELETONS_BYTES_MAX: usize = 256 << 10;
/// Most columns of a block.
const COLUMNS_MAX: usize = 4_096;
/// What the streams may hold beside twice the bodies: skeletons and columns.
const HEADER_BYTES_MAX: usize = 2 << 20;

/// Most bytes that are believed before they are seen.
const EXPECTED_BYTES_MAX: usize = 1 << 20;

/// Everything whole: the skeleton of what fits in no other.
const WHOLE: &[u8] = &[split::TAIL];

/// Collects the values of a block.
struct Collector<'b> {
    skeletons: Vec<(Vec<u8>, Skeleton)>,
    skeleton_bytes: usize,
    numbers: AHashMap<Vec<u8>, u16>,
    columns: Vec<Values<'b>>,
    members: AHashMap<&'b [u8], u16>,
    parts: Parts<'b>,
    found: Vec<(u16, &'b [u8])>,
}

impl<'b> Collector<'b> {
    fn new() -> Self {
        Self {
            skeletons: Vec::new(),
            skeleton_bytes: 0,
            numbers: AHashMap::new(),
            columns: Vec::new(),
            members: AHashMap::new(),
            parts: Parts::default(),
            found: Vec::new(),
        }
    }

    /// Takes the values of a body; gives the number of its skeleton. `guess` is that of a body like it.
    fn take(&mut self, row: u16, body: &'b [u8], guess: Option<u16>) -> u16 {
        self.found.clear();
        if let Some(guess) = guess
            && self.skeletons[usize::from(guess)].1.fits(body, &mut self.found)
        {
            self.found.iter().for_each(|(column, value)| push(&mut self.columns, *column, row, value));
            return guess;
        }
        self.parts.split(body);
        if let Some(number) = self.numbers.get(&self.parts.skeleton).copied() {
            self.push_parts(row, number);
            return number;
        }
        let bytes = self.skeleton_bytes + self.parts.skeleton.len();
        if self.skeletons.len() >= SKELETONS_MAX - 1 || bytes > SKELETONS_BYTES_MAX {
            self.parts.whole(body);
            if let Some(number) = self.numbers.get(WHOLE).copied() {
                self.push_parts(row, number);
                return number;
            }
        }
        self.skeleton_bytes += self.parts.skeleton.len();
        let number = self.skeletons.len() as u16;
        let mut keys = self.parts.keys.iter();
        let skeleton = Skeleton::read(&self.parts.skeleton, || {
            let next = self.members.len().min(COLUMNS_MAX - 1) as u16;
            Ok(keys.next().map_or(0, |key| *self.members.entry(key).or_insert(next)))
        });
        let skeleton = skeleton.expect("what was split is well-formed");
        self.numbers.insert(self.parts.skeleton.clone(), number);
        self.skeletons.push((self.parts.skeleton.clone(), skeleton));
        self.push_parts(row, number);
        number
    }

    fn push_parts(&mut self, row: u16, number: u16) {
        let steps = self.skeletons[usize::from(number)].1.steps.iter();
        let columns = steps.filter(|step| matches!(step.then, Then::Value | Then::Tail)).map(|step| step.column);
        columns.zip(&self.parts.values).for_each(|(column, value)| push(&mut self.columns, column, row, value));
    }
}

fn push<'b>(columns: &mut Vec<Values<'b>>, column: u16, row: u16, value: &'b [u8]) {
    let column = usize::from(column);
    if column >= columns.len() {
        columns.resize_with(column + 1, Values::default);
    }
    columns[column].values.push(value);
    columns[column].rows.push(row);
}

/// The column of bodies. `groups` tells which events have the same kind and shape, by numbers below that of the events.
pub fn encode(rows: &[Flat<'_>], groups: &[u16]) -> Vec<u8> {
    let mut all = Collector::new();
    let mut guesses: Vec<Option<u16>> = vec![None; rows.len()];
    let mut numbers = Vec::with_capacity(rows.len());
    let mut total = 0;
    for (at, (row, group)) in rows.iter().zip(groups).enumerate() {
        let (BodyRef::Plain(body) | BodyRef::Packed(body)) = row.body;
        total += body.len();
        let guess = &mut guesses[usize::from(*group)];
        let number = all.take(at as u16, body, *guess);
        // One that ends in a tail fits whatever begins alike, so it is never guessed.
        *guess = Some(number).filter(|number| !all.skeletons[usize::from(*number)].1.has_tail());
        numbers.push(number);
    }
    let mut streams = Streams::default();
    put_varint(&mut streams.header, all.skeletons.len() as u64);
    for (text, skeleton) in &all.skeletons {
        put_bytes(&mut streams.header, text);
        let columns = skeleton.steps.iter().filter(|step| matches!(step.then, Then::Value | Then::Tail));
        columns.for_each(|step| put_varint(&mut streams.header, u64::from(step.column)));
    }
    if all.skeletons.len() <= 256 {
        streams.marks.extend(numbers.iter().map(|number| *number as u8));
    } else {
        numbers.iter().for_each(|number| streams.marks.extend_from_slice(&number.to_le_bytes()));
    }
    let times: Vec<i64> = rows.iter().map(|row| row.key.created_us).collect();
    put_varint(&mut streams.header, all.columns.len() as u64);
    all.columns.iter().for_each(|column| column.put(&times, &mut streams));
    let mut out = frame::begin(BODIES);
    put_varint(&mut out, total as u64);
    frame::put_section(&mut out, &streams.header, true);
    frame::put_section(&mut out, &streams.text, true);
    frame::put_section(&mut out, &streams.marks, false);
    frame::put_section(&mut out, &streams.numbers, false);
    frame::put_stored(&mut out, &streams.noise);
    frame::seal(out)
}

/// The bodies of a block, opened.
#[derive(Debug)]
pub struct Bodies {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Bodies {
    /// Opens the column of the block whose events were created at `times`.
    ///
    /// # Errors
    /// The column is damaged or is not of so many events.
    pub fn open(column: &[u8], times: &[i64]) -> Result<Self, Short> {
        let mut input = frame::open(column, BODIES)?;
        let total = usize::try_from(input.varint()?).ok().filter(|total| *total <= BLOCK_BYTES_MAX).ok_or(Short)?;
        if times.is_empty() || times.len() > BLOCK_ROWS_MAX {
            return Err(Short);
        }
        let mut room = total * 2 + HEADER_BYTES_MAX;
        let mut next = || {
            let section = frame::section(&mut input, room)?;
            room -= section.len();
            Ok(section)
        };
        let (header, text, marks, numbers, noise) = (next()?, next()?, next()?, next()?, next()?);
        let sources = Sources {
            header: Reader::new(&header),
            text: Reader::new(&text),
            marks: Reader::new(&marks),
            numbers: Reader::new(&numbers),
            noise: Reader::new(&noise),
            entries_left: times.len() * split::MARKERS_MAX,
        };
        let bodies = fill(sources, times, total)?;
        if input.is_empty() { Ok(bodies) } else { Err(Short) }
    }

    /// What they take in memory, in bytes.
    pub fn weight(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<u32>()
    }

    /// The plain body of an event by its place in the block; `None` past the end.
    pub fn get(&self, row: usize) -> Option<&[u8]> {
        let end = *self.ends.get(row)? as usize;
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.bytes.get(start..end)
    }
}

/// Fills the skeletons of all events.
fn fill(mut input: Sources<'_>, times: &[i64], total: usize) -> Result<Bodies, Short> {
    let skeletons = read_skeletons(&mut input.header)?;
    let numbers: Vec<u16> = if skeletons.len() <= 256 {
        input.marks.take(times.len())?.iter().map(|number| u16::from(*number)).collect()
    } else {
        input.marks.take(times.len() * 2)?.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
    };
    let count = usize::try_from(input.header.varint()?).ok().filter(|count| *count <= COLUMNS_MAX).ok_or(Short)?;
    let mut columns = (0..count).map(|_| Cursor::read(&mut input)).collect::<Result<Vec<_>, _>>()?;
    let mut bytes = Vec::with_capacity(total.min(EXPECTED_BYTES_MAX));
    let mut ends = Vec::with_capacity(times.len());
    for (number, created) in numbers.iter().zip(times) {
        let skeleton = skeletons.get(usize::from(*number)).ok_or(Short)?;
        fill_one(skeleton, &mut columns, *created, total, &mut bytes)?;
        ends.push(bytes.len() as u32);
    }
    let streams = [&input.header, &input.text, &input.marks, &input.numbers, &input.noise];
    let read = columns.iter().all(Cursor::is_empty) && streams.iter().all(|stream| stream.is_empty());
    if read && bytes.len() == total { Ok(Bodies { bytes, ends }) } else { Err(Short) }
}

fn read_skeletons(header: &mut Reader<'_>) -> Result<Vec<Skeleton>, Short> {
    let count = usize::try_from(header.varint()?).ok().filter(|count| *count <= SKELETONS_MAX).ok_or(Short)?;
    let mut skeletons = Vec::with_capacity(count);
    for _ in 0..count {
        let text = header.bytes()?;
        let column = || u16::try_from(header.varint()?).map_err(|_| Short);
        skeletons.push(Skeleton::read(text, column)?);
    }
    Ok(skeletons)
}

/// Appends one body, which must not bring the whole past `total` bytes.
fn fill_one(
    skeleton: &Skeleton,
    columns: &mut [Cursor<'_>],
    created: i64,
    total: usize,
    out: &mut Vec<u8>,
) -> Result<(), Short> {
    let mut literal_start = 0;
    let mut piece = None;
    for step in &skeleton.steps {
        let literal = &skeleton.literals[literal_start..step.literal_end as usize];
        literal_start = step.literal_end as usize;
        let room = total.saturating_sub(out.len());
        if literal.len() > room {
            return Err(Short);
        }
        out.extend_from_slice(literal);
        if step.then != Then::Value
            && let Some(start) = piece.take()
        {
            count_piece(out, start);
        }
        match step.then {
            Then::Value | Then::Tail => {
                let column = columns.get_mut(usize::from(step.column)).ok_or(Short)?;
                column.next(created, total.saturating_sub(out.len()), out)?;
            }
            Then::Piece => {
                // One byte is nearly always enough for the length.
                out.push(0);
                piece = Some(out.len());
            }
            Then::End => {}
        }
    }
    if out.len() > total { Err(Short) } else { Ok(()) }
}

/// Puts the length in front of a piece that begins at `start` and is behind one byte of room for it.
fn count_piece(out: &mut Vec<u8>, start: usize) {
    let len = out.len() - start;
    if len < 0x80 {
        out[start - 1] = len as u8;
        return;
    }
    let mut head = Vec::with_capacity(5);
    put_varint(&mut head, len as u64);
    out.splice(start - 1..start, head);
}
