//! Lives in memory, for tests of those that ask.

use crate::{
    lifecycle::{Health, Incident, Run, Stage, StageKind, Status, Summary, SyncCounts, stage_order},
    model::{EventId, EventKey, Micros, Source, StoredEvent},
    store::{
        Lives, Order, StoreError, StoreFuture,
        lives::{
            DayRow, IncidentQuery, IncidentRow, LifeCursor, LifePage, LifeQuery, LifeSort, RunQuery, SortValue,
            TimelinePage, TimelineQuery, Totals, Whose,
        },
    },
};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A healthy connection.
pub(crate) fn summary(connection_id: &str) -> Summary {
    Summary {
        connection_id: connection_id.to_owned(),
        connection_name: Some(format!("{connection_id} by name")),
        connector_type: Some("postgres".to_owned()),
        source: Source::Fivetran,
        destination: Some("warehouse".to_owned()),
        status: Status::Connected,
        health: Health::Connected,
        created_us: None,
        deleted_us: None,
        paused: false,
        sync_frequency_minutes: Some(15),
        schedule_type: None,
        setup_status: None,
        schema_status: None,
        last_started_us: Some(1_000_000),
        last_completed_us: Some(3_500_000),
        last_success_us: Some(3_500_000),
        last_duration_us: Some(2_500_000),
        rescheduled_us: None,
        errors: 0,
        warnings: 0,
        schema_change_days: Vec::new(),
        syncs: SyncCounts { total: 1, successful: 1, ..SyncCounts::default() },
        open_incident: None,
        running: Vec::new(),
        first_event_us: Some(1_000_000),
        last_event_us: Some(3_500_000),
        events: 2,
        unused: [("create_user".to_owned(), 2)].into(),
        day: crate::lifecycle::Day::default(),
        mappings: Vec::new(),
    }
}

/// A stage with a body that names it.
pub(crate) fn stage(kind: StageKind, at: Micros, sync_id: Option<&str>, status: Option<&str>) -> Stage {
    let body = serde_json::json!({"stage": kind.as_str(), "at": at, "sync_id": sync_id, "status": status});
    Stage {
        anchor: EventKey { created_us: at, hash: at },
        kind,
        until_us: None,
        sync_id: sync_id.map(str::to_owned),
        status: status.map(str::to_owned),
        schema_change: kind == StageKind::SchemaChanged,
        body: body.to_string(),
    }
}

/// What there is.
#[derive(Default)]
pub(crate) struct Kept {
    pub connections: Vec<Summary>,
    /// Of every connection alike, oldest first.
    pub stages: Vec<Stage>,
    pub incidents: Vec<IncidentRow>,
    pub days: Vec<DayRow>,
    pub runs: Vec<Run>,
    /// Connections that wait, and how many of them stay behind.
    pub unfolded: u64,
    pub behind: u64,
    /// Whether nothing can be settled.
    pub full: bool,
    /// What was asked to be settled.
    pub settled: Vec<Option<String>>,
    /// Lists of connections that were read.
    pub lists: usize,
}

/// Lives in memory.
#[derive(Default)]
pub(crate) struct FakeLives(Mutex<Kept>);

impl FakeLives {
    pub fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn value(summary: &Summary, sort: LifeSort) -> SortValue {
    let time = |at: Option<Micros>| SortValue::Number(at.unwrap_or(Micros::MIN));
    match sort {
        LifeSort::Id => SortValue::Text(summary.connection_id.clone()),
        LifeSort::Name => SortValue::Text(summary.connection_name.clone().unwrap_or_default()),
        LifeSort::Status => SortValue::Number(summary.status as i64),
        LifeSort::LastSuccess => time(summary.last_success_us),
        LifeSort::LastEvent => time(summary.last_event_us),
    }
}

impl Lives for FakeLives {
    fn connections(&self, query: &LifeQuery) -> Result<LifePage, StoreError> {
        self.kept().lists += 1;
        let place = |summary: &Summary| (value(summary, query.sort), summary.connection_id.clone(), summary.source);
        let filter = &query.filter;
        let fits = |summary: &&Summary| {
            let text = filter.q.as_deref().unwrap_or_default().to_lowercase();
            let name = summary.connection_name.as_deref().unwrap_or_default().to_lowercase();
            filter.status.is_none_or(|status| status == summary.status)
                && filter.health.is_none_or(|health| health == summary.health)
                && filter.source.is_none_or(|source| source == summary.source)
                && filter.connector_type.as_ref().is_none_or(|kind| Some(kind) == summary.connector_type.as_ref())
                && filter.destination.as_ref().is_none_or(|to| Some(to) == summary.destination.as_ref())
                && (summary.connection_id.to_lowercase().contains(&text) || name.contains(&text))
        };
        let mut found: Vec<Summary> = self.kept().connections.iter().filter(fits).cloned().collect();
        found.sort_by_key(place);
        if query.order == Order::Desc {
            found.reverse();
        }
        if let Some(after) = &query.after {
            let after = (after.value.clone(), after.connection_id.clone(), after.source);
            found.retain(|summary| match query.order {
                Order::Asc => place(summary) > after,
                Order::Desc => place(summary) < after,
            });
        }
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        let next = found.last().filter(|_| more).map(|last| LifeCursor {
            value: value(last, query.sort),
            connection_id: last.connection_id.clone(),
            source: last.source,
        });
        Ok(LifePage { connections: found, next })
    }

    fn connection(&self, whose: Whose<'_>, as_of: Option<Micros>) -> Result<Option<Summary>, StoreError> {
        let kept = self.kept();
        let is_it = |summary: &&Summary| {
            summary.connection_id == whose.id && whose.source.is_none_or(|source| source == summary.source)
        };
        let found = kept.connections.iter().find(is_it);
        Ok(found.filter(|summary| as_of.is_none_or(|at| summary.first_event_us <= Some(at))).cloned())
    }

    fn timeline(&self, query: &TimelineQuery) -> Result<Option<TimelinePage>, StoreError> {
        let Some(summary) = self.connection(query.whose(), query.as_of)? else {
            return Ok(None);
        };
        let kept = self.kept();
        let fits = |stage: &&Stage| {
            let at = stage.anchor.created_us;
            query.from.is_none_or(|from| at >= from)
                && query.to.is_none_or(|to| at < to)
                && query.as_of.is_none_or(|moment| at <= moment)
                && query.kind.is_none_or(|kind| kind == stage.kind)
                && query.status.as_ref().is_none_or(|status| stage.has_status(status))
                && (!query.schema_changes || stage.schema_change)
                && query.before.is_none_or(|(key, kind)| stage_order(stage.anchor, stage.kind) < stage_order(key, kind))
        };
        let mut stages: Vec<Stage> = kept.stages.iter().rev().filter(fits).cloned().collect();
        let more = stages.len() > query.limit;
        stages.truncate(query.limit);
        let next = stages.last().filter(|_| more).map(|last| (last.anchor, last.kind));
        let mine = kept.incidents.iter().rev().filter(|row| row.connection_id == query.connection_id);
        let incidents: Vec<Incident> = mine.map(|row| row.incident.clone()).collect();
        Ok(Some(TimelinePage { summary, stages, incidents, next }))
    }

    fn sync(&self, whose: Whose<'_>, sync_id: &str) -> Result<Option<(Source, Option<Stage>)>, StoreError> {
        let Some(summary) = self.connection(whose, None)? else { return Ok(None) };
        let kept = self.kept();
        let found = kept.stages.iter().find(|stage| stage.sync_id.as_deref() == Some(sync_id));
        Ok(Some((summary.source, found.cloned())))
    }

    fn days(&self, whose: Whose<'_>, from: i64, to: i64) -> Result<Option<Vec<DayRow>>, StoreError> {
        let known = self.connection(whose, None)?.is_some();
        let kept = self.kept();
        Ok(known.then(|| kept.days.iter().filter(|row| (from..to).contains(&row.day.day)).copied().collect()))
    }

    fn incidents(&self, query: &IncidentQuery) -> Result<Vec<IncidentRow>, StoreError> {
        let fits = |row: &&IncidentRow| {
            query.open.is_none_or(|open| open == row.incident.resolved_us.is_none())
                && query.connection_id.as_ref().is_none_or(|id| *id == row.connection_id)
                && query.from.is_none_or(|from| row.incident.resolved_us.is_none_or(|resolved| resolved >= from))
                && query.to.is_none_or(|to| row.incident.anchor.created_us < to)
                && query.before.is_none_or(|before| row.incident.anchor < before)
        };
        Ok(self.kept().incidents.iter().rev().filter(fits).take(query.limit).cloned().collect())
    }

    fn runs(&self, query: &RunQuery) -> Result<Vec<Run>, StoreError> {
        let fits = |run: &&Run| {
            query.job.as_ref().is_none_or(|job| *job == run.job)
                && query.status.as_ref().is_none_or(|status| status == run.status)
                && query.before.is_none_or(|before| run.anchor < before)
        };
        Ok(self.kept().runs.iter().rev().filter(fits).take(query.limit).cloned().collect())
    }

    fn totals(&self, _: Micros, _: Micros) -> Result<Vec<Totals>, StoreError> {
        let kept = self.kept();
        let totals = |summary: &Summary| {
            let mine = kept.incidents.iter().filter(|row| row.connection_id == summary.connection_id);
            let mut days = crate::lifecycle::Day::default();
            for row in &kept.days {
                days.rows_modified += row.day.rows_modified;
                days.syncs += row.day.syncs;
            }
            let incidents = mine.map(|row| (row.incident.anchor.created_us, row.incident.resolved_us)).collect();
            Totals { summary: summary.clone(), days, incidents }
        };
        Ok(kept.connections.iter().map(totals).collect())
    }

    /// It keeps no events.
    fn evidence(&self, _: EventId) -> Result<Option<StoredEvent>, StoreError> {
        Ok(None)
    }

    fn settle(&self, connection_id: Option<String>) -> StoreFuture<u64> {
        let mut kept = self.kept();
        kept.settled.push(connection_id);
        if !kept.full {
            kept.unfolded = kept.behind;
        }
        let settled = if kept.full { Err(StoreError::DiskFull) } else { Ok(kept.behind) };
        Box::pin(async move { settled })
    }

    fn rebuild(&self) -> StoreFuture<()> {
        Box::pin(async { Ok(()) })
    }
}
