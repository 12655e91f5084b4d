//! `lifeline sql`: one question in SQL, beside a running server or without one.
//!
//! In: a statement that reads. Out: its rows as a table, CSV or JSON, written as they are found. The store is never held and never
//! written, so that a question cannot disturb the server; it has a time to answer in, and Ctrl-C ends it sooner.

mod forms;
mod table;

use super::{
    CliError, DataFlags, Outcome, error, runtime,
    terminal::{Screen, When, inert},
    wiring::{self, AskError, Rows, Stop},
};
use clap::{Args, ValueEnum};
use std::{
    io::{self, BufWriter, Read as _},
    thread,
    time::Duration,
};

/// Longest statement that is read from standard input, in bytes.
const STATEMENT_BYTES_MAX: u64 = 1 << 20;
/// Bytes of output that wait to be written.
const BUFFER: usize = 64 << 10;
/// How long a question may take to end after Ctrl-C, while nobody takes its rows for example.
const END_WITHIN: Duration = Duration::from_secs(1);

/// Form of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, ValueEnum)]
enum SqlFormat {
    /// For people, as wide as the terminal.
    #[default]
    Table,
    /// Comma-separated values.
    Csv,
    /// One list of objects.
    Json,
    /// An object a line.
    Ndjson,
}

#[derive(Debug, Args)]
pub struct SqlArgs {
    /// One statement that reads; - for standard input.
    #[arg(value_name = "STATEMENT")]
    statement: String,
    /// Form.
    #[arg(long, value_enum, default_value_t)]
    format: SqlFormat,
    /// Longest time for the whole answer, in seconds; 0 for no limit.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    timeout_s: u64,
    /// Colours.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: When,
    #[command(flatten)]
    flags: Box<DataFlags>,
}

/// A form of the rows, which has an end.
trait Form: Rows {
    /// Everything was found.
    fn finish(&mut self) -> io::Result<()>;
}

pub(super) fn run(args: &SqlArgs) -> Outcome {
    let (config, _) = args.flags.0.load()?;
    let statement = statement(&args.statement)?;
    let limit = (args.timeout_s > 0).then(|| Duration::from_secs(args.timeout_s));
    let asked = wiring::ask(&config, limit).map_err(told)?;
    stop_at_ctrl_c(asked.stop())?;
    let out = BufWriter::with_capacity(BUFFER, io::stdout().lock());
    let mut form: Box<dyn Form> = match args.format {
        SqlFormat::Table => Box::new(table::Table::new(out, Screen::of_stdout(args.color))),
        SqlFormat::Csv => Box::new(forms::Csv::new(out)),
        SqlFormat::Json => Box::new(forms::Json::list(out)),
        SqlFormat::Ndjson => Box::new(forms::Json::lines(out)),
    };
    match asked.ask(&statement, &mut *form) {
        Ok(()) => form.finish()?,
        Err(error) => {
            drop(form);
            return Err(told(error));
        }
    }
    Ok(error::DONE)
}

fn statement(given: &str) -> Result<String, CliError> {
    if given != "-" {
        return Ok(given.to_owned());
    }
    let mut text = String::new();
    io::stdin().lock().take(STATEMENT_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > STATEMENT_BYTES_MAX {
        return Err(CliError::Usage(format!("the statement has more than {STATEMENT_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// The error in this command's words. Statements and names in it come from anywhere.
fn told(error: AskError) -> CliError {
    match error {
        AskError::Refused(_) | AskError::Statement(_) => CliError::Usage(inert(&error.to_string())),
        AskError::TooSlow(limit_s) => CliError::Other(format!(
            "no whole answer within {limit_s} s; ask for less at once, or allow more with --timeout-s"
        )),
        AskError::Store(error) => error.into(),
        AskError::Output(error) => error.into(),
        error => CliError::Other(inert(&error.to_string())),
    }
}

/// The first Ctrl-C ends the question, which is told; a question that does not end is left where it is.
fn stop_at_ctrl_c(stop: Stop) -> Result<(), CliError> {
    let runtime = runtime()?;
    thread::spawn(move || {
        runtime.block_on(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                stop.stop();
                tokio::time::sleep(END_WITHIN).await;
                std::process::exit(130);
            }
        });
    });
    Ok(())
}
