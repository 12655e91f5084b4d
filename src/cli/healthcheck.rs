//! `lifeline healthcheck`: one question to the running server, for images without curl.
//!
//! The address is the one that the server wrote down when it started, else the configured one. A certificate is not checked:
//! the server asks itself, under a name that is not on it.

use super::{DataFlags, Outcome, error, serve::ADDRESS_FILE};
use crate::config::Config;
use clap::Args;
use std::{fs, net::SocketAddr, time::Duration};

/// After this the server counts as not well.
const WITHIN: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub struct HealthcheckArgs {
    /// Ask whether the process lives (/healthz) instead of whether it takes events (/readyz).
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    flags: Box<DataFlags>,
}

pub(super) fn run(args: &HealthcheckArgs) -> Outcome {
    let (config, _) = args.flags.0.load()?;
    match ask(&config, if args.live { "/healthz" } else { "/readyz" }) {
        Ok(said) => {
            super::print(&said)?;
            Ok(error::DONE)
        }
        Err(why) => {
            eprintln!("{why}");
            Ok(error::FOUND)
        }
    }
}

/// Asks one path; an answer that is not 200 is an error in words.
pub(super) fn ask(config: &Config, path: &str) -> Result<String, String> {
    let url = format!("{}{path}", address(config));
    let tls = ureq::tls::TlsConfig::builder()
        .disable_verification(true)
        .unversioned_rustls_crypto_provider(std::sync::Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(WITHIN))
        .http_status_as_error(false)
        .proxy(None)
        .tls_config(tls)
        .build()
        .new_agent();
    let mut answer = agent.get(&url).call().map_err(|error| format!("{url}: {error}"))?;
    let said = answer.body_mut().with_config().limit(64 << 10).read_to_string().unwrap_or_default();
    if answer.status() == 200 { Ok(said) } else { Err(format!("{url}: {} {}", answer.status().as_u16(), said.trim())) }
}

/// Where the server of this data directory listens.
pub(super) fn address(config: &Config) -> String {
    let written = fs::read_to_string(config.storage.data_dir.join(ADDRESS_FILE)).ok();
    let mut listens = written.and_then(|text| text.trim().parse::<SocketAddr>().ok()).unwrap_or(config.network.listen);
    if listens.ip().is_unspecified() {
        listens.set_ip(match listens {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("{}://{listens}", if config.network.tls.is_some() { "https" } else { "http" })
}
