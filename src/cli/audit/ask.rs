//! The ways to the audit logs: through the running server, or the store and its key by ourselves.

use crate::{
    audit::Log,
    cli::{CliError, access::Access, control::Control, wiring},
    config::Config,
    query::{self, audit::RecordsRequest},
    store::trail,
};
use hyper::Method;
use serde_json::{Value, json};

/// The one way that is open now.
pub enum Road {
    /// A server runs; it is asked.
    Server(Control),
    /// No server runs; store and key are ours until we are done.
    Store(Box<wiring::Audited>),
}

/// Looks for a server, else opens the store and its key.
///
/// # Errors
/// Neither is possible.
pub async fn road(config: &Config) -> Result<Road, CliError> {
    Ok(match Access::open(config).await? {
        Access::Server(control) => Road::Server(control),
        Access::Store(opened) => Road::Store(Box::new(wiring::audited(config, opened).await?)),
    })
}

impl Road {
    /// Lets go of the store, with everything committed.
    ///
    /// # Errors
    /// The store cannot be closed cleanly.
    pub async fn close(self) -> Result<(), CliError> {
        match self {
            Self::Server(_) => Ok(()),
            Self::Store(audited) => audited.close().await,
        }
    }

    /// A page of records, as `GET /v1/audit` has it.
    ///
    /// # Errors
    /// A filter is wrong, or neither way answers.
    pub async fn records(&self, query: &str) -> Result<Value, CliError> {
        match self {
            Self::Server(control) => control.json(Method::GET, &format!("/v1/audit?{query}"), &Value::Null).await,
            Self::Store(audited) => {
                let request = RecordsRequest::parse(query).map_err(|error| CliError::Usage(error.to_string()))?;
                let page = query::audit::records(audited.opened.store.trail(), request)?;
                serde_json::from_slice(&page).map_err(|error| CliError::Other(error.to_string()))
            }
        }
    }

    /// The newest checkpoint, as `GET /v1/audit/checkpoint` has it.
    ///
    /// # Errors
    /// Neither way answers, or nothing can be signed.
    pub async fn checkpoint(&self, log: Log) -> Result<Value, CliError> {
        match self {
            Self::Server(control) => {
                let path = format!("/v1/audit/checkpoint?log={}", log.as_str());
                control.json(Method::GET, &path, &Value::Null).await
            }
            Self::Store(audited) => {
                let signed = audited.auditor.notary.newest(log).await?;
                let key = audited.auditor.notary.public(log);
                Ok(json!({"log": log.as_str(), "origin": signed.origin, "tree_size": signed.size,
                    "root_hash": hex::encode(signed.root), "at": signed.made_at, "note": signed.note,
                    "public_key": key.to_string(), "key_id": key.key_id().to_string()}))
            }
        }
    }

    /// The keys of a log, as `GET /v1/audit/key` has them.
    ///
    /// # Errors
    /// Neither way answers.
    pub async fn key(&self, log: Log) -> Result<Value, CliError> {
        match self {
            Self::Server(control) => {
                let path = format!("/v1/audit/key?log={}", log.as_str());
                control.json(Method::GET, &path, &Value::Null).await
            }
            Self::Store(audited) => {
                let key = audited.auditor.notary.public(log);
                let kept = audited.opened.store.trail().keys()?;
                let kept = kept.iter().map(|kept: &trail::SigningKey| {
                    let known = crate::audit::note::VerifyingKey::new(key.name(), kept.public);
                    let known = known.map_err(|error| CliError::Other(error.to_string()))?;
                    let from_size = if log == Log::Trail { kept.trail } else { kept.access };
                    Ok(json!({"public_key": known.to_string(), "key_id": known.key_id().to_string(),
                        "since": crate::cli::millis(kept.at), "from_size": from_size}))
                });
                Ok(json!({"log": log.as_str(), "public_key": key.to_string(), "key_id": key.key_id().to_string(),
                    "fingerprint": key.fingerprint(), "keys": kept.collect::<Result<Vec<_>, CliError>>()?}))
            }
        }
    }

    /// Makes a new key.
    ///
    /// # Errors
    /// It cannot be made, written or remembered.
    pub async fn rotate(&self) -> Result<(), CliError> {
        match self {
            Self::Server(control) => control.json(Method::POST, "/control/rotate", &Value::Null).await.map(|_| ()),
            Self::Store(audited) => {
                let rotated = audited.auditor.rotate(wiring::this_command()).await;
                rotated.map(|_| ()).map_err(|error| CliError::Other(error.to_string()))
            }
        }
    }
}
