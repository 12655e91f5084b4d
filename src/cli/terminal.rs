//! What terminals have in common: colours, widths, ages, and texts that do nothing but be read.
//!
//! In: texts from anywhere. Out: texts of a known width without control characters. Colour only adds to signs and words, so
//! that nothing is lost without it.

use crate::model::{Micros, Timestamp};
use std::io::IsTerminal as _;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Columns when nobody says.
const WIDTH_DEFAULT: usize = 80;
/// Narrower than this nothing can be laid out.
const WIDTH_MIN: usize = 60;

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, clap::ValueEnum)]
pub enum When {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A colour with a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tone {
    /// As the terminal writes.
    Plain,
    /// In order.
    Good,
    /// Broken.
    Bad,
    /// To be looked at.
    Warn,
    /// Going on.
    Busy,
    /// Beside the point.
    Quiet,
    /// A heading.
    Strong,
}

/// How standard output is written on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Screen {
    /// Columns.
    pub width: usize,
    /// Whether colours are used.
    pub colour: bool,
}

impl Screen {
    /// Of this process.
    #[must_use]
    pub fn of_stdout(when: When) -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colour = match when {
            When::Auto => is_terminal && !set("NO_COLOR") && !dumb,
            When::Always => true,
            When::Never => false,
        };
        let told = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
        let asked = || terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
        let width = told.or_else(asked).unwrap_or(WIDTH_DEFAULT).clamp(WIDTH_MIN, 1_000);
        Self { width, colour }
    }

    /// A text in a colour.
    #[must_use]
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Good => "32",
            Tone::Bad => "1;31",
            Tone::Warn => "33",
            Tone::Busy => "36",
            Tone::Quiet => "2",
            Tone::Strong => "1",
        };
        if self.colour && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The text without anything that moves the cursor, changes colours or turns the direction of writing.
#[must_use]
pub fn inert(text: &str) -> String {
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{061c}' | '\u{fff9}'..='\u{fffb}')
            || ('\u{e0000}'..='\u{e007f}').contains(&c)
    };
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            c if odd(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// Columns of a text.
#[must_use]
pub fn width(text: &str) -> usize {
    text.width()
}

/// At most so many columns; what was cut ends with `…`. The text is inert already.
#[must_use]
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide + 1 > columns {
            break;
        }
        used += wide;
        out.push(c);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// Exactly so many columns.
#[must_use]
pub fn fit(text: &str, columns: usize) -> String {
    let mut out = cut(text, columns);
    let used = width(&out);
    out.extend(std::iter::repeat_n(' ', columns.saturating_sub(used)));
    out
}

/// The same, flush right.
#[must_use]
pub fn fit_right(text: &str, columns: usize) -> String {
    let cut = cut(text, columns);
    format!("{}{cut}", " ".repeat(columns.saturating_sub(width(&cut))))
}

/// Lines of at most so many columns, broken between words where that is possible; what does not fit into so many lines is cut.
#[must_use]
pub fn wrap(words: &str, columns: usize, lines_max: usize) -> Vec<String> {
    let columns = columns.max(8);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut cut = false;
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        let mut word = word.to_owned();
        loop {
            let gap = usize::from(!line.is_empty());
            if width(&line) + gap + width(&word) <= columns {
                if gap > 0 {
                    line.push(' ');
                }
                line.push_str(&word);
                break;
            }
            if line.is_empty() {
                let fitting = fit_prefix(&word, columns);
                line = word.drain(..fitting).collect();
            }
            if lines.len() + 1 == lines_max {
                cut = true;
                break;
            }
            lines.push(std::mem::take(&mut line));
        }
        if cut {
            break;
        }
    }
    if cut {
        let shorter = fit_prefix(&line, columns - 1);
        line.truncate(shorter);
        line.push('…');
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// Bytes of the longest beginning that fits; at least one character.
fn fit_prefix(text: &str, columns: usize) -> usize {
    let mut end = 0;
    for (at, c) in text.char_indices() {
        let next = at + c.len_utf8();
        if end > 0 && width(&text[..next]) > columns {
            break;
        }
        end = next;
    }
    end
}

/// A span in two units at most: `850 ms`, `54 s`, `5 min 14 s`, `2 h 10 min`, `3 d 4 h`.
#[must_use]
pub fn span(us: Micros) -> String {
    let sign = if us < 0 { "-" } else { "" };
    let ms = us.unsigned_abs() / 1_000;
    let seconds = ms / 1_000;
    let two = |large: u64, large_unit: &str, small: u64, small_unit: &str| {
        if small == 0 { format!("{large} {large_unit}") } else { format!("{large} {large_unit} {small} {small_unit}") }
    };
    let text = match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds / 60 % 60, "min"),
        _ => two(seconds / 86_400, "d", seconds / 3_600 % 24, "h"),
    };
    format!("{sign}{text}")
}

/// How long ago, in one unit: `now`, `4 min`, `2 h`, `3 d`; `in 5 min` for what is ahead.
#[must_use]
pub fn age(at: Micros, now: Micros) -> String {
    let ahead = at > now;
    let seconds = now.abs_diff(at) / 1_000_000;
    let text = match seconds {
        0..60 => return "now".to_owned(),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    };
    if ahead { format!("in {text}") } else { text }
}

/// A number with commas: `1,204,000`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, c) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A number and what it counts.
#[must_use]
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A moment that an answer names, in microseconds.
#[must_use]
pub fn micros(text: &str) -> Option<Micros> {
    Timestamp::parse_calendar(text).ok().map(Timestamp::micros)
}

/// Date and time of a moment to the second, in UTC: (`2026-07-07`, `16:35:14`).
#[must_use]
pub fn calendar(at: Micros) -> (String, String) {
    let text = Timestamp::from_micros(at).to_string();
    (text.chars().take(10).collect(), text.chars().skip(11).take(8).collect())
}

/// Date and time in one: `2026-07-07 16:35:14`.
#[must_use]
pub fn moment(at: Micros) -> String {
    let (date, time) = calendar(at);
    format!("{date} {time}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_by_columns_and_not_by_letters() {
        assert_eq!(cut("orders", 6), "orders");
        assert_eq!(cut("orders!", 6), "order…");
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(width(&fit("日本語テ", 6)), 6);
        assert_eq!(fit_right("7", 3), "  7");
        assert_eq!(cut("x", 0), "");
    }

    #[test]
    fn what_could_steer_a_terminal_is_made_visible() {
        assert_eq!(inert("a\x1b[31mb\u{9b}2Jc\u{202e}d\ne"), "a\u{fffd}[31mb\u{fffd}2Jc\u{fffd}d e");
        assert_eq!(inert("Größe 日本"), "Größe 日本");
    }

    #[test]
    fn spans_and_ages_have_two_units_and_one() {
        let spans = [850, 54_000, 314_000, 7_800_000, 273_600_000, 0].map(|ms| span(ms * 1_000));
        assert_eq!(spans, ["850 ms", "54 s", "5 min 14 s", "2 h 10 min", "3 d 4 h", "0 ms"]);
        assert_eq!(span(-61_000_000), "-1 min 1 s");
        let ages = [1, 240, 7_200, 259_200].map(|seconds| age(0, seconds * 1_000_000));
        assert_eq!(ages, ["now", "4 min", "2 h", "3 d"]);
        assert_eq!(age(600_000_000, 0), "in 10 min");
        assert_eq!([count(7), count(1_204_000), count(123_456)], ["7", "1,204,000", "123,456"]);
        assert_eq!(age(i64::MIN, i64::MAX), "213503982 d");
    }
}
