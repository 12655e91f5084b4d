//! The real binary over real HTTP, one file a capability.
//!
//! Every test starts its own server on a free port with its own data directory ([`app::App`]), speaks to it through raw
//! sockets ([`http`]) so that malformed requests can be sent, and fails when that server's log holds a panic.
//!
//! Set `LIFELINE_TEST_BINARY` to drive another build (a release one, say), `LIFELINE_TEST_SEED` to repeat a random run and
//! `LIFELINE_AUDIT_ROUNDS` for more mutations of the audit trail, `LIFELINE_KILL_ROUNDS` for more rounds of `kill -9`, `LIFELINE_ORACLE_ROUNDS` for more of the lives whose truth is known.

mod app;
mod http;
mod otlp_values;
mod samples;
mod sse;

mod audit_cli;
mod audit_http;
mod audit_mutations;
mod captures;
mod commands;
mod decoders;
mod diagnose;
mod disk;
mod docs;
mod durability;
mod follow;
mod guessing;
mod hec_errors;
mod hostile;
mod lives_cli;
mod lives_http;
mod loki_bytes;
mod migrate;
mod neighbours;
mod oracle;
mod pages;
mod platform;
mod quarantine;
mod queries;
mod roads;
mod routes;
mod secrets;
mod slow;
mod sql;
mod stream;
mod tidy;
mod tls;
