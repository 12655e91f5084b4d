//! A row made into an event again.

use super::{
    body,
    encode::SyncCell,
    kind::{Kind, Label, Spill},
    names::Names,
    reader::ReadError,
    template::{self, Known},
};
use crate::{
    model::{Event, EventId, EventKey, StoredEvent, Verdict},
    store::StoreError,
};
use rusqlite::{Connection, OptionalExtension as _, Row, types::ValueRef};
use serde_json::Value;
use std::{borrow::Cow, sync::Arc};

/// Every column that an event needs; the order that the reading below relies on.
macro_rules! select_event {
    ($tail:literal) => {
        concat!("SELECT created, hash, conn, label, kind, shape, received, sync, spill, body FROM event ", $tail)
    };
}
pub(super) use select_event;

/// The key of a row.
pub fn key(row: &Row<'_>) -> rusqlite::Result<EventKey> {
    Ok(EventKey { created_us: row.get(0)?, hash: row.get(1)? })
}

/// The columns that an event needs, wherever they come from.
#[derive(Clone, Copy)]
pub struct Packed<'r> {
    /// The key.
    pub key: EventKey,
    /// Number of the connection.
    pub conn: i64,
    /// Number of the label.
    pub label: i64,
    /// Number of the kind.
    pub kind: i64,
    /// Number of the shape.
    pub shape: i64,
    /// Microseconds from `created` to the receipt.
    pub received: i64,
    /// The sync id's cell.
    pub sync: ValueRef<'r>,
    /// What was not interned.
    pub spill: ValueRef<'r>,
    /// The packed body.
    pub body: ValueRef<'r>,
}

impl<'r> Packed<'r> {
    fn of(row: &'r Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            key: key(row)?,
            conn: row.get(2)?,
            label: row.get(3)?,
            kind: row.get(4)?,
            shape: row.get(5)?,
            received: row.get(6)?,
            sync: row.get_ref(7)?,
            spill: row.get_ref(8)?,
            body: row.get_ref(9)?,
        })
    }

    fn damaged(&self) -> ReadError {
        StoreError::Damaged(format!("event {}", EventId(self.key))).into()
    }

    fn spill(&self) -> Result<Spill, ReadError> {
        match self.spill {
            ValueRef::Null => Ok(Spill::default()),
            ValueRef::Blob(bytes) => serde_json::from_slice(bytes).map_err(|_| self.damaged()),
            _ => Err(self.damaged()),
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

/// A row whose repeated parts are looked up, but whose body is still packed.
pub struct Opened<'r> {
    packed: Packed<'r>,
    spill: Spill,
    /// Name, level and so on.
    pub kind: Arc<Kind<'static>>,
    envelope: Arc<Label<'static>>,
    /// The connection's id.
    pub connection_id: Option<Arc<str>>,
}

/// The kind of a row, without looking at anything else.
pub fn kind(db: &Connection, names: &Names, row: &Row<'_>) -> Result<Arc<Kind<'static>>, ReadError> {
    Packed::of(row)?.kind(db, names)
}

fn own(text: &Option<Cow<'static, str>>) -> Option<String> {
    text.as_deref().map(str::to_owned)
}

impl<'r> Opened<'r> {
    /// Looks the repeated parts up.
    pub fn of(db: &Connection, names: &Names, row: &'r Row<'r>) -> Result<Self, ReadError> {
        Self::of_packed(db, names, Packed::of(row)?)
    }

    /// The same for columns that come from elsewhere.
    pub fn of_packed(db: &Connection, names: &Names, packed: Packed<'r>) -> Result<Self, ReadError> {
        let spill = packed.spill()?;
        let kind = match (packed.kind, &spill.kind) {
            (0, Some(kind)) => Arc::new(kind.clone()),
            (id, _) => names.kind(db, id)?,
        };
        let envelope = match (packed.label, &spill.label) {
            (0, Some(label)) => Arc::new(label.clone()),
            (id, _) => names.label(db, id)?,
        };
        let connection_id = match packed.conn {
            0 => None,
            id => Some(names.connection(db, id)?),
        };
        Ok(Self { packed, spill, kind, envelope, connection_id })
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
        let key = self.packed.key;
        let again: Option<i64> = db
            .prepare_cached("SELECT n FROM redelivery WHERE created = ?1 AND hash = ?2")?
            .query_row([key.created_us, key.hash], |row| row.get(0))
            .optional()?;
        self.event_delivered(db, names, again.unwrap_or(0) as u64 + 1)
    }

    /// The same for an event of which it is known how often it came.
    pub fn event_delivered(&self, db: &Connection, names: &Names, deliveries: u64) -> Result<StoredEvent, ReadError> {
        let packed = &self.packed;
        let broken = |_| packed.damaged();
        let shape = match (packed.shape, &self.spill.shape) {
            (0, Some(shape)) => Some(Arc::from(shape.as_str())),
            (0, None) => None,
            (id, _) => Some(names.shape(db, id)?),
        };
        let plain = body::decompress(packed.body.as_blob().map_err(rusqlite::Error::from)?).map_err(broken)?;
        let (derived, sections, mut input) = body::open(&plain).map_err(broken)?;
        let pieces = shape.as_deref().map_or(1, template::pieces);
        let pieces: Vec<&str> = (0..pieces).map(|_| input.text()).collect::<Result<_, _>>().map_err(broken)?;
        let rest = body::read_rest(input, derived, sections).map_err(broken)?;
        let created = body::created(packed.key, self.kind.digits, rest.created).map_err(broken)?;
        let sync_id = SyncCell::text(packed.sync);

        let mut raw = String::new();
        let mut data_text = None;
        match shape {
            None => raw.push_str(pieces[0]),
            Some(shape) => {
                let mut created_text = String::new();
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
                data_text =
                    template::render(&shape, &known, || pieces.next(), &mut raw).ok_or_else(|| packed.damaged())?;
            }
        }
        let data = match (rest.data, data_text) {
            (Some(data), _) => data,
            (None, None) => None,
            (None, Some(text)) => match serde_json::from_str(text).map_err(|_| packed.damaged())? {
                Value::Null => None,
                value => Some(value),
            },
        };
        let (kind, label) = (&*self.kind, self.label());
        Ok(StoredEvent {
            id: EventId(packed.key),
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
                data,
                extra: rest.extra,
                normalized: kind.normalized.to_vec(),
                conflicts: rest.conflicts,
            },
            verdict: Verdict { status: kind.status, schema: own(&kind.schema), errors: rest.errors },
            raw,
            received_us: packed.received.wrapping_add(packed.key.created_us),
            protocol: kind.protocol.to_string(),
            token: kind.token.to_string(),
            deliveries,
        })
    }
}

/// One event by its key.
pub fn get(db: &Connection, names: &Names, key: EventKey) -> Result<Option<StoredEvent>, ReadError> {
    let mut statement = db.prepare_cached(select_event!("WHERE created = ?1 AND hash = ?2"))?;
    let mut rows = statement.query([key.created_us, key.hash])?;
    match rows.next()? {
        Some(row) => Opened::of(db, names, row)?.event(db, names).map(Some),
        None => Ok(None),
    }
}
