//! Wire formats, one folder each, behind one trait.
//!
//! In: the head of a request, then its decompressed body. Out: a credential, records, and the reply in the
//! sender's own dialect. Refused: nothing silently; a body that cannot be framed is a [`DecodeError`], an
//! item that cannot be read is a [`RecordError`] beside its neighbours. Pure: no HTTP library, no clock, no
//! store. A new protocol is a folder here and a line in [`PROTOCOLS`]; metrics, authentication,
//! quarantine and the contract tests loop over that list.

use crate::model::{Micros, Record, RecordError};
use std::{borrow::Cow, sync::Arc};

pub mod azure_data_collector;
pub mod azure_logs_ingestion;
#[cfg(test)]
mod captures;
pub mod cloudwatch_logs;
mod credential;
pub mod datadog;
pub mod dynatrace;
pub mod firehose;
pub mod fivetran_webhook;
pub mod framing;
pub mod google_entries_write;
pub mod logplex;
pub mod loki;
pub mod native;
pub mod new_relic;
pub mod otlp;
pub mod problem;
mod protobuf;
pub mod pubsub_push;
mod signature;
pub mod splunk_hec;

pub use credential::common_credential;
pub use signature::{Signature, Signed};

/// Every protocol that is served. Order does not matter: no two may claim the same.
pub static PROTOCOLS: &[&dyn Protocol] = &[
    &native::Native,
    &splunk_hec::SplunkHec,
    &fivetran_webhook::FivetranWebhook,
    &loki::Loki,
    &logplex::Logplex,
    &datadog::Datadog,
    &new_relic::NewRelic,
    &dynatrace::Dynatrace,
    &otlp::Otlp,
    &azure_data_collector::AzureDataCollector,
    &azure_logs_ingestion::AzureLogsIngestion,
    &cloudwatch_logs::CloudwatchLogs,
    &firehose::Firehose,
    &google_entries_write::GoogleEntriesWrite,
    &pubsub_push::PubsubPush,
];

/// One wire format, both directions. Implementations hold no state and touch no network.
pub trait Protocol: Send + Sync {
    /// Label in metrics, rows and CLI output. Never renamed once released.
    fn name(&self) -> &'static str;

    /// What it serves and where.
    fn routes(&self) -> &'static [Route];

    /// Looks at method, path, headers and query only, so it can run before the body is read.
    ///
    /// # Errors
    /// What is missing or malformed about the credential.
    fn credential<'h>(&self, head: &Head<'h>) -> Result<Credential<'h>, AuthError>;

    /// `Content-Encoding` values that [`Protocol::unpack`] undoes (`snappy` for Loki). All others are undone before
    /// it is called.
    fn own_encodings(&self) -> &'static [&'static str] {
        &[]
    }

    /// The acknowledgement channel that the head names, for protocols that have such a thing.
    ///
    /// # Errors
    /// A channel that is named but malformed.
    fn channel(&self, _head: &Head<'_>) -> Result<Option<String>, DecodeError> {
        Ok(None)
    }

    /// Undoes compression that belongs to the format itself and that no header has to name (snappy, for Loki), so that
    /// what is decoded, and what may go to quarantine, is plain. Called once, between inflating and decoding.
    ///
    /// # Errors
    /// Damaged data, or more than the limits allow.
    fn unpack<'b>(&self, _head: &Head<'_>, body: &'b [u8], _limits: &Limits) -> Result<Cow<'b, [u8]>, DecodeError> {
        Ok(Cow::Borrowed(body))
    }

    /// Total over any bytes. Outer error: nothing can be read. Inner error: one item is unreadable. `body` is what
    /// [`Protocol::unpack`] gave.
    ///
    /// # Errors
    /// The body as a whole is not this protocol.
    fn decode<'b>(&self, head: &Head<'_>, body: &'b [u8], limits: &Limits) -> Result<Decoded<'b>, DecodeError>;

    /// Tells the sender what happened, in this protocol's own status codes and body.
    fn reply(&self, head: &Head<'_>, result: &Result<Receipt, IngestError>) -> Reply;

    /// Reads a question about earlier acknowledgements. Called on [`Serves::Acks`] routes only.
    ///
    /// # Errors
    /// The question cannot be read.
    fn ack_question(&self, _head: &Head<'_>, _body: &[u8]) -> Result<AckQuestion, DecodeError> {
        Err(DecodeError::new(0, "this protocol has no acknowledgements"))
    }

    /// Answers such a question: each asked id with whether its events are durable.
    fn ack_reply(&self, _answers: &[(u64, bool)]) -> Reply {
        Reply::empty(404)
    }

    /// Answers a health or set-up probe. Called on [`Serves::Health`] routes only, without a token.
    fn health_reply(&self, head: &Head<'_>, health: Health) -> Reply;
}

/// A path and what it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// `/services/collector/event`: exact, without a trailing slash (the server ignores one). A segment that is `*` stands for
    /// any one segment that is not empty: `/v1/input/*`. An exact path goes before one with such segments.
    pub path: &'static str,
    /// What happens there.
    pub serves: Serves,
    /// A header and how its value has to begin for the route to be meant, where a path alone says too little
    /// (`POST /` of AWS). The name is in lower case.
    pub only_with: Option<(&'static str, &'static str)>,
}

impl Route {
    /// A route that takes events.
    #[must_use]
    pub const fn ingest(path: &'static str) -> Self {
        Self { path, serves: Serves::Ingest, only_with: None }
    }

    /// A route that answers questions about acknowledgements.
    #[must_use]
    pub const fn acks(path: &'static str) -> Self {
        Self { path, serves: Serves::Acks, only_with: None }
    }

    /// A route that answers probes.
    #[must_use]
    pub const fn health(path: &'static str) -> Self {
        Self { path, serves: Serves::Health, only_with: None }
    }

    /// The same, but only for requests whose header `name` (in lower case) begins with `prefix`.
    #[must_use]
    pub const fn only_with(mut self, name: &'static str, prefix: &'static str) -> Self {
        self.only_with = Some((name, prefix));
        self
    }

    /// Whether a path may stand for many.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        self.path.split('/').any(|segment| segment == ANY_SEGMENT)
    }

    /// Whether a path (percent-encoded, without a trailing slash) is this route's.
    #[must_use]
    pub fn fits_path(&self, path: &str) -> bool {
        let mut segments = path.split('/');
        let fits = self.path.split('/').all(|wanted| {
            segments.next().is_some_and(|found| found == wanted || wanted == ANY_SEGMENT && !found.is_empty())
        });
        fits && segments.next().is_none()
    }

    /// Whether the headers are those that the route asks for.
    #[must_use]
    pub fn fits_headers(&self, headers: &dyn Headers) -> bool {
        self.only_with.is_none_or(|(name, prefix)| headers.get(name).is_some_and(|value| value.starts_with(prefix)))
    }
}

/// A segment of a route that stands for any one.
const ANY_SEGMENT: &str = "*";

/// What a route does, and so which methods it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// POST: takes events.
    Ingest,
    /// POST: answers questions about acknowledgements.
    Acks,
    /// GET and HEAD: health, readiness and version probes. No token.
    Health,
}

/// The head of a request, as plain text.
#[derive(Clone, Copy)]
pub struct Head<'h> {
    /// `POST`.
    pub method: &'h str,
    /// Percent-encoded path without query, without a trailing slash.
    pub path: &'h str,
    /// Query string without the question mark; may be empty.
    pub query: &'h str,
    /// The headers.
    pub headers: &'h dyn Headers,
    /// The time by our clock when the head had arrived. Protocols have no clock of their own.
    pub now_us: Micros,
    /// What the request is called in our log: visible ASCII, at most 64 bytes, a UUID unless the sender chose it. For
    /// protocols whose answers carry such an id.
    pub request_id: &'h str,
}

/// Header look-up, so that this room needs no HTTP library.
pub trait Headers {
    /// The first value of a header, `None` when absent or not visible ASCII. `name` is in lower case.
    fn get(&self, name: &str) -> Option<&str>;
}

/// For tests and tools: a list of pairs, names in any case.
impl Headers for Vec<(String, String)> {
    fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl<'h> Head<'h> {
    /// A head in 1970 and without an id, for tests and tools.
    #[must_use]
    pub const fn new(method: &'h str, path: &'h str, query: &'h str, headers: &'h dyn Headers) -> Self {
        Self { method, path, query, headers, now_us: 0, request_id: "" }
    }

    /// A segment of the path, from 0, percent-decoded: `KEY` is number 2 of `/v1/input/KEY`.
    #[must_use]
    pub fn segment(&self, number: usize) -> Option<Cow<'h, str>> {
        let mut segments = self.path.strip_prefix('/').unwrap_or(self.path).split('/');
        // A plus sign is a space in queries only.
        segments.nth(number).map(|text| if text.contains('+') { Cow::Borrowed(text) } else { percent_decode(text) })
    }

    /// A header's first value; `name` in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'h str> {
        self.headers.get(name)
    }

    /// The content type without its parameters.
    #[must_use]
    pub fn media_type(&self) -> Option<&'h str> {
        self.header("content-type").and_then(|value| value.split(';').next()).map(str::trim)
    }

    /// The first value of a query parameter, percent-decoded (`+` is a space).
    #[must_use]
    pub fn query_value(&self, name: &str) -> Option<Cow<'h, str>> {
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode(key) == name).then(|| percent_decode(value))
        })
    }
}

/// Undoes percent-encoding; bytes that are not UTF-8 afterwards become the replacement character.
#[must_use]
pub fn percent_decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|b| b == b'%' || b == b'+') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = (byte == b'%')
            .then(|| text.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok()))
            .flatten();
        match (byte, hex) {
            (_, Some(decoded)) => {
                out.push(decoded);
                at += 3;
            }
            (b'+', None) => {
                out.push(b' ');
                at += 1;
            }
            (other, None) => {
                out.push(other);
                at += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// What a sender shows to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential<'h> {
    /// A token in clear.
    Token(Cow<'h, str>),
    /// HTTP Basic. The token may stand in either place; the password is looked at first.
    Basic {
        /// The user name.
        user: String,
        /// The password.
        password: String,
    },
    /// A Fivetran webhook: an HMAC-SHA256 of the wire bytes in hexadecimal, when the sender signs, and a token,
    /// when the URL or a header carries one.
    Webhook {
        /// `X-Fivetran-Signature-256`.
        signature: Option<&'h str>,
        /// A token beside it: never a `Webhook` itself.
        token: Option<Box<Credential<'h>>>,
    },
    /// A signature made with a token that is not shown.
    Signed(Signed),
    /// A JSON Web Token of an identity issuer, or what looks like one, and the tokens beside it.
    Identity {
        /// The text of the token.
        identity: &'h str,
        /// [`Head::now_us`]: such tokens expire.
        now_us: Micros,
        /// A token beside it: `Token` or `Basic`.
        token: Option<Box<Credential<'h>>>,
    },
}

impl Credential<'_> {
    /// The texts that may be the token, in the order in which to try them; none is empty.
    pub fn candidates(&self) -> impl Iterator<Item = &str> {
        let (first, shown) = match self {
            Self::Webhook { token, .. } => (None, token.as_deref()),
            Self::Identity { identity, token, .. } => (Some(*identity), token.as_deref()),
            other => (None, Some(other)),
        };
        let both = match shown {
            Some(Self::Token(token)) => [Some(token.as_ref()), None],
            Some(Self::Basic { user, password }) => [Some(password.as_str()), Some(user.as_str())],
            Some(Self::Webhook { .. } | Self::Signed(_) | Self::Identity { .. }) | None => [None, None],
        };
        first.into_iter().chain(both.into_iter().flatten()).filter(|text| !text.is_empty())
    }
}

/// Why a sender is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No credential at all.
    #[error("no token was sent")]
    Missing,
    /// A header that holds no readable credential.
    #[error("the authorization header cannot be read")]
    Malformed,
    /// A token that is not known.
    #[error("the token is not known")]
    Unknown,
    /// A token that was revoked.
    #[error("the token is revoked")]
    Disabled,
    /// A known token that may not do this.
    #[error("the token may not do this")]
    Forbidden,
    /// A secret is set, and the request is not signed.
    #[error("the request is not signed")]
    Unsigned,
    /// The signature does not fit the bytes.
    #[error("the signature does not fit the request")]
    BadSignature,
    /// A signature whose token is not known in clear.
    #[error(
        "no token of this name is configured; signatures are checked with tokens from the environment or the configuration file, not with stored ones, of which only the hash is known"
    )]
    UnknownKey,
    /// A signature that is too old, or made too far ahead of our clock.
    #[error("the signed date is {off_by_s} s from this server's clock; {off_by_s_max} s are allowed")]
    Skewed {
        /// How far it is, in seconds.
        off_by_s: u64,
        /// How far it may be, in seconds.
        off_by_s_max: u64,
    },
    /// An identity token that is not the configured account's, not for us, or no longer valid.
    #[error("the identity token is refused: {why}")]
    BadIdentity {
        /// What is wrong with it.
        why: &'static str,
    },
    /// Too many wrong credentials from this address.
    #[error("too many failed attempts; try again in {retry_after_s} s")]
    Throttled {
        /// Seconds until the next attempt is looked at.
        retry_after_s: u32,
    },
}

/// Bounds that a decoder has to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest body after every decompression, in bytes.
    pub body_bytes_max: usize,
    /// Most records in one request.
    pub records_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes_max: 16 << 20, records_max: 100_000 }
    }
}

/// A readable body.
#[derive(Debug, Default, PartialEq)]
pub struct Decoded<'b> {
    /// The items in order, readable or not.
    pub items: Vec<Result<Record<'b>, RecordError>>,
    /// Set when the sender must be told of a failure although the readable items are kept (Splunk stores the
    /// objects before a bad one and answers with an error).
    pub refusal: Option<DecodeError>,
    /// The acknowledgement channel that the body names; one in the head goes before it.
    pub channel: Option<String>,
    /// What the body says that the reply has to repeat or depends on, in the protocol's own form.
    pub note: Option<String>,
}

/// What is wrong with a body as a whole, or with the first bad item where the protocol stops there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct DecodeError {
    /// The protocol's own error code, 0 where it has none, [`DecodeError::TOO_LARGE`] in all of them for more
    /// than the limits allow.
    pub code: u16,
    /// Words for the sender; never quotes the content.
    pub detail: String,
    /// Position of the offending item, where the protocol reports one.
    pub event_number: Option<usize>,
    /// Whether the body is kept in quarantine. False for an empty body.
    pub quarantine: bool,
}

impl DecodeError {
    /// The code of a body that is well formed and past a limit; every protocol answers it like [`IngestError::TooLarge`].
    pub const TOO_LARGE: u16 = 413;

    /// A body past one of the limits. Nothing of it is kept.
    #[must_use]
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::empty(Self::TOO_LARGE, detail)
    }

    /// An error whose bytes are worth keeping.
    #[must_use]
    pub fn new(code: u16, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), event_number: None, quarantine: true }
    }

    /// The same without quarantine, for bodies that hold nothing.
    #[must_use]
    pub fn empty(code: u16, detail: impl Into<String>) -> Self {
        Self { quarantine: false, ..Self::new(code, detail) }
    }

    /// Names the offending item.
    #[must_use]
    pub fn at(mut self, event_number: usize) -> Self {
        self.event_number = Some(event_number);
        self
    }
}

/// Everything is durable: what became of the items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Events that were new.
    pub accepted: usize,
    /// Events that were stored before.
    pub duplicates: usize,
    /// Items that went to quarantine.
    pub quarantined: usize,
    /// The items that were neither plainly accepted nor plain duplicates, in order; at most 1,000.
    pub items: Vec<ItemOutcome>,
    /// The acknowledgement id, when the request named a channel.
    pub ack_id: Option<u64>,
    /// What the sender must be told although everything readable is durable.
    pub refusal: Option<DecodeError>,
    /// [`Decoded::note`].
    pub note: Option<String>,
    /// The events by name, for metrics; duplicates are not in it.
    pub by_event: Vec<EventCount>,
}

/// How many new events of one name a request brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventCount {
    /// The event's name.
    pub event: Arc<str>,
    /// New ones.
    pub stored: u32,
    /// Those of them that break their schema.
    pub invalid: u32,
}

/// One item that was not plainly accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemOutcome {
    /// Position in the request, from 0.
    pub index: usize,
    /// `quarantined`, `invalid` or `unknown_event`.
    pub outcome: &'static str,
    /// The event's id, or the number of the quarantined item.
    pub id: String,
    /// Why, where there is something to say.
    pub reason: Option<String>,
}

/// Why nothing, or not everything, was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IngestError {
    /// The sender was not let in.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The body, as sent or decompressed, is larger than allowed.
    #[error("the body is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The bound, in bytes.
        limit_bytes: usize,
    },
    /// A `Content-Encoding` that is not understood.
    #[error("content encoding is not supported; send gzip, deflate, zstd or identity")]
    UnknownEncoding,
    /// The compressed body is damaged.
    #[error("the compressed body is damaged: {0}")]
    BadEncoding(String),
    /// The body came too slowly.
    #[error("the body did not arrive in time")]
    Timeout,
    /// Nothing of the body can be read. It is in quarantine unless it was empty.
    #[error(transparent)]
    Malformed(DecodeError),
    /// Queue or memory bound reached; nothing was taken.
    #[error("the server is busy; try again in {retry_after_s} s")]
    Busy {
        /// When to try again, in seconds.
        retry_after_s: u32,
    },
    /// The store cannot write (disk full, read-only, failed); nothing was taken.
    #[error("the store cannot write: {reason}; try again in {retry_after_s} s")]
    StoreUnavailable {
        /// What is wrong, without paths.
        reason: String,
        /// When to try again, in seconds.
        retry_after_s: u32,
    },
    /// The process is about to stop; nothing was taken.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// A fault of ours; nothing was taken.
    #[error("internal error")]
    Internal,
}

/// An HTTP answer in plain types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`, when there is a body.
    pub content_type: Option<&'static str>,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// No body.
    #[must_use]
    pub const fn empty(status: u16) -> Self {
        Self { status, content_type: None, headers: Vec::new(), body: Vec::new() }
    }

    /// A JSON body.
    #[must_use]
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self { content_type: Some("application/json"), body: body.to_string().into_bytes(), ..Self::empty(status) }
    }

    /// A text body.
    #[must_use]
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self { content_type: Some("text/plain; charset=utf-8"), body: body.into().into_bytes(), ..Self::empty(status) }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A question about acknowledgements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AckQuestion {
    /// The channel, in lower case.
    pub channel: String,
    /// The ids asked for; at most 100,000.
    pub ids: Vec<u64>,
}

/// How the service is doing, for protocols that have a health probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Takes events.
    Ready,
    /// The write queue is full.
    Busy,
    /// The store cannot write.
    Unavailable,
    /// About to stop.
    ShuttingDown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_segment() {
        for (path, asked, fits) in [
            ("/v1/input/*", "/v1/input/abc", true),
            ("/v1/input/*", "/v1/input/a%2Fb", true),
            ("/v1/input/*", "/v1/input", false),
            ("/v1/input/*", "/v1/input/", false),
            ("/v1/input/*", "/v1/input/a/b", false),
            ("/e/*/api/v2/logs/ingest", "/e/abc/api/v2/logs/ingest", true),
            ("/e/*/api/v2/logs/ingest", "/e//api/v2/logs/ingest", false),
            ("/a/*/b/*", "/a/1/b/2", true),
            ("/", "/", true),
            ("/", "/a", false),
        ] {
            assert_eq!(Route::ingest(path).fits_path(asked), fits, "{path} {asked}");
        }
        assert!(Route::ingest("/v1/input/*").is_pattern() && !Route::ingest("/v1/input").is_pattern());
    }

    #[test]
    fn a_header_may_decide() {
        let route = Route::ingest("/").only_with("x-amz-target", "Logs_20140328.");
        let of = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        assert!(route.fits_headers(&of("X-Amz-Target", "Logs_20140328.PutLogEvents")));
        assert!(!route.fits_headers(&of("X-Amz-Target", "Kinesis_20131202.PutRecord")));
        assert!(!route.fits_headers(&Vec::new()));
    }

    #[test]
    fn segments_are_decoded() {
        let headers = Vec::new();
        let segment = |path, number| Head::new("POST", path, "", &headers).segment(number).map(Cow::into_owned);
        assert_eq!(segment("/v1/input/a%20b", 2).as_deref(), Some("a b"));
        assert_eq!(segment("/v1/input/a+b", 2).as_deref(), Some("a+b"));
        assert_eq!(segment("/v1/input", 2), None);
    }
}
