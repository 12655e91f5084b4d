//! `lifeline audit`: look at the audit trail, sign it, and check what was exported from it.
//!
//! In: what is asked. Out: tables, notes, keys, verdicts. `verify` needs neither server nor store; everything else asks the running server
//! or, when none runs, the store itself.

mod ask;
mod filters;
mod show;
mod sign;
mod table;
mod verify;

pub(super) use ask::{Road, road};
pub(super) use filters::Filters;

use super::{Outcome, runtime};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Who did what to what, and what changed.
    #[command(after_help = "Examples:\n  lifeline audit show --from 7d\n  \
        lifeline audit show --actor ana@example.com --use-case pause_or_resume\n  \
        lifeline audit show --resource-type CONNECTION --resource-id brave_otter --json\n  \
        lifeline audit show --log access")]
    Show(show::ShowArgs),
    /// Check an export: whether every record in it is as it was written. Needs no server and no store.
    #[command(after_help = "Examples:\n  lifeline audit verify july.zip --key key.txt\n  \
        lifeline audit verify brave_otter.ndjson --json\n  \
        lifeline audit verify july-7.csv --manifest july-7.csv.manifest.json\n\n\
        Exit code 0 when all is well, 1 when something is wrong: the first thing is named, with its record where that can be told.")]
    Verify(verify::VerifyArgs),
    /// The public key that exports and checkpoints are verified with.
    #[command(after_help = "Example: lifeline audit key > key.txt\n\n\
        One line a log. Give it to auditors by another road than the exports.")]
    Key(sign::KeyArgs),
    /// Make a new signing key. Old exports stay verifiable with the old one.
    #[command(after_help = "Example: lifeline audit rotate\n\n\
        The next checkpoint of each log bears the signatures of both keys.")]
    Rotate(sign::RotateArgs),
    /// A signed checkpoint of everything that was acknowledged so far, to be kept elsewhere.
    #[command(after_help = "Examples:\n  lifeline audit checkpoint > trail-checkpoint.txt\n  \
        lifeline audit checkpoint --log access --json\n\n\
        lifeline verify --checkpoint FILE tells later whether the log still is what it was.")]
    Checkpoint(sign::CheckpointArgs),
}

pub(super) fn run(command: &AuditCommand) -> Outcome {
    match command {
        AuditCommand::Show(args) => runtime()?.block_on(show::run(args)),
        AuditCommand::Verify(args) => verify::run(args),
        AuditCommand::Key(args) => runtime()?.block_on(sign::key(args)),
        AuditCommand::Rotate(args) => runtime()?.block_on(sign::rotate(args)),
        AuditCommand::Checkpoint(args) => runtime()?.block_on(sign::checkpoint(args)),
    }
}
