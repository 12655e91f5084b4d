//! Requests rendered before the clock starts, so that the driver only copies bytes.

use crate::{Failure, options::Options, server::TOKEN};
use lifeline::simulate::{SimEvent, SimOptions, Simulator, write_json};
use std::{collections::BTreeSet, io::Write};

/// The way that events are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Hec,
    Ndjson,
    Loki,
}

impl Form {
    pub fn parse(name: &str) -> Result<Self, Failure> {
        match name {
            "hec" => Ok(Self::Hec),
            "ndjson" => Ok(Self::Ndjson),
            "loki" => Ok(Self::Loki),
            other => Err(format!("{other} is none of hec, ndjson, loki").into()),
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Hec => "HEC",
            Self::Ndjson => "NDJSON",
            Self::Loki => "Loki JSON",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Hec => "/services/collector/event",
            Self::Ndjson => "/v1/events",
            Self::Loki => "/loki/api/v1/push",
        }
    }

    fn body(self, events: &[SimEvent], line: &mut Vec<u8>, out: &mut Vec<u8>) {
        if self == Self::Loki {
            out.extend_from_slice(br#"{"streams":[{"stream":{"application":"fivetran"},"values":["#);
        }
        for (at, event) in events.iter().enumerate() {
            line.clear();
            write_json(event, line);
            match self {
                Self::Hec => {
                    let (seconds, millis) = (event.created_us / 1_000_000, event.created_us / 1_000 % 1_000);
                    let head = format!(
                        r#"{{"time":"{seconds}.{millis:03}","host":"fivetran","source":"fivetran","sourcetype":"_json","event":"#
                    );
                    out.extend_from_slice(head.as_bytes());
                    out.extend_from_slice(line);
                    out.push(b'}');
                }
                Self::Ndjson => {
                    out.extend_from_slice(line);
                    out.push(b'\n');
                }
                Self::Loki => {
                    if at > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(format!("[\"{}000\",", event.created_us).as_bytes());
                    let text = String::from_utf8_lossy(line);
                    serde_json::to_writer(&mut *out, &text).expect("memory takes it");
                    out.push(b']');
                }
            }
        }
        if self == Self::Loki {
            out.extend_from_slice(b"]}]}");
        }
    }
}

/// Requests, heads included, one after another.
pub struct Plan {
    pub form: Form,
    pub batch: usize,
    pub events: usize,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Plan {
    /// Renders events, in order of time, `batch` to a request.
    pub fn render(form: Form, batch: usize, events: impl Iterator<Item = SimEvent>) -> Self {
        let mut plan = Self { form, batch, events: 0, bytes: Vec::new(), ends: Vec::new() };
        let (mut line, mut body) = (Vec::new(), Vec::new());
        let mut events = events.peekable();
        while events.peek().is_some() {
            let chunk: Vec<SimEvent> = events.by_ref().take(batch).collect();
            body.clear();
            form.body(&chunk, &mut line, &mut body);
            write!(
                plan.bytes,
                "POST {} HTTP/1.1\r\nHost: lifeline\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                form.path(),
                body.len()
            )
            .expect("memory takes it");
            plan.bytes.extend_from_slice(&body);
            plan.ends.push(plan.bytes.len());
            plan.events += chunk.len();
        }
        plan
    }

    /// A request by its number.
    pub fn request(&self, number: usize) -> Option<&[u8]> {
        let end = *self.ends.get(number)?;
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.bytes[start..end])
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }
}

/// An endless account.
pub fn account(options: &Options) -> Simulator {
    let (seed, connections) = (options.seed, options.connections);
    Simulator::new(&SimOptions { seed, connections, ..SimOptions::default() })
}

/// The connections that it begins with.
pub fn connections(options: &Options) -> Vec<String> {
    let early = account(options).take(options.connections * 100);
    let ids = early.filter_map(|event| event.connection.map(|connection| connection.id.clone()));
    ids.collect::<BTreeSet<_>>().into_iter().collect()
}
