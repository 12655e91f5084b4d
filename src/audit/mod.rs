//! Who did what, when, to what, from what to what: records of the audit trail, the tree over them and its proofs.
//!
//! In: understood events, and our own doings. Out: records with canonical bytes, the Merkle tree of RFC 9162 over them, signed
//! checkpoints, proofs, and a verifier that trusts none of the rest. Pure: no clock, no store, no files.

mod record;

pub use record::{Actor, ActorKind, Change, Draft, Log, Resource};
