//! Checkpoints: who may have signed them, and whether each names the one before it.
//!
//! In: kept notes, and the key that signs now. Out: what a note says, if somebody signed it who may. The present key may; so may a key that
//! a checkpoint bears beside one that may: old and new sign together when a key is changed. What other keys of the store signed
//! counts only below a later checkpoint of one that may: whoever lost the key file and began a new one has such.

use super::super::{HEADS, head, keys, number, origin};
use crate::{
    audit::{
        Log,
        note::{Checkpoint, Note, Previous, VerifyingKey},
        tree::Hash,
    },
    store::{sqlite::reader::ReadError, trail::Head},
};
use rusqlite::{Connection, OptionalExtension as _, params};

/// Notes with two signatures: a line feed, a dash and a blank begin each.
const BY_TWO: &str =
    "SELECT note FROM audit_head WHERE log = ?1 AND note LIKE '%' || char(10) || '— %' || char(10) || '— %'";

/// Who may have signed checkpoints of a log.
pub struct Signers {
    origin: String,
    trusted: Vec<VerifyingKey>,
    /// Of the store, where a later checkpoint vouches for what they signed.
    others: Vec<VerifyingKey>,
}

impl Signers {
    /// Of a log. Without the present key every key of the store is believed.
    pub fn of(db: &Connection, log: Log, current: Option<[u8; 32]>) -> Result<Self, ReadError> {
        let origin = origin(db, log)?;
        // Bytes that are no key have signed nothing.
        let mut others: Vec<VerifyingKey> =
            keys(db)?.into_iter().filter_map(|key| VerifyingKey::new(&origin, key.public).ok()).collect();
        let Some(current) = current.and_then(|key| VerifyingKey::new(&origin, key).ok()) else {
            return Ok(Self { origin, trusted: others, others: Vec::new() });
        };
        others.retain(|key| *key != current);
        let mut trusted = vec![current];
        if !others.is_empty() {
            let mut statement = db.prepare_cached(BY_TWO)?;
            let notes = statement.query_map([number(log)], |row| row.get::<_, String>(0))?;
            let notes: Vec<Note> =
                notes.collect::<Result<Vec<_>, _>>()?.iter().filter_map(|text| Note::parse(text).ok()).collect();
            loop {
                let vouched = |key: &VerifyingKey| {
                    notes
                        .iter()
                        .any(|note| note.verify(key).is_ok() && trusted.iter().any(|known| note.verify(known).is_ok()))
                };
                let Some(at) = others.iter().position(vouched) else { break };
                trusted.push(others.swap_remove(at));
            }
        }
        let mut signers = Self { origin, trusted, others: Vec::new() };
        let newest =
            db.prepare_cached(HEADS)?.query_row(params![number(log), i64::MAX, 1], |row| head(log, row)).optional()?;
        if newest.is_some_and(|newest| signers.read(&newest).is_some()) {
            signers.others = others;
        }
        Ok(signers)
    }

    /// What a kept checkpoint says; `None` when it cannot be read, is of another log, size or time than it is kept under, or nobody
    /// signed it who may.
    pub fn read(&self, head: &Head) -> Option<Checkpoint> {
        let note = Note::parse(&head.note).ok()?;
        let checkpoint = Checkpoint::parse(&note.text).ok()?;
        let fits = checkpoint.origin == self.origin
            && checkpoint.size == head.size
            && checkpoint.time.as_ref().is_none_or(|time| time.micros() / 1000 == head.at / 1000);
        let signed = self.trusted.iter().chain(&self.others).any(|key| note.verify(key).is_ok());
        (fits && signed).then_some(checkpoint)
    }
}

/// The checkpoint before one.
pub enum Before {
    /// It cannot be read, which is told where it is looked at.
    Unknown,
    /// Its size and root; `None`: there is none.
    Known(Option<(u64, Hash)>),
}

impl Before {
    /// Whether it is the one that is named.
    pub fn is(&self, named: Option<&Previous>) -> bool {
        match self {
            Self::Unknown => true,
            Self::Known(known) => *known == named.map(|it| (it.size, it.root)),
        }
    }
}

/// The last checkpoint of fewer records than this.
pub fn last_before(db: &Connection, log: Log, size: u64) -> Result<Before, ReadError> {
    let Some(below) = size.checked_sub(1) else { return Ok(Before::Known(None)) };
    let last =
        db.prepare_cached(HEADS)?.query_row(params![number(log), below as i64, 1], |row| head(log, row)).optional()?;
    let Some(last) = last else { return Ok(Before::Known(None)) };
    let read = Note::parse(&last.note).ok().and_then(|note| Checkpoint::parse(&note.text).ok());
    Ok(read.map_or(Before::Unknown, |read| Before::Known(Some((read.size, read.root)))))
}
