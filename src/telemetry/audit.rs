//! The series of the audit logs.
//!
//! In: numbers. Out: OpenMetrics text, to stand beside the registry's.

use std::fmt::Write as _;

/// What there is to say, each by the name of its log where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditSeries {
    /// Records.
    pub records: [(&'static str, u64); 2],
    /// Records under the newest checkpoint.
    pub tree_size: [(&'static str, u64); 2],
    /// When that was signed, microseconds; 0 before the first.
    pub last_checkpoint_us: [(&'static str, i64); 2],
    /// Records that were looked at since the start.
    pub scrubbed: u64,
    /// Whole passes over them.
    pub passes: u64,
    /// When the last one ended, microseconds; 0 before the first.
    pub last_pass_us: i64,
    /// Places that do not fit their hashes.
    pub damaged: u64,
    /// Checkpoints from outside the store that it does not fit.
    pub rollbacks: u64,
    /// Checkpoints that could not be sent at once.
    pub sink_failures: u64,
}

impl AuditSeries {
    /// The text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut family = |name: &str, kind: &str, unit: &str, help: &str, samples: Vec<(String, String)>| {
            // Writing to a String cannot fail.
            let _ = write!(out, "# HELP lifeline_audit_{name} {help}.\n# TYPE lifeline_audit_{name} {kind}\n");
            if !unit.is_empty() {
                let _ = writeln!(out, "# UNIT lifeline_audit_{name} {unit}");
            }
            let end = if kind == "counter" { "_total" } else { "" };
            for (labels, value) in samples {
                let _ = writeln!(out, "lifeline_audit_{name}{end}{labels} {value}");
            }
        };
        let by_log = |values: [(&str, u64); 2]| {
            values.map(|(log, value)| (format!("{{log=\"{log}\"}}"), value.to_string())).to_vec()
        };
        let one = |value: u64| vec![(String::new(), value.to_string())];
        let seconds = |us: i64| format!("{:?}", us as f64 / 1e6);
        family("records", "gauge", "", "Records of an audit log", by_log(self.records));
        family("tree_size", "gauge", "", "Records under the newest signed checkpoint", by_log(self.tree_size));
        let at = self.last_checkpoint_us.map(|(log, at)| (format!("{{log=\"{log}\"}}"), seconds(at))).to_vec();
        let help = "When the newest checkpoint was signed; 0 before the first";
        family("last_checkpoint_timestamp_seconds", "gauge", "seconds", help, at);
        family("scrub_records", "counter", "", "Records that were compared with their hashes", one(self.scrubbed));
        family("scrub_passes", "counter", "", "Whole passes over all records", one(self.passes));
        let last = vec![(String::new(), seconds(self.last_pass_us))];
        let help = "When the last whole pass ended; 0 before the first";
        family("scrub_last_pass_timestamp_seconds", "gauge", "seconds", help, last);
        family("damaged_records", "gauge", "", "Places that do not fit their hashes", one(self.damaged));
        let help = "Checkpoints outside the store that it does not fit";
        family("rollbacks", "gauge", "", help, one(self.rollbacks));
        let help = "Attempts to send a checkpoint that failed";
        family("checkpoint_sink_failures", "counter", "", help, one(self.sink_failures));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_manual() {
        let logs = |a, b| [("trail", a), ("access", b)];
        let series = AuditSeries {
            records: logs(7, 2),
            tree_size: logs(6, 2),
            last_checkpoint_us: [("trail", 1_500_000), ("access", 0)],
            scrubbed: 9,
            passes: 1,
            last_pass_us: 2_000_000,
            damaged: 3,
            rollbacks: 1,
            sink_failures: 4,
        };
        let text = series.text();
        for line in [
            r#"lifeline_audit_records{log="trail"} 7"#,
            r#"lifeline_audit_tree_size{log="access"} 2"#,
            r#"lifeline_audit_last_checkpoint_timestamp_seconds{log="trail"} 1.5"#,
            "lifeline_audit_scrub_records_total 9",
            "lifeline_audit_scrub_passes_total 1",
            "lifeline_audit_scrub_last_pass_timestamp_seconds 2.0",
            "lifeline_audit_damaged_records 3",
            "lifeline_audit_rollbacks 1",
            "lifeline_audit_checkpoint_sink_failures_total 4",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
