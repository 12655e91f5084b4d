//! Rule: a member whose name speaks of a secret holds one.
//!
//! Names are compared in two ways. By their letters and digits alone, in lower case: `databasePassword`, `database-password` and
//! `DATABASE_PASSWORD` are one. And by their words, where a part of a word would say too little: the `pass` of `dbPass` is none in
//! `compass`, and a `key` is a secret only with the right word before it. Source: `create_connector` of Fivetran's documentation,
//! where `databasePassword` stands in clear, and the configuration forms of its connectors.

use super::words::{
    ENDS, ENVELOPE, HARMLESS, IF_RANDOM, KEY_ASIDE, KEY_OF, LABELS, LAST, LAST_TWO, NAMED_BY_CUSTOMER, NOT_AFTER,
    NUMBERS, PARTS, VALUES, WHOLE,
};
use smallvec::SmallVec;

/// What a name says about its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    /// Nothing.
    Open,
    /// It is a secret if it looks like one.
    IfRandom,
    /// A text is a secret, a number is a count.
    Texts,
    /// Texts and numbers are secrets.
    All,
}

/// Whether a member of this name holds a secret.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    matches!(secrecy(name), Secrecy::Texts | Secrecy::All)
}

/// What a name says about its value.
pub(super) fn secrecy(name: &str) -> Secrecy {
    if is_an_envelopes(name) { Secrecy::Open } else { secrecy_by_words(name) }
}

/// Whether a member of the envelope itself has this name. These are asked about most and say nothing; a test holds the rules below to that.
fn is_an_envelopes(name: &str) -> bool {
    ENVELOPE.contains(&name)
}

fn secrecy_by_words(name: &str) -> Secrecy {
    let name = Name::new(name);
    let plain = name.plain.as_str();
    if HARMLESS.contains(&plain) {
        return Secrecy::Open;
    }
    let words = name.words();
    let (before, last) = match words.as_slice() {
        [.., before, last] => (*before, *last),
        [last] => ("", *last),
        [] => return Secrecy::Open,
    };
    let last_word =
        LAST.contains(&last) && !NOT_AFTER.iter().any(|(word, not_after)| *word == last && not_after.contains(&before));
    let secret = last_word
        || WHOLE.contains(&plain)
        || ENDS.iter().any(|end| plain.ends_with(end))
        || PARTS.iter().any(|part| plain.contains(part))
        || LAST_TWO.contains(&(before, last))
        || is_key(&words);
    if !secret {
        let if_random = IF_RANDOM.contains(&(before, last));
        return if if_random { Secrecy::IfRandom } else { Secrecy::Open };
    }
    let bare = plain.trim_end_matches(|c: char| c.is_ascii_digit());
    let numbers = NUMBERS.iter().any(|end| bare.ends_with(end))
        || matches!((before, last), (_, "pin" | "otp" | "totp" | "pw") | ("pin" | "otp", "code"))
        || matches!((before, last), ("recovery" | "backup", "code" | "codes"))
        || (last == "pass" && !before.is_empty());
    if numbers { Secrecy::All } else { Secrecy::Texts }
}

/// Whether an object of this name is an account's: every number in it may be a secret.
pub(super) fn is_an_account(name: &str) -> bool {
    let plain = plain(name);
    plain.contains("cred") || plain.ends_with("auth")
}

/// Whether a text could be a generated secret: letters and digits in one long word that is no name of a column.
pub(super) fn looks_random(text: &str) -> bool {
    let has = |class: fn(&u8) -> bool| text.bytes().any(|b| class(&b));
    text.len() >= 16
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'_' | b'-' | b'.' | b'~'))
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && (has(u8::is_ascii_uppercase) || !text.contains(['_', '.']))
}

/// Whether a member of this name holds the name of something.
pub(super) fn is_label(name: &str) -> bool {
    name.len() <= 16 && !is_an_envelopes(name) && LABELS.contains(&plain(name).as_str())
}

/// Whether a member of this name holds the value of what a label names.
pub(super) fn is_value(name: &str) -> bool {
    name.len() <= 16 && VALUES.contains(&plain(name).as_str())
}

/// Whether the names in this object are the customer's.
pub(super) fn names_are_the_customers(name: &str) -> bool {
    !is_an_envelopes(name) && NAMED_BY_CUSTOMER.contains(&plain(name).as_str())
}

fn is_key(words: &[&str]) -> bool {
    words.windows(2).enumerate().any(|(at, pair)| {
        matches!(pair[1], "key" | "keys")
            && KEY_OF.contains(&pair[0])
            && !words.get(at + 2).is_some_and(|next| KEY_ASIDE.contains(next))
    })
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// A name in lower case without anything but letters and digits, and where its words end.
struct Name {
    plain: String,
    ends: SmallVec<[usize; 8]>,
}

impl Name {
    fn new(name: &str) -> Self {
        let mut plain = String::with_capacity(name.len());
        let mut ends = SmallVec::new();
        let mut previous = ' ';
        let mut chars = name.chars().peekable();
        while let Some(c) = chars.next() {
            // `dbPass` is db and pass, `SSLKey` is ssl and key.
            let next_is_lower = chars.peek().is_some_and(|next| next.is_lowercase());
            let begins = c.is_uppercase() && (!previous.is_uppercase() || next_is_lower);
            if (begins || !c.is_alphanumeric()) && ends.last().copied().unwrap_or(0) < plain.len() {
                ends.push(plain.len());
            }
            if c.is_alphanumeric() {
                plain.extend(c.to_lowercase());
            }
            previous = c;
        }
        if ends.last().copied().unwrap_or(0) < plain.len() {
            ends.push(plain.len());
        }
        Self { plain, ends }
    }

    /// Its words; a number at the end is none (`db_pass_2`, `apiKey1`), but for `p12`.
    fn words(&self) -> SmallVec<[&str; 8]> {
        let mut start = 0;
        let mut words: SmallVec<[&str; 8]> = SmallVec::new();
        for end in &self.ends {
            let word = &self.plain[start..*end];
            start = *end;
            let bare = word.trim_end_matches(|c: char| c.is_ascii_digit());
            match (word, bare) {
                ("p12", _) => words.push(word),
                (_, "") => {}
                _ => words.push(bare),
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::{
        ENVELOPE, LABELS, NAMED_BY_CUSTOMER, Secrecy, is_secret, looks_random, plain, secrecy, secrecy_by_words,
    };

    #[test]
    fn the_envelopes_own_names_say_nothing() {
        for name in ENVELOPE {
            assert_eq!(secrecy_by_words(name), Secrecy::Open, "{name}");
            let plain = plain(name);
            assert!(!LABELS.contains(&plain.as_str()) && !NAMED_BY_CUSTOMER.contains(&plain.as_str()), "{name}");
        }
    }

    #[test]
    fn names_of_secrets_are_known_in_every_spelling() {
        for name in [
            "password",
            "databasePassword",
            "DB_PASSWORD",
            "agent-token",
            "secretKeyRemoteExecution",
            "new_api_key",
            "privateKey",
            "clientSecret",
            "Credentials",
            "auth",
            "connection string",
            "x-api-key",
            "aws_secret_access_key",
            "pwd",
            "oauthToken",
            "db_pass",
            "dbPass",
            "smtp_pass",
            "userPass",
            "DB_PASS_2",
            "creds",
            "db_cred",
            "basicAuth",
            "sasl_jaas_config",
            "hmac_key",
            "license_key",
            "workspaceKey",
            "app_key",
            "appKey",
            "application_key",
            "consumerKey",
            "subscription_key",
            "Ocp-Apim-Subscription-Key",
            "storage_key",
            "integration_key",
            "routing_key",
            "function_key",
            "x-functions-key",
            "ssl_key",
            "SSLKey",
            "tls_key",
            "certificate_private",
            "otp",
            "pin_code",
            "pin",
            "userPin",
            "oauth",
            "p12",
            "pfx",
            "keystore",
            "wallet",
            "X-Amz-Signature",
            "pw",
            "user_pw",
            "dbPw",
            "pass_key",
            "passKey",
            "client_cert_key",
            "certificate_key",
            "clientCertificateKey",
            "dsa_key",
            "ed25519_key",
            "ed25519Key",
            "sftp_key",
            "server_key",
            "security_key",
            "merchant_key",
            "auth_code",
            "authCode",
            "service_account_json",
            "serviceAccountJson",
            "json_key",
            "keytab",
            "recovery_codes",
            "sessionid",
            "JSESSIONID",
            "session_token",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "user",
            "publicKey",
            "agentPublicCert",
            "primary_key_clause",
            "required_auth_type",
            "host",
            "key",
            "author",
            "schema",
            "id",
            "next_page_token",
            "compass",
            "bypass_columns",
            "authentication",
            "foreign_key",
            "sort_key",
            "partition_key",
            "primary_key",
            "primaryKey",
            "cursor_key",
            "application_key_name",
            "shipping",
            "first_pass",
            "refresh",
            "full_refresh",
            "incredible",
            "keys",
            "keyspace",
            "method_signature",
            "session_id",
            "sessionId",
            "sessionID",
            "table_key",
            "keyword_stats",
            "code",
            "status_code",
            "error_code",
            "author_code",
            "server_key_id",
            "certificate",
            "json",
            "power",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn numbers_are_counts_but_where_the_name_ends_like_a_password() {
        for name in ["password", "dbPassword1", "pin", "smtp_pass", "otp", "client_secret", "token", "pinCode"] {
            assert_eq!(secrecy(name), Secrecy::All, "{name}");
        }
        for name in ["tokens", "secretsCount", "token_count", "passwordLength", "pass", "credentials", "app_key"] {
            assert_eq!(secrecy(name), Secrecy::Texts, "{name}");
        }
        for name in ["primaryKey", "primary_key", "refresh"] {
            assert_eq!(secrecy(name), Secrecy::IfRandom, "{name}");
        }
    }

    #[test]
    fn generated_secrets_look_random() {
        for text in ["Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA==", "0123456789abcdef0123456789abcdef"] {
            assert!(looks_random(text), "{text}");
        }
        for text in ["id", "customer_order_id_2", "order_id, line_number_1", "INCREMENTAL_APPEND"] {
            assert!(!looks_random(text), "{text}");
        }
    }
}
