//! Where an export goes.
//!
//! In: bytes. Out: standard output, or a file that gets its name only when everything is in it, so that nobody reads half an export.
//! Pipes and devices are written to as they are.

use super::super::CliError;
use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// Bytes that wait to be written.
const BUFFER: usize = 256 << 10;

enum Target {
    Stdout(BufWriter<io::Stdout>),
    Device(BufWriter<File>),
    Made(BufWriter<NamedTempFile>),
}

/// An open export.
pub struct Output {
    target: Target,
    path: PathBuf,
}

impl Output {
    /// # Errors
    /// The file cannot be made.
    pub fn open(path: &Path) -> Result<Self, CliError> {
        let target = if path == Path::new("-") {
            Target::Stdout(BufWriter::with_capacity(BUFFER, io::stdout()))
        } else if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
            let file = File::options().write(true).open(path).map_err(CliError::file("write", path))?;
            Target::Device(BufWriter::with_capacity(BUFFER, file))
        } else if path.is_dir() {
            return Err(CliError::Other(format!("{} is a directory; name a file", path.display())));
        } else {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            // Readable by its owner alone: it holds what the database holds.
            let file = NamedTempFile::new_in(folder).map_err(CliError::file("create", path))?;
            Target::Made(BufWriter::with_capacity(BUFFER, file))
        };
        Ok(Self { target, path: path.to_owned() })
    }

    /// Whether it goes to standard output.
    #[must_use]
    pub const fn is_stdout(&self) -> bool {
        matches!(self.target, Target::Stdout(_))
    }

    /// Whether it is a file with a name.
    #[must_use]
    pub const fn is_file(&self) -> bool {
        matches!(self.target, Target::Made(_))
    }

    /// # Errors
    /// It cannot be written, or nobody reads any more.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        let written = match &mut self.target {
            Target::Stdout(out) => out.write_all(bytes),
            Target::Device(out) => out.write_all(bytes),
            Target::Made(out) => out.write_all(bytes),
        };
        written.map_err(|error| failed(error, &self.path))
    }

    /// Everything is in it.
    ///
    /// # Errors
    /// It cannot be written, or the file not be given its name.
    pub fn finish(self) -> Result<(), CliError> {
        let path = &self.path;
        match self.target {
            Target::Stdout(mut out) => out.flush().map_err(|error| failed(error, path)),
            Target::Device(mut out) => out.flush().map_err(|error| failed(error, path)),
            Target::Made(out) => {
                let file = out.into_inner().map_err(|error| failed(error.into_error(), path))?;
                file.as_file().sync_all().map_err(CliError::file("write", path))?;
                file.persist(path).map_err(|error| CliError::file("create", path)(error.error))?;
                Ok(())
            }
        }
    }
}

fn failed(error: io::Error, path: &Path) -> CliError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => CliError::OutputClosed,
        _ => CliError::file("write", path)(error),
    }
}
