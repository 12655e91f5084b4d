//! Talking to the server that runs on the same data directory, over its control socket.
//!
//! In: a request. Out: the answer. The socket lies in the data directory and belongs to its owner alone, so it carries
//! administrator's rights without a token. Refused: answers larger than a bound.

use super::CliError;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{Method, Request, Response, body::Incoming, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::net::UnixStream;

/// Name of the socket in the data directory.
pub const SOCKET: &str = "control.sock";

/// Largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// How long an answer may take. An import batch waits for the disk, and the disk may be slow.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// A way to the running server.
#[derive(Debug, Clone)]
pub struct Control {
    socket: PathBuf,
}

/// What the server answered.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

impl Control {
    /// The server that runs on a data directory, if one listens there.
    pub async fn find(data_dir: &Path) -> Option<Self> {
        let socket = data_dir.join(SOCKET);
        UnixStream::connect(&socket).await.ok().map(|_| Self { socket })
    }

    /// Sends one request and reads its answer, whatever its status.
    ///
    /// # Errors
    /// The server does not answer, or not in time.
    pub async fn call(&self, method: Method, path: &str, kind: &str, body: Bytes) -> Result<Answer, CliError> {
        let exchange = async {
            let open = self.send(method, path, (header::CONTENT_TYPE, kind), body).await?;
            let status = open.status;
            let body = Limited::new(open.body, ANSWER_BYTES_MAX);
            let body = body.collect().await.map_err(|error| match error.downcast::<LengthLimitError>() {
                Ok(_) => CliError::AnswerTooLarge { limit: ANSWER_BYTES_MAX },
                Err(error) => CliError::Control(error.to_string()),
            });
            Ok(Answer { status, body: body?.to_bytes() })
        };
        within(exchange).await
    }

    /// Sends a request whose answer may have any length.
    ///
    /// # Errors
    /// The server does not answer, not in time, or with a status that is not 2xx.
    pub async fn stream(&self, method: Method, path: &str, body: Bytes) -> Result<OpenAnswer, CliError> {
        let kind = (header::CONTENT_TYPE, "application/json");
        let open = within(self.send(method, path, kind, body)).await?;
        Self::good(open).await
    }

    /// Asks for what an earlier answer with this tag was about. The answer may take as long as that one took.
    ///
    /// # Errors
    /// As [`Self::stream`].
    pub async fn matching(&self, path: &str, tag: &str) -> Result<OpenAnswer, CliError> {
        Self::good(self.send(Method::GET, path, (header::IF_MATCH, tag), Bytes::new()).await?).await
    }

    async fn good(open: OpenAnswer) -> Result<OpenAnswer, CliError> {
        if !(200..300).contains(&open.status) {
            let body = Limited::new(open.body, ANSWER_BYTES_MAX).collect();
            let body = within(async { body.await.map_err(|error| CliError::Control(error.to_string())) }).await?;
            Answer { status: open.status, body: body.to_bytes() }.json()?;
            return Err(CliError::Control(format!("it answered {}", open.status)));
        }
        Ok(open)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        (name, value): (header::HeaderName, &str),
        body: Bytes,
    ) -> Result<OpenAnswer, CliError> {
        let failed = |error: &dyn std::fmt::Display| CliError::Control(error.to_string());
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| failed(&error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
        // Drives the connection; what goes wrong in it is also seen by the request.
        let driver = Driver(tokio::spawn(connection));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "lifeline")
            .header(name, value)
            .body(Full::new(body))
            .map_err(|error| failed(&error))?;
        let response: Response<Incoming> = sender.send_request(request).await.map_err(|error| failed(&error))?;
        let (head, body) = response.into_parts();
        let headers = head
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
        Ok(OpenAnswer { status: head.status.as_u16(), headers: headers.collect(), body, _driver: driver })
    }

    /// Sends a request and reads a good answer as JSON.
    ///
    /// # Errors
    /// Also for every status that is not 2xx, with the server's words.
    pub async fn json(&self, method: Method, path: &str, body: &Value) -> Result<Value, CliError> {
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        self.call(method, path, "application/json", body).await?.json()
    }
}

/// An answer whose body is read as it comes.
#[derive(Debug)]
pub struct OpenAnswer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Incoming,
    _driver: Driver,
}

impl OpenAnswer {
    /// A header that is text, by its lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// The server stopped in the middle, or is silent for too long.
    pub async fn next(&mut self) -> Result<Option<Bytes>, CliError> {
        loop {
            let frame = within(async { Ok(self.body.frame().await) }).await?;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(CliError::Control(error.to_string())),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }
}

/// Drives a connection until nobody reads from it any more.
#[derive(Debug)]
struct Driver(tokio::task::JoinHandle<Result<(), hyper::Error>>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn within<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    tokio::time::timeout(ANSWER_WITHIN, work)
        .await
        .map_err(|_| CliError::Control(format!("nothing within {} s", ANSWER_WITHIN.as_secs())))?
}

impl Answer {
    /// The body as JSON, when the status is good.
    ///
    /// # Errors
    /// The status is not 2xx, or the body is no JSON.
    pub fn json(&self) -> Result<Value, CliError> {
        let value: Option<Value> =
            if self.body.is_empty() { Some(Value::Null) } else { serde_json::from_slice(&self.body).ok() };
        if (200..300).contains(&self.status) {
            return value.ok_or_else(|| CliError::Control("its answer is not JSON".into()));
        }
        let words = value.as_ref().and_then(|value| value["detail"].as_str().or_else(|| value["title"].as_str()));
        let detail =
            words.map_or_else(|| String::from_utf8_lossy(&self.body).chars().take(200).collect(), str::to_owned);
        Err(CliError::Refused { status: self.status, detail })
    }
}

/// Percent-encodes one segment of a path.
#[must_use]
pub fn segment(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}
