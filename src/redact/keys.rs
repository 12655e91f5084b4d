//! Rule: a member whose name speaks of a secret holds one.
//!
//! Names are compared by their letters and digits alone, in lower case: `databasePassword`, `database-password` and
//! `DATABASE_PASSWORD` are one. Source: `create_connector` of Fivetran's documentation, where `databasePassword` stands in clear,
//! and the configuration forms of its connectors.

/// A name that contains one of these speaks of a secret.
const PARTS: &[&str] = &[
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "sshkey",
    "credential",
    "authorization",
    "connectionstring",
    "accountkey",
    "sharedkey",
    "encryptionkey",
    "masterkey",
    "signingkey",
    "clientkey",
    "sastoken",
    "cookie",
];

/// A name that is one of these speaks of a secret.
const WHOLE: &[&str] =
    &["auth", "sas", "sig", "signature", "pass", "bearer", "jwt", "pem", "keyfile", "pat", "authkey", "hmac"];

/// Names that contain a part above and are none: positions and counts.
const HARMLESS: &[&str] = &[
    "tokentype",
    "tokenexpiry",
    "tokenexpiresat",
    "tokenexpiration",
    "nextpagetoken",
    "pagetoken",
    "continuationtoken",
    "synctoken",
    "sequencetoken",
    "passwordlastchanged",
    "secretname",
    "secretarn",
    "credentialtype",
    "credentialstype",
    "authorizationmethod",
    "authorizationtype",
];

/// Objects whose members are named by the customer (tables, columns) and whose values are types and states, never secrets.
const NAMED_BY_CUSTOMER: &[&str] = &["columns", "tableprogress", "tables", "schemas"];

/// Whether a member of this name holds a secret.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let plain = plain(name);
    if HARMLESS.contains(&plain.as_str()) {
        return false;
    }
    WHOLE.contains(&plain.as_str()) || PARTS.iter().any(|part| plain.contains(part))
}

/// Whether the names in this object are the customer's.
pub(super) fn names_are_the_customers(name: &str) -> bool {
    NAMED_BY_CUSTOMER.contains(&plain(name).as_str())
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::is_secret;

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
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
