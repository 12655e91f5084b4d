//! Blocks made into rows again.
//!
//! In: blocks. Out: their events as rows, and the blocks gone, in the running transaction. Where a row stands for an event already, it stays.

use super::{
    blocks::{self, Blocks, Meta},
    whereabouts::{self, Whereabouts},
};
use crate::store::sqlite::{fault::WriteError, insert};
use rusqlite::Connection;
use std::sync::Arc;

/// Does it. False, and nothing done, when one of them is gone already.
pub fn apply(db: &Connection, whereabouts: &mut Whereabouts, metas: &[Meta]) -> Result<bool, WriteError> {
    if !blocks::are_there(db, metas)? {
        return Ok(false);
    }
    let names = Arc::clone(whereabouts.names());
    for meta in metas {
        for flat in Blocks::of(db, &names).all(meta)?.iter() {
            insert::put_row(db, &flat)?;
            if flat.notable {
                whereabouts::unmark(db, flat.key)?;
            }
            whereabouts.add_loose(flat.conn, flat.key.created_us);
        }
        whereabouts.remove_block(db, *meta)?;
    }
    Ok(true)
}
