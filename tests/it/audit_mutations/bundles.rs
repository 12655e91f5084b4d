//! What can be done to a bundle.

use super::{
    lines::{self, Mutated},
    rng::Rng,
    sign::Signer,
};
use sha2::{Digest, Sha256};
use std::io::{Cursor, Read as _, Write as _};
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

/// Kinds of mutations.
pub const KINDS: &[&str] = &[
    "a flipped byte",
    "a flipped bit",
    "cut anywhere",
    "a file changed",
    "a record changed",
    "a file taken out",
    "a file put in",
    "a file of an older bundle",
    "all but one file of an older bundle",
    "compressed anew",
    "another comment",
    "something before or behind",
    "another key given",
    "made anew and signed by another",
];

type Files = Vec<(String, Vec<u8>)>;

/// The files of a bundle and its comment.
pub fn unpack(bundle: &[u8]) -> (Files, Vec<u8>) {
    let mut archive = ZipArchive::new(Cursor::new(bundle)).expect("a ZIP file");
    let comment = archive.comment().to_vec();
    let files = (0..archive.len()).map(|at| {
        let mut file = archive.by_index(at).expect("a file");
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).expect("its bytes");
        (file.name().expect("a name").into_owned(), bytes)
    });
    (files.collect(), comment)
}

/// A well-formed ZIP file.
pub fn pack(files: &Files, comment: &[u8], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(name.as_str(), SimpleFileOptions::default().compression_method(method)).expect("a file");
        zip.write_all(bytes).expect("memory takes it");
    }
    let mut out = zip.finish().expect("an end").into_inner();
    let length = out.len() - 2;
    out.truncate(length);
    out.extend_from_slice(&(comment.len() as u16).to_le_bytes());
    out.extend_from_slice(comment);
    out
}

/// Packed, and sealed by somebody.
fn seal(files: &Files, name: &str, by: &Signer) -> Vec<u8> {
    let text = |hash: &str| format!("lifeline audit bundle v1\n{hash}\n");
    let room = vec![b' '; by.note(name, &text(&"0".repeat(64))).len()];
    let mut out = pack(files, &room, CompressionMethod::Deflated);
    out.truncate(out.len() - room.len());
    let note = by.note(name, &text(&hex::encode(Sha256::digest(&out))));
    out.extend_from_slice(note.as_bytes());
    out
}

fn changed(rng: &mut Rng, bytes: &mut Vec<u8>) {
    match rng.below(3) {
        0 => bytes.push(b'\n'),
        1 if !bytes.is_empty() => {
            let at = rng.below(bytes.len());
            bytes[at] ^= 1 + rng.below(255) as u8;
        }
        _ => {
            bytes.pop();
        }
    }
}

/// A mutation of that kind. `older` is a bundle of the same log, made before.
pub fn mutate(kind: &str, rng: &mut Rng, file: &[u8], older: &[u8], other: &Signer) -> Option<Mutated> {
    let (mut files, comment) = unpack(file);
    let at = rng.below(files.len());
    let packed = |files: &Files| pack(files, &comment, CompressionMethod::Deflated);
    let out = match kind {
        "a flipped byte" | "a flipped bit" => {
            let mut out = file.to_vec();
            let at = rng.below(out.len());
            out[at] ^= if kind == "a flipped bit" { 1 << rng.below(8) } else { 1 + rng.below(255) as u8 };
            out
        }
        "cut anywhere" => file[..rng.below(file.len())].to_vec(),
        "a file changed" => {
            changed(rng, &mut files[at].1);
            packed(&files)
        }
        "a record changed" => {
            let records = files.iter_mut().find(|(name, _)| name == "records.ndjson")?;
            let kind = *rng.pick(&lines::KINDS[..lines::KINDS.len() - 2]);
            records.1 = lines::mutate(kind, rng, &records.1.clone(), &records.1.clone(), other)?.bytes;
            packed(&files)
        }
        "a file taken out" => {
            files.remove(at);
            packed(&files)
        }
        "a file put in" => {
            let name = if rng.below(2) == 0 { "more.txt".to_owned() } else { format!("sub/{}", files[at].0) };
            files.insert(at, (name, b"more".to_vec()));
            packed(&files)
        }
        "a file of an older bundle" | "all but one file of an older bundle" => {
            let (old, seal) = unpack(older);
            let old_one = old.iter().find(|(name, _)| *name == files[at].0)?.clone();
            (old_one.1 != files[at].1).then_some(())?;
            if kind.starts_with("all") {
                let mut mixed = old;
                mixed.iter_mut().find(|(name, _)| *name == files[at].0)?.1 = files[at].1.clone();
                pack(&mixed, &seal, CompressionMethod::Deflated)
            } else {
                files[at] = old_one;
                packed(&files)
            }
        }
        "compressed anew" => {
            let method = *rng.pick(&[CompressionMethod::Stored, CompressionMethod::Deflated]);
            pack(&files, &comment, method)
        }
        "another comment" => {
            let mut comment = comment.clone();
            match rng.below(3) {
                0 => comment.clear(),
                1 => comment.push(b'\n'),
                _ => {
                    let at = rng.below(comment.len());
                    comment[at] ^= 1 << rng.below(8);
                }
            }
            let mut out = file[..file.len() - unpack(file).1.len() - 2].to_vec();
            out.extend_from_slice(&(comment.len() as u16).to_le_bytes());
            out.extend_from_slice(&comment);
            out
        }
        "something before or behind" => match rng.below(2) {
            0 => [b"#!/bin/sh\n", file].concat(),
            _ => [file, b"\0"].concat(),
        },
        "another key given" => {
            let records = &files.iter().find(|(name, _)| name == "records.ndjson")?.1;
            let key = other.vkey(&lines::origin(records));
            return Some(Mutated { bytes: file.to_vec(), key: Some(key), needs_key: true });
        }
        "made anew and signed by another" => {
            let records = files.iter().find(|(name, _)| name == "records.ndjson")?.1.clone();
            let name = lines::origin(&records);
            let forged = lines::forge(rng, &records, other)?;
            let hash = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
            let end: serde_json::Value =
                serde_json::from_slice(forged.split_inclusive(|byte| *byte == b'\n').next_back()?).expect("JSON");
            let inner: serde_json::Value =
                serde_json::from_str(end["manifest"].as_str()?.lines().nth(1)?).expect("a manifest");
            let manifest = files.iter().find(|(name, _)| name == "manifest.txt")?.1.clone();
            let manifest = String::from_utf8(manifest).expect("text");
            let mut manifest: serde_json::Value = serde_json::from_str(manifest.lines().nth(1)?).expect("a manifest");
            for member in ["root_hash", "key_id"] {
                manifest[member] = inner[member].clone();
            }
            for (file, bytes) in &mut files {
                match file.as_str() {
                    "records.ndjson" => bytes.clone_from(&forged),
                    "public_key.txt" => *bytes = format!("{}\n", other.vkey(&name)).into_bytes(),
                    _ => {}
                }
                if file != "manifest.txt" {
                    manifest["files"][file.as_str()] = hash(bytes).into();
                }
            }
            let note = other.note(&name, &format!("lifeline audit manifest v1\n{manifest}\n"));
            files.iter_mut().find(|(name, _)| name == "manifest.txt")?.1 = note.into_bytes();
            return Some(Mutated { bytes: seal(&files, &name, other), key: None, needs_key: true });
        }
        other => panic!("{other} is no mutation of bundles"),
    };
    (out != file).then_some(Mutated { bytes: out, key: None, needs_key: false })
}
