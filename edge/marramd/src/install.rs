//! `marramd install`: lays a device's root out and, where it is wanted, makes it a service.
//!
//! Options are named as those of the official installer (`easysetup/GreengrassSetup.java`), so that
//! its documentation fits. Everything may be repeated: a second run puts the program that is called
//! in the place of the one before.

mod unit;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::ArgAction::Set;
use marram_nucleus::alternatives::{Alternatives, ChangeAlternatives};
use marram_nucleus::config::initial::{InitialConfig, ReadInitialConfig};
use marram_nucleus::paths::NucleusPaths;
use marram_os::file::{WriteFile, create_dir_all_mode, write_atomically};
use marram_os::user::{self, ResolveUser};
use marram_telemetry::Chain;
use serde_json::{Value, json};

use crate::arguments::absolute_root;
use crate::failure::{Failure, USAGE};
use crate::launch;

/// The service's name.
const SERVICE: &str = "marramd.service";
/// Exists where systemd runs (`sd_booted(3)`).
const SYSTEMD_RUNS: &str = "/run/systemd/system";
/// What restarts the device of a service.
const REBOOT: &str = "systemctl reboot";

/// The arguments of `marramd install`.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// The device's root folder [default: /greengrass/v2 as root, else
    /// ~/.local/share/marram/core]
    #[arg(long, short, value_name = "DIR")]
    root: Option<PathBuf>,
    /// The first configuration, in the nucleus's schema; without one config/config.yaml stays as
    /// it is
    #[arg(long, value_name = "FILE")]
    init_config: Option<PathBuf>,
    /// The user that runs components, `user[:group]`; as root the default is `ggc_user:ggc_group`
    /// where it exists, else `nobody`
    #[arg(long, value_name = "USER")]
    component_default_user: Option<String>,
    /// Write a systemd unit, and enable it where systemd runs
    #[arg(long, action = Set, num_args = 0..=1, default_value = "false",
          default_missing_value = "true", value_name = "BOOL")]
    setup_system_service: bool,
    /// Start the device: as a service, or else in the place of this command
    #[arg(long, action = Set, num_args = 0..=1, default_value = "true",
          default_missing_value = "true", value_name = "BOOL")]
    start: bool,
    /// Where the unit is written
    #[arg(long, value_name = "DIR", default_value = "/etc/systemd/system")]
    unit_folder: PathBuf,
}

/// Why a device could not be installed.
#[derive(Debug, thiserror::Error)]
enum Install {
    #[error(transparent)]
    Root(Failure),
    #[error("a folder or file of the device could not be written")]
    Write(#[from] WriteFile),
    #[error("the program could not be put into place")]
    Program(#[from] ChangeAlternatives),
    #[error("this program's own file could not be found")]
    Itself(#[source] io::Error),
    #[error("the first configuration cannot be used")]
    Config(#[source] ReadInitialConfig),
    #[error(
        "{} has a configuration already, which --init-config does not replace: start `marramd \
         --init-config FILE` once to merge it, or deploy the change", root.display()
    )]
    Configured { root: PathBuf },
    #[error("the configuration could not be written as YAML")]
    Encode(#[source] serde_saphyr::ser::Error),
    #[error("--component-default-user")]
    User(#[source] ResolveUser),
    #[error("`systemctl {0}` failed: see its message above")]
    Systemctl(String),
    #[error("`systemctl` could not be started")]
    NoSystemctl(#[source] io::Error),
}

impl Install {
    fn code(&self) -> u8 {
        match self {
            Self::Root(_) | Self::Config(_) | Self::Configured { .. } | Self::User(_) => USAGE,
            _ => 1,
        }
    }
}

/// Installs a device.
pub fn run(arguments: &Arguments) -> ExitCode {
    match install(arguments) {
        Ok(installed) if arguments.start && !arguments.setup_system_service => {
            let words = ["--root".into(), installed.root.into()];
            launch::hand_over(installed.program, &words).report()
        }
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("marramd: {}", Chain(&error));
            ExitCode::from(error.code())
        }
    }
}

#[derive(Debug)]
struct Installed {
    root: PathBuf,
    program: PathBuf,
}

fn install(arguments: &Arguments) -> Result<Installed, Install> {
    let root = absolute_root(arguments.root.as_ref()).map_err(Install::Root)?;
    let paths = NucleusPaths::new(&root);
    let first = first_configuration(arguments, &paths)?;
    make_folders(&paths)?;
    if let Some(first) = first {
        let yaml = serde_saphyr::to_string(&first).map_err(Install::Encode)?;
        write_atomically(&paths.config_yaml(), yaml.as_bytes(), 0o600)?;
    }
    let itself = std::env::current_exe().map_err(Install::Itself)?;
    let program = Alternatives::new(&paths).install(&itself)?;
    eprintln!("installed {}", program.display());
    if arguments.setup_system_service {
        set_service_up(arguments, &root)?;
    }
    Ok(Installed { root, program })
}

/// The layout of Greengrass (recipes and deployments, C1).
fn make_folders(paths: &NucleusPaths) -> Result<(), WriteFile> {
    let root = paths.root();
    let private = [paths.config(), paths.recipes(), paths.logs(), paths.deployments()];
    let open =
        [root.to_owned(), paths.artifacts_root(), paths.unarchived_root(), root.join("work")];
    for folder in &open {
        create_dir_all_mode(folder, 0o755)?;
    }
    for folder in &private {
        create_dir_all_mode(folder, 0o700)?;
    }
    // Components reach their artifacts through it.
    create_dir_all_mode(&root.join("packages"), 0o755)
}

/// What config.yaml is to be, if it changes.
fn first_configuration(
    arguments: &Arguments,
    paths: &NucleusPaths,
) -> Result<Option<Value>, Install> {
    let is_started = paths.config().join("journal").exists();
    let own = paths.config_yaml();
    let file = match &arguments.init_config {
        Some(_) if is_started => {
            return Err(Install::Configured { root: paths.root().to_owned() });
        }
        Some(file) => file,
        None => &own,
    };
    let is_there = arguments.init_config.is_some() || own.exists();
    let before = match is_there {
        true => InitialConfig::read(file).map_err(Install::Config)?.into_value(),
        false => json!({}),
    };
    if let Some(user) = &arguments.component_default_user {
        user::resolve(user).map_err(Install::User)?;
    }
    let mut after = before.clone();
    add(&mut after, "/system/rootpath", json!(paths.root()), true);
    let is_given = arguments.component_default_user.is_some();
    let user = arguments.component_default_user.clone().or_else(default_component_user);
    if let Some(user) = user {
        let key = "/services/aws.greengrass.Nucleus/configuration/runWithDefault/posixUser";
        add(&mut after, key, json!(user), is_given);
    }
    let is_new = arguments.init_config.is_some() || after != before;
    Ok((is_new && !is_started).then_some(after))
}

/// Sets the value at a JSON pointer, making the maps on the way; one that is there already gives way
/// only if `replaces`.
fn add(document: &mut Value, pointer: &str, value: Value, replaces: bool) {
    let place = pointer.split('/').skip(1).fold(document, |node, key| {
        if !node.is_object() {
            *node = json!({});
        }
        &mut node[key]
    });
    if replaces || place.is_null() {
        *place = value;
    }
}

/// The user for components when none is named: only root needs one (ADR 0007).
pub fn default_component_user() -> Option<String> {
    user::is_root().then(|| {
        let greengrass = "ggc_user:ggc_group";
        let exists = user::resolve(greengrass).is_ok();
        if exists { greengrass } else { "nobody" }.to_owned()
    })
}

fn set_service_up(arguments: &Arguments, root: &Path) -> Result<(), Install> {
    let file = arguments.unit_folder.join(SERVICE);
    create_dir_all_mode(&arguments.unit_folder, 0o755)?;
    write_atomically(&file, unit::text(root, REBOOT).as_bytes(), 0o644)?;
    eprintln!("written {}", file.display());
    if !Path::new(SYSTEMD_RUNS).is_dir() {
        eprintln!("systemd does not run here: `systemctl enable --now {SERVICE}` where it does");
        return Ok(());
    }
    systemctl(&["daemon-reload"])?;
    systemctl(&["enable", SERVICE])?;
    if arguments.start {
        systemctl(&["restart", SERVICE])?;
    }
    Ok(())
}

fn systemctl(words: &[&str]) -> Result<(), Install> {
    let status = Command::new("systemctl").args(words).status().map_err(Install::NoSystemctl)?;
    status.success().then_some(()).ok_or_else(|| Install::Systemctl(words.join(" ")))
}

#[cfg(test)]
mod tests;
