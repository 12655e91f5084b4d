//! Pass 1: the common members and their old names.
//!
//! Source: Fivetran log documentation, "Logs": `connector_id` and `connector_name` are deprecated spellings of
//! `connection_id` and `connection_name`. Observed: webhooks of May 2026 still send only the old ones; older ones say
//! `group_id` for `destination_group_id`.

use super::Normalized;
use crate::{
    envelope::{Found, scalar, trim},
    json,
    model::{Conflict, CreatedFrom, Data, Event, Family, Level, Micros, Source, Timestamp, Violation},
};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Longest id or name that is kept as such, in bytes. Longer ones make the event invalid and are cut.
const TEXT_BYTES_MAX: usize = 1024;

/// The name of an event whose `event` member is neither a text nor a number. It is kept, and invalid.
const UNNAMED: &str = "unnamed";

/// The members we know, while they are read.
#[derive(Default)]
struct Known<'t> {
    event: Option<&'t str>,
    created: Option<&'t str>,
    data: Option<&'t str>,
    connector_type: Option<&'t str>,
    connector_id: Option<&'t str>,
    connector_name: Option<&'t str>,
    connection_id: Option<&'t str>,
    connection_name: Option<&'t str>,
    sync_id: Option<&'t str>,
    exception_id: Option<&'t str>,
    destination_group_id: Option<&'t str>,
    group_id: Option<&'t str>,
}

impl<'t> Known<'t> {
    fn slot(&mut self, name: &str) -> Option<&mut Option<&'t str>> {
        Some(match name {
            "event" => &mut self.event,
            "created" => &mut self.created,
            "data" => &mut self.data,
            "connector_type" => &mut self.connector_type,
            "connector_id" => &mut self.connector_id,
            "connector_name" => &mut self.connector_name,
            "connection_id" => &mut self.connection_id,
            "connection_name" => &mut self.connection_name,
            "sync_id" => &mut self.sync_id,
            "exception_id" => &mut self.exception_id,
            "destination_group_id" => &mut self.destination_group_id,
            "group_id" => &mut self.group_id,
            _ => return None,
        })
    }
}

/// Collects what is wrong with types.
#[derive(Default)]
struct Types {
    wrong: Map<String, Value>,
    findings: Vec<Violation>,
}

impl Types {
    /// A member's text. Other scalars are read as their text and noted; anything else is noted and left out.
    fn text<'t>(&mut self, name: &str, raw: Option<&'t str>) -> Option<Cow<'t, str>> {
        let raw = raw?;
        if raw == "null" {
            return None;
        }
        let text = match json::string(raw) {
            Some(text) => text,
            None => {
                self.wrong.insert(name.to_owned(), json::value(raw).unwrap_or(Value::Null));
                scalar(raw)?
            }
        };
        let trimmed = trim(&text);
        if trimmed.is_empty() {
            return None;
        }
        if trimmed.len() == text.len() && text.len() <= TEXT_BYTES_MAX {
            return Some(text);
        }
        if trimmed.len() > TEXT_BYTES_MAX {
            self.findings.push(Violation {
                path: format!("/{name}"),
                message: format!("expected at most {TEXT_BYTES_MAX} bytes"),
            });
            return Some(cut(trimmed).to_owned().into());
        }
        Some(trimmed.to_owned().into())
    }
}

/// Reads an envelope.
/// As much of a text as an event takes.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

pub(super) fn read(found: &Found<'_>, received_us: Micros) -> Result<Normalized, String> {
    let mut known = Known::default();
    let mut extra = Map::new();
    let mut level = None;
    for &(ref name, raw) in &found.members {
        if let Some(slot) = known.slot(name) {
            if slot.replace(raw).is_some() {
                return Err(format!("member `{name}` occurs twice in the envelope"));
            }
        } else if let (None, "level" | "severity" | "log_level", Some(said)) =
            (level, name.as_ref(), scalar(raw).and_then(|text| Level::parse(&text)))
        {
            level = Some(said);
        } else {
            let value = json::value(raw)
                .map_err(|error| format!("an envelope member is not JSON: {}", json::reason(&error)))?;
            extra.insert(name.clone().into_owned(), value);
        }
    }
    let mut types = Types::default();
    let mut normalized: Vec<Cow<'static, str>> = Vec::new();
    let mut conflicts = Vec::new();

    let written = types.text("event", known.event).unwrap_or(Cow::Borrowed(UNNAMED));
    let lower = written.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase());
    let name = if lower { written.into_owned() } else { written.to_lowercase() };
    if known.event == Some("null") {
        types.wrong.insert("event".to_owned(), Value::Null);
    }
    let sent = known.event.and_then(json::string).filter(|sent| *sent != name.as_str());
    if sent.is_some() {
        normalized.push("event".into());
    }
    // The envelope's own text keeps the rest of it.
    let original_name = sent.as_deref().map(cut).filter(|sent| *sent != name.as_str()).map(str::to_owned);

    let mut renamed = |types: &mut Types, old: &'static str, old_raw, new: &'static str, new_raw| {
        let new_text = types.text(new, new_raw).map(Cow::into_owned);
        let old_text = types.text(old, old_raw);
        let Some(old_text) = old_text else { return new_text };
        normalized.push(old.into());
        match new_text {
            None => Some(old_text.into_owned()),
            Some(new_text) => {
                if *new_text != *old_text {
                    let (field, dropped) = (new.to_owned(), old_text.into_owned());
                    conflicts.push(Conflict { field, kept: new_text.clone(), dropped });
                }
                Some(new_text)
            }
        }
    };
    let connection_id = renamed(&mut types, "connector_id", known.connector_id, "connection_id", known.connection_id);
    let connection_name =
        renamed(&mut types, "connector_name", known.connector_name, "connection_name", known.connection_name);
    let destination =
        renamed(&mut types, "group_id", known.group_id, "destination_group_id", known.destination_group_id);

    let (created, created_from) = created(known.created, found.hints.time, received_us, &mut types, &mut normalized);
    let connector_type = types.text("connector_type", known.connector_type).map(Cow::into_owned);
    let sync_id = types.text("sync_id", known.sync_id).map(Cow::into_owned);
    let exception_id = types.text("exception_id", known.exception_id).map(Cow::into_owned);
    let data = match known.data {
        None | Some("null") => None,
        Some(raw) => Some(json::value(raw).map_err(|error| format!("data is not JSON: {}", json::reason(&error)))?),
    };
    let event = Event {
        source: found.hints.source.unwrap_or(Source::Fivetran),
        name,
        original_name,
        family: Family::Other,
        level: level.unwrap_or(Level::Info),
        level_given: level.is_some(),
        created,
        created_from,
        connection_id,
        connection_name,
        connector_type,
        sync_id,
        exception_id,
        destination_given: destination.is_some(),
        destination,
        data: data.map(Data::from),
        extra,
        normalized,
        conflicts,
    };
    let envelope = (!types.wrong.is_empty()).then(|| view(&event, types.wrong));
    Ok(Normalized { event, envelope, findings: types.findings })
}

/// The moment, and who said it.
fn created(
    raw: Option<&str>,
    transport: Option<Timestamp>,
    received_us: Micros,
    types: &mut Types,
    normalized: &mut Vec<Cow<'static, str>>,
) -> (Timestamp, CreatedFrom) {
    let text = raw.filter(|raw| *raw != "null").map(|raw| (raw, scalar(raw)));
    match text {
        Some((raw, Some(text))) => {
            // A number is always an epoch; a text is tried as a calendar date first.
            let parsed = if raw.starts_with('"') { Timestamp::parse(&text) } else { Timestamp::parse_epoch(&text) };
            if let Ok(created) = parsed {
                if !raw.starts_with('"') || !is_rendered(&created, &text) {
                    normalized.push("created".into());
                }
                return (created, CreatedFrom::Event);
            }
            types.findings.push(Violation {
                path: "/created".to_owned(),
                message: "expected a time (RFC 3339, YYYY-MM-DD HH:MM:SS or an epoch), found something else".to_owned(),
            });
        }
        Some((raw, None)) => {
            types.wrong.insert("created".to_owned(), json::value(raw).unwrap_or(Value::Null));
        }
        None => {}
    }
    normalized.push("created".into());
    match transport {
        Some(time) => (time, CreatedFrom::Transport),
        None => (Timestamp::from_micros(received_us), CreatedFrom::Receipt),
    }
}

/// Whether a time would be written exactly as this text.
fn is_rendered(created: &Timestamp, text: &str) -> bool {
    // The usual form, recognised without formatting: 2026-07-07T16:35:14.456Z.
    let bytes = text.as_bytes();
    let decimals = match created.digits() {
        0 => 0,
        digits => usize::from(digits) + 1,
    };
    bytes.len() == 20 + decimals
        && bytes[10] == b'T'
        && &bytes[17..19] != b"60"
        && bytes.last() == Some(&b'Z')
        && (decimals == 0 || bytes[19] == b'.')
}

/// The envelope for its schema: new names, values as they came.
pub(super) fn view(event: &Event, wrong: Map<String, Value>) -> Map<String, Value> {
    let mut view = Map::new();
    let mut put = |name: &str, text: &Option<String>| {
        if let Some(text) = text {
            view.insert(name.to_owned(), Value::String(text.clone()));
        }
    };
    put("connection_id", &event.connection_id);
    put("connection_name", &event.connection_name);
    put("connector_type", &event.connector_type);
    put("sync_id", &event.sync_id);
    put("exception_id", &event.exception_id);
    put("destination_group_id", &event.destination);
    view.insert("event".to_owned(), Value::String(event.name.clone()));
    view.insert("created".to_owned(), Value::String(event.created.to_string()));
    view.extend(wrong);
    view
}
