//! What to measure.

use crate::{
    Failure,
    bodies::{self, Form},
};
use std::path::PathBuf;

/// Shown by `--help`.
pub const HELP: &str = "\
Usage: cargo bench --bench load -- [OPTIONS]

  --quick              a tenth of the events
  --brief              every protocol once, with few events
  --repeat N           runs of each cell; the one with the median rate is shown [default: 1]
  --protocols LIST     of hec, ndjson, loki, datadog, new_relic, dynatrace, otlp_json, otlp_json_pairs, otlp_protobuf,
                       otlp_protobuf_pairs, logplex, azure_data_collector, azure_logs_ingestion, cloudwatch_logs, firehose,
                       google_entries_write, pubsub_push, fivetran_webhook; or all [default: hec,ndjson,loki]. Where one
                       takes one event a request, it and ndjson are measured at batch 1, whatever the batches
  --batches LIST       events in a request [default: 1,100,1000]
  --senders LIST       connections at a time [default: 1,16,64]
  --events N           events of each cell [default: 100000 at batch 1, else 1000000]; a quarter of it
                       at batch 1 where that is not among the batches
  --preload N          fill a store with so many events first, million by million, and measure on top of it
  --connections N      connections of the account [default: 500]
  --mixed              let senders take the next request in order of time, whatever it holds: the events of a connection
                       come from all of them, many late; otherwise each connection has one sender, which keeps the order
  --fold               measure with lives folded and without in turns, and nothing else
  --dir PATH           where the data directories are made [default: below the target directory]
  --seed N             another account";

/// Parsed options.
pub struct Options {
    pub forms: Vec<&'static Form>,
    pub batches: Vec<usize>,
    pub senders: Vec<usize>,
    pub repeat: usize,
    pub preload: usize,
    pub dir: PathBuf,
    pub seed: u64,
    pub connections: usize,
    pub fold: bool,
    pub mixed: bool,
    events: Option<usize>,
    quick: bool,
}

impl Options {
    /// `None` when help was asked for.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Self>, Failure> {
        let mut options = Self {
            forms: forms("hec,ndjson,loki")?,
            batches: vec![1, 100, 1000],
            senders: vec![1, 16, 64],
            repeat: 1,
            preload: 0,
            dir: PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
            seed: 1,
            connections: 500,
            fold: false,
            mixed: false,
            events: None,
            quick: false,
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                // What cargo adds.
                "--bench" => {}
                "--help" | "-h" => return Ok(None),
                "--quick" => options.quick = true,
                "--repeat" => options.repeat = value()?.parse::<usize>()?.max(1),
                "--brief" => options = options.brief()?,
                "--protocols" => options.forms = forms(&value()?)?,
                "--batches" => options.batches = numbers(&value()?)?,
                "--senders" => options.senders = numbers(&value()?)?,
                "--events" => options.events = Some(value()?.parse()?),
                "--preload" => options.preload = value()?.parse()?,
                "--connections" => options.connections = value()?.parse::<usize>()?.max(1),
                "--fold" => options.fold = true,
                "--mixed" => options.mixed = true,
                "--dir" => options.dir = PathBuf::from(value()?),
                "--seed" => options.seed = value()?.parse()?,
                other => return Err(format!("{other} is not known\n\n{HELP}").into()),
            }
        }
        std::fs::create_dir_all(&options.dir)?;
        Ok(Some(options))
    }

    /// Enough to see that nothing is refused.
    fn brief(self) -> Result<Self, Failure> {
        let (forms, batches, senders) = (bodies::every_form()?, vec![100], vec![4]);
        Ok(Self { forms, batches, senders, connections: 50, events: Some(2_000), ..self })
    }

    /// Lanes of a plan for so many senders.
    pub const fn lanes(&self, senders: usize) -> usize {
        if self.mixed { 1 } else { senders }
    }

    /// Events of a cell.
    pub fn events_for(&self, batch: usize) -> usize {
        let usual = if batch < 10 { 100_000 } else { 1_000_000 };
        match self.events {
            Some(events) if self.batches.contains(&batch) => events,
            Some(events) => (events / 4).max(1),
            None if self.quick => usual / 10,
            None => usual,
        }
    }

    /// What is measured with each number of events in a request: the native form first, since the others are compared with it.
    pub fn rounds(&self) -> Vec<(usize, Vec<&'static Form>)> {
        let mut forms = self.forms.clone();
        forms.sort_by_key(|form| !form.is_native());
        let mut rounds = Vec::new();
        if forms.iter().any(|form| form.is_single()) && !self.batches.contains(&1) {
            let ones = forms.iter().copied().filter(|form| form.is_single() || form.is_native());
            rounds.push((1, ones.collect()));
        }
        for &batch in &self.batches {
            let all = forms.iter().copied().filter(|form| batch == 1 || !form.is_single());
            rounds.push((batch, all.collect()));
        }
        rounds
    }
}

fn forms(list: &str) -> Result<Vec<&'static Form>, Failure> {
    if list == "all" { bodies::every_form() } else { list.split(',').map(Form::parse).collect() }
}

fn numbers(list: &str) -> Result<Vec<usize>, Failure> {
    let numbers: Result<Vec<usize>, _> = list.split(',').map(str::parse).collect();
    match numbers {
        Ok(numbers) if numbers.iter().all(|n| *n > 0) => Ok(numbers),
        _ => Err(format!("{list} is no list of numbers above 0").into()),
    }
}
