//! What is asked about audit logs, read from query strings.
//!
//! In: a query string. Out: the store's questions. Refused: bad parameters, each with what would be right.

use super::super::{
    BadParameter, Params,
    cursor::{open, seal},
    page::{limit, not_ours},
};
use crate::{
    audit::{Log, renamed_resource},
    model::{EventId, Micros},
    store::{
        Order, StoreError, Trail,
        trail::{Head, RecordFilter, RecordQuery},
    },
};

/// Names of the filters.
pub(super) const FILTERS: [&str; 12] = [
    "log",
    "actor",
    "action",
    "event",
    "use_case",
    "method",
    "resource_type",
    "resource_id",
    "event_id",
    "q",
    "from",
    "to",
];

fn with_filters<'a>(others: &[&'a str]) -> Vec<&'a str> {
    FILTERS.iter().chain(others).copied().collect()
}

/// The word of a log.
#[must_use]
pub const fn log_word(log: Log) -> &'static str {
    log.as_str()
}

fn log(params: &Params) -> Result<Log, BadParameter> {
    Ok(params.word("log", &Log::ALL, log_word)?.unwrap_or(Log::Trail))
}

fn filter(params: &Params) -> Result<RecordFilter, BadParameter> {
    let text = |name: &str| params.text(name).map(str::to_owned);
    let upper = |name: &str| params.text(name).map(|text| text.trim().to_uppercase());
    let event_id = params.text("event_id").map(|id| {
        id.parse::<EventId>().map_err(|_| BadParameter::new("event_id", "is no id of an event: 32 hexadecimal digits"))
    });
    let (from, to, fine) = params.period(true)?;
    Ok(RecordFilter {
        actor: text("actor"),
        action: upper("action"),
        event: params.text("event").map(|name| name.trim().to_lowercase()),
        use_case: params.text("use_case").map(|name| name.trim().to_lowercase()),
        method: upper("method"),
        // Records have the names of today.
        resource_type: upper("resource_type").map(renamed_resource),
        resource_id: text("resource_id"),
        event_id: event_id.transpose()?,
        q: text("q"),
        from,
        to,
        fine,
    })
}

const fn order_word(order: Order) -> &'static str {
    match order {
        Order::Asc => "asc",
        Order::Desc => "desc",
    }
}

/// The cursor behind a record.
pub(super) fn record_cursor(log: Log, order: Order, after: u64) -> String {
    seal(&format!("a1{}.{}.{after}", log.as_str(), order_word(order)))
}

fn parse_record_cursor(cursor: &str) -> Option<(Log, Order, u64)> {
    let text = open(cursor)?;
    let mut parts = text.strip_prefix("a1")?.split('.');
    let (log, order, after) = (parts.next()?, parts.next()?, parts.next()?);
    let log = Log::ALL.into_iter().find(|known| known.as_str() == log)?;
    let order = [Order::Asc, Order::Desc].into_iter().find(|known| order_word(*known) == order)?;
    let plain = parts.next().is_none() && after.bytes().all(|byte| byte.is_ascii_digit());
    Some((log, order, after.parse().ok().filter(|_| plain)?))
}

/// A request for a page of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordsRequest(pub RecordQuery);

impl RecordsRequest {
    /// Reads the query string of `GET /v1/audit`.
    ///
    /// # Errors
    /// The first bad parameter.
    pub fn parse(query: &str) -> Result<Self, BadParameter> {
        let params = Params::parse(query, &with_filters(&["order", "limit", "cursor"]))?;
        let log = log(&params)?;
        let asked = params.word("order", &[Order::Asc, Order::Desc], order_word)?;
        let (order, after) = match params.text("cursor") {
            None => (asked.unwrap_or_default(), None),
            Some(cursor) => {
                let (of, order, after) =
                    parse_record_cursor(cursor).filter(|(of, ..)| *of == log).ok_or_else(|| not_ours("cursor"))?;
                debug_assert_eq!(of, log);
                if asked.is_some_and(|asked| asked != order) {
                    return Err(BadParameter::new("order", "is not the order in which the cursor was given out"));
                }
                (order, Some(after))
            }
        };
        let limit = limit(&params)?;
        Ok(Self(RecordQuery { log, filter: filter(&params)?, order, after, size: None, limit }))
    }
}

/// A request for one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRequest {
    /// In this log.
    pub log: Log,
    /// Its number.
    pub seq: u64,
}

impl RecordRequest {
    /// Reads the path and query string of `GET /v1/audit/{seq}`; no request when the path holds no number.
    ///
    /// # Errors
    /// The first bad parameter.
    pub fn parse(seq: &str, query: &str) -> Result<Option<Self>, BadParameter> {
        let LogRequest(log) = LogRequest::parse(query)?;
        let plain = !seq.is_empty() && seq.bytes().all(|byte| byte.is_ascii_digit()) && !seq.starts_with('0');
        Ok(seq.parse().ok().filter(|_| plain).map(|seq| Self { log, seq }))
    }
}

/// A request about a log as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRequest(pub Log);

impl LogRequest {
    /// Reads the query string of `GET /v1/audit/checkpoint`.
    ///
    /// # Errors
    /// The first bad parameter.
    pub fn parse(query: &str) -> Result<Self, BadParameter> {
        Ok(Self(log(&Params::parse(query, &["log"])?)?))
    }
}

/// A request for an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportParams {
    /// Of this log.
    pub log: Log,
    /// Which records.
    pub filter: RecordFilter,
    /// The name of the form; `csv` when nobody says.
    pub format: String,
}

impl ExportParams {
    /// Reads the query string of `GET /v1/audit/export`. `formats` are the names of the forms.
    ///
    /// # Errors
    /// The first bad parameter.
    pub fn parse(query: &str, formats: &[&'static str]) -> Result<Self, BadParameter> {
        let params = Params::parse(query, &with_filters(&["format"]))?;
        let format = params.word("format", formats, |word| word)?.unwrap_or("csv").to_owned();
        Ok(Self { log: log(&params)?, filter: filter(&params)?, format })
    }
}

/// A request for a proof that a record is in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InclusionRequest {
    /// In this log.
    pub log: Log,
    /// The record's number.
    pub seq: u64,
    /// Records under the tree; the newest checkpoint's when nobody says.
    pub size: Option<u64>,
}

impl InclusionRequest {
    /// Reads the query string of `GET /v1/audit/proof/inclusion`.
    ///
    /// # Errors
    /// The first bad parameter.
    pub fn parse(query: &str) -> Result<Self, BadParameter> {
        let params = Params::parse(query, &["log", "seq", "size"])?;
        let seq = params.number("seq", 1..=u64::MAX >> 1)?.ok_or_else(|| BadParameter::new("seq", "is needed"))?;
        Ok(Self { log: log(&params)?, seq, size: params.number("size", 1..=u64::MAX >> 1)? })
    }
}

/// A request for a proof that a tree is the beginning of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsistencyRequest {
    /// Of this log.
    pub log: Log,
    /// Records under the older tree.
    pub from: u64,
    /// Records under the newer tree; the newest checkpoint's when nobody says.
    pub to: Option<u64>,
}

impl ConsistencyRequest {
    /// Reads the query string of `GET /v1/audit/proof/consistency`.
    ///
    /// # Errors
    /// The first bad parameter.
    pub fn parse(query: &str) -> Result<Self, BadParameter> {
        let params = Params::parse(query, &["log", "from", "to"])?;
        let from = params.number("from", 0..=u64::MAX >> 1)?.ok_or_else(|| BadParameter::new("from", "is needed"))?;
        let to = params.number("to", 0..=u64::MAX >> 1)?;
        if to.is_some_and(|to| from > to) {
            return Err(BadParameter::new("from", "is more than to"));
        }
        Ok(Self { log: log(&params)?, from, to })
    }
}

/// A request for a page of kept checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadsRequest {
    /// Of this log.
    pub log: Log,
    /// Behind the checkpoint of this size and time.
    after: Option<(u64, Micros)>,
    limit: usize,
}

impl HeadsRequest {
    /// Reads the query string of `GET /v1/audit/checkpoints`.
    ///
    /// # Errors
    /// The first bad parameter.
    pub fn parse(query: &str) -> Result<Self, BadParameter> {
        let params = Params::parse(query, &["log", "limit", "cursor"])?;
        let log = log(&params)?;
        let place = |cursor: &str| {
            let text = open(cursor)?;
            let (of, place) = text.strip_prefix("h1")?.split_once('.')?;
            let (size, at) = place.split_once('.')?;
            (of == log.as_str()).then_some((size.parse().ok()?, at.parse().ok()?))
        };
        let after = params.text("cursor").map(|cursor| place(cursor).ok_or_else(|| not_ours("cursor")));
        Ok(Self { log, after: after.transpose()?, limit: limit(&params)? })
    }
}

/// A page of kept checkpoints, the newest first, and the cursor of the next page. Blocks.
///
/// # Errors
/// What the store says.
pub fn heads(trail: &dyn Trail, request: HeadsRequest) -> Result<(Vec<Head>, Option<String>), StoreError> {
    let HeadsRequest { log, after, limit } = request;
    let size_max = after.map(|(size, _)| size);
    let seen = |head: &Head| after.is_some_and(|(size, at)| head.size > size || (head.size == size && head.at >= at));
    // An idle log has many checkpoints of one size; those of the pages before are read again and passed over.
    let mut wanted = limit + 1;
    let mut found = loop {
        let all = trail.heads(log, size_max, wanted)?;
        let whole = all.len() < wanted;
        let new: Vec<Head> = all.into_iter().filter(|head| !seen(head)).collect();
        if whole || new.len() > limit {
            break new;
        }
        wanted *= 2;
    };
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more);
    let next = last.map(|head| seal(&format!("h1{}.{}.{}", log.as_str(), head.size, head.at)));
    Ok((found, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused<T: std::fmt::Debug>(parsed: Result<T, BadParameter>, name: &str) {
        assert_eq!(parsed.map_err(|error| error.name).expect_err("it is refused"), name);
    }

    #[test]
    fn every_filter_is_read() {
        let query = "log=access&actor=a%20b&action=edit&event=EDIT_CONNECTION&use_case=pause_or_resume&method=web_ui\
                     &resource_type=connection&resource_id=Id&q=Text&from=2026-07-07&to=2026-07-08T00:00:00Z\
                     &event_id=000639589c8b2b000000000000000001&order=asc&limit=7";
        let RecordsRequest(query) = RecordsRequest::parse(query).expect("good");
        assert_eq!((query.log, query.order, query.limit, query.after), (Log::Access, Order::Asc, 7, None));
        let text = |text: &str| Some(text.to_owned());
        let expected = RecordFilter {
            actor: text("a b"),
            action: text("EDIT"),
            event: text("edit_connection"),
            use_case: text("pause_or_resume"),
            method: text("WEB_UI"),
            resource_type: text("CONNECTION"),
            resource_id: text("Id"),
            event_id: "000639589c8b2b000000000000000001".parse().ok(),
            q: text("Text"),
            from: Some(1_783_382_400_000_000),
            to: Some(1_783_468_800_000_000),
            fine: crate::model::Fine::default(),
        };
        assert_eq!(query.filter, expected);
        for (asked, meant) in [("connector", "CONNECTION"), ("WAREHOUSE", "DESTINATION"), ("team", "TEAM")] {
            let asked = ExportParams::parse(&format!("resource_type={asked}"), &["csv"]).expect("good");
            assert_eq!(asked.filter.resource_type, text(meant));
        }
        let RecordsRequest(query) = RecordsRequest::parse("").expect("good");
        assert_eq!((query.log, query.order, query.limit), (Log::Trail, Order::Desc, 100));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        for (query, name) in [
            ("log=both", "log"),
            ("actors=x", "actors"),
            ("event_id=7", "event_id"),
            ("from=2026-07-08&to=2026-07-07", "from"),
            ("order=up", "order"),
            ("limit=1001", "limit"),
            ("cursor=x", "cursor"),
        ] {
            refused(RecordsRequest::parse(query), name);
        }
        let cursor = record_cursor(Log::Trail, Order::Asc, 17);
        refused(RecordsRequest::parse(&format!("cursor={cursor}&log=access")), "cursor");
        refused(RecordsRequest::parse(&format!("cursor={cursor}&order=desc")), "order");
        let RecordsRequest(query) = RecordsRequest::parse(&format!("cursor={cursor}")).expect("good");
        assert_eq!((query.order, query.after), (Order::Asc, Some(17)));
        refused(InclusionRequest::parse(""), "seq");
        refused(InclusionRequest::parse("seq=0"), "seq");
        refused(ConsistencyRequest::parse("to=3"), "from");
        refused(ConsistencyRequest::parse("from=4&to=3"), "from");
        refused(ExportParams::parse("format=xml", &["csv"]), "format");
        refused(HeadsRequest::parse("cursor=x"), "cursor");
        for odd in ["", "0", "x", "01", "-1", "99999999999999999999"] {
            assert_eq!(RecordRequest::parse(odd, ""), Ok(None), "{odd}");
        }
    }
}
