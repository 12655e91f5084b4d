//! `lifeline audit show`: records on the terminal.

use super::{Filters, Road, road, table::table};
use crate::cli::{
    CliError, DataFlags, Outcome,
    configuration::pretty,
    control::segment,
    error, print,
    terminal::{Screen, When, counted},
};
use clap::Args;
use serde_json::{Value, json};

/// Records of a page at most.
const PAGE: usize = 1_000;

#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    filters: Filters,
    /// So many of the newest that fit.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Colours.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: When,
    #[command(flatten)]
    flags: Box<DataFlags>,
}

pub async fn run(args: &ShowArgs) -> Outcome {
    let (config, _) = args.flags.0.load()?;
    let road = road(&config).await?;
    let found = newest(&road, &args.filters.query(), args.limit as usize).await;
    road.close().await?;
    let (mut records, more) = found?;
    if args.json {
        print(&pretty(&json!({"data": records, "more": more})))?;
    } else if records.is_empty() {
        print("No records.")?;
    } else {
        // The newest next to the prompt.
        records.reverse();
        let mut text = table(&records, &Screen::of_stdout(args.color));
        let shown = counted(records.len() as u64, "record", "records");
        let rest = if more { "; there are more: --limit, --from, --to" } else { "" };
        text.push_str(&format!("{shown}{rest}\n"));
        print(&text)?;
    }
    Ok(error::DONE)
}

/// The newest records that fit, the newest first, and whether there are more.
async fn newest(road: &Road, filters: &str, limit: usize) -> Result<(Vec<Value>, bool), CliError> {
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let left = (limit - found.len()).min(PAGE);
        let at = cursor.as_deref().map(|cursor| format!("&cursor={}", segment(cursor))).unwrap_or_default();
        let mut page = road.records(&format!("{filters}&limit={left}{at}")).await?;
        if let Value::Array(records) = page["data"].take() {
            found.extend(records);
        }
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() || found.len() >= limit {
            return Ok((found, cursor.is_some()));
        }
    }
}
