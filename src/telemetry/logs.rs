//! Log lines on standard error, as text for people or JSON for machines.

use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, fmt, prelude::*};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What keeps the HTTP library from talking about itself.
const QUIET: &str = "actix_server=warn";

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The filter cannot be read.
    #[error("log filter {filter:?} cannot be read: {source}; write a level such as info, or target=level,…")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Somebody else has set it up.
    #[error("logging is set up already")]
    Twice,
}

/// Starts logging for the whole process.
///
/// # Errors
/// A filter that cannot be read; a second call.
pub fn init(filter: &str, format: LogFormat) -> Result<(), LogsError> {
    let mut filter =
        EnvFilter::builder().parse(filter).map_err(|source| LogsError::Filter { filter: filter.to_owned(), source })?;
    if !filter.to_string().contains("actix_server") {
        // Its lines on starting name sockets and workers; ours name the address.
        filter = filter
            .add_directive(QUIET.parse().map_err(|source| LogsError::Filter { filter: QUIET.to_owned(), source })?);
    }
    let lines = fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    let done = match format {
        LogFormat::Text => registry.with(lines.with_ansi(std::io::stderr().is_terminal())).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true).with_ansi(false)).try_init(),
    };
    done.map_err(|_| LogsError::Twice)?;
    log_panics();
    Ok(())
}

/// Logs where a fault of ours happened, without its words: they may quote what a sender sent.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let thread = std::thread::current();
        tracing::error!(thread = thread.name().unwrap_or("?"), "a fault of ours at {place}");
    }));
}
