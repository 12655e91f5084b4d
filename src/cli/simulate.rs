//! `lifeline simulate`: made-up accounts to standard output or to a URL.

use super::{
    CliError, Outcome, error,
    send::{self, Target},
};
use crate::{
    model::{DAY_US, Source},
    simulate::{Deliveries, NeighbourLine, NeighbourLog, SimOptions, Simulator, Spelling, write_json, write_time},
};
use clap::{Args, ValueEnum};
use std::{
    io::{self, Write},
    path::PathBuf,
};

/// Events when neither a number nor a span of time is given.
const EVENTS_DEFAULT: u64 = 10_000;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Names {
    /// connection_* and connector_*, as documented today.
    Current,
    /// connector_* only.
    Old,
    /// connection_* only.
    New,
}

/// How events are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Wire {
    /// Splunk HTTP event collector.
    Hec,
    /// Fivetran's webhook, one event in each request.
    Webhook,
    /// Grafana Loki push, JSON.
    Loki,
    /// NDJSON.
    Native,
    /// Heroku's log drain; for --source heroku_connect only.
    #[value(skip)]
    Logplex,
}

/// Whose log it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum System {
    /// Fivetran.
    Fivetran,
    /// Heroku Connect: lines of its drain.
    HerokuConnect,
    /// Salesforce Backup: reports of jobs.
    SalesforceBackup,
    /// Code42: status changes of data connections.
    Code42,
}

impl System {
    const fn source(self) -> Source {
        match self {
            Self::Fivetran => Source::Fivetran,
            Self::HerokuConnect => Source::HerokuConnect,
            Self::SalesforceBackup => Source::SalesforceBackup,
            Self::Code42 => Source::Code42,
        }
    }
}

#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Whose log: Fivetran's, or one of its neighbours'. A drain's lines go to /v1/drains/logplex, reports to /v1/events, whatever
    /// --protocol says.
    #[arg(long, value_enum, default_value = "fivetran")]
    source: System,
    /// How many events [default: 10000 when no span of time is given].
    #[arg(long, value_name = "N")]
    events: Option<u64>,
    /// How many days of log.
    #[arg(long, value_name = "DAYS", conflicts_with = "end")]
    days: Option<u32>,
    /// When the log begins.
    #[arg(long, value_name = "TIME", default_value = "2026-01-01T00:00:00Z", value_parser = moment)]
    start: i64,
    /// When it ends.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    end: Option<i64>,
    /// How many connections live at a time.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    connections: u32,
    /// The same seed gives the same account.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Which names of the connection's members are written.
    #[arg(long, value_enum, default_value = "current")]
    spelling: Names,
    /// Share of events that come late, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    late: f64,
    /// Share of events that come twice, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    duplicates: f64,
    /// Send to this server instead of standard output.
    #[arg(long, value_name = "URL", help_heading = "Sending")]
    to: Option<String>,
    /// How to deliver; webhook sends every event, not only those that Fivetran offers for webhooks.
    #[arg(long, value_enum, default_value = "hec", requires = "to", help_heading = "Sending")]
    protocol: Wire,
    /// A token that may deliver events.
    #[arg(long, env = "LIFELINE_SIMULATE_TOKEN", hide_env_values = true, help_heading = "Sending")]
    token: Option<String>,
    /// The secret that signs webhooks.
    #[arg(long, env = "LIFELINE_SIMULATE_SECRET", hide_env_values = true, help_heading = "Sending")]
    secret: Option<String>,
    /// Events a second, all senders together [default: as fast as they are taken].
    #[arg(long, value_name = "N", requires = "to", help_heading = "Sending", value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// Events in a request.
    #[arg(long, value_name = "N", default_value_t = 100, requires = "to", help_heading = "Sending", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    batch: u32,
    /// Senders at a time.
    #[arg(long, value_name = "N", default_value_t = 4, requires = "to", help_heading = "Sending", value_parser = clap::value_parser!(u16).range(1..=256))]
    senders: u16,
    /// PEM file with the certificate authority of the server.
    #[arg(long, value_name = "FILE", requires = "to", help_heading = "Sending")]
    ca: Option<PathBuf>,
    /// Do not check the server's certificate.
    #[arg(long, requires = "to", help_heading = "Sending")]
    insecure: bool,
    /// The summary of sending as JSON.
    #[arg(long, requires = "to", help_heading = "Sending")]
    json: bool,
}

fn moment(text: &str) -> Result<i64, String> {
    let text = if text.len() == "2026-01-01".len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
    crate::model::Timestamp::parse_calendar(&text).map(|at| at.micros()).map_err(|error| error.to_string())
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "expected a number from 0 to 1".into())
}

pub(super) fn run(args: &SimulateArgs) -> Outcome {
    let end_us = args.end.or_else(|| args.days.map(|days| args.start + i64::from(days) * DAY_US));
    let events_max = args.events.or_else(|| end_us.is_none().then_some(EVENTS_DEFAULT));
    let spelling = match args.spelling {
        Names::Current => Spelling::Current,
        Names::Old => Spelling::Old,
        Names::New => Spelling::New,
    };
    let options = SimOptions {
        seed: args.seed,
        connections: args.connections as usize,
        start_us: args.start,
        end_us,
        events_max,
        spelling,
    };
    if args.source != System::Fivetran {
        return neighbours(args, NeighbourLog::new(args.source.source(), &options));
    }
    let events = Simulator::new(&options);
    if args.late == 0.0 && args.duplicates == 0.0 {
        deliver(args, events)
    } else {
        deliver(args, Deliveries::new(events, args.seed, args.late, args.duplicates))
    }
}

fn deliver(args: &SimulateArgs, events: impl Iterator<Item = crate::simulate::SimEvent>) -> Outcome {
    match &args.to {
        None => to_stdout(events),
        Some(url) => send::run(&target(args, url, args.protocol), events),
    }
}

fn target(args: &SimulateArgs, url: &str, wire: Wire) -> Target {
    Target {
        url: url.trim_end_matches('/').to_owned(),
        wire,
        token: args.token.clone(),
        secret: args.secret.clone(),
        batch: if wire == Wire::Webhook { 1 } else { args.batch as usize },
        senders: args.senders.into(),
        rate: args.rate,
        ca: args.ca.clone(),
        insecure: args.insecure,
        json: args.json,
    }
}

/// Lines of a neighbour: as they are printed, or as their transport carries them.
fn neighbours(args: &SimulateArgs, lines: impl Iterator<Item = NeighbourLine>) -> Outcome {
    let is_drain = args.source == System::HerokuConnect;
    let Some(url) = &args.to else {
        let mut out = io::BufWriter::new(io::stdout().lock());
        for line in lines {
            if is_drain {
                out.write_all(&printed(&line))?;
            }
            out.write_all(line.text.as_bytes())?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
        return Ok(error::DONE);
    };
    let wire = if is_drain { Wire::Logplex } else { Wire::Native };
    send::run_lines(&target(args, url, wire), lines)
}

/// What `heroku logs` prints in front of a line.
fn printed(line: &NeighbourLine) -> Vec<u8> {
    let mut front = Vec::with_capacity(64);
    write_time(line.at_us, 6, &mut front);
    front.pop();
    front.extend_from_slice(b"+00:00 app[herokuconnect]: ");
    front
}

fn to_stdout(events: impl Iterator<Item = crate::simulate::SimEvent>) -> Result<u8, CliError> {
    // Straight to the file descriptor in large pieces: the locked standard output would look for newlines in each.
    let mut out = io::stdout().lock();
    let mut buffer = Vec::with_capacity(300 << 10);
    for event in events {
        write_json(&event, &mut buffer);
        buffer.push(b'\n');
        if buffer.len() >= 256 << 10 {
            out.write_all(&buffer)?;
            buffer.clear();
        }
    }
    out.write_all(&buffer)?;
    out.flush()?;
    Ok(error::DONE)
}
