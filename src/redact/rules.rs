//! Which rules there are, and which texts call for them.

/// What a payload with a secret must contain somewhere, ASCII case aside, and which rules that calls for. Everything else is let
/// through after one scan. An escaped letter (`\\u`) can hide anything.
pub(super) const SUSPICIOUS: &[(Rules, &[&str])] = &[
    (
        Rules::NAMES,
        &[
            "passw",
            "passp",
            "passc",
            "pass\"",
            "pass\\",
            "pass'",
            "pass=",
            "pass:",
            "pass>",
            "pass_",
            "pass-",
            "pass1",
            "pass2",
            "pass ",
            "pwd",
            "pw\"",
            "pw\\",
            "pw'",
            "pw=",
            "pw:",
            "pw>",
            "secret",
            "token",
            "key",
            "cred",
            "auth",
            "bearer",
            "cookie",
            "signature",
            "sig=",
            "sig\"",
            "sig\\",
            "\"sas",
            "jwt",
            "pem\"",
            "pem\\",
            "pem=",
            "\"pat\"",
            "\"pat\\",
            "'pat'",
            "?pat=",
            "&pat=",
            "--pat ",
            "hmac",
            "jaas",
            "otp",
            "pin\"",
            "pin\\",
            "pin'",
            "pin=",
            "pin:",
            "pincode",
            "pin_code",
            "pin-code",
            "\"refresh\"",
            "\"refresh\\",
            "p12",
            "pfx",
            "wallet",
            "sessionid",
            "sessid",
            "recoverycode",
            "recovery_code",
            "recovery-code",
            "recovery code",
            "backupcode",
            "backup_code",
            "backup-code",
            "backup code",
            "serviceaccountjson",
            "service_account_json",
            "service-account-json",
            "private\"",
            "private\\",
            "private=",
            "private_c",
            "privatec",
            "nectionstring",
            "nection_string",
            "nection-string",
            "nection string",
        ],
    ),
    (Rules::SCHEMES, &["authorization", "bearer", "basic", "splunk", "token"]),
    (Rules::URLS, &["://"]),
    (Rules::PEM, &["-----begin"]),
    (Rules::AWS, &["akia", "asia", "agpa", "aida", "aroa", "aipa", "anpa", "anva"]),
    (
        Rules::PREFIXED,
        &[
            "eyj",
            "ghp_",
            "gho_",
            "ghs_",
            "ghu_",
            "ghr_",
            "github_pat_",
            "xox",
            "xapp-",
            "aiza",
            "ya29.",
            "1//0",
            "k_live_",
            "glpat-",
            "dapi",
            "shpat_",
            "npm_",
            "sk-ant-",
            "sk-proj-",
        ],
    ),
    (
        Rules::COMMANDS,
        &[
            "curl",
            "sshpass",
            "@tcp",
            "@unix(",
            "jdbc:oracle",
            "hooks.slack.com",
            "webhook.office",
            "outlook.office",
            "azurewebsites.net",
            "%3a%2f%2f",
        ],
    ),
    (Rules::STATEMENTS, &["passw", "identified"]),
    (Rules::ALL, &["\\u"]),
];

/// A set of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules(u16);

impl Rules {
    pub(super) const NONE: Self = Self(0);
    /// Members and pairs whose name speaks of a secret.
    pub(super) const NAMES: Self = Self(1);
    pub(super) const SCHEMES: Self = Self(1 << 1);
    pub(super) const URLS: Self = Self(1 << 2);
    pub(super) const PEM: Self = Self(1 << 3);
    pub(super) const AWS: Self = Self(1 << 4);
    pub(super) const PREFIXED: Self = Self(1 << 5);
    /// Command lines and addresses of one program's own make.
    pub(super) const COMMANDS: Self = Self(1 << 6);
    /// Words like an AWS secret key. Called for by an access key id anywhere in the text, not by a text of `SUSPICIOUS`.
    pub(super) const AWS_SECRET: Self = Self(1 << 7);
    /// Statements in SQL that set a password.
    pub(super) const STATEMENTS: Self = Self(1 << 8);
    pub(super) const ALL: Self = Self(((1 << 9) - 1) & !(1 << 7));

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) const fn calls_for(self, rule: Self) -> bool {
        self.0 & rule.0 != 0
    }

    pub(super) const fn calls_for_shapes(self) -> bool {
        self.without(Self::NAMES).0 != 0
    }
}
