//! What can be done to an NDJSON export.
//!
//! In: a genuine export, an older one of the same log, and a key of somebody else's. Out: other bytes, or nothing where the mutation needs
//! what the file has not.

use super::{rng::Rng, sign::Signer};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Kinds of mutations.
pub const KINDS: &[&str] = &[
    "a flipped byte",
    "a flipped bit",
    "a flipped byte in the last line",
    "a dropped line",
    "a doubled line",
    "swapped lines",
    "cut anywhere",
    "cut between lines",
    "the end of an older export",
    "the checkpoint of an older export",
    "an edited checkpoint",
    "an edited manifest",
    "an edited record with its hash",
    "other hashes of what is left out",
    "another pruned range",
    "written anew with blanks",
    "other ends of lines",
    "something behind the end",
    "another key given",
    "made anew and signed by another",
];

/// A mutation, and the key that is given when the key is what is wrong.
pub struct Mutated {
    pub bytes: Vec<u8>,
    /// The verifier gets this key instead of the genuine one.
    pub key: Option<String>,
    /// Whether it can only be found when the genuine key is given.
    pub needs_key: bool,
}

fn bytes(bytes: Vec<u8>) -> Option<Mutated> {
    Some(Mutated { bytes, key: None, needs_key: false })
}

/// Lines with their ends.
fn lines(file: &[u8]) -> Vec<&[u8]> {
    file.split_inclusive(|byte| *byte == b'\n').collect()
}

/// Changes members of the last line, then writes it as it was written.
fn edit_end(file: &[u8], edit: impl FnOnce(&mut Value) -> Option<()>) -> Option<Mutated> {
    let mut all = lines(file);
    let mut end: Value = serde_json::from_slice(all.pop()?).expect("the last line is JSON");
    edit(&mut end)?;
    let end = format!("{}\n", in_order(&end));
    let mut out = all.concat();
    out.extend_from_slice(end.as_bytes());
    (out != file).then_some(())?;
    bytes(out)
}

/// The last line, its members in their order.
pub fn in_order(end: &Value) -> String {
    let members = ["manifest", "checkpoint", "public_key", "after", "pruned"];
    let members = members.map(|name| format!("\"{name}\":{}", end[name]));
    format!("{{{}}}", members.join(","))
}

/// Replaces the first occurrence in a note of the last line; the note is not signed anew.
fn edit_note(file: &[u8], note: &str, edit: impl FnOnce(&str) -> Option<String>) -> Option<Mutated> {
    edit_end(file, |end| {
        let text = edit(end[note].as_str()?)?;
        end[note] = Value::String(text);
        Some(())
    })
}

/// Another digit in a text.
fn other_digit(rng: &mut Rng, text: &str, within: std::ops::Range<usize>) -> Option<String> {
    let places: Vec<usize> =
        text[within.clone()].match_indices(|c: char| c.is_ascii_digit()).map(|(at, _)| at).collect();
    (!places.is_empty()).then_some(())?;
    let at = within.start + rng.pick(&places);
    let digit = (text.as_bytes()[at] - b'0' + 1 + rng.below(9) as u8) % 10;
    Some(format!("{}{digit}{}", &text[..at], &text[at + 1..]))
}

/// A mutation of that kind. `older` is an export of the same log, made before.
pub fn mutate(kind: &str, rng: &mut Rng, file: &[u8], older: &[u8], other: &Signer) -> Option<Mutated> {
    let all = lines(file);
    let records = all.len() - 1;
    match kind {
        "a flipped byte" | "a flipped bit" | "a flipped byte in the last line" => {
            let mut out = file.to_vec();
            let from = if kind.ends_with("line") { file.len() - all[records].len() } else { 0 };
            let at = from + rng.below(out.len() - from);
            out[at] ^= if kind == "a flipped bit" { 1 << rng.below(8) } else { 1 + rng.below(255) as u8 };
            bytes(out)
        }
        "a dropped line" => {
            let at = rng.below(all.len());
            bytes([&all[..at], &all[at + 1..]].concat().concat())
        }
        "a doubled line" => {
            let (at, to) = (rng.below(all.len()), rng.below(all.len() + 1));
            let mut out = all.clone();
            out.insert(to, all[at]);
            bytes(out.concat())
        }
        "swapped lines" => {
            let (one, two) = (rng.below(all.len()), rng.below(all.len()));
            (one != two).then_some(())?;
            let mut out = all.clone();
            out.swap(one, two);
            bytes(out.concat())
        }
        "cut anywhere" => bytes(file[..rng.below(file.len())].to_vec()),
        "cut between lines" => bytes(all[..rng.below(all.len())].concat()),
        "the end of an older export" => {
            let tail = lines(older);
            let tail = *tail.last()?;
            let out = [&all[..records].concat(), tail].concat();
            // Without records of its own it is the older one.
            (tail != all[records] && out != older).then_some(())?;
            bytes(out)
        }
        "the checkpoint of an older export" => {
            let old: Value = serde_json::from_slice(lines(older).last()?).expect("the last line is JSON");
            (old["checkpoint"]
                .as_str()
                .is_some_and(|old| !file.windows(88).any(|part| old.as_bytes().ends_with(part))))
            .then_some(())?;
            edit_end(file, |end| {
                end["checkpoint"] = old["checkpoint"].clone();
                Some(())
            })
        }
        "an edited checkpoint" => edit_note(file, "checkpoint", |note| {
            let end = note.find("\n\n")?;
            let start = note.find('\n')?;
            other_digit(rng, note, start..end)
        }),
        "an edited manifest" => edit_note(file, "manifest", |note| {
            let (start, end) = (note.find('\n')?, note.find("\n\n")?);
            other_digit(rng, note, start..end)
        }),
        "an edited record with its hash" => {
            (records > 0).then_some(())?;
            let at = rng.below(records);
            let line = std::str::from_utf8(all[at]).expect("text");
            let behind = line.rfind(",\"leaf_hash\":\"").expect("a hash");
            let from = line.find(",\"id\"").expect("an id");
            let text = other_digit(rng, line, from..behind)?;
            let hash =
                hex::encode(Sha256::new().chain_update([0]).chain_update(&text[..behind]).chain_update("}").finalize());
            let start = behind + ",\"leaf_hash\":\"".len();
            let line = format!("{}{hash}{}", &text[..start], &text[start + 64..]);
            bytes([&all[..at].concat(), line.as_bytes(), &all[at + 1..].concat()].concat())
        }
        "other hashes of what is left out" => {
            let text = std::str::from_utf8(file).expect("text");
            let places: Vec<usize> = ["\"before\":[\"", "\"after\":[\""]
                .iter()
                .flat_map(|mark| text.match_indices(mark).map(|(at, mark)| at + mark.len()))
                .collect();
            (!places.is_empty()).then_some(())?;
            let at = rng.pick(&places) + rng.below(64);
            let mut out = file.to_vec();
            out[at] = if out[at] == b'0' { b'f' } else { b'0' };
            bytes(out)
        }
        "another pruned range" => edit_end(file, |end| {
            let ranges = end["pruned"].as_array_mut()?;
            if ranges.is_empty() || rng.below(2) == 0 {
                ranges.push(
                    serde_json::json!({"first": 1, "last": 2, "at": "2026-01-01T00:00:00.000Z", "reason": "none"}),
                );
            } else {
                let at = rng.below(ranges.len());
                ranges[at]["reason"] = "another".into();
            }
            Some(())
        }),
        "written anew with blanks" => {
            let at = rng.below(all.len());
            let line = String::from_utf8(all[at].to_vec()).expect("text").replacen("\":", "\": ", 1);
            bytes([&all[..at].concat(), line.as_bytes(), &all[at + 1..].concat()].concat())
        }
        "other ends of lines" => {
            let text = String::from_utf8(file.to_vec()).expect("text");
            let ends = [text.replace('\n', "\r\n"), text.trim_end().to_owned(), text.replace('\n', "\n\n")];
            bytes(rng.pick(&ends).clone().into_bytes())
        }
        "something behind the end" => {
            let extra: [&[u8]; 4] = [b"\n", b" ", b"{}\n", all[0]];
            bytes([file, extra[rng.below(4)]].concat())
        }
        "another key given" => {
            Some(Mutated { bytes: file.to_vec(), key: Some(other.vkey(&origin(file))), needs_key: true })
        }
        "made anew and signed by another" => {
            let forged = forge(rng, file, other)?;
            Some(Mutated { bytes: forged, key: None, needs_key: true })
        }
        other => panic!("{other} is no mutation of lines"),
    }
}

/// The origin of the log that an export is of.
pub fn origin(file: &[u8]) -> String {
    let end: Value = serde_json::from_slice(lines(file).last().expect("a line")).expect("the last line is JSON");
    end["checkpoint"].as_str().expect("a note").lines().next().expect("an origin").to_owned()
}

/// Full subtrees, the largest first: level and hash. Made without the code that is tested.
#[derive(Default)]
struct Tree(u64, Vec<(u32, [u8; 32])>);

impl Tree {
    fn push(&mut self, level: u32, hash: [u8; 32]) {
        self.0 += 1 << level;
        let (mut level, mut hash) = (level, hash);
        while let Some((_, left)) = self.1.pop_if(|(below, _)| *below == level) {
            (level, hash) = (level + 1, node(&left, &hash));
        }
        self.1.push((level, hash));
    }

    /// Hashes as JSON that stand for the leaves up to an end.
    fn skip(&mut self, end: u64, hashes: &Value) {
        for text in hashes.as_array().map(Vec::as_slice).unwrap_or_default() {
            let mut hash = [0; 32];
            hex::decode_to_slice(text.as_str().expect("a hash"), &mut hash).expect("a hash");
            self.push(self.0.trailing_zeros().min((end - self.0).ilog2()), hash);
        }
        assert_eq!(self.0, end, "the export is genuine");
    }

    fn root(&self) -> [u8; 32] {
        let mut from_the_right = self.1.iter().rev().map(|(_, hash)| *hash);
        let last = from_the_right.next().expect("a record");
        from_the_right.fold(last, |right, left| node(&left, &right))
    }
}

fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// A whole export of other records: consistent in itself, with the tree over them, signed by somebody else.
pub fn forge(rng: &mut Rng, file: &[u8], other: &Signer) -> Option<Vec<u8>> {
    let all = lines(file);
    let (end, records) = all.split_last()?;
    let end: Value = serde_json::from_slice(end).expect("the last line is JSON");
    let hash = |bytes: &[u8]| -> [u8; 32] { Sha256::digest(bytes).into() };
    (!records.is_empty()).then_some(())?;
    let at = rng.below(records.len());
    let mut tree = Tree::default();
    let mut out = Vec::new();
    for (number, line) in records.iter().enumerate() {
        let mut text = String::from_utf8(line.to_vec()).expect("text");
        let behind = text.rfind(",\"leaf_hash\":\"").expect("a hash");
        if number == at {
            let from = text.find(",\"id\"").expect("an id");
            text = other_digit(rng, &text, from..behind)?;
        }
        let rest: Value = serde_json::from_str(&format!("{{{}", &text[behind + 1..])).expect("the end of a line");
        let seq: u64 = text["{\"seq\":".len()..].split(',').next()?.parse().expect("a number");
        tree.skip(seq - 1, &rest["before"]);
        let leaf = hash(&[b"\0", &text.as_bytes()[..behind], b"}"].concat());
        tree.push(0, leaf);
        let start = behind + ",\"leaf_hash\":\"".len();
        out.extend_from_slice(format!("{}{}{}", &text[..start], hex::encode(leaf), &text[start + 64..]).as_bytes());
    }
    let size: u64 = end["checkpoint"].as_str()?.lines().nth(1)?.parse().expect("a size");
    tree.skip(size, &end["after"]);
    let root = tree.root();
    let name = origin(file);
    let mut checkpoint: Vec<String> =
        end["checkpoint"].as_str()?.split("\n\n").next()?.lines().map(str::to_owned).collect();
    checkpoint[2] = STANDARD.encode(root);
    let manifest = end["manifest"].as_str()?.lines().nth(1)?;
    let mut manifest: Value = serde_json::from_str(manifest).expect("a manifest");
    manifest["root_hash"] = hex::encode(root).into();
    manifest["sha256"] = hex::encode(hash(&out)).into();
    manifest["key_id"] = other.key_id(&name).into();
    let forged = serde_json::json!({
        "manifest": other.note(&name, &format!("lifeline audit manifest v1\n{manifest}\n")),
        "checkpoint": other.note(&name, &format!("{}\n", checkpoint.join("\n"))),
        "public_key": other.vkey(&name),
        "after": end["after"],
        "pruned": end["pruned"],
    });
    out.extend_from_slice(format!("{}\n", in_order(&forged)).as_bytes());
    Some(out)
}
