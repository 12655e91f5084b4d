//! What is on a disk, and what is only meant to be.
//!
//! In: what SQLite does to its files. Out: the files as a power cut leaves them. Synced content always survives. Every unsynced write
//! and truncation is, each for itself, kept, dropped or torn at a sector boundary, also out of order; a file that was made or
//! deleted may be there or not until it, or its directory, was synced. Shared memory is no file here: a start never reads it.

use super::Dice;
use rusqlite::ffi;
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The smallest piece of a disk that is written whole.
const SECTOR: usize = 512;
const LARGE_SECTOR: usize = 4096;

/// What SQLite asks of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Open,
    Read,
    Write,
    Sync,
    Truncate,
    Delete,
    Size,
    Lock,
    Map,
}

impl Kind {
    pub const ALL: [Self; 9] = [
        Self::Open,
        Self::Read,
        Self::Write,
        Self::Sync,
        Self::Truncate,
        Self::Delete,
        Self::Size,
        Self::Lock,
        Self::Map,
    ];

    /// What it is answered with when it fails.
    pub const fn errors(self) -> &'static [i32] {
        match self {
            Self::Open => &[ffi::SQLITE_CANTOPEN],
            Self::Read => &[ffi::SQLITE_IOERR_READ],
            Self::Write => &[ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_FULL],
            Self::Sync => &[ffi::SQLITE_IOERR_FSYNC],
            Self::Truncate => &[ffi::SQLITE_IOERR_TRUNCATE],
            Self::Delete => &[ffi::SQLITE_IOERR_DELETE],
            Self::Size => &[ffi::SQLITE_IOERR_FSTAT],
            Self::Lock => &[ffi::SQLITE_IOERR_LOCK],
            Self::Map => &[ffi::SQLITE_IOERR_SHMMAP],
        }
    }

    /// Whether it changes what is on the disk, or what will be.
    const fn changes(self) -> bool {
        matches!(self, Self::Open | Self::Write | Self::Sync | Self::Truncate | Self::Delete)
    }
}

/// What shall go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub kind: Kind,
    /// The how-manieth from now, 0 for the next.
    pub at: u64,
    /// SQLite's code.
    pub code: i32,
    /// Whether the later ones fail as well.
    pub lasts: bool,
}

/// The files as a power cut leaves them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image(BTreeMap<String, Vec<u8>>);

impl Image {
    /// Writes them into an empty directory.
    pub fn restore(&self, dir: &Path) {
        for (name, bytes) in &self.0 {
            fs::write(dir.join(name), bytes).unwrap();
        }
    }
}

#[derive(Debug, Clone)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Truncate(usize),
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => put(to, *at, bytes),
            Self::Truncate(len) => to.resize(*len, 0),
        }
    }
}

fn put(to: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if to.len() < at + bytes.len() {
        to.resize(at + bytes.len(), 0);
    }
    to[at..at + bytes.len()].copy_from_slice(bytes);
}

#[derive(Debug, Default)]
struct Inode {
    synced: Vec<u8>,
    /// Since then, in order.
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Entry {
    Made(String, usize),
    Deleted(String),
}

#[derive(Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    /// Names as the process sees them.
    names: BTreeMap<String, usize>,
    /// Names on the disk.
    synced_names: BTreeMap<String, usize>,
    /// Names that changed since.
    entries: Vec<Entry>,
    counts: BTreeMap<Kind, u64>,
    fault: Option<Fault>,
    failed: u64,
    /// Changing operations until the power goes.
    fuse: Option<u64>,
    image: Option<Image>,
    sync_takes: Duration,
    syncs_lie: bool,
    held: bool,
    waits: bool,
}

/// A disk.
#[derive(Debug)]
pub struct Disk {
    seed: u64,
    state: Mutex<State>,
    released: Condvar,
}

impl Disk {
    pub(super) fn new(dir: &Path, seed: u64) -> Self {
        let mut state = State::default();
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            state.appear(name, fs::read(entry.path()).unwrap());
        }
        Self { seed, state: Mutex::new(state), released: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts the power before the how-manieth changing operation from now.
    pub fn cut_after(&self, operations: u64) {
        self.state().fuse = Some(operations);
    }

    /// What a power cut left; if there was none, what one would leave now. Everything that is done later is done to a dead machine.
    pub fn image(&self) -> Image {
        let mut state = self.state();
        state.cut(self.seed);
        state.image.clone().unwrap()
    }

    /// Notes something unless the power is off already: what was said then was heard by nobody.
    pub fn while_on(&self, note: impl FnOnce()) {
        let state = self.state();
        if state.image.is_none() {
            note();
        }
    }

    /// Whether the power was cut.
    pub fn is_off(&self) -> bool {
        self.state().image.is_some()
    }

    /// From now on every sync says that it is done and does nothing.
    pub fn lie(&self) {
        self.state().syncs_lie = true;
    }

    /// How long a sync takes from now on.
    pub fn slow(&self, sync_takes: Duration) {
        self.state().sync_takes = sync_takes;
    }

    /// Lets something fail; with `None` the disk is sound again.
    pub fn fail(&self, fault: Option<Fault>) {
        self.state().fault = fault;
    }

    /// Operations that failed so far.
    pub fn failed(&self) -> u64 {
        self.state().failed
    }

    /// Operations of a kind so far.
    pub fn count(&self, kind: Kind) -> u64 {
        self.state().counts.get(&kind).copied().unwrap_or(0)
    }

    /// Lets the next sync wait until [`Self::release`].
    pub fn hold(&self) {
        self.state().held = true;
    }

    /// Waits, not for long, until a sync is held.
    pub fn await_held(&self) {
        let state = self.state();
        drop(self.released.wait_timeout_while(state, Duration::from_millis(500), |state| !state.waits));
    }

    /// Lets it go on.
    pub fn release(&self) {
        self.state().held = false;
        self.released.notify_all();
    }

    /// Before anything is done: what it is answered with instead.
    pub(super) fn before(&self, kind: Kind) -> Result<(), i32> {
        let mut state = self.state();
        if kind == Kind::Sync {
            if state.held {
                state.waits = true;
                self.released.notify_all();
                state = self.released.wait_while(state, |state| state.held).unwrap_or_else(PoisonError::into_inner);
                state.waits = false;
            }
            if !state.sync_takes.is_zero() {
                let takes = state.sync_takes;
                drop(state);
                std::thread::sleep(takes);
                state = self.state();
            }
        }
        *state.counts.entry(kind).or_default() += 1;
        if kind.changes() {
            match &mut state.fuse {
                Some(0) => state.cut(self.seed),
                Some(left) => *left -= 1,
                None => {}
            }
        }
        let Some(fault) = state.fault.as_mut().filter(|fault| fault.kind == kind) else { return Ok(()) };
        if fault.at > 0 {
            fault.at -= 1;
            return Ok(());
        }
        let (code, lasts) = (fault.code, fault.lasts);
        if !lasts {
            state.fault = None;
        }
        state.failed += 1;
        Err(code)
    }

    /// The number of a file that was opened. `before`: its content, had it been there.
    pub(super) fn opened(&self, name: &str, before: Option<Vec<u8>>) -> usize {
        let mut state = self.state();
        if let Some(inode) = state.names.get(name) {
            return *inode;
        }
        match before {
            // Made and synced by whoever made it.
            Some(bytes) => state.appear(name.to_owned(), bytes),
            None => {
                let inode = state.inodes.len();
                state.inodes.push(Inode::default());
                state.names.insert(name.to_owned(), inode);
                state.entries.push(Entry::Made(name.to_owned(), inode));
                inode
            }
        }
    }

    pub(super) fn knows(&self, name: &str) -> bool {
        self.state().names.contains_key(name)
    }

    pub(super) fn wrote(&self, inode: usize, at: usize, bytes: &[u8]) {
        self.state().inodes[inode].pending.push(Change::Write { at, bytes: bytes.to_vec() });
    }

    pub(super) fn truncated(&self, inode: usize, len: usize) {
        self.state().inodes[inode].pending.push(Change::Truncate(len));
    }

    pub(super) fn synced(&self, inode: usize) {
        let mut state = self.state();
        if !state.syncs_lie {
            state.sync(inode);
        }
    }

    /// After a sync that failed, the system takes what it could not write for written: a later sync does not try again, and
    /// some of it is on the disk and some is not.
    /// Source: LWN, "PostgreSQL's fsync() surprise", read 2026-11.
    pub(super) fn sync_failed(&self, inode: usize) {
        let mut state = self.state();
        let mut dice = Dice::new(self.seed ^ state.failed);
        let Inode { synced, pending } = &mut state.inodes[inode];
        for change in pending.drain(..) {
            // Lengths are kept in the file system's own journal.
            let whole = matches!(change, Change::Truncate(_)) || dice.percent(50);
            if whole { change.apply(synced) } else { torn(&change, synced, &mut dice) }
        }
    }

    pub(super) fn deleted(&self, name: &str, dir_synced: bool) {
        let mut state = self.state();
        state.names.remove(name);
        state.entries.push(Entry::Deleted(name.to_owned()));
        if dir_synced && !state.syncs_lie {
            let entries = std::mem::take(&mut state.entries);
            entries.into_iter().for_each(|entry| entry.apply(&mut state.synced_names));
        }
    }
}

impl Entry {
    fn name(&self) -> &str {
        match self {
            Self::Made(name, _) | Self::Deleted(name) => name,
        }
    }

    fn apply(self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Made(name, inode) => drop(names.insert(name, inode)),
            Self::Deleted(name) => drop(names.remove(&name)),
        }
    }
}

impl State {
    fn appear(&mut self, name: String, synced: Vec<u8>) -> usize {
        let inode = self.inodes.len();
        self.inodes.push(Inode { synced, pending: Vec::new() });
        self.names.insert(name.clone(), inode);
        self.synced_names.insert(name, inode);
        inode
    }

    fn sync(&mut self, inode: usize) {
        let Inode { synced, pending } = &mut self.inodes[inode];
        pending.drain(..).for_each(|change| change.apply(synced));
        // Its name is on the disk from now on, whatever the name was for before.
        let made = |entry: &Entry| matches!(entry, Entry::Made(_, made) if *made == inode);
        let Some(at) = self.entries.iter().position(made) else { return };
        let Entry::Made(name, _) = self.entries.remove(at) else { return };
        let mut before = at;
        self.entries.retain(|entry| {
            let older = before > 0;
            before = before.saturating_sub(1);
            !(older && entry.name() == name)
        });
        self.synced_names.insert(name, inode);
    }

    fn cut(&mut self, seed: u64) {
        if self.image.is_some() {
            return;
        }
        let mut dice = Dice::new(seed);
        // Of a hundred unsynced changes, so many stay whole.
        let whole = dice.pick(&[0, 10, 50, 90, 100]);
        let mut names = self.synced_names.clone();
        for entry in &self.entries {
            if dice.percent(whole) {
                entry.clone().apply(&mut names);
            }
        }
        let files = names.into_iter().map(|(name, inode)| {
            let Inode { synced, pending } = &self.inodes[inode];
            let mut bytes = synced.clone();
            for change in pending {
                if dice.percent(whole) {
                    change.apply(&mut bytes);
                } else {
                    torn(change, &mut bytes, &mut dice);
                }
            }
            (name, bytes)
        });
        self.image = Some(Image(files.collect()));
    }
}

/// A part of a change, or nothing of it.
fn torn(change: &Change, to: &mut Vec<u8>, dice: &mut Dice) {
    let Change::Write { at, bytes } = change else { return };
    let sector = if dice.percent(50) { SECTOR } else { LARGE_SECTOR };
    // The pieces of the write, each in one sector of the disk.
    let mut ends: Vec<usize> =
        (at / sector + 1..).map(|it| it * sector - at).take_while(|end| *end < bytes.len()).collect();
    ends.push(bytes.len());
    let pieces = ends.iter().scan(0, |start, end| Some((std::mem::replace(start, *end), *end)));
    match dice.below(3) {
        0 => {}
        1 => {
            let first = dice.below(ends.len());
            pieces.take(first).for_each(|(start, end)| put(to, at + start, &bytes[start..end]));
        }
        _ => pieces.filter(|_| dice.percent(50)).for_each(|(start, end)| put(to, at + start, &bytes[start..end])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(of: impl Fn(&Disk)) -> Vec<Image> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("old"), [1; 1024]).unwrap();
        (0..300)
            .map(|seed| {
                let disk = Disk::new(dir.path(), seed);
                of(&disk);
                disk.image()
            })
            .collect()
    }

    #[test]
    fn what_was_synced_survives_and_what_was_not_may_be_anything() {
        let images = images(|disk| {
            let old = disk.opened("old", None);
            disk.wrote(old, 512, &[2; 512]);
            disk.synced(old);
            disk.wrote(old, 256, &[3; 1024]);
            disk.truncated(old, 700);
        });
        let mut seen: Vec<Vec<u8>> = images.iter().map(|image| image.0["old"].clone()).collect();
        seen.sort();
        seen.dedup();
        for it in &seen {
            assert!(it.len() >= 700 && it[..256] == [1; 256]);
            // Sectors are whole: an old one or a new one.
            assert!(it[256..512] == [1; 256] || it[256..512] == [3; 256]);
            assert!(it[512..700] == [2; 188] || it[512..700] == [3; 188]);
        }
        let lengths: std::collections::BTreeSet<usize> = seen.iter().map(Vec::len).collect();
        assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [700, 1024, 1280]);
        assert!(seen.len() >= 10, "{}", seen.len());
    }

    #[test]
    fn names_are_as_durable_as_their_sync() {
        let of = |synced: bool| {
            let images = images(|disk| {
                let new = disk.opened("new", None);
                if synced {
                    disk.synced(new);
                }
                disk.deleted("old", synced);
            });
            let there = |name: &str| images.iter().filter(|image| image.0.contains_key(name)).count();
            (there("new"), there("old"))
        };
        assert_eq!(of(true), (300, 0));
        let (new, old) = of(false);
        assert!((50..250).contains(&new) && (50..250).contains(&old), "{new} {old}");
    }

    #[test]
    fn a_synced_file_keeps_its_name_though_an_older_one_of_that_name_was_deleted() {
        let images = images(|disk| {
            disk.deleted("old", false);
            let again = disk.opened("old", None);
            disk.wrote(again, 0, &[2; 512]);
            disk.synced(again);
        });
        assert!(images.iter().all(|image| image.0["old"] == [2; 512]));
    }

    #[test]
    fn a_sync_that_failed_is_not_made_good_by_the_next() {
        let images = images(|disk| {
            let old = disk.opened("old", None);
            disk.wrote(old, 0, &[2; 512]);
            disk.sync_failed(old);
            disk.wrote(old, 512, &[3; 512]);
            disk.synced(old);
        });
        let lost = images.iter().filter(|image| image.0["old"][0] == 1).count();
        assert!((50..250).contains(&lost), "{lost}");
        assert!(images.iter().all(|image| image.0["old"][512..] == [3; 512]));
    }

    #[test]
    fn a_seed_gives_the_same_image_again() {
        let of = |disk: &Disk| {
            let new = disk.opened("new", None);
            (0..20).for_each(|n| disk.wrote(new, n * 300, &[n as u8; 5000]));
        };
        assert_eq!(images(of), images(of));
    }
}
