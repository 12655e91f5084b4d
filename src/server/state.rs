//! What all requests share.

use super::{
    audit::{AuditSettings, Auditor},
    error::Problem,
    readiness::Readiness,
    routes::Routes,
    series::Series,
};
use crate::{
    auth::{Access, Gate, Reader},
    pipeline::Pipeline,
    protocol::{Limits, PROTOCOLS, Protocol},
    query::{Tails, diagnosis::Diagnoser},
    store::{SharedStore, Store, StoreError},
    telemetry::Metrics,
};
use actix_web::{HttpRequest, http::header, web};
use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Bounds and choices of the server.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Bounds of one body, as sent and decompressed.
    pub limits: Limits,
    /// Most bytes of bodies in memory at a time, in all.
    pub body_bytes_in_flight_max: usize,
    /// Most open connections.
    pub connections_max: usize,
    /// Threads that serve; 0 for one per core.
    pub workers: usize,
    /// How long a stop waits for running requests; at most 8 s, so that a stop stays under 10 s.
    pub shutdown_grace: Duration,
    /// Whether `/metrics` needs no token.
    pub metrics_public: bool,
    /// Whether HEC takes tokens from the query string.
    pub hec_query_token: bool,
    /// Most live streams at a time.
    pub streams_max: usize,
    /// Most queries that read the store at a time.
    pub queries_max: usize,
    /// How long a live stream stays silent before a comment shows that it lives.
    pub heartbeat: Duration,
    /// What a body may take to arrive, besides a second for every 64 KiB that did.
    pub body_timeout: Duration,
    /// Choices about the audit logs.
    pub audit: AuditSettings,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            body_bytes_in_flight_max: 64 << 20,
            connections_max: 12_000,
            workers: 0,
            shutdown_grace: Duration::from_secs(8),
            metrics_public: false,
            hec_query_token: true,
            streams_max: 1000,
            queries_max: 4,
            heartbeat: Duration::from_secs(15),
            body_timeout: Duration::from_secs(10),
            audit: AuditSettings::default(),
        }
    }
}

/// What the server needs of the other rooms.
pub struct ServerContext {
    /// The way of an event into the store.
    pub pipeline: Arc<Pipeline>,
    /// Who is let in.
    pub gate: Arc<Gate>,
    /// What is counted. Made with the names of [`ServerContext::protocols`] and `import`.
    pub metrics: Arc<Metrics>,
    /// What is served; [`PROTOCOLS`] but in tests.
    pub protocols: &'static [&'static dyn Protocol],
    /// What errors mean; the built-in catalogue when nobody says.
    pub diagnoser: Arc<Diagnoser>,
    /// Bounds and choices.
    pub settings: ServerSettings,
}

impl ServerContext {
    /// A context that serves every protocol.
    #[must_use]
    pub fn new(pipeline: Arc<Pipeline>, gate: Arc<Gate>, metrics: Arc<Metrics>, settings: ServerSettings) -> Self {
        let diagnoser = Arc::new(Diagnoser::builtin());
        Self { pipeline, gate, metrics, protocols: PROTOCOLS, diagnoser, settings }
    }

    /// The protocol labels that [`Metrics::new`] has to know.
    #[must_use]
    pub fn metric_labels(protocols: &[&'static dyn Protocol]) -> Vec<&'static str> {
        protocols.iter().map(|protocol| protocol.name()).chain([super::ingest::IMPORT]).collect()
    }
}

/// Where a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// The network.
    Public,
    /// The control socket, which only the owner of the data directory can open.
    Control,
}

/// Shared by all workers.
pub(super) struct State {
    pub pipeline: Arc<Pipeline>,
    pub gate: Arc<Gate>,
    pub metrics: Arc<Metrics>,
    pub diagnoser: Arc<Diagnoser>,
    pub settings: ServerSettings,
    pub routes: Routes,
    /// Kibibytes of bodies that may still be taken into memory.
    pub body_budget: Arc<Semaphore>,
    /// Held by the one large body that is worked on: its records take many times its bytes.
    pub large_body: Arc<Semaphore>,
    pub streams: Arc<Semaphore>,
    pub tails: Tails,
    pub draining: watch::Sender<bool>,
    pub readiness: Readiness,
    pub series: Series,
    pub tls: bool,
    pub audit: Arc<Auditor>,
    queries: Arc<Semaphore>,
    answers: Arc<Semaphore>,
}

/// Bytes of large answers that may wait for their clients, in all.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Answers up to this are not counted, in bytes.
const SMALL_ANSWER_BYTES: usize = 256 << 10;

/// Bytes that one permit of [`State::body_budget`] stands for.
pub(super) const BUDGET_UNIT_BYTES: usize = 1024;

/// How long a request waits for a bound before it is told that the server is busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

impl State {
    pub fn new(context: ServerContext, tls: bool, audit: Arc<Auditor>) -> std::io::Result<Self> {
        let ServerContext { pipeline, gate, metrics, protocols, diagnoser, settings } = context;
        let store: SharedStore = Arc::clone(pipeline.store());
        let budget = settings.body_bytes_in_flight_max.div_ceil(BUDGET_UNIT_BYTES);
        Ok(Self {
            routes: Routes::new(protocols, &metrics)?,
            body_budget: Arc::new(Semaphore::new(budget.clamp(1, Semaphore::MAX_PERMITS))),
            large_body: Arc::new(Semaphore::new(1)),
            streams: Arc::new(Semaphore::new(settings.streams_max)),
            queries: Arc::new(Semaphore::new(settings.queries_max.max(1))),
            answers: Arc::new(Semaphore::new(ANSWER_BYTES_MAX / BUDGET_UNIT_BYTES)),
            tails: Tails::new(Arc::clone(&store)),
            draining: watch::Sender::new(false),
            readiness: Readiness::new(store),
            series: Series::default(),
            pipeline,
            gate,
            metrics,
            diagnoser,
            settings,
            tls,
            audit,
        })
    }

    pub fn store(&self) -> &SharedStore {
        self.pipeline.store()
    }

    pub fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Bytes of bodies in memory now.
    pub fn body_bytes_in_flight(&self) -> usize {
        let budget = self.settings.body_bytes_in_flight_max.div_ceil(BUDGET_UNIT_BYTES);
        budget.saturating_sub(self.body_budget.available_permits()) * BUDGET_UNIT_BYTES
    }

    /// Live streams open now.
    pub fn streams_open(&self) -> usize {
        self.settings.streams_max.saturating_sub(self.streams.available_permits())
    }

    /// Lets a reader or an administrator in. On the control socket there is nobody else.
    pub fn authorize(
        &self,
        door: Door,
        req: &HttpRequest,
        query_token: Option<&str>,
        access: Access,
    ) -> Result<Option<Reader>, Problem> {
        if door == Door::Control {
            return Ok(None);
        }
        let mut headers = req.headers().get_all(header::AUTHORIZATION);
        let first = headers.next().map(|value| value.to_str().unwrap_or_default());
        let header = if headers.next().is_some() { Some("") } else { first };
        self.gate.reader(header, query_token, access, peer(req)).map(Some).map_err(|error| {
            self.metrics.observe_auth_failure();
            self.audit.failures.count(peer(req));
            Problem::of_reader(error, access)
        })
    }

    /// A share of what answers may hold until their clients have taken them; none for a small answer.
    pub async fn hold_answer(&self, bytes: usize) -> Result<Option<OwnedSemaphorePermit>, Problem> {
        if bytes <= SMALL_ANSWER_BYTES {
            return Ok(None);
        }
        let units = bytes.min(ANSWER_BYTES_MAX).div_ceil(BUDGET_UNIT_BYTES) as u32;
        let waiting = tokio::time::timeout(PATIENCE, Arc::clone(&self.answers).acquire_many_owned(units));
        match waiting.await {
            Ok(Ok(permit)) => Ok(Some(permit)),
            _ => Err(Problem::busy("too many large answers wait to be read", PATIENCE)),
        }
    }

    /// Runs a read of the store where blocking is allowed, with a bound on how many run at a time.
    pub async fn read<T, F>(&self, read: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    {
        let waiting = tokio::time::timeout(PATIENCE, Arc::clone(&self.queries).acquire_owned());
        let Ok(Ok(permit)) = waiting.await else {
            return Err(Problem::busy("too many queries are running", PATIENCE));
        };
        let store = Arc::clone(self.store());
        let answer = web::block(move || {
            let _permit = permit;
            read(&*store)
        });
        match answer.await {
            Ok(answer) => answer.map_err(Problem::from),
            Err(_) => {
                self.metrics.observe_panic();
                Err(Problem::internal())
            }
        }
    }
}

/// The address that a request came from. `X-Forwarded-For` is not believed.
pub(super) fn peer(req: &HttpRequest) -> Option<IpAddr> {
    req.peer_addr().map(|address| address.ip())
}

/// Microseconds since 1970 by our clock.
pub(super) fn now_us() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |us| -us),
    }
}
