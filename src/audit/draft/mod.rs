//! Reading an event as a record.
//!
//! In: an understood event, secrets masked. Out: its record, or nothing for what nobody did. Never refused: members may be absent,
//! null or of the wrong kind, and what can be read is read. Everything kept is bounded, so that a record is at most about 200 KiB.
//!
//! Which events make a record: those with the shape of the audit trail (any two of `userId`, `action`, `primaryResourceType`), those
//! that name an `actor`, calls of the REST API, and support's access to data. What a connection logs while it works makes none.

mod call;
mod resource;
#[cfg(test)]
mod tests;
mod twin;
mod who;

use super::{Channel, Draft, Values, changes, use_case};
use crate::{
    json::cut,
    model::{Event, EventId, Family, Micros},
};
use serde_json::{Map, Value};
use std::borrow::Cow;

pub use resource::renamed;

/// How far apart the two records of one action may be, in microseconds. Observed: 3 to 40 ms in the oracle; the documentation gives none.
pub const TWIN_US: Micros = 10_000_000;

/// Longest id, name or word that a record keeps, in characters; longer ones are cut.
pub const TEXT_CHARS_MAX: usize = 1_000;

/// Spellings of the values before and after. Source: Fivetran log documentation: audit trail, dashboard activity.
const OLD: &[&str] = &["oldValues", "old_values", "oldProperties"];
const NEW: &[&str] = &["newValues", "new_values", "properties"];

/// An event with its members at hand.
#[derive(Clone, Copy)]
struct Reading<'e> {
    event: &'e Event,
    data: &'e Map<String, Value>,
    channel: Channel,
}

impl Draft {
    /// The record that an event makes; `None` for most events, at the cost of a look into its data.
    #[must_use]
    pub fn of(event: &Event, id: EventId) -> Option<Self> {
        let data = event.data.as_deref().and_then(Value::as_object)?;
        let channel = channel(event, data)?;
        let reading = Reading { event, data, channel };
        let method = who::method(reading);
        let action = who::action(reading);
        let primary = resource::primary(reading);
        let values = reading.values();
        let use_case = {
            let kind = primary.as_ref().map_or("", |primary| primary.kind.as_str());
            match use_case::use_case(&event.name, &action, kind, values) {
                Some(case) => case.to_owned(),
                None if use_case::has_several(&event.name) => "other".to_owned(),
                None => cut(&event.name, TEXT_CHARS_MAX).to_owned(),
            }
        };
        let (changes, changes_omitted) = reading.changes();
        Some(Self {
            own_id: None,
            channel,
            at: event.created,
            actor: who::actor(reading, method.as_deref()),
            twin_key: twin::key(reading, &action, primary.as_ref(), values),
            action,
            method,
            use_case,
            event: cut(&event.name, TEXT_CHARS_MAX).to_owned(),
            event_id: Some(id),
            secondary: resource::secondary(reading),
            primary,
            changes,
            changes_omitted,
        })
    }
}

/// By its shape, since names of the audit trail also come with the shape of dashboard events. `None`: it makes no record.
fn channel(event: &Event, data: &Map<String, Value>) -> Option<Channel> {
    let name = event.name.as_str();
    // Support's access to data is logged among what connections log.
    let support = || name.starts_with("diagnostic_access_");
    if event.family == Family::Connector {
        return (word(data, &["actor"]).is_some() || support()).then_some(Channel::Dashboard);
    }
    let has = |name: &str| usize::from(data.contains_key(name));
    if has("userId") + has("action") + has("primaryResourceType") >= 2 {
        return Some(Channel::Audit);
    }
    let of_the_api = || name == call::NAME || name.ends_with("_via_api");
    (has("actor") == 1 || support() || of_the_api()).then_some(Channel::Dashboard)
}

impl<'e> Reading<'e> {
    fn values(self) -> Values<'e> {
        let side = |names| first(self.data, names).and_then(Value::as_object);
        Values { old: side(OLD), new: side(NEW) }
    }

    fn changes(self) -> (Vec<super::Change>, usize) {
        let said = |names| first(self.data, names).is_some();
        if self.event.name == call::NAME && !said(OLD) && !said(NEW) {
            return call::changes(self);
        }
        let odd = |names| first(self.data, names).is_some_and(|value| !value.is_object());
        if !odd(OLD) && !odd(NEW) {
            return changes::between(self.values());
        }
        // Values that are no objects have no members: they are one value, at the root.
        let whole = |names| {
            first(self.data, names).map(|value| Map::from_iter([("$".to_owned(), value.clone())])).unwrap_or_default()
        };
        let (old, new) = (whole(OLD), whole(NEW));
        let (mut list, omitted) = changes::between(Values { old: Some(&old), new: Some(&new) });
        for change in &mut list {
            change.field = change.field.replacen("['$']", "$", 1);
        }
        (list, omitted)
    }

    fn word(self, names: &[&str]) -> Option<Cow<'e, str>> {
        word(self.data, names)
    }

    fn upper(self, names: &[&str]) -> Option<String> {
        self.word(names).map(|word| word.to_ascii_uppercase())
    }
}

/// The first spelling that is there and not null.
fn first<'e>(data: &'e Map<String, Value>, names: &[&str]) -> Option<&'e Value> {
    names.iter().find_map(|name| data.get(*name).filter(|value| !value.is_null()))
}

/// A string that is not blank, trimmed and cut, or a number as it is written.
fn word<'e>(data: &'e Map<String, Value>, names: &[&str]) -> Option<Cow<'e, str>> {
    names
        .iter()
        .find_map(|name| match data.get(*name)? {
            Value::String(text) => {
                Some(text.trim()).filter(|text| !text.is_empty()).map(|text| cut(text, TEXT_CHARS_MAX))
            }
            Value::Number(number) => Some(cut(number.as_str(), TEXT_CHARS_MAX)),
            _ => None,
        })
        .map(Cow::Borrowed)
}
