//! What reading an event takes besides its columns: what their numbers stand for, and where events are that are in no row.
//!
//! A number never changes its meaning once it is committed, and readers see only what is committed, so whatever was looked up
//! may be remembered.

use super::{
    all_events::Pending,
    cache::Cache,
    kind::{Kind, Label},
    reader::ReadError,
    sealed::{Stock, memory::View},
    template::Form,
};
use crate::store::StoreError;
use rusqlite::{Connection, OptionalExtension as _};
use std::sync::{Arc, Mutex, PoisonError};

/// Memory of each table, in bytes of text.
const CACHE_BYTES: usize = 2 << 20;

type Remembered<T> = Mutex<Cache<i64, Arc<T>>>;

/// What was looked up.
pub struct Names {
    kinds: Remembered<Kind<'static>>,
    labels: Remembered<Label<'static>>,
    shapes: Remembered<Form>,
    connections: Remembered<str>,
    /// Events that are in no row.
    pub stock: Arc<Stock>,
    writer: Option<Mutex<Option<Arc<Pending>>>>,
}

impl Names {
    /// Of a process beside the one that writes.
    pub fn guest(db: &Connection) -> rusqlite::Result<Self> {
        Ok(Self::new(Arc::new(Stock::guest(db)?)))
    }

    /// Of the thread that writes, which sees what it has stored and not committed yet.
    pub fn of_writer(stock: Arc<Stock>) -> Self {
        Self { writer: Some(Mutex::new(None)), ..Self::new(stock) }
    }

    /// Nothing looked up yet.
    pub fn new(stock: Arc<Stock>) -> Self {
        Self {
            kinds: Mutex::new(Cache::new(CACHE_BYTES)),
            labels: Mutex::new(Cache::new(CACHE_BYTES)),
            shapes: Mutex::new(Cache::new(CACHE_BYTES)),
            connections: Mutex::new(Cache::new(CACHE_BYTES)),
            stock,
            writer: None,
        }
    }

    /// Forgets what was looked up: a transaction that is taken back takes its numbers with it.
    pub fn forget(&self) {
        // Nothing can panic while a lock is held.
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.labels.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.shapes.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What the writer's transaction has stored.
    pub fn pending(&self) -> Option<Arc<Pending>> {
        // Nothing can panic while the lock is held.
        self.writer.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Shows the writer what its transaction has stored, or that it is over.
    pub fn set_pending(&self, pending: Option<Arc<Pending>>) {
        if let Some(writer) = &self.writer {
            *writer.lock().unwrap_or_else(PoisonError::into_inner) = pending;
        }
    }

    /// The journal's events as the open snapshot has them; to the writer, as they were committed last.
    pub fn view(&self, db: &Connection) -> Result<View, ReadError> {
        match (&self.writer, self.stock.memory()) {
            (Some(_), Some(memory)) => Ok(memory.latest()),
            _ => self.stock.view(db),
        }
    }

    /// A kind.
    pub fn kind(&self, db: &Connection, id: i64) -> Result<Arc<Kind<'static>>, ReadError> {
        find(&self.kinds, db, "SELECT text FROM kind WHERE id = ?1", id, |text| {
            serde_json::from_str(text).ok().map(Arc::new)
        })
    }

    /// A label.
    pub fn label(&self, db: &Connection, id: i64) -> Result<Arc<Label<'static>>, ReadError> {
        find(&self.labels, db, "SELECT text FROM label WHERE id = ?1", id, |text| {
            serde_json::from_str(text).ok().map(Arc::new)
        })
    }

    /// A shape.
    pub fn shape(&self, db: &Connection, id: i64) -> Result<Arc<Form>, ReadError> {
        find(&self.shapes, db, "SELECT text FROM shape WHERE id = ?1", id, |text| Some(Arc::new(Form::of(text))))
    }

    /// A connection's id.
    pub fn connection(&self, db: &Connection, id: i64) -> Result<Arc<str>, ReadError> {
        find(&self.connections, db, "SELECT connection_id FROM connection WHERE id = ?1", id, |text| {
            Some(Arc::from(text))
        })
    }
}

fn find<T: ?Sized>(
    remembered: &Remembered<T>,
    db: &Connection,
    sql: &'static str,
    id: i64,
    read: impl FnOnce(&str) -> Option<Arc<T>>,
) -> Result<Arc<T>, ReadError> {
    // Nothing can panic while the lock is held.
    if let Some(value) = remembered.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
        return Ok(value);
    }
    let text: Option<String> = db.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?;
    let text = text.ok_or_else(|| StoreError::Damaged(format!("row {id} is missing ({sql})")))?;
    let value = read(&text).ok_or_else(|| StoreError::Damaged(format!("row {id} is unreadable ({sql})")))?;
    let mut remembered = remembered.lock().unwrap_or_else(PoisonError::into_inner);
    remembered.put(id, Arc::clone(&value), text.len() + 96);
    Ok(value)
}
