//! Problem documents (RFC 9457) for everything that is no protocol's own business.
//!
//! In: what went wrong in any room. Out: status, stable `type`, words that say what to do, never the inner cause; that
//! goes to the log, here, once.

use super::head::trimmed;
use crate::{
    auth::Access,
    protocol::{AuthError, IngestError, problem, splunk_hec},
    query::BadParameter,
    store::StoreError,
};
use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header},
};
use serde::Serialize;
use std::{borrow::Cow, time::Duration};
use utoipa::ToSchema;

/// Why a request is answered with an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    slug: &'static str,
    title: &'static str,
    status: u16,
    detail: Cow<'static, str>,
    retry_after_s: Option<u64>,
    more: Option<Box<More>>,
}

/// What only some problems have.
#[derive(Debug, Clone, PartialEq, Eq)]
enum More {
    /// The offending parameter and what would have been right.
    Parameter(BadParameter),
    /// The methods that the path takes.
    Allow(String),
}

/// The document.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemDocument<'a> {
    /// Stable name of the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "https://lifeline.invalid/problems/bad-parameter")]
    kind: String,
    /// Short words for the kind.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// What happened and what to do.
    detail: &'a str,
    /// What to look for in the log.
    request_id: &'a str,
    /// The offending parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    parameter: Option<&'a str>,
    /// What would have been right.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    allowed: Option<&'a [String]>,
}

impl Problem {
    pub fn new(status: u16, slug: &'static str, title: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { slug, title, status, detail: detail.into(), retry_after_s: None, more: None }
    }

    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(404, "not-found", "Not found", detail)
    }

    pub fn method_not_allowed(allow: String) -> Self {
        let detail = format!("this path takes {allow}");
        let more = Some(Box::new(More::Allow(allow)));
        Self { more, ..Self::new(405, "method-not-allowed", "Method not allowed", detail) }
    }

    pub fn bad_body(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "bad-body", "The body cannot be used", detail)
    }

    pub fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(409, "conflict", "This contradicts what is there", detail)
    }

    pub fn busy(detail: &'static str, retry_after: Duration) -> Self {
        Self {
            retry_after_s: Some(retry_after.as_secs()),
            ..Self::new(503, "busy", "The server is busy", format!("{detail}; try again later"))
        }
    }

    pub fn internal() -> Self {
        Self::new(500, "internal", "Internal error", "a fault of ours; the log has more under this request_id")
    }

    pub fn of_reader(error: AuthError, access: Access) -> Self {
        let needed = match access {
            Access::Read => "a read or admin token",
            Access::Admin => "an admin token",
        };
        let detail = match error {
            AuthError::Throttled { .. } => error.to_string(),
            _ => format!("{error}; this path needs {needed}: Authorization: Bearer TOKEN"),
        };
        Self { detail: detail.into(), ..Self::from(IngestError::Auth(error)) }
    }

    /// The answer.
    pub fn respond(&self, request_id: &str) -> HttpResponse {
        let (bad, allow) = match self.more.as_deref() {
            Some(More::Parameter(bad)) => (Some(bad), None),
            Some(More::Allow(allow)) => (None, Some(allow)),
            None => (None, None),
        };
        let document = ProblemDocument {
            kind: format!("https://lifeline.invalid/problems/{}", self.slug),
            title: self.title,
            status: self.status,
            detail: &self.detail,
            request_id,
            parameter: bad.map(|bad| bad.name.as_str()),
            allowed: bad.map(|bad| bad.allowed.as_slice()).filter(|allowed| !allowed.is_empty()),
        };
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer = HttpResponseBuilder::new(status);
        answer.content_type(problem::CONTENT_TYPE);
        private(&mut answer);
        if self.status == 401 {
            answer.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"lifeline\""));
        }
        if let Some(seconds) = self.retry_after_s {
            answer.insert_header((header::RETRY_AFTER, seconds));
        }
        if let Some(allow) = allow {
            answer.insert_header((header::ALLOW, allow.as_str()));
        }
        answer.body(serde_json::to_vec(&document).unwrap_or_default())
    }
}

/// Headers of answers that are somebody's own and no page.
pub(super) fn private(answer: &mut HttpResponseBuilder) {
    answer
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"));
}

impl From<BadParameter> for Problem {
    fn from(bad: BadParameter) -> Self {
        let problem = Self::new(400, "bad-parameter", "A parameter cannot be used", bad.to_string());
        Self { more: Some(Box::new(More::Parameter(bad))), ..problem }
    }
}

impl From<IngestError> for Problem {
    fn from(error: IngestError) -> Self {
        let kind = problem::Kind::of(&error);
        Self {
            retry_after_s: problem::retry_after_s(&error).map(u64::from),
            ..Self::new(kind.status, kind.slug, kind.title, problem::detail(&error))
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy { .. } => Self::busy("the write queue is full", Duration::from_secs(1)),
            StoreError::TooSlow { .. } => Self {
                retry_after_s: Some(5),
                ..Self::new(503, "too-slow", "The query takes too long", format!("{error}; narrow it with from and to"))
            },
            StoreError::Removed { .. } => Self::new(410, "removed", "Removed by retention", error.to_string()),
            StoreError::Closed => Self::from(IngestError::ShuttingDown),
            StoreError::DiskFull | StoreError::ReadOnly | StoreError::Locked => {
                Self::from(IngestError::StoreUnavailable { reason: error.to_string(), retry_after_s: 5 })
            }
            StoreError::Damaged(what) => {
                tracing::error!("stored data is damaged: {what}");
                // Who reads may know: the words name connections, times and parts of the file, never what events say.
                let advice =
                    "what lies on either side of it in time, and other connections, can be read; see lifeline verify";
                Self::new(500, "damaged", "Stored data is damaged", format!("{what}: cannot be read; {advice}"))
            }
            StoreError::Engine(_) => {
                tracing::error!("the store failed: {error}");
                Self::internal()
            }
        }
    }
}

/// The answer to a path, or a method on a path, that is not served, in the dialect of its neighbours.
pub(super) fn not_served(path: &str, allow: Option<String>, request_id: &str) -> HttpResponse {
    let dialect_of = |prefix: &str| trimmed(path) == prefix || path.starts_with(&format!("{prefix}/"));
    if !dialect_of("/services/collector") {
        return match allow {
            Some(allow) => Problem::method_not_allowed(allow),
            None => Problem::not_found("nothing is served at this path; see /docs"),
        }
        .respond(request_id);
    }
    let reply = if allow.is_some() { splunk_hec::method_not_allowed() } else { splunk_hec::not_found() };
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::NOT_FOUND);
    let mut answer = HttpResponseBuilder::new(status);
    answer.content_type("application/json").insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if let Some(allow) = allow {
        answer.insert_header((header::ALLOW, allow));
    }
    answer.body(reply.body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_is_named_to_whoever_reads() {
        let Problem { status, slug, detail, .. } =
            StoreError::Damaged("bodies of block 2: 333 events of c1".into()).into();
        assert_eq!((status, slug), (500, "damaged"));
        assert!(detail.starts_with("bodies of block 2: 333 events of c1: cannot be read; "), "{detail}");
    }
}
