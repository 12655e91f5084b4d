//! `GET /v1/audit/access-rights`, `GET /v1/audit/summary`.
//!
//! The log is read page by page, so that other questions are answered in between, and a client that goes away ends the work.

use super::super::{Problem, pieces::answer, private};
use crate::{
    audit::{Log, summary::Summary},
    query::{
        audit::{Evidence, ReportFormat, RightsRecords, RightsRequest, SummaryRequest, summary_csv, summary_html},
        render::millis,
    },
    server::{audit::Signed, state::State},
};
use actix_web::{HttpRequest, HttpResponse, http::header};
use serde::Serialize;

/// The page draws itself with its own styles and nothing else.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn evidence(state: &State, signed: &Signed) -> Evidence {
    let key = state.audit.notary.public(signed.log);
    Evidence {
        origin: signed.origin.clone(),
        tree_size: signed.size,
        made_at: signed.made_at.clone(),
        checkpoint: signed.note.clone(),
        public_key: key.to_string(),
        fingerprint: key.fingerprint(),
    }
}

/// A report as JSON.
#[derive(Serialize)]
struct Report<'r, H: Serialize, B: Serialize> {
    #[serde(flatten)]
    head: H,
    #[serde(flatten)]
    body: B,
    origin: &'r str,
    tree_size: u64,
    checkpoint: &'r str,
    public_key: &'r str,
}

/// What a summary is of.
#[derive(Serialize)]
struct Period<'p> {
    log: &'static str,
    from: Option<String>,
    to: Option<String>,
    as_of: &'p str,
}

/// What rights are of.
#[derive(Serialize)]
struct Moment {
    as_of: String,
}

/// What is asked for, the members of a report, then what it stands under.
fn report(head: impl Serialize, body: impl Serialize, evidence: &Evidence) -> Vec<u8> {
    let Evidence { origin, tree_size, checkpoint, public_key, .. } = evidence;
    // Texts and numbers: nothing that JSON could refuse.
    serde_json::to_vec(&Report { head, body, origin, tree_size: *tree_size, checkpoint, public_key })
        .unwrap_or_default()
}

/// Who could do what at a moment: users, teams, roles, memberships, permissions.
///
/// Folded from the records of the trail, each statement with the numbers of the records that prove it; nothing is said that no record
/// says.
#[utoipa::path(get, operation_id = "audit_access_rights", path = "/v1/audit/access-rights", tag = "audit", security(("token" = [])), params(
    ("as_of" = Option<String>, Query, format = DateTime, description = "As if nothing after this moment had happened"),
), responses((status = 200, description = "The rights", body = Object)))]
pub(in crate::server) async fn access_rights(state: &State, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    let request = RightsRequest::parse(req.query_string())?;
    let signed = state.audit.notary.newest(Log::Trail).await?;
    let mut records = RightsRecords::default();
    let mut more = true;
    while more {
        let size = signed.size;
        let step = state.read(move |store| {
            let more = records.step(store.trail(), request, size)?;
            Ok((records, more))
        });
        (records, more) = step.await?;
    }
    let rights = state.read(move |_| records.fold()).await?;
    let as_of = request.as_of.map_or_else(|| signed.made_at.clone(), millis);
    let body = report(Moment { as_of }, &rights, &evidence(state, &signed));
    answer(state, body).await
}

/// How much was done in a period, by actor, action, use case and resource.
///
/// `format=html` is a page that prints well and names the checkpoint that it stands under; `csv` has one row a name.
#[utoipa::path(get, operation_id = "audit_summary", path = "/v1/audit/summary", tag = "audit", security(("token" = [])), params(
    ("log" = Option<String>, Query, description = "`trail` (the default) or `access`"),
    ("from" = Option<String>, Query, format = DateTime, description = "Not before this moment or day"),
    ("to" = Option<String>, Query, format = DateTime, description = "Before this moment or day"),
    ("format" = Option<String>, Query, description = "`json` (the default), `html` or `csv`"),
), responses((status = 200, description = "The counts", body = Object)))]
pub(in crate::server) async fn summary(state: &State, req: &HttpRequest) -> Result<HttpResponse, Problem> {
    let request = SummaryRequest::parse(req.query_string())?;
    let signed = state.audit.notary.newest(request.log).await?;
    let mut counted = Summary::default();
    let mut after = None;
    loop {
        let size = signed.size;
        let step = state.read(move |store| {
            let next = request.step(store.trail(), size, after, &mut counted)?;
            Ok((counted, next))
        });
        (counted, after) = step.await?;
        if after.is_none() {
            break;
        }
    }
    let (totals, evidence) = (counted.finish(), evidence(state, &signed));
    let name = format!("lifeline-audit-summary-{}-{}", request.log.as_str(), signed.size);
    let mut file = HttpResponse::Ok();
    private(&mut file);
    match request.format {
        ReportFormat::Json => {
            let moment = |at: Option<i64>| at.map(|at| crate::model::Timestamp::from_micros(at).to_string());
            let (from, to) = (moment(request.from), moment(request.to));
            let head = Period { log: request.log.as_str(), from, to, as_of: &signed.made_at };
            answer(state, report(head, &totals, &evidence)).await
        }
        ReportFormat::Csv => Ok(file
            .content_type("text/csv; charset=utf-8; header=present")
            .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.csv\"")))
            .body(summary_csv(&totals))),
        ReportFormat::Html => Ok(file
            .content_type("text/html; charset=utf-8")
            .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
            .body(summary_html(request, &totals, &evidence))),
    }
}
