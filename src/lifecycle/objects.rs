//! Objects of a connection that its system logs one by one: mappings of a Heroku Connect add-on.
//!
//! In: news of objects. Out: where each stands, what was moved for it, what is wrong with it. Bounded: [`OBJECTS_MAX`] objects and
//! [`TROUBLES_MAX`] troubles are known; further ones are not taken in.

use super::{Moved, SyncId, time_text};
use crate::model::Micros;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Most objects of one connection.
pub const OBJECTS_MAX: usize = 1_000;
/// Most things that are wrong at a time.
const TROUBLES_MAX: usize = 200;
/// Most ways of moving rows of one object that are counted apart.
const MOVES_MAX: usize = 24;

/// Everything that is known of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Objects {
    by_name: BTreeMap<Box<str>, Object>,
    troubles: BTreeSet<Box<str>>,
}

/// One object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Object {
    pub id: Option<Box<str>>,
    pub state: Option<Box<str>>,
    pub last_us: Micros,
    /// Times it was loaded anew.
    pub loads: u64,
    /// The load that runs.
    pub load: Option<SyncId>,
    /// Rows and microseconds by direction, operation and API.
    moves: BTreeMap<Box<str>, (u64, u64)>,
    pub errors: u64,
    pub last_error: Option<Box<str>>,
    pub back_off_us: Option<Micros>,
}

impl Object {
    /// Counts rows.
    pub fn moved(&mut self, moved: &Moved, rows: u64, took_us: u64) {
        let way = format!("{} {} {}", moved.direction, moved.operation, moved.api.as_deref().unwrap_or_default());
        if self.moves.len() >= MOVES_MAX && !self.moves.contains_key(way.as_str()) {
            return;
        }
        let sum = self.moves.entry(way.into()).or_default();
        sum.0 = sum.0.saturating_add(rows);
        sum.1 = sum.1.saturating_add(took_us);
    }

    fn view(&self, name: &str) -> Value {
        let rows: Vec<Value> = self
            .moves
            .iter()
            .map(|(way, (rows, us))| {
                let mut words = way.splitn(2, ' ');
                let direction = words.next().unwrap_or_default();
                let (operation, api) = words.next().unwrap_or_default().rsplit_once(' ').unwrap_or_default();
                let api = (!api.is_empty()).then_some(api);
                json!({"direction": direction, "operation": operation, "api": api, "rows": rows, "took_ms": us / 1_000})
            })
            .collect();
        json!({"name": name, "id": self.id, "state": self.state, "last_event_at": time_text(self.last_us),
            "loads": self.loads, "loading": self.load.is_some(), "rows": rows, "errors": self.errors,
            "last_error": self.last_error, "back_off_until": self.back_off_us.map(time_text)})
    }
}

impl Objects {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty() && self.troubles.is_empty()
    }

    /// An object by name; `None` past the bound.
    pub fn get(&mut self, name: &str) -> Option<&mut Object> {
        if !self.by_name.contains_key(name) {
            if self.by_name.len() >= OBJECTS_MAX {
                return None;
            }
            self.by_name.insert(name.into(), Object::default());
        }
        self.by_name.get_mut(name)
    }

    /// Something is wrong.
    pub fn trouble(&mut self, topic: &str) {
        if self.troubles.len() < TROUBLES_MAX {
            self.troubles.insert(topic.into());
        }
    }

    /// Something is wrong no more. Whether it was.
    pub fn over(&mut self, topic: &str) -> bool {
        self.troubles.remove(topic)
    }

    /// Takes the load that runs, where only one does.
    pub fn take_only_load(&mut self) -> Option<SyncId> {
        let mut loading = self.by_name.values_mut().filter(|object| object.load.is_some());
        let only = loading.next()?;
        if loading.next().is_some() { None } else { only.load.take() }
    }

    /// Whether anything is wrong.
    pub fn is_troubled(&self) -> bool {
        !self.troubles.is_empty()
    }

    /// In the public form, by name.
    pub fn view(&self) -> Vec<Value> {
        self.by_name.iter().map(|(name, object)| object.view(name)).collect()
    }
}
