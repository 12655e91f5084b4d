//! The form of a sealed block: thousands of events of one connection as four columns.
//!
//! In: events of one connection, sorted by key, bodies plain. Out: [`Columns`], and from each of them what went in, bit for
//! bit. Refused: on the way in, blocks past the limits and packed bodies ([`Unfit`]); on the way out, whatever is cut,
//! damaged or meaningless ([`Short`](crate::store::sqlite::bytes::Short)). A checksum in front of each column finds any flipped bit, and no bytes, not even ones
//! made to hurt, cause a panic, or take more memory than a few times [`BLOCK_BYTES_MAX`].
//!
//! Rows in SQLite cost 170 bytes an event; side by side, events of a connection differ so little that 7 are enough, and times
//! can be searched without touching what stands beside them. `times` is the spine: the other columns are told against it, so
//! it is opened first.

mod bodies;
mod frame;
mod heads;
mod ids;
mod keys;
#[cfg(test)]
mod tests;

pub use bodies::Bodies;
pub use heads::{Head, Heads, weight as head_weight};
pub use keys::{hashes, times};

use crate::store::sqlite::flat::{BodyRef, Flat};

/// Most events of a block.
pub const BLOCK_ROWS_MAX: usize = 16_384;

/// Most bytes of a block's bodies, and of its spills and sync ids, before compression. A block is in memory whole while it is
/// made or read, so whoever seals closes a block long before, at a few megabytes.
pub const BLOCK_BYTES_MAX: usize = 256 << 20;

/// A block, one blob for each column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// `created_us` of each event, read by [`times`].
    pub times: Vec<u8>,
    /// The content hashes, read by [`hashes`].
    pub hashes: Vec<u8>,
    /// What [`Head`] holds, read by [`Heads::open`].
    pub heads: Vec<u8>,
    /// The bodies, read by [`Bodies::open`].
    pub bodies: Vec<u8>,
}

/// Why events do not make a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// None, or more than [`BLOCK_ROWS_MAX`].
    #[error("{0} events, a block takes 1 to {BLOCK_ROWS_MAX}")]
    Rows(usize),
    /// More than [`BLOCK_BYTES_MAX`].
    #[error("bodies, spills or sync ids of {0} bytes, a block takes {BLOCK_BYTES_MAX}")]
    Bytes(usize),
    /// A body is compressed.
    #[error("a body is not plain")]
    Packed,
}

/// Makes a block of events of one connection, sorted by key.
///
/// # Errors
/// They are too many, too large, or a body is not plain.
pub fn encode(rows: &[Flat<'_>]) -> Result<Columns, Unfit> {
    if rows.is_empty() || rows.len() > BLOCK_ROWS_MAX {
        return Err(Unfit::Rows(rows.len()));
    }
    let plain = |row: &Flat<'_>| match row.body {
        BodyRef::Plain(bytes) => Ok(bytes.len()),
        BodyRef::Packed(_) => Err(Unfit::Packed),
    };
    let bodies = rows.iter().map(plain).sum::<Result<usize, Unfit>>()?;
    let heads: usize = rows.iter().map(heads::weight).sum();
    if bodies.max(heads) > BLOCK_BYTES_MAX {
        return Err(Unfit::Bytes(bodies.max(heads)));
    }
    let (heads, groups) = heads::encode(rows);
    Ok(Columns {
        times: keys::encode_times(rows),
        hashes: keys::encode_hashes(rows),
        heads,
        bodies: bodies::encode(rows, &groups),
    })
}
