//! Questions about the audit trail: `/v1/audit` and everything below it.
//!
//! In: paths and query strings. Out: records as they were hashed, exports, signed checkpoints, proofs, rights, summaries. Everything needs
//! a token that may read; an export leaves a record of itself in the access log.

pub(in crate::server) mod checkpoints;
pub(in crate::server) mod export;
pub(in crate::server) mod records;
pub(in crate::server) mod reports;

use super::Problem;
use crate::{
    auth::Access,
    query::audit::ProofProblem,
    server::state::{Door, State},
};
use actix_web::{HttpRequest, HttpResponse};
use std::sync::Arc;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) enum AuditAsk {
    Records,
    Record(String),
    Export,
    ExportManifest,
    Checkpoint,
    Checkpoints,
    Key,
    Inclusion,
    Consistency,
    AccessRights,
    Summary,
}

impl AuditAsk {
    /// What a path behind `/v1/audit` asks for.
    pub fn at(path: &str) -> Option<Self> {
        let named = |part: &str| crate::protocol::percent_decode(part).into_owned();
        Some(match path {
            "" => Self::Records,
            "/export" => Self::Export,
            "/export/manifest" => Self::ExportManifest,
            "/checkpoint" => Self::Checkpoint,
            "/checkpoints" => Self::Checkpoints,
            "/key" => Self::Key,
            "/proof/inclusion" => Self::Inclusion,
            "/proof/consistency" => Self::Consistency,
            "/access-rights" => Self::AccessRights,
            "/summary" => Self::Summary,
            other => Self::Record(named(other.strip_prefix('/').filter(|seq| !seq.is_empty() && !seq.contains('/'))?)),
        })
    }
}

/// Answers a question.
pub(super) async fn answer(
    ask: &AuditAsk,
    state: &Arc<State>,
    door: Door,
    req: &HttpRequest,
) -> Result<HttpResponse, Problem> {
    let by = state.authorize(door, req, None, Access::Read)?;
    match ask {
        AuditAsk::Records => records::list(state, req).await,
        AuditAsk::Record(seq) => records::one(state, req, seq).await,
        AuditAsk::Export => export::export(state, door, req, by).await,
        AuditAsk::ExportManifest => export::manifest(state, req, by).await,
        AuditAsk::Checkpoint => checkpoints::newest(state, req).await,
        AuditAsk::Checkpoints => checkpoints::list(state, req).await,
        AuditAsk::Key => checkpoints::key(state, req).await,
        AuditAsk::Inclusion => records::inclusion(state, req).await,
        AuditAsk::Consistency => records::consistency(state, req).await,
        AuditAsk::AccessRights => reports::access_rights(state, req).await,
        AuditAsk::Summary => reports::summary(state, req).await,
    }
}

impl From<ProofProblem> for Problem {
    fn from(problem: ProofProblem) -> Self {
        let detail = problem.to_string();
        match problem {
            ProofProblem::Store(error) => error.into(),
            ProofProblem::NoRecord { .. } => Self::not_found(detail),
            ProofProblem::OutOfRange { name, .. } => crate::query::BadParameter::new(name, detail).into(),
            ProofProblem::Behind { .. } => crate::query::BadParameter::new("size", detail).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_exactly() {
        assert_eq!(AuditAsk::at(""), Some(AuditAsk::Records));
        assert_eq!(AuditAsk::at("/17"), Some(AuditAsk::Record("17".into())));
        assert_eq!(AuditAsk::at("/export"), Some(AuditAsk::Export));
        assert_eq!(AuditAsk::at("/export/manifest"), Some(AuditAsk::ExportManifest));
        assert_eq!(AuditAsk::at("/proof/inclusion"), Some(AuditAsk::Inclusion));
        for path in ["/", "x", "/17/", "/17/x", "/proof", "/proof/other/x"] {
            let ask = AuditAsk::at(path);
            assert!(ask.is_none() || path == "/proof", "{path}: {ask:?}");
        }
    }
}
