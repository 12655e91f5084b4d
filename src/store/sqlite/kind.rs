//! What few events have for themselves, kept once: kinds and labels.
//!
//! In: an event, its verdict and its delivery. Out: JSON texts that thousands of events share, and reading them back.
//! Also the merging of two deliveries of one event, which must not depend on their order.

use crate::model::{CreatedFrom, Delivery, Event, Family, Level, Source, Status, Verdict};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Longest kind or label worth interning, in bytes of its text.
pub const INTERN_BYTES_MAX: usize = 1024;

/// Everything about an event that repeats.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Kind<'e> {
    pub source: Source,
    pub name: Cow<'e, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_name: Option<Cow<'e, str>>,
    pub family: Family,
    pub level: Level,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub level_given: bool,
    pub created_from: CreatedFrom,
    /// Decimals of `created`.
    pub digits: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Cow<'e, str>>,
    /// Whether an event named it. Older versions did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_given: Option<bool>,
    pub protocol: Cow<'e, str>,
    pub token: Cow<'e, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Cow<'e, str>>,
    pub status: Status,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub normalized: Cow<'e, [Cow<'static, str>]>,
}

impl<'e> Kind<'e> {
    /// Of an event.
    pub fn of(event: &'e Event, verdict: &'e Verdict, delivery: &'e Delivery) -> Self {
        Self {
            source: event.source,
            name: Cow::Borrowed(&event.name),
            original_name: event.original_name.as_deref().map(Cow::Borrowed),
            family: event.family,
            level: event.level,
            level_given: event.level_given,
            created_from: event.created_from,
            digits: event.created.digits(),
            destination: event.destination.as_deref().map(Cow::Borrowed),
            destination_given: event.destination.is_some().then_some(event.destination_given),
            protocol: Cow::Borrowed(delivery.protocol),
            token: Cow::Borrowed(&delivery.token),
            schema: verdict.schema.as_deref().map(Cow::Borrowed),
            status: verdict.status,
            normalized: Cow::Borrowed(&event.normalized),
        }
    }

    /// With texts of its own.
    pub fn into_owned(self) -> Kind<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Kind {
            source: self.source,
            name: own(self.name),
            original_name: self.original_name.map(own),
            family: self.family,
            level: self.level,
            level_given: self.level_given,
            created_from: self.created_from,
            digits: self.digits,
            destination: self.destination.map(own),
            destination_given: self.destination_given,
            protocol: own(self.protocol),
            token: own(self.token),
            schema: self.schema.map(own),
            status: self.status,
            normalized: Cow::Owned(self.normalized.into_owned()),
        }
    }

    /// The name as the envelope has it.
    pub fn name_as_it_came(&self) -> &str {
        self.original_name.as_deref().unwrap_or(&self.name)
    }

    /// Whether the event belongs into the index of what deserves a look.
    pub fn notable(&self) -> bool {
        self.level >= Level::Warning || self.status != Status::Valid
    }

    /// What an event names beats what its token stands for; of two alike the smaller text wins.
    fn merge_destination(&mut self, other: &Kind<'_>) {
        let Some(theirs) = other.destination.as_deref() else { return };
        if let Some(mine) = self.destination.as_deref() {
            // That an older version did not say how it was told of is no reason to write the event anew.
            let is_known = self.destination_given.is_none() && mine == theirs;
            let rank = |given: Option<bool>, text| (!given.unwrap_or(false), text);
            if is_known || rank(self.destination_given, mine) <= rank(other.destination_given, theirs) {
                return;
            }
        }
        self.destination = Some(Cow::Owned(theirs.to_owned()));
        self.destination_given = other.destination_given;
    }

    /// Takes over what another delivery knows better.
    pub fn merge(&mut self, other: &Kind<'_>) {
        self.merge_destination(other);
        // Given beats derived; of two alike the more severe wins.
        let (level_given, level) = (self.level_given, self.level).max((other.level_given, other.level));
        self.level_given = level_given;
        self.level = level;
    }
}

/// Connection name and connector type, as one envelope wrote them or as all deliveries together know them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Label<'e> {
    #[serde(default, rename = "n", skip_serializing_if = "Option::is_none")]
    pub connection_name: Option<Cow<'e, str>>,
    #[serde(default, rename = "t", skip_serializing_if = "Option::is_none")]
    pub connector_type: Option<Cow<'e, str>>,
}

impl<'e> Label<'e> {
    /// Of an event.
    pub fn of(event: &'e Event) -> Self {
        Self {
            connection_name: event.connection_name.as_deref().map(Cow::Borrowed),
            connector_type: event.connector_type.as_deref().map(Cow::Borrowed),
        }
    }

    /// With texts of its own.
    pub fn into_owned(self) -> Label<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Label { connection_name: self.connection_name.map(own), connector_type: self.connector_type.map(own) }
    }

    /// Takes over what another delivery knows better.
    pub fn merge(&mut self, other: &Label<'_>) {
        let own = |text: &Option<Cow<'_, str>>| text.as_deref().map(|text| Cow::Owned(text.to_owned()));
        self.connection_name = union(self.connection_name.take(), own(&other.connection_name));
        self.connector_type = union(self.connector_type.take(), own(&other.connector_type));
    }

    /// Whether `other` differs from this only where this knows nothing. An envelope without a value has no hole for it,
    /// so such a label may stand in for this one.
    pub fn is_extended_by(&self, other: &Label<'_>) -> bool {
        let fits = |mine: &Option<Cow<'_, str>>, theirs: &Option<Cow<'_, str>>| mine.is_none() || mine == theirs;
        fits(&self.connection_name, &other.connection_name) && fits(&self.connector_type, &other.connector_type)
    }
}

/// What an event's columns cannot hold. Rare.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spill {
    /// The kind, where it is not interned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind<'static>>,
    /// The label of the stored envelope, where it is not interned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label<'static>>,
    /// What all deliveries together know, where that differs from the stored envelope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<Label<'static>>,
    /// The shape, where it is not interned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<String>,
    /// The exception id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception_id: Option<String>,
}

impl Spill {
    /// Its bytes; `None` when there is nothing to keep.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        // Strings and plain enums always serialise.
        (*self != Self::default()).then(|| serde_json::to_vec(self).expect("a spill is plain data"))
    }
}

/// Something beats nothing; of two, the smaller text. The order of the two does not matter.
pub fn union<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(destination: Option<&'static str>, given: Option<bool>) -> Kind<'static> {
        let text = r#"{"source":"fivetran","name":"a","family":"other","level":"INFO","created_from":"event","digits":3,
            "protocol":"native","token":"t","status":"valid"}"#;
        let plain: Kind<'static> = serde_json::from_str(text).unwrap();
        Kind { destination: destination.map(Cow::Borrowed), destination_given: given, ..plain }
    }

    #[test]
    fn destinations_are_merged_in_any_order() {
        let all = [
            (None, None),
            (Some("a"), Some(false)),
            (Some("b"), Some(false)),
            (Some("c"), Some(true)),
            (Some("d"), Some(true)),
        ];
        for one in all {
            for other in all {
                let merged = |one: (Option<&'static str>, Option<bool>),
                              other: (Option<&'static str>, Option<bool>)| {
                    let mut merged = kind(one.0, one.1);
                    merged.merge(&kind(other.0, other.1));
                    merged
                };
                assert_eq!(merged(one, other), merged(other, one), "{one:?} {other:?}");
                assert_eq!(merged(one, one), kind(one.0, one.1));
            }
        }
        let mut older = kind(Some("a"), None);
        older.merge(&kind(Some("a"), Some(true)));
        assert_eq!(older, kind(Some("a"), None), "nothing that a reader would see");
        older.merge(&kind(Some("z"), Some(true)));
        assert_eq!(older.destination.as_deref(), Some("z"));
    }
}
