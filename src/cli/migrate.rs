//! `lifeline migrate`: what is stored in the layout that the settings say, in place.
//!
//! In: a data directory that no server uses. Out: how many events went where, what stayed and why, what that saved. May be stopped at any
//! moment, and goes on the next time; Ctrl-C stops it between two slices.

use super::{
    CliError, DataFlags, Outcome,
    configuration::pretty,
    error, print,
    progress::Progress,
    runtime,
    terminal::{counted, span},
    wiring::{self, Migrated, Phase, Places, Step},
};
use crate::config::Layout;
use clap::{Args, ValueEnum};
use indicatif::HumanBytes;
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Free space in the file that is worth a word, in bytes.
const FREE_BYTES_TOLD: u64 = 1 << 20;

#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Into which layout; what the settings say where it is not given.
    #[arg(long, value_name = "LAYOUT")]
    to: Option<To>,
    /// Do not read all events before and after to compare them; each block is read back in any case.
    #[arg(long)]
    no_verify: bool,
    /// Give the free space in the file back to the disk afterwards. Takes space for two copies of what is used.
    #[arg(long)]
    shrink: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: Box<DataFlags>,
}

/// A layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    /// Compressed blocks.
    Blocks,
    /// A row for each event.
    Rows,
}

/// Bars, one for each phase.
struct Bars {
    shown: Option<(Phase, Progress)>,
    quiet: bool,
}

impl Bars {
    fn set(&mut self, step: Step) {
        if self.shown.as_ref().is_none_or(|(phase, _)| *phase != step.phase) {
            self.finish();
            let label = match step.phase {
                Phase::Read => "read",
                Phase::Move => "migrate",
                Phase::Compare => "compare",
            };
            let bar = Progress::counting(label, step.of, "events", "events", self.quiet);
            self.shown = Some((step.phase, bar));
        }
        if let Some((_, bar)) = &mut self.shown {
            bar.set(step.done, step.done);
        }
    }

    fn finish(&mut self) {
        if let Some((_, bar)) = self.shown.take() {
            bar.finish();
        }
    }
}

pub(super) fn run(args: &MigrateArgs) -> Outcome {
    let (config, _) = args.flags.0.load()?;
    let to = match args.to {
        Some(To::Blocks) => Layout::Blocks,
        Some(To::Rows) => Layout::Rows,
        None => config.storage.layout,
    };
    let started = Instant::now();
    let stop = Arc::new(AtomicBool::new(false));
    stop_at_ctrl_c(&stop)?;
    let mut bars = Bars { shown: None, quiet: args.json };
    let migrated = wiring::migrate(&config, to, !args.no_verify, &stop, &mut |step| bars.set(step));
    bars.finish();
    let migrated = migrated?;
    let took = started.elapsed();
    if !args.json {
        print(&told(&migrated, to, took))?;
    }
    let shrunk = if args.shrink && migrated.finished {
        if !args.json {
            eprintln!("writing the file anew; Ctrl-C leaves it as it is");
        }
        Some(wiring::shrink(&config, &stop)?)
    } else {
        None
    };
    if args.json {
        print(&pretty(&as_json(&migrated, to, took, shrunk.map(|it| (it.before, it.after)))))?;
    } else if let Some(shrunk) = shrunk {
        print(&format!("lifeline.db has {} now, {} before", HumanBytes(shrunk.after), HumanBytes(shrunk.before)))?;
    } else if migrated.finished && migrated.after.free_bytes >= FREE_BYTES_TOLD {
        print(&format!(
            "{} of lifeline.db are free for new events; lifeline migrate --shrink gives them back to the disk",
            HumanBytes(migrated.after.free_bytes)
        ))?;
    }
    Ok(if migrated.finished { error::DONE } else { error::FOUND })
}

fn layout(layout: Layout) -> &'static str {
    match layout {
        Layout::Blocks => "blocks",
        Layout::Rows => "rows",
    }
}

fn told(migrated: &Migrated, to: Layout, took: Duration) -> String {
    let Migrated { moved, kept, before, after, digest, finished } = migrated;
    let moved_text = match to {
        Layout::Blocks => counted(*moved, "row", "rows"),
        Layout::Rows => counted(*moved, "event", "events"),
    };
    let mut lines = Vec::new();
    if !finished {
        lines.push(format!("stopped; {moved_text} became {}, start it again to go on", layout(to)));
    } else if *moved == 0 {
        lines.push(format!("nothing to migrate: {}", where_all_are(after)));
    } else {
        let took = span(i64::try_from(took.as_micros()).unwrap_or(i64::MAX));
        let compared = if digest.is_some() { "; every event was compared and is what it was" } else { "" };
        lines.push(format!("{moved_text} became {} in {took}{compared}", layout(to)));
        lines.push(where_all_are(after));
        lines.push(format!("used: {}, before {}", HumanBytes(after.used_bytes), HumanBytes(before.used_bytes)));
    }
    let stay = [
        (kept.large, "larger than 32 KiB, which blocks do not take"),
        (kept.damaged, "damaged; restore a backup to get them back"),
        (kept.newest, "changed while they were in the journal; the next time they go"),
    ];
    for (count, why) in stay.into_iter().filter(|(count, _)| *count > 0) {
        lines.push(format!("{} stayed: {why}", counted(count, "row", "rows")));
    }
    lines.join("\n")
}

fn where_all_are(places: &Places) -> String {
    let Places { rows, blocks, block_events, journal_events, .. } = *places;
    let mut parts = Vec::new();
    if block_events > 0 {
        parts.push(format!("{} in {}", counted(block_events, "event", "events"), counted(blocks, "block", "blocks")));
    }
    if journal_events > 0 {
        parts.push(format!("{} in the journal", counted(journal_events, "event", "events")));
    }
    if rows > 0 || parts.is_empty() {
        parts.push(counted(rows, "row", "rows"));
    }
    parts.join(", ")
}

fn as_json(migrated: &Migrated, to: Layout, took: Duration, shrunk: Option<(u64, u64)>) -> Value {
    let places = |places: &Places| {
        json!({"rows": places.rows, "blocks": places.blocks, "block_events": places.block_events,
               "journal_events": places.journal_events, "used_bytes": places.used_bytes, "free_bytes": places.free_bytes})
    };
    let Migrated { moved, kept, before, after, digest, finished } = migrated;
    json!({"to": layout(to), "finished": finished, "moved": moved,
           "stayed": {"large": kept.large, "damaged": kept.damaged, "journal": kept.newest},
           "before": places(before), "after": places(after), "digest": digest,
           "shrunk": shrunk.map(|(before, after)| json!({"before_bytes": before, "after_bytes": after})),
           "duration_ms": took.as_millis() as u64})
}

/// The first Ctrl-C stops it where nothing is half done, the second at once, which loses nothing either.
fn stop_at_ctrl_c(stop: &Arc<AtomicBool>) -> Result<(), CliError> {
    let (runtime, stop) = (runtime()?, Arc::clone(stop));
    thread::spawn(move || {
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                if stop.swap(true, Ordering::Relaxed) {
                    std::process::exit(130);
                }
                eprintln!("stopping; once more stops at once");
            }
        });
    });
    Ok(())
}
