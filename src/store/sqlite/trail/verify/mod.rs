//! Whether anything was altered.
//!
//! In: the tables of a log, a slice at a time, each from one snapshot. Out: everything that does not fit, named. A slice looks at its
//! records (`record.rs`), at every node that they complete and at every checkpoint of their sizes (`nodes.rs`), so that all
//! slices together are the whole log and none needs what another has seen. Events are named anew by their content at the end. Whoever
//! looks at everything also asks SQLite whether its indexes fit their tables (`file.rs`).

mod events;
mod file;
mod heads;
mod nodes;
mod record;

use super::{HEADS_BETWEEN, edge, number, prune};
use crate::{
    audit::{
        Log,
        tree::{Hash, NodeId},
    },
    store::{
        StoreError,
        sqlite::{Shared, reader::ReadError},
        trail::{Checks, Finding, Flaw, Pruned, Seen, Slice, Upto, Verified},
    },
};
pub use events::slice as events;
#[cfg(test)]
pub use file::flaws as file_flaws;
use heads::Signers;
use nodes::Nodes;
use record::{Records, Row};
use rusqlite::Connection;
use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

/// Longest time for one slice; the next one goes on.
const TURN: Duration = Duration::from_millis(1000);
/// Records in one slice of [`all`].
const SLICE: u64 = 2_000;
/// Records that are named as missing at the end of a log; past it one stands for all.
const MISSING_MAX: u64 = 1_000;

/// What a slice looks at, and where its findings go.
struct Look<'l> {
    db: &'l Connection,
    shared: &'l Shared,
    log: Log,
    /// Records under the last commit, by the tree.
    size: u64,
    check: &'l Checks<'l>,
    found: &'l mut dyn FnMut(Finding),
}

impl Look<'_> {
    fn tell(&mut self, seq: impl Into<Option<u64>>, flaw: Flaw) {
        (self.found)(Finding { log: self.log, seq: seq.into(), flaw });
    }
}

/// Looks at one slice.
pub fn slice(
    shared: &Shared,
    log: Log,
    from: u64,
    n: u64,
    check: &Checks<'_>,
    found: &mut dyn FnMut(Finding),
) -> Result<Slice, StoreError> {
    shared.readers.ask(|db| {
        let size = edge::size(db, log)?;
        Look { db, shared, log, size, check, found }.slice(from.max(1), n.max(1))
    })
}

impl Look<'_> {
    fn slice(&mut self, from: u64, n: u64) -> Result<Slice, ReadError> {
        let last_row: Option<i64> = self
            .db
            .prepare_cached("SELECT max(seq) FROM audit WHERE log = ?1")?
            .query_row([number(self.log)], |row| row.get(0))?;
        let last_row = last_row.unwrap_or(0).max(0) as u64;
        if from == 1 {
            self.before_the_first()?;
        }
        // A tree that says it is longer than its records is not believed for ever.
        let size = self.size.min(last_row.saturating_add(MISSING_MAX));
        let end = size.min(from.saturating_add(n - 1));
        let (mut done, mut nodes) = (from - 1, Nodes::load(self.db, self.log, from, end)?);
        if from <= end {
            nodes.strays(self);
            done = self.records(from, end, &mut nodes)?;
        }
        self.heads(from, done)?;
        if done < size {
            return Ok(Slice { next: Some(done + 1), records: done + 1 - from });
        }
        self.behind_the_last(last_row)?;
        Ok(Slice { next: None, records: (done + 1).saturating_sub(from) })
    }

    /// Looks at records and the nodes they complete; gives the last one that it came to.
    fn records(&mut self, from: u64, end: u64, nodes: &mut Nodes) -> Result<u64, ReadError> {
        let until = Instant::now() + TURN;
        let db = self.db;
        let mut ranges: Vec<Pruned> = prune::pruned(db, self.log)?;
        ranges.retain(|range| range.first <= end && from <= range.last);
        let mut recorded = if ranges.is_empty() { Vec::new() } else { prune::recorded(db, self.log)? };
        recorded.retain(|(first, last)| *first <= end && from <= *last);
        let mut statement = db.prepare_cached(record::ROWS)?;
        let mut records = Records::new(statement.query([number(self.log), from as i64, end as i64])?);
        for seq in from..=end {
            let mut rows = records.of(seq)?;
            if rows.len() > 1 {
                self.tell(seq, Flaw::Stray);
            }
            let pruned = ranges.iter().any(|range| (range.first..=range.last).contains(&seq));
            let evidence = recorded.iter().any(|(first, last)| (*first..=*last).contains(&seq));
            let leaf = nodes.get(db, NodeId { level: 0, index: seq - 1 })?;
            match rows.pop() {
                None => self.tell(seq, Flaw::Missing),
                Some(row) if pruned && row.is_empty() && evidence => {}
                Some(row) => self.record(seq, &row, leaf, pruned, nodes)?,
            }
            if leaf.is_none() {
                self.tell(seq, Flaw::Leaf);
            }
            let index = seq - 1;
            for level in 1..=index.trailing_ones() as u8 {
                self.node(NodeId { level, index: index >> level }, nodes)?;
            }
            if seq % 64 == 0 && Instant::now() > until {
                return Ok(seq);
            }
        }
        Ok(end)
    }

    fn record(
        &mut self,
        seq: u64,
        row: &Row,
        leaf: Option<Hash>,
        pruned: bool,
        nodes: &mut Nodes,
    ) -> Result<(), ReadError> {
        match (row.leaf(), pruned) {
            (None, false) => self.tell(seq, Flaw::Emptied),
            (_, true) => self.tell(seq, Flaw::Pruned),
            (Some(computed), false) => {
                if let Some(leaf) = leaf.filter(|leaf| *leaf != computed) {
                    let flaw = nodes.whose(self.db, seq - 1, leaf, computed)?;
                    self.tell(seq, flaw);
                }
                let odd = row.odd_columns(seq);
                if !odd.is_empty() {
                    self.tell(seq, Flaw::Columns(odd));
                }
                if self.check.events && row.differs_from_event(self.db, &self.shared.names)? {
                    self.tell(seq, Flaw::Event);
                }
                if self.log == Log::Trail && row.has_odd_twins(self.db, seq)? {
                    self.tell(seq, Flaw::Twin);
                }
            }
        }
        Ok(())
    }

    /// What cannot belong to any slice.
    fn before_the_first(&mut self) -> Result<(), ReadError> {
        let strays: i64 = self
            .db
            .prepare_cached("SELECT count(*) FROM audit WHERE log = ?1 AND seq < 1")?
            .query_row([number(self.log)], |row| row.get(0))?;
        if strays > 0 {
            self.tell(0, Flaw::Stray);
        }
        Ok(())
    }

    /// What claims to come after the last record.
    fn behind_the_last(&mut self, last_row: u64) -> Result<(), ReadError> {
        if last_row > self.size {
            self.tell(last_row, Flaw::Stray);
        }
        let behind: Option<i64> = self
            .db
            .prepare_cached("SELECT min(pos) FROM audit_node WHERE log = ?1 AND pos > ?2")?
            .query_row([number(self.log), self.size as i64 * 2 - 1], |row| row.get(0))?;
        if let Some(pos) = behind {
            self.tell(self.size, Flaw::Node(NodeId::at(pos as u64)));
        }
        let odd: Option<i64> = self
            .db
            .prepare_cached("SELECT max(last) FROM audit_pruned WHERE log = ?1")?
            .query_row([number(self.log)], |row| row.get(0))?;
        if odd.is_some_and(|last| last as u64 > self.size) {
            self.tell(odd.map(|last| last as u64), Flaw::Pruned);
        }
        let mut sizes: Vec<u64> = self.check.claims.iter().filter(|it| it.log == self.log).map(|it| it.size).collect();
        let head: Option<i64> = self
            .db
            .prepare_cached("SELECT max(size) FROM audit_head WHERE log = ?1")?
            .query_row([number(self.log)], |row| row.get(0))?;
        sizes.extend(head.map(|size| size as u64));
        if let Some(size) = sizes.into_iter().max().filter(|size| *size > self.size) {
            self.tell(None, Flaw::Cut { size, found: self.size });
        }
        Ok(())
    }

    /// Checkpoints, kept and from elsewhere, of the sizes that a slice completes.
    fn heads(&mut self, from: u64, done: u64) -> Result<(), ReadError> {
        let low = if from == 1 { 0 } else { from };
        let mut known: Option<(u64, Option<Hash>)> = None;
        let mut root = |size: u64| -> Result<Option<Hash>, ReadError> {
            match known {
                Some((of, root)) if of == size => Ok(root),
                _ => {
                    let root = nodes::root(self.db, self.log, size)?;
                    known = Some((size, root));
                    Ok(root)
                }
            }
        };
        let mut told = Vec::new();
        let signers = Signers::of(self.db, self.log, self.check.key)?;
        let mut before = heads::last_before(self.db, self.log, low)?;
        let mut statement = self.db.prepare_cached(HEADS_BETWEEN)?;
        let mut rows = statement.query([number(self.log), low as i64, done as i64])?;
        while let Some(row) = rows.next()? {
            let head = super::head(self.log, row)?;
            let Some(said) = signers.read(&head) else {
                told.push((head.size, Flaw::Note { size: head.size }));
                before = heads::Before::Unknown;
                continue;
            };
            if root(head.size)? != Some(said.root) {
                told.push((head.size, Flaw::Head { size: head.size }));
            }
            if !before.is(said.previous.as_ref()) {
                told.push((head.size, Flaw::Gap { size: head.size }));
            }
            before = heads::Before::Known(Some((said.size, said.root)));
        }
        for claim in self.check.claims {
            let here = claim.log == self.log && (low..=done).contains(&claim.size);
            if here && root(claim.size)? != Some(claim.root) {
                told.push((claim.size, Flaw::Claim { size: claim.size }));
            }
        }
        for (seq, flaw) in told {
            self.tell(seq, flaw);
        }
        Ok(())
    }

    /// A node, against those below it.
    fn node(&mut self, node: NodeId, nodes: &mut Nodes) -> Result<(), ReadError> {
        if !nodes.fits(self.db, node)? {
            self.tell((node.index + 1) << node.level, Flaw::Node(node));
        }
        Ok(())
    }
}

/// Looks at everything.
pub fn all(
    shared: &Shared,
    check: &Checks<'_>,
    see: &mut dyn FnMut(Seen) -> ControlFlow<()>,
) -> Result<Verified, StoreError> {
    let mut verified = Verified::default();
    let looks_at_events = check.events || check.identify.is_some();
    let events = shared.events.load(std::sync::atomic::Ordering::Relaxed);
    let mut of = if looks_at_events { events } else { 0 };
    for log in Log::ALL {
        of += shared.readers.ask(|db| Ok(edge::size(db, log)?))?;
        verified.heads += shared.readers.ask(|db| {
            let count = "SELECT count(*) FROM audit_head WHERE log = ?1";
            Ok(db.query_row(count, [number(log)], |row| row.get::<_, i64>(0))? as u64)
        })?;
    }
    let mut done = 0;
    let mut found = Vec::new();
    if looks_at_events {
        let flaws = file::flaws(&shared.dir)?;
        found.extend(flaws.into_iter().map(|flaw| Finding { log: Log::Trail, seq: None, flaw }));
        if tell(&mut verified, &mut found, see, done, of).is_break() {
            return Ok(verified);
        }
    }
    for log in Log::ALL {
        let mut from = Some(1);
        while let Some(first) = from {
            let slice = slice(shared, log, first, SLICE, check, &mut |finding| found.push(finding))?;
            match log {
                Log::Trail => verified.trail += slice.records,
                Log::Access => verified.access += slice.records,
            }
            (done, from) = (done + slice.records, slice.next);
            if tell(&mut verified, &mut found, see, done, of).is_break() {
                return Ok(verified);
            }
        }
    }
    if looks_at_events {
        let mut next = Some(Upto::Start);
        while let Some(after) = next {
            let slice = events::slice(shared, check, after, SLICE, &mut |finding| found.push(finding))?;
            verified.events += slice.events;
            (done, next) = (done + slice.events, slice.next);
            if tell(&mut verified, &mut found, see, done, of).is_break() {
                return Ok(verified);
            }
        }
    }
    verified.whole = true;
    Ok(verified)
}

fn tell(
    verified: &mut Verified,
    found: &mut Vec<Finding>,
    see: &mut dyn FnMut(Seen) -> ControlFlow<()>,
    done: u64,
    of: u64,
) -> ControlFlow<()> {
    for finding in found.drain(..) {
        verified.findings += 1;
        see(Seen::Found(finding))?;
    }
    see(Seen::Progress { done, of: of.max(done) })
}
