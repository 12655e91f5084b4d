//! The key that signs checkpoints: a file only its owner can read, and a list in the store of every key that ever signed.
//!
//! In: the data directory, the store. Out: one signing key for each log, since a key is called like its log. Refused: a key file that
//! cannot be read, or that is no key; a new one in its place would look like a forgery to everybody who knows the old one.

use crate::{
    audit::{
        Log,
        note::{NoteError, SigningKey, VerifyingKey},
    },
    store::{SharedStore, Store, StoreError, trail},
};
use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// Name of the key file in the data directory.
pub const KEY_FILE: &str = "audit.key";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("cannot use the audit key {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file holds no key.
    #[error("the audit key {} is no key ({source}); restore it from a copy, or move it away to begin a new one", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: NoteError,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No key can be made.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// The origin of a log: what its checkpoints and keys are called.
///
/// # Errors
/// The store cannot be read.
pub fn origin(store: &dyn Store, log: Log) -> Result<String, StoreError> {
    let id = store.trail().store_id()?;
    Ok(format!("lifeline/{}/{}", hex::encode(&id[..6]), log.as_str()))
}

/// The signing key of this data directory, made when there is none, under the name of the trail.
///
/// # Errors
/// The file cannot be used.
pub fn load_or_make(dir: &Path, store: &SharedStore) -> Result<SigningKey, KeyError> {
    let name = origin(&**store, Log::Trail)?;
    let path = dir.join(KEY_FILE);
    match read(&path)? {
        Some(key) => Ok(key.renamed(&name)?),
        None => {
            let key = SigningKey::generate(&name)?;
            write(&path, &key)?;
            tracing::info!(key.id = %key.public().key_id(), "made the key that signs checkpoints: {}", path.display());
            Ok(key)
        }
    }
}

/// The key in a file; `None` when there is no file.
///
/// # Errors
/// There is one, and it holds no key.
pub fn read(path: &Path) -> Result<Option<SigningKey>, KeyError> {
    let wrong = |source| KeyError::File { path: path.to_owned(), source };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(error)),
    };
    let mode = fs::metadata(path).map_err(wrong)?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(
            "others can read {}, which signs checkpoints (mode {:o}); closing it",
            path.display(),
            mode & 0o777
        );
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(wrong)?;
    }
    let key = SigningKey::parse(text.trim());
    key.map(Some).map_err(|source| KeyError::Damaged { path: path.to_owned(), source })
}

/// Writes a key so that a reader sees the whole of it or the one before.
///
/// # Errors
/// It cannot be written.
pub fn write(path: &Path, key: &SigningKey) -> Result<(), KeyError> {
    let new = path.with_extension("key.new");
    let write = || {
        let _ = fs::remove_file(&new);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        writeln!(file, "{}", key.to_secret_text())?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        match path.parent() {
            Some(dir) => fs::File::open(dir)?.sync_all(),
            None => Ok(()),
        }
    };
    write().map_err(|source| KeyError::File { path: path.to_owned(), source })
}

/// Remembers in the store that this key signs from now on.
///
/// # Errors
/// What the store says.
pub async fn remember(store: &SharedStore, key: &VerifyingKey, at: i64) -> Result<(), StoreError> {
    let known = store.trail().keys()?;
    if known.iter().any(|known| known.public == *key.bytes()) {
        return Ok(());
    }
    let (trail, access) = (store.trail().size(Log::Trail)?, store.trail().size(Log::Access)?);
    store.trail().keep_key(trail::SigningKey { public: *key.bytes(), at, trail, access }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_its_owners_alone_and_is_never_replaced_by_mistake() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(KEY_FILE);
        assert!(read(&path).expect("nothing there").is_none());
        let key = SigningKey::from_seed("lifeline/00/trail", [7; 32]).expect("a key");
        write(&path, &key).expect("written");
        let mode = || fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("opened");
        let found = read(&path).expect("a key").expect("there");
        assert_eq!(found.public(), key.public());
        assert_eq!(mode(), 0o600, "it is closed again");
        fs::write(&path, "nonsense").expect("overwritten");
        let error = read(&path).expect_err("no key").to_string();
        assert!(error.contains("is no key") && !error.contains("nonsense"), "{error}");
    }
}
