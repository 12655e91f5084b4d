//! Series of each connection: where it stands, when it last succeeded, how long its last sync took.
//!
//! In: how connections stand. Out: OpenMetrics text without its end. Written by hand, not kept in the registry: series of connections
//! come and go with every scrape. Bounded: [`CONNECTIONS_MAX`] connections.

use crate::lifecycle::Summary;
use std::{collections::HashSet, fmt::Write};

/// Most connections that have series.
pub const CONNECTIONS_MAX: usize = 10_000;

/// A label's value, without its quotes.
fn escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

fn family(out: &mut String, name: &str, help: &str) {
    if name.ends_with("_seconds") {
        let _ = writeln!(out, "# UNIT {name} seconds");
    }
    let _ = writeln!(out, "# HELP {name} {help}.\n# TYPE {name} gauge");
}

/// One line: a name, the connection's id and more labels, which are written already.
fn line(out: &mut String, name: &str, id: &str, more: &str, value: f64) {
    out.push_str(name);
    out.push_str("{connection_id=\"");
    escaped(out, id);
    let _ = writeln!(out, "\"{more}}} {value}");
}

/// The series of these connections; of two with one id, those of the first.
#[must_use]
pub fn connection_series(connections: &[Summary]) -> String {
    let mut ids = HashSet::new();
    let mut known: Vec<&Summary> = connections.iter().collect();
    known.retain(|summary| ids.insert(summary.connection_id.as_str()));
    known.truncate(CONNECTIONS_MAX);
    let mut out = String::with_capacity(1024 + known.len() * 320);

    let name = "lifeline_connection_status";
    family(&mut out, name, "Where a connection stands: 1, the status is a label");
    for summary in &known {
        let mut labels = String::from(",connection_name=\"");
        escaped(&mut labels, summary.connection_name.as_deref().unwrap_or_default());
        let _ = write!(labels, "\",status=\"{}\"", summary.status.as_str());
        line(&mut out, name, &summary.connection_id, &labels, 1.0);
    }
    let name = "lifeline_connection_last_success_timestamp_seconds";
    family(&mut out, name, "When a connection's last successful sync ended");
    for (id, us) in known.iter().filter_map(|it| Some((&it.connection_id, it.last_success_us?))) {
        line(&mut out, name, id, "", us as f64 / 1e6);
    }
    let name = "lifeline_connection_sync_duration_seconds";
    family(&mut out, name, "How long a connection's last sync took");
    for (id, us) in known.iter().filter_map(|it| Some((&it.connection_id, it.last_duration_us?))) {
        line(&mut out, name, id, "", us as f64 / 1e6);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{lifecycle::Status, query::lives::fake::summary};

    #[test]
    fn a_connection_has_its_three_series() {
        let mut odd = summary("a\"b\\c\nd");
        (odd.connection_name, odd.status, odd.last_success_us) = (None, Status::Broken, None);
        let text = connection_series(&[summary("otter"), odd.clone(), Summary { status: Status::Paused, ..odd }]);
        let expected = r#"# HELP lifeline_connection_status Where a connection stands: 1, the status is a label.
# TYPE lifeline_connection_status gauge
lifeline_connection_status{connection_id="otter",connection_name="otter by name",status="connected"} 1
lifeline_connection_status{connection_id="a\"b\\c\nd",connection_name="",status="broken"} 1
# UNIT lifeline_connection_last_success_timestamp_seconds seconds
# HELP lifeline_connection_last_success_timestamp_seconds When a connection's last successful sync ended.
# TYPE lifeline_connection_last_success_timestamp_seconds gauge
lifeline_connection_last_success_timestamp_seconds{connection_id="otter"} 3.5
# UNIT lifeline_connection_sync_duration_seconds seconds
# HELP lifeline_connection_sync_duration_seconds How long a connection's last sync took.
# TYPE lifeline_connection_sync_duration_seconds gauge
lifeline_connection_sync_duration_seconds{connection_id="otter"} 2.5
lifeline_connection_sync_duration_seconds{connection_id="a\"b\\c\nd"} 2.5
"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn there_are_not_more_than_a_monitoring_system_can_take() {
        let many: Vec<Summary> = (0..CONNECTIONS_MAX + 5).map(|n| summary(&n.to_string())).collect();
        assert_eq!(connection_series(&many).matches("status=").count(), CONNECTIONS_MAX);
    }
}
