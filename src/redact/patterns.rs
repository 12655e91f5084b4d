//! The patterns that `shapes` looks for, and what their matches must be like.

use super::Rules;

/// Whether what a pattern found is a secret.
pub(super) type Fits = fn(&str) -> bool;

pub(super) const ACCESS_KEY_ID: &str = r"\b((?:AKIA|ASIA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA)[A-Z0-9]{16})\b";

/// Each pattern's first group is the part to mask.
pub(super) const WHOLE: &[(Rules, &str, Fits)] = &[
    (Rules::PEM, r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----(.*?)(?:-----END|\z)", any),
    (Rules::URLS, r"(?i)\b[a-z][a-z0-9+.\-]{1,20}://([^\s/?#@\x22'\\<>]*:[^\s/?#\x22'\\<>]*)@", any),
    (Rules::URLS, r"(?i)\b[a-z][a-z0-9+.\-]{1,20}://([^\s/?#@:\x22'\\<>]{16,})@", any),
    (Rules::SCHEMES, r"(?i)\b(?:basic|splunk|api-token|token)\s+([a-z0-9+/._~\-]{16,}=*)", is_credential),
    (Rules::SCHEMES, r"(?i)\b(?:bearer)\s+([a-z0-9+/._~\-]{8,}=*)", is_bearer),
    // With a separator nearly every word is a credential, without one only what looks like it.
    (
        Rules::SCHEMES,
        r"(?i)authorization[\s\x22'\\]{0,6}[:=>][\s\x22'\\]{0,6}(?:(?:basic|bearer|splunk|apikey|digest|token|negotiate|ntlm|oauth)\s+)?([a-z0-9+/._~\-]{6,}=*)",
        is_no_prose,
    ),
    (
        Rules::SCHEMES,
        r"(?i)authorization[\s\x22'\\:=>]{1,8}[a-z][a-z0-9\-]{2,20}\s+([a-z0-9+/._~\-]{8,}=*)",
        is_credential,
    ),
    (Rules::SCHEMES, r"(?i)authorization[\s\x22'\\()\[\]]{1,8}([a-z0-9+/._~\-]{8,}=*)", is_credential),
    (Rules::AWS, ACCESS_KEY_ID, any),
    (Rules::PREFIXED, r"\b(eyJ[A-Za-z0-9_\-]{5,}\.[A-Za-z0-9_\-]{5,}(?:\.[A-Za-z0-9_\-]*)?)", any),
    (
        Rules::PREFIXED,
        r"\b((?:ghp|gho|ghs|ghu|ghr)_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|xox[abprs]-[A-Za-z0-9\-]{10,}|xapp-[A-Za-z0-9\-]{10,}|AIza[A-Za-z0-9_\-]{30,}|[sr]k_live_[A-Za-z0-9]{10,}|glpat-[A-Za-z0-9_\-]{15,})",
        any,
    ),
    (
        Rules::PREFIXED,
        r"\b(ya29\.[A-Za-z0-9_\-.]{10,}|1//0[A-Za-z0-9_\-]{20,}|dapi[a-f0-9]{32}|shpat_[A-Za-z0-9]{20,}|npm_[A-Za-z0-9]{30,}|sk-(?:ant|proj)-[A-Za-z0-9_\-]{16,})",
        any,
    ),
    (
        Rules::COMMANDS,
        r"\bcurl\b[^\n|]{0,400}?\s(?:-u|-U|--user|--proxy-user)[\s=]{0,3}[\\\x22']{0,4}[^\s:\x22'\\]{1,128}:([^\s\x22'\\]+)",
        any,
    ),
    (Rules::COMMANDS, r"\bsshpass\s+-p[\s=]{0,3}[\\\x22']{0,4}([^\s\x22'\\]+)", any),
    (Rules::COMMANDS, r"([^\s:@=,;(\[\]{}\x22'\\<>/]{1,128}:[^\s\x22'\\<>]{1,256})@(?:tcp6?|unix)\(", any),
    (Rules::COMMANDS, r"(?i)\bjdbc:oracle:[a-z0-9]{2,6}:[^\s/@\x22'\\]{1,128}/([^\s@\x22'\\]{1,128})@", any),
    // Addresses whose path or query is the secret: whoever knows them may post. In damaged JSON slashes can be escaped.
    (Rules::COMMANDS, r"(?i)azurewebsites\.net[^\s\x22'<>]*?(?:[?&]|\\u0026)code=([^\s&\x22'\\<>#]+)", any),
    (
        Rules::COMMANDS,
        r"(?i)hooks\.slack\.com(?:\\{0,4}/|%2f)(?:services|workflows|triggers)(?:\\{0,4}/|%2f)((?:[^\s\x22'\\<>?#&,;]|\\+/)+)",
        any,
    ),
    (
        Rules::COMMANDS,
        r"(?i)(?:webhook\.office(?:365)?\.com|outlook\.office(?:365)?\.com(?:\\{0,4}/|%2f)webhook(?:b2)?)(?:\\{0,4}/|%2f)((?:[^\s\x22'\\<>?#&,;]|\\+/)+)",
        any,
    ),
    // User and password of an address that is percent-encoded itself, up to its own slash, question mark or hash.
    (
        Rules::COMMANDS,
        r"(?i)\b[a-z][a-z0-9+.\-]{1,20}%3a%2f%2f((?:[^\s/?#@\x22'\\<>&%]|%(?:[014-9a-f][0-9a-f]|2[0-24-9a-e]|3[0-9a-e]))*?%3a(?:[^\s/?#@\x22'\\<>&%]|%(?:[014-9a-f][0-9a-f]|2[0-24-9a-e]|3[0-9a-e]))*)%40",
        any,
    ),
    (
        Rules::STATEMENTS,
        r"(?is)\bidentified\s+(?:with\s+\S{1,64}\s+)?(?:by|as)\s+(?:password\s+)?n?'((?:[^'\\]|''|\\.)*)",
        any,
    ),
    (Rules::STATEMENTS, r"(?is)\bidentified\s+(?:with\s+\S{1,64}\s+)?by\s+(?:values\s+)?\\{0,7}\x22([^\x22\\]+)", any),
    (Rules::STATEMENTS, r"(?i)\b(?:create|alter)\s+user\s+\S{1,128}\s+identified\s+by\s+([^\s;,'\x22\\]+)", any),
    (
        Rules::STATEMENTS,
        r"(?is)\b(?:create|alter)\s+(?:user|role|login|group)\b[^;]{0,200}?\bpassword\s+n?'((?:[^'\\]|''|\\.)*)",
        any,
    ),
];

/// Words that stand behind `Authorization:` in messages.
const PROSE: &[&str] = &[
    "failed",
    "failure",
    "missing",
    "denied",
    "required",
    "needed",
    "invalid",
    "expired",
    "error",
    "errors",
    "header",
    "rejected",
    "revoked",
    "unknown",
    "pending",
    "disabled",
    "enabled",
    "granted",
    "success",
    "successful",
    "cannot",
    "unable",
    "please",
    "access",
    "account",
    "credentials",
    "authentication",
    "authorization",
    "forbidden",
    "unauthorized",
    "insufficient",
    "permission",
    "permissions",
    "request",
    "response",
    "server",
    "client",
    "service",
    "connection",
    "unsupported",
    "incorrect",
    "malformed",
];

fn any(_: &str) -> bool {
    true
}

/// Whether a word looks made by a machine: long, with a digit, a sign of base64, or a capital inside.
fn is_credential(word: &str) -> bool {
    let word = word.trim_end_matches(['.', '-', '/', '~']);
    word.len() >= 8
        && (word.bytes().any(|b| b.is_ascii_digit() || matches!(b, b'+' | b'='))
            || word.as_bytes().windows(2).any(|two| two[0].is_ascii_lowercase() && two[1].is_ascii_uppercase()))
}

/// As a bearer's token a word needs less; the longest words of prose have less than twenty letters.
fn is_bearer(word: &str) -> bool {
    let bare = word.trim_end_matches(['.', '-', '/', '~']);
    is_credential(word) || bare.len() >= 20 || (bare.len() >= 8 && bare.contains(['_', '.', '/']))
}

fn is_no_prose(word: &str) -> bool {
    let bare = word.trim_end_matches(['.', '-', '/', '~']);
    !PROSE.iter().any(|prose| bare.eq_ignore_ascii_case(prose))
}
