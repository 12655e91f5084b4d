//! A batch made ready for the writer, on the thread of whoever brings it.
//!
//! In: a [`Batch`]. Out: rows whose bodies are compressed, and one table each of the distinct connections, labels,
//! kinds and shapes among them, so that the writer thread looks every text up once a batch and then only inserts.

use super::{
    body,
    flat::SyncRef,
    kind::{Kind, Label},
    sealed::shelving::LARGE,
    template::{Known, Parts, render},
    trail,
};
use crate::lifecycle::{Fact, Labels, SyncId};
use crate::model::{Delivery, EventKey, Micros, NewEvent, NewQuarantine, Source};
use crate::store::Batch;
use ahash::AHashMap;
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

    /// Where the lookup of connections keeps it. Stable across versions: it is stored.
    pub fn lookup_hash(&self) -> i64 {
        let bytes: &[u8] = match self {
            Self::Uuid(bytes) => bytes,
            Self::Text(text) => text.as_bytes(),
        };
        // FNV-1a; a collision costs a second connection to look into, nothing else.
        bytes
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
            as i64
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

/// Numbers the distinct values it is shown.
struct Distinct<K> {
    places: AHashMap<K, u32>,
}

impl<K: Hash + Eq> Distinct<K> {
    fn new() -> Self {
        Self { places: AHashMap::new() }
    }

    fn place(&mut self, key: K, added: impl FnOnce(&K)) -> u32 {
        let next = self.places.len() as u32;
        *self.places.entry(key).or_insert_with_key(|key| {
            added(key);
            next
        })
    }
}

/// Makes a batch ready; with facts when lives are folded. `sealed`: bodies that do not have to be rows stay plain.
pub fn encode(batch: Batch, fold: bool, sealed: bool) -> Encoded {
    let Batch { delivery, events, quarantine, ack_channel } = batch;
    let mut out = Encoded {
        rows: Vec::with_capacity(events.len()),
        bodies: Vec::with_capacity(events.len() * 64),
        connections: Vec::new(),
        labels: Vec::new(),
        kinds: Vec::new(),
        shapes: Vec::new(),
        quarantine,
        delivery: delivery.clone(),
        ack_channel,
    };
    let mut connections = Distinct::new();
    let mut labels = Distinct::new();
    let mut kinds = Distinct::new();
    let mut shapes: AHashMap<String, u32> = AHashMap::new();
    let mut shared: AHashMap<(u32, Source, Option<&str>), Arc<Labels>> = AHashMap::new();
    let mut work = Work::default();
    for new in &events {
        let event = &new.event;
        let conn = event.connection_id.as_deref().map(|id| {
            connections.place((event.source, id), |(source, id)| out.connections.push((*source, (*id).to_owned())))
        });
        let label = labels.place(Label::of(event), |label| out.labels.push(json(label)));
        let kind = Kind::of(event, &new.verdict, &delivery);
        let notable = kind.notable();
        let kind = kinds.place(kind, |kind| out.kinds.push(json(kind)));
        let split = work.split(new);
        let shape = split.then(|| match shapes.get(&work.parts.shape) {
            Some(place) => *place,
            None => {
                let place = out.shapes.len() as u32;
                out.shapes.push(work.parts.shape.clone());
                shapes.insert(work.parts.shape.clone(), place);
                place
            }
        });
        work.plain.clear();
        body::put_plain(&mut work.plain, new, split.then_some(&work.parts));
        let fact = if fold {
            Fact::of(new.key, event, |event| {
                let labels = shared.entry((label, event.source, new.event.destination.as_deref()));
                Arc::clone(labels.or_insert_with(|| Arc::new(Labels::of(event))))
            })
        } else {
            None
        };
        let start = out.bodies.len();
        let packed = !sealed || work.plain.len() > LARGE;
        if packed {
            body::compress(&work.plain, &mut out.bodies);
        } else {
            out.bodies.extend_from_slice(&work.plain);
        }
        out.rows.push(Row {
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
            body: start..out.bodies.len(),
            packed,
            fact: RefCell::new(fact),
            record: trail::Prepared::of(event, new.key, new.received_us).map(|record| record.by(delivery.protocol)),
        });
    }
    out
}

/// Buffers that live as long as a batch.
#[derive(Default)]
struct Work {
    parts: Parts,
    created: String,
    rendered: String,
    plain: Vec<u8>,
}

impl Work {
    /// Takes the envelope's text apart and makes sure that it comes back.
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
        if !self.parts.split(&new.raw, &known) {
            return false;
        }
        self.rendered.clear();
        let mut pieces = self.parts.pieces.iter();
        let next = || pieces.next().map(|range| &new.raw[range.clone()]);
        render(&self.parts.shape, &known, next, &mut self.rendered).is_some() && self.rendered == new.raw
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
