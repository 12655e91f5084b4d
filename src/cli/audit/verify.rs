//! `lifeline audit verify`: an export, judged without server or store.

use crate::{
    audit::note::VerifyingKey,
    cli::{CliError, Outcome, configuration::pretty, error, print, terminal::inert},
    export::audit::{Wrong, verify_file},
};
use clap::Args;
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Largest file of keys that is read, in bytes.
const KEYS_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// An NDJSON export or a bundle (zip), which prove themselves, or an export of another form with its manifest beside it.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The manifest of the file [default: FILE.manifest.json, where the form needs one].
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// The public key, as lifeline audit key prints it, or a file with such keys, one a line.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &VerifyArgs) -> Outcome {
    let keys = args.key.as_deref().map(keys).transpose()?.unwrap_or_default();
    match verify_file(&args.file, args.manifest.as_deref(), &keys) {
        Ok(report) => {
            let made = &report.manifest;
            print(&if args.json {
                pretty(
                    &json!({"ok": true, "origin": report.checkpoint.origin, "records": made.records, "tree_size": made.tree_size,
                    "first_seq": made.first_seq, "last_seq": made.last_seq, "left_out": report.left_out,
                    "complete": made.filter.is_empty() && made.from.is_none() && made.to.is_none(),
                    "pruned": report.pruned, "filter": made.filter, "from": made.from, "to": made.to,
                    "signed_at": made.made_at, "root_hash": made.root_hash, "public_key": report.key.to_string(),
                    "fingerprint": report.key.fingerprint(), "pinned": report.pinned}),
                )
            } else {
                format!("OK: {}", report.sentence())
            })?;
            Ok(error::DONE)
        }
        Err(Wrong::Read(source)) if !args.file.is_file() => {
            Err(CliError::File { doing: "read", path: args.file.clone(), source })
        }
        Err(wrong) => {
            let told = inert(&wrong.to_string());
            if args.json {
                print(&pretty(&json!({"ok": false, "wrong": told, "record": wrong.seq()})))?;
            } else {
                eprintln!("WRONG: {told}");
            }
            Ok(error::FOUND)
        }
    }
}

/// A key, or the keys of a file.
fn keys(given: &str) -> Result<Vec<VerifyingKey>, CliError> {
    if let Ok(key) = VerifyingKey::parse(given) {
        return Ok(vec![key]);
    }
    let path = Path::new(given);
    let bytes = fs::metadata(path).map_err(CliError::file("read", path))?.len();
    if bytes > KEYS_BYTES_MAX {
        return Err(CliError::Usage(format!("{} is too large to be a file of keys", path.display())));
    }
    let text = fs::read_to_string(path).map_err(CliError::file("read", path))?;
    let keys: Result<Vec<_>, _> = text.split_whitespace().map(VerifyingKey::parse).collect();
    match keys {
        Ok(keys) if !keys.is_empty() => Ok(keys),
        Ok(_) => Err(CliError::Usage(format!("there is no key in {}", path.display()))),
        Err(error) => Err(CliError::Usage(format!("{}: {error}", path.display()))),
    }
}
