//! Moments on the command line.
//!
//! In: RFC 3339, `YYYY-MM-DD HH:MM:SS`, `YYYY-MM-DD` (UTC where no offset is given), or a span that ends now: `90s`, `30m`, `6h`,
//! `7d`, `2w`. Out: microseconds. Refused, as wrong usage: anything else.

use super::now_us;
use crate::model::{Micros, Timestamp};

/// For clap.
///
/// # Errors
/// The text is no moment.
pub fn parse(text: &str) -> Result<Micros, String> {
    at(text, now_us())
}

/// The same to the nanosecond, for what compares so exactly.
///
/// # Errors
/// The text is no moment.
pub fn exact(text: &str) -> Result<Timestamp, String> {
    exactly(text, now_us())
}

/// The first whole microsecond that is not before a moment.
#[must_use]
pub fn micros(time: Timestamp) -> Micros {
    time.micros() + i64::from(time.sub_micro_nanos() > 0)
}

fn at(text: &str, now: Micros) -> Result<Micros, String> {
    exactly(text, now).map(micros)
}

fn exactly(text: &str, now: Micros) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Some(span) = span(text) {
        return Ok(Timestamp::from_micros(now.saturating_sub(span)));
    }
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    Timestamp::parse_calendar(&whole).map_err(|_| {
        "expected a time such as 2026-07-07T16:35:14Z, 2026-07-07, or a span that ends now such as 6h or 7d".to_owned()
    })
}

fn span(text: &str) -> Option<Micros> {
    let unit = text.chars().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    let number = &text[..text.len() - 1];
    let digits = !number.is_empty() && number.len() <= 9 && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = number.parse().ok().filter(|_| digits)?;
    number.checked_mul(seconds)?.checked_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_calendar_times_or_spans_that_end_now() {
        let noon = Timestamp::parse("2026-07-07T12:00:00Z").expect("a time").micros();
        for (text, expected) in [
            ("2026-07-07T12:00:00Z", noon),
            ("2026-07-07 12:00:00", noon),
            ("2026-07-07T14:00:00+02:00", noon),
            ("2026-07-07", noon - 43_200_000_000),
            ("6h", noon - 21_600_000_000),
            ("90s", noon - 90_000_000),
            ("2w", noon - 1_209_600_000_000),
        ] {
            assert_eq!(at(text, noon), Ok(expected), "{text}");
        }
        for wrong in ["", "h", "-5h", "+5h", "1.5h", "yesterday", "2026-13-01", "9999999999d", "é"] {
            assert!(at(wrong, noon).is_err(), "{wrong}");
        }
    }
}
