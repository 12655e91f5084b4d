//! `lifeline import --follow`: log files that are still being written, through the same pipeline as live events.
//!
//! In: files, directories, or patterns like `logs/*.ndjson`. Out: each complete line as a record, from the beginning of the file on, and a summary
//! when a signal ends it. A file is its inode: renamed, it is read to its end while the new one at its path begins; cut
//! short or written anew, it is read from its beginning. How far everything is durable is noted in the data directory, so a start
//! goes on there, also for what was renamed meanwhile. A server beside it may stop and come back; lines wait for it.

mod places;
mod tail;
mod watch;

use super::{
    ImportArgs,
    sink::{self, Sender, Sink, Tally},
    table::Connections,
};
use crate::{
    cli::{CliError, access::Access, control::Control},
    config::Config,
};
use places::Places;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write as _},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tail::{FileId, Tail};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::Notify,
};
use watch::Watch;

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How often an unreachable server is tried.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// Batches that are sent before their place is noted.
const NOTE_EVERY: usize = 16;

/// Most files that are open at once.
const FILES_MAX: usize = 1_000;

/// What was done with one file.
pub(super) struct Followed {
    pub path: std::path::PathBuf,
    pub records: u64,
}

/// Follows until a signal comes. Gives what was read and what became of it.
///
/// # Errors
/// The store, or a file that has to be written, cannot be used.
pub(super) async fn follow(args: &ImportArgs, config: &Config) -> Result<(Vec<Followed>, Tally), CliError> {
    let stop = Stop::new()?;
    let data_dir = &config.storage.data_dir;
    let mut following = Following {
        watches: args.files.iter().map(|path| Watch::new(path)).collect(),
        places: Places::new(data_dir),
        tails: BTreeMap::new(),
        packed: BTreeSet::new(),
        done: Vec::new(),
        restart: args.restart,
        full: false,
    };
    let mut sender = Sender::new(sink::open(config, false).await?);
    let mut tally = Tally::default();
    following.take_up()?;
    say(&format!("following {}; a signal ends it", names(args)));
    while !stop.asked() {
        following.look();
        if let Err(error) = following.read(&mut sender, &stop).await {
            if !sender.is_remote() || !matches!(error, CliError::Control(_)) {
                return Err(error);
            }
            tally.add(sender.done);
            following.rewind();
            match reach(data_dir, &error, &stop).await {
                Some(control) => sender = Sender::new(Sink::Store(Access::Server(control))),
                None => break,
            }
            continue;
        }
        stop.or_after(LOOK_EVERY).await;
    }
    tally.add(sender.done);
    sender.close().await?;
    Ok((following.end(), tally))
}

fn names(args: &ImportArgs) -> String {
    let names: Vec<String> = args.files.iter().map(|path| path.display().to_string()).collect();
    names.join(", ")
}

/// Waits until the server is back. Opening the store ourselves meanwhile would keep it from starting.
async fn reach(data_dir: &Path, error: &CliError, stop: &Stop) -> Option<Control> {
    say(&format!("{error}; trying again until the server is back"));
    loop {
        stop.or_after(RETRY_EVERY).await;
        if stop.asked() {
            return None;
        }
        if let Some(control) = Control::find(data_dir).await {
            say("the server is back");
            return Some(control);
        }
    }
}

/// Tells what happens, on standard error. Nobody may listen there any more.
fn say(words: &str) {
    let _ = writeln!(io::stderr(), "{words}");
}

/// Whether a signal has come.
struct Stop(Arc<(AtomicBool, Notify)>);

impl Stop {
    fn new() -> Result<Self, CliError> {
        let shared = Arc::new((AtomicBool::new(false), Notify::new()));
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let told = Arc::clone(&shared);
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            told.0.store(true, Ordering::Relaxed);
            told.1.notify_one();
        });
        Ok(Self(shared))
    }

    fn asked(&self) -> bool {
        self.0.0.load(Ordering::Relaxed)
    }

    async fn or_after(&self, pause: Duration) {
        tokio::select! { () = self.0.1.notified() => {}, () = tokio::time::sleep(pause) => {} }
    }
}

/// The files and how far each was read.
struct Following {
    watches: Vec<Watch>,
    places: Places,
    tails: BTreeMap<FileId, Tail>,
    /// Packed files, to which nobody adds.
    packed: BTreeSet<FileId>,
    done: Vec<Followed>,
    restart: bool,
    /// Whether it was said that there are too many files.
    full: bool,
}

impl Following {
    /// Finds what an earlier run left unread in files that were renamed since.
    fn take_up(&mut self) -> Result<(), CliError> {
        for place in self.places.all()? {
            if !self.watches.iter().any(|watch| watch.name() == place.of) {
                continue;
            }
            let found = (!self.restart).then(|| watch::find_beside(&place.path, place.id)).flatten();
            match found.and_then(|path| Tail::open(&path, &place.of, Some(&place)).ok().flatten()) {
                Some(tail) => {
                    self.tails.insert(place.id, tail);
                }
                // It is gone, and what was not read of it with it.
                None => self.places.forget(place.id),
            }
        }
        Ok(())
    }

    /// Opens what is new, and notes what is no longer at a path that is watched.
    fn look(&mut self) {
        let mut seen = Vec::new();
        for watch in &self.watches {
            for (id, path) in watch.files() {
                seen.push(id);
                if let Some(tail) = self.tails.get_mut(&id) {
                    tail.path = path;
                    continue;
                }
                if self.packed.contains(&id) {
                    continue;
                }
                if self.tails.len() >= FILES_MAX {
                    if !self.full {
                        say(&format!("more than {FILES_MAX} files; the others are read when some are gone"));
                    }
                    self.full = true;
                    continue;
                }
                match Tail::open(&path, watch.name(), None) {
                    Ok(Some(tail)) => {
                        self.tails.insert(id, tail);
                    }
                    Ok(None) => {
                        say(&format!("{}: packed, not followed; import it without --follow", path.display()));
                        self.packed.insert(id);
                    }
                    Err(error) => say(&format!("{}: {error}", path.display())),
                }
            }
        }
        for (id, tail) in &mut self.tails {
            tail.is_watched(seen.contains(id));
        }
    }

    /// Reads and sends what is new in every file.
    async fn read(&mut self, sender: &mut Sender, stop: &Stop) -> Result<(), CliError> {
        let mut connections = Connections::default();
        let mut over = Vec::new();
        for (id, tail) in &mut self.tails {
            let mut batches = 0;
            while !stop.asked() {
                match tail.next_batch(&mut connections) {
                    Ok(batch) if batch.is_empty() => break,
                    Ok(batch) => sender.send(batch).await?,
                    Err(error) => {
                        say(&format!("{}: {error}", tail.path.display()));
                        break;
                    }
                }
                batches += 1;
                if batches % NOTE_EVERY == 0 {
                    sender.flush().await?;
                    tail.is_durable();
                    self.places.note(*id, tail)?;
                }
            }
            if batches > 0 {
                sender.flush().await?;
                tail.is_durable();
                self.places.note(*id, tail)?;
            } else if tail.is_over() {
                over.push(*id);
            }
        }
        for id in over {
            if let Some(tail) = self.tails.remove(&id) {
                self.done.push(Followed { records: tail.records, path: tail.path });
                self.places.forget(id);
            }
        }
        Ok(())
    }

    /// Goes back to what is known to be durable.
    fn rewind(&mut self) {
        self.tails.values_mut().for_each(Tail::rewind);
    }

    fn end(mut self) -> Vec<Followed> {
        let open = self.tails.into_values().map(|tail| Followed { records: tail.records, path: tail.path });
        self.done.extend(open);
        self.done
    }
}
