//! Request heads as the protocols see them, borrowed or owned.

use super::state::now_us;
use crate::protocol::{Head, Headers};
use actix_web::{HttpRequest, http::header::HeaderMap};

/// Headers that hold or complete a credential.
const ONLY_ONE: &[&str] = &[
    "authorization",
    "x-fivetran-signature-256",
    "x-amz-firehose-access-key",
    "x-amz-target",
    "x-amz-date",
    "x-ms-date",
    "dd-api-key",
    "api-key",
    "x-license-key",
];

/// The headers of the HTTP library, without copying.
pub(super) struct HeaderView<'h>(pub &'h HeaderMap);

impl Headers for HeaderView<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.get_all(name);
        let first = values.next()?;
        // Two different credentials in one request are nobody's: which one counts would depend on who reads them.
        if values.next().is_some() && ONLY_ONE.contains(&name) {
            return None;
        }
        first.to_str().ok()
    }
}

/// A path without its trailing slash.
pub(super) fn trimmed(path: &str) -> &str {
    match path.strip_suffix('/') {
        Some("") | None => path,
        Some(rest) => rest,
    }
}

/// The head of a request that has just arrived.
pub(super) fn view<'h>(req: &'h HttpRequest, headers: &'h HeaderView<'h>, request_id: &'h str) -> Head<'h> {
    Head {
        method: req.method().as_str(),
        path: trimmed(req.path()),
        query: req.query_string(),
        headers,
        now_us: now_us(),
        request_id,
    }
}

/// A copy of a head that can leave its thread.
pub(super) struct OwnedHead {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    now_us: i64,
    request_id: String,
}

impl OwnedHead {
    pub fn new(head: &Head<'_>, headers: &HeaderMap) -> Self {
        let headers = HeaderView(headers);
        let pairs = headers.0.keys().filter_map(|name| {
            let value = headers.get(name.as_str())?;
            Some((name.as_str().to_owned(), value.to_owned()))
        });
        Self {
            method: head.method.to_owned(),
            path: head.path.to_owned(),
            query: head.query.to_owned(),
            headers: pairs.collect(),
            now_us: head.now_us,
            request_id: head.request_id.to_owned(),
        }
    }

    pub fn view(&self) -> Head<'_> {
        Head {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            now_us: self.now_us,
            request_id: &self.request_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn two_credentials_are_none() {
        let req = TestRequest::default()
            .append_header(("authorization", "Bearer a"))
            .append_header(("authorization", "Bearer b"))
            .append_header(("x-fivetran-signature-256", "a"))
            .append_header(("x-other", "1"))
            .append_header(("x-other", "2"))
            .to_http_request();
        let headers = HeaderView(req.headers());
        assert_eq!(headers.get("authorization"), None);
        assert_eq!(headers.get("x-fivetran-signature-256"), Some("a"));
        assert_eq!(headers.get("x-other"), Some("1"));
        let owned = OwnedHead::new(&view(&req, &headers, "id"), req.headers());
        assert_eq!(owned.view().header("authorization"), None);
        assert_eq!(owned.view().header("x-other"), Some("1"));
    }

    #[test]
    fn one_trailing_slash_is_ignored() {
        for (path, expected) in [("/", "/"), ("/a", "/a"), ("/a/", "/a"), ("/a//", "/a/")] {
            assert_eq!(trimmed(path), expected);
        }
    }
}
