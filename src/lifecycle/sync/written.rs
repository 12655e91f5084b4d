//! What a view needs to know of syncs that stand packed: which tables they wrote.
//!
//! In: syncs as they are kept, in order. Out: JSON without names of members, moments in milliseconds wherever nothing is finer, names
//! of tables by number. Whatever opens the database can read it, while the syncs themselves are compressed beside it.

use super::kept::SyncRow;
use crate::{lifecycle::text, model::Micros};
use ahash::AHashMap;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{IgnoredAny, MapAccess, Visitor},
    ser::SerializeSeq as _,
};
use std::{borrow::Cow, fmt};

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

/// What matters here of a sync as it is kept (`kept.rs`), borrowed from its text.
#[derive(Deserialize)]
struct Kept<'s> {
    #[serde(rename = "b", default)]
    started: Option<Micros>,
    #[serde(rename = "t", borrow, default)]
    tables: Vec<KeptTable<'s>>,
}

/// Schema, name, start and end of its write, records read, rows.
type KeptTable<'s> = (Option<Name<'s>>, Name<'s>, Option<Micros>, Option<Micros>, IgnoredAny, Rows);

#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Name<'s>(#[serde(borrow)] Cow<'s, str>);

/// Rows of each of the [`OPERATIONS`]; `None` where no operation is named.
struct Rows(Option<[u64; 3]>);

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
        let mut places: AHashMap<(Option<Name<'r>>, Name<'r>), usize> = AHashMap::new();
        let mut names: Vec<(Option<Name<'r>>, Name<'r>)> = Vec::new();
        let mut syncs = Vec::new();
        for row in rows {
            let kept: Kept<'r> = serde_json::from_str(&row.body).ok()?;
            let mut tables = Vec::with_capacity(kept.tables.len());
            for (schema, table, started, ended, _, rows) in kept.tables {
                let Some(rows) = rows.0 else { continue };
                let name = *places.entry((schema, table)).or_insert_with_key(|name| {
                    names.push(name.clone());
                    names.len() - 1
                });
                tables.push(Table { name, started, ended, rows });
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

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Walk;
        impl<'de> Visitor<'de> for Walk {
            type Value = Rows;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("rows by operation")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Rows, A::Error> {
                let mut rows = None;
                while let Some((operation, n)) = map.next_entry::<Name<'de>, u64>()? {
                    let rows = rows.get_or_insert([0; 3]);
                    if let Some(at) = OPERATIONS.iter().position(|known| *known == operation.0) {
                        rows[at] = n;
                    }
                }
                Ok(Rows(rows))
            }
        }
        deserializer.deserialize_map(Walk)
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
