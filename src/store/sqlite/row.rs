//! An event's columns made into an event again.

use super::{
    body, deliveries,
    flat::{BodyRef, Flat},
    kind::{Kind, Label, Spill},
    names::Names,
    reader::ReadError,
    template::{Form, Known},
};
use crate::{
    model::{Data, Event, EventId, StoredEvent, Verdict},
    store::StoreError,
};
use rusqlite::Connection;
use std::{borrow::Cow, sync::Arc};

/// A time as text, and what a shape does not hold of an envelope, in bytes and about.
const TIME_BYTES: usize = 32;
const KNOWN_BYTES: usize = 128;

/// A row whose repeated parts are looked up, but whose body is still packed.
pub struct Opened<'r> {
    flat: Flat<'r>,
    spill: Spill,
    /// Name, level and so on.
    pub kind: Arc<Kind<'static>>,
    envelope: Arc<Label<'static>>,
    /// The connection's id.
    pub connection_id: Option<Arc<str>>,
}

fn own(text: &Option<Cow<'static, str>>) -> Option<String> {
    text.as_deref().map(str::to_owned)
}

impl Flat<'_> {
    fn damaged(&self) -> ReadError {
        StoreError::Damaged(format!("event {}", EventId(self.key))).into()
    }

    fn spill(&self) -> Result<Spill, ReadError> {
        match self.spill {
            None => Ok(Spill::default()),
            Some(bytes) => serde_json::from_slice(bytes).map_err(|_| self.damaged()),
        }
    }

    /// The kind, without looking at anything else.
    pub fn kind(&self, db: &Connection, names: &Names) -> Result<Arc<Kind<'static>>, ReadError> {
        match self.kind {
            0 => self.spill()?.kind.map(Arc::new).ok_or_else(|| self.damaged()),
            id => names.kind(db, id),
        }
    }
}

impl<'r> Opened<'r> {
    /// Looks the repeated parts up.
    pub fn of(db: &Connection, names: &Names, flat: Flat<'r>) -> Result<Self, ReadError> {
        let spill = flat.spill()?;
        let kind = match (flat.kind, &spill.kind) {
            (0, Some(kind)) => Arc::new(kind.clone()),
            (id, _) => names.kind(db, id)?,
        };
        let envelope = match (flat.label, &spill.label) {
            (0, Some(label)) => Arc::new(label.clone()),
            (id, _) => names.label(db, id)?,
        };
        let connection_id = match flat.conn {
            0 => None,
            id => Some(names.connection(db, id)?),
        };
        Ok(Self { flat, spill, kind, envelope, connection_id })
    }

    /// What all deliveries together know of the connection's name and type.
    pub fn label(&self) -> &Label<'static> {
        self.spill.merged.as_ref().unwrap_or(&self.envelope)
    }

    /// The exception id.
    pub fn exception_id(&self) -> Option<&str> {
        self.spill.exception_id.as_deref()
    }

    /// Unpacks the body and puts everything together.
    pub fn event(&self, db: &Connection, names: &Names) -> Result<StoredEvent, ReadError> {
        let deliveries = deliveries::of(db, self.flat.key)?;
        self.event_delivered(db, names, deliveries)
    }

    /// The same for an event of which it is known how often it came.
    pub fn event_delivered(&self, db: &Connection, names: &Names, deliveries: u64) -> Result<StoredEvent, ReadError> {
        let flat = &self.flat;
        let broken = |_| flat.damaged();
        let shape = match (flat.shape, &self.spill.shape) {
            (0, Some(shape)) => Some(Arc::new(Form::of(shape))),
            (0, None) => None,
            (id, _) => Some(names.shape(db, id)?),
        };
        let plain = match flat.body {
            BodyRef::Packed(packed) => Cow::Owned(body::decompress(packed).map_err(broken)?),
            BodyRef::Plain(plain) => Cow::Borrowed(plain),
        };
        let (derived, sections, mut input) = body::open(&plain).map_err(broken)?;
        let pieces = shape.as_deref().map_or(1, Form::pieces);
        let pieces: Vec<&str> = (0..pieces).map(|_| input.text()).collect::<Result<_, _>>().map_err(broken)?;
        let rest = body::read_rest(input, derived, sections).map_err(broken)?;
        let created = body::created(flat.key, self.kind.digits, rest.created).map_err(broken)?;
        let sync_id = flat.sync.map(|sync| sync.to_string());

        let mut raw = String::new();
        let mut data_text = None;
        match shape {
            None => raw.push_str(pieces[0]),
            Some(shape) => {
                let mut created_text = String::with_capacity(TIME_BYTES);
                raw.reserve(plain.len() + shape.text().len() + KNOWN_BYTES);
                created.write_to(&mut created_text);
                let known = Known {
                    name: self.kind.name_as_it_came(),
                    created: &created_text,
                    connection_id: self.connection_id.as_deref(),
                    connection_name: self.envelope.connection_name.as_deref(),
                    connector_type: self.envelope.connector_type.as_deref(),
                    sync_id: sync_id.as_deref(),
                };
                let mut pieces = pieces.iter().copied();
                data_text = shape.render(&known, || pieces.next(), &mut raw).ok_or_else(|| flat.damaged())?;
            }
        }
        let data = match (rest.data, data_text) {
            (Some(data), _) => data.map(Data::from),
            (None, None | Some("null")) => None,
            (None, Some(text)) => Some(Data::of_text(text).map_err(|_| flat.damaged())?),
        };
        let (kind, label) = (&*self.kind, self.label());
        Ok(StoredEvent {
            id: EventId(flat.key),
            event: Event {
                source: kind.source,
                name: kind.name.clone().into_owned(),
                original_name: own(&kind.original_name),
                family: kind.family,
                level: kind.level,
                level_given: kind.level_given,
                created,
                created_from: kind.created_from,
                connection_id: self.connection_id.as_deref().map(str::to_owned),
                connection_name: own(&label.connection_name),
                connector_type: own(&label.connector_type),
                sync_id,
                exception_id: self.spill.exception_id.clone(),
                destination: own(&kind.destination),
                destination_given: kind.destination_given.unwrap_or(false),
                data,
                extra: rest.extra,
                normalized: kind.normalized.to_vec(),
                conflicts: rest.conflicts,
            },
            verdict: Verdict { status: kind.status, schema: own(&kind.schema), errors: rest.errors },
            raw,
            received_us: flat.received.wrapping_add(flat.key.created_us),
            protocol: kind.protocol.to_string(),
            token: kind.token.to_string(),
            deliveries,
        })
    }
}
