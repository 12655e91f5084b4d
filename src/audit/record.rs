//! What a record says, its canonical bytes and the lines that carry it.
//!
//! In: the parts of a record. Out: one line of compact JSON whose bytes are what the tree hashes. The same draft and number give the
//! same bytes for ever, so members are written in one order and never renamed.

use super::tree::Hash;
use crate::model::{EventId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// An append-only log with a tree of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, std::hash::Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Log {
    /// What was done in the systems whose logs we take.
    Trail,
    /// What was done to Lifeline itself: exports, tokens, replays, retention, failed logins.
    Access,
}

impl Log {
    /// Every log.
    pub const ALL: [Self; 2] = [Self::Trail, Self::Access];

    /// The name that answers and filters use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trail => "trail",
            Self::Access => "access",
        }
    }
}

/// What kind of somebody an actor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, std::hash::Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A user id.
    User,
    /// An e-mail address.
    Email,
    /// Fivetran itself.
    Fivetran,
    /// A call of an API that names nobody.
    Api,
    /// A system that names nobody.
    System,
    /// A token of ours.
    Token,
    /// Nobody can tell.
    Unknown,
}

impl ActorKind {
    /// The name that answers use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Email => "email",
            Self::Fivetran => "fivetran",
            Self::Api => "api",
            Self::System => "system",
            Self::Token => "token",
            Self::Unknown => "unknown",
        }
    }
}

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// As the event names them; `None` when it does not.
    pub id: Option<String>,
    /// What that is.
    pub kind: ActorKind,
}

/// What was acted upon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// `CONNECTION`, `DESTINATION`, `TEAM`, `USER`, `ACCOUNT` ..., in capitals; old names in their new form.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its id; `None` when the event is silent.
    pub id: Option<String>,
}

/// One value before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Path into the values: `is_paused`, `credentials.user`, `tables['schema.Table'].blocked`.
    pub field: String,
    /// Before; null when there was none.
    pub old: Value,
    /// After; null when there is none any more.
    pub new: Value,
}

/// The road that a record came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, std::hash::Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// An event of the audit trail.
    Audit,
    /// An event that names an actor: dashboard, REST API, support.
    Dashboard,
    /// A doing of our own.
    Own,
}

impl Channel {
    /// The name that is kept.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Dashboard => "dashboard",
            Self::Own => "own",
        }
    }
}

/// A record that has no place in a log yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Of a doing of our own: random, given by whoever appends it. Without one, its content gives its id.
    pub own_id: Option<u128>,
    /// The road it came by. Not part of the record's bytes.
    pub channel: Channel,
    /// When it was done, by the clock of whoever logged it.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// `WEB_UI`, `API`, `SYSTEM`; for our own `HTTP` or `CLI`.
    pub method: Option<String>,
    /// `CREATE`, `EDIT`, `DELETE`, `SYNC` ..., in capitals.
    pub action: String,
    /// What the documentation calls the use case.
    pub use_case: String,
    /// Name of the event.
    pub event: String,
    /// The stored event that it was read from; `None` for our own doings.
    pub event_id: Option<EventId>,
    /// What it was done to.
    pub primary: Option<Resource>,
    /// What else it concerns.
    pub secondary: Option<Resource>,
    /// What changed.
    pub changes: Vec<Change>,
    /// Changes beyond the bound, not listed.
    pub changes_omitted: usize,
    /// What records of the same action share: two records with the same key within [`super::TWIN_US`], of different channel, are
    /// twins. `None`: this action has no twin. Not part of the record's bytes.
    pub twin_key: Option<String>,
}

/// The members of a record behind `seq` and `id`, in their order.
#[derive(Serialize)]
struct Members<'d> {
    at: String,
    actor: &'d Actor,
    method: Option<&'d str>,
    action: &'d str,
    use_case: &'d str,
    event: &'d str,
    event_id: Option<String>,
    primary_resource: Option<&'d Resource>,
    secondary_resource: Option<&'d Resource>,
    changes: &'d [Change],
    #[serde(skip_serializing_if = "is_zero")]
    changes_omitted: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Draft {
    /// A doing of our own. `event` is its name, `export_audit`, and its use case.
    #[must_use]
    pub fn own(
        event: &str,
        actor: Actor,
        method: &str,
        action: &str,
        primary: Option<Resource>,
        changes: Vec<Change>,
        at: Timestamp,
    ) -> Self {
        Self {
            own_id: None,
            channel: Channel::Own,
            at,
            actor,
            method: Some(method.to_owned()),
            action: action.to_owned(),
            use_case: event.to_owned(),
            event: event.to_owned(),
            event_id: None,
            primary,
            secondary: None,
            changes,
            changes_omitted: 0,
            twin_key: None,
        }
    }

    /// Canonical JSON behind `{"seq":17,`, the closing brace included. The number itself is put before it by [`canonical`].
    #[must_use]
    pub fn body(&self) -> String {
        let event_id = self.event_id.map(|id| id.to_string());
        let members = Members {
            at: self.at.to_string(),
            actor: &self.actor,
            method: self.method.as_deref(),
            action: &self.action,
            use_case: &self.use_case,
            event: &self.event,
            event_id: event_id.clone(),
            primary_resource: self.primary.as_ref(),
            secondary_resource: self.secondary.as_ref(),
            changes: &self.changes,
            changes_omitted: self.changes_omitted,
        };
        // Texts, numbers and trees of them: nothing that JSON could refuse.
        let rest = serde_json::to_string(&members).unwrap_or_default();
        let id = match (event_id, self.own_id) {
            (Some(id), _) => id,
            (None, Some(id)) => format!("{id:032x}"),
            (None, None) => {
                let mut digits = hex::encode(Sha256::digest(rest.as_bytes()));
                digits.truncate(32);
                digits
            }
        };
        format!("\"id\":\"{id}\",{}", rest.strip_prefix('{').unwrap_or_default())
    }
}

/// The canonical bytes of a record: what [`super::tree::leaf_hash`] takes.
#[must_use]
pub fn canonical(seq: u64, body: &str) -> String {
    format!("{{\"seq\":{seq},{body}")
}

/// What a line says behind the hash of its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail<'t> {
    /// Nothing.
    Plain,
    /// In an export: hashes of the subtrees that cover the records left out before this one; nothing where there are none.
    Before(&'t [Hash]),
    /// In a list: numbers of the records of the same action.
    Twins(&'t [u64]),
}

/// A record with its hash as answers and exports have it: `canonical` without its closing brace, the hash, the tail. No line feed.
#[must_use]
pub fn line(canonical: &str, leaf: &Hash, tail: Tail<'_>) -> String {
    let mut out = String::with_capacity(canonical.len() + 96);
    write_line(&mut out, canonical, leaf, tail);
    out
}

/// Appends what [`line()`] gives.
pub fn write_line(out: &mut String, canonical: &str, leaf: &Hash, tail: Tail<'_>) {
    out.push_str(canonical.strip_suffix('}').unwrap_or(canonical));
    out.push_str(LEAF_HASH);
    push_hex(out, leaf);
    out.push('"');
    match tail {
        Tail::Plain | Tail::Before([]) => {}
        Tail::Before(hashes) => {
            out.push_str(",\"before\":");
            write_hashes(out, hashes);
        }
        Tail::Twins(numbers) => {
            out.push_str(",\"twins\":[");
            for (index, number) in numbers.iter().enumerate() {
                // Writing to a String cannot fail.
                let _ = write!(out, "{}{number}", if index == 0 { "" } else { "," });
            }
            out.push(']');
        }
    }
    out.push('}');
}

/// What stands between a record and its hash in a line.
pub(super) const LEAF_HASH: &str = ",\"leaf_hash\":\"";

/// Appends hashes as a JSON array of hexadecimal texts.
pub fn write_hashes(out: &mut String, hashes: &[Hash]) {
    out.push('[');
    for (index, hash) in hashes.iter().enumerate() {
        out.push_str(if index == 0 { "\"" } else { ",\"" });
        push_hex(out, hash);
        out.push('"');
    }
    out.push(']');
}

fn push_hex(out: &mut String, hash: &Hash) {
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half & 15)]);
    for byte in hash {
        out.push(digit(byte >> 4));
        out.push(digit(*byte));
    }
}
