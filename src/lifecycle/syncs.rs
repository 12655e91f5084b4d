//! Which sync a fact belongs to.
//!
//! In: facts. Out: the sync that each belongs to: by its id; without one, by time within the connection. Syncs with ids may overlap.
//! A sync that has not ended when a later one starts counts as broken off from then on, unless it is heard of again. Bounded:
//! [`OPEN_MAX`] open syncs, [`SILENT_MAX`] that were overtaken long ago, [`RECENT_MAX`] ended ones that late lines may still join,
//! [`CLOSED_MAX`] ids of older ones and [`LOST_MAX`] of those that were given up without an end.

use super::{
    Channel, Fact, Happening, Output, Signal, SyncId, Work,
    sync::{Sync, SyncKind},
};
use crate::model::{EventKey, Micros};
use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, sync::Arc};

/// Most syncs without an end that run or were overtaken just now.
const OPEN_MAX: usize = 32;
/// Most of them that were overtaken by a later one; older ones are put aside.
const OVERTAKEN_MAX: usize = 4;
/// Most syncs that were overtaken and put aside. Their ends may still come.
const SILENT_MAX: usize = 28;
/// Most tables of all that were put aside.
const SILENT_TABLES_MAX: usize = 4_096;
/// Ended syncs that late lines may still join, at most; all but the last only for [`RECENT_US`].
const RECENT_MAX: usize = 4;
/// How long an ended sync is kept beside later ones.
const RECENT_US: Micros = 600_000_000;
/// Ids of ended syncs that are remembered, so that a line long after the end does not look like a new sync.
const CLOSED_MAX: usize = 16;
/// Ids of syncs that were given up without an end, of which nothing but an end is told any more.
const LOST_MAX: usize = 16;
/// How long after its end a line without an id still belongs to a sync.
const AFTER_US: Micros = 60_000_000;

/// The syncs of a connection that may still change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Syncs {
    open: Vec<Sync>,
    /// Overtaken, and not heard of since; the oldest first. Shared, since copies of a state are kept beside each other.
    silent: VecDeque<Arc<Sync>>,
    recent: VecDeque<Arc<Sync>>,
    closed: VecDeque<SyncId>,
    lost: VecDeque<SyncId>,
}

/// What a fact without a known sync means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// It proves that a sync runs.
    Proof,
    /// It belongs to a sync if one runs.
    Part,
    /// It never belongs to one.
    Never,
}

fn claim(fact: &Fact) -> Claim {
    match &fact.signal {
        Signal::SyncStart
        | Signal::SyncEnd(_)
        | Signal::SyncStatus(_)
        | Signal::ReadStart
        | Signal::ReadEnd
        | Signal::WriteStart(_)
        | Signal::WriteEnd(_)
        | Signal::Processed(..)
        | Signal::RecordsModified(_)
        | Signal::Extracted(_)
        | Signal::SyncStats(_)
        | Signal::Work(Work::LoadStep) => Claim::Proof,
        Signal::ApiCall
        | Signal::ImportProgress(_)
        | Signal::Work(
            Work::SqlQuery | Work::MigrationStart | Work::MigrationEnd | Work::UpdateState | Work::ValueCut,
        )
        | Signal::Info(_)
        | Signal::Warning(_)
        | Signal::Error(_) => Claim::Part,
        // What a person changes is no part of the sync that happens to run.
        Signal::SchemaChanged(change) if change.action.channel == Channel::Connector => Claim::Part,
        Signal::SchemaChanged(_)
        | Signal::Created(_)
        | Signal::TestsStarted(..)
        | Signal::Tested(_)
        | Signal::Resync(_)
        | Signal::ManualSync(_)
        | Signal::Paused(_)
        | Signal::Resumed(_)
        | Signal::Edited(_)
        | Signal::Deleted(_)
        | Signal::Support(_)
        | Signal::Run(_)
        | Signal::News(_)
        | Signal::Unused(_) => Claim::Never,
    }
}

/// Place of a fact among those of one microsecond: (begun in this moment, what it is).
fn rank(fact: &Fact, begins: bool) -> (u8, u8) {
    match &fact.signal {
        Signal::Created(_) => (1, 0),
        Signal::TestsStarted(..) => (1, 1),
        Signal::Tested(_) => (1, 2),
        Signal::Edited(_) | Signal::SchemaChanged(_) if fact.sync.is_none() => (1, 3),
        Signal::Paused(_) => (1, 4),
        Signal::Resumed(_) => (1, 5),
        Signal::Resync(_) | Signal::ManualSync(_) | Signal::Support(_) => (1, 6),
        Signal::Deleted(_) => (4, 0),
        Signal::SyncStart => (2, 0),
        Signal::SyncEnd(_) => (if begins { 3 } else { 0 }, 9),
        Signal::SyncStatus(_) => (if begins { 3 } else { 0 }, 8),
        Signal::ReadStart | Signal::WriteStart(_) => (if begins { 3 } else { 0 }, 1),
        Signal::ReadEnd | Signal::WriteEnd(_) => (if begins { 3 } else { 0 }, 4),
        Signal::RecordsModified(_) => (if begins { 3 } else { 0 }, 3),
        // Lines of a second carry one time; a load is told in this order.
        Signal::News(news) => match &news.what {
            Happening::LoadStarted => (2, 0),
            Happening::Failed(_) | Happening::Trouble { over: false, .. } | Happening::Noted => (3, 1),
            Happening::BackOff(_) => (3, 2),
            Happening::Moved(moved) if &*moved.direction == "from_salesforce" => (3, 3),
            Happening::Moved(_) => (3, 4),
            Happening::Trouble { over: true, .. } => (3, 8),
            Happening::LoadEnded => (3, 9),
        },
        Signal::Processed(..)
        | Signal::Extracted(_)
        | Signal::ApiCall
        | Signal::SyncStats(_)
        | Signal::ImportProgress(_)
        | Signal::Work(_)
        | Signal::Info(_)
        | Signal::Warning(_)
        | Signal::Error(_)
        | Signal::SchemaChanged(_)
        | Signal::Edited(_)
        | Signal::Run(_)
        | Signal::Unused(_) => (if begins { 3 } else { 0 }, 2),
    }
}

impl Syncs {
    /// Orders the facts of one microsecond by what they mean: what belongs to a running sync and its end come before the next
    /// start, and a start comes before the rest of its own sync.
    pub fn sort_moment(&self, facts: &mut [&Fact]) {
        let starts: Vec<Option<&SyncId>> =
            facts.iter().filter(|fact| matches!(fact.signal, Signal::SyncStart)).map(|it| it.sync.as_ref()).collect();
        let nameless_runs = self.open.iter().any(|sync| sync.id.is_none() && sync.is_running());
        let begins = |fact: &Fact| match &fact.sync {
            Some(id) => starts.contains(&Some(id)) && !self.open.iter().any(|sync| sync.id.as_ref() == Some(id)),
            None => starts.contains(&None) && !nameless_runs,
        };
        facts.sort_by_cached_key(|fact| (rank(fact, begins(fact)), fact.key));
    }

    /// The sync that a fact belongs to, made where the fact proves that there is one; `None` where it belongs to none. Also says
    /// whether it is one that was not counted before.
    pub fn join(&mut self, fact: &Fact, kind: SyncKind) -> Option<(&mut Sync, bool)> {
        let claim = claim(fact);
        if claim == Claim::Never {
            return None;
        }
        // The borrow checker does not follow a reference out of a branch that returns; so find a place first.
        let place = self.place(fact, claim);
        match place {
            Place::Open(at) => {
                let sync = self.open.get_mut(at)?;
                if sync.id.is_none() {
                    sync.id.clone_from(&fact.sync);
                }
                Some((sync, false))
            }
            Place::Silent(at) => {
                // Older than all that are open.
                let sync = self.silent.remove(at).map(Arc::unwrap_or_clone)?;
                self.open.insert(0, sync);
                self.open.first_mut().map(|sync| (sync, false))
            }
            Place::Recent(at) => self.recent.get_mut(at).map(|sync| (Arc::make_mut(sync), false)),
            Place::New | Place::Again => {
                let is_new = place == Place::New;
                self.open.push(Sync::new(fact, kind));
                self.open.last_mut().map(|sync| (sync, is_new))
            }
            Place::Nowhere => None,
        }
    }

    fn place(&self, fact: &Fact, claim: Claim) -> Place {
        let at = fact.key.created_us;
        let is_start = matches!(fact.signal, Signal::SyncStart);
        if let Some(id) = &fact.sync {
            let fits = |sync: &Sync| sync.id.as_ref() == Some(id);
            if let Some(at) = self.open.iter().rposition(fits) {
                return Place::Open(at);
            }
            if let Some(at) = self.recent.iter().rposition(|sync| fits(sync)) {
                return Place::Recent(at);
            }
            if let Some(at) = self.silent.iter().rposition(|sync| fits(sync)) {
                return Place::Silent(at);
            }
            if self.closed.contains(id) {
                return Place::Nowhere;
            }
            if self.lost.contains(id) {
                // What it did is written down and cannot be changed any more; how it ended still counts.
                let is_end = matches!(fact.signal, Signal::SyncEnd(_) | Signal::SyncStatus(_));
                return if is_end { Place::Again } else { Place::Nowhere };
            }
            // A start without an id, and then lines with one: it is the same sync.
            let nameless = |sync: &Sync| sync.id.is_none() && sync.is_running();
            return match self.open.iter().rposition(nameless) {
                Some(at) if !is_start => Place::Open(at),
                _ => Place::New,
            };
        }
        if is_start {
            return Place::New;
        }
        let nameless = self.open.iter().rposition(|sync| sync.id.is_none() && sync.is_running());
        if let Some(at) = nameless.or_else(|| self.open.iter().rposition(Sync::is_running)) {
            return Place::Open(at);
        }
        let is_end = matches!(fact.signal, Signal::SyncEnd(_));
        let after = |sync: &Sync| {
            let end = sync.ended.as_ref();
            end.is_some_and(|end| at.saturating_sub(end.key.created_us) <= AFTER_US && (!is_end || end.by_status))
        };
        match self.recent.iter().rposition(|sync| after(sync)) {
            Some(at) => Place::Recent(at),
            None if claim == Claim::Proof => Place::New,
            None => Place::Nowhere,
        }
    }

    /// Takes a sync out, to be put back with [`Syncs::put`].
    pub fn take(&mut self, anchor: EventKey) -> Option<Sync> {
        let fits = |sync: &Sync| sync.anchor == anchor;
        if let Some(at) = self.open.iter().position(fits) {
            return Some(self.open.remove(at));
        }
        self.recent.iter().position(|sync| fits(sync)).and_then(|at| self.recent.remove(at)).map(Arc::unwrap_or_clone)
    }

    /// Puts a sync that has ended among the recent ones.
    pub fn put(&mut self, sync: Sync, out: &mut Vec<Output>) {
        self.recent.push_back(Arc::new(sync));
        // It is known to have run: whoever was overtaken before is given out as broken off.
        for sync in self.open.iter_mut().filter(|sync| sync.superseded.is_some() && !sync.given) {
            sync.given = true;
            out.push(Output::Sync(sync.row()));
        }
        self.tidy(out);
    }

    /// A sync has started: others that run and were last heard of before count as broken off.
    pub fn overtake(&mut self, fact: &Fact) {
        let at = fact.key.created_us;
        // Nothing more is expected of what ended long before it.
        while let Some(sync) = self.recent.pop_front_if(|sync| sync.last_us.saturating_add(RECENT_US) < at) {
            if let Some(id) = &sync.id {
                self.close(id.clone());
            }
        }
        for sync in &mut self.open {
            if sync.anchor != fact.key && sync.is_running() && sync.last_us <= at {
                sync.superseded = Some(at);
            }
        }
    }

    /// The connection was deleted: what runs will not be heard of again, or is heard of and says so.
    pub fn break_off(&mut self, at: Micros, out: &mut Vec<Output>) {
        for sync in self.open.iter_mut().filter(|sync| sync.is_running()) {
            sync.superseded = Some(at);
            sync.given = true;
            out.push(Output::Sync(sync.row()));
        }
    }

    /// Keeps the bounds. What is put aside for good is given out.
    pub fn tidy(&mut self, out: &mut Vec<Output>) {
        let newest = self.recent.back().map_or(i64::MIN, |sync| sync.last_us);
        let is_old = |sync: &Arc<Sync>| sync.last_us.saturating_add(RECENT_US) < newest;
        while self.recent.len() > RECENT_MAX || self.recent.len() > 1 && self.recent.front().is_some_and(is_old) {
            let sync = self.recent.pop_front();
            if let Some(id) = sync.and_then(|sync| sync.id.clone()) {
                self.close(id);
            }
        }
        let overtaken = |sync: &Sync| sync.superseded.is_some();
        while self.open.iter().filter(|sync| overtaken(sync)).count() > OVERTAKEN_MAX {
            let Some(at) = self.open.iter().position(overtaken) else { break };
            self.put_aside(at, out);
        }
        while self.open.len() > OPEN_MAX {
            let oldest = self.open.iter().enumerate().min_by_key(|(_, sync)| sync.last_us).map_or(0, |(at, _)| at);
            if let Some(sync) = self.open.get_mut(oldest) {
                sync.superseded.get_or_insert(sync.last_us);
            }
            self.put_aside(oldest, out);
        }
    }

    /// Puts a sync aside that was overtaken. One without an id cannot be heard of again.
    fn put_aside(&mut self, at: usize, out: &mut Vec<Output>) {
        let mut sync = self.open.remove(at);
        sync.given = true;
        out.push(Output::Sync(sync.row()));
        if sync.id.is_some() {
            self.silent.push_back(Arc::new(sync));
        }
        let tables = |silent: &VecDeque<Arc<Sync>>| silent.iter().map(|sync| sync.table_names()).sum::<usize>();
        while self.silent.len() > SILENT_MAX || tables(&self.silent) > SILENT_TABLES_MAX {
            let lost = self.silent.pop_front().and_then(|sync| sync.id.clone());
            if self.lost.len() >= LOST_MAX {
                self.lost.pop_front();
            }
            self.lost.extend(lost);
        }
    }

    fn close(&mut self, id: SyncId) {
        if self.closed.len() >= CLOSED_MAX {
            self.closed.pop_front();
        }
        self.closed.push_back(id);
    }

    /// Whether one runs.
    pub fn is_running(&self) -> bool {
        self.open.iter().any(Sync::is_running)
    }

    /// Those that run.
    pub fn running(&self) -> impl Iterator<Item = &Sync> {
        self.open.iter().filter(|sync| sync.is_running())
    }

    /// All that may still change.
    pub fn all(&self) -> impl Iterator<Item = &Sync> {
        self.recent.iter().chain(&self.silent).map(|sync| &**sync).chain(&self.open)
    }
}

/// Where a fact belongs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Open(usize),
    Silent(usize),
    Recent(usize),
    New,
    /// To a sync that was given up: it is told of once more.
    Again,
    Nowhere,
}
