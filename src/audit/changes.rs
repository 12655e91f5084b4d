//! The list of changes of a record, within bounds.
//!
//! In: values before and after. Out: what differs, by path, sorted by it; and how many differences did not fit. Secrets were masked
//! with keyed fingerprints before, so that two different ones differ here and two equal ones do not.

use super::{Change, Values};
use crate::json::{self, Depth};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{io, ops::ControlFlow};

/// Most changes that a record lists.
pub const CHANGES_MAX: usize = 1_000;

/// Most bytes of paths and values, as JSON, that a record lists in all.
pub const VALUES_BYTES_MAX: usize = 64 << 10;

/// Most bytes of one value as JSON. Of a longer one its size, its SHA-256 and its first `HEAD_CHARS` characters are kept.
pub const VALUE_BYTES_MAX: usize = 8 << 10;

/// Longest path, in characters; a longer one is cut.
pub const FIELD_CHARS_MAX: usize = 1_000;

/// How much of a value that is too long is kept, in characters.
const HEAD_CHARS: usize = 256;

/// What differs, and how many differences are not listed.
pub(super) fn between(values: Values<'_>) -> (Vec<Change>, usize) {
    let mut list = List { changes: Vec::new(), bytes: 0, omitted: 0 };
    let depth = Depth { levels_max: usize::MAX, empty_counts: true };
    json::changes(values.old, values.new, depth, &mut |path, old, new| {
        list.push(path, old, new);
        ControlFlow::Continue(())
    });
    list.changes.sort_by(|one, other| one.field.cmp(&other.field));
    (list.changes, list.omitted)
}

struct List {
    changes: Vec<Change>,
    bytes: usize,
    omitted: usize,
}

impl List {
    fn push(&mut self, path: &[&str], old: &Value, new: &Value) {
        if self.changes.len() >= CHANGES_MAX {
            self.omitted += 1;
            return;
        }
        let field = json::path_text(path, FIELD_CHARS_MAX);
        let (old, old_bytes) = bounded(old);
        let (new, new_bytes) = bounded(new);
        let bytes = self.bytes + field.len() + old_bytes + new_bytes;
        if bytes > VALUES_BYTES_MAX {
            self.omitted += 1;
            return;
        }
        self.bytes = bytes;
        self.changes.push(Change { field, old, new });
    }
}

/// A value no longer than its bound, and its length as JSON.
fn bounded(value: &Value) -> (Value, usize) {
    let bytes = json_bytes(value);
    if bytes <= VALUE_BYTES_MAX {
        return (value.clone(), bytes);
    }
    let text = value.to_string();
    let head = json::cut(&text, HEAD_CHARS);
    let cut = json!({"cut": {"bytes": bytes, "sha256": hex::encode(Sha256::digest(text.as_bytes())), "head": head}});
    let bytes = json_bytes(&cut);
    (cut, bytes)
}

/// The length of a value as JSON, without writing it anywhere.
fn json_bytes(value: &Value) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting cannot fail.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}
