//! Rights folded from documented events.

use super::*;
use crate::{
    audit::{Draft, canonical},
    model::{EventId, Hints, Payload, Record},
    pipeline::Understanding,
    redact::Redactor,
    validate::Schemas,
};
use proptest::prelude::*;
use serde_json::json;
use std::sync::{Arc, LazyLock};

static UNDERSTANDING: LazyLock<Understanding> =
    LazyLock::new(|| Understanding::new(Arc::new(Schemas::builtin()), Arc::new(Redactor::new([7; 32]))));

/// A record of an event of the audit trail: name, primary and secondary resource as `TYPE:id`, values before and after.
fn entry(seq: u64, event: &str, primary: &str, secondary: &str, old: Value, new: Value) -> Entry {
    let part = |text: &str, index: usize| text.split(':').nth(index).map(str::to_owned);
    let mut data =
        json!({"userId": "admin", "interactionMethod": "WEB_UI", "action": "EDIT", "oldValues": old, "newValues": new});
    for (name, resource) in [("primary", primary), ("secondary", secondary)] {
        if !resource.is_empty() {
            data[format!("{name}ResourceType")] = json!(part(resource, 0));
            data[format!("{name}ResourceId")] = json!(part(resource, 1));
        }
    }
    let text =
        json!({"event": event, "created": format!("2026-01-01T00:{:02}:{:02}Z", seq / 60, seq % 60), "data": data})
            .to_string();
    let record = Record { payload: Payload::Json(text.into()), hints: Hints::default() };
    let event = UNDERSTANDING.understand(&record, None, 0).expect("an event");
    let draft = Draft::of(&event.event, EventId(event.key)).expect("a record");
    Entry::parse(&canonical(seq, &draft.body())).expect("a record")
}

fn folded(entries: &[Entry]) -> AccessRights {
    let mut rights = Rights::default();
    entries.iter().for_each(|entry| rights.take(entry));
    rights.finish()
}

fn history() -> Vec<Entry> {
    let none = Value::Null;
    vec![
        entry(1, "create_user", "ACCOUNT:acc", "USER:ann", none.clone(), json!({"account_role": "Administrator"})),
        entry(2, "create_team", "TEAM:data", "", none.clone(), json!({"team_name": "Data", "account_role": "Analyst"})),
        entry(
            3,
            "edit_team",
            "TEAM:data",
            "USER:ann",
            none.clone(),
            json!({"change": "ADD", "new_user_id": "ann", "type": "USER"}),
        ),
        entry(
            4,
            "edit_team",
            "TEAM:data",
            "USER:ann",
            none.clone(),
            json!({"change": "ASSIGN_TEAM_MANAGER", "user_id": "ann"}),
        ),
        entry(5, "edit_team", "TEAM:data", "USER:bob", none.clone(), json!({"change": "ADD", "new_user_id": "bob"})),
        entry(
            6,
            "edit_user",
            "USER:ann",
            "",
            json!({"account_role": "Administrator"}),
            json!({"account_role": "Reviewer"}),
        ),
        entry(
            7,
            "edit_user",
            "CONNECTION:c1",
            "USER:bob",
            json!({"permission": null}),
            json!({"permission": "Editor"}),
        ),
        entry(
            8,
            "edit_team",
            "DESTINATION:d1",
            "TEAM:data",
            json!({"permission": "Viewer"}),
            json!({"permission": "Owner"}),
        ),
        entry(9, "edit_connection", "CONNECTION:c1", "", json!({"is_paused": true}), json!({"is_paused": false})),
        entry(
            10,
            "edit_team",
            "TEAM:data",
            "USER:ann",
            none.clone(),
            json!({"change": "UNASSIGN_TEAM_MANAGER", "user_id": "ann"}),
        ),
        entry(
            11,
            "edit_team",
            "TEAM:data",
            "USER:ann",
            json!({"change": "REMOVE", "resource_id": "ann"}),
            none.clone(),
        ),
        entry(12, "delete_user", "USER:ann", "", json!({"user_id": "ann"}), none),
    ]
}

#[test]
fn rights_are_those_of_the_moment() {
    let history = history();
    insta::assert_json_snapshot!("after_eight_records", folded(&history[..8]));
    insta::assert_json_snapshot!("at_the_end", folded(&history));
}

#[test]
fn who_is_deleted_holds_nothing() {
    let mut all = history();
    all.push(entry(13, "delete_team", "TEAM:data", "", json!({"team_id": "data"}), Value::Null));
    all.push(entry(14, "delete_connection", "CONNECTION:c1", "", Value::Null, Value::Null));
    let rights = folded(&all);
    assert_eq!((rights.memberships, rights.permissions, rights.roles), (Vec::new(), Vec::new(), Vec::new()));
    let deleted: Vec<Option<u64>> =
        rights.users.iter().map(|user| user.deleted.as_ref().map(|proof| proof.seq)).collect();
    assert_eq!(deleted, [Some(12), None]);
    all.push(entry(15, "create_user", "ACCOUNT:acc", "USER:ann", Value::Null, json!({"account_role": "Analyst"})));
    let ann = folded(&all).users.remove(0);
    assert_eq!((ann.deleted, ann.created.map(|proof| proof.seq), ann.first_seq), (None, Some(15), 1));
}

#[test]
fn a_role_taken_away_is_gone() {
    let all = [
        entry(1, "edit_user", "DESTINATION:d", "USER:u", json!({"permission": null}), json!({"permission": "Viewer"})),
        entry(2, "edit_user", "DESTINATION:d", "USER:u", json!({"permission": "Viewer"}), json!({"permission": null})),
        entry(3, "edit_user", "USER:u", "", json!({"account_role": "A"}), json!({"account_role": null})),
    ];
    assert_eq!(folded(&all[..1]).permissions.len(), 1);
    let rights = folded(&all);
    assert!(rights.permissions.is_empty() && rights.roles.is_empty());
    assert_eq!(rights.records, 3);
}

#[test]
fn the_events_that_tell_of_rights_are_listed() {
    let history = history();
    let told: Vec<Entry> = history.iter().filter(|entry| EVENTS.contains(&entry.event.as_str())).cloned().collect();
    assert_eq!(folded(&told), folded(&history));
}

#[test]
fn beyond_the_bound_holders_are_counted() {
    let mut rights = Rights::default();
    let mut one = entry(1, "create_user", "ACCOUNT:a", "USER:u", Value::Null, json!({"account_role": "A"}));
    for number in 0..HOLDERS_MAX as u64 + 5 {
        one.seq = number + 1;
        one.secondary_resource.as_mut().expect("a user").id = Some(number.to_string());
        rights.take(&one);
    }
    let rights = rights.finish();
    assert_eq!((rights.users.len(), rights.omitted), (HOLDERS_MAX, 5));
}

proptest! {
    /// Any order of any of these records: nothing panics, only what is there holds something, and every claim names a record.
    #[test]
    fn any_history_is_taken(order in proptest::collection::vec(0..12_usize, 0..40)) {
        let history = history();
        let rights = folded(&order.iter().map(|at| history[*at].clone()).collect::<Vec<_>>());
        let is_deleted = |list: &[Holder], id: &str| list.iter().any(|it| it.id == id && it.deleted.is_some());
        for holder in rights.users.iter().chain(&rights.teams) {
            prop_assert!(holder.first_seq > 0 && (holder.deleted.is_none() || holder.account_role.is_none()));
        }
        for membership in &rights.memberships {
            prop_assert!(membership.member.is_some() || membership.manager.is_some());
            prop_assert!(!is_deleted(&rights.users, &membership.user) && !is_deleted(&rights.teams, &membership.team));
        }
        for permission in &rights.permissions {
            prop_assert!(!is_deleted(&rights.users, &permission.holder) && !is_deleted(&rights.teams, &permission.holder));
        }
        let sum: usize = rights.roles.iter().map(|role| role.permissions).sum();
        prop_assert_eq!(sum, rights.permissions.len());
    }
}
