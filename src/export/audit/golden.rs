//! Every form over the forty documented audit examples, and what it must never depend on: pages, repeats, filters.

use super::*;
use crate::{
    audit::{
        Draft,
        note::{Checkpoint, SigningKey, sign},
        tree,
        verify::{self, Report},
    },
    model::{EventId, Hints, Payload, Record as Delivered, Timestamp},
    pipeline::Understanding,
    query::audit::{Evidence, SummaryRequest, summary_csv, summary_html},
    redact::Redactor,
    store::memory_trail::MemoryTrail,
    validate::Schemas,
};
use std::io::{Cursor, Read as _};

const DOCUMENTED: &str = include_str!("../../../tests/fixtures/event/documented_events.ndjson");

/// The records of all documented events that give one.
fn documented() -> MemoryTrail {
    let understanding = Understanding::new(Arc::new(Schemas::builtin()), Arc::new(Redactor::new([7; 32])));
    let trail = MemoryTrail::default();
    for line in DOCUMENTED.lines().skip(47).take(40) {
        let record = Delivered { payload: Payload::Json(line.into()), hints: Hints::default() };
        let event = understanding.understand(&record, None, 0).expect("an event");
        trail.push(Log::Trail, Draft::of(&event.event, EventId(event.key)).expect("a record"));
    }
    trail
}

fn key() -> Arc<SigningKey> {
    Arc::new(SigningKey::from_seed("lifeline/0123456789ab/trail", [3; 32]).expect("a key"))
}

fn plan_of(trail: &MemoryTrail, format: Format, filter: RecordFilter) -> Plan {
    let key = key();
    let size = trail.size(Log::Trail).expect("a size");
    let root = tree::root(size, |ids| trail.nodes(Log::Trail, ids)).expect("a root");
    let time = Timestamp::parse("2026-11-21T05:00:00.000Z").expect("a time");
    let origin = key.public().name().to_owned();
    let head = Checkpoint { origin: origin.clone(), size, root, time: Some(time), previous: None, others: Vec::new() };
    Plan {
        log: Log::Trail,
        filter,
        format,
        size,
        root,
        made_at: time.to_string(),
        origin,
        checkpoint: sign(&head.text(), &[&*key]).expect("signed"),
        public_key: key.public().to_string(),
        key_id: key.public().key_id().to_string(),
        sign: Arc::new(move |text| sign(text, &[&*key]).expect("signed")),
    }
}

fn exported(trail: &MemoryTrail, format: Format, filter: RecordFilter) -> (Vec<u8>, Export) {
    let mut export = Export::new(plan_of(trail, format, filter)).expect("an export");
    let mut file = Vec::new();
    while let Some(piece) = export.next(trail).expect("the store is well") {
        file.extend(piece);
    }
    assert_eq!(export.bytes(), file.len() as u64);
    (file, export)
}

fn text(trail: &MemoryTrail, format: Format) -> String {
    String::from_utf8(exported(trail, format, RecordFilter::default()).0).expect("text")
}

#[track_caller]
fn verified(file: &[u8]) -> Report {
    verify::ndjson(file, Some(key().public())).unwrap_or_else(|failure| panic!("{failure}"))
}

#[test]
fn the_documented_examples_as_csv() {
    insta::assert_snapshot!(text(&documented(), Format::Csv));
}

#[test]
fn the_documented_examples_as_security_events() {
    let text = text(&documented(), Format::Ocsf);
    let pretty = text.lines().map(|line| {
        let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let mut event = event.as_object().expect("an object").clone();
        // It is in every event, and in the record beside it.
        event.remove("unmapped");
        serde_json::Value::Object(event).to_string()
    });
    insta::assert_snapshot!(pretty.collect::<Vec<_>>().join("\n"));
}

#[test]
fn the_documented_examples_as_a_report() {
    let trail = documented();
    let request = SummaryRequest::parse("from=2025-07-07&to=2025-07-08").expect("good");
    let mut counted = crate::audit::summary::Summary::default();
    let next = request.step(&trail, 40, None, &mut counted).expect("counted");
    assert_eq!(next, None);
    let totals = counted.finish();
    let plan = plan_of(&trail, Format::Csv, RecordFilter::default());
    let evidence = Evidence {
        origin: plan.origin,
        tree_size: plan.size,
        made_at: plan.made_at,
        checkpoint: plan.checkpoint,
        public_key: plan.public_key,
        fingerprint: key().public().fingerprint(),
    };
    insta::assert_snapshot!("report_html", summary_html(request, &totals, &evidence));
    insta::assert_snapshot!("report_csv", String::from_utf8(summary_csv(&totals)).expect("text"));
}

#[test]
fn lines_verify_whole_and_filtered_and_nothing_may_be_missing() {
    let trail = documented();
    let (whole, _) = exported(&trail, Format::Ndjson, RecordFilter::default());
    let report = verified(&whole);
    assert_eq!((report.manifest.records, report.manifest.tree_size, report.left_out), (40, 40, 0));
    let text = |text: &str| Some(text.to_owned());
    for (filter, records) in [
        (RecordFilter { action: text("DELETE"), ..RecordFilter::default() }, 4),
        (RecordFilter { actor: text("nobody"), ..RecordFilter::default() }, 0),
        (RecordFilter { use_case: text("resync"), ..RecordFilter::default() }, 1),
        (RecordFilter { resource_type: text("TEAM"), ..RecordFilter::default() }, 9),
    ] {
        let (file, _) = exported(&trail, Format::Ndjson, filter.clone());
        let report = verified(&file);
        assert_eq!((report.manifest.records, report.left_out), (records, 40 - records), "{filter:?}");
    }
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    for missing in 0..lines.len() {
        let mut rest = lines.clone();
        rest.remove(missing);
        assert!(verify::ndjson(&*rest.concat(), Some(key().public())).is_err(), "line {missing} may be missing");
    }
}

#[test]
fn every_form_is_the_same_each_time_and_its_manifest_is_of_its_bytes() {
    let trail = documented();
    for format in Format::ALL {
        let (first, export) = exported(&trail, format, RecordFilter::default());
        let (again, _) = exported(&trail, format, RecordFilter::default());
        assert!(first == again, "{format:?}");
        if matches!(format, Format::Csv | Format::Parquet | Format::Ocsf) {
            let manifest = export.manifest().expect("it is done");
            let plan = export.plan();
            let (note, public) = (&plan.checkpoint, &plan.public_key);
            verify::file(&*first, &manifest, note, public, Some(key().public()))
                .unwrap_or_else(|failure| panic!("{format:?}: {failure}"));
            assert!(verify::file(&first[1..], &manifest, note, public, None).is_err(), "{format:?}");
        }
    }
    let document: serde_json::Value = serde_json::from_str(&text(&trail, Format::Json)).expect("JSON");
    assert_eq!(document["data"].as_array().map(Vec::len), Some(40));
}

#[test]
fn a_bundle_holds_all_that_an_auditor_needs() {
    let trail = documented();
    let (file, _) = exported(&trail, Format::Zip, RecordFilter::default());
    let mut bundle = ::zip::ZipArchive::new(Cursor::new(&file)).expect("a ZIP file");
    let mut read = |name: &str| {
        let mut text = String::new();
        bundle.by_name(name).unwrap_or_else(|error| panic!("{name}: {error}")).read_to_string(&mut text).expect("text");
        text
    };
    assert_eq!(read("records.csv"), text(&trail, Format::Csv));
    let records = read("records.ndjson");
    assert_eq!(records, text(&trail, Format::Ndjson));
    verified(records.as_bytes());
    let readme = read("README.txt");
    assert!(!readme.contains('{') && readme.contains("first 40 of the log"), "{readme}");
    let manifest = read("manifest.txt");
    for name in ["README.txt", "public_key.txt", "checkpoint.txt", "verify.py", "records.ndjson", "records.csv"] {
        let hash = hex::encode(Sha256::digest(read(name).as_bytes()));
        assert!(manifest.contains(&format!("\"{name}\":\"{hash}\"")), "{name}: {manifest}");
    }
    let seal = String::from_utf8_lossy(bundle.comment()).into_owned();
    let sealed = hex::encode(Sha256::digest(&file[..file.len() - seal.len()]));
    let note = crate::audit::note::Note::parse(&seal).expect("a note");
    assert_eq!(note.text, format!("lifeline audit bundle v1\n{sealed}\n"));
    note.verify(key().public()).expect("signed");
}

#[test]
fn what_retention_removed_is_left_out_and_explained() {
    let trail = documented();
    let before = Some(i64::MAX);
    let request = crate::store::trail::PruneRequest {
        trail_before: before,
        access_before: None,
        reason: "retention 400 days".into(),
    };
    futures_util::FutureExt::now_or_never(trail.prune(request)).expect("at once").expect("removed");
    trail.push(
        Log::Trail,
        Draft::own(
            "x",
            crate::audit::Actor { id: None, kind: crate::audit::ActorKind::Unknown },
            "HTTP",
            "X",
            None,
            vec![],
            Timestamp::from_micros(0),
        ),
    );
    let (file, _) = exported(&trail, Format::Ndjson, RecordFilter::default());
    let report = verified(&file);
    assert_eq!((report.manifest.records, report.manifest.first_seq, report.left_out), (1, Some(41), 40));
    assert_eq!(report.pruned[0].reason, "retention 400 days");
    assert_eq!(text(&trail, Format::Csv).lines().count(), 2);
}
