//! What is asked for: a file, a directory, or a pattern.
//!
//! In: a path whose last part may hold `*` and `?`. Out: the regular files that are there now. Hidden files are left out, unless they
//! are named. A file that is not there yet is waited for.

use super::tail::FileId;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// One argument.
pub(super) struct Watch {
    path: PathBuf,
    name: String,
}

impl Watch {
    pub fn new(path: &Path) -> Self {
        // The same argument from another directory is another file.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self { name: path.to_string_lossy().into_owned(), path }
    }

    /// What names it in notes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The files that are there now, in order of their names.
    pub fn files(&self) -> Vec<(FileId, PathBuf)> {
        if let Some(found) = regular(&self.path) {
            return vec![found];
        }
        if self.path.is_dir() {
            return listed(&self.path, "*");
        }
        let pattern = self.path.file_name().and_then(|name| name.to_str()).filter(|name| name.contains(['*', '?']));
        match (self.path.parent(), pattern) {
            (Some(parent), Some(pattern)) => listed(parent, pattern),
            _ => Vec::new(),
        }
    }
}

fn regular(path: &Path) -> Option<(FileId, PathBuf)> {
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some((FileId::of(&metadata), path.to_owned()))
}

fn listed(directory: &Path, pattern: &str) -> Vec<(FileId, PathBuf)> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort_unstable();
    let fits = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        (!name.starts_with('.') || pattern.starts_with('.')) && fits(name.as_bytes(), pattern.as_bytes())
    };
    paths.into_iter().filter(fits).filter_map(|path| regular(&path)).collect()
}

/// The name under which a file lies now, beside the one that it had.
pub(super) fn find_beside(path: &Path, id: FileId) -> Option<PathBuf> {
    let is_it = |path: &PathBuf| regular(path).is_some_and(|(found, _)| found == id);
    if is_it(&path.to_owned()) {
        return Some(path.to_owned());
    }
    let entries = fs::read_dir(path.parent()?).ok()?;
    entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).find(is_it)
}

/// Whether a name fits a pattern of `*` (any number of bytes) and `?` (one). Goes back to the last star only, so the work is bounded by the
/// product of the lengths.
fn fits(name: &[u8], pattern: &[u8]) -> bool {
    let (mut at, mut of) = (0, 0);
    let mut star = None;
    while at < name.len() {
        match pattern.get(of) {
            Some(b'*') => {
                star = Some((at, of));
                of += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[at] => {
                at += 1;
                of += 1;
            }
            _ => {
                let Some((from, star_at)) = star else { return false };
                star = Some((from + 1, star_at));
                at = from + 1;
                of = star_at + 1;
            }
        }
    }
    pattern[of..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns_match_whole_names() {
        for (name, pattern, expected) in [
            ("a.log", "*.log", true),
            ("a.log.1", "*.log", false),
            ("a.log.1", "*.log*", true),
            ("ab", "a?", true),
            ("a", "a?", false),
            ("aXbXc", "a*b*c", true),
            ("aXbX", "a*b*c", false),
            ("", "*", true),
            ("", "?", false),
        ] {
            assert_eq!(fits(name.as_bytes(), pattern.as_bytes()), expected, "{name} {pattern}");
        }
    }
}
