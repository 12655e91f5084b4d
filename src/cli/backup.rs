//! `lifeline backup`: a consistent copy of the database in a new file, while the server runs.

use super::{
    CliError, DataFlags, Outcome, access::Access, configuration::pretty, control::Control, error, now_us, print,
    progress::Progress, runtime, wiring,
};
use crate::config::Config;
use clap::Args;
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
};

#[derive(Debug, Args)]
pub struct BackupArgs {
    /// A file that does not exist yet, or a directory.
    #[arg(value_name = "DEST")]
    destination: PathBuf,
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: Box<DataFlags>,
}

pub(super) fn run(args: &BackupArgs) -> Outcome {
    let (config, _) = args.flags.0.load()?;
    let to = target(&args.destination, now_us());
    if to.exists() {
        return Err(CliError::Other(format!("{} exists already; a backup never overwrites", to.display())));
    }
    let mut progress = Progress::new("backup", 0, args.json);
    let outcome = wiring::backup(&config, &to, &mut |done, _| progress.set(done, done));
    progress.finish();
    outcome?;
    // After the copy: a store that cannot be written to can still be saved.
    if let Err(error) = runtime()?.block_on(note(&config, &to)) {
        eprintln!("the access log has no record of this backup: {error}");
    }
    let bytes = fs::metadata(&to).map_err(CliError::file("read", &to))?.len();
    print(&if args.json {
        pretty(&json!({"file": to, "bytes": bytes}))
    } else {
        format!("{} ({})", to.display(), indicatif::HumanBytes(bytes))
    })?;
    Ok(error::DONE)
}

/// Keeps a record of the backup. A store of an older version stays as it is until a server starts on it.
async fn note(config: &Config, to: &Path) -> Result<(), CliError> {
    let data_dir = &config.storage.data_dir;
    if Control::find(data_dir).await.is_none() && !wiring::is_current(data_dir)? {
        return Err(CliError::Other("the store is of an older version".into()));
    }
    let access = Access::open(config).await?;
    let file = to.canonicalize().unwrap_or_else(|_| to.to_owned());
    let noted = access.take(wiring::Taken::BackupDatabase { file: file.to_string_lossy().into_owned() }).await;
    access.close().await?;
    noted
}

/// The file itself, or in an existing directory one named after the time: `lifeline-20260131T235959Z.db`.
fn target(destination: &Path, now_us: i64) -> PathBuf {
    if !destination.is_dir() {
        return destination.to_owned();
    }
    let stamp: String = crate::model::Timestamp::from_micros(now_us)
        .to_string()
        .chars()
        .take("2026-01-31T23:59:59".len())
        .filter(|c| c.is_ascii_digit() || *c == 'T')
        .collect();
    destination.join(format!("lifeline-{stamp}Z.db"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_gets_a_file_named_after_the_time() {
        let dir = tempfile::tempdir().unwrap();
        let made = target(dir.path(), 1_786_959_683_518_001);
        assert_eq!(made, dir.path().join("lifeline-20260817T094123Z.db"));
        assert_eq!(target(&dir.path().join("x.db"), 0), dir.path().join("x.db"));
    }
}
