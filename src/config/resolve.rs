//! Who says what: flag over environment over file over default.
//!
//! In: the given flags, the environment, a TOML file. Out: one text with its origin for each setting
//! ([`Resolved`]). Refused: unknown TOML keys, values of the wrong kind, a secret given twice; all at once, so that one run
//! shows every mistake.

use super::{
    setting::{Kind, SETTINGS, Setting, find, nearest},
    value,
};
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

/// What can be said before any of it is read.
#[derive(Debug, Default, Clone)]
pub struct Inputs {
    /// `(key, text)` of the flags on the command line.
    pub flags: Vec<(&'static str, String)>,
    /// `--config`.
    pub config_file: Option<PathBuf>,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// Where `lifeline.toml` is looked for beside the data directory; relative to the process when empty.
    pub working_dir: PathBuf,
}

impl Inputs {
    /// The environment and directory of this process, with the given flags.
    #[must_use]
    pub fn of_process(flags: Vec<(&'static str, String)>, config_file: Option<PathBuf>) -> Self {
        let env = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { flags, config_file, env, working_dir: PathBuf::new() }
    }

    /// A variable; an empty one counts as not set, since container tools pass those.
    fn var(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag of that name.
    Flag(String),
    /// An environment variable.
    Env(String),
    /// A file that an environment variable names.
    EnvFile(String),
    /// A file in the credentials directory of systemd.
    Credential(String),
    /// The TOML file.
    File(PathBuf),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "flag --{flag}"),
            Self::Env(name) => write!(f, "environment {name}"),
            Self::EnvFile(name) => write!(f, "file named by {name}"),
            Self::Credential(name) => write!(f, "systemd credential {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A setting's text and where it came from.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Which setting.
    pub setting: &'static Setting,
    /// Its text; `None` when not set. A secret's text is in here too: show it with [`super::show`] only.
    pub(super) text: Option<String>,
    /// Who said so.
    pub origin: Origin,
}

/// Every setting, resolved and checked one by one.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// In the order of [`SETTINGS`].
    pub entries: Vec<Entry>,
    /// The TOML file that was read.
    pub file: Option<PathBuf>,
    /// Things that are allowed but look like a mistake.
    pub warnings: Vec<String>,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A file that was asked for cannot be read.
    #[error("cannot read {what} {}: {why}", path.display())]
    Unreadable {
        /// What the file is for.
        what: String,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        why: String,
    },
    /// The file is no TOML.
    #[error("{}: not TOML: {why}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, column and reason; never the line itself, which may hold a secret.
        why: String,
    },
    /// A key that no setting has.
    #[error("{}: unknown key {key:?}{}", path.display(), meant.map(|m| format!("; did you mean {m:?}?")).unwrap_or_default())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key as written.
        key: String,
        /// The nearest known key.
        meant: Option<&'static str>,
    },
    /// A value that its setting does not take.
    #[error("{key} ({origin}): {detail}")]
    BadValue {
        /// The setting.
        key: &'static str,
        /// Who said it.
        origin: Origin,
        /// The value (never of a secret), what is wrong, what was expected and in which unit.
        detail: String,
    },
    /// Settings that do not go together.
    #[error("{0}")]
    Combination(String),
}

/// Why there is no configuration: every mistake that was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<Problem>);

impl ConfigError {
    /// Whether a flag says something that its setting does not take.
    #[must_use]
    pub fn is_of_a_flag(&self) -> bool {
        self.0.iter().any(|problem| matches!(problem, Problem::BadValue { origin: Origin::Flag(_), .. }))
    }
}

/// Brings the layers together.
///
/// # Errors
/// Every mistake in any of them.
pub fn resolve(inputs: &Inputs) -> Result<Resolved, ConfigError> {
    let mut problems = Vec::new();
    let (file, values) = match config_file(inputs) {
        Some(path) => match read_file(&path, &mut problems) {
            Some(values) => (Some(path), values),
            None => return Err(ConfigError(problems)),
        },
        None => (None, BTreeMap::new()),
    };
    let mut entries = Vec::with_capacity(SETTINGS.len());
    for setting in SETTINGS {
        let entry = layered(setting, inputs, file.as_deref(), &values, &mut problems);
        if let Some(text) = &entry.text
            && let Err(why) = value::check(setting.kind, text)
        {
            problems.push(bad_value(setting, &entry.origin, text, &why));
        }
        entries.push(entry);
    }
    if !problems.is_empty() {
        return Err(ConfigError(problems));
    }
    Ok(Resolved { entries, file, warnings: misspelt_variables(inputs) })
}

/// The first layer that says something about a setting.
fn layered(
    setting: &'static Setting,
    inputs: &Inputs,
    file: Option<&Path>,
    values: &BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) -> Entry {
    let env = setting.env();
    let env_file = format!("{env}_FILE");
    if setting.secret() && inputs.var(&env).is_some() && inputs.var(&env_file).is_some() {
        problems.push(Problem::Combination(format!("both {env} and {env_file} are set; keep one of them")));
    }
    let mut from_file = |what: &str, path: &str| match std::fs::read_to_string(path) {
        Ok(text) => Some(text.trim().to_owned()),
        Err(error) => {
            let (what, path, why) = (what.to_owned(), PathBuf::from(path), error.to_string());
            problems.push(Problem::Unreadable { what, path, why });
            None
        }
    };
    let (text, origin) = if let Some((_, text)) = inputs.flags.iter().rev().find(|(key, _)| *key == setting.key) {
        (Some(text.clone()), Origin::Flag(setting.flag()))
    } else if let Some(text) = inputs.var(&env) {
        (Some(text.to_owned()), Origin::Env(env))
    } else if let Some(path) = inputs.var(&env_file).filter(|_| setting.secret()) {
        (from_file(&format!("the file of {env_file},"), path), Origin::EnvFile(env_file))
    } else if let Some((name, path)) = credential(setting, inputs) {
        (from_file("the systemd credential", &path.to_string_lossy()), Origin::Credential(name))
    } else if let (Some(path), Some(text)) = (file, values.get(setting.key)) {
        (Some(text.clone()), Origin::File(path.to_owned()))
    } else {
        (setting.default.map(str::to_owned), Origin::Default)
    };
    Entry { setting, text, origin }
}

/// A secret that systemd handed over: `ingest_token` or `lifeline_ingest_token` in its directory.
fn credential(setting: &Setting, inputs: &Inputs) -> Option<(String, PathBuf)> {
    let directory = inputs.var("CREDENTIALS_DIRECTORY").filter(|_| setting.secret())?;
    [setting.key.to_owned(), format!("lifeline_{}", setting.key)]
        .into_iter()
        .map(|name| (name.clone(), Path::new(directory).join(name)))
        .find(|(_, path)| path.is_file())
}

/// `--config`, `LIFELINE_CONFIG`, `lifeline.toml` in the data directory, `lifeline.toml` here.
fn config_file(inputs: &Inputs) -> Option<PathBuf> {
    if let Some(path) = inputs.config_file.clone().or_else(|| inputs.var("LIFELINE_CONFIG").map(PathBuf::from)) {
        return Some(path);
    }
    let flag = inputs.flags.iter().rev().find(|(key, _)| *key == "data_dir").map(|(_, text)| text.as_str());
    let default = find("data_dir").and_then(|setting| setting.default).unwrap_or(".");
    let data_dir = flag.or_else(|| inputs.var("LIFELINE_DATA_DIR")).unwrap_or(default);
    [inputs.working_dir.join(data_dir), inputs.working_dir.clone()]
        .into_iter()
        .map(|directory| directory.join("lifeline.toml"))
        .find(|path| path.is_file())
}

/// The file's values as text. `None` when it cannot be read at all.
fn read_file(path: &Path, problems: &mut Vec<Problem>) -> Option<BTreeMap<String, String>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let (what, path) = ("the configuration file".to_owned(), path.to_owned());
            problems.push(Problem::Unreadable { what, path, why: error.to_string() });
            return None;
        }
    };
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            let error: toml::de::Error = error;
            let line = error.span().map(|span| text[..span.start].lines().count().max(1));
            let at = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            problems.push(Problem::Syntax { path: path.to_owned(), why: format!("{at}{}", error.message()) });
            return None;
        }
    };
    let mut values = BTreeMap::new();
    for (key, value) in table {
        let Some(setting) = find(&key) else {
            let meant = nearest(&key, SETTINGS.iter().map(|setting| setting.key));
            problems.push(Problem::UnknownKey { path: path.to_owned(), key, meant });
            continue;
        };
        match scalar(setting, &value) {
            Some(text) => {
                values.insert(key, text);
            }
            None => problems.push(Problem::BadValue {
                key: setting.key,
                origin: Origin::File(path.to_owned()),
                detail: format!("found a {}; expected {}", value.type_str(), setting.kind.expected()),
            }),
        }
    }
    Some(values)
}

/// A TOML value as the text that a flag would have; an array is fine where a comma-separated list is.
fn scalar(setting: &Setting, value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Array(items) if matches!(setting.kind, Kind::Tokens | Kind::Sinks) => {
            let texts: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
            texts.map(|texts| texts.join(","))
        }
        _ => None,
    }
}

/// Says what is wrong; quotes the value unless it is a secret, and without the secrets of an address.
pub(super) fn bad_value(setting: &Setting, origin: &Origin, text: &str, why: &str) -> Problem {
    let shown = if setting.secret() { String::new() } else { format!("{:?}: ", quotable(setting, text)) };
    let why = if why.is_empty() { String::new() } else { format!("{why}; ") };
    let detail = format!("{shown}{why}expected {}", setting.kind.expected());
    Problem::BadValue { key: setting.key, origin: origin.clone(), detail }
}

/// A value as an error may show it.
fn quotable(setting: &Setting, text: &str) -> String {
    match (setting.kind, text.rfind('@')) {
        // `user:password@tcp(host)/database`, as some drivers write it.
        (Kind::Store, Some(at)) if !text.contains("://") => format!("[secret]{}", &text[at..]),
        _ => value::without_secrets(text),
    }
}

/// `LIFELINE_` variables that nothing reads but that look like one that something does.
fn misspelt_variables(inputs: &Inputs) -> Vec<String> {
    let mut known: Vec<String> = SETTINGS.iter().map(|setting| setting.env().to_ascii_lowercase()).collect();
    known.extend(
        SETTINGS.iter().filter(|s| s.secret()).map(|setting| format!("{}_FILE", setting.env()).to_ascii_lowercase()),
    );
    known.push("lifeline_config".to_owned());
    let unknown = inputs
        .env
        .keys()
        .filter(|name| name.starts_with("LIFELINE_") && !known.iter().any(|known| name.eq_ignore_ascii_case(known)));
    unknown
        .filter_map(|name| {
            let meant = nearest(name, known.iter().map(String::as_str).filter(|k| k.len().abs_diff(name.len()) <= 2))?;
            Some(format!("the variable {name} is not read; did you mean {}?", meant.to_ascii_uppercase()))
        })
        .collect()
}
