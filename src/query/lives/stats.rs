//! Figures over a window: of the account, and of each destination, connector type or connection.
//!
//! In: every connection over the window. Out: sums, rates and availability. Counts are those of whole days of UTC, so a window that
//! begins or ends within a day counts that day whole; incidents and availability keep to the window exactly.

use super::{
    super::{BadParameter, Params},
    Answer, DAY_US,
    daily::{DAYS_DEFAULT, day_of},
    json::Object,
    request::window,
};
use crate::{
    lifecycle::{Status, SyncCounts, time_text},
    model::Micros,
    store::{Lives, lives::Totals},
};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What the groups of an answer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum By {
    /// No groups, only the account.
    #[default]
    Account,
    /// One for each destination.
    Destination,
    /// One for each connector type.
    ConnectorType,
    /// One for each connection.
    Connection,
}

impl By {
    /// Every kind of group.
    pub const ALL: [Self; 4] = [Self::Account, Self::Destination, Self::ConnectorType, Self::Connection];

    /// The word that the parameter uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Destination => "destination",
            Self::ConnectorType => "connector_type",
            Self::Connection => "connection",
        }
    }
}

/// A request for figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatsRequest {
    from: Micros,
    to: Micros,
    by: By,
}

impl StatsRequest {
    /// Reads the query string of `GET /v1/stats`.
    ///
    /// # Errors
    /// The first bad parameter.
    pub fn parse(query: &str, now: Micros) -> Result<Self, BadParameter> {
        let params = Params::parse(query, &["from", "to", "by"])?;
        let by = params.word("by", &By::ALL, By::as_str)?.unwrap_or_default();
        let (from, to) = window(params.time_or_date("from")?, params.time_or_date("to")?)?;
        let to = to.unwrap_or(now);
        let from = from.unwrap_or_else(|| (day_of(to - 1) + 1 - DAYS_DEFAULT) * DAY_US);
        if from > to {
            return Err(BadParameter::new("from", "is later than now; give to as well"));
        }
        Ok(Self { from, to, by })
    }
}

#[derive(Serialize, Default)]
struct Incidents {
    opened: u64,
    open: u64,
}

/// Figures as they are answered.
#[derive(Serialize)]
struct View {
    connections: Map<String, Value>,
    syncs: SyncCounts,
    success_rate: Option<f64>,
    rows_modified: u64,
    api_calls: u64,
    schema_changes: u64,
    events: u64,
    errors: u64,
    warnings: u64,
    mean_sync_duration_ms: Option<u64>,
    median_sync_duration_ms: Option<u64>,
    incidents: Incidents,
    availability: Option<f64>,
    mean_time_to_recovery_ms: Option<u64>,
}

/// One group as it is answered.
#[derive(Serialize)]
struct GroupView<'a> {
    key: Option<&'a str>,
    name: Option<&'a str>,
    #[serde(flatten)]
    view: View,
}

/// What is added up.
#[derive(Default)]
struct Sum {
    by_status: BTreeMap<Status, u64>,
    connections: u64,
    syncs: SyncCounts,
    sync_ms: u64,
    /// Mean duration and number of syncs of each connection.
    means: Vec<(u64, u64)>,
    rows_modified: u64,
    api_calls: u64,
    schema_changes: u64,
    events: u64,
    errors: u64,
    warnings: u64,
    incidents: Incidents,
    window_us: u64,
    down_us: u64,
    recoveries: u64,
    recovery_us: u64,
}

/// The length of the union of intervals, within bounds.
fn covered(mut intervals: Vec<(Micros, Micros)>, from: Micros, to: Micros) -> u64 {
    intervals.sort_unstable();
    let mut sum = 0;
    let mut reached = from;
    for (begin, end) in intervals {
        let (begin, end) = (begin.max(reached), end.min(to));
        if end > begin {
            sum += end.abs_diff(begin);
            reached = end;
        }
    }
    sum
}

impl Sum {
    /// Adds a connection, seen over a window at a moment.
    fn add(&mut self, totals: &Totals, from: Micros, to: Micros, now: Micros) {
        let Totals { summary, days, incidents } = totals;
        self.connections += 1;
        *self.by_status.entry(summary.status).or_default() += 1;
        self.syncs += days.syncs;
        self.sync_ms = self.sync_ms.saturating_add(days.sync_ms);
        if let Some(mean) = days.sync_ms.checked_div(days.syncs.total) {
            self.means.push((mean, days.syncs.total));
        }
        for (sum, more) in [
            (&mut self.rows_modified, days.rows_modified),
            (&mut self.api_calls, days.api_calls),
            (&mut self.schema_changes, days.schema_changes),
            (&mut self.events, days.events),
            (&mut self.errors, days.errors),
            (&mut self.warnings, days.warnings),
        ] {
            *sum = sum.saturating_add(more);
        }
        for &(opened, resolved) in incidents {
            self.incidents.opened += u64::from(opened >= from && opened < to);
            match resolved {
                Some(resolved) if resolved < to => {
                    if resolved >= from {
                        self.recoveries += 1;
                        self.recovery_us = self.recovery_us.saturating_add(resolved.abs_diff(opened));
                    }
                }
                _ => self.incidents.open += u64::from(opened < to),
            }
        }
        // Before its first event and after its deletion a connection is neither up nor down.
        let begin = summary.first_event_us.map_or(to, |first| first.max(from));
        let end = to.min(now).min(summary.deleted_us.unwrap_or(Micros::MAX));
        if end > begin {
            let down = incidents.iter().map(|&(opened, resolved)| (opened, resolved.unwrap_or(Micros::MAX)));
            self.window_us = self.window_us.saturating_add(end.abs_diff(begin));
            self.down_us = self.down_us.saturating_add(covered(down.collect(), begin, end));
        }
    }

    /// Half of the syncs belong to connections whose mean is not above this.
    fn median(&self) -> Option<u64> {
        let mut means = self.means.clone();
        means.sort_unstable();
        let half = means.iter().map(|(_, syncs)| syncs).sum::<u64>().div_ceil(2);
        let mut seen = 0;
        means.into_iter().find_map(|(mean, syncs)| {
            seen += syncs;
            (seen >= half).then_some(mean)
        })
    }

    fn view(self) -> View {
        let median_sync_duration_ms = self.median();
        let counted = |status: Status| self.by_status.get(&status).copied().unwrap_or_default().into();
        let mut connections = Map::from_iter([("total".to_owned(), self.connections.into())]);
        connections.extend(Status::ALL.map(|status| (status.as_str().to_owned(), counted(status))));
        let verdicts = self.syncs.successful + self.syncs.failed;
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        View {
            connections,
            syncs: self.syncs,
            success_rate: share(self.syncs.successful, verdicts),
            rows_modified: self.rows_modified,
            api_calls: self.api_calls,
            schema_changes: self.schema_changes,
            events: self.events,
            errors: self.errors,
            warnings: self.warnings,
            mean_sync_duration_ms: self.sync_ms.checked_div(self.syncs.total),
            median_sync_duration_ms,
            incidents: self.incidents,
            availability: share(self.window_us.saturating_sub(self.down_us), self.window_us),
            mean_time_to_recovery_ms: (self.recovery_us / 1_000).checked_div(self.recoveries),
        }
    }
}

/// Figures of the account and of its groups.
///
/// # Errors
/// What the store says.
pub fn stats(lives: &dyn Lives, request: StatsRequest, now: Micros) -> Answer {
    let StatsRequest { from, to, by } = request;
    let all = lives.totals(from, to)?;
    let mut account = Sum::default();
    // Without a key first, then by key; a connection's source tells two of one id apart.
    let mut groups: BTreeMap<_, (Option<&str>, Sum)> = BTreeMap::new();
    for totals in &all {
        let summary = &totals.summary;
        account.add(totals, from, to, now);
        let (key, name) = match by {
            By::Account => continue,
            By::Destination => (summary.destination.as_deref(), None),
            By::ConnectorType => (summary.connector_type.as_deref(), None),
            By::Connection => (Some(summary.connection_id.as_str()), summary.connection_name.as_deref()),
        };
        let source = if by == By::Connection { summary.source.as_str() } else { "" };
        let group = groups.entry((key, source)).or_insert_with(|| (name, Sum::default()));
        group.1.add(totals, from, to, now);
    }
    let groups: Vec<GroupView<'_>> =
        groups.into_iter().map(|((key, _), (name, sum))| GroupView { key, name, view: sum.view() }).collect();
    let body = Object::new()
        .member("from", &time_text(from))
        .member("to", &time_text(to))
        .member("account", &account.view())
        .member("groups", &groups);
    Ok(Ok(body.end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{lifecycle::Day, query::lives::fake::summary};

    const HOUR: Micros = 3_600_000_000;

    fn totals(first: Micros, incidents: &[(Micros, Option<Micros>)]) -> Totals {
        let mut summary = summary("a");
        summary.first_event_us = Some(first);
        Totals { summary, days: Day::default(), incidents: incidents.to_vec() }
    }

    /// Availability between hour 10 and hour 20, asked at hour 30.
    #[track_caller]
    fn check(totals: &Totals, expected: Option<f64>) {
        let mut sum = Sum::default();
        sum.add(totals, 10 * HOUR, 20 * HOUR, 30 * HOUR);
        assert_eq!(sum.view().availability, expected);
    }

    #[test]
    fn availability_is_the_share_of_the_window_without_an_open_incident() {
        check(&totals(0, &[]), Some(1.0));
        check(&totals(0, &[(0, None)]), Some(0.0));
        check(&totals(0, &[(0, Some(15 * HOUR))]), Some(0.5));
        check(&totals(0, &[(19 * HOUR, Some(99 * HOUR))]), Some(0.9));
        check(&totals(0, &[(11 * HOUR, Some(13 * HOUR)), (12 * HOUR, Some(14 * HOUR))]), Some(0.7));
        check(&totals(15 * HOUR, &[(16 * HOUR, Some(17 * HOUR))]), Some(0.8));
        check(&totals(20 * HOUR, &[]), None);
        let mut deleted = totals(0, &[(14 * HOUR, None)]);
        deleted.summary.deleted_us = Some(15 * HOUR);
        check(&deleted, Some(0.8));
        let mut sum = Sum::default();
        sum.add(&totals(0, &[(14 * HOUR, None)]), 10 * HOUR, 20 * HOUR, 15 * HOUR);
        assert_eq!(sum.view().availability, Some(0.8), "what is yet to come is neither up nor down");
    }

    #[test]
    fn incidents_and_recoveries_are_those_of_the_window() {
        let mut sum = Sum::default();
        let incidents = [
            (9 * HOUR, Some(11 * HOUR)),
            (12 * HOUR, Some(13 * HOUR)),
            (18 * HOUR, Some(21 * HOUR)),
            (19 * HOUR, None),
        ];
        sum.add(&totals(0, &incidents), 10 * HOUR, 20 * HOUR, 30 * HOUR);
        let view = sum.view();
        assert_eq!((view.incidents.opened, view.incidents.open), (3, 2));
        assert_eq!(view.mean_time_to_recovery_ms, Some(5_400_000));
    }

    #[test]
    fn rates_and_durations_come_from_sums() {
        let mut sum = Sum::default();
        for (total, failed, sync_ms) in [(8, 2, 8_000), (1, 0, 9_000), (1, 0, 4_000), (0, 0, 0)] {
            let mut one = totals(0, &[]);
            one.days.syncs = SyncCounts { total, successful: total - failed, failed, ..SyncCounts::default() };
            one.days.sync_ms = sync_ms;
            sum.add(&one, 0, HOUR, HOUR);
        }
        let view = sum.view();
        assert_eq!((view.success_rate, view.mean_sync_duration_ms), (Some(0.8), Some(2_100)));
        assert_eq!(view.median_sync_duration_ms, Some(1_000));
        assert_eq!(view.connections["total"], 4);
        assert_eq!(view.connections["connected"], 4);
        let nothing = Sum::default().view();
        assert_eq!((nothing.success_rate, nothing.mean_sync_duration_ms), (None, None));
        assert_eq!((nothing.median_sync_duration_ms, nothing.availability), (None, None));
    }

    #[test]
    fn the_window_has_its_defaults_and_bounds() {
        let now = 40 * DAY_US + HOUR;
        let read = |query: &str| StatsRequest::parse(query, now).map_err(|error| error.name);
        assert_eq!(read(""), Ok(StatsRequest { from: 11 * DAY_US, to: now, by: By::Account }));
        assert_eq!(
            read("from=1970-01-02&to=1970-01-03&by=destination"),
            Ok(StatsRequest { from: DAY_US, to: 2 * DAY_US, by: By::Destination })
        );
        for query in ["by=all", "from=1970-03-01", "from=x", "to=1", "limit=3"] {
            assert_eq!(read(query), Err(query.split('=').next().unwrap_or_default().to_owned()), "{query}");
        }
    }
}
