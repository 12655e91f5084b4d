//! How far each file was followed: one small file for each in the data directory, named by device and inode.
//!
//! Like a mark of an import it only saves time: written after the commit, never ahead of the store.

use super::{
    super::marks,
    tail::{FileId, Tail},
};
use crate::cli::CliError;
use serde_json::{Value, json};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// How the files' names begin.
const PREFIX: &str = "follow-";

/// Where a file was left.
pub(super) struct Place {
    pub id: FileId,
    /// Its last name.
    pub path: PathBuf,
    /// What was asked for that led to it.
    pub of: String,
    /// Bytes that are stored.
    pub offset: u64,
    /// How much of its beginning is known, and the digest of that.
    pub head_bytes: usize,
    pub head_digest: String,
}

/// The places in a data directory.
pub(super) struct Places {
    directory: PathBuf,
}

impl Places {
    pub fn new(data_dir: &Path) -> Self {
        Self { directory: marks::directory(data_dir) }
    }

    /// Every place that can be read; a damaged one is none.
    ///
    /// # Errors
    /// The directory is there and cannot be read.
    pub fn all(&self) -> Result<Vec<Place>, CliError> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(CliError::file("read", &self.directory)(error)),
        };
        let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        Ok(paths.filter_map(|path| read(&path)).collect())
    }

    /// Notes how far a file is stored.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn note(&self, id: FileId, tail: &Tail) -> Result<(), CliError> {
        let (offset, head_bytes, head_digest) = tail.place();
        let place = json!({
            "device": id.device, "inode": id.inode, "path": tail.path, "of": tail.of,
            "offset": offset, "head_bytes": head_bytes, "head_digest": head_digest,
        });
        marks::write_json(&self.directory, &name(id), &place)
    }

    /// Forgets a file that is gone.
    pub fn forget(&self, id: FileId) {
        // What cannot be removed is found to be gone at the next start, too.
        let _ = fs::remove_file(self.directory.join(name(id)));
    }
}

fn name(id: FileId) -> String {
    format!("{PREFIX}{}-{}.json", id.device, id.inode)
}

fn read(path: &Path) -> Option<Place> {
    if !path.file_name()?.to_str()?.starts_with(PREFIX) {
        return None;
    }
    let place: Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    Some(Place {
        id: FileId { device: place["device"].as_u64()?, inode: place["inode"].as_u64()? },
        path: place["path"].as_str()?.into(),
        of: place["of"].as_str()?.to_owned(),
        offset: place["offset"].as_u64()?,
        head_bytes: usize::try_from(place["head_bytes"].as_u64()?).ok()?,
        head_digest: place["head_digest"].as_str()?.to_owned(),
    })
}
