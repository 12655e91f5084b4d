//! One connection's life, read: now or as it stood at some moment.
//!
//! In: a snapshot, a connection and a moment. Out: the state at that moment and rows of it. The newest checkpoint before the moment
//! is taken up and the facts since are folded in memory, so that an answer is right also while late events wait to be folded
//! in the tables: those are believed as far as that checkpoint only.

use super::{
    base,
    load::{self, Behind},
    moves::walk,
    rows::{self, DAY_COLUMNS, DAY_US, Ident},
    shelf::{self, Walk},
};
use crate::{
    lifecycle::{Day, Incident, Output, Run, Stage, StageKind, State, Summary, SyncRow, stage_order},
    model::{EventKey, Micros, Source},
    store::{
        StoreError,
        lives::{DayRow, StageCursor, TimelinePage, TimelineQuery, Whose},
        sqlite::{names::Names, reader::ReadError, syncs, writer::now_us},
    },
};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::{collections::BTreeMap, sync::LazyLock};

/// How far a sender's clock may be ahead of ours, microseconds: so far, what it says counts at once.
const AHEAD_US: Micros = 600_000_000;

/// What lies after this has not happened yet.
pub fn horizon() -> Micros {
    now_us().saturating_add(AHEAD_US)
}

/// Most incidents beside a timeline.
const INCIDENTS_MAX: usize = 1_000;

const STAGES: &str = "SELECT at, hash, kind, until, sync, status, changes, body, stats FROM stage
    WHERE conn = ?1 AND (at, kind, hash) < (?2, ?3, ?4) AND at >= ?5 AND settled <= ?6
    AND (?7 IS NULL OR kind = ?7) AND (?8 IS NULL OR status = ?8 COLLATE NOCASE) AND (?9 = 0 OR changes = 1)
    ORDER BY at DESC, kind DESC, hash DESC LIMIT ?10";
const SYNC: &str = "SELECT at, hash, kind, until, sync, status, changes, body, stats FROM stage
    WHERE conn = ?1 AND at >= ?6 AND at <= ?7 AND sync = ?2 AND settled <= ?3 AND kind = ?4 ORDER BY at, hash LIMIT ?5";
const SYNCING: &str = "SELECT at, hash, kind, until FROM stage
    WHERE conn = ?1 AND at >= ?2 AND at < ?3 AND settled <= ?4 AND kind = ?5 AND until > ?6";
const INCIDENTS: &str = "SELECT at, hash, resolved, failures, body, packed FROM incident
    WHERE conn = ?1 AND (at, hash) < (?2, ?3) AND settled <= ?4 AND (resolved IS NULL OR resolved >= ?5)
    AND (?6 IS NULL OR (resolved IS NULL) = ?6) ORDER BY at DESC, hash DESC LIMIT ?7";

static DAYS: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {DAY_COLUMNS} FROM day WHERE conn = ?1 AND day >= ?2 AND day < ?3 ORDER BY day"));

/// Connections of an id, in the order in which they are preferred, with their sources.
pub fn numbers(db: &Connection, connection_id: &str) -> Result<Vec<(Source, i64)>, ReadError> {
    let mut statement = db.prepare_cached("SELECT source, id FROM connection WHERE connection_id = ?1")?;
    let mut rows = statement.query([connection_id])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let source = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        let at = Source::ALL.iter().position(|known| known.as_str() == source);
        found.push((at.unwrap_or(usize::MAX), row.get(1)?));
    }
    found.sort_unstable();
    Ok(found.into_iter().filter_map(|(at, conn)| Some((*Source::ALL.get(at)?, conn))).collect())
}

/// A life at a moment.
pub struct Reading {
    conn: i64,
    state: State,
    /// Rows of the tables are believed up to here; `None`: not at all.
    at: Option<Micros>,
    /// And days before this one.
    day: i64,
    /// What was given out since, and what may still change.
    fresh: BTreeMap<Ident, Output>,
}

impl Reading {
    /// Takes a connection's life up at a moment, the present one when there is none. `None` when nothing is known of it.
    pub fn of(db: &Connection, names: &Names, conn: i64, as_of: Option<Micros>) -> Result<Option<Self>, ReadError> {
        // A new connection's row is written a little later than its events.
        let dirty_from: Option<Micros> = db
            .prepare_cached("SELECT dirty_from FROM life WHERE conn = ?1")?
            .query_row([conn], |row| row.get(0))
            .optional()?
            .flatten();
        if let Some(as_of) = as_of {
            base::check(db, conn, as_of)?;
        }
        let until = as_of.unwrap_or(i64::MAX);
        let trusted = dirty_from.map_or(i64::MAX, |from| from.saturating_sub(1));
        let start = load::newest(db, conn, until.min(trusted))?;
        let (at, mut state) = (start.at, start.state);
        let day = state.day().map_or(i64::MIN, |day| day.day);
        let mut fresh = BTreeMap::new();
        // What was given out and is live may stand in its table as it became later.
        let mut keep = |row: Output| drop(fresh.insert(Ident::of(&row), row));
        state.live().into_iter().filter(|live| live.given).for_each(|live| keep(live.row));
        load::facts(db, names, Behind { conn, after: at, upto: until, without: &[] }, |group| {
            walk(&mut state, &group, |_, row| keep(row));
            Ok::<_, ReadError>(true)
        })?;
        state.live().into_iter().for_each(|live| keep(live.row));
        Ok(Some(Self { conn, state, at, day, fresh }))
    }

    /// Takes a connection's life up as it stands now. Events later than `horizon` wait for their time, unless all of them are later:
    /// then it is not the one event that is wrong.
    pub fn now(db: &Connection, names: &Names, conn: i64, horizon: Micros) -> Result<Option<Self>, ReadError> {
        let Some(whole) = Self::of(db, names, conn, None)? else { return Ok(None) };
        if whole.state.last_us().is_none_or(|last| last <= horizon) {
            return Ok(Some(whole));
        }
        match Self::of(db, names, conn, Some(horizon)) {
            Ok(Some(present)) if present.state.last_us().is_some() => Ok(Some(present)),
            Ok(_) | Err(ReadError::Store(StoreError::Removed { .. })) => Ok(Some(whole)),
            Err(error) => Err(error),
        }
    }

    /// How it stood.
    pub fn summary(&self, connection_id: &str) -> Option<Summary> {
        let mut summary = self.state.summary()?;
        connection_id.clone_into(&mut summary.connection_id);
        Some(summary)
    }

    fn syncs(&self) -> impl Iterator<Item = &SyncRow> {
        self.fresh.values().filter_map(|row| match row {
            Output::Sync(sync) => Some(sync),
            _ => None,
        })
    }

    /// A page of stages, newest first, and where older ones begin.
    pub fn page(&self, db: &Connection, query: &TimelineQuery) -> Result<(Vec<Stage>, Option<StageCursor>), ReadError> {
        let (from, to) = (query.from.unwrap_or(i64::MIN), query.to.unwrap_or(i64::MAX));
        let fits = |anchor: EventKey, kind: StageKind, status: Option<&str>, schema_change: bool| {
            anchor.created_us >= from
                && (query.to.is_none() || anchor.created_us < to)
                && query.before.is_none_or(|(key, before)| stage_order(anchor, kind) < stage_order(key, before))
                && query.kind.is_none_or(|wanted| kind == wanted)
                && query.status.as_ref().is_none_or(|it| status.is_some_and(|status| status.eq_ignore_ascii_case(it)))
                && (!query.schema_changes || schema_change)
        };
        let mut found: Vec<Stage> = Vec::new();
        for row in self.fresh.values() {
            match row {
                Output::Stage(it) if fits(it.anchor, it.kind, it.status.as_deref(), it.schema_change) => {
                    found.push(it.clone());
                }
                // Only those that are shown are written out.
                Output::Sync(it) if fits(it.anchor, StageKind::Sync, Some(&it.status), false) => {
                    found.push(rows::sync_stage(it)?);
                }
                _ => {}
            }
        }
        let wanted = query.limit.saturating_add(1);
        if let Some(at) = self.at {
            let limit = wanted.saturating_add(self.fresh.len());
            let end = to.min(at.saturating_add(1));
            let (first, kind, hash) = match query.before {
                Some((key, kind)) if key.created_us < end => (key.created_us, kind as u8, key.hash),
                _ => (end, 0, i64::MIN),
            };
            let mut statement = db.prepare_cached(STAGES)?;
            let mut rows = statement.query(params![
                self.conn,
                first,
                kind,
                hash,
                from,
                at,
                query.kind.map(|kind| kind as u8),
                query.status,
                query.schema_changes,
                i64::try_from(limit).unwrap_or(i64::MAX),
            ])?;
            let mut statement = shelf::backwards(db)?;
            // Changes of schemas stand on no shelf.
            let begin = if query.schema_changes { i64::MIN } else { first };
            let mut shelves = Walk::new(&mut statement, self.conn, from, begin)?;
            let (mut loose, mut shelved): (Option<Output>, Option<Output>) = (None, None);
            let mut taken = 0;
            while taken < wanted {
                if loose.is_none() {
                    loose = rows.next()?.map(rows::stage).transpose()?;
                }
                while shelved.is_none()
                    && let Some((settled, row)) = shelves.next()?
                {
                    let (anchor, kind, status) = match &row {
                        Output::Sync(it) => (it.anchor, StageKind::Sync, Some(it.status.as_str())),
                        Output::Stage(it) => (it.anchor, it.kind, it.status.as_deref()),
                        _ => continue,
                    };
                    if settled <= at && anchor.created_us < end && fits(anchor, kind, status, false) {
                        shelved = Some(row);
                    }
                }
                let newest = if loose.as_ref().map(rows::place) >= shelved.as_ref().map(rows::place) {
                    loose.take()
                } else {
                    shelved.take()
                };
                let Some(row) = newest else { break };
                if !self.fresh.contains_key(&Ident::of(&row)) {
                    found.extend(rows::public(row)?);
                    taken += 1;
                }
            }
        }
        found.sort_unstable_by_key(|stage| std::cmp::Reverse(stage_order(stage.anchor, stage.kind)));
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        let next = found.last().filter(|_| more).map(|stage| (stage.anchor, stage.kind));
        Ok((found, next))
    }

    /// Incidents older than `before`, newest first, that were open at or after `from`.
    pub fn incidents(
        &self,
        db: &Connection,
        from: Micros,
        before: EventKey,
        open: Option<bool>,
        limit: usize,
    ) -> Result<Vec<Incident>, ReadError> {
        let fits = |incident: &Incident| {
            incident.anchor < before
                && incident.resolved_us.is_none_or(|at| at >= from)
                && open.is_none_or(|open| incident.resolved_us.is_none() == open)
        };
        let mut found: Vec<Incident> = Vec::new();
        for row in self.fresh.values() {
            if let Output::Incident(incident) = row
                && fits(incident)
            {
                found.push(incident.clone());
            }
        }
        if let Some(at) = self.at {
            let first = before.min(EventKey { created_us: at.saturating_add(1), hash: i64::MIN });
            let limit = i64::try_from(limit.saturating_add(self.fresh.len())).unwrap_or(i64::MAX);
            let mut statement = db.prepare_cached(INCIDENTS)?;
            let mut rows = statement.query(params![self.conn, first.created_us, first.hash, at, from, open, limit])?;
            while let Some(row) = rows.next()? {
                let incident = rows::incident(row)?;
                if !self.fresh.contains_key(&Ident::Incident(incident.anchor)) {
                    found.push(incident);
                }
            }
        }
        found.sort_unstable_by_key(|incident| std::cmp::Reverse(incident.anchor));
        found.truncate(limit);
        Ok(found)
    }

    /// The first stage of a sync.
    pub fn sync(&self, db: &Connection, names: &Names, sync_id: &str) -> Result<Option<Stage>, ReadError> {
        let fresh = self.syncs().find(|sync| sync.sync_id.as_deref() == Some(sync_id));
        let mut found = fresh.map(rows::sync_stage).transpose()?;
        if let Some(at) = self.at {
            let day = syncs::day(db, names, sync_id, self.conn)?;
            let Some(day) = day else { return Ok(found) };
            // Few syncs are longer than a day; those are looked for everywhere.
            let near = (day.saturating_sub(1).saturating_mul(DAY_US), day.saturating_add(2).saturating_mul(DAY_US));
            for (from, to) in [near, (i64::MIN, i64::MAX)] {
                let kept = self.sync_between(db, sync_id, (from, to.min(at)), at)?;
                if let Some(kept) = kept {
                    if found.as_ref().is_none_or(|known| kept.anchor < known.anchor) {
                        found = Some(kept);
                    }
                    break;
                }
                if found.is_some() {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// The first stage of a sync in the table, of those that began between two moments.
    fn sync_between(
        &self,
        db: &Connection,
        sync_id: &str,
        (from, to): (Micros, Micros),
        at: Micros,
    ) -> Result<Option<Stage>, ReadError> {
        let limit = (self.fresh.len() + 1) as i64;
        let mut statement = db.prepare_cached(SYNC)?;
        let mut rows = statement.query(params![self.conn, sync_id, at, StageKind::Sync as u8, limit, from, to])?;
        let mut first = None;
        while let Some(row) = rows.next()? {
            let row = rows::stage(row)?;
            if !self.fresh.contains_key(&Ident::of(&row)) {
                first = Some(row);
                break;
            }
        }
        let mut statement = shelf::backwards(db)?;
        let mut shelves = Walk::new(&mut statement, self.conn, from, to)?;
        while let Some((settled, row)) = shelves.next()? {
            let is_it = matches!(&row, Output::Sync(sync) if sync.sync_id.as_deref() == Some(sync_id));
            let is_first = first.as_ref().is_none_or(|first| rows::place(&row) < rows::place(first));
            if is_it && is_first && settled <= at && !self.fresh.contains_key(&Ident::of(&row)) {
                first = Some(row);
            }
        }
        Ok(first.map(rows::public).transpose()?.flatten())
    }

    /// Transformation runs since the checkpoint, and up to where those in the table are to be believed.
    pub fn runs(&self) -> (impl Iterator<Item = &Run>, Option<Micros>) {
        let fresh = self.fresh.values().filter_map(|row| match row {
            Output::Run(run) => Some(run),
            _ => None,
        });
        (fresh, self.at)
    }

    /// Days from one to another.
    pub fn days(&self, db: &Connection, from: i64, to: i64) -> Result<Vec<DayRow>, ReadError> {
        let mut days: BTreeMap<i64, DayRow> = BTreeMap::new();
        let mut add = |day: Day| {
            if (from..to).contains(&day.day) {
                days.entry(day.day).or_default().day = day;
            }
        };
        if self.at.is_some() {
            let mut statement = db.prepare_cached(&DAYS)?;
            let mut rows = statement.query([self.conn, from, to.min(self.day)])?;
            while let Some(row) = rows.next()? {
                add(rows::day(row)?);
            }
        }
        for row in self.fresh.values() {
            if let Output::Day(day) = row {
                add(*day);
            }
        }
        self.state.day().into_iter().for_each(&mut add);

        let window = (from.saturating_mul(DAY_US), to.saturating_mul(DAY_US));
        let mut syncs: Vec<(Micros, Micros)> = Vec::new();
        for sync in self.syncs() {
            syncs.extend(sync.until_us.map(|until| (sync.anchor.created_us, until)));
        }
        if let Some(at) = self.at {
            let mut statement = db.prepare_cached(SYNCING)?;
            let mut rows = statement.query(params![
                self.conn,
                window.0.saturating_sub(self.state.longest_us()),
                window.1.min(at.saturating_add(1)),
                at,
                StageKind::Sync as u8,
                window.0
            ])?;
            while let Some(row) = rows.next()? {
                let anchor = EventKey { created_us: row.get(0)?, hash: row.get(1)? };
                if !self.fresh.contains_key(&Ident::Stage(anchor, StageKind::Sync)) {
                    syncs.push((anchor.created_us, row.get(3)?));
                }
            }
            let mut statement = shelf::backwards(db)?;
            let from = window.0.saturating_sub(self.state.longest_us());
            let to = at.min(window.1.saturating_sub(1));
            let mut shelves = Walk::new(&mut statement, self.conn, from, to)?;
            while let Some((settled, row)) = shelves.next()? {
                let is_kept = settled <= at && !self.fresh.contains_key(&Ident::of(&row));
                if let Output::Sync(SyncRow { anchor, until_us: Some(until), .. }) = row
                    && is_kept
                    && until > window.0
                {
                    syncs.push((anchor.created_us, until));
                }
            }
        }
        let mut syncing: BTreeMap<i64, i64> = BTreeMap::new();
        for (start, end) in syncs {
            let (start, end) = (start.max(window.0), end.min(window.1));
            let mut day = start.div_euclid(DAY_US);
            while day * DAY_US < end {
                let until = end.min((day + 1) * DAY_US);
                *syncing.entry(day).or_default() += until - start.max(day * DAY_US);
                day += 1;
            }
        }
        for (day, us) in syncing.into_iter().filter(|(_, us)| *us > 0) {
            let row = days.entry(day).or_default();
            row.day.day = day;
            row.syncing_ms = (us / 1_000) as u64;
        }
        Ok(days.into_values().collect())
    }
}

/// The life of an id at a moment: of the sources that share it Fivetran's, else the one heard of last till then.
pub fn of_id(
    db: &Connection,
    names: &Names,
    whose: Whose<'_>,
    as_of: Option<Micros>,
) -> Result<Option<(Reading, Summary)>, ReadError> {
    let mut best: Option<(Reading, Summary)> = None;
    for (source, conn) in numbers(db, whose.id)? {
        if whose.source.is_some_and(|wanted| wanted != source) {
            continue;
        }
        let reading = match as_of {
            Some(_) => Reading::of(db, names, conn, as_of)?,
            None => Reading::now(db, names, conn, horizon())?,
        };
        if let Some(reading) = reading
            && let Some(summary) = reading.summary(whose.id)
        {
            if source == Source::Fivetran {
                return Ok(Some((reading, summary)));
            }
            if best.as_ref().is_none_or(|(_, known)| known.last_event_us < summary.last_event_us) {
                best = Some((reading, summary));
            }
        }
    }
    Ok(best)
}

/// Part of a timeline.
pub fn timeline(db: &Connection, names: &Names, query: &TimelineQuery) -> Result<Option<TimelinePage>, ReadError> {
    let Some((reading, summary)) = of_id(db, names, query.whose(), query.as_of)? else { return Ok(None) };
    let (stages, next) = reading.page(db, query)?;
    let before = EventKey { created_us: query.to.unwrap_or(i64::MAX), hash: i64::MIN };
    let incidents = reading.incidents(db, query.from.unwrap_or(i64::MIN), before, None, INCIDENTS_MAX)?;
    Ok(Some(TimelinePage { summary, stages, incidents, next }))
}

/// How a connection stands or stood. Not from its row in `life`, which is written behind.
pub fn summary(
    db: &Connection,
    names: &Names,
    whose: Whose<'_>,
    as_of: Option<Micros>,
) -> Result<Option<Summary>, ReadError> {
    Ok(of_id(db, names, whose, as_of)?.map(|(_, summary)| summary))
}
