//! Looking at the whole store for what was altered, for the command line.
//!
//! In: the store, the key file, and checkpoints that left the store: those beside it, those of file sinks, those that are given. Out: lines of JSON: how far it is, each thing that does not fit, and at the end what
//! was looked at. Checkpoints of others, or by keys that nobody knows, are things that do not fit.

use super::{AuditSettings, keys, rollback};
use crate::{
    audit::{
        Log,
        note::{Checkpoint, Note, VerifyingKey},
    },
    identity,
    model::StoredEvent,
    store::{
        Store, StoreError,
        trail::{Checks, Claim, Seen},
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::ops::ControlFlow;

/// Most things that are told one by one.
const TOLD_MAX: u64 = 10_000;

#[derive(Deserialize)]
struct Line {
    note: String,
}

/// Looks at everything. `settings`: where key and checkpoints are. `tell` may end it.
///
/// # Errors
/// What the store says; what does not fit is no error.
pub fn look(
    store: &dyn Store,
    settings: &AuditSettings,
    checkpoints: &str,
    tell: &mut dyn FnMut(Value) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let key = settings.dir.as_ref().and_then(|dir| keys::read(&dir.join(keys::KEY_FILE)).ok().flatten());
    let key = key.map(|key| *key.public().bytes());
    let (claims, mut strange) = claims(store, checkpoints)?;
    strange.extend(rollback::check(store, settings, key)?);
    for why in &strange {
        if tell(json!({"finding": why, "log": null, "record": null})).is_break() {
            return Ok(());
        }
    }
    let identify = |event: &StoredEvent| Some(identity::key(&event.event));
    let checks = Checks { events: true, identify: Some(&identify), claims: &claims, key };
    let mut told = 0;
    let verified = store.trail().verify(&checks, &mut |seen| match seen {
        Seen::Progress { done, of } => tell(json!({"done": done, "of": of})),
        Seen::Found(finding) => {
            told += 1;
            if told > TOLD_MAX {
                return ControlFlow::Continue(());
            }
            tell(json!({"finding": finding.to_string(), "log": finding.log.as_str(), "record": finding.seq}))
        }
    })?;
    let _ = tell(json!({"verified": {
        "trail": verified.trail, "access": verified.access, "checkpoints": verified.heads, "events": verified.events,
        "outside": claims.len(), "findings": verified.findings + strange.len() as u64, "whole": verified.whole,
    }}));
    Ok(())
}

/// What checkpoints from elsewhere say, and what is wrong with them: notes, one behind the other or in lines of JSON.
fn claims(store: &dyn Store, text: &str) -> Result<(Vec<Claim>, Vec<String>), StoreError> {
    let keys = store.trail().keys()?;
    let id = store.trail().store_id()?;
    let (mut claims, mut strange): (Vec<Claim>, Vec<String>) = Default::default();
    for note in notes(text) {
        let read = Note::parse(&note).and_then(|note| Ok((Checkpoint::parse(&note.text)?, note)));
        let (checkpoint, note) = match read {
            Ok(read) => read,
            Err(error) => {
                strange.push(format!("the checkpoint from elsewhere cannot be read: {error}"));
                continue;
            }
        };
        let Checkpoint { origin, size, root, .. } = checkpoint;
        let of_log = |log: &Log| origin == format!("lifeline/{}/{}", hex::encode(&id[..6]), log.as_str());
        let Some(log) = Log::ALL.into_iter().find(of_log) else {
            strange.push(format!("the checkpoint from elsewhere is of another log: {origin}"));
            continue;
        };
        let signs = |key: [u8; 32]| VerifyingKey::new(&origin, key).is_ok_and(|key| note.verify(&key).is_ok());
        if keys.iter().any(|key| signs(key.public)) {
            claims.push(Claim { log, size, root });
        } else {
            strange.push(format!(
                "the checkpoint from elsewhere of {size} records of {origin} is not signed by a known key"
            ));
        }
    }
    Ok((claims, strange))
}

/// The notes in a text.
fn notes(text: &str) -> Vec<String> {
    if text.starts_with('{') {
        // The first line may be cut where the log was; then it is no JSON.
        return text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()).map(|line| line.note).collect();
    }
    let mut notes = Vec::new();
    let mut note = String::new();
    let mut signed = false;
    for line in text.split_inclusive('\n') {
        let is_signature = line.starts_with('\u{2014}');
        if signed && !is_signature {
            notes.push(std::mem::take(&mut note));
        }
        signed = is_signature;
        note.push_str(line);
    }
    notes.extend((!note.trim().is_empty()).then_some(note));
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_found_one_behind_the_other_and_in_lines() {
        let (one, two) = ("a\n1\nr\n\n\u{2014} k s\n\u{2014} l t\n", "a\n2\nr\n\n\u{2014} k s\n");
        assert_eq!(notes(&format!("{one}{two}")), [one, two]);
        let lines = format!("half\"}}\n{}\n{}\n", json!({"note": one, "more": 1}), json!({"note": two}));
        assert_eq!(notes(lines.split_once('\n').expect("a line").1), [one, two]);
        assert!(notes("").is_empty() && notes("\n").is_empty());
    }
}
