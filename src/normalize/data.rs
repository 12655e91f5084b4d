//! Pass 2: the event's own members.
//!
//! Source: Fivetran log documentation (connectorId, connectorName deprecated in `data`) and the dbt package's changelog
//! (`totalQueries` beside `total_queries`). Observed: `data` as a JSON string, encoded twice, in exported LOG rows.

use crate::{
    json,
    model::{Conflict, Event},
};
use serde_json::{Map, Value};

/// Old name, new name, how the rewrite is listed, where a conflict is.
const RENAMED: &[(&str, &str, &str, &str)] = &[
    ("connectorId", "connectionId", "data.connectorId", "data.connectionId"),
    ("connectorName", "connectionName", "data.connectorName", "data.connectionName"),
    ("totalQueries", "total_queries", "data.totalQueries", "data.total_queries"),
];

/// Normalises `event.data` in place.
pub(super) fn normalize(event: &mut Event) -> Result<(), String> {
    if let Some(Value::String(text)) = event.data.as_deref()
        && let Some(decoded) = decode(text)?
    {
        event.data = (!decoded.is_null()).then(|| decoded.into());
        event.normalized.push("data".into());
    }
    let Some(Value::Object(members)) = event.data.as_deref_mut() else { return Ok(()) };
    for (old, new, listed, field) in RENAMED {
        let fits = match members.get(*old) {
            Some(Value::String(_)) => *new != "total_queries",
            Some(Value::Number(_)) => *new == "total_queries",
            _ => false,
        };
        // A value of the wrong type stays where it is, so that validation sees it.
        if !fits {
            continue;
        }
        let Some(value) = members.remove(*old) else { continue };
        event.normalized.push((*listed).into());
        match members.get(*new) {
            Some(kept) if !kept.is_null() => {
                if *kept != value {
                    event.conflicts.push(Conflict {
                        field: (*field).to_owned(),
                        kept: scalar_text(kept),
                        dropped: scalar_text(&value),
                    });
                }
            }
            _ => {
                members.insert((*new).to_owned(), value);
            }
        }
    }
    Ok(())
}

/// A JSON object inside a string, encoded once or twice. `None` when the text is something else and stays a text.
fn decode(text: &str) -> Result<Option<Value>, String> {
    let mut text = std::borrow::Cow::Borrowed(text);
    for _ in 0..2 {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Ok(Some(Value::Null));
        }
        if trimmed.starts_with('{') {
            // Cut-off and otherwise broken objects stay a text; the event is kept and marked invalid.
            return match json::value(trimmed) {
                Ok(value) => Ok(Some(value)),
                Err(error) if error.to_string().starts_with("member `") => {
                    Err(format!("data: {}", json::reason(&error)))
                }
                Err(_) => Ok(None),
            };
        }
        match json::string(trimmed) {
            Some(inner) => text = inner.into_owned().into(),
            None => break,
        }
    }
    let trimmed = text.trim();
    Ok(trimmed.starts_with('{').then(|| json::value(trimmed).ok()).flatten())
}

/// The value of a member that an event names itself by.
pub(super) fn text<'d>(data: Option<&'d Value>, name: &str) -> Option<&'d str> {
    data.and_then(Value::as_object).and_then(|members: &Map<_, _>| members.get(name)).and_then(Value::as_str)
}

fn scalar_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
