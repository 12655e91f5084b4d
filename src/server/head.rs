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

const ENCODING: &str = "content-encoding";

/// The headers of the HTTP library, without copying but for one that is a list over several lines.
pub(super) struct HeaderView<'h> {
    headers: &'h HeaderMap,
    /// All lines of `Content-Encoding`, where there are several: they mean the same as one line with commas.
    /// Source: RFC 9110 section 5.3, read 2026-11-20.
    encodings: Option<String>,
}

impl<'h> HeaderView<'h> {
    pub fn new(headers: &'h HeaderMap) -> Self {
        let mut lines = headers.get_all(ENCODING);
        let several = lines.next().is_some() && lines.next().is_some();
        // A line that is no text is an encoding that nobody knows.
        let all = || headers.get_all(ENCODING).map(|line| line.to_str().unwrap_or("?")).collect::<Vec<_>>().join(", ");
        Self { headers, encodings: several.then(all) }
    }
}

impl Headers for HeaderView<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        if name == ENCODING
            && let Some(all) = &self.encodings
        {
            return Some(all);
        }
        let mut values = self.headers.get_all(name);
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
        let headers = HeaderView::new(headers);
        let pairs = headers.headers.keys().filter_map(|name| {
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
        let headers = HeaderView::new(req.headers());
        assert_eq!(headers.get("authorization"), None);
        assert_eq!(headers.get("x-fivetran-signature-256"), Some("a"));
        assert_eq!(headers.get("x-other"), Some("1"));
        let owned = OwnedHead::new(&view(&req, &headers, "id"), req.headers());
        assert_eq!(owned.view().header("authorization"), None);
        assert_eq!(owned.view().header("x-other"), Some("1"));
    }

    #[test]
    fn encodings_on_several_lines_are_one_list() {
        let req = TestRequest::default()
            .append_header(("content-encoding", "deflate"))
            .append_header(("content-encoding", "gzip, identity"))
            .to_http_request();
        let headers = HeaderView::new(req.headers());
        assert_eq!(headers.get("content-encoding"), Some("deflate, gzip, identity"));
        let owned = OwnedHead::new(&view(&req, &headers, "id"), req.headers());
        assert_eq!(owned.view().header("content-encoding"), Some("deflate, gzip, identity"));
        let req = TestRequest::default().append_header(("content-encoding", "gzip")).to_http_request();
        assert_eq!(HeaderView::new(req.headers()).get("content-encoding"), Some("gzip"));
    }

    #[test]
    fn one_trailing_slash_is_ignored() {
        for (path, expected) in [("/", "/"), ("/a", "/a"), ("/a/", "/a"), ("/a//", "/a/")] {
            assert_eq!(trimmed(path), expected);
        }
    }
}
