//! A made-up account: its log, the truth about it and the answers of the dbt package.
//!
//! In: a directory, of the fixtures or of `LIFELINE_ORACLE_ACCOUNT`. Out: lines and rows.

use crate::samples::fixture;
use lifeline::model::{Micros, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// An account.
pub struct Account {
    /// Its directory's name.
    pub name: String,
    pub now: Micros,
    /// Log lines in order of arrival, today's spelling.
    pub lines: Vec<String>,
    pub connections: Vec<TruthConnection>,
    pub syncs: Vec<TruthSync>,
    pub tables: Vec<TruthTable>,
    dir: PathBuf,
}

#[derive(Debug, Clone, serde::Deserialize)]
pub struct TruthConnection {
    pub connection_id: String,
    pub connection_name: String,
    pub scenario: String,
    pub truth_health: String,
    pub last_finished_at: String,
    pub last_successful_at: String,
    pub last_started_at: String,
    pub running_now: String,
    pub syncs: u64,
    pub failed: u64,
    pub severe_ends: String,
}

#[derive(Debug, Clone, serde::Deserialize)]
pub struct TruthSync {
    pub connection_id: String,
    pub sync_id: String,
    pub started: String,
    pub start_logged: String,
    pub ended: String,
    pub status: String,
    pub rows: u64,
}

#[derive(Debug, Clone, serde::Deserialize)]
pub struct TruthTable {
    pub connection_id: String,
    pub sync_id: String,
    pub schema: String,
    pub table: String,
    pub sync_started: String,
    pub write_start: String,
    pub write_end: String,
    pub replaced_or_inserted: u64,
    pub updated: u64,
    pub deleted: u64,
}

/// A time of a table; empty is none.
pub fn time(text: &str) -> Option<Micros> {
    (!text.is_empty()).then(|| Timestamp::parse(text).unwrap_or_else(|_| panic!("{text} is no time")).micros())
}

pub fn is_true(text: &str) -> bool {
    text.eq_ignore_ascii_case("true")
}

/// A file with or without one of the endings of compression; `None` when there is none.
fn read(path: &Path) -> Option<String> {
    let with = |ending: &str| PathBuf::from(format!("{}{ending}", path.display()));
    let mut text = String::new();
    if let Ok(file) = fs::File::open(with(".zst")) {
        zstd::Decoder::new(file).and_then(|mut it| it.read_to_string(&mut text)).expect("a zstd file");
    } else if let Ok(file) = fs::File::open(with(".gz")) {
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("a gzip file");
    } else {
        text = fs::read_to_string(path).ok()?;
    }
    Some(text)
}

fn rows<T: DeserializeOwned>(text: &str) -> Vec<T> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().map(|row| row.expect("a row of the oracle")).collect()
}

impl Account {
    fn load(dir: &Path) -> Self {
        // The generator writes everything into one folder, the fixtures are sorted into several.
        let find = |folder: &str, name: &str| {
            read(&dir.join(folder).join(name)).or_else(|| read(&dir.join(name))).unwrap_or_else(|| panic!("no {name}"))
        };
        let meta: Value = serde_json::from_str(&find(".", "meta.json")).expect("JSON");
        Self {
            name: dir.file_name().expect("a folder").to_string_lossy().into_owned(),
            now: time(meta["now"].as_str().expect("a time")).expect("a time"),
            lines: find(".", "events.current.ndjson").lines().map(str::to_owned).collect(),
            connections: rows(&find("truth", "truth_connections.csv")),
            syncs: rows(&find("truth", "truth_syncs.csv")),
            tables: rows(&find("truth", "truth_tables.csv")),
            dir: dir.to_owned(),
        }
    }

    /// Rows of a model of the dbt package; `None` for accounts that the package was not run on.
    pub fn dbt<T: DeserializeOwned>(&self, model: &str) -> Option<Vec<T>> {
        read(&self.dir.join("dbt").join(format!("{model}.csv"))).map(|text| rows(&text))
    }

    /// A table of the Platform Connector, `connection` or `destination`, as it was written.
    pub fn platform(&self, table: &str) -> String {
        let name = format!("{table}.csv");
        read(&self.dir.join("tables").join(&name)).or_else(|| read(&self.dir.join(&name))).expect("a table")
    }

    /// The same as rows.
    pub fn platform_rows<T: DeserializeOwned>(&self, table: &str) -> Vec<T> {
        rows(&self.platform(table))
    }

    /// The lines as they were written before March 2025.
    pub fn old_lines(&self) -> Vec<String> {
        self.lines.iter().map(|line| old_spelling(line)).collect()
    }
}

/// A line without the names that came with the renaming of connectors to connections.
pub fn old_spelling(line: &str) -> String {
    let mut event: Value = serde_json::from_str(line).expect("a line is JSON");
    let members = event.as_object_mut().expect("a line is an object");
    members.remove("connection_id");
    members.remove("connection_name");
    if let Some(data) = members.get_mut("data").and_then(Value::as_object_mut) {
        data.remove("connectionId");
    }
    event.to_string()
}

static SEEDS: LazyLock<Vec<Account>> = LazyLock::new(|| {
    let mut dirs = vec![fixture("oracle/seed_1"), fixture("oracle/seed_2")];
    if let Some(more) = std::env::var_os("LIFELINE_ORACLE_ACCOUNT") {
        dirs = std::env::split_paths(&more).collect();
    }
    dirs.iter().map(|dir| Account::load(dir)).collect()
});

/// Every account to check.
pub fn accounts() -> &'static [Account] {
    &SEEDS
}

/// How much deeper than usual the slow checks go; CI sets it.
pub fn rounds() -> usize {
    std::env::var("LIFELINE_ORACLE_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}
