//! The shape of the command line.

use super::Cli;
use crate::config::setting::SETTINGS;
use clap::{Command, CommandFactory as _, Parser as _};

/// Every command that does something, with its path.
fn leaves(command: &Command, path: &str, out: &mut Vec<(String, Command)>) {
    for sub in command.get_subcommands() {
        let path = format!("{path} {}", sub.get_name());
        if sub.has_subcommands() {
            leaves(sub, &path, out);
        } else {
            out.push((path, sub.clone()));
        }
    }
}

fn all() -> Vec<(String, Command)> {
    let mut out = Vec::new();
    leaves(&Cli::command(), "lifeline", &mut out);
    out
}

#[test]
fn the_definition_is_sound_and_has_every_command() {
    Cli::command().debug_assert();
    let names: Vec<String> = all().into_iter().map(|(path, _)| path).collect();
    for name in [
        "serve",
        "check",
        "import",
        "simulate",
        "token create",
        "token list",
        "token revoke",
        "connections",
        "timeline",
        "sql",
        "export timeline",
        "export events",
        "rebuild",
        "migrate",
        "quarantine list",
        "quarantine show",
        "quarantine replay",
        "backup",
        "doctor",
        "healthcheck",
        "config show",
        "config check",
        "config reference",
        "completions",
        "openapi",
    ] {
        assert!(names.contains(&format!("lifeline {name}")), "{name}: {names:?}");
    }
}

#[test]
fn every_help_says_what_it_is_for() {
    for (path, mut command) in all() {
        let help = command.render_long_help().to_string();
        assert!(command.get_about().is_some(), "{path}");
        assert!(help.contains("Example") || path == "lifeline config reference", "{path}: {help}");
    }
}

#[test]
fn serve_has_a_flag_for_every_setting() {
    let (_, mut serve) = all().into_iter().find(|(path, _)| path == "lifeline serve").unwrap();
    let help = serve.render_long_help().to_string();
    for setting in SETTINGS {
        assert!(help.contains(&format!("--{}", setting.flag())), "{}", setting.key);
        assert!(help.contains(&setting.env()), "{}", setting.key);
    }
}

#[test]
fn wrong_usage_is_refused() {
    for line in [
        "lifeline",
        "lifeline import",
        "lifeline token create",
        "lifeline token create --kind owner",
        "lifeline simulate --late 2",
        "lifeline simulate --rate 5",
        "lifeline simulate --days 3 --end 2026-01-02",
        "lifeline quarantine replay",
        "lifeline sql",
        "lifeline sql --format xml -",
        "lifeline serve --lisen x",
    ] {
        let error = Cli::try_parse_from(line.split(' ')).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}");
    }
    for line in
        ["lifeline serve --listen 127.0.0.1:0", "lifeline simulate --events 5 --start 2026-02-01", "lifeline check -"]
    {
        assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
    }
}
