//! The configuration for people and machines: every setting with its value and origin, and the reference page.
//!
//! In: resolved settings. Out: a table, JSON or Markdown. Secrets are masked here, whatever their origin.

use super::{
    resolve::{Entry, Resolved},
    setting::{Kind, SETTINGS},
    value,
};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// What stands where a secret would.
const MASK: &str = "[secret]";

/// The value of a setting as it may be shown.
#[must_use]
pub fn shown(entry: &Entry) -> Option<String> {
    let text = entry.text.as_deref()?;
    Some(match entry.setting.kind {
        Kind::Secret => MASK.to_owned(),
        Kind::Tokens => value::tokens(text).map_or_else(
            |_| MASK.to_owned(),
            |tokens| tokens.iter().map(|token| format!("{}={MASK}", token.name)).collect::<Vec<_>>().join(","),
        ),
        _ => value::without_secrets(text),
    })
}

/// One line a setting: key, value, origin.
#[must_use]
pub fn table(resolved: &Resolved) -> String {
    let rows: Vec<(&str, String, String)> = resolved
        .entries
        .iter()
        .map(|entry| (entry.setting.key, shown(entry).unwrap_or_else(|| "-".into()), entry.origin.to_string()))
        .collect();
    let keys = rows.iter().map(|(key, _, _)| key.len()).max().unwrap_or(0);
    let values = rows.iter().map(|(_, value, _)| value.chars().count()).max().unwrap_or(0);
    rows.iter().fold(String::new(), |mut out, (key, value, origin)| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{key:keys$}  {value:values$}  {origin}");
        out
    })
}

/// `{"listen": {"value": "127.0.0.1:8088", "origin": "default"}, …}`.
#[must_use]
pub fn json(resolved: &Resolved) -> Value {
    let members = resolved.entries.iter().map(|entry| {
        let value = json!({"value": shown(entry), "origin": entry.origin.to_string()});
        (entry.setting.key.to_owned(), value)
    });
    Value::Object(members.collect::<Map<_, _>>())
}

/// The reference page: every setting with its variable, flag, default and meaning, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut out = String::from(
        "A setting `data_dir` is the flag `--data-dir`, the variable `LIFELINE_DATA_DIR` and the key `data_dir` in\n\
         `lifeline.toml`. A flag wins over a variable, a variable over the file, the file over the default. The file is the one named\n\
         by `--config` or `LIFELINE_CONFIG`, else `lifeline.toml` in the data directory, else in the current directory. A secret\n\
         can also stand in a file of its own, named by `LIFELINE_…_FILE`, or be a systemd credential called like its key.\n",
    );
    let mut group = "";
    for setting in SETTINGS {
        if setting.group != group {
            group = setting.group;
            let _ = write!(
                out,
                "\n## {group}\n\n| key | variable | value | default | meaning |\n| --- | --- | --- | --- | --- |\n"
            );
        }
        let default = setting.default.map_or_else(|| "not set".to_owned(), |default| format!("`{default}`"));
        let expected = setting.kind.expected();
        let _ = writeln!(out, "| `{}` | `{}` | {expected} | {default} | {} |", setting.key, setting.env(), setting.doc);
    }
    out
}
