//! A batch made ready for the writer, on the thread of whoever brings it.
//!
//! In: events, one after the other. Out: rows whose bodies are compressed, and one table each of the distinct connections, labels,
//! kinds and shapes among them, so that the writer thread looks every text up once a batch and then only inserts.

use super::{
    body,
    flat::SyncRef,
    kind::{Kind, Label},
    sealed::whereabouts::LARGE,
    template::{Known, Parts},
    trail,
};
use crate::lifecycle::{Fact, Labels, SyncId};
use crate::model::{Delivery, Event, EventKey, Micros, NewEvent, NewQuarantine, Source};
use crate::store::Batch;
use ahash::RandomState;
use hashbrown::HashTable;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use std::{cell::RefCell, hash::Hash, ops::Range, sync::Arc};

/// A sync id as its column holds it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SyncCell {
    /// A UUID in canonical lower case.
    Uuid([u8; 16]),
    /// Any other text.
    Text(String),
}

impl SyncCell {
    /// The shortest form that gives the same text back.
    pub fn of(text: &str) -> Self {
        match SyncId::of(text) {
            SyncId::Uuid(uuid) => Self::Uuid(uuid.into_bytes()),
            SyncId::Text(text) => Self::Text(text.into()),
        }
    }

    /// As columns are read.
    pub fn as_ref(&self) -> SyncRef<'_> {
        match self {
            Self::Uuid(bytes) => SyncRef::Uuid(*bytes),
            Self::Text(text) => SyncRef::Text(text),
        }
    }
}

impl ToSql for SyncCell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Uuid(bytes) => ValueRef::Blob(bytes),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// One event, ready. Numbers point into the tables of its batch.
#[derive(Debug)]
pub struct Row {
    pub key: EventKey,
    /// Place in [`Encoded::connections`].
    pub conn: Option<u32>,
    /// Place in [`Encoded::labels`].
    pub label: u32,
    /// Place in [`Encoded::kinds`].
    pub kind: u32,
    /// Place in [`Encoded::shapes`]; `None` when the body holds the whole text.
    pub shape: Option<u32>,
    pub notable: bool,
    pub received_us: Micros,
    pub sync: Option<SyncCell>,
    pub secret: Option<i64>,
    pub exception_id: Option<String>,
    /// Place in [`Encoded::bodies`].
    pub body: Range<usize>,
    /// Whether the body is compressed, as rows hold it.
    pub packed: bool,
    /// What it says about a life, where lives are folded; the writer takes it.
    pub fact: RefCell<Option<Fact>>,
    /// What it says about who did what.
    pub record: Option<Box<trail::Prepared>>,
}

/// What a fact holds outside its row, about.
const FACT_BYTES: usize = 100;
/// What a body holds, about.
const BODY_BYTES: usize = 192;

/// A batch, ready.
#[derive(Debug)]
pub struct Encoded {
    pub rows: Vec<Row>,
    pub bodies: Vec<u8>,
    pub connections: Vec<(Source, String)>,
    pub labels: Vec<String>,
    pub kinds: Vec<String>,
    pub shapes: Vec<String>,
    pub quarantine: Vec<NewQuarantine>,
    pub delivery: Delivery,
    pub ack_channel: Option<String>,
}

impl Encoded {
    /// About how much memory it holds, in bytes.
    pub fn weight(&self) -> usize {
        let texts = |texts: &[String]| texts.iter().map(|text| text.len() + 24).sum::<usize>();
        self.bodies.len()
            + self.rows.len() * (size_of::<Row>() + FACT_BYTES)
            + self.rows.iter().filter_map(|row| row.record.as_deref()).map(trail::Prepared::weight).sum::<usize>()
            + self.quarantine.iter().map(|item| item.bytes.len() + item.reason.len()).sum::<usize>()
            + self.connections.iter().map(|(_, id)| id.len() + 32).sum::<usize>()
            + texts(&self.labels)
            + texts(&self.kinds)
            + texts(&self.shapes)
    }
}

/// Numbers the distinct values it is shown, which are made its own only when they are new.
struct Distinct<K> {
    hasher: RandomState,
    /// Hash and place of each.
    places: HashTable<(u64, u32)>,
    own: Vec<K>,
}

impl<K> Distinct<K> {
    fn new(hasher: RandomState) -> Self {
        Self { hasher, places: HashTable::new(), own: Vec::new() }
    }

    /// The place of a value. `tell`: what tells most of them apart, equal for equal ones.
    fn place<Q>(&mut self, value: &Q, tell: &impl Hash, same: fn(&K, &Q) -> bool, own: fn(&Q) -> K) -> u32 {
        let hash = self.hasher.hash_one(tell);
        let is = |(known, at): &(u64, u32)| *known == hash && same(&self.own[*at as usize], value);
        if let Some((_, at)) = self.places.find(hash, is) {
            return *at;
        }
        let at = self.own.len() as u32;
        self.own.push(own(value));
        self.places.insert_unique(hash, (hash, at), |(hash, _)| *hash);
        at
    }
}

/// Makes events ready one after the other, each while it is still warm.
pub struct Encoder {
    out: Encoded,
    fold: bool,
    sealed: bool,
    connections: Distinct<(Source, String)>,
    labels: Distinct<Label<'static>>,
    kinds: Distinct<Kind<'static>>,
    shapes: Distinct<String>,
    /// Label, system and destination; what facts of them share is at the same place of `shared`.
    whose: Distinct<(u32, Source, Option<String>)>,
    shared: Vec<Arc<Labels>>,
    work: Work,
}

impl Encoder {
    /// For about so many events; with facts when lives are folded. `sealed`: bodies that do not have to be rows stay plain.
    pub fn new(delivery: Delivery, ack_channel: Option<String>, about: usize, fold: bool, sealed: bool) -> Self {
        let hasher = RandomState::new();
        Self {
            out: Encoded {
                rows: Vec::with_capacity(about),
                bodies: Vec::with_capacity(about * BODY_BYTES),
                connections: Vec::new(),
                labels: Vec::new(),
                kinds: Vec::new(),
                shapes: Vec::new(),
                quarantine: Vec::new(),
                delivery,
                ack_channel,
            },
            fold,
            sealed,
            connections: Distinct::new(hasher.clone()),
            labels: Distinct::new(hasher.clone()),
            kinds: Distinct::new(hasher.clone()),
            shapes: Distinct::new(hasher.clone()),
            whose: Distinct::new(hasher),
            shared: Vec::new(),
            work: Work::default(),
        }
    }

    /// Adds an item that could not be read.
    pub fn quarantine(&mut self, item: NewQuarantine) {
        self.out.quarantine.push(item);
    }

    /// Adds an event.
    pub fn event(&mut self, new: &NewEvent) {
        let event = &new.event;
        let conn = event.connection_id.as_deref().map(|id| self.connection(event.source, id));
        let label = self.label(event);
        let (kind, notable) = self.kind(new);
        let split = self.work.split(new);
        let shape = split.then(|| {
            let shape = &self.work.parts.shape;
            self.shapes.place(shape, shape, |own, shape| own == shape, String::clone)
        });
        self.work.plain.clear();
        body::put_plain(&mut self.work.plain, new, split.then_some(&self.work.parts));
        let fact = if self.fold {
            let (whose, shared) = (&mut self.whose, &mut self.shared);
            Fact::of(new.key, event, |event| {
                let value = (label, event.source, event.destination.as_deref());
                let same = |own: &(u32, Source, Option<String>), it: &(u32, Source, Option<&str>)| {
                    (own.0, own.1, own.2.as_deref()) == *it
                };
                let place = whose.place(&value, &label, same, |it| (it.0, it.1, it.2.map(str::to_owned))) as usize;
                if place == shared.len() {
                    shared.push(Arc::new(Labels::of(event)));
                }
                Arc::clone(&shared[place])
            })
        } else {
            None
        };
        let start = self.out.bodies.len();
        let packed = !self.sealed || self.work.plain.len() > LARGE;
        if packed {
            body::compress(&self.work.plain, &mut self.out.bodies);
        } else {
            self.out.bodies.extend_from_slice(&self.work.plain);
        }
        let record = trail::Prepared::of(event, new.key, new.received_us);
        self.out.rows.push(Row {
            key: new.key,
            conn,
            label,
            kind,
            shape,
            notable,
            received_us: new.received_us,
            sync: event.sync_id.as_deref().map(SyncCell::of),
            secret: new.secret_digest.map(|digest| digest as i64),
            exception_id: event.exception_id.clone(),
            body: start..self.out.bodies.len(),
            packed,
            fact: RefCell::new(fact),
            record: record.map(|record| record.by(self.out.delivery.protocol)),
        });
    }

    fn connection(&mut self, source: Source, id: &str) -> u32 {
        let own = |it: &(Source, &str)| (it.0, it.1.to_owned());
        self.connections.place(&(source, id), &id, |own, it| own.0 == it.0 && own.1 == it.1, own)
    }

    fn label(&mut self, event: &Event) -> u32 {
        let label = Label::of(event);
        self.labels.place(&label, &event.connection_name, |own, it| own == it, |it| it.clone().into_owned())
    }

    /// Also whether the event deserves a look.
    fn kind(&mut self, new: &NewEvent) -> (u32, bool) {
        let kind = Kind::of(&new.event, &new.verdict, &self.out.delivery);
        let tell = (&new.event.name, &new.verdict.schema, new.event.level, new.verdict.status);
        let place = self.kinds.place(&kind, &tell, |own, it| own == it, |it| it.clone().into_owned());
        (place, kind.notable())
    }

    /// What was made ready.
    pub fn finish(self) -> Encoded {
        Encoded {
            connections: self.connections.own,
            labels: self.labels.own.iter().map(json).collect(),
            kinds: self.kinds.own.iter().map(json).collect(),
            shapes: self.shapes.own,
            ..self.out
        }
    }
}

/// Makes a batch ready.
pub fn encode(batch: Batch, fold: bool, sealed: bool) -> Encoded {
    let Batch { delivery, events, quarantine, ack_channel } = batch;
    let mut encoder = Encoder::new(delivery, ack_channel, events.len(), fold, sealed);
    events.iter().for_each(|new| encoder.event(new));
    quarantine.into_iter().for_each(|item| encoder.quarantine(item));
    encoder.finish()
}

/// Buffers that live as long as a batch.
#[derive(Default)]
struct Work {
    parts: Parts,
    created: String,
    plain: Vec<u8>,
}

impl Work {
    /// Takes the envelope's text apart.
    fn split(&mut self, new: &NewEvent) -> bool {
        let event = &new.event;
        self.created.clear();
        event.created.write_to(&mut self.created);
        let known = Known {
            name: event.original_name.as_deref().unwrap_or(&event.name),
            created: &self.created,
            connection_id: event.connection_id.as_deref(),
            connection_name: event.connection_name.as_deref(),
            connector_type: event.connector_type.as_deref(),
            sync_id: event.sync_id.as_deref(),
        };
        let split = self.parts.split(&new.raw, &known, new.data_at.as_ref());
        debug_assert!(!split || self.parts.comes_back(&new.raw, &known), "{}", new.raw);
        split
    }
}

/// An event's body before compression: what a dictionary is trained on.
#[cfg(test)]
pub fn plain_body(new: &NewEvent) -> Vec<u8> {
    let mut work = Work::default();
    let split = work.split(new);
    body::put_plain(&mut work.plain, new, split.then_some(&work.parts));
    work.plain
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("kinds and labels are plain data")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sync_ids_take_their_shortest_form() {
        let uuid = "5d5a9d2b-3f52-4ea6-8715-7ea666eb274a";
        assert!(matches!(SyncCell::of(uuid), SyncCell::Uuid(_)));
        for other in ["5D5A9D2B-3f52-4ea6-8715-7ea666eb274a", "5d5a9d2b3f524ea687157ea666eb274a", "", "x"] {
            assert!(matches!(SyncCell::of(other), SyncCell::Text(_)), "{other}");
        }
    }
}
