//! Lives over this store: kept in tables by the writer, read from one snapshot.
//!
//! In: facts of what is stored, and questions. Out: rows and answers. The writer folds in the transaction of the events
//! (`fold.rs`, `moves.rs`) and folds again what came late (`settle.rs`); readers take up the newest checkpoint (`read.rs`) or
//! read the tables (`list.rs`). Stages that cannot change any more are packed (`shelf.rs`, `columns.rs`).

mod base;
mod cache;
mod columns;
mod fold;
mod forms;
mod list;
mod load;
mod marks;
mod moves;
mod read;
mod rows;
mod settle;
mod shelf;
mod squeeze;
mod standing;

pub use fold::{Folder, News};
#[cfg(test)]
pub use shelf::lay_out_all;

use super::{SqliteStore, job::Job};
use crate::{
    lifecycle::{Run, Stage, Summary},
    model::{EventId, Micros, Source, StoredEvent},
    store::{
        Lives, Store, StoreError, StoreFuture,
        lives::{
            DayRow, IncidentQuery, IncidentRow, LifePage, LifeQuery, RunQuery, TimelinePage, TimelineQuery, Totals,
            Whose,
        },
    },
};

impl Lives for SqliteStore {
    fn connections(&self, query: &LifeQuery) -> Result<LifePage, StoreError> {
        self.shared.readers.ask(|db| list::connections(db, &self.shared.names, query))
    }

    fn connection(&self, whose: Whose<'_>, as_of: Option<Micros>) -> Result<Option<Summary>, StoreError> {
        self.shared.readers.ask(|db| read::summary(db, &self.shared.names, whose, as_of))
    }

    fn timeline(&self, query: &TimelineQuery) -> Result<Option<TimelinePage>, StoreError> {
        self.shared.readers.ask(|db| read::timeline(db, &self.shared.names, query))
    }

    fn sync(&self, whose: Whose<'_>, sync_id: &str) -> Result<Option<(Source, Option<Stage>)>, StoreError> {
        self.shared.readers.ask(|db| match read::of_id(db, &self.shared.names, whose, None)? {
            Some((reading, summary)) => Ok(Some((summary.source, reading.sync(db, &self.shared.names, sync_id)?))),
            None => Ok(None),
        })
    }

    fn days(&self, whose: Whose<'_>, from: i64, to: i64) -> Result<Option<Vec<DayRow>>, StoreError> {
        self.shared.readers.ask(|db| match read::of_id(db, &self.shared.names, whose, None)? {
            Some((reading, _)) => reading.days(db, from, to).map(Some),
            None => Ok(None),
        })
    }

    fn incidents(&self, query: &IncidentQuery) -> Result<Vec<IncidentRow>, StoreError> {
        self.shared.readers.ask(|db| list::incidents(db, &self.shared.names, query))
    }

    fn runs(&self, query: &RunQuery) -> Result<Vec<Run>, StoreError> {
        self.shared.readers.ask(|db| list::runs(db, &self.shared.names, query))
    }

    fn totals(&self, from: Micros, to: Micros) -> Result<Vec<Totals>, StoreError> {
        self.shared.readers.ask(|db| list::totals(db, &self.shared.names, from, to))
    }

    fn evidence(&self, id: EventId) -> Result<Option<StoredEvent>, StoreError> {
        Store::event(self, id)
    }

    fn settle(&self, connection_id: Option<String>) -> StoreFuture<u64> {
        self.submit(0, |reply| Job::Settle { connection_id, reply })
    }

    fn rebuild(&self) -> StoreFuture<()> {
        self.submit(0, |reply| Job::Rebuild { reply })
    }
}

/// Questions of this room and how they are to be answered.
#[cfg(test)]
pub fn sql_and_plan() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    load::SQL_AND_PLAN.iter().chain(shelf::SQL_AND_PLAN)
}
