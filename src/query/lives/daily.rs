//! A connection day by day.
//!
//! In: a window of at most [`DAYS_MAX`] days. Out: a row for each of them, zeros where nothing happened. A day is a day of UTC, and an
//! event belongs to the day of its own time.

use super::{
    super::{BadParameter, Params},
    Answer, DAY_US, Missing, is_nobody,
    json::page,
    request::{source, window},
};
use crate::{
    lifecycle::{Day, SyncCounts, time_text},
    model::{Micros, Source},
    store::{
        Lives,
        lives::{DayRow, Whose},
    },
};
use serde::{Serialize, Serializer};

/// Most days of one answer.
pub const DAYS_MAX: i64 = 400;

/// Days that are meant when nobody says, today included.
pub(super) const DAYS_DEFAULT: i64 = 30;

/// A request for days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailyRequest {
    connection_id: String,
    source: Option<Source>,
    /// Days since 1970; the last one is excluded.
    from: i64,
    to: i64,
}

/// The day of a moment.
pub(super) const fn day_of(at: Micros) -> i64 {
    at.div_euclid(DAY_US)
}

impl DailyRequest {
    /// Reads the query string of `GET /v1/connections/{id}/daily`.
    ///
    /// # Errors
    /// The first bad parameter.
    pub fn parse(connection_id: &str, query: &str, now: Micros) -> Result<Self, BadParameter> {
        let params = Params::parse(query, &["source", "from", "to"])?;
        let (from, to) = window(params.time_or_date("from")?, params.time_or_date("to")?)?;
        // A window that ends within a day takes that day whole.
        let to = to.map_or(day_of(now) + 1, |to| day_of(to - 1) + 1);
        let from = from.map_or(to - DAYS_DEFAULT, day_of);
        if from > to {
            return Err(BadParameter::new("from", "is later than today; give to as well"));
        }
        if to - from > DAYS_MAX {
            return Err(BadParameter::new("from", format!("is more than {DAYS_MAX} days before the end")));
        }
        Ok(Self { connection_id: connection_id.to_owned(), source: source(&params)?, from, to })
    }
}

/// Whole seconds where they are whole.
fn seconds<S: Serializer>(ms: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    if ms.is_multiple_of(1_000) {
        serializer.serialize_u64(ms / 1_000)
    } else {
        serializer.serialize_f64(*ms as f64 / 1_000.0)
    }
}

/// A row of the answer.
#[derive(Serialize)]
struct Row {
    date: String,
    api_calls: u64,
    rows_modified: u64,
    schema_changes: u64,
    syncs: SyncCounts,
    #[serde(serialize_with = "seconds")]
    seconds_syncing: u64,
    events: u64,
    errors: u64,
    warnings: u64,
}

impl From<DayRow> for Row {
    fn from(DayRow { day, syncing_ms }: DayRow) -> Self {
        Self {
            date: date(day.day),
            api_calls: day.api_calls,
            rows_modified: day.rows_modified,
            schema_changes: day.schema_changes,
            syncs: day.syncs,
            seconds_syncing: syncing_ms,
            events: day.events,
            errors: day.errors,
            warnings: day.warnings,
        }
    }
}

/// `2026-07-07`.
fn date(day: i64) -> String {
    let mut text = time_text(day.saturating_mul(DAY_US));
    if let Some(at) = text.find('T') {
        text.truncate(at);
    }
    text
}

/// A row for each day.
///
/// # Errors
/// What the store says.
pub fn daily(lives: &dyn Lives, request: &DailyRequest) -> Answer {
    let DailyRequest { connection_id, source, from, to } = request;
    let whose = Whose { id: connection_id, source: *source };
    let found = if is_nobody(connection_id) { None } else { lives.days(whose, *from, *to)? };
    let Some(found) = found else {
        return Ok(Err(Missing::Connection));
    };
    let mut found = found.into_iter().peekable();
    let rows: Vec<String> = (*from..*to)
        .map(|day| {
            let row = found.next_if(|row| row.day.day == day);
            let row = row.unwrap_or(DayRow { day: Day { day, ..Day::default() }, syncing_ms: 0 });
            serde_json::to_string(&Row::from(row)).expect("a row has text keys only")
        })
        .collect();
    Ok(Ok(page(rows.iter().map(String::as_str), None)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-07-07T16:35:14Z.
    const NOW: Micros = 1_783_442_114_000_000;

    fn days(query: &str) -> Result<(String, String), BadParameter> {
        DailyRequest::parse("a", query, NOW).map(|request| (date(request.from), date(request.to)))
    }

    #[track_caller]
    fn check(query: &str, from: &str, to: &str) {
        assert_eq!(days(query), Ok((from.to_owned(), to.to_owned())), "{query}");
    }

    #[test]
    fn a_window_is_days_of_utc() {
        check("", "2026-06-08", "2026-07-08");
        check("from=2026-07-01", "2026-07-01", "2026-07-08");
        check("to=2026-07-01", "2026-06-01", "2026-07-01");
        check("from=2026-03-01&to=2026-03-01", "2026-03-01", "2026-03-01");
        check("from=2026-03-01T12:00:00Z&to=2026-03-02T00:00:00.000001Z", "2026-03-01", "2026-03-03");
        check("from=2026-03-01T00:30:00%2B02:00&to=2026-03-02T00:00:00Z", "2026-02-28", "2026-03-02");
        check("from=1969-12-31&to=1970-01-02", "1969-12-31", "1970-01-02");
        assert_eq!(days("from=2025-06-02").map_err(|e| e.name), Err("from".into()), "401 days");
        check("from=2025-06-03", "2025-06-03", "2026-07-08");
        for query in ["from=2026-07-09", "from=2026-07-02&to=2026-07-01", "from=july", "to=2026-02-30", "limit=3"] {
            let name = query.split('=').next().unwrap_or_default();
            assert_eq!(days(query).map_err(|e| e.name), Err(name.to_owned()), "{query}");
        }
    }

    #[test]
    fn seconds_are_whole_where_they_can_be() {
        let row =
            |syncing_ms| serde_json::to_string(&Row::from(DayRow { day: Day::default(), syncing_ms })).expect("a row");
        assert!(row(54_000).contains(r#""seconds_syncing":54,"#), "{}", row(54_000));
        assert!(row(54_250).contains(r#""seconds_syncing":54.25,"#), "{}", row(54_250));
        assert!(row(0).starts_with(r#"{"date":"1970-01-01","api_calls":0,"#), "{}", row(0));
    }
}
