//! Taking events out of blocks.
//!
//! In: keys of a connection. Out: blocks without them, in the running transaction; a block of which nothing is left is gone.

use super::{
    blocks::{Blocks, Meta},
    seal::{Seal, blocks_of},
    whereabouts::Whereabouts,
};
use crate::{
    model::EventKey,
    store::{
        StoreError,
        sqlite::{fault::WriteError, names::Names},
    },
};
use rusqlite::Connection;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Where an event was that is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// In a block, which will be written without it.
    InBlock,
    /// In the journal, where it stays.
    InJournal,
    /// In neither.
    Nowhere,
}

/// What goes.
pub struct Cuts<'c> {
    db: &'c Connection,
    names: &'c Names,
    blocks: BTreeMap<i64, (Meta, BTreeSet<usize>)>,
}

impl<'c> Cuts<'c> {
    /// Nothing yet.
    pub fn new(db: &'c Connection, names: &'c Names) -> Self {
        Self { db, names, blocks: BTreeMap::new() }
    }

    /// One more.
    pub fn add(&mut self, conn: i64, key: EventKey) -> Result<Cut, WriteError> {
        if self.names.view(self.db)?.find(conn, key).is_some() {
            return Ok(Cut::InJournal);
        }
        Ok(match Blocks::of(self.db, self.names).find(key, Some(conn))? {
            Some((meta, place)) => {
                self.blocks.entry(meta.id).or_insert_with(|| (meta, BTreeSet::new())).1.insert(place);
                Cut::InBlock
            }
            None => Cut::Nowhere,
        })
    }

    /// Writes the blocks anew.
    pub fn apply(self, whereabouts: &mut Whereabouts) -> Result<(), WriteError> {
        let blocks = Blocks::of(self.db, self.names);
        let mut seal = Seal::default();
        for (meta, places) in self.blocks.into_values() {
            let all = Arc::new(blocks.all(&meta)?);
            let mut kept: Vec<_> =
                (0..meta.n).filter(|at| !places.contains(at)).map(|at| (Arc::clone(&all), at as u32)).collect();
            seal.new.extend(blocks_of(blocks, &mut kept)?);
            seal.gone.push(meta);
        }
        if seal.gone.is_empty() || seal.apply(self.db, whereabouts)? {
            return Ok(());
        }
        Err(WriteError::Store(StoreError::Engine("a block left while it was written anew".to_owned())))
    }
}
