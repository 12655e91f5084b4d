//! `lifeline audit key`, `rotate`, `checkpoint`: what signatures are made and checked with.

use super::{Road, filters::LogName, road};
use crate::{
    audit::Log,
    cli::{CliError, DataFlags, Outcome, configuration::pretty, error, print},
};
use clap::Args;
use serde_json::{Value, json};

#[derive(Debug, Args)]
pub struct KeyArgs {
    /// With every key that ever signed, as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: Box<DataFlags>,
}

#[derive(Debug, Args)]
pub struct RotateArgs {
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: Box<DataFlags>,
}

#[derive(Debug, Args)]
pub struct CheckpointArgs {
    /// Of this log.
    #[arg(long, value_enum, default_value_t)]
    log: LogName,
    /// As JSON, with the note in it.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: Box<DataFlags>,
}

pub async fn key(args: &KeyArgs) -> Outcome {
    let (config, _) = args.flags.0.load()?;
    let road = road(&config).await?;
    let keys = keys(&road).await;
    road.close().await?;
    tell(&keys?, args.json)
}

pub async fn rotate(args: &RotateArgs) -> Outcome {
    let (config, _) = args.flags.0.load()?;
    let road = road(&config).await?;
    let rotated = async {
        road.rotate().await?;
        keys(&road).await
    };
    let keys = rotated.await;
    road.close().await?;
    tell(&keys?, args.json)
}

async fn keys(road: &Road) -> Result<Vec<Value>, CliError> {
    Ok(vec![road.key(Log::Trail).await?, road.key(Log::Access).await?])
}

/// The keys themselves on standard output, what a person compares beside them.
fn tell(keys: &[Value], as_json: bool) -> Outcome {
    if as_json {
        print(&pretty(&json!({"data": keys})))?;
        return Ok(error::DONE);
    }
    let text = |key: &Value, member: &str| key[member].as_str().unwrap_or_default().to_owned();
    for key in keys {
        eprintln!("{:6} fingerprint {}", text(key, "log"), text(key, "fingerprint"));
    }
    print(&keys.iter().map(|key| format!("{}\n", text(key, "public_key"))).collect::<String>())
}

pub async fn checkpoint(args: &CheckpointArgs) -> Outcome {
    let (config, _) = args.flags.0.load()?;
    let road = road(&config).await?;
    let log = args.log.log();
    let checkpoint = road.checkpoint(log).await;
    road.close().await?;
    let checkpoint = checkpoint?;
    print(&if args.json { pretty(&checkpoint) } else { checkpoint["note"].as_str().unwrap_or_default().to_owned() })
}
