//! Calls of the REST API: what was called, and what was sent.
//!
//! In: an `api_call`, which says neither who acted nor on what, only `method`, `uri` and the text of the `body`. Out: resources named by
//! the path, and `uri` and members of the body as values that came to be. The event's name serves for two things: calls of Fivetran's own
//! API, and, until November 2024, calls that a connector made to its source. Only a path of the first names resources of Fivetran;
//! the second are told by a foreign host or by the sync that they belong to, and concern the connection of their envelope.
//! Source: Fivetran REST API reference, paths of its endpoints, read 2026-11.

use super::{
    super::{Resource, Values, changes},
    Reading, TEXT_CHARS_MAX,
};
use crate::json::cut;
use serde_json::{Map, Value};

/// The event's name.
pub(super) const NAME: &str = "api_call";

/// The domain of the API.
const DOMAIN: &str = "fivetran.com";
/// Parts of a path that only group what follows.
const GROUPING: &[&str] = &["metadata", "dbt", "public"];
/// What stands in the place of an id and is none.
const NO_IDS: &[&str] = &["account", "group", "info", "package-metadata"];
/// What may belong to something else: `/v1/teams/{id}/users/{id}`.
const MEMBERS: &[&str] = &["connections", "connectors", "destinations", "groups", "teams", "users"];
/// Longest name of a collection, in bytes.
const COLLECTION_BYTES_MAX: usize = 64;
/// A sent body nested deeper stays a text, so that its record can be read back by any parser of JSON.
const LEVELS_MAX: usize = 100;

/// What the path names first.
pub(super) fn primary(reading: Reading<'_>) -> Option<Resource> {
    named(reading)?.next()
}

/// What it names behind that.
pub(super) fn secondary(reading: Reading<'_>) -> Option<Resource> {
    named(reading)?.nth(1)
}

/// `uri` and the members of `body`, each from nothing.
pub(super) fn changes(reading: Reading<'_>) -> (Vec<super::super::Change>, usize) {
    let mut sent = Map::new();
    if let Some(uri) = reading.data.get("uri").filter(|uri| !uri.is_null()) {
        sent.insert("uri".to_owned(), uri.clone());
    }
    match reading.data.get("body") {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) if text.trim().is_empty() => {}
        Some(body) => drop(sent.insert("body".to_owned(), opened(body))),
    }
    changes::between(Values { old: None, new: Some(&sent) })
}

/// A body that is JSON in a text, taken out of it.
fn opened(body: &Value) -> Value {
    let parsed = body.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    parsed
        .filter(|value| (value.is_object() || value.is_array()) && levels(value) <= LEVELS_MAX)
        .unwrap_or_else(|| body.clone())
}

fn levels(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(levels).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(levels).max().unwrap_or(0),
        _ => 0,
    }
}

/// The resources of a path, the one that holds the other first.
fn named(reading: Reading<'_>) -> Option<impl Iterator<Item = Resource>> {
    if reading.event.name != NAME || reading.event.sync_id.is_some() {
        return None;
    }
    let mut parts = path(reading.data.get("uri")?.as_str()?)?.split('/').filter(|part| !part.is_empty()).peekable();
    let version = parts.next()?.strip_prefix(['v', 'V'])?;
    if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    while parts.next_if(|part| GROUPING.contains(part)).is_some() {}
    let first = Resource { kind: kind(parts.next()?)?, id: parts.next().and_then(id) };
    let member = parts.next().filter(|part| MEMBERS.contains(part) && first.id.is_some());
    let second = member.and_then(|part| Some(Resource { kind: kind(part)?, id: Some(parts.next().and_then(id)?) }));
    Some(std::iter::once(first).chain(second))
}

/// The path of an address of the API, without question and fragment.
fn path(uri: &str) -> Option<&str> {
    let uri = uri.trim();
    let path = match uri.split_once("://") {
        None => uri,
        Some((_, rest)) => {
            let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            let host = authority.rsplit('@').next()?.split(':').next()?.to_ascii_lowercase();
            let ours = host.strip_suffix(DOMAIN).is_some_and(|before| before.is_empty() || before.ends_with('.'));
            ours.then_some(path)?
        }
    };
    path.split(['?', '#']).next()
}

/// A collection as a type: in the singular and in capitals, old names in their new form.
fn kind(collection: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if collection.len() > COLLECTION_BYTES_MAX || !collection.bytes().all(plain) {
        return None;
    }
    let kind = collection.strip_suffix('s').unwrap_or(collection).to_ascii_uppercase().replace('-', "_");
    Some(super::resource::renamed(kind)).filter(|kind| !kind.is_empty())
}

fn id(part: &str) -> Option<String> {
    (!NO_IDS.contains(&part)).then(|| cut(part, TEXT_CHARS_MAX).to_owned())
}
