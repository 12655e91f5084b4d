//! Counts of records.

use super::*;
use crate::audit::canonical;

fn record(seq: u64, actor: &str, action: &str, resource: &str) -> String {
    let resource =
        if resource.is_empty() { "null".to_owned() } else { format!(r#"{{"type":"CONNECTION","id":"{resource}"}}"#) };
    let body = format!(
        r#""id":"0","at":"2026-01-01T00:00:00Z","actor":{{"id":"{actor}","kind":"user"}},"method":null,"action":"{action}","use_case":"sync","event":"sync_connection","event_id":null,"primary_resource":{resource},"secondary_resource":null,"changes":[{{"field":"a","old":null,"new":"\n"}}]}}"#
    );
    canonical(seq, &body)
}

#[test]
fn records_are_counted_by_who_what_and_to_what() {
    let mut summary = Summary::default();
    for (seq, actor, action, resource) in
        [(4, "ann", "EDIT", "c1"), (2, "bob \\\"q\\\"", "EDIT", "c1"), (3, "ann", "SYNC", ""), (9, "ann", "EDIT", "c2")]
    {
        summary.take(&record(seq, actor, action, resource)).expect("a record");
    }
    assert!(summary.take("{}").is_err());
    let totals = summary.finish();
    assert_eq!((totals.records, totals.first_seq, totals.last_seq), (4, Some(2), Some(9)));
    let shown = |counts: &Counts| -> Vec<String> {
        let text = |it: &Option<String>| it.as_deref().unwrap_or("-").to_owned();
        counts
            .top
            .iter()
            .map(|it| format!("{} {} {} {}-{}", text(&it.kind), text(&it.name), it.records, it.first_seq, it.last_seq))
            .collect()
    };
    assert_eq!(shown(&totals.actors), ["user ann 3 3-9", "user bob \"q\" 1 2-2"]);
    assert_eq!(shown(&totals.actions), ["- EDIT 3 2-9", "- SYNC 1 3-3"]);
    assert_eq!(shown(&totals.use_cases), ["sync_connection sync 4 2-9"]);
    assert_eq!(shown(&totals.resources), ["CONNECTION c1 2 2-4", "- - 1 3-3", "CONNECTION c2 1 9-9"]);
}

#[test]
fn beyond_the_bound_names_are_one_number() {
    let mut summary = Summary::default();
    let many = KEYS_MAX as u64 + 10;
    for seq in 1..=many {
        summary.take(&record(seq, &format!("u{seq}"), "EDIT", "c")).expect("a record");
    }
    summary.take(&record(many + 1, "u7", "EDIT", "c")).expect("a record");
    let actors = summary.finish().actors;
    assert_eq!((actors.top.len(), actors.top[0].name.as_deref(), actors.top[0].records), (TOP_MAX, Some("u7"), 2));
    assert_eq!(actors.other, many + 1 - (TOP_MAX as u64 + 1));
    assert_eq!(actors.other_names, (KEYS_MAX - TOP_MAX) as u64 + 1);
}
