//! What the service says about itself: log lines and metrics.
//!
//! In: a filter and a format; counts from the server and the store. Out: lines on standard error, OpenMetrics text.
//! Never in either: bodies, header values, query strings, tokens or their hashes.

mod audit;
mod connections;
mod logs;
mod metrics;

pub use audit::AuditSeries;
pub use connections::{CONNECTIONS_MAX, connection_series};
pub use logs::{LogFormat, LogsError, init};
pub use metrics::{Metrics, OPENMETRICS_TYPE, ProtocolMetrics};
