//! The values of one member, in the shortest of a few forms.
//!
//! In: values in the order of their events. Out: for each column a line in the block's header and bytes in its streams; and,
//! by a [`Cursor`], the values again, one after the other. Refused: streams that end early, entries that are not there.

use super::{
    super::ids::{self, Ids, Numbered},
    scalar,
};
use crate::store::sqlite::bytes::{Reader, Short, put_bytes, put_signed, put_varint};
use ahash::AHashMap;

const CONSTANT: u8 = 0;
/// A byte for each value says which entry it is.
const DICTIONARY: u8 = 1;
/// So many entries that they are told as [`ids`].
const DICTIONARY_WIDE: u8 = 10;
const NUMBERS: u8 = 2;
const NUMBERS_SIGNED: u8 = 3;
const NUMBERS_BY_STEPS: u8 = 4;
const UUIDS: u8 = 5;
const TIMES_BY_STEPS: u8 = 6;
const TIMES_SINCE_CREATED: u8 = 7;
const PLAIN: u8 = 8;
/// Plain, and all of them had quotes.
const QUOTED: u8 = 9;

/// Among the lengths of plain values: the value before once more, and what a new one's length is counted from.
const AGAIN: u64 = 0;
const NEW: u64 = 1;

/// Most entries that a byte can tell apart.
const ENTRIES_MAX: usize = 256;
/// After so many values it shows whether they repeat at all.
const TRIAL: usize = 64;

/// The values of a member and the events they are of.
#[derive(Debug, Default)]
pub struct Values<'b> {
    /// The values.
    pub values: Vec<&'b [u8]>,
    /// For each the place of its event.
    pub rows: Vec<u16>,
}

/// The streams that columns share, each compressed apart: what they hold is alike.
#[derive(Debug, Default)]
pub struct Streams {
    /// Skeletons, columns, dictionaries.
    pub header: Vec<u8>,
    /// Text that is in no dictionary.
    pub text: Vec<u8>,
    /// One byte for a value, as a rule.
    pub marks: Vec<u8>,
    /// Numbers.
    pub numbers: Vec<u8>,
    /// What does not compress.
    pub noise: Vec<u8>,
}

impl Values<'_> {
    /// Appends the column.
    pub fn put(&self, times: &[i64], out: &mut Streams) {
        let first = self.values[0];
        if self.values.iter().all(|value| *value == first) {
            out.header.push(CONSTANT);
            put_bytes(&mut out.header, first);
            return;
        }
        let done = match first[..] {
            [b'0'..=b'9' | b'-', ..] => self.put_numbers(out),
            [b'"', _, _, _, _, b'-', ..] => self.put_times(times, out),
            [b'"', ..] if first.len() == 38 => self.put_uuids(out),
            _ => None,
        };
        if done.is_none() && self.put_dictionary(out).is_none() {
            self.put_plain(out);
        }
    }

    fn put_numbers(&self, out: &mut Streams) -> Option<()> {
        let numbers: Vec<i64> = self.values.iter().map(|text| scalar::parse_int(text)).collect::<Option<_>>()?;
        let (mut steps, mut plain) = (Vec::with_capacity(numbers.len() * 2), Vec::with_capacity(numbers.len() * 2));
        let signed = numbers.iter().any(|number| *number < 0);
        let mut before = 0;
        for number in &numbers {
            put_signed(&mut steps, number - before);
            before = *number;
            if signed {
                put_signed(&mut plain, *number);
            } else {
                put_varint(&mut plain, *number as u64);
            }
        }
        let (form, bytes) = match (steps.len() < plain.len(), signed) {
            (true, _) => (NUMBERS_BY_STEPS, steps),
            (false, true) => (NUMBERS_SIGNED, plain),
            (false, false) => (NUMBERS, plain),
        };
        out.header.push(form);
        put_varint(&mut out.header, bytes.len() as u64);
        out.numbers.extend_from_slice(&bytes);
        Some(())
    }

    fn put_times(&self, times: &[i64], out: &mut Streams) -> Option<()> {
        let digits = scalar::parse_time(self.values[0])?.1;
        let unit = unit(digits)?;
        let (mut steps, mut since) =
            (Vec::with_capacity(self.values.len() * 4), Vec::with_capacity(self.values.len() * 2));
        let mut before = 0;
        for (text, row) in self.values.iter().zip(&self.rows) {
            let (micros, _) = scalar::parse_time(text).filter(|(_, found)| *found == digits)?;
            let whole = micros / unit;
            put_signed(&mut steps, whole - before);
            put_signed(&mut since, whole.wrapping_sub(times[usize::from(*row)].div_euclid(unit)));
            before = whole;
        }
        let (form, bytes) =
            if since.len() < steps.len() { (TIMES_SINCE_CREATED, since) } else { (TIMES_BY_STEPS, steps) };
        out.header.extend_from_slice(&[form, digits]);
        put_varint(&mut out.header, bytes.len() as u64);
        out.numbers.extend_from_slice(&bytes);
        Some(())
    }

    fn put_uuids(&self, out: &mut Streams) -> Option<()> {
        let uuids: Vec<[u8; 16]> = self.values.iter().map(|text| scalar::parse_uuid(text)).collect::<Option<_>>()?;
        let (mut known, mut writer) = (Numbered::new(), ids::Writer::default());
        let before = out.marks.len();
        uuids.iter().for_each(|uuid| writer.put(&mut out.marks, known.number(*uuid)));
        out.header.push(UUIDS);
        put_varint(&mut out.header, (out.marks.len() - before) as u64);
        put_varint(&mut out.header, (known.list.len() * 16) as u64);
        known.list.iter().for_each(|uuid| out.noise.extend_from_slice(uuid));
        Some(())
    }

    fn put_dictionary(&self, out: &mut Streams) -> Option<()> {
        let mut places: AHashMap<&[u8], u16> = AHashMap::new();
        let mut entries: Vec<&[u8]> = Vec::new();
        let mut ids = Vec::with_capacity(self.values.len());
        let mut last = 0_u16;
        for (at, value) in self.values.iter().enumerate() {
            if entries.get(usize::from(last)) != Some(value) {
                let next = entries.len();
                last = *places.entry(value).or_insert(next as u16);
                if usize::from(last) == next {
                    // Values that hardly repeat are shorter as they are.
                    if next > usize::from(u16::MAX - 1) || (at >= TRIAL && next > at * 3 / 4) {
                        return None;
                    }
                    entries.push(value);
                }
            }
            ids.push(last);
        }
        let wide = entries.len() > ENTRIES_MAX;
        if entries.len() > 8 && entries.len() > self.values.len() * if wide { 2 } else { 3 } / 4 {
            return None;
        }
        out.header.push(if wide { DICTIONARY_WIDE } else { DICTIONARY });
        put_varint(&mut out.header, entries.len() as u64);
        let before = out.marks.len();
        if wide {
            entries.iter().for_each(|entry| put_varint(&mut out.header, entry.len() as u64));
            entries.iter().for_each(|entry| out.text.extend_from_slice(entry));
            let mut writer = ids::Writer::default();
            ids.iter().for_each(|id| writer.put(&mut out.marks, usize::from(*id)));
        } else {
            entries.iter().for_each(|entry| put_bytes(&mut out.header, entry));
            out.marks.extend(ids.iter().map(|id| *id as u8));
        }
        put_varint(&mut out.header, (out.marks.len() - before) as u64);
        Some(())
    }

    fn put_plain(&self, out: &mut Streams) {
        let quoted = |value: &[u8]| value.len() >= 2 && value[0] == b'"' && value[value.len() - 1] == b'"';
        let quotes = usize::from(self.values.iter().all(|value| quoted(value)));
        let (marks, text) = (out.marks.len(), out.text.len());
        let mut before: Option<&[u8]> = None;
        for value in &self.values {
            if before == Some(value) {
                put_varint(&mut out.marks, AGAIN);
                continue;
            }
            before = Some(value);
            let inner = &value[quotes..value.len() - quotes];
            put_varint(&mut out.marks, inner.len() as u64 + NEW);
            out.text.extend_from_slice(inner);
        }
        out.header.push(if quotes == 1 { QUOTED } else { PLAIN });
        put_varint(&mut out.header, (out.marks.len() - marks) as u64);
        put_varint(&mut out.header, (out.text.len() - text) as u64);
    }
}

/// Microseconds of the last decimal.
const fn unit(digits: u8) -> Option<i64> {
    match digits {
        0 => Some(1_000_000),
        3 => Some(1_000),
        6 => Some(1),
        _ => None,
    }
}

/// The streams of a block being read.
#[derive(Debug)]
pub struct Sources<'d> {
    /// Skeletons, columns, dictionaries.
    pub header: Reader<'d>,
    /// Text that is in no dictionary.
    pub text: Reader<'d>,
    /// One byte for a value, as a rule.
    pub marks: Reader<'d>,
    /// Numbers.
    pub numbers: Reader<'d>,
    /// What does not compress.
    pub noise: Reader<'d>,
    /// How many entries dictionaries may have, so that they take no more memory than values.
    pub entries_left: usize,
}

/// How many bytes of another stream are a column's.
fn span<'d>(header: &mut Reader<'d>, stream: &mut Reader<'d>) -> Result<Reader<'d>, Short> {
    let len = usize::try_from(header.varint()?).map_err(|_| Short)?;
    stream.take(len).map(Reader::new)
}

/// The place in a column up to which its values were read.
#[derive(Debug)]
pub enum Cursor<'d> {
    /// One value for all.
    Constant(&'d [u8]),
    /// Entries, and which of them.
    Dictionary { entries: Vec<&'d [u8]>, marks: Reader<'d> },
    /// Whole numbers.
    Numbers { numbers: Reader<'d>, form: u8, last: i64 },
    /// The same with more entries.
    Wide { entries: Vec<&'d [u8]>, marks: Reader<'d>, ids: Ids },
    /// UUIDs, and those that were met.
    Uuids { noise: Reader<'d>, known: Vec<&'d [u8]>, marks: Reader<'d>, ids: Ids },
    /// Times of so many decimals.
    Times { numbers: Reader<'d>, form: u8, digits: u8, unit: i64, last: i64 },
    /// Lengths and text, with this around it; the value before.
    Plain { marks: Reader<'d>, text: Reader<'d>, quote: &'static [u8], before: &'d [u8] },
}

impl<'d> Cursor<'d> {
    /// Reads a column's line in the header.
    pub fn read(input: &mut Sources<'d>) -> Result<Self, Short> {
        let Sources { header, text, marks, numbers, noise, entries_left } = input;
        let mut count = |header: &mut Reader<'d>| {
            let count = usize::try_from(header.varint()?).map_err(|_| Short)?;
            *entries_left = entries_left.checked_sub(count).ok_or(Short)?;
            Ok(count)
        };
        Ok(match header.byte()? {
            CONSTANT => Self::Constant(header.bytes()?),
            DICTIONARY => {
                let entries = (0..count(header)?).map(|_| header.bytes()).collect::<Result<_, _>>()?;
                Self::Dictionary { entries, marks: span(header, marks)? }
            }
            DICTIONARY_WIDE => {
                let count = count(header)?;
                let mut entry = |_| text.take(usize::try_from(header.varint()?).map_err(|_| Short)?);
                let entries = (0..count).map(&mut entry).collect::<Result<_, _>>()?;
                Self::Wide { entries, marks: span(header, marks)?, ids: Ids::default() }
            }
            form @ (NUMBERS | NUMBERS_SIGNED | NUMBERS_BY_STEPS) => {
                Self::Numbers { numbers: span(header, numbers)?, form, last: 0 }
            }
            UUIDS => {
                let marks = span(header, marks)?;
                Self::Uuids { noise: span(header, noise)?, known: Vec::new(), marks, ids: Ids::default() }
            }
            form @ (TIMES_BY_STEPS | TIMES_SINCE_CREATED) => {
                let digits = header.byte()?;
                let unit = unit(digits).ok_or(Short)?;
                Self::Times { numbers: span(header, numbers)?, form, digits, unit, last: 0 }
            }
            PLAIN => Self::Plain { marks: span(header, marks)?, text: span(header, text)?, quote: b"", before: b"" },
            QUOTED => Self::Plain { marks: span(header, marks)?, text: span(header, text)?, quote: b"\"", before: b"" },
            _ => return Err(Short),
        })
    }

    /// Appends the next value, of an event created then, if it takes no more than `room` bytes.
    pub fn next(&mut self, created: i64, room: usize, out: &mut Vec<u8>) -> Result<(), Short> {
        match self {
            Self::Constant(value) => copy(value, room, out),
            Self::Dictionary { entries, marks } => {
                copy(entries.get(usize::from(marks.byte()?)).ok_or(Short)?, room, out)
            }
            Self::Numbers { numbers, form, last } => {
                let value = match *form {
                    NUMBERS => numbers.varint()? as i64,
                    NUMBERS_SIGNED => numbers.signed()?,
                    _ => {
                        *last = last.wrapping_add(numbers.signed()?);
                        *last
                    }
                };
                scalar::write_int(out, value);
                Ok(())
            }
            Self::Uuids { noise, known, marks, ids } => {
                let id = ids.next(marks)?;
                if id == known.len() {
                    known.push(noise.take(16)?);
                }
                scalar::write_uuid(out, known[id]);
                Ok(())
            }
            Self::Times { numbers, form, digits, unit, last } => {
                let step = numbers.signed()?;
                let from = if *form == TIMES_BY_STEPS { *last } else { created.div_euclid(*unit) };
                *last = from.wrapping_add(step);
                scalar::write_time(out, last.checked_mul(*unit).ok_or(Short)?, *digits).ok_or(Short)
            }
            Self::Wide { entries, marks, ids } => copy(entries.get(ids.next(marks)?).ok_or(Short)?, room, out),
            Self::Plain { marks, text, quote, before } => {
                let mark = marks.varint()?;
                if mark != AGAIN {
                    *before = text.take(usize::try_from(mark - NEW).map_err(|_| Short)?)?;
                }
                out.extend_from_slice(quote);
                copy(before, room, out)?;
                out.extend_from_slice(quote);
                Ok(())
            }
        }
    }

    /// Whether every value was read.
    pub const fn is_empty(&self) -> bool {
        match self {
            Self::Constant(_) => true,
            Self::Dictionary { marks, .. } | Self::Wide { marks, .. } => marks.is_empty(),
            Self::Numbers { numbers, .. } | Self::Times { numbers, .. } => numbers.is_empty(),
            Self::Uuids { noise, marks, .. } => noise.is_empty() && marks.is_empty(),
            Self::Plain { marks, text, .. } => marks.is_empty() && text.is_empty(),
        }
    }
}

fn copy(value: &[u8], room: usize, out: &mut Vec<u8>) -> Result<(), Short> {
    if value.len() > room {
        return Err(Short);
    }
    out.extend_from_slice(value);
    Ok(())
}
