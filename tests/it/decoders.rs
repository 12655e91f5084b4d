//! The laws of the fuzz targets on stable, with fewer cases: bytes of any kind, and captured bodies with pieces cut,
//! changed and repeated.

#[path = "../fuzz/laws.rs"]
mod laws;

use proptest::prelude::*;
use std::path::PathBuf;

/// Bytes that decoders treat specially.
fn telling() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&[u8]> = vec![
        b"{",
        b"}",
        b"[",
        b"]",
        b"\"",
        b",",
        b":",
        b"\n",
        b"\r\n",
        b" ",
        b"\\",
        b"\\n",
        b"\xef\xbb\xbf",
        b"\xff",
        b"null",
        b"-1",
        b"1e400",
        b"\"event\"",
        b"\"time\"",
        b"\"fields\"",
        b"{\"event\":1}",
        b"\"streams\"",
        b"\"values\"",
        b"[\"1\",\"x\"]",
        b"\"labels\"",
        b"\"{a=\\\"b\\\"}\"",
        b"\"acks\"",
        b"\x0a",
        b"\x12\x02",
        b"\x0a\x03{a}",
        b"\x12\x01x",
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
        b"\x28\xb5\x2f\xfd",
        b"\x78\x9c",
        b"\"\\ud800\"",
        b"12 <190>1 a b c d - ",
        b"99 ",
        b"{\"logs\":[",
        b"{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[",
        b"{\"body\":{\"kvlistValue\":{\"values\":[",
        b"\x0a\x0a\x12\x08\x12\x06\x2a\x04\x0a\x02{}",
        b"\x2a\x02\x32\x00",
        b"}{",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..40).prop_map(|pieces| pieces.concat())
}

/// Bodies of captured requests, cut anywhere and with one byte changed.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let folders = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/protocol");
    let bodies: Vec<Vec<u8>> = std::fs::read_dir(folders)
        .unwrap()
        .map(|folder| folder.unwrap().path())
        .filter(|path| path.is_dir())
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .filter_map(|file| {
            let split = file.windows(4).position(|four| four == b"\r\n\r\n")?;
            Some(file[split + 4..].to_vec())
        })
        .collect();
    let body = prop::sample::select(bodies);
    (body, any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), 1..3_usize).prop_map(
        |(body, end, at, byte, times)| {
            let mut body = body.repeat(times);
            body.truncate(end.index(body.len()) + 1);
            let at = at.index(body.len());
            body[at] = byte;
            body
        },
    )
}

/// Texts of the samples and of the neighbours, cut anywhere, with one letter changed.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut texts: Vec<String> = vec![
        r#"event="poll_db_complete" addon_id=12 object_type=Contact state=DATA_SYNCED level=INFO message="ok""#.into(),
        "1 Contact INSERT -> SALESFORCE 12 rows (0.5 secs) [BULK] 2 Account UPDATE <- DATABASE 1 rows (1 secs)".into(),
        r#"{"run_id":"1","type":"backup","status":"completed with errors","objects":[{"object":"Account","status":"SUCCESS"}]}"#.into(),
        "Data connection Salesforce changed from Monitoring to Error: profile permissions".into(),
    ];
    for (folder, file) in [("event", "documented_events.ndjson"), ("systems/heroku_connect", "")] {
        let path = fixtures.join(folder).join(file);
        let files = match std::fs::read_dir(&path) {
            Ok(files) => files.map(|file| file.unwrap().path()).collect(),
            Err(_) => vec![path],
        };
        for file in files {
            texts.extend(std::fs::read_to_string(file).unwrap().lines().map(str::to_owned));
        }
    }
    texts.retain(|text| !text.is_empty());
    (prop::sample::select(texts), any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()).prop_map(
        |(text, end, at, byte)| {
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte & 0x7f;
            bytes.truncate(end.index(bytes.len()).max(at) + 1);
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_decoder_is_total(
        bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..300), telling(), damaged()],
    ) {
        for way in laws::WAYS {
            laws::decoding_is_total(way, &bytes);
        }
    }

    #[test]
    fn inflating_is_total(
        choice in any::<[u8; 2]>(),
        bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..300), telling()],
    ) {
        laws::inflating_stays_below_its_cap(&[&choice[..], &bytes].concat());
    }

    #[test]
    fn understanding_and_diagnosing_are_total(bytes in prop_oneof![telling(), damaged(), lines()]) {
        laws::understanding_is_total(&bytes);
        laws::diagnosing_is_total(&bytes);
    }
}
