//! Flags made from the table of settings, so that every setting has one and none is forgotten.

use crate::config::{
    Config, ConfigError, Inputs, Resolved,
    setting::{SETTINGS, Setting},
};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use std::path::PathBuf;

/// Settings that commands beside `serve` take as flags; the others they read from environment and file.
const DATA_KEYS: &[&str] = &["data_dir", "store", "schemas_dir", "diagnosis_dir"];

/// What the command line says about settings.
#[derive(Debug, Clone, Default)]
pub struct Given {
    flags: Vec<(&'static str, String)>,
    config_file: Option<PathBuf>,
}

impl Given {
    /// The configuration that these flags, the environment and the file make together.
    ///
    /// # Errors
    /// Every mistake in any of them.
    pub fn load(&self) -> Result<(Config, Resolved), ConfigError> {
        Config::load(&self.inputs())
    }

    /// What is resolved.
    #[must_use]
    pub fn inputs(&self) -> Inputs {
        Inputs::of_process(self.flags.clone(), self.config_file.clone())
    }
}

/// A flag for every setting.
#[derive(Debug, Clone, Default)]
pub struct ServeFlags(pub Given);

/// Flags for the settings that say where the data is.
#[derive(Debug, Clone, Default)]
pub struct DataFlags(pub Given);

fn augment(mut command: Command, keep: fn(&Setting) -> bool) -> Command {
    command = command.arg(
        Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help_heading("Configuration")
            .help("TOML file with settings [env: LIFELINE_CONFIG=]"),
    );
    for setting in SETTINGS.iter().filter(|setting| keep(setting)) {
        let default = setting.default.map(|default| format!(" [default: {default}]")).unwrap_or_default();
        // The variable is named here but read by the config room, which knows files and origins too.
        command = command.arg(
            Arg::new(setting.key)
                .long(setting.flag())
                .value_name(setting.kind.placeholder())
                .help_heading(setting.group)
                .help(format!("{}{default} [env: {}=]", setting.doc, setting.env())),
        );
    }
    command
}

fn given(matches: &ArgMatches, keep: fn(&Setting) -> bool) -> Given {
    let flags = SETTINGS
        .iter()
        .filter(|setting| keep(setting))
        .filter_map(|setting| Some((setting.key, matches.get_one::<String>(setting.key)?.clone())))
        .collect();
    Given { flags, config_file: matches.get_one::<PathBuf>("config").cloned() }
}

fn every(_: &Setting) -> bool {
    true
}

fn data_only(setting: &Setting) -> bool {
    DATA_KEYS.contains(&setting.key)
}

/// Lets clap treat a set of settings like any other group of arguments.
macro_rules! args_of_settings {
    ($flags:ty, $keep:expr) => {
        impl FromArgMatches for $flags {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                Ok(Self(given(matches, $keep)))
            }
            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                self.0 = given(matches, $keep);
                Ok(())
            }
        }
        impl Args for $flags {
            fn augment_args(command: Command) -> Command {
                augment(command, $keep)
            }
            fn augment_args_for_update(command: Command) -> Command {
                augment(command, $keep)
            }
        }
    };
}

args_of_settings!(ServeFlags, every);
args_of_settings!(DataFlags, data_only);
