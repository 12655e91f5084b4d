//! The sealed layout: a journal of the newest events, and blocks of the rest.
//!
//! In: the new events of a commit. Out: one row of the journal that makes them durable, and the events in memory for whoever asks; in the
//! background blocks of one connection each, column by column, which take their place. Both are one transaction with what
//! leaves, so that an event is in exactly one of them at any moment. Where an event was before is found by its connection and
//! its time, then by its content. What is large, and what was changed after it came here, is a row.

pub mod absorb;
pub mod blocks;
mod chunk;
mod codec;
pub mod cut;
pub mod grams;
mod known;
pub mod loosen;
pub mod lost;
mod making;
pub mod memory;
#[cfg(test)]
mod report;
mod sample;
pub mod seal;
pub mod sealer;
pub mod stock;
mod tiers;
pub mod unpacked;
pub mod whereabouts;

pub use blocks::{Blocks, Slice};
pub use chunk::Chunk;
pub use sample::Sample;
pub use sealer::Sealer;
pub use stock::Stock;
pub use whereabouts::Whereabouts;
