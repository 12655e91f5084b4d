//! Splunk acknowledgement channels.
//!
//! In: a token's name and a channel. Out: the next number of a batch, and which numbers are durable. A number exists only once
//! its batch is committed, so every number below `next` is durable; each is answered with true once. What a client never
//! asks for costs nothing: only a counter grows.

use super::{
    bytes::{Reader, Short, put_varint},
    writer::Counters,
};
use crate::model::Micros;
use rusqlite::{Connection, OptionalExtension as _, params};

/// Most channels that are remembered; past it the longest idle go.
const CHANNELS_MAX: u64 = 1_000_000;
/// How many go at a time.
const CHANNELS_DROPPED: u64 = 10_000;
/// Most gaps between answered numbers that are remembered. Past it the lowest numbers count as answered, which makes a client send
/// again what is stored already.
const RANGES_MAX: usize = 256;

/// The number of the batch that is being committed.
pub fn next(
    db: &Connection,
    token: &str,
    channel: &str,
    now: Micros,
    counters: &mut Counters,
) -> rusqlite::Result<u64> {
    let next: i64 = db
        .prepare_cached(
            "INSERT INTO ack (token, channel, next, answered, last_used) VALUES (?1, ?2, 1, x'', ?3)
             ON CONFLICT DO UPDATE SET next = next + 1, last_used = excluded.last_used RETURNING next",
        )?
        .query_row(params![token, channel, now], |row| row.get(0))?;
    if next == 1 {
        counters.channels += 1;
        if counters.channels > CHANNELS_MAX + CHANNELS_DROPPED {
            let gone = db
                .prepare_cached(
                    "DELETE FROM ack WHERE (token, channel) IN
                     (SELECT token, channel FROM ack ORDER BY last_used LIMIT ?1)",
                )?
                .execute([CHANNELS_DROPPED as i64])?;
            counters.channels = counters.channels.saturating_sub(gone as u64);
        }
    }
    Ok(next as u64 - 1)
}

/// Which numbers are durable and were not answered before.
pub fn ask(db: &Connection, token: &str, channel: &str, ids: &[u64], now: Micros) -> rusqlite::Result<Vec<bool>> {
    let found: Option<(i64, Vec<u8>)> = db
        .prepare_cached("SELECT next, answered FROM ack WHERE token = ?1 AND channel = ?2")?
        .query_row([token, channel], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((next, answered)) = found else { return Ok(vec![false; ids.len()]) };
    // Damaged ranges are forgotten: numbers are then answered a second time, which harms nobody.
    let mut answered = Ranges::read(&answered).unwrap_or_default();
    let answers: Vec<bool> = ids.iter().map(|id| *id < next as u64 && answered.add(*id)).collect();
    if answers.contains(&true) {
        db.prepare_cached("UPDATE ack SET answered = ?3, last_used = ?4 WHERE token = ?1 AND channel = ?2")?
            .execute(params![token, channel, answered.bytes(), now])?;
    }
    Ok(answers)
}

/// Sorted, disjoint, not touching; ends are exclusive.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    fn read(bytes: &[u8]) -> Result<Self, Short> {
        let mut input = Reader::new(bytes);
        let mut ranges = Vec::new();
        let mut at = 0_u64;
        while !input.is_empty() {
            let start = at.checked_add(input.varint()?).ok_or(Short)?;
            at = start.checked_add(input.varint()?).ok_or(Short)?;
            ranges.push((start, at));
        }
        Ok(Self(ranges))
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut at = 0;
        for (start, end) in &self.0 {
            put_varint(&mut out, start - at);
            put_varint(&mut out, end - start);
            at = *end;
        }
        out
    }

    /// Adds a number; false when it was there.
    fn add(&mut self, id: u64) -> bool {
        let at = self.0.partition_point(|(start, _)| *start <= id);
        if at > 0 && id < self.0[at - 1].1 {
            return false;
        }
        let joins_left = at > 0 && self.0[at - 1].1 == id;
        let joins_right = self.0.get(at).is_some_and(|(start, _)| *start == id + 1);
        match (joins_left, joins_right) {
            (true, true) => {
                self.0[at - 1].1 = self.0[at].1;
                self.0.remove(at);
            }
            (true, false) => self.0[at - 1].1 = id + 1,
            (false, true) => self.0[at].0 = id,
            (false, false) => self.0.insert(at, (id, id + 1)),
        }
        if self.0.len() > RANGES_MAX {
            let (start, _) = self.0.remove(0);
            self.0[0].0 = start;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #[test]
        fn each_number_is_new_once(ids in prop::collection::vec(0_u64..200, 0..200)) {
            let mut ranges = Ranges::default();
            let mut seen = HashSet::new();
            for id in ids {
                prop_assert_eq!(ranges.add(id), seen.insert(id));
                prop_assert_eq!(Ranges::read(&ranges.bytes()), Ok(Ranges(ranges.0.clone())));
            }
        }
    }

    #[test]
    fn gaps_are_bounded() {
        let mut ranges = Ranges::default();
        for id in 0..10_000 {
            assert!(ranges.add(id * 2));
            assert!(ranges.0.len() <= RANGES_MAX);
        }
        assert!(!ranges.add(1));
        assert!(ranges.add(19_997));
    }
}
