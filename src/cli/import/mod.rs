//! `lifeline import`: files into the store, through the same pipeline as live events.
//!
//! In: external log lines (NDJSON, JSON), log lines and reports of neighbours, and tables of the Platform Connector (CSV or JSON rows), plain or compressed. Out: a summary. An import
//! that was stopped goes on where it was: a mark for each file, named by its content, says how far everything is durable.
//! With `--follow` it reads on, see [`follow`]. `CONNECTION` files are read first, whatever their order, since the rows of `LOG` lack names and types.

mod audit;
mod follow;
pub mod frame;
mod json;
mod marks;
mod neighbours;
pub mod sink;
pub mod source;
mod table;
#[cfg(test)]
mod tests;

pub use table::Connections;

use super::{CliError, DataFlags, Outcome, configuration::pretty, error, print, progress::Progress, runtime};
use clap::Args;
use marks::Marks;
use serde_json::{Value, json};
use sink::{Sender, Tally};
use source::{Content, Form, Item, Source};
use std::{
    path::{Path, PathBuf},
    time::Instant,
};
use table::Table;

/// Records in one commit.
const BATCH_RECORDS: usize = 1_000;
/// Bytes after which a batch is sent although it is not full.
const BATCH_BYTES: usize = 4 << 20;
/// Batches between two marks.
const MARK_EVERY: u64 = 16;

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// NDJSON, JSON or CSV files, also .gz and .zst; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Go on reading lines that are added, until a signal comes. Then a FILE may be a directory or a pattern in quotes, too.
    #[arg(long, conflicts_with = "dry_run")]
    follow: bool,
    /// Forget how far an earlier import of these files came.
    #[arg(long)]
    restart: bool,
    /// The add-on whose activity a table of Heroku Connect holds; the table does not name it.
    #[arg(long, value_name = "ID")]
    add_on: Option<String>,
    /// Read, validate and count, but store nothing.
    #[arg(long)]
    dry_run: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: Box<DataFlags>,
}

/// What was done with one file.
struct FileReport {
    path: PathBuf,
    /// Records that an earlier run had stored.
    skipped: u64,
    records: u64,
}

pub(super) fn run(args: &ImportArgs) -> Outcome {
    let (config, _) = args.flags.0.load()?;
    runtime()?.block_on(async {
        let started = Instant::now();
        if args.follow {
            let (followed, tally) = follow::follow(args, &config).await?;
            let report = |file: follow::Followed| FileReport { path: file.path, skipped: 0, records: file.records };
            let reports: Vec<FileReport> = followed.into_iter().map(report).collect();
            summary(args, &reports, tally, 0, started.elapsed().as_secs_f64())?;
            return Ok(error::DONE);
        }
        let mut connections = Connections::of_add_on(args.add_on.clone());
        let mut sources = Vec::new();
        for path in &args.files {
            let mut source = Source::open(path)?;
            if source.form == Form::Csv(Table::Connection) {
                while source.next(&mut connections, path)?.is_some() {}
            } else {
                sources.push((path.clone(), source));
            }
        }
        let mut sender = Sender::new(sink::open(&config, args.dry_run).await?);
        let marks = (!args.dry_run).then(|| Marks::new(&config.storage.data_dir));
        let total = sources.iter().map(|(_, source)| source.size_bytes).sum();
        let mut progress = Progress::new("import", total, args.json);
        let mut reports = Vec::new();
        let mut before = 0;
        let mut outcome = Ok(());
        for (path, source) in sources {
            let size = source.size_bytes;
            let resume = Resume { marks: marks.as_ref(), restart: args.restart };
            match one_file(&path, source, &mut connections, &mut sender, &resume, &mut progress, before).await {
                Ok(report) => reports.push(report),
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
            before += size;
        }
        progress.finish();
        let tally = sender.done;
        sender.close().await?;
        outcome?;
        summary(args, &reports, tally, connections.len(), started.elapsed().as_secs_f64())
    })
}

/// How a file is taken up again.
struct Resume<'m> {
    marks: Option<&'m Marks>,
    restart: bool,
}

async fn one_file(
    path: &Path,
    mut source: Source,
    connections: &mut Connections,
    sender: &mut Sender,
    resume: &Resume<'_>,
    progress: &mut Progress,
    bytes_before: u64,
) -> Result<FileReport, CliError> {
    // Standard input cannot be taken up again.
    let marks = resume.marks.filter(|_| path != Path::new("-"));
    let skipped = match marks {
        Some(marks) if !resume.restart => marks.read(&source.mark)?,
        _ => 0,
    };
    let mut report = FileReport { path: path.to_owned(), skipped: 0, records: 0 };
    let (mut batch, mut batch_bytes, mut batches) = (Vec::with_capacity(BATCH_RECORDS), 0, 0_u64);
    sender.durable_place = skipped;
    loop {
        let item = source.next(connections, path)?;
        let end = item.is_none();
        match item {
            Some(item) if item.place <= skipped => report.skipped += u64::from(item.content != Content::Nothing),
            Some(item) => {
                batch_bytes += size_of(&item);
                report.records += u64::from(item.content != Content::Nothing);
                batch.push(item);
            }
            None => {}
        }
        if batch.len() >= BATCH_RECORDS || batch_bytes >= BATCH_BYTES || (end && !batch.is_empty()) {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH_RECORDS));
            batch_bytes = 0;
            batches += 1;
            sender.send(full).await?;
            if batches.is_multiple_of(MARK_EVERY)
                && let Some(marks) = marks
            {
                marks.write(&source.mark, sender.durable_place, path)?;
            }
            let done = sender.done;
            progress.set(bytes_before + source.read_bytes(), done.accepted + done.duplicates + done.quarantined);
        }
        if end {
            break;
        }
    }
    sender.flush().await?;
    if let Some(marks) = marks {
        marks.write(&source.mark, sender.durable_place, path)?;
    }
    Ok(report)
}

fn size_of(item: &Item) -> usize {
    match &item.content {
        Content::Event { text, .. } => text.len(),
        Content::Unreadable { bytes, .. } => bytes.len(),
        Content::Nothing => 0,
    }
}

fn summary(args: &ImportArgs, reports: &[FileReport], tally: Tally, connections: usize, seconds: f64) -> Outcome {
    let records: u64 = reports.iter().map(|report| report.records).sum();
    let rate = (records as f64 / seconds.max(0.001)) as u64;
    // Single records that cannot be read are kept and said; a file of which nothing can be read is the wrong file.
    let nothing_read = tally.quarantined > 0 && tally.accepted + tally.duplicates == 0;
    let code = if nothing_read { error::FOUND } else { error::DONE };
    if args.json {
        let files: Vec<Value> = reports
            .iter()
            .map(|report| json!({"file": report.path, "records": report.records, "imported_before": report.skipped}))
            .collect();
        print(&pretty(&json!({
            "dry_run": args.dry_run, "files": files, "connections_known": connections, "records": records,
            "accepted": tally.accepted, "duplicates": tally.duplicates, "quarantined": tally.quarantined,
            "invalid": tally.invalid, "unknown_event": tally.unknown,
            "seconds": (seconds * 1000.0).round() / 1000.0, "records_per_second": rate,
        })))?;
        return Ok(code);
    }
    let mut out = String::new();
    for report in reports {
        let before = match report.skipped {
            0 => String::new(),
            n => format!(" ({n} were imported before; --restart reads them again)"),
        };
        out.push_str(&format!("{}: {} records{before}\n", report.path.display(), report.records));
    }
    if connections > 0 {
        out.push_str(&format!("{connections} connections known by name\n"));
    }
    let verb = if args.dry_run { "would be accepted" } else { "accepted" };
    out.push_str(&format!(
        "{:>12} {verb}\n{:>12} duplicates\n{:>12} quarantined\n{:>12} invalid\n{:>12} of unknown name\n{seconds:>12.1} s, {rate} records/s\n",
        tally.accepted, tally.duplicates, tally.quarantined, tally.invalid, tally.unknown
    ));
    print(&out)?;
    Ok(code)
}
