//! `marram cloud …`: the fleet service, from running it to its back-ups.

mod access;
mod backup;
mod cell;
mod clock;
mod components;
mod deployments;
mod devices;
mod export;
mod import;
mod keys;
mod portable;
mod restore;
mod status;

use std::process::ExitCode;

use clap::Subcommand;

use crate::exit;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the cloud until SIGTERM; the same as the program `marram-cloud`
    Run(marram_cloud::Arguments),
    /// Write a running cloud's database, artifacts, CA and keys into one file, all of one moment.
    /// Whoever has the file has every secret of the cloud
    Backup(backup::Arguments),
    /// Make a cloud from such a file, where none runs; it may change between SQLite and PostgreSQL
    Restore(restore::Arguments),
    /// The whole fleet in a few lines
    Status(status::Arguments),
    /// Core devices; with a name, what that one runs
    #[command(visible_alias = "device")]
    Devices(devices::Arguments),
    /// Components; with a name, all its versions
    #[command(visible_alias = "component")]
    Components(components::Arguments),
    /// Deployments; with an id, what that one brings and how far it is
    #[command(visible_alias = "deployment")]
    Deployments(deployments::Arguments),
    /// Write components with artifacts, thing groups, deployments, IoT policies and role aliases
    /// into plain files
    Export(export::Arguments),
    /// Make in a cloud what such files hold and it does not have; nothing that is there is changed
    Import(import::Arguments),
    /// The time in a cloud, and moving it where it is virtual
    #[command(subcommand)]
    Clock(clock::Command),
    /// Access keys of people and programs, and what each may do
    #[command(subcommand, visible_alias = "key")]
    Keys(keys::Command),
}

pub(crate) fn run(command: Command) -> ExitCode {
    match command {
        Command::Run(arguments) => marram_cloud::run(arguments),
        Command::Backup(arguments) => exit::of(backup::run(&arguments)),
        Command::Restore(arguments) => exit::of(restore::run(&arguments)),
        Command::Status(arguments) => exit::of(status::run(&arguments)),
        Command::Devices(arguments) => exit::of(devices::run(&arguments)),
        Command::Components(arguments) => exit::of(components::run(&arguments)),
        Command::Deployments(arguments) => exit::of(deployments::run(&arguments)),
        Command::Export(arguments) => exit::of(export::run(&arguments)),
        Command::Import(arguments) => exit::of(import::run(&arguments)),
        Command::Clock(command) => exit::of(clock::run(&command)),
        Command::Keys(command) => exit::of(keys::run(&command)),
    }
}
