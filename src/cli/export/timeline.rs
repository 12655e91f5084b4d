//! `lifeline export timeline`: connection by connection, page by page, newest stage first. Only `json` holds a whole timeline at once,
//! because it stands in order of time there.

use super::{Common, Format, output::Output};
use crate::{
    cli::{
        CliError, DataFlags, Outcome,
        access::Access,
        control::segment,
        error,
        lives::{self, Pages, Wanted},
        moment,
        progress::Progress,
        runtime,
        wiring::Taken,
    },
    export::{self, csv, openlineage},
    model::Timestamp,
    store::lives::LifeFilter,
};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

/// Rows of CSV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
enum What {
    /// One a sync.
    Syncs,
    /// One a table that a sync wrote.
    Tables,
}

#[derive(Debug, Args)]
pub struct TimelineArgs {
    /// The connections.
    #[arg(value_name = "ID", required_unless_present = "all")]
    connections: Vec<String>,
    /// Every connection.
    #[arg(long, conflicts_with = "connections")]
    all: bool,
    /// Form.
    #[arg(long, value_enum)]
    format: Format,
    /// Rows of csv [default: syncs]
    #[arg(long, value_enum)]
    what: Option<What>,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    flags: Box<DataFlags>,
}

pub fn run(args: &TimelineArgs) -> Outcome {
    if args.what.is_some() && args.format != Format::Csv {
        return Err(CliError::Usage("--what is for --format csv".into()));
    }
    if let (Some(from), Some(to)) = (args.common.from, args.common.to)
        && from > to
    {
        return Err(CliError::Usage("--from is later than --to".into()));
    }
    let (config, _) = args.flags.0.load()?;
    let mut output = Output::open(&args.common.output)?;
    let quiet = output.is_stdout();
    let done = runtime()?.block_on(async {
        let access = lives::open(&config).await?;
        let done = match access.take(taken(args)).await {
            Ok(()) => write(&access, args, &mut output, quiet).await,
            Err(error) => Err(error),
        };
        access.close().await?;
        done
    })?;
    output.finish()?;
    if !quiet {
        let Done { connections, written, .. } = done;
        eprintln!("{}: {written} {} of {connections} connections", args.common.output.display(), unit(args.format));
    }
    for id in &done.unknown {
        eprintln!("no connection has the id {}", crate::cli::terminal::inert(id));
    }
    Ok(if done.unknown.is_empty() { error::DONE } else { error::FOUND })
}

/// What the access log says of it.
fn taken(args: &TimelineArgs) -> Taken {
    let of = |name: &str, value: &str| format!("{name}={}", segment(value));
    let time = |name: &str, at: Option<Timestamp>| at.map(|at| of(name, &at.to_string()));
    let filter = args.connections.iter().map(|id| of("connection_id", id));
    let filter: Vec<String> = filter.chain(time("from", args.common.from)).chain(time("to", args.common.to)).collect();
    let format = args.format.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
    Taken::ExportTimeline { format, filter: filter.join("&") }
}

const fn unit(format: Format) -> &'static str {
    match format {
        Format::Json | Format::Ndjson => "stages",
        Format::Csv | Format::Openlineage => "syncs",
    }
}

#[derive(Default)]
struct Done {
    connections: u64,
    written: u64,
    unknown: Vec<String>,
}

async fn write(access: &Access, args: &TimelineArgs, output: &mut Output, quiet: bool) -> Result<Done, CliError> {
    let every = lives::connections(access, &LifeFilter::default()).await?;
    let mut done = Done::default();
    let chosen: Vec<&Value> = if args.all {
        every.iter().collect()
    } else {
        let mut chosen: Vec<&Value> = Vec::new();
        for id in &args.connections {
            let named = |it: &&Value| it["connection_id"] == id.as_str();
            match every.iter().find(named) {
                // Named twice is written once.
                Some(found) if !chosen.iter().any(named) => chosen.push(found),
                Some(_) => {}
                None => done.unknown.push(id.clone()),
            }
        }
        chosen
    };
    let mut progress = Progress::counting("export", chosen.len() as u64, "connections", unit(args.format), quiet);
    let what = match args.what {
        None | Some(What::Syncs) => csv::What::Syncs,
        Some(What::Tables) => csv::What::Tables,
    };
    match args.format {
        Format::Csv => output.write(&csv::header(what))?,
        Format::Json => output.write(b"[")?,
        Format::Ndjson | Format::Openlineage => {}
    }
    for connection in chosen {
        let mut writer =
            Writer { output: &mut *output, format: args.format, what, connection, first: done.connections == 0 };
        done.connections += 1;
        writer.connection(access, args, &mut done, &mut progress).await?;
        progress.set(done.connections, done.written);
    }
    if args.format == Format::Json {
        output.write(b"]\n")?;
    }
    progress.finish();
    Ok(done)
}

/// Writes one connection.
struct Writer<'w> {
    output: &'w mut Output,
    format: Format,
    what: csv::What,
    connection: &'w Value,
    first: bool,
}

impl Writer<'_> {
    async fn connection(
        &mut self,
        access: &Access,
        args: &TimelineArgs,
        done: &mut Done,
        progress: &mut Progress,
    ) -> Result<(), CliError> {
        let wanted = Wanted {
            connection_id: self.connection["connection_id"].as_str().unwrap_or_default().to_owned(),
            from: args.common.from.map(moment::micros),
            to: args.common.to.map(moment::micros),
            as_of: None,
            syncs: matches!(self.format, Format::Csv | Format::Openlineage),
        };
        let mut pages = Pages::new(access, wanted);
        let mut whole: Option<lives::Page> = None;
        while pages.has_more() {
            // Gone since the list was made.
            let Some(page) = pages.next(usize::MAX).await? else { return Ok(()) };
            done.written += page.stages.len() as u64;
            if self.format == Format::Json {
                match &mut whole {
                    Some(whole) => whole.stages.extend(page.stages),
                    None => whole = Some(page),
                }
            } else {
                for stage in &page.stages {
                    self.stage(stage)?;
                }
            }
            progress.set(done.connections - 1, done.written);
        }
        whole.map_or(Ok(()), |whole| self.whole(whole))
    }

    fn stage(&mut self, stage: &Value) -> Result<(), CliError> {
        let bytes = match self.format {
            Format::Csv if export::is_sync(stage) => csv::sync(self.what, self.connection, stage),
            Format::Openlineage if export::is_sync(stage) => openlineage::sync(self.connection, stage),
            Format::Ndjson => {
                let mut line = stage.clone();
                if let Some(members) = line.as_object_mut() {
                    members.insert("connection_id".to_owned(), self.connection["connection_id"].clone());
                }
                format!("{line}\n").into_bytes()
            }
            _ => return Ok(()),
        };
        self.output.write(&bytes)
    }

    /// A timeline as GET /v1/connections/{id}/timeline has it.
    fn whole(&mut self, mut page: lives::Page) -> Result<(), CliError> {
        page.stages.reverse();
        page.incidents.reverse();
        let lives::Page { connection, as_of, stages, incidents, unused } = page;
        let timeline = json!({"connection": connection, "as_of": as_of, "stages": stages, "incidents": incidents,
            "unused": unused, "next_cursor": null});
        let gap = if self.first { "" } else { ",\n" };
        self.output.write(format!("{gap}{timeline}").as_bytes())
    }
}
