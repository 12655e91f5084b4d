//! What SQLite's errors mean to callers of the store.

use crate::{
    model::{EventId, EventKey},
    store::{StoreError, sqlite::reader::ReadError},
};
use rusqlite::{Error, ErrorCode};

/// The caller's word for an engine error.
pub fn explain(error: &Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::DiskFull,
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StoreError::ReadOnly,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged(error.to_string()),
        _ => StoreError::Engine(error.to_string()),
    }
}

/// Why a transaction was given up.
#[derive(Debug)]
pub enum WriteError {
    /// SQLite said so.
    Sql(Error),
    /// We said so.
    Store(StoreError),
}

impl From<Error> for WriteError {
    fn from(error: Error) -> Self {
        Self::Sql(error)
    }
}

impl From<ReadError> for WriteError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Sql(error) => Self::Sql(error),
            ReadError::Store(error) => Self::Store(error),
            again @ ReadError::Again => Self::Store(again.explain()),
        }
    }
}

impl WriteError {
    /// A row that points nowhere.
    pub fn damaged(what: &str, key: EventKey) -> Self {
        Self::Store(StoreError::Damaged(format!("{what} of event {}", EventId(key))))
    }

    /// For the waiting caller.
    pub fn explain(&self) -> StoreError {
        match self {
            Self::Sql(error) => explain(error),
            Self::Store(error) => error.clone(),
        }
    }

    /// Whether what is stored cannot be read.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Store(StoreError::Damaged(_)))
    }

    /// Whether the disk is to blame and not what was written: trying a part of the same work again will not help.
    pub fn is_environment(&self) -> bool {
        self.must_reopen() || matches!(self.explain(), StoreError::DiskFull | StoreError::ReadOnly | StoreError::Locked)
    }

    /// Whether the connection is not to be trusted any more. After a failed fsync nobody knows what is on the disk.
    pub fn must_reopen(&self) -> bool {
        let Self::Sql(error) = self else { return false };
        matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::DatabaseCorrupt)
        )
    }
}
