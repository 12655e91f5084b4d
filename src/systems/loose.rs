//! Members and columns by names that nobody standardised.
//!
//! In: an object, or a row with its header. Out: values by name, whatever the case and the separators: `Run ID`, `runId` and `run_id` are
//! one name.

use crate::model::Timestamp;
use serde_json::{Map, Value};

/// Values by their plain names.
pub(super) struct Loose<'v> {
    members: Vec<(String, &'v Value)>,
}

/// A name without case and separators.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

impl<'v> Loose<'v> {
    pub fn of(object: &'v Map<String, Value>) -> Self {
        Self { members: object.iter().map(|(name, value)| (plain(name), value)).collect() }
    }

    /// The first of several names (plain) that has a value.
    pub fn get(&self, names: &[&str]) -> Option<&'v Value> {
        names.iter().find_map(|wanted| {
            self.members.iter().find(|(name, value)| name == wanted && !value.is_null()).map(|(_, value)| *value)
        })
    }

    /// A text, or a number as its text; `None` when empty.
    pub fn text(&self, names: &[&str]) -> Option<String> {
        match self.get(names)? {
            Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// A count; thousands may be separated.
    pub fn count(&self, names: &[&str]) -> Option<u64> {
        match self.get(names)? {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.trim().replace([',', ' ', '_'], "").parse().ok(),
            _ => None,
        }
    }

    /// A moment: text or epoch.
    pub fn time(&self, names: &[&str]) -> Option<Timestamp> {
        match self.get(names)? {
            Value::String(text) => Timestamp::parse(text.trim()).ok(),
            Value::Number(number) => Timestamp::parse_epoch(&number.to_string()).ok(),
            _ => None,
        }
    }

    /// Whether any name (plain) begins so.
    pub fn any_begins(&self, beginning: &str) -> bool {
        self.members.iter().any(|(name, _)| name.starts_with(beginning))
    }
}
