//! The walk through an ndjson export: one pass, one line in memory.

use super::{
    super::{
        note::{VerifyingKey, hex_hash},
        tree::{Frontier, Hash, subtrees},
    },
    Closing, Failure, Fault, LINE_BYTES_MAX, Place, PrunedRange, Report, Seal, expect, hashes,
    line::{self, CLOSING, RecordLine},
};
use sha2::{Digest, Sha256};
use std::io::{BufRead, Read as _};

/// Checks an ndjson export. Without a trusted key the one in the file is taken, and the report says so.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn ndjson(mut input: impl BufRead, trusted: Option<&VerifyingKey>) -> Result<Report, Failure> {
    let mut walk = Walk::default();
    let mut bytes = Vec::new();
    loop {
        walk.line += 1;
        match read_line(&mut input, &mut bytes).map_err(|fault| walk.here(&bytes).fault(fault))? {
            Line::End => return Err(Place::File.fault(Fault::CutOff)),
            Line::Half => return Err(walk.here(&bytes).fault(Fault::HalfLine)),
            Line::Whole => {}
        }
        if bytes.starts_with(CLOSING) {
            break;
        }
        walk.record(&bytes)?;
    }
    let closing = Closing::parse(&bytes)
        .ok_or(Place::Line(walk.line).fault(Fault::Form("it is not the signed last line as it is written")))?;
    let rest = input.fill_buf().map_err(|error| Place::File.fault(Fault::Read(error)))?;
    if !rest.is_empty() {
        return Err(Place::Line(walk.line + 1).fault(Fault::Trailing));
    }
    walk.close(closing, trusted)
}

#[derive(Default)]
struct Walk {
    line: u64,
    edge: Frontier,
    digest: Sha256,
    records: u64,
    first: Option<u64>,
    last: Option<u64>,
    /// First and last numbers of what is left out. Where nothing was filtered, retention has to explain each.
    gaps: Vec<(u64, u64)>,
    /// The first left-out record that found no place in the list.
    unlisted: Option<u64>,
    left_out: u64,
}

/// Most separate gaps that are kept to be compared with the ranges of retention, 16 bytes each; a filtered export may have any number.
const GAPS_MAX: usize = 1 << 20;

impl Walk {
    /// Where the walk stands, as exactly as the line tells.
    fn here(&self, bytes: &[u8]) -> Place {
        match line::seq(bytes) {
            Some(seq) => Place::Record { seq, line: self.line },
            None => Place::Line(self.line),
        }
    }

    fn record(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let place = self.here(bytes);
        if bytes.ends_with(b"\r") {
            return Err(place.fault(Fault::CarriageReturn));
        }
        let RecordLine { seq, record, leaf, before } = line::record(bytes).map_err(|fault| place.fault(fault))?;
        let computed: Hash = Sha256::new().chain_update([0]).chain_update(record).chain_update(b"}").finalize().into();
        if computed != leaf {
            let fault = Fault::Changed { computed: hex_hash(&computed), stated: hex_hash(&leaf) };
            return Err(place.fault(fault));
        }
        self.skip_to(seq, &before, place)?;
        self.edge.append_subtree(0, leaf).map_err(|_| place.fault(Fault::Form("its number is too large")))?;
        self.digest.update(bytes);
        self.digest.update(b"\n");
        self.records += 1;
        self.first = self.first.or(Some(seq));
        self.last = Some(seq);
        Ok(())
    }

    /// Appends what stands for the records between the last line and this one.
    fn skip_to(&mut self, seq: u64, before: &[Hash], place: Place) -> Result<(), Failure> {
        let (next, leaf) = (self.edge.size(), seq - 1);
        if leaf < next {
            return Err(place.fault(Fault::OutOfOrder { expected: next + 1 }));
        }
        if leaf > next && before.is_empty() {
            return Err(Place::Record { seq: next + 1, line: 0 }.fault(Fault::Missing { found: seq }));
        }
        self.append(leaf, before).map_err(|fault| place.fault(fault))
    }

    /// Appends subtrees that cover everything up to a leaf.
    fn append(&mut self, to: u64, given: &[Hash]) -> Result<(), Fault> {
        let next = self.edge.size();
        let parts = subtrees(next, to);
        if parts.len() != given.len() {
            return Err(Fault::Gap { wanted: parts.len(), got: given.len() });
        }
        for (part, hash) in parts.iter().zip(given) {
            self.edge.append_subtree(part.level, *hash).map_err(|_| Fault::Form("its number is too large"))?;
        }
        if next < to {
            self.left_out = self.left_out.saturating_add(to - next);
            if self.gaps.len() < GAPS_MAX {
                self.gaps.push((next + 1, to));
            } else {
                self.unlisted = self.unlisted.or(Some(next + 1));
            }
        }
        Ok(())
    }

    fn close(mut self, closing: Closing, trusted: Option<&VerifyingKey>) -> Result<Report, Failure> {
        let seal = Seal::open(&closing.manifest, &closing.checkpoint, &closing.public_key, trusted)?;
        let size = seal.checkpoint.size;
        if self.edge.size() > size {
            let place = Place::Record { seq: self.last.unwrap_or(size), line: self.line.saturating_sub(1) };
            return Err(place.fault(Fault::Beyond { size }));
        }
        let after = hashes(&closing.after).ok_or(Place::After.fault(Fault::Hash))?;
        self.append(size, &after).map_err(|fault| Place::After.fault(fault))?;
        let root = self.edge.root();
        if root != seal.checkpoint.root {
            let fault = Fault::Root { computed: hex_hash(&root), signed: hex_hash(&seal.checkpoint.root) };
            return Err(Place::File.fault(fault));
        }
        let number = |number: Option<u64>| number.map_or("null".to_owned(), |number| number.to_string());
        let said = &seal.manifest;
        expect("format", &said.format, "ndjson")?;
        expect("records", &said.records.to_string(), &self.records.to_string())?;
        expect("first_seq", &number(said.first_seq), &number(self.first))?;
        expect("last_seq", &number(said.last_seq), &number(self.last))?;
        expect("sha256", &said.sha256, &hex::encode(self.digest.clone().finalize()))?;
        let pruned = Closing::pruned_sha256(&closing.pruned);
        expect("pruned_sha256", said.pruned_sha256.as_deref().unwrap_or("null"), &pruned)?;
        self.explained(&closing.pruned, &seal)?;
        let Seal { manifest, checkpoint, key, pinned } = seal;
        Ok(Report { manifest, checkpoint, key, pinned, pruned: closing.pruned, left_out: self.left_out })
    }

    /// Whether what is left out without a filter was removed by retention.
    fn explained(&self, pruned: &[PrunedRange], seal: &Seal) -> Result<(), Failure> {
        let mut ranges: Vec<(u64, u64)> = Vec::with_capacity(pruned.len());
        for range in pruned {
            if range.first == 0 || range.first > range.last || range.last > seal.checkpoint.size {
                let fault = Fault::PrunedRange { first: range.first, last: range.last };
                return Err(Place::Pruned.fault(fault));
            }
            ranges.push((range.first, range.last));
        }
        let Seal { manifest, .. } = seal;
        if !manifest.filter.is_empty() || manifest.from.is_some() || manifest.to.is_some() {
            return Ok(());
        }
        let ranges = merged(ranges);
        for (first, last) in &self.gaps {
            // The range that the gap begins in, if any.
            let range = ranges.partition_point(|(from, _)| from <= first).checked_sub(1).and_then(|at| ranges.get(at));
            let next = range.map_or(*first, |(_, to)| to.saturating_add(1).max(*first));
            if next <= *last {
                let place = Place::Record { seq: next, line: 0 };
                return Err(place.fault(Fault::Unexplained));
            }
        }
        match self.unlisted {
            Some(seq) => Err(Place::Record { seq, line: 0 }.fault(Fault::Unexplained)),
            None => Ok(()),
        }
    }
}

/// Ranges that neither overlap nor touch, in order.
fn merged(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut out: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match out.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => out.push((first, last)),
        }
    }
    out
}

enum Line {
    Whole,
    Half,
    End,
}

/// Reads up to a line feed, which is left out.
fn read_line(input: &mut impl BufRead, bytes: &mut Vec<u8>) -> Result<Line, Fault> {
    bytes.clear();
    let limit = LINE_BYTES_MAX as u64 + 1;
    let read = input.by_ref().take(limit).read_until(b'\n', bytes)?;
    match bytes.last() {
        None => Ok(Line::End),
        Some(b'\n') => {
            bytes.pop();
            Ok(Line::Whole)
        }
        Some(_) if read as u64 == limit => Err(Fault::LineTooLong),
        Some(_) => Ok(Line::Half),
    }
}
