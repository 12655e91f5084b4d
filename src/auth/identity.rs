//! Identity tokens: who a cloud says that it is, in a JSON Web Token signed with one of its published keys.
//!
//! In: the token's text and the time; a JWKS file with the public keys of the issuer. Out: nothing, when issuer, audience, address
//! and time are those that were configured and the RS256 signature fits. Refused: everything else, with words for the
//! sender. The file is read again when it has changed, so that keys can be renewed while running; nothing is fetched.
//!
//! Source: RFC 7515, 7517, 7519; <https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions>, read 2026-11-20.

use crate::model::{MICROS_PER_SECOND, Micros};
use base64::{Engine, alphabet, engine};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::Deserialize;
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

/// Longest token that is looked at. Google's have about 1,200 bytes.
const TOKEN_BYTES_MAX: usize = 16 << 10;

/// How far clocks may differ, in seconds.
const LEEWAY_S: i64 = 60;

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Padding is left away by the rule, and written by some.
const BASE64: engine::GeneralPurpose = engine::GeneralPurpose::new(
    &alphabet::URL_SAFE,
    engine::GeneralPurposeConfig::new().with_decode_padding_mode(engine::DecodePaddingMode::Indifferent),
);

/// Whose tokens count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentitySettings {
    /// `iss`, with or without `https://`.
    pub issuer: String,
    /// `aud`. Anybody may ask the issuer for any audience, so this alone proves nothing.
    pub audience: String,
    /// `email`: whose tokens.
    pub email: String,
    /// The issuer's keys, a JWKS file.
    pub keys: PathBuf,
}

/// Judges tokens.
#[derive(Debug)]
pub struct Issuer {
    settings: IdentitySettings,
    keys: Mutex<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    keys: Arc<[Key]>,
    changed: Option<SystemTime>,
    looked: Instant,
}

/// A public key.
#[derive(Debug)]
struct Key {
    id: Option<String>,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

#[derive(Deserialize)]
struct KeyFile {
    keys: Vec<KeyEntry>,
}

#[derive(Deserialize)]
struct KeyEntry {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
}

#[derive(Deserialize)]
struct TokenHead {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    email_verified: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Issuer {
    /// Reads the keys.
    ///
    /// # Errors
    /// The file cannot be read, or holds no RSA key.
    pub fn open(settings: IdentitySettings) -> Result<Self, String> {
        let changed = modified(&settings.keys);
        let keys = read_keys(&settings.keys)?;
        let keys = Mutex::new(Loaded { keys, changed, looked: Instant::now() });
        Ok(Self { settings, keys })
    }

    /// Judges a token at a time.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self, token: &str, now_us: Micros) -> Result<(), &'static str> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err("it is too long");
        }
        let (signed, signature) = token.rsplit_once('.').ok_or("it has no three parts")?;
        let (head, claims) = signed.split_once('.').ok_or("it has no three parts")?;
        let head: TokenHead = part(head).ok_or("its head cannot be read")?;
        if head.alg != "RS256" {
            return Err("it is not signed with RS256");
        }
        let signature = BASE64.decode(signature).map_err(|_| "its signature cannot be read")?;
        let keys = self.keys();
        let mut candidates = keys.iter().filter(|key| head.kid.is_none() || key.id == head.kid).peekable();
        candidates.peek().ok_or("its key is not among the configured ones")?;
        let fits = |key: &Key| {
            RsaPublicKeyComponents { n: &key.modulus, e: &key.exponent }
                .verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature)
                .is_ok()
        };
        if !candidates.any(fits) {
            return Err("its signature does not fit");
        }
        let claims: Claims = part(claims).ok_or("its claims cannot be read")?;
        self.accept(&claims, now_us.div_euclid(MICROS_PER_SECOND))
    }

    fn accept(&self, claims: &Claims, now_s: i64) -> Result<(), &'static str> {
        let bare = |issuer: &str| issuer.strip_prefix("https://").unwrap_or(issuer).to_owned();
        if bare(&claims.iss) != bare(&self.settings.issuer) {
            return Err("it has another issuer");
        }
        let for_us = match &claims.aud {
            Audience::One(one) => *one == self.settings.audience,
            Audience::Many(many) => many.contains(&self.settings.audience),
        };
        if !for_us {
            return Err("it is meant for another audience");
        }
        if claims.email.as_deref() != Some(&self.settings.email) || claims.email_verified != Some(true) {
            return Err("it belongs to another account");
        }
        if now_s > claims.exp.saturating_add(LEEWAY_S) {
            return Err("it has expired");
        }
        if claims.nbf.is_some_and(|from| now_s < from.saturating_sub(LEEWAY_S)) {
            return Err("it is not valid yet");
        }
        Ok(())
    }

    /// The keys, from the file anew when it has changed. A file that cannot be read leaves the keys as they were.
    fn keys(&self) -> Arc<[Key]> {
        let mut loaded = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if loaded.looked.elapsed() >= LOOK_EVERY {
            loaded.looked = Instant::now();
            let changed = modified(&self.settings.keys);
            if changed != loaded.changed {
                match read_keys(&self.settings.keys) {
                    Ok(keys) => {
                        tracing::info!(keys = keys.len(), "read the keys of the identity issuer anew");
                        (loaded.keys, loaded.changed) = (keys, changed);
                    }
                    Err(why) => tracing::warn!("kept the keys of the identity issuer: {why}"),
                }
            }
        }
        Arc::clone(&loaded.keys)
    }
}

fn modified(path: &std::path::Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|about| about.modified()).ok()
}

fn read_keys(path: &std::path::Path) -> Result<Arc<[Key]>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let file: KeyFile = serde_json::from_str(&text)
        .map_err(|error| format!("{} is no JWKS file ({{\"keys\":[…]}}): {error}", path.display()))?;
    let key = |entry: KeyEntry| {
        let number = |text: Option<String>| BASE64.decode(text?).ok();
        let (modulus, exponent) = (number(entry.n)?, number(entry.e)?);
        (entry.kty == "RSA").then_some(Key { id: entry.kid, modulus, exponent })
    };
    let keys: Arc<[Key]> = file.keys.into_iter().filter_map(key).collect();
    if keys.is_empty() { Err(format!("{} holds no RSA key", path.display())) } else { Ok(keys) }
}

/// A part of a token: JSON in base64.
fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Option<T> {
    serde_json::from_slice(&BASE64.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token of a key that was thrown away, and that key's public half.
    const TOKEN: &str = include_str!("../../tests/fixtures/identity/token.txt");
    const KEYS: &str = include_str!("../../tests/fixtures/identity/jwks.json");

    /// Between `iat` and `exp` of the token.
    const NOW_US: Micros = 1_795_180_400 * MICROS_PER_SECOND;

    fn settings(keys: PathBuf) -> IdentitySettings {
        IdentitySettings {
            issuer: "https://accounts.google.com".into(),
            audience: "https://logs.example.com/v1/pubsub".into(),
            email: "push@my-project.iam.gserviceaccount.com".into(),
            keys,
        }
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn only_the_configured_account_of_the_issuer_is_let_in() {
        let keys = file(KEYS);
        let plain = settings(keys.path().into());
        let judge = |settings: &IdentitySettings, token: &str, now_us| {
            Issuer::open(settings.clone()).unwrap().verify(token.trim(), now_us)
        };
        assert_eq!(judge(&plain, TOKEN, NOW_US), Ok(()));
        let bare = IdentitySettings { issuer: "accounts.google.com".into(), ..plain.clone() };
        assert_eq!(judge(&bare, TOKEN, NOW_US), Ok(()));
        for (other, why) in [
            (IdentitySettings { issuer: "https://other".into(), ..plain.clone() }, "it has another issuer"),
            (IdentitySettings { audience: "x".into(), ..plain.clone() }, "it is meant for another audience"),
            (IdentitySettings { email: "x@y".into(), ..plain.clone() }, "it belongs to another account"),
        ] {
            assert_eq!(judge(&other, TOKEN, NOW_US), Err(why));
        }
        let late = NOW_US + 100 * 365 * 86_400 * MICROS_PER_SECOND;
        assert_eq!(judge(&plain, TOKEN, late), Err("it has expired"));
    }

    #[test]
    fn damaged_tokens_are_refused() {
        let keys = file(KEYS);
        let issuer = Issuer::open(settings(keys.path().into())).unwrap();
        let good = TOKEN.trim();
        let [head, claims, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
        let none = BASE64.encode(r#"{"alg":"none"}"#);
        let hs256 = BASE64.encode(r#"{"alg":"HS256","kid":"test-key"}"#);
        let other_key = BASE64.encode(r#"{"alg":"RS256","kid":"other"}"#);
        let swapped = claims.replacen('I', "J", 1);
        for (token, why) in [
            ("", "it has no three parts"),
            ("a.b", "it has no three parts"),
            ("a.b.c", "its head cannot be read"),
            (&format!("{none}.{claims}."), "it is not signed with RS256"),
            (&format!("{hs256}.{claims}.{signature}"), "it is not signed with RS256"),
            (&format!("{other_key}.{claims}.{signature}"), "its key is not among the configured ones"),
            (&format!("{head}.{swapped}.{signature}"), "its signature does not fit"),
            (&format!("{head}.{claims}."), "its signature does not fit"),
            (&format!("{head}.{claims}.{}", &signature[4..]), "its signature does not fit"),
            (&format!("{head}.{claims}.!"), "its signature cannot be read"),
            (&"x.".repeat(20_000), "it is too long"),
        ] {
            assert_eq!(issuer.verify(token, NOW_US), Err(why), "{}", &token[..token.len().min(60)]);
        }
    }

    #[test]
    fn a_file_without_keys_is_refused() {
        for text in ["", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"EC","crv":"P-256"}]}"#] {
            assert!(Issuer::open(settings(file(text).path().into())).is_err(), "{text}");
        }
        assert!(Issuer::open(settings("/nowhere/jwks.json".into())).is_err());
    }
}
