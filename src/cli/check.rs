//! `lifeline check`: validates files offline. No server, no store, nothing is written.
//!
//! In: the same files as `import`. Out: counts by event, the first errors with their lines. Exit code 1 when a record is invalid or cannot be
//! read as an event; an event of unknown name is counted and is no fault.

use super::{
    CliError, DataFlags, Outcome,
    configuration::pretty,
    error,
    import::{
        Connections,
        sink::record,
        source::{Content, Source},
    },
    now_us, print,
    progress::Progress,
    wiring::{self, Understanding},
};
use crate::model::{NewEvent, Status};
use clap::Args;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// NDJSON, JSON or CSV files, also .gz and .zst; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Show at most so many errors.
    #[arg(long, default_value_t = 20)]
    errors: usize,
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: Box<DataFlags>,
}

/// Counts of one event name.
#[derive(Default)]
struct Counts {
    valid: u64,
    invalid: u64,
    unknown: u64,
}

/// Most event names that are counted apart.
const NAMES_MAX: usize = 1_000;

#[derive(Default)]
struct Found {
    names: BTreeMap<String, Counts>,
    unreadable: u64,
    errors: Vec<Value>,
    errors_max: usize,
}

impl Found {
    fn note(&mut self, path: &Path, place: u64, event: Option<&str>, at: &str, message: &str) {
        if self.errors.len() < self.errors_max {
            self.errors.push(json!({"file": path, "line": place, "event": event, "path": at, "message": message}));
        }
    }

    /// Counts an event and notes what is wrong with it.
    fn count(&mut self, event: &NewEvent, path: &Path, place: u64) {
        let name = event.event.name.as_str();
        let known = self.names.contains_key(name) || self.names.len() < NAMES_MAX;
        let counts = self.names.entry(if known { name.to_owned() } else { "(others)".to_owned() }).or_default();
        match event.verdict.status {
            Status::Valid => counts.valid += 1,
            Status::UnknownEvent => counts.unknown += 1,
            Status::Invalid => {
                counts.invalid += 1;
                for violation in &event.verdict.errors {
                    self.note(path, place, Some(name), &violation.path, &violation.message);
                }
            }
        }
    }

    fn total(&self, count: fn(&Counts) -> u64) -> u64 {
        self.names.values().map(count).sum()
    }
}

pub(super) fn run(args: &CheckArgs) -> Outcome {
    let (config, _) = args.flags.0.load()?;
    let understanding = wiring::understanding(config.storage.schemas_dir.as_deref())?;
    let mut found = Found { errors_max: args.errors, ..Found::default() };
    let mut connections = Connections::default();
    let mut progress = Progress::new("check", 0, args.json);
    let mut records = 0;
    for path in &args.files {
        let mut source = Source::open(path)?;
        while let Some(item) = source.next(&mut connections, path)? {
            match item.content {
                Content::Nothing => continue,
                Content::Unreadable { reason, .. } => {
                    found.unreadable += 1;
                    found.note(path, item.place, None, "", &reason);
                }
                Content::Event { text, level } => {
                    judge(&understanding, &mut found, path, item.place, text, level);
                }
            }
            records += 1;
            if records % 10_000 == 0 {
                progress.set(source.read_bytes(), records);
            }
        }
    }
    progress.finish();
    report(args, &found)
}

fn judge(
    understanding: &Understanding,
    found: &mut Found,
    path: &Path,
    place: u64,
    text: String,
    level: Option<String>,
) {
    understanding.events(&record(text, level), None, now_us(), &mut |read| match read {
        Ok(event) => found.count(&event, path, place),
        Err(unread) => {
            found.unreadable += 1;
            found.note(path, place, None, "", &unread.reason);
        }
    });
}

fn report(args: &CheckArgs, found: &Found) -> Result<u8, CliError> {
    let (valid, invalid) = (found.total(|c| c.valid), found.total(|c| c.invalid));
    let unknown = found.total(|c| c.unknown);
    let code = if invalid + found.unreadable > 0 { error::FOUND } else { error::DONE };
    if args.json {
        let events: serde_json::Map<String, Value> = found
            .names
            .iter()
            .map(|(name, counts)| {
                let counts = json!({"valid": counts.valid, "invalid": counts.invalid, "unknown_event": counts.unknown});
                (name.clone(), counts)
            })
            .collect();
        print(&pretty(&json!({
            "ok": code == error::DONE, "valid": valid, "invalid": invalid, "unknown_event": unknown,
            "unreadable": found.unreadable, "events": events, "errors": found.errors,
        })))?;
        return Ok(code);
    }
    let width = found.names.keys().map(|name| name.chars().count()).max().unwrap_or(0).max("event".len());
    let mut out = format!("{:width$}  {:>10}  {:>10}  {:>10}\n", "event", "valid", "invalid", "unknown");
    for (name, counts) in &found.names {
        out.push_str(&format!("{name:width$}  {:>10}  {:>10}  {:>10}\n", counts.valid, counts.invalid, counts.unknown));
    }
    out.push_str(&format!("{:width$}  {valid:>10}  {invalid:>10}  {unknown:>10}\n", "total"));
    if found.unreadable > 0 {
        out.push_str(&format!("{} records cannot be read as an event\n", found.unreadable));
    }
    for error in &found.errors {
        let text = |key: &str| error[key].as_str().unwrap_or_default();
        let subject = [text("event"), text("path")].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>();
        let subject = if subject.is_empty() { String::new() } else { format!("{}: ", subject.join(" ")) };
        out.push_str(&format!("{}:{}: {subject}{}\n", text("file"), error["line"], text("message")));
    }
    print(&out)?;
    Ok(code)
}
