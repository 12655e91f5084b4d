//! What a view needs to know of syncs that stand packed: which tables they wrote.
//!
//! In: syncs as they are kept, in order. Out: JSON without names of members, moments in milliseconds wherever nothing is finer, names
//! of tables by number. Whatever opens the database can read it, while the syncs themselves are compressed beside it.

use super::kept::{Kept, SyncRow};
use crate::{lifecycle::text, model::Micros};
use serde::{Serialize, Serializer, ser::SerializeSeq as _};
use std::{borrow::Cow, collections::HashMap};

/// The operations that the view sums up.
const OPERATIONS: [&str; 3] = ["REPLACED_OR_INSERTED", "UPDATED", "DELETED"];

/// Tables that syncs wrote.
#[derive(Debug, PartialEq, Eq)]
pub struct Written {
    /// What moments are counted in, microseconds.
    pub unit: Micros,
    /// `[[schema, table], ...]`.
    pub names: String,
    /// `[[moment of the sync, duration, second half of its id, [[place among names, start, end, rows ...], ...], start], ...]`; the
    /// first is told from `since`, the others from the sync's. What is missing at the end is 0.
    pub syncs: String,
}

struct Table {
    name: usize,
    started: Option<Micros>,
    ended: Option<Micros>,
    rows: [u64; 3],
}

struct One {
    at: Micros,
    until: Option<Micros>,
    hash: i64,
    tables: Vec<Table>,
    started: Option<Micros>,
}

/// A list whose last members are left out where they are 0.
struct Short<'m, T>(&'m [T]);

impl Written {
    /// Of syncs; `None` when one cannot be read. `since`: no sync is earlier.
    #[must_use]
    pub fn of<'r>(rows: impl Iterator<Item = &'r SyncRow>, since: Micros) -> Option<Self> {
        let mut places: HashMap<(Option<String>, String), usize> = HashMap::new();
        let mut names: Vec<(Option<String>, String)> = Vec::new();
        let mut syncs = Vec::new();
        for row in rows {
            let kept: Kept<'_> = serde_json::from_str(&row.body).ok()?;
            let mut tables = Vec::new();
            for (schema, table, started, ended, _, rows) in &kept.tables {
                if rows.is_empty() {
                    continue;
                }
                let name = (schema.as_deref().map(str::to_owned), Cow::as_ref(table).to_owned());
                let name = *places.entry(name).or_insert_with_key(|name| {
                    names.push(name.clone());
                    names.len() - 1
                });
                let rows = OPERATIONS.map(|operation| rows.of(operation));
                tables.push(Table { name, started: *started, ended: *ended, rows });
            }
            if !tables.is_empty() {
                let at = row.anchor.created_us;
                syncs.push(One {
                    at: at.wrapping_sub(since),
                    until: row.until_us.map(|until| until.wrapping_sub(at)),
                    hash: row.anchor.hash,
                    tables,
                    started: kept.started,
                });
            }
        }
        let fine = |us: &Micros| us % 1_000 != 0;
        let unit = if syncs.iter().flat_map(One::moments).any(|us| fine(&us)) { 1 } else { 1_000 };
        syncs.iter_mut().for_each(|sync| sync.count_in(unit));
        Some(Self { unit, names: text(&names), syncs: text(&syncs) })
    }
}

impl One {
    fn moments(&self) -> impl Iterator<Item = Micros> {
        let own = [Some(self.at), self.until, self.started];
        own.into_iter().chain(self.tables.iter().flat_map(|it| [it.started, it.ended])).flatten()
    }

    fn count_in(&mut self, unit: Micros) {
        self.at /= unit;
        let tables = self.tables.iter_mut().flat_map(|it| [&mut it.started, &mut it.ended]);
        for us in [&mut self.until, &mut self.started].into_iter().chain(tables) {
            *us = us.map(|us| us / unit);
        }
    }
}

impl Serialize for One {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        list.serialize_element(&self.at)?;
        list.serialize_element(&self.until)?;
        // As ids are shown: the sign turned.
        list.serialize_element(&format_args!("{:016x}", self.hash ^ i64::MIN).to_string())?;
        list.serialize_element(&self.tables)?;
        match self.started {
            Some(0) => {}
            started => list.serialize_element(&started)?,
        }
        list.end()
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        list.serialize_element(&self.name)?;
        list.serialize_element(&self.started)?;
        list.serialize_element(&self.ended)?;
        let rows = Short(&self.rows);
        rows.each(|n| list.serialize_element(n))?;
        list.end()
    }
}

impl<T: Default + PartialEq> Short<'_, T> {
    fn each<E>(&self, each: impl FnMut(&T) -> Result<(), E>) -> Result<(), E> {
        let len = self.0.iter().rposition(|it| *it != T::default()).map_or(0, |at| at + 1);
        self.0[..len].iter().try_for_each(each)
    }
}
