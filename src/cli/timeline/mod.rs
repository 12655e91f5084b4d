//! `lifeline timeline ID`: one connection's life.

mod header;
mod render;
#[cfg(test)]
mod tests;
mod words;

use super::{
    CliError, DataFlags, Outcome,
    access::Access,
    configuration::pretty,
    error,
    lives::{self, Pages, Wanted},
    moment, now_us, print, runtime,
    terminal::{Screen, When, inert},
};
use crate::{model::Micros, store::lives::LifeFilter};
use clap::Args;
use serde_json::{Value, json};

#[derive(Debug, Args)]
pub struct TimelineArgs {
    /// The connection's id, or its name when only one has it.
    #[arg(value_name = "ID")]
    connection: String,
    /// Stages that began at or after this: a time, or a span that ends now such as 6h or 7d.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    from: Option<Micros>,
    /// Stages that began before this.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    to: Option<Micros>,
    /// As it stood at this moment.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    as_of: Option<Micros>,
    /// At most so many stages, the newest ones.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    /// A line for every sync, also for ordinary ones that succeeded.
    #[arg(long)]
    all: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Colours.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: When,
    #[command(flatten)]
    flags: Box<DataFlags>,
}

/// A part of a timeline.
struct Timeline {
    /// How the connection stands, or stood.
    connection: Value,
    /// The moment at which it does.
    as_of: Value,
    /// In order of time.
    stages: Vec<Value>,
    /// Oldest first.
    incidents: Vec<Value>,
    /// Events that belong to no stage.
    unused: Value,
    /// Where the older stages begin that are left out.
    next: Option<String>,
    /// The window that was asked for.
    window: (Option<Micros>, Option<Micros>),
    /// The moment of asking, or the one that was asked for.
    now: Micros,
    /// Whether another moment than now was asked for.
    past: bool,
}

pub(super) fn run(args: &TimelineArgs) -> Outcome {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from > to
    {
        return Err(CliError::Usage("--from is later than --to".into()));
    }
    let (config, _) = args.flags.0.load()?;
    let found = runtime()?.block_on(async {
        let access = lives::open(&config).await?;
        let found = find(&access, args).await;
        access.close().await?;
        found
    })?;
    print(&if args.json {
        pretty(&json!({
            "connection": found.connection,
            "as_of": found.as_of,
            "stages": found.stages,
            "incidents": found.incidents,
            "unused": found.unused,
            "next_cursor": found.next,
        }))
    } else {
        render::timeline(&found, &Screen::of_stdout(args.color), args.all)
    })?;
    Ok(error::DONE)
}

async fn find(access: &Access, args: &TimelineArgs) -> Result<Timeline, CliError> {
    if let Some(found) = read(access, args, &args.connection).await? {
        return Ok(found);
    }
    let filter = LifeFilter { q: Some(args.connection.clone()), ..LifeFilter::default() };
    let near = lives::connections(access, &filter).await?;
    let ids = |wanted: &dyn Fn(&str) -> bool| -> Vec<String> {
        let named = near.iter().filter(|it| it["connection_name"].as_str().is_some_and(wanted));
        named.filter_map(|it| it["connection_id"].as_str().map(str::to_owned)).collect()
    };
    if let [only] = ids(&|name| name == args.connection).as_slice()
        && let Some(found) = read(access, args, only).await?
    {
        return Ok(found);
    }
    let mut words = format!("no connection has the id {}", inert(&args.connection));
    if args.as_of.is_some() {
        words.push_str(", or it was not there yet");
    }
    let near = ids(&|_| true);
    if !near.is_empty() {
        let shown: Vec<String> = near.iter().take(5).map(|id| inert(id)).collect();
        words.push_str(&format!("; near it: {}", shown.join(", ")));
    }
    Err(CliError::Other(words))
}

async fn read(access: &Access, args: &TimelineArgs, id: &str) -> Result<Option<Timeline>, CliError> {
    let wanted = Wanted { connection_id: id.to_owned(), from: args.from, to: args.to, as_of: args.as_of, syncs: false };
    let mut pages = Pages::new(access, wanted);
    let now = args.as_of.unwrap_or_else(now_us);
    let mut found = Timeline {
        connection: Value::Null,
        as_of: Value::Null,
        stages: Vec::new(),
        incidents: Vec::new(),
        unused: Value::Null,
        next: None,
        window: (args.from, args.to),
        now,
        past: args.as_of.is_some(),
    };
    let limit = args.limit as usize;
    while pages.has_more() && found.stages.len() < limit {
        let Some(page) = pages.next(limit - found.stages.len()).await? else {
            return Ok(None);
        };
        if found.connection.is_null() {
            // Every page has all incidents of the window.
            found.connection = page.connection;
            found.as_of = page.as_of;
            found.unused = page.unused;
            found.incidents = page.incidents;
        }
        found.stages.extend(page.stages);
    }
    found.next = pages.cursor().map(str::to_owned);
    found.stages.reverse();
    found.incidents.reverse();
    Ok(Some(found))
}
