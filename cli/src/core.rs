//! `marram core …`: core devices, from their provisioning to their running.

use std::process::ExitCode;

use clap::Subcommand;

use crate::exit::BadInput;
use crate::{config, exit, local, provision, wait};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    options: local::Options,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a core device: thing, key, certificate, policies, role alias and config.yaml
    Provision(provision::Arguments),
    /// Run the device's runtime until SIGTERM; the same as the program `marramd`
    Run(marramd::Arguments),
    /// The device's configuration, and where each value comes from
    #[command(subcommand)]
    Config(config::Command),
    /// Wait until a core device is HEALTHY and its deployments have succeeded
    Wait(wait::Arguments),
    /// What `greengrass-cli` does: works on the device of this machine
    #[command(flatten)]
    Local(local::Command),
}

pub(crate) fn run(Arguments { options, command }: Arguments) -> ExitCode {
    match command {
        Command::Local(command) => exit::of(local::run(&options, command)),
        Command::Config(command) => exit::of(config::run(&command, options.output())),
        _ if options.is_given() => exit::of(Err(not_for_this())),
        Command::Provision(arguments) => exit::of(provision::run(&arguments)),
        Command::Run(arguments) => marramd::run_within(arguments),
        Command::Wait(arguments) => exit::of(wait::run(&arguments)),
    }
}

/// An option that would have no effect is a mistake of the caller's.
fn not_for_this() -> anyhow::Error {
    BadInput(
        "--ggcRootPath and --output are for component, config (--output only), deployment, logs, \
         pubsub, iotcore and get-debug-password: leave them out here"
            .to_owned(),
    )
    .into()
}
