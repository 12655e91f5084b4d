//! Everything that an auditor needs, in one file.
//!
//! In: all records, twice (once for each form). Out: a ZIP, written from front to back: explanations, keys and the verifier first, then
//! `records.ndjson`, `records.csv`, last the manifest that binds them, and as the archive's comment a seal over all of its bytes. The times in it are those of the checkpoint, so that the same
//! export has the same bytes.

use super::{Ends, Plan, Writer, csv::Csv, lines::Lines};
use crate::{
    export::parquet::Sink,
    store::{
        StoreError,
        trail::{Hash, Record},
    },
};
use sha2::{Digest, Sha256};
use std::io::Write as _;
use zip::{CompressionMethod, DateTime, ZipWriter, result::ZipError, write::SimpleFileOptions, write::StreamWriter};

/// The offline verifier, which needs Python and nothing else.
pub const VERIFIER: &str = include_str!("verify.py");

/// What an auditor reads first.
const README: &str = include_str!("README.txt");

/// A file in the bundle that is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    Ndjson,
    Csv,
    Done,
}

/// Writes the bundle.
pub(super) struct Bundle {
    plan: Plan,
    zip: Option<ZipWriter<StreamWriter<Sink>>>,
    sink: Sink,
    pass: Pass,
    text: Vec<u8>,
    sha256: Sha256,
    files: Vec<(&'static str, Hash)>,
    /// Of every byte of the archive so far.
    archive: Sha256,
}

impl Bundle {
    pub fn new(plan: &Plan) -> Result<Self, StoreError> {
        let sink = Sink::default();
        Ok(Self {
            plan: plan.clone(),
            zip: Some(ZipWriter::new_stream(sink.clone())),
            sink,
            pass: Pass::Ndjson,
            text: Vec::new(),
            sha256: Sha256::new(),
            files: Vec::new(),
            archive: Sha256::new(),
        })
    }

    fn start(&mut self, name: &'static str, large: bool) -> Result<(), StoreError> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(stamp(&self.plan.made_at))
            .unix_permissions(0o644)
            .large_file(large);
        self.sha256 = Sha256::new();
        match &mut self.zip {
            Some(zip) => zip.start_file(name, options).map_err(failed),
            None => Ok(()),
        }
    }

    /// Compresses what was written as text.
    fn write(&mut self) -> Result<(), StoreError> {
        self.sha256.update(&self.text);
        if let Some(zip) = &mut self.zip {
            zip.write_all(&self.text).map_err(|error| failed(error.into()))?;
        }
        self.text.clear();
        Ok(())
    }

    fn whole(&mut self, name: &'static str, text: &str) -> Result<(), StoreError> {
        self.start(name, false)?;
        self.text.extend_from_slice(text.as_bytes());
        self.write()?;
        self.files.push((name, self.sha256.clone().finalize().into()));
        Ok(())
    }

    /// Ends the archive with the seal: a signed note over every byte before it, as the archive's comment.
    fn seal(&mut self, out: &mut Vec<u8>) -> Result<(), StoreError> {
        // A seal has the same length whatever it seals, so that a blank one holds its place while the rest is written.
        let blank = self.sealed(&[0; 32]).len();
        let Some(mut zip) = self.zip.take() else { return Ok(()) };
        zip.set_comment("x".repeat(blank)).map_err(failed)?;
        zip.finish().map_err(failed)?;
        let mut last = Vec::new();
        self.drain(&mut last, blank);
        let seal = self.sealed(&self.archive.clone().finalize().into());
        out.append(&mut last);
        out.extend_from_slice(seal.as_bytes());
        Ok(())
    }

    fn sealed(&self, hash: &Hash) -> String {
        (self.plan.sign)(&format!("lifeline audit bundle v1\n{}\n", hex::encode(hash)))
    }

    /// Moves what was written behind `out` but for some last bytes, which are thrown away.
    fn drain(&mut self, out: &mut Vec<u8>, but: usize) {
        let from = out.len();
        self.sink.drain(out);
        out.truncate(out.len().saturating_sub(but).max(from));
        self.archive.update(&out[from..]);
    }

    fn form(&self) -> Box<dyn Writer> {
        match self.pass {
            Pass::Csv => Box::new(Csv),
            Pass::Ndjson | Pass::Done => Box::new(Lines::Ndjson),
        }
    }

    fn readme(&self) -> String {
        let filter = super::manifest::filter_text(&self.plan.filter);
        README
            .replace("{origin}", &self.plan.origin)
            .replace("{size}", &self.plan.size.to_string())
            .replace("{made_at}", &self.plan.made_at)
            .replace("{filter}", if filter == "{}" { "none: every record of the log" } else { &filter })
            .replace("{key_id}", &self.plan.key_id)
            .replace("{version}", env!("CARGO_PKG_VERSION"))
    }
}

impl Writer for Bundle {
    fn wants_gaps(&self) -> bool {
        self.pass == Pass::Ndjson
    }

    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), StoreError> {
        if self.pass == Pass::Ndjson {
            let (readme, key) = (self.readme(), format!("{}\n", self.plan.public_key));
            let checkpoint = self.plan.checkpoint.clone();
            self.whole("README.txt", &readme)?;
            self.whole("public_key.txt", &key)?;
            self.whole("checkpoint.txt", &checkpoint)?;
            self.whole("verify.py", VERIFIER)?;
            self.start("records.ndjson", true)?;
        } else {
            self.start("records.csv", true)?;
        }
        let mut text = std::mem::take(&mut self.text);
        self.form().begin(&mut text)?;
        self.text = text;
        self.write()?;
        self.drain(out, 0);
        Ok(())
    }

    fn record(&mut self, record: &Record, body: &str, before: &[Hash], out: &mut Vec<u8>) -> Result<(), StoreError> {
        let mut text = std::mem::take(&mut self.text);
        let written = match self.pass {
            Pass::Csv => Csv.record(record, body, before, &mut text),
            Pass::Ndjson | Pass::Done => Lines::Ndjson.record(record, body, before, &mut text),
        };
        self.text = text;
        written?;
        if self.text.len() >= 64 << 10 {
            self.write()?;
            self.drain(out, 0);
        }
        Ok(())
    }

    fn end(&mut self, ends: &Ends<'_>, out: &mut Vec<u8>) -> Result<(), StoreError> {
        self.write()?;
        let mut plan = self.plan.clone();
        plan.format = if self.pass == Pass::Csv { super::Format::Csv } else { super::Format::Ndjson };
        let inner = Ends {
            plan: &plan,
            after: ends.after.clone(),
            pruned: ends.pruned.clone(),
            sha256: self.sha256.clone().finalize().into(),
            files: Vec::new(),
            ..*ends
        };
        let mut text = Vec::new();
        self.form().end(&inner, &mut text)?;
        self.text = text;
        self.write()?;
        let hash = self.sha256.clone().finalize().into();
        if self.pass == Pass::Ndjson {
            self.files.push(("records.ndjson", hash));
            self.pass = Pass::Csv;
        } else {
            self.files.push(("records.csv", hash));
            self.pass = Pass::Done;
            let ndjson =
                self.files.iter().find(|(name, _)| *name == "records.ndjson").map_or([0; 32], |(_, hash)| *hash);
            let files = self.files.clone();
            let whole = Ends {
                plan: ends.plan,
                after: Vec::new(),
                pruned: ends.pruned.clone(),
                sha256: ndjson,
                files,
                ..*ends
            };
            self.whole("manifest.txt", &whole.manifest())?;
            return self.seal(out);
        }
        self.drain(out, 0);
        Ok(())
    }

    fn again(&mut self) -> bool {
        self.pass == Pass::Csv
    }
}

/// The time of the checkpoint as ZIP writes times: without zone, even seconds, from 1980 on.
fn stamp(text: &str) -> DateTime {
    let part = |from: usize, to: usize| text.get(from..to).and_then(|part| part.parse::<u16>().ok()).unwrap_or(0);
    let small = |from, to| part(from, to) as u8;
    DateTime::from_date_and_time(part(0, 4), small(5, 7), small(8, 10), small(11, 13), small(14, 16), small(17, 19))
        .unwrap_or_default()
}

fn failed(error: ZipError) -> StoreError {
    StoreError::Engine(format!("the ZIP file cannot be written: {error}"))
}
