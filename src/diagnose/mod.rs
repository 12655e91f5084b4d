//! What an error means, whose move it is and how it goes away.
//!
//! In: a [`Symptom`], that is what an event, an incident or a person says of a problem. Out: the entries of the catalogue that fit
//! it, the likeliest first; for a text that nothing fits its [`template()`], by which the same new error is counted once. Refused: at
//! load time a user's file that breaks `schemas/diagnosis/v1.json`, uses an unknown field or holds an unusable pattern
//! ([`CatalogError`] names file, entry and field). Never refused: a text; it is cut at [`TEXT_BYTES_MAX`].
//!
//! The knowledge is data, one TOML file a system and theme in `catalog/`; a directory of the user's own adds entries and replaces
//! those of the same code. Nothing is kept and nothing is written: a better catalogue is good for old events at once.
//!
//! # Ranking
//! Every condition that a matcher names must hold. What decides the order is the most telling of them:
//!
//! 1. the code of the entry itself was asked for;
//! 2. a status code of the sender (`ENTITY_IS_LOCKED`), which means one thing only;
//! 3. a text that names one cause (`replication slot … does not exist`);
//! 4. a text that names a family which many systems know (`connection refused`, `429`): `scope = "family"`;
//! 5. a task or a kind (`taskType`, `type`, `cause`), which names a move but not why;
//! 6. a text that tells no more than the field (`timed out`), or a part of a task's name: `scope = "broad"`;
//! 7. a status, an event or a level alone: something is said about any problem.
//!
//! At one height more conditions win, then the longer pattern, then the user's own entries, then the order of the files.
//!
//! All patterns are matched in one pass of a finite automaton, so time grows with the length of the text and nothing else; sizes of
//! patterns, files and texts are bounded.

mod entry;
mod load;
mod matching;
mod symptom;
mod template;

#[cfg(test)]
mod tests;

pub use entry::{Diagnosis, Entry, Recovery, Severity, Who};
pub use load::{Catalog, CatalogError};
pub use matching::{MATCHES_MAX, Match};
pub use symptom::{Symptom, TEXT_BYTES_MAX};
pub use template::{TEMPLATE_BYTES_MAX, template};
