//! What every store must do with audit logs.

use super::*;
use crate::audit::{Actor, ActorKind, Draft, Entry, Log, canonical, tree};
use crate::store::trail::{Hash, NodeId, PruneRequest, Record, RecordFilter, RecordQuery};

/// What people did, the `n`th of a family: every road, several actors, connections and kinds of things.
pub fn deed(n: i64) -> NewEvent {
    let connection = format!("conn_{}", n % 4);
    let (name, family, data) = match n % 5 {
        0 => (
            "pause_connector",
            Family::Dashboard,
            json!({"actor": format!("p{}@example.com", n % 3), "id": connection}),
        ),
        1 => (
            "edit_connection",
            Family::AuditTrail,
            json!({"userId": format!("user_{}", n % 7), "action": "EDIT", "interactionMethod": "WEB_UI",
                "primaryResourceType": "CONNECTION", "primaryResourceId": connection,
                "oldValues": {"sync_frequency": n}, "newValues": {"sync_frequency": n + 1, "note": "Größe \"x\""}}),
        ),
        2 => (
            "edit_team",
            Family::AuditTrail,
            json!({"userId": "user_1", "action": "EDIT", "interactionMethod": "API", "primaryResourceType": "TEAM",
                "primaryResourceId": format!("team_{}", n % 2), "secondaryResourceType": "CONNECTION",
                "secondaryResourceId": connection, "newValues": {"role": "Connection Administrator"}}),
        ),
        3 => ("api_call", Family::RestApi, json!({"method": "PATCH", "uri": "/v1/connections"})),
        _ => (
            "create_user",
            Family::AuditTrail,
            json!({"userId": "user_2", "action": "CREATE",
            "primaryResourceType": "USER", "primaryResourceId": format!("user_{n}")}),
        ),
    };
    named(n, name, family, &connection, data)
}

/// An event of a name, at a second of its own.
pub fn named(n: i64, name: &str, family: Family, connection: &str, data: serde_json::Value) -> NewEvent {
    let mut new = sample(n.rem_euclid(3600));
    let created = Timestamp::from_micros(1_790_000_000_000_000 + n * 1_000_000);
    new.raw =
        json!({"event": name, "created": created.to_string(), "connection_id": connection, "data": data}).to_string();
    new.key = EventKey { created_us: created.micros(), hash: n.wrapping_mul(0x2545_f491_4f6c_dd1d) };
    new.event.name = name.to_owned();
    new.event.original_name = None;
    new.event.family = family;
    new.event.created = created;
    new.event.connection_id = Some(connection.to_owned());
    new.event.sync_id = None;
    new.event.data = Some(data.into());
    new.event.normalized = Vec::new();
    new
}

/// A doing of our own.
pub fn own(n: i64) -> Draft {
    let actor = Actor { id: Some(format!("token_{}", n % 2)), kind: ActorKind::Token };
    Draft::own("export_audit", actor, "HTTP", "EXPORT", None, Vec::new(), Timestamp::from_micros(n * 1_000_000))
}

/// A whole log, by number.
pub fn all(log: Log) -> RecordQuery {
    RecordQuery { log, filter: RecordFilter::default(), order: Order::Asc, after: None, size: None, limit: 100 }
}

/// All pages of a query.
pub fn every(store: &SharedStore, mut query: RecordQuery) -> Vec<Record> {
    let mut found = Vec::new();
    loop {
        let page = store.trail().records(&query).expect("a page");
        assert!(page.records.len() <= query.limit);
        found.extend(page.records);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return found,
        }
    }
}

/// The root of a list of leaves, by the definition of RFC 9162.
pub fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => tree::empty_root(),
        [leaf] => *leaf,
        _ => {
            let half = (leaves.len().next_power_of_two() / 2).max(1);
            tree::node_hash(&naive_root(&leaves[..half]), &naive_root(&leaves[half..]))
        }
    }
}

/// Numbers without gaps, leaves of their texts, nodes of their leaves.
pub fn assert_tree(store: &SharedStore, log: Log) -> Vec<Record> {
    let records = every(store, all(log));
    assert_eq!(store.trail().size(log).expect("a size"), records.len() as u64);
    let mut leaves = Vec::new();
    for (record, seq) in records.iter().zip(1..) {
        let body = record.body.as_deref().expect("a text");
        assert_eq!((record.seq, record.leaf), (seq, tree::leaf_hash(body.as_bytes())));
        let entry = Entry::parse(body).expect("a record");
        assert_eq!((entry.seq, entry.at_us()), (seq, Some(record.at)));
        leaves.push(record.leaf);
    }
    let mut ids = Vec::new();
    let mut expected = Vec::new();
    for level in 0..16_u8 {
        for index in 0..(leaves.len() >> level) as u64 {
            ids.push(NodeId { level, index });
            let first = (index << level) as usize;
            expected.push(naive_root(&leaves[first..first + (1 << level)]));
        }
    }
    assert_eq!(store.trail().nodes(log, &ids).expect("nodes"), expected);
    records
}

pub(super) fn every_deed_is_recorded_once_with_its_event(store: &SharedStore) {
    let mut events: Vec<NewEvent> = (0..20).map(deed).collect();
    events.extend((0..20).map(sample));
    append(store, events.clone());
    append(store, events);
    append(store, vec![deed(3), deed(21), deed(21)]);
    let records = assert_tree(store, Log::Trail);
    let ids: Vec<_> =
        records.iter().map(|it| Entry::parse(it.body.as_deref().unwrap_or("")).map(|it| it.event_id)).collect();
    let expected: Vec<_> = (0..20).chain([21]).map(|n| Some(EventId(deed(n).key).to_string())).collect();
    assert_eq!(ids.into_iter().collect::<Result<Vec<_>, _>>().expect("records"), expected);
    assert_eq!(store.trail().size(Log::Access), Ok(0));
    let draft = Draft::of(&deed(6).event, EventId(deed(6).key)).expect("a record");
    assert_eq!(records[6].body.as_deref(), Some(canonical(7, &draft.body()).as_str()));
    let beyond = store.trail().nodes(Log::Trail, &[NodeId { level: 0, index: 21 }]);
    assert!(matches!(beyond, Err(StoreError::Damaged(_))), "{beyond:?}");
}

pub(super) fn our_own_doings_have_a_log_of_their_own(store: &SharedStore) {
    append(store, vec![deed(1)]);
    for n in 1..=5 {
        assert_eq!(wait(store.trail().record(own(7))), Ok(n));
    }
    let records = assert_tree(store, Log::Access);
    let ids: BTreeSet<_> =
        records.iter().map(|it| Entry::parse(it.body.as_deref().unwrap_or("")).expect("a record").id).collect();
    assert_eq!(ids.len(), 5, "equal doings are not one");
    assert_eq!(store.trail().size(Log::Trail), Ok(1));
}

pub(super) fn every_filter_of_records_narrows(store: &SharedStore) {
    append(store, (0..60).map(deed).collect());
    let whole = assert_tree(store, Log::Trail);
    let entry = |record: &Record| Entry::parse(record.body.as_deref().unwrap_or("")).expect("a record");
    type Fits<'f> = &'f dyn Fn(&Record, &Entry) -> bool;
    let check = |filter: RecordFilter, fits: Fits<'_>| {
        let expected: Vec<u64> = whole.iter().filter(|it| fits(it, &entry(it))).map(|it| it.seq).collect();
        assert!(!expected.is_empty() && expected.len() < whole.len(), "{filter:?} is no test");
        for (order, limit) in [(Order::Asc, 1), (Order::Desc, 7), (Order::Asc, 1000)] {
            let query = RecordQuery { filter: filter.clone(), order, limit, ..all(Log::Trail) };
            let mut found: Vec<u64> = every(store, query).iter().map(|it| it.seq).collect();
            if order == Order::Desc {
                found.reverse();
            }
            assert_eq!(found, expected, "{filter:?}");
        }
    };
    let some = |text: &str| Some(text.to_owned());
    let none = RecordFilter::default;
    check(RecordFilter { actor: some("user_1"), ..none() }, &|_, it| it.actor.id.as_deref() == Some("user_1"));
    check(RecordFilter { action: some("EDIT"), ..none() }, &|_, it| it.action == "EDIT");
    check(RecordFilter { event: some("edit_team"), ..none() }, &|_, it| it.event == "edit_team");
    check(RecordFilter { use_case: some("create_user"), ..none() }, &|_, it| it.use_case == "create_user");
    check(RecordFilter { method: some("API"), ..none() }, &|_, it| it.method.as_deref() == Some("API"));
    let resources = |it: &Entry, kind: Option<&str>, id: Option<&str>| {
        [&it.primary_resource, &it.secondary_resource]
            .into_iter()
            .flatten()
            .any(|it| kind.is_none_or(|kind| it.kind == kind) && id.is_none_or(|id| it.id.as_deref() == Some(id)))
    };
    check(RecordFilter { resource_type: some("TEAM"), ..none() }, &|_, it| resources(it, Some("TEAM"), None));
    check(RecordFilter { resource_id: some("conn_2"), ..none() }, &|_, it| resources(it, None, Some("conn_2")));
    let both = RecordFilter { resource_type: some("CONNECTION"), resource_id: some("conn_2"), ..none() };
    check(both, &|_, it| resources(it, Some("CONNECTION"), Some("conn_2")));
    let two = RecordFilter { actor: some("user_1"), resource_id: some("conn_2"), ..none() };
    check(two, &|_, it| it.actor.id.as_deref() == Some("user_1") && resources(it, None, Some("conn_2")));
    check(RecordFilter { event_id: Some(EventId(deed(9).key)), ..none() }, &|it, _| it.seq == 10);
    check(RecordFilter { q: some("GRÖSSE \"X".to_lowercase().replace("ss", "ß").as_str()), ..none() }, &|it, _| {
        it.body.as_deref().is_some_and(|body| body.contains("Größe"))
    });
    let (from, to) = (whole[10].at, whole[20].at);
    let period = RecordFilter { from: Some(from), to: Some(to), ..none() };
    check(period, &|it, _| (11..=20).contains(&it.seq));
    let mixed = RecordFilter { resource_type: some("TEAM"), resource_id: some("conn_2"), ..none() };
    assert_eq!(every(store, RecordQuery { filter: mixed, ..all(Log::Trail) }), [], "type and id of two resources");
    let sized = every(store, RecordQuery { size: Some(12), limit: 5, ..all(Log::Trail) });
    assert_eq!(sized, whole[..12]);
    let one = every(store, RecordQuery { limit: 0, ..all(Log::Trail) });
    assert_eq!(one, []);
}

pub(super) fn retention_takes_texts_and_leaves_hashes(store: &SharedStore) {
    append(store, (0..40).map(deed).collect());
    // Came late, and is old.
    append(store, vec![deed(-5)]);
    let before = assert_tree(store, Log::Trail);
    let request =
        PruneRequest { trail_before: Some(before[10].at), access_before: None, reason: "retention 1 day".into() };
    wait(store.trail().set_hold(Some("case 17".into()))).expect("set");
    assert_eq!(store.trail().hold(), Ok(Some("case 17".into())));
    assert_eq!(wait(store.trail().prune(request.clone())), Ok(Vec::new()), "a legal hold stops it");
    wait(store.trail().set_hold(None)).expect("lifted");
    let removed = wait(store.trail().prune(request.clone())).expect("removed");
    let told: Vec<_> = removed.iter().map(|it| (it.first, it.last, it.reason.as_str())).collect();
    assert_eq!(told, [(1, 10, "retention 1 day"), (41, 41, "retention 1 day")]);
    assert_eq!(store.trail().pruned(Log::Trail), Ok(removed));
    assert_eq!(store.trail().pruned(Log::Access), Ok(Vec::new()));
    assert_eq!(wait(store.trail().prune(request)), Ok(Vec::new()), "once");
    let after = every(store, all(Log::Trail));
    for (one, other) in before.iter().zip(&after) {
        let gone = one.seq <= 10 || one.seq == 41;
        assert_eq!((one.seq, one.at, one.leaf), (other.seq, other.at, other.leaf));
        assert_eq!(other.body.is_none(), gone);
    }
    assert_eq!(before.len(), after.len());
    append(store, vec![deed(3), deed(50)]);
    assert_eq!(store.trail().size(Log::Trail), Ok(42), "what is removed is not recorded again");
}
