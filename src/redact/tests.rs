//! What is masked, what is not, and that nothing else moves.

use super::*;
use proptest::prelude::*;

fn redactor() -> Redactor {
    Redactor::new([7; 32])
}

/// Masks replaced by `#`, so that expectations read well.
fn shown(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(MASK_PREFIX) {
        out.push_str(&rest[..at]);
        let len = mask_len(&rest[at..]).expect("a whole mask");
        out.push('#');
        rest = &rest[at + len..];
    }
    out + rest
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let redactor = redactor();
    let once = redactor.json(text).map_or_else(|| text.to_owned(), |r| r.text);
    assert_eq!(shown(&once), expected);
    assert_eq!(redactor.json(&once), None, "redacting twice changes nothing: {once}");
}

#[test]
fn secrets_are_found_by_name_at_any_depth() {
    check(r#"{"password":"hunter2","user":"me"}"#, r##"{"password":"#","user":"me"}"##);
    check(r#"{ "a" : [ {"dbPassword" : "x\"y"} ] , "n":1e400}"#, r##"{ "a" : [ {"dbPassword" : "#"} ] , "n":1e400}"##);
    check(r#"{"oldProperties":{"agentToken":"************"}}"#, r##"{"oldProperties":{"agentToken":"#"}}"##);
    check(
        r#"{"credentials":{"user":"u","nested":{"k":"v","on":true,"n":null}}}"#,
        r##"{"credentials":{"user":"#","nested":{"k":"#","on":true,"n":null}}}"##,
    );
    check(r#"{"p\u0061ssword":"hunter2"}"#, r##"{"p\u0061ssword":"#"}"##);
    check(
        r#"{"password":12345,"secret":["a","b"],"token":null,"pwd":""}"#,
        r##"{"password":"#","secret":["#","#"],"token":null,"pwd":""}"##,
    );
}

#[test]
fn secrets_are_found_in_json_inside_strings() {
    check(r#"{"body":"{\"password\":\"hunter2\",\"a\":1}"}"#, r##"{"body":"{\"password\":\"#\",\"a\":1}"}"##);
    check(r#"{"data":"\"{\\\"apiKey\\\":\\\"k1\\\"}\""}"#, r##"{"data":"\"{\\\"apiKey\\\":\\\"#\\\"}\""}"##);
}

#[test]
fn secrets_are_found_by_shape() {
    check(
        r#"{"uri":"https://bob:s3cr3t@example.com/x?token=abc&b=1"}"#,
        r##"{"uri":"https://#@example.com/x?token=#&b=1"}"##,
    );
    check(
        r#"{"m":"header Authorization: Bearer abcdefghijkl was sent"}"#,
        r##"{"m":"header Authorization: Bearer # was sent"}"##,
    );
    check(r#"{"m":"key AKIAIOSFODNN7EXAMPLE used"}"#, r##"{"m":"key # used"}"##);
    check(r#"{"m":"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"}"#, r##"{"m":"#"}"##);
    check(
        r#"{"m":"-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY-----"}"#,
        r##"{"m":"-----BEGIN RSA PRIVATE KEY-----#-----END RSA PRIVATE KEY-----"}"##,
    );
    check(r#"{"m":"login failed, password=hunter2; user=me"}"#, r##"{"m":"login failed, password=#; user=me"}"##);
    check(r#"{"m":"params='{\"token\": \"abc\"}'"}"#, r##"{"m":"params='{\"token\": \"#\"}'"}"##);
    check(
        r#"{"m":"jdbc:postgresql://h/db?user=u&password=p4ss"}"#,
        r##"{"m":"jdbc:postgresql://h/db?user=u&password=#"}"##,
    );
}

#[test]
fn what_is_no_secret_stays() {
    for text in [
        r#"{"m":"Invalid token: expired","uri":"https://api.example.com/v1/connections"}"#,
        r#"{"columns":{"password_hash":"STRING","access_token":"STRING"}}"#,
        r#"{"tableProgress":{"public.tokens":"COMPLETE"}}"#,
        r#"{"publicKey":"...","required_auth_type":"ANY","actor":"john@example.com"}"#,
        r#"{"m":"see https://cloud.google.com/bigquery/docs/troubleshoot-quotas"}"#,
        r#"{"m":"basic ad_actions and secretary"}"#,
    ] {
        check(text, text);
    }
}

#[test]
fn two_secrets_are_seen_to_differ_and_one_is_recognised() {
    let redactor = redactor();
    let digest = |text: &str| redactor.json(text).expect("a secret");
    let (a, b) = (digest(r#"{"password":"one"}"#), digest(r#"{"password":"two"}"#));
    assert_ne!(a.text, b.text);
    assert_ne!(a.digest, b.digest);
    assert_eq!(a, digest(r#"{"password":"one"}"#));
    assert_ne!(Redactor::new([8; 32]).json(r#"{"password":"one"}"#), Some(a));
}

#[test]
fn broken_payloads_are_redacted_too() {
    let redactor = redactor();
    for (bytes, secret) in [
        (&br#"{"password":"hunter2","b":"#[..], "hunter2"),
        (br#"{"event":"x","data":{"apiKey": "hunter2"#, "hunter2"),
        (br#"{'password': 'hunter2', 'a': 1}"#, "hunter2"),
        (b"\xff\xfe password=hunter2 \x80", "hunter2"),
        (br#"{"a":"{\"password\":\"hunter2\""#, "hunter2"),
        (br#"noise {"password":"hunter2"} noise"#, "hunter2"),
        (b"<config><password>hunter2</password></config>", "hunter2"),
        (b"MIIEowIBAAKCAQEAhunter2hunter2hunter2hunter2hunter2hunter2AB==\n", "hunter2"),
        (b"{\"ok\":1}\n{\"secret\":\"hunter2\"}\n{", "hunter2"),
    ] {
        let clean = redactor.bytes(bytes);
        let text = String::from_utf8_lossy(&clean).into_owned();
        assert!(!text.contains(secret), "{text}");
        assert!(text.contains(MASK_PREFIX), "{text}");
    }
    assert_eq!(redactor.bytes(b"\xff\x00plain"), b"\xff\x00plain");
}

proptest! {
    /// Wherever a secret is planted, it is gone, and a second pass changes nothing.
    #[test]
    fn planted_secrets_are_gone(
        path in proptest::collection::vec("[a-z]{1,8}", 0..5),
        name in prop_oneof![Just("password"), Just("clientSecret"), Just("api_key"), Just("X-Auth-Token"), Just("private.key")],
        secret in "[A-Za-z0-9!$%^*+/=_.~-]{8,40}",
        quoted in 0..3_usize,
    ) {
        let mut value = serde_json::json!({name: secret, "other": 1});
        for step in &path {
            value = serde_json::json!({step: [value, "x"]});
        }
        let mut text = value.to_string();
        for _ in 0..quoted {
            text = serde_json::json!({"body": text}).to_string();
        }
        let redactor = redactor();
        let clean = redactor.json(&text).expect("found").text;
        prop_assert!(!clean.contains(&secret), "{clean}");
        prop_assert_eq!(redactor.json(&clean), None);
        prop_assert!(!String::from_utf8_lossy(&redactor.bytes(text.as_bytes())).contains(&secret));
    }

    /// Any bytes at all: no panic, and a second pass changes nothing.
    #[test]
    fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let redactor = redactor();
        let once = redactor.bytes(&bytes);
        prop_assert_eq!(redactor.bytes(&once), once);
    }
}
