//! `lifeline export`: lives and events as files that other programs read.

mod audit;
mod events;
mod output;
mod timeline;

use super::{Outcome, moment};
use crate::model::Timestamp;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum ExportCommand {
    /// Timelines: as JSON, as CSV of syncs or of the tables they wrote, or as OpenLineage run events.
    #[command(after_help = "Examples:\n  lifeline export timeline --all --format csv -o syncs.csv\n  \
        lifeline export timeline brave_otter --format csv --what tables --from 30d\n  \
        lifeline export timeline --all --format openlineage -o runs.ndjson\n\n\
        Exit code 1 when there is no such connection.")]
    Timeline(timeline::TimelineArgs),
    /// The audit trail, with what proves it.
    #[command(after_help = "Examples:\n  lifeline export audit --from 2026-07-01 --to 2026-08-01 -o july.zip\n  \
        lifeline export audit --format csv --actor ana@example.com -o ana.csv\n\n\
        Every export is itself a record in the log access.")]
    Audit(audit::AuditArgs),
    /// Events, one JSON object a line, as GET /v1/events has them; or as a Parquet file.
    #[command(
        after_help = "Examples:\n  lifeline export events --connection-id brave_otter --from 7d -o events.ndjson\n  \
        lifeline export events --format parquet --from 2026-07-01 -o events.parquet"
    )]
    Events(events::EventsArgs),
}

/// Where it goes and for which time.
#[derive(Debug, Args)]
pub struct Common {
    /// Not before this: a time, or a span that ends now such as 6h or 7d.
    #[arg(long, value_name = "TIME", value_parser = moment::exact)]
    from: Option<Timestamp>,
    /// Before this.
    #[arg(long, value_name = "TIME", value_parser = moment::exact)]
    to: Option<Timestamp>,
    /// The file, replaced when it is complete; - for standard output.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
}

/// Form of timelines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum Format {
    /// One document: a list of timelines.
    Json,
    /// A stage a line.
    Ndjson,
    /// Comma-separated values.
    Csv,
    /// OpenLineage run events, one a line.
    Openlineage,
}

pub(super) fn run(command: &ExportCommand) -> Outcome {
    match command {
        ExportCommand::Timeline(args) => timeline::run(args),
        ExportCommand::Audit(args) => audit::run(args),
        ExportCommand::Events(args) => events::run(args),
    }
}
