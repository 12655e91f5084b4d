//! RFC 9457 problem documents, for every protocol that has no error shape of its own.
//!
//! In: an error. Out: a reply whose words say what to do next. Exists because the native route, the webhook and the
//! query routes must not differ in how they fail.

use super::{AuthError, DecodeError, IngestError, Reply};
use serde_json::json;

/// Media type of a problem document.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// One kind of problem: its status, its stable name in the `type` member, its title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// HTTP status.
    pub status: u16,
    /// Last part of the `type` address. Never renamed once released.
    pub slug: &'static str,
    /// Short words, the same for every problem of the kind.
    pub title: &'static str,
}

impl Kind {
    const fn new(status: u16, slug: &'static str, title: &'static str) -> Self {
        Self { status, slug, title }
    }

    /// What kind of problem an error is.
    #[must_use]
    pub fn of(error: &IngestError) -> Self {
        match error {
            IngestError::Auth(AuthError::Throttled { .. }) => {
                Self::new(429, "too-many-failed-attempts", "Too many failed attempts")
            }
            IngestError::Auth(AuthError::Forbidden) => Self::new(403, "forbidden", "This token may not do this"),
            IngestError::Auth(_) => Self::new(401, "unauthorized", "A valid credential is needed"),
            IngestError::TooLarge { .. } | IngestError::Malformed(DecodeError { code: DecodeError::TOO_LARGE, .. }) => {
                Self::new(413, "too-large", "The body is too large")
            }
            IngestError::UnknownEncoding => Self::new(415, "unknown-encoding", "The content encoding is not supported"),
            IngestError::BadEncoding(_) => Self::new(400, "bad-encoding", "The compressed body is damaged"),
            IngestError::Timeout => Self::new(408, "timeout", "The body did not arrive in time"),
            IngestError::Malformed(_) => Self::new(400, "unreadable-body", "The body cannot be read"),
            IngestError::Busy { .. } => Self::new(503, "busy", "The server is busy"),
            IngestError::StoreUnavailable { .. } => Self::new(503, "store-unavailable", "The store cannot write"),
            IngestError::ShuttingDown => Self::new(503, "shutting-down", "The server is shutting down"),
            IngestError::Internal => Self::new(500, "internal", "Internal error"),
        }
    }
}

/// A problem document.
#[must_use]
pub fn document(kind: Kind, detail: &str) -> Reply {
    let body = json!({
        "type": format!("https://lifeline.invalid/problems/{}", kind.slug),
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
    });
    Reply { content_type: Some(CONTENT_TYPE), ..Reply::json(kind.status, &body) }
}

/// The problem document of an error, with the headers that belong to its status.
#[must_use]
pub fn reply(error: &IngestError) -> Reply {
    let kind = Kind::of(error);
    let reply = with_retry_after(document(kind, &detail(error)), error);
    if kind.status == 401 { reply.with_header("www-authenticate", "Bearer realm=\"lifeline\"") } else { reply }
}

/// Adds `Retry-After` where waiting helps.
#[must_use]
pub fn with_retry_after(reply: Reply, error: &IngestError) -> Reply {
    match retry_after_s(error) {
        Some(seconds) => reply.with_header("retry-after", seconds.to_string()),
        None => reply,
    }
}

/// Seconds after which the same request may be taken, where time alone can help.
#[must_use]
pub const fn retry_after_s(error: &IngestError) -> Option<u32> {
    match error {
        IngestError::Auth(AuthError::Throttled { retry_after_s })
        | IngestError::Busy { retry_after_s }
        | IngestError::StoreUnavailable { retry_after_s, .. } => Some(*retry_after_s),
        // A restart takes about this long.
        IngestError::ShuttingDown => Some(5),
        _ => None,
    }
}

/// What happened and what became of the data, for the sender.
#[must_use]
pub fn detail(error: &IngestError) -> String {
    match error {
        IngestError::Malformed(cause) if cause.quarantine => {
            format!("{error}; the body is kept in quarantine, see GET /v1/quarantine")
        }
        IngestError::Auth(AuthError::Missing | AuthError::Malformed) => {
            format!("{error}; send Authorization: Bearer TOKEN, Splunk TOKEN, Basic with the token, or ?token=TOKEN")
        }
        IngestError::Auth(AuthError::Unsigned) => {
            format!("{error}; make the webhook with the secret that is set here, so that Fivetran signs what it sends")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(error: &IngestError, status: u16, header: Option<(&str, &str)>) {
        let reply = reply(error);
        assert_eq!(reply.status, status, "{error}");
        assert_eq!(reply.content_type, Some("application/problem+json"));
        let headers: Vec<(&str, &str)> = reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(headers, header.into_iter().collect::<Vec<_>>(), "{error}");
        let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(body["status"], status);
        for member in ["type", "title", "detail"] {
            assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{error}: {member}");
        }
    }

    #[test]
    fn every_error_has_its_status_and_headers() {
        let bearer = Some(("www-authenticate", "Bearer realm=\"lifeline\""));
        check(&AuthError::Missing.into(), 401, bearer);
        check(&AuthError::Unknown.into(), 401, bearer);
        check(&AuthError::Disabled.into(), 401, bearer);
        check(&AuthError::Unsigned.into(), 401, bearer);
        check(&AuthError::BadSignature.into(), 401, bearer);
        check(&AuthError::UnknownKey.into(), 401, bearer);
        check(&AuthError::Skewed { off_by_s: 901, off_by_s_max: 900 }.into(), 401, bearer);
        check(&AuthError::Forbidden.into(), 403, None);
        check(&AuthError::Throttled { retry_after_s: 7 }.into(), 429, Some(("retry-after", "7")));
        check(&IngestError::TooLarge { limit_bytes: 1 }, 413, None);
        check(&IngestError::Malformed(DecodeError::too_large("too many")), 413, None);
        check(&IngestError::UnknownEncoding, 415, None);
        check(&IngestError::BadEncoding("it ends too early".into()), 400, None);
        check(&IngestError::Timeout, 408, None);
        check(&IngestError::Malformed(DecodeError::new(0, "not JSON")), 400, None);
        check(&IngestError::Busy { retry_after_s: 2 }, 503, Some(("retry-after", "2")));
        let full = IngestError::StoreUnavailable { reason: "disk full".into(), retry_after_s: 30 };
        check(&full, 503, Some(("retry-after", "30")));
        check(&IngestError::ShuttingDown, 503, Some(("retry-after", "5")));
        check(&IngestError::Internal, 500, None);
    }
}
