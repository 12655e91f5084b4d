//! One record: its text against its leaf, its columns, its event and its twins.

use super::super::{
    append::{NEAR, NEAR_MAX},
    prepare::{Prepared, RULES},
};
use crate::{
    audit::{
        Entry, TWIN_US, canonical,
        tree::{Hash, leaf_hash},
    },
    model::{EventId, EventKey, Micros},
    store::{
        StoreError,
        sqlite::{all_events::AllEvents, names::Names, reader::ReadError},
    },
};
use rusqlite::{Connection, Rows, params};

pub const ROWS: &str = "SELECT seq, at, event_created, event_hash, actor, method, action, use_case, event, ptype, pid,
    stype, sid, twin, channel, rules, body FROM audit INDEXED BY audit_seq
    WHERE log = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq";

/// A record as its row has it.
pub struct Row {
    at: Micros,
    event: Option<EventKey>,
    /// In the order of [`NAMES`].
    columns: [Option<String>; 9],
    twin: Option<i64>,
    channel: Option<String>,
    rules: i64,
    body: Option<String>,
    /// Half of an event's key.
    half: bool,
}

const NAMES: [&str; 9] = ["actor", "method", "action", "use_case", "event", "ptype", "pid", "stype", "sid"];

impl Row {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let mut columns: [Option<String>; 9] = Default::default();
        for (at, column) in columns.iter_mut().enumerate() {
            *column = row.get(at + 4)?;
        }
        let (created, hash): (Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?);
        let event = created.zip(hash).map(|(created_us, hash)| EventKey { created_us, hash });
        Ok(Self {
            at: row.get(1)?,
            event,
            columns,
            twin: row.get(13)?,
            channel: row.get(14)?,
            rules: row.get(15)?,
            body: row.get(16)?,
            half: created.is_some() != hash.is_some(),
        })
    }

    /// The leaf that its text gives; `None` when the text was removed.
    pub fn leaf(&self) -> Option<Hash> {
        self.body.as_deref().map(|body| leaf_hash(body.as_bytes()))
    }

    /// Whether nothing is left of it but number and time.
    pub fn is_empty(&self) -> bool {
        self.body.is_none()
            && self.event.is_none()
            && !self.half
            && self.twin.is_none()
            && self.channel.is_none()
            && self.columns.iter().all(Option::is_none)
    }

    /// The columns that say something else than the text.
    pub fn odd_columns(&self, seq: u64) -> Vec<&'static str> {
        let Some(body) = &self.body else { return Vec::new() };
        let Ok(entry) = Entry::parse(body) else { return vec!["body"] };
        let (primary, secondary) = (entry.primary_resource.as_ref(), entry.secondary_resource.as_ref());
        let said: [Option<&str>; 9] = [
            entry.actor.id.as_deref(),
            entry.method.as_deref(),
            Some(&entry.action),
            Some(&entry.use_case),
            Some(&entry.event),
            primary.map(|it| it.kind.as_str()),
            primary.and_then(|it| it.id.as_deref()),
            secondary.map(|it| it.kind.as_str()),
            secondary.and_then(|it| it.id.as_deref()),
        ];
        let columns = NAMES.iter().zip(&self.columns).zip(said);
        let mut odd: Vec<_> =
            columns.filter(|((_, column), said)| column.as_deref() != *said).map(|((name, _), _)| *name).collect();
        if entry.seq != seq {
            odd.push("seq");
        }
        if entry.at_us() != Some(self.at) {
            odd.push("at");
        }
        if self.half || entry.event_id != self.event.map(|key| EventId(key).to_string()) {
            odd.push("event_created, event_hash");
        }
        if self.twin.is_some() != self.channel.is_some() {
            odd.push("twin, channel");
        }
        odd
    }

    /// Whether its event is gone or cannot be read, or gives something else today. Records that older rules made are not compared.
    pub fn differs_from_event(&self, db: &Connection, names: &Names) -> Result<bool, ReadError> {
        let (Some(key), Some(body)) = (self.event, &self.body) else { return Ok(false) };
        // Retention keeps events that have a record.
        let stored = match AllEvents::of(db, names)?.event(key, None) {
            Ok(Some(stored)) => stored,
            Ok(None) | Err(ReadError::Store(StoreError::Damaged(_))) => return Ok(true),
            Err(error) => return Err(error),
        };
        if self.rules != RULES {
            return Ok(false);
        }
        let Some(record) = Prepared::of(&stored.event, key, stored.received_us) else { return Ok(true) };
        let twin = record.twin();
        let channel = twin.map(|_| record.draft.channel.as_str());
        let seq =
            body.strip_prefix("{\"seq\":").and_then(|rest| rest.split(',').next()).and_then(|seq| seq.parse().ok());
        let same = seq.is_some_and(|seq| canonical(seq, &record.body) == *body);
        Ok(!same || self.twin != twin || self.channel.as_deref() != channel)
    }

    /// Whether it is linked to what is no twin of it, from one side only, or not at all to one that waits beside it.
    pub fn has_odd_twins(&self, db: &Connection, seq: u64) -> Result<bool, ReadError> {
        let links: Vec<i64> = db
            .prepare_cached("SELECT twin FROM audit_twin WHERE seq = ?1")?
            .query_map([seq as i64], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let (from, to) = (self.at.saturating_sub(TWIN_US), self.at.saturating_add(TWIN_US));
        let (Some(twin), Some(channel)) = (self.twin, self.channel.as_deref()) else { return Ok(!links.is_empty()) };
        match links.as_slice() {
            [] => {
                let near: Vec<i64> = db
                    .prepare_cached(NEAR)?
                    .query_map(params![twin, from, to, channel, NEAR_MAX], |row| row.get(0))?
                    .collect::<Result<_, _>>()?;
                if near.len() as i64 == NEAR_MAX {
                    return Ok(false);
                }
                let mut linked = db.prepare_cached("SELECT 1 FROM audit_twin WHERE seq = ?1")?;
                for other in near {
                    // One that retention has emptied since has lost its key, too.
                    if !linked.exists([other])? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            [other] => {
                let fits = "SELECT 1 FROM audit WHERE log = 1 AND seq = ?1
                    AND (body IS NULL OR twin = ?2 AND at BETWEEN ?3 AND ?4 AND channel <> ?5)";
                let fits = db.prepare_cached(fits)?.exists(params![other, twin, from, to, channel])?;
                let back = "SELECT 1 FROM audit_twin WHERE seq = ?1 AND twin = ?2";
                Ok(!fits || !db.prepare_cached(back)?.exists([*other, seq as i64])?)
            }
            _ => Ok(true),
        }
    }
}

/// Rows in the order of their numbers, each number's together.
pub struct Records<'r> {
    rows: Rows<'r>,
    ahead: Option<(u64, Row)>,
}

impl<'r> Records<'r> {
    pub fn new(rows: Rows<'r>) -> Self {
        Self { rows, ahead: None }
    }

    /// Those of a number, which is higher than the one before.
    pub fn of(&mut self, seq: u64) -> rusqlite::Result<Vec<Row>> {
        let mut found = Vec::new();
        loop {
            if self.ahead.is_none() {
                let Some(row) = self.rows.next()? else { return Ok(found) };
                self.ahead = Some((row.get::<_, i64>(0)? as u64, Row::read(row)?));
            }
            match self.ahead.take() {
                Some((of, row)) if of == seq => found.push(row),
                ahead => {
                    self.ahead = ahead;
                    return Ok(found);
                }
            }
        }
    }
}
