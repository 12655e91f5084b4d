//! Sealed blocks: a connection's older events, columns instead of rows.
//!
//! In: sorted events of one connection. Out: a handful of blobs, each readable by itself. Refused: blobs that are damaged.

pub mod codec;
#[cfg(test)]
mod report;
mod sample;

pub use sample::Sample;
