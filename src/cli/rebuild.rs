//! `lifeline rebuild`: every life anew from its events.

use super::{
    CliError, DataFlags, Outcome,
    access::Access,
    configuration::pretty,
    control::Control,
    error, lives, print,
    progress::Progress,
    runtime,
    terminal::{counted, span},
    wiring,
};
use clap::Args;
use hyper::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How often a server is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(250);

#[derive(Debug, Args)]
pub struct RebuildArgs {
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: Box<DataFlags>,
}

pub(super) fn run(args: &RebuildArgs) -> Outcome {
    let (config, _) = args.flags.0.load()?;
    let started = Instant::now();
    let rebuilt = runtime()?.block_on(async {
        let access = lives::open(&config).await?;
        let rebuilt = match &access {
            Access::Server(control) => by_server(control, args.json).await,
            Access::Store(opened) => by_store(opened, args.json).await,
        };
        access.close().await?;
        rebuilt
    })?;
    let took = started.elapsed();
    print(&if args.json {
        pretty(&json!({"connections": rebuilt, "duration_ms": took.as_millis() as u64}))
    } else {
        let took = span(i64::try_from(took.as_micros()).unwrap_or(i64::MAX));
        format!("rebuilt {} in {took}", counted(rebuilt, "connection", "connections"))
    })?;
    Ok(error::DONE)
}

/// A bar that is as long as there is work.
struct Left {
    progress: Option<Progress>,
    total: u64,
    quiet: bool,
}

impl Left {
    const fn new(quiet: bool) -> Self {
        Self { progress: None, total: 0, quiet }
    }

    fn set(&mut self, left: u64) {
        if left > self.total {
            self.total = left;
            if let Some(shorter) = self.progress.take() {
                shorter.finish();
            }
        }
        let (total, quiet) = (self.total, self.quiet);
        let progress = self
            .progress
            .get_or_insert_with(|| Progress::counting("rebuild", total, "connections", "connections", quiet));
        progress.set(total - left, total - left);
    }

    fn finish(self) {
        if let Some(progress) = self.progress {
            progress.finish();
        }
    }
}

async fn by_store(opened: &wiring::Opened, quiet: bool) -> Result<u64, CliError> {
    opened.store.lives().rebuild().await?;
    wiring::note(opened, "start_rebuild", "REBUILD", ("PROJECTIONS", "lives".to_owned()), Vec::new()).await?;
    let mut left = Left::new(quiet);
    loop {
        left.set(opened.store.stats().unfolded);
        if opened.store.lives().settle(None).await? == 0 {
            break;
        }
    }
    left.finish();
    Ok(opened.store.stats().connections)
}

async fn by_server(control: &Control, quiet: bool) -> Result<u64, CliError> {
    let mut answer = control.json(Method::POST, "/v1/rebuild", &Value::Null).await?;
    let mut left = Left::new(quiet);
    while answer["status"] == "running" {
        left.set(answer["waiting"].as_u64().unwrap_or(0));
        tokio::time::sleep(ASK_EVERY).await;
        answer = control.json(Method::GET, "/v1/rebuild", &Value::Null).await?;
    }
    left.finish();
    Ok(answer["connections"].as_u64().unwrap_or(0))
}
