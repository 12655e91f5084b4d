//! Nothing that is done to an export or to the database goes unseen, and nothing genuine is blamed.
//!
//! In: a store that grows, exports of it with all kinds of filters, and everything that somebody could do to them. Each file is judged
//! by our verifier and by the one in Python that auditors get; both have to say the same. `LIFELINE_AUDIT_ROUNDS` says how many
//! (200 when nobody says, 2,000 in `.ci/run`), `LIFELINE_TEST_SEED` repeats a run.

mod bundles;
mod corpus;
mod database;
mod lines;
pub mod python;
mod rng;
mod sign;

use corpus::{Corpus, Genuine};
use lifeline::{
    audit::note::VerifyingKey,
    export::audit::{Format, verify_file},
};
use lines::Mutated;
use python::Python;
use rng::Rng;
use sign::Signer;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// How many rounds of each kind of test.
fn rounds() -> usize {
    std::env::var("LIFELINE_AUDIT_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(200)
}

fn seed() -> u64 {
    let told = std::env::var("LIFELINE_TEST_SEED").ok().and_then(|text| text.parse().ok());
    told.unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_nanos() as u64))
}

/// Both verifiers.
struct Judges {
    python: Option<Python>,
    file: PathBuf,
    _dir: tempfile::TempDir,
}

impl Judges {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        Self { python: Python::start("an export"), file: dir.path().join("export"), _dir: dir }
    }

    /// What both say; they have to agree.
    fn judge(&mut self, bytes: &[u8], key: Option<&str>) -> Result<String, String> {
        fs::write(&self.file, bytes).expect("a file");
        let ours = ours(&self.file, key);
        if let Some(python) = &mut self.python {
            let theirs = python.check(&self.file, key);
            if ours.is_ok() != theirs.is_ok() {
                let kept = std::env::temp_dir().join("lifeline-audit-disputed");
                let _ = fs::copy(&self.file, &kept);
                panic!("the verifiers disagree about {}\nours: {ours:?}\npython: {theirs:?}", kept.display());
            }
        }
        ours
    }
}

fn ours(file: &Path, key: Option<&str>) -> Result<String, String> {
    let keys: Vec<VerifyingKey> = key.map(|key| VerifyingKey::parse(key).expect("a key")).into_iter().collect();
    verify_file(file, None, &keys).map(|report| report.sentence()).map_err(|wrong| wrong.to_string())
}

/// A growing store, and with each step some exports of it.
fn grow(rng: &mut Rng, corpus: &mut Corpus, step: usize) {
    match rng.below(12) {
        0 if step > 10 => corpus.prune(rng),
        1..=3 => corpus.act(rng),
        _ => {
            let n = 1 + rng.below(9);
            corpus.grow(rng, n);
        }
    }
}

#[test]
fn genuine_exports_pass_and_mutated_ones_do_not() {
    let (seed, rounds) = (seed(), rounds());
    eprintln!("LIFELINE_TEST_SEED={seed} LIFELINE_AUDIT_ROUNDS={rounds}");
    let mut rng = Rng::new(seed);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut corpus = Corpus::open(dir.path());
    let mut judges = Judges::new();
    let mut kept: Vec<Genuine> = Vec::new();
    // Genuine ones, from the empty log on.
    for step in 0..rounds {
        let genuine = corpus.any(&mut rng);
        let key = (rng.below(2) == 0).then_some(genuine.key.as_str());
        let judged = judges.judge(&genuine.bytes, key);
        assert!(judged.is_ok(), "{judged:?}: a genuine {:?} of {} records", genuine.format, genuine.size);
        if kept.len() < 400 || rng.below(4) == 0 {
            kept.push(genuine);
        }
        grow(&mut rng, &mut corpus, step);
    }
    // Mutated ones.
    let other = Signer::new(9);
    let mut counts: BTreeMap<(Form, &str), usize> = BTreeMap::new();
    let mut done = 0;
    while done < rounds {
        let genuine = rng.pick(&kept).clone();
        let older =
            kept.iter().filter(|it| it.log == genuine.log && it.format == genuine.format && it.size < genuine.size);
        let older: Vec<&Genuine> = older.collect();
        let older = if older.is_empty() { genuine.clone() } else { (*rng.pick(&older)).clone() };
        let is_bundle = genuine.format == Format::Zip;
        let kinds = if is_bundle { bundles::KINDS } else { lines::KINDS };
        let kind = *rng.pick(kinds);
        let mutate = if is_bundle { bundles::mutate } else { lines::mutate };
        let Some(Mutated { bytes, key, needs_key }) = mutate(kind, &mut rng, &genuine.bytes, &older.bytes, &other)
        else {
            continue;
        };
        let given = needs_key || rng.below(2) == 0;
        let key = key.or_else(|| given.then(|| genuine.key.clone()));
        let judged = judges.judge(&bytes, key.as_deref());
        if judged.is_ok() {
            let file = std::env::temp_dir().join("lifeline-audit-missed");
            let _ = fs::write(&file, &bytes);
            let _ = fs::write(file.with_extension("genuine"), &genuine.bytes);
            panic!("{kind} of {:?} was not found: {judged:?}; {}", genuine.format, file.display());
        }
        *counts.entry((Form(is_bundle), kind)).or_default() += 1;
        done += 1;
    }
    let never: Vec<&&str> = lines::KINDS.iter().filter(|kind| !counts.contains_key(&(Form(false), **kind))).collect();
    assert!(rounds < 1_000 || never.is_empty(), "never tried: {never:?}");
    for ((of, kind), count) in &counts {
        eprintln!("{count:5} found: {kind}, {}", if of.0 { "bundle" } else { "NDJSON" });
    }
    eprintln!("{rounds} genuine exports passed, {done} mutations were found");
    corpus.close();
}

/// Lines before bundles.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Form(bool);
