//! Lives over this store.

use super::SqliteStore;
use crate::{
    lifecycle::{Run, Stage, Summary},
    model::Micros,
    store::{
        Lives, StoreError, StoreFuture,
        lives::{
            DayRow, IncidentQuery, IncidentRow, LifePage, LifeQuery, RunQuery, TimelinePage, TimelineQuery, Totals,
        },
    },
};

impl Lives for SqliteStore {
    fn connections(&self, _: &LifeQuery) -> Result<LifePage, StoreError> {
        Ok(LifePage { connections: Vec::new(), next: None })
    }
    fn connection(&self, _: &str, _: Option<Micros>) -> Result<Option<Summary>, StoreError> {
        Ok(None)
    }
    fn timeline(&self, _: &TimelineQuery) -> Result<Option<TimelinePage>, StoreError> {
        Ok(None)
    }
    fn sync(&self, _: &str, _: &str) -> Result<Option<Stage>, StoreError> {
        Ok(None)
    }
    fn days(&self, _: &str, _: i64, _: i64) -> Result<Option<Vec<DayRow>>, StoreError> {
        Ok(None)
    }
    fn incidents(&self, _: &IncidentQuery) -> Result<Vec<IncidentRow>, StoreError> {
        Ok(Vec::new())
    }
    fn runs(&self, _: &RunQuery) -> Result<Vec<Run>, StoreError> {
        Ok(Vec::new())
    }
    fn totals(&self, _: Micros, _: Micros) -> Result<Vec<Totals>, StoreError> {
        Ok(Vec::new())
    }
    fn settle(&self, _: Option<String>) -> StoreFuture<u64> {
        Box::pin(async { Ok(0) })
    }
    fn rebuild(&self) -> StoreFuture<()> {
        Box::pin(async { Ok(()) })
    }
}
