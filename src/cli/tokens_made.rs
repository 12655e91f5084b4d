//! Which tokens there are when the server starts, and making them when there is none.
//!
//! In: the configuration and the store. Out: what was made, to be shown once, and what is missing. Tokens are kept as hashes;
//! the webhook secret lies in a file of its own, readable by its owner alone, since signatures need it in clear.

use super::{CliError, now_us, wiring};
use crate::{
    config::{Config, DEFAULT_NAME, Secret},
    store::{Store, TokenRecord},
};
use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// File of a webhook secret that was made here.
pub const WEBHOOK_SECRET_FILE: &str = "webhook.secret";

/// The kinds of token, in the order in which they are shown.
pub const KINDS: [&str; 3] = ["ingest", "read", "admin"];

/// Tokens in clear, made a moment ago.
pub struct Made {
    pub ingest: String,
    pub read: String,
    pub admin: String,
}

/// How the server stands with credentials.
pub struct Standing {
    /// Set on the first start only.
    pub made: Option<Made>,
    /// The secret of webhooks: configured, made now or made before.
    pub webhook_secret: Option<Secret>,
    /// Kinds of token that nobody holds.
    pub missing: Vec<&'static str>,
}

/// Looks at what there is; makes one of each kind when there is nothing.
///
/// # Errors
/// The store or the file of the secret cannot be written.
pub async fn prepare(config: &Config, store: &dyn Store) -> Result<Standing, CliError> {
    let stored = store.tokens()?;
    let credentials = &config.credentials;
    let configured = [!credentials.ingest.is_empty(), credentials.read.is_some(), credentials.admin.is_some()];
    let path = config.storage.data_dir.join(WEBHOOK_SECRET_FILE);
    let kept = read_secret(&path)?;
    if stored.is_empty() && !configured.contains(&true) {
        let made = Made {
            ingest: wiring::new_token(KINDS[0]),
            read: wiring::new_token(KINDS[1]),
            admin: wiring::new_token(KINDS[2]),
        };
        let webhook_secret = match credentials.webhook_secret.clone().or(kept) {
            Some(secret) => secret,
            None => make_secret(&path)?,
        };
        for (kind, token) in KINDS.iter().zip([&made.ingest, &made.read, &made.admin]) {
            store.add_token(record(DEFAULT_NAME, kind, token)).await?;
        }
        return Ok(Standing { made: Some(made), webhook_secret: Some(webhook_secret), missing: Vec::new() });
    }
    let held = |kind: &str| stored.iter().any(|token| token.kind == kind && token.revoked_us.is_none());
    let missing = KINDS
        .iter()
        .zip(configured)
        .filter(|(kind, configured)| !configured && !held(kind))
        .map(|(kind, _)| *kind)
        // Whoever may administer may read.
        .filter(|kind| *kind != "read" || !(configured[2] || held("admin")))
        .collect();
    Ok(Standing { made: None, webhook_secret: credentials.webhook_secret.clone().or(kept), missing })
}

/// What is kept of a token.
#[must_use]
pub fn record(name: &str, kind: &str, token: &str) -> TokenRecord {
    TokenRecord {
        name: name.to_owned(),
        kind: kind.to_owned(),
        sha256: wiring::digest(token),
        created_us: now_us(),
        revoked_us: None,
    }
}

/// A secret that was made on an earlier start.
fn read_secret(path: &Path) -> Result<Option<Secret>, CliError> {
    match fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => Err(CliError::Other(format!(
            "{} is empty; remove it to have a new secret made, and give that to Fivetran",
            path.display()
        ))),
        Ok(text) => Ok(Some(Secret::new(text.trim()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CliError::file("read", path)(error)),
    }
}

/// Makes one and keeps it, whole or not at all.
fn make_secret(path: &Path) -> Result<Secret, CliError> {
    let text = wiring::new_token("webhook");
    let new = path.with_extension("secret.new");
    let write = || -> io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        writeln!(file, "{text}")?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().map_err(CliError::file("write", path))?;
    Ok(Secret::new(text))
}
