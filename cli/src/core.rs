//! `marram core …`: core devices, from their provisioning to their running.

use std::process::ExitCode;

use clap::Subcommand;

use crate::{exit, provision, wait};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a core device: thing, key, certificate, policies, role alias and config.yaml
    Provision(provision::Arguments),
    /// Run the device's runtime until SIGTERM; the same as the program `marramd`
    Run(marramd::Arguments),
    /// Wait until a core device is HEALTHY and its deployments have succeeded
    Wait(wait::Arguments),
}

pub(crate) fn run(command: Command) -> ExitCode {
    match command {
        Command::Provision(arguments) => exit::of(provision::run(&arguments)),
        Command::Run(arguments) => marramd::run(arguments),
        Command::Wait(arguments) => exit::of(wait::run(&arguments)),
    }
}
