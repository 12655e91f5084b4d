//! How a command gets at the store: through the server that runs on the data directory, or by itself when none does.

use super::{CliError, control::Control, wiring};
use crate::config::Config;
use hyper::Method;

/// The one way that is open now.
pub enum Access {
    /// A server runs; it is asked.
    Server(Control),
    /// No server runs; the store is ours until we are done.
    Store(wiring::Opened),
}

impl Access {
    /// Looks for a server, else opens the store.
    ///
    /// # Errors
    /// Neither is possible.
    pub async fn open(config: &Config) -> Result<Self, CliError> {
        match Control::find(&config.storage.data_dir).await {
            Some(control) => Ok(Self::Server(control)),
            None => wiring::open(config).await.map(Self::Store),
        }
    }

    /// Keeps a record of what is about to be taken out of the store; without one nothing is.
    ///
    /// # Errors
    /// The access log cannot take it.
    pub async fn take(&self, taken: wiring::Taken) -> Result<(), CliError> {
        match self {
            Self::Server(control) => {
                let told = serde_json::to_value(&taken).map_err(|error| CliError::Other(error.to_string()))?;
                control.json(Method::POST, "/control/taken", &told).await.map(|_| ())
            }
            Self::Store(opened) => wiring::did(opened, taken.deed()).await,
        }
    }

    /// Lets go of the store, with everything committed.
    ///
    /// # Errors
    /// The store cannot be closed cleanly.
    pub async fn close(self) -> Result<(), CliError> {
        match self {
            Self::Server(_) => Ok(()),
            Self::Store(opened) => Ok(opened.store.close().await?),
        }
    }
}
