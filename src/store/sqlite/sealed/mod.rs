//! The newest events in memory, and the chunks that carry them there.
//!
//! In: the new events of a commit. Out: one [`chunk::Chunk`], which is at once a row of the journal and a piece of the
//! [`memory::Memory`] that readers ask until a sealer has made blocks of it. Nothing here knows SQL: the writer keeps the
//! journal, its readers say which part of it their snapshot shows.

pub mod chunk;
pub mod memory;
