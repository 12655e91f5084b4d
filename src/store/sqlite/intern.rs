//! Numbers for what repeats, on the writer's side.
//!
//! In: connections, labels, kinds and shapes as texts. Out: their row numbers, made in the writer's transaction when they
//! are new; 0 for a text that is too long or comes when its table is full, which is then kept with its event. A
//! transaction that is rolled back takes its numbers with it.

use super::{cache::Cache, kind::INTERN_BYTES_MAX, syncs::Sighting};
use crate::model::{Source, TEST_CONNECTION_ID};
use rusqlite::{Connection, OptionalExtension as _, params};

/// Memory of each table's texts, in bytes.
const CACHE_BYTES: usize = 2 << 20;
/// Memory of the sync ids seen last, in entries.
const SYNCS: usize = 1 << 15;

/// The SQL of one table of texts.
struct Sql {
    find: &'static str,
    add: &'static str,
    last: &'static str,
}

const LABEL: Sql = Sql {
    find: "SELECT id FROM label WHERE text = ?1",
    add: "INSERT INTO label (id, text) VALUES (?1, ?2)",
    last: "SELECT ifnull(max(id), 0) FROM label",
};
const KIND: Sql = Sql {
    find: "SELECT id FROM kind WHERE text = ?1",
    add: "INSERT INTO kind (id, text) VALUES (?1, ?2)",
    last: "SELECT ifnull(max(id), 0) FROM kind",
};
const SHAPE: Sql = Sql {
    find: "SELECT id FROM shape WHERE text = ?1",
    add: "INSERT INTO shape (id, text) VALUES (?1, ?2)",
    last: "SELECT ifnull(max(id), 0) FROM shape",
};

/// One table of texts.
struct Texts {
    sql: Sql,
    ids: Cache<String, i64>,
    last: i64,
    last_committed: i64,
    limit: i64,
    bytes_max: usize,
}

impl Texts {
    fn open(db: &Connection, sql: Sql, limit: i64, bytes_max: usize) -> rusqlite::Result<Self> {
        let last = db.query_row(sql.last, [], |row| row.get(0))?;
        Ok(Self { sql, ids: Cache::new(CACHE_BYTES), last, last_committed: last, limit, bytes_max })
    }

    fn id(&mut self, db: &Connection, text: &str) -> rusqlite::Result<i64> {
        if let Some(id) = self.ids.get(text) {
            return Ok(id);
        }
        if text.len() > self.bytes_max {
            return Ok(0);
        }
        let found = db.prepare_cached(self.sql.find)?.query_row([text], |row| row.get(0)).optional()?;
        let id = match found {
            Some(id) => id,
            None if self.last >= self.limit => return Ok(0),
            None => {
                self.last += 1;
                db.prepare_cached(self.sql.add)?.execute(params![self.last, text])?;
                self.last
            }
        };
        self.ids.put(text.to_owned(), id, text.len() + 64);
        Ok(id)
    }

    fn settle(&mut self, committed: bool) {
        if committed {
            self.last_committed = self.last;
        } else if self.last != self.last_committed {
            self.last = self.last_committed;
            self.ids.clear();
        }
    }
}

/// All tables of the writer.
pub struct Interner {
    labels: Texts,
    kinds: Texts,
    shapes: Texts,
    connections: Cache<(Source, String), i64>,
    last_connection: i64,
    last_connection_committed: i64,
    syncs: Cache<(i64, i64), ()>,
    syncs_added: bool,
    /// Whether the connection of Fivetran's own test events is among those we have numbers for.
    knows_test: bool,
}

impl Interner {
    /// For an open database. At most `limit` kinds, labels and shapes each get numbers.
    pub fn open(db: &Connection, limit: i64) -> rusqlite::Result<Self> {
        let last = db.query_row("SELECT ifnull(max(id), 0) FROM connection", [], |row| row.get(0))?;
        Ok(Self {
            // Labels follow connections, of which there may be many.
            labels: Texts::open(db, LABEL, limit.saturating_mul(16), INTERN_BYTES_MAX)?,
            kinds: Texts::open(db, KIND, limit, INTERN_BYTES_MAX)?,
            shapes: Texts::open(db, SHAPE, limit, super::template::SHAPE_BYTES_MAX)?,
            connections: Cache::new(CACHE_BYTES),
            last_connection: last,
            last_connection_committed: last,
            syncs: Cache::new(SYNCS),
            syncs_added: false,
            knows_test: db
                .prepare("SELECT 1 FROM connection WHERE connection_id = ?1")?
                .exists([TEST_CONNECTION_ID])?,
        })
    }

    /// How many connections are known. The one of Fivetran's test events is none.
    pub fn connection_count(&self) -> u64 {
        (self.last_connection_committed as u64).saturating_sub(u64::from(self.knows_test))
    }

    /// Number of a label.
    pub fn label(&mut self, db: &Connection, text: &str) -> rusqlite::Result<i64> {
        self.labels.id(db, text)
    }

    /// Number of a kind.
    pub fn kind(&mut self, db: &Connection, text: &str) -> rusqlite::Result<i64> {
        self.kinds.id(db, text)
    }

    /// Number of a shape.
    pub fn shape(&mut self, db: &Connection, text: &str) -> rusqlite::Result<i64> {
        self.shapes.id(db, text)
    }

    /// Number of a connection; there is always one.
    pub fn connection(&mut self, db: &Connection, connection: &(Source, String)) -> rusqlite::Result<i64> {
        if let Some(id) = self.connections.get(connection) {
            return Ok(id);
        }
        let (source, connection_id) = connection;
        let found = db
            .prepare_cached("SELECT id FROM connection WHERE connection_id = ?1 AND source = ?2")?
            .query_row(params![connection_id, source.as_str()], |row| row.get(0))
            .optional()?;
        let id = match found {
            Some(id) => id,
            None => {
                self.last_connection += 1;
                self.knows_test |= connection_id == TEST_CONNECTION_ID;
                db.prepare_cached("INSERT INTO connection (id, source, connection_id) VALUES (?1, ?2, ?3)")?
                    .execute(params![self.last_connection, source.as_str(), connection_id])?;
                self.last_connection
            }
        };
        self.connections.put(connection.clone(), id, connection_id.len() + 80);
        Ok(id)
    }

    /// Enters that a sync was seen with a connection.
    pub fn sync(&mut self, db: &Connection, seen: Sighting) -> rusqlite::Result<()> {
        if self.syncs.get(&(seen.hash, seen.conn)).is_none() {
            seen.enter(db)?;
            self.syncs.put((seen.hash, seen.conn), (), 1);
            self.syncs_added = true;
        }
        Ok(())
    }

    /// After a commit, or after a rollback: what was made since the last call stands or is forgotten.
    pub fn settle(&mut self, committed: bool) {
        for texts in [&mut self.labels, &mut self.kinds, &mut self.shapes] {
            texts.settle(committed);
        }
        if committed {
            self.last_connection_committed = self.last_connection;
        } else {
            if self.last_connection != self.last_connection_committed {
                self.last_connection = self.last_connection_committed;
                self.connections.clear();
            }
            if self.syncs_added {
                self.syncs.clear();
            }
        }
        self.syncs_added = false;
    }
}
