//! The writer's side: where an event is, and where a new one goes.
//!
//! In: rows inside the writer's transaction. Out: whether each is there already, and the chunk of those that are not, as a row of the
//! journal; everybody sees them after the commit. Nothing is remembered of a transaction that is taken back.

use super::{
    blocks::{Blocks, Meta},
    chunk::{Chunk, ChunkBuilder},
    codec,
    known::Known,
    memory::{Generation, Memory, View},
    stock::Stock,
};
use crate::{
    model::EventKey,
    store::sqlite::{
        all_events::Pending,
        bytes::checksum,
        fault::WriteError,
        flat::{BodyRef, Flat},
        loose::{self, LooseRow},
        names::Names,
    },
};
use rusqlite::{Connection, params};
use std::sync::Arc;

/// Plain bodies longer than this, in bytes, stay rows: blocks and the journal's memory are for the many.
pub const LARGE: usize = 32 << 10;
/// The same of what an event has for itself beside its body: texts that were not interned and a sync id that is no UUID. A block of
/// them is unpacked whole for each of its events.
pub const HEAD_LARGE: usize = 2 << 10;

/// Generations that wait to be sealed before senders have to wait, too.
const CLOSED_MAX: usize = 2;

/// What waits to be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backlog {
    /// Nothing.
    None,
    /// Something.
    Some,
    /// So much that it comes first.
    TooMuch,
}

/// Where an event is.
pub enum Found {
    /// In a row.
    Loose(Box<LooseRow>),
    /// Stored by the same transaction.
    Pending(usize),
    /// In the journal.
    Newest(super::memory::Held),
    /// In a block.
    Sealed(Meta, usize),
}

/// A change of blocks that the running transaction makes.
enum Change {
    Gone(Meta),
    New(Meta),
}

/// What the writer knows of events, beside their rows.
pub struct Whereabouts {
    /// Whether new events go into the journal; otherwise they are rows.
    sealed: bool,
    stock: Arc<Stock>,
    names: Arc<Names>,
    known: Known,
    view: View,
    builder: ChunkBuilder,
    pending: Option<(u64, Arc<Chunk>)>,
    changes: Vec<Change>,
}

impl Whereabouts {
    /// For an open database. `names`: of the writer.
    pub fn open(db: &Connection, sealed: bool, stock: Arc<Stock>, names: Arc<Names>) -> rusqlite::Result<Self> {
        let known = Known::open(db)?;
        let view = stock.memory().map(Memory::latest).unwrap_or_default();
        Ok(Self { sealed, stock, names, known, view, builder: ChunkBuilder::new(), pending: None, changes: Vec::new() })
    }

    /// What reading an event takes.
    pub fn names(&self) -> &Arc<Names> {
        &self.names
    }

    /// How many blocks there are, and how many events they hold.
    pub fn sealed(&self) -> (u64, u64) {
        self.known.sealed()
    }

    /// Whether an event of a plain body of so many bytes goes into the journal.
    pub fn takes(&self, bytes: usize) -> bool {
        self.sealed && bytes <= LARGE
    }

    /// Whether it goes there by what it has beside its body.
    pub fn takes_head(flat: &Flat<'_>) -> bool {
        codec::head_weight(flat) <= HEAD_LARGE
    }

    /// Where an event is that is stored already. `rows`: also where it may be nothing but a row.
    pub fn find(&self, db: &Connection, conn: i64, key: EventKey, rows: bool) -> Result<Option<Found>, WriteError> {
        let elsewhere = self.find_elsewhere(db, conn, key)?;
        if (rows || elsewhere.is_some())
            && self.known.may_be_loose(conn, key.created_us)
            && let Some(row) = loose::get(db, key)?
        {
            return Ok(Some(Found::Loose(Box::new(row))));
        }
        Ok(elsewhere)
    }

    fn find_elsewhere(&self, db: &Connection, conn: i64, key: EventKey) -> Result<Option<Found>, WriteError> {
        if let Some(at) = self.builder.find(key) {
            return Ok(Some(Found::Pending(at)));
        }
        if let Some(held) = self.view.find(conn, key) {
            return Ok(Some(Found::Newest(held)));
        }
        let blocks = Blocks::of(db, &self.names);
        for meta in self.known.blocks_at(conn, key.created_us) {
            if let Some(place) = blocks.keys(meta)?.find(key) {
                return Ok(Some(Found::Sealed(*meta, place)));
            }
        }
        Ok(None)
    }

    /// Shows the columns of an event that was found; those of a block without the body, unless it is asked for.
    pub fn show<T>(
        &self,
        db: &Connection,
        found: &Found,
        body: bool,
        see: impl FnOnce(&Flat<'_>) -> T,
    ) -> Result<T, WriteError> {
        Ok(match found {
            Found::Loose(row) => see(&row.flat()),
            Found::Pending(at) => see(&self.builder.get(*at)),
            Found::Newest(held) => see(&held.flat()),
            Found::Sealed(meta, place) => {
                let blocks = Blocks::of(db, &self.names);
                if body {
                    see(&blocks.event(meta, *place)?.get(0))
                } else {
                    let (keys, heads) = (blocks.keys(meta)?, blocks.heads(meta)?);
                    see(&blocks.flat(meta, &heads, &keys, *place, BodyRef::Plain(&[]))?)
                }
            }
        })
    }

    /// Adds a new event to the transaction's chunk; false when it has to be a row.
    pub fn push(&mut self, flat: &Flat<'_>) -> bool {
        self.builder.push(flat).is_ok()
    }

    /// A row is written.
    pub fn add_loose(&mut self, conn: i64, created: i64) {
        self.known.add_loose(conn, created);
    }

    /// Writes what was pushed as a row of the journal, under the number of the commit.
    pub fn write(&mut self, db: &Connection, seq: u64) -> Result<(), WriteError> {
        if self.builder.is_empty() {
            return Ok(());
        }
        let chunk = Arc::new(self.builder.finish());
        let mut blob = Vec::new();
        chunk.to_blob(&mut blob);
        let times = || (0..chunk.len()).map(|at| chunk.key(at).created_us);
        let numbers =
            [seq as i64, chunk.len() as i64, times().min().unwrap_or_default(), times().max().unwrap_or_default()];
        let [seq_column, n, first, last] = numbers;
        db.prepare_cached("INSERT INTO journal (seq, n, first, last, crc, chunk) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![seq_column, n, first, last, checksum(&numbers), blob])?;
        self.names.set_pending(Some(Arc::new(Pending::new(Arc::clone(&chunk)))));
        self.pending = Some((seq, chunk));
        Ok(())
    }

    /// Deletes a block, for nothing or for others, in the running transaction, which looks for nothing in it any more.
    pub fn remove_block(&mut self, db: &Connection, meta: Meta) -> rusqlite::Result<()> {
        db.prepare_cached("DELETE FROM block WHERE id = ?1")?.execute([meta.id])?;
        self.known.remove_block(meta.conn, meta.id);
        self.changes.push(Change::Gone(meta));
        Ok(())
    }

    /// A block was written, in the running transaction.
    pub fn new_block(&mut self, meta: Meta) {
        self.known.add_block(meta);
        self.changes.push(Change::New(meta));
    }

    /// After a commit, or after a rollback: what was done since the last call stands or is forgotten.
    pub fn settle(&mut self, committed: bool) {
        self.names.set_pending(None);
        self.builder.clear();
        let (pending, changes) = (self.pending.take(), std::mem::take(&mut self.changes));
        if !committed {
            for change in changes.into_iter().rev() {
                match change {
                    Change::Gone(meta) => self.known.add_block(meta),
                    Change::New(meta) => {
                        self.known.remove_block(meta.conn, meta.id);
                        // Its number is given again.
                        self.stock.unpacked.forget(meta.id);
                    }
                }
            }
            return;
        }
        if let (Some((seq, chunk)), Some(memory)) = (pending, self.stock.memory()) {
            memory.publish(seq, chunk);
            self.view = memory.latest();
        }
    }

    /// Whether a generation is the one that is sealed next.
    pub fn is_oldest(&self, generation: &Arc<Generation>) -> bool {
        self.stock.memory().is_some_and(|memory| memory.is_oldest(generation))
    }

    /// A generation is in blocks, and leaves the memory.
    pub fn drop_oldest(&mut self, generation: &Arc<Generation>) {
        if let Some(memory) = self.stock.memory() {
            memory.drop_oldest(generation);
            self.view = memory.latest();
        }
    }

    /// Whether something waits to be sealed, and so much that nothing more should come before it is.
    pub fn backlog(&self) -> Backlog {
        match self.stock.memory().map_or(0, Memory::closed) {
            0 => Backlog::None,
            closed if closed < CLOSED_MAX => Backlog::Some,
            _ => Backlog::TooMuch,
        }
    }
}

/// Notes that an event of a block deserves a look.
pub fn mark(db: &Connection, key: EventKey, conn: i64) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR IGNORE INTO notable (created, hash, conn) VALUES (?1, ?2, ?3)")?.execute([
        key.created_us,
        key.hash,
        conn,
    ])?;
    Ok(())
}

/// Notes that an event does not any more.
pub fn unmark(db: &Connection, key: EventKey) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM notable WHERE created = ?1 AND hash = ?2")?.execute([key.created_us, key.hash])?;
    Ok(())
}
