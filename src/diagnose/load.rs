//! Reads the catalogue: the built-in files, then those of a directory.
//!
//! In: TOML files. Out: a [`Catalog`]. Refused: with file, entry and field. Bounded: files, entries, lengths and the automaton's size.

use super::{
    entry::{Entry, RawEntry, RawExample, RawFile},
    matching::Matcher,
};
use crate::model::Source;
use include_dir::{Dir, include_dir};
use jsonschema::error::ValidationErrorKind;
use regex::bytes::{RegexBuilder, RegexSet, RegexSetBuilder};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

static BUILT_IN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/src/diagnose/catalog");
static SCHEMA: &str = include_str!("../../schemas/diagnosis/v1.json");

/// Largest file of a user, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Most files of a user.
const FILES_MAX: usize = 200;
/// Most breaches of the schema that are looked at before one is named.
const ERRORS_MAX: usize = 50;
/// Most entries in all.
const ENTRIES_MAX: usize = 4_000;
/// Longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 1_000;
/// Most memory of one compiled pattern, in bytes.
const PATTERN_SIZE_MAX: usize = 1 << 20;
/// Most memory of all patterns together, in bytes.
const SET_SIZE_MAX: usize = 64 << 20;
/// Most memory of the automaton that a thread builds while it reads, in bytes.
const SET_CACHE_MAX: usize = 8 << 20;

/// Why a catalogue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The directory or a file cannot be read.
    #[error("cannot read diagnoses {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is no TOML.
    #[error("diagnoses {file}: not TOML: {reason}")]
    Toml {
        /// The file.
        file: String,
        /// The parser's words.
        reason: String,
    },
    /// An entry breaks the schema or holds a pattern that cannot be used.
    #[error("diagnoses {file}: {entry}: {field}: {reason}")]
    Entry {
        /// The file.
        file: String,
        /// The entry by its code and place.
        entry: String,
        /// The field.
        field: String,
        /// What is wrong.
        reason: String,
    },
    /// Too much of it.
    #[error("diagnoses {path}: {reason}")]
    TooLarge {
        /// The directory.
        path: PathBuf,
        /// What is too much.
        reason: String,
    },
}

/// Everything that is known about errors.
#[derive(Debug)]
pub struct Catalog {
    pub(super) entries: Vec<Entry>,
    pub(super) matchers: Vec<Matcher>,
    pub(super) set: RegexSet,
    /// How many entries are built in; the user's own follow.
    pub(super) built_in: usize,
}

/// A file that was read.
struct Read {
    name: String,
    file: RawFile,
}

impl Catalog {
    /// The catalogue that is part of the program.
    ///
    /// # Panics
    /// Never in a released build: the files are part of it, and a test reads them.
    #[must_use]
    pub fn builtin() -> Arc<Self> {
        static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| {
            Arc::new(Catalog::of(built_in(), Vec::new()).expect("the built-in catalogue can be read"))
        });
        Arc::clone(&CATALOG)
    }

    /// The built-in catalogue with the files of a directory added; an entry of the same code takes the built-in one's place.
    ///
    /// # Errors
    /// A file that cannot be read, breaks the schema or holds an unusable pattern.
    pub fn load(own: Option<&Path>) -> Result<Arc<Self>, CatalogError> {
        let Some(root) = own else { return Ok(Self::builtin()) };
        let own = read_dir(root)?;
        Self::of(built_in(), own).map(Arc::new)
    }

    /// Every entry, the built-in ones first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The place of an entry of this catalogue.
    #[must_use]
    pub fn place(&self, entry: &Entry) -> usize {
        self.entries.iter().position(|other| other.code == entry.code).unwrap_or_default()
    }

    fn of(built_in: Vec<Read>, own: Vec<Read>) -> Result<Self, CatalogError> {
        let replaced: BTreeSet<String> =
            own.iter().flat_map(|read| read.file.entry.iter().map(|entry| entry.code.to_ascii_lowercase())).collect();
        let mut builder = Builder::default();
        for read in built_in {
            builder.add(read, |code| !replaced.contains(&code.to_ascii_lowercase()))?;
        }
        let count = builder.entries.len();
        let promises = promises(&own);
        for read in own {
            builder.add(read, |_| true)?;
        }
        let set = RegexSetBuilder::new(&builder.patterns)
            .unicode(false)
            .case_insensitive(true)
            .size_limit(SET_SIZE_MAX)
            .dfa_size_limit(SET_CACHE_MAX)
            .build()
            .map_err(|error| CatalogError::Entry {
                file: "all files".to_owned(),
                entry: "all entries".to_owned(),
                field: "match.text".to_owned(),
                reason: format!("the patterns together are too large: {error}"),
            })?;
        let catalog = Self { entries: builder.entries, matchers: builder.matchers, set, built_in: count };
        promises.into_iter().try_for_each(|promise| promise.keep(&catalog))?;
        Ok(catalog)
    }
}

/// What a user's entry says of itself: that it fits an example, or does not fit a near miss.
struct Promise {
    file: String,
    code: String,
    field: &'static str,
    system: Source,
    example: RawExample,
}

fn promises(own: &[Read]) -> Vec<Promise> {
    let mut promises = Vec::new();
    for read in own {
        for entry in &read.file.entry {
            for (field, examples) in [("examples", &entry.examples), ("near_misses", &entry.near_misses)] {
                promises.extend(examples.iter().map(|example| Promise {
                    file: read.name.clone(),
                    code: entry.code.clone(),
                    field,
                    system: read.file.system,
                    example: example.clone(),
                }));
            }
        }
    }
    promises
}

impl Promise {
    fn keep(self, catalog: &Catalog) -> Result<(), CatalogError> {
        let found = catalog.diagnose(&self.example.symptom(self.system));
        let fits = found.iter().any(|found| found.entry.code == self.code);
        let reason = match (self.field, fits) {
            ("examples", false) => "none of the matchers fits",
            ("near_misses", true) => "a matcher fits",
            _ => return Ok(()),
        };
        let example: String = format!("{:?}", self.example).chars().take(200).collect();
        Err(CatalogError::Entry {
            file: self.file,
            entry: self.code,
            field: self.field.to_owned(),
            reason: format!("{reason} {example}"),
        })
    }
}

#[derive(Default)]
struct Builder {
    entries: Vec<Entry>,
    matchers: Vec<Matcher>,
    patterns: Vec<String>,
    codes: BTreeSet<String>,
}

impl Builder {
    fn add(&mut self, read: Read, wanted: impl Fn(&str) -> bool) -> Result<(), CatalogError> {
        let system = read.file.system;
        for (place, raw) in read.file.entry.into_iter().enumerate().filter(|(_, raw)| wanted(&raw.code)) {
            let wrong = |field: &str, reason: String| CatalogError::Entry {
                file: read.name.clone(),
                entry: format!("entry {} ({})", place + 1, raw.code),
                field: field.to_owned(),
                reason,
            };
            if !self.codes.insert(raw.code.to_ascii_lowercase()) {
                return Err(wrong("code", "another entry has this code".to_owned()));
            }
            if self.entries.len() >= ENTRIES_MAX {
                return Err(wrong("code", format!("there are more than {ENTRIES_MAX} entries")));
            }
            for matcher in &raw.r#match {
                let patterns = matcher.text.as_ref().map_or(&[][..], |words| words.as_slice());
                for pattern in patterns {
                    check_pattern(pattern).map_err(|reason| wrong("match.text", reason))?;
                }
                self.matchers.push(Matcher::new(self.entries.len(), matcher.clone(), self.patterns.len()));
                self.patterns.extend_from_slice(patterns);
            }
            let RawEntry { code, title, cause, fix, who, transient, retriable, severity, recovery, reference, .. } =
                raw;
            self.entries.push(Entry {
                code,
                system,
                title,
                cause,
                fix,
                who,
                transient,
                retriable,
                severity,
                recovery,
                reference,
            });
        }
        Ok(())
    }
}

fn check_pattern(pattern: &str) -> Result<(), String> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(format!("the pattern has {} bytes, {PATTERN_BYTES_MAX} are allowed", pattern.len()));
    }
    let regex = RegexBuilder::new(pattern)
        .unicode(false)
        .case_insensitive(true)
        .size_limit(PATTERN_SIZE_MAX)
        .build()
        .map_err(|error| format!("{pattern:?} cannot be used as a pattern: {error}"))?;
    if regex.is_match(b"") {
        return Err(format!("{pattern:?} fits every text"));
    }
    Ok(())
}

fn built_in() -> Vec<Read> {
    let mut files: Vec<_> =
        BUILT_IN.files().filter(|file| file.path().extension().is_some_and(|ext| ext == "toml")).collect();
    files.sort_by_key(|file| file.path());
    files
        .into_iter()
        .map(|file| {
            let name = file.path().to_string_lossy().into_owned();
            let text = file.contents_utf8().expect("the catalogue is text");
            let file = toml::from_str(text).expect("the built-in files are read by a test");
            Read { name, file }
        })
        .collect()
}

/// The built-in files, each with its text.
#[cfg(test)]
pub(super) fn built_in_texts() -> Vec<(String, &'static str)> {
    BUILT_IN
        .files()
        .filter_map(|file| Some((file.path().to_string_lossy().into_owned(), file.contents_utf8()?)))
        .collect()
}

fn read_dir(root: &Path) -> Result<Vec<Read>, CatalogError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| CatalogError::Read { path, source }
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(root).map_err(failed(root))? {
        let path = entry.map_err(failed(root))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    if paths.len() > FILES_MAX {
        let reason = format!("it holds {} files, {FILES_MAX} are allowed", paths.len());
        return Err(CatalogError::TooLarge { path: root.to_owned(), reason });
    }
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let size = fs::metadata(&path).map_err(failed(&path))?.len();
        if size > FILE_BYTES_MAX {
            let reason = format!("it has {size} bytes, {FILE_BYTES_MAX} are allowed");
            return Err(CatalogError::TooLarge { path, reason });
        }
        let name = path.display().to_string();
        let text = fs::read_to_string(&path).map_err(failed(&path))?;
        let file = check(&name, &text)?;
        files.push(Read { name, file });
    }
    Ok(files)
}

/// A file against the schema, then as what it says.
pub(super) fn check(name: &str, text: &str) -> Result<RawFile, CatalogError> {
    let not_toml = |reason: String| CatalogError::Toml { file: name.to_owned(), reason };
    let value: Value = toml::from_str(text).map_err(|error| not_toml(error.to_string().trim().to_owned()))?;
    let schema: Value = serde_json::from_str(SCHEMA).map_err(|error| not_toml(error.to_string()))?;
    let validator = jsonschema::options()
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .offline()
        .build(&schema)
        .map_err(|error| not_toml(format!("the schema cannot be used: {error}")))?;
    let mut errors: Vec<_> = validator.iter_errors(&value).take(ERRORS_MAX).collect();
    // A misspelt field is also a missing one; the misspelling tells more.
    errors.sort_by_key(|error| !matches!(error.kind(), ValidationErrorKind::AdditionalProperties { .. }));
    if let Some(error) = errors.first() {
        let mut pointer = error.instance_path().as_str().to_owned();
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                pointer.push_str(&format!("/{}", unexpected.first().map_or("", String::as_str)));
            }
            ValidationErrorKind::Required { property } => {
                pointer.push_str(&format!("/{}", property.as_str().unwrap_or_default()));
            }
            _ => {}
        }
        return Err(breach(name, &value, &pointer, &error.to_string()));
    }
    serde_json::from_value(value.clone()).map_err(|error| breach(name, &value, "", &error.to_string()))
}

/// Which entry and field a breach is in.
fn breach(file: &str, value: &Value, pointer: &str, reason: &str) -> CatalogError {
    let mut parts = pointer.trim_start_matches('/').splitn(3, '/');
    let (first, place, rest) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let place = place.and_then(|place| place.parse::<usize>().ok());
    let (entry, field) = match place {
        Some(place) if first == "entry" => {
            let code = value.pointer(&format!("/entry/{place}/code")).and_then(Value::as_str).unwrap_or("no code");
            (format!("entry {} ({code})", place + 1), rest.unwrap_or("entry").replace('/', "."))
        }
        _ => ("file".to_owned(), if first.is_empty() { "file".to_owned() } else { first.to_owned() }),
    };
    let reason: String = reason.chars().take(300).collect();
    CatalogError::Entry { file: file.to_owned(), entry, field, reason }
}
