//! The audit trail as a file: CSV, NDJSON, JSON, Parquet, OCSF, or all that an auditor needs in one ZIP.
//!
//! In: a plan (which log, which records, under which signed checkpoint) and the store. Out: the file, piece by piece, each made of one
//! page of the store in a short read, so that a file of any length needs the memory of a page and a slow reader holds nothing up. The
//! same plan gives the same bytes, however often and wherever it is carried out: an interrupted transfer can go on. Refused: nothing
//! but a store that cannot be read. HTTP and the command line pull from the same [`Export`].

mod check;
mod csv;
mod lines;
mod manifest;
mod ocsf;
mod parquet;
mod row;
mod zip;

pub use check::{SIDECAR, Wrong, sidecar_path, verify_file};
pub use csv::COLUMNS;
pub use lines::PrunedView;
pub use manifest::filter_text;
pub use ocsf::VERSION as OCSF_VERSION;

use crate::{
    audit::{Log, tree::subtrees},
    store::{
        Order, StoreError, Trail,
        trail::{Hash, Pruned, Record, RecordFilter, RecordQuery},
    },
};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Records that are read at a time.
const PAGE_RECORDS: usize = 500;

/// Form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// A row a record, for spreadsheets.
    Csv,
    /// A line a record, which verifies offline.
    Ndjson,
    /// The same as one document.
    Json,
    /// For warehouses.
    Parquet,
    /// Open Cybersecurity Schema Framework, a line an event, for security tools.
    Ocsf,
    /// Everything for an auditor.
    Zip,
}

impl Format {
    /// Every form.
    pub const ALL: [Self; 6] = [Self::Csv, Self::Ndjson, Self::Json, Self::Parquet, Self::Ocsf, Self::Zip];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Json => "json",
            Self::Parquet => "parquet",
            Self::Ocsf => "ocsf",
            Self::Zip => "zip",
        }
    }

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Ndjson | Self::Ocsf => "application/x-ndjson",
            Self::Json => "application/json",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Zip => "application/zip",
        }
    }

    /// Whether such a file verifies by itself. The others have their proof [beside them](Export::sidecar).
    #[must_use]
    pub const fn proves_itself(self) -> bool {
        matches!(self, Self::Ndjson | Self::Zip)
    }

    /// How names of such files end.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Ocsf => "ocsf.ndjson",
            other => other.as_str(),
        }
    }
}

/// From the text of a note to the signed note.
pub type Sign = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// What is exported. The same plan gives the same bytes.
#[derive(Clone)]
pub struct Plan {
    /// Of this log.
    pub log: Log,
    /// Which records.
    pub filter: RecordFilter,
    /// In this form.
    pub format: Format,
    /// Records under the checkpoint.
    pub size: u64,
    /// Root of the tree under the checkpoint.
    pub root: Hash,
    /// When the checkpoint was signed, as it says.
    pub made_at: String,
    /// The log's origin.
    pub origin: String,
    /// The signed checkpoint.
    pub checkpoint: String,
    /// The public key, in the form of verifiers.
    pub public_key: String,
    /// The key's id, eight hex digits.
    pub key_id: String,
    /// Signs the manifest.
    pub sign: Sign,
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { log, filter, format, size, origin, .. } = self;
        f.debug_struct("Plan")
            .field("log", log)
            .field("filter", filter)
            .field("format", format)
            .field("size", size)
            .field("origin", origin)
            .finish_non_exhaustive()
    }
}

impl Plan {
    /// What a file of this plan is called.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("lifeline-audit-{}-{}.{}", self.log.as_str(), self.size, self.format.extension())
    }
}

/// What is known at the end of a file.
#[derive(Debug)]
pub(super) struct Ends<'p> {
    plan: &'p Plan,
    /// Subtrees behind the last record.
    after: Vec<Hash>,
    /// Ranges whose bodies are gone.
    pruned: Vec<Pruned>,
    records: u64,
    first_seq: Option<u64>,
    last_seq: Option<u64>,
    /// Of every byte so far.
    sha256: Hash,
    /// Of files in a bundle.
    files: Vec<(&'static str, Hash)>,
}

/// One form of a file.
trait Writer: Send {
    /// Whether it shows the hashes of records that are left out.
    fn wants_gaps(&self) -> bool {
        false
    }

    /// What stands before the first record.
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), StoreError>;

    /// One record.
    fn record(&mut self, record: &Record, body: &str, before: &[Hash], out: &mut Vec<u8>) -> Result<(), StoreError>;

    /// What stands behind the last record.
    fn end(&mut self, ends: &Ends<'_>, out: &mut Vec<u8>) -> Result<(), StoreError>;

    /// Whether it wants all records once more, from the beginning.
    fn again(&mut self) -> bool {
        false
    }
}

fn writer(plan: &Plan) -> Result<Box<dyn Writer>, StoreError> {
    Ok(match plan.format {
        Format::Csv => Box::new(csv::Csv),
        Format::Ndjson => Box::new(lines::Lines::Ndjson),
        Format::Json => Box::new(lines::Lines::Json(false)),
        Format::Parquet => Box::new(parquet::Parquet::new(plan)?),
        Format::Ocsf => Box::new(ocsf::Ocsf::new(plan)),
        Format::Zip => Box::new(zip::Bundle::new(plan)?),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begin,
    /// Behind this number.
    Records(u64),
    End,
    Done,
}

/// A file that is being made.
pub struct Export {
    plan: Plan,
    writer: Box<dyn Writer>,
    stage: Stage,
    /// The next leaf that is not accounted for.
    leaf: u64,
    records: u64,
    first_seq: Option<u64>,
    last_seq: Option<u64>,
    pruned: Vec<Pruned>,
    sha256: Sha256,
    bytes: u64,
}

impl std::fmt::Debug for Export {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Export").field("plan", &self.plan).field("stage", &self.stage).finish_non_exhaustive()
    }
}

impl Export {
    /// A file by this plan.
    ///
    /// # Errors
    /// The form cannot be written at all.
    pub fn new(plan: Plan) -> Result<Self, StoreError> {
        Ok(Self {
            writer: writer(&plan)?,
            plan,
            stage: Stage::Begin,
            leaf: 0,
            records: 0,
            first_seq: None,
            last_seq: None,
            pruned: Vec::new(),
            sha256: Sha256::new(),
            bytes: 0,
        })
    }

    /// The next piece, which may be empty; `None` at the end. Blocks for the time of one page.
    ///
    /// # Errors
    /// What the store says. The file is of no use then.
    pub fn next(&mut self, trail: &dyn Trail) -> Result<Option<Vec<u8>>, StoreError> {
        let mut out = Vec::new();
        match self.stage {
            Stage::Begin => {
                self.pruned = self.ranges(trail)?;
                self.writer.begin(&mut out)?;
                self.stage = Stage::Records(0);
            }
            Stage::Records(after) => self.page(trail, after, &mut out)?,
            Stage::End => self.end(trail, &mut out)?,
            Stage::Done => return Ok(None),
        }
        self.sha256.update(&out);
        self.bytes += out.len() as u64;
        Ok(Some(out))
    }

    /// Ranges whose bodies are gone, as far as the checkpoint goes.
    fn ranges(&self, trail: &dyn Trail) -> Result<Vec<Pruned>, StoreError> {
        let mut pruned = trail.pruned(self.plan.log)?;
        pruned.retain(|range| range.first <= self.plan.size);
        Ok(pruned)
    }

    fn page(&mut self, trail: &dyn Trail, after: u64, out: &mut Vec<u8>) -> Result<(), StoreError> {
        let page = trail.records(&RecordQuery {
            log: self.plan.log,
            filter: self.plan.filter.clone(),
            order: Order::Asc,
            after: (after > 0).then_some(after),
            size: Some(self.plan.size),
            limit: PAGE_RECORDS,
        })?;
        let with_body = || page.records.iter().filter_map(|record| Some((record, record.body.as_deref()?)));
        let mut covers = Vec::new();
        let mut hashes = Vec::new();
        if self.writer.wants_gaps() {
            let mut leaf = self.leaf;
            for (record, _) in with_body() {
                covers.push(subtrees(leaf, record.seq - 1));
                leaf = record.seq;
            }
            hashes = trail.nodes(self.plan.log, &covers.concat())?;
        }
        let mut hashes = hashes.as_slice();
        let mut covers = covers.iter();
        for (record, body) in with_body() {
            let (before, rest) = hashes.split_at(covers.next().map_or(0, Vec::len).min(hashes.len()));
            hashes = rest;
            self.writer.record(record, body, before, out)?;
            self.leaf = record.seq;
            self.records += 1;
            self.first_seq = self.first_seq.or(Some(record.seq));
            self.last_seq = Some(record.seq);
        }
        self.stage = page.next.map_or(Stage::End, Stage::Records);
        Ok(())
    }

    fn end(&mut self, trail: &dyn Trail, out: &mut Vec<u8>) -> Result<(), StoreError> {
        let ids = if self.writer.wants_gaps() { subtrees(self.leaf, self.plan.size) } else { Vec::new() };
        if self.ranges(trail)? != self.pruned {
            // What was written before and what would follow are not of one kind.
            return Err(StoreError::Engine(
                "retention removed records while they were exported; export them again".into(),
            ));
        }
        let ends = Ends {
            plan: &self.plan,
            after: trail.nodes(self.plan.log, &ids)?,
            pruned: self.pruned.clone(),
            records: self.records,
            first_seq: self.first_seq,
            last_seq: self.last_seq,
            sha256: self.sha256.clone().finalize().into(),
            files: Vec::new(),
        };
        self.writer.end(&ends, out)?;
        self.stage = Stage::Done;
        if self.writer.again() {
            (self.leaf, self.records, self.first_seq, self.last_seq) = (0, 0, None, None);
            self.stage = Stage::Begin;
        }
        Ok(())
    }

    /// The plan.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Bytes so far.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Records so far (of the present pass, where a bundle takes two).
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// The number of the last record so far, of [`Plan::size`].
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.leaf
    }

    /// What stands beside a whole file that cannot hold its own proof, so that [`verify_file`] can tell whether a byte of it was
    /// changed: the signed manifest, the checkpoint and the key, as one line of JSON. `None` before the end.
    #[must_use]
    pub fn sidecar(&self) -> Option<String> {
        let sidecar = check::Sidecar {
            checkpoint: self.plan.checkpoint.clone(),
            manifest: self.manifest()?,
            public_key: self.plan.public_key.clone(),
        };
        // Three texts: nothing that JSON could refuse.
        serde_json::to_string(&sidecar).ok().map(|line| line + "\n")
    }

    /// The signed manifest of the whole file; `None` before the end.
    fn manifest(&self) -> Option<String> {
        let ends = Ends {
            plan: &self.plan,
            after: Vec::new(),
            pruned: self.pruned.clone(),
            records: self.records,
            first_seq: self.first_seq,
            last_seq: self.last_seq,
            sha256: self.sha256.clone().finalize().into(),
            files: Vec::new(),
        };
        (self.stage == Stage::Done).then(|| ends.manifest())
    }
}

#[cfg(test)]
mod golden;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A plan over nothing.
    pub(crate) fn plan() -> Plan {
        Plan {
            log: Log::Trail,
            filter: RecordFilter::default(),
            format: Format::Ndjson,
            size: 7,
            root: [9; 32],
            made_at: "2025-07-07T16:34:20.536Z".into(),
            origin: "lifeline/0123456789ab/trail".into(),
            checkpoint: "a checkpoint\n".into(),
            public_key: "a key".into(),
            key_id: "01020304".into(),
            sign: Arc::new(|text| format!("{text}\n— signed\n")),
        }
    }

    impl<'p> Ends<'p> {
        /// The end of nothing.
        pub(crate) fn of(plan: &'p Plan) -> Self {
            let files = Vec::new();
            Self {
                plan,
                after: vec![],
                pruned: vec![],
                records: 0,
                first_seq: None,
                last_seq: None,
                sha256: [0; 32],
                files,
            }
        }
    }
}
