//! `lifeline export audit`: the audit trail as a file.

use super::output::Output;
use crate::{
    cli::{
        CliError, DataFlags, Outcome,
        audit::{Filters, Road, road},
        control::Control,
        error,
        progress::Progress,
        runtime,
        terminal::counted,
        wiring::Audited,
    },
    export::audit::{Format, sidecar_path},
    query::audit::ExportParams,
};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use hyper::Method;
use std::path::PathBuf;

/// Form of the trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
enum AuditFormat {
    /// A row a record, for spreadsheets.
    Csv,
    /// A record a line, which verifies offline.
    Ndjson,
    /// The same as one document.
    Json,
    /// For warehouses.
    Parquet,
    /// Open Cybersecurity Schema Framework, an event a line, for security tools.
    Ocsf,
    /// Everything for an auditor: records, manifest, key, explanations, a verifier.
    Zip,
}

impl AuditFormat {
    const fn format(self) -> Format {
        match self {
            Self::Csv => Format::Csv,
            Self::Ndjson => Format::Ndjson,
            Self::Json => Format::Json,
            Self::Parquet => Format::Parquet,
            Self::Ocsf => Format::Ocsf,
            Self::Zip => Format::Zip,
        }
    }
}

#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(flatten)]
    filters: Filters,
    /// Form.
    #[arg(long, value_enum, default_value = "zip")]
    format: AuditFormat,
    /// The file, replaced when it is complete; - for standard output. Beside csv, json, parquet and ocsf comes FILE.manifest.json, which
    /// they are verified with.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    #[command(flatten)]
    flags: Box<DataFlags>,
}

pub fn run(args: &AuditArgs) -> Outcome {
    let query = format!("{}&format={}", args.filters.query(), args.format.format().as_str());
    let params = ExportParams::parse(&query, &Format::ALL.map(Format::as_str)).map_err(|error| {
        let allowed =
            if error.allowed.is_empty() { String::new() } else { format!(": one of {}", error.allowed.join(", ")) };
        CliError::Usage(format!("--{}: {}{allowed}", error.name.replace('_', "-"), error.detail))
    })?;
    let (config, _) = args.flags.0.load()?;
    let format = args.format.format();
    let mut output = Output::open(&args.output)?;
    let quiet = output.is_stdout();
    // Beside a file alone, and only where the file does not hold it.
    let beside = output.is_file() && !format.proves_itself();
    let (bytes, sidecar) = runtime()?.block_on(async {
        let road = road(&config).await?;
        let written = match &road {
            Road::Server(control) => by_server(control, &query, beside, &mut output, quiet).await,
            Road::Store(audited) => by_store(audited, params, format, &mut output, quiet).await,
        };
        road.close().await?;
        written
    })?;
    output.finish()?;
    if !quiet {
        eprintln!("{}: {}", args.output.display(), indicatif::HumanBytes(bytes));
    }
    if let Some(sidecar) = sidecar.filter(|_| beside) {
        let path = sidecar_path(&args.output);
        let mut output = Output::open(&path)?;
        output.write(&sidecar)?;
        output.finish()?;
        eprintln!("{}: signed; lifeline audit verify {} compares the two", path.display(), args.output.display());
    }
    Ok(error::DONE)
}

/// The file's length, and what is to stand beside it.
type Written = (u64, Option<Vec<u8>>);

async fn by_server(
    control: &Control,
    query: &str,
    beside: bool,
    output: &mut Output,
    quiet: bool,
) -> Result<Written, CliError> {
    let mut answer = control.stream(Method::GET, &format!("/v1/audit/export?{query}"), Bytes::new()).await?;
    let label = answer.header("lifeline-tree-size").and_then(|size| size.parse().ok());
    let label =
        label.map_or_else(|| "export".to_owned(), |size| format!("export of {}", counted(size, "record", "records")));
    let mut progress = Progress::new(&label, 0, quiet);
    let (mut bytes, mut pieces) = (0, 0);
    while let Some(piece) = answer.next().await? {
        output.write(&piece)?;
        bytes += piece.len() as u64;
        pieces += 1;
        progress.set_bytes(bytes, pieces);
    }
    progress.finish();
    let sidecar = match answer.header("etag").filter(|_| beside) {
        None => None,
        Some(tag) => {
            let mut told = control.matching(&format!("/v1/audit/export/manifest?{query}"), tag).await?;
            let mut sidecar = Vec::new();
            while let Some(piece) = told.next().await? {
                sidecar.extend_from_slice(&piece);
            }
            Some(sidecar)
        }
    };
    Ok((bytes, sidecar))
}

async fn by_store(
    audited: &Audited,
    params: ExportParams,
    format: Format,
    output: &mut Output,
    quiet: bool,
) -> Result<Written, CliError> {
    let mut export = audited.export(params, format).await?;
    let mut progress = Progress::counting("export", export.plan().size, "records", "records", quiet);
    while let Some(piece) = export.next(audited.opened.store.trail())? {
        output.write(&piece)?;
        progress.set(export.position(), export.records());
    }
    progress.finish();
    Ok((export.bytes(), export.sidecar().map(String::into_bytes)))
}
