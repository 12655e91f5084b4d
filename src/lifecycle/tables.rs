//! The tables of one sync: when each was written, how many rows by operation, how many records were read for it.
//!
//! In: write starts and ends, which mostly name a table without its schema; rows modified, which name both; records read. Out: one
//! entry for each schema and table. A write window belongs to the schema whose rows come with it, because two schemas of one
//! connection may hold tables of one name. Bounded: past [`TABLES_MAX`] names, rows are only added up.

use super::{Modified, TableName};
use crate::model::Micros;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{borrow::Cow, collections::BTreeMap};

/// Most table names that are kept apart in one sync.
pub const TABLES_MAX: usize = 20_000;
/// Most operations that are kept apart; the others are added up under [`OTHER`].
const OPERATIONS_MAX: usize = 16;
const OTHER: &str = "OTHER";

/// Rows by operation. Few, so a list: a tree takes more memory than all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows(Vec<(Box<str>, u64)>);

impl Rows {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All operations together; past 64 bits it stays at the largest number.
    pub fn sum(&self) -> u64 {
        self.0.iter().fold(0, |sum, (_, n)| sum.saturating_add(*n))
    }

    /// Adds rows.
    pub fn add(&mut self, operation: &str, count: u64) {
        // Names from outside: the documented three and a bounded number of others.
        let known = |name: &str| self.0.binary_search_by(|(known, _)| (**known).cmp(name));
        let (operation, place) = match known(operation) {
            Err(_) if self.0.len() >= OPERATIONS_MAX => (OTHER, known(OTHER)),
            place => (operation, place),
        };
        match place {
            Ok(at) => self.0[at].1 = self.0[at].1.saturating_add(count),
            Err(at) => self.0.insert(at, (operation.into(), count)),
        }
    }

    /// Adds what another has.
    fn add_all(&mut self, other: &Self) {
        for (operation, count) in &other.0 {
            self.add(operation, *count);
        }
    }
}

impl Serialize for Rows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(operation, count)| (operation, count)))
    }
}

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Sorted by name, as it is kept.
        Ok(Self(BTreeMap::<Box<str>, u64>::deserialize(deserializer)?.into_iter().collect()))
    }
}

/// One table of one schema.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    #[serde(rename = "s")]
    schema: Option<Box<str>>,
    #[serde(rename = "t")]
    table: Box<str>,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    started: Option<Micros>,
    #[serde(rename = "z", default, skip_serializing_if = "Option::is_none")]
    ended: Option<Micros>,
    #[serde(rename = "r", default, skip_serializing_if = "Rows::is_empty")]
    rows: Rows,
}

impl Entry {
    fn cover(&mut self, window: &Window) {
        self.started = min(self.started, window.started);
        self.ended = self.ended.max(window.ended);
    }
}

/// The earlier of two moments that may be unknown.
fn min(one: Option<Micros>, other: Option<Micros>) -> Option<Micros> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The latest write to a table name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Window {
    #[serde(rename = "a")]
    started: Option<Micros>,
    #[serde(rename = "z")]
    ended: Option<Micros>,
    /// Place of the entry that it belongs to, once that is known.
    #[serde(rename = "o")]
    owner: Option<usize>,
}

/// Tables of one name, in any case.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Group {
    #[serde(rename = "e", default, skip_serializing_if = "Vec::is_empty")]
    entries: Vec<Entry>,
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    window: Option<Window>,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    read: Option<u64>,
    /// The name as it was first written, where it is not in lower case.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    label: Option<Box<str>>,
    /// What became of it, in systems that say so.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    status: Option<Box<str>>,
}

impl Group {
    fn entry(&mut self, schema: Option<&str>, table: &str) -> usize {
        let found = self.entries.iter().position(|entry| entry.schema.as_deref() == schema && *entry.table == *table);
        found.unwrap_or_else(|| {
            self.entries.push(Entry {
                schema: schema.map(Into::into),
                table: table.into(),
                started: None,
                ended: None,
                rows: Rows::default(),
            });
            self.entries.len() - 1
        })
    }

    /// A window that nobody claimed goes to the table whose schema is unknown.
    fn close_window(&mut self, table: &str) {
        if let Some(window) = self.window.take()
            && window.owner.is_none()
        {
            let at = self.entry(None, table);
            self.entries[at].cover(&window);
        }
    }

    /// The window that no table has claimed.
    fn unclaimed(&self) -> Option<&Window> {
        self.window.as_ref().filter(|window| window.owner.is_none())
    }

    /// How many tables it stands for that were written to; what names no schema belongs to the only one that is named.
    fn written(&self) -> usize {
        let named = self.entries.iter().filter(|entry| entry.schema.is_some()).count();
        let loose = named < self.entries.len() || self.unclaimed().is_some();
        if named == 1 { 1 } else { named + usize::from(loose) }
    }

    fn own_window(&mut self, at: usize) {
        if let Some(window) = &mut self.window
            && *window.owner.get_or_insert(at) == at
        {
            let window = window.clone();
            self.entries[at].cover(&window);
        }
    }
}

/// The tables of one sync.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Tables {
    /// By name in lower case.
    #[serde(rename = "g", default, skip_serializing_if = "BTreeMap::is_empty")]
    groups: BTreeMap<Box<str>, Box<Group>>,
    /// Rows of all tables.
    #[serde(rename = "r", default, skip_serializing_if = "Rows::is_empty")]
    rows: Rows,
    /// Events about tables past the bound.
    #[serde(rename = "o", default)]
    omitted: u64,
}

/// A table as it is shown.
#[derive(Debug)]
pub struct TableView<'t> {
    /// Its schema, where that is known.
    pub schema: Option<Cow<'t, str>>,
    /// Its name.
    pub table: Cow<'t, str>,
    /// The first write's start.
    pub started: Option<Micros>,
    /// The last write's end.
    pub ended: Option<Micros>,
    /// Records read for it.
    pub read: Option<u64>,
    /// Rows written to it.
    pub rows: Cow<'t, Rows>,
    /// What became of it.
    pub status: Option<&'t str>,
}

fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) || !text.chars().any(char::is_uppercase) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.to_lowercase())
    }
}

impl Tables {
    fn group(&mut self, table: &str) -> Option<&mut Group> {
        let name = lower(table);
        if !self.groups.contains_key(&*name) {
            if self.groups.len() >= TABLES_MAX {
                self.omitted += 1;
                return None;
            }
            let label = (*name != *table).then(|| table.into());
            self.groups.insert((*name).into(), Box::new(Group { label, ..Group::default() }));
        }
        self.groups.get_mut(&*name).map(|group| &mut **group)
    }

    /// A write began.
    pub fn write_started(&mut self, name: &TableName, at: Micros) {
        let Some(group) = self.group(&name.table) else { return };
        group.close_window(&name.table);
        group.window = Some(Window { started: Some(at), ended: None, owner: None });
        if let Some(schema) = &name.schema {
            let at = group.entry(Some(schema), &name.table);
            group.own_window(at);
        }
    }

    /// A write ended. Two ends for one start are usual; the later counts.
    pub fn write_ended(&mut self, name: &TableName, at: Micros) {
        let Some(group) = self.group(&name.table) else { return };
        let window = group.window.get_or_insert(Window { started: None, ended: None, owner: None });
        window.ended = window.ended.max(Some(at));
        let owner = window.owner;
        if let Some(schema) = &name.schema {
            let at = group.entry(Some(schema), &name.table);
            group.own_window(at);
        } else if let Some(at) = owner {
            group.own_window(at);
        }
    }

    /// Rows were written.
    pub fn modified(&mut self, modified: &Modified) {
        self.rows.add(&modified.operation, modified.count);
        let Some(group) = self.group(&modified.table.table) else { return };
        let at = group.entry(modified.table.schema.as_deref(), &modified.table.table);
        group.entries[at].rows.add(&modified.operation, modified.count);
        group.own_window(at);
    }

    /// Records were read.
    pub fn read(&mut self, name: &TableName, count: u64) {
        let Some(group) = self.group(&name.table) else { return };
        group.read = Some(group.read.unwrap_or(0).saturating_add(count));
    }

    /// How many names are kept.
    pub fn names(&self) -> usize {
        self.groups.len()
    }

    /// What became of a table. Whether that is news.
    pub fn told(&mut self, table: &str, status: &str) -> bool {
        let Some(group) = self.group(table) else { return true };
        let is_news = group.status.as_deref() != Some(status);
        group.status = Some(status.into());
        is_news
    }

    /// Rows of all tables by operation.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Events about tables past the bound.
    pub fn omitted(&self) -> u64 {
        self.omitted
    }

    /// How many tables rows were written to, or writes were seen of.
    pub fn written(&self) -> usize {
        self.groups.values().map(|group| group.written()).sum()
    }

    /// Every table as it is shown, by name and schema.
    pub fn views(&self) -> Vec<TableView<'_>> {
        let mut views = Vec::with_capacity(self.groups.len());
        for (name, group) in &self.groups {
            group_views(name, group, &mut views);
        }
        views
    }
}

fn group_views<'t>(name: &'t str, group: &'t Group, views: &mut Vec<TableView<'t>>) {
    let view = |schema: Option<&'t str>, table: &'t str, started: Option<Micros>, ended: Option<Micros>, read, rows| {
        TableView {
            schema: schema.map(Cow::Borrowed),
            table: Cow::Borrowed(table),
            started,
            // The end of an earlier write, whose start was not seen.
            ended: ended.filter(|ended| started.is_none_or(|started| *ended >= started)),
            read,
            rows,
            status: group.status.as_deref(),
        }
    };
    let mut entries: Vec<&Entry> = group.entries.iter().filter(|entry| entry.schema.is_some()).collect();
    entries.sort_by(|one, other| (&one.schema, &one.table).cmp(&(&other.schema, &other.table)));
    let nameless: Vec<&Entry> = group.entries.iter().filter(|entry| entry.schema.is_none()).collect();
    let loose = nameless
        .iter()
        .map(|entry| (entry.started, entry.ended))
        .chain(group.unclaimed().map(|window| (window.started, window.ended)))
        .reduce(|one, other| (min(one.0, other.0), one.1.max(other.1)));
    if let [only] = entries.as_slice() {
        // One schema: what does not name it belongs to it all the same.
        let (started, ended) = loose.unwrap_or_default();
        let mut rows = Cow::Borrowed(&only.rows);
        for entry in nameless.iter().filter(|entry| !entry.rows.is_empty()) {
            rows.to_mut().add_all(&entry.rows);
        }
        let (started, ended) = (min(only.started, started), only.ended.max(ended));
        views.push(view(only.schema.as_deref(), &only.table, started, ended, group.read, rows));
        return;
    }
    for entry in &entries {
        views.push(view(
            entry.schema.as_deref(),
            &entry.table,
            entry.started,
            entry.ended,
            None,
            Cow::Borrowed(&entry.rows),
        ));
    }
    if loose.is_some() || group.read.is_some() || group.status.is_some() {
        let (started, ended) = loose.unwrap_or_default();
        let table = nameless.first().map(|entry| &*entry.table).or(group.label.as_deref()).unwrap_or(name);
        let mut rows = Rows::default();
        for entry in &nameless {
            rows.add_all(&entry.rows);
        }
        views.push(view(None, table, started, ended, group.read, Cow::Owned(rows)));
    }
}
