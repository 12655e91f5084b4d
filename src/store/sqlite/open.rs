//! Opening the data directory: whose it is, whether it can be written, and with which settings SQLite runs.
//!
//! In: a directory. Out: the lock on it and connections whose settings were read back. Refused, with one line that says what
//! to do: no directory, no rights, another process, a newer schema, a file that is none of ours, settings that would lose
//! acknowledged events.

use rusqlite::{Connection, OpenFlags, config::DbConfig};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

/// The database file in its directory.
pub const DATABASE: &str = "lifeline.db";
const LOCK: &str = "lifeline.lock";
/// SQLite before this can damage a database when two connections reset its log at once.
/// Source: sqlite.org/wal.html, "the WAL-reset bug", read 2026-11.
const SQLITE_MIN: i32 = 3_051_003;
/// Of a new database, in bytes. Measured with 4, 8 and 16 KiB: the same size and speed for large batches, while a commit
/// of one event writes whole pages.
const PAGE_BYTES: i64 = 4096;
/// Page cache of the writer and of each reader, in KiB.
const WRITER_CACHE_KIB: i64 = 8_192;
const READER_CACHE_KIB: i64 = 4096;
/// The log is cut to this when it is reset, in bytes.
const JOURNAL_BYTES_MAX: i64 = 64 << 20;
/// How long SQLite waits for a lock that only another process could hold.
const BUSY: Duration = Duration::from_secs(5);

/// Why a data directory cannot be used. One line each, remedy included.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Something else has the directory's name.
    #[error("{} is not a directory; name another data directory or move that file away", .0.display())]
    NotADirectory(PathBuf),
    /// The directory cannot be made or written.
    #[error("cannot write to data directory {}: {reason}; give it to the user that runs this program", .path.display())]
    NotWritable {
        /// The directory or file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A second process.
    #[error("data directory {} is in use by process {pid}; stop that one first", .path.display())]
    LockedBy {
        /// The directory.
        path: PathBuf,
        /// Who holds it.
        pid: String,
    },
    /// Written by a newer program.
    #[error(
        "database has schema version {found}, this program knows {known}; run the newer program or restore a backup"
    )]
    Newer {
        /// Of the file.
        found: i64,
        /// Of the program.
        known: i64,
    },
    /// Same version number, other steps.
    #[error(
        "database was made by a different build (schema step {version} differs); restore a backup or use that build"
    )]
    Foreign {
        /// The step that differs.
        version: i64,
    },
    /// A database of something else.
    #[error("{DATABASE} is a database of another program; name another data directory")]
    NotOurs,
    /// Not a database at all.
    #[error("{DATABASE} is damaged or no database: {0}; restore a backup, or move it away to start empty")]
    NotADatabase(String),
    /// A log whose database is gone. SQLite would delete it.
    #[error(
        "{DATABASE}-wal is there without {DATABASE}; put the database back, or move the log away to start empty (its events are lost then)"
    )]
    LogWithoutDatabase,
    /// SQLite itself is too old.
    #[error("SQLite {0} is too old, 3.51.3 is needed; build with the bundled library")]
    SqliteTooOld(&'static str),
    /// A setting did not take.
    #[error(
        "SQLite refused {setting}: wanted {wanted}, got {got}; the file system may not support shared memory, use a local disk"
    )]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is safe.
        wanted: String,
        /// What it is.
        got: String,
    },
    /// No space to begin with.
    #[error(
        "the disk is full, so {DATABASE} cannot be opened; free some space in the data directory, then start again"
    )]
    DiskFull,
    /// The file system failed, which a full disk makes it do as well.
    #[error(
        "{DATABASE} cannot be opened: {0}; the disk is full or failing: free some space in the data directory, then start again"
    )]
    Io(String),
    /// Anything else.
    #[error("cannot open {DATABASE}: {0}")]
    Engine(String),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(Code::NotADatabase | Code::DatabaseCorrupt) => Self::NotADatabase(text),
            Some(Code::DiskFull) => Self::DiskFull,
            Some(Code::SystemIoFailure) => Self::Io(text),
            Some(Code::ReadOnly | Code::CannotOpen | Code::PermissionDenied) => {
                Self::NotWritable { path: DATABASE.into(), reason: text }
            }
            _ => Self::Engine(text),
        }
    }
}

/// Holds the directory for this process until it is dropped.
#[derive(Debug)]
pub struct DirLock(#[expect(dead_code, reason = "held, never read")] File);

/// Makes the directory if need be, checks that it can be used and takes its lock.
pub fn take_directory(dir: &Path) -> Result<DirLock, OpenError> {
    let not_writable =
        |path: &Path, error: io::Error| OpenError::NotWritable { path: path.to_owned(), reason: error.to_string() };
    match fs::metadata(dir) {
        Ok(found) if !found.is_dir() => return Err(OpenError::NotADirectory(dir.to_owned())),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| not_writable(dir, error))?;
            fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(|error| not_writable(dir, error))?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(OpenError::NotADirectory(dir.to_owned()));
        }
        Err(error) => return Err(not_writable(dir, error)),
    }
    let path = dir.join(LOCK);
    let mut file = private_file(&path).map_err(|error| not_writable(dir, error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let _ = file.take(32).read_to_string(&mut pid);
            let pid = pid.trim().to_owned();
            let pid = if pid.is_empty() { "unknown".to_owned() } else { pid };
            return Err(OpenError::LockedBy { path: dir.to_owned(), pid });
        }
        Err(TryLockError::Error(error)) => return Err(not_writable(&path, error)),
    }
    let write_pid = (|| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    })();
    match write_pid {
        // A full disk must not keep the store from being read; the lock holds without the number.
        Err(error) if error.kind() != io::ErrorKind::StorageFull => return Err(not_writable(&path, error)),
        _ => {}
    }
    let database = dir.join(DATABASE);
    let log = dir.join(format!("{DATABASE}-wal"));
    if !database.exists() && fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        return Err(OpenError::LogWithoutDatabase);
    }
    if is_remote(dir) {
        tracing::warn!(
            "data directory {} lies on a network file system; locks and fsync may not hold there, use a local disk",
            dir.display()
        );
    }
    // SQLite gives its log and shared memory the rights of the database file.
    let is_new = !database.exists();
    private_file(&database).map_err(|error| not_writable(&database, error))?;
    if is_new {
        // A file whose name is lost in a power cut is as lost as its content.
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        for dir in [Some(dir), parent].into_iter().flatten() {
            if let Err(error) = File::open(dir).and_then(|dir| dir.sync_all()) {
                tracing::warn!("cannot sync directory {}: {error}", dir.display());
            }
        }
    }
    Ok(DirLock(file))
}

/// Whether the directory is served by another machine, as far as Linux tells.
/// Source: statfs(2), the magic numbers of NFS, SMB, CIFS, SMB2, AFS, Ceph and 9P.
fn is_remote(dir: &Path) -> bool {
    const REMOTE: [u32; 7] = [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x5346_414f, 0x00c3_6400, 0x0102_1997];
    #[cfg(target_os = "linux")]
    return rustix::fs::statfs(dir).is_ok_and(|found| REMOTE.contains(&(found.f_type as u32)));
    #[cfg(not(target_os = "linux"))]
    return {
        let _ = (dir, REMOTE);
        false
    };
}

/// Opens or makes a file that only its owner may read, whatever the umask says.
pub fn private_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    Ok(file)
}

/// Who a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one that writes.
    Writer,
    /// One that only reads.
    Reader,
    /// One of another process that only reads, with questions of any size: the file is opened for reading, and what a
    /// question cannot hold in memory goes to files without names. Temporary views can be made until [`read_only`].
    Guest,
}

/// Opens a connection and makes sure that its settings are the safe ones.
pub fn connect(dir: &Path, role: Role) -> Result<Connection, OpenError> {
    if rusqlite::version_number() < SQLITE_MIN {
        return Err(OpenError::SqliteTooOld(rusqlite::version()));
    }
    let access = match role {
        Role::Writer | Role::Reader => OpenFlags::SQLITE_OPEN_READ_WRITE,
        Role::Guest => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    let db = Connection::open_with_flags(dir.join(DATABASE), access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(BUSY)?;
    db.set_prepared_statement_cache_capacity(128);
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // Otherwise some statements are planned anew for each value, which statistics might speak for; there are none.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    if role == Role::Writer {
        // Only a database without tables takes it.
        db.pragma_update(None, "page_size", PAGE_BYTES)?;
        // The journal of the step to a log must be gone for good: one that a power cut brings back would take back everything.
        setting(&db, "synchronous", 3)?;
        text_setting(&db, "journal_mode", "wal")?;
        setting(&db, "journal_size_limit", JOURNAL_BYTES_MAX)?;
        // Checkpoints are the writer thread's own business.
        setting(&db, "wal_autocheckpoint", 0)?;
    }
    setting(&db, "synchronous", 2)?;
    setting(&db, "foreign_keys", 1)?;
    setting(&db, "trusted_schema", 0)?;
    setting(&db, "cell_size_check", 1)?;
    setting(&db, "temp_store", if role == Role::Guest { 1 } else { 2 })?;
    setting(&db, "mmap_size", 0)?;
    match role {
        Role::Writer => setting(&db, "cache_size", -WRITER_CACHE_KIB)?,
        Role::Reader | Role::Guest => setting(&db, "cache_size", -READER_CACHE_KIB)?,
    }
    if role == Role::Reader {
        read_only(&db)?;
    }
    Ok(db)
}

/// Takes from a connection the right to write anything, temporary views included.
pub fn read_only(db: &Connection) -> Result<(), OpenError> {
    setting(db, "query_only", 1)
}

/// Sets a number and reads it back.
fn setting(db: &Connection, name: &'static str, wanted: i64) -> Result<(), OpenError> {
    db.pragma_update(None, name, wanted)?;
    let got: i64 = db.pragma_query_value(None, name, |row| row.get(0))?;
    if got == wanted {
        Ok(())
    } else {
        Err(OpenError::Setting { setting: name, wanted: wanted.to_string(), got: got.to_string() })
    }
}

fn text_setting(db: &Connection, name: &'static str, wanted: &'static str) -> Result<(), OpenError> {
    let got: String = db.pragma_update_and_check(None, name, wanted, |row| row.get(0))?;
    if got == wanted { Ok(()) } else { Err(OpenError::Setting { setting: name, wanted: wanted.to_owned(), got }) }
}
