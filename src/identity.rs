//! Names an event by its content.
//!
//! In: a normalised, redacted event. Out: its [`EventKey`]. The same event by another route, with its members in another order, in
//! the old spelling or with other white space, has the same key (law L3); nothing of this process or machine takes part.
//!
//! Version 1: the first 64 bits of SHA-256 over event name, `created`, connection, sync and canonical data. Canonical
//! data: members sorted by name, strings with their length, numbers by value (1, 1.0 and 1e0 are one), masks of secrets all
//! alike. Data that is absent, null or `{}` is one. Next to an equal `created` 64 bits are plenty (10^10 events: 3 in 10^7 for any accident), and
//! a second event cannot be forged onto a key in fewer than 2^64 tries.

use crate::{
    model::{Event, EventKey},
    redact,
};
use serde_json::{Number, Value};
use sha2::{Digest, Sha256};
use smallvec::SmallVec;

/// What is hashed. Most events need no more than this.
type Bytes = SmallVec<[u8; 768]>;

/// The key of an event.
#[must_use]
pub fn key(event: &Event) -> EventKey {
    let created_us = event.created.micros();
    let mut out = Bytes::new();
    out.extend_from_slice(b"lifeline-event-1\0");
    for part in
        [Some(event.source.as_str()), Some(&event.name), event.connection_id.as_deref(), event.sync_id.as_deref()]
    {
        match part {
            Some(text) => string(text, &mut out),
            None => out.push(b'-'),
        }
    }
    out.extend_from_slice(&created_us.to_be_bytes());
    // Events a few nanoseconds apart are two; most times have no such digits.
    if event.created.sub_micro_nanos() != 0 {
        out.extend_from_slice(&event.created.sub_micro_nanos().to_be_bytes());
    }
    match event.data.as_deref() {
        None => {}
        Some(Value::Object(members)) if members.is_empty() => {}
        Some(data) => canonical(data, &mut out),
    }
    let digest = Sha256::digest(&out);
    let mut hash = [0; 8];
    hash.copy_from_slice(&digest[..8]);
    EventKey { created_us, hash: i64::from_be_bytes(hash) }
}

fn canonical(value: &Value, out: &mut Bytes) {
    match value {
        Value::Null => out.push(b'n'),
        Value::Bool(true) => out.push(b't'),
        Value::Bool(false) => out.push(b'f'),
        Value::Number(value) => number(value, out),
        Value::String(text) => string(text, out),
        Value::Array(elements) => {
            out.push(b'[');
            for element in elements {
                canonical(element, out);
            }
            out.push(b']');
        }
        // The map is sorted by name: serde_json keeps a B-tree unless `preserve_order` is asked for.
        Value::Object(members) => {
            out.push(b'{');
            for (name, member) in members {
                string(name, out);
                canonical(member, out);
            }
            out.push(b'}');
        }
    }
}

fn string(text: &str, out: &mut Bytes) {
    // The bracket first: one byte is looked for faster than ten.
    let masked = text.as_bytes().contains(&b'[') && text.contains(redact::MASK_PREFIX);
    let alike = if masked { Some(masks_alike(text)) } else { None };
    let text = alike.as_deref().unwrap_or(text);
    out.push(b's');
    out.extend_from_slice(&(text.len() as u64).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// The text with every mask replaced by the same one, so that no per-instance key takes part.
fn masks_alike(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(redact::MASK_PREFIX) {
        out.push_str(&rest[..at]);
        match redact::mask_len(&rest[at..]) {
            Some(len) => {
                out.push_str("[redacted]");
                rest = &rest[at + len..];
            }
            None => {
                out.push_str(redact::MASK_PREFIX);
                rest = &rest[at + redact::MASK_PREFIX.len()..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// A number by its value: sign, significant digits, power of ten.
fn number(value: &Number, out: &mut Bytes) {
    let text = value.as_str();
    out.push(b'#');
    let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    // The common case, without a copy: a whole number that does not end in zero.
    if unsigned.bytes().all(|b| b.is_ascii_digit()) && !unsigned.ends_with('0') {
        if negative {
            out.push(b'-');
        }
        out.extend_from_slice(unsigned.as_bytes());
        out.extend_from_slice(b"e0");
        return;
    }
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let decimals = decimals.trim_end_matches('0');
    let digits = format!("{whole}{decimals}");
    let significant = digits.trim_start_matches('0');
    let stripped = significant.trim_end_matches('0');
    if stripped.is_empty() {
        out.push(b'0');
        return;
    }
    // An exponent beyond 64 bits is kept as text: two such numbers are one only when they are written alike.
    let Ok(exponent) = exponent.parse::<i64>() else {
        out.extend_from_slice(text.as_bytes());
        return;
    };
    let shift = (significant.len() - stripped.len()) as i64 - decimals.len() as i64;
    if negative {
        out.push(b'-');
    }
    out.extend_from_slice(stripped.as_bytes());
    out.push(b'e');
    out.extend_from_slice(exponent.saturating_add(shift).to_string().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn bytes(text: &str) -> Bytes {
        let mut out = Bytes::new();
        canonical(&json::value(text).expect("JSON"), &mut out);
        out
    }

    #[test]
    fn spelling_does_not_matter() {
        for (a, b) in [
            (r#"{"a":1,"b":[2,"x"]}"#, r#"{ "b" : [2.0, "\u0078"], "a" : 1e0 }"#),
            ("100", "1e2"),
            ("0.10", "1e-1"),
            ("-0", "0.0"),
            ("18446744073709551616", "1.8446744073709551616e19"),
            (r#""[redacted:000000000000]""#, r#""[redacted:ffffffffffff]""#),
        ] {
            assert_eq!(bytes(a), bytes(b), "{a} {b}");
        }
    }

    #[test]
    fn content_does() {
        for (a, b) in [
            ("1", "10"),
            ("18446744073709551616", "18446744073709551617"),
            ("1", "-1"),
            ("1", r#""1""#),
            (r#"["ab","c"]"#, r#"["a","bc"]"#),
            (r#"[["a"],"b"]"#, r#"[["a","b"]]"#),
            (r#"{"a":null}"#, "{}"),
            (r#""[redacted:zz""#, r#""[redacted:""#),
        ] {
            assert_ne!(bytes(a), bytes(b), "{a} {b}");
        }
    }
}
