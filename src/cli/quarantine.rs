//! `lifeline quarantine`: what could not be read as an event, why, and another try.

use super::{
    CliError, DataFlags, Outcome, access::Access, configuration::pretty, error, millis, now_us, print, runtime, wiring,
};
use crate::model::QuarantinedItem;
use base64::Engine as _;
use clap::Subcommand;
use hyper::Method;
use serde_json::{Value, json};

/// How much of an item a list shows, in characters.
const PREVIEW_CHARS: usize = 60;

#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    /// The newest items.
    #[command(after_help = "Example: lifeline quarantine list --limit 20")]
    List {
        /// At most so many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// Also those that a replay has turned into events.
        #[arg(long)]
        all: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Box<DataFlags>,
    },
    /// One item with its bytes (secrets are masked).
    #[command(after_help = "Example: lifeline quarantine show 17 --json")]
    Show {
        /// Its number.
        id: i64,
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Box<DataFlags>,
    },
    /// Try again, after a change of schema or program.
    #[command(after_help = "Examples:\n  lifeline quarantine replay 17 18\n  lifeline quarantine replay --waiting\n\n\
        Exit code 1 when an item, or a part of one, still cannot be read.")]
    Replay {
        /// The numbers.
        #[arg(required_unless_present = "waiting")]
        ids: Vec<i64>,
        /// All that wait.
        #[arg(long, conflicts_with = "ids")]
        waiting: bool,
        #[command(flatten)]
        flags: Box<DataFlags>,
    },
}

pub(super) fn run(command: &QuarantineCommand) -> Outcome {
    let flags = match command {
        QuarantineCommand::List { flags, .. }
        | QuarantineCommand::Show { flags, .. }
        | QuarantineCommand::Replay { flags, .. } => flags,
    };
    let (config, _) = flags.0.load()?;
    runtime()?.block_on(async {
        let access = Access::open(&config).await?;
        let outcome = match command {
            QuarantineCommand::List { limit, all, json, .. } => list(&access, *limit, *all, *json).await,
            QuarantineCommand::Show { id, json, .. } => show(&access, *id, *json).await,
            QuarantineCommand::Replay { ids, waiting, .. } => replay(&access, ids, *waiting).await,
        };
        access.close().await?;
        outcome
    })
}

/// The shape that the server answers with, too.
fn item_json(item: &QuarantinedItem) -> Value {
    let (encoding, bytes) = match std::str::from_utf8(&item.bytes) {
        Ok(text) => ("utf-8", text.to_owned()),
        Err(_) => ("base64", base64::engine::general_purpose::STANDARD.encode(&item.bytes)),
    };
    json!({"id": item.id.to_string(), "reason": item.reason, "protocol": item.protocol, "token": item.token,
           "received": millis(item.received_us), "deliveries": item.deliveries, "replayed": item.replayed_us.map(millis),
           "size_bytes": item.bytes.len(), "encoding": encoding, "bytes": bytes, "truncated": false})
}

async fn items(access: &Access, limit: u16, all: bool) -> Result<Vec<Value>, CliError> {
    match access {
        Access::Server(control) => {
            let path = format!("/v1/quarantine?limit={limit}{}", if all { "&all=true" } else { "" });
            let mut answer = control.json(Method::GET, &path, &Value::Null).await?;
            match answer["data"].take() {
                Value::Array(items) => Ok(items),
                _ => Err(CliError::Control("no list in its answer".into())),
            }
        }
        Access::Store(opened) => Ok(opened.store.quarantine(None, limit.into(), all)?.iter().map(item_json).collect()),
    }
}

async fn list(access: &Access, limit: u16, all: bool, as_json: bool) -> Outcome {
    let items = items(access, limit, all).await?;
    if as_json {
        return print(&pretty(&json!({"data": items})));
    }
    if items.is_empty() {
        return print("Nothing waits in quarantine.");
    }
    let mut out = String::new();
    for item in &items {
        let text = |key: &str| item[key].as_str().unwrap_or("-");
        let preview: String =
            text("bytes").chars().take(PREVIEW_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let replayed = if item["replayed"].is_null() { "" } else { "  (replayed)" };
        out.push_str(&format!(
            "{:>6}  {}  {:16} {:12} {}{replayed}\n        {preview}\n",
            text("id"),
            text("received"),
            text("protocol"),
            text("token"),
            text("reason"),
        ));
    }
    print(&out)
}

async fn show(access: &Access, id: i64, as_json: bool) -> Outcome {
    let item = match access {
        Access::Server(control) => control.json(Method::GET, &format!("/v1/quarantine/{id}"), &Value::Null).await?,
        Access::Store(opened) => match opened.store.quarantined(id)? {
            Some(item) => item_json(&item),
            None => return Err(CliError::Other(format!("there is no item {id} in quarantine"))),
        },
    };
    if as_json {
        return print(&pretty(&item));
    }
    let text = |key: &str| item[key].as_str().unwrap_or("-").to_owned();
    print(&format!(
        "id          {}\nreason      {}\nprotocol    {}\ntoken       {}\nreceived    {}\ndeliveries  {}\nreplayed    {}\nbytes       {} ({})\n\n{}",
        text("id"),
        text("reason"),
        text("protocol"),
        text("token"),
        text("received"),
        item["deliveries"],
        text("replayed"),
        item["size_bytes"],
        text("encoding"),
        text("bytes"),
    ))
}

async fn replay(access: &Access, ids: &[i64], waiting: bool) -> Outcome {
    let mut ids = ids.to_vec();
    if waiting {
        let waiting = items(access, 1000, false).await?;
        ids = waiting.iter().filter_map(|item| item["id"].as_str()?.parse().ok()).collect();
    }
    let mut code = error::DONE;
    for id in ids {
        let tried = match access {
            Access::Server(control) => {
                let answer = control.json(Method::POST, &format!("/v1/quarantine/{id}/replay"), &Value::Null).await;
                answer.map(|answer| {
                    let count = |key: &str| answer[key].as_u64().unwrap_or(0);
                    (count("accepted"), count("duplicates"), count("quarantined"))
                })
            }
            Access::Store(opened) => wiring::replay(opened, id, now_us())
                .await
                .map(|receipt| (receipt.accepted as u64, receipt.duplicates as u64, receipt.quarantined as u64)),
        };
        match tried {
            Ok((accepted, duplicates, 0)) => {
                print(&format!("{id}: {accepted} accepted, {duplicates} known already"))?;
            }
            Ok((accepted, duplicates, left)) => {
                print(&format!("{id}: {accepted} accepted, {duplicates} known already"))?;
                eprintln!("{id}: {left} of its parts still cannot be read and wait as items of their own");
                code = error::FOUND;
            }
            Err(why @ (CliError::Refused { .. } | CliError::Other(_))) => {
                eprintln!("{id}: {why}");
                code = error::FOUND;
            }
            Err(other) => return Err(other),
        }
    }
    Ok(code)
}
