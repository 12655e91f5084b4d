//! Audit logs over this store: kept in tables by the writer, read from one snapshot.
//!
//! In: records that were made ready by whoever brought their events (`prepare.rs`), and questions. Out: rows, leaves and nodes in the
//! commit of the event (`append.rs`, `edge.rs`), and answers (`list.rs`). Events of older versions get theirs later (`fill.rs`);
//! retention removes bodies (`prune.rs`); whether anything was altered is told by `verify.rs`.

mod append;
mod edge;
mod fill;
mod prepare;
mod prune;
mod told;
mod verify;

mod list;

pub use append::events;
pub use edge::Edges;
pub use fill::{pending as is_filling, start};
pub use prepare::Prepared;
#[cfg(test)]
pub use verify::file_flaws;

use super::{
    Shared, SqliteStore,
    fault::WriteError,
    job::Job,
    lives::Folder,
    reader::ReadError,
    retention::{self, Sweep, Swept},
    sealed::Whereabouts,
    tokens,
    writer::{Counters, now_us},
};
use crate::{
    audit::{
        Draft, Log,
        tree::{Hash, NodeId},
    },
    model::Micros,
    store::{
        StoreError, StoreFuture, Trail,
        trail::{
            Checks, EventSlice, Finding, Head, PruneRequest, Pruned, RecordPage, RecordQuery, Seen, SigningKey, Slice,
            Upto, Verified,
        },
    },
};
use rusqlite::{Connection, Row, params};
use std::ops::ControlFlow;
use tokio::sync::oneshot;

/// A log as its column holds it.
const fn number(log: Log) -> i64 {
    match log {
        Log::Access => 0,
        Log::Trail => 1,
    }
}

/// What the writer does for logs besides the records of events.
#[derive(Debug)]
pub enum Work {
    /// A record of our own doings.
    Record(Box<Prepared>),
    /// A signed checkpoint.
    Head(Head),
    /// A public key.
    Key(SigningKey),
    /// The legal hold, or its end.
    Hold(Option<String>),
    /// Records of events stored before.
    Fill(fill::Fill),
    /// A slice of retention.
    Prune(prune::Cut),
    /// A slice of the retention of events.
    Sweep(Sweep),
}

impl Work {
    /// About how much memory it holds, in bytes.
    pub fn weight(&self) -> usize {
        match self {
            Self::Record(record) => record.weight(),
            Self::Head(head) => head.note.len(),
            Self::Fill(fill) => fill.weight(),
            Self::Key(_) | Self::Hold(_) | Self::Prune(_) | Self::Sweep(_) => 0,
        }
    }
}

/// What that came to.
#[derive(Debug)]
pub enum Answer {
    /// The number of a record.
    Seq(u64),
    /// What retention removed.
    Pruned(prune::Done),
    /// How many events were removed.
    Swept(Swept),
    /// It is done.
    Nothing,
}

/// Whether a legal hold forbids to remove anything.
pub fn is_held(db: &Connection) -> rusqlite::Result<bool> {
    Ok(prune::hold(db)?.is_some())
}

/// Does a piece of work inside the writer's transaction.
pub fn work(
    db: &Connection,
    counters: &mut Counters,
    folder: &mut Folder,
    whereabouts: &mut Whereabouts,
    work: &Work,
) -> Result<Answer, WriteError> {
    match work {
        Work::Record(record) => {
            // Nothing but an event can have a record already.
            let seq = append::append(db, &mut counters.trail, Log::Access, record, None)?;
            return Ok(Answer::Seq(seq.unwrap_or_default()));
        }
        Work::Head(Head { log, size, at, note }) => {
            db.prepare_cached("INSERT INTO audit_head (log, size, at, note) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![number(*log), *size as i64, at, note])?;
        }
        Work::Key(SigningKey { public, at, trail, access }) => {
            db.prepare_cached(
                "INSERT INTO audit_key (public, at, trail, access) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
            )?
            .execute(params![public, at, *trail as i64, *access as i64])?;
        }
        Work::Hold(reason) => tokens::set_meta(db, prune::HOLD, reason.as_deref().unwrap_or_default().as_bytes())?,
        Work::Fill(fill) => fill::put(db, whereabouts.names(), &mut counters.trail, fill)?,
        Work::Sweep(sweep) => return Ok(Answer::Swept(retention::slice(db, counters, folder, whereabouts, *sweep)?)),
        Work::Prune(cut) => return Ok(Answer::Pruned(prune::slice(db, &mut counters.trail, cut)?)),
    }
    Ok(Answer::Nothing)
}

/// A job for the writer, and its answer.
async fn ask(shared: &Shared, work: Work) -> Result<Answer, StoreError> {
    let (reply, answer) = oneshot::channel();
    let weight = work.weight();
    shared.queue.push(Job::Trail { work: Box::new(work), reply }, weight)?;
    answer.await.unwrap_or_else(|_| Err(super::stopped()))
}

fn head(log: Log, row: &Row<'_>) -> rusqlite::Result<Head> {
    Ok(Head { log, size: row.get::<_, i64>(0)? as u64, at: row.get(1)?, note: row.get(2)? })
}

/// What names this store.
fn store_id(db: &Connection) -> Result<[u8; 16], ReadError> {
    let found = tokens::meta(db, "store_id")?.and_then(|bytes| bytes.try_into().ok());
    Ok(found.ok_or_else(|| StoreError::Damaged("value store_id".to_owned()))?)
}

/// What names a log of this store in its checkpoints.
fn origin(db: &Connection, log: Log) -> Result<String, ReadError> {
    Ok(format!("lifeline/{}/{}", hex::encode(&store_id(db)?[..6]), log.as_str()))
}

/// Every key that ever signed, the first one first.
fn keys(db: &Connection) -> Result<Vec<SigningKey>, ReadError> {
    let mut statement = db.prepare_cached("SELECT public, at, trail, access FROM audit_key ORDER BY id")?;
    let keys = statement.query_map([], |row| {
        Ok(SigningKey {
            public: row.get(0)?,
            at: row.get(1)?,
            trail: row.get::<_, i64>(2)? as u64,
            access: row.get::<_, i64>(3)? as u64,
        })
    })?;
    Ok(keys.collect::<Result<_, _>>()?)
}

const HEADS_BETWEEN: &str =
    "SELECT size, at, note FROM audit_head WHERE log = ?1 AND size BETWEEN ?2 AND ?3 ORDER BY size, id";
const HEADS: &str =
    "SELECT size, at, note FROM audit_head WHERE log = ?1 AND size <= ?2 ORDER BY size DESC, id DESC LIMIT ?3";

impl SqliteStore {
    fn work(&self, work: Work) -> StoreFuture<Answer> {
        self.submit(work.weight(), |reply| Job::Trail { work: Box::new(work), reply })
    }

    fn done(&self, work: Work) -> StoreFuture<()> {
        let answer = self.work(work);
        Box::pin(async { answer.await.map(|_| ()) })
    }
}

impl Trail for SqliteStore {
    fn size(&self, log: Log) -> Result<u64, StoreError> {
        self.shared.readers.ask(|db| Ok(edge::size(db, log)?))
    }

    fn records(&self, query: &RecordQuery) -> Result<RecordPage, StoreError> {
        self.shared.readers.ask(|db| list::page(db, query))
    }

    fn nodes(&self, log: Log, ids: &[NodeId]) -> Result<Vec<Hash>, StoreError> {
        self.shared.readers.ask(|db| {
            let mut found = Vec::with_capacity(ids.len());
            for node in ids {
                let missing = || {
                    let NodeId { level, index } = node;
                    StoreError::Damaged(format!("node {index} of level {level} of the {} log", log.as_str()))
                };
                found.push(edge::stored(db, log, *node)?.ok_or_else(missing)?);
            }
            Ok(found)
        })
    }

    fn heads(&self, log: Log, size_max: Option<u64>, limit: usize) -> Result<Vec<Head>, StoreError> {
        let size_max = size_max.map_or(i64::MAX, |size| i64::try_from(size).unwrap_or(i64::MAX));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.shared.readers.ask(|db| {
            let mut statement = db.prepare_cached(HEADS)?;
            let heads = statement.query_map([number(log), size_max, limit], |row| head(log, row))?;
            Ok(heads.collect::<Result<_, _>>()?)
        })
    }

    fn keep_head(&self, head: Head) -> StoreFuture<()> {
        self.done(Work::Head(head))
    }

    fn record(&self, draft: Draft) -> StoreFuture<u64> {
        let received_us = draft.at.micros();
        let answer = self.work(Work::Record(Prepared::own(draft, received_us)));
        Box::pin(async {
            match answer.await? {
                Answer::Seq(seq) => Ok(seq),
                Answer::Pruned(_) | Answer::Swept(_) | Answer::Nothing => {
                    Err(StoreError::Engine("a record has no number".to_owned()))
                }
            }
        })
    }

    fn prune(&self, request: PruneRequest) -> StoreFuture<Vec<Pruned>> {
        let shared = std::sync::Arc::clone(&self.shared);
        Box::pin(async move {
            let at = now_us();
            let mut all = Vec::new();
            for (log, before) in [(Log::Trail, request.trail_before), (Log::Access, request.access_before)] {
                let Some(before) = before else { continue };
                let mut after = Some(0);
                while let Some(from) = after {
                    let cut = prune::Cut { log, before, after: from, at, reason: request.reason.clone() };
                    let Answer::Pruned(done) = ask(&shared, Work::Prune(cut)).await? else { break };
                    prune::join(&mut all, done.ranges);
                    after = done.next;
                }
            }
            Ok(all)
        })
    }

    fn sweep(&self, before: Micros) -> StoreFuture<u64> {
        let shared = std::sync::Arc::clone(&self.shared);
        Box::pin(async move {
            // What is in blocks can be taken out of them.
            let (done, sealed) = oneshot::channel();
            shared.bell.seal_all(done);
            if sealed.await.is_err() {
                tracing::debug!("the journal could not be sealed; what it holds is swept another time");
            }
            let mut removed = 0;
            let mut next = Some(Sweep { before, after: 0, key: None });
            while let Some(sweep) = next {
                let Answer::Swept(swept) = ask(&shared, Work::Sweep(sweep)).await? else { break };
                removed += swept.events;
                next = swept.next;
            }
            Ok(removed)
        })
    }

    fn pruned(&self, log: Log) -> Result<Vec<Pruned>, StoreError> {
        self.shared.readers.ask(|db| Ok(prune::pruned(db, log)?))
    }

    fn hold(&self) -> Result<Option<String>, StoreError> {
        self.shared.readers.ask(|db| Ok(prune::hold(db)?))
    }

    fn set_hold(&self, reason: Option<String>) -> StoreFuture<()> {
        self.done(Work::Hold(reason))
    }

    fn store_id(&self) -> Result<[u8; 16], StoreError> {
        self.shared.readers.ask(store_id)
    }

    fn keys(&self) -> Result<Vec<SigningKey>, StoreError> {
        self.shared.readers.ask(keys)
    }

    fn keep_key(&self, key: SigningKey) -> StoreFuture<()> {
        self.done(Work::Key(key))
    }

    fn filling(&self) -> Result<bool, StoreError> {
        self.shared.readers.ask(|db| Ok(fill::pending(db)?))
    }

    fn verify_slice(
        &self,
        log: Log,
        from: u64,
        n: u64,
        check: &Checks<'_>,
        found: &mut dyn FnMut(Finding),
    ) -> Result<Slice, StoreError> {
        verify::slice(&self.shared, log, from, n, check, found)
    }

    fn verify_events(
        &self,
        after: Upto,
        n: u64,
        check: &Checks<'_>,
        found: &mut dyn FnMut(Finding),
    ) -> Result<EventSlice, StoreError> {
        verify::events(&self.shared, check, after, n, found)
    }

    fn verify(&self, check: &Checks<'_>, see: &mut dyn FnMut(Seen) -> ControlFlow<()>) -> Result<Verified, StoreError> {
        verify::all(&self.shared, check, see)
    }
}

/// What SQLite must make of each question, for the tests.
#[cfg(test)]
pub fn sql_and_plan() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    const HEADS_PLAN: &[(&str, &str)] = &[(HEADS, "SEARCH audit_head USING INDEX audit_head_size (log=? AND size<?)")];
    append::SQL_AND_PLAN
        .iter()
        .chain(told::SQL_AND_PLAN)
        .chain(edge::SQL_AND_PLAN)
        .chain(list::SQL_AND_PLAN)
        .chain(HEADS_PLAN)
}
