//! Creations and edits, with values before and after, of dashboard and audit trail alike.
//!
//! In: data with `properties`/`oldProperties` (dashboard) or `newValues`/`oldValues` (audit trail). Out: what was changed, member by
//! member, and the signal it amounts to. Never refused.
//! Source: Fivetran log documentation, sections create_connector, edit_connector, edit_connection with its use cases and
//! sync_connection. `paused` beside `is_paused`: rows of the AUDIT_TRAIL table.

use super::{
    super::{Change, Edit, Signal},
    connector, deed, schema,
    values::{self, Members, TEXT_CHARS_MAX, cut},
};
use crate::{
    json::{self, Depth},
    model::Event,
};
use std::ops::ControlFlow;

/// Most changes that are kept of one edit.
const CHANGES_MAX: usize = 100;

/// Changes after so many bytes of values are left off.
const VALUES_BYTES_MAX: usize = 32 << 10;

/// Most bytes of one value; what is longer is cut.
const VALUE_BYTES_MAX: usize = 4 << 10;

/// Nesting below which members are not taken apart any more.
const DEPTH_MAX: usize = 8;

const PAUSED: &[&str] = &["is_paused", "paused", "isPaused"];
const SYNC_FREQUENCY: &[&str] = &["sync_frequency", "syncFrequency"];
const SCHEDULE_TYPE: &[&str] = &["schedule_type", "scheduleType"];
const SETUP_STATUS: &[&str] = &["setup_status", "setupStatus", "setup_state", "setupState"];
const SCHEMA_STATUS: &[&str] = &["schema_status", "schemaStatus"];

/// Values before and after.
#[derive(Clone, Copy)]
pub(super) struct Values<'v> {
    pub(super) old: Members<'v>,
    pub(super) new: Members<'v>,
}

impl<'v> Values<'v> {
    fn of(data: Members<'v>) -> Self {
        Self {
            old: data.inner(&["oldValues", "old_values", "oldProperties"]),
            new: data.inner(&["newValues", "new_values", "properties"]),
        }
    }

    fn names(self) -> impl Iterator<Item = &'v str> {
        self.old.iter().chain(self.new.iter()).map(|(name, _)| name)
    }

    fn touches(self, names: &[&[&str]]) -> bool {
        self.names().any(|name| names.iter().any(|names| names.contains(&name)))
    }
}

pub(super) fn created(event: &Event, data: Members<'_>) -> Signal {
    Signal::Created(Box::new(edit(event, data, Values::of(data))))
}

/// An edit; a pause or resumption where it is nothing else; a change of schema where it is one.
pub(super) fn edited(event: &Event, data: Members<'_>) -> Signal {
    let values = Values::of(data);
    let about_schema = values.names().any(|name| schema::EDITED.contains(&name));
    // One event has one meaning: the state of the connection goes before its schema.
    if about_schema && !values.touches(&[PAUSED, SYNC_FREQUENCY, SCHEDULE_TYPE, SETUP_STATUS, SCHEMA_STATUS]) {
        return schema::edited(event, data, values);
    }
    let edit = edit(event, data, values);
    let only_paused = if edit.changes.is_empty() {
        values.names().all(|name| PAUSED.contains(&name))
    } else {
        edit.changes.iter().all(|change| PAUSED.contains(&change.field.as_str()))
    };
    match edit.paused.filter(|_| only_paused) {
        Some(true) => Signal::Paused(Box::new(edit.action)),
        Some(false) => Signal::Resumed(Box::new(edit.action)),
        None => Signal::Edited(Box::new(edit)),
    }
}

/// A sync, or a re-sync, that somebody asked for.
pub(super) fn sync_connection(event: &Event, data: Members<'_>) -> Signal {
    let action = deed::action(event, data);
    let new = Values::of(data).new;
    if new.flag(&["trigger_resync", "triggerResync"]) == Some(true) {
        let table = Some(connector::table(new)).filter(|table| !table.table.is_empty());
        Signal::Resync(Box::new(schema::resync(event, action, table, None)))
    } else {
        Signal::ManualSync(Box::new(action))
    }
}

fn edit(event: &Event, data: Members<'_>, values: Values<'_>) -> Edit {
    let new = values.new;
    let edit_type = data.text(&["editType", "edit_type"]);
    // No value of editType for pauses is documented; the obvious ones are understood where the values are silent.
    let by_type = || match &*edit_type.as_deref()?.to_ascii_uppercase() {
        "PAUSE" | "PAUSED" | "PAUSE_CONNECTOR" | "PAUSE_CONNECTION" => Some(true),
        "RESUME" | "RESUMED" | "UNPAUSE" | "RESUME_CONNECTOR" | "RESUME_CONNECTION" => Some(false),
        _ => None,
    };
    let paused = new.flag(PAUSED).or_else(by_type);
    Edit {
        action: deed::action(event, data),
        changes: changes(values),
        paused,
        sync_frequency_minutes: new.any(SYNC_FREQUENCY).and_then(values::integer),
        schedule_type: new.text(SCHEDULE_TYPE),
        setup_status: new.text(SETUP_STATUS),
        schema_status: new.text(SCHEMA_STATUS),
        edit_type,
    }
}

/// What differs between the values before and after.
fn changes(values: Values<'_>) -> Vec<Change> {
    let mut list = Vec::new();
    let mut budget = VALUES_BYTES_MAX;
    let depth = Depth { levels_max: DEPTH_MAX, empty_counts: false };
    json::changes(values.old.map(), values.new.map(), depth, &mut |path, old, new| {
        if list.len() >= CHANGES_MAX || budget == 0 {
            return ControlFlow::Break(());
        }
        let mut copy = |value| {
            let mut left = VALUE_BYTES_MAX;
            let copy = values::copy(value, &mut left);
            budget = budget.saturating_sub(VALUE_BYTES_MAX - left);
            copy
        };
        let field = cut(&path.join("."), TEXT_CHARS_MAX).to_owned();
        list.push(Change { field, old: copy(old), new: copy(new) });
        ControlFlow::Continue(())
    });
    list
}
