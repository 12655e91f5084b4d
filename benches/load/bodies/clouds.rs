//! Bodies of the clouds' services, and Fivetran's webhooks.

use super::{
    Line,
    logs::{list, quoted, time},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use lifeline::simulate::write_webhook;
use std::io::{self, Write};

/// Log events in a document of a subscription.
const DOCUMENT_EVENTS: usize = 100;

pub fn azure(lines: &[Line], out: &mut Vec<u8>) -> io::Result<()> {
    out.push(b'[');
    list(lines, out, |line, out| out.write_all(line.text.as_bytes()))?;
    out.write_all(b"]")
}

/// Azure's SDKs always pack.
pub fn azure_packed(lines: &[Line], out: &mut Vec<u8>) -> io::Result<()> {
    let mut plain = Vec::new();
    azure(lines, &mut plain)?;
    gzip(&plain, out)
}

pub fn cloudwatch(lines: &[Line], out: &mut Vec<u8>) -> io::Result<()> {
    out.extend_from_slice(br#"{"logGroupName":"/fivetran/logs","logStreamName":"fivetran","logEvents":["#);
    list(lines, out, |line, out| {
        write!(out, r#"{{"timestamp":{},"message":{}}}"#, line.event.created_us / 1_000, quoted(&line.text))
    })?;
    out.write_all(b"]}")
}

/// Records of a CloudWatch subscription: gzip in base64, unless the stream is told to unpack.
pub fn subscription(lines: &[Line], out: &mut Vec<u8>) -> io::Result<()> {
    out.extend_from_slice(
        br#"{"requestId":"ed4acda5-034f-9f42-bba1-f29aea6d7d8f","timestamp":1795180330000,"records":["#,
    );
    for (at, lines) in lines.chunks(DOCUMENT_EVENTS).enumerate() {
        let mut document = Vec::new();
        write!(
            document,
            r#"{{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/fivetran/logs","logStream":"fivetran","subscriptionFilters":["lifeline"],"logEvents":["#
        )?;
        list(lines, &mut document, |line, out| {
            let millis = line.event.created_us / 1_000;
            let (id, message) = (line.event.created_us, quoted(&line.text));
            write!(out, r#"{{"id":"{id:056}","timestamp":{millis},"message":{message}}}"#)
        })?;
        document.extend_from_slice(b"]}");
        let mut packed = Vec::new();
        gzip(&document, &mut packed)?;
        let comma = if at > 0 { "," } else { "" };
        write!(out, r#"{comma}{{"data":"{}"}}"#, STANDARD.encode(packed))?;
    }
    out.write_all(b"]}")
}

pub fn entries(lines: &[Line], out: &mut Vec<u8>) -> io::Result<()> {
    out.extend_from_slice(br#"{"logName":"projects/p/logs/fivetran","resource":{"type":"global"},"entries":["#);
    list(lines, out, entry)?;
    out.write_all(br#"],"partialSuccess":true}"#)
}

/// One log entry of the Log Router: Pub/Sub pushes each message by itself.
pub fn push(lines: &[Line], out: &mut Vec<u8>) -> io::Result<()> {
    for line in lines {
        let mut data = Vec::new();
        entry(line, &mut data)?;
        let (data, time) = (STANDARD.encode(data), time(line));
        write!(
            out,
            r#"{{"message":{{"data":"{data}","attributes":{{"logging.googleapis.com/timestamp":"{time}"}},"messageId":"{}","publishTime":"{time}"}},"subscription":"projects/p/subscriptions/fivetran-push"}}"#,
            line.event.created_us
        )?;
    }
    Ok(())
}

pub fn webhook(lines: &[Line], out: &mut Vec<u8>) -> io::Result<()> {
    lines.iter().for_each(|line| write_webhook(&line.event, out));
    Ok(())
}

/// A log entry of Google Cloud Logging.
fn entry(line: &Line, out: &mut Vec<u8>) -> io::Result<()> {
    let severity = match line.event.level.as_str() {
        "FINE" => "DEBUG",
        "SEVERE" => "ERROR",
        other => other,
    };
    write!(
        out,
        r#"{{"logName":"projects/p/logs/fivetran","insertId":"{:x}","timestamp":"{}","severity":"{severity}","labels":{{"levelName":"{}"}},"jsonPayload":{}}}"#,
        line.event.created_us,
        time(line),
        line.event.level.as_str(),
        line.text
    )
}

fn gzip(plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let mut packer = GzEncoder::new(out, Compression::default());
    packer.write_all(plain)?;
    packer.finish()?;
    Ok(())
}
