//! Records of an audit log as a table: who did what to what, and what changed.
//!
//! In: records as answers carry them, oldest first. Out: a heading for each day and a line for each record, at most as wide as the screen.
//! Nothing in a record can steer the terminal.

use crate::cli::terminal::{Screen, Tone, calendar, cut, fit, fit_right, inert, micros, width};
use serde_json::Value;

/// Fewer columns than this tell nothing of a change.
const CHANGE_MIN: usize = 28;
/// Changes that are told of one record.
const CHANGES_MAX: usize = 8;
/// Characters of a value that are told.
const VALUE_CHARS_MAX: usize = 60;

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().unwrap_or_default()
}

/// One record, inert.
struct Row {
    tone: Tone,
    date: String,
    time: String,
    seq: String,
    who: String,
    what: String,
    to: String,
    change: String,
}

/// A value in a few letters.
fn value(value: &Value) -> String {
    let text = match value {
        Value::Null => "–".to_owned(),
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => text.chars().take(VALUE_CHARS_MAX + 1).collect(),
        other => other.to_string().chars().take(VALUE_CHARS_MAX + 1).collect(),
    };
    cut(&inert(&text), VALUE_CHARS_MAX)
}

fn resource(record: &Value, member: &str) -> Option<String> {
    let it = &record[member];
    let parts = [text(it, "type"), text(it, "id")];
    let told: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    (!told.is_empty()).then(|| told.join(" "))
}

fn change(record: &Value) -> String {
    let changes = record["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let told = changes.iter().take(CHANGES_MAX).map(|it| {
        let field: String = text(it, "field").chars().take(VALUE_CHARS_MAX).collect();
        format!("{}: {} → {}", inert(&field), value(&it["old"]), value(&it["new"]))
    });
    let mut told: Vec<String> = told.collect();
    let omitted = record["changes_omitted"].as_u64().unwrap_or(0);
    let more = changes.len().saturating_sub(CHANGES_MAX) as u64 + omitted;
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    if let Some(other) = resource(record, "secondary_resource") {
        told.insert(0, format!("of {}", inert(&other)));
    }
    told.join(", ")
}

/// `EDIT pause or resume`, `CREATE connection`.
fn told(action: &str, what: &str) -> String {
    let rest = what.strip_prefix(&action.to_lowercase()).map(str::trim_start).filter(|rest| !rest.is_empty());
    format!("{action} {}", rest.unwrap_or(what))
}

fn row(record: &Value) -> Row {
    let (date, time) = micros(text(record, "at")).map(calendar).unwrap_or_default();
    let actor = &record["actor"];
    let who = match (text(actor, "id"), text(actor, "kind")) {
        ("", kind) => format!("({kind})"),
        (id, _) => id.to_owned(),
    };
    let action = text(record, "action");
    let tone = match action {
        "DELETE" => Tone::Bad,
        "CREATE" => Tone::Good,
        "ACCESS" | "EXPORT" | "LOGIN" => Tone::Warn,
        _ => Tone::Plain,
    };
    // Where the use case says nothing, the event does.
    let what = match text(record, "use_case") {
        "" | "other" => text(record, "event"),
        use_case => use_case,
    };
    Row {
        tone,
        date,
        time,
        seq: record["seq"].to_string(),
        who: inert(&who),
        what: inert(&told(action, &what.replace('_', " "))),
        to: inert(&resource(record, "primary_resource").unwrap_or_default()),
        change: change(record),
    }
}

/// The whole list. Records whose text was removed by retention are not in it.
#[must_use]
pub fn table(records: &[Value], screen: &Screen) -> String {
    let rows: Vec<Row> = records.iter().map(row).collect();
    let widest = |of: fn(&Row) -> &str, most: usize| rows.iter().map(|row| width(of(row))).max().unwrap_or(0).min(most);
    let seq = widest(|row| &row.seq, 12);
    let room = screen.width.saturating_sub(8 + 2 + seq + 2 + 2 + 2 + 2);
    let (mut who, mut what) = (widest(|row| &row.who, 32), widest(|row| &row.what, 40));
    let mut to = widest(|row| &row.to, 40);
    let left = room.saturating_sub(who + what + to);
    // Too little room beside the others: changes go below, and the others give way.
    let below = left < CHANGE_MIN;
    if below {
        who = who.min(room / 3);
        what = what.min((room - who).saturating_sub(to).max((room - who) / 2));
        to = to.min(room - who - what);
    }
    let (mut out, mut day) = (String::new(), "");
    for row in &rows {
        if row.date != day {
            let gap = if day.is_empty() { "" } else { "\n" };
            out.push_str(&format!("{gap}{}\n", screen.paint(Tone::Strong, &row.date)));
            day = &row.date;
        }
        let head = format!("{:8}  {}", row.time, fit_right(&row.seq, seq));
        let what = screen.paint(row.tone, &fit(&row.what, what));
        let change = if below { String::new() } else { cut(&row.change, left) };
        let line =
            format!("{}  {}  {what}  {}", screen.paint(Tone::Quiet, &head), fit(&row.who, who), fit(&row.to, to));
        let line = if change.is_empty() { line } else { format!("{line}  {change}") };
        out.push_str(line.trim_end());
        out.push('\n');
        if below && !row.change.is_empty() {
            let indent = " ".repeat(8 + 2 + seq + 2);
            let words = cut(&row.change, screen.width.saturating_sub(indent.len() + 2));
            out.push_str(&format!("{indent}{}\n", screen.paint(Tone::Quiet, &format!("└ {words}"))));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample() -> Vec<Value> {
        vec![
            json!({"seq": 7, "at": "2026-07-06T09:10:00Z", "actor": {"id": null, "kind": "api"}, "action": "POST", "use_case": "api_call",
                "event": "api_call", "primary_resource": {"type": "CONNECTION", "id": "brave_otter"}, "secondary_resource": null, "changes": []}),
            json!({"seq": 17, "at": "2026-07-07T16:34:20.536Z", "actor": {"id": "ana@example.com", "kind": "email"}, "action": "EDIT",
                "use_case": "pause_or_resume", "event": "edit_connection", "primary_resource": {"type": "CONNECTION", "id": "brave_otter"},
                "secondary_resource": null, "changes": [{"field": "is_paused", "old": true, "new": false},
                {"field": "note\u{1b}[2J", "old": null, "new": {"a": 1}}]}),
            json!({"seq": 1218, "at": "2026-07-07T17:00:00Z", "actor": {"id": "exalted_hare", "kind": "user"}, "action": "DELETE",
                "use_case": "remove_user", "event": "edit_team", "primary_resource": {"type": "TEAM", "id": "data"},
                "secondary_resource": {"type": "USER", "id": "日本語"}, "changes": [], "changes_omitted": 3}),
        ]
    }

    #[test]
    fn who_did_what_is_read_in_a_line() {
        insta::assert_snapshot!("wide", table(&sample(), &Screen { width: 140, colour: false }));
        insta::assert_snapshot!("narrow", table(&sample(), &Screen { width: 80, colour: false }));
        let coloured = table(&sample(), &Screen { width: 140, colour: true });
        assert!(!coloured.contains("\u{1b}[2J"), "a name does not steer the terminal");
    }

    proptest::proptest! {
        /// Actors, resources and values come from anywhere.
        #[test]
        fn no_record_steers_the_terminal_or_breaks_the_table(name in proptest::prelude::any::<String>(), columns in 60_usize..160) {
            let mut found = sample();
            found[0]["actor"]["id"] = json!(name);
            found[1]["use_case"] = json!(name);
            found[1]["changes"][0]["field"] = json!(name);
            found[1]["changes"][0]["new"] = json!(name);
            found[2]["primary_resource"]["id"] = json!(name);
            found[2]["at"] = json!(name);
            for line in table(&found, &Screen { width: columns, colour: false }).lines() {
                proptest::prop_assert!(!line.chars().any(char::is_control), "{:?}", line);
                proptest::prop_assert!(width(line) <= columns, "{} {:?}", columns, line);
            }
        }
    }
}
