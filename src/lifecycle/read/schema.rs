//! Changes of schema of every kind.
//!
//! In: data of events of the destination's schema, of the schema configuration, and of edits of schemas, tables and columns in the
//! audit trail. Out: what was done, to which table and columns. Never refused.
//! Source: Fivetran log documentation, sections create_table, alter_table, drop_table, change_schema_config and its relatives,
//! edit_connection ("modify a schema", "migrate schema"). create_schema has no example; its member is the one that the dbt package
//! reads.

use super::{
    super::{Action, Resync, SchemaChange, Signal, TableName},
    audit::Values,
    connector, deed,
    values::{self, Members, TEXT_CHARS_MAX, cut, own, word},
};
use crate::model::Event;
use serde_json::Value;

/// Most changes that are kept of one event.
const CHANGES_MAX: usize = 1_000;

/// Most columns that are kept of one event, over all its changes.
const COLUMNS_MAX: usize = 10_000;

/// Members of an audit edit that make it one of the schema.
pub(super) const EDITED: &[&str] = &["schemas", "tables", "columns", "schema_changes"];

pub(super) fn create_schema(event: &Event, data: Members<'_>) -> Signal {
    let schema = TableName { schema: data.text(&["schema", "name"]), table: Box::default() };
    changed(event, data, Changes::one("CREATE_SCHEMA", schema, &mut [].into_iter()))
}

pub(super) fn create_table(event: &Event, data: Members<'_>) -> Signal {
    let table = TableName { schema: data.text(&["schema"]), table: data.text(&["name", "table"]).unwrap_or_default() };
    changed(event, data, Changes::one("CREATE_TABLE", table, &mut columns(data.get("columns"))))
}

pub(super) fn drop_table(event: &Event, data: Members<'_>) -> Signal {
    let table = TableName { schema: data.text(&["schema"]), table: data.text(&["name", "table"]).unwrap_or_default() };
    changed(event, data, Changes::one("DROP_TABLE", table, &mut [].into_iter()))
}

pub(super) fn alter_table(event: &Event, data: Members<'_>) -> Signal {
    let operation = data.text(&["type"]).unwrap_or_else(|| "ALTER_TABLE".into());
    let properties = data.inner(&["properties"]);
    let column = properties.any(&["columnName", "column_name"]);
    let mut columns = column.and_then(word).into_iter().chain(columns(properties.get("columns")));
    changed(event, data, Changes::one(&operation, connector::table(data), &mut columns))
}

/// `{"properties": {"ENABLED_TABLES": [{"schema": …, "tables": […]}], "includeNewByDefault": false}}`.
pub(super) fn config(event: &Event, data: Members<'_>) -> Signal {
    let mut changes = Changes::default();
    for (operation, value) in data.inner(&["properties"]).iter() {
        match value {
            Value::Null => {}
            Value::Array(entries) => entries.iter().for_each(|entry| changes.entry(operation, entry)),
            Value::Object(_) => changes.entry(operation, value),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => changes.setting(operation, value),
        }
    }
    changed(event, data, changes)
}

/// `{"newValues": {"tables": {"schema.Table": {"blocked": false}}}}`.
pub(super) fn edited(event: &Event, data: Members<'_>, values: Values<'_>) -> Signal {
    let mut changes = Changes::default();
    for kind in ["schemas", "tables", "columns"] {
        let (old, new) = (values.old.inner(&[kind]), values.new.inner(&[kind]));
        for (entity, attributes) in new.iter() {
            let before = Members::of(old.get(entity));
            for (attribute, value) in Members::of(Some(attributes)).iter() {
                if before.get(attribute) != Some(value) {
                    changes.attribute(kind, entity, attribute, value);
                }
            }
        }
    }
    for (member, value) in values.new.inner(&["schema_changes"]).iter() {
        changes.setting(&format!("schema_changes.{}", cut(member, TEXT_CHARS_MAX)), value);
    }
    changed(event, data, changes)
}

/// A re-sync of a table, or of everything.
pub(super) fn resync(event: &Event, action: Action, table: Option<TableName>, cause: Option<Box<str>>) -> Resync {
    Resync {
        event: cut(&event.name, TEXT_CHARS_MAX).into(),
        action,
        table,
        cause,
        data: event.data.as_deref().and_then(values::json),
    }
}

fn changed(event: &Event, data: Members<'_>, changes: Changes) -> Signal {
    Signal::SchemaChanged(Box::new(SchemaChange {
        event: cut(&event.name, TEXT_CHARS_MAX).into(),
        action: deed::action(event, data),
        changes: changes.list,
        data: event.data.as_deref().and_then(values::json),
    }))
}

/// Names of columns, whether they are keys of an object, texts, or objects with a name.
fn columns(value: Option<&Value>) -> Box<dyn Iterator<Item = Box<str>> + '_> {
    match value {
        Some(Value::Object(columns)) => {
            // The documentation prints this member of the event among the columns of its example.
            let slipped = |name: &str, kind: &Value| {
                name == "primary_key_clause" && kind.as_str().is_some_and(|t| t.contains('"'))
            };
            Box::new(columns.iter().filter(move |(name, kind)| !slipped(name, kind)).filter_map(|(name, _)| own(name)))
        }
        Some(Value::Array(columns)) => Box::new(columns.iter().filter_map(|column| match column {
            Value::Object(_) => Members::of(Some(column)).text(&["name", "column", "columnName"]),
            column => word(column),
        })),
        _ => Box::new(std::iter::empty()),
    }
}

/// `schema.table` taken apart at its first dot; a text without one is a table.
fn dotted(text: &str) -> TableName {
    match text.split_once('.') {
        Some((schema, table)) => TableName { schema: own(schema), table: own(table).unwrap_or_default() },
        None => TableName { schema: None, table: own(text).unwrap_or_default() },
    }
}

#[derive(Default)]
struct Changes {
    list: Vec<(Box<str>, TableName, Vec<Box<str>>)>,
    columns: usize,
}

impl Changes {
    fn one(operation: &str, table: TableName, columns: &mut dyn Iterator<Item = Box<str>>) -> Self {
        let mut changes = Self::default();
        changes.push(operation, table, columns);
        changes
    }

    fn push(&mut self, operation: &str, table: TableName, columns: &mut dyn Iterator<Item = Box<str>>) {
        if self.list.len() >= CHANGES_MAX {
            return;
        }
        let columns: Vec<Box<str>> = columns.take(COLUMNS_MAX - self.columns).collect();
        self.columns += columns.len();
        self.list.push((cut(operation, TEXT_CHARS_MAX).into(), table, columns));
    }

    /// A switch that belongs to no table: `includeNewByDefault=false`.
    fn setting(&mut self, name: &str, value: &Value) {
        if let Some(value) = word(value) {
            let name = format!("{}={value}", cut(name, TEXT_CHARS_MAX / 2));
            self.push(&name, TableName { schema: None, table: Box::default() }, &mut [].into_iter());
        }
    }

    /// One entry of a list: the name of a schema, or an object that names a schema and its tables or one table and its columns.
    fn entry(&mut self, operation: &str, entry: &Value) {
        if self.list.len() >= CHANGES_MAX {
            return;
        }
        let Value::Object(_) = entry else {
            let Some(name) = word(entry) else { return };
            let about_tables = operation.ends_with("_TABLES") || operation.ends_with("_COLUMNS");
            let table =
                if about_tables { dotted(&name) } else { TableName { schema: Some(name), table: Box::default() } };
            self.push(operation, table, &mut [].into_iter());
            return;
        };
        let entry = Members::of(Some(entry));
        let schema = entry.text(&["schema", "schemaName"]);
        let before = self.list.len();
        if let Some(table) = entry.text(&["table", "tableName"]) {
            self.push(operation, TableName { schema: schema.clone(), table }, &mut columns(entry.get("columns")));
        }
        for table in entry.list(&["tables"]).iter().chain(entry.list(&["tablesSyncModes", "tableSyncModes"])) {
            self.table(operation, schema.as_deref(), table);
        }
        for (name, _) in entry.inner(&["tables"]).iter() {
            let table = TableName { schema: schema.clone(), table: own(name).unwrap_or_default() };
            self.push(operation, table, &mut [].into_iter());
        }
        if self.list.len() == before && schema.is_some() {
            self.push(operation, TableName { schema, table: Box::default() }, &mut columns(entry.get("columns")));
        }
    }

    /// A table of an entry: its name, or an object with columns and perhaps a mode of syncing.
    fn table(&mut self, operation: &str, schema: Option<&str>, table: &Value) {
        let members = Members::of(Some(table));
        let Some(name) = word(table).or_else(|| members.text(&["table", "name"])) else { return };
        let table = TableName { schema: schema.map(Into::into), table: name };
        let mut columns = columns(members.get("columns"));
        match members.text(&["syncMode", "sync_mode"]) {
            Some(mode) => {
                let operation = format!("{}={mode}", cut(operation, TEXT_CHARS_MAX / 2));
                self.push(&operation, table, &mut columns);
            }
            None => self.push(operation, table, &mut columns),
        }
    }

    /// An attribute of a schema, table or column that an edit in the audit trail set. Columns of a table stay together.
    fn attribute(&mut self, kind: &str, entity: &str, attribute: &str, value: &Value) {
        let upper = kind.to_ascii_uppercase();
        let operation = match (attribute, values::flag(value)) {
            ("blocked", Some(true)) => format!("BLOCKED_{upper}"),
            ("blocked", Some(false)) => format!("UNBLOCKED_{upper}"),
            ("hashed", Some(true)) => format!("HASHED_{upper}"),
            ("hashed", Some(false)) => format!("UNHASHED_{upper}"),
            _ => {
                let Some(value) = values::said(value, TEXT_CHARS_MAX / 4) else { return };
                format!("{kind}.{}={value}", cut(attribute, TEXT_CHARS_MAX / 4))
            }
        };
        let (table, column) = match kind {
            "schemas" => (TableName { schema: own(entity), table: Box::default() }, None),
            "tables" => (dotted(entity), None),
            _ => match entity.rsplit_once('.') {
                Some((table, column)) => (dotted(table), own(column)),
                None => (TableName { schema: None, table: Box::default() }, own(entity)),
            },
        };
        let same = self.list.iter_mut().rev().take(8).find(|(o, t, _)| **o == *operation && *t == table);
        match (same, column) {
            (Some((_, _, columns)), Some(column)) if self.columns < COLUMNS_MAX => {
                columns.push(column);
                self.columns += 1;
            }
            (Some(_), _) => {}
            (None, column) => self.push(&operation, table, &mut column.into_iter()),
        }
    }
}
