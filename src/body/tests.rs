//! Every encoding both ways, and the ways in which they are abused.

use super::*;
use flate2::Compression;
use proptest::prelude::*;
use std::io::Write;

const LIMIT: usize = 1 << 20;
const TEXT: &[u8] = br#"{"event":"sync_end","created":"2026-08-17T09:41:23.518Z"}"#;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn raw_deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

#[track_caller]
fn check(bytes: &[u8], encoding: Option<&str>, expected: &[u8]) {
    assert_eq!(inflate(bytes, encoding, &["snappy"], LIMIT).as_deref(), Ok(expected), "{encoding:?}");
}

#[track_caller]
fn refused(bytes: &[u8], encoding: Option<&str>) -> IngestError {
    inflate(bytes, encoding, &["snappy"], LIMIT).unwrap_err()
}

#[test]
fn every_encoding_is_undone() {
    for name in [None, Some(""), Some("identity"), Some("Identity, identity"), Some("snappy"), Some("snappy, identity")]
    {
        check(TEXT, name, TEXT);
        assert!(matches!(inflate(TEXT, name, &["snappy"], LIMIT), Ok(Cow::Borrowed(_))), "{name:?}");
    }
    for name in ["gzip", "x-gzip", "GZIP", " gzip ", "identity,gzip", "snappy, gzip"] {
        check(&gzip(TEXT), Some(name), TEXT);
    }
    check(&gzip(TEXT), None, TEXT);
    check(&zlib(TEXT), Some("deflate"), TEXT);
    check(&raw_deflate(TEXT), Some("deflate"), TEXT);
    check(&zstd(TEXT), Some("zstd"), TEXT);
    check(&zstd(TEXT), Some("zstd1"), TEXT);
    check(&gzip(&zstd(TEXT)), Some("zstd, gzip"), TEXT);
    check(&gzip(&zlib(&gzip(TEXT))), Some("gzip,deflate,gzip"), TEXT);
    check(b"", Some("gzip"), b"");
    check(&gzip(b""), Some("gzip"), b"");
    check(&zlib(b""), Some("deflate"), b"");
    check(&zstd(b""), Some("zstd"), b"");
}

#[test]
fn members_and_frames_one_after_another_are_one_body() {
    check(&[gzip(TEXT), gzip(TEXT)].concat(), Some("gzip"), &[TEXT, TEXT].concat());
    check(&[zstd(TEXT), zstd(TEXT)].concat(), Some("zstd"), &[TEXT, TEXT].concat());
}

#[test]
fn unknown_encodings_are_named_so() {
    for name in ["br", "compress", "gzip, br", "aws-chunked", "gzip snappy", "gzip, snappy"] {
        assert_eq!(refused(TEXT, Some(name)), IngestError::UnknownEncoding, "{name}");
    }
    let four = "gzip, gzip, gzip, gzip";
    assert!(matches!(refused(TEXT, Some(four)), IngestError::BadEncoding(_)));
}

#[test]
fn damage_is_noticed() {
    for (bytes, name) in
        [(gzip(TEXT), "gzip"), (zlib(TEXT), "deflate"), (raw_deflate(TEXT), "deflate"), (zstd(TEXT), "zstd")]
    {
        for cut in 1..bytes.len() {
            let error = refused(&bytes[..cut], Some(name));
            assert!(matches!(error, IngestError::BadEncoding(_)), "{name} cut at {cut}: {error}");
        }
        let tail = [bytes, b"garbage".to_vec()].concat();
        assert!(matches!(refused(&tail, Some(name)), IngestError::BadEncoding(_)), "{name} with a tail");
    }
    assert!(matches!(refused(TEXT, Some("gzip")), IngestError::BadEncoding(_)));
    assert!(matches!(refused(TEXT, Some("zstd")), IngestError::BadEncoding(_)));
    let mut flipped = gzip(TEXT);
    let crc = flipped.len() - 8;
    flipped[crc] ^= 1;
    assert!(matches!(refused(&flipped, Some("gzip")), IngestError::BadEncoding(_)));
}

#[test]
fn the_limit_is_exact() {
    let full = vec![b'a'; LIMIT];
    let over = vec![b'a'; LIMIT + 1];
    for (name, pack) in [
        ("identity", (|bytes: &[u8]| bytes.to_vec()) as fn(&[u8]) -> Vec<u8>),
        ("gzip", gzip),
        ("deflate", zlib),
        ("deflate", raw_deflate),
        ("zstd", zstd),
    ] {
        check(&pack(&full), Some(name), &full);
        assert_eq!(refused(&pack(&over), Some(name)), IngestError::TooLarge { limit_bytes: LIMIT }, "{name}");
    }
}

#[test]
fn bombs_are_cut_off_in_every_layer() {
    let zeros = vec![0; 8 << 20];
    for (name, bytes) in [
        ("gzip", gzip(&zeros)),
        ("deflate", zlib(&zeros)),
        ("zstd", zstd(&zeros)),
        ("gzip, gzip", gzip(&gzip(&zeros))),
        // The inner layer stays empty for ever: members that hold nothing.
        ("gzip, gzip", gzip(&gzip(b"").repeat(200_000))),
        ("zstd, zstd", zstd(&zstd(&zeros))),
    ] {
        assert_eq!(refused(&bytes, Some(name)), IngestError::TooLarge { limit_bytes: LIMIT }, "{name}");
    }
}

#[test]
fn a_window_past_the_bound_is_refused() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(ZSTD_WINDOW_LOG_MAX + 1).unwrap();
    encoder.write_all(&vec![7; 512 << 10]).unwrap();
    let bytes = encoder.finish().unwrap();
    assert!(matches!(refused(&bytes, Some("zstd")), IngestError::BadEncoding(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_comes_nothing_passes_the_cap(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        start in prop::sample::select(vec![&b""[..], b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", b"\x28\xb5\x2f\xfd", b"\x78\x9c"]),
        encoding in prop::sample::select(vec![None, Some("gzip"), Some("deflate"), Some("zstd"), Some("zstd, gzip")]),
        limit in 0_usize..5_000,
    ) {
        let bytes = [start, &bytes].concat();
        if let Ok(plain) = inflate(&bytes, encoding, &[], limit) {
            prop_assert!(plain.len() <= limit);
        }
    }

    #[test]
    fn packing_and_undoing_gives_the_same(bytes in prop::collection::vec(any::<u8>(), 0..4_000)) {
        for (name, packed) in
            [("gzip", gzip(&bytes)), ("deflate", zlib(&bytes)), ("deflate", raw_deflate(&bytes)), ("zstd", zstd(&bytes))]
        {
            prop_assert_eq!(inflate(&packed, Some(name), &[], 1 << 16).unwrap(), &bytes[..]);
        }
    }
}
