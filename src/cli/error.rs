//! Why a command could not do its work, and the exit code that says so.

use crate::{config::ConfigError, store::StoreError};
use std::{io, path::PathBuf};

/// Everything went well.
pub const DONE: u8 = 0;
/// The command worked and found something wrong, or it could not work.
pub const FOUND: u8 = 1;

/// The command line cannot be understood. Mostly clap's word; ours for values of settings, and where it takes two arguments to see it.
pub const USAGE: u8 = 2;

/// Why a command stopped.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The configuration is wrong; one line for each mistake.
    #[error("configuration:\n{0}")]
    Config(#[from] ConfigError),
    /// A file cannot be read or written.
    #[error("cannot {doing} {}: {source}", path.display())]
    File {
        /// `read`, `write`, `create`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The store refused.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// The running server cannot be talked to.
    #[error("the server that runs on this data directory does not answer: {0}")]
    Control(String),
    /// The running server's answer does not fit.
    #[error("the server's answer has more than {limit} bytes; ask for less at once")]
    AnswerTooLarge {
        /// The bound.
        limit: usize,
    },
    /// The running server said no.
    #[error("the server answered {status}: {detail}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its words.
        detail: String,
    },
    /// The arguments contradict each other.
    #[error("{0}")]
    Usage(String),
    /// Standard output was closed by its reader; not worth a message.
    #[error("output closed")]
    OutputClosed,
    /// A batch was not taken.
    #[error("not stored: {0}")]
    Ingest(#[from] crate::protocol::IngestError),
    /// Anything else, in words that say what to do.
    #[error("{0}")]
    Other(String),
}

impl CliError {
    /// The exit code that says so. A flag with a value that it does not take is usage; what the environment or a file says is not.
    pub fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Config(error) if error.is_of_a_flag() => USAGE,
            _ => FOUND,
        }
    }

    /// For `map_err` on file operations.
    pub fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Other(error.to_string()),
        }
    }
}

/// A command's exit code, or why it stopped.
pub type Outcome = Result<u8, CliError>;
