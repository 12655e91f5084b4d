//! What a record says.

use crate::model::{EventId, Timestamp};
use serde::Serialize;
use serde_json::Value;

/// An append-only log with a tree of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Actor {
    /// As the event names them; `None` when it does not.
    pub id: Option<String>,
    /// What that is.
    pub kind: ActorKind,
}

/// What was acted upon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resource {
    /// `CONNECTION`, `DESTINATION`, `TEAM`, `USER`, `ACCOUNT` ..., in capitals; old names in their new form.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its id; `None` when the event is silent.
    pub id: Option<String>,
}

/// One value before and after.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Path into the values: `is_paused`, `credentials.user`, `tables['schema.Table'].blocked`.
    pub field: String,
    /// Before; null when there was none.
    pub old: Value,
    /// After; null when there is none any more.
    pub new: Value,
}

/// A record that has no place in a log yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
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
    /// What records of the same action share: two records with the same key within ten seconds, of different shape, are twins.
    /// `None`: this action has no twin.
    pub twin_key: Option<String>,
}
