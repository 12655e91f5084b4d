//! Reports over many records: who could do what at a moment, and what was done in a period.
//!
//! In: an audit log, page by page. Out: JSON, CSV, and an HTML page that needs nothing else and prints well. Bounded: the fold of a
//! summary is bounded by the number of names; records about rights by [`RIGHTS_BYTES_MAX`]. Every text of a record is escaped.

use super::super::{BadParameter, Params, cell};
use crate::{
    audit::{
        Entry, Log,
        rights::{self, AccessRights, Rights},
        summary::{Count, Counts, Summary, Totals},
    },
    model::{Micros, Timestamp},
    store::{
        Order, StoreError, Trail,
        trail::{RecordFilter, RecordQuery},
    },
};
use std::fmt::Write as _;

/// Records that are read at a time.
const STEP_RECORDS: usize = 1000;

/// Most bytes of records about rights that are folded at once.
const RIGHTS_BYTES_MAX: usize = 64 << 20;

/// Form of a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFormat {
    /// For programs.
    Json,
    /// For people and printers.
    Html,
    /// For spreadsheets.
    Csv,
}

impl ReportFormat {
    /// Every form.
    pub const ALL: [Self; 3] = [Self::Json, Self::Html, Self::Csv];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Html => "html",
            Self::Csv => "csv",
        }
    }
}

/// A request for a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SummaryRequest {
    /// Of this log.
    pub log: Log,
    /// Not before, microseconds.
    pub from: Option<Micros>,
    /// Before, microseconds.
    pub to: Option<Micros>,
    /// In this form.
    pub format: ReportFormat,
}

impl SummaryRequest {
    /// Reads the query string of `GET /v1/audit/summary`.
    ///
    /// # Errors
    /// The first bad parameter.
    pub fn parse(query: &str) -> Result<Self, BadParameter> {
        let params = Params::parse(query, &["log", "from", "to", "format"])?;
        let (from, to) = (params.time_or_date("from")?, params.time_or_date("to")?);
        if from.zip(to).is_some_and(|(from, to)| from > to) {
            return Err(BadParameter::new("from", "is later than to"));
        }
        let format = params.word("format", &ReportFormat::ALL, ReportFormat::as_str)?.unwrap_or(ReportFormat::Json);
        Ok(Self { log: params.word("log", &Log::ALL, Log::as_str)?.unwrap_or(Log::Trail), from, to, format })
    }

    /// Counts the records behind a number, among the first `size`; gives the number to go on from. Blocks.
    ///
    /// # Errors
    /// What the store says.
    pub fn step(
        self,
        trail: &dyn Trail,
        size: u64,
        after: Option<u64>,
        counted: &mut Summary,
    ) -> Result<Option<u64>, StoreError> {
        let filter = RecordFilter { from: self.from, to: self.to, ..RecordFilter::default() };
        let (log, order, size) = (self.log, Order::Asc, Some(size));
        let page = trail.records(&RecordQuery { log, filter, order, after, size, limit: STEP_RECORDS })?;
        for record in &page.records {
            if let Some(body) = &record.body {
                counted.take(body).map_err(|error| damaged(record.seq, &error))?;
            }
        }
        Ok(page.next)
    }
}

fn damaged(seq: u64, error: &serde_json::Error) -> StoreError {
    StoreError::Damaged(format!("audit record {seq}: {error}"))
}

/// A request for access rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RightsRequest {
    /// As they stood at this moment, microseconds.
    pub as_of: Option<Micros>,
}

impl RightsRequest {
    /// Reads the query string of `GET /v1/audit/access-rights`.
    ///
    /// # Errors
    /// The first bad parameter.
    pub fn parse(query: &str) -> Result<Self, BadParameter> {
        let params = Params::parse(query, &["as_of"])?;
        Ok(Self { as_of: params.moment("as_of")? })
    }
}

/// Records about rights, collected.
#[derive(Debug, Default)]
pub struct RightsRecords {
    found: Vec<(Micros, u64, String)>,
    bytes: usize,
    /// The event that is looked for, and behind which number.
    place: (usize, Option<u64>),
}

impl RightsRecords {
    /// Collects the next page among the first `size` records; false when there is no more. Blocks.
    ///
    /// # Errors
    /// What the store says, and that there is too much.
    pub fn step(&mut self, trail: &dyn Trail, request: RightsRequest, size: u64) -> Result<bool, StoreError> {
        let (event, after) = self.place;
        let Some(name) = rights::EVENTS.get(event) else { return Ok(false) };
        let filter = RecordFilter {
            event: Some((*name).to_owned()),
            // What was done in that very microsecond belongs to it.
            to: request.as_of.map(|as_of| as_of.saturating_add(1)),
            ..RecordFilter::default()
        };
        let (log, order, size) = (Log::Trail, Order::Asc, Some(size));
        let page = trail.records(&RecordQuery { log, filter, order, after, size, limit: STEP_RECORDS })?;
        for record in page.records {
            let Some(body) = record.body else { continue };
            self.bytes += body.len();
            if self.bytes > RIGHTS_BYTES_MAX {
                let limit = RIGHTS_BYTES_MAX >> 20;
                return Err(StoreError::Engine(format!("records about access rights have more than {limit} MiB")));
            }
            self.found.push((record.at, record.seq, body));
        }
        self.place = page.next.map_or((event + 1, None), |next| (event, Some(next)));
        Ok(true)
    }

    /// The rights that they give.
    ///
    /// # Errors
    /// A record cannot be read.
    pub fn fold(mut self) -> Result<AccessRights, StoreError> {
        self.found.sort_unstable_by_key(|(at, seq, _)| (*at, *seq));
        let mut rights = Rights::default();
        for (_, seq, body) in &self.found {
            rights.take(&Entry::parse(body).map_err(|error| damaged(*seq, &error))?);
        }
        Ok(rights.finish())
    }
}

/// What a report stands under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What the log is called.
    pub origin: String,
    /// Records under the checkpoint.
    pub tree_size: u64,
    /// When it was signed.
    pub made_at: String,
    /// The signed checkpoint.
    pub checkpoint: String,
    /// The public key.
    pub public_key: String,
    /// What people compare.
    pub fingerprint: String,
}

/// The groups of a summary, with what their names are.
fn groups(totals: &Totals) -> [(&'static str, &'static str, &'static str, &Counts); 4] {
    [
        ("actor", "Actors", "Kind", &totals.actors),
        ("action", "Actions", "", &totals.actions),
        ("use_case", "Use cases", "Event", &totals.use_cases),
        ("resource", "Resources", "Type", &totals.resources),
    ]
}

/// A summary as CSV: one row a name.
#[must_use]
pub fn summary_csv(totals: &Totals) -> Vec<u8> {
    let mut out = Vec::new();
    let mut row = |cells: [&str; 6]| cell::put_line(&mut out, cells.map(cell::inert).iter().map(|cell| &**cell));
    row(["by", "type", "name", "records", "first_seq", "last_seq"]);
    for (by, _, _, counts) in groups(totals) {
        for Count { kind, name, records, first_seq, last_seq } in &counts.top {
            let (kind, name) = (kind.as_deref().unwrap_or_default(), name.as_deref().unwrap_or_default());
            row([by, kind, name, &records.to_string(), &first_seq.to_string(), &last_seq.to_string()]);
        }
        if counts.other > 0 {
            row([by, "", "(all others)", &counts.other.to_string(), "", ""]);
        }
    }
    out
}

/// Text as it can stand in HTML, between tags and in attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && c != '\n' => out.push('\u{fffd}'),
            // Characters that turn the direction of what follows could make a line read as another.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

const STYLE: &str = "body{font:14px/1.45 system-ui,sans-serif;color:#111;max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem;margin:0 0 .25rem}h2{font-size:1.1rem;margin:1.75rem 0 .5rem}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.2rem .6rem .2rem 0;border-bottom:1px solid #ddd;\
overflow-wrap:anywhere;vertical-align:top}th{font-weight:600}.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dt{font-weight:600}dd{margin:0;overflow-wrap:anywhere}\
pre{font:12px/1.4 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid #ddd;padding:.6rem}\
footer{margin-top:2rem;color:#555}@media print{body{margin:0;max-width:none;font-size:11px}h2{break-after:avoid}tr{break-inside:avoid}\
thead{display:table-header-group}@page{margin:15mm}}";

/// A summary as a page: the period, the counts, and the checkpoint that it stands under.
#[must_use]
pub fn summary_html(request: SummaryRequest, totals: &Totals, evidence: &Evidence) -> String {
    let moment = |at: Option<Micros>, open: &str| {
        at.map_or_else(|| open.to_owned(), |at| Timestamp::from_micros(at).to_string())
    };
    let span = match (totals.first_seq, totals.last_seq) {
        (Some(first), Some(last)) => format!(", numbers {first} to {last}"),
        _ => String::new(),
    };
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Audit summary</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\n<h1>Audit summary</h1>\n<dl>\
         <dt>Log</dt><dd>{} ({})</dd><dt>From</dt><dd>{}</dd><dt>Until before</dt><dd>{}</dd>\
         <dt>Records</dt><dd>{}{span}</dd><dt>Log as of</dt><dd>{} records, signed {}</dd></dl>\n",
        escaped(&evidence.origin),
        request.log.as_str(),
        moment(request.from, "the beginning"),
        moment(request.to, "the checkpoint"),
        totals.records,
        evidence.tree_size,
        escaped(&evidence.made_at),
    );
    for (_, title, kind, counts) in groups(totals) {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "<h2>{title}</h2>");
        if counts.top.is_empty() {
            out.push_str("<p>None.</p>\n");
            continue;
        }
        let kind_head = if kind.is_empty() { String::new() } else { format!("<th>{kind}</th>") };
        let _ = writeln!(
            out,
            "<table><thead><tr>{kind_head}<th>Name</th><th class=\"n\">Records</th><th class=\"n\">First</th>\
             <th class=\"n\">Last</th></tr></thead><tbody>"
        );
        for Count { kind: of, name, records, first_seq, last_seq } in &counts.top {
            let of = if kind.is_empty() {
                String::new()
            } else {
                format!("<td>{}</td>", escaped(of.as_deref().unwrap_or("none")))
            };
            let name = escaped(name.as_deref().unwrap_or("unknown"));
            let _ = writeln!(
                out,
                "<tr>{of}<td>{name}</td><td class=\"n\">{records}</td><td class=\"n\">{first_seq}</td><td class=\"n\">{last_seq}</td></tr>"
            );
        }
        if counts.other > 0 {
            let span = if kind.is_empty() { 1 } else { 2 };
            let _ = writeln!(
                out,
                "<tr><td colspan=\"{span}\">{} others</td><td class=\"n\">{}</td><td></td><td></td></tr>",
                counts.other_names, counts.other
            );
        }
        out.push_str("</tbody></table>\n");
    }
    let _ = write!(
        out,
        "<h2>Evidence</h2>\n<p>The counts are of the records under this signed checkpoint. An export of the same log \
         (<code>GET /v1/audit/export?format=zip</code>) holds the records themselves and proves offline that they belong to it.</p>\n\
         <pre>{}</pre>\n<dl><dt>Public key</dt><dd>{}</dd><dt>Fingerprint</dt><dd>{}</dd></dl>\n\
         <footer>Made by Lifeline {}. All times are UTC.</footer>\n</body></html>\n",
        escaped(&evidence.checkpoint),
        escaped(&evidence.public_key),
        escaped(&evidence.fingerprint),
        env!("CARGO_PKG_VERSION"),
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_record_becomes_markup() {
        let nasty = "<script>alert(\"1\")</script>'&\u{202e}\u{7}";
        let count = Count { kind: Some(nasty.into()), name: Some(nasty.into()), records: 2, first_seq: 1, last_seq: 9 };
        let counts = Counts { top: vec![count], other: 3, other_names: 2 };
        let totals = Totals { records: 5, actors: counts.clone(), resources: counts, ..Totals::default() };
        let evidence = Evidence {
            origin: nasty.into(),
            tree_size: 9,
            made_at: nasty.into(),
            checkpoint: nasty.into(),
            public_key: nasty.into(),
            fingerprint: nasty.into(),
        };
        let request = SummaryRequest::parse("from=2026-01-01").expect("good");
        let html = summary_html(request, &totals, &evidence);
        assert!(!html.contains("<script") && !html.contains("alert(\"") && !html.contains('\u{202e}'), "{html}");
        assert!(html.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;"), "{html}");
        assert!(html.contains("2026-01-01T00:00:00Z") || html.contains("2026-01-01T00:00:00.000000Z"), "{html}");
        assert!(
            !html.contains("http://") && !html.contains("https://") && !html.contains("src="),
            "it needs nothing else"
        );
    }

    #[test]
    fn no_name_runs_as_a_formula() {
        let count = Count { kind: None, name: Some("=1+1".into()), records: 2, first_seq: 1, last_seq: 9 };
        let totals = Totals { actions: Counts { top: vec![count], other: 1, other_names: 1 }, ..Totals::default() };
        let text = String::from_utf8(summary_csv(&totals)).expect("text");
        assert_eq!(
            text,
            "by,type,name,records,first_seq,last_seq\r\naction,,'=1+1,2,1,9\r\naction,,(all others),1,,\r\n"
        );
    }

    #[test]
    fn requests_are_read_strictly() {
        assert_eq!(SummaryRequest::parse("format=pdf").map_err(|error| error.name), Err("format".into()));
        assert_eq!(RightsRequest::parse("as_of=now").map_err(|error| error.name), Err("as_of".into()));
        let request = SummaryRequest::parse("log=access&format=html").expect("good");
        assert_eq!((request.log, request.format), (Log::Access, ReportFormat::Html));
    }
}
