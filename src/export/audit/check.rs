//! Whether an export is what was made: bundles and bare lines, without a store.
//!
//! In: a file, and the public keys that are trusted. Out: what it proves, or the first thing that is wrong. A bundle's records are checked as
//! bare lines are; every other file of it by the hash in the signed manifest; the archive's own bytes by the signed seal in its comment.
//! `verify.py` does the same without us. A file of another form is checked, byte for byte, against the signed manifest beside it.

use crate::audit::{
    note::{MANIFEST_FORMAT, Note, NoteError, VerifyingKey},
    verify::{self, Failure, Report},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufReader, Read, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};
use zip::{ZipArchive, result::ZipError};

/// The records in a bundle.
const RECORDS: &str = "records.ndjson";
/// The signed manifest in a bundle.
const MANIFEST: &str = "manifest.txt";
/// How the name of what stands beside a file goes on behind the file's own.
pub const SIDECAR: &str = ".manifest.json";
/// What an NDJSON export begins with: a record, or the last line when there is none.
const LINES: [&[u8]; 2] = [b"{\"seq\":", b"{\"manifest\":"];
/// What the other forms begin with: CSV, JSON, Parquet, OCSF.
const FORMS: [&[u8]; 4] = [b"seq,at,actor", b"{\"data\":[", b"PAR1", b"{\"activity_id\":"];
/// What a ZIP file begins with.
const ZIP: [u8; 2] = *b"PK";
/// Largest manifest that is read, in bytes.
const MANIFEST_BYTES_MAX: u64 = 16 << 20;

/// What is wrong first.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    /// With a record, a hash or a note.
    #[error(transparent)]
    Records(#[from] Failure),
    /// With a note of the bundle.
    #[error("{0}: {1}")]
    Note(&'static str, NoteError),
    /// Another key than the given ones.
    #[error("it was made with another key than the given one: {0}")]
    OtherKey(Box<VerifyingKey>),
    /// With a file in the bundle, or the archive.
    #[error("{0}")]
    Bundle(String),
    /// A file that has its proof beside it, without that.
    #[error(
        "a file of this form is verified with the manifest beside it, and there is no {}; lifeline export audit -o writes it, GET /v1/audit/export/manifest gives it",
        .0.display()
    )]
    Alone(PathBuf),
    /// What stands beside it cannot be read.
    #[error("{} is no manifest of an export", .0.display())]
    Sidecar(PathBuf),
}

impl Wrong {
    /// The number of the record that is wrong, where that can be told.
    #[must_use]
    pub const fn seq(&self) -> Option<u64> {
        match self {
            Self::Records(failure) => failure.seq(),
            _ => None,
        }
    }
}

impl From<ZipError> for Wrong {
    fn from(error: ZipError) -> Self {
        match error {
            ZipError::Io(error) => Self::Read(error),
            other => Self::Bundle(format!("it is no bundle: {other}")),
        }
    }
}

/// Where the proof of a file stands that cannot hold it.
#[must_use]
pub fn sidecar_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(SIDECAR);
    name.into()
}

/// Checks an export. Without keys its own is taken, and the report says so. Forms that cannot hold their proof are compared with
/// `manifest`, or with what stands beside the file.
///
/// # Errors
/// What is wrong first.
pub fn verify_file(path: &Path, manifest: Option<&Path>, keys: &[VerifyingKey]) -> Result<Report, Wrong> {
    let mut file = File::open(path)?;
    let mut begin = Vec::new();
    file.by_ref().take(16).read_to_end(&mut begin)?;
    file.rewind()?;
    let beside = manifest.map_or_else(|| sidecar_path(path), Path::to_owned);
    let lines = begin.is_empty() || LINES.iter().any(|start| begin.starts_with(start));
    let mut report = if manifest.is_some() || !lines && !begin.starts_with(&ZIP) && beside.is_file() {
        whole(file, &beside, keys)?
    } else if begin.starts_with(&ZIP) {
        bundle(&file, keys)?
    } else if FORMS.iter().any(|start| begin.starts_with(start)) {
        return Err(Wrong::Alone(beside));
    } else {
        records(BufReader::with_capacity(256 << 10, file), keys)?
    };
    report.pinned = !keys.is_empty();
    Ok(report)
}

/// What stands beside a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sidecar {
    pub checkpoint: String,
    pub manifest: String,
    pub public_key: String,
}

fn whole(file: File, beside: &Path, keys: &[VerifyingKey]) -> Result<Report, Wrong> {
    let mut text = String::new();
    File::open(beside)?.take(MANIFEST_BYTES_MAX).read_to_string(&mut text)?;
    let told: Sidecar = serde_json::from_str(&text).map_err(|_| Wrong::Sidecar(beside.to_owned()))?;
    let report = verify::file(file, &told.manifest, &told.checkpoint, &told.public_key, None)?;
    trusted(report, keys)
}

fn records(input: impl io::BufRead, keys: &[VerifyingKey]) -> Result<Report, Wrong> {
    trusted(verify::ndjson(input, None)?, keys)
}

fn trusted(report: Report, keys: &[VerifyingKey]) -> Result<Report, Wrong> {
    if keys.is_empty() || keys.contains(&report.key) { Ok(report) } else { Err(Wrong::OtherKey(report.key.into())) }
}

fn bundle(file: &File, keys: &[VerifyingKey]) -> Result<Report, Wrong> {
    let mut archive = ZipArchive::new(file.try_clone()?)?;
    let mut hashes = BTreeMap::new();
    let (mut report, mut manifest) = (None, String::new());
    for at in 0..archive.len() {
        let mut member = archive.by_index(at)?;
        let name = member.name()?.into_owned();
        let mut hashing = Hashing { input: &mut member, digest: Sha256::new() };
        match name.as_str() {
            RECORDS => report = Some(records(BufReader::with_capacity(256 << 10, &mut hashing), keys)?),
            MANIFEST => {
                hashing.by_ref().take(MANIFEST_BYTES_MAX).read_to_string(&mut manifest)?;
            }
            _ => {}
        }
        io::copy(&mut hashing, &mut io::sink())?;
        if hashes.insert(name.clone(), hex::encode(hashing.digest.finalize())).is_some() {
            return Err(Wrong::Bundle(format!("{name} is in the bundle twice")));
        }
    }
    let report = report.ok_or_else(|| Wrong::Bundle(format!("{RECORDS} is missing")))?;
    if hashes.remove(MANIFEST).is_none() {
        return Err(Wrong::Bundle(format!("{MANIFEST} is missing")));
    }
    let text = opened(&manifest, &report.key, MANIFEST)?;
    let mut told = members(&text).ok_or_else(|| Wrong::Bundle(format!("{MANIFEST} is no manifest")))?;
    let files = told.remove("files").unwrap_or_default();
    let listed = files.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let names: BTreeSet<&str> = hashes.keys().map(String::as_str).chain(listed).collect();
    for name in names {
        match (hashes.get(name), files[name].as_str()) {
            (None, _) => return Err(Wrong::Bundle(format!("{name} is missing"))),
            (Some(_), None) => return Err(Wrong::Bundle(format!("{name} is not of this bundle"))),
            (Some(found), Some(told)) if found != told => return Err(Wrong::Bundle(format!("{name} was changed"))),
            _ => {}
        }
    }
    // The same but for what is of the file and not of the records.
    let mut same = members(&report.manifest.text()).unwrap_or_default();
    let format = told.remove("format");
    same.remove("format");
    same.remove("sha256");
    told.remove("sha256");
    if format != Some("zip".into()) || same != told {
        return Err(Wrong::Bundle(format!("{MANIFEST} is not of these records")));
    }
    seal(file, archive.comment(), &report.key)?;
    Ok(report)
}

/// The members of a manifest's text.
fn members(text: &str) -> Option<Map<String, Value>> {
    let line = text.strip_prefix(MANIFEST_FORMAT)?.strip_prefix('\n')?;
    serde_json::from_str(line).ok()
}

/// Whether the archive is, byte for byte, the one that was made.
fn seal(file: &File, comment: &[u8], key: &VerifyingKey) -> Result<(), Wrong> {
    let note = std::str::from_utf8(comment).map_err(|_| Wrong::Bundle("the seal is no text".to_owned()))?;
    let text = opened(note, key, "seal")?;
    let mut file = file.try_clone()?;
    let sealed = file.seek(SeekFrom::End(0))?.saturating_sub(comment.len() as u64);
    file.rewind()?;
    let mut hashing = Hashing { input: &mut file.take(sealed), digest: Sha256::new() };
    io::copy(&mut hashing, &mut io::sink())?;
    if text == format!("lifeline audit bundle v1\n{}\n", hex::encode(hashing.digest.finalize())) {
        Ok(())
    } else {
        Err(Wrong::Bundle("the archive was changed, though no file in it".to_owned()))
    }
}

/// The text of a note that this key, and no other, has signed.
fn opened(note: &str, key: &VerifyingKey, what: &'static str) -> Result<String, Wrong> {
    let note = Note::parse(note).map_err(|error| Wrong::Note(what, error))?;
    note.verify(key).map_err(|error| Wrong::Note(what, error))?;
    if note.signatures.len() == 1 {
        Ok(note.text)
    } else {
        Err(Wrong::Bundle(format!("{what} has more than one signature")))
    }
}

/// Hashes what is read.
struct Hashing<'r, R> {
    input: &'r mut R,
    digest: Sha256,
}

impl<R: Read> Read for Hashing<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(into)?;
        self.digest.update(&into[..count]);
        Ok(count)
    }
}
