//! Bodies of log services: an event's text in a member, a line or a frame.

use super::Line;
use lifeline::simulate::write_time;
use std::io::{self, Write};

pub fn lines(lines: &[Line], out: &mut Vec<u8>) -> io::Result<()> {
    lines.iter().try_for_each(|line| writeln!(out, "{}", line.text))
}

pub fn hec(lines: &[Line], out: &mut Vec<u8>) -> io::Result<()> {
    for line in lines {
        let (seconds, millis) = (line.event.created_us / 1_000_000, line.event.created_us / 1_000 % 1_000);
        write!(
            out,
            r#"{{"time":"{seconds}.{millis:03}","host":"fivetran","source":"fivetran","sourcetype":"_json","event":{}}}"#,
            line.text
        )?;
    }
    Ok(())
}

pub fn loki(lines: &[Line], out: &mut Vec<u8>) -> io::Result<()> {
    out.extend_from_slice(br#"{"streams":[{"stream":{"application":"fivetran"},"values":["#);
    list(lines, out, |line, out| write!(out, "[\"{}000\",{}]", line.event.created_us, quoted(&line.text)))?;
    out.write_all(b"]}]}")
}

pub fn datadog(lines: &[Line], out: &mut Vec<u8>) -> io::Result<()> {
    out.push(b'[');
    list(lines, out, |line, out| {
        write!(
            out,
            r#"{{"ddsource":"fivetran","ddtags":"env:prod","service":"fivetran","status":"{}","message":{}}}"#,
            line.event.level.as_str(),
            quoted(&line.text)
        )
    })?;
    out.write_all(b"]")
}

pub fn new_relic(lines: &[Line], out: &mut Vec<u8>) -> io::Result<()> {
    out.extend_from_slice(br#"[{"common":{"attributes":{"service":"fivetran"}},"logs":["#);
    list(lines, out, |line, out| {
        let (millis, level) = (line.event.created_us / 1_000, line.event.level.as_str());
        write!(out, r#"{{"timestamp":{millis},"level":"{level}","message":{}}}"#, quoted(&line.text))
    })?;
    out.write_all(b"]}]")
}

pub fn dynatrace(lines: &[Line], out: &mut Vec<u8>) -> io::Result<()> {
    out.push(b'[');
    list(lines, out, |line, out| {
        let (time, level) = (time(line), line.event.level.as_str());
        write!(
            out,
            r#"{{"logger":"Fivetran","timestamp":"{time}","loglevel":"{level}","content":{}}}"#,
            quoted(&line.text)
        )
    })?;
    out.write_all(b"]")
}

pub fn logplex(lines: &[Line], out: &mut Vec<u8>) -> io::Result<()> {
    for line in lines {
        let message = format!("<190>1 {} host app web.1 - {}\n", time(line), line.text);
        write!(out, "{} {message}", message.len())?;
    }
    Ok(())
}

/// Elements with commas between them.
pub fn list(
    lines: &[Line],
    out: &mut Vec<u8>,
    element: impl Fn(&Line, &mut Vec<u8>) -> io::Result<()>,
) -> io::Result<()> {
    for (at, line) in lines.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        element(line, out)?;
    }
    Ok(())
}

/// A text as JSON.
pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
}

/// When an event was, by RFC 3339.
pub fn time(line: &Line) -> String {
    let mut out = Vec::new();
    write_time(line.event.created_us, 6, &mut out);
    String::from_utf8(out).expect("a time is text")
}
