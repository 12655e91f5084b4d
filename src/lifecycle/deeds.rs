//! Stages that are one moment: what people, the API or Fivetran did to a connection.
//!
//! In: a fact that is an action. Out: its stage, or the earlier stage of the same action that it belongs to: a dashboard event and its
//! twin in the audit trail within [`TWIN_US`] are one stage with two events, and so is what the audit trail tells twice.

mod waiting;

pub use waiting::Waiting;

use super::{Action, Change, Channel, Fact, Resync, SchemaChange, Signal, Stage, StageKind, Support, time_text, words};
use crate::model::{EventId, EventKey, Micros};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How far apart the two records of one action may be. Observed: 3 to 40 ms in the oracle; the documentation gives none.
pub const TWIN_US: Micros = 10_000_000;
/// What times of a warehouse are cut to.
const MILLISECOND_US: Micros = 1_000;

/// A change of the schema in the public form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SchemaItem {
    operation: Box<str>,
    schema: Option<Box<str>>,
    table: Option<Box<str>>,
    columns: Vec<Box<str>>,
}

/// An action and its stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deed {
    anchor: EventKey,
    kind: StageKind,
    ids: Vec<EventKey>,
    channels: Vec<Channel>,
    /// What the action is about, so that only the same thing merges.
    about: Box<str>,
    actor: Option<Box<str>>,
    user_id: Option<Box<str>>,
    method: Option<Box<str>>,
    reason: Option<Box<str>>,
    event: Option<Box<str>>,
    edit_type: Option<Box<str>>,
    changes: Vec<Change>,
    schema_changes: Vec<SchemaItem>,
    table: Option<SchemaItem>,
    cause: Option<Box<str>>,
    what: Option<Box<str>>,
    ticket: Option<Box<str>>,
    data: Option<Box<str>>,
    /// When the audit trail told of it, and a hash of what it told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    told: Option<(Micros, u64)>,
}

/// The stage as the contract has it.
#[derive(Serialize)]
struct Body<'d> {
    stage: &'static str,
    at: String,
    actor: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'d str>,
    summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edit_type: Option<&'d str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    changes: &'d [Change],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    schema_changes: &'d [SchemaItem],
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'d serde_json::value::RawValue>,
    event_ids: Vec<String>,
}

impl Deed {
    /// The deed that a fact tells of; `None` when it tells of none.
    pub fn of(fact: &Fact) -> Option<Self> {
        let deed = Self::read(fact)?;
        let told = (deed.channels == [Channel::Audit]).then(|| (fact.key.created_us, deed.content()));
        Some(Self { told, ..deed })
    }

    fn read(fact: &Fact) -> Option<Self> {
        match &fact.signal {
            Signal::Created(edit) => {
                let mut deed = Self::new(fact, StageKind::Initialized, &edit.action, "");
                deed.changes.clone_from(&edit.changes);
                Some(deed)
            }
            Signal::Edited(edit) => {
                let mut deed = Self::new(fact, StageKind::Modified, &edit.action, "");
                deed.changes.clone_from(&edit.changes);
                deed.edit_type.clone_from(&edit.edit_type);
                Some(deed)
            }
            Signal::Paused(action) => Some(Self::new(fact, StageKind::Paused, action, "")),
            Signal::Resumed(action) => Some(Self::new(fact, StageKind::Resumed, action, "")),
            Signal::Deleted(action) => Some(Self::new(fact, StageKind::Deleted, action, "")),
            Signal::ManualSync(action) => Some(Self::new(fact, StageKind::ManualSyncTriggered, action, "")),
            Signal::Resync(resync) => Some(Self::resync(fact, resync)),
            Signal::SchemaChanged(change) => Some(Self::schema(fact, change)),
            Signal::Support(support) => Some(Self::support(fact, support)),
            Signal::SyncStart
            | Signal::SyncEnd(_)
            | Signal::SyncStatus(_)
            | Signal::ReadStart
            | Signal::ReadEnd
            | Signal::WriteStart(_)
            | Signal::WriteEnd(_)
            | Signal::Processed(..)
            | Signal::RecordsModified(_)
            | Signal::Extracted(_)
            | Signal::ApiCall
            | Signal::SyncStats(_)
            | Signal::ImportProgress(_)
            | Signal::Work(_)
            | Signal::Info(_)
            | Signal::Warning(_)
            | Signal::Error(_)
            | Signal::TestsStarted(..)
            | Signal::Tested(_)
            | Signal::Run(_)
            | Signal::News(_)
            | Signal::Unused(_) => None,
        }
    }

    fn new(fact: &Fact, kind: StageKind, action: &Action, about: &str) -> Self {
        let audit = action.channel == Channel::Audit;
        Self {
            anchor: fact.key,
            kind,
            ids: vec![fact.key],
            channels: vec![action.channel],
            about: about.into(),
            actor: action.actor.clone(),
            user_id: if audit { action.actor.clone() } else { None },
            method: action.method.clone(),
            reason: action.reason.clone(),
            event: None,
            edit_type: None,
            changes: Vec::new(),
            schema_changes: Vec::new(),
            table: None,
            cause: None,
            what: None,
            ticket: None,
            data: None,
            told: None,
        }
    }

    /// A hash of all that it says, but for the time, which stands in the event's own data as well.
    fn content(&self) -> u64 {
        let said = Self { anchor: EventKey::FIRST, ids: Vec::new(), data: None, ..self.clone() };
        let mut first = [0; 8];
        first.copy_from_slice(&Sha256::digest(super::text(&said))[..8]);
        u64::from_be_bytes(first)
    }

    /// Whether the audit trail tells of it again: the live log writes microseconds or nanoseconds, the table `AUDIT_TRAIL` of a warehouse
    /// often milliseconds, so that one action comes as two events. Nobody does the same twice within one millisecond.
    fn is_told_by(&self, earlier: &Self) -> bool {
        let (Some((at, said)), Some((before, known))) = (self.told, earlier.told) else { return false };
        let cut = |at: Micros| at.div_euclid(MILLISECOND_US) * MILLISECOND_US;
        said == known && (at == before || cut(at) == cut(before) && (at == cut(at) || before == cut(before)))
    }

    fn resync(fact: &Fact, resync: &Resync) -> Self {
        // The audit trail does not name the table.
        let mut deed = Self::new(fact, StageKind::ResyncTriggered, &resync.action, "");
        deed.table = resync.table.as_ref().map(|name| SchemaItem {
            operation: "RESYNC".into(),
            schema: name.schema.clone(),
            table: Some(name.table.clone()),
            columns: Vec::new(),
        });
        deed.event = Some(resync.event.clone());
        deed.cause.clone_from(&resync.cause);
        deed.data.clone_from(&resync.data);
        deed
    }

    fn schema(fact: &Fact, change: &SchemaChange) -> Self {
        let mut deed = Self::new(fact, StageKind::SchemaChanged, &change.action, "");
        deed.event = Some(change.event.clone());
        deed.schema_changes = change
            .changes
            .iter()
            .map(|(operation, name, columns)| SchemaItem {
                operation: operation.clone(),
                schema: name.schema.clone(),
                table: (!name.table.is_empty()).then(|| name.table.clone()),
                columns: columns.clone(),
            })
            .collect();
        deed.data.clone_from(&change.data);
        deed
    }

    fn support(fact: &Fact, support: &Support) -> Self {
        let action = Action {
            actor: support.actor.clone(),
            channel: Channel::Connector,
            method: None,
            reason: support.message.clone(),
        };
        let mut deed = Self::new(fact, StageKind::SupportAccess, &action, support.what);
        deed.what = Some(support.what.into());
        deed.ticket.clone_from(&support.ticket);
        deed
    }

    fn is_twin_of(&self, other: &Self) -> bool {
        let human = |channel: &Channel| matches!(channel, Channel::Dashboard | Channel::Audit);
        self.kind == other.kind
            && self.about == other.about
            && other.channels.iter().all(human)
            && self.channels.iter().all(human)
            && !self.channels.iter().any(|channel| other.channels.contains(channel))
            && (self.kind != StageKind::Modified || self.shares_a_change_with(other))
    }

    /// Edits are of one action only when they speak of the same members, as far as they name any.
    fn shares_a_change_with(&self, other: &Self) -> bool {
        let known = |change: &Change| other.changes.iter().any(|it| it.field == change.field);
        self.changes.is_empty() || other.changes.is_empty() || self.changes.iter().any(known)
    }

    /// Takes the other record of the same action.
    fn merge(&mut self, twin: Self) {
        let email = |actor: &Option<Box<str>>| actor.as_deref().is_some_and(|text| text.contains('@'));
        if self.actor.is_none() || (email(&twin.actor) && !email(&self.actor)) {
            self.actor = twin.actor;
        }
        self.user_id = self.user_id.take().or(twin.user_id);
        self.method = self.method.take().or(twin.method);
        self.reason = self.reason.take().or(twin.reason);
        self.event = self.event.take().or(twin.event);
        self.edit_type = self.edit_type.take().or(twin.edit_type);
        for change in twin.changes {
            if !self.changes.contains(&change) {
                self.changes.push(change);
            }
        }
        for item in twin.schema_changes {
            if !self.schema_changes.contains(&item) {
                self.schema_changes.push(item);
            }
        }
        self.table = self.table.take().or(twin.table);
        self.cause = self.cause.take().or(twin.cause);
        self.data = self.data.take().or(twin.data);
        self.told = self.told.or(twin.told);
        self.ids.extend(twin.ids);
        self.channels.extend(twin.channels);
    }

    /// Its stage.
    pub fn stage(&self) -> Stage {
        let is_forced = self.kind == StageKind::ResyncTriggered && self.channels.contains(&Channel::Connector);
        let body = Body {
            stage: self.kind.as_str(),
            at: time_text(self.anchor.created_us),
            actor: self.actor.as_deref(),
            user_id: self.user_id.as_deref(),
            method: self.method.as_deref(),
            summary: self.summary(),
            reason: self.reason.as_deref(),
            event: self.event.as_deref(),
            edit_type: self.edit_type.as_deref(),
            changes: &self.changes,
            schema_changes: &self.schema_changes,
            schema: self.table.as_ref().and_then(|it| it.schema.as_deref()),
            table: self.table.as_ref().and_then(|it| it.table.as_deref()),
            cause: self.cause.as_deref(),
            access: self.what.as_deref(),
            ticket: self.ticket.as_deref(),
            data: self.data.as_deref().and_then(|text| serde_json::from_str(text).ok()),
            event_ids: self.ids.iter().map(|key| EventId(*key).to_string()).collect(),
        };
        Stage {
            anchor: self.anchor,
            kind: self.kind,
            until_us: None,
            sync_id: None,
            status: None,
            schema_change: self.kind == StageKind::SchemaChanged || is_forced,
            body: super::text(&body),
        }
    }

    fn summary(&self) -> String {
        let by = match self.actor.as_deref() {
            Some(actor) => format!(" by {}", words::cut(actor, 100)),
            None => String::new(),
        };
        let because = match self.reason.as_deref() {
            Some(reason) => format!(": {}", words::cut(reason, 200)),
            None => String::new(),
        };
        match self.kind {
            StageKind::Initialized => format!("connection created{by}"),
            StageKind::Modified => format!("connection edited{by}{}", self.edited()),
            StageKind::Paused => format!("paused{by}{because}"),
            StageKind::Resumed => format!("resumed{by}{because}"),
            StageKind::Deleted => format!("deleted{by}"),
            StageKind::ManualSyncTriggered => format!("sync asked for{by}"),
            StageKind::ResyncTriggered => {
                let forced = if self.channels.contains(&Channel::Connector) { "forced" } else { "asked for" };
                let what = match &self.table {
                    Some(item) => format!("re-sync of {}", full_name(item)),
                    None => "re-sync".to_owned(),
                };
                format!("{what} {forced}{by}{because}")
            }
            StageKind::SupportAccess => {
                let what = self.what.as_deref().unwrap_or("changed");
                format!("support access {what}{by}{because}")
            }
            StageKind::SchemaChanged => format!(
                "schema changed{}{}",
                self.changed(),
                if self.channels == [Channel::Connector] { " by a sync".to_owned() } else { by }
            ),
            StageKind::SetupTests | StageKind::Created | StageKind::Sync | StageKind::Broken | StageKind::Recovered => {
                String::new()
            }
        }
    }

    fn edited(&self) -> String {
        let named: Vec<String> = self.changes.iter().take(3).map(changed_value).collect();
        match (&self.edit_type, named.is_empty()) {
            (Some(kind), true) => format!(" ({})", words::cut(kind, 60)),
            (Some(kind), false) => format!(" ({}: {})", words::cut(kind, 60), list(named, self.changes.len())),
            (None, true) => String::new(),
            (None, false) => format!(" ({})", list(named, self.changes.len())),
        }
    }

    fn changed(&self) -> String {
        let named: Vec<String> = self
            .schema_changes
            .iter()
            .take(3)
            .map(|item| {
                let operation = operation(&item.operation);
                let name = full_name(item);
                let columns: Vec<&str> = item.columns.iter().take(3).map(|it| &**it).collect();
                match (name.is_empty(), columns.is_empty() || item.columns.len() > 3) {
                    (true, _) => operation,
                    (false, true) => format!("{operation} {name}"),
                    (false, false) => format!("{operation} {name} ({})", columns.join(", ")),
                }
            })
            .collect();
        if named.is_empty() { String::new() } else { format!(" ({})", list(named, self.schema_changes.len())) }
    }
}

/// An operation in words; settings (`name=value`) keep their names.
fn operation(text: &str) -> String {
    match text {
        "ADDITION" => "added".to_owned(),
        "REMOVAL" => "removed".to_owned(),
        text if text.contains('=') => text.to_owned(),
        text => text.to_lowercase().replace('_', " "),
    }
}

/// A changed member with its values, where they are short.
fn changed_value(change: &Change) -> String {
    let short = |value: &serde_json::Value| match value {
        serde_json::Value::Null => Some("nothing".to_owned()),
        serde_json::Value::Object(_) | serde_json::Value::Array(_) => None,
        serde_json::Value::String(text) => (text.chars().count() <= 40).then(|| text.clone()),
        other => Some(other.to_string()),
    };
    match (short(&change.old), short(&change.new)) {
        (Some(old), Some(new)) if old != new => format!("{} from {old} to {new}", change.field),
        _ => change.field.clone(),
    }
}

/// `schema.table`, as far as known.
fn full_name(item: &SchemaItem) -> String {
    match (item.schema.as_deref(), item.table.as_deref()) {
        (Some(schema), Some(table)) => words::cut(&format!("{schema}.{table}"), 100),
        (Some(name), None) | (None, Some(name)) => words::cut(name, 100),
        (None, None) => String::new(),
    }
}

/// The first few, and how many more there are.
fn list(named: Vec<String>, all: usize) -> String {
    let more = all.saturating_sub(named.len());
    let named: Vec<String> = named.iter().map(|text| words::cut(text, 120)).collect();
    if more == 0 { named.join(", ") } else { format!("{} and {more} more", named.join(", ")) }
}
