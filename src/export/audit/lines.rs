//! Records as lines of JSON that can be verified without us, and the same as one JSON document.
//!
//! In: records in order of their numbers, and the hashes of what is left out between them. Out, NDJSON: each record as it was hashed,
//! with its `leaf_hash` and, where records are left out before it, `before`; the last line carries the signed manifest, the signed
//! checkpoint, the public key, `after` and `pruned`. JSON: `{"data":[…],…}` with the same members at the end. Strings are never
//! written anew, so that a verifier can hash the bytes of the line.

use super::{Ends, Writer};
use crate::store::{
    StoreError,
    trail::{Hash, Pruned, Record},
};
use serde_json::{Value, json};

/// How lines stand together.
#[derive(Debug)]
pub enum Lines {
    /// One a line; the last line is the proof.
    Ndjson,
    /// In one document. True after the first record.
    Json(bool),
}

impl Writer for Lines {
    fn wants_gaps(&self) -> bool {
        true
    }

    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), StoreError> {
        if let Self::Json(_) = self {
            out.extend_from_slice(b"{\"data\":[");
        }
        Ok(())
    }

    fn record(&mut self, record: &Record, body: &str, before: &[Hash], out: &mut Vec<u8>) -> Result<(), StoreError> {
        match self {
            Self::Ndjson => {
                line(record, body, before, out)?;
                out.push(b'\n');
                Ok(())
            }
            Self::Json(another) => {
                out.extend_from_slice(if *another { b",\n" } else { b"\n" });
                *another = true;
                line(record, body, before, out)
            }
        }
    }

    fn end(&mut self, ends: &Ends<'_>, out: &mut Vec<u8>) -> Result<(), StoreError> {
        let manifest = ends.manifest();
        if let Self::Json(_) = self {
            out.extend_from_slice(b"\n],");
        } else {
            out.push(b'{');
        }
        let mut member = |name: &str, value: &Value, last: bool| {
            // Writing to memory cannot fail.
            out.extend_from_slice(format!("\"{name}\":{value}{}", if last { "}\n" } else { "," }).as_bytes());
        };
        member("manifest", &manifest.into(), false);
        member("checkpoint", &ends.plan.checkpoint.as_str().into(), false);
        member("public_key", &ends.plan.public_key.as_str().into(), false);
        member("after", &ends.after.iter().map(hex::encode).collect::<Vec<_>>().into(), false);
        member("pruned", &ends.pruned.iter().map(pruned).collect::<Vec<_>>().into(), true);
        Ok(())
    }
}

/// A range whose bodies are gone, as answers and exports show it.
#[must_use]
pub fn pruned(range: &Pruned) -> Value {
    let at = crate::query::render::millis(range.at);
    json!({"first": range.first, "last": range.last, "at": at, "reason": range.reason})
}

/// The canonical text, its hash, and what was left out before it.
fn line(record: &Record, body: &str, before: &[Hash], out: &mut Vec<u8>) -> Result<(), StoreError> {
    answer(record, body, out)?;
    if !before.is_empty() {
        out.extend_from_slice(b",\"before\":[");
        for (at, hash) in before.iter().enumerate() {
            out.extend_from_slice(if at > 0 { b",\"" } else { b"\"" });
            out.extend_from_slice(hex::encode(hash).as_bytes());
            out.push(b'"');
        }
        out.push(b']');
    }
    out.push(b'}');
    Ok(())
}

/// The canonical text with its hash, still open at the end.
///
/// # Errors
/// The text does not end as a record does: the store is damaged.
pub fn answer(record: &Record, body: &str, out: &mut Vec<u8>) -> Result<(), StoreError> {
    let open = body.strip_suffix('}').filter(|open| open.starts_with("{\"seq\":"));
    let open = open.ok_or_else(|| StoreError::Damaged(format!("audit record {} is no record", record.seq)))?;
    out.extend_from_slice(open.as_bytes());
    out.extend_from_slice(b",\"leaf_hash\":\"");
    out.extend_from_slice(hex::encode(record.leaf).as_bytes());
    out.push(b'"');
    Ok(())
}
