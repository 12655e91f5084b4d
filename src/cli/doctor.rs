//! `lifeline doctor`: looks for what is wrong with an installation and says how to mend it.
//!
//! In: the configuration. Out: a line for each check, with a remedy where it fails. Changes nothing, and works beside a running server.

use super::{
    DataFlags, Outcome,
    configuration::pretty,
    control::SOCKET,
    error, healthcheck, now_us, print,
    tokens_made::WEBHOOK_SECRET_FILE,
    wiring::{self, Places},
};
use crate::{config::Config, model::MICROS_PER_SECOND};
use clap::Args;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde_json::json;
use std::{
    fs,
    net::TcpListener,
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::Path,
};

/// Below this much free space the disk counts as nearly full, in bytes.
const FREE_BYTES_MIN: u64 = 256 << 20;

/// A clock before 2026 is a clock that was never set.
const CLOCK_MIN_US: i64 = 1_767_225_600 * MICROS_PER_SECOND;

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: Box<DataFlags>,
}

/// One thing that was looked at.
#[derive(Debug)]
struct Check {
    name: &'static str,
    /// What was found.
    found: Result<String, String>,
    /// What to do when it is wrong.
    remedy: &'static str,
}

impl Check {
    fn new(name: &'static str, found: Result<String, String>, remedy: &'static str) -> Self {
        Self { name, found, remedy }
    }
}

pub(super) fn run(args: &DoctorArgs) -> Outcome {
    let mut checks = Vec::new();
    match args.flags.0.load() {
        Ok((config, resolved)) => {
            let from = resolved.file.as_ref().map_or_else(|| "no file".to_owned(), |path| path.display().to_string());
            checks.push(Check::new("configuration", Ok(from), ""));
            for warning in resolved.warnings {
                checks.push(Check::new("configuration", Err(warning), "rename or remove the variable"));
            }
            examine(&config, &mut checks);
        }
        Err(problems) => {
            for problem in problems.0 {
                let remedy = "lifeline config reference explains every setting";
                checks.push(Check::new("configuration", Err(problem.to_string()), remedy));
            }
        }
    }
    let failed = checks.iter().filter(|check| check.found.is_err()).count();
    if args.json {
        let rows: Vec<_> = checks
            .iter()
            .map(|check| {
                let (ok, text) = match &check.found {
                    Ok(text) => (true, text),
                    Err(text) => (false, text),
                };
                json!({"check": check.name, "ok": ok, "found": text, "remedy": (!ok).then_some(check.remedy)})
            })
            .collect();
        print(&pretty(&json!({"ok": failed == 0, "checks": rows})))?;
    } else {
        let mut out = String::new();
        for check in &checks {
            match &check.found {
                Ok(text) => out.push_str(&format!("✓ {:16} {text}\n", check.name)),
                Err(text) => out.push_str(&format!("✗ {:16} {text}\n  {:16} → {}\n", check.name, "", check.remedy)),
            }
        }
        print(&out)?;
    }
    Ok(if failed == 0 { error::DONE } else { error::FOUND })
}

fn examine(config: &Config, checks: &mut Vec<Check>) {
    let data_dir = &config.storage.data_dir;
    let running = UnixStream::connect(data_dir.join(SOCKET)).is_ok();
    checks.push(Check::new(
        "data directory",
        writable(data_dir),
        "create it, or give it to the user that runs lifeline (chown), mode 0700",
    ));
    checks.push(Check::new("disk space", free_space(data_dir), "free some space, or move the data directory"));
    store(config, checks);
    audit(config, running, checks);
    checks.push(Check::new(
        "address",
        if running { answers(config) } else { free_port(config) },
        "stop what else listens there, or set another address (--listen); when it is this server, look into its log",
    ));
    if let Some(tls) = &config.network.tls {
        checks.push(Check::new(
            "TLS",
            pair(&tls.cert, &tls.key),
            "tls_cert must be the PEM chain of the certificate whose private key is in tls_key, both readable by lifeline's user",
        ));
    }
    let clock = if now_us() >= CLOCK_MIN_US { Ok("plausible".to_owned()) } else { Err("it is before 2026".to_owned()) };
    checks.push(Check::new("clock", clock, "set the time, and keep it set (NTP)"));
    if let Some(secret) = Some(data_dir.join(WEBHOOK_SECRET_FILE)).filter(|path| path.exists()) {
        checks.push(Check::new("webhook secret", private(&secret), "chmod 600 the file"));
    }
}

/// Whether files can be made there.
fn writable(data_dir: &Path) -> Result<String, String> {
    let shown = data_dir.display();
    match fs::metadata(data_dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok(format!("{shown} does not exist yet; the first start makes it"))
        }
        Err(error) => Err(format!("{shown}: {error}")),
        Ok(meta) if !meta.is_dir() => Err(format!("{shown} is not a directory")),
        Ok(meta) => {
            tempfile::NamedTempFile::new_in(data_dir).map_err(|error| format!("{shown}: {error}"))?;
            let mode = meta.permissions().mode() & 0o777;
            if mode & 0o007 == 0 {
                Ok(shown.to_string())
            } else {
                Ok(format!("{shown} (mode {mode:o}: others can look in)"))
            }
        }
    }
}

fn private(path: &Path) -> Result<String, String> {
    let mode = fs::metadata(path).map_err(|error| error.to_string())?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok("private".into()) } else { Err(format!("{} has mode {mode:o}", path.display())) }
}

/// Free space where the data is, or will be.
fn free_space(data_dir: &Path) -> Result<String, String> {
    let there = data_dir.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    // POSIX df says it without a dependency on the system's C interface.
    let output = std::process::Command::new("df").arg("-Pk").arg(there).output();
    let output = match output {
        Ok(output) if output.status.success() => output,
        _ => return Ok("not known (there is no df)".into()),
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let free_kib: Option<u64> =
        text.lines().nth(1).and_then(|line| line.split_whitespace().nth(3)).and_then(|field| field.parse().ok());
    let Some(free) = free_kib.map(|kib| kib.saturating_mul(1024)) else {
        return Ok("not known".into());
    };
    let shown = format!("{} free", indicatif::HumanBytes(free));
    if free >= FREE_BYTES_MIN { Ok(shown) } else { Err(shown) }
}

fn store(config: &Config, checks: &mut Vec<Check>) {
    match wiring::store_facts(config) {
        Ok(facts) => {
            let version = facts.schema_version.map_or_else(
                || "no database yet".to_owned(),
                |version| {
                    let Places { rows, blocks, block_events, journal_events, .. } = facts.places;
                    format!(
                        "schema version {version}, {} events: {block_events} in {blocks} blocks, {journal_events} in the journal, {rows} rows",
                        facts.events
                    )
                },
            );
            checks.push(Check::new("SQLite", Ok(facts.engine), ""));
            let found = match facts.damage {
                None => Ok(version),
                Some(damage) => Err(format!("{version}; damaged: {damage}")),
            };
            checks.push(Check::new(
                "database",
                found,
                "stop the server, keep the damaged file, restore the newest backup",
            ));
            let configured = &config.credentials;
            let tokens = match facts.tokens {
                0 if configured.ingest.is_empty() && facts.schema_version.is_some() => {
                    Err("no token may deliver events".into())
                }
                stored => Ok(format!("{stored} stored, {} configured for delivery", configured.ingest.len())),
            };
            checks.push(Check::new("tokens", tokens, "lifeline token create --kind ingest"));
        }
        Err(why) => {
            let remedy = "read the message; docs/operations.md explains how to restore a backup";
            checks.push(Check::new("database", Err(why.to_string()), remedy));
        }
    }
}

/// The key that signs the audit trail, and what the running server says about the trail.
fn audit(config: &Config, running: bool, checks: &mut Vec<Check>) {
    let remedy =
        "restore audit.key from its copy; without one, move the file away: a new key is made at the next start";
    match wiring::public_keys(config) {
        Ok(keys) if keys.is_empty() => {
            checks.push(Check::new("audit key", Ok("none yet; the first start makes it".to_owned()), remedy));
        }
        Ok(keys) => {
            for (key, fingerprint) in keys {
                checks.push(Check::new("audit key", Ok(format!("{key} (fingerprint {fingerprint})")), remedy));
            }
        }
        Err(why) => checks.push(Check::new("audit key", Err(why.to_string()), remedy)),
    }
    if running && let Ok(ready) = healthcheck::ask(config, "/readyz") {
        let ready: serde_json::Value = serde_json::from_str(&ready).unwrap_or_default();
        let warnings = ready["warnings"].as_array().map(Vec::as_slice).unwrap_or_default();
        let told: Vec<&str> = warnings.iter().filter_map(|warning| warning.as_str()).collect();
        let found = if told.is_empty() { Ok("nothing altered so far".to_owned()) } else { Err(told.join("; ")) };
        checks.push(Check::new(
            "audit trail",
            found,
            "lifeline verify names each place; docs/audit.md says what that means",
        ));
    }
}

fn answers(config: &Config) -> Result<String, String> {
    healthcheck::ask(config, "/readyz").map(|_| format!("{} answers and is ready", healthcheck::address(config)))
}

fn free_port(config: &Config) -> Result<String, String> {
    let listen = config.network.listen;
    TcpListener::bind(listen)
        .map(|_| format!("{listen} is free; no server runs"))
        .map_err(|error| format!("{listen}: {error}"))
}

/// Whether certificate and key can be read, belong together, and the certificate's name and dates are good today.
fn pair(cert: &Path, key: &Path) -> Result<String, String> {
    let chain: Vec<CertificateDer<'_>> = CertificateDer::pem_file_iter(cert)
        .and_then(|certs| certs.collect())
        .map_err(|error| format!("{}: {error}", cert.display()))?;
    if chain.is_empty() {
        return Err(format!("{} holds no certificate", cert.display()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("{}: {error}", key.display()))?;
    let count = chain.len();
    let (from, until) = validity(&chain[0]).ok_or_else(|| format!("{} has no readable dates", cert.display()))?;
    rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|error| error.to_string())?;
    let now = jiff::Timestamp::now();
    let day = |at: jiff::Timestamp| at.strftime("%Y-%m-%d").to_string();
    if now < from {
        Err(format!("the certificate is not valid before {}", day(from)))
    } else if now > until {
        Err(format!("the certificate expired on {}", day(until)))
    } else {
        Ok(format!("{count} certificates, valid until {}", day(until)))
    }
}

/// The dates of a certificate: the first two ASN.1 times in it. Source: RFC 5280, section 4.1: `Validity` is the only place in a
/// certificate's fixed part that has times, and it precedes names, keys and extensions of the subject.
fn validity(certificate: &[u8]) -> Option<(jiff::Timestamp, jiff::Timestamp)> {
    let mut times = (0..certificate.len()).filter_map(|at| {
        let (tag, length) = (*certificate.get(at)?, usize::from(*certificate.get(at + 1)?));
        let text = std::str::from_utf8(certificate.get(at + 2..at + 2 + length)?).ok()?;
        let digits = text.strip_suffix('Z').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
        let full = match (tag, digits.len()) {
            // UTCTime: two digits of the year, 50 and above being the last century.
            (0x17, 12) => format!("{}{digits}", if digits < "50" { "20" } else { "19" }),
            (0x18, 14) => digits.to_owned(),
            _ => return None,
        };
        let written = format!(
            "{}-{}-{}T{}:{}:{}Z",
            &full[0..4],
            &full[4..6],
            &full[6..8],
            &full[8..10],
            &full[10..12],
            &full[12..14]
        );
        written.parse::<jiff::Timestamp>().ok()
    });
    Some((times.next()?, times.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_and_its_key_are_told_from_a_wrong_pair() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
            let (cert, key) = (dir.path().join(format!("{name}.crt")), dir.path().join(format!("{name}.key")));
            fs::write(&cert, made.cert.pem()).unwrap();
            fs::write(&key, made.signing_key.serialize_pem()).unwrap();
            (cert, key)
        };
        let (one, two) = (make("one"), make("two"));
        assert!(pair(&one.0, &one.1).is_ok_and(|found| found.contains("valid until 4096")));
        assert!(pair(&one.0, &two.1).is_err());
        assert!(pair(&dir.path().join("none"), &one.1).is_err());
    }

    #[test]
    fn a_directory_that_is_a_file_fails() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(writable(file.path()).is_err());
        assert!(writable(file.path().parent().unwrap()).is_ok());
    }
}
