//! What to measure.

use crate::{Failure, bodies::Form};
use std::path::PathBuf;

/// Shown by `--help`.
pub const HELP: &str = "\
Usage: cargo bench --bench load -- [OPTIONS]

  --quick              a tenth of the events
  --repeat N           runs of each cell; the one with the median rate is shown [default: 1]
  --protocols LIST     of hec, ndjson, loki [default: all]
  --batches LIST       events in a request [default: 1,100,1000]
  --senders LIST       connections at a time [default: 1,16,64]
  --events N           events of each cell [default: 100000 at batch 1, else 1000000]
  --preload N          fill a store with so many events first, million by million, and measure on top of it
  --connections N      connections of the account [default: 500]
  --fold               measure with lives folded and without in turns, and nothing else
  --dir PATH           where the data directories are made [default: below the target directory]
  --seed N             another account";

/// Parsed options.
pub struct Options {
    pub forms: Vec<Form>,
    pub batches: Vec<usize>,
    pub senders: Vec<usize>,
    pub repeat: usize,
    pub preload: usize,
    pub dir: PathBuf,
    pub seed: u64,
    pub connections: usize,
    pub fold: bool,
    events: Option<usize>,
    quick: bool,
}

impl Options {
    /// `None` when help was asked for.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Self>, Failure> {
        let mut options = Self {
            forms: vec![Form::Hec, Form::Ndjson, Form::Loki],
            batches: vec![1, 100, 1000],
            senders: vec![1, 16, 64],
            repeat: 1,
            preload: 0,
            dir: PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
            seed: 1,
            connections: 500,
            fold: false,
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
                "--protocols" => options.forms = value()?.split(',').map(Form::parse).collect::<Result<_, _>>()?,
                "--batches" => options.batches = numbers(&value()?)?,
                "--senders" => options.senders = numbers(&value()?)?,
                "--events" => options.events = Some(value()?.parse()?),
                "--preload" => options.preload = value()?.parse()?,
                "--connections" => options.connections = value()?.parse::<usize>()?.max(1),
                "--fold" => options.fold = true,
                "--dir" => options.dir = PathBuf::from(value()?),
                "--seed" => options.seed = value()?.parse()?,
                other => return Err(format!("{other} is not known\n\n{HELP}").into()),
            }
        }
        std::fs::create_dir_all(&options.dir)?;
        Ok(Some(options))
    }

    /// Events of a cell.
    pub fn events_for(&self, batch: usize) -> usize {
        let usual = if batch < 10 { 100_000 } else { 1_000_000 };
        self.events.unwrap_or(if self.quick { usual / 10 } else { usual })
    }
}

fn numbers(list: &str) -> Result<Vec<usize>, Failure> {
    let numbers: Result<Vec<usize>, _> = list.split(',').map(str::parse).collect();
    match numbers {
        Ok(numbers) if numbers.iter().all(|n| *n > 0) => Ok(numbers),
        _ => Err(format!("{list} is no list of numbers above 0").into()),
    }
}
