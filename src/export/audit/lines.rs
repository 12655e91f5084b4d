//! Records as lines of JSON that can be verified without us, and the same as one JSON document.
//!
//! In: records in order of their numbers, and the hashes of what is left out between them. Out, NDJSON: each record as it was hashed,
//! with its `leaf_hash` and, where records are left out before it, `before`; the last line carries the signed manifest, the signed
//! checkpoint, the public key, `after` and `pruned`. JSON: `{"data":[…],…}` with the same members at the end. Strings are never
//! written anew, so that a verifier can hash the bytes of the line.

use super::{Ends, Writer};
use crate::{
    audit::{self, Tail},
    query::render::millis,
    store::{
        StoreError,
        trail::{Hash, Pruned, Record},
    },
};
use serde::Serialize;
use utoipa::ToSchema;

/// What the file ends with.
#[derive(Serialize)]
struct Last<'l> {
    manifest: &'l str,
    checkpoint: &'l str,
    public_key: &'l str,
    after: Vec<String>,
    pruned: Vec<PrunedView>,
}

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
        let last = Last {
            manifest: &manifest,
            checkpoint: &ends.plan.checkpoint,
            public_key: &ends.plan.public_key,
            after: ends.after.iter().map(hex::encode).collect(),
            pruned: ends.pruned.iter().map(PrunedView::from).collect(),
        };
        // Texts and numbers: nothing that JSON could refuse.
        let text = serde_json::to_string(&last).unwrap_or_default();
        out.extend_from_slice(text.strip_prefix('{').unwrap_or_default().as_bytes());
        out.push(b'\n');
        Ok(())
    }
}

/// A range whose bodies are gone, as answers and exports show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PrunedRange)]
pub struct PrunedView {
    /// First number.
    first: u64,
    /// Last number.
    last: u64,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// Why.
    #[schema(example = "retention 400 days")]
    reason: String,
}

impl From<&Pruned> for PrunedView {
    fn from(range: &Pruned) -> Self {
        Self { first: range.first, last: range.last, at: millis(range.at), reason: range.reason.clone() }
    }
}

/// The canonical text, its hash, and what was left out before it.
fn line(record: &Record, body: &str, before: &[Hash], out: &mut Vec<u8>) -> Result<(), StoreError> {
    if !(body.starts_with("{\"seq\":") && body.ends_with('}')) {
        return Err(StoreError::Damaged(format!("audit record {} is no record", record.seq)));
    }
    out.extend_from_slice(audit::line(body, &record.leaf, Tail::Before(before)).as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{row::tests::*, tests::plan},
        *,
    };
    use serde_json::Value;

    fn written(mut lines: Lines) -> String {
        let plan = plan();
        let mut out = Vec::new();
        lines.begin(&mut out).expect("begun");
        lines.record(&record(2, ""), &pause(2), &[[1; 32]], &mut out).expect("a record");
        lines.record(&record(3, ""), &pause(3), &[], &mut out).expect("a record");
        let mut ends = Ends::of(&plan);
        ends.after.push([2; 32]);
        ends.pruned.push(Pruned { log: plan.log, first: 1, last: 1, at: 0, reason: "retention \"x\"".into() });
        lines.end(&ends, &mut out).expect("an end");
        String::from_utf8(out).expect("text")
    }

    const PRUNED: &str = r#"[{"first":1,"last":1,"at":"1970-01-01T00:00:00.000Z","reason":"retention \"x\""}]"#;

    #[test]
    fn a_line_is_the_record_as_it_was_hashed_and_what_proves_it() {
        let text = written(Lines::Ndjson);
        let lines: Vec<&str> = text.split('\n').collect();
        assert_eq!(lines.len(), 4, "{text}");
        let hash = |byte: u8| hex::encode([byte; 32]);
        let open = |seq: u64| pause(seq).strip_suffix('}').map(str::to_owned).expect("an object");
        assert_eq!(lines[0], format!(r#"{},"leaf_hash":"{}","before":["{}"]}}"#, open(2), hash(2), hash(1)));
        assert_eq!(lines[1], format!(r#"{},"leaf_hash":"{}"}}"#, open(3), hash(3)));
        assert!(lines[2].starts_with(r#"{"manifest":"lifeline audit manifest v1\n{\"origin\""#), "{}", lines[2]);
        assert!(lines[2].ends_with(&format!(r#","after":["{}"],"pruned":{PRUNED}}}"#, hash(2))), "{}", lines[2]);
        let end: Value = serde_json::from_str(lines[2]).expect("JSON");
        assert_eq!(end["checkpoint"], "a checkpoint\n");
    }

    #[test]
    fn a_document_holds_the_same() {
        let value: Value = serde_json::from_str(&written(Lines::Json(false))).expect("JSON");
        assert_eq!(value["data"].as_array().map(Vec::len), Some(2));
        assert_eq!(value["data"][0]["before"][0], hex::encode([1; 32]));
        assert_eq!((&value["public_key"], &value["pruned"][0]["last"]), (&"a key".into(), &1.into()));
    }

    #[test]
    fn a_text_that_is_no_record_is_damage() {
        for text in ["", "{}", "[]", "{\"seq\":1"] {
            let error = line(&record(9, ""), text, &[], &mut Vec::new()).expect_err("damage").to_string();
            assert!(error.contains("audit record 9"), "{error}");
        }
    }
}
