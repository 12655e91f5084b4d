//! Whether the store is the one that was there before.
//!
//! In: checkpoints that were written outside the store. Out: what is wrong, in words, if anything is. A store that was replaced by an
//! older copy is whole in itself; only somebody who remembers a later checkpoint can tell. Bounded: the end of each file is read.

use super::{notary, sinks::CHECKPOINT_LOG};
use crate::{
    audit::{
        Log,
        note::{Checkpoint, Note, VerifyingKey},
    },
    config::Sink,
    store::{SharedStore, StoreError, trail::Hash},
};
use serde::Deserialize;
use std::{
    fs, io,
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

/// How much of a file is read, from its end.
const TAIL_BYTES: u64 = 1 << 20;

#[derive(Deserialize)]
struct Line {
    note: String,
}

/// A checkpoint that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Where it was.
    pub path: PathBuf,
    /// The log it names.
    pub origin: String,
    /// Records under it.
    pub size: u64,
    /// Their root.
    pub root: Hash,
}

/// Compares the store with what was written elsewhere; gives what is wrong. Blocks.
///
/// # Errors
/// What the store says.
pub fn check(
    store: &SharedStore,
    dir: Option<&Path>,
    sinks: &[Sink],
    keys: &[VerifyingKey],
) -> Result<Vec<String>, StoreError> {
    let own = dir.map(|dir| dir.join(CHECKPOINT_LOG));
    let files = sinks.iter().filter_map(|sink| match sink {
        Sink::File(path) => Some(path.clone()),
        Sink::Post(_) | Sink::Exec(_) => None,
    });
    let mut wrong = Vec::new();
    for path in own.iter().cloned().chain(files) {
        let notes = match tail(&path) {
            Ok(notes) => notes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                tracing::warn!("cannot read the checkpoints in {}: {error}", path.display());
                continue;
            }
        };
        let shown = path.display();
        let mut foreign = None;
        let mut newest: [Option<Witness>; 2] = [None, None];
        for note in notes {
            let Some((log, witness)) = witness(&path, &note, keys) else {
                foreign =
                    Checkpoint::parse(&Note::parse(&note).map(|note| note.text).unwrap_or_default()).ok().or(foreign);
                continue;
            };
            let place = &mut newest[usize::from(log == Log::Access)];
            if place.as_ref().is_none_or(|known| witness.size >= known.size) {
                *place = Some(witness);
            }
        }
        if let (Some(foreign), true, [None, None]) = (foreign, Some(&path) == own.as_ref(), &newest) {
            wrong.push(format!(
                "the checkpoints in {shown} are of another log ({}): the store was replaced, or its key was",
                foreign.origin
            ));
        }
        for (log, witness) in [Log::Trail, Log::Access].into_iter().zip(newest) {
            let Some(Witness { size, root, .. }) = witness else { continue };
            let found = store.trail().size(log)?;
            let name = log.as_str();
            if found < size {
                wrong.push(format!(
                    "the {name} log has {found} records but {shown} has a checkpoint of {size}: records are missing, or an older \
                     copy of the store was restored"
                ));
            } else if notary::root(store.trail(), log, size)? != root {
                wrong.push(format!(
                    "the first {size} records of the {name} log are not those of the checkpoint in {shown}: the log was altered, \
                     or an older copy of the store was restored and went on from there"
                ));
            }
        }
    }
    Ok(wrong)
}

/// The checkpoint of a note that one of our keys has signed, and which of our logs it is of.
fn witness(path: &Path, note: &str, keys: &[VerifyingKey]) -> Option<(Log, Witness)> {
    let note = Note::parse(note).ok()?;
    let Checkpoint { origin, size, root, .. } = Checkpoint::parse(&note.text).ok()?;
    let key = keys.iter().find(|key| key.name() == origin && note.verify(key).is_ok())?;
    let log = Log::ALL.into_iter().find(|log| key.name().ends_with(&format!("/{}", log.as_str())))?;
    Some((log, Witness { path: path.to_owned(), origin, size, root }))
}

/// The notes in the last lines of a file.
fn tail(path: &Path) -> io::Result<Vec<String>> {
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    let from = length.saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    // The first line may be cut; then it is no JSON.
    Ok(text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()).map(|line| line.note).collect())
}
