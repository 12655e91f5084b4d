//! Progress of long work: a bar on a terminal, a plain line every few seconds elsewhere. Always on standard error.

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressStyle};
use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

/// How often a plain line is written.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Progress through so many bytes or other things, with a count of things done on the way.
pub struct Progress {
    label: String,
    unit: &'static str,
    /// What `total` counts; `None` for bytes.
    whole: Option<&'static str>,
    bar: Option<ProgressBar>,
    total: u64,
    started: Instant,
    last_line: Instant,
}

impl Progress {
    /// `total` in bytes; 0 when it is not known. Nothing is shown when `quiet`.
    #[must_use]
    pub fn new(label: &str, total: u64, quiet: bool) -> Self {
        let bar = (!quiet && io::stderr().is_terminal()).then(|| bar(label, total));
        let now = Instant::now();
        // A quiet one never gets to its first line.
        let last_line = if quiet { now + Duration::from_secs(u32::MAX.into()) } else { now };
        Self { label: label.to_owned(), unit: "events", whole: None, bar, total, started: now, last_line }
    }

    /// The same through so many things that are no bytes: `unit` is counted on the way.
    #[must_use]
    pub fn counting(label: &str, total: u64, whole: &'static str, unit: &'static str, quiet: bool) -> Self {
        let mut progress = Self::new(label, total, quiet);
        (progress.unit, progress.whole) = (unit, Some(whole));
        if total == 0
            && let Some(bar) = &progress.bar
        {
            bar.set_style(style("{prefix} {spinner} {msg}, {elapsed}"));
        }
        progress
    }

    /// So many bytes were read and so many things done.
    pub fn set(&mut self, bytes: u64, done: u64) {
        let unit = self.unit;
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        let rate = (done as f64 / seconds) as u64;
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
            bar.set_message(format!("{done} {unit}, {rate}/s"));
            return;
        }
        if Instant::now().saturating_duration_since(self.last_line) < LINE_EVERY {
            return;
        }
        self.last_line = Instant::now();
        let amount = |n: u64| self.whole.map_or_else(|| HumanBytes(n).to_string(), |_| n.to_string());
        let mut line = format!("{}: {done} {unit}, {rate}/s", self.label);
        if self.whole.is_none() || self.total > 0 {
            line.push_str(&format!(", {}", amount(bytes)));
        }
        if self.total > 0 && bytes > 0 {
            let left = self.total.saturating_sub(bytes) as f64 / bytes as f64 * seconds;
            line.push_str(&format!(
                " of {}{}, {} left",
                amount(self.total),
                self.whole.map(|whole| format!(" {whole}")).unwrap_or_default(),
                HumanDuration(Duration::from_secs_f64(left.min(1e9)))
            ));
        }
        // Progress is a courtesy; work goes on without it.
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// What it goes up to.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// So many bytes of something whose length nobody knows.
    pub fn set_bytes(&mut self, bytes: u64, pieces: u64) {
        match &self.bar {
            Some(bar) => bar.set_position(bytes),
            None => {
                self.unit = "pieces";
                self.set(bytes, pieces);
            }
        }
    }

    /// Removes the bar.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(label: &str, total: u64) -> ProgressBar {
    let template = if total > 0 {
        "{prefix} {wide_bar} {percent:>3}% {msg}, {eta} left"
    } else {
        "{prefix} {spinner} {bytes} {msg}, {elapsed}"
    };
    let bar = if total > 0 { ProgressBar::new(total) } else { ProgressBar::new_spinner() };
    bar.with_style(style(template)).with_prefix(label.to_owned())
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
