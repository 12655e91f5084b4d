//! The two halves of the keys: when, and the content's hash.
//!
//! In: events sorted by key. Out: two columns, and from them the numbers. Times are told in the unit most of them are
//! written in, as distances, the lowest byte apart from the rest because it hardly compresses. Refused: columns that do
//! not hold exactly as many numbers as events.

use super::frame;
use crate::store::sqlite::{
    bytes::{Reader, Short, put_signed, put_varint},
    flat::Flat,
};

const TIMES: u8 = 1;
const HASHES: u8 = 1;

/// Units of time in microseconds, by their number in the column.
const UNITS: [i64; 3] = [1, 1_000, 1_000_000];

/// The column of times.
pub fn encode_times(rows: &[Flat<'_>]) -> Vec<u8> {
    let times = || rows.iter().map(|row| row.key.created_us);
    let unit = (1..UNITS.len()).rev().find(|unit| {
        let whole = times().filter(|time| time.rem_euclid(UNITS[*unit]) == 0).count();
        whole > rows.len() / 2
    });
    let unit = unit.unwrap_or(0);
    let mut out = frame::begin(TIMES);
    out.push(unit as u8);
    let (mut low, mut high, mut odd) = (Vec::with_capacity(rows.len()), Vec::new(), Vec::new());
    let mut before = None;
    let mut even = 0;
    for time in times() {
        let whole = time.div_euclid(UNITS[unit]);
        match before {
            None => put_signed(&mut out, whole),
            Some(before) => {
                let step = whole.wrapping_sub(before) as u64;
                low.push(step as u8);
                put_varint(&mut high, step >> 8);
            }
        }
        before = Some(whole);
        match time.rem_euclid(UNITS[unit]) {
            0 => even += 1,
            rest => {
                put_varint(&mut odd, even);
                put_varint(&mut odd, rest as u64);
                even = 0;
            }
        }
    }
    frame::put_section(&mut out, &low, false);
    frame::put_section(&mut out, &high, false);
    frame::put_section(&mut out, &odd, false);
    frame::seal(out)
}

/// `created_us` of each of a block's `rows` events.
///
/// # Errors
/// The column is damaged or is not of so many events.
pub fn times(column: &[u8], rows: usize) -> Result<Vec<i64>, Short> {
    let mut input = frame::open(column, TIMES)?;
    let unit = *UNITS.get(usize::from(input.byte()?)).ok_or(Short)?;
    let mut whole = input.signed()?;
    let low = frame::section(&mut input, rows)?;
    let high = frame::section(&mut input, rows.saturating_mul(10))?;
    let odd = frame::section(&mut input, rows.saturating_mul(20))?;
    if low.len() + 1 != rows || !input.is_empty() {
        return Err(Short);
    }
    let mut times = Vec::with_capacity(rows);
    times.push(whole.wrapping_mul(unit));
    let mut high = Reader::new(&high);
    for low in low.iter() {
        let step = high.varint()? << 8 | u64::from(*low);
        whole = whole.wrapping_add(step as i64);
        times.push(whole.wrapping_mul(unit));
    }
    let mut odd = Reader::new(&odd);
    let mut at = 0_usize;
    while !odd.is_empty() {
        at = at.saturating_add(usize::try_from(odd.varint()?).map_err(|_| Short)?);
        let time = times.get_mut(at).ok_or(Short)?;
        *time = time.wrapping_add(odd.varint()? as i64);
        at += 1;
    }
    if high.is_empty() { Ok(times) } else { Err(Short) }
}

/// The column of hashes.
pub fn encode_hashes(rows: &[Flat<'_>]) -> Vec<u8> {
    let mut out = frame::begin(HASHES);
    out.reserve_exact(rows.len() * 8);
    rows.iter().for_each(|row| out.extend_from_slice(&row.key.hash.to_le_bytes()));
    frame::seal(out)
}

/// The content hash of each of a block's `rows` events.
///
/// # Errors
/// The column is damaged or is not of so many events.
pub fn hashes(column: &[u8], rows: usize) -> Result<Vec<i64>, Short> {
    let mut input = frame::open(column, HASHES)?;
    let hashes = (0..rows).map(|_| input.array().map(i64::from_le_bytes)).collect::<Result<Vec<_>, _>>()?;
    if input.is_empty() { Ok(hashes) } else { Err(Short) }
}
