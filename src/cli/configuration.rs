//! `lifeline config`: what is configured, by whom, and whether it can work.

use super::{CliError, Outcome, ServeFlags, error, print};
use crate::config::show;
use clap::Subcommand;
use serde_json::json;

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Every setting with its value (secrets masked) and where it came from.
    #[command(after_help = "Example: LIFELINE_LISTEN=0.0.0.0:8088 lifeline config show --json")]
    Show {
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Box<ServeFlags>,
    },
    /// Whether the configuration is good, without starting anything.
    #[command(
        after_help = "Example: lifeline config check --config /etc/lifeline.toml\n\nExit code 1 when it is not, 2 when a flag is what is wrong."
    )]
    Check {
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Box<ServeFlags>,
    },
    /// Every setting explained, as Markdown.
    #[command(after_help = "Example: lifeline config reference > docs/configuration.md")]
    Reference,
}

pub(super) fn run(command: &ConfigCommand) -> Outcome {
    match command {
        ConfigCommand::Show { json, flags } => {
            let resolved = crate::config::resolve::resolve(&flags.0.inputs())?;
            print(&if *json { pretty(&show::json(&resolved)) } else { show::table(&resolved) })
        }
        ConfigCommand::Check { json: as_json, flags } => {
            let loaded = flags.0.load();
            if *as_json {
                let (problems, warnings): (Vec<String>, &[String]) = match &loaded {
                    Ok((_, resolved)) => (Vec::new(), &resolved.warnings),
                    Err(error) => (error.0.iter().map(ToString::to_string).collect(), &[]),
                };
                let ok = problems.is_empty();
                print(&pretty(&json!({"ok": ok, "problems": problems, "warnings": warnings})))?;
                return match loaded {
                    Ok(_) => Ok(error::DONE),
                    Err(error) => Ok(CliError::Config(error).code()),
                };
            }
            let (_, resolved) = loaded.map_err(CliError::Config)?;
            let read = resolved.file.map_or_else(|| "no file".to_owned(), |path| path.display().to_string());
            let warnings: String = resolved.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
            print(&format!("{warnings}The configuration is good ({read}).\n"))
        }
        ConfigCommand::Reference => print(&show::reference()),
    }
}

/// JSON for people who read it, too.
pub(super) fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}
