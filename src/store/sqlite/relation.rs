//! The relation `events`: what is stored compressed, with a column for each member of an event.
//!
//! In: a connection that only reads. Out: a temporary view of that name on it. What repeats is looked up and what is packed is unpacked
//! by functions of ours, column by column, so that a question pays only for what it names; the key and the connection are plain
//! columns, so that questions about them read no more than they ask for. The functions look names up over a second connection: a number never
//! changes its meaning, so the two need not see the same commit.

mod stored;

use super::{
    body,
    flat::{BodyRef, Flat, SyncRef},
    names::Names,
    reader::ReadError,
    row::Opened,
};
use crate::{
    model::{EventId, EventKey, StoredEvent, Timestamp},
    store::StoreError,
};
use rusqlite::{
    Connection, Error,
    functions::{Context, FunctionFlags},
    types::ValueRef,
};
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// They depend on their arguments alone and do nothing.
const FLAGS: FunctionFlags =
    FunctionFlags::SQLITE_UTF8.union(FunctionFlags::SQLITE_DETERMINISTIC).union(FunctionFlags::SQLITE_INNOCUOUS);

/// Arguments of the functions, in the order that [`packed`] takes them.
const ARGUMENTS: &str = "e.created, e.hash, e.label, e.kind, e.spill, e.conn, e.shape, e.received, e.sync, e.body";
/// How many of them say what repeats; with the others comes the body, which may fill pages of its own.
const REPEATED: usize = 5;
const WHOLE: usize = 10;

/// How a column is made.
enum Column {
    /// By SQL.
    Sql(&'static str),
    /// Out of what repeats.
    Repeated(fn(&Opened<'_>) -> Option<String>),
    /// Out of the key and, where that is not enough, of the body.
    Created,
    /// Out of the whole event.
    Whole(fn(&StoredEvent) -> Option<String>),
}

/// Every column under the name that answers have, in their order.
const COLUMNS: &[(&str, Column)] = &[
    ("id", Column::Sql("lifeline_id(e.created, e.hash)")),
    ("source", Column::Repeated(|it| Some(it.kind.source.as_str().to_owned()))),
    ("event", Column::Repeated(|it| Some(it.kind.name.to_string()))),
    ("family", Column::Repeated(|it| Some(it.kind.family.as_str().to_owned()))),
    ("level", Column::Repeated(|it| Some(it.kind.level.as_str().to_owned()))),
    ("created", Column::Created),
    ("created_us", Column::Sql("e.created")),
    ("received", Column::Sql("lifeline_clock(e.created + e.received)")),
    ("received_us", Column::Sql("e.created + e.received")),
    ("connection_id", Column::Sql("c.connection_id")),
    ("connection_name", Column::Repeated(|it| it.label().connection_name.as_deref().map(str::to_owned))),
    ("connector_type", Column::Repeated(|it| it.label().connector_type.as_deref().map(str::to_owned))),
    ("sync_id", Column::Sql("lifeline_sync(e.sync)")),
    ("exception_id", Column::Repeated(|it| it.exception_id().map(str::to_owned))),
    ("destination", Column::Repeated(|it| it.kind.destination.as_deref().map(str::to_owned))),
    ("data", Column::Whole(|it| it.event.data.as_ref().map(ToString::to_string))),
    ("validation", Column::Repeated(|it| Some(it.kind.status.as_str().to_owned()))),
    ("protocol", Column::Repeated(|it| Some(it.kind.protocol.to_string()))),
    ("token", Column::Repeated(|it| Some(it.kind.token.to_string()))),
    (
        "deliveries",
        Column::Sql("1 + coalesce((SELECT n FROM main.redelivery WHERE created = e.created AND hash = e.hash), 0)"),
    ),
    ("raw", Column::Whole(|it| Some(it.raw.clone()))),
];

/// Makes the relation of the store in a directory. `names` is a second connection to it.
pub fn make(db: &Connection, names: Connection, dir: &Path) -> rusqlite::Result<()> {
    stored::make(db, dir)?;
    let found = Names::guest(&names)?;
    let decoder = Arc::new(Mutex::new(Decoder { db: names, names: found, last: None }));
    db.create_scalar_function("lifeline_id", 2, FLAGS, |ctx| Ok(EventId(key(ctx)?).to_string()))?;
    db.create_scalar_function("lifeline_clock", 1, FLAGS, |ctx| Ok(Timestamp::of_clock(ctx.get(0)?).to_string()))?;
    db.create_scalar_function("lifeline_sync", 1, FLAGS, |ctx| {
        Ok(SyncRef::of(ctx.get_raw(0)).map(|sync| sync.to_string()))
    })?;
    let mut columns = Vec::new();
    for (name, column) in COLUMNS {
        let count = match column {
            Column::Sql(sql) => {
                columns.push(format!("{sql} AS {name}"));
                continue;
            }
            Column::Repeated(_) => REPEATED,
            Column::Created | Column::Whole(_) => WHOLE,
        };
        let arguments: Vec<&str> = ARGUMENTS.split(", ").take(count).collect();
        columns.push(format!("lifeline_{name}({}) AS {name}", arguments.join(", ")));
        let decoder = Arc::clone(&decoder);
        db.create_scalar_function(format!("lifeline_{name}").as_str(), count as i32, FLAGS, move |ctx| {
            // What a panic leaves behind is a memory of one event at most.
            let mut decoder = decoder.lock().unwrap_or_else(PoisonError::into_inner);
            decoder.read(packed(ctx)?, column).map_err(|error| match error {
                ReadError::Sql(error) => error,
                error => Error::UserFunctionError(error.explain().into()),
            })
        })?;
    }
    db.execute_batch(&format!(
        "CREATE TEMP VIEW events AS SELECT {} FROM lifeline_stored AS e LEFT JOIN main.connection AS c ON c.id = e.conn",
        columns.join(", ")
    ))
}

/// Takes events apart, and remembers the last one: a question that names two of its members asks twice.
struct Decoder {
    db: Connection,
    names: Names,
    last: Option<StoredEvent>,
}

impl Decoder {
    fn read(&mut self, packed: Flat<'_>, column: &Column) -> Result<Option<String>, ReadError> {
        match column {
            Column::Sql(_) => Ok(None),
            Column::Repeated(read) => Ok(read(&Opened::of(&self.db, &self.names, packed)?)),
            Column::Created => {
                let digits = packed.kind(&self.db, &self.names)?.digits;
                if digits > MICRO_DIGITS {
                    return self.whole(packed, |it| Some(it.event.created.to_string()));
                }
                let created = body::created(packed.key, digits, None);
                let created = created.map_err(|_| StoreError::Damaged(format!("event {}", EventId(packed.key))))?;
                Ok(Some(created.to_string()))
            }
            Column::Whole(read) => self.whole(packed, read),
        }
    }

    fn whole(
        &mut self,
        packed: Flat<'_>,
        read: impl Fn(&StoredEvent) -> Option<String>,
    ) -> Result<Option<String>, ReadError> {
        if let Some(event) = self.last.as_ref().filter(|event| event.id.0 == packed.key) {
            return Ok(read(event));
        }
        // Deliveries are counted by the view itself.
        let event = Opened::of(&self.db, &self.names, packed)?.event_delivered(&self.db, &self.names, 1)?;
        Ok(read(self.last.insert(event)))
    }
}

/// Decimals that a key tells of.
const MICRO_DIGITS: u8 = 6;

fn key(ctx: &Context<'_>) -> rusqlite::Result<EventKey> {
    Ok(EventKey { created_us: ctx.get(0)?, hash: ctx.get(1)? })
}

/// A row out of the arguments of a function; those that it does not get are not looked at.
fn packed<'c>(ctx: &'c Context<'_>) -> rusqlite::Result<Flat<'c>> {
    let number = |at: usize| if at < ctx.len() { ctx.get(at) } else { Ok(0) };
    let cell = |at: usize| if at < ctx.len() { ctx.get_raw(at) } else { ValueRef::Null };
    Ok(Flat {
        key: key(ctx)?,
        label: ctx.get(2)?,
        kind: ctx.get(3)?,
        spill: ctx.get_raw(4).as_blob_or_null()?,
        conn: number(5)?,
        shape: number(6)?,
        received: number(7)?,
        sync: SyncRef::of(cell(8)),
        body: BodyRef::Packed(cell(9).as_blob_or_null()?.unwrap_or_default()),
        notable: false,
        secret: None,
    })
}
