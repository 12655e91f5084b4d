//! Who did what, when, to what, from what to what: records of the audit trail, the tree over them and its proofs.
//!
//! In: understood events, and our own doings. Out: records with canonical bytes, the Merkle tree of RFC 9162 over them, signed
//! checkpoints, proofs, and a verifier that trusts none of the rest. Pure: no clock, no store, no files.
//!
//! `draft` reads events as records, `deed` makes those of our own doings, `use_case` names what the documentation calls their use cases, `changes` lists what they changed,
//! `record` writes canonical bytes and lines, `entry` reads them back. `tree` hashes, `note` signs, `verify`
//! checks what they made. `rights` folds records to who may do what, `summary` counts them.

mod changes;
mod deed;
mod draft;
mod entry;
pub mod note;
mod record;
pub mod rights;
pub mod summary;
pub mod tree;
mod use_case;
pub mod verify;

pub use changes::{CHANGES_MAX, FIELD_CHARS_MAX, VALUE_BYTES_MAX, VALUES_BYTES_MAX};
pub use deed::Deed;
pub use draft::{TEXT_CHARS_MAX, TWIN_US, renamed as renamed_resource};
pub use entry::Entry;
pub use record::{
    Actor, ActorKind, Change, Channel, Draft, Log, Resource, Tail, canonical, line, write_hashes, write_line,
};
pub use use_case::{Values, has_several, is_audit, use_case};
