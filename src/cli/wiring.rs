//! Where the command line meets the rooms that do the work: how a store is opened, a pipeline made, a server run.
//!
//! Nothing else in `cli/` knows a store's engine, how a pipeline is put together or how the server starts.

use super::CliError;
use crate::{
    config::{Config, Secret},
    model::{Delivery, Micros, NewEvent, Record},
    protocol::{Decoded, Receipt},
    store::SharedStore,
};
use sha2::{Digest, Sha256};
use std::{net::SocketAddr, path::Path, sync::Arc};

/// A store that is ours, and the pipeline into it.
pub struct Opened {
    /// The store.
    pub store: SharedStore,
    /// The way into it.
    pub pipeline: Arc<Pipeline>,
}

/// What `doctor` learns about the store without holding on to it.
#[derive(Debug, Clone, Default)]
pub struct StoreFacts {
    /// Version of the bundled SQLite.
    pub engine: String,
    /// Version of the tables; `None` when there is no database yet.
    pub schema_version: Option<i64>,
    /// What a quick check of the file found wrong; `None` when it is sound.
    pub damage: Option<String>,
    /// Events kept.
    pub events: u64,
    /// Stored tokens that may deliver events and are not revoked.
    pub tokens: usize,
}

/// A token of that kind that nobody can guess: 32 random bytes in hexadecimal.
#[must_use]
pub fn new_token(_kind: &str) -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

/// What is kept of a token.
#[must_use]
pub fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

// The lead replaces everything below when the rooms are joined; see the report for the calls that are meant.

/// Stands in for the pipeline until the rooms are joined.
pub struct Pipeline(());

impl Pipeline {
    /// The whole way of decoded records; resolves after the commit.
    pub async fn ingest(
        &self,
        _delivery: Delivery,
        _decoded: Decoded<'_>,
        _body: &[u8],
        _received_us: Micros,
    ) -> Result<Receipt, CliError> {
        Err(not_joined())
    }

    /// Tries a quarantined item again.
    pub async fn replay(&self, _id: i64, _now: Micros) -> Result<Receipt, CliError> {
        Err(not_joined())
    }
}

/// The pure part of the pipeline, without a store.
pub struct Understanding(());

impl Understanding {
    /// With the built-in schemas and the user's own.
    pub fn new(_schemas_dir: Option<&Path>) -> Result<Self, CliError> {
        Err(not_joined())
    }

    /// From a record to an event with its verdict.
    pub fn understand(&self, _record: &Record<'_>, _received_us: Micros) -> Result<NewEvent, String> {
        Err(not_joined().to_string())
    }
}

/// Opens the store for this process alone.
pub async fn open(_config: &Config) -> Result<Opened, CliError> {
    Err(not_joined())
}

/// Runs something that may run the server: it needs more than a plain runtime around it.
pub fn block_on<T>(work: impl Future<Output = T>) -> Result<T, CliError> {
    Ok(super::runtime()?.block_on(work))
}

/// Runs the server until it is told to stop. `ready` is called once it listens.
pub async fn serve(
    _config: Arc<Config>,
    _opened: Opened,
    _webhook_secret: Option<Secret>,
    _ready: impl FnOnce(SocketAddr) -> Result<(), CliError>,
) -> Result<(), CliError> {
    Err(not_joined())
}

/// Starts our own log.
pub fn start_log(_config: &Config) -> Result<(), CliError> {
    Ok(())
}

/// Looks at the store, beside a running server if need be.
pub fn store_facts(_config: &Config) -> Result<StoreFacts, CliError> {
    Err(not_joined())
}

/// Copies the store into a new file, beside a running server if need be.
pub fn backup(_config: &Config, _to: &Path, _progress: &mut dyn FnMut(u64, u64)) -> Result<(), CliError> {
    Err(not_joined())
}

/// The OpenAPI document.
#[must_use]
pub fn openapi() -> String {
    "{}".to_owned()
}

fn not_joined() -> CliError {
    CliError::Other("this part of the program is not joined yet".into())
}
