//! The words that `keys` looks for in names.

/// A name that contains one of these speaks of a secret.
pub(super) const PARTS: &[&str] = &[
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
    "jaasconfig",
];

/// A name that is one of these speaks of a secret.
pub(super) const WHOLE: &[&str] = &[
    "auth",
    "sas",
    "bearer",
    "keyfile",
    "pat",
    "authkey",
    "hmac",
    "appkey",
    "sslkey",
    "tlskey",
    "functionkey",
    "dbpass",
    "userpass",
    "smtppass",
    "userpw",
    "dbpw",
];

/// A name that ends with one of these, written without a mark between its words, speaks of a secret.
pub(super) const ENDS: &[&str] = &[
    "licensekey",
    "consumerkey",
    "subscriptionkey",
    "integrationkey",
    "applicationkey",
    "workspacekey",
    "storagekey",
    "hmackey",
    // A number at the end of a word is no part of it: by words this would be the key of an `ed`.
    "ed25519key",
    "dsakey",
    "certificatekey",
    "serviceaccountjson",
];

/// A name whose last word is one of these speaks of a secret.
pub(super) const LAST: &[&str] = &[
    "pass",
    "cred",
    "creds",
    "otp",
    "totp",
    "pin",
    "pfx",
    "p12",
    "keystore",
    "wallet",
    "jwt",
    "pem",
    "sig",
    "signature",
    "oauth",
    "passkey",
    "pw",
    "keytab",
    // One word, as web servers name their cookies. The `session_id` of a log line is somebody's number for a piece of work (Snowflake's and
    // Databricks' sessions), opens no door, and is what such lines are found by: it stays.
    "sessionid",
    "jsessionid",
    "phpsessid",
];

/// Two last words that together speak of a secret.
pub(super) const LAST_TWO: &[(&str, &str)] = &[
    ("basic", "auth"),
    ("http", "auth"),
    ("proxy", "auth"),
    ("pin", "code"),
    ("otp", "code"),
    ("certificate", "private"),
    ("cert", "private"),
    ("private", "certificate"),
    ("private", "cert"),
    ("pass", "key"),
    ("auth", "code"),
    ("recovery", "code"),
    ("recovery", "codes"),
    ("backup", "code"),
    ("backup", "codes"),
];

/// Last words that say nothing after one of these: `first_pass`, `method_signature`.
pub(super) const NOT_AFTER: &[(&str, &[&str])] = &[
    ("pass", &["by", "boarding", "first", "second", "single", "multi", "next", "tests", "test", "checks"]),
    ("signature", &["method", "function", "type", "query"]),
];

/// With one of these words before it, a key is a secret.
pub(super) const KEY_OF: &[&str] = &[
    "api",
    "access",
    "private",
    "secret",
    "license",
    "app",
    "application",
    "consumer",
    "subscription",
    "storage",
    "integration",
    "routing",
    "function",
    "functions",
    "ssl",
    "tls",
    "ssh",
    "host",
    "master",
    "account",
    "shared",
    "signing",
    "encryption",
    "decryption",
    "client",
    "hmac",
    "workspace",
    "sas",
    "auth",
    "admin",
    "session",
    "service",
    "deploy",
    "webhook",
    "write",
    "rsa",
    "pgp",
    "gpg",
    "dsa",
    "ecdsa",
    "cert",
    "certificate",
    "sftp",
    "server",
    "security",
    "merchant",
    "json",
];

/// With one of these words behind it, a key is spoken of and not given.
pub(super) const KEY_ASIDE: &[&str] =
    &["id", "clause", "column", "columns", "name", "names", "field", "fields", "type", "count", "version", "size"];

/// Names whose value is a secret when it looks like one: Azure has primary keys, and so have tables.
pub(super) const IF_RANDOM: &[(&str, &str)] = &[("primary", "key"), ("secondary", "key"), ("", "refresh")];

/// With a name that ends like one of these a number is a secret too. With others, `tokens` and `secretCount`, it is a count.
pub(super) const NUMBERS: &[&str] = &["password", "passwd", "pwd", "passphrase", "passcode", "secret", "token"];

/// Members that hold the name of something whose value is in a member beside it.
pub(super) const LABELS: &[&str] = &[
    "field",
    "fieldname",
    "name",
    "key",
    "parameter",
    "parametername",
    "param",
    "property",
    "propertyname",
    "setting",
    "settingname",
    "attribute",
    "header",
    "variable",
    "option",
    "path",
];

/// The members beside a label that hold its value.
pub(super) const VALUES: &[&str] = &[
    "value",
    "values",
    "val",
    "old",
    "new",
    "oldvalue",
    "newvalue",
    "before",
    "after",
    "from",
    "to",
    "current",
    "currentvalue",
    "previous",
    "previousvalue",
    "default",
    "defaultvalue",
];

/// Names that contain a part above and are none: positions and counts.
pub(super) const HARMLESS: &[&str] = &[
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
pub(super) const NAMED_BY_CUSTOMER: &[&str] = &["columns", "tableprogress", "tables", "schemas"];

/// The names of the envelope's own members.
pub(super) const ENVELOPE: &[&str] = &[
    "event",
    "data",
    "created",
    "connector_type",
    "connector_id",
    "connector_name",
    "connection_id",
    "connection_name",
    "sync_id",
    "exception_id",
    "destination_group_id",
];
