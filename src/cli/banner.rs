//! What the first start prints: the tokens, once, and what to paste where.
//!
//! In: where the server listens, how it is reached, the tokens. Out: text. Every command in it works as it stands.

use super::tokens_made::Made;
use crate::config::Network;
use std::{fmt::Write as _, net::SocketAddr};

/// Webhook events that Fivetran offers.
/// Source: Fivetran REST API reference, webhooks, as summarised in the project's notes.
const WEBHOOK_EVENTS: &[&str] = &[
    "sync_start",
    "sync_end",
    "connection_successful",
    "connection_failure",
    "create_connector",
    "pause_connector",
    "resume_connector",
    "edit_connector",
    "delete_connector",
    "force_update_connector",
    "resync_connector",
    "resync_table",
    "transformation_start",
    "transformation_succeeded",
    "transformation_failed",
];

/// How the outside reaches this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Without a slash at the end.
    pub url: String,
    /// For Splunk's form.
    pub host: String,
    /// For Splunk's form.
    pub port: u16,
    /// Whether TLS is spoken there.
    pub tls: bool,
    /// Whether only this machine reaches it.
    pub local: bool,
}

impl Reach {
    /// From the configured address of the outside, else from where we listen.
    #[must_use]
    pub fn new(network: &Network, listens: SocketAddr) -> Self {
        if let Some(url) = &network.public_url {
            let tls = url.starts_with("https://");
            let rest = url.trim_start_matches("https://").trim_start_matches("http://");
            let default = if tls { 443 } else { 80 };
            let (host, port) = match rest.rsplit_once(':') {
                Some((host, port)) if !port.contains(']') => (host, port.parse().unwrap_or(default)),
                _ => (rest, default),
            };
            return Self { url: url.clone(), host: host.to_owned(), port, tls, local: false };
        }
        let tls = network.tls.is_some();
        let local = listens.ip().is_loopback() || listens.ip().is_unspecified();
        let shown = match listens {
            SocketAddr::V4(at) if at.ip().is_unspecified() => SocketAddr::from(([127, 0, 0, 1], at.port())),
            SocketAddr::V6(at) if at.ip().is_unspecified() => SocketAddr::from(([127, 0, 0, 1], at.port())),
            other => other,
        };
        let url = format!("{}://{shown}", if tls { "https" } else { "http" });
        Self { url, host: shown.ip().to_string(), port: shown.port(), tls, local }
    }
}

/// One line for every start.
#[must_use]
pub fn listening(reach: &Reach, listens: SocketAddr, data_dir: &std::path::Path) -> String {
    let scheme = if reach.tls { "https" } else { "http" };
    format!("Lifeline listens on {scheme}://{listens}, data in {}", data_dir.display())
}

/// The whole first page.
#[must_use]
pub fn first_start(reach: &Reach, made: &Made, webhook_secret: &str, channel: &str, created: &str) -> String {
    let Reach { url, host, port, tls, local } = reach;
    let ssl = if *tls { "on" } else { "off" };
    let events = WEBHOOK_EVENTS.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(",");
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        r#"
First start. The tokens are shown once; only their hashes are kept.

  ingest token    {ingest}
  read token      {read}
  admin token     {admin}
  webhook secret  {webhook_secret}

Fivetran: Splunk log service (destination or account, Logs)

  Host            {host}
  Port            {port}
  Token           {ingest}
  Channel         {channel}
  Enable SSL      {ssl}

Fivetran: webhook

  curl -u "$FIVETRAN_API_KEY:$FIVETRAN_API_SECRET" -H 'Content-Type: application/json' \
    https://api.fivetran.com/v1/webhooks/account \
    -d '{{"url":"{url}/v1/webhooks/fivetran","secret":"{webhook_secret}","active":true,"events":[{events}]}}'

Send a first event

  curl -H 'Authorization: Splunk {ingest}' {url}/services/collector \
    -d '{{"event":{{"event":"sync_end","created":"{created}","connection_id":"first_light","connection_name":"hello","data":{{"status":"SUCCESSFUL"}}}}}}'

Read it back

  curl -H 'Authorization: Bearer {read}' '{url}/v1/events?connection_id=first_light'

"#,
        ingest = made.ingest,
        read = made.read,
        admin = made.admin,
    );
    if *local {
        out.push_str("Fivetran must reach this server from the internet, and sends webhooks to https only. Listen on an open address\n(--listen 0.0.0.0:8088 with --tls-cert and --tls-key, or behind a proxy) and start with --public-url https://HOST to\nsee these values with your own name.\n\n");
    }
    out
}

/// What to do about kinds of token that nobody holds.
#[must_use]
pub fn missing(kinds: &[&str]) -> String {
    let purpose = |kind: &str| match kind {
        "ingest" => "deliver events with a token",
        "read" => "query",
        _ => "administer over HTTP",
    };
    kinds.iter().fold(String::new(), |mut out, kind| {
        let _ = writeln!(
            out,
            "Nobody can {} yet: no {kind} token exists. Make one with: lifeline token create --kind {kind}",
            purpose(kind)
        );
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Inputs};

    fn reach(flags: &[(&'static str, &str)], listens: &str) -> Reach {
        let flags = flags.iter().map(|(key, text)| (*key, (*text).to_owned())).collect();
        let (config, _) =
            Config::load(&Inputs { flags, working_dir: "/nonexistent".into(), ..Inputs::default() }).unwrap();
        Reach::new(&config.network, listens.parse().unwrap())
    }

    #[test]
    fn the_outside_address_wins_over_where_we_listen() {
        let outside = reach(&[("public_url", "https://logs.example.com")], "127.0.0.1:8088");
        assert_eq!(
            (outside.host.as_str(), outside.port, outside.tls, outside.local),
            ("logs.example.com", 443, true, false)
        );
        let port = reach(&[("public_url", "http://logs.example.com:9000/")], "127.0.0.1:8088");
        assert_eq!((port.host.as_str(), port.port, port.tls), ("logs.example.com", 9000, false));
        assert_eq!(reach(&[], "0.0.0.0:7").url, "http://127.0.0.1:7");
        assert_eq!(reach(&[], "[::1]:7").url, "http://[::1]:7");
    }

    #[test]
    fn the_first_page_has_every_value_of_the_form_and_json_that_parses() {
        let made = Made { ingest: "INGEST".into(), read: "READ".into(), admin: "ADMIN".into() };
        let page = first_start(&reach(&[], "127.0.0.1:8088"), &made, "HUSH", "CHANNEL", "2026-01-01T00:00:00.000Z");
        for line in [
            "Host            127.0.0.1",
            "Port            8088",
            "Token           INGEST",
            "Channel         CHANNEL",
            "Enable SSL      off",
        ] {
            assert!(page.contains(line), "{line}");
        }
        let bodies: Vec<&str> =
            page.lines().filter_map(|line| line.trim().strip_prefix("-d '")?.strip_suffix('\'')).collect();
        assert_eq!(bodies.len(), 2);
        for body in bodies {
            assert!(serde_json::from_str::<serde_json::Value>(body).is_ok(), "{body}");
        }
    }
}
