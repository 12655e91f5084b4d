//! Many texts of a few forms, written by columns: what rows of one life have in common is there once, and numbers of one meaning stand
//! beside each other.
//!
//! In: lines of JSON (any text will do). Out: a fraction of their bytes, and the same lines again. A line is taken apart into its form,
//! with a hole for each integer, each text and each id, and what fills the holes. A hole's column is its path: the names of
//! the members around it. A number that the same line has already said is a reference; the others are told as they are, from the line
//! before or from the number before, whatever is shortest. Ids and hashes, which nothing makes smaller, stand apart from what is
//! compressed. Refused: nothing; bytes that are not ours give `None`.

use super::{
    forms::{self, Filling, NUMBER, Part, Paths, TEXT, WHOLE, take_apart, write_id},
    squeeze::{squeeze, stretch},
};
use ahash::AHashMap;
use std::{fmt::Write as _, ops::Range};

/// Numbers smaller than this are not looked for among those before: a reference would not be shorter.
const REFERENCE_MIN: u64 = 256;
/// Numbers of a line that are referred to, at most.
const REFERENCES_MAX: usize = 64;
/// From here on a number is a hash, and says nothing about its neighbours.
const HUGE: u64 = 1 << 53;
/// Lines and bytes that are believed in when they are read.
const LINES_MAX: u64 = 1 << 20;
const BYTES_MAX: usize = 64 << 20;

/// How a column's numbers are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// As they are.
    Plain = 0,
    /// From the one before in the same column.
    Column = 1,
    /// From the one before in the same line.
    Line = 2,
    /// Eight bytes each, not compressed.
    Raw = 3,
}

impl Mode {
    fn of(byte: u8) -> Option<Self> {
        [Self::Plain, Self::Column, Self::Line, Self::Raw].into_iter().find(|mode| *mode as u8 == byte)
    }
}

fn put(out: &mut Vec<u8>, mut n: u64) {
    while n > 127 {
        out.push(n as u8 | 128);
        n >>= 7;
    }
    out.push(n as u8);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Small numbers of either sign are short.
const fn zigzag(n: i64) -> u64 {
    (n << 1 ^ n >> 63) as u64
}

const fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

/// Bytes not read yet.
struct Bytes<'b>(&'b [u8]);

impl<'b> Bytes<'b> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut n = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Some(n);
            }
        }
        None
    }

    fn take(&mut self, len: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn bytes(&mut self) -> Option<&'b [u8]> {
        let len = usize::try_from(self.number()?).ok()?;
        self.take(len)
    }
}

/// A column that is being written.
#[derive(Default)]
struct Column {
    /// Of each number: 0, or which number of its line it repeats.
    references: Vec<u8>,
    /// Of the others: the value and the number before it in its line.
    numbers: Vec<(i64, i64)>,
    /// Places of texts, or ids.
    rest: Vec<u8>,
}

impl Column {
    /// How its numbers are shortest: the mode and what all of them can be divided by.
    fn mode(&self) -> (Mode, u64) {
        let mut best = (Mode::Raw, 1, self.numbers.len() * 8);
        for mode in [Mode::Plain, Mode::Column, Mode::Line] {
            let told = || Told::new(mode).all(&self.numbers);
            let divisor = told().fold(0, |divisor, n| greatest(divisor, n.unsigned_abs())).max(1);
            let bytes = told().map(|n| length(zigzag(n / divisor as i64))).sum();
            if bytes < best.2 && i64::try_from(divisor).is_ok() {
                best = (mode, divisor, bytes);
            }
        }
        (best.0, best.1)
    }

    fn write(&self, mark: u8, soft: &mut Vec<u8>, hard: &mut Vec<u8>) {
        match mark {
            NUMBER => {}
            TEXT | WHOLE => return put_bytes(soft, &self.rest),
            _ => return hard.extend_from_slice(&self.rest),
        }
        let (mode, divisor) = self.mode();
        let refers = self.references.iter().any(|at| *at != 0);
        soft.push(mode as u8 | u8::from(refers) << 2);
        if refers {
            put_bytes(soft, &self.references);
        }
        if mode == Mode::Raw {
            self.numbers.iter().for_each(|(n, _)| hard.extend_from_slice(&n.to_le_bytes()));
            return;
        }
        put(soft, divisor);
        let mut told = Vec::with_capacity(self.numbers.len() * 2);
        Told::new(mode).all(&self.numbers).for_each(|n| put(&mut told, zigzag(n / divisor as i64)));
        put_bytes(soft, &told);
    }
}

/// Numbers as a mode tells them.
struct Told {
    mode: Mode,
    before: i64,
}

impl Told {
    const fn new(mode: Mode) -> Self {
        Self { mode, before: 0 }
    }

    /// What the next one is told from.
    const fn from(&self, line: i64) -> i64 {
        match self.mode {
            Mode::Plain | Mode::Raw => 0,
            Mode::Column => self.before,
            Mode::Line => line,
        }
    }

    fn all(mut self, numbers: &[(i64, i64)]) -> impl Iterator<Item = i64> {
        numbers.iter().map(move |(n, line)| {
            let told = n.wrapping_sub(self.from(*line));
            self.before = *n;
            told
        })
    }
}

/// The greatest common divisor.
const fn greatest(mut one: u64, mut other: u64) -> u64 {
    // Most are soon 1, and dividing is slow.
    while other != 0 && one != 1 {
        (one, other) = (other, one % other);
    }
    one
}

const fn length(n: u64) -> usize {
    (70 - (n | 1).leading_zeros() as usize) / 7
}

/// The numbers of a line so far.
#[derive(Default)]
struct Said {
    numbers: Vec<i64>,
    last: i64,
}

impl Said {
    fn clear(&mut self) {
        self.numbers.clear();
        self.last = 0;
    }

    fn find(&self, number: i64) -> Option<usize> {
        if number.unsigned_abs() < REFERENCE_MIN {
            return None;
        }
        self.numbers.iter().position(|known| *known == number)
    }

    fn add(&mut self, number: i64) {
        if self.numbers.len() < REFERENCES_MAX {
            self.numbers.push(number);
        }
        if number.unsigned_abs() < HUGE {
            self.last = number;
        }
    }
}

/// Packs lines.
pub fn pack<'l>(lines: impl Iterator<Item = &'l str>) -> std::io::Result<Vec<u8>> {
    let (mut paths, mut forms, mut parts) = (Paths::default(), Vec::<Range<usize>>::new(), Vec::<Part>::new());
    let mut by_text: AHashMap<String, usize> = AHashMap::new();
    let mut texts: AHashMap<&str, usize> = AHashMap::new();
    let (mut form_texts, mut text_bytes, mut of_lines) = (Vec::new(), Vec::new(), Vec::new());
    let mut columns: Vec<Column> = Vec::new();
    let (mut text, mut fillings, mut said, mut count) = (String::new(), Vec::new(), Said::default(), 0);
    for line in lines {
        count += 1;
        take_apart(line, &mut text, &mut fillings);
        let at = by_text.get(&text).copied().unwrap_or_else(|| {
            put_bytes(&mut form_texts, text.as_bytes());
            forms.push(paths.parts(&text, &mut parts));
            by_text.insert(text.clone(), forms.len() - 1);
            forms.len() - 1
        });
        put(&mut of_lines, at as u64);
        columns.resize_with(paths.marks.len(), Column::default);
        said.clear();
        for (part, filling) in parts[forms[at].clone()].iter().zip(fillings.drain(..)) {
            let column = &mut columns[part.column];
            match filling {
                Filling::Number(number) => {
                    let known = said.find(number);
                    column.references.push(known.map_or(0, |at| at as u8 + 1));
                    if known.is_none() {
                        column.numbers.push((number, said.last));
                    }
                    said.add(number);
                }
                Filling::Text(text) => {
                    let next = texts.len();
                    let at = *texts.entry(text).or_insert(next);
                    if at == next {
                        put_bytes(&mut text_bytes, text.as_bytes());
                    }
                    put(&mut column.rest, at as u64);
                }
                Filling::Id(id) => column.rest.extend_from_slice(&id),
            }
        }
    }
    let (mut soft, mut hard) = (Vec::new(), Vec::new());
    put(&mut soft, count);
    put_bytes(&mut soft, &form_texts);
    put_bytes(&mut soft, &text_bytes);
    put_bytes(&mut soft, &of_lines);
    for (column, mark) in columns.iter().zip(&paths.marks) {
        column.write(*mark, &mut soft, &mut hard);
    }
    let mut out = Vec::new();
    put_bytes(&mut out, &squeeze(&soft)?);
    out.extend_from_slice(&hard);
    Ok(out)
}

/// A column that is being read.
struct Reading<'b> {
    references: Option<Bytes<'b>>,
    told: Told,
    divisor: i64,
    rest: Bytes<'b>,
}

impl<'b> Reading<'b> {
    /// `holes`: how many there are in all lines.
    fn of(mark: u8, holes: usize, soft: &mut Bytes<'b>, hard: &mut Bytes<'b>) -> Option<Self> {
        let mut column = Self { references: None, told: Told::new(Mode::Plain), divisor: 1, rest: Bytes(&[]) };
        match mark {
            NUMBER => {
                let head = soft.byte()?;
                column.told.mode = Mode::of(head & 3)?;
                let mut own = holes;
                if head & 4 != 0 {
                    let references = soft.bytes()?;
                    own = references.iter().filter(|at| **at == 0).count();
                    column.references = Some(Bytes(references));
                }
                if column.told.mode == Mode::Raw {
                    column.rest = Bytes(hard.take(own.checked_mul(8)?)?);
                } else {
                    column.divisor = i64::try_from(soft.number()?).ok()?;
                    column.rest = Bytes(soft.bytes()?);
                }
            }
            TEXT | WHOLE => column.rest = Bytes(soft.bytes()?),
            _ => column.rest = Bytes(hard.take(holes.checked_mul(16)?)?),
        }
        Some(column)
    }

    fn number(&mut self, said: &Said) -> Option<i64> {
        if let Some(references) = &mut self.references
            && let Some(at) = usize::from(references.byte()?).checked_sub(1)
        {
            return said.numbers.get(at).copied();
        }
        let told = match self.told.mode {
            Mode::Raw => return Some(i64::from_le_bytes(self.rest.take(8)?.try_into().ok()?)),
            _ => unzigzag(self.rest.number()?).wrapping_mul(self.divisor),
        };
        let number = self.told.from(said.last).wrapping_add(told);
        self.told.before = number;
        Some(number)
    }
}

/// Shows the lines again, in order; `None` when the bytes are damaged, or `each` says so.
pub fn unpack(bytes: &[u8], mut each: impl FnMut(&str) -> Option<()>) -> Option<()> {
    let mut hard = Bytes(bytes);
    let soft = stretch(hard.bytes()?)?;
    let mut soft = Bytes(&soft);
    let count = soft.number().filter(|count| *count <= LINES_MAX)?;
    let (mut paths, mut forms, mut texts) = (Paths::default(), Vec::new(), Vec::new());
    let mut parts = Vec::new();
    let mut form_texts = Bytes(soft.bytes()?);
    while !form_texts.0.is_empty() {
        let text = std::str::from_utf8(form_texts.bytes()?).ok()?;
        forms.push((text, paths.parts(text, &mut parts)));
    }
    let mut text_bytes = Bytes(soft.bytes()?);
    while !text_bytes.0.is_empty() {
        texts.push(std::str::from_utf8(text_bytes.bytes()?).ok()?);
    }
    let mut of_lines = Bytes(soft.bytes()?);
    let mut lines = Vec::with_capacity(count as usize);
    let mut holes = vec![0; paths.marks.len()];
    for _ in 0..count {
        let (text, places) = forms.get(usize::try_from(of_lines.number()?).ok()?)?;
        let parts = &parts[places.clone()];
        parts.iter().for_each(|part| holes[part.column] += 1);
        lines.push((*text, parts));
    }
    let marked = paths.marks.iter().zip(&holes);
    let mut columns: Vec<Reading<'_>> =
        marked.map(|(mark, holes)| Reading::of(*mark, *holes, &mut soft, &mut hard)).collect::<Option<_>>()?;
    let (mut line, mut said, mut written) = (String::new(), Said::default(), 0_usize);
    for (form, parts) in lines {
        line.clear();
        said.clear();
        for part in parts {
            line.push_str(&form[part.before.clone()]);
            let column = &mut columns[part.column];
            match part.mark {
                NUMBER => {
                    let number = column.number(&said)?;
                    said.add(number);
                    let _ = write!(line, "{number}");
                }
                mark @ (TEXT | WHOLE) => {
                    let text = texts.get(usize::try_from(column.rest.number()?).ok()?)?;
                    let quote = if mark == TEXT { "\"" } else { "" };
                    line.extend([quote, text, quote]);
                }
                mark => {
                    let id = column.rest.take(16)?.try_into().ok()?;
                    line.push('"');
                    write_id(id, mark, &mut line);
                    line.push('"');
                }
            }
        }
        line.push_str(forms::end(form, parts));
        written += line.len();
        if written > BYTES_MAX {
            return None;
        }
        each(&line)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn again(lines: &[String]) -> Vec<String> {
        let packed = pack(lines.iter().map(String::as_str)).unwrap();
        let mut found = Vec::new();
        unpack(&packed, |line| {
            found.push(line.to_owned());
            Some(())
        })
        .unwrap();
        found
    }

    #[track_caller]
    fn check(lines: &[&str]) {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        assert_eq!(again(&lines), lines);
    }

    #[test]
    fn lines_come_back_as_they_were() {
        check(&[]);
        check(&["", "", "null", "[]", "{", "\"", "\"\\", "-", "-0", "01", "9223372036854775808", "1.5", "1e3", "5 -7"]);
        check(&[
            "[-9223372036854775808,9223372036854775807,-9223372036854775808]",
            "[0,0,0]",
            "[1,-1,9223372036854775807]",
        ]);
        check(&["{\"a\":300,\"b\":[300,{\"c\":\"x\"}],\"d\":\"8006474d454493c0b65dd030487838ac\"}"; 3]);
        check(&[
            "[\"dc691bdb-dd8f-4d73-899a-1f57b262324e\",\"DC691BDB-dd8f-4d73-899a-1f57b262324e\",\"dc691bdb-dd8f-4d73-899a-1f57b262324-\"]",
        ]);
        check(&["a\u{1}b", "\u{2}", "{\"k\u{3}\":1}", "[1]", "\"\\\"\":1", "ä\"ö\":\"ü\",7"]);
    }

    #[test]
    fn what_lines_share_is_there_once() {
        let line = |n: i64| {
            format!(
                "{{\"at\":{},\"hash\":{},\"names\":[\"orders\",\"users\"]}}",
                n * 60_000,
                n.wrapping_mul(0x1234_5678_9abc_def1)
            )
        };
        let lines: Vec<String> = (1..200).map(line).collect();
        let packed = pack(lines.iter().map(String::as_str)).unwrap();
        assert!(packed.len() < 199 * 10, "{} bytes", packed.len());
        assert_eq!(again(&lines), lines);
    }

    #[test]
    fn damaged_bytes_are_told() {
        let lines: Vec<String> = (0..40).map(|n| format!("[{n},\"t{n}\",{}]", n * 1_000_003)).collect();
        let packed = pack(lines.iter().map(String::as_str)).unwrap();
        for at in 0..packed.len() {
            let _ = unpack(&packed[..at], |_| Some(()));
            let mut other = packed.clone();
            other[at] ^= 0x55;
            let _ = unpack(&other, |_| Some(()));
        }
        assert_eq!(unpack(&packed[..packed.len() / 2], |_| Some(())), None);
    }

    proptest! {
        #[test]
        fn any_lines_come_back(lines in proptest::collection::vec("[-0-9a-f\"\\\\{}\\[\\],:.\u{1}-\u{5} ]{0,60}", 0..20)) {
            prop_assert_eq!(again(&lines), lines);
        }
    }
}
