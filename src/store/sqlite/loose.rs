//! Events as rows of the table `event`: the readable layout, and the place for what does not go into blocks.
//!
//! In: a span of keys. Out: its rows in order, read a bounded number at a time, so that nothing is held open in between.

use super::{
    all_events::{Span, behind},
    body,
    flat::{BodyRef, Flat, SyncRef},
    reader::ReadError,
};
use crate::{model::EventKey, store::Order};
use rusqlite::{Connection, Row, params, types::ValueRef};
use std::collections::VecDeque;

/// Every column that an event needs; the order that the reading below relies on.
macro_rules! select_event {
    ($tail:literal) => {
        concat!(
            "SELECT created, hash, conn, label, kind, shape, notable, received, sync, secret, spill, body FROM event ",
            $tail
        )
    };
}

const GET: &str = select_event!("WHERE created = ?1 AND hash = ?2");
const ALL_ASC: &str = select_event!("WHERE (created, hash) >= (?1, ?2) ORDER BY created, hash LIMIT ?3");
const ALL_DESC: &str = select_event!("WHERE (created, hash) <= (?1, ?2) ORDER BY created DESC, hash DESC LIMIT ?3");
const NOTABLE_ASC: &str = select_event!(
    "INDEXED BY event_notable WHERE notable = 1 AND (created, hash) >= (?1, ?2) ORDER BY created, hash LIMIT ?3"
);
const NOTABLE_DESC: &str = select_event!(
    "INDEXED BY event_notable WHERE notable = 1 AND (created, hash) <= (?1, ?2)
     ORDER BY created DESC, hash DESC LIMIT ?3"
);
const CONN_ASC: &str = select_event!(
    "INDEXED BY event_conn WHERE conn = ?4 AND (created, hash) >= (?1, ?2) ORDER BY created, hash LIMIT ?3"
);
const CONN_DESC: &str = select_event!(
    "INDEXED BY event_conn WHERE conn = ?4 AND (created, hash) <= (?1, ?2)
     ORDER BY created DESC, hash DESC LIMIT ?3"
);

/// Rows read at a time: the first time, and later.
const FIRST: usize = 32;
const MOST: usize = 1024;
/// And about their bytes.
const BYTES: usize = 256 << 10;

/// A sync id, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sync {
    Uuid([u8; 16]),
    Text(String),
}

/// One row, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LooseRow {
    key: EventKey,
    conn: i64,
    label: i64,
    kind: i64,
    shape: i64,
    notable: bool,
    received: i64,
    sync: Option<Sync>,
    secret: Option<i64>,
    spill: Option<Box<[u8]>>,
    body: Box<[u8]>,
}

impl LooseRow {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            key: EventKey { created_us: row.get(0)?, hash: row.get(1)? },
            conn: row.get(2)?,
            label: row.get(3)?,
            kind: row.get(4)?,
            shape: row.get(5)?,
            notable: row.get(6)?,
            received: row.get(7)?,
            sync: SyncRef::of(row.get_ref(8)?).map(|sync| match sync {
                SyncRef::Uuid(uuid) => Sync::Uuid(uuid),
                SyncRef::Text(text) => Sync::Text(text.to_owned()),
            }),
            secret: row.get(9)?,
            spill: row.get_ref(10)?.as_blob_or_null()?.map(Box::from),
            body: row.get_ref(11)?.as_blob()?.into(),
        })
    }

    /// Its columns.
    pub fn flat(&self) -> Flat<'_> {
        Flat {
            key: self.key,
            conn: self.conn,
            label: self.label,
            kind: self.kind,
            shape: self.shape,
            notable: self.notable,
            received: self.received,
            sync: self.sync.as_ref().map(|sync| match sync {
                Sync::Uuid(uuid) => SyncRef::Uuid(*uuid),
                Sync::Text(text) => SyncRef::Text(text),
            }),
            secret: self.secret,
            spill: self.spill.as_deref(),
            body: BodyRef::Packed(&self.body),
        }
    }

    /// Its key.
    pub fn key(&self) -> EventKey {
        self.key
    }

    /// Number of its connection.
    pub fn conn(&self) -> i64 {
        self.conn
    }

    /// Its body, unpacked; `None` when it is damaged.
    pub fn plain(&self) -> Option<Vec<u8>> {
        body::decompress(&self.body).ok()
    }
}

impl<'r> SyncRef<'r> {
    /// Of a column.
    pub fn of(cell: ValueRef<'r>) -> Option<Self> {
        match cell {
            ValueRef::Blob(bytes) => bytes.try_into().ok().map(Self::Uuid),
            ValueRef::Text(text) => std::str::from_utf8(text).ok().map(Self::Text),
            _ => None,
        }
    }
}

/// The row of a key.
pub fn get(db: &Connection, key: EventKey) -> rusqlite::Result<Option<LooseRow>> {
    let mut statement = db.prepare_cached(GET)?;
    let mut rows = statement.query([key.created_us, key.hash])?;
    rows.next()?.map(LooseRow::of).transpose()
}

/// Rows in order, a few at a time.
pub struct Stream<'s> {
    db: &'s Connection,
    span: Span,
    order: Order,
    /// Where to read on; `None` at the end.
    from: Option<EventKey>,
    wanted: usize,
    read: VecDeque<LooseRow>,
}

impl<'s> Stream<'s> {
    /// From a key on, itself included.
    pub fn new(db: &'s Connection, span: Span, order: Order, from: EventKey) -> Self {
        Self { db, span, order, from: Some(from), wanted: FIRST, read: VecDeque::new() }
    }

    /// The key of the next row.
    pub fn head(&mut self) -> Result<Option<EventKey>, ReadError> {
        if self.read.is_empty() {
            self.fill()?;
        }
        Ok(self.read.front().map(LooseRow::key))
    }

    /// Takes the row of which [`Self::head`] told.
    pub fn take(&mut self) -> Option<LooseRow> {
        self.read.pop_front()
    }

    fn fill(&mut self) -> rusqlite::Result<()> {
        let Some(from) = self.from.take() else { return Ok(()) };
        let mut statement = self.db.prepare_cached(sql(self.span, self.order))?;
        let limit = self.wanted as i64;
        let mut rows = match self.span {
            Span::Of(conn) => statement.query(params![from.created_us, from.hash, limit, conn])?,
            Span::All | Span::Notable => statement.query(params![from.created_us, from.hash, limit])?,
        };
        let (mut bytes, mut ended) = (0, false);
        while self.read.len() < self.wanted && bytes < BYTES {
            let Some(row) = rows.next()? else {
                ended = true;
                break;
            };
            let row = LooseRow::of(row)?;
            bytes += row.body.len() + size_of::<LooseRow>();
            self.read.push_back(row);
        }
        if let Some(last) = self.read.back().filter(|_| !ended) {
            self.from = behind(last.key, self.order);
        }
        self.wanted = (self.wanted * 4).min(MOST);
        Ok(())
    }
}

fn sql(span: Span, order: Order) -> &'static str {
    match (span, order) {
        (Span::Of(_), Order::Asc) => CONN_ASC,
        (Span::Of(_), Order::Desc) => CONN_DESC,
        (Span::Notable, Order::Asc) => NOTABLE_ASC,
        (Span::Notable, Order::Desc) => NOTABLE_DESC,
        (Span::All, Order::Asc) => ALL_ASC,
        (Span::All, Order::Desc) => ALL_DESC,
    }
}

/// What SQLite must make of each question, for the tests.
#[cfg(test)]
pub const SQL_AND_PLAN: &[(&str, &str)] = &[
    (GET, "SEARCH event USING PRIMARY KEY (created=? AND hash=?)"),
    (ALL_ASC, "SEARCH event USING PRIMARY KEY ((created,hash)>(?,?))"),
    (ALL_DESC, "SEARCH event USING PRIMARY KEY ((created,hash)<(?,?))"),
    (NOTABLE_ASC, "SEARCH event USING INDEX event_notable ((created,hash)>(?,?))"),
    (NOTABLE_DESC, "SEARCH event USING INDEX event_notable ((created,hash)<(?,?))"),
    (CONN_ASC, "SEARCH event USING INDEX event_conn (conn=? AND (created,hash)>(?,?))"),
    (CONN_DESC, "SEARCH event USING INDEX event_conn (conn=? AND (created,hash)<(?,?))"),
];
