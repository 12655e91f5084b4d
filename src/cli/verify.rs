//! `lifeline verify`: the whole store against its trees: whether anything was altered.

use super::{
    CliError, DataFlags, Outcome,
    access::Access,
    configuration::pretty,
    control::Control,
    error, print,
    progress::Progress,
    runtime,
    terminal::{counted, inert},
    wiring,
};
use clap::Args;
use hyper::Method;
use serde_json::{Value, json};
use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

/// Largest files of checkpoints that are read in all, in bytes.
const CHECKPOINTS_BYTES_MAX: usize = 3 << 20;

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A checkpoint that was kept elsewhere: a note, several, or a log of checkpoints. May be given more than once.
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: Box<DataFlags>,
}

/// What comes while the store is looked at.
struct Seen {
    progress: Progress,
    findings: Vec<Value>,
    verified: Option<Value>,
    failed: Option<String>,
    quiet: bool,
}

impl Seen {
    fn take(&mut self, mut line: Value) {
        if let (Some(done), Some(of)) = (line["done"].as_u64(), line["of"].as_u64()) {
            if self.progress.total() != of {
                let new = Progress::counting("verify", of, "records and events", "records and events", self.quiet);
                std::mem::replace(&mut self.progress, new).finish();
            }
            self.progress.set(done, done);
        } else if line["finding"].is_string() {
            self.findings.push(line);
        } else if line["verified"].is_object() {
            self.verified = Some(line["verified"].take());
        } else if let Some(error) = line["error"].as_str() {
            self.failed = Some(error.to_owned());
        }
    }
}

pub(super) fn run(args: &VerifyArgs) -> Outcome {
    let (config, _) = args.flags.0.load()?;
    let mut checkpoints = String::new();
    for path in &args.checkpoint {
        checkpoints.push_str(&read(path)?);
    }
    if checkpoints.len() > CHECKPOINTS_BYTES_MAX {
        return Err(CliError::Usage(format!("more than {CHECKPOINTS_BYTES_MAX} bytes of checkpoints")));
    }
    let progress = Progress::counting("verify", 0, "records and events", "records and events", args.json);
    let mut seen = Seen { progress, findings: Vec::new(), verified: None, failed: None, quiet: args.json };
    let looked = runtime()?.block_on(async {
        let access = Access::open(&config).await?;
        let looked = match &access {
            Access::Server(control) => by_server(control, checkpoints, &mut seen).await,
            Access::Store(opened) => wiring::look(&config, opened, &checkpoints, &mut |line| {
                seen.take(line);
                ControlFlow::Continue(())
            }),
        };
        access.close().await?;
        looked
    });
    let Seen { progress, findings, verified, failed, .. } = seen;
    progress.finish();
    looked?;
    if let Some(error) = failed {
        return Err(CliError::Other(error));
    }
    let verified = verified.ok_or_else(|| CliError::Control("it stopped before the end".into()))?;
    let whole = verified["whole"] == true;
    let found = verified["findings"].as_u64().unwrap_or(0);
    if args.json {
        print(&pretty(&json!({"ok": found == 0 && whole, "verified": verified, "findings": findings})))?;
    } else {
        for finding in &findings {
            eprintln!("✗ {}", inert(finding["finding"].as_str().unwrap_or_default()));
        }
        let number = |name: &str| verified[name].as_u64().unwrap_or(0);
        let looked = [
            counted(number("trail"), "record of the trail", "records of the trail"),
            counted(number("access"), "record of the access log", "records of the access log"),
            counted(number("checkpoints"), "checkpoint", "checkpoints"),
            counted(number("outside"), "checkpoint from elsewhere", "checkpoints from elsewhere"),
            counted(number("events"), "event", "events"),
        ];
        let verdict = match (found, whole) {
            (0, true) => "nothing was altered".to_owned(),
            (0, false) => "not all of it could be looked at".to_owned(),
            _ => format!("{} that do not fit", counted(found, "place", "places")),
        };
        print(&format!("{}: {verdict}", looked.join(", ")))?;
    }
    Ok(if found == 0 && whole { error::DONE } else { error::FOUND })
}

fn read(path: &Path) -> Result<String, CliError> {
    let mut text = fs::read_to_string(path).map_err(CliError::file("read", path))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

async fn by_server(control: &Control, checkpoints: String, seen: &mut Seen) -> Result<(), CliError> {
    let mut answer = control.stream(Method::POST, "/control/verify", checkpoints.into()).await?;
    let mut half = Vec::new();
    while let Some(bytes) = answer.next().await? {
        half.extend_from_slice(&bytes);
        while let Some(end) = half.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = half.drain(..=end).collect();
            let line = serde_json::from_slice(&line)
                .map_err(|error| CliError::Control(format!("its answer is no line of JSON: {error}")))?;
            seen.take(line);
        }
    }
    Ok(())
}
