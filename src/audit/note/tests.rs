//! Notes against published ones, and against whatever bytes.

use super::*;
use crate::model::Timestamp;
use proptest::prelude::*;
use serde_json::json;

/// Source: documentation of golang.org/x/mod/sumdb/note.
const TEXT: &str =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const SECRET: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const PUBLIC: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const SIGNATURE: &str =
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
/// Source: the same module's tests.
const OTHER: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";

fn published() -> String {
    format!("{TEXT}\n{SIGNATURE}")
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed("lifeline/0123456789ab/trail", [number; 32]).expect("a key")
}

#[test]
fn the_published_note_is_made_and_read() {
    let secret = SigningKey::parse(SECRET).expect("a private key");
    assert_eq!(secret.public().to_string(), PUBLIC);
    assert_eq!(secret.to_secret_text(), SECRET);
    assert_eq!(sign(TEXT, &[&secret]), Ok(published()));
    let note = Note::parse(&published()).expect("a note");
    assert_eq!(note.text, TEXT);
    assert_eq!(note.verify(&VerifyingKey::parse(PUBLIC).expect("a public key")), Ok(()));
}

#[test]
fn a_note_by_another_key_names_both() {
    let note = Note::parse(&published()).expect("a note");
    let error = note.verify(&VerifyingKey::parse(OTHER).expect("a public key")).expect_err("another key");
    assert_eq!(
        error.to_string(),
        "not signed by the key EnochRoot (af0cfe78); its signatures are by PeterNeumann (c74f20a3)"
    );
}

#[test]
fn a_changed_text_does_not_fit_its_signature() {
    let note = Note::parse(&published().replace("answer", "ansver")).expect("a note");
    let key = VerifyingKey::parse(PUBLIC).expect("a public key");
    assert!(matches!(note.verify(&key), Err(NoteError::BadSignature { .. })));
    // A second, bad signature by the same key spoils the good one.
    let mut note = Note::parse(&published()).expect("a note");
    note.signatures.push(Signature { bytes: vec![1; 64], ..note.signatures[0].clone() });
    assert!(matches!(note.verify(&key), Err(NoteError::BadSignature { .. })));
}

#[test]
fn after_a_rotation_either_key_verifies() {
    let (old, new) = (key(1), key(2));
    let note = Note::parse(&sign("text\n", &[&old, &new]).expect("signed")).expect("a note");
    assert_eq!(note.signatures.len(), 2);
    assert_eq!((note.verify(old.public()), note.verify(new.public())), (Ok(()), Ok(())));
    assert!(note.verify(key(3).public()).is_err());
    assert_eq!(note.signed_only_by(new.public()), sign("text\n", &[&new]).ok());
    assert_eq!(note.signed_only_by(key(3).public()), None);
}

#[test]
fn what_is_no_note_is_refused() {
    for (text, why) in [
        (String::new(), "no blank line"),
        (TEXT.to_owned(), "no blank line"),
        (format!("{TEXT}\n"), "not complete"),
        (format!("{TEXT}\n{}", SIGNATURE.trim_end()), "not complete"),
        (format!("{TEXT}\n{SIGNATURE}\n"), "not complete"),
        (format!("{TEXT}\n- PeterNeumann x08go/ZJ\n"), "no signature"),
        (format!("{TEXT}\n— PeterNeumann\n"), "no signature"),
        (format!("{TEXT}\n— PeterNeumann x08gow==\n"), "no signature"),
        (format!("{TEXT}\n— Peter+Neumann x08go/ZJ\n"), "no signature"),
        (format!("{TEXT}\n—  x08go/ZJ\n"), "no signature"),
        (format!("{TEXT}\n{}", SIGNATURE.replace("nAM=", "nAN=")), "no signature"),
        (format!("a\tb\n\n{SIGNATURE}"), "control characters"),
        (format!("{TEXT}\n{}", SIGNATURE.repeat(17)), "too many"),
        (format!("{}\n\n{SIGNATURE}", "x".repeat(NOTE_BYTES_MAX)), "longer than"),
    ] {
        let error = Note::parse(&text).expect_err(&text[..text.len().min(200)]).to_string();
        assert!(error.contains(why), "{error}");
    }
    assert!(sign("no line feed", &[&key(1)]).is_err());
    assert!(sign("bell \u{7}\n", &[&key(1)]).is_err());
}

#[test]
fn what_is_no_key_is_refused() {
    for text in [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T",
        "PeterNeumann+c74f20a3+BRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeuman+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        " +c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "é+1+AQ==",
    ] {
        assert!(VerifyingKey::parse(text).is_err(), "{text}");
        assert!(SigningKey::parse(&format!("PRIVATE+KEY+{text}")).is_err(), "{text}");
    }
    assert!(SigningKey::parse(PUBLIC).is_err());
    assert!(SigningKey::from_seed("two words", [1; 32]).is_err());
}

#[test]
fn a_secret_is_never_shown_by_accident() {
    let key = key(7);
    let shown = format!("{key:?}");
    assert!(shown.contains(&key.public().key_id().to_string()));
    assert!(
        !key.to_secret_text().is_empty() && !shown.contains(key.to_secret_text().rsplit('+').next().expect("base64"))
    );
}

#[test]
fn new_keys_differ_and_survive_their_text() {
    let (one, two) = (SigningKey::generate("a").expect("a key"), SigningKey::generate("a").expect("a key"));
    assert_ne!(one.public(), two.public());
    let again = SigningKey::parse(&one.to_secret_text()).expect("a key");
    assert_eq!(again.public(), one.public());
    assert_eq!(one.renamed("b").expect("a key").public().bytes(), one.public().bytes());
}

#[test]
fn the_fingerprint_is_what_a_shell_computes() {
    // printf %s 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW' | sha256sum | cut -c1-32
    let print = VerifyingKey::parse(PUBLIC).expect("a key").fingerprint();
    assert_eq!(print, "a82f-24c4-8c9e-e106-dd11-952a-8026-e14f");
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        origin: "lifeline/0123456789ab/trail".to_owned(),
        size: 40,
        root: [1; 32],
        time: Some(Timestamp::parse("2026-01-02T03:04:05.678901Z").expect("a time")),
        previous: Some(Previous { size: 17, root: [2; 32] }),
        others: Vec::new(),
    }
}

#[test]
fn a_checkpoint_is_written_and_read_back() {
    let text = checkpoint().text();
    assert_eq!(
        text,
        "lifeline/0123456789ab/trail\n40\nAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\ntime 2026-01-02T03:04:05.678901Z\n\
         previous 17 AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=\n"
    );
    assert_eq!(Checkpoint::parse(&text), Ok(checkpoint()));
    // Source: C2SP tlog-checkpoint, its example.
    let published = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let read = Checkpoint::parse(published).expect("a checkpoint");
    assert_eq!((read.size, read.time, read.text()), (20_852_163, None, published.to_owned()));
    let extended = format!("{published}some extension\n");
    assert_eq!(Checkpoint::parse(&extended).map(|it| it.text()), Ok(extended));
}

#[test]
fn what_is_no_checkpoint_is_refused() {
    let good = checkpoint().text();
    for bad in [
        String::new(),
        "\n".to_owned(),
        good.trim_end().to_owned(),
        format!("{good}\n"),
        good.replacen("40", "040", 1),
        good.replacen("40", "+40", 1),
        good.replacen("40", "", 1),
        good.replacen("40", "18446744073709551616", 1),
        good.replacen("AQE=", "AQF=", 1),
        good.replacen("AQEBAQE", "AQE", 1),
        good.replacen("time 2026-01-02T", "time 2026-01-02 ", 1),
        good.replacen("previous 17 ", "previous 17", 1),
        good.replacen("\ntime", "\n\ntime", 1),
    ] {
        assert!(Checkpoint::parse(&bad).is_err(), "{bad:?}");
    }
}

fn manifest() -> Manifest {
    Manifest {
        origin: "lifeline/0123456789ab/trail".to_owned(),
        log: "trail".to_owned(),
        format: "ndjson".to_owned(),
        filter: json!({"actor": "a\nb", "action": "EDIT"}).as_object().expect("an object").clone(),
        from: None,
        to: Some("2026-02-01T00:00:00Z".to_owned()),
        tree_size: 40,
        root_hash: "01".repeat(32),
        records: 2,
        first_seq: Some(3),
        last_seq: Some(9),
        sha256: "02".repeat(32),
        pruned_sha256: None,
        made_at: "2026-01-02T03:04:05Z".to_owned(),
        product: "lifeline 0.1.0".to_owned(),
        key_id: "0a0b0c0d".to_owned(),
    }
}

#[test]
fn a_manifest_is_written_and_read_back() {
    let text = manifest().text();
    assert_eq!(
        text,
        format!(
            "lifeline audit manifest v1\n{{\"origin\":\"lifeline/0123456789ab/trail\",\"log\":\"trail\",\"format\":\"ndjson\",\
             \"filter\":{{\"action\":\"EDIT\",\"actor\":\"a\\nb\"}},\"from\":null,\"to\":\"2026-02-01T00:00:00Z\",\"tree_size\":40,\
             \"root_hash\":\"{}\",\"records\":2,\"first_seq\":3,\"last_seq\":9,\"sha256\":\"{}\",\"pruned_sha256\":null,\
             \"made_at\":\"2026-01-02T03:04:05Z\",\"product\":\"lifeline 0.1.0\",\"key_id\":\"0a0b0c0d\"}}\n",
            "01".repeat(32),
            "02".repeat(32)
        )
    );
    assert_eq!(Manifest::parse(&text), Ok(manifest()));
    for bad in [
        text.replacen("v1", "v2", 1),
        text.trim_end().to_owned(),
        format!("{text}\n"),
        text.replacen("\"records\":2", "\"records\": 2", 1),
        text.replacen("\"records\":2", "\"records\":2,\"more\":1", 1),
        text.replacen("\"records\":2,", "", 1),
    ] {
        assert!(Manifest::parse(&bad).is_err(), "{bad}");
    }
}

#[test]
fn hashes_are_64_small_hexadecimal_digits() {
    assert_eq!(parse_hex_hash(&hex_hash(&[0xab; 32])), Some([0xab; 32]));
    for bad in ["", &"AB".repeat(32), &"a".repeat(63), &"g".repeat(64), &"é".repeat(32)] {
        assert_eq!(parse_hex_hash(bad), None, "{bad}");
    }
}

proptest! {
    /// Whatever comes, nothing panics, and what is read is written back as it came.
    #[test]
    fn any_text_is_taken(text in "(\\PC|\n|— |\\+){0,200}") {
        let _ = VerifyingKey::parse(&text);
        let _ = SigningKey::parse(&text);
        let _ = Manifest::parse(&text);
        if let Ok(read) = Checkpoint::parse(&text) {
            prop_assert_eq!(read.text(), text.clone());
        }
        if let Ok(note) = Note::parse(&text) {
            prop_assert!(note.verify(key(1).public()).is_err());
        }
    }

    /// Near notes: one byte of a good one replaced, removed or doubled. It no longer verifies, whatever it was.
    #[test]
    fn a_note_with_one_byte_changed_does_not_verify(at in any::<prop::sample::Index>(), byte in any::<u8>(), how in 0..3_u8) {
        let good = sign(&checkpoint().text(), &[&key(1)]).expect("signed").into_bytes();
        let mut bytes = good.clone();
        let at = at.index(bytes.len());
        match how {
            0 => bytes[at] = byte,
            1 => { bytes.remove(at); }
            _ => bytes.insert(at, byte),
        }
        prop_assume!(bytes != good);
        if let Ok(text) = String::from_utf8(bytes)
            && let Ok(note) = Note::parse(&text)
        {
            prop_assert!(note.verify(key(1).public()).is_err(), "{}", text);
        }
    }

    /// Every text with a line feed at its end can be signed and verified.
    #[test]
    fn what_is_signed_verifies(text in "(\\PC|\n){0,100}", seed in any::<[u8; 32]>()) {
        let text = format!("{text}\n");
        let key = SigningKey::from_seed("k", seed).expect("a key");
        let note = Note::parse(&sign(&text, &[&key]).expect("signed")).expect("a note");
        prop_assert_eq!(&note.text, &text);
        prop_assert_eq!(note.verify(key.public()), Ok(()));
        prop_assert_eq!(VerifyingKey::parse(&key.public().to_string()), Ok(key.public().clone()));
    }
}
