//! What the command line says, and what it means where it is silent.

use std::ffi::OsString;
use std::path::PathBuf;

use marram_nucleus::config::initial::InitialConfig;

use crate::failure::Failure;

/// The arguments of `marramd` and of `marram core run`.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// The device's root folder [default: /greengrass/v2 as root, else
    /// ~/.local/share/marram/core]
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// A configuration in the nucleus's schema, merged at the start
    #[arg(long, value_name = "FILE")]
    pub init_config: Option<PathBuf>,
    /// Write this file, as JSON, once the IPC socket accepts connections
    #[arg(long, value_name = "F")]
    pub ready_file: Option<PathBuf>,
    /// How many seconds a new version of the nucleus, which a deployment brings, may take to come
    /// up before the old one comes back
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub update_deadline: u64,
    /// What restarts the device when a bootstrap step asks for it, run by `sh -c` once everything
    /// has stopped; without one, exit code 101 asks whoever started the program
    #[arg(long, value_name = "COMMAND")]
    pub reboot_command: Option<String>,
    /// Log level: error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: String,
}

/// The root folder where none is named; `None` without a home.
pub fn default_root() -> Option<PathBuf> {
    if marram_os::user::is_root() {
        return Some(PathBuf::from("/greengrass/v2"));
    }
    Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/share/marram/core"))
}

/// A root folder as it was given, absolute.
pub(crate) fn absolute_root(given: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    let root = match given {
        Some(root) => root.clone(),
        None => default_root().ok_or(Failure::NoHome)?,
    };
    std::path::absolute(&root).map_err(|source| Failure::Root { root, source })
}

impl Arguments {
    /// The root folder, absolute: components get it as it is.
    pub(crate) fn root(&self) -> Result<PathBuf, Failure> {
        absolute_root(self.root.as_ref())
    }

    /// The words that make another `marramd` run as this one does.
    pub(crate) fn words(&self) -> Result<Vec<OsString>, Failure> {
        let mut words: Vec<OsString> = vec!["--root".into(), self.root()?.into()];
        let mut add = |option: &str, value: Option<OsString>| {
            if let Some(value) = value {
                words.push(option.into());
                words.push(value);
            }
        };
        add("--init-config", self.init_config.clone().map(Into::into));
        add("--ready-file", self.ready_file.clone().map(Into::into));
        add("--update-deadline", Some(self.update_deadline.to_string().into()));
        add("--reboot-command", self.reboot_command.clone().map(Into::into));
        add("--log-level", Some(self.log_level.clone().into()));
        Ok(words)
    }

    pub(crate) fn initial_config(&self) -> Result<Option<InitialConfig>, Failure> {
        let Some(path) = &self.init_config else { return Ok(None) };
        InitialConfig::read(path).map(Some).map_err(Failure::Config)
    }
}
