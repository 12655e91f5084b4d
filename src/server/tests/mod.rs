//! The server over real sockets, in front of a store in memory.

mod access;
mod audit;
mod bodies;
mod fake;
mod lives;
mod operations;
mod queries;
mod stream;
mod tls;

use super::{Listen, ServerContext, ServerSettings, TlsFiles, run_until};
use crate::{
    auth::{ConfiguredToken, DEFAULT_NAME, Gate, GateSettings, Kind},
    config::Secret,
    pipeline::Pipeline,
    protocol::{PROTOCOLS, Protocol},
    redact::Redactor,
    telemetry::Metrics,
    validate::Schemas,
};
use fake::FakeStore;
use serde_json::Value;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
};

/// A running server. Dropping it stops it.
struct Server {
    address: SocketAddr,
    store: Arc<FakeStore>,
    stop: Option<oneshot::Sender<()>>,
    done: Option<actix_rt::task::JoinHandle<std::io::Result<()>>>,
}

/// What differs between tests.
struct Setup {
    settings: ServerSettings,
    gate: GateSettings,
    control_socket: Option<PathBuf>,
    tls: Option<TlsFiles>,
    protocols: &'static [&'static dyn Protocol],
}

impl Default for Setup {
    fn default() -> Self {
        let token =
            |name: &str, kind, token: &str| ConfiguredToken { name: name.into(), kind, token: Secret::new(token) };
        Self {
            settings: ServerSettings { workers: 1, ..ServerSettings::default() },
            gate: GateSettings {
                tokens: vec![
                    token(DEFAULT_NAME, Kind::Ingest, "in"),
                    token("warehouse", Kind::Ingest, "in-named"),
                    token(DEFAULT_NAME, Kind::Read, "re"),
                    token(DEFAULT_NAME, Kind::Admin, "ad"),
                ],
                ..GateSettings::default()
            },
            control_socket: None,
            tls: None,
            protocols: PROTOCOLS,
        }
    }
}

impl Server {
    async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    async fn with(setup: Setup) -> Self {
        let store = Arc::new(FakeStore::default());
        let schemas = Arc::new(Schemas::builtin());
        let metrics = Metrics::new(&ServerContext::metric_labels(setup.protocols), schemas.names());
        let pipeline = Pipeline::new(Arc::clone(&store) as _, schemas, Arc::new(Redactor::new([7; 32])));
        let gate = Arc::new(Gate::new(&setup.gate));
        let mut context = ServerContext::new(Arc::new(pipeline), gate, Arc::new(metrics), setup.settings);
        context.protocols = setup.protocols;
        let (bound, address) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let listen =
            Listen { address: ([127, 0, 0, 1], 0).into(), tls: setup.tls, control_socket: setup.control_socket };
        let done = actix_rt::spawn(run_until(
            context,
            listen,
            |address| bound.send(address).map_err(|_| std::io::Error::other("nobody waits")),
            async {
                let _ = stopped.await;
            },
        ));
        let address = address.await.expect("the server starts");
        Self { address, store, stop: Some(stop), done: Some(done) }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("the server listens")
    }

    /// Sends a request and reads the whole answer. `headers` are lines.
    async fn send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        let head = head(method, path, headers, Some(body.len()));
        stream.write_all(head.as_bytes()).await.expect("the head is taken");
        // The server may answer and close before it has read a body that it refuses.
        let _ = stream.write_all(body).await;
        Answer::read(stream).await
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        self.send("GET", path, &bearer(token), b"").await
    }

    /// Delivers events by the native route.
    async fn deliver(&self, body: &str) -> Answer {
        self.send("POST", "/v1/events", &bearer("in"), body.as_bytes()).await
    }

    async fn stop(mut self) -> std::io::Result<()> {
        let _ = self.stop.take().expect("not stopped yet").send(());
        self.done.take().expect("not stopped yet").await.expect("the server does not panic")
    }
}

fn bearer(token: &str) -> String {
    if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") }
}

fn head(method: &str, path: &str, headers: &str, length: Option<usize>) -> String {
    let length = length.map(|length| format!("content-length: {length}\r\n")).unwrap_or_default();
    format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{headers}{length}\r\n")
}

/// A connector event `n`, one second after the one before.
fn event(n: usize) -> String {
    format!(
        r#"{{"event":"sync_end","created":"2026-07-07T16:{:02}:{:02}.000Z","connection_id":"conn_{}","connection_name":"name","connector_type":"postgres","sync_id":"b1a6c1f0-0000-4000-8000-{n:012}","data":{{"status":"SUCCESSFUL"}}}}"#,
        n / 60,
        n % 60,
        n % 2,
    )
}

fn events(range: std::ops::Range<usize>) -> String {
    range.map(|n| event(n) + "\n").collect()
}

/// An answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    async fn read(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await;
        Self::parse(&bytes)
    }

    #[track_caller]
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let at = text.find("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let head = text[..at].to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Self { status, head, body: bytes[at + 4..].to_vec() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// Status and, for problems, the last part of their type.
    #[track_caller]
    fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let json = self.json();
        assert_eq!(json["status"], self.status);
        let kind = json["type"].as_str().unwrap_or_default();
        (self.status, kind.rsplit('/').next().unwrap_or_default().to_owned())
    }
}
