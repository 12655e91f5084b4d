//! The command line: one file a command.
//!
//! In: arguments. Out: what the command prints and an exit code: 0 done, 1 found something wrong, 2 usage. Every command's
//! `--help` ends with an example; what a machine might read has `--json`. Calls into the server, the store's engine and
//! the pipeline's construction go through `wiring` alone.

mod access;
mod audit;
mod backup;
mod banner;
mod check;
mod configuration;
mod connections;
mod control;
mod doctor;
mod error;
mod explain;
mod export;
mod flags;
mod healthcheck;
mod import;
mod lives;
mod migrate;
mod moment;
mod progress;
mod quarantine;
mod rebuild;
mod send;
mod serve;
mod simulate;
mod sql;
mod terminal;
#[cfg(test)]
mod tests;
mod timeline;
mod token;
mod tokens_made;
mod verify;
mod wiring;

pub use error::{CliError, Outcome};
pub use flags::{DataFlags, Given, ServeFlags};

use clap::{CommandFactory, Parser, Subcommand};
use std::{io::Write, process::ExitCode};

/// A self-hosted log destination for Fivetran.
#[derive(Debug, Parser)]
#[command(
    name = "lifeline",
    version,
    about = "A self-hosted log destination for Fivetran: every event kept, every connection's life explained.",
    after_help = "Example: lifeline serve\n\nExit codes: 0 done, 1 found something wrong, 2 usage.",
    max_term_width = 110
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service.
    #[command(after_help = "Example: lifeline serve --listen 0.0.0.0:8088 --data-dir /var/lib/lifeline\n\n\
        The first start without any token makes one of each kind and prints them once.")]
    Serve(Box<ServeFlags>),
    /// Validate files offline, without a server or store.
    #[command(
        after_help = "Examples:\n  lifeline check events.ndjson.gz\n  lifeline simulate --events 1000 | lifeline check -\n\n\
        Exit code 1 when an event is invalid or cannot be read."
    )]
    Check(check::CheckArgs),
    /// Load files: external log lines or tables of the Fivetran Platform Connector.
    #[command(
        after_help = "Examples:\n  lifeline import log.csv.gz connection.csv audit_trail.csv\n  lifeline import --dry-run events.ndjson\n  \
        lifeline import --follow '/var/log/fivetran/*.ndjson'\n\n\
        An import that was stopped goes on where it was when it is started again. Works beside a running server, too."
    )]
    Import(import::ImportArgs),
    /// Make realistic Fivetran traffic, to standard output or to a URL.
    #[command(after_help = "Examples:\n  lifeline simulate --events 1000000 > events.ndjson\n  \
        lifeline simulate --days 30 --to http://127.0.0.1:8088 --protocol hec --token TOKEN --rate 500")]
    Simulate(simulate::SimulateArgs),
    /// Create, list and revoke tokens.
    #[command(subcommand, after_help = "Example: lifeline token create --name warehouse --kind ingest")]
    Token(token::TokenCommand),
    /// How every connection stands, the broken ones first.
    #[command(
        after_help = "Examples:\n  lifeline connections --status broken\n  lifeline connections --type postgres --sort last-success --json"
    )]
    Connections(connections::ConnectionsArgs),
    /// One connection's life: what is wrong, since when, and what was done.
    #[command(
        after_help = "Examples:\n  lifeline timeline brave_otter\n  lifeline timeline brave_otter --from 2d --all\n  \
        lifeline timeline brave_otter --as-of 2026-07-07T16:35:00Z\n\nExit code 1 when there is no such connection."
    )]
    Timeline(timeline::TimelineArgs),
    /// What an error text or a code means, whose move it is and what to do.
    #[command(
        after_help = "Examples:\n  lifeline explain 'FATAL: too many connections for role \"fivetran\"'\n  lifeline explain ENTITY_IS_LOCKED\n  \
        lifeline explain - < error.txt\n\nNeeds no server. Exit code 1 when nothing is known."
    )]
    Explain(explain::ExplainArgs),
    /// Ask in SQL: the tables and views of the store, and events as rows.
    #[command(
        after_help = "Examples:\n  lifeline sql 'SELECT created, event, data FROM events ORDER BY created_us DESC LIMIT 10'\n  \
        lifeline sql --format csv \"SELECT * FROM events WHERE connection_id = 'brave_otter'\" > events.csv\n  \
        lifeline sql --format json - < question.sql\n\n\
        Only reads, and works beside a running server. Exit code 2 when the statement cannot be read or is no question."
    )]
    Sql(sql::SqlArgs),
    /// Write lives or events to a file that other programs read.
    #[command(subcommand, after_help = "Example: lifeline export timeline --all --format csv -o syncs.csv")]
    Export(export::ExportCommand),
    /// Reconstruct every connection's life anew from its events.
    #[command(after_help = "Example: lifeline rebuild\n\n\
        Events are only read. Beside a running server it is the server that does the work, between deliveries.")]
    Rebuild(rebuild::RebuildArgs),
    /// Bring what is stored into the layout of the settings, in place.
    #[command(
        after_help = "Examples:\n  lifeline migrate\n  lifeline migrate --shrink\n  lifeline migrate --to rows --json\n\n\
        Needs a data directory that no server uses; make a backup first. Goes on where it was stopped. Exit code 1 when it was."
    )]
    Migrate(migrate::MigrateArgs),
    /// The audit trail: who did what, checkpoints, keys, and whether an export is genuine.
    #[command(subcommand, after_help = "Example: lifeline audit show --from 7d")]
    Audit(audit::AuditCommand),
    /// Look whether anything in the store was altered: audit records, their trees and checkpoints, events.
    #[command(
        after_help = "Examples:\n  lifeline verify\n  lifeline verify --checkpoint trail-checkpoint.txt --json\n\n\
        Works beside a running server. Exit code 1 when something does not fit; every altered record is named."
    )]
    Verify(verify::VerifyArgs),
    /// Look at what could not be read as an event, and try again.
    #[command(subcommand, after_help = "Example: lifeline quarantine replay 17")]
    Quarantine(quarantine::QuarantineCommand),
    /// Write a consistent copy of the database while the server runs.
    #[command(after_help = "Example: lifeline backup /var/backups/lifeline\n\n\
        DEST is a file that does not exist, or a directory, in which lifeline-YYYYMMDDTHHMMSSZ.db is made.")]
    Backup(backup::BackupArgs),
    /// Look for what is wrong with this installation.
    #[command(after_help = "Example: lifeline doctor --data-dir /var/lib/lifeline\n\nExit code 1 when a check fails.")]
    Doctor(doctor::DoctorArgs),
    /// Show, check and explain the configuration.
    #[command(subcommand, after_help = "Example: lifeline config show")]
    Config(configuration::ConfigCommand),
    /// Ask the running server whether it is ready; for container health checks.
    #[command(
        after_help = "Example: lifeline healthcheck --live\n\nExit code 0 when it is, 1 when not, after 2 s at most."
    )]
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Print a completion script for a shell.
    #[command(after_help = "Example: lifeline completions bash > /etc/bash_completion.d/lifeline")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the OpenAPI document.
    #[command(after_help = "Example: lifeline openapi > openapi.json")]
    Openapi,
}

/// Does what the arguments say. Prints at most one error, to standard error.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let outcome = match cli.command {
        Command::Serve(flags) => serve::run(&flags.0),
        Command::Check(args) => check::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Token(command) => token::run(&command),
        Command::Connections(args) => connections::run(&args),
        Command::Timeline(args) => timeline::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Sql(args) => sql::run(&args),
        Command::Export(command) => export::run(&command),
        Command::Rebuild(args) => rebuild::run(&args),
        Command::Migrate(args) => migrate::run(&args),
        Command::Audit(command) => audit::run(&command),
        Command::Verify(args) => verify::run(&args),
        Command::Quarantine(command) => quarantine::run(&command),
        Command::Backup(args) => backup::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Config(command) => configuration::run(&command),
        Command::Healthcheck(args) => healthcheck::run(&args),
        Command::Completions { shell } => completions(shell),
        Command::Openapi => print(&wiring::openapi()),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(CliError::OutputClosed) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell anyone when standard error is closed.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(error.code())
        }
    }
}

/// Writes text to standard output; a reader that went away is no error.
fn print(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(error::DONE)
}

fn completions(shell: clap_complete::Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "lifeline", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(error::DONE)
}

/// A runtime for commands that wait for something.
fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// A moment of our own clock as the API writes it: RFC 3339 with milliseconds.
fn millis(micros: crate::model::Micros) -> String {
    let mut text = Vec::with_capacity(24);
    crate::simulate::write_time(micros, 3, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// The time by our clock, in microseconds since 1970.
fn now_us() -> crate::model::Micros {
    jiff::Timestamp::now().as_microsecond()
}
