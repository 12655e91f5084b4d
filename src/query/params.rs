//! The parameters of a query, strictly: nothing unknown, nothing twice, nothing that cannot be read.
//!
//! In: a percent-encoded query string and the names that are allowed. Out: texts and typed values. Refused with
//! [`BadParameter`]: everything else, in words that say what would have been right.

use crate::model::{Fine, Micros, Timestamp};
use std::str::FromStr;

/// Longest value of a parameter, in bytes.
const VALUE_BYTES_MAX: usize = 1024;

/// What is wrong with a query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parameter {name}: {detail}")]
pub struct BadParameter {
    /// Its name, as far as it can be read.
    pub name: String,
    /// What is wrong.
    pub detail: String,
    /// What is allowed instead.
    pub allowed: Vec<String>,
}

impl BadParameter {
    /// A bad value.
    #[must_use]
    pub fn new(name: &str, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), detail: detail.into(), allowed: Vec::new() }
    }

    fn allowing<'a>(self, allowed: impl IntoIterator<Item = &'a str>) -> Self {
        Self { allowed: allowed.into_iter().map(str::to_owned).collect(), ..self }
    }
}

/// The parameters of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a query string (without the question mark). Every name has to be one of `known` and may come once.
    ///
    /// # Errors
    /// The first parameter that breaks these rules.
    pub fn parse(query: &str, known: &[&str]) -> Result<Self, BadParameter> {
        Self::parse_long(query, known, &[])
    }

    /// The same, where some parameters may be longer than others: their names with the bytes that they may have.
    ///
    /// # Errors
    /// As [`Params::parse`].
    pub fn parse_long(query: &str, known: &[&str], long: &[(&str, usize)]) -> Result<Self, BadParameter> {
        let mut found: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).ok_or_else(|| BadParameter::new("?", "a name is not percent-encoded UTF-8"))?;
            if !known.contains(&name.as_str()) {
                let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
                return Err(BadParameter::new(&shown, "is not known here").allowing(known.iter().copied()));
            }
            let value = decode(value).ok_or_else(|| BadParameter::new(&name, "is not percent-encoded UTF-8"))?;
            if value.is_empty() {
                return Err(BadParameter::new(&name, "must not be empty; leave it out instead"));
            }
            let most = long.iter().find(|(long, _)| *long == name).map_or(VALUE_BYTES_MAX, |(_, most)| *most);
            if value.len() > most {
                return Err(BadParameter::new(&name, format!("is longer than {most} bytes")));
            }
            if found.iter().any(|(earlier, _)| *earlier == name) {
                return Err(BadParameter::new(&name, "is given more than once"));
            }
            found.push((name, value));
        }
        Ok(Self(found))
    }

    /// A value as text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A value that is one of a list of words.
    ///
    /// # Errors
    /// Any other word.
    pub fn word<T: Copy>(&self, name: &str, all: &[T], word: fn(T) -> &'static str) -> Result<Option<T>, BadParameter> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        match all.iter().find(|value| word(**value) == text) {
            Some(value) => Ok(Some(*value)),
            None => {
                Err(BadParameter::new(name, "is none of the known words")
                    .allowing(all.iter().map(|value| word(*value))))
            }
        }
    }

    /// `true` or `false`; false when absent.
    ///
    /// # Errors
    /// Anything else.
    pub fn flag(&self, name: &str) -> Result<bool, BadParameter> {
        Ok(self.word(name, &[true, false], |flag| if flag { "true" } else { "false" })?.unwrap_or(false))
    }

    /// A whole number within bounds.
    ///
    /// # Errors
    /// Anything else.
    pub fn number<T>(&self, name: &str, bounds: std::ops::RangeInclusive<T>) -> Result<Option<T>, BadParameter>
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        text.parse()
            .ok()
            .filter(|number| bounds.contains(number) && text.bytes().all(|b| b.is_ascii_digit()))
            .map(Some)
            .ok_or_else(|| {
                BadParameter::new(name, format!("is not a whole number from {} to {}", bounds.start(), bounds.end()))
            })
    }

    /// A moment in RFC 3339, in microseconds. Nanoseconds are rounded up, so that `from` stays inclusive and `to`
    /// exclusive.
    ///
    /// # Errors
    /// Any other text, also one without an offset.
    pub fn time(&self, name: &str) -> Result<Option<Micros>, BadParameter> {
        self.text(name).map(|text| rounded_up(name, text)).transpose()
    }

    /// A moment in RFC 3339 whose microsecond is still to be seen: nanoseconds are left out.
    ///
    /// # Errors
    /// As [`Params::time`].
    pub fn moment(&self, name: &str) -> Result<Option<Micros>, BadParameter> {
        self.text(name).map(|text| timestamp(name, text).map(Timestamp::micros)).transpose()
    }

    /// `from` and `to`, to the nanosecond. `dates`: a date is a moment, too, as in [`Params::time_or_date`].
    ///
    /// # Errors
    /// Any other text, or a beginning behind the end.
    pub fn period(&self, dates: bool) -> Result<(Option<Micros>, Option<Micros>, Fine), BadParameter> {
        let bound = |name: &str| match self.text(name) {
            Some(date) if dates && date.len() == 10 => {
                Ok(self.time_or_date(name)?.map(|midnight| (midnight, midnight, 0)))
            }
            Some(text) => {
                let time = timestamp(name, text)?;
                Ok(Some((time.micros(), rounded_up(name, text)?, time.sub_micro_nanos())))
            }
            None => Ok(None),
        };
        let (from, to) = (bound("from")?, bound("to")?);
        if let (Some(from), Some(to)) = (from, to)
            && (from.0, from.2) > (to.1 - i64::from(to.2 > 0), to.2)
        {
            return Err(BadParameter::new("from", "is later than to"));
        }
        let fine = Fine { from_ns: from.map_or(0, |from| from.2), to_ns: to.map_or(0, |to| to.2) };
        Ok((from.map(|from| from.0), to.map(|to| to.1), fine))
    }

    /// A moment as [`Params::time`] reads it, or a date (`2026-07-07`), which stands for its first moment in UTC.
    ///
    /// # Errors
    /// Any other text.
    pub fn time_or_date(&self, name: &str) -> Result<Option<Micros>, BadParameter> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        if text.len() != 10 {
            return rounded_up(name, text).map(Some);
        }
        let midnight = timestamp(name, &format!("{text}T00:00:00Z"));
        midnight.map(|time| Some(time.micros())).map_err(|_| {
            BadParameter::new(name, "is neither a date nor an RFC 3339 time")
                .allowing(["2026-07-07", "2026-07-07T16:35:14.456Z"])
        })
    }
}

fn rounded_up(name: &str, text: &str) -> Result<Micros, BadParameter> {
    let time = timestamp(name, text)?;
    Ok(time.micros() + i64::from(time.sub_micro_nanos() > 0))
}

fn timestamp(name: &str, text: &str) -> Result<Timestamp, BadParameter> {
    let wrong = |detail: &str| BadParameter::new(name, detail).allowing(["2026-07-07T16:35:14.456Z"]);
    if let Some((_, " ")) = text.len().checked_sub(6).and_then(|at| text.get(at..at + 1)).map(|c| ((), c)) {
        return Err(wrong("is no RFC 3339 time; the plus sign of an offset has to be written %2B"));
    }
    let bytes = text.as_bytes();
    let has_offset = matches!(bytes.last(), Some(b'Z' | b'z'))
        || bytes.len() > 6 && matches!(bytes[bytes.len() - 6], b'+' | b'-') && bytes[bytes.len() - 3] == b':';
    if !matches!(bytes.get(10), Some(b'T' | b't')) || !has_offset {
        return Err(wrong("is no RFC 3339 time with an offset"));
    }
    Timestamp::parse_calendar(text).map_err(|_| wrong("is no RFC 3339 time"))
}

/// Undoes percent-encoding (`+` is a space); `None` for a broken escape or bytes that are not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                (digit()? << 4 | digit()?) as u8
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Result<Params, BadParameter> {
        Params::parse(query, &["limit", "from", "all", "q"])
    }

    #[track_caller]
    fn refused(query: &str, name: &str, detail: &str) {
        let error = params(query)
            .and_then(|p| p.number("limit", 1..=1000_usize).map(|_| p))
            .and_then(|p| p.time("from").map(|_| p))
            .and_then(|p| p.flag("all"))
            .expect_err(query);
        assert_eq!(error.name, name, "{query}");
        assert!(error.detail.contains(detail), "{query}: {error}");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        refused("limits=1", "limits", "not known");
        refused("limit=1&limit=2", "limit", "more than once");
        refused("limit=", "limit", "empty");
        refused("limit", "limit", "empty");
        for limit in ["0", "1001", "-1", "+1", "1e2", "ten", "99999999999999999999", "1%20"] {
            refused(&format!("limit={limit}"), "limit", "whole number from 1 to 1000");
        }
        refused("q=%zz", "q", "percent-encoded");
        refused("q=%ff", "q", "percent-encoded");
        refused("q=%4", "q", "percent-encoded");
        refused("%ff=1", "?", "percent-encoded");
        refused(&format!("q={}", "x".repeat(1025)), "q", "longer");
        refused("all=yes", "all", "none of the known words");
        for time in ["yesterday", "2026-07-07", "2026-07-07T16:35:14", "2026-07-07%2016:35:14Z", "1786959683", "éééééé"]
        {
            refused(&format!("from={time}"), "from", "RFC 3339");
        }
        refused("from=2026-07-07T16:35:14+02:00", "from", "%2B");
        refused("from=2026-13-07T16:35:14Z", "from", "RFC 3339");
    }

    #[test]
    fn good_values_are_read() {
        let p = params("limit=1000&from=2026-07-07T16:35:14%2B02:00&all=true&q=a+b%26c").expect("good");
        assert_eq!(p.number("limit", 1..=1000_usize), Ok(Some(1000)));
        assert_eq!(p.time("from"), Ok(Some(1_783_434_914_000_000)));
        assert_eq!(p.flag("all"), Ok(true));
        assert_eq!(p.text("q"), Some("a b&c"));
        let p = params("from=2026-07-07T14:35:14.0000001z").expect("good");
        assert_eq!(p.time("from"), Ok(Some(1_783_434_914_000_001)), "rounded up");
        assert_eq!(p.moment("from"), Ok(Some(1_783_434_914_000_000)), "left out");
        let p = params("from=2026-07-07").expect("good");
        assert_eq!(p.time_or_date("from"), Ok(Some(1_783_382_400_000_000)));
        for date in ["2026-13-07", "2026-7-007", "yesterday!", "éééééé"] {
            let p = params(&format!("from={date}")).expect("a text");
            assert_eq!(p.time_or_date("from").map_err(|e| e.name), Err("from".to_owned()), "{date}");
        }
        assert_eq!(params(""), Ok(Params::default()));
    }
}
