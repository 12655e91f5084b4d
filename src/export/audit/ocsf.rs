//! Records as events of the Open Cybersecurity Schema Framework, for security tools.
//!
//! In: records in order of their numbers. Out: one JSON object a line, each of the class that fits (docs/audit-ocsf.md has the table),
//! with every required attribute of that class; what no attribute fits is in `unmapped`, so that nothing of a record is lost.
//! Source: ocsf/ocsf-schema, events/iam, events/application, objects, read 2026-11. The classes are those of 1.8.0; version 1.9.0
//! still has them all and calls 3005 deprecated.

use super::{Ends, Plan, Writer, row::Row};
use crate::{
    audit::Log,
    store::{
        StoreError,
        trail::{Hash, Record},
    },
};
use serde_json::{Map, Value, json};

/// The version of the schema.
pub const VERSION: &str = "1.8.0";

/// A class and an activity of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Class {
    uid: u32,
    name: &'static str,
    activity: u32,
    /// The activity's caption; `None` for 99, which is called by the record's own action.
    caption: Option<&'static str>,
}

const ACCOUNT: (u32, &str) = (3001, "Account Change");
const AUTHENTICATION: (u32, &str) = (3002, "Authentication");
const ENTITY: (u32, &str) = (3004, "Entity Management");
const USER_ACCESS: (u32, &str) = (3005, "User Access Management");
const GROUP: (u32, &str) = (3006, "Group Management");
const API: (u32, &str) = (6003, "API Activity");

const fn class(of: (u32, &'static str), activity: u32, caption: &'static str) -> Class {
    Class { uid: of.0, name: of.1, activity, caption: Some(caption) }
}

const fn other(of: (u32, &'static str)) -> Class {
    Class { uid: of.0, name: of.1, activity: 99, caption: None }
}

/// Writes them.
#[derive(Debug)]
pub struct Ocsf {
    log: Log,
    origin: String,
}

impl Ocsf {
    /// Of this plan's log.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self { log: plan.log, origin: plan.origin.clone() }
    }
}

impl Writer for Ocsf {
    fn begin(&mut self, _out: &mut Vec<u8>) -> Result<(), StoreError> {
        Ok(())
    }

    fn record(&mut self, record: &Record, body: &str, _before: &[Hash], out: &mut Vec<u8>) -> Result<(), StoreError> {
        let row = Row::read(record, body)?;
        let event = self.event(record, &row);
        out.extend_from_slice(event.to_string().as_bytes());
        out.push(b'\n');
        Ok(())
    }

    fn end(&mut self, _ends: &Ends<'_>, _out: &mut Vec<u8>) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Ocsf {
    fn event(&self, record: &Record, row: &Row<'_>) -> Value {
        // What was hashed was JSON; numbers in it stay as they were written.
        let changes: Vec<Value> = serde_json::from_str(row.changes.get()).unwrap_or_default();
        let class = classify(row, &changes);
        let caption = class.caption.unwrap_or(&row.action);
        let failed = row.use_case == "failed_login";
        let (primary_type, primary_id) = row.primary();
        let target = primary_id.or(primary_type).unwrap_or("unknown");
        let who = row.actor.id.as_deref().unwrap_or(&row.actor.kind);
        let product = match self.log {
            Log::Trail => json!({"name": "Fivetran", "vendor_name": "Fivetran"}),
            Log::Access => {
                json!({"name": "Lifeline", "vendor_name": "Lifeline", "version": env!("CARGO_PKG_VERSION")})
            }
        };
        let category =
            if class.uid == API.0 { (6, "Application Activity") } else { (3, "Identity & Access Management") };
        let mut event = json!({
            "activity_id": class.activity,
            "activity_name": caption,
            "category_uid": category.0,
            "category_name": category.1,
            "class_uid": class.uid,
            "class_name": class.name,
            "type_uid": class.uid * 100 + class.activity,
            "type_name": format!("{}: {caption}", class.name),
            "severity_id": if failed { 2 } else { 1 },
            "severity": if failed { "Low" } else { "Informational" },
            "status_id": if failed { 2 } else { 1 },
            "status": if failed { "Failure" } else { "Success" },
            "time": record.at.div_euclid(1000),
            "message": format!("{who} {} {target} ({})", row.action, row.use_case),
            "metadata": {
                "version": VERSION,
                "product": product,
                "uid": row.id,
                "sequence": row.seq,
                "event_code": row.event,
                "log_name": self.origin,
                "log_provider": "Lifeline",
                "original_time": row.at,
            },
            "actor": actor(row),
            "unmapped": unmapped(record, row, changes.clone()),
        });
        if let Some(members) = event.as_object_mut() {
            members.extend(subject(class, row, &changes));
        }
        event
    }
}

/// The class and activity of a record.
fn classify(row: &Row<'_>, changes: &[Value]) -> Class {
    let about_user = [row.primary().0, row.secondary().0].contains(&Some("USER"));
    let event = &*row.event;
    match &*row.use_case {
        "failed_login" => return class(AUTHENTICATION, 1, "Logon"),
        "add_user" if row.primary().0 == Some("TEAM") => return class(GROUP, 3, "Add User"),
        "remove_user" if row.primary().0 == Some("TEAM") => return class(GROUP, 4, "Remove User"),
        "assign_manager" => return class(GROUP, 1, "Assign Privileges"),
        "unassign_manager" => return class(GROUP, 2, "Revoke Privileges"),
        "modify_account_role" | "modify_role_for_connection" | "modify_role_for_destination" => {
            let of = if event == "edit_team" { GROUP } else { USER_ACCESS };
            return if revoked(changes) {
                class(of, 2, "Revoke Privileges")
            } else {
                class(of, 1, "Assign Privileges")
            };
        }
        "pause_or_resume" => {
            let paused = changes.iter().find_map(|change| change["new"].as_bool());
            match paused {
                Some(true) => return class(ENTITY, 12, "Suspend"),
                Some(false) => return class(ENTITY, 13, "Resume"),
                None => {}
            }
        }
        _ => {}
    }
    match event {
        "api_call" => by_method(&row.action),
        "create_team" => class(GROUP, 6, "Create"),
        "delete_team" => class(GROUP, 5, "Delete"),
        "edit_team" => other(GROUP),
        "create_user" if about_user => class(ACCOUNT, 1, "Create"),
        "delete_user" if about_user => class(ACCOUNT, 6, "Delete"),
        "edit_user" if about_user => other(ACCOUNT),
        "pause_connector" | "pause_connection" => class(ENTITY, 12, "Suspend"),
        "resume_connector" | "resume_connection" => class(ENTITY, 13, "Resume"),
        _ => match &*row.action {
            "CREATE" => class(ENTITY, 1, "Create"),
            "ACCESS" | "READ" | "EXPORT" => class(ENTITY, 2, "Read"),
            "EDIT" | "UPDATE" => class(ENTITY, 3, "Update"),
            "DELETE" | "REVOKE" => class(ENTITY, 4, "Delete"),
            _ => other(ENTITY),
        },
    }
}

fn by_method(method: &str) -> Class {
    match method {
        "POST" => class(API, 1, "Create"),
        "GET" | "HEAD" => class(API, 2, "Read"),
        "PUT" | "PATCH" => class(API, 3, "Update"),
        "DELETE" => class(API, 4, "Delete"),
        _ => other(API),
    }
}

/// Whether everything that changed is gone now.
fn revoked(changes: &[Value]) -> bool {
    !changes.is_empty() && changes.iter().all(|change| change["new"].is_null())
}

fn actor(row: &Row<'_>) -> Value {
    let id = row.actor.id.as_deref();
    match (&*row.actor.kind, id) {
        ("email", Some(id)) => json!({"user": {"uid": id, "name": id, "email_addr": id, "type_id": 1, "type": "User"}}),
        ("token", Some(id)) => json!({"user": {"uid": id, "name": id, "type_id": 4, "type": "Service"}}),
        ("fivetran", _) => {
            json!({"app_name": "Fivetran", "user": {"name": "Fivetran", "type_id": 3, "type": "System"}})
        }
        (_, Some(id)) => json!({"user": {"uid": id, "type_id": 1, "type": "User"}}),
        ("api", None) => json!({"app_name": "API", "user": {"name": "unknown", "type_id": 0, "type": "Unknown"}}),
        ("system", None) => json!({"app_name": "system", "user": {"name": "system", "type_id": 3, "type": "System"}}),
        (_, None) => json!({"user": {"name": "unknown", "type_id": 0, "type": "Unknown"}}),
    }
}

/// The attributes that only this class has.
fn subject(class: Class, row: &Row<'_>, changes: &[Value]) -> Map<String, Value> {
    let (primary, secondary) = (row.primary(), row.secondary());
    let of = |kind: &str| [primary, secondary].into_iter().find(|thing| thing.0 == Some(kind));
    let user = || match of("USER").and_then(|thing| thing.1) {
        Some(id) => json!({"uid": id, "type_id": 1, "type": "User"}),
        None => json!({"name": "unknown", "type_id": 0, "type": "Unknown"}),
    };
    let resource = |(kind, id): (Option<&str>, Option<&str>)| {
        let uid = id.or(kind).unwrap_or("unknown");
        json!({"uid": uid, "type": kind.unwrap_or("unknown")})
    };
    let privileges = || {
        let manager = row.use_case.ends_with("assign_manager").then(|| "manager".to_owned());
        let side = if revoked(changes) { "old" } else { "new" };
        // Neither a team's name is a privilege, nor who joins it.
        let of_a_role = row.use_case.starts_with("modify_");
        let is_one = |field: &str| match of_a_role {
            true => !field.ends_with("name"),
            false => ["role", "account_role", "permission"].contains(&field),
        };
        let values = changes
            .iter()
            .filter(|change| is_one(&plain(&change["field"])))
            .map(|change| format!("{}: {}", plain(&change["field"]), plain(&change[side])));
        values.chain(manager).collect::<Vec<_>>()
    };
    let value = match class.uid {
        3001 => json!({"user": user()}),
        3002 => {
            let address = row.actor.id.as_deref().unwrap_or("unknown");
            json!({
                "user": {"name": "unknown", "type_id": 0, "type": "Unknown"},
                "service": {"name": "Lifeline"},
                "src_endpoint": endpoint(address),
                "is_remote": true,
            })
        }
        3005 => {
            let others = [primary, secondary].into_iter().filter(|thing| thing.0.is_some_and(|kind| kind != "USER"));
            json!({"user": user(), "privileges": privileges(), "resources": others.map(resource).collect::<Vec<_>>()})
        }
        3006 => {
            let team = of("TEAM").unwrap_or(primary);
            let mut members = json!({
                "group": {"uid": team.1.or(team.0).unwrap_or("unknown"), "type": team.0.unwrap_or("TEAM")},
            });
            let privileges = privileges();
            // One of the two is required.
            if !privileges.is_empty() || of("USER").is_none() {
                members["privileges"] = privileges.into();
            }
            if of("USER").is_some() {
                members["user"] = user();
            }
            if let Some(on) = secondary.0.filter(|kind| *kind != "USER" && *kind != "TEAM") {
                members["resource"] = resource((Some(on), secondary.1));
            }
            members
        }
        6003 => {
            let mut members = json!({
                "api": {"operation": row.action, "service": {"name": "Fivetran REST API"}},
                "src_endpoint": {"name": "unknown"},
            });
            let named = [primary, secondary].into_iter().filter(|thing| thing.0.is_some());
            let named: Vec<Value> = named.map(resource).collect();
            if !named.is_empty() {
                members["resources"] = named.into();
            }
            if let Some(uri) = changes.iter().find(|change| change["field"] == "uri") {
                members["http_request"] = json!({"http_method": row.action, "url": {"url_string": plain(&uri["new"])}});
            }
            members
        }
        _ => {
            let mut entity = resource(primary);
            let changed = |side: &str| -> Map<String, Value> {
                changes.iter().map(|change| (plain(&change["field"]), change[side].clone())).collect()
            };
            let mut after = entity.clone();
            entity["data"] = Value::Object(changed("old"));
            after["data"] = Value::Object(changed("new"));
            json!({"entity": entity, "entity_result": after})
        }
    };
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn endpoint(address: &str) -> Value {
    if address.parse::<std::net::IpAddr>().is_ok() { json!({"ip": address}) } else { json!({"name": address}) }
}

/// A text as it is, anything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What no attribute fits.
fn unmapped(record: &Record, row: &Row<'_>, changes: Vec<Value>) -> Value {
    let thing = |(kind, id): (Option<&str>, Option<&str>)| kind.map(|kind| json!({"type": kind, "id": id}));
    json!({
        "action": row.action,
        "use_case": row.use_case,
        "method": row.method,
        "actor_kind": row.actor.kind,
        "event_id": row.event_id,
        "primary_resource": thing(row.primary()),
        "secondary_resource": thing(row.secondary()),
        "changes": changes,
        "changes_omitted": row.changes_omitted,
        "leaf_hash": hex::encode(record.leaf),
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{row::tests::*, tests::plan},
        *,
    };

    /// Required attributes of each class, with one of a list where any will do. Source: as above.
    fn required(uid: u64) -> &'static [&'static [&'static str]] {
        match uid {
            3001 => &[&["user"]],
            3002 => &[&["user"], &["service", "dst_endpoint"]],
            3004 => &[&["entity"]],
            3005 => &[&["user"], &["privileges"]],
            3006 => &[&["group"], &["privileges", "user"]],
            6003 => &[&["actor"], &["api"], &["src_endpoint"]],
            other => panic!("no class {other}"),
        }
    }

    fn event(changed: &[(&str, &str)]) -> Value {
        let mut text = pause(7);
        for (from, to) in changed {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        let mut out = Vec::new();
        Ocsf::new(&plan()).record(&record(7, ""), &text, &[], &mut out).expect("an event");
        let event: Value = serde_json::from_slice(&out).expect("JSON");
        for member in ["activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"] {
            assert!(!event[member].is_null(), "{member}: {event}");
        }
        assert_eq!(event["metadata"]["version"], VERSION);
        assert!(
            event["metadata"]["product"]["name"].is_string() && event["metadata"]["product"]["vendor_name"].is_string()
        );
        let (class, activity) =
            (event["class_uid"].as_u64().expect("a class"), event["activity_id"].as_u64().expect("one"));
        assert_eq!(event["type_uid"], class * 100 + activity);
        assert_eq!(event["category_uid"], class / 1000);
        for any in required(class) {
            assert!(any.iter().any(|member| !event[*member].is_null()), "{any:?}: {event}");
        }
        for user in [&event["actor"]["user"], &event["user"]].into_iter().filter(|user| user.is_object()) {
            assert!(user["uid"].is_string() || user["name"].is_string(), "{user}");
        }
        event
    }

    #[track_caller]
    fn is(changed: &[(&str, &str)], class: u64, activity: u64) -> Value {
        let event = event(changed);
        assert_eq!((&event["class_uid"], &event["activity_id"]), (&class.into(), &activity.into()), "{event}");
        event
    }

    #[test]
    fn every_kind_of_action_has_its_class() {
        let resumed = is(&[], 3004, 13);
        assert_eq!(resumed["entity_result"]["data"]["is_paused"], false);
        assert_eq!(resumed["time"], 1_751_906_060_000_i64);
        is(&[("\"old\":true,\"new\":false", "\"old\":false,\"new\":true")], 3004, 12);
        let as_use_case = |use_case: &'static str| ("pause_or_resume", use_case);
        is(&[as_use_case("modify_schema")], 3004, 3);
        is(&[as_use_case("create_connection"), ("\"EDIT\"", "\"CREATE\"")], 3004, 1);
        is(&[as_use_case("x"), ("\"EDIT\"", "\"DELETE\"")], 3004, 4);
        is(&[as_use_case("x"), ("\"EDIT\"", "\"SYNC\"")], 3004, 99);
        let called = [as_use_case("x"), ("edit_connection", "api_call"), ("\"EDIT\"", "\"PATCH\"")];
        assert_eq!(is(&called, 6003, 3)["resources"][0]["uid"], "a \"b\"");
        let uri = (
            "\"field\":\"is_paused\",\"old\":true,\"new\":false",
            "\"field\":\"uri\",\"old\":null,\"new\":\"/v1/users\"",
        );
        let of_nothing =
            ("\"primary_resource\":{\"type\":\"CONNECTION\",\"id\":\"a \\\"b\\\"\"}", "\"primary_resource\":null");
        let listed = is(&[called[0], called[1], called[2], uri, of_nothing], 6003, 3);
        assert_eq!(
            (&listed["resources"], &listed["http_request"]["url"]["url_string"]),
            (&Value::Null, &"/v1/users".into())
        );
        let team = ("\"primary_resource\":{\"type\":\"CONNECTION\"", "\"primary_resource\":{\"type\":\"TEAM\"");
        let and_user = ("\"secondary_resource\":null", "\"secondary_resource\":{\"type\":\"USER\",\"id\":\"u1\"}");
        let added = is(&[as_use_case("add_user"), team, and_user], 3006, 3);
        assert_eq!((&added["user"]["uid"], &added["privileges"]), (&"u1".into(), &Value::Null));
        is(&[as_use_case("modify_account_role"), team, ("edit_connection", "edit_team")], 3006, 1);
        is(&[as_use_case("modify_account_role"), ("edit_connection", "edit_user"), and_user], 3005, 1);
        let gone = ("\"old\":true,\"new\":false", "\"old\":\"Admin\",\"new\":null");
        let revoked =
            is(&[as_use_case("modify_account_role"), ("edit_connection", "edit_user"), and_user, gone], 3005, 2);
        assert_eq!(revoked["privileges"][0], "is_paused: Admin");
        is(&[as_use_case("x"), ("edit_connection", "create_user"), and_user], 3001, 1);
        let failed = is(&[as_use_case("failed_login"), ("=actor", "192.0.2.7")], 3002, 1);
        assert_eq!((&failed["status_id"], &failed["src_endpoint"]["ip"]), (&2.into(), &"192.0.2.7".into()));
    }

    #[test]
    fn nothing_of_a_record_is_lost() {
        let event = event(&[]);
        let unmapped = &event["unmapped"];
        assert_eq!(unmapped["changes"], json!([{"field": "is_paused", "old": true, "new": false}]));
        assert_eq!(unmapped["primary_resource"], json!({"type": "CONNECTION", "id": "a \"b\""}));
        assert_eq!(unmapped["leaf_hash"], "07".repeat(32));
        assert_eq!(event["metadata"]["sequence"], 7);
    }
}
