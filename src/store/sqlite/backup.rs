//! Copies of the database while it is written to.
//!
//! In: a path that must not exist. Out: a complete, checked, synced file under that path, or nothing under it.

use super::{fault, open::private_file};
use crate::store::StoreError;
use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// Pages between two reports.
const STEP: std::ffi::c_int = 1024;

/// Removes what is left of an unfinished copy.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        for end in ["", "-journal", "-wal", "-shm"] {
            let mut path = self.0.clone().into_os_string();
            path.push(end);
            let _ = fs::remove_file(path);
        }
    }
}

/// Copies what `from` sees. One snapshot is held throughout: without it, every commit would begin the copy anew.
pub fn copy(from: &Connection, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<(), StoreError> {
    let failed = |what: &str, error: io::Error| match error.kind() {
        io::ErrorKind::StorageFull => StoreError::DiskFull,
        _ => StoreError::Engine(format!("backup to {}: {what}: {error}", to.display())),
    };
    let dir = match to.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    if fs::symlink_metadata(to).is_ok() {
        return Err(StoreError::Engine(format!("backup to {}: it exists already", to.display())));
    }
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".unfinished");
    let unfinished = Unfinished(dir.join(name));
    drop(Unfinished(unfinished.0.clone()));
    private_file(&unfinished.0).map_err(|error| failed("cannot be made", error))?;

    let sql = |error: rusqlite::Error| fault::explain(&error);
    from.execute_batch("BEGIN").map_err(sql)?;
    let copied = (|| {
        from.query_row("SELECT count(*) FROM migration", [], |_| Ok(()))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut target = Connection::open_with_flags(&unfinished.0, flags)?;
        {
            let backup = Backup::new(from, &mut target)?;
            loop {
                let step = backup.step(STEP)?;
                let done = backup.progress();
                progress((done.pagecount - done.remaining).max(0) as u64, done.pagecount.max(0) as u64);
                if step == StepResult::Done {
                    break;
                }
            }
        }
        // One file, complete in itself, until somebody opens it as a store.
        target.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
        let verdict: String = target.query_row("PRAGMA quick_check", [], |row| row.get(0))?;
        target.close().map_err(|(_, error)| error)?;
        Ok::<_, rusqlite::Error>(verdict)
    })();
    let _ = from.execute_batch("COMMIT");
    let verdict = copied.map_err(sql)?;
    if verdict != "ok" {
        return Err(StoreError::Damaged(format!("the copy does not pass its check: {verdict}")));
    }
    let synced = || -> io::Result<()> {
        File::open(&unfinished.0)?.sync_all()?;
        // A link, unlike a renaming, never replaces a file that came into being meanwhile.
        match fs::hard_link(&unfinished.0, to) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => fs::rename(&unfinished.0, to)?,
            other => other?,
        }
        File::open(dir)?.sync_all()
    };
    synced().map_err(|error| failed("cannot be finished", error))
}
