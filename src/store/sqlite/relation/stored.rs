//! Events as SQLite sees them: a table that is read from rows, journal and blocks alike.
//!
//! In: a question's bounds on connection and time, and whether it wants them in order. Out: the columns of each event, the body as rows
//! hold it. Read over a connection of its own, in one snapshot from the first row of a question to its last.

use crate::model::EventKey;
use crate::store::{
    Order,
    sqlite::{
        all_events::{AllEvents, Held, Scan, Span},
        flat::{BodyRef, Flat, SyncRef},
        names::Names,
        open::{self, Role},
        reader::ReadError,
    },
};
use rusqlite::{
    Connection, Error, ffi,
    types::{ToSqlOutput, ValueRef},
    vtab::{Context, Filters, IndexConstraintOp, IndexInfo, Module, VTab, VTabConfig, VTabConnection, VTabCursor},
};
use std::{
    borrow::Cow,
    collections::VecDeque,
    ffi::{CStr, c_int},
    path::{Path, PathBuf},
};

/// Under which name it stands.
const NAME: &CStr = c"lifeline_stored";
/// With a key: where a question is an OR of several, SQLite tells by it which rows it has seen.
const COLUMNS: &CStr = c"CREATE TABLE x(created, hash, conn, label, kind, shape, received, sync, spill, body,
    PRIMARY KEY (created, hash)) WITHOUT ROWID";
const CREATED: c_int = 0;
const CONN: c_int = 2;

/// What a plan does, in the number that SQLite hands back.
const BY_CONN: c_int = 1;
const FROM: c_int = 2;
const UNTIL: c_int = 4;
const IN_ORDER: c_int = 8;
const BACKWARDS: c_int = 16;

/// Makes it for a connection, of the store in a directory.
pub fn make(db: &Connection, dir: &Path) -> rusqlite::Result<()> {
    const MODULE: Module<Stored> = Module::eponymous_only_module();
    db.create_module(NAME, &MODULE, Some(dir.to_owned()))
}

fn failed(error: ReadError) -> Error {
    match error {
        ReadError::Sql(error) => error,
        error => Error::UserFunctionError(error.explain().into()),
    }
}

/// The table.
#[repr(C)]
struct Stored {
    /// SQLite's own part; must come first.
    base: ffi::sqlite3_vtab,
    db: Connection,
    names: Names,
}

// SQLite's part comes first, as the trait demands.
#[expect(unsafe_code, reason = "the trait is unsafe to implement")]
unsafe impl<'vtab> VTab<'vtab> for Stored {
    type Aux = PathBuf;
    type Cursor = Cursor<'vtab>;

    fn connect(
        db: &mut VTabConnection,
        dir: Option<&PathBuf>,
        _module: &[u8],
        _database: &[u8],
        _table: &[u8],
        _arguments: &[&[u8]],
    ) -> rusqlite::Result<(Cow<'static, CStr>, Self)> {
        db.config(VTabConfig::Innocuous)?;
        let failed = |error: open::OpenError| Error::ModuleError(error.to_string());
        let dir = dir.ok_or_else(|| Error::ModuleError("no directory".to_owned()))?;
        let db = open::connect(dir, Role::Guest).map_err(failed)?;
        open::read_only(&db).map_err(failed)?;
        let names = Names::guest(&db)?;
        Ok((Cow::Borrowed(COLUMNS), Self { base: ffi::sqlite3_vtab::default(), db, names }))
    }

    fn best_index(&self, info: &mut IndexInfo) -> rusqlite::Result<bool> {
        use IndexConstraintOp::{
            SQLITE_INDEX_CONSTRAINT_EQ as EQ, SQLITE_INDEX_CONSTRAINT_GE as GE, SQLITE_INDEX_CONSTRAINT_GT as GT,
            SQLITE_INDEX_CONSTRAINT_LE as LE, SQLITE_INDEX_CONSTRAINT_LT as LT,
        };
        let (mut conn, mut from, mut until) = (None, None, None);
        for (at, constraint) in info.constraints().enumerate().filter(|(_, constraint)| constraint.is_usable()) {
            match (constraint.column(), constraint.operator()) {
                (CONN, EQ) => conn = Some(at),
                (CREATED, EQ) => (from, until) = (Some(at), Some(at)),
                (CREATED, GE | GT) if from.is_none() => from = Some(at),
                (CREATED, LE | LT) if until.is_none() => until = Some(at),
                _ => {}
            }
        }
        let (mut plan, mut arguments) = (0, 0);
        let mut used = [None; 3];
        for (place, (bit, at)) in [(BY_CONN, conn), (FROM, from), (UNTIL, until)].into_iter().enumerate() {
            let Some(at) = at else { continue };
            plan |= bit;
            // One that says both is handed over once.
            if !used.contains(&Some(at)) {
                arguments += 1;
                info.constraint_usage(at).set_argv_index(arguments);
            }
            used[place] = Some(at);
        }
        let order: Vec<(c_int, bool)> = info.order_bys().map(|it| (it.column(), it.is_order_by_desc())).collect();
        if let [(CREATED, backwards)] = order[..] {
            plan |= IN_ORDER | if backwards { BACKWARDS } else { 0 };
            info.set_order_by_consumed(true);
        }
        info.set_idx_num(plan);
        if from.is_some() && from == until {
            info.set_idx_str("=");
        }
        let cost = |known: Option<usize>, factor: f64| if known.is_some() { factor } else { 1.0 };
        info.set_estimated_cost(1e7 * cost(conn, 1e-3) * cost(from, 0.25) * cost(until, 0.25));
        Ok(true)
    }

    fn open(&'vtab mut self) -> rusqlite::Result<Cursor<'vtab>> {
        if self.db.is_autocommit() {
            // Until the question ends and the connection with it.
            self.db.execute_batch("BEGIN")?;
        }
        let cursor = ffi::sqlite3_vtab_cursor::default();
        Ok(Cursor {
            base: cursor,
            table: self,
            spans: VecDeque::new(),
            order: Order::Asc,
            first: EventKey::FIRST,
            last_us: i64::MAX,
            scan: None,
            held: None,
        })
    }
}

/// A way through it.
#[repr(C)]
struct Cursor<'vtab> {
    /// SQLite's own part; must come first.
    base: ffi::sqlite3_vtab_cursor,
    table: &'vtab Stored,
    /// What is to be read still.
    spans: VecDeque<Span>,
    order: Order,
    /// Where each begins.
    first: EventKey,
    /// `created` behind which nothing is wanted, in its order.
    last_us: i64,
    scan: Option<Scan<'vtab>>,
    held: Option<Held>,
}

impl Cursor<'_> {
    fn advance(&mut self) -> Result<(), ReadError> {
        loop {
            let held = match &mut self.scan {
                Some(scan) => scan.take()?,
                None => None,
            };
            let is_past = |held: &Held| match self.order {
                Order::Asc => held.flat().key.created_us > self.last_us,
                Order::Desc => held.flat().key.created_us < self.last_us,
            };
            self.held = held.filter(|held| !is_past(held));
            if self.held.is_some() {
                return Ok(());
            }
            let Some(span) = self.spans.pop_front() else {
                self.scan = None;
                return Ok(());
            };
            self.scan = Some(AllEvents::of(&self.table.db, &self.table.names)?.scan(span, self.first, self.order));
        }
    }
}

/// A bound as a whole number, wide enough; `None` where it bounds nothing.
fn bound(value: ValueRef<'_>, round: fn(f64) -> f64) -> Option<i64> {
    match value {
        ValueRef::Integer(number) => Some(number),
        ValueRef::Real(number) => Some(round(number) as i64),
        _ => None,
    }
}

// SQLite's part comes first, as the trait demands.
#[expect(unsafe_code, reason = "the trait is unsafe to implement")]
unsafe impl VTabCursor for Cursor<'_> {
    fn filter(&mut self, plan: c_int, same: Option<&str>, arguments: &Filters<'_>) -> rusqlite::Result<()> {
        let mut values = arguments.iter();
        let conn = if plan & BY_CONN == 0 { None } else { values.next() };
        let from = if plan & FROM == 0 { None } else { values.next() };
        let until = match (plan & UNTIL == 0, same) {
            (true, _) => None,
            (false, Some(_)) => from,
            (false, None) => values.next(),
        };
        let from = from.and_then(|value| bound(value, f64::floor)).unwrap_or(i64::MIN);
        let until = until.and_then(|value| bound(value, f64::ceil)).unwrap_or(i64::MAX);
        self.order = if plan & BACKWARDS == 0 { Order::Asc } else { Order::Desc };
        (self.first, self.last_us) = match self.order {
            Order::Asc => (EventKey { created_us: from, hash: i64::MIN }, until),
            Order::Desc => (EventKey { created_us: until, hash: i64::MAX }, from),
        };
        self.spans = match conn {
            Some(ValueRef::Integer(conn)) => VecDeque::from([Span::Of(conn)]),
            // No connection has such a number.
            Some(_) => VecDeque::new(),
            None if plan & IN_ORDER != 0 => VecDeque::from([Span::All]),
            None => {
                // In any order: each block is unpacked once.
                let mut statement = self.table.db.prepare("SELECT 0 UNION ALL SELECT id FROM connection")?;
                let conns = statement.query_map([], |row| row.get(0).map(Span::Of))?;
                conns.collect::<Result<_, _>>()?
            }
        };
        self.scan = None;
        self.advance().map_err(failed)
    }

    fn next(&mut self) -> rusqlite::Result<()> {
        self.advance().map_err(failed)
    }

    fn eof(&self) -> bool {
        self.held.is_none()
    }

    fn column(&self, ctx: &mut Context, column: c_int) -> rusqlite::Result<()> {
        let Some(held) = &self.held else { return Ok(()) };
        let Flat { key, conn, label, kind, shape, received, sync, spill, body, .. } = held.flat();
        let blob = |bytes| ToSqlOutput::Borrowed(ValueRef::Blob(bytes));
        let number = |value: i64| ToSqlOutput::Borrowed(ValueRef::Integer(value));
        let plain;
        let uuid;
        let value = match column {
            CREATED => number(key.created_us),
            1 => number(key.hash),
            CONN => number(conn),
            3 => number(label),
            4 => number(kind),
            5 => number(shape),
            6 => number(received),
            7 => match sync {
                Some(SyncRef::Uuid(bytes)) => {
                    uuid = bytes;
                    blob(&uuid)
                }
                Some(SyncRef::Text(text)) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
                None => ToSqlOutput::Borrowed(ValueRef::Null),
            },
            8 => spill.map_or(ToSqlOutput::Borrowed(ValueRef::Null), blob),
            _ => match body {
                BodyRef::Packed(packed) => blob(packed),
                BodyRef::Plain(body) => {
                    plain = super::super::body::stored(body);
                    blob(&plain)
                }
            },
        };
        ctx.set_result(&value)
    }

    fn rowid(&self) -> rusqlite::Result<i64> {
        Err(Error::ModuleError("events have keys, not numbers".to_owned()))
    }
}
