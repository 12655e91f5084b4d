//! Bodies of OTLP exporters, in both encodings: events as texts, as relays hand them on, and as keys and values, as collectors do that
//! have parsed them.

use super::{
    Line,
    logs::{list, quoted},
};
use lifeline::model::Level;
use serde_json::{Value, json};
use std::io::{self, Write};

pub fn json_texts(lines: &[Line], out: &mut Vec<u8>) -> io::Result<()> {
    written(lines, out, |line| format!(r#"{{"stringValue":{}}}"#, quoted(&line.text)))
}

pub fn json_pairs(lines: &[Line], out: &mut Vec<u8>) -> io::Result<()> {
    written(lines, out, |line| spelled(&parsed(line)).to_string())
}

pub fn packed_texts(lines: &[Line], out: &mut Vec<u8>) -> io::Result<()> {
    packed_request(lines, out, |line| field(1, line.text.as_bytes()))
}

pub fn packed_pairs(lines: &[Line], out: &mut Vec<u8>) -> io::Result<()> {
    packed_request(lines, out, |line| packed(&parsed(line)))
}

fn parsed(line: &Line) -> Value {
    serde_json::from_str(&line.text).expect("an event is JSON")
}

/// Source: `logs.proto`, `SeverityNumber`.
fn severity(level: Level) -> u8 {
    match level {
        Level::Fine => 5,
        Level::Info => 9,
        Level::Warning => 13,
        Level::Severe => 17,
    }
}

fn written(lines: &[Line], out: &mut Vec<u8>, body: impl Fn(&Line) -> String) -> io::Result<()> {
    out.extend_from_slice(
        br#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"fivetran"}}]},"scopeLogs":[{"scope":{"name":"fivetran"},"logRecords":["#,
    );
    list(lines, out, |line, out| {
        let (time, level) = (line.event.created_us, line.event.level);
        write!(
            out,
            r#"{{"timeUnixNano":"{time}000","observedTimeUnixNano":"{time}000","severityNumber":{},"severityText":"{}","body":{}}}"#,
            severity(level),
            level.as_str(),
            body(line)
        )
    })?;
    out.write_all(b"]}]}]}")
}

/// A value in OTLP's JSON.
fn spelled(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(value) => json!({"boolValue": value}),
        Value::Number(number) if number.is_i64() => json!({"intValue": number.to_string()}),
        Value::Number(number) => json!({"doubleValue": number}),
        Value::String(text) => json!({"stringValue": text}),
        Value::Array(list) => json!({"arrayValue": {"values": Value::from_iter(list.iter().map(spelled))}}),
        Value::Object(members) => {
            let pairs = members.iter().map(|(key, value)| json!({"key": key, "value": spelled(value)}));
            json!({"kvlistValue": {"values": Value::from_iter(pairs)}})
        }
    }
}

fn packed_request(lines: &[Line], out: &mut Vec<u8>, body: impl Fn(&Line) -> Vec<u8>) -> io::Result<()> {
    let service = [field(1, b"service.name"), field(2, &field(1, b"fivetran"))].concat();
    let mut logs = field(1, &field(1, b"fivetran"));
    for line in lines {
        let level = line.event.level;
        let time = (line.event.created_us.unsigned_abs() * 1_000).to_le_bytes();
        let mut log = [&[1 << 3 | 1][..], &time, &[2 << 3, severity(level)]].concat();
        log.extend(field(3, level.as_str().as_bytes()));
        log.extend(field(5, &body(line)));
        log.extend([&[11 << 3 | 1][..], &time].concat());
        logs.extend(field(2, &log));
    }
    out.write_all(&field(1, &[field(1, &field(1, &service)), field(2, &logs)].concat()))
}

/// A length-delimited field of protobuf.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    prost::encoding::encode_varint(bytes.len() as u64, &mut out);
    out.extend_from_slice(bytes);
    out
}

/// A value as an `AnyValue`.
fn packed(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => Vec::new(),
        Value::Bool(value) => vec![2 << 3, u8::from(*value)],
        Value::Number(number) => match number.as_i64() {
            Some(number) => {
                let mut out = vec![3 << 3];
                prost::encoding::encode_varint(number.cast_unsigned(), &mut out);
                out
            }
            None => {
                let double = number.as_f64().expect("a number");
                [&[4 << 3 | 1][..], &double.to_le_bytes()].concat()
            }
        },
        Value::String(text) => field(1, text.as_bytes()),
        Value::Array(list) => field(5, &list.iter().flat_map(|value| field(1, &packed(value))).collect::<Vec<_>>()),
        Value::Object(members) => {
            let pair = |(key, value): (&String, &Value)| {
                field(1, &[field(1, key.as_bytes()), field(2, &packed(value))].concat())
            };
            field(6, &members.iter().flat_map(pair).collect::<Vec<_>>())
        }
    }
}
