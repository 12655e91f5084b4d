//! How far each file was imported: one small file for each in the data directory, named by the content's digest.
//!
//! A mark only saves time. Written after the commit, it is never ahead of the store; lost, it makes an import read known
//! events again, which are stored once anyway.

use crate::cli::CliError;
use serde_json::{Value, json};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The marks of a data directory.
pub struct Marks {
    directory: PathBuf,
}

impl Marks {
    pub fn new(data_dir: &Path) -> Self {
        Self { directory: directory(data_dir) }
    }

    /// Records of this content that are stored; 0 when it is new.
    ///
    /// # Errors
    /// The mark is there but cannot be read.
    pub fn read(&self, mark: &str) -> Result<u64, CliError> {
        let path = self.path(mark);
        match fs::read(&path) {
            // A damaged mark is no mark.
            Ok(bytes) => {
                let mark: Value = serde_json::from_slice(&bytes).unwrap_or_default();
                Ok(mark["records"].as_u64().unwrap_or(0))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(CliError::file("read", path)(error)),
        }
    }

    /// Notes that so many records of this content are stored.
    ///
    /// # Errors
    /// The mark cannot be written.
    pub fn write(&self, mark: &str, records: u64, file: &Path) -> Result<(), CliError> {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
        write_json(&self.directory, &file_name(mark), &json!({"records": records, "file": name}))
    }

    fn path(&self, mark: &str) -> PathBuf {
        self.directory.join(file_name(mark))
    }
}

fn file_name(mark: &str) -> String {
    format!("{mark}.json")
}

/// Where everything of this kind lies.
pub fn directory(data_dir: &Path) -> PathBuf {
    data_dir.join("import")
}

/// Writes a small file so that a reader sees the whole of it or nothing.
///
/// # Errors
/// It cannot be written.
pub fn write_json(directory: &Path, name: &str, value: &Value) -> Result<(), CliError> {
    let path = directory.join(name);
    let write = || -> io::Result<()> {
        fs::create_dir_all(directory)?;
        let new = tempfile::NamedTempFile::new_in(directory)?;
        fs::write(new.path(), value.to_string())?;
        new.persist(&path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(CliError::file("write", &path))
}
