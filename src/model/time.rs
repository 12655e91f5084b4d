//! Times as senders write them, kept as precise as they came.

use std::fmt;

/// Microseconds since 1970-01-01T00:00:00Z.
pub type Micros = i64;

/// Microseconds in a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;

/// Microseconds in a day.
pub const DAY_US: Micros = 86_400 * MICROS_PER_SECOND;

/// Earliest and latest second that RFC 3339 can write: years 0000 to 9999.
const SECONDS: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;

/// A moment, and with how many decimals it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp {
    seconds: i64,
    nanos: u32,
    digits: u8,
}

/// What bounds of a period say below a microsecond. Keys hold microseconds; senders may write nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Fine {
    /// Nanoseconds behind `from`; before them nothing of its microsecond is meant.
    pub from_ns: u32,
    /// Where the last microsecond before `to` ends early: its first nanosecond that is not meant; 0: all of it is.
    pub to_ns: u32,
}

impl Fine {
    /// Whether a moment is in a period of whole microseconds from `from` to before `to` and these bounds within them.
    #[must_use]
    pub fn holds(self, from: Option<Micros>, to: Option<Micros>, at: Timestamp) -> bool {
        let (micros, nanos) = (at.micros(), at.sub_micro_nanos());
        let early = from == Some(micros) && nanos < self.from_ns;
        let late = self.to_ns > 0 && to == micros.checked_add(1) && nanos >= self.to_ns;
        !early && !late
    }

    /// The bounds as they were given.
    #[must_use]
    pub fn given(self, from: Option<Micros>, to: Option<Micros>) -> (Option<Timestamp>, Option<Timestamp>) {
        let exact = |micros: Micros, nanos: u32| {
            let whole = Timestamp::from_micros(micros);
            if nanos == 0 { whole } else { Timestamp { nanos: whole.nanos + nanos, digits: 9, ..whole } }
        };
        let before = |to: Micros| if self.to_ns == 0 { to } else { to.saturating_sub(1) };
        (from.map(|from| exact(from, self.from_ns)), to.map(|to| exact(before(to), self.to_ns)))
    }
}

/// A text or number that is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a time: RFC 3339, YYYY-MM-DD HH:MM:SS[.fff] or epoch seconds, milliseconds, microseconds or nanoseconds"
)]
pub struct TimestampError;

impl Timestamp {
    /// A moment from its parts; `digits` is the number of decimals to write, 0 to 9.
    ///
    /// # Errors
    /// Outside the years 0000 to 9999.
    pub fn new(seconds: i64, nanos: u32, digits: u8) -> Result<Self, TimestampError> {
        if SECONDS.contains(&seconds) && nanos < 1_000_000_000 {
            Ok(Self { seconds, nanos, digits: digits.min(9) })
        } else {
            Err(TimestampError)
        }
    }

    /// A moment of our own clock, written with six decimals. Out-of-range values are moved to the nearest edge.
    #[must_use]
    pub fn from_micros(micros: Micros) -> Self {
        let low = SECONDS.start() * MICROS_PER_SECOND;
        let high = SECONDS.end() * MICROS_PER_SECOND;
        let micros = micros.clamp(low, high);
        Self {
            seconds: micros.div_euclid(MICROS_PER_SECOND),
            nanos: micros.rem_euclid(MICROS_PER_SECOND) as u32 * 1000,
            digits: 6,
        }
    }

    /// A moment of our own clock, written with milliseconds, as answers have it.
    #[must_use]
    pub fn of_clock(micros: Micros) -> Self {
        Self { digits: 3, ..Self::from_micros(micros) }
    }

    /// Microseconds since 1970, rounded down.
    #[must_use]
    pub const fn micros(self) -> Micros {
        self.seconds * MICROS_PER_SECOND + (self.nanos / 1000) as i64
    }

    /// Nanoseconds below the last whole microsecond, 0 to 999.
    #[must_use]
    pub const fn sub_micro_nanos(self) -> u32 {
        self.nanos % 1000
    }

    /// How many decimals it was written with.
    #[must_use]
    pub const fn digits(self) -> u8 {
        self.digits
    }

    /// The same moment, written with as few decimals (0, 3, 6 or 9) as lose nothing. For sources that pad.
    #[must_use]
    pub const fn trimmed(self) -> Self {
        let digits = match self.nanos {
            0 => 0,
            n if n % 1_000_000 == 0 => 3,
            n if n % 1_000 == 0 => 6,
            _ => 9,
        };
        Self { digits, ..self }
    }

    /// Appends what `Display` writes; for every event, so by hand.
    pub fn write_to(self, out: &mut String) {
        let (days, second) = (self.seconds.div_euclid(86_400), self.seconds.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        let mut two = |value: i64, mark: char| {
            out.push(char::from(b'0' + (value / 10) as u8));
            out.push(char::from(b'0' + (value % 10) as u8));
            if mark != ' ' {
                out.push(mark);
            }
        };
        two(year / 100, ' ');
        two(year % 100, '-');
        two(month, '-');
        two(day, 'T');
        two(second / 3600, ':');
        two(second / 60 % 60, ':');
        two(second % 60, ' ');
        if self.digits > 0 {
            out.push('.');
            let mut unit = 100_000_000;
            for _ in 0..self.digits.min(9) {
                out.push(char::from(b'0' + (self.nanos / unit % 10) as u8));
                unit /= 10;
            }
        }
        out.push('Z');
    }

    /// What `Display` writes.
    #[must_use]
    pub fn text(self) -> String {
        let mut text = String::with_capacity(30);
        self.write_to(&mut text);
        text
    }

    /// Reads RFC 3339 or `YYYY-MM-DD HH:MM:SS[.fff]` (UTC when no offset is given). Decimals past the ninth are cut.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse_calendar(text: &str) -> Result<Self, TimestampError> {
        let text = text.trim();
        let bytes = text.as_bytes();
        if bytes.len() < 19 || bytes.len() > 64 {
            return Err(TimestampError);
        }
        let number = |range: std::ops::Range<usize>| -> Result<i64, TimestampError> {
            bytes[range].iter().try_fold(0, |sum, byte| match byte {
                b'0'..=b'9' => Ok(sum * 10 + i64::from(byte - b'0')),
                _ => Err(TimestampError),
            })
        };
        let fits = bytes[4] == b'-'
            && bytes[7] == b'-'
            && matches!(bytes[10], b'T' | b't' | b' ')
            && bytes[13] == b':'
            && bytes[16] == b':';
        if !fits {
            return Err(TimestampError);
        }
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
        // A leap second is read as the last moment before it, as POSIX clocks do.
        let leap = second == 60;
        let date = jiff::civil::Date::new(year as i16, month as i8, day as i8).map_err(|_| TimestampError)?;
        if hour > 23 || minute > 59 || second > 60 {
            return Err(TimestampError);
        }
        let (nanos, digits, rest) = fraction(&bytes[19..])?;
        let offset = offset_seconds(rest)?;
        let days = days(year, i64::from(date.month()), i64::from(date.day()));
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second.min(59) - offset;
        let nanos = if leap {
            // With as many decimals as are written, so that the text says the same moment.
            let unit = 10_u32.pow(9 - u32::from(digits));
            999_999_999 / unit * unit
        } else {
            nanos
        };
        Self::new(seconds, nanos, digits)
    }

    /// Reads an epoch as decimal text (`1786959683.518`, `"1786959683518"`), guessing the unit of a whole number by
    /// its size: below 10^11 seconds, below 10^14 milliseconds, below 10^17 microseconds, else nanoseconds. A number with
    /// decimals below 10^11 is seconds; above, its decimals belong to the guessed unit.
    ///
    /// # Errors
    /// Anything that is not a plain decimal number, or is out of range.
    pub fn parse_epoch(text: &str) -> Result<Self, TimestampError> {
        let text = text.trim();
        let (negative, digits_text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if let Some(expanded) = expand_exponent(digits_text) {
            return Self::parse_epoch(&format!("{}{expanded}", if negative { "-" } else { "" }));
        }
        let (whole, decimals) = digits_text.split_once('.').unwrap_or((digits_text, ""));
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || whole.len() > 20 || decimals.len() > 30 || !all_digits(whole) || !all_digits(decimals) {
            return Err(TimestampError);
        }
        let whole: i128 = whole.parse().map_err(|_| TimestampError)?;
        let (unit_digits, per_second): (u32, i128) = match whole {
            w if w < 100_000_000_000 => (0, 1),
            w if w < 100_000_000_000_000 => (3, 1_000),
            w if w < 100_000_000_000_000_000 => (6, 1_000_000),
            _ => (9, 1_000_000_000),
        };
        let nanos_per_unit = 1_000_000_000 / per_second;
        let kept = decimals.len().min(9 - unit_digits as usize);
        let below: i128 = if kept == 0 { 0 } else { decimals[..kept].parse().map_err(|_| TimestampError)? };
        let below = below * (nanos_per_unit / 10_i128.pow(kept as u32));
        let total = whole * nanos_per_unit + below;
        let total = if negative { -total } else { total };
        let seconds = i64::try_from(total.div_euclid(1_000_000_000)).map_err(|_| TimestampError)?;
        Self::new(seconds, total.rem_euclid(1_000_000_000) as u32, unit_digits as u8 + kept as u8)
    }

    /// Reads any form that senders use.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        Self::parse_calendar(text).or_else(|_| Self::parse_epoch(text))
    }
}

/// `.123` and what follows: nanoseconds, number of decimals kept, the rest.
fn fraction(bytes: &[u8]) -> Result<(u32, u8, &[u8]), TimestampError> {
    let Some((b'.' | b',', decimals)) = bytes.split_first() else {
        return Ok((0, 0, bytes));
    };
    let len = decimals.iter().take_while(|b| b.is_ascii_digit()).count();
    if len == 0 {
        return Err(TimestampError);
    }
    let kept = len.min(9);
    let value = decimals[..kept].iter().fold(0_u32, |sum, byte| sum * 10 + u32::from(byte - b'0'));
    Ok((value * 10_u32.pow(9 - kept as u32), kept as u8, &decimals[len..]))
}

/// `Z`, `+02:00`, `+0200`, `+02`, ` UTC` or nothing, in seconds east of UTC.
fn offset_seconds(rest: &[u8]) -> Result<i64, TimestampError> {
    let digit = |byte: u8| if byte.is_ascii_digit() { Ok(i64::from(byte - b'0')) } else { Err(TimestampError) };
    // Warehouses write a space before the offset: `2021-02-13 13:34:03.343 +0000`.
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    match rest {
        [] | [b'Z' | b'z'] | b"UTC" => Ok(0),
        [sign @ (b'+' | b'-'), tail @ ..] => {
            let (hours, minutes) = match *tail {
                [a, b] => (digit(a)? * 10 + digit(b)?, 0),
                [a, b, c, d] | [a, b, b':', c, d] => (digit(a)? * 10 + digit(b)?, digit(c)? * 10 + digit(d)?),
                _ => return Err(TimestampError),
            };
            if hours > 23 || minutes > 59 {
                return Err(TimestampError);
            }
            let east = hours * 3600 + minutes * 60;
            Ok(if *sign == b'-' { -east } else { east })
        }
        _ => Err(TimestampError),
    }
}

/// `1.786e9` as plain decimal text; `None` when there is no exponent.
fn expand_exponent(text: &str) -> Option<String> {
    let (mantissa, exponent) = text.split_once(['e', 'E'])?;
    let exponent: i32 = exponent.parse().ok().filter(|e| (0..=20).contains(e))?;
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if decimals.len() > 30 || !whole.bytes().chain(decimals.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let shift = exponent as usize;
    let mut moved: String = decimals.chars().take(shift).collect();
    while moved.len() < shift {
        moved.push('0');
    }
    let left: String = decimals.chars().skip(shift).collect();
    Some(if left.is_empty() { format!("{whole}{moved}") } else { format!("{whole}{moved}.{left}") })
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// Year, month and day of a day counted from 1970-01-01. Counts in years that begin in March, so that the leap day is
/// the last of its year, and in cycles of 400 years.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (cycle, of_cycle) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_cycle - of_cycle / 1_460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
    let of_year = of_cycle - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + cycle * 400 + i64::from(month <= 2), month, day)
}

/// The day counted from 1970-01-01 of a date; the other way round.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (cycle, of_cycle) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    cycle * 146_097 + of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(Timestamp::parse(text).ok().map(|t| t.to_string()).as_deref(), expected, "{text}");
    }

    #[test]
    fn every_documented_form_is_read_as_precisely_as_it_came() {
        check("2026-07-07T16:35:14.456Z", Some("2026-07-07T16:35:14.456Z"));
        check("2026-03-01T12:00:00Z", Some("2026-03-01T12:00:00Z"));
        check("2026-08-17T09:40:00.000Z", Some("2026-08-17T09:40:00.000Z"));
        check("2025-07-22T14:50:49.356184217Z", Some("2025-07-22T14:50:49.356184217Z"));
        check("2026-11-20T13:12:10.920998+00:00", Some("2026-11-20T13:12:10.920998Z"));
        check("2026-11-20T13:12:10+02:00", Some("2026-11-20T11:12:10Z"));
        check("2021-12-09 14:26:44", Some("2021-12-09T14:26:44Z"));
        check("2021-02-13 13:34:03.343", Some("2021-02-13T13:34:03.343Z"));
        check("1786959683.518", Some("2026-08-17T09:41:23.518Z"));
        check("1786959683", Some("2026-08-17T09:41:23Z"));
        check("1786959683518", Some("2026-08-17T09:41:23.518Z"));
        check("1786959683518001", Some("2026-08-17T09:41:23.518001Z"));
        check("1786959683518000001", Some("2026-08-17T09:41:23.518000001Z"));
        check("1.786959683518e9", Some("2026-08-17T09:41:23.518Z"));
        check("2016-12-31T23:59:60Z", Some("2016-12-31T23:59:59Z"));
        check("2016-12-31T23:59:60.5Z", Some("2016-12-31T23:59:59.9Z"));
        check("2021-02-13 13:34:03.343 +0000", Some("2021-02-13T13:34:03.343Z"));
        check("2021-02-13 13:34:03.343 UTC", Some("2021-02-13T13:34:03.343Z"));
        check("0000-02-29T00:00:00Z", Some("0000-02-29T00:00:00Z"));
        check("1969-12-31T23:59:59.5Z", Some("1969-12-31T23:59:59.5Z"));
        check("-1.5", Some("1969-12-31T23:59:58.5Z"));
        check("9999-12-31T23:59:59Z", Some("9999-12-31T23:59:59Z"));
        check("2026-07-07T16:35:14.45612345678901234567Z", Some("2026-07-07T16:35:14.456123456Z"));
    }

    #[test]
    fn a_leap_second_is_the_moment_that_is_written() {
        for text in ["2016-12-31T23:59:60Z", "2016-12-31T23:59:60.123Z", "2016-12-31T23:59:60.123456789Z"] {
            let leap = Timestamp::parse(text).expect("a time");
            assert_eq!(Timestamp::parse(&leap.text()), Ok(leap), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "yesterday",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-07-07",
            "NaN",
            "1e400",
            "2026-07-07T25:00:00Z",
            "2026-07-07T16:35:14.Z",
            "0x10",
            "999999999999999999999",
            "--5",
            "2026-07-07T16:35:14+99:00",
        ] {
            check(text, None);
        }
    }

    proptest::proptest! {
        /// The calendar library says the same, and what is written is read back.
        #[test]
        fn every_moment_is_written_right(seconds in -62_167_219_200_i64..253_402_207_200, nanos in 0_u32..1_000_000_000) {
            let at = Timestamp::new(seconds, nanos, 9).expect("in range");
            let library = jiff::Timestamp::new(seconds, 0).expect("in range").to_string();
            let text = at.to_string();
            proptest::prop_assert_eq!(&text[..19], &library[..19]);
            proptest::prop_assert_eq!(Timestamp::parse(&text), Ok(at));
        }
    }

    #[test]
    fn padding_can_be_trimmed() {
        let at = |text: &str| Timestamp::parse(text).map(|t| t.trimmed().to_string());
        assert_eq!(at("2026-03-01 12:00:00.126000").as_deref(), Ok("2026-03-01T12:00:00.126Z"));
        assert_eq!(at("2026-03-01 12:00:00.000000").as_deref(), Ok("2026-03-01T12:00:00Z"));
    }
}
