//! What can be wrong with an export, where, and what that means.

use super::super::note::NoteError;
use super::super::tree::ProofFault;
use std::{fmt, io};

/// Where the first fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A record.
    Record {
        /// Its number.
        seq: u64,
        /// The line it stands in, from 1; 0 where it stands in none.
        line: u64,
    },
    /// A line of which not even the number of a record can be read.
    Line(u64),
    /// The list of hashes behind the last record.
    After,
    /// The signed manifest.
    Manifest,
    /// The signed checkpoint.
    Checkpoint,
    /// The public key.
    Key,
    /// The list of removed ranges.
    Pruned,
    /// A proof.
    Proof,
    /// The file as a whole.
    File,
}

impl Place {
    /// This fault, here.
    pub(super) const fn fault(self, fault: Fault) -> Failure {
        Failure { place: self, fault }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record { seq, line: 0 } => write!(f, "record {seq}"),
            Self::Record { seq, line } => write!(f, "record {seq} (line {line})"),
            Self::Line(line) => write!(f, "line {line}"),
            Self::After => f.write_str("hashes behind the last record"),
            Self::Manifest => f.write_str("manifest"),
            Self::Checkpoint => f.write_str("checkpoint"),
            Self::Key => f.write_str("public key"),
            Self::Pruned => f.write_str("list of removed records"),
            Self::Proof => f.write_str("proof"),
            Self::File => f.write_str("file"),
        }
    }
}

/// The first thing that is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {fault}")]
pub struct Failure {
    /// Where.
    pub place: Place,
    /// What.
    pub fault: Fault,
}

impl Failure {
    /// The record that it names, if it names one.
    #[must_use]
    pub const fn seq(&self) -> Option<u64> {
        match self.place {
            Place::Record { seq, .. } => Some(seq),
            _ => None,
        }
    }
}

/// What is wrong, as a sentence for whoever has to act on it.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    /// No closing line.
    #[error("it ends without the signed last line: it was cut off, or the download did not finish")]
    CutOff,
    /// A line without line feed at the end of the file.
    #[error("it ends in the middle of a line: it was cut off, or the download did not finish")]
    HalfLine,
    /// Something behind the closing line.
    #[error("there is something behind the signed last line: it was added later")]
    Trailing,
    /// Beyond [`super::LINE_BYTES_MAX`].
    #[error("it is longer than {} MiB: no record of ours is", super::LINE_BYTES_MAX >> 20)]
    LineTooLong,
    /// Carriage returns.
    #[error(
        "it ends with a carriage return: the file went through a program that changes line ends; take the original"
    )]
    CarriageReturn,
    /// Not the form of a record line.
    #[error("it is not in the form of a record: {0}")]
    Form(&'static str),
    /// The record does not hash to its hash.
    #[error("its content was changed after it was written: it hashes to {computed}, not to {stated}")]
    Changed {
        /// What its bytes give.
        computed: String,
        /// What the line says.
        stated: String,
    },
    /// Records are missing before it.
    #[error("missing: the file goes on with record {found}, and nothing stands for the records before it")]
    Missing {
        /// The next record of the file.
        found: u64,
    },
    /// It was there before, or belongs further up.
    #[error("it stands twice or out of order: record {expected} or a later one belongs here")]
    OutOfOrder {
        /// The lowest number that may stand here.
        expected: u64,
    },
    /// Wrong hashes for left-out records.
    #[error(
        "{got} hashes stand for the records left out before it, {wanted} are needed: a line or a hash was taken out or added"
    )]
    Gap {
        /// Needed.
        wanted: usize,
        /// There.
        got: usize,
    },
    /// A hash that is none.
    #[error("it holds something that is no hash of 64 small hexadecimal digits")]
    Hash,
    /// More records than the checkpoint covers.
    #[error(
        "it lies beyond the checkpoint, which covers {size} records: it was added, or the checkpoint is of an older export"
    )]
    Beyond {
        /// What the checkpoint covers.
        size: u64,
    },
    /// The records do not lead to the signed root.
    #[error(
        "its records lead to the root {computed}, the checkpoint says {signed}: a record was changed together with its hash, or a hash \
         that stands for left-out records was changed, or the checkpoint is of another export"
    )]
    Root {
        /// What the records give.
        computed: String,
        /// What was signed.
        signed: String,
    },
    /// A note or key that is none, or is not signed.
    #[error("{0}")]
    Note(NoteError),
    /// The embedded key is not the trusted one.
    #[error("it is not the key that you trust: the file was made with the key {found}, trusted is {trusted}")]
    OtherKey {
        /// Fingerprint of the trusted one.
        trusted: String,
        /// Fingerprint of the embedded one.
        found: String,
    },
    /// Signatures that nobody can check.
    #[error("it bears {count} signatures; in an export it has to be one, since the others could be changed unseen")]
    MoreSignatures {
        /// How many.
        count: usize,
    },
    /// The manifest says something else than the file.
    #[error(
        "it says that {what} is {said:?}, but it is {found:?}: manifest and file do not belong together, or the file was changed"
    )]
    Manifest {
        /// Which member.
        what: &'static str,
        /// What it says.
        said: String,
        /// What is so.
        found: String,
    },
    /// Left out without a reason.
    #[error("it is left out although nothing was filtered and retention did not remove it")]
    Unexplained,
    /// A range that cannot be.
    #[error("the range from {first} to {last} cannot be one of removed records of this file")]
    PrunedRange {
        /// First number.
        first: u64,
        /// Last number.
        last: u64,
    },
    /// A proof does not hold.
    #[error("{0}")]
    Proof(ProofFault),
    /// A proof is about something else.
    #[error("it is about another {0} than the one it comes with")]
    OtherProof(&'static str),
}
