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

/// A row whose repeated parts are looked up, but whose body is still packed.
pub struct Opened<'r> {
    row: &'r Row<'r>,
    key: EventKey,
    spill: Spill,
    /// Name, level and so on.
    pub kind: Arc<Kind<'static>>,
    envelope: Arc<Label<'static>>,
    /// The connection's id.
    pub connection_id: Option<Arc<str>>,
}

/// The kind of a row, without looking at anything else.
pub fn kind(db: &Connection, names: &Names, row: &Row<'_>) -> Result<Arc<Kind<'static>>, ReadError> {
    match row.get(4)? {
        0 => spill(row)?.kind.map(Arc::new).ok_or_else(|| damaged(row)),
        id => names.kind(db, id),
    }
}

fn spill(row: &Row<'_>) -> Result<Spill, ReadError> {
    match row.get_ref(8)? {
        ValueRef::Null => Ok(Spill::default()),
        ValueRef::Blob(bytes) => serde_json::from_slice(bytes).map_err(|_| damaged(row)),
        _ => Err(damaged(row)),
    }
}

fn damaged(row: &Row<'_>) -> ReadError {
    match key(row) {
        Ok(key) => StoreError::Damaged(format!("event {}", EventId(key))).into(),
        Err(error) => error.into(),
    }
}

fn own(text: &Option<Cow<'static, str>>) -> Option<String> {
    text.as_deref().map(str::to_owned)
}

impl<'r> Opened<'r> {
    /// Looks the repeated parts up.
    pub fn of(db: &Connection, names: &Names, row: &'r Row<'r>) -> Result<Self, ReadError> {
        let spill = spill(row)?;
        let kind = match (row.get(4)?, &spill.kind) {
            (0, Some(kind)) => Arc::new(kind.clone()),
            (id, _) => names.kind(db, id)?,
        };
        let envelope = match (row.get(3)?, &spill.label) {
            (0, Some(label)) => Arc::new(label.clone()),
            (id, _) => names.label(db, id)?,
        };
        let connection_id = match row.get(2)? {
            0 => None,
            id => Some(names.connection(db, id)?),
        };
        Ok(Self { row, key: key(row)?, spill, kind, envelope, connection_id })
    }

    /// What all deliveries together know of the connection's name and type.
    pub fn label(&self) -> &Label<'static> {
        self.spill.merged.as_ref().unwrap_or(&self.envelope)
    }

    /// Unpacks the body and puts everything together.
    pub fn event(&self, db: &Connection, names: &Names) -> Result<StoredEvent, ReadError> {
        let broken = |_| damaged(self.row);
        let shape = match (self.row.get(5)?, &self.spill.shape) {
            (0, Some(shape)) => Some(Arc::from(shape.as_str())),
            (0, None) => None,
            (id, _) => Some(names.shape(db, id)?),
        };
        let plain = body::decompress(self.row.get_ref(9)?.as_blob().map_err(rusqlite::Error::from)?).map_err(broken)?;
        let (derived, sections, mut input) = body::open(&plain).map_err(broken)?;
        let pieces = shape.as_deref().map_or(1, template::pieces);
        let pieces: Vec<&str> = (0..pieces).map(|_| input.text()).collect::<Result<_, _>>().map_err(broken)?;
        let rest = body::read_rest(input, derived, sections).map_err(broken)?;
        let created = body::created(self.key, self.kind.digits, rest.created).map_err(broken)?;
        let sync_id = SyncCell::text(self.row.get_ref(7)?);

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
                    template::render(&shape, &known, || pieces.next(), &mut raw).ok_or_else(|| damaged(self.row))?;
            }
        }
        let data = match (rest.data, data_text) {
            (Some(data), _) => data,
            (None, None) => None,
            (None, Some(text)) => match serde_json::from_str(text).map_err(|_| damaged(self.row))? {
                Value::Null => None,
                value => Some(value),
            },
        };
        let again: Option<i64> = db
            .prepare_cached("SELECT n FROM redelivery WHERE created = ?1 AND hash = ?2")?
            .query_row([self.key.created_us, self.key.hash], |row| row.get(0))
            .optional()?;
        let (kind, label) = (&*self.kind, self.label());
        Ok(StoredEvent {
            id: EventId(self.key),
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
            received_us: self.row.get::<_, i64>(6)?.wrapping_add(self.key.created_us),
            protocol: kind.protocol.to_string(),
            token: kind.token.to_string(),
            deliveries: again.unwrap_or(0) as u64 + 1,
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
