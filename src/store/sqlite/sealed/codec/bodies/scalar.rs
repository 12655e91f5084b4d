//! Values that are shorter as what they mean: whole numbers, UUIDs, times.
//!
//! In: raw values, quotes included. Out: numbers, and from them exactly the same text. Refused: every text that would not
//! come back as it is.

use crate::model::DAY_US;

/// Longest whole number that is taken: nineteen digits may not fit.
const DIGITS_MAX: usize = 18;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;
/// 0000-01-01 and 10000-01-01, in microseconds since 1970.
const YEAR_0_US: i64 = -719_528 * DAY_US;
const YEAR_10000_US: i64 = 2_932_897 * DAY_US;

/// Bytes of a UUID with its quotes.
const UUID_BYTES: usize = 38;
/// Where its hyphens stand.
const HYPHENS: [usize; 4] = [9, 14, 19, 24];

/// A whole number as it is usually written.
pub fn parse_int(text: &[u8]) -> Option<i64> {
    let (digits, negative) = match text.strip_prefix(b"-") {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    if digits.is_empty() || digits.len() > DIGITS_MAX || (digits[0] == b'0' && (digits.len() > 1 || negative)) {
        return None;
    }
    let value = number(digits)?;
    Some(if negative { -value } else { value })
}

/// Appends what [`parse_int`] read.
pub fn write_int(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    let mut rest = value.unsigned_abs();
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// A UUID in lower case.
pub fn parse_uuid(text: &[u8]) -> Option<[u8; 16]> {
    if text.len() != UUID_BYTES || text[0] != b'"' || text[UUID_BYTES - 1] != b'"' {
        return None;
    }
    let mut out = [0; 16];
    let mut at = 1;
    for byte in &mut out {
        if HYPHENS.contains(&at) {
            if text[at] != b'-' {
                return None;
            }
            at += 1;
        }
        *byte = nibble(text[at])? << 4 | nibble(text[at + 1])?;
        at += 2;
    }
    Some(out)
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Appends what [`parse_uuid`] read.
pub fn write_uuid(out: &mut Vec<u8>, uuid: &[u8]) {
    out.push(b'"');
    for (at, byte) in uuid.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        let hex = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
        out.extend_from_slice(&[hex(byte >> 4), hex(byte & 15)]);
    }
    out.push(b'"');
}

/// Microseconds since 1970 and how many decimals: 0, 3 or 6. `"2026-07-07T16:35:14.456Z"` in UTC, and nothing else.
pub fn parse_time(text: &[u8]) -> Option<(i64, u8)> {
    let inner = text.strip_prefix(b"\"")?.strip_suffix(b"Z\"")?;
    let (whole, decimals) = inner.split_at_checked(19)?;
    let parts = [0, 5, 8, 11, 14, 17].map(|at| if at == 0 { &whole[..4] } else { &whole[at..at + 2] });
    if [whole[4], whole[7], whole[10], whole[13], whole[16]] != *b"--T::" {
        return None;
    }
    let mut numbers = [0_i64; 6];
    for (number_at, digits) in numbers.iter_mut().zip(parts) {
        *number_at = number(digits)?;
    }
    let [year, month, day, hour, minute, second] = numbers;
    if !(1..=12).contains(&month) || day < 1 || day > days_of(year, month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let micros = match decimals.len() {
        0 => 0,
        4 if decimals[0] == b'.' => number(&decimals[1..])? * 1_000,
        7 if decimals[0] == b'.' => number(&decimals[1..])?,
        _ => return None,
    };
    let seconds = (hour * 60 + minute) * 60 + second;
    let digits = decimals.len().saturating_sub(1) as u8;
    Some((days(year, month, day) * DAY_US + seconds * 1_000_000 + micros, digits))
}

/// Appends what [`parse_time`] read; `None` for a year that has not four digits.
pub fn write_time(out: &mut Vec<u8>, micros: i64, digits: u8) -> Option<()> {
    if !(YEAR_0_US..YEAR_10000_US).contains(&micros) {
        return None;
    }
    let (year, month, day) = civil(micros.div_euclid(DAY_US));
    let rest = micros.rem_euclid(DAY_US);
    let seconds = rest / 1_000_000;
    out.push(b'"');
    put_digits(out, year, 4);
    for (before, value) in
        [(b'-', month), (b'-', day), (b'T', seconds / 3600), (b':', seconds / 60 % 60), (b':', seconds % 60)]
    {
        out.push(before);
        put_digits(out, value, 2);
    }
    match digits {
        0 => {}
        3 => {
            out.push(b'.');
            put_digits(out, rest / 1_000 % 1_000, 3);
        }
        _ => {
            out.push(b'.');
            put_digits(out, rest % 1_000_000, 6);
        }
    }
    out.extend_from_slice(b"Z\"");
    Some(())
}

fn put_digits(out: &mut Vec<u8>, mut value: i64, width: usize) {
    let mut digits = [b'0'; 8];
    for digit in digits[..width].iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(&digits[..width]);
}

/// Digits and nothing else, at most eighteen.
fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0_i64, |value, digit| digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0')))
}

const fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970. Years are counted from March, so that the leap day is the last.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - DAYS_TO_1970
}

/// The other way round.
const fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_TO_1970;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + if month <= 2 { 1 } else { 0 }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `None`: stays text.
    #[track_caller]
    fn check_time(text: &str, expected: Option<(i64, u8)>) {
        let found = parse_time(text.as_bytes());
        assert_eq!(found, expected, "{text}");
        if let Some((micros, digits)) = found {
            let mut out = Vec::new();
            write_time(&mut out, micros, digits).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn times_come_back_or_are_left_alone() {
        check_time("\"1970-01-01T00:00:00Z\"", Some((0, 0)));
        check_time("\"1969-12-31T23:59:59.999Z\"", Some((-1_000, 3)));
        check_time("\"2000-02-29T12:00:00.000001Z\"", Some((951_825_600_000_001, 6)));
        check_time("\"0000-01-01T00:00:00Z\"", Some((YEAR_0_US, 0)));
        check_time("\"0000-02-29T00:00:00Z\"", Some((YEAR_0_US + 59 * DAY_US, 0)));
        check_time("\"9999-12-31T23:59:59.999999Z\"", Some((YEAR_10000_US - 1, 6)));
        for odd in [
            "\"1900-02-29T00:00:00Z\"",
            "\"2026-02-30T00:00:00Z\"",
            "\"2026-13-01T00:00:00Z\"",
            "\"2026-01-01T24:00:00Z\"",
            "\"2026-06-30T23:59:60Z\"",
            "\"2026-01-01T00:00:00\"",
            "\"2026-01-01T00:00:00.Z\"",
            "\"2026-01-01T00:00:00.12Z\"",
            "\"2026-01-01t00:00:00Z\"",
            "\"2026-01-01T00:00:00z\"",
            "\"2026-01-01 00:00:00Z\"",
            "\"+026-01-01T00:00:00Z\"",
            "\"Z\"",
        ] {
            check_time(odd, None);
        }
        assert_eq!(write_time(&mut Vec::new(), YEAR_10000_US, 0), None);
        assert_eq!(write_time(&mut Vec::new(), i64::MIN, 0), None);
    }

    #[test]
    fn numbers_come_back_or_are_left_alone() {
        for text in ["0", "7", "-1", "999999999999999999", "-999999999999999999"] {
            let mut out = Vec::new();
            write_int(&mut out, parse_int(text.as_bytes()).unwrap());
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
        for odd in ["", "-", "-0", "00", "01", "+1", "1.0", "1e3", "9999999999999999999", "true", "\"1\""] {
            assert_eq!(parse_int(odd.as_bytes()), None, "{odd}");
        }
        let mut out = Vec::new();
        write_int(&mut out, i64::MIN);
        assert_eq!(out, b"-9223372036854775808");
    }

    #[test]
    fn uuids_come_back_or_are_left_alone() {
        let text = "\"5d5a9d2b-3f52-4ea6-8715-7ea666eb274a\"";
        let mut out = Vec::new();
        write_uuid(&mut out, &parse_uuid(text.as_bytes()).unwrap());
        assert_eq!(String::from_utf8(out).unwrap(), text);
        for odd in [text.to_uppercase(), text.replace('-', "0"), text.replace('5', "g"), text.replace('"', "'")] {
            assert_eq!(parse_uuid(odd.as_bytes()), None, "{odd}");
        }
    }
}
