//! Secrets in damaged JSON are found, and nothing else is.

use super::super::{MASK_PREFIX, Redactor, mask_len};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::LazyLock;

const SECRET: &str = "Zq9Hunter77";

/// Made once: its patterns take long to compile.
static REDACTOR: LazyLock<Redactor> = LazyLock::new(|| Redactor::new([7; 32]));

fn redactor() -> &'static Redactor {
    &REDACTOR
}

/// Masks replaced by `#`.
fn shown(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(MASK_PREFIX) {
        let len = mask_len(&rest[at..]).expect("a whole mask");
        out.push_str(&rest[..at]);
        out.push('#');
        rest = &rest[at + len..];
    }
    out + rest
}

/// A payload for quarantine.
fn quarantined(text: &str) -> String {
    let once = redactor().bytes(text.as_bytes());
    let text = String::from_utf8(once.clone()).expect("text stays text");
    assert_eq!(
        shown(&String::from_utf8_lossy(&redactor().bytes(&once))),
        shown(&text),
        "a second pass changes nothing"
    );
    text
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(shown(&quarantined(text)), expected);
}

#[track_caller]
fn check_event(text: &str, expected: &str) {
    let once = redactor().json(text).map_or_else(|| text.to_owned(), |redacted| redacted.text);
    assert_eq!(shown(&once), expected);
    assert_eq!(redactor().json(&once), None, "redacting twice changes nothing: {once}");
}

#[test]
fn json_that_does_not_parse_is_masked_like_json_that_does() {
    for (text, expected) in [
        // Cut off at its end.
        (
            r#"{"event":"x","data":{"credentials":{"c":"Zq9Hunter77"},"z":"q"#,
            r##"{"event":"x","data":{"credentials":{"c":"#"},"z":"q"##,
        ),
        (r#"{"credentials":{"c":"Zq9Hun"#, r##"{"credentials":{"c":"#"##),
        (r#"{"a":"x","secret":["b",1234,"Zq9"#, r##"{"a":"x","secret":["#",#,"#"##),
        // A comma too many.
        (r#"{"event":"x","data":{"secret":["a","Zq9Hunter77"],}}"#, r##"{"event":"x","data":{"secret":["#","#"],}}"##),
        // A number that is none.
        (
            r#"{"event":"x","data":{"n":NaN,"p":{"field":"password","old":"x","new":"Zq9Hunter77"}}}"#,
            r##"{"event":"x","data":{"n":NaN,"p":{"field":"password","old":"#","new":"#"}}}"##,
        ),
        (
            r#"{"n":NaN,"a":[{"value":{"x":["Zq9Hunter77"]},"name":"api_key"}]}"#,
            r##"{"n":NaN,"a":[{"value":{"x":["#"]},"name":"api_key"}]}"##,
        ),
        // Cut off at its beginning.
        (r#"ent":"x","credentials":{"c":"Zq9Hunter77"},"z":"q"}"#, r##"ent":"x","credentials":{"c":"#"},"z":"q"}"##),
        (r#"","credentials":{"c":"Zq9Hunter77"},"z":"q"}"#, r##"","credentials":{"c":"#"},"z":"q"}"##),
        (
            r#"ield":"password","old":"y"},{"field":"password","new":"Zq9Hunter77"}]"#,
            r##"ield":"password","old":"y"},{"field":"password","new":"#"}]"##,
        ),
        (r#"{\"credentials\":{\"c\":\"Zq9Hunter77\"}}","z":1}"#, r##"{\"credentials\":{\"c\":\"#\"}}","z":1}"##),
        (
            r#"entials\":{\"c\":\"x\"},\"secret\":[\"Zq9Hunter77\"]}","z":1}"#,
            r##"entials\":{\"c\":\"x\"},\"secret\":[\"#\"]}","z":1}"##,
        ),
        // A raw control character, a comment, single quotes, words before it, a second document.
        (
            "{\"a\":\"\u{1}\",\"credentials\":{\"c\":\"Zq9Hunter77\"}}",
            "{\"a\":\"\u{1}\",\"credentials\":{\"c\":\"#\"}}",
        ),
        (r#"{"credentials":{/* } don't */"c":"Zq9Hunter77"}}"#, r##"{"credentials":{/* } # */"c":"#"}}"##),
        ("{ // it's 1\n \"credentials\":{\"c\":\"Zq9Hunter77\"}}", "{ // it's 1\n \"credentials\":{\"c\":\"#\"}}"),
        (
            r#"{'event':'x','credentials':{'c':'Zq9Hunter77','n':1}}"#,
            r##"{'event':'x','credentials':{'c':'#','n':#}}"##,
        ),
        (r#"{u'credentials': {u'c': u'Zq9Hunter77'}}"#, r##"{u'credentials': {u'c': u'#'}}"##),
        (r#"it isn't {"credentials":{"c":"Zq9Hunter77"}}"#, r##"it isn't {"credentials":{"c":"#"}}"##),
        (r#"{"a":1}{"credentials":{"c":"Zq9Hunter77"},"#, r##"{"a":1}{"credentials":{"c":"#"},"##),
        (r#"{credentials={c=Zq9Hunter77}, z=1}"#, r##"{credentials={#}, z=1}"##),
        (r#"{credentials: {c: Zq9Hunter77, ok: true}, z: y}"#, r##"{credentials: {c: #, ok: true}, z: y}"##),
        // Single quotes that are none of the JSON's.
        (
            r#"'x\"","data":{"credentials":{"c":"Zq9Hunter77"}},"a":["vA':x"]}"#,
            r##"'x\"","data":{"credentials":{"c":"#"}},"a":["vA':x"]}"##,
        ),
        (
            r#"curl -d '{"a":"\"","credentials":{"c":"Zq9Hunter77"}}'"#,
            r##"curl -d '{"a":"\"","credentials":{"c":"#"}}'"##,
        ),
        // In a string.
        (r#"{"a":"{\"credentials\":{\"c\":\"Zq9Hunter77\"}}",}"#, r##"{"a":"{\"credentials\":{\"c\":\"#\"}}",}"##),
        (
            r#"{"a":"{\"b\":\"{\\\"secret\\\":[\\\"Zq9Hunter77\\\"],\\\"d\\\":1}\"}",}"#,
            r##"{"a":"{\"b\":\"{\\\"secret\\\":[\\\"#\\\"],\\\"d\\\":1}\"}",}"##,
        ),
        (
            r#"{"a":"{\u0022secret\u0022:[\u0022Zq9Hunter77\u0022]}",}"#,
            r##"{"a":"{\u0022secret\u0022:[\u0022#\u0022]}",}"##,
        ),
        (
            r#"{"a":"{\"field\":\"password\",\"new\":\"Zq9Hunter77\"}",}"#,
            r##"{"a":"{\"field\":\"password\",\"new\":\"#\"}",}"##,
        ),
        // Lines of JSON that came one by one.
        (r#"  "credentials": { "c": "Zq9Hunter77","#, r##"  "credentials": { "c": "#","##),
        (
            r#"{ "field": "password", "old": "x", "new": "Zq9Hunter77" },"#,
            r##"{ "field": "password", "old": "#", "new": "#" },"##,
        ),
        (r#""pin": 1234,"#, r##""pin": #,"##),
    ] {
        check(text, expected);
    }
}

#[test]
fn json_among_words_in_a_string_is_masked() {
    check_event(
        r#"{"event":"warning","data":{"message":"config was {\"credentials\":{\"c\":\"Zq9Hunter77\"}}"}}"#,
        r##"{"event":"warning","data":{"message":"config was {\"credentials\":{\"c\":\"#\"}}"}}"##,
    );
    check_event(
        r#"{"event":"api_call","data":{"method":"POST","uri":"/v1/connections","body":"{\"service\":\"x\",\"config\":{\"credentials\":{\"c\":\"Zq9Hunter77\"}}"}}"#,
        r##"{"event":"api_call","data":{"method":"POST","uri":"/v1/connections","body":"{\"service\":\"x\",\"config\":{\"credentials\":{\"c\":\"#\"}}"}}"##,
    );
    check_event(
        r#"{"m":"got {\"body\":\"{\\\"secret\\\":[\\\"Zq9Hunter77\\\"]}\"} back"}"#,
        r##"{"m":"got {\"body\":\"{\\\"secret\\\":[\\\"#\\\"]}\"} back"}"##,
    );
}

#[test]
fn what_is_no_secret_stays_in_damaged_json_too() {
    for text in [
        r#"{"event":"x","data":{"columns":{"password":["STRING"],"token":{"type":"TEXT"}}},}"#,
        r#"{"columns":[{"name":"password","old":"STRING","new":"TEXT"}],}"#,
        r#"{"primary_key":["id","x"],"keys":{"a":"b"},"tokens":{"used":5},}"#,
        r#"{"credentials":{"ok":true,"n":null,"x":NaN},"z":"y"#,
        r#"{"credentials":{},"a":{"b":"c"},"d":"e",}"#,
        r#"{"secret":[],"field":"host","new":"y",}"#,
        r#"{"field":"password","note":"y"},{"new":"z","#,
        "Unexpected token: expected [1, 2] or {\"a\":3}, the author's key isn't set",
        r#"no credentials: see "docs" and {"a":"b"}"#,
    ] {
        check(text, text);
    }
}

/// Takes no longer than the length of the text calls for.
#[test]
fn hostile_texts_are_read_in_linear_time() {
    let begun = std::time::Instant::now();
    for part in [
        "{",
        "[\"",
        "\"",
        "'",
        " 'a",
        "\\\"",
        "\\",
        "/*",
        "//",
        "{\"new\":",
        "{'a':'",
        "{\"name\":\"pin\",\"new\":",
        "]",
        "}{",
        "a:",
        "= ",
        "\"\\",
        "{\"field\":\"password\",\"old\":[",
        ":\"",
        "\",",
        "\\u0022",
        "{\"credentials\":{\"c\":1}],",
    ] {
        let mut spans = Vec::new();
        super::spans(&part.repeat(400_000 / part.len()), &mut spans);
    }
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-z]{1,6}",
        1 => proptest::sample::select(&["credentials", "secret", "password", "tokens", "auth", "basicAuth", "api_key", "pin", "primaryKey", "columns"][..])
            .prop_map(str::to_owned),
        1 => proptest::sample::select(&["field", "name", "old", "new", "value", "from"][..]).prop_map(str::to_owned),
    ]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => "v[a-fA-F]{3}[0-9]{3}[-:,{}\\[\\]\"'\\\\= é]{0,3}x".prop_map(Value::from),
        1 => proptest::sample::select(&["password", "api_key", "host", "pin", "tokens"][..]).prop_map(Value::from),
        1 => Just(json!("Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA")),
        1 => (100_000..999_999_i32).prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((name(), inner.clone()), 0..5).prop_map(|members| members.into_iter().collect()),
            inner.prop_map(|inner| Value::from(inner.to_string())),
        ]
    })
}

/// A text with every secret that only names tell replaced.
fn torn(text: &str) -> String {
    let mut spans = Vec::new();
    super::spans(text, &mut spans);
    spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    let mut out = String::new();
    let mut at = 0;
    for span in spans.into_iter().filter(|span| !span.is_empty()) {
        if span.start >= at {
            out.push_str(&text[at..span.start]);
            // No leaf is 0, and with a mask for a number this would be no JSON.
            out.push(if text[span.clone()].bytes().all(|b| b.is_ascii_digit()) { '0' } else { '#' });
            at = span.end;
        }
    }
    out + &text[at..]
}

/// The strings of JSON text, at every depth, and its numbers.
fn leaves(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inner @ (Value::Object(_) | Value::Array(_) | Value::String(_))) => leaves(&inner, found),
            _ => found.push(text.clone()),
        },
        Value::Array(values) => values.iter().for_each(|value| leaves(value, found)),
        Value::Object(members) => members.values().for_each(|value| leaves(value, found)),
        Value::Number(number) => found.push(number.to_string()),
        Value::Bool(_) | Value::Null => {}
    }
}

/// What stays of a text of JSON.
fn remaining(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    leaves(&serde_json::from_str(text).expect("masks leave JSON in order"), &mut found);
    found.retain(|leaf| leaf != "#" && leaf != "0");
    found
}

/// Ways to damage a text behind a place and leave what is before it as it is.
fn damaged(text: &str, way: usize, at: usize) -> String {
    let cut = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    match way {
        0 => text[..cut].to_owned(),
        1 => text[cut..].to_owned(),
        2 => format!("{},}}", &text[..text.len() - 1]),
        3 => text.replacen('{', "{\"n\":NaN,", 1),
        4 => text.replacen('{', "{\"n\":\"\u{1}\",", 1),
        5 => text.replacen('{', "{ /* it's } */ ", 1),
        6 => text.replacen('{', "{ // a \"b\n", 1),
        7 => format!("it isn't what was expected: {text}"),
        8 => format!("{{\"a\":[1,2]}}\n{text}{{\"b\":"),
        9 => format!("{{\"a\":[1,2]}}\n{}", &text[..text.len() - 1]),
        10 => json!(format!("got {text}")).to_string()[..].trim_end_matches('"').to_owned(),
        _ => json!({"body": format!("got {text}"), "x": 1}).to_string(),
    }
}

proptest! {
    /// On JSON that parses names say the same to both walkers.
    #[test]
    fn both_walkers_agree(value in value()) {
        let text = value.to_string();
        let redactor = redactor();
        let walked = redactor.json(&text).map_or_else(|| text.clone(), |redacted| shown(&redacted.text));
        prop_assert_eq!(remaining(&torn(&text)), remaining(&walked), "{}\n{}", walked, torn(&text));
    }

    /// A secret is gone however the JSON around it is damaged.
    #[test]
    fn no_damage_brings_a_secret_to_light(
        before in proptest::collection::vec(("[a-z]{1,6}", value()), 0..3),
        after in proptest::collection::vec(("[a-z]{1,6}", value()), 0..3),
        form in 0..6_usize,
        packed in 0..3_usize,
        way in 0..12_usize,
        cut in any::<proptest::sample::Index>(),
    ) {
        let secret = match form {
            0 => json!({"credentials": {"c": SECRET}}),
            1 => json!({"secret": ["a", {"b": [SECRET]}]}),
            2 => json!({"field": "password", "old": "x", "new": SECRET}),
            3 => json!({"name": "api_key", "kind": {"a": 1}, "value": {"x": [SECRET]}}),
            4 => json!([{"value": SECRET, "name": "client_secret"}]),
            _ => json!({"password": SECRET, "user": "u"}),
        };
        let mut text = secret.to_string();
        for _ in 0..packed {
            text = json!({"body": text, "z": 1}).to_string();
        }
        let mut whole = String::from("{");
        for (name, value) in &before {
            whole += &format!("{}:{value},", json!(name));
        }
        let begins = whole.len();
        whole += &format!("\"data\":{text}");
        let ends = whole.len();
        for (name, value) in &after {
            whole += &format!(",{}:{value}", json!(name));
        }
        whole.push('}');
        // The name goes with what was cut off, and the label may.
        let at = if way == 1 { cut.index(begins + 1) } else { begins + cut.index(whole.len() + 1 - begins) };
        prop_assume!(way != 0 || form != 4 || at >= ends);
        let text = damaged(&whole, way, at);
        let clean = String::from_utf8(redactor().bytes(text.as_bytes())).expect("text stays text");
        prop_assert!(!clean.contains(&SECRET[..4]), "{}\n{}", text, clean);
        let event = json!({"event": "x", "data": {"message": text}}).to_string();
        let clean = redactor().json(&event).map_or_else(|| event.clone(), |redacted| redacted.text);
        prop_assert!(!clean.contains(&SECRET[..4]), "{}\n{}", event, clean);
        prop_assert_eq!(redactor().json(&clean), None, "{}", clean);
    }
}
