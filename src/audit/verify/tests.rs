//! Genuine exports pass, every other one is refused, and what is wrong is said where it is.

use super::*;
use crate::audit::{
    Tail, canonical,
    note::{Previous, SigningKey, sign},
    tree::{Frontier, NodeId, consistency, inclusion, leaf_hash, root, subtrees},
    write_line,
};
use crate::model::Timestamp;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    io::{self, BufReader, Read},
};

const ORIGIN: &str = "lifeline/0123456789ab/trail";

/// A log as a store keeps it.
struct Log {
    records: Vec<String>,
    nodes: BTreeMap<u64, Hash>,
}

impl Log {
    fn of(count: u64) -> Self {
        let mut log = Self { records: Vec::new(), nodes: BTreeMap::new() };
        let mut edge = Frontier::new();
        for seq in 1..=count {
            // A record may hold a text that looks like the end of a line.
            let trap =
                if seq % 5 == 0 { r#","changes":[{"field":"a","old":"\",\"leaf_hash\":\"00\"","new":1}]"# } else { "" };
            let record = canonical(seq, &format!(r#""id":"{seq:032x}","action":"EDIT"{trap}}}"#));
            let mut full = Vec::new();
            edge.append(leaf_hash(record.as_bytes()), &mut full);
            log.nodes.extend(full.into_iter().map(|(id, hash)| (id.position(), hash)));
            log.records.push(record);
        }
        log
    }

    fn get(&self, ids: &[NodeId]) -> Result<Vec<Hash>, Infallible> {
        Ok(ids.iter().map(|id| self.nodes[&id.position()]).collect())
    }

    fn cover(&self, from: u64, to: u64) -> Vec<Hash> {
        self.get(&subtrees(from, to)).expect("there")
    }

    fn checkpoint(&self, size: u64) -> Checkpoint {
        Checkpoint {
            origin: ORIGIN.to_owned(),
            size,
            root: root(size, |ids| self.get(ids)).expect("there"),
            time: Some(Timestamp::parse("2026-01-02T03:04:05.678901Z").expect("a time")),
            previous: Some(Previous { size: 1, root: [9; 32] }),
            others: Vec::new(),
        }
    }
}

/// An export as it is made.
struct Export<'l> {
    log: &'l Log,
    size: u64,
    key: SigningKey,
    filtered: bool,
    wanted: Vec<u64>,
    pruned: Vec<PrunedRange>,
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(ORIGIN, [number; 32]).expect("a key")
}

impl<'l> Export<'l> {
    fn whole(log: &'l Log) -> Self {
        let size = log.records.len() as u64;
        Self { log, size, key: key(1), filtered: false, wanted: (1..=size).collect(), pruned: Vec::new() }
    }

    fn only(log: &'l Log, wanted: &[u64]) -> Self {
        Self { filtered: true, wanted: wanted.to_vec(), ..Self::whole(log) }
    }

    fn lines(&self) -> (Vec<String>, u64) {
        let mut next = 0;
        let mut lines = Vec::new();
        for seq in &self.wanted {
            let record = &self.log.records[*seq as usize - 1];
            let mut line = String::new();
            write_line(&mut line, record, &leaf_hash(record.as_bytes()), Tail::Before(&self.log.cover(next, seq - 1)));
            lines.push(line);
            next = *seq;
        }
        (lines, next)
    }

    fn manifest(&self, sha256: String, format: &str) -> Manifest {
        let checkpoint = self.log.checkpoint(self.size);
        let mut filter = serde_json::Map::new();
        if self.filtered {
            filter.insert("actor".to_owned(), "somebody".into());
        }
        Manifest {
            origin: ORIGIN.to_owned(),
            log: "trail".to_owned(),
            format: format.to_owned(),
            filter,
            from: None,
            to: None,
            tree_size: self.size,
            root_hash: hex_hash(&checkpoint.root),
            records: self.wanted.len() as u64,
            first_seq: self.wanted.first().copied(),
            last_seq: self.wanted.last().copied(),
            sha256,
            pruned_sha256: (format == "ndjson").then(|| Closing::pruned_sha256(&self.pruned)),
            made_at: checkpoint.time.expect("a time").to_string(),
            product: "lifeline 0.1.0".to_owned(),
            key_id: self.key.public().key_id().to_string(),
        }
    }

    fn closing(&self, lines: &[String], next: u64, manifest: impl FnOnce(&mut Manifest)) -> Closing {
        let mut digest = Sha256::new();
        for line in lines {
            digest.update(line.as_bytes());
            digest.update(b"\n");
        }
        let mut made = self.manifest(hex::encode(digest.finalize()), "ndjson");
        manifest(&mut made);
        Closing {
            manifest: sign(&made.text(), &[&self.key]).expect("signed"),
            checkpoint: sign(&self.log.checkpoint(self.size).text(), &[&self.key]).expect("signed"),
            public_key: self.key.public().to_string(),
            after: self.log.cover(next, self.size).iter().map(hex_hash).collect(),
            pruned: self.pruned.clone(),
        }
    }

    fn text(&self) -> String {
        self.text_with(|_| {})
    }

    fn text_with(&self, manifest: impl FnOnce(&mut Manifest)) -> String {
        let (mut lines, next) = self.lines();
        let closing = self.closing(&lines, next, manifest);
        lines.push(closing.line());
        lines.push(String::new());
        lines.join("\n")
    }
}

fn check(text: &str) -> Result<Report, Failure> {
    ndjson(text.as_bytes(), Some(key(1).public()))
}

#[track_caller]
fn fails(text: &str, expected: &str) {
    let failure = check(text).expect_err(expected).to_string();
    assert!(failure.contains(expected), "{failure}");
}

/// The lines of a text, for tests that change some.
fn with_lines(text: &str, change: impl FnOnce(&mut Vec<String>)) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    change(&mut lines);
    lines.join("\n") + "\n"
}

#[test]
fn a_genuine_export_is_verified() {
    let log = Log::of(23);
    let report = check(&Export::whole(&log).text()).expect("genuine");
    assert_eq!((report.left_out, report.pinned, report.manifest.records), (0, true, 23));
    let one = Export::only(&log, &[17]);
    let report = check(&one.text()).expect("genuine");
    assert_eq!((report.left_out, report.manifest.first_seq), (22, Some(17)));
    let none = Export::only(&log, &[]);
    assert_eq!(check(&none.text()).expect("genuine").left_out, 23);
    let empty = Log::of(0);
    assert_eq!(check(&Export::whole(&empty).text()).expect("genuine").left_out, 0);
}

#[test]
fn without_a_trusted_key_the_report_says_so() {
    let log = Log::of(3);
    let report = ndjson(Export::whole(&log).text().as_bytes(), None).expect("genuine");
    assert!(!report.pinned);
    let print = key(1).public().fingerprint();
    let expected = format!(
        "3 of 3 records of {ORIGIN}, none altered; key not pinned, fingerprint {print}: compare it with one that you got by another road"
    );
    assert_eq!(report.sentence(), expected);
}

#[test]
fn an_altered_record_is_named() {
    let log = Log::of(23);
    let text = Export::whole(&log).text();
    let changed = with_lines(&text, |lines| lines[16] = lines[16].replace("EDIT", "EDUT"));
    fails(&changed, "record 17 (line 17): its content was changed after it was written: it hashes to ");
    assert_eq!(check(&changed).expect_err("changed").seq(), Some(17));
    // Together with its hash: the signed root is another.
    let rehashed = with_lines(&text, |lines| {
        let record = log.records[16].replace("EDIT", "EDUT");
        lines[16].clear();
        write_line(&mut lines[16], &record, &leaf_hash(record.as_bytes()), Tail::Plain);
    });
    fails(&rehashed, "file: its records lead to the root ");
}

#[test]
fn lines_dropped_doubled_or_swapped_are_named() {
    let log = Log::of(23);
    let text = Export::whole(&log).text();
    let drop = |at: usize| with_lines(&text, |lines| drop(lines.remove(at)));
    fails(&drop(16), "record 17: missing: the file goes on with record 18");
    fails(&drop(0), "record 1: missing: the file goes on with record 2");
    fails(&drop(22), "hashes behind the last record: 0 hashes stand for the records left out before it, 1 are needed");
    fails(
        &with_lines(&text, |lines| lines.insert(17, lines[16].clone())),
        "record 17 (line 18): it stands twice or out of order",
    );
    fails(&with_lines(&text, |lines| lines.swap(16, 17)), "record 17: missing: the file goes on with record 18");
    let filtered = Export::only(&log, &[3, 9, 10, 20]).text();
    fails(&with_lines(&filtered, |lines| drop_one(lines, 1)), "record 4: missing: the file goes on with record 10");
    fails(
        &with_lines(&filtered, |lines| drop_one(lines, 2)),
        "record 20 (line 3): 4 hashes stand for the records left out before it, 5 are needed",
    );
}

fn drop_one(lines: &mut Vec<String>, at: usize) {
    lines.remove(at);
}

#[test]
fn a_record_hidden_behind_its_hash_is_found() {
    let log = Log::of(23);
    let genuine = Export::whole(&log);
    let mut forged = Export::whole(&log);
    forged.wanted.retain(|seq| *seq != 17);
    // The lines of a thief, the signed last line of the original.
    let (mut lines, _) = forged.lines();
    lines.push(genuine.text().lines().last().expect("a last line").to_owned());
    fails(&(lines.join("\n") + "\n"), "manifest: it says that records is \"23\", but it is \"22\"");
    // Signed by a maker who says nothing of a filter.
    fails(&forged.text(), "record 17: it is left out although nothing was filtered");
}

#[test]
fn removed_content_is_explained_by_its_range() {
    let log = Log::of(23);
    let range = |first, last| PrunedRange {
        first,
        last,
        at: "2026-01-01T00:00:00Z".to_owned(),
        reason: "retention 400 days".to_owned(),
    };
    let mut export = Export::whole(&log);
    export.wanted = vec![1, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21];
    export.pruned = vec![range(4, 7), range(2, 3), range(22, 23)];
    assert_eq!(check(&export.text()).expect("explained").left_out, 8);
    export.pruned = vec![range(2, 6), range(22, 23)];
    fails(&export.text(), "record 7: it is left out");
    export.pruned = vec![range(2, 7), range(23, 23)];
    fails(&export.text(), "record 22: it is left out");
    export.pruned = vec![range(2, 24)];
    fails(&export.text(), "list of removed records: the range from 2 to 24 cannot be");
    export.pruned = vec![range(0, 23)];
    fails(&export.text(), "list of removed records: the range from 0 to 23 cannot be");
    export.pruned = vec![range(2, 7), range(22, 23)];
    fails(&export.text().replace("retention 400", "retention 300"), "manifest: it says that pruned_sha256 is");
}

#[test]
fn a_file_that_ends_early_or_late_is_refused() {
    let log = Log::of(5);
    let text = Export::whole(&log).text();
    fails("", "file: it ends without the signed last line");
    fails(&with_lines(&text, |lines| lines.truncate(5)), "file: it ends without the signed last line");
    fails(text.trim_end(), "line 6: it ends in the middle of a line");
    fails(&text[..text.len() / 4], "it ends in the middle of a line");
    fails(&format!("{text}\n"), "line 7: there is something behind the signed last line");
    fails(&format!("\u{feff}{text}"), "line 1: it is not in the form of a record: it does not begin with its number");
    fails(&text.replace('\n', "\r\n"), "record 1 (line 1): it ends with a carriage return");
}

#[test]
fn lines_in_any_other_form_are_refused() {
    let log = Log::of(5);
    let text = Export::only(&log, &[2, 5]).text();
    let first = |change: &dyn Fn(&str) -> String| with_lines(&text, |lines| lines[0] = change(&lines[0]));
    fails(&first(&|line| line.replace("\"before\":", "\"before\": ")), "stands something else");
    fails(&first(&|line| format!("{line} ")), "stands something else");
    fails(&first(&|line| line.replace("\"leaf_hash\":\"", "\"leaf_hash\":\"A")), "no hash of 64");
    fails(&first(&|line| line.replace("\"leaf_hash\"", "\"leaf_hush\"")), "it has no leaf_hash");
    fails(&first(&|line| line.replace("{\"seq\":2,", "{\"seq\":02,")), "does not begin with its number");
    fails(
        &first(&|line| line.replace("{\"seq\":2,", "{\"seq\":18446744073709551616,")),
        "does not begin with its number",
    );
    fails(&first(&|line| line.replace("{\"seq\":2,", "{\"seq\":0,")), "does not begin with its number");
    fails(&first(&|line| line.replace("]}", "],\"twins\":[]}")), "no hash of 64");
    fails(&first(&|_| "{}".to_owned()), "line 1: it is not in the form of a record");
    let last = |change: &dyn Fn(&str) -> String| with_lines(&text, |lines| lines[2] = change(&lines[2]));
    fails(
        &last(&|line| line.replace("\"after\":", "\"after\": ")),
        "line 3: it is not in the form of a record: it is not the signed",
    );
    fails(&last(&|line| line.replace("\"pruned\":[]", "\"pruned\":[],\"more\":1")), "line 3:");
}

#[test]
fn seals_of_others_are_refused() {
    let log = Log::of(8);
    let trusted = Export::whole(&log);
    let other = Export { key: key(2), ..Export::whole(&log) };
    let print = |number| key(number).public().fingerprint();
    fails(
        &other.text(),
        &format!(
            "public key: it is not the key that you trust: the file was made with the key {}, trusted is {}",
            print(2),
            print(1)
        ),
    );
    // The last line of another one, with our key's text put in.
    let forged = other.text().replace(&key(2).public().to_string(), &key(1).public().to_string());
    fails(&forged, "checkpoint: not signed by the key");
    // An older export's last line under newer records.
    let older = Export { size: 5, wanted: (1..=5).collect(), ..Export::whole(&log) };
    let replayed =
        with_lines(&trusted.text(), |lines| lines[8] = older.text().lines().last().expect("a line").to_owned());
    fails(&replayed, "record 8 (line 8): it lies beyond the checkpoint, which covers 5 records");
    let (lines, next) = trusted.lines();
    let mut closing = trusted.closing(&lines, next, |_| {});
    closing.checkpoint = older.closing(&lines, next, |_| {}).checkpoint;
    let mixed = lines.join("\n") + "\n" + &closing.line() + "\n";
    fails(&mixed, "manifest: it says that tree_size is \"8\", but it is \"5\"");
    closing.checkpoint = sign(&log.checkpoint(8).text(), &[&key(1), &key(2)]).expect("signed");
    fails(&(lines.join("\n") + "\n" + &closing.line() + "\n"), "checkpoint: it bears 2 signatures");
}

#[test]
fn every_member_of_the_manifest_is_compared() {
    let log = Log::of(8);
    let export = Export::whole(&log);
    type Change = (&'static str, fn(&mut Manifest));
    let changes: [Change; 11] = [
        ("origin", |it| it.origin.push('x')),
        ("log", |it| it.log = "access".to_owned()),
        ("format", |it| it.format = "csv".to_owned()),
        ("tree_size", |it| it.tree_size += 1),
        ("root_hash", |it| it.root_hash = "00".repeat(32)),
        ("records", |it| it.records += 1),
        ("first_seq", |it| it.first_seq = None),
        ("last_seq", |it| it.last_seq = Some(7)),
        ("sha256", |it| it.sha256 = "00".repeat(32)),
        ("made_at", |it| it.made_at = "2026-01-02T03:04:05Z".to_owned()),
        ("key_id", |it| it.key_id = "00000000".to_owned()),
    ];
    for (name, change) in changes {
        fails(&export.text_with(change), &format!("manifest: it says that {name} is "));
    }
    fails(&export.text_with(|it| it.pruned_sha256 = None), "manifest: it says that pruned_sha256 is ");
}

#[test]
fn a_line_without_end_is_not_read_into_memory() {
    struct Endless(u64);
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 += buffer.len() as u64;
            assert!(self.0 < 2 * LINE_BYTES_MAX as u64, "read on and on");
            buffer.fill(b'x');
            Ok(buffer.len())
        }
    }
    let failure = ndjson(BufReader::with_capacity(1 << 20, Endless(0)), None).expect_err("endless");
    assert_eq!(failure.to_string(), "line 1: it is longer than 64 MiB: no record of ours is");
}

#[test]
fn a_reader_that_fails_is_reported_where_it_fails() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("disk on fire"))
        }
    }
    let log = Log::of(2);
    let text = Export::whole(&log).text();
    let first = text.lines().next().expect("a line").to_owned() + "\n";
    let failure = ndjson(BufReader::new(first.as_bytes().chain(Broken)), None).expect_err("broken").to_string();
    assert_eq!(failure, "line 2: it cannot be read: disk on fire");
}

#[test]
fn other_formats_are_compared_with_their_manifest() {
    let log = Log::of(8);
    let export = Export::only(&log, &[2, 3]);
    let bytes = b"seq,at\n2,x\n3,y\n";
    let manifest =
        sign(&export.manifest(hex::encode(Sha256::digest(bytes)), "csv").text(), &[&export.key]).expect("signed");
    let checkpoint = sign(&log.checkpoint(8).text(), &[&export.key]).expect("signed");
    let vkey = export.key.public().to_string();
    let check = |bytes: &[u8], manifest: &str| file(bytes, manifest, &checkpoint, &vkey, Some(export.key.public()));
    let report = check(bytes, &manifest).expect("genuine");
    assert_eq!((report.left_out, report.manifest.format.as_str()), (6, "csv"));
    let failure = check(b"seq,at\n2,x\n", &manifest).expect_err("cut").to_string();
    assert!(failure.starts_with("manifest: it says that sha256 is"), "{failure}");
    let failure = check(bytes, &manifest.replace("\"records\":2", "\"records\":3")).expect_err("edited").to_string();
    assert!(failure.contains("does not fit the text"), "{failure}");
}

fn proof(log: &Log, seq: u64, size: u64) -> InclusionProof {
    let checkpoint = log.checkpoint(size);
    InclusionProof {
        seq,
        leaf_index: seq - 1,
        tree_size: size,
        leaf_hash: hex_hash(&leaf_hash(log.records[seq as usize - 1].as_bytes())),
        root_hash: hex_hash(&checkpoint.root),
        inclusion_path: inclusion(seq - 1, size, |ids| log.get(ids)).expect("there").iter().map(hex_hash).collect(),
        checkpoint: sign(&checkpoint.text(), &[&key(1)]).expect("signed"),
    }
}

#[test]
fn a_proof_of_one_record_holds_for_it_only() {
    let log = Log::of(23);
    let (mine, public) = (proof(&log, 17, 20), key(1));
    assert!(mine.verify(Some(&log.records[16]), public.public()).is_ok());
    assert!(mine.verify(None, public.public()).is_ok());
    let fails = |proof: &InclusionProof, record: Option<&str>, expected: &str| {
        let failure = proof.verify(record, public.public()).expect_err(expected).to_string();
        assert!(failure.contains(expected), "{failure}");
    };
    fails(&mine, Some(&log.records[17]), "record 17: its content was changed");
    fails(&InclusionProof { leaf_index: 17, ..mine.clone() }, None, "another leaf_index");
    fails(&InclusionProof { seq: 0, ..mine.clone() }, None, "another leaf_index");
    fails(&InclusionProof { seq: 18, leaf_index: 17, ..mine.clone() }, None, "leads to another root");
    fails(&InclusionProof { seq: 18, leaf_index: 17, ..mine.clone() }, Some(&log.records[16]), "another record");
    fails(&InclusionProof { tree_size: 21, ..mine.clone() }, None, "another checkpoint");
    fails(&InclusionProof { inclusion_path: Vec::new(), ..mine.clone() }, None, "wrong length");
    fails(&InclusionProof { inclusion_path: vec!["00".into()], ..mine.clone() }, None, "no hash");
    fails(&InclusionProof { checkpoint: proof(&log, 17, 23).checkpoint, ..mine.clone() }, None, "another checkpoint");
    assert!(mine.verify(None, key(2).public()).is_err());
}

#[test]
fn a_consistency_proof_holds_between_its_checkpoints_only() {
    let (log, mut fork) = (Log::of(23), Log::of(23));
    let (older, newer) = (log.checkpoint(10), log.checkpoint(23));
    let proof = ConsistencyProof {
        from: 10,
        to: 23,
        from_root_hash: hex_hash(&older.root),
        to_root_hash: hex_hash(&newer.root),
        consistency_path: consistency(10, 23, |ids| log.get(ids)).expect("there").iter().map(hex_hash).collect(),
    };
    assert!(proof.verify(&older, &newer).is_ok());
    fork.nodes.values_mut().for_each(|hash| hash[0] ^= 1);
    let forked = fork.checkpoint(23);
    assert!(proof.verify(&older, &forked).expect_err("a fork").to_string().contains("another pair of checkpoints"));
    let fitted = ConsistencyProof { to_root_hash: hex_hash(&forked.root), ..proof.clone() };
    let failure = fitted.verify(&older, &forked).expect_err("a fork").to_string();
    assert_eq!(failure, "proof: the proof leads to another root");
    let elsewhere = Checkpoint { origin: "lifeline/0123456789ab/access".to_owned(), ..newer };
    assert!(proof.verify(&older, &elsewhere).expect_err("another log").to_string().contains("another log"));
}

/// Two logs of one shape for all cases.
static LOG: std::sync::LazyLock<Log> = std::sync::LazyLock::new(|| Log::of(40));

fn wanted() -> impl Strategy<Value = Vec<u64>> {
    prop_oneof![
        Just((1..=40).collect()),
        proptest::collection::btree_set(1..=40_u64, 0..12).prop_map(|set| set.into_iter().collect()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Whatever is changed in a genuine export, it is found; unchanged, it passes.
    #[test]
    fn every_mutation_is_found(
        wanted in wanted(),
        how in 0..7_u8,
        one in any::<prop::sample::Index>(),
        two in any::<prop::sample::Index>(),
        bit in 0..8_u8,
        pinned in any::<bool>(),
    ) {
        let text = Export::only(&LOG, &wanted).text();
        let trusted = key(1);
        let trusted = pinned.then_some(trusted.public());
        prop_assert!(ndjson(text.as_bytes(), trusted).is_ok());
        let mut bytes = text.clone().into_bytes();
        let lines: Vec<&[u8]> = text.as_bytes().split_inclusive(|byte| *byte == b'\n').collect();
        let (a, b) = (one.index(lines.len()), two.index(lines.len()));
        match how {
            0 => { let at = one.index(bytes.len()); bytes[at] ^= 1 << bit; }
            1 => { bytes.remove(one.index(bytes.len())); }
            2 => bytes.truncate(one.index(bytes.len())),
            3 => { let at = one.index(bytes.len()); bytes.insert(at, bytes[two.index(bytes.len())]); }
            4 => { let mut lines = lines.clone(); lines.swap(a, b); bytes = lines.concat(); }
            5 => { let mut lines = lines.clone(); lines.remove(a); bytes = lines.concat(); }
            _ => { let mut lines = lines.clone(); lines.insert(b, lines[a]); bytes = lines.concat(); }
        }
        prop_assume!(bytes != text.as_bytes());
        prop_assert!(ndjson(bytes.as_slice(), trusted).is_err());
    }

    /// Whatever comes instead of an export, nothing panics.
    #[test]
    fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400), lines in "(\\{\"seq\":[0-9]{1,20},|\"leaf_hash\":\"|[0-9a-f]{64}|\"|\\}|,|\n|\\{\"manifest\":|\"before\":\\[){0,40}") {
        prop_assert!(ndjson(bytes.as_slice(), None).is_err());
        prop_assert!(ndjson(lines.as_bytes(), None).is_err());
    }
}
