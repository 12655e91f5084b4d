//! Who could do what at a moment, folded from the trail.
//!
//! In: records in the order of (`at`, `seq`), up to the moment asked about. Out: users, teams, account roles, memberships and
//! permissions on connections and destinations, each with the records that prove it. Nothing is said that no record says: a user who
//! was never created, edited or put into a team within the trail is not listed, and a role given before the trail began is not known.
//! Source: Fivetran log documentation, audit trail: create_user, delete_user, edit_user, create_team, delete_team, edit_team.

use super::Entry;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Most users, teams, memberships and permissions, each, that are kept; what comes later is counted as omitted.
pub const HOLDERS_MAX: usize = 100_000;

/// A record that proves something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// Its number.
    pub seq: u64,
    /// When it was done, RFC 3339.
    pub at: String,
    /// By whom; null when nobody is named.
    pub by: Option<String>,
}

impl Proof {
    fn of(entry: &Entry) -> Self {
        Self { seq: entry.seq, at: entry.at.clone(), by: entry.actor.id.clone() }
    }
}

/// A role and the record that gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Its name.
    pub role: String,
    /// Since.
    pub given: Proof,
}

/// A user or a team.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Holder {
    /// Its id.
    pub id: String,
    /// The name of a team; users' names are masked by Fivetran.
    pub name: Option<String>,
    /// The role in the account.
    pub account_role: Option<Held>,
    /// Created by; null when that lies before the trail.
    pub created: Option<Proof>,
    /// Deleted by; null while it is there. A deleted one holds nothing.
    pub deleted: Option<Proof>,
    /// The first record that tells of it.
    pub first_seq: u64,
    /// The last one.
    pub last_seq: u64,
}

/// A user in a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Membership {
    /// Id of the team.
    pub team: String,
    /// Id of the user.
    pub user: String,
    /// Added by; null when only the management is known.
    pub member: Option<Proof>,
    /// Made a manager by; null for plain members.
    pub manager: Option<Proof>,
}

/// A role of a user or team for one connection or destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Permission {
    /// `USER` or `TEAM`.
    pub holder_type: String,
    /// Its id.
    pub holder: String,
    /// `CONNECTION` or `DESTINATION`.
    pub resource_type: String,
    /// Its id.
    pub resource: String,
    /// The role.
    pub held: Held,
}

/// An account role and who holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Role {
    /// Its name.
    pub role: String,
    /// Ids of users, sorted.
    pub users: Vec<String>,
    /// Ids of teams, sorted.
    pub teams: Vec<String>,
    /// How many permissions on single connections and destinations have it.
    pub permissions: usize,
}

/// The state at the moment asked about. Lists are sorted by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccessRights {
    /// Users, deleted ones included.
    pub users: Vec<Holder>,
    /// Teams, deleted ones included.
    pub teams: Vec<Holder>,
    /// Roles in use.
    pub roles: Vec<Role>,
    /// Who is in which team.
    pub memberships: Vec<Membership>,
    /// Who has which role for what.
    pub permissions: Vec<Permission>,
    /// How many records told of rights.
    pub records: u64,
    /// Users, teams, memberships and permissions beyond [`HOLDERS_MAX`].
    pub omitted: u64,
}

/// The fold. Give it every record up to the moment, then take [`Rights::finish`].
#[derive(Debug, Clone, Default)]
pub struct Rights {
    users: BTreeMap<String, Holder>,
    teams: BTreeMap<String, Holder>,
    /// By team and user.
    memberships: BTreeMap<(String, String), Membership>,
    /// By resource, then holder, each as type and id.
    permissions: BTreeMap<(String, String, String, String), Permission>,
    records: u64,
    omitted: u64,
}

/// Names of events that can tell of rights, so that a caller need not read others.
pub const EVENTS: &[&str] = &[
    "create_team",
    "create_user",
    "delete_connection",
    "delete_connector",
    "delete_destination",
    "delete_team",
    "delete_user",
    "delete_warehouse",
    "edit_destination",
    "edit_team",
    "edit_user",
];

impl Rights {
    /// Takes the next record in the order of (`at`, `seq`).
    pub fn take(&mut self, entry: &Entry) {
        let told = match (entry.event.as_str(), entry.use_case.as_str()) {
            ("create_user", _) => self.create("USER", entry),
            ("create_team", _) => self.create("TEAM", entry),
            ("delete_user", _) => self.delete("USER", entry),
            ("delete_team", _) => self.delete("TEAM", entry),
            ("edit_user", "modify_account_role") => self.account_role("USER", entry),
            ("edit_team", "modify_account_role") => self.account_role("TEAM", entry),
            ("edit_user", "modify_role_for_connection" | "modify_role_for_destination") => {
                self.permission("USER", entry)
            }
            ("edit_team", "modify_role_for_connection" | "modify_role_for_destination") => {
                self.permission("TEAM", entry)
            }
            ("edit_team", "add_user" | "remove_user" | "assign_manager" | "unassign_manager") => self.membership(entry),
            ("delete_connection" | "delete_connector", _) => self.resource_gone("CONNECTION", entry),
            ("delete_destination" | "delete_warehouse", _) | ("edit_destination", "delete_destination") => {
                self.resource_gone("DESTINATION", entry)
            }
            _ => None,
        };
        self.records += u64::from(told.is_some());
    }

    /// The state after the last record.
    #[must_use]
    pub fn finish(self) -> AccessRights {
        let mut roles: BTreeMap<&str, Role> = BTreeMap::new();
        fn role<'r, 'm>(roles: &'m mut BTreeMap<&'r str, Role>, name: &'r str) -> &'m mut Role {
            roles.entry(name).or_insert_with(|| Role {
                role: name.to_owned(),
                users: Vec::new(),
                teams: Vec::new(),
                permissions: 0,
            })
        }
        for (id, user) in &self.users {
            if let Some(held) = &user.account_role {
                role(&mut roles, &held.role).users.push(id.clone());
            }
        }
        for (id, team) in &self.teams {
            if let Some(held) = &team.account_role {
                role(&mut roles, &held.role).teams.push(id.clone());
            }
        }
        for permission in self.permissions.values() {
            role(&mut roles, &permission.held.role).permissions += 1;
        }
        let roles = roles.into_values().collect();
        AccessRights {
            roles,
            users: self.users.into_values().collect(),
            teams: self.teams.into_values().collect(),
            memberships: self.memberships.into_values().collect(),
            permissions: self.permissions.into_values().collect(),
            records: self.records,
            omitted: self.omitted,
        }
    }

    /// The user or team of an id, made where it is new; `None` when there are too many.
    fn holder(&mut self, kind: &str, id: &str, entry: &Entry) -> Option<&mut Holder> {
        let holders = if kind == "TEAM" { &mut self.teams } else { &mut self.users };
        if !holders.contains_key(id) && holders.len() >= HOLDERS_MAX {
            self.omitted += 1;
            return None;
        }
        let new = || Holder { id: id.to_owned(), first_seq: entry.seq, ..Holder::default() };
        let holder = holders.entry(id.to_owned()).or_insert_with(new);
        holder.last_seq = entry.seq;
        Some(holder)
    }

    /// The same, unless it is deleted: what is logged of it afterwards gives it nothing.
    fn living(&mut self, kind: &str, id: &str, entry: &Entry) -> Option<&mut Holder> {
        self.holder(kind, id, entry).filter(|holder| holder.deleted.is_none())
    }

    fn create(&mut self, kind: &str, entry: &Entry) -> Option<()> {
        let id = id_of(entry, kind)?;
        let proof = Proof::of(entry);
        let role = after(entry, &["account_role", "role"]);
        let name = after(entry, &["team_name", "name"]).filter(|_| kind == "TEAM");
        let holder = self.holder(kind, id, entry)?;
        *holder = Holder { id: id.to_owned(), first_seq: holder.first_seq, last_seq: entry.seq, ..Holder::default() };
        holder.name = name.map(str::to_owned);
        holder.account_role = role.map(|role| Held { role: role.to_owned(), given: proof.clone() });
        holder.created = Some(proof);
        Some(())
    }

    fn delete(&mut self, kind: &str, entry: &Entry) -> Option<()> {
        let id = id_of(entry, kind)?;
        let holder = self.holder(kind, id, entry)?;
        holder.deleted = Some(Proof::of(entry));
        holder.account_role = None;
        self.memberships.retain(|(team, user), _| if kind == "TEAM" { team != id } else { user != id });
        self.permissions.retain(|_, it| it.holder_type != kind || it.holder != id);
        Some(())
    }

    fn account_role(&mut self, kind: &str, entry: &Entry) -> Option<()> {
        let id = id_of(entry, kind)?;
        let role = after(entry, &["account_role", "role"]);
        let given = Proof::of(entry);
        let holder = self.living(kind, id, entry)?;
        holder.account_role = role.map(|role| Held { role: role.to_owned(), given });
        Some(())
    }

    fn permission(&mut self, kind: &str, entry: &Entry) -> Option<()> {
        let holder = id_of(entry, kind)?;
        let resource = [&entry.primary_resource, &entry.secondary_resource]
            .into_iter()
            .flatten()
            .find(|resource| matches!(resource.kind.as_str(), "CONNECTION" | "DESTINATION"))?;
        let (on, of) = (resource.kind.clone(), resource.id.clone()?);
        self.living(kind, holder, entry)?;
        let key = (on.clone(), of.clone(), kind.to_owned(), holder.to_owned());
        let Some(role) = after(entry, &["permission", "role"]) else {
            self.permissions.remove(&key);
            return Some(());
        };
        if !self.permissions.contains_key(&key) && self.permissions.len() >= HOLDERS_MAX {
            self.omitted += 1;
            return None;
        }
        let held = Held { role: role.to_owned(), given: Proof::of(entry) };
        let permission = Permission {
            holder_type: kind.to_owned(),
            holder: holder.to_owned(),
            resource_type: on,
            resource: of,
            held,
        };
        self.permissions.insert(key, permission);
        Some(())
    }

    fn membership(&mut self, entry: &Entry) -> Option<()> {
        let team = id_of(entry, "TEAM")?;
        let named = ["new_user_id", "user_id", "resource_id"];
        let user = id_of(entry, "USER").or_else(|| said(entry, &named))?;
        let name = after(entry, &["team_name"]);
        let holder = self.living("TEAM", team, entry)?;
        if let Some(name) = name {
            holder.name = Some(name.to_owned());
        }
        self.living("USER", user, entry)?;
        let key = (team.to_owned(), user.to_owned());
        if !self.memberships.contains_key(&key) && self.memberships.len() >= HOLDERS_MAX {
            self.omitted += 1;
            return None;
        }
        let new = || Membership { team: team.to_owned(), user: user.to_owned(), member: None, manager: None };
        let membership = self.memberships.entry(key.clone()).or_insert_with(new);
        match entry.use_case.as_str() {
            "add_user" => membership.member = Some(Proof::of(entry)),
            "assign_manager" => membership.manager = Some(Proof::of(entry)),
            "unassign_manager" => membership.manager = None,
            _ => (membership.member, membership.manager) = (None, None),
        }
        if membership.member.is_none() && membership.manager.is_none() {
            self.memberships.remove(&key);
        }
        Some(())
    }

    fn resource_gone(&mut self, kind: &str, entry: &Entry) -> Option<()> {
        let id = id_of(entry, kind)?;
        let before = self.permissions.len();
        self.permissions.retain(|(on, of, _, _), _| on != kind || of != id);
        (self.permissions.len() < before).then_some(())
    }
}

/// The id of what a record is about, by its type.
fn id_of<'e>(entry: &'e Entry, kind: &str) -> Option<&'e str> {
    [&entry.primary_resource, &entry.secondary_resource]
        .into_iter()
        .flatten()
        .find(|resource| resource.kind == kind)
        .and_then(|resource| resource.id.as_deref())
}

/// What a member is after the change, as a text.
fn after<'e>(entry: &'e Entry, fields: &[&str]) -> Option<&'e str> {
    fields.iter().find_map(|field| {
        entry.changes.iter().find(|change| change.field == *field).and_then(|change| change.new.as_str())
    })
}

/// What a member says on either side.
fn said<'e>(entry: &'e Entry, fields: &[&str]) -> Option<&'e str> {
    fields.iter().find_map(|field| {
        let change = entry.changes.iter().find(|change| change.field == *field)?;
        [&change.new, &change.old].into_iter().find_map(Value::as_str)
    })
}

#[cfg(test)]
mod tests;
