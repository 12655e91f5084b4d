//! Frames, whole and broken, and what their messages become.

use super::*;
use crate::model::{RecordError, Timestamp};
use proptest::prelude::*;

const HEADER: &str = "<190>1 2022-02-28T20:41:10.000000+00:00 host app herokuconnect -";
const EVENT: &str = r#"{"event":"sync_end","created":"2026-08-17T09:41:23Z"}"#;

/// Each item as `time level text`, or as `!range reason`.
fn items(body: &[u8], limits: &Limits) -> Result<Vec<String>, DecodeError> {
    let headers: Vec<(String, String)> = vec![("Logplex-Msg-Count".to_owned(), "7".to_owned())];
    let decoded = Logplex.decode(&Head::new("POST", "/v1/drains/logplex", "", &headers), body, limits)?;
    let show = |item| match item {
        Ok(Record { payload, hints }) => {
            let time = hints.time.map_or("-".to_owned(), |time: Timestamp| time.to_string());
            format!("{time} {} {}", hints.level.as_deref().unwrap_or("-"), payload.text())
        }
        Err(RecordError { reason, bytes, .. }) => format!("!{bytes:?} {reason}"),
    };
    Ok(decoded.items.into_iter().map(show).collect())
}

#[track_caller]
fn check(body: impl AsRef<[u8]>, expected: &[&str]) {
    let found = items(body.as_ref(), &Limits::default()).unwrap();
    assert_eq!(found, expected, "{}", String::from_utf8_lossy(body.as_ref()));
}

fn frame(message: &str) -> String {
    format!("{} {message}", message.len())
}

#[test]
fn lengths_are_bytes_and_may_be_a_little_off() {
    let line = format!("{HEADER} event=\"x ↷↓ y\" level=debug");
    let expected = format!("2022-02-28T20:41:10Z debug {line}");
    let with_feed = format!("{line}\n");
    check(frame(&with_feed), &[&expected]);
    check(frame(&with_feed).repeat(3), &[expected.as_str(); 3]);
    check(format!("{}\n{}\r\n\n", frame(&with_feed), frame(&with_feed)), &[expected.as_str(); 2]);
    // The last line feed is counted and missing; none is there or counted; characters are counted; nothing is.
    check(frame(&with_feed).trim_end(), &[&expected]);
    check(frame(&line).repeat(2), &[expected.as_str(); 2]);
    check(format!("{} {with_feed}", line.chars().count()).repeat(2), &[expected.as_str(); 2]);
    check(with_feed.repeat(2), &[expected.as_str(); 2]);
    check(format!("9 {with_feed}99999999999 {with_feed}"), &[&expected, &format!("- - 99999999999 {line}")]);
    // A message of many lines stays one.
    check(
        frame(&format!("{HEADER} one\n two\n")).repeat(2),
        &[format!("2022-02-28T20:41:10Z - {HEADER} one\n two").as_str(); 2],
    );
    // Half a frame, and what followed a wrong length.
    let half = &frame(&with_feed)[..60];
    check(half, &[&format!("- - {}", &half[half.find('<').unwrap()..])]);
    check(format!("5 {line}\n{}", frame(&with_feed)), &[expected.as_str(); 2]);
    check("", &[]);
    check(" \n\r\n ", &[]);
    check("0 ", &["- - 0"]);
    check("hello", &["- - hello"]);
}

#[test]
fn messages_without_line_feeds_are_told_apart_whatever_is_counted() {
    let texts = [EVENT.replace("}", ",\"data\":{\"x\":\"↷é\"}}"), "level=info says ↓".to_owned(), EVENT.to_owned()];
    let expected = |text: &String| match text.starts_with('{') {
        true => format!("2022-02-28T20:41:10Z - {text}"),
        false => format!("2022-02-28T20:41:10Z info {HEADER} {text}"),
    };
    let all: Vec<String> = texts.iter().map(expected).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let frames = |count: &dyn Fn(&str) -> usize| -> String {
        let frame = |text: &String| {
            let message = format!("{HEADER} {text}");
            format!("{} {message}", count(&message))
        };
        texts.iter().map(frame).collect()
    };
    check(frames(&str::len), &all);
    check(frames(&|message| message.chars().count()), &all);
    check(frames(&|_| 7), &all);
    check(frames(&|message| message.len() + 3), &all);
    check(
        format!("{HEADER} at 7 <190> it was 5 <1>1 a"),
        &[&format!("2022-02-28T20:41:10Z - {HEADER} at 7 <190> it was 5 <1>1 a")],
    );
}

#[test]
fn counting_characters_in_vain_stays_linear() {
    let body = "999999 <é\n".repeat(1_000_000);
    assert_eq!(frames::cut(body.as_bytes()).count(), 1_000_000);
}

#[test]
fn half_an_event_keeps_its_header() {
    let half = format!("{HEADER} {}", &EVENT[..20]);
    check(frame(&half), &[&format!("2022-02-28T20:41:10Z - {half}")]);
}

#[test]
fn json_is_handed_on_without_its_header() {
    let at = "2022-02-28T20:41:10Z";
    for header in [HEADER.to_owned(), format!("{HEADER} -")] {
        check(frame(&format!("{header} {EVENT}\n")), &[&format!("{at} - {EVENT}")]);
    }
    check(frame(&format!("{HEADER} - list item\n")), &[&format!("{at} - {HEADER} - list item")]);
    check(
        frame(&format!("{HEADER} - event=\"a level=debug\" level=info\n")),
        &[&format!("{at} info {HEADER} - event=\"a level=debug\" level=info")],
    );
    check(frame("<1>1 soon host app p - {}\n"), &["- - {}"]);
    for odd in ["<190>2 a b c d e f", "<>1 a b c d e f", "<1234>1 a b c d e f", "<190>1 a b", "<190"] {
        check(frame(odd), &[&format!("- - {odd}")]);
    }
}

#[test]
fn lost_messages_are_an_event() {
    let notice = "<172>1 2022-02-28T20:41:14+00:00 host heroku logplex - Error L10 (output buffer overflow): 2 messages dropped since 2022-02-28T20:40:00+00:00.";
    let found = items(frame(notice).as_bytes(), &Limits::default()).unwrap();
    let text = found[0].strip_prefix("2022-02-28T20:41:14Z WARNING ").unwrap();
    let event: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(event["event"], message::LOSS_EVENT);
    assert_eq!(event["created"], "2022-02-28T20:41:14Z");
    assert_eq!(event["data"]["messages"], 2);
    assert_eq!(event["data"]["code"], "L10");
    assert_eq!(event["data"]["since"], "2022-02-28T20:40:00+00:00");
    let other = notice.replace("2 messages dropped", "many messages dropped");
    check(frame(&other), &[&format!("2022-02-28T20:41:14Z - {other}")]);
}

#[test]
fn words_of_logfmt_are_found_outside_quotes() {
    for (text, expected) in [
        ("level=info", Some("info")),
        ("a=\"x level=debug\" level=\"warn\"", Some("warn")),
        ("a=\"x \\\" level=debug\" b level=error c", Some("error")),
        ("a=\"unbalanced level=info", None),
        ("level= x", None),
        ("level=", None),
        ("level=\"open", None),
        ("sublevel=info", None),
        ("", None),
    ] {
        assert_eq!(message::word(text, "level"), expected, "{text}");
    }
}

#[test]
fn bad_messages_cost_themselves_only() {
    let mut body = frame(&format!("{HEADER} {EVENT}\n")).into_bytes();
    let at = body.len();
    body.extend_from_slice(b"13 <1>1 a \xff\xfe d\n");
    body.extend_from_slice(frame(&format!("{HEADER} {EVENT}\n")).as_bytes());
    let good = format!("2022-02-28T20:41:10Z - {EVENT}");
    check(&body, &[&good, &format!("!{}..{} not UTF-8: byte 7 of the message", at + 3, at + 14), &good]);
    let limits = Limits { records_max: 10, ..Limits::default() };
    let error = items(frame("<1>1 a").repeat(11).as_bytes(), &limits).unwrap_err();
    assert_eq!(error.code, DecodeError::TOO_LARGE);
}

#[test]
fn answers_make_logplex_drop_nothing_that_can_be_sent_again() {
    let headers: Vec<(String, String)> = Vec::new();
    let head = Head::new("POST", "/v1/drains/logplex", "", &headers);
    assert_eq!(Logplex.reply(&head, &Ok(Receipt::default())), Reply::empty(200));
    for (error, status) in [
        (AuthError::Missing.into(), 401),
        (IngestError::Timeout, 503),
        (IngestError::Busy { retry_after_s: 5 }, 503),
        (IngestError::ShuttingDown, 503),
        (IngestError::TooLarge { limit_bytes: 5 }, 413),
        (IngestError::Internal, 500),
    ] {
        assert_eq!(Logplex.reply(&head, &Err(error)).status, status);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever stands in messages, counted frames give them back.
    #[test]
    fn counted_frames_come_back(texts in prop::collection::vec("[^\\s\u{0}-\u{1f}][\\PC\n]{0,40}", 1..20)) {
        let lines: Vec<String> = texts.iter().map(|text| format!("{HEADER} {text}").trim_ascii_end().to_owned()).collect();
        let body: String = lines.iter().map(|line| frame(&format!("{line}\n"))).collect();
        let found: Vec<&[u8]> = frames::cut(body.as_bytes()).map(|(_, bytes)| bytes).collect();
        prop_assert_eq!(found, lines.iter().map(String::as_bytes).collect::<Vec<_>>());
    }
}
