//! Bodies of OTLP exporters, in both encodings: events as texts, as relays hand them on, and as keys and values, as collectors do that
//! have parsed them.

#[path = "../../../tests/it/otlp_values.rs"]
mod otlp_values;

use super::{
    Line,
    logs::{list, quoted},
};
use lifeline::model::Level;
use otlp_values::{field, packed, spelled};
use serde_json::Value;
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
