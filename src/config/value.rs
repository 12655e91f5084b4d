//! From the text of a setting to its value.
//!
//! In: text from a flag, a variable or a file. Out: numbers, addresses, tokens. Refused: anything else,
//! with what was expected; never quoting a secret.

use super::{Secret, setting::Kind};
use std::{net::SocketAddr, path::PathBuf};

/// A configured token and the name it goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedToken {
    /// Destination of what it delivers; `default` for an unnamed one.
    pub name: String,
    /// The token.
    pub token: Secret,
}

/// The name of a token that has none.
pub const DEFAULT_NAME: &str = "default";

/// Whether a text is a value of a kind.
///
/// # Errors
/// What is wrong with it, in words.
pub fn check(kind: Kind, text: &str) -> Result<(), String> {
    match kind {
        Kind::Address => address(text).map(drop),
        Kind::Url => url(text).map(drop),
        Kind::Path | Kind::Text => non_empty(text).map(drop),
        Kind::Store => store(text),
        Kind::Secret => secret(text).map(drop),
        Kind::Tokens => tokens(text).map(drop),
        Kind::Bool => boolean(text).map(drop),
        Kind::Count | Kind::Seconds => whole(text, 1).map(drop),
        Kind::Bytes => bytes(text, 1).map(drop),
        Kind::BytesOrOff => bytes_or_off(text).map(drop),
        Kind::DaysOrOff => days_or_off(text).map(drop),
        Kind::Sinks => sinks(text).map(drop),
        Kind::OneOf(words) => words.contains(&text).then_some(()).ok_or_else(String::new),
    }
}

/// `127.0.0.1:8088`, `[::1]:8088`, `localhost:8088` or `:8088` (every address).
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    if let Some(port) = text.strip_prefix(':') {
        let port = port.parse().map_err(|_| "the port is no number from 0 to 65535".to_owned())?;
        return Ok(SocketAddr::new(std::net::Ipv6Addr::UNSPECIFIED.into(), port));
    }
    if let Some(port) = text.strip_prefix("localhost:") {
        let port = port.parse().map_err(|_| "the port is no number from 0 to 65535".to_owned())?;
        return Ok(SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), port));
    }
    text.parse().map_err(|_| if text.contains(':') { String::new() } else { "the port is missing".to_owned() })
}

/// An `http` or `https` address without a path; a slash at the end is dropped.
pub fn url(text: &str) -> Result<String, String> {
    let text = text.trim().trim_end_matches('/');
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(|c: char| c == '/' || c == '@' || c.is_whitespace()) => {
            Ok(text.to_owned())
        }
        _ => Err(String::new()),
    }
}

fn non_empty(text: &str) -> Result<&str, String> {
    if text.trim().is_empty() { Err("it is empty".into()) } else { Ok(text) }
}

/// Where checkpoints go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    /// Appended to a file.
    File(PathBuf),
    /// Posted to an address.
    Post(String),
    /// Given to a command of the shell.
    Exec(String),
}

impl Sink {
    /// What it is called in the log; never an address in full, which may hold a secret.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => format!("file:{}", path.display()),
            Self::Post(address) => {
                let end = address.find(['?', '#']).unwrap_or(address.len());
                let shown = &address[..end];
                let scheme = shown.find("://").map_or(0, |at| at + 3);
                let host = shown[scheme..].find('/').map_or(shown.len(), |at| scheme + at);
                let user = shown[scheme..host].rfind('@').map_or(scheme, |at| scheme + at + 1);
                format!("{}{}", &shown[..scheme], &shown[user..host])
            }
            Self::Exec(_) => "exec".to_owned(),
        }
    }
}

/// A list of sinks. A comma separates where the word of a sink follows, so that commands and addresses may hold commas.
pub fn sinks(text: &str) -> Result<Vec<Sink>, String> {
    const WORDS: [&str; 4] = ["file:", "https://", "http://", "exec:"];
    let begins = |text: &str| WORDS.iter().any(|word| text.trim_start().starts_with(word));
    let mut parts: Vec<String> = Vec::new();
    for part in text.split(',') {
        match parts.last_mut() {
            Some(last) if !begins(part) => {
                last.push(',');
                last.push_str(part);
            }
            _ => parts.push(part.to_owned()),
        }
    }
    parts
        .iter()
        .map(|part| {
            let part = part.trim();
            let (word, rest) = part.split_once(':').ok_or_else(String::new)?;
            match (word, rest.trim()) {
                (_, "" | "//") => Err(format!("nothing stands behind {word}:")),
                ("file", path) => Ok(Sink::File(path.into())),
                ("http" | "https", _) => Ok(Sink::Post(part.to_owned())),
                ("exec", command) => Ok(Sink::Exec(command.to_owned())),
                _ => Err(String::new()),
            }
        })
        .collect()
}

/// A number of days; 0 and `off` are none.
pub fn days_or_off(text: &str) -> Result<u64, String> {
    if text.trim().eq_ignore_ascii_case("off") { Ok(0) } else { whole(text, 0) }
}

/// Only the store in the data directory exists so far.
pub fn store(text: &str) -> Result<(), String> {
    if text == "sqlite" {
        Ok(())
    } else if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        Err("PostgreSQL is not in this release; use sqlite".into())
    } else {
        Err(String::new())
    }
}

/// A text without what an address in it may hide: everything between `://` and the last `@`, and everything behind a question mark.
#[must_use]
pub fn without_secrets(text: &str) -> String {
    const MASK: &str = "[secret]";
    let Some(scheme) = text.find("://").map(|at| at + "://".len()) else { return text.to_owned() };
    let (shown, rest) = text.split_at(scheme);
    let user = rest.rfind('@');
    match rest.find(['?', '#']) {
        // Either sign may be part of a password.
        Some(query) if user.is_some_and(|at| query < at) => format!("{shown}{MASK}"),
        query => {
            let place = &rest[user.unwrap_or(0)..query.unwrap_or(rest.len())];
            let user = if user.is_some() { MASK } else { "" };
            let query = query.map_or_else(String::new, |at| format!("{}{MASK}", &rest[at..=at]));
            format!("{shown}{user}{place}{query}")
        }
    }
}

/// One secret, as it can stand in a header.
pub fn secret(text: &str) -> Result<Secret, String> {
    let text = text.trim();
    if text.is_empty() {
        Err("it is empty".into())
    } else if !text.bytes().all(|b| b.is_ascii_graphic()) {
        Err("it holds a character that cannot stand in a header".into())
    } else {
        Ok(Secret::new(text))
    }
}

/// `TOKEN` or `NAME=TOKEN`, separated by commas. Equals signs at the end belong to the token (base64 padding).
pub fn tokens(text: &str) -> Result<Vec<NamedToken>, String> {
    let mut found: Vec<NamedToken> = Vec::new();
    for (index, part) in text.split(',').map(str::trim).filter(|part| !part.is_empty()).enumerate() {
        let nth = index + 1;
        let (name, token) = match part.split_once('=') {
            Some((name, token)) if token.bytes().any(|b| b != b'=') => (name.trim(), token.trim()),
            _ => (DEFAULT_NAME, part),
        };
        if name.is_empty() || name.len() > 128 || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(format!("the name of token {nth} is empty, too long or has a space in it"));
        }
        let token = secret(token).map_err(|why| format!("token {nth}: {why}"))?;
        if let Some(other) = found.iter().find(|other| other.token == token && other.name != name) {
            return Err(format!("{:?} and {name:?} have the same token", other.name));
        }
        found.push(NamedToken { name: name.to_owned(), token });
    }
    if found.is_empty() { Err("it is empty".into()) } else { Ok(found) }
}

/// `true` or `false`, in any of the usual words.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(String::new()),
    }
}

/// A whole number not below `least`; underscores may group its digits.
pub fn whole(text: &str, least: u64) -> Result<u64, String> {
    let number: u64 = text.trim().replace('_', "").parse().map_err(|_| String::new())?;
    if number < least { Err(format!("it is below {least}")) } else { Ok(number) }
}

/// Like [`bytes()`]; 0 for `off`.
pub fn bytes_or_off(text: &str) -> Result<u64, String> {
    if text.trim().eq_ignore_ascii_case("off") { Ok(0) } else { bytes(text, 0) }
}

/// `16777216`, `16MiB`, `16 MiB`, `16M` (1,024 to the k) or `16MB` (1,000 to the k).
pub fn bytes(text: &str, least: u64) -> Result<u64, String> {
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '_')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err("the unit is none of KiB, MiB, GiB, kB, MB, GB".into()),
    };
    let bytes = whole(number, 0)?.checked_mul(factor).ok_or_else(|| "it is too large".to_owned())?;
    if bytes < least { Err(format!("it is below {least}")) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, expected) in [
            ("16777216", Some(16 << 20)),
            ("16MiB", Some(16 << 20)),
            ("16 m", Some(16 << 20)),
            ("1_000", Some(1000)),
            ("2GB", Some(2_000_000_000)),
            ("0", None),
            ("", None),
            ("lots", None),
            ("-1", None),
            ("16 miles", None),
            ("99999999999GiB", None),
        ] {
            assert_eq!(bytes(text, 1).ok(), expected, "{text}");
        }
    }

    #[test]
    fn tokens_keep_their_names_and_their_padding() {
        let read = |text: &str| {
            tokens(text)
                .map(|found| found.into_iter().map(|t| (t.name, t.token.expose().to_owned())).collect::<Vec<_>>())
        };
        let pair = |name: &str, token: &str| (name.to_owned(), token.to_owned());
        assert_eq!(read("abc"), Ok(vec![pair("default", "abc")]));
        assert_eq!(read("YWJj=="), Ok(vec![pair("default", "YWJj==")]));
        assert_eq!(read("hq=YWJj==, lake=x"), Ok(vec![pair("hq", "YWJj=="), pair("lake", "x")]));
        assert!(read("").is_err());
        assert!(read("a b=c").is_err());
        assert!(read("=c").is_err());
        assert!(read("hq=with space").is_err());
        assert!(read("a=same,b=same").is_err());
    }

    #[test]
    fn addresses_have_a_port() {
        assert_eq!(address("localhost:0"), Ok(([127, 0, 0, 1], 0).into()));
        assert_eq!(address("[::1]:8088").map(|a| a.port()), Ok(8088));
        assert!(address("127.0.0.1").is_err());
        assert!(address("example.com:80").is_err());
        assert_eq!(url("https://logs.example.com/").as_deref(), Ok("https://logs.example.com"));
        assert!(url("logs.example.com").is_err());
        assert!(url("https://user@host").is_err());
    }
}
