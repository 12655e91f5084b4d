//! `lifeline export events`: every event that fits, a page at a time: a line each, or as rows of a Parquet file.
//!
//! Lines are those of the server's answers. Answers hold no raw texts and round what Parquet keeps, so its rows are read from the
//! database itself, beside a running server or without one.

use super::{Common, output::Output};
use crate::{
    cli::{
        CliError, DataFlags, Outcome,
        access::Access,
        control::segment,
        error,
        progress::Progress,
        runtime, wiring,
        wiring::{EventReader, Taken},
    },
    export::events::Parquet,
    model::Timestamp,
    query::{self, EventsRequest, LIMIT_MAX, render::EventView},
};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use hyper::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Form of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
enum EventFormat {
    /// One JSON object a line.
    Ndjson,
    /// Typed columns, for warehouses and data frames.
    Parquet,
}

/// Direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
enum Direction {
    /// Oldest first.
    Asc,
    /// Newest first.
    Desc,
}

#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Exact connection id.
    #[arg(long)]
    connection_id: Option<String>,
    /// Exact event name, in any case.
    #[arg(long)]
    event: Option<String>,
    /// connector, dashboard, rest_api, audit_trail, transformation, other.
    #[arg(long)]
    family: Option<String>,
    /// fivetran, heroku_connect, salesforce_backup, code42.
    #[arg(long)]
    source: Option<String>,
    /// FINE, INFO, WARNING, SEVERE.
    #[arg(long)]
    level: Option<String>,
    /// Exact sync id.
    #[arg(long)]
    sync_id: Option<String>,
    /// valid, invalid, unknown_event.
    #[arg(long)]
    validation: Option<String>,
    /// Exact destination.
    #[arg(long)]
    destination: Option<String>,
    /// Text in the raw event, its name, or the connection's id or name.
    #[arg(short, value_name = "TEXT")]
    q: Option<String>,
    /// Oldest or newest first.
    #[arg(long, value_enum, default_value = "asc")]
    order: Direction,
    /// Form.
    #[arg(long, value_enum, default_value = "ndjson")]
    format: EventFormat,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    flags: Box<DataFlags>,
}

/// A page of the server, its events as they came.
#[derive(Deserialize)]
struct RawPage {
    data: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
}

/// The filters as parts of a query string.
fn asked(args: &EventsArgs) -> Vec<String> {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let pairs = [
        ("connection_id", args.connection_id.clone()),
        ("event", args.event.clone()),
        ("family", args.family.clone()),
        ("source", args.source.clone()),
        ("level", args.level.clone()),
        ("sync_id", args.sync_id.clone()),
        ("validation", args.validation.clone()),
        ("destination", args.destination.clone()),
        ("q", args.q.clone()),
        ("from", time(args.common.from)),
        ("to", time(args.common.to)),
    ];
    let given = pairs.iter().filter_map(|(name, value)| Some(format!("{name}={}", segment(value.as_deref()?))));
    given.collect()
}

/// The query string of the first page.
fn filters(args: &EventsArgs) -> String {
    let order = match args.order {
        Direction::Asc => "asc",
        Direction::Desc => "desc",
    };
    let mut query = asked(args);
    query.extend([format!("order={order}"), format!("limit={LIMIT_MAX}")]);
    query.join("&")
}

pub fn run(args: &EventsArgs) -> Outcome {
    let filters = filters(args);
    let request = EventsRequest::parse(&filters).map_err(|error| {
        let allowed =
            if error.allowed.is_empty() { String::new() } else { format!(": one of {}", error.allowed.join(", ")) };
        CliError::Usage(format!("--{}: {}{allowed}", error.name.replace('_', "-"), error.detail))
    })?;
    let (config, _) = args.flags.0.load()?;
    let mut output = Output::open(&args.common.output)?;
    let quiet = output.is_stdout();
    let mut progress = Progress::counting("export", 0, "bytes", "events", quiet);
    let format = match args.format {
        EventFormat::Ndjson => "ndjson",
        EventFormat::Parquet => "parquet",
    };
    let written = runtime()?.block_on(async {
        let access = Access::open(&config).await?;
        let taken = Taken::ExportEvents { format: format.to_owned(), filter: asked(args).join("&") };
        let written = match (access.take(taken).await, args.format) {
            (Err(error), _) => Err(error),
            (Ok(()), EventFormat::Ndjson) => pages(&access, &filters, &mut output, &mut progress).await,
            (Ok(()), EventFormat::Parquet) => {
                wiring::events(&config).and_then(|reader| rows(&reader, request, &mut output, &mut progress))
            }
        };
        access.close().await?;
        written
    });
    progress.finish();
    let written = written?;
    output.finish()?;
    if !quiet {
        eprintln!("{}: {written} events", args.common.output.display());
    }
    Ok(error::DONE)
}

async fn pages(access: &Access, filters: &str, output: &mut Output, progress: &mut Progress) -> Result<u64, CliError> {
    let (mut written, mut cursor) = (0, None::<String>);
    loop {
        let query = match &cursor {
            Some(cursor) => format!("{filters}&cursor={}", segment(cursor)),
            None => filters.to_owned(),
        };
        match access {
            Access::Server(control) => {
                let path = format!("/v1/events?{query}");
                let answer = control.call(Method::GET, &path, "application/json", Bytes::new()).await?;
                if answer.status != 200 {
                    answer.json()?;
                }
                let page: RawPage = serde_json::from_slice(&answer.body)
                    .map_err(|error| CliError::Control(format!("its answer is no page of events: {error}")))?;
                for event in &page.data {
                    output.write(event.get().as_bytes())?;
                    output.write(b"\n")?;
                    written += 1;
                }
                cursor = page.next_cursor;
            }
            Access::Store(opened) => {
                let request = EventsRequest::parse(&query).map_err(|error| CliError::Other(error.to_string()))?;
                let (events, next) = query::events(&*opened.store, request)?;
                for event in &events {
                    let line = serde_json::to_vec(&EventView::new(event, false))
                        .map_err(|error| CliError::Other(error.to_string()))?;
                    output.write(&line)?;
                    output.write(b"\n")?;
                    written += 1;
                }
                cursor = next;
            }
        }
        progress.set(0, written);
        if cursor.is_none() {
            return Ok(written);
        }
    }
}

fn rows(
    reader: &EventReader,
    EventsRequest(mut query): EventsRequest,
    output: &mut Output,
    progress: &mut Progress,
) -> Result<u64, CliError> {
    let failed = |error| CliError::Other(format!("the Parquet file cannot be written: {error}"));
    let (mut parquet, mut bytes, mut written) = (Parquet::new().map_err(failed)?, Vec::new(), 0);
    loop {
        let page = reader.page(&query)?;
        for event in &page.events {
            parquet.event(event, &mut bytes).map_err(failed)?;
            output.write(&bytes)?;
            bytes.clear();
            written += 1;
        }
        progress.set(0, written);
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    parquet.end(&mut bytes).map_err(failed)?;
    output.write(&bytes)?;
    Ok(written)
}
