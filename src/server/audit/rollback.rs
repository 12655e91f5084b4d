//! Whether the store is the one that was there before.
//!
//! In: checkpoints that were written outside the store. Out: what is wrong, in words, if anything is. A store that was replaced by an
//! older copy is whole in itself; only somebody who remembers a later checkpoint can tell. Bounded: the end of each file is read.

use super::{AuditSettings, keys, notary, sinks::CHECKPOINT_LOG};
use crate::{
    audit::{
        Log,
        note::{Checkpoint, Note, VerifyingKey},
    },
    config::Sink,
    store::{Store, StoreError, trail::Hash},
};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
};

/// How much of a file is read, from its end.
const TAIL_BYTES: u64 = 1 << 20;

/// Sizes of each log whose roots are compared, the largest first.
const COMPARED_MAX: usize = 1000;

#[derive(Deserialize)]
struct Line {
    note: String,
}

/// Compares the store with what was written elsewhere; gives what is wrong. `current`: the key that signs now. Blocks.
///
/// # Errors
/// What the store says.
pub fn check(
    store: &dyn Store,
    settings: &AuditSettings,
    current: Option<[u8; 32]>,
) -> Result<Vec<String>, StoreError> {
    let keys = known(store, current)?;
    let own = settings.dir.as_ref().map(|dir| dir.join(CHECKPOINT_LOG));
    let files = settings.sinks.iter().filter_map(|sink| match sink {
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
        let mut told: [BTreeMap<u64, BTreeSet<Hash>>; 2] = Default::default();
        for note in notes {
            let Some((log, size, root)) = witness(&note, &keys) else {
                foreign =
                    Checkpoint::parse(&Note::parse(&note).map(|note| note.text).unwrap_or_default()).ok().or(foreign);
                continue;
            };
            told[usize::from(log == Log::Access)].entry(size).or_default().insert(root);
        }
        if let Some(foreign) = foreign
            && Some(&path) == own.as_ref()
            && told.iter().all(BTreeMap::is_empty)
        {
            wrong.push(format!(
                "the checkpoints in {shown} are of another log ({}): the store was replaced, or its key was",
                foreign.origin
            ));
        }
        for (log, told) in [Log::Trail, Log::Access].into_iter().zip(told) {
            let found = store.trail().size(log)?;
            let kept = store.trail().heads(log, None, 1)?.pop().map_or(0, |head| head.size);
            let name = log.as_str();
            if let Some((size, _)) = told.last_key_value().filter(|(size, _)| **size > found) {
                wrong.push(format!(
                    "the {name} log has {found} records but {shown} has a checkpoint of {size}: records are missing, or an older \
                     copy of the store was restored"
                ));
            }
            if let Some((size, _)) = told.range(..=found).next_back().filter(|(size, _)| **size > kept) {
                wrong.push(format!(
                    "{shown} has a checkpoint of {size} records of the {name} log that the store does not have: checkpoints were removed"
                ));
            }
            // Also of a log that has meanwhile grown past what it lost: some earlier checkpoint is not of it.
            for (size, roots) in told.range(..=found).rev().take(COMPARED_MAX) {
                let same = match notary::root(store.trail(), log, *size) {
                    Ok(root) => roots.len() == 1 && roots.contains(&root),
                    // A tree with holes has no root at all; the search for altered records names them.
                    Err(StoreError::Damaged(_)) => false,
                    Err(error) => return Err(error),
                };
                if !same {
                    wrong.push(format!(
                        "the first {size} records of the {name} log are not those of a checkpoint in {shown}: the log was \
                         altered, or an older copy of the store was restored and went on from there"
                    ));
                    break;
                }
            }
        }
    }
    Ok(wrong)
}

/// Every key that ever signed, under the names of both logs.
fn known(store: &dyn Store, current: Option<[u8; 32]>) -> Result<Vec<VerifyingKey>, StoreError> {
    let mut keys = Vec::new();
    for log in Log::ALL {
        let origin = keys::origin(store, log)?;
        for public in current.into_iter().chain(store.trail().keys()?.iter().map(|key| key.public)) {
            // Bytes that are no key have signed nothing.
            keys.extend(VerifyingKey::new(&origin, public));
        }
    }
    Ok(keys)
}

/// The checkpoint of a note that one of our keys has signed: log, records, root.
fn witness(note: &str, keys: &[VerifyingKey]) -> Option<(Log, u64, Hash)> {
    let note = Note::parse(note).ok()?;
    let Checkpoint { origin, size, root, .. } = Checkpoint::parse(&note.text).ok()?;
    let key = keys.iter().find(|key| key.name() == origin && note.verify(key).is_ok())?;
    let log = Log::ALL.into_iter().find(|log| key.name().ends_with(&format!("/{}", log.as_str())))?;
    Some((log, size, root))
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
