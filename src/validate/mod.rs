//! Compares an event with its schema. Marks, never drops.
//!
//! In: a normalised event. Out: a [`Verdict`] with the path of each breach and what was expected there, never the value.
//! The schemas are the files of `schemas/`, built in at compile time; a directory of the user's own, laid out alike, adds to
//! them or takes their place. Nothing is fetched: a reference to anything that was not loaded is an error at start.

mod load;

use crate::{
    audit::{self, Values},
    model::{Event, Family, Status, Verdict, Violation},
    normalize::Normalized,
    redact,
};
use ahash::AHashMap;
use jsonschema::{Validator, error::ValidationErrorKind};
use serde_json::{Map, Value};

pub use load::SchemaError;

/// Most breaches that are listed for one event.
pub const ERRORS_MAX: usize = 10;

/// One schema with its versions, newest last.
struct Schema {
    name: String,
    family: Family,
    versions: Vec<Validator>,
}

/// All schemas, compiled. Cheap to share.
pub struct Schemas {
    envelope: Schema,
    /// By event name; absent data is checked as an empty object.
    events: AHashMap<String, Schema>,
    /// By event name, then use case.
    use_cases: AHashMap<String, AHashMap<String, Schema>>,
    /// Whether the user replaced the envelope's schema, so that it must be applied to every event.
    own_envelope: bool,
}

impl std::fmt::Debug for Schemas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Schemas({} events)", self.events.len())
    }
}

impl Schemas {
    /// The names of every known event, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.events.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// The family of an event: the audit trail by shape, everything else as its schema says.
    #[must_use]
    pub fn family(&self, event: &Event) -> Family {
        if audit::is_audit(event.data.as_deref()) {
            return Family::AuditTrail;
        }
        match self.events.get(&event.name).map(|schema| schema.family) {
            // A dashboard event under an audit event's name was seen in real rows.
            Some(Family::AuditTrail) if event.data.is_some() => Family::Dashboard,
            Some(family) => family,
            None => Family::Other,
        }
    }

    /// Validates a normalised event.
    #[must_use]
    pub fn verdict(&self, normalized: &Normalized) -> Verdict {
        let event = &normalized.event;
        let mut errors = normalized.findings.clone();
        self.envelope_errors(normalized, &mut errors);
        let Some(schema) = self.schema(event) else {
            let status = if errors.is_empty() { Status::UnknownEvent } else { Status::Invalid };
            return Verdict { status, schema: None, errors };
        };
        data_errors(schema, event.data.as_deref(), &mut errors);
        errors.truncate(ERRORS_MAX);
        let status = if errors.is_empty() { Status::Valid } else { Status::Invalid };
        Verdict { status, schema: Some(schema.name.clone()), errors }
    }

    /// The schema that an event has to fit: its use case's, else its name's.
    fn schema(&self, event: &Event) -> Option<&Schema> {
        if let Some(cases) = self.use_cases.get(&event.name)
            && let Some(schema) = use_case(&event.name, event.data.as_deref()).and_then(|case| cases.get(case))
        {
            return Some(schema);
        }
        self.events.get(&event.name)
    }

    fn envelope_errors(&self, normalized: &Normalized, errors: &mut Vec<Violation>) {
        let plain;
        let view = match &normalized.envelope {
            Some(view) => view,
            None if self.own_envelope => {
                plain = normalized.envelope_view();
                &plain
            }
            // Every member is a text or absent, which is all that the built-in envelope asks.
            None => return,
        };
        let value = Value::Object(view.clone());
        collect(&self.envelope, &value, "", errors);
    }
}

/// The use case of an audit event that has several; `None` for other events and for an edit that fits none.
fn use_case(event: &str, data: Option<&Value>) -> Option<&'static str> {
    let members = data.filter(|data| audit::is_audit(Some(data)))?.as_object()?;
    let word = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    let side = |name: &str| members.get(name).and_then(Value::as_object);
    let values = Values { old: side("oldValues"), new: side("newValues") };
    audit::use_case(event, word("action"), word("primaryResourceType"), values)
}

/// Checks data against a schema; absent data is an empty object.
fn data_errors(schema: &Schema, data: Option<&Value>, errors: &mut Vec<Violation>) {
    let empty;
    let data = match data {
        Some(data @ Value::Object(_)) => data,
        // Reported by the envelope.
        Some(_) => return,
        None => {
            empty = Value::Object(Map::new());
            &empty
        }
    };
    let unmasked;
    let data = if holds_number_mask(data) {
        unmasked = numbers_back(data);
        &unmasked
    } else {
        data
    };
    collect(schema, data, "/data", errors);
}

/// Adds the breaches of the newest version, unless some version is satisfied.
fn collect(schema: &Schema, value: &Value, prefix: &str, errors: &mut Vec<Violation>) {
    if schema.versions.iter().any(|version| version.is_valid(value)) {
        return;
    }
    let Some(newest) = schema.versions.last() else { return };
    for error in newest.iter_errors(value).take(ERRORS_MAX) {
        let pointer = error.instance_path().as_str();
        errors.push(Violation { path: format!("{prefix}{pointer}"), message: message(&error) });
    }
}

/// What was expected and what kind of thing was found.
fn message(error: &jsonschema::ValidationError<'_>) -> String {
    let found = kind(error.instance());
    match error.kind() {
        ValidationErrorKind::Type { kind } => {
            let expected = match kind {
                jsonschema::error::TypeKind::Single(kind) => kind.to_string(),
                jsonschema::error::TypeKind::Multiple(kinds) => {
                    kinds.iter().map(|kind| kind.to_string()).collect::<Vec<_>>().join(" or ")
                }
            };
            format!("expected {expected}, found {found}")
        }
        ValidationErrorKind::Required { property } => format!("expected a member {property}"),
        // Words of the checker with the value left out.
        _ => format!("{}, found {found}", error.masked_with("the value")),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Whether redaction put a text where a number stood.
fn holds_number_mask(value: &Value) -> bool {
    match value {
        Value::String(text) => text.starts_with(redact::MASK_PREFIX) && redact::is_number_mask(text),
        Value::Array(elements) => elements.iter().any(holds_number_mask),
        Value::Object(members) => members.values().any(holds_number_mask),
        _ => false,
    }
}

/// The value with a number wherever redaction masked one, so that a secret of the wrong type is still of the wrong type.
fn numbers_back(value: &Value) -> Value {
    match value {
        Value::String(text) if redact::is_number_mask(text) => Value::from(0),
        Value::Array(elements) => Value::Array(elements.iter().map(numbers_back).collect()),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, member)| (name.clone(), numbers_back(member))).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
