//! The one list of settings. Flags, environment variables, TOML keys, `config show`, `config reference` and
//! the error messages are all made from it, so that none of them can disagree.
//!
//! In: nothing. Out: [`SETTINGS`]. A setting called `data_dir` is the flag `--data-dir`, the variable
//! `LIFELINE_DATA_DIR` and the TOML key `data_dir`.

/// What a setting's text has to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `address:port`; port 0 picks a free one.
    Address,
    /// An `http://` or `https://` address.
    Url,
    /// A file or directory.
    Path,
    /// Any text.
    Text,
    /// `sqlite` or a `postgres://` address.
    Store,
    /// A single secret.
    Secret,
    /// `TOKEN` or `NAME=TOKEN`, separated by commas (a TOML array may be used too).
    Tokens,
    /// `true` or `false`.
    Bool,
    /// A whole number, at least 1.
    Count,
    /// A number of bytes, `16777216` or `16MiB`, at least 1.
    Bytes,
    /// Like [`Kind::Bytes`], and 0 or `off` turns it off.
    BytesOrOff,
    /// A whole number of seconds, at least 1.
    Seconds,
    /// A whole number of days, at least 1, and 0 or `off` turns it off.
    DaysOrOff,
    /// `file:PATH`, `https://…` or `exec:COMMAND`, separated by commas (a TOML array may be used too).
    Sinks,
    /// One of a few words.
    OneOf(&'static [&'static str]),
}

impl Kind {
    /// What is expected, with the unit, for error messages and the reference.
    #[must_use]
    pub fn expected(self) -> String {
        match self {
            Self::Address => "address:port such as 127.0.0.1:8088".into(),
            Self::Url => "an address such as https://logs.example.com".into(),
            Self::Path => "a path".into(),
            Self::Text => "text".into(),
            Self::Store => "sqlite or a postgres:// address".into(),
            Self::Secret => "a secret of visible ASCII characters without spaces".into(),
            Self::Tokens => "TOKEN or NAME=TOKEN, separated by commas".into(),
            Self::Bool => "true or false, on or off".into(),
            Self::Count => "a whole number, at least 1".into(),
            Self::Bytes => "bytes, such as 16777216 or 16MiB".into(),
            Self::BytesOrOff => "bytes, such as 33554432 or 32MiB, or off".into(),
            Self::Seconds => "whole seconds, at least 1".into(),
            Self::DaysOrOff => "whole days, at least 1, or off".into(),
            Self::Sinks => "file:PATH, https://… or exec:COMMAND, separated by commas".into(),
            Self::OneOf(words) => words.join(" or "),
        }
    }

    /// What stands for the value in `--help`.
    #[must_use]
    pub const fn placeholder(self) -> &'static str {
        match self {
            Self::Address => "ADDRESS:PORT",
            Self::Url => "URL",
            Self::Path => "PATH",
            Self::Text => "TEXT",
            Self::Store => "STORE",
            Self::Secret => "SECRET",
            Self::Tokens => "[NAME=]TOKEN,…",
            Self::Bool => "BOOL",
            Self::Count => "N",
            Self::Bytes | Self::BytesOrOff => "BYTES",
            Self::Seconds => "SECONDS",
            Self::DaysOrOff => "DAYS",
            Self::Sinks => "SINK,…",
            Self::OneOf(_) => "WORD",
        }
    }
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Name in TOML; flag and variable are made from it.
    pub key: &'static str,
    /// Heading in `--help` and the reference.
    pub group: &'static str,
    /// What its text has to look like.
    pub kind: Kind,
    /// The text that applies when nobody says anything; `None` is "not set".
    pub default: Option<&'static str>,
    /// One or two sentences for a person.
    pub doc: &'static str,
}

impl Setting {
    /// The environment variable.
    #[must_use]
    pub fn env(&self) -> String {
        format!("LIFELINE_{}", self.key.to_ascii_uppercase())
    }

    /// The flag without its dashes.
    #[must_use]
    pub fn flag(&self) -> String {
        self.key.replace('_', "-")
    }

    /// Whether its value is never shown.
    #[must_use]
    pub const fn secret(&self) -> bool {
        matches!(self.kind, Kind::Secret | Kind::Tokens)
    }
}

const NETWORK: &str = "Network";
const STORAGE: &str = "Storage";
const CREDENTIALS: &str = "Credentials";
const LIMITS: &str = "Limits";
const AUDIT: &str = "Audit";
const LOGGING: &str = "Logging";

const fn setting(
    group: &'static str,
    key: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    doc: &'static str,
) -> Setting {
    Setting { key, group, kind, default, doc }
}

/// Every setting, in the order in which it is shown.
#[rustfmt::skip]
pub static SETTINGS: &[Setting] = &[
    setting(NETWORK, "listen", Kind::Address, Some("127.0.0.1:8088"),
        "Where to listen. Port 0 picks a free port; the chosen address is written to DATA_DIR/listen.addr."),
    setting(NETWORK, "public_url", Kind::Url, None,
        "How the outside world reaches this server; printed as the values for Fivetran."),
    setting(NETWORK, "tls_cert", Kind::Path, None,
        "Certificate chain in PEM. With tls_key, the server speaks TLS 1.2 and 1.3, HTTP/1.1 and HTTP/2."),
    setting(NETWORK, "tls_key", Kind::Path, None, "Private key in PEM, belonging to tls_cert."),
    setting(NETWORK, "hec_query_token", Kind::Bool, Some("true"),
        "Whether Splunk HEC senders may put the token into the address (?token=)."),
    setting(NETWORK, "metrics_public", Kind::Bool, None,
        "Whether /metrics answers without a token. Not set: only when listening on a loopback address."),
    setting(STORAGE, "data_dir", Kind::Path, Some("lifeline-data"), "Directory of lifeline.db and everything else."),
    setting(STORAGE, "store", Kind::Store, Some("sqlite"), "Where events are kept: sqlite, in the data directory."),
    setting(STORAGE, "layout", Kind::OneOf(&["blocks", "rows"]), Some("blocks"),
        "How new events are kept: in a journal and then in compressed blocks, or as a row each, which takes about nine times the space. What is stored stays readable whichever it is; lifeline migrate converts it."),
    setting(STORAGE, "schemas_dir", Kind::Path, None, "Directory of your own event schemas; they extend or override the built-in ones."),
    setting(STORAGE, "diagnosis_dir", Kind::Path, None, "Directory of your own explanations of errors (TOML); they extend or override the built-in ones."),
    setting(STORAGE, "wal_autocheckpoint", Kind::Bool, Some("on"),
        "Whether the write-ahead log is folded into the database by the server; off leaves that to another program, such as Litestream."),
    setting(STORAGE, "ballast_bytes", Kind::BytesOrOff, Some("32MiB"),
        "Size of a file that is given up when the disk is full, so that what is stored can still be tidied."),
    setting(STORAGE, "fold", Kind::Bool, Some("on"),
        "Whether connections' timelines and status are kept current with every commit; off leaves them as they are until it is on again, then they are made anew."),
    setting(CREDENTIALS, "ingest_token", Kind::Tokens, None,
        "Tokens that may deliver events. NAME is the destination of what comes with it; without one it is called default."),
    setting(CREDENTIALS, "read_token", Kind::Secret, None, "A token that may query and export."),
    setting(CREDENTIALS, "admin_token", Kind::Secret, None,
        "A token that may also replay quarantine and manage tokens."),
    setting(CREDENTIALS, "webhook_secret", Kind::Secret, None,
        "The secret of Fivetran webhooks. When set, only requests signed with it are taken."),
    setting(CREDENTIALS, "signature_skew_s", Kind::Seconds, None,
        "How far the date in a signed request may be from this server's clock. Not set: 300 for AWS (SigV4), 900 for Azure (SharedKey)."),
    setting(CREDENTIALS, "pubsub_audience", Kind::Text, None,
        "The audience of the identity tokens with which Google Pub/Sub signs its pushes. Needs pubsub_email and pubsub_jwks."),
    setting(CREDENTIALS, "pubsub_email", Kind::Text, None, "The service account in whose name Pub/Sub pushes."),
    setting(CREDENTIALS, "pubsub_issuer", Kind::Text, Some("https://accounts.google.com"), "Who issues those tokens."),
    setting(CREDENTIALS, "pubsub_jwks", Kind::Path, None,
        "A file with the issuer's public keys (JWKS), read again when it changes."),
    setting(LIMITS, "body_bytes_max", Kind::Bytes, Some("16MiB"),
        "Largest request body, as sent and again after decompression."),
    setting(LIMITS, "records_max", Kind::Count, Some("100000"), "Most records in one request."),
    setting(LIMITS, "body_bytes_in_flight_max", Kind::Bytes, Some("64MiB"),
        "Most bytes of request bodies held in memory at one time; beyond it senders wait, then are told to come back."),
    setting(LIMITS, "connections_max", Kind::Count, Some("12000"), "Most open connections; idle ones count, too. The limit on open files is raised as far as the system allows."),
    setting(LIMITS, "queue_batches_max", Kind::Count, Some("1024"), "Most requests waiting for the disk."),
    setting(LIMITS, "auth_failures_per_minute", Kind::Count, Some("60"),
        "Wrong credentials a minute from one address, after a burst of 300, before it is told to wait."),
    setting(LIMITS, "shutdown_grace_s", Kind::Seconds, Some("8"),
        "How long a stop waits for requests that are still being served; at most 8, so that a stop takes less than 10 s."),
    setting(AUDIT, "audit_checkpoint_every", Kind::Seconds, Some("3600"),
        "How often a checkpoint of the audit log is signed even when nothing happened; a log that grew is signed within a minute."),
    setting(AUDIT, "audit_checkpoint_to", Kind::Sinks, None,
        "Where every signed checkpoint is sent as well, best out of reach of whoever runs this server: appended to a file, posted to an address, or given to a command's standard input."),
    setting(AUDIT, "audit_scrub_every", Kind::Seconds, Some("86400"),
        "How long one pass over all audit records and all events takes, in which each record is compared with its hash, its columns and its event."),
    setting(AUDIT, "retention_audit_days", Kind::DaysOrOff, Some("400"),
        "How long texts of audit records are kept; their hashes stay for ever."),
    setting(AUDIT, "retention_access_days", Kind::DaysOrOff, Some("400"),
        "The same for records of what was done to Lifeline itself."),
    setting(AUDIT, "retention_detail_days", Kind::DaysOrOff, Some("90"),
        "How long single steps of syncs (reads, writes, row counts) are kept after they were received. Syncs, their tables and sums, warnings, errors and everything that people did stay."),
    setting(AUDIT, "legal_hold", Kind::Bool, Some("false"), "While it is on, retention removes nothing at all."),
    setting(LOGGING, "log", Kind::Text, Some("info"),
        "What is logged: a tracing filter such as info or lifeline=debug,warn."),
    setting(LOGGING, "log_format", Kind::OneOf(&["text", "json"]), Some("text"), "How it is logged."),
];

/// The setting of a key.
#[must_use]
pub fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// The known word that is nearest to a misspelt one, when one is near enough to be meant.
#[must_use]
pub fn nearest<'w>(wrong: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let wrong = wrong.to_ascii_lowercase();
    words
        .map(|word| (distance(&wrong, word), word))
        .filter(|(far, word)| *far <= (word.len() / 3).max(2))
        .min_by_key(|(far, _)| *far)
        .map(|(_, word)| word)
}

/// How many single-character changes turn one word into the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn keys_are_unique_and_plain() {
        let keys: HashSet<_> = SETTINGS.iter().map(|s| s.key).collect();
        assert_eq!(keys.len(), SETTINGS.len());
        for setting in SETTINGS {
            assert!(setting.key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", setting.key);
            assert!(setting.doc.ends_with('.'), "{}", setting.key);
        }
    }

    #[test]
    fn misspelt_words_find_their_neighbour() {
        let near = |word: &str| nearest(word, SETTINGS.iter().map(|s| s.key));
        assert_eq!(near("lisen"), Some("listen"));
        assert_eq!(near("ingest_tokens"), Some("ingest_token"));
        assert_eq!(near("body_max_bytes"), None);
        assert_eq!(near("zzzzzz"), None);
    }
}
