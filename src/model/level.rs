//! How serious an event is, in Fivetran's own words.

use serde::{Deserialize, Serialize};

/// Fivetran writes `java.util.logging` names. Source: LOG.event column and Cloud Logging labels,
/// `fivetran.md` section 3.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// Tracing output of connector code.
    Fine,
    /// Ordinary course of things.
    Info,
    /// Worth a look.
    Warning,
    /// Something failed.
    Severe,
}

impl Level {
    /// The name that answers and filters use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "FINE",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Severe => "SEVERE",
        }
    }

    /// Reads a level as any sender writes it: names of java.util.logging, syslog, OpenTelemetry and
    /// Cloud Logging in any case, and pino's numbers (10 to 60). `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let is = |names: &[&str]| names.iter().any(|name| text.eq_ignore_ascii_case(name));
        if is(&["info", "notice", "information", "informational", "30", "config"]) {
            Some(Self::Info)
        } else if is(&["warning", "warn", "40"]) {
            Some(Self::Warning)
        } else if is(&[
            "severe",
            "error",
            "err",
            "critical",
            "crit",
            "fatal",
            "alert",
            "emergency",
            "emerg",
            "50",
            "60",
        ]) {
            Some(Self::Severe)
        } else if is(&["fine", "finer", "finest", "debug", "trace", "verbose", "10", "20"]) {
            Some(Self::Fine)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Level;

    #[test]
    fn names_of_every_family_are_read() {
        for (text, level) in [
            ("INFO", Some(Level::Info)),
            (" warn ", Some(Level::Warning)),
            ("Severe", Some(Level::Severe)),
            ("ERROR", Some(Level::Severe)),
            ("FINEST", Some(Level::Fine)),
            ("30", Some(Level::Info)),
            ("loud", None),
            ("", None),
        ] {
            assert_eq!(Level::parse(text), level, "{text}");
        }
    }
}
