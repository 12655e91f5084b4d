//! HTTP: the only room (with the dashboard) that knows the HTTP library.
//!
//! In: connections. Out: answers, each with an `x-request-id`. What happens to a request: `dispatch` finds its
//! route; a delivery goes through `ingest` (head, credential, bounded body, pipeline, the protocol's own reply), a
//! question through `api`. Refused: unknown paths and methods, in the dialect of their neighbours; bodies past the cap
//! or the clock; more connections, bytes, queries or streams than the settings allow. A panic in a handler is
//! answered with 500, counted, and harms nobody else.

mod api;
pub mod audit;
mod body;
mod dispatch;
mod error;
mod head;
mod ingest;
mod listen;
mod readiness;
mod routes;
mod series;
mod state;
mod tls;

#[cfg(test)]
mod tests;

pub use listen::{Listen, TlsFiles, run, run_until};
pub use state::{ServerContext, ServerSettings};

/// The OpenAPI document of this version, for the command line.
#[must_use]
pub fn openapi_json() -> String {
    api::openapi::document()
}

/// Runs something that may call [`run`], which needs an actix system around it.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    actix_rt::System::new().block_on(work)
}
